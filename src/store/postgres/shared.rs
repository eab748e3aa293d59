//! What all parts of the store in PostgreSQL share: where it is, and how things stand.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::batch::Outcome;
use super::connect::Address;
use crate::store::contract::Index;

/// What all parts of the store share.
#[derive(Debug)]
pub struct Shared {
    /// Where the database is.
    pub address: Address,
    /// This server.
    pub node: [u8; 16],
    last: watch::Sender<u64>,
    /// Why the database can't be used just now.
    trouble: watch::Sender<Option<String>>,
    /// Why it can't be used any more.
    failure: watch::Sender<Option<String>>,
    counts: Mutex<BTreeMap<Index, i64>>,
    time: Mutex<Time>,
}

/// What time the database said it was, and when.
#[derive(Debug, Clone, Copy)]
struct Told {
    millis: i64,
    at: Instant,
    /// By how much it may be wrong: half of what the answer took.
    within: Duration,
}

impl Told {
    fn millis_at(&self, at: Instant) -> i64 {
        let since = i64::try_from(at.saturating_duration_since(self.at).as_millis());
        self.millis.saturating_add(since.unwrap_or(i64::MAX))
    }
}

/// What time it is, as far as this server knows.
#[derive(Debug)]
struct Time {
    told: Told,
    /// The latest that was answered here.
    given: i64,
}

/// A clock that is further behind than this was set, and is followed.
const SET_BACK: i64 = 1_000;
/// After that long a clock may have gone astray.
const TOLD_LONG_AGO: Duration = Duration::from_secs(30);

impl Shared {
    /// For this server, with the indexes that are counted.
    pub fn new(address: Address, node: u128, counted: &[Index]) -> Self {
        Self {
            address,
            node: node.to_be_bytes(),
            last: watch::Sender::new(0),
            trouble: watch::Sender::new(None),
            failure: watch::Sender::new(None),
            counts: Mutex::new(counted.iter().map(|index| (*index, 0)).collect()),
            time: Mutex::new(Time {
                told: Told { millis: 0, at: Instant::now(), within: Duration::MAX },
                given: 0,
            }),
        }
    }

    /// The database's time, in milliseconds since 1970, by this machine's steady clock since it was last
    /// told. A better answer does not turn it back: what was found to be due stays due, and is not put
    /// off by whoever then looks at it.
    pub fn now_millis(&self) -> i64 {
        let mut time = self.time();
        let now = time.told.millis_at(Instant::now());
        let is_set_back = time.given.saturating_sub(now) > SET_BACK;
        time.given = if is_set_back { now } else { now.max(time.given) };
        time.given
    }

    /// The database, asked then, has just said that it is that late. What is known is left as it is
    /// unless this shows it to be wrong, so that time passes evenly.
    pub fn time_is(&self, millis: i64, asked: Instant) {
        let within = asked.elapsed() / 2;
        let told = Told { millis, at: asked + within, within };
        let mut time = self.time();
        let known = time.told;
        let off = Duration::from_millis(known.millis_at(told.at).abs_diff(millis));
        let is_wrong = off > within.saturating_add(known.within);
        let is_better = within < known.within || known.at.elapsed() > TOLD_LONG_AGO;
        if is_wrong || is_better {
            time.told = told;
        }
    }

    fn time(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch is written. Without a number, the log's head tells of it in a moment.
    pub fn written(&self, batch: &Outcome, seq: Option<u64>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = |name: &[u8]| name.first().copied().map(Index);
        let added = batch.entries_inserted.iter().map(|(name, _)| (index(name), 1));
        let gone = batch.entries_deleted.iter().map(|name| (index(name), -1));
        for (index, change) in added.chain(gone) {
            if let Some(count) = index.and_then(|index| counts.get_mut(&index)) {
                *count = count.saturating_add(change);
            }
        }
        drop(counts);
        if let Some(seq) = seq {
            self.rises(seq);
        }
    }

    fn rises(&self, seq: u64) {
        self.last.send_if_modified(|last| {
            let rises = *last < seq;
            *last = seq.max(*last);
            rises
        });
    }

    /// The database answered: this is the log's last number.
    pub fn is_there(&self, seq: u64) {
        self.rises(seq);
        if self.trouble.borrow().is_some() {
            tracing::info!(database = self.address.shown(), "the database is there again");
            self.trouble.send_replace(None);
        }
    }

    /// The database can't be used just now.
    pub fn is_gone(&self, why: &str) {
        let is_new = self.trouble.send_if_modified(|trouble| {
            let is_new = trouble.is_none();
            *trouble = Some(why.to_owned());
            is_new
        });
        if is_new {
            tracing::warn!(database = self.address.shown(), %why, "the database is gone");
        }
    }

    /// Why the database can't be used any more.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// The database can't be used any more.
    pub fn fail(&self, why: String) {
        tracing::error!(%why, "the store can't be used any more");
        self.failure.send_replace(Some(why));
    }

    /// The indexes that are counted.
    pub fn counted(&self) -> Vec<Index> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// So many entries were counted.
    pub fn set_count(&self, index: Index, count: i64) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).insert(index, count);
    }

    /// How many entries an index has, as far as is known here.
    pub fn count(&self, index: Index) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&index).copied().map_or(0, |count| u64::try_from(count).unwrap_or(0))
    }

    /// The log's last number; whoever holds it is told of every rise.
    pub fn last_logged(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Why the database can't be used just now.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Returns once the database can't be used any more.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        let told = failure.wait_for(Option::is_some).await;
        let why = told.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // It ended with the store, which nobody then waits for.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        let address = Address::parse("postgres://127.0.0.1:1/none").expect("a URL");
        Shared::new(address, 1, &[])
    }

    async fn millis(count: u64) {
        tokio::time::sleep(Duration::from_millis(count)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn time_passes_since_the_database_told_it() {
        let shared = shared();
        let asked = Instant::now();
        millis(4).await;
        shared.time_is(1_000, asked);
        assert_eq!(shared.now_millis(), 1_002, "it was told half way");
        millis(500).await;
        assert_eq!(shared.now_millis(), 1_502);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_took_long_changes_nothing_that_it_does_not_contradict() {
        let shared = shared();
        shared.time_is(1_000, Instant::now());
        let asked = Instant::now();
        millis(100).await;
        shared.time_is(1_030, asked);
        assert_eq!(shared.now_millis(), 1_100);
        let asked = Instant::now();
        millis(100).await;
        shared.time_is(9_000, asked);
        assert_eq!(shared.now_millis(), 9_050, "its clock was set");
    }

    #[tokio::test(start_paused = true)]
    async fn a_better_answer_does_not_turn_time_back_and_a_clock_that_was_set_back_does() {
        let shared = shared();
        let asked = Instant::now();
        millis(100).await;
        shared.time_is(1_000, asked);
        assert_eq!(shared.now_millis(), 1_050);
        shared.time_is(1_020, Instant::now());
        assert_eq!(shared.now_millis(), 1_050);
        millis(40).await;
        assert_eq!(shared.now_millis(), 1_060, "it goes on once that time has come");
        shared.time_is(10, Instant::now());
        assert_eq!(shared.now_millis(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_told_long_ago_is_replaced() {
        let shared = shared();
        shared.time_is(1_000, Instant::now());
        millis(40_000).await;
        let asked = Instant::now();
        millis(10).await;
        shared.time_is(41_003, asked);
        assert_eq!(shared.now_millis(), 41_008);
    }
}
