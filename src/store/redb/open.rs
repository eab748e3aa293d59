//! Opening a store's file: creating it, refusing what it is not, bringing it up to date.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, Key, ReadableDatabase, ReadableTableMetadata, TableDefinition,
    TableError, TableHandle as _, Value, WriteTransaction,
};
use thiserror::Error;

use crate::domain::Currency;
use crate::store::records;
use crate::store::records::state::names;
use crate::store::redb::engine::fail_stop::{FailStop, Storage};
use crate::store::redb::engine::files::{self, Draft};
use crate::store::redb::engine::overlay::{Lock, Overlay};
use crate::store::redb::engine::pages::{Pages, Which};
use crate::store::redb::engine::volume::{Volume, VolumeError};
use crate::store::redb::log;
use crate::store::redb::open_orders::Openings;
use crate::store::redb::reads::Snapshot;
use crate::store::redb::stock::{self, StockChanges};
use crate::store::redb::tables::{
    self, DEADLINES, EVENTS, FORMAT, FORMAT_KEY, FORMAT_WITH_FEWER_TABLES,
    FORMAT_WITHOUT_LISTS_OF_SHOWS, META, STATE, TOMBSTONES, UNSETTLED,
};
use crate::store::redb::writer_state::WriterState;
use crate::store::search::tombstones::Sweep;
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
    /// An earlier release wrote the file, and it is not brought up to date here.
    #[error(
        "the store has format {found}, and this command reads format {supported}: a server of this \
         release brings it up to date when it starts"
    )]
    TooOld {
        /// The format of the file.
        found: u64,
        /// The format of this release.
        supported: u64,
    },
    /// The prices in the file are in another currency than the server is to sell in.
    #[error(
        "payments.currency is {asked:?}, but the prices in {} are in {kept:?}: set payments.currency \
         = {kept:?}, or store.path to a new file for a market in {asked:?}",
        path.display()
    )]
    OtherCurrency {
        /// The file.
        path: PathBuf,
        /// The currency it was begun with.
        kept: String,
        /// The currency that was asked for.
        asked: String,
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
            ReadError::Storage(why) | ReadError::Unavailable(why) => Self::Failed(why),
            ReadError::Corrupt(why) => Self::Damaged(why),
        }
    }
}

/// Creates an empty store. A power cut meanwhile can leave a file that does not open, so this
/// is done under another name than the store's.
pub fn create_file(path: &Path, journal_bytes: u64) -> Result<(), OpenError> {
    let (draft, file) = Draft::create(path).map_err(io_error(path))?;
    let file = FileBackend::new(file).map_err(|error| database_error(draft.path(), error))?;
    let storage = FailStop::new(Arc::new(file));
    close(create_volume(storage, &Database::builder(), journal_bytes)?)?;
    match draft.publish(path) {
        // Somebody else was faster; what they made is as good.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        published => published.map_err(io_error(path)),
    }
}

/// Makes an empty store of what is empty.
pub fn create_volume(
    storage: FailStop,
    builder: &redb::Builder,
    journal_bytes: u64,
) -> Result<Volume, OpenError> {
    let volume = Volume::create(storage, journal_bytes, builder);
    let volume = volume.map_err(|error| volume_error(Path::new("(new)"), error))?;
    create_tables(&volume.db, |_| Ok(()))?;
    Ok(volume)
}

/// Opens a file that must be there and be a store. What its journal holds is not in the database
/// yet: see [`crate::store::redb::recovery`].
pub fn open_existing(path: &Path, builder: &mut redb::Builder) -> Result<Volume, OpenError> {
    let file = File::options().read(true).write(true).open(path).map_err(io_error(path))?;
    let through = files::open_through(&file);
    let file = FileBackend::new(file).map_err(|error| database_error(path, error))?;
    open_volume(FailStop::with_through(Arc::new(file), through), builder, path)
}

/// Opens a file to look at it: what is written to it stays in memory, so it may be on a medium that
/// can't be written to. Others may look as well, but no server can have it open.
pub fn open_to_look(path: &Path, builder: &redb::Builder) -> Result<Volume, OpenError> {
    open_volume(storage_to_look_at(path)?, builder, path)
}

/// The pages of a file to look at, whose database need not open.
pub fn pages_to_look_at(path: &Path) -> Result<Pages, OpenError> {
    Volume::pages_of(storage_to_look_at(path)?).map_err(|error| volume_error(path, error))
}

fn storage_to_look_at(path: &Path) -> Result<FailStop, OpenError> {
    // A pipe would be waited for.
    if !fs::metadata(path).map_err(io_error(path))?.is_file() {
        return Err(OpenError::NotAStore(path.to_owned()));
    }
    let file = File::open(path).map_err(io_error(path))?;
    let file = FileBackend::new(file).map_err(|error| database_error(path, error))?;
    let file = Overlay::new(file, Lock::Shared).map_err(io_error(path))?;
    Ok(FailStop::new(Arc::new(file)))
}

/// Opens what may be a store.
pub fn open_volume(
    storage: FailStop,
    builder: &redb::Builder,
    path: &Path,
) -> Result<Volume, OpenError> {
    // redb may panic on a file that was changed by others.
    match catch_unwind(AssertUnwindSafe(|| Volume::open(storage, builder))) {
        Ok(opened) => opened.map_err(|error| volume_error(path, error)),
        Err(_) => Err(OpenError::Damaged("reading it panicked".to_owned())),
    }
}

