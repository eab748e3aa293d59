//! Percent-encoding (RFC 3986, section 2.1), read strictly.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but what is unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether every `%` is followed by two hexadecimal digits and the text decodes to UTF-8. Lenient
/// decoders take anything, each in a way of its own; what passes here they all read the same.
pub fn is_decodable(text: &str) -> bool {
    let mut after_signs = text.split('%').skip(1);
    let is_encoded = |after: &str| {
        after.as_bytes().first_chunk::<2>().is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    !text.contains('%')
        || (after_signs.all(is_encoded) && percent_decode_str(text).decode_utf8().is_ok())
}

/// Encodes everything that is not unreserved.
pub fn encode(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_encodings_are_not_decodable() {
        for text in ["%", "%4", "%zz", "a%", "%+1", "%ff", "%c3%28", "%ed%a0%80", "%4é"] {
            assert!(!is_decodable(text), "{text}");
        }
        for text in ["", "plain", "%41%C3%a9%00+", "é"] {
            assert!(is_decodable(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text: String) {
            let encoded = encode(&text).to_string();
            prop_assert!(encoded.is_ascii());
            prop_assert!(is_decodable(&encoded));
            prop_assert_eq!(percent_decode_str(&encoded).decode_utf8().unwrap(), text);
        }
    }
}
