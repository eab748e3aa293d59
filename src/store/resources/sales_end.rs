//! When the sales for shows end.

use minicbor::{Decode, Encode};

use super::KeptAs;
use super::show::place_at;
use crate::domain::{Cancellation, Line, SalesEnd, SalesEnds, ShowId, UserId, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};

/// By when they are due.
const DUE: Index = Index(58);

/// The end of a show's sales as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredSalesEnd<'a> {
    #[n(0)]
    show: Id,
    #[n(1)]
    due: Option<i64>,
    #[n(2)]
    version: u64,
    #[b(3)]
    cancellation: Option<StoredCancellation<'a>>,
}

/// Why a show was cancelled.
#[derive(Debug, Encode, Decode)]
struct StoredCancellation<'a> {
    #[n(0)]
    by: Id,
    #[b(1)]
    reason: &'a str,
    #[n(2)]
    at: i64,
}

impl<'a> From<&'a SalesEnd> for StoredSalesEnd<'a> {
    fn from(end: &'a SalesEnd) -> Self {
        let SalesEnd { show, due, cancellation, version } = end;
        let stored = |said: &'a Cancellation| StoredCancellation {
            by: Id(said.by.as_u128()),
            reason: said.reason.as_str(),
            at: millis(said.at),
        };
        Self {
            show: Id(show.as_u128()),
            due: due.map(millis),
            version: version.number(),
            cancellation: cancellation.as_ref().map(stored),
        }
    }
}

impl Record for SalesEnd {
    const KIND: Kind = Kind { table: "ends of sales", tag: 24, version: 1 };
    type Stored<'a> = StoredSalesEnd<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredSalesEnd<'_> = body(bytes)?;
        let said = |stored: StoredCancellation<'_>| Cancellation {
            by: UserId::from_u128(stored.by.0),
            reason: Line::accepted_before(stored.reason),
            at: time(stored.at),
        };
        Ok(Self {
            show: ShowId::from_u128(stored.show.0),
            due: stored.due.map(time),
            cancellation: stored.cancellation.map(said),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for SalesEnd {
    const TABLE: Table = Table(24);
    const INDEXES: &'static [Index] = &[DUE];

    fn key(id: &ShowId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        self.due.map(|due| (DUE, place_at(due, self.show).0)).into_iter().collect()
    }

    fn span(_: &SalesEnds) -> (Index, Vec<u8>) {
        (DUE, Vec::new())
    }
}
