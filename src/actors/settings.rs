//! How the marketplace behaves.

use std::sync::Arc;
use std::time::Duration;

use super::directory::DirectoryLimits;
use crate::domain::{PriceCaps, SessionRules, Terms};

/// How the marketplace behaves.
#[derive(Debug, Clone)]
pub struct MarketSettings {
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// How many orders one buyer may have open at a time.
    pub max_open_per_user: u32,
    /// How many holds of a ticket a buyer may end without a sale before they have to wait for it.
    pub relock_free: u32,
    /// How long sessions last, and how many a user may have.
    pub sessions: SessionRules,
    /// Whether anyone who is signed in may add venues and shows; otherwise only operators.
    pub shows_open: bool,
    /// Whether a ticket can be listed only for a show.
    pub require_show: bool,
    /// What the market adds to what sellers ask, and how much one buyer may have.
    pub terms: Terms,
    /// How much sellers may ask.
    pub price_caps: Arc<PriceCaps>,
    /// How many charges one order may try.
    pub max_attempts: u32,
    /// How long a buyer waits for the gateway before being told that it goes on.
    pub answer_within: Duration,
    /// How long a request is decided again and again because others are faster; then it is
    /// refused as too much.
    pub request_timeout: Duration,
    /// How many actors of one kind stay awake while idle.
    pub max_live_actors: usize,
    /// How many requests may wait for one ticket or one order.
    pub max_pending_per_actor: usize,
    /// How many calls to the gateway may be under way at a time.
    pub max_gateway_calls: usize,
    /// How long one call to the gateway may take before its outcome counts as unknown.
    pub gateway_timeout: Duration,
}

impl Default for MarketSettings {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(15 * 60),
            max_open_per_user: 10,
            relock_free: 2,
            sessions: SessionRules::default(),
            shows_open: true,
            require_show: false,
            terms: Terms::default(),
            price_caps: Arc::default(),
            max_attempts: 1,
            answer_within: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_live_actors: 512,
            max_pending_per_actor: 20_000,
            max_gateway_calls: 256,
            gateway_timeout: Duration::from_secs(30),
        }
    }
}

impl MarketSettings {
    /// What a directory of actors has to keep to.
    pub fn directory_limits(&self) -> DirectoryLimits {
        DirectoryLimits { max_live: self.max_live_actors, max_pending: self.max_pending_per_actor }
    }
}
