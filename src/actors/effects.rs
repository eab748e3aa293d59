//! Calls to the outside on behalf of aggregates, of whatever kind.
//!
//! ```text
//!   decision ──Start──▶ call, in a task of its own ──▶ the owner decides what the outcome means
//!      ▲                                                     │ settled      │ not known, no progress
//!      └──bring forward── reconciler ◀── Later ──────────────┼──────────────┘
//!                              ▲                             ▼
//!                              └── the index of the     nothing more
//!                                  unsettled, at the start and every minute
//! ```
//!
//! What has to be called follows from what is stored, so nothing is lost with the process: a call
//! is written down before it is made, under an idempotency key that follows from what is written,
//! and it is made until its outcome is known. No actor waits for the outside, and what has a call
//! under way gets no other.
//!
//! A kind of effect is an [`EffectKind`], in a file of its own.

pub mod charges;
pub mod kind;
mod reconciler;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use ractor::{Actor, ActorCell, ActorRef, SpawnErr};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use self::kind::{Call, Effect, EffectKind, Outcome, Recipient, Told};
use self::reconciler::{Reconciler, ReconcilerMessage};
use super::directory::AskError;
use super::peers::Peers;
use crate::bugs::{Bug, planted};
use crate::seams::Clock;

pub use self::reconciler::{LONGEST_PAUSE, Pending};

/// How long to wait for room in the owner's mailbox.
const MAILBOX_PAUSE: Duration = Duration::from_millis(100);
/// How long the reconciler may take to list what it has.
const LIST_WITHIN: Duration = Duration::from_secs(5);

/// How many calls of one kind may be made.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// How many at a time.
    pub at_once: usize,
    /// How long one may take before its outcome counts as unknown.
    pub timeout: Duration,
}

/// The calls of one kind. Clones share them.
pub struct Effects<K: EffectKind>(Arc<Shared<K>>);

struct Shared<K: EffectKind> {
    kind: Arc<K>,
    permits: Semaphore,
    timeout: Duration,
    under_way: Mutex<UnderWay<<K::Call as Call>::Key>>,
    peers: Peers,
    /// Set once, before the first call.
    running: OnceLock<Running<K>>,
}

struct Running<K: EffectKind> {
    /// The recipient has these effects, so they must not keep it.
    recipient: Weak<dyn Recipient<K::Call>>,
    reconciler: ActorRef<ReconcilerMessage<K::Call>>,
}

/// What has a call under way, and the number of that call.
struct UnderWay<I> {
    calls: BTreeMap<I, u64>,
    next: u64,
}

impl<K: EffectKind> Clone for Effects<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: EffectKind> Effects<K> {
    /// Calls that nobody makes before [`Effects::start`].
    pub fn new(kind: K, limits: CallLimits, peers: Peers) -> Self {
        Self(Arc::new(Shared {
            kind: Arc::new(kind),
            permits: Semaphore::new(limits.at_once),
            timeout: limits.timeout,
            under_way: Mutex::new(UnderWay { calls: BTreeMap::new(), next: 0 }),
            peers,
            running: OnceLock::new(),
        }))
    }

    /// Starts the kind's reconciler. It takes up what is unsettled with [`Effects::sweep`]; where several
    /// servers work on the store, whenever this one has taken the lease.
    ///
    /// # Errors
    ///
    /// Whatever ractor has against it.
    pub async fn start(
        &self,
        recipient: Weak<dyn Recipient<K::Call>>,
        clock: Arc<dyn Clock>,
        parent: ActorCell,
    ) -> Result<(), SpawnErr> {
        let kind = self.0.kind.clone();
        let peers = self.0.peers.clone();
        let reconciler = Reconciler { kind, recipient: recipient.clone(), clock, peers };
        let (reconciler, _) = Actor::spawn_linked(None, reconciler, (), parent).await?;
        if !self.0.peers.is_alone() {
            tokio::spawn(sweep_when_taken(self.0.peers.clone(), reconciler.clone()));
        }
        let _ = self.0.running.set(Running { recipient, reconciler });
        Ok(())
    }

    /// Takes up everything that is unsettled, of any age, and goes on to do so regularly.
    pub fn sweep(&self) {
        self.0.reconcile(ReconcilerMessage::Sweep { all: true });
    }

    /// Takes up one thing that may be unsettled, unless a call is under way or planned.
    pub fn take_up(&self, key: <K::Call as Call>::Key, owner: <K::Call as Call>::Owner) {
        if !self.0.under_way().calls.contains_key(&key) {
            self.0.reconcile(ReconcilerMessage::TakeUp { key, owner });
        }
    }

