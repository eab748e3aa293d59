//! The bytes of every record, as this and every later release must read them.
//!
//! `golden.txt` has a row of each kind in each of its forms. A test that fails here means that files of
//! earlier releases would be misread. Lines are added to the file and never changed: a record that
//! changes has a new version, and the rows of the old one are read on.

use std::fmt::{Debug, Write as _};

use minicbor::Encoder;

use crate::domain::{
    Account, Allotment, ApiToken, CancelReason, Cancellation, Category, Charge, ChargeId,
    ChargePhase, ClientName, ClientSecret, ClosedReason, Commit, Cover, Currency, Cursor,
    DisputeStatus, Duty, Email, Event, FailureCode, Follower, Imported, IntentId, Kept as _, Label,
    Lease, Line, Link, LinkHash, LinkId, LinkPurpose, Listing, Mail, MailId, Node, NodeId, Notes,
    Notice, Operator, Order, OrderId, OrderState, OrderView, Part, PartState, Pass, PassId,
    PassKind, PassMark, PaymentToken, Picture, RecoveryHash, Refund, RefundId, RefundStatus,
    Remembered, SalesEnd, SealedSecret, SeatFees, SeatPass, SeatSet, SecondFactor, Session,
    SessionId, Show, ShowBrief, ShowFacts, ShowId, ShowOrder, ShowState, ShowTicket, ShowView,
    Site, Split, Ticket, TicketId, TicketPasses, TicketState, Timestamp, TokenHash, TokenId,
    TokenName, TotpStep, User, UserId, Venue, VenueBrief, VenueFacts, VenueId, Version, Write,
    ZoneName,
};
use crate::store::ReadError;
use crate::store::contract::Table;
use crate::store::records::commit::{BatchBytes, Written, read_batch};
use crate::store::records::envelope::{Kind, Record, RowKey, decode, encode, seal};
use crate::store::records::event::{RUN, append_event, read_run};
use crate::store::records::session::SessionRow;
use crate::store::records::state::{
    Batch, Round, SeatsOnSale, holding, holding_row, ids_row, names,
};
use crate::store::records::{TicketRow, remembered as keys};
use crate::store::resources::{KeptAs, registry};
use crate::store::search::blocks::{block, posting, postings};
use crate::store::search::tombstones::ids_of_note;
use crate::store::testing::{a_title, usd};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

const GOLDEN: &str = include_str!("golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes it");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// The bytes that are kept under a name. Every test takes its own.
fn golden(name: &str) -> Vec<u8> {
    let found = GOLDEN.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    unhex(found.unwrap_or_else(|| panic!("golden.txt has no {name}")))
}

/// What is written is what is kept.
fn hold_bytes(name: &str, written: &[u8]) {
    assert_eq!(format!("{name} {}", hex(written)), format!("{name} {}", hex(&golden(name))));
}

/// The record has the bytes of that name, and the bytes are this record.
fn hold<T: Record + PartialEq + Debug>(name: &str, key: impl RowKey, record: &T) {
    hold_bytes(name, &encode(key, record).expect("bytes"));
    assert_eq!(&decode::<T>(key, &golden(name)).expect("a record"), record, "{name}");
}

fn operator() -> User {
    user().with_operator(true).expect("no operator's")
}

fn user() -> User {
    let email = Email::parse("Ana@Example.com").expect("an address");
    User::new(UserId::from_u128(1), email, "$argon2id$".to_owned(), AT)
}

fn ticket(state: TicketState) -> Ticket {
    let ticket =
        Ticket::list(TicketId::from_u128(2), UserId::from_u128(1), a_title("Café"), usd(1999), AT);
    Ticket { state, ..ticket }
}

fn order(state: OrderState) -> Order {
    let ticket = ticket(TicketState::Available);
    let order = Order::new(OrderId::from_u128(3), UserId::from_u128(4), &ticket, AT.plus(HOLD), AT);
    Order { attempts: 1, charge: Some(ChargeId::from_u128(5)), ..order.moved(state) }
}

const HOLD: std::time::Duration = std::time::Duration::from_secs(900);

fn charge(phase: ChargePhase) -> Charge {
    Charge {
        id: ChargeId::from_u128(5),
        order: OrderId::from_u128(3),
        buyer: UserId::from_u128(4),
        amount: usd(1999),
        token: PaymentToken::parse("tok_visa").expect("a token"),
        account: None,
        phase,
        refund: None,
        dispute: None,
        is_owed_back: false,
        version: Version::FIRST.next(),
        created_at: AT,
        updated_at: AT,
    }
}

