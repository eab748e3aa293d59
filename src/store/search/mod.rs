//! Lists of tickets, and their search by words.

pub mod blocks;
pub mod gaps;
mod letters;
pub mod lingering;
pub mod lists;
pub mod postings;
pub mod signature;
pub mod sources;
pub mod words;
