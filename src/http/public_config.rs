//! `GET /api/config`: what a storefront must know before it can show anything.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::pages::LANGUAGES;
use super::state::ApiState;
use super::storefront::CardForm;
use super::views::MajorUnits;
use crate::domain::{Currency, FeeRates, PriceCaps};

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

/// What comes on top of the price of each seat, and what is kept from it: a share of the price in hundredths
/// of a percent, rounded half up, and a fixed amount in major units.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Fees)]
struct FeesJson {
    /// The share that buyers pay.
    #[schema(minimum = 0, maximum = 10_000)]
    buyer_basis_points: u32,
    /// What buyers pay beside it.
    #[schema(value_type = f64, minimum = 0)]
    buyer_fixed: MajorUnits,
    /// The share that is kept from sellers.
    #[schema(minimum = 0, maximum = 10_000)]
    seller_basis_points: u32,
    /// What is kept beside it; together never more than the price.
    #[schema(value_type = f64, minimum = 0)]
    seller_fixed: MajorUnits,
}

impl FeesJson {
    fn of(rates: FeeRates, currency: Currency) -> Self {
        Self {
            buyer_basis_points: rates.buyer.basis_points,
            buyer_fixed: MajorUnits::of(rates.buyer.fixed_minor, currency),
            seller_basis_points: rates.seller.basis_points,
            seller_fixed: MajorUnits::of(rates.seller.fixed_minor, currency),
        }
    }
}

/// How much sellers may ask, in percent of what a seat cost where it was first sold, which must be told
/// where there is a cap.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PriceCaps)]
struct PriceCapsJson {
    /// The cap wherever there is no other; null is none.
    #[schema(required, minimum = 1)]
    default: Option<u32>,
    /// The caps for shows in single countries, by their ISO 3166-1 codes; null is none there.
    #[schema(example = json!({"FR": 100, "US": null}))]
    countries: BTreeMap<String, Option<u32>>,
}

impl From<&PriceCaps> for PriceCapsJson {
    fn from(caps: &PriceCaps) -> Self {
        let countries = caps.countries.iter();
        let countries = countries.map(|(country, cap)| (country.to_string(), *cap)).collect();
        Self { default: caps.elsewhere, countries }
    }
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
    /// What comes on top of what sellers ask, and what is kept from it.
    fees: FeesJson,
    /// How much sellers may ask.
    price_cap_percent: PriceCapsJson,
    /// Whether anyone who is signed in may add venues and shows.
    shows_open: bool,
    /// How many seats one buyer may have.
    #[schema(example = 12, minimum = 1)]
    max_seats_per_show: u32,
    /// The most bytes of a pass.
    #[schema(example = 5_242_880, minimum = 1024)]
    max_pass_bytes: usize,
    /// The languages that the storefront speaks.
    #[schema(value_type = Vec<String>, example = json!(["en", "de"]))]
    languages: [&'static str; LANGUAGES.len()],
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
        fees: FeesJson::of(state.market.settings().terms.fees, state.currency),
        price_cap_percent: state.market.settings().price_caps.as_ref().into(),
        shows_open: state.market.settings().shows_open,
        max_seats_per_show: state.market.settings().terms.most_seats,
        max_pass_bytes: state.passes.max_bytes,
        languages: LANGUAGES,
        max_attempts: state.storefront.max_attempts,
        now: state.market.now().to_string(),
        last_event_id: state.feed.latest(),
    };
    ([(header::CACHE_CONTROL, NO_STORE)], Json(config)).into_response()
}
