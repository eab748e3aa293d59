//! [`Store`] in one redb file.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use arc_swap::Guard;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use redb::Database;
use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::{
    Charge, ChargeId, Commit, Currency, EmailKey, IntentId, LoggedEvent, Order, OrderId, Purchase,
    Remembered, Session, SessionId, ShowId, Ticket, TicketId, Timestamp, User, UserId,
};
use crate::store::failed::panic_message;
use crate::store::redb::engine::fail_stop::Storage;
use crate::store::redb::engine::files::Home;
use crate::store::redb::engine::journal::JOURNAL_BYTES;
use crate::store::redb::engine::pages::Pages;
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::migrations;
use crate::store::redb::reads::Snapshot;
use crate::store::redb::recovery::recover;
use crate::store::redb::row_cache::RowCache;
use crate::store::redb::verify::{VerifyReport, verify_snapshot};
use crate::store::redb::writer::{Job, Shared, Writer};
use crate::store::redb::{backup, open};
use crate::store::resources::{Answer, Question};
use crate::store::search::lists;
use crate::store::search::skip_ranges::{SKIP_RANGE_MIN, SkipRanges};
use crate::store::search::tombstones::POSTINGS_PER_SALE;
use crate::store::{
    BackupError, BatchObserver, CommitError, Deadline, OpenError, PurchaseQuery, ReadError, Stock,
    Store, StoreStats, TicketPage, TicketQuery,
};

/// One part of so many of the cache is for rows of tickets that pages have shown: see
/// [`crate::store::redb::row_cache`].
const ROWS_SHARE: usize = 4;

/// How a store is run.
#[derive(Clone)]
pub struct StoreSettings {
    /// How many commits may wait to be written, at least 1. More are refused as
    /// [`CommitError::Overloaded`].
    pub queue: usize,
    /// The most commits of one transaction, at least 1: so many may keep the first of them waiting.
    pub batch_max: usize,
    /// How much memory parts of the file are kept in, in bytes.
    pub cache_bytes: usize,
    /// How much of a file that is created its journal takes, in bytes. A longer one needs fewer
    /// checkpoints, and more time to open after a crash.
    pub journal_bytes: u64,
    /// With [`WriterMode::Inline`], how many of the database's latest operations have not reached
    /// the disk yet: it does them later, in order.
    pub disk_lag: usize,
    /// How many postings of words are looked at for each ticket that is sold, to take out those of
    /// sold tickets.
    pub postings_per_sale: usize,
    /// How many locked tickets in a row pages must have passed over before they note that for
    /// others, at least 1.
    pub skip_range_min: usize,
    /// The currency of all prices, which the file keeps; another one than it was begun with is
    /// refused.
    pub currency: Option<Currency>,
    /// Who writes.
    pub writer: WriterMode,
    /// Who is told of every batch.
    pub observer: Option<BatchObserver>,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterMode {
    /// A thread of its own, which waits for the disk while the others work.
    Thread,
    /// A task of the runtime that opens the store. On a current-thread runtime the same calls
    /// then always lead to the same batches, as simulations need it.
    Inline,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            queue: 4096,
            batch_max: 1024,
            cache_bytes: 256 * 1024 * 1024,
            journal_bytes: JOURNAL_BYTES,
            disk_lag: 0,
            postings_per_sale: POSTINGS_PER_SALE,
            skip_range_min: SKIP_RANGE_MIN,
            currency: None,
            writer: WriterMode::Thread,
            observer: None,
        }
    }
}

impl StoreSettings {
    /// What is for rows of tickets that pages have shown.
    fn row_cache_bytes(&self) -> usize {
        self.cache_bytes / ROWS_SHARE
    }

    /// What is for pages of the database.
    fn database_cache_bytes(&self) -> usize {
        self.cache_bytes - self.row_cache_bytes()
    }
}

