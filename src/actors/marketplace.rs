//! The one door to everything that changes.
//!
//! Every method returns once its effect is durable, or says why there is none. Reads go to the
//! store directly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorRef, ActorRuntime};
use tracing::{debug, warn};

use super::context::{Committed, Context, MarketSettings, Peers};
use super::deadlines::{DeadlineActor, DeadlineMessage, Doorbell};
use super::directory::{Directory, Key, Letter, Presence};
use super::error::MarketError;
use super::order::{OrderActor, OrderRequest, Payment};
use super::reconciler::{PendingCharge, Reconciler, ReconcilerMessage};
use super::supervisor::{Supervisor, SupervisorMessage};
use super::ticket::{IdempotencyKey, Reservation, TicketActor, TicketRequest};
use crate::bugs::{Bug, planted};
use crate::domain::{
    Answer, Charge, ChargeId, Commit, Email, Event, ExpectedVersion, GatewayStep, IntentId,
    IntentReport, OrderId, PaymentToken, Precondition, Price, Purchase, Session, SessionId, Ticket,
    TicketCommand, TicketId, Timestamp, Title, User, UserId, UserView, Write,
};
use crate::payments::SharedGateway;
use crate::seams::{Clock, Entropy, IdMint};
use crate::store::SharedStore;

/// How often a change of an account is decided again because others were faster. Accounts have no
/// actor, so those who change one at the same time meet here, and one of them always gets through.
const MAX_ACCOUNT_TRIES: usize = 64;
/// How often idle actors are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How long the actors may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The running marketplace. Clones share it.
#[derive(Clone)]
pub struct Marketplace {
    context: Arc<Context>,
    supervisor: ActorRef<SupervisorMessage>,
    failures: Arc<AtomicU64>,
    sweeper: tokio::task::AbortHandle,
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

impl Marketplace {
    /// Starts the actors. Overdue orders expire and unsettled charges go on at once.
    ///
    /// # Errors
    ///
    /// [`StartError`] if an actor of those that always run does not start.
    pub async fn start(
        store: SharedStore,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        gateway: SharedGateway,
        settings: MarketSettings,
    ) -> Result<Self, StartError> {
        let failed = |error: ractor::SpawnErr| StartError(error.to_string());
        let failures = Arc::new(AtomicU64::new(0));
        let counter = Supervisor { failures: failures.clone() };
        let (supervisor, _) = Actor::spawn(None, counter, ()).await.map_err(failed)?;
        let ids = IdMint::new(clock.clone(), entropy).after(last_change(&store).await?);
        let context = Arc::new(Context {
            store,
            ids,
            clock,
            gateway,
            gateway_calls: Arc::new(tokio::sync::Semaphore::new(settings.max_gateway_calls)),
            settings,
            doorbell: Doorbell::default(),
            peers: std::sync::OnceLock::new(),
        });
        let parent = supervisor.get_cell();
        let timer = DeadlineActor::new(context.clone());
        let reconciler = Reconciler::new(context.clone());
        let (deadlines, _) =
            Actor::spawn_linked(None, timer, (), parent.clone()).await.map_err(failed)?;
        let (reconciler, _) =
            Actor::spawn_linked(None, reconciler, (), parent.clone()).await.map_err(failed)?;
        let peers = Peers {
            tickets: directory(&context, &parent, TicketActor::new),
            orders: directory(&context, &parent, OrderActor::new),
            deadlines,
            reconciler,
        };
        let sweeper = tokio::spawn(sweep(peers.tickets.clone(), peers.orders.clone()));
        let peers = context.peers.get_or_init(|| peers);
        // Only now, when every actor finds its peers, may the first work begin.
        let _ = peers.deadlines.cast(DeadlineMessage::Look);
        if !planted(Bug::NoReconciler) {
            let _ = peers.reconciler.cast(ReconcilerMessage::Sweep { all: true });
        }
        Ok(Self { context, supervisor, failures, sweeper: sweeper.abort_handle() })
    }

    /// Ends all actors, each after the message it is dealing with. What they were about to do
    /// is in the store and goes on at the next start.
    pub async fn stop(&self) {
        self.sweeper.abort();
        self.supervisor.get_cell().stop_children_and_wait(None, Some(STOP_WITHIN)).await;
        let _ = self.supervisor.stop_and_wait(None, Some(STOP_WITHIN)).await;
    }

