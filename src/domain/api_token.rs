//! API tokens: how programs act for an account, without its password and without a session.

use std::time::Duration;

use super::resource::Resource;
use super::visible::{disturbs_its_line, shows_nothing};
use super::{Timestamp, TokenId, UserId, Version};

/// The most characters a name has.
pub const TOKEN_NAME_MAX_CHARS: usize = 100;
/// How many tokens one account may have.
pub const TOKENS_MAX: u32 = 100;
/// How often the use of a token is written down at most.
const USE_NOTED_EVERY: Duration = Duration::from_secs(300);

/// What a token is called by its owner: 1 to 100 visible characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenNameError {
    /// Nothing that could be seen is in it.
    #[error("Name is required")]
    Blank,
    /// It is longer than [`TOKEN_NAME_MAX_CHARS`].
    #[error("Name must be at most {TOKEN_NAME_MAX_CHARS} characters")]
    TooLong,
    /// It could break or reorder the line it is shown in.
    #[error("Name must not contain control or bidirectional-override characters")]
    Forbidden,
}

impl TokenName {
    /// Trims and checks a name.
    pub fn parse(text: &str) -> Result<Self, TokenNameError> {
        let trimmed = text.trim();
        if shows_nothing(trimmed) {
            return Err(TokenNameError::Blank);
        }
        if trimmed.chars().any(disturbs_its_line) {
            return Err(TokenNameError::Forbidden);
        }
        if trimmed.chars().count() > TOKEN_NAME_MAX_CHARS {
            return Err(TokenNameError::TooLong);
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// A name that was accepted before, perhaps by other rules than today's.
    pub fn accepted_before(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The name as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is kept of a token's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Names the token for ever.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// What its owner calls it.
    pub name: TokenName,
    /// By which the secret is known again.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to within some minutes; `None` if it never was.
    pub last_used_at: Option<Timestamp>,
    /// Rises by one with every change.
    pub version: Version,
}

/// Lists of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiTokens {
    /// A user's, the oldest first.
    Of(UserId),
}

impl ApiToken {
    /// A new token.
    pub fn new(
        id: TokenId,
        user: UserId,
        name: TokenName,
        hash: TokenHash,
        now: Timestamp,
    ) -> Self {
        let (last_used_at, version) = (None, Version::FIRST);
        Self { id, user, name, hash, created_at: now, last_used_at, version }
    }

    /// The token after it was used; nothing if that was written down a short while ago.
    pub fn used(&self, now: Timestamp) -> Option<Self> {
        let is_noted = self.last_used_at.is_some_and(|last| now.since(last) < USE_NOTED_EVERY);
        (!is_noted).then(|| Self {
            last_used_at: Some(now),
            version: self.version.next(),
            ..self.clone()
        })
    }

    /// What the log tells of it.
    pub fn told(&self) -> TokenEvent {
        TokenEvent { id: self.id, user: self.user }
    }
}

/// What the log tells of a token: ids alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenEvent {
    /// The token.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
}

impl Resource for ApiToken {
    type Id = TokenId;
    type List = ApiTokens;

    fn id(&self) -> TokenId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_can_be_seen() {
        let name = |text: &str| TokenName::parse(text).map(|name| name.0);
        assert_eq!(name("  box office "), Ok("box office".to_owned()));
        assert_eq!(name(" \u{115f}"), Err(TokenNameError::Blank));
        assert_eq!(name("a\nb"), Err(TokenNameError::Forbidden));
        assert_eq!(name(&"x".repeat(101)), Err(TokenNameError::TooLong));
        assert_eq!(name(&"é".repeat(100)), Ok("é".repeat(100)));
    }

    #[test]
    fn use_is_written_down_every_five_minutes_at_most() {
        let (id, user) = (TokenId::from_u128(1), UserId::from_u128(2));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let name = TokenName::parse("box office").unwrap();
        let token = ApiToken::new(id, user, name, TokenHash([0; 32]), at(0));
        let used = token.used(at(1)).unwrap();
        assert_eq!((used.last_used_at, used.version), (Some(at(1)), Version::FIRST.next()));
        assert_eq!(used.used(at(300)), None);
        assert_eq!(used.used(at(301)).unwrap().last_used_at, Some(at(301)));
        assert_eq!(used.used(at(-5)), None, "a clock that was set back");
    }
}
