//! From what the marketplace refuses to what clients read.

use tracing::{error, warn};

use super::codes::Code;
use super::problem::Problem;
use crate::actors::MarketError;
use crate::auth::{PasswordError, RetryAfter, SealError};
use crate::domain::{
    CatalogRejection, PassRejection, Price, PurchaseRejection, TicketRejection, Timestamp,
};
use crate::store::{ReadError, Refusal};

/// When a client that met an overloaded server should come back.
const OVERLOAD_RETRY_SECONDS: u64 = 1;

/// A refusal by the marketplace, at the time it was given.
pub fn problem(error: MarketError, now: Timestamp) -> Problem {
    match error {
        MarketError::NotFound => Problem::not_found(),
        MarketError::Ticket(rejection) => ticket_problem(rejection, now),
        MarketError::Catalog(rejection) => catalog_problem(rejection),
        MarketError::Pass(rejection) => pass_problem(rejection),
        MarketError::Purchase(rejection) => purchase_problem(rejection),
        MarketError::Refused(Refusal::EmailInUse) => Problem::new(Code::EmailInUse, "Email in use")
            .errors(vec![super::problem::FieldError::on("email", "Email in use")]),
        MarketError::OwnHold { order, until } => {
            Problem::new(Code::TicketLocked, "You hold this ticket already; your order is open.")
                .retry_after(whole_seconds_until(until, now))
                .member("orderId", order.to_string())
        }
        MarketError::RelockTooSoon { not_before } => Problem::new(
            Code::TooManyHolds,
            "You have let go of this ticket too often; others may have it for a while.",
        )
        .retry_after(whole_seconds_until(not_before, now)),
        MarketError::Refused(Refusal::TooManyOpenOrders) => Problem::new(
            Code::TooManyHolds,
            "You hold as many unpaid orders as you may; pay or cancel one first.",
        ),
        MarketError::Refused(Refusal::InUse) => {
            Problem::new(Code::InUse, "Something hangs on it, so it can't be deleted.")
        }
        MarketError::Refused(Refusal::OthersDepend) => {
            Problem::new(Code::NotOperator, "Others build on it, so only operators may change it.")
        }
        MarketError::Refused(Refusal::SeatListed) => {
            Problem::new(Code::SeatListed, "You have listed one of these seats already.")
        }
        MarketError::Refused(Refusal::PassListed) => pass_problem(PassRejection::Listed),
        MarketError::Refused(Refusal::TooManySeats) => Problem::new(
            Code::TooManySeats,
            "You would have more seats for this show than one buyer may have.",
        ),
        MarketError::Refused(Refusal::TooManyTokens) => Problem::new(
            Code::TooManyTokens,
            "This account has as many tokens as it may; revoke one first.",
        ),
        MarketError::Refused(Refusal::KeyUsed) => Problem::new(
            Code::IdempotencyInProgress,
            "The first request with this idempotency key has not been answered yet.",
        ),
        // Handlers that compare passwords answer this themselves, each in its own words.
        MarketError::PasswordChanged => {
            Problem::new(Code::InvalidCredentials, "Invalid credentials")
        }
        MarketError::SecondFactor(_) => {
            Problem::new(Code::TotpInvalid, "The code is wrong or was used already.")
        }
        MarketError::Link => Problem::new(
            Code::TokenInvalid,
            "This link was used already, has expired, or was followed by a newer one.",
        ),
        MarketError::UnknownToken => super::problem::FieldError::on(
            "token",
            "token is not one that the payment provider knows",
        )
        .into(),
        MarketError::Overloaded | MarketError::Unavailable => {
            Problem::unavailable(OVERLOAD_RETRY_SECONDS)
        }
        MarketError::Internal(reason) => {
            error!(%reason, "a request failed");
            Problem::internal()
        }
    }
}

fn ticket_problem(rejection: TicketRejection, now: Timestamp) -> Problem {
    match rejection {
        TicketRejection::NotOwner => {
            Problem::new(Code::NotOwner, "Only the seller can change a ticket.")
        }
        TicketRejection::OwnTicket => {
            Problem::new(Code::OwnTicket, "You cannot buy your own ticket.")
        }
        TicketRejection::Locked { until, .. } => {
            Problem::new(Code::TicketLocked, "Someone is buying this ticket right now.")
                .retry_after(whole_seconds_until(until, now))
        }
        TicketRejection::Sold => Problem::new(Code::TicketSold, "This ticket has been sold."),
        TicketRejection::PriceChanged { price, total } => {
            let detail = format!("This ticket costs {price} now.");
            Problem::new(Code::PriceChanged, detail)
                .member("price", number(price))
                .member("total", number(total))
        }
        TicketRejection::QuantityUnavailable { left } => {
            Problem::new(Code::QuantityUnavailable, "So many seats can't be had right now.")
                .member("buyable", left.buyable())
        }
        TicketRejection::TooManySeats { most } => {
            let detail = format!("One buyer may have at most {most} seats.");
            Problem::new(Code::TooManySeats, detail)
        }
        TicketRejection::HasPasses => Problem::new(
            Code::SeatHasPass,
            "The seats have passes. Take those away before the seats change.",
        ),
        TicketRejection::Closed => {
            Problem::new(Code::TicketClosed, "This ticket is not for sale any more.")
        }
        TicketRejection::BadListing(fault) => {
            super::problem::FieldError::on(fault.field(), fault.to_string()).into()
        }
        TicketRejection::VersionMismatch { .. } => Problem::precondition_failed(),
        TicketRejection::NotHeld => {
            error!("an order asked for a ticket that it does not hold");
            Problem::internal()
        }
    }
}