fn remembered(is_final: bool) -> Remembered {
    Remembered {
        user: UserId::from_u128(4),
        key: "key".to_owned(),
        fingerprint: [7; 16],
        expires_at: AT,
        is_final,
        answer: b"bytes".to_vec(),
    }
}

#[test]
fn accounts_keep_their_bytes() {
    hold("user", 1_u128, &user());
    hold("user-operator", 1_u128, &operator());
    hold("user-keyed-as-spelled", 1_u128, &User { is_keyed_as_spelled: true, ..user() });
    let user = User { email_verified: true, totp: true, ..user() };
    hold("user-verified-with-totp", 1_u128, &user);
    let mut run = Vec::new();
    append_event(&mut run, AT, &Event::UserUpdated(user.told())).expect("bytes");
    hold_bytes("event-of-verified", &seal(RUN, 7_u64, &run));
    let read = read_run(7, &golden("event-of-verified")).expect("a row");
    assert_eq!(read[0].event, Event::UserUpdated(user.told()));
}

#[test]
fn sessions_keep_their_bytes() {
    let end_alone = SessionRow { expires_at: AT.as_millis(), began_and_seen: None, client: None };
    hold("session", (1_u128, 5_u128), &end_alone);
    hold("session-of-a-client", (1_u128, 5_u128), &SessionRow::from(&session()));
}

fn session() -> Session {
    Session {
        client: Some(ClientName::accepted_before("curl/8.11.0")),
        created_at: AT,
        last_seen_at: AT.plus(HOLD),
        ..Session::ending(UserId::from_u128(1), SessionId::from_u128(5), AT.plus(2 * HOLD))
    }
}

#[test]
fn tickets_keep_their_bytes() {
    let order = OrderId::from_u128(3);
    let row = |state| TicketRow::Listed(ticket(state));
    hold("ticket-available", 2_u128, &row(TicketState::Available));
    hold("ticket-sold", 2_u128, &row(TicketState::Sold { order }));
    hold("ticket-withdrawn", 2_u128, &TicketRow::Withdrawn { last: Version::FIRST.next() });
    hold("ticket-locked", 2_u128, &ticket(TicketState::Locked { order, until: AT }));
    let read = decode::<TicketRow>(2_u128, &golden("ticket-locked"));
    assert!(matches!(read, Err(ReadError::Corrupt(_))), "a lock stands nowhere but in its order");
}

fn several() -> Listing {
    let label = |text: &str| Label::accepted_before(text);
    Listing {
        section: Some(label("Block A")),
        row: Some(label("7")),
        seats: Some(vec![label("11"), label("12"), label("13")]),
        quantity: 3,
        split: Split::Any,
        face_value: Some(usd(2_000)),
        notes: Some(Notes::accepted_before("Aisle")),
        show: None,
    }
}

fn ticket_of_several() -> Ticket {
    let places = |bits| SeatSet::from_bits(bits).expect("seats");
    let held = PartState::Held { until: AT };
    let parts = vec![
        Part { order: OrderId::from_u128(3), seats: places(0b10), state: held },
        Part { order: OrderId::from_u128(4), seats: places(0b100), state: PartState::Sold },
    ];
    let closed = Some(ClosedReason::Withdrawn);
    let state = TicketState::Several(Allotment { parts, closed });
    Ticket { state, ..ticket(TicketState::Available).described(several()) }
}

#[test]
fn tickets_of_several_seats_keep_their_bytes() {
    hold("ticket-several", 2_u128, &TicketRow::Listed(ticket_of_several()));
}

#[test]
fn tickets_of_which_more_is_said_keep_their_bytes() {
    let one = Listing { seats: None, quantity: 1, split: Split::None, ..several() };
    let described = ticket(TicketState::Available).described(one);
    hold("ticket-described", 2_u128, &TicketRow::Listed(described));
}

