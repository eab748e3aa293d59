//! The rules of a commit that need no database: what its writes must be to each other and to
//! what is stored. Every implementation of a store keeps them with these.

use crate::bugs::{Bug, planted};
use crate::domain::{
    AnyId, ChargeId, EmailKey, IntentId, Order, OrderId, Part, Remembered, Session, SessionId,
    Ticket, TicketId, TicketState, Timestamp, UserId, Version, Write,
};
use crate::store::resources::registry::share_a_place;

/// How something that was begun ended is only known after its key was written, so that answer,
/// and no other, may be written once more.
pub fn completes(before: &Remembered, after: &Remembered) -> bool {
    !before.is_final && after.is_final && before.fingerprint == after.fingerprint
}

/// Two changes of one row can't both follow the version that is stored, and two rows of one
/// commit can't share what must be unique.
pub fn claims_anything_twice(writes: &[Write]) -> bool {
    // A commit writes a handful of rows, so comparing each with each is cheapest.
    let mut claims = Vec::with_capacity(2 * writes.len());
    let is_twice = writes.iter().flat_map(claims_of).any(|claim| {
        let is_taken = claims.contains(&claim);
        claims.push(claim);
        is_taken
    });
    is_twice || share_a_place(writes)
}

#[derive(PartialEq, Eq)]
enum Claim<'c> {
    User(UserId),
    Email(EmailKey),
    Ticket(TicketId),
    Order(OrderId),
    Charge(ChargeId),
    Intent(&'c IntentId),
    Key(UserId, &'c str),
    Resource(AnyId),
    Session(UserId, SessionId),
}

fn claims_of(write: &Write) -> impl Iterator<Item = Claim<'_>> {
    let claims = match write {
        Write::User(user) => [Some(Claim::User(user.id)), Some(Claim::Email(user.email_key()))],
        Write::Ticket(Ticket { id, .. }) | Write::WithdrawTicket { id, .. } => {
            [Some(Claim::Ticket(*id)), None]
        }
        Write::Order(order) => [Some(Claim::Order(order.id)), None],
        Write::Charge(charge) => {
            [Some(Claim::Charge(charge.id)), charge.intent().map(Claim::Intent)]
        }
        Write::Remember(remembered) => [Some(Claim::Key(remembered.user, &remembered.key)), None],
        Write::Put(resource) | Write::Delete(resource) => {
            [Some(Claim::Resource(resource.id())), None]
        }
        Write::SeeSession { user, session, .. } => [Some(Claim::Session(*user, *session)), None],
        Write::OpenSession(_) | Write::EndSession { .. } | Write::EndOtherSessions { .. } => {
            [None, None]
        }
    };
    claims.into_iter().flatten()
}

/// The session as it is once it was used, if it is stored and was last seen when it is said.
pub fn seen(stored: Option<Session>, before: Timestamp, at: Timestamp) -> Option<Session> {
    let session = stored.filter(|session| session.last_seen_at == before)?;
    Some(Session { last_seen_at: at, ..session })
}

/// A first version follows nothing, any other the one before it.
pub fn follows(before: Option<Version>, after: Version) -> bool {
    after.previous() == before || planted(Bug::DroppedVersionCheck)
}

/// A ticket is locked by the order that is made in the same commit, and by nothing else. `row` is
/// the ticket as it stands without a lock, `holder` the order that holds it already.
pub fn locks(
    row: Option<&Ticket>,
    holder: Option<OrderId>,
    after: &Ticket,
    order: Option<&Order>,
) -> bool {
    let is_free = holder.is_none() || planted(Bug::DroppedVersionCheck);
    let order = order.filter(|order| order.is_open());
    let locked = row.filter(|_| is_free).and_then(|row| row.locked_by(order?));
    locked.as_ref() == Some(after)
}

/// The row of a ticket changes while an order holds it only along with the end of that order.
pub fn ends_holder(holder: Option<OrderId>, all: &[Write]) -> bool {
    let ends = |holder| written_order(all, holder).is_some_and(|order| !order.is_open());
    holder.is_none_or(ends)
}

/// An order is made with the lock of its ticket, and ends with its release or sale.
pub fn takes_its_ticket_along(before: Option<&Order>, after: &Order, all: &[Write]) -> bool {
    let ticket = all.iter().find_map(|write| match write {
        Write::Ticket(ticket) if ticket.id == after.ticket => Some(ticket),
        _ => None,
    });
    let has_its_part = |ticket: &Ticket| {
        ticket.has_several() == after.is_of_several() && ticket.part_of(after.id) == after.part()
    };
    match (before.is_some_and(Order::is_open), after.is_open()) {
        (false, true) => ticket.is_some_and(has_its_part),
        (true, false) if after.is_of_several() => ticket.is_some_and(has_its_part),
        (true, false) => ticket.is_some(),
        (true, true) | (false, false) => true,
    }
}

/// Each seat of a ticket that has several is held or sold as one order says, and nobody's changes
/// without its order: each part that the ticket gets, loses or has otherwise than before is that of
/// an order of the same commit. `after` is nothing if the ticket is withdrawn.
pub fn seats_follow_orders(before: Option<&Ticket>, after: Option<&Ticket>, all: &[Write]) -> bool {
    let is_sound = match after.map(|ticket| (ticket, &ticket.state)) {
        Some((ticket, TicketState::Several(allotment))) => {
            allotment.is_sound(ticket.listing().all()) || planted(Bug::SeatGivenTwice)
        }
        _ => true,
    };
    let (old, new) = (parts(before), parts(after));
    let is_told = |part: &Part| {
        let now = new.iter().find(|now| now.order == part.order).copied();
        let order = written_order(all, part.order);
        let is_of_it = |order: &&Order| after.is_some_and(|ticket| ticket.id == order.ticket);
        order.filter(is_of_it).is_some_and(|order| order.part() == now)
    };
    let stay = |these: &[Part], those: &[Part]| {
        these.iter().all(|part| those.contains(part) || is_told(part))
    };
    is_sound && stay(old, new) && stay(new, old)
}

fn parts(ticket: Option<&Ticket>) -> &[Part] {
    match ticket.map(|ticket| &ticket.state) {
        Some(TicketState::Several(allotment)) => &allotment.parts,
        Some(TicketState::Available | TicketState::Locked { .. } | TicketState::Sold { .. })
        | None => &[],
    }
}

/// The order of that id among the writes of a commit.
pub fn written_order(writes: &[Write], id: OrderId) -> Option<&Order> {
    writes.iter().find_map(|write| match write {
        Write::Order(order) if order.id == id => Some(order),
        _ => None,
    })
}
