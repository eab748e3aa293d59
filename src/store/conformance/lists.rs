//! Lists against a model that filters and sorts everything it knows.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::domain::{
    Label, Listing, Order, OrderId, OrderStatus, ShowId, Split, Ticket, TicketId, TicketStatus,
    UserId,
};
use crate::store::conformance::stores;
use crate::store::records::ticket::matches;
use crate::store::testing::{World, a_show, listed, market, read};
use crate::store::{
    PurchaseQuery, Stock, TicketPosition, TicketQuery, TicketScope, TicketSort, search_words,
};

#[derive(Debug, Clone)]
enum Step {
    List { seller: usize, title: String, price: u64, listing: Listing },
    Edit { ticket: usize, title: Option<String>, price: Option<u64> },
    Withdraw { ticket: usize },
    Lock { buyer: usize, ticket: usize },
    Cancel { order: usize },
    Buy { order: usize },
}

const WORDS: &[&str] = &["Rock", "rocket", "Jazz", "Café", "row", "7", "日本", "Jazzé"];
const SEARCHES: &[&str] = &[
    "",
    "rock",
    "ro",
    "r",
    "jazz",
    "cafe row",
    "ja ro",
    "7",
    "日",
    "nothing",
    "rock jazz row",
    "lodz",
    "opera bob",
];

fn a_title() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS), 1..4).prop_map(|words| words.join(" "))
}

/// Few different prices, so that many are equal.
fn a_price() -> impl Strategy<Value = u64> {
    1..8_u64
}

fn a_step() -> impl Strategy<Value = Step> {
    let any = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 16));
    let any = || any.clone();
    prop_oneof![
        4 => (0..3_usize, a_title(), a_price(), a_listing()).prop_map(
            |(seller, title, price, listing)| Step::List { seller, title, price, listing }
        ),
        2 => (any(), prop::option::of(a_title()), prop::option::of(a_price()))
            .prop_map(|(ticket, title, price)| Step::Edit { ticket, title, price }),
        1 => any().prop_map(|ticket| Step::Withdraw { ticket }),
        2 => (0..3_usize, any()).prop_map(|(buyer, ticket)| Step::Lock { buyer, ticket }),
        1 => any().prop_map(|order| Step::Cancel { order }),
        1 => any().prop_map(|order| Step::Buy { order }),
    ]
}

/// Half of them say nothing.
fn a_listing() -> impl Strategy<Value = Listing> {
    let described = (
        prop::option::of(0..2_usize),
        prop::option::of(prop::sample::select(SECTIONS)),
        1..6_u32,
        any::<bool>(),
        prop::sample::select(vec![Split::Any, Split::AvoidOne, Split::None]),
    );
    prop::option::of(described).prop_map(|described| {
        let Some((show, section, quantity, are_numbered, split)) = described else {
            return Listing::default();
        };
        let label = |text: String| Label::parse(&text).expect("a label");
        Listing {
            section: section.map(|section| label(section.to_owned())),
            seats: are_numbered.then(|| (1..=quantity).map(|n| label(n.to_string())).collect()),
            quantity,
            split,
            show: show.map(|number| Arc::new(a_show(number))),
            ..Listing::default()
        }
    })
}

const SECTIONS: &[&str] = &["A", "a", "B"];
fn a_scope() -> impl Strategy<Value = TicketScope> {
    (
        prop::option::of(0..2_usize),
        prop::option::weighted(0.3, prop::sample::select(SECTIONS)),
        prop::option::weighted(0.4, 1..5_u32),
    )
        .prop_map(|(show, section, quantity)| TicketScope {
            show: show.map(|number| a_show(number).id),
            section: section.map(|section| Label::parse(section).expect("a label")),
            quantity,
        })
}

fn a_query() -> impl Strategy<Value = (Option<usize>, TicketQuery)> {
    (
        prop::option::weighted(0.3, 0..3_usize),
        prop::sample::select(SEARCHES),
        prop::option::of(0..9_u64),
        prop::option::of(0..9_u64),
        prop::sample::select(vec![
            TicketSort::Newest,
            TicketSort::PriceAscending,
            TicketSort::PriceDescending,
        ]),
        1..5_usize,
        prop::option::of(a_scope()),
    )
        .prop_map(|(seller, search, min_price_minor, max_price_minor, sort, limit, scope)| {
            let words = search_words(search);
            let query =
                TicketQuery { words, min_price_minor, max_price_minor, sort, limit, ..market() };
            (seller, TicketQuery { scope: scope.unwrap_or_default(), ..query })
        })
}

