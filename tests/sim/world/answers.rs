//! What clients are told, and whether it was true at some moment while they waited.

use gittix::actors::MarketError;
use gittix::domain::{
    CancelReason, ChargeId, ChargeStatus, Event, OrderId, OrderState, OrderView, PartState,
    PurchaseRejection, Split, Ticket, TicketId, TicketRejection, TicketState, TicketStatus,
    Timestamp, UserId,
};
use gittix::store::Refusal;

use super::model::{Model, Span};
use super::record::Violation;

/// What was asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// An account.
    SignUp { address: String },
    /// Another address for an account.
    ChangeAddress { user: UserId, address: String },
    /// A listing with a title that no other has.
    List { seller: UserId, title: String, quantity: u32, split: Split },
    /// Another price, and perhaps another title.
    Edit { ticket: TicketId, by: UserId, price: u64, title: Option<String>, expected: Option<u64> },
    /// The end of a listing.
    Withdraw { ticket: TicketId, by: UserId, expected: Option<u64> },
    /// A lock.
    Reserve { ticket: TicketId, by: UserId, quantity: Option<u32> },
    /// Its end.
    Cancel { order: OrderId, by: UserId },
    /// A payment.
    Pay { order: OrderId, by: UserId, is_known_token: bool },
    /// A ticket as it is.
    ReadTicket { ticket: TicketId },
    /// An order as it is.
    ReadOrder { order: OrderId, by: UserId },
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// There is an account.
    Account(UserId),
    /// The ticket now stands like this.
    Ticket { id: TicketId, version: u64, whole: Option<Box<Ticket>> },
    /// The order now stands like this.
    Order { id: OrderId, version: u64, state: OrderState },
    /// The charge now stands like this.
    Charge { id: ChargeId, status: ChargeStatus },
    /// It is done.
    Done,
    /// It is not done, and why.
    Refused(Reason),
    /// Nobody knows: the process died, or the client did not wait.
    Nothing,
}

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no such thing, or not for this user.
    NotFound,
    /// The ticket is another's.
    NotOwner,
    /// The ticket is one's own.
    OwnTicket,
    /// An order holds the ticket.
    Locked,
    /// The ticket is sold.
    Sold,
    /// The ticket sells no more.
    Closed,
    /// So many seats can't be had.
    QuantityUnavailable,
    /// The ticket has another version.
    OtherVersion,
    /// The buyer holds too much, or has let go of this ticket too often.
    TooManyHolds,
    /// Another account has the address.
    EmailInUse,
    /// The account has another password meanwhile.
    PasswordChanged,
    /// The order is paid.
    Completed,
    /// The order is cancelled.
    Cancelled,
    /// The order's time is over.
    Expired,
    /// A payment is under way.
    PaymentInProgress,
    /// The card was declined.
    PaymentFailed,
    /// The token is not the provider's.
    UnknownToken,
    /// Too much is going on.
    Overloaded,
    /// The store does not write.
    Unavailable,
    /// Something broke.
    Internal,
    /// The first request with the key is still being answered.
    KeyInProgress,
}