fn ticket_of_show() -> Ticket {
    let venue = VenueBrief {
        id: VenueId::from_u128(11),
        name: Line::accepted_before("Waldbühne"),
        city: Line::accepted_before("Berlin"),
        country: "DE".parse().expect("a country"),
        time_zone: ZoneName::accepted_before("Europe/Berlin"),
    };
    let show = ShowBrief {
        id: ShowId::from_u128(12),
        name: Line::accepted_before("Rigoletto"),
        performers: Vec::new(),
        starts_at: AT.plus(HOLD),
        state: ShowState::Scheduled,
        cover: None,
        venue,
    };
    let listing = Listing { show: Some(std::sync::Arc::new(show)), ..several() };
    ticket(TicketState::Available).described(listing)
}

#[test]
fn tickets_and_orders_of_shows_keep_their_bytes() {
    let listed = ticket_of_show();
    hold("ticket-of-show", 2_u128, &TicketRow::Listed(listed.clone()));
    let (id, buyer) = (OrderId::from_u128(3), UserId::from_u128(4));
    let order = Order::new(id, buyer, &listed, AT.plus(HOLD), AT);
    hold("order-of-show", 3_u128, &order);
    let performers = vec![Line::accepted_before("Staatskapelle")];
    let show = ShowBrief { performers, ..listed.show().expect("a show").clone() };
    let performed = listed.shown_with(std::sync::Arc::new(show));
    hold("ticket-of-performers", 2_u128, &TicketRow::Listed(performed));
    hold("seats-on-sale", 12_u128, &SeatsOnSale(7));
    let place = ShowTicket {
        ticket: listed.id,
        show: ShowId::from_u128(12),
        seller: listed.seller,
        is_guest: true,
        section: several().section,
        row: several().row,
        seats: several().seats.expect("names"),
        version: Version::FIRST,
    };
    let key = registry::key(&ShowTicket::any_id(place.ticket)).id;
    hold("show-ticket", key.as_slice(), &place);
    for (name, reason) in [
        ("ticket-show-over", ClosedReason::ShowOver),
        ("ticket-show-cancelled", ClosedReason::ShowCancelled),
    ] {
        hold(name, 2_u128, &TicketRow::Listed(ticket_of_show().closed_with(reason)));
    }
    let end = SalesEnd {
        show: ShowId::from_u128(12),
        due: Some(AT),
        cancellation: Some(Cancellation {
            by: UserId::from_u128(4),
            reason: Notes::parse("Rain.").expect("a reason"),
            at: AT,
        }),
        version: Version::FIRST,
    };
    let key = registry::key(&SalesEnd::any_id(end.show)).id;
    hold("sales-end", key.as_slice(), &end.done());
    hold("sales-end-cancelled", key.as_slice(), &end);
    let place = ShowOrder { order: id, show: place.show, buyer, seats: 3, version: Version::FIRST };
    let key = registry::key(&ShowOrder::any_id(id)).id;
    hold("show-order", key.as_slice(), &place);
}

#[test]
fn orders_of_several_seats_keep_their_bytes() {
    let (id, buyer) = (OrderId::from_u128(3), UserId::from_u128(4));
    let order = Order::new(id, buyer, &ticket_of_several(), AT.plus(HOLD), AT);
    let order = order.at_fees(SeatFees { buyer_minor: 250, seller_minor: 100 });
    hold("order-several", 3_u128, &order);
}

#[test]
fn orders_keep_their_bytes() {
    let hold = |name, state| hold(name, 3_u128, &order(state));
    hold("order-created", OrderState::Created);
    hold("order-awaiting-payment", OrderState::AwaitingPayment);
    hold("order-completed", OrderState::Completed);
    hold("order-cancelled", OrderState::Cancelled(CancelReason::Buyer));
    hold("order-expired", OrderState::Cancelled(CancelReason::Expired));
    hold("order-payment-failed", OrderState::Cancelled(CancelReason::PaymentFailed));
    hold("order-show-cancelled", OrderState::Cancelled(CancelReason::ShowCancelled));
}

