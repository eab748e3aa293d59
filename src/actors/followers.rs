//! Those who are told of every event of the log, in order, each at least once.
//!
//! A follower reads the log from where its cursor is, and what follows from an event is committed
//! together with the cursor's next place. So nothing is told that was not written down, nothing is left
//! out by a crash, and a follower that writes rows alone writes each once. One that acts on the outside
//! may do so twice, and must make that harmless.
//!
//! ```text
//!   latest event rises ──▶ read a page ──▶ follow ──▶ commit what follows and the cursor ──▶ next page
//!                             ▲                │ failed
//!                             └── a pause, longer each time; the cursor is read again
//! ```
//!
//! Nobody waits for a follower, and no follower waits for another: each has an actor and a cursor of its
//! own. Where nothing follows from events, the cursor moves in memory alone, and after a restart they are
//! read again: a busy marketplace is not to write a row for every lock.
//!
//! Where several servers work on the store, a follower works on the one that holds the lease, and on the
//! others waits for it. What it writes there requires that the lease still is that server's.
//!
//! A kind of follower is a [`FollowerKind`], in a file of its own, and a name in
//! [`Follower`].

pub mod mail;

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::sync::watch;
use tokio::time::Instant;

use super::context::{Committed, Context};
use super::error::MarketError;
use super::supervisor::outlive;
use crate::bugs::{Bug, planted};
use crate::domain::{Commit, Cursor, Follower, LoggedEvent};

/// How many events are read at a time.
const PAGE: usize = 256;
/// How many events without consequence are read again after a restart at most.
const UNWRITTEN_MAX: u64 = 4096;
/// The pause after the first failure; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One kind of follower.
pub trait FollowerKind: Send + Sync + 'static {
    /// Whose cursor it is.
    const FOLLOWER: Follower;
    /// How many times as long as a page took it rests before the next. What nobody waits for leaves room
    /// to what somebody does.
    const RESTS: u32;

    /// What follows from some events, of which there is at least one: `commit` with what is to be
    /// written, or `None` if nothing follows. It is asked again if that was not written.
    fn follow(
        &self,
        events: &[LoggedEvent],
        commit: Commit,
    ) -> impl Future<Output = Result<Option<Commit>, MarketError>> + Send;
}

/// What a follower's actor is told.
enum FollowerMessage {
    /// There may be something to read.
    Look,
}

struct FollowerActor<K> {
    kind: K,
    context: Arc<Context>,
}

/// What a follower's actor remembers.
struct Following {
    /// Where it is; read again after a failure.
    cursor: Option<Cursor>,
    /// The last event that needs no second look, though the cursor may be before it.
    seen: u64,
    latest: watch::Receiver<u64>,
    failures: u32,
}

/// Starts a follower. One that has no cursor yet is told of what comes after now, and when this returns
/// that is durable.
///
/// # Errors
///
/// [`StartFollower`] if the cursor can't be read or written, or ractor has anything against the actor.
pub async fn start<K: FollowerKind>(
    kind: K,
    context: Arc<Context>,
    parent: ActorCell,
) -> Result<(), StartFollower> {
    let latest = context.store.latest_event();
    let last = *latest.borrow();
    let cursor = begin(&context, K::FOLLOWER, last).await?;
    let following = Following { seen: cursor.seq, cursor: Some(cursor), latest, failures: 0 };
    let actor = FollowerActor { kind, context };
    let (actor, _) = Actor::spawn_linked(None, actor, following, parent).await?;
    let _ = actor.cast(FollowerMessage::Look);
    Ok(())
}

