//! What a price is in Stripe's units.
//!
//! Stripe counts in ISO 4217 minor units except where its documentation says otherwise
//! (<https://docs.stripe.com/currencies#special-cases>):
//!
//! * `isk` and `ugx` have no minor unit, and Stripe takes hundredths all the same.
//! * `mga` has hundredths in ISO 4217, and Stripe takes whole ones.
//! * Of currencies with three decimals the last digit must be 0.
//! * `huf` and `twd` have hundredths when they are charged; only payouts are in whole ones.
//!
//! A price that can't be said in these units is refused. Rounding it would charge another
//! amount than the one the buyer agreed to.
//!
//! Stripe takes nothing under a minimum, which it publishes for the currencies it pays out in
//! (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>). In others the
//! minimum follows the day's rate of exchange, and only Stripe can say it.

use crate::domain::{Currency, Price};

/// The least that Stripe charges, in minor units.
const LEAST: [(&str, u64); 24] = [
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
    ("usd", 50),
];

/// Why Stripe can't charge a price. The messages are shown to clients as they stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unchargeable {
    /// It is finer than Stripe's smallest step.
    #[error(
        "Price must be a multiple of {step} in {currency}, which is the smallest step that can be charged"
    )]
    TooFine {
        /// The smallest step, in major units.
        step: &'static str,
        /// The currency.
        currency: String,
    },
    /// It is less than Stripe takes.
    #[error("Price must be at least {least} in {currency}, which is the least that can be charged")]
    TooSmall {
        /// The least, in major units.
        least: String,
        /// The currency.
        currency: String,
    },
}

/// Whether a ticket may be listed at the price.
pub fn check_listing(price: Price) -> Result<(), Unchargeable> {
    to_stripe(price)?;
    let currency = price.currency();
    let name = currency.to_string();
    let least = LEAST.iter().find(|(of, _)| *of == name).map(|(_, least)| *least);
    match least {
        Some(least) if price.minor() < least => {
            Err(Unchargeable::TooSmall { least: in_major_units(least, currency), currency: name })
        }
        _ => Ok(()),
    }
}

/// An amount as it stands on a price tag: with all its decimals.
fn in_major_units(minor: u64, currency: Currency) -> String {
    let width = currency.decimals() as usize;
    let per_major = 10_u64.saturating_pow(currency.decimals());
    match minor % per_major {
        0 => (minor / per_major).to_string(),
        rest => format!("{}.{rest:0width$}", minor / per_major),
    }
}

/// The amount that stands for the price in a request.
pub fn to_stripe(price: Price) -> Result<i64, Unchargeable> {
    let (minor, currency) = (price.minor(), price.currency());
    let too_fine = |step| Unchargeable::TooFine { step, currency: currency.to_string() };
    let amount = match (currency.to_string().as_str(), currency.decimals()) {
        ("isk" | "ugx", _) => minor.saturating_mul(100),
        ("mga", _) if minor.is_multiple_of(100) => minor / 100,
        ("mga", _) => return Err(too_fine("1")),
        (_, 3) if !minor.is_multiple_of(10) => return Err(too_fine("0.01")),
        _ => minor,
    };
    // The highest price is far below what an i64 holds, even a hundred times over.
    Ok(i64::try_from(amount).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(minor: u64, currency: &str) -> Result<i64, Unchargeable> {
        let currency = currency.parse().expect("a currency");
        to_stripe(Price::from_minor(minor, currency).expect("a price"))
    }

    #[test]
    fn most_prices_are_their_minor_units() {
        assert_eq!(amount(1999, "usd"), Ok(1999));
        assert_eq!(amount(500, "jpy"), Ok(500));
        assert_eq!(amount(1_250, "huf"), Ok(1_250));
        assert_eq!(amount(80_000, "twd"), Ok(80_000));
        assert_eq!(amount(5_120, "kwd"), Ok(5_120));
        assert_eq!(amount(99_999_999, "usd"), Ok(99_999_999));
    }

    #[test]
    fn stripes_special_cases_are_scaled() {
        assert_eq!(amount(5, "isk"), Ok(500));
        assert_eq!(amount(20_000, "ugx"), Ok(2_000_000));
        assert_eq!(amount(12_300, "mga"), Ok(123));
    }

    #[test]
    fn what_stripe_takes_nothing_of_can_not_be_listed() {
        let listing = |minor: u64, currency: &str| {
            let currency = currency.parse().expect("a currency");
            let refused = check_listing(Price::from_minor(minor, currency).expect("a price"));
            refused.err().map(|refused| refused.to_string())
        };
        for (currency, least) in LEAST {
            assert_eq!(listing(least, currency), None, "{currency}");
            assert!(listing(least - 1, currency).is_some(), "{currency}");
        }
        let said = "Price must be at least 0.50 in usd, which is the least that can be charged";
        assert_eq!(listing(49, "usd").as_deref(), Some(said));
        let said = "Price must be at least 50 in jpy, which is the least that can be charged";
        assert_eq!(listing(1, "jpy").as_deref(), Some(said));
        let said = "Price must be at least 2 in pln, which is the least that can be charged";
        assert_eq!(listing(1, "pln").as_deref(), Some(said));
        assert_eq!(listing(1, "isk"), None, "only Stripe knows the day's minimum");
        assert!(listing(5_124, "kwd").is_some(), "what is too fine can't be listed either");
    }

    #[test]
    fn what_is_too_fine_is_refused_and_not_rounded() {
        for (minor, currency) in [(5_124, "kwd"), (1, "bhd"), (12_345, "mga")] {
            let refused = amount(minor, currency).expect_err("too fine");
            assert!(refused.to_string().starts_with("Price must be a multiple of "), "{refused}");
        }
    }
}
