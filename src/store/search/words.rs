//! How titles and searches become words.
//!
//! Both go through the same steps: compatibility decomposition (NFKD), lower case, no combining
//! marks, Latin letters that do not decompose as those they are typed by, split at everything that
//! is neither letter nor digit. So `Café` is found by `cafe`, `ﬁnale` by `FINALE`, `Łódź` by `lodz`
//! and `Straße` by `strasse`.
//!
//! Some scripts do not part words by spaces, or join others to them: Chinese, Japanese, Korean,
//! Thai and their like. A run of these becomes pairs of neighbours, `東京公演` becomes `東京`, `京公` and
//! `公演`, so that it is found by whatever stands in it. A title has its last one alone as well,
//! since a search may be for a single one.

use std::collections::BTreeSet;

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, LineBreak};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::letters;
use crate::domain::visible::is_ignorable;

/// The most words of a search that count; the others are ignored.
pub const SEARCH_WORDS_MAX: usize = 10;
/// The most different words of a title that it can be found by.
pub const TITLE_WORDS_MAX: usize = 40;
/// The most different pairs of a title that it can be found by. They are counted apart, or the
/// words after a long run would be lost.
pub const TITLE_PAIRS_MAX: usize = 64;
/// The most characters of a word that count.
pub const WORD_MAX_CHARS: usize = 32;

/// The words of a search, as [`crate::store::TicketQuery::words`] takes them: at most
/// [`SEARCH_WORDS_MAX`] different ones. None if there is neither a letter nor a digit in it.
pub fn search_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in split(&folded(text), Side::Search).map(Word::text) {
        if words.len() == SEARCH_WORDS_MAX {
            break;
        }
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// The words that something of this name can be found by.
pub(in crate::store) fn words_of(name: &str) -> BTreeSet<String> {
    let (mut words, mut pairs) = (BTreeSet::new(), BTreeSet::new());
    for word in split(&folded(name), Side::Title) {
        let (known, max) = match word {
            Word::Spaced(_) => (&mut words, TITLE_WORDS_MAX),
            Word::Pair(_) => (&mut pairs, TITLE_PAIRS_MAX),
        };
        if known.len() < max {
            known.insert(word.text().to_owned());
        }
    }
    words.append(&mut pairs);
    words
}

/// Whether each word of a search begins one of a text's.
pub(in crate::store) fn begin_words_of(text: &str, search: &[String]) -> bool {
    if search.is_empty() {
        return true;
    }
    let folded = folded(text);
    let words = || split(&folded, Side::Title).map(Word::text);
    if words().nth(TITLE_WORDS_MAX.min(TITLE_PAIRS_MAX)).is_none() {
        // All words count, so which of them are the same does not matter.
        return search.iter().all(|prefix| words().any(|word| word.starts_with(prefix)));
    }
    let words = words_of(text);
    let begins_one = |prefix: &String| {
        words.range(prefix.clone()..).next().is_some_and(|word| word.starts_with(prefix.as_str()))
    };
    search.iter().all(begins_one)
}

/// A text without what words are compared without.
fn folded(text: &str) -> String {
    // Decomposition leaves these as they are, and most texts have no others.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' | ' ' => folded.push(c),
            // Greek has a second small sigma for the end of a word, but one capital.
            'ς' => folded.push('σ'),
            // Catalan has a dot between two of these, which few type.
            '·' if folded.ends_with('l') => {}
            _ if is_combining_mark(c) || is_ignorable(c) || modifies(c) => {}
            _ => match letters::ascii(c) {
                Some(ascii) => folded.push_str(ascii),
                None => folded.push(c),
            },
        }
    }
    folded
}

/// Whether a letter only changes another one, as the okina of `Hawaiʻi` and the stretches of Arabic
/// do. Those that repeat or lengthen a letter of a run stand for one themselves.
fn modifies(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::ModifierLetter
        && place_in_run(c).is_none()
}

/// What is being split, for a run of pairs ends differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Title,
    Search,
}

/// A word of a folded text, as far as it counts.
#[derive(Clone, Copy)]
enum Word<'t> {
    /// What stands between spaces and signs.
    Spaced(&'t str),
    /// Two neighbours of a run, or a single one.
    Pair(&'t str),
}

impl<'t> Word<'t> {
    fn text(self) -> &'t str {
        match self {
            Self::Spaced(text) | Self::Pair(text) => text,
        }
    }
}

/// The words of a folded text.
fn split(folded: &str, side: Side) -> impl Iterator<Item = Word<'_>> {
    let pieces = folded.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty());
    pieces.flat_map(move |piece| Words { rest: piece, is_in_run: false, side })
}

