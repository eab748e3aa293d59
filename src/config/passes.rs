//! The section `[passes]`.

use std::path::PathBuf;

use super::keys::number;
use super::layers::Reader;
use super::values;

/// How passes are taken and kept.
#[derive(Debug, Clone)]
pub struct PassSettings {
    /// The most bytes of one.
    pub max_bytes: usize,
    /// The file of the keys that they are sealed with; by default it is beside the session key.
    pub key_file: Option<PathBuf>,
}

impl PassSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        Self {
            max_bytes: number(from, "passes.max_bytes", 5 << 20, 1024..=64 << 20),
            key_file: from.read(
                "passes.key_file",
                None,
                "the path of a file, or nothing",
                |given| match values::text(given)? {
                    "" => Some(None),
                    path => Some(Some(PathBuf::from(path))),
                },
            ),
        }
    }
}
