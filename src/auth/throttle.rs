//! How fast anyone may try passwords.
//!
//! An attempt is charged before its password is looked at and given back if it was right: charged
//! afterwards, a hundred guesses sent at once would all be let in. So only failures use anything up
//! but the address's own allowance.
//!
//! ```text
//!               every attempt            failed ones, by account
//!   stranger ─▶ client, site, provider ─▶ account and client, site ─▶ common pool, else reserve
//!   known    ─▶ client, site, provider ──────────────────────────────▶ pool of those known
//!               (or a few of their own)
//! ```
//!
//! * **Addresses** count every attempt, wide enough for offices and mobile networks. It keeps one
//!   machine from trying one password on every account. A network that holds many clients has a
//!   multiple of one client's allowance, so a customer with 65,536 networks is bounded as well.
//! * **Account and address** is tight: it lets a person mistype a few times and stops a guesser,
//!   and it is nobody else's.
//! * **Account alone** is what bounds guessing from many addresses: at most
//!   [`ThrottleSettings::account_per_hour`] failures in any hour, whoever makes them, in three pools
//!   of which each holds half of its share and gets back the other half within the hour.
//!   * Half of it is *common*: for anyone. A guesser uses it up, and that must not shut the owner out.
//!   * Three tenths are a *reserve* for networks that have hardly guessed at this account: three
//!     tries for a client, four for a site, five for a provider and eight for a region (an IPv4 /8, an
//!     IPv6 /16), each once a day. Whoever guesses on and on from some networks, however many
//!     addresses they have, can't get at it any more, and the owner signs in from elsewhere.
//!   * Two tenths are for those who are *known*: a live session, or a browser on which somebody
//!     signed in to this account before (see [`super::Devices`]). Strangers can't touch it.
//!
//! What this can't do: guesses from dozens of regions at once use the reserve up as well. Then, until
//! they stop, the owner gets in with the browsers they have used before, or with luck, but not on a
//! new one: from a new place an owner and a guesser look the same, and to look at more guesses would
//! be to guess for them.
//!
//! Memory is bounded. A bucket that is full again is forgotten. At [`MAX_BUCKETS`] newcomers of a kind
//! share one bucket, so that flooding the table with keys neither lets a guesser in nor makes the
//! table forget those it knows.

mod buckets;

use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest, Sha256};

use self::buckets::{BucketKey, Buckets, Charge, Flow};
use super::networks::{Network, Reach};
use crate::domain::Timestamp;

/// How many buckets there are at once: some 10 MB.
const MAX_BUCKETS: usize = 200_000;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a network may do, as a multiple of what one client may.
const ADDRESSES: [(Reach, u32); 3] = [(Reach::Client, 1), (Reach::Site, 4), (Reach::Provider, 32)];
const PAIRS: [(Reach, u32); 2] = [(Reach::Client, 1), (Reach::Site, 2)];

/// How many tries of one account a network has from the reserve, and again after a day.
const NEWCOMERS: [(Reach, u32); 4] =
    [(Reach::Client, 3), (Reach::Site, 4), (Reach::Provider, 5), (Reach::Region, 8)];

/// The shares of an account's failures per hour, in percent. Together they are all of it.
const COMMON: u32 = 50;
const RESERVE: u32 = 30;
const KNOWN: u32 = 20;

/// What somebody known may do where the address they share with others is used up.
const KNOWN_ATTEMPTS: u32 = 10;

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
    /// For failed attempts on one account from one client address.
    pub account: Rate,
    /// For failed attempts on one account in any hour, from all addresses.
    pub account_per_hour: u32,
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

/// Who makes an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Anyone.
    Stranger,
    /// Somebody with a session of the account, or on a browser that signed in to it before.
    Known,
}

/// Decides which attempts to sign in or up are looked at.
#[derive(Debug)]
pub struct Throttle {
    /// None if the throttle is off.
    policy: Option<Policy>,
}

/// An attempt that is being looked at. It counts as failed unless it is given back.
#[derive(Debug)]
#[must_use = "an attempt that is not given back counts as failed"]
pub struct Attempt<'a> {
    charged: Option<Charges<'a>>,
}

impl Attempt<'_> {
    /// Takes the charge off the account: the password was right, or was not looked at after all.
    pub fn give_back(self) {
        if let Some(charges) = self.charged {
            charges.give_back();
        }
    }
}

impl Throttle {
    /// A throttle that remembers nothing yet.
    pub fn new(settings: ThrottleSettings) -> Self {
        Self { policy: settings.enabled.then(|| Policy::new(settings)) }
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
        from: IpAddr,
        standing: Standing,
        now: Timestamp,
    ) -> Result<Attempt<'_>, RetryAfter> {
        let Some(policy) = &self.policy else { return Ok(Attempt { charged: None }) };
        let charged = Some(policy.attempt(account, from, standing, now)?);
        Ok(Attempt { charged })
    }
}

