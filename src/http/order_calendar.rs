//! `/api/orders/{id}/calendar.ics`: the show that somebody bought tickets for, with their seats.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::calendar::Entry;
use super::edge::caching::NO_STORE;
use super::edge::docs::Refusals;
use super::edge::path::PathId;
use super::edge::problem::Problem;
use super::pages::Language;
use super::state::{ApiState, SignedIn};
use crate::domain::{Label, Order, OrderId, OrderState};

/// The routes of orders' calendar files.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(calendar_file))
}

/// The show of a paid order as a calendar file, with the seats, in the reader's language.
#[utoipa::path(
    get, path = "/api/orders/{id}/calendar.ics", operation_id = "getOrderCalendar", tag = "orders", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, body = String, content_type = "text/calendar", description = "The show as a calendar file."),
        Refusals,
    ),
)]
async fn calendar_file(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let purchase = state.store.purchase(id.known()?).await?.ok_or_else(Problem::not_found)?;
    let order = purchase.order;
    let is_theirs = order.buyer == who.user && order.state == OrderState::Completed;
    let show = order.show().filter(|_| is_theirs).ok_or_else(Problem::not_found)?.id;
    // When it starts now, which may not be when it was bought.
    let view = state.store.show(show).await?.ok_or_else(Problem::not_found)?;
    let origin = state.storefront.public_origin.as_deref();
    let entry = Entry {
        view: &view,
        name: order.id.to_string(),
        notes: &seats(&order, Language::of(&headers)),
        page: origin.map(|origin| format!("{origin}/orders/{}", order.id)),
    };
    Ok(entry.into_answer(NO_STORE))
}

/// Where one sits, a line for each that is known.
fn seats(order: &Order, language: Language) -> Vec<String> {
    let Some(lot) = &order.lot else { return Vec::new() };
    let names = lot.names.as_deref().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(Label::as_str).collect();
    let names = (!names.is_empty()).then(|| names.join(", "));
    let label = |label: &Option<Label>| label.as_ref().map(|label| label.as_str().to_owned());
    let parts = [("section", label(&lot.section)), ("row", label(&lot.row)), ("seats", names)];
    let line = |(id, value): (&str, Option<String>)| {
        value.map(|value| format!("{}: {value}", language.text(id)))
    };
    parts.into_iter().filter_map(line).collect()
}
