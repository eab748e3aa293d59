//! What somebody may do who reads the mail of an account: verify its address, and choose another password.

use gittix::auth::{LimitSettings, Rate, ThrottleSettings};
use serde_json::{Value, json};

use crate::support::world::{PASSWORD, seconds, wait};
use crate::support::{Setup, World};

const NEW: &str = "another fine phrase";

/// The token of the newest letter with that beginning of its id.
async fn token(world: &World, what: &str) -> String {
    wait(seconds(2)).await;
    let mut letters = world.postbox.all().into_iter().filter(|letter| letter.id.starts_with(what));
    let plain = letters.next_back().expect("a letter").text.plain;
    plain.rsplit_once("#token=").expect("a link").1.trim().to_owned()
}

async fn current_user(person: &crate::support::world::Person) -> Value {
    person.client.get("/api/users/currentuser").await.ok()["currentUser"].clone()
}

#[tokio::test(start_paused = true)]
async fn an_address_is_verified_by_the_newest_link_once_and_within_a_day() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    assert_eq!(current_user(&ana).await["emailVerified"], false);
    let first = token(&world, "verify-address.").await;
    ana.client.post("/api/users/verification", &json!({})).await.is(202);
    let second = token(&world, "verify-address.").await;
    let verify = async |token: &str| {
        world.anyone().post("/api/users/verify", &json!({"token": token})).await
    };
    for token in [first.as_str(), "nothing", &second[..63]] {
        assert_eq!(verify(token).await.is(400).value()["code"], "token_invalid");
    }
    verify(&second).await.is(200);
    verify(&second).await.is(400);
    assert_eq!(current_user(&ana).await["emailVerified"], true);
    assert_eq!(world.events().await, ["UserCreated", "UserVerified"]);
    ana.client.post("/api/users/verification", &json!({})).await.is(202);
    wait(seconds(2)).await;
    assert_eq!(world.postbox.told("verify-address.").len(), 2, "there is nothing to verify");

    let body = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    ana.client.patch("/api/users/me", &body).await.ok();
    assert_eq!(current_user(&ana).await["emailVerified"], false);
    let third = token(&world, "verify-address.").await;
    wait(seconds(24 * 3600)).await;
    verify(&third).await.is(400);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_password_is_replaced_once_and_signs_everything_out() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let body = json!({"name": "box office", "currentPassword": PASSWORD});
    ana.client.post("/api/users/me/tokens", &body).await.is(201);
    let forget = async |email: &str| {
        world.anyone().post("/api/users/password-reset", &json!({"email": email})).await.is(202)
    };
    let (known, unknown) = (forget("ANA@example.com").await, forget("eve@example.com").await);
    assert_eq!(known.value(), unknown.value());
    let token = token(&world, "reset-password.").await;
    assert_eq!(world.postbox.told("reset-password.").len(), 1);
    let reset = async |password: &str| {
        let body = json!({"token": token, "password": password});
        world.anyone().post("/api/users/password-reset/confirm", &body).await
    };
    assert_eq!(reset("short").await.is(400).value()["code"], "validation_failed");
    assert_eq!(reset("ana@example.com").await.is(400).value()["code"], "validation_failed");
    reset(NEW).await.is(200);
    assert_eq!(reset(NEW).await.is(400).value()["code"], "token_invalid");
    assert_eq!(current_user(&ana).await, Value::Null, "the session has ended");
    let told = ["UserCreated", "TokenCreated", "TokenRevoked", "UserUpdated"];
    assert_eq!(world.events().await, told);
    let sign_in = async |password: &str| {
        let body = json!({"email": ana.email, "password": password});
        world.anyone().post("/api/users/signin", &body).await
    };
    sign_in(PASSWORD).await.is(401);
    sign_in(NEW).await.is(200);
    wait(seconds(2)).await;
    assert_eq!(world.postbox.told("password-changed.").len(), 1);
    assert_eq!(world.postbox.told("new-device.").len(), 1, "nobody had signed in there");
}

#[tokio::test(start_paused = true)]
async fn a_link_to_another_password_ends_with_its_hour_and_with_what_it_was_about() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let reset = async |token: String| {
        let body = json!({"token": token, "password": NEW});
        world.anyone().post("/api/users/password-reset/confirm", &body).await
    };
    let ask = async || {
        let body = json!({"email": "ana@example.com"});
        world.anyone().post("/api/users/password-reset", &body).await.is(202);
        token(&world, "reset-password.").await
    };
    let late = ask().await;
    wait(seconds(3600)).await;
    reset(late).await.is(400);
    let about_another = ask().await;
    let body = json!({"currentPassword": PASSWORD, "email": "new@example.com"});
    ana.client.patch("/api/users/me", &body).await.ok();
    reset(about_another).await.is(400);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_letters_without_end() {
    let throttle = ThrottleSettings {
        enabled: true,
        account: Rate { burst: 3, per_minute: 1 },
        account_per_hour: 100,
        address: Rate { burst: 20, per_minute: 60 },
    };
    let limits = LimitSettings::default();
    let world = Setup { throttle, limits, ..Setup::default() }.start().await;
    let ana = world.person("ana").await;
    for _ in 0..10 {
        ana.client.post("/api/users/verification", &json!({})).await.is(202);
    }
    ana.client.post("/api/users/verification", &json!({})).await.is(429);
    let mut answers = Vec::new();
    for _ in 0..30 {
        let body = json!({"email": "eve@example.com"});
        let answer = world.anyone().post("/api/users/password-reset", &body).await;
        answers.push(answer.status.as_u16());
    }
    assert!(answers.contains(&202) && answers.last() == Some(&429), "{answers:?}");
}
