//! Resources that are kept alike, in the file: one table of rows and one of entries for all of them.
//! Nothing here knows any of them.

use std::ops::Bound;

use redb::{AccessGuard, ReadableTable};

use crate::domain::{AnyId, AnyList, AnyResource, Version};
use crate::store::contract::{self, Index, Key, Run, Table};
use crate::store::failed::{Failed, Stop};
use crate::store::redb::absence::{must_be_absent, sound};
use crate::store::redb::reads::Snapshot;
use crate::store::redb::write_tables::WriteTables;
use crate::store::resources::registry::{self, entries, new_entries};
use crate::store::resources::{Answer, Page, Place, Question};
use crate::store::rules;
use crate::store::{CommitError, ReadError, storage_error};

const CONFLICT: Stop = Stop::Refused(CommitError::Conflict);

/// A resource that may be written, once its new places are found to be free.
pub struct Put<'c> {
    /// The resource.
    pub after: &'c AnyResource,
    /// Where its row is.
    pub key: Key,
    /// Its row.
    pub row: Vec<u8>,
    old: Vec<contract::Entry>,
    new: Vec<contract::Entry>,
}

/// A resource that may be taken out.
pub struct Deletion {
    /// Where its row is.
    pub key: Key,
    /// Its row.
    pub row: Vec<u8>,
    old: Vec<contract::Entry>,
}

fn stored(tables: &mut WriteTables<'_>, key: &Key) -> Result<Option<AnyResource>, Stop> {
    let row = tables.rows.open()?.get((key.table.0, key.id.as_slice()))?;
    let resource = row.map(|row| registry::decode(key.table, &key.id, row.value()));
    Ok(resource.transpose()?)
}

fn version_of(stored: Option<&AnyResource>) -> Option<Version> {
    stored.map(AnyResource::version)
}

/// A resource must follow the version that is stored.
pub fn check_put<'c>(
    tables: &mut WriteTables<'_>,
    after: &'c AnyResource,
) -> Result<Put<'c>, Stop> {
    let registry::Bytes { key, row } = registry::bytes(after)?;
    let before = stored(tables, &key)?;
    if !rules::follows(version_of(before.as_ref()), after.version()) {
        return Err(CONFLICT);
    }
    let old = before.as_ref().map(entries).unwrap_or_default();
    Ok(Put { after, key, row: row.bytes, old, new: entries(after) })
}

/// A resource goes only as it is stored.
pub fn check_delete(tables: &mut WriteTables<'_>, last: &AnyResource) -> Result<Deletion, Stop> {
    let registry::Bytes { key, row } = registry::bytes(last)?;
    let before = stored(tables, &key)?.filter(|before| before.version() == last.version());
    let old = entries(&before.ok_or(CONFLICT)?);
    Ok(Deletion { key, row: row.bytes, old })
}

/// Nobody may be at a new place of a resource.
pub fn check_free(tables: &mut WriteTables<'_>, put: &Put<'_>) -> Result<(), Stop> {
    for entry in new_entries(&put.old, &put.new) {
        if !has_fewer(tables, entry.index, &entry.place, 1)? {
            return Err(Stop::Refused(registry::taken(put.after, entry.index)));
        }
    }
    Ok(())
}

/// The resource must be at that version.
pub fn check_at(
    tables: &mut WriteTables<'_>,
    id: &AnyId,
    version: Option<Version>,
) -> Result<(), Stop> {
    let stored = stored(tables, &registry::key(id))?;
    if version_of(stored.as_ref()) == version { Ok(()) } else { Err(CONFLICT) }
}

/// There must be such a resource.
pub fn check_exists(tables: &mut WriteTables<'_>, id: &AnyId) -> Result<(), Stop> {
    if stored(tables, &registry::key(id))?.is_some() { Ok(()) } else { Err(CONFLICT) }
}

/// The list must have room.
pub fn check_room(tables: &mut WriteTables<'_>, list: &AnyList, than: u32) -> Result<(), Stop> {
    let (index, prefix) = registry::span(list);
    if has_fewer(tables, index, &prefix, than)? {
        Ok(())
    } else {
        Err(Stop::Refused(registry::full(list)))
    }
}

/// Whether fewer entries than that have places that begin so.
fn has_fewer(
    tables: &mut WriteTables<'_>,
    index: Index,
    prefix: &[u8],
    than: u32,
) -> Result<bool, Stop> {
    let mut count = 0;
    for entry in tables.entries.open()?.range((index.0, prefix)..)? {
        let (place, _) = entry?;
        let (of, place) = place.value();
        if count >= than || of != index.0 || !place.starts_with(prefix) {
            break;
        }
        count += 1;
    }
    Ok(count < than)
}

/// Writes a resource, and lets the indexes follow.
pub fn put(tables: &mut WriteTables<'_>, put: &Put<'_>) -> Result<(), Failed> {
    let Put { key, row, old, new, .. } = put;
    tables.rows.open()?.insert((key.table.0, key.id.as_slice()), row.as_slice())?;
    take_out(tables, old.iter().filter(|entry| !new.contains(entry)))?;
    for contract::Entry { index, place, value } in new_entries(old, new) {
        tables.entries.open()?.insert((index.0, place.as_slice()), value.as_slice())?;
    }
    Ok(())
}

