//! What is known of passes beside their rows: which tickets may have any, whose content may be listed, and
//! which contents no row names.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tracing::{error, info, warn};

use super::context::Context;
use crate::blobs::{BlobError, BlobName, Rows, SharedBlobs, Shelf, sweep};
use crate::bugs::{Bug, planted};
use crate::domain::{Kept as _, Version};
use crate::domain::{
    OrderId, Pass, PassId, PassMark, PassRejection, Passes, Precondition, Purchase, Ticket,
    TicketId, TicketPasses, TicketState, TicketsWithPasses, Timestamp, UserId,
};
use crate::store::{Page, ReadError, SharedStore, Store};

/// How often contents that no row names are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// How many tickets with passes are read at a time.
const PAGE: usize = 500;
/// How often one content can be sold on.
const MOST_ALIKE: usize = 100;
/// How many bits tell of tickets: a mebibyte of them.
const BITS: usize = 1 << 23;

/// Which tickets may have passes: most have none, and are shown often, so that it is worth knowing without a
/// look into the store. Each ticket has a bit, which others share; one that is set stays so until the next
/// start. Until all that have passes are known, any may. That it knows of all that come later holds because
/// one server at a time has the store.
pub struct PassFilter {
    bits: Box<[AtomicU64]>,
    is_filled: AtomicBool,
}

impl Default for PassFilter {
    fn default() -> Self {
        let bits = (0..BITS / 64).map(|_| AtomicU64::new(0)).collect();
        Self { bits, is_filled: AtomicBool::new(false) }
    }
}

impl PassFilter {
    /// Whether a ticket may have passes. What is said for tickets that have none but share a bit, or before
    /// all are known, costs a look.
    pub fn may_have(&self, ticket: TicketId) -> bool {
        let (word, bit) = Self::place(ticket);
        let word = self.bits.get(word).map_or(u64::MAX, |word| word.load(Ordering::Acquire));
        word & bit != 0 || !self.is_filled.load(Ordering::Acquire)
    }

    /// Notes that a ticket may have passes, before it has.
    pub fn note(&self, ticket: TicketId) {
        let (word, bit) = Self::place(ticket);
        if let Some(word) = self.bits.get(word) {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    /// Gets to know all tickets that have passes.
    pub async fn fill(self: Arc<Self>, store: SharedStore) {
        match self.note_all(&*store).await {
            Ok(()) => self.is_filled.store(true, Ordering::Release),
            Err(error) => warn!(%error, "which tickets have passes is looked up each time"),
        }
    }

    async fn note_all(&self, store: &dyn Store) -> Result<(), ReadError> {
        let mut after = None;
        loop {
            let page = store.list::<TicketPasses>(TicketsWithPasses::All, after, PAGE).await?;
            page.iter().for_each(|(_, passes)| self.note(passes.ticket));
            let is_last = page.len() < PAGE;
            after = page.into_iter().next_back().map(|(place, _)| place);
            if is_last {
                return Ok(());
            }
        }
    }

    /// The last bits of an id are by chance.
    fn place(ticket: TicketId) -> (usize, u64) {
        let [.., a, b, c, d] = ticket.as_u128().to_be_bytes();
        let bit = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0) % BITS;
        (bit / 64, 1 << (bit % 64))
    }
}

/// The passes of a ticket, with what a request about them needs.
#[derive(Debug, Default)]
pub struct PassesOf {
    /// Its passes.
    pub passes: Option<TicketPasses>,
    /// The rows of those that nobody took, for a change that may take them away.
    pub untaken: Vec<Pass>,
    /// Its sales, who paid first before others, for one that is added.
    pub sales: Vec<Purchase>,
}

impl PassesOf {
    /// Reads them alone.
    pub async fn alone(store: &dyn Store, ticket: TicketId) -> Result<Self, ReadError> {
        Ok(Self { passes: store.get::<TicketPasses>(ticket).await?, ..Self::default() })
    }

    /// Reads them with the rows of those that nobody took.
    pub async fn with_untaken(store: &dyn Store, ticket: TicketId) -> Result<Self, ReadError> {
        let passes = store.get::<TicketPasses>(ticket).await?;
        let mut untaken = Vec::new();
        for seat in passes.iter().flat_map(|passes| &passes.seats) {
            if seat.order.is_none() {
                untaken.extend(store.get::<Pass>(seat.pass).await?);
            }
        }
        Ok(Self { passes, untaken, sales: Vec::new() })
    }

    /// Reads them with the sales.
    pub async fn with_sales(store: &dyn Store, ticket: &Ticket) -> Result<Self, ReadError> {
        let mut sales = Vec::new();
        for order in sold_to(ticket) {
            sales.extend(store.purchase(order).await?);
        }
        Ok(Self { sales, ..Self::alone(store, ticket.id).await? })
    }
}

/// The orders that bought seats of a ticket, the first first.
fn sold_to(ticket: &Ticket) -> Vec<OrderId> {
    match &ticket.state {
        TicketState::Available | TicketState::Locked { .. } => Vec::new(),
        TicketState::Sold { order } => vec![*order],
        TicketState::Several(allotment) => allotment.sold_to().collect(),
    }
}

/// Which of its content a new pass would be, and after which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub number: u32,
    after: Option<(PassId, Version)>,
}

impl Generation {
    /// What must hold when it is written: what it follows is still there.
    pub fn must_follow(&self) -> Option<Precondition> {
        let (id, version) = self.after?;
        Some(Precondition::ResourceAt { id: Pass::any_id(id), version: Some(version) })
    }
}

