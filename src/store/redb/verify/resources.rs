//! Resources that are kept alike: each can be read and has its entries, and there are no others.

use redb::{ReadableTable as _, ReadableTableMetadata as _};

use crate::store::contract::{Entry, Index, Table};
use crate::store::redb::tables::{ENTRIES, ROWS};
use crate::store::redb::verify::Inspection;
use crate::store::resources::registry;
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let (rows, entries) = (inspection.table(ROWS)?, inspection.table(ENTRIES)?);
    let mut implied = 0;
    for row in rows.iter().map_err(storage_error)? {
        let (key, row) = row.map_err(storage_error)?;
        let (table, id) = key.value();
        let decoded = registry::decode(Table(table), id, row.value());
        let Some(resource) = inspection.sound(decoded)? else { continue };
        for Entry { index, place, value } in registry::entries(&resource) {
            implied += 1;
            let found = entries.get((index.0, place.as_slice())).map_err(storage_error)?;
            let is_there = found.as_ref().is_some_and(|found| found.value() == value);
            inspection.expect(is_there, || {
                let what = if found.is_some() { "another's" } else { "missing" };
                format!("entries {} {place:?}: it is {what}", index.0)
            });
        }
    }
    // An index that has no more entries than are implied has no others.
    if entries.len().map_err(storage_error)? == implied {
        return Ok(());
    }
    for entry in entries.iter().map_err(storage_error)? {
        let (place, id) = entry.map_err(storage_error)?;
        let ((index, place), id) = (place.value(), id.value());
        let owner = registry::owner(Index(index));
        let row = match owner {
            Some(table) => rows.get((table.0, id)).map_err(storage_error)?,
            None => None,
        };
        let implies = |row: redb::AccessGuard<'_, &'static [u8]>| {
            let resource = registry::decode(owner.unwrap_or(Table(0)), id, row.value());
            let is_this = |entry: &Entry| entry.index.0 == index && entry.place == place;
            resource.is_ok_and(|resource| registry::entries(&resource).iter().any(is_this))
        };
        let is_implied = row.is_some_and(implies);
        inspection.expect(is_implied, || format!("entries {index} {place:?}: no row has it"));
    }
    Ok(())
}
