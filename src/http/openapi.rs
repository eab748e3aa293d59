//! The description of the API, generated from the handlers.
//!
//! `docs/openapi.json` is a copy of it, which a test compares.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::edge::problem::{FieldError, ProblemDocument};
use super::events::wire::EventJson;

/// What the description says beyond the operations.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "gittix",
        description = "A ticket resale marketplace. People list tickets, others lock and buy them.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ProblemDocument, FieldError, EventJson)),
    modifiers(&Security),
    tags(
        (name = "accounts", description = "Signing up, in and out."),
        (name = "tickets", description = "Listing and browsing."),
        (name = "shows", description = "Venues, and the shows that take place there."),
        (name = "orders", description = "Locking a ticket while its buyer pays."),
        (name = "passes", description = "What lets people in: added by sellers, opened by whoever paid."),
        (name = "payments", description = "Paying an order."),
        (name = "events", description = "Following what happens."),
        (name = "service", description = "The server itself."),
    ),
)]
pub struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let cookie = ApiKeyValue::with_description("session", "Set by signing up or in.");
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The value of the session cookie."))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}
