//! Opening a store's file: creating it, refusing what it is not, bringing it up to date.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, Key, ReadableDatabase, ReadableTableMetadata, TableDefinition,
    TableError, Value, WriteTransaction,
};
use thiserror::Error;

use crate::store::redb::apply::Tally;
use crate::store::redb::engine::files;
use crate::store::redb::engine::latch::{Latch, Storage};
use crate::store::redb::engine::volume::{Volume, VolumeError};
use crate::store::redb::log;
use crate::store::redb::open_orders::Openings;
use crate::store::redb::reads::Snapshot;
use crate::store::redb::tables::{self, EVENTS, FORMAT, FORMAT_KEY, META, UNSETTLED};
use crate::store::search::lingering::{Lingering, Sweep};
use crate::store::{ReadError, storage_error};

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
pub fn open_file(path: &Path, cache_bytes: usize, journal_bytes: u64) -> Result<Volume, OpenError> {
    let draft = files::draft_of(path);
    let folder = files::folder_of(path);
    fs::create_dir_all(folder).map_err(io_error(folder))?;
    files::remove_draft(&draft).map_err(io_error(&draft))?;
    if !path.try_exists().map_err(io_error(path))? {
        create_file(&draft, journal_bytes)?;
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
fn create_file(draft: &Path, journal_bytes: u64) -> Result<(), OpenError> {
    let volume = create_draft(draft, journal_bytes)?;
    create_tables(&volume.db)?;
    close(volume)
}

/// Creates a volume, without tables, under a name that is free.
pub fn create_draft(draft: &Path, journal_bytes: u64) -> Result<Volume, OpenError> {
    let file = files::create_draft(draft).map_err(io_error(draft))?;
    let file = FileBackend::new(file).map_err(|error| database_error(draft, error))?;
    let storage = Latch::new(Arc::new(file));
    let volume = Volume::create(storage, journal_bytes, &Database::builder());
    volume.map_err(|error| volume_error(draft, error))
}

pub(in crate::store) fn open_and_migrate(
    path: &Path,
    cache_bytes: usize,
    format: u64,
    migrations: &[Migration],
) -> Result<Volume, OpenError> {
    let volume = open_existing(path, &mut builder(cache_bytes))?;
    let found = read_format(&volume.db, path)?;
    if found == format {
        return Ok(volume);
    }
    check_format(found, format)?;
    must_be_at_rest(&volume, path)?;
    // The file is copied while nobody has it open; a copy of one in use would not open.
    close(volume)?;
    let mut backup = path.as_os_str().to_owned();
    backup.push(format!(".format-{found}"));
    let (backup, draft) = (PathBuf::from(backup), files::draft_of(path));
    fs::copy(path, &draft).map_err(io_error(&draft))?;
    files::publish_over(&draft, &backup).map_err(io_error(&backup))?;
    tracing::info!(found, format, backup = %backup.display(), "bringing the store up to date");
    let volume = open_existing(path, &mut builder(cache_bytes))?;
    migrate(&volume.db, found, format, migrations)?;
    Ok(volume)
}

/// The journal of another format can't be read, so there must be nothing in it.
pub fn must_be_at_rest(volume: &Volume, path: &Path) -> Result<(), OpenError> {
    let batch = Snapshot::of(&volume.db, Arc::default(), Lingering::default())?.batch()?;
    if volume.journal.holds_after(batch).map_err(io_error(path))? {
        let why = "it was not stopped cleanly: start the release that wrote it and stop that";
        return Err(OpenError::Failed(why.to_owned()));
    }
    Ok(())
}

/// Opens a file that must be there and be a store. What its journal holds is not in the database
/// yet: see [`crate::store::redb::recovery`].
pub fn open_existing(path: &Path, builder: &mut redb::Builder) -> Result<Volume, OpenError> {
    let file = File::options().read(true).write(true).open(path).map_err(io_error(path))?;
    let through = files::open_through(&file);
    let file = FileBackend::new(file).map_err(|error| database_error(path, error))?;
    open_volume(Latch::with_through(Arc::new(file), through), builder, path)
}

fn open_volume(storage: Latch, builder: &redb::Builder, path: &Path) -> Result<Volume, OpenError> {
    // redb may panic on a file that was changed by others.
    match catch_unwind(AssertUnwindSafe(|| Volume::open(storage, builder))) {
        Ok(opened) => opened.map_err(|error| volume_error(path, error)),
        Err(_) => Err(OpenError::Damaged("reading it panicked".to_owned())),
    }
}

/// Opens what is not a file: creates the tables if it is empty, and brings it up to date
/// otherwise.
pub fn open_backend(
    storage: Arc<dyn Storage>,
    cache_bytes: usize,
    journal_bytes: u64,
) -> Result<Volume, OpenError> {
    let path = Path::new("(memory)");
    let builder = builder(cache_bytes);
    let is_empty = storage.len().map_err(io_error(path))? == 0;
    let storage = Latch::new(storage);
    if is_empty {
        let volume = Volume::create(storage, journal_bytes, &builder);
        let volume = volume.map_err(|error| volume_error(path, error))?;
        create_tables(&volume.db)?;
        return Ok(volume);
    }
    let volume = open_volume(storage, &builder, path)?;
    let found = read_format(&volume.db, path)?;
    check_format(found, FORMAT)?;
    if found < FORMAT {
        must_be_at_rest(&volume, path)?;
        migrate(&volume.db, found, FORMAT, MIGRATIONS)?;
    }
    Ok(volume)
}

/// A database whose cache takes so much memory. redb counts the bytes of the pages that it keeps, but
/// each is an allocation with a few bytes more than a power of two, for which the allocator sets
/// aside a quarter more.
fn builder(cache_bytes: usize) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes - cache_bytes / 5);
    builder
}

/// Closes a volume so that its file can be handled.
pub fn close(volume: Volume) -> Result<(), OpenError> {
    volume.db.close().map_err(|error| OpenError::Failed(error.to_string()))
}

fn volume_error(path: &Path, error: VolumeError) -> OpenError {
    match error {
        VolumeError::Foreign => OpenError::NotAStore(path.to_owned()),
        VolumeError::Io(error) => io_error(path)(error),
        VolumeError::Database(error) => database_error(path, error),
    }
}

/// What redb says when opening `path`, in our words.
pub fn database_error(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse(path.to_owned())
        }
        DatabaseError::UpgradeRequired(_) => OpenError::NotAStore(path.to_owned()),
        DatabaseError::Storage(redb::StorageError::Corrupted(why)) => OpenError::Damaged(why),
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() == ErrorKind::InvalidData =>
        {
            OpenError::Damaged(error.to_string())
        }
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
pub fn read_tally(snapshot: &Snapshot, postings_per_sale: usize) -> Result<Tally, ReadError> {
    let batch = snapshot.batch()?;
    Ok(Tally {
        openings: Openings::default(),
        sweep: Sweep::new(snapshot.lingering().clone(), snapshot.round()?, postings_per_sale),
        rows: Arc::default(),
        changed: Vec::new(),
        gaps: Arc::default(),
        appeared: Vec::new(),
        unsettled: snapshot.table(UNSETTLED)?.len().map_err(storage_error)?,
        last_seq: log::last_seq(&snapshot.table(EVENTS)?)?,
        batch,
    })
}
