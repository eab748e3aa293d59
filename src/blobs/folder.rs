//! Contents as files: `passes/3f/0190…3f`, a folder for each last byte of their numbers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::{BlobError, BlobName, Blobs, Shelf};
use crate::private::{if_there, make_folder, put_once, sync_folder};

/// How the name of a file begins that is not whole yet.
const DRAFT: char = '.';

/// Contents in a folder. It is made for the first of them.
#[derive(Debug)]
pub struct FolderBlobs {
    folder: PathBuf,
    /// Tells drafts of this process apart.
    drafts: AtomicU64,
}

impl FolderBlobs {
    /// Contents in that folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, drafts: AtomicU64::new(0) }
    }

    /// Contents in the folder beside a data file or a backup, which has its name and `.blobs` after it. So
    /// two files in one folder do not sweep away each other's.
    pub fn beside(file: &Path) -> Self {
        let mut folder = file.as_os_str().to_owned();
        folder.push(".blobs");
        Self::new(PathBuf::from(folder))
    }

    /// A content, for a program that does nothing else meanwhile; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn read(&self, name: BlobName) -> io::Result<Option<Vec<u8>>> {
        if_there(fs::read(self.place(name)))
    }

    /// Where a content lies.
    fn place(&self, name: BlobName) -> PathBuf {
        let BlobName { shelf, id } = name;
        self.folder.join(shelf.name()).join(format!("{:02x}", id & 0xff)).join(format!("{id:032x}"))
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    fn describe(&self) -> String {
        format!("files in {}", self.folder.display())
    }

    async fn put(&self, name: BlobName, bytes: Vec<u8>) -> Result<(), BlobError> {
        let (top, place) = (self.folder.clone(), self.place(name));
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = format!("{DRAFT}{:032x}.{}.{number}", name.id, std::process::id());
        apart(name, move || write(&top, &place, &draft, &bytes)).await
    }

    async fn get(&self, name: BlobName) -> Result<Option<Vec<u8>>, BlobError> {
        let place = self.place(name);
        apart(name, move || if_there(fs::read(place))).await
    }

    async fn remove(&self, name: BlobName) -> Result<(), BlobError> {
        let place = self.place(name);
        apart(name, move || if_there(fs::remove_file(place)).map(|_| ())).await
    }

    async fn list(
        &self,
        shelf: Shelf,
        after: Option<u128>,
        limit: usize,
    ) -> Result<Vec<BlobName>, BlobError> {
        let folder = self.folder.join(shelf.name());
        let listed = tokio::task::spawn_blocking(move || numbers(&folder, after, limit)).await;
        let listed = listed.unwrap_or_else(|error| Err(io::Error::other(error)));
        let numbers = listed.map_err(|error| BlobError(format!("{}: {error}", shelf.name())))?;
        Ok(numbers.into_iter().map(|id| BlobName { shelf, id }).collect())
    }
}

/// Does what may take a disk's time where nobody else waits for it.
async fn apart<T: Send + 'static>(
    name: BlobName,
    what: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    let done = tokio::task::spawn_blocking(what).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| BlobError(format!("{name}: {error}")))
}

/// Puts a file there whole, so that it is there after a power cut.
fn write(top: &Path, place: &Path, draft: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = place.parent().unwrap_or(top);
    make_folder(folder)?;
    put_once(&folder.join(draft), place, bytes)?;
    // The name of the file, and those of the folders that may be new.
    let upwards = folder.ancestors().take_while(|folder| folder.starts_with(top));
    upwards.chain(top.parent()).try_for_each(sync_folder)
}

/// The least numbers of a shelf that follow one, ascending. All are read, and the least kept: a folder
/// does not give them in order.
fn numbers(folder: &Path, after: Option<u128>, limit: usize) -> io::Result<Vec<u128>> {
    let mut found = std::collections::BTreeSet::new();
    let Some(shelf) = if_there(fs::read_dir(folder))? else { return Ok(Vec::new()) };
    for part in shelf {
        for file in fs::read_dir(part?.path())? {
            let name = file?.file_name();
            // A draft that a crash left is no content.
            let number = name.to_str().and_then(|name| u128::from_str_radix(name, 16).ok());
            let Some(number) = number else { continue };
            if after.is_none_or(|after| number > after) {
                found.insert(number);
                if found.len() > limit {
                    found.pop_last();
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: BlobName = BlobName { shelf: Shelf::Passes, id: 0x0190_0000_003f };

    #[tokio::test]
    async fn a_content_is_one_private_file_and_nothing_is_left_over() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("blobs");
        let blobs = FolderBlobs::new(folder.clone());
        for _ in 0..2 {
            blobs.put(NAME, b"content".to_vec()).await.expect("room");
        }
        let part = folder.join("passes/3f");
        let files = fs::read_dir(&part).expect("a folder").map(|file| file.expect("a file"));
        let names: Vec<_> = files.map(|file| file.file_name()).collect();
        assert_eq!(names, ["0000000000000000000001900000003f"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).expect("it").permissions().mode() & 0o777;
            assert_eq!(
                (mode(&folder), mode(&part), mode(&part.join(&names[0]))),
                (0o700, 0o700, 0o600)
            );
        }
    }

    #[tokio::test]
    async fn a_draft_that_a_crash_left_is_no_content() {
        let place = tempfile::tempdir().expect("a folder");
        let blobs = FolderBlobs::new(place.path().to_owned());
        let part = place.path().join("passes/3f");
        fs::create_dir_all(&part).expect("a folder");
        fs::write(part.join(".0000000000000000000001900000003f.7.0"), b"half").expect("a file");
        assert_eq!(blobs.list(Shelf::Passes, None, 9).await, Ok(vec![]));
        blobs.put(NAME, b"whole".to_vec()).await.expect("room");
        assert_eq!(blobs.list(Shelf::Passes, None, 9).await, Ok(vec![NAME]));
    }

    #[tokio::test]
    async fn many_who_put_one_content_at_once_put_it_once() {
        let place = tempfile::tempdir().expect("a folder");
        let blobs = FolderBlobs::new(place.path().join("blobs"));
        let puts = (0..8_u8).map(|byte| blobs.put(NAME, vec![byte; 1000]));
        assert!(futures_util::future::join_all(puts).await.iter().all(Result::is_ok));
        let content = blobs.get(NAME).await.expect("it is read").expect("it is there");
        assert!(content.len() == 1000 && content.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[tokio::test]
    async fn a_folder_that_can_t_be_made_is_an_error() {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join("file");
        fs::write(&file, b"").expect("a file");
        let blobs = FolderBlobs::new(file.join("blobs"));
        assert!(blobs.put(NAME, b"x".to_vec()).await.is_err());
    }
}
