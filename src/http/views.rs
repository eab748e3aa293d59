//! How things look to clients: the JSON of every resource, in one place.
//!
//! Handlers, events and remembered answers all go through here, so a resource looks the same
//! wherever it appears.

mod parts;
pub mod shows;

use serde::Serialize;
use utoipa::ToSchema;

pub use self::parts::{MajorUnits, Text};
use self::shows::ShowBriefJson;
use crate::domain::{
    CancelReason, Charge, ChargeId, ChargeStatus, ChargeView, ClosedReason, Currency,
    DisputeStatus, Line, OrderId, OrderState, OrderStatus, OrderView, PassesThere, RefundStatus,
    ShowId, Split, Terms, Ticket, TicketId, TicketStatus, Timestamp, User, UserId, UserView,
};

/// An account, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserJson {
    /// Names the account.
    #[schema(example = "user_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: String,
    /// The address as it was entered.
    #[schema(example = "ana@example.com")]
    pub email: String,
}

impl From<UserView> for UserJson {
    fn from(user: UserView) -> Self {
        Self { id: user.id.to_string(), email: user.email.as_str().to_owned() }
    }
}

/// The account of whoever is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Account)]
pub struct AccountJson {
    /// Names the account.
    #[schema(example = "user_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: String,
    /// The address as it was entered.
    #[schema(example = "ana@example.com")]
    pub email: String,
    /// Whether the address is known to be its owner's.
    pub email_verified: bool,
    /// What it may do beside buying and selling.
    pub roles: &'static [RoleJson],
    /// Whether signing in takes a second factor.
    pub totp: bool,
}

impl From<&User> for AccountJson {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            roles: roles(user.is_operator),
            totp: user.totp,
        }
    }
}

/// What an account may do beside buying and selling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Role)]
pub enum RoleJson {
    /// Look after the market.
    Operator,
}

/// The roles of an account.
pub fn roles(is_operator: bool) -> &'static [RoleJson] {
    if is_operator { &[RoleJson::Operator] } else { &[] }
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CurrentUser)]
pub struct CurrentUserJson {
    /// The signed-in account; null if nobody is signed in.
    #[schema(required)]
    pub current_user: Option<AccountJson>,
}

/// Whether a ticket can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TicketStatus)]
pub enum TicketStatusJson {
    /// Anyone but the seller may lock it.
    Available,
    /// An order holds it.
    Locked,
    /// It is its buyer's.
    Sold,
    /// It sells no more.
    Closed,
}

impl From<TicketStatus> for TicketStatusJson {
    fn from(status: TicketStatus) -> Self {
        match status {
            TicketStatus::Available => Self::Available,
            TicketStatus::Locked => Self::Locked,
            TicketStatus::Sold => Self::Sold,
            TicketStatus::Closed => Self::Closed,
        }
    }
}

impl TicketStatusJson {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Locked => "Locked",
            Self::Sold => "Sold",
            Self::Closed => "Closed",
        }
    }
}

/// How a ticket of several seats may be divided among buyers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Split)]
pub enum SplitJson {
    /// Any quantity.
    Any,
    /// Any quantity that does not leave a single seat.
    AvoidOne,
    /// Even quantities.
    Pairs,
    /// Only all seats that lie together.
    None,
}

impl From<Split> for SplitJson {
    fn from(split: Split) -> Self {
        match split {
            Split::Any => Self::Any,
            Split::AvoidOne => Self::AvoidOne,
            Split::Pairs => Self::Pairs,
            Split::None => Self::None,
        }
    }
}

/// Why a ticket sells no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ClosedReason)]
pub enum ClosedReasonJson {
    /// Its seller has withdrawn what was left.
    Withdrawn,
    /// Its show has started.
    ShowOver,
    /// Its show was cancelled.
    ShowCancelled,
}

impl From<ClosedReason> for ClosedReasonJson {
    fn from(reason: ClosedReason) -> Self {
        match reason {
            ClosedReason::Withdrawn => Self::Withdrawn,
            ClosedReason::ShowOver => Self::ShowOver,
            ClosedReason::ShowCancelled => Self::ShowCancelled,
        }
    }
}

