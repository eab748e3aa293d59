//! What lies further back than the latest events, read and rendered once for all who ask for it.
//!
//! Past events do not change, so stretches of the log are kept as they are sent, up to so many
//! bytes, and listeners who ask for the same past share them.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::rendered::Rendered;
use crate::domain::Terms;
use crate::store::{ReadError, Store};

/// How many events a stretch has. They start at its multiples, so that all listeners ask for the
/// same ones.
const STRETCH_EVENTS: u16 = 256;
/// How many bytes of events are kept.
const KEPT_BYTES: u64 = 16 * 1024 * 1024;
/// What a stretch takes beside its events.
const OVERHEAD_BYTES: usize = 128;

/// Neighbouring events.
type Stretch = Arc<[Rendered]>;

/// Stretches of the log, ready to be sent.
pub struct History {
    stretches: Cache<u64, Stretch, Size>,
    terms: Terms,
}

impl History {
    /// Nothing of it is kept yet.
    pub fn new(terms: Terms) -> Self {
        let stretches = usize::try_from(KEPT_BYTES / 64 / 1024).unwrap_or(usize::MAX);
        Self { stretches: Cache::with_weighter(stretches, KEPT_BYTES, Size), terms }
    }

    /// Events that include the first one after this number. `latest` is the number of the latest.
    ///
    /// # Errors
    ///
    /// Those of reading the log.
    pub async fn stretch(
        &self,
        after: u64,
        latest: u64,
        store: &dyn Store,
    ) -> Result<Stretch, ReadError> {
        let length = u64::from(STRETCH_EVENTS);
        let number = after / length;
        let end = (number + 1).saturating_mul(length);
        let is_complete = |stretch: &Stretch| {
            let last = stretch.last().map_or(0, |event| event.seq);
            last >= end.min(latest)
        };
        if let Some(stretch) = self.stretches.get(&number) {
            if is_complete(&stretch) {
                return Ok(stretch);
            }
            // Events have been added since.
            self.stretches.remove(&number);
        }
        // However many ask at once, one of them reads and renders.
        let read = read_after(number * length, store, &self.terms);
        let stretch = self.stretches.get_or_insert_async(&number, read).await?;
        if stretch.last().is_some_and(|event| event.seq > after) {
            return Ok(stretch);
        }
        // It was read before the event was there, by somebody who asked for earlier ones.
        self.stretches.remove(&number);
        read_after(after, store, &self.terms).await
    }
}

/// Reads and renders the events after this number.
async fn read_after(after: u64, store: &dyn Store, terms: &Terms) -> Result<Stretch, ReadError> {
    let events = store.events(after, usize::from(STRETCH_EVENTS)).await?;
    Ok(events.iter().map(|event| Rendered::new(event, terms)).collect())
}

#[derive(Debug, Clone)]
struct Size;

impl Weighter<u64, Stretch> for Size {
    fn weight(&self, _: &u64, stretch: &Stretch) -> u64 {
        let bytes = stretch.iter().map(|event| event.frame.len() + size_of::<Rendered>());
        (bytes.sum::<usize>() + OVERHEAD_BYTES) as u64
    }
}
