//! Passes, and which seats of a ticket have one.

use minicbor::bytes::{ByteArray, ByteSlice};
use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::{
    Line, OrderId, Pass, PassEvent, PassId, PassKind, PassMark, Passes, SeatPass, TicketId,
    TicketPasses, TicketsWithPasses, UserId, Version,
};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};
use crate::store::{CommitError, Refusal};

/// Passes by mark and generation: one place each.
const MARKS: Index = Index(90);
/// Tickets that have passes.
const TICKETS: Index = Index(91);

/// A pass as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredPass<'a> {
    #[n(0)]
    id: Id,
    #[n(1)]
    ticket: Id,
    #[n(2)]
    seller: Id,
    #[b(3)]
    seat: Option<&'a str>,
    #[n(4)]
    kind: StoredPassKind,
    #[n(5)]
    mark: ByteArray<32>,
    #[n(6)]
    generation: u32,
    #[b(7)]
    wrapped_key: &'a ByteSlice,
    #[n(8)]
    created_at: i64,
    #[n(9)]
    version: u64,
}

/// What a pass is.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredPassKind {
    #[n(0)]
    Pdf,
    #[n(1)]
    Png,
    #[n(2)]
    Jpeg,
    #[n(3)]
    Pkpass,
    #[n(4)]
    Code,
}

impl From<PassKind> for StoredPassKind {
    fn from(kind: PassKind) -> Self {
        match kind {
            PassKind::Pdf => Self::Pdf,
            PassKind::Png => Self::Png,
            PassKind::Jpeg => Self::Jpeg,
            PassKind::Pkpass => Self::Pkpass,
            PassKind::Code => Self::Code,
        }
    }
}

impl From<StoredPassKind> for PassKind {
    fn from(kind: StoredPassKind) -> Self {
        match kind {
            StoredPassKind::Pdf => Self::Pdf,
            StoredPassKind::Png => Self::Png,
            StoredPassKind::Jpeg => Self::Jpeg,
            StoredPassKind::Pkpass => Self::Pkpass,
            StoredPassKind::Code => Self::Code,
        }
    }
}

impl<'a> From<&'a Pass> for StoredPass<'a> {
    fn from(pass: &'a Pass) -> Self {
        Self {
            id: Id(pass.id.as_u128()),
            ticket: Id(pass.ticket.as_u128()),
            seller: Id(pass.seller.as_u128()),
            seat: pass.seat.as_ref().map(Line::as_str),
            kind: pass.kind.into(),
            mark: pass.mark.0.into(),
            generation: pass.generation,
            wrapped_key: pass.wrapped_key.as_slice().into(),
            created_at: millis(pass.created_at),
            version: pass.version.number(),
        }
    }
}

impl Record for Pass {
    const KIND: Kind = Kind { table: "passes", tag: 70, version: 1 };
    type Stored<'a> = StoredPass<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredPass<'_> = body(bytes)?;
        Ok(Self {
            id: PassId::from_u128(stored.id.0),
            ticket: TicketId::from_u128(stored.ticket.0),
            seller: UserId::from_u128(stored.seller.0),
            seat: stored.seat.map(Line::accepted_before),
            kind: stored.kind.into(),
            mark: PassMark(stored.mark.into()),
            generation: stored.generation,
            wrapped_key: stored.wrapped_key.to_vec(),
            created_at: time(stored.created_at),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for Pass {
    const TABLE: Table = Table(70);
    const INDEXES: &'static [Index] = &[MARKS];

    fn key(id: &PassId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let place = [self.mark.0.as_slice(), &self.generation.to_be_bytes()].concat();
        vec![(MARKS, place)]
    }

    fn taken(_: Index) -> CommitError {
        Refusal::PassListed.into()
    }

    fn span(list: &Passes) -> (Index, Vec<u8>) {
        let Passes::Marked(mark) = list;
        (MARKS, mark.0.to_vec())
    }
}

/// A pass of a ticket as it is stored.
#[derive(Debug, Clone, Copy, Encode, Decode)]
struct StoredSeatPass {
    #[n(0)]
    pass: Id,
    #[n(1)]
    seat: Option<u32>,
    #[n(2)]
    order: Option<Id>,
}

/// The passes of a ticket as they are stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredTicketPasses {
    #[n(0)]
    ticket: Id,
    #[n(1)]
    seats: Vec<StoredSeatPass>,
    #[n(2)]
    version: u64,
}

impl From<&TicketPasses> for StoredTicketPasses {
    fn from(passes: &TicketPasses) -> Self {
        let seat = |seat: &SeatPass| StoredSeatPass {
            pass: Id(seat.pass.as_u128()),
            seat: seat.seat,
            order: seat.order.map(|order| Id(order.as_u128())),
        };
        Self {
            ticket: Id(passes.ticket.as_u128()),
            seats: passes.seats.iter().map(seat).collect(),
            version: passes.version.number(),
        }
    }
}

impl Record for TicketPasses {
    const KIND: Kind = Kind { table: "passes of tickets", tag: 71, version: 1 };
    type Stored<'a> = StoredTicketPasses;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        let stored: StoredTicketPasses = body(bytes)?;
        let seat = |seat: StoredSeatPass| SeatPass {
            pass: PassId::from_u128(seat.pass.0),
            seat: seat.seat,
            order: seat.order.map(|order| OrderId::from_u128(order.0)),
        };
        Ok(Self {
            ticket: TicketId::from_u128(stored.ticket.0),
            seats: stored.seats.into_iter().map(seat).collect(),
            version: Version::from_number(stored.version),
        })
    }
}

impl KeptAs for TicketPasses {
    const TABLE: Table = Table(71);
    const INDEXES: &'static [Index] = &[TICKETS];

    fn key(id: &TicketId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        vec![(TICKETS, Self::key(&self.ticket))]
    }

    fn span(list: &TicketsWithPasses) -> (Index, Vec<u8>) {
        let TicketsWithPasses::All = list;
        (TICKETS, Vec::new())
    }
}

/// What the log tells of a pass.
#[derive(Debug, Encode, Decode)]
pub struct StoredPassEvent {
    #[n(0)]
    id: Id,
    #[n(1)]
    ticket: Id,
    #[n(2)]
    seller: Id,
}

impl From<&PassEvent> for StoredPassEvent {
    fn from(pass: &PassEvent) -> Self {
        Self {
            id: Id(pass.id.as_u128()),
            ticket: Id(pass.ticket.as_u128()),
            seller: Id(pass.seller.as_u128()),
        }
    }
}

impl From<StoredPassEvent> for PassEvent {
    fn from(stored: StoredPassEvent) -> Self {
        Self {
            id: PassId::from_u128(stored.id.0),
            ticket: TicketId::from_u128(stored.ticket.0),
            seller: UserId::from_u128(stored.seller.0),
        }
    }
}
