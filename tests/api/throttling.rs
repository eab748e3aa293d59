//! Sign-ins and sign-ups are throttled per account and client address, and per account alone.

use axum::http::Method;
use gittix::auth::{Rate, ThrottleSettings};
use serde_json::json;

use crate::support::world::{PASSWORD, seconds, wait};
use crate::support::{Answer, Setup, World};

async fn throttled() -> World {
    let throttle = ThrottleSettings {
        enabled: true,
        account: Rate { burst: 3, per_minute: 1 },
        account_per_hour: 100,
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
async fn too_many_wrong_passwords_close_the_account_to_their_address_for_as_long_as_it_says() {
    let world = throttled().await;
    let ana = world.person("ana").await;
    for _ in 0..3 {
        let answer = sign_in(&world, "ANA@example.com", "wrong password", "198.51.100.1").await;
        answer.refused(401, "invalid_credentials");
    }
    let refused = sign_in(&world, &ana.email, PASSWORD, "198.51.100.1").await;
    let refused = refused.refused(429, "too_many_requests");
    let pause: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&pause), "{pause}");
    // Nobody else is hindered, nor is the owner elsewhere.
    world.person("ben").await;
    sign_in(&world, "ben@example.com", PASSWORD, "198.51.100.1").await.is(200);
    sign_in(&world, &ana.email, PASSWORD, "203.0.113.9").await.is(200);
    wait(seconds(pause - 1)).await;
    sign_in(&world, &ana.email, PASSWORD, "198.51.100.1").await.refused(429, "too_many_requests");
    wait(seconds(1)).await;
    sign_in(&world, &ana.email, PASSWORD, "198.51.100.1").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn an_owner_signs_in_while_sixty_guesses_a_minute_come_at_the_account() {
    let world = throttled().await;
    let ana = world.person("ana").await;
    let first = sign_in(&world, &ana.email, PASSWORD, "192.0.2.1").await.is(200);
    let device = first.cookie("device").unwrap().split(';').next().unwrap().to_owned();
    let mut looked_at = 0;
    for second in 0..900 {
        let address = format!("198.51.{}.{}", second % 150, second % 7);
        let guess = sign_in(&world, &ana.email, "wrong password", &address).await;
        looked_at += u32::from(guess.status == 401);
        if second % 60 == 59 {
            // From elsewhere.
            sign_in(&world, &ana.email, PASSWORD, "203.0.113.9").await.is(200);
            // On a browser that is known, even at a guesser's address.
            let body = json!({"email": ana.email, "password": PASSWORD});
            let headers = [("x-forwarded-for", address.as_str()), ("cookie", device.as_str())];
            world.anyone().json(Method::POST, "/api/users/signin", &body, &headers).await.is(200);
            // And whoever is signed in changes their account.
            let body = json!({"currentPassword": PASSWORD, "email": ana.email});
            let headers = [("x-forwarded-for", address.as_str())];
            ana.client.json(Method::PATCH, "/api/users/me", &body, &headers).await.is(200);
        }
        wait(seconds(1)).await;
    }
    assert!((20..=100).contains(&looked_at), "{looked_at}");
}

#[tokio::test(start_paused = true)]
async fn guesses_from_150_addresses_are_throttled_too() {
    let world = throttled().await;
    let ana = world.person("ana").await;
    let mut looked_at = 0;
    for n in 0..150_u8 {
        let address = format!("{}.{n}.7.1", n + 1);
        let guess = sign_in(&world, &ana.email, "wrong password", &address).await;
        looked_at += u32::from(guess.status == 401);
    }
    assert!(looked_at <= 100, "{looked_at}");
}

#[tokio::test(start_paused = true)]
async fn a_device_is_known_for_the_accounts_that_signed_in_on_it_alone() {
    let world = throttled().await;
    let ana = world.person("ana").await;
    world.person("ben").await;
    let ben = sign_in(&world, "ben@example.com", PASSWORD, "192.0.2.1").await.is(200);
    let device = ben.cookie("device").unwrap().split(';').next().unwrap().to_owned();
    let guess = async || {
        let body = json!({"email": ana.email, "password": "wrong password"});
        let headers = [("x-forwarded-for", "192.0.2.1"), ("cookie", device.as_str())];
        world.anyone().json(Method::POST, "/api/users/signin", &body, &headers).await
    };
    for _ in 0..3 {
        guess().await.is(401);
    }
    guess().await.refused(429, "too_many_requests");
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
    sign_up("user1@example.com".to_owned(), "198.51.100.2").await.is(429);
}

#[tokio::test(start_paused = true)]
async fn an_address_is_told_apart_however_the_proxy_writes_it() {
    let world = throttled().await;
    for (number, address) in ["198.51.100.1:4711", "\"198.51.100.1:4712\"", "198.51.100.1"]
        .iter()
        .cycle()
        .take(20)
        .enumerate()
    {
        sign_in(&world, &format!("user{number}@example.com"), PASSWORD, address).await.is(401);
    }
    sign_in(&world, "user99@example.com", PASSWORD, "198.51.100.1:4713").await.is(429);
    for other in ["198.51.100.2:4711", "[2001:db8::1]:4711", "2001:db8:0:1::1", "for=203.0.113.1"] {
        sign_in(&world, "user98@example.com", "wrong", other).await;
        sign_in(&world, &format!("{}@example.com", other.len()), PASSWORD, other).await.is(401);
    }
}
