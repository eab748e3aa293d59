//! Pages of tickets, found without reading what is not on them.
//!
//! Two indexes hold every list in the two orders there are, newest first and by price, so an
//! unfiltered page costs what is on it, and a look into memory for each locked ticket that it
//! passes over. A filter that the order's own index can't serve can be answered in several ways:
//! walk the list in its order and test each ticket, or read all that passes a selective filter
//! and keep the best. Each word of a search is such a filter: its postings tell, without a look
//! at the ticket, that most of those which lack another word do; see [`super::postings`].
//!
//! Which way is cheapest depends on how many tickets pass, which nobody knows beforehand. So the
//! ways race, a little of each in turn, and more of the one that has found most, until one of them
//! has the page: the cost is at most that of the cheapest, times their number plus three.
//!
//! A walk through all of the list passes every match in the same order as a word's postings do, and
//! much else, so beside these it takes part only when they have had their chance: they may have to
//! pass many tickets that were sold lately.
//!
//! What stays slow is a search that has no cheap way at all: words each of which is frequent
//! and that hardly ever stand in one title, for example. Such a page costs a look at each posting
//! of the rarest of them, a few nanoseconds long, and a test of each that may match. It keeps
//! nobody else waiting, for the search gives way to other tasks as it goes.
//!
//! Sold tickets are taken out of the index of words, sooner or [later](super::lingering), so a
//! search among a seller's own walks their list.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use redb::ReadOnlyTable;

use super::postings::Postings;
use super::reads::Snapshot;
use super::sources::{ByPrice, Newest, Source, Step};
use super::tables::MARKET;
use super::words::matches;
use crate::bugs::{Bug, planted};

use super::{ReadError, TicketPage, TicketPosition, TicketQuery, TicketSort, storage_error};
use crate::domain::{Ticket, TicketId, TicketState};

/// What following an index by one entry costs, in units of which a turn has a limited number: see
/// [`FIRST_TURN`].
pub(super) const ENTRY_COST: usize = 1;
/// What finding a key costs.
pub(super) const LOOKUP_COST: usize = 6;
/// What reading a ticket and splitting its title into words costs.
const ROW_COST: usize = 20;
/// What each plan may spend at first before it is the next one's turn, twice as much in the next
/// round, and so on: a plan that has the page soon need not wait for long turns of the others.
const FIRST_TURN: usize = 32;
/// What each may spend at most.
const TURN_MAX: usize = 512;
/// How much shorter the turns are of those that have found less than another.
const BEHIND: usize = 4;
/// How many rounds postings have before a walk takes part that they should outdo: enough for a page
/// of rare words.
const ROUNDS_ALONE: usize = 8;
/// What all may spend before it is other tasks' turn.
const SPENT_AT_ONCE: usize = 3 * TURN_MAX;

/// A place in a list: the smaller, the earlier. Two numbers tell it in every order: equal
/// prices are listed newest first, so ids count backwards.
type Rank = (u64, u128);

fn rank(sort: TicketSort, price: u64, id: u128) -> Rank {
    match sort {
        TicketSort::Newest => (0, !id),
        TicketSort::PriceAscending => (price, !id),
        TicketSort::PriceDescending => (!price, !id),
    }
}

/// What every plan of one query shares.
struct Search<'q> {
    list: u128,
    sort: TicketSort,
    words: &'q [String],
    prices: RangeInclusive<u64>,
    after: Option<TicketPosition>,
    /// The page, and one ticket to tell whether more follow.
    wanted: usize,
    snapshot: &'q Snapshot,
    /// Tickets of the market that are not available as of the snapshot, though nobody holds them by
    /// now.
    taken: HashSet<TicketId>,
    lists: &'q ReadOnlyTable<(u128, u128), u64>,
}

/// A page of tickets.
///
/// Locked tickets are passed over as of now, for that is a look into memory. A ticket that was
/// released after the snapshot was made is then on the page, though locked there: all such tickets
/// are noted, and the page is put together again without them.
pub async fn page(snapshot: &Snapshot, query: &TicketQuery) -> Result<TicketPage, ReadError> {
    let mut search = Search {
        list: query.seller.map_or(MARKET, |seller| seller.as_u128()),
        sort: query.sort,
        words: &query.words,
        prices: query.min_price_minor.unwrap_or(0)..=query.max_price_minor.unwrap_or(u64::MAX),
        after: query.after,
        wanted: query.limit.saturating_add(1),
        snapshot,
        taken: HashSet::new(),
        lists: snapshot.lists()?,
    };
    let mut tickets = search.find().await?;
    while search.passes_over_taken(&tickets) {
        tickets = search.find().await?;
    }
    if search.list == MARKET {
        snapshot.keep_page(&tickets);
    }
    let more = tickets.len() > query.limit;
    tickets.truncate(query.limit);
    Ok(TicketPage { tickets, more })
}

