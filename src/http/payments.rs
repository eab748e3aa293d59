//! `/api/payments`: paying an order and looking at a charge.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::codes::Code;
use super::edge::docs::{IdempotencyKeyHeader, Refusals};
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, FieldValue, Given, Id, Refused};
use super::edge::idempotency::{Repeatable, Resume, begun_as};
use super::edge::json::JsonObject;
use super::edge::path::PathId;
use super::edge::problem::Problem;
use super::state::{ApiState, SignedIn};
use super::views::{ChargeJson, PendingChargeJson};
use crate::actors::{IdempotencyKey, MarketError};
use crate::bugs::{Bug, planted};
use crate::domain::{
    CancelReason, Charge, ChargeId, ChargeStatus, OrderId, OrderState, PaymentToken, Purchase,
    PurchaseRejection,
};

const PATH: &str = "/api/payments";

/// The routes of payments.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(pay)).routes(routes!(show, give_up))
}

/// What a payment needs.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentDraft {
    /// The order to pay.
    #[serde(default)]
    #[schema(value_type = String, required, pattern = "^order_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    order_id: Field<Id<OrderId>>,
    /// A Stripe token or payment method: `tok_…` or `pm_…`.
    #[serde(default)]
    #[schema(value_type = String, required, example = "tok_visa", pattern = "^(tok|pm)_[A-Za-z0-9_]+$", max_length = 255)]
    token: Field<PaymentToken>,
}

/// Pays an order.
#[utoipa::path(
    post, path = PATH, operation_id = "payOrder", tag = "payments", security(("session" = []), ("bearer" = [])),
    params(IdempotencyKeyHeader),
    request_body = PaymentDraft,
    responses(
        (status = 201, body = ChargeJson, description = "Paid: the ticket is the buyer's.", headers(("location" = String))),
        (status = 202, body = PendingChargeJson, description = "The bank wants the buyer, or the outcome is not known yet.", headers(("location" = String))),
        Refusals,
    ),
)]
async fn pay(
    State(state): State<ApiState>,
    who: SignedIn,
    request: Repeatable,
) -> Result<Response, Problem> {
    let idempotency = state.idempotency.clone();
    let resume = resume(state.clone());
    let work = async move |body: JsonObject, key: Option<IdempotencyKey>| {
        let draft: PaymentDraft = body.read()?;
        let mut faults = Faults::default();
        let order = faults.note("orderId", draft.order_id.required());
        let token = faults.note("token", draft.token.required());
        let (Some(Id(order)), Some(token)) = (order, token) else {
            return Err(faults.into_problem());
        };
        let refused = |error| problem(error, state.market.now());
        let key = key.map(begun_as);
        let purchase = state.market.pay(order, who.user, token, key).await.map_err(refused)?;
        Ok(answer(&purchase).unwrap_or_else(|error| refused(error).into_response()))
    };
    idempotency.once_begun(who.user, request, resume, work).await
}

impl FieldValue for PaymentToken {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let text = given.text().filter(|text| !text.is_empty()).ok_or("token must be given")?;
        let refused = "token must be a Stripe token or payment method: tok_… or pm_…";
        Self::parse(text).ok_or_else(|| refused.into())
    }
}

/// Finds what the buyer is told of a charge that was begun in an earlier life of the process.
fn resume(state: ApiState) -> Resume {
    Box::new(move |charge| Box::pin(answer_for(state.clone(), charge)))
}

async fn answer_for(state: ApiState, charge: String) -> Result<Response, Problem> {
    let charge: ChargeId = charge.parse().map_err(|_| Problem::internal())?;
    let charge = state.store.charge(charge).await?.ok_or_else(Problem::not_found)?;
    let order = state.store.order(charge.order).await?.ok_or_else(Problem::not_found)?;
    let purchase = Purchase { order, charge: Some(charge) };
    answer(&purchase).map_err(|error| problem(error, state.market.now()))
}

/// What the buyer is told of the outcome.
fn answer(purchase: &Purchase) -> Result<Response, MarketError> {
    let Some(charge) = &purchase.charge else {
        return Err(MarketError::Internal("a paid order has no charge".to_owned()));
    };
    match (purchase.order.state, charge.status()) {
        (_, ChargeStatus::Created) => Ok(pending(charge)),
        (OrderState::Completed, ChargeStatus::Completed) => Ok(paid(charge)),
        // The order ended while the buyer was paying: nothing is or will stay charged.
        (OrderState::Cancelled(CancelReason::Expired), _) => Err(PurchaseRejection::Expired.into()),
        (OrderState::Cancelled(CancelReason::Buyer | CancelReason::ShowCancelled), _) => {
            Err(PurchaseRejection::Cancelled.into())
        }
        (_, ChargeStatus::Failed) => Ok(declined(charge).into_response()),
        (_, ChargeStatus::Completed) => Err(PurchaseRejection::Cancelled.into()),
    }
}

fn paid(charge: &Charge) -> Response {
    (StatusCode::CREATED, located(charge), Json(ChargeJson::from(&charge.view()))).into_response()
}

fn pending(charge: &Charge) -> Response {
    let view = charge.view();
    let body = PendingChargeJson::of(charge, &view);
    (StatusCode::ACCEPTED, located(charge), Json(body)).into_response()
}

fn located(charge: &Charge) -> [(header::HeaderName, HeaderValue); 2] {
    // An id is made of characters that every header may hold.
    let location = HeaderValue::try_from(format!("{PATH}/{}", charge.id));
    let location = location.unwrap_or(HeaderValue::from_static(PATH));
    [(header::LOCATION, location), (header::CACHE_CONTROL, NO_STORE)]
}

fn declined(charge: &Charge) -> Problem {
    let view = charge.view();
    let code = view.failure_code.as_ref().map_or("card_declined", |code| code.as_str());
    let charge = serde_json::to_value(ChargeJson::from(&view)).unwrap_or_default();
    Problem::new(Code::PaymentFailed, format!("The payment failed: {code}."))
        .member("declineCode", code)
        .member("charge", charge)
}

/// Shows a charge of the signed-in user's. While the bank wants the buyer it carries the client
/// secret.
#[utoipa::path(
    get, path = "/api/payments/{id}", operation_id = "getPayment", tag = "payments", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses((status = 200, body = PendingChargeJson, description = "The charge."), Refusals),
)]
async fn show(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ChargeId>,
) -> Result<Response, Problem> {
    let charge = state.store.charge(id.known()?).await?;
    let is_own = |charge: &Charge| charge.buyer == who.user || planted(Bug::OpenQuestion);
    let charge = charge.filter(is_own).ok_or_else(Problem::not_found)?;
    let view = charge.view();
    let body = PendingChargeJson::of(&charge, &view);
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

/// Gives an attempt to pay up while it is not decided, as when the bank wants the buyer. Nothing
/// is taken, and another card may be tried.
#[utoipa::path(
    delete, path = "/api/payments/{id}", operation_id = "giveUpPayment", tag = "payments", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses((status = 204, description = "Given up, also if it was before."), Refusals),
)]
async fn give_up(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ChargeId>,
) -> Result<StatusCode, Problem> {
    let charge = state.store.charge(id.known()?).await?;
    let charge = charge.filter(|charge| charge.buyer == who.user);
    let charge = charge.ok_or_else(Problem::not_found)?;
    let refused = |error| problem(error, state.market.now());
    state.market.give_up(&charge, who.user).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}
