//! Opening a store's file: creating it, refusing what it is not, bringing it up to date.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, Key, ReadableDatabase, ReadableTableMetadata, TableDefinition,
    TableError, Value, WriteTransaction,
};
use thiserror::Error;

use super::apply::Tally;
use super::reads::Snapshot;
use super::tables::{self, EVENTS, FORMAT, FORMAT_KEY, META, UNSETTLED};
use super::{ReadError, files, log, storage_error};

/// What a redb file starts with.
const REDB_MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has the file open.
    #[error("{} is in use: another gittix server or tool has it open", .0.display())]
    InUse(PathBuf),
    /// A later release wrote the file.
    #[error(
        "the store has format {found}, and this release reads formats up to {supported}: \
         start the release that wrote it, or a later one"
    )]
    Newer {
        /// The format of the file.
        found: u64,
        /// The latest format this release knows.
        supported: u64,
    },
    /// No release of this line can bring the file up to date.
    #[error("the store has format {found}, and this release can't bring it to {supported}")]
    TooOld {
        /// The format of the file.
        found: u64,
        /// The format of this release.
        supported: u64,
    },
    /// The file is something else.
    #[error("{} is not a gittix store", .0.display())]
    NotAStore(PathBuf),
    /// The file was a store once, but its bytes have changed since.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The file or its folder could not be made or read.
    #[error("{}: {error}", path.display())]
    Io {
        /// What could not be read or written.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database failed.
    #[error("the store can't be opened: {0}")]
    Failed(String),
}

/// Turns what a file operation on `path` failed of into an [`OpenError`].
pub fn io_error(path: &Path) -> impl Fn(std::io::Error) -> OpenError + '_ {
    move |error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::InUse(path.to_owned()),
        _ => OpenError::Io { path: path.to_owned(), error },
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(why) => Self::Failed(why),
            ReadError::Corrupt(why) => Self::Damaged(why),
        }
    }
}

/// A step that brings the store from one format to the next.
pub struct Migration {
    /// The format it starts from.
    pub from: u64,
    /// What it does.
    pub run: fn(&WriteTransaction) -> Result<(), ReadError>,
}

/// Every step from the first format to [`FORMAT`].
const MIGRATIONS: &[Migration] = &[];

/// Opens the store in a file, and creates it if there is none.
pub fn open_file(path: &Path, cache_bytes: usize) -> Result<Database, OpenError> {
    let draft = files::draft_of(path);
    let folder = files::folder_of(path);
    fs::create_dir_all(folder).map_err(io_error(folder))?;
    files::remove_draft(&draft).map_err(io_error(&draft))?;
    if !path.try_exists().map_err(io_error(path))? {
        create_file(&draft)?;
        match files::publish(&draft, path) {
            // Somebody else was faster; what they made is as good.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                files::remove_draft(&draft).map_err(io_error(&draft))?;
            }
            published => published.map_err(io_error(path))?,
        }
    }
    open_and_migrate(path, cache_bytes, FORMAT, MIGRATIONS)
}

/// Creates an empty store. A power cut meanwhile can leave a file that does not open, so this
/// is done under another name than the store's.
fn create_file(draft: &Path) -> Result<(), OpenError> {
    files::create_draft(draft).map_err(io_error(draft))?;
    let db = Database::builder().create(draft).map_err(|error| database_error(draft, error))?;
    create_tables(&db)?;
    close(db)
}

pub(super) fn open_and_migrate(
    path: &Path,
    cache_bytes: usize,
    format: u64,
    migrations: &[Migration],
) -> Result<Database, OpenError> {
    let db = open_existing(path, Database::builder().set_cache_size(cache_bytes))?;
    let found = read_format(&db, path)?;
    if found == format {
        return Ok(db);
    }
    check_format(found, format)?;
    // The file is copied while nobody has it open; a copy of one in use would not open.
    close(db)?;
    let mut backup = path.as_os_str().to_owned();
    backup.push(format!(".format-{found}"));
    let (backup, draft) = (PathBuf::from(backup), files::draft_of(path));
    fs::copy(path, &draft).map_err(io_error(&draft))?;
    files::publish_over(&draft, &backup).map_err(io_error(&backup))?;
    tracing::info!(found, format, backup = %backup.display(), "bringing the store up to date");
    let db = open_existing(path, Database::builder().set_cache_size(cache_bytes))?;
    migrate(&db, found, format, migrations)?;
    Ok(db)
}

