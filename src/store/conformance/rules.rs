//! Versions, refusals, and that a refused commit leaves no trace.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{
    Allotment, CancelReason, Charge, ChargeId, ChargePhase, Commit, Email, Event, IntentId,
    Listing, Lot, Order, OrderId, OrderState, Part, PartState, PaymentToken, Precondition,
    Remembered, SeatSet, Session, SessionId, Split, Ticket, TicketId, TicketState, Timestamp, User,
    UserId, Version, Write,
};
use crate::store::conformance::stores;
use crate::store::testing::{
    HOLD, World, a_title, created, listed, market, read, ticket_changed, usd,
};
use crate::store::{CommitError, Refusal};

const CONFLICT: Result<(), CommitError> = Err(CommitError::Conflict);

#[tokio::test]
async fn a_row_follows_the_version_that_is_stored() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let v0 = world.new_ticket(ana, "Rock", 100);
        let v1 = Ticket { version: v0.version.next(), title: a_title("Jazz"), ..v0.clone() };
        let v2 = Ticket { version: v1.version.next(), ..v1.clone() };
        let at = world.now();
        let write = |ticket: &Ticket| store.commit(ticket_changed(ticket.clone(), at));
        assert_eq!(write(&v1).await, CONFLICT, "there is none to follow");
        assert_eq!(write(&v0).await, Ok(()));
        assert_eq!(write(&v0).await, CONFLICT, "it exists");
        assert_eq!(write(&v2).await, CONFLICT, "it skips one");
        assert_eq!(write(&v1).await, Ok(()));
        assert_eq!(write(&v1).await, CONFLICT, "it was replaced");
        assert_eq!(write(&v2).await, Ok(()));
        assert_eq!(read(store.ticket(v0.id).await), Some(v2));
    }
}

#[tokio::test]
async fn the_id_of_a_withdrawn_ticket_never_comes_back() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let ticket = world.new_ticket(ana, "Rock", 100);
        world.commit(listed(ticket.clone())).await;
        let withdraw = |last| {
            let write = Write::WithdrawTicket { id: ticket.id, last };
            store.commit(Commit::at(Timestamp::from_millis(1)).write(write))
        };
        assert_eq!(withdraw(Version::FIRST.next()).await, CONFLICT);
        assert_eq!(withdraw(Version::FIRST).await, Ok(()));
        assert_eq!(read(store.ticket(ticket.id).await), None);
        assert_eq!(withdraw(Version::FIRST).await, CONFLICT);
        for version in [0, 1, 2] {
            let version = (0..version).fold(Version::FIRST, |version, _| version.next());
            let again = Ticket { version, ..ticket.clone() };
            assert_eq!(store.commit(listed(again)).await, CONFLICT, "{version}");
        }
    }
}

#[tokio::test]
async fn an_address_belongs_to_one_account() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("Ana").await, world.user("bob").await);
        let in_use = Err(CommitError::Refused(Refusal::EmailInUse));
        assert_eq!(world.change_email(bob, "ANA@example.com").await, in_use);
        assert_eq!(world.change_email(ana, "aNa@example.com").await, Ok(()), "its own");
        assert_eq!(world.change_email(ana, "zoe@example.com").await, Ok(()));
        assert_eq!(world.change_email(bob, "ana@example.com").await, Ok(()), "it is free now");
        let key = Email::parse("ANA@EXAMPLE.com").expect("an address").key();
        assert_eq!(read(store.user_by_email(&key).await).map(|user| user.id), Some(bob));

        let email = Email::parse("new@example.com").expect("an address");
        let [one, two] = [world.id(), world.id()].map(|id| {
            User::new(UserId::from_u128(id), email.clone(), "hash".to_owned(), world.now())
        });
        let both = created(&one).write(Write::User(two));
        assert_eq!(store.commit(both).await, CONFLICT, "two in one commit");
    }
}

