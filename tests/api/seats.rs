//! Tickets of several seats: what can be ordered, who gets which, what it costs.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use gittix::actors::MarketSettings;
use gittix::domain::{FeeRate, FeeRates, Terms};
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World, live};

const TICKETS: &str = "/api/tickets";
const ORDERS: &str = "/api/orders";

fn path(ticket: &str) -> String {
    format!("{TICKETS}/{ticket}")
}

/// A ticket with what else is said of it.
async fn lists(seller: &Person, more: Value) -> String {
    let mut body = json!({"title": "Rock Concert", "price": 33.33});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&seller.client.post(TICKETS, &body).await.created())
}

async fn shown(world: &World, ticket: &str) -> Value {
    world.anyone().get(&path(ticket)).await.ok()
}

async fn buyable(world: &World, ticket: &str) -> Value {
    shown(world, ticket).await["buyable"].clone()
}

fn some(ticket: &str, quantity: u32) -> Value {
    json!({"ticketId": ticket, "quantity": quantity})
}

async fn takes(buyer: &Person, ticket: &str, quantity: u32) -> Value {
    buyer.client.post(ORDERS, &some(ticket, quantity)).await.created()
}

fn with_fees(buyer: FeeRate, seller: FeeRate) -> Setup {
    let terms = Terms { fees: FeeRates { buyer, seller }, ..Terms::default() };
    Setup { market: MarketSettings { terms, ..MarketSettings::default() }, ..Setup::default() }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_several_seats_looks_like_the_contract_says() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let more = json!({
        "section": " Block B ", "row": "7", "seats": ["11", "12", "13"], "split": "any",
        "faceValue": 60, "notes": "Aisle",
    });
    let ticket = shown(&world, &lists(&ana, more).await).await;
    for (field, expected) in [
        ("section", json!("Block B")),
        ("row", json!("7")),
        ("seats", json!(["11", "12", "13"])),
        ("quantity", json!(3)),
        ("available", json!(3)),
        ("split", json!("any")),
        ("buyable", json!([1, 2, 3])),
        ("faceValue", json!(60)),
        ("notes", json!("Aisle")),
        ("fee", json!(0)),
        ("total", json!(33.33)),
        ("status", json!("Available")),
        ("orderId", Value::Null),
        ("closedReason", Value::Null),
    ] {
        assert_eq!(ticket[field], expected, "{field}");
    }
    let plain = shown(&world, &ana.lists("Rock", 40).await).await;
    for (field, expected) in [
        ("section", Value::Null),
        ("seats", Value::Null),
        ("quantity", json!(1)),
        ("split", json!("avoidOne")),
        ("buyable", json!([1])),
        ("total", json!(40)),
    ] {
        assert_eq!(plain[field], expected, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_has_its_seats_and_what_they_cost_together() {
    let tenth = FeeRate { basis_points: 1_000, fixed_minor: 0 };
    let world = with_fees(tenth, FeeRate::default()).start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let more = json!({"section": "B", "row": "7", "seats": ["11", "12", "13", "14", "15"], "notes": "Aisle"});
    let ticket = lists(&ana, more).await;
    let listed = shown(&world, &ticket).await;
    assert_eq!((listed["fee"].clone(), listed["total"].clone()), (json!(3.33), json!(36.66)));
    let order = takes(&ben, &ticket, 3).await;
    for (field, expected) in [
        ("quantity", json!(3)),
        ("seats", json!(["11", "12", "13"])),
        ("price", json!(33.33)),
        ("fee", json!(9.99)),
        ("total", json!(109.98)),
    ] {
        assert_eq!(order[field], expected, "{field}");
    }
    assert_eq!(order["ticket"]["section"], "B");
    assert_eq!(order["ticket"]["row"], "7");
    assert_eq!(order["ticket"]["notes"], "Aisle");
    let left = shown(&world, &ticket).await;
    assert_eq!((left["available"].clone(), left["buyable"].clone()), (json!(2), json!([2])));
    assert_eq!(left["status"], "Available");
    let charge = ben.pays(&id(&order)).await.created();
    assert_eq!(charge["amount"], 10_998);
    assert_eq!(ben.order(&id(&order)).await["status"], "Completed");
    let rest = takes(&ben, &ticket, 2).await;
    assert_eq!(rest["seats"], json!(["14", "15"]));
    assert_eq!(world.status_of(&ticket).await, "Locked");
    ben.pays(&id(&rest)).await.is(201);
    assert_eq!(world.status_of(&ticket).await, "Sold");
    let again = ben.client.post(ORDERS, &some(&ticket, 1)).await;
    again.refused(409, "ticket_sold");
}

#[tokio::test(start_paused = true)]
async fn sixty_buyers_at_once_for_ten_seats_in_pairs_five_win_and_nothing_is_left_over() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let names: Vec<String> = (1..=10).map(|seat| seat.to_string()).collect();
    let ticket = lists(&ana, json!({"seats": names, "split": "pairs"})).await;
    let mut buyers = Vec::new();
    for number in 0..60 {
        buyers.push(world.buyer(&format!("buyer{number}")).await);
    }
    let body = some(&ticket, 2);
    let answers = join_all(buyers.iter().map(|buyer| buyer.client.post(ORDERS, &body))).await;
    let (won, lost): (Vec<_>, Vec<_>) =
        buyers.iter().zip(answers).partition(|(_, answer)| answer.status == 201);
    assert_eq!(won.len(), 5);
    for (_, answer) in lost {
        answer.refused(409, "ticket_locked");
    }
    let mut given = BTreeSet::new();
    for (buyer, answer) in won {
        let order = answer.value();
        for seat in order["seats"].as_array().unwrap() {
            assert!(given.insert(seat.as_str().unwrap().to_owned()), "{seat} is given twice");
        }
        buyer.pays(&id(&order)).await.is(201);
    }
    assert_eq!(given, names.into_iter().collect());
    assert_eq!(world.status_of(&ticket).await, "Sold");
}

#[tokio::test(start_paused = true)]
async fn what_can_be_ordered_follows_the_rules_over_orders_cancellations_and_expiries() {
    let world = World::new().await;
    let (ana, ben, cem) =
        (world.seller("ana").await, world.buyer("ben").await, world.buyer("cem").await);
    let ticket = lists(&ana, json!({"quantity": 5})).await;
    assert_eq!(buyable(&world, &ticket).await, json!([1, 2, 3, 5]));
    let two = takes(&ben, &ticket, 2).await;
    assert_eq!(buyable(&world, &ticket).await, json!([1, 3]));
    let refused = cem.client.post(ORDERS, &some(&ticket, 2)).await;
    let refused = refused.refused(409, "quantity_unavailable").value();
    assert_eq!(refused["buyable"], json!([1, 3]));
    let one = takes(&cem, &ticket, 1).await;
    assert_eq!(buyable(&world, &ticket).await, json!([2]));
    ben.cancels(&id(&two)).await.is(204);
    assert_eq!(buyable(&world, &ticket).await, json!([1, 2, 4]));
    wait(seconds(901)).await;
    assert_eq!(cem.order(&id(&one)).await["cancelReason"], "expired");
    assert_eq!(buyable(&world, &ticket).await, json!([1, 2, 3, 5]));
    let smallest = ben.locks(&ticket).await;
    assert_eq!(ben.order(&smallest).await["quantity"], 1, "as few as can be had");
}

#[tokio::test(start_paused = true)]
async fn seats_with_names_are_given_side_by_side() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"seats": ["a", "b", "c", "d", "e"], "split": "any"})).await;
    let first = takes(&ben, &ticket, 2).await;
    let second = takes(&ben, &ticket, 1).await;
    assert_eq!(second["seats"], json!(["c"]));
    ben.cancels(&id(&first)).await.is(204);
    // Free are a, b, d and e.
    assert_eq!(buyable(&world, &ticket).await, json!([1, 2]));
    let refused = ben.client.post(ORDERS, &some(&ticket, 3)).await;
    refused.refused(409, "quantity_unavailable");
    assert_eq!(takes(&ben, &ticket, 1).await["seats"], json!(["a"]));
    assert_eq!(takes(&ben, &ticket, 2).await["seats"], json!(["d", "e"]), "the run that fits");
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_of_a_listing_is_told() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let long = "x".repeat(41);
    for (more, field, message) in [
        (json!({"quantity": 0}), "quantity", "quantity must be a whole number from 1 to 50"),
        (json!({"quantity": 51}), "quantity", "quantity must be a whole number from 1 to 50"),
        (json!({"quantity": 1.5}), "quantity", "quantity must be a whole number"),
        (json!({"quantity": "2"}), "quantity", "quantity must be a whole number"),
        (json!({"seats": []}), "seats", "seats must name a seat, or be null"),
        (json!({"seats": ["1", "1"]}), "seats", "seats must not repeat a name"),
        (
            json!({"seats": ["1", "2"], "quantity": 3}),
            "seats",
            "seats must name as many seats as quantity says",
        ),
        (json!({"seats": ["1", " "]}), "seats[1]", "seats[1] is required"),
        (json!({"seats": "1"}), "seats", "seats must be a list"),
        (
            json!({"split": "pairs", "quantity": 3}),
            "split",
            "split \"pairs\" needs an even quantity",
        ),
        (
            json!({"split": "none", "quantity": 13}),
            "split",
            "split leaves nothing to order, for one buyer may have at most 12 seats",
        ),
        (json!({"split": "some"}), "split", "split must be any, avoidOne, pairs or none"),
        (json!({"section": long}), "section", "section must be at most 40 characters"),
        (
            json!({"row": "a\u{202e}b"}),
            "row",
            "row must not contain control or bidirectional-override characters",
        ),
        (json!({"faceValue": -1}), "faceValue", "faceValue must be an amount of usd above 0"),
        (json!({"faceValue": 1.999}), "faceValue", "faceValue must be an amount of usd above 0"),
        (json!({"notes": "x".repeat(501)}), "notes", "notes must be at most 500 characters"),
    ] {
        let mut body = json!({"title": "Rock", "price": 10});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let faults = ana.client.post(TICKETS, &body).await.faults();
        assert_eq!(faults, [(field.to_owned(), message.to_owned())], "{more}");
    }
    let fifty: Vec<String> = (0..51).map(|seat| seat.to_string()).collect();
    let body = json!({"title": "Rock", "price": 10, "seats": fifty});
    let faults = ana.client.post(TICKETS, &body).await.faults();
    assert_eq!(faults, [("seats".to_owned(), "seats must name at most 50 seats".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_of_an_order_is_told() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"quantity": 20, "split": "any"})).await;
    for quantity in [json!(0), json!(51), json!(-1), json!(1.5), json!("2"), json!(null)] {
        let body = json!({"ticketId": ticket, "quantity": quantity});
        assert_eq!(ben.client.post(ORDERS, &body).await.faults().len(), 1, "{quantity}");
    }
    ben.client.post(ORDERS, &some(&ticket, 13)).await.refused(409, "too_many_seats");
    takes(&ben, &ticket, 12).await;
    let own = ana.client.post(ORDERS, &some(&ticket, 1)).await;
    own.refused(403, "own_ticket");
}