/// How many of a ticket's seats have a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PassesThere)]
pub enum PassesJson {
    /// None.
    None,
    /// Some, and not all.
    Some,
    /// All.
    All,
}

impl From<PassesThere> for PassesJson {
    fn from(passes: PassesThere) -> Self {
        match passes {
            PassesThere::None => Self::None,
            PassesThere::Some => Self::Some,
            PassesThere::All => Self::All,
        }
    }
}

impl PassesJson {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Some => "some",
            Self::All => "all",
        }
    }
}

/// The texts of labels, if there are any.
fn texts<const MAX: usize>(labels: Option<&Vec<Line<MAX>>>) -> Option<Vec<&str>> {
    labels.map(|labels| labels.iter().map(Line::as_str).collect())
}

/// A ticket for sale. Most are written by [`super::ticket_json`], which does the same faster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticket)]
pub struct TicketJson<'t> {
    /// Names the ticket.
    #[schema(value_type = String, example = "ticket_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: Text<TicketId>,
    /// What it is for.
    #[schema(example = "Rock Concert", min_length = 1, max_length = 200)]
    pub title: &'t str,
    /// What it costs, in major units.
    #[schema(value_type = f64, example = 25.5, exclusive_minimum = 0)]
    pub price: MajorUnits,
    /// The currency of the price.
    #[schema(value_type = String, example = "usd")]
    pub currency: Text<Currency>,
    /// Who sells it.
    #[schema(value_type = String)]
    pub user_id: Text<UserId>,
    /// The order that holds or bought it; null while it is available.
    #[schema(value_type = Option<String>, required)]
    pub order_id: Option<Text<OrderId>>,
    /// Whether it can be bought.
    pub status: TicketStatusJson,
    /// Rises by one with every change.
    #[schema(minimum = 0)]
    pub version: u64,
    /// When it was listed.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Text<Timestamp>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Text<Timestamp>,
    /// The section, as it is printed on the ticket; null if that is not said.
    #[schema(required, max_length = 40)]
    pub section: Option<&'t str>,
    /// The row, as it is printed on the ticket; null if that is not said.
    #[schema(required, max_length = 40)]
    pub row: Option<&'t str>,
    /// The name of each seat, in the order in which they lie; null if they are not numbered.
    #[schema(required)]
    pub seats: Option<Vec<&'t str>>,
    /// How many seats there are.
    #[schema(minimum = 1, maximum = 50)]
    pub quantity: u32,
    /// How many seats nobody holds.
    #[schema(minimum = 0, maximum = 50)]
    pub available: u32,
    /// How they may be divided among buyers.
    pub split: SplitJson,
    /// The quantities that can be ordered now, ascending.
    pub buyable: Vec<u32>,
    /// What each seat cost where it was first sold, in major units; null if that is not said.
    #[schema(value_type = Option<f64>, required)]
    pub face_value: Option<MajorUnits>,
    /// What else the seller says; null if nothing.
    #[schema(required, max_length = 500)]
    pub notes: Option<&'t str>,
    /// What a buyer pays on top of the price of each seat, in major units.
    #[schema(value_type = f64, example = 2.55, minimum = 0)]
    pub fee: MajorUnits,
    /// What a buyer pays for each seat, in major units.
    #[schema(value_type = f64, example = 28.05, exclusive_minimum = 0)]
    pub total: MajorUnits,
    /// Why it sells no more; null while it does.
    #[schema(required)]
    pub closed_reason: Option<ClosedReasonJson>,
    /// The show that it admits to; null for one that only has a title.
    #[schema(value_type = Option<String>, required)]
    pub show_id: Option<Text<ShowId>>,
    /// The same in brief; in an event as it was when the ticket was written.
    #[schema(required)]
    pub show: Option<ShowBriefJson<'t>>,
    /// How many of its seats have a pass; null in an event of one that was listed before, which does not say.
    #[schema(required)]
    pub passes: Option<PassesJson>,
}

