//! People who use a server that is killed under them, and the books of what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::support::{Answer, Client, id};

/// A number that follows from a seed, a purpose and a count.
pub fn chance(seed: u64, purpose: &str, count: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, purpose, count).hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tickets that were listed since the last start.
#[derive(Default)]
pub struct Market(Mutex<Vec<String>>);

/// Someone with an account.
pub struct Person {
    pub client: Client,
    number: u64,
    is_seller: bool,
    seed: u64,
}

/// What is known of a ticket, as far as its seller was told.
#[derive(Debug, Default, Clone)]
struct ToldTicket {
    /// The last answered version and price.
    seen: (u64, u64),
    /// A change may or may not have happened.
    is_uncertain: bool,
    /// Its withdrawal was answered.
    is_withdrawn: bool,
}

/// What is known of an order, as far as its buyer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ToldOrder {
    Locked,
    Paid,
    Cancelled,
    /// Something was asked and no answer came.
    Uncertain,
}

/// A request with an idempotency key that got no answer.
#[derive(Clone)]
struct Unanswered {
    person: usize,
    key: String,
    path: &'static str,
    body: String,
}

/// All that was told, for certain.
#[derive(Default)]
pub struct Books(Mutex<Told>);

#[derive(Default)]
struct Told {
    tickets: BTreeMap<String, ToldTicket>,
    orders: BTreeMap<String, (usize, ToldOrder)>,
    unanswered: Vec<Unanswered>,
    answers: u64,
    lost: u64,
    repeated: u64,
    paid: u64,
    cancelled: u64,
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = lock(&self.0);
        write!(
            f,
            "{} answers, {} requests without one, {} of them repeated with their key; {} tickets, \
             {} orders, {} paid, {} cancelled",
            told.answers,
            told.lost,
            told.repeated,
            told.tickets.len(),
            told.orders.len(),
            told.paid,
            told.cancelled,
        )
    }
}

impl Person {
    pub fn new(anyone: &Client, seed: u64, number: u64, is_seller: bool) -> Self {
        let name = format!("person{number}");
        Self { client: anyone.person(&name), number, is_seller, seed }
    }

    fn place(&self) -> usize {
        usize::try_from(self.number).unwrap()
    }

    /// Does one thing. `None` if the server is gone, else how many answers it gave.
    pub fn acts(
        &self,
        at: &Client,
        market: &Market,
        books: &Books,
        seed: u64,
        step: u64,
    ) -> Option<u64> {
        let chance = chance(self.seed ^ seed, &format!("person {}", self.number), step);
        if self.is_seller {
            self.sells(at, market, books, chance, step)
        } else {
            self.buys(at, market, books, chance)
        }
    }

    fn sells(
        &self,
        at: &Client,
        market: &Market,
        books: &Books,
        chance: u64,
        step: u64,
    ) -> Option<u64> {
        let own = lock(&market.0).iter().rev().nth((chance % 7) as usize).cloned();
        match (chance / 7 % 10, own) {
            (8, Some(ticket)) => {
                let path = format!("/api/tickets/{ticket}");
                let price = chance / 100 % 90 + 1;
                books.begin_change(&ticket);
                let body = json!({"price": price}).to_string();
                let answer = books.told(at.try_send("PATCH", &path, &body))?;
                books.end_change(&ticket, &answer);
            }
            (9, Some(ticket)) => {
                let path = format!("/api/tickets/{ticket}");
                books.begin_change(&ticket);
                let answer = books.told(at.try_send("DELETE", &path, ""))?;
                books.end_change(&ticket, &answer);
            }
            _ => {
                let title = format!("Seat {} {step}", self.number);
                let body = json!({"title": title, "price": 40}).to_string();
                let answer = self.with_key(at, books, "/api/tickets", body)?;
                assert_eq!(answer.status, 201, "{answer:?}");
                let ticket = id(&answer.json());
                books.end_change(&ticket, &answer);
                lock(&market.0).push(ticket);
            }
        }
        Some(1)
    }

