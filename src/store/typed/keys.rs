//! Where each resource's rows are, and which places in which indexes follow from them.
//!
//! Numbers are written with their greatest byte first, so that places are ordered as the numbers
//! are; a complement (`!`) turns the order around. Texts end with a zero byte, which none of them
//! contains, so that none is the beginning of another.

use crate::domain::{
    Charge, ChargeId, EmailKey, IntentId, Order, OrderId, Remembered, SessionId, Ticket, TicketId,
    Timestamp, User, UserId,
};
use crate::store::TicketSort;
use crate::store::contract::{Entry, Index, Key, Table};
use crate::store::records::ticket_lists::lists;

/// Accounts by id.
pub const USERS: Table = Table(1);
/// Sessions by user and id.
pub const SESSIONS: Table = Table(2);
/// Tickets, and the marks of those withdrawn, by id.
pub const TICKETS: Table = Table(3);
/// Orders by id.
pub const ORDERS: Table = Table(4);
/// Charges by id.
pub const CHARGES: Table = Table(5);
/// What idempotency keys led to, by user and key.
pub const REMEMBERED: Table = Table(6);

/// The user's id by address.
pub const EMAILS: Index = Index(1);
/// Tickets of a list (see `store::records::ticket_lists`) by id.
pub const NEWEST: Index = Index(2);
/// The same by price, then the newest first.
pub const CHEAPEST: Index = Index(3);
/// The same by price, the highest first, then the newest first.
pub const DEAREST: Index = Index(4);
/// The open order that holds a ticket, by the ticket.
pub const HELD: Index = Index(5);
/// Open orders by buyer.
pub const OPEN: Index = Index(6);
/// All orders by buyer and id.
pub const BOUGHT: Index = Index(7);
/// Open orders by deadline.
pub const DEADLINES: Index = Index(8);
/// The charge by the gateway's payment intent.
pub const INTENTS: Index = Index(9);
/// Charges that still owe something to or by the gateway.
pub const UNSETTLED: Index = Index(10);
/// Idempotency keys by when they expire.
pub const KEY_EXPIRY: Index = Index(11);

/// Bytes put together from parts.
pub fn place<const N: usize>(parts: [&[u8]; N]) -> Vec<u8> {
    parts.concat()
}

/// A time, in the order of time.
pub fn of_time(at: Timestamp) -> [u8; 8] {
    // Turning the sign bit over puts what is negative before what is not.
    (at.as_millis() ^ i64::MIN).to_be_bytes()
}

/// A time that `of_time` wrote.
pub fn to_time(bytes: [u8; 8]) -> Timestamp {
    Timestamp::from_millis(i64::from_be_bytes(bytes) ^ i64::MIN)
}

