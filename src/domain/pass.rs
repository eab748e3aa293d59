//! Passes: what lets somebody into a show, one for each seat.
//!
//! ```text
//!             the seller adds it                 the seat's order is paid
//!   (nothing) ──────────────────▶ the seller's ────────────────────────────▶ the buyer's
//!                  ▲                   │
//!                  └── taken away ─────┘ while the seat is free
//! ```
//!
//! A ticket has a row of its [`TicketPasses`] beside its own: which seats have one, and which order took
//! it. A pass of a named seat is that seat's. Others go to whoever paid first: an order that is paid takes
//! as many as it has seats, and one that is added later is taken by who waits for it, in the same commit.
//!
//! The same content is sold once. Each pass has the [mark](PassMark) of its content, and a place of that
//! mark and a *generation*, which only one pass can have: the first of a content has generation 0, and
//! whoever bought that and sells it on adds one of generation 1. One whose sale was undone stands for
//! nothing any more, and the one before it counts again.

use thiserror::Error;

use super::resource::Resource;
use super::{
    Label, Order, OrderId, PassId, Purchase, SeatSet, Ticket, TicketId, Timestamp, UserId, Version,
};

/// What a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PassKind {
    /// A PDF document.
    Pdf,
    /// A PNG picture.
    Png,
    /// A JPEG picture.
    Jpeg,
    /// A pass for a phone's wallet.
    Pkpass,
    /// A text that is shown as a QR code.
    Code,
}

impl PassKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pdf, Self::Png, Self::Jpeg, Self::Pkpass, Self::Code];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Pkpass => "pkpass",
            Self::Code => "code",
        }
    }

    /// The media type that it is given out as.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Pkpass => "application/vnd.apple.pkpass",
            Self::Code => "image/svg+xml",
        }
    }
}

/// By which a content is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassMark(pub [u8; 32]);

/// A pass, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Names the pass for ever, and its content.
    pub id: PassId,
    /// The ticket it belongs to.
    pub ticket: TicketId,
    /// Who added it.
    pub seller: UserId,
    /// The name of its seat, if the ticket names seats.
    pub seat: Option<Label>,
    /// What it is.
    pub kind: PassKind,
    /// The mark of its content.
    pub mark: PassMark,
    /// How many passes of this content there were before.
    pub generation: u32,
    /// The key of its content, wrapped.
    pub wrapped_key: Vec<u8>,
    /// When it was added.
    pub created_at: Timestamp,
    /// Rises by one with every change.
    pub version: Version,
}

/// A list of passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// Those of a content, the first first.
    Marked(PassMark),
}

impl Pass {
    /// What the log tells of it.
    pub fn told(&self) -> PassEvent {
        PassEvent { id: self.id, ticket: self.ticket, seller: self.seller }
    }
}

impl Resource for Pass {
    type Id = PassId;
    type List = Passes;

    fn id(&self) -> PassId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// What the log tells of a pass: ids alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassEvent {
    /// The pass.
    pub id: PassId,
    /// The ticket it belongs to.
    pub ticket: TicketId,
    /// Who added it.
    pub seller: UserId,
}

/// A pass among those of its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatPass {
    /// The pass.
    pub pass: PassId,
    /// The place of its seat among the ticket's, if the ticket names seats.
    pub seat: Option<u32>,
    /// The order that took it, from when that was paid.
    pub order: Option<OrderId>,
}

/// The passes of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketPasses {
    /// The ticket.
    pub ticket: TicketId,
    /// Its passes, in the order in which they were added.
    pub seats: Vec<SeatPass>,
    /// Rises by one with every change.
    pub version: Version,
}

/// The lists of tickets with passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketsWithPasses {
    /// All.
    All,
}

/// How many of a ticket's seats have a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassesThere {
    /// None.
    None,
    /// Some, and not all.
    Some,
    /// All.
    All,
}

/// Why a pass is not added or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PassRejection {
    /// The ticket is somebody else's.
    #[error("only the seller can add passes to a ticket")]
    NotOwner,
    /// The ticket names its seats, so the pass has to say which is its.
    #[error("seat must say which of the ticket's seats it is for")]
    SeatNeeded,
    /// The ticket has no such seat.
    #[error("seat must be one of the ticket's seats")]
    UnknownSeat,
    /// Every seat that it could be for has one.
    #[error("the seat has a pass")]
    SeatHasPass,
    /// The same content is with a ticket that is for sale or sold.
    #[error("the same pass is listed")]
    Listed,
    /// The seat is not free any more.
    #[error("the seat is taken")]
    SeatTaken,
    /// The seat was sold, and its buyer has the money back: nobody is let in by a pass for it.
    #[error("the sale of the seat was undone")]
    PaidBack,
}

