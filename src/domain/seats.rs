//! The seats of a listing: which are free, how many one order may take, and which it gets.
//!
//! A listing has 1 to 50 seats in one order. Seats with names lie side by side in that order, so
//! free ones form *runs*: stretches without a gap. Unnumbered seats have no neighbours, and all free
//! ones are one run. A [`Split`] says how many may be taken from a run, so that a seller is not left
//! with what nobody wants, which is most often a single seat.

use std::fmt;

use crate::bugs::{Bug, planted};

/// The most seats a listing has.
pub const MAX_SEATS: u32 = 50;

/// How a listing may be divided among buyers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Split {
    /// Any quantity.
    Any,
    /// Any quantity that does not leave a single seat.
    #[default]
    AvoidOne,
    /// Even quantities.
    Pairs,
    /// Only all of a run.
    None,
}

impl Split {
    /// Every rule, with its name in the API.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("any", Self::Any),
        ("avoidOne", Self::AvoidOne),
        ("pairs", Self::Pairs),
        ("none", Self::None),
    ];

    /// The rule of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, split)| *split)
    }

    /// The rule's name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::AvoidOne => "avoidOne",
            Self::Pairs => "pairs",
            Self::None => "none",
        }
    }

    /// Whether that many seats may be taken from a run of so many.
    pub fn permits(self, run: u32, quantity: u32) -> bool {
        let is_possible = (1..=run).contains(&quantity);
        let is_permitted = match self {
            Self::Any => true,
            Self::AvoidOne => run.checked_sub(quantity) != Some(1) || planted(Bug::SplitOffByOne),
            // A single seat has no even part; it must not stay for ever.
            Self::Pairs => quantity.is_multiple_of(2) || run == 1,
            Self::None => quantity == run,
        };
        is_possible && is_permitted
    }
}

/// Some of a listing's seats, as a set of places in its order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeatSet(u64);

impl SeatSet {
    /// No seat.
    pub const NONE: Self = Self(0);
    /// The first seat.
    pub const ONE: Self = Self(1);

    /// The first so many seats; [`MAX_SEATS`] at most.
    pub fn first(quantity: u32) -> Self {
        let quantity = quantity.min(MAX_SEATS);
        Self((1_u64 << quantity) - 1)
    }

    /// The seat at a place, counted from 0; none if no listing has it.
    pub fn at(place: u32) -> Self {
        if place < MAX_SEATS { Self(1 << place) } else { Self::NONE }
    }

    /// The seats of a number that [`SeatSet::bits`] gave; `None` if it names places that no listing
    /// has.
    pub fn from_bits(bits: u64) -> Option<Self> {
        (bits & !Self::first(MAX_SEATS).0 == 0).then_some(Self(bits))
    }

    /// The set as a number: its lowest bit is the first seat.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// How many seats there are in it.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The seats of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The seats of this set that are not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a seat is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every seat of the other is in this set.
    pub fn contains(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// The places of the seats, counted from 0, in order.
    pub fn places(self) -> impl Iterator<Item = u32> {
        (0..MAX_SEATS).filter(move |place| self.0 & (1 << place) != 0)
    }

    /// The first so many of these seats.
    fn lowest(self, quantity: u32) -> Self {
        let taken = usize::try_from(quantity).unwrap_or(usize::MAX);
        Self(self.places().take(taken).fold(0, |bits, place| bits | 1 << place))
    }
}

impl fmt::Debug for SeatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.places()).finish()
    }
}

/// What of a listing can be ordered at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSeats {
    /// The seats that nobody holds.
    pub free: SeatSet,
    /// Whether seats have names, and so neighbours.
    pub are_numbered: bool,
    /// How the listing may be divided.
    pub split: Split,
    /// The most that one order may take.
    pub most: u32,
}

impl FreeSeats {
    /// Whether an order may take that many.
    pub fn offers(self, quantity: u32) -> bool {
        self.run_for(quantity).is_some()
    }

    /// The quantities that an order may take, ascending.
    pub fn buyable(self) -> Vec<u32> {
        (1..=self.free.len()).filter(|quantity| self.offers(*quantity)).collect()
    }

    /// The smallest quantity that an order may take.
    pub fn smallest(self) -> Option<u32> {
        (1..=self.free.len()).find(|quantity| self.offers(*quantity))
    }

    /// The seats that an order of that many gets: the low end of the shortest run that permits it,
    /// which is the run that fits exactly where there is one, and the first among equals.
    pub fn choose(self, quantity: u32) -> Option<SeatSet> {
        self.run_for(quantity).map(|run| run.lowest(quantity))
    }

    fn run_for(self, quantity: u32) -> Option<SeatSet> {
        let fitting = self.runs().filter(|run| self.split.permits(run.len(), quantity));
        // The first of those with the least length.
        fitting.min_by_key(|run| run.len()).filter(|_| quantity <= self.most)
    }

    /// The stretches of free seats, in order.
    fn runs(self) -> impl Iterator<Item = SeatSet> {
        let mut left = self.free.0;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let run = if self.are_numbered { first_stretch(left) } else { left };
            left &= !run;
            Some(SeatSet(run))
        })
    }
}

/// The lowest bits that are set without a gap.
fn first_stretch(bits: u64) -> u64 {
    let start = bits.trailing_zeros();
    let length = (bits >> start).trailing_ones();
    // No listing has 64 seats, so neither shift goes too far.
    ((1_u64 << length) - 1) << start
}

#[cfg(test)]
mod tests;
