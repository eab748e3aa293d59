//! The second factor of an account: asked for, confirmed, given up.

use super::Marketplace;
use crate::actors::error::MarketError;
use crate::domain::{
    Commit, Event, FactorRejection, Precondition, RecoveryHash, SealedSecret, SecondFactor,
    TotpStep, User, Write,
};

impl Marketplace {
    /// Keeps a secret for an account whose password was compared with `verified`. Nothing of the
    /// account changes before it is confirmed.
    ///
    /// # Errors
    ///
    /// [`MarketError::SecondFactor`] if there is one; [`MarketError::PasswordChanged`] if the account
    /// has another password by now.
    pub async fn begin_totp(
        &self,
        verified: &User,
        secret: SealedSecret,
    ) -> Result<(), MarketError> {
        let begin = |user: &User, factor: Option<SecondFactor>| {
            let after = SecondFactor::offer(factor.as_ref(), user.id, secret.clone())?;
            let is_as_compared = Precondition::UserAt { user: user.id, version: user.version };
            Ok((Commit::at(self.now()).put(after).require(is_as_compared), ()))
        };
        self.decide_beside(verified, verified.id, begin).await
    }

    /// Turns the second factor on whose secret a device has shown a code of.
    ///
    /// # Errors
    ///
    /// [`MarketError::SecondFactor`] if it does not wait to be confirmed any more.
    pub async fn confirm_totp(
        &self,
        known: &User,
        secret: &SealedSecret,
        step: TotpStep,
        recovery: Vec<RecoveryHash>,
    ) -> Result<(), MarketError> {
        let confirm = |user: &User, factor: Option<SecondFactor>| {
            let factor = factor.ok_or(FactorRejection::NotPending)?;
            let on = factor.confirmed(secret, step, recovery.clone())?;
            let user = user.with_totp(true);
            let event = Event::TotpEnabled(user.told());
            Ok((Commit::at(self.now()).put(on).write(Write::User(user)).event(event), ()))
        };
        self.decide_beside(known, known.id, confirm).await
    }

    /// Turns the second factor off. It may be off already.
    ///
    /// # Errors
    ///
    /// [`MarketError::PasswordChanged`] if the account has another password by now.
    pub async fn end_totp(&self, verified: &User) -> Result<(), MarketError> {
        let end = |user: &User, factor: Option<SecondFactor>| {
            let is_on = factor.as_ref().is_some_and(SecondFactor::is_on);
            let commit = Commit::at(self.now()).delete_if(factor);
            if !is_on {
                return Ok((commit, ()));
            }
            let user = user.with_totp(false);
            let event = Event::TotpDisabled(user.told());
            Ok((commit.write(Write::User(user)).event(event), ()))
        };
        self.decide_beside(verified, verified.id, end).await
    }
}
