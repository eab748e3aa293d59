//! Percent-encoding (RFC 3986, section 2.1), read strictly.

use std::fmt::Write;

/// Decodes text in which every `%` must be followed by two hexadecimal digits
/// and the result must be UTF-8; nothing otherwise.
pub fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex_digit(bytes.next()?)?, hex_digit(bytes.next()?)?);
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

/// Whether [`decode`] gives something, found without an allocation for what has no `%` in it.
pub fn is_decodable(text: &str) -> bool {
    !text.contains('%') || decode(text).is_some()
}

/// Encodes everything that is not unreserved.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_encodings_are_nothing() {
        for text in ["%", "%4", "%zz", "a%", "%+1", "%ff", "%c3%28", "%ed%a0%80"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode("%41%C3%a9%00+").as_deref(), Some("Aé\0+"));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text: String) {
            let encoded = encode(&text);
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode(&encoded), Some(text));
        }
    }
}
