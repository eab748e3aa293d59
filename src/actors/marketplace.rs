//! The one door to everything that changes.
//!
//! Every method returns once its effect is durable, or says why there is none. Reads go to the
//! store directly. What can be asked is in a file per resource.

pub mod accounts;
pub mod imports;
mod letters;
mod links;
pub mod operators;
mod orders;
pub mod passes;
pub mod payments;
mod second_factor;
pub mod shows;
pub mod tickets;
mod tokens;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ractor::{Actor, ActorRef};

use super::aggregate::{Actors, Aggregate};
use super::catalog::Catalog;
use super::closing::Closing;
use super::context::{Committed, Context};
use super::effects::charges::{ChargeCall, Charges};
use super::effects::kind::Recipient;
use super::effects::{CallLimits, Effects};
use super::error::MarketError;
use super::followers::mail::MailNotices;
use super::followers::{self, StartFollower};
use super::idempotency::IdempotencyKey;
use super::news::News;
use super::order::Orders;
use super::passes::{PassFilter, sweep_contents};
use super::peers::{Membership, Peers};
use super::relocks::Relocks;
use super::settings::MarketSettings;
use super::supervisor::{Supervisor, SupervisorMessage};
use super::ticket::Tickets;
use super::timers::mail::MailDelivery;
use super::timers::order_expiry::OrderExpiry;
use super::timers::{self, Timers};
use crate::blobs::SharedBlobs;
use crate::bugs::{Bug, planted};
use crate::domain::{Commit, LinkSecrets, NodeId, Timestamp};
use crate::mail::SharedTransport;
use crate::mail::texts::Site;
use crate::payments::SharedGateway;
use crate::seams::{Clock, Entropy, IdMint};
use crate::store::{ReadError, SharedStore, Store};

/// How often idle actors are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How long after a buyer has waited for the gateway the answer is given and written down.
const ANSWERS_AFTER: Duration = Duration::from_secs(5);
/// How long the actors may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The running marketplace. Clones share it.
#[derive(Clone)]
pub struct Marketplace {
    parts: Arc<Parts>,
}

/// What runs.
struct Parts {
    context: Arc<Context>,
    gateway: SharedGateway,
    tickets: Arc<Actors<Tickets>>,
    orders: Arc<Actors<Orders>>,
    catalog: Catalog,
    charges: Effects<Charges>,
    relocks: Arc<Relocks>,
    blobs: SharedBlobs,
    with_passes: Arc<PassFilter>,
    supervisor: ActorRef<SupervisorMessage>,
    failures: Arc<AtomicU64>,
    /// What is done now and then, or once in the background.
    background: Vec<tokio::task::AbortHandle>,
    news: Option<tokio::task::AbortHandle>,
    /// Until it ends.
    membership: Mutex<Option<Membership>>,
}

/// What operators want to know of the actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketStats {
    /// Ticket actors that are awake.
    pub live_tickets: usize,
    /// Order actors that are awake.
    pub live_orders: usize,
    /// Actors that have failed since the start.
    pub failures: u64,
}

/// The marketplace could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the marketplace's actors could not be started: {0}")]
pub struct StartError(String);

impl From<ractor::SpawnErr> for StartError {
    fn from(error: ractor::SpawnErr) -> Self {
        Self(error.to_string())
    }
}

impl From<StartFollower> for StartError {
    fn from(error: StartFollower) -> Self {
        Self(error.to_string())
    }
}

/// What the marketplace has to do with beside store and gateway.
pub struct Outgoing {
    /// Who takes letters.
    pub transport: SharedTransport,
    /// What they say of where they come from.
    pub site: Site,
    /// Makes the secrets of links in them.
    pub links: Arc<dyn LinkSecrets>,
    /// Where contents lie that are too large for a row.
    pub blobs: SharedBlobs,
}

