//! The open orders, in memory: which ones a buyer has, and which tickets they hold.
//!
//! An order is open for minutes and a ticket is locked as often as it is wanted, so keeping
//! this in the indexes of the file would cost every lock three writes at random places, each a
//! page of its own, to be undone soon after. The file has what it takes to know it again: the
//! table of deadlines, which is ordered by time.
//!
//! A change is published after its commit is durable and before it is answered. So whoever
//! looks here first and then takes a snapshot misses nothing that was acknowledged before, and
//! finds in the snapshot every order that is named here. An order that has ended since is still
//! named; its row says so.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::domain::{Order, OrderId, TicketId, UserId};

/// The open orders, as of the last durable commit. Readers share it with the writer.
#[derive(Debug, Default)]
pub struct OpenOrders(RwLock<Published>);

#[derive(Debug, Default)]
struct Published {
    /// The number of the last batch that counts here; see [`super::reads::Snapshot::batch`].
    batch: u64,
    by_buyer: BTreeSet<(UserId, OrderId)>,
    locked: HashSet<TicketId>,
}

/// A buyer's open orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOf {
    /// As of which batch.
    pub batch: u64,
    /// The orders, the newest first.
    pub orders: Vec<OrderId>,
}

/// What identifies an open order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holding {
    /// Who has it open.
    buyer: UserId,
    /// The order.
    order: OrderId,
    /// The ticket it holds.
    ticket: TicketId,
}

impl From<&Order> for Holding {
    fn from(order: &Order) -> Self {
        Self { buyer: order.buyer, order: order.id, ticket: order.ticket }
    }
}

impl OpenOrders {
    /// Those that the file tells of when the store is opened.
    pub fn of_all(by_buyer: Vec<(UserId, OrderId)>, locked: HashSet<TicketId>) -> Self {
        // Collected at once they are sorted first, which fills the nodes of the tree.
        let by_buyer = by_buyer.into_iter().collect();
        Self(RwLock::new(Published { batch: 0, by_buyer, locked }))
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.published().by_buyer.len()
    }

    /// Those of a buyer, the newest first.
    pub fn of(&self, buyer: UserId) -> OpenOf {
        let published = self.published();
        let orders = published.of(buyer).rev().map(|(_, order)| *order).collect();
        OpenOf { batch: published.batch, orders }
    }

    /// Whether an order holds the ticket.
    pub fn hold(&self, ticket: TicketId) -> bool {
        self.published().locked.contains(&ticket)
    }

    fn published(&self) -> RwLockReadGuard<'_, Published> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn of(&self, buyer: UserId) -> impl DoubleEndedIterator<Item = &(UserId, OrderId)> {
        let (first, last) = (OrderId::from_u128(0), OrderId::from_u128(u128::MAX));
        self.by_buyer.range((buyer, first)..=(buyer, last))
    }
}

/// What the commits of one batch open and close.
#[derive(Debug, Default)]
pub struct Openings {
    /// In the order it happened: a ticket can be released and locked again in one batch.
    changes: Vec<Change>,
    /// How many more, or fewer, a buyer has open than is published.
    surplus: HashMap<UserId, i64>,
}

#[derive(Debug)]
enum Change {
    Opened(Holding),
    Closed(Holding),
}

impl Openings {
    /// Notes an order that became open.
    pub fn open(&mut self, order: &Order) {
        *self.surplus.entry(order.buyer).or_default() += 1;
        self.changes.push(Change::Opened(order.into()));
    }

    /// Notes an order that is open no more.
    pub fn close(&mut self, order: &Order) {
        *self.surplus.entry(order.buyer).or_default() -= 1;
        self.changes.push(Change::Closed(order.into()));
    }

    /// Whether a buyer has fewer open orders than `limit`, those of the batch included.
    pub fn leave_room(&self, published: &OpenOrders, buyer: UserId, limit: u32) -> bool {
        let surplus = self.surplus.get(&buyer).copied().unwrap_or(0);
        let Ok(room) = usize::try_from(i64::from(limit) - surplus) else { return false };
        // Nobody is counted beyond what decides.
        published.published().of(buyer).take(room).count() < room
    }

    /// Publishes what the batch of that number, which is durable now, has opened and closed.
    pub fn publish(&mut self, to: &OpenOrders, batch: u64) {
        self.surplus.clear();
        let mut published = to.0.write().unwrap_or_else(PoisonError::into_inner);
        published.batch = batch;
        for change in self.changes.drain(..) {
            match change {
                Change::Opened(Holding { buyer, order, ticket }) => {
                    published.by_buyer.insert((buyer, order));
                    published.locked.insert(ticket);
                }
                Change::Closed(Holding { buyer, order, ticket }) => {
                    published.by_buyer.remove(&(buyer, order));
                    published.locked.remove(&ticket);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{a_title, usd};
    use super::*;
    use crate::domain::{Ticket, Timestamp};

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn order(buyer: u128, order: u128, ticket: u128) -> Order {
        let seller = UserId::from_u128(99);
        let ticket =
            Ticket::list(TicketId::from_u128(ticket), seller, a_title("Rock"), usd(100), AT);
        Order::new(OrderId::from_u128(order), UserId::from_u128(buyer), &ticket, AT, AT)
    }

    #[test]
    fn a_ticket_that_is_locked_again_within_a_batch_is_locked() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        batch.open(&order(1, 10, 100));
        batch.publish(&open, 1);
        batch.close(&order(1, 10, 100));
        batch.open(&order(2, 11, 100));
        assert!(
            open.of(UserId::from_u128(2)).orders.is_empty(),
            "nothing shows before it is durable"
        );
        batch.publish(&open, 1);
        assert!(open.hold(TicketId::from_u128(100)));
        assert_eq!(open.total(), 1);
        batch.close(&order(2, 11, 100));
        batch.publish(&open, 1);
        assert!(!open.hold(TicketId::from_u128(100)));
        assert_eq!(open.total(), 0);
    }

    #[test]
    fn the_limit_counts_what_is_published_and_what_the_batch_does() {
        let (open, mut batch) = (OpenOrders::default(), Openings::default());
        let buyer = UserId::from_u128(1);
        batch.open(&order(1, 10, 100));
        batch.open(&order(2, 11, 101));
        batch.publish(&open, 1);
        assert!(batch.leave_room(&open, buyer, 2));
        batch.open(&order(1, 12, 102));
        assert!(!batch.leave_room(&open, buyer, 2));
        batch.close(&order(1, 10, 100));
        assert!(batch.leave_room(&open, buyer, 2));
        assert!(!batch.leave_room(&open, buyer, 0));
        batch.publish(&open, 1);
        assert_eq!(open.of(buyer).orders, [OrderId::from_u128(12)]);
    }
}
