//! Copying a store to a new file, and a copy back into its place.
//!
//! The file of a running server can't be copied as a file: it changes meanwhile and would not
//! open. So every table is copied as of one moment, which needs no pause of the server. The copy is
//! verified before it gets its name: one of a store that is damaged is none, and good backups must
//! not be rotated away for it.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, Value, WriteTransaction,
};
use thiserror::Error;

use crate::private::folder_of;
use crate::store::redb::engine::fail_stop::{FailStop, Storage};
use crate::store::redb::engine::files::{self, Draft};
use crate::store::redb::engine::journal::JOURNAL_BYTES;
use crate::store::redb::engine::pages::{Pages, Which};
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::migrations;
use crate::store::redb::open::{self, OpenError};
use crate::store::redb::recovery::recover;
use crate::store::redb::tables;
use crate::store::redb::verify::{VerifyReport, verify, verify_storage};
use crate::store::search::tombstones::POSTINGS_PER_SALE;
use crate::store::{BackupError, ReadError, storage_error};

/// How much of a disk a copy leaves free, in bytes: a store that shares it must not run out of room.
const LEFT_FREE: u64 = 64 << 20;
/// After how many rows it is looked at again.
const ROWS_PER_LOOK: usize = 10_000;
/// How much memory a copy is made with.
const CACHE_BYTES: usize = 64 << 20;

/// Why a store was not restored.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// There is a store, and restoring would replace it.
    #[error("{} exists already: move it away first", .0.display())]
    Exists(PathBuf),
    /// The backup can't be opened.
    #[error("the backup can't be used: {0}")]
    Unreadable(#[from] OpenError),
    /// The backup opens, but what it holds does not fit together.
    #[error("the backup is damaged: {} findings, the first: {}", .0.findings_total, first(.0))]
    Damaged(Box<VerifyReport>),
    /// Copying it failed.
    #[error("restoring failed: {0}")]
    Failed(String),
}

fn first(report: &VerifyReport) -> &str {
    report.findings.first().map_or("none", |finding| finding.as_str())
}

/// Copies a store that is open, and has these pages, to a new file.
pub(in crate::store) fn backup(db: &Database, pages: &Pages, to: &Path) -> Result<(), BackupError> {
    finish(to, copy(pages, to, &|target| copy_tables(db, target, Some(folder_of(to)))))
}

/// Copies a store that is open to what is empty.
pub(in crate::store) fn backup_onto(
    db: &Database,
    pages: &Pages,
    target: Arc<dyn Storage>,
) -> Result<VerifyReport, BackupError> {
    let to = Path::new("(memory)");
    let copied = || {
        fill_safely(|| copy_tables(db, target.clone(), None))?;
        let report = verify_storage(FailStop::new(target.clone()))?;
        Ok(Copied { report, damage: open::faults_told(&pages.faults(Which::All)?) })
    };
    let copied = copied();
    let report = copied.as_ref().map(|copied| copied.report.clone()).unwrap_or_default();
    finish(to, copied.and_then(must_be_whole)).map(|()| report)
}

fn must_be_whole(copied: Copied) -> Result<Copied, CopyError> {
    if copied.report.is_sound() {
        Ok(copied)
    } else {
        Err(CopyError::Damaged(Box::new(copied.report)))
    }
}

/// redb may panic on a file that was changed by others.
fn fill_safely(fill: impl FnOnce() -> Result<(), CopyError>) -> Result<(), CopyError> {
    catch_unwind(AssertUnwindSafe(fill))
        .unwrap_or_else(|_| Err(CopyError::Failed("reading the store panicked".to_owned())))
}

fn finish(to: &Path, copied: Result<Copied, CopyError>) -> Result<(), BackupError> {
    match copied {
        Ok(Copied { damage: None, .. }) => Ok(()),
        Ok(Copied { damage: Some(why), .. }) => {
            Err(BackupError::DamagedStore { to: to.to_owned(), why })
        }
        Err(CopyError::Exists) => Err(BackupError::Exists(to.to_owned())),
        Err(CopyError::Damaged(report)) => Err(BackupError::Failed(format!(
            "the store is damaged, so nothing was written: {} findings, the first: {}",
            report.findings_total,
            first(&report)
        ))),
        Err(CopyError::Failed(why)) => Err(BackupError::Failed(why)),
    }
}

/// Copies the store in a file that no server has open to a new file. The store stays as it is.
pub fn backup_file(store: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error: OpenError| match error {
        OpenError::InUse(path) => BackupError::InUse(path),
        error => BackupError::Failed(error.to_string()),
    };
    let (source, found) = open_source(store).map_err(failed)?;
    finish(to, copy_volume(&source, found, to))
}

/// Copies a backup to where a store is to be, and checks it as [`crate::store::verify`] does. The
/// backup stays as it is; one of an earlier format is brought up to date on the way.
pub fn restore(from: &Path, store: &Path) -> Result<VerifyReport, RestoreError> {
    if store.try_exists().map_err(open::io_error(store))? {
        return Err(RestoreError::Exists(store.to_owned()));
    }
    let (source, found) = open_source(from)?;
    let folder = folder_of(store);
    std::fs::create_dir_all(folder).map_err(open::io_error(folder))?;
    let copied = copy_volume(&source, found, store).map_err(|error| match error {
        CopyError::Exists => RestoreError::Exists(store.to_owned()),
        CopyError::Damaged(report) => RestoreError::Damaged(report),
        CopyError::Failed(why) => RestoreError::Failed(why),
    })?;
    if let Some(why) = copied.damage {
        tracing::warn!(%why, from = %from.display(), "the backup is damaged where no row is");
    }
    Ok(copied.report)
}

