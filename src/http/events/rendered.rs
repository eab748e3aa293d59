//! Events as they are sent.

use axum::body::Bytes;

use super::wire;
use crate::domain::{Audience, LoggedEvent, Terms};

/// An event, ready to be sent.
#[derive(Debug)]
pub struct Rendered {
    /// Its place in the log.
    pub seq: u64,
    /// Who may see it.
    pub audience: Audience,
    /// How it is sent.
    pub frame: Bytes,
}

impl Rendered {
    /// Renders an event.
    pub fn new(event: &LoggedEvent, terms: &Terms) -> Self {
        Self { seq: event.seq, audience: event.event.audience(), frame: wire::frame(event, terms) }
    }
}
