//! How passes are taken.

/// How passes are taken.
#[derive(Debug, Clone, Copy)]
pub struct PassSettings {
    /// The most bytes of a pass.
    pub max_bytes: usize,
    /// How many may arrive at once, at most a few of one user's. Each is held in memory until it is kept.
    pub at_once: usize,
}

impl Default for PassSettings {
    fn default() -> Self {
        Self { max_bytes: 5 << 20, at_once: 16 }
    }
}
