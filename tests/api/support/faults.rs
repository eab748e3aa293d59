//! A store in front of the store, which fails as a test wants it to.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gittix::domain::{
    AnyResource, Charge, ChargeId, Commit, EmailKey, IntentId, LoggedEvent, Order, OrderId,
    Purchase, Remembered, Session, SessionId, ShowId, Ticket, TicketId, Timestamp, User, UserId,
    Write,
};
use gittix::store::{
    Answer, BackupError, CommitError, Deadline, PurchaseQuery, Question, ReadError, Stock, Store,
    StoreStats, TicketPage, TicketQuery,
};

/// What goes wrong with a commit.
#[derive(Debug, Clone, Copy)]
pub enum Mishap {
    /// Whoever commits panics; nothing is written.
    Panics,
    /// The queue is full; nothing is written.
    IsFull,
    /// Something that it rests on has changed; nothing is written.
    Conflicts,
    /// It takes that long.
    Stalls(Duration),
    /// It is written at once, and the answer takes that long.
    AnswersLate(Duration),
}

/// Which commits a mishap meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Those that write an order which is open.
    OpenOrder,
    /// Those that write an order which is over.
    EndedOrder,
    /// Those that write a charge.
    Charge,
    /// Those that write an account.
    Account,
    /// Those that open a session of an account that is there already.
    SignIn,
    /// Those that write a ticket.
    Ticket,
    /// Those that write a message.
    Mail,
    /// Those that keep an answer for its idempotency key, and nothing else.
    KeptAnswer,
}

impl Target {
    fn is_in(self, commit: &Commit) -> bool {
        let is_alone = commit.writes.len() == 1;
        let makes_an_account = commit.writes.iter().any(|write| matches!(write, Write::User(_)));
        commit.writes.iter().any(|write| match (self, write) {
            (Self::OpenOrder, Write::Order(order)) => order.is_open(),
            (Self::EndedOrder, Write::Order(order)) => !order.is_open(),
            (Self::Charge, Write::Charge(_))
            | (Self::Account, Write::User(_))
            | (Self::Ticket, Write::Ticket(_)) => true,
            (Self::SignIn, Write::OpenSession(_)) => !makes_an_account,
            (Self::Mail, Write::Put(resource)) => matches!(**resource, AnyResource::Mail(_)),
            (Self::KeptAnswer, Write::Remember(_)) => is_alone,
            _ => false,
        })
    }
}

/// Mishaps to come. Clones share them.
#[derive(Clone, Default)]
pub struct Mishaps(Arc<Mutex<Vec<(Target, Mishap)>>>);

impl Mishaps {
    /// The next commit of this kind goes wrong.
    pub fn next(&self, target: Target, mishap: Mishap) {
        self.0.lock().unwrap().push((target, mishap));
    }

    fn take(&self, commit: &Commit) -> Option<Mishap> {
        let mut planned = self.0.lock().unwrap();
        let place = planned.iter().position(|(target, _)| target.is_in(commit))?;
        Some(planned.remove(place).1)
    }
}

pub struct FaultyStore {
    pub inner: Arc<dyn Store>,
    pub mishaps: Mishaps,
}

#[async_trait]
impl Store for FaultyStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        match self.mishaps.take(&commit) {
            None => {}
            Some(Mishap::Panics) => panic!("as planned"),
            Some(Mishap::IsFull) => return Err(CommitError::Overloaded),
            Some(Mishap::Conflicts) => return Err(CommitError::Conflict),
            Some(Mishap::Stalls(pause)) => tokio::time::sleep(pause).await,
            Some(Mishap::AnswersLate(pause)) => {
                let committed = self.inner.commit(commit).await;
                tokio::time::sleep(pause).await;
                return committed;
            }
        }
        self.inner.commit(commit).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.inner.user(id).await
    }

    async fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        self.inner.user_by_email(email).await
    }

    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.inner.session(user, id).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError> {
        self.inner.sessions(user).await
    }

    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        self.inner.ticket(id).await
    }

    async fn tickets(&self, query: &TicketQuery) -> Result<TicketPage, ReadError> {
        self.inner.tickets(query).await
    }

    async fn stock(&self, shows: &[ShowId]) -> Result<Vec<Stock>, ReadError> {
        self.inner.stock(shows).await
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        self.inner.order(id).await
    }

    async fn purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError> {
        self.inner.purchase(id).await
    }

    async fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError> {
        self.inner.purchases(query).await
    }

    async fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        self.inner.charge(id).await
    }

    async fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        self.inner.charge_by_intent(intent).await
    }

    async fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError> {
        self.inner.remembered(user, key, now).await
    }

    async fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
        self.inner.deadlines(after, limit).await
    }

    async fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        self.inner.unsettled_charges(after, limit).await
    }

    async fn resources(&self, questions: &[Question]) -> Result<Vec<Answer>, ReadError> {
        self.inner.resources(questions).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        self.inner.events(after, limit).await
    }

    fn latest_event(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.latest_event()
    }

    fn stats(&self) -> StoreStats {
        self.inner.stats()
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
