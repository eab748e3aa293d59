//! The places of tickets and orders among those of their show.

use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{
    Label, Line, OrderId, ShowBrief, ShowId, ShowOrder, ShowOrders, ShowTicket, ShowTickets,
    TicketId, UserId, VenueBrief, VenueId, Version, ZoneName,
};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};
use crate::store::resources::show::StoredState;
use crate::store::{CommitError, Refusal};

/// Tickets by show and id.
const TICKETS: Index = Index(50);
/// Tickets of shows that others added, by show and id.
const GUESTS: Index = Index(51);
/// Numbered seats of a show, by section, row, name and seller: one place each.
const SEATS: Index = Index(52);
/// Orders by show and id.
const ORDERS: Index = Index(53);
/// Seats that a buyer has, by buyer, show, order and number.
const HELD: Index = Index(54);

/// A show in brief, in the rows of tickets and orders.
#[derive(Debug, Encode, Decode)]
pub struct StoredShowBrief<'a> {
    #[n(0)]
    id: Id,
    #[b(1)]
    name: &'a str,
    #[n(2)]
    starts_at: i64,
    #[n(3)]
    state: StoredState,
    #[n(4)]
    venue: Id,
    #[b(5)]
    venue_name: &'a str,
    #[b(6)]
    city: &'a str,
    #[b(7)]
    country: &'a str,
    #[b(8)]
    time_zone: &'a str,
    /// Who performs; rows of shows that name nobody end before this.
    #[b(9)]
    performers: Option<Vec<&'a str>>,
    #[n(10)]
    cover: Option<u64>,
}

impl<'a> From<&'a ShowBrief> for StoredShowBrief<'a> {
    fn from(show: &'a ShowBrief) -> Self {
        let VenueBrief { id, name, city, country, time_zone } = &show.venue;
        Self {
            id: Id(show.id.as_u128()),
            name: show.name.as_str(),
            starts_at: millis(show.starts_at),
            state: show.state.into(),
            venue: Id(id.as_u128()),
            venue_name: name.as_str(),
            city: city.as_str(),
            country: country.as_str(),
            time_zone: time_zone.as_str(),
            performers: (!show.performers.is_empty())
                .then(|| show.performers.iter().map(Line::as_str).collect()),
            cover: show.cover.map(Version::number),
        }
    }
}

impl TryFrom<StoredShowBrief<'_>> for ShowBrief {
    type Error = Fault;

    fn try_from(stored: StoredShowBrief<'_>) -> Result<Self, Fault> {
        let country = stored.country.parse();
        let performers = stored.performers.unwrap_or_default();
        Ok(Self {
            id: ShowId::from_u128(stored.id.0),
            name: Line::accepted_before(stored.name),
            performers: performers.into_iter().map(Line::accepted_before).collect(),
            starts_at: time(stored.starts_at),
            state: stored.state.into(),
            cover: stored.cover.map(Version::from_number),
            venue: VenueBrief {
                id: VenueId::from_u128(stored.venue.0),
                name: Line::accepted_before(stored.venue_name),
                city: Line::accepted_before(stored.city),
                country: country.map_err(|_| Fault::value("the country", stored.country))?,
                time_zone: ZoneName::accepted_before(stored.time_zone),
            },
        })
    }
}

/// The place of a ticket as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredShowTicket<'a> {
    #[n(0)]
    ticket: Id,
    #[n(1)]
    show: Id,
    #[n(2)]
    seller: Id,
    #[n(3)]
    is_guest: bool,
    #[b(4)]
    section: Option<&'a str>,
    #[b(5)]
    row: Option<&'a str>,
    #[b(6)]
    seats: Vec<&'a str>,
    #[n(7)]
    version: u64,
}

impl<'a> From<&'a ShowTicket> for StoredShowTicket<'a> {
    fn from(place: &'a ShowTicket) -> Self {
        let ShowTicket { ticket, show, seller, is_guest, section, row, seats, version } = place;
        Self {
            ticket: Id(ticket.as_u128()),
            show: Id(show.as_u128()),
            seller: Id(seller.as_u128()),
            is_guest: *is_guest,
            section: section.as_ref().map(Line::as_str),
            row: row.as_ref().map(Line::as_str),
            seats: seats.iter().map(Line::as_str).collect(),
            version: version.number(),
        }
    }
}

