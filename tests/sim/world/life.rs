//! One life of the process: from opening the store to its end, whatever that is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gittix::actors::MarketSettings;
use gittix::app::{App, AppKeys, AppSettings, Seams};
use gittix::auth::{
    LimitSettings, PassKeys, PasswordSettings, Passwords, Rate, SigningKey, SigningKeys,
    ThrottleSettings,
};
use gittix::domain::{Account, Event, FeeRate, FeeRates, OrderId, SessionRules, Terms, Timestamp};
use gittix::http::PassSettings;
use gittix::http::edge::guard::EdgeSettings;
use gittix::http::edge::metrics::Metrics;
use gittix::http::events::listeners::ListenerLimits;
use gittix::seams::Clock as _;
use gittix::store::typed::TypedStore;
use gittix::store::{OpenError, RedbStore, SharedStore, StoreSettings, WriterMode};

use super::answers::MOST_SEATS;
use super::audit::fits_together;
use super::backups::back_up;
use super::client::Worker;
use super::gateway::Line;
use super::listener::{all_is_heard, listen};
use super::plan::{Fault, Plan};
use super::post::{Counter, all_is_told};
use super::record::Violation;
use super::rng::Rng;
use super::store::WatchedStore;
use super::tell;
use super::time::Power;
use super::world::{JOURNAL_BYTES, World};

/// How late a lock may end, and a little for the clock's rounding.
const PROMISE: Duration = Duration::from_millis(1_050);
/// How late it may end when an actor has panicked or the store was overloaded.
const PROMISE_IN_TROUBLE: Duration = Duration::from_secs(8);
/// The furthest the wall clock is ever off.
const FURTHEST_OFF_MS: i64 = 3 * 3_600_000;
/// Within this time everything must have come to its end once nothing goes wrong any more.
const SETTLES_WITHIN: Duration = Duration::from_secs(8 * 3600);

/// A running server.
pub struct Life {
    /// What outlives it.
    pub world: Arc<World>,
    /// Whether it still lives.
    pub power: Power,
    /// The real store.
    pub store: SharedStore,
    /// The same, where it is in a file.
    pub file: Option<Arc<RedbStore>>,
    /// The store as the server sees it.
    pub watched: Arc<WatchedStore>,
    /// The server.
    pub app: App,
    /// With which keys it asks the provider.
    pub account: Account,
}

/// With which keys a life asks the provider: some are started with test keys by mistake, the last
/// one never.
fn account_of(world: &World, life: u64) -> Account {
    let is_mistaken =
        world.plan.rates.of(Fault::ProviderChanges) > 0 && life % 2 == 1 && life < world.plan.lives;
    if is_mistaken {
        world.record.count(Fault::ProviderChanges.name());
        return Account::StripeTest;
    }
    Account::StripeLive
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All operations were begun and answered.
    Done,
    /// The power went or the process was killed.
    Dead,
    /// The store failed, so the process stopped.
    StoreFailed,
    /// It was told to stop.
    Stopped,
    /// A rule was broken.
    Broken,
}

/// How many operations of the database the disk is behind: none, a few, a checkpoint, or as many
/// as it may be.
fn disk_lag(seed: u64, life: u64) -> usize {
    match seed.wrapping_add(life) % 4 {
        0 => 0,
        1 => 7,
        2 => 64,
        _ => 100_000,
    }
}

/// How many postings are looked at for each sale: as many as a round takes, or few.
fn postings_per_sale(seed: u64) -> usize {
    if seed.is_multiple_of(2) { 128 } else { 8 }
}

/// How many locked tickets pages note: few, for these markets are small.
fn skip_range_min(seed: u64) -> usize {
    if seed.is_multiple_of(3) { 3 } else { 1 }
}

/// Opens the store that the plan wants.
fn open(world: &World, number: u64) -> Result<(SharedStore, Option<Arc<RedbStore>>), OpenError> {
    if world.plan.in_memory {
        return Ok((Arc::new(TypedStore::new(world.rows.clone())), None));
    }
    let settings = StoreSettings {
        queue: world.plan.store_queue,
        cache_bytes: 1 << 20,
        journal_bytes: JOURNAL_BYTES,
        disk_lag: disk_lag(world.plan.seed, number),
        postings_per_sale: postings_per_sale(world.plan.seed),
        skip_range_min: skip_range_min(world.plan.seed),
        writer: WriterMode::Inline,
        ..StoreSettings::default()
    };
    let file = Arc::new(RedbStore::open_backend(world.disk.clone(), settings)?);
    Ok((file.clone(), Some(file)))
}

