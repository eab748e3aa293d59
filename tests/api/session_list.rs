//! Where an account is signed in, signing out from afar, and sessions that give way.

use std::time::Duration;

use axum::http::Method;
use gittix::actors::MarketSettings;
use gittix::domain::SessionRules;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{PASSWORD, seconds, token_of, wait};
use crate::support::{Client, Person, Setup, World};

const SESSIONS: &str = "/api/users/me/sessions";
const ORDERS: &str = "/api/orders";
const HOUR: u64 = 3600;
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

async fn with(sessions: SessionRules) -> World {
    let market = MarketSettings { sessions, ..MarketSettings::default() };
    Setup { market, ..Setup::default() }.start().await
}

async fn idle(hours: u64) -> World {
    with(SessionRules { idle: Some(seconds(hours * HOUR)), ..SessionRules::default() }).await
}

/// The person's session on another device.
async fn signs_in(world: &World, person: &Person, user_agent: &str) -> Client {
    let body = json!({"email": person.email, "password": PASSWORD});
    let headers = [("user-agent", user_agent)];
    let answer = world.anyone().json(Method::POST, "/api/users/signin", &body, &headers).await;
    Client { token: Some(token_of(&answer.is(200))), ..world.anyone() }
}

async fn listed(client: &Client) -> Vec<Value> {
    client.get(SESSIONS).await.ok().as_array().unwrap().clone()
}

