//! Stripe: the only room that knows it.
//!
//! What a request is, how it is written, its idempotency key and the `StripeClient` that carries
//! it are async-stripe's. The transport behind that trait is ours (`client`), because
//! async-stripe's own opens a TLS connection for every call and loses the status of an answer it
//! can't read, and both the status and "no answer at all" decide here what is certain. Of Stripe's
//! objects only what the decisions need is written (`requests`) and read (`objects`): a field that
//! Stripe adds or changes must not make a payment unreadable, and the generated types for all of
//! them are the largest part of a first build.
//!
//! # What is certain
//!
//! A fact is reported only for an answer that Stripe gives for good: a payment intent in a 2xx,
//! or a refusal of 400, 402 or 404. All else (no connection, no answer in time, 401, 403, 409,
//! 429, 5xx, a body that is not what it should be) is unknown, and the step is done again.
//!
//! # Keys, and stored answers
//!
//! Each step of a charge has one idempotency key, so asking again can't do it twice. But Stripe
//! stores the first answer to a key and repeats it, a 500 included, so a key alone could wedge
//! a charge for a day. Therefore a step in doubt begins with a GET of the payment intent:
//!
//! * It shows the step done, or out of reach: that is the fact, and nothing is sent.
//! * It shows the step not done: the same key is sent again, for the first request may still be
//!   on its way. Only if Stripe has answered with an error of its own twice, or has marked the
//!   answer as a stored one, is the next generation of the key used (`…:capture:2`).
//!
//! A new key is safe because Stripe's object, and not the key, is what forbids a second effect.
//! An intent is confirmed, captured or cancelled at most once whatever the key: in any other
//! state Stripe refuses. Refunds of an intent can't exceed what was captured, and those that
//! exist are listed before one is made. A second payment intent for a charge takes nothing: it
//! is made unconfirmed, and only the one whose name is stored is ever confirmed. What is in
//! doubt is kept in memory alone; after a restart the first generation is tried first, and the
//! stored error it gets leads here again.

#[cfg(feature = "stripe")]
mod amount;
#[cfg(feature = "stripe")]
mod client;
#[cfg(feature = "stripe")]
mod doubts;
pub mod event;
#[cfg(feature = "stripe")]
mod gateway;
#[cfg(feature = "stripe")]
mod objects;
#[cfg(feature = "stripe")]
mod requests;
pub mod signature;
#[cfg(all(test, feature = "stripe"))]
mod tests;

#[cfg(feature = "stripe")]
pub use client::BadSettings;
#[cfg(feature = "stripe")]
pub use gateway::StripeGateway;

/// Whether a key moves real money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No money moves.
    Test,
    /// Real cards are charged.
    Live,
}

impl Mode {
    /// The mode of a secret key (`sk_`) or a restricted one (`rk_`); `None` for what is neither.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::after_prefix(key.strip_prefix("sk_").or_else(|| key.strip_prefix("rk_"))?)
    }

    /// The mode of a publishable key (`pk_`); `None` for what is none.
    pub fn of_publishable_key(key: &str) -> Option<Self> {
        Self::after_prefix(key.strip_prefix("pk_")?)
    }

    fn after_prefix(rest: &str) -> Option<Self> {
        let (mode, name) = rest.split_once('_')?;
        match mode {
            _ if name.is_empty() => None,
            "test" => Some(Self::Test),
            "live" => Some(Self::Live),
            _ => None,
        }
    }
}
