//! The identifiers in paths.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::problem::Problem;

/// The identifier in a path. One that does not parse names nothing: 404, but only once the
/// handler asks, for other checks come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId<T>(Option<T>);

impl<T> PathId<T> {
    /// The identifier.
    ///
    /// # Errors
    ///
    /// 404 if the path holds none.
    pub fn known(self) -> Result<T, Problem> {
        self.0.ok_or_else(Problem::not_found)
    }
}

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for PathId<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let segment = Path::<String>::from_request_parts(parts, state).await.ok();
        Ok(Self(segment.and_then(|Path(text)| text.parse().ok())))
    }
}
