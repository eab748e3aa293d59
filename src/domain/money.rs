//! Money is a whole number of a currency's minor units. No float ever touches it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Active ISO 4217 currencies that have no minor unit.
const ZERO_DECIMALS: &str = "bif clp djf gnf isk jpy kmf krw pyg rwf ugx vnd vuv xaf xof xpf";
/// Active ISO 4217 currencies with three decimals.
const THREE_DECIMALS: &str = "bhd iqd jod kwd lyd omr tnd";
/// Active ISO 4217 currencies with two decimals.
const TWO_DECIMALS: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob \
     brl bsd btn bwp byn bzd cad cdf chf cny cop crc cup cve czk dkk dop dzd egp ern etb eur fjd \
     fkp gbp gel ghs gip gmd gtq gyd hkd hnl htg huf idr ils inr irr jmd kes kgs khr kpw kyd kzt \
     lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok \
     npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sdg sek sgd shp sle sos srd ssp \
     stn svc syp szl thb tjs tmt top try ttd twd tzs uah usd uyu uzs ves wst xcd yer zar zmw zwg";

/// The most minor units of a price, in every currency.
const MAX_MINOR: u64 = 99_999_999_999;

/// An ISO 4217 currency, written in lower case as Stripe does: `usd`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency {
    code: [u8; 3],
    decimals: u8,
}

/// The text is not an ISO 4217 code in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not an ISO 4217 currency code in lower case, such as \"usd\"")]
pub struct UnknownCurrency(pub String);

impl Currency {
    /// How many digits stand behind the decimal point: 2 for `usd`, 0 for `jpy`, 3 for `kwd`.
    pub fn decimals(self) -> u32 {
        u32::from(self.decimals)
    }

    /// How many minor units make one major unit.
    pub fn minor_per_major(self) -> u64 {
        10_u64.pow(self.decimals())
    }

    /// The highest price: 99,999,999,999 minor units, however many of them make a major one.
    pub fn max_minor(self) -> u64 {
        MAX_MINOR
    }
}

/// What stands in [`DECIMALS`] for a code that is none.
const UNKNOWN: u8 = u8::MAX;

/// The decimals of every code of three letters. Every price that is read from the store asks here.
#[expect(clippy::indexing_slicing, reason = "computed when it is compiled")]
static DECIMALS: [u8; 26 * 26 * 26] = {
    let mut decimals = [UNKNOWN; 26 * 26 * 26];
    let lists = [ZERO_DECIMALS, TWO_DECIMALS, THREE_DECIMALS];
    let counts = [0, 2, 3];
    let mut list = 0;
    while list < lists.len() {
        let text = lists[list].as_bytes();
        let mut at = 0;
        while at + 3 <= text.len() {
            if text[at] == b' ' {
                at += 1;
                continue;
            }
            if let Some(place) = place([text[at], text[at + 1], text[at + 2]]) {
                decimals[place] = counts[list];
            }
            at += 3;
        }
        list += 1;
    }
    decimals
};

/// The place of a code in [`DECIMALS`].
const fn place(code: [u8; 3]) -> Option<usize> {
    let [a, b, c] = code;
    if a.is_ascii_lowercase() && b.is_ascii_lowercase() && c.is_ascii_lowercase() {
        Some(((a - b'a') as usize * 26 + (b - b'a') as usize) * 26 + (c - b'a') as usize)
    } else {
        None
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let unknown = || UnknownCurrency(text.to_owned());
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| unknown())?;
        let known = place(code).and_then(|place| DECIMALS.get(place)).copied();
        match known {
            Some(decimals) if decimals != UNKNOWN => Ok(Self { code, decimals }),
            Some(_) | None => Err(unknown()),
        }
    }
}

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        // It was read from one of the lists above, so it is ASCII.
        std::str::from_utf8(&self.code).unwrap_or("???")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a ticket costs: at least one minor unit, at most [`Currency::max_minor`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Price {
    minor: u64,
    currency: Currency,
}

/// Why a text is no price. The messages are shown to clients as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// It is not a decimal number as JSON writes them.
    #[error("Price must be a number")]
    NotANumber,
    /// It is zero or negative.
    #[error("Price must be greater than 0")]
    NotPositive,
    /// It needs more decimals than the currency has.
    #[error("Price must have at most {decimals} decimals in {currency}")]
    TooPrecise {
        /// The currency of the price.
        currency: Currency,
        /// The digits it allows behind the decimal point.
        decimals: u32,
    },
    /// It is more than a ticket may cost.
    #[error("Price must be at most {max}")]
    TooHigh {
        /// The highest price.
        max: Price,
    },
}

