//! The file that holds the key that signs sessions. Whoever can read it can be any user.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretSlice};

use crate::seams::Entropy;

/// HS256 wants a key at least as long as its hash (RFC 7518, section 3.2).
const MIN_KEY_BYTES: usize = 32;

/// Far more than any key; a larger file is something else.
const MAX_KEY_BYTES: usize = 4096;

/// The key that signs sessions. It is never shown.
#[derive(Debug, Clone)]
pub struct SigningKey(SecretSlice<u8>);

impl SigningKey {
    /// A key of these bytes, if they are enough.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let is_long_enough = bytes.len() >= MIN_KEY_BYTES;
        is_long_enough.then(|| Self(bytes.to_vec().into()))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("the session key {} cannot be {verb}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Read or made.
        verb: &'static str,
        /// The operating system's words.
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error(
        "the session key {} can be read by others than its owner (mode {mode:04o}): \
         run chmod 600 on it, and replace it if anyone may have read it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds too few bytes to be safe, or too many to be a key.
    #[error(
        "the session key {} must hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes: \
         delete it and a new one is made, which ends every session",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
    },
}

/// The key in the file, made first if there is none.
///
/// A new key appears whole or not at all, and never replaces one: of several processes that start at
/// once, all end up with the key of the first.
///
/// # Errors
///
/// If the file is exposed to others, has the wrong length, or cannot be read or made.
pub fn load_or_create_key(path: &Path, entropy: &dyn Entropy) -> Result<SigningKey, KeyFileError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    create(path, entropy).map_err(|source| failure(path, "made", source))?;
    load(path)?.ok_or_else(|| failure(path, "read", io::ErrorKind::NotFound.into()))
}

fn failure(path: &Path, verb: &'static str, source: io::Error) -> KeyFileError {
    KeyFileError::Io { path: path.to_owned(), verb, source }
}

fn load(path: &Path) -> Result<Option<SigningKey>, KeyFileError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(path, "read", error)),
    };
    let metadata = file.metadata().map_err(|error| failure(path, "read", error))?;
    if let Some(mode) = exposed_mode(&metadata) {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    // One byte more than allowed tells a file that is too long, however long it is.
    let mut bytes = [0_u8; MAX_KEY_BYTES + 1];
    let length = read_up_to(&mut file, &mut bytes).map_err(|error| failure(path, "read", error))?;
    let key = bytes.get(..length).filter(|key| key.len() <= MAX_KEY_BYTES);
    match key.and_then(SigningKey::from_bytes) {
        Some(key) => Ok(Some(key)),
        None => Err(KeyFileError::Length { path: path.to_owned() }),
    }
}

fn read_up_to(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn create(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    private_folder(folder)?;

    let mut suffix = [0_u8; 8];
    entropy.fill(&mut suffix);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{:016x}.tmp", u64::from_be_bytes(suffix)));
    let aside = PathBuf::from(aside);

    let placed = write_new_key(&aside, entropy).and_then(|()| match fs::hard_link(&aside, path) {
        // Another process was faster, and its key is the one that counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A link, unlike a rename, does not replace what is there.
        linked => linked,
    });
    let removed = fs::remove_file(&aside);
    placed?;
    removed?;
    File::open(folder)?.sync_all()
}

fn write_new_key(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut key = [0_u8; MIN_KEY_BYTES];
    entropy.fill(&mut key);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(&key)?;
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
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    use std::sync::Barrier;

    use super::*;
    use crate::seams::SystemEntropy;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn write(path: &Path, bytes: &[u8], mode: u32) {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(mode);
        options.open(path).unwrap().write_all(bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_start_makes_a_private_key_and_the_next_one_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/session.key");
        let made = load_or_create_key(&path, &SystemEntropy).unwrap();
        assert_eq!(made.expose().len(), 32);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left over"
        );
        let found = load_or_create_key(&path, &SystemEntropy).unwrap();
        assert_eq!(made.expose(), found.expose());
    }

    #[test]
    fn processes_that_start_at_once_get_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let barrier = Barrier::new(8);
        let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                load_or_create_key(&path, &SystemEntropy).unwrap().expose().to_vec()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        for mode in [0o640, 0o604, 0o660, 0o644] {
            write(&path, &[7; 32], mode);
            let error = load_or_create_key(&path, &SystemEntropy).unwrap_err();
            assert!(matches!(error, KeyFileError::Exposed { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        write(&path, &[7; 32], 0o400);
        load_or_create_key(&path, &SystemEntropy).unwrap();
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        for length in [0, 31, 4097, 100_000] {
            write(&path, &vec![7; length], 0o600);
            let error = load_or_create_key(&path, &SystemEntropy).unwrap_err();
            assert!(matches!(error, KeyFileError::Length { .. }), "{length}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
        for length in [32, 4096] {
            write(&path, &vec![7; length], 0o600);
            assert_eq!(load_or_create_key(&path, &SystemEntropy).unwrap().expose().len(), length);
        }
    }

    #[test]
    fn a_folder_in_the_files_place_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = load_or_create_key(folder.path(), &SystemEntropy).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
    }

    #[test]
    fn the_key_is_not_shown() {
        let key = SigningKey::from_bytes(&[77; 32]).unwrap();
        assert!(!format!("{key:?}").contains("77"));
    }
}
