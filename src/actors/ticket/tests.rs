use std::time::Duration;

use super::*;
use crate::actors::aggregate::When;
use crate::domain::{ExpectedVersion, TicketRejection, TicketState, Title};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const LATER: Timestamp = Timestamp::from_millis(2_000);
const SELLER: UserId = UserId::from_u128(1);
const BUYER: UserId = UserId::from_u128(2);
const ORDER: OrderId = OrderId::from_u128(3);

fn listed() -> Ticket {
    let price = crate::domain::Price::from_minor(4_000, "usd".parse().unwrap()).unwrap();
    Ticket::list(TicketId::from_u128(4), SELLER, Title::parse("Rock").unwrap(), price, NOW)
}

fn known() -> Known {
    Known::alone(listed())
}

fn settings() -> MarketSettings {
    MarketSettings { hold: Duration::from_secs(60), ..MarketSettings::default() }
}

fn reservation(buyer: UserId) -> Reservation {
    let key = crate::actors::IdempotencyKey {
        user: buyer,
        key: "k".to_owned(),
        fingerprint: [7; 16],
        expires_at: LATER,
    };
    let key = KeyFor::answered(key, |view: &OrderView| view.order.id.to_string().into_bytes());
    Reservation { order: ORDER, buyer, wanted: Wanted::default(), not_before: None, key: Some(key) }
}

fn locked() -> Ticket {
    let Ok(decision) = reserve(&known(), &reservation(BUYER), &settings(), NOW) else {
        panic!("a lock")
    };
    decision.change.unwrap().after.unwrap().ticket
}

#[test]
fn a_lock_is_one_commit_with_its_order_and_sets_the_orders_timer() {
    let Ok(decision) = reserve(&known(), &reservation(BUYER), &settings(), NOW) else {
        panic!("a lock")
    };
    let When::Now(TicketAnswer::Reserved(purchase)) = decision.answer else { panic!("an order") };
    let change = decision.change.unwrap();
    let ticket = change.after.unwrap().ticket;
    let until = NOW.plus(Duration::from_secs(60));
    assert_eq!(ticket.state, TicketState::Locked { order: ORDER, until });
    assert_eq!(change.timers, [Timer::OrderExpiry(Due { at: until, id: ORDER })]);
    let Commit { at, writes, requires, events } = change.commit;
    let remembered = reservation(BUYER).key.unwrap();
    let remembered = remembered.remember(&purchase.view());
    assert_eq!(at, NOW);
    assert_eq!(
        writes,
        [Write::Order(purchase.order.clone()), Write::Ticket(ticket.clone()), remembered]
    );
    assert_eq!(requires, [Precondition::OpenOrdersBelow { user: BUYER, limit: 10 }]);
    assert_eq!(events, [Event::OrderCreated(purchase.view()), Event::TicketUpdated(ticket)]);
}

#[test]
fn a_refused_lock_writes_nothing() {
    let refused = reserve(&known(), &reservation(SELLER), &settings(), NOW).err();
    assert_eq!(refused, Some(TicketRejection::OwnTicket.into()));
}

#[test]
fn who_was_shown_another_price_is_told_what_it_costs_now() {
    let other = crate::domain::Price::from_minor(3_999, "usd".parse().unwrap()).unwrap();
    let price = listed().price;
    for (expected, refused) in
        [(price, None), (other, Some(TicketRejection::PriceChanged { price, total: price }.into()))]
    {
        let wanted = Wanted { price: Some(expected), ..Wanted::default() };
        let reservation = Reservation { wanted, ..reservation(BUYER) };
        assert_eq!(reserve(&known(), &reservation, &settings(), NOW).err(), refused);
    }
}

#[test]
fn who_let_go_of_it_too_often_waits_while_it_is_there_for_others() {
    let reservation = Reservation { not_before: Some(LATER), ..reservation(BUYER) };
    let refused = reserve(&known(), &reservation, &settings(), NOW).err();
    assert_eq!(refused, Some(MarketError::RelockTooSoon { not_before: LATER }));
    assert!(reserve(&known(), &reservation, &settings(), LATER).is_ok());
}

#[test]
fn a_carried_commit_gets_the_ticket_and_is_decided_as_of_its_own_time() {
    let theirs = Write::EndSession { user: BUYER, session: crate::domain::SessionId::from_u128(9) };
    for (demand, state) in [
        (TicketDemand::Release, TicketState::Available),
        (TicketDemand::Sell, TicketState::Sold { order: ORDER }),
    ] {
        let commit = Commit::at(LATER).write(theirs.clone());
        let carried = Carried { order: ORDER, demand, commit };
        let Ok(decision) = carry(&Known::alone(locked()), &carried) else { panic!("{demand:?}") };
        let change = decision.change.unwrap();
        let ticket = change.after.unwrap().ticket;
        assert_eq!((&ticket.state, ticket.updated_at), (&state, LATER));
        assert_eq!(change.commit.writes, [Write::Ticket(ticket.clone()), theirs.clone()]);
        assert_eq!(change.commit.events, [Event::TicketUpdated(ticket)]);
        assert_eq!(decision.answer, When::Now(TicketAnswer::Carried(Committed::Durable)));
    }
}

#[test]
fn a_ticket_carries_nothing_for_an_order_that_does_not_hold_it() {
    let stranger = OrderId::from_u128(99);
    let carried =
        Carried { order: stranger, demand: TicketDemand::Sell, commit: Commit::at(LATER) };
    assert_eq!(
        carry(&Known::alone(locked()), &carried).err(),
        Some(TicketRejection::NotHeld.into())
    );
}

#[test]
fn an_edit_that_changes_nothing_is_answered_without_a_commit() {
    let command = TicketCommand::Edit {
        by: SELLER,
        title: None,
        price: Some(listed().price),
        listing: Box::default(),
        most_seats: 12,
        expected: ExpectedVersion::Any,
    };
    let Ok(decision) = change(&known(), &command, &PriceCaps::default(), LATER) else {
        panic!("an edit")
    };
    assert!(decision.change.is_none());
    assert_eq!(decision.answer, When::Now(TicketAnswer::Ticket(listed())));
}

#[test]
fn a_withdrawn_ticket_is_not_known_any_more() {
    let command = TicketCommand::Withdraw { by: SELLER, expected: ExpectedVersion::Any };
    let Ok(decision) = change(&known(), &command, &PriceCaps::default(), LATER) else {
        panic!("a withdrawal")
    };
    let change = decision.change.unwrap();
    let Ticket { id, version, .. } = listed();
    assert_eq!(change.commit.writes, [Write::WithdrawTicket { id, last: version }]);
    assert!(change.after.is_none());
}
