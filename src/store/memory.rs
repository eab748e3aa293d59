//! A store in memory: the oracle that every other is held to, and a server's for a demonstration
//! that leaves nothing behind.
//!
//! One lock, two ordered maps and a list, each operation as plain as its words in
//! [`super::contract`].

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::bugs::{Bug, planted};
use crate::store::ReadError;
use crate::store::contract::{
    Change, Check, Entry, Found, Index, Key, Read, Refused, Row, RowCommit, Rows, Run, Table,
    end_of,
};

/// Rows, entries and log in memory. Gone with the process.
#[derive(Debug)]
pub struct MemoryRows {
    state: Mutex<State>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Key, Stored>,
    entries: BTreeMap<(Index, Vec<u8>), Vec<u8>>,
    log: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Stored {
    row: Row,
    /// The places of the row's entries.
    places: Vec<(Index, Vec<u8>)>,
}

impl Default for MemoryRows {
    fn default() -> Self {
        Self { state: Mutex::default(), last: watch::channel(0).0 }
    }
}

impl MemoryRows {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing between taking the lock and giving it back can panic half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn holds(&self, check: &Check) -> bool {
        match check {
            Check::Version { key, is } => {
                let stored = self.rows.get(key).map(|stored| stored.row.version);
                stored == *is || (stored.is_some() && planted(Bug::DroppedVersionCheck))
            }
            Check::Fewer { index, prefix, than } => {
                self.run(*index, prefix).take(*than).count() < *than
            }
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put { key, row, entries } => {
                self.forget_entries(&key);
                let mut places = Vec::with_capacity(entries.len());
                for Entry { index, place, value } in entries {
                    places.push((index, place.clone()));
                    self.entries.insert((index, place), value);
                }
                self.rows.insert(key, Stored { row, places });
            }
            Change::Delete { key } => self.delete(&key),
            Change::DeleteOthers { table, prefix, except } => {
                let all = self.rows_from(table, &prefix).map(|(key, _)| key.clone());
                for key in all.filter(|key| key.id != except).collect::<Vec<_>>() {
                    self.delete(&key);
                }
            }
        }
    }

    fn delete(&mut self, key: &Key) {
        self.forget_entries(key);
        self.rows.remove(key);
    }

    /// Rows whose ids begin so, in order.
    fn rows_from(&self, table: Table, prefix: &[u8]) -> impl Iterator<Item = (&Key, &Stored)> {
        let first = Key { table, id: prefix.to_vec() };
        let begins = move |key: &Key| key.table == table && key.id.starts_with(prefix);
        self.rows.range(first..).take_while(move |(key, _)| begins(key))
    }

    fn forget_entries(&mut self, key: &Key) {
        let places = self.rows.get_mut(key).map(|stored| std::mem::take(&mut stored.places));
        for place in places.into_iter().flatten() {
            self.entries.remove(&place);
        }
    }

    fn run(
        &self,
        index: Index,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = (&Vec<u8>, &Vec<u8>)> + use<'_> {
        self.between(index, Bound::Included(prefix.to_vec()), end_of(prefix))
    }

    fn between(
        &self,
        index: Index,
        first: Bound<Vec<u8>>,
        last: Bound<Vec<u8>>,
    ) -> impl DoubleEndedIterator<Item = (&Vec<u8>, &Vec<u8>)> + use<'_> {
        let first = first.map(|place| (index, place));
        let last = match last {
            Bound::Unbounded => Bound::Excluded((Index(index.0.saturating_add(1)), Vec::new())),
            last => last.map(|place| (index, place)),
        };
        self.entries.range((first, last)).map(|((_, place), value)| (place, value))
    }

    fn read(&self, question: &Read) -> Found {
        match question {
            Read::Row(key) => Found::Row(self.rows.get(key).map(|stored| stored.row.clone())),
            Read::Rows { table, prefix, limit } => {
                let rows = self.rows_from(*table, prefix);
                let row = |(key, stored): (&Key, &Stored)| (key.id.clone(), stored.row.clone());
                Found::Rows(rows.take(*limit).map(row).collect())
            }
            Read::Entries(run) => Found::Entries(self.entries_of(run)),
        }
    }

    fn entries_of(&self, run: &Run) -> Vec<Entry> {
        let entry = |(place, value): (&Vec<u8>, &Vec<u8>)| Entry {
            index: run.index,
            place: place.clone(),
            value: value.clone(),
        };
        let (first, last) = run.bounds();
        let all = self.between(run.index, first, last);
        if run.descending {
            all.rev().take(run.limit).map(entry).collect()
        } else {
            all.take(run.limit).map(entry).collect()
        }
    }
}

#[async_trait]
impl Rows for MemoryRows {
    async fn commit(&self, commit: RowCommit) -> Result<(), Refused> {
        let last = {
            let mut state = self.state();
            if let Some(failed) = commit.checks.iter().position(|check| !state.holds(check)) {
                return Err(Refused::Check(failed));
            }
            for change in commit.changes {
                state.apply(change);
            }
            state.log.extend(commit.events);
            u64::try_from(state.log.len()).unwrap_or(u64::MAX)
        };
        self.last.send_if_modified(|told| {
            let rises = *told < last;
            *told = last.max(*told);
            rises
        });
        Ok(())
    }

    async fn read(&self, questions: &[Read]) -> Result<Vec<Found>, ReadError> {
        let state = self.state();
        Ok(questions.iter().map(|question| state.read(question)).collect())
    }

    async fn log(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
        let state = self.state();
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let numbered = (1..).zip(state.log.iter().cloned());
        Ok(numbered.skip(skipped).take(limit).collect())
    }

    fn last_logged(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn count(&self, index: Index) -> u64 {
        u64::try_from(self.state().run(index, &[]).count()).unwrap_or(u64::MAX)
    }

    fn failure(&self) -> Option<String> {
        None
    }

    async fn failed(&self) -> String {
        std::future::pending().await
    }
}
