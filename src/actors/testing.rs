//! What the tests of the actors share: a supervisor, a store in memory and simulated time.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorCell};
use tokio::time::Instant;

use super::context::Context;
use super::peers::Peers;
use super::settings::MarketSettings;
use super::supervisor::Supervisor;
use super::timers::Timers;
use crate::domain::{LinkHash, LinkPurpose, LinkSecrets, SealedSecret, Timestamp, User, UserId};
use crate::seams::{Clock, Entropy, IdMint};
use crate::store::{RedbStore, StoreSettings, WriterMode};

/// A clock that follows the runtime's, which tests pause.
pub struct RuntimeClock {
    began: Instant,
}

impl RuntimeClock {
    /// A clock at [`MORNING`].
    pub fn new() -> Self {
        Self { began: Instant::now() }
    }
}

/// When tests begin.
pub const MORNING: Timestamp = Timestamp::from_millis(1_700_000_000_000);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        MORNING.plus(self.began.elapsed())
    }
}

/// Chance that always falls the same way: a pause takes as long as it may.
pub struct Always(pub u8);

impl Entropy for Always {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// Links whose secret is nothing but the account's number.
pub struct PlainLinks;

impl PlainLinks {
    /// What is kept of the secret of that account.
    pub fn hash(user: &User) -> LinkHash {
        let mut hash = [0; 32];
        hash[..16].copy_from_slice(&user.id.as_u128().to_be_bytes());
        LinkHash(hash)
    }
}

impl LinkSecrets for PlainLinks {
    fn make(&self, _: LinkPurpose, user: &User) -> Option<(LinkHash, SealedSecret)> {
        Some((Self::hash(user), SealedSecret(Vec::new())))
    }

    fn token(&self, user: UserId, _: &SealedSecret) -> Option<String> {
        Some(user.to_string())
    }
}

/// What actors need.
pub fn context(request_timeout: Duration) -> Arc<Context> {
    let memory = redb::backends::InMemoryBackend::new();
    let settings = StoreSettings { writer: WriterMode::Inline, ..StoreSettings::default() };
    let store = RedbStore::open_backend(memory, settings).expect("a store in memory");
    let clock = Arc::new(RuntimeClock::new());
    let entropy = Arc::new(Always(u8::MAX));
    Arc::new(Context {
        store: Arc::new(store),
        ids: IdMint::new(clock.clone(), entropy.clone()),
        clock,
        entropy,
        links: Arc::new(PlainLinks),
        settings: MarketSettings { request_timeout, ..MarketSettings::default() },
        timers: Timers::default(),
        peers: Peers::none(),
    })
}

/// A parent for actors.
pub async fn parent() -> ActorCell {
    let supervisor = Supervisor { failures: Arc::default() };
    let (supervisor, _) = Actor::spawn(None, supervisor, ()).await.expect("a supervisor");
    supervisor.get_cell()
}
