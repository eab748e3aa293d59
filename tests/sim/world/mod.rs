//! The marketplace in a world that a seed decides: simulated time, disk, payments and people.
//!
//! [`plan::Plan`] is what a seed decides, [`run::run`] lives through it, [`model::Model`] says
//! what may be seen, and [`record::Summary`] is what is left. Everything runs on one thread, so
//! the same seed gives the same trace.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a simulation fails by panicking, and tells how it came there"
)]

pub mod answers;
pub mod audit;
pub mod backups;
pub mod client;
pub mod direct;
pub mod disk;
pub mod gateway;
pub mod http;
pub mod life;
pub mod listener;
pub mod model;
pub mod pages;
pub mod passes;
pub mod plan;
pub mod post;
pub mod record;
pub mod rng;
pub mod run;
pub mod store;
pub mod tell;
pub mod time;
pub mod watchdog;
#[expect(clippy::module_inception, reason = "it is the world, in a folder named after it")]
pub mod world;
