//! What is on sale for a show: its list by price and by newest, in a section, in a quantity, and the sum
//! of it on the show.

use gittix::actors::MarketSettings;
use gittix::domain::{FeeRate, FeeRates, Terms};
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::{Person, Setup, World};

const TICKETS: &str = "/api/tickets";
const SHOWS: &str = "/api/shows";

async fn adds_show(who: &Person, name: &str, performer: &str) -> String {
    let venue = json!({
        "name": "Waldbühne", "city": "Łódź", "country": "PL", "timeZone": "Europe/Warsaw",
    });
    let venue = id(&who.client.post("/api/venues", &venue).await.created());
    let show = json!({
        "name": name, "category": "concert", "venueId": venue, "performers": [performer],
        "startsAt": "2026-12-24T20:00:00+01:00",
    });
    id(&who.client.post(SHOWS, &show).await.created())
}

async fn lists(seller: &Person, show: &str, price: u32, more: Value) -> String {
    let mut body = json!({"showId": show, "price": price});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&seller.client.post(TICKETS, &body).await.created())
}

/// The ids of a list, from page to page of two.
async fn found(world: &World, query: &str) -> Vec<String> {
    let (mut ids, mut path) = (Vec::new(), Some(format!("{TICKETS}?limit=2&{query}")));
    while let Some(page) = path {
        let answer = world.anyone().get(&page).await.is(200);
        ids.extend(answer.value().as_array().unwrap().iter().map(id));
        path = answer.next();
    }
    ids
}

async fn listings(world: &World, show: &str) -> Value {
    let one = world.anyone().get(&format!("{SHOWS}/{show}")).await.ok()["listings"].clone();
    let all = world.anyone().get(SHOWS).await.ok();
    let same = all.as_array().unwrap().iter().find(|other| other["id"] == *show).unwrap();
    assert_eq!(same["listings"], one);
    one
}

fn with_fees() -> Setup {
    let rate = FeeRate { basis_points: 1000, fixed_minor: 0 };
    let fees = FeeRates { buyer: rate, seller: FeeRate::default() };
    let terms = Terms { fees, ..Terms::default() };
    let market = MarketSettings { terms, ..MarketSettings::default() };
    Setup { market, ..Setup::default() }
}

