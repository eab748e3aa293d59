//! Charges, their indexes, and what orders know of them.

use std::collections::HashMap;

use redb::{ReadOnlyTable, ReadableTableMetadata};

use crate::domain::{Charge, ChargeId, ChargePhase, Order, OrderId, OrderState};
use crate::store::redb::tables::{CHARGES, CHARGES_BY_INTENT, ORDERS, UNSETTLED};
use crate::store::redb::verify::{Inspection, Pass, lookup, value};
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let mut indexes = Indexes {
        by_intent: inspection.table(CHARGES_BY_INTENT)?,
        unsettled: inspection.table(UNSETTLED)?,
        intents: 0,
        unsettled_count: 0,
    };
    let orders = inspection.table(ORDERS)?;
    inspection.each::<Charge>(CHARGES, |inspection, key, charge| {
        inspection.report.counts.charges += 1;
        let id = ChargeId::from_u128(key);
        inspection.expect(charge.id == id, || format!("charges {id}: it says it is {}", charge.id));
        indexes.hold(inspection, key, &charge)?;
        match lookup::<Order>(&orders, ORDERS, charge.order.as_u128())? {
            Some(order) => fits_its_order(inspection, &charge, &order),
            None => {
                inspection.wrong(format!("charges {id}: its order {} is missing", charge.order));
            }
        }
        Ok(())
    })?;
    inspection.report.counts.charges_unsettled = indexes.unsettled_count;
    let (intents, unsettled) = (indexes.intents, indexes.unsettled_count);
    surplus(inspection, intents, unsettled)?;
    attempts(inspection)
}

/// The indexes of charges, and how many entries they should have.
struct Indexes {
    by_intent: ReadOnlyTable<&'static str, u128>,
    unsettled: ReadOnlyTable<u128, ()>,
    intents: u64,
    unsettled_count: u64,
}

impl Indexes {
    /// Finds everything that a charge implies.
    fn hold(
        &mut self,
        inspection: &mut Inspection<'_>,
        key: u128,
        charge: &Charge,
    ) -> Result<(), ReadError> {
        let id = charge.id;
        if let Some(intent) = charge.intent() {
            self.intents += 1;
            let owner = value(&self.by_intent, intent.0.as_str(), |owner| owner)?;
            inspection.expect(owner == Some(key), || match owner.map(ChargeId::from_u128) {
                Some(owner) => format!("charges {id}: its intent {:?} is of {owner}", intent.0),
                None => format!("charges {id}: its intent {:?} is not listed", intent.0),
            });
        }
        if charge.is_unsettled() {
            self.unsettled_count += 1;
            let oldest = &mut inspection.report.counts.oldest_unsettled;
            *oldest = Some(oldest.map_or(charge.created_at, |at| at.min(charge.created_at)));
            let is_listed = value(&self.unsettled, key, |()| ())?.is_some();
            inspection.expect(is_listed, || {
                format!("unsettled_charges {id}: it is not listed and is {:?}", charge.phase)
            });
        }
        Ok(())
    }
}

/// A charge takes what its order costs, and ends with it.
fn fits_its_order(inspection: &mut Inspection<'_>, charge: &Charge, order: &Order) {
    use ChargePhase::{
        Capturing, Completed, Confirming, Created, Disputed, Failed, Intent, Refunded, Refunding,
        Voiding,
    };
    let id = charge.id;
    inspection.expect(charge.amount == order.price, || {
        format!(
            "charges {id}: it is over {}, its order {} over {}",
            charge.amount, order.id, order.price
        )
    });
    inspection.expect(charge.buyer == order.buyer, || {
        format!("charges {id}: {} pays the order of {}", charge.buyer, order.buyer)
    });
    let is_latest = order.charge == Some(id);
    let fits = match (is_latest, order.state) {
        // The one before must be settled before another is tried; later its money may turn up.
        (false, _) => matches!(
            charge.phase,
            Failed { .. } | Refunding { .. } | Refunded { .. } | Disputed { .. }
        ),
        (true, OrderState::Created) => false,
        // A declined intent may be voided while the order has attempts left.
        (true, OrderState::AwaitingPayment) => {
            !matches!(charge.phase, Completed { .. } | Disputed { .. })
        }
        (true, OrderState::Completed) => {
            matches!(charge.phase, Completed { .. } | Refunded { .. } | Disputed { .. })
        }
        (true, OrderState::Cancelled(_)) => match charge.phase {
            Voiding { .. }
            | Refunding { .. }
            | Refunded { .. }
            | Failed { .. }
            // The bank has paid the buyer back before we could.
            | Disputed { .. } => true,
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

/// Names the entries that no charge implies.
fn surplus(inspection: &mut Inspection<'_>, intents: u64, unsettled: u64) -> Result<(), ReadError> {
    let table = inspection.table(CHARGES)?;
    inspection.no_more(CHARGES_BY_INTENT, intents, |inspection, intent, id| {
        let charge: Option<Charge> = lookup(&table, CHARGES, id)?;
        let is_right =
            charge.is_some_and(|charge| charge.intent().is_some_and(|own| own.0 == intent));
        let id = ChargeId::from_u128(id);
        inspection.expect(is_right, || format!("charges_by_intent {intent:?}: {id} has another"));
        Ok(())
    })?;
    inspection.no_more(UNSETTLED, unsettled, |inspection, id, ()| {
        let charge: Option<Charge> = lookup(&table, CHARGES, id)?;
        let is_right = charge.is_some_and(|charge| charge.is_unsettled());
        let id = ChargeId::from_u128(id);
        inspection.expect(is_right, || format!("unsettled_charges {id}: it owes nothing"));
        Ok(())
    })
}

/// Each order counts its charges and names one of them. Which is the latest can't be told from
/// their ids, for the clock they are made with may have been set back at a restart.
fn attempts(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let rows = inspection.table(ORDERS)?.len().map_err(storage_error)?;
    let charges = inspection.table(CHARGES)?;
    for pass in Pass::all(rows) {
        let mut tried: HashMap<OrderId, u32> = HashMap::new();
        inspection.each_sound::<Charge>(CHARGES, |_, _, charge| {
            if pass.takes(charge.order.as_u128()) {
                let count = tried.entry(charge.order).or_default();
                *count = count.saturating_add(1);
            }
            Ok(())
        })?;
        inspection.each_sound::<Order>(ORDERS, |inspection, key, order| {
            if !pass.takes(key) {
                return Ok(());
            }
            let count = tried.get(&order.id).copied().unwrap_or(0);
            let id = order.id;
            inspection.expect(order.attempts == count, || {
                format!("orders {id}: it counts {} charges and has {count}", order.attempts)
            });
            let is_its_own = match order.charge {
                Some(named) => lookup::<Charge>(&charges, CHARGES, named.as_u128())?
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