/// Takes a resource out of its table and its indexes.
pub fn delete(tables: &mut WriteTables<'_>, deletion: &Deletion) -> Result<(), Failed> {
    let Deletion { key, old, .. } = deletion;
    tables.rows.open()?.remove((key.table.0, key.id.as_slice()))?;
    take_out(tables, old.iter())
}

fn take_out<'e>(
    tables: &mut WriteTables<'_>,
    entries: impl Iterator<Item = &'e contract::Entry>,
) -> Result<(), Failed> {
    for contract::Entry { index, place, .. } in entries {
        tables.entries.open()?.remove((index.0, place.as_slice()))?;
    }
    Ok(())
}

impl Snapshot {
    /// Answers questions about resources.
    pub fn resources(&self, questions: &[Question]) -> Result<Vec<Answer>, ReadError> {
        let answer = |question: &Question| match question {
            Question::One(id) => self.resource(&registry::key(id)).map(Answer::One),
            Question::Page(page) => self.members(page).map(Answer::Page),
        };
        questions.iter().map(answer).collect()
    }

    fn resource(&self, key: &Key) -> Result<Option<AnyResource>, ReadError> {
        let (rows, place) = (self.rows()?, (key.table.0, key.id.as_slice()));
        let Some(row) = rows.get(place).map_err(storage_error)? else {
            must_be_absent(rows, &place, |(table, id), row| {
                registry::decode(Table(table), id, row).map(drop)
            })?;
            return Ok(None);
        };
        registry::decode(key.table, &key.id, row.value()).map(Some)
    }

    fn members(&self, page: &Page) -> Result<Vec<(Place, AnyResource)>, ReadError> {
        let run = page.run();
        let (first, last) = run.bounds();
        let (first, last) = (in_index(run.index, &first), in_index(run.index, &last));
        let last = match (last, run.index.0.checked_add(1)) {
            (Bound::Unbounded, Some(next)) => Bound::Excluded((next, &[][..])),
            (last, _) => last,
        };
        let entries = |range: (Bound<_>, Bound<_>)| {
            self.entries()?.range::<(u8, &[u8])>(range).map_err(storage_error)
        };
        // Where the page begins, and where it ends, there must be nothing that has changed.
        let begin = if run.descending {
            entries((beyond(last), Bound::Unbounded))?.next()
        } else {
            entries((Bound::Unbounded, beyond(first)))?.next_back()
        };
        begin.map_or(Ok(()), |entry| self.must_lead_to_its_row(entry))?;
        let mut all = if run.descending {
            entries((Bound::Unbounded, last))?
        } else {
            entries((first, Bound::Unbounded))?
        };
        let mut members = Vec::new();
        while members.len() < run.limit {
            let Some(entry) = (if run.descending { all.next_back() } else { all.next() }) else {
                break;
            };
            let entry = entry.map_err(storage_error)?;
            let (index, place) = entry.0.value();
            if index != run.index.0 || !place.starts_with(&run.prefix) {
                self.must_lead_to_its_row(Ok(entry))?;
                break;
            }
            members.push(self.member(&run, place, entry.1.value())?);
        }
        Ok(members)
    }

    /// Fails if an entry is not what was written: see [`crate::store::redb::absence`].
    fn must_lead_to_its_row(&self, entry: Entry<'_>) -> Result<(), ReadError> {
        let (place, id) = entry.map_err(storage_error)?;
        let ((index, place), id) = (place.value(), id.value());
        let astray = || ReadError::Corrupt(format!("entries {index} {place:?}: no row has it"));
        let table = registry::owner(Index(index)).ok_or_else(astray)?;
        let row = sound(self.resource(&Key { table, id: id.to_vec() }))?;
        let Some(row) = row else { return Ok(()) };
        let is_this = |entry: &contract::Entry| entry.index.0 == index && entry.place == place;
        let is_right = row.is_some_and(|row| registry::entries(&row).iter().any(is_this));
        if is_right { Ok(()) } else { Err(astray()) }
    }

    /// The resource that an entry leads to, if it has that entry.
    fn member(
        &self,
        run: &Run,
        place: &[u8],
        key: &[u8],
    ) -> Result<(Place, AnyResource), ReadError> {
        let Index(index) = run.index;
        let astray = |why| ReadError::Corrupt(format!("entries {index} {place:?}: {why}"));
        let table = registry::owner(run.index).ok_or_else(|| astray("no such index"))?;
        let found = self.resource(&Key { table, id: key.to_vec() })?;
        let found = found.ok_or_else(|| astray("what it leads to is missing"))?;
        let is_right = |entry: &contract::Entry| entry.index == run.index && entry.place == place;
        if !entries(&found).iter().any(is_right) {
            return Err(astray("what it leads to belongs elsewhere"));
        }
        let rest = place.get(run.prefix.len()..).unwrap_or_default();
        Ok((Place(rest.to_vec()), found))
    }
}

/// An entry of the file.
type Entry<'e> =
    redb::Result<(AccessGuard<'e, (u8, &'static [u8])>, AccessGuard<'e, &'static [u8]>)>;

/// What is beyond a bound.
fn beyond<T>(bound: Bound<T>) -> Bound<T> {
    match bound {
        Bound::Included(place) => Bound::Excluded(place),
        Bound::Excluded(place) => Bound::Included(place),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn in_index(index: Index, bound: &Bound<Vec<u8>>) -> Bound<(u8, &[u8])> {
    bound.as_ref().map(|place| (index.0, place.as_slice()))
}
