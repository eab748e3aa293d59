//! Starting and stopping.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;

use crate::support::{Place, pause};

#[test]
fn start_up_says_where_everything_is_and_who_takes_the_money() {
    let place = Place::new();
    let server = place.start();
    for expected in ["gittix 0.1.0 is ready", "sandbox", "usd", "holds     15 min", &server.api] {
        assert!(server.banner.contains(expected), "{expected}: {}", server.banner);
    }
    let data = std::fs::canonicalize(place.data()).unwrap();
    assert!(server.banner.contains(data.file_name().unwrap().to_str().unwrap()));
    server.client().get("/healthz").is(200);
    server.client().get("/readyz").is(200);
    let admin = crate::support::Client { address: server.admin.clone(), token: None };
    let metrics = admin.get("/metrics").is(200);
    assert!(metrics.body.contains("gittix_live_actors"));
    server.client().get("/metrics").is(404);
}

#[test]
fn the_session_key_is_made_once_for_its_owners_eyes() {
    let place = Place::new();
    let key = place.folder.path().join("session.key");
    let server = place.start();
    let ana = server.client().person("ana");
    let first = std::fs::read(&key).unwrap();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(first.len() >= 32);
    let text = String::from_utf8_lossy(&first).into_owned();
    assert!(!server.banner.contains(text.trim()) && !server.log().contains(text.trim()));
    server.kill();
    let server = place.start();
    assert_eq!(std::fs::read(&key).unwrap(), first);
    ana.at(&server).get("/api/orders").is(200);
    server.kill();
    // A key that others can read is not used.
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let (ok, said) = place.run(&[]);
    assert!(!ok && said.contains("session.key"), "{said}");
}

#[test]
fn a_second_server_on_the_same_file_says_so_and_fails() {
    let place = Place::new();
    let server = place.start();
    let (ok, said) = place.run(&["serve"]);
    assert!(!ok, "{said}");
    assert!(said.contains("in use") && said.contains("gittix.redb"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    server.client().get("/readyz").is(200);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (place, other) = (Place::new(), Place::new());
    let server = place.start();
    let (ok, said) = other.run(&["--listen", &server.api]);
    assert!(!ok && said.contains("http.listen") && said.contains(&server.api), "{said}");
}

#[test]
fn a_bad_setting_stops_the_start_and_is_named() {
    for (name, value, key) in [
        ("GITTIX_ORDERS__HOLD_SECONDS", "soon", "ORDERS__HOLD_SECONDS"),
        ("GITTIX_ORDERS__HOLD_SECONDS", "0", "ORDERS__HOLD_SECONDS"),
        ("GITTIX_ORDERS__HOLD", "3", "ORDERS__HOLD"),
        ("GITTIX_PAYMENTS__CURRENCY", "xyz", "PAYMENTS__CURRENCY"),
        ("GITTIX_PAYMENTS__PROVIDER", "cash", "PAYMENTS__PROVIDER"),
        ("GITTIX_PAYMENTS__PROVIDER", "stripe", "secret_key"),
    ] {
        let (ok, said) = Place::new().with(name, value).run(&[]);
        assert!(!ok && said.contains(key), "{name}={value}: {said}");
    }
    let place = Place::new();
    let file = place.folder.path().join("config.toml");
    std::fs::write(&file, "[orders]\nhold_secs = 3\n").unwrap();
    let (ok, said) = place.run(&[]);
    assert!(!ok && said.contains("hold_secs"), "{said}");
    let (ok, said) = place.run(&["--config", "missing.toml"]);
    assert!(!ok && said.contains("missing.toml"), "{said}");
}

#[test]
fn a_signal_lets_requests_in_flight_finish_and_ends_with_success() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let mut server = place.start();
        let ana = server.client().person("ana");
        let body = json!({"title": "Rock", "price": 40}).to_string();
        let mut half_sent = ana.connect().unwrap();
        let request = ana.head("POST", "/api/tickets", body.len()) + &body;
        let (first, rest) = request.as_bytes().split_at(request.len() - 5);
        half_sent.write_all(first).unwrap();
        let idle = ana.connect().unwrap();
        pause(Duration::from_millis(200));
        server.signal(signal);
        pause(Duration::from_millis(200));
        let refused = ana.try_send("GET", "/healthz", "");
        assert!(refused.is_none(), "no new connections: {refused:?}");
        half_sent.write_all(rest).unwrap();
        let mut answer = String::new();
        half_sent.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        drop(idle);
        assert!(server.wait(Duration::from_secs(15)).success(), "{}", server.log());
        let server = place.start();
        let own = ana.at(&server).get("/api/tickets?seller=me").json();
        assert_eq!(own.as_array().unwrap().len(), 1);
    }
}

#[test]
fn the_demo_fills_an_empty_store_once() {
    let place = Place::new();
    let server = place.start_with(&["serve", "--demo"]);
    let credentials: Vec<(String, String)> = server
        .banner
        .lines()
        .filter_map(|line| line.strip_prefix("demo user "))
        .filter_map(|line| line.split_once("  password "))
        .map(|(email, password)| (email.to_owned(), password.to_owned()))
        .collect();
    assert_eq!(credentials.len(), 2, "{}", server.banner);
    for (email, password) in &credentials {
        let body = json!({"email": email, "password": password});
        server.client().post("/api/users/signin", &body).is(200);
    }
    let listed = server.client().get("/api/tickets").json().as_array().unwrap().len();
    assert!(listed >= 5, "{listed}");
    let shows = server.client().get("/api/shows?limit=100").json();
    let shows = shows.as_array().unwrap();
    let cities: BTreeSet<&str> =
        shows.iter().map(|show| show["venue"]["city"].as_str().unwrap()).collect();
    assert!(shows.len() >= 15 && cities.len() >= 6, "all of them are to come: {cities:?}");
    server.kill();
    let server = place.start_with(&["--demo"]);
    assert!(!server.banner.contains("password"), "{}", server.banner);
    let again = server.client().get("/api/tickets").json().as_array().unwrap().len();
    assert_eq!(again, listed);
}

#[test]
fn help_and_version_are_there() {
    let place = Place::new();
    let (ok, said) = place.run(&["--help"]);
    assert!(ok && said.contains("backup") && said.contains("verify"), "{said}");
    let (ok, said) = place.run(&["--version"]);
    assert!(ok && said.contains("gittix 0.1.0"), "{said}");
    let (ok, _) = place.run(&["sevre"]);
    assert!(!ok);
}
