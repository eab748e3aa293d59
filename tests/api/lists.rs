//! Lists: filters, order, pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::{Client, World};

async fn ids(client: &Client, path: &str) -> Vec<String> {
    client.get(path).await.ok().as_array().unwrap().iter().map(id).collect()
}

async fn titles(client: &Client, query: &str) -> Vec<String> {
    let list = client.get(&format!("/api/tickets{query}")).await.ok();
    let title = |ticket: &Value| ticket["title"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(title).collect()
}

#[tokio::test(start_paused = true)]
async fn the_list_shows_what_is_available_newest_first() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    assert_eq!(world.anyone().get("/api/tickets").await.ok(), json!([]));
    let mut tickets = Vec::new();
    for title in ["First", "Second", "Third", "Fourth"] {
        tickets.push(ana.lists(title, 40).await);
    }
    let locked = ben.locks(&tickets[1]).await;
    let sold = ben.locks(&tickets[2]).await;
    ben.pays(&sold).await.is(201);
    assert_eq!(titles(&world.anyone(), "").await, ["Fourth", "First"]);
    ben.cancels(&locked).await.is(204);
    assert_eq!(titles(&world.anyone(), "").await, ["Fourth", "Second", "First"]);
    // One's own are listed in every status.
    let own = titles(&ana.client, "?seller=me").await;
    assert_eq!(own, ["Fourth", "Third", "Second", "First"]);
    assert_eq!(titles(&ben.client, "?seller=me").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_list_is_narrowed_by_words_and_prices_and_sorted() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    for (title, price) in
        [("Rock Concert", 40.0), ("Jazz Night", 19.99), ("Rock Opera", 120.0), ("Ärzte Live", 20.0)]
    {
        ana.lists(title, price).await;
    }
    let list = |query: &'static str| {
        let anyone = world.anyone();
        async move { titles(&anyone, query).await.join(", ") }
    };
    assert_eq!(list("?q=rock").await, "Rock Opera, Rock Concert");
    assert_eq!(list("?q=ROCK+con").await, "Rock Concert");
    assert_eq!(list("?q=%C3%A4rzte").await, "Ärzte Live");
    assert_eq!(list("?q=nothing").await, "");
    assert_eq!(list("?q=").await, "Ärzte Live, Rock Opera, Jazz Night, Rock Concert");
    assert_eq!(list("?minPrice=20").await, "Ärzte Live, Rock Opera, Rock Concert");
    assert_eq!(list("?maxPrice=20").await, "Ärzte Live, Jazz Night");
    assert_eq!(list("?minPrice=20&maxPrice=40").await, "Ärzte Live, Rock Concert");
    assert_eq!(list("?minPrice=19.99&maxPrice=19.99").await, "Jazz Night");
    assert_eq!(list("?minPrice=50&maxPrice=40").await, "");
    assert_eq!(list("?minPrice=0&maxPrice=99999999").await.split(", ").count(), 4);
    assert_eq!(list("?sort=price").await, "Jazz Night, Ärzte Live, Rock Concert, Rock Opera");
    assert_eq!(list("?sort=-price").await, "Rock Opera, Rock Concert, Ärzte Live, Jazz Night");
    assert_eq!(list("?sort=price&q=rock&maxPrice=100").await, "Rock Concert");
    assert_eq!(list("?unknown=1&limit=1").await, "Ärzte Live");
}