impl Search<'_> {
    /// The page, and one ticket more if more follow.
    async fn find(&self) -> Result<Vec<Arc<Ticket>>, ReadError> {
        let found = if self.prices.is_empty() { Page::new() } else { self.race().await? };
        let ticket = |((_, complement), row): (Rank, Option<Arc<Ticket>>)| {
            let row = row.map_or_else(|| self.row(!complement), Ok)?;
            // On the market, what an order holds was passed over.
            match self.snapshot.holder(row.id).filter(|_| self.list != MARKET) {
                None => Ok(row),
                Some(holder) => self.snapshot.locked(&row, holder).map(Arc::new),
            }
        };
        found.into_iter().map(ticket).collect()
    }

    /// Whether there are tickets on a page of the market that are not available as of the snapshot,
    /// which are noted: those that an order held then and has released before it was looked for, and
    /// those sold that nobody notes, as only damage makes them.
    fn passes_over_taken(&mut self, page: &[Arc<Ticket>]) -> bool {
        if self.list != MARKET {
            return false;
        }
        let released = self.snapshot.released_since();
        let is_sold = |ticket: &&Arc<Ticket>| matches!(ticket.state, TicketState::Sold { .. });
        for ticket in page.iter().filter(is_sold) {
            tracing::error!(ticket = %ticket.id, "a sold ticket is on the market");
            self.taken.insert(ticket.id);
        }
        self.taken.extend(released);
        page.iter().any(|ticket| self.taken.contains(&ticket.id))
    }

    /// The ways that go by a word.
    fn by_words(&self) -> Result<Vec<Plan<'_>>, ReadError> {
        if self.list != MARKET {
            return Ok(Vec::new());
        }
        let after = self.after.filter(|_| self.sort == TicketSort::Newest);
        let postings = |word| Postings::new(self.snapshot, word, self.words, after);
        let plans = self.words.iter().map(|word| Ok(Plan::new(Box::new(postings(word)?))));
        plans.collect()
    }

    /// The ways that go along the list, in the page's order or by price.
    fn walks(&self) -> Result<Vec<Plan<'_>>, ReadError> {
        let by_price =
            |sort, after| ByPrice::new(self.snapshot, self.list, self.prices.clone(), sort, after);
        let mut plans = Vec::new();
        match self.sort {
            TicketSort::Newest => {
                let newest = Newest::new(self.lists, self.list, self.after)?;
                plans.push(Plan::new(Box::new(newest)));
                if self.is_price_limited() {
                    let cheapest = by_price(TicketSort::PriceAscending, None)?;
                    plans.push(Plan::new(Box::new(cheapest)));
                }
            }
            sort @ (TicketSort::PriceAscending | TicketSort::PriceDescending) => {
                plans.push(Plan::new(Box::new(by_price(sort, self.after)?)));
            }
        }
        Ok(plans)
    }

    fn is_price_limited(&self) -> bool {
        self.prices != (0..=u64::MAX)
    }

    async fn race(&self) -> Result<Page, ReadError> {
        let (mut plans, mut has_walks) = (self.by_words()?, false);
        let (mut turn, mut spent) = (FIRST_TURN, 0);
        let mut rounds_alone = ROUNDS_ALONE;
        loop {
            let leader = self.leader(&plans);
            for (place, plan) in plans.iter_mut().enumerate() {
                let is_behind = leader.is_some_and(|leader| leader != place);
                let turn = if is_behind { turn / BEHIND } else { turn };
                if self.advance(plan, turn)? {
                    return Ok(std::mem::take(&mut plan.best));
                }
                spent += turn;
                if spent >= SPENT_AT_ONCE {
                    tokio::task::yield_now().await;
                    spent = 0;
                }
            }
            rounds_alone = rounds_alone.saturating_sub(1);
            if !has_walks && (rounds_alone == 0 || !self.outdo_walks(&plans)) {
                plans.extend(self.walks()?);
                has_walks = true;
            }
            turn = TURN_MAX.min(2 * turn);
        }
    }

    /// Whether words should lead to the page in its order before a walk does. (A walk knows prices,
    /// which they have to look up.)
    fn outdo_walks(&self, words: &[Plan<'_>]) -> bool {
        let is_ordered = |plan: &Plan<'_>| plan.source.order() == Some(self.sort);
        !self.is_price_limited() && words.iter().any(is_ordered)
    }

    /// The plan that has found most of the page, among those that find it in its order.
    fn leader(&self, plans: &[Plan<'_>]) -> Option<usize> {
        let ordered = plans
            .iter()
            .enumerate()
            .filter(|(_, plan)| plan.source.order() == Some(self.sort) && !plan.best.is_empty());
        ordered.max_by_key(|(_, plan)| plan.best.len()).map(|(place, _)| place)
    }

    /// Brings a plan forward by one turn, and says whether it has the page.
    fn advance(&self, plan: &mut Plan<'_>, turn: usize) -> Result<bool, ReadError> {
        let mut spent = 0;
        while spent < turn {
            let (id, price) = match plan.source.step(&mut spent)? {
                Step::Found { id, price } => (id, price),
                Step::Searching => continue,
                Step::End => return Ok(true),
            };
            let Some((rank, row)) = self.place(plan, id, price, &mut spent)? else { continue };
            plan.best.insert(rank, row);
            if plan.source.order() == Some(self.sort) {
                if plan.best.len() == self.wanted {
                    return Ok(true);
                }
            } else if plan.best.len() > self.wanted {
                plan.best.pop_last();
            }
        }
        Ok(false)
    }

    /// Where a ticket belongs on the page, and its row if it was read; `None` if it does not. The
    /// cheapest tests come first.
    fn place(
        &self,
        plan: &Plan<'_>,
        id: u128,
        price: Option<u64>,
        spent: &mut usize,
    ) -> Result<Option<(Rank, Option<Arc<Ticket>>)>, ReadError> {
        let price = match price {
            Some(price) => price,
            // Postings tell no price, and those of sold tickets linger.
            None if self.snapshot.lingering().contains(TicketId::from_u128(id)) => return Ok(None),
            // The newest have their places whatever they cost.
            None if self.sort == TicketSort::Newest && !self.is_price_limited() => 0,
            None => {
                *spent += LOOKUP_COST;
                match self.lists.get((self.list, id)).map_err(storage_error)? {
                    Some(price) => price.value(),
                    None => return Ok(None),
                }
            }
        };
        let rank = rank(self.sort, price, id);
        let is_past = self.after.is_some_and(|after| {
            let last = self.rank_of(after);
            rank < last || (rank == last && !planted(Bug::RepeatingPage))
        });
        let is_too_late = plan.best.len() >= self.wanted
            && plan.best.last_key_value().is_some_and(|last| rank >= *last.0);
        if !self.prices.contains(&price) || is_past || is_too_late {
            return Ok(None);
        }
        if self.list == MARKET && self.is_passed_over(TicketId::from_u128(id)) {
            return Ok(None);
        }
        if self.words.is_empty() || plan.source.has_tested_words() {
            return Ok(Some((rank, None)));
        }
        *spent += ROW_COST;
        let row = self.row(id)?;
        Ok(matches(&row.title, self.words).then_some((rank, Some(row))))
    }

    /// Whether an order holds the ticket by now, or is known to have held it before.
    fn is_passed_over(&self, id: TicketId) -> bool {
        self.snapshot.open_orders().holder(id).is_some() || self.taken.contains(&id)
    }

    fn rank_of(&self, position: TicketPosition) -> Rank {
        rank(self.sort, position.price_minor, position.id.as_u128())
    }

    fn row(&self, id: u128) -> Result<Arc<Ticket>, ReadError> {
        let id = TicketId::from_u128(id);
        self.snapshot.page_row(id)?.ok_or_else(|| missing(id))
    }
}

/// An index says that it is there.
fn missing(id: TicketId) -> ReadError {
    ReadError::Corrupt(format!("lists {id}: the ticket is missing"))
}

/// One way to find the page.
struct Plan<'s> {
    source: Box<dyn Source + 's>,
    /// The best so far, at most as many as are wanted.
    best: Page,
}

