//! The post: takes letters, loses its temper, and remembers what it has. It outlives the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gittix::domain::{ChargeView, Event, LoggedEvent, Mail, Mails, RefundStatus};
use gittix::mail::{Letter, SendError, Transport};

use super::life::Life;
use super::record::{Record, Violation};
use super::rng::Rng;
use super::store::Writes;
use super::time::Power;

/// How often in a row a letter is not taken at most, so that it comes to its end in time.
const FAILURES_MAX: u32 = 3;

/// What the post has.
pub struct Post {
    state: Mutex<State>,
    record: Record,
}

struct State {
    rng: Rng,
    /// How often letters go wrong, in thousandths.
    rate: u32,
    /// Letters that were taken, by id, with their addresses.
    taken: BTreeMap<String, Vec<String>>,
    /// How often each was not.
    failures: BTreeMap<String, u32>,
}

/// What the post does with a letter.
enum Mood {
    Takes,
    Refuses,
    /// It takes it and does not say so.
    TakesInSilence,
    Hangs,
}

impl Post {
    /// A post that fails so often, in thousandths.
    pub fn new(seed: u64, rate: u32, record: Record) -> Self {
        let rng = Rng::new(seed, "post");
        let state = State { rng, rate, taken: BTreeMap::new(), failures: BTreeMap::new() };
        Self { state: Mutex::new(state), record }
    }

    /// From now on it takes everything.
    pub fn calm_down(&self) {
        self.state().rate = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn choose(&self, letter: &Letter) -> (Mood, Duration) {
        let state = &mut *self.state();
        let pause = Duration::from_millis(state.rng.below(400));
        let failures = state.failures.entry(letter.id.clone()).or_default();
        if *failures >= FAILURES_MAX || !state.rng.chance(state.rate) {
            return (Mood::Takes, pause);
        }
        *failures += 1;
        let mood = match state.rng.below(3) {
            0 => Mood::Refuses,
            1 => Mood::TakesInSilence,
            _ => Mood::Hangs,
        };
        (mood, pause)
    }

    fn take(&self, letter: &Letter) {
        let to = letter.to.as_str().to_owned();
        self.state().taken.entry(letter.id.clone()).or_default().push(to);
    }

    /// Letters that the log is the reason of and that were not taken.
    fn misses(&self, log: &[LoggedEvent], writes: &Writes) -> Vec<String> {
        let state = self.state();
        let is_taken = |any: &Vec<String>| any.iter().any(|id| state.taken.contains_key(id));
        let must = log.iter().filter(|logged| must_be_told(logged, log, writes));
        must.flat_map(|logged| due(logged, log))
            .filter(|any| !is_taken(any))
            .map(|any| any.join(" or "))
            .collect()
    }

    /// Letters that nothing in the log is the reason of.
    fn surplus(&self, log: &[LoggedEvent]) -> Vec<String> {
        let due: BTreeSet<String> =
            log.iter().flat_map(|logged| due(logged, log)).flatten().collect();
        let is_of_another_reason = |id: &str| {
            ["address-left.", "verify-address.", "new-device."]
                .iter()
                .any(|kind| id.starts_with(kind))
        };
        let is_surplus = |id: &&String| !due.contains(*id) && !is_of_another_reason(id);
        self.state().taken.keys().filter(is_surplus).cloned().collect()
    }
}

/// Who changes an address to what it was is told nothing, and the log does not say so.
fn must_be_told(logged: &LoggedEvent, log: &[LoggedEvent], writes: &Writes) -> bool {
    let Event::UserUpdated(after) = &logged.event else { return true };
    let before = log.iter().find_map(|logged| match &logged.event {
        Event::UserCreated(user) | Event::UserUpdated(user)
            if user.id == after.id && user.version.next() == after.version =>
        {
            Some(writes.accounts(user, logged.at))
        }
        _ => None,
    });
    let before = before.unwrap_or_default();
    !writes.accounts(after, logged.at).iter().any(|view| before.contains(view))
}

/// Whether the order was paid by the charge.
fn is_paid_by(charge: &ChargeView, log: &[LoggedEvent]) -> bool {
    log.iter().any(|logged| match &logged.event {
        Event::OrderCompleted(view) => {
            view.order.id == charge.order && view.order.charge == Some(charge.id)
        }
        _ => false,
    })
}

/// The letters that an event is the reason of: one of each of these.
fn due(logged: &LoggedEvent, log: &[LoggedEvent]) -> Vec<Vec<String>> {
    let seq = logged.seq;
    match &logged.event {
        Event::ChargeCompleted(charge) if is_paid_by(charge, log) => vec![
            vec![format!("order-paid.{}.{seq}", charge.order)],
            vec![format!("ticket-sold.{}.{seq}", charge.order)],
        ],
        Event::ChargeRefunded(charge) => vec![vec![format!("refund-made.{}.{seq}", charge.id)]],
        Event::ChargeUpdated(charge) => {
            let status = charge.refund.as_ref().map(|refund| refund.status);
            let has_failed = status == Some(RefundStatus::Failed);
            let id = format!("refund-failed.{}.{seq}", charge.id);
            if has_failed { vec![vec![id]] } else { Vec::new() }
        }
        // Another may have followed it before it was sent, when the address was changed.
        Event::UserCreated(user) => {
            let changes = log.iter().filter(|logged| match &logged.event {
                Event::UserUpdated(after) => after.id == user.id,
                _ => false,
            });
            let number = |number| format!("verify-address.{}.{number}", user.id);
            vec![(0..=changes.count()).map(number).collect()]
        }
        // The log does not say what of the account has changed.
        Event::UserUpdated(user) => {
            let of = |what: &str| format!("{what}.{}.{}", user.id, user.version);
            vec![vec![of("password-changed"), of("address-changed")]]
        }
        _ => Vec::new(),
    }
}

/// The post as one life of the server knows it.
pub struct Counter {
    pub post: Arc<Post>,
    pub power: Power,
}

#[async_trait]
impl Transport for Counter {
    fn describe(&self) -> String {
        "a simulated post".to_owned()
    }

