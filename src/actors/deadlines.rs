//! Wakes orders when their time is up.
//!
//! The store's index of deadlines is the timer queue: it is ordered by time, it is durable, and
//! an open order is in it from the commit that made it to the commit that ended it. So there is
//! nothing to arm, to cancel or to restore after a restart, an open order costs no memory, and
//! what is due can't be forgotten. This actor sleeps until the earliest deadline and then asks
//! every order that is due to look at the clock.
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
/// or the store refused. Its end then comes from the charge, or from the next look.
const LEAVE_ALONE: Duration = Duration::from_secs(5);

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
    dozing: Arc<AtomicBool>,
}

/// Lets the marketplace wake the timer if it sleeps for want of open orders.
#[derive(Clone, Default)]
pub struct Doorbell {
    dozing: Arc<AtomicBool>,
}

impl Doorbell {
    /// To be called after every commit that makes an order. Costs one atomic read while orders
    /// are open.
    pub fn order_made(&self, timer: &ActorRef<DeadlineMessage>) {
        if planted(Bug::SilentDoorbell) {
            return;
        }
        if self.dozing.load(Ordering::SeqCst) && self.dozing.swap(false, Ordering::SeqCst) {
            let _ = timer.cast(DeadlineMessage::Made);
        }
    }
}

impl DeadlineActor {
    /// A timer that `doorbell` wakes.
    pub fn new(context: Arc<Context>, doorbell: &Doorbell) -> Self {
        Self { context, dozing: doorbell.dozing.clone() }
    }
}

/// What the timer remembers: overdue orders to leave alone, until when.
pub type DeadlineState = BTreeMap<OrderId, Timestamp>;

impl Actor for DeadlineActor {
    type Msg = DeadlineMessage;
    type State = DeadlineState;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(BTreeMap::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        left_alone: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            DeadlineMessage::Made | DeadlineMessage::Look => {}
        }
        // Every open order relies on this actor, so no panic may end it. What it remembers is
        // worth little and is forgotten, for a panic may have left it half written.
        match AssertUnwindSafe(self.look(left_alone)).catch_unwind().await {
            Ok(Ok(Next::In(pause))) => {
                myself.send_after(pause, || DeadlineMessage::Look);
            }
            Ok(Ok(Next::WhenToldTo)) => {}
            Ok(Err(error)) => {
                error!(%error, "the deadlines could not be read; trying again");
                myself.send_after(LOOK_AT_LEAST_EVERY, || DeadlineMessage::Look);
            }
            Err(_) => {
                left_alone.clear();
                error!("looking at the deadlines panicked; trying again");
                myself.send_after(LOOK_AT_LEAST_EVERY, || DeadlineMessage::Look);
            }
        }
        Ok(())
    }
}

enum Next {
    In(Duration),
    WhenToldTo,
}

impl DeadlineActor {
    /// Wakes every order that is due and says when to look again.
    async fn look(&self, left_alone: &mut DeadlineState) -> Result<Next, ReadError> {
        let mut after = None;
        left_alone.retain(|_, until| *until > self.context.now());
        loop {
            let now = self.context.now();
            let page = self.context.store.deadlines(after, PAGE).await?;
            let due: Vec<Deadline> =
                {
                let is_due = |deadline: &&Deadline| deadline.at <= now || planted(Bug::BlindTimer);
                page.iter().take_while(is_due).copied().collect()
            };
            self.wake(&due, left_alone, now).await;
            let earliest_ahead = page.get(due.len()).copied();
            after = page.last().copied();
            if let Some(ahead) = earliest_ahead {
                let pause = ahead.at.since(self.context.now());
                return Ok(Next::In(pause.min(LOOK_AT_LEAST_EVERY)));
            }
            if page.len() < PAGE {
                break;
            }
        }
        // Everything open is overdue, or nothing is open.
        if !self.context.store.deadlines(None, 1).await?.is_empty() {
            return Ok(Next::In(LOOK_AT_LEAST_EVERY));
        }
        self.dozing.store(true, Ordering::SeqCst);
        // An order made just before would have found the timer awake and not rung.
        if self.context.store.deadlines(None, 1).await?.is_empty() {
            return Ok(Next::WhenToldTo);
        }
        self.dozing.store(false, Ordering::SeqCst);
        Ok(Next::In(Duration::ZERO))
    }

    async fn wake(&self, due: &[Deadline], left_alone: &mut DeadlineState, now: Timestamp) {
        let is_left_alone = |order: &OrderId| left_alone.get(order).is_some_and(|t| *t > now);
        let orders: Vec<OrderId> =
            due.iter().map(|deadline| deadline.order).filter(|o| !is_left_alone(o)).collect();
        let wakes = orders.into_iter().map(|order| async move {
            let answer =
                self.context.ask_order(order, |reply| OrderRequest::Expire { reply }).await;
            if !matches!(answer, Ok(Ok(()))) {
                warn!(%order, ?answer, "an overdue order was not ended; trying again");
            }
            order
        });
        let woken: Vec<OrderId> =
            stream::iter(wakes).buffer_unordered(CONCURRENT_WAKES).collect().await;
        // Those that did end are no longer in the index and cost nothing here but a few bytes
        // until the next look.
        let until = now.plus(LEAVE_ALONE);
        left_alone.extend(woken.into_iter().map(|order| (order, until)));
    }
}
