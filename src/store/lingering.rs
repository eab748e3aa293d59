//! Sold tickets that still stand in the market's lists and under the words of their titles.
//!
//! Each of these entries is on a page of its own, which would have to be read, copied, hashed and
//! written to take one ticket out. So a sale leaves them where they are and notes the ticket, and
//! readers pass it over. A [`Sweep`] goes round through lists and words, a bit further with every
//! sale, and takes out whatever lingers on its way: several tickets from each page.
//!
//! A round takes out what lingered when it began. It then forgets these tickets, and those that
//! were sold meanwhile are the next round's. So at most the sales of two rounds linger. As rounds
//! are paced by sales, that is a share of the market: with seven words a title, and
//! [`ENTRIES_PER_SALE`] looked at, a seventh.
//!
//! What lingers is known to the file as well, so a round that a crash or a stop has cut off
//! begins again with all that is noted.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{Key, ReadableTable, Table, Value};

use super::ReadError;
use super::blocks::{self, Swept};
use super::check::Failed;
use super::tables::MARKET;
use super::write_tables::WriteTables;
use crate::bugs::{Bug, planted};
use crate::domain::TicketId;

/// How many entries of lists and words are looked at for each ticket that is sold. More leave
/// fewer tickets lingering, but take out fewer from each page.
const ENTRIES_PER_SALE: usize = 128;
/// What forgetting the tickets of one batch costs, in entries looked at.
const NOTE_COST: usize = 8;
/// How many bytes an id has in a note.
const ID_BYTES: usize = size_of::<u128>();

/// The tickets that linger. A snapshot keeps the sets that its tables need; they grow with later
/// sales, which are passed over early by that.
#[derive(Debug, Clone, Default)]
pub struct Lingering {
    /// What the current round takes out.
    swept: Arc<Ids>,
    /// What was sold since the round began.
    later: Arc<Ids>,
}

#[derive(Debug, Default)]
struct Ids(RwLock<HashSet<u128>>);

impl Ids {
    fn read(&self) -> RwLockReadGuard<'_, HashSet<u128>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lingering {
    /// What a file has noted. The next round takes out all of it.
    pub fn of_notes(
        notes: impl Iterator<Item = Result<Vec<u128>, ReadError>>,
    ) -> Result<Self, ReadError> {
        let mut ids = HashSet::new();
        for note in notes {
            ids.extend(note?);
        }
        Ok(Self { swept: Arc::new(Ids(RwLock::new(ids))), later: Arc::default() })
    }

    /// Whether the ticket was sold, though it may still be listed.
    pub fn contains(&self, ticket: TicketId) -> bool {
        let id = ticket.as_u128();
        self.swept.read().contains(&id) || self.later.read().contains(&id)
    }
}

/// The ids of a note, which is a row of [`super::tables::LINGERING`].
pub fn ids_of_note(batch: u64, note: &[u8]) -> Result<Vec<u128>, ReadError> {
    let (ids, rest) = note.as_chunks::<ID_BYTES>();
    if ids.is_empty() || !rest.is_empty() {
        return Err(ReadError::Corrupt(format!("lingering {batch}: it has {} bytes", note.len())));
    }
    Ok(ids.iter().map(|id| u128::from_be_bytes(*id)).collect())
}

/// Takes out what lingers. It belongs to the writer.
#[derive(Debug)]
pub struct Sweep {
    lingering: Lingering,
    /// What the current batch has sold.
    sold: Vec<u128>,
    /// What is noted and not published yet: of several batches while a journal is taken in.
    unpublished: Vec<u128>,
    /// The last batch that sold anything.
    batch: u64,
    /// The last batch whose tickets the current round takes out.
    through: u64,
    at: Place,
    /// Whether nothing is left for the round to do.
    is_over: bool,
}

/// What is swept next, and from where on.
#[derive(Debug)]
enum Place {
    Lists(Bound<(u128, u128)>),
    ListsByPrice(Bound<(u128, u64, u128)>),
    Words(Option<(String, u128)>),
    Notes,
}

impl Place {
    /// Where a round begins.
    const FIRST: Self = Self::Lists(Bound::Included((MARKET, 0)));
    const LISTS_BY_PRICE: Self = Self::ListsByPrice(Bound::Included((MARKET, 0, 0)));
}

impl Sweep {
    /// A sweep that begins a round for what was sold up to a batch.
    pub fn new(lingering: Lingering, through: u64) -> Self {
        let (sold, unpublished) = (Vec::new(), Vec::new());
        let (batch, at, is_over) = (through, Place::FIRST, false);
        Self { lingering, sold, unpublished, batch, through, at, is_over }
    }

    /// What lingers, as of the last batch that was published.
    pub fn lingering(&self) -> &Lingering {
        &self.lingering
    }

    /// Leaves a ticket that the current batch sells in lists and words.
    pub fn leave(&mut self, ticket: TicketId) {
        self.sold.push(ticket.as_u128());
    }

    /// Notes what the batch of that number has sold, and goes on for as much.
    pub fn write(&mut self, tables: &mut WriteTables<'_>, batch: u64) -> Result<(), Failed> {
        if self.sold.is_empty() {
            return Ok(());
        }
        let note: Vec<u8> = self.sold.iter().flat_map(|id| id.to_be_bytes()).collect();
        tables.lingering.open()?.insert(batch, note.as_slice())?;
        self.batch = batch;
        let mut entries = self.sold.len().saturating_mul(ENTRIES_PER_SALE);
        self.unpublished.append(&mut self.sold);
        self.is_over |= self.lingering.swept.read().is_empty() || planted(Bug::HastySweep);
        while entries > 0 && !self.is_over {
            let looked_at = self.step(tables, entries)?;
            entries = entries.saturating_sub(looked_at.max(1));
        }
        Ok(())
    }

