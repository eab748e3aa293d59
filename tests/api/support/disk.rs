//! A disk in memory that outlives the server on it and can be made to fail.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Clones share the disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bytes: Mutex<Vec<u8>>,
    broken: AtomicBool,
}

impl Disk {
    /// A disk of its own with the same bytes: what a process finds that starts after this one
    /// was killed.
    pub fn as_it_is(&self) -> Self {
        let bytes = Mutex::new(self.0.bytes.lock().unwrap().clone());
        Self(Arc::new(Inner { bytes, broken: AtomicBool::new(false) }))
    }

    /// All that is on it.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.bytes.lock().unwrap().clone()
    }

    /// From now on nothing can be written.
    pub fn breaks(&self) {
        self.0.broken.store(true, Ordering::SeqCst);
    }

    fn writable(&self) -> io::Result<()> {
        if self.0.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is broken"));
        }
        Ok(())
    }
}

fn range(offset: u64, len: usize) -> std::ops::Range<usize> {
    let start = usize::try_from(offset).unwrap();
    start..start + len
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.bytes.lock().unwrap();
        let found = bytes.get(range(offset, out.len()));
        out.copy_from_slice(found.ok_or_else(|| io::Error::other("read past the end"))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.0.bytes.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?;
        let mut bytes = self.0.bytes.lock().unwrap();
        bytes[range(offset, data.len())].copy_from_slice(data);
        Ok(())
    }
}

impl gittix::store::Storage for Disk {}
