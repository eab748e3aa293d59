//! Query strings and pages: `limit`, `after` and the `link` to the next page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::percent;
use super::problem::{FieldError, Problem};

/// How many items a page has if the client does not say.
pub const DEFAULT_LIMIT: usize = 50;

/// How many items a page may have.
pub const MAX_LIMIT: usize = 100;

/// The parameters of a query string, in their order.
///
/// Unknown ones are the business of nobody; a known one must not be repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string, as a form or a program would write it.
    ///
    /// # Errors
    ///
    /// A 400 if a percent-encoding is broken or does not decode to UTF-8.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        if !percent::is_decodable(query) {
            return Err(Problem::bad_request(
                "The query string is not properly percent-encoded UTF-8.",
            ));
        }
        Ok(Self { pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect() })
    }

    /// The value of a parameter that may be there once.
    ///
    /// # Errors
    ///
    /// The error of a parameter that is there more often; `?` makes it a 400.
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, FieldError> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(String::as_str)),
            (_, Some(_)) => {
                Err(FieldError::on(name, format!("{name} must not be given more than once")))
            }
        }
    }

    /// The same query with one parameter set anew, encoded.
    fn with(&self, name: &str, value: &str) -> String {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .filter(|(key, _)| *key != name)
            .chain([(name, value)])
            .map(|(key, value)| format!("{}={}", percent::encode(key), percent::encode(value)))
            .collect::<Vec<_>>()
            .join("&")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

/// A place in a list, which a client carries from one page to the next without
/// looking inside.
///
/// The payload is the list's own business. It must identify the last item shown
/// and, where a list can be sorted in several ways, the order it was shown in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    const VERSION: u8 = 1;
    const CHECKSUM_BYTES: usize = 4;
    /// No list needs more to name a place.
    const MAX_ENCODED_BYTES: usize = 512;

    /// A cursor around this payload.
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        Self(payload.into())
    }

    /// What the list put in.
    pub fn payload(&self) -> &[u8] {
        &self.0
    }

    /// The cursor as a client sees it.
    pub fn encode(&self) -> String {
        let bytes = [&[Self::VERSION], self.0.as_slice(), &Self::checksum(&self.0)].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a client sent back; nothing if this server never made it.
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_ENCODED_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (payload, checksum) =
            rest.split_at_checked(rest.len().checked_sub(Self::CHECKSUM_BYTES)?)?;
        let is_ours = *version == Self::VERSION && checksum == Self::checksum(payload);
        is_ours.then(|| Self(payload.to_vec()))
    }

    /// Guards against typing errors and truncation, not against intent: a
    /// cursor gives access to nothing that the list does not show anyway.
    fn checksum(payload: &[u8]) -> [u8; Self::CHECKSUM_BYTES] {
        let digest: [u8; 32] =
            Sha256::new().chain_update(b"gittix cursor").chain_update(payload).finalize().into();
        let [a, b, c, d, ..] = digest;
        [a, b, c, d]
    }
}

/// Which page of a list a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// The place after which the page starts; the start of the list if there is none.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Reads `limit` and `after`.
    ///
    /// # Errors
    ///
    /// Every rule that one of the two breaks.
    pub fn from_query(query: &Query) -> Result<Self, Vec<FieldError>> {
        match (Self::limit(query), Self::after(query)) {
            (Ok(limit), Ok(after)) => Ok(Self { limit, after }),
            (limit, after) => Err(limit.err().into_iter().chain(after.err()).collect()),
        }
    }

    fn limit(query: &Query) -> Result<usize, FieldError> {
        let Some(text) = query.one("limit")? else { return Ok(DEFAULT_LIMIT) };
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| {
                FieldError::on("limit", format!("limit must be a number from 1 to {MAX_LIMIT}"))
            })
    }

    fn after(query: &Query) -> Result<Option<Cursor>, FieldError> {
        query.one("after")?.map(|text| Cursor::decode(text).ok_or_else(not_a_cursor)).transpose()
    }
}

/// What is said of a cursor that is garbage, or another list's.
pub fn not_a_cursor() -> FieldError {
    FieldError::on("after", "after must be the cursor of an earlier page")
}

