//! A show is cancelled, and the server is killed while it ends what is open and pays back what was paid.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use std::{env, thread};

use serde_json::{Value, json};

use crate::support::{Client, Place, Server, id, pause};

/// How many orders of the show there are, in an ordinary run.
const PAID: usize = 60;
const OPEN: usize = 12;
/// The same in the long one, unless it is told otherwise.
const MANY_PAID: usize = 10_000;
const MANY_OPEN: usize = 1_000;
/// How often the server is killed meanwhile.
const KILLS: u64 = 4;
/// How many buyers there are, each at a time of their own.
const BUYERS: usize = 4;

#[test]
fn a_cancelled_show_pays_back_every_order_once_however_often_the_server_dies() {
    cancel_and_kill(PAID, OPEN, Duration::from_millis(40));
}

/// `GITTIX_PAID` and `GITTIX_OPEN` say how many orders.
#[test]
#[ignore = "needs several minutes"]
fn a_cancelled_show_of_thousands_pays_back_every_order_once() {
    let number = |name, otherwise| {
        env::var(name).map_or(otherwise, |text: String| text.parse().expect("a number"))
    };
    let (paid, open) = (number("GITTIX_PAID", MANY_PAID), number("GITTIX_OPEN", MANY_OPEN));
    cancel_and_kill(paid, open, Duration::from_secs(2));
}

fn cancel_and_kill(paid: usize, open: usize, life: Duration) {
    let place = Place::new()
        .with("GITTIX_ORDERS__MAX_OPEN_PER_USER", 100_000)
        .with("GITTIX_ORDERS__MAX_SEATS_PER_SHOW", 100_000)
        .with("GITTIX_ORDERS__HOLD_SECONDS", 86_400);
    let server = place.start();
    let ana = server.client().person("ana");
    server.kill();
    let (ok, said) = place.run(&["operator", "grant", "ana@example.com"]);
    assert!(ok, "{said}");
    let mut server = place.start();
    let show = adds_show(&ana.at(&server));
    let buyers: Vec<Client> =
        (0..BUYERS).map(|number| server.client().person(&format!("buyer{number}"))).collect();
    let orders = trade(&server, &ana, &buyers, &show, paid, open);
    let reason = json!({"reason": "The singer is ill."});
    ana.at(&server).post(&format!("/api/shows/{show}/cancel"), &reason).is(200);
    for kill in 1..=KILLS {
        pause(life * u32::try_from(kill).expect("few"));
        server.kill();
        server = place.start();
    }
    let since = Instant::now();
    let long =
        Duration::from_secs(60) + Duration::from_millis(10) * u32::try_from(paid).expect("few");
    while let Some(left) = orders.iter().find(|order| !order.is_over(&server)) {
        assert!(since.elapsed() < long, "{:?}\n{}", left.shown(&server), server.log());
        pause(Duration::from_millis(200));
    }
    let mut refunds = BTreeSet::new();
    let mut versions = BTreeSet::new();
    for order in orders.iter().filter(|order| order.is_paid) {
        let shown = order.shown(&server);
        let refund = shown["charge"]["stripeRefundId"].as_str().expect("a refund").to_owned();
        assert!(refunds.insert(refund), "no refund is for two: {shown}");
        versions.insert(shown["version"].as_u64());
    }
    assert_eq!(versions.len(), 1, "each was paid back in the same steps: {versions:?}");
    for ticket in orders.iter().map(|order| &order.ticket) {
        let status = server.client().status_of(ticket);
        assert!(status == "Sold" || status == "Closed", "{status}");
    }
    server.kill();
    let (is_sound, said) = place.run(&["verify"]);
    assert!(is_sound, "{said}");
    println!("{paid} paid and {open} open orders, over {:?} after the last kill", since.elapsed());
}

fn adds_show(ana: &Client) -> String {
    let venue = json!({
        "name": "Arena", "city": "Berlin", "country": "DE", "timeZone": "Europe/Berlin",
    });
    let venue = id(&ana.post("/api/venues", &venue).is(201).json());
    let show = json!({
        "name": "Rigoletto", "category": "theatre", "venueId": venue,
        "startsAt": "2099-01-01T20:00:00Z",
    });
    id(&ana.post("/api/shows", &show).is(201).json())
}

struct Ordered {
    buyer: Client,
    order: String,
    ticket: String,
    is_paid: bool,
}

impl Ordered {
    fn shown(&self, server: &Server) -> Value {
        self.buyer.at(server).get(&format!("/api/orders/{}", self.order)).is(200).json()
    }

    fn is_over(&self, server: &Server) -> bool {
        let shown = self.shown(server);
        if self.is_paid {
            shown["status"] == "Completed" && shown["charge"]["refundStatus"] == "succeeded"
        } else {
            shown["cancelReason"] == "show_cancelled"
        }
    }
}

/// Every buyer orders their part of the show's tickets, and pays for most.
fn trade(
    server: &Server,
    ana: &Client,
    buyers: &[Client],
    show: &str,
    paid: usize,
    open: usize,
) -> Vec<Ordered> {
    let all = paid + open;
    let part = |number: usize| (0..all).filter(move |order| order % BUYERS == number);
    let buys = |number: usize, buyer: &Client| -> Vec<Ordered> {
        let (ana, buyer) = (ana.at(server), buyer.at(server));
        let buy = |order: usize| {
            let listed = json!({"showId": show, "price": 40, "quantity": 1 + order % 2});
            let ticket = id(&ana.post("/api/tickets", &listed).is(201).json());
            let made = id(&buyer.locks(&ticket));
            let is_paid = order < paid;
            if is_paid {
                let payment = json!({"orderId": made, "token": "tok_visa"});
                buyer.post("/api/payments", &payment).is(201);
            }
            Ordered { buyer: buyer.clone(), order: made, ticket, is_paid }
        };
        part(number).map(buy).collect()
    };
    thread::scope(|scope| {
        let buys = &buys;
        let workers: Vec<_> = buyers
            .iter()
            .enumerate()
            .map(|(number, buyer)| scope.spawn(move || buys(number, buyer)))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("orders")).collect()
    })
}
