//! A ticket for sale, and every decision about it.
//!
//! ```text
//!                 Reserve                    Sell
//!   Available ─────────────▶ Locked ─────────────────▶ Sold
//!    │  ▲  ▲                   │
//!    │  │  └──────Release──────┘
//!    │  └─Edit
//!    └─Withdraw─▶ (gone)
//! ```
//!
//! What is left when its show starts or is cancelled is closed for good.
//!
//! That is a ticket of one seat. One of several goes that way seat by seat, each with the order that
//! took it: see [`Allotment`]. Withdrawn with seats sold, it stays and sells no more.
//!
//! A lock belongs to one order and only that order releases it or turns it into a sale; the
//! ticket never looks at the clock. Whether a deadline has passed is the order's to decide
//! (see [`super::Purchase`]), and both change in one commit.

mod several;

use std::sync::Arc;

use thiserror::Error;

pub use self::several::{Allotment, ClosedReason, Part, PartState};

use super::listing::{Listing, ListingDraft, ListingFault, PLAIN};
use super::{
    FeeRates, FreeSeats, Order, OrderId, PassesThere, Price, SeatFees, SeatSet, ShowBrief,
    TicketId, Timestamp, Title, UserId, Version,
};

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Names the ticket for ever.
    pub id: TicketId,
    /// Who sells it.
    pub seller: UserId,
    /// What it is for.
    pub title: Title,
    /// What each seat costs.
    pub price: Price,
    /// What else is said of it; `None` for one seat of which nothing is said.
    pub listing: Option<Arc<Listing>>,
    /// Whether it can be bought.
    pub state: TicketState,
    /// How many of its seats have a pass, where that was looked up: its row does not say.
    pub passes: Option<PassesThere>,
    /// Rises by one with every change.
    pub version: Version,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether a ticket can be bought, and who holds it if not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketState {
    /// Anyone but the seller may lock it.
    Available,
    /// One order holds it while its buyer pays.
    Locked {
        /// The order that holds it.
        order: OrderId,
        /// The order's deadline.
        until: Timestamp,
    },
    /// It is the buyer's.
    Sold {
        /// The order it was sold by.
        order: OrderId,
    },
    /// It has several seats, each of which stands for itself.
    Several(Allotment),
}

/// A ticket's state without its details, as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketStatus {
    /// A seat is free.
    Available,
    /// Orders have every seat, and not all of them are paid.
    Locked,
    /// Every seat is its buyer's.
    Sold,
    /// It sells no more.
    Closed,
}

/// What the market adds to what a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The fees.
    pub fees: FeeRates,
    /// How many seats one buyer may have.
    pub most_seats: u32,
}

impl Terms {
    /// What a seat at a price costs its buyer.
    pub fn total(&self, price: Price) -> Price {
        price.total(self.fees.of(price).buyer_minor, 1)
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self { fees: FeeRates::default(), most_seats: 12 }
    }
}

/// What a buyer wants of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// How many seats; by default as few as can be had.
    pub quantity: Option<u32>,
    /// What the buyer was shown that a seat costs without fees, if they say.
    pub price: Option<Price>,
    /// What the buyer was shown that all seats cost with fees, if they say.
    pub total: Option<Price>,
}

/// What can be asked of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketCommand {
    /// The seller changes what it is or costs; `None` leaves a field as it is.
    Edit {
        /// Who asks.
        by: UserId,
        /// The new title.
        title: Option<Title>,
        /// The new price.
        price: Option<Price>,
        /// What else changes.
        listing: Box<ListingDraft>,
        /// How many seats one buyer may have.
        most_seats: u32,
        /// Which versions the seller means to change.
        expected: ExpectedVersion,
    },
    /// The seller takes it off the market.
    Withdraw {
        /// Who asks.
        by: UserId,
        /// Which versions the seller means to withdraw.
        expected: ExpectedVersion,
    },
    /// A buyer locks it.
    Reserve {
        /// Who asks.
        by: UserId,
        /// The order that will hold it.
        order: OrderId,
        /// The order's deadline.
        until: Timestamp,
        /// What of it.
        wanted: Wanted,
        /// What the market adds.
        terms: Terms,
    },
    /// What is left of it is not for sale any more.
    Close {
        /// Why.
        reason: ClosedReason,
    },
    /// The order that holds it gives it back.
    Release {
        /// The order that asks.
        order: OrderId,
    },
    /// The order that holds it has been paid.
    Sell {
        /// The order that asks.
        order: OrderId,
    },
}

