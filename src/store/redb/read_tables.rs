//! The tables of one snapshot, each opened when it is first needed and by one reader for all.

use std::sync::OnceLock;

use redb::{Key, ReadOnlyTable, ReadTransaction, TableDefinition, Value};

use crate::store::redb::tables;
use crate::store::{ReadError, storage_error};

/// A table that is opened when it is first asked for.
pub struct Lazy<K: Key + 'static, V: Value + 'static>(OnceLock<ReadOnlyTable<K, V>>);

impl<K: Key + 'static, V: Value + 'static> Default for Lazy<K, V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<K: Key + 'static, V: Value + 'static> Lazy<K, V> {
    fn open(
        &self,
        txn: &ReadTransaction,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<&ReadOnlyTable<K, V>, ReadError> {
        if let Some(table) = self.0.get() {
            return Ok(table);
        }
        let table = txn.open_table(definition).map_err(storage_error)?;
        Ok(self.0.get_or_init(|| table))
    }
}

macro_rules! read_tables {
    ($($field:ident: $definition:ident, $key:ty => $value:ty;)+) => {
        /// The tables that requests read.
        #[derive(Default)]
        pub struct ReadTables {
            $($field: Lazy<$key, $value>,)+
        }

        impl ReadTables {
            $(#[doc = concat!("[`tables::", stringify!($definition), "`].")]
            pub fn $field(
                &self,
                txn: &ReadTransaction,
            ) -> Result<&ReadOnlyTable<$key, $value>, ReadError> {
                self.$field.open(txn, tables::$definition)
            })+
        }
    };
}

tables::requested!(read_tables {});
