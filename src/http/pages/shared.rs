//! What the pages' routes share.

use std::time::Duration;

use axum::http::HeaderValue;

use crate::domain::{Price, ShowId, ShowView, Terms, Ticket, Timestamp};
use crate::store::{ReadError, SharedStore, Stock};

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
        ticket.price.total(ticket.fees(&self.terms).buyer_minor, 1)
    }

    /// What is on sale for each of these shows: nothing, where a show sells no more. Prices are those
    /// that buyers pay.
    pub async fn on_sale(&self, views: &[ShowView]) -> Result<Vec<Stock>, ReadError> {
        let ids: Vec<ShowId> = views.iter().map(|view| view.show.id).collect();
        let (now, stocks) = ((self.now)(), self.store.stock(&ids).await?);
        let total = |price: Price| price.total(self.terms.fees.of(price).buyer_minor, 1);
        let on_sale = views.iter().zip(stocks).map(|(view, stock)| {
            let is_on_sale = view.show.takes_tickets(now).is_ok();
            let stock = if is_on_sale { stock } else { Stock::default() };
            Stock { from: stock.from.map(total), ..stock }
        });
        Ok(on_sale.collect())
    }

    /// The whole address of a page.
    pub fn url(&self, path: &str) -> Option<String> {
        self.origin.as_ref().map(|origin| format!("{origin}{path}"))
    }
}
