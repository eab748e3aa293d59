//! The storefront in a real browser, used as people use it. Run by `scripts/test-browser`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test fails by panicking"
)]

mod accessibility;
mod account;
mod documentation;
#[path = "../shared/free_port.rs"]
mod free_port;
mod language;
mod money;
mod places;
mod seats;
mod selling;
mod shows;
mod support;
mod trade;
