//! A buyer's hold on a ticket. What happens to it is decided in [`super::Purchase`].

use super::{
    ChargeId, ChargeView, OrderId, Price, Ticket, TicketId, Timestamp, Title, UserId, Version,
};

/// An order: it holds its ticket until it is paid, cancelled or out of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Names the order for ever.
    pub id: OrderId,
    /// Who buys.
    pub buyer: UserId,
    /// What is bought.
    pub ticket: TicketId,
    /// The ticket's title when the order was made.
    pub title: Title,
    /// The ticket's price when the order was made.
    pub price: Price,
    /// The deadline. Nothing ever moves it.
    pub expires_at: Timestamp,
    /// How it stands.
    pub state: OrderState,
    /// How many charges were tried.
    pub attempts: u32,
    /// The latest of them.
    pub charge: Option<ChargeId>,
    /// Rises by one with every change of the order or of what it shows of its charge.
    pub version: Version,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How an order stands. `Completed` and `Cancelled` are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// The ticket is locked; nothing was tried yet.
    Created,
    /// A charge was tried.
    AwaitingPayment,
    /// Paid: the ticket is the buyer's.
    Completed,
    /// Over without a sale.
    Cancelled(CancelReason),
}

/// Why an order ended without a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// The buyer cancelled it.
    Buyer,
    /// Its time ran out.
    Expired,
    /// The last allowed charge failed.
    PaymentFailed,
}

/// An order's state without its details, as clients filter by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderStatus {
    /// The ticket is locked; nothing was tried yet.
    Created,
    /// A charge was tried.
    AwaitingPayment,
    /// Paid.
    Completed,
    /// Over without a sale.
    Cancelled,
}

impl OrderState {
    /// The state without its details.
    pub fn status(self) -> OrderStatus {
        match self {
            Self::Created => OrderStatus::Created,
            Self::AwaitingPayment => OrderStatus::AwaitingPayment,
            Self::Completed => OrderStatus::Completed,
            Self::Cancelled(_) => OrderStatus::Cancelled,
        }
    }
}

impl Order {
    /// A new order for a ticket, at the ticket's price.
    pub fn new(
        id: OrderId,
        buyer: UserId,
        ticket: &Ticket,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            buyer,
            ticket: ticket.id,
            title: ticket.title.clone(),
            price: ticket.price,
            expires_at,
            state: OrderState::Created,
            attempts: 0,
            charge: None,
            version: Version::FIRST,
            created_at: now,
        }
    }

    /// Whether the order still holds its ticket while waiting for money.
    pub fn is_open(&self) -> bool {
        match self.state {
            OrderState::Created | OrderState::AwaitingPayment => true,
            OrderState::Completed | OrderState::Cancelled(_) => false,
        }
    }

    /// The order one version on.
    #[must_use]
    pub fn moved(&self, state: OrderState) -> Self {
        Self { state, version: self.version.next(), ..self.clone() }
    }
}

/// An order as its buyer sees it, with its latest charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order itself, which has no secrets.
    pub order: Order,
    /// The latest charge.
    pub charge: Option<ChargeView>,
}
