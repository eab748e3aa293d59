//! Several commits as one batch: what has to be known of the rows, which of the commits hold, and
//! what the rows become. It needs no database.
//!
//! What changes is locked while the batch is decided. What is only looked at is not, so it is asked
//! again at the very end, when no other batch can be written: [`Outcome::verify`] is what must be
//! true still. So each check holds at the moment of the commit, as the contract has it.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::{self, Entries, Range};
use crate::store::contract::{Change, Check, RowCommit};

/// How many entries are counted beyond a limit, so that commits of the same batch that remove some
/// need not be put off.
const SLACK: usize = 64;

/// What a batch has to know before it can be decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Names of rows that may change: locked, in this order.
    pub changing: BTreeSet<Vec<u8>>,
    /// Names of rows that are only looked at.
    pub looked_at: BTreeSet<Vec<u8>>,
    /// Ranges of rows that go: locked, too.
    pub ranges: BTreeSet<Range>,
    /// How the names of entries begin that are counted.
    pub counted: BTreeSet<Vec<u8>>,
    /// How far each is counted.
    pub count_to: usize,
}

/// A row as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its version.
    pub version: u64,
    /// Its entries; none if it was only looked at.
    pub entries: Entries,
}

/// The answers to [`Questions`].
#[derive(Debug, Default)]
pub struct Answers {
    /// The rows that are there.
    pub rows: BTreeMap<Vec<u8>, Seen>,
    /// How many entries begin so, counted up to [`Questions::count_to`].
    pub counts: BTreeMap<Vec<u8>, usize>,
}

/// What becomes of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written with the batch.
    Written,
    /// This check doesn't hold.
    Refused(usize),
    /// It can't be said together with the commits before it: it goes into a batch of its own.
    Later,
}

/// A row that is written.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub name: Vec<u8>,
    /// Its version.
    pub version: u64,
    /// The record.
    pub bytes: Vec<u8>,
    /// Its entries.
    pub entries: Entries,
}

/// What must be true still when nobody else can write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verify {
    /// Rows at these versions, or not there.
    pub rows: BTreeMap<Vec<u8>, Option<u64>>,
    /// So many entries that begin so.
    pub entries: BTreeMap<Vec<u8>, usize>,
    /// So many rows in these ranges.
    pub ranges: BTreeMap<Range, usize>,
}

/// What a batch comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What becomes of each commit.
    pub verdicts: Vec<Verdict>,
    /// Rows that were not there.
    pub inserted: Vec<Written>,
    /// Rows that were.
    pub updated: Vec<Written>,
    /// Rows that go.
    pub deleted: Vec<Vec<u8>>,
    /// Entries that were not there.
    pub entries_inserted: Entries,
    /// Entries that now have another value.
    pub entries_updated: Entries,
    /// Entries that go.
    pub entries_deleted: Vec<Vec<u8>>,
    /// What is appended to the log.
    pub events: Vec<Vec<u8>>,
    /// What must be true still.
    pub verify: Verify,
}

impl Outcome {
    /// Whether anything is written.
    pub fn writes(&self) -> bool {
        self.verdicts.contains(&Verdict::Written)
    }
}

impl Questions {
    /// What has to be known for these commits.
    pub fn of<'c>(commits: impl Iterator<Item = &'c RowCommit>) -> Self {
        let mut asked = Self::default();
        for commit in commits {
            for check in &commit.checks {
                match check {
                    Check::Version { key, .. } => {
                        asked.looked_at.insert(keys::of_row(key));
                    }
                    Check::Fewer { index, prefix, than } => {
                        asked.counted.insert(keys::begins(*index, prefix));
                        asked.count_to = asked.count_to.max(than.saturating_add(SLACK));
                    }
                }
            }
            for change in &commit.changes {
                match change {
                    Change::Put { key, .. } | Change::Delete { key } => {
                        asked.changing.insert(keys::of_row(key));
                    }
                    Change::DeleteOthers { table, prefix, .. } => {
                        asked.ranges.insert(keys::of_rows(*table, prefix));
                    }
                }
            }
        }
        let (changing, ranges) = (&asked.changing, &asked.ranges);
        let changes = |name: &Vec<u8>| {
            changing.contains(name) || ranges.iter().any(|range| range.contains(name))
        };
        asked.looked_at.retain(|name| !changes(name));
        asked
    }
}

