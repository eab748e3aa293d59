//! How fast anyone may try passwords.
//!
//! Two token buckets stand in the way of an attempt. The account's one lets a person mistype a few
//! times and slows a guesser down whatever addresses the guesses come from; only failures count, so
//! it never hinders somebody who knows the password. The address's one counts every attempt and is
//! wide, because offices and mobile networks share addresses; it keeps one machine from trying one
//! password on every account, and from keeping the hashing threads busy.
//!
//! An attempt is charged before its password is looked at and given back if it was right: charged
//! afterwards, a hundred guesses sent at once would all be let in. The crate `governor` has no way
//! to give back and brings clocks of its own, hence these few lines.
//!
//! Memory is bounded. A bucket that is full again is forgotten. At [`MAX_BUCKETS`] newcomers share
//! one bucket, so that flooding the table with keys neither lets a guesser in nor makes the table
//! forget those it knows.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::Timestamp;

/// How many accounts, and how many addresses, are told apart at once: some 5 MB each.
const MAX_BUCKETS: usize = 100_000;

/// How often buckets that are full again are looked for.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

/// One attempt, in the unit in which `per_minute` of them come back each millisecond: whole numbers
/// without rounding.
const ATTEMPT: u64 = 60_000;

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many attempts at once; at least 1.
    pub burst: u32,
    /// How many come back per minute; at least 1.
    pub per_minute: u32,
}

/// What the throttle allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Whether there is one at all.
    pub enabled: bool,
    /// For failed attempts on one account.
    pub account: Rate,
    /// For all attempts from one client address.
    pub address: Rate,
}

/// The attempt comes too soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts, try again in {seconds} s")]
pub struct RetryAfter {
    /// How long until one is allowed, if no others are made; at least 1.
    pub seconds: u64,
}

/// Decides which attempts to sign in or up are looked at.
#[derive(Debug)]
pub struct Throttle {
    /// None if the throttle is off.
    buckets: Option<[Buckets; 2]>,
}

/// An attempt that is being looked at. It counts as failed unless it is given back.
#[derive(Debug)]
#[must_use = "an attempt that is not given back counts as failed"]
pub struct Attempt<'a> {
    charged: Option<(&'a Buckets, Charge)>,
}

impl Attempt<'_> {
    /// Takes the charge off the account: the password was right, or was not looked at after all.
    pub fn give_back(self) {
        if let Some((accounts, charge)) = self.charged {
            accounts.give_back(charge);
        }
    }
}

impl Throttle {
    /// A throttle that remembers nothing yet.
    pub fn new(settings: ThrottleSettings) -> Self {
        let ThrottleSettings { enabled, account, address } = settings;
        let bucket = |rate| Buckets::new(rate, MAX_BUCKETS);
        Self { buckets: enabled.then(|| [account, address].map(bucket)) }
    }

    /// Asks whether an attempt may be made. `account` is the address it is for, in the form in which
    /// addresses are compared, whether or not there is such an account.
    ///
    /// # Errors
    ///
    /// How long to wait, if it may not.
    pub fn attempt(
        &self,
        account: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt<'_>, RetryAfter> {
        let Some([accounts, addresses]) = &self.buckets else {
            return Ok(Attempt { charged: None });
        };
        // An attempt that the account refuses has cost its address one all the same.
        addresses.take(address_key(address), now)?;
        let charge = accounts.take(account_key(account), now)?;
        Ok(Attempt { charged: Some((accounts, charge)) })
    }
}

/// The first half of a hash, so that an entry is small however long the account's name.
fn account_key(account: &str) -> u128 {
    let digest = Sha256::digest(account);
    digest.iter().take(16).fold(0, |key, byte| (key << 8) | u128::from(*byte))
}

/// An IPv6 client has a /64 network and all its addresses at will, so the network is what counts.
fn address_key(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}

/// One bucket per key, all of one rate.
#[derive(Debug)]
struct Buckets {
    /// What a bucket holds, in units of which [`ATTEMPT`] make one attempt.
    capacity: u64,
    /// How many such units come back per millisecond.
    per_millisecond: u64,
    max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    known: HashMap<u128, Bucket>,
    /// What newcomers share while the table is full.
    shared: Bucket,
    purged_at: Timestamp,
}

/// What has been spent and not come back, as of the last look. A full bucket is all zero.
#[derive(Debug, Default, Clone, Copy)]
struct Bucket {
    spent: u64,
    at: Timestamp,
}

/// Which bucket an attempt was charged to.
#[derive(Debug)]
enum Charge {
    Own(u128),
    Shared,
}

impl Buckets {
    fn new(rate: Rate, max: usize) -> Self {
        Self {
            capacity: u64::from(rate.burst.max(1)) * ATTEMPT,
            per_millisecond: u64::from(rate.per_minute.max(1)),
            max,
            table: Mutex::default(),
        }
    }

