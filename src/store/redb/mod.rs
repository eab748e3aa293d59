//! The store in one file: redb with a journal before it.

pub mod absence;
pub mod apply;
pub mod backup;
pub mod batch;
pub mod check;
#[cfg(test)]
pub mod crash_tests;
#[cfg(test)]
pub mod damage_tests;
pub mod engine;
#[cfg(test)]
pub mod file_tests;
pub mod fill;
pub mod indexes;
#[cfg(test)]
pub mod kept_tests;
pub mod log;
pub mod migrations;
pub mod open;
pub mod open_orders;
pub mod read_tables;
pub mod reads;
pub mod recovery;
pub mod redb_store;
pub mod resources;
pub mod row_cache;
pub mod stock;
pub mod tables;
pub mod verify;
pub mod write_tables;
pub mod writer;
pub mod writer_state;
