//! A ticket of several seats: who has which of them.
//!
//! Each seat is free, held by one order or sold to one order. An order has a *part*: the seats that
//! it was given when it was made, and no others ever.

use super::{
    Listing, ListingDraft, Terms, Ticket, TicketCommand, TicketDecision, TicketRejection,
    TicketState, TicketStatus, Wanted,
};
use crate::bugs::{Bug, planted};
use crate::domain::{OrderId, SeatSet, Timestamp};

/// Who has the seats of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allotment {
    /// The parts that orders have. No two share a seat.
    pub parts: Vec<Part>,
    /// Why what is free is not for sale any more.
    pub closed: Option<ClosedReason>,
}

/// The seats that an order has of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The order.
    pub order: OrderId,
    /// Its seats.
    pub seats: SeatSet,
    /// Whether they are paid.
    pub state: PartState,
}

/// Whether an order's seats are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// Held while the buyer pays.
    Held {
        /// The order's deadline.
        until: Timestamp,
    },
    /// They are the buyer's.
    Sold,
}

/// Why a ticket sells no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClosedReason {
    /// Its seller has withdrawn what was left.
    Withdrawn,
    /// Its show has started.
    ShowOver,
    /// Its show was cancelled.
    ShowCancelled,
}

impl Allotment {
    /// The seats of all that nobody has.
    pub fn free(&self, all: SeatSet) -> SeatSet {
        self.parts.iter().fold(all, |free, part| free.without(part.seats))
    }

    /// Whether each seat has one order at most, and is one of all.
    pub fn is_sound(&self, all: SeatSet) -> bool {
        let mut taken = SeatSet::NONE;
        self.parts.iter().all(|part| {
            let is_apart = !taken.overlaps(part.seats) && !part.seats.is_empty();
            taken = taken.with(part.seats);
            is_apart && all.contains(part.seats)
        })
    }

    /// What an order has.
    pub fn part_of(&self, order: OrderId) -> Option<&Part> {
        self.parts.iter().find(|part| part.order == order)
    }

    /// The order that has all.
    pub fn order_of(&self, all: SeatSet) -> Option<OrderId> {
        self.parts.iter().find(|part| part.seats == all).map(|part| part.order)
    }

    /// How the ticket stands as a whole.
    pub fn status(&self, all: SeatSet) -> TicketStatus {
        let is_sold_out = self.sold() == all;
        if is_sold_out {
            TicketStatus::Sold
        } else if self.closed.is_some() {
            TicketStatus::Closed
        } else if self.free(all).is_empty() {
            TicketStatus::Locked
        } else {
            TicketStatus::Available
        }
    }

    /// The seats that are their buyers'.
    pub fn sold(&self) -> SeatSet {
        let sold = self.parts.iter().filter(|part| part.state == PartState::Sold);
        sold.fold(SeatSet::NONE, |sold, part| sold.with(part.seats))
    }

    /// The orders that bought seats, the first first.
    pub fn sold_to(&self) -> impl Iterator<Item = OrderId> {
        let sold = self.parts.iter().filter(|part| part.state == PartState::Sold);
        sold.map(|part| part.order)
    }

    /// The seats that are held and not paid.
    pub fn held(&self) -> SeatSet {
        let held = self.parts.iter().filter(|part| part.state != PartState::Sold);
        held.fold(SeatSet::NONE, |held, part| held.with(part.seats))
    }

    /// The hold that ends first, as a refusal.
    fn refusal_of_holds(&self) -> Option<TicketRejection> {
        let holds = self.parts.iter().filter_map(|part| match part.state {
            PartState::Held { until } => Some((until, part.order)),
            PartState::Sold => None,
        });
        holds.min().map(|(until, order)| TicketRejection::Locked { order, until })
    }

    /// With a part at the end: those that are paid follow each other as they were.
    fn with(&self, part: Part) -> Self {
        let mut after = self.without(part.order);
        after.parts.push(part);
        after
    }

    fn without(&self, order: OrderId) -> Self {
        let others = self.parts.iter().filter(|part| part.order != order);
        Self { parts: others.copied().collect(), closed: self.closed }
    }
}

type Decided = Result<TicketDecision, TicketRejection>;

