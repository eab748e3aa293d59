//! Everything that holds for all routes, put around the router by [`harden`].

use std::any::Any;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

use super::origin::{PublicOrigin, refuse_cross_origin};
use super::problem::Problem;
use super::request_id::{RequestId, name_request};
use super::sanity::refuse_ambiguous;
use super::state::Readiness;
use super::time_limit::{TimeLimit, limit_time};
use crate::seams::Entropy;

/// Answers smaller than this cost more to compress than they save.
const COMPRESS_FROM_BYTES: u64 = 1024;

/// What the edge needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct EdgeSettings {
    /// The origin that users see, such as `https://tickets.example`: without a path.
    pub public_origin: Option<String>,
    /// Whether users reach the server by https.
    pub https: bool,
    /// The largest body that is read.
    pub body_limit_bytes: usize,
    /// The longest time from the head of a request to the head of its answer.
    pub request_timeout: Duration,
}

/// Puts the whole edge around a router that has all its routes. It sets the
/// answers for unknown paths and methods too, so the router needs no fallback;
/// one that it has is replaced.
///
/// From the outside in, and why in this order:
///
/// 1. the request's name: all below can say it, and every answer carries it;
/// 2. the security headers: on every answer, refusals and failures included;
/// 3. compression: of whatever answer comes out;
/// 4. the panic guard: around everything that may panic, within all that an
///    answer to a panic needs;
/// 5. the refusals: ambiguous requests first, for nothing in them can be
///    relied on, then forged ones;
/// 6. the time limit: a refusal needs no timer;
/// 7. the limit on bodies: read by the extractors.
pub fn harden(
    router: Router,
    settings: &EdgeSettings,
    entropy: Arc<dyn Entropy>,
    readiness: Readiness,
) -> Router {
    harden_with_fallback(router.fallback(not_found), settings, entropy, readiness)
}

/// As [`harden`], and leaves the answer for unknown paths to the router's own fallback.
pub fn harden_with_fallback(
    router: Router,
    settings: &EdgeSettings,
    entropy: Arc<dyn Entropy>,
    readiness: Readiness,
) -> Router {
    let time = TimeLimit { limit: settings.request_timeout, readiness };
    let public_origin: PublicOrigin = settings.public_origin.as_deref().map(Arc::from);
    router.method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(entropy, name_request))
            .layer(from_fn_with_state(settings.https, add_security_headers))
            .layer(compression())
            .layer(CatchPanicLayer::custom(answer_panic))
            .layer(from_fn(refuse_ambiguous))
            .layer(from_fn_with_state(public_origin, refuse_cross_origin))
            .layer(from_fn_with_state(time, limit_time))
            .layer(DefaultBodyLimit::max(settings.body_limit_bytes)),
    )
}

async fn not_found() -> Problem {
    Problem::not_found()
}

/// The router adds `allow` to what this returns.
async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

/// Headers that make a browser careful with what it got. A route that needs
/// another value, such as the content security policy of a page, sets its own.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// One year. It says nothing about subdomains, which may not be ours.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

async fn add_security_headers(State(https): State<bool>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
    if https {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(STRICT_TRANSPORT_SECURITY);
    }
    response
}

/// Compresses what is large enough, not a picture, and not an event stream,
/// whose events would wait in the compressor.
fn compression() -> CompressionLayer<impl Predicate + Send + Sync + 'static> {
    let worthwhile = SizeAbove::new(COMPRESS_FROM_BYTES)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES);
    CompressionLayer::new()
        .gzip(true)
        .br(true)
        .quality(CompressionLevel::Fastest)
        .compress_when(worthwhile)
}

/// The panic has been told by the panic hook, with its place: see [`log_panics`].
fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    Problem::internal().into_response()
}

/// Makes every panic one line of the log, with its place and, if it happened
/// while answering a request, the request's id. To be called once, by `main`.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let request_id = RequestId::current();
        tracing::error!(
            cause = panic.payload_as_str().unwrap_or("a panic without a message"),
            location = panic.location().map(tracing::field::display),
            request_id = request_id.as_ref().map(tracing::field::display),
            "panicked",
        );
    }));
}

#[cfg(test)]
mod tests;
