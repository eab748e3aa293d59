//! Typed identifiers in TypeID form: a prefix that names the kind and a UUIDv7 in
//! Crockford's base32, `ticket_01kaj2…`. Source: the TypeID specification 0.3.
//!
//! Identifiers sort by creation time, as numbers and as text, which the store's key
//! layout and every "newest first" list rest on.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::ascii::Ascii;

/// Crockford's base32 alphabet in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 128 bits take 26 characters of 5 bits, the first of which carries only 3.
const SUFFIX_LEN: usize = 26;

/// The text is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a valid {prefix} id")]
pub struct InvalidId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

/// Each character's digit; [`NO_DIGIT`] for what is not in the alphabet.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "computed by the compiler, which would tell"
)]
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < ALPHABET.len() {
        digits[ALPHABET[digit] as usize] = digit as u8;
        digit += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xff;

/// A prefix and its underscore, with room for a suffix.
#[expect(clippy::indexing_slicing, reason = "computed by the compiler, which would tell")]
const fn template<const LEN: usize>(prefix: &str) -> [u8; LEN] {
    let mut text = [b'_'; LEN];
    let mut place = 0;
    while place < prefix.len() {
        text[place] = prefix.as_bytes()[place];
        place += 1;
    }
    text
}

#[expect(clippy::indexing_slicing, reason = "five bits name one of 32 characters")]
fn encode<const LEN: usize>(template: [u8; LEN], id: u128) -> Ascii<LEN> {
    let (mut text, mut rest) = (template, id);
    for slot in text.iter_mut().rev().take(SUFFIX_LEN) {
        *slot = ALPHABET[(rest & 0x1f) as usize];
        rest >>= 5;
    }
    Ascii(text)
}

#[expect(clippy::indexing_slicing, reason = "a byte names one of 256 places")]
fn decode(prefix: &'static str, text: &str) -> Result<u128, InvalidId> {
    let invalid = InvalidId { prefix };
    let suffix = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    let suffix = suffix.ok_or(invalid)?.as_bytes();
    let overflows = suffix.first().is_none_or(|first| !(b'0'..=b'7').contains(first));
    if suffix.len() != SUFFIX_LEN || overflows {
        return Err(invalid);
    }
    suffix.iter().try_fold(0_u128, |id, character| {
        let digit = DIGITS[usize::from(*character)];
        if digit == NO_DIGIT { Err(invalid) } else { Ok((id << 5) | u128::from(digit)) }
    })
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Wraps a number that [`crate::seams::IdMint`] minted or the store kept.
            pub const fn from_u128(id: u128) -> Self {
                Self(id)
            }

            /// The bare number, for keys in the store.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// The text form.
            pub fn text(self) -> Ascii<{ $prefix.len() + 1 + SUFFIX_LEN }> {
                encode(const { template($prefix) }, self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                decode($prefix, text).map(Self)
            }
        }
    };
}

typed_id!(
    /// Names a [`super::User`].
    UserId,
    "user"
);
typed_id!(
    /// Names a [`super::Ticket`].
    TicketId,
    "ticket"
);
typed_id!(
    /// Names an [`super::Order`].
    OrderId,
    "order"
);
typed_id!(
    /// Names a [`super::Charge`].
    ChargeId,
    "charge"
);
typed_id!(
    /// Names a [`super::Venue`].
    VenueId,
    "venue"
);
typed_id!(
    /// Names a [`super::Show`].
    ShowId,
    "show"
);

typed_id!(
    /// Names a [`super::ApiToken`].
    TokenId,
    "token"
);
typed_id!(
    /// Names a [`super::Pass`].
    PassId,
    "pass"
);
typed_id!(
    /// Names a [`super::Session`].
    SessionId,
    "session"
);
typed_id!(
    /// Names a [`super::Node`].
    NodeId,
    "node"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_form_follows_the_typeid_specification() {
        // From the specification's list of valid examples.
        let id = UserId::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881);
        assert_eq!(id.to_string(), "user_01h2xcejqtf2nbrexx3vqjhp41");
        assert_eq!(UserId::from_u128(u128::MAX).to_string(), "user_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    }

    #[test]
    fn what_is_no_identifier_of_the_kind_is_refused() {
        for text in [
            "",
            "ticket",
            "ticket_",
            "order_01h2xcejqtf2nbrexx3vqjhp41",
            "ticket_01h2xcejqtf2nbrexx3vqjhp4",
            "ticket_01h2xcejqtf2nbrexx3vqjhp411",
            "ticket_81h2xcejqtf2nbrexx3vqjhp41",
            "ticket_01H2XCEJQTF2NBREXX3VQJHP41",
            "ticket_01h2xcejqtf2nbrexx3vqjhpi1",
            "ticket_01h2xcejqtf2nbrexx3vqjhp4\0",
            "ticket_ü1h2xcejqtf2nbrexx3vqjhp4",
            " ticket_01h2xcejqtf2nbrexx3vqjhp41",
        ] {
            assert_eq!(text.parse::<TicketId>(), Err(InvalidId { prefix: "ticket" }), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_identifier_survives_its_text_form(number: u128) {
            let id = OrderId::from_u128(number);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn text_sorts_as_the_number_does(a: u128, b: u128) {
            let text = |id| ChargeId::from_u128(id).to_string();
            prop_assert_eq!(a.cmp(&b), text(a).cmp(&text(b)));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = text.parse::<UserId>();
        }
    }
}
