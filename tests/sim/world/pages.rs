//! Walks through lists, page by page: nothing is shown twice, and nothing is passed over.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use gittix::domain::{Order, OrderId, OrderStatus, Ticket, TicketId, TicketStatus};
use gittix::store::{
    PurchaseQuery, Store as _, TicketPosition, TicketQuery, TicketScope, TicketSort, search_words,
};

use super::client::{Account, Worker};
use super::http;
use super::model::Span;
use super::record::Violation;
use super::rng::Rng;

/// A list that shows more repeats itself.
const LONGEST_LIST: usize = 2_000;
/// Bounds of prices, around the price at which tickets are listed.
const PRICES: [u64; 4] = [1, 1_250, 1_251, 5_000];
/// The states that orders are listed by.
const STATUSES: [OrderStatus; 4] = [
    OrderStatus::Created,
    OrderStatus::AwaitingPayment,
    OrderStatus::Completed,
    OrderStatus::Cancelled,
];

/// What a list showed: ids and versions, in its order.
type Shown<Id> = Vec<(Id, u64)>;

impl Worker {
    /// Pages through a list.
    pub async fn read_pages(&self, account: &Account) {
        let world = &self.life.world;
        world.record.count("operations: walk through a list");
        let from = self.life.store.stats().last_seq;
        let walks_orders = world.client(self.number).rng.chance(300);
        let by_http = {
            let share = world.plan.http_share;
            world.client(self.number).rng.chance(share)
        };
        if walks_orders {
            self.walk_orders(account, by_http, from).await;
        } else {
            self.walk_tickets(account, by_http, from).await;
        }
    }

    async fn walk_tickets(&self, account: &Account, by_http: bool, from: u64) {
        let world = &self.life.world;
        let query = {
            let client = &mut *world.client(self.number);
            choose(&mut client.rng, account)
        };
        let shown = if by_http {
            {
                let path = path_of(&query, world.plan.fee_basis_points);
                self.by_http(&path, account).await
            }
        } else {
            self.tickets_directly(query.clone()).await
        };
        let Some(shown) = shown else { return };
        self.life.sync().await;
        let model = world.model();
        let span = Span { from, to: model.last_seq() };
        let walk = Walk {
            shown,
            keeps_its_order: query.sort == TicketSort::Newest,
            states: model.tickets.keys().map(|id| (*id, model.ticket_during(*id, span))).collect(),
        };
        let version = |ticket: &Ticket| ticket.version.number();
        let checked = walk.check(version, |ticket| belongs(ticket, &query));
        world.record.check(checked.map_err(|wrong| broken(&query, by_http, &wrong)));
    }

    async fn walk_orders(&self, account: &Account, by_http: bool, from: u64) {
        let world = &self.life.world;
        let query = {
            let rng = &mut world.client(self.number).rng;
            let status = rng.pick(&STATUSES).copied().filter(|_| rng.chance(500));
            let limit = usize::try_from(rng.between(1, 4)).unwrap_or(1);
            PurchaseQuery { buyer: account.id, status, after: None, limit }
        };
        let shown = if by_http {
            let status = query.status.map(|status| format!("&status={status:?}"));
            let path = format!("/api/orders?limit={}{}", query.limit, status.unwrap_or_default());
            self.by_http(&path, account).await
        } else {
            self.orders_directly(query).await
        };
        let Some(shown) = shown else { return };
        self.life.sync().await;
        let model = world.model();
        let span = Span { from, to: model.last_seq() };
        let states = |id: &OrderId| {
            let views = model.order_during(*id, span).into_iter();
            (*id, views.map(|view| view.map(|view| &view.order)).collect())
        };
        let walk = Walk {
            shown,
            keeps_its_order: true,
            states: model.orders.keys().map(states).collect(),
        };
        let is_listed = |order: &Order| {
            order.buyer == query.buyer
                && query.status.is_none_or(|status| status == order.state.status())
        };
        let checked = walk.check(|order| order.version.number(), is_listed);
        world.record.check(checked.map_err(|wrong| broken(&query, by_http, &wrong)));
    }

    /// `None` if the list can't be read, which is somebody else's concern.
    async fn tickets_directly(&self, mut query: TicketQuery) -> Option<Shown<TicketId>> {
        let mut shown = Vec::new();
        loop {
            let page = self.life.watched.tickets(&query).await.ok()?;
            let last = page.tickets.last();
            query.after =
                last.map(|last| TicketPosition { price_minor: last.price.minor(), id: last.id });
            shown.extend(page.tickets.iter().map(|ticket| (ticket.id, ticket.version.number())));
            if !page.more || shown.len() > LONGEST_LIST {
                return Some(shown);
            }
            self.turns_the_page().await;
        }
    }

    async fn orders_directly(&self, mut query: PurchaseQuery) -> Option<Shown<OrderId>> {
        let mut shown = Vec::new();
        loop {
            let page = self.life.watched.purchases(&query).await.ok()?;
            query.after = page.last().map(|last| last.order.id);
            let orders = page.iter().map(|purchase| &purchase.order);
            shown.extend(orders.map(|order| (order.id, order.version.number())));
            if page.len() < query.limit || shown.len() > LONGEST_LIST {
                return Some(shown);
            }
            self.turns_the_page().await;
        }
    }