/// Why a follower was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartFollower {
    /// Its cursor can't be read or written.
    #[error("a follower's cursor: {0}")]
    Cursor(#[from] MarketError),
    /// Its actor did not start.
    #[error(transparent)]
    Actor(#[from] SpawnErr),
}

async fn begin(context: &Context, follower: Follower, last: u64) -> Result<Cursor, MarketError> {
    let stored = context.store.get::<Cursor>(follower).await?;
    if let Some(cursor) = stored {
        if planted(Bug::ForgottenCursor) {
            return Ok(Cursor { seq: last, ..cursor });
        }
        return Ok(cursor);
    }
    let cursor = Cursor::after(follower, last);
    match context.commit(Commit::at(context.now()).put(cursor)).await? {
        Committed::Durable => Ok(cursor),
        // Another server on the same store was faster.
        Committed::Conflict => {
            let stored = context.store.get::<Cursor>(follower).await?;
            stored.ok_or_else(|| MarketError::Internal("a cursor is gone again".to_owned()))
        }
    }
}

impl<K: FollowerKind> Actor for FollowerActor<K> {
    type Msg = FollowerMessage;
    type State = Following;
    type Arguments = Following;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        following: Following,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(following)
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        FollowerMessage::Look: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let began = Instant::now();
        match outlive("following the log", K::FOLLOWER.name(), self.page(state)).await {
            Some(Next::Page) => {
                state.failures = 0;
                let rest = began.elapsed().saturating_mul(K::RESTS);
                myself.send_after(rest, || FollowerMessage::Look);
                return Ok(());
            }
            Some(Next::Event) => {
                state.failures = 0;
                look_when_it_rises(state.latest.clone(), state.seen, myself);
                return Ok(());
            }
            Some(Next::Lease) => {
                // Another follows now, and moves the cursor.
                state.cursor = None;
                let peers = self.context.peers.clone();
                tokio::spawn(async move {
                    peers.taken().await;
                    let _ = myself.cast(FollowerMessage::Look);
                });
                return Ok(());
            }
            None => {}
        }
        // What was written is not known, so the cursor is read again.
        state.cursor = None;
        state.failures = state.failures.saturating_add(1);
        myself.send_after(pause_after(state.failures), || FollowerMessage::Look);
        Ok(())
    }
}

/// What comes after a page.
enum Next {
    /// Another one.
    Page,
    /// Nothing, until something happens.
    Event,
    /// Nothing, until this server holds the lease.
    Lease,
}

impl<K: FollowerKind> FollowerActor<K> {
    async fn page(&self, state: &mut Following) -> Result<Next, MarketError> {
        if !self.context.peers.hold() {
            return Ok(Next::Lease);
        }
        let cursor = match state.cursor {
            Some(cursor) => cursor,
            None => self.read_cursor(state).await?,
        };
        let events = self.context.store.events(state.seen, PAGE).await?;
        let Some(last) = events.last().map(|event| event.seq) else { return Ok(Next::Event) };
        let commit = Commit::at(self.context.now());
        let moved = cursor.moved(last);
        match self.kind.follow(&events, commit).await? {
            Some(commit) => self.write(commit, moved, state).await?,
            None if last.saturating_sub(cursor.seq) >= UNWRITTEN_MAX => {
                self.write(Commit::at(self.context.now()), moved, state).await?;
            }
            None => {}
        }
        state.seen = last;
        Ok(Next::Page)
    }

    async fn read_cursor(&self, state: &mut Following) -> Result<Cursor, MarketError> {
        let stored = self.context.store.get::<Cursor>(K::FOLLOWER).await?;
        let cursor = stored
            .ok_or_else(|| MarketError::Internal("a follower's cursor is gone".to_owned()))?;
        state.cursor = Some(cursor);
        state.seen = cursor.seq;
        Ok(cursor)
    }

    async fn write(
        &self,
        commit: Commit,
        moved: Cursor,
        state: &mut Following,
    ) -> Result<(), MarketError> {
        let commit = self.context.peers.still().into_iter().fold(commit, Commit::require);
        match self.context.commit(commit.put(moved)).await? {
            Committed::Durable => {
                state.cursor = Some(moved);
                Ok(())
            }
            Committed::Conflict => {
                let why = "what follows was written by another, or has changed".to_owned();
                Err(MarketError::Internal(why))
            }
        }
    }
}

/// Has the actor look once there are events after that one. It ends with the store.
fn look_when_it_rises(
    mut latest: watch::Receiver<u64>,
    seen: u64,
    actor: ActorRef<FollowerMessage>,
) {
    tokio::spawn(async move {
        if latest.wait_for(|latest| *latest > seen).await.is_ok() {
            let _ = actor.cast(FollowerMessage::Look);
        }
    });
}

/// The pause after that many failures in a row.
fn pause_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;
