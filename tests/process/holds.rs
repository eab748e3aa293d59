//! A hold of three seconds in real time.

use std::time::Duration;

use gittix::domain::Timestamp;
use gittix::seams::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::support::{Client, Place, pause};

const HOLD: &str = "GITTIX_ORDERS__HOLD_SECONDS";

fn expires(order: &Value) -> i64 {
    let text = order["expiresAt"].as_str().unwrap();
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

fn sleep_until(millis: i64) {
    pause(Timestamp::from_millis(millis).since(SystemClock.now()));
}

/// Looks just before and a second after.
fn is_released_on_time(client: &Client, ticket: &str, expires: i64) {
    sleep_until(expires - 100);
    if SystemClock.now() < Timestamp::from_millis(expires - 20) {
        let status = client.status_of(ticket);
        let is_early = SystemClock.now() < Timestamp::from_millis(expires);
        assert!(status == "Locked" || !is_early, "released too early");
    }
    sleep_until(expires + 1000);
    assert_eq!(client.status_of(ticket), "Available");
}

#[test]
fn a_ticket_is_available_again_within_a_second_of_its_deadline() {
    let place = Place::new().with(HOLD, 3);
    let server = place.start();
    let (ana, ben) = (server.client().person("ana"), server.client().person("ben"));
    let ticket = ana.lists("Rock");
    let order = ben.locks(&ticket);
    is_released_on_time(&ben, &ticket, expires(&order));
    let late = json!({"orderId": order["id"], "token": "tok_visa"});
    let refused = ben.post("/api/payments", &late).is(409).json();
    assert_eq!(refused["code"], "order_expired");
}

#[test]
fn also_after_the_server_was_killed_and_started_again() {
    let place = Place::new().with(HOLD, 3);
    let server = place.start();
    let (ana, ben) = (server.client().person("ana"), server.client().person("ben"));
    let ticket = ana.lists("Rock");
    let order = ben.locks(&ticket);
    server.kill();
    let server = place.start();
    is_released_on_time(&ben.at(&server), &ticket, expires(&order));
}

#[test]
fn also_if_the_server_was_down_at_the_deadline() {
    let place = Place::new().with(HOLD, 3);
    let server = place.start();
    let (ana, ben) = (server.client().person("ana"), server.client().person("ben"));
    let ticket = ana.lists("Rock");
    let order = ben.locks(&ticket);
    server.kill();
    sleep_until(expires(&order) + 300);
    let server = place.start();
    pause(Duration::from_secs(1));
    assert_eq!(server.client().status_of(&ticket), "Available");
    let shown = ben.at(&server).get(&format!("/api/orders/{}", order["id"].as_str().unwrap()));
    assert_eq!(shown.json()["cancelReason"], "expired");
    assert_eq!(shown.json()["expiresAt"], order["expiresAt"]);
}