#[tokio::test(start_paused = true)]
async fn a_buyer_pays_the_total_that_was_shown_or_is_told_the_new_one() {
    let fixed = FeeRate { basis_points: 0, fixed_minor: 150 };
    let world = with_fees(fixed, FeeRate::default()).start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"quantity": 4, "split": "any"})).await;
    let body = |total: f64| json!({"ticketId": ticket, "quantity": 2, "expectedTotal": total});
    let refused = ben.client.post(ORDERS, &body(66.66)).await.refused(409, "price_changed").value();
    assert_eq!((refused["price"].clone(), refused["total"].clone()), (json!(33.33), json!(69.66)));
    let order = ben.client.post(ORDERS, &body(69.66)).await.created();
    assert_eq!(order["fee"], json!(3));
}

#[tokio::test(start_paused = true)]
async fn fees_are_those_of_the_moment_an_order_was_made() {
    let fixed = |fixed_minor| FeeRate { basis_points: 0, fixed_minor };
    let first = with_fees(fixed(100), FeeRate::default());
    let world = first.clone().start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let order = ben.locks(&ticket).await;
    let dearer = with_fees(fixed(500), FeeRate::default());
    let setup = world.killed();
    drop(world);
    let world = Setup { market: dearer.market, ..setup }.start().await;
    let (ana, ben) = (world.again(&ana), world.again(&ben));
    assert_eq!(ben.order(&order).await["total"], 41);
    assert_eq!(ben.pays(&order).await.created()["amount"], 4100);
    let other = shown(&world, &ana.lists("Jazz", 40).await).await;
    assert_eq!(other["total"], 45);
}

