//! Sold tickets that can still be found by the words of their titles.
//!
//! A ticket has a posting for each word, in a block of its own each time, which would have to be
//! read, copied, hashed and written to take one posting out. So a sale leaves them where they are and
//! notes the ticket, and searches pass it over. A [`Sweep`] goes round through all blocks, a bit
//! further with every sale, and takes out what lingers in those it comes to, several at once. (Lists
//! are not treated so: what is bought most may stand on their first page, which everyone reads.)
//!
//! A round takes out what lingered when it began. It then forgets these tickets, and those that
//! were sold meanwhile are the next round's. So at most the sales of two rounds linger. Rounds are
//! paced by sales, so these are a share of the market: with seven words a title, and
//! [`POSTINGS_PER_SALE`] looked at, an eighth.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::ReadableTable;

use crate::bugs::{Bug, planted};
use crate::domain::TicketId;
use crate::store::ReadError;
use crate::store::failed::Failed;
use crate::store::records;
use crate::store::records::open;
use crate::store::records::state::{NOTE, Round, ids_row, names};
use crate::store::redb::write_tables::WriteTables;
use crate::store::search::blocks::{self, Swept};

/// How many postings are looked at for each ticket that is sold. More leave fewer tickets
/// tombstones, but take out fewer of each block.
pub const POSTINGS_PER_SALE: usize = 128;
/// What forgetting the tickets of one batch costs, in postings looked at.
const NOTE_COST: usize = 8;

/// The tickets that linger. A snapshot keeps the sets that its tables need; they grow with later
/// sales, which are passed over early by that.
#[derive(Debug, Clone, Default)]
pub struct Tombstones {
    /// What the current round takes out.
    swept: Arc<Ids>,
    /// What was sold since the round began.
    later: Arc<Ids>,
}

/// Ids of tickets. A server makes them, so nobody can choose ones that collide.
pub type IdSet = HashSet<u128, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
struct Ids(RwLock<IdSet>);

impl Ids {
    fn read(&self) -> RwLockReadGuard<'_, IdSet> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tombstones {
    /// What a file has noted, of batches up to where the current round began and of later ones.
    pub fn of(swept: IdSet, later: IdSet) -> Self {
        let ids = |ids| Arc::new(Ids(RwLock::new(ids)));
        Self { swept: ids(swept), later: ids(later) }
    }

    /// Keeps what was not sold of what was found by words.
    pub fn retain_others<T>(&self, found: &mut Vec<T>, ticket: impl Fn(&T) -> TicketId) {
        for sold in [&self.swept, &self.later].map(|ids| ids.read()) {
            if !sold.is_empty() {
                found.retain(|found| !sold.contains(&ticket(found).as_u128()));
            }
        }
    }
}

/// The ids of a note, which is a row of [`crate::store::redb::tables::TOMBSTONES`].
pub fn ids_of_note(batch: u64, note: &[u8]) -> Result<Vec<u128>, ReadError> {
    let (_, ids) = open(NOTE, batch, note)?;
    match ids.as_chunks() {
        (ids, []) if !ids.is_empty() => Ok(ids.iter().map(|id| u128::from_be_bytes(*id)).collect()),
        _ => Err(ReadError::Corrupt(format!("lingering {batch}: it has {} bytes", ids.len()))),
    }
}

/// Takes out what lingers. It belongs to the writer.
#[derive(Debug)]
pub struct Sweep {
    tombstones: Tombstones,
    round: Round,
    postings_per_sale: usize,
    /// What the current batch has sold.
    sold: Vec<u128>,
    /// What is noted and not published yet: of several batches while a journal is taken in.
    unpublished: Vec<u128>,
    /// The last batch that sold anything since the round began.
    batch: u64,
    /// Whether nothing is left for the round to do.
    is_over: bool,
}

impl Sweep {
    /// A sweep that goes on with a round.
    pub fn new(tombstones: Tombstones, round: Round, postings_per_sale: usize) -> Self {
        let (sold, unpublished) = (Vec::new(), Vec::new());
        let (batch, is_over) = (round.through, false);
        Self { tombstones, round, postings_per_sale, sold, unpublished, batch, is_over }
    }

    /// What lingers, as of the last batch that was published.
    pub fn tombstones(&self) -> &Tombstones {
        &self.tombstones
    }

