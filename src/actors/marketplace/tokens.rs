//! API tokens. Like accounts they change too rarely to need an actor.

use tokio::time::Instant;

use super::Marketplace;
use crate::actors::context::Committed;
use crate::actors::error::MarketError;
use crate::actors::retry::Retry;
use crate::domain::api_token::TOKENS_MAX;
use crate::domain::{
    ApiToken, ApiTokens, Commit, Event, Kept as _, Precondition, TokenHash, TokenId, TokenName,
    User, UserId,
};

impl Marketplace {
    /// Makes a token for an account whose password was compared with `verified`.
    ///
    /// # Errors
    ///
    /// [`crate::store::Refusal::TooManyTokens`] if the account has as many as it may,
    /// [`MarketError::PasswordChanged`] if it has another password by now.
    pub async fn create_token(
        &self,
        verified: &User,
        name: TokenName,
        hash: TokenHash,
    ) -> Result<ApiToken, MarketError> {
        let id = TokenId::from_u128(self.parts.context.ids.mint());
        let token = ApiToken::new(id, verified.id, name, hash, self.now());
        let list = ApiToken::any_list(ApiTokens::Of(verified.id));
        let create = |user: &User| {
            let is_as_compared = Precondition::UserAt { user: user.id, version: user.version };
            let commit = Commit::at(token.created_at)
                .put(token.clone())
                .require(is_as_compared)
                .require(Precondition::Fewer { list: list.clone(), than: TOKENS_MAX })
                .event(Event::TokenCreated(token.told()));
            Ok((commit, token.clone()))
        };
        self.decide_until_written(verified, create).await
    }

    /// Ends a token of the user's.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] if the user has no such token.
    pub async fn revoke_token(&self, user: UserId, id: TokenId) -> Result<(), MarketError> {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        loop {
            let token: Option<ApiToken> = context.store.get(id).await?;
            let token = token.filter(|token| token.user == user).ok_or(MarketError::NotFound)?;
            let event = Event::TokenRevoked(token.told());
            match context.commit(Commit::at(self.now()).delete(token).event(event)).await? {
                Committed::Durable => return Ok(()),
                // It was used meanwhile, or somebody else ends it too.
                Committed::Conflict => retry.pause(&*context.entropy).await?,
            }
        }
    }

    /// Notes that a token is used, now and then. Nobody waits for it, and if it fails it is noted at
    /// the next use.
    pub fn see_token(&self, token: &ApiToken) {
        let Some(used) = token.used(self.now()) else { return };
        let (id, seen) = (token.id, Commit::at(self.now()).put(used));
        let context = self.parts.context.clone();
        tokio::spawn(async move {
            // A conflict means that another request was faster, or that the token has ended.
            if let Err(error) = context.commit(seen).await {
                tracing::debug!(token = %id, %error, "the use of a token was not noted");
            }
        });
    }
}
