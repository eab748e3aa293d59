//! Times and days as clients write them.

use jiff::civil::Date;

use super::fields::{FieldValue, Given, Refused};
use crate::domain::Timestamp;
pub use crate::domain::rfc3339::time;
use crate::domain::rfc3339::{EXPECTED, follows};

/// A time in a body (RFC 3339, with an offset).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl FieldValue for Time {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        match given {
            Given::Missing | Given::Null => Err(Refused::named("must be given")),
            Given::Text(text) => time(&text).map(Self).ok_or_else(|| Refused::named(EXPECTED)),
            _ => Err(Refused::named(EXPECTED)),
        }
    }
}

/// Reads a day: `2026-11-22`.
pub fn day(text: &str) -> Option<Date> {
    if follows(text.as_bytes(), b"0000-00-00") != Some(&[]) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_names_its_offset() {
        let shown = |text: &str| time(text).map(|at| at.to_string());
        for (text, expected) in [
            ("2026-11-22T20:00:00+01:00", "2026-11-22T19:00:00.000Z"),
            ("2026-11-22T19:00:00Z", "2026-11-22T19:00:00.000Z"),
            ("2026-11-22t19:00:00.768999z", "2026-11-22T19:00:00.768Z"),
            ("2026-11-22 19:00:00-00:30", "2026-11-22T19:30:00.000Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T20:00:00",
            "2026-11-22T20:00Z",
            "2026-11-22T20:00:00+01",
            "2026-11-22T20:00:00+0100",
            "2026-11-22T20:00:00Z[Europe/Berlin]",
            "2026-11-22T20:00:00.Z",
            "2026-02-30T20:00:00Z",
            "2026-11-22T25:00:00Z",
            "+002026-11-22T20:00:00Z",
            " 2026-11-22T20:00:00Z",
            "22.11.2026 20:00",
            "now",
        ] {
            assert_eq!(shown(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_day_is_a_date_and_nothing_else() {
        assert_eq!(day("2026-11-22"), Some(jiff::civil::date(2026, 11, 22)));
        for text in ["", "2026-11", "2026-11-22T00:00:00", "2026-13-01", "20261122", "2026-02-29"] {
            assert_eq!(day(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_times_never_panics(text in "\\PC{0,40}|[0-9T:.Z+-]{0,40}") {
            let _ = (time(&text), day(&text));
        }
    }
}