/// A row while a batch is decided.
#[derive(Debug, Default)]
struct Row {
    /// The version it was found at.
    found: Option<u64>,
    /// Its version now.
    version: Option<u64>,
    /// What it was put to, if it was.
    bytes: Option<Vec<u8>>,
    entries: Entries,
    changed: bool,
}

/// An entry while a batch is decided: what it was, and what it is.
#[derive(Debug, Default)]
struct Place {
    found: Option<Vec<u8>>,
    now: Option<Vec<u8>>,
}

/// How many entries begin in one way while a batch is decided.
#[derive(Debug, Clone, Copy)]
struct Count {
    /// At least so many now.
    least: usize,
    /// Whether that is all there are.
    is_exact: bool,
}

/// The rows as the batch leaves them so far.
#[derive(Debug)]
struct State<'q> {
    questions: &'q Questions,
    rows: BTreeMap<Vec<u8>, Row>,
    places: BTreeMap<Vec<u8>, Place>,
    /// By how they begin.
    counts: BTreeMap<Vec<u8>, Count>,
    /// How long those beginnings are.
    lengths: BTreeSet<usize>,
    events: Vec<Vec<u8>>,
    verified_rows: BTreeMap<Vec<u8>, Option<u64>>,
    verified_counts: BTreeSet<Vec<u8>>,
    verified_ranges: BTreeSet<Range>,
}

/// Decides a batch: each commit after those before it.
pub fn decide<'c>(
    commits: impl Iterator<Item = &'c RowCommit>,
    questions: &Questions,
    answers: Answers,
) -> Outcome {
    let mut state = State::new(questions, answers);
    let verdicts = commits.map(|commit| state.add(commit)).collect();
    state.outcome(verdicts)
}

impl<'q> State<'q> {
    fn new(questions: &'q Questions, answers: Answers) -> Self {
        let mut state = Self {
            questions,
            rows: BTreeMap::new(),
            places: BTreeMap::new(),
            counts: BTreeMap::new(),
            lengths: questions.counted.iter().map(Vec::len).collect(),
            events: Vec::new(),
            verified_rows: BTreeMap::new(),
            verified_counts: BTreeSet::new(),
            verified_ranges: BTreeSet::new(),
        };
        for (begins, counted) in answers.counts {
            let is_exact = counted < questions.count_to;
            state.counts.insert(begins, Count { least: counted, is_exact });
        }
        for (name, Seen { version, entries }) in answers.rows {
            for (place, value) in &entries {
                let found = Place { found: Some(value.clone()), now: Some(value.clone()) };
                state.places.insert(place.clone(), found);
            }
            let (found, version) = (Some(version), Some(version));
            state.rows.insert(name, Row { found, version, bytes: None, entries, changed: false });
        }
        state
    }

    fn add(&mut self, commit: &RowCommit) -> Verdict {
        for (at, check) in commit.checks.iter().enumerate() {
            match self.holds(check) {
                Some(true) => {}
                Some(false) => return Verdict::Refused(at),
                None => return Verdict::Later,
            }
        }
        for check in &commit.checks {
            self.remember(check);
        }
        for change in &commit.changes {
            self.apply(change);
        }
        self.events.extend(commit.events.iter().cloned());
        Verdict::Written
    }

    fn version(&self, name: &[u8]) -> Option<u64> {
        self.rows.get(name).and_then(|row| row.version)
    }

    /// Whether a check holds; `None` if that can't be said.
    fn holds(&self, check: &Check) -> Option<bool> {
        match check {
            Check::Version { key, is } => Some(self.version(&keys::of_row(key)) == *is),
            Check::Fewer { index, prefix, than } => {
                let count = self.counts.get(&keys::begins(*index, prefix))?;
                match (count.least >= *than, count.is_exact) {
                    (true, _) => Some(false),
                    (false, true) => Some(true),
                    (false, false) => None,
                }
            }
        }
    }

