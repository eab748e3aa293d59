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

use crate::domain::Price;

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
    fn what_is_too_fine_is_refused_and_not_rounded() {
        for (minor, currency) in [(5_124, "kwd"), (1, "bhd"), (12_345, "mga")] {
            let refused = amount(minor, currency).expect_err("too fine");
            assert!(refused.to_string().starts_with("Price must be a multiple of "), "{refused}");
        }
    }
}
