//! What every actor needs: the seams, the settings and the other actors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ractor::ActorRef;

use super::deadlines::{DeadlineMessage, Doorbell};
use super::directory::{AskError, Directory, DirectoryLimits, Reply};
use super::error::MarketError;
use super::order::OrderRequest;
use super::reconciler::ReconcilerMessage;
use super::ticket::TicketRequest;
use crate::bugs::{Bug, planted};
use crate::domain::{ChargeId, Commit, OrderId, TicketId, Timestamp};
use crate::payments::SharedGateway;
use crate::seams::{Clock, IdMint};
use crate::store::{CommitError, SharedStore};

/// How the marketplace behaves.
#[derive(Debug, Clone, Copy)]
pub struct MarketSettings {
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// How many orders one buyer may have open at a time.
    pub max_open_per_user: u32,
    /// How many charges one order may try.
    pub max_attempts: u32,
    /// How long a buyer waits for the gateway before being told that it goes on.
    pub answer_within: Duration,
    /// How many actors of one kind stay awake while idle.
    pub max_live_actors: usize,
    /// How many requests may wait for one ticket or one order.
    pub max_pending_per_actor: usize,
    /// How many calls to the gateway may be under way at a time.
    pub max_gateway_calls: usize,
    /// How long one call to the gateway may take before its outcome counts as unknown.
    pub gateway_timeout: Duration,
}

impl Default for MarketSettings {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(15 * 60),
            max_open_per_user: 10,
            max_attempts: 1,
            answer_within: Duration::from_secs(10),
            max_live_actors: 512,
            max_pending_per_actor: 20_000,
            max_gateway_calls: 256,
            gateway_timeout: Duration::from_secs(30),
        }
    }
}

impl MarketSettings {
    /// What a directory of actors has to keep to.
    pub fn directory_limits(&self) -> DirectoryLimits {
        DirectoryLimits { max_live: self.max_live_actors, max_pending: self.max_pending_per_actor }
    }
}

/// Shared by all actors of one marketplace.
pub struct Context {
    /// Where everything is kept.
    pub store: SharedStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// New identifiers.
    pub ids: IdMint,
    /// Who takes the money.
    pub gateway: SharedGateway,
    /// Bounds the calls to the gateway under way.
    pub gateway_calls: Arc<tokio::sync::Semaphore>,
    /// How the marketplace behaves.
    pub settings: MarketSettings,
    /// Wakes the timer if it sleeps for want of open orders.
    pub doorbell: Doorbell,
    /// The other actors. Set once, before the first message.
    pub peers: OnceLock<Peers>,
}

/// The actors that others call on.
pub struct Peers {
    /// One for every ticket that is being changed.
    pub tickets: Arc<Directory<TicketId, TicketRequest>>,
    /// One for every order that is being changed.
    pub orders: Arc<Directory<OrderId, OrderRequest>>,
    /// Wakes orders when their time is up.
    pub deadlines: ActorRef<DeadlineMessage>,
    /// Brings unsettled charges forward.
    pub reconciler: ActorRef<ReconcilerMessage>,
}

impl Context {
    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The other actors; `None` only while the marketplace is being put together.
    pub fn peers(&self) -> Option<&Peers> {
        self.peers.get()
    }

    /// Commits, and reports a refusal in the marketplace's words. `Conflict` is left to the
    /// caller, who holds the stale state.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, MarketError> {
        if planted(Bug::AnswerBeforeCommit) {
            let store = self.store.clone();
            tokio::spawn(async move { store.commit(commit).await });
            return Ok(Committed::Durable);
        }
        match self.store.commit(commit).await {
            Ok(()) => Ok(Committed::Durable),
            Err(CommitError::Conflict) => Ok(Committed::Stale),
            Err(error) => Err(error.into()),
        }
    }

    /// To be called after every commit that makes an order.
    pub fn order_made(&self) {
        if let Some(peers) = self.peers() {
            self.doorbell.ring(&peers.deadlines);
        }
    }

    /// Asks the actor of a ticket.
    pub async fn ask_ticket<T>(
        &self,
        id: TicketId,
        question: impl FnMut(Reply<T>) -> TicketRequest,
    ) -> Result<T, MarketError> {
        let peers = self.peers().ok_or(MarketError::Unavailable)?;
        Ok(peers.tickets.ask(id, question).await?)
    }

    /// Asks the actor of an order.
    pub async fn ask_order<T>(
        &self,
        id: OrderId,
        question: impl FnMut(Reply<T>) -> OrderRequest,
    ) -> Result<T, AskError> {
        let peers = self.peers().ok_or(AskError::Failed)?;
        peers.orders.ask(id, question).await
    }

    /// Has a charge looked at again later, for its last call led nowhere.
    pub fn reconcile_later(
        &self,
        charge: ChargeId,
        order: OrderId,
        reason: String,
        within: Duration,
    ) {
        if let Some(peers) = self.peers() {
            let message = ReconcilerMessage::TryLater { charge, order, reason, within };
            let _ = peers.reconciler.cast(message);
        }
    }

    /// Tells the reconciler that a charge needs it no more.
    pub fn settled(&self, charge: ChargeId) {
        if let Some(peers) = self.peers() {
            let _ = peers.reconciler.cast(ReconcilerMessage::Settled { charge });
        }
    }
}

/// What became of a commit that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is on disk.
    Durable,
    /// The state it was decided on is stale: load it again and decide again.
    Stale,
}

/// How often a decision is made again because the state it was made on turned out stale. With
/// one process and one actor an id it never is.
pub const MAX_REDECISIONS: usize = 3;
