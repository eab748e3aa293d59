//! Stretches of the market's lists in which an order holds every ticket.
//!
//! Locked tickets stay in the lists, and pages pass over them. What is bought most stands in front,
//! so during a rush a page may have to pass over very many. Whoever does notes how far it went
//! without finding anything, and the next goes on from there.
//!
//! A skip range says of a snapshot, and of every later one: all tickets of the list from here to there are
//! held by now. It ends with the first commit after which a ticket stands in it that may be free: one
//! that was listed, released or got another price. Such tickets *appear*. The writer ends the skip ranges in
//! which tickets appear before anyone can see the snapshot in which they do, and numbers these moments;
//! a reader whose snapshot is of an earlier moment notes nothing that has appeared since.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, TryLockError};

use crate::store::{TicketPosition, TicketSort};

/// A place in a list: the smaller, the earlier. Two numbers tell it in every order: equal
/// prices are listed newest first, so ids count backwards.
pub type Rank = (u64, u128);

/// The place of a ticket.
pub fn rank(sort: TicketSort, price: u64, id: u128) -> Rank {
    match sort {
        TicketSort::Newest => (0, !id),
        TicketSort::PriceAscending => (price, !id),
        TicketSort::PriceDescending => (!price, !id),
    }
}

/// Tickets that follow one another in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first place.
    pub first: Rank,
    /// The last place.
    pub last: Rank,
    /// How many there are.
    pub count: usize,
}

impl Stretch {
    /// Those at these places, in order; `None` if there are none.
    pub fn of(places: &[Rank]) -> Option<Self> {
        let (first, last) = (*places.first()?, *places.last()?);
        Some(Self { first, last, count: places.len() })
    }

    /// These and those that follow.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self { first: self.first, last: next.last, count: self.count.saturating_add(next.count) }
    }
}

/// The fewest tickets that are worth a note, unless told otherwise.
pub const SKIP_RANGE_MIN: usize = 256;
/// The most tickets of a skip range: so many have to be looked at again when one of them is released.
pub const SKIP_RANGE_MAX: usize = 4096;
/// The most skip ranges of a list. A skip range more, and all begin anew.
const SKIP_RANGES_MAX: usize = 4096;
/// How many of the tickets that appeared last are known.
const APPEARED_MAX: usize = 4096;
/// The orders in which a list can be walked.
const SORTS: [TicketSort; 3] =
    [TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending];

/// The skip ranges of the market's lists.
#[derive(Debug)]
pub struct SkipRanges {
    /// The fewest tickets that are worth a note.
    min: usize,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    newest: Sorted,
    cheapest: Sorted,
    dearest: Sorted,
    /// What appeared last, with the number of the moment, the latest at the end.
    appeared: VecDeque<(u64, TicketPosition)>,
    /// The moment before the first of these.
    known_since: u64,
    /// The latest moment.
    moment: u64,
}

/// SkipRanges by their first place. They do not overlap.
type Sorted = BTreeMap<Rank, Range>;

#[derive(Debug)]
struct Range {
    /// Its last place.
    last: Rank,
    /// The last batch of the snapshot in which it was found.
    batch: u64,
}

impl Default for SkipRanges {
    fn default() -> Self {
        Self::of_at_least(SKIP_RANGE_MIN)
    }
}

impl SkipRanges {
    /// SkipRanges of so many tickets or more.
    pub fn of_at_least(min: usize) -> Self {
        Self { min: min.max(1), known: RwLock::default() }
    }

    /// The fewest tickets that are worth a note.
    pub fn min(&self) -> usize {
        self.min
    }

    /// The last place of the skip range that a place is in, as far as a snapshot up to that batch may know
    /// it.
    pub fn end_of(&self, sort: TicketSort, place: Rank, batch: u64) -> Option<Rank> {
        let known = self.known();
        let (_, range) = known.of(sort).range(..=place).next_back()?;
        (range.last >= place && range.batch <= batch).then_some(range.last)
    }

