//! The storage of a volume, shared by its journal and its database.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use redb::StorageBackend;
use redb::backends::{FileBackend, InMemoryBackend};

/// What a store can be kept on.
pub trait Storage: StorageBackend {
    /// Writes what is durable when this returns. What else was written need not be.
    fn write_durably(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write(offset, data)?;
        self.sync_data()
    }
}

impl Storage for FileBackend {}
impl Storage for InMemoryBackend {}

/// A storage that is not written to again after it has failed. A system may forget what it could
/// not write, and say so once: a later sync that succeeds then means nothing, neither to the
/// database nor to the journal.
#[derive(Debug)]
pub struct FailStop {
    storage: Arc<dyn Storage>,
    through: Option<File>,
    /// What failed first.
    failure: OnceLock<String>,
}

impl FailStop {
    /// A storage that works so far.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, through: None, failure: OnceLock::new() }
    }

    /// The same with a second handle to its file, through which what is written is durable at once
    /// (see [`crate::store::redb::engine::files::open_through`]).
    pub fn with_through(storage: Arc<dyn Storage>, through: Option<File>) -> Self {
        Self { through, ..Self::new(storage) }
    }

    /// The storage itself, for what does not change it.
    pub fn whole(&self) -> &dyn StorageBackend {
        &*self.storage
    }

    /// See [`StorageBackend::read`].
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.storage.read(offset, out)
    }

    /// See [`StorageBackend::write`].
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|| self.storage.write(offset, data))
    }

    /// See [`Storage::write_durably`]. With a second handle it waits for nothing else that was
    /// written.
    pub fn write_durably(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|| match &self.through {
            #[cfg(unix)]
            Some(file) => std::os::unix::fs::FileExt::write_all_at(file, data, offset),
            _ => self.storage.write_durably(offset, data),
        })
    }

    /// See [`StorageBackend::set_len`].
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|| self.storage.set_len(len))
    }

    /// See [`StorageBackend::sync_data`].
    pub fn sync_data(&self) -> io::Result<()> {
        self.change(|| self.storage.sync_data())
    }

    /// An error if the storage has failed.
    pub fn must_work(&self) -> io::Result<()> {
        match self.failure.get() {
            Some(why) => Err(io::Error::other(format!("the storage failed before: {why}"))),
            None => Ok(()),
        }
    }

    /// Takes the storage for failed.
    pub fn give_up(&self, why: String) {
        // It is the first failure that tells what is wrong.
        let _ = self.failure.set(why);
    }

    fn change(&self, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.must_work()?;
        change().inspect_err(|error| self.give_up(error.to_string()))
    }
}