    /// What a commit that is written rests on, and what nobody keeps from changing.
    fn remember(&mut self, check: &Check) {
        match check {
            Check::Version { key, is } => {
                let name = keys::of_row(key);
                if self.questions.looked_at.contains(&name) {
                    self.verified_rows.insert(name, *is);
                }
            }
            Check::Fewer { index, prefix, .. } => {
                self.verified_counts.insert(keys::begins(*index, prefix));
            }
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { key, row, entries } => {
                let entries: Entries = entries
                    .iter()
                    .map(|entry| (keys::of_entry(entry), entry.value.clone()))
                    .collect();
                self.become_row(keys::of_row(key), Some((row.version, row.bytes.clone())), entries);
            }
            Change::Delete { key } => self.become_row(keys::of_row(key), None, Vec::new()),
            Change::DeleteOthers { table, prefix, except } => {
                let range = keys::of_rows(*table, prefix);
                let except = keys::of_row(&crate::store::contract::Key {
                    table: *table,
                    id: except.clone(),
                });
                let inside = self.rows.range(range.from.clone()..range.to.clone());
                let others = inside.map(|(name, _)| name.clone()).filter(|name| *name != except);
                for name in others.collect::<Vec<_>>() {
                    self.become_row(name, None, Vec::new());
                }
                self.verified_ranges.insert(range);
            }
        }
    }

    fn become_row(&mut self, name: Vec<u8>, row: Option<(u64, Vec<u8>)>, entries: Entries) {
        let before = self.rows.get_mut(&name).map(|row| std::mem::take(&mut row.entries));
        for (place, _) in before.into_iter().flatten() {
            self.become_entry(place, None);
        }
        for (place, value) in &entries {
            self.become_entry(place.clone(), Some(value.clone()));
        }
        let stored = self.rows.entry(name).or_default();
        let (version, bytes) = row.unzip();
        (stored.version, stored.bytes) = (version, bytes);
        (stored.entries, stored.changed) = (entries, true);
    }

    fn become_entry(&mut self, place: Vec<u8>, value: Option<Vec<u8>>) {
        let stored = self.places.entry(place.clone()).or_default();
        let (was, is) = (stored.now.is_some(), value.is_some());
        stored.now = value;
        if was == is {
            return;
        }
        for begins in self.lengths.iter().filter_map(|length| place.get(..*length)) {
            if let Some(count) = self.counts.get_mut(begins) {
                count.least = match is {
                    true => count.least.saturating_add(1),
                    false => count.least.saturating_sub(1),
                };
            }
        }
    }

    fn outcome(self, verdicts: Vec<Verdict>) -> Outcome {
        let rows_in = |range: &Range| {
            let inside = self.rows.range(range.from.clone()..range.to.clone());
            inside.filter(|(_, row)| row.version.is_some()).count()
        };
        let ranges = self.verified_ranges.iter().map(|range| (range.clone(), rows_in(range)));
        let count = |begins: &Vec<u8>| self.counts.get(begins).map(|count| count.least);
        let entries = self.verified_counts.iter();
        let entries = entries.filter_map(|begins| Some((begins.clone(), count(begins)?)));
        let verify = Verify {
            rows: self.verified_rows,
            entries: entries.collect(),
            ranges: ranges.collect(),
        };
        let mut outcome = Outcome { verdicts, events: self.events, verify, ..Outcome::default() };
        for (name, row) in self.rows.into_iter().filter(|(_, row)| row.changed) {
            match (row.found, row.version.zip(row.bytes)) {
                (found, Some((version, bytes))) => {
                    let rows = match found {
                        Some(_) => &mut outcome.updated,
                        None => &mut outcome.inserted,
                    };
                    rows.push(Written { name, version, bytes, entries: row.entries });
                }
                (Some(_), None) => outcome.deleted.push(name),
                (None, None) => {}
            }
        }
        for (place, Place { found, now }) in self.places {
            match (found, now) {
                (None, Some(value)) => outcome.entries_inserted.push((place, value)),
                (Some(found), Some(value)) if found != value => {
                    outcome.entries_updated.push((place, value));
                }
                (Some(_), None) => outcome.entries_deleted.push(place),
                _ => {}
            }
        }
        outcome
    }
}
