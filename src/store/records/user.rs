//! Accounts.

use minicbor::{Decode, Encode};

use crate::domain::{Email, User, UserId, Version};
use crate::store::records::entries::{Entry, Indexed};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::parts::{Id, millis, time};

/// An account as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredUser<'a> {
    #[n(0)]
    id: Id,
    #[b(1)]
    email: &'a str,
    #[b(2)]
    password_hash: &'a str,
    #[n(3)]
    version: u64,
    #[n(4)]
    created_at: i64,
    /// Missing from accounts that are not.
    #[n(5)]
    is_keyed_as_spelled: Option<bool>,
    /// Missing likewise.
    #[n(6)]
    is_operator: Option<bool>,
    /// Missing where there is none.
    #[n(7)]
    totp: Option<bool>,
    /// Missing where it is not.
    #[n(8)]
    email_verified: Option<bool>,
}

impl<'a> From<&'a User> for StoredUser<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: Id(user.id.as_u128()),
            email: user.email.as_str(),
            password_hash: &user.password_hash,
            version: user.version.number(),
            created_at: millis(user.created_at),
            is_operator: user.is_operator.then_some(true),
            is_keyed_as_spelled: user.is_keyed_as_spelled.then_some(true),
            email_verified: user.email_verified.then_some(true),
            totp: user.totp.then_some(true),
        }
    }
}

impl From<StoredUser<'_>> for User {
    fn from(stored: StoredUser<'_>) -> Self {
        Self {
            id: UserId::from_u128(stored.id.0),
            email: Email::accepted_before(stored.email),
            is_keyed_as_spelled: stored.is_keyed_as_spelled.unwrap_or_default(),
            password_hash: stored.password_hash.to_owned(),
            is_operator: stored.is_operator.unwrap_or_default(),
            version: Version::from_number(stored.version),
            created_at: time(stored.created_at),
            email_verified: stored.email_verified.unwrap_or_default(),
            totp: stored.totp.unwrap_or_default(),
        }
    }
}

impl Record for User {
    const KIND: Kind = Kind { table: "users", tag: 1, version: 1 };
    type Stored<'a> = StoredUser<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        Ok(body::<StoredUser<'_>>(bytes)?.into())
    }
}

impl Indexed for User {
    fn entries(&self) -> Vec<Entry<'_>> {
        vec![Entry::Email { email: self.email_key(), user: self.id.as_u128() }]
    }
}
