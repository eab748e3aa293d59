//! Everything that holds for all routes, put around the router by [`harden`].

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderMap;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::Instant;
use tower::layer::layer_fn;
use tower::{Layer, Service, ServiceBuilder};
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{Compression, CompressionLayer, CompressionLevel};

use super::client_address::TrustedHeader;
use super::metrics::Metrics;
use super::origin::{PublicOrigin, refuse_cross_origin};
use super::problem::Problem;
use super::readiness::Readiness;
use super::request_id::{CurrentRequest, RequestId, X_REQUEST_ID};
use super::sanity::refuse_ambiguous;
use super::time_limit::{BodyWatch, TimeLimit, limit_time};
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
pub fn harden(
    router: Router,
    settings: &EdgeSettings,
    entropy: Arc<dyn Entropy>,
    readiness: Readiness,
) -> Router {
    let router = router.fallback(not_found);
    let witness = Witness {
        metrics: Metrics::default(),
        client_address_header: TrustedHeader::default(),
        tell: |_, _, _| {},
    };
    harden_with_fallback(router, settings, entropy, readiness, witness)
}

/// Who is told of every answer.
#[derive(Clone)]
pub struct Witness {
    /// Counts it.
    pub metrics: Metrics,
    /// The header in which a trusted proxy tells the client's address, in lower case.
    pub client_address_header: TrustedHeader,
    /// Tells of it in the log: the request, how long it took if that is wanted, and the answer.
    pub tell: fn(&CurrentRequest, Option<Duration>, &Response),
}

/// As [`harden`], leaves the answer for unknown paths to the router's own fallback, and has a
/// witness to every answer.
pub fn harden_with_fallback(
    router: Router,
    settings: &EdgeSettings,
    entropy: Arc<dyn Entropy>,
    readiness: Readiness,
    witness: Witness,
) -> Router {
    let edge = Arc::new(Edge {
        entropy,
        witness,
        https: settings.https,
        public_origin: settings.public_origin.as_deref().map(Arc::from),
        time: TimeLimit { limit: settings.request_timeout, readiness },
    });
    router.method_not_allowed_fallback(method_not_allowed).layer(
        ServiceBuilder::new()
            .layer(layer_fn(ForThoseWhoAsk))
            .layer(compression())
            .layer(EdgeLayer(edge))
            .layer(DefaultBodyLimit::max(settings.body_limit_bytes)),
    )
}

/// What holds for every request, in one place and one future: as seven layers, each with a
/// boxed service and a boxed future of its own, the same cost more than some handlers.
///
/// From the outside in, and why in this order:
///
/// 1. the count: of everything that follows;
/// 2. the request's name: all below can say it, and every answer carries it;
/// 3. the security headers: on every answer, refusals and failures included;
/// 4. the panic guard: around everything that may panic, within all that an
///    answer to a panic needs;
/// 5. the refusals: ambiguous requests first, for nothing in them can be
///    relied on, then forged ones;
/// 6. the time limit: a refusal needs no timer;
/// 7. the limit on bodies: read by the extractors.
///
/// Compression is around it all.
struct Edge {
    entropy: Arc<dyn Entropy>,
    witness: Witness,
    https: bool,
    public_origin: PublicOrigin,
    time: TimeLimit,
}

