//! The limit on the time from a request's head to the head of its answer.
//!
//! The body of the answer is not part of it, so an event stream may go on for
//! as long as it likes once it has begun.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use hyper::body::{Frame, SizeHint};

use super::codes::Code;
use super::problem::Problem;
use super::readiness::Readiness;

/// How long a server that is stopping still waits for the rest of a body. Without this, one
/// client that sends nothing could hold up every restart.
const STOP_WAITING_AFTER: Duration = Duration::from_secs(1);

/// How long a request may take, and who knows when the server stops.
#[derive(Debug, Clone)]
pub struct TimeLimit {
    /// How long.
    pub limit: Duration,
    /// Who knows.
    pub readiness: Readiness,
}

/// What is known of a request's body while it is answered.
#[derive(Debug, Clone, Default)]
pub struct BodyWatch(Arc<AtomicBool>);

impl BodyWatch {
    /// Whether the reader of the body waits for the client.
    fn waits_for_client(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Watches the body of a request.
    pub fn watch(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Body::new(WatchedBody { body, watch: self.clone() })
    }
}

/// Waits for the answer to a request, and gives up on it after the limit: with 408 if the server
/// was waiting for the rest of its body, else with 503.
///
/// The handler is dropped. A change it had already asked for may still happen,
/// so a 503 says nothing about the outcome.
pub async fn limit_time<T>(
    TimeLimit { limit, readiness }: &TimeLimit,
    body: &BodyWatch,
    answer: impl Future<Output = T> + Unpin,
) -> Result<T, Problem> {
    let mut answer = pin!(tokio::time::timeout(*limit, answer));
    let mut is_abandoned = None;
    let answer = poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer.ok());
        }
        // Most requests never wait for their body, and need not know when the server stops.
        if body.waits_for_client() {
            let abandoned = || Box::pin(abandoned(readiness, body));
            return is_abandoned.get_or_insert_with(abandoned).as_mut().poll(cx).map(|()| None);
        }
        is_abandoned = None;
        Poll::Pending
    });
    let answer = answer.await;
    match answer {
        Some(answer) => Ok(answer),
        None if body.waits_for_client() => {
            Err(Problem::new(Code::RequestTimeout, "The body did not arrive in time.")
                // What arrives later must not be taken for the next request.
                .header(header::CONNECTION, HeaderValue::from_static("close")))
        }
        None => {
            tracing::warn!(limit_seconds = limit.as_secs_f64(), "a request took too long");
            Err(Problem::unavailable(1))
        }
    }
}

/// Ready once the server has been stopping for a while and still waits for the client. A handler
/// that has the whole body is left to finish.
async fn abandoned(readiness: &Readiness, body: &BodyWatch) {
    readiness.stopping().await;
    loop {
        tokio::time::sleep(STOP_WAITING_AFTER).await;
        if body.waits_for_client() {
            return;
        }
    }
}

/// A request body that tells whether its reader is waiting for the client.
struct WatchedBody {
    body: Body,
    watch: BodyWatch,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.watch.0.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {

    use std::convert::Infallible;

    use axum::Router;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use axum::middleware::{Next, from_fn};
    use axum::response::Response;
    use axum::routing::{get, post};
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;
    use tokio::time::sleep;
    use tower::ServiceExt;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn answer(request: axum::http::request::Builder, body: Body) -> Response {
        let readiness = Readiness::default();
        app(readiness).oneshot(request.body(body).unwrap()).await.unwrap()
    }

    fn app(readiness: Readiness) -> Router {
        Router::new()
            .route("/slow", get(|| sleep(LIMIT * 2)))
            .route("/quick", get(|| sleep(LIMIT / 2)))
            .route("/echo", post(|body: Bytes| async { body }))
            .route(
                "/slow-after-body",
                post(|body: Bytes| async move {
                    sleep(LIMIT * 2).await;
                    body
                }),
            )
            .route(
                "/stream",
                get(|| async {
                    let drops = stream::repeat_with(|| Ok::<_, Infallible>("drop")).take(3);
                    Body::from_stream(drops.then(|drop| async move {
                        sleep(LIMIT).await;
                        drop
                    }))
                }),
            )
            .layer(from_fn(move |request: Request, next: Next| {
                let limit = TimeLimit { limit: LIMIT, readiness: readiness.clone() };
                let body = BodyWatch::default();
                let request = request.map(|bytes| body.watch(bytes));
                async move { limit_time(&limit, &body, Box::pin(next.run(request))).await }
            }))
    }

    fn stalled_body() -> Body {
        let start = stream::iter([Ok::<_, Infallible>("{")]);
        Body::from_stream(start.chain(stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_too_long_is_503() {
        let response = answer(Request::get("/slow"), Body::empty()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
        let response = answer(Request::post("/slow-after-body"), Body::from("x")).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_408() {
        let response = answer(Request::post("/echo"), stalled_body()).await;
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(response.headers()[header::CONNECTION], "close");
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stops_waits_for_handlers_but_not_for_bodies() {
        let readiness = Readiness::default();
        let app = app(readiness.clone());
        readiness.begin_stopping();
        let began = tokio::time::Instant::now();
        let stalled = Request::post("/echo").body(stalled_body()).unwrap();
        let response = app.clone().oneshot(stalled).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(began.elapsed(), STOP_WAITING_AFTER);
        let quick = Request::get("/quick").body(Body::empty()).unwrap();
        assert_eq!(app.oneshot(quick).await.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_time_passes() {
        let response = answer(Request::get("/quick"), Body::empty()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let response = answer(Request::post("/echo"), Body::from("text")).await;
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "text");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_begun_is_not_limited() {
        let response = answer(Request::get("/stream"), Body::empty()).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "dropdropdrop");
    }
}