fn times(session: &Value) -> (&str, &str) {
    (session["createdAt"].as_str().unwrap(), session["lastSeenAt"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_newest_first_with_what_signed_in() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    signs_in(&world, &ben, FIREFOX).await;
    wait(seconds(60)).await;
    signs_in(&world, &ana, FIREFOX).await;
    wait(seconds(60)).await;
    signs_in(&world, &ana, "curl/8.11.0").await;
    let answer = ana.client.get(SESSIONS).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let all = answer.ok();
    let told =
        |name| all.as_array().unwrap().iter().map(|one| one[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("client"), [json!("curl/8.11.0"), json!("Firefox (Linux)"), json!(null)]);
    assert_eq!(told("current"), [false, false, true]);
    let names = ["client", "createdAt", "current", "id", "lastSeenAt"];
    assert!(all[0].as_object().unwrap().keys().eq(names));
    assert!(id(&all[0]).starts_with("session_"));
    assert_eq!(all[2]["createdAt"], "2026-11-22T03:54:00.768Z");
    assert_eq!(all[1]["createdAt"], "2026-11-22T03:55:00.768Z");
    world.anyone().get(SESSIONS).await.refused(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_page_by_page() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    for _ in 0..4 {
        signs_in(&world, &ana, FIREFOX).await;
    }
    let whole = listed(&ana.client).await;
    let (mut path, mut pages) = (Some(format!("{SESSIONS}?limit=2")), Vec::new());
    while let Some(at) = path {
        let page = ana.client.get(&at).await;
        path = page.next();
        pages.extend(page.ok().as_array().unwrap().clone());
    }
    assert_eq!(pages, whole);
    let exact = ana.client.get(&format!("{SESSIONS}?limit={}", whole.len())).await;
    assert_eq!(exact.next(), None, "a full page is not always followed by another");
    ana.client.get(&format!("{SESSIONS}?limit=0")).await.refused(400, "validation_failed");
    ana.client.get(&format!("{SESSIONS}?after=x")).await.refused(400, "validation_failed");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_ended_from_another_and_for_good() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let phone = signs_in(&world, &ana, FIREFOX).await;
    let path = format!("{SESSIONS}/{}", id(&listed(&ana.client).await[0]));
    world.anyone().delete(&path).await.refused(401, "unauthenticated");
    ben.client.delete(&path).await.refused(404, "not_found");
    phone.get(ORDERS).await.is(200);
    assert!(ana.client.delete(&path).await.is(204).body.is_empty());
    phone.get(ORDERS).await.refused(401, "unauthenticated");
    ana.client.delete(&path).await.refused(404, "not_found");
    for nothing in ["session_00000000000000000000000000", "x"] {
        ana.client.delete(&format!("{SESSIONS}/{nothing}")).await.refused(404, "not_found");
    }
    let all = listed(&ana.client).await;
    assert_eq!(all.len(), 1);
    // One's own as well, which is signing out.
    ana.client.delete(&format!("{SESSIONS}/{}", id(&all[0]))).await.is(204);
    ana.client.get(ORDERS).await.refused(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_used_is_seen_and_what_is_written_of_it_is_little() {
    let world = idle(2).await;
    let ana = world.person("ana").await;
    wait(Duration::from_millis(119_999)).await;
    assert_eq!(times(&listed(&ana.client).await[0]).1, "2026-11-22T03:54:00.768Z");
    wait(Duration::from_millis(1)).await;
    // Of many requests at once one is noted.
    for _ in 0..20 {
        ana.client.get(ORDERS).await.is(200);
    }
    wait(seconds(1)).await;
    let (created, seen) = ("2026-11-22T03:54:00.768Z", "2026-11-22T03:56:00.768Z");
    assert_eq!(times(&listed(&ana.client).await[0]), (created, seen));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_used_ends_and_one_that_is_goes_on() {
    let world = idle(2).await;
    let ana = world.person("ana").await;
    let left = signs_in(&world, &ana, FIREFOX).await;
    for _ in 0..12 {
        wait(seconds(HOUR / 2)).await;
        ana.client.get(ORDERS).await.is(200);
    }
    left.get(ORDERS).await.refused(401, "unauthenticated");
    assert_eq!(listed(&ana.client).await.len(), 1);
    // It is over to the moment, and nothing brings it back.
    wait(seconds(2 * HOUR)).await;
    for _ in 0..2 {
        ana.client.get(ORDERS).await.refused(401, "unauthenticated");
        ana.client.get("/api/users/currentuser").await.is(200);
    }
}

#[tokio::test(start_paused = true)]
async fn use_of_a_session_is_remembered_over_a_crash() {
    let world = idle(2).await;
    let ana = world.person("ana").await;
    wait(seconds(HOUR)).await;
    ana.client.get(ORDERS).await.is(200);
    wait(seconds(1)).await;
    let life = world.killed();
    let world = life.start().await;
    let ana = Client { router: world.app.router.clone(), ..ana.client };
    wait(seconds(HOUR + HOUR / 2)).await;
    ana.get(ORDERS).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn signing_out_while_the_session_is_noted_ends_it() {
    let world = idle(2).await;
    let ana = world.person("ana").await;
    wait(seconds(HOUR)).await;
    // The same request is what is noted and what ends it.
    ana.client.post("/api/users/signout", &json!({})).await.is(200);
    wait(seconds(1)).await;
    ana.client.get(ORDERS).await.refused(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn beyond_so_many_sessions_the_oldest_ends() {
    let world = with(SessionRules { most: Some(3), ..SessionRules::default() }).await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let mut clients = vec![ana.client.clone()];
    for _ in 0..4 {
        wait(seconds(1)).await;
        clients.push(signs_in(&world, &ana, FIREFOX).await);
    }
    for (number, client) in clients.iter().enumerate() {
        let status = client.get(ORDERS).await.status;
        assert_eq!(status, if number < 2 { 401 } else { 200 }, "{number}");
    }
    ben.client.get(ORDERS).await.is(200);
    assert_eq!(listed(&clients[4]).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn those_who_sign_in_at_the_same_time_are_not_more_than_may_be() {
    let world = with(SessionRules { most: Some(3), ..SessionRules::default() }).await;
    let ana = world.person("ana").await;
    let all = (0..10).map(|_| signs_in(&world, &ana, FIREFOX));
    let clients = futures_util::future::join_all(all).await;
    let mut open = 0;
    for client in &clients {
        open += u32::from(client.get(ORDERS).await.status == 200);
    }
    assert_eq!(open, 3);
}
