//! Text that people enter, checked once at the edge: what is inside is valid by construction.
//!
//! The messages of the errors are shown to clients as they stand.

use std::fmt;

use thiserror::Error;

use super::visible::{disturbs_its_line, shows_nothing};

/// The most characters a title has.
pub const TITLE_MAX_CHARS: usize = 200;

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

/// One line of visible text, trimmed, of at most so many characters: a name, a city, an address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line<const MAX: usize>(String);

/// What a venue or a show is called.
pub type Name = Line<200>;
/// A section, a row or a seat, as it is printed on the ticket.
pub type Label = Line<40>;
/// A city or a region.
pub type Locality = Line<100>;
/// A postal address, in one line.
pub type Address = Line<300>;
/// What a seller says of a ticket beside what it is.
pub type Notes = Line<500>;

/// Why a text is no line. The messages follow the name of what was read: `city is required`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    /// Nothing that could be seen is in it.
    #[error("is required")]
    Blank,
    /// It is too long.
    #[error("must be at most {max} characters")]
    TooLong {
        /// The most characters it may have.
        max: usize,
    },
    /// It could break or reorder the line it is shown in.
    #[error("must not contain control or bidirectional-override characters")]
    Forbidden,
}

impl<const MAX: usize> Line<MAX> {
    /// A text that was accepted before, perhaps by other rules than today's.
    pub fn accepted_before(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Trims and checks a text.
    pub fn parse(text: &str) -> Result<Self, LineError> {
        let trimmed = text.trim();
        if shows_nothing(trimmed) {
            return Err(LineError::Blank);
        }
        if trimmed.chars().any(disturbs_its_line) {
            return Err(LineError::Forbidden);
        }
        if trimmed.chars().count() > MAX {
            return Err(LineError::TooLong { max: MAX });
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// The text as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Line<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
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
    fn a_line_is_trimmed_counted_in_characters_and_named_by_who_reads_it() {
        let line = |text: &str| Line::<4>::parse(text).map(|line| line.as_str().to_owned());
        assert_eq!(line("  Füße "), Ok("Füße".to_owned()));
        assert_eq!(
            line("Füßen").map_err(|e| e.to_string()),
            Err("must be at most 4 characters".to_owned())
        );
        assert_eq!(line(" \u{200b}").map_err(|e| e.to_string()), Err("is required".to_owned()));
        assert_eq!(line("a\nb"), Err(LineError::Forbidden));
        assert_eq!(line("a\u{202e}b"), Err(LineError::Forbidden));
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

    proptest! {
        #[test]
        fn checking_text_never_panics(text in "\\PC{0,300}|[\\x00-\\x7f]{0,40}") {
            let _ = Title::parse(&text);
        }

        #[test]
        fn a_title_that_was_accepted_is_accepted_again(text in "\\PC{1,200}") {
            if let Ok(title) = Title::parse(&text) {
                prop_assert_eq!(Title::parse(title.as_str()), Ok(title));
            }
        }
    }
}
