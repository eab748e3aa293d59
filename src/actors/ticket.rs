//! One ticket: the only place where its availability is decided.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::context::{Committed, Context, MAX_REDECISIONS};
use super::directory::{Letter, Presence, Reply};
use super::error::MarketError;
use crate::bugs::{Bug, planted};
use crate::domain::{
    Answer, Commit, Event, Order, OrderId, Precondition, Purchase, PurchaseChange, Remembered,
    Ticket, TicketCommand, TicketDecision, TicketDemand, TicketId, Timestamp, UserId, Write,
};

/// What a ticket's actor can be asked. Every request is answered once its effect is durable.
pub enum TicketRequest {
    /// The seller edits the listing.
    Edit {
        /// Always [`TicketCommand::Edit`].
        command: TicketCommand,
        /// Where the ticket as it is afterwards goes.
        reply: Reply<Result<Ticket, MarketError>>,
    },
    /// The seller withdraws the listing.
    Withdraw {
        /// Always [`TicketCommand::Withdraw`].
        command: TicketCommand,
        /// Where the answer goes.
        reply: Reply<Result<(), MarketError>>,
    },
    /// A buyer locks the ticket.
    Reserve {
        /// The order to make.
        reservation: Reservation,
        /// Where the new order goes.
        reply: Reply<Result<Purchase, MarketError>>,
    },
    /// An order asks to release or sell the ticket, in one commit with its own change.
    Settle {
        /// The order's change.
        settlement: Box<Settlement>,
        /// Where the answer goes.
        reply: Reply<Result<Committed, MarketError>>,
    },
}

/// An order about to be made.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Names the order.
    pub order: OrderId,
    /// Who buys.
    pub buyer: UserId,
    /// The buyer's idempotency key, if one came with the request.
    pub key: Option<IdempotencyKey>,
}

/// An idempotency key that came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who sent it.
    pub user: UserId,
    /// The key itself.
    pub key: String,
    /// A hash of the request.
    pub fingerprint: [u8; 16],
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl IdempotencyKey {
    /// The write that remembers what the key led to.
    pub fn remember(&self, answer: Answer) -> Write {
        Write::Remember(Box::new(Remembered {
            user: self.user,
            key: self.key.clone(),
            fingerprint: self.fingerprint,
            expires_at: self.expires_at,
            answer,
        }))
    }
}

/// An order's change that takes its ticket along.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// What the order decided, when, and what it asks of the ticket.
    pub change: PurchaseChange,
    /// What it asks of the ticket.
    pub demand: TicketDemand,
    /// When it was decided.
    pub at: Timestamp,
    /// The writes of the order's own rows.
    pub writes: Vec<Write>,
}

/// Handles the requests to one ticket, one at a time.
pub struct TicketActor {
    context: Arc<Context>,
}

impl TicketActor {
    /// An actor that reads and writes through the context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

/// What a ticket's actor remembers between requests.
pub struct TicketActorState {
    presence: Presence<TicketId, TicketRequest>,
    ticket: Loaded<Ticket>,
}

/// A row as the actor last knew it.
pub enum Loaded<T> {
    /// Not read yet, or no longer trusted.
    No,
    /// Read, or written by this actor.
    Yes(T),
}

impl Actor for TicketActor {
    type Msg = Letter<TicketId, TicketRequest>;
    type State = TicketActorState;
    type Arguments = Presence<TicketId, TicketRequest>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        presence: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        // The row is read with the first request, so that a missing one is an answer and not
        // a failed start.
        Ok(TicketActorState { presence, ticket: Loaded::No })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if state.presence.turn_to(letter.to) {
            state.ticket = Loaded::No;
        }
        match letter.body {
            TicketRequest::Edit { command, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.change(state, &command).await);
            }
            TicketRequest::Withdraw { command, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.change(state, &command).await.map(|_| ()));
            }
            TicketRequest::Reserve { reservation, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.reserve(state, &reservation).await);
            }
            TicketRequest::Settle { settlement, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.settle(state, *settlement).await);
            }
        }
        Ok(())
    }
}

impl TicketActor {
    /// Edits or withdraws.
    async fn change(
        &self,
        state: &mut TicketActorState,
        command: &TicketCommand,
    ) -> Result<Ticket, MarketError> {
        for _ in 0..MAX_REDECISIONS {
            let ticket = self.load(state).await?;
            let now = self.context.now();
            let (after, commit) = match ticket.decide(command, now)? {
                TicketDecision::Unchanged => return Ok(ticket),
                TicketDecision::Changed(after) => {
                    let commit = Commit::at(now)
                        .write(Write::Ticket(after.clone()))
                        .event(Event::TicketUpdated(after.clone()));
                    (after, commit)
                }
                TicketDecision::Withdrawn(after) => {
                    let commit = Commit::at(now)
                        .write(Write::WithdrawTicket { id: ticket.id, last: ticket.version })
                        .event(Event::TicketDeleted(after.clone()));
                    (after, commit)
                }
            };
            let withdrawn = matches!(command, TicketCommand::Withdraw { .. });
            if self.commit(state, commit, (!withdrawn).then_some(&after)).await? {
                return Ok(after);
            }
        }
        Err(out_of_tries())
    }

