//! A ticket of several seats, in every state with every command, and over any sequence.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::seats::MAX_SEATS;
use crate::domain::ticket::ExpectedVersion;
use crate::domain::{
    FeeRate, FeeRates, Label, ListingFault, Order, OrderState, Price, Split, TicketId, Title,
    UserId,
};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const SOON: Timestamp = Timestamp::from_millis(800_000);
const LATER: Timestamp = Timestamp::from_millis(901_000);
const SELLER: UserId = UserId::from_u128(1);
const BUYER: UserId = UserId::from_u128(2);

fn id(order: u128) -> OrderId {
    OrderId::from_u128(order)
}

fn price(minor: u64) -> Price {
    Price::from_minor(minor, "usd".parse().expect("a currency")).expect("a price")
}

fn listing(quantity: u32, split: Split) -> Listing {
    Listing { quantity, split, ..Listing::default() }
}

fn ticket(listing: Listing) -> Ticket {
    let title = Title::parse("Rock").expect("a title");
    Ticket::list(TicketId::from_u128(9), SELLER, title, price(3333), NOW).described(listing)
}

fn four() -> Ticket {
    ticket(listing(4, Split::Any))
}

fn reserve(order: u128, quantity: u32, until: Timestamp) -> TicketCommand {
    let wanted = Wanted { quantity: Some(quantity), ..Wanted::default() };
    TicketCommand::Reserve { by: BUYER, order: id(order), until, wanted, terms: Terms::default() }
}

fn edit(listing: ListingDraft) -> TicketCommand {
    TicketCommand::Edit {
        by: SELLER,
        title: None,
        price: Some(price(4000)),
        listing: Box::new(listing),
        most_seats: 12,
        expected: ExpectedVersion::Any,
    }
}

fn withdraw() -> TicketCommand {
    TicketCommand::Withdraw { by: SELLER, expected: ExpectedVersion::Any }
}

fn after(ticket: &Ticket, command: &TicketCommand) -> Ticket {
    match ticket.decide(command, NOW) {
        Ok(TicketDecision::Changed(after)) => {
            assert_eq!(after.version, ticket.version.next());
            after
        }
        other => panic!("expected a change by {command:?}, got {other:?}"),
    }
}

fn sold(ticket: &Ticket, order: u128) -> Ticket {
    after(ticket, &TicketCommand::Sell { order: id(order) })
}

/// One seat held until soon, two until later, one free.
fn held() -> Ticket {
    after(&after(&four(), &reserve(10, 2, LATER)), &reserve(11, 1, SOON))
}

#[test]
fn several_orders_hold_seats_of_one_ticket_each_its_own() {
    let held = held();
    assert_eq!(held.status(), TicketStatus::Available);
    assert_eq!((held.free().len(), held.order()), (1, None));
    let (one, two) = (held.part_of(id(10)).expect("a part"), held.part_of(id(11)).expect("a part"));
    assert_eq!((one.seats.len(), two.seats.len()), (2, 1));
    assert!(!one.seats.overlaps(two.seats));
    let all = after(&held, &reserve(12, 1, LATER));
    assert_eq!(all.status(), TicketStatus::Locked);
    let until = SOON;
    let refused = Err(TicketRejection::Locked { order: id(11), until });
    assert_eq!(
        all.decide(&reserve(13, 1, LATER), NOW),
        refused,
        "the hold that ends first is named"
    );
    let released = after(&all, &TicketCommand::Release { order: id(10) });
    assert_eq!((released.status(), released.free().len()), (TicketStatus::Available, 2));
}

#[test]
fn a_ticket_is_sold_when_every_seat_is_and_only_then() {
    let whole = after(&four(), &reserve(10, 4, LATER));
    assert_eq!((whole.status(), whole.order()), (TicketStatus::Locked, Some(id(10))));
    let whole = sold(&whole, 10);
    assert_eq!((whole.status(), whole.order()), (TicketStatus::Sold, Some(id(10))));
    assert_eq!(whole.decide(&reserve(11, 1, LATER), NOW), Err(TicketRejection::Sold));
    let part = sold(&held(), 10);
    assert_eq!((part.status(), part.order()), (TicketStatus::Available, None));
    for order in [10, 99] {
        for command in
            [TicketCommand::Release { order: id(order) }, TicketCommand::Sell { order: id(order) }]
        {
            assert_eq!(part.decide(&command, NOW), Err(TicketRejection::NotHeld), "{command:?}");
        }
    }
}

