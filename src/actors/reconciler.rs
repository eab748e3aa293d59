//! Brings unsettled charges to their end, for as long as it takes.
//!
//! What is unsettled is stored, by an index that the store keeps with the charges; this actor
//! only remembers when to try each of them next. A call whose outcome is unknown is made again
//! with growing pauses under the same idempotency key. At every start, and every
//! [`SWEEP_EVERY`] in case a message was lost, the index is read and what it holds is taken up.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{error, warn};

use super::context::Context;
use super::order::OrderRequest;
use crate::domain::{ChargeId, OrderId};
use crate::store::ReadError;

/// The pause after the first call that led nowhere; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause while the buyer is before their bank: the lock runs out meanwhile.
pub const LONGEST_PAUSE_FOR_BUYER: Duration = Duration::from_secs(5);
/// How often the index is read for charges that nobody takes care of.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// A charge younger than this is most likely being taken care of by its order.
const LEFT_TO_ITS_ORDER: Duration = Duration::from_secs(30);
/// How many unsettled charges are read at a time.
const PAGE: usize = 1024;

/// What the actor can be told.
pub enum ReconcilerMessage {
    /// A call led nowhere: try again after a pause.
    TryLater {
        /// The charge.
        charge: ChargeId,
        /// Its order.
        order: OrderId,
        /// Why the call led nowhere.
        reason: String,
        /// The longest pause before the next one.
        within: Duration,
    },
    /// The charge has come to its end.
    Settled {
        /// The charge.
        charge: ChargeId,
    },
    /// A pause may be over.
    Tick,
    /// Time to read the index.
    Sweep {
        /// Whether to take up charges of any age, as at the start.
        all: bool,
    },
    /// What is being tried, for operators.
    List(RpcReplyPort<Vec<PendingCharge>>),
}

/// A charge that is being brought to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCharge {
    /// The charge.
    pub charge: ChargeId,
    /// Its order.
    pub order: OrderId,
    /// How many calls led nowhere in a row.
    pub tries: u32,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// How long until the next.
    pub next_try_in: Duration,
}

/// The one reconciler of the marketplace.
pub struct Reconciler {
    context: Arc<Context>,
}

impl Reconciler {
    /// A reconciler that reads through the context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

/// What the reconciler remembers.
#[derive(Default)]
pub struct ReconcilerState {
    pending: BTreeMap<ChargeId, Pending>,
    /// The same by time, so that the next is found at once.
    schedule: BTreeSet<(Instant, ChargeId)>,
    /// The one tick that is on its way, and when it comes.
    tick: Option<(Instant, AbortHandle)>,
}

struct Pending {
    order: OrderId,
    tries: u32,
    last_error: Option<String>,
    next_try: Instant,
}

impl Actor for Reconciler {
    type Msg = ReconcilerMessage;
    type State = ReconcilerState;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(ReconcilerState::default())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ReconcilerMessage::TryLater { charge, order, reason, within } => {
                state.try_later(charge, order, reason, within);
            }
            ReconcilerMessage::Settled { charge } => state.forget(charge),
            ReconcilerMessage::Tick => {
                state.tick = None;
                self.bring_forward_what_is_due(state);
            }
            ReconcilerMessage::Sweep { all } => {
                // Charges must not be without their reconciler, so not even a panic ends it.
                match AssertUnwindSafe(self.sweep(state, all)).catch_unwind().await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        error!(%error, "the unsettled charges could not be read; trying again");
                    }
                    Err(_) => error!("reading the unsettled charges panicked; trying again"),
                }
                myself.send_after(SWEEP_EVERY, || ReconcilerMessage::Sweep { all: false });
            }
            ReconcilerMessage::List(reply) => {
                let _ = reply.send(state.list());
            }
        }
        state.schedule_tick(&myself);
        Ok(())
    }
}

