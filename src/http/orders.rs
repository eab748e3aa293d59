//! `/api/orders`: locking a ticket, looking at one's orders, giving a ticket back.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::answer::Answer;
use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::conditional::{etag, expected_version, is_fresh, not_modified};
use super::edge::docs::{IdempotencyKeyHeader, IfMatchHeader, PageParams, Refusals};
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, Id, Numeral, Refused, Whole};
use super::edge::idempotency::{Remembered, Repeatable, answered_by};
use super::edge::json::JsonObject;
use super::edge::paging::{Cursor, PageRequest, Query, not_a_cursor, page};
use super::edge::path::PathId;
use super::edge::problem::{FieldError, Problem};
use super::state::{ApiState, ClientAddress, SignedIn};
use super::ticket_draft::possible;
use super::views::{OrderJson, OrderStatusJson};
use crate::actors::IdempotencyKey;
use crate::auth::Limit;
use crate::domain::{OrderId, OrderStatus, OrderView, Purchase, TicketId, Wanted};
use crate::store::PurchaseQuery;

const PATH: &str = "/api/orders";

/// The routes of orders.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show, cancel))
}

/// What a new order needs.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OrderDraft {
    /// The ticket to lock.
    #[serde(default)]
    #[schema(value_type = String, required, pattern = "^ticket_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    ticket_id: Field<Id<TicketId>>,
    /// What a seat was shown to cost without fees, in major units: if it costs something else by now,
    /// nothing is locked.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 25.5)]
    expected_price: Field<Numeral>,
    /// How many seats; by default the smallest quantity that can be ordered.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 50)]
    quantity: Field<Whole>,
    /// What all seats were shown to cost with fees, in major units: if they cost something else by now,
    /// nothing is locked.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 28.05)]
    expected_total: Field<Numeral>,
}

impl OrderDraft {
    fn read(self, state: &ApiState) -> Result<(TicketId, Wanted), Problem> {
        let mut faults = Faults::default();
        let ticket = faults.note("ticketId", self.ticket_id.required());
        let amount = |field: Field<Numeral>| match field.optional()? {
            None | Some(Numeral::Absent) => Ok(None),
            Some(numeral) => numeral.price(state.currency).map(Some).map_err(Refused::because),
        };
        let price = faults.note("expectedPrice", amount(self.expected_price));
        let quantity = faults.note("quantity", self.quantity.optional().and_then(possible));
        let total = faults.note("expectedTotal", amount(self.expected_total));
        match (ticket, price, quantity, total) {
            (Some(Id(ticket)), Some(price), Some(quantity), Some(total)) => {
                Ok((ticket, Wanted { quantity, price, total }))
            }
            _ => Err(faults.into_problem()),
        }
    }
}

/// Locks a ticket while its buyer pays.
#[utoipa::path(
    post, path = PATH, operation_id = "createOrder", tag = "orders", security(("session" = []), ("bearer" = [])),
    params(IdempotencyKeyHeader),
    request_body = OrderDraft,
    responses(
        (status = 201, body = OrderJson, description = "The ticket is locked for the buyer.", headers(("location" = String), ("etag" = String))),
        Refusals,
    ),
)]
async fn create(
    State(state): State<ApiState>,
    who: SignedIn,
    ClientAddress(address): ClientAddress,
    request: Repeatable,
) -> Result<Response, Problem> {
    let idempotency = state.idempotency.clone();
    let work = async move |body: JsonObject, key: Option<IdempotencyKey>| {
        let (ticket, wanted) = body.read::<OrderDraft>()?.read(&state)?;
        state.limits.count_from(Limit::Locks, who.user, address, state.market.now())?;
        let key = key.map(|key| answered_by(key, created));
        let reserved = state.market.reserve(ticket, who.user, wanted, key).await;
        let purchase = reserved.map_err(|error| problem(error, state.market.now()))?;
        Ok((Extension(Remembered), created(&purchase.view())).into_response())
    };
    idempotency.once(who.user, request, work).await
}

/// The answer to an order that was just made.
fn created(view: &OrderView) -> Answer {
    one(StatusCode::CREATED, view).located(format!("{PATH}/{}", view.order.id))
}

