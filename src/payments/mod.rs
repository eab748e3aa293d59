//! Where money comes from: the gateway's interface and its implementations.
//!
//! A gateway does one step of a charge at a time and reports a fact about the payment intent.
//! It decides nothing: what a fact means is decided by [`crate::domain::Purchase`], against
//! what is stored when the fact arrives.

mod sandbox;
pub mod stripe;

use std::sync::Arc;

use async_trait::async_trait;
use thiserror::Error;

use crate::domain::{Account, Charge, ChargeId, GatewayStep, IntentReport, PaymentToken, Price};

pub use sandbox::Sandbox;

/// A gateway that all parts of the server share.
pub type SharedGateway = Arc<dyn Gateway>;

/// A provider of card payments with separate authorisation and capture.
#[async_trait]
pub trait Gateway: Send + Sync + 'static {
    /// The provider's name and mode, as start-up prints it.
    fn describe(&self) -> String;

    /// With whom charges are begun here. What was begun with another is not asked about.
    fn account(&self) -> Account;

    /// Whether a token could be one of this gateway's. Most only find out by trying.
    fn accepts(&self, token: &PaymentToken) -> bool;

    /// Why a price can't be charged, in words for the seller; `None` if it can.
    fn refuse_price(&self, _price: Price) -> Option<String> {
        None
    }

    /// How this gateway signs the webhooks it sends; `None` if it sends none.
    fn webhook_signatures(&self) -> Option<&stripe::signature::Signatures> {
        None
    }

    /// The charge that a client secret of the sandbox belongs to; `None` for any other gateway,
    /// and for a secret that is not of a payment waiting for 3-D Secure.
    fn sandbox_charge(&self, _client_secret: &str) -> Option<ChargeId> {
        None
    }

    /// Whether this is the sandbox, in which a client may play the buyer's bank.
    fn is_sandbox(&self) -> bool {
        false
    }

    /// Does one step under its idempotency key and reports how the payment intent stands
    /// afterwards. Doing a step again that was done before reports the same and does nothing.
    ///
    /// A step that ends the charge ends it for good: capturing reports that the money was taken,
    /// or `Voided` once it is certain that it can't be any more; cancelling and refunding never
    /// report a refusal.
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
