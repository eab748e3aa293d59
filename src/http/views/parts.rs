//! What many resources show: ids, times and amounts.

use std::fmt::Display;

use serde::{Serialize, Serializer};

use crate::domain::{Currency, Price};

/// An id, a time or a currency, which is written as text when it is needed and not before: a page
/// has hundreds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An amount in major units, written as a JSON number with no more digits than it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MajorUnits {
    minor: u64,
    currency: Currency,
}

impl MajorUnits {
    /// That many minor units, which may be none.
    pub fn of(minor: u64, currency: Currency) -> Self {
        Self { minor, currency }
    }
}

impl From<Price> for MajorUnits {
    fn from(price: Price) -> Self {
        Self::of(price.minor(), price.currency())
    }
}

impl Serialize for MajorUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let per_major = self.currency.minor_per_major();
        if self.minor.is_multiple_of(per_major) {
            return serializer.serialize_u64(self.minor / per_major);
        }
        // Both are whole numbers far below 2^53, so the quotient is the float nearest to the
        // decimal, and the shortest text of that float is the decimal itself.
        #[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^53 minor units")]
        let major = self.minor as f64 / per_major as f64;
        serializer.serialize_f64(major)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(minor: u64, currency: &str) -> String {
        let currency = currency.parse().expect("a currency");
        let price = Price::from_minor(minor, currency).expect("a price");
        serde_json::to_string(&MajorUnits::from(price)).expect("a number")
    }

    #[test]
    fn prices_are_json_numbers_without_needless_digits() {
        assert_eq!(shown(1999, "usd"), "19.99");
        assert_eq!(shown(2550, "usd"), "25.5");
        assert_eq!(shown(2000, "usd"), "20");
        assert_eq!(shown(1, "usd"), "0.01");
        assert_eq!(shown(99_999_999_999, "usd"), "999999999.99");
        assert_eq!(shown(500, "jpy"), "500");
        assert_eq!(shown(99_999_999_999, "kwd"), "99999999.999");
        assert_eq!(shown(1_001, "kwd"), "1.001");
    }

    #[test]
    fn every_price_in_cents_is_shown_exactly() {
        let currency = "usd".parse().expect("a currency");
        for minor in (1..1_000_000).chain(99_999_000_000..=99_999_999_999) {
            let price = Price::from_minor(minor, currency).expect("a price");
            let json = serde_json::to_string(&MajorUnits::from(price)).expect("a number");
            assert_eq!(json, price.to_string());
        }
    }
}
