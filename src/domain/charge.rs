//! One attempt to take money for an order: authorise, decide, capture.
//!
//! ```text
//!   Intent ──▶ Created ──▶ Confirming          each phase is stored before its gateway call
//!     │          │ ╲          │                is made: Intent creates, Created confirms,
//!     │          │  ╲─────────┤                Confirming waits for the buyer's bank,
//!     │          ▼            ▼                Capturing captures, Voiding cancels,
//!     │       Voiding ◀─── (order over)        Refunding refunds
//!     │        │    │         │
//!     ▼        ▼    │         ▼
//!   Failed ◀───┘    │      Capturing ──▶ Completed ──▶ Refunded (by hand, at the gateway)
//!     │             ▼                                    ▲ ╎
//!     └────────▶ Refunding ──────────────────────────────┘ ╎
//!                    ▲╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╯ (the bank sends it back)
//! ```
//!
//! A refund is accepted by the gateway first and by the bank later, if at all; how it stands is
//! kept beside the phase, and so is a dispute. Neither hides the other.
//!
//! `Capturing` is the point of no return: it is committed only while the order is live and
//! before its deadline, and from then on neither expiry nor the buyer ends the order.
//! The decisions themselves are in [`super::Purchase`], for they concern the order as well.

mod account;
mod refund;

use std::fmt;

pub use self::account::Account;
pub use self::refund::{DisputeStatus, Refund, RefundStatus, learn_dispute, learn_refund};

use crate::bugs::{Bug, planted};

use super::{ChargeId, OrderId, Price, Timestamp, UserId, Version};

/// An attempt to take money, with everything needed to bring it to an end after a crash.
#[derive(Clone, PartialEq, Eq)]
pub struct Charge {
    /// Names the charge for ever, and with it the gateway's idempotency keys.
    pub id: ChargeId,
    /// What is paid for.
    pub order: OrderId,
    /// Who pays.
    pub buyer: UserId,
    /// What is paid.
    pub amount: Price,
    /// What the gateway knows the card by. Never shown.
    pub token: PaymentToken,
    /// With whom it was begun; `None` for charges of old, which do not say.
    pub account: Option<Account>,
    /// How far the attempt has come.
    pub phase: ChargePhase,
    /// What is known of paying it back in full.
    pub refund: Option<Refund>,
    /// How the cardholder's dispute stands, if there is one.
    pub dispute: Option<DisputeStatus>,
    /// Whether the sale that it paid for is to be paid back: then the money is owed as that of an order
    /// that is over is.
    pub is_owed_back: bool,
    /// Rises by one with every change; internal, charges show no version.
    pub version: Version,
    /// When the attempt was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The gateway's name for a payment intent: `pi_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IntentId(pub String);

/// The gateway's name for a refund: `re_…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefundId(pub String);

/// A card as the gateway knows it, `tok_…` or `pm_…`: good for one charge, so kept from logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(String);

impl PaymentToken {
    /// The most characters a token has.
    const MAX_LEN: usize = 255;

    /// Reads a token: one of Stripe's prefixes, then letters, digits and underscores.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("tok_").or_else(|| text.strip_prefix("pm_"))?;
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (is_name && text.len() <= Self::MAX_LEN).then(|| Self(text.to_owned()))
    }

    /// The token, for the gateway.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(…)")
    }
}

/// What a browser needs to bring the buyer before their bank. Shown to the buyer alone.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(pub String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// How far a charge has come; see the diagram above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargePhase {
    /// Written down; the gateway may or may not have heard of it. No money can be held yet.
    Intent,
    /// The gateway has a payment intent; whether it was confirmed is not known yet.
    Created {
        /// The gateway's payment intent.
        intent: IntentId,
    },
    /// The buyer's bank wants the buyer (3-D Secure).
    Confirming {
        /// The gateway's payment intent.
        intent: IntentId,
        /// What the buyer's browser needs.
        client_secret: ClientSecret,
    },
    /// Authorised, and the sale is decided: the money is being taken.
    Capturing {
        /// The gateway's payment intent.
        intent: IntentId,
    },
    /// The order is over: whatever was authorised is being given back.
    Voiding {
        /// The gateway's payment intent.
        intent: IntentId,
        /// What the charge failed of.
        code: FailureCode,
    },
    /// Money was taken for an order that is over, or for a sale that is to be paid back, and is owed to
    /// the buyer until a refund has succeeded.
    Refunding {
        /// The gateway's payment intent.
        intent: IntentId,
    },
    /// The money is taken and the ticket is the buyer's.
    Completed {
        /// The gateway's payment intent.
        intent: IntentId,
    },
    /// The money was taken and is back with the buyer, by a refund or by the bank's decision.
    Refunded {
        /// The gateway's payment intent.
        intent: IntentId,
    },
    /// No money was taken.
    Failed {
        /// The gateway's payment intent, if it came to that.
        intent: Option<IntentId>,
        /// What it failed of.
        code: FailureCode,
    },
}

