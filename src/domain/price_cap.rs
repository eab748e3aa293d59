//! How much sellers may ask, as a share of what a seat cost where it was first sold.
//!
//! Where the show takes place decides: a country may have a cap of its own, or none. A ticket without a
//! show keeps to the cap of all other places.

use std::collections::BTreeMap;

use super::{Country, ListingFault, Price};

/// The highest prices that sellers may ask, in percent of the face value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriceCaps {
    /// The cap wherever there is no other; `None` is no cap.
    pub elsewhere: Option<u32>,
    /// The caps of single countries; `None` is no cap there, whatever is the rule elsewhere.
    pub countries: BTreeMap<Country, Option<u32>>,
}

impl PriceCaps {
    /// The cap of a place, in percent of the face value.
    pub fn at(&self, country: Option<Country>) -> Option<u32> {
        let own = country.and_then(|country| self.countries.get(&country)).copied();
        own.unwrap_or(self.elsewhere)
    }

    /// The rule that a price breaks there, if it does.
    pub fn fault(
        &self,
        country: Option<Country>,
        price: Price,
        face_value: Option<Price>,
    ) -> Option<ListingFault> {
        let percent = self.at(country)?;
        let Some(face_value) = face_value else {
            return Some(ListingFault::NoFaceValue { percent });
        };
        let asked = u128::from(price.minor()) * 100;
        let most = u128::from(face_value.minor()) * u128::from(percent);
        (asked > most).then_some(ListingFault::AboveCap { percent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(minor: u64) -> Price {
        Price::from_minor(minor, "usd".parse().expect("a currency")).expect("a price")
    }

    fn country(code: &str) -> Country {
        code.parse().expect("a country")
    }

    #[test]
    fn a_country_has_its_own_cap_or_that_of_all_others() {
        let countries = [(country("FR"), Some(100)), (country("US"), None)].into();
        let caps = PriceCaps { elsewhere: Some(120), countries };
        assert_eq!(caps.at(Some(country("FR"))), Some(100));
        assert_eq!(caps.at(Some(country("US"))), None);
        assert_eq!(caps.at(Some(country("DE"))), Some(120));
        assert_eq!(caps.at(None), Some(120));
        assert_eq!(PriceCaps::default().at(Some(country("FR"))), None);
    }

    #[test]
    fn a_price_may_be_the_share_of_the_face_value_to_the_unit() {
        let caps = PriceCaps { elsewhere: Some(110), ..PriceCaps::default() };
        let fault = |asked, face: u64| caps.fault(None, price(asked), Some(price(face)));
        assert_eq!(fault(1_100, 1_000), None);
        assert_eq!(fault(1_101, 1_000), Some(ListingFault::AboveCap { percent: 110 }));
        // 110 % of 0.05 is 0.055.
        assert_eq!(fault(5, 5), None);
        assert_eq!(fault(6, 5), Some(ListingFault::AboveCap { percent: 110 }));
        assert_eq!(fault(99_999_999_999, 99_999_999_999), None);
        let unknown = caps.fault(None, price(1), None);
        assert_eq!(unknown, Some(ListingFault::NoFaceValue { percent: 110 }));
        let free = PriceCaps::default();
        assert_eq!(free.fault(None, price(99_999_999_999), None), None);
    }
}