    fn at_once(&self) -> usize {
        2
    }

    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        self.power.touch_or_die().await;
        let (mood, pause) = self.post.choose(letter);
        tokio::time::sleep(pause).await;
        self.power.touch_or_die().await;
        let not_taken = || Err(SendError::NotTaken("451 come back later".to_owned()));
        match mood {
            Mood::Takes => {
                self.post.record.count("mail: taken");
                self.post.take(letter);
                // It is taken, and the process may die before it knows.
                self.power.touch_or_die().await;
                Ok(())
            }
            Mood::Refuses => {
                self.post.record.count("mail: not taken");
                not_taken()
            }
            Mood::TakesInSilence => {
                self.post.record.count("mail: taken in silence");
                self.post.take(letter);
                not_taken()
            }
            Mood::Hangs => {
                self.post.record.count("mail: hanging");
                std::future::pending().await
            }
        }
    }
}

/// Whether everybody has been told, and no message waits.
pub async fn all_is_told(life: &Life) -> bool {
    let waiting = life.store.list::<Mail>(Mails::Waiting, None, 1).await;
    let log = life.world.model().log().to_vec();
    let misses = life.world.post.misses(&log, &life.world.writes);
    waiting.is_ok_and(|waiting| waiting.is_empty()) && misses.is_empty()
}

/// Everybody was told of what concerns them, and nobody of anything else.
pub async fn audit(life: &Life) -> Result<(), Violation> {
    let log = life.world.model().log().to_vec();
    let misses = life.world.post.misses(&log, &life.world.writes);
    if !misses.is_empty() {
        return Err(Violation::new("people are told of what concerns them", misses.join(", ")));
    }
    let surplus = life.world.post.surplus(&log);
    if !surplus.is_empty() {
        return Err(Violation::new("messages have a reason in the log", surplus.join(", ")));
    }
    let failed = life.store.list::<Mail>(Mails::Failed, None, 10).await;
    match failed {
        Ok(failed) if failed.is_empty() => Ok(()),
        other => Err(Violation::new("no message is given up too early", format!("{other:?}"))),
    }
}
