//! How far those who follow the log have come.

use super::resource::{NoList, Resource};
use super::version::Version;

/// Somebody who is told of every event of the log, in order, each at least once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Follower {
    /// Writes to people what concerns them.
    Mail,
}

impl Follower {
    /// The name its cursor is kept under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
        }
    }

    /// The follower of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Mail].into_iter().find(|follower| follower.name() == name)
    }
}

/// How far a follower has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Whose it is.
    pub follower: Follower,
    /// The number of the last event that is dealt with.
    pub seq: u64,
    /// Rises by one with every change.
    pub version: Version,
}

impl Cursor {
    /// Where a follower begins that is told of what comes after that event.
    pub fn after(follower: Follower, seq: u64) -> Self {
        Self { follower, seq, version: Version::FIRST }
    }

    /// The cursor when the events up to that number are dealt with.
    #[must_use]
    pub fn moved(self, seq: u64) -> Self {
        Self { seq, version: self.version.next(), ..self }
    }
}

impl Resource for Cursor {
    type Id = Follower;
    type List = NoList;

    fn id(&self) -> Follower {
        self.follower
    }

    fn version(&self) -> Version {
        self.version
    }
}
