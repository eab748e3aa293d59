//! API tokens: how programs act for an account, and what they can't do.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{PASSWORD, seconds, token_of, wait};
use crate::support::{Answer, Client, Person, World};

const TOKENS: &str = "/api/users/me/tokens";

/// A program that presents a token.
struct Program {
    client: Client,
    id: String,
    token: String,
}

impl Program {
    async fn of(person: &Person, name: &str) -> Self {
        let made = makes(person, name).await;
        assert_eq!(made.header("cache-control"), "no-store");
        assert_eq!(made.header("set-cookie"), "");
        let made = made.created();
        assert!(made.as_object().unwrap().keys().eq(["id", "name", "token"]));
        assert_eq!(made["name"], name);
        let token = made["token"].as_str().unwrap().to_owned();
        Self { client: Client { token: None, ..person.client.clone() }, id: id(&made), token }
    }

    async fn sends(&self, method: Method, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        self.client.json(method, path, body, &[("authorization", &authorization)]).await
    }

    async fn gets(&self, path: &str) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        self.client.bare(Method::GET, path, &[("authorization", &authorization)]).await
    }
}

async fn makes(person: &Person, name: &str) -> Answer {
    person.client.post(TOKENS, &json!({"name": name, "currentPassword": PASSWORD})).await
}

async fn listed(person: &Person) -> Vec<Value> {
    person.client.get(TOKENS).await.ok().as_array().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_program_acts_for_the_account_with_a_token_that_is_told_once() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let program = Program::of(&ana, "box office").await;
    assert!(program.id.starts_with("token_") && program.token.starts_with("gittix_"));
    let user = program.gets("/api/users/currentuser").await.ok();
    assert_eq!(user["currentUser"]["id"], ana.id);
    let body = json!({"title": "Rock", "price": 40});
    let ticket = program.sends(Method::POST, "/api/tickets", &body).await.created();
    assert_eq!(ticket["userId"], ana.id);
    program.gets("/api/orders").await.is(200);
    let all = listed(&ana).await;
    assert!(all[0].as_object().unwrap().keys().eq(["createdAt", "id", "lastUsedAt", "name"]));
    assert_eq!((&all[0]["id"], &all[0]["name"]), (&json!(program.id), &json!("box office")));
    assert!(!json!(all).to_string().contains(&program.token[40..]));
    assert_eq!(world.events().await, ["UserCreated", "TokenCreated", "TicketCreated"]);
    let events = world.store.events(0, 10).await.unwrap();
    assert!(!format!("{events:?}").contains("box office"), "ids alone are told");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_revoked_and_good_for_nothing_at_once() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let (first, second) = (Program::of(&ana, "one").await, Program::of(&ana, "two").await);
    let names = listed(&ana).await.iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names, ["two", "one"], "newest first");
    let path = format!("{TOKENS}/{}", first.id);
    ben.client.delete(&path).await.refused(404, "not_found");
    world.anyone().delete(&path).await.refused(401, "unauthenticated");
    first.gets("/api/orders").await.is(200);
    assert!(ana.client.delete(&path).await.is(204).body.is_empty());
    first.gets("/api/orders").await.refused(401, "unauthenticated");
    second.gets("/api/orders").await.is(200);
    ana.client.delete(&path).await.refused(404, "not_found");
    ana.client.delete(&format!("{TOKENS}/x")).await.refused(404, "not_found");
    assert_eq!(listed(&ana).await.len(), 1);
    let told = ["UserCreated", "UserCreated", "TokenCreated", "TokenCreated", "TokenRevoked"];
    assert_eq!(world.events().await, told);
}

