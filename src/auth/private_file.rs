//! Files of keys: read only if their owner alone can, written whole or not at all.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::private::{folder_of, if_there, make_folder, put_once, sync_folder, write_new};
use crate::seams::Entropy;

/// What a file was found to be.
pub enum Found {
    /// There is none.
    Nothing,
    /// Others than its owner can read it.
    Exposed(u32),
    /// It holds more than it may.
    TooMuch,
    /// What it holds.
    Bytes(Vec<u8>),
}

/// Reads a file of at most that many bytes.
pub fn read(path: &Path, most: usize) -> io::Result<Found> {
    let Some(file) = if_there(File::open(path))? else { return Ok(Found::Nothing) };
    if let Some(mode) = exposed_mode(&file.metadata()?) {
        return Ok(Found::Exposed(mode));
    }
    // One byte more than allowed tells a file that is too long, however long it is.
    let (mut bytes, limit) = (Vec::new(), most.saturating_add(1));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(if bytes.len() > most { Found::TooMuch } else { Found::Bytes(bytes) })
}

/// Makes a file, and the folder it is in. It appears whole, and never replaces one: of several processes
/// that start at once, the file of the first is the one that counts.
pub fn create(path: &Path, bytes: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
    let folder = folder_of(path);
    make_folder(folder)?;
    put_once(&beside(path, entropy), path, bytes)?;
    sync_folder(folder)
}

/// Puts other bytes into a file.
pub fn replace(path: &Path, bytes: &[u8], entropy: &dyn Entropy) -> io::Result<()> {
    let aside = beside(path, entropy);
    let replaced = write_new(&aside, bytes).and_then(|()| fs::rename(&aside, path));
    if replaced.is_err() {
        // It is of no use, and its removal may fail for the same reason.
        let _ = fs::remove_file(&aside);
    }
    replaced?;
    sync_folder(folder_of(path))
}

/// A name in the same folder that nobody else uses.
fn beside(path: &Path, entropy: &dyn Entropy) -> PathBuf {
    let mut suffix = [0_u8; 8];
    entropy.fill(&mut suffix);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{:016x}.tmp", u64::from_be_bytes(suffix)));
    PathBuf::from(aside)
}

/// The file's permissions, if they give its group or others anything.
#[cfg(unix)]
fn exposed_mode(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed_mode(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_can_t_be_read_is_not_taken_for_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write_new(&file, b"something").unwrap();
        assert!(matches!(read(&folder.path().join("none"), 9), Ok(Found::Nothing)));
        let error = read(&file.join("session.key"), 9).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }
}
