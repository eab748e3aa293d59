//! The tables of one write transaction, each opened when it is first needed.
//!
//! Opening a table costs about as much as a lookup in it, and most commits touch few of them.

use redb::{Key, Table, TableDefinition, Value, WriteTransaction};

use crate::store::redb::tables;

/// A table that is opened when it is first asked for.
pub struct Lazy<'t, K: Key + 'static, V: Value + 'static> {
    txn: &'t WriteTransaction,
    definition: TableDefinition<'static, K, V>,
    table: Option<Table<'t, K, V>>,
}

impl<'t, K: Key + 'static, V: Value + 'static> Lazy<'t, K, V> {
    fn new(txn: &'t WriteTransaction, definition: TableDefinition<'static, K, V>) -> Self {
        Self { txn, definition, table: None }
    }

    /// The table.
    pub fn open(&mut self) -> Result<&mut Table<'t, K, V>, redb::TableError> {
        match &mut self.table {
            Some(table) => Ok(table),
            slot @ None => Ok(slot.insert(self.txn.open_table(self.definition)?)),
        }
    }
}

macro_rules! write_tables {
    ($($field:ident: $definition:ident, $key:ty => $value:ty;)+) => {
        /// The tables that commits change.
        pub struct WriteTables<'t> {
            $(#[doc = concat!("[`tables::", stringify!($definition), "`].")]
            pub $field: Lazy<'t, $key, $value>,)+
        }

        impl<'t> WriteTables<'t> {
            /// The tables of a transaction.
            pub fn new(txn: &'t WriteTransaction) -> Self {
                Self { $($field: Lazy::new(txn, tables::$definition),)+ }
            }
        }
    };
}

// What only commits touch is added to what requests read as well.
tables::requested!(write_tables {
    tombstones: TOMBSTONES, u64 => &'static [u8];
    idempotency_expiry: IDEMPOTENCY_EXPIRY, (i64, u128, &'static str) => ();
});
