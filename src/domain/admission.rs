//! How tickets and orders hang on the show that they admit to.
//!
//! A ticket and an order tell of their show in brief. What spans the tickets and orders of one show is
//! told by rows beside theirs, written in the same commits: which seats a seller lists, and how many
//! seats a buyer has.

use super::resource::Resource;
use super::show::{Show, ShowState, ShowView};
use super::{
    CatalogRejection, Country, Label, Listing, Locality, Name, Order, OrderId, ShowId, Ticket,
    TicketId, Timestamp, UserId, VenueId, Version, ZoneName,
};

/// A show as its tickets and orders tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowBrief {
    /// The show.
    pub id: ShowId,
    /// What it is called.
    pub name: Name,
    /// Who performs or plays: its tickets are found by them.
    pub performers: Vec<Name>,
    /// When it starts.
    pub starts_at: Timestamp,
    /// How it stands.
    pub state: ShowState,
    /// The version of its cover, if it has one.
    pub cover: Option<Version>,
    /// Where it takes place.
    pub venue: VenueBrief,
}

/// A venue as the tickets and orders of its shows tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueBrief {
    /// The venue.
    pub id: VenueId,
    /// What it is called.
    pub name: Name,
    /// The city it is in or near.
    pub city: Locality,
    /// The country.
    pub country: Country,
    /// The zone whose clock its shows follow.
    pub time_zone: ZoneName,
}

impl From<&ShowView> for ShowBrief {
    fn from(view: &ShowView) -> Self {
        let (show, venue) = (&view.show, &view.venue);
        Self {
            id: show.id,
            name: show.facts.name.clone(),
            performers: show.facts.performers.clone(),
            starts_at: show.facts.starts_at,
            state: show.state,
            cover: show.cover,
            venue: VenueBrief {
                id: venue.id,
                name: venue.facts.name.clone(),
                city: venue.facts.city.clone(),
                country: venue.facts.country,
                time_zone: venue.facts.time_zone.clone(),
            },
        }
    }
}

impl Show {
    /// Whether tickets may be listed for it.
    ///
    /// # Errors
    ///
    /// [`CatalogRejection::Over`] from its start on, and [`CatalogRejection::Cancelled`].
    pub fn takes_tickets(&self, now: Timestamp) -> Result<(), CatalogRejection> {
        match self.state {
            ShowState::Cancelled => Err(CatalogRejection::Cancelled),
            ShowState::Over => Err(CatalogRejection::Over),
            ShowState::Scheduled if self.facts.starts_at <= now => Err(CatalogRejection::Over),
            // Nobody knows when it starts.
            ShowState::Scheduled | ShowState::Postponed => Ok(()),
        }
    }

    /// Whether its tickets may be ordered.
    ///
    /// # Errors
    ///
    /// As [`Show::takes_tickets`], and [`CatalogRejection::Postponed`] without a date.
    pub fn sells(&self, now: Timestamp) -> Result<(), CatalogRejection> {
        self.takes_tickets(now)?;
        if self.state == ShowState::Postponed { Err(CatalogRejection::Postponed) } else { Ok(()) }
    }
}

impl ShowView {
    /// Whether the venue has that section, or names none.
    pub fn has_section(&self, section: Option<&Label>) -> bool {
        section.is_none_or(|section| self.venue.has_section(section))
    }
}

/// The place of a ticket among those of its show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// The show.
    pub show: ShowId,
    /// Who sells it.
    pub seller: UserId,
    /// Whether somebody else added the show, who may not change that alone any more.
    pub is_guest: bool,
    /// The section.
    pub section: Option<Label>,
    /// The row.
    pub row: Option<Label>,
    /// The seats that its seller can't list again, by their names.
    pub seats: Vec<Label>,
    /// Rises by one with every change.
    pub version: Version,
}

/// A list of tickets of shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowTickets {
    /// Those of a show, by their id.
    Of(ShowId),
    /// Those of a show that somebody else added.
    Guests(ShowId),
}

impl ShowTicket {
    /// The place of a new ticket.
    pub fn add(ticket: &Ticket, show: &Show) -> Self {
        let listing: &Listing = ticket.listing();
        Self {
            ticket: ticket.id,
            show: show.id,
            seller: ticket.seller,
            is_guest: show.created_by != ticket.seller,
            section: listing.section.clone(),
            row: listing.row.clone(),
            seats: listing.seats.clone().unwrap_or_default(),
            version: Version::FIRST,
        }
    }

    /// The next version of the place of a ticket that was changed; `None` if it is what it was.
    #[must_use]
    pub fn changed(&self, ticket: &Ticket, show: &Show) -> Option<Self> {
        let same = Self { version: self.version, ..Self::add(ticket, show) };
        (same != *self).then(|| Self { version: self.version.next(), ..same })
    }

    /// Its next version, with these seats alone.
    #[must_use]
    pub fn with_seats(&self, seats: Vec<Label>) -> Self {
        Self { seats, version: self.version.next(), ..self.clone() }
    }
}

impl Resource for ShowTicket {
    type Id = TicketId;
    type List = ShowTickets;

    fn id(&self) -> TicketId {
        self.ticket
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// The place of an order among those of its show. It stays when the order ends, without seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowOrder {
    /// The order.
    pub order: OrderId,
    /// The show.
    pub show: ShowId,
    /// Who buys.
    pub buyer: UserId,
    /// How many seats it holds or bought.
    pub seats: u32,
    /// Rises by one with every change.
    pub version: Version,
}

/// A list of orders of shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowOrders {
    /// Those that were ever made for a show, by their id: while there are any, it can't be deleted.
    Of(ShowId),
    /// The same: while there are any, only operators change the show.
    Ever(ShowId),
    /// The seats that a buyer holds or bought for a show, one by one.
    Seats {
        /// Who buys.
        buyer: UserId,
        /// The show.
        show: ShowId,
    },
}

impl ShowOrder {
    /// The place of a new order; `None` if it is for no show.
    pub fn of(order: &Order) -> Option<Self> {
        let show = order.show()?.id;
        let (buyer, seats) = (order.buyer, order.quantity());
        Some(Self { order: order.id, show, buyer, seats, version: Version::FIRST })
    }

    /// The place of an order that ended without a sale: its second and last version.
    pub fn ended(order: &Order) -> Option<Self> {
        let held = Self::of(order)?;
        Some(Self { seats: 0, version: held.version.next(), ..held })
    }
}

impl Resource for ShowOrder {
    type Id = OrderId;
    type List = ShowOrders;

    fn id(&self) -> OrderId {
        self.order
    }

    fn version(&self) -> Version {
        self.version
    }
}