impl Life {
    /// Opens the store and starts the server. `None` if the life ended meanwhile.
    pub async fn start(world: &Arc<World>, power: Power, number: u64) -> Option<Arc<Self>> {
        let opened = open(world, number);
        let is_excused = power.is_off() || world.disk.has_failed();
        let (store, file) = match opened {
            Ok(opened) => opened,
            Err(_) if is_excused => return None,
            Err(error) => {
                let violation = Violation::new("the store opens after a crash", error.to_string());
                world.record.violate(violation);
                return None;
            }
        };
        let recovered = world.recover(store.as_ref()).await;
        match recovered.and_then(|()| file.as_deref().map_or(Ok(()), fits_together)) {
            Ok(()) => {}
            Err(_) if power.is_off() || world.disk.has_failed() => return None,
            Err(violation) => {
                world.record.violate(violation);
                return None;
            }
        }
        let rng = Rng::new(world.plan.seed, &format!("panics {number}"));
        let watched = Arc::new(WatchedStore {
            inner: store.clone(),
            power: power.clone(),
            writes: world.writes.clone(),
            record: world.record.clone(),
            panics: Mutex::new((world.plan.rates.of(Fault::Panic), rng)),
        });
        let account = account_of(world, number);
        let line = Line {
            provider: world.provider.clone(),
            account,
            power: power.clone(),
            timeline: world.timeline.clone(),
            witness: world.writes.clone(),
        };
        let seams = Seams {
            clock: world.timeline.clone(),
            entropy: world.entropy.clone(),
            store: watched.clone(),
            gateway: Arc::new(line),
            mail: Arc::new(Counter { post: world.post.clone(), power: power.clone() }),
            blobs: Arc::new(world.blobs.clone()),
            node: None,
        };
        let passwords = Passwords::inline(PasswordSettings::weakest(), world.entropy.clone());
        let (Ok(passwords), Some(key)) = (passwords, SigningKey::from_bytes(&[7; 32])) else {
            return None;
        };
        let session = SigningKeys::only(key);
        let keys = AppKeys { session, pass: PassKeys::of([7; 32], [8; 32]) };
        let app = App::start(settings_of(world), seams, passwords, keys, Metrics::default()).await;
        match app {
            Ok(app) => Some(Arc::new(Self {
                world: world.clone(),
                power,
                store,
                file,
                watched,
                app,
                account,
            })),
            // Where its followers begin is written first.
            Err(_) if power.is_off() || world.disk.has_failed() => None,
            Err(error) => {
                let violation = Violation::new("the server starts", error.to_string());
                world.record.violate(violation);
                None
            }
        }
    }

    /// Takes up what the log has to tell.
    pub async fn sync(&self) {
        if self.power.is_off() {
            return;
        }
        let after = self.world.model().last_seq();
        match self.store.events(after, usize::MAX).await {
            Ok(events) => {
                for logged in &events {
                    self.world.record.note(&format!("{logged:?}"));
                    self.world.record.say(format!("  {}", tell::event(logged)));
                }
                // Its own time stamp could lie; without steps the wall clock does not.
                let (wall, steps) = (self.world.timeline.now(), self.world.timeline.steps());
                let early = events.iter().find(|logged| {
                    matches!(&logged.event, Event::OrderExpired(view)
                        if steps == 0 && view.order.expires_at > wall)
                });
                if let Some(early) = early {
                    let rule = "locks end no earlier than promised";
                    self.world.record.violate(Violation::new(rule, format!("{early:?} at {wall}")));
                }
                let checked = self.world.model().take_up(events);
                self.world.record.check(checked);
            }
            Err(error) if !self.world.disk.has_failed() => {
                let violation = Violation::new("the log can be read", error.to_string());
                self.world.record.violate(violation);
            }
            Err(_) => {}
        }
    }

