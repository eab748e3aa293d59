//! A second factor: turned on with a code, asked for at every sign-in, and off with the password.

use axum::http::Method;
use gittix::auth::{Rate, ThrottleSettings};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::support::world::{PASSWORD, seconds, wait};
use crate::support::{Answer, Person, Setup, World};

const TOTP: &str = "/api/users/me/totp";
const CONFIRM: &str = "/api/users/me/totp/confirm";

/// A device that shows codes.
struct Device(Vec<u8>);

impl Device {
    fn with(secret: &str) -> Self {
        let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
        for letter in secret.bytes() {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                _ => letter - b'2' + 26,
            };
            held = (held << 5 | u32::from(value)) & 0xffff;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(held >> bits & 0xff).unwrap());
            }
        }
        Self(bytes)
    }

    /// What it shows so many steps from now.
    fn shows(&self, world: &World, steps: i64) -> String {
        let step = world.now().as_seconds() / 30 + steps;
        let mac = Hmac::<Sha1>::new_from_slice(&self.0).unwrap();
        let hash = mac.chain_update(step.to_be_bytes()).finalize().into_bytes();
        let at = usize::from(hash[19] & 0xf);
        let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

async fn begins(person: &Person) -> Device {
    let answer = person.client.post(TOTP, &json!({"currentPassword": PASSWORD})).await;
    assert_eq!(answer.header("cache-control"), "no-store");
    Device::with(answer.created()["secret"].as_str().unwrap())
}

/// Turns it on, and gives back the device and the recovery codes.
async fn turns_on(world: &World, person: &Person) -> (Device, Vec<String>) {
    let device = begins(person).await;
    let answer = person.client.post(CONFIRM, &json!({"code": device.shows(world, 0)})).await.ok();
    let codes = answer["recoveryCodes"].as_array().unwrap().iter();
    (device, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
}

async fn signs_in(world: &World, person: &Person, totp: Option<&str>) -> Answer {
    let mut body = json!({"email": person.email, "password": PASSWORD});
    if let Some(totp) = totp {
        body["totp"] = json!(totp);
    }
    world.anyone().post("/api/users/signin", &body).await
}

async fn is_on(person: &Person) -> bool {
    let user = person.client.get("/api/users/currentuser").await.ok();
    user["currentUser"]["totp"].as_bool().unwrap()
}

async fn ends(person: &Person, password: &str) -> Answer {
    let body = json!({"currentPassword": password});
    person.client.json(Method::DELETE, TOTP, &body, &[]).await
}

#[tokio::test(start_paused = true)]
async fn the_current_user_says_what_the_account_has() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let user = ana.client.get("/api/users/currentuser").await.ok();
    let expected = json!({
        "id": ana.id, "email": ana.email, "emailVerified": false, "roles": [], "totp": false,
    });
    assert_eq!(user["currentUser"], expected);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_told_in_three_ways_and_changes_nothing_until_it_is_confirmed() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let told = ana.client.post(TOTP, &json!({"currentPassword": PASSWORD})).await.created();
    let secret = told["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 32);
    let uri = format!("otpauth://totp/GitTix:ana%40example.com?secret={secret}&issuer=GitTix");
    assert!(told["uri"].as_str().unwrap().starts_with(&uri), "{told}");
    assert!(told["qrSvg"].as_str().unwrap().starts_with("<svg "), "{told}");
    assert!(!is_on(&ana).await);
    signs_in(&world, &ana, None).await.is(200);
    assert_eq!(world.events().await, ["UserCreated"]);
    // Another secret takes the place of one that was never confirmed.
    let first = Device::with(secret);
    let second = begins(&ana).await;
    let code = first.shows(&world, 0);
    ana.client.post(CONFIRM, &json!({"code": code})).await.refused(400, "totp_invalid");
    let code = second.shows(&world, 0);
    ana.client.post(CONFIRM, &json!({"code": code})).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn with_a_second_factor_signing_in_takes_a_code_and_no_code_twice() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let (device, _) = turns_on(&world, &ana).await;
    assert!(is_on(&ana).await);
    assert_eq!(world.events().await, ["UserCreated", "TotpEnabled"]);
    signs_in(&world, &ana, None).await.refused(401, "totp_required");
    let used = device.shows(&world, 0);
    signs_in(&world, &ana, Some(&used)).await.refused(401, "totp_invalid");
    for wrong in ["", "000000x", "12345"] {
        signs_in(&world, &ana, Some(wrong)).await.refused(401, "totp_invalid");
    }
    let early = device.shows(&world, 1);
    let answer = signs_in(&world, &ana, Some(&early)).await.is(200);
    assert_eq!(answer.value(), json!({"id": ana.id, "email": ana.email}));
    signs_in(&world, &ana, Some(&early)).await.refused(401, "totp_invalid");
    wait(seconds(60)).await;
    let late = device.shows(&world, -1);
    signs_in(&world, &ana, Some(&late)).await.refused(401, "totp_invalid");
    let now = device.shows(&world, 0);
    signs_in(&world, &ana, Some(&now)).await.is(200);
    // A wrong password is told as ever, whatever the code.
    let body = json!({"email": ana.email, "password": "wrong password", "totp": now});
    let answer = world.anyone().post("/api/users/signin", &body).await;
    answer.refused(401, "invalid_credentials");
}

#[tokio::test(start_paused = true)]
async fn of_those_who_show_the_same_code_at_once_one_gets_in() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let (device, codes) = turns_on(&world, &ana).await;
    wait(seconds(60)).await;
    for code in [device.shows(&world, 0), codes[0].clone()] {
        let all = (0..8).map(|_| signs_in(&world, &ana, Some(&code)));
        let answers = futures_util::future::join_all(all).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_code_is_good_once_in_place_of_a_code() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let (_, codes) = turns_on(&world, &ana).await;
    let (_, others) = turns_on(&world, &ben).await;
    assert_eq!(codes.len(), 10);
    let typed = codes[3].to_uppercase().replace('-', "");
    signs_in(&world, &ana, Some(&typed)).await.is(200);
    signs_in(&world, &ana, Some(&codes[3])).await.refused(401, "totp_invalid");
    signs_in(&world, &ana, Some(&others[0])).await.refused(401, "totp_invalid");
    signs_in(&world, &ana, Some(&codes[4])).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn it_is_turned_on_and_off_with_the_password_alone() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let wrong = json!({"currentPassword": "wrong password"});
    ana.client.post(TOTP, &wrong).await.refused(403, "wrong_password");
    let faults = ana.client.post(TOTP, &json!({})).await.faults();
    assert_eq!(faults[0].0, "currentPassword");
    ana.client.post(CONFIRM, &json!({"code": "123456"})).await.refused(409, "conflict");
    turns_on(&world, &ana).await;
    let again = json!({"currentPassword": PASSWORD});
    ana.client.post(TOTP, &again).await.refused(409, "conflict");
    ends(&ana, "wrong password").await.refused(403, "wrong_password");
    assert!(is_on(&ana).await);
    ends(&ana, PASSWORD).await.is(204);
    assert!(!is_on(&ana).await);
    ends(&ana, PASSWORD).await.is(204);
    assert_eq!(world.events().await, ["UserCreated", "TotpEnabled", "TotpDisabled"]);
    signs_in(&world, &ana, None).await.is(200);
    for (method, path) in [(Method::POST, TOTP), (Method::POST, CONFIRM), (Method::DELETE, TOTP)] {
        let answer = world.anyone().json(method, path, &again, &[]).await;
        answer.refused(401, "unauthenticated");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_count_as_guesses() {
    let throttle = ThrottleSettings {
        enabled: true,
        account: Rate { burst: 5, per_minute: 1 },
        ..Setup::default().throttle
    };
    let world = Setup { throttle, ..Setup::default() }.start().await;
    let ana = world.person("ana").await;
    let (device, _) = turns_on(&world, &ana).await;
    // Whoever shows nothing has not guessed.
    for _ in 0..10 {
        signs_in(&world, &ana, None).await.refused(401, "totp_required");
    }
    for _ in 0..5 {
        signs_in(&world, &ana, Some("000000")).await.refused(401, "totp_invalid");
    }
    let code = device.shows(&world, 1);
    signs_in(&world, &ana, Some(&code)).await.refused(429, "too_many_requests");
}

#[tokio::test(start_paused = true)]
async fn it_outlives_a_crash_and_neither_secret_nor_code_is_in_the_log() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let (device, _) = turns_on(&world, &ana).await;
    let events = world.store.events(0, 100).await.unwrap();
    assert!(!format!("{events:?}").contains('@'));
    let world = world.killed().start().await;
    signs_in(&world, &ana, None).await.refused(401, "totp_required");
    wait(seconds(60)).await;
    let code = device.shows(&world, 0);
    signs_in(&world, &ana, Some(&code)).await.is(200);
}

#[tokio::test(start_paused = true)]
async fn events_tell_of_accounts_without_naming_anybody() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    turns_on(&world, &ana).await;
    let page = ana.client.request(Method::GET, "/api/events?after=0");
    let response = tower::ServiceExt::oneshot(
        ana.client.router.clone(),
        page.body(axum::body::Body::empty()).unwrap(),
    );
    let mut body = response.await.unwrap().into_body();
    let mut text = String::new();
    while !text.contains("TotpEnabled") {
        let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let told: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let expected = json!({"id": ana.id, "emailVerified": false, "roles": [], "version": 1});
    assert_eq!(told[1]["data"], expected);
}