#[test]
fn a_quantity_that_the_rules_do_not_allow_is_refused_with_what_is_left() {
    let pairs = ticket(listing(6, Split::Pairs));
    let refused = pairs.decide(&reserve(10, 3, LATER), NOW);
    let Err(TicketRejection::QuantityUnavailable { left }) = refused else {
        panic!("expected a refusal, got {refused:?}")
    };
    assert_eq!(left.buyable(), [2, 4, 6]);
    let many = ticket(listing(20, Split::Any));
    let refused = many.decide(&reserve(10, 13, LATER), NOW);
    assert_eq!(refused, Err(TicketRejection::TooManySeats { most: 12 }));
    let plain = after(&four(), &reserve(10, 3, LATER));
    assert!(matches!(
        plain.decide(&reserve(11, 2, LATER), NOW),
        Err(TicketRejection::QuantityUnavailable { .. })
    ));
}

#[test]
fn without_a_quantity_a_buyer_gets_as_few_as_can_be_had() {
    let smallest = |split| {
        let (wanted, terms) = (Wanted::default(), Terms::default());
        let command =
            TicketCommand::Reserve { by: BUYER, order: id(10), until: LATER, wanted, terms };
        let after = after(&ticket(listing(4, split)), &command);
        after.part_of(id(10)).expect("a part").seats.len()
    };
    assert_eq!(smallest(Split::Any), 1);
    assert_eq!(smallest(Split::AvoidOne), 1);
    assert_eq!(smallest(Split::Pairs), 2);
    assert_eq!(smallest(Split::None), 4);
}

#[test]
fn a_buyer_pays_what_was_shown_for_all_seats_or_is_told() {
    let tenth = FeeRate { basis_points: 1_000, fixed_minor: 0 };
    let fees = FeeRates { buyer: tenth, seller: FeeRate::default() };
    let terms = Terms { fees, ..Terms::default() };
    let command = |total| TicketCommand::Reserve {
        by: BUYER,
        order: id(10),
        until: LATER,
        wanted: Wanted { quantity: Some(3), price: None, total: Some(total) },
        terms,
    };
    let total = price(10_998);
    let refused = four().decide(&command(price(9_999)), NOW);
    assert_eq!(refused, Err(TicketRejection::PriceChanged { price: price(3333), total }));
    let after = after(&four(), &command(total));
    let order = Order::new(id(10), BUYER, &after, LATER, NOW).at_fees(after.fees(&terms));
    assert_eq!((order.total(), order.quantity()), (total, 3));
    assert_eq!(order.part(), after.part_of(id(10)), "order and ticket say the same");
}

#[test]
fn seats_stay_as_they_are_while_somebody_has_one_and_the_price_does_not() {
    let more = ListingDraft { quantity: Some(6), ..ListingDraft::default() };
    let until = SOON;
    let held = held();
    assert_eq!(
        held.decide(&edit(more.clone()), NOW),
        Err(TicketRejection::Locked { order: id(11), until })
    );
    let some_sold = sold(&after(&four(), &reserve(10, 2, LATER)), 10);
    assert_eq!(some_sold.decide(&edit(more.clone()), NOW), Err(TicketRejection::Sold));
    for ticket in [&held, &some_sold] {
        let dearer = after(ticket, &edit(ListingDraft::default()));
        assert_eq!((dearer.price, &dearer.state), (price(4000), &ticket.state));
        let split = ListingDraft { split: Some(Split::Pairs), ..ListingDraft::default() };
        assert_eq!(after(ticket, &edit(split)).listing().split, Split::Pairs);
    }
    let grown = after(&four(), &edit(more));
    assert_eq!(grown.free().len(), 6);
    let odd = ListingDraft { quantity: Some(5), split: Some(Split::Pairs), ..Default::default() };
    let refused = four().decide(&edit(odd), NOW);
    assert_eq!(refused, Err(TicketRejection::BadListing(ListingFault::OddPairs)));
}

#[test]
fn a_ticket_becomes_one_of_several_seats_and_one_of_one_again() {
    let to = |quantity| ListingDraft { quantity: Some(quantity), ..ListingDraft::default() };
    let one = after(&four(), &edit(to(1)));
    assert_eq!(one.state, TicketState::Available);
    let two = after(&one, &edit(to(2)));
    assert!(two.has_several());
    assert_eq!(two.free().len(), 2);
}

