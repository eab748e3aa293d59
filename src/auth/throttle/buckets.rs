//! Token buckets of many rates in one table of bounded size.
//!
//! A bucket is one number: the moment at which it will be full again (the generic cell rate
//! algorithm). An attempt that is let in moves it on by what one attempt takes to come back, one that
//! is given back moves it the other way. So a full bucket is known without knowing its rate, and is
//! forgotten. The crate `governor` has the algorithm, but no way to give back, and clocks of its own.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::RetryAfter;
use crate::domain::Timestamp;

/// How often buckets that are full again are looked for.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// How many at once, and how long until one comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    burst: i64,
    interval_nanos: i64,
}

impl Flow {
    /// Both numbers count as 1 at least.
    pub(super) fn new(burst: u32, count: u32, per: Duration) -> Self {
        let per = i64::try_from(per.as_nanos()).unwrap_or(i64::MAX);
        Self {
            burst: i64::from(burst.max(1)),
            interval_nanos: (per / i64::from(count.max(1))).max(1),
        }
    }

    fn horizon(self) -> i64 {
        self.burst.saturating_mul(self.interval_nanos)
    }
}

/// Names a bucket. The first byte is its kind: all of one kind have the same rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BucketKey {
    pub(super) kind: u8,
    pub(super) hash: u128,
}

/// Which bucket an attempt was charged to, and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charge {
    key: BucketKey,
    is_shared: bool,
    nanos: i64,
}

/// One bucket per key.
#[derive(Debug)]
pub(super) struct Buckets {
    max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// When each is full, in nanoseconds since the epoch.
    full_at: HashMap<BucketKey, i64>,
    /// What newcomers of a kind share while the table is full.
    shared: HashMap<u8, i64>,
    purged_at: Timestamp,
}

impl Buckets {
    pub(super) fn new(max: usize) -> Self {
        Self { max, table: Mutex::default() }
    }

    pub(super) fn take(
        &self,
        key: BucketKey,
        flow: Flow,
        now: Timestamp,
    ) -> Result<Charge, RetryAfter> {
        let mut table = self.lock();
        if !table.full_at.contains_key(&key) {
            table.purge(now);
        }
        let is_shared = !table.full_at.contains_key(&key) && table.full_at.len() >= self.max;
        let nanos_now = nanos(now);
        let horizon = flow.horizon();
        let latest = nanos_now.saturating_add(horizon);
        let bucket = table.bucket(key, is_shared);
        // A clock that steps back leaves a bucket empty at worst, so nobody waits until the clock is
        // where it was.
        let full_at = (*bucket).clamp(nanos_now, latest);
        let next = full_at.saturating_add(flow.interval_nanos);
        if next > latest {
            *bucket = full_at;
            let wait = (next - latest).cast_unsigned().div_ceil(NANOS_PER_SECOND.cast_unsigned());
            return Err(RetryAfter { seconds: wait.max(1) });
        }
        *bucket = next;
        Ok(Charge { key, is_shared, nanos: flow.interval_nanos })
    }