impl Price {
    /// A price of that many minor units.
    pub fn from_minor(minor: u64, currency: Currency) -> Result<Self, PriceError> {
        let max = Self { minor: currency.max_minor(), currency };
        match minor {
            0 => Err(PriceError::NotPositive),
            _ if minor > max.minor => Err(PriceError::TooHigh { max }),
            _ => Ok(Self { minor, currency }),
        }
    }

    /// What so many seats at this price cost with a fee for each. It may be more than a price can be.
    #[must_use]
    pub fn total(self, fee_minor: u64, quantity: u32) -> Self {
        let seat = self.minor.saturating_add(fee_minor);
        Self { minor: seat.saturating_mul(quantity.max(1).into()), ..self }
    }

    /// An amount that [`Price::total`] came to; `None` for nothing.
    pub fn of_total(minor: u64, currency: Currency) -> Option<Self> {
        (minor > 0).then_some(Self { minor, currency })
    }

    /// Reads a decimal number in JSON's grammar (RFC 8259, section 6), exponent included, exactly.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, PriceError> {
        let decimal = Decimal::parse(text).ok_or(PriceError::NotANumber)?;
        if decimal.digits.is_empty() || decimal.negative {
            return Err(PriceError::NotPositive);
        }
        // The value is digits x 10^exponent, and digits ends in no zero, so the number of
        // decimals it needs is exactly -exponent.
        let minor_exponent = decimal.exponent.saturating_add(i64::from(currency.decimals()));
        if minor_exponent < 0 {
            let decimals = currency.decimals();
            return Err(PriceError::TooPrecise { currency, decimals });
        }
        let too_high =
            || PriceError::TooHigh { max: Self { minor: currency.max_minor(), currency } };
        let scale = u32::try_from(minor_exponent).ok().and_then(|power| 10_u64.checked_pow(power));
        let digits = decimal.digits.parse::<u64>().ok();
        let minor = digits.zip(scale).and_then(|(digits, scale)| digits.checked_mul(scale));
        Self::from_minor(minor.ok_or_else(too_high)?, currency)
    }

    /// The amount in minor units, as Stripe takes it.
    pub fn minor(self) -> u64 {
        self.minor
    }

    /// The code of its currency.
    pub fn code(&self) -> &str {
        self.currency.as_str()
    }

    /// The currency of the amount.
    pub fn currency(self) -> Currency {
        self.currency
    }
}

/// In major units, without needless zeros: `25.5`, `19.99`, `20`.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_major = self.currency.minor_per_major();
        let (major, rest) = (self.minor / per_major, self.minor % per_major);
        if rest == 0 {
            return write!(f, "{major}");
        }
        let width = self.currency.decimals() as usize;
        let decimals = format!("{rest:0width$}");
        write!(f, "{major}.{}", decimals.trim_end_matches('0'))
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {}", self.currency)
    }
}

