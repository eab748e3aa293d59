//! The simulated clock, seeded randomness, and the power supply.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gittix::domain::Timestamp;
use gittix::seams::{Clock, Entropy};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::rng::Rng;

/// When every simulation begins on the wall clock: 2026-01-01.
const EPOCH_MS: i64 = 1_767_225_600_000;

/// How often one life may touch the outside world: far more often than any does that gets on.
const MOST_TOUCHES: u64 = 5_000_000;

/// Time over all lives of the process.
#[derive(Default)]
pub struct Timeline {
    /// Simulated time before the current life, in milliseconds.
    before_ms: AtomicU64,
    /// When the current life began, on the runtime's paused clock.
    started: Mutex<Option<Instant>>,
    /// How far the wall clock is from where it should be, in milliseconds.
    offset_ms: AtomicI64,
    /// How often the wall clock has stepped.
    steps: AtomicU64,
}

impl Timeline {
    /// A runtime has started.
    pub fn begin_life(&self) {
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// The runtime is about to end; the next one starts `down_ms` later.
    pub fn end_life(&self, down_ms: u64) {
        let now = self.now_ms();
        *self.started.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.before_ms.store(now + down_ms, Ordering::Relaxed);
    }

    /// Milliseconds since the simulation began.
    pub fn now_ms(&self) -> u64 {
        let started = *self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = started.map_or(0, |at| at.elapsed().as_millis());
        self.before_ms.load(Ordering::Relaxed) + u64::try_from(elapsed).unwrap_or(0)
    }

    /// Moves the wall clock.
    pub fn step(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// How far the wall clock is off.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    /// How often the wall clock has stepped.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

impl Clock for Timeline {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.now_ms()).unwrap_or(i64::MAX);
        Timestamp::from_millis(EPOCH_MS + elapsed + self.offset_ms.load(Ordering::Relaxed))
    }
}

/// Random bytes that the seed decides.
pub struct SeededEntropy(Mutex<Rng>);

impl SeededEntropy {
    /// The bytes of one seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::new(seed, "entropy")))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            let number = rng.next().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

/// What one life of the process runs on. Once it is off nothing happens any more, whatever the
/// code still tries before its runtime is dropped.
#[derive(Clone, Default)]
pub struct Power(Arc<Supply>);

#[derive(Default)]
struct Supply {
    is_off: AtomicBool,
    /// How many more times the code may touch the outside world; 0 for ever.
    touches_left: AtomicU64,
    /// How many times it has.
    touches: AtomicU64,
    off: Notify,
}

impl Power {
    /// Goes off at the touch of that number.
    pub fn lasting(touches: u64) -> Self {
        let power = Self::default();
        power.0.touches_left.store(touches, Ordering::Relaxed);
        power
    }

    /// The code touches the outside world. False if the power is off.
    pub fn touch(&self) -> bool {
        if self.is_off() {
            return false;
        }
        if self.0.touches.fetch_add(1, Ordering::Relaxed) >= MOST_TOUCHES {
            self.switch_off();
            return false;
        }
        let left = self.0.touches_left.load(Ordering::Relaxed);
        if left > 0 {
            self.0.touches_left.store(left - 1, Ordering::Relaxed);
            if left == 1 {
                self.switch_off();
                return false;
            }
        }
        true
    }

    /// The code touches the outside world, and waits for ever if the power is off.
    pub async fn touch_or_die(&self) {
        if !self.touch() {
            std::future::pending::<()>().await;
        }
    }

    /// From now on it does not go off by itself.
    pub fn last_for_ever(&self) {
        self.0.touches_left.store(0, Ordering::Relaxed);
    }

    /// Whether it went off because the code went round in circles.
    pub fn is_exhausted(&self) -> bool {
        self.0.touches.load(Ordering::Relaxed) > MOST_TOUCHES
    }

    /// Ends this life.
    pub fn switch_off(&self) {
        self.0.is_off.store(true, Ordering::Relaxed);
        self.0.off.notify_one();
    }

    /// Whether this life has ended.
    pub fn is_off(&self) -> bool {
        self.0.is_off.load(Ordering::Relaxed)
    }

    /// Returns once this life has ended.
    pub async fn gone(&self) {
        while !self.is_off() {
            self.0.off.notified().await;
        }
    }
}
