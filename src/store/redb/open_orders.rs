//! The open orders, in memory: which ones a buyer has, and which tickets they hold.
//!
//! An order is open for minutes and a ticket is locked as often as it is wanted. Kept in the
//! rows of tickets and in indexes of the file, every lock would write at four random places,
//! each a page of its own, to be undone soon after. So an order's row is its ticket's lock (see
//! [`crate::domain::Ticket::locked_by`]); the ticket's row stays as it is until the order has
//! ended. The file has what it takes to know the open orders again: the table of deadlines,
//! which is ordered by time.
//!
//! What is here is as of the last batch, which is durable by then, and readers look at
//! snapshots, which are older by a bit. So each batch that opens or closes orders is a [`Link`]
//! of a chain that a snapshot holds the end of, as it was then: what the chain tells of since is
//! undone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use crate::domain::{OrderId, TicketId, UserId};
use crate::store::records::entries::NO_TICKET;

/// The open orders, as of the last durable commit. Readers share it with the writer.
#[derive(Debug, Default)]
pub struct OpenOrders(RwLock<Published>);

/// The order that holds a ticket. The server makes their ids, so nobody can choose ones that
/// collide.
pub type Holders = HashMap<TicketId, OrderId, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Published {
    by_buyer: BTreeSet<(UserId, OrderId)>,
    holders: Holders,
    latest: Arc<Link>,
}

/// A moment of the store, and what was opened and closed after it. It costs memory only as long
/// as somebody looks at that moment.
#[derive(Debug, Default)]
pub struct Link {
    /// What led to this moment.
    changes: Vec<Change>,
    next: OnceLock<Arc<Link>>,
}

/// What identifies an open order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Who has it open.
    pub buyer: UserId,
    /// The order.
    pub order: OrderId,
    /// The ticket it holds; `None` if that has several seats, for its row tells who holds which.
    pub ticket: Option<TicketId>,
}

impl Holding {
    /// An order by the numbers of ids.
    pub fn of(order: u128, buyer: u128, ticket: u128) -> Self {
        Self {
            buyer: UserId::from_u128(buyer),
            order: OrderId::from_u128(order),
            ticket: (ticket != NO_TICKET).then_some(TicketId::from_u128(ticket)),
        }
    }
}

#[derive(Debug)]
enum Change {
    Opened(Holding),
    Closed(Holding),
}

impl OpenOrders {
    /// Those that the file tells of when the store is opened.
    pub fn of_all<E>(
        count: usize,
        holdings: impl Iterator<Item = Result<Holding, E>>,
    ) -> Result<Self, E> {
        let mut holders = Holders::with_capacity_and_hasher(count, Default::default());
        let mut by_buyer = Vec::with_capacity(count);
        for holding in holdings {
            let Holding { buyer, order, ticket } = holding?;
            by_buyer.push((buyer, order));
            holders.extend(ticket.map(|ticket| (ticket, order)));
        }
        // Collected at once they are sorted first, which fills the nodes of the tree.
        let by_buyer = by_buyer.into_iter().collect();
        Ok(Self(RwLock::new(Published { by_buyer, holders, latest: Arc::default() })))
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.published().by_buyer.len()
    }

    /// The moment of the last durable commit.
    pub fn latest(&self) -> Arc<Link> {
        self.published().latest.clone()
    }

    /// The order that holds a ticket, as of now.
    pub fn holder(&self, ticket: TicketId) -> Option<OrderId> {
        self.published().holders.get(&ticket).copied()
    }

    /// Keeps what no order holds as of now of what was found. It asks for all at once, because taking
    /// the lock costs more than asking when many do.
    pub fn retain_free<T>(&self, found: &mut Vec<T>, ticket: impl Fn(&T) -> TicketId) {
        let published = self.published();
        found.retain(|found| !published.holders.contains_key(&ticket(found)));
    }

    /// The order that held a ticket at that moment.
    pub fn holder_at(&self, moment: &Arc<Link>, ticket: TicketId) -> Option<OrderId> {
        let now = self.holder(ticket);
        // What happened first since then tells how it was before. If nothing did, it is as now:
        // a change is in the chain before it is in memory.
        let since = moment.changes_since().find_map(|change| match change {
            Change::Opened(holding) => (holding.ticket == Some(ticket)).then_some(None),
            Change::Closed(holding) => {
                (holding.ticket == Some(ticket)).then_some(Some(holding.order))
            }
        });
        since.unwrap_or(now)
    }