#[test]
fn charges_keep_their_bytes() {
    let intent = || IntentId("pi_1".to_owned());
    let code = || FailureCode::from_gateway("card_declined");
    let client_secret = ClientSecret("secret".to_owned());
    let hold_charge = |name, charge: &Charge| hold(name, 5_u128, charge);
    let hold = |name, phase| hold_charge(name, &charge(phase));
    hold("charge-intent", ChargePhase::Intent);
    hold("charge-created", ChargePhase::Created { intent: intent() });
    hold("charge-confirming", ChargePhase::Confirming { intent: intent(), client_secret });
    hold("charge-capturing", ChargePhase::Capturing { intent: intent() });
    hold("charge-voiding", ChargePhase::Voiding { intent: intent(), code: code() });
    hold("charge-refunding", ChargePhase::Refunding { intent: intent() });
    let owed_back = charge(ChargePhase::Refunding { intent: intent() });
    hold_charge("charge-owed-back", &Charge { is_owed_back: true, ..owed_back });
    hold("charge-completed", ChargePhase::Completed { intent: intent() });
    hold("charge-failed", ChargePhase::Failed { intent: Some(intent()), code: code() });
    hold("charge-failed-early", ChargePhase::Failed { intent: None, code: code() });
    let sold = charge(ChargePhase::Completed { intent: intent() });
    for (name, status) in [
        ("charge-disputed", DisputeStatus::Open),
        ("charge-won", DisputeStatus::Won),
        ("charge-lost", DisputeStatus::Lost),
    ] {
        hold_charge(name, &Charge { dispute: Some(status), ..sold.clone() });
    }
    for (name, status) in [
        ("charge-refund-pending", RefundStatus::Pending),
        ("charge-refund-failed", RefundStatus::Failed),
        ("charge-refund-closed", RefundStatus::Closed),
    ] {
        let refund = Refund::told(RefundId("re_1".to_owned()), status);
        hold_charge(name, &Charge { refund: Some(refund), ..sold.clone() });
    }
    let refunded = charge(ChargePhase::Refunded { intent: intent() });
    let refund = Refund { id: None, status: RefundStatus::Succeeded };
    hold_charge("charge-refunded", &Charge { refund: Some(refund), ..refunded });
    for (name, account) in [
        ("charge-of-sandbox", Account::Sandbox),
        ("charge-of-stripe-test", Account::StripeTest),
        ("charge-of-stripe-live", Account::StripeLive),
    ] {
        hold_charge(name, &sold.clone().begun_with(account));
    }
}

#[test]
fn answers_keep_their_bytes() {
    for (name, is_final) in [("answer-final", true), ("answer-begun", false)] {
        let remembered = remembered(is_final);
        hold(name, keys::key(&remembered), &remembered);
    }
}

fn events() -> Vec<Event> {
    let ticket = || ticket(TicketState::Available);
    let failed = ChargePhase::Failed { intent: None, code: FailureCode::order_expired() };
    let charge = || charge(failed.clone()).view();
    let view = || OrderView { order: order(OrderState::Created), charge: None };
    vec![
        Event::UserCreated(user().told()),
        Event::UserUpdated(user().told()),
        Event::UserVerified(User { email_verified: true, ..user() }.told()),
        Event::RoleGranted(operator().told()),
        Event::RoleRevoked(user().told()),
        Event::TotpEnabled(user().told()),
        Event::TotpDisabled(user().told()),
        Event::TokenCreated(token().told()),
        Event::PassAdded(pass().told()),
        Event::PassRemoved(pass().told()),
        Event::TokenRevoked(token().told()),
        Event::TicketCreated(ticket()),
        Event::TicketUpdated(ticket()),
        Event::TicketDeleted(ticket()),
        Event::OrderCreated(view()),
        Event::OrderAwaitingPayment(OrderView { charge: Some(charge()), ..view() }),
        Event::OrderCompleted(view()),
        Event::OrderCancelled(view()),
        Event::OrderExpired(view()),
        Event::ChargeCreated(charge()),
        Event::ChargeCompleted(charge()),
        Event::ChargeFailed(charge()),
        Event::ChargeRefunded(charge()),
        Event::ChargeDisputed(charge()),
        Event::ChargeUpdated(charge()),
        Event::RefundRequested(charge()),
        Event::TicketClosed(ticket_of_several()),
        Event::VenueCreated(Box::new(venue())),
        Event::VenueUpdated(Box::new(venue())),
        Event::VenueDeleted(Box::new(venue())),
        Event::ShowCreated(Box::new(show())),
        Event::ShowUpdated(Box::new(show())),
        Event::ShowPostponed(Box::new(show())),
        Event::ShowCancelled(Box::new(show())),
        Event::ShowOver(Box::new(show())),
        Event::ShowDeleted(Box::new(show())),
    ]
}