/// A commit that writes one of everything, and fails only by the last of it.
#[tokio::test]
async fn a_refused_commit_leaves_no_trace() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let (held, other) = (world.lists(ana, "Rock", 100).await, world.new_ticket(ana, "Pop", 5));
        let at = world.now();
        let session = Session::ending(bob, SessionId::from_u128(7), at);
        let user = User::new(
            UserId::from_u128(world.id()),
            Email::parse("new@example.com").expect("an address"),
            "hash".to_owned(),
            at,
        );
        let stale = Ticket { version: Version::FIRST.next().next(), ..world.ticket(held).await };
        let (order, commit) = world.locking(bob, held).await;
        let commit = Commit { writes: Vec::new(), ..commit }
            .write(Write::OpenSession(session.clone()))
            .write(Write::User(user.clone()))
            .write(Write::Ticket(other.clone()))
            .write(Write::Order(order.clone()))
            .write(Write::Remember(Box::new(world.remembered(bob, "key", at.plus(SECOND)))))
            .write(Write::Ticket(stale));
        let before = (store.stats(), read(store.events(0, 100).await));
        assert_eq!(store.commit(commit).await, CONFLICT);
        assert_eq!((store.stats(), read(store.events(0, 100).await)), before);
        assert_eq!(read(store.session(bob, session.id).await), None);
        assert_eq!(read(store.user(user.id).await), None);
        assert_eq!(read(store.user_by_email(&user.email.key()).await), None);
        assert_eq!(read(store.ticket(other.id).await), None);
        assert_eq!(read(store.order(order.id).await), None);
        assert_eq!(read(store.deadlines(None, 10).await), []);
        assert_eq!(read(store.remembered(bob, "key", at).await), None);
        assert_eq!(world.ticket(held).await.state, TicketState::Available);
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn two_changes_of_one_row_in_one_commit_are_refused() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let v0 = world.new_ticket(ana, "Rock", 100);
        let v1 = Ticket { version: v0.version.next(), ..v0.clone() };
        let twice = listed(v0.clone()).write(Write::Ticket(v1));
        assert_eq!(store.commit(twice).await, CONFLICT);
        assert_eq!(read(store.ticket(v0.id).await), None);
    }
}

/// What a commit writes and tells of an order that gets some of several seats.
fn taking(ticket: &Ticket, order: Order, seats: SeatSet, at: Timestamp) -> Commit {
    let part = Part { order: order.id, seats, state: PartState::Held { until: order.expires_at } };
    let TicketState::Several(allotment) = &ticket.state else { panic!("it has several seats") };
    let mut allotment = allotment.clone();
    allotment.parts.push(part);
    let version = ticket.version.next();
    let after = Ticket { state: TicketState::Several(allotment), version, ..ticket.clone() };
    ticket_changed(after, at).write(Write::Order(order))
}

#[tokio::test]
async fn each_of_several_seats_is_one_orders_and_changes_with_it() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let listing = Listing { quantity: 3, split: Split::Any, ..Listing::default() };
        let ticket = world.new_ticket(ana, "Rock", 100).described(listing);
        world.commit(listed(ticket.clone())).await;
        let at = world.now();
        let places = |bits| SeatSet::from_bits(bits).expect("seats");
        let order = |id, ticket: &Ticket, seats: SeatSet| {
            let order = Order::new(OrderId::from_u128(id), bob, ticket, at.plus(HOLD), at);
            let lot = Lot {
                seats,
                is_of_several: true,
                ..Lot::clone(order.lot.as_ref().expect("a lot"))
            };
            Order { lot: Some(Arc::new(lot)), ..order }
        };
        let first = order(1, &ticket, places(0b011));
        let lock = taking(&ticket, first.clone(), places(0b011), at);
        let without = |commit: &Commit, orders: bool| {
            let is_order = |write: &Write| matches!(write, Write::Order(_));
            let writes = commit.writes.iter().filter(|write| is_order(write) != orders);
            Commit { writes: writes.cloned().collect(), ..commit.clone() }
        };
        assert_eq!(store.commit(without(&lock, true)).await, CONFLICT, "seats without an order");
        assert_eq!(store.commit(without(&lock, false)).await, CONFLICT, "an order without seats");
        let other = taking(&ticket, first.clone(), places(0b101), at);
        assert_eq!(store.commit(other).await, CONFLICT, "other seats than the order says");
        let none = taking(&ticket, order(1, &ticket, places(0b1000)), places(0b1000), at);
        assert_eq!(store.commit(none).await, CONFLICT, "a seat that there is not");
        world.commit(lock).await;
        assert_eq!(store.stats().open_orders, 1);

        let held = world.ticket(ticket.id).await;
        let again = taking(&held, order(2, &held, places(0b110)), places(0b110), at);
        assert_eq!(store.commit(again).await, CONFLICT, "a seat that is another's");
        let second = order(2, &held, places(0b100));
        world.commit(taking(&held, second.clone(), places(0b100), at)).await;
        let all = world.ticket(ticket.id).await;
        assert_eq!((all.free().len(), store.stats().open_orders), (0, 2));
        assert_eq!(read(store.tickets(&market()).await).tickets, []);
        let deadlines = read(store.deadlines(None, 10).await);
        assert_eq!(
            deadlines.iter().map(|due| due.order).collect::<Vec<_>>(),
            [first.id, second.id]
        );

        let TicketState::Several(allotment) = &all.state else { panic!("it has several seats") };
        let left = Allotment { parts: allotment.parts[1..].to_vec(), ..allotment.clone() };
        let (state, version) = (TicketState::Several(left), all.version.next());
        let released = ticket_changed(Ticket { state, version, ..all.clone() }, at);
        assert_eq!(store.commit(released.clone()).await, CONFLICT, "a release without its order");
        let ended = first.moved(OrderState::Cancelled(CancelReason::Buyer));
        let end = Commit::at(at).write(Write::Order(ended.clone()));
        assert_eq!(store.commit(end).await, CONFLICT, "an end without its release");
        let withdrawal = Write::WithdrawTicket { id: all.id, last: all.version };
        let withdrawal = Commit::at(at).write(withdrawal);
        assert_eq!(store.commit(withdrawal).await, CONFLICT, "a withdrawal of what is held");
        world.commit(released.write(Write::Order(ended))).await;
        assert_eq!(world.ticket(ticket.id).await.free(), places(0b011));
        assert_eq!(store.stats().open_orders, 1);
        let listed = read(store.tickets(&market()).await).tickets;
        assert_eq!(listed.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), [ticket.id]);
    }
}

