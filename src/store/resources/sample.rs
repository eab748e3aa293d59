//! The resource that only tests know.

use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::Version;
use crate::domain::sample::{Sample, SampleId, Samples};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::{CommitError, Refusal};

const OWNERS: Index = Index(254);
const NAMES: Index = Index(255);

#[derive(Debug, Encode, Decode)]
pub struct StoredSample<'a> {
    #[n(0)]
    id: u64,
    #[n(1)]
    owner: u32,
    #[b(2)]
    name: &'a str,
    #[n(3)]
    version: u64,
}

impl<'a> From<&'a Sample> for StoredSample<'a> {
    fn from(sample: &'a Sample) -> Self {
        let Sample { id, owner, name, version } = sample;
        Self { id: id.0, owner: *owner, name, version: version.number() }
    }
}

impl Record for Sample {
    const KIND: Kind = Kind { table: "samples", tag: 255, version: 1 };
    type Stored<'a> = StoredSample<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredSample { id, owner, name, version } = body(bytes)?;
        let version = Version::from_number(version);
        Ok(Self { id: SampleId(id), owner, name: name.to_owned(), version })
    }
}

impl KeptAs for Sample {
    const TABLE: Table = Table(255);
    const INDEXES: &'static [Index] = &[OWNERS, NAMES];

    fn key(id: &SampleId) -> Vec<u8> {
        id.0.to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let of_owner = [&self.owner.to_be_bytes()[..], &Self::key(&self.id)].concat();
        vec![(OWNERS, of_owner), (NAMES, name(&self.name))]
    }

    fn taken(index: Index) -> CommitError {
        if index == NAMES { Refusal::EmailInUse.into() } else { CommitError::Conflict }
    }

    fn span(list: &Samples) -> (Index, Vec<u8>) {
        match list {
            Samples::Of(owner) => (OWNERS, owner.to_be_bytes().to_vec()),
            Samples::Named(text) => (NAMES, name(text)),
        }
    }

    fn full(list: &Samples) -> CommitError {
        match list {
            Samples::Of(_) => Refusal::TooManyOpenOrders.into(),
            Samples::Named(_) => CommitError::Conflict,
        }
    }
}

fn name(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}