    /// Leaves a ticket that the current batch sells among the words.
    pub fn leave(&mut self, ticket: TicketId) {
        self.sold.push(ticket.as_u128());
    }

    /// Notes what the batch of that number has sold, and goes on for as much.
    pub fn write(&mut self, tables: &mut WriteTables<'_>, batch: u64) -> Result<(), Failed> {
        if self.sold.is_empty() {
            return Ok(());
        }
        let note = ids_row(batch, &self.sold);
        tables.tombstones.open()?.insert(batch, note.as_slice())?;
        self.batch = batch;
        let mut postings = self.sold.len().saturating_mul(self.postings_per_sale);
        self.unpublished.append(&mut self.sold);
        self.is_over |= self.tombstones.swept.read().is_empty();
        while postings > 0 && !self.is_over {
            let looked_at = self.step(tables, postings)?;
            postings = postings.saturating_sub(looked_at.max(1));
        }
        let round = if self.is_over { self.next_round() } else { self.round.clone() };
        let row = records::encode(names::ROUND, &round);
        let row = row.map_err(|error| Failed(error.to_string()))?;
        tables.state.open()?.insert(names::ROUND, row.as_slice())?;
        Ok(())
    }

    /// The round that begins when the current one is over.
    fn next_round(&self) -> Round {
        Round { through: self.batch, ..Round::default() }
    }

    /// Looks at about so many postings, and tells at how many.
    fn step(&mut self, tables: &mut WriteTables<'_>, most: usize) -> Result<usize, Failed> {
        if self.round.has_swept || planted(Bug::HastySweep) {
            let most = most / NOTE_COST + 1;
            let forgotten = self.forget(tables, most)?;
            self.is_over = forgotten < most;
            return Ok(forgotten * NOTE_COST);
        }
        let swept = self.tombstones.swept.read();
        let from = std::mem::take(&mut self.round.next);
        let is_gone = |id| swept.contains(&id);
        let Swept { next, looked_at } = blocks::sweep(tables.words.open()?, from, most, &is_gone)?;
        self.round.has_swept = next.is_none();
        self.round.next = next.unwrap_or_default();
        Ok(looked_at)
    }

    /// Removes some notes of what the round has taken out, and tells how many there were.
    fn forget(&self, tables: &mut WriteTables<'_>, most: usize) -> Result<usize, Failed> {
        let notes = tables.tombstones.open()?;
        let mut batches = Vec::new();
        for note in notes.range(..=self.round.through)?.take(most) {
            batches.push(note?.0.value());
        }
        for batch in &batches {
            notes.remove(batch)?;
        }
        Ok(batches.len())
    }

