//! Tickets, the lists they are in, the words they are found by, and the orders that hold them.

use std::collections::HashSet;

use redb::{ReadOnlyTable, ReadableTable};

use crate::domain::{Order, OrderState, Ticket, TicketId, TicketState, UserId};
use crate::store::records::codec::TicketRow;
use crate::store::records::index;
use crate::store::redb::tables::{LINGERING, LISTS, LISTS_BY_PRICE, MARKET, ORDERS, TICKETS};
use crate::store::redb::verify::words::Words;
use crate::store::redb::verify::{Inspection, Rows, lookup, value};
use crate::store::search::lingering::ids_of_note;
use crate::store::search::words::title_words;
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let mut indexes = Indexes {
        lists: inspection.table(LISTS)?,
        by_price: inspection.table(LISTS_BY_PRICE)?,
        words: Words::of(inspection)?,
        lingering: lingering(inspection)?,
        listings: 0,
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
    surplus(inspection, &indexes)
}

/// Every ticket that is noted to linger. It has to be a sold one.
fn lingering(inspection: &mut Inspection<'_>) -> Result<HashSet<u128>, ReadError> {
    let tickets = inspection.table(TICKETS)?;
    let mut lingering = HashSet::new();
    for note in inspection.table(LINGERING)?.iter().map_err(storage_error)? {
        let (batch, ids) = note.map_err(storage_error)?;
        let ids = inspection.sound(ids_of_note(batch.value(), ids.value()))?;
        for id in ids.into_iter().flatten() {
            let row = ticket_row(&tickets, id)?;
            let is_sold = row.is_some_and(|ticket| !index::is_on_market(&ticket));
            let id_text = TicketId::from_u128(id);
            inspection.expect(is_sold, || format!("lingering {id_text}: it is not sold"));
            lingering.insert(id);
        }
    }
    let (round, batch) = (inspection.snapshot.round()?, inspection.snapshot.batch()?);
    let is_possible =
        round.through <= batch && !(round.has_swept && round.next != Default::default());
    inspection.expect(is_possible, || format!("round: it can't have come to {round:?}"));
    Ok(lingering)
}

/// The row of a ticket that was not withdrawn; `None` if it is damaged, too.
fn ticket_row(tickets: &Rows, id: u128) -> Result<Option<Ticket>, ReadError> {
    Ok(lookup::<TicketRow>(tickets, TICKETS, id)?.and_then(TicketRow::listed))
}

/// The indexes of tickets, and how many entries they should have.
struct Indexes {
    lists: ReadOnlyTable<(u128, u128), u64>,
    by_price: ReadOnlyTable<(u128, u64, u128), ()>,
    words: Words,
    /// Sold tickets that may still be found by words.
    lingering: HashSet<u128>,
    listings: u64,
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
        self.words.hold(inspection, id, ticket)?;
        if self.lingering.contains(&id) {
            self.words.count_what_lingers(id, ticket)?;
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
fn surplus(inspection: &mut Inspection<'_>, indexes: &Indexes) -> Result<(), ReadError> {
    let &Indexes { listings, ref lingering, ref words, .. } = indexes;
    let tickets = inspection.table(TICKETS)?;
    let ticket = |id| ticket_row(&tickets, id);
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
    words.inspect(inspection, |id, word| {
        Ok(ticket(id)?.is_some_and(|ticket| {
            (lingering.contains(&id) || index::is_on_market(&ticket))
                && title_words(&ticket.title).contains(word)
        }))
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
