//! `Idempotency-Key`: what is repeated is answered again, not done again.

use axum::http::Method;
use gittix::actors::MarketSettings;
use gittix::auth::LimitSettings;
use gittix::domain::GatewayStep;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::faults::{Mishap, Target};
use crate::support::world::{seconds, wait};
use crate::support::{Answer, Fault, Person, Setup, World, live};

const DAY: u64 = 24 * 3600;

async fn post(person: &Person, path: &str, key: &str, body: &Value) -> Answer {
    person.client.json(Method::POST, path, body, &[("idempotency-key", key)]).await
}

/// The second answer is the first one again.
fn replays(second: &Answer, first: &Answer) {
    assert_eq!(second.status, first.status, "{}", second.text());
    assert_eq!(second.body, first.body);
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(first.header("idempotency-replayed"), "");
    for name in ["content-type", "location", "etag", "retry-after", "cache-control"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_gets_the_first_answer_byte_for_byte() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = json!({"title": "Rock", "price": 19.99});
    let first = post(&ana, "/api/tickets", "k1", &ticket).await.is(201);
    wait(seconds(60)).await;
    let listing = id(&first.value());
    ana.client.patch(&format!("/api/tickets/{listing}"), &json!({"price": 5})).await.is(200);
    replays(&post(&ana, "/api/tickets", "k1", &ticket).await, &first);

    let order = json!({"ticketId": listing});
    let first = post(&ben, "/api/orders", "k1", &order).await.is(201);
    replays(&post(&ben, "/api/orders", "k1", &order).await, &first);

    let payment = json!({"orderId": id(&first.value()), "token": "tok_visa"});
    let first = post(&ben, "/api/payments", "k2", &payment).await.is(201);
    for _ in 0..3 {
        replays(&post(&ben, "/api/payments", "k2", &payment).await, &first);
    }
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    assert_eq!(ana.client.get("/api/tickets?seller=me").await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_as_well() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cleo = world.buyer("cleo").await;
    let listing = ana.lists("Rock", 40).await;
    let held = cleo.locks(&listing).await;
    let order = json!({"ticketId": listing});
    let first = post(&ben, "/api/orders", "k1", &order).await.refused(409, "ticket_locked");
    cleo.cancels(&held).await.is(204);
    wait(seconds(10)).await;
    replays(&post(&ben, "/api/orders", "k1", &order).await, &first);
    post(&ben, "/api/orders", "k2", &order).await.is(201);

    let bad = json!({"title": "", "price": 1});
    let first = post(&ana, "/api/tickets", "k3", &bad).await.refused(400, "validation_failed");
    replays(&post(&ana, "/api/tickets", "k3", &bad).await, &first);

    let unknown = json!({"ticketId": "ticket_00000000000000000000000000"});
    let first = post(&ben, "/api/orders", "k4", &unknown).await.refused(404, "not_found");
    replays(&post(&ben, "/api/orders", "k4", &unknown).await, &first);

    let declined = cleo.locks(&ana.lists("Jazz", 40).await).await;
    let payment = json!({"orderId": declined, "token": "tok_chargeDeclined"});
    let first = post(&cleo, "/api/payments", "k5", &payment).await.refused(402, "payment_failed");
    replays(&post(&cleo, "/api/payments", "k5", &payment).await, &first);
}

#[tokio::test(start_paused = true)]
async fn a_202_is_replayed_as_it_was_even_after_the_charge_has_moved_on() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let payment = json!({"orderId": order, "token": "tok_authenticationRequired"});
    let first = post(&ben, "/api/payments", "k1", &payment).await.is(202);
    world.gateway.buyer_authenticates();
    wait(seconds(120)).await;
    assert_eq!(ben.order(&order).await["status"], "Completed");
    replays(&post(&ben, "/api/payments", "k1", &payment).await, &first);
}

#[tokio::test(start_paused = true)]
async fn a_key_means_one_body_and_one_path() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let ticket = json!({"title": "Rock", "price": 19.99});
    post(&ana, "/api/tickets", "k1", &ticket).await.is(201);
    let other = json!({"title": "Rock", "price": 20});
    post(&ana, "/api/tickets", "k1", &other).await.refused(422, "idempotency_key_reused");
    for path in ["/api/orders", "/api/payments"] {
        post(&ana, path, "k1", &ticket).await.refused(422, "idempotency_key_reused");
    }
    // Keys are a user's own.
    let ben = world.person("ben").await;
    let answer = post(&ben, "/api/tickets", "k1", &other).await.is(201);
    assert_eq!(answer.header("idempotency-replayed"), "");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_one_to_255_visible_characters() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = json!({"title": "Rock", "price": 19.99});
    let longest = "k".repeat(255);
    for key in ["k", "!", "~a-b_c:d", longest.as_str()] {
        post(&ana, "/api/tickets", key, &body).await.is(201);
    }
    let too_long = "k".repeat(256);
    for key in ["a b", "a\tb", "é", too_long.as_str()] {
        post(&ana, "/api/tickets", key, &body).await.refused(400, "bad_request");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let answer = ana.client.json(Method::POST, "/api/tickets", &body, &twice).await;
    answer.refused(400, "bad_request");
    let request = ana.client.request(Method::POST, "/api/tickets");
    let request = request.header("content-type", "application/json").header("idempotency-key", "");
    let answer = ana.client.send(request.body(body.to_string().into()).unwrap()).await;
    answer.refused(400, "bad_request");
}

#[tokio::test(start_paused = true)]
async fn while_the_first_is_in_progress_its_twin_is_told_so() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let payment = json!({"orderId": order, "token": "tok_visa"});
    world.gateway.next(GatewayStep::Confirm, Fault::AnswersAfter(seconds(5)));
    let first = {
        let (ben, payment) = (ben.clone(), payment.clone());
        tokio::spawn(async move { post(&ben, "/api/payments", "k1", &payment).await })
    };
    wait(seconds(1)).await;
    let twin = post(&ben, "/api/payments", "k1", &payment).await;
    twin.refused(409, "idempotency_in_progress");
    let other = json!({"orderId": order, "token": "pm_card_visa"});
    post(&ben, "/api/payments", "k1", &other).await.refused(422, "idempotency_key_reused");
    let first = first.await.unwrap().is(201);
    replays(&post(&ben, "/api/payments", "k1", &payment).await, &first);
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn twins_at_the_same_moment_do_it_once() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = json!({"title": "Rock", "price": 19.99});
    let twins = (0..20).map(|_| post(&ana, "/api/tickets", "k1", &body));
    let answers = futures_util::future::join_all(twins).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!done.is_empty());
    assert!(done.iter().all(|answer| answer.body == done[0].body));
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.clone().refused(409, "idempotency_in_progress");
    }
    assert_eq!(world.events().await, ["UserCreated", "TicketCreated"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_finds_its_request_done() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let payment = json!({"orderId": order, "token": "tok_visa"});
    world.gateway.next(GatewayStep::Confirm, Fault::AnswersAfter(seconds(5)));
    let first = tokio::time::timeout(seconds(1), post(&ben, "/api/payments", "k1", &payment)).await;
    assert!(first.is_err(), "the client did not wait");
    wait(seconds(10)).await;
    let answer = post(&ben, "/api/payments", "k1", &payment).await.is(201);
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_a_while_is_not_remembered() {
    let market = MarketSettings { max_open_per_user: 1, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let held = ben.locks(&ana.lists("Jazz", 40).await).await;
    let order = json!({"ticketId": ana.lists("Rock", 40).await});
    post(&ben, "/api/orders", "k1", &order).await.refused(429, "too_many_holds");
    ben.cancels(&held).await.is(204);
    world.mishaps.next(Target::OpenOrder, Mishap::IsFull);
    post(&ben, "/api/orders", "k1", &order).await.refused(503, "unavailable");
    world.mishaps.next(Target::OpenOrder, Mishap::Panics);
    post(&ben, "/api/orders", "k1", &order).await.refused(500, "internal");
    let first = post(&ben, "/api/orders", "k1", &order).await.is(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    replays(&post(&ben, "/api/orders", "k1", &order).await, &first);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_can_not_be_kept_is_not_given() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let payment = json!({"orderId": order, "token": "tok_chargeDeclined"});
    world.mishaps.next(Target::KeptAnswer, Mishap::IsFull);
    let refused = post(&ben, "/api/payments", "k1", &payment).await.refused(503, "unavailable");
    assert_eq!(refused.header("idempotency-replayed"), "");
    let first = post(&ben, "/api/payments", "k1", &payment).await.refused(402, "payment_failed");
    let second = post(&ben, "/api/payments", "k1", &payment).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body));
}

#[tokio::test(start_paused = true)]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = json!({"title": "Rock", "price": 19.99});
    let first = post(&ana, "/api/tickets", "k1", &body).await.is(201);
    wait(seconds(DAY - 1)).await;
    replays(&post(&ana, "/api/tickets", "k1", &body).await, &first);
    wait(seconds(1)).await;
    let again = post(&ana, "/api/tickets", "k1", &json!({"title": "New", "price": 1})).await;
    assert_eq!(again.clone().is(201).header("idempotency-replayed"), "");
    assert_ne!(id(&again.value()), id(&first.value()));
}

#[test]
fn a_key_is_remembered_across_a_restart() {
    let payment = |order: &str| json!({"orderId": order, "token": "tok_visa"});
    let (next, ben, order, answers) = live(async {
        let world = World::new().await;
        let ben = world.person("ben").await;
        let listing = post(&ben, "/api/tickets", "k1", &json!({"title": "R", "price": 1})).await;
        let ticket = json!({"ticketId": world.ticket().await});
        let order = post(&ben, "/api/orders", "k2", &ticket).await;
        let order_id = id(&order.value());
        let paid = post(&ben, "/api/payments", "k4", &payment(&order_id)).await.is(201);
        let other = ben.locks(&world.ticket().await).await;
        let declined = json!({"orderId": other, "token": "tok_chargeDeclined"});
        let refused = post(&ben, "/api/payments", "k5", &declined).await.is(402);
        (world.killed(), ben, (order_id, ticket, declined), [listing, order, refused, paid])
    });
    let (order, ticket, declined) = order;
    live(async {
        let world = next.start().await;
        let ben = world.again(&ben);
        let [listing, ordered, refused, paid] = &answers;
        let ticket_body = json!({"title": "R", "price": 1});
        replays(&post(&ben, "/api/tickets", "k1", &ticket_body).await, listing);
        replays(&post(&ben, "/api/orders", "k2", &ticket).await, ordered);
        replays(&post(&ben, "/api/payments", "k5", &declined).await, refused);
        replays(&post(&ben, "/api/payments", "k4", &payment(&order)).await, paid);
        post(&ben, "/api/payments", "k1", &payment(&order)).await.is(422);
        assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    });
}

#[test]
fn a_refusal_is_decided_again_after_a_restart() {
    let (next, ben, ticket) = live(async {
        let world = World::new().await;
        let ben = world.person("ben").await;
        let listing = world.ticket().await;
        world.buyer("cleo").await.locks(&listing).await;
        let ticket = json!({"ticketId": listing});
        post(&ben, "/api/orders", "k1", &ticket).await.refused(409, "ticket_locked");
        (world.killed(), ben, ticket)
    });
    live(async {
        let world = next.start().await;
        let ben = world.again(&ben);
        wait(seconds(1000)).await;
        let first = post(&ben, "/api/orders", "k1", &ticket).await.is(201);
        assert_eq!(first.header("idempotency-replayed"), "");
        replays(&post(&ben, "/api/orders", "k1", &ticket).await, &first);
    });
}

#[tokio::test(start_paused = true)]
async fn refused_requests_write_nothing_down() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let before = world.disk.bytes();
    for number in 0..300 {
        let body = json!({"title": "", "price": number});
        let answer = post(&ana, "/api/tickets", &format!("k{number}"), &body).await;
        answer.refused(400, "validation_failed");
    }
    assert!(world.disk.bytes() == before, "not a byte of the disk has changed");
}

