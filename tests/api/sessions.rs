//! What counts as a session, and for how long.

use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gittix::domain::{Commit, Session, SessionId, Write};
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt;

use crate::support::world::{KEY, seconds, wait};
use crate::support::{Client, Person, Setup, World};

const ORDERS: &str = "/api/orders";

/// Every route that needs a session.
const CLOSED: [(Method, &str); 18] = [
    (Method::GET, "/api/users/me/tokens"),
    (Method::POST, "/api/users/me/tokens"),
    (Method::DELETE, "/api/users/me/tokens/x"),
    (Method::POST, "/api/users/me/totp"),
    (Method::POST, "/api/users/me/totp/confirm"),
    (Method::DELETE, "/api/users/me/totp"),
    (Method::GET, "/api/users/me/sessions"),
    (Method::DELETE, "/api/users/me/sessions/x"),
    (Method::PATCH, "/api/users/me"),
    (Method::POST, "/api/tickets"),
    (Method::PUT, "/api/tickets/x"),
    (Method::PATCH, "/api/tickets/x"),
    (Method::POST, "/api/orders"),
    (Method::GET, "/api/orders"),
    (Method::GET, "/api/orders/x"),
    (Method::DELETE, "/api/orders/x"),
    (Method::POST, "/api/payments"),
    (Method::GET, "/api/payments/x"),
];

/// Somebody who listens to events.
struct Listener(axum::body::Body);

impl Listener {
    async fn connect(client: &Client) -> Self {
        let request = client.request(Method::GET, "/api/events").body(axum::body::Body::empty());
        let response = client.router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(response.into_body())
    }

    async fn ends_within(&mut self, span: Duration) -> bool {
        let ended = async { while self.0.frame().await.is_some() {} };
        tokio::time::timeout(span, ended).await.is_ok()
    }
}

fn with_token(world: &World, token: impl Into<String>) -> Client {
    Client { token: Some(token.into()), ..world.anyone() }
}

fn claims(ana: &Person) -> Value {
    let token = ana.client.token.as_deref().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn signed(header: &Value, claims: &Value, key: &[u8]) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test(start_paused = true)]
async fn without_a_session_closed_routes_are_401_whatever_else_is_wrong() {
    let world = World::new().await;
    for (method, path) in CLOSED {
        let answer = world.anyone().raw(method.clone(), path, "not json", &[]).await;
        let answer = answer.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer", "{method} {path}");
    }
    world.anyone().delete("/api/tickets/x").await.refused(401, "unauthenticated");
    world.anyone().get("/api/tickets?seller=me").await.refused(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn the_cookies_token_is_also_a_bearer_token() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let token = ana.client.token.clone().unwrap();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {token}");
        let headers = [("authorization", authorization.as_str())];
        world.anyone().bare(Method::GET, ORDERS, &headers).await.is(200);
    }
    // Who says who they are and is wrong is not somebody else by cookie.
    let headers = [("authorization", "Bearer nonsense")];
    ana.client.bare(Method::GET, ORDERS, &headers).await.refused(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn a_token_holds_its_four_claims_and_no_more() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let claims = claims(&ana);
    let names: Vec<_> = claims.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["exp", "iat", "sid", "sub"]);
    assert_eq!(claims["sub"], ana.id);
    let (issued, expires) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(expires - issued, 168 * 3600);
    assert_eq!(issued, world.now().as_seconds());
}

