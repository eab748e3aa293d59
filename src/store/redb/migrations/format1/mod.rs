//! Format 1: records in postcard, which names no fields; commits of the journal too.
//!
//! Here is what read it, frozen: the records, the journal, and what a commit does to rows. Indexes are
//! not read, for those of the new store follow from its rows.

mod answers;
mod journal;
mod records;
mod rows;

use std::collections::HashMap;

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition,
};

use crate::domain::{Currency, Session, SessionId, Timestamp, UserId, Version};
use crate::store::records::TicketRow;
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::fill::{FillError, Filling, fill};
use crate::store::{ReadError, storage_error};

use self::rows::Rows;

/// Rows by id.
type Table = TableDefinition<'static, u128, &'static [u8]>;

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
const BATCH: &str = "batch";
const USERS: Table = TableDefinition::new("users");
const SESSIONS: TableDefinition<'static, (u128, u128), i64> = TableDefinition::new("sessions");
const TICKETS: Table = TableDefinition::new("tickets");
const ORDERS: Table = TableDefinition::new("orders");
const CHARGES: Table = TableDefinition::new("charges");
const EVENTS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("events");
const KEYS: TableDefinition<'static, (u128, &str), &'static [u8]> =
    TableDefinition::new("idempotency");

/// Fills a store with what one of format 1 holds. Rows are streamed; kept in memory is what the
/// journal holds, a few megabytes, and a number for each account that was ever changed.
pub fn convert(old: &Volume, new: &Database) -> Result<(), FillError> {
    let source = Source { txn: old.db.begin_read()? };
    let batch = source.batch()?;
    let (storage, area) = old.journal.raw();
    let (rows, batch) = Rows::of_journal(&source, journal::Reader::new(storage, area), batch)?;
    fill(new, |filling| {
        filling.batch(batch)?;
        let mut conversion = Conversion { source, rows, currency: None };
        conversion.accounts(filling)?;
        conversion.market(filling)?;
        conversion.log(filling)?;
        if let Some(currency) = conversion.currency {
            filling.currency(&currency)?;
        }
        Ok(())
    })
}

/// The database of a store, as of its last checkpoint.
struct Source {
    txn: ReadTransaction,
}

impl Source {
    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, ReadError> {
        self.txn.open_table(definition).map_err(storage_error)
    }

    fn batch(&self) -> Result<u64, ReadError> {
        let batch = self.table(META)?.get(BATCH).map_err(storage_error)?;
        Ok(batch.map_or(0, |batch| batch.value()))
    }

    /// The sessions of a user.
    fn sessions_of(&self, user: u128) -> Result<Vec<u128>, ReadError> {
        let sessions = self.table(SESSIONS)?;
        let range = sessions.range((user, 0)..=(user, u128::MAX)).map_err(storage_error)?;
        range.map(|entry| Ok(entry.map_err(storage_error)?.0.value().1)).collect()
    }
}

/// The rows of the database, and over them those of the journal.
struct Conversion {
    source: Source,
    rows: Rows,
    /// The currency of the newest ticket.
    currency: Option<Currency>,
}

impl Conversion {
    fn accounts(&mut self, filling: &mut Filling<'_>) -> Result<(), FillError> {
        let later = std::mem::take(&mut self.rows.users);
        self.each(USERS, "users", later, |_, user: records::User| {
            filling.user(&user.into_domain())
        })?;
        let mut later = std::mem::take(&mut self.rows.sessions);
        let mut put = |(user, id): (u128, u128), expires_at| {
            let expires_at = Timestamp::from_millis(expires_at);
            let (user, id) = (UserId::from_u128(user), SessionId::from_u128(id));
            filling.session(&Session::ending(user, id, expires_at))
        };
        for entry in self.source.table(SESSIONS)?.iter()? {
            let (key, expires_at) = entry?;
            let of_journal = later.remove(&key.value());
            if let Some(expires_at) = of_journal.unwrap_or(Some(expires_at.value())) {
                put(key.value(), expires_at)?;
            }
        }
        for (key, expires_at) in later {
            expires_at.map_or(Ok(()), |expires_at| put(key, expires_at))?;
        }
        let mut later = std::mem::take(&mut self.rows.keys);
        for entry in self.source.table(KEYS)?.iter()? {
            let (key, row) = entry?;
            let (user, key) = key.value();
            let remembered = match later.remove(&(user, key.to_owned())) {
                Some(remembered) => remembered,
                None => records::decode("idempotency", (user, key), row.value())?,
            };
            filling.remembered(&remembered.into_domain()?)?;
        }
        later.into_values().try_for_each(|key| filling.remembered(&key.into_domain()?))
    }

    fn market(&mut self, filling: &mut Filling<'_>) -> Result<(), FillError> {
        let (later, mut currency) = (std::mem::take(&mut self.rows.tickets), None);
        self.each(TICKETS, "tickets", later, |id, row: records::TicketRow| {
            let row = row.into_domain()?;
            if let TicketRow::Listed(ticket) = &row {
                currency = Some(ticket.price.currency());
            }
            filling.ticket(id, &row)
        })?;
        self.currency = currency;
        let later = std::mem::take(&mut self.rows.orders);
        self.each(ORDERS, "orders", later, |_, order: records::Order| {
            filling.order(&order.into_domain()?)
        })?;
        let later = std::mem::take(&mut self.rows.charges);
        self.each(CHARGES, "charges", later, |_, charge: records::Charge| {
            filling.charge(&charge.into_domain()?)
        })
    }

    /// Shows the rows of a table, with those of the journal in their places.
    fn each<T: serde::de::DeserializeOwned>(
        &self,
        table: Table,
        name: &str,
        mut later: std::collections::BTreeMap<u128, T>,
        mut put: impl FnMut(u128, T) -> Result<(), FillError>,
    ) -> Result<(), FillError> {
        for entry in self.source.table(table)?.iter()? {
            let (id, row) = entry?;
            let id = id.value();
            let record = match later.remove(&id) {
                Some(record) => record,
                None => records::decode(name, id, row.value())?,
            };
            put(id, record)?;
        }
        later.into_iter().try_for_each(|(id, record)| put(id, record))
    }

    /// The events, of which those of accounts lose the addresses that were in them. What they tell
    /// instead is the version, which rose by one with each.
    fn log(&mut self, filling: &mut Filling<'_>) -> Result<(), FillError> {
        let mut versions: HashMap<u128, Version> = HashMap::new();
        let mut put = |entry: records::Entry| {
            let event = entry.event.into_domain(|user, is_new| {
                if is_new {
                    return Version::FIRST;
                }
                let version = versions.entry(user.id).or_insert(Version::FIRST);
                *version = version.next();
                *version
            })?;
            filling.event(Timestamp::from_millis(entry.at), &event)
        };
        for row in self.source.table(EVENTS)?.iter()? {
            let (first, row) = row?;
            for entry in records::run(first.value(), row.value())? {
                put(entry)?;
            }
        }
        std::mem::take(&mut self.rows.events).into_iter().try_for_each(put)
    }
}
