//! Whether what was not found is not there.
//!
//! A search in a leaf ends between two neighbours. If a key of the leaf has changed, what is looked for
//! may stand elsewhere in it, or may have become another. But then one of the neighbours is wrong: it
//! was compared on the way, and it is what led astray. So whoever finds nothing looks at both. That
//! the search came to the right leaf is known, for the pages that lead to leaves are looked at when
//! the store is opened.

use std::cmp::Ordering;

use redb::{Key, ReadableTable, Value};

use crate::store::records::{self, Entry, Indexed, Record};
use crate::store::{ReadError, storage_error};

/// Fails if what was not found under a key may have been there. `is_sound` fails for a neighbour that
/// is not what was written.
pub fn must_be_absent<'k, K: Key + 'static, V: Value + 'static>(
    table: &impl ReadableTable<K, V>,
    key: &'k K::SelfType<'k>,
    is_sound: impl Fn(K::SelfType<'_>, V::SelfType<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let before = table.range::<&K::SelfType<'k>>(..key).map_err(storage_error)?.next_back();
    let after = table.range::<&K::SelfType<'k>>(key..).map_err(storage_error)?.next();
    for (neighbour, expected) in [(before, Ordering::Less), (after, Ordering::Greater)] {
        let Some((found, value)) = neighbour.transpose().map_err(storage_error)? else { continue };
        let is_beside = {
            let found = found.value();
            let (found, wanted) = (K::as_bytes(&found), K::as_bytes(key));
            K::compare(found.as_ref(), wanted.as_ref()) == expected
        };
        if !is_beside {
            return Err(ReadError::Corrupt("rows of a table are out of order".to_owned()));
        }
        is_sound(found.value(), value.value())?;
    }
    Ok(())
}

/// The same for a row with an id.
pub fn no_such_row<T: Record>(
    table: &impl ReadableTable<u128, &'static [u8]>,
    id: u128,
) -> Result<(), ReadError> {
    must_be_absent(table, &id, |id, row| records::decode::<T>(id, row).map(drop))
}

/// The same for an index, whose entries have no checksums: a neighbour is sound if the record that it
/// leads to has it.
pub fn no_such_entry<T: Record + Indexed>(
    index: &impl ReadableTable<&'static str, u128>,
    owners: &impl ReadableTable<u128, &'static [u8]>,
    place: &str,
    entry: impl Fn(&str, u128) -> Entry<'_>,
) -> Result<(), ReadError> {
    must_be_absent(index, &place, |place, id| {
        let row = owners.get(id).map_err(storage_error)?;
        let owner = sound(row.map(|row| records::decode::<T>(id, row.value())).transpose())?;
        // If the owner is damaged, its entry is taken at its word: nobody else is to stop for that.
        let Some(owner) = owner else { return Ok(()) };
        let entry = entry(place, id);
        if owner.is_some_and(|owner| owner.entries().contains(&entry)) {
            return Ok(());
        }
        Err(ReadError::Corrupt(format!("{entry}: it belongs to no record")))
    })
}

/// What was read; `None` if it is damaged.
pub fn sound<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ReadError::Corrupt(_)) => Ok(None),
        Err(error @ (ReadError::Storage(_) | ReadError::Unavailable(_))) => Err(error),
    }
}
