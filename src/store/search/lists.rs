//! Pages of tickets, found without reading what is not on them.
//!
//! Two indexes hold every list in the two orders there are, newest first and by price, so an
//! unfiltered page costs what is on it, and a look into memory for each locked ticket that it
//! passes over, unless there are so many that another page has [noted](crate::store::search::skip_ranges) where they end.
//! A filter that the order's own index can't serve can be answered in several ways: walk the list in
//! its order and test each ticket, or read all that passes a selective filter and keep the best. Each
//! word of a search is such a filter: its postings tell, without a look at the ticket, that most of
//! those which lack another word do; see [`crate::store::search::postings`].
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
//! What is asked for in a quantity or a section has [lists of its own](crate::store::records::ticket_lists);
//! for both together the two race, and each ticket is looked at.
//!
//! Sold tickets are taken out of the index of words, sooner or [later](crate::store::search::tombstones), so a
//! search among a seller's own walks their list.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use redb::ReadOnlyTable;

use crate::bugs::{Bug, planted};
use crate::store::records::entries::MARKET;
use crate::store::records::ticket::{is_on_market, matches};
use crate::store::records::ticket_lists::lists_with_all;
use crate::store::redb::reads::Snapshot;
use crate::store::search::postings::Postings;
use crate::store::search::skip_ranges::{Rank, SKIP_RANGE_MAX, Stretch, rank};
use crate::store::search::sources::{ByPrice, LOOKUP_COST, Newest, Source, Step};

use crate::domain::{Ticket, TicketId, TicketState, UserId};
use crate::store::{
    ReadError, TicketPage, TicketPosition, TicketQuery, TicketScope, TicketSort, storage_error,
};

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
/// How many tickets are looked at together at most, which are fewer than make a skip range.
const SETTLED_AT_ONCE: usize = 64;
/// How many if their rows have to be read.
const SETTLED_WITH_ROWS: usize = 8;
/// What all may spend before it is other tasks' turn.
const SPENT_AT_ONCE: usize = 3 * TURN_MAX;

/// The ticket at a place.
fn id_of((_, complement): Rank) -> u128 {
    !complement
}

/// A place in the terms of cursors.
fn position(sort: TicketSort, place: Rank) -> TicketPosition {
    let price_minor = if sort == TicketSort::PriceDescending { !place.0 } else { place.0 };
    TicketPosition { price_minor, id: TicketId::from_u128(id_of(place)) }
}

/// What every plan of one query shares.
struct Search<'q> {
    /// Whether what is on sale is looked for, and not what a seller has.
    is_market: bool,
    /// The lists each of which has all that is asked for.
    in_lists: Vec<u128>,
    scope: &'q TicketScope,
    seller: Option<UserId>,
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
    /// Tickets that were found and whose rows are damaged, or say something else than their entries.
    damaged: Mutex<Vec<TicketId>>,
    lists: &'q ReadOnlyTable<(u128, u128), u64>,
}

