//! The API from outside its router: the real application in process, on a real redb in memory,
//! in simulated time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

mod accounts;
mod concurrency;
mod currencies;
mod deadlines;
mod edge;
mod idempotency;
mod inputs;
mod lists;
mod money;
mod orders;
mod overload;
mod payments;
mod restarts;
mod service;
mod sessions;
mod throttling;
mod tickets;
