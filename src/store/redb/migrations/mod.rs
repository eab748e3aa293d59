//! Bringing stores of earlier formats to the format of this release.
//!
//! A store is never changed in place. A new one is made beside it, as a draft, from what the old one
//! holds; the old one is kept under another name and the new one takes its place, which happens at
//! once or not at all. So whatever cuts it short, there is the old store, whole, or the new one. The
//! old one is only looked at: what brings it up to date after a crash stays in memory.
//!
//! Each earlier format has a folder with all it takes to read it, which uses nothing of the store that
//! may change, and stays as it is for ever.

mod format1;
#[cfg(test)]
pub(in crate::store) mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::Database;
use redb::backends::FileBackend;

use crate::private::folder_of;
use crate::store::redb::engine::fail_stop::{FailStop, Storage};
use crate::store::redb::engine::files::{self, Draft};
use crate::store::redb::engine::overlay::{Lock, Overlay};
use crate::store::redb::engine::pages::Which;
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::fill::FillError;
use crate::store::redb::open::{self, OpenError, io_error};
use crate::store::redb::tables::FORMAT;

/// Opens the store in a file, creates it if there is none, and brings it up to date if it is of an
/// earlier format.
pub fn open_file(path: &Path, cache_bytes: usize, journal_bytes: u64) -> Result<Volume, OpenError> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(io_error(folder))?;
    if !path.try_exists().map_err(io_error(path))? {
        open::create_file(path, journal_bytes)?;
    }
    let volume = open::open_existing(path, &mut open::builder(cache_bytes))?;
    let found = open::settle_format(&volume.db, path)?;
    if found == FORMAT {
        return Ok(volume);
    }
    open::close(volume)?;
    migrate_file(path, found, cache_bytes, journal_bytes)?;
    open::open_existing(path, &mut open::builder(cache_bytes))
}

/// Brings the store in a file to the format of this release. It is of an earlier one.
fn migrate_file(
    path: &Path,
    found: u64,
    cache_bytes: usize,
    journal_bytes: u64,
) -> Result<(), OpenError> {
    let kept = kept_as(path, found);
    tracing::info!(found, format = FORMAT, kept = %kept.display(), "bringing the store up to date");
    let old = File::options().read(true).write(true).open(path).map_err(io_error(path))?;
    let old = FileBackend::new(old).map_err(|error| open::database_error(path, error))?;
    let old = Overlay::new(old, Lock::Exclusive).map_err(io_error(path))?;
    let old = open::open_volume(FailStop::new(Arc::new(old)), &open::builder(cache_bytes), path)?;
    let (draft, file) = Draft::create(path).map_err(io_error(path))?;
    let file = FileBackend::new(file).map_err(|error| open::database_error(draft.path(), error))?;
    convert(&old, found, Arc::new(file), cache_bytes, journal_bytes)?;
    files::keep_as(path, &kept).map_err(io_error(&kept))?;
    draft.publish_over(path).map_err(io_error(path))?;
    tracing::info!(format = FORMAT, "the store is up to date");
    Ok(())
}

/// Where a store of an earlier format is kept.
fn kept_as(path: &Path, format: u64) -> PathBuf {
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".format-{format}"));
    PathBuf::from(kept)
}

/// Makes a store of the format of this release of one of an earlier, on what is empty. When this
/// returns, all of it is durable.
pub(in crate::store) fn convert(
    old: &Volume,
    found: u64,
    target: Arc<dyn Storage>,
    cache_bytes: usize,
    journal_bytes: u64,
) -> Result<(), OpenError> {
    // Rows had no checksums of their own once, so what has changed would be taken for sound.
    open::must_be_sound(&old.pages, Which::All, Path::new("(the old store)"))?;
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    let new = open::create_volume(FailStop::new(target), &builder, journal_bytes)?;
    let converted = match found {
        1 => format1::convert(old, &new.db),
        _ => return Err(OpenError::TooOld { found, supported: FORMAT }),
    };
    converted.map_err(|error| match error {
        FillError::Source(error) => error.into(),
        FillError::Target(failed) => OpenError::Failed(failed.0),
    })?;
    open::close(new)
}
