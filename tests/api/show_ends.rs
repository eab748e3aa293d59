//! The end of a show's sales: at its start, wherever that moves, and when it is cancelled.

use gittix::actors::MarketSettings;
use gittix::actors::operators::{Role, set_role};
use gittix::domain::Email;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World};

const TICKETS: &str = "/api/tickets";
const SHOWS: &str = "/api/shows";

/// Twelve minutes after the world begins.
const SOON: &str = "2026-11-22T04:06:00Z";

async fn becomes_operator(world: &World, who: &Person) {
    let email = Email::parse(&who.email).unwrap();
    assert_eq!(set_role(&*world.store, &email, Role::Operator, world.now()).await, Ok(true));
}

async fn adds_show(who: &Person, starts_at: &str) -> String {
    let venue = json!({
        "name": "Waldbühne", "city": "Berlin", "country": "DE", "timeZone": "Europe/Berlin",
    });
    let venue = id(&who.client.post("/api/venues", &venue).await.created());
    let show = json!({
        "name": "Rigoletto", "category": "theatre", "venueId": venue, "startsAt": starts_at,
    });
    id(&who.client.post(SHOWS, &show).await.created())
}

async fn lists(seller: &Person, show: &str, more: Value) -> String {
    let mut body = json!({"showId": show, "price": 40});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&seller.client.post(TICKETS, &body).await.created())
}

async fn shown(world: &World, ticket: &str) -> (String, Value) {
    let ticket = world.anyone().get(&format!("{TICKETS}/{ticket}")).await.ok();
    (ticket["status"].as_str().unwrap().to_owned(), ticket["closedReason"].clone())
}

fn closed(reason: &str) -> (String, Value) {
    ("Closed".to_owned(), json!(reason))
}

async fn on_sale(world: &World, show: &str) -> Value {
    world.anyone().get(&format!("{SHOWS}/{show}")).await.ok()["listings"]["available"].clone()
}