/// Opens what is not a file, and creates the tables if it is empty. There is no room in it for a second
/// store, so one of an earlier format stays what it is.
pub fn open_backend(
    storage: Arc<dyn Storage>,
    cache_bytes: usize,
    journal_bytes: u64,
) -> Result<Volume, OpenError> {
    let path = Path::new("(memory)");
    let builder = builder(cache_bytes);
    let is_empty = storage.len().map_err(io_error(path))? == 0;
    let storage = FailStop::new(storage);
    if is_empty {
        return create_volume(storage, &builder, journal_bytes);
    }
    let volume = open_volume(storage, &builder, path)?;
    must_have_format(&volume.db, path)?;
    Ok(volume)
}

/// Refuses what has another format than this release's, or grows into it.
pub fn must_have_format(db: &Database, path: &Path) -> Result<(), OpenError> {
    let found = settle_format(db, path)?;
    if found < FORMAT {
        return Err(OpenError::TooOld { found, supported: FORMAT });
    }
    Ok(())
}

/// The format of a store, once it has grown into this release's if it only lacks tables that are empty
/// at first, or entries of indexes. They and the number of the format are there at once or not at all,
/// and no row that was there changes, so the journal is still what follows. Where the file is only looked at, all that is in
/// memory. A later format than this release's is refused.
pub fn settle_format(db: &Database, path: &Path) -> Result<u64, OpenError> {
    let found = read_format(db, path)?;
    check_format(found, FORMAT)?;
    match found {
        FORMAT_WITH_FEWER_TABLES => create_tables(db, |_| Ok(()))?,
        FORMAT_WITHOUT_LISTS_OF_SHOWS => {
            let rows = Snapshot::of_file(db)?;
            create_tables(db, |txn| stock::list_anew(&rows, txn))?;
        }
        other => return Ok(other),
    }
    Ok(FORMAT)
}

/// A database whose cache takes so much memory. redb counts the bytes of the pages that it keeps, but
/// each is an allocation with a few bytes more than a power of two, for which the allocator sets
/// aside a quarter more.
pub fn builder(cache_bytes: usize) -> redb::Builder {
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
        VolumeError::Damaged(why) => OpenError::Damaged(why),
        VolumeError::Io(error) => io_error(path)(error),
        VolumeError::Database(error) => database_error(path, error),
    }
}

/// Refuses a store in which a page that leads to others has changed: rows would be missing behind it,
/// or others found in their places, and nobody could tell. So are those refused that decide what is
/// done at the start. The other rows are looked at when they are read.
pub fn must_lead_to_rows(pages: &Pages, path: &Path) -> Result<(), OpenError> {
    let (meta, state, tombstones) = (META.name(), STATE.name(), TOMBSTONES.name());
    let at_the_start = [meta, state, tombstones, DEADLINES.name(), UNSETTLED.name()];
    must_be_sound(pages, Which::Leading(&at_the_start), path).map_err(|error| match error {
        OpenError::Damaged(why) => {
            OpenError::Damaged(format!("{why}; `gittix restore` makes it anew from a backup"))
        }
        error => error,
    })
}

/// Refuses a store of which such a page has changed.
pub fn must_be_sound(pages: &Pages, which: Which<'_>, path: &Path) -> Result<(), OpenError> {
    match faults_told(&pages.faults(which).map_err(io_error(path))?) {
        Some(told) => Err(OpenError::Damaged(told)),
        None => Ok(()),
    }
}

/// Faults in one sentence, if there are any.
pub fn faults_told(faults: &[String]) -> Option<String> {
    let first = faults.first()?;
    Some(match faults.len() {
        1 => first.clone(),
        count => format!("{first}, and so have {} more", count - 1),
    })
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

/// Creates the tables that are missing, and puts in what is missing there.
fn create_tables(
    db: &Database,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), ReadError>,
) -> Result<(), OpenError> {
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
    fill(&txn)?;
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

/// Keeps the currency of a store that is begun with it, and refuses another. A store of an earlier
/// format has the one of its newest ticket.
pub fn keep_currency(
    volume: &Volume,
    snapshot: &Snapshot,
    currency: Currency,
    path: &Path,
) -> Result<(), OpenError> {
    match snapshot.state::<Currency>(names::CURRENCY)? {
        Some(kept) if kept == currency => return Ok(()),
        Some(kept) => {
            let (kept, asked) = (kept.to_string(), currency.to_string());
            return Err(OpenError::OtherCurrency { path: path.to_owned(), kept, asked });
        }
        None => {}
    }
    let row = records::encode(names::CURRENCY, &currency)?;
    let mut txn = volume.db.begin_write().map_err(storage_error)?;
    txn.set_quick_repair(true);
    let mut state = txn.open_table(STATE).map_err(storage_error)?;
    state.insert(names::CURRENCY, row.as_slice()).map_err(storage_error)?;
    drop(state);
    txn.commit().map_err(storage_error)?;
    Ok(())
}

/// Learns the state of the writer from the tables.
pub fn read_state(snapshot: &Snapshot, postings_per_sale: usize) -> Result<WriterState, ReadError> {
    let batch = snapshot.batch()?;
    Ok(WriterState {
        openings: Openings::default(),
        sweep: Sweep::new(
            snapshot.tombstones().clone(),
            snapshot.round_or_first()?,
            postings_per_sale,
        ),
        rows: Arc::default(),
        changed: Vec::new(),
        skip_ranges: Arc::default(),
        appeared: Vec::new(),
        stock: StockChanges::default(),
        unsettled: snapshot.table(UNSETTLED)?.len().map_err(storage_error)?,
        last_seq: log::last_seq(&snapshot.table(EVENTS)?)?,
        batch,
    })
}
