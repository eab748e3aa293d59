//! What the market adds for the buyer and keeps from the seller, in whole minor units.
//!
//! A fee is worked out for one seat and counted once for each seat: what three seats cost is three
//! times what one does, to the unit, and no fee is taken on a fee. What an order was made with stays
//! as it was, whatever the rates become.

use super::Price;
use crate::bugs::{Bug, planted};

/// How many basis points make all of it.
pub const ALL: u32 = 10_000;

/// How a fee follows from a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeRate {
    /// The share of the price, in hundredths of a percent; at most [`ALL`].
    pub basis_points: u32,
    /// What is added to that, in minor units.
    pub fixed_minor: u64,
}

impl FeeRate {
    /// The fee for one seat at that price, in minor units, rounded half up.
    pub fn of(self, price: Price) -> u64 {
        self.on(price.minor())
    }

    /// The lowest price, in minor units, at which a seat costs so much with its fee, or more.
    pub fn lowest_price(self, total_minor: u64) -> u64 {
        let costs = |price: u64| price.saturating_add(self.on(price));
        // A seat costs its price at least, and dearer ones cost more.
        let (mut below, mut enough) = (0, total_minor);
        if costs(below) >= total_minor {
            return below;
        }
        while enough - below > 1 {
            let middle = below + (enough - below) / 2;
            if costs(middle) >= total_minor { enough = middle } else { below = middle }
        }
        enough
    }

    /// The highest price, in minor units, at which a seat costs so much with its fee, or less.
    pub fn highest_price(self, total_minor: u64) -> u64 {
        match total_minor.checked_add(1) {
            Some(more) => self.lowest_price(more).saturating_sub(1),
            None => u64::MAX,
        }
    }

    fn on(self, minor: u64) -> u64 {
        let share = u128::from(minor) * u128::from(self.basis_points);
        let half = if planted(Bug::FeeRoundedDown) { 0 } else { ALL / 2 };
        let rounded = (share + u128::from(half)) / u128::from(ALL);
        u64::try_from(rounded).unwrap_or(u64::MAX).saturating_add(self.fixed_minor)
    }
}

/// The rates of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeeRates {
    /// What the buyer pays on top of the price.
    pub buyer: FeeRate,
    /// What is kept from the seller.
    pub seller: FeeRate,
}

/// The fees of one seat, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeatFees {
    /// What the buyer pays on top of the price.
    pub buyer_minor: u64,
    /// What is kept from the seller.
    pub seller_minor: u64,
}

impl FeeRates {
    /// The fees of one seat at that price. A seller never gets less than nothing.
    pub fn of(self, price: Price) -> SeatFees {
        SeatFees {
            buyer_minor: self.buyer.of(price),
            seller_minor: self.seller.of(price).min(price.minor()),
        }
    }
}

impl SeatFees {
    /// What so many seats cost the buyer, in minor units.
    pub fn total_minor(self, price: Price, quantity: u32) -> u64 {
        price.minor().saturating_add(self.buyer_minor).saturating_mul(quantity.into())
    }

