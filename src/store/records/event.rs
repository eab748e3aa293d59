//! Events, and the rows of the log that hold runs of them.

use minicbor::{Decode, Decoder, Encode};

use crate::domain::{
    Event, LoggedEvent, Timestamp, TokenEvent, TokenId, UserEvent, UserId, Version,
};
use crate::store::ReadError;
use crate::store::records::charge::StoredChargeView;
use crate::store::records::envelope::{Fault, Kind, append, close, open, start};
use crate::store::records::order::StoredOrderView;
use crate::store::records::parts::{Id, millis, time};
use crate::store::records::ticket::StoredTicket;
use crate::store::resources::pass::StoredPassEvent;
use crate::store::resources::show::StoredShowView;
use crate::store::resources::venue::StoredVenue;

/// A run of events under the number of the first, one after the other.
pub const RUN: Kind = Kind { table: "events", tag: 7, version: 1 };

/// An event as it is stored.
#[derive(Debug, Encode, Decode)]
struct StoredEntry<'a> {
    #[n(0)]
    at: i64,
    #[b(1)]
    event: StoredEvent<'a>,
}

/// What happened.
#[derive(Debug, Encode, Decode)]
#[cbor(flat)]
enum StoredEvent<'a> {
    #[n(0)]
    UserCreated(#[n(0)] StoredUserEvent),
    #[n(1)]
    UserUpdated(#[n(0)] StoredUserEvent),
    #[n(2)]
    TicketCreated(#[b(0)] StoredTicket<'a>),
    #[n(3)]
    TicketUpdated(#[b(0)] StoredTicket<'a>),
    #[n(4)]
    TicketDeleted(#[b(0)] StoredTicket<'a>),
    #[n(5)]
    OrderCreated(#[b(0)] StoredOrderView<'a>),
    #[n(6)]
    OrderAwaitingPayment(#[b(0)] StoredOrderView<'a>),
    #[n(7)]
    OrderCompleted(#[b(0)] StoredOrderView<'a>),
    #[n(8)]
    OrderCancelled(#[b(0)] StoredOrderView<'a>),
    #[n(9)]
    OrderExpired(#[b(0)] StoredOrderView<'a>),
    #[n(10)]
    ChargeCreated(#[b(0)] StoredChargeView<'a>),
    #[n(11)]
    ChargeCompleted(#[b(0)] StoredChargeView<'a>),
    #[n(12)]
    ChargeFailed(#[b(0)] StoredChargeView<'a>),
    #[n(13)]
    ChargeRefunded(#[b(0)] StoredChargeView<'a>),
    #[n(14)]
    ChargeDisputed(#[b(0)] StoredChargeView<'a>),
    #[n(15)]
    ChargeUpdated(#[b(0)] StoredChargeView<'a>),
    #[n(17)]
    RefundRequested(#[b(0)] StoredChargeView<'a>),
    #[n(60)]
    UserVerified(#[n(0)] StoredUserEvent),
    #[n(40)]
    RoleGranted(#[n(0)] StoredUserEvent),
    #[n(41)]
    RoleRevoked(#[n(0)] StoredUserEvent),
    #[n(16)]
    TicketClosed(#[b(0)] StoredTicket<'a>),
    #[n(20)]
    VenueCreated(#[b(0)] StoredVenue<'a>),
    #[n(21)]
    VenueUpdated(#[b(0)] StoredVenue<'a>),
    #[n(22)]
    VenueDeleted(#[b(0)] StoredVenue<'a>),
    #[n(23)]
    ShowCreated(#[b(0)] StoredShowView<'a>),
    #[n(24)]
    ShowUpdated(#[b(0)] StoredShowView<'a>),
    #[n(25)]
    ShowPostponed(#[b(0)] StoredShowView<'a>),
    #[n(26)]
    ShowCancelled(#[b(0)] StoredShowView<'a>),
    #[n(27)]
    ShowOver(#[b(0)] StoredShowView<'a>),
    #[n(28)]
    ShowDeleted(#[b(0)] StoredShowView<'a>),
    #[n(50)]
    TotpEnabled(#[n(0)] StoredUserEvent),
    #[n(51)]
    TotpDisabled(#[n(0)] StoredUserEvent),
    #[n(52)]
    TokenCreated(#[n(0)] StoredTokenEvent),
    #[n(53)]
    TokenRevoked(#[n(0)] StoredTokenEvent),
    #[n(70)]
    PassAdded(#[n(0)] StoredPassEvent),
    #[n(71)]
    PassRemoved(#[n(0)] StoredPassEvent),
}

/// What the log tells of an account: nothing that names a person, for it is kept for ever.
#[derive(Debug, Encode, Decode)]
struct StoredUserEvent {
    #[n(0)]
    id: Id,
    #[n(1)]
    version: u64,
    /// Missing if it is not.
    #[n(2)]
    is_operator: Option<bool>,
    /// Whether the address is verified; missing where it is not.
    #[n(3)]
    verified: Option<bool>,
}

/// What the log tells of an API token.
#[derive(Debug, Encode, Decode)]
struct StoredTokenEvent {
    #[n(0)]
    id: Id,
    #[n(1)]
    user: Id,
}

impl From<&TokenEvent> for StoredTokenEvent {
    fn from(token: &TokenEvent) -> Self {
        Self { id: Id(token.id.as_u128()), user: Id(token.user.as_u128()) }
    }
}

impl From<StoredTokenEvent> for TokenEvent {
    fn from(stored: StoredTokenEvent) -> Self {
        Self { id: TokenId::from_u128(stored.id.0), user: UserId::from_u128(stored.user.0) }
    }
}

impl From<&UserEvent> for StoredUserEvent {
    fn from(user: &UserEvent) -> Self {
        let is_operator = user.is_operator.then_some(true);
        let verified = user.email_verified.then_some(true);
        let version = user.version.number();
        Self { id: Id(user.id.as_u128()), version, is_operator, verified }
    }
}

impl From<StoredUserEvent> for UserEvent {
    fn from(stored: StoredUserEvent) -> Self {
        Self {
            id: UserId::from_u128(stored.id.0),
            is_operator: stored.is_operator.unwrap_or_default(),
            email_verified: stored.verified.unwrap_or_default(),
            version: Version::from_number(stored.version),
        }
    }
}

impl<'a> From<&'a Event> for StoredEvent<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::UserCreated(user) => Self::UserCreated(user.into()),
            Event::UserUpdated(user) => Self::UserUpdated(user.into()),
            Event::UserVerified(user) => Self::UserVerified(user.into()),
            Event::RoleGranted(user) => Self::RoleGranted(user.into()),
            Event::RoleRevoked(user) => Self::RoleRevoked(user.into()),
            Event::TotpEnabled(user) => Self::TotpEnabled(user.into()),
            Event::TotpDisabled(user) => Self::TotpDisabled(user.into()),
            Event::TokenCreated(token) => Self::TokenCreated(token.into()),
            Event::TokenRevoked(token) => Self::TokenRevoked(token.into()),
            Event::PassAdded(pass) => Self::PassAdded(pass.into()),
            Event::PassRemoved(pass) => Self::PassRemoved(pass.into()),
            Event::TicketCreated(ticket) => Self::TicketCreated(ticket.into()),
            Event::TicketUpdated(ticket) => Self::TicketUpdated(ticket.into()),
            Event::TicketDeleted(ticket) => Self::TicketDeleted(ticket.into()),
            Event::TicketClosed(ticket) => Self::TicketClosed(ticket.into()),
            Event::VenueCreated(venue) => Self::VenueCreated((&**venue).into()),
            Event::VenueUpdated(venue) => Self::VenueUpdated((&**venue).into()),
            Event::VenueDeleted(venue) => Self::VenueDeleted((&**venue).into()),
            Event::ShowCreated(view) => Self::ShowCreated((&**view).into()),
            Event::ShowUpdated(view) => Self::ShowUpdated((&**view).into()),
            Event::ShowPostponed(view) => Self::ShowPostponed((&**view).into()),
            Event::ShowCancelled(view) => Self::ShowCancelled((&**view).into()),
            Event::ShowOver(view) => Self::ShowOver((&**view).into()),
            Event::ShowDeleted(view) => Self::ShowDeleted((&**view).into()),
            Event::OrderCreated(view) => Self::OrderCreated(view.into()),
            Event::OrderAwaitingPayment(view) => Self::OrderAwaitingPayment(view.into()),
            Event::OrderCompleted(view) => Self::OrderCompleted(view.into()),
            Event::OrderCancelled(view) => Self::OrderCancelled(view.into()),
            Event::OrderExpired(view) => Self::OrderExpired(view.into()),
            Event::ChargeCreated(view) => Self::ChargeCreated(view.into()),
            Event::ChargeCompleted(view) => Self::ChargeCompleted(view.into()),
            Event::ChargeFailed(view) => Self::ChargeFailed(view.into()),
            Event::ChargeRefunded(view) => Self::ChargeRefunded(view.into()),
            Event::ChargeDisputed(view) => Self::ChargeDisputed(view.into()),
            Event::ChargeUpdated(view) => Self::ChargeUpdated(view.into()),
            Event::RefundRequested(view) => Self::RefundRequested(view.into()),
        }
    }
}

impl TryFrom<StoredEvent<'_>> for Event {
    type Error = Fault;

    fn try_from(stored: StoredEvent<'_>) -> Result<Self, Fault> {
        use StoredEvent as Stored;
        Ok(match stored {
            Stored::UserCreated(user) => Self::UserCreated(user.into()),
            Stored::UserUpdated(user) => Self::UserUpdated(user.into()),
            Stored::UserVerified(user) => Self::UserVerified(user.into()),
            Stored::RoleGranted(user) => Self::RoleGranted(user.into()),
            Stored::RoleRevoked(user) => Self::RoleRevoked(user.into()),
            Stored::TotpEnabled(user) => Self::TotpEnabled(user.into()),
            Stored::TotpDisabled(user) => Self::TotpDisabled(user.into()),
            Stored::TokenCreated(token) => Self::TokenCreated(token.into()),
            Stored::TokenRevoked(token) => Self::TokenRevoked(token.into()),
            Stored::PassAdded(pass) => Self::PassAdded(pass.into()),
            Stored::PassRemoved(pass) => Self::PassRemoved(pass.into()),
            Stored::TicketCreated(ticket) => Self::TicketCreated(ticket.try_into()?),
            Stored::TicketUpdated(ticket) => Self::TicketUpdated(ticket.try_into()?),
            Stored::TicketDeleted(ticket) => Self::TicketDeleted(ticket.try_into()?),
            Stored::TicketClosed(ticket) => Self::TicketClosed(ticket.try_into()?),
            Stored::VenueCreated(venue) => Self::VenueCreated(Box::new(venue.try_into()?)),
            Stored::VenueUpdated(venue) => Self::VenueUpdated(Box::new(venue.try_into()?)),
            Stored::VenueDeleted(venue) => Self::VenueDeleted(Box::new(venue.try_into()?)),
            Stored::ShowCreated(view) => Self::ShowCreated(Box::new(view.try_into()?)),
            Stored::ShowUpdated(view) => Self::ShowUpdated(Box::new(view.try_into()?)),
            Stored::ShowPostponed(view) => Self::ShowPostponed(Box::new(view.try_into()?)),
            Stored::ShowCancelled(view) => Self::ShowCancelled(Box::new(view.try_into()?)),
            Stored::ShowOver(view) => Self::ShowOver(Box::new(view.try_into()?)),
            Stored::ShowDeleted(view) => Self::ShowDeleted(Box::new(view.try_into()?)),
            Stored::OrderCreated(view) => Self::OrderCreated(view.try_into()?),
            Stored::OrderAwaitingPayment(view) => Self::OrderAwaitingPayment(view.try_into()?),
            Stored::OrderCompleted(view) => Self::OrderCompleted(view.try_into()?),
            Stored::OrderCancelled(view) => Self::OrderCancelled(view.try_into()?),
            Stored::OrderExpired(view) => Self::OrderExpired(view.try_into()?),
            Stored::ChargeCreated(view) => Self::ChargeCreated(view.try_into()?),
            Stored::ChargeCompleted(view) => Self::ChargeCompleted(view.try_into()?),
            Stored::ChargeFailed(view) => Self::ChargeFailed(view.try_into()?),
            Stored::ChargeRefunded(view) => Self::ChargeRefunded(view.try_into()?),
            Stored::ChargeDisputed(view) => Self::ChargeDisputed(view.try_into()?),
            Stored::ChargeUpdated(view) => Self::ChargeUpdated(view.try_into()?),
            Stored::RefundRequested(view) => Self::RefundRequested(view.try_into()?),
        })
    }
}

/// Adds an event to a run.
pub fn append_event(run: &mut Vec<u8>, at: Timestamp, event: &Event) -> Result<(), ReadError> {
    append(run, &StoredEntry { at: millis(at), event: event.into() })
}

/// An event of a run of that version. What comes before it is read already.
pub fn next_event(_version: u8, run: &mut Decoder<'_>) -> Result<(Timestamp, Event), Fault> {
    let StoredEntry { at, event } = run.decode()?;
    Ok((time(at), event.try_into()?))
}

/// An event by itself, for a log that gives it its number later. So the number is not part of the
/// checksum.
pub fn alone(at: Timestamp, event: &Event) -> Result<Vec<u8>, ReadError> {
    let mut row = start(RUN);
    append_event(&mut row, at, event)?;
    close(RUN, (), &mut row);
    Ok(row)
}

/// An event that was written [by itself](alone).
pub fn read_alone(seq: u64, row: &[u8]) -> Result<LoggedEvent, ReadError> {
    let (version, run) = open(RUN, (), row)?;
    let told = |fault| ReadError::Corrupt(format!("events {seq}: {fault}"));
    let (at, event) = next_event(version, &mut Decoder::new(run)).map_err(told)?;
    Ok(LoggedEvent { seq, at, event })
}

/// The events of a row.
pub fn read_run(first_seq: u64, row: &[u8]) -> Result<Vec<LoggedEvent>, ReadError> {
    let (version, run) = open(RUN, first_seq, row)?;
    let mut decoder = Decoder::new(run);
    let (mut events, mut seq) = (Vec::new(), first_seq);
    while decoder.position() < run.len() {
        let told = |fault| ReadError::Corrupt(format!("events {first_seq}: event {seq}: {fault}"));
        let (at, event) = next_event(version, &mut decoder).map_err(told)?;
        events.push(LoggedEvent { seq, at, event });
        seq = seq.checked_add(1).ok_or_else(|| {
            ReadError::Corrupt(format!("events {first_seq}: there is no such number"))
        })?;
    }
    Ok(events)
}
