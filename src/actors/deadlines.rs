//! Wakes orders when their time is up.
//!
//! The store's index of deadlines is the timer queue: it is ordered by time, it is durable, and
//! an open order is in it from the commit that made it to the commit that ended it. So there is
//! nothing to arm, to cancel or to restore after a restart, and what is due can't be forgotten.
//! This actor sleeps until the earliest deadline and then asks every order that is due to look at
//! the clock.
//!
//! The wall clock may step, and a deadline is a point on it. Therefore no sleep is longer than
//! [`LOOK_AT_LEAST_EVERY`] while any order is open; while none is, the actor sleeps until
//! [`DeadlineMessage::Made`] tells of one.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::AbortHandle;
use tracing::{error, warn};

use super::context::Context;
use super::order::OrderRequest;
use crate::bugs::{Bug, planted};
use crate::domain::{OrderId, Timestamp};
use crate::store::{Deadline, ReadError};

/// The longest sleep while an order is open.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// How many deadlines are read at a time.
const PAGE: usize = 1024;
/// How many orders are woken at a time.
const CONCURRENT_WAKES: usize = 512;
/// How long an order that was due and did not end is left alone: its charge is being captured,
/// and its end comes from there.
const LEAVE_ALONE: Duration = Duration::from_secs(5);
/// When to look again after an order could not be asked, such as for want of room in a queue.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What the actor can be told.
pub enum DeadlineMessage {
    /// An order was made while none was open.
    Made,
    /// Time to look.
    Look,
}

/// The one timer of the marketplace.
pub struct DeadlineActor {
    context: Arc<Context>,
}

/// Wakes the timer if it sleeps for want of open orders.
#[derive(Debug, Default)]
pub struct Doorbell {
    dozing: AtomicBool,
}

impl Doorbell {
    /// Tells of a new order. Costs one atomic read while the timer is awake.
    pub fn ring(&self, timer: &ActorRef<DeadlineMessage>) {
        if planted(Bug::SilentDoorbell) {
            return;
        }
        if self.dozing.load(Ordering::SeqCst) && self.dozing.swap(false, Ordering::SeqCst) {
            let _ = timer.cast(DeadlineMessage::Made);
        }
    }
}

impl DeadlineActor {
    /// A timer that reads the store and wakes orders through the context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

/// Overdue orders to leave alone, until when.
type LeftAlone = BTreeMap<OrderId, Timestamp>;

/// What the timer remembers.
#[derive(Default)]
pub struct DeadlineState {
    left_alone: LeftAlone,
    /// The look that is scheduled. There is never more than one, whoever else calls.
    next_look: Option<AbortHandle>,
}

impl Actor for DeadlineActor {
    type Msg = DeadlineMessage;
    type State = DeadlineState;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(DeadlineState::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DeadlineMessage::Made | DeadlineMessage::Look => {}
        }
        if let Some(scheduled) = state.next_look.take() {
            scheduled.abort();
        }
        // The marketplace must not be without its timer, so not even a panic ends it.
        let looked = AssertUnwindSafe(self.look(&mut state.left_alone)).catch_unwind().await;
        let pause = match looked {
            Ok(Ok(Next::In(pause))) => pause,
            Ok(Ok(Next::WhenToldTo)) => return Ok(()),
            Ok(Err(error)) => {
                error!(%error, "the deadlines could not be read; trying again");
                LOOK_AT_LEAST_EVERY
            }
            Err(_) => {
                error!("looking at the deadlines panicked; trying again");
                LOOK_AT_LEAST_EVERY
            }
        };
        let look = myself.send_after(pause, || DeadlineMessage::Look);
        state.next_look = Some(look.abort_handle());
        Ok(())
    }
}

fn is_due(deadline: Timestamp, now: Timestamp) -> bool {
    deadline <= now || planted(Bug::BlindTimer)
}

enum Next {
    In(Duration),
    WhenToldTo,
}

impl DeadlineActor {
    /// Wakes every order that is due and says when to look again.
    async fn look(&self, left_alone: &mut LeftAlone) -> Result<Next, ReadError> {
        let mut after = None;
        let mut all_ended = true;
        left_alone.retain(|_, until| *until > self.context.now());
        loop {
            let now = self.context.now();
            let page = self.context.store.deadlines(after, PAGE).await?;
            let due: Vec<Deadline> =
                page.iter().take_while(|due| is_due(due.at, now)).copied().collect();
            all_ended &= self.wake(&due, left_alone, now).await;
            let earliest_ahead = page.get(due.len()).copied();
            after = page.last().copied();
            if let Some(ahead) = earliest_ahead {
                let pause = ahead.at.since(self.context.now()).min(LOOK_AT_LEAST_EVERY);
                return Ok(Next::In(if all_ended { pause } else { pause.min(TRY_AGAIN_AFTER) }));
            }
            if page.len() < PAGE {
                break;
            }
        }
        // Everything open is overdue, or nothing is open.
        if !self.context.store.deadlines(None, 1).await?.is_empty() {
            let pause = if all_ended { LOOK_AT_LEAST_EVERY } else { TRY_AGAIN_AFTER };
            return Ok(Next::In(pause));
        }
        self.context.doorbell.dozing.store(true, Ordering::SeqCst);
        // An order made just before would have found the timer awake and not rung.
        if self.context.store.deadlines(None, 1).await?.is_empty() {
            return Ok(Next::WhenToldTo);
        }
        self.context.doorbell.dozing.store(false, Ordering::SeqCst);
        Ok(Next::In(Duration::ZERO))
    }

    /// Whether every order could be asked.
    async fn wake(&self, due: &[Deadline], left_alone: &mut LeftAlone, now: Timestamp) -> bool {
        let is_left_alone = |order: &OrderId| left_alone.get(order).is_some_and(|t| *t > now);
        let orders: Vec<OrderId> =
            due.iter().map(|deadline| deadline.order).filter(|o| !is_left_alone(o)).collect();
        let asked = orders.len();
        let wakes = orders.into_iter().map(|order| async move {
            let answer =
                self.context.ask_order(order, |reply| OrderRequest::Expire { reply }).await;
            if matches!(answer, Ok(Ok(()))) {
                return Some(order);
            }
            warn!(%order, ?answer, "an overdue order was not ended; trying again");
            None
        });
        let woken: Vec<OrderId> = stream::iter(wakes)
            .buffer_unordered(CONCURRENT_WAKES)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let all_ended = woken.len() == asked;
        // Those that did end are no longer in the index and cost nothing here but a few bytes
        // for a while; those that are being captured are left alone.
        let until = now.plus(LEAVE_ALONE);
        left_alone.extend(woken.into_iter().map(|order| (order, until)));
        all_ended
    }
}
