//! What the log tells of accounts and sales, and what it never does.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::Method;
use gittix::auth::{Rate, ThrottleSettings};
use gittix::domain::GatewayStep;
use serde_json::{Value, json};
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

use crate::support::world::{PASSWORD, seconds, wait};
use crate::support::{Answer, Fault, Setup, World};

/// While there is one subscriber in the process, `tracing` asks the thread that comes by a place in
/// the code first whether anybody listens there, and a test without a subscriber says no for all.
/// With a second one it asks each.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::default()));

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything that this thread logs from now on, down to `debug`.
    fn listen(&self) -> DefaultGuard {
        LazyLock::force(&SECOND);
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The fields of the latest line of the audit that says this.
    #[track_caller]
    fn audit(&self, message: &str) -> Value {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut audit = lines.filter(|line| line["target"] == "gittix::audit");
        let found = audit.rfind(|line| line["fields"]["message"] == message);
        found.unwrap_or_else(|| panic!("no line says {message:?}:\n{text}"))["fields"].clone()
    }
}

async fn sign_in(world: &World, email: &str, password: &str) -> Answer {
    let body = json!({"email": email, "password": password});
    let headers = [("x-forwarded-for", "198.51.100.7")];
    world.anyone().json(Method::POST, "/api/users/signin", &body, &headers).await
}

/// A world whose log tells what it is asked, behind a proxy that tells the client's address.
async fn world() -> World {
    let throttle = ThrottleSettings { enabled: true, ..Setup::default().throttle };
    let client_address_header = Some("x-forwarded-for".to_owned());
    Setup { throttle, client_address_header, ..Setup::default() }.start().await
}

#[tokio::test(start_paused = true)]
async fn accounts_are_told_of_with_ids_and_the_clients_address() {
    let log = Log::default();
    let _guard = log.listen();
    let world = world().await;
    let ana = world.person("ana").await;
    let signed_up = log.audit("signed up");
    let user = signed_up["user"].as_str().unwrap().to_owned();
    assert!(user.starts_with("user_"), "{signed_up}");

    sign_in(&world, &ana.email, "not the password").await.is(401);
    let failed = log.audit("a sign-in failed");
    assert_eq!(failed["client"], "198.51.100.7");
    assert_eq!(failed["code"], "invalid_credentials");
    assert_eq!(failed["user"], user, "the account that was tried");
    sign_in(&world, "nobody@example.com", "not the password").await.is(401);
    assert_eq!(log.audit("a sign-in failed")["user"], Value::Null);
    sign_in(&world, &ana.email, PASSWORD).await.is(200);
    assert_eq!(log.audit("signed in")["user"], user);

    let change = json!({"currentPassword": PASSWORD, "password": "another fine phrase"});
    ana.client.patch("/api/users/me", &change).await.is(200);
    let changed = log.audit("an account was changed");
    assert_eq!((&changed["user"], &changed["changed"]), (&json!(user), &json!("password")));
    ana.client.patch("/api/users/me", &change).await.is(403);
    assert_eq!(log.audit("a change of an account was refused")["user"], user);
    let change = json!({"currentPassword": "another fine phrase", "email": "ana@example.org"});
    ana.client.patch("/api/users/me", &change).await.is(200);
    assert_eq!(log.audit("an account was changed")["changed"], "email");

    let elsewhere = [("origin", "https://evil.example")];
    ana.client.json(Method::POST, "/api/tickets", &json!({}), &elsewhere).await.is(403);
    log.audit("a request from another origin was refused");

    for secret in ["example.com", "example.org", "phrase", "password\":\"", PASSWORD, "not the"] {
        assert!(!log.text().contains(secret), "{secret}: {}", log.text());
    }
    let token = ana.client.token.as_deref().unwrap();
    assert!(!log.text().contains(token) && !log.text().contains("evil.example"));
    let every = log.text().matches("gittix::access").count();
    assert!(every >= 8, "each request has a line at debug: {every}");
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_is_told_of() {
    let log = Log::default();
    let _guard = log.listen();
    let narrow = Rate { burst: 1, per_minute: 1 };
    let throttle = ThrottleSettings { enabled: true, address: narrow, ..Setup::default().throttle };
    let header = Some("x-forwarded-for".to_owned());
    let world = Setup { throttle, client_address_header: header, ..Setup::default() }.start().await;
    sign_in(&world, "ana@example.com", PASSWORD).await.is(401);
    sign_in(&world, "ana@example.com", PASSWORD).await.is(429);
    let throttled = log.audit("a request was throttled");
    assert_eq!(throttled["client"], "198.51.100.7");
    assert_eq!(throttled["code"], "too_many_requests");
    assert!(!log.text().contains("example.com"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn sales_are_told_of_by_whoever_and_whatever_made_them() {
    let log = Log::default();
    let _guard = log.listen();
    let world = world().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let locked = log.audit("a ticket was locked");
    assert_eq!(locked["order"], order);
    let ben_id = locked["user"].as_str().unwrap().to_owned();
    ben.cancels(&order).await.is(204);
    assert_eq!(log.audit("an order was cancelled")["order"], order);

    let order = ben.locks(&ticket).await;
    ben.pays_with(&order, "tok_chargeDeclined").await.is(402);
    assert_eq!(log.audit("a payment was declined")["user"], ben_id);
    let failed = log.audit("a charge failed");
    assert_eq!((&failed["order"], &failed["code"]), (&json!(order), &json!("card_declined")));

    let order = ben.locks(&ticket).await;
    ben.pays(&order).await.is(201);
    let sold = log.audit("sold");
    assert_eq!((&sold["order"], &sold["user"]), (&json!(order), &json!(ben_id)));
    assert_eq!((&sold["amount"], &sold["currency"]), (&json!(4000), &json!("usd")));

    // Money that was taken for an order that is over is paid back behind everyone's back.
    let order = ben.locks(&world.ticket().await).await;
    ben.pays_with(&order, "tok_authenticationRequired").await.is(202);
    world.gateway.next(GatewayStep::Cancel, Fault::Fails);
    ben.cancels(&order).await.is(204);
    world.gateway.captured_by_hand();
    wait(seconds(120)).await;
    assert_eq!(log.audit("refunded")["order"], order);
    assert!(!log.text().contains("tok_") && !log.text().contains("example.com"));
}
