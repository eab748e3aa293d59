//! Orders.

use minicbor::{Decode, Encode};

use crate::domain::{
    CancelReason, ChargeId, Order, OrderId, OrderState, OrderStatus, OrderView, TicketId, UserId,
    Version,
};
use crate::store::records::charge::StoredChargeView;
use crate::store::records::entries::{Entry, Indexed};
use crate::store::records::envelope::{Fault, Kind, Record, body};
use crate::store::records::parts::{Id, StoredPrice, millis, time, title};

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
        }
    }
}

impl TryFrom<StoredOrder<'_>> for Order {
    type Error = Fault;

    fn try_from(stored: StoredOrder<'_>) -> Result<Self, Fault> {
        Ok(Self {
            id: OrderId::from_u128(stored.id.0),
            buyer: UserId::from_u128(stored.buyer.0),
            ticket: TicketId::from_u128(stored.ticket.0),
            title: title(stored.title),
            price: stored.price.price()?,
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
            let (at, ticket) = (self.expires_at.as_millis(), self.ticket.as_u128());
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