/// Tickets of a page by their places, with those rows that were read.
type Page = BTreeMap<Rank, Option<Arc<Ticket>>>;

impl<'s> Plan<'s> {
    fn new(source: Box<dyn Source + 's>) -> Self {
        Self { source, best: Page::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::search_words;
    use super::super::testing::{World, in_memory};
    use super::*;

    impl Search<'_> {
        /// What each plan finds when nothing races it.
        fn alone(&self) -> Vec<Vec<Rank>> {
            let mut plans = self.by_words().expect("plans");
            plans.extend(self.walks().expect("plans"));
            let run = |mut plan: Plan<'_>| {
                while !self.advance(&mut plan, TURN_MAX).expect("a store that can be read") {}
                plan.best.into_keys().collect()
            };
            plans.into_iter().map(run).collect()
        }
    }

    /// Few words and prices, so that much is equal; and many words with one beginning.
    async fn a_market(tickets: u64) -> Arc<super::super::RedbStore> {
        let store = in_memory();
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        for number in 0..tickets {
            let mut title = format!("seat{number}");
            for (word, every) in [("rock", 2), ("rocket", 3), ("jazz", 5), ("opera", 31)] {
                if number % every == 0 {
                    title.push(' ');
                    title.push_str(word);
                }
            }
            let id = world.lists(ana, &title, number % 7 + 1).await;
            if number % 4 == 1 && number < 30 {
                world.locks(bob, id).await;
            }
        }
        store
    }