impl TicketPasses {
    /// The passes of a ticket with another one, and its seat's name. `sales` are the ticket's, who paid
    /// first before others: if one of them waits for it, it takes it.
    ///
    /// # Errors
    ///
    /// [`PassRejection`] if the ticket has no such seat, or a pass for it, or its sale was undone.
    pub fn with(
        before: Option<&Self>,
        ticket: &Ticket,
        pass: PassId,
        seat: Option<&str>,
        sales: &[Purchase],
    ) -> Result<(Self, Option<Label>), PassRejection> {
        let (place, name) = seat_of(ticket, seat)?;
        let known = before.map_or(&[][..], |before| &before.seats);
        let undone = sales.iter().filter(|sale| sale.is_paid_back()).map(|sale| &sale.order);
        let undone: Vec<&Order> = undone.collect();
        let lost = undone.iter().fold(SeatSet::NONE, |lost, order| lost.with(order.seats()));
        match place {
            Some(place) => {
                if known.iter().any(|other| other.seat == Some(place)) {
                    return Err(PassRejection::SeatHasPass);
                }
                if lost.contains(SeatSet::at(place)) {
                    return Err(PassRejection::PaidBack);
                }
            }
            None => {
                let is_lost = |seat: &SeatPass| undone.iter().any(|of| seat.order == Some(of.id));
                let count = known.iter().filter(|seat| !is_lost(seat)).count();
                let most = ticket.listing().quantity.saturating_sub(lost.len());
                if most == 0 {
                    return Err(PassRejection::PaidBack);
                }
                if u32::try_from(count).is_ok_and(|count| count >= most) {
                    return Err(PassRejection::SeatHasPass);
                }
            }
        }
        let new = SeatPass { pass, seat: place, order: None };
        let seats = known.iter().copied().chain([new]).collect();
        let version = before.map_or(Version::FIRST, |before| before.version.next());
        let mut passes = Self { ticket: ticket.id, seats, version };
        for sale in sales.iter().filter(|sale| !sale.is_paid_back()) {
            if let Some(after) = passes.taken_by(&sale.order) {
                passes.seats = after.seats;
            }
        }
        Ok((passes, name))
    }

    /// The passes without one whose seat is free.
    ///
    /// # Errors
    ///
    /// [`PassRejection::SeatTaken`] if it is not.
    pub fn without(&self, ticket: &Ticket, pass: PassId) -> Result<Self, PassRejection> {
        let found = self.seats.iter().find(|seat| seat.pass == pass);
        let found = found.filter(|seat| seat.order.is_none()).ok_or(PassRejection::SeatTaken)?;
        let is_free = match found.seat {
            Some(place) => ticket.free().contains(SeatSet::at(place)),
            // Whoever holds a seat was shown that there is one for it.
            None => self.free_passes() > ticket.held().len(),
        };
        if !is_free {
            return Err(PassRejection::SeatTaken);
        }
        let others = self.seats.iter().filter(|seat| seat.pass != pass);
        Ok(Self { seats: others.copied().collect(), version: self.version.next(), ..self.clone() })
    }

    /// The passes after an order that is paid took what is there for it; `None` if that is nothing.
    #[must_use]
    pub fn taken_by(&self, order: &Order) -> Option<Self> {
        let (seats, has_names) = (order.seats(), order.has_seat_names());
        let had = self.of(order.id).count();
        let mut left = usize::try_from(order.quantity()).unwrap_or(0).saturating_sub(had);
        let mut after = self.seats.clone();
        for seat in after.iter_mut().filter(|seat| seat.order.is_none()) {
            let is_its = match seat.seat {
                Some(place) => has_names && seats.contains(SeatSet::at(place)),
                None => !has_names,
            };
            if is_its && left > 0 {
                seat.order = Some(order.id);
                left -= 1;
            }
        }
        (after != self.seats).then(|| Self {
            seats: after,
            version: self.version.next(),
            ..self.clone()
        })
    }

    /// Whether an order has a pass for each of its seats.
    pub fn are_complete_for(&self, order: &Order) -> bool {
        u32::try_from(self.of(order.id).count()).is_ok_and(|count| count >= order.quantity())
    }

    /// The passes that an order took.
    pub fn of(&self, order: OrderId) -> impl Iterator<Item = PassId> {
        let its = self.seats.iter().filter(move |seat| seat.order == Some(order));
        its.map(|seat| seat.pass)
    }

    /// Those that orders took, one version on.
    #[must_use]
    pub fn sold(&self) -> Self {
        let sold = self.seats.iter().filter(|seat| seat.order.is_some()).copied().collect();
        Self { seats: sold, version: self.version.next(), ..self.clone() }
    }

    /// One of them.
    pub fn find(&self, pass: PassId) -> Option<&SeatPass> {
        self.seats.iter().find(|seat| seat.pass == pass)
    }

