//! What the writer knows without looking into the tables.

use std::sync::Arc;

use crate::domain::TicketId;
use crate::store::TicketPosition;
use crate::store::redb::open_orders::Openings;
use crate::store::redb::row_cache::RowCache;
use crate::store::redb::stock::StockChanges;
use crate::store::search::skip_ranges::SkipRanges;
use crate::store::search::tombstones::Sweep;

/// What the writer keeps in memory. It is changed along with the tables; if their transaction
/// fails, the store writes no more and none of this is used again.
#[derive(Debug)]
pub struct WriterState {
    /// What the current batch has opened and closed.
    pub openings: Openings,
    /// What was sold and can be found by words all the same.
    pub sweep: Sweep,
    /// What pages keep.
    pub rows: Arc<RowCache>,
    /// The tickets whose rows the current batch changes.
    pub changed: Vec<TicketId>,
    /// Where pages find nothing.
    pub skip_ranges: Arc<SkipRanges>,
    /// Those that may be available where none was before.
    pub appeared: Vec<TicketPosition>,
    /// What the current batch changes of how many seats are on sale.
    pub stock: StockChanges,
    /// Charges that still owe something to or by the gateway.
    pub unsettled: u64,
    /// The number of the last event.
    pub last_seq: u64,
    /// The number of the last batch.
    pub batch: u64,
}
