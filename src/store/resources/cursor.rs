//! How far the followers of the log have come.

use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{Cursor, Follower, NoList, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};

/// A cursor as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredCursor<'a> {
    #[b(0)]
    follower: &'a str,
    #[n(1)]
    seq: u64,
    #[n(2)]
    version: u64,
}

impl From<&Cursor> for StoredCursor<'_> {
    fn from(cursor: &Cursor) -> Self {
        let Cursor { follower, seq, version } = *cursor;
        Self { follower: follower.name(), seq, version: version.number() }
    }
}

impl Record for Cursor {
    const KIND: Kind = Kind { table: "cursors", tag: 16, version: 1 };
    type Stored<'a> = StoredCursor<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredCursor { follower: name, seq, version } = body(bytes)?;
        let follower = Follower::named(name).ok_or_else(|| Fault::value("the follower", name))?;
        Ok(Self { follower, seq, version: Version::from_number(version) })
    }
}

impl KeptAs for Cursor {
    const TABLE: Table = Table(16);

    fn key(follower: &Follower) -> Vec<u8> {
        [follower.name().as_bytes(), &[0]].concat()
    }

    fn span(list: &NoList) -> (Index, Vec<u8>) {
        match *list {}
    }
}
