//! Files of keys: read only if their owner alone can, written whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

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
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
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
    private_folder(folder)?;
    let aside = beside(path, entropy);
    let placed = write_new(&aside, bytes).and_then(|()| match fs::hard_link(&aside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A link, unlike a rename, does not replace what is there.
        linked => linked,
    });
    let removed = fs::remove_file(&aside);
    placed?;
    removed?;
    File::open(folder)?.sync_all()
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
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name in the same folder that nobody else uses.
fn beside(path: &Path, entropy: &dyn Entropy) -> PathBuf {
    let mut suffix = [0_u8; 8];
    entropy.fill(&mut suffix);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{:016x}.tmp", u64::from_be_bytes(suffix)));
    PathBuf::from(aside)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
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
    fn a_file_name_alone_is_a_place_in_this_folder() {
        assert_eq!(folder_of(Path::new("session.key")), Path::new("."));
        assert_eq!(folder_of(Path::new("data/session.key")), Path::new("data"));
    }

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
