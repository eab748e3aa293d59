//! Orders.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::domain::{
    CancelReason, ChargeId, Line, Lot, Order, OrderId, OrderState, OrderStatus, OrderView,
    SeatFees, ShowBrief, TicketId, UserId, Version,
};
use crate::store::records::charge::StoredChargeView;
use crate::store::records::entries::{Entry, Indexed, NO_TICKET};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::parts::{Id, StoredPrice, millis, time, title};
use crate::store::records::ticket::seats;
use crate::store::resources::admission::StoredShowBrief;

/// An order as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredOrder<'a> {
    #[n(0)]
    id: Id,
    #[n(1)]
    buyer: Id,
    #[n(2)]
    ticket: Id,
    #[b(3)]
    title: &'a str,
    #[b(4)]
    price: StoredPrice<'a>,
    #[n(5)]
    expires_at: i64,
    #[n(6)]
    state: StoredState,
    #[n(7)]
    attempts: u32,
    #[n(8)]
    charge: Option<Id>,
    #[n(9)]
    version: u64,
    #[n(10)]
    created_at: i64,
    /// Which seats; rows of one seat of which nothing is said, without fees, end before this.
    #[b(11)]
    lot: Option<StoredLot<'a>>,
}

/// The seats of an order.
#[derive(Debug, Encode, Decode)]
struct StoredLot<'a> {
    /// The lowest bit is the ticket's first seat.
    #[n(0)]
    seats: u64,
    #[n(1)]
    is_of_several: bool,
    #[b(2)]
    section: Option<&'a str>,
    #[b(3)]
    row: Option<&'a str>,
    #[b(4)]
    names: Option<Vec<&'a str>>,
    #[b(5)]
    notes: Option<&'a str>,
    #[n(6)]
    buyer_fee: u64,
    #[n(7)]
    seller_fee: u64,
    /// The show; rows of orders without one end before this.
    #[b(8)]
    show: Option<StoredShowBrief<'a>>,
}

impl<'a> From<&'a Lot> for StoredLot<'a> {
    fn from(lot: &'a Lot) -> Self {
        let Lot { seats, is_of_several, section, row, names, notes, fees, show } = lot;
        Self {
            seats: seats.bits(),
            is_of_several: *is_of_several,
            section: section.as_ref().map(Line::as_str),
            row: row.as_ref().map(Line::as_str),
            names: names.as_ref().map(|names| names.iter().map(Line::as_str).collect()),
            notes: notes.as_ref().map(Line::as_str),
            buyer_fee: fees.buyer_minor,
            seller_fee: fees.seller_minor,
            show: show.as_deref().map(Into::into),
        }
    }
}

impl TryFrom<StoredLot<'_>> for Lot {
    type Error = Fault;

    fn try_from(stored: StoredLot<'_>) -> Result<Self, Fault> {
        let names = |names: Vec<&str>| names.into_iter().map(Line::accepted_before).collect();
        Ok(Self {
            seats: seats(stored.seats)?,
            is_of_several: stored.is_of_several,
            section: stored.section.map(Line::accepted_before),
            row: stored.row.map(Line::accepted_before),
            names: stored.names.map(names),
            notes: stored.notes.map(Line::accepted_before),
            fees: SeatFees { buyer_minor: stored.buyer_fee, seller_minor: stored.seller_fee },
            show: stored.show.map(ShowBrief::try_from).transpose()?.map(Arc::new),
        })
    }
}

/// How an order stands.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredState {
    #[n(0)]
    Created,
    #[n(1)]
    AwaitingPayment,
    #[n(2)]
    Completed,
    #[n(3)]
    CancelledByBuyer,
    #[n(4)]
    Expired,
    #[n(5)]
    PaymentFailed,
    #[n(6)]
    ShowCancelled,
}

impl From<OrderState> for StoredState {
    fn from(state: OrderState) -> Self {
        match state {
            OrderState::Created => Self::Created,
            OrderState::AwaitingPayment => Self::AwaitingPayment,
            OrderState::Completed => Self::Completed,
            OrderState::Cancelled(CancelReason::Buyer) => Self::CancelledByBuyer,
            OrderState::Cancelled(CancelReason::Expired) => Self::Expired,
            OrderState::Cancelled(CancelReason::PaymentFailed) => Self::PaymentFailed,
            OrderState::Cancelled(CancelReason::ShowCancelled) => Self::ShowCancelled,
        }
    }
}

