//! Where the tickets of a list come from: its indexes, walked one entry at a time.

use std::ops::{Bound, RangeInclusive};

use redb::{Range, ReadOnlyTable};

use crate::bugs::{Bug, planted};
use crate::store::redb::reads::Snapshot;
use crate::store::search::lists::{ENTRY_COST, LOOKUP_COST};
use crate::store::{ReadError, TicketPosition, TicketSort, storage_error};

/// A way through an index.
pub trait Source: Send {
    /// Goes on by one step and adds its cost to `spent`.
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError>;

    /// The order tickets come in; `None` if they come in none, or that is not known yet.
    fn order(&self) -> Option<TicketSort>;

    /// Whether what is found may have been sold.
    fn may_hold_tombstones(&self) -> bool {
        false
    }

    /// Whether all that is found is known to match the words of the search.
    fn has_tested_words(&self) -> bool {
        false
    }
}

/// What a step led to.
pub enum Step {
    /// A ticket, with its price if the index tells it.
    Found {
        /// Its id.
        id: u128,
        /// Its price in minor units.
        price: Option<u64>,
    },
    /// Nothing yet.
    Searching,
    /// There are no more.
    End,
}

/// A list, newest first.
pub struct Newest(Option<Range<'static, (u128, u128), u64>>);

impl Newest {
    /// All of the list that is older than `after`.
    pub fn new(
        lists: &ReadOnlyTable<(u128, u128), u64>,
        list: u128,
        after: Option<TicketPosition>,
    ) -> Result<Self, ReadError> {
        let older = |last| lists.range((list, 0)..=(list, last)).map_err(storage_error);
        id_before(after).map(older).transpose().map(Self)
    }
}

/// The greatest id that is older than a place; `None` if there is none.
pub fn id_before(after: Option<TicketPosition>) -> Option<u128> {
    let step = u128::from(!planted(Bug::RepeatingPage));
    after.map_or(Some(u128::MAX), |after| after.id.as_u128().checked_sub(step))
}

impl Source for Newest {
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError> {
        *spent += ENTRY_COST;
        let Some(entry) = self.0.as_mut().and_then(DoubleEndedIterator::next_back) else {
            return Ok(Step::End);
        };
        let (key, price) = entry.map_err(storage_error)?;
        Ok(Step::Found { id: key.value().1, price: Some(price.value()) })
    }

    fn order(&self) -> Option<TicketSort> {
        Some(TicketSort::Newest)
    }
}

type PriceRange = Range<'static, (u128, u64, u128), ()>;

/// A list by price, equal prices newest first.
pub struct ByPrice<'s> {
    table: &'s ReadOnlyTable<(u128, u64, u128), ()>,
    list: u128,
    sort: TicketSort,
    /// What is being walked, forwards: all of the list if it is cheapest first, else the
    /// tickets of one price.
    run: Option<PriceRange>,
    /// Dearest first: the prices still to be walked.
    rest: Option<RangeInclusive<u64>>,
}

impl<'s> ByPrice<'s> {
    /// Those of the list within `prices` that follow `after`.
    pub fn new(
        snapshot: &'s Snapshot,
        list: u128,
        prices: RangeInclusive<u64>,
        sort: TicketSort,
        after: Option<TicketPosition>,
    ) -> Result<Self, ReadError> {
        let table = snapshot.lists_by_price()?;
        let mut source = Self { table, list, sort, run: None, rest: None };
        let after = after.map(|after| (after.price_minor, !after.id.as_u128()));
        if sort == TicketSort::PriceDescending {
            source.start_at_dearest(prices, after)?;
        } else {
            source.start_at_cheapest(prices, after)?;
        }
        Ok(source)
    }

    fn start_at_cheapest(
        &mut self,
        prices: RangeInclusive<u64>,
        after: Option<(u64, u128)>,
    ) -> Result<(), ReadError> {
        let (low, high) = prices.into_inner();
        self.run = match after {
            Some((price, _)) if price > high => None,
            Some(after) if after.0 >= low => self.run_after(after, high)?,
            Some(_) | None => Some(self.run_of(low, high)?),
        };
        Ok(())
    }

    fn start_at_dearest(
        &mut self,
        prices: RangeInclusive<u64>,
        after: Option<(u64, u128)>,
    ) -> Result<(), ReadError> {
        let (low, high) = prices.into_inner();
        match after {
            Some((price, _)) if price < low => {}
            Some(after) if after.0 <= high => {
                self.run = self.run_after(after, after.0)?;
                self.rest = below(low, after.0);
            }
            Some(_) | None => self.rest = Some(low..=high),
        }
        Ok(())
    }

    fn run_of(&self, low: u64, high: u64) -> Result<PriceRange, ReadError> {
        let keys = (self.list, low, 0)..=(self.list, high, u128::MAX);
        self.table.range(keys).map_err(storage_error)
    }

    fn run_after(&self, after: (u64, u128), high: u64) -> Result<Option<PriceRange>, ReadError> {
        let (start, end) = ((self.list, after.0, after.1), (self.list, high, u128::MAX));
        if start >= end {
            return Ok(None);
        }
        let start = if planted(Bug::RepeatingPage) {
            Bound::Included(start)
        } else {
            Bound::Excluded(start)
        };
        let keys = (start, Bound::Included(end));
        Ok(Some(self.table.range::<(u128, u64, u128)>(keys).map_err(storage_error)?))
    }

    /// Goes on to the next lower price there is. `false` at the end.
    fn next_price(&mut self) -> Result<bool, ReadError> {
        let Some(prices) = self.rest.take() else { return Ok(false) };
        let (low, high) = prices.into_inner();
        let Some(dearest) = self.run_of(low, high)?.next_back() else { return Ok(false) };
        let (_, price, _) = dearest.map_err(storage_error)?.0.value();
        self.run = Some(self.run_of(price, price)?);
        self.rest = below(low, price);
        Ok(true)
    }
}

/// The prices from `low` to less than `price`.
fn below(low: u64, price: u64) -> Option<RangeInclusive<u64>> {
    price.checked_sub(1).filter(|high| *high >= low).map(|high| low..=high)
}

impl Source for ByPrice<'_> {
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError> {
        *spent += ENTRY_COST;
        if let Some(entry) = self.run.as_mut().and_then(Iterator::next) {
            let (_, price, complement) = entry.map_err(storage_error)?.0.value();
            return Ok(Step::Found { id: !complement, price: Some(price) });
        }
        self.run = None;
        *spent += 2 * LOOKUP_COST;
        Ok(if self.next_price()? { Step::Searching } else { Step::End })
    }

    fn order(&self) -> Option<TicketSort> {
        Some(self.sort)
    }
}
