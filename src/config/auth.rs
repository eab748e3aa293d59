//! The sections `[auth]`, `[limits]` and `[operators]`.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{hours, number, path};
use super::layers::Reader;
use super::values;

/// Sessions, passwords and the throttle of sign-ins.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// The file that holds the key that signs sessions; made at the first start.
    pub secret_file: PathBuf,
    /// How long a session lasts.
    pub session: Duration,
    /// How long a session lasts unused; `None` for as long as used.
    pub idle: Option<Duration>,
    /// Whether sign-in and sign-up are throttled at all.
    pub throttle: bool,
    /// How many failed attempts one client address may make on one account at once.
    pub throttle_account_burst: u32,
    /// How many of them it gets back per minute.
    pub throttle_account_per_minute: u32,
    /// How many failed attempts one account takes in any hour, from all addresses.
    pub throttle_account_per_hour: u32,
    /// How many attempts one client address may make at once.
    pub throttle_address_burst: u32,
    /// How many attempts one client address gets back per minute.
    pub throttle_address_per_minute: u32,
    /// How many threads hash passwords; each holds 19 MiB.
    pub hash_threads: usize,
    /// How many passwords may wait to be hashed before requests are answered 503.
    pub hash_queue: usize,
}

/// How much one user may do. Off where the throttle is.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// How many tickets a user may list in an hour.
    pub listings_per_hour: u32,
    /// How many edits of listings a user may make in an hour.
    pub edits_per_hour: u32,
    /// How many tickets a user may lock in a minute.
    pub locks_per_minute: u32,
    /// How many idempotency keys a user may use in a day.
    pub keys_per_day: u32,
    /// How many passes one user may add in an hour.
    pub uploads_per_hour: u32,
    /// How many sessions a user may have at once.
    pub sessions: u32,
}

/// Those who look after the market.
#[derive(Debug, Clone)]
pub struct OperatorSettings {
    /// How long a session of one lasts at most.
    pub session: Duration,
}

impl AuthSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        let rates = 1..=1_000_000;
        Self {
            secret_file: path(from, "auth.secret_file", "data/session.key"),
            session: hours(from, "auth.session_hours", 168, 1..=8760),
            idle: Some(hours(from, "auth.idle_hours", 0, 0..=8760)).filter(|idle| !idle.is_zero()),
            throttle: from.read("auth.throttle", true, "true or false", values::switch),
            throttle_account_burst: number(from, "auth.throttle_account_burst", 10, rates.clone()),
            throttle_account_per_minute: number(
                from,
                "auth.throttle_account_per_minute",
                3,
                rates.clone(),
            ),
            throttle_account_per_hour: number(
                from,
                "auth.throttle_account_per_hour",
                100,
                10..=1_000_000,
            ),
            throttle_address_burst: number(from, "auth.throttle_address_burst", 600, rates.clone()),
            throttle_address_per_minute: number(
                from,
                "auth.throttle_address_per_minute",
                120,
                rates,
            ),
            hash_threads: number(from, "auth.hash_threads", 1, 1..=64),
            hash_queue: number(from, "auth.hash_queue", 256, 1..=100_000),
        }
    }
}

impl LimitSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        let mut limit = |key, default| number(from, key, default, 1..=1_000_000_000);
        Self {
            listings_per_hour: limit("limits.listings_per_hour", 200),
            edits_per_hour: limit("limits.edits_per_hour", 600),
            locks_per_minute: limit("limits.locks_per_minute", 60),
            keys_per_day: limit("limits.keys_per_day", 5000),
            uploads_per_hour: limit("limits.uploads_per_hour", 200),
            sessions: limit("limits.sessions", 50),
        }
    }
}

impl OperatorSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        Self { session: hours(from, "operators.session_hours", 12, 1..=8760) }
    }
}
