//! How rows become bytes: one byte for the version of the record, then postcard.
//!
//! Postcard names no fields, so a change of any type in a record changes its bytes. The tests
//! below hold every record to the bytes it has; to change one, give it the next version and
//! keep reading the one before.

use std::fmt::Debug;

use postcard::ser_flavors::Flavor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::{Answer, Charge, Order, Price, Remembered, Ticket, TicketState, User, Version};
use crate::store::ReadError;

/// The version of every record, so far.
const VERSION: u8 = 1;
/// The most decimals a currency has.
const DECIMALS_MAX: u32 = 3;

/// Something that is kept as a row.
pub trait Record: Serialize + DeserializeOwned {
    /// Whether the parts that code computes with are within their bounds: damage can turn one
    /// well-formed record into another.
    fn is_sound(&self) -> bool;
}

impl Record for User {
    fn is_sound(&self) -> bool {
        true
    }
}

impl Record for Order {
    fn is_sound(&self) -> bool {
        is_sound_price(self.price)
    }
}

impl Record for Charge {
    fn is_sound(&self) -> bool {
        is_sound_price(self.amount)
    }
}

impl Record for Remembered {
    fn is_sound(&self) -> bool {
        match &self.answer {
            Answer::TicketCreated(ticket) => is_sound_price(ticket.price),
            Answer::OrderCreated(view) => is_sound_price(view.order.price),
            Answer::ChargeBegun(_) | Answer::Verbatim { .. } => true,
        }
    }
}

/// What stands under a ticket's id. A ticket that is locked stands there as it was before: see
/// [`crate::store::redb::open_orders`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TicketRow {
    /// The ticket.
    Listed(Ticket),
    /// It was withdrawn. The mark stays, for an id never comes back.
    Withdrawn {
        /// The version it ended with.
        last: Version,
    },
}

impl Record for TicketRow {
    fn is_sound(&self) -> bool {
        match self {
            Self::Listed(ticket) => {
                is_sound_price(ticket.price) && !matches!(ticket.state, TicketState::Locked { .. })
            }
            Self::Withdrawn { .. } => true,
        }
    }
}

impl TicketRow {
    /// The ticket, if it was not withdrawn.
    pub fn listed(self) -> Option<Ticket> {
        match self {
            Self::Listed(ticket) => Some(ticket),
            Self::Withdrawn { .. } => None,
        }
    }
}

/// [`TicketRow`] for writing, with the ticket borrowed.
#[derive(Serialize)]
pub enum TicketRowRef<'a> {
    /// As [`TicketRow::Listed`].
    Listed(&'a Ticket),
    /// As [`TicketRow::Withdrawn`].
    Withdrawn {
        /// The version it ended with.
        last: Version,
    },
}

/// Whether arithmetic on a price that was read from a row is safe.
pub(in crate::store) fn is_sound_price(price: Price) -> bool {
    price.currency().decimals() <= DECIMALS_MAX
        && Price::from_minor(price.minor(), price.currency()).is_ok()
}

/// Room for most records, so that few have to be moved while they are written.
const RECORD_BYTES: usize = 256;

/// The bytes of a record.
pub fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, ReadError> {
    let mut row = Vec::with_capacity(RECORD_BYTES);
    row.push(VERSION);
    append(row, record)
}

/// Adds to a row of several records, which starts as [`encode_start`].
pub fn append<T: Serialize>(row: Vec<u8>, record: &T) -> Result<Vec<u8>, ReadError> {
    postcard::serialize_with_flavor(record, Row(row))
        .map_err(|error| ReadError::Corrupt(format!("a record can't be encoded: {error}")))
}

/// Where records are written. (`postcard::to_extend` would add a text byte by byte.)
struct Row(Vec<u8>);

impl Flavor for Row {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// A row of several records, before the first.
pub fn encode_start() -> Vec<u8> {
    vec![VERSION]
}

/// Reads a record. The table and the key are named if it is damaged.
pub fn decode<T: Record>(table: &str, key: impl Debug, bytes: &[u8]) -> Result<T, ReadError> {
    let corrupt = |why: String| ReadError::Corrupt(format!("{table} {key:?}: {why}"));
    let body = body(bytes).map_err(corrupt)?;
    let (record, rest) =
        postcard::take_from_bytes::<T>(body).map_err(|e| corrupt(e.to_string()))?;
    if !rest.is_empty() {
        return Err(corrupt(format!("{} bytes too many", rest.len())));
    }
    if !record.is_sound() {
        return Err(corrupt("a value is out of bounds".to_owned()));
    }
    Ok(record)
}

/// What follows the version of a record or of a row of several.
pub fn body(bytes: &[u8]) -> Result<&[u8], String> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => {
            Err(format!("it has version {version}, and this release reads up to {VERSION}"))
        }
        None => Err("it is empty".to_owned()),
    }
}
