//! What an import remembers of a line in the venue or show that it made of it.

use super::text::Line;

/// What an import knows a venue or a show by. Only one can be known by it.
pub type ImportKey = Line<210>;

/// The line that a venue or a show was last made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What the line calls it.
    pub key: ImportKey,
    /// A hash of what the line says. The same line again changes nothing, whatever was corrected by
    /// hand since.
    pub line: u64,
}
