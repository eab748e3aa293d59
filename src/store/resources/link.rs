//! Links that are sent by mail, by account and purpose.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{Link, LinkHash, LinkId, LinkPurpose, NoList, UserId, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};

/// A link as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredLink {
    #[n(0)]
    user: Id,
    #[n(1)]
    purpose: u8,
    #[n(2)]
    expires_at: i64,
    #[n(3)]
    version: u64,
    /// Missing once it was used.
    #[n(4)]
    hash: Option<ByteArray<32>>,
}

impl From<&Link> for StoredLink {
    fn from(link: &Link) -> Self {
        Self {
            user: Id(link.id.user.as_u128()),
            purpose: link.id.purpose.code(),
            expires_at: millis(link.expires_at),
            version: link.version.number(),
            hash: link.hash.map(|hash| hash.0.into()),
        }
    }
}

impl Record for Link {
    const KIND: Kind = Kind { table: "links", tag: 61, version: 1 };
    type Stored<'a> = StoredLink;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredLink = body(bytes)?;
        let purpose = LinkPurpose::ALL.into_iter().find(|it| it.code() == stored.purpose);
        let purpose = purpose.ok_or_else(|| Fault::value("what a link is for", stored.purpose))?;
        Ok(Self {
            id: LinkId { user: UserId::from_u128(stored.user.0), purpose },
            hash: stored.hash.map(|hash| LinkHash(hash.into())),
            expires_at: time(stored.expires_at),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for Link {
    const TABLE: Table = Table(61);

    fn key(id: &LinkId) -> Vec<u8> {
        [&id.user.as_u128().to_be_bytes()[..], &[id.purpose.code()]].concat()
    }

    fn span(list: &NoList) -> (Index, Vec<u8>) {
        match *list {}
    }
}
