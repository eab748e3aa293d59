//! The latest events, read and rendered once for all who listen.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use super::wire;
use crate::bugs::{Bug, planted};
use crate::domain::{Audience, LoggedEvent, UserId};
use crate::store::{ReadError, SharedStore, Store};

/// How many events are kept for those who keep up.
const KEPT_EVENTS: usize = 1024;
/// How many events are read at once.
const PAGE_EVENTS: usize = 256;
/// A page is closed once it has grown to this: what a slow listener may hold.
const PAGE_BYTES: usize = 32 * 1024;
/// How long events are collected after some were told, so that thousands of listeners are not
/// woken thousands of times a second. The first event after a pause is told at once.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait after the log could not be read.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Clones share it.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

struct Shared {
    kept: RwLock<VecDeque<Rendered>>,
    told: watch::Sender<u64>,
    latest: watch::Receiver<u64>,
    places: Arc<Semaphore>,
    max_listeners: usize,
}

/// An event, ready to be sent.
struct Rendered {
    seq: u64,
    audience: Audience,
    frame: Bytes,
}

/// What a listener is sent at once.
#[derive(Debug, Default)]
pub struct Page {
    /// The events that this listener may see; maybe none.
    pub bytes: Bytes,
    /// Up to where the log was looked through.
    pub last_seq: u64,
    /// Whether there is something in it that only this listener may see.
    pub is_private: bool,
}

impl Feed {
    /// Follows the log for as long as its store is used elsewhere. Must be called within a
    /// runtime.
    pub fn start(store: &SharedStore, max_listeners: usize) -> Self {
        let latest = store.latest_event();
        let max_listeners = max_listeners.min(Semaphore::MAX_PERMITS);
        let shared = Arc::new(Shared {
            kept: RwLock::default(),
            told: watch::Sender::new(*latest.borrow()),
            latest: latest.clone(),
            places: Arc::new(Semaphore::new(max_listeners)),
            max_listeners,
        });
        tokio::spawn(follow(shared.clone(), Arc::downgrade(store), latest));
        Self(shared)
    }

    /// The number of the latest event.
    pub fn latest(&self) -> u64 {
        *self.0.latest.borrow()
    }

    /// Tells of new events.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.0.told.subscribe()
    }

    /// The right to listen, if not too many do already.
    pub fn take_place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.places.clone().try_acquire_owned().ok()
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.0.max_listeners - self.free_places()
    }

    /// How many more could listen.
    pub fn free_places(&self) -> usize {
        self.0.places.available_permits()
    }

    /// The next page after that event, for this user or for anyone.
    ///
    /// # Errors
    ///
    /// Those of reading the log.
    pub async fn read(
        &self,
        after: u64,
        user: Option<UserId>,
        store: &dyn Store,
    ) -> Result<Page, ReadError> {
        if let Some(page) = self.read_kept(after, user) {
            return Ok(page);
        }
        let after = after + u64::from(planted(Bug::MissedEvent));
        let events = store.events(after, PAGE_EVENTS).await?;
        Ok(page(after, user, events.iter().map(|event| Rendered::audible(event, user))))
    }

    /// The same from memory, if it goes back that far.
    fn read_kept(&self, after: u64, user: Option<UserId>) -> Option<Page> {
        let kept = self.0.kept.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.front()?.seq;
        let skip = usize::try_from((after + 1).checked_sub(oldest)?).ok()?;
        let rest = kept.iter().skip(skip);
        let rest = rest.map(|event| (event.seq, event.audience, event.frame.clone()));
        (skip < kept.len()).then(|| page(after, user, rest))
    }
}

impl Rendered {
    fn new(event: &LoggedEvent) -> Self {
        Self { seq: event.seq, audience: event.event.audience(), frame: wire::frame(event) }
    }

    /// Renders only what this user may see.
    fn audible(event: &LoggedEvent, user: Option<UserId>) -> (u64, Audience, Bytes) {
        let audience = event.event.audience();
        let frame = if may_see(audience, user) { wire::frame(event) } else { Bytes::new() };
        (event.seq, audience, frame)
    }
}

fn may_see(audience: Audience, user: Option<UserId>) -> bool {
    match audience {
        Audience::Public => true,
        Audience::User(owner) => user == Some(owner),
    }
}

fn page(
    after: u64,
    user: Option<UserId>,
    events: impl Iterator<Item = (u64, Audience, Bytes)>,
) -> Page {
    let mut bytes = Vec::new();
    let mut page = Page { last_seq: after, ..Page::default() };
    for (seq, audience, frame) in events {
        page.last_seq = seq;
        if !may_see(audience, user) {
            continue;
        }
        page.is_private |= audience != Audience::Public;
        bytes.extend_from_slice(&frame);
        if bytes.len() >= PAGE_BYTES {
            break;
        }
    }
    page.bytes = bytes.into();
    page
}

/// Keeps the latest events at hand and tells listeners of them. It ends with the store, which
/// it does not keep open.
async fn follow(shared: Arc<Shared>, store: Weak<dyn Store>, mut latest: watch::Receiver<u64>) {
    let mut position = *latest.borrow();
    while latest.changed().await.is_ok() {
        let target = *latest.borrow_and_update();
        if shared.told.receiver_count() == 0 {
            // Nobody listens. Whoever comes reads from the log what is not kept here.
            shared.kept.write().unwrap_or_else(PoisonError::into_inner).clear();
            position = target;
            shared.told.send_replace(target);
            continue;
        }
        while position < target {
            let Some(store) = store.upgrade() else { return };
            match store.events(position, PAGE_EVENTS).await {
                Ok(events) if events.is_empty() => break,
                Ok(events) => {
                    position = events.last().map_or(target, |event| event.seq);
                    shared.keep(&events);
                    shared.told.send_replace(position);
                }
                Err(error) => {
                    tracing::error!(%error, "the event log is unreadable");
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
        sleep(PAUSE).await;
    }
}

impl Shared {
    fn keep(&self, events: &[LoggedEvent]) {
        let rendered: Vec<Rendered> = events.iter().map(Rendered::new).collect();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.extend(rendered);
        let too_many = kept.len().saturating_sub(KEPT_EVENTS);
        kept.drain(..too_many);
    }
}
