//! Where everything is kept, and the interface the rest of the code knows it by.
//!
//! [`Store`] asks little enough that a second implementation could stand on another database:
//! one call that writes (every change with the version it follows, all or nothing), and reads
//! that each cost what their answer costs (lists pass over what is locked besides).
//! `RedbStore` implements it in one file, on redb with a journal before it.

mod catalog;
#[cfg(test)]
mod conformance;
pub mod contract;
mod failed;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod records;
mod redb;
pub mod resources;
mod rules;
mod search;
#[cfg(test)]
pub mod testing;
pub mod typed;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::watch;

use crate::domain::{
    Charge, ChargeId, Commit, EmailKey, IntentId, Label, LoggedEvent, Order, OrderId, OrderStatus,
    Price, Purchase, Remembered, Session, SessionId, ShowId, Ticket, TicketId, Timestamp, User,
    UserId,
};

pub use self::catalog::{
    Moment, ShowPage, ShowPosition, ShowQuery, ShowSort, VenuePage, VenueQuery,
};
pub use self::memory::MemoryRows;
#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresError, PostgresRows, PostgresSettings};
pub use self::redb::backup::{RestoreError, backup_file, restore};
pub use self::redb::engine::fail_stop::Storage;
pub use self::redb::open::OpenError;
pub use self::redb::redb_store::{RedbStore, StoreSettings, WriterMode};
pub use self::redb::verify::contents::each_pass;
pub use self::redb::verify::{Counts, VerifyReport, verify};
pub use self::resources::show::place_at as show_place;
pub use self::resources::{Answer, Page, Place, Question};
pub use self::search::words::{SEARCH_WORDS_MAX, search_words};

/// A store that all parts of the server share.
pub type SharedStore = Arc<dyn Store>;

/// What the marketplace asks of its database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Writes a commit whole or not at all, and returns once it is durable.
    ///
    /// Every [`Write`](crate::domain::Write) of a row must follow the version that is stored.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;

    /// An account.
    async fn user(&self, id: UserId) -> Result<Option<User>, ReadError>;
    /// The account with that address.
    async fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError>;
    /// A session, whether or not it has expired.
    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError>;
    /// A user's sessions in any order, whether or not they have expired, without damaged ones.
    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError>;
    /// A ticket.
    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError>;
    /// A page of tickets.
    async fn tickets(&self, query: &TicketQuery) -> Result<TicketPage, ReadError>;
    /// What is on sale for each of these shows.
    async fn stock(&self, shows: &[ShowId]) -> Result<Vec<Stock>, ReadError>;
    /// An order.
    async fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError>;
    /// An order and its latest charge, as of one moment.
    async fn purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError>;
    /// A page of one buyer's orders, newest first, each with its latest charge.
    async fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError>;
    /// A charge.
    async fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError>;
    /// The charge that a payment intent of the gateway belongs to.
    async fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError>;
    /// What an idempotency key led to; `None` also once it has expired at `now`.
    async fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError>;

    /// Open orders by deadline, the earliest first: those that follow `after`.
    async fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError>;
    /// Charges that still owe something to or by the gateway, oldest first: those after `after`.
    async fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError>;
    /// Answers questions about resources that are kept alike, in their order, all as of one moment.
    /// `get`, `list` and `page` ask one of one kind.
    async fn resources(&self, questions: &[Question]) -> Result<Vec<Answer>, ReadError>;
    /// The event log from the first event whose number is greater than `after`.
    async fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError>;
    /// The number of the latest durable event; whoever holds it is told of every rise. It ends
    /// with the store.
    fn latest_event(&self) -> watch::Receiver<u64>;

    /// What operators want to know.
    fn stats(&self) -> StoreStats;
    /// Why the store can neither be read nor written just now, if it can't but will again by
    /// itself.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// Why the store can no longer write, if it can't. It never recovers by itself: the process
    /// must stop and start again.
    fn failure(&self) -> Option<String>;
    /// Returns once [`Store::failure`] is set.
    async fn failed(&self) -> String;
    /// Copies everything, as of one moment, to a new file that opens like the original.
    async fn backup(&self, to: &std::path::Path) -> Result<(), BackupError>;
}

/// When an open order's time runs out. Ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline {
    /// The order's `expires_at`.
    pub at: Timestamp,
    /// The order.
    pub order: OrderId,
}

/// Why a commit was not written, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommitError {
    /// A row has another version than the commit follows: the decision was made on stale state.
    #[error("a row changed since the decision was made")]
    Conflict,
    /// A rule that spans rows forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much is queued. Nothing was written; trying again later is safe.
    #[error("the store's queue is full")]
    Overloaded,
    /// This commit was not written: the store does not write any more, or a row that the
    /// commit changes is damaged.
    #[error("the store is not available")]
    Unavailable,
    /// Writing failed in a way that leaves open whether the commit is durable.
    #[error("it is not known whether the commit was written")]
    OutcomeUnknown,
}