#[test]
fn events_keep_their_bytes() {
    for event in events() {
        let mut run = Vec::new();
        append_event(&mut run, AT, &event).expect("bytes");
        let name = format!("event-{}", event.name());
        hold_bytes(&name, &seal(RUN, 7_u64, &run));
        let read = read_run(7, &golden(&name)).expect("a row");
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].seq, read[0].at, &read[0].event), (7, AT, &event));
    }
}

#[test]
fn no_event_has_an_address() {
    for event in events() {
        let mut run = Vec::new();
        append_event(&mut run, AT, &event).expect("bytes");
        assert!(!run.contains(&b'@'), "{}", event.name());
    }
}

#[test]
fn what_concerns_the_file_keeps_its_bytes() {
    hold("batch", names::BATCH, &Batch(1000));
    let currency: Currency = "usd".parse().expect("a currency");
    hold("currency", names::CURRENCY, &currency);
    let round = Round { through: 7, next: ("rock".to_owned(), 9), has_swept: true };
    hold("round", names::ROUND, &round);
    hold_bytes("holding", &holding_row((5, 6), 7, 8));
    assert_eq!(holding((5, 6), &golden("holding")), Ok((7, 8)));
    hold_bytes("note", &ids_row(4_u64, &[1, 2]));
    assert_eq!(ids_of_note(4, &golden("note")), Ok(vec![1, 2]));
    let block_of_two = [posting(1, 2), posting(3, 4)];
    hold_bytes("block", &block(("rock", 1), &block_of_two));
    assert_eq!(postings(("rock", 1), &golden("block")), Ok(&block_of_two[..]));
}

/// The journal of a store that was killed is read by every later release.
#[test]
fn commits_keep_their_bytes_in_the_journal() {
    let ticket = ticket(TicketState::Available);
    let session = session();
    let (user_id, except) = (session.user, session.id);
    let (before, seen) = (AT, AT.plus(HOLD));
    let (order, charge) = (order(OrderState::Created), charge(ChargePhase::Intent));
    let remembered = remembered(true);
    let event = Event::TicketDeleted(ticket.clone());
    let rows = [
        encode(1_u128, &user()).expect("bytes"),
        encode(2_u128, &ticket).expect("bytes"),
        encode(3_u128, &order).expect("bytes"),
        encode(5_u128, &charge).expect("bytes"),
        encode(keys::key(&remembered), &remembered).expect("bytes"),
    ];
    let written = [
        Written::User(&rows[0]),
        Written::Ticket(&rows[1]),
        Written::Withdrawn(ticket.id, Version::FIRST),
        Written::Order(&rows[2]),
        Written::Charge(&rows[3]),
        Written::OpenSession(&session),
        Written::SeeSession(user_id, session.id, before, seen),
        Written::EndSession(user_id, session.id),
        Written::EndOtherSessions(user_id, except),
        Written::Remember(&rows[4]),
    ];
    let mut run = Vec::new();
    append_event(&mut run, AT, &event).expect("bytes");
    let mut batch = BatchBytes::default();
    for _ in 0..2 {
        let events = std::iter::once(run.as_slice());
        batch.push(AT, written.iter().copied(), events).expect("bytes");
    }
    hold_bytes("commits-2", batch.as_slice());
    let see = Write::SeeSession { user: user_id, session: session.id, before, at: seen };
    let commit = written_commit(session, Some(see));
    assert_eq!(read_batch(&golden("commits-2")), Ok(vec![commit.clone(), commit]));
    // As it was when a session was known by its end alone.
    let ending = Session::ending(user_id, except, AT);
    let commit = written_commit(ending, None);
    assert_eq!(read_batch(&golden("commits")), Ok(vec![commit.clone(), commit]));
}

fn written_commit(session: Session, see: Option<Write>) -> Commit {
    let ticket = ticket(TicketState::Available);
    let (user_id, except) = (session.user, session.id);
    Commit::at(AT)
        .write(Write::User(user()))
        .write(Write::Ticket(ticket.clone()))
        .write(Write::WithdrawTicket { id: ticket.id, last: Version::FIRST })
        .write(Write::Order(order(OrderState::Created)))
        .write(Write::Charge(charge(ChargePhase::Intent)))
        .write(Write::OpenSession(session))
        .write_if(see)
        .write(Write::EndSession { user: user_id, session: except })
        .write(Write::EndOtherSessions { user: user_id, except })
        .write(Write::Remember(Box::new(remembered(true))))
        .event(Event::TicketDeleted(ticket))
}

