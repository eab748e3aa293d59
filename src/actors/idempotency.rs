//! The idempotency key of a request, on its way into the commit of what the request leads to.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Remembered, Timestamp, UserId, Write};

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
    pub fn remember(&self, answer: Vec<u8>) -> Write {
        self.write(answer, true)
    }

    fn write(&self, answer: Vec<u8>, is_final: bool) -> Write {
        Write::Remember(Box::new(Remembered {
            user: self.user,
            key: self.key.clone(),
            fingerprint: self.fingerprint,
            expires_at: self.expires_at,
            is_final,
            answer,
        }))
    }
}

/// A key with how to write down what it leads to, which only whoever answers knows: its bytes
/// mean nothing here.
#[derive(Clone)]
pub struct KeyFor<T> {
    key: IdempotencyKey,
    is_final: bool,
    write_down: WriteDown<T>,
}

type WriteDown<T> = Arc<dyn Fn(&T) -> Vec<u8> + Send + Sync>;

impl<T> KeyFor<T> {
    /// A key whose answer is known as soon as there is a `T`.
    pub fn answered(
        key: IdempotencyKey,
        write_down: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self { key, is_final: true, write_down: Arc::new(write_down) }
    }

    /// A key under which a `T` is begun. How it ends is remembered later, in the place of this.
    pub fn begun(
        key: IdempotencyKey,
        write_down: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self { key, is_final: false, write_down: Arc::new(write_down) }
    }

    /// The write that remembers what the key led to.
    pub fn remember(&self, outcome: &T) -> Write {
        self.key.write((self.write_down)(outcome), self.is_final)
    }
}

impl<T> fmt::Debug for KeyFor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}
