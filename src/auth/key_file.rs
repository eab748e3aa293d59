//! The file that holds the keys that sign sessions. Whoever can read it can be any user.
//!
//! It holds 32 to 4096 bytes, which are the key. Once the key was rolled it is text instead:
//!
//! ```text
//! gittix session keys
//! <the key that signs, in base64url>
//! <the key before it, which is accepted still>
//! sealing <the key that secrets among the data are sealed with>
//! ```
//!
//! The first key also seals secrets that are kept with the data, and goes on to when another signs.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretSlice};

use super::private_file::{self, Found};
use crate::seams::Entropy;

/// HS256 wants a key at least as long as its hash (RFC 7518, section 3.2).
const MIN_KEY_BYTES: usize = 32;

/// Far more than any key; a larger one is something else.
const MAX_KEY_BYTES: usize = 4096;

/// The first line of a file that holds keys as text.
const TEXT_HEADER: &str = "gittix session keys\n";

/// How the line of the key begins that seals.
const SEALING: &str = "sealing ";

/// Three of the largest keys as text, and some more.
const MAX_FILE_BYTES: usize = 5 * MAX_KEY_BYTES;

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

    fn random(entropy: &dyn Entropy) -> Self {
        let mut key = [0_u8; MIN_KEY_BYTES];
        entropy.fill(&mut key);
        Self(key.to_vec().into())
    }
}

/// The key that signs, and the one before it while what it signed is accepted still.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    current: SigningKey,
    previous: Option<SigningKey>,
    /// The key that seals, where it is not the one that signs.
    sealing: Option<SigningKey>,
}

impl SigningKeys {
    /// One key.
    pub fn only(key: SigningKey) -> Self {
        Self { current: key, previous: None, sealing: None }
    }

    /// The keys after `next` took over. What the key before the current one signed ends.
    #[must_use]
    pub fn rolled(&self, next: SigningKey) -> Self {
        Self { previous: Some(self.current.clone()), ..self.replaced(next) }
    }

    /// The keys after `next` took over at once. What others signed ends, and what is sealed stays.
    #[must_use]
    pub fn replaced(&self, next: SigningKey) -> Self {
        Self { current: next, previous: None, sealing: Some(self.sealing().clone()) }
    }

    /// The key that secrets are sealed with, which outlasts those that sign.
    pub fn sealing(&self) -> &SigningKey {
        self.sealing.as_ref().unwrap_or(&self.current)
    }

    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// Every key whose signature is accepted.
    pub fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let Some(text) = bytes.strip_prefix(TEXT_HEADER.as_bytes()) else {
            return parse_key(bytes).map(Self::only);
        };
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        let key = |line: &str| parse_key(&URL_SAFE_NO_PAD.decode(line).ok()?);
        let current = lines.next().and_then(key)?;
        let (mut previous, mut sealing) = (None, None);
        for line in lines {
            let (place, line) = match line.strip_prefix(SEALING) {
                Some(line) => (&mut sealing, line),
                None => (&mut previous, line),
            };
            if place.replace(key(line)?).is_some() {
                return None;
            }
        }
        Some(Self { current, previous, sealing })
    }

    fn to_text(&self) -> String {
        let lines = self.all().map(|key| URL_SAFE_NO_PAD.encode(key.expose()) + "\n");
        let sealing = self.sealing.as_ref();
        let sealing =
            sealing.map(|key| format!("{SEALING}{}\n", URL_SAFE_NO_PAD.encode(key.expose())));
        TEXT_HEADER.to_owned() + &lines.collect::<String>() + &sealing.unwrap_or_default()
    }
}

fn parse_key(bytes: &[u8]) -> Option<SigningKey> {
    SigningKey::from_bytes(bytes).filter(|key| key.expose().len() <= MAX_KEY_BYTES)
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
        "the session key {} must hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, or the text that \
         `gittix rotate-key` writes: delete it and a new one is made, which ends every session",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to roll.
    #[error("there is no session key {}: the first start of the server makes it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

/// What becomes of the key that signed until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldKey {
    /// What it signed is good until it expires: nobody notices.
    Accept,
    /// What it signed is worthless: every session ends.
    Drop,
}

/// Puts a new key into the file, whole or not at all.
///
/// # Errors
///
/// If there is no file yet, or it can't be read or replaced.
pub fn rotate_keys(path: &Path, old: OldKey, entropy: &dyn Entropy) -> Result<(), KeyFileError> {
    let keys = load_keys(path)?;
    let next = SigningKey::random(entropy);
    let keys = match old {
        OldKey::Accept => keys.rolled(next),
        OldKey::Drop => keys.replaced(next),
    };
    private_file::replace(path, keys.to_text().as_bytes(), entropy)
        .map_err(|source| failure(path, "replaced", source))
}

/// The keys in the file, which must be there.
///
/// # Errors
///
/// If it is not, is exposed to others, holds no keys, or can't be read.
pub fn load_keys(path: &Path) -> Result<SigningKeys, KeyFileError> {
    load(path)?.ok_or_else(|| KeyFileError::Missing { path: path.to_owned() })
}

/// The keys in the file, made first if there are none.
///
/// A new key appears whole or not at all, and never replaces one: of several processes that start at
/// once, all end up with the key of the first.
///
/// # Errors
///
/// If the file is exposed to others, has the wrong length, or cannot be read or made.
pub fn load_or_create_keys(
    path: &Path,
    entropy: &dyn Entropy,
) -> Result<SigningKeys, KeyFileError> {
    if let Some(key) = load(path)? {
        return Ok(key);
    }
    let key = SigningKey::random(entropy);
    private_file::create(path, key.expose(), entropy)
        .map_err(|source| failure(path, "made", source))?;
    load(path)?.ok_or_else(|| failure(path, "read", io::ErrorKind::NotFound.into()))
}