/// Everything there is, as the store should have it.
struct Model {
    world: World,
    users: Vec<UserId>,
    tickets: BTreeMap<TicketId, Ticket>,
    orders: BTreeMap<OrderId, Order>,
}

impl Model {
    async fn new(world: World) -> Self {
        let mut users = Vec::new();
        for name in ["ana", "bob", "cleo"] {
            users.push(world.user(name).await);
        }
        Self { world, users, tickets: BTreeMap::new(), orders: BTreeMap::new() }
    }

    /// The ticket that a number means among those that are available.
    fn available(&self, number: usize) -> Option<Ticket> {
        let mut available: Vec<_> =
            self.tickets.values().filter(|t| t.status() == TicketStatus::Available).collect();
        (!available.is_empty()).then(|| available.swap_remove(number % available.len()).clone())
    }

    fn open(&self, number: usize) -> Option<Order> {
        let mut open: Vec<_> = self.orders.values().filter(|order| order.is_open()).collect();
        (!open.is_empty()).then(|| open.swap_remove(number % open.len()).clone())
    }

    async fn take(&mut self, step: Step) {
        let mut touched = None;
        let mut order = None;
        match step {
            Step::List { seller, title, price, listing } => {
                let ticket = self.world.new_ticket(self.users[seller], &title, price);
                let ticket = ticket.described(listing);
                touched = Some(ticket.id);
                self.world.commit(listed(ticket)).await;
            }
            Step::Edit { ticket, title, price } => {
                let Some(ticket) = self.available(ticket) else { return };
                self.world.edits(ticket.id, title.as_deref(), price).await;
                touched = Some(ticket.id);
            }
            Step::Withdraw { ticket } => {
                let Some(ticket) = self.available(ticket) else { return };
                if ticket.free() != ticket.listing().all() {
                    return;
                }
                self.world.withdraws(ticket.id).await;
                self.tickets.remove(&ticket.id);
            }
            Step::Lock { buyer, ticket } => {
                let Some(ticket) = self.available(ticket) else { return };
                let buyer = self.users[buyer];
                let open = self.orders.values().filter(|o| o.is_open() && o.buyer == buyer);
                if buyer == ticket.seller || open.count() >= 10 {
                    return;
                }
                order = Some(self.world.locks(buyer, ticket.id).await);
                touched = Some(ticket.id);
            }
            Step::Cancel { order: number } | Step::Buy { order: number } => {
                let Some(open) = self.open(number) else { return };
                if matches!(step, Step::Cancel { .. }) {
                    self.world.cancels(open.id).await;
                } else {
                    self.world.buys(open.id).await;
                }
                order = Some(open.id);
                touched = Some(open.ticket);
            }
        }
        if let Some(id) = touched {
            self.tickets.insert(id, self.world.ticket(id).await);
        }
        if let Some(id) = order {
            self.orders.insert(id, self.world.order(id).await);
        }
    }

    fn listed(&self, query: &TicketQuery) -> Vec<Ticket> {
        let passes = |ticket: &&Ticket| {
            let price = ticket.price.minor();
            let is_listed = match query.seller {
                Some(seller) => ticket.seller == seller,
                None => ticket.status() == TicketStatus::Available,
            };
            is_listed
                && matches(ticket, &query.words)
                && query.scope.has(ticket)
                && query.min_price_minor.is_none_or(|min| price >= min)
                && query.max_price_minor.is_none_or(|max| price <= max)
        };
        let mut found: Vec<Ticket> = self.tickets.values().filter(passes).cloned().collect();
        found.sort_by_key(|ticket| match query.sort {
            TicketSort::Newest => (0, Reverse(ticket.id)),
            TicketSort::PriceAscending => (ticket.price.minor(), Reverse(ticket.id)),
            TicketSort::PriceDescending => (!ticket.price.minor(), Reverse(ticket.id)),
        });
        found
    }

    /// A list, paged to its end, is what it should be.
    async fn shows(&self, (seller, query): &(Option<usize>, TicketQuery)) {
        let seller = seller.map(|number| self.users[number]);
        let query = TicketQuery { seller, ..query.clone() };
        assert_eq!(self.pages(query.clone()).await, self.listed(&query), "{query:?}");
    }

