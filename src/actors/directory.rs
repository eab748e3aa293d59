//! Who is awake: finds the live actor of an id, or gives the id to one that is free, or makes one.
//!
//! An actor stands for one id at a time. Making one takes longer than most of what it is asked, so
//! under load an actor that is idle does not end but waits for another id. At most one actor
//! handles the messages of an id at any time, by three rules:
//!
//! 1. Looking an actor up, giving it an id, taking the id away and sending to it happen under one
//!    lock.
//! 2. An actor only loses its id when no message of it is alive. It does nothing for that id any
//!    more, and may at once stand for another, which its next message names, or end.
//! 3. An actor that failed keeps its id until its state is dropped, which is after its last
//!    message; see [`Activation`]. Whoever asks meanwhile waits for that.
//!
//! Should two live actors of one id ever exist all the same, the store's version check rejects
//! the slower one's commit.

use std::collections::{BTreeMap, VecDeque, btree_map};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ractor::{ActorRef, ActorStatus};
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

use crate::bugs::{Bug, planted};

/// A power of two well above the number of cores, so that lookups rarely meet.
const SHARDS: usize = 64;
/// How often a message is handed to a fresh actor when the one before ended with it unread.
const DELIVERY_ATTEMPTS: usize = 8;
/// As many actors may wait for another id, however few may be awake.
const FREE_AT_LEAST: usize = 4;

/// What identifies an actor within its directory.
pub trait Key: Copy + Ord + Hash + Send + Sync + std::fmt::Debug + 'static {}
impl<T: Copy + Ord + Hash + Send + Sync + std::fmt::Debug + 'static> Key for T {}

/// Makes an actor, which must keep the [`Activation`] in its state; `None` if no actor can be made any
/// more.
type Activate<K, B> =
    Box<dyn Fn(Activation<K, B>) -> Option<ActorRef<Envelope<K, B>>> + Send + Sync>;

/// Told of an actor whose last lease was dropped.
type Idle<K> = Arc<dyn Fn(&Arc<Shared<K>>) + Send + Sync>;

/// The live actors of one kind.
pub struct Directory<K: Key, B: Send + 'static> {
    shards: Vec<Mutex<BTreeMap<K, Live<K, B>>>>,
    hasher: BuildHasherDefault<DefaultHasher>,
    activate: Activate<K, B>,
    idle: Idle<K>,
    /// Locked after a shard, if both are.
    free: Mutex<Free<K, B>>,
    live: AtomicUsize,
    limits: DirectoryLimits,
    itself: Weak<Self>,
}

/// How many actors may be awake and how much may wait for each.
#[derive(Debug, Clone, Copy)]
pub struct DirectoryLimits {
    /// Above this many, an actor loses its id as soon as it is idle, not only at the next sweep.
    /// As many may wait for another id, and a few always.
    pub max_live: usize,
    /// How many messages may wait for one actor; more are refused.
    pub max_pending: usize,
}

/// An actor that has not ended, as far as is known.
struct Live<K: Key, B: Send + 'static> {
    actor: ActorRef<Envelope<K, B>>,
    shared: Arc<Shared<K>>,
}

/// Actors that stand for nothing.
struct Free<K: Key, B: Send + 'static> {
    /// Taken in turn: one that wrongly still knew what it knew would soon stand for the same id again,
    /// so that no test overlooks it for long.
    actors: VecDeque<Live<K, B>>,
    /// How many there were at least since the last sweep: so many are not needed.
    least: usize,
}

/// What the directory, an actor and its messages have in common.
struct Shared<K> {
    /// The id that it has in the directory; changed under the lock of the id's shard.
    id: Mutex<Option<K>>,
    /// Messages sent and not yet dealt with, and whatever else keeps the actor awake.
    pending: AtomicUsize,
    /// Whether it was sent to since the last sweep.
    touched: AtomicBool,
    /// Whether it was given its id since its last message. That may be an id it had before, and
    /// that another actor had meanwhile.
    reassigned: AtomicBool,
    /// Whether it takes no messages any more; changed under the shard's lock alone.
    failed: AtomicBool,
    /// Whether its state was dropped.
    ended: AtomicBool,
    /// Tells those who wait for its end.
    end: Notify,
}

