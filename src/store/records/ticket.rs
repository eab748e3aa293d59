//! Tickets, and the marks of those that were withdrawn.

use std::collections::BTreeSet;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::domain::{
    Allotment, ClosedReason, Line, Listing, OrderId, Part, PartState, SeatSet, ShowBrief, Split,
    Ticket, TicketId, TicketState, TicketStatus, UserId, Version,
};
use crate::store::records::entries::{Entry, Indexed};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::parts::{Id, StoredPrice, millis, time, title};
use crate::store::records::ticket_lists::lists;
use crate::store::resources::admission::StoredShowBrief;
use crate::store::search::words::{begin_words_of, words_of};

/// A ticket as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredTicket<'a> {
    #[n(0)]
    id: Id,
    #[n(1)]
    seller: Id,
    #[b(2)]
    title: &'a str,
    #[b(3)]
    price: StoredPrice<'a>,
    #[n(4)]
    state: StoredState,
    #[n(5)]
    version: u64,
    #[n(6)]
    created_at: i64,
    #[n(7)]
    updated_at: i64,
    /// What else is said of it; rows of one seat of which nothing is said end before this.
    #[b(8)]
    listing: Option<Box<StoredListing<'a>>>,
}

/// What is said of a ticket beside its title and its price.
#[derive(Debug, Encode, Decode)]
struct StoredListing<'a> {
    #[b(0)]
    section: Option<&'a str>,
    #[b(1)]
    row: Option<&'a str>,
    #[b(2)]
    seats: Option<Vec<&'a str>>,
    #[n(3)]
    quantity: u32,
    #[n(4)]
    split: StoredSplit,
    #[b(5)]
    face_value: Option<StoredPrice<'a>>,
    #[b(6)]
    notes: Option<&'a str>,
    /// The show; rows of tickets that only have a title end before this.
    #[b(7)]
    show: Option<StoredShowBrief<'a>>,
}

/// How a ticket may be divided.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredSplit {
    #[n(0)]
    Any,
    #[n(1)]
    AvoidOne,
    #[n(2)]
    Pairs,
    #[n(3)]
    None,
}

/// How a ticket stands.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(flat)]
enum StoredState {
    #[n(0)]
    Available,
    /// In answers, events and the journal; not in a row.
    #[n(1)]
    Locked {
        #[n(0)]
        order: Id,
        #[n(1)]
        until: i64,
    },
    #[n(2)]
    Sold {
        #[n(0)]
        order: Id,
    },
    #[n(3)]
    Several {
        #[n(0)]
        parts: Vec<StoredPart>,
        #[n(1)]
        closed: Option<StoredClosed>,
    },
}

/// The seats that an order has.
#[derive(Debug, Clone, Copy, Encode, Decode)]
struct StoredPart {
    #[n(0)]
    order: Id,
    /// The lowest bit is the first seat.
    #[n(1)]
    seats: u64,
    /// The order's deadline; none once they are paid.
    #[n(2)]
    until: Option<i64>,
}

/// Why a ticket sells no more.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredClosed {
    #[n(0)]
    Withdrawn,
    #[n(1)]
    ShowOver,
    #[n(2)]
    ShowCancelled,
}

impl From<ClosedReason> for StoredClosed {
    fn from(reason: ClosedReason) -> Self {
        match reason {
            ClosedReason::Withdrawn => Self::Withdrawn,
            ClosedReason::ShowOver => Self::ShowOver,
            ClosedReason::ShowCancelled => Self::ShowCancelled,
        }
    }
}

impl From<StoredClosed> for ClosedReason {
    fn from(stored: StoredClosed) -> Self {
        match stored {
            StoredClosed::Withdrawn => Self::Withdrawn,
            StoredClosed::ShowOver => Self::ShowOver,
            StoredClosed::ShowCancelled => Self::ShowCancelled,
        }
    }
}

impl From<Part> for StoredPart {
    fn from(part: Part) -> Self {
        let until = match part.state {
            PartState::Held { until } => Some(millis(until)),
            PartState::Sold => None,
        };
        Self { order: Id(part.order.as_u128()), seats: part.seats.bits(), until }
    }
}

impl TryFrom<StoredPart> for Part {
    type Error = Fault;

    fn try_from(stored: StoredPart) -> Result<Self, Fault> {
        let until = stored.until.map(|until| PartState::Held { until: time(until) });
        Ok(Self {
            order: OrderId::from_u128(stored.order.0),
            seats: seats(stored.seats)?,
            state: until.unwrap_or(PartState::Sold),
        })
    }
}

/// Seats that were stored.
pub fn seats(bits: u64) -> Result<SeatSet, Fault> {
    SeatSet::from_bits(bits).ok_or_else(|| Fault::value("the seats", bits))
}

impl From<&TicketState> for StoredState {
    fn from(state: &TicketState) -> Self {
        match state {
            TicketState::Available => Self::Available,
            TicketState::Locked { order, until } => {
                Self::Locked { order: Id(order.as_u128()), until: millis(*until) }
            }
            TicketState::Sold { order } => Self::Sold { order: Id(order.as_u128()) },
            TicketState::Several(Allotment { parts, closed }) => Self::Several {
                parts: parts.iter().copied().map(Into::into).collect(),
                closed: closed.map(Into::into),
            },
        }
    }
}

