//! What is stored: how rows become bytes, and which index entries follow from them.

pub mod codec;
#[cfg(test)]
pub mod golden_tests;
pub mod index;
