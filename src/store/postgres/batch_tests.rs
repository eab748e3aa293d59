//! Batches against the store in memory: commit by commit the same answers, and the same rows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::batch::{Answers, Outcome, Questions, Seen, Verdict, decide};
use super::keys::{self, Entries};
use crate::store::MemoryRows;
use crate::store::contract::{
    Change, Check, Entry, Found, Index, Key, Read, Refused, Row, RowCommit, Rows, Run, Table,
};

const ROWS: Table = Table(7);
const GROUPS: Index = Index(9);

/// What a database holds.
#[derive(Debug, Default)]
struct Tables {
    rows: BTreeMap<Vec<u8>, (u64, Vec<u8>, Entries)>,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    log: Vec<Vec<u8>>,
}

impl Tables {
    /// What the first trip finds.
    fn answer(&self, asked: &Questions) -> Answers {
        let mut answers = Answers::default();
        for (name, (version, _, entries)) in &self.rows {
            let is_locked = asked.changing.contains(name)
                || asked.ranges.iter().any(|range| range.contains(name));
            if is_locked || asked.looked_at.contains(name) {
                let entries = if is_locked { entries.clone() } else { Vec::new() };
                answers.rows.insert(name.clone(), Seen { version: *version, entries });
            }
        }
        for begins in &asked.counted {
            let found = self.count(begins).min(asked.count_to);
            answers.counts.insert(begins.clone(), found);
        }
        answers
    }

    fn count(&self, begins: &[u8]) -> usize {
        self.entries.keys().filter(|place| place.starts_with(begins)).count()
    }

    /// What the second trip does. A row or a place that is there can't be inserted.
    fn write(&mut self, batch: Outcome) {
        for name in &batch.deleted {
            assert!(self.rows.remove(name).is_some());
        }
        for place in &batch.entries_deleted {
            assert!(self.entries.remove(place).is_some());
        }
        for row in batch.updated {
            assert!(self.rows.insert(row.name, (row.version, row.bytes, row.entries)).is_some());
        }
        for row in batch.inserted {
            assert!(self.rows.insert(row.name, (row.version, row.bytes, row.entries)).is_none());
        }
        for (place, value) in batch.entries_updated {
            assert!(self.entries.insert(place, value).is_some());
        }
        for (place, value) in batch.entries_inserted {
            assert!(self.entries.insert(place, value).is_none());
        }
        self.log.extend(batch.events);
        for (name, version) in batch.verify.rows {
            assert_eq!(self.rows.get(&name).map(|row| row.0), version);
        }
        for (begins, count) in batch.verify.entries {
            assert_eq!(self.count(&begins), count);
        }
        for (range, count) in batch.verify.ranges {
            assert_eq!(self.rows.keys().filter(|name| range.contains(name)).count(), count);
        }
    }
}

fn key(id: u8) -> Key {
    Key { table: ROWS, id: vec![id / 4, id] }
}

/// A row's entries: one in each group that the bits name.
fn entries(id: u8, groups: u8, value: u8) -> Vec<Entry> {
    let is_in = |group: &u8| groups & (1 << group) != 0;
    let entry = |group| Entry { index: GROUPS, place: vec![group, id], value: vec![value] };
    (0..4_u8).filter(is_in).map(entry).collect()
}

fn a_check() -> impl Strategy<Value = Check> {
    let version = (0..16_u8, prop::option::of(0..3_u64))
        .prop_map(|(id, is)| Check::Version { key: key(id), is });
    let fewer = (0..4_u8, prop::option::of(0..16_u8), 1..6_usize).prop_map(|(group, id, than)| {
        let prefix = [group].into_iter().chain(id).collect();
        Check::Fewer { index: GROUPS, prefix, than }
    });
    prop_oneof![version, fewer]
}

fn a_change() -> impl Strategy<Value = Change> {
    let put = (0..16_u8, 0..3_u64, 0..16_u8, 0..3_u8).prop_map(|(id, version, groups, value)| {
        let row = Row { version, bytes: vec![value] };
        Change::Put { key: key(id), row, entries: entries(id, groups, value) }
    });
    prop_oneof![
        6 => put,
        2 => (0..16_u8).prop_map(|id| Change::Delete { key: key(id) }),
        1 => (0..4_u8, 0..16_u8).prop_map(|(prefix, except)| Change::DeleteOthers {
            table: ROWS,
            prefix: vec![prefix],
            except: key(except).id,
        }),
    ]
}