#[tokio::test(start_paused = true)]
async fn a_user_may_use_so_many_keys_a_day() {
    let limits = LimitSettings { keys_per_day: 3, ..LimitSettings::default() };
    let world = Setup { limits, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.seller("ben").await);
    let body = json!({"title": "Rock", "price": 19.99});
    let first = post(&ana, "/api/tickets", "k1", &body).await.is(201);
    post(&ana, "/api/tickets", "k2", &json!({"title": "", "price": 1})).await.is(400);
    post(&ana, "/api/tickets", "k3", &body).await.is(201);
    let refused = post(&ana, "/api/tickets", "k4", &body).await.refused(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), DAY.to_string());
    // What was answered is answered again, and without a key nothing is in the way.
    replays(&post(&ana, "/api/tickets", "k1", &body).await, &first);
    ana.client.post("/api/tickets", &body).await.is(201);
    post(&ben, "/api/tickets", "k1", &body).await.is(201);
    wait(seconds(DAY)).await;
    post(&ana, "/api/tickets", "k4", &body).await.is(201);
}

#[test]
fn a_payment_the_process_died_in_is_answered_to_its_key_afterwards() {
    let (next, ben, payment) = live(async {
        let world = World::new().await;
        let ben = world.person("ben").await;
        let order = ben.locks(&world.ticket().await).await;
        let payment = json!({"orderId": order, "token": "tok_visa"});
        world.gateway.next(GatewayStep::Capture, Fault::HangsOnceDone);
        let call = post(&ben, "/api/payments", "k1", &payment);
        assert!(tokio::time::timeout(seconds(1), call).await.is_err());
        (world.killed(), ben, payment)
    });
    live(async {
        let world = next.start().await;
        let ben = world.again(&ben);
        wait(seconds(5)).await;
        let first = post(&ben, "/api/payments", "k1", &payment).await.is(201);
        assert_eq!(first.header("idempotency-replayed"), "true");
        let second = post(&ben, "/api/payments", "k1", &payment).await.is(201);
        assert_eq!(first.body, second.body);
        assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    });
}
