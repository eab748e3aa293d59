//! Wakes what is due, whatever it is.
//!
//! An index of the store is the queue of timers: it is ordered by time, it is durable, and a row is
//! in it from the commit that set its time to the commit that dealt with it. So there is nothing to
//! arm, to cancel or to restore after a restart, and what is due can't be forgotten. The actor
//! sleeps until the earliest row is due and then has every due row fired. A row that was fired is
//! claimed for a while: whatever it waits for now, the end comes from there.
//!
//! The wall clock may step, and a due time is a point on it. Therefore no sleep is longer than
//! `LOOK_AT_LEAST_EVERY` while the index holds any row; while it holds none, the actor sleeps
//! until its [`Doorbell`] rings.
//!
//! Where several servers work on the store, each looks at least that often, and fires the rows that are
//! its own by [`Turn`].
//!
//! A kind of timer is a [`TimerKind`], a variant of [`Timer`] and a doorbell in [`Timers`].

pub mod mail;
pub mod order_expiry;
pub mod sales_end;
pub mod show_end;
mod shows;

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::task::AbortHandle;
use tracing::warn;

use super::error::MarketError;
use super::peers::Peers;
use super::supervisor::outlive;
use crate::bugs::{Bug, planted};
use crate::domain::{MailId, OrderId, ShowId, Timestamp};
use crate::seams::Clock;
use crate::store::ReadError;

/// The longest sleep while the index holds a row.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// How many rows are read at a time.
const PAGE: usize = 1024;
/// How many rows are fired at a time.
const CONCURRENT_WAKES: usize = 512;
/// How long a row that was fired and is still there is left alone.
const CLAIMED_FOR: Duration = Duration::from_secs(5);
/// How long what is due is left to the server that has a share in it. What is promised within a second
/// must be kept although that one has died.
const TAKEN_OVER_AFTER: Duration = Duration::from_millis(400);
/// When to look again after a row could not be fired, such as for want of room in a queue.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// One kind of timer: where its rows are, and who is told that their time is up.
pub trait TimerKind: Send + Sync + 'static {
    /// What a row is about.
    type Id: Copy + Ord + Debug + Display + Send + Sync + 'static;
    /// The kind's name in the log.
    const NAME: &'static str;

    /// Rows by their time, the earliest first: those that follow `after`.
    fn rows(
        &self,
        after: Option<Due<Self::Id>>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Due<Self::Id>>, ReadError>> + Send;

    /// Which server fires a row, where several work on the store.
    fn turn(&self, id: Self::Id) -> Turn;

    /// Has the owner of a row look at the clock. Returns once what follows is durable.
    fn fire(&self, id: Self::Id) -> impl Future<Output = Result<(), MarketError>> + Send;
}

/// Which of several servers fires a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The one that has a share in this number. If it does not, for it has just died or stands still,
    /// any other may 0.4 s after it was due: fired twice, it happens once.
    Shared(u128),
    /// The one that holds the lease alone: it is told to the outside, which must not be done twice.
    Holder,
}

/// When something is due. Ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due<I> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub id: I,
}

/// A timer that a commit has set, as the decision behind it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// An open order ends then.
    OrderExpiry(Due<OrderId>),
    /// A show ends then.
    ShowEnd(Due<ShowId>),
    /// The sales for a show end then.
    SalesEnd(Due<ShowId>),
    /// A message is tried then.
    Mail(Due<MailId>),
}

/// The doorbells of all kinds.
#[derive(Debug, Default)]
pub struct Timers {
    /// Of [`Timer::OrderExpiry`].
    pub order_expiry: Arc<Doorbell>,
    /// Of [`Timer::ShowEnd`].
    pub show_end: Arc<Doorbell>,
    /// Of [`Timer::SalesEnd`].
    pub sales_end: Arc<Doorbell>,
    /// Of [`Timer::Mail`].
    pub mail: Arc<Doorbell>,
}

impl Timers {
    /// Has all actors look at their index.
    pub fn look(&self) {
        for doorbell in [&self.order_expiry, &self.show_end, &self.sales_end, &self.mail] {
            doorbell.look();
        }
    }

    /// To be called with each timer whose row has become durable.
    pub fn set(&self, timer: &Timer) {
        match timer {
            Timer::OrderExpiry(_) => self.order_expiry.ring(),
            Timer::ShowEnd(_) => self.show_end.ring(),
            Timer::SalesEnd(_) => self.sales_end.ring(),
            Timer::Mail(_) => self.mail.ring(),
        }
    }
}

/// Wakes a timer's actor if it sleeps for want of rows.
#[derive(Debug, Default)]
pub struct Doorbell {
    dozing: AtomicBool,
    actor: OnceLock<ActorRef<TimerMessage>>,
}

impl Doorbell {
    /// Tells of a new row. Costs one atomic read while the actor is awake.
    pub fn ring(&self) {
        if planted(Bug::SilentDoorbell) {
            return;
        }
        if self.dozing.load(Ordering::SeqCst) && self.dozing.swap(false, Ordering::SeqCst) {
            self.look();
        }
    }

    /// Has the actor look at the index, whatever it is doing.
    pub fn look(&self) {
        if let Some(actor) = self.actor.get() {
            let _ = actor.cast(TimerMessage::Look);
        }
    }
}

/// What a timer's actor can be told.
#[derive(Debug)]
pub enum TimerMessage {
    /// Time to look.
    Look,
}

/// The one actor of a kind of timer.
struct TimerActor<K> {
    kind: K,
    clock: Arc<dyn Clock>,
    doorbell: Arc<Doorbell>,
    peers: Peers,
}

