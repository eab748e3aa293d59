//! Charges, and what orders know of them.

use std::collections::HashMap;

use redb::ReadableTableMetadata;

use crate::domain::{Charge, ChargeId, ChargePhase, Order, OrderId, OrderState};
use crate::store::redb::tables::{CHARGES, ORDERS};
use crate::store::redb::verify::indexes::Indexes;
use crate::store::redb::verify::{Damage, Inspection, Pass, lookup};
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(
    inspection: &mut Inspection<'_>,
    indexes: &mut Indexes,
) -> Result<(), ReadError> {
    let orders = inspection.table(ORDERS)?;
    inspection.each::<Charge>(CHARGES, Damage::Told, |inspection, key, charge| {
        let id = ChargeId::from_u128(key);
        inspection.expect(charge.id == id, || format!("charges {id}: it says it is {}", charge.id));
        count(inspection, &charge);
        indexes.hold(inspection, &charge)?;
        match lookup::<Order>(&orders, charge.order.as_u128())? {
            Some(order) => fits_its_order(inspection, &charge, &order),
            None => {
                inspection.wrong(format!("charges {id}: its order {} is missing", charge.order));
            }
        }
        Ok(())
    })?;
    attempts(inspection)
}

fn count(inspection: &mut Inspection<'_>, charge: &Charge) {
    let counts = &mut inspection.report.counts;
    counts.charges += 1;
    if charge.is_unsettled() {
        counts.charges_unsettled += 1;
        let oldest = counts.oldest_unsettled.unwrap_or(charge.created_at);
        counts.oldest_unsettled = Some(oldest.min(charge.created_at));
    }
}

/// A charge takes what its order costs, and ends with it.
fn fits_its_order(inspection: &mut Inspection<'_>, charge: &Charge, order: &Order) {
    use ChargePhase::{
        Capturing, Completed, Confirming, Created, Failed, Intent, Refunded, Refunding, Voiding,
    };
    let id = charge.id;
    let total = order.total();
    inspection.expect(charge.amount == total, || {
        let (amount, order) = (charge.amount, order.id);
        format!("charges {id}: it is over {amount}, its order {order} over {total}")
    });
    inspection.expect(charge.buyer == order.buyer, || {
        format!("charges {id}: {} pays the order of {}", charge.buyer, order.buyer)
    });
    let is_latest = order.charge == Some(id);
    let fits = match (is_latest, order.state) {
        // The one before takes no money any more when another is tried; later it may turn up.
        (false, _) => matches!(
            charge.phase,
            Voiding { .. } | Failed { .. } | Refunding { .. } | Refunded { .. }
        ),
        (true, OrderState::Created) => false,
        // A declined intent may be voided while the order has attempts left.
        (true, OrderState::AwaitingPayment) => !matches!(charge.phase, Completed { .. }),
        (true, OrderState::Completed) => match charge.phase {
            Completed { .. } | Refunded { .. } => true,
            Refunding { .. } => charge.is_owed_back,
            _ => false,
        },
        (true, OrderState::Cancelled(_)) => match charge.phase {
            Voiding { .. } | Refunding { .. } | Refunded { .. } | Failed { .. } => true,
            Intent | Created { .. } | Confirming { .. } | Capturing { .. } | Completed { .. } => {
                false
            }
        },
    };
    inspection.expect(fits, || {
        let place = if is_latest { "the latest" } else { "an earlier" };
        let (order, state) = (order.id, order.state);
        format!("charges {id}: it is {:?} and {place} of {order}, which is {state:?}", charge.phase)
    });
}

/// Each order counts its charges and names one of them. Which is the latest can't be told from
/// their ids, for the clock they are made with may have been set back at a restart.
fn attempts(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let rows = inspection.table(ORDERS)?.len().map_err(storage_error)?;
    let charges = inspection.table(CHARGES)?;
    for pass in Pass::all(rows) {
        let mut tried: HashMap<OrderId, u32> = HashMap::new();
        inspection.each::<Charge>(CHARGES, Damage::Known, |_, _, charge| {
            if pass.takes(charge.order.as_u128()) {
                let count = tried.entry(charge.order).or_default();
                *count = count.saturating_add(1);
            }
            Ok(())
        })?;
        inspection.each::<Order>(ORDERS, Damage::Known, |inspection, key, order| {
            if !pass.takes(key) {
                return Ok(());
            }
            let count = tried.get(&order.id).copied().unwrap_or(0);
            let id = order.id;
            inspection.expect(order.attempts == count, || {
                format!("orders {id}: it counts {} charges and has {count}", order.attempts)
            });
            let is_its_own = match order.charge {
                Some(named) => lookup::<Charge>(&charges, named.as_u128())?
                    .is_some_and(|charge| charge.order == id),
                None => count == 0,
            };
            inspection.expect(is_its_own, || {
                format!("orders {id}: its latest charge is {:?}, of {count}", order.charge)
            });
            let fits = match order.state {
                OrderState::Created => count == 0,
                OrderState::AwaitingPayment | OrderState::Completed => count > 0,
                OrderState::Cancelled(_) => true,
            };
            inspection.expect(fits, || {
                format!("orders {id}: it is {:?} and has {count} charges", order.state)
            });
            Ok(())
        })?;
    }
    Ok(())
}
