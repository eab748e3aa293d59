//! Letters of the real server, in files.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Place, id, pause};

/// Letters about sales that are there whole, by name.
fn letters(place: &Place) -> BTreeSet<String> {
    let Ok(files) = std::fs::read_dir(place.folder.path().join("mail")) else {
        return BTreeSet::new();
    };
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".eml") && name.contains(".order_")).collect()
}

#[test]
fn every_sale_becomes_two_letters_whenever_the_server_is_killed() {
    let place = Place::new();
    let mut orders = Vec::new();
    for round in 0..4 {
        let server = place.start();
        let ana = server.client().person(&format!("ana{round}"));
        let ben = server.client().person(&format!("ben{round}"));
        let order = id(&ben.locks(&ana.lists("Größer als das Leben")));
        let body = json!({"orderId": order, "token": "tok_visa"});
        ben.post("/api/payments", &body).is(201);
        pause(Duration::from_millis(7 * round));
        server.kill();
        orders.push(order);
    }
    let server = place.start();
    let until = Instant::now() + Duration::from_secs(20);
    while letters(&place).len() < 2 * orders.len() && Instant::now() < until {
        pause(Duration::from_millis(20));
    }
    server.signal("TERM");
    let found = letters(&place);
    for order in &orders {
        for what in ["order-paid", "ticket-sold"] {
            let of = found.iter().filter(|name| name.contains(&format!("-{what}.{order}.")));
            assert_eq!(of.count(), 1, "{what} {order}: {found:?}");
        }
    }
    let name = found.iter().find(|name| name.contains("order-paid")).unwrap();
    let letter = std::fs::read_to_string(place.folder.path().join("mail").join(name)).unwrap();
    assert!(letter.contains("Message-ID: <order-paid.order_") && letter.contains("To: ben"));
    assert!(letter.is_ascii(), "{letter}");
}
