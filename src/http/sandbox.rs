//! `/api/sandbox`: playing the buyer's bank. The routes exist only with the sandbox provider.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::codes::Code;
use super::edge::docs::Refusals;
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field};
use super::edge::json::JsonBody;
use super::edge::problem::Problem;
use super::state::{ApiState, SignedIn};
use super::views::ChargeJson;
use crate::bugs::{Bug, planted};
use crate::domain::{Charge, FailureCode, IntentFact, IntentReport};

/// What Stripe calls a 3-D Secure that did not succeed.
const AUTHENTICATION_FAILED: &str = "payment_intent_authentication_failure";

/// The routes of the sandbox.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(authenticate))
}

/// The bank's question and the buyer's answer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Authentication {
    /// From the 202 that the payment was answered with.
    #[serde(default)]
    #[schema(value_type = String, required)]
    client_secret: Field<String>,
    /// Whether the buyer passes 3-D Secure.
    #[serde(default)]
    #[schema(value_type = bool, required)]
    approve: Field<bool>,
}

/// Completes 3-D Secure in the sandbox, in the buyer's place. The outcome of the payment then
/// shows on the order and the charge, as it does after a real bank's answer.
#[utoipa::path(
    post, path = "/api/sandbox/authenticate", operation_id = "authenticateSandboxPayment", tag = "payments",
    security(("session" = []), ("bearer" = [])),
    request_body = Authentication,
    responses((status = 200, body = ChargeJson, description = "The bank has the answer."), Refusals),
)]
async fn authenticate(
    State(state): State<ApiState>,
    who: SignedIn,
    JsonBody(body): JsonBody<Authentication>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let secret = faults.note("clientSecret", body.client_secret.required());
    let approve = faults.note("approve", body.approve.required());
    let (Some(secret), Some(approve)) = (secret, approve) else {
        return Err(faults.into_problem());
    };
    let charge = state.gateway.sandbox_charge(&secret).ok_or_else(Problem::not_found)?;
    let is_own = |charge: &Charge| charge.buyer == who.user || planted(Bug::OpenQuestion);
    let charge = state.store.charge(charge).await?.filter(is_own);
    let charge = charge.ok_or_else(Problem::not_found)?;
    if charge.client_secret().is_none_or(|known| known.0 != secret) {
        return Err(Problem::new(Code::Conflict, "This payment does not wait for 3-D Secure."));
    }
    let fact = if approve {
        IntentFact::Authorised
    } else {
        IntentFact::Declined(FailureCode::from_gateway(AUTHENTICATION_FAILED))
    };
    let report = IntentReport::new(charge.intent().cloned(), fact);
    let applied = state.market.report(charge.order, charge.id, report).await;
    applied.map_err(|error| problem(error, state.market.now()))?;
    let after: Charge = state.store.charge(charge.id).await?.ok_or_else(Problem::not_found)?;
    let view = after.view();
    let shown = Json(ChargeJson::from(&view));
    Ok(([(header::CACHE_CONTROL, NO_STORE)], shown).into_response())
}
