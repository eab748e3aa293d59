//! Every error code a client can meet, in one table.
//!
//! A code is a promise: it is stable, it belongs to one status, and the `type`
//! of a problem leads to its explanation under `/errors/{slug}`.

use axum::http::StatusCode;

/// Declares the codes once; the enum, the list and the lookups follow from it.
macro_rules! codes {
    ($($variant:ident $name:literal $status:ident $meaning:literal)*) => {
        /// Why a request was refused, as a client's program sees it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as it stands in a problem: `ticket_locked`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The one status this code comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// One sentence for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    BadRequest "bad_request" BAD_REQUEST "The request is not valid HTTP or breaks a rule that every request must keep."
    InvalidJson "invalid_json" BAD_REQUEST "The body is not one JSON object in UTF-8, or an object in it repeats a key."
    IncompleteBody "incomplete_body" BAD_REQUEST "The connection ended, or the encoding of the body broke, before the whole body had arrived."
    ValidationFailed "validation_failed" BAD_REQUEST "One or more fields or query parameters break a rule; `errors` has an entry for each."
    InvalidSignature "invalid_signature" BAD_REQUEST "The signature of the webhook is missing, wrong or too old."
    TokenInvalid "token_invalid" BAD_REQUEST "The token of the link was used already, has expired, or was followed by a newer one."
    TotpInvalid "totp_invalid" BAD_REQUEST "The code of the second factor is wrong or was used already. A sign-in with it is 401."
    TotpRequired "totp_required" UNAUTHORIZED "The account has a second factor: send its code, or a recovery code, as `totp`."
    Unauthenticated "unauthenticated" UNAUTHORIZED "The request needs a signed-in user, and its session is missing, expired or revoked."
    InvalidCredentials "invalid_credentials" UNAUTHORIZED "The email and password do not belong to an account."
    PaymentFailed "payment_failed" PAYMENT_REQUIRED "The card was declined; `declineCode` says why."
    Forbidden "forbidden" FORBIDDEN "The signed-in user may not do this."
    NotOwner "not_owner" FORBIDDEN "Only the user who listed the ticket may change it."
    NotOperator "not_operator" FORBIDDEN "Only operators may do this."
    OwnTicket "own_ticket" FORBIDDEN "A seller cannot buy a ticket of their own."
    WrongPassword "wrong_password" FORBIDDEN "The current password is not right."
    SessionRequired "session_required" FORBIDDEN "An API token cannot do this; sign in."
    CrossOrigin "cross_origin" FORBIDDEN "A browser sent this request, with the session cookie, from a page of another origin."
    NotFound "not_found" NOT_FOUND "There is nothing here, or nothing that this user may see."
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "This path does not answer to this method; the `allow` header names those it does answer to."
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The request did not arrive completely in time."
    Conflict "conflict" CONFLICT "The request does not fit the current state; read it again and decide anew."
    TicketLocked "ticket_locked" CONFLICT "The ticket is held by an order that is still open; `orderId` names it where it is the user's own."
    PriceChanged "price_changed" CONFLICT "The ticket does not cost what the buyer expected; `price` says what a seat costs now, and `total` what all seats cost with fees."
    TicketSold "ticket_sold" CONFLICT "The ticket has been sold."
    TicketClosed "ticket_closed" CONFLICT "The ticket sells no more."
    QuantityUnavailable "quantity_unavailable" CONFLICT "So many seats of the ticket can't be had now; `buyable` says how many can."
    TooManySeats "too_many_seats" CONFLICT "One buyer may not have so many seats, of one ticket or of all tickets of a show together."
    SeatListed "seat_listed" CONFLICT "The seller has listed one of the seats already."
    PassListed "pass_listed" CONFLICT "The same pass is with a ticket that is for sale or sold."
    SeatHasPass "seat_has_pass" CONFLICT "The seat has a pass; while it is free, that can be taken away."
    SeatTaken "seat_taken" CONFLICT "The seat of the pass is held or sold, so the pass stays; or the seat was sold and its buyer has the money back, so it gets none."
    OrderCompleted "order_completed" CONFLICT "The order has been paid and stands."
    OrderCancelled "order_cancelled" CONFLICT "The order has been cancelled."
    OrderExpired "order_expired" CONFLICT "The time to pay for the order is over."
    PaymentInProgress "payment_in_progress" CONFLICT "A payment for the order is under way."
    PaymentDecided "payment_decided" CONFLICT "The payment is decided, so it cannot be given up."
    InUse "in_use" CONFLICT "Something hangs on it, so it can't be deleted."
    ShowOver "show_over" CONFLICT "The show is over, or has begun where tickets of it are sold."
    ShowCancelled "show_cancelled" CONFLICT "The show was cancelled."
    ShowPostponed "show_postponed" CONFLICT "The show was postponed: nothing is sold until operators set its new date."
    EmailInUse "email_in_use" CONFLICT "An account with this email exists."
    TooManyTokens "too_many_tokens" CONFLICT "The account has as many API tokens as it may."
    IdempotencyInProgress "idempotency_in_progress" CONFLICT "The first request with this idempotency key has not been answered yet."
    PreconditionFailed "precondition_failed" PRECONDITION_FAILED "The resource is not at a version that `if-match` names."
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE "The body is larger than the server accepts."
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "A body must be uncompressed JSON with `content-type: application/json`, or a picture or a pass of a kind that is taken."
    Unprocessable "unprocessable" UNPROCESSABLE_ENTITY "The request is well formed and cannot be carried out."
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "This idempotency key has been used for another request."
    TooManyRequests "too_many_requests" TOO_MANY_REQUESTS "Too many attempts; `retry-after` says when the next one is welcome."
    TooManyHolds "too_many_holds" TOO_MANY_REQUESTS "The user holds as many unpaid orders as one user may, or has let go of this ticket too often to lock it again before `retry-after`."
    Internal "internal" INTERNAL_SERVER_ERROR "The server failed; the request id finds the cause in its log."
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The server cannot answer now; try again after `retry-after` seconds."
}

/// The name of a status: `Conflict`.
pub fn title_of(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

impl Code {
    /// The code as it stands in a path: `ticket-locked`.
    pub fn slug(self) -> String {
        self.name().replace('_', "-")
    }

    /// The `type` of a problem with this code, relative to the server.
    pub fn type_reference(self) -> String {
        format!("/errors/{}", self.slug())
    }

    /// The name of the status: `Conflict`.
    pub fn title(self) -> &'static str {
        title_of(self.status())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_in_snake_case() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(code.meaning().ends_with('.'), "{code:?}");
        }
    }
}
