//! What a store's file consists of: a header, the journal, and the database.
//!
//! ```text
//!   0        4096                          start
//!   ┌────────┬─────────────────────────────┬──────────────────────┐
//!   │ header │ journal, of a fixed size    │ redb, which grows    │
//!   └────────┴─────────────────────────────┴──────────────────────┘
//! ```
//!
//! All in one file, so that copying, moving and locking it is always right.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{BackendError, Database, DatabaseError, StorageBackend};

use crate::store::redb::engine::fail_stop::FailStop;
use crate::store::redb::engine::journal::{Journal, PAGE};
use crate::store::redb::engine::pages::Pages;
use crate::store::redb::engine::write_behind::WriteBehind;

/// What a store starts with; the last byte tells a layout from later ones.
const MAGIC: [u8; 16] = *b"gittix store\r\n\x1a\x01";

/// A store's database and its journal.
pub struct Volume {
    /// The database as of its last checkpoint, or of the last commit since it was opened.
    pub db: Database,
    /// What was committed since the checkpoint.
    pub journal: Journal,
    /// What the database writes through.
    pub disk: Arc<WriteBehind>,
    /// What is on the disk of the database.
    pub pages: Pages,
}

/// Why something can't be opened as a volume.
#[derive(Debug)]
pub enum VolumeError {
    /// It is something else.
    Foreign,
    /// It has changed where redb relies on it.
    Damaged(String),
    /// It could not be read or written.
    Io(io::Error),
    /// The database failed.
    Database(DatabaseError),
}

impl From<io::Error> for VolumeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Volume {
    /// Makes an empty volume of what is empty.
    pub fn create(
        storage: FailStop,
        journal_bytes: u64,
        builder: &redb::Builder,
    ) -> Result<Self, VolumeError> {
        let pages = journal_bytes.div_ceil(PAGE).max(1);
        let start = PAGE.saturating_mul(pages.saturating_add(1));
        let mut header = MAGIC.to_vec();
        header.extend(start.to_le_bytes());
        storage.set_len(start)?;
        // Written out, for a sync of bytes that have their place on the disk is cheaper.
        #[expect(clippy::cast_possible_truncation, reason = "a page has 4096 bytes")]
        let page = [0; PAGE as usize];
        for number in 0..=pages {
            storage.write(number * PAGE, &page)?;
        }
        storage.write(0, &header)?;
        storage.sync_data()?;
        Self::assemble(Arc::new(storage), start, builder)
    }

    /// Opens a volume. What its journal holds is yet to be brought into the database.
    pub fn open(storage: FailStop, builder: &redb::Builder) -> Result<Self, VolumeError> {
        let start = start_of(&storage)?;
        // What a process wrote that was killed may be in the system's memory alone, and what the
        // journal writes from now on syncs nothing but itself.
        storage.sync_data()?;
        let storage = Arc::new(storage);
        let pages = Pages::new(WriteBehind::new(storage.clone()), start);
        if let Some(fault) = pages.faults_before_opening()?.into_iter().next() {
            return Err(VolumeError::Damaged(fault));
        }
        Self::assemble(storage, start, builder)
    }

    /// The pages of a volume whose database does not open.
    pub fn pages_of(storage: FailStop) -> Result<Pages, VolumeError> {
        let start = start_of(&storage)?;
        Ok(Pages::new(WriteBehind::new(Arc::new(storage)), start))
    }

    fn assemble(
        storage: Arc<FailStop>,
        start: u64,
        builder: &redb::Builder,
    ) -> Result<Self, VolumeError> {
        let disk = WriteBehind::new(storage.clone());
        let region = Region { disk: disk.clone(), start };
        let db = builder.create_with_backend(region).map_err(VolumeError::Database)?;
        let journal = Journal::new(storage, disk.clone(), PAGE..start);
        let pages = Pages::new(disk.clone(), start);
        Ok(Self { db, journal, disk, pages })
    }
}

/// Where the database of a volume begins.
fn start_of(storage: &FailStop) -> Result<u64, VolumeError> {
    let (mut magic, mut start) = ([0; MAGIC.len()], [0; 8]);
    let header = (MAGIC.len() + start.len()) as u64;
    let whole = storage.whole();
    if whole.len()? < header {
        return Err(VolumeError::Foreign);
    }
    storage.read(0, &mut magic)?;
    storage.read(MAGIC.len() as u64, &mut start)?;
    let start = u64::from_le_bytes(start);
    // Without any bytes of a database, redb would take it for a new one.
    let is_sound = start > PAGE && start.is_multiple_of(PAGE) && start < whole.len()?;
    if magic != MAGIC || !is_sound {
        return Err(VolumeError::Foreign);
    }
    Ok(start)
}

/// The part of a volume from `start` on, as redb's storage. Locks are of the whole.
#[derive(Debug)]
struct Region {
    disk: Arc<WriteBehind>,
    start: u64,
}

impl Region {
    fn whole(&self) -> &dyn StorageBackend {
        self.disk.whole()
    }

    fn at(&self, offset: u64) -> io::Result<u64> {
        self.start.checked_add(offset).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl StorageBackend for Region {
    fn len(&self) -> io::Result<u64> {
        Ok(self.whole().len()?.saturating_sub(self.start))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read(self.at(offset)?, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.set_len(self.at(len)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write(self.at(offset)?, data)
    }

    fn close(&self) -> io::Result<()> {
        let settled = self.disk.close();
        settled.and(self.whole().close())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.whole().try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.whole().try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.whole().lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.whole().lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.whole().unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.whole().query_lock_range(start, end)
    }
}
