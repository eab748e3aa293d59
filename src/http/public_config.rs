//! `GET /api/config`: what a storefront must know before it can show anything.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::state::ApiState;
use super::storefront::CardForm;

/// The routes of the configuration.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Who takes the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Provider)]
enum ProviderJson {
    /// Nobody: test cards only.
    Sandbox,
    /// Stripe.
    Stripe,
}

/// What a storefront must know before it can show anything.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Config)]
struct ConfigJson {
    /// The currency of every price.
    #[schema(example = "usd")]
    currency: String,
    /// Who takes the money.
    provider: ProviderJson,
    /// Stripe's key for browsers; null without Stripe.
    #[schema(required)]
    publishable_key: Option<String>,
    /// How long an order holds its ticket.
    #[schema(example = 900)]
    hold_seconds: f64,
    /// Whether anyone who is signed in may add venues and shows.
    shows_open: bool,
    /// How many seats one buyer may have.
    #[schema(example = 12, minimum = 1)]
    max_seats_per_show: u32,
    /// How many declined payments end an order.
    #[schema(example = 1, minimum = 1)]
    max_attempts: u32,
    /// The server's clock, so that deadlines can be counted down whatever the client's says.
    #[schema(format = DateTime)]
    now: String,
    /// The number of the latest event: whoever reads something after this and listens from
    /// there misses nothing.
    last_event_id: u64,
}

/// Tells what a storefront must know.
#[utoipa::path(get, path = "/api/config", operation_id = "getConfig", tag = "service", responses((status = 200, body = ConfigJson, description = "What a storefront must know.")))]
async fn show(State(state): State<ApiState>) -> Response {
    let (provider, publishable_key) = match &state.storefront.card_form {
        CardForm::Sandbox => (ProviderJson::Sandbox, None),
        CardForm::Stripe { publishable_key } => (ProviderJson::Stripe, publishable_key.clone()),
    };
    let config = ConfigJson {
        currency: state.currency.to_string(),
        provider,
        publishable_key,
        hold_seconds: state.storefront.hold.as_secs_f64(),
        shows_open: state.market.settings().shows_open,
        max_seats_per_show: state.market.settings().terms.most_seats,
        max_attempts: state.storefront.max_attempts,
        now: state.market.now().to_string(),
        last_event_id: state.feed.latest(),
    };
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(config)).into_response()
}
