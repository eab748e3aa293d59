//! A buyer's hold on a ticket. What happens to it is decided in [`super::Purchase`].

use std::sync::Arc;

use super::ticket::{Part, PartState, TicketState};
use super::{
    ChargeId, ChargeView, Label, Notes, OrderId, Price, SeatFees, SeatSet, ShowBrief, Ticket,
    TicketId, Timestamp, Title, UserId, Version,
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
    /// The price of a seat when the order was made.
    pub price: Price,
    /// Which seats, and what they cost beside the price; `None` for the one seat of a ticket that says
    /// no more, without fees.
    pub lot: Option<Arc<Lot>>,
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

/// The seats of an order, as they were when it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lot {
    /// Which of the ticket's seats.
    pub seats: SeatSet,
    /// Whether the ticket has several, so that its row tells who holds which.
    pub is_of_several: bool,
    /// The section.
    pub section: Option<Label>,
    /// The row.
    pub row: Option<Label>,
    /// The names of the seats, if they have names.
    pub names: Option<Vec<Label>>,
    /// What else the seller said.
    pub notes: Option<Notes>,
    /// The fees of one seat.
    pub fees: SeatFees,
    /// The show that they admit to.
    pub show: Option<Arc<ShowBrief>>,
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
    /// The show that it was for does not take place.
    ShowCancelled,
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
    /// A new order for a ticket, at the ticket's price and without fees: for the seats that the ticket
    /// has given to it, where that has several.
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
            lot: lot_of(ticket, id),
            expires_at,
            state: OrderState::Created,
            attempts: 0,
            charge: None,
            version: Version::FIRST,
            created_at: now,
        }
    }

    /// The order with these fees for each seat.
    #[must_use]
    pub fn at_fees(self, fees: SeatFees) -> Self {
        if fees == self.fees() {
            return self;
        }
        let lot = self.lot.as_deref().cloned().unwrap_or(PLAIN_LOT);
        Self { lot: Some(Arc::new(Lot { fees, ..lot })), ..self }
    }

    /// The order of a ticket of a show, with that show as it is now.
    #[must_use]
    pub fn for_show(self, show: ShowBrief) -> Self {
        let lot = self.lot.as_deref().cloned().unwrap_or(PLAIN_LOT);
        Self { lot: Some(Arc::new(Lot { show: Some(Arc::new(show)), ..lot })), ..self }
    }

    /// The show that it is for, as it was when the order was made.
    pub fn show(&self) -> Option<&ShowBrief> {
        self.lot.as_deref()?.show.as_deref()
    }

    /// Its seats among the ticket's.
    pub fn seats(&self) -> SeatSet {
        self.lot.as_ref().map_or(SeatSet::first(1), |lot| lot.seats)
    }

    /// Whether its seats have names.
    pub fn has_seat_names(&self) -> bool {
        self.lot.as_ref().is_some_and(|lot| lot.names.is_some())
    }

    /// How many seats it is for.
    pub fn quantity(&self) -> u32 {
        self.seats().len()
    }

    /// The fees of one seat.
    pub fn fees(&self) -> SeatFees {
        self.lot.as_ref().map_or(SeatFees::default(), |lot| lot.fees)
    }

    /// What the buyer pays for all its seats.
    pub fn total(&self) -> Price {
        self.price.total(self.fees().buyer_minor, self.quantity())
    }

    /// Whether its ticket's row tells which seats it holds. Otherwise the order's row is the lock.
    pub fn is_of_several(&self) -> bool {
        self.lot.as_ref().is_some_and(|lot| lot.is_of_several)
    }

    /// What its ticket must say that it has.
    pub fn part(&self) -> Option<Part> {
        let state = match self.state {
            OrderState::Created | OrderState::AwaitingPayment => {
                PartState::Held { until: self.expires_at }
            }
            OrderState::Completed => PartState::Sold,
            OrderState::Cancelled(_) => return None,
        };
        Some(Part { order: self.id, seats: self.seats(), state })
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

/// The one seat of a ticket that says no more.
const PLAIN_LOT: Lot = Lot {
    seats: SeatSet::ONE,
    is_of_several: false,
    section: None,
    row: None,
    names: None,
    notes: None,
    fees: SeatFees { buyer_minor: 0, seller_minor: 0 },
    show: None,
};

/// What an order is for beside price and title, if that is more than one seat.
fn lot_of(ticket: &Ticket, order: OrderId) -> Option<Arc<Lot>> {
    let listing = ticket.listing.as_deref()?;
    let (seats, is_of_several) = match &ticket.state {
        TicketState::Several(allotment) => {
            (allotment.part_of(order).map_or(SeatSet::NONE, |part| part.seats), true)
        }
        TicketState::Available | TicketState::Locked { .. } | TicketState::Sold { .. } => {
            (SeatSet::ONE, false)
        }
    };
    let lot = Lot {
        seats,
        is_of_several,
        section: listing.section.clone(),
        row: listing.row.clone(),
        names: listing.names(seats),
        notes: listing.notes.clone(),
        fees: SeatFees::default(),
        show: listing.show.clone(),
    };
    (lot != PLAIN_LOT).then(|| Arc::new(lot))
}

/// An order as its buyer sees it, with its latest charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// The order itself, which has no secrets.
    pub order: Order,
    /// The latest charge.
    pub charge: Option<ChargeView>,
}
