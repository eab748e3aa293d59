//! A lane: one connection that writes what is queued, a batch at a time, and stays with a batch
//! until it is known what became of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Error;

use super::batch::{Outcome, Questions, Verdict, decide};
use super::connect::{Kind, kind, told};
use super::shared::Shared;
use super::trips::{BatchId, Ended, Unasked, Writing};
use crate::store::CommitError;
use crate::store::contract::{Refused, RowCommit};

/// How many commits a batch has at most.
const BATCH: usize = 256;
/// How long a commit waits for a database that is gone, or for others that are in the way.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one trip may take: more than the database's own limits.
const TRIP: Duration = Duration::from_secs(12);
/// How long after a failure the database is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long others are let go first.
const STEP_BACK: Duration = Duration::from_millis(3);
/// How often a batch is tried anew at once when others were faster, before it is divided.
const TRIES: u32 = 6;
/// How often one commit alone is.
const TRIES_ALONE: u32 = 30;

/// A commit that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    /// What is to be written.
    pub commit: RowCommit,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<(), Refused>>,
    /// Since when it waits.
    pub since: Instant,
}

impl Pending {
    fn answer(self, answer: Result<(), Refused>) {
        // Whoever asked may not wait any more.
        let _ = self.answer.send(answer);
    }

    fn fail(self, error: CommitError) {
        self.answer(Err(Refused::Store(error)));
    }
}

/// The queue that all lanes take from.
pub type Queue = Arc<Mutex<mpsc::Receiver<Pending>>>;

/// A lane with what it needs.
#[derive(Debug)]
pub struct Lane {
    /// What all parts of the store share.
    pub shared: Arc<Shared>,
    /// What is to be written.
    pub queue: Queue,
    /// Its number on this server.
    pub number: u16,
    /// Its connection, unless it has none now.
    pub connection: Option<Writing>,
    /// How many batches it has begun.
    pub batches: u64,
}

/// Some commits that are tried together.
struct Part {
    pending: Vec<Pending>,
    tries: u32,
}

/// What became of a batch.
enum Tried {
    /// This.
    Decided(Vec<Verdict>),
    /// Others were faster.
    Stale,
    /// Others are in the way.
    Contended,
    /// Nothing is written: the database is gone.
    Gone,
    /// It would fail again.
    Lasting(String),
    /// The outcome isn't known, but will be this if it was written.
    Unknown(BatchId, Box<Outcome>),
}

impl Lane {
    /// Writes until the queue ends.
    pub async fn run(mut self) {
        loop {
            let mut pending = Vec::new();
            if self.queue.lock().await.recv_many(&mut pending, BATCH).await == 0 {
                return;
            }
            Box::pin(self.write(pending)).await;
        }
    }

    async fn write(&mut self, pending: Vec<Pending>) {
        let mut parts = vec![Part { pending, tries: 0 }];
        while let Some(mut part) = parts.pop() {
            part.pending = fail_what_waited_too_long(part.pending);
            if part.pending.is_empty() {
                continue;
            }
            let tried = match self.attempt(&part.pending).await {
                Tried::Unknown(id, outcome) => self.find_out(&id, *outcome, &part).await,
                tried => Some(tried),
            };
            match tried {
                Some(Tried::Decided(verdicts)) => {
                    let pending = answer(part.pending, verdicts);
                    parts.push(Part { pending, tries: 0 });
                }
                Some(Tried::Stale) => again(&mut parts, part),
                Some(Tried::Contended) => {
                    sleep(STEP_BACK.saturating_mul(part.tries.saturating_add(1))).await;
                    again(&mut parts, part);
                }
                Some(Tried::Lasting(why)) => divide(&mut parts, part, &why),
                Some(Tried::Gone) => {
                    sleep(PAUSE).await;
                    parts.push(part);
                }
                // It isn't known, and won't be in time.
                Some(Tried::Unknown(..)) | None => {
                    for pending in part.pending {
                        pending.fail(CommitError::OutcomeUnknown);
                    }
                }
            }
        }
    }