    /// Notes that all tickets of a stretch were held when they were looked at, in a snapshot up to
    /// that batch and that moment.
    pub fn note(&self, sort: TicketSort, held: Stretch, batch: u64, moment: u64) {
        if held.count < self.min {
            return;
        }
        // It is not worth waiting for: the next who comes by can note it as well.
        let mut known = match self.known.try_write() {
            Ok(known) => known,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if moment < known.known_since {
            return;
        }
        let Stretch { first, last, .. } = held;
        let is_in = |position: &TicketPosition| {
            (first..=last).contains(&rank(sort, position.price_minor, position.id.as_u128()))
        };
        let mut since = known.appeared.iter().rev().take_while(|(number, _)| *number > moment);
        if since.any(|(_, position)| is_in(position)) {
            return;
        }
        let skip_ranges = known.of_mut(sort);
        if skip_ranges.len() >= SKIP_RANGES_MAX {
            skip_ranges.clear();
        }
        remove(skip_ranges, first, last);
        skip_ranges.insert(first, Range { last, batch });
    }

    /// Ends the skip ranges in which tickets appear. Returns the moment that this is, which is that of the
    /// snapshot in which they do.
    pub fn appear(&self, appeared: impl Iterator<Item = TicketPosition>) -> u64 {
        let mut appeared = appeared.peekable();
        if appeared.peek().is_none() {
            return self.known().moment;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.moment += 1;
        for position in appeared {
            known.end(position);
            let moment = known.moment;
            known.appeared.push_back((moment, position));
            if known.appeared.len() > APPEARED_MAX
                && let Some((forgotten, _)) = known.appeared.pop_front()
            {
                known.known_since = forgotten;
            }
        }
        known.moment
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of(&self, sort: TicketSort) -> &Sorted {
        match sort {
            TicketSort::Newest => &self.newest,
            TicketSort::PriceAscending => &self.cheapest,
            TicketSort::PriceDescending => &self.dearest,
        }
    }

    fn of_mut(&mut self, sort: TicketSort) -> &mut Sorted {
        match sort {
            TicketSort::Newest => &mut self.newest,
            TicketSort::PriceAscending => &mut self.cheapest,
            TicketSort::PriceDescending => &mut self.dearest,
        }
    }

    /// Ends the skip ranges that a ticket is in.
    fn end(&mut self, position: TicketPosition) {
        for sort in SORTS {
            let place = rank(sort, position.price_minor, position.id.as_u128());
            remove(self.of_mut(sort), place, place);
        }
    }
}

/// Removes the skip ranges that have places from `first` to `last`.
fn remove(skip_ranges: &mut Sorted, first: Rank, last: Rank) {
    let overlaps = |range: &(&Rank, &Range)| range.1.last >= first;
    while let Some((&start, _)) = skip_ranges.range(..=last).next_back().filter(overlaps) {
        skip_ranges.remove(&start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TicketId;

    /// Newest first: the place of a ticket, which lower numbers follow.
    fn place(id: u128) -> Rank {
        rank(TicketSort::Newest, 0, id)
    }

    fn ticket(id: u128, price_minor: u64) -> TicketPosition {
        TicketPosition { price_minor, id: TicketId::from_u128(id) }
    }

    fn stretch(first: Rank, last: Rank) -> Stretch {
        Stretch { first, last, count: SKIP_RANGE_MIN }
    }

    /// Moments are batches here, for with each a ticket appears.
    fn note(skip_ranges: &SkipRanges, from: u128, to: u128, moment: u64) {
        skip_ranges.note(TicketSort::Newest, stretch(place(from), place(to)), moment, moment);
    }

    fn end_of(skip_ranges: &SkipRanges, id: u128, batch: u64) -> Option<Rank> {
        skip_ranges.end_of(TicketSort::Newest, place(id), batch)
    }

    #[test]
    fn a_skip_range_is_known_to_its_snapshot_and_later_ones() {
        let skip_ranges = SkipRanges::default();
        let moment = skip_ranges.appear([ticket(999, 5)].into_iter());
        note(&skip_ranges, 90, 50, moment);
        for (id, inside) in [(91, false), (90, true), (60, true), (50, true), (49, false)] {
            let expected = inside.then(|| place(50));
            assert_eq!(end_of(&skip_ranges, id, moment), expected, "{id}");
            assert_eq!(end_of(&skip_ranges, id, moment + 1), expected, "{id}");
            assert_eq!(end_of(&skip_ranges, id, moment - 1), None, "{id}");
        }
        assert_eq!(skip_ranges.end_of(TicketSort::PriceAscending, (0, !60), moment), None);
    }

    #[test]
    fn a_ticket_that_appears_ends_its_skip_range_in_every_order() {
        let skip_ranges = SkipRanges::default();
        let (cheap, dear) = ((40, 0), (60, !0));
        note(&skip_ranges, 90, 50, 0);
        skip_ranges.note(TicketSort::PriceAscending, stretch(cheap, dear), 0, 0);
        skip_ranges.note(TicketSort::PriceDescending, stretch((!60, 0), (!40, !0)), 0, 0);
        skip_ranges.appear([ticket(95, 100)].into_iter());
        assert!(end_of(&skip_ranges, 60, 1).is_some(), "it is in none of them");
        let by_price = [(TicketSort::PriceAscending, 45), (TicketSort::PriceDescending, !45)];
        for (sort, price) in by_price {
            assert!(skip_ranges.end_of(sort, (price, !7), 1).is_some(), "{sort:?}");
        }
        let moment = skip_ranges.appear([ticket(70, 50)].into_iter());
        assert_eq!(end_of(&skip_ranges, 60, moment), None);
        for (sort, price) in by_price {
            assert_eq!(skip_ranges.end_of(sort, (price, !7), moment), None, "{sort:?}");
        }
    }

    #[test]
    fn a_few_tickets_are_not_worth_a_note() {
        let skip_ranges = SkipRanges::default();
        let few = Stretch { count: SKIP_RANGE_MIN - 1, ..stretch(place(90), place(50)) };
        skip_ranges.note(TicketSort::Newest, few, 0, 0);
        assert_eq!(end_of(&skip_ranges, 60, 0), None);
    }

    #[test]
    fn what_has_appeared_since_is_not_in_a_gap() {
        let skip_ranges = SkipRanges::default();
        let before = skip_ranges.appear([ticket(1, 1)].into_iter());
        let moment = skip_ranges.appear([ticket(70, 1)].into_iter());
        note(&skip_ranges, 90, 50, before);
        assert_eq!(end_of(&skip_ranges, 60, moment), None, "whoever looked before is too late");
        note(&skip_ranges, 69, 50, before);
        assert!(end_of(&skip_ranges, 60, moment).is_some(), "it is not in this part");
        note(&skip_ranges, 90, 50, moment);
        assert!(end_of(&skip_ranges, 80, moment).is_some(), "who saw it may say that it is held");
    }

    #[test]
    fn who_looked_long_ago_notes_nothing() {
        let skip_ranges = SkipRanges::default();
        for id in 0..=APPEARED_MAX as u128 {
            skip_ranges.appear([ticket(1000 + id, 1)].into_iter());
        }
        note(&skip_ranges, 90, 50, 0);
        assert_eq!(end_of(&skip_ranges, 60, u64::MAX), None);
        note(&skip_ranges, 90, 50, 1);
        assert!(end_of(&skip_ranges, 60, u64::MAX).is_some());
    }

    #[test]
    fn gaps_do_not_overlap() {
        let skip_ranges = SkipRanges::default();
        for (from, to) in [(90, 10), (50, 40), (45, 20), (80, 60)] {
            note(&skip_ranges, from, to, 0);
        }
        let moment = skip_ranges.appear([ticket(30, 1)].into_iter());
        assert_eq!(end_of(&skip_ranges, 25, moment), None);
        assert_eq!(end_of(&skip_ranges, 70, moment), Some(place(60)));
        assert_eq!(end_of(&skip_ranges, 15, moment), None);
    }
}