    fn buys(&self, at: &Client, market: &Market, books: &Books, chance: u64) -> Option<u64> {
        let ticket = lock(&market.0).iter().rev().nth((chance % 5) as usize).cloned();
        let Some(ticket) = ticket else {
            books.told(at.try_send("GET", "/api/tickets?limit=1", ""))?;
            return Some(0);
        };
        let body = json!({"ticketId": ticket}).to_string();
        let answer = self.with_key(at, books, "/api/orders", body)?;
        if answer.status != 201 {
            assert!(matches!(answer.status, 404 | 409), "{answer:?}");
            return Some(1);
        }
        let order = id(&answer.json());
        books.orders_now(&order, self.place(), ToldOrder::Locked);
        match chance / 5 % 3 {
            0 => {
                books.orders_now(&order, self.place(), ToldOrder::Uncertain);
                let body = json!({"orderId": order, "token": "tok_visa"}).to_string();
                let paid = self.with_key(at, books, "/api/payments", body)?;
                assert!(matches!(paid.status, 201 | 202), "{paid:?}");
                if paid.status == 201 {
                    books.orders_now(&order, self.place(), ToldOrder::Paid);
                }
            }
            1 => {
                books.orders_now(&order, self.place(), ToldOrder::Uncertain);
                let path = format!("/api/orders/{order}");
                let cancelled = books.told(at.try_send("DELETE", &path, ""))?;
                assert_eq!(cancelled.status, 204, "{cancelled:?}");
                books.orders_now(&order, self.place(), ToldOrder::Cancelled);
            }
            _ => return Some(1),
        }
        Some(2)
    }

    /// Asks with a key, so that it can be asked again.
    fn with_key(
        &self,
        at: &Client,
        books: &Books,
        path: &'static str,
        body: String,
    ) -> Option<Answer> {
        let serial = {
            let told = lock(&books.0);
            told.answers + told.lost
        };
        let key = format!("key-{}-{serial}", self.number);
        let asked = at.try_send_with("POST", path, &body, &format!("idempotency-key: {key}\r\n"));
        let answer = books.told(asked);
        if answer.is_none() {
            let unanswered = Unanswered { person: self.place(), key, path, body };
            lock(&books.0).unanswered.push(unanswered);
        }
        answer
    }
}

impl Books {
    /// Counts an answer, or that there was none.
    fn told(&self, answer: Option<Answer>) -> Option<Answer> {
        let told = &mut *lock(&self.0);
        match &answer {
            Some(answer) => {
                assert!(answer.status < 500, "{answer:?}");
                told.answers += 1;
            }
            None => told.lost += 1,
        }
        answer
    }

    pub fn orders(&self) -> u64 {
        lock(&self.0).orders.len() as u64
    }

    fn orders_now(&self, order: &str, person: usize, now: ToldOrder) {
        let told = &mut *lock(&self.0);
        told.paid += u64::from(now == ToldOrder::Paid);
        told.cancelled += u64::from(now == ToldOrder::Cancelled);
        told.orders.insert(order.to_owned(), (person, now));
    }

    fn begin_change(&self, ticket: &str) {
        lock(&self.0).tickets.entry(ticket.to_owned()).or_default().is_uncertain = true;
    }

    fn end_change(&self, ticket: &str, answer: &Answer) {
        let told = &mut *lock(&self.0);
        let known = told.tickets.entry(ticket.to_owned()).or_default();
        match answer.status {
            204 => known.is_withdrawn = true,
            200 | 201 => {
                let shown = answer.json();
                let version = shown["version"].as_u64().unwrap();
                if version >= known.seen.0 {
                    known.seen = (version, price_of(&shown));
                }
            }
            // Another's, locked, sold or gone: nothing was changed.
            403 | 404 | 409 | 412 => {}
            _ => panic!("{answer:?}"),
        }
    }

