//! The file that holds the keys of passes. Whoever has it and the data can read every pass; without it
//! nobody can.
//!
//! ```text
//! gittix pass keys
//! marks <the key by which a content is known again, in base64url>
//! <the key that wraps new keys of contents>
//! <one before it, for what it wrapped, and so on>
//! ```
//!
//! The key of marks never changes, or a content could be listed a second time.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox};

use super::private_file::{self, Found};
use crate::seams::Entropy;

const KEY_BYTES: usize = 32;
const HEADER: &str = "gittix pass keys";
const MARKS: &str = "marks ";
/// Far more keys than anybody rolls.
const MAX_FILE_BYTES: usize = 64 * 1024;

/// One key. It is never shown.
#[derive(Debug)]
pub struct PassKey(SecretBox<[u8; KEY_BYTES]>);

impl PassKey {
    fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; KEY_BYTES];
        entropy.fill(&mut bytes);
        Self::new(bytes)
    }

    fn parse(line: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(line).ok()?;
        Some(Self::new(bytes.try_into().ok()?))
    }

    fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.expose())
    }

    pub(super) fn expose(&self) -> &[u8; KEY_BYTES] {
        self.0.expose_secret()
    }
}

/// The keys of passes.
#[derive(Debug)]
pub struct PassKeys {
    marks: PassKey,
    /// The one that wraps first, then those before it, the latest first.
    wrapping: Vec<PassKey>,
}

impl PassKeys {
    /// New ones.
    pub fn random(entropy: &dyn Entropy) -> Self {
        Self { marks: PassKey::random(entropy), wrapping: vec![PassKey::random(entropy)] }
    }

    /// Keys of these bytes: that of marks, and the one that wraps.
    pub fn of(marks: [u8; KEY_BYTES], wrapping: [u8; KEY_BYTES]) -> Self {
        Self { marks: PassKey::new(marks), wrapping: vec![PassKey::new(wrapping)] }
    }

    /// The key of marks.
    pub(super) fn marks(&self) -> &PassKey {
        &self.marks
    }

    /// The key that wraps first, then those before it.
    pub(super) fn wrapping(&self) -> &[PassKey] {
        &self.wrapping
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        lines.next().filter(|line| *line == HEADER)?;
        let marks = PassKey::parse(lines.next()?.strip_prefix(MARKS)?)?;
        let wrapping: Vec<_> = lines.map(PassKey::parse).collect::<Option<_>>()?;
        (!wrapping.is_empty()).then_some(Self { marks, wrapping })
    }

    fn to_text(&self) -> String {
        let marks = format!("{MARKS}{}", self.marks.to_text());
        let wrapping = self.wrapping.iter().map(PassKey::to_text);
        let lines = [HEADER.to_owned(), marks].into_iter().chain(wrapping);
        lines.map(|line| line + "\n").collect()
    }
}

/// Why there are no keys for passes.
#[derive(Debug, thiserror::Error)]
pub enum PassKeyError {
    /// The file cannot be read or written.
    #[error("the pass keys {} cannot be {verb}: {source}", path.display())]
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
        "the pass keys {} can be read by others than their owner (mode {mode:04o}): run chmod 600 on it",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds something else.
    #[error(
        "{} holds no pass keys: put the right file back, for without it no pass can be read",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error("there are no pass keys {}: the first start of the server makes them", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
}

/// The keys in the file, which must be there.
///
/// # Errors
///
/// If it is not, is exposed to others, holds something else, or can't be read.
pub fn load_pass_keys(path: &Path) -> Result<PassKeys, PassKeyError> {
    load(path)?.ok_or_else(|| PassKeyError::Missing { path: path.to_owned() })
}

/// The keys in the file, made first if there are none. They appear whole and never replace others.
///
/// # Errors
///
/// If the file is exposed to others, holds something else, or cannot be read or made.
pub fn load_or_create_pass_keys(
    path: &Path,
    entropy: &dyn Entropy,
) -> Result<PassKeys, PassKeyError> {
    if let Some(keys) = load(path)? {
        return Ok(keys);
    }
    let keys = PassKeys::random(entropy).to_text();
    private_file::create(path, keys.as_bytes(), entropy)
        .map_err(|source| failure(path, "made", source))?;
    load_pass_keys(path)
}

/// Puts a new key into the file, which wraps from then on. Those before it stay, for what they wrapped.
///
/// # Errors
///
/// If there is no file yet, or it can't be read or replaced.
pub fn rotate_pass_keys(path: &Path, entropy: &dyn Entropy) -> Result<(), PassKeyError> {
    let PassKeys { marks, wrapping } = load_pass_keys(path)?;
    let wrapping = [PassKey::random(entropy)].into_iter().chain(wrapping).collect();
    let keys = PassKeys { marks, wrapping };
    private_file::replace(path, keys.to_text().as_bytes(), entropy)
        .map_err(|source| failure(path, "replaced", source))
}

fn load(path: &Path) -> Result<Option<PassKeys>, PassKeyError> {
    let found = private_file::read(path, MAX_FILE_BYTES);
    let path = || path.to_owned();
    match found.map_err(|source| failure(&path(), "read", source))? {
        Found::Nothing => Ok(None),
        Found::Exposed(mode) => Err(PassKeyError::Exposed { path: path(), mode }),
        Found::TooMuch => Err(PassKeyError::Unknown { path: path() }),
        Found::Bytes(bytes) => {
            let keys = PassKeys::parse(&bytes);
            keys.map(Some).ok_or_else(|| PassKeyError::Unknown { path: path() })
        }
    }
}

fn failure(path: &Path, verb: &'static str, source: io::Error) -> PassKeyError {
    PassKeyError::Io { path: path.to_owned(), verb, source }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::seams::SystemEntropy;

    #[test]
    fn the_first_start_makes_keys_and_every_rotation_keeps_those_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass.key");
        assert!(matches!(load_pass_keys(&path), Err(PassKeyError::Missing { .. })));
        assert!(rotate_pass_keys(&path, &SystemEntropy).is_err() && !path.exists());
        let first = load_or_create_pass_keys(&path, &SystemEntropy).unwrap();
        for number in 2..5 {
            rotate_pass_keys(&path, &SystemEntropy).unwrap();
            let keys = load_or_create_pass_keys(&path, &SystemEntropy).unwrap();
            assert_eq!(keys.wrapping().len(), number);
            assert_eq!(keys.marks().expose(), first.marks().expose());
            let oldest = keys.wrapping().last().unwrap();
            assert_eq!(oldest.expose(), first.wrapping()[0].expose());
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_damaged_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass.key");
        load_or_create_pass_keys(&path, &SystemEntropy).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_pass_keys(&path), Err(PassKeyError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let cut = text.lines().take(2).map(|line| format!("{line}\n")).collect();
        for bad in
            [String::new(), cut, text.replace("marks ", ""), text + "?\n", "x".repeat(99_999)]
        {
            fs::write(&path, &bad).unwrap();
            let error = load_or_create_pass_keys(&path, &SystemEntropy).unwrap_err();
            assert!(matches!(error, PassKeyError::Unknown { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys =
            PassKeys { marks: PassKey::new([77; 32]), wrapping: vec![PassKey::new([77; 32])] };
        assert!(!format!("{keys:?}").contains("77"));
    }
}