    /// Lets readers know what was sold, and is durable now. It has to be known before the locks of
    /// these tickets are released, and to every snapshot in which they are sold.
    pub fn publish(&mut self) {
        if self.unpublished.is_empty() {
            return;
        }
        let later = &self.tombstones.later;
        later.0.write().unwrap_or_else(PoisonError::into_inner).extend(self.unpublished.drain(..));
        if self.is_over {
            let swept = later.clone();
            // With room for as many, since readers wait while it grows.
            let later = IdSet::with_capacity_and_hasher(swept.read().len(), Default::default());
            self.tombstones = Tombstones { swept, later: Arc::new(Ids(RwLock::new(later))) };
            (self.round, self.is_over) = (self.next_round(), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use redb::ReadableTableMetadata as _;

    use super::*;
    use crate::domain::UserId;
    use crate::store::redb::tables::TOMBSTONES;
    use crate::store::search::lists;
    use crate::store::search_words;
    use crate::store::testing::{World, in_memory, market};
    use crate::store::{RedbStore, Store, StoreSettings, TicketQuery, TicketSort};

    /// A market of so many tickets, and who buys them.
    struct Market {
        world: World,
        bob: UserId,
        listed: Vec<TicketId>,
    }

    impl Market {
        async fn of(store: Arc<dyn Store>, tickets: u64) -> Self {
            let world = World::new(store);
            let (ana, bob) = (world.user("ana").await, world.user("bob").await);
            let mut listed = Vec::new();
            for number in 0..tickets {
                // Prices in another order than ids.
                let price = (number * 7) % tickets + 1;
                listed.push(world.lists(ana, &format!("Rock Concert {number}"), price).await);
            }
            Self { world, bob, listed }
        }

        /// Sells one from the middle of what is left.
        async fn sells(&mut self) {
            let ticket = self.listed.remove(self.listed.len() / 2);
            let order = self.world.locks(self.bob, ticket).await;
            self.world.buys(order).await;
        }

        /// What anyone sees of it, by words and by price.
        async fn shows(&self, words: &str, sort: TicketSort) -> Vec<TicketId> {
            let limit = self.listed.len() + 1;
            let query = TicketQuery { words: search_words(words), sort, limit, ..market() };
            let page = self.world.store.tickets(&query).await.expect("a page");
            page.tickets.into_iter().map(|ticket| ticket.id).collect()
        }

        async fn shows_what_is_not_sold(&self) {
            let mut newest = self.listed.clone();
            newest.reverse();
            assert_eq!(self.shows("", TicketSort::Newest).await, newest);
            assert_eq!(self.shows("rock", TicketSort::Newest).await, newest);
            let mut by_price = self.shows("", TicketSort::PriceAscending).await;
            by_price.sort_by(|a, b| b.cmp(a));
            assert_eq!(by_price, newest);
        }
    }

    /// How many sold tickets can be found by a word that every title has. All of them are known.
    fn tombstones(store: &RedbStore, market: &Market) -> usize {
        let snapshot = store.now();
        let words = snapshot.words().expect("a table");
        let blocks = words.range(("rock", 0)..=("rock", u128::MAX)).expect("blocks");
        let mut left = 0;
        for block in blocks {
            let (key, block) = block.expect("a block");
            for posting in blocks::postings(key.value(), block.value()).expect("postings") {
                let ticket = TicketId::from_u128(blocks::id_of(posting));
                let is_sold = !market.listed.contains(&ticket);
                let mut found = vec![ticket];
                snapshot.tombstones().retain_others(&mut found, |ticket| *ticket);
                assert_eq!(found.is_empty(), is_sold, "{ticket}");
                left += usize::from(is_sold);
            }
        }
        left
    }

    fn assert_sound(store: &RedbStore) {
        let report = store.verify().expect("a report");
        assert!(report.is_sound(), "{report}");
    }

    #[tokio::test]
    async fn a_sold_ticket_is_shown_no_more_and_taken_out_after_a_while() {
        let store = in_memory();
        let mut market = Market::of(store.clone(), 400).await;
        let mut lingered_most = 0;
        for _ in 0..150 {
            market.sells().await;
            market.shows_what_is_not_sold().await;
            assert_sound(&store);
            lingered_most = lingered_most.max(tombstones(&store, &market));
        }
        // Three postings a ticket, of which 128 are looked at with each sale: a round takes ten.
        assert!((10..=30).contains(&lingered_most), "{lingered_most} lingered");
        let notes = store.now().table(TOMBSTONES).expect("a table").len().expect("a number");
        assert!(notes <= 30, "what is taken out is forgotten");
    }

    #[tokio::test]
    async fn a_round_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gittix.redb");
        let open = || Arc::new(RedbStore::open(&path, StoreSettings::default()).expect("a store"));
        let mut store = open();
        let mut market = Market::of(store.clone(), 200).await;
        // A restart with each sale, which is far fewer than a round takes.
        for _ in 0..60 {
            market.sells().await;
            market.world.store = in_memory();
            drop(store);
            store = open();
            market.world.store = store.clone();
            assert_sound(&store);
        }
        market.shows_what_is_not_sold().await;
        let lingering = tombstones(&store, &market);
        assert!(lingering <= 20, "{lingering} linger");
    }

    #[tokio::test]
    async fn a_snapshot_passes_over_what_lingers_in_it_though_it_was_taken_out_since() {
        let store = in_memory();
        let mut sales = Market::of(store.clone(), 100).await;
        let mut before = Vec::new();
        for _ in 0..40 {
            sales.sells().await;
            before.push((store.now(), sales.listed.clone()));
        }
        for (snapshot, mut listed) in before {
            let query = TicketQuery { words: search_words("concert"), ..market() };
            let page = lists::page(&snapshot, &query).await.expect("a page");
            let shown: Vec<TicketId> = page.tickets.iter().map(|ticket| ticket.id).collect();
            listed.reverse();
            // What was sold later is passed over as long as its round has not begun.
            assert!(shown.iter().all(|id| listed.contains(id)));
            assert!(sales.listed.iter().all(|id| shown.contains(id)));
        }
    }
}
