//! Filling an empty store with records, as a migration does: every row, and the entries that follow.

use redb::{Database, ReadableTable as _, WriteTransaction};

use crate::domain::{Charge, Currency, Event, Order, Remembered, Session, Timestamp, User};
use crate::store::ReadError;
use crate::store::failed::Failed;
use crate::store::records::session::SessionRow;
use crate::store::records::state::{Batch, names};
use crate::store::records::ticket::words;
use crate::store::records::{self, Indexed, Record, TicketRow, remembered, session};
use crate::store::redb::indexes;
use crate::store::redb::log::{Appender, EncodedEvents};
use crate::store::redb::write_tables::WriteTables;
use crate::store::search::blocks;
use crate::store::search::signature::signature;

/// How many tickets' words are collected before they are written. Blocks that many tickets of them
/// change are written once.
const TICKETS_AT_ONCE: usize = 50_000;
/// How many rows of the log are collected.
const LOG_ROWS_AT_ONCE: usize = 1_000;

/// Why a store was not filled.
#[derive(Debug)]
pub enum FillError {
    /// What it was to be filled with can't be read.
    Source(ReadError),
    /// It could not be written.
    Target(Failed),
}

impl From<ReadError> for FillError {
    fn from(error: ReadError) -> Self {
        Self::Source(error)
    }
}

impl<E: Into<Failed>> From<E> for FillError {
    fn from(error: E) -> Self {
        Self::Target(error.into())
    }
}

/// A store that is being filled, in one transaction: what is not in memory is on the disk already,
/// and counts when all of it is there.
pub struct Filling<'t> {
    tables: WriteTables<'t>,
    words: blocks::Changes,
    tickets: usize,
    log: Appender,
}

/// Fills an empty store whole or not at all.
pub fn fill(
    db: &Database,
    put_all: impl FnOnce(&mut Filling<'_>) -> Result<(), FillError>,
) -> Result<(), FillError> {
    let mut txn: WriteTransaction = db.begin_write()?;
    txn.set_quick_repair(true);
    let mut filling = Filling {
        tables: WriteTables::new(&txn),
        words: blocks::Changes::default(),
        tickets: 0,
        log: Appender::after(0),
    };
    put_all(&mut filling)?;
    filling.flush_words()?;
    filling.flush_log()?;
    drop(filling);
    Ok(txn.commit()?)
}

impl Filling<'_> {
    /// An account. If another has the address by today's rule, one of the two is known by its spelling
    /// from now on: the one whose spelling is not what addresses are compared by, and of two such the
    /// one that comes later.
    pub fn user(&mut self, user: &User) -> Result<(), FillError> {
        let key = user.email.key();
        let owner = self.tables.emails.open()?.get(key.as_str())?.map(|owner| owner.value());
        let Some(owner) = owner else { return self.put_user(user) };
        if user.email.key_as_spelled().is_some() {
            return self.put_user(&User { is_keyed_as_spelled: true, ..user.clone() });
        }
        let row = self.tables.users.open()?.get(owner)?;
        let owner = row.map(|row| records::decode::<User>(owner, row.value())).transpose()?;
        if let Some(owner) = owner {
            self.put_user(&User { is_keyed_as_spelled: true, ..owner })?;
        }
        self.put_user(user)
    }

    fn put_user(&mut self, user: &User) -> Result<(), FillError> {
        let key = user.id.as_u128();
        self.tables.users.open()?.insert(key, records::encode(key, user)?.as_slice())?;
        self.index(user)
    }

    /// A session.
    pub fn session(&mut self, opened: &Session) -> Result<(), FillError> {
        let key = session::key(opened);
        let row = records::encode(key, &SessionRow::from(opened))?;
        self.tables.sessions.open()?.insert(key, row.as_slice())?;
        Ok(())
    }

    /// A ticket, or the mark of one.
    pub fn ticket(&mut self, key: u128, row: &TicketRow) -> Result<(), FillError> {
        self.tables.tickets.open()?.insert(key, records::encode(key, row)?.as_slice())?;
        self.index(row)?;
        let TicketRow::Listed(ticket) = row else { return Ok(()) };
        let words = words(ticket);
        let signature = signature(&words);
        for word in words {
            self.words.set(word, key, Some(signature));
        }
        self.tickets += 1;
        if self.tickets.is_multiple_of(TICKETS_AT_ONCE) { self.flush_words() } else { Ok(()) }
    }

    /// An order.
    pub fn order(&mut self, order: &Order) -> Result<(), FillError> {
        let key = order.id.as_u128();
        self.tables.orders.open()?.insert(key, records::encode(key, order)?.as_slice())?;
        self.index(order)
    }

    /// A charge.
    pub fn charge(&mut self, charge: &Charge) -> Result<(), FillError> {
        let key = charge.id.as_u128();
        self.tables.charges.open()?.insert(key, records::encode(key, charge)?.as_slice())?;
        self.index(charge)
    }

    /// What an idempotency key led to.
    pub fn remembered(&mut self, remembered: &Remembered) -> Result<(), FillError> {
        let key = remembered::key(remembered);
        let row = records::encode(key, remembered)?;
        self.tables.idempotency.open()?.insert(key, row.as_slice())?;
        self.index(remembered)
    }

    /// The next event.
    pub fn event(&mut self, at: Timestamp, event: &Event) -> Result<(), FillError> {
        self.log.push(EncodedEvents::new(at, std::slice::from_ref(event))?);
        if self.log.rows() > LOG_ROWS_AT_ONCE { self.flush_log() } else { Ok(()) }
    }

    /// The number of the last batch.
    pub fn batch(&mut self, number: u64) -> Result<(), FillError> {
        self.state(names::BATCH, &Batch(number))
    }

    /// The currency of all prices.
    pub fn currency(&mut self, currency: &Currency) -> Result<(), FillError> {
        self.state(names::CURRENCY, currency)
    }

    fn state(&mut self, name: &str, value: &impl Record) -> Result<(), FillError> {
        let row = records::encode(name, value)?;
        self.tables.state.open()?.insert(name, row.as_slice())?;
        Ok(())
    }

    fn index(&mut self, record: &impl Indexed) -> Result<(), FillError> {
        let mut entries = record.entries().into_iter();
        Ok(entries.try_for_each(|entry| indexes::insert(&mut self.tables, &entry))?)
    }

    fn flush_words(&mut self) -> Result<(), FillError> {
        std::mem::take(&mut self.words).write(self.tables.words.open()?)?;
        Ok(())
    }

    fn flush_log(&mut self) -> Result<(), FillError> {
        let next = Appender::after(self.log.last_seq());
        std::mem::replace(&mut self.log, next).write(self.tables.events.open()?)?;
        Ok(())
    }
}
