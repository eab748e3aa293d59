//! The whole edge around a small router.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::stream;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::http::edge::json::StrictJson;
use crate::http::edge::readiness::Readiness;
use crate::seams::SystemEntropy;

const LIMIT: Duration = Duration::from_secs(10);

fn app(https: bool) -> Router {
    let router = Router::new()
        .route("/", get(|| async { "small" }).put(|| async {}))
        .route("/things/{id}", get(|| async { "a thing" }))
        .route("/json", post(|StrictJson(_): StrictJson| async {}))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("a secret")
                }
            }),
        )
        .route("/slow", get(|| tokio::time::sleep(LIMIT * 2)))
        .route("/large", get(|| async { "large ".repeat(1000) }))
        .route(
            "/events",
            get(|| async {
                let events = stream::iter([Ok::<_, Infallible>("data: x\n\n".repeat(1000))]);
                ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
            }),
        )
        .route(
            "/page",
            get(|| async { [(header::CONTENT_SECURITY_POLICY, "default-src 'self'")] }),
        );
    let settings =
        EdgeSettings { public_origin: None, https, body_limit_bytes: 64, request_timeout: LIMIT };
    harden(router, &settings, Arc::new(SystemEntropy), Readiness::default())
}

async fn answer(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app(false).oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn problem(response: Response) -> Value {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_named_and_carries_the_security_headers() {
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/things/%ff", 404),
        ("GET", "/things/%zz", 404),
        ("DELETE", "/", 405),
        ("POST", "/json", 400),
        ("GET", "/panic", 500),
        ("GET", "/slow", 503),
    ] {
        let response = answer(method, path, &[("x-request-id", "me-1")], "").await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()["x-request-id"], "me-1", "{method} {path}");
        for (name, value) in SECURITY_HEADERS {
            assert_eq!(response.headers()[&name], value, "{method} {path}");
        }
        assert!(!response.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
        if status >= 400 {
            assert_eq!(problem(response).await["status"], status);
        }
    }
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_with_the_same_headers() {
    let request = Request::get("/").body(Body::empty()).unwrap();
    let response = app(true).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(response.headers().contains_key("x-request-id"));
    assert!(response.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
}

#[tokio::test]
async fn a_route_may_have_its_own_content_security_policy() {
    let response = answer("GET", "/page", &[], "").await;
    assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], "default-src 'self'");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let response = answer("DELETE", "/", &[], "").await;
    assert_eq!(response.headers()[header::ALLOW], "GET,HEAD,PUT");
    assert_eq!(problem(response).await["code"], "method_not_allowed");
}

#[tokio::test]
async fn a_panic_is_a_500_that_names_the_request_and_nothing_else() {
    let response = answer("GET", "/panic", &[("x-request-id", "me-2")], "").await;
    let problem = problem(response).await;
    assert_eq!(problem["code"], "internal");
    assert_eq!(problem["requestId"], "me-2");
    assert!(!problem.to_string().contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_a_503_that_names_it() {
    let response = answer("GET", "/slow", &[("x-request-id", "me-3")], "").await;
    assert_eq!(problem(response).await["requestId"], "me-3");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let json = [("content-type", "application/json")];
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(64));
    let response = answer("POST", "/json", &json, &body).await;
    assert_eq!(problem(response).await["code"], "payload_too_large");
}

#[tokio::test]
async fn a_forged_request_is_refused() {
    let headers = [("cookie", "session=x"), ("origin", "https://evil.example")];
    let response = answer("PUT", "/", &headers, "").await;
    assert_eq!(problem(response).await["code"], "cross_origin");
}

#[tokio::test]
async fn large_answers_are_compressed_but_no_small_ones_and_no_event_streams() {
    for (path, accepted, encoding) in [
        ("/large", "gzip", Some("gzip")),
        ("/large", "gzip, br", Some("br")),
        ("/large", "identity", None),
        ("/large", "gzip;q=0.5", Some("gzip")),
        ("/large", "identity;q=0", None),
        ("/large", "*; q=0.000", None),
        ("/", "gzip", None),
        ("/events", "gzip", None),
    ] {
        let response = answer("GET", path, &[("accept-encoding", accepted)], "").await;
        assert_eq!(response.status(), StatusCode::OK, "{path} {accepted}");
        let used = response.headers().get(header::CONTENT_ENCODING);
        assert_eq!(used.map(|value| value.to_str().unwrap()), encoding, "{path} {accepted}");
    }
}
