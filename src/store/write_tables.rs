//! The tables of one write transaction, each opened when it is first needed.
//!
//! Opening a table costs about as much as a lookup in it, and most commits touch few of them.

use redb::{Key, Table, TableDefinition, Value, WriteTransaction};

use super::tables;

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

write_tables! {
    users: USERS, u128 => &'static [u8];
    emails: EMAILS, &'static str => u128;
    sessions: SESSIONS, (u128, u128) => i64;
    tickets: TICKETS, u128 => &'static [u8];
    lists: LISTS, (u128, u128) => u64;
    lists_by_price: LISTS_BY_PRICE, (u128, u64, u128) => ();
    words: WORDS, (&'static str, u128) => ();
    orders: ORDERS, u128 => &'static [u8];
    ended_orders: ENDED_ORDERS, (u128, u8, u128) => ();
    deadlines: DEADLINES, (i64, u128) => (u128, u128);
    charges: CHARGES, u128 => &'static [u8];
    charges_by_intent: CHARGES_BY_INTENT, &'static str => u128;
    unsettled: UNSETTLED, u128 => ();
    events: EVENTS, u64 => &'static [u8];
    idempotency: IDEMPOTENCY, (u128, &'static str) => &'static [u8];
    idempotency_expiry: IDEMPOTENCY_EXPIRY, (i64, u128, &'static str) => ();
}
