//! Orders, the indexes that list them, and the tickets they hold.

use crate::domain::{Order, OrderId, OrderState, OrderStatus, TicketId, TicketState, UserId};
use crate::store::ReadError;
use crate::store::records::codec::TicketRow;
use crate::store::records::index;
use crate::store::redb::tables::{DEADLINES, ENDED_ORDERS, ORDERS, TICKETS};
use crate::store::redb::verify::{Inspection, Rows, lookup, value};

pub(in crate::store) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let listed = inspection.table(ENDED_ORDERS)?;
    let deadlines = inspection.table(DEADLINES)?;
    let tickets = inspection.table(TICKETS)?;
    let (mut ended, mut open) = (0, 0);
    inspection.each::<Order>(ORDERS, |inspection, key, order| {
        count(inspection, order.state.status());
        let id = OrderId::from_u128(key);
        inspection.expect(order.id == id, || format!("orders {id}: it says it is {}", order.id));
        if let Some(key) = index::ended(&order) {
            ended += 1;
            let is_listed = value(&listed, key, |()| ())?.is_some();
            inspection.expect(is_listed, || {
                format!("ended_orders {id}: it is not listed under its status")
            });
        }
        if let Some(deadline) = index::deadline(&order) {
            open += 1;
            let holding = value(&deadlines, deadline, |holding| holding)?;
            inspection.expect(holding == Some(index::holding(&order)), || match holding {
                Some((buyer, ticket)) => {
                    let (buyer, ticket) = (UserId::from_u128(buyer), TicketId::from_u128(ticket));
                    format!("deadlines {id}: {buyer} is its buyer there, {ticket} its ticket")
                }
                None => format!("deadlines {id}: its deadline is not listed"),
            });
        }
        holds_its_ticket(inspection, &tickets, &order)
    })?;
    surplus(inspection, ended, open)
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
    let row: Option<TicketRow> = lookup(tickets, TICKETS, order.ticket.as_u128())?;
    let Some(row) = row else {
        inspection.wrong(format!("orders {id}: its ticket {} is missing", order.ticket));
        return Ok(());
    };
    let state = row.listed().map(|ticket| inspection.as_it_is(ticket).state);
    let is_right = match order.state {
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

/// Names the entries that no order implies.
fn surplus(inspection: &mut Inspection<'_>, ended: u64, open: u64) -> Result<(), ReadError> {
    let table = inspection.table(ORDERS)?;
    inspection.no_more(ENDED_ORDERS, ended, |inspection, listed, _| {
        let (buyer, _, id) = listed;
        let order: Option<Order> = lookup(&table, ORDERS, id)?;
        let is_right = order.is_some_and(|order| index::ended(&order) == Some(listed));
        let id = OrderId::from_u128(id);
        inspection.expect(is_right, || {
            let buyer = UserId::from_u128(buyer);
            format!("ended_orders {id}: {buyer} has no such order in that status")
        });
        Ok(())
    })?;
    inspection.no_more(DEADLINES, open, |inspection, deadline, _| {
        let order: Option<Order> = lookup(&table, ORDERS, deadline.1)?;
        let is_right = order.is_some_and(|order| index::deadline(&order) == Some(deadline));
        let id = OrderId::from_u128(deadline.1);
        inspection.expect(is_right, || format!("deadlines {id}: no open order has that deadline"));
        Ok(())
    })
}