impl From<MarketError> for Answered {
    fn from(error: MarketError) -> Self {
        Self::Refused(match error {
            MarketError::NotFound => Reason::NotFound,
            MarketError::Ticket(TicketRejection::NotOwner) => Reason::NotOwner,
            MarketError::Ticket(TicketRejection::OwnTicket) => Reason::OwnTicket,
            MarketError::Ticket(TicketRejection::Locked { .. }) | MarketError::OwnHold { .. } => {
                Reason::Locked
            }
            MarketError::Ticket(TicketRejection::Sold) => Reason::Sold,
            MarketError::Ticket(TicketRejection::VersionMismatch { .. }) => Reason::OtherVersion,
            MarketError::Ticket(TicketRejection::Closed) => Reason::Closed,
            MarketError::Ticket(TicketRejection::QuantityUnavailable { .. }) => {
                Reason::QuantityUnavailable
            }
            // Nobody here says what they were shown, wants more than they may have or says anything
            // wrong of a ticket.
            MarketError::Ticket(
                TicketRejection::NotHeld
                | TicketRejection::PriceChanged { .. }
                | TicketRejection::TooManySeats { .. }
                | TicketRejection::HasPasses
                | TicketRejection::BadListing(_),
            ) => Reason::Internal,
            MarketError::Purchase(PurchaseRejection::VersionMismatch) => Reason::OtherVersion,
            MarketError::Purchase(PurchaseRejection::Completed) => Reason::Completed,
            MarketError::Purchase(PurchaseRejection::Cancelled) => Reason::Cancelled,
            MarketError::Purchase(PurchaseRejection::Expired) => Reason::Expired,
            MarketError::Purchase(PurchaseRejection::PaymentInProgress) => {
                Reason::PaymentInProgress
            }
            // Nobody here gives up a payment or settles one by hand.
            MarketError::Purchase(
                PurchaseRejection::Decided | PurchaseRejection::NothingToSettle,
            ) => Reason::Internal,
            // Nobody here adds venues or shows, or lists tickets for one.
            MarketError::Catalog(_)
            | MarketError::Refused(
                Refusal::InUse
                | Refusal::OthersDepend
                | Refusal::SeatListed
                | Refusal::TooManySeats,
            ) => Reason::Internal,
            MarketError::Refused(Refusal::EmailInUse) => Reason::EmailInUse,
            MarketError::Refused(Refusal::TooManyOpenOrders)
            | MarketError::RelockTooSoon { .. } => Reason::TooManyHolds,
            // Nor passes.
            MarketError::Pass(_) | MarketError::Refused(Refusal::PassListed) => Reason::Internal,
            // Nobody here has a second factor or a token, or opens a link.
            MarketError::SecondFactor(_)
            | MarketError::Link
            | MarketError::Refused(Refusal::TooManyTokens) => Reason::Internal,
            MarketError::Refused(Refusal::KeyUsed) => Reason::KeyInProgress,
            MarketError::PasswordChanged => Reason::PasswordChanged,
            MarketError::UnknownToken => Reason::UnknownToken,
            MarketError::Overloaded => Reason::Overloaded,
            MarketError::Unavailable => Reason::Unavailable,
            MarketError::Internal(_) => Reason::Internal,
        })
    }
}

/// What may excuse an answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Excuses {
    /// An actor was made to panic meanwhile.
    pub panicked: bool,
    /// The disk was made to fail.
    pub disk_failed: bool,
    /// The queue of the store is short.
    pub short_queue: bool,
    /// The wall clock moved meanwhile.
    pub clock_stepped: bool,
}

/// When the client asked and was answered.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// What of the log was visible.
    pub span: Span,
    /// The time of the answer.
    pub answered_at: Timestamp,
    /// What may excuse the answer.
    pub excuses: Excuses,
}

/// Whether the answer was true at some moment between request and answer.
pub fn check(
    model: &Model,
    asked: &Asked,
    answered: &Answered,
    asking: &Asking,
) -> Result<(), Violation> {
    let is_true = match answered {
        Answered::Nothing => true,
        Answered::Refused(reason) => is_justified(model, asked, *reason, asking),
        _ => is_done(model, asked, answered, asking.span),
    };
    if is_true {
        return Ok(());
    }
    let rule = match answered {
        Answered::Refused(Reason::Internal | Reason::Unavailable | Reason::Overloaded) => {
            "nothing fails without a cause"
        }
        Answered::Refused(_) => "a refusal is true while its client waits",
        _ => "what is acknowledged is there",
    };
    Err(Violation::new(rule, format!("{asked:?} was answered {answered:?}, {asking:?}")))
}

