//! Accounts and sessions. An account is changed too rarely to need an actor: those who change one at
//! the same time meet in the store, and one of them always gets through.

use tokio::time::Instant;

use super::Marketplace;
use crate::actors::context::Committed;
use crate::actors::error::MarketError;
use crate::actors::retry::Retry;
use crate::domain::{
    Commit, Email, Event, Precondition, Session, SessionId, Timestamp, User, UserId, UserView,
    Write,
};

impl Marketplace {
    /// Makes an account and signs it in.
    ///
    /// # Errors
    ///
    /// [`crate::store::Refusal::EmailInUse`] if another account has the address.
    pub async fn sign_up(
        &self,
        email: Email,
        password_hash: String,
        session: SessionId,
        expires_at: Timestamp,
    ) -> Result<User, MarketError> {
        let now = self.now();
        let user =
            User::new(UserId::from_u128(self.parts.context.ids.mint()), email, password_hash, now);
        let commit = Commit::at(now)
            .write(Write::User(user.clone()))
            .write(Write::OpenSession(Session { user: user.id, id: session, expires_at }))
            .event(Event::UserCreated(user.told()));
        self.commit_new(commit).await?;
        Ok(user)
    }

    /// Signs an account in whose password was compared with `verified`.
    ///
    /// # Errors
    ///
    /// [`MarketError::PasswordChanged`] if the account has another password by now: whoever
    /// knew the old one must not get a session that outlives it.
    pub async fn open_session(
        &self,
        verified: &User,
        session: SessionId,
        expires_at: Timestamp,
    ) -> Result<(), MarketError> {
        let open = |user: &User| {
            let opened = Session { user: user.id, id: session, expires_at };
            let is_as_compared = Precondition::UserAt { user: user.id, version: user.version };
            let commit = Commit::at(self.now());
            (commit.write(Write::OpenSession(opened)).require(is_as_compared), ())
        };
        self.decide_until_written(verified, open).await
    }

    /// Has `decide` decide about the account as it is, again whenever another was faster, as long as
    /// it has the password that was compared.
    async fn decide_until_written<T>(
        &self,
        verified: &User,
        decide: impl Fn(&User) -> (Commit, T),
    ) -> Result<T, MarketError> {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        let mut user = verified.clone();
        loop {
            let (commit, answer) = decide(&user);
            match context.commit(commit).await? {
                Committed::Durable => return Ok(answer),
                Committed::Conflict => {
                    retry.pause(&*context.entropy).await?;
                    user = self.same_password(verified).await?;
                }
            }
        }
    }

    /// The account as it is now, if its password is still the one that was compared.
    async fn same_password(&self, verified: &User) -> Result<User, MarketError> {
        let user =
            self.parts.context.store.user(verified.id).await?.ok_or(MarketError::NotFound)?;
        if user.password_hash == verified.password_hash {
            Ok(user)
        } else {
            Err(MarketError::PasswordChanged)
        }
    }

    /// Signs one session out. One that has ended already is none of our concern.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<(), MarketError> {
        self.commit_new(Commit::at(self.now()).write(Write::EndSession { user, session })).await
    }

    /// Changes the address, the password or both of an account whose password was compared with
    /// `verified`. A new password ends every session but `session`.
    ///
    /// # Errors
    ///
    /// [`crate::store::Refusal::EmailInUse`] if another account has the address,
    /// [`MarketError::PasswordChanged`] if the account has another password by now.
    pub async fn change_account(
        &self,
        verified: &User,
        session: SessionId,
        email: Option<Email>,
        password_hash: Option<String>,
    ) -> Result<UserView, MarketError> {
        let change = |user: &User| {
            let ends_sessions = password_hash
                .is_some()
                .then_some(Write::EndOtherSessions { user: user.id, except: session });
            let after = user.changed(email.clone(), password_hash.clone());
            let commit = Commit::at(self.now())
                .write(Write::User(after.clone()))
                .write_if(ends_sessions)
                .event(Event::UserUpdated(after.told()));
            (commit, after.view())
        };
        self.decide_until_written(verified, change).await
    }

    /// Replaces a hash that was made with outdated parameters, and returns the account as it is
    /// then. Nobody sees a difference, so there is no event; if the account changed meanwhile,
    /// the next sign-in tries again.
    pub async fn upgrade_hash(
        &self,
        user: &User,
        password_hash: String,
    ) -> Result<User, MarketError> {
        let after = user.changed(None, Some(password_hash));
        let commit = Commit::at(self.now()).write(Write::User(after.clone()));
        Ok(match self.parts.context.commit(commit).await? {
            Committed::Durable => after,
            Committed::Conflict => user.clone(),
        })
    }
}
