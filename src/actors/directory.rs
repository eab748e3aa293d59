//! Who is awake: finds the live actor of an id, or activates it.
//!
//! At most one actor of an id handles messages at any time, by three rules:
//!
//! 1. Looking an actor up, activating it and sending to it happen under one lock.
//! 2. An actor is only sent to rest when no message of its is alive, and from then on nothing
//!    is sent to it: whoever asks waits for its end and activates a fresh one.
//! 3. Its entry goes when its state is dropped, which is after its last message, however it
//!    ended; see [`Presence`].
//!
//! Should two live actors of one id ever exist all the same, the store's version check rejects
//! the slower one's commit.

use std::collections::{BTreeMap, btree_map};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ractor::ActorRef;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};

use crate::bugs::{Bug, planted};

/// A power of two well above the number of cores, so that lookups rarely meet.
const SHARDS: usize = 64;
/// How often a message is handed to a fresh actor when the one before ended with it unread.
const DELIVERY_ATTEMPTS: usize = 8;

/// What identifies an actor within its directory.
pub trait Key: Copy + Ord + Hash + Send + Sync + std::fmt::Debug + 'static {}
impl<T: Copy + Ord + Hash + Send + Sync + std::fmt::Debug + 'static> Key for T {}

/// Makes the actor of an id, which must keep the [`Presence`] in its state; `None` if no actor
/// can be made any more.
type Activate<K, B> = Box<dyn Fn(Presence<K, B>) -> Option<ActorRef<Letter<B>>> + Send + Sync>;

/// The live actors of one kind.
pub struct Directory<K: Key, B: Send + 'static> {
    shards: Vec<Mutex<BTreeMap<K, Entry<B>>>>,
    hasher: BuildHasherDefault<DefaultHasher>,
    activate: Activate<K, B>,
    live: AtomicUsize,
    limits: DirectoryLimits,
}

/// How many actors may be awake and how much may wait for each.
#[derive(Debug, Clone, Copy)]
pub struct DirectoryLimits {
    /// Above this many, an actor rests as soon as it is idle, not only at the next sweep.
    pub max_live: usize,
    /// How many messages may wait for one actor; more are refused.
    pub max_pending: usize,
}

struct Entry<B: Send + 'static> {
    actor: ActorRef<Letter<B>>,
    shared: Arc<Shared>,
    /// Called when the last hold is dropped.
    idle: Arc<dyn Fn() + Send + Sync>,
}

/// What an entry, its actor and its messages have in common.
#[derive(Default)]
struct Shared {
    /// Messages sent and not yet dealt with, and whatever else keeps the actor awake.
    pending: AtomicUsize,
    /// Whether it was sent to since the last sweep.
    touched: AtomicBool,
    /// Whether it is on its way out; changed under the shard's lock alone.
    leaving: AtomicBool,
    /// Whether the entry is in the directory, so that the end of the actor takes it out. An
    /// actor that is never made must not try to: its presence ends under the shard's lock.
    entered: AtomicBool,
    /// Tells those who wait for its end.
    ended: Notify,
}

/// A message with what keeps its actor awake until it is dealt with.
pub struct Letter<B: Send + 'static> {
    /// What is asked.
    pub body: B,
    /// Keep it for as long as the matter is open.
    pub hold: Hold,
}

/// Keeps an actor from being sent to rest.
pub struct Hold {
    shared: Arc<Shared>,
    idle: Arc<dyn Fn() + Send + Sync>,
}

impl Hold {
    fn new<B: Send + 'static>(entry: &Entry<B>) -> Self {
        entry.shared.pending.fetch_add(1, Ordering::AcqRel);
        Self { shared: entry.shared.clone(), idle: entry.idle.clone() }
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.shared.pending.fetch_add(1, Ordering::AcqRel);
        Self { shared: self.shared.clone(), idle: self.idle.clone() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.shared.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            (self.idle)();
        }
    }
}

/// The proof that an actor exists. When its state is dropped, so is this, and the directory
/// knows that a fresh actor may be made.
pub struct Presence<K: Key, B: Send + 'static> {
    key: K,
    shared: Arc<Shared>,
    directory: Weak<Directory<K, B>>,
}

impl<K: Key, B: Send + 'static> Presence<K, B> {
    /// The id the actor stands for.
    pub fn key(&self) -> K {
        self.key
    }
}

