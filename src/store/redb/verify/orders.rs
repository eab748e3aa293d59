//! Orders, and the tickets they hold.

use crate::domain::{Order, OrderId, OrderState, OrderStatus, TicketState};
use crate::store::ReadError;
use crate::store::records::TicketRow;
use crate::store::redb::tables::{ORDERS, TICKETS};
use crate::store::redb::verify::indexes::Indexes;
use crate::store::redb::verify::{Damage, Inspection, Rows, lookup};

pub(in crate::store) fn inspect(
    inspection: &mut Inspection<'_>,
    indexes: &mut Indexes,
) -> Result<(), ReadError> {
    let tickets = inspection.table(TICKETS)?;
    inspection.each::<Order>(ORDERS, Damage::Told, |inspection, key, order| {
        count(inspection, order.state.status());
        let id = OrderId::from_u128(key);
        inspection.expect(order.id == id, || format!("orders {id}: it says it is {}", order.id));
        indexes.hold(inspection, &order)?;
        holds_its_ticket(inspection, &tickets, &order)
    })
}

fn count(inspection: &mut Inspection<'_>, status: OrderStatus) {
    let counts = &mut inspection.report.counts;
    match status {
        OrderStatus::Created => counts.orders_created += 1,
        OrderStatus::AwaitingPayment => counts.orders_awaiting_payment += 1,
        OrderStatus::Completed => counts.orders_completed += 1,
        OrderStatus::Cancelled => counts.orders_cancelled += 1,
    }
}

/// An open order's ticket is locked by it, a completed one's sold by it. A ticket names one
/// order, so no two orders can hold it.
fn holds_its_ticket(
    inspection: &mut Inspection<'_>,
    tickets: &Rows,
    order: &Order,
) -> Result<(), ReadError> {
    let id = order.id;
    let row: Option<TicketRow> = lookup(tickets, order.ticket.as_u128())?;
    let Some(row) = row else {
        inspection.wrong(format!("orders {id}: its ticket {} is missing", order.ticket));
        return Ok(());
    };
    let ticket = row.listed().map(|ticket| inspection.as_it_is(ticket));
    let state = ticket.as_ref().map(|ticket| ticket.state.clone());
    let is_right = match order.state {
        _ if order.is_of_several() => {
            let part = ticket.as_ref().and_then(|ticket| ticket.part_of(id));
            part == order.part()
                && (part.is_none() || ticket.is_some_and(|ticket| ticket.has_several()))
        }
        OrderState::Created | OrderState::AwaitingPayment => {
            matches!(state, Some(TicketState::Locked { order, .. }) if order == id)
        }
        OrderState::Completed => state == Some(TicketState::Sold { order: id }),
        OrderState::Cancelled(_) => true,
    };
    inspection.expect(is_right, || {
        let is = state.map_or("withdrawn".to_owned(), |state| format!("{state:?}"));
        format!("orders {id}: it is {:?}, its ticket {} is {is}", order.state, order.ticket)
    });
    Ok(())
}
