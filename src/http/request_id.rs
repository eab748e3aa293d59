//! The name a request goes by, in its answer, in the log and in a problem.

use std::fmt::{self, Write};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use tracing::Instrument;

use crate::seams::Entropy;

/// The header that carries the id in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The id of one request: 1 to 128 characters of `[A-Za-z0-9._-]`.
///
/// A handler finds it in the request's extensions; code further away asks
/// [`RequestId::current`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id of the request that the current task is answering, if it is answering one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client's own id if it sent exactly one that is safe to repeat.
    fn from_client(headers: &HeaderMap) -> Option<Self> {
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        let (Some(value), None) = (sent.next(), sent.next()) else { return None };
        let text = value.to_str().ok()?;
        let is_sane = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        is_sane.then(|| Self(text.into()))
    }

    /// A fresh id of 128 random bits.
    fn mint(entropy: &dyn Entropy) -> Self {
        let mut random = [0_u8; 16];
        entropy.fill(&mut random);
        let mut text = String::with_capacity(32);
        for byte in random {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text.into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names the request, opens its tracing span, has it answered, and puts the name on the answer.
///
/// The span has the path without the query, which may hold what a user searched for.
pub async fn name_request<F: Future<Output = Response>>(
    entropy: &dyn Entropy,
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
) -> Response {
    let id = RequestId::from_client(request.headers()).unwrap_or_else(|| RequestId::mint(entropy));
    let span = tracing::info_span!(
        "request",
        id = %id,
        method = %request.method(),
        path = request.uri().path(),
    );
    request.extensions_mut().insert(id.clone());
    let mut response = CURRENT.scope(id.clone(), answer(request)).instrument(span).await;
    // An id is made of characters that every header may hold.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::{Next, from_fn};
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xab);
        }
    }
    const MINTED: &str = "abababababababababababababababab";

    /// Sends the given ids and returns the one in the answer's header, which
    /// the handler must have seen in both places.
    async fn answered_id(sent: &[&str]) -> String {
        let app = Router::new()
            .route(
                "/",
                get(|request: Request| async move {
                    let extension = request.extensions().get::<RequestId>().cloned();
                    assert_eq!(extension, RequestId::current());
                    extension.map(|id| id.to_string()).unwrap_or_default()
                }),
            )
            .layer(from_fn(|request: Request, next: Next| async {
                name_request(&Fixed, request, |request| next.run(request)).await
            }));
        let mut request = Request::get("/");
        for id in sent {
            request = request.header(X_REQUEST_ID, *id);
        }
        let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let header = response.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
        let seen = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(seen, header.as_bytes());
        header
    }

    #[tokio::test]
    async fn a_sane_id_is_kept() {
        let longest = "x".repeat(128);
        for id in ["a", "Trace-1.2_3", longest.as_str()] {
            assert_eq!(answered_id(&[id]).await, id);
        }
    }

    #[tokio::test]
    async fn any_other_id_is_replaced_by_a_fresh_one() {
        let too_long = "x".repeat(129);
        for id in ["", " ", "a b", "a,b", "<script>", "é", too_long.as_str()] {
            assert_eq!(answered_id(&[id]).await, MINTED, "{id:?}");
        }
        assert_eq!(answered_id(&[]).await, MINTED);
        assert_eq!(answered_id(&["one", "two"]).await, MINTED);
    }

    #[tokio::test]
    async fn outside_a_request_there_is_no_id() {
        assert_eq!(RequestId::current(), None);
    }
}
