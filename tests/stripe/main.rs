//! The built binary against a Stripe that misbehaves. Run by scripts/test-stripe.

#![cfg(feature = "stripe")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

mod faults;
mod payments;
mod refunds;
mod sandbox;
mod switching;
mod webhooks;
