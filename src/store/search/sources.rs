//! Where the tickets of a list come from: its indexes, walked one entry at a time.

use std::ops::{Bound, RangeInclusive};

use redb::{Range, ReadOnlyTable};

use crate::bugs::{Bug, planted};
use crate::domain::TicketId;
use crate::store::records::ticket_lists::lists;
use crate::store::redb::absence::sound;
use crate::store::redb::reads::Snapshot;
use crate::store::{ReadError, TicketPosition, TicketSort, storage_error};

/// What following an index by one entry costs, in units of which a turn has a limited number: see
/// [`crate::store::search::lists`].
pub(in crate::store) const ENTRY_COST: usize = 1;
/// What finding a key costs.
pub(in crate::store) const LOOKUP_COST: usize = 6;

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

/// What is told of an index in which an entry stands where it can't.
fn out_of_order(list: u128) -> ReadError {
    ReadError::Corrupt(format!("the list {list:032x} is out of order"))
}

/// Fails if the entry beside a walk is not what was written: then the walk may have begun or ended at
/// a wrong place, for entries of lists have no checksums. See [`crate::store::redb::absence`].
fn must_be_listed(snapshot: &Snapshot, list: u128, price: u64, id: u128) -> Result<(), ReadError> {
    let id = TicketId::from_u128(id);
    // If the ticket is damaged, its entry is taken at its word: no other list is to stop for that.
    let Some(row) = sound(snapshot.page_row(id))? else { return Ok(()) };
    let is_right =
        row.as_ref().is_some_and(|row| row.price.minor() == price && lists(row).contains(&list));
    // It is asked for again and again.
    snapshot.keep_page(row.as_slice());
    if is_right {
        return Ok(());
    }
    Err(ReadError::Corrupt(format!("lists {id}: it does not belong there")))
}

/// A list, newest first.
pub struct Newest<'s> {
    snapshot: &'s Snapshot,
    list: u128,
    /// What is left, with what follows the list.
    older: Option<Range<'static, (u128, u128), u64>>,
    /// No ticket that is left is as new as this.
    bound: Option<u128>,
}

impl<'s> Newest<'s> {
    /// All of the list that is older than `after`.
    pub fn new(
        snapshot: &'s Snapshot,
        list: u128,
        after: Option<TicketPosition>,
    ) -> Result<Self, ReadError> {
        let (mut older, lists) = (None, snapshot.lists()?);
        if let Some(last) = id_before(after) {
            let newer = (Bound::Excluded((list, last)), Bound::Unbounded);
            let beside = lists.range::<(u128, u128)>(newer).map_err(storage_error)?.next();
            if let Some((key, price)) = beside.transpose().map_err(storage_error)? {
                let (of, id) = key.value();
                must_be_listed(snapshot, of, price.value(), id)?;
            }
            older = Some(lists.range(..=(list, last)).map_err(storage_error)?);
        }
        Ok(Self { snapshot, list, older, bound: None })
    }
}

/// The greatest id that is older than a place; `None` if there is none.
pub fn id_before(after: Option<TicketPosition>) -> Option<u128> {
    let step = u128::from(!planted(Bug::RepeatingPage));
    after.map_or(Some(u128::MAX), |after| after.id.as_u128().checked_sub(step))
}

impl Source for Newest<'_> {
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError> {
        *spent += ENTRY_COST;
        let next = self.older.as_mut().and_then(DoubleEndedIterator::next_back);
        let Some((key, price)) = next.transpose().map_err(storage_error)? else {
            return Ok(Step::End);
        };
        let ((list, id), price) = (key.value(), price.value());
        if list != self.list {
            self.older = None;
            return must_be_listed(self.snapshot, list, price, id).map(|()| Step::End);
        }
        if self.bound.is_some_and(|bound| id >= bound) {
            return Err(out_of_order(list));
        }
        self.bound = Some(id);
        Ok(Step::Found { id, price: Some(price) })
    }

    fn order(&self) -> Option<TicketSort> {
        Some(TicketSort::Newest)
    }
}

/// A list, a price, and the complement of a ticket's id.
type PriceKey = (u128, u64, u128);
type PriceRange = Range<'static, PriceKey, ()>;