    /// What operators want to know of the actors.
    pub fn stats(&self) -> MarketStats {
        let peers = self.context.peers();
        MarketStats {
            live_tickets: peers.map_or(0, |peers| peers.tickets.live()),
            live_orders: peers.map_or(0, |peers| peers.orders.live()),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// How the marketplace behaves.
    pub fn settings(&self) -> &MarketSettings {
        &self.context.settings
    }

    /// The current time, as the marketplace sees it.
    pub fn now(&self) -> Timestamp {
        self.context.now()
    }

    /// Makes an account and signs it in.
    ///
    /// # Errors
    ///
    /// [`crate::store::Refusal::EmailInUse`] if another account has the address.
    pub async fn sign_up(
        &self,
        email: Email,
        password_hash: String,
        session: SessionId,
        expires_at: Timestamp,
    ) -> Result<User, MarketError> {
        let now = self.now();
        let user = User::new(UserId::from_u128(self.context.ids.mint()), email, password_hash, now);
        let commit = Commit::at(now)
            .write(Write::User(user.clone()))
            .write(Write::OpenSession(Session { user: user.id, id: session, expires_at }))
            .event(Event::UserCreated(user.view()));
        self.commit(commit).await?;
        Ok(user)
    }

    /// Signs an account in whose password was compared with `verified`.
    ///
    /// # Errors
    ///
    /// [`MarketError::PasswordChanged`] if the account has another password by now: whoever
    /// knew the old one must not get a session that outlives it.
    pub async fn open_session(
        &self,
        verified: &User,
        session: SessionId,
        expires_at: Timestamp,
    ) -> Result<(), MarketError> {
        let mut user = verified.clone();
        for _ in 0..MAX_ACCOUNT_TRIES {
            let opened = Session { user: user.id, id: session, expires_at };
            let commit = Commit::at(self.now())
                .write(Write::OpenSession(opened))
                .require(Precondition::UserAt { user: user.id, version: user.version });
            match self.context.commit(commit).await? {
                Committed::Durable => return Ok(()),
                Committed::Stale => user = self.same_password(verified).await?,
            }
        }
        Err(MarketError::Overloaded)
    }

    /// The account as it is now, if its password is still the one that was compared.
    async fn same_password(&self, verified: &User) -> Result<User, MarketError> {
        let user = self.context.store.user(verified.id).await?.ok_or(MarketError::NotFound)?;
        if user.password_hash == verified.password_hash {
            Ok(user)
        } else {
            Err(MarketError::PasswordChanged)
        }
    }

    /// Signs one session out. One that has ended already is none of our concern.
    pub async fn end_session(&self, user: UserId, session: SessionId) -> Result<(), MarketError> {
        self.commit(Commit::at(self.now()).write(Write::EndSession { user, session })).await
    }

    /// Changes the address, the password or both of an account whose password was compared with
    /// `verified`. A new password ends every session but `session`.
    ///
    /// # Errors
    ///
    /// [`crate::store::Refusal::EmailInUse`] if another account has the address,
    /// [`MarketError::PasswordChanged`] if the account has another password by now.
    pub async fn change_account(
        &self,
        verified: &User,
        session: SessionId,
        email: Option<Email>,
        password_hash: Option<String>,
    ) -> Result<UserView, MarketError> {
        let mut user = verified.clone();
        for _ in 0..MAX_ACCOUNT_TRIES {
            let ends_sessions = password_hash
                .is_some()
                .then_some(Write::EndOtherSessions { user: user.id, except: session });
            let after = user.changed(email.clone(), password_hash.clone());
            let commit = Commit::at(self.now())
                .write(Write::User(after.clone()))
                .write_if(ends_sessions)
                .event(Event::UserUpdated(after.view()));
            match self.context.commit(commit).await? {
                Committed::Durable => return Ok(after.view()),
                Committed::Stale => user = self.same_password(verified).await?,
            }
        }
        Err(MarketError::Overloaded)
    }

    /// Replaces a hash that was made with outdated parameters, and returns the account as it is
    /// then. Nobody sees a difference, so there is no event; if the account changed meanwhile,
    /// the next sign-in tries again.
    pub async fn upgrade_hash(
        &self,
        user: &User,
        password_hash: String,
    ) -> Result<User, MarketError> {
        let after = user.changed(None, Some(password_hash));
        let commit = Commit::at(self.now()).write(Write::User(after.clone()));
        Ok(match self.context.commit(commit).await? {
            Committed::Durable => after,
            Committed::Stale => user.clone(),
        })
    }

    /// Lists a ticket for sale.
    pub async fn list_ticket(
        &self,
        seller: UserId,
        title: Title,
        price: Price,
        key: Option<IdempotencyKey>,
    ) -> Result<Ticket, MarketError> {
        let now = self.now();
        let id = TicketId::from_u128(self.context.ids.mint());
        let ticket = Ticket::list(id, seller, title, price, now);
        let remembered = key.map(|key| key.remember(Answer::TicketCreated(ticket.clone())));
        let commit = Commit::at(now)
            .write(Write::Ticket(ticket.clone()))
            .write_if(remembered)
            .event(Event::TicketCreated(ticket.clone()));
        self.commit(commit).await?;
        Ok(ticket)
    }

    /// Edits a listing. `None` leaves a field as it is.
    ///
    /// # Errors
    ///
    /// [`crate::domain::TicketRejection`], in this order: not the seller's, locked or sold, another version.
    pub async fn edit_ticket(
        &self,
        id: TicketId,
        by: UserId,
        title: Option<Title>,
        price: Option<Price>,
        expected: ExpectedVersion,
    ) -> Result<Ticket, MarketError> {
        let command = TicketCommand::Edit { by, title, price, expected };
        self.context
            .ask_ticket(id, |reply| TicketRequest::Edit { command: command.clone(), reply })
            .await?
    }

    /// Takes a listing off the market.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_ticket`].
    pub async fn withdraw_ticket(
        &self,
        id: TicketId,
        by: UserId,
        expected: ExpectedVersion,
    ) -> Result<(), MarketError> {
        let command = TicketCommand::Withdraw { by, expected };
        self.context
            .ask_ticket(id, |reply| TicketRequest::Withdraw { command: command.clone(), reply })
            .await?
    }

    /// Locks a ticket for a buyer.
    ///
    /// # Errors
    ///
    /// [`crate::domain::TicketRejection`] if the ticket is the buyer's own, locked or sold,
    /// [`crate::store::Refusal`] if the buyer has too many open orders or the key was used.
    pub async fn reserve(
        &self,
        ticket: TicketId,
        buyer: UserId,
        key: Option<IdempotencyKey>,
    ) -> Result<Purchase, MarketError> {
        let order = OrderId::from_u128(self.context.ids.mint());
        // Most who race for a ticket lose, and what is stored is reason enough to say so: where
        // others are at it already, only those who could win need wait for the ticket's actor.
        if self.context.peers().is_some_and(|peers| peers.tickets.is_awake(ticket)) {
            let stored = self.context.store.ticket(ticket).await?.ok_or(MarketError::NotFound)?;
            let now = self.now();
            let until = now.plus(self.context.settings.hold);
            stored.decide(&TicketCommand::Reserve { by: buyer, order, until }, now)?;
        }
        let reservation = Reservation { order, buyer, key };
        self.context
            .ask_ticket(ticket, |reply| TicketRequest::Reserve {
                reservation: reservation.clone(),
                reply,
            })
            .await?
    }

    /// Gives a buyer's ticket back. The ticket is available when this returns.
    ///
    /// # Errors
    ///
    /// [`crate::domain::PurchaseRejection`] if it is paid or about to be.
    pub async fn cancel(
        &self,
        order: OrderId,
        by: UserId,
        expected: ExpectedVersion,
    ) -> Result<(), MarketError> {
        let cancel = |reply| OrderRequest::Cancel { by, expected: expected.clone(), reply };
        self.context.ask_order(order, cancel).await?
    }

    /// Pays an order, and waits a while for the gateway: the purchase that is returned has a
    /// charge that is completed, failed, waits for the buyer, or is not decided yet.
    ///
    /// # Errors
    ///
    /// [`crate::domain::PurchaseRejection`] if the order is over or being paid,
    /// [`MarketError::UnknownToken`] if the gateway can't know the token.
    pub async fn pay(
        &self,
        order: OrderId,
        by: UserId,
        token: PaymentToken,
        key: Option<IdempotencyKey>,
    ) -> Result<Purchase, MarketError> {
        // A token that can't be one is refused before it matters what it was meant to pay.
        if !self.context.gateway.accepts(&token) {
            return Err(MarketError::UnknownToken);
        }
        let charge = ChargeId::from_u128(self.context.ids.mint());
        let payment = Payment { by, charge, token, key };
        let answer = self
            .context
            .ask_order(order, |reply| OrderRequest::Pay { payment: payment.clone(), reply });
        match tokio::time::timeout(self.context.settings.answer_within, answer).await {
            Ok(answer) => answer?,
            Err(_) => {
                debug!(%order, "the gateway has not decided while the buyer waited");
                let order = self.context.store.order(order).await?.ok_or(MarketError::NotFound)?;
                // The order's latest charge may be an earlier one: this one counts only once it
                // is written down, and until then nobody knows whether it will be.
                let charge = self.context.store.charge(charge).await?;
                Ok(Purchase { order, charge: Some(charge.ok_or(MarketError::Unavailable)?) })
            }
        }
    }

    /// Applies what the gateway tells of a charge without having been asked.
    pub async fn report(
        &self,
        order: OrderId,
        charge: ChargeId,
        report: IntentReport,
    ) -> Result<(), MarketError> {
        self.context
            .ask_order(order, |reply| OrderRequest::Report {
                charge,
                step: None,
                result: Ok(report.clone()),
                reply,
            })
            .await?
    }

    /// Looks a payment intent of a charge up at the gateway and applies what it finds. Returns
    /// once that is durable.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unavailable`] if the gateway does not say how the intent stands; the
    /// charge is as it was.
    pub async fn look_up(&self, charge: &Charge, intent: IntentId) -> Result<(), MarketError> {
        let asked = charge.looked_up_as(intent);
        let report = {
            let _permit = self.context.gateway_calls.acquire().await;
            let call = self.context.gateway.perform(GatewayStep::Retrieve, &asked);
            match tokio::time::timeout(self.context.settings.answer_within, call).await {
                Ok(Ok(report)) => report,
                Ok(Err(error)) => {
                    warn!(charge = %charge.id, %error, "a payment intent could not be looked up");
                    return Err(MarketError::Unavailable);
                }
                Err(_) => return Err(MarketError::Unavailable),
            }
        };
        self.report(charge.order, charge.id, report).await
    }

    /// Why a price can't be charged; `None` if it can.
    pub fn refuse_price(&self, price: Price) -> Option<String> {
        self.context.gateway.refuse_price(price)
    }

    /// Remembers what a request was answered with, for those who repeat it.
    pub async fn remember(&self, key: &IdempotencyKey, answer: Answer) -> Result<(), MarketError> {
        self.commit(Commit::at(self.now()).write(key.remember(answer))).await
    }

    /// The unsettled charges that are waiting for their next try.
    pub async fn pending_charges(&self) -> Vec<PendingCharge> {
        let Some(peers) = self.context.peers() else { return Vec::new() };
        match peers.reconciler.call(ReconcilerMessage::List, Some(STOP_WITHIN)).await {
            Ok(ractor::rpc::CallResult::Success(list)) => list,
            _ => Vec::new(),
        }
    }

    /// A commit of rows that no actor owns.
    async fn commit(&self, commit: Commit) -> Result<(), MarketError> {
        match self.context.commit(commit).await? {
            Committed::Durable => Ok(()),
            Committed::Stale => Err(MarketError::Internal("a new row exists already".to_owned())),
        }
    }
}

/// When anything was last written. Lists are sorted by id, so new ids must follow the old ones
/// even if the clock was set back while the server was down.
async fn last_change(store: &SharedStore) -> Result<Timestamp, StartError> {
    let before_last = store.stats().last_seq.saturating_sub(1);
    let last = store.events(before_last, 1).await;
    let last = last.map_err(|error| StartError(error.to_string()))?;
    Ok(last.last().map_or(Timestamp::default(), |event| event.at))
}

/// A directory whose actors `make` makes, as children of the supervisor.
fn directory<K, B, A>(
    context: &Arc<Context>,
    parent: &ActorCell,
    make: fn(Arc<Context>) -> A,
) -> Arc<Directory<K, B>>
where
    K: Key,
    B: Send + 'static,
    A: Actor<Msg = Letter<K, B>, Arguments = Presence<K, B>>,
{
    let limits = context.settings.directory_limits();
    let (context, parent) = (Arc::downgrade(context), parent.clone());
    Directory::new(limits, move |presence| {
        let actor = make(context.upgrade()?);
        // Only a name that is taken makes this fail, and these actors have none.
        let spawned = ActorRuntime::spawn_linked_instant(None, actor, presence, parent.clone());
        spawned.ok().map(|(actor, _)| actor)
    })
}

async fn sweep(
    tickets: Arc<Directory<TicketId, TicketRequest>>,
    orders: Arc<Directory<OrderId, OrderRequest>>,
) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        tickets.sweep();
        orders.sweep();
    }
}
