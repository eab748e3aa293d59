//! Two servers of one marketplace on the same rows.
//!
//! Nothing is sold, paid or held twice, what one of them has changed the other knows at once, and what
//! one leaves undone the other does.

use axum::http::Method;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::world::{seconds, wait};
use crate::support::{Answer, Person, Setup, World};

/// The same person, served by another node.
fn at(world: &World, person: &Person) -> Person {
    world.again(person)
}

async fn keyed(person: &Person, path: &str, key: &str, body: &Value) -> Answer {
    person.client.json(Method::POST, path, body, &[("idempotency-key", key)]).await
}

#[tokio::test(start_paused = true)]
async fn whichever_is_asked_one_buyer_gets_the_ticket() {
    let (one, two) = Setup::default().start_two().await;
    let ticket = one.ticket().await;
    let mut buyers = Vec::new();
    for number in 0..60 {
        let buyer = one.buyer(&format!("buyer{number}")).await;
        buyers.push(if number % 2 == 0 { buyer } else { at(&two, &buyer) });
    }
    let answers = join_all(buyers.iter().map(|buyer| buyer.tries_to_lock(&ticket))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.clone().refused(409, "ticket_locked");
    }
    for world in [&one, &two] {
        let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
        assert_eq!(shown["orderId"], won[0].value()["id"]);
    }
    let orders = one.events().await.into_iter().filter(|name| *name == "OrderCreated");
    assert_eq!(orders.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whichever_is_asked_an_order_is_paid_once() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let order = ben.locks(&one.ticket().await).await;
    let there = at(&two, &ben);
    let asked = (0..20).map(|number| if number % 2 == 0 { &ben } else { &there });
    let answers = join_all(asked.map(|ben| ben.pays(&order))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    wait(seconds(120)).await;
    assert_eq!(one.gateway.captures_and_refunds(), (1, 0));
    assert_eq!(ben.order(&order).await["status"], "Completed");
    assert_eq!(there.order(&order).await["status"], "Completed");
}

#[tokio::test(start_paused = true)]
async fn whichever_is_asked_a_limit_of_open_orders_holds() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let there = at(&two, &ben);
    let mut tickets = Vec::new();
    for _ in 0..24 {
        tickets.push(one.ticket().await);
    }
    let asked = tickets.iter().enumerate().map(|(number, ticket)| {
        if number % 2 == 0 { ben.tries_to_lock(ticket) } else { there.tries_to_lock(ticket) }
    });
    let answers = join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_order_expires_whichever_has_made_it() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let (here, there) = (one.ticket().await, one.ticket().await);
    ben.locks(&here).await;
    at(&two, &ben).locks(&there).await;
    wait(seconds(901)).await;
    for world in [&one, &two] {
        assert_eq!(world.status_of(&here).await, "Available");
        assert_eq!(world.status_of(&there).await, "Available");
    }
    let expired = one.events().await.into_iter().filter(|name| *name == "OrderExpired");
    assert_eq!(expired.count(), 2);
}

/// What a server remembers is no reason to refuse what another has changed.
#[tokio::test(start_paused = true)]
async fn what_one_lets_go_of_the_other_gives_at_once() {
    let (one, two) = Setup::default().start_two().await;
    let (ana, ben, cem) = (one.seller("ana").await, one.buyer("ben").await, one.buyer("cem").await);
    let ticket = ana.lists("Rock", 40).await;
    for _ in 0..3 {
        let order = ben.locks(&ticket).await;
        assert_eq!(at(&two, &ben).cancels(&order).await.status, 204);
        let order = cem.locks(&ticket).await;
        at(&two, &ben).tries_to_lock(&ticket).await.refused(409, "ticket_locked");
        assert_eq!(at(&two, &cem).cancels(&order).await.status, 204);
        assert_eq!(cem.cancels(&order).await.status, 204);
        assert_eq!(at(&two, &cem).order(&order).await["status"], "Cancelled");
    }
    let edit = json!({"title": "Rock", "price": 41});
    for person in [at(&two, &ana), ana.clone(), at(&two, &ana)] {
        let path = format!("/api/tickets/{ticket}");
        assert_eq!(person.client.put(&path, &edit).await.status, 200);
    }
}

/// Only one of them asks the gateway, and it is not always the one that the buyer asked.
#[tokio::test(start_paused = true)]
async fn a_buyer_is_answered_whichever_asks_the_gateway() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    for person in [ben.clone(), at(&two, &ben)] {
        let order = person.locks(&one.ticket().await).await;
        let charge = person.pays(&order).await.created();
        assert_eq!(charge["status"], "Completed");
        let declined = person.locks(&one.ticket().await).await;
        person.pays_with(&declined, "pm_card_chargeDeclined").await.refused(402, "payment_failed");
    }
    assert_eq!(one.gateway.captures_and_refunds(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_one_leaves_behind_the_other_takes_over() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let (lost, paid) = (one.ticket().await, one.ticket().await);
    ben.locks(&lost).await;
    let there = at(&two, &ben);
    let order = ben.locks(&paid).await;
    one.app.market.stop().await;
    wait(seconds(2)).await;
    assert_eq!(there.pays(&order).await.created()["status"], "Completed");
    wait(seconds(899)).await;
    assert_eq!(two.status_of(&lost).await, "Available");
    assert_eq!(two.status_of(&paid).await, "Sold");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_ended_everywhere() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let there = at(&two, &ben);
    there.client.get("/api/orders").await.ok();
    ben.client.post("/api/users/signout", &json!({})).await.ok();
    assert_eq!(there.client.get("/api/orders").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_key_means_one_request_whichever_is_asked() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let there = at(&two, &ben);
    let body = json!({"ticketId": one.ticket().await});
    let asked = (0..6).map(|number| {
        let person = if number % 2 == 0 { &ben } else { &there };
        keyed(person, "/api/orders", "one-key", &body)
    });
    let answers = join_all(asked).await;
    for answer in &answers {
        assert!(
            answer.status == 201 || answer.value()["code"] == "idempotency_in_progress",
            "{answer:?}"
        );
    }
    let first = keyed(&ben, "/api/orders", "one-key", &body).await.created();
    let again = keyed(&there, "/api/orders", "one-key", &body).await.created();
    assert_eq!(first, again);
    assert_eq!(ben.client.get("/api/orders").await.ok().as_array().map(Vec::len), Some(1));
    // A payment that one has begun is not answered by another before that one could.
    let pay = json!({"orderId": first["id"], "token": "tok_visa"});
    let (here, other) =
        (keyed(&ben, "/api/payments", "two", &pay), keyed(&there, "/api/payments", "two", &pay));
    let (here, other) = join(here, other).await;
    for answer in [&here, &other] {
        assert!(
            answer.status == 201 || answer.value()["code"] == "idempotency_in_progress",
            "{answer:?}"
        );
    }
    wait(seconds(1)).await;
    let first = keyed(&ben, "/api/payments", "two", &pay).await.created();
    assert_eq!(keyed(&there, "/api/payments", "two", &pay).await.created(), first);
    assert_eq!(one.gateway.captures_and_refunds(), (1, 0));
}

/// Whether somebody is refused a ticket because of what a server remembers.
async fn remembers_a_lock(setup: Setup) -> bool {
    let (one, two) = setup.start_two().await;
    let (ben, cem) = (one.buyer("ben").await, one.buyer("cem").await);
    let ticket = one.ticket().await;
    for _ in 0..4 {
        let order = ben.locks(&ticket).await;
        at(&two, &ben).cancels(&order).await;
        let again = cem.tries_to_lock(&ticket).await;
        if again.status != 201 {
            return true;
        }
        let order = again.value()["id"].as_str().unwrap().to_owned();
        at(&two, &cem).cancels(&order).await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_for_what_a_server_remembers() {
    let mut setup = Setup::default();
    setup.market.relock_free = u32::MAX;
    assert!(!remembers_a_lock(setup).await);
}

/// The test above has teeth.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test(start_paused = true)]
async fn a_refusal_for_what_is_remembered_is_noticed() {
    gittix::bugs::plant(Some(gittix::bugs::Bug::RememberedRefusal));
    let mut setup = Setup::default();
    setup.market.relock_free = u32::MAX;
    let is_refused = remembers_a_lock(setup).await;
    gittix::bugs::plant(None);
    assert!(is_refused);
}
