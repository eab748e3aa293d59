//! What keeps a commit from being written, and what a panic said.

use crate::store::{CommitError, ReadError, Refusal};

/// The database failed, and nothing of the transaction may be kept.
#[derive(Debug)]
pub struct Failed(pub String);

macro_rules! failures {
    ($($error:ty),+) => {
        $(impl From<$error> for Failed {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        })+
    };
}

failures!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::SetDurabilityError,
    redb::CommitError,
    std::io::Error
);

/// Why a commit is not written.
pub enum Stop {
    /// This one is refused; the others of its transaction go on.
    Refused(CommitError),
    /// None of the transaction is written.
    Failed(Failed),
}

impl<E: Into<Failed>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(why) | ReadError::Unavailable(why) => Self::Failed(Failed(why)),
            // The database works, but one row is damaged: that stops those who need the row,
            // and nobody else.
            ReadError::Corrupt(why) => {
                tracing::error!(%why, "a commit met a damaged record");
                Self::Refused(CommitError::Unavailable)
            }
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// What a panic said.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
