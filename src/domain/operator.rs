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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Email;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn user() -> User {
        let email = Email::parse("ana@example.com").expect("an address");
        User::new(UserId::from_u128(1), email, "hash".to_owned(), NOW)
    }

    /// The account that a commit writes.
    fn written(commit: &Commit) -> &User {
        match commit.writes.as_slice() {
            [Write::User(user), ..] => user,
            other => panic!("expected an account first, got {other:?}"),
        }
    }

    #[test]
    fn who_is_granted_the_role_has_it_until_it_is_revoked() {
        assert!(revoke(&user(), None, NOW).is_none(), "nobody's role can't be revoked");
        let granted = grant(&user(), NOW).expect("a commit");
        let operator = written(&granted);
        assert!(operator.is_operator && operator.version == user().version.next());
        assert!(matches!(granted.events.as_slice(), [Event::RoleGranted(_)]));
        assert!(grant(operator, NOW).is_none(), "who has it has it once");
        let row = Operator { user: operator.id, since: NOW };
        let revoked = revoke(operator, Some(row), NOW).expect("a commit");
        assert!(!written(&revoked).is_operator);
        assert!(matches!(revoked.events.as_slice(), [Event::RoleRevoked(_)]));
        assert_eq!((revoked.writes.len(), revoked.requires.len()), (2, 0), "and the row goes");
    }

    #[test]
    fn the_role_is_revoked_though_its_row_was_lost() {
        let granted = grant(&user(), NOW).expect("a commit");
        let revoked = revoke(written(&granted), None, NOW).expect("a commit");
        assert!(!written(&revoked).is_operator);
        let lost = Precondition::ResourceAt { id: Operator::any_id(user().id), version: None };
        assert_eq!((revoked.writes.len(), revoked.requires), (1, vec![lost]));
    }
}
