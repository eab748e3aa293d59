//! The one place that writes: a queue of commits and whoever empties it.
//!
//! ```text
//!   commit() ──▶ bounded queue ──▶ take all of it ──▶ check and apply one by one
//!                    │ full                                     │
//!                    ▼                                          ▼
//!               Overloaded      answer all ◀── show to readers ◀── one record of the journal
//! ```
//!
//! What queues up during one batch is the next. A batch that follows a large one waits for a moment
//! more, for where many are at it, sharing is worth more than being early; a commit that is alone
//! never waits. A refused commit leaves no trace in its batch (see [`crate::store::redb::check`]) and is
//! answered only after the batch is durable, for what refused it may be in there.
//!
//! A failure of the database is final. Whether the last batch is durable can then only be
//! learnt by opening the file again, so nobody is told more than is known, and nothing is
//! written any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use redb::Database;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::bugs::{Bug, planted};
use crate::domain::Commit;
use crate::store::failed::{Failed, panic_message};
use crate::store::records::commit::BatchBytes;
use crate::store::redb::batch::{Reach, commit, take_in};
use crate::store::redb::engine::files::Home;
use crate::store::redb::engine::journal::{Journal, Place};
use crate::store::redb::open_orders::OpenOrders;
use crate::store::redb::reads::Snapshot;
use crate::store::redb::writer_state::WriterState;
use crate::store::{BatchObserver, CommitError};

/// After a batch of so many commits, the next waits for company.
const COMPANY: usize = 8;
/// So many that are there already need not wait for more.
const COMPANY_ENOUGH: usize = 64;
/// How long it waits. A batch costs about as much as twenty commits, whatever is in it.
const PAUSE: Duration = Duration::from_millis(2);

/// How long a file is taken to be where it was.
const LOOK_AFTER: Duration = Duration::from_millis(100);

/// A commit and who waits for it.
pub struct Job {
    /// What to write.
    pub commit: Commit,
    /// Where to say how it went.
    pub answer: oneshot::Sender<Result<(), CommitError>>,
}

/// What the writer lets everyone see.
pub struct Shared {
    /// Why nothing is written any more.
    pub failure: watch::Sender<Option<String>>,
    /// See [`crate::store::redb::open_orders`].
    pub open_orders: Arc<OpenOrders>,
    /// See [`crate::store::StoreStats`].
    pub unsettled_charges: AtomicU64,
    /// The number of the latest durable event.
    pub last_seq: watch::Sender<u64>,
    /// The store as of the last commit. Every request looks at it several times, so nobody takes a
    /// lock or counts references for that.
    snapshot: ArcSwap<Snapshot>,
}

impl Shared {
    /// What a store that works shows.
    pub fn new(snapshot: Snapshot, state: &WriterState) -> Self {
        let shared = Self {
            failure: watch::Sender::new(None),
            open_orders: snapshot.open_orders().clone(),
            unsettled_charges: AtomicU64::new(0),
            last_seq: watch::Sender::new(0),
            snapshot: ArcSwap::from_pointee(snapshot),
        };
        shared.show(state);
        shared
    }

    /// The store as of the last commit, for a short look.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Says that nothing is written any more.
    pub fn tell_failure(&self, why: String) {
        tracing::error!(%why, "the store failed and writes no more");
        self.failure.send_replace(Some(why));
    }

    /// Lets readers see what was just committed.
    fn advance(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    fn show(&self, state: &WriterState) {
        self.unsettled_charges.store(state.unsettled, Ordering::Relaxed);
        self.last_seq.send_if_modified(|seq| {
            let is_higher = state.last_seq > *seq;
            *seq = state.last_seq;
            is_higher
        });
    }
}

/// Writes batches of commits.
pub struct Writer {
    db: Arc<Database>,
    journal: Journal,
    state: WriterState,
    shared: Arc<Shared>,
    batch_max: usize,
    observer: Option<BatchObserver>,
    /// What the journal is to keep of the current batch.
    bytes: BatchBytes,
    /// Where the file is, if it is one.
    home: Option<Home>,
    /// When that was looked at.
    looked_at: Option<Instant>,
    /// Whether the current batch has been handed over to be made durable.
    is_committing: bool,
}

impl Writer {
    /// A writer that begins with that state.
    pub fn new(
        db: Arc<Database>,
        journal: Journal,
        state: WriterState,
        shared: Arc<Shared>,
        batch_max: usize,
        observer: Option<BatchObserver>,
        home: Option<Home>,
    ) -> Self {
        Self {
            db,
            journal,
            state,
            shared,
            batch_max,
            observer,
            bytes: BatchBytes::default(),
            home,
            looked_at: None,
            is_committing: false,
        }
    }