    /// How many of a ticket's seats have one.
    pub fn there(&self, ticket: &Ticket) -> PassesThere {
        match u32::try_from(self.seats.len()).unwrap_or(u32::MAX) {
            0 => PassesThere::None,
            count if count < ticket.listing().quantity => PassesThere::Some,
            _ => PassesThere::All,
        }
    }

    /// How many nobody took.
    fn free_passes(&self) -> u32 {
        let free = self.seats.iter().filter(|seat| seat.order.is_none()).count();
        u32::try_from(free).unwrap_or(u32::MAX)
    }
}

/// The place and the name of the seat that a pass is for.
fn seat_of(
    ticket: &Ticket,
    seat: Option<&str>,
) -> Result<(Option<u32>, Option<Label>), PassRejection> {
    match (&ticket.listing().seats, seat) {
        (None, None) => Ok((None, None)),
        (None, Some(_)) => Err(PassRejection::UnknownSeat),
        (Some(_), None) => Err(PassRejection::SeatNeeded),
        (Some(names), Some(seat)) => {
            let mut places = (0..).zip(names);
            let found = places.find(|(_, name)| name.as_str() == seat);
            let (place, name) = found.ok_or(PassRejection::UnknownSeat)?;
            Ok((Some(place), Some(name.clone())))
        }
    }
}

impl Resource for TicketPasses {
    type Id = TicketId;
    type List = TicketsWithPasses;

    fn id(&self) -> TicketId {
        self.ticket
    }

    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Allotment, ExpectedVersion, Listing, Part, PartState, Price, TicketCommand, TicketDecision,
        TicketState, Title,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const SELLER: UserId = UserId::from_u128(1);

    fn labels(names: &[&str]) -> Vec<Label> {
        names.iter().map(|name| Label::parse(name).expect("a label")).collect()
    }

    fn ticket(quantity: u32, names: Option<&[&str]>) -> Ticket {
        let price = Price::from_minor(4000, "usd".parse().expect("a currency")).expect("a price");
        let title = Title::parse("Rock").expect("a title");
        let listing = Listing { quantity, seats: names.map(labels), ..Listing::default() };
        Ticket::list(TicketId::from_u128(9), SELLER, title, price, NOW).described(listing)
    }

    fn with_parts(ticket: &Ticket, parts: &[(u128, SeatSet, bool)]) -> Ticket {
        let part = |(order, seats, is_sold): &(u128, SeatSet, bool)| Part {
            order: OrderId::from_u128(*order),
            seats: *seats,
            state: if *is_sold { PartState::Sold } else { PartState::Held { until: NOW } },
        };
        let parts = parts.iter().map(part).collect();
        let state = TicketState::Several(Allotment { parts, closed: None });
        Ticket { state, ..ticket.clone() }
    }

    fn pass(number: u128) -> PassId {
        PassId::from_u128(number)
    }

    fn added(ticket: &Ticket, seats: &[Option<&str>]) -> TicketPasses {
        let mut passes = None;
        for (number, seat) in (1..).zip(seats) {
            let with = TicketPasses::with(passes.as_ref(), ticket, pass(number), *seat, &[]);
            passes = Some(with.expect("a free seat").0);
        }
        passes.expect("some")
    }

    fn order(ticket: &Ticket, id: u128) -> Order {
        let until = NOW.plus(std::time::Duration::from_secs(900));
        Order::new(OrderId::from_u128(id), UserId::from_u128(2), ticket, until, NOW)
    }

    fn taken(passes: &TicketPasses, id: u128) -> Vec<u128> {
        passes.of(OrderId::from_u128(id)).map(PassId::as_u128).collect()
    }

    #[test]
    fn a_named_seat_gets_one_pass_and_says_which_it_is() {
        let ticket = ticket(2, Some(&["7", "8"]));
        let with = |passes: Option<&TicketPasses>, seat| {
            TicketPasses::with(passes, &ticket, pass(9), seat, &[]).map(|(_, name)| name)
        };
        assert_eq!(with(None, None), Err(PassRejection::SeatNeeded));
        for unknown in ["9", "", "7\r\n", " 7"] {
            assert_eq!(with(None, Some(unknown)), Err(PassRejection::UnknownSeat), "{unknown:?}");
        }
        let one = added(&ticket, &[Some("8")]);
        assert_eq!((one.version, one.there(&ticket)), (Version::FIRST, PassesThere::Some));
        assert_eq!(with(Some(&one), Some("8")), Err(PassRejection::SeatHasPass));
        let both = added(&ticket, &[Some("8"), Some("7")]);
        assert_eq!((both.version, both.there(&ticket)), (Version::FIRST.next(), PassesThere::All));
    }

