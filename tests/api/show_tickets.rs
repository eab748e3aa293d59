//! Tickets that belong to shows: listed, shown, ordered, limited.

use axum::http::Method;
use std::sync::Arc;

use gittix::actors::MarketSettings;
use gittix::actors::operators::{Role, set_role};
use gittix::domain::{Email, PriceCaps, Terms};
use serde_json::{Value, json};

use crate::support::client::{Answer, id};
use crate::support::faults::{Mishap, Target};
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World, live};

const TICKETS: &str = "/api/tickets";
const ORDERS: &str = "/api/orders";
const SHOWS: &str = "/api/shows";
const SOON: &str = "2026-11-22T04:04:00Z";

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn adds_show(who: &Person, more: &Value) -> String {
    adds_show_in(who, "DE", more).await
}

async fn adds_show_in(who: &Person, country: &str, more: &Value) -> String {
    let venue = json!({
        "name": "Waldbühne", "city": "Berlin", "country": country, "timeZone": "Europe/Berlin",
        "sections": ["Block A", "Block B"],
    });
    let venue = id(&who.client.post("/api/venues", &venue).await.created());
    let show = json!({
        "name": "Rigoletto", "category": "theatre", "venueId": venue,
        "startsAt": "2026-12-24T20:00:00+01:00",
    });
    id(&who.client.post(SHOWS, &with(show, more)).await.created())
}

fn ticket_for(show: &str, more: &Value) -> Value {
    with(json!({"showId": show, "price": 40}), more)
}

async fn lists(seller: &Person, show: &str, more: &Value) -> String {
    id(&seller.client.post(TICKETS, &ticket_for(show, more)).await.created())
}

async fn shown(world: &World, ticket: &str) -> Value {
    world.anyone().get(&format!("{TICKETS}/{ticket}")).await.ok()
}

async fn becomes_operator(world: &World, who: &Person) {
    let email = Email::parse(&who.email).unwrap();
    assert_eq!(set_role(&*world.store, &email, Role::Operator, world.now()).await, Ok(true));
}

fn some(ticket: &str, quantity: u32) -> Value {
    json!({"ticketId": ticket, "quantity": quantity})
}