    /// Looks at some entries at most, and tells at how many.
    fn step(&mut self, tables: &mut WriteTables<'_>, most: usize) -> Result<usize, Failed> {
        let swept = self.lingering.swept.clone();
        let swept = swept.read();
        let (place, looked_at) = match std::mem::replace(&mut self.at, Place::Notes) {
            Place::Lists(from) => {
                let is_gone = |(_, id): (u128, u128)| swept.contains(&id);
                let keys = (from, Bound::Included((MARKET, u128::MAX)));
                let (next, looked_at) = sweep_list(tables.lists.open()?, keys, most, is_gone)?;
                (next.map_or(Place::LISTS_BY_PRICE, Place::Lists), looked_at)
            }
            Place::ListsByPrice(from) => {
                let is_gone = |(_, _, complement): (u128, u64, u128)| swept.contains(&!complement);
                let keys = (from, Bound::Included((MARKET, u64::MAX, u128::MAX)));
                let table = tables.lists_by_price.open()?;
                let (next, looked_at) = sweep_list(table, keys, most, is_gone)?;
                (next.map_or(Place::Words(None), Place::ListsByPrice), looked_at)
            }
            Place::Words(from) => {
                let table = tables.words.open()?;
                let Swept { next, looked_at } =
                    blocks::sweep(table, from, most, &|id| swept.contains(&id))?;
                (next.map_or(Place::Notes, |next| Place::Words(Some(next))), looked_at)
            }
            Place::Notes => {
                let most = most / NOTE_COST + 1;
                let forgotten = self.forget(tables, most)?;
                self.is_over = forgotten < most;
                (Place::Notes, forgotten * NOTE_COST)
            }
        };
        self.at = place;
        Ok(looked_at)
    }

    /// Removes some notes of what the round has taken out, and tells how many there were.
    fn forget(&self, tables: &mut WriteTables<'_>, most: usize) -> Result<usize, Failed> {
        let notes = tables.lingering.open()?;
        let mut batches = Vec::new();
        for note in notes.range(..=self.through)?.take(most) {
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
        let later = &self.lingering.later;
        later.0.write().unwrap_or_else(PoisonError::into_inner).extend(self.unpublished.drain(..));
        if self.is_over {
            let swept = self.lingering.later.clone();
            self.lingering = Lingering { swept, later: Arc::default() };
            (self.through, self.at, self.is_over) = (self.batch, Place::FIRST, false);
        }
    }
}

/// Takes out what is gone of the first entries of a range, of at most so many. Tells where to go
/// on, if that is not the end, and how many it has looked at.
fn sweep_list<K, V>(
    table: &mut Table<'_, K, V>,
    keys: (Bound<K>, Bound<K>),
    most: usize,
    is_gone: impl Fn(K) -> bool,
) -> Result<(Option<Bound<K>>, usize), Failed>
where
    K: Copy + Key + for<'k> Value<SelfType<'k> = K> + 'static,
    V: Value + 'static,
{
    let (mut gone, mut last, mut looked_at) = (Vec::new(), None, 0);
    for entry in table.range::<K>(keys)?.take(most) {
        let key = entry?.0.value();
        looked_at += 1;
        last = Some(key);
        if is_gone(key) {
            gone.push(key);
        }
    }
    for key in gone {
        table.remove(key)?;
    }
    Ok((last.filter(|_| looked_at == most).map(Bound::Excluded), looked_at))
}

#[cfg(test)]
mod tests {
    use redb::ReadableTableMetadata as _;

    use super::super::tables::{LINGERING, LISTS};
    use super::super::testing::{World, in_memory, market};
    use super::super::{RedbStore, Store, StoreSettings, TicketQuery, TicketSort};
    use super::super::{lists, search_words};
    use super::*;
    use crate::domain::UserId;

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

    fn entries_of_market(store: &RedbStore) -> usize {
        let lists = store.now().table(LISTS).expect("a table");
        let market = (MARKET, 0)..=(MARKET, u128::MAX);
        lists.range::<(u128, u128)>(market).expect("entries").count()
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
            let lingering = entries_of_market(&store) - market.listed.len();
            lingered_most = lingered_most.max(lingering);
        }
        // Five entries a ticket, of which 128 are looked at with each sale: a round takes 16.
        assert!((16..=40).contains(&lingered_most), "{lingered_most} lingered");
        let notes = store.now().table(LINGERING).expect("a table").len().expect("a number");
        assert!(notes <= 40, "what is taken out is forgotten");
    }

    #[tokio::test]
    async fn a_round_that_a_stop_cut_off_begins_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gittix.redb");
        let open = || Arc::new(RedbStore::open(&path, StoreSettings::default()).expect("a store"));
        let store = open();
        let mut market = Market::of(store.clone(), 200).await;
        for _ in 0..11 {
            market.sells().await;
        }
        market.world.store = in_memory();
        drop(store);
        let store = open();
        market.world.store = store.clone();
        market.shows_what_is_not_sold().await;
        assert_sound(&store);
        for _ in 0..60 {
            market.sells().await;
        }
        market.shows_what_is_not_sold().await;
        assert_sound(&store);
        let lingering = entries_of_market(&store) - market.listed.len();
        assert!(lingering <= 30, "{lingering} linger");
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
