//! Covers of shows.

use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{Cover, NoList, Picture, ShowId, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::Id;

/// A cover as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredCover<'a> {
    #[n(0)]
    show: Id,
    #[b(1)]
    picture: &'a ByteSlice,
    #[n(2)]
    version: u64,
}

impl<'a> From<&'a Cover> for StoredCover<'a> {
    fn from(cover: &'a Cover) -> Self {
        Self {
            show: Id(cover.show.as_u128()),
            picture: (&*cover.picture.0).into(),
            version: cover.version.number(),
        }
    }
}

impl Record for Cover {
    const KIND: Kind = Kind { table: "covers", tag: 90, version: 1 };
    type Stored<'a> = StoredCover<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredCover<'_> = body(bytes)?;
        Ok(Self {
            show: ShowId::from_u128(stored.show.0),
            picture: Picture(stored.picture.to_vec().into()),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for Cover {
    const TABLE: Table = Table(90);

    fn key(show: &ShowId) -> Vec<u8> {
        show.as_u128().to_be_bytes().to_vec()
    }

    fn span(list: &NoList) -> (Index, Vec<u8>) {
        match *list {}
    }
}
