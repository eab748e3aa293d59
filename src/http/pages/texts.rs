//! The storefront's texts, as far as the server says them itself. They are in the same catalogue
//! as those that the scripts say (`web/locales/`, in Fluent's syntax).

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use jiff::ZonedDateTime;
use unic_langid::LanguageIdentifier;

use crate::domain::Price;

/// A language that the storefront speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English, also for those who ask for none of the others.
    English,
    /// German.
    German,
}

/// All of them, as documents and cookies call them.
pub const LANGUAGES: [&str; Language::ALL.len()] =
    [Language::ALL[0].code(), Language::ALL[1].code()];

static ENGLISH: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| {
    const TEXTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/locales/en.ftl"));
    catalogue("en", TEXTS)
});
static GERMAN: LazyLock<FluentBundle<FluentResource>> = LazyLock::new(|| {
    const TEXTS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/web/locales/de.ftl"));
    catalogue("de", TEXTS)
});

fn catalogue(language: &str, texts: &str) -> FluentBundle<FluentResource> {
    // A code of ours is one that can be read.
    let language: LanguageIdentifier = language.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false);
    // A test holds every text readable; of a text that is not, its name is shown.
    let resource = match FluentResource::try_new(texts.to_owned()) {
        Ok(resource) => resource,
        Err((readable, errors)) => {
            tracing::error!(?errors, "the storefront's texts are not readable");
            readable
        }
    };
    bundle.add_resource_overriding(resource);
    bundle
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// As documents and cookies call it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// As Open Graph calls it.
    pub fn locale(self) -> &'static str {
        match self {
            Self::English => "en_US",
            Self::German => "de_DE",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The language for a request: the one that was chosen on a page, or else the one that the
    /// browser likes best among ours.
    pub fn of(headers: &HeaderMap) -> Self {
        chosen(headers).or_else(|| preferred(headers)).unwrap_or(Self::English)
    }

    /// A text of the catalogue.
    pub fn text(self, id: &str) -> String {
        self.text_with(id, &FluentArgs::new())
    }

    /// A text of the catalogue with values in it.
    pub fn text_with(self, id: &str, values: &FluentArgs<'_>) -> String {
        let bundle = match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
        };
        let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        bundle.format_pattern(pattern, Some(values), &mut Vec::new()).into_owned()
    }

    /// A price as the pages write it: `$1,249.99`, `1.249,99 €`. Currencies without a symbol that
    /// everybody knows have their code.
    pub fn price(self, price: Price) -> String {
        let code = price.currency().as_str().to_ascii_uppercase();
        let symbol = match code.as_str() {
            "USD" => Some("$"),
            "EUR" => Some("€"),
            "GBP" => Some("£"),
            "JPY" => Some("¥"),
            _ => None,
        };
        let number = self.number(price);
        match (self, symbol) {
            (Self::English, Some(symbol)) => format!("{symbol}{number}"),
            (Self::English, None) => format!("{code}\u{A0}{number}"),
            (Self::German, symbol) => format!("{number}\u{A0}{}", symbol.unwrap_or(&code)),
        }
    }

    /// A moment by the clock of some place: `Sat, 5 Dec 2026, 20:00`.
    pub fn moment(self, clock: &ZonedDateTime) -> String {
        let form = match self {
            Self::English => "%a, %-d %b %Y, %H:%M",
            Self::German => "%-d.%-m.%Y, %H:%M Uhr",
        };
        clock.strftime(form).to_string()
    }

    fn number(self, price: Price) -> String {
        let (group, point) = match self {
            Self::English => (',', '.'),
            Self::German => ('.', ','),
        };
        let currency = price.currency();
        let (major, rest) = (
            price.minor() / currency.minor_per_major(),
            price.minor() % currency.minor_per_major(),
        );
        let mut number = String::new();
        let digits = major.to_string();
        for (place, digit) in digits.chars().enumerate() {
            let left = digits.len() - place;
            if place > 0 && left.is_multiple_of(3) {
                number.push(group);
            }
            number.push(digit);
        }
        if rest > 0 {
            let width = currency.decimals() as usize;
            number.push(point);
            number.push_str(&format!("{rest:0width$}"));
        }
        number
    }
}

/// Values for a text.
pub fn args<const COUNT: usize>(values: [(&'static str, String); COUNT]) -> FluentArgs<'static> {
    values.into_iter().collect()
}

/// How long an order holds its ticket, in words.
pub fn hold(hold: Duration, language: Language) -> String {
    let seconds = hold.as_secs();
    let (id, count) = match seconds {
        60.. => ("duration-minutes", seconds.saturating_add(30) / 60),
        _ => ("duration-seconds", seconds),
    };
    let mut values = FluentArgs::new();
    values.set("count", count);
    language.text_with(id, &values)
}

/// What somebody chose on a page, which keeps it in a cookie.
fn chosen(headers: &HeaderMap) -> Option<Language> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs =
        cookies.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.find_map(|pair| Language::from_code(pair.trim().strip_prefix("language=")?))
}

/// The one of ours that `accept-language` gives the greatest weight, the first of equals.
fn preferred(headers: &HeaderMap) -> Option<Language> {
    let lists = headers.get_all(header::ACCEPT_LANGUAGE).iter();
    let entries = lists.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    let weighed = entries.filter_map(|entry| {
        let (range, weight) = entry.split_once(";q=").unwrap_or((entry, "1"));
        let primary = range.trim().split('-').next()?;
        let weight = weight.trim().parse::<f32>().ok().filter(|weight| *weight > 0.0)?;
        Some((Language::from_code(primary)?, weight))
    });
    let best = weighed.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_language_is_the_one_that_the_browser_likes_best() {
        for (accepted, language) in [
            ("de-DE,de;q=0.9,en;q=0.8", Language::German),
            ("DE", Language::German),
            ("en-GB, de;q=0.5", Language::English),
            ("fr;q=1.0, en;q=0.3, de;q=0.7", Language::German),
            ("fr, de;q=0", Language::English),
            ("fr", Language::English),
            ("", Language::English),
            (";q=,,;;q=x", Language::English),
        ] {
            assert_eq!(Language::of(&asks("accept-language", accepted)), language, "{accepted}");
        }
    }

    #[test]
    fn a_language_that_was_chosen_counts_before_the_browsers() {
        let mut headers = asks("accept-language", "en");
        headers.insert("cookie", "session=x; language=de".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::German);
        headers.insert("cookie", "language=xx".parse().unwrap());
        assert_eq!(Language::of(&headers), Language::English);
    }

    #[test]
    fn prices_are_written_as_the_language_writes_them() {
        for (minor, currency, english, german) in [
            (4000, "usd", "$40", "40\u{A0}$"),
            (124_999, "usd", "$1,249.99", "1.249,99\u{A0}$"),
            (1850, "eur", "€18.50", "18,50\u{A0}€"),
            (234_567, "jpy", "¥234,567", "234.567\u{A0}¥"),
            (12_500, "kwd", "KWD\u{A0}12.500", "12,500\u{A0}KWD"),
        ] {
            let price = Price::from_minor(minor, currency.parse().unwrap()).unwrap();
            assert_eq!(Language::English.price(price), english);
            assert_eq!(Language::German.price(price), german);
        }
    }
}