/// Starts the actor of a kind, which does nothing before the doorbell's first
/// [`look`](Doorbell::look).
///
/// # Errors
///
/// Whatever ractor has against it.
pub async fn start<K: TimerKind>(
    kind: K,
    clock: Arc<dyn Clock>,
    doorbell: Arc<Doorbell>,
    peers: Peers,
    parent: ActorCell,
) -> Result<(), SpawnErr> {
    let actor = TimerActor { kind, clock, doorbell: doorbell.clone(), peers };
    let (actor, _) = Actor::spawn_linked(None, actor, (), parent).await?;
    let _ = doorbell.actor.set(actor);
    Ok(())
}

/// Rows that were fired and are left alone, until when.
type Claimed<I> = BTreeMap<I, Timestamp>;

/// What a timer's actor remembers.
struct TimerState<I> {
    claimed: Claimed<I>,
    /// The look that is scheduled. There is never more than one, whoever else calls.
    next_look: Option<AbortHandle>,
}

impl<K: TimerKind> Actor for TimerActor<K> {
    type Msg = TimerMessage;
    type State = TimerState<K::Id>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(TimerState { claimed: BTreeMap::new(), next_look: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        TimerMessage::Look: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let Some(scheduled) = state.next_look.take() {
            scheduled.abort();
        }
        let looked =
            outlive("a look at the due times", K::NAME, self.look(&mut state.claimed)).await;
        let pause = match looked {
            Some(Next::In(pause)) => pause,
            Some(Next::WhenToldTo) => return Ok(()),
            None => LOOK_AT_LEAST_EVERY,
        };
        let look = myself.send_after(pause, || TimerMessage::Look);
        state.next_look = Some(look.abort_handle());
        Ok(())
    }
}

fn is_due(at: Timestamp, now: Timestamp) -> bool {
    at <= now || planted(Bug::BlindTimer)
}

enum Next {
    In(Duration),
    WhenToldTo,
}

impl<K: TimerKind> TimerActor<K> {
    /// Fires every row that is due and says when to look again.
    async fn look(&self, claimed: &mut Claimed<K::Id>) -> Result<Next, ReadError> {
        let mut after = None;
        let mut all_fired = true;
        claimed.retain(|_, until| *until > self.clock.now());
        loop {
            let now = self.clock.now();
            let page = self.kind.rows(after, PAGE).await?;
            let due = page.iter().take_while(|due| is_due(due.at, now)).count();
            let (ours, left): (Vec<&Due<K::Id>>, Vec<_>) =
                page.iter().take(due).partition(|due| self.is_ours(due, now));
            let ours: Vec<K::Id> = ours.into_iter().map(|due| due.id).collect();
            all_fired &= self.fire(&ours, claimed, now).await;
            let is_left = |due: &&Due<K::Id>| matches!(self.kind.turn(due.id), Turn::Shared(_));
            // What is left to another server is looked at again before it is late.
            all_fired &= !left.iter().any(is_left);
            let earliest_ahead = page.get(due).copied();
            after = page.last().copied();
            if let Some(ahead) = earliest_ahead {
                let pause = ahead.at.since(self.clock.now()).min(LOOK_AT_LEAST_EVERY);
                return Ok(Next::In(if all_fired { pause } else { pause.min(TRY_AGAIN_AFTER) }));
            }
            if page.len() < PAGE {
                break;
            }
        }
        // Every row is overdue, or there is none. What other servers set rings no doorbell here.
        if !self.peers.is_alone() || !self.kind.rows(None, 1).await?.is_empty() {
            let pause = if all_fired { LOOK_AT_LEAST_EVERY } else { TRY_AGAIN_AFTER };
            return Ok(Next::In(pause));
        }
        self.doorbell.dozing.store(true, Ordering::SeqCst);
        // Whoever set a timer just before would have found the actor awake and not rung.
        if self.kind.rows(None, 1).await?.is_empty() {
            return Ok(Next::WhenToldTo);
        }
        self.doorbell.dozing.store(false, Ordering::SeqCst);
        Ok(Next::In(Duration::ZERO))
    }

    /// Whether it is this server that fires a row which is due.
    fn is_ours(&self, due: &Due<K::Id>, now: Timestamp) -> bool {
        match self.kind.turn(due.id) {
            Turn::Holder => self.peers.hold(),
            Turn::Shared(number) => {
                let is_left_over = now.since(due.at) >= TAKEN_OVER_AFTER;
                self.peers.is_ours(number) || (is_left_over && !planted(Bug::LonelyTimer))
            }
        }
    }

    /// Whether everything could be fired.
    async fn fire(&self, due: &[K::Id], claimed: &mut Claimed<K::Id>, now: Timestamp) -> bool {
        let is_claimed = |id: &K::Id| claimed.get(id).is_some_and(|until| *until > now);
        let unclaimed: Vec<K::Id> = due.iter().copied().filter(|id| !is_claimed(id)).collect();
        let asked = unclaimed.len();
        let wakes = unclaimed.into_iter().map(|id| async move {
            match self.kind.fire(id).await {
                Ok(()) => Some(id),
                Err(error) => {
                    warn!(timer = K::NAME, %id, %error, "what is due was not done; trying again");
                    None
                }
            }
        });
        let fired: Vec<K::Id> = stream::iter(wakes)
            .buffer_unordered(CONCURRENT_WAKES)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let all_fired = fired.len() == asked;
        // Those that are done are no longer in the index and cost nothing here but a few bytes for
        // a while.
        let until = now.plus(CLAIMED_FOR);
        if !planted(Bug::UnclaimedTimer) {
            claimed.extend(fired.into_iter().map(|id| (id, until)));
        }
        all_fired
    }
}

#[cfg(test)]
mod tests;
