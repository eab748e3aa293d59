//! The idempotency key of a request, on its way into the commit of what the request leads to.

use crate::domain::{Answer, Remembered, Timestamp, UserId, Write};

/// An idempotency key that came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who sent it.
    pub user: UserId,
    /// The key itself.
    pub key: String,
    /// A hash of the request.
    pub fingerprint: [u8; 16],
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl IdempotencyKey {
    /// The write that remembers what the key led to.
    pub fn remember(&self, answer: Answer) -> Write {
        Write::Remember(Box::new(Remembered {
            user: self.user,
            key: self.key.clone(),
            fingerprint: self.fingerprint,
            expires_at: self.expires_at,
            answer,
        }))
    }
}