impl<'t> TicketJson<'t> {
    /// A ticket with what the market adds to it.
    pub fn new(ticket: &'t Ticket, terms: &Terms) -> Self {
        let (listing, currency) = (ticket.listing(), ticket.price.currency());
        let fee = ticket.fees(terms).buyer_minor;
        Self {
            id: Text(ticket.id),
            title: ticket.title.as_str(),
            price: ticket.price.into(),
            currency: Text(ticket.price.currency()),
            user_id: Text(ticket.seller),
            order_id: ticket.order().map(Text),
            status: ticket.status().into(),
            version: ticket.version.number(),
            created_at: Text(ticket.created_at),
            updated_at: Text(ticket.updated_at),
            section: listing.section.as_ref().map(Line::as_str),
            row: listing.row.as_ref().map(Line::as_str),
            seats: texts(listing.seats.as_ref()),
            quantity: listing.quantity,
            available: ticket.free().len(),
            split: listing.split.into(),
            buyable: ticket.offer(terms.most_seats).buyable(),
            face_value: listing.face_value.map(Into::into),
            notes: listing.notes.as_ref().map(Line::as_str),
            fee: MajorUnits::of(fee, currency),
            total: ticket.price.total(fee, 1).into(),
            closed_reason: ticket.closed().map(Into::into),
            show_id: ticket.show().map(|show| Text(show.id)),
            show: ticket.show().map(Into::into),
            passes: ticket.passes.map(Into::into),
        }
    }
}

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrderStatus)]
pub enum OrderStatusJson {
    /// The ticket is locked; nothing was tried yet.
    Created,
    /// A payment was tried.
    AwaitingPayment,
    /// Paid.
    Completed,
    /// Over without a sale.
    Cancelled,
}

impl OrderStatusJson {
    /// Reads a status as clients write it.
    pub fn parse(text: &str) -> Option<OrderStatus> {
        match text {
            "Created" => Some(OrderStatus::Created),
            "AwaitingPayment" => Some(OrderStatus::AwaitingPayment),
            "Completed" => Some(OrderStatus::Completed),
            "Cancelled" => Some(OrderStatus::Cancelled),
            _ => None,
        }
    }
}

/// Why an order ended without a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CancelReason)]
pub enum CancelReasonJson {
    /// Its buyer cancelled it.
    Buyer,
    /// Its time ran out.
    Expired,
    /// The last allowed payment failed.
    PaymentFailed,
    /// The show that it was for does not take place.
    ShowCancelled,
}

/// What an order is for, as it was when the order was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrderedTicket)]
pub struct OrderedTicketJson<'o> {
    /// Names the ticket.
    #[schema(value_type = String)]
    pub id: Text<TicketId>,
    /// What it is for.
    pub title: &'o str,
    /// What a seat costs without fees, in major units.
    #[schema(value_type = f64, example = 25.5)]
    pub price: MajorUnits,
    /// The section; null if that was not said.
    #[schema(required)]
    pub section: Option<&'o str>,
    /// The row; null if that was not said.
    #[schema(required)]
    pub row: Option<&'o str>,
    /// What else the seller said; null if nothing.
    #[schema(required)]
    pub notes: Option<&'o str>,
    /// The show that it admits to; null for one that only has a title.
    #[schema(required)]
    pub show: Option<ShowBriefJson<'o>>,
}