fn failure(path: &Path, verb: &'static str, source: io::Error) -> KeyFileError {
    KeyFileError::Io { path: path.to_owned(), verb, source }
}

fn load(path: &Path) -> Result<Option<SigningKeys>, KeyFileError> {
    let found = private_file::read(path, MAX_FILE_BYTES);
    let bytes = match found.map_err(|error| failure(path, "read", error))? {
        Found::Nothing => return Ok(None),
        Found::Exposed(mode) => return Err(KeyFileError::Exposed { path: path.to_owned(), mode }),
        Found::TooMuch => return Err(KeyFileError::Length { path: path.to_owned() }),
        Found::Bytes(bytes) => bytes,
    };
    let keys = SigningKeys::parse(&bytes);
    keys.map(Some).ok_or_else(|| KeyFileError::Length { path: path.to_owned() })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;
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
        let made = load_or_create_keys(&path, &SystemEntropy).unwrap();
        assert_eq!(made.current().expose().len(), 32);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left over"
        );
        let found = load_or_create_keys(&path, &SystemEntropy).unwrap();
        assert_eq!(made.current().expose(), found.current().expose());
    }

    #[test]
    fn processes_that_start_at_once_get_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let barrier = Barrier::new(8);
        let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                load_or_create_keys(&path, &SystemEntropy).unwrap().current().expose().to_vec()
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
            let error = load_or_create_keys(&path, &SystemEntropy).unwrap_err();
            assert!(matches!(error, KeyFileError::Exposed { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        write(&path, &[7; 32], 0o400);
        load_or_create_keys(&path, &SystemEntropy).unwrap();
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        for length in [0, 31, 4097, 100_000] {
            write(&path, &vec![7; length], 0o600);
            let error = load_or_create_keys(&path, &SystemEntropy).unwrap_err();
            assert!(matches!(error, KeyFileError::Length { .. }), "{length}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
        for length in [32, 4096] {
            write(&path, &vec![7; length], 0o600);
            assert_eq!(
                load_or_create_keys(&path, &SystemEntropy).unwrap().current().expose().len(),
                length
            );
        }
    }

    #[test]
    fn a_rolled_key_is_followed_by_a_new_one_and_accepted_until_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let bytes = |keys: &SigningKeys| -> Vec<_> {
            keys.all().map(|key| key.expose().to_vec()).collect()
        };
        let first = bytes(&load_or_create_keys(&path, &SystemEntropy).unwrap());
        let mut before = first[0].clone();
        for _ in 0..3 {
            rotate_keys(&path, OldKey::Accept, &SystemEntropy).unwrap();
            let keys = bytes(&load_keys(&path).unwrap());
            assert_eq!(keys.len(), 2);
            assert_ne!(keys[0], before);
            assert_eq!(keys[1], before);
            before.clone_from(&keys[0]);
        }
        rotate_keys(&path, OldKey::Drop, &SystemEntropy).unwrap();
        let keys = bytes(&load_or_create_keys(&path, &SystemEntropy).unwrap());
        assert_eq!(keys.len(), 1);
        assert_ne!(keys[0], before);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn the_key_that_seals_outlasts_those_that_sign() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let first = load_or_create_keys(&path, &SystemEntropy).unwrap();
        let sealing = first.sealing().expose().to_vec();
        assert_eq!(sealing, first.current().expose());
        for old in [OldKey::Accept, OldKey::Accept, OldKey::Drop, OldKey::Accept] {
            rotate_keys(&path, old, &SystemEntropy).unwrap();
            let keys = load_keys(&path).unwrap();
            assert_eq!(keys.sealing().expose(), sealing);
            assert_ne!(keys.current().expose(), sealing);
        }
    }

    #[test]
    fn only_a_key_that_is_there_can_be_rolled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let error = rotate_keys(&path, OldKey::Accept, &SystemEntropy).unwrap_err();
        assert!(matches!(error, KeyFileError::Missing { .. }), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_of_keys_that_is_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.key");
        let key = URL_SAFE_NO_PAD.encode([7; 32]);
        let short = URL_SAFE_NO_PAD.encode([7; 31]);
        for rest in [
            String::new(),
            "?\n".to_owned(),
            format!("{short}\n"),
            format!("{key}\n{short}\n"),
            format!("{key}\n{key}\n{key}\n"),
            format!("{key}\nsealing {key}\nsealing {key}\n"),
            format!("{key}\nsealing {short}\n"),
            format!("sealing {key}\n"),
            format!("{key}\n\n"),
        ] {
            write(&path, format!("{TEXT_HEADER}{rest}").as_bytes(), 0o600);
            let error = load_or_create_keys(&path, &SystemEntropy).unwrap_err();
            assert!(matches!(error, KeyFileError::Length { .. }), "{rest}");
        }
        write(&path, format!("{TEXT_HEADER}{key}\n").as_bytes(), 0o600);
        load_keys(&path).unwrap();
    }

    #[test]
    fn a_folder_in_the_files_place_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let error = load_or_create_keys(folder.path(), &SystemEntropy).unwrap_err();
        assert!(matches!(error, KeyFileError::Io { .. }), "{error}");
    }

    #[test]
    fn the_key_is_not_shown() {
        let key = SigningKeys::only(SigningKey::from_bytes(&[77; 32]).unwrap());
        assert!(!format!("{key:?}").contains("77"));
    }
}