#[tokio::test(start_paused = true)]
async fn lists_are_narrowed_and_sorted_by_what_buyers_pay() {
    let tenth = FeeRate { basis_points: 1_000, fixed_minor: 0 };
    let world = with_fees(tenth, FeeRate::default()).start().await;
    let ana = world.seller("ana").await;
    for price in [10, 20, 30] {
        ana.lists("Rock", price).await;
    }
    let totals = |query: &str| {
        let (client, path) = (world.anyone(), format!("{TICKETS}?{query}"));
        async move {
            let found = client.get(&path).await.ok();
            found
                .as_array()
                .unwrap()
                .iter()
                .map(|ticket| ticket["total"].clone())
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(totals("minPrice=22&maxPrice=33&sort=price").await, [json!(22), json!(33)]);
    assert_eq!(totals("minPrice=22.01&maxPrice=32.99").await, [0_u8; 0].map(|_| json!(0)));
    assert_eq!(totals("maxPrice=11").await, [json!(11)]);
    assert_eq!(totals("sort=-price").await, [json!(33), json!(22), json!(11)]);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_in_the_lists_while_a_seat_of_it_is_free() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"quantity": 3, "split": "any"})).await;
    let count = |query: &'static str| {
        let client = world.anyone();
        async move { client.get(&format!("{TICKETS}{query}")).await.ok().as_array().unwrap().len() }
    };
    let two = takes(&ben, &ticket, 2).await;
    assert_eq!((count("").await, count("?q=rock").await, count("?sort=price").await), (1, 1, 1));
    let one = takes(&ben, &ticket, 1).await;
    assert_eq!((count("").await, count("?q=rock").await, count("?sort=price").await), (0, 0, 0));
    ben.cancels(&id(&one)).await.is(204);
    assert_eq!((count("").await, count("?q=rock").await, count("?sort=price").await), (1, 1, 1));
    ben.pays(&id(&two)).await.is(201);
    assert_eq!((count("").await, count("?q=rock").await), (1, 1));
    let last = takes(&ben, &ticket, 1).await;
    ben.pays(&id(&last)).await.is(201);
    assert_eq!((count("").await, count("?q=rock").await), (0, 0));
    let own = ana.client.get(&format!("{TICKETS}?seller=me")).await.ok();
    assert_eq!(own[0]["status"], "Sold");
}

