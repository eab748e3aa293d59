//! The fields of bodies, read into types so that every rule a body breaks is told at once.
//!
//! A body is a struct of [`Field`]s. Reading one never fails because of what a field holds: the
//! field remembers what is wrong with it, in the words of its type, until the handler asks. Lists
//! and objects within a body are read in the same way, and their faults name the place:
//! `performers[2]`, `venue.name`.
//!
//! ```ignore
//! #[derive(Deserialize, ToSchema)]
//! struct Draft {
//!     #[serde(default)]
//!     title: Field<Title>,
//! }
//!
//! let mut faults = Faults::default();
//! let title = faults.note("title", draft.title.required());
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

use super::problem::{FieldError, Problem};
use crate::domain::{Currency, Line, LineError, Price, PriceError};

/// What a body holds for a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given<'a> {
    /// The object does not have the field.
    Missing,
    /// It is `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it is written: `25.50`, `1e400`. It never passes through a float.
    Number(&'a str),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// A list, as it is written.
    List(&'a str),
    /// A nested object, as it is written.
    Object(&'a str),
}

impl<'a> Given<'a> {
    /// Looks at a value of a body that is known to be sound.
    fn of(raw: &'a RawValue) -> Self {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::Text(unescape(text)),
            Some(b'[') => Self::List(text),
            Some(b'{') => Self::Object(text),
            _ => Self::Number(text),
        }
    }

    /// The text of a string; nothing for all else.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The text of a string without its quotes, copied only if something in it is escaped.
fn unescape(literal: &str) -> Cow<'_, str> {
    match serde_json::from_str::<&str>(literal) {
        Ok(plain) => Cow::Borrowed(plain),
        Err(_) => Cow::Owned(serde_json::from_str(literal).unwrap_or_default()),
    }
}

/// What a field may hold, with the words for everything else.
pub trait FieldValue: Sized {
    /// Reads it. A field that is missing breaks the first rule of its type.
    ///
    /// # Errors
    ///
    /// Every rule that it breaks.
    fn read(given: Given<'_>) -> Result<Self, Refused>;
}

/// A field of a body: missing, or read, or refused.
///
/// In the struct it needs `#[serde(default)]`, because a field may always be missing; whether it
/// may be missing in this request is for the handler to say.
#[derive(Debug)]
pub struct Field<T>(Option<Result<T, Refused>>);

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: FieldValue> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Some(T::read(Given::of(raw)))))
    }
}

impl<T: FieldValue> Field<T> {
    /// The value, where the field must be there.
    pub fn required(self) -> Result<T, Refused> {
        self.0.unwrap_or_else(|| T::read(Given::Missing))
    }

    /// The value, or nothing for a field that is missing. One that is `null` is not missing.
    pub fn optional(self) -> Result<Option<T>, Refused> {
        self.0.transpose()
    }
}

/// Why a field is refused: one fault or, in a list or an object, several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(Vec<Fault>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// Where below the field: `` for the field itself, `[2]`, `.name`.
    place: String,
    words: Words,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Words {
    /// The whole message.
    Whole(Cow<'static, str>),
    /// What follows the field's name.
    AfterName(Cow<'static, str>),
}

impl Refused {
    /// This is what is wrong with it.
    pub fn because(reason: impl fmt::Display) -> Self {
        Self::of(Words::Whole(reason.to_string().into()))
    }

    /// A message that begins with the field's name: `must be given`.
    pub fn named(rest: &'static str) -> Self {
        Self::of(Words::AfterName(Cow::Borrowed(rest)))
    }

    /// The same for a reason whose words follow a name.
    pub fn after_name(reason: impl fmt::Display) -> Self {
        Self::of(Words::AfterName(reason.to_string().into()))
    }

    fn of(words: Words) -> Self {
        Self(vec![Fault { place: String::new(), words }])
    }

    fn below(self, place: &str) -> impl Iterator<Item = Fault> {
        self.0
            .into_iter()
            .map(move |fault| Fault { place: format!("{place}{}", fault.place), ..fault })
    }
}

impl From<&'static str> for Refused {
    fn from(message: &'static str) -> Self {
        Self::of(Words::Whole(Cow::Borrowed(message)))
    }
}

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Self::of(Words::Whole(Cow::Owned(message)))
    }
}

