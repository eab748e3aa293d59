//! `/api/tickets/{id}/sale`: what became of a ticket that was sold, for its seller.
//!
//! Buyers see refunds and disputes on their charge. The charge is theirs alone, so sellers have
//! this page, which says no more of the buyer than the ticket itself does.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::docs::Refusals;
use super::edge::path::PathId;
use super::edge::problem::Problem;
use super::state::{ApiState, SignedIn};
use super::views::{DisputeStatusJson, MajorUnits, RefundStatusJson};
use crate::domain::{Refund, TicketId, TicketState};

/// The routes of sales.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// How the money of a sale stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Sale)]
struct SaleJson {
    /// What was sold.
    ticket_id: String,
    /// The order it was sold by.
    order_id: String,
    /// What was paid, in major units.
    #[schema(value_type = f64, example = 25.5)]
    price: MajorUnits,
    /// The currency of the price.
    currency: String,
    /// Whether the buyer has been paid back in full.
    refunded: bool,
    /// How a refund of all of it stands; null if there is none.
    #[schema(required)]
    refund_status: Option<RefundStatusJson>,
    /// How the cardholder's dispute stands; null if there is none.
    #[schema(required)]
    dispute_status: Option<DisputeStatusJson>,
}

/// Shows how the money of a sold ticket stands, to its seller.
#[utoipa::path(
    get, path = "/api/tickets/{id}/sale", operation_id = "getTicketSale", tag = "tickets", params(("id" = String, Path)),
    security(("session" = []), ("bearer" = [])),
    responses((status = 200, body = SaleJson, description = "How the money of the sale stands."), Refusals),
)]
async fn show(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<TicketId>,
) -> Result<Response, Problem> {
    let ticket = state.store.ticket(id.known()?).await?;
    let ticket =
        ticket.filter(|ticket| ticket.seller == who.user).ok_or_else(Problem::not_found)?;
    let TicketState::Sold { order } = ticket.state else { return Err(Problem::not_found()) };
    let sold_by = state.store.purchase(order).await?.ok_or_else(Problem::not_found)?;
    let charge = sold_by.charge.as_ref().map(|charge| charge.view());
    let refund = charge.as_ref().and_then(|charge| charge.refund.clone());
    let sale = SaleJson {
        ticket_id: ticket.id.to_string(),
        order_id: order.to_string(),
        price: sold_by.order.price.into(),
        currency: sold_by.order.price.currency().to_string(),
        refunded: refund.as_ref().is_some_and(Refund::has_succeeded),
        refund_status: refund.map(|refund| refund.status.into()),
        dispute_status: charge.and_then(|charge| charge.dispute).map(DisputeStatusJson::from),
    };
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(sale)).into_response())
}