/// A store in one redb file (or another [`Storage`]).
///
/// Reads run on the calling thread: they find most of what they need in memory. Dropping the
/// store waits until everything queued is written, then closes the file; with
/// [`WriterMode::Inline`] the runtime does that at the writer's next turn.
pub struct RedbStore {
    /// Before the database, whose last snapshot it holds: fields are dropped in this order.
    pub(in crate::store) shared: Arc<Shared>,
    db: Arc<Database>,
    pages: Pages,
    mode: WriterMode,
    /// `None` only while the store is being dropped.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl RedbStore {
    /// Opens the store in a file, and creates it, and its folder, if there is none.
    pub fn open(path: &Path, settings: StoreSettings) -> Result<Self, OpenError> {
        let cache_bytes = settings.database_cache_bytes();
        let volume = migrations::open_file(path, cache_bytes, settings.journal_bytes)?;
        let home = Home::of(path).map_err(open::io_error(path))?;
        Self::start(volume, settings, path, Some(home))
    }

    /// Opens the store on anything that it can be kept on, such as memory.
    pub fn open_backend(backend: impl Storage, settings: StoreSettings) -> Result<Self, OpenError> {
        let cache_bytes = settings.database_cache_bytes();
        let volume = open::open_backend(Arc::new(backend), cache_bytes, settings.journal_bytes)?;
        Self::start(volume, settings, Path::new("(memory)"), None)
    }

    fn start(
        mut volume: Volume,
        settings: StoreSettings,
        path: &Path,
        home: Option<Home>,
    ) -> Result<Self, OpenError> {
        open::must_lead_to_rows(&volume.pages, path)?;
        let (snapshot, mut state) = recover(&mut volume, settings.postings_per_sale)?;
        if let Some(currency) = settings.currency {
            open::keep_currency(&volume, &snapshot, currency, path)?;
        }
        state.rows = Arc::new(RowCache::new(settings.row_cache_bytes(), state.batch));
        state.skip_ranges = Arc::new(SkipRanges::of_at_least(settings.skip_range_min));
        let snapshot = snapshot.keeping(state.keep());
        let Volume { db, journal, disk, pages } = volume;
        let db = Arc::new(db);
        let shared = Arc::new(Shared::new(snapshot, &state));
        let (queue, jobs) = mpsc::channel(settings.queue.max(1));
        let writer = Writer::new(
            db.clone(),
            journal,
            state,
            shared.clone(),
            settings.batch_max.max(1),
            settings.observer,
            home,
        );
        let failed = |error: &dyn fmt::Display| OpenError::Failed(error.to_string());
        let thread = match settings.writer {
            WriterMode::Thread => {
                // The thread ends after everything else of the store, whose last snapshot it must
                // not hold.
                let shared = Arc::downgrade(&shared);
                let tell = move |why| {
                    if let Some(shared) = shared.upgrade() {
                        shared.tell_failure(why);
                    }
                };
                disk.run_on_thread(tell).map_err(|error| failed(&error))?;
                let builder = thread::Builder::new().name("store-writer".to_owned());
                let thread = builder.spawn(move || writer.run_on_thread(jobs));
                Some(thread.map_err(|error| failed(&error))?)
            }
            WriterMode::Inline => {
                disk.lag(settings.disk_lag);
                let runtime = tokio::runtime::Handle::try_current();
                runtime.map_err(|error| failed(&error))?.spawn(writer.run_inline(jobs));
                None
            }
        };
        Ok(Self { shared, db, pages, mode: settings.writer, queue: Some(queue), thread })
    }

    /// Checks that everything fits together, as [`crate::store::verify`] does, while the store is in
    /// use. It reads everything on the calling thread.
    pub fn verify(&self) -> Result<VerifyReport, ReadError> {
        verify_snapshot(&self.now())
    }

    /// Copies everything, as of now, to what is empty, and checks the copy. [`Store::backup`] does it
    /// to a file. It copies on the calling thread.
    ///
    /// # Errors
    ///
    /// What is left on the target is no backup then, but for [`BackupError::DamagedStore`].
    pub fn backup_onto(&self, target: impl Storage) -> Result<VerifyReport, BackupError> {
        backup::backup_onto(&self.db, &self.pages, Arc::new(target))
    }

    /// The store as it is now, for as long as it is looked at.
    pub(in crate::store) fn now(&self) -> Arc<Snapshot> {
        Guard::into_inner(self.shared.snapshot())
    }

