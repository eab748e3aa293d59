//! Where whole contents lie that are too large for a row: each under a name that it keeps, written
//! once and never changed.
//!
//! What is put is there after a power cut. Nobody who gives a content up takes it away: its row goes
//! first, and the [`sweep`] takes what no row names any more, once it is old enough that its row could
//! not be on its way. So a content that a row names is always there, also in a backup that is made
//! meanwhile. A shelf that holds what not everybody may see is given it sealed; this room knows no keys.

mod folder;
mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use self::folder::FolderBlobs;
pub use self::memory::MemoryBlobs;
use crate::domain::Timestamp;

/// How old a content is at least that is taken away because no row names it. Its row follows it by
/// seconds, and a backup copies it within minutes.
pub const SWEPT_AFTER: Duration = Duration::from_secs(60 * 60);
/// How many names are looked at together.
const SWEEP_PAGE: usize = 1000;

/// Contents of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// What passes hold, sealed.
    Passes,
}

impl Shelf {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Passes];

    /// Its name, as a folder has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passes => "passes",
        }
    }
}

/// Names a content. Its number is that of whatever it belongs to, and tells when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName {
    /// Where it lies.
    pub shelf: Shelf,
    /// Its number, as [`crate::seams::IdMint`] mints them.
    pub id: u128,
}

impl BlobName {
    /// When its number was minted.
    pub fn made_at(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.id >> 80).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:032x}", self.shelf.name(), self.id)
    }
}

/// Contents could not be read or written. Whether one that was being put is there is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BlobError(pub String);

/// Where contents lie.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Where that is, for whoever runs the server.
    fn describe(&self) -> String;

    /// Puts a content there for good. One that has that name already stays as it is.
    async fn put(&self, name: BlobName, bytes: Vec<u8>) -> Result<(), BlobError>;

    /// A content; `None` if there is none of that name.
    async fn get(&self, name: BlobName) -> Result<Option<Vec<u8>>, BlobError>;

    /// Takes a content away, if it is there.
    async fn remove(&self, name: BlobName) -> Result<(), BlobError>;

    /// The first names of a shelf that follow a number, ascending.
    async fn list(
        &self,
        shelf: Shelf,
        after: Option<u128>,
        limit: usize,
    ) -> Result<Vec<BlobName>, BlobError>;
}

/// Shared by all who need contents.
pub type SharedBlobs = Arc<dyn Blobs>;

/// Copies what is there to another place, but for what that has already.
///
/// # Errors
///
/// If contents can't be read or written.
pub async fn copy(from: &dyn Blobs, to: &dyn Blobs) -> Result<(), BlobError> {
    for shelf in Shelf::ALL {
        let mut after = None;
        loop {
            let page = from.list(*shelf, after, SWEEP_PAGE).await?;
            let Some(last) = page.last() else { break };
            let there = to.list(*shelf, after, SWEEP_PAGE).await?;
            after = Some(last.id);
            for name in page {
                if there.binary_search(&name).is_ok() {
                    continue;
                }
                // It may have been taken away meanwhile.
                if let Some(bytes) = from.get(name).await? {
                    to.put(name, bytes).await?;
                }
            }
        }
    }
    Ok(())
}

/// Who knows the rows that name contents.
#[async_trait]
pub trait Rows: Sync {
    /// Why rows can't be read.
    type Error: From<BlobError>;

    /// Whether a row names a content.
    async fn name(&self, name: BlobName) -> Result<bool, Self::Error>;
}

