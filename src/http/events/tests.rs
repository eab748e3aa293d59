//! The stream through the whole router, over a real store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use super::history::History;
use super::*;
use crate::actors::MarketSettings;
use crate::app::{App, AppKeys, AppSettings, Seams};
use crate::auth::{
    LimitSettings, PassKeys, PasswordSettings, Passwords, Rate, SigningKey, SigningKeys,
    ThrottleSettings,
};
use crate::domain::{ExpectedVersion, Terms};
use crate::http::PassSettings;
use crate::http::edge::guard::EdgeSettings;
use crate::http::edge::metrics::Metrics;
use crate::http::events::listeners::ListenerLimits;
use crate::http::storefront::CardForm;
use crate::mail::texts::{Language, Site};
use crate::mail::{Letter, SendError, Transport};
use crate::payments::Sandbox;
use crate::seams::{SystemClock, SystemEntropy};
use crate::store::{OpenError, RedbStore, StoreSettings, WriterMode};

/// Longer than anything here takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for an event that should not come to come.
const SILENCE: Duration = Duration::from_millis(200);

async fn app_on(store: RedbStore, max_event_streams: usize) -> App {
    app_with(store, ListenerLimits::of(max_event_streams)).await
}

async fn app_with(store: RedbStore, listeners: ListenerLimits) -> App {
    let entropy = Arc::new(SystemEntropy);
    let rate = Rate { burst: 1000, per_minute: 1000 };
    let settings = AppSettings {
        market: MarketSettings::default(),
        edge: EdgeSettings {
            public_origin: None,
            https: false,
            body_limit_bytes: 65_536,
            request_timeout: Duration::from_secs(30),
        },
        currency: "usd".parse().unwrap(),
        key_files: None,
        passes: PassSettings::default(),
        throttle: ThrottleSettings {
            enabled: false,
            account: rate,
            account_per_hour: 100,
            address: rate,
        },
        limits: LimitSettings { enabled: false, ..LimitSettings::default() },
        client_address_header: None,
        listeners,
        admin_hosts: Vec::new(),
        card_form: CardForm::Sandbox,
        site: Site { origin: "http://localhost".to_owned(), language: Language::English },
    };
    let seams = Seams {
        blobs: Arc::new(crate::blobs::MemoryBlobs::default()),
        clock: Arc::new(SystemClock),
        entropy: entropy.clone(),
        store: Arc::new(store),
        gateway: Arc::new(Sandbox::default()),
        mail: Arc::new(Unsent),
        node: None,
    };
    // Hashed in place: a paused clock does not wait for another thread.
    let passwords = Passwords::inline(PasswordSettings::weakest(), entropy).unwrap();
    let session = SigningKeys::only(SigningKey::from_bytes(&[7; 64]).unwrap());
    let key = AppKeys { session, pass: PassKeys::of([7; 32], [8; 32]) };
    App::start(settings, seams, passwords, key, Metrics::default()).await.unwrap()
}

/// A transport for tests that send nothing.
struct Unsent;

#[async_trait::async_trait]
impl Transport for Unsent {
    fn describe(&self) -> String {
        "nowhere".to_owned()
    }

    async fn send(&self, _: &Letter) -> Result<(), SendError> {
        Ok(())
    }
}

async fn app() -> App {
    let memory = redb::backends::InMemoryBackend::new();
    app_on(RedbStore::open_backend(memory, StoreSettings::default()).unwrap(), 100).await
}

/// A program that uses the API, signed in or not.
struct Client<'a> {
    app: &'a App,
    cookie: Option<String>,
}

impl<'a> Client<'a> {
    fn anonymous(app: &'a App) -> Self {
        Self { app, cookie: None }
    }

