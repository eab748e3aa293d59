//! All kinds of resources, as bytes and back: the one place that knows each of them.

use super::KeptAs;
use crate::domain::{AnyId, AnyList, AnyResource, Write};
use crate::store::contract::{Entry, Index, Key, Row, Table};
use crate::store::records::envelope::Fault;
use crate::store::records::{self, Record};
use crate::store::{CommitError, ReadError};

/// A resource as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Where its row is.
    pub key: Key,
    /// Its row.
    pub row: Row,
}

/// What is told apart of a kind.
#[derive(Debug, Clone, Copy)]
pub struct KindOf {
    /// Its table.
    pub table: Table,
    /// Its indexes.
    pub indexes: &'static [Index],
}

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $kind:ident: $record:ty, $id:ty, $list:ty;)+) => {
        /// All kinds.
        pub const KINDS: &[KindOf] = &[$($(#[cfg($cfg)])? kind_of::<$record>(),)+];

        /// The row of a resource.
        pub fn bytes(resource: &AnyResource) -> Result<Bytes, ReadError> {
            match resource { $($(#[cfg($cfg)])? AnyResource::$kind(of) => bytes_of(of),)+ }
        }

        /// The key of a resource.
        pub fn key(id: &AnyId) -> Key {
            match id { $($(#[cfg($cfg)])? AnyId::$kind(id) => key_of::<$record>(id),)+ }
        }

        /// The entries of a resource, each with the key at its place.
        pub fn entries(resource: &AnyResource) -> Vec<Entry> {
            match resource { $($(#[cfg($cfg)])? AnyResource::$kind(of) => entries_of(of),)+ }
        }

        /// The resource of a row.
        pub fn decode(table: Table, id: &[u8], row: &[u8]) -> Result<AnyResource, ReadError> {
            match table {
                $($(#[cfg($cfg)])? <$record as KeptAs>::TABLE => {
                    decode_as::<$record>(id, row).map(AnyResource::$kind)
                })+
                other => Err(ReadError::Corrupt(no_such(other))),
            }
        }

        /// The resource that the journal tells of, whose record is of that version.
        pub fn read(table: Table, version: u8, body: &[u8]) -> Result<AnyResource, Fault> {
            match table {
                $($(#[cfg($cfg)])? <$record as KeptAs>::TABLE => {
                    read_as::<$record>(version, body).map(AnyResource::$kind)
                })+
                other => Err(Fault::value("the table of a resource", other.0)),
            }
        }

        /// Where a list is.
        pub fn span(list: &AnyList) -> (Index, Vec<u8>) {
            match list { $($(#[cfg($cfg)])? AnyList::$kind(list) => <$record as KeptAs>::span(list),)+ }
        }

        /// What a commit is refused as if a list is full.
        pub fn full(list: &AnyList) -> CommitError {
            match list { $($(#[cfg($cfg)])? AnyList::$kind(list) => <$record as KeptAs>::full(list),)+ }
        }

        /// What a commit is refused as if another resource is at its place.
        pub fn taken(resource: &AnyResource, index: Index) -> CommitError {
            match resource { $($(#[cfg($cfg)])? AnyResource::$kind(_) => <$record as KeptAs>::taken(index),)+ }
        }
    };
}

crate::domain::resource::kinds!(registry);

const fn kind_of<T: KeptAs>() -> KindOf {
    KindOf { table: T::TABLE, indexes: T::INDEXES }
}

fn key_of<T: KeptAs>(id: &T::Id) -> Key {
    Key { table: T::TABLE, id: T::key(id) }
}

fn bytes_of<T: KeptAs>(resource: &T) -> Result<Bytes, ReadError> {
    let key = key_of::<T>(&resource.id());
    let bytes = records::encode(key.id.as_slice(), resource)?;
    let version = resource.version().number();
    Ok(Bytes { key, row: Row { version, bytes } })
}

fn entries_of<T: KeptAs>(resource: &T) -> Vec<Entry> {
    let value = T::key(&resource.id());
    let entry = |(index, place)| Entry { index, place, value: value.clone() };
    resource.places().into_iter().map(entry).collect()
}

fn decode_as<T: KeptAs>(id: &[u8], row: &[u8]) -> Result<T, ReadError> {
    let resource: T = records::decode(id, row)?;
    if T::key(&resource.id()) != id {
        let why = format!("{} {id:?}: it says it is another", T::KIND.table);
        return Err(ReadError::Corrupt(why));
    }
    Ok(resource)
}

fn read_as<T: Record>(version: u8, body: &[u8]) -> Result<T, Fault> {
    if version > T::KIND.version {
        return Err(Fault::value("the version of a record", version));
    }
    T::read(version, body)
}

fn no_such(table: Table) -> String {
    format!("rows: this release knows no table {}", table.0)
}

/// The table whose rows have places in an index.
pub fn owner(index: Index) -> Option<Table> {
    KINDS.iter().find(|kind| kind.indexes.contains(&index)).map(|kind| kind.table)
}

/// Those entries of a resource that it had not before.
pub fn new_entries<'e>(before: &'e [Entry], after: &'e [Entry]) -> impl Iterator<Item = &'e Entry> {
    after.iter().filter(|entry| !before.contains(entry))
}

/// Whether two resources of one commit would be at the same place.
pub fn share_a_place(writes: &[Write]) -> bool {
    let puts = || {
        writes.iter().filter_map(|write| match write {
            Write::Put(resource) => Some(resource),
            _ => None,
        })
    };
    // Most commits have one or none, and their entries need not be made for this.
    if puts().nth(1).is_none() {
        return false;
    }
    let mut all: Vec<Vec<Entry>> = puts().map(|resource| entries(resource)).collect();
    let mut places: Vec<_> = all
        .iter_mut()
        .flatten()
        .map(|entry| (entry.index, std::mem::take(&mut entry.place)))
        .collect();
    places.sort_unstable();
    places.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::records::envelope::Kind;

    /// The tags of records that have tables of their own, and of what concerns the file.
    const TAGS_TAKEN: std::ops::RangeInclusive<u8> = 1..=13;
    /// The tables and indexes that `store::typed::keys` has for them.
    const TABLES_TAKEN: std::ops::RangeInclusive<u8> = 0..=15;
    const INDEXES_TAKEN: std::ops::RangeInclusive<u8> = 0..=31;

    macro_rules! kinds_of_records {
        ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $kind:ident: $record:ty, $id:ty, $list:ty;)+) => {
            const RECORDS: &[Kind] = &[$(<$record as Record>::KIND,)+];
        };
    }
    crate::domain::resource::kinds!(kinds_of_records);

    #[test]
    fn no_two_resources_share_a_number() {
        let (mut tables, mut tags, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut indexes = BTreeSet::new();
        for (kind, record) in KINDS.iter().zip(RECORDS) {
            assert!(!TABLES_TAKEN.contains(&kind.table.0) && tables.insert(kind.table), "{kind:?}");
            assert!(!TAGS_TAKEN.contains(&record.tag) && tags.insert(record.tag), "{record:?}");
            assert!(names.insert(record.table), "{record:?}");
            for index in kind.indexes {
                assert!(!INDEXES_TAKEN.contains(&index.0) && indexes.insert(*index), "{kind:?}");
                assert_eq!(owner(*index), Some(kind.table));
            }
        }
    }
}