impl From<StoredState> for OrderState {
    fn from(stored: StoredState) -> Self {
        match stored {
            StoredState::Created => Self::Created,
            StoredState::AwaitingPayment => Self::AwaitingPayment,
            StoredState::Completed => Self::Completed,
            StoredState::CancelledByBuyer => Self::Cancelled(CancelReason::Buyer),
            StoredState::Expired => Self::Cancelled(CancelReason::Expired),
            StoredState::PaymentFailed => Self::Cancelled(CancelReason::PaymentFailed),
            StoredState::ShowCancelled => Self::Cancelled(CancelReason::ShowCancelled),
        }
    }
}

impl<'a> From<&'a Order> for StoredOrder<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            id: Id(order.id.as_u128()),
            buyer: Id(order.buyer.as_u128()),
            ticket: Id(order.ticket.as_u128()),
            title: order.title.as_str(),
            price: (&order.price).into(),
            expires_at: millis(order.expires_at),
            state: order.state.into(),
            attempts: order.attempts,
            charge: order.charge.map(|charge| Id(charge.as_u128())),
            version: order.version.number(),
            created_at: millis(order.created_at),
            lot: order.lot.as_deref().map(Into::into),
        }
    }
}

impl TryFrom<StoredOrder<'_>> for Order {
    type Error = Fault;

    fn try_from(stored: StoredOrder<'_>) -> Result<Self, Fault> {
        let lot = stored.lot.map(Lot::try_from).transpose()?;
        Ok(Self {
            id: OrderId::from_u128(stored.id.0),
            buyer: UserId::from_u128(stored.buyer.0),
            ticket: TicketId::from_u128(stored.ticket.0),
            title: title(stored.title),
            price: stored.price.price()?,
            lot: lot.map(Arc::new),
            expires_at: time(stored.expires_at),
            state: stored.state.into(),
            attempts: stored.attempts,
            charge: stored.charge.map(|charge| ChargeId::from_u128(charge.0)),
            version: Version::from_number(stored.version),
            created_at: time(stored.created_at),
        })
    }
}

impl Record for Order {
    const KIND: Kind = Kind { table: "orders", tag: 4, version: 1 };
    type Stored<'a> = StoredOrder<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        body::<StoredOrder<'_>>(bytes)?.try_into()
    }
}

/// An order with what its buyer sees of its charge, in answers and events.
#[derive(Debug, Encode, Decode)]
pub struct StoredOrderView<'a> {
    #[b(0)]
    order: StoredOrder<'a>,
    #[b(1)]
    charge: Option<StoredChargeView<'a>>,
}

impl<'a> From<&'a OrderView> for StoredOrderView<'a> {
    fn from(view: &'a OrderView) -> Self {
        Self { order: (&view.order).into(), charge: view.charge.as_ref().map(Into::into) }
    }
}

impl TryFrom<StoredOrderView<'_>> for OrderView {
    type Error = Fault;

    fn try_from(stored: StoredOrderView<'_>) -> Result<Self, Fault> {
        let charge = stored.charge.map(TryInto::try_into).transpose()?;
        Ok(Self { order: stored.order.try_into()?, charge })
    }
}

impl Indexed for Order {
    fn entries(&self) -> Vec<Entry<'_>> {
        let (order, buyer) = (self.id.as_u128(), self.buyer.as_u128());
        vec![if self.is_open() {
            let at = self.expires_at.as_millis();
            // Who holds which of several seats is told by the ticket's row.
            let ticket = if self.is_of_several() { NO_TICKET } else { self.ticket.as_u128() };
            Entry::Deadline { at, order, buyer, ticket }
        } else {
            Entry::Ended { buyer, status: status_code(self.state.status()), order }
        }]
    }
}

/// Every status an order can end in.
pub const END_STATUSES: [OrderStatus; 2] = [OrderStatus::Completed, OrderStatus::Cancelled];

/// A status as [`crate::store::redb::tables::ENDED_ORDERS`] keeps it.
pub fn status_code(status: OrderStatus) -> u8 {
    match status {
        OrderStatus::Created => 0,
        OrderStatus::AwaitingPayment => 1,
        OrderStatus::Completed => 2,
        OrderStatus::Cancelled => 3,
    }
}
