//! Tickets: the only place where their availability is decided.

use std::convert::Infallible;
use std::sync::Arc;

use super::aggregate::{Aggregate, Change, Decision};
use super::context::{Committed, Context};
use super::error::MarketError;
use super::idempotency::KeyFor;
use super::settings::MarketSettings;
use super::timers::{Due, Timer};
use crate::bugs::{Bug, planted};
use crate::domain::{
    Commit, Event, Order, OrderId, OrderView, Precondition, Purchase, Ticket, TicketCommand,
    TicketDecision, TicketDemand, TicketId, Timestamp, UserId, Wanted, Write,
};

/// What a ticket can be asked.
#[derive(Debug, Clone)]
pub enum TicketRequest {
    /// The seller edits or withdraws the listing.
    Change(TicketCommand),
    /// A buyer locks the ticket.
    Reserve(Reservation),
    /// An order's change takes its ticket along, in one commit.
    Carry(Box<Carried>),
}

/// An order about to be made.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Names the order.
    pub order: OrderId,
    /// Who buys.
    pub buyer: UserId,
    /// What they want of it.
    pub wanted: Wanted,
    /// From when on the buyer may lock this ticket again, if they have let go of it too often.
    pub not_before: Option<Timestamp>,
    /// The buyer's idempotency key, if one came with the request.
    pub key: Option<KeyFor<OrderView>>,
}

/// An order's change that releases or sells its ticket.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The order.
    pub order: OrderId,
    /// What it asks of the ticket.
    pub demand: TicketDemand,
    /// Its own writes and events, to which the ticket adds its own. The ticket decides as of the
    /// same moment.
    pub commit: Commit,
}

/// What a ticket answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketAnswer {
    /// The ticket as it was edited, or as it was when it was withdrawn.
    Ticket(Ticket),
    /// The order that holds it now.
    Reserved(Box<Purchase>),
    /// What became of the commit that it carried.
    Carried(Committed),
}

impl TicketAnswer {
    /// The answer to [`TicketRequest::Change`].
    pub fn ticket(self) -> Result<Ticket, MarketError> {
        match self {
            Self::Ticket(ticket) => Ok(ticket),
            Self::Reserved(_) | Self::Carried(_) => Err(misplaced()),
        }
    }

    /// The answer to [`TicketRequest::Reserve`].
    pub fn reserved(self) -> Result<Purchase, MarketError> {
        match self {
            Self::Reserved(purchase) => Ok(*purchase),
            Self::Ticket(_) | Self::Carried(_) => Err(misplaced()),
        }
    }

    /// The answer to [`TicketRequest::Carry`].
    pub fn carried(self) -> Result<Committed, MarketError> {
        match self {
            Self::Carried(committed) => Ok(committed),
            Self::Ticket(_) | Self::Reserved(_) => Err(misplaced()),
        }
    }
}

fn misplaced() -> MarketError {
    MarketError::Internal("a ticket answered another question".to_owned())
}

/// The tickets.
pub struct Tickets {
    /// Where they are.
    pub context: Arc<Context>,
}

impl Aggregate for Tickets {
    type Id = TicketId;
    type State = Ticket;
    type Command = TicketRequest;
    type Answer = TicketAnswer;
    type Effect = Infallible;
    type Carrier = Infallible;

    async fn load(
        &self,
        id: TicketId,
        known: Option<Ticket>,
        _request: &TicketRequest,
    ) -> Result<Ticket, MarketError> {
        match known {
            Some(ticket) => Ok(ticket),
            None => self.context.store.ticket(id).await?.ok_or(MarketError::NotFound),
        }
    }

