//! What the pages' routes share.

use std::time::Duration;

use axum::http::HeaderValue;

use crate::store::SharedStore;

/// What the pages' routes share.
pub struct Pages {
    /// What is for sale.
    pub store: SharedStore,
    /// The policy that goes with every document.
    pub policy: HeaderValue,
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// Where the server is reached, if that is known.
    pub origin: Option<String>,
}

impl Pages {
    /// The whole address of a page.
    pub fn url(&self, path: &str) -> Option<String> {
        self.origin.as_ref().map(|origin| format!("{origin}{path}"))
    }
}
