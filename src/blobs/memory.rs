//! Contents in memory, for tests: with what a power cut leaves of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{BlobError, BlobName, Blobs, Shelf};

/// Contents in memory. Clones share them, as processes share a disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    there: BTreeMap<BlobName, Vec<u8>>,
    /// What is being put: after a power cut it is there, or it is not.
    arriving: BTreeMap<BlobName, Vec<u8>>,
    /// Whether nothing can be written.
    is_full: bool,
}

impl MemoryBlobs {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes. Of what was being put, that stays which `keeps` says.
    pub fn cut_power(&self, mut keeps: impl FnMut(BlobName) -> bool) {
        let mut contents = self.contents();
        let arriving = std::mem::take(&mut contents.arriving);
        let kept = arriving.into_iter().filter(|(name, _)| keeps(*name));
        contents.there.extend(kept);
    }

    /// From now on nothing can be written, or it can again.
    pub fn fill_up(&self, is_full: bool) {
        self.contents().is_full = is_full;
    }

    /// Everything that is there.
    pub fn all(&self) -> Vec<(BlobName, Vec<u8>)> {
        let contents = self.contents();
        contents.there.iter().map(|(name, bytes)| (*name, bytes.clone())).collect()
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn put(&self, name: BlobName, bytes: Vec<u8>) -> Result<(), BlobError> {
        {
            let mut contents = self.contents();
            if contents.is_full {
                return Err(BlobError("there is no room left".to_owned()));
            }
            contents.arriving.insert(name, bytes);
        }
        // A disk takes a while, in which the power may go.
        tokio::task::yield_now().await;
        let mut contents = self.contents();
        if let Some(bytes) = contents.arriving.remove(&name) {
            contents.there.entry(name).or_insert(bytes);
        }
        Ok(())
    }

    async fn get(&self, name: BlobName) -> Result<Option<Vec<u8>>, BlobError> {
        Ok(self.contents().there.get(&name).cloned())
    }

    async fn remove(&self, name: BlobName) -> Result<(), BlobError> {
        self.contents().there.remove(&name);
        Ok(())
    }

    async fn list(
        &self,
        shelf: Shelf,
        after: Option<u128>,
        limit: usize,
    ) -> Result<Vec<BlobName>, BlobError> {
        let contents = self.contents();
        let names = contents.there.keys().filter(|name| name.shelf == shelf);
        let names = names.filter(|name| after.is_none_or(|after| name.id > after));
        Ok(names.take(limit).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn what_was_put_outlasts_a_power_cut_and_what_was_being_put_may() {
        for is_kept in [false, true] {
            let blobs = MemoryBlobs::default();
            let name = |id| BlobName { shelf: Shelf::Passes, id };
            blobs.put(name(1), b"there".to_vec()).await.expect("room");
            {
                let mut arriving = pin!(blobs.put(name(2), b"arriving".to_vec()));
                let polled = arriving.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(matches!(polled, Poll::Pending));
            }
            blobs.cut_power(|_| is_kept);
            assert_eq!(blobs.get(name(1)).await, Ok(Some(b"there".to_vec())));
            let arrived = blobs.get(name(2)).await.expect("memory can be read");
            assert_eq!(arrived.is_some(), is_kept);
        }
    }

    #[tokio::test]
    async fn a_place_that_is_full_takes_nothing_and_gives_what_it_has() {
        let blobs = MemoryBlobs::default();
        let name = BlobName { shelf: Shelf::Passes, id: 1 };
        blobs.put(name, b"a".to_vec()).await.expect("room");
        blobs.fill_up(true);
        let another = BlobName { id: 2, ..name };
        assert!(blobs.put(another, b"b".to_vec()).await.is_err());
        assert_eq!(blobs.all(), [(name, b"a".to_vec())]);
    }
}
