//! What each row implies in the indexes. The writer keeps them so; verification holds them to it.

use std::collections::BTreeSet;

use crate::domain::{Order, OrderStatus, Ticket, TicketState};
use crate::store::redb::tables::MARKET;
use crate::store::search::words::title_words;

/// The lists a ticket is in, by [`crate::store::redb::tables::LISTS`]'s first key.
pub fn lists(ticket: &Ticket) -> impl Iterator<Item = u128> {
    let market = is_on_market(ticket).then_some(MARKET);
    [ticket.seller.as_u128()].into_iter().chain(market)
}

/// Whether the ticket is in the market's list, and is found by the words of its title: until it is
/// sold. A locked one is passed over by readers (see [`crate::store::redb::open_orders`]), so that locking and
/// releasing, the most frequent changes, change no index of tickets. A sold one may have
/// [postings left](crate::store::search::lingering), which are passed over too.
pub fn is_on_market(ticket: &Ticket) -> bool {
    match ticket.state {
        TicketState::Available | TicketState::Locked { .. } => true,
        TicketState::Sold { .. } => false,
    }
}

/// Whether a ticket is sold by a change and keeps its postings for a while: see
/// [`crate::store::search::lingering`].
pub fn lingers(before: &Ticket, after: &Ticket) -> bool {
    is_on_market(before) && !is_on_market(after) && before.title == after.title
}

/// The words a ticket can be found by.
pub fn words(ticket: &Ticket) -> BTreeSet<String> {
    if is_on_market(ticket) { title_words(&ticket.title) } else { BTreeSet::new() }
}

/// The key of an open order in [`crate::store::redb::tables::DEADLINES`].
pub fn deadline(order: &Order) -> Option<(i64, u128)> {
    order.is_open().then(|| (order.expires_at.as_millis(), order.id.as_u128()))
}

/// What stands in [`crate::store::redb::tables::DEADLINES`] of an order: its buyer and its ticket.
pub fn holding(order: &Order) -> (u128, u128) {
    (order.buyer.as_u128(), order.ticket.as_u128())
}

/// The key of an order that has ended in [`crate::store::redb::tables::ENDED_ORDERS`].
pub fn ended(order: &Order) -> Option<(u128, u8, u128)> {
    let status = status_code(order.state.status());
    (!order.is_open()).then(|| (order.buyer.as_u128(), status, order.id.as_u128()))
}

/// Every status an order can end in.
pub const END_STATUSES: [OrderStatus; 2] = [OrderStatus::Completed, OrderStatus::Cancelled];

/// A status as [`crate::store::redb::tables::ENDED_ORDERS`] keeps it.
pub fn status_code(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Created => 0,
        OrderStatus::AwaitingPayment => 1,
        OrderStatus::Completed => 2,
        OrderStatus::Cancelled => 3,
    }
}
