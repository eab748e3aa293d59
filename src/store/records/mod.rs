//! What is stored: one file for each resource, with the struct that goes into its row, the conversions
//! from and to the domain, and the index entries that follow from it.
//!
//! A row is an [envelope]: the version of its kind of record, a checksum, and the record in CBOR
//! ([minicbor]). Fields are numbered and never change their number: a release skips the fields that it
//! does not know, and gives those that are missing their defaults. So a field is added to the struct
//! here and to its conversions, without a new version and without a migration, as long as releases
//! that do not know it may ignore it. Whatever else changes gives the record its next version, and
//! the old one is read on.
//!
//! Structs are written as arrays (the number of a field is its place) and not as maps: a row is
//! smaller by a byte a field, and is read without looking for keys.

pub mod charge;
pub mod commit;
pub mod entries;
pub mod envelope;
pub mod event;
#[cfg(test)]
mod golden_tests;
pub mod order;
pub mod parts;
pub mod remembered;
pub mod session;
pub mod state;
pub mod ticket;
pub mod ticket_lists;
pub mod user;

pub use entries::{Entry, Index, Indexed};
pub use envelope::{Record, decode, encode, open, seal};
pub use ticket::TicketRow;
