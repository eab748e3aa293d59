//! Signing up, in and out, and changing one's account.

use std::time::Duration;

use gittix::domain::Email;
use serde_json::json;

use crate::support::client::id;
use crate::support::faults::{Mishap, Target};
use crate::support::world::{PASSWORD, seconds, token_of, wait};
use crate::support::{Setup, World, live};

const SIGN_UP: &str = "/api/users/signup";
const SIGN_IN: &str = "/api/users/signin";
const ME: &str = "/api/users/me";

#[tokio::test(start_paused = true)]
async fn signing_up_makes_an_account_and_signs_in() {
    let world = World::new().await;
    let body = json!({"email": "Ana@Example.com", "password": PASSWORD, "id": "user_mine"});
    let answer = world.anyone().post(SIGN_UP, &body).await.is(201);
    let user = answer.value();
    assert_eq!(user.as_object().unwrap().len(), 2, "an id and an email, nothing else: {user}");
    assert_eq!(user["email"], "Ana@Example.com");
    assert!(user["id"].as_str().unwrap().starts_with("user_"));
    assert_ne!(user["id"], "user_mine");
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("session=ey"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800"), "{cookie}");
    assert_eq!(world.events().await, ["UserCreated"]);
}

#[tokio::test(start_paused = true)]
async fn an_https_server_sets_secure_cookies_and_says_so_for_a_year() {
    let world = Setup { https: true, ..Setup::default() }.start().await;
    let body = json!({"email": "ana@example.com", "password": PASSWORD});
    let answer = world.anyone().post(SIGN_UP, &body).await.is(201);
    assert!(answer.header("set-cookie").starts_with("__Host-session=ey"));
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    let device = answer.cookie("__Host-device").unwrap();
    assert!(device.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000; Secure"));
    // A cookie from before there was https would be of no use.
    assert!(answer.cookie("session").unwrap().contains("session=; "));
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    let out = world.anyone().post("/api/users/signout", &json!({})).await.is(200);
    assert!(out.header("set-cookie").starts_with("__Host-session=; "));
    assert!(out.header("set-cookie").ends_with("; Max-Age=0; Secure"));
    assert!(out.cookie("session").unwrap().contains("Max-Age=0"));
}

#[tokio::test(start_paused = true)]
async fn an_email_is_taken_whatever_its_case() {
    let world = World::new().await;
    world.person("ana").await;
    for email in ["ana@example.com", "ANA@EXAMPLE.COM", " Ana@Example.Com "] {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = world.anyone().post(SIGN_UP, &body).await;
        if answer.status == 400 {
            assert!(email.starts_with(' '), "only white space may make an email invalid");
            continue;
        }
        let answer = answer.refused(409, "email_in_use");
        assert_eq!(answer.value()["errors"][0]["field"], "email");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test(start_paused = true)]
async fn an_email_is_one_however_its_domain_and_letters_are_written() {
    let world = World::new().await;
    let same = ["jürgen@müller.example", "JU\u{308}RGEN@xn--mller-kva.example"];
    let body = |email: &str| json!({"email": email, "password": PASSWORD});
    let user = world.anyone().post(SIGN_UP, &body(same[0])).await.created();
    assert_eq!(user["email"], same[0]);
    world.anyone().post(SIGN_UP, &body(same[1])).await.refused(409, "email_in_use");
    let back = world.anyone().post(SIGN_IN, &body(same[1])).await.ok();
    assert_eq!(back, user, "and is shown as it was entered");
    for email in ["हिन्दी@उदाहरण.भारत", "தமிழ்@எடுத்துக்காட்டு.இந்தியா", "বাংলা@উদাহরণ.বাংলা"]
    {
        world.anyone().post(SIGN_UP, &body(email)).await.is(201);
        world.anyone().post(SIGN_IN, &body(email)).await.is(200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_one_however_its_letters_are_composed() {
    let world = World::new().await;
    let body = |password: &str| json!({"email": "ana@example.com", "password": password});
    world.anyone().post(SIGN_UP, &body("crème brûlée")).await.is(201);
    let decomposed = body("cre\u{300}me bru\u{302}le\u{301}e");
    world.anyone().post(SIGN_IN, &decomposed).await.is(200);
    world.anyone().post(SIGN_IN, &body("creme brulee")).await.is(401);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_email_costs_as_much_work_as_a_wrong_password() {
    let world = World::new().await;
    world.person("ana").await;
    let mut costs = Vec::new();
    for email in ["ana@example.com", "nobody@example.com"] {
        let before = world.app.state.passwords.computed();
        let body = json!({"email": email, "password": "wrong password"});
        world.anyone().post(SIGN_IN, &body).await.is(401);
        costs.push(world.app.state.passwords.computed() - before);
    }
    assert_eq!(costs, [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn two_people_who_take_one_email_at_once_get_one_account() {
    let world = World::new().await;
    let body = json!({"email": "ana@example.com", "password": PASSWORD});
    let tries = (0..20).map(|_| {
        let (anyone, body) = (world.anyone(), body.clone());
        async move { anyone.post(SIGN_UP, &body).await.status.as_u16() }
    });
    let mut answers = futures_util::future::join_all(tries).await;
    answers.sort_unstable();
    assert_eq!(answers[0], 201);
    assert!(answers[1..].iter().all(|status| *status == 409), "{answers:?}");
    assert_eq!(world.events().await, ["UserCreated"]);
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_of_a_sign_up_is_told() {
    let world = World::new().await;
    let sign_up = |body| {
        let anyone = world.anyone();
        async move { anyone.post(SIGN_UP, &body).await.faults() }
    };
    let email = ("email".to_owned(), "Email must be valid".to_owned());
    let length =
        ("password".to_owned(), "Password must be between 8 and 128 characters".to_owned());
    let both = vec![email.clone(), length.clone()];
    assert_eq!(sign_up(json!({})).await, both);
    assert_eq!(sign_up(json!({"email": null, "password": null})).await, both);
    assert_eq!(sign_up(json!({"email": ["a@b.c"], "password": 12345678})).await, both);
    for bad in [
        "",
        "ana",
        "@example.com",
        "ana@",
        "a b@example.com",
        "ana@example.com\r\nbcc: x@y.z",
        "ana@@example.com",
        "ana@exa mple.com",
        "ana@example.com\u{0}",
        "ana@.com",
        "ana@example..com",
    ] {
        let faults = sign_up(json!({"email": bad, "password": PASSWORD})).await;
        assert_eq!(faults, std::slice::from_ref(&email), "{bad:?}");
    }
    for bad in ["1234567", &"x1".repeat(65), "ééééééé"] {
        let faults = sign_up(json!({"email": "ana@example.com", "password": bad})).await;
        assert_eq!(faults, std::slice::from_ref(&length), "{bad:?}");
    }
    for common in ["password", "PASSWORD", "12345678", "qwertyuiop", "iloveyou", "aaaaaaaa"] {
        let faults = sign_up(json!({"email": "ana@example.com", "password": common})).await;
        assert_eq!(faults.len(), 1, "{common}");
        assert_eq!(faults[0].0, "password", "{common}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_any_unicode_and_is_not_trimmed() {
    let world = World::new().await;
    let longest = "é✓ß漢🎫ñ".repeat(21) + "øø";
    for (name, password) in [("a", "  spaces  "), ("b", "пароль✓✓"), ("c", longest.as_str())]
    {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": password});
        world.anyone().post(SIGN_UP, &body).await.is(201);
        world.anyone().post(SIGN_IN, &body).await.is(200);
        let trimmed = json!({"email": email, "password": password.trim()});
        let answer = world.anyone().post(SIGN_IN, &trimmed).await;
        assert_eq!(answer.status == 200, password.trim() == password, "{password:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn signing_in_tells_the_same_of_a_wrong_password_and_an_unknown_email() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let body = json!({"email": "ANA@example.com", "password": PASSWORD});
    let answer = world.anyone().post(SIGN_IN, &body).await;
    assert_eq!(answer.clone().ok(), json!({"id": ana.id, "email": "ana@example.com"}));
    assert_eq!(answer.header("cache-control"), "no-store");
    token_of(&answer);

    let tries = [("ana@example.com", "wrong password"), ("nobody@example.com", PASSWORD)];
    let mut bodies = Vec::new();
    for (email, password) in tries {
        let body = json!({"email": email, "password": password});
        let answer = world.anyone().post(SIGN_IN, &body).await.refused(401, "invalid_credentials");
        assert_eq!(answer.header("set-cookie"), "");
        bodies.push(answer.body);
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test(start_paused = true)]
async fn signing_in_needs_an_email_and_a_password() {
    let world = World::new().await;
    let faults =
        world.anyone().post(SIGN_IN, &json!({"email": "x", "password": ""})).await.faults();
    let expected = [("email", "Email must be valid"), ("password", "You must supply a password")];
    let expected = expected.map(|(field, message)| (field.to_owned(), message.to_owned()));
    assert_eq!(faults, expected);
    // A password that no account could have is compared, not judged.
    let short = json!({"email": "ana@example.com", "password": "1"});
    world.anyone().post(SIGN_IN, &short).await.refused(401, "invalid_credentials");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_signed_in_is_the_current_user() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let answer = ana.client.get("/api/users/currentuser").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let (verified, roles, totp) = (false, json!([]), false);
    let expected = json!({
        "id": ana.id, "email": ana.email, "emailVerified": verified, "roles": roles, "totp": totp,
    });
    assert_eq!(answer.ok(), json!({"currentUser": expected}));
    let nobody = world.anyone().get("/api/users/currentuser").await.ok();
    assert_eq!(nobody, json!({"currentUser": null}));
}

#[tokio::test(start_paused = true)]
async fn changing_an_account_needs_its_password() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    world.person("ben").await;
    let change = |body| {
        let client = ana.client.clone();
        async move { client.patch(ME, &body).await }
    };
    world.anyone().patch(ME, &json!({})).await.refused(401, "unauthenticated");
    let faults = change(json!({"email": "x", "password": "short"})).await.faults();
    let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["currentPassword", "email", "password"]);
    change(json!({"currentPassword": "wrong", "email": "new@example.com"}))
        .await
        .refused(403, "wrong_password");
    change(json!({"currentPassword": PASSWORD, "email": "BEN@example.com"}))
        .await
        .refused(409, "email_in_use");
    let changed = change(json!({"currentPassword": PASSWORD, "email": "new@example.com"})).await;
    assert_eq!(changed.ok(), json!({"id": ana.id, "email": "new@example.com"}));
    // The old address is free again, the new one is not.
    world.person("ana").await;
    let taken = json!({"email": "new@example.com", "password": PASSWORD});
    world.anyone().post(SIGN_UP, &taken).await.refused(409, "email_in_use");
    // The case of one's own address may change.
    change(json!({"currentPassword": PASSWORD, "email": "NEW@example.com"})).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn a_new_password_ends_every_session_but_the_one_it_was_set_in() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let credentials = json!({"email": ana.email, "password": PASSWORD});
    let elsewhere = token_of(&world.anyone().post(SIGN_IN, &credentials).await.is(200));
    let elsewhere = crate::support::Client { token: Some(elsewhere), ..world.anyone() };
    let orders = "/api/orders";
    elsewhere.get(orders).await.is(200);

    let new = "another good password";
    let body = json!({"currentPassword": PASSWORD, "password": new});
    ana.client.patch(ME, &body).await.is(200);
    ana.client.get(orders).await.is(200);
    elsewhere.get(orders).await.refused(401, "unauthenticated");
    world.anyone().post(SIGN_IN, &credentials).await.refused(401, "invalid_credentials");
    let body = json!({"email": ana.email, "password": new});
    let back = world.anyone().post(SIGN_IN, &body).await.ok();
    assert_eq!(id(&back), ana.id);
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_no_event_shows_a_password() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let body = json!({"currentPassword": PASSWORD, "password": "another good password"});
    let answer = ana.client.patch(ME, &body).await.is(200);
    let log = format!("{:?}", world.store.events(0, 10).await.unwrap());
    for text in [answer.text(), log] {
        assert!(!text.contains(PASSWORD) && !text.contains("another good"), "{text}");
        assert!(!text.contains("argon2"), "{text}");
    }
    assert_eq!(world.events().await, ["UserCreated", "UserUpdated"]);
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_meets_a_change_of_the_account_is_decided_by_its_password() {
    let world = World::new().await;
    let ben = world.person("ben").await;
    let old = json!({"email": ben.email, "password": PASSWORD});
    let changes = [
        (json!({"email": "new@example.com", "currentPassword": PASSWORD}), 200),
        (json!({"password": "another good one", "currentPassword": PASSWORD}), 401),
    ];
    for (change, answer) in changes {
        world.mishaps.next(Target::SignIn, Mishap::Stalls(seconds(1)));
        let stranger = world.anyone();
        let meanwhile = async {
            wait(Duration::from_millis(500)).await;
            ben.client.patch(ME, &change).await.is(200);
            ben.client.patch(ME, &json!({"email": ben.email, "currentPassword": PASSWORD})).await
        };
        let (signed_in, _) =
            futures_util::future::join(stranger.post(SIGN_IN, &old), meanwhile).await;
        signed_in.is(answer);
    }
}

#[test]
fn an_outdated_hash_is_replaced_at_the_next_sign_in() {
    let body = json!({"email": "ben@example.com", "password": PASSWORD});
    let next = live(async {
        let world = World::new().await;
        world.person("ben").await;
        world.killed()
    });
    live(async {
        let world = Setup { password_passes: 2, ..next }.start().await;
        let key = Email::parse("ben@example.com").expect("an address").key();
        let found = async || world.store.user_by_email(&key).await.expect("readable").expect("ben");
        let before = found().await;
        world.anyone().post(SIGN_IN, &body).await.is(200);
        let after = found().await;
        assert_ne!(after.password_hash, before.password_hash);
        assert!(after.password_hash.contains("t=2"), "{}", after.password_hash);
        world.anyone().post(SIGN_IN, &body).await.is(200);
        assert_eq!(found().await.password_hash, after.password_hash);
        assert_eq!(
            world.events().await,
            ["UserCreated", "UserUpdated"],
            "each version is told once"
        );
    });
}

#[tokio::test(start_paused = true)]
async fn everyone_who_changes_an_account_at_once_gets_through() {
    let world = World::new().await;
    let ben = world.person("ben").await;
    let change = async |number: u32| {
        let email = format!("ben{number}@example.com");
        let body = json!({"email": email, "currentPassword": PASSWORD});
        ben.client.patch(ME, &body).await.is(200)
    };
    futures_util::future::join_all((0..20).map(change)).await;
    assert_eq!(world.events().await.len(), 21);
}
