//! What is said of a ticket beside its title and its price: where one sits, how many seats there are
//! and how they may be divided.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::seats::MAX_SEATS;
use super::text::{Label, Notes};
use super::{FreeSeats, Price, SeatSet, ShowBrief, Split};

/// What is said of a ticket beside its title and its price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The section, as it is printed.
    pub section: Option<Label>,
    /// The row, as it is printed.
    pub row: Option<Label>,
    /// The name of each seat, in their order; `None` if they are not numbered.
    pub seats: Option<Vec<Label>>,
    /// How many seats there are.
    pub quantity: u32,
    /// How they may be divided among buyers.
    pub split: Split,
    /// What each cost where it was first sold.
    pub face_value: Option<Price>,
    /// What else the seller says.
    pub notes: Option<Notes>,
    /// The show that it admits to, as it was when this was written.
    pub show: Option<Arc<ShowBrief>>,
}

/// One seat of which nothing is said.
pub static PLAIN: Listing = Listing {
    section: None,
    row: None,
    seats: None,
    quantity: 1,
    split: Split::AvoidOne,
    face_value: None,
    notes: None,
    show: None,
};

impl Default for Listing {
    fn default() -> Self {
        PLAIN.clone()
    }
}

/// What a seller says, or changes. `None` is not said: it stays as it is, or is what
/// [`PLAIN`] has. `Some(None)` takes back what was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListingDraft {
    /// The section.
    pub section: Option<Option<Label>>,
    /// The row.
    pub row: Option<Option<Label>>,
    /// The name of each seat. Without a quantity they say how many there are.
    pub seats: Option<Option<Vec<Label>>>,
    /// How many seats there are.
    pub quantity: Option<u32>,
    /// How they may be divided.
    pub split: Option<Split>,
    /// What each cost where it was first sold.
    pub face_value: Option<Option<Price>>,
    /// What else the seller says.
    pub notes: Option<Option<Notes>>,
    /// The show that it admits to.
    pub show: Option<Option<Arc<ShowBrief>>>,
}

/// A rule that a listing breaks. The messages are shown to clients as they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ListingFault {
    /// There is none, or there are more than [`MAX_SEATS`].
    #[error("quantity must be a whole number from 1 to {MAX_SEATS}")]
    Quantity,
    /// The venue has no such section.
    #[error("section must be one of the venue's")]
    Section,
    /// Two seats have the same name.
    #[error("seats must not repeat a name")]
    RepeatedSeat,
    /// There are more names than seats, or fewer.
    #[error("seats must name as many seats as quantity says")]
    SeatCount,
    /// Pairs of an odd number of seats.
    #[error("split \"pairs\" needs an even quantity")]
    OddPairs,
    /// The rule leaves nothing that one buyer may order.
    #[error("split leaves nothing to order, for one buyer may have at most {most} seats")]
    NothingToOrder {
        /// How many seats one buyer may have.
        most: u32,
    },
    /// Where prices have a cap, the face value must be known.
    #[error("faceValue is needed, for a price may be at most {percent} % of it here")]
    NoFaceValue {
        /// The cap, in percent of the face value.
        percent: u32,
    },
    /// The price is higher than may be asked there.
    #[error("price must be at most {percent} % of faceValue here")]
    AboveCap {
        /// The cap, in percent of the face value.
        percent: u32,
    },
}

impl ListingFault {
    /// The field that is at fault.
    pub fn field(self) -> &'static str {
        match self {
            Self::Quantity => "quantity",
            Self::Section => "section",
            Self::RepeatedSeat | Self::SeatCount => "seats",
            Self::OddPairs | Self::NothingToOrder { .. } => "split",
            Self::NoFaceValue { .. } => "faceValue",
            Self::AboveCap { .. } => "price",
        }
    }
}

impl Listing {
    /// The listing with what a draft says of it.
    #[must_use]
    pub fn with(&self, draft: &ListingDraft) -> Self {
        let ListingDraft { section, row, seats, quantity, split, face_value, notes, show } =
            draft.clone();
        let seats = match (seats, quantity) {
            (Some(seats), _) => seats,
            // Names that are too many or too few by now are told, not dropped.
            (None, _) => self.seats.clone(),
        };
        let named = seats.as_ref().and_then(|names| u32::try_from(names.len()).ok());
        let are_new = draft.seats.is_some();
        let quantity = quantity.or(named.filter(|_| are_new)).unwrap_or(self.quantity);
        Self {
            section: section.unwrap_or_else(|| self.section.clone()),
            row: row.unwrap_or_else(|| self.row.clone()),
            seats,
            quantity,
            split: split.unwrap_or(self.split),
            face_value: face_value.unwrap_or(self.face_value),
            notes: notes.unwrap_or_else(|| self.notes.clone()),
            show: show.unwrap_or_else(|| self.show.clone()),
        }
    }