/// Walks through the words of a piece without signs.
struct Words<'t> {
    rest: &'t str,
    /// Whether the rest begins with what the last pair ended with.
    is_in_run: bool,
    side: Side,
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        if self.rest.is_ascii() {
            return self.plain();
        }
        let Some(first) = self.unit(0) else {
            return self.spaced();
        };
        let was_in_run = std::mem::take(&mut self.is_in_run);
        let Some(second) = self.unit(first) else {
            let (last, rest) = self.rest.split_at_checked(first)?;
            self.rest = rest;
            // A search that had it in a pair need not look for it alone.
            return if was_in_run && self.side == Side::Search {
                self.next()
            } else {
                Some(Word::Pair(last))
            };
        };
        let pair = self.rest.get(..second)?;
        self.rest = self.rest.get(first..)?;
        self.is_in_run = true;
        Some(Word::Pair(pair))
    }
}

impl<'t> Words<'t> {
    /// All that is left, for no run has ASCII in it. Most pieces are such words, and searches for
    /// several words look at those of each title that they come to.
    fn plain(&mut self) -> Option<Word<'t>> {
        let word = std::mem::take(&mut self.rest);
        let counts = word.get(..WORD_MAX_CHARS).unwrap_or(word);
        Some(counts).filter(|word| !word.is_empty()).map(Word::Spaced)
    }

    /// The letters up to the next run, or the end.
    fn spaced(&mut self) -> Option<Word<'t>> {
        let is_run = |c: char| place_in_run(c).is_some();
        let (word, rest) =
            self.rest.split_at_checked(self.rest.find(is_run).unwrap_or(self.rest.len()))?;
        self.rest = rest;
        let end = word.char_indices().nth(WORD_MAX_CHARS).map_or(word.len(), |(end, _)| end);
        word.get(..end).filter(|word| !word.is_empty()).map(Word::Spaced)
    }

    /// Where the unit of a run ends that begins there, if one does. It is one character, or the
    /// letters of one Korean syllable.
    fn unit(&self, start: usize) -> Option<usize> {
        let mut chars = self.rest.get(start..)?.char_indices();
        let (_, first) = chars.next()?;
        place_in_run(first)?;
        let follows = |c: char| place_in_run(c) == Some(Place::Follows);
        let next = chars.find(|(_, c)| !follows(*c));
        Some(next.map_or(self.rest.len(), |(end, _)| start + end))
    }
}

/// Where a character of a run stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It begins a unit.
    Begins,
    /// It goes on with a Korean syllable.
    Follows,
}

