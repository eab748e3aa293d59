//! An answer as data: it can be sent, and it can be kept and sent again.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minicbor::{Decode, Encode};
use serde::Serialize;

use super::body::{JSON, to_json};
use super::problem::Problem;

/// The headers that belong to an answer; all others are made anew for each request.
const KEPT_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::ETAG,
    header::RETRY_AFTER,
    header::CACHE_CONTROL,
];

/// What a request is answered with.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// A value as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        Self::written(status, to_json(value))
    }

    /// JSON that is written already.
    pub fn written(status: StatusCode, body: serde_json::Result<Vec<u8>>) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]);
        body.map(|body| Self { status, headers, body }).unwrap_or_else(|error| {
            tracing::error!(%error, "an answer could not be written as JSON");
            let body = Problem::internal().into_document();
            let body = serde_json::to_vec(&body).unwrap_or_default();
            Self { status: StatusCode::INTERNAL_SERVER_ERROR, headers: HeaderMap::new(), body }
        })
    }

    /// An answer that was made as a response, and is now all here.
    pub fn of(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Self {
        Self { status, headers, body: body.to_vec() }
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets `location` to one of our own paths.
    #[must_use]
    pub fn located(self, path: String) -> Self {
        match HeaderValue::try_from(path) {
            Ok(path) => self.header(header::LOCATION, path),
            Err(_) => self,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// What is kept for an idempotency key. The store knows only its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Kept {
    /// This was answered, to the letter.
    #[n(0)]
    Answered {
        /// The HTTP status.
        #[n(0)]
        status: u16,
        /// The headers that belong to the answer.
        #[n(1)]
        headers: Vec<(String, String)>,
        /// The body.
        #[cbor(n(2), with = "minicbor::bytes")]
        body: Vec<u8>,
    },
    /// Something of this name was begun; how it ended was not known yet.
    #[n(1)]
    Begun {
        /// What its handler finds it by.
        #[n(0)]
        name: String,
    },
}

impl Kept {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Writing to memory does not fail.
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// From bytes; nothing if they are no such thing.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }
}

impl From<&Answer> for Kept {
    fn from(answer: &Answer) -> Self {
        let kept = |name: &HeaderName| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        };
        Self::Answered {
            status: answer.status.as_u16(),
            headers: KEPT_HEADERS.iter().filter_map(kept).collect(),
            body: answer.body.clone(),
        }
    }
}

/// An answer that was kept, as it was.
pub fn kept_answer(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Answer {
    let read = |(name, value)| Some((HeaderName::try_from(name).ok()?, value_of(value)?));
    Answer {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: headers.into_iter().filter_map(read).collect(),
        body,
    }
}

fn value_of(value: String) -> Option<HeaderValue> {
    HeaderValue::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_kept_is_the_same_answer() {
        let answer = Answer::json(StatusCode::CREATED, &[1, 2])
            .located("/api/tickets/x".to_owned())
            .header(header::SET_COOKIE, HeaderValue::from_static("session=secret"));
        let kept = Kept::decode(&Kept::from(&answer).encode());
        let Some(Kept::Answered { status, headers, body }) = kept else { panic!("an answer") };
        let again = kept_answer(status, headers, body);
        assert_eq!(again.status, StatusCode::CREATED);
        assert_eq!(again.headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(again.headers[header::LOCATION], "/api/tickets/x");
        assert!(!again.headers.contains_key(header::SET_COOKIE), "it belongs to one request");
        assert_eq!(again.body, b"[1,2]");
    }

    #[test]
    fn what_is_kept_is_read_as_it_was_first_written() {
        let begun = Kept::Begun { name: "charge_1".to_owned() };
        assert_eq!(begun.encode(), b"\x82\x01\x81\x68charge_1");
        let answered = Kept::Answered {
            status: 201,
            headers: vec![("etag".to_owned(), "\"0\"".to_owned())],
            body: b"{}".to_vec(),
        };
        assert_eq!(answered.encode(), b"\x82\x00\x83\x18\xc9\x81\x82\x64etag\x63\"0\"\x42{}");
        for kept in [begun, answered] {
            assert_eq!(Kept::decode(&kept.encode()), Some(kept));
        }
        assert_eq!(Kept::decode(b"garbage"), None);
    }
}
