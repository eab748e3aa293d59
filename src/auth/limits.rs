//! How much one user may do in a span of time.
//!
//! The span begins with the first of the acts that are counted and ends as long after as it lasts;
//! then counting begins anew. What is counted is in memory: a restart forgets it. Memory is bounded,
//! and where there is no room for another user, that user is not counted: it takes more accounts to get
//! there than any limit could matter for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::RetryAfter;
use super::networks::{Network, Reach};
use crate::domain::{Timestamp, UserId};

/// How many spans are counted at once: some 20 MB.
const MAX_SPANS: usize = 200_000;

/// How often spans that have ended are looked for when there is no room.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

/// How many messages of one kind go to one account in an hour because somebody asks for them or signs in.
const LETTERS_PER_HOUR: u32 = 10;

/// How many locks one client address may make, as a multiple of what one user may.
const USERS_PER_ADDRESS: u32 = 10;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// New listings.
    Listings,
    /// Edits of listings.
    Edits,
    /// Locks of tickets.
    Locks,
    /// Idempotency keys.
    Keys,
    /// Links to verify an address.
    Verifications,
    /// Links to choose another password, for which anybody may ask.
    Resets,
    /// Word of a sign-in from a new browser. Counted apart, so that nobody who asks for links can keep the
    /// account's owner from it.
    NewDevices,
    /// Passes that are added.
    Uploads,
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSettings {
    /// Whether there are limits at all.
    pub enabled: bool,
    /// How many tickets a user may list in an hour.
    pub listings_per_hour: u32,
    /// How many edits of listings a user may make in an hour.
    pub edits_per_hour: u32,
    /// How many tickets a user may lock in a minute.
    pub locks_per_minute: u32,
    /// How many idempotency keys a user may use in a day.
    pub keys_per_day: u32,
    /// How many passes a user may add in an hour.
    pub uploads_per_hour: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            listings_per_hour: 200,
            edits_per_hour: 600,
            locks_per_minute: 60,
            keys_per_day: 5000,
            uploads_per_hour: 200,
        }
    }
}

/// Counts what users do.
#[derive(Debug)]
pub struct Limits {
    settings: LimitSettings,
    spans: Mutex<Spans>,
}

#[derive(Debug, Default)]
struct Spans {
    counted: HashMap<(Limit, Who), Span>,
    purged_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    User(UserId),
    Client(Network),
}

#[derive(Debug, Clone, Copy)]
struct Span {
    ends_at: Timestamp,
    count: u32,
}

impl Limits {
    /// Limits under which nobody has done anything yet.
    pub fn new(settings: LimitSettings) -> Self {
        Self { settings, spans: Mutex::default() }
    }

    /// Counts one act of a user.
    ///
    /// # Errors
    ///
    /// How long to wait, if it is one too many.
    pub fn count(&self, limit: Limit, user: UserId, now: Timestamp) -> Result<(), RetryAfter> {
        self.take(limit, Who::User(user), 1, now)
    }

    /// Counts one act of a user, and of whoever has the same address.
    ///
    /// # Errors
    ///
    /// How long to wait, if it is one too many.
    pub fn count_from(
        &self,
        limit: Limit,
        user: UserId,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<(), RetryAfter> {
        self.take(limit, Who::User(user), 1, now)?;
        self.take(limit, Who::Client(Network::of(from, Reach::Client)), USERS_PER_ADDRESS, now)
    }

    fn take(&self, limit: Limit, who: Who, times: u32, now: Timestamp) -> Result<(), RetryAfter> {
        if !self.settings.enabled {
            return Ok(());
        }
        let (most, lasts) = self.settings.of(limit);
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(span) = spans.of((limit, who), lasts, now) else { return Ok(()) };
        if span.count >= most.saturating_mul(times) {
            let left = span.ends_at.since(now).as_millis().div_ceil(1000);
            return Err(RetryAfter { seconds: u64::try_from(left).unwrap_or(u64::MAX).max(1) });
        }
        span.count += 1;
        Ok(())
    }
}

impl LimitSettings {
    fn of(&self, limit: Limit) -> (u32, Duration) {
        const MINUTE: u64 = 60;
        let (most, seconds) = match limit {
            Limit::Listings => (self.listings_per_hour, 60 * MINUTE),
            Limit::Edits => (self.edits_per_hour, 60 * MINUTE),
            Limit::Locks => (self.locks_per_minute, MINUTE),
            Limit::Keys => (self.keys_per_day, 24 * 60 * MINUTE),
            Limit::Verifications | Limit::Resets | Limit::NewDevices => {
                (LETTERS_PER_HOUR, 60 * MINUTE)
            }
            Limit::Uploads => (self.uploads_per_hour, 60 * MINUTE),
        };
        (most, Duration::from_secs(seconds))
    }
}

impl Spans {
    /// The span that counts now; nothing if there is no room for another.
    fn of(&mut self, key: (Limit, Who), lasts: Duration, now: Timestamp) -> Option<&mut Span> {
        let new = Span { ends_at: now.plus(lasts), count: 0 };
        if !self.counted.contains_key(&key) && self.counted.len() >= MAX_SPANS {
            self.purge(now);
            if self.counted.len() >= MAX_SPANS {
                return None;
            }
        }
        let span = self.counted.entry(key).or_insert(new);
        // A clock that was set back must not make a span longer than any.
        if span.ends_at <= now || span.ends_at > new.ends_at {
            *span = new;
        }
        Some(span)
    }