    /// The same by the links from page to page.
    async fn by_http<Id: FromStr>(&self, path: &str, account: &Account) -> Option<Shown<Id>> {
        let life = &self.life;
        let mut shown = Vec::new();
        let mut path = path.to_owned();
        loop {
            let page = http::page(&life.app.router, &account.token, &path).await;
            let read = page.and_then(|page| {
                let items = page.items.iter().map(|(id, version)| {
                    let id = id.parse().map_err(|_| format!("{path}: {id} is no id"))?;
                    Ok((id, *version))
                });
                Ok((items.collect::<Result<Shown<Id>, String>>()?, page.next))
            });
            let (items, next) = match read {
                Ok(read) => read,
                Err(_) if life.world.disk.has_failed() => return None,
                Err(strange) => {
                    let violation = Violation::new("the API answers as documented", strange);
                    life.world.record.violate(violation);
                    return None;
                }
            };
            shown.extend(items);
            match next {
                Some(next) if shown.len() <= LONGEST_LIST => path = next,
                _ => return Some(shown),
            }
            self.turns_the_page().await;
        }
    }

    async fn turns_the_page(&self) {
        let pause = self.life.world.client(self.number).rng.pause_ms(2_000);
        tokio::time::sleep(Duration::from_millis(pause.max(1))).await;
    }
}

fn choose(rng: &mut Rng, account: &Account) -> TicketQuery {
    let sorts = [TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending];
    let sort = rng.pick(&sorts).copied().unwrap_or(TicketSort::Newest);
    let bound = |rng: &mut Rng| rng.pick(&PRICES).copied().filter(|_| rng.chance(300));
    let words = match rng.below(7) {
        0 => "sea",
        1 => "seat 1",
        3 => "row",
        2 => "0 SEAT",
        _ => "",
    };
    TicketQuery {
        scope: TicketScope::default(),
        seller: rng.chance(300).then_some(account.id),
        words: search_words(words),
        min_price_minor: bound(rng),
        max_price_minor: bound(rng),
        sort,
        after: None,
        limit: usize::try_from(rng.between(1, 4)).unwrap_or(1),
    }
}

/// The path of a query. Through HTTP prices are those with fees, and one rises with the other.
fn path_of(query: &TicketQuery, fee_basis_points: u32) -> String {
    let sort = match query.sort {
        TicketSort::Newest => "newest",
        TicketSort::PriceAscending => "price",
        TicketSort::PriceDescending => "-price",
    };
    let mut path = format!("/api/tickets?limit={}&sort={sort}", query.limit);
    if query.seller.is_some() {
        path.push_str("&seller=me");
    }
    if !query.words.is_empty() {
        path.push_str(&format!("&q={}", query.words.join("+")));
    }
    for (name, price) in [("minPrice", query.min_price_minor), ("maxPrice", query.max_price_minor)]
    {
        if let Some(minor) = price {
            let minor = minor + (minor * u64::from(fee_basis_points) + 5_000) / 10_000;
            path.push_str(&format!("&{name}={}.{:02}", minor / 100, minor % 100));
        }
    }
    path
}

/// Whether a list shows a ticket; written down here a second time, for the store knows better.
fn belongs(ticket: &Ticket, query: &TicketQuery) -> bool {
    let title = ticket.title.as_str().to_lowercase();
    let mut words = query.words.iter();
    let is_for_sale = ticket.status() == TicketStatus::Available;
    query.seller.map_or(is_for_sale, |seller| seller == ticket.seller)
        && query.min_price_minor.is_none_or(|min| min <= ticket.price.minor())
        && query.max_price_minor.is_none_or(|max| ticket.price.minor() <= max)
        && words.all(|word| {
            title.split(|c: char| !c.is_alphanumeric()).any(|own| own.starts_with(word.as_str()))
        })
}

/// A list that was walked through, and the states of all that it might have shown meanwhile.
struct Walk<'m, Id, T> {
    shown: Shown<Id>,
    /// Whether things stay where they are on the list as they change.
    keeps_its_order: bool,
    states: Vec<(Id, Vec<Option<&'m T>>)>,
}

impl<Id: Copy + Debug + Ord, T: Debug> Walk<'_, Id, T> {
    fn check(
        &self,
        version: impl Fn(&T) -> u64,
        belongs: impl Fn(&T) -> bool,
    ) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for (id, shown) in &self.shown {
            let is_new_id = ids.insert(*id);
            if !seen.insert((*id, *shown)) || (self.keeps_its_order && !is_new_id) {
                return Err(format!("{id:?} is shown twice"));
            }
        }
        for (id, states) in &self.states {
            let mut listed = states.iter().flatten().filter(|state| belongs(state));
            let stood_still = states.len() == 1 && listed.clone().next().is_some();
            if stood_still && !ids.contains(id) {
                return Err(format!("{:?} is passed over", states[0]));
            }
            let shown = seen.range((*id, 0)..=(*id, u64::MAX));
            for (_, shown) in shown {
                if !listed.any(|state| version(state) == *shown) {
                    return Err(format!("{id:?} is shown with version {shown}, of {states:?}"));
                }
            }
        }
        let unknown = ids.iter().find(|id| !self.states.iter().any(|(known, _)| known == *id));
        unknown.map_or(Ok(()), |id| Err(format!("{id:?} is shown and does not exist")))
    }
}

fn broken(query: &dyn Debug, by_http: bool, wrong: &str) -> Violation {
    let way = if by_http { "through HTTP" } else { "directly" };
    let detail = format!("{wrong}; {way}, {query:?}");
    Violation::new("pages show what is on the list, once", detail)
}
