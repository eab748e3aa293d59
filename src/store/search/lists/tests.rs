use proptest::prelude::*;

use crate::domain::UserId;
use crate::store::search::lists::*;
use crate::store::testing::{World, in_memory, market};
use crate::store::{Store as _, search_words};

impl Search<'_> {
    /// What each plan finds when nothing races it.
    fn alone(&self) -> Vec<Vec<Rank>> {
        let mut plans = self.by_words().expect("plans");
        plans.extend(self.walks().expect("plans"));
        let mut found = Vec::new();
        for mut plan in plans {
            while !self.advance(&mut plan, TURN_MAX, &mut 0).expect("a store that can be read") {}
            found.push(plan.best.into_keys().collect());
        }
        found
    }
}

/// Few words and prices, so that much is equal; and many words with one beginning.
async fn a_market(tickets: u64) -> Arc<crate::store::RedbStore> {
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
        scope: TicketScope::default(),
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

fn prices(page: &TicketPage) -> Vec<u64> {
    page.tickets.iter().map(|ticket| ticket.price.minor()).collect()
}

#[tokio::test]
async fn pages_share_rows_until_they_change() {
    let store = in_memory();
    let world = World::new(store.clone());
    let ana = world.user("ana").await;
    let (rock, jazz) = (world.lists(ana, "Rock", 1).await, world.lists(ana, "Jazz", 2).await);
    let before = store.now();
    let first = page(&before, &market()).await.expect("a page");
    let second = page(&before, &market()).await.expect("a page");
    for (one, other) in first.tickets.iter().zip(&second.tickets) {
        assert!(Arc::ptr_eq(one, other), "the row of {} was read again", one.id);
    }
    world.edits(jazz, None, Some(3)).await;
    let after = store.now();
    for _ in 0..2 {
        assert_eq!(prices(&page(&before, &market()).await.expect("a page")), [2, 1]);
        assert_eq!(prices(&page(&after, &market()).await.expect("a page")), [3, 1]);
    }
    world.withdraws(rock).await;
    assert_eq!(prices(&page(&store.now(), &market()).await.expect("a page")), [3]);
    assert_eq!(prices(&page(&after, &market()).await.expect("a page")), [3, 1]);
}

/// What may happen to a ticket.
#[derive(Debug, Clone, Copy)]
enum Change {
    Lock,
    Release,
    Sell,
    Reprice,
    Withdraw,
    ListAnother,
}

/// Mostly locks, so that there are stretches of them.
fn a_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => Just(Change::Lock),
        3 => Just(Change::Release),
        1 => Just(Change::Sell),
        2 => Just(Change::Reprice),
        1 => Just(Change::Withdraw),
        2 => Just(Change::ListAnother),
    ]
}

/// A market in which much is locked.
struct Rush {
    store: Arc<crate::store::RedbStore>,
    world: World,
    ana: UserId,
    /// Each buys one ticket.
    buyers: u64,
    tickets: Vec<TicketId>,
}

impl Rush {
    async fn of(tickets: u64) -> Self {
        let store = in_memory();
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let mut rush = Self { store, world, ana, buyers: 0, tickets: Vec::new() };
        for _ in 0..tickets {
            rush.lists().await;
        }
        rush
    }

    async fn lists(&mut self) {
        let price = self.tickets.len() as u64 % 5 + 1;
        self.tickets.push(self.world.lists(self.ana, "Rock", price).await);
    }

    async fn takes(&mut self, change: Change, place: usize) {
        let id = self.tickets[place % self.tickets.len()];
        let Some(ticket) = self.store.ticket(id).await.expect("a read") else { return };
        match (change, ticket.state) {
            (Change::Lock, TicketState::Available) => {
                self.buyers += 1;
                let buyer = self.world.user(&format!("buyer{}", self.buyers)).await;
                self.world.locks(buyer, id).await;
            }
            (Change::Release, TicketState::Locked { order, .. }) => self.world.cancels(order).await,
            (Change::Sell, TicketState::Locked { order, .. }) => {
                self.world.buys(order).await;
            }
            (Change::Reprice, TicketState::Available) => {
                self.world.edits(id, None, Some(ticket.price.minor() % 5 + 1)).await;
            }
            (Change::Withdraw, TicketState::Available) => self.world.withdraws(id).await,
            (Change::ListAnother, _) => self.lists().await,
            _ => {}
        }
    }