fn venue() -> Venue {
    let facts = VenueFacts {
        name: Line::accepted_before("Arena"),
        city: Line::accepted_before("Berlin"),
        region: Some(Line::accepted_before("Berlin")),
        country: "DE".parse().expect("a country"),
        time_zone: ZoneName::accepted_before("Europe/Berlin"),
        address: Some(Line::accepted_before("Am Tor 1")),
        sections: vec![Label::accepted_before("A"), Label::accepted_before("B")],
        imported: None,
    };
    Venue::add(VenueId::from_u128(8), UserId::from_u128(1), facts, AT)
}

fn show() -> ShowView {
    let venue = venue();
    let facts = ShowFacts {
        name: Line::accepted_before("Rigoletto"),
        category: Category::Theatre,
        performers: vec![Line::accepted_before("Ana")],
        site: Site::from(&venue),
        starts_at: AT,
        ends_at: AT.plus(HOLD),
        external_id: Some(Line::accepted_before("abc")),
        imported: None,
    };
    let show = Show::add(ShowId::from_u128(9), UserId::from_u128(2), facts, AT);
    ShowView { show: Show { moved_at: Some(AT), state: ShowState::Over, ..show }, venue }
}

#[test]
fn covers_and_what_tells_of_them_keep_their_bytes() {
    let picture = Picture(b"\xff\xd8\xff".as_slice().into());
    let version = Version::from_number(3);
    hold("cover", 9_u128, &Cover { show: ShowId::from_u128(9), picture, version });
    let illustrated = Show { cover: Some(version), ..show().show };
    hold("show-with-cover", 9_u128, &illustrated);
    let listed = ticket_of_show();
    let brief = listed.show().expect("it has one").clone();
    let brief = ShowBrief { cover: Some(version), ..brief };
    let listed = listed.shown_with(std::sync::Arc::new(brief));
    hold("ticket-of-show-with-cover", 2_u128, &TicketRow::Listed(listed));
}

#[test]
fn venues_keep_their_bytes() {
    hold("venue", 8_u128, &venue());
    assert_eq!(registry::key(&Venue::any_id(venue().id)).id, 8_u128.to_be_bytes());
}

/// What an import wrote beside it.
fn imported(key: &str) -> Box<Imported> {
    Box::new(Imported { key: Line::accepted_before(key), line: 0x0123_4567_89ab_cdef })
}

#[test]
fn imported_venues_keep_their_bytes() {
    let mut venue = venue();
    venue.facts.imported = Some(imported("at:1"));
    hold("venue-imported", 8_u128, &venue);
}

#[test]
fn imported_shows_keep_their_bytes() {
    let mut show = show().show;
    show.facts.imported = Some(imported("id:abc"));
    hold("show-imported", 9_u128, &show);
}

#[test]
fn shows_keep_their_bytes() {
    hold("show", 9_u128, &show().show);
    assert_eq!(registry::key(&Show::any_id(show().show.id)).id, 9_u128.to_be_bytes());
}

#[test]
fn resources_keep_their_bytes() {
    let cursor = Cursor { version: Version::from_number(3), ..Cursor::after(Follower::Mail, 1000) };
    hold("cursor", b"mail\0".as_slice(), &cursor);
    assert_eq!(registry::key(&Cursor::any_id(Follower::Mail)).id, b"mail\0");
    let operator = Operator { user: UserId::from_u128(1), since: AT };
    hold("operator", 1_u128, &operator);
    assert_eq!(registry::key(&Operator::any_id(operator.user)).id, 1_u128.to_be_bytes());
    let node = Node { version: Version::from_number(4), ..Node::new(NodeId::from_u128(7)) };
    hold("node", 7_u128, &node);
    let lease =
        Lease { version: Version::from_number(5), ..Lease::taken(None, Duty::Outside, node.id) };
    hold("lease", b"outside\0".as_slice(), &lease);
    assert_eq!(registry::key(&Lease::any_id(Duty::Outside)).id, b"outside\0");
    let id = MailId { notice: Notice::AddressLeft, about: 1, number: 2 };
    let mail = Mail::due(id, UserId::from_u128(1), AT);
    let key = registry::key(&Mail::any_id(id)).id;
    assert_eq!(hex(&key), format!("03{:032x}{:016x}", 1, 2));
    hold("mail-waiting", key.as_slice(), &mail);
    hold("mail-with-link", key.as_slice(), &mail.clone().with_link(SealedSecret(vec![7; 3])));
    let address = Email::parse("Ana@Example.com").expect("an address");
    hold("mail-failed", key.as_slice(), &mail.to_address(address).refused("550"));
}

