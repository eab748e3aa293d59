//! The load generator: as lean as can be, for it shares the processor with what it measures.

mod connection;
pub mod http;
mod load;
mod pace;

pub use connection::{Answer, Connection};
pub use load::{ClassTally, Load, Next, Observation, Workload, drive};
pub use pace::Pace;