fn one(status: StatusCode, view: &OrderView) -> Answer {
    Answer::json(status, &OrderJson::from(view))
        .header(header::ETAG, etag(view.order.version.number()))
        .header(header::CACHE_CONTROL, NO_STORE)
}

/// How a list of orders may be narrowed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query, which is read parameter by parameter")]
struct OrderFilters {
    /// Only those that stand like this.
    #[param(inline)]
    status: Option<OrderStatusName>,
}

/// The values of the filter.
#[derive(Deserialize, ToSchema)]
enum OrderStatusName {
    Created,
    AwaitingPayment,
    Completed,
    Cancelled,
}

/// Lists the signed-in user's orders, newest first.
#[utoipa::path(
    get, path = PATH, operation_id = "listOrders", tag = "orders", params(OrderFilters, PageParams),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, body = Vec<OrderJson>, description = "A page of orders.", headers(("link" = String, description = "The next page, if there is one."))),
        Refusals,
    ),
)]
async fn list(
    State(state): State<ApiState>,
    who: SignedIn,
    query: Query,
) -> Result<Response, Problem> {
    let wanted = PageRequest::from_query(&query);
    let status = read_status(&query);
    let after = match &wanted {
        Ok(PageRequest { after: Some(cursor), .. }) => position(cursor).map(Some),
        _ => Ok(None),
    };
    let (Ok(wanted), Ok(status), Ok(after)) = (&wanted, &status, &after) else {
        let mut errors: Vec<FieldError> = wanted.err().unwrap_or_default();
        errors.extend(status.err());
        errors.extend(after.err());
        return Err(Problem::validation(errors));
    };
    // One more than shown tells whether more follow.
    let asked =
        PurchaseQuery { buyer: who.user, status: *status, after: *after, limit: wanted.limit + 1 };
    let mut purchases = state.store.purchases(&asked).await?;
    let has_more = purchases.len() > wanted.limit;
    purchases.truncate(wanted.limit);
    let next = purchases.last().filter(|_| has_more).map(|last| cursor(last.order.id));
    let views: Vec<OrderView> = purchases.iter().map(Purchase::view).collect();
    let orders: Vec<OrderJson<'_>> = views.iter().map(OrderJson::from).collect();
    Ok(page(PATH, &query, Json(orders), next, NO_STORE))
}

fn read_status(query: &Query) -> Result<Option<OrderStatus>, FieldError> {
    let Some(text) = query.one("status")? else { return Ok(None) };
    let status = OrderStatusJson::parse(text).ok_or_else(|| {
        let names = "Created, AwaitingPayment, Completed or Cancelled";
        FieldError::on("status", format!("status must be {names}"))
    })?;
    Ok(Some(status))
}

fn cursor(last: OrderId) -> Cursor {
    Cursor::new([&b"o"[..], &last.as_u128().to_be_bytes()].concat())
}

fn position(cursor: &Cursor) -> Result<OrderId, FieldError> {
    let bytes = cursor.payload().strip_prefix(b"o").and_then(|id| id.try_into().ok());
    bytes.map(|bytes| OrderId::from_u128(u128::from_be_bytes(bytes))).ok_or_else(not_a_cursor)
}

/// Shows an order of the signed-in user's.
#[utoipa::path(
    get, path = "/api/orders/{id}", operation_id = "getOrder", tag = "orders", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, body = OrderJson, description = "The order.", headers(("etag" = String))),
        (status = 304, description = "The client has this version."),
        Refusals,
    ),
)]
async fn show(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let purchase = state.store.purchase(id.known()?).await?;
    let purchase = purchase.filter(|purchase| purchase.order.buyer == who.user);
    let view = purchase.ok_or_else(Problem::not_found)?.view();
    if is_fresh(&headers, view.order.version.number()) {
        let not_modified = not_modified(view.order.version.number());
        return Ok(([(header::CACHE_CONTROL, NO_STORE)], not_modified).into_response());
    }
    Ok(one(StatusCode::OK, &view).into_response())
}

/// Gives the ticket back. It is available when the answer arrives.
#[utoipa::path(
    delete, path = "/api/orders/{id}", operation_id = "cancelOrder", tag = "orders", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    responses((status = 204, description = "The order is cancelled."), Refusals),
)]
async fn cancel(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<OrderId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers);
    let cancelled = state.market.cancel(id.known()?, who.user, expected).await;
    cancelled.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}
