//! What the log tells of money: a line for each sale, decline, refund and dispute, once it is durable,
//! whoever or whatever brought it about.

use tracing::{info, warn};

use crate::domain::{ChargeView, Event};

/// The parts of a commit's events that are told of once it is durable.
pub fn of_money(events: &[Event]) -> Vec<Event> {
    let is_told = |event: &&Event| {
        use Event::{ChargeCompleted, ChargeDisputed, ChargeFailed, ChargeRefunded};
        matches!(
            event,
            ChargeCompleted(_) | ChargeFailed(_) | ChargeRefunded(_) | ChargeDisputed(_)
        )
    };
    events.iter().filter(is_told).cloned().collect()
}

/// Tells of them.
pub fn tell(events: &[Event]) {
    for event in events {
        match event {
            Event::ChargeCompleted(charge) => line(charge, "sold"),
            Event::ChargeRefunded(charge) => line(charge, "refunded"),
            Event::ChargeFailed(charge) => {
                let code = charge.failure_code.as_ref().map(|code| code.as_str());
                let (id, order, user) = (charge.id, charge.order, charge.buyer);
                info!(target: "gittix::audit", charge = %id, %order, %user, code, "a charge failed");
            }
            Event::ChargeDisputed(charge) => {
                let (id, order, user) = (charge.id, charge.order, charge.buyer);
                let dispute = charge.dispute;
                warn!(target: "gittix::audit", charge = %id, %order, %user, ?dispute, "disputed");
            }
            _ => {}
        }
    }
}

fn line(charge: &ChargeView, what: &'static str) {
    info!(
        target: "gittix::audit",
        charge = %charge.id,
        order = %charge.order,
        user = %charge.buyer,
        amount = charge.amount.minor(),
        currency = %charge.amount.currency(),
        "{what}",
    );
}