impl Marketplace {
    /// Starts the actors. Overdue orders expire and unsettled charges go on at once. Others may work on
    /// the store only if all of them, and this one, have a number (`node`) that no other has.
    ///
    /// # Errors
    ///
    /// [`StartError`] if an actor of those that always run does not start.
    pub async fn start(
        store: SharedStore,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        gateway: SharedGateway,
        outgoing: Outgoing,
        settings: MarketSettings,
        node: Option<NodeId>,
    ) -> Result<Self, StartError> {
        let failures = Arc::new(AtomicU64::new(0));
        let counter = Supervisor { failures: failures.clone() };
        let (supervisor, _) = Actor::spawn(None, counter, ()).await?;
        let parent = supervisor.get_cell();
        let after = last_change(&*store).await.map_err(|error| StartError(error.to_string()))?;
        let limits = call_limits(&settings);
        let relocks = Arc::new(Relocks::new(settings.relock_free, settings.hold));
        let (membership, peers) = join(node, &store, &clock).await?;
        let seen = store.stats().last_seq;
        let context = Arc::new(Context {
            ids: IdMint::new(clock.clone(), entropy.clone()).after(after),
            timers: Timers::default(),
            peers: peers.clone(),
            store: store.clone(),
            clock: clock.clone(),
            entropy,
            links: outgoing.links,
            settings,
        });
        let with_passes = Arc::<PassFilter>::default();
        let tickets = Tickets { context: context.clone(), with_passes: with_passes.clone() };
        let tickets = Actors::new(tickets, context.clone(), parent.clone());
        let kind = Charges { gateway: gateway.clone(), store: store.clone() };
        let charges = Effects::new(kind, limits, peers.clone());
        let orders = Orders {
            context: context.clone(),
            tickets: tickets.clone(),
            charges: charges.clone(),
            relocks: relocks.clone(),
        };
        let orders = Actors::new(orders, context.clone(), parent.clone());
        let closing = Closing::new(context.clone(), tickets.clone(), orders.clone());
        let catalog = Catalog::start(&context, closing, &parent).await?;
        // Nobody here hears of tickets that get passes at another server, so there any may have some.
        let known = peers.is_alone().then(|| tokio::spawn(with_passes.clone().fill(store.clone())));
        let expiry = OrderExpiry { store, orders: orders.clone() };
        let doorbell = context.timers.order_expiry.clone();
        timers::start(expiry, clock.clone(), doorbell, peers.clone(), parent.clone()).await?;
        let delivery = MailDelivery::new(context.clone(), outgoing.transport, outgoing.site);
        let doorbell = context.timers.mail.clone();
        timers::start(delivery, clock.clone(), doorbell, peers.clone(), parent.clone()).await?;
        let recipient: Weak<dyn Recipient<ChargeCall>> =
            Arc::downgrade(&(orders.clone() as Arc<dyn Recipient<ChargeCall>>));
        charges.start(recipient, clock, parent.clone()).await?;
        let notices = MailNotices { context: context.clone() };
        followers::start(notices, context.clone(), parent).await?;
        // Only now, when all are there, may the first work begin.
        context.timers.look();
        if !planted(Bug::NoReconciler) {
            charges.sweep();
        }
        let contents = tokio::spawn(sweep_contents(context.clone(), outgoing.blobs.clone()));
        let news = membership.is_some().then(|| {
            let (context, orders, charges) = (context.clone(), orders.clone(), charges.clone());
            tokio::spawn(News { context, orders, charges }.tell_after(seen)).abort_handle()
        });
        let catalogs = [sweeping(&catalog.venues), sweeping(&catalog.shows)];
        let sweeps = [sweeping(&tickets), sweeping(&orders)].into_iter().chain(catalogs);
        let sweeper = tokio::spawn(sweep(sweeps.collect()));
        let background = known.into_iter().chain([contents, sweeper]);
        let background = background.map(|task| task.abort_handle()).collect();
        let parts = Parts {
            context,
            gateway,
            tickets,
            orders,
            catalog,
            charges,
            relocks,
            blobs: outgoing.blobs,
            with_passes,
            supervisor,
            failures,
            background,
            news,
            membership: Mutex::new(membership),
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    /// Ends all actors, each after the message it is dealing with. What they were about to do
    /// is in the store and goes on at the next start.
    pub async fn stop(&self) {
        let parts = &self.parts;
        parts.background.iter().for_each(tokio::task::AbortHandle::abort);
        parts.supervisor.get_cell().stop_children_and_wait(None, Some(STOP_WITHIN)).await;
        let _ = parts.supervisor.stop_and_wait(None, Some(STOP_WITHIN)).await;
        if let Some(news) = &parts.news {
            news.abort();
        }
        let membership = parts.membership.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(membership) = membership {
            membership.end().await;
        }
    }

    /// What operators want to know of the actors.
    pub fn stats(&self) -> MarketStats {
        MarketStats {
            live_tickets: self.parts.tickets.live(),
            live_orders: self.parts.orders.live(),
            failures: self.parts.failures.load(Ordering::Relaxed),
        }
    }

    /// How the marketplace behaves.
    pub fn settings(&self) -> &MarketSettings {
        &self.parts.context.settings
    }

    /// The current time, as the marketplace sees it.
    pub fn now(&self) -> Timestamp {
        self.parts.context.now()
    }

    /// Whether other servers may work on the store.
    pub fn has_peers(&self) -> bool {
        !self.parts.context.peers.is_alone()
    }

    /// Whether another server may still be about to answer a request that began then.
    pub fn may_still_answer(&self, began: Timestamp) -> bool {
        let within = self.settings().answer_within.saturating_add(ANSWERS_AFTER);
        self.has_peers() && self.now() < began.plus(within)
    }

    /// Remembers what a request was answered with, for those who repeat it.
    pub async fn remember(&self, key: &IdempotencyKey, answer: Vec<u8>) -> Result<(), MarketError> {
        self.commit_new(Commit::at(self.now()).write(key.remember(answer))).await
    }

    /// A commit of rows that no actor owns.
    async fn commit_new(&self, commit: Commit) -> Result<(), MarketError> {
        match self.parts.context.commit(commit).await? {
            Committed::Durable => Ok(()),
            Committed::Conflict => {
                Err(MarketError::Internal("a new row exists already".to_owned()))
            }
        }
    }
}

/// Joins the other servers on the store, if there can be any.
async fn join(
    node: Option<NodeId>,
    store: &SharedStore,
    clock: &Arc<dyn Clock>,
) -> Result<(Option<Membership>, Peers), StartError> {
    let Some(node) = node else { return Ok((None, Peers::none())) };
    let begun = Membership::begin(node, store.clone(), clock.clone()).await;
    let (membership, peers) = begun.map_err(|error| StartError(error.to_string()))?;
    Ok((Some(membership), peers))
}

fn call_limits(settings: &MarketSettings) -> CallLimits {
    CallLimits { at_once: settings.max_gateway_calls, timeout: settings.gateway_timeout }
}

/// When anything was last written. Lists are sorted by id, so new ids must follow the old ones
/// even if the clock was set back while the server was down.
pub async fn last_change(store: &dyn Store) -> Result<Timestamp, ReadError> {
    let before_last = store.stats().last_seq.saturating_sub(1);
    let last = store.events(before_last, 1).await?;
    Ok(last.last().map_or(Timestamp::default(), |event| event.at))
}

/// Ends actors of one kind that were idle.
type Sweep = Box<dyn Fn() + Send + Sync>;

fn sweeping<A: Aggregate>(actors: &Arc<Actors<A>>) -> Sweep {
    let actors = actors.clone();
    Box::new(move || actors.sweep())
}

async fn sweep(sweeps: Vec<Sweep>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        sweeps.iter().for_each(|sweep| sweep());
    }
}