#[test]
fn links_keep_their_bytes() {
    let id = LinkId { user: UserId::from_u128(1), purpose: LinkPurpose::Reset };
    let link = Link::sent(None, id, LinkHash([9; 32]), AT);
    let key = registry::key(&Link::any_id(id)).id;
    assert_eq!(hex(&key), format!("{:032x}02", 1));
    hold("link", key.as_slice(), &link);
    hold("link-used", key.as_slice(), &link.used(&LinkHash([9; 32]), AT).expect("a good one"));
}

fn pass() -> Pass {
    Pass {
        id: PassId::from_u128(13),
        ticket: TicketId::from_u128(2),
        seller: UserId::from_u128(1),
        seat: Some(Line::accepted_before("12")),
        kind: PassKind::Pdf,
        mark: PassMark([7; 32]),
        generation: 1,
        wrapped_key: b"wrapped".to_vec(),
        created_at: AT,
        version: Version::FIRST,
    }
}

#[test]
fn passes_keep_their_bytes() {
    let (id, ticket) = (pass().id, pass().ticket);
    let key = registry::key(&Pass::any_id(id)).id;
    for kind in PassKind::ALL {
        hold(&format!("pass-{}", kind.name()), key.as_slice(), &Pass { kind, ..pass() });
    }
    hold("pass-unnumbered", key.as_slice(), &Pass { seat: None, ..pass() });
    let order = Some(OrderId::from_u128(3));
    let seats = vec![
        SeatPass { pass: id, seat: Some(7), order },
        SeatPass { pass: id, seat: None, order: None },
    ];
    let passes = TicketPasses { ticket, seats, version: Version::FIRST };
    let key = registry::key(&TicketPasses::any_id(ticket)).id;
    hold("passes-of-ticket", key.as_slice(), &passes);
}

fn token() -> ApiToken {
    let (id, user) = (TokenId::from_u128(6), UserId::from_u128(1));
    let (name, hash) = (TokenName::accepted_before("box office"), TokenHash([9; 32]));
    ApiToken::new(id, user, name, hash, AT)
}

#[test]
fn tokens_and_second_factors_keep_their_bytes() {
    let key = registry::key(&ApiToken::any_id(token().id)).id;
    hold("token", key.as_slice(), &token());
    hold("token-used", key.as_slice(), &token().used(AT.plus(HOLD)).expect("a change"));
    let (user, secret) = (UserId::from_u128(1), SealedSecret(b"sealed".to_vec()));
    let pending = SecondFactor::offer(None, user, secret.clone()).expect("none before");
    let codes = vec![RecoveryHash([1; 32]), RecoveryHash([2; 32])];
    let on = pending.confirmed(&secret, TotpStep(7), codes).expect("its secret");
    let key = registry::key(&SecondFactor::any_id(user)).id;
    hold("second-factor-pending", key.as_slice(), &pending);
    hold("second-factor-on", key.as_slice(), &on);
}

/// The same of resources that are kept alike, whatever they are.
#[test]
fn commits_of_resources_keep_their_bytes_in_the_journal() {
    let cursor = Cursor::after(Follower::Mail, 1000);
    let row = encode(b"mail\0".as_slice(), &cursor).expect("bytes");
    let table = <Cursor as KeptAs>::TABLE;
    let written = [Written::Put(table, &row), Written::Delete(table, &row)];
    let mut batch = BatchBytes::default();
    batch.push(AT, written.into_iter(), std::iter::empty()).expect("bytes");
    hold_bytes("commits-of-resources", batch.as_slice());
    let commit = Commit::at(AT).put(cursor).delete(cursor);
    assert_eq!(read_batch(&golden("commits-of-resources")), Ok(vec![commit]));
    let unknown = [Written::Put(Table(77), &row)];
    let mut batch = BatchBytes::default();
    batch.push(AT, unknown.into_iter(), std::iter::empty()).expect("bytes");
    assert!(read_batch(batch.as_slice()).is_err(), "a later release wrote it");
}

const SESSIONS: Kind = <SessionRow as Record>::KIND;

