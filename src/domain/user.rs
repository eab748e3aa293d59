//! A person with an account.

use super::{Email, EmailKey, Timestamp, UserId, Version};

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Names the account for ever.
    pub id: UserId,
    /// Unique among all accounts, as far as its [`User::email_key`] tells.
    pub email: Email,
    /// Whether it is known by the spelling of its address, for another account owns the address as
    /// addresses are compared by now. Only accounts of early releases are.
    pub is_keyed_as_spelled: bool,
    /// The password's argon2id hash as a PHC string. Never shown, never logged.
    pub password_hash: String,
    /// Whether it is an operator's, who looks after the market.
    pub is_operator: bool,
    /// Rises by one with every change.
    pub version: Version,
    /// When the account was made.
    pub created_at: Timestamp,
    /// Whether whoever has the account has shown that the address is theirs.
    pub email_verified: bool,
    /// Whether signing in takes a [second factor](super::SecondFactor).
    pub totp: bool,
}

impl User {
    /// A new account.
    pub fn new(id: UserId, email: Email, password_hash: String, now: Timestamp) -> Self {
        Self {
            id,
            email,
            is_keyed_as_spelled: false,
            password_hash,
            is_operator: false,
            version: Version::FIRST,
            created_at: now,
            email_verified: false,
            totp: false,
        }
    }

    /// What no other account has, and the account is found by.
    pub fn email_key(&self) -> EmailKey {
        let spelled = self.email.key_as_spelled().filter(|_| self.is_keyed_as_spelled);
        spelled.unwrap_or_else(|| self.email.key())
    }

    /// The account with another address, another password, or both.
    #[must_use]
    pub fn changed(&self, email: Option<Email>, password_hash: Option<String>) -> Self {
        let is_same = email.as_ref().is_none_or(|email| email.key() == self.email.key());
        Self {
            is_keyed_as_spelled: self.is_keyed_as_spelled
                && email
                    .as_ref()
                    .is_none_or(|email| email.key_as_spelled() == self.email.key_as_spelled()),
            email_verified: self.email_verified && is_same,
            email: email.unwrap_or_else(|| self.email.clone()),
            password_hash: password_hash.unwrap_or_else(|| self.password_hash.clone()),
            version: self.version.next(),
            ..self.clone()
        }
    }

    /// The account as an operator's, or as nobody's but its owner's; `None` if it is that already.
    pub fn with_operator(&self, is_operator: bool) -> Option<Self> {
        let after = Self { is_operator, version: self.version.next(), ..self.clone() };
        (self.is_operator != is_operator).then_some(after)
    }

    /// The account whose address is known to be its owner's; `None` if it is that already.
    pub fn verified(&self) -> Option<Self> {
        let after = Self { email_verified: true, version: self.version.next(), ..self.clone() };
        (!self.email_verified).then_some(after)
    }

    /// The account with a second factor, or without.
    #[must_use]
    pub fn with_totp(&self, totp: bool) -> Self {
        Self { totp, version: self.version.next(), ..self.clone() }
    }

    /// What others may know of the account.
    pub fn view(&self) -> UserView {
        UserView { id: self.id, email: self.email.clone(), is_operator: self.is_operator }
    }
}

impl User {
    /// What the log tells of the account.
    pub fn told(&self) -> UserEvent {
        let Self { id, email_verified, is_operator, version, .. } = *self;
        UserEvent { id, email_verified, is_operator, version }
    }
}

/// What the log tells of an account. The log is kept for ever, so there is nothing in it that names
/// a person: that is in the account's row, which can be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserEvent {
    /// The account.
    pub id: UserId,
    /// Whether it is an operator's now.
    pub is_operator: bool,
    /// Whether its address is known to be theirs.
    pub email_verified: bool,
    /// The version it has now.
    pub version: Version,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("version", &self.version).finish()
    }
}

/// An account without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// Names the account.
    pub id: UserId,
    /// The address as it was entered.
    pub email: Email,
    /// Whether it is an operator's.
    pub is_operator: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).expect("an address")
    }

    #[test]
    fn an_address_stays_verified_as_long_as_it_is_the_same_however_it_is_spelled() {
        let user = User::new(
            UserId::from_u128(1),
            email("ana@example.com"),
            "hash".to_owned(),
            Timestamp::from_millis(1_000),
        );
        let user = User { email_verified: true, ..user };
        assert!(user.changed(None, Some("another".to_owned())).email_verified);
        assert!(user.changed(Some(email("Ana@Example.com")), None).email_verified);
        assert!(!user.changed(Some(email("ben@example.com")), None).email_verified);
        let unknown = User { email_verified: false, ..user };
        assert!(!unknown.changed(None, None).email_verified);
    }
}