    #[tokio::test]
    async fn a_page_is_of_one_moment_though_locks_come_and_go_since() {
        let store = in_memory();
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let mut tickets = Vec::new();
        for price in 1..=6 {
            tickets.push(world.lists(ana, "Rock", price).await);
        }
        let held = [world.locks(bob, tickets[0]).await, world.locks(bob, tickets[2]).await];
        let snapshot = store.now();
        for order in held {
            world.cancels(order).await;
        }
        world.locks(bob, tickets[2]).await;
        let of = |seller| TicketQuery {
            seller,
            words: Vec::new(),
            min_price_minor: None,
            max_price_minor: None,
            sort: TicketSort::PriceAscending,
            after: None,
            limit: 3,
        };
        let found = page(&snapshot, &of(None)).await.expect("a page");
        let ids: Vec<TicketId> = found.tickets.iter().map(|ticket| ticket.id).collect();
        assert_eq!(ids, [tickets[1], tickets[3], tickets[4]], "what was locked is passed over");
        assert!(found.more);
        let own = page(&snapshot, &of(Some(ana))).await.expect("a page").tickets;
        let holders: Vec<_> = own.iter().map(|ticket| ticket.order()).collect();
        assert_eq!(holders, [Some(held[0]), None, Some(held[1])]);
        let now = page(&store.now(), &of(None)).await.expect("a page").tickets;
        let ids: Vec<TicketId> = now.iter().map(|ticket| ticket.id).collect();
        assert_eq!(ids, [tickets[0], tickets[1], tickets[3]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_plan_finds_the_same_page(
            tickets in prop::sample::select(vec![40_u64, 400]),
            queries in prop::collection::vec((
                prop::sample::select(vec![
                    "rock", "ro", "jazz rocket", "opera", "seat", "seat opera", "s ja", "none",
                    "seat1 rock", "seat rock none", "seat seat2", "r o j",
                ]),
                prop::option::of((0..8_u64, 0..9_u64)),
                prop::sample::select(vec![
                    TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending,
                ]),
                prop::option::of((0..9_u64, 0..400_usize)),
                1..30_usize,
            ), 1..12),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                let store = a_market(tickets).await;
                let snapshot = store.now();
                let ids: Vec<u128> = {
                    use redb::ReadableTable as _;
                    let rows = snapshot.tickets().expect("a table");
                    let ids = rows.iter().expect("rows").map(|row| row.expect("a row").0.value());
                    ids.collect()
                };
                for (words, prices, sort, after, limit) in queries {
                    let words = search_words(words);
                    let after = after.map(|(price_minor, number)| {
                        let id = TicketId::from_u128(ids[number % ids.len()]);
                        TicketPosition { price_minor, id }
                    });
                    let search = Search {
                        list: MARKET,
                        sort,
                        words: &words,
                        prices: prices.map_or(0..=u64::MAX, |(min, max)| min..=max.max(min)),
                        after,
                        wanted: limit,
                        snapshot: &snapshot,
                        taken: HashSet::new(),
                        lists: snapshot.lists().expect("a table"),
                    };
                    let found = search.alone();
                    assert!(found.len() >= 2, "a filter gives a choice");
                    let raced = search.race().await.expect("a store that can be read");
                    for other in found {
                        assert!(raced.keys().eq(&other), "{words:?} {sort:?} {after:?}");
                    }
                }
            });
        }
    }
}
