//! The built program from outside: started, stopped, killed and started again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![allow(clippy::disallowed_methods)] // Real processes live in real time.

mod support;

mod commands;
mod crashes;
mod holds;
mod lifecycle;
mod shoppers;
mod sockets;