/// Opens a file that must be there and be a redb file.
pub fn open_existing(path: &Path, builder: &mut redb::Builder) -> Result<Database, OpenError> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(io_error(path))?;
    file.take(REDB_MAGIC.len() as u64).read_to_end(&mut start).map_err(io_error(path))?;
    if start != REDB_MAGIC {
        return Err(OpenError::NotAStore(path.to_owned()));
    }
    // redb may panic on a file that was changed by others.
    match catch_unwind(AssertUnwindSafe(|| builder.open(path))) {
        Ok(opened) => opened.map_err(|error| database_error(path, error)),
        Err(_) => Err(OpenError::Damaged("reading it panicked".to_owned())),
    }
}

/// Prepares a database that is not a file: creates the tables if it is new, and brings it up
/// to date otherwise.
pub fn prepare(db: &Database) -> Result<(), OpenError> {
    let txn = db.begin_read().map_err(storage_error)?;
    let is_new = txn.list_tables().map_err(storage_error)?.next().is_none();
    drop(txn);
    if is_new {
        return create_tables(db);
    }
    let found = read_format(db, Path::new("(memory)"))?;
    check_format(found, FORMAT)?;
    migrate(db, found, FORMAT, MIGRATIONS)
}

/// Closes a database so that its file can be handled.
pub fn close(db: Database) -> Result<(), OpenError> {
    db.close().map_err(|error| OpenError::Failed(error.to_string()))
}

/// What redb says when opening `path`, in our words.
pub fn database_error(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse(path.to_owned())
        }
        DatabaseError::UpgradeRequired(_) => OpenError::NotAStore(path.to_owned()),
        DatabaseError::Storage(redb::StorageError::Corrupted(why)) => OpenError::Damaged(why),
        DatabaseError::Storage(redb::StorageError::Io(error)) => io_error(path)(error),
        other => OpenError::Failed(other.to_string()),
    }
}

fn create_tables(db: &Database) -> Result<(), OpenError> {
    struct Create<'t>(&'t WriteTransaction);
    impl tables::Visitor for Create<'_> {
        type Error = ReadError;
        fn visit<K: Key + 'static, V: Value + 'static>(
            &mut self,
            table: TableDefinition<'static, K, V>,
        ) -> Result<(), ReadError> {
            self.0.open_table(table).map(|_| ()).map_err(storage_error)
        }
    }

    let mut txn = db.begin_write().map_err(storage_error)?;
    txn.set_quick_repair(true);
    tables::visit(&mut Create(&txn))?;
    set_format(&txn, FORMAT)?;
    txn.commit().map_err(storage_error)?;
    Ok(())
}

fn set_format(txn: &WriteTransaction, format: u64) -> Result<(), ReadError> {
    let mut meta = txn.open_table(META).map_err(storage_error)?;
    meta.insert(FORMAT_KEY, format).map_err(storage_error)?;
    Ok(())
}

/// The format a file says it has.
pub fn read_format(db: &impl ReadableDatabase, path: &Path) -> Result<u64, OpenError> {
    let txn = db.begin_read().map_err(storage_error)?;
    let not_a_store = || OpenError::NotAStore(path.to_owned());
    let meta = match txn.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(storage_error(error).into()),
        Err(_) => return Err(not_a_store()),
    };
    let format = meta.get(FORMAT_KEY).map_err(storage_error)?;
    format.map(|format| format.value()).ok_or_else(not_a_store)
}

/// Refuses what a later release wrote.
pub fn check_format(found: u64, supported: u64) -> Result<(), OpenError> {
    if found > supported { Err(OpenError::Newer { found, supported }) } else { Ok(()) }
}

/// Runs every step from `found` to `format` in one transaction.
fn migrate(
    db: &Database,
    found: u64,
    format: u64,
    migrations: &[Migration],
) -> Result<(), OpenError> {
    if found == format {
        return Ok(());
    }
    let mut txn = db.begin_write().map_err(storage_error)?;
    txn.set_quick_repair(true);
    for from in found..format {
        let step = migrations.iter().find(|step| step.from == from);
        let step = step.ok_or(OpenError::TooOld { found, supported: format })?;
        (step.run)(&txn)?;
    }
    set_format(&txn, format)?;
    txn.commit().map_err(storage_error)?;
    Ok(())
}

/// Learns what the writer knows by heart.
pub fn read_tally(snapshot: &Snapshot) -> Result<Tally, ReadError> {
    Ok(Tally {
        unsettled: snapshot.table(UNSETTLED)?.len().map_err(storage_error)?,
        last_seq: log::last_seq(&snapshot.table(EVENTS)?)?,
        ..Tally::default()
    })
}
