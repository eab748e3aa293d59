//! A simulation that never ends says so, with its seed, instead of hanging for ever.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The longest a run may take in real time: the slowest take a few seconds.
const LONGEST_RUN: Duration = Duration::from_secs(180);

/// What is being run, and since when.
static RUNNING: Mutex<BTreeMap<u64, (String, Instant)>> = Mutex::new(BTreeMap::new());

fn running() -> MutexGuard<'static, BTreeMap<u64, (String, Instant)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that is being watched, until this is dropped.
pub struct Watched(u64);

impl Watched {
    /// Watches a run; `replay` says how to repeat it.
    pub fn begin(replay: String) -> Self {
        static DOG: OnceLock<()> = OnceLock::new();
        DOG.get_or_init(|| {
            std::thread::spawn(watch);
        });
        #[expect(clippy::disallowed_methods, reason = "a hang is one in real time")]
        let now = Instant::now();
        let mut running = running();
        let number = running.last_key_value().map_or(0, |(last, _)| last + 1);
        running.insert(number, (replay, now));
        Self(number)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

fn watch() {
    loop {
        #[expect(clippy::disallowed_methods, reason = "this waits in real time")]
        std::thread::sleep(Duration::from_secs(1));
        let hangs = running().values().find(|(_, since)| since.elapsed() > LONGEST_RUN).cloned();
        if let Some((replay, _)) = hangs {
            eprintln!("broken: every simulation ends\nreplay with:\n  {replay}");
            std::process::abort();
        }
    }
}