impl<K: Key, B: Send + 'static> Drop for Presence<K, B> {
    fn drop(&mut self) {
        if self.shared.entered.load(Ordering::Acquire)
            && let Some(directory) = self.directory.upgrade()
        {
            directory.forget(self.key, &self.shared);
        }
        self.shared.ended.notify_waiters();
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
        activate: impl Fn(Presence<K, B>) -> Option<ActorRef<Letter<B>>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| Mutex::new(BTreeMap::new())).collect(),
            hasher: BuildHasherDefault::default(),
            activate: Box::new(activate),
            live: AtomicUsize::new(0),
            limits,
        })
    }

    /// How many actors are awake.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Whether there is an actor of `key`.
    pub fn is_awake(&self, key: K) -> bool {
        self.shard(key).contains_key(&key)
    }

    /// Asks the actor of `key` and waits for the answer. `question` is called once per delivery.
    pub async fn ask<T>(
        self: &Arc<Self>,
        key: K,
        mut question: impl FnMut(Reply<T>) -> B,
    ) -> Result<T, AskError> {
        for _ in 0..DELIVERY_ATTEMPTS {
            let (sender, receiver) = oneshot::channel();
            self.deliver(key, || question(Reply(Some(sender)))).await?;
            match receiver.await {
                Ok(Delivery::Answer(answer)) => return Ok(answer),
                Ok(Delivery::Unread) => {}
                Err(_) => return Err(AskError::Failed),
            }
        }
        Err(AskError::Failed)
    }

    async fn deliver(self: &Arc<Self>, key: K, body: impl FnOnce() -> B) -> Result<(), AskError> {
        let mut body = Some(body);
        loop {
            let leaving = {
                let mut shard = self.shard(key);
                let Some(entry) = self.find_or_activate(&mut shard, key) else {
                    return Err(AskError::Failed);
                };
                if entry.shared.leaving.load(Ordering::Acquire) {
                    entry.shared.clone()
                } else if entry.shared.pending.load(Ordering::Acquire) >= self.limits.max_pending {
                    return Err(AskError::Overloaded);
                } else {
                    let Some(body) = body.take() else { return Err(AskError::Failed) };
                    entry.shared.touched.store(true, Ordering::Relaxed);
                    let hold = Hold::new(entry);
                    let actor = entry.actor.clone();
                    // An actor that has just failed drops the letter, which tells the asker.
                    let undelivered = actor.cast(Letter { body: body(), hold }).err();
                    if undelivered.is_some() {
                        entry.shared.leaving.store(true, Ordering::Release);
                    }
                    // The letter's hold takes the lock when it is dropped.
                    drop(shard);
                    drop(undelivered);
                    return Ok(());
                }
            };
            self.wait_for_end(key, &leaving).await;
        }
    }

    /// Waits until the entry that was leaving is gone.
    async fn wait_for_end(&self, key: K, leaving: &Arc<Shared>) {
        let ended = leaving.ended.notified();
        let still_there =
            self.shard(key).get(&key).is_some_and(|entry| Arc::ptr_eq(&entry.shared, leaving));
        if still_there {
            ended.await;
        }
    }

    fn find_or_activate<'a>(
        self: &Arc<Self>,
        shard: &'a mut BTreeMap<K, Entry<B>>,
        key: K,
    ) -> Option<&'a Entry<B>> {
        if planted(Bug::TwoActors)
            && let Some(entry) = shard.remove(&key)
        {
            // The actor lives on, and nobody knows.
            entry.shared.entered.store(false, Ordering::Release);
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
        match shard.entry(key) {
            btree_map::Entry::Occupied(entry) => Some(entry.into_mut()),
            btree_map::Entry::Vacant(place) => {
                let shared = Arc::new(Shared::default());
                let directory = Arc::downgrade(self);
                let actor = (self.activate)(Presence { key, shared: shared.clone(), directory })?;
                let directory = Arc::downgrade(self);
                let idle = Arc::new(move || {
                    if let Some(directory) = directory.upgrade() {
                        directory.became_idle(key);
                    }
                });
                self.live.fetch_add(1, Ordering::Relaxed);
                shared.entered.store(true, Ordering::Release);
                Some(place.insert(Entry { actor, shared, idle }))
            }
        }
    }

    fn became_idle(&self, key: K) {
        if self.live() > self.limits.max_live {
            let shard = self.shard(key);
            if let Some(entry) = shard.get(&key) {
                Self::rest_if_idle(entry);
            }
        }
    }

    /// Sends every actor to rest that was idle since the sweep before. Call it regularly.
    pub fn sweep(&self) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in shard.values() {
                if !entry.shared.touched.swap(false, Ordering::Relaxed) {
                    Self::rest_if_idle(entry);
                }
            }
        }
    }

    /// The caller holds the shard's lock, so nothing is sent meanwhile. Draining, unlike
    /// stopping, would even deal with what was.
    fn rest_if_idle(entry: &Entry<B>) {
        if entry.shared.pending.load(Ordering::Acquire) == 0
            && !entry.shared.leaving.swap(true, Ordering::AcqRel)
        {
            let _ = entry.actor.drain();
        }
    }

    fn forget(&self, key: K, shared: &Arc<Shared>) {
        let mut shard = self.shard(key);
        if shard.get(&key).is_some_and(|entry| Arc::ptr_eq(&entry.shared, shared)) {
            let entry = shard.remove(&key);
            self.live.fetch_sub(1, Ordering::Relaxed);
            drop(shard);
            drop(entry);
        }
    }

    fn shard(&self, key: K) -> MutexGuard<'_, BTreeMap<K, Entry<B>>> {
        let number = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
