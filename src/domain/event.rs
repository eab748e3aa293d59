//! Everything that can happen in the marketplace. Reading this page pictures the whole flow.
//!
//! Events are appended to one durable log in the transaction of the change they tell. An event
//! carries the resource as it was right after the change, without secrets, so that a reader of
//! the log needs nothing else; of an account it has the id and the version, and nothing that names a
//! person. A purchase that goes well reads:
//!
//! ```text
//! UserCreated (seller)     UserCreated (buyer)
//! TicketCreated            the seller lists a ticket                        ticket v0 Available
//! OrderCreated             the buyer locks it                               order  v0 Created
//!   TicketUpdated                                                           ticket v1 Locked
//! OrderAwaitingPayment     the buyer pays; written before the gateway hears order  v1
//!   ChargeCreated                                                           charge Created
//! ChargeCompleted          the gateway has taken the money                  charge Completed
//!   OrderCompleted                                                          order  v2 Completed
//!   TicketUpdated                                                           ticket v2 Sold
//! ```
//!
//! and one that does not ends in `OrderExpired` or `OrderCancelled` with a `TicketUpdated` that
//! makes the ticket Available again, each pair in one commit. An order's latest event is told
//! again with a higher version when its charge changes afterwards, such as by a refund.

use super::{
    ChargeView, OrderView, PassEvent, ShowView, Ticket, Timestamp, TokenEvent, UserEvent, UserId,
    Venue,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody signed up.
    UserCreated(UserEvent),
    /// An account has another address or password.
    UserUpdated(UserEvent),
    /// An account's address is known to be its owner's.
    UserVerified(UserEvent),
    /// An account became an operator's.
    RoleGranted(UserEvent),
    /// An account is an operator's no more.
    RoleRevoked(UserEvent),
    /// Signing in to an account takes a second factor from now on.
    TotpEnabled(UserEvent),
    /// It takes the password alone again.
    TotpDisabled(UserEvent),
    /// An API token was made.
    TokenCreated(TokenEvent),
    /// An API token is good for nothing any more.
    TokenRevoked(TokenEvent),
    /// A ticket was listed.
    TicketCreated(Ticket),
    /// A ticket was edited, locked, released or sold.
    TicketUpdated(Ticket),
    /// A listing was withdrawn.
    TicketDeleted(Ticket),
    /// A ticket of which seats are sold sells no more.
    TicketClosed(Ticket),
    /// A venue was added.
    VenueCreated(Box<Venue>),
    /// What is known of a venue was changed.
    VenueUpdated(Box<Venue>),
    /// A venue was taken away.
    VenueDeleted(Box<Venue>),
    /// A show was added.
    ShowCreated(Box<ShowView>),
    /// What is known of a show was changed.
    ShowUpdated(Box<ShowView>),
    /// A show takes place at another time, or at one that is not known yet.
    ShowPostponed(Box<ShowView>),
    /// A show does not take place.
    ShowCancelled(Box<ShowView>),
    /// A show has ended.
    ShowOver(Box<ShowView>),
    /// A show was taken away.
    ShowDeleted(Box<ShowView>),
    /// A seat of a ticket has a pass.
    PassAdded(PassEvent),
    /// A pass was taken away.
    PassRemoved(PassEvent),
    /// A buyer locked a ticket.
    OrderCreated(OrderView),
    /// A charge is being tried, or was declined with attempts left, or waits for the buyer.
    OrderAwaitingPayment(OrderView),
    /// An order was paid.
    OrderCompleted(OrderView),
    /// An order was given up by its buyer or after its last charge failed.
    OrderCancelled(OrderView),
    /// An order's time ran out.
    OrderExpired(OrderView),
    /// An attempt to pay was made.
    ChargeCreated(ChargeView),
    /// The money was taken.
    ChargeCompleted(ChargeView),
    /// No money was taken.
    ChargeFailed(ChargeView),
    /// Money that had been taken was paid back.
    ChargeRefunded(ChargeView),
    /// The cardholder disputed a charge, or the dispute was decided.
    ChargeDisputed(ChargeView),
    /// A refund of a charge was begun, or came to nothing.
    ChargeUpdated(ChargeView),
    /// A sale is to be paid back.
    RefundRequested(ChargeView),
}

