//! Commits, as the journal keeps them.
//!
//! A commit is kept with the records that it writes as they go into their rows, each with the version
//! of its kind, so a release reads the journal of an earlier one that was killed as it reads its
//! rows. What a commit required is not kept: it held when the commit was accepted, and rules may have
//! become stricter since.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Decoder, Encode};

use crate::domain::{
    AnyResource, Charge, ClientName, Commit, Order, Remembered, Session, SessionId, Ticket,
    TicketId, Timestamp, User, UserId, Version, Write,
};
use crate::store::ReadError;
use crate::store::contract::Table;
use crate::store::records::envelope::{ENVELOPE_BYTES, Fault, Record, append};
use crate::store::records::event::{RUN, next_event};
use crate::store::records::parts::{Id, millis, time};
use crate::store::records::session::SessionRow;
use crate::store::resources::registry;

/// The version of what is around the records. Each one up to it can be read.
const VERSION: u8 = 1;

/// A commit as it is stored.
#[derive(Debug, Encode, Decode)]
struct StoredCommit<'a> {
    #[n(0)]
    at: i64,
    #[b(1)]
    writes: Vec<StoredWrite<'a>>,
    /// In the order it happened.
    #[b(2)]
    events: Vec<Part<'a>>,
}

/// A record without its checksum, for the journal has its own.
#[derive(Debug, Clone, Copy, Encode, Decode)]
struct Part<'a> {
    #[n(0)]
    version: u8,
    #[b(1)]
    body: &'a ByteSlice,
}

impl<'a> Part<'a> {
    fn of_row(row: &'a [u8]) -> Self {
        match row.split_first_chunk::<ENVELOPE_BYTES>() {
            Some((&[version, ..], body)) => Self { version, body: body.into() },
            None => Self { version: 0, body: row.into() },
        }
    }

    fn read<T: Record>(self) -> Result<T, Fault> {
        if self.version > T::KIND.version {
            return Err(Fault::value("the version of a record", self.version));
        }
        T::read(self.version, self.body)
    }

    fn resource(self, table: Table) -> Result<AnyResource, Fault> {
        registry::read(table, self.version, self.body)
    }
}

