//! Links that are sent by mail: whoever opens one has shown that the address is theirs.
//!
//! An account has one link of each purpose at most, and a new one ends the one before. Its row stays when
//! it has been used, so that the numbers of links, which messages are named after, never come again.
//!
//! ```text
//!          sent               sent again: the one before is good for nothing
//!  none ─────────▶ open ──▶ open
//!                   │ used, once and in time
//!                   ▼
//!                 spent ──▶ open, when another is sent
//! ```
//!
//! What is kept of a link is a hash of its secret and of what it is about, such as the address that it went
//! to. So a link is good for nothing once that has changed, and nobody has to remember to end it.

use std::time::Duration;

use super::resource::{NoList, Resource};
use super::{SealedSecret, Timestamp, User, UserId, Version};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPurpose {
    /// To show that the account's address is theirs.
    Verification,
    /// To choose another password.
    Reset,
}

impl LinkPurpose {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Verification, Self::Reset];

    /// The number it is stored under.
    pub fn code(self) -> u8 {
        match self {
            Self::Verification => 1,
            Self::Reset => 2,
        }
    }

    /// How long a link is good.
    pub fn lasts(self) -> Duration {
        match self {
            Self::Verification => Duration::from_secs(24 * 3600),
            Self::Reset => Duration::from_secs(3600),
        }
    }
}

/// What is kept of a link's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkHash(pub [u8; 32]);

/// Which of an account's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkId {
    /// Whose.
    pub user: UserId,
    /// What for.
    pub purpose: LinkPurpose,
}

/// The latest link of an account and a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Whose it is, and what for.
    pub id: LinkId,
    /// By which it is known again; nothing once it was used.
    pub hash: Option<LinkHash>,
    /// From then on it is good for nothing.
    pub expires_at: Timestamp,
    /// Rises by one with every change.
    pub version: Version,
}

/// Why a link does nothing. Which of the reasons it is, is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link was used, has expired, or never was one")]
pub struct LinkInvalid;

impl Link {
    /// A new link in place of the one before.
    pub fn sent(before: Option<&Self>, id: LinkId, hash: LinkHash, now: Timestamp) -> Self {
        let version = before.map_or(Version::FIRST, |before| before.version.next());
        Self { id, hash: Some(hash), expires_at: now.plus(id.purpose.lasts()), version }
    }

    /// Whether somebody may still use it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.hash.is_some() && now < self.expires_at
    }

    /// The link after somebody has used it who knows its secret.
    ///
    /// # Errors
    ///
    /// [`LinkInvalid`] if it is not that link's secret, or the link is not good any more.
    pub fn used(&self, shown: &LinkHash, now: Timestamp) -> Result<Self, LinkInvalid> {
        let is_good = self.is_open(now) && self.hash.as_ref() == Some(shown);
        let after = Self { hash: None, version: self.version.next(), ..self.clone() };
        is_good.then_some(after).ok_or(LinkInvalid)
    }
}

impl Resource for Link {
    type Id = LinkId;
    type List = NoList;

    fn id(&self) -> LinkId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// Makes the secrets of links.
pub trait LinkSecrets: Send + Sync + 'static {
    /// A new one: what is kept of it, and itself, sealed until it is sent. `None` if it can't be
    /// sealed, which would be a bug.
    fn make(&self, purpose: LinkPurpose, user: &User) -> Option<(LinkHash, SealedSecret)>;

    /// What the link ends in whose secret that is; `None` if it can't be opened.
    fn token(&self, user: UserId, sealed: &SealedSecret) -> Option<String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const ID: LinkId = LinkId { user: UserId::from_u128(1), purpose: LinkPurpose::Reset };
    const HOUR: Duration = Duration::from_secs(3600);

    fn hash(byte: u8) -> LinkHash {
        LinkHash([byte; 32])
    }

    #[test]
    fn a_link_is_used_once_in_its_time_and_by_whoever_has_its_secret() {
        let link = Link::sent(None, ID, hash(1), NOW);
        assert_eq!(link.used(&hash(2), NOW), Err(LinkInvalid));
        assert_eq!(link.used(&hash(1), NOW.plus(HOUR)), Err(LinkInvalid));
        let spent = link.used(&hash(1), NOW).unwrap();
        assert_eq!((spent.hash, spent.version), (None, Version::FIRST.next()));
        assert_eq!(spent.used(&hash(1), NOW), Err(LinkInvalid));
    }

    #[test]
    fn only_the_newest_link_is_good_and_no_number_comes_again() {
        let first = Link::sent(None, ID, hash(1), NOW);
        let second = Link::sent(Some(&first), ID, hash(2), NOW);
        assert_eq!(second.used(&hash(1), NOW), Err(LinkInvalid));
        let spent = second.used(&hash(2), NOW).unwrap();
        let third = Link::sent(Some(&spent), ID, hash(3), NOW);
        assert!(third.is_open(NOW) && third.version > spent.version);
    }
}
