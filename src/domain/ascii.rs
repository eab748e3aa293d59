//! Text of a fixed length that needs no memory of its own.

use std::fmt;

/// That many ASCII characters: an id or a time as it is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ascii<const LEN: usize>(pub(super) [u8; LEN]);

impl<const LEN: usize> Ascii<LEN> {
    /// The text.
    pub fn as_str(&self) -> &str {
        // What is made here is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const LEN: usize> fmt::Debug for Ascii<LEN> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
