//! What is on sale for shows, as buyers see it.

use crate::domain::{Price, ShowId, ShowView, Terms, Timestamp};
use crate::store::{ReadError, SharedStore, Stock};

/// What is on sale for a show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnSale {
    /// How many seats.
    pub seats: u64,
    /// What the cheapest of them costs with its fee.
    pub from_total: Option<Price>,
}

/// What is on sale for each of these shows: nothing, where a show sells no more.
pub async fn on_sale(
    store: &SharedStore,
    terms: &Terms,
    now: Timestamp,
    views: &[ShowView],
) -> Result<Vec<OnSale>, ReadError> {
    let ids: Vec<ShowId> = views.iter().map(|view| view.show.id).collect();
    let stocks = store.stock(&ids).await?;
    let shown = |(view, Stock { seats, from }): (&ShowView, Stock)| {
        let is_on_sale = view.show.takes_tickets(now).is_ok();
        let shown = OnSale { seats, from_total: from.map(|price| terms.total(price)) };
        if is_on_sale { shown } else { OnSale::default() }
    };
    Ok(views.iter().zip(stocks).map(shown).collect())
}
