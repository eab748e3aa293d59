//! Links that are sent by mail: to show that an address is one's own, and to choose another password.

use tokio::time::Instant;

use super::Marketplace;
use super::letters::{tell_of_change, with_link};
use crate::actors::context::Committed;
use crate::actors::error::MarketError;
use crate::actors::retry::Retry;
use crate::bugs::{Bug, planted};
use crate::domain::api_token::TOKENS_MAX;
use crate::domain::{
    ApiToken, ApiTokens, Commit, Event, Link, LinkHash, LinkId, LinkPurpose, SessionId, User,
    UserId, Write,
};

/// No session's id, as an exception that excepts nothing.
const NO_SESSION: SessionId = SessionId::from_u128(0);

impl Marketplace {
    /// Sends the link again by which the account's address is verified; nothing if it is already.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] if there is no such account.
    pub async fn send_verification(&self, user: UserId) -> Result<(), MarketError> {
        self.send_link(user, LinkPurpose::Verification).await
    }

    /// Sends a link by which another password can be chosen.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] if there is no such account.
    pub async fn send_reset(&self, user: UserId) -> Result<(), MarketError> {
        self.send_link(user, LinkPurpose::Reset).await
    }

    async fn send_link(&self, user: UserId, purpose: LinkPurpose) -> Result<(), MarketError> {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        loop {
            let user = context.store.user(user).await?.ok_or(MarketError::NotFound)?;
            if purpose == LinkPurpose::Verification && user.email_verified {
                return Ok(());
            }
            let before = context.store.get::<Link>(LinkId { user: user.id, purpose }).await?;
            let commit = with_link(context, Commit::at(self.now()), &user, purpose, before)?;
            match context.commit(commit).await? {
                Committed::Durable => return Ok(()),
                Committed::Conflict => retry.pause(&*context.entropy).await?,
            }
        }
    }

    /// Notes that the account's address is its owner's, who has shown a link's secret: `hash` is what
    /// is kept of it if it is one of the account as given.
    ///
    /// # Errors
    ///
    /// [`MarketError::Link`] if it is not a good link.
    pub async fn verify_address(
        &self,
        user: UserId,
        hash: impl Fn(&User) -> LinkHash,
    ) -> Result<(), MarketError> {
        self.use_link(user, LinkPurpose::Verification, hash, |commit, user| {
            let Some(after) = user.verified() else { return commit };
            commit.write(Write::User(after.clone())).event(Event::UserVerified(after.told()))
        })
        .await
    }

    /// Gives the account another password, for whoever has shown a link's secret. Every session and every
    /// API token of it ends; a second factor stays.
    ///
    /// # Errors
    ///
    /// [`MarketError::Link`] if it is not a good link.
    pub async fn reset_password(
        &self,
        user: UserId,
        hash: impl Fn(&User) -> LinkHash,
        password_hash: String,
    ) -> Result<(), MarketError> {
        self.use_link(user, LinkPurpose::Reset, hash, |commit, user| {
            let after = user.changed(None, Some(password_hash.clone()));
            let commit = commit
                .write(Write::User(after.clone()))
                .write(Write::EndOtherSessions { user: user.id, except: NO_SESSION })
                .event(Event::UserUpdated(after.told()));
            tell_of_change(commit, user, &after)
        })
        .await
    }

    /// Whether a link is good as things are.
    ///
    /// # Errors
    ///
    /// [`MarketError::Link`] if it is not.
    pub async fn check_link(
        &self,
        user: UserId,
        purpose: LinkPurpose,
        hash: impl Fn(&User) -> LinkHash,
    ) -> Result<User, MarketError> {
        self.good_link(user, purpose, &hash).await.map(|(user, _)| user)
    }

    /// An account with its link, used up, if that is good as things are.
    async fn good_link(
        &self,
        user: UserId,
        purpose: LinkPurpose,
        hash: &impl Fn(&User) -> LinkHash,
    ) -> Result<(User, Link), MarketError> {
        let store = &self.parts.context.store;
        let user = store.user(user).await?.ok_or(MarketError::Link)?;
        let link = store.get::<Link>(LinkId { user: user.id, purpose }).await?;
        let link = link.ok_or(MarketError::Link)?;
        let used = link.used(&hash(&user), self.now()).map_err(|_| MarketError::Link)?;
        Ok((user, used))
    }

