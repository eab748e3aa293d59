//! Times as others write them.

use super::Timestamp;

/// What is told of a text that is none.
pub const EXPECTED: &str = "must be a time with its offset, such as 2026-11-22T20:00:00+01:00";

/// Reads a time of RFC 3339. What is finer than a millisecond is dropped.
pub fn time(text: &str) -> Option<Timestamp> {
    // The library takes more than RFC 3339 does.
    if !has_the_shape(text.as_bytes()) {
        return None;
    }
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(at.as_nanosecond().div_euclid(1_000_000).try_into().ok()?))
}

/// `2026-11-22T20:00:00`, perhaps a fraction, then `Z` or an offset.
fn has_the_shape(text: &[u8]) -> bool {
    let Some(rest) = follows(text, b"0000-00-00T00:00:00") else { return false };
    let zone = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            // The library wants at least one digit.
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            fraction.get(digits..).unwrap_or_default()
        }
    };
    match zone {
        b"Z" | b"z" => true,
        [b'+' | b'-', offset @ ..] => follows(offset, b"00:00") == Some(&[]),
        _ => false,
    }
}

/// What is left of a text that begins like a pattern, in which `0` stands for any digit.
pub fn follows<'t>(text: &'t [u8], pattern: &[u8]) -> Option<&'t [u8]> {
    let (head, rest) = text.split_at_checked(pattern.len())?;
    let fits = |(byte, like): (&u8, &u8)| match like {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        like => byte == like,
    };
    head.iter().zip(pattern).all(fits).then_some(rest)
}
