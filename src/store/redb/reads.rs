//! Reading single rows and short runs of them, as of one moment.

use std::collections::HashSet;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use redb::{
    AccessGuard, Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, TableDefinition, Value,
};

use crate::domain::{
    Charge, ChargeId, EmailKey, IntentId, LoggedEvent, Order, OrderId, OrderStatus, Purchase,
    Remembered, Session, SessionId, Ticket, TicketId, Timestamp, User, UserId,
};
use crate::store::records::order::{END_STATUSES, status_code};
use crate::store::records::state::{Batch, Round, holding, names};
use crate::store::records::{self, Entry, Indexed as _, Record, TicketRow, session};
use crate::store::redb::absence::{must_be_absent, no_such_entry, no_such_row, sound};
use crate::store::redb::log;
use crate::store::redb::open_orders::{Holders, Holding, Link, OpenOrders};
use crate::store::redb::read_tables::ReadTables;
use crate::store::redb::row_cache::RowCache;
use crate::store::redb::tables::TOMBSTONES;
use crate::store::search::skip_ranges::{Rank, SkipRanges, Stretch};
use crate::store::search::tombstones::{IdSet, Tombstones, ids_of_note};
use crate::store::{Deadline, PurchaseQuery, ReadError, TicketSort, storage_error};

/// A table of resources that are kept alike, or of their entries.
pub type BytesTable = ReadOnlyTable<(u8, &'static [u8]), &'static [u8]>;

/// The store as it was at one moment. The writer makes one after every commit, which all readers
/// share until the next: beginning a transaction and opening its tables takes several times as
/// long as finding a row.
pub struct Snapshot {
    txn: ReadTransaction,
    tables: ReadTables,
    open_orders: Arc<OpenOrders>,
    /// Of when it is.
    moment: Arc<Link>,
    tombstones: Tombstones,
    kept: Kept,
}

/// What readers keep for each other, and from when on a snapshot may use it.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Rows that pages have shown.
    pub rows: Arc<RowCache>,
    /// The last batch that the snapshot shows.
    pub batch: u64,
    /// Where nothing is to be found.
    pub skip_ranges: Arc<SkipRanges>,
    /// The last moment at which tickets appeared in the snapshot.
    pub appeared: u64,
}