fn a_commit() -> impl Strategy<Value = RowCommit> {
    let checks = prop::collection::vec(a_check(), 0..3);
    let changes = prop::collection::vec(a_change(), 0..3);
    let events = prop::collection::vec(prop::collection::vec(0..9_u8, 1), 0..3);
    (checks, changes, events).prop_map(|(checks, changes, events)| RowCommit {
        checks,
        changes,
        events,
    })
}

/// Everything that the store in memory holds.
async fn everything(memory: &MemoryRows) -> (Vec<Found>, Vec<Vec<u8>>) {
    let run = Run {
        index: GROUPS,
        prefix: Vec::new(),
        after: None,
        descending: false,
        limit: usize::MAX,
    };
    let rows = Read::Rows { table: ROWS, prefix: Vec::new(), limit: usize::MAX };
    let found = memory.read(&[rows, Read::Entries(run)]).await.expect("an answer");
    let log = memory.log(0, usize::MAX).await.expect("a log");
    (found, log.into_iter().map(|(_, record)| record).collect())
}

fn all_of(tables: &Tables) -> (Vec<Found>, Vec<Vec<u8>>) {
    let row = |(name, (version, bytes, _)): (&Vec<u8>, &(u64, Vec<u8>, Entries))| {
        (keys::within(name), Row { version: *version, bytes: bytes.clone() })
    };
    let entry = |(name, value): (&Vec<u8>, &Vec<u8>)| Entry {
        index: GROUPS,
        place: keys::within(name),
        value: value.clone(),
    };
    let rows = Found::Rows(tables.rows.iter().map(row).collect());
    let entries = Found::Entries(tables.entries.iter().map(entry).collect());
    (vec![rows, entries], tables.log.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_answer_and_write_what_single_commits_in_memory_do(
        batches in prop::collection::vec(prop::collection::vec(a_commit(), 1..8), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (memory, mut tables) = (MemoryRows::default(), Tables::default());
            for batch in batches {
                let questions = Questions::of(batch.iter());
                let outcome = decide(batch.iter(), &questions, tables.answer(&questions));
                for (commit, verdict) in batch.into_iter().zip(&outcome.verdicts) {
                    let expected = match memory.commit(commit).await {
                        Ok(()) => Verdict::Written,
                        Err(Refused::Check(check)) => Verdict::Refused(check),
                        Err(refused) => panic!("{refused:?}"),
                    };
                    assert_eq!(*verdict, expected);
                }
                tables.write(outcome);
                assert_eq!(all_of(&tables), everything(&memory).await);
            }
        });
    }
}

/// A limit whose range was not counted to its end is not decided on, once enough has been removed
/// from it, but in a batch of its own.
#[test]
fn what_can_not_be_said_is_put_off() {
    let mut tables = Tables::default();
    let fill = |id: u8| RowCommit {
        changes: vec![Change::Put {
            key: key(id),
            row: Row { version: 0, bytes: Vec::new() },
            entries: entries(id, 1, 0),
        }],
        ..RowCommit::default()
    };
    let commits: Vec<RowCommit> = (0..=255).map(fill).collect();
    let questions = Questions::of(commits.iter());
    tables.write(decide(commits.iter(), &questions, tables.answer(&questions)));
    let remove = |id| Change::Delete { key: key(id) };
    let removes = RowCommit { changes: (0..=200).map(remove).collect(), ..RowCommit::default() };
    let check = Check::Fewer { index: GROUPS, prefix: vec![0], than: 60 };
    let checks = RowCommit { checks: vec![check], ..RowCommit::default() };
    let batch = [removes, checks];
    let questions = Questions::of(batch.iter());
    let outcome = decide(batch.iter(), &questions, tables.answer(&questions));
    assert_eq!(outcome.verdicts, [Verdict::Written, Verdict::Later]);
    tables.write(outcome);
    let questions = Questions::of(batch[1..].iter());
    let outcome = decide(batch[1..].iter(), &questions, tables.answer(&questions));
    assert_eq!(outcome.verdicts, [Verdict::Written]);
}
