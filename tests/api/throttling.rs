//! Sign-ins and sign-ups are throttled per account and per client address.

use axum::http::Method;
use gittix::auth::{Rate, ThrottleSettings};
use serde_json::json;

use crate::support::world::{PASSWORD, seconds, wait};
use crate::support::{Answer, Setup, World};

async fn throttled() -> World {
    let throttle = ThrottleSettings {
        enabled: true,
        account: Rate { burst: 3, per_minute: 1 },
        address: Rate { burst: 20, per_minute: 60 },
    };
    let header = Some("x-forwarded-for".to_owned());
    Setup { throttle, client_address_header: header, ..Setup::default() }.start().await
}

async fn sign_in(world: &World, email: &str, password: &str, address: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    let headers = [("x-forwarded-for", address)];
    world.anyone().json(Method::POST, "/api/users/signin", &body, &headers).await
}

#[tokio::test(start_paused = true)]
async fn too_many_wrong_passwords_close_the_account_for_as_long_as_it_says() {
    let world = throttled().await;
    let ana = world.person("ana").await;
    for number in 1..=3 {
        let address = format!("198.51.100.{number}");
        sign_in(&world, "ANA@example.com", "wrong password", &address)
            .await
            .refused(401, "invalid_credentials");
    }
    let refused = sign_in(&world, &ana.email, PASSWORD, "198.51.100.9").await;
    let refused = refused.refused(429, "too_many_requests");
    let pause: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&pause), "{pause}");
    // Nobody else is hindered.
    world.person("ben").await;
    sign_in(&world, "ben@example.com", PASSWORD, "198.51.100.9").await.is(200);
    wait(seconds(pause - 1)).await;
    sign_in(&world, &ana.email, PASSWORD, "198.51.100.9").await.refused(429, "too_many_requests");
    wait(seconds(1)).await;
    sign_in(&world, &ana.email, PASSWORD, "198.51.100.9").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_account_is_throttled_like_a_known_one() {
    let world = throttled().await;
    for _ in 0..3 {
        sign_in(&world, "nobody@example.com", PASSWORD, "198.51.100.1").await.is(401);
    }
    let refused = sign_in(&world, "nobody@example.com", PASSWORD, "198.51.100.1").await;
    refused.refused(429, "too_many_requests");
}

#[tokio::test(start_paused = true)]
async fn right_passwords_do_not_use_the_account_up() {
    let world = throttled().await;
    let ana = world.person("ana").await;
    for _ in 0..10 {
        sign_in(&world, &ana.email, PASSWORD, "198.51.100.1").await.is(200);
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_may_try_only_so_often_whatever_the_accounts() {
    let world = throttled().await;
    for number in 0..20 {
        let email = format!("user{number}@example.com");
        sign_in(&world, &email, PASSWORD, "198.51.100.1").await.is(401);
    }
    let refused = sign_in(&world, "user99@example.com", PASSWORD, "198.51.100.1").await;
    assert_eq!(refused.refused(429, "too_many_requests").header("retry-after"), "1");
    // Only the entry that the own proxy added counts, and another address is free.
    let spoofed = "203.0.113.5, 198.51.100.1";
    sign_in(&world, "user98@example.com", PASSWORD, spoofed).await.is(429);
    sign_in(&world, "user98@example.com", PASSWORD, "198.51.100.2").await.is(401);
    wait(seconds(1)).await;
    sign_in(&world, "user97@example.com", PASSWORD, "198.51.100.1").await.is(401);
}

#[tokio::test(start_paused = true)]
async fn sign_ups_are_throttled_too() {
    let world = throttled().await;
    let sign_up = |email: String, address: &'static str| {
        let anyone = world.anyone();
        async move {
            let body = json!({"email": email, "password": PASSWORD});
            let headers = [("x-forwarded-for", address)];
            anyone.json(Method::POST, "/api/users/signup", &body, &headers).await
        }
    };
    for number in 0..20 {
        sign_up(format!("user{number}@example.com"), "198.51.100.1").await.is(201);
    }
    let refused = sign_up("more@example.com".to_owned(), "198.51.100.1").await;
    refused.refused(429, "too_many_requests");
    // Asking again and again whether an address has an account is throttled as well.
    for _ in 0..3 {
        sign_up("user1@example.com".to_owned(), "198.51.100.2").await.is(409);
    }
    sign_up("user1@example.com".to_owned(), "198.51.100.3").await.is(429);
}
