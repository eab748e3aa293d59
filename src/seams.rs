//! What the outside world is to the rest of the code: the time and randomness.
//!
//! Everything above asks these traits, so a test can run the same code in
//! simulated time with seeded identifiers. The other two seams are
//! [`crate::payments::Gateway`] and redb's `StorageBackend`.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Timestamp;

/// The wall clock, in milliseconds. It may step in either direction.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// A source of random bytes fit for secrets.
pub trait Entropy: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam itself")]
    fn now(&self) -> Timestamp {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The operating system's random generator.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        POOL.with_borrow_mut(|pool| pool.take(bytes));
    }
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; Pool::SIZE], left: 0 }) };
}

/// Random bytes for later. Every request needs a few, and asking the system for them costs more
/// than all that is done with them.
struct Pool {
    bytes: [u8; Self::SIZE],
    /// How many, from the start, were not given out yet.
    left: usize,
}

impl Pool {
    const SIZE: usize = 512;

    fn take(&mut self, wanted: &mut [u8]) {
        if wanted.len() > Self::SIZE / 8 {
            return ask_system(wanted);
        }
        if self.left < wanted.len() {
            ask_system(&mut self.bytes);
            self.left = Self::SIZE;
        }
        self.left -= wanted.len();
        let rest = self.bytes.iter_mut().skip(self.left);
        for (wanted, kept) in wanted.iter_mut().zip(rest) {
            // What was given out may become a secret, so it does not stay here.
            *wanted = std::mem::take(kept);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the seam itself")]
#[expect(clippy::panic, reason = "no secret may be handed out without randomness")]
fn ask_system(bytes: &mut [u8]) {
    // Without randomness no secret may be handed out, so the process must
    // not go on. Linux blocks until the pool is ready and then never fails.
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the operating system gave no random bytes: {error}");
    }
}

/// Mints identifiers that sort by creation time: UUIDv7 (RFC 9562, section 5.7)
/// with the 12 bits of `rand_a` used as a counter, so that identifiers minted
/// here rise strictly even within one millisecond or when the clock steps back.
pub struct IdMint {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    last: Mutex<(u64, u16)>,
}

impl IdMint {
    /// The highest value of the 12-bit counter.
    const COUNTER_MAX: u16 = 0x0fff;
    /// A UUIDv7 has 48 bits for the time.
    const MILLIS_MASK: u64 = (1 << 48) - 1;

    /// A mint that reads time and randomness from the given seams.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last: Mutex::new((0, 0)) }
    }

    /// The same mint, whose identifiers are also greater than any that was minted by `earlier`,
    /// though in another life of the process and by a clock that has been set back since.
    #[must_use]
    pub fn after(self, earlier: Timestamp) -> Self {
        let millis = u64::try_from(earlier.as_millis()).unwrap_or(0) & Self::MILLIS_MASK;
        Self { last: Mutex::new((millis, Self::COUNTER_MAX)), ..self }
    }

    /// A new 128-bit identifier, greater than all before it.
    pub fn mint(&self) -> u128 {
        let (millis, counter) = self.next_tick();
        let mut random = [0_u8; 8];
        self.entropy.fill(&mut random);
        let low = (u64::from_be_bytes(random) >> 2) | (0b10 << 62);
        (u128::from(millis) << 80)
            | (0x7_u128 << 76)
            | (u128::from(counter) << 64)
            | u128::from(low)
    }

    fn next_tick(&self) -> (u64, u16) {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0) & Self::MILLIS_MASK;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = match *last {
            (millis, _) if now > millis => (now, 0),
            (millis, counter) if counter < Self::COUNTER_MAX => (millis, counter + 1),
            (millis, _) => (millis + 1, 0),
        };
        *last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Frozen;
    impl Clock for Frozen {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_700_000_000_000)
        }
    }
    struct Zero;
    impl Entropy for Zero {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn no_random_bytes_are_given_out_twice() {
        let mut seen = std::collections::HashSet::new();
        for round in 0..1000 {
            let mut bytes = [0_u8; 40];
            let wanted = bytes.get_mut(..8 + round % 32).expect("a part of it");
            SystemEntropy.fill(wanted);
            assert!(seen.insert(wanted.to_vec()));
        }
        let mut long = [0_u8; 1000];
        SystemEntropy.fill(&mut long);
        assert!(long.chunks(20).all(|part| part.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn identifiers_rise_strictly_even_when_the_clock_stands_still() {
        let mint = IdMint::new(Arc::new(Frozen), Arc::new(Zero));
        let ids: Vec<u128> = (0..10_000).map(|_| mint.mint()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_mint_after_a_restart_goes_on_where_the_last_one_stopped() {
        let mint = || IdMint::new(Arc::new(Frozen), Arc::new(Zero));
        let last = (0..5_000).map(|_| mint().mint()).max();
        let later = Timestamp::from_millis(1_700_000_060_000);
        let next = mint().after(later).mint();
        assert!(Some(next) > last);
        assert!(next >> 80 > 1_700_000_060_000, "although the clock was set back");
    }

    #[test]
    fn identifiers_are_version_7_uuids() {
        let id = IdMint::new(Arc::new(Frozen), Arc::new(Zero)).mint();
        assert_eq!((id >> 76) & 0xf, 7, "version");
        assert_eq!((id >> 62) & 0b11, 0b10, "variant");
        assert_eq!(id >> 80, 1_700_000_000_000);
    }
}
