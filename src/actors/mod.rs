//! Who acts: one actor for every ticket and order that is being changed, a timer for the
//! deadlines, a reconciler for the charges, and the [`Marketplace`] in front of them.
//!
//! An actor deals with one message at a time, always in the same way: read the clock once,
//! decide (a pure function of [`crate::domain`]), commit, adopt the new state, answer, and only
//! then act on what follows. Calls between actors go from order to ticket alone, so there is no
//! cycle to wait in. Nothing here is the truth: state is in the store, and an actor that ends,
//! for whatever reason, is replaced by one that reads it from there.

mod calls;
mod context;
mod deadlines;
pub mod directory;
mod error;
mod marketplace;
mod order;
mod reconciler;
mod supervisor;
mod ticket;

pub use context::MarketSettings;
pub use error::MarketError;
pub use marketplace::{MarketStats, Marketplace, StartError};
pub use reconciler::PendingCharge;
pub use ticket::IdempotencyKey;
