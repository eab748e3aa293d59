//! A point in time as the domain knows it: whole milliseconds, always given, never asked for.

use std::fmt;
use std::time::Duration;

use super::ascii::Ascii;

/// When the year 0 began, in milliseconds since the Unix epoch.
const YEAR_0: i64 = -62_167_219_200_000;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time that many milliseconds after (or, negative, before) the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time `span` later, at most the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` until this time; zero if this time is not later.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

impl Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-11-22T03:54:00.768Z`. RFC 3339 knows the years 0
    /// to 9999; what is beyond is shown as the first or the last moment of these.
    pub fn text(self) -> Ascii<24> {
        let shown = jiff::Timestamp::from_millisecond(self.0.max(YEAR_0));
        let at = jiff::tz::Offset::UTC.to_datetime(shown.unwrap_or(jiff::Timestamp::MAX));
        // Every resource shows two or three times, and jiff's printer, which can do much more,
        // takes longer for each than the rest of its JSON.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text, 0..4, at.year().unsigned_abs());
        put(&mut text, 5..7, at.month().unsigned_abs().into());
        put(&mut text, 8..10, at.day().unsigned_abs().into());
        put(&mut text, 11..13, at.hour().unsigned_abs().into());
        put(&mut text, 14..16, at.minute().unsigned_abs().into());
        put(&mut text, 17..19, at.second().unsigned_abs().into());
        put(&mut text, 20..23, at.millisecond().unsigned_abs());
        Ascii(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// Writes a number's decimal digits, zeros first.
fn put(text: &mut [u8], digits: std::ops::Range<usize>, number: u16) {
    let mut rest = number;
    for digit in text.iter_mut().take(digits.end).skip(digits.start).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_shown_in_utc_with_milliseconds() {
        let shown = |millis| Timestamp::from_millis(millis).to_string();
        assert_eq!(shown(1_795_319_640_768), "2026-11-22T03:54:00.768Z");
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(YEAR_0), "0000-01-01T00:00:00.000Z");
        assert_eq!(shown(YEAR_0 - 1), shown(YEAR_0));
        assert_eq!(shown(i64::MIN), shown(YEAR_0));
        assert_eq!(shown(i64::MAX), "9999-12-30T22:00:00.999Z", "as far as the library counts");
    }

    proptest! {
        #[test]
        fn a_time_is_shown_as_the_library_shows_it(
            millis in YEAR_0..=jiff::Timestamp::MAX.as_millisecond(),
        ) {
            let expected = jiff::Timestamp::from_millisecond(millis).expect("within its bounds");
            let shown = Timestamp::from_millis(millis).to_string();
            prop_assert_eq!(shown, format!("{expected:.3}"));
        }
    }

    #[test]
    fn a_span_that_has_passed_is_zero() {
        let (early, late) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        assert_eq!(late.since(early), Duration::from_millis(4));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
