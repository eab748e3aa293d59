//! The HTTP API over the marketplace, and the pages that use it.
//!
//! One module per resource: its handlers extract, ask and answer. What a request must be before
//! one sees it is decided by the [`edge`], which knows no resource, and how things look to clients
//! by [`views`] and [`edge::problem`]. Every write goes through [`crate::actors::Marketplace`];
//! reads go to the store.

mod accounts;
pub mod admin;
pub mod audit;
mod calendar;
mod covers;
mod credentials;
mod docs_page;
pub mod edge;
mod error_pages;
pub mod events;
mod on_sale;
mod openapi;
mod order_calendar;
mod orders;
mod pages;
mod pass_settings;
mod passes;
mod payments;
mod public_config;
mod qr;
mod recovery;
mod sales;
mod sandbox;
mod second_factor;
mod service;
mod sessions;
mod shows;
pub mod state;
pub mod storefront;
mod ticket_draft;
pub mod ticket_json;
mod ticket_passes;
mod tickets;
mod tokens;
mod uploads;
mod venues;
pub mod views;
mod webhook;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use edge::idempotency::Idempotency;
pub use edge::readiness::Readiness;
pub use pass_settings::PassSettings;
pub use state::{ApiParts, ApiState, KeyFiles};
pub use uploads::Uploads;

/// Everything that is served to the public, before [`edge::guard::harden`] is put around it.
pub fn router(state: ApiState) -> Router {
    // Which of these there are depends on who takes the money.
    let mut by_provider = OpenApiRouter::new();
    if state.gateway.webhook_signatures().is_some() {
        by_provider = by_provider.merge(webhook::router());
    }
    if state.gateway.is_sandbox() {
        by_provider = by_provider.merge(sandbox::router());
    }
    let market = state.market.clone();
    let now = Box::new(move || market.now());
    let (api, description) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .merge(public_config::router())
        .merge(events::router())
        .merge(accounts::router())
        .merge(recovery::router())
        .merge(sessions::router())
        .merge(second_factor::router())
        .merge(tokens::router())
        .merge(tickets::router())
        .merge(orders::router())
        .merge(order_calendar::router())
        .merge(passes::router(state.passes))
        .merge(payments::router())
        .merge(sales::router())
        .merge(venues::router())
        .merge(shows::router())
        .merge(covers::router())
        .merge(by_provider)
        .merge(service::router())
        .with_state(state.clone())
        .split_for_parts();
    api.merge(docs_page::routes(description)).merge(error_pages::routes()).merge(pages::router(
        &state.storefront,
        state.store.clone(),
        now,
    ))
}