/// A page of tickets.
///
/// Locked tickets are passed over as of now, for that is a look into memory. A ticket that was
/// released after the snapshot was made is then on the page, though locked there: all such tickets
/// are noted, and the page is put together again without them. So is it without those that are damaged,
/// which nobody can buy, while the market goes on; a seller's own list has to be whole.
pub async fn page(snapshot: &Snapshot, query: &TicketQuery) -> Result<TicketPage, ReadError> {
    let mut search = Search {
        is_market: query.seller.is_none(),
        in_lists: lists_with_all(query),
        scope: &query.scope,
        seller: query.seller,
        sort: query.sort,
        words: &query.words,
        prices: query.min_price_minor.unwrap_or(0)..=query.max_price_minor.unwrap_or(u64::MAX),
        after: query.after,
        wanted: query.limit.saturating_add(1),
        snapshot,
        taken: HashSet::new(),
        damaged: Mutex::default(),
        lists: snapshot.lists()?,
    };
    let mut tickets = loop {
        match search.find().await {
            Ok(tickets) if search.passes_over_taken(&tickets) => {}
            Ok(tickets) => break tickets,
            Err(error) if search.passes_over_damaged() => {
                tracing::error!(%error, "left out of a page");
            }
            Err(error) => return Err(error),
        }
    };
    if search.is_market {
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
        let ticket = |(rank, row): (Rank, Option<Arc<Ticket>>)| {
            let row = row.map_or_else(|| self.row(id_of(rank)), Ok)?;
            self.must_stand_at(rank, &row)?;
            if self.is_market {
                // What an order holds was passed over.
                return Ok(row);
            }
            match self.snapshot.holder(row.id) {
                None => Ok(row),
                Some(holder) => self.snapshot.locked(&row, holder).map(Arc::new),
            }
        };
        // All of them, so that all that are damaged are noted.
        let tickets: Vec<_> = found.into_iter().map(ticket).collect();
        tickets.into_iter().collect()
    }

    /// Whether damaged tickets were found that a page of the market can be without.
    fn passes_over_damaged(&mut self) -> bool {
        let damaged = self.damaged.get_mut().unwrap_or_else(PoisonError::into_inner);
        let before = self.taken.len();
        self.taken.extend(damaged.drain(..).filter(|_| self.is_market));
        self.taken.len() > before
    }

    /// What a ticket was read as, or that it is damaged, which is noted.
    fn noted<T>(&self, id: TicketId, read: Result<T, ReadError>) -> Result<T, ReadError> {
        if let Err(ReadError::Corrupt(_)) = read {
            self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        }
        read
    }

    /// Fails if a ticket that was found by a word is not in the list of the market, and should be.
    fn must_be_off_the_list(&self, id: u128) -> Result<(), ReadError> {
        let id = TicketId::from_u128(id);
        let row = self.noted(id, self.snapshot.page_row(id))?;
        let Some(row) = row.filter(|row| is_on_market(row)) else { return Ok(()) };
        self.noted(row.id, Err(ReadError::Corrupt(format!("lists {}: it is missing", row.id))))
    }

    /// Fails if a ticket is not what the entry says by which it was found: one of the two is damaged.
    fn must_stand_at(&self, place: Rank, row: &Ticket) -> Result<(), ReadError> {
        let price = row.price.minor();
        let is_right = rank(self.sort, price, row.id.as_u128()) == place
            && self.prices.contains(&price)
            && self.seller.is_none_or(|seller| seller == row.seller)
            && self.scope.has(row);
        if is_right {
            return Ok(());
        }
        let told = ReadError::Corrupt(format!("lists {}: it does not belong there", row.id));
        self.noted(row.id, Err(told))
    }

    /// Whether there are tickets on a page of the market that are not available as of the snapshot,
    /// which are noted: those that an order held then and has released before it was looked for, and
    /// those sold that nobody notes, as only damage makes them.
    fn passes_over_taken(&mut self, page: &[Arc<Ticket>]) -> bool {
        if !self.is_market {
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
        if !self.is_market {
            return Ok(Vec::new());
        }
        let after = self.after.filter(|_| self.sort == TicketSort::Newest);
        let mut plans = Vec::with_capacity(self.words.len());
        for word in self.words {
            let postings = Postings::new(self.snapshot, word, self.words, after)?;
            let must_look = !postings.has_tested_words() || !self.scope.is_everything();
            plans.push(Plan::new(Box::new(postings), None, must_look));
        }
        Ok(plans)
    }

    /// The ways that go along the list, in the page's order or by price.
    fn walks(&self) -> Result<Vec<Plan<'_>>, ReadError> {
        let is_told =
            if self.is_market { self.scope.is_told_by_lists() } else { self.scope.is_everything() };
        let must_look = !self.words.is_empty() || !is_told;
        let mut plans = Vec::with_capacity(2);
        for list in self.in_lists.iter().copied() {
            plans.push(Plan::new(self.walk(list, self.after)?, Some(list), must_look));
            if self.sort == TicketSort::Newest && self.is_price_limited() {
                let by_price = self.by_price(list, TicketSort::PriceAscending, None)?;
                plans.push(Plan::new(Box::new(by_price), Some(list), must_look));
            }
        }
        Ok(plans)
    }

    /// The way along a list in the page's order, behind a place.
    fn walk(
        &self,
        list: u128,
        after: Option<TicketPosition>,
    ) -> Result<Box<dyn Source + '_>, ReadError> {
        Ok(match self.sort {
            TicketSort::Newest => Box::new(Newest::new(self.snapshot, list, after)?),
            sort => Box::new(self.by_price(list, sort, after)?),
        })
    }

    fn by_price(
        &self,
        list: u128,
        sort: TicketSort,
        after: Option<TicketPosition>,
    ) -> Result<ByPrice<'_>, ReadError> {
        ByPrice::new(self.snapshot, list, self.prices.clone(), sort, after)
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
                if self.advance(plan, turn, &mut spent)? {
                    return Ok(std::mem::take(&mut plan.best));
                }
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
    fn advance<'s>(
        &'s self,
        plan: &mut Plan<'s>,
        turn: usize,
        spent: &mut usize,
    ) -> Result<bool, ReadError> {
        let end = spent.saturating_add(turn);
        while *spent < end {
            match plan.source.step(spent)? {
                Step::Found { id, price } => {
                    if let Some(rank) = self.place(plan, id, price, spent)? {
                        plan.found.push(rank);
                        *spent += if plan.must_look { ROW_COST } else { 0 };
                    }
                }
                Step::Searching => continue,
                Step::End => {
                    self.settle(plan)?;
                    self.note(plan.held.take());
                    return Ok(true);
                }
            }
            if plan.found.len() >= self.settled_at_once(plan) && self.settle(plan)? {
                return Ok(true);
            }
        }
        self.settle(plan)
    }

    /// Where a ticket belongs on the page; `None` if it does not. The cheapest tests come first.
    fn place(
        &self,
        plan: &Plan<'_>,
        id: u128,
        price: Option<u64>,
        spent: &mut usize,
    ) -> Result<Option<Rank>, ReadError> {
        let price = match price {
            Some(price) => price,
            // The newest have their places whatever they cost.
            None if self.sort == TicketSort::Newest && !self.is_price_limited() => 0,
            None => {
                *spent += LOOKUP_COST;
                match self.lists.get((MARKET, id)).map_err(storage_error)? {
                    Some(price) => price.value(),
                    None => return self.must_be_off_the_list(id).map(|()| None),
                }
            }
        };
        let rank = rank(self.sort, price, id);
        let is_past = self.after.is_some_and(|after| {
            let last = self.rank_of(after);
            rank < last || (rank == last && !planted(Bug::RepeatingPage))
        });
        let is_on_page =
            self.prices.contains(&price) && !is_past && !plan.is_too_late(rank, self.wanted);
        Ok(is_on_page.then_some(rank))
    }

    /// How many of a plan's tickets are looked at together: no more than the page still lacks, if
    /// they come in its order and are not all held.
    fn settled_at_once(&self, plan: &Plan<'_>) -> usize {
        let most = SETTLED_AT_ONCE.min(self.snapshot.skip_range_min());
        if plan.held.is_some() {
            return most;
        }
        let is_ordered = plan.source.order() == Some(self.sort);
        let lacking =
            if is_ordered { self.wanted.saturating_sub(plan.best.len()) } else { self.wanted };
        lacking.min(if plan.must_look { SETTLED_WITH_ROWS } else { most })
    }

    /// Puts on the page what was found, as far as nobody holds it and it is what is asked for. Says
    /// whether the plan has the page then.
    fn settle<'s>(&'s self, plan: &mut Plan<'s>) -> Result<bool, ReadError> {
        if self.is_market && !plan.found.is_empty() {
            let found = Stretch::of(&plan.found);
            self.pass_over(plan);
            // What is noted of the market's own list is not known of others.
            let is_walk = plan.source.order() == Some(self.sort) && plan.list == Some(MARKET);
            if let Some(found) = found.filter(|_| is_walk) {
                self.leap(plan, found)?;
            }
        }
        let is_ordered = plan.source.order() == Some(self.sort);
        for rank in std::mem::take(&mut plan.found) {
            if plan.is_too_late(rank, self.wanted) {
                continue;
            }
            let mut row = None;
            if plan.must_look {
                let looked_at = self.row(id_of(rank))?;
                if !self.is_asked_for(&looked_at) {
                    continue;
                }
                row = Some(looked_at);
            }
            plan.best.insert(rank, row);
            if is_ordered && plan.best.len() == self.wanted {
                return Ok(true);
            }
            if plan.best.len() > self.wanted {
                plan.best.pop_last();
            }
        }
        Ok(false)
    }

    /// Passes over what an order holds by now or is known to have held before, and what was sold.
    fn pass_over(&self, plan: &mut Plan<'_>) {
        let ticket = |rank: &Rank| TicketId::from_u128(id_of(*rank));
        self.snapshot.open_orders().retain_free(&mut plan.found, ticket);
        if plan.source.may_hold_tombstones() {
            self.snapshot.tombstones().retain_others(&mut plan.found, ticket);
        }
        if !self.taken.is_empty() {
            plan.found.retain(|rank| !self.taken.contains(&ticket(rank)));
        }
    }

    /// What a walk does that has found some tickets in a row: if orders hold all of them, it goes on
    /// behind the skip range that they are in; and it notes the skip ranges that it has come through.
    fn leap<'s>(&'s self, plan: &mut Plan<'s>, found: Stretch) -> Result<(), ReadError> {
        let before = plan.held.take();
        if !plan.found.is_empty() {
            self.note(before);
            return Ok(());
        }
        if let Some(end) = self.snapshot.end_of_skip_range(self.sort, found.last) {
            self.note(before);
            if end > found.last {
                plan.source = self.walk(MARKET, Some(position(self.sort, end)))?;
            }
            return Ok(());
        }
        let held = before.map_or(found, |before| before.and(found));
        if held.count < SKIP_RANGE_MAX {
            plan.held = Some(held);
        } else {
            self.note(Some(held));
        }
        Ok(())
    }

    /// Notes that orders hold all tickets of the list that a walk has passed over.
    fn note(&self, held: Option<Stretch>) {
        // What a walk through the newest has not found may cost too much or too little.
        let is_whole = self.sort != TicketSort::Newest || !self.is_price_limited();
        if let Some(held) = held.filter(|_| is_whole && self.taken.is_empty()) {
            self.snapshot.note_skip_range(self.sort, held);
        }
    }

    /// Whether a row is what is asked for. On the market what an order holds was passed over.
    fn is_asked_for(&self, row: &Ticket) -> bool {
        let is_held = || !self.is_market && self.snapshot.holder(row.id).is_some();
        self.scope.has(row)
            && (self.scope.quantity.is_none() || !is_held())
            && matches(row, self.words)
    }

    fn rank_of(&self, position: TicketPosition) -> Rank {
        rank(self.sort, position.price_minor, position.id.as_u128())
    }

    fn row(&self, id: u128) -> Result<Arc<Ticket>, ReadError> {
        let id = TicketId::from_u128(id);
        let row = self.snapshot.page_row(id);
        self.noted(id, row.and_then(|row| row.ok_or_else(|| missing_row(id))))
    }
}

