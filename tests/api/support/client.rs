//! A client of the API that holds every answer to what all answers must be.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

pub const HOST: &str = "gittix.test";

/// Asks the router, with or without a session.
#[derive(Clone)]
pub struct Client {
    pub router: Router,
    pub token: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// A request with the session's cookie.
    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        match &self.token {
            Some(token) => request.header(header::COOKIE, format!("session={token}")),
            None => request,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path().to_owned();
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        answer.must_be_sound(&path);
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body, &[]).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PUT, path, body, &[]).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::PATCH, path, body, &[]).await
    }

    pub async fn json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.raw(method, path, body.to_string(), headers).await
    }

    /// JSON that need not be JSON.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Body>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.request(method, path);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// GET or DELETE with headers.
    pub async fn bare(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.request(method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

impl Answer {
    /// What holds for every answer, whatever was asked.
    fn must_be_sound(&self, path: &str) {
        assert!(!self.header("x-request-id").is_empty(), "{path}: no request id");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{path}");
        if self.status.is_client_error() || self.status.is_server_error() {
            self.must_be_a_problem(path);
        }
    }

    fn must_be_a_problem(&self, path: &str) {
        let context = || format!("{path}: {} {}", self.status, self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", context());
        let problem = self.value();
        let code = problem["code"].as_str().unwrap_or_else(|| panic!("{}", context()));
        let slug = code.replace('_', "-");
        let kind = problem["type"].as_str().unwrap_or_default();
        assert!(kind.ends_with(&format!("/errors/{slug}")), "{}", context());
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap(), "{}", context());
        assert_eq!(problem["status"], self.status.as_u16(), "{}", context());
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()), "{}", context());
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{}", context()));
        assert!(!errors.is_empty(), "{}", context());
        for error in errors {
            assert!(error["message"].is_string(), "{}", context());
            assert!(error.get("field").is_none_or(Value::is_string), "{}", context());
        }
        if self.status.is_server_error() {
            assert_eq!(problem["requestId"], self.header("x-request-id"), "{}", context());
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            assert!(!self.header("allow").is_empty(), "{}", context());
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `set-cookie` header of that name.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|value| value.to_str());
        let named = |cookie: &&str| cookie.split('=').next() == Some(name);
        cookies.filter_map(Result::ok).find(named)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{} with a body that is not JSON ({error}): {}", self.status, self.text())
        })
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        self.is(200).value()
    }

    #[track_caller]
    pub fn created(self) -> Value {
        self.is(201).value()
    }

    /// The problem, if it is this one.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.value()["code"], code, "{}", self.text());
        self
    }

    /// The fields at fault and the messages of a 400.
    #[track_caller]
    pub fn faults(self) -> Vec<(String, String)> {
        let problem = self.refused(400, "validation_failed").value();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let errors = problem["errors"].as_array().unwrap().iter();
        errors.map(|error| (text(&error["field"]), text(&error["message"]))).collect()
    }

    /// The path that a `link: <…>; rel="next"` header leads to.
    pub fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        let (target, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        Some(target.to_owned())
    }
}

pub fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}