/// A session with a field that this release does not know.
#[test]
fn fields_that_are_not_known_are_skipped() {
    let mut body = Vec::new();
    let mut fields = Encoder::new(&mut body);
    fields.array(6).expect("bytes").i64(AT.as_millis()).expect("bytes");
    for _ in 1..4 {
        fields.null().expect("bytes");
    }
    fields.map(1).expect("bytes").str("device").expect("bytes").str("phone").expect("bytes");
    fields.null().expect("bytes");
    let row = seal(SESSIONS, (1_u128, 5_u128), &body);
    let read = decode::<SessionRow>((1_u128, 5_u128), &row);
    let end_alone = SessionRow { expires_at: AT.as_millis(), began_and_seen: None, client: None };
    assert_eq!(read, Ok(end_alone));
}

/// A charge as it was before it had a dispute, and one without what it must have.
#[test]
fn fields_that_are_missing_have_their_defaults_or_are_missed() {
    let view = charge(ChargePhase::Intent).view();
    let mut run = Vec::new();
    append_event(&mut run, AT, &Event::ChargeCreated(view.clone())).expect("bytes");
    // The nine fields of a release that knows of no disputes. One that is told to be absent is the same.
    let start = run.iter().rposition(|byte| *byte == 0x89).expect("an array of nine");
    let mut absent = run.clone();
    absent[start] = 0x8a;
    absent.push(0xf6);
    for run in [run, absent] {
        let read = read_run(7, &seal(RUN, 7_u64, &run)).expect("a row");
        assert_eq!(read[0].event, Event::ChargeCreated(view.clone()));
    }
    let told = decode::<SessionRow>((1_u128, 5_u128), &seal(SESSIONS, (1_u128, 5_u128), &[0x80]));
    assert!(matches!(told, Err(ReadError::Corrupt(why)) if why.contains("missing")));
}

#[test]
fn damage_is_told_with_its_table_and_key() {
    let sound = encode(7_u128, &user()).expect("bytes");
    let told = |bytes: &[u8]| decode::<User>(7_u128, bytes).expect_err("damage").to_string();
    for cut in 0..sound.len() {
        assert!(told(&sound[..cut]).contains("users 7"), "{cut}");
    }
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut damaged = sound.clone();
            damaged[at] ^= 1 << bit;
            assert!(told(&damaged).contains("users 7"), "{at}");
        }
    }
    let kind = <User as Record>::KIND;
    let later = seal(Kind { version: 2, ..kind }, 7_u128, &sound[5..]);
    assert!(told(&later).contains("version 2"), "{}", told(&later));
    let longer = seal(kind, 7_u128, &[&sound[5..], &[0]].concat());
    assert!(told(&longer).contains("bytes too many"), "{}", told(&longer));
}

#[test]
fn a_row_under_another_key_or_of_another_kind_is_damage() {
    let row = encode(7_u128, &user()).expect("bytes");
    assert!(decode::<User>(8_u128, &row).is_err());
    let (user, tag) = (<User as Record>::KIND, 99);
    let other = seal(Kind { tag, ..user }, 7_u128, &row[5..]);
    assert!(decode::<User>(7_u128, &other).is_err());
}

/// A checksum can be right by chance, and a later release may write what this one does not expect.
#[test]
fn no_record_makes_reading_panic() {
    let row = encode(2_u128, &TicketRow::Listed(ticket(TicketState::Available))).expect("bytes");
    let kind = <TicketRow as Record>::KIND;
    for at in 5..row.len() {
        for value in 0..=255 {
            let mut body = row[5..].to_vec();
            body[at - 5] = value;
            if let Ok(TicketRow::Listed(ticket)) = decode(2_u128, &seal(kind, 2_u128, &body)) {
                drop(format!("{ticket:?} {}", ticket.price));
            }
        }
    }
}

/// The test above has teeth: it finds a checksum that nobody looks at.
#[cfg(feature = "deliberate-bugs")]
#[test]
fn a_checksum_that_is_not_looked_at_is_missed() {
    use crate::bugs::{Bug, plant};
    let mut damaged = encode(7_u128, &user()).expect("bytes");
    *damaged.last_mut().expect("a byte") ^= 1;
    assert!(decode::<User>(7_u128, &damaged).is_err());
    plant(Some(Bug::UncheckedSum));
    let read = decode::<User>(7_u128, &damaged);
    plant(None);
    assert!(read.is_ok());
}