/// A buyer's hold on a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Order)]
pub struct OrderJson<'o> {
    /// Names the order.
    #[schema(value_type = String, example = "order_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: Text<OrderId>,
    /// Who buys.
    #[schema(value_type = String)]
    pub user_id: Text<UserId>,
    /// How it stands.
    pub status: OrderStatusJson,
    /// When its time runs out. Nothing ever moves it.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Text<Timestamp>,
    /// What is bought.
    #[schema(value_type = String)]
    pub ticket_id: Text<TicketId>,
    /// What is bought, as it was when the order was made.
    pub ticket: OrderedTicketJson<'o>,
    /// What a seat costs without fees, in major units, as it was when the order was made.
    #[schema(value_type = f64, example = 25.5)]
    pub price: MajorUnits,
    /// How many seats it is for.
    #[schema(minimum = 1, maximum = 50)]
    pub quantity: u32,
    /// Their names; null if they are not numbered.
    #[schema(required)]
    pub seats: Option<Vec<&'o str>>,
    /// What is added to the price of all seats, in major units.
    #[schema(value_type = f64, example = 2.55, minimum = 0)]
    pub fee: MajorUnits,
    /// What all seats cost with fees, in major units: the amount of a charge.
    #[schema(value_type = f64, example = 28.05)]
    pub total: MajorUnits,
    /// The currency of the price.
    #[schema(value_type = String)]
    pub currency: Text<Currency>,
    /// Why it was cancelled; null unless it was.
    #[schema(required)]
    pub cancel_reason: Option<CancelReasonJson>,
    /// The latest payment; null if none was tried.
    #[schema(required)]
    pub charge: Option<ChargeJson<'o>>,
    /// Rises by one with every change.
    #[schema(minimum = 0)]
    pub version: u64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Text<Timestamp>,
}

impl<'o> From<&'o OrderView> for OrderJson<'o> {
    fn from(view: &'o OrderView) -> Self {
        let order = &view.order;
        let (status, cancel_reason) = match order.state {
            OrderState::Created => (OrderStatusJson::Created, None),
            OrderState::AwaitingPayment => (OrderStatusJson::AwaitingPayment, None),
            OrderState::Completed => (OrderStatusJson::Completed, None),
            OrderState::Cancelled(reason) => {
                let reason = match reason {
                    CancelReason::Buyer => CancelReasonJson::Buyer,
                    CancelReason::Expired => CancelReasonJson::Expired,
                    CancelReason::PaymentFailed => CancelReasonJson::PaymentFailed,
                    CancelReason::ShowCancelled => CancelReasonJson::ShowCancelled,
                };
                (OrderStatusJson::Cancelled, Some(reason))
            }
        };
        let (price, lot) = (order.price.into(), order.lot.as_deref());
        let fee = order.fees().buyer_minor.saturating_mul(order.quantity().into());
        Self {
            id: Text(order.id),
            user_id: Text(order.buyer),
            status,
            expires_at: Text(order.expires_at),
            ticket_id: Text(order.ticket),
            ticket: OrderedTicketJson {
                id: Text(order.ticket),
                title: order.title.as_str(),
                price,
                section: lot.and_then(|lot| lot.section.as_ref()).map(Line::as_str),
                row: lot.and_then(|lot| lot.row.as_ref()).map(Line::as_str),
                notes: lot.and_then(|lot| lot.notes.as_ref()).map(Line::as_str),
                show: order.show().map(Into::into),
            },
            price,
            quantity: order.quantity(),
            seats: texts(lot.and_then(|lot| lot.names.as_ref())),
            fee: MajorUnits::of(fee, order.price.currency()),
            total: order.total().into(),
            currency: Text(order.price.currency()),
            cancel_reason,
            charge: view.charge.as_ref().map(ChargeJson::in_order),
            version: order.version.number(),
            created_at: Text(order.created_at),
        }
    }
}

/// How a charge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ChargeStatus)]
pub enum ChargeStatusJson {
    /// Not decided yet.
    Created,
    /// No money was taken, and none will be.
    Failed,
    /// The money was taken; with a refund id, it was paid back.
    Completed,
}

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Charge)]
pub struct ChargeJson<'c> {
    /// Names the charge.
    #[schema(value_type = String, example = "charge_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: Text<ChargeId>,
    /// What is paid for.
    #[schema(value_type = String)]
    pub order_id: Text<OrderId>,
    /// How it stands.
    pub status: ChargeStatusJson,
    /// What is paid, in minor units.
    #[schema(example = 2550, minimum = 1)]
    pub amount: u64,
    /// The currency of the amount.
    #[schema(value_type = String)]
    pub currency: Text<Currency>,
    /// The gateway's payment intent; null until there is one.
    #[schema(required)]
    pub stripe_id: Option<&'c str>,
    /// The gateway's refund; null unless one is pending or has succeeded.
    #[schema(required)]
    pub stripe_refund_id: Option<&'c str>,
    /// How a refund of all of it stands; null if there is none.
    #[schema(required)]
    pub refund_status: Option<RefundStatusJson>,
    /// Why it failed; null unless it did.
    #[schema(required)]
    pub failure_code: Option<&'c str>,
    /// How the cardholder's dispute stands; null if there is none.
    #[schema(required)]
    pub dispute_status: Option<DisputeStatusJson>,
    /// When it was tried.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Text<Timestamp>,
}

