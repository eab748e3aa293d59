//! How many seats are on sale for each show.
//!
//! A sum over all tickets of a show, kept as a row beside them: a page of shows tells it of each. It
//! follows from rows of tickets, which know everything but that an order holds the one seat of a
//! ticket, and from open orders, which know that.

use std::collections::BTreeMap;

use redb::{ReadableTable as _, WriteTransaction};

use crate::domain::{Order, Price, ShowId, Ticket, TicketId};
use crate::store::failed::Failed;
use crate::store::records::state::SeatsOnSale;
use crate::store::records::ticket::{self, is_on_market};
use crate::store::records::{self, Indexed as _, TicketRow};
use crate::store::redb::indexes;
use crate::store::redb::reads::{self, Snapshot};
use crate::store::redb::write_tables::WriteTables;
use crate::store::search::blocks;
use crate::store::search::signature::signature;
use crate::store::{ReadError, Stock, storage_error};

/// The seats of a show that a ticket's row says are on sale.
pub fn of_row(ticket: &Ticket) -> Option<(ShowId, u32)> {
    let show = ticket.show()?.id;
    is_on_market(ticket).then(|| (show, ticket.free().len()))
}

/// The seats of a show that an order holds and its ticket's row does not know of.
pub fn held_by(order: &Order) -> Option<(ShowId, u32)> {
    let show = order.show()?.id;
    (order.is_open() && !order.is_of_several()).then_some((show, 1))
}

/// What a batch changes of the sums.
#[derive(Debug, Default)]
pub struct StockChanges(BTreeMap<u128, i64>);

impl StockChanges {
    /// A row of a ticket became another.
    pub fn ticket(&mut self, before: Option<&Ticket>, after: Option<&Ticket>) {
        self.add(before.and_then(of_row), -1);
        self.add(after.and_then(of_row), 1);
    }

    /// A row of an order became another.
    pub fn order(&mut self, before: Option<&Order>, after: &Order) {
        self.add(before.and_then(held_by), 1);
        self.add(held_by(after), -1);
    }

    fn add(&mut self, seats: Option<(ShowId, u32)>, sign: i64) {
        if let Some((show, seats)) = seats {
            *self.0.entry(show.as_u128()).or_default() += sign * i64::from(seats);
        }
    }

    /// Writes the sums. One that is damaged stays as it is, and verification names it.
    pub fn write(self, tables: &mut WriteTables<'_>) -> Result<(), Failed> {
        for (show, change) in self.0.into_iter().filter(|(_, change)| *change != 0) {
            let stock = tables.stock.open()?;
            let before = stock.get(show)?.map(|row| records::decode(show, row.value()));
            let Ok(SeatsOnSale(before)) = before.unwrap_or(Ok(SeatsOnSale(0))) else {
                tracing::error!(show = %ShowId::from_u128(show), "the sum of its seats is damaged");
                continue;
            };
            let after = SeatsOnSale(before.saturating_add_signed(change));
            if after == SeatsOnSale(0) {
                stock.remove(show)?;
            } else {
                let row =
                    records::encode(show, &after).map_err(|error| Failed(error.to_string()))?;
                stock.insert(show, row.as_slice())?;
            }
        }
        Ok(())
    }
}

/// Puts every ticket that says more than title and price into the lists, words and sums that an earlier
/// format had not.
pub fn list_anew(rows: &Snapshot, txn: &WriteTransaction) -> Result<(), ReadError> {
    let failed = |Failed(why)| ReadError::Storage(why);
    let mut tables = WriteTables::new(txn);
    let (mut sums, mut words) = (StockChanges::default(), blocks::Changes::default());
    for entry in rows.tickets()?.iter().map_err(storage_error)? {
        let (id, row) = entry.map_err(storage_error)?;
        // What is damaged is told when it is looked for.
        let Ok(TicketRow::Listed(ticket)) = records::decode(id.value(), row.value()) else {
            continue;
        };
        if ticket.listing.is_none() {
            continue;
        }
        for entry in ticket.entries() {
            indexes::insert(&mut tables, &entry).map_err(failed)?;
        }
        if ticket.show().is_some() {
            let found_by = ticket::words(&ticket);
            let signature = signature(&found_by);
            for word in found_by {
                words.set(word, id.value(), Some(signature));
            }
        }
        // The row of one seat does not know that an order holds it.
        if ticket.has_several() || rows.holder(ticket.id).is_none() {
            sums.ticket(None, Some(&ticket));
        }
    }
    words.write(tables.words.open().map_err(storage_error)?).map_err(failed)?;
    sums.write(&mut tables).map_err(failed)
}

impl Snapshot {
    /// What is on sale for a show.
    pub fn stock(&self, show: ShowId) -> Result<Stock, ReadError> {
        let seats: Option<SeatsOnSale> = reads::record(self.seats_on_sale()?, show.as_u128())?;
        let Some(SeatsOnSale(seats)) = seats else { return Ok(Stock::default()) };
        Ok(Stock { seats, from: self.cheapest(show)? })
    }

    /// What the cheapest ticket of a show costs that nobody holds.
    fn cheapest(&self, show: ShowId) -> Result<Option<Price>, ReadError> {
        let list = show.as_u128();
        let all = (list, 0, 0)..=(list, u64::MAX, u128::MAX);
        for entry in self.lists_by_price()?.range(all).map_err(storage_error)? {
            let (key, ()) =
                entry.map(|(key, value)| (key.value(), value.value())).map_err(storage_error)?;
            let id = TicketId::from_u128(!key.2);
            if self.holder(id).is_some() {
                continue;
            }
            let row = self.page_row(id)?.filter(|row| row.price.minor() == key.1);
            let astray = || ReadError::Corrupt(format!("lists {id}: it does not belong there"));
            let row = row.ok_or_else(astray)?;
            let price = row.price;
            self.keep_page(&[row]);
            return Ok(Some(price));
        }
        Ok(None)
    }
}