    /// Empties the queue on the calling thread until all senders are gone.
    #[expect(clippy::disallowed_methods, reason = "the thread is its own, and never simulated")]
    pub fn run_on_thread(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        let mut had_company = false;
        while queue.blocking_recv_many(&mut jobs, self.batch_max) > 0 {
            if had_company && jobs.len() < COMPANY_ENOUGH {
                std::thread::sleep(PAUSE);
                while jobs.len() < self.batch_max
                    && let Ok(job) = queue.try_recv()
                {
                    jobs.push(job);
                }
            }
            had_company = jobs.len() >= COMPANY;
            self.write(&mut jobs, &mut queue);
        }
    }

    /// Empties the queue as a task until all senders are gone.
    pub async fn run_inline(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::new();
        while queue.recv_many(&mut jobs, self.batch_max).await > 0 {
            self.write(&mut jobs, &mut queue);
        }
    }

    /// Writes a batch and answers it. After a failure the queue takes no more, and what is in
    /// it is told so.
    fn write(&mut self, jobs: &mut Vec<Job>, queue: &mut mpsc::Receiver<Job>) {
        let started = Instant::now();
        let commits = jobs.len();
        let mut outcomes = Vec::with_capacity(commits);
        self.is_committing = false;
        let written =
            catch_unwind(AssertUnwindSafe(|| self.write_batch(jobs.as_slice(), &mut outcomes)));
        let failure = match written {
            Ok(Ok(())) => None,
            Ok(Err(Failed(why))) => Some(why),
            Err(panic) => {
                // redb would panic again when it closes the file, so it never does: the file
                // stays locked until the process ends.
                std::mem::forget(self.db.clone());
                Some(format!("the writer panicked: {}", panic_message(&*panic)))
            }
        };
        let (has_failed, took) = (failure.is_some(), started.elapsed());
        if let Some(why) = failure {
            self.shared.tell_failure(why);
            queue.close();
            // What was refused was not written for certain, whatever became of the batch.
            for outcome in &mut outcomes {
                let may_be_durable = self.is_committing && outcome.is_ok();
                *outcome = Err(if may_be_durable {
                    CommitError::OutcomeUnknown
                } else {
                    CommitError::Unavailable
                });
            }
            outcomes.resize(commits, Err(CommitError::Unavailable));
            while let Ok(job) = queue.try_recv() {
                let _ = job.answer.send(Err(CommitError::Unavailable));
            }
        } else {
            self.shared.show(&self.state);
        }
        for (job, outcome) in jobs.drain(..).zip(outcomes) {
            // Whoever has stopped waiting does not need the answer.
            let _ = job.answer.send(outcome);
        }
        if let Some(observer) = &self.observer
            && !has_failed
        {
            // Metrics that panic are no reason to stop writing.
            let _ = catch_unwind(AssertUnwindSafe(|| observer(commits, took)));
        }
    }

    /// Writes what may be written of a batch, and says how each commit fares if that succeeds.
    fn write_batch(
        &mut self,
        jobs: &[Job],
        outcomes: &mut Vec<Result<(), CommitError>>,
    ) -> Result<(), Failed> {
        self.journal.must_work()?;
        self.must_be_at_home()?;
        let txn = self.db.begin_write()?;
        let commits = jobs.iter().map(|job| &job.commit);
        let open_orders = self.shared.open_orders.clone();
        self.bytes.clear();
        let journal = Some(&mut self.bytes);
        if !take_in(&txn, &open_orders, &mut self.state, commits, journal, outcomes)? {
            return txn.abort().map_err(Failed::from);
        }
        self.is_committing = true;
        let place = self.journalise()?;
        let reach = if place == Place::Next { Reach::Memory } else { Reach::Checkpoint };
        let snapshot = commit(&self.db, txn, reach, open_orders, &mut self.state)?;
        match place {
            Place::Next => {}
            Place::OtherHalf => self.journal.follow_checkpoint(),
            Place::None => self.journal.wait_for_checkpoint()?,
        }
        // Before anything tells of the commit: who is told of it finds it.
        self.shared.advance(snapshot);
        Ok(())
    }

    /// Fails if the file was moved away: what is written to it then is not found where the next start
    /// looks for it. It is looked at so rarely that it costs nothing.
    fn must_be_at_home(&mut self) -> Result<(), Failed> {
        let Some(home) = &self.home else { return Ok(()) };
        let now = Instant::now();
        if self.looked_at.is_none_or(|at| now.duration_since(at) >= LOOK_AFTER) {
            home.must_be_there()?;
            self.looked_at = Some(now);
        }
        Ok(())
    }

    /// Makes a batch durable in the journal if it has room.
    fn journalise(&mut self) -> Result<Place, Failed> {
        if planted(Bug::NoSync) {
            return Ok(Place::Next);
        }
        Ok(self.journal.append(self.state.batch, self.bytes.as_slice())?)
    }
}
