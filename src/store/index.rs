//! What each row implies in the indexes. The writer keeps them so; verification holds them to it.

use std::collections::BTreeSet;

use super::tables::MARKET;
use super::words::title_words;
use crate::domain::{Order, OrderStatus, Ticket, TicketState};

/// The lists a ticket is in, by [`super::tables::LISTS`]'s first key.
pub fn lists(ticket: &Ticket) -> impl Iterator<Item = u128> {
    let market = (ticket.state == TicketState::Available).then_some(MARKET);
    [ticket.seller.as_u128()].into_iter().chain(market)
}

/// Whether the ticket can be found by the words of its title: until it is sold.
pub fn is_found_by_words(ticket: &Ticket) -> bool {
    match ticket.state {
        TicketState::Available | TicketState::Locked { .. } => true,
        TicketState::Sold { .. } => false,
    }
}

/// The words a ticket can be found by.
pub fn words(ticket: &Ticket) -> BTreeSet<String> {
    if is_found_by_words(ticket) { title_words(&ticket.title) } else { BTreeSet::new() }
}

/// The key of an open order in [`super::tables::DEADLINES`].
pub fn deadline(order: &Order) -> Option<(i64, u128)> {
    order.is_open().then(|| (order.expires_at.as_millis(), order.id.as_u128()))
}

/// The key of an order in [`super::tables::ORDERS_BY_BUYER`].
pub fn by_buyer(order: &Order) -> (u128, u8, u128) {
    (order.buyer.as_u128(), status_code(order.state.status()), order.id.as_u128())
}

/// Every status there is.
pub const STATUSES: [OrderStatus; 4] = [
    OrderStatus::Created,
    OrderStatus::AwaitingPayment,
    OrderStatus::Completed,
    OrderStatus::Cancelled,
];

/// A status as [`super::tables::ORDERS_BY_BUYER`] keeps it.
pub fn status_code(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Created => 0,
        OrderStatus::AwaitingPayment => 1,
        OrderStatus::Completed => 2,
        OrderStatus::Cancelled => 3,
    }
}
