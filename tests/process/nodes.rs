//! Three servers on one database: run by `scripts/test-nodes`.

use std::io::Read;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::database;
use crate::support::{Answer, Client, Place, Server, id, pause};

/// How long to wait for what comes by itself, on a machine that has other things to do.
const IN_THE_END: Duration = Duration::from_secs(30);

/// Servers on one database, with one key for sessions.
pub struct Nodes {
    /// Keeps their folders.
    _places: Vec<Place>,
    pub servers: Vec<Server>,
}

impl Nodes {
    /// Three of them, with these settings beside what they need.
    pub fn start(settings: &[(&'static str, &str)]) -> Self {
        let url = database::new_url();
        let set = |place: Place| {
            let place = place.with("GITTIX_STORE__URL", &url);
            settings.iter().fold(place, |place, (name, value)| place.with(name, value))
        };
        let places: Vec<Place> = (0..3).map(|_| set(Place::new())).collect();
        let mut servers = Vec::new();
        for place in &places {
            let key = |place: &Place| place.folder.path().join("session.key");
            if !servers.is_empty() {
                std::fs::copy(key(&places[0]), key(place)).unwrap();
            }
            servers.push(place.start());
        }
        Self { _places: places, servers }
    }

    /// The same person at each of them.
    fn everywhere(&self, person: &Client) -> Vec<Client> {
        self.servers.iter().map(|server| person.at(server)).collect()
    }
}

/// What many ask at once.
fn at_once(asked: Vec<Box<dyn FnOnce() -> Answer + Send>>) -> Vec<Answer> {
    let all: Vec<_> = asked.into_iter().map(thread::spawn).collect();
    all.into_iter().map(|answer| answer.join().expect("an answer")).collect()
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[track_caller]
fn comes_true(what: impl Fn() -> bool) -> Duration {
    let since = Instant::now();
    while !what() {
        assert!(since.elapsed() < IN_THE_END, "it never comes true");
        pause(Duration::from_millis(10));
    }
    since.elapsed()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn of_45_buyers_at_three_servers_one_gets_the_ticket() {
    let nodes = Nodes::start(&[]);
    let ana = nodes.servers[0].client().person("ana");
    let buyers: Vec<Client> = (0..45)
        .map(|number| nodes.servers[number % 3].client().person(&format!("b{number}")))
        .collect();
    for round in 0..5 {
        let ticket = ana.lists(&format!("T {round}"));
        let lock = |buyer: &Client| -> Box<dyn FnOnce() -> Answer + Send> {
            let (buyer, ticket) = (buyer.clone(), ticket.clone());
            Box::new(move || buyer.tries_to_lock(&ticket).expect("an answer"))
        };
        let answers = at_once(buyers.iter().map(lock).collect());
        assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 44), "{answers:?}");
        let won = answers.iter().find(|answer| answer.status == 201).unwrap().json();
        for ana in nodes.everywhere(&ana) {
            let shown = ana.get(&format!("/api/tickets/{ticket}")).is(200).json();
            assert_eq!(shown["orderId"], won["id"]);
        }
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn one_key_at_three_servers_makes_one_order_and_twelve_payments_one_charge() {
    let nodes = Nodes::start(&[]);
    let ana = nodes.servers[0].client().person("ana");
    let ben = nodes.everywhere(&nodes.servers[1].client().person("ben"));
    let body = json!({"ticketId": ana.lists("Rock")}).to_string();
    let ask = |number: usize| -> Box<dyn FnOnce() -> Answer + Send> {
        let (ben, body) = (ben[number % 3].clone(), body.clone());
        let key = "idempotency-key: once\r\n";
        let ask = move || ben.try_send_with("POST", "/api/orders", &body, key);
        Box::new(move || ask().expect("an answer"))
    };
    for answer in at_once((0..9).map(ask).collect()) {
        let is_one = answer.status == 201 || answer.body.contains("idempotency_in_progress");
        assert!(is_one, "{answer:?}");
    }
    let orders = ben[2].get("/api/orders").is(200).json();
    let [order] = orders.as_array().unwrap().as_slice() else { panic!("{orders}") };
    let answers: Vec<String> = (0..3).map(|number| ask(number)().is(201).body).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

    let pay = json!({"orderId": order["id"], "token": "tok_visa"});
    let paid = at_once(
        (0..12)
            .map(|number| -> Box<dyn FnOnce() -> Answer + Send> {
                let (ben, pay) = (ben[number % 3].clone(), pay.clone());
                Box::new(move || ben.post("/api/payments", &pay))
            })
            .collect(),
    );
    assert_eq!((count(&paid, 201), count(&paid, 409)), (1, 11), "{paid:?}");
    for ben in &ben {
        let order = ben.get(&format!("/api/orders/{}", id(order))).is(200).json();
        assert_eq!(order["status"], "Completed");
    }
    let told = told_to(&ben[0]);
    assert_eq!(told.iter().filter(|name| *name == "ChargeCreated").count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|name| *name == "ChargeCompleted").count(), 1, "{told:?}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_session_is_good_everywhere_until_it_is_ended_anywhere() {
    let nodes = Nodes::start(&[]);
    let ben = nodes.everywhere(&nodes.servers[0].client().person("ben"));
    for ben in &ben {
        ben.get("/api/orders").is(200);
    }
    ben[1].post("/api/users/signout", &json!({})).is(200);
    for ben in &ben {
        ben.get("/api/orders").is(401);
    }
}

/// The names of the events that somebody is told of, from the first on until nothing more comes.
fn told_to(at: &Client) -> Vec<String> {
    let mut stream = at.connect().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let head = at.head("GET", "/api/events", 0);
    let head = format!("{}last-event-id: 0\r\n\r\n", head.strip_suffix("\r\n").unwrap());
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut all = Vec::new();
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        all.extend_from_slice(&bytes[..count]);
    }
    let text = String::from_utf8_lossy(&all).into_owned();
    let names = text.lines().filter_map(|line| line.strip_prefix("event: "));
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_happens_at_one_server_is_heard_at_the_others() {
    let nodes = Nodes::start(&[]);
    let ana = nodes.servers[0].client().person("ana");
    let mut stream = nodes.servers[2].client().connect().unwrap();
    let head = nodes.servers[2].client().head("GET", "/api/events", 0);
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let (heard, hears) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if heard.send((Instant::now(), text)).is_err() {
                return;
            }
        }
    });
    hears.recv_timeout(IN_THE_END).expect("its head");
    pause(Duration::from_millis(300));
    for number in 0..10 {
        let ticket = ana.lists(&format!("T {number}"));
        let answered = Instant::now();
        let at = loop {
            let (at, text) = hears.recv_timeout(IN_THE_END).expect("it is heard of");
            if text.contains(&ticket) {
                break at;
            }
        };
        println!("heard {:?} after it was answered", at.saturating_duration_since(answered));
    }
}

/// A server gives locks and is killed that long before they end.
fn locks_of_one_that_is_killed(before: Duration) {
    let mut nodes = Nodes::start(&[("GITTIX_ORDERS__HOLD_SECONDS", "4")]);
    let ana = nodes.servers[0].client().person("ana");
    let ben = nodes.servers[0].client().person("ben");
    let tickets: Vec<String> = (0..8).map(|number| ana.lists(&format!("T {number}"))).collect();
    for ticket in &tickets {
        ben.locks(ticket);
    }
    let deadline = Instant::now() + Duration::from_secs(4);
    pause(deadline.saturating_duration_since(Instant::now()).saturating_sub(before));
    nodes.servers.remove(0).kill();
    let cem = nodes.servers[0].client();
    comes_true(|| tickets.iter().all(|ticket| cem.status_of(ticket) == "Available"));
    let late = Instant::now().saturating_duration_since(deadline);
    println!("the last was free {late:?} after its deadline");
    if late > Duration::from_secs(1) {
        nodes.servers.iter().for_each(|server| println!("{}", server.log()));
    }
    let orders = ben.at(&nodes.servers[1]).get("/api/orders").is(200).json();
    assert!(orders.as_array().unwrap().iter().all(|order| order["cancelReason"] == "expired"));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_locks_of_a_server_that_was_killed_end_in_time() {
    locks_of_one_that_is_killed(Duration::from_secs(4));
}

/// The others still count on it when they end.
#[test]
#[ignore = "needs PostgreSQL"]
fn the_locks_of_a_server_that_was_killed_just_before_end_in_time() {
    locks_of_one_that_is_killed(Duration::from_millis(500));
}

/// Whoever stood still wakes in a world in which others have acted.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_server_that_stood_still_past_a_deadline_frees_and_sells_nothing() {
    // Longer than it takes until another asks the gateway, so that the second buyer can pay in time.
    let nodes = Nodes::start(&[("GITTIX_ORDERS__HOLD_SECONDS", "8")]);
    let (sleeper, other) = (&nodes.servers[0], &nodes.servers[1]);
    let ana = other.client().person("ana");
    let (ben, cem) = (sleeper.client().person("ben"), other.client().person("cem"));
    let ticket = ana.lists("Rock");
    let lost = ben.locks(&ticket);
    sleeper.signal("STOP");
    comes_true(|| ana.status_of(&ticket) == "Available");
    let won = cem.locks(&ticket);
    let paid = cem.post("/api/payments", &json!({"orderId": id(&won), "token": "tok_visa"}));
    assert!(matches!(paid.status, 201 | 202), "{paid:?}");
    sleeper.signal("CONT");
    let pay = json!({"orderId": id(&lost), "token": "tok_visa"});
    let mut refused = ben.post("/api/payments", &pay);
    // Its connections may have to be made anew first.
    while refused.status == 503 {
        pause(Duration::from_millis(100));
        refused = ben.post("/api/payments", &pay);
    }
    let refused = refused.is(409);
    assert!(refused.body.contains("order_expired") || refused.body.contains("order_cancelled"));
    comes_true(|| cem.status_of(&ticket) == "Sold");
    pause(Duration::from_secs(3));
    for at in nodes.everywhere(&cem) {
        assert_eq!(at.status_of(&ticket), "Sold");
        let order = at.get(&format!("/api/orders/{}", id(&won))).is(200).json();
        assert_eq!(order["status"], "Completed");
    }
    let told = told_to(&ben.at(other));
    assert_eq!(told.iter().filter(|name| *name == "OrderExpired").count(), 1, "{told:?}");
}

/// Whichever holds the lease, the one that asks the gateway stands still while a payment is under way.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_payment_goes_on_though_the_server_that_made_it_stands_still() {
    let nodes = Nodes::start(&[]);
    let ana = nodes.servers[2].client().person("ana");
    let ben = nodes.servers[2].client().person("ben");
    let order = ben.locks(&ana.lists("Rock"));
    // The first that was started holds the lease. Each step takes some seconds.
    let pay = json!({"orderId": id(&order), "token": "tok_sandbox_slow"});
    let paying = thread::spawn({
        let (ben, pay) = (ben.clone(), pay.clone());
        move || ben.post("/api/payments", &pay)
    });
    pause(Duration::from_secs(1));
    nodes.servers[0].signal("STOP");
    let is_paid = |at: &Client| -> Value {
        at.get(&format!("/api/orders/{}", id(&order))).is(200).json()["status"].clone()
    };
    let took = comes_true(|| is_paid(&ben) == "Completed");
    println!("paid after {took:?}");
    nodes.servers[0].signal("CONT");
    let answer = paying.join().expect("an answer");
    assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    pause(Duration::from_secs(5));
    for at in nodes.everywhere(&ben) {
        assert_eq!(is_paid(&at), "Completed");
    }
    let told = told_to(&ben);
    assert_eq!(told.iter().filter(|name| *name == "ChargeCompleted").count(), 1, "{told:?}");
}
