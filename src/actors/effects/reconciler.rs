//! Brings what is unsettled to its end, for as long as it takes.
//!
//! What is unsettled is stored, by an index that the store keeps; this actor only remembers when
//! to try each of it next. A call whose outcome is unknown is made again with growing pauses under
//! the same idempotency key. At every start, and every [`SWEEP_EVERY`] in case a message was lost,
//! the index is read and what it holds is taken up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::warn;

use super::kind::{Call, EffectKind, Recipient};
use crate::actors::peers::Peers;
use crate::actors::supervisor::outlive;
use crate::seams::Clock;
use crate::store::ReadError;

/// The pause after the first call that led nowhere; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often the index is read for what nobody takes care of.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// What changed less long ago is most likely being taken care of by its owner.
const LEFT_TO_ITS_OWNER: Duration = Duration::from_secs(30);
/// How much of the index is read at a time.
const PAGE: usize = 1024;

/// What the actor can be told.
pub enum ReconcilerMessage<C: Call> {
    /// A call led nowhere: try again after a pause.
    TryLater {
        /// What is to be brought forward.
        key: C::Key,
        /// Who decides about it.
        owner: C::Owner,
        /// Why the call led nowhere.
        reason: String,
        /// The longest pause before the next one.
        within: Duration,
    },
    /// It may be unsettled: another server has changed it.
    TakeUp {
        /// What it is.
        key: C::Key,
        /// Who decides about it.
        owner: C::Owner,
    },
    /// It has come to its end.
    Settled {
        /// What has.
        key: C::Key,
    },
    /// A pause may be over.
    Tick,
    /// Time to read the index.
    Sweep {
        /// Whether to take up what is there whatever its age, as at the start.
        all: bool,
    },
    /// What is being tried, for operators.
    List(RpcReplyPort<Vec<Pending<C>>>),
}

/// Something that is being brought to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending<C: Call> {
    /// What it is.
    pub key: C::Key,
    /// Who decides about it.
    pub owner: C::Owner,
    /// How many calls led nowhere in a row.
    pub tries: u32,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// How long until the next.
    pub next_try_in: Duration,
}

/// The one reconciler of a kind of effect.
pub struct Reconciler<K: EffectKind> {
    /// Where the unsettled are.
    pub kind: Arc<K>,
    /// Who brings them forward.
    pub recipient: Weak<dyn Recipient<K::Call>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether it is this server's to do.
    pub peers: Peers,
}

/// What the reconciler remembers.
pub struct Schedule<C: Call> {
    pending: BTreeMap<C::Key, Entry<C>>,
    /// The same by time, so that the next is found at once.
    by_time: BTreeSet<(Instant, C::Key)>,
    /// The one tick that is on its way, and when it comes.
    tick: Option<(Instant, AbortHandle)>,
    /// The one sweep that is planned.
    next_sweep: Option<AbortHandle>,
}

struct Entry<C: Call> {
    owner: C::Owner,
    tries: u32,
    last_error: Option<String>,
    next_try: Instant,
}

impl<K: EffectKind> Actor for Reconciler<K> {
    type Msg = ReconcilerMessage<K::Call>;
    type State = Schedule<K::Call>;
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (pending, by_time) = (BTreeMap::new(), BTreeSet::new());
        Ok(Schedule { pending, by_time, tick: None, next_sweep: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        message: Self::Msg,
        schedule: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if !self.peers.hold() {
            // Whoever holds the lease has read the index.
            schedule.clear();
        }
        match message {
            ReconcilerMessage::TakeUp { key, owner } => schedule.take_up(key, owner),
            ReconcilerMessage::TryLater { key, owner, reason, within } => {
                schedule.try_later(key, owner, reason, within);
            }
            ReconcilerMessage::Settled { key } => schedule.forget(key),
            ReconcilerMessage::Tick => {
                schedule.tick = None;
                self.bring_forward_what_is_due(schedule, &myself);
            }
            ReconcilerMessage::Sweep { all } => {
                if self.peers.hold() {
                    outlive("a sweep of the unsettled", K::NAME, self.sweep(schedule, all)).await;
                }
                schedule.sweep_later(&myself);
            }
            ReconcilerMessage::List(reply) => {
                let _ = reply.send(schedule.list());
            }
        }
        schedule.schedule_tick(&myself);
        Ok(())
    }
}

impl<K: EffectKind> Reconciler<K> {
    fn bring_forward_what_is_due(
        &self,
        schedule: &mut Schedule<K::Call>,
        myself: &ActorRef<ReconcilerMessage<K::Call>>,
    ) {
        for (key, owner) in schedule.take_due(Instant::now()) {
            let Some(recipient) = self.recipient.upgrade() else { return };
            let myself = myself.clone();
            tokio::spawn(async move {
                let answer = recipient.bring_forward(owner, key).await;
                if !matches!(answer, Ok(Ok(()))) {
                    warn!(kind = K::NAME, %key, %owner, ?answer, "not brought forward");
                    let reason = "its owner did not answer".to_owned();
                    let within = LONGEST_PAUSE;
                    let _ = myself.cast(ReconcilerMessage::TryLater { key, owner, reason, within });
                }
            });
        }
    }

