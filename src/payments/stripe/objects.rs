//! What is read of Stripe's objects: as little as the decisions need. All else may be missing,
//! new or of another shape.

use miniserde::Deserialize;
use miniserde::json::{Number, Value};

use crate::domain::{Refund as ToldRefund, RefundId, RefundStatus};

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
    /// Whether some of its money is paid back or on its way.
    pub fn has_refunds(&self) -> bool {
        let amount = self.charge_field("amount_refunded");
        self.charge_says("refunded") || matches!(amount, Some(Value::Number(Number::U64(1..))))
    }

    /// Whether the cardholder has disputed it.
    pub fn is_disputed(&self) -> bool {
        self.charge_says("disputed")
    }

    fn charge_says(&self, flag: &str) -> bool {
        matches!(self.charge_field(flag), Some(Value::Bool(true)))
    }

    fn charge_field(&self, name: &str) -> Option<&Value> {
        match &self.latest_charge {
            Some(Value::Object(charge)) => charge.get(name),
            _ => None,
        }
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
    pub failure_reason: Option<String>,
}

impl Refund {
    /// Whether it came to nothing: the money is with us again.
    pub fn has_failed(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }

    /// How it stands; `None` if somebody has taken it back, so that nothing is owed by it.
    pub fn status(&self) -> Option<RefundStatus> {
        match self.status.as_deref() {
            Some("succeeded") => Some(RefundStatus::Succeeded),
            Some("failed") => Some(RefundStatus::Failed),
            Some("canceled") => None,
            // `pending`, `requires_action`, and what Stripe may think of tomorrow.
            _ => Some(RefundStatus::Pending),
        }
    }

    /// Whether the bank has sent it back for a reason that will not go away.
    pub fn is_hopeless(&self) -> bool {
        self.has_failed()
            && matches!(
                self.failure_reason.as_deref(),
                Some(
                    "lost_or_stolen_card"
                        | "expired_or_canceled_card"
                        | "charge_for_pending_refund_disputed"
                )
            )
    }

    /// The refund as the marketplace knows it. One that was taken back is as good as failed.
    pub fn told(&self) -> ToldRefund {
        let status = self.status().unwrap_or(RefundStatus::Failed);
        ToldRefund::told(RefundId(self.id.clone()), status)
    }
}

/// A dispute.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    pub status: String,
}