#[test]
fn withdrawn_with_seats_sold_it_stays_and_sells_no_more() {
    assert!(matches!(four().decide(&withdraw(), NOW), Ok(TicketDecision::Withdrawn(_))));
    let until = SOON;
    let refused = held().decide(&withdraw(), NOW);
    assert_eq!(refused, Err(TicketRejection::Locked { order: id(11), until }));
    let some_sold = sold(&after(&four(), &reserve(10, 2, LATER)), 10);
    let closed = after(&some_sold, &withdraw());
    assert_eq!(
        (closed.status(), closed.closed()),
        (TicketStatus::Closed, Some(ClosedReason::Withdrawn))
    );
    assert_eq!(closed.offer(12).buyable(), [0_u32; 0]);
    assert_eq!(closed.decide(&withdraw(), NOW), Ok(TicketDecision::Unchanged));
    for command in [reserve(12, 1, LATER), edit(ListingDraft::default())] {
        assert_eq!(closed.decide(&command, NOW), Err(TicketRejection::Closed), "{command:?}");
    }
    let all_sold = sold(&after(&four(), &reserve(10, 4, LATER)), 10);
    assert_eq!(all_sold.decide(&withdraw(), NOW), Err(TicketRejection::Sold));
}

#[test]
fn a_change_for_another_version_is_refused_after_what_stands_in_its_way() {
    let expected = ExpectedVersion::OneOf(vec![7]);
    let withdraw = TicketCommand::Withdraw { by: SELLER, expected };
    assert!(matches!(four().decide(&withdraw, NOW), Err(TicketRejection::VersionMismatch { .. })));
    assert!(matches!(held().decide(&withdraw, NOW), Err(TicketRejection::Locked { .. })));
}

#[test]
fn orders_name_the_seats_they_are_for() {
    let names: Vec<Label> =
        ["7", "8", "9"].iter().map(|name| Label::parse(name).expect("a label")).collect();
    let numbered = Listing { seats: Some(names.clone()), ..listing(3, Split::Any) };
    let first = after(&ticket(numbered), &reserve(10, 1, LATER));
    let second = after(&first, &reserve(11, 2, LATER));
    let lot = |order| Order::new(id(order), BUYER, &second, LATER, NOW).lot.expect("a lot");
    assert_eq!(lot(10).names.as_deref(), Some(&names[..1]));
    assert_eq!(lot(11).names.as_deref(), Some(&names[1..]));
    let plain = ticket(listing(1, Split::AvoidOne));
    assert_eq!(Order::new(id(10), BUYER, &plain, LATER, NOW).lot, None, "as it always was");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Lock(u32),
    Release(u128),
    Sell(u128),
    Withdraw,
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6_u32).prop_map(Step::Lock),
        4 => (0..12_u128).prop_map(Step::Release),
        2 => (0..12_u128).prop_map(Step::Sell),
        1 => Just(Step::Withdraw),
    ]
}

proptest! {
    #[test]
    fn over_any_sequence_ticket_and_orders_say_the_same_of_every_seat(
        quantity in 2..=MAX_SEATS,
        split in prop::sample::select(vec![Split::Any, Split::AvoidOne, Split::None]),
        steps in prop::collection::vec(a_step(), 1..80),
    ) {
        let mut ticket = ticket(listing(quantity, split));
        let mut orders: BTreeMap<u128, Order> = BTreeMap::new();
        let mut next = 0;
        for step in steps {
            let before = ticket.clone();
            let command = match step {
                Step::Lock(quantity) => { next += 1; reserve(next, quantity, LATER) }
                Step::Release(order) => TicketCommand::Release { order: id(order) },
                Step::Sell(order) => TicketCommand::Sell { order: id(order) },
                Step::Withdraw => withdraw(),
            };
            match ticket.decide(&command, NOW) {
                Ok(TicketDecision::Changed(after)) => ticket = after,
                Ok(TicketDecision::Unchanged) => {}
                Ok(TicketDecision::Withdrawn(_)) => {
                    prop_assert!(orders.values().all(|order| order.part().is_none()));
                    break;
                }
                Err(_) => prop_assert_eq!(&ticket, &before),
            }
            let was_changed = ticket != before;
            match step {
                Step::Lock(_) if was_changed => {
                    orders.insert(next, Order::new(id(next), BUYER, &ticket, LATER, NOW));
                }
                Step::Release(order) | Step::Sell(order) if was_changed => {
                    let state = match step {
                        Step::Sell(_) => OrderState::Completed,
                        _ => OrderState::Cancelled(crate::domain::CancelReason::Buyer),
                    };
                    let order = orders.get_mut(&order).expect("its order");
                    prop_assert!(order.is_open(), "only what is held is released or sold");
                    *order = order.moved(state);
                }
                _ => {}
            }
            let TicketState::Several(allotment) = &ticket.state else {
                panic!("it has several seats")
            };
            prop_assert!(allotment.is_sound(ticket.listing().all()), "a seat is given twice");
            let parts = orders.values().filter_map(Order::part).count();
            prop_assert_eq!(parts, allotment.parts.len());
            for order in orders.values() {
                prop_assert_eq!(order.part(), ticket.part_of(order.id));
            }
        }
    }
}