    /// Lets everybody work until the life ends.
    pub async fn live(self: &Arc<Self>, ends_at: Option<u64>) -> Ended {
        let helpers = [
            tokio::spawn(deliver_webhooks(self.clone())),
            tokio::spawn(watch_deadlines(self.clone())),
            tokio::spawn(step_the_clock(self.clone())),
            tokio::spawn(listen(self.clone())),
            tokio::spawn(back_up(self.clone())),
        ];
        let workers = (0..self.world.clients()).map(|number| {
            let worker = Worker { life: self.clone(), number };
            tokio::spawn(worker.run())
        });
        let workers: Vec<_> = workers.collect();
        let abandon: Vec<_> = workers.iter().map(|worker| worker.abort_handle()).collect();
        let all_done = async {
            for worker in workers {
                if worker.await.is_err() {
                    let violation = Violation::new("the simulator works", "a client panicked");
                    self.world.record.violate(violation);
                }
            }
        };
        let stop_time = async {
            match ends_at {
                Some(after) => tokio::time::sleep(Duration::from_millis(after)).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            () = self.power.gone() => Ended::Dead,
            () = self.world.record.broken() => Ended::Broken,
            _ = self.store.failed() => Ended::StoreFailed,
            () = all_done => Ended::Done,
            () = stop_time => Ended::Stopped,
        };
        if ended != Ended::Done {
            for helper in helpers {
                helper.abort();
            }
            // A server that stops lets nobody in and waits for those inside, but not for ever.
            for worker in abandon {
                worker.abort();
            }
        }
        ended
    }

    /// Leaves the world alone until everything has come to its end.
    pub async fn settle(self: &Arc<Self>) {
        let world = &self.world;
        if let Ok(mut panics) = self.watched.panics.lock() {
            panics.0 = 0;
        }
        world.calm();
        world.disk.heal();
        self.power.last_for_ever();
        let rounds = SETTLES_WITHIN.as_secs() / 15;
        for _ in 0..rounds {
            let settled = async {
                tokio::time::sleep(Duration::from_secs(15)).await;
                self.sync().await;
            };
            tokio::select! {
                biased;
                () = world.record.broken() => return,
                () = settled => {}
            }
            let is_open = world.model().open_now().next().is_some();
            let unsettled = self.store.stats().unsettled_charges;
            let is_quiet = !is_open && unsettled == 0 && world.provider.is_quiet();
            if is_quiet && all_is_heard(self) && all_is_told(self).await {
                return;
            }
        }
        let open: Vec<_> = world.model().open_now().map(|view| view.order.clone()).collect();
        let pending = self.app.market.pending_charges().await;
        let quiet = world.provider.is_quiet();
        let heard = all_is_heard(self);
        let detail = format!(
            "open: {open:?}, unsettled: {pending:?}, gateway quiet: {quiet}, all heard: {heard}"
        );
        world.record.violate(Violation::new("everything comes to its end", detail));
    }
}

fn terms_of(plan: &Plan) -> Terms {
    let buyer = FeeRate { basis_points: plan.fee_basis_points, fixed_minor: 0 };
    let fees = FeeRates { buyer, seller: FeeRate::default() };
    Terms { fees, most_seats: MOST_SEATS }
}

fn settings_of(world: &World) -> AppSettings {
    let plan = &world.plan;
    let rate = Rate { burst: 1, per_minute: 1 };
    AppSettings {
        market: MarketSettings {
            hold: plan.hold,
            max_open_per_user: plan.max_open_per_user,
            max_attempts: plan.max_attempts,
            relock_free: plan.relock_free(),
            sessions: SessionRules {
                lasts: Duration::from_secs(400_000_000),
                idle: Some(Duration::from_secs(200_000_000)),
                ..SessionRules::default()
            },
            terms: terms_of(plan),
            max_live_actors: plan.max_live_actors,
            ..MarketSettings::default()
        },
        edge: EdgeSettings {
            public_origin: None,
            https: false,
            body_limit_bytes: 64 * 1024,
            request_timeout: Duration::from_secs(600),
        },
        currency: world.currency,
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
        card_form: gittix::http::storefront::CardForm::Sandbox,
        listeners: ListenerLimits::of(16),
        admin_hosts: Vec::new(),
        site: gittix::mail::texts::Site {
            origin: "http://localhost".to_owned(),
            language: gittix::mail::texts::Language::German,
        },
    }
}

async fn deliver_webhooks(life: Arc<Life>) {
    let world = &life.world;
    loop {
        let now = world.timeline.now_ms();
        world.provider.advance(now);
        while let Some(webhook) = world.provider.take_webhook(now) {
            life.power.touch_or_die().await;
            if webhook.account != life.account {
                // It is signed with another secret, so it is refused, and sent again for some time.
                if webhook.account == Account::StripeLive {
                    world.provider.send_again(webhook, now);
                }
                continue;
            }
            let (order, charge) = (webhook.order, webhook.charge);
            let report = tell::report(&webhook.report);
            world.record.say(format!("{now} webhook for {}: {report}", tell::id(&charge)));
            let told = life.app.market.report(order, charge, webhook.report.clone()).await;
            if told.is_err() {
                world.provider.send_again(webhook, now);
            }
            world.record.count("webhooks delivered");
        }
        world.provider.something_due(&world.timeline).await;
    }
}

/// Locks end no later than promised, whatever the wall clock does.
async fn watch_deadlines(life: Arc<Life>) {
    let world = &life.world;
    let mut overdue: BTreeMap<OrderId, (u64, u64)> = BTreeMap::new();
    let mut panics_before = world.record.panics();
    loop {
        life.sync().await;
        let (now, wall, panics) =
            (world.timeline.now_ms(), world.timeline.now(), world.record.panics());
        let mut pause = Duration::from_secs(3);
        let mut open = BTreeMap::new();
        for view in world.model().open_now() {
            let until = view.order.expires_at.since(wall);
            if until > Duration::ZERO {
                pause = pause.min(until);
            } else {
                open.insert(view.order.id, view.order.expires_at);
            }
        }
        overdue.retain(|order, _| open.contains_key(order));
        for (order, expires_at) in open {
            let (since, panics_then) = *overdue.entry(order).or_insert((now, panics_before));
            let is_trouble = panics > panics_then || world.plan.store_queue < 64;
            let promise = if is_trouble { PROMISE_IN_TROUBLE } else { PROMISE };
            let late = Duration::from_millis(now - since);
            if late > promise && !is_capturing(&life, order).await {
                let detail = format!("{order} was to end at {expires_at}, {late:?} ago");
                let violation = Violation::new("locks end no later than promised", detail);
                world.record.violate(violation);
            }
            pause = pause.min(PROMISE);
        }
        panics_before = panics;
        if world.model().open_now().next().is_none() {
            pause = Duration::from_secs(60);
        }
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
    }
}

/// Once the capture is decided the sale stands, past the deadline if need be.
async fn is_capturing(life: &Life, order: OrderId) -> bool {
    use gittix::domain::ChargePhase;
    let purchase = life.store.purchase(order).await.ok().flatten();
    let charge = purchase.and_then(|purchase| purchase.charge);
    charge.is_some_and(|charge| matches!(charge.phase, ChargePhase::Capturing { .. }))
}

async fn step_the_clock(life: Arc<Life>) {
    let world = &life.world;
    if world.plan.rates.of(Fault::ClockStep) == 0 {
        return;
    }
    let mut rng = Rng::new(world.plan.seed ^ world.timeline.now_ms(), "clock");
    loop {
        let longest = world.plan.longest_pause.as_millis() * 20 + 10_000;
        let pause = rng.pause_ms(u64::try_from(longest).unwrap_or(u64::MAX));
        tokio::time::sleep(Duration::from_millis(pause.max(50))).await;
        if world.is_calm() {
            return;
        }
        let size = i64::try_from(rng.pause_ms(7_200_000)).unwrap_or(0);
        let size = if rng.chance(500) { size } else { -size };
        let offset = world.timeline.offset_ms();
        let wanted = (offset + size).clamp(-FURTHEST_OFF_MS, FURTHEST_OFF_MS);
        world.timeline.step(wanted - offset);
        let wall: Timestamp = world.timeline.now();
        world.record.say(format!("{} the wall clock says {wall}", world.timeline.now_ms()));
        world.record.count(Fault::ClockStep.name());
    }
}