macro_rules! keys {
    ($($(#[doc = $doc:literal])+ $name:ident($id:ty) in $table:ident;)+) => {
        $($(#[doc = $doc])+
        pub fn $name(id: $id) -> Key {
            Key { table: $table, id: id.as_u128().to_be_bytes().to_vec() }
        })+
    };
}

keys! {
    /// An account's row.
    user(UserId) in USERS;
    /// A ticket's row.
    ticket(TicketId) in TICKETS;
    /// An order's row.
    order(OrderId) in ORDERS;
    /// A charge's row.
    charge(ChargeId) in CHARGES;
}

/// A session's row.
pub fn session(user: UserId, id: SessionId) -> Key {
    Key { table: SESSIONS, id: place([&sessions_of(user), &id.as_u128().to_be_bytes()]) }
}

/// How the ids of a user's sessions begin.
pub fn sessions_of(user: UserId) -> Vec<u8> {
    user.as_u128().to_be_bytes().to_vec()
}

/// The row of an idempotency key.
pub fn remembered(user: UserId, key: &str) -> Key {
    Key { table: REMEMBERED, id: place([&user.as_u128().to_be_bytes(), key.as_bytes()]) }
}

/// The place of an address.
pub fn email(key: &EmailKey) -> Vec<u8> {
    place([key.as_str().as_bytes(), &[0]])
}

/// The place of a payment intent.
pub fn intent(intent: &IntentId) -> Vec<u8> {
    place([intent.0.as_bytes(), &[0]])
}

/// The place of the order that holds a ticket.
pub fn held(ticket: TicketId) -> Vec<u8> {
    ticket.as_u128().to_be_bytes().to_vec()
}

/// How the places of a buyer's orders begin, in [`OPEN`] and in [`BOUGHT`].
pub fn bought_by(buyer: UserId) -> Vec<u8> {
    buyer.as_u128().to_be_bytes().to_vec()
}

/// The place of a buyer's order, in [`OPEN`] and in [`BOUGHT`].
pub fn bought(buyer: UserId, id: OrderId) -> Vec<u8> {
    place([&bought_by(buyer), &id.as_u128().to_be_bytes()])
}

/// The place of an open order's deadline.
pub fn deadline(at: Timestamp, id: OrderId) -> Vec<u8> {
    place([&of_time(at), &id.as_u128().to_be_bytes()])
}

/// The place of a charge that is not settled.
pub fn unsettled(id: ChargeId) -> Vec<u8> {
    id.as_u128().to_be_bytes().to_vec()
}

/// The index that holds lists in that order.
pub fn index_of(sort: TicketSort) -> Index {
    match sort {
        TicketSort::Newest => NEWEST,
        TicketSort::PriceAscending => CHEAPEST,
        TicketSort::PriceDescending => DEAREST,
    }
}

/// The place of a ticket in a list of that order.
pub fn listed(list: u128, sort: TicketSort, price_minor: u64, id: TicketId) -> Vec<u8> {
    let (list, newest) = (list.to_be_bytes(), (!id.as_u128()).to_be_bytes());
    match sort {
        TicketSort::Newest => place([&list, &newest]),
        TicketSort::PriceAscending => place([&list, &price_minor.to_be_bytes(), &newest]),
        TicketSort::PriceDescending => place([&list, &(!price_minor).to_be_bytes(), &newest]),
    }
}

fn entry(index: Index, place: Vec<u8>, value: &[u8]) -> Entry {
    Entry { index, place, value: value.to_vec() }
}

/// What follows from an account.
pub fn of_user(user: &User) -> Vec<Entry> {
    vec![entry(EMAILS, email(&user.email_key()), &user.id.as_u128().to_be_bytes())]
}

/// What follows from a ticket that was not withdrawn. A lock changes none of it: it is all in the
/// order that holds the ticket.
pub fn of_ticket(ticket: &Ticket) -> Vec<Entry> {
    let sorts = [TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending];
    let id = ticket.id.as_u128().to_be_bytes();
    let of_list = |list| {
        sorts.map(|sort| {
            entry(index_of(sort), listed(list, sort, ticket.price.minor(), ticket.id), &id)
        })
    };
    lists(ticket).into_iter().flat_map(of_list).collect()
}

/// What follows from an order: while it is open its ticket is held, it counts among its buyer's,
/// and its deadline is watched. Who holds which of several seats is in the ticket's row.
pub fn of_order(order: &Order) -> Vec<Entry> {
    let id = order.id.as_u128().to_be_bytes();
    let mut entries = vec![entry(BOUGHT, bought(order.buyer, order.id), &id)];
    if order.is_open() {
        if !order.is_of_several() {
            entries.push(entry(HELD, held(order.ticket), &id));
        }
        entries.push(entry(OPEN, bought(order.buyer, order.id), &id));
        entries.push(entry(DEADLINES, deadline(order.expires_at, order.id), &id));
    }
    entries
}

/// What follows from a charge.
pub fn of_charge(charge: &Charge) -> Vec<Entry> {
    let id = charge.id.as_u128().to_be_bytes();
    let intent = charge.intent().map(|name| entry(INTENTS, intent(name), &id));
    let unsettled = charge.is_unsettled().then(|| entry(UNSETTLED, unsettled(charge.id), &id));
    intent.into_iter().chain(unsettled).collect()
}

/// What follows from an idempotency key: when it can be swept.
pub fn of_remembered(remembered: &Remembered) -> Vec<Entry> {
    let id = self::remembered(remembered.user, &remembered.key).id;
    vec![entry(KEY_EXPIRY, place([&of_time(remembered.expires_at), &id]), &id)]
}
