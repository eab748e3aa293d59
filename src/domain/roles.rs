//! What somebody may do beyond what anyone may.

use super::UserId;

/// The roles of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// Runs the market: sees to shows, claims and users.
    pub operator: bool,
}

/// Who asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Their roles at that moment.
    pub roles: Roles,
}

impl Caller {
    /// Somebody without any role.
    pub fn user(user: UserId) -> Self {
        Self { user, roles: Roles::default() }
    }

    /// Somebody who runs the market.
    pub fn operator(user: UserId) -> Self {
        Self { user, roles: Roles { operator: true } }
    }
}
