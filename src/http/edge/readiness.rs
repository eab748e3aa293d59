//! Whether the server takes work.

use std::sync::Arc;

use tokio::sync::watch;

/// Whether the server takes work. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<watch::Sender<bool>>);

impl Readiness {
    /// From now on the server is stopping.
    pub fn begin_stopping(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is.
    pub fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// Tells of the moment from which it is.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Returns once it is.
    pub async fn stopping(&self) {
        // The sender is held right here, so waiting can't fail.
        let _ = self.0.subscribe().wait_for(|stopping| *stopping).await;
    }
}