/// A decimal number taken apart: `digits` x 10^`exponent`, without leading or trailing zeros.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Self::parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        if !is_digits(whole) || has_leading_zero {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_end_matches('0');
        let dropped_zeros = i64::try_from(all.len() - significant.len()).ok()?;
        let fraction_len = i64::try_from(fraction.len()).ok()?;
        Some(Self {
            negative,
            digits: significant.trim_start_matches('0').to_owned(),
            exponent: exponent.saturating_sub(fraction_len).saturating_add(dropped_zeros),
        })
    }

    /// An exponent too long for a number of ours is as good as infinite in its direction.
    fn parse_exponent(text: &str) -> Option<i64> {
        let (sign, digits) = match text.as_bytes().first()? {
            b'-' => (-1, text.get(1..)?),
            b'+' => (1, text.get(1..)?),
            _ => (1, text),
        };
        is_digits(digits).then(|| sign * digits.parse::<i64>().unwrap_or(i64::MAX / 2))
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().expect("a listed currency")
    }

    fn minor(text: &str, code: &str) -> Result<u64, PriceError> {
        Price::parse(text, currency(code)).map(Price::minor)
    }

    #[test]
    fn a_price_is_read_exactly() {
        assert_eq!(minor("19.99", "usd"), Ok(1999));
        assert_eq!(minor("25.5", "usd"), Ok(2550));
        assert_eq!(minor("25.500", "usd"), Ok(2550));
        assert_eq!(minor("0.01", "usd"), Ok(1));
        assert_eq!(minor("999999999.99", "usd"), Ok(99_999_999_999));
        assert_eq!(minor("2.5e1", "usd"), Ok(2500));
        assert_eq!(minor("1999e-2", "usd"), Ok(1999));
        assert_eq!(minor("1E+2", "usd"), Ok(10_000));
        assert_eq!(minor("500", "jpy"), Ok(500));
        assert_eq!(minor("99999999999", "jpy"), Ok(99_999_999_999));
        assert_eq!(minor("1.234", "kwd"), Ok(1234));
        assert_eq!(minor("99999999.999", "kwd"), Ok(99_999_999_999));
    }

    #[test]
    fn what_is_no_price_is_refused_with_its_reason() {
        for text in ["", "abc", "NaN", "Infinity", "1,5", " 1", "1 ", "+1", ".5", "5.", "01", "0x1"]
        {
            assert_eq!(minor(text, "usd"), Err(PriceError::NotANumber), "{text:?}");
        }
        for text in ["0", "-0", "0.00", "0e9", "-1", "-1e-99", "-1e999999999999999999999"] {
            assert_eq!(minor(text, "usd"), Err(PriceError::NotPositive), "{text:?}");
        }
        for text in ["1.999", "0.001", "1e-30", "1e-99999999999999999999", "19.990000000000000001"]
        {
            assert!(matches!(minor(text, "usd"), Err(PriceError::TooPrecise { .. })), "{text:?}");
        }
        for text in
            ["1000000000", "1e30", "1e400", "18446744073709551616", "1e99999999999999999999"]
        {
            assert!(matches!(minor(text, "usd"), Err(PriceError::TooHigh { .. })), "{text:?}");
        }
        assert!(matches!(minor("1.5", "jpy"), Err(PriceError::TooPrecise { .. })));
        assert!(matches!(minor("100000000000", "jpy"), Err(PriceError::TooHigh { .. })));
    }

    #[test]
    fn nothing_is_no_price() {
        let usd = currency("usd");
        assert_eq!(Price::from_minor(0, usd), Err(PriceError::NotPositive));
        assert_eq!(Price::from_minor(1, usd).map(Price::minor), Ok(1));
        assert_eq!(Price::of_total(0, usd), None);
        assert_eq!(Price::of_total(1, usd).map(Price::minor), Some(1));
    }

    #[test]
    fn a_price_is_shown_as_it_was_meant() {
        let shown = |minor, code| {
            Price::from_minor(minor, currency(code)).expect("a valid price").to_string()
        };
        assert_eq!(shown(1999, "usd"), "19.99");
        assert_eq!(shown(2550, "usd"), "25.5");
        assert_eq!(shown(2000, "usd"), "20");
        assert_eq!(shown(5, "usd"), "0.05");
        assert_eq!(shown(500, "jpy"), "500");
        assert_eq!(shown(1_050, "kwd"), "1.05");
    }

    #[test]
    fn only_iso_4217_codes_in_lower_case_are_currencies() {
        for text in ["", "us", "usdd", "USD", "xxx", "u d", "äb"] {
            assert!(text.parse::<Currency>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_price_survives_its_text_form(
            amount in 1_u64..=99_999_999_999,
            code in prop::sample::select(vec!["usd", "jpy", "kwd"]),
        ) {
            let currency = currency(code);
            let price = Price::from_minor(amount, currency).expect("within bounds");
            prop_assert_eq!(Price::parse(&price.to_string(), currency), Ok(price));
            // What JSON clients print from the shortest float is the same number.
            let float: f64 = price.to_string().parse().expect("a decimal is a float");
            prop_assert_eq!(Price::parse(&float.to_string(), currency), Ok(price));
        }

        #[test]
        fn reading_a_price_never_panics(text in "[-+0-9.eE]{0,40}|\\PC{0,20}") {
            let _ = minor(&text, "usd");
        }
    }
}
