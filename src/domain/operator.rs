//! Those who look after the market.
//!
//! That somebody is an operator stands in the account, which says what its owner may do, and in a row
//! here, by which operators are listed. Both change in one commit.

use super::ids::UserId;
use super::resource::Resource;
use super::{Commit, Event, Kept as _, Precondition, Timestamp, User, Version, Write};

/// An operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// Whose account it is.
    pub user: UserId,
    /// Since when.
    pub since: Timestamp,
}

/// The lists of operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operators {
    /// All of them, by account.
    All,
}

impl Resource for Operator {
    type Id = UserId;
    type List = Operators;

    fn id(&self) -> UserId {
        self.user
    }

    /// It never changes: who is made one again has another.
    fn version(&self) -> Version {
        Version::FIRST
    }
}

/// Makes an account an operator's; `None` if it is one already.
pub fn grant(user: &User, now: Timestamp) -> Option<Commit> {
    let after = user.with_operator(true)?;
    let operator = Operator { user: user.id, since: now };
    let event = Event::RoleGranted(after.told());
    Some(Commit::at(now).write(Write::User(after)).put(operator).event(event))
}

/// Makes an account nobody's but its owner's; `None` if it is already. `operator` is its row.
pub fn revoke(user: &User, operator: Option<Operator>, now: Timestamp) -> Option<Commit> {
    let after = user.with_operator(false)?;
    let event = Event::RoleRevoked(after.told());
    let commit = Commit::at(now).write(Write::User(after)).event(event);
    Some(match operator {
        Some(operator) => commit.delete(operator),
        // The row was lost by damage. The account is what counts.
        None => commit
            .require(Precondition::ResourceAt { id: Operator::any_id(user.id), version: None }),
    })
}
