//! The file below the database: journal, write-behind and fail-stop. It knows bytes alone.

#[cfg(test)]
pub mod disk;
pub mod fail_stop;
pub mod files;
pub mod journal;
pub mod overlay;
pub mod pages;
pub mod volume;
pub mod write_behind;