fn pass_problem(rejection: PassRejection) -> Problem {
    let (code, detail) = match rejection {
        PassRejection::SeatNeeded | PassRejection::UnknownSeat => {
            return super::problem::FieldError::on("seat", rejection.to_string()).into();
        }
        PassRejection::NotOwner => {
            (Code::NotOwner, "Only the seller has to do with a ticket's passes.")
        }
        PassRejection::SeatHasPass => {
            (Code::SeatHasPass, "There is a pass for this seat, or for every seat.")
        }
        PassRejection::Listed => {
            (Code::PassListed, "This very pass is with a ticket that is for sale or sold.")
        }
        PassRejection::SeatTaken => (Code::SeatTaken, "The seat of this pass is held or sold."),
        PassRejection::PaidBack => {
            (Code::SeatTaken, "The seat was sold, and its buyer has the money back.")
        }
    };
    Problem::new(code, detail)
}

fn catalog_problem(rejection: CatalogRejection) -> Problem {
    match rejection {
        CatalogRejection::NotOperator => {
            Problem::new(Code::NotOperator, "Only operators may do this, or whoever added it.")
        }
        CatalogRejection::Cancelled => {
            Problem::new(Code::ShowCancelled, "This show was cancelled.")
        }
        CatalogRejection::Over => Problem::new(Code::ShowOver, "This show is over."),
        CatalogRejection::Postponed => {
            Problem::new(Code::ShowPostponed, "This show was postponed, and has no new date yet.")
        }
        CatalogRejection::VersionMismatch => Problem::precondition_failed(),
        CatalogRejection::BadTimes => super::problem::FieldError::on(
            "endsAt",
            "endsAt must be after startsAt, and at most 31 days after it",
        )
        .into(),
    }
}

/// An amount as the JSON number that it is elsewhere.
fn number(price: Price) -> serde_json::Value {
    serde_json::from_str(&price.to_string()).unwrap_or(serde_json::Value::Null)
}

fn purchase_problem(rejection: PurchaseRejection) -> Problem {
    match rejection {
        PurchaseRejection::Completed => {
            Problem::new(Code::OrderCompleted, "This order has been paid.")
        }
        PurchaseRejection::Cancelled => {
            Problem::new(Code::OrderCancelled, "This order has been cancelled.")
        }
        PurchaseRejection::Expired => {
            Problem::new(Code::OrderExpired, "The time to pay for this order is over.")
        }
        PurchaseRejection::VersionMismatch => Problem::precondition_failed(),
        PurchaseRejection::Decided => {
            Problem::new(Code::PaymentDecided, "This payment is decided and can't be given up.")
        }
        PurchaseRejection::NothingToSettle => Problem::new(
            Code::Conflict,
            "This charge leaves nothing open that could be settled so; `gittix charges` lists those that do.",
        ),
        PurchaseRejection::PaymentInProgress => {
            Problem::new(Code::PaymentInProgress, "A payment of this order is in progress.")
        }
    }
}

/// Rounded up and at least one, so that who waits that long does not come too early.
fn whole_seconds_until(until: Timestamp, now: Timestamp) -> u64 {
    let left = until.since(now);
    let rounded_up = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    rounded_up.max(1)
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        if let ReadError::Unavailable(_) = error {
            warn!(%error, "a request came while the store can't be read");
            return Self::unavailable(OVERLOAD_RETRY_SECONDS);
        }
        error!(%error, "the store could not be read");
        Self::internal()
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::unavailable(OVERLOAD_RETRY_SECONDS),
            PasswordError::Unreadable | PasswordError::Failed => {
                error!(%error, "a password could not be hashed or compared");
                Self::internal()
            }
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        error!(%error, "a request failed");
        Self::internal()
    }
}

impl From<RetryAfter> for Problem {
    fn from(wait: RetryAfter) -> Self {
        Self::too_many_requests(Code::TooManyRequests, wait.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_the_seconds_until_it_can_end() {
        let at = Timestamp::from_millis;
        assert_eq!(whole_seconds_until(at(10_000), at(0)), 10);
        assert_eq!(whole_seconds_until(at(10_001), at(0)), 11);
        assert_eq!(whole_seconds_until(at(1), at(0)), 1);
        assert_eq!(whole_seconds_until(at(0), at(5_000)), 1, "the timer is about to run");
    }
}
