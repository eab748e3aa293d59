//! Where money comes from: the gateway's interface and its implementations.
//!
//! A gateway does one step of a charge at a time and reports a fact about the payment intent.
//! It decides nothing: what a fact means is decided by [`crate::domain::Purchase`], against
//! what is stored when the fact arrives.

mod sandbox;

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::{Charge, GatewayStep, IntentReport, PaymentToken};

pub use sandbox::Sandbox;

/// A gateway that all parts of the server share.
pub type SharedGateway = Arc<dyn Gateway>;

/// A provider of card payments with separate authorisation and capture.
#[async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// The provider's name and mode, as start-up prints it.
    fn describe(&self) -> String;

    /// Whether a token could be one of this gateway's. Most only find out by trying.
    fn accepts(&self, token: &PaymentToken) -> bool;

    /// Does one step under its idempotency key and reports how the payment intent stands
    /// afterwards. Doing a step again that was done before reports the same and does nothing.
    ///
    /// # Errors
    ///
    /// Every outcome that is not certain, such as no answer or one that can't be understood,
    /// is [`GatewayError::Unknown`]: the step may or may not have been done.
    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
    ) -> Result<IntentReport, GatewayError>;
}

/// The gateway's answer is missing or not certain.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GatewayError {
    /// The step may or may not have been done; ask again.
    #[error("the gateway's answer is not known: {0}")]
    Unknown(String),
}
