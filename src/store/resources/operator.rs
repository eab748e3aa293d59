//! Operators.

use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{Operator, Operators, UserId};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};

const ALL: Index = Index(60);

/// An operator as stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredOperator {
    #[n(0)]
    user: Id,
    #[n(1)]
    since: i64,
}

impl From<&Operator> for StoredOperator {
    fn from(operator: &Operator) -> Self {
        Self { user: Id(operator.user.as_u128()), since: millis(operator.since) }
    }
}

impl Record for Operator {
    const KIND: Kind = Kind { table: "operators", tag: 40, version: 1 };
    type Stored<'a> = StoredOperator;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredOperator { user, since } = body(bytes)?;
        Ok(Self { user: UserId::from_u128(user.0), since: time(since) })
    }
}

impl KeptAs for Operator {
    const TABLE: Table = Table(40);
    const INDEXES: &'static [Index] = &[ALL];

    fn key(user: &UserId) -> Vec<u8> {
        user.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        vec![(ALL, Self::key(&self.user))]
    }

    fn span(list: &Operators) -> (Index, Vec<u8>) {
        match list {
            Operators::All => (ALL, Vec::new()),
        }
    }
}