impl Edge {
    /// Answers a request. It is handed to `inner` at once, though the answer is only waited for
    /// further down: a future that held the request meanwhile would have to be moved with it.
    fn answer<S: Inner>(
        self: Arc<Self>,
        request: Request,
        mut inner: S,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send {
        let measurement = self.witness.metrics.begin(&request);
        let began = is_every_answer_told().then(Instant::now);
        let id = RequestId::of(request.headers(), &*self.entropy);
        let client =
            self.witness.client_address_header.client(request.extensions(), request.headers());
        let current = CurrentRequest::new(id.clone(), client, &request);
        let body = BodyWatch::default();
        let admit = AssertUnwindSafe(|| {
            refuse_ambiguous(&request)?;
            refuse_cross_origin(self.public_origin.as_deref(), &request)?;
            Ok(Box::pin(inner.call(request.map(|bytes| body.watch(bytes)))))
        });
        let admitted = catch_unwind(admit).unwrap_or_else(|_| Err(Problem::internal()));
        // Each layer is pinned where it is made and handed on by reference: by value they would
        // be copied into each other, 11 KB in all.
        async move {
            let answer = pin!(async {
                match limit_time(&self.time, &body, admitted?).await {
                    Ok(Ok(response)) => Ok(response),
                    Err(problem) => Err(problem),
                }
            });
            let guarded = pin!(async {
                let answer = AssertUnwindSafe(answer).catch_unwind().await;
                // The panic has been told by the panic hook, with its place: see [`log_panics`].
                let response = answer.unwrap_or_else(|_| Err(Problem::internal())).into_response();
                if let Some(current) = CurrentRequest::get() {
                    let took = began.map(|began| began.elapsed());
                    (self.witness.tell)(&current, took, &response);
                }
                response
            });
            let mut response = current.scope(guarded).await;
            self.decorate(&id, response.headers_mut());
            self.witness.metrics.count(measurement, response.status());
            Ok(response)
        }
    }

    /// Puts the name on an answer, and what makes a browser careful with it.
    fn decorate(&self, id: &RequestId, headers: &mut HeaderMap) {
        headers.reserve(SECURITY_HEADERS.len() + 3);
        if let Some(id) = id.header() {
            headers.insert(X_REQUEST_ID, id);
        }
        for (name, value) in SECURITY_HEADERS {
            headers.entry(name).or_insert(value);
        }
        if self.https {
            headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(STRICT_TRANSPORT_SECURITY);
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// What is behind the edge: a route, which is always ready.
trait Inner:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Inner for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

#[derive(Clone)]
struct EdgeLayer(Arc<Edge>);

impl<S> Layer<S> for EdgeLayer {
    type Service = EdgeService<S>;

    fn layer(&self, inner: S) -> EdgeService<S> {
        EdgeService { edge: Arc::clone(&self.0), inner }
    }
}

#[derive(Clone)]
struct EdgeService<S> {
    edge: Arc<Edge>,
    inner: S,
}

impl<S: Inner> Service<Request> for EdgeService<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let edge = Arc::clone(&self.edge);
        Box::pin(edge.answer(request, inner))
    }
}

/// Whether the log has a line for every answer, so that its time is worth taking.
fn is_every_answer_told() -> bool {
    tracing::enabled!(target: "gittix::access", tracing::Level::DEBUG)
}

/// Whether a client says what encodings it takes and rules none out. One that rules some out is
/// answered without any: the compressor would answer 406, after the change was made, where
/// nothing is left, and sending what is not wanted is allowed (RFC 9110, section 12.5.3).
fn takes_compressed(headers: &HeaderMap) -> bool {
    let is_ruled_out = |coding: &str| {
        let weight = coding.split(';').find_map(|part| part.trim().strip_prefix("q="));
        weight.is_some_and(|weight| weight.trim_matches(['0', '.', ' ']).is_empty())
    };
    let mut lines = headers.get_all(header::ACCEPT_ENCODING).iter().peekable();
    lines.peek().is_some()
        && lines.all(|line| {
            let line = line.to_str().map(str::to_ascii_lowercase).unwrap_or_default();
            !line.split(',').any(is_ruled_out)
        })
}

/// Compresses for clients that say what they take. Others need not pay for the question.
#[derive(Clone)]
struct ForThoseWhoAsk<S, P>(Compression<S, P>);

impl<S, P> Service<Request> for ForThoseWhoAsk<S, P>
where
    S: Inner + Service<Request, Future = Answering>,
    P: Predicate + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.get_mut().poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if !takes_compressed(request.headers()) {
            return self.0.get_mut().call(request);
        }
        let compressed = self.0.call(request);
        Box::pin(async move { compressed.await.map(|response| response.map(Body::new)) })
    }
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
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 7] = [
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
    // No other site's page may show what is here as a part of its own, and so read it by its side
    // effects. What is meant to be shown elsewhere, such as a picture for previews, says so itself.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// One year. It says nothing about subdomains, which may not be ours.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

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

/// Makes every panic one line of the log, with its place and, if it happened
/// while answering a request, the request's id. To be called once, by `main`.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        tracing::error!(
            cause = panic.payload_as_str().unwrap_or("a panic without a message"),
            location = panic.location().map(tracing::field::display),
            "panicked",
        );
    }));
}

#[cfg(test)]
mod tests;