impl Snapshot {
    /// The store as it is now, at the latest moment of its open orders. It is for the writer, or
    /// while there is none.
    pub fn of(
        db: &Database,
        open_orders: Arc<OpenOrders>,
        tombstones: Tombstones,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            txn: db.begin_read().map_err(storage_error)?,
            tables: ReadTables::default(),
            moment: open_orders.latest(),
            open_orders,
            tombstones,
            kept: Kept::default(),
        })
    }

    /// The same, with what readers keep.
    #[must_use]
    pub fn keeping(self, kept: Kept) -> Self {
        Self { kept, ..self }
    }

    /// How many tickets of the market's list make a skip range at least.
    pub fn skip_range_min(&self) -> usize {
        self.kept.skip_ranges.min()
    }

    /// The last place of the skip range that a place of the market's list is in; see [`crate::store::search::skip_ranges`].
    pub fn end_of_skip_range(&self, sort: TicketSort, place: Rank) -> Option<Rank> {
        self.kept.skip_ranges.end_of(sort, place, self.kept.batch)
    }

    /// Notes that orders hold all tickets of a stretch of the market's list.
    pub fn note_skip_range(&self, sort: TicketSort, held: Stretch) {
        self.kept.skip_ranges.note(sort, held, self.kept.batch, self.kept.appeared);
    }

    /// The store as its file tells it.
    pub fn of_file(db: &Database) -> Result<Self, ReadError> {
        let snapshot = Self::of(db, Arc::default(), Tombstones::default())?;
        let open_orders = snapshot.open_orders_of_file()?;
        let tombstones = snapshot.tombstones_of_file()?;
        let (moment, open_orders) = (open_orders.latest(), Arc::new(open_orders));
        Ok(Self { moment, open_orders, tombstones, ..snapshot })
    }

    /// A damaged note is not known, so what it is of may be found by words.
    fn tombstones_of_file(&self) -> Result<Tombstones, ReadError> {
        let through = self.round_or_first()?.through;
        let (mut swept, mut later) = (IdSet::default(), IdSet::default());
        for note in self.table(TOMBSTONES)?.iter().map_err(storage_error)? {
            let (batch, ids) = note.map_err(storage_error)?;
            let set = if batch.value() <= through { &mut swept } else { &mut later };
            match ids_of_note(batch.value(), ids.value()) {
                Ok(ids) => set.extend(ids),
                Err(error) => tracing::error!(%error, "a note of sold tickets is damaged"),
            }
        }
        Ok(Tombstones::of(swept, later))
    }

    /// How far what lingers has been taken out. In a store that has sold nothing, a round has
    /// nothing to do yet.
    pub fn round(&self) -> Result<Round, ReadError> {
        Ok(self.state(names::ROUND)?.unwrap_or_default())
    }

    /// The same, or the first round if that is damaged: what has been swept is swept again.
    pub fn round_or_first(&self) -> Result<Round, ReadError> {
        self.round().or_else(|error| match error {
            ReadError::Corrupt(_) => {
                tracing::error!(%error, "how far sold tickets are swept is damaged");
                Ok(Round::default())
            }
            ReadError::Storage(_) | ReadError::Unavailable(_) => Err(error),
        })
    }

    /// A value of [`crate::store::redb::tables::STATE`].
    pub fn state<T: Record>(&self, name: &str) -> Result<Option<T>, ReadError> {
        let row = self.tables.state(&self.txn)?.get(name).map_err(storage_error)?;
        row.map(|row| records::decode(name, row.value())).transpose()
    }

    fn open_orders_of_file(&self) -> Result<OpenOrders, ReadError> {
        let holding = |entry: redb::Result<(AccessGuard<'_, (i64, u128)>, _)>| {
            let (deadline, held): (_, AccessGuard<'_, &[u8]>) = entry.map_err(storage_error)?;
            let (buyer, ticket) = holding(deadline.value(), held.value())?;
            Ok(Holding::of(deadline.value().1, buyer, ticket))
        };
        let deadlines = self.tables.deadlines(&self.txn)?;
        let count = usize::try_from(deadlines.len().map_err(storage_error)?).unwrap_or_default();
        OpenOrders::of_all(count, deadlines.iter().map_err(storage_error)?.map(holding))
    }

    /// The number of the last batch.
    pub fn batch(&self) -> Result<u64, ReadError> {
        Ok(self.state(names::BATCH)?.map_or(0, |Batch(batch)| batch))
    }

    /// See [`crate::store::redb::open_orders`].
    pub fn open_orders(&self) -> &Arc<OpenOrders> {
        &self.open_orders
    }

    /// See [`crate::store::search::tombstones`].
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
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

    /// See [`crate::store::redb::tables::LISTS`].
    pub fn lists(&self) -> Result<&ReadOnlyTable<(u128, u128), u64>, ReadError> {
        self.tables.lists(&self.txn)
    }

    /// See [`crate::store::redb::tables::LISTS_BY_PRICE`].
    pub fn lists_by_price(&self) -> Result<&ReadOnlyTable<(u128, u64, u128), ()>, ReadError> {
        self.tables.lists_by_price(&self.txn)
    }

    /// See [`crate::store::redb::tables::STOCK`].
    pub fn seats_on_sale(&self) -> Result<&ReadOnlyTable<u128, &'static [u8]>, ReadError> {
        self.tables.stock(&self.txn)
    }

    /// See [`crate::store::redb::tables::WORDS`].
    pub fn words(&self) -> Result<&ReadOnlyTable<(&'static str, u128), &'static [u8]>, ReadError> {
        self.tables.words(&self.txn)
    }

    /// See [`crate::store::redb::tables::ROWS`].
    pub fn rows(&self) -> Result<&BytesTable, ReadError> {
        self.tables.rows(&self.txn)
    }

    /// See [`crate::store::redb::tables::ENTRIES`].
    pub fn entries(&self) -> Result<&BytesTable, ReadError> {
        self.tables.entries(&self.txn)
    }

    /// An account.
    pub fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        record(self.tables.users(&self.txn)?, id.as_u128())
    }

    /// The account with that address.
    pub fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        let (emails, users) = (self.tables.emails(&self.txn)?, self.tables.users(&self.txn)?);
        let id = emails.get(email.as_str()).map_err(storage_error)?;
        let Some(id) = id.map(|id| id.value()) else {
            no_such_entry::<User>(emails, users, email.as_str(), |email, user| {
                Entry::email(email, user)
            })?;
            return Ok(None);
        };
        let user: Option<User> = record(users, id)?;
        let user = user.filter(|user| user.email_key() == *email);
        let id = UserId::from_u128(id);
        let astray = || ReadError::Corrupt(format!("emails: {id} is listed and has another"));
        user.ok_or_else(astray).map(Some)
    }

    /// A session.
    pub fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        let (key, sessions) = ((user.as_u128(), id.as_u128()), self.tables.sessions(&self.txn)?);
        let Some(row) = sessions.get(key).map_err(storage_error)? else {
            must_be_absent(sessions, &key, |key, row| session::session(key, row).map(drop))?;
            return Ok(None);
        };
        session::session(key, row.value()).map(Some)
    }

    /// A user's sessions.
    pub fn sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError> {
        let (user, sessions) = (user.as_u128(), self.tables.sessions(&self.txn)?);
        let range = sessions.range((user, 0)..=(user, u128::MAX)).map_err(storage_error)?;
        let mut found = Vec::new();
        for entry in range {
            let (key, row) = entry.map_err(storage_error)?;
            found.extend(session::sound(session::session(key.value(), row.value())));
        }
        Ok(found)
    }

    /// A ticket.
    pub fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        self.ticket_row(id)?.map(|row| self.as_held(row)).transpose()
    }

    /// The row of a ticket for a page, which may be kept from another.
    pub fn page_row(&self, id: TicketId) -> Result<Option<Arc<Ticket>>, ReadError> {
        match self.kept.rows.get(id, self.kept.batch) {
            Some(row) => Ok(Some(row)),
            None => Ok(self.ticket_row(id)?.map(Arc::new)),
        }
    }

    /// Keeps the rows that a page shows for others.
    pub fn keep_page(&self, page: &[Arc<Ticket>]) {
        // What is kept already is known to others, too.
        let mut read = page.iter().filter(|row| Arc::strong_count(row) == 1).peekable();
        if read.peek().is_some() {
            self.kept.rows.keep(read.cloned(), self.kept.batch);
        }
    }

    /// The row of a ticket, which tells nothing of a lock.
    pub fn ticket_row(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        let row: Option<TicketRow> = record(self.tickets()?, id.as_u128())?;
        Ok(row.and_then(TicketRow::listed))
    }

    /// The ticket of a row, locked if an open order holds it.
    pub fn as_held(&self, row: Ticket) -> Result<Ticket, ReadError> {
        match self.holder(row.id) {
            None => Ok(row),
            Some(holder) => self.locked(&row, holder),
        }
    }

    /// The open order that holds a ticket.
    pub fn holder(&self, ticket: TicketId) -> Option<OrderId> {
        self.open_orders.holder_at(&self.moment, ticket)
    }

    /// Every ticket that an open order holds.
    pub fn holders(&self) -> Holders {
        self.open_orders.holders_at(&self.moment)
    }

    /// The tickets that an open order held, and does by now no more, or another.
    pub fn released_since(&self) -> HashSet<TicketId> {
        self.open_orders.released_since(&self.moment)
    }

    /// A ticket that an open order holds.
    pub fn locked(&self, ticket: &Ticket, holder: OrderId) -> Result<Ticket, ReadError> {
        let order = self.order(holder)?.filter(Order::is_open);
        order.and_then(|order| ticket.locked_by(&order)).ok_or_else(|| {
            ReadError::Corrupt(format!("tickets {}: order {holder} can't hold it", ticket.id))
        })
    }

    /// An order.
    pub fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        record(self.tables.orders(&self.txn)?, id.as_u128())
    }

    /// A charge.
    pub fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        record(self.tables.charges(&self.txn)?, id.as_u128())
    }

    /// The charge of a payment intent.
    pub fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        let charges = self.tables.charges(&self.txn)?;
        let by_intent = self.tables.charges_by_intent(&self.txn)?;
        let id = by_intent.get(intent.0.as_str()).map_err(storage_error)?;
        let Some(id) = id.map(|id| id.value()) else {
            no_such_entry::<Charge>(by_intent, charges, &intent.0, |intent, charge| {
                Entry::intent(intent, charge)
            })?;
            return Ok(None);
        };
        let charge: Option<Charge> = record(charges, id)?;
        let charge = charge.filter(|charge| charge.intent() == Some(intent));
        let id = ChargeId::from_u128(id);
        let astray = || ReadError::Corrupt(format!("charges_by_intent: {id} has another"));
        charge.ok_or_else(astray).map(Some)
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

    /// A page of one buyer's orders. Each status that an order can end in has a run of its own in
    /// the index, so a page costs what is on it, one more entry of each run, and the buyer's open
    /// orders.
    pub fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError> {
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
            let newer = (Bound::Excluded((buyer, code, last)), Bound::Unbounded);
            let newer = index.range::<EndedKey>(newer).map_err(storage_error)?.next();
            if let Some((key, _)) = newer.transpose().map_err(storage_error)? {
                self.must_have_ended(key.value())?;
            }
            let mut run = index.range(..=(buyer, code, last)).map_err(storage_error)?;
            let mut next = move || {
                let Some((key, _)) = run.next_back().transpose().map_err(storage_error)? else {
                    return Ok(None);
                };
                let (of, status_code, order) = key.value();
                if (of, status_code) == (buyer, code) {
                    return Ok(Some((order, Some(status))));
                }
                // What ends the run.
                self.must_have_ended(key.value()).map(|()| None)
            };
            let ids = std::iter::from_fn(move || next().transpose());
            runs.push((Box::new(ids) as Run<'_>).peekable());
        }
        // A list of those that have ended has no use for the open ones.
        if runs.len() != 1 {
            let open = self.open_orders.of(&self.moment, query.buyer);
            let open = open.into_iter().map(OrderId::as_u128).filter(move |id| *id <= last);
            runs.push((Box::new(open.map(|id| Ok((id, None)))) as Run<'_>).peekable());
        }
        let mut found = Vec::new();
        while found.len() < query.limit {
            let Some((id, listed)) = newest(&mut runs)? else { break };
            let id = OrderId::from_u128(id);
            let purchase = self.purchase(id)?.ok_or_else(|| {
                ReadError::Corrupt(format!("orders {id}: it is listed, but missing"))
            })?;
            let status = purchase.order.state.status();
            let is_right = purchase.order.buyer == query.buyer
                && listed.map_or(purchase.order.is_open(), |listed| listed == status);
            if !is_right {
                let why = format!("ended_orders {id}: it does not belong there");
                return Err(ReadError::Corrupt(why));
            }
            if query.status.is_none_or(|wanted| wanted == status) {
                found.push(purchase);
            }
        }
        Ok(found)
    }

    /// Fails if an entry beside a run of ended orders is not what was written: see
    /// [`crate::store::redb::absence`].
    fn must_have_ended(&self, (buyer, status, order): EndedKey) -> Result<(), ReadError> {
        let entry = Entry::Ended { buyer, status, order };
        let Some(found) = sound(self.order(OrderId::from_u128(order)))? else { return Ok(()) };
        if found.is_some_and(|found| found.entries().contains(&entry)) {
            return Ok(());
        }
        Err(ReadError::Corrupt(format!("{entry}: it belongs to no order")))
    }

    /// What an idempotency key led to.
    pub fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError> {
        let (key, keys) = ((user.as_u128(), key), self.tables.idempotency(&self.txn)?);
        let Some(row) = keys.get(key).map_err(storage_error)? else {
            must_be_absent(keys, &key, |key, row| {
                records::decode::<Remembered>(key, row).map(drop)
            })?;
            return Ok(None);
        };
        let remembered: Remembered = records::decode(key, row.value())?;
        Ok(Some(remembered).filter(|remembered| remembered.expires_at > now))
    }

    /// Open orders by deadline.
    pub fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
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

    /// Charges that still owe something. Damaged ones are told and passed over: the others' money is to
    /// be settled all the same.
    pub fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        let first = after.map_or(Some(0), |after| after.as_u128().checked_add(1));
        let Some(first) = first else { return Ok(Vec::new()) };
        let (index, charges) = (self.tables.unsettled(&self.txn)?, self.tables.charges(&self.txn)?);
        let mut found = Vec::new();
        for entry in index.range(first..).map_err(storage_error)? {
            if found.len() == limit {
                break;
            }
            let id = entry.map_err(storage_error)?.0.value();
            match record(charges, id).map(|charge| charge.filter(Charge::is_unsettled)) {
                Ok(Some(charge)) => found.push(charge),
                Ok(None) => {
                    let charge = ChargeId::from_u128(id);
                    tracing::error!(%charge, "a charge is listed as unsettled and owes nothing");
                }
                Err(error @ ReadError::Corrupt(_)) => {
                    tracing::error!(%error, "an unsettled charge can't be read");
                }
                Err(error @ (ReadError::Storage(_) | ReadError::Unavailable(_))) => {
                    return Err(error);
                }
            }
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
    id: u128,
) -> Result<Option<T>, ReadError> {
    match table.get(id).map_err(storage_error)? {
        Some(row) => Ok(Some(records::decode(id, row.value())?)),
        None => no_such_row::<T>(table, id).map(|()| None),
    }
}

/// An order, and the status it is listed in unless it is open.
type Listed = (u128, Option<OrderStatus>);
/// A key of [`crate::store::redb::tables::ENDED_ORDERS`].
type EndedKey = (u128, u8, u128);

/// Orders, newest first.
type Run<'r> = Box<dyn Iterator<Item = Result<Listed, ReadError>> + 'r>;

/// Takes the newest of what the runs, each newest first, have left.
fn newest(runs: &mut [Peekable<Run<'_>>]) -> Result<Option<Listed>, ReadError> {
    let mut best: Option<(usize, Listed)> = None;
    for (place, run) in runs.iter_mut().enumerate() {
        match run.peek() {
            Some(Ok(listed)) if best.is_none_or(|(_, newest)| listed.0 > newest.0) => {
                best = Some((place, *listed));
            }
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(_)) | None => {}
        }
    }
    if let Some(run) = best.and_then(|(place, _)| runs.get_mut(place)) {
        run.next();
    }
    Ok(best.map(|(_, listed)| listed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TicketState;
    use crate::store::testing::{World, in_memory};

    #[tokio::test]
    async fn a_snapshot_shows_orders_and_tickets_as_they_were() {
        let store = in_memory();
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let ticket = world.lists(ana, "Rock", 100).await;
        let before = store.now();
        let order = world.locks(bob, ticket).await;
        let while_open = store.now();
        let locked = world.ticket(ticket).await;
        assert!(matches!(locked.state, TicketState::Locked { order: by, .. } if by == order));
        world.cancels(order).await;
        // Locked again, so that what is in memory now is another lock.
        world.locks(bob, ticket).await;

        let orders = |snapshot: &Snapshot, status| -> Vec<OrderId> {
            let query = PurchaseQuery { buyer: bob, status, after: None, limit: 5 };
            let found = snapshot.purchases(&query).expect("a page");
            found.iter().map(|purchase| purchase.order.id).collect()
        };
        let (created, cancelled) = (Some(OrderStatus::Created), Some(OrderStatus::Cancelled));
        assert_eq!(orders(&before, None), []);
        assert_eq!(orders(&while_open, None), [order]);
        assert_eq!(orders(&while_open, created), [order]);
        assert_eq!(orders(&while_open, cancelled), []);
        let now = store.now();
        assert_eq!(orders(&now, None).len(), 2);
        assert_eq!(orders(&now, cancelled), [order]);

        let state = |snapshot: &Snapshot| {
            snapshot.ticket(ticket).expect("a row").map(|ticket| ticket.state)
        };
        assert_eq!(state(&before), Some(TicketState::Available));
        assert_eq!(while_open.ticket(ticket), Ok(Some(locked)));
        assert!(matches!(state(&now), Some(TicketState::Locked { order: by, .. }) if by != order));
    }
}
