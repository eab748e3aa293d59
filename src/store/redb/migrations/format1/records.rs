//! The records of format 1 as serde and postcard know them. The order of fields and of variants is what
//! their bytes are.

use std::fmt::Debug;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answers;
use crate::bugs::{Bug, planted};
use crate::domain::{self, CancelReason, Email, FailureCode, IntentId, Title, Version};
use crate::store::{ReadError, records};

/// The version of every record.
const VERSION: u8 = 1;

/// Reads a record. The table and the key are named if it is damaged.
pub fn decode<T: DeserializeOwned>(
    table: &str,
    key: impl Debug,
    row: &[u8],
) -> Result<T, ReadError> {
    let corrupt =
        |why: &dyn ToString| ReadError::Corrupt(format!("{table} {key:?}: {}", why.to_string()));
    let Some((&VERSION, body)) = row.split_first() else {
        return Err(corrupt(&"it is no record of format 1"));
    };
    match postcard::take_from_bytes(body) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(corrupt(&format!("{} bytes too many", rest.len()))),
        Err(error) => Err(corrupt(&error)),
    }
}

/// The events of a row of the log.
pub fn run(first: u64, row: &[u8]) -> Result<Vec<Entry>, ReadError> {
    let corrupt = |why: String| ReadError::Corrupt(format!("events {first}: {why}"));
    let Some((&VERSION, mut rest)) = row.split_first() else {
        return Err(corrupt("it is no row of format 1".to_owned()));
    };
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (entry, after) =
            postcard::take_from_bytes(rest).map_err(|error| corrupt(error.to_string()))?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

#[derive(Deserialize)]
pub struct Price {
    minor: u64,
    code: [u8; 3],
    decimals: u8,
}

impl Price {
    fn into_domain(self) -> Result<domain::Price, ReadError> {
        let currency = std::str::from_utf8(&self.code).ok();
        let currency = currency.and_then(|code| code.parse::<domain::Currency>().ok());
        let currency = currency.filter(|known| known.decimals() == u32::from(self.decimals));
        let price = currency.and_then(|c| domain::Price::from_minor(self.minor, c).ok());
        let Self { minor, code, .. } = self;
        price.ok_or_else(|| ReadError::Corrupt(format!("{minor} of {code:?} is no price")))
    }
}

#[derive(Deserialize)]
pub struct User {
    pub id: u128,
    email: String,
    password_hash: String,
    version: u64,
    created_at: i64,
}

impl User {
    pub fn into_domain(self) -> domain::User {
        domain::User {
            id: domain::UserId::from_u128(self.id),
            email: Email::accepted_before(&self.email),
            is_keyed_as_spelled: false,
            password_hash: self.password_hash,
            is_operator: false,
            version: Version::from_number(self.version),
            created_at: domain::Timestamp::from_millis(self.created_at),
            email_verified: false,
            totp: false,
        }
    }
}

#[derive(Deserialize)]
pub struct UserView {
    pub id: u128,
    /// The address, which is not kept.
    #[serde(rename = "email")]
    _email: String,
}

#[derive(Deserialize)]
pub struct Session {
    pub user: u128,
    pub id: u128,
    pub expires_at: i64,
}

#[derive(Deserialize)]
pub enum TicketRow {
    Listed(Ticket),
    Withdrawn { last: u64 },
}

impl TicketRow {
    pub fn into_domain(self) -> Result<records::TicketRow, ReadError> {
        Ok(match self {
            Self::Listed(ticket) => records::TicketRow::Listed(ticket.into_domain()?),
            Self::Withdrawn { last } => {
                records::TicketRow::Withdrawn { last: Version::from_number(last) }
            }
        })
    }
}

#[derive(Deserialize)]
pub struct Ticket {
    pub id: u128,
    seller: u128,
    title: String,
    price: Price,
    pub state: TicketState,
    version: u64,
    created_at: i64,
    updated_at: i64,
}

#[derive(Deserialize)]
pub enum TicketState {
    Available,
    Locked { order: u128, until: i64 },
    Sold { order: u128 },
}

impl Ticket {
    fn into_domain(self) -> Result<domain::Ticket, ReadError> {
        let order = domain::OrderId::from_u128;
        let updated_at = if planted(Bug::DroppedField) { self.created_at } else { self.updated_at };
        Ok(domain::Ticket {
            id: domain::TicketId::from_u128(self.id),
            seller: domain::UserId::from_u128(self.seller),
            title: Title::accepted_before(&self.title),
            price: self.price.into_domain()?,
            listing: None,
            state: match self.state {
                TicketState::Available => domain::TicketState::Available,
                TicketState::Locked { order: by, until } => domain::TicketState::Locked {
                    order: order(by),
                    until: domain::Timestamp::from_millis(until),
                },
                TicketState::Sold { order: by } => domain::TicketState::Sold { order: order(by) },
            },
            passes: None,
            version: Version::from_number(self.version),
            created_at: domain::Timestamp::from_millis(self.created_at),
            updated_at: domain::Timestamp::from_millis(updated_at),
        })
    }
}

#[derive(Deserialize)]
pub struct Order {
    pub id: u128,
    buyer: u128,
    ticket: u128,
    title: String,
    price: Price,
    expires_at: i64,
    state: OrderState,
    attempts: u32,
    charge: Option<u128>,
    version: u64,
    created_at: i64,
}

#[derive(Deserialize)]
enum OrderState {
    Created,
    AwaitingPayment,
    Completed,
    Cancelled(Reason),
}

#[derive(Deserialize)]
enum Reason {
    Buyer,
    Expired,
    PaymentFailed,
}

impl Order {
    pub fn into_domain(self) -> Result<domain::Order, ReadError> {
        use domain::OrderState as State;
        Ok(domain::Order {
            id: domain::OrderId::from_u128(self.id),
            buyer: domain::UserId::from_u128(self.buyer),
            ticket: domain::TicketId::from_u128(self.ticket),
            title: Title::accepted_before(&self.title),
            price: self.price.into_domain()?,
            lot: None,
            expires_at: domain::Timestamp::from_millis(self.expires_at),
            state: match self.state {
                OrderState::Created => State::Created,
                OrderState::AwaitingPayment => State::AwaitingPayment,
                OrderState::Completed => State::Completed,
                OrderState::Cancelled(Reason::Buyer) => State::Cancelled(CancelReason::Buyer),
                OrderState::Cancelled(Reason::Expired) => State::Cancelled(CancelReason::Expired),
                OrderState::Cancelled(Reason::PaymentFailed) => {
                    State::Cancelled(CancelReason::PaymentFailed)
                }
            },
            attempts: self.attempts,
            charge: self.charge.map(domain::ChargeId::from_u128),
            version: Version::from_number(self.version),
            created_at: domain::Timestamp::from_millis(self.created_at),
        })
    }
}

#[derive(Deserialize)]
pub struct Charge {
    pub id: u128,
    order: u128,
    buyer: u128,
    amount: Price,
    token: String,
    phase: Phase,
    version: u64,
    created_at: i64,
    updated_at: i64,
}

#[derive(Deserialize)]
enum Phase {
    Intent,
    Created { intent: String },
    Confirming { intent: String, client_secret: String },
    Capturing { intent: String },
    Voiding { intent: String, code: String },
    Refunding { intent: String },
    Completed { intent: String },
    Refunded { intent: String, refund: String },
    Failed { intent: Option<String>, code: String },
    Disputed { intent: String, status: Dispute },
}

#[derive(Clone, Copy, Deserialize)]
enum Dispute {
    Open,
    Won,
    Lost,
}

impl Dispute {
    fn into_domain(self) -> domain::DisputeStatus {
        match self {
            Self::Open => domain::DisputeStatus::Open,
            Self::Won => domain::DisputeStatus::Won,
            Self::Lost => domain::DisputeStatus::Lost,
        }
    }
}

fn refunded(id: String) -> domain::Refund {
    domain::Refund::told(domain::RefundId(id), domain::RefundStatus::Succeeded)
}

impl Phase {
    fn into_domain(self) -> domain::ChargePhase {
        use domain::ChargePhase as To;
        let (id, failure) = (IntentId, |code: String| FailureCode::from_gateway(&code));
        match self {
            Self::Intent => To::Intent,
            Self::Created { intent } => To::Created { intent: id(intent) },
            Self::Confirming { intent, client_secret } => To::Confirming {
                intent: id(intent),
                client_secret: domain::ClientSecret(client_secret),
            },
            Self::Capturing { intent } => To::Capturing { intent: id(intent) },
            Self::Voiding { intent, code } => {
                To::Voiding { intent: id(intent), code: failure(code) }
            }
            Self::Refunding { intent } => To::Refunding { intent: id(intent) },
            Self::Completed { intent } => To::Completed { intent: id(intent) },
            Self::Refunded { intent, refund: _ } => To::Refunded { intent: id(intent) },
            Self::Failed { intent, code } => {
                To::Failed { intent: intent.map(id), code: failure(code) }
            }
            // The bank has paid the buyer back, for a sale or before we could.
            Self::Disputed { intent, status: Dispute::Lost } => To::Refunded { intent: id(intent) },
            Self::Disputed { intent, status: Dispute::Open | Dispute::Won } => {
                To::Completed { intent: id(intent) }
            }
        }
    }

    /// A refund of format 1 counted as done once it was accepted.
    fn refund(&self) -> Option<domain::Refund> {
        let Self::Refunded { refund, .. } = self else { return None };
        Some(refunded(refund.clone()))
    }

    fn dispute(&self) -> Option<domain::DisputeStatus> {
        let Self::Disputed { status, .. } = self else { return None };
        Some(status.into_domain())
    }
}

impl Charge {
    pub fn into_domain(self) -> Result<domain::Charge, ReadError> {
        let id = domain::ChargeId::from_u128(self.id);
        let token = domain::PaymentToken::parse(&self.token);
        Ok(domain::Charge {
            id,
            order: domain::OrderId::from_u128(self.order),
            buyer: domain::UserId::from_u128(self.buyer),
            amount: self.amount.into_domain()?,
            token: token.ok_or_else(|| ReadError::Corrupt(format!("charges {id}: its token")))?,
            account: None,
            refund: self.phase.refund(),
            dispute: self.phase.dispute(),
            is_owed_back: false,
            phase: self.phase.into_domain(),
            version: Version::from_number(self.version),
            created_at: domain::Timestamp::from_millis(self.created_at),
            updated_at: domain::Timestamp::from_millis(self.updated_at),
        })
    }
}

#[derive(Deserialize)]
pub struct ChargeView {
    id: u128,
    order: u128,
    buyer: u128,
    status: Status,
    amount: Price,
    intent: Option<String>,
    refund: Option<String>,
    failure_code: Option<String>,
    created_at: i64,
    dispute: Option<Dispute>,
}

#[derive(Deserialize)]
enum Status {
    Created,
    Failed,
    Completed,
}

impl ChargeView {
    fn into_domain(self) -> Result<domain::ChargeView, ReadError> {
        Ok(domain::ChargeView {
            id: domain::ChargeId::from_u128(self.id),
            order: domain::OrderId::from_u128(self.order),
            buyer: domain::UserId::from_u128(self.buyer),
            status: match self.status {
                Status::Created => domain::ChargeStatus::Created,
                Status::Failed => domain::ChargeStatus::Failed,
                Status::Completed => domain::ChargeStatus::Completed,
            },
            amount: self.amount.into_domain()?,
            intent: self.intent.map(IntentId),
            refund: self.refund.map(refunded),
            failure_code: self.failure_code.map(|code| FailureCode::from_gateway(&code)),
            created_at: domain::Timestamp::from_millis(self.created_at),
            dispute: self.dispute.map(Dispute::into_domain),
        })
    }
}

#[derive(Deserialize)]
pub struct OrderView {
    order: Order,
    charge: Option<ChargeView>,
}

impl OrderView {
    fn into_domain(self) -> Result<domain::OrderView, ReadError> {
        let charge = self.charge.map(ChargeView::into_domain).transpose()?;
        Ok(domain::OrderView { order: self.order.into_domain()?, charge })
    }
}

#[derive(Deserialize)]
pub struct Remembered {
    pub user: u128,
    pub key: String,
    fingerprint: [u8; 16],
    expires_at: i64,
    answer: Answer,
}

#[derive(Deserialize)]
enum Answer {
    TicketCreated(Ticket),
    OrderCreated(OrderView),
    ChargeBegun(u128),
    Verbatim { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
}

impl Remembered {
    pub fn into_domain(self) -> Result<domain::Remembered, ReadError> {
        let is_final = !matches!(self.answer, Answer::ChargeBegun(_));
        Ok(domain::Remembered {
            user: domain::UserId::from_u128(self.user),
            key: self.key,
            fingerprint: self.fingerprint,
            expires_at: domain::Timestamp::from_millis(self.expires_at),
            is_final,
            answer: match self.answer {
                Answer::TicketCreated(ticket) => answers::ticket_created(&ticket.into_domain()?),
                Answer::OrderCreated(view) => answers::order_created(&view.into_domain()?),
                Answer::ChargeBegun(id) => answers::charge_begun(domain::ChargeId::from_u128(id)),
                Answer::Verbatim { status, headers, body } => {
                    answers::verbatim(status, &headers, &body)
                }
            },
        })
    }
}

#[derive(Deserialize)]
pub struct Entry {
    pub at: i64,
    pub event: Event,
}

#[derive(Deserialize)]
pub enum Event {
    UserCreated(UserView),
    UserUpdated(UserView),
    TicketCreated(Ticket),
    TicketUpdated(Ticket),
    TicketDeleted(Ticket),
    OrderCreated(OrderView),
    OrderAwaitingPayment(OrderView),
    OrderCompleted(OrderView),
    OrderCancelled(OrderView),
    OrderExpired(OrderView),
    ChargeCreated(ChargeView),
    ChargeCompleted(ChargeView),
    ChargeFailed(ChargeView),
    ChargeRefunded(ChargeView),
    ChargeDisputed(ChargeView),
}

impl Event {
    /// The event, with the version that an account has by then.
    pub fn into_domain(
        self,
        version: impl FnOnce(&UserView, bool) -> Version,
    ) -> Result<domain::Event, ReadError> {
        use domain::Event as To;
        let told = |user: UserView, is_new| {
            let version = version(&user, is_new);
            let id = domain::UserId::from_u128(user.id);
            domain::UserEvent { id, email_verified: false, is_operator: false, version }
        };
        Ok(match self {
            Self::UserCreated(user) => To::UserCreated(told(user, true)),
            Self::UserUpdated(user) => To::UserUpdated(told(user, false)),
            Self::TicketCreated(ticket) => To::TicketCreated(ticket.into_domain()?),
            Self::TicketUpdated(ticket) => To::TicketUpdated(ticket.into_domain()?),
            Self::TicketDeleted(ticket) => To::TicketDeleted(ticket.into_domain()?),
            Self::OrderCreated(view) => To::OrderCreated(view.into_domain()?),
            Self::OrderAwaitingPayment(view) => To::OrderAwaitingPayment(view.into_domain()?),
            Self::OrderCompleted(view) => To::OrderCompleted(view.into_domain()?),
            Self::OrderCancelled(view) => To::OrderCancelled(view.into_domain()?),
            Self::OrderExpired(view) => To::OrderExpired(view.into_domain()?),
            Self::ChargeCreated(view) => To::ChargeCreated(view.into_domain()?),
            Self::ChargeCompleted(view) => To::ChargeCompleted(view.into_domain()?),
            Self::ChargeFailed(view) => To::ChargeFailed(view.into_domain()?),
            Self::ChargeRefunded(view) => To::ChargeRefunded(view.into_domain()?),
            Self::ChargeDisputed(view) => To::ChargeDisputed(view.into_domain()?),
        })
    }
}

#[derive(Deserialize)]
pub struct Commit {
    pub at: i64,
    pub writes: Vec<Write>,
    #[serde(rename = "requires")]
    _requires: Vec<Precondition>,
    pub events: Vec<Event>,
}

#[derive(Deserialize)]
pub enum Write {
    User(User),
    Ticket(Ticket),
    WithdrawTicket { id: u128, last: u64 },
    Order(Order),
    Charge(Charge),
    OpenSession(Session),
    EndSession { user: u128, session: u128 },
    EndOtherSessions { user: u128, except: u128 },
    Remember(Box<Remembered>),
}

/// What held when the commit was accepted, which is read to get past it.
#[derive(Deserialize)]
enum Precondition {
    OpenOrdersBelow {
        #[serde(rename = "user")]
        _user: u128,
        #[serde(rename = "limit")]
        _limit: u32,
    },
    UserAt {
        #[serde(rename = "user")]
        _user: u128,
        #[serde(rename = "version")]
        _version: u64,
    },
}
