//! The API from outside its router: the real application in process, on a real redb in memory,
//! in simulated time.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

mod accounts;
mod bank_question;
mod concurrency;
mod covers;
mod currencies;
mod deadlines;
mod edge;
mod idempotency;
mod inputs;
mod limits;
mod lists;
mod logs;
mod mail;
mod money;
mod money_back;
mod orders;
mod overload;
mod passes;
mod payments;
mod recovery;
mod restarts;
mod seats;
mod second_factor;
mod service;
mod session_list;
mod sessions;
mod show_ends;
mod show_lists;
mod show_tickets;
mod shows;
mod throttling;
mod tickets;
mod tokens;
mod two_nodes;
