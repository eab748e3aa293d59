//! A marketplace to act in, and the people who do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gittix::actors::MarketSettings;
use gittix::app::{App, AppKeys, AppSettings, Seams};
use gittix::auth::{
    LimitSettings, PassKeys, PasswordSettings, Passwords, Rate, SigningKey, SigningKeys,
    ThrottleSettings,
};
use gittix::blobs::MemoryBlobs;
use gittix::domain::{NodeId, Timestamp};
use gittix::http::PassSettings;
use gittix::http::edge::guard::EdgeSettings;
use gittix::http::edge::metrics::Metrics;
use gittix::http::events::listeners::ListenerLimits;
use gittix::http::storefront::CardForm;
use gittix::mail::texts::{Language, Site};
use gittix::payments::SharedGateway;
use gittix::seams::{Clock, Entropy};
use gittix::store::typed::TypedStore;
use gittix::store::{MemoryRows, RedbStore, SharedStore, StoreSettings, WriterMode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::{Answer, Client, id};
use super::disk::Disk;
use super::faults::{FaultyStore, Mishaps};
use super::gateway::ModelGateway;
use super::postbox::Postbox;

pub const PASSWORD: &str = "correct horse battery";
pub const KEY: [u8; 32] = [7; 32];

/// How a world is made.
#[derive(Clone)]
pub struct Setup {
    pub disk: Disk,
    pub blobs: MemoryBlobs,
    pub at: Timestamp,
    pub gateway: ModelGateway,
    pub mishaps: Mishaps,
    pub postbox: Postbox,
    pub market: MarketSettings,
    pub currency: &'static str,
    pub https: bool,
    pub public_origin: Option<String>,
    pub throttle: ThrottleSettings,
    pub limits: LimitSettings,
    pub client_address_header: Option<String>,
    pub listeners: ListenerLimits,
    pub admin_hosts: Vec<String>,
    pub queue: usize,
    pub sandbox: bool,
    pub password_passes: u32,
    pub passes: PassSettings,
}

impl Default for Setup {
    fn default() -> Self {
        let wide = Rate { burst: 1_000_000, per_minute: 1_000_000 };
        Self {
            disk: Disk::default(),
            blobs: MemoryBlobs::default(),
            at: Timestamp::from_millis(1_795_319_640_768),
            gateway: ModelGateway::default(),
            mishaps: Mishaps::default(),
            postbox: Postbox::default(),
            market: MarketSettings::default(),
            currency: "usd",
            https: false,
            public_origin: None,
            throttle: ThrottleSettings {
                enabled: false,
                account: wide,
                account_per_hour: 100,
                address: wide,
            },
            limits: LimitSettings { enabled: false, ..LimitSettings::default() },
            client_address_header: None,
            listeners: ListenerLimits::of(100),
            admin_hosts: vec!["gittix.monitoring".to_owned()],
            queue: 4096,
            sandbox: false,
            password_passes: 1,
            passes: PassSettings::default(),
        }
    }
}

/// A running marketplace.
pub struct World {
    pub app: App,
    pub store: SharedStore,
    pub gateway: ModelGateway,
    pub disk: Disk,
    pub mishaps: Mishaps,
    pub postbox: Postbox,
    file: Option<Arc<RedbStore>>,
    setup: Setup,
}

struct SimulatedClock {
    start: Timestamp,
    began: Instant,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.began.elapsed())
    }
}

/// A splitmix64 generator.
struct Seeded(Mutex<u64>);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

impl Setup {
    pub async fn start(self) -> World {
        let settings = StoreSettings {
            queue: self.queue,
            cache_bytes: 16 << 20,
            journal_bytes: 1 << 16,
            skip_range_min: 1,
            writer: WriterMode::Inline,
            ..StoreSettings::default()
        };
        let file = RedbStore::open_backend(self.disk.clone(), settings).expect("a store");
        let file = Arc::new(file);
        let world = self.start_on(file.clone(), None).await;
        World { file: Some(file), ..world }
    }

    /// Two servers of one marketplace: what either of them commits, the other can read.
    pub async fn start_two(self) -> (World, World) {
        let rows = Arc::new(MemoryRows::default());
        let store = |rows| Arc::new(TypedStore::new(rows));
        let one = self.clone().start_on(store(rows.clone()), Some(1)).await;
        (one, self.start_on(store(rows), Some(2)).await)
    }

    async fn start_on(self, inner: SharedStore, node: Option<u64>) -> World {
        let mishaps = self.mishaps.clone();
        let store: SharedStore = Arc::new(FaultyStore { inner, mishaps });
        let clock = Arc::new(SimulatedClock { start: self.at, began: Instant::now() });
        let seed = self.at.as_millis().unsigned_abs() + node.unwrap_or_default();
        let node = node.map(|node| NodeId::from_u128(u128::from(node)));
        let entropy: Arc<dyn Entropy> = Arc::new(Seeded(Mutex::new(seed)));
        let gateway: SharedGateway = if self.sandbox {
            Arc::new(gittix::payments::Sandbox::default())
        } else {
            Arc::new(self.gateway.clone())
        };
        let mail = Arc::new(self.postbox.clone());
        let blobs = Arc::new(self.blobs.clone());
        let seams = Seams {
            clock,
            entropy: entropy.clone(),
            store: store.clone(),
            gateway,
            mail,
            blobs,
            node,
        };
        let work = PasswordSettings { passes: self.password_passes, ..PasswordSettings::weakest() };
        let passwords = Passwords::inline(work, entropy).expect("settings");
        let session = SigningKeys::only(SigningKey::from_bytes(&KEY).expect("a key"));
        let key = AppKeys { session, pass: PassKeys::of(KEY, KEY) };
        let app = App::start(self.app_settings(), seams, passwords, key, Metrics::default());
        World {
            app: app.await.expect("a marketplace"),
            store,
            gateway: self.gateway.clone(),
            disk: self.disk.clone(),
            mishaps: self.mishaps.clone(),
            postbox: self.postbox.clone(),
            file: None,
            setup: self,
        }
    }

