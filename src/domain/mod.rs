//! placeholder: filled in the next step
mod time;
pub use time::Timestamp;
