//! What the pages' routes share.

use std::time::Duration;

use axum::http::HeaderValue;

use crate::domain::{Price, ShowView, Terms, Ticket, Timestamp};
use crate::http::on_sale::{OnSale, on_sale};
use crate::store::{ReadError, SharedStore};

/// Tells the time.
pub type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What the pages' routes share.
pub struct Pages {
    /// What is for sale.
    pub store: SharedStore,
    /// The time.
    pub now: Clock,
    /// The policy that goes with every document.
    pub policy: HeaderValue,
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// What the market adds to what sellers ask.
    pub terms: Terms,
    /// Where the server is reached, if that is known.
    pub origin: Option<String>,
}

impl Pages {
    /// What a buyer pays for a seat.
    pub fn total(&self, ticket: &Ticket) -> Price {
        self.terms.total(ticket.price)
    }

    /// What is on sale for each of these shows.
    pub async fn on_sale(&self, views: &[ShowView]) -> Result<Vec<OnSale>, ReadError> {
        on_sale(&self.store, &self.terms, (self.now)(), views).await
    }

    /// The whole address of a page.
    pub fn url(&self, path: &str) -> Option<String> {
        self.origin.as_ref().map(|origin| format!("{origin}{path}"))
    }
}
