//! Titles with words of very different frequencies, and prices.

use super::hash;

const KINDS: [&str; 8] =
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
/// How many performers there are.
const PERFORMERS: u64 = 4096;

/// The title of a ticket. Performers and cities with low numbers are more frequent.
pub fn title(index: u64) -> String {
    let random = hash(index ^ 0x7469_746c);
    let performer = performer(skewed(random, PERFORMERS));
    let kind = KINDS[usize::try_from((random >> 32) % 8).expect("below 8")];
    let city = CITIES[usize::try_from(skewed(random >> 16, 24)).expect("below 24")];
    if random.is_multiple_of(4) {
        format!("{performer} {kind}, {city}, row {}", (random >> 40) % 40 + 1)
    } else {
        format!("{performer} {kind}, {city}")
    }
}

/// The price of a ticket, in minor units: 5 to 500 in steps of a half.
pub fn price_minor(index: u64) -> u64 {
    500 + hash(index ^ 0x7072_6963) % 991 * 50
}

/// The words of a search of that number, from rare to frequent.
pub fn search(number: u64) -> String {
    let random = hash(number ^ 0x7365_6172);
    let city = CITIES[usize::try_from(skewed(random >> 16, 24)).expect("below 24")];
    match number % 4 {
        0 => performer(skewed(random, PERFORMERS)),
        1 => format!("{}+{city}", performer(skewed(random, PERFORMERS))),
        2 => KINDS[usize::try_from(random % 8).expect("below 8")].replace(' ', "+"),
        _ => city.to_owned(),
    }
}

fn performer(number: u64) -> String {
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
    use super::*;

    #[test]
    fn titles_and_prices_are_what_the_product_takes() {
        for index in 0..5000 {
            gittix::domain::Title::parse(&title(index)).unwrap();
            assert!((500..=50_000).contains(&price_minor(index)));
        }
    }
}
