//! A marketplace and a Stripe that misbehaves, each in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

pub const SECRET: &str = "whsec_test";

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// One request on a connection of its own. A server that is being killed answers with nothing.
pub fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
        head.push_str("content-type: application/json\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.unwrap_or_default())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let broken = || std::io::Error::other("no answer");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, body: serde_json::from_str(body).unwrap_or(Value::Null) })
}

#[expect(clippy::disallowed_methods, reason = "these tests wait for real processes")]
pub fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

/// Waits up to a minute and a half for something to become true.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..900 {
        if let Some(found) = look() {
            return found;
        }
        pause(100);
    }
    panic!("it never happened: {what}");
}

/// A Stripe of the test's own.
pub struct Stripe {
    _process: Process,
    pub address: String,
}

impl Stripe {
    pub fn start() -> Self {
        let python = std::env::var("STRIPE_FIXTURE_PYTHON").expect("run scripts/test-stripe");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stripe/fixture.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the fixture starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("listening ").expect("it listens").to_owned();
        Self { _process: Process(child), address: format!("127.0.0.1:{port}") }
    }

    fn control(&self, path: &str, body: &Value) {
        let body = body.to_string();
        let answer = send(&self.address, "POST", path, &[], Some(body.as_bytes()));
        assert_eq!(answer.expect("the fixture answers").status, 200, "{path} {body}");
    }

    pub fn get(&self, path: &str) -> Value {
        send(&self.address, "GET", path, &[], None).expect("the fixture answers").body
    }

    /// The next request of that step meets a fault.
    pub fn fault(&self, step: &str, kind: &str, times: u32, ms: u32) {
        let fault = json!({ "step": step, "kind": kind, "times": times, "ms": ms });
        self.control("/_test/fault", &fault);
    }

    /// Sends webhooks from now on, each that many times.
    pub fn send_webhooks_to(&self, market: &Market, copies: u32) {
        let url = format!("http://{}/api/stripe/webhook", market.address);
        self.control("/_test/webhooks", &json!({ "url": url, "secret": SECRET, "copies": copies }));
    }

    pub fn dispute(&self, intent: &str, status: &str) {
        self.control("/_test/dispute", &json!({ "intent": intent, "status": status }));
    }

    /// How refunds stand from now on when they are made.
    pub fn refunds_begin_as(&self, status: &str) {
        self.control("/_test/refunds", &json!({ "begin_as": status }));
    }

    /// The bank has looked at the latest refund of an intent.
    pub fn refund_becomes(&self, intent: &str, status: &str, reason: &str) {
        let body = json!({ "intent": intent, "status": status, "reason": reason });
        self.control("/_test/refund", &body);
    }