/// The versions of a resource that a client's change is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExpectedVersion {
    /// Whatever it is now.
    #[default]
    Any,
    /// Only these; an empty list matches none.
    OneOf(Vec<u64>),
}

impl ExpectedVersion {
    /// Whether a resource at this version may be changed.
    pub fn allows(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version.number()),
        }
    }

    fn check(&self, version: Version) -> Result<(), TicketRejection> {
        if self.allows(version) {
            Ok(())
        } else {
            Err(TicketRejection::VersionMismatch { current: version })
        }
    }
}

/// What a ticket becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketDecision {
    /// It already is what was asked for.
    Unchanged,
    /// It changes to this.
    Changed(Ticket),
    /// It is gone; this is what it was, one version on.
    Withdrawn(Ticket),
}

/// Why a ticket refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TicketRejection {
    /// Only the seller may do that.
    #[error("only the seller can change a ticket")]
    NotOwner,
    /// Sellers do not buy from themselves.
    #[error("you cannot buy your own ticket")]
    OwnTicket,
    /// An order holds it.
    #[error("the ticket is locked by an order")]
    Locked {
        /// The order.
        order: OrderId,
        /// When the lock ends unless it is paid.
        until: Timestamp,
    },
    /// It has been sold.
    #[error("the ticket has been sold")]
    Sold,
    /// It does not cost what the buyer was shown.
    #[error("the price has changed")]
    PriceChanged {
        /// What a seat costs now, without fees.
        price: Price,
        /// What all seats cost now, with fees.
        total: Price,
    },
    /// So many seats can't be had now.
    #[error("so many seats can't be had")]
    QuantityUnavailable {
        /// What can be.
        left: FreeSeats,
    },
    /// One buyer may not have so many seats.
    #[error("one buyer may not have so many seats")]
    TooManySeats {
        /// How many they may have.
        most: u32,
    },
    /// It sells no more.
    #[error("the ticket is closed")]
    Closed,
    /// Its seats have passes, which are for these seats and no others.
    #[error("the seats have passes")]
    HasPasses,
    /// It would break a rule of listings.
    #[error(transparent)]
    BadListing(ListingFault),
    /// The client's change was meant for another version.
    #[error("the ticket has changed since it was read")]
    VersionMismatch {
        /// The version it has now.
        current: Version,
    },
    /// The order that asks does not hold it.
    #[error("the order does not hold the ticket")]
    NotHeld,
}

