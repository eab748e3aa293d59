//! The bytes of every record, as this and every later release must read them.
//!
//! A test that fails here means that files of earlier releases would be misread. Do not change
//! the bytes: give the record a new version, and keep reading the old one.

use std::fmt::Debug;
use std::fmt::Write as _;

use crate::domain::{
    Answer, CancelReason, Charge, ChargeId, ChargePhase, ClientSecret, Commit, Email, Event,
    FailureCode, IntentId, Order, OrderId, OrderState, OrderView, PaymentToken, Precondition,
    RefundId, Remembered, Session, SessionId, Ticket, TicketId, TicketState, Timestamp, User,
    UserId, Version, Write,
};
use crate::store::ReadError;
use crate::store::records::codec::{self, Record, TicketRow, TicketRowRef};
use crate::store::redb::log::{Appender, EncodedEvents, decode_row};
use crate::store::testing::{a_title, usd};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

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

/// The record has these bytes, and the bytes are this record.
fn hold<T: Record + PartialEq + Debug>(record: &T, golden: &str) {
    assert_eq!(hex(&codec::encode(record).expect("bytes")), golden, "{record:?}");
    assert_eq!(&codec::decode::<T>("table", 0, &unhex(golden)).expect("a record"), record);
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
        phase,
        version: Version::FIRST.next(),
        created_at: AT,
        updated_at: AT,
    }
}

fn remembered(answer: Answer) -> Remembered {
    let key = "key".to_owned();
    Remembered { user: UserId::from_u128(4), key, fingerprint: [7; 16], expires_at: AT, answer }
}

#[test]
fn accounts_keep_their_bytes() {
    hold(&user(), "01010f416e61404578616d706c652e636f6d0a246172676f6e326964240080a0abfef962");
}

#[test]
fn tickets_keep_their_bytes() {
    let order = OrderId::from_u128(3);
    let row = |state| TicketRow::Listed(ticket(state));
    hold(
        &row(TicketState::Available),
        "0100020105436166c3a9cf0f75736402000080a0abfef96280a0abfef962",
    );
    hold(
        &row(TicketState::Sold { order }),
        "0100020105436166c3a9cf0f7573640202030080a0abfef96280a0abfef962",
    );
    hold(&TicketRow::Withdrawn { last: Version::FIRST.next() }, "010101");
    let locked = codec::encode(&row(TicketState::Locked { order, until: AT })).expect("bytes");
    let read = codec::decode::<TicketRow>("tickets", 2, &locked);
    assert!(matches!(read, Err(ReadError::Corrupt(_))), "a lock stands nowhere but in its order");
    let borrowed = ticket(TicketState::Available);
    assert_eq!(
        codec::encode(&TicketRowRef::Listed(&borrowed)),
        codec::encode(&TicketRow::Listed(borrowed.clone())),
    );
    assert_eq!(
        codec::encode(&TicketRowRef::Withdrawn { last: Version::FIRST }),
        codec::encode(&TicketRow::Withdrawn { last: Version::FIRST }),
    );
}

/// The journal of a store that was not stopped cleanly is read by the same release again, and by
/// those whose format is the same.
#[test]
fn commits_keep_their_bytes_in_the_journal() {
    let ticket = ticket(TicketState::Available);
    let session = Session { user: UserId::from_u128(1), id: SessionId(5), expires_at: AT };
    let (user_id, except) = (session.user, session.id);
    let order = Order::new(OrderId::from_u128(3), UserId::from_u128(4), &ticket, AT, AT);
    let commit = Commit::at(AT)
        .write(Write::User(user()))
        .write(Write::Ticket(ticket.clone()))
        .write(Write::WithdrawTicket { id: ticket.id, last: Version::FIRST })
        .write(Write::Order(order))
        .write(Write::OpenSession(session))
        .write(Write::EndSession { user: user_id, session: session.id })
        .write(Write::EndOtherSessions { user: user_id, except })
        .write(Write::Remember(Box::new(remembered(Answer::TicketCreated(ticket.clone())))))
        .require(Precondition::OpenOrdersBelow { user: user_id, limit: 10 })
        .require(Precondition::UserAt { user: user_id, version: Version::FIRST })
        .event(Event::TicketDeleted(ticket));
    let bytes = postcard::to_allocvec(&[&commit][..]).expect("bytes");
    assert_eq!(
        hex(&bytes),
        concat!(
            "0180a0abfef9620800010f416e61404578616d706c652e636f6d0a246172676f6e326964240080a0abfe",
            "f96201020105436166c3a9cf0f75736402000080a0abfef96280a0abfef9620202000303040205436166",
            "c3a9cf0f7573640280a0abfef9620000000080a0abfef96205010580a0abfef962060105070105080403",
            "6b65790707070707070707070707070707070780a0abfef96200020105436166c3a9cf0f757364020000",
            "80a0abfef96280a0abfef9620200010a0101000104020105436166c3a9cf0f75736402000080a0abfef9",
            "6280a0abfef962",
        )
    );
    assert_eq!(postcard::from_bytes::<Vec<Commit>>(&bytes).expect("commits"), [commit]);
}