    /// What an operator does in the dashboard.
    pub fn by_hand(&self, path: &str, form: &str) -> Answer {
        let headers = [
            ("authorization", "Bearer sk_test_1"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let mut stream = TcpStream::connect(&self.address).expect("the fixture answers");
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: stripe\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{form}", form.len()));
        stream.write_all(head.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
        Answer {
            status: head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status"),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    /// Every payment intent there is.
    pub fn intents(&self) -> Vec<Value> {
        self.get("/_test/ledger").as_array().expect("a list").clone()
    }

    pub fn intents_of(&self, order: &str) -> Vec<Value> {
        self.intents().into_iter().filter(|intent| intent["order_id"] == order).collect()
    }

    /// How many requests of a step have come so far.
    pub fn requests(&self, step: &str) -> usize {
        let all = self.get("/_test/requests");
        all.as_array().expect("a list").iter().filter(|seen| **seen == step).count()
    }

    pub fn events(&self) -> Vec<String> {
        let all = self.get("/_test/events");
        let all = all.as_array().expect("a list").iter();
        all.map(|event| event.as_str().expect("text").to_owned()).collect()
    }
}

/// A running marketplace with its data.
pub struct Market {
    process: Mutex<Option<Process>>,
    folder: TempDir,
    settings: Vec<(String, String)>,
    pub address: String,
    pub admin: String,
}

impl Market {
    pub fn start(stripe: &Stripe, settings: &[(&str, &str)]) -> Self {
        Self::start_with(&stripe.address, settings)
    }

    /// A marketplace that takes no money from anybody.
    pub fn sandbox() -> Self {
        Self::start_with("127.0.0.1:1", &[("PAYMENTS__PROVIDER", "sandbox")])
    }

    fn start_with(stripe: &str, settings: &[(&str, &str)]) -> Self {
        let mut all: Vec<(String, String)> = [
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("HTTP__ADMIN_LISTEN", "127.0.0.1:0"),
            ("AUTH__THROTTLE", "false"),
            ("PAYMENTS__PROVIDER", "stripe"),
            ("PAYMENTS__ANSWER_SECONDS", "3"),
            ("PAYMENTS__STRIPE__SECRET_KEY", "sk_test_1"),
            ("PAYMENTS__STRIPE__WEBHOOK_SECRET", "whsec_new,whsec_test"),
            ("LOG__FILTER", "warn"),
        ]
        .iter()
        .chain(settings)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
        let base = format!("http://{stripe}");
        all.push(("PAYMENTS__STRIPE__API_BASE".to_owned(), base));
        let folder = tempfile::tempdir().expect("a folder");
        let (address, admin) = (String::new(), String::new());
        let mut market = Self { process: Mutex::new(None), folder, settings: all, address, admin };
        market.restart();
        market
    }

    /// What the server is told by its environment from the next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Ends the process as a power cut would, also while requests to it are under way.
    pub fn kill_shared(&self) {
        drop(self.process.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Starts the process again on the same data, at the same address if it had one.
    pub fn restart(&mut self) {
        self.kill_shared();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gittix"));
        command.current_dir(self.folder.path());
        for (key, value) in &self.settings {
            command.env(format!("GITTIX_{key}"), value);
        }
        if !self.address.is_empty() {
            command.env("GITTIX_HTTP__LISTEN", &self.address);
        }
        let log = PathBuf::from(self.folder.path()).join("log");
        let log = std::fs::File::options().append(true).create(true).open(log).expect("a log");
        let mut child =
            command.stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        self.process = Mutex::new(Some(Process(child)));
        let mut admin = None;
        for line in out.lines().map_while(Result::ok) {
            let address = || line.split("http://").nth(1)?.split(' ').next().map(str::to_owned);
            match line.split_whitespace().next() {
                Some("API") => self.address = address().expect("an address"),
                Some("admin") => admin = address(),
                Some("holds") => break,
                _ => {}
            }
        }
        self.admin = admin.unwrap_or_else(|| panic!("it did not start: {}", self.log()));
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub fn webhook(&self, signature: &str, body: &str) -> std::io::Result<Answer> {
        let headers = [("stripe-signature", signature)];
        let headers = if signature.is_empty() { &headers[..0] } else { &headers[..] };
        send(&self.address, "POST", "/api/stripe/webhook", headers, Some(body.as_bytes()))
    }

    /// The charges that are not settled.
    pub fn unsettled(&self) -> Vec<Value> {
        let answer = send(&self.admin, "GET", "/admin/charges?unsettled", &[], None);
        answer.expect("an answer").body["charges"].as_array().expect("a list").clone()
    }

    /// An operator says how a charge stands.
    pub fn settles(&self, charge: &str, finding: &str) -> Answer {
        let body = json!({ "charge": charge, "as": finding }).to_string();
        let body = Some(body.as_bytes());
        send(&self.admin, "POST", "/admin/charges/settle", &[], body).expect("an answer")
    }

    /// Waits until no charge owes anything.
    pub fn settle(&self) {
        let mut last = Vec::new();
        for _ in 0..900 {
            last = self.unsettled();
            if last.is_empty() {
                return;
            }
            pause(100);
        }
        panic!("charges stay unsettled: {last:#?}\n{}", self.log());
    }

    pub fn sign_up(&self, name: &str) -> User {
        let email = format!("{name}@example.com");
        let body = json!({ "email": email, "password": "correct horse battery" }).to_string();
        let answer =
            send(&self.address, "POST", "/api/users/signup", &[], Some(body.as_bytes())).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        let token = raw_session(&self.address, &body);
        User { bearer: format!("Bearer {token}") }
    }

    /// A seller's ticket, locked by a buyer: the order's id and the ticket's.
    pub fn order(&self, seller: &User, buyer: &User, price: &str) -> (String, String) {
        let ticket = self.list(seller, price);
        (self.lock(buyer, &ticket), ticket)
    }

    pub fn list(&self, seller: &User, price: &str) -> String {
        let price: Value = serde_json::from_str(price).unwrap();
        let answer = self.post(seller, "/api/tickets", &json!({ "title": "Rock", "price": price }));
        assert_eq!(answer.status, 201, "{answer:?}");
        text(&answer.body["id"])
    }

    pub fn lock(&self, buyer: &User, ticket: &str) -> String {
        let answer = self.post(buyer, "/api/orders", &json!({ "ticketId": ticket }));
        assert_eq!(answer.status, 201, "{answer:?}");
        text(&answer.body["id"])
    }

    pub fn pay(&self, buyer: &User, order: &str, token: &str) -> Answer {
        self.post(buyer, "/api/payments", &json!({ "orderId": order, "token": token }))
    }

    pub fn post(&self, user: &User, path: &str, body: &Value) -> Answer {
        self.try_post(user, path, body).expect("an answer")
    }

    pub fn try_post(&self, user: &User, path: &str, body: &Value) -> std::io::Result<Answer> {
        let body = body.to_string();
        let headers = [("authorization", user.bearer.as_str())];
        send(&self.address, "POST", path, &headers, Some(body.as_bytes()))
    }

    pub fn get(&self, user: &User, path: &str) -> Answer {
        let headers = [("authorization", user.bearer.as_str())];
        send(&self.address, "GET", path, &headers, None).expect("an answer")
    }

    pub fn cancel(&self, user: &User, order: &str) -> Answer {
        let headers = [("authorization", user.bearer.as_str())];
        let path = format!("/api/orders/{order}");
        send(&self.address, "DELETE", &path, &headers, None).expect("an answer")
    }

    pub fn order_of(&self, buyer: &User, order: &str) -> Value {
        self.get(buyer, &format!("/api/orders/{order}")).body
    }
}

/// Signs in and returns the token as it is written.
fn raw_session(address: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /api/users/signin HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let token = answer.split("session=").nth(1).and_then(|rest| rest.split(';').next());
    token.expect("a session").to_owned()
}

/// A sale that was paid for at Stripe.
pub struct Sale {
    pub stripe: Stripe,
    pub market: Market,
    pub seller: User,
    pub buyer: User,
    pub order: String,
    pub ticket: String,
    pub intent: String,
}

impl Sale {
    /// At a market that hears of nothing.
    pub fn made() -> Self {
        let stripe = Stripe::start();
        let market = Market::start(&stripe, &[]);
        Self::at(stripe, market)
    }

    pub fn at(stripe: Stripe, market: Market) -> Self {
        let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
        let (order, ticket) = market.order(&seller, &buyer, "25.5");
        let answer = market.pay(&buyer, &order, "tok_visa");
        assert_eq!(answer.status, 201, "{answer:?}");
        let intent = text(&answer.body["stripeId"]);
        Self { stripe, market, seller, buyer, order, ticket, intent }
    }
}

pub struct User {
    bearer: String,
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// What must hold of an order in the end, whatever happened: paid once and the buyer's, or not
/// paid, or paid back once.
pub fn check_end(
    stripe: &Stripe,
    market: &Market,
    buyer: &User,
    order: &str,
    ticket: &str,
) -> Value {
    let end = market.order_of(buyer, order);
    let listing = market.get(buyer, &format!("/api/tickets/{ticket}")).body;
    let intents = stripe.intents_of(order);
    let taken: Vec<&Value> =
        intents.iter().filter(|intent| intent["status"] == "succeeded").collect();
    let context = format!("{end:#}\n{intents:#?}\n{}", market.log());
    assert!(intents.iter().all(|i| i["status"] != "requires_capture"), "held: {context}");
    match end["status"].as_str() {
        Some("Completed") => {
            assert_eq!(taken.len(), 1, "charged once: {context}");
            assert_eq!(taken[0]["refunds"], 0, "not paid back: {context}");
            assert_eq!(end["charge"]["status"], "Completed", "{context}");
            assert_eq!(taken[0]["id"], end["charge"]["stripeId"], "{context}");
            assert_eq!(listing["status"], "Sold", "{context}");
            assert_eq!(listing["orderId"], order, "{context}");
        }
        Some("Cancelled") => {
            for intent in taken {
                assert_eq!(intent["refunds"], 1, "paid back exactly once: {context}");
                assert_eq!(intent["refunded"], intent["amount"], "in full: {context}");
            }
            assert_ne!(listing["orderId"], order, "the ticket is free: {context}");
        }
        _ => panic!("not at an end: {context}"),
    }
    end
}
