//! `[market]`: what holds in single countries.

use std::collections::BTreeMap;

use super::layers::Reader;
use super::values;

const EXPECTED: &str = "a whole number from 1 to 1000000, or 0 for no cap";

/// How much sellers may ask, in percent of the face value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceCapSettings {
    /// The cap wherever there is no other, if there is one.
    pub elsewhere: Option<u32>,
    /// The caps of single countries, by codes of two capital letters; `None` is no cap there.
    pub countries: BTreeMap<String, Option<u32>>,
}

impl PriceCapSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        let elsewhere =
            from.read("market.default.price_cap_percent", None, EXPECTED, values::number_or_none);
        let is_code =
            |name: &str| name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        let given = from.read_named(
            "market",
            is_code,
            "price_cap_percent",
            EXPECTED,
            values::number_or_none,
        );
        // The environment spells them in small letters, and comes last.
        let countries = given.into_iter().map(|(code, cap)| (code.to_ascii_uppercase(), cap));
        Self { elsewhere, countries: countries.collect() }
    }
}
