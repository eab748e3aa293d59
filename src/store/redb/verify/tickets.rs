//! Tickets, the words they are found by, and the orders that hold them.

use std::collections::{BTreeMap, HashSet};

use redb::ReadableTable;

use crate::domain::{
    Allotment, Order, OrderState, ShowId, Ticket, TicketId, TicketState, TicketStatus,
};
use crate::store::records::TicketRow;
use crate::store::records::state::SeatsOnSale;
use crate::store::records::ticket::{is_on_market, ticket_words};
use crate::store::redb::stock;
use crate::store::redb::tables::{ORDERS, STOCK, TICKETS, TOMBSTONES};
use crate::store::redb::verify::indexes::Indexes;
use crate::store::redb::verify::words::Words;
use crate::store::redb::verify::{Damage, Inspection, Rows, lookup};
use crate::store::search::tombstones::ids_of_note;
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(
    inspection: &mut Inspection<'_>,
    indexes: &mut Indexes,
) -> Result<(), ReadError> {
    let (mut words, tombstones) = (Words::of(inspection)?, tombstones(inspection)?);
    // A few bytes for each show.
    let mut sums: BTreeMap<u128, u64> = BTreeMap::new();
    let orders = inspection.table(ORDERS)?;
    inspection.each::<TicketRow>(TICKETS, Damage::Told, |inspection, key, row| {
        let TicketRow::Listed(ticket) = row else {
            inspection.report.counts.tickets_withdrawn += 1;
            return Ok(());
        };
        let ticket = inspection.as_it_is(ticket);
        let counts = &mut inspection.report.counts;
        match ticket.status() {
            TicketStatus::Available => counts.tickets_available += 1,
            TicketStatus::Locked => counts.tickets_locked += 1,
            TicketStatus::Closed if ticket.sold().is_empty() => counts.tickets_closed += 1,
            TicketStatus::Sold | TicketStatus::Closed => counts.tickets_sold += 1,
        }
        let id = TicketId::from_u128(key);
        inspection.expect(ticket.id == id, || format!("tickets {id}: it says it is {}", ticket.id));
        if let Some((show, seats)) = stock::of_row(&ticket) {
            *sums.entry(show.as_u128()).or_default() += u64::from(seats);
        }
        indexes.hold(inspection, &ticket)?;
        words.hold(inspection, key, &ticket)?;
        if tombstones.contains(&key) {
            words.count_tombstone(key, &ticket)?;
        }
        if let TicketState::Several(allotment) = &ticket.state {
            return seats_are_their_orders(inspection, &orders, &ticket, allotment);
        }
        held_by_its_order(inspection, &orders, &ticket)
    })?;
    let tickets = inspection.table(TICKETS)?;
    words.inspect(inspection, |id, word| {
        Ok(ticket_row(&tickets, id)?.is_some_and(|ticket| {
            (tombstones.contains(&id) || is_on_market(&ticket))
                && ticket_words(&ticket).contains(word)
        }))
    })?;
    sums_are_of_rows(inspection, sums)
}

/// How many seats are on sale for each show is what the tickets say.
fn sums_are_of_rows(
    inspection: &mut Inspection<'_>,
    mut implied: BTreeMap<u128, u64>,
) -> Result<(), ReadError> {
    implied.retain(|_, seats| *seats > 0);
    inspection.each::<SeatsOnSale>(STOCK, Damage::Told, |inspection, show, found| {
        let (SeatsOnSale(found), implied) = (found, implied.remove(&show).unwrap_or_default());
        inspection.expect(found == implied, || {
            format!("stock {}: {found} seats, not {implied}", ShowId::from_u128(show))
        });
        Ok(())
    })?;
    let table = inspection.table(STOCK)?;
    for (show, seats) in implied {
        // One that is damaged was told.
        let is_there = table.get(show).map_err(storage_error)?.is_some();
        let id = ShowId::from_u128(show);
        inspection.expect(is_there, || format!("stock {id}: its {seats} seats are missing"));
    }
    Ok(())
}

/// Every ticket that is noted as a tombstone. It has to be a sold one.
fn tombstones(inspection: &mut Inspection<'_>) -> Result<HashSet<u128>, ReadError> {
    let tickets = inspection.table(TICKETS)?;
    let mut tombstones = HashSet::new();
    for note in inspection.table(TOMBSTONES)?.iter().map_err(storage_error)? {
        let (batch, ids) = note.map_err(storage_error)?;
        let ids = inspection.sound(ids_of_note(batch.value(), ids.value()))?;
        for id in ids.into_iter().flatten() {
            let row = ticket_row(&tickets, id)?;
            let is_sold = row.is_some_and(|ticket| !is_on_market(&ticket));
            let id_text = TicketId::from_u128(id);
            inspection.expect(is_sold, || format!("tombstone {id_text}: it is not sold"));
            tombstones.insert(id);
        }
    }
    let (round, batch) = (inspection.snapshot.round(), inspection.snapshot.batch());
    let (Some(round), Some(batch)) = (inspection.sound(round)?, inspection.sound(batch)?) else {
        return Ok(tombstones);
    };
    let is_possible =
        round.through <= batch && !(round.has_swept && round.next != Default::default());
    inspection.expect(is_possible, || format!("round: it can't have come to {round:?}"));
    Ok(tombstones)
}

/// The row of a ticket that was not withdrawn; `None` if it is damaged, too.
fn ticket_row(tickets: &Rows, id: u128) -> Result<Option<Ticket>, ReadError> {
    Ok(lookup::<TicketRow>(tickets, id)?.and_then(TicketRow::listed))
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
    let order: Option<Order> = lookup(orders, holder.as_u128())?;
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
        TicketState::Available | TicketState::Locked { .. } | TicketState::Several(_) => {}
        TicketState::Sold { .. } => {
            inspection.expect(order.state == OrderState::Completed, || {
                format!("tickets {id}: it was sold by {holder}, which is {:?}", order.state)
            });
        }
    }
    Ok(())
}

/// Each seat of several is held or sold by one order, which says the same.
fn seats_are_their_orders(
    inspection: &mut Inspection<'_>,
    orders: &Rows,
    ticket: &Ticket,
    allotment: &Allotment,
) -> Result<(), ReadError> {
    let id = ticket.id;
    inspection.expect(allotment.is_sound(ticket.listing().all()), || {
        format!("tickets {id}: a seat has two orders, or is none of its seats: {allotment:?}")
    });
    for part in &allotment.parts {
        let holder = part.order;
        let Some(order) = lookup::<Order>(orders, holder.as_u128())? else {
            inspection.wrong(format!("tickets {id}: its order {holder} is missing or damaged"));
            continue;
        };
        let says = order.part().filter(|_| order.ticket == id && order.is_of_several());
        inspection.expect(says == Some(*part), || {
            format!(
                "tickets {id}: {holder} has {part:?}, and says that it has {says:?} of {}",
                order.ticket
            )
        });
    }
    Ok(())
}
