//! The real store with a wrapper that lets actors panic at chosen reads, ends the process between
//! a commit and its answer, and watches what is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gittix::domain::{
    Charge, ChargeId, ChargePhase, Commit, DisputeStatus, EmailKey, Event, IntentId, LoggedEvent,
    Order, OrderId, Purchase, Refund, Remembered, Session, SessionId, ShowId, Ticket, TicketId,
    Timestamp, User, UserEvent, UserId, UserView, Version, Write,
};
use gittix::store::{
    Answer, BackupError, CommitError, Deadline, PurchaseQuery, Question, ReadError, SharedStore,
    Stock, Store, StoreStats, TicketPage, TicketQuery,
};

use super::gateway::Witness;
use super::plan::Fault;
use super::record::{Record, Violation};
use super::rng::Rng;
use super::time::Power;

/// What a panic that was made to happen says.
pub const SIMULATED_PANIC: &str = "a simulated panic";

/// What is known of the writes of all lives.
#[derive(Default)]
pub struct Writes {
    /// The events of commits that were begun and have no certain end, by the number of their
    /// beginning.
    in_flight: Mutex<BTreeMap<u64, Vec<Event>>>,
    /// The same for commits that are durable, since the start of the current life.
    durable: Mutex<Vec<Vec<Event>>>,
    /// The number of the last event that is durable.
    last_seq: Mutex<u64>,
    /// The latest version of each charge that is durable.
    charges: Mutex<BTreeMap<ChargeId, Version>>,
    begun: Mutex<u64>,
    /// The accounts that commits were to write, with the time they were decided at.
    accounts: Mutex<BTreeMap<u64, (User, Timestamp)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writes {
    fn begin(&self, commit: &Commit) -> u64 {
        let mut begun = lock(&self.begun);
        *begun += 1;
        lock(&self.in_flight).insert(*begun, commit.events.clone());
        lock(&self.accounts).extend(commit.writes.iter().filter_map(|write| match write {
            Write::User(user) => Some((*begun, (user.clone(), commit.at))),
            _ => None,
        }));
        *begun
    }

    fn not_written(&self, number: u64) {
        lock(&self.in_flight).remove(&number);
        lock(&self.accounts).remove(&number);
    }

    /// What was written of an account by the commit that told of it: that, or what may have been.
    pub fn accounts(&self, told: &UserEvent, at: Timestamp) -> Vec<UserView> {
        let is_told = |(user, decided): &&(User, Timestamp)| user.told() == *told && *decided == at;
        lock(&self.accounts).values().filter(is_told).map(|(user, _)| user.view()).collect()
    }

    fn durable(&self, number: u64, last_seq: u64, charges: Vec<(ChargeId, Version)>) {
        if let Some(events) = lock(&self.in_flight).remove(&number) {
            lock(&self.durable).push(events);
        }
        let known = &mut *lock(&self.last_seq);
        *known = last_seq.max(*known);
        lock(&self.charges).extend(charges);
    }

    /// The number of the last event that is durable, as far as anyone was told.
    pub fn last_seq(&self) -> u64 {
        *lock(&self.last_seq)
    }

    /// The latest version of each charge that is durable, as far as anyone was told.
    pub fn charges(&self) -> BTreeMap<ChargeId, Version> {
        lock(&self.charges).clone()
    }

    /// A charge that was read is durable.
    pub fn saw_charge(&self, charge: &Charge) {
        lock(&self.charges).insert(charge.id, charge.version);
    }

    /// The events of the last life's commits, those included that may not have been written.
    pub fn take_commits(&self) -> Vec<Vec<Event>> {
        let in_flight = std::mem::take(&mut *lock(&self.in_flight)).into_values();
        std::mem::take(&mut *lock(&self.durable)).into_iter().chain(in_flight).collect()
    }
}

impl Witness for Writes {
    fn is_durable(&self, charge: &Charge) -> bool {
        lock(&self.charges).get(&charge.id).is_some_and(|version| *version >= charge.version)
    }
}

/// A store as one life of the process sees it.
pub struct WatchedStore {
    /// The store itself.
    pub inner: SharedStore,
    /// The life.
    pub power: Power,
    /// What is known of the writes.
    pub writes: Arc<Writes>,
    /// Where to tell what happens.
    pub record: Record,
    /// How often a read panics, in thousandths, and the chance.
    pub panics: Mutex<(u32, Rng)>,
}

impl WatchedStore {
    async fn read_by_actor(&self) {
        self.power.touch_or_die().await;
        let strikes = {
            let (rate, rng) = &mut *lock(&self.panics);
            rng.chance(*rate)
        };
        if strikes {
            self.record.count(Fault::Panic.name());
            self.record.panicked();
            std::panic::panic_any(SIMULATED_PANIC);
        }
    }