    async fn signed_up(app: &'a App, name: &str) -> Self {
        let mut client = Self::anonymous(app);
        let body =
            json!({ "email": format!("{name}@example.com"), "password": "a fine pass phrase" });
        let response = client.send("POST", "/api/users/signup", &[], Some(body)).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        client.cookie = cookie.split(';').next().map(str::to_owned);
        client
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let body = match body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        self.app.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let response = self.send("POST", path, &[], Some(body)).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn sells(&self, title: &str) -> String {
        let ticket = self.post("/api/tickets", json!({ "title": title, "price": 25.5 })).await;
        ticket["id"].as_str().unwrap().to_owned()
    }

    async fn listens(&self, after: Option<u64>) -> Stream {
        let id = after.map(|id| id.to_string());
        let headers: Vec<_> = id.iter().map(|id| ("last-event-id", id.as_str())).collect();
        let response = self.send("GET", "/api/events", &headers, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Stream { body: response.into_body(), text: String::new() }
    }
}

struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    /// The next block, comments included; `None` once the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("something happens")?;
            let bytes = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The next event; `None` once the stream has ended.
    async fn event(&mut self) -> Option<Value> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = field("data: ") else { continue };
            let event: Value = serde_json::from_str(data).unwrap();
            assert_eq!(field("id: "), Some(event["seq"].to_string().as_str()));
            assert_eq!(field("event: "), event["type"].as_str());
            return Some(event);
        }
    }

    async fn events(&mut self, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.event().await.expect("the stream goes on"));
        }
        events
    }

    async fn types(&mut self, count: usize) -> Vec<String> {
        let events = self.events(count).await;
        events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    async fn is_silent(&mut self) -> bool {
        timeout(SILENCE, self.event()).await.is_err()
    }
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_without_an_id_hears_what_happens_from_now_on() {
    let app = app().await;
    let ana = Client::signed_up(&app, "ana").await;
    ana.sells("Before").await;
    let mut stream = Client::anonymous(&app).listens(None).await;
    let greeting = stream.block().await.unwrap();
    assert!(greeting.starts_with(": ") && greeting.contains("\nretry: "), "{greeting}");
    assert!(greeting.ends_with("\nid: 2\n\n"), "{greeting}");
    let id = ana.sells("After").await;
    let event = stream.event().await.unwrap();
    let shown = ana.send("GET", &format!("/api/tickets/{id}"), &[], None).await;
    let shown = shown.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(event["data"], serde_json::from_slice::<Value>(&shown).unwrap());
    assert_eq!((event["seq"].as_u64(), event["type"].as_str()), (Some(3), Some("TicketCreated")));
    assert_eq!(event["at"], event["data"]["createdAt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_tickets_and_nobody_anothers_orders_or_account() {
    let app = app().await;
    let ana = Client::signed_up(&app, "ana").await;
    let ben = Client::signed_up(&app, "ben").await;
    let ticket = ana.sells("Rock Concert").await;
    let order = ben.post("/api/orders", json!({ "ticketId": ticket })).await;
    ben.post("/api/payments", json!({ "orderId": order["id"], "token": "tok_visa" })).await;
    let mut bens = ben.listens(Some(0)).await;
    let of_a_buyer = [
        "UserCreated",
        "TicketCreated",
        "OrderCreated",
        "TicketUpdated",
        "OrderAwaitingPayment",
        "ChargeCreated",
        "ChargeCompleted",
        "OrderCompleted",
        "TicketUpdated",
    ];
    assert_eq!(bens.types(9).await, of_a_buyer);
    let mut anas = ana.listens(Some(0)).await;
    let of_a_seller = ["UserCreated", "TicketCreated", "TicketUpdated", "TicketUpdated"];
    assert_eq!(anas.types(4).await, of_a_seller);
    let mut others = Client::anonymous(&app).listens(Some(0)).await;
    assert_eq!(others.types(3).await, ["TicketCreated", "TicketUpdated", "TicketUpdated"]);
    // The same for those who were there when it happened.
    let ticket = ana.sells("Jazz Night").await;
    ben.post("/api/orders", json!({ "ticketId": ticket })).await;
    assert_eq!(bens.types(3).await, ["TicketCreated", "OrderCreated", "TicketUpdated"]);
    assert_eq!(anas.types(2).await, ["TicketCreated", "TicketUpdated"]);
    assert_eq!(others.types(2).await, ["TicketCreated", "TicketUpdated"]);
    for stream in [&mut bens, &mut anas, &mut others] {
        assert!(stream.is_silent().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_misses_nothing_and_hears_nothing_twice() {
    let app = app().await;
    let ana = Client::signed_up(&app, "ana").await;
    let mut heard = Vec::new();
    let mut last = 1;
    // Connections break after ever more events, while more keep coming.
    for round in 0..6_u64 {
        let mut stream = Client::anonymous(&app).listens(Some(last)).await;
        for ticket in 0..20 {
            ana.sells(&format!("Ticket {round}.{ticket}")).await;
        }
        let events = stream.events(usize::try_from(round * 5 + 1).unwrap()).await;
        last = *seqs(&events).last().unwrap();
        heard.extend(seqs(&events));
    }
    let mut stream = Client::anonymous(&app).listens(Some(last)).await;
    heard.extend(seqs(&stream.events(121 - usize::try_from(last).unwrap()).await));
    assert_eq!(heard, (2..=121).collect::<Vec<_>>());
    assert!(stream.is_silent().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_resumed_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gittix.redb");
    let app = app_on(open(&path).await, 100).await;
    let ana = Client::signed_up(&app, "ana").await;
    ana.sells("One").await;
    let mut stream = ana.listens(None).await;
    ana.sells("Two").await;
    assert_eq!(seqs(&stream.events(1).await), [3]);
    ana.sells("Three").await;
    drop(stream);
    let cookie = ana.cookie.clone();
    app.stop().await;
    let app = app_on(open(&path).await, 100).await;
    let ana = Client { app: &app, cookie };
    let mut stream = ana.listens(Some(3)).await;
    ana.sells("Four").await;
    assert_eq!(seqs(&stream.events(2).await), [4, 5]);
}

/// The file is free once the last task of the life before has let go of it.
async fn open(path: &Path) -> RedbStore {
    let opened = timeout(PATIENCE, async {
        loop {
            match RedbStore::open(path, StoreSettings::default()) {
                Ok(store) => return store,
                Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    });
    opened.await.expect("a stopped server lets go of its file")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_keeps_nobody_waiting_and_still_gets_everything() {
    let app = app().await;
    let ana = Client::signed_up(&app, "ana").await;
    let mut slow = ana.listens(None).await;
    let mut quick = ana.listens(None).await;
    // More than is kept at hand, so that the slow one has to go back to the log.
    for ticket in 0..1500 {
        ana.sells(&format!("Ticket {ticket}")).await;
    }
    assert_eq!(seqs(&quick.events(1500).await), (2..=1501).collect::<Vec<_>>());
    assert_eq!(seqs(&slow.events(1500).await), (2..=1501).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_is_shown_after_signing_out() {
    let app = app().await;
    let ana = Client::signed_up(&app, "ana").await;
    let ben = Client::signed_up(&app, "ben").await;
    let ticket = ana.sells("Rock Concert").await;
    let mut stream = ben.listens(None).await;
    let order = ben.post("/api/orders", json!({ "ticketId": ticket })).await;
    assert_eq!(stream.types(2).await, ["OrderCreated", "TicketUpdated"]);
    ben.post("/api/users/signout", json!({})).await;
    let ben_id = order["userId"].as_str().unwrap().parse().unwrap();
    let order = order["id"].as_str().unwrap().parse().unwrap();
    app.market.cancel(order, ben_id, ExpectedVersion::Any).await.unwrap();
    assert!(stream.event().await.is_none(), "the stream ends");
    // Whoever listens on without a session hears the public part.
    let mut stream = ben.listens(Some(5)).await;
    assert_eq!(stream.types(1).await, ["TicketUpdated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_no_event_has_is_refused() {
    let app = app().await;
    let client = Client::anonymous(&app);
    for id in ["", "x", "-1", "+1", "1.0", "0x1", "18446744073709551616", "1"] {
        let response = client.send("GET", "/api/events", &[("last-event-id", id)], None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{id:?}");
        let path = format!("/api/events?after={}", id.replace('+', "%2B"));
        let response = client.send("GET", &path, &[], None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{id:?}");
    }
    // A browser that comes back by itself repeats the address it began with.
    let ids = [("last-event-id", "0")];
    let response = client.send("GET", "/api/events?after=0", &ids, None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = client.send("GET", "/api/events?after=x", &ids, None).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "neither is garbage");
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_limited_and_given_back() {
    let memory = redb::backends::InMemoryBackend::new();
    let store = RedbStore::open_backend(memory, StoreSettings::default()).unwrap();
    let app = app_on(store, 1).await;
    let client = Client::anonymous(&app);
    let only = client.listens(None).await;
    let refused = client.send("GET", "/api/events", &[], None).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    drop(only);
    client.listens(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_rendered_once_for_all_who_ask() {
    let app = app().await;
    let ana = Client::signed_up(&app, "ana").await;
    for ticket in 0..600 {
        ana.sells(&format!("Ticket {ticket}")).await;
    }
    let (history, store) = (History::new(Terms::default()), &*app.state.store);
    let first = history.stretch(0, 601, store).await.unwrap();
    assert_eq!((first.first().unwrap().seq, first.last().unwrap().seq), (1, 256));
    for after in [1, 100, 255] {
        let again = history.stretch(after, 601, store).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again), "after {after}");
    }
    let last = history.stretch(600, 601, store).await.unwrap();
    assert_eq!((last.first().unwrap().seq, last.last().unwrap().seq), (513, 601));
    assert!(Arc::ptr_eq(&last, &history.stretch(520, 601, store).await.unwrap()));
    // The last stretch grows; what was kept of it is not all any more.
    ana.sells("One more").await;
    let grown = history.stretch(601, 602, store).await.unwrap();
    assert_eq!(grown.last().unwrap().seq, 602);
}

#[tokio::test(start_paused = true)]
async fn the_past_comes_at_a_rate_and_the_present_at_once() {
    let memory = redb::backends::InMemoryBackend::new();
    let settings = StoreSettings { writer: WriterMode::Inline, ..StoreSettings::default() };
    let store = RedbStore::open_backend(memory, settings).unwrap();
    let limits = ListenerLimits { replay_per_second: Some(10), ..ListenerLimits::of(100) };
    let app = app_with(store, limits).await;
    let ana = Client::signed_up(&app, "ana").await;
    for ticket in 0..599 {
        ana.sells(&format!("Ticket {ticket}")).await;
    }
    let began = Instant::now();
    let mut stream = Client::anonymous(&app).listens(Some(0)).await;
    assert_eq!(seqs(&stream.events(599).await), (2..=600).collect::<Vec<_>>());
    // The last stretch is paid for afterwards.
    let seconds = began.elapsed().as_secs();
    assert!((51..=60).contains(&seconds), "512 events at 10 a second took {seconds} s");
    let mut another = Client::anonymous(&app).listens(Some(0)).await;
    assert_eq!(seqs(&another.events(1).await), [2]);
    assert!(began.elapsed().as_secs() >= 59, "coming back does not pay: all 599 are paid for");
    let began = Instant::now();
    ana.sells("Now").await;
    assert_eq!(seqs(&stream.events(1).await), [601]);
    assert!(began.elapsed().as_secs() < 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_server_stops() {
    let app = app().await;
    let mut stream = Client::anonymous(&app).listens(None).await;
    stream.block().await.unwrap();
    app.readiness.begin_stopping();
    assert_eq!(stream.block().await, None);
    let refused = Client::anonymous(&app).send("GET", "/api/events", &[], None).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_shows_that_it_is_alive_and_how_far_it_has_come() {
    let memory = redb::backends::InMemoryBackend::new();
    let settings = StoreSettings { writer: WriterMode::Inline, ..StoreSettings::default() };
    let app = app_on(RedbStore::open_backend(memory, settings).unwrap(), 100).await;
    let mut stream = Client::anonymous(&app).listens(None).await;
    stream.block().await.unwrap();
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(stream.block().await.unwrap(), ": alive\nid: 0\n\n");
        assert_eq!(began.elapsed().as_secs(), HEARTBEAT.as_secs());
    }
}
