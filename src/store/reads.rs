//! Reading single rows and short runs of them, as of one moment.

use std::iter::Peekable;

use redb::{
    Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, Value,
};

use super::codec::{self, Record, TicketRow};
use super::index::{STATUSES, status_code};
use super::tables::{
    CHARGES, CHARGES_BY_INTENT, DEADLINES, EMAILS, EVENTS, IDEMPOTENCY, ORDERS, ORDERS_BY_BUYER,
    SESSIONS, TICKETS, UNSETTLED, USERS,
};
use super::{Deadline, PurchaseQuery, ReadError, log, storage_error};
use crate::domain::{
    Charge, ChargeId, EmailKey, IntentId, LoggedEvent, Order, OrderId, Purchase, Remembered,
    Session, SessionId, Ticket, TicketId, Timestamp, User, UserId,
};

/// The store as it was at one moment.
pub struct Snapshot {
    txn: ReadTransaction,
}

impl Snapshot {
    /// The store as it is now.
    pub fn of(db: &Database) -> Result<Self, ReadError> {
        Ok(Self { txn: db.begin_read().map_err(storage_error)? })
    }

    /// A table.
    pub fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, ReadError> {
        self.txn.open_table(definition).map_err(storage_error)
    }

    fn record<T: Record>(
        &self,
        definition: TableDefinition<'static, u128, &'static [u8]>,
        id: u128,
    ) -> Result<Option<T>, ReadError> {
        record(&self.table(definition)?, definition, id)
    }

    /// An account.
    pub fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.record(USERS, id.as_u128())
    }

    /// The account with that address.
    pub fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        let id = self.table(EMAILS)?.get(email.as_str()).map_err(storage_error)?;
        let Some(id) = id.map(|id| id.value()) else { return Ok(None) };
        self.record(USERS, id)
    }

    /// A session.
    pub fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        let key = (user.as_u128(), id.0);
        let expires_at = self.table(SESSIONS)?.get(key).map_err(storage_error)?;
        Ok(expires_at.map(|at| Session {
            user,
            id,
            expires_at: Timestamp::from_millis(at.value()),
        }))
    }

    /// A ticket.
    pub fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        Ok(self.record::<TicketRow>(TICKETS, id.as_u128())?.and_then(TicketRow::listed))
    }

    /// An order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        self.record(ORDERS, id.as_u128())
    }

    /// A charge.
    pub fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        self.record(CHARGES, id.as_u128())
    }

    /// The charge of a payment intent.
    pub fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        let id = self.table(CHARGES_BY_INTENT)?.get(intent.0.as_str()).map_err(storage_error)?;
        let Some(id) = id.map(|id| id.value()) else { return Ok(None) };
        self.record(CHARGES, id)
    }

    /// An order and its latest charge.
    pub fn purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError> {
        let Some(order) = self.order(id)? else { return Ok(None) };
        let charge = match order.charge {
            Some(charge) => Some(self.charge(charge)?.ok_or_else(|| {
                ReadError::Corrupt(format!("orders {id}: its charge {charge} is missing"))
            })?),
            None => None,
        };
        Ok(Some(Purchase { order, charge }))
    }

    /// A page of one buyer's orders. Each status has a run of its own in the index, so a page
    /// costs what is on it and, for all statuses, one more entry of each run.
    pub fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError> {
        let buyer = query.buyer.as_u128();
        let Some(last) = query.after.map_or(Some(u128::MAX), |id| id.as_u128().checked_sub(1))
        else {
            return Ok(Vec::new());
        };
        let index = self.table(ORDERS_BY_BUYER)?;
        let statuses = query.status.map_or_else(|| STATUSES.to_vec(), |status| vec![status]);
        let mut runs = Vec::new();
        for code in statuses.into_iter().map(status_code) {
            let run = index.range((buyer, code, 0)..=(buyer, code, last)).map_err(storage_error)?;
            let ids =
                run.rev().map(|entry| entry.map(|(key, _)| key.value().2).map_err(storage_error));
            runs.push(ids.peekable());
        }
        let mut found = Vec::new();
        while found.len() < query.limit {
            let Some(id) = newest(&mut runs)? else { break };
            let id = OrderId::from_u128(id);
            let purchase = self.purchase(id)?;
            found.push(purchase.ok_or_else(|| {
                ReadError::Corrupt(format!("orders_by_buyer {id}: the order is missing"))
            })?);
        }
        Ok(found)
    }

    /// What an idempotency key led to.
    pub fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError> {
        let key = (user.as_u128(), key);
        let Some(row) = self.table(IDEMPOTENCY)?.get(key).map_err(storage_error)? else {
            return Ok(None);
        };
        let remembered: Remembered = codec::decode("idempotency", key, row.value())?;
        Ok(Some(remembered).filter(|remembered| remembered.expires_at > now))
    }

    /// Open orders by deadline.
    pub fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
        use std::ops::Bound;
        let start = after.map_or(Bound::Unbounded, |after| {
            Bound::Excluded((after.at.as_millis(), after.order.as_u128()))
        });
        let table = self.table(DEADLINES)?;
        let deadlines = table.range((start, Bound::Unbounded)).map_err(storage_error)?;
        let deadline = |entry: redb::Result<(redb::AccessGuard<'_, (i64, u128)>, _)>| {
            let (at, order) = entry.map_err(storage_error)?.0.value();
            Ok(Deadline { at: Timestamp::from_millis(at), order: OrderId::from_u128(order) })
        };
        deadlines.take(limit).map(deadline).collect()
    }

    /// Charges that still owe something.
    pub fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        let first = after.map_or(Some(0), |after| after.as_u128().checked_add(1));
        let Some(first) = first else { return Ok(Vec::new()) };
        let (index, charges) = (self.table(UNSETTLED)?, self.table(CHARGES)?);
        let mut found = Vec::new();
        for entry in index.range(first..).map_err(storage_error)?.take(limit) {
            let id = entry.map_err(storage_error)?.0.value();
            found.push(record(&charges, CHARGES, id)?.ok_or_else(|| {
                let id = ChargeId::from_u128(id);
                ReadError::Corrupt(format!("unsettled_charges {id}: the charge is missing"))
            })?);
        }
        Ok(found)
    }

    /// Events after that number.
    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        log::read(&self.table(EVENTS)?, after, limit)
    }
}

/// The record under an id.
pub fn record<T: Record>(
    table: &ReadOnlyTable<u128, &'static [u8]>,
    definition: TableDefinition<'static, u128, &'static [u8]>,
    id: u128,
) -> Result<Option<T>, ReadError> {
    use redb::TableHandle as _;
    match table.get(id).map_err(storage_error)? {
        Some(row) => Ok(Some(codec::decode(definition.name(), id, row.value())?)),
        None => Ok(None),
    }
}

/// Takes the newest of what the runs, each newest first, have left.
fn newest(
    runs: &mut [Peekable<impl Iterator<Item = Result<u128, ReadError>>>],
) -> Result<Option<u128>, ReadError> {
    let mut best: Option<(usize, u128)> = None;
    for (place, run) in runs.iter_mut().enumerate() {
        match run.peek() {
            Some(Ok(id)) if best.is_none_or(|(_, newest)| *id > newest) => {
                best = Some((place, *id))
            }
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(_)) | None => {}
        }
    }
    let run = best.and_then(|(place, _)| runs.get_mut(place));
    run.and_then(Iterator::next).transpose()
}
