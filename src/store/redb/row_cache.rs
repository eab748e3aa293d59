//! Rows of tickets that pages have shown, kept in memory.
//!
//! A page shows rows from all over the file, each on a page of the database of its own: finding one
//! takes several steps in a B-tree, and little of these is in the processor's caches. What many look
//! at is found here instead, and takes a twentieth of the memory that its page of the database would.
//!
//! ```text
//!   batch                   7        8        9
//!   a ticket's row          a ·······│ b ···················
//!   kept as of 7   [a, 7] ──┬─ valid for snapshots 7 ..= 7
//!   forgotten with 8        ✕
//!   kept as of 9                              [b, 9] ─── valid for snapshots 9 ..
//! ```
//!
//! A row is kept along with the number of a batch as of which it is true, and is forgotten before
//! anybody can see a batch that changes it. So what is kept is true for every snapshot from that
//! batch on. Who has read an older snapshot keeps nothing: the row may have changed since.

use std::sync::{Arc, PoisonError, RwLock, TryLockError};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::bugs::{Bug, planted};
use crate::domain::{Ticket, TicketId};

/// What a row takes beside the ticket and the text of its title, in bytes: the counters of its
/// [`Arc`], its place among the others, what allocators round up, and its share of the places of
/// rows that are kept no more, by which the cache knows what is asked for again.
const OVERHEAD_BYTES: usize = 152;

/// Rows of tickets.
pub struct RowCache {
    /// `None` if nothing is to be kept.
    rows: Option<Cache<TicketId, Kept, ByBytes>>,
    /// The last batch whose changes are forgotten. Whoever keeps a row looks here first and holds
    /// the lock meanwhile.
    forgotten: RwLock<u64>,
}

#[derive(Debug, Clone)]
struct Kept {
    row: Arc<Ticket>,
    /// A batch as of which it is true.
    batch: u64,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<TicketId, Kept> for ByBytes {
    fn weight(&self, _: &TicketId, kept: &Kept) -> u64 {
        bytes(&kept.row) as u64
    }
}

/// What a row takes in all.
fn bytes(row: &Ticket) -> usize {
    size_of::<Ticket>() + row.title.as_str().len() + OVERHEAD_BYTES
}

impl RowCache {
    /// Room for rows of so many bytes, as of the last batch of a store.
    pub fn new(bytes: usize, batch: u64) -> Self {
        let tickets = bytes / (size_of::<Ticket>() + OVERHEAD_BYTES);
        let rows = (tickets > 0).then(|| Cache::with_weighter(tickets, bytes as u64, ByBytes));
        Self { rows, forgotten: RwLock::new(batch) }
    }

    /// The row of a ticket as of a batch, if it is kept.
    pub fn get(&self, ticket: TicketId, batch: u64) -> Option<Arc<Ticket>> {
        let kept = self.rows.as_ref()?.get(&ticket)?;
        (kept.batch <= batch).then_some(kept.row)
    }

    /// Keeps rows as of a batch, if nothing was changed since. It waits for nobody: the writer is at
    /// it for a moment, and the next page can keep the rows as well.
    pub fn keep(&self, rows: impl Iterator<Item = Arc<Ticket>>, batch: u64) {
        let Some(kept) = &self.rows else { return };
        let forgotten = match self.forgotten.try_read() {
            Ok(forgotten) => forgotten,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if *forgotten == batch {
            rows.for_each(|row| kept.insert(row.id, Kept { row, batch }));
        }
    }

    /// Forgets the tickets that a batch changes. Its snapshot must not be known to anyone yet.
    pub fn forget(&self, changed: impl Iterator<Item = TicketId>, batch: u64) {
        let mut forgotten = self.forgotten.write().unwrap_or_else(PoisonError::into_inner);
        *forgotten = batch;
        let Some(kept) = self.rows.as_ref().filter(|_| !planted(Bug::StaleRow)) else { return };
        changed.for_each(|ticket| drop(kept.remove(&ticket)));
    }
}

impl Default for RowCache {
    /// One that keeps nothing.
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl std::fmt::Debug for RowCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.rows.as_ref().map_or(0, Cache::len);
        f.debug_struct("RowCache").field("rows", &kept).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, UserId};
    use crate::store::testing::{a_title, usd};

    const ID: TicketId = TicketId::from_u128(1);

    fn row(id: u128, price: u64) -> Arc<Ticket> {
        let (seller, at) = (UserId::from_u128(9), Timestamp::from_millis(0));
        Arc::new(Ticket::list(TicketId::from_u128(id), seller, a_title("Rock"), usd(price), at))
    }

    fn keep(cache: &RowCache, row: &Arc<Ticket>, batch: u64) {
        cache.keep(std::iter::once(row.clone()), batch);
    }

    #[test]
    fn a_row_is_true_from_the_batch_it_was_read_as_of() {
        let (cache, before) = (RowCache::new(1 << 20, 7), row(1, 100));
        keep(&cache, &before, 7);
        assert_eq!(cache.get(ID, 7), Some(before.clone()));
        assert_eq!(cache.get(ID, 8), Some(before), "batch 8 has not changed it");
        assert_eq!(cache.get(ID, 6), None, "it may have changed with batch 7");
    }

    #[test]
    fn a_row_that_changes_is_forgotten_and_not_kept_as_it_was() {
        let (cache, before, after) = (RowCache::new(1 << 20, 7), row(1, 100), row(1, 200));
        keep(&cache, &before, 7);
        cache.forget([ID].into_iter(), 8);
        assert_eq!(cache.get(ID, 7), None);
        keep(&cache, &before, 7);
        assert_eq!(cache.get(ID, 7), None, "whoever read it before is too late");
        keep(&cache, &after, 8);
        assert_eq!(cache.get(ID, 7), None);
        assert_eq!(cache.get(ID, 8), Some(after));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let room = 100 * bytes(&row(0, 1));
        let cache = RowCache::new(room, 0);
        cache.keep((0..1000).map(|id| row(id, 1)), 0);
        let kept = (0..1000).filter(|id| cache.get(TicketId::from_u128(*id), 0).is_some()).count();
        assert!((1..=100).contains(&kept), "{kept}");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let cache = RowCache::default();
        keep(&cache, &row(1, 100), 0);
        assert_eq!(cache.get(ID, 0), None);
    }
}