impl TryFrom<StoredState> for TicketState {
    type Error = Fault;

    fn try_from(stored: StoredState) -> Result<Self, Fault> {
        Ok(match stored {
            StoredState::Available => Self::Available,
            StoredState::Locked { order, until } => {
                Self::Locked { order: OrderId::from_u128(order.0), until: time(until) }
            }
            StoredState::Sold { order } => Self::Sold { order: OrderId::from_u128(order.0) },
            StoredState::Several { parts, closed } => Self::Several(Allotment {
                parts: parts.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                closed: closed.map(Into::into),
            }),
        })
    }
}

impl From<Split> for StoredSplit {
    fn from(split: Split) -> Self {
        match split {
            Split::Any => Self::Any,
            Split::AvoidOne => Self::AvoidOne,
            Split::Pairs => Self::Pairs,
            Split::None => Self::None,
        }
    }
}

impl From<StoredSplit> for Split {
    fn from(stored: StoredSplit) -> Self {
        match stored {
            StoredSplit::Any => Self::Any,
            StoredSplit::AvoidOne => Self::AvoidOne,
            StoredSplit::Pairs => Self::Pairs,
            StoredSplit::None => Self::None,
        }
    }
}

impl<'a> From<&'a Listing> for StoredListing<'a> {
    fn from(listing: &'a Listing) -> Self {
        let Listing { section, row, seats, quantity, split, face_value, notes, show } = listing;
        Self {
            section: section.as_ref().map(Line::as_str),
            row: row.as_ref().map(Line::as_str),
            seats: seats.as_ref().map(|names| names.iter().map(Line::as_str).collect()),
            quantity: *quantity,
            split: (*split).into(),
            face_value: face_value.as_ref().map(Into::into),
            notes: notes.as_ref().map(Line::as_str),
            show: show.as_deref().map(Into::into),
        }
    }
}

impl TryFrom<StoredListing<'_>> for Listing {
    type Error = Fault;

    fn try_from(stored: StoredListing<'_>) -> Result<Self, Fault> {
        let names = |names: Vec<&str>| names.into_iter().map(Line::accepted_before).collect();
        Ok(Self {
            section: stored.section.map(Line::accepted_before),
            row: stored.row.map(Line::accepted_before),
            seats: stored.seats.map(names),
            quantity: stored.quantity,
            split: stored.split.into(),
            face_value: stored.face_value.map(StoredPrice::price).transpose()?,
            notes: stored.notes.map(Line::accepted_before),
            show: stored.show.map(ShowBrief::try_from).transpose()?.map(Arc::new),
        })
    }
}

impl<'a> From<&'a Ticket> for StoredTicket<'a> {
    fn from(ticket: &'a Ticket) -> Self {
        Self {
            id: Id(ticket.id.as_u128()),
            seller: Id(ticket.seller.as_u128()),
            title: ticket.title.as_str(),
            price: (&ticket.price).into(),
            state: (&ticket.state).into(),
            version: ticket.version.number(),
            created_at: millis(ticket.created_at),
            updated_at: millis(ticket.updated_at),
            listing: ticket.listing.as_deref().map(|listing| Box::new(listing.into())),
        }
    }
}

impl TryFrom<StoredTicket<'_>> for Ticket {
    type Error = Fault;

    fn try_from(stored: StoredTicket<'_>) -> Result<Self, Fault> {
        let listing = stored.listing.map(|listing| Listing::try_from(*listing)).transpose()?;
        Ok(Self {
            id: TicketId::from_u128(stored.id.0),
            seller: UserId::from_u128(stored.seller.0),
            title: title(stored.title),
            price: stored.price.price()?,
            listing: listing.map(Arc::new),
            state: stored.state.try_into()?,
            passes: None,
            version: Version::from_number(stored.version),
            created_at: time(stored.created_at),
            updated_at: time(stored.updated_at),
        })
    }
}

/// What stands under a ticket's id. A ticket that is locked stands there as it was before: see
/// [`crate::store::redb::open_orders`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketRow {
    /// The ticket.
    Listed(Ticket),
    /// It was withdrawn. The mark stays, for an id never comes back.
    Withdrawn {
        /// The version it ended with.
        last: Version,
    },
}

impl TicketRow {
    /// The ticket, if it was not withdrawn.
    pub fn listed(self) -> Option<Ticket> {
        match self {
            Self::Listed(ticket) => Some(ticket),
            Self::Withdrawn { .. } => None,
        }
    }
}

/// [`TicketRow`] as it is stored.
#[derive(Debug, Encode, Decode)]
#[cbor(flat)]
pub enum StoredRow<'a> {
    #[n(0)]
    Listed(#[b(0)] StoredTicket<'a>),
    #[n(1)]
    Withdrawn {
        #[n(0)]
        last: u64,
    },
}

