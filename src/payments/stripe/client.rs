//! The connection to Stripe: one pool, a limit on everything, and errors that keep apart what
//! is certain from what is not.

use std::fmt::Display;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::{
    CustomizedStripeRequest, RequestBuilder, RequestStrategy, StripeClient, StripeClientErr,
    StripeMethod, VERSION,
};
use thiserror::Error;

use super::objects::ErrorBody;

/// How long one call may take, its answer's body included. The bank is asked meanwhile.
const CALL_WITHIN: Duration = Duration::from_secs(20);
/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an idle connection is kept. Shorter than Stripe keeps it.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// How many idle connections are kept.
const MAX_IDLE: usize = 32;
/// The largest answer that is read.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;

/// Why a call did not bring what was asked for. Its text is for the log and for operators, and
/// holds neither a key nor a card nor a client secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// Stripe refuses for good: 400, 402 or 404.
    #[error("Stripe refused with {status} {code}")]
    Refused {
        /// The status.
        status: u16,
        /// Stripe's code, or the kind of error if there is none.
        code: String,
        /// Why the bank declined, if it did.
        decline_code: Option<String>,
    },
    /// Stripe's answer is an error of its own, which it may repeat for as long as it knows the
    /// idempotency key.
    #[error("Stripe failed with {status}{}", if *.replayed { " (a stored answer)" } else { "" })]
    Failed {
        /// The status.
        status: u16,
        /// Whether Stripe says that this is the stored answer to an earlier request.
        replayed: bool,
    },
    /// No answer, or one that says nothing.
    #[error("{0}")]
    Unknown(String),
}

impl StripeClientErr for CallError {
    fn deserialize_err(msg: impl Display) -> Self {
        Self::Unknown(format!("Stripe's answer can't be read: {msg}"))
    }
}

/// The settings do not make a client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadSettings {
    /// The key is none of Stripe's.
    #[error("payments.stripe.secret_key is not a key of Stripe's")]
    Foreign,
    /// The key can't stand in a header.
    #[error("payments.stripe.secret_key has characters that no key has")]
    Key,
}

/// Sends requests to Stripe. Clones share the connections.
#[derive(Clone)]
pub struct HttpClient {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    api_base: String,
    authorization: HeaderValue,
}

impl HttpClient {
    /// A client of the API at `api_base`, which has no trailing slash.
    pub fn new(secret_key: &SecretString, api_base: &str) -> Result<Self, BadSettings> {
        let bearer = format!("Bearer {}", secret_key.expose_secret());
        let mut authorization = HeaderValue::try_from(bearer).map_err(|_| BadSettings::Key)?;
        authorization.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .build(connector);
        Ok(Self { http, api_base: api_base.to_owned(), authorization })
    }

    fn request(
        &self,
        request: RequestBuilder,
        strategy: Option<RequestStrategy>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let RequestBuilder { query, body, path, method } = request;
        let query = query.filter(|query| !query.is_empty());
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let mut builder = Request::builder()
            .method(match method {
                StripeMethod::Get => Method::GET,
                StripeMethod::Post => Method::POST,
                StripeMethod::Delete => Method::DELETE,
            })
            .uri(format!("{}/v1{path}{query}", self.api_base))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::USER_AGENT, concat!("gittix/", env!("CARGO_PKG_VERSION")))
            .header("stripe-version", VERSION.as_str());
        if let Some(RequestStrategy::Idempotent(key)) = strategy {
            builder = builder.header("idempotency-key", key.as_str());
        }
        if body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        builder
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|_| CallError::Unknown("the request can't be expressed in HTTP".to_owned()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Bytes, CallError> {
        let answer = self.http.request(request).await.map_err(|error| {
            let kind = if error.is_connect() { "no connection to" } else { "no answer from" };
            CallError::Unknown(format!("{kind} Stripe: {}", root_cause(&error)))
        })?;
        let (status, replayed) = (answer.status(), is_replayed(&answer));
        let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES).collect().await;
        let body = body
            .map_err(|_| CallError::Unknown("Stripe's answer broke off".to_owned()))?
            .to_bytes();
        if status.is_success() { Ok(body) } else { Err(classify(status, replayed, &body)) }
    }
}

