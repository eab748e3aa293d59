//! Who looks after the market.
//!
//! The command line asks the running server; with no server running it does the same on the file, so
//! what it takes is the store and the time.

use super::Marketplace;
use crate::actors::error::MarketError;
use crate::domain::{Email, Operator, Operators, Timestamp, User, operator};
use crate::store::{CommitError, Store};

/// How often a decision is made again because the account changed meanwhile.
const TRIES: usize = 8;
/// The most operators that are listed.
const OPERATORS_MAX: usize = 1000;

/// What becomes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It is an operator's.
    Operator,
    /// It is nobody's but its owner's.
    None,
}

/// Makes an account an operator's, or no longer. Whether anything changed is told.
///
/// # Errors
///
/// [`MarketError::NotFound`] if no account has that address.
pub async fn set_role(
    store: &dyn Store,
    email: &Email,
    role: Role,
    now: Timestamp,
) -> Result<bool, MarketError> {
    for _ in 0..TRIES {
        let user = account_of(store, email).await?.ok_or(MarketError::NotFound)?;
        let commit = match role {
            Role::Operator => operator::grant(&user, now),
            Role::None => operator::revoke(&user, store.get::<Operator>(user.id).await?, now),
        };
        let Some(commit) = commit else { return Ok(false) };
        match store.commit(commit).await {
            Err(CommitError::Conflict) => {}
            done => return Ok(done.map(|()| true)?),
        }
    }
    Err(MarketError::Overloaded)
}

/// Every operator with the account, by account.
///
/// # Errors
///
/// [`MarketError`] if they can't be read.
pub async fn operators(store: &dyn Store) -> Result<Vec<(Operator, User)>, MarketError> {
    let mut all = Vec::new();
    for (_, operator) in store.list::<Operator>(Operators::All, None, OPERATORS_MAX).await? {
        let user = store.user(operator.user).await?;
        all.extend(user.map(|user| (operator, user)));
    }
    Ok(all)
}

/// The account with that address. One that was made when addresses were compared to the letter may be
/// known by its spelling, and whoever enters that spelling means this one.
///
/// # Errors
///
/// [`MarketError`] if it can't be read.
pub async fn account_of(store: &dyn Store, email: &Email) -> Result<Option<User>, MarketError> {
    if let Some(spelled) = email.key_as_spelled()
        && let Some(user) = store.user_by_email(&spelled).await?
    {
        return Ok(Some(user));
    }
    Ok(store.user_by_email(&email.key()).await?)
}

impl Marketplace {
    /// Makes an account an operator's, or no longer. Whether anything changed is told.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] if no account has that address.
    pub async fn set_role(&self, email: &Email, role: Role) -> Result<bool, MarketError> {
        set_role(&*self.parts.context.store, email, role, self.now()).await
    }
}