    fn purge(&mut self, now: Timestamp) {
        if now.since(self.purged_at) >= PURGE_INTERVAL || now < self.purged_at {
            self.purged_at = now;
            self.counted.retain(|_, span| span.ends_at > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const ANA: UserId = UserId::from_u128(1);
    const BEN: UserId = UserId::from_u128(2);
    const HOUR: Duration = Duration::from_secs(3600);

    fn limits() -> Limits {
        Limits::new(LimitSettings {
            listings_per_hour: 3,
            locks_per_minute: 2,
            ..LimitSettings::default()
        })
    }

    #[test]
    fn a_user_may_do_so_much_and_again_when_the_time_is_over() {
        let limits = limits();
        let list = |user, at| limits.count(Limit::Listings, user, at);
        for _ in 0..3 {
            list(ANA, START).unwrap();
        }
        let late = START.plus(Duration::from_secs(600));
        assert_eq!(list(ANA, late), Err(RetryAfter { seconds: 3000 }));
        list(BEN, late).unwrap();
        limits.count(Limit::Edits, ANA, late).unwrap();
        let almost = Timestamp::from_millis(START.as_millis() + 3_599_999);
        assert_eq!(list(ANA, almost), Err(RetryAfter { seconds: 1 }));
        for _ in 0..3 {
            list(ANA, START.plus(HOUR)).unwrap();
        }
        assert!(list(ANA, START.plus(HOUR)).is_err());
    }

    #[test]
    fn locks_are_counted_by_address_too() {
        let limits = limits();
        let lock = |user: u128, address: &str| {
            let from = address.parse().unwrap();
            limits.count_from(Limit::Locks, UserId::from_u128(user), from, START).is_ok()
        };
        assert_eq!((0..100).filter(|user| lock(*user, "2001:db8::1")).count(), 20);
        assert!(!lock(200, "2001:db8::ffff"));
        assert!(lock(201, "2001:db8:1::1"));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let limits = limits();
        let later = START.plus(HOUR * 100);
        for _ in 0..3 {
            limits.count(Limit::Listings, ANA, later).unwrap();
        }
        limits.count(Limit::Listings, ANA, START).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let limits = limits();
        for user in 0..u128::try_from(MAX_SPANS).unwrap() + 10 {
            limits.count(Limit::Listings, UserId::from_u128(user), START).unwrap();
        }
        let count = || limits.spans.lock().unwrap().counted.len();
        assert_eq!(count(), MAX_SPANS);
        let late = START.plus(HOUR);
        limits.count(Limit::Listings, UserId::from_u128(u128::MAX), late).unwrap();
        assert_eq!(count(), 1);
    }

    #[test]
    fn without_a_throttle_nothing_is_counted() {
        let off = LimitSettings { enabled: false, listings_per_hour: 1, ..Default::default() };
        let limits = Limits::new(off);
        for _ in 0..100 {
            limits.count(Limit::Listings, ANA, START).unwrap();
        }
    }

    #[test]
    fn who_is_counted_stays_counted_while_there_is_no_room_for_others() {
        let limits = limits();
        for user in 0..u128::try_from(MAX_SPANS).unwrap() {
            limits.count(Limit::Listings, UserId::from_u128(user), START).unwrap();
        }
        limits.count(Limit::Listings, ANA, START).unwrap();
        limits.count(Limit::Listings, ANA, START).unwrap();
        assert!(limits.count(Limit::Listings, ANA, START).is_err());
    }

    #[test]
    fn what_is_over_makes_room_though_the_clock_was_set_back() {
        let limits = limits();
        let fill = |at| {
            for user in 0..u128::try_from(MAX_SPANS).unwrap() {
                limits.count(Limit::Locks, UserId::from_u128(user), at).unwrap();
            }
        };
        let count = || limits.spans.lock().unwrap().counted.len();
        fill(START);
        let newcomer = UserId::from_u128(u128::MAX);
        // The spans end within a minute of the clock as it was, so none is over a second later.
        limits.count(Limit::Listings, newcomer, START.plus(Duration::from_secs(1))).unwrap();
        assert_eq!(count(), MAX_SPANS);
        limits.count(Limit::Listings, newcomer, START.plus(Duration::from_secs(1))).unwrap();
        assert_eq!(count(), MAX_SPANS, "nothing was looked at again within the second");
        let purged_at = |at| limits.spans.lock().unwrap().purged_at == at;
        let back = Timestamp::from_millis(START.as_millis() - 3_600_000);
        limits.count(Limit::Listings, newcomer, back).unwrap();
        assert!(purged_at(back), "a clock that was set back is looked at anew");
        let soon = Timestamp::from_millis(back.as_millis() + 999);
        limits.count(Limit::Listings, newcomer, soon).unwrap();
        assert!(purged_at(back));
    }
}
