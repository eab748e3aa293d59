//! `/api/stripe/webhook`: Stripe says that something may have happened.
//!
//! A webhook is never taken at its word. It names an object; the object is looked up at Stripe,
//! and what is found there is applied to what is stored, so late, doubled and shuffled webhooks
//! all come to the same. 200 means that the effect is durable: anything less is answered 5xx,
//! and Stripe sends the event again for up to three days.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use tracing::{debug, info};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::codes::Code;
use super::edge::docs::Refusals;
use super::edge::errors::problem;
use super::edge::json::read_body;
use super::edge::problem::Problem;
use super::state::ApiState;
use crate::actors::{IdempotencyKey, MarketError};
use crate::domain::{Charge, IntentId, UserId};
use crate::payments::stripe::event::Event;
use crate::payments::stripe::signature::BadSignature;
use crate::store::Refusal;

/// Events are remembered ten times longer than Stripe sends them again.
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The largest event that is read. They are rarely over ten kilobytes.
const EVENT_MAX_BYTES: usize = 512 * 1024;
/// The ids of events are kept with the idempotency keys, as those of a user who does not exist.
const STRIPE: UserId = UserId::from_u128(0);

/// The route of webhooks, for a gateway that signs some.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(receive)).layer(DefaultBodyLimit::max(EVENT_MAX_BYTES))
}

/// Takes an event from Stripe.
///
/// It is answered 200 only once its effect is durable. The same event any number of times, in
/// any order, has one effect.
#[utoipa::path(
    post, path = "/api/stripe/webhook", operation_id = "receiveStripeWebhook", tag = "payments",
    params(("Stripe-Signature" = String, Header, description = "The time and the signatures, as Stripe writes them.")),
    request_body(content = Object, description = "An event, as Stripe sends it.", content_type = "application/json"),
    responses((status = 200, body = Object, description = "Seen; nothing is left to do."), Refusals),
)]
async fn receive(State(state): State<ApiState>, request: Request) -> Result<Json<Value>, Problem> {
    let headers = request.headers().clone();
    let body = read_body(request).await?;
    if let Err(reason) = check(&state, &headers, &body) {
        info!(%reason, "a webhook was refused");
        return Err(Problem::new(Code::InvalidSignature, format!("{reason}.")));
    }
    let event = Event::parse(&body).map_err(|reason| {
        info!(%reason, "a webhook was refused");
        Problem::bad_request(format!("{reason}."))
    })?;
    let Some(intent) = event.intent.clone() else { return Ok(seen()) };
    let now = state.market.now();
    if state.store.remembered(STRIPE, &event.id, now).await?.is_some() {
        return Ok(seen());
    }
    let Some(charge) = charge_of(&state, &event, &intent).await? else {
        debug!(event = event.id, "a webhook about a payment that is not ours");
        return Ok(seen());
    };
    let refused = |error| problem(error, now);
    state.market.look_up(&charge, intent).await.map_err(refused)?;
    let key = IdempotencyKey {
        user: STRIPE,
        key: event.id,
        fingerprint: [0; 16],
        expires_at: now.plus(REMEMBERED_FOR),
    };
    // That there is something says all.
    match state.market.remember(&key, Vec::new()).await {
        // Another delivery of the event was quicker, and did the same.
        Ok(()) | Err(MarketError::Refused(Refusal::KeyUsed)) => Ok(seen()),
        Err(error) => Err(refused(error)),
    }
}

fn seen() -> Json<Value> {
    Json(json!({ "received": true }))
}

fn check(state: &ApiState, headers: &HeaderMap, body: &[u8]) -> Result<(), BadSignature> {
    let signatures = state.gateway.webhook_signatures().ok_or(BadSignature::Foreign)?;
    let mut sent = headers.get_all("stripe-signature").iter();
    let (Some(header), None) = (sent.next(), sent.next()) else {
        return Err(BadSignature::Malformed);
    };
    let header = header.to_str().map_err(|_| BadSignature::Malformed)?;
    signatures.check(header, body, state.market.now())
}

/// The charge is found by its intent or, if the answer that would have named that was lost, by
/// what the intent says it was made for.
async fn charge_of(
    state: &ApiState,
    event: &Event,
    intent: &IntentId,
) -> Result<Option<Charge>, Problem> {
    if let Some(charge) = state.store.charge_by_intent(intent).await? {
        return Ok(Some(charge));
    }
    match event.charge {
        Some(charge) => Ok(state.store.charge(charge).await?),
        None => Ok(None),
    }
}
