//! What requests carry, read into the domain's types.
//!
//! The messages come from the domain; a field that is missing breaks its first rule.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::json::Field;
use super::problem::{FieldError, Problem};
use crate::domain::{Currency, Email, Price, PriceError, Title, TitleError};

/// Collects every rule that a request's fields break.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// The value, or `None` with its fault noted.
    pub fn note<T>(&mut self, field: &'static str, value: Result<T, impl ToString>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError::on(field, error.to_string()))).ok()
    }

    /// All that were noted, as one answer.
    pub fn into_problem(self) -> Problem {
        Problem::validation(self.0)
    }
}

/// Reads `title`.
pub fn title_field(field: Field<'_>) -> Result<Title, TitleFault> {
    match field {
        Field::Missing | Field::Null => Err(TitleFault::Title(TitleError::Blank)),
        Field::Text(text) => Title::parse(text).map_err(TitleFault::Title),
        Field::Number(_) | Field::Other(_) => Err(TitleFault::NotText),
    }
}

/// Why a field is no title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TitleFault {
    /// The domain refuses it.
    #[error(transparent)]
    Title(TitleError),
    /// It is no text.
    #[error("Title must be a string")]
    NotText,
}

/// Reads `price`: a number, or a string that holds one.
pub fn price_field(field: Field<'_>, currency: Currency) -> Result<Price, PriceError> {
    match field {
        Field::Missing | Field::Null => Err(PriceError::NotPositive),
        given => {
            given.numeral().map_or(Err(PriceError::NotANumber), |text| Price::parse(text, currency))
        }
    }
}

/// Reads `email`.
pub fn email_field(field: Field<'_>) -> Result<Email, crate::domain::InvalidEmail> {
    field.text().map_or(Err(crate::domain::InvalidEmail), Email::parse)
}

/// An identifier in a body: what does not parse is the client's mistake.
pub fn id_field<T: FromStr>(field: Field<'_>, name: &str) -> Result<T, String> {
    let text = field.text().ok_or_else(|| format!("{name} must be given"))?;
    text.parse().map_err(|_| format!("{name} is not a valid id"))
}

/// The identifier in a path. One that does not parse names nothing: 404, but only once the
/// handler asks, for other checks come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathId<T>(Option<T>);

impl<T> PathId<T> {
    /// The identifier.
    ///
    /// # Errors
    ///
    /// 404 if the path holds none.
    pub fn known(self) -> Result<T, Problem> {
        self.0.ok_or_else(Problem::not_found)
    }
}

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for PathId<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let segment = Path::<String>::from_request_parts(parts, state).await.ok();
        Ok(Self(segment.and_then(|Path(text)| text.parse().ok())))
    }
}