    fn take(&self, key: u128, now: Timestamp) -> Result<Charge, RetryAfter> {
        let mut table = self.lock();
        if !table.known.contains_key(&key) {
            self.purge(&mut table, now);
        }
        let has_room = table.known.len() < self.max;
        let Table { known, shared, .. } = &mut *table;
        let (bucket, charge) = match known.entry(key) {
            std::collections::hash_map::Entry::Vacant(_) if !has_room => (shared, Charge::Shared),
            entry => (entry.or_default(), Charge::Own(key)),
        };
        self.refill(bucket, now);
        let wanted = bucket.spent + ATTEMPT;
        if wanted > self.capacity {
            let millis = (wanted - self.capacity).div_ceil(self.per_millisecond);
            return Err(RetryAfter { seconds: millis.div_ceil(1000).max(1) });
        }
        bucket.spent = wanted;
        Ok(charge)
    }

    fn give_back(&self, charge: Charge) {
        let mut table = self.lock();
        match charge {
            Charge::Shared => table.shared.spent = table.shared.spent.saturating_sub(ATTEMPT),
            Charge::Own(key) => {
                // If the bucket is gone, it was full again already.
                let Some(bucket) = table.known.get_mut(&key) else { return };
                bucket.spent = bucket.spent.saturating_sub(ATTEMPT);
                if bucket.spent == 0 {
                    table.known.remove(&key);
                }
            }
        }
    }

    /// A clock that steps back gives nothing for the way back; from there on it counts as ever, so
    /// nobody waits until it is where it was.
    fn refill(&self, bucket: &mut Bucket, now: Timestamp) {
        let millis = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        bucket.spent = bucket.spent.saturating_sub(millis.saturating_mul(self.per_millisecond));
        bucket.at = now;
    }