/// A rule that spans rows and forbids a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Another account has that address.
    #[error("the e-mail address is in use")]
    EmailInUse,
    /// The user has as many open orders as allowed.
    #[error("too many open orders")]
    TooManyOpenOrders,
    /// The idempotency key has been used.
    #[error("the idempotency key has been used")]
    KeyUsed,
    /// Something hangs on it, so it can't go.
    #[error("something hangs on it")]
    InUse,
    /// Others build on it, so its creator may not change it alone any more.
    #[error("others build on it")]
    OthersDepend,
    /// The seller has listed one of the seats already.
    #[error("the seat is listed")]
    SeatListed,
    /// The buyer would have more seats for the show than allowed.
    #[error("too many seats")]
    TooManySeats,
    /// The same pass is with a ticket that is for sale or sold.
    #[error("the pass is listed")]
    PassListed,
    /// The user has as many API tokens as allowed.
    #[error("too many API tokens")]
    TooManyTokens,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The database failed.
    #[error("reading from the store failed: {0}")]
    Storage(String),
    /// The database can't be asked just now; trying again later is safe.
    #[error("the store can't be read just now: {0}")]
    Unavailable(String),
    /// A stored record is not what it should be.
    #[error("the store holds a damaged record: {0}")]
    Corrupt(String),
}

/// Wraps what the database fails of.
fn storage_error(error: impl std::error::Error) -> ReadError {
    ReadError::Storage(error.to_string())
}

/// Told of every batch that is durable: how many commits it was asked to write, and how long
/// that took. It is called on the writer's thread, so it must not wait for anything.
pub type BatchObserver = Arc<dyn Fn(usize, Duration) + Send + Sync>;

/// Why a backup was not made.
#[derive(Debug, Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{0} exists already")]
    Exists(std::path::PathBuf),
    /// A server has the store open; it has to make the backup itself.
    #[error("{0} is in use by a running server")]
    InUse(std::path::PathBuf),
    /// It was made and checked, but the store is damaged where no row is.
    #[error(
        "{} was written and is sound, but the store itself is damaged: {why}. Stop the server and \
         restore that file in its place",
        to.display()
    )]
    DamagedStore {
        /// The backup.
        to: std::path::PathBuf,
        /// What is wrong with the store.
        why: String,
    },
    /// Reading or writing failed.
    #[error("the backup failed: {0}")]
    Failed(String),
}

/// Which tickets to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketQuery {
    /// Only those of this seller, in every state; `None` lists what is available.
    pub seller: Option<UserId>,
    /// What of them.
    pub scope: TicketScope,
    /// Words that must all begin a word of the title, or of the show's name, performers, venue or city,
    /// as [`search_words`] gives them.
    pub words: Vec<String>,
    /// The lowest price, in minor units.
    pub min_price_minor: Option<u64>,
    /// The highest price, in minor units.
    pub max_price_minor: Option<u64>,
    /// The order of the list.
    pub sort: TicketSort,
    /// The last ticket of the page before.
    pub after: Option<TicketPosition>,
    /// At most how many, at least 1.
    pub limit: usize,
}

/// Which tickets of the market or of a seller are asked for; by default all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketScope {
    /// Only those of this show.
    pub show: Option<ShowId>,
    /// Only those in this section.
    pub section: Option<Label>,
    /// Only those of which so many can be ordered now.
    pub quantity: Option<u32>,
}

/// What is on sale for a show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// How many seats.
    pub seats: u64,
    /// What the cheapest of them costs without fees.
    pub from: Option<Price>,
}

/// The order of a list of tickets. Equal prices are listed newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketSort {
    /// By id, the newest first.
    Newest,
    /// The cheapest first.
    PriceAscending,
    /// The dearest first.
    PriceDescending,
}

/// A place in a list of tickets, in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketPosition {
    /// The price of the ticket at that place when it was listed there.
    pub price_minor: u64,
    /// The ticket.
    pub id: TicketId,
}

impl From<&Ticket> for TicketPosition {
    fn from(ticket: &Ticket) -> Self {
        Self { price_minor: ticket.price.minor(), id: ticket.id }
    }
}

/// A page of a list of tickets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketPage {
    /// The tickets, which other pages may share.
    pub tickets: Vec<Arc<Ticket>>,
    /// Whether more follow.
    pub more: bool,
}

/// Which orders to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurchaseQuery {
    /// Whose orders.
    pub buyer: UserId,
    /// Only those that show this status.
    pub status: Option<OrderStatus>,
    /// The last order of the page before.
    pub after: Option<OrderId>,
    /// At most how many, at least 1. (Ask for one more than shown to learn whether more follow.)
    pub limit: usize,
}

/// What operators want to know of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Commits waiting to be written.
    pub queued_commits: usize,
    /// Orders that hold a ticket and wait for money.
    pub open_orders: u64,
    /// Charges that still owe something to or by the gateway.
    pub unsettled_charges: u64,
    /// The number of the latest event.
    pub last_seq: u64,
}
