//! E-mail addresses, and which spellings of one are the same.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The most bytes an address has (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const EMAIL_MAX_BYTES: usize = 254;
/// The most bytes the part before the `@` has (RFC 5321, section 4.5.3.1.1).
const EMAIL_LOCAL_MAX_BYTES: usize = 64;
/// The most bytes a label of a domain name has (RFC 1035, section 2.3.4).
const DOMAIN_LABEL_MAX_BYTES: usize = 63;

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
    ///
    /// Lengths are those of the composed form (NFC): some keyboards and file systems write an
    /// accented letter as two characters, and the address is no longer for it.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let composed = composed(text);
        let (local, domain) = composed.rsplit_once('@').ok_or(InvalidEmail)?;
        let fits = composed.len() <= EMAIL_MAX_BYTES && local.len() <= EMAIL_LOCAL_MAX_BYTES;
        let local_is_valid = local.split('.').all(is_atom);
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

    /// What the spellings of one address have in common. Case does not count, composed and
    /// decomposed letters are the same (NFC), and so are a domain and its punycode (UTS 46).
    pub fn key(&self) -> EmailKey {
        let lower = composed(&self.0).to_lowercase();
        let lower = composed(&lower);
        let Some((local, domain)) = lower.rsplit_once('@') else {
            return EmailKey(lower.into_owned());
        };
        let deny = idna::AsciiDenyList::EMPTY;
        // A domain that is no valid name is left as it is: accounts with such addresses exist.
        let domain =
            idna::domain_to_ascii_cow(domain.as_bytes(), deny).unwrap_or(Cow::Borrowed(domain));
        EmailKey(format!("{local}@{domain}"))
    }

    /// The address in lower case and otherwise to the letter, if that is not its [`Email::key`].
    ///
    /// Addresses used to be compared like that, so two accounts may have what is one address by
    /// today's rule. The one that does not own the key stays known by its spelling.
    pub fn key_as_spelled(&self) -> Option<EmailKey> {
        let spelled = EmailKey(self.0.to_lowercase());
        (spelled != self.key()).then_some(spelled)
    }
}

/// The text with every letter and its marks as one character where there is one.
fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn is_atom(atom: &str) -> bool {
    let is_allowed = |c: char| is_of_a_word(c) || "!#$%&'*+-/=?^_`{|}~".contains(c);
    begins_soundly(atom) && atom.chars().all(is_allowed)
}

fn is_domain_label(label: &str) -> bool {
    begins_soundly(label)
        && fits_in_a_label(label)
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| is_of_a_word(c) || c == '-')
}

/// What is sent is the label's punycode, which is the shorter of the two in many scripts.
fn fits_in_a_label(label: &str) -> bool {
    let punycode = || idna::domain_to_ascii_cow(label.as_bytes(), idna::AsciiDenyList::EMPTY);
    label.len() <= DOMAIN_LABEL_MAX_BYTES
        || punycode().is_ok_and(|label| label.len() <= DOMAIN_LABEL_MAX_BYTES)
}

/// In many scripts a vowel or the end of a syllable is a mark that combines with the letter before.
fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Something is there, and no mark that would combine with the `.` or `@` in front of it.
fn begins_soundly(part: &str) -> bool {
    part.chars().next().is_some_and(|c| c.is_alphanumeric() || !is_combining_mark(c))
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

    /// The text that is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> EmailKey {
        Email::parse(text).unwrap().key()
    }

    #[test]
    fn addresses_people_have_are_accepted() {
        for text in [
            "ana@example.com",
            "a@b.co",
            "first.last+tag@sub.example.co.uk",
            "o'brien@example.ie",
            "jürgen@müller.example",
            "ju\u{308}rgen@mu\u{308}ller.example",
            "x@xn--mller-kva.example",
            "हिन्दी@उदाहरण.भारत",
            "तमिऴ்@எடுத்துக்காட்டு.இந்தியா",
            "தமிழ்@எடுத்துக்காட்டு.இந்தியா",
            "বাংলা@উদাহরণ.বাংলা",
            "ผู้ใช้@ตัวอย่าง.ไทย",
        ] {
            assert!(Email::parse(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_delivered_to_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_domain = format!("a@{}.com", "b.".repeat(130));
        let long_label = format!("a@{}.com", "b".repeat(64));
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
            "\u{301}ana@example.com",
            "ana@\u{301}example.com",
            "a.\u{94d}b@example.com",
            long_local.as_str(),
            long_domain.as_str(),
            long_label.as_str(),
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_composed_form() {
        let decomposed = "u\u{308}".repeat(32);
        assert!(Email::parse(&format!("{decomposed}@example.com")).is_ok());
        assert!(Email::parse(&format!("{decomposed}x@example.com")).is_err());
        // 66 bytes, and 41 as punycode.
        assert!(Email::parse(&format!("a@{}.com", "क".repeat(22))).is_ok());
    }

    #[test]
    fn addresses_are_compared_without_case() {
        assert_eq!(key("Ana@Example.COM"), key("ana@example.com"));
        assert_eq!(key("JÜRGEN@MÜLLER.example"), key("jürgen@müller.example"));
    }

    #[test]
    fn a_domain_and_its_punycode_are_one_address() {
        for same in ["x@XN--MLLER-KVA.example", "x@müller.example", "x@MU\u{308}LLER.example"] {
            assert_eq!(key(same).as_str(), "x@xn--mller-kva.example");
        }
        assert_ne!(key("x@müller.example"), key("x@muller.example"));
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_address() {
        assert_eq!(key("ju\u{308}rgen@example.com"), key("jürgen@example.com"));
        assert_ne!(key("jurgen@example.com"), key("jürgen@example.com"));
    }

    #[test]
    fn only_an_unusual_spelling_has_a_key_of_its_own() {
        let spelled = |text: &str| Email::parse(text).unwrap().key_as_spelled();
        assert_eq!(spelled("Ana@Example.com"), None);
        assert_eq!(spelled("x@xn--mller-kva.example"), None);
        assert_eq!(spelled("X@Müller.example").unwrap().as_str(), "x@müller.example");
    }

    proptest! {
        #[test]
        fn checking_text_never_panics(text in "\\PC{0,300}|[\\x00-\\x7f]{0,40}") {
            let _ = Email::parse(&text).map(|email| (email.key(), email.key_as_spelled()));
        }

        #[test]
        fn a_key_is_its_own_key(local in "\\w{1,12}", domain in "[\\w-]{1,12}\\.[a-z]{2,5}") {
            if let Ok(email) = Email::parse(&format!("{local}@{domain}")) {
                let key = email.key();
                if let Ok(again) = Email::parse(key.as_str()) {
                    prop_assert_eq!(again.key(), key);
                }
            }
        }
    }
}