    fn app_settings(&self) -> AppSettings {
        AppSettings {
            market: self.market.clone(),
            edge: EdgeSettings {
                public_origin: self.public_origin.clone(),
                https: self.https,
                body_limit_bytes: 65_536,
                // In simulated time the longest pause of a test would set it off.
                request_timeout: Duration::from_secs(365 * 24 * 3600),
            },
            currency: self.currency.parse().expect("a currency"),
            key_files: None,
            passes: self.passes,
            throttle: self.throttle,
            limits: self.limits,
            client_address_header: self.client_address_header.clone(),
            listeners: self.listeners,
            admin_hosts: self.admin_hosts.clone(),
            card_form: CardForm::Sandbox,
            site: Site {
                origin: "https://tickets.example".to_owned(),
                language: Language::English,
            },
        }
    }
}

impl World {
    pub async fn new() -> Self {
        Setup::default().start().await
    }

    pub fn now(&self) -> Timestamp {
        self.app.market.now()
    }

    /// Nobody in particular.
    pub fn anyone(&self) -> Client {
        Client { router: self.app.router.clone(), token: None }
    }

    /// Somebody new with an account.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.anyone().post("/api/users/signup", &body).await.is(201);
        let token = token_of(&answer);
        let client = Client { router: self.app.router.clone(), token: Some(token) };
        Person { client, id: id(&answer.value()), email }
    }

    pub async fn buyer(&self, name: &str) -> Person {
        self.person(name).await
    }

    pub async fn seller(&self, name: &str) -> Person {
        self.person(name).await
    }

    /// A ticket of 40.00 by a seller who does nothing else.
    pub async fn ticket(&self) -> String {
        let seller = format!("seller{}", self.store.stats().last_seq);
        self.seller(&seller).await.lists("Rock Concert", 40).await
    }

    /// Somebody from an earlier life of the server.
    pub fn again(&self, person: &Person) -> Person {
        let client = Client { router: self.app.router.clone(), token: person.client.token.clone() };
        Person { client, ..person.clone() }
    }

    pub async fn status_of(&self, ticket: &str) -> String {
        let shown = self.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
        shown["status"].as_str().unwrap().to_owned()
    }

    /// What lies beside the store.
    pub fn contents(&self) -> Vec<Vec<u8>> {
        self.setup.blobs.all().into_iter().map(|(_, content)| content).collect()
    }

    /// Everything in the store fits together.
    pub fn verifies(&self) {
        let Some(file) = &self.file else { return };
        let report = file.verify().expect("readable");
        assert_eq!(report.findings, Vec::<String>::new());
    }

    /// What the next life needs if the process is killed right now.
    pub fn killed(&self) -> Setup {
        Setup { disk: self.disk.as_it_is(), at: self.now(), ..self.setup.clone() }
    }

    /// Every event so far, of a store in which everything fits together.
    pub async fn events(&self) -> Vec<&'static str> {
        self.verifies();
        let log = self.store.events(0, 100_000).await.unwrap();
        for (place, logged) in log.iter().enumerate() {
            assert_eq!(logged.seq, place as u64 + 1, "the log has no gaps");
        }
        log.iter().map(|logged| logged.event.name()).collect()
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Person {
    pub client: Client,
    pub id: String,
    pub email: String,
}

impl Person {
    pub async fn lists(&self, title: &str, price: impl Into<Value>) -> String {
        let body = json!({"title": title, "price": price.into()});
        id(&self.client.post("/api/tickets", &body).await.created())
    }

    pub async fn tries_to_lock(&self, ticket: &str) -> Answer {
        self.client.post("/api/orders", &json!({"ticketId": ticket})).await
    }

    /// Locks a ticket and gives back the order's id.
    pub async fn locks(&self, ticket: &str) -> String {
        id(&self.tries_to_lock(ticket).await.created())
    }

    pub async fn pays(&self, order: &str) -> Answer {
        self.pays_with(order, "tok_visa").await
    }

    pub async fn pays_with(&self, order: &str, token: &str) -> Answer {
        self.client.post("/api/payments", &json!({"orderId": order, "token": token})).await
    }

    pub async fn cancels(&self, order: &str) -> Answer {
        self.client.delete(&format!("/api/orders/{order}")).await
    }

    pub async fn order(&self, order: &str) -> Value {
        self.client.get(&format!("/api/orders/{order}")).await.ok()
    }

    pub async fn charge(&self, charge: &str) -> Value {
        self.client.get(&format!("/api/payments/{charge}")).await.ok()
    }
}

pub fn token_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    let (token, _) = cookie.strip_prefix("session=").unwrap().split_once(';').unwrap();
    assert!(!token.is_empty());
    token.to_owned()
}

/// One life of a process: its own runtime in simulated time, which ends with everything in it.
pub fn live<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(work)
}

/// Waits in simulated time.
pub async fn wait(span: Duration) {
    tokio::time::sleep(span).await;
}

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
