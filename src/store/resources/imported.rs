//! What imports remember, and how they find it again.

use minicbor::{Decode, Encode};

use crate::domain::{ImportKey, Imported, Line};

/// The line that something was last made of.
#[derive(Debug, Encode, Decode)]
pub struct StoredImport<'a> {
    #[b(0)]
    key: &'a str,
    #[n(1)]
    line: u64,
}

impl<'a> From<&'a Imported> for StoredImport<'a> {
    fn from(imported: &'a Imported) -> Self {
        Self { key: imported.key.as_str(), line: imported.line }
    }
}

impl From<StoredImport<'_>> for Imported {
    fn from(stored: StoredImport<'_>) -> Self {
        Self { key: Line::accepted_before(stored.key), line: stored.line }
    }
}

/// The place of what is known by that. Nobody else can be there. A key contains no zero byte.
pub fn place(key: &ImportKey) -> Vec<u8> {
    [key.as_str().as_bytes(), &[0]].concat()
}
