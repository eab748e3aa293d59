//! The rule that a password must follow when it is chosen. Signing in does not ask it, so that a
//! stricter rule locks nobody out.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

/// How long a password may be, in Unicode scalar values. The upper bound is there so that nobody is
/// silently cut off by a field of some client; hashing itself does not need it.
const LENGTH: RangeInclusive<usize> = 8..=128;

/// How long a run or a repetition is still one of the common passwords. No list of them holds
/// all of these, since they have no end, and none of those that guessing starts with is longer.
const LONGEST_PATTERN: usize = 16;

/// A repetition has fewer different characters than this.
const MIN_DIFFERENT: usize = 3;

/// The passwords that guessing starts with, in lower case.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("common_passwords.txt").lines();
    lines.filter(|line| !line.starts_with("# ") && *line != "#").collect()
});

/// A password that may be hashed and stored. It is kept exactly as it was given, spaces and all.
#[derive(Debug, Clone)]
pub struct NewPassword(SecretString);

/// Which part of the rule a password breaks. The display is for its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// It is too short or too long.
    #[error("Password must be between 8 and 128 characters")]
    Length,
    /// It is on the list of common ones, or as simple as they are.
    #[error("Password is too common, choose one that is harder to guess")]
    Common,
    /// It is the account's own address.
    #[error("Password must not be the email address")]
    SameAsEmail,
}

impl NewPassword {
    /// Holds the password to the rule.
    ///
    /// # Errors
    ///
    /// The first part of the rule that it breaks.
    pub fn parse(password: SecretString, email: &str) -> Result<Self, PasswordRule> {
        let text = password.expose_secret();
        // What is compared is the composed form. Whichever has fewer characters counts, so that
        // nobody's keyboard makes a password too long, and none becomes a short one.
        let composed = SecretString::from(text.nfkc().collect::<String>());
        let composed = composed.expose_secret();
        if !LENGTH.contains(&text.chars().count().min(composed.chars().count())) {
            return Err(PasswordRule::Length);
        }
        let lower = SecretString::from(composed.to_lowercase());
        let lower = lower.expose_secret();
        if lower.trim() == email.trim().to_lowercase() {
            return Err(PasswordRule::SameAsEmail);
        }
        if COMMON.contains(lower) || is_pattern(lower) {
            return Err(PasswordRule::Common);
        }
        Ok(Self(password))
    }
}

impl From<NewPassword> for SecretString {
    fn from(password: NewPassword) -> Self {
        password.0
    }
}

/// Whether it is a run or a repetition of ASCII letters and digits that belongs to the common ones.
fn is_pattern(text: &str) -> bool {
    text.chars().count() <= LONGEST_PATTERN
        && text.chars().all(|character| character.is_ascii_alphanumeric())
        && (is_run(text) || is_repetition(text))
}

/// Whether each character follows the one before it, up or down: `abcdefgh`, `0987654321`.
fn is_run(text: &str) -> bool {
    let follows = |a: char, b: char| {
        u32::from(a).checked_add(1) == Some(u32::from(b)) || (a, b) == ('9', '0')
    };
    let pairs = || text.chars().zip(text.chars().skip(1));
    pairs().all(|(a, b)| follows(a, b)) || pairs().all(|(a, b)| follows(b, a))
}

fn is_repetition(text: &str) -> bool {
    text.chars().collect::<HashSet<_>>().len() < MIN_DIFFERENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(password: &str) -> Result<NewPassword, PasswordRule> {
        NewPassword::parse(SecretString::from(password), "ana@example.com")
    }

    #[test]
    fn a_password_has_8_to_128_characters_of_any_script() {
        for good in ["correct horse", "пароль-длинный", "🐎🔋📎🗼🐎🔋📎🗼", "  spaces stay  "]
        {
            assert!(parse(good).is_ok(), "{good}");
        }
        assert!(parse(&"xyz".repeat(42)).is_ok());
        assert!(parse(&"é—x".repeat(42)).is_ok(), "128 characters of more than 128 bytes");
        for bad in ["", "short77", "🐎🔋📎🗼🐎🔋📎", &"xyz".repeat(43)] {
            assert_eq!(parse(bad).unwrap_err(), PasswordRule::Length, "{bad}");
        }
    }

    #[test]
    fn the_composed_form_is_what_the_rule_is_about() {
        assert!(
            parse(&"e\u{301}—x".repeat(42)).is_ok(),
            "126 characters, however they are written"
        );
        assert_eq!(parse("e\u{301}o\u{301}i\u{301}a\u{301}").unwrap_err(), PasswordRule::Length);
        assert_eq!(parse("ﷺﷺ").unwrap_err(), PasswordRule::Length);
        assert_eq!(parse("ｐａｓｓｗｏｒｄ").unwrap_err(), PasswordRule::Common);
        assert_eq!(parse("ａｎａ@example.com").unwrap_err(), PasswordRule::SameAsEmail);
    }

    #[test]
    fn a_password_is_kept_as_it_was_given() {
        let kept = SecretString::from(parse(" Früh Stück ").unwrap());
        assert_eq!(kept.expose_secret(), " Früh Stück ");
    }

    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for bad in ["password", "PassWord123", "qwertyuiop", "TRUSTNO1", "iloveyou1"] {
            assert_eq!(parse(bad).unwrap_err(), PasswordRule::Common, "{bad}");
        }
    }

    #[test]
    fn short_runs_and_repetitions_are_as_common_as_what_is_listed() {
        for bad in
            ["12345678901234", "0987654321", "87654321", "abcdefghij", "aaaaaaaa", "12121212"]
        {
            assert_eq!(parse(bad).unwrap_err(), PasswordRule::Common, "{bad}");
        }
        for good in ["xkqzvwptmb", "abcdefgx", "hgfedcbx", "abcabcabc", "121212123"] {
            assert!(parse(good).is_ok(), "{good} is neither a run nor a repetition");
        }
        for good in ["abcdefgh-", "        ", "üüüüüüüü", &"x".repeat(128), &"12".repeat(20)]
        {
            assert!(parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_email_address_is_refused_as_a_password() {
        assert_eq!(parse("Ana@Example.com").unwrap_err(), PasswordRule::SameAsEmail);
        assert!(parse("ana@example.com1").is_ok());
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", parse("correct horse").unwrap()).contains("horse"));
    }

    #[test]
    fn the_list_is_sorted_lower_case_and_long_enough_to_matter() {
        let file = include_str!("common_passwords.txt");
        let entries: Vec<&str> =
            file.lines().skip_while(|line| line.starts_with("# ") || *line == "#").collect();
        assert!(entries.iter().all(|entry| entry.len() >= 8 && *entry == entry.to_lowercase()));
        assert!(entries.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(entries.len(), COMMON.len());
        assert_eq!(entries.len(), 5000);
    }
}