    /// What the seller gets for so many seats, in minor units.
    pub fn proceeds_minor(self, price: Price, quantity: u32) -> u64 {
        price.minor().saturating_sub(self.seller_minor).saturating_mul(quantity.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(text: &str, currency: &str) -> Price {
        Price::parse(text, currency.parse().expect("a currency")).expect("a price")
    }

    fn rate(basis_points: u32, fixed_minor: u64) -> FeeRate {
        FeeRate { basis_points, fixed_minor }
    }

    fn rates(buyer: FeeRate, seller: FeeRate) -> FeeRates {
        FeeRates { buyer, seller }
    }

    #[test]
    fn a_fee_is_rounded_half_up_on_one_seat_and_counted_for_each() {
        let tenth = rates(rate(1_000, 0), FeeRate::default());
        let dear = price("10.05", "usd");
        assert_eq!(tenth.of(dear).buyer_minor, 101, "10.05 with 10 % is 1.01");
        assert_eq!(tenth.of(dear).total_minor(dear, 1), 1_106);
        let third = price("33.33", "usd");
        assert_eq!(tenth.of(third).buyer_minor, 333);
        assert_eq!(tenth.of(third).total_minor(third, 3), 10_998, "three seats are 109.98");
        assert_eq!(rate(1_000, 0).of(price("10.04", "usd")), 100, "less than half is nothing");
    }

    #[test]
    fn what_is_fixed_is_added_after_rounding_and_once_for_each_seat() {
        let both = rates(rate(550, 30), FeeRate::default());
        let ticket = price("0.10", "usd");
        assert_eq!(both.of(ticket).buyer_minor, 31, "half a cent is one, and thirty more");
        assert_eq!(both.of(ticket).total_minor(ticket, 4), 4 * 41);
    }

    #[test]
    fn currencies_without_decimals_and_with_three_are_counted_alike() {
        let rates = rates(rate(725, 0), rate(500, 0));
        let yen = price("6900", "jpy");
        assert_eq!(rates.of(yen), SeatFees { buyer_minor: 500, seller_minor: 345 });
        assert_eq!(rates.of(yen).total_minor(yen, 2), 14_800);
        let dinar = price("12.345", "kwd");
        assert_eq!(rates.of(dinar), SeatFees { buyer_minor: 895, seller_minor: 617 });
        assert_eq!(rates.of(dinar).proceeds_minor(dinar, 3), 3 * 11_728);
    }

    #[test]
    fn without_rates_nothing_is_added_or_kept() {
        let ticket = price("25.5", "usd");
        let none = FeeRates::default().of(ticket);
        assert_eq!(none, SeatFees::default());
        assert_eq!(none.total_minor(ticket, 1), 2_550);
        assert_eq!(none.proceeds_minor(ticket, 1), 2_550);
    }

    #[test]
    fn a_seller_never_pays_for_selling() {
        let rates = rates(FeeRate::default(), rate(ALL, 500));
        let ticket = price("1", "usd");
        assert_eq!(rates.of(ticket).seller_minor, 100, "at most the price");
        assert_eq!(rates.of(ticket).proceeds_minor(ticket, 7), 0);
    }

    #[test]
    fn the_highest_price_at_the_highest_rate_is_still_counted() {
        let currency = "usd".parse().expect("a currency");
        let highest = Price::from_minor(99_999_999_999, currency).expect("the highest price");
        let all = rates(rate(ALL, 99_999_999_999), rate(ALL, 0));
        assert_eq!(all.of(highest).buyer_minor, 199_999_999_998);
        assert_eq!(all.of(highest).total_minor(highest, 50), 50 * 299_999_999_997);
    }

    proptest! {
        #[test]
        fn bounds_of_totals_are_bounds_of_prices(
            minor in 1..1_000_000_u64,
            total in 0..1_200_000_u64,
            basis_points in 0..=ALL,
            fixed_minor in 0..1_000_u64,
        ) {
            let rate = rate(basis_points, fixed_minor);
            let currency = "usd".parse().expect("a currency");
            let price = Price::from_minor(minor, currency).expect("a price");
            let costs = minor + rate.of(price);
            prop_assert_eq!(minor >= rate.lowest_price(total), costs >= total);
            prop_assert_eq!(minor <= rate.highest_price(total), costs <= total);
        }

        #[test]
        fn a_fee_is_the_nearest_whole_number_and_follows_the_price(
            minor in 1..=99_999_999_998_u64,
            basis_points in 0..=ALL,
            fixed_minor in 0..1_000_000_u64,
        ) {
            let currency = "usd".parse().expect("a currency");
            let of = |minor| Price::from_minor(minor, currency).expect("a price");
            let fee = rate(basis_points, fixed_minor).of(of(minor)) - fixed_minor;
            let exact = u128::from(minor) * u128::from(basis_points);
            let off = (u128::from(fee) * u128::from(ALL)).abs_diff(exact);
            prop_assert!(off <= u128::from(ALL / 2), "at most half a unit off");
            let next = rate(basis_points, fixed_minor).of(of(minor + 1)) - fixed_minor;
            prop_assert!(next >= fee, "who asks more never pays less");
        }
    }
}