    fn decide(
        &self,
        ticket: &Ticket,
        request: &TicketRequest,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError> {
        match request {
            TicketRequest::Change(command) => change(ticket, command, now),
            TicketRequest::Reserve(reservation) => {
                reserve(ticket, reservation, &self.context.settings, now)
            }
            TicketRequest::Carry(carried) => carry(ticket, carried),
        }
    }

    fn act(&self, effect: Infallible) {
        match effect {}
    }

    fn carried_conflict(&self, request: &TicketRequest) -> Option<TicketAnswer> {
        match request {
            TicketRequest::Carry(_) => Some(TicketAnswer::Carried(Committed::Conflict)),
            TicketRequest::Change(_) | TicketRequest::Reserve(_) => None,
        }
    }
}

type Decided = Result<Decision<Tickets>, MarketError>;

/// Edits or withdraws.
fn change(ticket: &Ticket, command: &TicketCommand, now: Timestamp) -> Decided {
    Ok(match ticket.decide(command, now)? {
        TicketDecision::Unchanged => Decision::unchanged(TicketAnswer::Ticket(ticket.clone())),
        TicketDecision::Changed(after) => {
            let is_closed = after.closed() != ticket.closed();
            let told = if is_closed { Event::TicketClosed } else { Event::TicketUpdated };
            let commit =
                Commit::at(now).write(Write::Ticket(after.clone())).event(told(after.clone()));
            Change::new(commit, Some(after.clone())).answered(TicketAnswer::Ticket(after))
        }
        TicketDecision::Withdrawn(after) => {
            let commit = Commit::at(now)
                .write(Write::WithdrawTicket { id: ticket.id, last: ticket.version })
                .event(Event::TicketDeleted(after.clone()));
            Change::new(commit, None).answered(TicketAnswer::Ticket(after))
        }
    })
}

/// Locks the ticket for a new order.
fn reserve(
    ticket: &Ticket,
    reservation: &Reservation,
    settings: &MarketSettings,
    now: Timestamp,
) -> Decided {
    let until = now.plus(settings.hold);
    let Reservation { order, buyer, wanted, not_before, ref key } = *reservation;
    let key = key.as_ref().filter(|_| !planted(Bug::ForgottenKey));
    let terms = settings.terms;
    let command = TicketCommand::Reserve { by: buyer, order, until, wanted, terms };
    let after = changed(ticket.decide(&command, now)?)?;
    if let Some(not_before) = not_before.filter(|not_before| *not_before > now) {
        return Err(MarketError::RelockTooSoon { not_before });
    }
    let made = Order::new(order, buyer, &after, until, now).at_fees(ticket.fees(&terms));
    let purchase = Purchase { order: made, charge: None };
    let limit = settings.max_open_per_user;
    let remembered = key.map(|key| key.remember(&purchase.view()));
    let commit = Commit::at(now)
        .write(Write::Order(purchase.order.clone()))
        .write(Write::Ticket(after.clone()))
        .write_if(remembered)
        .require(Precondition::OpenOrdersBelow { user: buyer, limit })
        .event(Event::OrderCreated(purchase.view()))
        .event(Event::TicketUpdated(after.clone()));
    let timers = vec![Timer::OrderExpiry(Due { at: until, id: order })];
    let change = Change { timers, ..Change::new(commit, Some(after)) };
    Ok(change.answered(TicketAnswer::Reserved(Box::new(purchase))))
}

/// Adds to an order's commit what the order asks of this ticket.
fn carry(ticket: &Ticket, carried: &Carried) -> Decided {
    let Carried { order, demand, ref commit } = *carried;
    let command = match demand {
        TicketDemand::Release => TicketCommand::Release { order },
        TicketDemand::Sell => TicketCommand::Sell { order },
    };
    let after = changed(ticket.decide(&command, commit.at)?)?;
    let is_release = demand == TicketDemand::Release;
    let mut commit = commit.clone();
    if is_release && planted(Bug::ReleaseWithoutOrder) {
        commit.writes.clear();
    }
    commit.writes.insert(0, Write::Ticket(after.clone()));
    if !(is_release && planted(Bug::UntoldRelease)) {
        commit = commit.event(Event::TicketUpdated(after.clone()));
    }
    let answer = TicketAnswer::Carried(Committed::Durable);
    Ok(Change::new(commit, Some(after)).answered(answer))
}

fn changed(decision: TicketDecision) -> Result<Ticket, MarketError> {
    match decision {
        TicketDecision::Changed(after) => Ok(after),
        TicketDecision::Unchanged | TicketDecision::Withdrawn(_) => {
            Err(MarketError::Internal("a lock, release or sale changed nothing".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
