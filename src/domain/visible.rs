//! Which characters can be seen, and which ones change how the text around them is shown.
//!
//! Both follow from Unicode's properties rather than from a list, so whatever Unicode adds to a
//! kind later is treated like the rest of it.

use icu_properties::props::{
    BidiControl, DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Whether nothing of a text would be seen: it is empty, or all of it takes no ink.
pub fn shows_nothing(text: &str) -> bool {
    text.chars().all(is_blank)
}

/// Whether a character could break the line it is shown in, or change the order or the layout of
/// what stands around it.
pub fn disturbs_its_line(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    match CodePointMapData::<GeneralCategory>::new().get(c) {
        GeneralCategory::Control
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator => true,
        GeneralCategory::Format => is_bidi_control(c) || annotates(c),
        _ => false,
    }
}

/// Whether a character is left out where text is shown or compared (Default_Ignorable_Code_Point):
/// joiners, selectors, fillers and the like. Inside a text they are needed: flags and families
/// among the emoji are made of them.
pub fn is_ignorable(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

fn is_blank(c: char) -> bool {
    // Two symbols that are drawn as nothing, and that no property tells of: the Braille pattern
    // without dots and the note without a head.
    c.is_whitespace()
        || c.is_control()
        || is_ignorable(c)
        || is_bidi_control(c)
        || annotates(c)
        || matches!(c, '\u{2800}' | '\u{1d159}')
}

/// Marks, embeddings, overrides and isolates of text that runs both ways (Unicode Standard Annex 9,
/// section 2).
fn is_bidi_control(c: char) -> bool {
    !c.is_ascii() && CodePointSetData::new::<BidiControl>().contains(c)
}

/// Whether a format character neither stays unseen nor is drawn itself. These set one text beside
/// another: interlinear annotations, and the joiners of hieroglyphs.
fn annotates(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
        && !is_ignorable(c)
        && !CodePointSetData::new::<PrependedConcatenationMark>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_ink_shows_nothing() {
        for text in [
            "",
            " \t\n\u{a0}\u{3000}",
            "\u{ad}\u{200b}\u{200d}\u{feff}",
            "\u{115f}\u{1160}\u{3164}\u{ffa0}",
            "\u{fe0f}\u{e0100}\u{180b}",
            "\u{2065}\u{fff0}\u{e0fff}",
            "\u{e0041}\u{e007f}",
            "\u{61c}\u{200e}\u{202e}\u{2066}",
            "\u{fff9}\u{fffa}\u{fffb}",
            "\u{17b4}\u{1d173}\u{1bca0}",
            "\u{2800}\u{1d159}",
        ] {
            assert!(shows_nothing(text), "{text:?}");
        }
    }

    #[test]
    fn whatever_is_drawn_shows_something() {
        for text in ["a", " . ", "日", "🎟", "\u{200b}x\u{200b}", "\u{600}", "\u{e000}"] {
            assert!(!shows_nothing(text), "{text:?}");
        }
    }

    #[test]
    fn what_breaks_or_turns_a_line_disturbs_it() {
        let all = "\0\n\r\t\u{7f}\u{85}\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\
                   \u{2066}\u{2069}\u{fff9}\u{fffa}\u{fffb}\u{13430}";
        for c in all.chars() {
            assert!(disturbs_its_line(c), "{c:?}");
        }
    }

    #[test]
    fn what_emoji_and_scripts_are_written_with_disturbs_nothing() {
        // Joiners, selectors and tags; a soft hyphen; the Arabic sign of a number; spaces.
        for c in "\u{200c}\u{200d}\u{fe0f}\u{e0067}\u{ad}\u{600}\u{a0} aé日".chars() {
            assert!(!disturbs_its_line(c), "{c:?}");
        }
    }
}
