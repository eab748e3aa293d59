//! gittix: a ticket resale marketplace in one binary.
pub mod actors;
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod payments;
pub mod seams;
pub mod store;
