//! What a decision asks the store to write: all of it, in one transaction, or nothing.

use super::{
    AnyId, AnyList, AnyResource, Charge, Event, Kept, Order, Session, SessionId, Ticket, TicketId,
    Timestamp, User, UserId, Version,
};

/// A set of changes with the events that tell them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// When it was decided; the time of its events.
    pub at: Timestamp,
    /// What changes.
    pub writes: Vec<Write>,
    /// What spans more than the rows written and must hold when they are.
    pub requires: Vec<Precondition>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A new account, or an account's next version. Its address must be free.
    User(User),
    /// A new ticket, or a ticket's next version.
    Ticket(Ticket),
    /// The ticket is withdrawn; `last` is the version it has now.
    WithdrawTicket {
        /// The ticket.
        id: TicketId,
        /// The version that is stored.
        last: Version,
    },
    /// A new order, or an order's next version.
    Order(Order),
    /// A new charge, or a charge's next version.
    Charge(Charge),
    /// Somebody signed in.
    OpenSession(Session),
    /// A session was used. It must be open and last have been seen at `before`, so that this
    /// undoes no sign-out.
    SeeSession {
        /// Whose session.
        user: UserId,
        /// Which one.
        session: SessionId,
        /// When it was last seen as it is stored.
        before: Timestamp,
        /// When it was used.
        at: Timestamp,
    },
    /// Somebody signed out.
    EndSession {
        /// Whose session.
        user: UserId,
        /// Which one.
        session: SessionId,
    },
    /// A password changed: every session ends but the one it was changed in.
    EndOtherSessions {
        /// Whose sessions.
        user: UserId,
        /// The one that stays.
        except: SessionId,
    },
    /// A request's answer is kept for those who repeat the request.
    Remember(Box<Remembered>),
    /// A new resource of those that are [kept alike](super::resource), or one's next version. What is
    /// found by it alone must be free.
    Put(Box<AnyResource>),
    /// Such a resource goes. It must be as it is given here.
    Delete(Box<AnyResource>),
}

/// A condition on what is stored, checked inside the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The user has fewer open orders than that.
    OpenOrdersBelow {
        /// Whose orders.
        user: UserId,
        /// The number they must stay below before this commit.
        limit: u32,
    },
    /// The account is still at this version, such as the one whose password was compared.
    UserAt {
        /// Whose account.
        user: UserId,
        /// The version it must have.
        version: Version,
    },
    /// The ticket is still at this version, which it has while an order holds it as well.
    TicketAt {
        /// Which.
        ticket: TicketId,
        /// The version it must have.
        version: Version,
    },
    /// A resource is still at this version.
    ResourceAt {
        /// The resource.
        id: AnyId,
        /// The version it must have; `None` if there must be no such resource.
        version: Option<Version>,
    },
    /// There is such a resource, at whatever version.
    ResourceExists(AnyId),
    /// A list has fewer members than that.
    Fewer {
        /// The list.
        list: AnyList,
        /// The number they must stay below before this commit.
        than: u32,
    },
}

/// An idempotency key with what its first use led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Who used the key.
    pub user: UserId,
    /// The key as the client sent it.
    pub key: String,
    /// A hash of method, path and body: the same key must mean the same request.
    pub fingerprint: [u8; 16],
    /// From then on the key is free again.
    pub expires_at: Timestamp,
    /// Whether this is the answer. Otherwise it tells what was begun, and the answer takes its
    /// place once it is known.
    pub is_final: bool,
    /// What to answer, in the bytes of whoever answers.
    pub answer: Vec<u8>,
}

impl Commit {
    /// A commit of nothing yet.
    pub fn at(at: Timestamp) -> Self {
        Self { at, writes: Vec::new(), requires: Vec::new(), events: Vec::new() }
    }

    /// Adds a change.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds a change if there is one.
    #[must_use]
    pub fn write_if(mut self, write: Option<Write>) -> Self {
        self.writes.extend(write);
        self
    }

    /// Adds a resource, or its next version.
    #[must_use]
    pub fn put(self, resource: impl Kept) -> Self {
        self.write(Write::Put(Box::new(resource.into_any())))
    }

    /// The same if there is one.
    #[must_use]
    pub fn put_if(self, resource: Option<impl Kept>) -> Self {
        resource.into_iter().fold(self, Self::put)
    }

    /// Takes a resource out that is as it was read.
    #[must_use]
    pub fn delete(self, resource: impl Kept) -> Self {
        self.write(Write::Delete(Box::new(resource.into_any())))
    }

    /// The same if there is one.
    #[must_use]
    pub fn delete_if(self, resource: Option<impl Kept>) -> Self {
        resource.into_iter().fold(self, Self::delete)
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Adds events.
    #[must_use]
    pub fn events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// Adds a condition.
    #[must_use]
    pub fn require(mut self, precondition: Precondition) -> Self {
        self.requires.push(precondition);
        self
    }
}