#[tokio::test]
async fn an_order_and_the_ticket_it_holds_change_together_or_not_at_all() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let cyd = world.user("cyd").await;
        let (id, other) = (world.lists(ana, "Rock", 100).await, world.lists(ana, "Pop", 100).await);
        let (order, lock) = world.locking(bob, id).await;
        let is_order = |write: &Write| matches!(write, Write::Order(_));
        let only = |commit: &Commit, orders: bool| {
            let writes = commit.writes.iter().filter(|write| is_order(write) == orders);
            Commit { writes: writes.cloned().collect(), ..commit.clone() }
        };
        assert_eq!(store.commit(only(&lock, true)).await, CONFLICT, "an order without its lock");
        assert_eq!(store.commit(only(&lock, false)).await, CONFLICT, "a lock without its order");
        let longer = Order { expires_at: order.expires_at.plus(SECOND), ..order.clone() };
        let longer = only(&lock, false).write(Write::Order(longer));
        assert_eq!(store.commit(longer).await, CONFLICT, "a lock that ends before its order");
        let elsewhere = Order { ticket: other, ..order.clone() };
        let elsewhere = only(&lock, false).write(Write::Order(elsewhere));
        assert_eq!(store.commit(elsewhere).await, CONFLICT, "a lock of another ticket");
        let state = OrderState::Cancelled(CancelReason::Buyer);
        let over = only(&lock, false).write(Write::Order(Order { state, ..order.clone() }));
        assert_eq!(store.commit(over).await, CONFLICT, "a lock by an order that has ended");
        assert_eq!(world.ticket(id).await.state, TicketState::Available);

        let (_, second) = world.locking(cyd, id).await;
        world.commit(lock).await;
        let locked = world.ticket(id).await;
        assert_eq!(store.commit(second).await, CONFLICT, "a second lock");
        let state = TicketState::Available;
        let released = Ticket { state, version: locked.version.next(), ..locked.clone() };
        let release = ticket_changed(released.clone(), world.now());
        assert_eq!(store.commit(release.clone()).await, CONFLICT, "a release without its order");
        let withdrawal = Write::WithdrawTicket { id, last: locked.version };
        let withdrawal = Commit::at(world.now()).write(withdrawal);
        assert_eq!(store.commit(withdrawal).await, CONFLICT, "a withdrawal under a lock");
        let state = OrderState::Cancelled(CancelReason::Buyer);
        let ended = Order { state, version: order.version.next(), ..order.clone() };
        let end = Commit::at(world.now()).write(Write::Order(ended.clone()));
        assert_eq!(store.commit(end).await, CONFLICT, "an end without its release");
        assert_eq!(world.ticket(id).await, locked);
        assert_eq!(store.commit(release.write(Write::Order(ended))).await, Ok(()));
        assert_eq!(world.ticket(id).await, released);
    }
}

