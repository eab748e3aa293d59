//! Tickets, the lists they are in, the words they are found by, and the orders that hold them.

use redb::ReadOnlyTable;

use super::{Inspection, Rows, lookup, value};
use crate::domain::{Order, OrderState, Ticket, TicketId, TicketState, UserId};
use crate::store::codec::TicketRow;
use crate::store::tables::{LISTS, LISTS_BY_PRICE, MARKET, ORDERS, TICKETS, WORDS};
use crate::store::{ReadError, index};

pub(super) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let mut indexes = Indexes {
        lists: inspection.table(LISTS)?,
        by_price: inspection.table(LISTS_BY_PRICE)?,
        words: inspection.table(WORDS)?,
        listings: 0,
        postings: 0,
    };
    let orders = inspection.table(ORDERS)?;
    inspection.each::<TicketRow>(TICKETS, |inspection, key, row| {
        let TicketRow::Listed(ticket) = row else {
            inspection.report.counts.tickets_withdrawn += 1;
            return Ok(());
        };
        let ticket = inspection.as_it_is(ticket);
        let counts = &mut inspection.report.counts;
        match ticket.state {
            TicketState::Available => counts.tickets_available += 1,
            TicketState::Locked { .. } => counts.tickets_locked += 1,
            TicketState::Sold { .. } => counts.tickets_sold += 1,
        }
        let id = TicketId::from_u128(key);
        inspection.expect(ticket.id == id, || format!("tickets {id}: it says it is {}", ticket.id));
        indexes.hold(inspection, key, &ticket)?;
        held_by_its_order(inspection, &orders, &ticket)
    })?;
    let (listings, postings) = (indexes.listings, indexes.postings);
    surplus(inspection, listings, postings)
}

/// The indexes of tickets, and how many entries they should have.
struct Indexes {
    lists: ReadOnlyTable<(u128, u128), u64>,
    by_price: ReadOnlyTable<(u128, u64, u128), ()>,
    words: ReadOnlyTable<(&'static str, u128), ()>,
    listings: u64,
    postings: u64,
}

impl Indexes {
    /// Finds everything that a ticket implies.
    fn hold(
        &mut self,
        inspection: &mut Inspection<'_>,
        id: u128,
        ticket: &Ticket,
    ) -> Result<(), ReadError> {
        let price = ticket.price.minor();
        for list in index::lists(ticket) {
            self.listings += 1;
            let listed = value(&self.lists, (list, id), |price| price)?;
            inspection.expect(listed == Some(price), || match listed {
                Some(listed) => format!("lists {}: its price is {listed} there", at(list, id)),
                None => format!("lists {}: the ticket is not in it", at(list, id)),
            });
            let is_listed = value(&self.by_price, (list, price, !id), |()| ())?.is_some();
            inspection.expect(is_listed, || {
                format!("lists_by_price {}: the ticket is not in it at {price}", at(list, id))
            });
        }
        for word in index::words(ticket) {
            self.postings += 1;
            let is_found = value(&self.words, (word.as_str(), id), |()| ())?.is_some();
            inspection.expect(is_found, || {
                format!("words {}: the ticket is not found by {word:?}", TicketId::from_u128(id))
            });
        }
        Ok(())
    }
}

/// A ticket's order is for it and has its price; a sold one's is completed. A locked one's is
/// open, for there is no other lock than an open order.
fn held_by_its_order(
    inspection: &mut Inspection<'_>,
    orders: &Rows,
    ticket: &Ticket,
) -> Result<(), ReadError> {
    let Some(holder) = ticket.order() else { return Ok(()) };
    let id = ticket.id;
    let order: Option<Order> = lookup(orders, ORDERS, holder.as_u128())?;
    let Some(order) = order else {
        inspection.wrong(format!("tickets {id}: its order {holder} is missing or damaged"));
        return Ok(());
    };
    inspection.expect(order.ticket == id, || {
        format!("tickets {id}: its order {holder} is for {}", order.ticket)
    });
    inspection.expect(order.price == ticket.price, || {
        format!("tickets {id}: it costs {}, its order {holder} {}", ticket.price, order.price)
    });
    match ticket.state {
        TicketState::Available | TicketState::Locked { .. } => {}
        TicketState::Sold { .. } => {
            inspection.expect(order.state == OrderState::Completed, || {
                format!("tickets {id}: it was sold by {holder}, which is {:?}", order.state)
            });
        }
    }
    Ok(())
}

/// Names the entries that no ticket implies.
fn surplus(inspection: &mut Inspection<'_>, listings: u64, postings: u64) -> Result<(), ReadError> {
    let tickets = inspection.table(TICKETS)?;
    let ticket = |id| -> Result<Option<Ticket>, ReadError> {
        Ok(lookup::<TicketRow>(&tickets, TICKETS, id)?.and_then(TicketRow::listed))
    };
    let belongs = |list: u128, id, price| -> Result<bool, ReadError> {
        Ok(ticket(id)?.is_some_and(|ticket| {
            ticket.price.minor() == price && index::lists(&ticket).any(|other| other == list)
        }))
    };
    inspection.no_more(LISTS, listings, |inspection, (list, id), price| {
        let is_right = belongs(list, id, price)?;
        inspection.expect(is_right, || format!("lists {}: it does not belong there", at(list, id)));
        Ok(())
    })?;
    inspection.no_more(LISTS_BY_PRICE, listings, |inspection, (list, price, complement), ()| {
        let id = !complement;
        let is_right = belongs(list, id, price)?;
        inspection.expect(is_right, || {
            format!("lists_by_price {}: it does not belong there at {price}", at(list, id))
        });
        Ok(())
    })?;
    inspection.no_more(WORDS, postings, |inspection, (word, id), ()| {
        let is_right = ticket(id)?.is_some_and(|ticket| index::words(&ticket).contains(word));
        let id = TicketId::from_u128(id);
        inspection.expect(is_right, || format!("words {id}: it must not be found by {word:?}"));
        Ok(())
    })
}

/// A ticket's place in a list, for a finding.
fn at(list: u128, id: u128) -> String {
    let id = TicketId::from_u128(id);
    if list == MARKET {
        format!("market {id}")
    } else {
        format!("{} {id}", UserId::from_u128(list))
    }
}