/// Takes away what is older than [`SWEPT_AFTER`] and not named by any row; returns how many that were.
/// What was made before `since` stays: it is none of these rows' and may be named by others.
///
/// # Errors
///
/// If contents can't be listed or taken away, or rows can't be read.
pub async fn sweep<R: Rows>(
    blobs: &dyn Blobs,
    rows: &R,
    shelf: Shelf,
    since: Timestamp,
    now: Timestamp,
) -> Result<u64, R::Error> {
    let (mut after, mut taken) = (None, 0);
    loop {
        let page = blobs.list(shelf, after, SWEEP_PAGE).await?;
        let Some(last) = page.last() else { return Ok(taken) };
        after = Some(last.id);
        for name in page {
            // Names rise with time, so all that follow are younger.
            if now.since(name.made_at()) < SWEPT_AFTER {
                return Ok(taken);
            }
            if name.made_at() >= since && !rows.name(name).await? {
                blobs.remove(name).await?;
                taken += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(millis: u128, number: u128) -> BlobName {
        BlobName { shelf: Shelf::Passes, id: millis << 80 | number }
    }

    /// One row.
    struct Only(BlobName);

    #[async_trait]
    impl Rows for Only {
        type Error = BlobError;

        async fn name(&self, name: BlobName) -> Result<bool, BlobError> {
            Ok(name == self.0)
        }
    }

    /// What every place for contents keeps to.
    async fn conforms(blobs: &dyn Blobs) {
        let (one, two, three) = (name(1, 7), name(1, 8), name(2, 1));
        assert_eq!(blobs.get(one).await, Ok(None));
        for (name, bytes) in [(three, b"c".to_vec()), (one, b"a".to_vec()), (two, Vec::new())] {
            assert_eq!(blobs.put(name, bytes).await, Ok(()));
        }
        assert_eq!(blobs.put(one, b"another".to_vec()).await, Ok(()));
        assert_eq!(blobs.get(one).await, Ok(Some(b"a".to_vec())), "it is never replaced");
        assert_eq!(blobs.get(two).await, Ok(Some(Vec::new())));
        let list = async |after, limit| blobs.list(Shelf::Passes, after, limit).await;
        assert_eq!(list(None, 9).await, Ok(vec![one, two, three]));
        assert_eq!(list(Some(one.id), 1).await, Ok(vec![two]));
        assert_eq!(list(Some(three.id), 9).await, Ok(vec![]));
        for _ in 0..2 {
            assert_eq!(blobs.remove(two).await, Ok(()));
        }
        assert_eq!(blobs.get(two).await, Ok(None));
        assert_eq!(list(None, 9).await, Ok(vec![one, three]));
    }

    #[tokio::test]
    async fn contents_in_memory_are_kept_as_those_in_a_folder() {
        conforms(&MemoryBlobs::default()).await;
    }

    #[tokio::test]
    async fn contents_in_a_folder_are_kept_as_those_in_memory() {
        let place = tempfile::tempdir().expect("a folder");
        conforms(&FolderBlobs::new(place.path().join("deep/er"))).await;
    }

    #[tokio::test]
    async fn a_copy_has_all_that_is_there_and_keeps_what_it_had() {
        let (from, to) = (MemoryBlobs::default(), MemoryBlobs::default());
        for number in 0..2500 {
            from.put(name(number, 1), b"content".to_vec()).await.expect("room");
        }
        to.put(name(7, 1), b"older".to_vec()).await.expect("room");
        for _ in 0..2 {
            assert_eq!(copy(&from, &to).await, Ok(()));
            assert_eq!(to.all().len(), 2500);
        }
        assert_eq!(to.get(name(7, 1)).await, Ok(Some(b"older".to_vec())));
        to.fill_up(true);
        from.put(name(3000, 1), b"more".to_vec()).await.expect("room");
        assert!(copy(&from, &to).await.is_err());
    }

    #[tokio::test]
    async fn what_no_row_names_is_taken_away_once_it_is_old() {
        let blobs = MemoryBlobs::default();
        let hour = SWEPT_AFTER.as_millis();
        let (named, orphan, young) = (name(0, 1), name(1, 2), name(hour, 3));
        for name in [named, orphan, young] {
            blobs.put(name, b"x".to_vec()).await.expect("room");
        }
        let sweep_at = async |millis: u128, since: i64| {
            let now = Timestamp::from_millis(i64::try_from(millis).expect("a time"));
            let since = Timestamp::from_millis(since);
            sweep(&blobs, &Only(named), Shelf::Passes, since, now).await
        };
        assert_eq!(sweep_at(hour, 0).await, Ok(0), "all are too young or have a row");
        assert_eq!(sweep_at(hour + 1, 2).await, Ok(0), "it is older than the rows");
        assert_eq!(sweep_at(hour + 1, 1).await, Ok(1));
        let left = blobs.list(Shelf::Passes, None, 9).await;
        assert_eq!(left, Ok(vec![named, young]));
        assert_eq!(sweep_at(3 * hour, 1).await, Ok(1));
    }
}
