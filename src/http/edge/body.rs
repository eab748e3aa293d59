//! Bodies of answers.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;

/// Enough for one resource of any kind with a title of usual length.
const RESOURCE_BYTES: usize = 1024;

/// A value as JSON. It does what [`axum::Json`] does, into a buffer that need not grow for most
/// resources: growing it there costs as much as a third of the writing.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// The media type of JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Writes a value as JSON.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(RESOURCE_BYTES);
    serde_json::to_writer(&mut body, value).map(|()| body)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Written(to_json(&self.0)).into_response()
    }
}

/// JSON that is written already.
#[derive(Debug)]
pub struct Written(pub serde_json::Result<Vec<u8>>);

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written as JSON");
                Problem::internal().into_response()
            }
        }
    }
}