#[tokio::test(start_paused = true)]
async fn a_token_reaches_no_credentials() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let program = Program::of(&ana, "box office").await;
    let session = id(&ana.client.get("/api/users/me/sessions").await.ok()[0]);
    let again = json!({
        "currentPassword": PASSWORD, "password": "another pass phrase", "name": "more", "code": "1",
    });
    for (method, path) in [
        (Method::PATCH, "/api/users/me".to_owned()),
        (Method::POST, TOKENS.to_owned()),
        (Method::DELETE, format!("{TOKENS}/{}", program.id)),
        (Method::DELETE, format!("/api/users/me/sessions/{session}")),
        (Method::POST, "/api/users/me/totp".to_owned()),
        (Method::POST, "/api/users/me/totp/confirm".to_owned()),
        (Method::DELETE, "/api/users/me/totp".to_owned()),
    ] {
        let answer = program.sends(method.clone(), &path, &again).await;
        assert_eq!(answer.status, 403, "{method} {path}");
        answer.refused(403, "session_required");
    }
    for path in [TOKENS, "/api/users/me/sessions"] {
        program.gets(path).await.refused(403, "session_required");
    }
    // Signing out ends no session, for there is none, and the token stays good.
    program.sends(Method::POST, "/api/users/signout", &json!({})).await.is(200);
    program.gets("/api/orders").await.is(200);
    ana.client.get("/api/orders").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_no_cookie_and_a_broken_one_is_nobodys() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let program = Program::of(&ana, "box office").await;
    let get = async |headers: &[(&str, &str)]| {
        world.anyone().bare(Method::GET, "/api/orders", headers).await.status
    };
    let cookie = format!("session={}", program.token);
    assert_eq!(get(&[("cookie", &cookie)]).await, 401);
    let other = Program::of(&ben, "other").await;
    let mixed = format!("Bearer {}{}", &program.token[..28], &other.token[28..]);
    let short = format!("Bearer {}", &program.token[..program.token.len() - 1]);
    let own = format!("session={}", ben.client.token.clone().unwrap());
    for wrong in [mixed.as_str(), short.as_str(), "Bearer gittix_", "Bearer gittix_AAAA"] {
        assert_eq!(get(&[("authorization", wrong)]).await, 401, "{wrong}");
        assert_eq!(get(&[("authorization", wrong), ("cookie", &own)]).await, 401, "{wrong}");
    }
    // The token alone says who it is.
    let right = format!("Bearer {}", program.token);
    let headers = [("authorization", right.as_str()), ("cookie", own.as_str())];
    let user = world.anyone().bare(Method::GET, "/api/users/currentuser", &headers).await.ok();
    assert_eq!(user["currentUser"]["id"], ana.id);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_made_with_the_password_and_a_name() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let wrong = json!({"name": "x", "currentPassword": "wrong password"});
    ana.client.post(TOKENS, &wrong).await.refused(403, "wrong_password");
    let faults = ana.client.post(TOKENS, &json!({"name": " "})).await.faults();
    let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["name", "currentPassword"]);
    assert_eq!(faults[0].1, "Name is required");
    assert!(listed(&ana).await.is_empty());
    for number in 0..100 {
        makes(&ana, &format!("{number}")).await.is(201);
    }
    makes(&ana, "one more").await.refused(409, "too_many_tokens");
    let (mut path, mut count) = (Some(format!("{TOKENS}?limit=30")), 0);
    while let Some(at) = path {
        let page = ana.client.get(&at).await;
        path = page.next();
        count += page.ok().as_array().unwrap().len();
    }
    assert_eq!(count, 100);
    let exact = ana.client.get(&format!("{TOKENS}?limit=100")).await;
    assert_eq!(exact.next(), None, "a full page is not always followed by another");
    ana.client.get(&format!("{TOKENS}?after=x")).await.refused(400, "validation_failed");
}

#[tokio::test(start_paused = true)]
async fn the_last_use_is_noted_now_and_then() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let program = Program::of(&ana, "box office").await;
    assert_eq!(listed(&ana).await[0]["lastUsedAt"], Value::Null);
    for _ in 0..5 {
        program.gets("/api/orders").await.is(200);
        wait(seconds(1)).await;
    }
    assert_eq!(listed(&ana).await[0]["lastUsedAt"], "2026-11-22T03:54:00.768Z");
    wait(seconds(295)).await;
    program.gets("/api/orders").await.is(200);
    wait(seconds(1)).await;
    assert_eq!(listed(&ana).await[0]["lastUsedAt"], "2026-11-22T03:59:00.768Z");
}

#[tokio::test(start_paused = true)]
async fn a_new_password_ends_sessions_and_leaves_tokens() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let program = Program::of(&ana, "box office").await;
    let body = json!({"email": ana.email, "password": PASSWORD});
    let other = world.anyone().post("/api/users/signin", &body).await;
    let other = Client { token: Some(token_of(&other)), ..world.anyone() };
    let body = json!({"currentPassword": PASSWORD, "password": "another pass phrase"});
    ana.client.patch("/api/users/me", &body).await.is(200);
    other.get("/api/orders").await.refused(401, "unauthenticated");
    program.gets("/api/orders").await.is(200);
    let world = world.killed().start().await;
    let program = Program { client: world.anyone(), ..program };
    program.gets("/api/orders").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_program_ends_with_its_token() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let program = Program::of(&ana, "box office").await;
    let request = program.client.request(Method::GET, "/api/events");
    let request = request.header("authorization", format!("Bearer {}", program.token));
    let request = request.body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(program.client.router.clone(), request).await;
    let mut body = response.unwrap().into_body();
    let ended = async { while http_body_util::BodyExt::frame(&mut body).await.is_some() {} };
    let mut ended = std::pin::pin!(ended);
    assert!(tokio::time::timeout(seconds(60), &mut ended).await.is_err());
    ana.client.delete(&format!("{TOKENS}/{}", program.id)).await.is(204);
    assert!(tokio::time::timeout(seconds(16), &mut ended).await.is_ok());
}