/// What an event tells of, as it was right afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'e> {
    /// An account.
    User(&'e UserEvent),
    /// An API token.
    Token(&'e TokenEvent),
    /// A ticket.
    Ticket(&'e Ticket),
    /// A venue.
    Venue(&'e Venue),
    /// A show with its venue.
    Show(&'e ShowView),
    /// A pass.
    Pass(&'e PassEvent),
    /// An order with its latest charge.
    Order(&'e OrderView),
    /// A charge.
    Charge(&'e ChargeView),
}

/// Who may see an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anyone.
    Public,
    /// Only this user.
    User(UserId),
}

impl Event {
    /// The event's name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserCreated(_) => "UserCreated",
            Self::UserUpdated(_) => "UserUpdated",
            Self::UserVerified(_) => "UserVerified",
            Self::RoleGranted(_) => "RoleGranted",
            Self::RoleRevoked(_) => "RoleRevoked",
            Self::TotpEnabled(_) => "TotpEnabled",
            Self::TotpDisabled(_) => "TotpDisabled",
            Self::TokenCreated(_) => "TokenCreated",
            Self::TokenRevoked(_) => "TokenRevoked",
            Self::TicketCreated(_) => "TicketCreated",
            Self::TicketUpdated(_) => "TicketUpdated",
            Self::TicketDeleted(_) => "TicketDeleted",
            Self::TicketClosed(_) => "TicketClosed",
            Self::VenueCreated(_) => "VenueCreated",
            Self::VenueUpdated(_) => "VenueUpdated",
            Self::VenueDeleted(_) => "VenueDeleted",
            Self::ShowCreated(_) => "ShowCreated",
            Self::ShowUpdated(_) => "ShowUpdated",
            Self::ShowPostponed(_) => "ShowPostponed",
            Self::ShowCancelled(_) => "ShowCancelled",
            Self::ShowOver(_) => "ShowOver",
            Self::ShowDeleted(_) => "ShowDeleted",
            Self::PassAdded(_) => "PassAdded",
            Self::PassRemoved(_) => "PassRemoved",
            Self::OrderCreated(_) => "OrderCreated",
            Self::OrderAwaitingPayment(_) => "OrderAwaitingPayment",
            Self::OrderCompleted(_) => "OrderCompleted",
            Self::OrderCancelled(_) => "OrderCancelled",
            Self::OrderExpired(_) => "OrderExpired",
            Self::ChargeCreated(_) => "ChargeCreated",
            Self::ChargeCompleted(_) => "ChargeCompleted",
            Self::ChargeFailed(_) => "ChargeFailed",
            Self::ChargeRefunded(_) => "ChargeRefunded",
            Self::ChargeDisputed(_) => "ChargeDisputed",
            Self::ChargeUpdated(_) => "ChargeUpdated",
            Self::RefundRequested(_) => "RefundRequested",
        }
    }

    /// What it tells of.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::UserCreated(user)
            | Self::UserUpdated(user)
            | Self::UserVerified(user)
            | Self::RoleGranted(user)
            | Self::RoleRevoked(user)
            | Self::TotpEnabled(user)
            | Self::TotpDisabled(user) => Subject::User(user),
            Self::TokenCreated(token) | Self::TokenRevoked(token) => Subject::Token(token),
            Self::TicketCreated(ticket)
            | Self::TicketUpdated(ticket)
            | Self::TicketDeleted(ticket)
            | Self::TicketClosed(ticket) => Subject::Ticket(ticket),
            Self::VenueCreated(venue) | Self::VenueUpdated(venue) | Self::VenueDeleted(venue) => {
                Subject::Venue(venue)
            }
            Self::ShowCreated(view)
            | Self::ShowUpdated(view)
            | Self::ShowPostponed(view)
            | Self::ShowCancelled(view)
            | Self::ShowOver(view)
            | Self::ShowDeleted(view) => Subject::Show(view),
            Self::PassAdded(pass) | Self::PassRemoved(pass) => Subject::Pass(pass),
            Self::OrderCreated(view)
            | Self::OrderAwaitingPayment(view)
            | Self::OrderCompleted(view)
            | Self::OrderCancelled(view)
            | Self::OrderExpired(view) => Subject::Order(view),
            Self::ChargeCreated(charge)
            | Self::ChargeCompleted(charge)
            | Self::ChargeFailed(charge)
            | Self::ChargeRefunded(charge)
            | Self::ChargeDisputed(charge)
            | Self::ChargeUpdated(charge)
            | Self::RefundRequested(charge) => Subject::Charge(charge),
        }
    }

    /// Who may see it: tickets, shows and venues are public, all else is its user's own.
    pub fn audience(&self) -> Audience {
        match self.subject() {
            Subject::Ticket(_) | Subject::Venue(_) | Subject::Show(_) => Audience::Public,
            Subject::User(user) => Audience::User(user.id),
            Subject::Token(token) => Audience::User(token.user),
            Subject::Pass(pass) => Audience::User(pass.seller),
            Subject::Order(view) => Audience::User(view.order.buyer),
            Subject::Charge(charge) => Audience::User(charge.buyer),
        }
    }
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Rises by one from event to event, without gaps; the first is 1.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}