    /// Every available ticket, by asking for each.
    async fn available(&self, sort: TicketSort) -> Vec<TicketId> {
        let mut ranks = Vec::new();
        for id in &self.tickets {
            let ticket = self.store.ticket(*id).await.expect("a read");
            let ticket = ticket.filter(|ticket| ticket.state == TicketState::Available);
            ranks.extend(ticket.map(|t| rank(sort, t.price.minor(), t.id.as_u128())));
        }
        ranks.sort_unstable();
        ranks.into_iter().map(|rank| TicketId::from_u128(id_of(rank))).collect()
    }
}

/// Every ticket of the market, in pages of `limit`.
async fn walked(snapshot: &Snapshot, sort: TicketSort, limit: usize) -> Vec<TicketId> {
    let mut query = TicketQuery { sort, limit, ..market() };
    let mut walked = Vec::new();
    loop {
        let page = page(snapshot, &query).await.expect("a page");
        walked.extend(page.tickets.iter().map(|ticket| ticket.id));
        query.after = page.tickets.last().map(|last| TicketPosition::from(&**last));
        if !page.more {
            return walked;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pages_leap_over_what_is_locked_and_nothing_else(
        changes in prop::collection::vec((a_change(), any::<usize>()), 1..80),
        limit in 1..6_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut rush = Rush::of(24).await;
            for (change, place) in changes {
                let before = rush.store.now();
                let before_ids = rush.available(TicketSort::Newest).await;
                rush.takes(change, place).await;
                for sort in [
                    TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending,
                ] {
                    // Whoever still looks at the moment before must not mislead those after.
                    walked(&before, sort, limit).await;
                    let expected = rush.available(sort).await;
                    assert_eq!(walked(&rush.store.now(), sort, limit).await, expected, "{sort:?}");
                    // What was available before and is yet, is on the pages of both moments.
                    let seen = walked(&before, sort, limit).await;
                    let lasting = |id: &&TicketId| before_ids.contains(*id);
                    assert!(expected.iter().filter(lasting).all(|id| seen.contains(id)), "{sort:?}");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_page_behind_many_locked_tickets_is_found_without_a_look_at_them() {
    let mut rush = Rush::of(300).await;
    for place in 20..300 {
        rush.takes(Change::Lock, place).await;
    }
    let snapshot = rush.store.now();
    let expected = rush.available(TicketSort::Newest).await;
    assert_eq!(walked(&snapshot, TicketSort::Newest, 10).await, expected);
    let newest = rank(TicketSort::Newest, 0, rush.tickets[299].as_u128());
    let end = snapshot.end_of_skip_range(TicketSort::Newest, newest).expect("a skip range");
    // Whatever was looked at together with a free one is not part of it.
    let at_least = rush.tickets[20 + SETTLED_AT_ONCE];
    assert!(end >= rank(TicketSort::Newest, 0, at_least.as_u128()));
    rush.takes(Change::Release, 150).await;
    assert_eq!(rush.store.now().end_of_skip_range(TicketSort::Newest, newest), None);
    let expected = rush.available(TicketSort::Newest).await;
    assert_eq!(walked(&rush.store.now(), TicketSort::Newest, 10).await, expected);
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
                    is_market: true,
                    in_lists: vec![MARKET],
                    scope: &TicketScope::default(),
                    seller: None,
                    sort,
                    words: &words,
                    prices: prices.map_or(0..=u64::MAX, |(min, max)| min..=max.max(min)),
                    after,
                    wanted: limit,
                    snapshot: &snapshot,
                    taken: HashSet::new(),
                    damaged: Mutex::default(),
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
