//! Signatures of titles: 64 bits that tell of most titles, without reading them, that a search
//! does not match.
//!
//! A word sets one bit for its first two characters, one for its first four and one for its first
//! six, as far as it has so many. Words of titles and of searches are treated alike: whatever begins
//! with a word of a search has the same beginnings as that word, so a title that matches has all bits
//! of the search. The reverse does not hold, for different beginnings may share a bit.
//!
//! Signatures stand in the file, so which bit a beginning has can't change.

/// The lengths of the beginnings that have a bit, in characters.
const BEGINNINGS: [usize; 3] = [2, 4, 6];

/// The signature of words, which are as [`crate::store::search::words`] makes them.
pub fn signature<'w>(words: impl IntoIterator<Item = &'w String>) -> u64 {
    let beginnings =
        |word: &'w String| BEGINNINGS.into_iter().filter_map(|chars| beginning(word, chars));
    words.into_iter().flat_map(beginnings).fold(0, |bits, beginning| bits | bit(beginning))
}

/// The first characters of a word, if it has that many.
fn beginning(word: &str, chars: usize) -> Option<&str> {
    let (start, last) = word.char_indices().nth(chars.checked_sub(1)?)?;
    word.get(..start + last.len_utf8())
}

fn bit(beginning: &str) -> u64 {
    1 << (crc32fast::hash(beginning.as_bytes()) >> 26)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::store::search::words::{begin_words_of, search_words, words_of};
    use crate::store::testing::a_title;

    /// Characters of several lengths, some of which change when they become part of a word.
    fn a_word() -> impl Strategy<Value = String> {
        let characters = prop::sample::select(vec!['a', 'B', 'é', 'ﬁ', 'ß', '日', 'Σ', '1']);
        prop::collection::vec(characters, 1..7).prop_map(|word| word.into_iter().collect())
    }

    fn bits(words: &[&str]) -> Vec<u32> {
        let words: BTreeSet<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let signature = signature(&words);
        (0..64).filter(|bit| signature >> bit & 1 == 1).collect()
    }

    #[test]
    fn the_bits_of_a_title_are_the_same_for_ever() {
        assert_eq!(bits(&["cafe", "row", "7", "日本"]), [13, 19, 32, 49]);
        assert_eq!(bits(&["concert"]), [4, 25, 52]);
        assert_eq!(bits(&["concert"]), bits(&["concerto"]), "only six characters count");
        assert!(bits(&["7", "日"]).is_empty(), "a single character has no bit");
    }

    #[test]
    fn beginnings_are_spread_over_all_bits() {
        let pairs = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}")));
        let counts = pairs.fold([0_u32; 64], |mut counts, pair| {
            counts[signature([&pair]).trailing_zeros() as usize] += 1;
            counts
        });
        assert!(counts.iter().all(|count| (10..=11).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_title_that_matches_has_all_bits_of_the_search(
            words in prop::collection::vec(a_word(), 1..8),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 1..7_usize), 0..4),
            stranger in prop::option::of(a_word()),
        ) {
            let title = a_title(&words.join(" "));
            let begins = |(word, chars): &(prop::sample::Index, usize)| -> String {
                word.get(&words).chars().take(*chars).collect()
            };
            let search: Vec<String> = cuts.iter().map(begins).chain(stranger).collect();
            let search = search_words(&search.join(" "));
            if begin_words_of(title.as_str(), &search) {
                let asked = signature(&search);
                prop_assert_eq!(signature(&words_of(title.as_str())) & asked, asked);
            }
        }
    }
}
