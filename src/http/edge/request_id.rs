//! The name a request goes by, in its answer, in the log and in a problem.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::seams::Entropy;

/// The header that carries the id in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

tokio::task_local! {
    static CURRENT: CurrentRequest;
}

/// The request that a task is answering. Whatever is logged meanwhile names it: see
/// [`crate::logging`]. A tracing span would do that too, but costs every request more than
/// finding its handler does, and hardly any logs a line.
#[derive(Debug, Clone)]
pub struct CurrentRequest {
    /// Its name.
    pub id: RequestId,
    /// What it does.
    pub method: Method,
    /// The address it comes from.
    pub client: IpAddr,
    uri: Uri,
    noted: Arc<Noted>,
}

/// What was learnt of a request while it was answered.
#[derive(Debug, Default)]
struct Noted {
    user: OnceLock<u128>,
    changed: OnceLock<&'static str>,
}

impl CurrentRequest {
    /// A request under its name, from that address.
    pub fn new(id: RequestId, client: IpAddr, request: &Request) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { id, method, client, uri, noted: Arc::default() }
    }

    /// Notes whom the request that the current task is answering is by, or claims to be by.
    pub fn is_by(user: u128) {
        let _ = CURRENT.try_with(|current| current.noted.user.set(user));
    }

    /// Notes what it changes.
    pub fn changes(what: &'static str) {
        let _ = CURRENT.try_with(|current| current.noted.changed.set(what));
    }

    /// Whom it is by, if that is known.
    pub fn user(&self) -> Option<u128> {
        self.noted.user.get().copied()
    }

    /// What it changes, if that was noted.
    pub fn changed(&self) -> Option<&'static str> {
        self.noted.changed.get().copied()
    }

    /// Its path, without the query, which may hold what a user searched for.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The request that the current task is answering, if it is answering one.
    pub fn get() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Names this request to all that `answer` does.
    pub async fn scope<F: Future>(self, answer: F) -> F::Output {
        CURRENT.scope(self, answer).await
    }
}

/// The id of one request: 1 to 128 characters of `[A-Za-z0-9._-]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The client's own id if it sent exactly one that is safe to repeat, else a fresh one of
    /// 128 random bits.
    pub fn of(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        Self::from_client(headers).unwrap_or_else(|| Self::mint(entropy))
    }

    /// The id of the request that the current task is answering, if it is answering one.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.id.clone()).ok()
    }

    /// The id as a header; every header may hold the characters it is made of.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }

    fn from_client(headers: &HeaderMap) -> Option<Self> {
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        let (Some(value), None) = (sent.next(), sent.next()) else { return None };
        let text = value.to_str().ok()?;
        let is_sane = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        is_sane.then(|| Self(text.into()))
    }

    #[expect(clippy::indexing_slicing, reason = "four bits name one of 16 digits")]
    fn mint(entropy: &dyn Entropy) -> Self {
        let mut random = [0_u8; 16];
        entropy.fill(&mut random);
        let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half & 0xf)]);
        let mut text = String::with_capacity(32);
        text.extend(random.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
        Self(text.into())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::body::Body;

    use super::*;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xab);
        }
    }
    const MINTED: &str = "abababababababababababababababab";

    fn named(sent: &[&str]) -> String {
        let mut request = Request::get("/");
        for id in sent {
            request = request.header(X_REQUEST_ID, *id);
        }
        let id = RequestId::of(request.body(Body::empty()).unwrap().headers(), &Fixed);
        assert_eq!(id.header().unwrap(), id.to_string());
        id.to_string()
    }

    #[test]
    fn a_sane_id_is_kept() {
        let longest = "x".repeat(128);
        for id in ["a", "Trace-1.2_3", longest.as_str()] {
            assert_eq!(named(&[id]), id);
        }
    }

    #[test]
    fn any_other_id_is_replaced_by_a_fresh_one() {
        let too_long = "x".repeat(129);
        for id in ["", " ", "a b", "a,b", "<script>", "é", too_long.as_str()] {
            assert_eq!(named(&[id]), MINTED, "{id:?}");
        }
        assert_eq!(named(&[]), MINTED);
        assert_eq!(named(&["one", "two"]), MINTED);
    }

    #[tokio::test]
    async fn whatever_answers_a_request_can_name_it() {
        let request = Request::get("/api/tickets?q=secret").body(Body::empty()).unwrap();
        let id = RequestId::of(request.headers(), &Fixed);
        let current = CurrentRequest::new(id.clone(), Ipv4Addr::LOCALHOST.into(), &request);
        let seen = current.scope(async { CurrentRequest::get().unwrap() }).await;
        assert_eq!((&seen.id, seen.path()), (&id, "/api/tickets"));
        assert_eq!(RequestId::current(), None, "outside a request there is none");
    }
}
