//! Sessions. Whose they are and what they are called is in the key.

use minicbor::{Decode, Encode};

use crate::domain::{Session, SessionId, UserId};
use crate::store::ReadError;
use crate::store::records::envelope::{Fault, Kind, Record, body, decode};
use crate::store::records::parts::{millis, time};

/// A session as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredSession {
    #[n(0)]
    expires_at: i64,
}

/// What stands under a session's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRow {
    /// Until when it is good, in milliseconds since the epoch.
    pub expires_at: i64,
}

impl From<&SessionRow> for StoredSession {
    fn from(row: &SessionRow) -> Self {
        Self { expires_at: row.expires_at }
    }
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self { expires_at: millis(session.expires_at) }
    }
}

impl Record for SessionRow {
    const KIND: Kind = Kind { table: "sessions", tag: 2, version: 1 };
    type Stored<'a> = StoredSession;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredSession = body(bytes)?;
        Ok(Self { expires_at: stored.expires_at })
    }
}

/// The key of a session's row.
pub fn key(session: &Session) -> (u128, u128) {
    (session.user.as_u128(), session.id.0)
}

/// The session of a row.
pub fn session(key: (u128, u128), row: &[u8]) -> Result<Session, ReadError> {
    let SessionRow { expires_at } = decode(key, row)?;
    let (user, id) = (UserId::from_u128(key.0), SessionId(key.1));
    Ok(Session { user, id, expires_at: time(expires_at) })
}