/// Opens what is to be copied, and brings it up to date in memory. Its format is told, too.
fn open_source(path: &Path) -> Result<(Volume, u64), OpenError> {
    let mut volume = open::open_to_look(path, &open::builder(CACHE_BYTES))?;
    let found = open::settle_format(&volume.db, path)?;
    if found == tables::FORMAT {
        recover(&mut volume, POSTINGS_PER_SALE)?;
    }
    Ok((volume, found))
}

fn copy_volume(source: &Volume, found: u64, to: &Path) -> Result<Copied, CopyError> {
    copy(&source.pages, to, &|target| {
        if found == tables::FORMAT {
            return copy_tables(&source.db, target, Some(folder_of(to)));
        }
        Ok(migrations::convert(source, found, target, CACHE_BYTES, JOURNAL_BYTES)?)
    })
}

/// A copy that is whole.
struct Copied {
    report: VerifyReport,
    /// What is wrong with the pages of its source. It can be where no row is, so that nothing is
    /// missing from the copy; but the source is to be replaced before it gets worse.
    damage: Option<String>,
}

enum CopyError {
    Exists,
    Damaged(Box<VerifyReport>),
    Failed(String),
}

impl<E: std::error::Error> From<E> for CopyError {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Makes a copy under another name, verifies it, and gives it its own. Whatever fails, nothing is
/// left of it.
fn copy(
    source: &Pages,
    to: &Path,
    fill: &dyn Fn(Arc<dyn Storage>) -> Result<(), CopyError>,
) -> Result<Copied, CopyError> {
    if to.try_exists()? {
        return Err(CopyError::Exists);
    }
    must_have_room(folder_of(to), source.file_len()?)?;
    let (draft, file) = Draft::create(to)?;
    let target = Arc::new(FileBackend::new(file)?);
    fill_safely(|| fill(target))?;
    let (report, damage) = (verify(draft.path())?, open::faults_told(&source.faults(Which::All)?));
    let copied = must_be_whole(Copied { report, damage })?;
    match draft.publish(to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(CopyError::Exists),
        published => {
            published?;
            Ok(copied)
        }
    }
}

/// Fails if a copy of so many bytes would fill a disk. Where it is not known how full it is, the copy
/// is tried.
fn must_have_room(folder: &Path, bytes: u64) -> Result<(), CopyError> {
    let Some(free) = files::free_space(folder) else { return Ok(()) };
    let needed = bytes.saturating_add(LEFT_FREE);
    if free >= needed {
        return Ok(());
    }
    let (needed, free) = (needed.div_ceil(1 << 20), free >> 20);
    Err(CopyError::Failed(format!(
        "{} has {free} MiB left, and {needed} MiB are needed, of which {} are left free",
        folder.display(),
        LEFT_FREE >> 20
    )))
}

/// Copies every table. The folder is where the target's disk is.
fn copy_tables(
    db: &Database,
    target: Arc<dyn Storage>,
    folder: Option<&Path>,
) -> Result<(), CopyError> {
    let source = db.begin_read()?;
    let builder = open::builder(CACHE_BYTES);
    let target = open::create_volume(FailStop::new(target), &builder, JOURNAL_BYTES)?;
    let mut txn = target.db.begin_write()?;
    txn.set_quick_repair(true);
    tables::visit(&mut Copy { from: &source, to: &txn, folder, rows: 0 })?;
    txn.commit()?;
    let copied = target.db.begin_read()?;
    tables::visit(&mut Count { left: &source, right: &copied })?;
    copied.close()?;
    Ok(open::close(target)?)
}

struct Copy<'t> {
    from: &'t ReadTransaction,
    to: &'t WriteTransaction,
    folder: Option<&'t Path>,
    rows: usize,
}

impl tables::Visitor for Copy<'_> {
    type Error = CopyError;
    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), CopyError> {
        let from = self.from.open_table(table)?;
        let mut to = self.to.open_table(table)?;
        for entry in from.iter()? {
            let (key, value) = entry?;
            to.insert(key.value(), value.value())?;
            self.rows += 1;
            if let Some(folder) = self.folder.filter(|_| self.rows.is_multiple_of(ROWS_PER_LOOK)) {
                must_have_room(folder, 0)?;
            }
        }
        Ok(())
    }
}

struct Count<'t> {
    left: &'t ReadTransaction,
    right: &'t ReadTransaction,
}

impl tables::Visitor for Count<'_> {
    type Error = ReadError;
    fn visit<K: Key + 'static, V: Value + 'static>(
        &mut self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<(), ReadError> {
        let rows = |txn: &ReadTransaction| {
            txn.open_table(table).map_err(storage_error)?.len().map_err(storage_error)
        };
        let (left, right) = (rows(self.left)?, rows(self.right)?);
        if left == right {
            return Ok(());
        }
        let why = format!("{table}: {right} rows were copied of {left}");
        Err(ReadError::Corrupt(why))
    }
}