impl<K: Key> Shared<K> {
    fn new() -> Self {
        Self {
            id: Mutex::new(None),
            pending: AtomicUsize::new(0),
            touched: AtomicBool::new(false),
            reassigned: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            end: Notify::new(),
        }
    }

    fn id(&self) -> Option<K> {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_id(&self, id: Option<K>) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }
}

/// A message with what keeps its actor awake until it is dealt with.
pub struct Envelope<K: Key, B: Send + 'static> {
    /// Whom it is for; see [`Activation::assume`].
    pub to: K,
    /// What is asked.
    pub body: B,
    /// Keep it for as long as the matter is open.
    pub lease: Lease<K>,
}

/// Keeps an actor from losing its id.
pub struct Lease<K: Key> {
    shared: Arc<Shared<K>>,
    idle: Idle<K>,
}

impl<K: Key> Lease<K> {
    fn new(shared: &Arc<Shared<K>>, idle: &Idle<K>) -> Self {
        shared.pending.fetch_add(1, Ordering::AcqRel);
        Self { shared: shared.clone(), idle: idle.clone() }
    }
}

impl<K: Key> Clone for Lease<K> {
    fn clone(&self) -> Self {
        Self::new(&self.shared, &self.idle)
    }
}

impl<K: Key> Drop for Lease<K> {
    fn drop(&mut self) {
        // An actor that panics keeps its id until its end.
        if self.shared.pending.fetch_sub(1, Ordering::AcqRel) == 1 && !std::thread::panicking() {
            (self.idle)(&self.shared);
        }
    }
}

/// The proof that an actor exists. When its state is dropped, so is this, and the directory
/// knows that a fresh actor may be made.
pub struct Activation<K: Key, B: Send + 'static> {
    id: K,
    shared: Arc<Shared<K>>,
    directory: Weak<Directory<K, B>>,
}

impl<K: Key, B: Send + 'static> Activation<K, B> {
    /// The id the actor stands for.
    pub fn id(&self) -> K {
        self.id
    }

    /// To be called with every message: whether the actor was given its id since the one before, so
    /// that it must forget all it knows.
    #[must_use]
    pub fn assume(&mut self, id: K) -> bool {
        let is_another = std::mem::replace(&mut self.id, id) != id;
        let was_given = self.shared.reassigned.swap(false, Ordering::Relaxed);
        if planted(Bug::MistakenIdentity) { is_another } else { was_given }
    }
}

impl<K: Key, B: Send + 'static> Drop for Activation<K, B> {
    fn drop(&mut self) {
        // First this, then the look at its id: it is given none after this, see `take_free`.
        self.shared.ended.store(true, Ordering::Release);
        if let Some(id) = self.shared.id()
            && let Some(directory) = self.directory.upgrade()
        {
            directory.forget(id, &self.shared);
        }
        self.shared.end.notify_waiters();
    }
}

/// Where an answer goes, before the actor has looked at the question.
pub struct Reply<T>(Option<oneshot::Sender<Delivery<T>>>);

/// Where an answer goes, once the actor has begun to deal with the question.
pub struct OpenReply<T>(oneshot::Sender<Delivery<T>>);

enum Delivery<T> {
    Answer(T),
    /// The actor ended without having looked at the message, so it can be sent again.
    Unread,
}

impl<T> Reply<T> {
    /// Begins to deal with the question: from here on it is not asked again.
    pub fn open(mut self) -> Option<OpenReply<T>> {
        self.0.take().map(OpenReply)
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(Delivery::Unread);
        }
    }
}

impl<T> OpenReply<T> {
    /// Answers. That nobody waits any more is no concern of the actor's.
    pub fn send(self, answer: T) {
        let _ = self.0.send(Delivery::Answer(answer));
    }
}

