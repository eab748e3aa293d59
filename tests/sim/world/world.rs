//! What outlives the process: disk, provider, clients, and the memory of all that was seen.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use gittix::blobs::MemoryBlobs;
use gittix::domain::Currency;
use gittix::store::{MemoryRows, RedbStore, Store, StoreSettings, WriterMode};

use super::client::Client;
use super::disk::{DiskScript, Remains, SimDisk};
use super::gateway::Provider;
use super::listener::Listener;
use super::model::{Model, check_tail};
use super::passes::KnownPass;
use super::plan::{Fault, Plan};
use super::post::Post;
use super::record::{Record, Violation};
use super::rng::Rng;
use super::store::Writes;
use super::tell;
use super::time::{Power, SeededEntropy, Timeline};

/// Everything but the server.
pub struct World {
    /// What the seed decided.
    pub plan: Plan,
    /// What happens.
    pub record: Record,
    /// Time.
    pub timeline: Arc<Timeline>,
    /// Chance, for the server.
    pub entropy: Arc<SeededEntropy>,
    /// The disk.
    pub disk: SimDisk,
    /// What lies beside the store.
    pub blobs: MemoryBlobs,
    /// The rows, where they are not on the disk. They outlive the process, as a database's do.
    pub rows: Arc<MemoryRows>,
    /// The payment provider.
    pub provider: Provider,
    /// Who takes letters.
    pub post: Arc<Post>,
    /// What is known of the store's writes.
    pub writes: Arc<Writes>,
    /// The currency of all prices.
    pub currency: Currency,
    model: Mutex<Model>,
    passes: Mutex<Vec<KnownPass>>,
    clients: Vec<Mutex<Client>>,
    listener: Mutex<Listener>,
    steps_left: AtomicU64,
    calm: AtomicBool,
}

impl World {
    /// A world in which nothing has happened.
    pub fn new(plan: &Plan, record: Record) -> Option<Self> {
        let clients = usize::try_from(plan.users + plan.users / 2).unwrap_or(2);
        let writes = Arc::<Writes>::default();
        Some(Self {
            plan: plan.clone(),
            provider: Provider::new(plan, record.clone()),
            post: Arc::new(Post::new(plan.seed, plan.rates.of(Fault::MailFails), record.clone())),
            rows: Arc::default(),
            timeline: Arc::default(),
            entropy: Arc::new(SeededEntropy::new(plan.seed)),
            disk: SimDisk::new(plan.seed, empty_store()?),
            blobs: MemoryBlobs::default(),
            writes: writes.clone(),
            currency: "usd".parse().ok()?,
            model: Mutex::new(Model::new(plan, writes)),
            passes: Mutex::default(),
            clients: (0..clients).map(|n| Mutex::new(Client::new(plan.seed, n))).collect(),
            listener: Mutex::new(Listener::new(plan.seed)),
            steps_left: AtomicU64::new(plan.steps),
            calm: AtomicBool::new(false),
            record,
        })
    }

    /// What was seen.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The passes that somebody was told of.
    pub fn passes(&self) -> MutexGuard<'_, Vec<KnownPass>> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client.
    pub fn client(&self, number: usize) -> MutexGuard<'_, Client> {
        self.clients[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who listens to the event stream.
    pub fn listener(&self) -> MutexGuard<'_, Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Takes one of the operations that are left to do.
    pub fn take_step(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.steps_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&self) {
        self.calm.store(true, Ordering::Relaxed);
        self.provider.calm_down(self.timeline.now_ms());
        self.post.calm_down();
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Compares what a store holds after a crash with what was seen before.
    pub async fn recover(&self, store: &dyn Store) -> Result<(), Violation> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Violation::new("the store can be read after a crash", error.to_string())
        };
        let events = store.events(0, usize::MAX).await.map_err(|error| unreadable(&error))?;
        let seen = self.model().log().to_vec();
        if let Some((lost, found)) = seen
            .iter()
            .map(Some)
            .zip(events.iter().map(Some).chain(std::iter::repeat(None)))
            .find(|(seen, found)| seen != found)
        {
            let detail = format!("{lost:?} was seen, after the crash there is {found:?}");
            return Err(Violation::new("what was seen is not lost", detail));
        }
        let tail = events.get(seen.len()..).unwrap_or_default().to_vec();
        check_tail(&tail, self.writes.take_commits())?;
        let durable = self.writes.last_seq();
        if (events.len() as u64) < durable {
            let detail = format!("there were {durable} events, after the crash {}", events.len());
            return Err(Violation::new("what is durable is not lost", detail));
        }
        for (id, version) in self.writes.charges() {
            let found = store.charge(id).await.map_err(|error| unreadable(&error))?;
            if found.as_ref().is_none_or(|found| found.version < version) {
                let detail = format!("{id} had {version:?}, after the crash there is {found:?}");
                return Err(Violation::new("what is durable is not lost", detail));
            }
        }
        self.record.add("commits found after a crash that nobody was told of", tail.len() as u64);
        for logged in &tail {
            self.record.say(format!("  found {}", tell::event(logged)));
        }
        self.model().take_up(tail)
    }
}

/// Room for a few batches, so that what a life ends in is often a checkpoint, and as often not.
pub const JOURNAL_BYTES: u64 = 6 * 4096;

/// The bytes of a store that was just made. Creation is not safe from power cuts, which is why
/// files are made under another name first; so simulations begin with one that is complete.
fn empty_store() -> Option<Vec<u8>> {
    static BYTES: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let make = || {
        let disk = SimDisk::new(0, Vec::new());
        disk.begin_life(Power::default(), DiskScript::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
        let settings = StoreSettings {
            queue: 16,
            cache_bytes: 1 << 20,
            journal_bytes: JOURNAL_BYTES,
            writer: WriterMode::Inline,
            ..StoreSettings::default()
        };
        runtime.block_on(async { RedbStore::open_backend(disk.clone(), settings).ok() })?;
        drop(runtime);
        disk.end_life(Remains::All, &mut Rng::new(0, "empty"));
        Some(disk.bytes())
    };
    BYTES.get_or_init(make).clone()
}