    /// Every rule that it breaks. `most` is how many seats one buyer may have.
    pub fn faults(&self, most: u32) -> Vec<ListingFault> {
        let mut faults = Vec::new();
        let is_possible = (1..=MAX_SEATS).contains(&self.quantity);
        if !is_possible {
            faults.push(ListingFault::Quantity);
        }
        if let Some(names) = &self.seats {
            let different: BTreeSet<&str> = names.iter().map(Label::as_str).collect();
            if different.len() != names.len() {
                faults.push(ListingFault::RepeatedSeat);
            }
            if is_possible && usize::try_from(self.quantity) != Ok(names.len()) {
                faults.push(ListingFault::SeatCount);
            }
        }
        let is_odd = self.split == Split::Pairs && !self.quantity.is_multiple_of(2);
        if is_odd {
            faults.push(ListingFault::OddPairs);
        } else if is_possible && self.free(self.all(), most).smallest().is_none() {
            faults.push(ListingFault::NothingToOrder { most });
        }
        faults
    }

    /// All its seats.
    pub fn all(&self) -> SeatSet {
        SeatSet::first(self.quantity)
    }

    /// What can be ordered when these seats are free.
    pub fn free(&self, free: SeatSet, most: u32) -> FreeSeats {
        FreeSeats { free, are_numbered: self.seats.is_some(), split: self.split, most }
    }

    /// The names of some of its seats, if they have names.
    pub fn names(&self, of: SeatSet) -> Option<Vec<Label>> {
        let names = self.seats.as_ref()?;
        let name = |place| usize::try_from(place).ok().and_then(|place| names.get(place)).cloned();
        Some(of.places().filter_map(name).collect())
    }

    /// Whether its seats are those of the other: which ones they are, and where.
    pub fn has_seats_of(&self, other: &Self) -> bool {
        let show = |listing: &Self| listing.show.as_ref().map(|show| show.id);
        show(self) == show(other)
            && self.section == other.section
            && self.row == other.row
            && self.seats == other.seats
            && self.quantity == other.quantity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| Label::parse(name).expect("a label")).collect()
    }

    fn named(names: &[&str]) -> ListingDraft {
        ListingDraft { seats: Some(Some(labels(names))), ..ListingDraft::default() }
    }

    fn of(quantity: u32) -> ListingDraft {
        ListingDraft { quantity: Some(quantity), ..ListingDraft::default() }
    }

    fn faults(draft: &ListingDraft) -> Vec<ListingFault> {
        PLAIN.with(draft).faults(12)
    }

    #[test]
    fn seats_say_how_many_there_are_unless_the_quantity_does() {
        assert_eq!(PLAIN.with(&named(&["7", "8", "9"])).quantity, 3);
        assert_eq!(PLAIN.with(&of(4)).quantity, 4);
        assert_eq!(PLAIN.with(&ListingDraft::default()), PLAIN);
        let both = ListingDraft { quantity: Some(2), ..named(&["7", "8", "9"]) };
        assert_eq!(faults(&both), [ListingFault::SeatCount]);
        let listed = PLAIN.with(&named(&["7", "8"]));
        assert_eq!(listed.with(&of(3)).faults(12), [ListingFault::SeatCount], "one has no name");
        assert_eq!(listed.with(&named(&["1"])).quantity, 1);
        let unnamed = ListingDraft { seats: Some(None), ..ListingDraft::default() };
        assert_eq!(listed.with(&unnamed).quantity, 2, "there are as many as before");
    }

    #[test]
    fn every_rule_that_a_listing_breaks_is_told() {
        assert_eq!(faults(&of(0)), [ListingFault::Quantity]);
        assert_eq!(faults(&of(51)), [ListingFault::Quantity]);
        assert_eq!(faults(&of(50)), []);
        assert_eq!(faults(&named(&["7", "7"])), [ListingFault::RepeatedSeat]);
        assert_eq!(faults(&named(&[])), [ListingFault::Quantity]);
        let pairs = |draft| ListingDraft { split: Some(Split::Pairs), ..draft };
        assert_eq!(faults(&pairs(of(3))), [ListingFault::OddPairs]);
        assert_eq!(faults(&pairs(of(1))), [ListingFault::OddPairs]);
        assert_eq!(faults(&pairs(of(4))), []);
        let whole = |quantity| ListingDraft { split: Some(Split::None), ..of(quantity) };
        assert_eq!(faults(&whole(12)), []);
        assert_eq!(faults(&whole(13)), [ListingFault::NothingToOrder { most: 12 }]);
        let two_alone = PLAIN.with(&of(2));
        assert_eq!(two_alone.faults(1), [ListingFault::NothingToOrder { most: 1 }]);
    }

    #[test]
    fn names_of_seats_are_those_of_their_places() {
        let listing = PLAIN.with(&named(&["a", "b", "c"]));
        let two = SeatSet::first(3).without(SeatSet::first(1));
        assert_eq!(listing.names(two), Some(labels(&["b", "c"])));
        assert_eq!(PLAIN.names(SeatSet::first(1)), None);
    }
}