/// A change.
#[derive(Debug, Encode, Decode)]
#[cbor(flat)]
enum StoredWrite<'a> {
    #[n(0)]
    User(#[b(0)] Part<'a>),
    #[n(1)]
    Ticket(#[b(0)] Part<'a>),
    #[n(2)]
    WithdrawTicket {
        #[n(0)]
        id: Id,
        #[n(1)]
        last: u64,
    },
    #[n(3)]
    Order(#[b(0)] Part<'a>),
    #[n(4)]
    Charge(#[b(0)] Part<'a>),
    #[n(5)]
    OpenSession {
        #[n(0)]
        user: Id,
        #[n(1)]
        session: Id,
        #[n(2)]
        expires_at: i64,
        /// Earlier releases knew the end of a session alone.
        #[n(3)]
        created_at: Option<i64>,
        #[n(4)]
        last_seen_at: Option<i64>,
        #[b(5)]
        client: Option<&'a str>,
    },
    #[n(6)]
    EndSession {
        #[n(0)]
        user: Id,
        #[n(1)]
        session: Id,
    },
    #[n(7)]
    EndOtherSessions {
        #[n(0)]
        user: Id,
        #[n(1)]
        except: Id,
    },
    #[n(8)]
    Remember(#[b(0)] Part<'a>),
    /// A resource of those that are kept alike, with the number of its table.
    #[n(9)]
    Put(#[n(0)] u8, #[b(1)] Part<'a>),
    /// The same as it was last.
    #[n(10)]
    Delete(#[n(0)] u8, #[b(1)] Part<'a>),
    #[n(11)]
    SeeSession {
        #[n(0)]
        user: Id,
        #[n(1)]
        session: Id,
        #[n(2)]
        before: i64,
        #[n(3)]
        at: i64,
    },
}

/// A change with the row that it leads to, as far as there is one.
#[derive(Debug, Clone, Copy)]
pub enum Written<'a> {
    /// The row of an account.
    User(&'a [u8]),
    /// The row of a ticket, or what its row would be if locks were in rows.
    Ticket(&'a [u8]),
    /// A ticket that is withdrawn, and the version it had.
    Withdrawn(TicketId, Version),
    /// The row of an order.
    Order(&'a [u8]),
    /// The row of a charge.
    Charge(&'a [u8]),
    /// A session that begins.
    OpenSession(&'a Session),
    /// A session that was used: when it was last seen before, and when now.
    SeeSession(UserId, SessionId, Timestamp, Timestamp),
    /// A session that ends.
    EndSession(UserId, SessionId),
    /// All sessions of a user but one end.
    EndOtherSessions(UserId, SessionId),
    /// The row of an idempotency key.
    Remember(&'a [u8]),
    /// The row of a resource that is kept like others, and the table it is in.
    Put(Table, &'a [u8]),
    /// The row that such a resource had, and the table it was in.
    Delete(Table, &'a [u8]),
}

impl<'a> From<Written<'a>> for StoredWrite<'a> {
    fn from(written: Written<'a>) -> Self {
        let user = |user: UserId| Id(user.as_u128());
        match written {
            Written::User(row) => Self::User(Part::of_row(row)),
            Written::Ticket(row) => Self::Ticket(Part::of_row(row)),
            Written::Withdrawn(id, last) => {
                Self::WithdrawTicket { id: Id(id.as_u128()), last: last.number() }
            }
            Written::Order(row) => Self::Order(Part::of_row(row)),
            Written::Charge(row) => Self::Charge(Part::of_row(row)),
            Written::OpenSession(session) => Self::OpenSession {
                user: user(session.user),
                session: Id(session.id.as_u128()),
                expires_at: millis(session.expires_at),
                created_at: Some(millis(session.created_at)),
                last_seen_at: Some(millis(session.last_seen_at)),
                client: session.client.as_ref().map(ClientName::as_str),
            },
            Written::SeeSession(of, session, before, at) => Self::SeeSession {
                user: user(of),
                session: Id(session.as_u128()),
                before: millis(before),
                at: millis(at),
            },
            Written::EndSession(of, session) => {
                Self::EndSession { user: user(of), session: Id(session.as_u128()) }
            }
            Written::EndOtherSessions(of, except) => {
                Self::EndOtherSessions { user: user(of), except: Id(except.as_u128()) }
            }
            Written::Remember(row) => Self::Remember(Part::of_row(row)),
            Written::Put(Table(table), row) => Self::Put(table, Part::of_row(row)),
            Written::Delete(Table(table), row) => Self::Delete(table, Part::of_row(row)),
        }
    }
}

impl StoredWrite<'_> {
    fn write(self) -> Result<Write, Fault> {
        Ok(match self {
            Self::User(part) => Write::User(part.read::<User>()?),
            Self::Ticket(part) => Write::Ticket(part.read::<Ticket>()?),
            Self::WithdrawTicket { id, last } => Write::WithdrawTicket {
                id: TicketId::from_u128(id.0),
                last: Version::from_number(last),
            },
            Self::Order(part) => Write::Order(part.read::<Order>()?),
            Self::Charge(part) => Write::Charge(part.read::<Charge>()?),
            Self::OpenSession { user, session, expires_at, created_at, last_seen_at, client } => {
                let row = SessionRow {
                    expires_at,
                    began_and_seen: created_at.zip(last_seen_at),
                    client: client.map(str::to_owned),
                };
                let (user, id) = (UserId::from_u128(user.0), SessionId::from_u128(session.0));
                Write::OpenSession(row.session(user, id))
            }
            Self::SeeSession { user, session, before, at } => Write::SeeSession {
                user: UserId::from_u128(user.0),
                session: SessionId::from_u128(session.0),
                before: time(before),
                at: time(at),
            },
            Self::EndSession { user, session } => Write::EndSession {
                user: UserId::from_u128(user.0),
                session: SessionId::from_u128(session.0),
            },
            Self::EndOtherSessions { user, except } => Write::EndOtherSessions {
                user: UserId::from_u128(user.0),
                except: SessionId::from_u128(except.0),
            },
            Self::Remember(part) => Write::Remember(Box::new(part.read::<Remembered>()?)),
            Self::Put(table, part) => Write::Put(Box::new(part.resource(Table(table))?)),
            Self::Delete(table, part) => Write::Delete(Box::new(part.resource(Table(table))?)),
        })
    }
}

/// The accepted commits of a batch, on their way into the journal.
#[derive(Debug, Default)]
pub struct BatchBytes {
    bytes: Vec<u8>,
}

impl BatchBytes {
    /// Begins anew. The memory stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds a commit: its changes, and its events as they go into a run.
    pub fn push<'a>(
        &mut self,
        at: Timestamp,
        writes: impl Iterator<Item = Written<'a>>,
        events: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), ReadError> {
        if self.bytes.is_empty() {
            self.bytes.push(VERSION);
        }
        let event = |body: &'a [u8]| Part { version: RUN.version, body: body.into() };
        let commit = StoredCommit {
            at: millis(at),
            writes: writes.map(Into::into).collect(),
            events: events.map(event).collect(),
        };
        append(&mut self.bytes, &commit)
    }

    /// What goes into the journal.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

/// The commits of a batch.
pub fn read_batch(bytes: &[u8]) -> Result<Vec<Commit>, Fault> {
    let (version, body) = bytes.split_first().unwrap_or((&0, &[]));
    if *version == 0 || *version > VERSION {
        return Err(Fault::value("the version of a batch", version));
    }
    let mut decoder = Decoder::new(body);
    let mut commits = Vec::new();
    while decoder.position() < body.len() {
        let stored: StoredCommit<'_> = decoder.decode()?;
        let mut commit = Commit::at(time(stored.at));
        for write in stored.writes {
            commit.writes.push(write.write()?);
        }
        for part in stored.events {
            if part.version > RUN.version {
                return Err(Fault::value("the version of an event", part.version));
            }
            commit.events.push(next_event(part.version, &mut Decoder::new(part.body))?.1);
        }
        commits.push(commit);
    }
    Ok(commits)
}