impl Reconciler {
    fn bring_forward_what_is_due(&self, state: &mut ReconcilerState) {
        for (charge, order) in state.take_due(Instant::now()) {
            let context = self.context.clone();
            tokio::spawn(async move {
                let answer = context
                    .ask_order(order, |reply| OrderRequest::BringForward { charge, reply })
                    .await;
                if !matches!(answer, Ok(Ok(()))) {
                    warn!(%charge, %order, ?answer, "a charge was not brought forward");
                    let reason = "its order did not answer".to_owned();
                    context.reconcile_later(charge, order, reason, LONGEST_PAUSE);
                }
            });
        }
    }

    async fn sweep(&self, state: &mut ReconcilerState, all: bool) -> Result<(), ReadError> {
        let now = self.context.now();
        let mut after = None;
        loop {
            let page = self.context.store.unsettled_charges(after, PAGE).await?;
            for charge in &page {
                let is_old = now.since(charge.updated_at) >= LEFT_TO_ITS_ORDER;
                if all || is_old {
                    state.take_up(charge.id, charge.order);
                }
            }
            after = page.last().map(|charge| charge.id);
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

impl ReconcilerState {
    fn try_later(&mut self, charge: ChargeId, order: OrderId, reason: String, within: Duration) {
        let tries = self.pending.get(&charge).map_or(0, |pending| pending.tries).saturating_add(1);
        let next_try = Instant::now() + pause_after(tries).min(within);
        self.schedule(charge, Pending { order, tries, last_error: Some(reason), next_try });
    }

    /// Tries a charge at once, unless it waits for its turn already.
    fn take_up(&mut self, charge: ChargeId, order: OrderId) {
        if !self.pending.contains_key(&charge) {
            let next_try = Instant::now();
            self.schedule(charge, Pending { order, tries: 0, last_error: None, next_try });
        }
    }

    fn schedule(&mut self, charge: ChargeId, pending: Pending) {
        self.forget(charge);
        self.schedule.insert((pending.next_try, charge));
        self.pending.insert(charge, pending);
    }

    fn forget(&mut self, charge: ChargeId) {
        if let Some(pending) = self.pending.remove(&charge) {
            self.schedule.remove(&(pending.next_try, charge));
        }
    }

    /// What is due. It stays pending, so that its count of tries lives on, but it is not tried
    /// again until somebody reports on it or the longest pause is over.
    fn take_due(&mut self, now: Instant) -> Vec<(ChargeId, OrderId)> {
        let mut due = Vec::new();
        while let Some(&(at, charge)) = self.schedule.first() {
            if at > now {
                break;
            }
            self.schedule.pop_first();
            if let Some(pending) = self.pending.get_mut(&charge) {
                due.push((charge, pending.order));
                pending.next_try = now + LONGEST_PAUSE;
                self.schedule.insert((pending.next_try, charge));
            }
        }
        due
    }

    fn schedule_tick(&mut self, myself: &ActorRef<ReconcilerMessage>) {
        let Some(&(at, _)) = self.schedule.first() else { return };
        if self.tick.as_ref().is_some_and(|(coming_at, _)| *coming_at <= at) {
            return;
        }
        if let Some((_, later)) = self.tick.take() {
            later.abort();
        }
        let pause = at.saturating_duration_since(Instant::now());
        let tick = myself.send_after(pause, || ReconcilerMessage::Tick);
        self.tick = Some((at, tick.abort_handle()));
    }

    fn list(&self) -> Vec<PendingCharge> {
        let now = Instant::now();
        let entries = self.pending.iter().map(|(charge, pending)| PendingCharge {
            charge: *charge,
            order: pending.order,
            tries: pending.tries,
            last_error: pending.last_error.clone(),
            next_try_in: pending.next_try.saturating_duration_since(now),
        });
        entries.collect()
    }
}

/// The pause after that many calls in a row that led nowhere.
fn pause_after(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_no_further() {
        assert_eq!(pause_after(1), Duration::from_millis(500));
        assert_eq!(pause_after(2), Duration::from_secs(1));
        assert_eq!(pause_after(7), Duration::from_secs(32));
        assert_eq!(pause_after(8), Duration::from_secs(60));
        assert_eq!(pause_after(u32::MAX), Duration::from_secs(60));
    }
}