/// Why a charge failed: the gateway's decline code, or one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureCode(String);

impl FailureCode {
    /// The order's time ran out before the money was taken.
    pub fn order_expired() -> Self {
        Self("order_expired".to_owned())
    }

    /// The buyer cancelled before the money was taken.
    pub fn order_cancelled() -> Self {
        Self("order_cancelled".to_owned())
    }

    /// The payment intent was cancelled at the gateway by somebody else.
    pub fn cancelled_at_gateway() -> Self {
        Self("payment_canceled".to_owned())
    }

    /// The buyer gave the attempt up.
    pub fn given_up() -> Self {
        Self("payment_given_up".to_owned())
    }

    /// It was begun with a provider, an account or a mode that the server has no more.
    pub fn provider_changed() -> Self {
        Self("provider_changed".to_owned())
    }

    /// An operator has said that no money was taken.
    pub fn settled_by_operator() -> Self {
        Self("settled_by_operator".to_owned())
    }

    /// A decline code as the gateway words it.
    pub fn from_gateway(code: &str) -> Self {
        Self(code.to_owned())
    }

    /// The code as clients see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a client sees of a charge's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeStatus {
    /// Not decided yet.
    Created,
    /// No money was taken, and none will be.
    Failed,
    /// The money was taken (and, with a refund id, paid back).
    Completed,
}

/// A call to the gateway. Which one is next follows from the phase alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GatewayStep {
    /// Make the payment intent, unconfirmed.
    Create,
    /// Authorise it with the buyer's token.
    Confirm,
    /// Look at it.
    Retrieve,
    /// Take the authorised money.
    Capture,
    /// Give the authorisation back.
    Cancel,
    /// Pay captured money back.
    Refund,
}

impl GatewayStep {
    /// The step's name in idempotency keys and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Confirm => "confirm",
            Self::Retrieve => "retrieve",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }

    /// The idempotency key under which the gateway does this once, however often it is asked.
    pub fn idempotency_key(self, charge: ChargeId) -> String {
        if planted(Bug::SharedGatewayKey) {
            return self.name().to_owned();
        }
        format!("{charge}:{}", self.name())
    }
}

impl ChargePhase {
    /// The phase's name without its details, for operators.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Intent => "Intent",
            Self::Created { .. } => "Created",
            Self::Confirming { .. } => "Confirming",
            Self::Capturing { .. } => "Capturing",
            Self::Voiding { .. } => "Voiding",
            Self::Refunding { .. } => "Refunding",
            Self::Completed { .. } => "Completed",
            Self::Refunded { .. } => "Refunded",
            Self::Failed { .. } => "Failed",
        }
    }
}