    fn purge(&self, table: &mut Table, now: Timestamp) {
        let is_due = now.since(table.purged_at) >= PURGE_INTERVAL || now < table.purged_at;
        if !is_due {
            return;
        }
        table.purged_at = now;
        table.known.retain(|_, bucket| {
            self.refill(bucket, now);
            bucket.spent > 0
        });
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const START: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const SETTINGS: ThrottleSettings = ThrottleSettings {
        enabled: true,
        account: Rate { burst: 3, per_minute: 6 },
        address: Rate { burst: 10, per_minute: 60 },
    };

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn fails(throttle: &Throttle, account: &str, now: Timestamp) -> Result<(), RetryAfter> {
        throttle.attempt(account, HOME, now).map(drop)
    }

    #[test]
    fn a_guesser_is_stopped_and_told_when_to_come_back() {
        let throttle = Throttle::new(SETTINGS);
        for _ in 0..3 {
            fails(&throttle, "ana", START).unwrap();
        }
        assert_eq!(fails(&throttle, "ana", START), Err(RetryAfter { seconds: 10 }));
        assert_eq!(fails(&throttle, "ana", after(4)), Err(RetryAfter { seconds: 6 }));
        fails(&throttle, "ben", after(4)).unwrap();
        fails(&throttle, "ana", after(10)).unwrap();
        assert_eq!(fails(&throttle, "ana", after(10)), Err(RetryAfter { seconds: 10 }));
    }

    #[test]
    fn guesses_sent_at_once_do_not_slip_through() {
        let throttle = Throttle::new(ThrottleSettings {
            address: Rate { burst: 1000, per_minute: 1 },
            ..SETTINGS
        });
        let under_way: Vec<_> =
            (0..100).filter_map(|_| throttle.attempt("ana", HOME, START).ok()).collect();
        assert_eq!(under_way.len(), 3);
    }

    #[test]
    fn successes_cost_the_account_nothing() {
        let throttle = Throttle::new(ThrottleSettings {
            address: Rate { burst: 1000, per_minute: 1 },
            ..SETTINGS
        });
        for _ in 0..100 {
            throttle.attempt("ana", HOME, START).unwrap().give_back();
        }
        let [accounts, _] = throttle.buckets.as_ref().unwrap();
        assert!(accounts.lock().known.is_empty(), "and leave no trace");
    }

    #[test]
    fn every_attempt_counts_for_its_address() {
        let throttle = Throttle::new(SETTINGS);
        for n in 0..10 {
            throttle.attempt(&n.to_string(), HOME, START).unwrap().give_back();
        }
        assert_eq!(fails(&throttle, "x", START), Err(RetryAfter { seconds: 1 }));
        let elsewhere = IpAddr::from([10, 0, 0, 1]);
        assert!(throttle.attempt("x", elsewhere, START).is_ok());
        fails(&throttle, "x", after(1)).unwrap();
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
        assert_ne!(key("0.0.0.0"), address_key(Ipv6Addr::UNSPECIFIED.into()));
    }

    #[test]
    fn nothing_is_refused_when_the_throttle_is_off() {
        let throttle = Throttle::new(ThrottleSettings { enabled: false, ..SETTINGS });
        for _ in 0..1000 {
            throttle.attempt("ana", HOME, START).map(drop).unwrap();
        }
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let throttle = Throttle::new(SETTINGS);
        for _ in 0..3 {
            fails(&throttle, "ana", after(1_000_000)).unwrap();
        }
        assert_eq!(fails(&throttle, "ana", START), Err(RetryAfter { seconds: 10 }));
        fails(&throttle, "ana", after(10)).unwrap();
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let throttle = Throttle::new(SETTINGS);
        for millis in [i64::MAX, i64::MIN, 0, i64::MIN, i64::MAX] {
            fails(&throttle, "ana", Timestamp::from_millis(millis)).unwrap();
        }
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let buckets = Buckets::new(SETTINGS.account, 1000);
        for key in 0..1000 {
            buckets.take(key, START).unwrap();
        }
        assert_eq!(buckets.lock().known.len(), 1000);
        buckets.take(2000, after(10)).unwrap();
        assert_eq!(buckets.lock().known.len(), 1);
    }

    #[test]
    fn a_full_table_forgets_nobody_and_lets_newcomers_share() {
        let buckets = Buckets::new(SETTINGS.account, 2);
        for _ in 0..3 {
            buckets.take(1, START).unwrap();
        }
        buckets.take(2, START).unwrap();
        let newcomers: Vec<_> = (3..100).filter_map(|key| buckets.take(key, START).ok()).collect();
        assert_eq!(newcomers.len(), 3, "one bucket for all of them");
        assert!(buckets.take(1, START).is_err(), "the guesser is still known");
        assert!(buckets.take(2, START).is_ok());
        for charge in newcomers {
            buckets.give_back(charge);
        }
        assert!(buckets.take(50, START).is_ok());
        assert_eq!(buckets.lock().known.len(), 2);
    }

    /// The same rule told plainly: a level that rises by steps of a millisecond.
    struct Model {
        capacity: u64,
        per_millisecond: u64,
        levels: BTreeMap<u128, u64>,
    }

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

    fn rate() -> impl Strategy<Value = Rate> {
        (1_u32..6, 1_u32..200).prop_map(|(burst, per_minute)| Rate { burst, per_minute })
    }

    proptest! {
        #[test]
        fn buckets_behave_as_the_model(rate in rate(), steps in prop::collection::vec(step(), 1..80)) {
            let buckets = Buckets::new(rate, 1000);
            let mut model = Model {
                capacity: u64::from(rate.burst) * ATTEMPT,
                per_millisecond: u64::from(rate.per_minute),
                levels: BTreeMap::new(),
            };
            let (mut now, mut charges) = (START, Vec::new());
            for step in steps {
                match step {
                    Step::Wait { millis } => {
                        now = now.plus(Duration::from_millis(millis));
                        model.pass(millis);
                    }
                    Step::Take { key } => {
                        let taken = buckets.take(key, now);
                        prop_assert_eq!(taken.is_ok(), model.take(key));
                        charges.extend(taken.ok().map(|charge| (key, charge)));
                    }
                    Step::GiveBack { which } if !charges.is_empty() => {
                        let (key, charge) = charges.swap_remove(which.index(charges.len()));
                        buckets.give_back(charge);
                        model.give_back(key);
                    }
                    Step::GiveBack { .. } => {}
                }
            }
        }

        #[test]
        fn waiting_as_long_as_told_is_enough_and_a_second_less_is_not(
            rate in rate(),
            waits in prop::collection::vec(0_u64..5000, 1..40),
        ) {
            let buckets = Buckets::new(rate, 1000);
            let mut now = START;
            for wait in waits {
                now = now.plus(Duration::from_millis(wait));
                if let Err(RetryAfter { seconds }) = buckets.take(1, now) {
                    let too_early = now.plus(Duration::from_secs(seconds - 1));
                    prop_assert!(buckets.take(1, too_early).is_err());
                    now = now.plus(Duration::from_secs(seconds));
                    prop_assert!(buckets.take(1, now).is_ok());
                }
            }
        }

        #[test]
        fn no_clock_lets_in_more_than_the_burst_without_time_going_forward(
            rate in rate(),
            back in prop::collection::vec(0_u64..100_000, 1..40),
        ) {
            let buckets = Buckets::new(rate, 1000);
            let mut now = Timestamp::from_millis(START.as_millis() + 10_000_000);
            let mut let_in = 0;
            for millis in back {
                now = Timestamp::from_millis(now.as_millis() - i64::try_from(millis).unwrap());
                let_in += u32::from(buckets.take(1, now).is_ok());
            }
            prop_assert!(let_in <= rate.burst);
        }
    }
}
