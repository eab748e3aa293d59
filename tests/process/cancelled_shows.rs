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
const BUYERS: usize = 8;
/// How many orders there are of a ticket.
const ORDERS_OF_A_TICKET: usize = 5;
/// How many things a page of a list shows.
const PAGE: usize = 100;

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
    let began = Instant::now();
    let orders = trade(&server, &ana, &buyers, &show, paid, open);
    let made = began.elapsed();
    let reason = json!({"reason": "The singer is ill."});
    ana.at(&server).post(&format!("/api/shows/{show}/cancel"), &reason).is(200);
    for kill in 1..=KILLS {
        pause(life * u32::try_from(kill).expect("few"));
        server.kill();
        server = place.start();
    }
    let since = Instant::now();
    let done = refunds_of(&server, &buyers);
    let long =
        Duration::from_secs(60) + Duration::from_millis(10) * u32::try_from(paid).expect("few");
    for buyer in &buyers {
        // What is over stays so, so that no buyer is looked at again.
        while let Some(left) =
            all(&buyer.at(&server), "/api/orders?").iter().find(|it| !is_over(it))
        {
            assert!(since.elapsed() < long, "{left:?}\n{}", server.log());
            pause(Duration::from_millis(200));
        }
    }
    let over = since.elapsed();
    let shown: Vec<Value> =
        buyers.iter().flat_map(|buyer| all(&buyer.at(&server), "/api/orders?")).collect();
    let ids: BTreeSet<String> = shown.iter().map(id).collect();
    assert_eq!(ids, orders.iter().map(|order| order.id.clone()).collect(), "none is missing");
    let mut refunds = BTreeSet::new();
    let mut versions = BTreeSet::new();
    let was_paid: BTreeSet<&str> =
        orders.iter().filter(|order| order.is_paid).map(|order| order.id.as_str()).collect();
    for order in &shown {
        assert_eq!(
            order["status"] == "Completed",
            was_paid.contains(id(order).as_str()),
            "{order}"
        );
        if order["status"] == "Completed" {
            let refund = order["charge"]["stripeRefundId"].as_str().expect("a refund").to_owned();
            assert!(refunds.insert(refund), "no refund is for two: {order}");
            versions.insert(order["version"].as_u64());
        }
    }
    assert_eq!(refunds.len(), paid);
    assert_eq!(versions.len(), 1, "each was paid back in the same steps: {versions:?}");
    // What is left of tickets is closed once their orders are over.
    while !are_done_with(&all(&ana.at(&server), "/api/tickets?seller=me&")) {
        assert!(since.elapsed() < long, "tickets are left to sell\n{}", server.log());
        pause(Duration::from_millis(200));
    }
    server.kill();
    let (is_sound, said) = place.run(&["verify"]);
    assert!(is_sound, "{said}");
    println!(
        "{paid} paid and {open} open orders: made in {made:?}; {done} paid back at the last kill, all over \
         {over:?} after it"
    );
}

/// Every page of a list.
fn all(who: &Client, list: &str) -> Vec<Value> {
    let mut path = format!("{list}limit={PAGE}");
    let mut found = Vec::new();
    loop {
        let answer = who.get(&path).is(200);
        found.extend(answer.json().as_array().expect("a list").iter().cloned());
        let next = answer.head.lines().find_map(|line| line.strip_prefix("link: <"));
        match next.and_then(|link| link.split('>').next()) {
            Some(next) => path = next.to_owned(),
            None => return found,
        }
    }
}

/// Whether nothing of the tickets is left to sell, some of which were sold whole.
fn are_done_with(tickets: &[Value]) -> bool {
    let states: BTreeSet<&str> =
        tickets.iter().map(|ticket| ticket["status"].as_str().expect("a status")).collect();
    states == ["Closed", "Sold"].into()
}

fn is_over(order: &Value) -> bool {
    order["cancelReason"] == "show_cancelled" || order["charge"]["refundStatus"] == "succeeded"
}

/// Whether a charge has become a sale, as every one of these does.
fn is_paid_for(buyer: &Client, charge: &str) -> bool {
    let shown = buyer.get(&format!("/api/payments/{charge}")).is(200).json();
    assert_ne!(shown["status"], "Failed", "{shown}");
    shown["status"] == "Completed"
}

fn refunds_of(server: &Server, buyers: &[Client]) -> usize {
    let orders = buyers.iter().flat_map(|buyer| all(&buyer.at(server), "/api/orders?"));
    orders.filter(|order| order["charge"]["refundStatus"] == "succeeded").count()
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
    id: String,
    is_paid: bool,
}

/// How many seats an order is for.
fn seats_of(order: usize) -> usize {
    1 + order % 3 / 2
}

/// Every buyer orders seats of tickets of their own and pays for most. A few seats stay free of every other
/// buyer's tickets.
fn trade(
    server: &Server,
    ana: &Client,
    buyers: &[Client],
    show: &str,
    paid: usize,
    open: usize,
) -> Vec<Ordered> {
    let numbers: Vec<usize> = (0..paid + open).collect();
    let part = |number: usize| numbers.iter().copied().filter(move |n| n % BUYERS == number);
    let buys = |number: usize, buyer: &Client| -> Vec<Ordered> {
        let (ana, buyer) = (ana.at(server), buyer.at(server));
        let mine: Vec<usize> = part(number).collect();
        let buy = |ticket: &str, order: usize| {
            let wanted = json!({"ticketId": ticket, "quantity": seats_of(order)});
            let made = id(&buyer.post("/api/orders", &wanted).is(201).json());
            let is_paid = order < paid;
            if is_paid {
                let payment = json!({"orderId": made, "token": "tok_visa"});
                let answer = buyer.post("/api/payments", &payment);
                // On a busy machine a payment may go on behind its answer.
                let is_decided = answer.status == 201;
                let charge = id(&answer.is(if is_decided { 201 } else { 202 }).json());
                while !is_decided && !is_paid_for(&buyer, &charge) {
                    pause(Duration::from_millis(200));
                }
            }
            Ordered { id: made, is_paid }
        };
        let of_a_ticket = |orders: &[usize]| -> Vec<Ordered> {
            let wanted: usize = orders.iter().map(|order| seats_of(*order)).sum();
            let quantity = if number.is_multiple_of(2) { wanted } else { wanted + 3 };
            let listed = json!({"showId": show, "price": 40, "quantity": quantity, "split": "any"});
            let ticket = id(&ana.post("/api/tickets", &listed).is(201).json());
            orders.iter().map(|order| buy(&ticket, *order)).collect()
        };
        mine.chunks(ORDERS_OF_A_TICKET).flat_map(of_a_ticket).collect()
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
