//! What a simulation leaves behind: a hash of everything that happened, the last of it in words,
//! counts, and the rule that was broken, if one was.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many of the last steps are kept in words.
const LINES_KEPT: usize = 160;

/// A rule was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in a few words that are the same every time.
    pub rule: &'static str,
    /// What broke it.
    pub detail: String,
}

impl Violation {
    /// A rule that was broken, and by what.
    pub fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

/// The record of one simulation. Clones share it.
#[derive(Clone, Default)]
pub struct Record(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pages: Mutex<Pages>,
    broken: Notify,
    keeps_all: AtomicBool,
    keeps_notes: AtomicBool,
    panics: AtomicU64,
}

#[derive(Default)]
struct Pages {
    hash: u64,
    lines: VecDeque<String>,
    counts: BTreeMap<String, u64>,
    violation: Option<Violation>,
}

impl Pages {
    /// FNV-1a, with an end to each line.
    fn hash(&mut self, line: &str) {
        let mut hash = self.hash ^ 0xcbf2_9ce4_8422_2325;
        for byte in line.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.hash = hash;
    }
}

impl Record {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps every line, not only the last ones.
    pub fn keep_all(&self) {
        self.0.keeps_all.store(true, Ordering::Relaxed);
    }

    /// Keeps notes as well.
    pub fn keep_notes(&self) {
        self.0.keeps_notes.store(true, Ordering::Relaxed);
    }

    /// Something happened.
    pub fn say(&self, line: String) {
        let mut pages = self.pages();
        pages.hash(&line);
        pages.lines.push_back(line);
        if pages.lines.len() > LINES_KEPT && !self.0.keeps_all.load(Ordering::Relaxed) {
            pages.lines.pop_front();
        }
    }

    /// Something happened that is too long to be told, but must be the same every time.
    pub fn note(&self, what: &str) {
        let mut pages = self.pages();
        pages.hash(what);
        if self.0.keeps_notes.load(Ordering::Relaxed) {
            pages.lines.push_back(what.to_owned());
        }
    }

    /// Counts what was covered.
    pub fn count(&self, what: &str) {
        self.add(what, 1);
    }

    /// Counts what was covered.
    pub fn add(&self, what: &str, times: u64) {
        *self.pages().counts.entry(what.to_owned()).or_default() += times;
    }

    /// A rule was broken. The first one counts: what follows is its consequence.
    pub fn violate(&self, violation: Violation) {
        self.pages().violation.get_or_insert(violation);
        self.0.broken.notify_waiters();
        self.0.broken.notify_one();
    }

    /// The same for a check that gave a result.
    pub fn check<T>(&self, result: Result<T, Violation>) -> Option<T> {
        result.map_err(|violation| self.violate(violation)).ok()
    }

    /// Whether a rule was broken.
    pub fn is_broken(&self) -> bool {
        self.pages().violation.is_some()
    }

    /// Returns once a rule is broken.
    pub async fn broken(&self) {
        while !self.is_broken() {
            self.0.broken.notified().await;
        }
    }

    /// An actor or a handler was made to panic.
    pub fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was done.
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// Everything, at the end.
    pub fn close(&self) -> Summary {
        let pages = self.pages();
        Summary {
            hash: pages.hash,
            lines: pages.lines.iter().cloned().collect(),
            counts: pages.counts.clone(),
            violation: pages.violation.clone(),
        }
    }
}

/// How a simulation went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The same for every run of the same plan.
    pub hash: u64,
    /// The last steps.
    pub lines: Vec<String>,
    /// What was covered, and how often.
    pub counts: BTreeMap<String, u64>,
    /// The rule that was broken, if any was.
    pub violation: Option<Violation>,
}
