//! Who may keep an answer.

use axum::http::HeaderValue;

/// Nobody: it is somebody's own.
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Anybody who asks whether it is still so.
pub const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