impl Record for ShowTicket {
    const KIND: Kind = Kind { table: "tickets of shows", tag: 22, version: 1 };
    type Stored<'a> = StoredShowTicket<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredShowTicket<'_> = body(bytes)?;
        Ok(Self {
            ticket: TicketId::from_u128(stored.ticket.0),
            show: ShowId::from_u128(stored.show.0),
            seller: UserId::from_u128(stored.seller.0),
            is_guest: stored.is_guest,
            section: stored.section.map(Line::accepted_before),
            row: stored.row.map(Line::accepted_before),
            seats: stored.seats.into_iter().map(Line::accepted_before).collect(),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for ShowTicket {
    const TABLE: Table = Table(22);
    const INDEXES: &'static [Index] = &[TICKETS, GUESTS, SEATS];

    fn key(id: &TicketId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let of_show = [of(self.show).as_slice(), &Self::key(&self.ticket)].concat();
        let guest = self.is_guest.then(|| (GUESTS, of_show.clone()));
        let seats = self.seats.iter().map(|seat| (SEATS, seat_place(self, seat)));
        [(TICKETS, of_show)].into_iter().chain(guest).chain(seats).collect()
    }

    fn taken(index: Index) -> CommitError {
        if index == SEATS { Refusal::SeatListed.into() } else { CommitError::Conflict }
    }

    fn span(list: &ShowTickets) -> (Index, Vec<u8>) {
        match list {
            ShowTickets::Of(show) => (TICKETS, of(*show)),
            ShowTickets::Guests(show) => (GUESTS, of(*show)),
        }
    }

    fn full(list: &ShowTickets) -> CommitError {
        match list {
            ShowTickets::Of(_) => Refusal::InUse.into(),
            ShowTickets::Guests(_) => Refusal::OthersDepend.into(),
        }
    }
}

/// One seller's place for a seat. How a name is spelled in capitals does not make it another.
fn seat_place(ticket: &ShowTicket, seat: &Label) -> Vec<u8> {
    let mut place = of(ticket.show);
    for name in [ticket.section.as_ref(), ticket.row.as_ref(), Some(seat)] {
        place.extend(name.map_or("", Line::as_str).to_lowercase().bytes());
        place.push(0);
    }
    place.extend(ticket.seller.as_u128().to_be_bytes());
    place
}

fn of(show: ShowId) -> Vec<u8> {
    show.as_u128().to_be_bytes().to_vec()
}

/// The place of an order as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredShowOrder {
    #[n(0)]
    order: Id,
    #[n(1)]
    show: Id,
    #[n(2)]
    buyer: Id,
    #[n(3)]
    seats: u32,
    #[n(4)]
    version: u64,
}

impl From<&ShowOrder> for StoredShowOrder {
    fn from(place: &ShowOrder) -> Self {
        let ShowOrder { order, show, buyer, seats, version } = place;
        Self {
            order: Id(order.as_u128()),
            show: Id(show.as_u128()),
            buyer: Id(buyer.as_u128()),
            seats: *seats,
            version: version.number(),
        }
    }
}

impl Record for ShowOrder {
    const KIND: Kind = Kind { table: "orders of shows", tag: 23, version: 1 };
    type Stored<'a> = StoredShowOrder;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredShowOrder = body(bytes)?;
        Ok(Self {
            order: OrderId::from_u128(stored.order.0),
            show: ShowId::from_u128(stored.show.0),
            buyer: UserId::from_u128(stored.buyer.0),
            seats: stored.seats,
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for ShowOrder {
    const TABLE: Table = Table(23);
    const INDEXES: &'static [Index] = &[ORDERS, HELD];

    fn key(id: &OrderId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let key = Self::key(&self.order);
        let order = (ORDERS, [of(self.show).as_slice(), &key].concat());
        let held = [held_by(self.buyer, self.show).as_slice(), &key].concat();
        let seat = |number: u32| (HELD, [held.as_slice(), &number.to_be_bytes()].concat());
        [order].into_iter().chain((0..self.seats).map(seat)).collect()
    }

    fn span(list: &ShowOrders) -> (Index, Vec<u8>) {
        match list {
            ShowOrders::Of(show) | ShowOrders::Ever(show) => (ORDERS, of(*show)),
            ShowOrders::Seats { buyer, show } => (HELD, held_by(*buyer, *show)),
        }
    }

    fn full(list: &ShowOrders) -> CommitError {
        match list {
            ShowOrders::Of(_) => Refusal::InUse.into(),
            ShowOrders::Ever(_) => Refusal::OthersDepend.into(),
            ShowOrders::Seats { .. } => Refusal::TooManySeats.into(),
        }
    }
}

fn held_by(buyer: UserId, show: ShowId) -> Vec<u8> {
    [buyer.as_u128().to_be_bytes(), show.as_u128().to_be_bytes()].concat()
}
