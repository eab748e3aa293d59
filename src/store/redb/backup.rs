//! Copying a store to a new file, and a copy back into its place.
//!
//! The file of a running server can't be copied as a file: it changes meanwhile and would not
//! open. So every table is copied as of one moment, which needs no pause of the server.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, Value, WriteTransaction,
};
use thiserror::Error;

use crate::store::redb::engine::files;
use crate::store::redb::open::{self, OpenError};
use crate::store::redb::recovery::recover;
use crate::store::redb::redb_store::JOURNAL_BYTES;
use crate::store::redb::tables;
use crate::store::redb::verify::{self, VerifyReport};
use crate::store::search::lingering::POSTINGS_PER_SALE;
use crate::store::{BackupError, ReadError, storage_error};

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

/// Copies a store that is open to a new file.
pub(in crate::store) fn backup(db: &Database, to: &Path) -> Result<(), BackupError> {
    let copied = copy(db, to);
    copied.map_err(|error| match error {
        CopyError::Exists => BackupError::Exists(to.to_owned()),
        CopyError::Failed(why) => BackupError::Failed(why),
    })
}

/// Copies the store in a file that no server has open to a new file.
pub fn backup_file(store: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error: OpenError| match error {
        OpenError::InUse(path) => BackupError::InUse(path),
        error => BackupError::Failed(error.to_string()),
    };
    let mut volume = open::open_existing(store, &mut Database::builder()).map_err(failed)?;
    let found = open::read_format(&volume.db, store).map_err(failed)?;
    open::check_format(found, tables::FORMAT).map_err(failed)?;
    if found == tables::FORMAT {
        recover(&mut volume, POSTINGS_PER_SALE).map_err(failed)?;
    } else {
        open::must_be_at_rest(&volume, store).map_err(failed)?;
    }
    backup(&volume.db, to)
}

/// Copies a backup to where a store is to be, after checking it as [`verify::verify`] does. What
/// the backup holds stays as it is.
pub fn restore(from: &Path, store: &Path) -> Result<VerifyReport, RestoreError> {
    if store.try_exists().map_err(open::io_error(store))? {
        return Err(RestoreError::Exists(store.to_owned()));
    }
    let report = verify::verify(from)?;
    if report.findings_total > 0 {
        return Err(RestoreError::Damaged(Box::new(report)));
    }
    let folder = files::folder_of(store);
    std::fs::create_dir_all(folder).map_err(open::io_error(folder))?;
    let mut volume = open::open_existing(from, &mut Database::builder())?;
    recover(&mut volume, POSTINGS_PER_SALE)?;
    copy(&volume.db, store).map_err(|error| match error {
        CopyError::Exists => RestoreError::Exists(store.to_owned()),
        CopyError::Failed(why) => RestoreError::Failed(why),
    })?;
    Ok(report)
}

enum CopyError {
    Exists,
    Failed(String),
}

impl<E: std::error::Error> From<E> for CopyError {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

fn copy(db: &Database, to: &Path) -> Result<(), CopyError> {
    if to.try_exists()? {
        return Err(CopyError::Exists);
    }
    let draft = files::draft_of(to);
    files::remove_draft(&draft)?;
    let source = db.begin_read()?;
    copy_tables(&source, &draft)?;
    check_copy(&source, &draft)?;
    match files::publish(&draft, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(CopyError::Exists),
        published => Ok(published?),
    }
}

fn copy_tables(source: &ReadTransaction, draft: &Path) -> Result<(), CopyError> {
    struct Copy<'t> {
        from: &'t ReadTransaction,
        to: &'t WriteTransaction,
    }
    impl tables::Visitor for Copy<'_> {
        type Error = ReadError;
        fn visit<K: Key + 'static, V: Value + 'static>(
            &mut self,
            table: TableDefinition<'static, K, V>,
        ) -> Result<(), ReadError> {
            let from = self.from.open_table(table).map_err(storage_error)?;
            let mut to = self.to.open_table(table).map_err(storage_error)?;
            for entry in from.iter().map_err(storage_error)? {
                let (key, value) = entry.map_err(storage_error)?;
                to.insert(key.value(), value.value()).map_err(storage_error)?;
            }
            Ok(())
        }
    }

    let target = open::create_draft(draft, JOURNAL_BYTES)?;
    let mut txn = target.db.begin_write()?;
    txn.set_quick_repair(true);
    tables::visit(&mut Copy { from: source, to: &txn })?;
    txn.commit()?;
    Ok(open::close(target)?)
}

/// Opens the copy as a server would, checks every page of it, and counts its rows.
fn check_copy(source: &ReadTransaction, draft: &Path) -> Result<(), CopyError> {
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

    let mut builder = Database::builder();
    let volume = open::open_existing(draft, builder.set_check_integrity_on_open(true))?;
    let copied = volume.db.begin_read()?;
    tables::visit(&mut Count { left: source, right: &copied })?;
    copied.close()?;
    Ok(open::close(volume)?)
}