#[test]
fn orders_keep_their_bytes() {
    hold(
        &order(OrderState::Created),
        "0103040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef962",
    );
    hold(
        &order(OrderState::AwaitingPayment),
        "0103040205436166c3a9cf0f75736402c08e99fff962010101050180a0abfef962",
    );
    hold(
        &order(OrderState::Completed),
        "0103040205436166c3a9cf0f75736402c08e99fff962020101050180a0abfef962",
    );
    hold(
        &order(OrderState::Cancelled(CancelReason::Buyer)),
        "0103040205436166c3a9cf0f75736402c08e99fff96203000101050180a0abfef962",
    );
    hold(
        &order(OrderState::Cancelled(CancelReason::Expired)),
        "0103040205436166c3a9cf0f75736402c08e99fff96203010101050180a0abfef962",
    );
    hold(
        &order(OrderState::Cancelled(CancelReason::PaymentFailed)),
        "0103040205436166c3a9cf0f75736402c08e99fff96203020101050180a0abfef962",
    );
}

#[test]
fn charges_keep_their_bytes() {
    let intent = IntentId("pi_1".to_owned());
    let code = FailureCode::from_gateway("card_declined");
    let client_secret = ClientSecret("secret".to_owned());
    let refund = RefundId("re_1".to_owned());
    let hold = |phase, golden| hold(&charge(phase), golden);
    hold(ChargePhase::Intent, "01050304cf0f7573640208746f6b5f76697361000180a0abfef96280a0abfef962");
    hold(
        ChargePhase::Created { intent: intent.clone() },
        "01050304cf0f7573640208746f6b5f76697361010470695f310180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Confirming { intent: intent.clone(), client_secret },
        "01050304cf0f7573640208746f6b5f76697361020470695f31067365637265740180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Capturing { intent: intent.clone() },
        "01050304cf0f7573640208746f6b5f76697361030470695f310180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Voiding { intent: intent.clone(), code: code.clone() },
        "01050304cf0f7573640208746f6b5f76697361040470695f310d636172645f6465636c696e65640180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Refunding { intent: intent.clone() },
        "01050304cf0f7573640208746f6b5f76697361050470695f310180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Completed { intent: intent.clone() },
        "01050304cf0f7573640208746f6b5f76697361060470695f310180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Refunded { intent: intent.clone(), refund },
        "01050304cf0f7573640208746f6b5f76697361070470695f310472655f310180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Failed { intent: Some(intent), code: code.clone() },
        "01050304cf0f7573640208746f6b5f7669736108010470695f310d636172645f6465636c696e65640180a0abfef96280a0abfef962",
    );
    hold(
        ChargePhase::Failed { intent: None, code },
        "01050304cf0f7573640208746f6b5f7669736108000d636172645f6465636c696e65640180a0abfef96280a0abfef962",
    );
}

#[test]
fn answers_keep_their_bytes() {
    let view = OrderView { order: order(OrderState::Created), charge: None };
    let headers = vec![("location".to_owned(), "/x".to_owned())];
    let hold = |answer, golden| hold(&remembered(answer), golden);
    hold(
        Answer::TicketCreated(ticket(TicketState::Available)),
        "0104036b65790707070707070707070707070707070780a0abfef96200020105436166c3a9cf0f75736402000080a0abfef96280a0abfef962",
    );
    hold(
        Answer::OrderCreated(view),
        "0104036b65790707070707070707070707070707070780a0abfef9620103040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef96200",
    );
    hold(
        Answer::ChargeBegun(ChargeId::from_u128(5)),
        "0104036b65790707070707070707070707070707070780a0abfef9620205",
    );
    hold(
        Answer::Verbatim { status: 201, headers, body: b"{}".to_vec() },
        "0104036b65790707070707070707070707070707070780a0abfef96203c90101086c6f636174696f6e022f78027b7d",
    );
}