fn is_done(model: &Model, asked: &Asked, answered: &Answered, span: Span) -> bool {
    match (asked, answered) {
        (Asked::SignUp { address }, Answered::Account(user)) => model.events(span).any(|event| {
            matches!(&event.event, Event::UserCreated(told)
                if told.id == *user && model.had_address(*user, event.seq, address))
        }),
        (Asked::ChangeAddress { user, address }, Answered::Account(answered)) => {
            answered == user
                && model.events(span).any(|event| {
                    matches!(&event.event, Event::UserUpdated(told)
                        if told.id == *user && model.had_address(*user, event.seq, address))
                })
        }
        (Asked::List { seller, title, quantity, split }, Answered::Ticket { id, .. }) => {
            // A repeated request is answered with what its first one led to.
            model.events(Span { from: 0, to: span.to }).any(|event| {
                matches!(&event.event, Event::TicketCreated(ticket)
                    if ticket.id == *id && ticket.seller == *seller
                        && ticket.title.as_str() == title
                        && ticket.listing().quantity == *quantity
                        && ticket.listing().split == *split)
            })
        }
        (Asked::Edit { ticket, price, title, .. }, Answered::Ticket { id, version, whole }) => {
            ticket == id
                && model.ticket_during(*id, span).into_iter().flatten().any(|state| {
                    state.version.number() == *version
                        && state.price.minor() == *price
                        && title.as_ref().is_none_or(|title| state.title.as_str() == title)
                        && whole.as_ref().is_none_or(|whole| **whole == *state)
                })
        }
        (Asked::Withdraw { ticket, .. }, Answered::Done) => {
            let is_closed = |ticket: &Ticket| ticket.status() == TicketStatus::Closed;
            model.ticket_during(*ticket, span).into_iter().flatten().any(is_closed)
                || model.events(span).any(
                    |event| matches!(&event.event, Event::TicketDeleted(gone) if gone.id == *ticket),
                )
        }
        (Asked::Reserve { ticket, by, quantity }, Answered::Order { id, .. }) => {
            model.events(Span { from: 0, to: span.to }).any(|event| {
                matches!(&event.event, Event::OrderCreated(view)
                    if view.order.id == *id && view.order.ticket == *ticket
                        && view.order.buyer == *by
                        && quantity.is_none_or(|wanted| wanted == view.order.quantity()))
            })
        }
        (Asked::Cancel { order, .. }, Answered::Done) => {
            let states = model.order_during(*order, span);
            states
                .into_iter()
                .flatten()
                .any(|view| matches!(view.order.state, OrderState::Cancelled(_)))
        }
        (Asked::Pay { order, .. }, Answered::Charge { id, status }) => {
            let during = model.charges.get(id).into_iter();
            let mut during = during.flat_map(|past| past.during(span.from, span.to)).flatten();
            during.any(|charge| charge.order == *order && charge.status == *status)
        }
        (Asked::ReadTicket { ticket }, Answered::Ticket { id, version, whole }) => {
            let states = model.ticket_during(*ticket, span);
            ticket == id
                && states.into_iter().flatten().any(|state| {
                    state.version.number() == *version
                        && whole.as_ref().is_none_or(|whole| **whole == *state)
                })
        }
        (Asked::ReadOrder { order, by }, Answered::Order { id, version, state }) => {
            let views = model.order_during(*order, span);
            order == id
                && views.into_iter().flatten().any(|view| {
                    view.order.buyer == *by
                        && view.order.version.number() == *version
                        && view.order.state == *state
                })
        }
        _ => false,
    }
}