/// Which of its content a new pass of a seller's would be.
///
/// # Errors
///
/// [`PassRejection::Listed`] if the content is with a ticket that is for sale, or with one that somebody
/// else bought.
pub async fn generation_of(
    store: &dyn Store,
    mark: PassMark,
    seller: UserId,
) -> Result<Result<Generation, PassRejection>, ReadError> {
    let list = Pass::any_list(Passes::Marked(mark));
    let page = Page { list, after: None, descending: true, limit: MOST_ALIKE };
    let alike = store.page::<Pass>(page).await?;
    let Some((_, last)) = alike.first() else {
        return Ok(Ok(Generation { number: 0, after: None }));
    };
    let number = last.generation.saturating_add(1);
    let is_too_often = usize::try_from(number).is_ok_and(|number| number >= MOST_ALIKE);
    for (_, pass) in &alike {
        match standing_of(store, pass).await? {
            Standing::Undone => {}
            Standing::Bought { by } if by == seller => break,
            Standing::Bought { .. } | Standing::Listed => return Ok(Err(PassRejection::Listed)),
        }
    }
    if is_too_often {
        return Ok(Err(PassRejection::Listed));
    }
    Ok(Ok(Generation { number, after: Some((last.id, last.version)) }))
}

/// How it stands with a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Its seat may be bought, or is being bought.
    Listed,
    /// Its seat is bought.
    Bought {
        /// By whom.
        by: UserId,
    },
    /// Its sale was undone, or there will be none.
    Undone,
}

async fn standing_of(store: &dyn Store, pass: &Pass) -> Result<Standing, ReadError> {
    if let Some(sale) = sale_of(store, pass).await? {
        let by = sale.order.buyer;
        return Ok(if sale.is_paid_back() { Standing::Undone } else { Standing::Bought { by } });
    }
    let ticket = store.ticket(pass.ticket).await?;
    // Whoever still holds a seat of a ticket that is closed may pay it.
    let is_over = ticket.is_none_or(|ticket| ticket.closed().is_some() && ticket.held().is_empty());
    Ok(if is_over { Standing::Undone } else { Standing::Listed })
}

/// The sale that a pass went with.
async fn sale_of(store: &dyn Store, pass: &Pass) -> Result<Option<Purchase>, ReadError> {
    let passes = store.get::<TicketPasses>(pass.ticket).await?;
    let seat = passes.and_then(|passes| passes.find(pass.id).copied());
    match seat.and_then(|seat| seat.order) {
        Some(order) => store.purchase(order).await,
        None => Ok(None),
    }
}

/// Whether somebody may see what a pass holds: its seller until its seat is paid, then its buyer, until they
/// have their money back or somebody has paid for it whom they sold it on to.
pub async fn may_open(store: &dyn Store, pass: &Pass, by: UserId) -> Result<bool, ReadError> {
    let Some(sale) = sale_of(store, pass).await? else { return Ok(pass.seller == by) };
    let is_its = sale.order.buyer == by || (pass.seller == by && planted(Bug::PassToSeller));
    if !is_its || sale.is_paid_back() {
        return Ok(false);
    }
    let alike = store.list::<Pass>(Passes::Marked(pass.mark), None, MOST_ALIKE).await?;
    for (_, later) in alike.iter().filter(|(_, other)| other.generation > pass.generation) {
        if sale_of(store, later).await?.is_some_and(|sale| !sale.is_paid_back()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Why contents were not swept.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Blobs(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] ReadError),
}

struct Named<'c>(&'c Context);

#[async_trait]
impl Rows for Named<'_> {
    type Error = SweepError;

    async fn name(&self, name: BlobName) -> Result<bool, SweepError> {
        match name.shelf {
            Shelf::Passes => {
                let pass = self.0.store.get::<Pass>(PassId::from_u128(name.id)).await?;
                Ok(pass.is_some())
            }
        }
    }
}

/// Takes away contents that no row names, now and then. Of several servers one does.
pub async fn sweep_contents(context: Arc<Context>, blobs: SharedBlobs) {
    loop {
        context.peers.taken().await;
        for shelf in Shelf::ALL {
            let name = shelf.name();
            match sweep_shelf(&context, &blobs, *shelf).await {
                Ok(0) => {}
                Ok(taken) => info!(shelf = name, taken, "contents of nothing were taken away"),
                Err(error) => error!(shelf = name, %error, "contents were not swept"),
            }
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

/// What is older than the log is none of this store's: somebody has begun anew beside it.
async fn sweep_shelf(
    context: &Context,
    blobs: &SharedBlobs,
    shelf: Shelf,
) -> Result<u64, SweepError> {
    let began: Option<Timestamp> = context.store.events(0, 1).await?.first().map(|first| first.at);
    let Some(since) = began else { return Ok(0) };
    sweep(&**blobs, &Named(context), shelf, since, context.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_ticket_may_have_passes_until_those_that_have_some_are_known() {
        let filter = PassFilter::default();
        let (one, other) = (TicketId::from_u128(1), TicketId::from_u128(2));
        assert!(filter.may_have(one) && filter.may_have(other));
        filter.note(one);
        filter.is_filled.store(true, Ordering::Release);
        assert!(filter.may_have(one) && !filter.may_have(other));
        let alike = TicketId::from_u128(1 + (BITS as u128));
        assert!(filter.may_have(alike), "it shares the bit");
        let last = TicketId::from_u128(u128::MAX);
        assert!(!filter.may_have(last));
        filter.note(last);
        assert!(filter.may_have(last));
    }
}
