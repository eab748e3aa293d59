//! Why the marketplace did not do what it was asked to.

use thiserror::Error;

use super::directory::AskError;
use crate::domain::{
    CatalogRejection, FactorRejection, OrderId, PassRejection, PurchaseRejection, TicketRejection,
    Timestamp,
};
use crate::store::{CommitError, ReadError, Refusal};

/// Every way a request to the marketplace can end without success.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MarketError {
    /// There is no such thing, or not for this user.
    #[error("not found")]
    NotFound,
    /// The ticket refuses.
    #[error(transparent)]
    Ticket(#[from] TicketRejection),
    /// The venue or the show refuses.
    #[error(transparent)]
    Catalog(#[from] CatalogRejection),
    /// A pass is not added or taken away.
    #[error(transparent)]
    Pass(#[from] PassRejection),
    /// The order refuses.
    #[error(transparent)]
    Purchase(#[from] PurchaseRejection),
    /// The ticket is held by another order of the buyer's own.
    #[error("the buyer holds the ticket")]
    OwnHold {
        /// That order.
        order: OrderId,
        /// When the lock ends unless it is paid.
        until: Timestamp,
    },
    /// The buyer has let go of the ticket too often to lock it again already.
    #[error("the buyer has let go of the ticket too often")]
    RelockTooSoon {
        /// From when on they may.
        not_before: Timestamp,
    },
    /// A rule that spans the marketplace forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The account has another password than the one that was compared.
    #[error("the password was changed meanwhile")]
    PasswordChanged,
    /// The account's second factor is not satisfied.
    #[error(transparent)]
    SecondFactor(#[from] FactorRejection),
    /// The link was used, has expired, or never was one.
    #[error("the link is not good")]
    Link,
    /// The gateway does not know the token.
    #[error("the payment token is not known")]
    UnknownToken,
    /// Too much is going on. Nothing was done; trying again is safe.
    #[error("overloaded")]
    Overloaded,
    /// The store does not write, or did not say whether it wrote.
    #[error("the store is not available")]
    Unavailable,
    /// Something is broken. What it is stands in the log, not in the answer.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<AskError> for MarketError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Overloaded => Self::Overloaded,
            AskError::Failed => Self::Internal(error.to_string()),
        }
    }
}

impl From<ReadError> for MarketError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(_) => Self::Unavailable,
            ReadError::Storage(_) | ReadError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<CommitError> for MarketError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refusal) => Self::Refused(refusal),
            CommitError::Overloaded => Self::Overloaded,
            CommitError::Unavailable | CommitError::OutcomeUnknown => Self::Unavailable,
            CommitError::Conflict => Self::Internal(error.to_string()),
        }
    }
}
