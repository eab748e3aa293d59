//! Killed under load, again and again: what was answered is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Place, id, pause};

const ROUNDS: u64 = 4;
const BUYERS: usize = 6;
const TICKETS: usize = 40;

/// What buyers were told, for certain.
#[derive(Default)]
struct Told {
    /// The order of every 201, with its buyer.
    orders: BTreeMap<String, usize>,
    /// Orders whose payment was answered 201.
    paid: BTreeSet<String>,
    /// Orders whose buyer asked to cancel them or to pay, whatever came of it.
    touched: BTreeSet<String>,
}

#[test]
fn every_order_that_was_answered_holds_its_ticket_and_no_ticket_has_two() {
    let place = Place::new().with("GITTIX_ORDERS__MAX_OPEN_PER_USER", 10_000);
    let mut server = place.start();
    let ana = server.client().person("ana");
    let buyers: Vec<Client> =
        (0..BUYERS).map(|number| server.client().person(&format!("buyer{number}"))).collect();
    let told = Arc::new(Mutex::new(Told::default()));
    let mut tickets = Vec::new();
    for round in 0..ROUNDS {
        let ana = ana.at(&server);
        let fresh: Vec<String> =
            (0..TICKETS).map(|number| ana.lists(&format!("Ticket {round} {number}"))).collect();
        tickets.extend(fresh.clone());
        let is_over = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = buyers
            .iter()
            .enumerate()
            .map(|(number, buyer)| {
                let (buyer, fresh) = (buyer.at(&server), fresh.clone());
                let (told, is_over) = (told.clone(), is_over.clone());
                thread::spawn(move || shop(&buyer, number, &fresh, &told, &is_over))
            })
            .collect();
        pause(Duration::from_millis(60 + 50 * round));
        server.kill();
        is_over.store(true, Ordering::SeqCst);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        server = place.start();
        must_be_as_told(&server.client(), &buyers, &told.lock().unwrap(), &tickets);
    }
    assert!(told.lock().unwrap().orders.len() > 5, "there was load");
    server.kill();
    let (ok, said) = place.run(&["verify"]);
    assert!(ok, "{said}");
}

/// Locks tickets until the server is gone; pays some orders and cancels some.
fn shop(buyer: &Client, number: usize, tickets: &[String], told: &Mutex<Told>, over: &AtomicBool) {
    for (place, ticket) in tickets.iter().cycle().skip(number * 7).enumerate() {
        if over.load(Ordering::SeqCst) || place > 10_000 {
            return;
        }
        let Some(answer) = buyer.tries_to_lock(ticket) else { continue };
        assert!(answer.status < 500, "{answer:?}");
        if answer.status != 201 {
            continue;
        }
        let order = id(&answer.json());
        told.lock().unwrap().orders.insert(order.clone(), number);
        match place % 3 {
            0 => {
                told.lock().unwrap().touched.insert(order.clone());
                let body = json!({"orderId": order, "token": "tok_visa"}).to_string();
                let paid = buyer.try_send("POST", "/api/payments", &body);
                if paid.is_some_and(|answer| answer.status == 201) {
                    told.lock().unwrap().paid.insert(order);
                }
            }
            1 => {
                told.lock().unwrap().touched.insert(order.clone());
                buyer.try_send("DELETE", &format!("/api/orders/{order}"), "");
            }
            _ => {}
        }
    }
}

fn must_be_as_told(anyone: &Client, buyers: &[Client], told: &Told, tickets: &[String]) {
    let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for buyer in buyers {
        let buyer = Client { address: anyone.address.clone(), ..buyer.clone() };
        for order in all_orders(&buyer) {
            let status = order["status"].as_str().unwrap();
            if status != "Cancelled" {
                let ticket = order["ticketId"].as_str().unwrap().to_owned();
                holders.entry(ticket).or_default().push(id(&order));
            }
        }
    }
    let two: Vec<_> = holders.iter().filter(|(_, orders)| orders.len() > 1).collect();
    assert!(two.is_empty(), "{two:?}");
    for ticket in tickets {
        let shown = anyone.get(&format!("/api/tickets/{ticket}")).is(200).json();
        let holder = holders.get(ticket).map(|orders| orders[0].as_str());
        assert_eq!(shown["orderId"].as_str(), holder, "{shown}");
    }
    for (order, number) in &told.orders {
        let buyer = Client { address: anyone.address.clone(), ..buyers[*number].clone() };
        let shown = buyer.get(&format!("/api/orders/{order}")).is(200).json();
        let status = shown["status"].as_str().unwrap();
        if told.paid.contains(order) {
            assert_eq!(status, "Completed");
        } else if !told.touched.contains(order) {
            assert_eq!(status, "Created");
        }
    }
}

fn all_orders(buyer: &Client) -> Vec<Value> {
    let mut found = Vec::new();
    let mut path = Some("/api/orders?limit=100".to_owned());
    while let Some(page) = path {
        let answer = buyer.get(&page).is(200);
        found.extend(answer.json().as_array().unwrap().iter().cloned());
        let link = answer.head.lines().find_map(|line| line.strip_prefix("link: <"));
        path = link.and_then(|link| link.split('>').next()).map(str::to_owned);
    }
    found
}
