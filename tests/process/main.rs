//! The built program from outside: started, stopped, killed and started again.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and tells how it came there"
)]
#![expect(clippy::disallowed_methods, reason = "real processes live in real time")]

mod support;

mod cancelled_shows;
mod command_line;
mod commands;
mod crashes;
#[cfg(feature = "postgres")]
mod database;
#[path = "../shared/free_port.rs"]
mod free_port;
mod holds;
mod imports;
mod kept;
mod lifecycle;
mod mail;
#[cfg(feature = "postgres")]
mod nodes;
mod operators;
mod passes;
mod shoppers;
mod sockets;
