//! What is read of a webhook: which object it is about, and nothing of what it says happened.
//!
//! Webhooks come late, twice and in any order, so an event is taken as a hint to look.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::domain::{ChargeId, IntentId};

/// A webhook, as far as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names the event, the same in every delivery.
    pub id: String,
    /// The payment intent to look at; `None` for objects that are none of our concern.
    pub intent: Option<IntentId>,
    /// The charge that the intent says it was made for.
    pub charge: Option<ChargeId>,
}

/// Why a body is no event that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAnEvent {
    /// It only names what changed. What was made for such events has another shape throughout.
    #[error(
        "The body is a thin event. The endpoint in Stripe's dashboard must send snapshot events: \
         choose the payload style \"Snapshot\""
    )]
    Thin,
    /// It is something else.
    #[error("The body is not an event as Stripe sends them")]
    Foreign,
}

/// What all bodies of Stripe's have.
#[derive(Deserialize)]
struct AnyObject {
    object: Option<String>,
}

#[derive(Deserialize)]
struct RawEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    data: RawData,
}

#[derive(Deserialize)]
struct RawData {
    object: RawObject,
}

#[derive(Deserialize)]
struct RawObject {
    object: Option<String>,
    id: Option<String>,
    payment_intent: Option<Value>,
    metadata: Option<Value>,
}

impl Event {
    /// Reads a body whose signature has been checked.
    ///
    /// # Errors
    ///
    /// [`NotAnEvent`] if it is none, or one of another kind than is understood.
    pub fn parse(body: &[u8]) -> Result<Self, NotAnEvent> {
        const LONGEST_ID: usize = 255;
        let object = serde_json::from_slice::<AnyObject>(body).ok().and_then(|any| any.object);
        if object.is_some_and(|object| object.starts_with("v2.")) {
            return Err(NotAnEvent::Thin);
        }
        let event: RawEvent = serde_json::from_slice(body).map_err(|_| NotAnEvent::Foreign)?;
        if event.id.is_empty() || event.id.len() > LONGEST_ID {
            return Err(NotAnEvent::Foreign);
        }
        let object = event.data.object;
        let is_about_money = ["payment_intent.", "charge.", "refund."]
            .iter()
            .any(|family| event.kind.starts_with(family));
        let intent = match object.object.as_deref() {
            _ if !is_about_money => None,
            Some("payment_intent") => object.id,
            Some("charge" | "refund" | "dispute") => object.payment_intent.and_then(name),
            _ => None,
        };
        let charge = object.metadata.as_ref().and_then(|metadata| metadata.get("charge_id"));
        let charge = charge.and_then(Value::as_str).and_then(|id| id.parse().ok());
        Ok(Self { id: event.id, intent: intent.map(IntentId), charge })
    }
}

/// A reference to an object: its name, or the object itself.
fn name(reference: Value) -> Option<String> {
    match reference {
        Value::String(name) => Some(name),
        Value::Object(object) => Some(object.get("id")?.as_str()?.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(kind: &str, object: Value) -> Result<Event, NotAnEvent> {
        let body = json!({ "id": "evt_1", "type": kind, "data": { "object": object } });
        Event::parse(body.to_string().as_bytes())
    }

    fn intent_of(kind: &str, object: Value) -> Option<String> {
        parsed(kind, object).expect("an event").intent.map(|intent| intent.0)
    }

    #[test]
    fn whatever_an_event_is_about_its_payment_intent_is_found() {
        let intent = json!({ "object": "payment_intent", "id": "pi_1", "status": "succeeded" });
        assert_eq!(intent_of("payment_intent.succeeded", intent), Some("pi_1".to_owned()));
        for kind in ["charge", "refund", "dispute"] {
            let by_name = json!({ "object": kind, "id": "x_1", "payment_intent": "pi_2" });
            assert_eq!(intent_of("charge.refunded", by_name), Some("pi_2".to_owned()));
            let whole = json!({ "object": kind, "payment_intent": { "id": "pi_3" } });
            assert_eq!(intent_of("charge.dispute.created", whole), Some("pi_3".to_owned()));
        }
    }

    #[test]
    fn what_is_none_of_our_concern_has_no_intent() {
        let customer = json!({ "object": "customer", "id": "cus_1" });
        assert_eq!(intent_of("customer.created", customer), None);
        let without = json!({ "object": "charge", "id": "ch_1", "payment_intent": null });
        assert_eq!(intent_of("charge.succeeded", without), None);
    }

    #[test]
    fn the_charge_stands_in_the_metadata() {
        let id = ChargeId::from_u128(7);
        let intent = json!({ "object": "payment_intent", "id": "pi_1",
            "metadata": { "charge_id": id.to_string() } });
        let event = parsed("payment_intent.created", intent).expect("an event");
        assert_eq!(event.charge, Some(id));
        let odd = json!({ "object": "payment_intent", "id": "pi_1", "metadata": [1] });
        assert_eq!(parsed("payment_intent.created", odd).expect("an event").charge, None);
    }

    #[test]
    fn what_is_no_event_is_nothing() {
        for body in ["", "{}", "[]", "null", r#"{"id":"","type":"a","data":{"object":{}}}"#] {
            assert_eq!(Event::parse(body.as_bytes()), Err(NotAnEvent::Foreign), "{body}");
        }
    }

    #[test]
    fn a_thin_event_is_told_from_what_is_no_event() {
        let thin = json!({ "id": "evt_1", "object": "v2.core.event", "livemode": true,
            "type": "v1.payment_intent.succeeded", "created": "2026-11-27T00:00:00.000Z",
            "related_object": { "id": "pi_1", "type": "payment_intent" } });
        assert_eq!(Event::parse(thin.to_string().as_bytes()), Err(NotAnEvent::Thin));
    }
}