/// The place of a character whose script does not part words by spaces or joins others to them;
/// `None` for any other. They are those between which a line may be broken.
fn place_in_run(c: char) -> Option<Place> {
    // Thai comes first of them all.
    if c < '\u{e00}' {
        return None;
    }
    match CodePointMapData::<LineBreak>::new().get(c) {
        LineBreak::ComplexContext
        | LineBreak::Ideographic
        | LineBreak::ConditionalJapaneseStarter
        | LineBreak::Nonstarter
        | LineBreak::H2
        | LineBreak::H3
        | LineBreak::JL => Some(Place::Begins),
        LineBreak::JV | LineBreak::JT => Some(Place::Follows),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(title: &str, search: &str) -> bool {
        begin_words_of(title, &search_words(search))
    }

    #[test]
    fn words_are_compared_without_case_accents_and_punctuation() {
        assert_eq!(search_words("Rock & Roll,  ROCK!"), ["rock", "roll"]);
        assert_eq!(search_words("Café Ünïcode ﬁnale ½"), ["cafe", "unicode", "finale", "1", "2"]);
        assert_eq!(search_words("ΟΔΥΣΣΕΥΣ"), search_words("Οδυσσεύς"));
        assert_eq!(search_words("日本 vs ブラジル 🎟"), ["日本", "vs", "フラ", "ラシ", "シル"]);
    }

    #[test]
    fn a_text_of_signs_alone_has_no_words() {
        for text in ["...!? 🎟", "♥♥♥", "−", "\u{301}", "\u{200b}\u{fe0f}", "¿?", "´"] {
            assert_eq!(search_words(text), Vec::<String>::new(), "{text:?}");
        }
    }

    #[test]
    fn letters_are_found_by_those_that_they_are_typed_by() {
        for (title, search) in [
            ("Łódź", "lodz"),
            ("Røyksopp", "royksopp"),
            ("Straße", "strasse"),
            ("STRASSE", "straße"),
            ("STRAẞE", "strasse"),
            ("Ærø", "aero"),
            ("Œuvre", "oeuvre"),
            ("Đorđe Þór", "dorde thor"),
            ("Ħal Għargħur", "hal gharghur"),
            ("Kaŋ", "kang"),
            ("Paral·lel Coŀlegi", "parallel collegi"),
            ("Bakı Gənclər", "baki gencler"),
            ("Hawaiʻi", "hawaii"),
            ("Oʻzbekiston", "ozbekiston"),
            ("العـــربية", "العربية"),
            ("Kon\u{ad}zert", "konzert"),
            ("می\u{200c}خواهم", "میخواهم"),
        ] {
            assert!(found(title, search), "{title}: {search}");
        }
    }

    #[test]
    fn turkish_spellings_find_each_other() {
        let spellings = ["ışık İstanbul", "IŞIK ISTANBUL", "işik istanbul", "isik ıstanbul"];
        for title in spellings {
            for search in spellings {
                assert!(found(title, search), "{title}: {search}");
            }
        }
    }

    #[test]
    fn every_latin_letter_is_found_by_ascii_but_for_tones_clicks_and_roman_thousands() {
        use icu_properties::props::Script;
        let left: String = ('\u{80}'..='\u{24ff}')
            .filter(|c| CodePointMapData::<Script>::new().get(*c) == Script::Latin)
            .filter(|c| !folded(&c.to_string()).is_ascii())
            .collect();
        assert_eq!(left, "ƄƅƧƨƸƹƼƽǀǁǂǃɁɂʔʕʘʡʢʭˤᴤᴥᵜↀↁↂↅↇↈ");
    }

    #[test]
    fn scripts_without_spaces_are_found_inside_a_run() {
        for (title, search) in [
            ("東京ドーム公演2025年", "ドーム"),
            ("東京ドーム公演2025年", "公演"),
            ("東京ドーム公演2025年", "2025"),
            ("東京ドーム公演2025年", "演"),
            ("東京ドーム", "東京ドーム"),
            ("AKB48握手会", "akb48 握手"),
            ("AKB48握手会", "手会"),
            ("ｼﾞｬｽﾞの夜", "ジャズ"),
            ("周杰伦演唱会", "演唱会"),
            ("서울콘서트", "콘서트"),
            ("서울콘서트", "서울"),
            ("서울콘서트", "콘서ㅌ"),
            ("คอนเสิร์ตบอดี้สแลม", "บอดี้สแลม"),
            ("ການສະແດງດົນຕີ", "ດົນຕີ"),
        ] {
            assert!(found(title, search), "{title}: {search}");
        }
        for (title, search) in [
            ("東京ドーム公演", "京都"),
            ("東京ドーム公演", "公園"),
            ("서울콘서트", "서트콘"),
            ("คอนเสิร์ต", "บอดี้"),
            ("ドーム", "東"),
        ] {
            assert!(!found(title, search), "{title}: {search}");
        }
    }

    #[test]
    fn a_run_becomes_pairs_and_a_title_has_its_last_one_alone() {
        let words = |title: &str| words_of(title);
        assert_eq!(words("東京公演"), ["東京", "京公", "公演", "演"].map(str::to_owned).into());
        assert_eq!(search_words("東京公演"), ["東京", "京公", "公演"]);
        assert_eq!(search_words("演"), ["演"]);
        assert_eq!(words("日"), ["日".to_owned()].into());
        assert_eq!(search_words("A日本B"), ["a", "日本", "b"]);
    }

    #[test]
    fn a_long_run_does_not_push_out_the_words_after_it() {
        let run: String = ('\u{4e00}'..).take(180).collect();
        let title = format!("{run} row 7");
        assert!(found(&title, "row 7"));
        let pairs: Vec<String> = run.chars().take(66).map(String::from).collect();
        assert!(found(&title, &pairs[62..64].concat()), "within the first 64 pairs");
        assert!(!found(&title, &pairs[64..66].concat()));
    }

    #[test]
    fn a_search_finds_titles_by_the_beginnings_of_their_words() {
        assert!(found("Rock Concert, Row 7", "conc rock"));
        assert!(found("Rock Concert, Row 7", "r 7"));
        assert!(found("東京ドーム", "東京"));
        assert!(!found("Rock Concert, Row 7", "oncert"));
        assert!(!found("Rock Concert, Row 7", "rock jazz"));
        assert!(found("Rock Concert", "!!"), "a search without words excludes nothing");
    }

    #[test]
    fn of_a_title_with_very_many_words_the_first_are_found() {
        let many: Vec<String> = (10..60).map(|number| number.to_string()).collect();
        let title = many.join(" ");
        assert!(found(&title, "49"), "the fortieth");
        assert!(!found(&title, "50"));
        let repeated = format!("rock rock {}", many.join(" "));
        assert!(found(&repeated, "rock 48"), "the same word again does not count");
        assert!(!found(&repeated, "49"));
    }

    #[test]
    fn searches_and_words_are_bounded() {
        let many: String = (0..100).map(|number| format!("w{number} ")).collect();
        assert_eq!(search_words(&many).len(), SEARCH_WORDS_MAX);
        let long = "x".repeat(1000);
        assert_eq!(search_words(&long), ["x".repeat(WORD_MAX_CHARS)]);
        assert!(found(&long[..200], &long), "both are cut alike");
    }
}