/// Collects every rule that a request's fields break.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The value, or `None` with its faults noted.
    pub fn note<T>(&mut self, field: &str, value: Result<T, impl Into<Refused>>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(refused) => {
                self.0.extend(refused.into().below(field));
                None
            }
        }
    }

    /// The value of the only field that a request needs.
    ///
    /// # Errors
    ///
    /// Its faults, as an answer.
    pub fn alone<T>(field: &str, value: Result<T, impl Into<Refused>>) -> Result<T, Problem> {
        let mut faults = Self::default();
        faults.note(field, value).ok_or_else(|| faults.into_problem())
    }

    /// All that were noted, as one answer.
    pub fn into_problem(self) -> Problem {
        let error = |Fault { place, words }: Fault| {
            let message = match words {
                Words::Whole(message) => message,
                Words::AfterName(rest) => format!("{place} {rest}").into(),
            };
            FieldError::on(place, message)
        };
        Problem::validation(self.0.into_iter().map(error).collect())
    }
}

impl FieldValue for String {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        match given {
            Given::Text(text) => Ok(text.into_owned()),
            _ => Err(Refused::named("must be given")),
        }
    }
}

impl FieldValue for bool {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        match given {
            Given::Bool(value) => Ok(value),
            _ => Err(Refused::named("must be true or false")),
        }
    }
}

/// A value that may be `null`, or missing, which means the same.
impl<T: FieldValue> FieldValue for Option<T> {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        match given {
            Given::Missing | Given::Null => Ok(None),
            given => T::read(given).map(Some),
        }
    }
}

/// A list, whose faulty items are all told.
impl<T: FieldValue> FieldValue for Vec<T> {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let Given::List(text) = given else { return Err(Refused::named("must be a list")) };
        let items: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|_| Refused::named("must be a list"))?;
        let (mut values, mut faults) = (Vec::with_capacity(items.len()), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            match T::read(Given::of(item)) {
                Ok(value) => values.push(value),
                Err(refused) => faults.extend(refused.below(&format!("[{index}]"))),
            }
        }
        if faults.is_empty() { Ok(values) } else { Err(Refused(faults)) }
    }
}

/// An object within a body: a struct of fields, like the body itself.
#[derive(Debug)]
pub struct Nested<T>(pub T);

impl<T: DeserializeOwned> FieldValue for Nested<T> {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let Given::Object(text) = given else { return Err(Refused::named("must be an object")) };
        serde_json::from_str(text).map(Self).map_err(|_| Refused::named("must be an object"))
    }
}

/// An identifier in a body: what does not parse is the client's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id<T>(pub T);

impl<T: FromStr> FieldValue for Id<T> {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let text = given.text().ok_or_else(|| Refused::named("must be given"))?;
        text.parse().map(Self).map_err(|_| Refused::named("is not a valid id"))
    }
}

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole(pub u64);

impl FieldValue for Whole {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let number = match given {
            Given::Number(literal) => literal.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| Refused::named("must be a whole number"))
    }
}

impl<const MAX: usize> FieldValue for Line<MAX> {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        match given {
            Given::Missing | Given::Null => Err(Refused::after_name(LineError::Blank)),
            Given::Text(text) => Self::parse(&text).map_err(Refused::after_name),
            _ => Err(Refused::named("must be a string")),
        }
    }
}

/// What a number says, or a string that is to be read as one, for a reader that knows the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numeral {
    /// Nothing was given.
    Absent,
    /// The digits, as they are written.
    Literal(String),
    /// Something that holds no number.
    Other,
}

impl Numeral {
    /// The price that it says, in a currency.
    pub fn price(&self, currency: Currency) -> Result<Price, PriceError> {
        match self {
            Self::Absent => Err(PriceError::NotPositive),
            Self::Literal(text) => Price::parse(text, currency),
            Self::Other => Err(PriceError::NotANumber),
        }
    }
}

impl FieldValue for Numeral {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        Ok(match given {
            Given::Missing | Given::Null => Self::Absent,
            Given::Number(literal) => Self::Literal(literal.to_owned()),
            Given::Text(text) => Self::Literal(text.into_owned()),
            Given::Bool(_) | Given::List(_) | Given::Object(_) => Self::Other,
        })
    }
}

#[cfg(test)]
mod tests;