#[tokio::test(start_paused = true)]
async fn a_show_lists_its_own_by_price_section_and_quantity() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let (show, other) =
        (adds_show(&ana, "Rigoletto", "Diva").await, adds_show(&ana, "Aida", "Tenor").await);
    let pair = lists(&ana, &show, 40, json!({"section": "A", "quantity": 2})).await;
    let four = lists(&ana, &show, 30, json!({"section": "B", "quantity": 4})).await;
    let one = lists(&ana, &show, 35, json!({"section": "a"})).await;
    let elsewhere = lists(&ana, &other, 1, json!({"section": "A", "quantity": 2})).await;
    let plain = ana.lists("Rigoletto", 2).await;

    assert_eq!(found(&world, &format!("show={show}")).await, [&*one, &four, &pair]);
    assert_eq!(found(&world, &format!("show={show}&sort=price")).await, [&*four, &one, &pair]);
    assert_eq!(found(&world, &format!("show={show}&sort=-price")).await, [&*pair, &one, &four]);
    assert_eq!(found(&world, &format!("show={show}&section=A")).await, [&*one, &pair]);
    let of = async |more: &str| found(&world, &format!("show={show}&sort=price{more}")).await;
    assert_eq!(of("&quantity=1").await, [&*four, &one]);
    assert_eq!(of("&quantity=2").await, [&*four, &pair]);
    assert_eq!(of("&quantity=3").await, Vec::<String>::new(), "it would leave one");
    assert_eq!(of("&quantity=4").await, [&*four]);
    assert_eq!(of("&quantity=2&section=A").await, [&*pair]);
    assert_eq!(of("&quantity=13").await, Vec::<String>::new(), "more than one may have");
    assert_eq!(of("&maxPrice=35").await, [&*four, &one]);
    assert_eq!(of("&q=rigoletto+diva").await, [&*four, &one, &pair]);
    assert_eq!(found(&world, "quantity=2&sort=price").await, [&*elsewhere, &four, &pair]);
    assert_eq!(found(&world, "quantity=1&sort=price").await, [&*plain, &four, &one]);
    assert_eq!(found(&world, "section=a&sort=price").await, [&*elsewhere, &one, &pair]);
    let mine = ana.client.get(&format!("{TICKETS}?seller=me&show={other}")).await.ok();
    assert_eq!(id(&mine[0]), elsewhere);

    let order = json!({"ticketId": four, "quantity": 2});
    let order = id(&ben.client.post("/api/orders", &order).await.created());
    ben.locks(&one).await;
    assert_eq!(of("&quantity=4").await, Vec::<String>::new());
    assert_eq!(of("&quantity=1").await, Vec::<String>::new());
    assert_eq!(of("&quantity=2").await, [&*four, &pair]);
    ben.cancels(&order).await.is(204);
    assert_eq!(of("&quantity=4").await, [&*four]);
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_show_tells_how_many_seats_are_on_sale_and_the_lowest_total() {
    let world = with_fees().start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let show = adds_show(&ana, "Rigoletto", "Diva").await;
    assert_eq!(listings(&world, &show).await, json!({"available": 0, "fromTotal": null}));
    let cheap = lists(&ana, &show, 10, json!({})).await;
    let four = lists(&ana, &show, 30, json!({"quantity": 4})).await;
    assert_eq!(listings(&world, &show).await, json!({"available": 5, "fromTotal": 11}));
    let order = ben.locks(&cheap).await;
    assert_eq!(listings(&world, &show).await, json!({"available": 4, "fromTotal": 33}));
    ben.cancels(&order).await.is(204);
    assert_eq!(listings(&world, &show).await, json!({"available": 5, "fromTotal": 11}));
    let order = ben.locks(&cheap).await;
    ben.pays(&order).await.is(201);
    let two = json!({"ticketId": four, "quantity": 2});
    ben.client.post("/api/orders", &two).await.created();
    assert_eq!(listings(&world, &show).await, json!({"available": 2, "fromTotal": 33}));
    ana.client.put(&format!("{TICKETS}/{four}"), &json!({"title": "Aida", "price": 20})).await;
    assert_eq!(listings(&world, &show).await["available"], 2);
    world.verifies();
    let world = world.killed().start().await;
    assert_eq!(listings(&world, &show).await["available"], 2, "a restart changes nothing");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn tickets_are_found_by_the_words_of_their_show() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let show = adds_show(&ana, "Rigoletto", "Anna Diva").await;
    let titled = lists(&ana, &show, 40, json!({"title": "Two nice places"})).await;
    let plain = ana.lists("Rigoletto at home", 40).await;
    for (words, expected) in [
        ("rigoletto", vec![&plain, &titled]),
        ("rigoletto+waldbuhne", vec![&titled]),
        ("nice+diva+lodz", vec![&titled]),
        ("home+diva", vec![]),
        ("lod", vec![&titled]),
    ] {
        let found = found(&world, &format!("q={words}")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{words}");
    }
    let order = world.buyer("ben").await;
    let bought = order.locks(&titled).await;
    order.pays(&bought).await.is(201);
    assert_eq!(found(&world, "q=diva").await, Vec::<String>::new());
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn what_a_list_of_a_show_can_not_be_asked_is_told() {
    let world = World::new().await;
    let nowhere = "show=show_01kaj2b3v4e5r6t7y8z9w0x1q2";
    assert_eq!(found(&world, nowhere).await, Vec::<String>::new());
    for (query, field) in [
        ("show=x", "show"),
        ("show=", "show"),
        ("section=", "section"),
        ("quantity=0", "quantity"),
        ("quantity=51", "quantity"),
        ("quantity=two", "quantity"),
        ("quantity=1.5", "quantity"),
    ] {
        let answer = world.anyone().get(&format!("{TICKETS}?{query}")).await;
        let faults = answer.refused(400, "validation_failed").faults();
        assert_eq!(
            faults.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(),
            [field],
            "{query}"
        );
    }
}
