//! Reading single rows and short runs of them, as of one moment.

use std::iter::Peekable;

use redb::{
    Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, Value,
};

use super::codec::{self, Record, TicketRow};
use super::index::{END_STATUSES, status_code};
use super::read_tables::ReadTables;
use super::tables::{CHARGES, ORDERS, TICKETS, USERS};
use super::{Deadline, PurchaseQuery, ReadError, log, storage_error};
use crate::domain::{
    Charge, ChargeId, EmailKey, IntentId, LoggedEvent, Order, OrderId, Purchase, Remembered,
    Session, SessionId, Ticket, TicketId, Timestamp, User, UserId,
};

/// The store as it was at one moment. The writer makes one after every commit, which all readers
/// share until the next: beginning a transaction and opening its tables takes several times as
/// long as finding a row.
pub struct Snapshot {
    batch: u64,
    txn: ReadTransaction,
    tables: ReadTables,
}

impl Snapshot {
    /// The store as it is now.
    pub fn of(db: &Database) -> Result<Self, ReadError> {
        Ok(Self {
            batch: 0,
            txn: db.begin_read().map_err(storage_error)?,
            tables: ReadTables::default(),
        })
    }

    /// How many batches were written before, since the store was opened.
    pub fn batch(&self) -> u64 {
        self.batch
    }