impl Ticket {
    /// A new listing of one seat.
    pub fn list(id: TicketId, seller: UserId, title: Title, price: Price, now: Timestamp) -> Self {
        Self {
            id,
            seller,
            title,
            price,
            listing: None,
            state: TicketState::Available,
            passes: None,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }

    /// A new listing of which more is said.
    #[must_use]
    pub fn described(self, listing: Listing) -> Self {
        let state = state_of_free(&listing);
        Self { state, ..self.described_as(listing) }
    }

    /// What is said of it beside title and price.
    pub fn listing(&self) -> &Listing {
        self.listing.as_deref().unwrap_or(&PLAIN)
    }

    /// The show that it admits to, as it was when the ticket was written.
    pub fn show(&self) -> Option<&ShowBrief> {
        self.listing.as_deref()?.show.as_deref()
    }

    /// The ticket with its show as that is now.
    #[must_use]
    pub fn shown_with(&self, show: Arc<ShowBrief>) -> Self {
        let listing = Listing { show: Some(show), ..self.listing().clone() };
        Self { listing: Some(Arc::new(listing)), ..self.clone() }
    }

    /// The seats that are their buyers'.
    pub fn sold(&self) -> SeatSet {
        match &self.state {
            TicketState::Available | TicketState::Locked { .. } => SeatSet::NONE,
            TicketState::Sold { .. } => SeatSet::ONE,
            TicketState::Several(allotment) => allotment.sold(),
        }
    }

    /// The seats that orders hold and have not paid.
    pub fn held(&self) -> SeatSet {
        match &self.state {
            TicketState::Available | TicketState::Sold { .. } => SeatSet::NONE,
            TicketState::Locked { .. } => SeatSet::ONE,
            TicketState::Several(allotment) => allotment.held(),
        }
    }

    /// How it stands as a whole.
    pub fn status(&self) -> TicketStatus {
        match &self.state {
            TicketState::Available => TicketStatus::Available,
            TicketState::Locked { .. } => TicketStatus::Locked,
            TicketState::Sold { .. } => TicketStatus::Sold,
            TicketState::Several(allotment) => allotment.status(self.listing().all()),
        }
    }

    /// Why it sells no more, if it does not.
    pub fn closed(&self) -> Option<ClosedReason> {
        match &self.state {
            TicketState::Several(allotment) => allotment.closed,
            TicketState::Available | TicketState::Locked { .. } | TicketState::Sold { .. } => None,
        }
    }

    /// The seats that nobody holds.
    pub fn free(&self) -> SeatSet {
        match &self.state {
            TicketState::Available => SeatSet::first(1),
            TicketState::Locked { .. } | TicketState::Sold { .. } => SeatSet::NONE,
            TicketState::Several(allotment) => allotment.free(self.listing().all()),
        }
    }

    /// What can be ordered of it now.
    pub fn offer(&self, most_seats: u32) -> FreeSeats {
        let free = if self.closed().is_some() { SeatSet::NONE } else { self.free() };
        self.listing().free(free, most_seats)
    }

    /// The order that holds or bought all of it.
    pub fn order(&self) -> Option<OrderId> {
        match &self.state {
            TicketState::Available => None,
            TicketState::Locked { order, .. } | TicketState::Sold { order } => Some(*order),
            TicketState::Several(allotment) => allotment.order_of(self.listing().all()),
        }
    }

    /// What an order holds or bought of it.
    pub fn part_of(&self, order: OrderId) -> Option<Part> {
        let (by, state) = match &self.state {
            TicketState::Available => return None,
            TicketState::Locked { order, until } => (*order, PartState::Held { until: *until }),
            TicketState::Sold { order } => (*order, PartState::Sold),
            TicketState::Several(allotment) => return allotment.part_of(order).copied(),
        };
        (by == order).then_some(Part { order, seats: SeatSet::first(1), state })
    }

    /// Whether it has several seats, so that its row tells who holds which.
    pub fn has_several(&self) -> bool {
        matches!(self.state, TicketState::Several(_))
    }

    /// The ticket closed in the change that made a seat of it free; what has none free stays.
    #[must_use]
    pub fn closed_with(self, reason: ClosedReason) -> Self {
        let state = match &self.state {
            TicketState::Available => closed(reason),
            TicketState::Several(allotment) if allotment.closed.is_none() => {
                TicketState::Several(Allotment { closed: Some(reason), ..allotment.clone() })
            }
            TicketState::Locked { .. } | TicketState::Sold { .. } | TicketState::Several(_) => {
                return self;
            }
        };
        Self { state, ..self }
    }

    /// What an available ticket is from the moment on at which the order was made that holds it:
    /// all of the lock follows from the order. `None` if it could not have been locked.
    pub fn locked_by(&self, order: &Order) -> Option<Self> {
        let state = TicketState::Locked { order: order.id, until: order.expires_at };
        let is_held = self.state == TicketState::Available && order.ticket == self.id;
        is_held.then(|| self.next(order.created_at, state))
    }

    /// Decides one command.
    pub fn decide(
        &self,
        command: &TicketCommand,
        now: Timestamp,
    ) -> Result<TicketDecision, TicketRejection> {
        use TicketCommand::{Close, Edit, Release, Reserve, Sell, Withdraw};
        use TicketState::{Available, Locked, Several, Sold};

        self.authorise(command)?;
        let became = |state| Ok(TicketDecision::Changed(self.next(now, state)));
        match (&self.state, command) {
            (Available, Edit { title, price, listing, most_seats, expected, .. }) => {
                expected.check(self.version)?;
                self.edited(title.as_ref(), *price, listing, *most_seats, now)
            }
            (Available, Withdraw { expected, .. }) => {
                expected.check(self.version)?;
                Ok(TicketDecision::Withdrawn(self.next(now, Available)))
            }
            (Available, Reserve { order, until, wanted, terms, .. }) => {
                self.choose(wanted, terms)?;
                became(Locked { order: *order, until: *until })
            }
            (Available, Close { reason }) => became(closed(*reason)),
            (Available, Release { .. } | Sell { .. }) => Err(TicketRejection::NotHeld),

            (
                Locked { order, until },
                Edit { .. } | Withdraw { .. } | Reserve { .. } | Close { .. },
            ) => Err(TicketRejection::Locked { order: *order, until: *until }),
            (Locked { order: holder, .. }, Release { order }) if holder == order => {
                became(Available)
            }
            (Locked { order: holder, .. }, Sell { order }) if holder == order => {
                became(Sold { order: *order })
            }
            (Locked { .. }, Release { .. } | Sell { .. }) => Err(TicketRejection::NotHeld),

            (Sold { .. }, Edit { .. } | Withdraw { .. } | Reserve { .. }) => {
                Err(TicketRejection::Sold)
            }
            (Sold { .. }, Close { .. }) => Ok(TicketDecision::Unchanged),
            (Sold { .. }, Release { .. } | Sell { .. }) => Err(TicketRejection::NotHeld),

            (Several(allotment), command) => self.decide_on_several(allotment, command, now),
        }
    }

    /// The seats that a buyer gets of what is free.
    fn choose(&self, wanted: &Wanted, terms: &Terms) -> Result<SeatSet, TicketRejection> {
        let left = self.offer(terms.most_seats);
        let unavailable = TicketRejection::QuantityUnavailable { left };
        let quantity = wanted.quantity.or_else(|| left.smallest()).ok_or(unavailable)?;
        if quantity > terms.most_seats {
            return Err(TicketRejection::TooManySeats { most: terms.most_seats });
        }
        let seats = left.choose(quantity).ok_or(unavailable)?;
        let total = self.price.total(self.fees(terms).buyer_minor, quantity);
        let is_as_shown = wanted.price.is_none_or(|price| price == self.price)
            && wanted.total.is_none_or(|shown| shown == total);
        if is_as_shown {
            Ok(seats)
        } else {
            Err(TicketRejection::PriceChanged { price: self.price, total })
        }
    }

    /// The fees of one seat.
    pub fn fees(&self, terms: &Terms) -> SeatFees {
        terms.fees.of(self.price)
    }

    /// Who may ask comes before whether it can be done.
    fn authorise(&self, command: &TicketCommand) -> Result<(), TicketRejection> {
        match command {
            TicketCommand::Edit { by, .. } | TicketCommand::Withdraw { by, .. } => {
                if *by == self.seller { Ok(()) } else { Err(TicketRejection::NotOwner) }
            }
            TicketCommand::Reserve { by, .. } => {
                if *by == self.seller {
                    Err(TicketRejection::OwnTicket)
                } else {
                    Ok(())
                }
            }
            TicketCommand::Close { .. }
            | TicketCommand::Release { .. }
            | TicketCommand::Sell { .. } => Ok(()),
        }
    }

    fn edited(
        &self,
        title: Option<&Title>,
        price: Option<Price>,
        draft: &ListingDraft,
        most_seats: u32,
        now: Timestamp,
    ) -> Result<TicketDecision, TicketRejection> {
        let title = title.unwrap_or(&self.title);
        let price = price.unwrap_or(self.price);
        let before = self.listing();
        let listing = before.with(draft);
        let is_described_anew = listing != *before;
        if *title == self.title && price == self.price && !is_described_anew {
            return Ok(TicketDecision::Unchanged);
        }
        let next = Self { title: title.clone(), price, ..self.next(now, self.state.clone()) };
        if !is_described_anew {
            return Ok(TicketDecision::Changed(next));
        }
        if let Some(fault) = listing.faults(most_seats).first() {
            return Err(TicketRejection::BadListing(*fault));
        }
        let has_same_seats = listing.has_seats_of(before);
        let state = if has_same_seats { self.state.clone() } else { state_of_free(&listing) };
        Ok(TicketDecision::Changed(Self { state, ..next.described_as(listing) }))
    }

    fn described_as(self, listing: Listing) -> Self {
        Self { listing: (listing != PLAIN).then(|| Arc::new(listing)), ..self }
    }

    fn next(&self, now: Timestamp, state: TicketState) -> Self {
        Self { state, version: self.version.next(), updated_at: now, ..self.clone() }
    }
}

/// The state of a ticket of one seat that nobody has and that is not for sale any more: it is told like
/// that of several.
fn closed(reason: ClosedReason) -> TicketState {
    TicketState::Several(Allotment { closed: Some(reason), ..Allotment::default() })
}

/// The state of a listing of which nobody has a seat.
fn state_of_free(listing: &Listing) -> TicketState {
    if listing.quantity == 1 {
        TicketState::Available
    } else {
        TicketState::Several(Allotment::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Timestamp = Timestamp::from_millis(901_000);
    const SELLER: UserId = UserId::from_u128(1);
    const BUYER: UserId = UserId::from_u128(2);
    const HOLDER: OrderId = OrderId::from_u128(3);
    const OTHER: OrderId = OrderId::from_u128(4);

    fn title(text: &str) -> Title {
        Title::parse(text).expect("a valid title")
    }

    fn price(minor: u64) -> Price {
        Price::from_minor(minor, "usd".parse().expect("a currency")).expect("a valid price")
    }

    fn ticket(state: TicketState) -> Ticket {
        let listed = Ticket::list(TicketId::from_u128(9), SELLER, title("Rock"), price(4000), NOW);
        Ticket { state, ..listed }
    }

    fn locked() -> Ticket {
        ticket(TicketState::Locked { order: HOLDER, until: LATER })
    }

    fn edit(by: UserId) -> TicketCommand {
        TicketCommand::Edit {
            by,
            title: Some(title("Jazz")),
            price: None,
            listing: Box::default(),
            most_seats: 12,
            expected: ExpectedVersion::Any,
        }
    }

    fn withdraw(by: UserId) -> TicketCommand {
        TicketCommand::Withdraw { by, expected: ExpectedVersion::Any }
    }

    fn reserve(by: UserId) -> TicketCommand {
        let (wanted, terms) = (Wanted::default(), Terms::default());
        TicketCommand::Reserve { by, order: OTHER, until: LATER, wanted, terms }
    }

    fn becomes(ticket: &Ticket, command: &TicketCommand) -> TicketState {
        match ticket.decide(command, NOW) {
            Ok(TicketDecision::Changed(next)) => {
                assert_eq!(next.version, ticket.version.next(), "versions rise by one");
                next.state
            }
            other => panic!("expected a change, got {other:?}"),
        }
    }

    #[test]
    fn an_available_ticket_can_be_locked_edited_and_withdrawn() {
        let ticket = ticket(TicketState::Available);
        let lock = TicketState::Locked { order: OTHER, until: LATER };
        assert_eq!(becomes(&ticket, &reserve(BUYER)), lock);
        assert_eq!(becomes(&ticket, &edit(SELLER)), TicketState::Available);
        let gone = ticket.decide(&withdraw(SELLER), NOW);
        assert!(matches!(gone, Ok(TicketDecision::Withdrawn(was)) if was.version.number() == 1));
    }

    #[test]
    fn the_one_seat_of_a_plain_ticket_is_its_buyers_once_it_is_sold() {
        let sold = ticket(TicketState::Sold { order: HOLDER });
        assert_eq!(sold.sold(), SeatSet::ONE);
        for other in [ticket(TicketState::Available), locked()] {
            assert_eq!(other.sold(), SeatSet::NONE);
        }
    }

    #[test]
    fn a_lock_refuses_everyone_but_its_order() {
        let ticket = locked();
        let refused = Err(TicketRejection::Locked { order: HOLDER, until: LATER });
        for command in [edit(SELLER), withdraw(SELLER), reserve(BUYER)] {
            assert_eq!(ticket.decide(&command, NOW), refused, "{command:?}");
        }
        for command in
            [TicketCommand::Release { order: OTHER }, TicketCommand::Sell { order: OTHER }]
        {
            assert_eq!(ticket.decide(&command, NOW), Err(TicketRejection::NotHeld));
        }
        let release = TicketCommand::Release { order: HOLDER };
        assert_eq!(becomes(&ticket, &release), TicketState::Available);
        let sell = TicketCommand::Sell { order: HOLDER };
        assert_eq!(becomes(&ticket, &sell), TicketState::Sold { order: HOLDER });
    }

    #[test]
    fn a_sold_ticket_never_changes_again() {
        let ticket = ticket(TicketState::Sold { order: HOLDER });
        for command in [edit(SELLER), withdraw(SELLER), reserve(BUYER)] {
            assert_eq!(ticket.decide(&command, NOW), Err(TicketRejection::Sold), "{command:?}");
        }
        for order in [HOLDER, OTHER] {
            for command in [TicketCommand::Release { order }, TicketCommand::Sell { order }] {
                assert_eq!(ticket.decide(&command, NOW), Err(TicketRejection::NotHeld));
            }
        }
    }

    #[test]
    fn nobody_holds_an_available_ticket() {
        let ticket = ticket(TicketState::Available);
        for command in
            [TicketCommand::Release { order: HOLDER }, TicketCommand::Sell { order: HOLDER }]
        {
            assert_eq!(ticket.decide(&command, NOW), Err(TicketRejection::NotHeld));
        }
    }

    #[test]
    fn who_asks_is_checked_before_what_is_asked() {
        for state in [TicketState::Available, locked().state, TicketState::Sold { order: HOLDER }] {
            let ticket = ticket(state);
            assert_eq!(ticket.decide(&edit(BUYER), NOW), Err(TicketRejection::NotOwner));
            assert_eq!(ticket.decide(&withdraw(BUYER), NOW), Err(TicketRejection::NotOwner));
            assert_eq!(ticket.decide(&reserve(SELLER), NOW), Err(TicketRejection::OwnTicket));
        }
    }

    #[test]
    fn an_edit_meant_for_another_version_is_refused() {
        let ticket = ticket(TicketState::Available);
        let at = |versions| TicketCommand::Edit {
            by: SELLER,
            title: None,
            price: Some(price(1)),
            listing: Box::default(),
            most_seats: 12,
            expected: ExpectedVersion::OneOf(versions),
        };
        let mismatch = Err(TicketRejection::VersionMismatch { current: Version::FIRST });
        assert_eq!(ticket.decide(&at(vec![1]), NOW), mismatch);
        assert_eq!(ticket.decide(&at(vec![]), NOW), mismatch);
        assert!(ticket.decide(&at(vec![7, 0]), NOW).is_ok());
    }

    #[test]
    fn an_edit_that_changes_nothing_makes_no_new_version() {
        let ticket = ticket(TicketState::Available);
        let same = TicketCommand::Edit {
            by: SELLER,
            title: Some(title("Rock")),
            price: None,
            listing: Box::default(),
            most_seats: 12,
            expected: ExpectedVersion::Any,
        };
        assert_eq!(ticket.decide(&same, NOW), Ok(TicketDecision::Unchanged));
    }
}