#[tokio::test(start_paused = true)]
async fn titles_are_found_however_one_types_and_whatever_script_they_are_in() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let anyone = world.anyone();
    for (title, search) in [
        ("Łódź Jazz", "lodz"),
        ("Røyksopp", "royksopp"),
        ("Straße der Lieder", "strasse"),
        ("IŞIK Konseri", "isik"),
        ("東京ドーム公演", "%E3%83%89%E3%83%BC%E3%83%A0"),
        ("서울콘서트", "%EC%BD%98%EC%84%9C%ED%8A%B8"),
    ] {
        ana.lists(title, 40).await;
        assert_eq!(titles(&anyone, &format!("?q={search}")).await, [title]);
    }
    // Signs alone find nothing, and nothing that shows finds everything.
    for search in ["!!", "%F0%9F%8E%9F", "%E2%99%A5+%E2%99%A5"] {
        assert_eq!(titles(&anyone, &format!("?q={search}")).await, Vec::<String>::new());
    }
    assert_eq!(titles(&anyone, "?q=lodz+%F0%9F%8E%9F").await, ["Łódź Jazz"]);
    for blank in ["", "+", "%E2%80%8B"] {
        assert_eq!(titles(&anyone, &format!("?q={blank}")).await.len(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_query_names_every_parameter_at_fault() {
    let world = World::new().await;
    let fields = |query: &'static str| {
        let anyone = world.anyone();
        async move {
            let faults = anyone.get(&format!("/api/tickets?{query}")).await.faults();
            faults.into_iter().map(|(field, _)| field).collect::<Vec<_>>().join(" ")
        }
    };
    for limit in ["0", "101", "-1", "abc", "1.5", "", "%2B1", "99999999999999999999999"] {
        let query = format!("/api/tickets?limit={limit}");
        assert_eq!(world.anyone().get(&query).await.faults()[0].0, "limit", "{limit}");
    }
    assert_eq!(fields("after=garbage").await, "after");
    assert_eq!(fields("after=").await, "after");
    assert_eq!(fields("sort=title").await, "sort");
    assert_eq!(fields("seller=ana").await, "seller");
    assert_eq!(fields("minPrice=abc").await, "minPrice");
    assert_eq!(fields("maxPrice=-1").await, "maxPrice");
    assert_eq!(fields("minPrice=1.999").await, "minPrice");
    assert_eq!(fields("limit=1&limit=2").await, "limit");
    assert_eq!(fields("q=a&q=b").await, "q");
    let all = fields("minPrice=x&maxPrice=y&sort=z&seller=w&limit=0&after=v").await;
    assert_eq!(all, "minPrice maxPrice sort seller limit after");
    world.anyone().get("/api/tickets?q=%ff").await.refused(400, "bad_request");
    world.anyone().get("/api/tickets?q=%").await.refused(400, "bad_request");
    let ben = world.buyer("ben").await;
    assert_eq!(ben.client.get("/api/orders?status=created").await.faults()[0].0, "status");
    assert_eq!(ben.client.get("/api/orders?limit=0").await.faults()[0].0, "limit");
    assert_eq!(ben.client.get("/api/orders?after=x").await.faults()[0].0, "after");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_belongs_to_the_list_it_came_from() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    for number in 0..3 {
        let ticket = ana.lists(&format!("Ticket {number}"), 10 + number).await;
        ben.locks(&ticket).await;
        ana.lists(&format!("Other {number}"), 10 + number).await;
    }
    let next = world.anyone().get("/api/tickets?limit=1").await.next().unwrap();
    let cursor = next.split("after=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let by_price = format!("/api/tickets?sort=price&after={cursor}");
    assert_eq!(world.anyone().get(&by_price).await.faults()[0].0, "after");
    let orders = format!("/api/orders?after={cursor}");
    assert_eq!(ben.client.get(&orders).await.faults()[0].0, "after");
    let next = ben.client.get("/api/orders?limit=1").await.next().unwrap();
    let cursor = next.split("after=").nth(1).unwrap().to_owned();
    let tickets = format!("/api/tickets?after={cursor}");
    assert_eq!(world.anyone().get(&tickets).await.faults()[0].0, "after");
}

#[tokio::test(start_paused = true)]
async fn pages_neither_skip_nor_repeat_while_others_list_tickets() {
    for (sort, limit) in [("newest", 7), ("price", 7), ("-price", 7), ("newest", 100), ("price", 1)]
    {
        let world = World::new().await;
        let ana = world.seller("ana").await;
        let mut expected = BTreeSet::new();
        for number in 0..40 {
            expected.insert(ana.lists(&format!("Rock {number}"), 1 + number % 5).await);
        }
        let mut seen = Vec::new();
        let first = format!("/api/tickets?sort={sort}&limit={limit}&q=rock&minPrice=1");
        let mut path = Some(first);
        while let Some(page) = path {
            let answer = world.anyone().get(&page).await;
            path = answer.next();
            let list = answer.ok();
            let list = list.as_array().unwrap();
            assert!(!list.is_empty() && list.len() <= limit);
            assert!(path.is_none() || list.len() == limit, "only the last page is short");
            seen.extend(list.iter().map(id));
            ana.lists("Rock anew", 1 + seen.len() as u64 % 5).await;
        }
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "{sort}: something was shown twice");
        assert!(expected.is_subset(&unique), "{sort}: something was skipped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fits_its_page_has_no_next() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    for number in 0..51 {
        ana.lists(&format!("Ticket {number}"), 5).await;
    }
    let answer = world.anyone().get("/api/tickets").await;
    assert_eq!(answer.value().as_array().unwrap().len(), 50, "the default");
    let last = world.anyone().get(&answer.next().unwrap()).await;
    assert_eq!(last.value().as_array().unwrap().len(), 1);
    assert_eq!(last.next(), None);
    let exact = world.anyone().get("/api/tickets?limit=51").await;
    assert_eq!(exact.next(), None, "a full page is not always followed by another");
}

#[tokio::test(start_paused = true)]
async fn orders_are_listed_newest_first_in_every_status_and_by_status() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let mut orders = Vec::new();
    for number in 0..4 {
        orders.push(ben.locks(&ana.lists(&format!("Ticket {number}"), 40).await).await);
    }
    ben.cancels(&orders[0]).await.is(204);
    ben.pays(&orders[1]).await.is(201);
    ben.pays_with(&orders[2], "tok_authenticationRequired").await.is(202);
    let listed = ids(&ben.client, "/api/orders").await;
    assert_eq!(listed, orders.iter().rev().cloned().collect::<Vec<_>>());
    for (status, order) in
        [("Cancelled", 0), ("Completed", 1), ("AwaitingPayment", 2), ("Created", 3)]
    {
        let path = format!("/api/orders?status={status}");
        assert_eq!(ids(&ben.client, &path).await, [orders[order].clone()], "{status}");
    }
    let answer = ben.client.get("/api/orders?limit=3").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let rest = ben.client.get(&answer.next().unwrap()).await;
    assert_eq!(rest.next(), None);
    assert_eq!(rest.value()[0]["id"], orders[0]);
    assert_eq!(rest.value()[0], ben.order(&orders[0]).await, "as it looks alone");
    let exact = ben.client.get("/api/orders?limit=4").await;
    assert_eq!(exact.next(), None, "a full page is not always followed by another");
}
