//! Lists of tickets, and their search by words.

pub mod blocks;
mod letters;
pub mod lists;
pub mod postings;
pub mod signature;
pub mod skip_ranges;
pub mod sources;
pub mod tombstones;
pub mod words;