#[tokio::test(start_paused = true)]
async fn a_ticket_whose_show_changes_while_it_is_listed_is_listed_all_the_same() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let show = adds_show(&ana, &json!({})).await;
    for _ in 0..20 {
        world.mishaps.next(Target::Ticket, Mishap::Conflicts);
    }
    let ticket = lists(&ana, &show, &json!({})).await;
    assert_eq!(shown(&world, &ticket).await["showId"], show);
    assert_eq!(ana.client.get("/api/tickets?seller=me").await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_and_an_order_tell_of_their_show() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let show = adds_show(&ana, &json!({})).await;
    let seats = json!({"section": "Block A", "row": "7", "seats": ["1", "2"]});
    let answer = ana.client.post(TICKETS, &ticket_for(&show, &seats)).await.created();
    let venue = world.anyone().get(&format!("{SHOWS}/{show}")).await.ok()["venue"].clone();
    let brief = json!({
        "id": show, "name": "Rigoletto", "startsAt": "2026-12-24T19:00:00.000Z",
        "status": "Scheduled", "coverUrl": null,
        "venue": {
            "id": venue["id"], "name": "Waldbühne", "city": "Berlin", "country": "DE",
            "timeZone": "Europe/Berlin",
        },
    });
    assert_eq!(answer["title"], "Rigoletto");
    assert_eq!((&answer["showId"], &answer["show"]), (&json!(show), &brief));
    let ticket = id(&answer);
    assert_eq!(shown(&world, &ticket).await, answer);
    assert_eq!(world.anyone().get(TICKETS).await.ok(), json!([answer]));
    let order = ben.client.post(ORDERS, &some(&ticket, 2)).await.created();
    assert_eq!(order["ticket"]["show"], brief);
    let plain = shown(&world, &ana.lists("Rock", 40).await).await;
    assert_eq!((&plain["showId"], &plain["show"]), (&Value::Null, &Value::Null));

    let path = format!("{TICKETS}/{ticket}");
    let tag = world.anyone().get(&path).await.is(200).header("etag").to_owned();
    let seen = [("if-none-match", tag.as_str())];
    world.anyone().bare(Method::GET, &path, &seen).await.is(304);
    becomes_operator(&world, &ana).await;
    let later = json!({"startsAt": "2027-01-24T20:00:00Z"});
    ana.client.post(&format!("{SHOWS}/{show}/postpone"), &later).await.is(200);
    let moved = shown(&world, &ticket).await;
    assert_eq!(moved["show"]["startsAt"], "2027-01-24T20:00:00.000Z");
    world.anyone().bare(Method::GET, &path, &seen).await.is(200);
    let listed = world.anyone().get(&format!("{TICKETS}?seller=me")).await;
    listed.refused(401, "unauthenticated");
    assert_eq!(
        ana.client.get(&format!("{TICKETS}?seller=me")).await.ok()[1]["show"],
        moved["show"]
    );
    let frozen = ben.order(&id(&order)).await;
    assert_eq!(frozen["ticket"]["show"], brief, "an order keeps what it was made for");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn who_has_bought_seats_of_a_show_has_them_in_a_calendar() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let show = adds_show(&ana, &json!({"name": "Verdi; Rigoletto, live"})).await;
    let seats = json!({"section": "Block A", "row": "7", "seats": ["11", "12"]});
    let ticket = lists(&ana, &show, &seats).await;
    let order = id(&ben.client.post(ORDERS, &some(&ticket, 2)).await.created());
    let path = format!("{ORDERS}/{order}/calendar.ics");
    ben.client.get(&path).await.refused(404, "not_found");
    ben.pays(&order).await.is(201);
    becomes_operator(&world, &ana).await;
    let later = json!({"startsAt": "2027-01-24T20:00:00+01:00"});
    ana.client.post(&format!("{SHOWS}/{show}/postpone"), &later).await.is(200);
    let german = [("accept-language", "de")];
    let answer = ben.client.bare(Method::GET, &path, &german).await.is(200);
    assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    let text = answer.text();
    assert!(text.split("\r\n").all(|line| line.len() <= 75), "{text}");
    let text = text.replace("\r\n ", "");
    for line in [
        &format!("UID:{order}@gittix"),
        "DTSTART:20270124T190000Z",
        r"SUMMARY:Verdi\; Rigoletto\, live",
        r"DESCRIPTION:Block: Block A\nReihe: 7\nPlätze: 11\, 12",
    ] {
        assert!(text.contains(&format!("{line}\r\n")), "{line} in {text}");
    }
    ana.client.get(&path).await.refused(404, "not_found");
    world.anyone().get(&path).await.refused(401, "unauthenticated");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_a_show_keeps_the_rules_of_its_venue_and_its_seller() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.seller("ben").await);
    let show = adds_show(&ana, &json!({})).await;
    let refuse = async |body: Value, field: &str| {
        let faults =
            ana.client.post(TICKETS, &body).await.refused(400, "validation_failed").faults();
        assert_eq!(faults.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), [field]);
    };
    refuse(json!({"price": 40}), "title").await;
    refuse(json!({"price": 40, "showId": null}), "title").await;
    refuse(ticket_for("x", &json!({"title": "Rock"})), "showId").await;
    refuse(ticket_for(&show, &json!({"section": "Block C"})), "section").await;
    let nowhere = ticket_for("show_01kaj2b3v4e5r6t7y8z9w0x1q2", &json!({}));
    ana.client.post(TICKETS, &nowhere).await.refused(404, "not_found");

    let seat = |seat: &str| json!({"section": "Block A", "row": "A", "seats": [seat]});
    let first = lists(&ana, &show, &seat("a")).await;
    let again = ticket_for(&show, &seat("A"));
    ana.client.post(TICKETS, &again).await.refused(409, "seat_listed");
    lists(&ben, &show, &seat("a")).await;
    let second = lists(&ana, &show, &seat("b")).await;
    let path = format!("{TICKETS}/{second}");
    ana.client.patch(&path, &json!({"seats": ["a"]})).await.refused(409, "seat_listed");
    ana.client.patch(&path, &json!({"section": "Block C"})).await.refused(400, "validation_failed");
    ana.client.patch(&path, &json!({"seats": ["c"]})).await.is(200);
    lists(&ana, &show, &seat("b")).await;
    ana.client.delete(&format!("{TICKETS}/{first}")).await.is(204);
    lists(&ana, &show, &seat("a")).await;

    ben.client
        .patch(&format!("{SHOWS}/{show}"), &json!({"name": "x"}))
        .await
        .refused(403, "not_operator");
    ana.client
        .patch(&format!("{SHOWS}/{show}"), &json!({"name": "Tosca"}))
        .await
        .refused(403, "not_operator");
    ana.client.delete(&format!("{SHOWS}/{show}")).await.refused(409, "in_use");
    let gone = json!({"showId": null, "section": "Anywhere"});
    assert_eq!(ana.client.patch(&path, &gone).await.ok()["show"], Value::Null);
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_show_that_is_over_cancelled_or_postponed_sells_nothing() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let show = adds_show(&ana, &json!({"startsAt": SOON})).await;
    let (first, second) =
        (lists(&ana, &show, &json!({})).await, lists(&ana, &show, &json!({})).await);
    let order = ben.client.post(ORDERS, &some(&first, 1)).await.created();
    assert_eq!(order["expiresAt"], "2026-11-22T04:04:00.000Z", "no hold outlives the start");
    let other = adds_show(&ana, &json!({})).await;
    let third = lists(&ana, &other, &json!({})).await;
    becomes_operator(&world, &ana).await;
    ana.client.post(&format!("{SHOWS}/{other}/postpone"), &json!({})).await.is(200);
    ben.client.post(ORDERS, &some(&third, 1)).await.refused(409, "show_postponed");
    ana.client.post(TICKETS, &ticket_for(&other, &json!({}))).await.is(201);
    wait(seconds(601)).await;
    ben.client.post(ORDERS, &some(&second, 1)).await.refused(409, "show_over");
    ana.client.post(ORDERS, &some(&second, 1)).await.refused(403, "own_ticket");
    ana.client.post(TICKETS, &ticket_for(&show, &json!({}))).await.refused(409, "show_over");
    let moves = json!({"showId": show});
    ana.client.patch(&format!("{TICKETS}/{third}"), &moves).await.refused(409, "show_over");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn one_buyer_has_so_many_seats_of_a_show_and_no_more() {
    let terms = Terms { most_seats: 4, ..Terms::default() };
    let market = MarketSettings { terms, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let show = adds_show(&ana, &json!({})).await;
    let other = adds_show(&ana, &json!({})).await;
    let ten = json!({"quantity": 10, "split": "any"});
    let (first, second) = (lists(&ana, &show, &ten).await, lists(&ana, &show, &ten).await);
    let elsewhere = lists(&ana, &other, &ten).await;
    let bought = id(&ben.client.post(ORDERS, &some(&first, 2)).await.created());
    ben.pays(&bought).await.is(201);
    let held = id(&ben.client.post(ORDERS, &some(&second, 2)).await.created());
    ben.client.post(ORDERS, &some(&second, 1)).await.refused(409, "too_many_seats");
    ben.client.post(ORDERS, &some(&elsewhere, 4)).await.is(201);
    ben.cancels(&held).await.is(204);
    ben.client.post(ORDERS, &some(&second, 3)).await.refused(409, "too_many_seats");
    ben.client.post(ORDERS, &some(&second, 2)).await.is(201);
    ana.client
        .patch(&format!("{TICKETS}/{first}"), &json!({"showId": other}))
        .await
        .refused(409, "ticket_sold");
    world.verifies();
}

#[test]
fn buyers_who_order_at_once_get_no_more_seats_of_a_show_than_allowed() {
    live(async {
        let terms = Terms { most_seats: 4, ..Terms::default() };
        let market = MarketSettings { terms, ..MarketSettings::default() };
        let world = Setup { market, ..Setup::default() }.start().await;
        let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
        let show = adds_show(&ana, &json!({})).await;
        let mut tickets = Vec::new();
        for _ in 0..8 {
            tickets.push(lists(&ana, &show, &json!({})).await);
        }
        let tries = tickets.iter().map(|ticket| ben.tries_to_lock(ticket));
        let answers = futures_util::future::join_all(tries).await;
        let won = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(won, 4);
        world.verifies();
    });
}

#[tokio::test(start_paused = true)]
async fn where_the_market_says_so_a_ticket_needs_a_show() {
    let market = MarketSettings { require_show: true, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ana = world.seller("ana").await;
    let bare = json!({"title": "Rock", "price": 40});
    ana.client.post(TICKETS, &bare).await.refused(400, "validation_failed");
    let show = adds_show(&ana, &json!({})).await;
    lists(&ana, &show, &json!({"title": "Front row"})).await;
}

#[tokio::test(start_paused = true)]
async fn a_price_keeps_to_the_cap_of_the_country_where_its_show_takes_place() {
    let countries = [("FR".parse().unwrap(), Some(100)), ("US".parse().unwrap(), None)];
    let price_caps = Arc::new(PriceCaps { elsewhere: Some(120), countries: countries.into() });
    let market = MarketSettings { price_caps, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ana = world.seller("ana").await;
    let caps = json!({"default": 120, "countries": {"FR": 100, "US": null}});
    assert_eq!(world.anyone().get("/api/config").await.ok()["priceCapPercent"], caps);

    let german = adds_show(&ana, &json!({})).await;
    let ask = |show: &str, price: f64, face: Value| {
        ticket_for(show, &json!({"price": price, "faceValue": face}))
    };
    let at_fault = |answer: Answer| answer.refused(400, "validation_failed").faults()[0].0.clone();
    let answer = ana.client.post(TICKETS, &ticket_for(&german, &json!({}))).await;
    assert_eq!(at_fault(answer), "faceValue");
    let answer = ana.client.post(TICKETS, &ask(&german, 48.01, json!(40))).await;
    assert_eq!(at_fault(answer), "price");
    let ticket = id(&ana.client.post(TICKETS, &ask(&german, 48.0, json!(40))).await.created());

    let french = adds_show_in(&ana, "FR", &json!({})).await;
    ana.client
        .post(TICKETS, &ask(&french, 40.01, json!(40)))
        .await
        .refused(400, "validation_failed");
    ana.client.post(TICKETS, &ask(&french, 40.0, json!(40))).await.is(201);
    let american = adds_show_in(&ana, "US", &json!({})).await;
    ana.client.post(TICKETS, &ticket_for(&american, &json!({"price": 4_000}))).await.is(201);
    let bare = json!({"title": "Rock", "price": 40});
    ana.client.post(TICKETS, &bare).await.refused(400, "validation_failed");
    ana.client.post(TICKETS, &with(bare, &json!({"faceValue": 40}))).await.is(201);

    let path = format!("{TICKETS}/{ticket}");
    for edit in [
        json!({"price": 48.01}),
        json!({"faceValue": 39.99}),
        json!({"faceValue": null}),
        json!({"showId": french}),
    ] {
        ana.client.patch(&path, &edit).await.refused(400, "validation_failed");
    }
    ana.client.patch(&path, &json!({"notes": "aisle"})).await.is(200);
    ana.client.patch(&path, &json!({"price": 40, "showId": french})).await.is(200);
    ana.client.patch(&path, &json!({"price": 40.01})).await.refused(400, "validation_failed");
    ana.client.patch(&path, &json!({"price": 400, "showId": american})).await.is(200);
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_before_there_was_a_cap_stays_until_its_price_changes() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let show = adds_show(&ana, &json!({})).await;
    let ticket = lists(&ana, &show, &json!({"faceValue": 10})).await;
    let price_caps = Arc::new(PriceCaps { elsewhere: Some(100), ..PriceCaps::default() });
    let market = MarketSettings { price_caps, ..MarketSettings::default() };
    let world = Setup { market, ..world.killed() }.start().await;
    let ana = world.again(&ana);
    let path = format!("{TICKETS}/{ticket}");
    ana.client.patch(&path, &json!({"notes": "aisle"})).await.is(200);
    ana.client.patch(&path, &json!({"price": 39})).await.refused(400, "validation_failed");
    ana.client.patch(&path, &json!({"price": 10})).await.is(200);
}