fn is_justified(model: &Model, asked: &Asked, reason: Reason, asking: &Asking) -> bool {
    let Asking { span, excuses, .. } = *asking;
    match reason {
        Reason::Internal => excuses.panicked || excuses.disk_failed,
        Reason::Unavailable => excuses.disk_failed || excuses.short_queue,
        Reason::Overloaded => excuses.short_queue,
        // Two requests with one key met; the other one is checked by itself.
        Reason::KeyInProgress => true,
        Reason::EmailInUse => match asked {
            Asked::SignUp { address } | Asked::ChangeAddress { address, .. } => {
                model.may_be_in_use(address, span)
            }
            _ => false,
        },
        Reason::TooManyHolds => match asked {
            Asked::Reserve { by, ticket, .. } => {
                let held = model.open.get(by).is_some_and(|past| {
                    let mut counts = past.during(span.from, span.to).flatten();
                    counts.any(|count| *count >= model.max_open())
                });
                held || model.let_go(*by, *ticket) > model.relock_free
            }
            _ => false,
        },
        _ => match asked {
            Asked::Edit { ticket, by, expected, .. } | Asked::Withdraw { ticket, by, expected } => {
                let states = model.ticket_during(*ticket, span);
                states.into_iter().any(|state| explains_ticket(state, reason, *by, *expected, true))
            }
            Asked::Reserve { ticket, by, quantity } => {
                let states = model.ticket_during(*ticket, span);
                let lacks = |state: &Ticket| {
                    let left = state.offer(MOST_SEATS);
                    let wanted = quantity.or_else(|| left.smallest());
                    state.status() == TicketStatus::Available
                        && !wanted.is_some_and(|wanted| left.offers(wanted))
                };
                states.into_iter().any(|state| match reason {
                    Reason::QuantityUnavailable => state.is_some_and(lacks),
                    reason => explains_ticket(state, reason, *by, None, false),
                })
            }
            Asked::ReadTicket { ticket } => {
                reason == Reason::NotFound && model.ticket_during(*ticket, span).contains(&None)
            }
            Asked::Cancel { order, by } => {
                let views = model.order_during(*order, span);
                views.into_iter().any(|view| explains_order(view, reason, *by, asking))
            }
            Asked::Pay { order, by, is_known_token } => {
                let views = model.order_during(*order, span);
                (reason == Reason::UnknownToken && !is_known_token)
                    || views.into_iter().any(|view| explains_order(view, reason, *by, asking))
            }
            Asked::ReadOrder { order, by } => {
                let views = model.order_during(*order, span);
                reason == Reason::NotFound
                    && views.into_iter().any(|view| view.is_none_or(|v| v.order.buyer != *by))
            }
            Asked::SignUp { .. } | Asked::ChangeAddress { .. } | Asked::List { .. } => false,
        },
    }
}

/// How many seats one buyer may have.
pub const MOST_SEATS: u32 = 4;

fn has_holds(ticket: &Ticket) -> bool {
    match &ticket.state {
        TicketState::Several(allotment) => {
            allotment.parts.iter().any(|part| part.state != PartState::Sold)
        }
        state => matches!(state, TicketState::Locked { .. }),
    }
}

fn explains_ticket(
    state: Option<&Ticket>,
    reason: Reason,
    by: UserId,
    expected: Option<u64>,
    is_sellers: bool,
) -> bool {
    let Some(ticket) = state else { return reason == Reason::NotFound };
    match reason {
        Reason::NotOwner => is_sellers && ticket.seller != by,
        Reason::OwnTicket => !is_sellers && ticket.seller == by,
        Reason::Locked => {
            ticket.status() == TicketStatus::Locked || (is_sellers && has_holds(ticket))
        }
        Reason::Sold => ticket.status() == TicketStatus::Sold,
        Reason::Closed => ticket.status() == TicketStatus::Closed,
        Reason::OtherVersion => {
            expected.is_some_and(|expected| expected != ticket.version.number())
        }
        _ => false,
    }
}

fn explains_order(view: Option<&OrderView>, reason: Reason, by: UserId, asking: &Asking) -> bool {
    let Some(view) = view else { return reason == Reason::NotFound };
    if view.order.buyer != by {
        return reason == Reason::NotFound;
    }
    let charge = view.charge.as_ref().map(|charge| charge.status);
    match (reason, view.order.state) {
        (Reason::Completed, state) => state == OrderState::Completed,
        (Reason::Cancelled, OrderState::Cancelled(reason)) => reason != CancelReason::Expired,
        (Reason::Expired, OrderState::Cancelled(reason)) => reason == CancelReason::Expired,
        (Reason::Expired, _) => {
            asking.excuses.clock_stepped || view.order.expires_at <= asking.answered_at
        }
        (Reason::PaymentInProgress, state) => {
            matches!(state, OrderState::AwaitingPayment) && charge.is_some()
        }
        (Reason::PaymentFailed, _) => charge == Some(ChargeStatus::Failed),
        _ => false,
    }
}