impl<'a> From<&'a TicketRow> for StoredRow<'a> {
    fn from(row: &'a TicketRow) -> Self {
        match row {
            TicketRow::Listed(ticket) => Self::Listed(ticket.into()),
            TicketRow::Withdrawn { last } => Self::Withdrawn { last: last.number() },
        }
    }
}

impl<'a> From<&'a Ticket> for StoredRow<'a> {
    fn from(ticket: &'a Ticket) -> Self {
        Self::Listed(ticket.into())
    }
}

/// What tickets and their marks share: they are rows of one table.
const KIND: Kind = Kind { table: "tickets", tag: 3, version: 1 };

impl Record for TicketRow {
    const KIND: Kind = KIND;
    type Stored<'a> = StoredRow<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        match body(bytes)? {
            StoredRow::Listed(stored) if matches!(stored.state, StoredState::Locked { .. }) => {
                Err(Fault::value("the state of a row", stored.state))
            }
            StoredRow::Listed(stored) => Ok(Self::Listed(stored.try_into()?)),
            StoredRow::Withdrawn { last } => {
                Ok(Self::Withdrawn { last: Version::from_number(last) })
            }
        }
    }
}

/// For writing, and for the journal, which tells of locks too.
impl Record for Ticket {
    const KIND: Kind = KIND;
    type Stored<'a> = StoredRow<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        match body(bytes)? {
            StoredRow::Listed(stored) => stored.try_into(),
            StoredRow::Withdrawn { last } => Err(Fault::value("a listed ticket", last)),
        }
    }
}

impl Indexed for Ticket {
    fn entries(&self) -> Vec<Entry<'_>> {
        let (id, price) = (self.id.as_u128(), self.price.minor());
        let lists = lists(self);
        let mut entries = Vec::with_capacity(2 * lists.len());
        for list in lists {
            entries.push(Entry::List { list, ticket: id, price });
            entries.push(Entry::Price { list, price, ticket: id });
        }
        entries
    }
}

impl Indexed for TicketRow {
    fn entries(&self) -> Vec<Entry<'_>> {
        match self {
            Self::Listed(ticket) => ticket.entries(),
            Self::Withdrawn { .. } => Vec::new(),
        }
    }
}

/// Whether the ticket is in the market's list, and is found by the words of its title: until it is
/// sold. A locked one is passed over by readers (see [`crate::store::redb::open_orders`]), so that
/// locking and releasing, the most frequent changes, change no index of tickets. One of several seats
/// is in it while one is free, for its row says so. A sold one may have
/// [postings left](crate::store::search::tombstones), which are passed over too.
pub fn is_on_market(ticket: &Ticket) -> bool {
    match &ticket.state {
        TicketState::Available | TicketState::Locked { .. } => true,
        TicketState::Sold { .. } => false,
        TicketState::Several(_) => ticket.status() == TicketStatus::Available,
    }
}

/// Whether a ticket is sold or closed by a change and keeps its postings for a while: see
/// [`crate::store::search::tombstones`].
pub fn leaves_tombstone(before: &Ticket, after: &Ticket) -> bool {
    // All seats of several may be held and come back, and what is closed without a sale may be withdrawn,
    // which what has a tombstone is not.
    let is_for_good = match after.status() {
        TicketStatus::Sold => true,
        TicketStatus::Closed => !after.sold().is_empty(),
        TicketStatus::Available | TicketStatus::Locked => false,
    };
    is_on_market(before) && !is_on_market(after) && is_for_good && has_texts_of(before, after)
}

/// The words a ticket can be found by.
pub fn words(ticket: &Ticket) -> BTreeSet<String> {
    if is_on_market(ticket) { ticket_words(ticket) } else { BTreeSet::new() }
}

/// The words of a ticket, on sale or not: those of its title, and of its show.
pub fn ticket_words(ticket: &Ticket) -> BTreeSet<String> {
    texts(ticket).flat_map(words_of).collect()
}

/// Whether each word of a search begins one of a ticket's.
pub fn matches(ticket: &Ticket, search: &[String]) -> bool {
    match ticket.show() {
        None => begin_words_of(ticket.title.as_str(), search),
        Some(_) => {
            let found = |word: &String| {
                texts(ticket).any(|text| begin_words_of(text, std::slice::from_ref(word)))
            };
            search.iter().all(found)
        }
    }
}

/// Whether two tickets are found by the same words.
pub fn has_texts_of(one: &Ticket, other: &Ticket) -> bool {
    texts(one).eq(texts(other))
}

/// What the words of a ticket are taken from.
fn texts(ticket: &Ticket) -> impl Iterator<Item = &str> {
    let of_show = ticket.show().into_iter().flat_map(|show| {
        let performers = show.performers.iter().map(Line::as_str);
        let venue = [show.venue.name.as_str(), show.venue.city.as_str()];
        [show.name.as_str()].into_iter().chain(performers).chain(venue)
    });
    [ticket.title.as_str()].into_iter().chain(of_show)
}
