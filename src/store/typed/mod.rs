//! The marketplace's questions to its store, made of rows, entries and a log: [`Store`] for
//! whatever implements [`Rows`].

mod commit;
pub mod keys;
mod lists;
mod reads;
mod resources;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::{
    Charge, ChargeId, Commit, EmailKey, IntentId, LoggedEvent, Order, OrderId, Purchase,
    Remembered, Session, SessionId, ShowId, Ticket, TicketId, Timestamp, User, UserId,
};
use crate::store::contract::{Entry, Found, Key, Read, Row, Rows, Run};
use crate::store::resources::{Answer, Question};
use crate::store::{
    BackupError, CommitError, Deadline, PurchaseQuery, ReadError, Stock, Store, StoreStats,
    TicketPage, TicketQuery,
};

/// A store made of rows.
#[derive(Debug)]
pub struct TypedStore<R> {
    rows: Arc<R>,
}

impl<R: Rows> TypedStore<R> {
    /// The store in these rows.
    pub fn new(rows: Arc<R>) -> Self {
        Self { rows }
    }

    async fn row(&self, key: Key) -> Result<Option<Row>, ReadError> {
        match self.rows.read(&[Read::Row(key)]).await?.pop() {
            Some(Found::Row(row)) => Ok(row),
            _ => Err(another_answer()),
        }
    }

    async fn entries(&self, run: Run) -> Result<Vec<Entry>, ReadError> {
        match self.rows.read(&[Read::Entries(run)]).await?.pop() {
            Some(Found::Entries(entries)) => Ok(entries),
            _ => Err(another_answer()),
        }
    }

    /// Rows of one kind, all as of one moment.
    async fn rows_of(
        &self,
        keys: impl Iterator<Item = Key>,
    ) -> Result<Vec<Option<Row>>, ReadError> {
        let questions: Vec<Read> = keys.map(Read::Row).collect();
        let found = self.rows.read(&questions).await?;
        let row = |found| match found {
            Found::Row(row) => Ok(row),
            Found::Rows(_) | Found::Entries(_) => Err(another_answer()),
        };
        found.into_iter().map(row).collect()
    }
}

/// The error for a store that answers another question than the one it was asked.
fn another_answer() -> ReadError {
    ReadError::Storage("the store answered another question".to_owned())
}

#[async_trait]
impl<R: Rows> Store for TypedStore<R> {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.write(commit).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.read_user(id).await
    }

    async fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        self.read_user_by_email(email).await
    }

    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.read_session(user, id).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError> {
        self.read_sessions(user).await
    }

    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        self.read_ticket(id).await
    }

    async fn tickets(&self, query: &TicketQuery) -> Result<TicketPage, ReadError> {
        self.page(query).await
    }

    async fn stock(&self, shows: &[ShowId]) -> Result<Vec<Stock>, ReadError> {
        let mut found = Vec::with_capacity(shows.len());
        for show in shows {
            found.push(self.stock_of(*show).await?);
        }
        Ok(found)
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        self.read_order(id).await
    }

    async fn purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError> {
        self.read_purchase(id).await
    }

    async fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError> {
        self.read_purchases(query).await
    }

    async fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        self.read_charge(id).await
    }

    async fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        self.read_charge_by_intent(intent).await
    }

    async fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError> {
        let found = self.read_remembered(user, key).await?;
        Ok(found.map(|(_, found)| found).filter(|found| found.expires_at > now))
    }

    async fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
        self.read_deadlines(after, limit).await
    }

    async fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        self.read_unsettled(after, limit).await
    }

    async fn resources(&self, questions: &[Question]) -> Result<Vec<Answer>, ReadError> {
        self.read_resources(questions).await
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        self.read_events(after, limit).await
    }

    fn latest_event(&self) -> watch::Receiver<u64> {
        self.rows.last_logged()
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            queued_commits: 0,
            open_orders: self.rows.count(keys::OPEN),
            unsettled_charges: self.rows.count(keys::UNSETTLED),
            last_seq: *self.rows.last_logged().borrow(),
        }
    }

    fn trouble(&self) -> Option<String> {
        self.rows.trouble()
    }

    fn failure(&self) -> Option<String> {
        self.rows.failure()
    }

    async fn failed(&self) -> String {
        self.rows.failed().await
    }

    async fn backup(&self, _to: &Path) -> Result<(), BackupError> {
        let why = "this store has no file; its database makes its own backups";
        Err(BackupError::Failed(why.to_owned()))
    }
}