    #[test]
    fn seats_without_names_get_as_many_passes_as_there_are() {
        let ticket = ticket(2, None);
        let both = added(&ticket, &[None, None]);
        let third = TicketPasses::with(Some(&both), &ticket, pass(3), None, &[]);
        assert_eq!(third, Err(PassRejection::SeatHasPass));
        let named = TicketPasses::with(None, &ticket, pass(3), Some("7"), &[]);
        assert_eq!(named, Err(PassRejection::UnknownSeat));
    }

    #[test]
    fn an_order_takes_the_passes_of_its_own_seats() {
        let ticket = ticket(3, Some(&["7", "8", "9"]));
        let last_two = SeatSet::first(3).without(SeatSet::first(1));
        let held = with_parts(&ticket, &[(1, last_two, false)]);
        let passes = added(&ticket, &[Some("7"), Some("9")]);
        let after = passes.taken_by(&order(&held, 1)).expect("its own");
        assert_eq!(taken(&after, 1), [2]);
        assert!(!after.are_complete_for(&order(&held, 1)));
        assert_eq!(after.taken_by(&order(&held, 1)), None, "there is no more for it");
        let sale = Purchase { order: order(&held, 1), charge: None };
        let complete = TicketPasses::with(Some(&after), &held, pass(3), Some("8"), &[sale]);
        let (complete, _) = complete.expect("free");
        assert_eq!(complete.version, after.version.next());
        assert!(complete.are_complete_for(&order(&held, 1)));
        assert_eq!(complete.find(pass(1)).and_then(|seat| seat.order), None, "7 is not sold");
    }

    #[test]
    fn passes_without_seats_go_to_whoever_pays_first() {
        let ticket = ticket(3, None);
        let first = SeatSet::first(2);
        let rest = SeatSet::first(3).without(first);
        let held = with_parts(&ticket, &[(1, first, false), (2, rest, false)]);
        let passes = added(&ticket, &[None, None]);
        let by_second = passes.taken_by(&order(&held, 2)).expect("one is there");
        assert_eq!(taken(&by_second, 2), [1]);
        let by_both = by_second.taken_by(&order(&held, 1)).expect("one is left");
        assert_eq!((taken(&by_both, 1), taken(&by_both, 2)), (vec![2], vec![1]));
        assert!(by_both.are_complete_for(&order(&held, 2)));
        assert!(!by_both.are_complete_for(&order(&held, 1)));
        let sale = |id| Purchase { order: order(&held, id), charge: None };
        let sales = [sale(2), sale(1)];
        let (later, _) =
            TicketPasses::with(Some(&by_both), &held, pass(3), None, &sales).expect("one seat");
        assert_eq!((taken(&later, 1), taken(&later, 2)), (vec![2, 3], vec![1]));
    }

    #[test]
    fn a_pass_is_taken_away_only_while_its_seat_is_free() {
        let named = ticket(2, Some(&["7", "8"]));
        let passes = added(&named, &[Some("7"), Some("8")]);
        let held = with_parts(&named, &[(1, SeatSet::first(1), false)]);
        assert_eq!(passes.without(&held, pass(1)), Err(PassRejection::SeatTaken));
        assert_eq!(passes.without(&held, pass(2)).map(|after| after.seats.len()), Ok(1));
        assert_eq!(passes.without(&named, pass(1)).map(|after| after.seats.len()), Ok(1));
        let sold = passes.taken_by(&order(&held, 1)).expect("its own");
        assert_eq!(sold.without(&named, pass(1)), Err(PassRejection::SeatTaken));

        let unnamed = ticket(3, None);
        let passes = added(&unnamed, &[None, None]);
        let one_held = with_parts(&unnamed, &[(1, SeatSet::first(1), false)]);
        let left = passes.without(&one_held, pass(1)).expect("one is enough for who holds");
        assert_eq!(left.without(&one_held, pass(2)), Err(PassRejection::SeatTaken));
        assert_eq!(left.without(&unnamed, pass(2)).map(|after| after.seats), Ok(vec![]));
    }

    #[test]
    fn a_ticket_of_one_seat_has_one_pass_for_whoever_buys_it() {
        let plain = ticket(1, None);
        let passes = added(&plain, &[None]);
        let command = TicketCommand::Reserve {
            by: UserId::from_u128(2),
            order: OrderId::from_u128(1),
            until: NOW,
            wanted: Default::default(),
            terms: Default::default(),
        };
        let Ok(TicketDecision::Changed(locked)) = plain.decide(&command, NOW) else {
            panic!("it is free")
        };
        assert_eq!(passes.without(&locked, pass(1)), Err(PassRejection::SeatTaken));
        let sold = passes.taken_by(&order(&locked, 1)).expect("it is the order's");
        assert_eq!(taken(&sold, 1), [1]);
        let withdraw = TicketCommand::Withdraw { by: SELLER, expected: ExpectedVersion::Any };
        assert!(plain.decide(&withdraw, NOW).is_ok());
    }
}