    /// Every ticket that an order held at that moment.
    pub fn holders_at(&self, moment: &Arc<Link>) -> Holders {
        let published = self.published();
        let mut holders = published.holders.clone();
        // While the lock is held, the chain ends with what is published.
        let changes = moment.latest_changes_first();
        drop(published);
        for change in changes {
            let (Change::Opened(holding) | Change::Closed(holding)) = change;
            let Some(ticket) = holding.ticket else { continue };
            match change {
                Change::Opened(_) => holders.remove(&ticket),
                Change::Closed(_) => holders.insert(ticket, holding.order),
            };
        }
        holders
    }

    /// The tickets that an order held at that moment and has released since.
    pub fn released_since(&self, moment: &Arc<Link>) -> HashSet<TicketId> {
        let mut released = HashSet::new();
        for change in moment.latest_changes_first() {
            let (Change::Opened(holding) | Change::Closed(holding)) = change;
            let Some(ticket) = holding.ticket else { continue };
            match change {
                Change::Opened(_) => released.remove(&ticket),
                Change::Closed(_) => released.insert(ticket),
            };
        }
        released
    }

    /// The orders that a buyer had open at that moment, the newest first.
    pub fn of(&self, moment: &Arc<Link>, buyer: UserId) -> Vec<OrderId> {
        let published = self.published();
        let mut orders: BTreeSet<OrderId> = published.of(buyer).copied().collect();
        // While the lock is held, the chain ends with what is published.
        for change in moment.latest_changes_first() {
            match change {
                Change::Opened(holding) if holding.buyer == buyer => {
                    orders.remove(&holding.order);
                }
                Change::Closed(holding) if holding.buyer == buyer => {
                    orders.insert(holding.order);
                }
                Change::Opened(_) | Change::Closed(_) => {}
            }
        }
        orders.into_iter().rev().collect()
    }

    fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn of(&self, buyer: UserId) -> impl Iterator<Item = &OrderId> {
        let (first, last) = (OrderId::from_u128(0), OrderId::from_u128(u128::MAX));
        self.by_buyer.range((buyer, first)..=(buyer, last)).map(|(_, order)| order)
    }
}

impl Link {
    /// What was opened and closed after this moment, in order.
    fn changes_since(&self) -> impl Iterator<Item = &Change> {
        let later = std::iter::successors(self.next.get(), |link| link.next.get());
        later.flat_map(|link| &link.changes)
    }

    /// The same, as it is undone.
    fn latest_changes_first(&self) -> impl Iterator<Item = &Change> {
        let changes: Vec<&Change> = self.changes_since().collect();
        changes.into_iter().rev()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // One by one: a long chain that is dropped as it is linked would need a stack as long.
        let mut next = self.next.take();
        while let Some(mut link) = next.and_then(Arc::into_inner) {
            next = link.next.take();
        }
    }
}

/// What the commits of one batch open and close.
#[derive(Debug, Default)]
pub struct Openings {
    /// In the order it happened: a ticket can be released and locked again in one batch.
    changes: Vec<Change>,
    /// The tickets among these, and who holds them by now.
    holders: HashMap<TicketId, Option<OrderId>>,
    /// How many more, or fewer, a buyer has open than is published.
    surplus: HashMap<UserId, i64>,
}

impl Openings {
    /// Notes an order that became open.
    pub fn open(&mut self, order: &Holding) {
        *self.surplus.entry(order.buyer).or_default() += 1;
        self.holders.extend(order.ticket.map(|ticket| (ticket, Some(order.order))));
        self.changes.push(Change::Opened(*order));
    }

    /// Notes an order that is open no more.
    pub fn close(&mut self, order: &Holding) {
        *self.surplus.entry(order.buyer).or_default() -= 1;
        self.holders.extend(order.ticket.map(|ticket| (ticket, None)));
        self.changes.push(Change::Closed(*order));
    }

    /// The order that holds a ticket, what the batch has done included.
    pub fn holder(&self, published: &OpenOrders, ticket: TicketId) -> Option<OrderId> {
        let of_batch = self.holders.get(&ticket).copied();
        of_batch.unwrap_or_else(|| published.holder(ticket))
    }

    /// Whether a buyer has fewer open orders than `limit`, those of the batch included.
    pub fn leave_room(&self, published: &OpenOrders, buyer: UserId, limit: u32) -> bool {
        let surplus = self.surplus.get(&buyer).copied().unwrap_or(0);
        let Ok(room) = usize::try_from(i64::from(limit) - surplus) else { return false };
        // Nobody is counted beyond what decides.
        published.published().of(buyer).take(room).count() < room
    }

