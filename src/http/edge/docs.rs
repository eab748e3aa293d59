//! What the descriptions of operations have in common.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, PartialSchema, ToSchema};

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

/// The header of requests that may be repeated.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header, which is read by the layer that honours it")]
pub struct IdempotencyKeyHeader {
    /// Repeats with the same key are answered again, not done again.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    key: Option<String>,
}

/// The header of requests that change something.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header, which is read by the layer that honours it")]
pub struct IfMatchHeader {
    /// The `etag` of the version that is meant; any other stays as it is.
    #[param(rename = "If-Match")]
    version: Option<String>,
}

/// Which part of a list is wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query, which is read by `PageRequest`")]
pub struct PageParams {
    /// How many, 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// The cursor of the page before, from its `link` header.
    after: Option<String>,
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