impl StripeClient for HttpClient {
    type Err = CallError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, CallError> {
        let (request, settings) = request.into_pieces();
        let request = self.request(request, settings.request_strategy)?;
        let within = settings.timeout.unwrap_or(CALL_WITHIN);
        tokio::time::timeout(within, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(CallError::Unknown("no answer from Stripe in time".to_owned())))
    }
}

/// What an answer that is no success says.
fn classify(status: StatusCode, replayed: bool, body: &[u8]) -> CallError {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let error = miniserde::json::from_str::<ErrorBody>(text).ok().map(|body| body.error);
    let number = status.as_u16();
    match (number, error) {
        // The parameters differ from those first sent with the key: an answer for good, but
        // about the key and not about the step.
        (400, Some(error)) if error.kind.as_deref() == Some("idempotency_error") => {
            CallError::Failed { status: number, replayed: true }
        }
        (400 | 402 | 404, Some(error)) => {
            let code = error.code.or(error.kind).unwrap_or_else(|| "refused".to_owned());
            CallError::Refused { status: number, code, decline_code: error.decline_code }
        }
        (500..=599, _) => CallError::Failed { status: number, replayed },
        // Not accepted for now (the key is in use, or there are too many), or the operator has
        // to mend the API key. Either way nothing is stored.
        _ => CallError::Unknown(format!("Stripe answered {number}")),
    }
}

fn is_replayed<B>(answer: &hyper::Response<B>) -> bool {
    answer.headers().get("idempotent-replayed").is_some_and(|value| value == "true")
}

/// The innermost of a chain of errors, which says what happened.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> CallError {
        classify(StatusCode::from_u16(status).expect("a status"), false, body.as_bytes())
    }

    fn refused(status: u16, code: &str, decline_code: Option<&str>) -> CallError {
        let decline_code = decline_code.map(str::to_owned);
        CallError::Refused { status, code: code.to_owned(), decline_code }
    }

    #[test]
    fn only_400_402_and_404_with_stripes_own_words_are_certain() {
        let declined = r#"{"error":{"type":"card_error","code":"card_declined",
            "decline_code":"lost_card","payment_intent":{"client_secret":"s"},"new":[1]}}"#;
        assert_eq!(answered(402, declined), refused(402, "card_declined", Some("lost_card")));
        let missing = r#"{"error":{"type":"invalid_request_error","code":"resource_missing"}}"#;
        assert_eq!(answered(404, missing), refused(404, "resource_missing", None));
        let nameless = r#"{"error":{"type":"invalid_request_error","message":"no"}}"#;
        assert_eq!(answered(400, nameless), refused(400, "invalid_request_error", None));
        for status in [401, 403, 408, 409, 418, 425, 429] {
            let answer = answered(status, nameless);
            assert!(matches!(answer, CallError::Unknown(_)), "{status}: {answer:?}");
        }
        for body in ["<html>bad gateway</html>", "", "{}", "null"] {
            let answer = answered(400, body);
            assert!(matches!(answer, CallError::Unknown(_)), "{body}: {answer:?}");
        }
    }

    #[test]
    fn an_error_of_stripes_own_is_one_that_it_may_repeat() {
        for status in [500, 502, 503, 504] {
            let failed = CallError::Failed { status, replayed: false };
            assert_eq!(answered(status, "<html>bad gateway</html>"), failed);
        }
        let other_parameters = r#"{"error":{"type":"idempotency_error","message":"differs"}}"#;
        let failed = CallError::Failed { status: 400, replayed: true };
        assert_eq!(answered(400, other_parameters), failed);
    }

    #[test]
    fn an_answer_says_whether_it_was_given_before() {
        let said = |value| hyper::Response::builder().header("idempotent-replayed", value).body(());
        assert!(is_replayed(&said("true").expect("an answer")));
        assert!(!is_replayed(&said("false").expect("an answer")));
        assert!(!is_replayed(&hyper::Response::new(())));
    }

    #[test]
    fn no_error_tells_a_secret() {
        let body = r#"{"error":{"type":"card_error","code":"card_declined","message":"sk_test_1",
            "payment_intent":{"client_secret":"pi_1_secret_2"}}}"#;
        for status in [400, 401, 402, 500] {
            let shown = format!("{0} {0:?}", answered(status, body));
            assert!(!shown.contains("secret_") && !shown.contains("sk_"), "{shown}");
        }
    }
}
