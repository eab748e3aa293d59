//! The requests that are sent to Stripe: its paths, and of its many parameters the few that are
//! used. What a request is and how it travels is async-stripe's.
//!
//! A repeated request must be the same to the letter, or Stripe refuses its idempotency key, so
//! parameters keep their order and their spelling.

use serde::Serialize;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use super::objects::{Dispute, Intent, List, Refund};
use crate::domain::{ChargeId, Currency, IntentId, OrderId, PaymentToken};

/// Makes a payment intent, unconfirmed. Its money is authorised first and captured later.
pub struct CreateIntent {
    pub charge: ChargeId,
    pub order: OrderId,
    /// In Stripe's units.
    pub amount: i64,
    /// Whether the account can charge in it, Stripe says.
    pub currency: Currency,
}

impl StripeRequest for CreateIntent {
    type Output = Intent;

    fn build(&self) -> RequestBuilder {
        #[derive(Serialize)]
        struct Form {
            allowed_payment_method_types: [&'static str; 1],
            amount: i64,
            capture_method: &'static str,
            currency: stripe_types::Currency,
            metadata: Metadata,
        }
        #[derive(Serialize)]
        struct Metadata {
            charge_id: String,
            order_id: String,
        }
        // What async-stripe does not know (its list lacks `kwd`) it sends as it is.
        let Ok(currency) = self.currency.to_string().parse();
        post("/payment_intents").form(&Form {
            allowed_payment_method_types: ["card"],
            amount: self.amount,
            capture_method: "manual",
            currency,
            metadata: Metadata {
                charge_id: self.charge.to_string(),
                order_id: self.order.to_string(),
            },
        })
    }
}

/// Asks for an intent together with its latest charge, which says whether it was paid back or
/// disputed.
pub struct RetrieveIntent<'a>(pub &'a IntentId);

impl StripeRequest for RetrieveIntent<'_> {
    type Output = Intent;

    fn build(&self) -> RequestBuilder {
        #[derive(Serialize)]
        struct Query {
            expand: [&'static str; 1],
        }
        get(format!("/payment_intents/{}", self.0.0)).query(&Query { expand: ["latest_charge"] })
    }
}

/// Confirms an intent with the buyer's card.
pub struct ConfirmIntent<'a> {
    pub intent: &'a IntentId,
    pub token: &'a PaymentToken,
}

impl StripeRequest for ConfirmIntent<'_> {
    type Output = Intent;

    /// `pm_…` is a payment method. `tok_…` is of the API before payment methods: it stands for a
    /// card's data.
    fn build(&self) -> RequestBuilder {
        #[derive(Serialize)]
        struct Form<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            payment_method: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            payment_method_data: Option<CardData<'a>>,
            /// The storefront brings the buyer before the bank with Stripe's own script.
            use_stripe_sdk: bool,
        }
        #[derive(Serialize)]
        struct CardData<'a> {
            card: Card<'a>,
            r#type: &'static str,
        }
        #[derive(Serialize)]
        struct Card<'a> {
            token: &'a str,
        }
        let token = self.token.expose();
        let is_card = token.starts_with("tok_");
        post(format!("/payment_intents/{}/confirm", self.intent.0)).form(&Form {
            payment_method: (!is_card).then_some(token),
            payment_method_data: is_card
                .then_some(CardData { card: Card { token }, r#type: "card" }),
            use_stripe_sdk: true,
        })
    }
}

/// Takes the money that was authorised.
pub struct CaptureIntent<'a>(pub &'a IntentId);

impl StripeRequest for CaptureIntent<'_> {
    type Output = Intent;

    fn build(&self) -> RequestBuilder {
        post(format!("/payment_intents/{}/capture", self.0.0)).form(&NoFields {})
    }
}

/// Cancels an intent, and releases what was authorised.
pub struct CancelIntent<'a>(pub &'a IntentId);

impl StripeRequest for CancelIntent<'_> {
    type Output = Intent;

    fn build(&self) -> RequestBuilder {
        post(format!("/payment_intents/{}/cancel", self.0.0)).form(&NoFields {})
    }
}

/// Pays back what has not been paid back yet: without an amount Stripe refunds what is left.
pub struct CreateRefund<'a> {
    pub intent: &'a IntentId,
    pub charge: ChargeId,
}

impl StripeRequest for CreateRefund<'_> {
    type Output = Refund;

    fn build(&self) -> RequestBuilder {
        #[derive(Serialize)]
        struct Form<'a> {
            metadata: Metadata,
            payment_intent: &'a str,
        }
        #[derive(Serialize)]
        struct Metadata {
            charge_id: String,
        }
        let metadata = Metadata { charge_id: self.charge.to_string() };
        post("/refunds").form(&Form { metadata, payment_intent: &self.intent.0 })
    }
}

/// Lists the refunds of an intent, newest first.
pub struct ListRefunds<'a>(pub &'a IntentId);

impl StripeRequest for ListRefunds<'_> {
    type Output = List<Refund>;

    fn build(&self) -> RequestBuilder {
        get("/refunds").query(&OfIntent { limit: 100, payment_intent: &self.0.0 })
    }
}

/// Asks for the newest dispute of an intent.
pub struct ListDisputes<'a>(pub &'a IntentId);

impl StripeRequest for ListDisputes<'_> {
    type Output = List<Dispute>;

    fn build(&self) -> RequestBuilder {
        get("/disputes").query(&OfIntent { limit: 1, payment_intent: &self.0.0 })
    }
}

/// What to list.
#[derive(Serialize)]
struct OfIntent<'a> {
    limit: u8,
    payment_intent: &'a str,
}

/// A body without parameters.
#[derive(Serialize)]
struct NoFields {}

fn get(path: impl Into<String>) -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Get, path)
}

fn post(path: impl Into<String>) -> RequestBuilder {
    RequestBuilder::new(StripeMethod::Post, path)
}