    /// This snapshot as the one that follows another.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { batch: before.batch + 1, ..self }
    }

    /// A table, opened for the caller alone.
    pub fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, ReadError> {
        self.txn.open_table(definition).map_err(storage_error)
    }

    /// Rows of tickets.
    pub fn tickets(&self) -> Result<&ReadOnlyTable<u128, &'static [u8]>, ReadError> {
        self.tables.tickets(&self.txn)
    }

    /// See [`super::tables::LISTS`].
    pub fn lists(&self) -> Result<&ReadOnlyTable<(u128, u128), u64>, ReadError> {
        self.tables.lists(&self.txn)
    }

    /// See [`super::tables::LISTS_BY_PRICE`].
    pub fn lists_by_price(&self) -> Result<&ReadOnlyTable<(u128, u64, u128), ()>, ReadError> {
        self.tables.lists_by_price(&self.txn)
    }

    /// See [`super::tables::WORDS`].
    pub fn words(&self) -> Result<&ReadOnlyTable<(&'static str, u128), ()>, ReadError> {
        self.tables.words(&self.txn)
    }

    /// An account.
    pub fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        record(self.tables.users(&self.txn)?, USERS, id.as_u128())
    }

    /// The account with that address.
    pub fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        let id = self.tables.emails(&self.txn)?.get(email.as_str()).map_err(storage_error)?;
        let Some(id) = id.map(|id| id.value()) else { return Ok(None) };
        record(self.tables.users(&self.txn)?, USERS, id)
    }

    /// A session.
    pub fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        let key = (user.as_u128(), id.0);
        let expires_at = self.tables.sessions(&self.txn)?.get(key).map_err(storage_error)?;
        Ok(expires_at.map(|at| Session {
            user,
            id,
            expires_at: Timestamp::from_millis(at.value()),
        }))
    }

    /// A ticket.
    pub fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        let row: Option<TicketRow> = record(self.tickets()?, TICKETS, id.as_u128())?;
        Ok(row.and_then(TicketRow::listed))
    }

    /// An order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        record(self.tables.orders(&self.txn)?, ORDERS, id.as_u128())
    }

    /// A charge.
    pub fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        record(self.tables.charges(&self.txn)?, CHARGES, id.as_u128())
    }

    /// The charge of a payment intent.
    pub fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        let id = self
            .tables
            .charges_by_intent(&self.txn)?
            .get(intent.0.as_str())
            .map_err(storage_error)?;
        let Some(id) = id.map(|id| id.value()) else { return Ok(None) };
        record(self.tables.charges(&self.txn)?, CHARGES, id)
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

    /// A page of one buyer's orders, of which `open`, newest first, were open just before this
    /// snapshot. Each status that an order can end in has a run of its own in the index, so a
    /// page costs what is on it, one more entry of each run, and the buyer's open orders.
    pub fn purchases(
        &self,
        query: &PurchaseQuery,
        open: &[OrderId],
    ) -> Result<Vec<Purchase>, ReadError> {
        let buyer = query.buyer.as_u128();
        let Some(last) = query.after.map_or(Some(u128::MAX), |id| id.as_u128().checked_sub(1))
        else {
            return Ok(Vec::new());
        };
        let index = self.tables.ended_orders(&self.txn)?;
        let mut runs: Vec<Peekable<Run<'_>>> = Vec::new();
        for status in END_STATUSES.into_iter().filter(|end| query.status.is_none_or(|s| s == *end))
        {
            let code = status_code(status);
            let run = index.range((buyer, code, 0)..=(buyer, code, last)).map_err(storage_error)?;
            let ids =
                run.rev().map(|entry| entry.map(|(key, _)| key.value().2).map_err(storage_error));
            runs.push((Box::new(ids) as Run<'_>).peekable());
        }
        // A list of those that have ended has no use for them.
        let open = if runs.len() == 1 { &[] } else { open };
        let open = open.iter().map(|id| id.as_u128()).filter(move |id| *id <= last);
        let open_run = runs.len();
        runs.push((Box::new(open.map(Ok)) as Run<'_>).peekable());
        let mut found = Vec::new();
        while found.len() < query.limit {
            let Some((run, id)) = newest(&mut runs)? else { break };
            let id = OrderId::from_u128(id);
            let purchase = self.purchase(id)?.ok_or_else(|| {
                ReadError::Corrupt(format!("orders {id}: it is listed, but missing"))
            })?;
            // One that has ended since it was open is in the index as well.
            let is_twice = run == open_run && !purchase.order.is_open();
            let status = purchase.order.state.status();
            if !is_twice && query.status.is_none_or(|wanted| wanted == status) {
                found.push(purchase);
            }
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
        let Some(row) = self.tables.idempotency(&self.txn)?.get(key).map_err(storage_error)? else {
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
        let table = self.tables.deadlines(&self.txn)?;
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
        let (index, charges) = (self.tables.unsettled(&self.txn)?, self.tables.charges(&self.txn)?);
        let mut found = Vec::new();
        for entry in index.range(first..).map_err(storage_error)?.take(limit) {
            let id = entry.map_err(storage_error)?.0.value();
            found.push(record(charges, CHARGES, id)?.ok_or_else(|| {
                let id = ChargeId::from_u128(id);
                ReadError::Corrupt(format!("unsettled_charges {id}: the charge is missing"))
            })?);
        }
        Ok(found)
    }

    /// Events after that number.
    pub fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        log::read(self.tables.events(&self.txn)?, after, limit)
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

/// Ids, newest first.
type Run<'r> = Box<dyn Iterator<Item = Result<u128, ReadError>> + 'r>;

/// Takes the newest of what the runs, each newest first, have left, and says which had it.
fn newest(runs: &mut [Peekable<Run<'_>>]) -> Result<Option<(usize, u128)>, ReadError> {
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
    if let Some(run) = best.and_then(|(place, _)| runs.get_mut(place)) {
        run.next();
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, in_memory};
    use super::*;
    use crate::domain::OrderStatus;

    #[tokio::test]
    async fn an_order_that_ended_since_it_was_named_open_is_listed_once() {
        let store = in_memory();
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let ticket = world.lists(ana, "Rock", 100).await;
        let ended = world.locks(bob, ticket).await;
        let open_before = store.shared.open_orders.of(bob).orders;
        world.cancels(ended).await;
        let snapshot = store.now();
        for (status, expected) in [
            (None, vec![ended]),
            (Some(OrderStatus::Cancelled), vec![ended]),
            (Some(OrderStatus::Created), vec![]),
        ] {
            let query = PurchaseQuery { buyer: bob, status, after: None, limit: 5 };
            let found = snapshot.purchases(&query, &open_before).expect("a page");
            let found: Vec<OrderId> = found.iter().map(|purchase| purchase.order.id).collect();
            assert_eq!(found, expected, "{status:?}");
        }
    }
}