#[tokio::test]
async fn a_user_has_only_so_many_open_orders() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let mut orders = Vec::new();
        for _ in 0..10 {
            let ticket = world.lists(ana, "Rock", 100).await;
            orders.push(world.locks(bob, ticket).await);
        }
        let ticket = world.lists(ana, "Rock", 100).await;
        let (_, eleventh) = world.locking(bob, ticket).await;
        let refused = Err(CommitError::Refused(Refusal::TooManyOpenOrders));
        assert_eq!(store.commit(eleventh.clone()).await, refused);
        world.buys(orders[0]).await;
        assert_eq!(store.commit(eleventh).await, Ok(()), "a completed order is not open");
        let ticket = world.lists(ana, "Rock", 100).await;
        let (_, twelfth) = world.locking(bob, ticket).await;
        assert_eq!(store.commit(twelfth.clone()).await, refused);
        world.cancels(orders[1]).await;
        world.expires(orders[2]).await;
        assert_eq!(store.commit(twelfth).await, Ok(()), "nor is a cancelled one");
    }
}

#[tokio::test]
async fn an_idempotency_key_is_free_again_when_it_expires() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let at = world.now();
        let minute = Duration::from_secs(60);
        let used = Err(CommitError::Refused(Refusal::KeyUsed));
        assert_eq!(world.remembers(ana, "key", at).await, Ok(()));
        assert_eq!(world.remembers(bob, "key", at).await, Ok(()), "keys are per user");
        let just_before = Timestamp::from_millis(at.plus(minute).as_millis() - 1);
        assert_eq!(world.remembers(ana, "key", just_before).await, used);
        assert!(read(store.remembered(ana, "key", just_before).await).is_some());
        assert_eq!(read(store.remembered(ana, "key", at.plus(minute)).await), None);
        assert_eq!(world.remembers(ana, "key", at.plus(minute)).await, Ok(()));
        assert_eq!(world.remembers(ana, "key", at.plus(minute)).await, used);
    }
}

#[tokio::test]
async fn only_the_answer_replaces_the_note_that_something_was_begun() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (bob, at) = (world.user("bob").await, world.now());
        let answer = world.remembered(bob, "key", at.plus(SECOND * 2));
        let note = Remembered {
            is_final: false,
            answer: b"begun".to_vec(),
            expires_at: at.plus(SECOND),
            ..answer.clone()
        };
        let other = Remembered { fingerprint: [8; 16], ..answer.clone() };
        let remember = |remembered: &Remembered| {
            let write = Write::Remember(Box::new(remembered.clone()));
            store.commit(Commit::at(at).write(write))
        };
        let used = Err(CommitError::Refused(Refusal::KeyUsed));
        assert_eq!(remember(&note).await, Ok(()));
        assert_eq!(remember(&note).await, used);
        assert_eq!(remember(&other).await, used, "it answers another request");
        assert_eq!(remember(&answer).await, Ok(()));
        assert_eq!(remember(&answer).await, used, "once");
        assert_eq!(read(store.remembered(bob, "key", at.plus(SECOND)).await), Some(answer));
    }
}

#[tokio::test]
async fn an_account_must_be_at_the_version_a_commit_requires() {
    for store in stores().await {
        let world = World::new(store.clone());
        let bob = world.user("bob").await;
        let at = world.now();
        let requiring = |user, version| {
            store.commit(Commit::at(at).require(Precondition::UserAt { user, version }))
        };
        assert_eq!(requiring(bob, Version::FIRST).await, Ok(()));
        assert_eq!(world.change_email(bob, "rob@example.com").await, Ok(()));
        assert_eq!(requiring(bob, Version::FIRST).await, CONFLICT);
        assert_eq!(requiring(bob, Version::FIRST.next()).await, Ok(()));
        assert_eq!(requiring(UserId::from_u128(1), Version::FIRST).await, CONFLICT);
    }
}

#[tokio::test]
async fn a_ticket_must_be_at_the_version_a_commit_requires_also_while_it_is_held() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let ticket = world.lists(ana, "Rock", 100).await;
        let at = world.now();
        let requiring = |ticket, version| {
            store.commit(Commit::at(at).require(Precondition::TicketAt { ticket, version }))
        };
        let before = world.ticket(ticket).await.version;
        assert_eq!(requiring(ticket, before).await, Ok(()));
        world.locks(bob, ticket).await;
        let held = world.ticket(ticket).await.version;
        assert_ne!(held, before);
        assert_eq!(requiring(ticket, before).await, CONFLICT);
        assert_eq!(requiring(ticket, held).await, Ok(()));
        assert_eq!(requiring(TicketId::from_u128(1), before).await, CONFLICT);
    }
}