    /// Uses a link up together with what follows from that, again whenever another was faster. With a
    /// reset the account's API tokens end.
    async fn use_link(
        &self,
        user: UserId,
        purpose: LinkPurpose,
        hash: impl Fn(&User) -> LinkHash,
        follow: impl Fn(Commit, &User) -> Commit,
    ) -> Result<(), MarketError> {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        loop {
            let (user, used) = self.good_link(user, purpose, &hash).await?;
            let used = (!planted(Bug::ReusedLink)).then_some(used);
            let commit = Commit::at(self.now()).put_if(used);
            let commit = match purpose {
                LinkPurpose::Reset => revoked(commit, self.tokens(user.id).await?),
                LinkPurpose::Verification => commit,
            };
            match context.commit(follow(commit, &user)).await? {
                Committed::Durable => return Ok(()),
                Committed::Conflict => retry.pause(&*context.entropy).await?,
            }
        }
    }

    /// All API tokens of an account.
    pub(super) async fn tokens(&self, user: UserId) -> Result<Vec<ApiToken>, MarketError> {
        let most = usize::try_from(TOKENS_MAX).unwrap_or(usize::MAX);
        let store = &self.parts.context.store;
        let tokens = store.list::<ApiToken>(ApiTokens::Of(user), None, most).await?;
        Ok(tokens.into_iter().map(|(_, token)| token).collect())
    }
}

/// Ends API tokens.
pub(super) fn revoked(commit: Commit, tokens: Vec<ApiToken>) -> Commit {
    tokens.into_iter().fold(commit, |commit, token| {
        let event = Event::TokenRevoked(token.told());
        commit.delete(token).event(event)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::actors::marketplace::Outgoing;
    use crate::actors::testing::{PlainLinks, context};
    use crate::domain::Email;
    use crate::mail::texts::{Language, Site};
    use crate::mail::{Letter, SendError, Transport};
    use crate::payments::Sandbox;

    struct Nobody;

    #[async_trait]
    impl Transport for Nobody {
        fn describe(&self) -> String {
            "nobody".to_owned()
        }

        async fn send(&self, _: &Letter) -> Result<(), SendError> {
            Ok(())
        }
    }

    async fn is_good_twice() -> bool {
        let context = context(Duration::from_secs(5));
        let site = Site { origin: String::new(), language: Language::English };
        let links = context.links.clone();
        let blobs = Arc::new(crate::blobs::MemoryBlobs::default());
        let outgoing = Outgoing { transport: Arc::new(Nobody), site, links, blobs };
        let gateway = Arc::new(Sandbox::default());
        let (store, clock, entropy) =
            (context.store.clone(), context.clock.clone(), context.entropy.clone());
        let started = Marketplace::start(
            store,
            clock,
            entropy,
            gateway,
            outgoing,
            context.settings.clone(),
            None,
        );
        let market = started.await.unwrap();
        let email = Email::parse("ana@example.com").unwrap();
        let (user, _) = market.sign_up(email, "hash".to_owned(), None).await.unwrap();
        let reset =
            |password: &str| market.reset_password(user.id, PlainLinks::hash, password.to_owned());
        assert_eq!(reset("none").await, Err(MarketError::Link), "none was asked for");
        market.send_link(user.id, LinkPurpose::Reset).await.unwrap();
        reset("one").await.unwrap();
        reset("another").await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_is_good_once() {
        assert!(!is_good_twice().await);
    }

    #[cfg(feature = "deliberate-bugs")]
    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_good_twice_is_missed() {
        crate::bugs::plant(Some(Bug::ReusedLink));
        let is_good_twice = is_good_twice().await;
        crate::bugs::plant(None);
        assert!(is_good_twice, "the test above sees it");
    }
}
