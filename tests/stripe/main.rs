//! The built binary against a Stripe that misbehaves. Run by scripts/test-stripe.

#![cfg(feature = "stripe")]

mod support;

mod faults;
mod payments;
mod sandbox;
mod webhooks;