    /// Tries to write commits as one batch.
    async fn attempt(&mut self, pending: &[Pending]) -> Tried {
        let id = self.next_id();
        let commits = || pending.iter().map(|pending| &pending.commit);
        let questions = Questions::of(commits());
        let Some(connection) = self.connection().await else { return Tried::Gone };
        let answers = match timeout(TRIP, connection.ask(&id, &questions)).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(Unasked::Damaged(name))) => {
                self.give_up().await;
                return Tried::Lasting(format!("what stands beside row {name:?} is damaged"));
            }
            Ok(Err(Unasked::Database(error))) => return self.not_written(&error).await,
            Err(_) => return self.lost("it does not answer"),
        };
        let outcome = decide(commits(), &questions, answers);
        if !outcome.writes() {
            self.give_up().await;
            return Tried::Decided(outcome.verdicts);
        }
        let Some(connection) = &self.connection else { return Tried::Gone };
        match timeout(TRIP, connection.write(&id, &outcome)).await {
            Ok(Ended::Written(seq)) => {
                self.shared.written(&outcome, Some(seq));
                Tried::Decided(outcome.verdicts)
            }
            Ok(Ended::NotWritten(error)) => self.not_written(&error).await,
            Ok(Ended::Unknown(error)) => {
                self.lost(&told(&error));
                Tried::Unknown(id, Box::new(outcome))
            }
            Err(_) => {
                self.lost("it does not answer");
                Tried::Unknown(id, Box::new(outcome))
            }
        }
    }

    /// Asks whether a batch was written, until that is known or nobody waits for it.
    async fn find_out(&mut self, id: &BatchId, outcome: Outcome, part: &Part) -> Option<Tried> {
        let began = Instant::now();
        loop {
            let known = match self.connection().await {
                Some(connection) => {
                    let asked = timeout(TRIP, connection.was_written(id)).await;
                    asked.map(|answer| answer.map(Some))
                }
                None => Ok(Ok(None)),
            };
            match known {
                Ok(Ok(Some(true))) => {
                    self.shared.written(&outcome, None);
                    return Some(Tried::Decided(outcome.verdicts));
                }
                Ok(Ok(Some(false))) => return Some(Tried::Stale),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => {
                    self.not_written(&error).await;
                }
                Err(_) => {
                    self.lost("it does not answer");
                }
            }
            if part.pending.iter().all(|pending| pending.answer.is_closed())
                || began.elapsed() > PATIENCE.saturating_mul(2)
            {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    /// The connection, which is made if there is none.
    async fn connection(&mut self) -> Option<&Writing> {
        if self.connection.is_none() {
            match self.shared.address.connect().await {
                Ok(client) => match Writing::ready(client).await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => self.shared.is_gone(&told(&error)),
                },
                Err(error) => self.shared.is_gone(&told(&error)),
            }
        }
        self.connection.as_ref()
    }

    /// After a batch failed and is known not to be written.
    async fn not_written(&mut self, error: &Error) -> Tried {
        match kind(error) {
            Kind::Gone => self.lost(&told(error)),
            Kind::Stale => {
                self.give_up().await;
                Tried::Stale
            }
            Kind::Contended => {
                self.give_up().await;
                Tried::Contended
            }
            Kind::Lasting => {
                self.give_up().await;
                Tried::Lasting(told(error))
            }
        }
    }

    /// Ends the transaction, if there is one.
    async fn give_up(&mut self) {
        let Some(connection) = &self.connection else { return };
        if !timeout(TRIP, connection.give_up()).await.unwrap_or(false) {
            self.connection = None;
        }
    }

    fn lost(&mut self, why: &str) -> Tried {
        self.connection = None;
        self.shared.is_gone(why);
        Tried::Gone
    }

    /// No two batches have one, whichever servers write them.
    fn next_id(&mut self) -> BatchId {
        self.batches = self.batches.saturating_add(1);
        let mut id = BatchId::default();
        let (node, rest) = id.split_at_mut(16);
        node.copy_from_slice(&self.shared.node);
        // A server has few lanes, and never as many batches as six bytes count.
        let number = (u64::from(self.number) << 48) | (self.batches & ((1 << 48) - 1));
        rest.copy_from_slice(&number.to_be_bytes());
        id
    }
}

fn fail_what_waited_too_long(pending: Vec<Pending>) -> Vec<Pending> {
    let (waited, left): (Vec<_>, Vec<_>) =
        pending.into_iter().partition(|pending| pending.since.elapsed() > PATIENCE);
    for pending in waited {
        pending.fail(CommitError::Unavailable);
    }
    left
}

/// Answers what is decided, and returns the rest.
fn answer(pending: Vec<Pending>, verdicts: Vec<Verdict>) -> Vec<Pending> {
    let mut later = Vec::new();
    for (pending, verdict) in pending.into_iter().zip(verdicts) {
        match verdict {
            Verdict::Written => pending.answer(Ok(())),
            Verdict::Refused(check) => pending.answer(Err(Refused::Check(check))),
            Verdict::Later => later.push(pending),
        }
    }
    later
}

/// Tries commits once more, in halves if that was often enough.
fn again(parts: &mut Vec<Part>, part: Part) {
    let tries = part.tries.saturating_add(1);
    let is_alone = part.pending.len() == 1;
    if tries < if is_alone { TRIES_ALONE } else { TRIES } {
        parts.push(Part { tries, ..part });
    } else if is_alone {
        for pending in part.pending {
            pending.fail(CommitError::Conflict);
        }
    } else {
        halve(parts, part);
    }
}

/// Finds the commit that makes a batch fail.
fn divide(parts: &mut Vec<Part>, part: Part, why: &str) {
    if part.pending.len() > 1 {
        return halve(parts, part);
    }
    tracing::error!(%why, "the database refuses a commit");
    for pending in part.pending {
        pending.fail(CommitError::Unavailable);
    }
}

fn halve(parts: &mut Vec<Part>, mut part: Part) {
    let second = part.pending.split_off(part.pending.len() / 2);
    parts.push(Part { pending: second, tries: 0 });
    parts.push(Part { pending: part.pending, tries: 0 });
}
