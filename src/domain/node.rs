//! Several servers on one store: that they live, and which of them has which duty.
//!
//! Neither row tells a time, so it does not matter how far the clocks of servers are apart. A server
//! writes its own row again and again; whoever has seen a row stay as it was for long enough knows
//! that its server is gone, or has stood still. A duty is one server's until another takes it, which
//! is a commit under the condition that the holder's row is still as it was last seen.

use super::ids::NodeId;
use super::resource::{NoList, Resource};
use super::version::Version;
use super::{Kept as _, Precondition};

/// A server that works on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Which; it has another name after its next start.
    pub id: NodeId,
    /// How often it has said that it lives.
    pub version: Version,
}

/// The lists of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// All of them, by id.
    All,
}

impl Node {
    /// A server that says for the first time that it lives.
    pub fn new(id: NodeId) -> Self {
        Self { id, version: Version::FIRST }
    }

    /// The same, saying so once more.
    #[must_use]
    pub fn beats(self) -> Self {
        Self { version: self.version.next(), ..self }
    }
}

impl Resource for Node {
    type Id = NodeId;
    type List = Nodes;

    fn id(&self) -> NodeId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// What one server does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// To ask the gateway, to hand letters to the mail server, and to follow the log.
    Outside,
}

impl Duty {
    /// The name that its lease is kept under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
        }
    }

    /// The duty of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Outside].into_iter().find(|duty| duty.name() == name)
    }
}

/// Which server has a duty. Its version rises when another takes it, so it is what a commit must name
/// that only the holder may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// What it is about.
    pub duty: Duty,
    /// Whose it is.
    pub holder: NodeId,
    /// How often it has been taken.
    pub version: Version,
}

impl Lease {
    /// The lease when a server has taken it, from whoever had it before.
    pub fn taken(before: Option<Self>, duty: Duty, holder: NodeId) -> Self {
        let version = before.map_or(Version::FIRST, |before| before.version.next());
        Self { duty, holder, version }
    }

    /// That it was not taken by another since.
    pub fn still(&self) -> Precondition {
        Precondition::ResourceAt { id: Self::any_id(self.duty), version: Some(self.version) }
    }
}

impl Resource for Lease {
    type Id = Duty;
    type List = NoList;

    fn id(&self) -> Duty {
        self.duty
    }

    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_is_taken_has_the_next_number() {
        let (one, two) = (NodeId::from_u128(1), NodeId::from_u128(2));
        let first = Lease::taken(None, Duty::Outside, one);
        assert_eq!((first.holder, first.version), (one, Version::FIRST));
        let second = Lease::taken(Some(first), Duty::Outside, two);
        assert_eq!((second.holder, second.version), (two, Version::FIRST.next()));
        assert_ne!(first.still(), second.still());
    }

    #[test]
    fn duties_are_found_by_name() {
        assert_eq!(Duty::named(Duty::Outside.name()), Some(Duty::Outside));
        assert_eq!(Duty::named("other"), None);
    }
}