    async fn sweep(&self, schedule: &mut Schedule<K::Call>, all: bool) -> Result<(), ReadError> {
        let now = self.clock.now();
        let mut after = None;
        loop {
            let page = self.kind.unsettled(after, PAGE).await?;
            for unsettled in &page {
                let is_old = now.since(unsettled.changed_at) >= LEFT_TO_ITS_OWNER;
                if all || is_old {
                    schedule.take_up(unsettled.key, unsettled.owner);
                }
            }
            after = page.last().map(|unsettled| unsettled.key);
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }
}

impl<C: Call> Schedule<C> {
    fn try_later(&mut self, key: C::Key, owner: C::Owner, reason: String, within: Duration) {
        let tries = self.pending.get(&key).map_or(0, |entry| entry.tries).saturating_add(1);
        let next_try = Instant::now() + pause_after(tries, within);
        self.schedule(key, Entry { owner, tries, last_error: Some(reason), next_try });
    }

    /// Tries something at once, unless it waits for its turn already.
    fn take_up(&mut self, key: C::Key, owner: C::Owner) {
        if !self.pending.contains_key(&key) {
            let next_try = Instant::now();
            self.schedule(key, Entry { owner, tries: 0, last_error: None, next_try });
        }
    }

    fn schedule(&mut self, key: C::Key, entry: Entry<C>) {
        self.forget(key);
        self.by_time.insert((entry.next_try, key));
        self.pending.insert(key, entry);
    }

    fn clear(&mut self) {
        self.pending.clear();
        self.by_time.clear();
    }

    fn sweep_later(&mut self, myself: &ActorRef<ReconcilerMessage<C>>) {
        let next = myself.send_after(SWEEP_EVERY, || ReconcilerMessage::Sweep { all: false });
        if let Some(planned) = self.next_sweep.replace(next.abort_handle()) {
            planned.abort();
        }
    }

    fn forget(&mut self, key: C::Key) {
        if let Some(entry) = self.pending.remove(&key) {
            self.by_time.remove(&(entry.next_try, key));
        }
    }

    /// What is due. It stays pending, so that its count of tries lives on, but it is not tried
    /// again until somebody reports on it or the longest pause is over.
    fn take_due(&mut self, now: Instant) -> Vec<(C::Key, C::Owner)> {
        let mut due = Vec::new();
        while let Some(&(at, key)) = self.by_time.first() {
            if at > now {
                break;
            }
            self.by_time.pop_first();
            if let Some(entry) = self.pending.get_mut(&key) {
                due.push((key, entry.owner));
                entry.next_try = now + LONGEST_PAUSE;
                self.by_time.insert((entry.next_try, key));
            }
        }
        due
    }

    fn schedule_tick(&mut self, myself: &ActorRef<ReconcilerMessage<C>>) {
        let Some(&(at, _)) = self.by_time.first() else { return };
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

    fn list(&self) -> Vec<Pending<C>> {
        let now = Instant::now();
        let entries = self.pending.iter().map(|(key, entry)| Pending {
            key: *key,
            owner: entry.owner,
            tries: entry.tries,
            last_error: entry.last_error.clone(),
            next_try_in: entry.next_try.saturating_duration_since(now),
        });
        entries.collect()
    }
}

/// The pause after that many calls in a row that led nowhere.
fn pause_after(tries: u32, longest: Duration) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_no_further() {
        let pause = |tries| pause_after(tries, LONGEST_PAUSE);
        assert_eq!(pause(1), Duration::from_millis(500));
        assert_eq!(pause(2), Duration::from_secs(1));
        assert_eq!(pause(7), Duration::from_secs(32));
        assert_eq!(pause(8), Duration::from_secs(60));
        assert_eq!(pause(u32::MAX), Duration::from_secs(60));
        let hour = Duration::from_secs(60 * 60);
        assert_eq!(pause_after(8, hour), Duration::from_secs(64));
        assert_eq!(pause_after(u32::MAX, hour), hour);
    }
}
