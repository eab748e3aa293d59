//! Locking a ticket, looking at one's orders, giving a ticket back.

use axum::http::Method;
use gittix::actors::MarketSettings;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Setup, World};

const ORDERS: &str = "/api/orders";

#[tokio::test(start_paused = true)]
async fn a_new_order_looks_like_the_contract_says() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 25.5).await;
    let body = json!({"ticketId": ticket, "userId": ana.id, "status": "Completed", "price": 1});
    let answer = ben.client.post(ORDERS, &body).await.is(201);
    let order = answer.value();
    let expected = json!({
        "id": order["id"], "userId": ben.id, "status": "Created", "ticketId": ticket,
        "expiresAt": world.now().plus(seconds(900)).to_string(),
        "ticket": {
            "id": ticket, "title": "Rock", "price": 25.5, "section": null, "row": null,
            "notes": null, "show": null,
        },
        "price": 25.5, "quantity": 1, "seats": null, "fee": 0, "total": 25.5, "currency": "usd", "cancelReason": null, "charge": null, "version": 0,
        "createdAt": world.now().to_string(),
    });
    assert_eq!(order, expected);
    assert_eq!(answer.header("location"), format!("{ORDERS}/{}", id(&order)));
    assert_eq!(answer.header("etag"), "\"0\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(ben.order(&id(&order)).await, expected);
    assert_eq!(world.events().await[3..], ["OrderCreated", "TicketUpdated"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_refused_for_each_documented_reason() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cleo = world.buyer("cleo").await;
    let ticket = ana.lists("Rock", 40).await;
    for body in [
        json!({}),
        json!({"ticketId": null}),
        json!({"ticketId": 5}),
        json!({"ticketId": "x"}),
        json!({"ticketId": "order_00000000000000000000000000"}),
    ] {
        let faults = ben.client.post(ORDERS, &body).await.faults();
        assert_eq!(faults[0].0, "ticketId", "{body}");
    }
    ben.tries_to_lock("ticket_00000000000000000000000000").await.refused(404, "not_found");
    ana.tries_to_lock(&ticket).await.refused(403, "own_ticket");
    let order = ben.locks(&ticket).await;
    ana.tries_to_lock(&ticket).await.refused(403, "own_ticket");
    wait(seconds(100)).await;
    for person in [&ben, &cleo] {
        let refused = person.tries_to_lock(&ticket).await.refused(409, "ticket_locked");
        assert_eq!(refused.header("retry-after"), "800");
    }
    ben.pays(&order).await.is(201);
    for person in [&ben, &cleo] {
        let refused = person.tries_to_lock(&ticket).await.refused(409, "ticket_sold");
        assert_eq!(refused.header("retry-after"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_holds_more_than_the_allowed_number_of_unpaid_orders() {
    let market = MarketSettings { max_open_per_user: 3, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let mut tickets = Vec::new();
    for number in 0..8 {
        tickets.push(ana.lists(&format!("Ticket {number}"), 40).await);
    }
    let attempts = tickets.iter().map(|ticket| ben.tries_to_lock(ticket));
    let answers = futures_util::future::join_all(attempts).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 3, "not even at once");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.clone().refused(429, "too_many_holds");
    }
    // A ticket that is refused this way is nobody's.
    let lost = answers.iter().position(|answer| answer.status == 429).unwrap();
    assert_eq!(world.status_of(&tickets[lost]).await, "Available");
    // Paying and cancelling both make room.
    let order = id(&won[0].value());
    ben.pays(&order).await.is(201);
    let order = ben.locks(&tickets[lost]).await;
    ben.cancels(&order).await.is(204);
    ben.locks(&tickets[lost]).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_at_another_price_than_was_shown_is_refused_with_the_price_now() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let ask = |price: Value| {
        let body = json!({"ticketId": ticket, "expectedPrice": price});
        let client = ben.client.clone();
        async move { client.post(ORDERS, &body).await }
    };
    ana.client.patch(&format!("/api/tickets/{ticket}"), &json!({"price": 42.5})).await.is(200);
    for price in [json!(40), json!(42), json!("40")] {
        let refused = ask(price).await.refused(409, "price_changed");
        assert_eq!(refused.value()["price"], json!(42.5));
    }
    for wrong in [json!("abc"), json!(1.999), json!(0), json!(true)] {
        assert_eq!(ask(wrong.clone()).await.faults()[0].0, "expectedPrice", "{wrong}");
    }
    assert_eq!(world.status_of(&ticket).await, "Available");
    ask(json!("42.50")).await.created();
    // Whoever holds it is more to the point than what it costs.
    ask(json!(40)).await.refused(409, "ticket_locked");
}

#[tokio::test(start_paused = true)]
async fn ones_own_hold_is_named_and_a_strangers_is_not() {
    let world = World::new().await;
    let (ben, cleo) = (world.buyer("ben").await, world.buyer("cleo").await);
    let ticket = world.ticket().await;
    let order = ben.locks(&ticket).await;
    let refused = ben.tries_to_lock(&ticket).await.refused(409, "ticket_locked");
    assert_eq!(refused.value()["orderId"], json!(order));
    assert_eq!(refused.header("retry-after"), "900");
    let refused = cleo.tries_to_lock(&ticket).await.refused(409, "ticket_locked");
    assert_eq!(refused.value().get("orderId"), None);
}

#[tokio::test(start_paused = true)]
async fn who_lets_go_of_a_ticket_again_and_again_waits_while_others_may_have_it() {
    let market = MarketSettings { hold: seconds(160), ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ben, cleo) = (world.buyer("ben").await, world.buyer("cleo").await);
    let (ticket, other) = (world.ticket().await, world.ticket().await);
    // Twice at once again, by giving it back or by letting the time run out.
    let order = ben.locks(&ticket).await;
    ben.cancels(&order).await.is(204);
    ben.locks(&ticket).await;
    wait(seconds(161)).await;
    let order = ben.locks(&ticket).await;
    ben.cancels(&order).await.is(204);
    for pause in ["10", "20", "40", "80", "160", "160"] {
        let refused = ben.tries_to_lock(&ticket).await.refused(429, "too_many_holds");
        assert_eq!(refused.header("retry-after"), pause);
        wait(seconds(pause.parse().unwrap())).await;
        let order = ben.locks(&ticket).await;
        ben.cancels(&order).await.is(204);
    }
    // Neither another buyer nor another ticket is concerned.
    let order = cleo.locks(&ticket).await;
    ben.locks(&other).await;
    cleo.cancels(&order).await.is(204);
    // Long after, all is forgotten.
    wait(seconds(9 * 160)).await;
    ben.locks(&ticket).await;
}

#[tokio::test(start_paused = true)]
async fn the_price_is_frozen_when_the_order_is_made() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let order = ben.locks(&ticket).await;
    ben.cancels(&order).await.is(204);
    let body = json!({"title": "Jazz", "price": 90});
    ana.client.put(&format!("/api/tickets/{ticket}"), &body).await.is(200);
    let shown = ben.order(&order).await;
    assert_eq!((&shown["price"], &shown["ticket"]["price"]), (&json!(40), &json!(40)));
    assert_eq!(shown["ticket"]["title"], "Rock");
    ana.client.delete(&format!("/api/tickets/{ticket}")).await.is(204);
    assert_eq!(ben.order(&order).await, shown);
}

#[tokio::test(start_paused = true)]
async fn an_order_is_its_buyers_alone() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cleo = world.buyer("cleo").await;
    let order = ben.locks(&ana.lists("Rock", 40).await).await;
    for other in [&ana, &cleo] {
        let path = format!("{ORDERS}/{order}");
        other.client.get(&path).await.refused(404, "not_found");
        other.client.delete(&path).await.refused(404, "not_found");
        other.pays(&order).await.refused(404, "not_found");
        assert_eq!(other.client.get(ORDERS).await.ok(), json!([]));
    }
    for unknown in ["order_00000000000000000000000000", "x", "ticket_00000000000000000000000000"] {
        let path = format!("{ORDERS}/{unknown}");
        ben.client.get(&path).await.refused(404, "not_found");
        ben.client.delete(&path).await.refused(404, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_gives_the_ticket_back_before_it_is_answered_and_again_is_fine() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let answer = ben.cancels(&order).await.is(204);
    assert!(answer.body.is_empty());
    let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
    assert_eq!((&shown["status"], &shown["orderId"]), (&json!("Available"), &Value::Null));
    let shown = ben.order(&order).await;
    assert_eq!((&shown["status"], &shown["cancelReason"]), (&json!("Cancelled"), &json!("buyer")));
    assert_eq!(shown["version"], 1);
    ben.cancels(&order).await.is(204);
    assert_eq!(ben.order(&order).await["version"], 1);
    assert_eq!(world.events().await[5..], ["OrderCancelled", "TicketUpdated"]);
}

#[tokio::test(start_paused = true)]
async fn a_paid_order_can_not_be_cancelled() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    ben.pays(&order).await.is(201);
    ben.cancels(&order).await.refused(409, "order_completed");
    assert_eq!(world.status_of(&ticket).await, "Sold");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_has_not_changed_is_304() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let path = format!("{ORDERS}/{order}");
    let ask = [("if-none-match", "\"0\"")];
    ben.client.bare(Method::GET, &path, &ask).await.is(304);
    ben.cancels(&order).await.is(204);
    let answer = ben.client.bare(Method::GET, &path, &ask).await.is(200);
    assert_eq!(answer.header("etag"), "\"1\"");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_has_changed_is_not_cancelled_by_those_who_do_not_know() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let path = format!("{ORDERS}/{order}");
    let stale = ben.client.bare(Method::DELETE, &path, &[("if-match", "\"7\"")]).await;
    stale.refused(412, "precondition_failed");
    assert_eq!(ben.order(&order).await["status"], "Created");
    ben.client.bare(Method::DELETE, &path, &[("if-match", "\"0\"")]).await.is(204);
}
