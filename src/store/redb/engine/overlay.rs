//! A storage that is looked at and not written to: what is written stays in memory.
//!
//! A store that was killed has to be brought up to date before it can be read, and redb notes in
//! every file that it has been opened. Whoever only looks, to verify a backup where it lies or to read
//! a store of an earlier format, does both in memory.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::store::redb::engine::fail_stop::Storage;

/// What is kept of changes together.
const PAGE: u64 = PAGE_BYTES as u64;
/// The same, as memory counts.
const PAGE_BYTES: usize = 4096;

/// A storage with changes over it.
#[derive(Debug)]
pub struct Overlay<S> {
    storage: S,
    lock: Lock,
    changes: Mutex<Changes>,
}

/// Who else may have the storage open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Others that look, too.
    Shared,
    /// Nobody.
    Exclusive,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// How much of what is below counts: what was cut off does not come back.
    len_below: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES]>>,
}

impl<S: StorageBackend> Overlay<S> {
    /// A storage as it is now.
    pub fn new(storage: S, lock: Lock) -> io::Result<Self> {
        let len = storage.len()?;
        let changes = Mutex::new(Changes { len, len_below: len, pages: BTreeMap::new() });
        Ok(Self { storage, lock, changes })
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page_below(&self, len_below: u64, number: u64) -> io::Result<Box<[u8; PAGE_BYTES]>> {
        let mut page = Box::new([0; PAGE_BYTES]);
        let start = number.saturating_mul(PAGE);
        let there = usize::try_from(len_below.saturating_sub(start).min(PAGE)).unwrap_or_default();
        if let Some(part) = page.get_mut(..there).filter(|part| !part.is_empty()) {
            self.storage.read(start, part)?;
        }
        Ok(page)
    }
}

/// The parts of pages that a range of bytes consists of: each page's number, where in it the part
/// begins, and how long it is.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let (mut at, mut left) = (offset, len);
    std::iter::from_fn(move || {
        let begin = usize::try_from(at % PAGE).ok()?;
        let count = left.min(PAGE_BYTES - begin);
        let part = (at / PAGE, begin, count);
        at = at.checked_add(count as u64)?;
        left -= count;
        (count > 0).then_some(part)
    })
}

impl<S: StorageBackend> StorageBackend for Overlay<S> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes();
        let end = offset.saturating_add(out.len() as u64);
        if end > changes.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (first, beyond) = (offset / PAGE, end.div_ceil(PAGE));
        if end <= changes.len_below && changes.pages.range(first..beyond).next().is_none() {
            drop(changes);
            return self.storage.read(offset, out);
        }
        let mut rest = out;
        for (number, begin, count) in parts(offset, rest.len()) {
            let (part, others) = rest.split_at_mut(count);
            let below;
            let page = match changes.pages.get(&number) {
                Some(page) => page,
                None => {
                    below = self.page_below(changes.len_below, number)?;
                    &below
                }
            };
            part.copy_from_slice(page.get(begin..begin + count).unwrap_or_default());
            rest = others;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = len;
        changes.len_below = changes.len_below.min(len);
        changes.pages.split_off(&len.div_ceil(PAGE));
        if let Some(page) = changes.pages.get_mut(&(len / PAGE)) {
            let end = usize::try_from(len % PAGE).unwrap_or_default();
            page.iter_mut().skip(end).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes();
        changes.len = changes.len.max(offset.saturating_add(data.len() as u64));
        let mut rest = data;
        for (number, begin, count) in parts(offset, rest.len()) {
            let (part, others) = rest.split_at(count);
            if !changes.pages.contains_key(&number) {
                let page = self.page_below(changes.len_below, number)?;
                changes.pages.insert(number, page);
            }
            let page = changes.pages.get_mut(&number);
            if let Some(place) = page.and_then(|page| page.get_mut(begin..begin + count)) {
                place.copy_from_slice(part);
            }
            rest = others;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.storage.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        match self.lock {
            Lock::Shared => self.storage.try_lock_shared_range(start, end),
            Lock::Exclusive => self.storage.try_lock_range(start, end),
        }
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.storage.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        match self.lock {
            Lock::Shared => self.storage.lock_shared_range(start, end),
            Lock::Exclusive => self.storage.lock_range(start, end),
        }
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.storage.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.storage.query_lock_range(start, end)
    }
}

impl<S: StorageBackend> Storage for Overlay<S> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;

    proptest! {
        #[test]
        fn it_reads_what_was_written_and_leaves_what_is_below(
            below in prop::collection::vec(any::<u8>(), 0..20_000),
            changes in prop::collection::vec((0..20_000_u64, 0..9_000_usize, any::<u8>()), 0..12),
        ) {
            let storage = InMemoryBackend::new();
            storage.set_len(below.len() as u64).expect("memory");
            storage.write(0, &below).expect("memory");
            let mut expected = below.clone();
            let overlay = Overlay::new(storage, Lock::Shared).expect("memory");
            for (offset, len, byte) in changes {
                if byte < 40 {
                    overlay.set_len(offset).expect("memory");
                    expected.resize(usize::try_from(offset).expect("small"), 0);
                    continue;
                }
                let start = usize::try_from(offset).expect("small");
                expected.resize(expected.len().max(start + len), 0);
                expected[start..start + len].fill(byte);
                overlay.write(offset, &vec![byte; len]).expect("memory");
            }
            prop_assert_eq!(overlay.len().expect("memory"), expected.len() as u64);
            let mut found = vec![0; expected.len()];
            overlay.read(0, &mut found).expect("memory");
            prop_assert_eq!(found, expected);
            let mut untouched = vec![0; below.len()];
            overlay.storage.read(0, &mut untouched).expect("memory");
            prop_assert_eq!(untouched, below);
        }
    }
}
