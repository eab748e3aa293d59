//! How titles and searches become words.
//!
//! Both go through the same steps: compatibility decomposition (NFKD), lower case, no combining
//! marks, split at everything that is neither letter nor digit. So `Café` is found by `cafe`
//! and `ﬁnale` by `FINALE`. Text in scripts that do not part words by spaces is one long word,
//! which is found by its beginning.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::domain::Title;

/// The most words of a search that count; the others are ignored.
pub const SEARCH_WORDS_MAX: usize = 10;
/// The most different words of a title that it can be found by.
pub const TITLE_WORDS_MAX: usize = 40;
/// The most characters of a word that count.
pub const WORD_MAX_CHARS: usize = 32;

/// The words of a search, as [`crate::store::TicketQuery::words`] takes them: at most
/// [`SEARCH_WORDS_MAX`] different ones.
pub fn search_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in split(&folded(text)) {
        if words.len() == SEARCH_WORDS_MAX {
            break;
        }
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// The words a title can be found by.
pub(in crate::store) fn title_words(title: &Title) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for word in split(&folded(title.as_str())) {
        if words.len() == TITLE_WORDS_MAX {
            break;
        }
        words.insert(word.to_owned());
    }
    words
}

/// Whether each word of a search begins one of a title's.
pub(in crate::store) fn matches(title: &Title, search: &[String]) -> bool {
    if search.is_empty() {
        return true;
    }
    let folded = folded(title.as_str());
    if split(&folded).nth(TITLE_WORDS_MAX).is_none() {
        // All words count, so which of them are the same does not matter.
        return search.iter().all(|prefix| split(&folded).any(|word| word.starts_with(prefix)));
    }
    let words = title_words(title);
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
    text.nfkd()
        .flat_map(char::to_lowercase)
        .filter(|c| !is_combining_mark(*c))
        // Greek has a second small sigma for the end of a word, but one capital.
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .collect()
}

/// The words of a folded text, each as far as it counts.
fn split(folded: &str) -> impl Iterator<Item = &str> {
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| {
        let end = word.char_indices().nth(WORD_MAX_CHARS).map_or(word.len(), |(end, _)| end);
        word.get(..end).unwrap_or(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(title: &str, search: &str) -> bool {
        matches(&Title::parse(title).expect("a valid title"), &search_words(search))
    }

    #[test]
    fn words_are_compared_without_case_accents_and_punctuation() {
        assert_eq!(search_words("Rock & Roll,  ROCK!"), ["rock", "roll"]);
        assert_eq!(search_words("Café Ünïcode ﬁnale ½"), ["cafe", "unicode", "finale", "1", "2"]);
        assert_eq!(search_words("ΟΔΥΣΣΕΥΣ"), search_words("Οδυσσεύς"));
        assert_eq!(search_words("İstanbul"), ["istanbul"]);
        assert_eq!(search_words("日本 vs ブラジル 🎟"), ["日本", "vs", "フラシル"]);
        assert_eq!(search_words("...!? 🎟"), Vec::<String>::new());
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
