//! The strict reader of JSON bodies.
//!
//! A body is one JSON object in UTF-8 and nothing else. Duplicate keys are
//! refused at every level, because two readers of the same body could take a
//! different one of them for true. What the object holds is read by [`super::fields`].

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use axum::RequestExt;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, header};
use http_body_util::{BodyExt, Collected, LengthLimitError};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::codes::Code;
use super::problem::Problem;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The one JSON object that a body is, known to be sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonObject {
    source: Bytes,
}

impl JsonObject {
    /// Looks through a body that should be one JSON object.
    ///
    /// # Errors
    ///
    /// A 400 that says what is wrong, and where.
    pub fn parse(source: Bytes) -> Result<Self, Problem> {
        check(&source).map_err(|detail| Problem::new(Code::InvalidJson, detail))?;
        Ok(Self { source })
    }

    /// The object as a struct. Where that is made of [`super::fields::Field`]s, every object is one.
    ///
    /// # Errors
    ///
    /// A 400 if the object does not fit.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        serde_json::from_slice(&self.source).map_err(|error| {
            Problem::new(Code::InvalidJson, format!("The body is not acceptable JSON: {error}."))
        })
    }

    /// The body as it arrived.
    pub fn source(&self) -> &Bytes {
        &self.source
    }
}

fn check(source: &[u8]) -> Result<(), String> {
    if source.is_empty() {
        return Err("The body is empty; it must be a JSON object.".to_owned());
    }
    if source.starts_with(BYTE_ORDER_MARK) {
        return Err("The body must not start with a byte order mark.".to_owned());
    }
    let text = std::str::from_utf8(source).map_err(|error| {
        format!("The body is not valid UTF-8 from byte {} on.", error.valid_up_to())
    })?;
    serde_json::from_str::<TopLevel>(text)
        .map(|_| ())
        .map_err(|error| format!("The body is not acceptable JSON: {error}."))
}

/// The top level. Each value is first taken as raw text, which needs no recursion however deep it
/// nests and no limits on numbers, and then checked by its kind.
struct TopLevel;

impl<'de> Deserialize<'de> for TopLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for TopLevel {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let raw: &RawValue = map.next_value()?;
            check_member(raw.get()).map_err(|error| {
                A::Error::custom(format!("in {}: {}", quote(&name), sans_place(&error)))
            })?;
            if keys.contains(&name) {
                return Err(A::Error::custom(format!("duplicate key {}", quote(&name))));
            }
            keys.insert(name);
        }
        Ok(self)
    }
}

fn check_member(raw: &str) -> serde_json::Result<()> {
    match raw.as_bytes().first() {
        Some(b'"' | b'[' | b'{') => serde_json::from_str::<Checked>(raw).map(|_| ()),
        _ => Ok(()),
    }
}

/// The message of an error without its place, which counts from the start of
/// the field's value; the reader of the whole body adds the place in the body.
fn sans_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).map(str::to_owned).unwrap_or(message)
}

/// A key as a message shows it: cut short, and without anything unprintable.
fn quote(key: &str) -> String {
    const SHOWN: usize = 40;
    let shown: String = key.chars().take(SHOWN).collect();
    let dots = if shown.len() < key.len() { "…" } else { "" };
    format!("{shown:?}{dots}")
}

/// A value below the top level, which maybe nothing reads: it has to be sound all the
/// same. Its depth is limited by the recursion limit of the deserialiser.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("duplicate key {}", quote(&key))));
            }
            keys.insert(key);
        }
        Ok(self)
    }
}

/// The extractor for a JSON body that is read later. It comes last among a handler's arguments.
#[derive(Debug)]
pub struct StrictJson(pub JsonObject);

/// The extractor for a JSON body. It comes last among a handler's arguments.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let StrictJson(object) = StrictJson::from_request(request, state).await?;
        object.read().map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for StrictJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        refuse_encoded(request.headers())?;
        let declares_type = request.headers().contains_key(header::CONTENT_TYPE);
        if declares_type && !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type(
                "The content-type of a body must be application/json, in UTF-8.",
            ));
        }
        let body = read_body(request).await?;
        if !declares_type && !body.is_empty() {
            return Err(Problem::unsupported_media_type(
                "A body needs the header content-type: application/json.",
            ));
        }
        JsonObject::parse(body).map(Self)
    }
}

/// Reads the whole body, up to the limit of the router.
///
/// # Errors
///
/// 413 over the limit; 400 when the client went away or its chunks are broken.
pub async fn read_body(request: Request) -> Result<Bytes, Problem> {
    let announced = request.body().size_hint().lower();
    let body = request.into_limited_body();
    // A body that is too large by its own account is refused before the first look at it, which
    // would tell a client that waits for `100 Continue` to send it.
    if body.size_hint().upper().is_some_and(|most| announced > most) {
        return Err(Problem::payload_too_large());
    }
    let read = body.collect().await;
    read.map(Collected::to_bytes).map_err(|error| {
        let mut cause = Some(&error as &dyn Error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return Problem::payload_too_large();
            }
            cause = error.source();
        }
        Problem::new(Code::IncompleteBody, "The body did not arrive as it was announced.")
    })
}

/// A compressed body could grow without limit, so none is unpacked.
///
/// # Errors
///
/// 415 if it is.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_plain {
        Ok(())
    } else {
        Err(Problem::unsupported_media_type("A body must not be compressed.")
            .header(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity")))
    }
}

/// Whether there is one content-type, it is `application/json` or
/// `application/…+json`, and a charset, if any, is UTF-8.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = only(headers, &header::CONTENT_TYPE) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json_type = essence == "application/json"
        || (essence.starts_with("application/")
            && essence.strip_suffix("+json").is_some_and(|base| base != "application/"));
    is_json_type
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The only value of a header, if it has one and that is text.
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()
}

#[cfg(test)]
mod tests;
