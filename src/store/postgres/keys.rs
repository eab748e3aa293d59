//! How rows and entries are named and packed in the database's tables.
//!
//! A table or an index is the first byte of a name, and the id or the place are the rest, so that
//! one ordered column of bytes holds all of them, and a run is a range of that column.

use crate::store::contract::{Entry, Index, Key, Run, Table};

/// Names from the first one to before the second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The least name in it.
    pub from: Vec<u8>,
    /// The least name after it.
    pub to: Vec<u8>,
}

impl Range {
    /// Whether it holds that name.
    pub fn contains(&self, name: &[u8]) -> bool {
        *self.from <= *name && *name < *self.to
    }
}

/// The name of a row.
pub fn of_row(key: &Key) -> Vec<u8> {
    named(key.table.0, &key.id)
}

/// The name of an entry.
pub fn of_entry(entry: &Entry) -> Vec<u8> {
    named(entry.index.0, &entry.place)
}

/// The names of a table's rows whose ids begin so.
pub fn of_rows(table: Table, prefix: &[u8]) -> Range {
    beginning(named(table.0, prefix))
}

/// How the names of an index's entries begin whose places begin so.
pub fn begins(index: Index, prefix: &[u8]) -> Vec<u8> {
    named(index.0, prefix)
}

/// The names of a run's entries, whatever its direction.
pub fn of_run(run: &Run) -> Range {
    let mut range = beginning(begins(run.index, &run.prefix));
    if let Some(after) = run.after.as_ref().filter(|after| after.starts_with(&run.prefix)) {
        let after = named(run.index.0, after);
        if run.descending {
            range.to = after;
        } else {
            range.from = next(after);
        }
    }
    range
}

/// What is left of a name without its table or index.
pub fn within(name: &[u8]) -> Vec<u8> {
    name.get(1..).unwrap_or_default().to_vec()
}

fn named(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(rest.len().saturating_add(1));
    name.push(first);
    name.extend_from_slice(rest);
    name
}

/// The least name that is greater.
fn next(mut name: Vec<u8>) -> Vec<u8> {
    name.push(0);
    name
}

/// All names that begin so.
pub fn beginning(from: Vec<u8>) -> Range {
    let mut to = from.clone();
    while to.last() == Some(&u8::MAX) {
        to.pop();
    }
    match to.last_mut() {
        Some(last) => *last = last.saturating_add(1),
        // Nothing but greatest bytes: no table and no index has that number, and no name this length.
        None => to = vec![u8::MAX; from.len().saturating_add(1)],
    }
    Range { from, to }
}

/// The names and values of a row's entries as they are packed beside it.
pub type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Packs a row's entries: each name and each value behind its length.
pub fn pack(entries: &Entries) -> Vec<u8> {
    let mut packed = Vec::new();
    for part in entries.iter().flat_map(|(name, value)| [name, value]) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        packed.extend_from_slice(&length.to_be_bytes());
        packed.extend_from_slice(part);
    }
    packed
}

/// What [`pack`] packed; `None` if it is damaged.
pub fn unpack(mut packed: &[u8]) -> Option<Entries> {
    let mut entries = Vec::new();
    while !packed.is_empty() {
        let name = part(&mut packed)?;
        entries.push((name, part(&mut packed)?));
    }
    Some(entries)
}

fn part(packed: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = packed.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *packed = rest;
    Some(part.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(prefix: &[u8], after: Option<&[u8]>, descending: bool) -> Range {
        let (prefix, after) = (prefix.to_vec(), after.map(<[u8]>::to_vec));
        of_run(&Run { index: Index(7), prefix, after, descending, limit: 1 })
    }

    #[test]
    fn a_run_is_a_range_of_names() {
        assert_eq!(run(&[], None, false), Range { from: vec![7], to: vec![8] });
        assert_eq!(run(&[1, 255], None, false), Range { from: vec![7, 1, 255], to: vec![7, 2] });
        assert_eq!(run(&[255], None, true), Range { from: vec![7, 255], to: vec![8] });
        let after = run(&[1], Some(&[1, 5]), false);
        assert_eq!(after, Range { from: vec![7, 1, 5, 0], to: vec![7, 2] });
        let before = run(&[1], Some(&[1, 5]), true);
        assert_eq!(before, Range { from: vec![7, 1], to: vec![7, 1, 5] });
        assert_eq!(run(&[1], Some(&[2]), true), run(&[1], None, true), "it begins otherwise");
        assert!(after.contains(&[7, 1, 5, 0]) && !after.contains(&[7, 1, 5]));
    }

    #[test]
    fn entries_are_unpacked_as_they_were_packed_and_damage_is_told() {
        let entries = vec![(vec![1, 2], vec![]), (vec![3], vec![4, 5, 6])];
        let packed = pack(&entries);
        assert_eq!(unpack(&packed), Some(entries));
        assert_eq!(unpack(&[]), Some(Vec::new()));
        for end in [1, 5, packed.len() - 1] {
            assert_eq!(unpack(&packed[..end]), None, "{end}");
        }
    }
}
