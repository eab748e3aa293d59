//! What a password is in a request, and the proof of it that changes of credentials ask for.

use std::net::IpAddr;

use secrecy::SecretString;
use unicode_normalization::UnicodeNormalization;

use super::edge::codes::Code;
use super::edge::fields::{FieldValue, Given, Refused};
use super::edge::problem::{FieldError, Problem};
use super::state::ApiState;
use crate::auth::{Attempt, Standing};
use crate::domain::User;

/// Longer passwords than any account has are not worth the work of comparing them.
const PASSWORD_MAX_BYTES: usize = 4 * 128;

/// A password that is to be compared, not kept: any that was given will do.
pub struct GivenPassword(pub SecretString);

impl FieldValue for GivenPassword {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let text = given.text().filter(|text| !text.is_empty());
        let text = text.ok_or("You must supply a password")?;
        // However its letters were composed: see `NewPassword`.
        let composed = || text.nfkc().map(char::len_utf8).sum::<usize>();
        if text.len() > PASSWORD_MAX_BYTES && composed() > PASSWORD_MAX_BYTES {
            return Err("Password must be at most 128 characters".into());
        }
        Ok(Self(SecretString::from(text)))
    }
}

/// Counts an attempt of somebody who is signed in. It counts as a wrong guess unless it is given
/// back.
pub fn attempt<'s>(
    state: &'s ApiState,
    user: &User,
    address: IpAddr,
) -> Result<Attempt<'s>, Problem> {
    let now = state.market.now();
    Ok(state.throttle.attempt(user.email.key().as_str(), address, Standing::Known, now)?)
}

/// Compares the password that somebody who is signed in gives again. Wrong ones count as guesses.
pub async fn prove_password(
    state: &ApiState,
    user: &User,
    address: IpAddr,
    GivenPassword(given): GivenPassword,
) -> Result<(), Problem> {
    let attempt = attempt(state, user, address)?;
    let verdict = state.passwords.verify(given, Some(user.password_hash.clone()), address).await;
    if verdict.as_ref().is_ok_and(|verdict| !verdict.ok) {
        return Err(wrong_password());
    }
    attempt.give_back();
    verdict?;
    Ok(())
}

/// The refusal of a wrong current password.
pub fn wrong_password() -> Problem {
    let wrong = FieldError::on("currentPassword", "The current password is wrong.");
    Problem::new(Code::WrongPassword, wrong.message.clone()).errors(vec![wrong])
}