/// A list by price, equal prices newest first.
pub struct ByPrice<'s> {
    snapshot: &'s Snapshot,
    table: &'s ReadOnlyTable<PriceKey, ()>,
    list: u128,
    sort: TicketSort,
    /// What is being walked, forwards, up to a price: all of the list if it is cheapest first, else the
    /// tickets of one price.
    run: Option<(PriceRange, u64)>,
    /// Dearest first: the prices still to be walked.
    rest: Option<RangeInclusive<u64>>,
    /// What was found last in the run.
    last: Option<(u64, u128)>,
    /// Dearest first: what the run began with, and the one before it, which follows this one.
    first: [Option<(u64, u128)>; 2],
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
        let (run, rest, last, first) = (None, None, None, [None, None]);
        let mut source = Self { snapshot, table, list, sort, run, rest, last, first };
        let after = after.map(|after| (after.price_minor, !after.id.as_u128()));
        source.look_before(&prices, after)?;
        if sort == TicketSort::PriceDescending {
            source.start_at_dearest(prices, after)?;
        } else {
            source.start_at_cheapest(prices, after)?;
        }
        Ok(source)
    }

    /// Looks at the entry beside the place where the walk begins.
    fn look_before(
        &self,
        prices: &RangeInclusive<u64>,
        after: Option<(u64, u128)>,
    ) -> Result<(), ReadError> {
        let (low, high) = ((self.list, *prices.start(), 0), (self.list, *prices.end(), u128::MAX));
        let range = |range: (Bound<PriceKey>, Bound<PriceKey>)| {
            self.table.range::<PriceKey>(range).map_err(storage_error)
        };
        let beside = match after {
            Some((price, id)) => {
                let place = Bound::Included((self.list, price, id));
                range((Bound::Unbounded, place))?.next_back()
            }
            None if self.sort == TicketSort::PriceDescending => {
                range((Bound::Excluded(high), Bound::Unbounded))?.next()
            }
            None => range((Bound::Unbounded, Bound::Excluded(low)))?.next_back(),
        };
        let beside = beside.transpose().map_err(storage_error)?;
        beside.map_or(Ok(()), |(key, _)| self.look_at(key.value()))
    }

    /// Looks at an entry beside the walk.
    fn look_at(&self, (list, price, complement): PriceKey) -> Result<(), ReadError> {
        must_be_listed(self.snapshot, list, price, !complement)
    }

    fn start_at_cheapest(
        &mut self,
        prices: RangeInclusive<u64>,
        after: Option<(u64, u128)>,
    ) -> Result<(), ReadError> {
        let (low, high) = prices.into_inner();
        self.run = match after {
            Some((price, _)) if price > high => None,
            Some(after) if after.0 >= low => Some((self.run_after(after)?, high)),
            Some(_) | None => Some((self.run_of(low)?, high)),
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
                self.run = Some((self.run_after(after)?, after.0));
                self.rest = below(low, after.0);
            }
            Some(_) | None => self.rest = Some(low..=high),
        }
        Ok(())
    }

    fn run_of(&self, price: u64) -> Result<PriceRange, ReadError> {
        self.table.range((self.list, price, 0)..).map_err(storage_error)
    }

    fn run_after(&self, (price, id): (u64, u128)) -> Result<PriceRange, ReadError> {
        let start = (self.list, price, id);
        let start = if planted(Bug::RepeatingPage) {
            Bound::Included(start)
        } else {
            Bound::Excluded(start)
        };
        self.table.range::<PriceKey>((start, Bound::Unbounded)).map_err(storage_error)
    }

    /// Goes on to the next lower price there is. `false` at the end.
    fn next_price(&mut self) -> Result<bool, ReadError> {
        let Some(prices) = self.rest.take() else { return Ok(false) };
        let (low, high) = prices.into_inner();
        let dearest = self.table.range(..=(self.list, high, u128::MAX)).map_err(storage_error)?;
        let dearest = { dearest }.next_back().transpose().map_err(storage_error)?;
        let Some((list, price, id)) = dearest.map(|(key, _)| key.value()) else {
            return Ok(false);
        };
        if list != self.list || price < low {
            return self.look_at((list, price, id)).map(|()| false);
        }
        self.run = Some((self.run_of(price)?, price));
        self.rest = below(low, price);
        Ok(true)
    }

    /// The next entry of the run; `None` at its end, which the entry behind it tells.
    fn next_of_run(&mut self) -> Result<Option<(u64, u128)>, ReadError> {
        let Some((run, high)) = &mut self.run else { return Ok(None) };
        let next = run.next().transpose().map_err(storage_error)?;
        let Some((list, price, id)) = next.map(|(key, _)| key.value()) else { return Ok(None) };
        let place = (price, id);
        if list != self.list || price > *high {
            // What the run of the next higher price began with was looked at.
            if self.first[1] != Some(place) {
                self.look_at((list, price, id))?;
            }
            return Ok(None);
        }
        if self.last.is_some_and(|last| place <= last) {
            return Err(out_of_order(list));
        }
        if self.last.is_none() {
            self.first[0] = Some(place);
        }
        self.last = Some(place);
        Ok(Some(place))
    }
}

/// The prices from `low` to less than `price`.
fn below(low: u64, price: u64) -> Option<RangeInclusive<u64>> {
    price.checked_sub(1).filter(|high| *high >= low).map(|high| low..=high)
}

impl Source for ByPrice<'_> {
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError> {
        *spent += ENTRY_COST;
        if let Some((price, complement)) = self.next_of_run()? {
            return Ok(Step::Found { id: !complement, price: Some(price) });
        }
        (self.run, self.last) = (None, None);
        self.first = [None, self.first[0]];
        *spent += 2 * LOOKUP_COST;
        Ok(if self.next_price()? { Step::Searching } else { Step::End })
    }

    fn order(&self) -> Option<TicketSort> {
        Some(self.sort)
    }
}
