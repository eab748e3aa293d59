//! Servers that work on the store, and their duties.

use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{Duty, Lease, NoList, Node, NodeId, Nodes, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::Id;

const ALL: Index = Index(80);

/// A server as stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredNode {
    #[n(0)]
    id: Id,
    #[n(1)]
    version: u64,
}

impl From<&Node> for StoredNode {
    fn from(node: &Node) -> Self {
        Self { id: Id(node.id.as_u128()), version: node.version.number() }
    }
}

impl Record for Node {
    const KIND: Kind = Kind { table: "nodes", tag: 60, version: 1 };
    type Stored<'a> = StoredNode;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredNode { id, version } = body(bytes)?;
        Ok(Self { id: NodeId::from_u128(id.0), version: Version::from_number(version) })
    }
}

impl KeptAs for Node {
    const TABLE: Table = Table(60);
    const INDEXES: &'static [Index] = &[ALL];

    fn key(id: &NodeId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        vec![(ALL, Self::key(&self.id))]
    }

    fn span(list: &Nodes) -> (Index, Vec<u8>) {
        match list {
            Nodes::All => (ALL, Vec::new()),
        }
    }
}

/// A lease as stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredLease<'a> {
    #[b(0)]
    duty: &'a str,
    #[n(1)]
    holder: Id,
    #[n(2)]
    version: u64,
}

impl From<&Lease> for StoredLease<'_> {
    fn from(lease: &Lease) -> Self {
        let Lease { duty, holder, version } = *lease;
        Self { duty: duty.name(), holder: Id(holder.as_u128()), version: version.number() }
    }
}

impl Record for Lease {
    const KIND: Kind = Kind { table: "leases", tag: 62, version: 1 };
    type Stored<'a> = StoredLease<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredLease { duty: name, holder, version } = body(bytes)?;
        let duty = Duty::named(name).ok_or_else(|| Fault::value("the duty", name))?;
        let (holder, version) = (NodeId::from_u128(holder.0), Version::from_number(version));
        Ok(Self { duty, holder, version })
    }
}

impl KeptAs for Lease {
    const TABLE: Table = Table(62);

    fn key(duty: &Duty) -> Vec<u8> {
        [duty.name().as_bytes(), &[0]].concat()
    }

    fn span(list: &NoList) -> (Index, Vec<u8>) {
        match *list {}
    }
}
