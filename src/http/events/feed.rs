//! The latest events, read and rendered once for all who listen.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;

use super::history::History;
use super::listeners::{ListenerLimits, Listeners};
use super::rendered::Rendered;
use crate::bugs::{Bug, planted};
use crate::domain::{Audience, LoggedEvent, Terms, UserId};
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
    listeners: Listeners,
    history: History,
    terms: Terms,
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
    /// How many events were looked through.
    pub events: usize,
}

impl Feed {
    /// Follows the log for as long as its store is used elsewhere. Must be called within a
    /// runtime.
    pub fn start(store: &SharedStore, limits: ListenerLimits, terms: Terms) -> Self {
        let latest = store.latest_event();
        let shared = Arc::new(Shared {
            kept: RwLock::default(),
            told: watch::Sender::new(*latest.borrow()),
            latest: latest.clone(),
            listeners: Listeners::new(limits),
            history: History::new(terms),
            terms,
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

    /// Everybody who listens.
    pub fn listeners(&self) -> &Listeners {
        &self.0.listeners
    }

    /// The next page of the latest events, for this user or for anyone; `None` if what follows that
    /// event lies further back.
    pub fn read_latest(&self, after: u64, user: Option<UserId>) -> Option<Page> {
        let kept = self.0.kept.read().unwrap_or_else(PoisonError::into_inner);
        let oldest = kept.front()?.seq;
        let skip = usize::try_from((after + 1).checked_sub(oldest)?).ok()?;
        (skip < kept.len()).then(|| page(after, user, kept.iter().skip(skip)))
    }

    /// The same from the log.
    ///
    /// # Errors
    ///
    /// Those of reading the log.
    pub async fn read_past(
        &self,
        after: u64,
        user: Option<UserId>,
        store: &dyn Store,
    ) -> Result<Page, ReadError> {
        let after = after + u64::from(planted(Bug::MissedEvent));
        let stretch = self.0.history.stretch(after, self.latest(), store).await?;
        Ok(page(after, user, stretch.iter().filter(|event| event.seq > after)))
    }
}

fn may_see(audience: Audience, user: Option<UserId>) -> bool {
    match audience {
        Audience::Public => true,
        Audience::User(owner) => user == Some(owner),
    }
}

fn page<'e>(after: u64, user: Option<UserId>, events: impl Iterator<Item = &'e Rendered>) -> Page {
    let mut bytes = Vec::new();
    let mut page = Page { last_seq: after, ..Page::default() };
    for event in events {
        page.last_seq = event.seq;
        page.events += 1;
        if !may_see(event.audience, user) {
            continue;
        }
        page.is_private |= event.audience != Audience::Public;
        bytes.extend_from_slice(&event.frame);
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
        let rendered: Vec<Rendered> =
            events.iter().map(|event| Rendered::new(event, &self.terms)).collect();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.extend(rendered);
        let too_many = kept.len().saturating_sub(KEPT_EVENTS);
        kept.drain(..too_many);
    }
}
