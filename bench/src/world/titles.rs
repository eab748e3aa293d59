//! Titles with words of very different frequencies, and prices.

use super::hash;

const GENRES: [&str; 8] =
    ["Concert", "Festival", "Musical", "Opera", "Derby", "Comedy Night", "Ballet", "Final"];
const CITIES: [&str; 24] = [
    "Amsterdam",
    "Athens",
    "Barcelona",
    "Berlin",
    "Boston",
    "Chicago",
    "Copenhagen",
    "Dublin",
    "Hamburg",
    "Helsinki",
    "Lisbon",
    "London",
    "Madrid",
    "Milan",
    "Munich",
    "Oslo",
    "Paris",
    "Prague",
    "Rome",
    "Stockholm",
    "Sydney",
    "Tokyo",
    "Vienna",
    "Warsaw",
];
const SYLLABLES: [&str; 16] = [
    "ba", "do", "fe", "gi", "ka", "lu", "mo", "na", "pe", "ro", "sa", "ti", "va", "xo", "ya", "zu",
];
/// The most performers there can be: as many have a name.
pub const PERFORMERS_MAX: u64 = 4096;

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// A performer: a rare word.
    Performer,
    /// A performer in a city.
    PerformerCity,
    /// A genre: one or two frequent words.
    Genre,
    /// A city.
    City,
}

impl Searched {
    /// Everything that can be searched for.
    pub const ALL: [Self; 4] = [Self::Performer, Self::PerformerCity, Self::Genre, Self::City];
}

/// The title of a ticket. Performers and cities with low numbers are more frequent.
pub fn title(index: u64, performers: u64) -> String {
    let random = hash(index ^ 0x7469_746c);
    let performer = performer(skewed(random, performers), performers);
    let genre = GENRES[usize::try_from((random >> 32) % 8).expect("below 8")];
    let city = CITIES[usize::try_from(skewed(random >> 16, 24)).expect("below 24")];
    if random.is_multiple_of(4) {
        format!("{performer} {genre}, {city}, row {}", (random >> 40) % 40 + 1)
    } else {
        format!("{performer} {genre}, {city}")
    }
}

/// The city of that number; numbers beyond the last begin again.
pub fn city(number: u64) -> &'static str {
    CITIES[usize::try_from(number % 24).expect("below 24")]
}

/// The price of a ticket, in minor units: 5 to 500 in steps of a half.
pub fn price_minor(index: u64) -> u64 {
    500 + hash(index ^ 0x7072_6963) % 991 * 50
}

/// The words of a search of that number.
pub fn search(searched: Searched, number: u64, performers: u64) -> String {
    let random = hash(number ^ 0x7365_6172);
    let performer = || performer(skewed(random, performers), performers);
    let city = CITIES[usize::try_from(skewed(random >> 16, 24)).expect("below 24")];
    match searched {
        Searched::Performer => performer(),
        Searched::PerformerCity => format!("{}+{city}", performer()),
        Searched::Genre => GENRES[usize::try_from(random % 8).expect("below 8")].replace(' ', "+"),
        Searched::City => city.to_owned(),
    }
}

/// The name of one of the performers. If they are few, their names begin differently.
fn performer(number: u64, performers: u64) -> String {
    let number = number * (PERFORMERS_MAX / performers);
    let syllable =
        |shift: u64| SYLLABLES[usize::try_from((number >> shift) % 16).expect("below 16")];
    let mut name = [syllable(8), syllable(4), syllable(0)].concat();
    name[..1].make_ascii_uppercase();
    name
}

/// A number below `end`: the product of two, so that low ones are drawn more often.
fn skewed(random: u64, end: u64) -> u64 {
    (random % end) * ((random >> 20) % end) / end
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn titles_and_prices_are_what_the_product_takes() {
        for index in 0..5000 {
            gittix::domain::Title::parse(&title(index, PERFORMERS_MAX)).unwrap();
            assert!((500..=50_000).contains(&price_minor(index)));
        }
    }

    #[test]
    fn every_performer_has_a_name() {
        for performers in [1, 4, 410, PERFORMERS_MAX] {
            let names: HashSet<_> = (0..performers).map(|n| performer(n, performers)).collect();
            assert_eq!(names.len() as u64, performers);
        }
    }
}