    /// Money counts as paid back when the bank has taken the refund, or has decided for the buyer.
    fn watch_refunds(&self, commit: &Commit) {
        for write in &commit.writes {
            if let Write::Charge(charge) = write
                && matches!(charge.phase, ChargePhase::Refunded { .. })
                && !charge.refund.as_ref().is_some_and(Refund::has_succeeded)
                && charge.dispute != Some(DisputeStatus::Lost)
            {
                self.record.violate(Violation::new(
                    "what is pending is not paid back",
                    format!("{charge:?}"),
                ));
            }
        }
    }

    fn watch_conflict(&self, commit: &Commit) {
        // Accounts have no actor, so two changes of one may meet. All else has one place where
        // it is decided, so that a stale decision can't come about.
        let has_owner = |write: &Write| {
            matches!(
                write,
                Write::Ticket(_)
                    | Write::WithdrawTicket { .. }
                    | Write::Order(_)
                    | Write::Charge(_)
            )
        };
        if commit.writes.iter().any(has_owner) {
            self.record.violate(Violation::new(
                "one actor decides about a row",
                format!("a decision on stale state was made: {:?}", commit.writes),
            ));
        }
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.power.touch_or_die().await;
        self.watch_refunds(&commit);
        let number = self.writes.begin(&commit);
        let charges = commit.writes.iter().filter_map(|write| match write {
            Write::Charge(charge) => Some((charge.id, charge.version)),
            _ => None,
        });
        let charges: Vec<_> = charges.collect();
        let committed = self.inner.commit(commit.clone()).await;
        if self.power.is_off() {
            std::future::pending::<()>().await;
        }
        match &committed {
            Ok(()) => self.writes.durable(number, self.inner.stats().last_seq, charges),
            Err(CommitError::Conflict) => {
                self.writes.not_written(number);
                self.watch_conflict(&commit);
            }
            Err(CommitError::OutcomeUnknown) => {}
            Err(_) => self.writes.not_written(number),
        }
        // The process may die when the commit is durable and nobody knows yet.
        self.power.touch_or_die().await;
        committed
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.user(id).await
    }

    async fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.user_by_email(email).await
    }

    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.session(user, id).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.sessions(user).await
    }

    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        self.read_by_actor().await;
        self.inner.ticket(id).await
    }

    async fn tickets(&self, query: &TicketQuery) -> Result<TicketPage, ReadError> {
        self.power.touch_or_die().await;
        self.inner.tickets(query).await
    }

    async fn stock(&self, shows: &[ShowId]) -> Result<Vec<Stock>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.stock(shows).await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.order(id).await
    }

    async fn purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError> {
        self.read_by_actor().await;
        let found = self.inner.purchase(id).await;
        if let Ok(Some(Purchase { charge: Some(charge), .. })) = &found {
            self.writes.saw_charge(charge);
        }
        found
    }

    async fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.purchases(query).await
    }

    async fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        self.power.touch_or_die().await;
        let found = self.inner.charge(id).await;
        if let Ok(Some(charge)) = &found {
            self.writes.saw_charge(charge);
        }
        found
    }

    async fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.charge_by_intent(intent).await
    }

    async fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.remembered(user, key, now).await
    }

    async fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
        self.read_by_actor().await;
        self.inner.deadlines(after, limit).await
    }

    async fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        self.read_by_actor().await;
        self.inner.unsettled_charges(after, limit).await
    }

    async fn resources(&self, questions: &[Question]) -> Result<Vec<Answer>, ReadError> {
        // Where followers begin is read before there is an actor; lists are read by timers.
        match questions {
            [Question::Page(_), ..] => self.read_by_actor().await,
            _ => self.power.touch_or_die().await,
        }
        self.inner.resources(questions).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        self.power.touch_or_die().await;
        self.inner.events(after, limit).await
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
    }

    fn latest_event(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.latest_event()
    }

    fn failure(&self) -> Option<String> {
        self.inner.failure()
    }

    async fn failed(&self) -> String {
        self.inner.failed().await
    }

    async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        self.inner.backup(to).await
    }
}