#[test]
fn events_keep_their_bytes() {
    let ticket = || ticket(TicketState::Available);
    let failed = ChargePhase::Failed { intent: None, code: FailureCode::order_expired() };
    let charge = || charge(failed.clone()).view();
    let view = || OrderView { order: order(OrderState::Created), charge: None };
    let charged = OrderView { charge: Some(charge()), ..view() };
    let events: Vec<(Event, &str)> = vec![
        (Event::UserCreated(user().view()), "0180a0abfef96200010f416e61404578616d706c652e636f6d"),
        (Event::UserUpdated(user().view()), "0180a0abfef96201010f416e61404578616d706c652e636f6d"),
        (
            Event::TicketCreated(ticket()),
            "0180a0abfef96202020105436166c3a9cf0f75736402000080a0abfef96280a0abfef962",
        ),
        (
            Event::TicketUpdated(ticket()),
            "0180a0abfef96203020105436166c3a9cf0f75736402000080a0abfef96280a0abfef962",
        ),
        (
            Event::TicketDeleted(ticket()),
            "0180a0abfef96204020105436166c3a9cf0f75736402000080a0abfef96280a0abfef962",
        ),
        (
            Event::OrderCreated(view()),
            "0180a0abfef9620503040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef96200",
        ),
        (
            Event::OrderAwaitingPayment(charged),
            "0180a0abfef9620603040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef9620105030401cf0f757364020000010d6f726465725f6578706972656480a0abfef96200",
        ),
        (
            Event::OrderCompleted(view()),
            "0180a0abfef9620703040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef96200",
        ),
        (
            Event::OrderCancelled(view()),
            "0180a0abfef9620803040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef96200",
        ),
        (
            Event::OrderExpired(view()),
            "0180a0abfef9620903040205436166c3a9cf0f75736402c08e99fff962000101050180a0abfef96200",
        ),
        (
            Event::ChargeCreated(charge()),
            "0180a0abfef9620a05030401cf0f757364020000010d6f726465725f6578706972656480a0abfef96200",
        ),
        (
            Event::ChargeCompleted(charge()),
            "0180a0abfef9620b05030401cf0f757364020000010d6f726465725f6578706972656480a0abfef96200",
        ),
        (
            Event::ChargeFailed(charge()),
            "0180a0abfef9620c05030401cf0f757364020000010d6f726465725f6578706972656480a0abfef96200",
        ),
        (
            Event::ChargeRefunded(charge()),
            "0180a0abfef9620d05030401cf0f757364020000010d6f726465725f6578706972656480a0abfef96200",
        ),
        (
            Event::ChargeDisputed(charge()),
            "0180a0abfef9620e05030401cf0f757364020000010d6f726465725f6578706972656480a0abfef96200",
        ),
    ];
    for (event, golden) in events {
        let mut log = Appender::after(6);
        log.push(EncodedEvents::new(AT, std::slice::from_ref(&event)).expect("bytes"));
        let rows = log.rows();
        assert_eq!(hex(&rows[0].1), golden, "{}", event.name());
        let read = decode_row(7, &unhex(golden)).expect("a row");
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].seq, read[0].at, &read[0].event), (7, AT, &event));
    }
}

#[test]
fn damage_is_told_with_its_table_and_key() {
    let sound = codec::encode(&user()).expect("bytes");
    let told =
        |bytes: &[u8]| codec::decode::<User>("users", 7, bytes).expect_err("damage").to_string();
    for cut in 0..sound.len() {
        assert!(told(&sound[..cut]).contains("users 7"), "{cut}");
    }
    let later = [&[2], &sound[1..]].concat();
    assert!(told(&later).contains("version 2"), "{}", told(&later));
    let longer = [&sound[..], &[0]].concat();
    assert!(told(&longer).contains("bytes too many"), "{}", told(&longer));
}

#[test]
fn no_damage_makes_a_record_that_panics() {
    let row = codec::encode(&TicketRow::Listed(ticket(TicketState::Available))).expect("bytes");
    for at in 0..row.len() {
        for value in 0..=255 {
            let mut damaged = row.clone();
            damaged[at] = value;
            if let Ok(TicketRow::Listed(ticket)) = codec::decode("tickets", 2, &damaged) {
                drop(format!("{ticket:?} {}", ticket.price));
            }
        }
    }
}

#[test]
fn rows_of_events_stay_small_and_lose_none() {
    let mut log = Appender::after(0);
    for _ in 0..100 {
        let event = Event::TicketCreated(ticket(TicketState::Available));
        log.push(EncodedEvents::new(AT, &[event.clone(), event]).expect("bytes"));
    }
    assert_eq!(log.last_seq(), 200);
    let mut next = 1;
    for (first_seq, row) in log.rows() {
        assert!(row.len() <= 4096, "{}", row.len());
        assert_eq!(*first_seq, next);
        next += decode_row(*first_seq, row).expect("events").len() as u64;
    }
    assert_eq!(next, 201);
    assert!(log.rows().len() < 10, "{}", log.rows().len());
}
