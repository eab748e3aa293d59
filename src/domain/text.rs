//! Text that people enter, checked once at the edge: what is inside is valid by construction.
//!
//! The messages of the errors are shown to clients as they stand.

use std::fmt;

use thiserror::Error;

use super::visible::{disturbs_its_line, shows_nothing};

/// The most characters a title has.
pub const TITLE_MAX_CHARS: usize = 200;
/// The most bytes an address has (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const EMAIL_MAX_BYTES: usize = 254;
/// The most bytes the part before the `@` has (RFC 5321, section 4.5.3.1.1).
const EMAIL_LOCAL_MAX_BYTES: usize = 64;
/// The most bytes a label of a domain name has (RFC 1035, section 2.3.4).
const DOMAIN_LABEL_MAX_BYTES: usize = 63;

/// What a ticket is for: 1 to 200 visible characters, trimmed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Title(String);

/// Why a text is no title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TitleError {
    /// Nothing that could be seen is in it.
    #[error("Title is required")]
    Blank,
    /// It is longer than [`TITLE_MAX_CHARS`].
    #[error("Title must be at most {TITLE_MAX_CHARS} characters")]
    TooLong,
    /// It could break or reorder the line it is shown in.
    #[error("Title must not contain control or bidirectional-override characters")]
    Forbidden,
}

impl Title {
    /// A title that was accepted before, perhaps by other rules than today's.
    pub fn accepted_before(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Trims and checks a title.
    pub fn parse(text: &str) -> Result<Self, TitleError> {
        let trimmed = text.trim();
        if shows_nothing(trimmed) {
            return Err(TitleError::Blank);
        }
        if trimmed.chars().any(disturbs_its_line) {
            return Err(TitleError::Forbidden);
        }
        if trimmed.chars().count() > TITLE_MAX_CHARS {
            return Err(TitleError::TooLong);
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// The title as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An e-mail address that could be delivered to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Email must be valid")]
pub struct InvalidEmail;

impl Email {
    /// An address that was accepted before, perhaps by other rules than today's.
    pub fn accepted_before(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Checks an address: an unquoted local part (RFC 5322's dot-atom, or letters and digits of
    /// any script as RFC 6531 allows) and a domain name of at least two labels.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let fits = text.len() <= EMAIL_MAX_BYTES && local.len() <= EMAIL_LOCAL_MAX_BYTES;
        let local_is_valid = local.split('.').all(|atom| {
            !atom.is_empty()
                && atom.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        });
        let domain_is_valid = domain.contains('.') && domain.split('.').all(is_domain_label);
        let tld_is_numeric =
            domain.rsplit('.').next().is_some_and(|tld| tld.chars().all(|c| c.is_ascii_digit()));
        if fits && local_is_valid && domain_is_valid && !tld_is_numeric {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The address as it was entered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address have in common: addresses are compared without case.
    pub fn key(&self) -> EmailKey {
        EmailKey(self.0.to_lowercase())
    }
}

fn is_domain_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= DOMAIN_LABEL_MAX_BYTES
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_alphanumeric() || c == '-')
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// An [`Email`] reduced to what makes it unique.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

impl EmailKey {
    /// A key as it was stored.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn title(text: &str) -> Result<String, TitleError> {
        Title::parse(text).map(|title| title.as_str().to_owned())
    }

    #[test]
    fn a_title_is_trimmed_and_kept() {
        assert_eq!(title("  Rock Concert \n"), Ok("Rock Concert".to_owned()));
        assert_eq!(title("日本 vs ブラジル 🎟"), Ok("日本 vs ブラジル 🎟".to_owned()));
        assert_eq!(title(&"x".repeat(200)), Ok("x".repeat(200)));
        assert_eq!(title(&"é".repeat(200)), Ok("é".repeat(200)), "characters count, not bytes");
    }

    #[test]
    fn a_title_that_cannot_be_shown_is_refused() {
        for text in [
            "",
            "   ",
            "\t\n",
            "\u{200b}",
            "\u{feff} \u{2060}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{fe0f}",
            "\u{2065}",
            "\u{e0041}\u{e0042}",
            "\u{2800}",
        ] {
            assert_eq!(title(text), Err(TitleError::Blank), "{text:?}");
        }
        for text in [
            "a\0b",
            "a\nb",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200f}b",
            "a\u{61c}b",
            "a\u{fff9}b\u{fffa}c\u{fffb}",
            "a\u{7f}b",
            "a\u{85}b",
            "a\u{2028}b",
        ] {
            assert_eq!(title(text), Err(TitleError::Forbidden), "{text:?}");
        }
        assert_eq!(title(&"x".repeat(201)), Err(TitleError::TooLong));
    }

    #[test]
    fn emoji_and_scripts_keep_their_unseen_characters() {
        // A family, a heart in colour, the flag of England, Persian with a joiner.
        for text in [
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
            "می\u{200c}خواهم",
        ] {
            assert_eq!(title(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn addresses_people_have_are_accepted() {
        for text in [
            "ana@example.com",
            "a@b.co",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.ie",
            "jürgen@müller.example",
            "x@xn--mller-kva.example",
        ] {
            assert!(Email::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_delivered_to_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_domain = format!("a@{}.com", "b.".repeat(130));
        for text in [
            "",
            "ana",
            "@example.com",
            "ana@",
            "ana@example",
            "ana@@example.com",
            "ana@exa mple.com",
            " ana@example.com",
            "ana@example.com\r\nbcc: x@y.z",
            "ana@example.com\0",
            "ana@-example.com",
            "ana@example-.com",
            "ana@example..com",
            ".ana@example.com",
            "ana.@example.com",
            "a..b@example.com",
            "ana@192.168.0.1",
            "ana@example.com.",
            long_local.as_str(),
            long_domain.as_str(),
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn addresses_are_compared_without_case() {
        let key = |text| Email::parse(text).map(|email| email.key());
        assert_eq!(key("Ana@Example.COM"), key("ana@example.com"));
    }

    proptest! {
        #[test]
        fn checking_text_never_panics(text in "\\PC{0,300}|[\\x00-\\x7f]{0,40}") {
            let _ = Title::parse(&text);
            let _ = Email::parse(&text);
        }

        #[test]
        fn a_title_that_was_accepted_is_accepted_again(text in "\\PC{1,200}") {
            if let Ok(title) = Title::parse(&text) {
                prop_assert_eq!(Title::parse(title.as_str()), Ok(title));
            }
        }
    }
}
