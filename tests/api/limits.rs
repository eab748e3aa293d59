//! What one user may do in a span of time.

use axum::http::Method;
use gittix::auth::LimitSettings;
use serde_json::json;

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World};

const SMALL: LimitSettings = LimitSettings {
    enabled: true,
    listings_per_hour: 3,
    edits_per_hour: 2,
    locks_per_minute: 2,
    keys_per_day: 100,
    uploads_per_hour: 100,
};

async fn limited(limits: LimitSettings) -> World {
    let header = Some("x-forwarded-for".to_owned());
    Setup { limits, client_address_header: header, ..Setup::default() }.start().await
}

#[tokio::test(start_paused = true)]
async fn a_user_lists_so_many_tickets_an_hour() {
    let world = limited(SMALL).await;
    let (ana, ben) = (world.seller("ana").await, world.seller("ben").await);
    let body = json!({"title": "Rock", "price": 40});
    for _ in 0..3 {
        ana.client.post("/api/tickets", &body).await.is(201);
    }
    // What is wrong with a listing is told all the same, and does not count.
    ana.client.post("/api/tickets", &json!({"title": "", "price": 40})).await.is(400);
    wait(seconds(600)).await;
    let refused = ana.client.post("/api/tickets", &body).await;
    assert_eq!(refused.refused(429, "too_many_requests").header("retry-after"), "3000");
    ben.client.post("/api/tickets", &body).await.is(201);
    wait(seconds(3000)).await;
    ana.client.post("/api/tickets", &body).await.is(201);
}

#[tokio::test(start_paused = true)]
async fn a_user_edits_listings_so_many_times_an_hour() {
    let world = limited(SMALL).await;
    let ana = world.seller("ana").await;
    let path = format!("/api/tickets/{}", ana.lists("Rock", 40).await);
    let body = json!({"title": "Rock", "price": 41});
    ana.client.put(&path, &body).await.is(200);
    ana.client.patch(&path, &json!({"price": 42})).await.is(200);
    for answer in [ana.client.put(&path, &body).await, ana.client.patch(&path, &body).await] {
        assert_eq!(answer.refused(429, "too_many_requests").header("retry-after"), "3600");
    }
    ana.client.delete(&path).await.is(204);
}

#[tokio::test(start_paused = true)]
async fn a_user_locks_so_many_tickets_a_minute_and_an_address_ten_times_as_many() {
    let world = limited(SMALL).await;
    let lock = async |person: &Person, address: &str| {
        let body = json!({"ticketId": world.ticket().await});
        let headers = [("x-forwarded-for", address)];
        person.client.json(Method::POST, "/api/orders", &body, &headers).await
    };
    let ben = world.buyer("ben").await;
    for _ in 0..2 {
        id(&lock(&ben, "198.51.100.1").await.created());
    }
    let refused = lock(&ben, "198.51.100.2").await.refused(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "60");
    for number in 0..9 {
        let buyer = world.buyer(&format!("buyer{number}")).await;
        for _ in 0..2 {
            lock(&buyer, "198.51.100.1").await.is(201);
        }
    }
    let cleo = world.buyer("cleo").await;
    lock(&cleo, "198.51.100.1").await.refused(429, "too_many_requests");
    lock(&cleo, "198.51.100.3").await.is(201);
    wait(seconds(60)).await;
    lock(&ben, "198.51.100.1").await.is(201);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_limited_where_the_throttle_is_off() {
    let world = limited(LimitSettings { enabled: false, ..SMALL }).await;
    let ana = world.seller("ana").await;
    for _ in 0..10 {
        ana.lists("Rock", 40).await;
    }
}