/// Why a question got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AskError {
    /// Too many messages wait for the actor.
    #[error("too many requests wait for the same resource")]
    Overloaded,
    /// The actor ended while it dealt with the question.
    #[error("the actor failed while it dealt with the request")]
    Failed,
}

impl<K: Key, B: Send + 'static> Directory<K, B> {
    /// An empty directory whose actors `activate` makes.
    pub fn new(
        limits: DirectoryLimits,
        activate: impl Fn(Activation<K, B>) -> Option<ActorRef<Envelope<K, B>>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself: &Weak<Self>| {
            let directory = itself.clone();
            let idle = move |shared: &Arc<Shared<K>>| {
                if let Some(directory) = directory.upgrade() {
                    directory.became_idle(shared);
                }
            };
            Self {
                shards: (0..SHARDS).map(|_| Mutex::new(BTreeMap::new())).collect(),
                hasher: BuildHasherDefault::default(),
                activate: Box::new(activate),
                idle: Arc::new(idle),
                free: Mutex::new(Free { actors: VecDeque::new(), least: 0 }),
                live: AtomicUsize::new(0),
                limits,
                itself: itself.clone(),
            }
        })
    }

    /// How many actors stand for an id.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Whether there is an actor of `id`.
    pub fn is_awake(&self, id: K) -> bool {
        self.shard(id).contains_key(&id)
    }

    /// Asks the actor of `id` and waits for the answer. `question` is called once per delivery.
    pub async fn ask<T>(
        &self,
        id: K,
        mut question: impl FnMut(Reply<T>) -> B,
    ) -> Result<T, AskError> {
        for _ in 0..DELIVERY_ATTEMPTS {
            let (sender, receiver) = oneshot::channel();
            self.deliver(id, || question(Reply(Some(sender)))).await?;
            match receiver.await {
                Ok(Delivery::Answer(answer)) => return Ok(answer),
                Ok(Delivery::Unread) => {}
                Err(_) => return Err(AskError::Failed),
            }
        }
        Err(AskError::Failed)
    }

    async fn deliver(&self, id: K, body: impl FnOnce() -> B) -> Result<(), AskError> {
        let mut body = Some(body);
        loop {
            let failed = {
                let mut shard = self.shard(id);
                let Some(live) = self.find_or_activate(&mut shard, id) else {
                    return Err(AskError::Failed);
                };
                if live.shared.failed.load(Ordering::Acquire) {
                    live.shared.clone()
                } else if live.shared.pending.load(Ordering::Acquire) >= self.limits.max_pending {
                    return Err(AskError::Overloaded);
                } else {
                    let Some(body) = body.take() else { return Err(AskError::Failed) };
                    live.shared.touched.store(true, Ordering::Relaxed);
                    let lease = Lease::new(&live.shared, &self.idle);
                    let actor = live.actor.clone();
                    // An actor that has just failed drops the envelope, which tells the asker.
                    let undelivered = actor.cast(Envelope { to: id, body: body(), lease }).err();
                    if undelivered.is_some() {
                        live.shared.failed.store(true, Ordering::Release);
                    }
                    // The envelope's lease takes the lock when it is dropped.
                    drop(shard);
                    drop(undelivered);
                    return Ok(());
                }
            };
            self.wait_for_end(id, &failed).await;
        }
    }

    /// Waits until the actor that has failed has lost its id.
    async fn wait_for_end(&self, id: K, failed: &Arc<Shared<K>>) {
        let end = failed.end.notified();
        let still_there = self.shard(id).get(&id).is_some_and(|live| live.has(failed));
        if still_there {
            end.await;
        }
    }

    fn find_or_activate<'a>(
        &self,
        shard: &'a mut BTreeMap<K, Live<K, B>>,
        id: K,
    ) -> Option<&'a Live<K, B>> {
        if planted(Bug::TwoActors)
            && let Some(live) = shard.remove(&id)
        {
            // The actor lives on, and nobody knows.
            self.lose_id(&live);
        }
        match shard.entry(id) {
            btree_map::Entry::Occupied(live) => Some(live.into_mut()),
            btree_map::Entry::Vacant(place) => {
                let live = self.take_free(id).or_else(|| self.make(id))?;
                self.live.fetch_add(1, Ordering::Relaxed);
                Some(place.insert(live))
            }
        }
    }

    /// An actor that was free. The caller holds the lock of the id's shard.
    fn take_free(&self, id: K) -> Option<Live<K, B>> {
        loop {
            let live = {
                let mut free = self.free();
                let live = free.actors.pop_front()?;
                free.least = free.least.min(free.actors.len());
                live
            };
            // One that was told to stop would leave its messages unread.
            if live.actor.get_status() >= ActorStatus::Draining {
                continue;
            }
            live.shared.set_id(Some(id));
            live.shared.reassigned.store(true, Ordering::Relaxed);
            if live.has_not_ended() {
                return Some(live);
            }
        }
    }

    /// A fresh actor. The caller holds the lock of the id's shard.
    fn make(&self, id: K) -> Option<Live<K, B>> {
        let shared = Arc::new(Shared::new());
        let activation = Activation { id, shared: shared.clone(), directory: self.itself.clone() };
        let actor = (self.activate)(activation)?;
        shared.set_id(Some(id));
        Some(Live { actor, shared }).filter(Live::has_not_ended)
    }

    fn became_idle(&self, shared: &Arc<Shared<K>>) {
        if self.live() <= self.limits.max_live {
            return;
        }
        let Some(id) = shared.id() else { return };
        let mut shard = self.shard(id);
        if shard.get(&id).is_some_and(|live| live.has(shared) && live.is_idle())
            && let Some(live) = shard.remove(&id)
        {
            self.lose_id(&live);
            let mut free = self.free();
            if free.actors.len() < self.limits.max_live.max(FREE_AT_LEAST) {
                free.actors.push_back(live);
            } else {
                live.end();
            }
        }
    }

    /// Ends every actor that was idle or free since the sweep before. Call it regularly.
    pub fn sweep(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, live| {
                let rests = !live.shared.touched.swap(false, Ordering::Relaxed) && live.is_idle();
                if rests {
                    self.lose_id(live);
                    live.end();
                }
                !rests
            });
        }
        let mut free = self.free();
        let unneeded = free.least.min(free.actors.len());
        free.actors.drain(..unneeded).for_each(|live| live.end());
        free.least = free.actors.len();
    }

    /// To be called for an actor that is taken out of its shard.
    fn lose_id(&self, live: &Live<K, B>) {
        live.shared.set_id(None);
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    fn forget(&self, id: K, shared: &Arc<Shared<K>>) {
        let mut shard = self.shard(id);
        if shard.get(&id).is_some_and(|live| live.has(shared))
            && let Some(live) = shard.remove(&id)
        {
            self.lose_id(&live);
            drop(shard);
            drop(live);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::indexing_slicing,
        reason = "any bits of a hash will do, and the remainder is the number of a shard"
    )]
    fn shard(&self, id: K) -> MutexGuard<'_, BTreeMap<K, Live<K, B>>> {
        let number = self.hasher.hash_one(id) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self) -> MutexGuard<'_, Free<K, B>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, B: Send + 'static> Live<K, B> {
    /// Whether it is the actor that this belongs to.
    fn has(&self, shared: &Arc<Shared<K>>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Whether no message of it is alive. Under the shard's lock it stays so.
    fn is_idle(&self) -> bool {
        self.shared.pending.load(Ordering::Acquire) == 0
            && !self.shared.failed.load(Ordering::Acquire)
    }

    /// Whether its end, if it comes, will find the id that it was just given.
    fn has_not_ended(&self) -> bool {
        !self.shared.ended.load(Ordering::Acquire)
    }

    /// Lets it end. Draining, unlike stopping, would even deal with what was sent to it.
    fn end(&self) {
        let _ = self.actor.drain();
    }
}

#[cfg(test)]
mod tests;