    /// Publishes what the batch, which is durable now, has opened and closed.
    pub fn publish(&mut self, to: &OpenOrders) {
        if self.changes.is_empty() {
            return;
        }
        self.surplus.clear();
        self.holders.clear();
        let changes = std::mem::take(&mut self.changes);
        let mut published = to.0.write().unwrap_or_else(PoisonError::into_inner);
        let link = Arc::new(Link { changes, next: OnceLock::new() });
        // Only the latest link gets a next one, and only here.
        let _ = published.latest.next.set(link.clone());
        published.latest = link.clone();
        for change in &link.changes {
            match *change {
                Change::Opened(Holding { buyer, order, ticket }) => {
                    published.by_buyer.insert((buyer, order));
                    published.holders.extend(ticket.map(|ticket| (ticket, order)));
                }
                Change::Closed(Holding { buyer, order, ticket }) => {
                    published.by_buyer.remove(&(buyer, order));
                    if let Some(ticket) = ticket {
                        published.holders.remove(&ticket);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(buyer: u128, order: u128, ticket: u128) -> Holding {
        Holding::of(order, buyer, ticket)
    }

    fn id(order: u128) -> OrderId {
        OrderId::from_u128(order)
    }

    #[test]
    fn a_ticket_that_is_locked_again_within_a_batch_is_locked() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        let ticket = TicketId::from_u128(100);
        batch.open(&order(1, 10, 100));
        assert_eq!(open.holder(ticket), None, "nothing shows before it is durable");
        assert_eq!(batch.holder(&open, ticket), Some(id(10)), "but to the batch itself");
        batch.publish(&open);
        batch.close(&order(1, 10, 100));
        assert_eq!(batch.holder(&open, ticket), None);
        batch.open(&order(2, 11, 100));
        assert_eq!(batch.holder(&open, ticket), Some(id(11)));
        batch.publish(&open);
        assert_eq!(open.holder(ticket), Some(id(11)));
        assert_eq!(open.total(), 1);
        batch.close(&order(2, 11, 100));
        batch.publish(&open);
        assert_eq!(open.holder(ticket), None);
        assert_eq!(open.total(), 0);
    }

    #[test]
    fn the_limit_counts_what_is_published_and_what_the_batch_does() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        let buyer = UserId::from_u128(1);
        batch.open(&order(1, 10, 100));
        batch.open(&order(1, 11, 101));
        batch.publish(&open);
        assert!(!batch.leave_room(&open, buyer, 2));
        assert!(batch.leave_room(&open, buyer, 3));
        batch.open(&order(1, 12, 102));
        assert!(!batch.leave_room(&open, buyer, 3));
        batch.close(&order(1, 10, 100));
        assert!(batch.leave_room(&open, buyer, 3));
        assert!(!batch.leave_room(&open, buyer, 0));
        batch.publish(&open);
        assert_eq!(open.of(&open.latest(), buyer), [id(12), id(11)]);
    }

    #[test]
    fn a_moment_is_known_as_it_was_whatever_happened_since() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        let (ticket, buyer) = (TicketId::from_u128(100), UserId::from_u128(1));
        let mut moments = vec![(open.latest(), None)];
        for round in 0..4 {
            let held = order(1, 10 + round, 100);
            batch.open(&held);
            batch.publish(&open);
            moments.push((open.latest(), Some(held.order)));
            batch.close(&held);
            if round == 2 {
                // Locked again at once, so that nobody ever sees it free.
                batch.open(&order(1, 20, 100));
                batch.publish(&open);
                moments.push((open.latest(), Some(id(20))));
                batch.close(&order(1, 20, 100));
            }
            batch.publish(&open);
            moments.push((open.latest(), None));
        }
        for (moment, holder) in &moments {
            assert_eq!(open.holder_at(moment, ticket), *holder);
            assert_eq!(open.holders_at(moment).get(&ticket), holder.as_ref());
            assert_eq!(open.released_since(moment).contains(&ticket), holder.is_some());
            assert_eq!(open.of(moment, buyer), Vec::from_iter(*holder));
        }
    }

    #[test]
    fn an_order_of_one_of_several_seats_counts_and_holds_no_ticket() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        let moment = open.latest();
        let buyer = UserId::from_u128(1);
        batch.open(&order(1, 10, NO_TICKET));
        batch.open(&order(1, 11, NO_TICKET));
        batch.publish(&open);
        assert_eq!((open.total(), open.holder(TicketId::from_u128(NO_TICKET))), (2, None));
        assert!(!batch.leave_room(&open, buyer, 2));
        batch.close(&order(1, 10, NO_TICKET));
        batch.publish(&open);
        assert_eq!(open.of(&open.latest(), buyer), [id(11)]);
        assert!(open.holders_at(&moment).is_empty() && open.released_since(&moment).is_empty());
    }

    #[test]
    fn a_moment_that_is_long_past_is_forgotten_without_a_deep_stack() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        let first = open.latest();
        for _ in 0..200_000 {
            batch.open(&order(1, 10, 100));
            batch.close(&order(1, 10, 100));
            batch.publish(&open);
        }
        drop(first);
        assert!(open.latest().changes_since().next().is_none());
    }
}
