//! Accounts and sessions. An account is changed too rarely to need an actor: those who change one at
//! the same time meet in the store, and one of them always gets through.

use tokio::time::Instant;

use super::Marketplace;
use super::letters::{tell_of_change, with_link};
use crate::actors::context::Committed;
use crate::actors::error::MarketError;
use crate::actors::retry::Retry;
use crate::domain::{
    ClientName, Commit, Email, Event, FactorRejection, Kept, Link, LinkId, LinkPurpose, Mail,
    MailId, Notice, Precondition, Proof, SecondFactor, Session, SessionId, User, UserId, UserView,
    Write,
};

/// From where somebody signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where they have before, or it need not be told.
    Known,
    /// From somewhere else, of which they are told.
    New,
}

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
        client: Option<ClientName>,
    ) -> Result<(User, SessionId), MarketError> {
        let now = self.now();
        let user =
            User::new(UserId::from_u128(self.parts.context.ids.mint()), email, password_hash, now);
        let session = self.new_session(&user, client);
        let id = session.id;
        let commit = Commit::at(now)
            .write(Write::User(user.clone()))
            .write(Write::OpenSession(session))
            .event(Event::UserCreated(user.told()));
        let context = &self.parts.context;
        let commit = with_link(context, commit, &user, LinkPurpose::Verification, None)?;
        self.commit_new(commit).await?;
        Ok((user, id))
    }

    fn new_session(&self, user: &User, client: Option<ClientName>) -> Session {
        let id = SessionId::from_u128(self.parts.context.ids.mint());
        self.settings().sessions.begin(user, id, client, self.now())
    }

    /// Signs an account in whose password was compared with `verified`, and uses up what was shown of
    /// its second factor. If it has more sessions than it may have then, the oldest end.
    ///
    /// # Errors
    ///
    /// [`MarketError::SecondFactor`] if that is not satisfied by now;
    /// [`MarketError::PasswordChanged`] if the account has another password by now: whoever
    /// knew the old one must not get a session that outlives it.
    pub async fn open_session(
        &self,
        verified: &User,
        proof: Option<Proof>,
        client: Option<ClientName>,
        place: Place,
    ) -> Result<SessionId, MarketError> {
        let session = self.new_session(verified, client);
        let notice = (place == Place::New).then(|| {
            let (notice, about) = (Notice::NewDevice, session.id.as_u128());
            Mail::due(MailId { notice, about, number: 0 }, verified.id, session.created_at)
        });
        let open = |user: &User, factor: Option<SecondFactor>| {
            let is_as_compared = Precondition::UserAt { user: user.id, version: user.version };
            let commit = Commit::at(self.now()).write(Write::OpenSession(session.clone()));
            let commit = commit.require(is_as_compared).put_if(notice.clone());
            if !user.totp {
                return Ok((commit, session.id));
            }
            let proof = proof.as_ref().ok_or(FactorRejection::Required)?;
            let factor = factor.ok_or(FactorRejection::Invalid)?;
            Ok((commit.put(factor.proven(proof)?), session.id))
        };
        let opened = self.decide_beside(verified, verified.id, open).await?;
        self.end_surplus(verified.id).await?;
        Ok(opened)
    }

    /// Looked at once the new session is written: of those who sign in at the same time the last one
    /// sees all the others.
    async fn end_surplus(&self, user: UserId) -> Result<(), MarketError> {
        let sessions = self.parts.context.store.sessions(user).await?;
        let surplus = self.settings().sessions.surplus(sessions, self.now());
        if surplus.is_empty() {
            return Ok(());
        }
        let end = |commit: Commit, session| commit.write(Write::EndSession { user, session });
        self.commit_new(surplus.into_iter().fold(Commit::at(self.now()), end)).await
    }

    /// Notes that a session is used, now and then. Nobody waits for it, and if it fails the session
    /// is noted at its next use.
    pub fn see_session(&self, session: &Session) {
        let now = self.now();
        if !self.settings().sessions.is_worth_noting(session, now) {
            return;
        }
        let (user, id, before) = (session.user, session.id, session.last_seen_at);
        let seen = Commit::at(now).write(Write::SeeSession { user, session: id, before, at: now });
        let context = self.parts.context.clone();
        tokio::spawn(async move {
            // A conflict means that another request was faster, or that the session has ended.
            if let Err(error) = context.commit(seen).await {
                tracing::debug!(%user, %error, "the use of a session was not noted");
            }
        });
    }

    /// Has `decide` decide about the account as it is, again whenever another was faster, as long as
    /// it has the password that was compared.
    pub(super) async fn decide_until_written<T>(
        &self,
        verified: &User,
        decide: impl Fn(&User) -> Result<(Commit, T), MarketError>,
    ) -> Result<T, MarketError> {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        let mut user = verified.clone();
        loop {
            let (commit, answer) = decide(&user)?;
            match context.commit(commit).await? {
                Committed::Durable => return Ok(answer),
                Committed::Conflict => {
                    retry.pause(&*context.entropy).await?;
                    user = self.same_password(verified).await?;
                }
            }
        }
    }

    /// The same about the account and something that is kept beside it, such as its second factor.
    pub(super) async fn decide_beside<R: Kept, T>(
        &self,
        verified: &User,
        id: R::Id,
        decide: impl Fn(&User, Option<R>) -> Result<(Commit, T), MarketError>,
    ) -> Result<T, MarketError>
    where
        R::Id: Copy,
    {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        let mut user = verified.clone();
        loop {
            let beside = context.store.get::<R>(id).await?;
            let (commit, answer) = decide(&user, beside)?;
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
    pub(super) async fn same_password(&self, verified: &User) -> Result<User, MarketError> {
        let user =
            self.parts.context.store.user(verified.id).await?.ok_or(MarketError::NotFound)?;
        if user.password_hash == verified.password_hash {
            Ok(user)
        } else {
            Err(MarketError::PasswordChanged)
        }
    }

    /// Ends one session. One that has ended already is none of our concern.
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
        let change = |user: &User, link: Option<Link>| {
            let ends_sessions = password_hash
                .is_some()
                .then_some(Write::EndOtherSessions { user: user.id, except: session });
            let after = user.changed(email.clone(), password_hash.clone());
            let commit = Commit::at(self.now())
                .write(Write::User(after.clone()))
                .write_if(ends_sessions)
                .event(Event::UserUpdated(after.told()));
            let commit = tell_of_change(commit, user, &after);
            if user.email.key() == after.email.key() {
                return Ok((commit, after.view()));
            }
            let context = &self.parts.context;
            let commit = with_link(context, commit, &after, LinkPurpose::Verification, link)?;
            Ok((commit, after.view()))
        };
        let link = LinkId { user: verified.id, purpose: LinkPurpose::Verification };
        self.decide_beside(verified, link, change).await
    }

    /// Replaces a hash that was made with outdated parameters, and returns the account as it is
    /// then. Nobody sees a difference but in the version, of which the log tells every one; if the
    /// account changed meanwhile, the next sign-in tries again.
    pub async fn upgrade_hash(
        &self,
        user: &User,
        password_hash: String,
    ) -> Result<User, MarketError> {
        let after = user.changed(None, Some(password_hash));
        let commit = Commit::at(self.now())
            .write(Write::User(after.clone()))
            .event(Event::UserUpdated(after.told()));
        Ok(match self.parts.context.commit(commit).await? {
            Committed::Durable => after,
            Committed::Conflict => user.clone(),
        })
    }
}
