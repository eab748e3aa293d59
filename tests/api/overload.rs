//! Too much, and what breaks: told as it is, and nothing is lost.

use futures_util::future::join_all;
use gittix::actors::MarketSettings;
use serde_json::json;

use crate::support::faults::{Mishap, Target};
use crate::support::world::{seconds, wait};
use crate::support::{Setup, World};

#[tokio::test(start_paused = true)]
async fn an_actors_panic_costs_its_caller_one_500_and_nobody_else_anything() {
    let world = World::new().await;
    let ticket = world.ticket().await;
    let mut buyers = Vec::new();
    for number in 0..10 {
        buyers.push(world.buyer(&format!("buyer{number}")).await);
    }
    world.mishaps.next(Target::OpenOrder, Mishap::Panics);
    let answers = join_all(buyers.iter().map(|buyer| buyer.tries_to_lock(&ticket))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(500), count(201), count(409)), (1, 1, 8));
    let failed = answers.into_iter().find(|answer| answer.status == 500).unwrap();
    let text = failed.refused(500, "internal").text();
    assert!(!text.contains("as planned"), "{text}");
    assert_eq!(world.app.market.stats().failures, 1);
    world.anyone().get("/readyz").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn a_panic_within_a_handler_is_one_500_too() {
    let world = World::new().await;
    world.mishaps.next(Target::Account, Mishap::Panics);
    let body = json!({"email": "ana@example.com", "password": "correct horse battery"});
    world.anyone().post("/api/users/signup", &body).await.refused(500, "internal");
    world.anyone().post("/api/users/signup", &body).await.is(201);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_actor_panics_can_still_be_cancelled_and_paid() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let ticket = world.ticket().await;
    let order = ben.locks(&ticket).await;
    world.mishaps.next(Target::EndedOrder, Mishap::Panics);
    ben.cancels(&order).await.refused(500, "internal");
    assert_eq!(world.status_of(&ticket).await, "Locked", "nothing was written");
    world.mishaps.next(Target::Charge, Mishap::Panics);
    ben.pays(&order).await.refused(500, "internal");
    ben.pays(&order).await.is(201);
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_on_any_commit_of_a_payment_leaves_it_to_settle_by_itself() {
    // The commits of a payment: pay, intent known, capture decided, captured.
    for commits_before in 0..4 {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        let order = ben.locks(&ticket).await;
        for _ in 0..commits_before {
            world.mishaps.next(Target::Charge, Mishap::Stalls(std::time::Duration::ZERO));
        }
        world.mishaps.next(Target::Charge, Mishap::Panics);
        let answer = ben.pays(&order).await;
        assert!([201, 202, 500].contains(&answer.status.as_u16()), "{}", answer.text());
        wait(seconds(120)).await;
        if commits_before == 0 {
            answer.refused(500, "internal");
            assert_eq!(ben.order(&order).await["status"], "Created");
            ben.pays(&order).await.is(201);
        }
        assert_eq!(ben.order(&order).await["status"], "Completed", "{commits_before}");
        assert_eq!(world.status_of(&ticket).await, "Sold");
        assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_of_commits_is_503_with_retry_after() {
    let world = Setup { queue: 2, ..Setup::default() }.start().await;
    let ana = world.seller("ana").await;
    let body = json!({"title": "Rock", "price": 1});
    let answers = join_all((0..50).map(|_| ana.client.post("/api/tickets", &body))).await;
    let listed = answers.iter().filter(|answer| answer.status == 201).count();
    assert!((1..50).contains(&listed), "{listed}");
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        let refused = answer.refused(503, "unavailable");
        assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    // What was refused was not done, and what was not refused was.
    let own = ana.client.get("/api/tickets?seller=me&limit=100").await.ok();
    assert_eq!(own.as_array().unwrap().len(), listed);
    world.anyone().get("/readyz").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_for_one_ticket_are_503() {
    let market = MarketSettings { max_pending_per_actor: 3, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ticket) = (world.seller("ana").await, world.ticket().await);
    let own = ana.lists("Rock", 5).await;
    let path = format!("/api/tickets/{own}");
    let edits = (0..20).map(|number| {
        let (client, path) = (ana.client.clone(), path.clone());
        async move { client.patch(&path, &json!({"price": 6 + number})).await }
    });
    let answers = join_all(edits).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((3..20).contains(&done), "{done}");
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        let refused = answer.refused(503, "unavailable");
        assert_eq!(refused.header("retry-after"), "1");
    }
    let shown = world.anyone().get(&path).await.ok();
    assert_eq!(shown["version"], done, "exactly what was answered was done");
    // Another ticket is not concerned.
    world.buyer("ben").await.locks(&ticket).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_makes_writes_503_and_the_server_not_ready() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let order = ben.locks(&ana.lists("Jazz", 40).await).await;
    world.disk.breaks();
    let refused = ben.tries_to_lock(&ticket).await.refused(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    world.anyone().get("/readyz").await.refused(503, "unavailable");
    world.anyone().get("/healthz").await.is(200);
    ben.tries_to_lock(&ticket).await.refused(503, "unavailable");
    ben.cancels(&order).await.refused(503, "unavailable");
    ben.pays(&order).await.refused(503, "unavailable");
    let body = json!({"title": "Rock", "price": 1});
    ana.client.post("/api/tickets", &body).await.refused(503, "unavailable");
    let answer = ana.client.patch(&format!("/api/tickets/{ticket}"), &json!({"price": 5})).await;
    answer.refused(503, "unavailable");
    assert!(world.gateway.calls().is_empty(), "nothing is asked of the gateway unwritten");
    // Nothing that was not certain is shown as done.
    assert_eq!(world.status_of(&ticket).await, "Available");
    tokio::time::timeout(seconds(1), world.store.failed()).await.expect("the failure is told");
}
