//! Sessions. Whose they are and what they are called is in the key.

use minicbor::{Decode, Encode};

use crate::domain::{ClientName, Session, SessionId, UserId};
use crate::store::ReadError;
use crate::store::records::envelope::{Fault, Kind, Record, body, decode};
use crate::store::records::parts::{millis, time};

/// A session as it is stored. Earlier releases knew its end alone.
#[derive(Debug, Encode, Decode)]
pub struct StoredSession<'a> {
    #[n(0)]
    expires_at: i64,
    #[n(1)]
    created_at: Option<i64>,
    #[n(2)]
    last_seen_at: Option<i64>,
    #[b(3)]
    client: Option<&'a str>,
}

/// What stands under a session's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Until when it is good, in milliseconds since the epoch.
    pub expires_at: i64,
    /// When it began and when it was last seen, likewise, if that is known.
    pub began_and_seen: Option<(i64, i64)>,
    /// What signed in.
    pub client: Option<String>,
}

impl<'a> From<&'a SessionRow> for StoredSession<'a> {
    fn from(row: &'a SessionRow) -> Self {
        Self {
            expires_at: row.expires_at,
            created_at: row.began_and_seen.map(|(began, _)| began),
            last_seen_at: row.began_and_seen.map(|(_, seen)| seen),
            client: row.client.as_deref(),
        }
    }
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            expires_at: millis(session.expires_at),
            began_and_seen: Some((millis(session.created_at), millis(session.last_seen_at))),
            client: session.client.as_ref().map(|name| name.as_str().to_owned()),
        }
    }
}

impl SessionRow {
    /// The session that it is the row of.
    pub fn session(self, user: UserId, id: SessionId) -> Session {
        let ending = Session::ending(user, id, time(self.expires_at));
        let client = self.client.as_deref().map(ClientName::accepted_before);
        match self.began_and_seen {
            Some((began, seen)) => {
                Session { client, created_at: time(began), last_seen_at: time(seen), ..ending }
            }
            None => Session { client, ..ending },
        }
    }
}

impl Record for SessionRow {
    const KIND: Kind = Kind { table: "sessions", tag: 2, version: 1 };
    type Stored<'a> = StoredSession<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredSession<'_> = body(bytes)?;
        Ok(Self {
            expires_at: stored.expires_at,
            began_and_seen: stored.created_at.zip(stored.last_seen_at),
            client: stored.client.map(str::to_owned),
        })
    }
}

/// A session unless it is damaged: it is no good to anybody then, and verification names it, but it
/// is in the way of no other.
pub fn sound(session: Result<Session, ReadError>) -> Option<Session> {
    session.inspect_err(|error| tracing::error!(%error, "a session is damaged")).ok()
}

/// The key of a session's row.
pub fn key(session: &Session) -> (u128, u128) {
    (session.user.as_u128(), session.id.as_u128())
}

/// The session of a row.
pub fn session(key: (u128, u128), row: &[u8]) -> Result<Session, ReadError> {
    let row: SessionRow = decode(key, row)?;
    Ok(row.session(UserId::from_u128(key.0), SessionId::from_u128(key.1)))
}
