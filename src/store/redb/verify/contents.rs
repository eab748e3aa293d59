//! The passes in a file, for whoever looks at what they hold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::domain::Pass;
use crate::store::redb::open::{self, OpenError};
use crate::store::redb::recovery::recover;
use crate::store::redb::tables::ROWS;
use crate::store::redb::verify::CACHE_BYTES;
use crate::store::resources::KeptAs;
use crate::store::search::tombstones::POSTINGS_PER_SALE;
use crate::store::{ReadError, records, storage_error};

/// Hands on each pass in a file that no server has open. What can't be read is left to
/// [`crate::store::verify`].
///
/// # Errors
///
/// [`OpenError`] if the file can't be looked at.
pub fn each_pass(path: &Path, look: impl FnMut(Pass)) -> Result<(), OpenError> {
    // redb may panic on a file that was changed by others.
    catch_unwind(AssertUnwindSafe(|| look_through(path, look)))
        .unwrap_or_else(|_| Err(OpenError::Damaged("reading it panicked".to_owned())))
}

fn look_through(path: &Path, mut look: impl FnMut(Pass)) -> Result<(), OpenError> {
    let mut volume = open::open_to_look(path, &open::builder(CACHE_BYTES))?;
    open::must_have_format(&volume.db, path)?;
    let (snapshot, _) = recover(&mut volume, POSTINGS_PER_SALE)?;
    let rows = snapshot.table(ROWS)?;
    let table = Pass::TABLE.0;
    let passes = rows.range((table, &[][..])..(table.saturating_add(1), &[][..]));
    for row in passes.map_err(storage_error)? {
        let (key, row) = row.map_err(storage_error)?;
        match records::decode::<Pass>(key.value().1, row.value()) {
            Ok(pass) => look(pass),
            Err(ReadError::Corrupt(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