    /// What is on sale for each show is what the tickets say.
    async fn has_stock(&self) {
        let shows = [a_show(0).id, a_show(1).id];
        let on_sale = |show: &ShowId| {
            let scope = TicketScope { show: Some(*show), ..TicketScope::default() };
            let sort = TicketSort::PriceAscending;
            let listed = self.listed(&TicketQuery { scope, sort, ..market() });
            let seats = listed.iter().map(|ticket| u64::from(ticket.free().len())).sum();
            Stock { seats, from: listed.first().map(|ticket| ticket.price) }
        };
        let expected: Vec<Stock> = shows.iter().map(on_sale).collect();
        assert_eq!(read(self.world.store.stock(&shows).await), expected);
    }

    async fn pages(&self, mut query: TicketQuery) -> Vec<Ticket> {
        let mut found: Vec<Ticket> = Vec::new();
        loop {
            let page = read(self.world.store.tickets(&query).await);
            assert!(page.tickets.len() <= query.limit);
            found.extend(page.tickets.into_iter().map(Arc::unwrap_or_clone));
            if !page.more {
                return found;
            }
            query.after = found
                .last()
                .map(|last| TicketPosition { price_minor: last.price.minor(), id: last.id });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_list_paged_to_its_end_is_what_the_model_has(
        steps in prop::collection::vec(a_step(), 1..60),
        queries in prop::collection::vec(a_query(), 1..24),
        status in prop::option::of(prop::sample::select(vec![
            OrderStatus::Created, OrderStatus::Completed, OrderStatus::Cancelled,
        ])),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for store in stores().await {
                let mut model = Model::new(World::new(store.clone())).await;
                // Every list is looked at while it changes, too: a store may keep what it showed.
                for (step, query) in steps.iter().zip(queries.iter().cycle()) {
                    model.take(step.clone()).await;
                    model.shows(query).await;
                    model.has_stock().await;
                }
                for query in &queries {
                    model.shows(query).await;
                }
                for buyer in &model.users {
                    orders_are_listed(&model, *buyer, status).await;
                }
            }
        });
    }
}

async fn orders_are_listed(model: &Model, buyer: UserId, status: Option<OrderStatus>) {
    let is_listed = |order: &&Order| {
        order.buyer == buyer && status.is_none_or(|status| order.state.status() == status)
    };
    let expected: Vec<Order> = model.orders.values().rev().filter(is_listed).cloned().collect();
    let mut query = PurchaseQuery { buyer, status, after: None, limit: 2 };
    let mut found = Vec::new();
    loop {
        let page = read(model.world.store.purchases(&query).await);
        found.extend(page.iter().map(|purchase| purchase.order.clone()));
        match page.last() {
            Some(last) if page.len() == query.limit => query.after = Some(last.order.id),
            _ => break,
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_page_goes_on_from_a_ticket_that_is_gone() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let mut ids = Vec::new();
        for price in [3, 1, 2, 2, 3] {
            ids.push(world.lists(ana, "Rock", price).await);
        }
        for sort in [TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending] {
            let all = read(store.tickets(&TicketQuery { sort, ..market() }).await).tickets;
            let last = &all[1];
            let after = Some(TicketPosition { price_minor: last.price.minor(), id: last.id });
            let rest = TicketQuery { sort, after, ..market() };
            assert_eq!(read(store.tickets(&rest).await).tickets, all[2..], "{sort:?}");
            if sort == TicketSort::PriceDescending {
                world.withdraws(last.id).await;
                assert_eq!(read(store.tickets(&rest).await).tickets, all[2..], "it is gone");
                world.lists(ana, "Rock", 3).await;
                assert_eq!(read(store.tickets(&rest).await).tickets, all[2..], "one is new");
            }
        }
    }
}

#[tokio::test]
async fn a_beginning_of_very_many_words_is_found_too() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        let mut ids = Vec::new();
        for number in 0..300_u64 {
            ids.push(
                world.lists(ana, &format!("seat{number} row{}", number % 3), number + 1).await,
            );
        }
        ids.reverse();
        for (search, expected) in [("seat", 300), ("seat row1", 100), ("seat row", 300)] {
            for sort in [TicketSort::Newest, TicketSort::PriceDescending] {
                let query = TicketQuery { words: search_words(search), sort, ..market() };
                let query = TicketQuery { limit: 1000, ..query };
                let found = read(store.tickets(&query).await).tickets;
                let found: Vec<_> = found.iter().map(|ticket| ticket.id).collect();
                assert_eq!(found.len(), expected, "{search}");
                assert!(found.is_sorted_by(|a, b| a > b), "{search}: the newest are the dearest");
                assert!(found.iter().all(|id| ids.contains(id)), "{search}");
            }
        }
    }
}