#[tokio::test(start_paused = true)]
async fn a_seller_changes_the_price_of_what_is_left_and_not_its_seats() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"quantity": 4, "split": "any"})).await;
    let order = takes(&ben, &ticket, 1).await;
    let edited =
        ana.client.patch(&path(&ticket), &json!({"price": 50, "split": "none"})).await.ok();
    assert_eq!((edited["price"].clone(), edited["buyable"].clone()), (json!(50), json!([3])));
    assert_eq!(ben.order(&id(&order)).await["total"], 33.33, "what was ordered costs what it did");
    let more = json!({"quantity": 6});
    ana.client.patch(&path(&ticket), &more).await.refused(409, "ticket_locked");
    ben.pays(&id(&order)).await.is(201);
    ana.client.patch(&path(&ticket), &more).await.refused(409, "ticket_sold");
    let put = json!({"title": "Jazz", "price": 60});
    let put = ana.client.put(&path(&ticket), &put).await.ok();
    assert_eq!((put["quantity"].clone(), put["split"].clone()), (json!(4), json!("none")));
    let free = lists(&ana, json!({"quantity": 4})).await;
    let grown = ana.client.patch(&path(&free), &json!({"seats": ["1", "2"]})).await.ok();
    assert_eq!((grown["quantity"].clone(), grown["buyable"].clone()), (json!(2), json!([2])));
    let odd = ana.client.patch(&path(&free), &json!({"quantity": 3})).await.faults();
    assert_eq!(odd[0].0, "seats");
    let single = ana.client.patch(&path(&free), &json!({"seats": null, "quantity": 1})).await.ok();
    assert_eq!(single["buyable"], json!([1]));
    ben.locks(&free).await;
}