#[tokio::test(start_paused = true)]
async fn a_forged_token_is_nobodys_and_never_a_500() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let claims = claims(&ana);
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    assert_eq!(with_token(&world, signed(&hs256, &claims, &KEY)).get(ORDERS).await.status, 200);

    let token = ana.client.token.clone().unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = |alg: &str| format!("{}.{}.", encode(&json!({"alg": alg})), encode(&claims));
    let changed = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        signed(&hs256, &changed, &KEY)
    };
    let mut forged = vec![
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        none("none"),
        none("None"),
        none("HS256"),
        signed(&json!({"alg": "RS256"}), &claims, &KEY),
        signed(&json!({"alg": "HS384"}), &claims, &KEY),
        signed(&json!({"alg": "ES256"}), &claims, &KEY),
        signed(&json!({"alg": "HS256"}), &claims, &[8; 32]),
        changed("sub", json!("user_00000000000000000000000000")),
        changed("sub", json!("ticket_00000000000000000000000000")),
        changed("sub", json!(7)),
        changed("sid", json!("0")),
        changed("sid", json!("not hexadecimal")),
        changed("exp", json!(0)),
        changed("exp", json!("tomorrow")),
        signed(&hs256, &json!({}), &KEY),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
        "x".repeat(10_000),
    ];
    // Every single character of the payload is signed.
    let place = token.find('.').unwrap() + 5;
    let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
    forged.push(format!("{}{other}{}", &token[..place], &token[place + 1..]));
    for token in forged {
        let client = with_token(&world, token.clone());
        let answer = client.get(ORDERS).await;
        assert_eq!(answer.status, 401, "{token}");
        // Where nobody has to be signed in, a bad token is nobody.
        let user = client.get("/api/users/currentuser").await.ok();
        assert_eq!(user, json!({"currentUser": null}), "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_different_sessions_at_once_are_nobody() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let cookie = |person: &Person| format!("session={}", person.client.token.clone().unwrap());
    let both = format!("{}; {}", cookie(&ana), cookie(&ben));
    let headers = [("cookie", both.as_str())];
    world.anyone().bare(Method::GET, ORDERS, &headers).await.refused(401, "unauthenticated");
    let among_others = format!("theme=dark; {}; lang=en", cookie(&ana));
    let headers = [("cookie", among_others.as_str())];
    world.anyone().bare(Method::GET, ORDERS, &headers).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn cookies_of_the_name_that_are_no_session_are_passed_over() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let token = |person: &Person| person.client.token.clone().unwrap();
    let (own, ended) = (token(&ana), token(&ben));
    ben.client.post("/api/users/signout", &json!({})).await.is(200);
    let hs256 = json!({"alg": "HS256", "typ": "JWT"});
    let foreign = signed(&hs256, &claims(&ana), &[8; 32]);
    let mut past = claims(&ana);
    past["exp"] = json!(world.now().as_seconds());
    let expired = signed(&hs256, &past, &KEY);
    for other in ["junk", "s%3Aconnect.sid", "\"quoted\"", &foreign, &expired, &ended, &own] {
        for cookies in [
            format!("session={other}; session={own}"),
            format!("session={own}; theme=dark; session={other}"),
            format!("session={other}; session={other}; session={own}; session="),
        ] {
            let headers = [("cookie", cookies.as_str())];
            world.anyone().bare(Method::GET, ORDERS, &headers).await.is(200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_https_only_the_cookie_that_belongs_to_the_host_counts() {
    let world = Setup { https: true, ..Setup::default() }.start().await;
    let body = json!({"email": "ana@example.com", "password": crate::support::world::PASSWORD});
    let answer = world.anyone().post("/api/users/signup", &body).await.is(201);
    let cookie = answer.cookie("__Host-session").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();
    let token = cookie.strip_prefix("__Host-session=").unwrap();
    let get = |cookies: String| {
        let anyone = world.anyone();
        async move { anyone.bare(Method::GET, ORDERS, &[("cookie", cookies.as_str())]).await }
    };
    get(cookie.to_owned()).await.is(200);
    get(format!("session=planted; {cookie}")).await.is(200);
    get(format!("session={token}")).await.refused(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn a_session_counts_no_longer_than_it_is_stored_whatever_its_token_says() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let claims = claims(&ana);
    let session = Session {
        user: ana.id.parse().unwrap(),
        id: SessionId::from_u128(
            u128::from_str_radix(claims["sid"].as_str().unwrap(), 16).unwrap(),
        ),
        client: None,
        created_at: world.now(),
        last_seen_at: world.now(),
        expires_at: world.now().plus(seconds(60)),
    };
    let commit = Commit::at(world.now()).write(Write::OpenSession(session));
    world.store.commit(commit).await.unwrap();
    let mut stream = Listener::connect(&ana.client).await;
    wait(Duration::from_millis(59_999)).await;
    ana.client.get(ORDERS).await.is(200);
    wait(Duration::from_millis(1)).await;
    ana.client.get(ORDERS).await.refused(401, "unauthenticated");
    // An open stream looks at its session with every comment that keeps it alive.
    assert!(stream.ends_within(seconds(16)).await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_while_its_session_does() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let mut stream = Listener::connect(&ana.client).await;
    assert!(!stream.ends_within(seconds(120)).await);
    ana.client.post("/api/users/signout", &json!({})).await.is(200);
    assert!(stream.ends_within(seconds(16)).await);
}

#[tokio::test(start_paused = true)]
async fn signing_in_again_ends_no_session_that_has_not_expired() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let body = json!({"email": ana.email, "password": crate::support::world::PASSWORD});
    let mut sessions = vec![ana.client.clone()];
    for _ in 0..10 {
        wait(seconds(60)).await;
        let answer = world.anyone().post("/api/users/signin", &body).await;
        sessions.push(with_token(&world, crate::support::world::token_of(&answer)));
    }
    for session in &sessions {
        session.get(ORDERS).await.is(200);
    }
}

#[tokio::test(start_paused = true)]
async fn signing_out_ends_that_session_alone_and_for_good() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let body = json!({"email": ana.email, "password": crate::support::world::PASSWORD});
    let second = world.anyone().post("/api/users/signin", &body).await;
    let second = with_token(&world, crate::support::world::token_of(&second));

    let out = ana.client.post("/api/users/signout", &json!({})).await;
    assert_eq!(out.header("set-cookie"), "session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_eq!(out.ok(), json!({}));
    ana.client.get(ORDERS).await.refused(401, "unauthenticated");
    second.get(ORDERS).await.is(200);
    // Again, without a session and without a body: still signed out.
    ana.client.post("/api/users/signout", &json!({})).await.is(200);
    world.anyone().bare(Method::POST, "/api/users/signout", &[]).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_to_the_second_when_its_token_says() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let expires = claims(&ana)["exp"].as_i64().unwrap() * 1000;
    let left = u64::try_from(expires - world.now().as_millis()).unwrap();
    wait(Duration::from_millis(left - 1)).await;
    ana.client.get(ORDERS).await.is(200);
    wait(Duration::from_millis(1)).await;
    ana.client.get(ORDERS).await.refused(401, "unauthenticated");
    wait(seconds(60)).await;
    ana.client.get(ORDERS).await.refused(401, "unauthenticated");
}