/// The kinds of buckets. Those of a network have one for each of its sizes.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Address,
    Pair,
    Newcomer,
    Common,
    Reserve,
    Known,
    KnownAttempts,
}

#[derive(Debug)]
struct Policy {
    settings: ThrottleSettings,
    buckets: Buckets,
}

/// What an attempt took.
#[derive(Debug)]
struct Charges<'a> {
    buckets: &'a Buckets,
    taken: Vec<Charge>,
}

impl Charges<'_> {
    fn give_back(self) {
        for charge in self.taken {
            self.buckets.give_back(charge);
        }
    }
}

impl Policy {
    fn new(settings: ThrottleSettings) -> Self {
        Self { settings, buckets: Buckets::new(MAX_BUCKETS) }
    }

    fn attempt(
        &self,
        account: &str,
        from: IpAddr,
        standing: Standing,
        now: Timestamp,
    ) -> Result<Charges<'_>, RetryAfter> {
        // An attempt that the account refuses has cost its address one all the same.
        let address = self.address(from, now);
        match standing {
            Standing::Known => {
                if address.is_err() {
                    let own = Flow::new(KNOWN_ATTEMPTS, KNOWN_ATTEMPTS, MINUTE);
                    self.buckets.take(key(Kind::KnownAttempts, account, None), own, now)?;
                }
                self.all([(key(Kind::Known, account, None), self.pool(KNOWN))], now)
            }
            Standing::Stranger => {
                address?;
                self.stranger(account, from, now)
            }
        }
    }

    fn address(&self, from: IpAddr, now: Timestamp) -> Result<(), RetryAfter> {
        ADDRESSES.into_iter().try_for_each(|(reach, times)| {
            let key = key(Kind::Address, "", Some((from, reach)));
            self.buckets.take(key, times_over(self.settings.address, times), now).map(drop)
        })
    }

    fn stranger(
        &self,
        account: &str,
        from: IpAddr,
        now: Timestamp,
    ) -> Result<Charges<'_>, RetryAfter> {
        let pair = |(reach, times)| {
            let flow = times_over(self.settings.account, times);
            (key(Kind::Pair, account, Some((from, reach))), flow)
        };
        let newcomer = |(reach, tries)| {
            (key(Kind::Newcomer, account, Some((from, reach))), Flow::new(tries, tries, DAY))
        };
        let common = (key(Kind::Common, account, None), self.pool(COMMON));
        let reserve = (key(Kind::Reserve, account, None), self.pool(RESERVE));
        let pairs = PAIRS.into_iter().map(pair);
        let common = self.all(pairs.clone().chain([common]), now);
        common.or_else(|early| {
            let newcomers = NEWCOMERS.into_iter().map(newcomer);
            let reserved = self.all(pairs.chain(newcomers).chain([reserve]), now);
            reserved.map_err(|later| RetryAfter { seconds: early.seconds.min(later.seconds) })
        })
    }

    /// Takes one of each bucket, or none of any.
    fn all(
        &self,
        wanted: impl IntoIterator<Item = (BucketKey, Flow)>,
        now: Timestamp,
    ) -> Result<Charges<'_>, RetryAfter> {
        let mut charges = Charges { buckets: &self.buckets, taken: Vec::new() };
        for (key, flow) in wanted {
            match self.buckets.take(key, flow, now) {
                Ok(charge) => charges.taken.push(charge),
                Err(early) => {
                    charges.give_back();
                    return Err(early);
                }
            }
        }
        Ok(charges)
    }

    /// A share of an account's failures per hour. What is there at once and what comes back within
    /// an hour are together no more than the share.
    fn pool(&self, percent: u32) -> Flow {
        let share = u64::from(self.settings.account_per_hour) * u64::from(percent) / 100;
        let share = u32::try_from(share).unwrap_or(u32::MAX).max(2);
        Flow::new(share.div_ceil(2), share / 2, HOUR)
    }
}

fn times_over(rate: Rate, times: u32) -> Flow {
    Flow::new(rate.burst.saturating_mul(times), rate.per_minute.saturating_mul(times), MINUTE)
}

/// Half of a hash, so that a bucket is small however long the account's name.
fn key(kind: Kind, account: &str, network: Option<(IpAddr, Reach)>) -> BucketKey {
    let mut hasher = Sha256::new_with_prefix([kind as u8]);
    let mut size = 0;
    if let Some((from, reach)) = network {
        hasher.update(Network::of(from, reach).to_bytes());
        size = 1 + reach as u8;
    }
    hasher.update(account);
    let hash =
        hasher.finalize().iter().take(16).fold(0, |key, byte| (key << 8) | u128::from(*byte));
    BucketKey { kind: (kind as u8) << 4 | size, hash }
}

#[cfg(test)]
mod tests;
