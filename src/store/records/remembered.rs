//! What idempotency keys led to.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};

use crate::domain::{Remembered, UserId};
use crate::store::records::entries::{Entry, Indexed};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::parts::{Id, millis, time};

/// A used key as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredRemembered<'a> {
    #[n(0)]
    user: Id,
    #[b(1)]
    key: &'a str,
    /// 16 bytes, as an id.
    #[n(2)]
    fingerprint: Id,
    #[n(3)]
    expires_at: i64,
    #[n(4)]
    is_final: bool,
    /// Whatever the edge wrote.
    #[b(5)]
    answer: &'a ByteSlice,
}

impl<'a> From<&'a Remembered> for StoredRemembered<'a> {
    fn from(remembered: &'a Remembered) -> Self {
        Self {
            user: Id(remembered.user.as_u128()),
            key: &remembered.key,
            fingerprint: Id(u128::from_be_bytes(remembered.fingerprint)),
            expires_at: millis(remembered.expires_at),
            is_final: remembered.is_final,
            answer: remembered.answer.as_slice().into(),
        }
    }
}

impl Record for Remembered {
    const KIND: Kind = Kind { table: "idempotency", tag: 6, version: 1 };
    type Stored<'a> = StoredRemembered<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredRemembered<'_> = body(bytes)?;
        Ok(Self {
            user: UserId::from_u128(stored.user.0),
            key: stored.key.to_owned(),
            fingerprint: stored.fingerprint.0.to_be_bytes(),
            expires_at: time(stored.expires_at),
            is_final: stored.is_final,
            answer: stored.answer.to_vec(),
        })
    }
}

/// The key of the row.
pub fn key(remembered: &Remembered) -> (u128, &str) {
    (remembered.user.as_u128(), remembered.key.as_str())
}

impl Indexed for Remembered {
    fn entries(&self) -> Vec<Entry<'_>> {
        let (user, key) = key(self);
        vec![Entry::KeyExpiry { at: self.expires_at.as_millis(), user, key: key.into() }]
    }
}
