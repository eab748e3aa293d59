//! What is around every record: its version and a checksum.
//!
//! | bytes | |
//! |---|---|
//! | 1 | the version of this kind of record |
//! | 4 | CRC-32 of the kind, the version, the key and the record, least significant byte first |
//! | … | the record |
//!
//! The database does not look at the checksums of its pages while it is in use, and what it reads it
//! writes again under new ones. So every row has its own, which is looked at whenever the row is
//! decoded. The key is part of it, so that a row that has come to stand under another key is
//! noticed too.

use std::fmt::{self, Debug};

use crc32fast::Hasher;
use minicbor::{Decode, Decoder, Encode};

use crate::bugs::{Bug, planted};
use crate::store::ReadError;

/// The version and the checksum.
pub const ENVELOPE_BYTES: usize = 5;
/// Room for most records, so that few have to be moved while they are written.
const RECORD_BYTES: usize = 256;

/// What rows of one kind are called, and told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The name of the table they are in.
    pub table: &'static str,
    /// Part of the checksum, so that a row is not taken for one of another kind. Never used again for
    /// another.
    pub tag: u8,
    /// The version that is written. Each one up to it can be read.
    pub version: u8,
}

/// Why a record can't be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault(String);

impl Fault {
    /// A value is not what its field may hold.
    pub fn value(field: &str, value: impl Debug) -> Self {
        Self(format!("{field} can't be {value:?}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<minicbor::decode::Error> for Fault {
    fn from(error: minicbor::decode::Error) -> Self {
        Self(error.to_string())
    }
}

/// A key as it goes into the checksum.
pub trait RowKey: Debug + Copy {
    /// Adds all of it.
    fn sum(&self, sum: &mut Hasher);
}

impl RowKey for () {
    fn sum(&self, _: &mut Hasher) {}
}

impl RowKey for u64 {
    fn sum(&self, sum: &mut Hasher) {
        sum.update(&self.to_be_bytes());
    }
}

impl RowKey for i64 {
    fn sum(&self, sum: &mut Hasher) {
        sum.update(&self.to_be_bytes());
    }
}

impl RowKey for u128 {
    fn sum(&self, sum: &mut Hasher) {
        sum.update(&self.to_be_bytes());
    }
}

/// A key that is bytes already, put together as the others are.
impl RowKey for &[u8] {
    fn sum(&self, sum: &mut Hasher) {
        sum.update(self);
    }
}

impl RowKey for &str {
    fn sum(&self, sum: &mut Hasher) {
        sum.update(self.as_bytes());
    }
}

impl<A: RowKey, B: RowKey> RowKey for (A, B) {
    fn sum(&self, sum: &mut Hasher) {
        // No two texts stand side by side in a key, so it is plain where each part ends.
        self.0.sum(sum);
        self.1.sum(sum);
    }
}

fn checksum(kind: Kind, version: u8, key: impl RowKey, body: &[u8]) -> u32 {
    let mut sum = Hasher::new();
    sum.update(&[kind.tag, version]);
    key.sum(&mut sum);
    sum.update(body);
    sum.finalize()
}

/// A row of bytes that are no record, such as a block of postings.
pub fn seal(kind: Kind, key: impl RowKey, body: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(ENVELOPE_BYTES + body.len());
    row.push(kind.version);
    row.extend(checksum(kind, kind.version, key, body).to_le_bytes());
    row.extend(body);
    row
}

/// Takes a row out of its envelope: the version, and what was in it.
pub fn open(kind: Kind, key: impl RowKey, row: &[u8]) -> Result<(u8, &[u8]), ReadError> {
    let told =
        |key: &dyn Debug, why: String| ReadError::Corrupt(format!("{} {key:?}: {why}", kind.table));
    let Some((&[version, ref sum @ ..], body)) = row.split_first_chunk::<ENVELOPE_BYTES>() else {
        return Err(told(&key, format!("it has {} bytes", row.len())));
    };
    let is_written = u32::from_le_bytes(*sum) == checksum(kind, version, key, body);
    if !is_written && !planted(Bug::UncheckedSum) {
        return Err(told(&key, "its checksum is wrong".to_owned()));
    }
    if version == 0 || version > kind.version {
        let upto = kind.version;
        let why = format!("it has version {version}, and this release reads up to {upto}");
        return Err(told(&key, why));
    }
    Ok((version, body))
}

/// Something of the domain that is kept as a row.
pub trait Record: Sized {
    /// What rows of it are called.
    const KIND: Kind;
    /// What is stored.
    type Stored<'a>: Encode<()> + From<&'a Self>
    where
        Self: 'a;

    /// Reads a record of any version so far.
    fn read(version: u8, body: &[u8]) -> Result<Self, Fault>;
}

/// Reads a struct and nothing behind it.
pub fn body<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Fault> {
    let mut decoder = Decoder::new(bytes);
    let stored = decoder.decode()?;
    match bytes.len().saturating_sub(decoder.position()) {
        0 => Ok(stored),
        rest => Err(Fault(format!("{rest} bytes too many"))),
    }
}

/// Adds a struct to bytes.
pub fn append(bytes: &mut Vec<u8>, stored: &impl Encode<()>) -> Result<(), ReadError> {
    minicbor::encode(stored, bytes)
        .map_err(|error| ReadError::Corrupt(format!("a record can't be encoded: {error}")))
}

/// The row of a record.
pub fn encode<T: Record>(key: impl RowKey, record: &T) -> Result<Vec<u8>, ReadError> {
    let mut row = Vec::with_capacity(RECORD_BYTES);
    row.extend([T::KIND.version, 0, 0, 0, 0]);
    append(&mut row, &T::Stored::from(record))?;
    close(T::KIND, key, &mut row);
    Ok(row)
}

/// The start of a row that is put together bit by bit, and then [closed](close).
pub fn start(kind: Kind) -> Vec<u8> {
    vec![kind.version, 0, 0, 0, 0]
}

/// Puts the checksum of what is in a row into its envelope.
pub fn close(kind: Kind, key: impl RowKey, row: &mut [u8]) {
    if let Some((head, body)) = row.split_first_chunk_mut::<ENVELOPE_BYTES>() {
        let [version, sum @ ..] = head;
        *sum = checksum(kind, *version, key, body).to_le_bytes();
    }
}

/// The record of a row. The table and the key are named if it is damaged.
pub fn decode<T: Record>(key: impl RowKey, row: &[u8]) -> Result<T, ReadError> {
    let (version, body) = open(T::KIND, key, row)?;
    T::read(version, body)
        .map_err(|fault| ReadError::Corrupt(format!("{} {key:?}: {fault}", T::KIND.table)))
}