    /// Does what a decision asks for, or starts to.
    ///
    /// Whoever else holds the lease is the one who calls, and hears of what was decided here from the
    /// log.
    pub fn act(&self, effect: Effect<K::Call>) {
        let calls = self.0.peers.hold() || planted(Bug::TwoCallers);
        match effect {
            Effect::Start(_) | Effect::Later { .. } if !calls => {}
            Effect::Returned(key) => {
                self.0.under_way().calls.remove(&key);
            }
            Effect::Start(call) => {
                if let Some(number) = self.0.under_way().begin(call.key()) {
                    let under_way = Mark { shared: self.0.clone(), key: call.key(), number };
                    tokio::spawn(call_and_tell(call, under_way));
                }
            }
            Effect::Later { key, owner, reason, within } => {
                self.0.reconcile(ReconcilerMessage::TryLater { key, owner, reason, within });
            }
            Effect::Settled(key) => self.0.reconcile(ReconcilerMessage::Settled { key }),
            Effect::Once(call) => {
                let shared = self.0.clone();
                tokio::spawn(async move {
                    if let Err(error) = shared.perform(&call, shared.timeout).await {
                        let (key, call) = (call.key(), call.name());
                        info!(%key, call, %error, "a call that nobody depends on was lost");
                    }
                });
            }
        }
    }

    /// Makes a call whose outcome the caller wants to know, within a time of its own.
    pub async fn perform_within(&self, call: &K::Call, timeout: Duration) -> Outcome<K::Call> {
        self.0.perform(call, timeout).await
    }

    /// What waits for its next try.
    pub async fn pending(&self) -> Vec<Pending<K::Call>> {
        let Some(running) = self.0.running.get() else { return Vec::new() };
        match running.reconciler.call(ReconcilerMessage::List, Some(LIST_WITHIN)).await {
            Ok(ractor::rpc::CallResult::Success(list)) => list,
            _ => Vec::new(),
        }
    }
}

impl<I: Copy + Ord> UnderWay<I> {
    /// Notes a new call and gives it a number, unless one is under way.
    fn begin(&mut self, key: I) -> Option<u64> {
        if self.calls.contains_key(&key) {
            return None;
        }
        self.next += 1;
        self.calls.insert(key, self.next);
        Some(self.next)
    }
}

impl<K: EffectKind> Shared<K> {
    fn under_way(&self) -> MutexGuard<'_, UnderWay<<K::Call as Call>::Key>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reconcile(&self, message: ReconcilerMessage<K::Call>) {
        if let Some(running) = self.running.get() {
            let _ = running.reconciler.cast(message);
        }
    }

    /// One call, bounded in time and in how many there are at once.
    async fn perform(&self, call: &K::Call, timeout: Duration) -> Outcome<K::Call> {
        let _permit = self.permits.acquire().await;
        let answer = AssertUnwindSafe(self.kind.perform(call)).catch_unwind();
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(K::lost("the client panicked")),
            Err(_) => Err(K::lost("no answer in time")),
        }
    }

    /// Tells the owner. Until that is done no other call is made, so a full mailbox is waited for.
    async fn tell(&self, call: &K::Call, outcome: &Outcome<K::Call>) -> Told {
        loop {
            let recipient = self.running.get().and_then(|running| running.recipient.upgrade());
            let Some(recipient) = recipient else { return Err(AskError::Failed) };
            let told = recipient.returned(call, outcome.clone()).await;
            if told != Err(AskError::Overloaded) {
                return told;
            }
            tokio::time::sleep(MAILBOX_PAUSE).await;
        }
    }
}

/// That a call is under way, until this is dropped or its owner says that it has come back.
struct Mark<K: EffectKind> {
    shared: Arc<Shared<K>>,
    key: <K::Call as Call>::Key,
    number: u64,
}

impl<K: EffectKind> Drop for Mark<K> {
    fn drop(&mut self) {
        let mut under_way = self.shared.under_way();
        // The owner may have started the next one already.
        if under_way.calls.get(&self.key) == Some(&self.number) {
            under_way.calls.remove(&self.key);
        }
    }
}

/// Has the reconciler take up everything whenever this server has taken the lease.
async fn sweep_when_taken<C: Call>(peers: Peers, reconciler: ActorRef<ReconcilerMessage<C>>) {
    loop {
        peers.taken().await;
        if reconciler.cast(ReconcilerMessage::Sweep { all: true }).is_err() {
            return;
        }
        peers.lost().await;
    }
}

/// Makes one call and tells its owner what came of it.
async fn call_and_tell<K: EffectKind>(call: K::Call, under_way: Mark<K>) {
    let shared = &under_way.shared;
    let (kind, key, step) = (K::NAME, call.key(), call.name());
    let outcome = tokio::select! {
        biased;
        outcome = shared.perform(&call, shared.timeout) => outcome,
        // From now on another server may make this call, as after a crash of this one.
        () = shared.peers.lost(), if !planted(Bug::TwoCallers) => {
            warn!(kind, %key, step, "a call was given up, for this server does not hold the lease");
            return;
        }
    };
    if let Err(error) = &outcome {
        warn!(kind, %key, step, %error, "a call without an answer");
    }
    let told = shared.tell(&call, &outcome).await;
    if !matches!(told, Ok(Ok(()))) {
        // It stays on the list of the unsettled, so the call will be made again.
        warn!(kind, %key, step, ?told, "the outcome of a call was not applied");
        let reason = "the answer was not applied".to_owned();
        let (owner, within) = (call.owner(), LONGEST_PAUSE);
        shared.reconcile(ReconcilerMessage::TryLater { key, owner, reason, within });
    }
}

#[cfg(test)]
mod tests;