/// An index says that it is there.
fn missing_row(id: TicketId) -> ReadError {
    ReadError::Corrupt(format!("lists {id}: the ticket is missing"))
}

/// One way to find the page.
struct Plan<'s> {
    source: Box<dyn Source + 's>,
    /// The list that it goes along.
    list: Option<u128>,
    /// Whether not all that is found is what is asked for, so that each ticket must be looked at.
    must_look: bool,
    /// What was found last and may be on the page: see [`Search::settle`]. Whether orders hold
    /// tickets is asked for several at once, for asking takes a lock that everyone shares.
    found: Vec<Rank>,
    /// What a walk has passed over last, without anything in between.
    held: Option<Stretch>,
    /// The best so far, at most as many as are wanted.
    best: Page,
}

/// Tickets of a page by their places, with those rows that were read.
type Page = BTreeMap<Rank, Option<Arc<Ticket>>>;

impl<'s> Plan<'s> {
    fn new(source: Box<dyn Source + 's>, list: Option<u128>, must_look: bool) -> Self {
        Self { source, list, must_look, found: Vec::new(), held: None, best: Page::new() }
    }

    /// Whether the page is full and what is on it comes before a place.
    fn is_too_late(&self, rank: Rank, wanted: usize) -> bool {
        self.best.len() >= wanted && self.best.last_key_value().is_some_and(|last| rank >= *last.0)
    }
}

#[cfg(test)]
mod tests;
