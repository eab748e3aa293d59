//! gittix: a ticket resale marketplace in one binary.
//!
//! People list tickets, others buy them; a purchase locks the ticket for 15 minutes while the
//! buyer pays; no payment, and it unlocks by itself; paid, and it is theirs, once, whatever
//! crashes.
//!
//! The modules in reading order:
//!
//! * [`domain`]: what the marketplace is. Pure decisions and typed events; start with
//!   [`domain::event`].
//! * [`store`]: where everything is kept, in one redb file with group commit.
//! * [`payments`]: where money comes from; [`mail`]: how messages reach people; [`blobs`]: where contents
//!   lie that are too large for a row.
//! * [`actors`]: who acts. [`actors::Marketplace`] is the one door to everything that changes.
//! * [`pictures`]: pictures that people send, made into what pages show.
//! * [`auth`]: passwords, sessions, throttling.
//! * [`http`]: the API.
//! * [`app`]: puts the parts together; [`server`], [`commands`], [`config`] and [`cli`] make a
//!   program of them; [`seams`] is what the outside world is to all of it, [`private`] how files are
//!   written that are nobody else's business.
//!
//! Arrows point one way: `http -> actors -> {store, payments, mail, blobs} -> domain`.

#![cfg_attr(
    test,
    expect(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout,
        clippy::string_slice,
        clippy::too_many_lines,
        clippy::unreachable,
        clippy::unwrap_used,
        missing_docs,
        reason = "a test fails by panicking and tells how, a table of cases may be long, and helpers are read with it"
    )
)]

pub mod actors;
pub mod app;
pub mod auth;
pub mod banner;
pub mod blobs;
#[doc(hidden)]
pub mod bugs;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod domain;
pub mod http;
pub mod logging;
pub mod mail;
pub mod memory;
pub mod new_folders;
pub mod payments;
pub mod pictures;
pub mod private;
pub mod seams;
pub mod server;
pub mod store;