#[tokio::test(start_paused = true)]
async fn withdrawing_with_seats_sold_closes_the_rest() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"quantity": 4, "split": "any"})).await;
    let order = takes(&ben, &ticket, 1).await;
    ana.client.delete(&path(&ticket)).await.refused(409, "ticket_locked");
    ben.pays(&id(&order)).await.is(201);
    ana.client.delete(&path(&ticket)).await.is(204);
    let closed = shown(&world, &ticket).await;
    assert_eq!(
        (closed["status"].clone(), closed["closedReason"].clone()),
        (json!("Closed"), json!("withdrawn"))
    );
    assert_eq!(closed["buyable"], json!([]));
    ben.client.post(ORDERS, &some(&ticket, 1)).await.refused(409, "ticket_closed");
    ana.client.patch(&path(&ticket), &json!({"price": 1})).await.refused(409, "ticket_closed");
    ana.client.delete(&path(&ticket)).await.is(204);
    assert_eq!(world.anyone().get(TICKETS).await.ok(), json!([]));
    assert!(world.events().await.ends_with(&["TicketClosed"]));
    assert_eq!(ben.order(&id(&order)).await["status"], "Completed", "what was sold stands");
    let unsold = lists(&ana, json!({"quantity": 4})).await;
    ana.client.delete(&path(&unsold)).await.is(204);
    world.anyone().get(&path(&unsold)).await.refused(404, "not_found");
}

#[test]
fn seats_are_whose_they_were_after_a_crash_and_the_file_verifies() {
    let setup = Setup::default();
    let (killed, people, ticket, orders) = live(async {
        let world = setup.start().await;
        let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
        let ticket = lists(&ana, json!({"seats": ["1", "2", "3", "4", "5"], "split": "any"})).await;
        let held = id(&takes(&ben, &ticket, 2).await);
        let sold = id(&takes(&ben, &ticket, 1).await);
        ben.pays(&sold).await.is(201);
        let ended = id(&takes(&ben, &ticket, 1).await);
        ben.cancels(&ended).await.is(204);
        (world.killed(), (ana, ben), ticket, (held, sold))
    });
    live(async {
        let world = killed.start().await;
        world.verifies();
        let ben = world.again(&people.1);
        let left = shown(&world, &ticket).await;
        assert_eq!((left["available"].clone(), left["buyable"].clone()), (json!(2), json!([1, 2])));
        assert_eq!(ben.order(&orders.0).await["seats"], json!(["1", "2"]));
        assert_eq!(ben.order(&orders.1).await["seats"], json!(["3"]));
        wait(seconds(901)).await;
        assert_eq!(ben.order(&orders.0).await["cancelReason"], "expired");
        assert_eq!(shown(&world, &ticket).await["available"], 4);
        assert_eq!(takes(&ben, &ticket, 2).await["seats"], json!(["1", "2"]));
        world.verifies();
    });
}

#[tokio::test(start_paused = true)]
async fn open_orders_of_one_ticket_count_among_the_buyers_own() {
    let market = MarketSettings { max_open_per_user: 2, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({"quantity": 5, "split": "any"})).await;
    takes(&ben, &ticket, 1).await;
    let second = takes(&ben, &ticket, 1).await;
    ben.client.post(ORDERS, &some(&ticket, 1)).await.refused(429, "too_many_holds");
    ben.cancels(&id(&second)).await.is(204);
    takes(&ben, &ticket, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_storefront_is_told_the_fees_before_anything_is_listed() {
    let rate = |basis_points, fixed_minor| FeeRate { basis_points, fixed_minor };
    let world = with_fees(rate(1000, 150), rate(500, 0)).start().await;
    let told = world.anyone().get("/api/config").await.ok()["fees"].clone();
    let rates = json!({
        "buyerBasisPoints": 1000, "buyerFixed": 1.5, "sellerBasisPoints": 500, "sellerFixed": 0,
    });
    assert_eq!(told, rates);
}