    /// Whoever got no answer asks again with the same key, and is told what became of it.
    pub fn repeat_what_got_no_answer(&self, anyone: &Client, people: &[Arc<Person>]) {
        let unanswered = std::mem::take(&mut lock(&self.0).unanswered);
        for Unanswered { person, key, path, body } in unanswered {
            let at = Client { address: anyone.address.clone(), ..people[person].client.clone() };
            let header = format!("idempotency-key: {key}\r\n");
            let again = || at.try_send_with("POST", path, &body, &header).expect("an answer");
            let (first, second) = (again(), again());
            assert!(first.status < 500, "{first:?}");
            let told = (&first.status, &first.body);
            // A payment may still have been under way the first time.
            assert!(first.status == 202 || told == (&second.status, &second.body), "{first:?}");
            lock(&self.0).repeated += 1;
            match (path, first.status) {
                ("/api/tickets", 201) => self.end_change(&id(&first.json()), &first),
                ("/api/orders", 201) => {
                    self.orders_now(&id(&first.json()), person, ToldOrder::Locked);
                }
                ("/api/payments", 201) => {
                    let order = first.json()["orderId"].as_str().unwrap().to_owned();
                    self.orders_now(&order, person, ToldOrder::Paid);
                }
                _ => {}
            }
        }
    }

    /// Compares everything that anybody was told with what the server shows.
    pub fn must_be_true(&self, anyone: &Client, people: &[Arc<Person>]) {
        let told = lock(&self.0);
        let mut holders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut shown: BTreeMap<String, String> = BTreeMap::new();
        for person in people.iter().filter(|person| !person.is_seller) {
            let buyer = Client { address: anyone.address.clone(), ..person.client.clone() };
            for order in all(&buyer, "/api/orders?limit=100") {
                let status = order["status"].as_str().unwrap().to_owned();
                if status != "Cancelled" {
                    let ticket = order["ticketId"].as_str().unwrap().to_owned();
                    holders.entry(ticket).or_default().push(id(&order));
                }
                shown.insert(id(&order), status);
            }
        }
        let two: Vec<_> = holders.iter().filter(|(_, orders)| orders.len() > 1).collect();
        assert!(two.is_empty(), "tickets with two orders: {two:?}");
        for (order, (_, known)) in &told.orders {
            let status = shown.get(order).map(String::as_str);
            let is_true = match known {
                ToldOrder::Locked => status == Some("Created"),
                ToldOrder::Paid => status == Some("Completed"),
                ToldOrder::Cancelled => status == Some("Cancelled"),
                ToldOrder::Uncertain => status.is_some(),
            };
            assert!(is_true, "{order} was {known:?} and is {status:?}");
        }
        let mut listed = BTreeSet::new();
        for person in people.iter().filter(|person| person.is_seller) {
            let seller = Client { address: anyone.address.clone(), ..person.client.clone() };
            for ticket in all(&seller, "/api/tickets?seller=me&limit=100") {
                let holder = holders.get(&id(&ticket)).map(|orders| orders[0].as_str());
                assert_eq!(ticket["orderId"].as_str(), holder, "{ticket}");
                if let Some(known) = told.tickets.get(&id(&ticket)) {
                    ticket_must_be_as_told(&ticket, known);
                }
                listed.insert(id(&ticket));
            }
        }
        for (ticket, known) in &told.tickets {
            let may_be_gone = known.is_withdrawn || known.is_uncertain;
            assert!(may_be_gone || listed.contains(ticket), "{ticket} is gone: {known:?}");
        }
    }
}

fn ticket_must_be_as_told(ticket: &Value, known: &ToldTicket) {
    assert!(!known.is_withdrawn, "{ticket} was withdrawn");
    let (version, price) = known.seen;
    assert!(ticket["version"].as_u64().unwrap() >= version, "{ticket}, told {known:?}");
    if !known.is_uncertain {
        assert_eq!(price_of(ticket), price, "{ticket}, told {known:?}");
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "prices are small and never negative"
)]
fn price_of(ticket: &Value) -> u64 {
    (ticket["price"].as_f64().unwrap() * 100.0).round() as u64
}

/// Every item of a list, page by page.
fn all(client: &Client, path: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut path = Some(path.to_owned());
    while let Some(page) = path {
        let answer = client.get(&page).is(200);
        found.extend(answer.json().as_array().unwrap().iter().cloned());
        let link = answer.head.lines().find_map(|line| line.strip_prefix("link: <"));
        path = link.and_then(|link| link.split('>').next()).map(str::to_owned);
    }
    found
}
