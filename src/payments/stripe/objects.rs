//! What is read of Stripe's objects: as little as the decisions need. All else may be missing,
//! new or of another shape.

use miniserde::Deserialize;
use miniserde::json::Value;

/// A payment intent.
#[derive(Debug, Deserialize)]
pub struct Intent {
    pub id: String,
    pub status: String,
    pub client_secret: Option<String>,
    pub last_payment_error: Option<ErrorDetail>,
    pub metadata: Option<Metadata>,
    /// A name, or the charge itself if it was asked for.
    pub latest_charge: Option<Value>,
}

impl Intent {
    /// Whether its money was taken and has been paid back in full.
    pub fn is_refunded(&self) -> bool {
        self.charge_says("refunded")
    }

    /// Whether the cardholder has disputed it.
    pub fn is_disputed(&self) -> bool {
        self.charge_says("disputed")
    }

    fn charge_says(&self, flag: &str) -> bool {
        let Some(Value::Object(charge)) = &self.latest_charge else { return false };
        matches!(charge.get(flag), Some(Value::Bool(true)))
    }
}

/// What we wrote on an object when we made it.
#[derive(Debug, Default, Deserialize)]
pub struct Metadata {
    pub charge_id: Option<String>,
}

/// The body of a refusal.
#[derive(Debug, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

/// What was refused, in Stripe's codes. Its message is left out: it may quote what was sent.
#[derive(Debug, Deserialize)]
pub struct ErrorDetail {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub code: Option<String>,
    pub decline_code: Option<String>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub struct Refund {
    pub id: String,
    pub status: Option<String>,
    pub amount: i64,
}

impl Refund {
    /// Whether it came to nothing: the money is with us again.
    pub fn has_failed(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}

/// A dispute.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub status: String,
}
