//! The description of the API, generated from the handlers, and the page that shows it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

use super::edge::problem::{FieldError, ProblemDocument};
use super::events::EventJson;

/// What every operation may answer instead of what was asked for.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let refusal = |description: &str| {
            let schema = Ref::from_schema_name("Problem");
            let content = Content::new(Some(schema));
            let response = ResponseBuilder::new()
                .description(description)
                .content("application/problem+json", content)
                .build();
            RefOr::T(response)
        };
        BTreeMap::from([
            ("4XX".to_owned(), refusal("The request is refused; `code` says why.")),
            ("5XX".to_owned(), refusal("The server cannot answer; try again later.")),
        ])
    }
}

/// The body of a `PATCH`: the fields of a draft, each of which may be left out.
pub struct Changes<T>(PhantomData<T>);

impl<T: PartialSchema> PartialSchema for Changes<T> {
    fn schema() -> RefOr<Schema> {
        let mut schema = T::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.clear();
            object.description =
                Some("What to change; what is left out stays as it is.".to_owned());
        }
        schema
    }
}

impl<T: ToSchema> ToSchema for Changes<T> {
    fn name() -> Cow<'static, str> {
        let draft = T::name();
        format!("{}Changes", draft.strip_suffix("Draft").unwrap_or(&draft)).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

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
        (name = "orders", description = "Locking a ticket while its buyer pays."),
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