    pub(super) fn give_back(&self, charge: Charge) {
        let mut table = self.lock();
        let Charge { key, is_shared, nanos } = charge;
        let known = if is_shared {
            table.shared.get_mut(&key.kind)
        } else {
            // If the bucket is gone, it was full again already.
            table.full_at.get_mut(&key)
        };
        if let Some(full_at) = known {
            *full_at = full_at.saturating_sub(nanos);
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().full_at.len()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn bucket(&mut self, key: BucketKey, is_shared: bool) -> &mut i64 {
        if is_shared {
            self.shared.entry(key.kind).or_insert(i64::MIN)
        } else {
            self.full_at.entry(key).or_insert(i64::MIN)
        }
    }

    fn purge(&mut self, now: Timestamp) {
        let is_due = now.since(self.purged_at) >= PURGE_INTERVAL || now < self.purged_at;
        if is_due {
            self.purged_at = now;
            let now = nanos(now);
            self.full_at.retain(|_, full_at| *full_at > now);
        }
    }
}

fn nanos(at: Timestamp) -> i64 {
    at.as_millis().saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const MINUTE: Duration = Duration::from_secs(60);

    fn key(hash: u128) -> BucketKey {
        BucketKey { kind: 1, hash }
    }

    fn three() -> Flow {
        Flow::new(3, 6, MINUTE)
    }

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let buckets = Buckets::new(10);
        let take = |now| buckets.take(key(1), three(), now).map(drop);
        for _ in 0..3 {
            take(after(1_000_000)).unwrap();
        }
        assert_eq!(take(START), Err(RetryAfter { seconds: 10 }));
        take(after(10)).unwrap();
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let buckets = Buckets::new(10);
        for millis in [i64::MAX, i64::MIN, 0, i64::MIN, i64::MAX, 0] {
            let _ = buckets.take(key(1), three(), Timestamp::from_millis(millis));
        }
        buckets.take(key(1), three(), Timestamp::from_millis(10_000)).unwrap();
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let buckets = Buckets::new(1000);
        for hash in 0..1000 {
            buckets.take(key(hash), three(), START).unwrap();
        }
        assert_eq!(buckets.count(), 1000);
        buckets.take(key(2000), three(), after(10)).unwrap();
        assert_eq!(buckets.count(), 1);
    }

    #[test]
    fn a_full_table_forgets_nobody_and_lets_newcomers_share() {
        let buckets = Buckets::new(2);
        let take = |hash| buckets.take(key(hash), three(), START);
        for _ in 0..3 {
            take(1).unwrap();
        }
        take(2).unwrap();
        let newcomers: Vec<_> = (3..100).filter_map(|hash| take(hash).ok()).collect();
        assert_eq!(newcomers.len(), 3, "one bucket for all of them");
        assert!(take(1).is_err(), "the guesser is still known");
        assert!(take(2).is_ok());
        for charge in newcomers {
            buckets.give_back(charge);
        }
        assert!(take(50).is_ok());
        assert_eq!(buckets.count(), 2);
    }

    /// The same rule told plainly: a level that rises by steps of a millisecond.
    struct Model {
        capacity: u64,
        per_millisecond: u64,
        levels: BTreeMap<u128, u64>,
    }

    const ATTEMPT: u64 = 60_000;

    impl Model {
        fn pass(&mut self, millis: u64) {
            for level in self.levels.values_mut() {
                for _ in 0..millis {
                    *level = (*level + self.per_millisecond).min(self.capacity);
                }
            }
        }

        fn level(&mut self, key: u128) -> &mut u64 {
            self.levels.entry(key).or_insert(self.capacity)
        }

        fn take(&mut self, key: u128) -> bool {
            let level = self.level(key);
            let is_enough = *level >= ATTEMPT;
            if is_enough {
                *level -= ATTEMPT;
            }
            is_enough
        }

        fn give_back(&mut self, key: u128) {
            let capacity = self.capacity;
            let level = self.level(key);
            *level = (*level + ATTEMPT).min(capacity);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Wait { millis: u64 },
        Take { key: u128 },
        GiveBack { which: prop::sample::Index },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0_u64..3000).prop_map(|millis| Step::Wait { millis }),
            4 => (0_u128..4).prop_map(|key| Step::Take { key }),
            1 => any::<prop::sample::Index>().prop_map(|which| Step::GiveBack { which }),
        ]
    }

    proptest! {
        #[test]
        fn buckets_behave_as_the_model(
            burst in 1_u32..6,
            per_minute in 1_u32..200,
            steps in prop::collection::vec(step(), 1..80),
        ) {
            let buckets = Buckets::new(1000);
            let flow = Flow::new(burst, per_minute, MINUTE);
            let mut model = Model {
                capacity: u64::from(burst) * ATTEMPT,
                per_millisecond: u64::from(per_minute),
                levels: BTreeMap::new(),
            };
            let (mut now, mut charged) = (START, Vec::new());
            for step in steps {
                match step {
                    Step::Wait { millis } => {
                        now = now.plus(Duration::from_millis(millis));
                        model.pass(millis);
                    }
                    Step::Take { key: hash } => {
                        let taken = buckets.take(key(hash), flow, now);
                        prop_assert_eq!(taken.is_ok(), model.take(hash));
                        charged.extend(taken.ok().map(|charge| (hash, charge)));
                    }
                    Step::GiveBack { which } if !charged.is_empty() => {
                        let (hash, charge) = charged.swap_remove(which.index(charged.len()));
                        buckets.give_back(charge);
                        model.give_back(hash);
                    }
                    Step::GiveBack { .. } => {}
                }
            }
        }

        #[test]
        fn no_clock_lets_in_more_than_the_burst_without_time_going_forward(
            burst in 1_u32..6,
            back in prop::collection::vec(0_i64..100_000, 1..40),
        ) {
            let buckets = Buckets::new(1000);
            let flow = Flow::new(burst, 6, MINUTE);
            let mut now = START.as_millis();
            let mut let_in = 0;
            for millis in back {
                now -= millis;
                let taken = buckets.take(key(1), flow, Timestamp::from_millis(now));
                let_in += u32::from(taken.is_ok());
            }
            prop_assert!(let_in <= burst);
        }

        #[test]
        fn waiting_as_long_as_told_is_enough_and_not_too_long(
            burst in 1_u32..6,
            per_minute in 1_u32..200,
            tries in 1_u32..20,
        ) {
            let buckets = Buckets::new(1000);
            let flow = Flow::new(burst, per_minute, MINUTE);
            let refused = (0..tries).find_map(|_| buckets.take(key(1), flow, START).err());
            if let Some(RetryAfter { seconds }) = refused {
                if seconds > 1 {
                    prop_assert!(buckets.take(key(1), flow, after(seconds - 1)).is_err());
                }
                prop_assert!(buckets.take(key(1), flow, after(seconds)).is_ok());
            }
        }
    }
}