impl Charge {
    /// A new attempt.
    pub fn new(id: ChargeId, order: &super::Order, token: PaymentToken, now: Timestamp) -> Self {
        Self {
            id,
            order: order.id,
            buyer: order.buyer,
            amount: order.total(),
            token,
            account: None,
            phase: ChargePhase::Intent,
            refund: None,
            dispute: None,
            is_owed_back: false,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }

    /// The charge one phase on.
    #[must_use]
    pub fn moved(&self, phase: ChargePhase, now: Timestamp) -> Self {
        Self { phase, version: self.version.next(), updated_at: now, ..self.clone() }
    }

    /// What clients are told of the phase. A voided charge counts as failed from the moment
    /// that is decided: nothing will be taken, whenever the gateway gets round to it.
    pub fn status(&self) -> ChargeStatus {
        use ChargePhase::{
            Capturing, Completed, Confirming, Created, Failed, Intent, Refunded, Refunding, Voiding,
        };
        match self.phase {
            Intent | Created { .. } | Confirming { .. } | Capturing { .. } => ChargeStatus::Created,
            Voiding { .. } | Failed { .. } => ChargeStatus::Failed,
            Refunding { .. } | Completed { .. } | Refunded { .. } => ChargeStatus::Completed,
        }
    }

    /// The call that brings the charge forward; `None` once it is settled.
    pub fn next_step(&self) -> Option<GatewayStep> {
        match self.phase {
            ChargePhase::Intent => Some(GatewayStep::Create),
            ChargePhase::Created { .. } => Some(GatewayStep::Confirm),
            ChargePhase::Confirming { .. } => Some(GatewayStep::Retrieve),
            ChargePhase::Capturing { .. } => Some(GatewayStep::Capture),
            ChargePhase::Voiding { .. } => Some(GatewayStep::Cancel),
            ChargePhase::Refunding { .. } => Some(GatewayStep::Refund),
            // Somebody at the gateway is paying the sale back: how that ends is for us to tell.
            ChargePhase::Completed { .. } => {
                let is_open = self.refund.as_ref().is_some_and(Refund::is_open);
                // What is owed waits for the end of a dispute.
                let waits = self.is_owed_back && !self.is_given_up();
                (is_open || waits).then_some(GatewayStep::Retrieve)
            }
            ChargePhase::Refunded { .. } | ChargePhase::Failed { .. } => None,
        }
    }

    /// Whether a bank has a refund before it, or has sent one back. That takes days.
    pub fn waits_for_a_refund(&self) -> bool {
        self.is_unsettled() && self.refund.is_some()
    }

    /// Whether the bank has the money until it has decided a dispute.
    pub fn has_open_dispute(&self) -> bool {
        self.dispute == Some(DisputeStatus::Open)
    }

    /// Whether it was settled that nothing more comes of paying it back.
    pub fn is_given_up(&self) -> bool {
        self.refund.as_ref().is_some_and(|refund| refund.status == RefundStatus::Closed)
    }

    /// Whether something is still owed to or by the gateway.
    pub fn is_unsettled(&self) -> bool {
        self.next_step().is_some()
    }

    /// The gateway's payment intent, once there is one.
    pub fn intent(&self) -> Option<&IntentId> {
        match &self.phase {
            ChargePhase::Intent => None,
            ChargePhase::Failed { intent, .. } => intent.as_ref(),
            ChargePhase::Created { intent }
            | ChargePhase::Confirming { intent, .. }
            | ChargePhase::Capturing { intent }
            | ChargePhase::Voiding { intent, .. }
            | ChargePhase::Refunding { intent }
            | ChargePhase::Completed { intent }
            | ChargePhase::Refunded { intent } => Some(intent),
        }
    }

    /// What the buyer's browser needs to go on, while the bank waits for the buyer.
    pub fn client_secret(&self) -> Option<&ClientSecret> {
        match &self.phase {
            ChargePhase::Confirming { client_secret, .. } => Some(client_secret),
            _ => None,
        }
    }

    /// The charge as a gateway is to see it that is asked about an intent by name.
    #[must_use]
    pub fn looked_up_as(&self, intent: IntentId) -> Self {
        if self.intent() == Some(&intent) {
            return self.clone();
        }
        Self { phase: ChargePhase::Created { intent }, ..self.clone() }
    }

    /// What the buyer may see.
    pub fn view(&self) -> ChargeView {
        let failure_code = match &self.phase {
            ChargePhase::Failed { code, .. } | ChargePhase::Voiding { code, .. } => Some(code),
            _ => None,
        };
        ChargeView {
            id: self.id,
            order: self.order,
            buyer: self.buyer,
            status: self.status(),
            amount: self.amount,
            intent: self.intent().cloned(),
            refund: self.refund.clone(),
            failure_code: failure_code.cloned(),
            created_at: self.created_at,
            dispute: self.dispute,
        }
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge")
            .field("id", &self.id)
            .field("phase", &self.phase)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A charge without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeView {
    /// Names the charge.
    pub id: ChargeId,
    /// What is paid for.
    pub order: OrderId,
    /// Who pays.
    pub buyer: UserId,
    /// How it stands.
    pub status: ChargeStatus,
    /// What is paid.
    pub amount: Price,
    /// The gateway's payment intent, once known.
    pub intent: Option<IntentId>,
    /// What is known of paying it back in full.
    pub refund: Option<Refund>,
    /// Why no money was taken.
    pub failure_code: Option<FailureCode>,
    /// When the attempt was made.
    pub created_at: Timestamp,
    /// How the cardholder's dispute stands, if there is one.
    pub dispute: Option<DisputeStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_of_stripes_prefixes() {
        for text in ["tok_visa", "pm_card_visa", "pm_1Nabc23"] {
            assert!(PaymentToken::parse(text).is_some(), "{text}");
        }
        for text in ["", "tok_", "visa", "card_visa", "tok_vi sa", "tok_\0", "pm_é", "TOK_visa"] {
            assert!(PaymentToken::parse(text).is_none(), "{text}");
        }
        assert!(PaymentToken::parse(&format!("tok_{}", "a".repeat(252))).is_none());
    }

    #[test]
    fn an_idempotency_key_names_the_charge_and_the_step() {
        let key = GatewayStep::Capture.idempotency_key(ChargeId::from_u128(0));
        assert_eq!(key, "charge_00000000000000000000000000:capture");
    }

    #[test]
    fn secrets_are_not_printed() {
        let token = PaymentToken::parse("tok_secret").expect("a token");
        let secret = ClientSecret("pi_1_secret_2".to_owned());
        assert!(!format!("{token:?}{secret:?}").contains("secret_"), "{token:?}{secret:?}");
    }
}