#[tokio::test]
async fn a_key_that_was_used_is_told_before_anything_else() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let ticket = world.lists(ana, "Rock", 100).await;
        let (_, commit) = world.locking(bob, ticket).await;
        let key = world.remembered(bob, "key", commit.at.plus(SECOND));
        let commit = commit.write(Write::Remember(Box::new(key)));
        assert_eq!(store.commit(commit.clone()).await, Ok(()));
        let used = Err(CommitError::Refused(Refusal::KeyUsed));
        assert_eq!(store.commit(commit).await, used, "although its versions are stale");
    }
}

#[tokio::test]
async fn sessions_begin_and_end() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let hour = Duration::from_secs(3600);
        let (first, second) = (world.session(ana, hour).await, world.session(ana, hour).await);
        let third = world.session(ana, Duration::ZERO).await;
        let bobs = world.session(bob, hour).await;
        let is_open = async |session: &Session| {
            read(store.session(session.user, session.id).await).as_ref() == Some(session)
        };
        assert!(is_open(&first).await && is_open(&third).await && is_open(&bobs).await);
        let fourth = world.session(ana, hour).await;
        assert!(!is_open(&third).await, "expired ones are tidied away");
        assert!(is_open(&first).await && is_open(&second).await, "and only those");
        let at = world.now();
        let end = Write::EndSession { user: ana, session: first.id };
        world.commit(Commit::at(at).write(end)).await;
        assert!(!is_open(&first).await);
        let end = Write::EndOtherSessions { user: ana, except: fourth.id };
        world.commit(Commit::at(at).write(end)).await;
        assert!(!is_open(&second).await);
        assert!(is_open(&fourth).await && is_open(&bobs).await);
        assert_eq!(read(store.sessions(ana).await), [fourth]);
        assert_eq!(read(store.sessions(bob).await), [bobs]);
    }
}

#[tokio::test]
async fn a_session_is_seen_while_it_is_open_and_no_sign_out_is_undone_by_it() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let session = world.session(ana, Duration::from_secs(3600)).await;
        let see = |before, at| {
            let write = Write::SeeSession { user: ana, session: session.id, before, at };
            store.commit(Commit::at(at).write(write))
        };
        let (at, later) = (world.now(), world.now());
        assert_eq!(see(session.created_at, at).await, Ok(()));
        assert_eq!(see(session.created_at, later).await, CONFLICT, "another was faster");
        assert_eq!(see(at, later).await, Ok(()));
        let seen = Session { last_seen_at: later, ..session.clone() };
        assert_eq!(read(store.sessions(ana).await), [seen]);
        let end = Write::EndSession { user: ana, session: session.id };
        world.commit(Commit::at(later).write(end)).await;
        assert_eq!(see(later, world.now()).await, CONFLICT);
        assert_eq!(read(store.session(ana, session.id).await), None);
    }
}

#[tokio::test]
async fn an_intent_belongs_to_one_charge() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let intent = IntentId("pi_1".to_owned());
        let charge = |id| Charge {
            id: ChargeId::from_u128(id),
            order: OrderId::from_u128(1),
            buyer: bob,
            amount: usd(100),
            token: PaymentToken::parse("tok_visa").expect("a token"),
            account: None,
            phase: ChargePhase::Created { intent: intent.clone() },
            refund: None,
            dispute: None,
            is_owed_back: false,
            version: Version::FIRST,
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(1),
        };
        let write = |charge: Charge| {
            let told = Event::ChargeCreated(charge.view());
            store.commit(Commit::at(charge.updated_at).write(Write::Charge(charge)).event(told))
        };
        let first = charge(world.id());
        assert_eq!(write(first.clone()).await, Ok(()));
        assert_eq!(write(charge(world.id())).await, CONFLICT);
        let intent = IntentId("pi_2".to_owned());
        let phase = ChargePhase::Completed { intent: intent.clone() };
        let moved = Charge { phase, version: first.version.next(), ..first };
        assert_eq!(write(moved.clone()).await, Ok(()));
        assert_eq!(read(store.charge_by_intent(&intent).await), Some(moved));
        let old = IntentId("pi_1".to_owned());
        assert_eq!(read(store.charge_by_intent(&old).await), None);
        let _ = ana;
    }
}
