//! What concerns the whole file: single values by their names, and rows that follow from others.

use minicbor::{Decode, Encode};

use crate::domain::Currency;
use crate::store::ReadError;
use crate::store::records::envelope::{Fault, Kind, Record, RowKey, body, open, seal};
use crate::store::records::parts::Id;

/// Names in [`crate::store::redb::tables::STATE`].
pub mod names {
    /// The number of the last batch; see [`crate::store::redb::engine::journal`].
    pub const BATCH: &str = "batch";
    /// The currency of all prices.
    pub const CURRENCY: &str = "currency";
    /// How far sold tickets have been taken out of the words; see [`Round`](super::Round).
    pub const ROUND: &str = "round";
}

/// The number of the last batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Batch(#[n(0)] pub u64);

impl From<&Batch> for Batch {
    fn from(batch: &Batch) -> Self {
        *batch
    }
}

impl Record for Batch {
    const KIND: Kind = Kind { table: "state", tag: 8, version: 1 };
    type Stored<'a> = Self;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        body(bytes)
    }
}

/// A currency as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredCurrency<'a>(#[b(0)] &'a str);

impl<'a> From<&'a Currency> for StoredCurrency<'a> {
    fn from(currency: &'a Currency) -> Self {
        Self(currency.as_str())
    }
}

impl Record for Currency {
    const KIND: Kind = Kind { table: "state", tag: 9, version: 1 };
    type Stored<'a> = StoredCurrency<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredCurrency(code) = body(bytes)?;
        code.parse().map_err(|_| Fault::value("the currency", code))
    }
}

/// How many seats are on sale for a show; see [`crate::store::redb::stock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SeatsOnSale(#[n(0)] pub u64);

impl From<&SeatsOnSale> for SeatsOnSale {
    fn from(seats: &SeatsOnSale) -> Self {
        *seats
    }
}

impl Record for SeatsOnSale {
    const KIND: Kind = Kind { table: "stock", tag: 14, version: 1 };
    type Stored<'a> = Self;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        body(bytes)
    }
}

/// How far a round of [taking out tombstones](crate::store::search::tombstones) has come. The file has it too, so that a round goes on after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// The last batch whose tickets it takes out.
    pub through: u64,
    /// The block that is swept next; the empty word comes before all.
    pub next: (String, u128),
    /// Whether all blocks are swept, and what was taken out is being forgotten.
    pub has_swept: bool,
}

/// [`Round`] as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredRound<'a> {
    #[n(0)]
    through: u64,
    #[b(1)]
    word: &'a str,
    #[n(2)]
    first: Id,
    #[n(3)]
    has_swept: bool,
}

impl<'a> From<&'a Round> for StoredRound<'a> {
    fn from(round: &'a Round) -> Self {
        let (word, first) = (round.next.0.as_str(), Id(round.next.1));
        Self { through: round.through, word, first, has_swept: round.has_swept }
    }
}

impl Record for Round {
    const KIND: Kind = Kind { table: "state", tag: 13, version: 1 };
    type Stored<'a> = StoredRound<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let StoredRound { through, word, first, has_swept } = body(bytes)?;
        Ok(Self { through, next: (word.to_owned(), first.0), has_swept })
    }
}

/// Who has a ticket on hold, as it stands in [`crate::store::redb::tables::DEADLINES`]: buyer and
/// ticket, 16 bytes each.
const HOLDING: Kind = Kind { table: "deadlines", tag: 10, version: 1 };
/// A note of sold tickets; see [`crate::store::search::tombstones`].
pub const NOTE: Kind = Kind { table: "lingering", tag: 11, version: 1 };
/// A block of postings; see [`crate::store::search::blocks`].
pub const BLOCK: Kind = Kind { table: "words", tag: 12, version: 1 };

/// What stands under a deadline.
pub fn holding_row(key: (i64, u128), buyer: u128, ticket: u128) -> Vec<u8> {
    let mut bytes = [0; 32];
    let (first, second) = bytes.split_at_mut(16);
    first.copy_from_slice(&buyer.to_be_bytes());
    second.copy_from_slice(&ticket.to_be_bytes());
    seal(HOLDING, key, &bytes)
}

/// The buyer and the ticket that stand under a deadline.
pub fn holding(key: (i64, u128), row: &[u8]) -> Result<(u128, u128), ReadError> {
    let (_, bytes) = open(HOLDING, key, row)?;
    match bytes.as_chunks::<16>() {
        ([buyer, ticket], []) => Ok((u128::from_be_bytes(*buyer), u128::from_be_bytes(*ticket))),
        _ => Err(ReadError::Corrupt(format!("deadlines {key:?}: it has {} bytes", bytes.len()))),
    }
}

/// Ids one after the other, as a note has them.
pub fn ids_row(key: impl RowKey, ids: &[u128]) -> Vec<u8> {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
    seal(NOTE, key, &bytes)
}