#[tokio::test(start_paused = true)]
async fn tickets_close_when_their_show_starts_by_themselves() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let show = adds_show(&ana, SOON).await;
    let one = lists(&ana, &show, json!({})).await;
    let held = lists(&ana, &show, json!({})).await;
    let four = lists(&ana, &show, json!({"seats": ["1", "2", "3", "4"]})).await;
    let order = ben.locks(&held).await;
    let two = json!({"ticketId": four, "quantity": 2});
    let two = id(&ben.client.post("/api/orders", &two).await.created());
    ben.pays(&two).await.is(201);
    wait(seconds(60)).await;
    assert_eq!(on_sale(&world, &show).await, 3);
    wait(seconds(12 * 60)).await;
    for ticket in [&one, &held, &four] {
        assert_eq!(shown(&world, ticket).await, closed("show_over"));
    }
    assert_eq!(ben.order(&order).await["cancelReason"], "expired", "no hold outlives the start");
    assert_eq!(on_sale(&world, &show).await, 0);
    let listed = world.anyone().get(&format!("{TICKETS}?show={show}")).await.ok();
    assert_eq!(listed, json!([]));
    ben.tries_to_lock(&one).await.refused(409, "show_over");
    let edit = json!({"price": 50});
    ana.client.patch(&format!("{TICKETS}/{one}"), &edit).await.refused(409, "ticket_closed");
    ana.client.delete(&format!("{TICKETS}/{one}")).await.is(204);
    world.anyone().get(&format!("{TICKETS}/{one}")).await.is(404);
    let closed = world.events().await.into_iter().filter(|event| *event == "TicketClosed");
    assert_eq!(closed.count(), 3, "each is told once");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_show_that_moves_takes_the_end_of_its_sales_along_over_a_restart() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    becomes_operator(&world, &ana).await;
    let (later, earlier) = (adds_show(&ana, SOON).await, adds_show(&ana, SOON).await);
    let (one, other) =
        (lists(&ana, &later, json!({})).await, lists(&ana, &earlier, json!({})).await);
    let path = |show: &str| format!("{SHOWS}/{show}/postpone");
    ana.client.post(&path(&later), &json!({})).await.is(200);
    let sooner = json!({"startsAt": "2026-11-22T03:56:00Z"});
    ana.client.patch(&format!("{SHOWS}/{earlier}"), &sooner).await.is(200);
    wait(seconds(4 * 60)).await;
    assert_eq!(shown(&world, &other).await, closed("show_over"));
    wait(seconds(60 * 60)).await;
    assert_eq!(shown(&world, &one).await.0, "Available", "nobody knows when it starts");
    ana.client.post(&path(&later), &json!({"startsAt": "2026-11-22T06:00:00Z"})).await.is(200);
    let at = world.now().plus(seconds(2 * 60 * 60));
    let world = Setup { at, ..world.killed() }.start().await;
    wait(seconds(1)).await;
    assert_eq!(shown(&world, &one).await, closed("show_over"), "the server was down");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_show_that_is_cancelled_ends_what_is_open_and_pays_back_what_was_paid_once() {
    let market = MarketSettings { max_open_per_user: 100, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ben, cleo) =
        (world.seller("ana").await, world.buyer("ben").await, world.buyer("cleo").await);
    let show = adds_show(&ana, "2026-12-24T20:00:00Z").await;
    let (mut paid, mut open, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..70 {
        let buyer = if number % 2 == 0 { &ben } else { &cleo };
        let ticket = lists(&ana, &show, json!({})).await;
        match number {
            0..12 => {
                let order = buyer.locks(&ticket).await;
                buyer.pays(&order).await.is(201);
                paid.push((buyer, order, ticket));
            }
            12..16 => open.push((buyer, buyer.locks(&ticket).await, ticket)),
            _ => free.push(ticket),
        }
    }
    let elsewhere = ana.lists("Rock", 40).await;
    let path = format!("{SHOWS}/{show}/cancel");
    let why = json!({"reason": "The singer is ill."});
    ana.client.post(&path, &why).await.refused(403, "not_operator");
    becomes_operator(&world, &ana).await;
    let faults = ana.client.post(&path, &json!({})).await.refused(400, "validation_failed");
    assert_eq!(faults.faults()[0].0, "reason");
    let answer = ana.client.post(&path, &why).await.ok();
    assert_eq!(
        (&answer["status"], &answer["listings"]["available"]),
        (&json!("Cancelled"), &json!(0))
    );
    ben.tries_to_lock(&free[0]).await.refused(409, "show_cancelled");
    wait(seconds(30)).await;
    for (buyer, order, ticket) in &paid {
        let order = buyer.order(order).await;
        assert_eq!(
            (&order["status"], &order["charge"]["refundStatus"]),
            (&json!("Completed"), &json!("succeeded"))
        );
        assert_eq!(shown(&world, ticket).await.0, "Sold", "it does not return to sale");
    }
    for (buyer, order, ticket) in &open {
        let order = buyer.order(order).await;
        assert_eq!(
            (&order["status"], &order["cancelReason"]),
            (&json!("Cancelled"), &json!("show_cancelled"))
        );
        assert_eq!(shown(&world, ticket).await, closed("show_cancelled"));
    }
    for ticket in &free {
        assert_eq!(shown(&world, ticket).await, closed("show_cancelled"));
    }
    let refunds = world.events().await.into_iter().filter(|event| *event == "ChargeRefunded");
    assert_eq!(refunds.count(), paid.len());
    assert_eq!(shown(&world, &elsewhere).await.0, "Available");
    let again = ana.client.post(&path, &why).await.ok();
    assert_eq!(again["version"], answer["version"], "once is enough");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_was_cut_short_goes_on_after_a_restart() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    becomes_operator(&world, &ana).await;
    let show = adds_show(&ana, "2026-12-24T20:00:00Z").await;
    let (sold, held) = (lists(&ana, &show, json!({})).await, lists(&ana, &show, json!({})).await);
    let paid = ben.locks(&sold).await;
    ben.pays(&paid).await.is(201);
    let open = ben.locks(&held).await;
    let path = format!("{SHOWS}/{show}/cancel");
    ana.client.post(&path, &json!({"reason": "Rain."})).await.ok();
    let world = world.killed().start().await;
    let ben = world.again(&ben);
    wait(seconds(5)).await;
    assert_eq!(ben.order(&paid).await["charge"]["refundStatus"], "succeeded");
    assert_eq!(ben.order(&open).await["cancelReason"], "show_cancelled");
    assert_eq!(shown(&world, &held).await, closed("show_cancelled"));
    let refunds = world.events().await.into_iter().filter(|event| *event == "ChargeRefunded");
    assert_eq!(refunds.count(), 1);
    world.verifies();
}