    async fn reserve(
        &self,
        state: &mut TicketActorState,
        reservation: &Reservation,
    ) -> Result<Purchase, MarketError> {
        let settings = &self.context.settings;
        for _ in 0..MAX_REDECISIONS {
            let ticket = self.load(state).await?;
            let now = self.context.now();
            let until = now.plus(settings.hold);
            let Reservation { order, buyer, ref key } = *reservation;
            let key = key.as_ref().filter(|_| !planted(Bug::ForgottenKey));
            let command = TicketCommand::Reserve { by: buyer, order, until };
            let after = changed(ticket.decide(&command, now)?)?;
            let purchase =
                Purchase { order: Order::new(order, buyer, &ticket, until, now), charge: None };
            let limit = settings.max_open_per_user;
            let remembered = key.map(|key| key.remember(Answer::OrderCreated(purchase.view())));
            let commit = Commit::at(now)
                .write(Write::Order(purchase.order.clone()))
                .write(Write::Ticket(after.clone()))
                .write_if(remembered)
                .require(Precondition::OpenOrdersBelow { user: buyer, limit })
                .event(Event::OrderCreated(purchase.view()))
                .event(Event::TicketUpdated(after.clone()));
            if self.commit(state, commit, Some(&after)).await? {
                self.context.order_made();
                return Ok(purchase);
            }
        }
        Err(out_of_tries())
    }

    /// Commits an order's change together with what it asks of this ticket. A stale order is
    /// the order's to load again; a stale ticket is looked at once more here.
    async fn settle(
        &self,
        state: &mut TicketActorState,
        settlement: Settlement,
    ) -> Result<Committed, MarketError> {
        let ticket = self.load(state).await?;
        let order = settlement.change.after.order.id;
        let command = match settlement.demand {
            TicketDemand::Release => TicketCommand::Release { order },
            TicketDemand::Sell => TicketCommand::Sell { order },
        };
        let decision = match ticket.decide(&command, settlement.at) {
            Ok(decision) => decision,
            Err(rejection) => {
                state.ticket = Loaded::No;
                return Err(rejection.into());
            }
        };
        let after = changed(decision)?;
        let mut commit = Commit::at(settlement.at)
            .write(Write::Ticket(after.clone()))
            .events(settlement.change.events);
        if !(planted(Bug::UntoldRelease) && settlement.demand == TicketDemand::Release) {
            commit = commit.event(Event::TicketUpdated(after.clone()));
        }
        if !(planted(Bug::ReleaseWithoutOrder) && settlement.demand == TicketDemand::Release) {
            commit.writes.extend(settlement.writes);
        }
        let durable = self.commit(state, commit, Some(&after)).await?;
        Ok(if durable { Committed::Durable } else { Committed::Stale })
    }

    async fn load(&self, state: &mut TicketActorState) -> Result<Ticket, MarketError> {
        if let Loaded::Yes(ticket) = &state.ticket {
            return Ok(ticket.clone());
        }
        let id = state.presence.id();
        let ticket = self.context.store.ticket(id).await?.ok_or(MarketError::NotFound)?;
        state.ticket = Loaded::Yes(ticket.clone());
        Ok(ticket)
    }

    /// Commits and adopts what the ticket becomes. False if the state was stale. Whenever the
    /// commit did not certainly succeed, the row is read again before the next decision.
    async fn commit(
        &self,
        state: &mut TicketActorState,
        commit: Commit,
        after: Option<&Ticket>,
    ) -> Result<bool, MarketError> {
        let before = std::mem::replace(&mut state.ticket, Loaded::No);
        match self.context.commit(commit).await {
            Ok(Committed::Durable) => {
                if let Some(after) = after {
                    state.ticket = Loaded::Yes(after.clone());
                }
                Ok(true)
            }
            Ok(Committed::Stale) => Ok(false),
            Err(error @ (MarketError::Refused(_) | MarketError::Overloaded)) => {
                let adopted = after.filter(|_| planted(Bug::AdoptedRefusal));
                state.ticket = adopted.map_or(before, |after| Loaded::Yes(after.clone()));
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

fn changed(decision: TicketDecision) -> Result<Ticket, MarketError> {
    match decision {
        TicketDecision::Changed(after) => Ok(after),
        TicketDecision::Unchanged | TicketDecision::Withdrawn(_) => {
            Err(MarketError::Internal("a lock, release or sale changed nothing".to_owned()))
        }
    }
}

fn out_of_tries() -> MarketError {
    MarketError::Internal("the ticket kept changing under its only actor".to_owned())
}