impl Ticket {
    /// Decides one command that whoever asks may give.
    pub(super) fn decide_on_several(
        &self,
        allotment: &Allotment,
        command: &TicketCommand,
        now: Timestamp,
    ) -> Decided {
        use TicketCommand::{Close, Edit, Release, Reserve, Sell, Withdraw};
        let became = |allotment| {
            Ok(TicketDecision::Changed(self.next(now, TicketState::Several(allotment))))
        };
        match command {
            Edit { title, price, listing, most_seats, expected, .. } => {
                self.can_be_edited(allotment, listing)?;
                expected.check(self.version)?;
                self.edited(title.as_ref(), *price, listing, *most_seats, now)
            }
            Withdraw { expected, .. } => {
                let decision = self.withdrawn(allotment, now)?;
                expected.check(self.version)?;
                Ok(decision)
            }
            Reserve { order, until, wanted, terms, .. } => {
                let seats = self.take(allotment, wanted, terms)?;
                let state = PartState::Held { until: *until };
                became(allotment.with(Part { order: *order, seats, state }))
            }
            Close { reason } => match self.status() {
                // Asking for a state already reached is a success.
                TicketStatus::Sold | TicketStatus::Closed => Ok(TicketDecision::Unchanged),
                TicketStatus::Available | TicketStatus::Locked => {
                    became(Allotment { closed: Some(*reason), ..allotment.clone() })
                }
            },
            Release { order } => {
                held_by(allotment, *order)?;
                became(allotment.without(*order))
            }
            Sell { order } => {
                let part = held_by(allotment, *order)?;
                became(allotment.with(Part { state: PartState::Sold, ..part }))
            }
        }
    }

    /// The seats of a new order.
    fn take(
        &self,
        allotment: &Allotment,
        wanted: &Wanted,
        terms: &Terms,
    ) -> Result<SeatSet, TicketRejection> {
        match self.status() {
            TicketStatus::Available => {}
            TicketStatus::Closed => return Err(TicketRejection::Closed),
            TicketStatus::Locked | TicketStatus::Sold => {
                return Err(allotment.refusal_of_holds().unwrap_or(TicketRejection::Sold));
            }
        }
        let seats = self.choose(wanted, terms)?;
        let is_given_twice = planted(Bug::SeatGivenTwice) && !allotment.parts.is_empty();
        Ok(if is_given_twice { SeatSet::first(seats.len()) } else { seats })
    }

    /// Whether nobody's part is in the way of a change.
    fn can_be_edited(
        &self,
        allotment: &Allotment,
        changes: &ListingDraft,
    ) -> Result<(), TicketRejection> {
        let taken = || allotment.refusal_of_holds().unwrap_or(TicketRejection::Sold);
        match self.status() {
            TicketStatus::Closed => Err(TicketRejection::Closed),
            TicketStatus::Locked | TicketStatus::Sold => Err(taken()),
            TicketStatus::Available => {
                let before: &Listing = self.listing();
                let has_same_seats = before.with(changes).has_seats_of(before);
                if has_same_seats || allotment.parts.is_empty() { Ok(()) } else { Err(taken()) }
            }
        }
    }

    fn withdrawn(&self, allotment: &Allotment, now: Timestamp) -> Decided {
        match self.status() {
            TicketStatus::Sold => Err(TicketRejection::Sold),
            // What was closed with its show may go as a whole; for all else, asking for a state already
            // reached is a success.
            TicketStatus::Closed if allotment.parts.is_empty() => {
                Ok(TicketDecision::Withdrawn(self.next(now, self.state.clone())))
            }
            TicketStatus::Closed => Ok(TicketDecision::Unchanged),
            TicketStatus::Available | TicketStatus::Locked => {
                if let Some(refusal) = allotment.refusal_of_holds() {
                    return Err(refusal);
                }
                if allotment.parts.is_empty() {
                    return Ok(TicketDecision::Withdrawn(self.next(now, self.state.clone())));
                }
                let closed = Some(ClosedReason::Withdrawn);
                let state = TicketState::Several(Allotment { closed, ..allotment.clone() });
                Ok(TicketDecision::Changed(self.next(now, state)))
            }
        }
    }
}

/// What an order holds and has not paid.
fn held_by(allotment: &Allotment, order: OrderId) -> Result<Part, TicketRejection> {
    match allotment.part_of(order) {
        Some(part @ Part { state: PartState::Held { .. }, .. }) => Ok(*part),
        Some(Part { state: PartState::Sold, .. }) | None => Err(TicketRejection::NotHeld),
    }
}

#[cfg(test)]
mod tests;