/// The answer to a request for a page of the list at this path. `next` is its last place if more
/// follow.
pub fn page(
    path: &str,
    query: &Query,
    items: impl IntoResponse,
    next: Option<Cursor>,
    caching: HeaderValue,
) -> Response {
    let mut response = ([(header::CACHE_CONTROL, caching)], items).into_response();
    if let Some(link) = next.and_then(|cursor| next_link(path, query, &cursor)) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// The value of the `link` header that leads to the next page of the list at
/// this path (RFC 8288). Everything else the client asked for stays.
///
/// `path` is one of our own routes, in characters that a URI may hold.
fn next_link(path: &str, query: &Query, next: &Cursor) -> Option<HeaderValue> {
    let target = query.with("after", &next.encode());
    HeaderValue::try_from(format!("<{path}?{target}>; rel=\"next\"")).ok()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use axum::http::StatusCode;
    use proptest::prelude::*;

    use super::*;

    fn page(query: &str) -> Result<PageRequest, Vec<FieldError>> {
        PageRequest::from_query(&Query::parse(query).unwrap())
    }

    fn fields_at_fault(query: &str) -> Vec<Cow<'static, str>> {
        page(query).unwrap_err().into_iter().filter_map(|error| error.field).collect()
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("q=rock+%26%20roll&empty=&flag&%71x=%C3%A9&&").unwrap();
        assert_eq!(query.one("q"), Ok(Some("rock & roll")));
        assert_eq!(query.one("empty"), Ok(Some("")));
        assert_eq!(query.one("flag"), Ok(Some("")));
        assert_eq!(query.one("qx"), Ok(Some("é")));
        assert_eq!(query.one("absent"), Ok(None));
    }

    #[test]
    fn broken_encoding_anywhere_is_400() {
        for text in ["q=%", "q=%zz", "%ff=1", "unknown=%c3%28"] {
            assert_eq!(Query::parse(text).unwrap_err().status(), StatusCode::BAD_REQUEST, "{text}");
        }
    }

    #[test]
    fn a_known_parameter_must_not_be_repeated() {
        let query = Query::parse("q=a&q=a&%71=b&x=1").unwrap();
        assert_eq!(query.one("q").unwrap_err().field.as_deref(), Some("q"));
        assert_eq!(Problem::from(query.one("q").unwrap_err()).status(), StatusCode::BAD_REQUEST);
        assert_eq!(query.one("x"), Ok(Some("1")));
    }

    #[test]
    fn a_limit_is_1_to_100_and_50_by_default() {
        assert_eq!(page("").unwrap(), PageRequest { limit: 50, after: None });
        assert_eq!(page("limit=1&unknown=x&unknown=y").unwrap().limit, 1);
        assert_eq!(page("limit=100").unwrap().limit, 100);
        for limit in ["0", "101", "-1", "+1", "1.0", "", "%201", "ten", "99999999999999999999"] {
            assert_eq!(fields_at_fault(&format!("limit={limit}")), ["limit"], "{limit}");
        }
        assert_eq!(fields_at_fault("limit=1&limit=1"), ["limit"]);
        assert_eq!(fields_at_fault("limit=0&after=x"), ["limit", "after"]);
    }

    #[test]
    fn a_cursor_that_this_server_never_made_is_refused() {
        let sound = Cursor::new(*b"place").encode();
        assert_eq!(page(&format!("after={sound}")).unwrap().after, Some(Cursor::new(*b"place")));
        let cut = &sound[..sound.len() - 1];
        let grown = format!("{sound}AA");
        let long = "A".repeat(100_000);
        for garbage in ["", "x", "AAAA", "AQ", "====", "../..", cut, &grown, &long] {
            assert_eq!(fields_at_fault(&format!("after={garbage}")), ["after"], "{garbage}");
        }
    }

    #[test]
    fn a_cursor_of_the_greatest_length_is_read() {
        let fits = |bytes: usize| Cursor::new(vec![b'x'; bytes]).encode().len();
        let longest = (1..).take_while(|bytes| fits(*bytes) <= Cursor::MAX_ENCODED_BYTES).last();
        let (longest, text) = longest
            .map(|bytes| Cursor::new(vec![b'x'; bytes]))
            .map(|cursor| {
                let text = cursor.encode();
                (cursor, text)
            })
            .unwrap();
        assert_eq!(text.len(), Cursor::MAX_ENCODED_BYTES);
        assert_eq!(Cursor::decode(&text), Some(longest));
    }

    #[test]
    fn the_next_link_keeps_the_other_parameters() {
        let query = Query::parse("q=a%26b+%22%3E&after=old&limit=2&sort=-price").unwrap();
        let next = Cursor::new(*b"x");
        let link = next_link("/api/tickets", &query, &next).unwrap();
        let expected = format!(
            "</api/tickets?q=a%26b%20%22%3E&limit=2&sort=-price&after={}>; rel=\"next\"",
            next.encode()
        );
        assert_eq!(link, expected);
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let cursor = Cursor::new(payload);
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        }

        #[test]
        fn no_query_makes_the_reader_panic(text: String) {
            if let Ok(query) = Query::parse(&text) {
                let _ = PageRequest::from_query(&query);
                let link = next_link("/", &query, &Cursor::new(vec![])).unwrap();
                prop_assert!(link.to_str().is_ok());
            }
        }
    }
}
