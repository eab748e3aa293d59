//! Who acts: an actor for every ticket and order that is being changed, a timer for the deadlines,
//! a reconciler for the charges, and the [`Marketplace`] in front of them.
//!
//! An actor deals with one message at a time, always in the same way: read the clock once,
//! decide (a pure function of [`crate::domain`]), commit, adopt the new state, answer, and only
//! then act on what follows. That is written once, in [`aggregate`]; what a ticket or an order is
//! asked and decides is in [`ticket`] and [`order`]. Calls between actors go from order to ticket
//! alone, so there is no cycle to wait in. Nothing here is the truth: state is in the store, and an
//! actor that ends, for whatever reason, is replaced by one that reads it from there.
//!
//! What takes time or the outside is generic over its kinds: [`effects`] are calls that are made
//! until their outcome is known, [`timers`] are rows that are due some time, [`followers`] are told of
//! everything in the log. No file here uses one
//! that uses it; a test holds that.

pub mod aggregate;
mod catalog;
mod closing;
mod context;
pub mod directory;
pub mod effects;
mod error;
pub mod followers;
mod idempotency;
mod marketplace;
mod news;
pub mod order;
mod passes;
mod peers;
mod relocks;
mod retry;
mod settings;
pub mod show;
mod supervisor;
pub mod ticket;
pub mod timers;
mod told;
pub mod venue;

pub use error::MarketError;
pub use idempotency::{IdempotencyKey, KeyFor};
pub use marketplace::accounts::Place;
pub use marketplace::payments::PendingCharge;
pub use marketplace::shows::NewShow;
pub use marketplace::tickets::TicketChanges;
pub use marketplace::{MarketStats, Marketplace, Outgoing, StartError, last_change};
pub use marketplace::{imports, operators};
pub use settings::MarketSettings;
pub use ticket::NewPass;

#[cfg(test)]
mod testing;