impl<'c> From<&'c ChargeView> for ChargeJson<'c> {
    fn from(charge: &'c ChargeView) -> Self {
        let refund = charge.refund.as_ref().filter(|refund| refund.is_under_way());
        Self {
            id: Text(charge.id),
            order_id: Text(charge.order),
            status: match charge.status {
                ChargeStatus::Created => ChargeStatusJson::Created,
                ChargeStatus::Failed => ChargeStatusJson::Failed,
                ChargeStatus::Completed => ChargeStatusJson::Completed,
            },
            amount: charge.amount.minor(),
            currency: Text(charge.amount.currency()),
            stripe_id: charge.intent.as_ref().map(|intent| intent.0.as_str()),
            stripe_refund_id: refund.and_then(|refund| refund.id.as_ref()).map(|id| id.0.as_str()),
            refund_status: charge.refund.as_ref().map(|refund| refund.status.into()),
            failure_code: charge.failure_code.as_ref().map(|code| code.as_str()),
            dispute_status: charge.dispute.map(DisputeStatusJson::from),
            created_at: Text(charge.created_at),
        }
    }
}

impl<'c> ChargeJson<'c> {
    /// A charge as its order shows it. An order has a version, and the gateway's name for a
    /// charge becomes known between two of them, so an order tells it once the charge has ended.
    fn in_order(charge: &'c ChargeView) -> Self {
        let shown = Self::from(charge);
        match shown.status {
            ChargeStatusJson::Created => Self { stripe_id: None, ..shown },
            ChargeStatusJson::Failed | ChargeStatusJson::Completed => shown,
        }
    }
}

/// How a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = RefundStatus)]
pub enum RefundStatusJson {
    /// Accepted by the gateway and not yet by the bank: the money is not back.
    Pending,
    /// The money is back.
    Succeeded,
    /// The bank has sent it back: the money is still owed.
    Failed,
}

impl From<RefundStatus> for RefundStatusJson {
    fn from(status: RefundStatus) -> Self {
        match status {
            RefundStatus::Pending => Self::Pending,
            RefundStatus::Succeeded => Self::Succeeded,
            RefundStatus::Failed | RefundStatus::Closed => Self::Failed,
        }
    }
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DisputeStatus)]
pub enum DisputeStatusJson {
    /// Not decided; the bank holds the money meanwhile.
    Open,
    /// Decided for the seller's side: the money stays taken.
    Won,
    /// Decided for the cardholder: the money is back with them.
    Lost,
}

impl From<DisputeStatus> for DisputeStatusJson {
    fn from(status: DisputeStatus) -> Self {
        match status {
            DisputeStatus::Open => Self::Open,
            DisputeStatus::Won => Self::Won,
            DisputeStatus::Lost => Self::Lost,
        }
    }
}

/// A charge that may wait for its buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PendingCharge)]
pub struct PendingChargeJson<'c> {
    /// The charge.
    #[serde(flatten)]
    pub charge: ChargeJson<'c>,
    /// What Stripe's script needs to bring the buyer before their bank; absent if the outcome
    /// is merely not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

impl<'c> PendingChargeJson<'c> {
    /// A charge by its view, for its buyer.
    pub fn of(charge: &Charge, view: &'c ChargeView) -> Self {
        let client_secret = charge.client_secret().map(|secret| secret.0.clone());
        Self { charge: ChargeJson::from(view), client_secret }
    }
}