    /// Reads something as it is now. redb may panic on a page that was changed by others.
    fn look<T>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let now = self.shared.snapshot();
        let found = catch_unwind(AssertUnwindSafe(|| read(&now)));
        found.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }
}

/// What is told of a read that panicked.
fn panicked(panic: &(dyn Any + Send)) -> ReadError {
    ReadError::Corrupt(format!("reading panicked: {}", panic_message(panic)))
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has been told as the store's failure.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").field("mode", &self.mode).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for RedbStore {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(CommitError::Unavailable)?;
        queue.try_send(Job { commit, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommitError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CommitError::Unavailable,
        })?;
        // The writer answers whatever it takes; only a runtime that is shut down under it
        // takes a job without an answer.
        answered.await.unwrap_or(Err(CommitError::OutcomeUnknown))
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.look(|snapshot| snapshot.user(id))
    }

    async fn user_by_email(&self, email: &EmailKey) -> Result<Option<User>, ReadError> {
        self.look(|snapshot| snapshot.user_by_email(email))
    }

    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.look(|snapshot| snapshot.session(user, id))
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError> {
        self.look(|snapshot| snapshot.sessions(user))
    }

    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        self.look(|snapshot| snapshot.ticket(id))
    }

    async fn tickets(&self, query: &TicketQuery) -> Result<TicketPage, ReadError> {
        let now = self.now();
        let page = AssertUnwindSafe(lists::page(&now, query)).catch_unwind();
        page.await.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    async fn stock(&self, shows: &[ShowId]) -> Result<Vec<Stock>, ReadError> {
        self.look(|snapshot| shows.iter().map(|show| snapshot.stock(*show)).collect())
    }

    async fn order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        self.look(|snapshot| snapshot.order(id))
    }

    async fn purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError> {
        self.look(|snapshot| snapshot.purchase(id))
    }

    async fn purchases(&self, query: &PurchaseQuery) -> Result<Vec<Purchase>, ReadError> {
        self.look(|snapshot| snapshot.purchases(query))
    }

    async fn charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        self.look(|snapshot| snapshot.charge(id))
    }

    async fn charge_by_intent(&self, intent: &IntentId) -> Result<Option<Charge>, ReadError> {
        self.look(|snapshot| snapshot.charge_by_intent(intent))
    }

    async fn remembered(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Remembered>, ReadError> {
        self.look(|snapshot| snapshot.remembered(user, key, now))
    }

    async fn deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
        self.look(|snapshot| snapshot.deadlines(after, limit))
    }

    async fn unsettled_charges(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        self.look(|snapshot| snapshot.unsettled_charges(after, limit))
    }

    async fn resources(&self, questions: &[Question]) -> Result<Vec<Answer>, ReadError> {
        self.look(|snapshot| snapshot.resources(questions))
    }

    async fn events(&self, after: u64, limit: usize) -> Result<Vec<LoggedEvent>, ReadError> {
        self.look(|snapshot| snapshot.events(after, limit))
    }

    fn latest_event(&self) -> watch::Receiver<u64> {
        self.shared.last_seq.subscribe()
    }

    fn stats(&self) -> StoreStats {
        let queued = self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity());
        StoreStats {
            queued_commits: queued,
            open_orders: self.shared.open_orders.total() as u64,
            unsettled_charges: self.shared.unsettled_charges.load(Ordering::Relaxed),
            last_seq: *self.shared.last_seq.borrow(),
        }
    }

    fn failure(&self) -> Option<String> {
        self.shared.failure.borrow().clone()
    }

    async fn failed(&self) -> String {
        let mut failure = self.shared.failure.subscribe();
        // The sender lives as long as this store, so there is a change to wait for.
        while failure.borrow_and_update().is_none() && failure.changed().await.is_ok() {}
        self.failure().unwrap_or_default()
    }

    async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let (db, pages, to) = (self.db.clone(), self.pages.clone(), to.to_owned());
        let copy = move || backup::backup(&db, &pages, &to);
        match self.mode {
            WriterMode::Inline => copy(),
            WriterMode::Thread => tokio::task::spawn_blocking(copy)
                .await
                .unwrap_or_else(|error| Err(BackupError::Failed(error.to_string()))),
        }
    }
}
