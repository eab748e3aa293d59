//! The books at the end: rows against the log, money against orders.

use std::sync::Arc;

use gittix::domain::{ChargePhase, Event, OrderState};
use gittix::store::{ReadError, Store as _};

use super::gateway::{Intent, IntentState};
use super::life::Life;
use super::record::Violation;

/// Checks everything there is, once the world has settled.
pub async fn audit(life: &Arc<Life>) -> Result<(), Violation> {
    life.sync().await;
    match life.store.verify() {
        Ok(report) if report.is_sound() => {}
        Ok(report) => return Err(Violation::new("the store fits together", report.to_string())),
        Err(error) => return Err(unreadable(&error)),
    }
    check_rows(life).await?;
    check_money(life).await
}

fn unreadable(error: &ReadError) -> Violation {
    Violation::new("the store can be read", error.to_string())
}

/// The rows are what the log tells.
async fn check_rows(life: &Life) -> Result<(), Violation> {
    #[expect(clippy::await_holding_lock, reason = "nobody else is at work any more")]
    let model = life.world.model();
    let differs = |what: String| Err(Violation::new("the rows are the log replayed", what));
    for (id, past) in &model.tickets {
        let row = life.store.ticket(*id).await.map_err(|error| unreadable(&error))?;
        let told = past.now().and_then(Option::as_ref);
        if row.as_ref() != told {
            return differs(format!("{row:?}, told: {told:?}"));
        }
    }
    for (id, past) in &model.orders {
        let row = life.store.purchase(*id).await.map_err(|error| unreadable(&error))?;
        let told = past.now().map(|view| &view.order);
        if row.as_ref().map(|purchase| &purchase.order) != told {
            return differs(format!("{row:?}, told: {told:?}"));
        }
    }
    for (id, past) in &model.charges {
        let row = life.store.charge(*id).await.map_err(|error| unreadable(&error))?;
        let (row, told) = (row.map(|charge| charge.view()), past.now());
        let same = row.as_ref().zip(told).is_some_and(|(row, told)| {
            (row.status, &row.refund, &row.failure_code, row.amount)
                == (told.status, &told.refund, &told.failure_code, told.amount)
        });
        if !same {
            return differs(format!("{row:?}, told: {told:?}"));
        }
    }
    for (id, past) in &model.users {
        let row = life.store.user(*id).await.map_err(|error| unreadable(&error))?;
        let told = model.log().iter().filter(|logged| {
            matches!(&logged.event,
                Event::UserCreated(user) | Event::UserUpdated(user) if user.id == *id)
        });
        let told = told.count() as u64;
        let same = row
            .as_ref()
            .is_some_and(|row| Some(&row.view()) == past.now() && row.version.number() + 1 == told);
        if !same {
            return differs(format!("{row:?}, told {told} times: {:?}", past.now()));
        }
    }
    Ok(())
}

/// Whatever the provider took is a sale, or was paid back once and in full.
async fn check_money(life: &Life) -> Result<(), Violation> {
    let intents = life.world.provider.intents();
    let mut sold = std::collections::BTreeSet::new();
    for (id, intent) in &intents {
        life.world.record.count(match (&intent.state, intent.refunds.is_empty()) {
            (IntentState::Captured, true) => "money: taken for a sale",
            (IntentState::Captured, false) => "money: paid back",
            _ => "money: not taken",
        });
        let charge = life.store.charge(intent.charge).await.map_err(|error| unreadable(&error))?;
        let order = life.store.order(intent.order).await.map_err(|error| unreadable(&error))?;
        let (Some(charge), Some(order)) = (&charge, &order) else {
            let detail = format!("{id:?} {intent:?} belongs to nothing");
            return Err(Violation::new("money belongs to a charge", detail));
        };
        let is_sale = order.state == OrderState::Completed && order.charge == Some(charge.id);
        let is_right = match (&intent.state, intent.refunds.len()) {
            (IntentState::Captured, 0) => {
                is_sale
                    && matches!(charge.phase, ChargePhase::Completed { .. })
                    && intent.amount == order.price.minor()
                    && sold.insert(intent.order)
            }
            // What somebody pays back by hand takes no ticket away, and the provider may
            // never tell of it.
            (IntentState::Captured, 1) if intent.by_hand => {
                is_hand_refund_sound(intent, &charge.phase, is_sale)
            }
            (IntentState::Captured, 1) => {
                !is_sale && matches!(charge.phase, ChargePhase::Refunded { .. })
            }
            (IntentState::Captured, _) => false,
            (IntentState::Authorised, _) => false,
            (
                IntentState::Open
                | IntentState::NeedsBuyer
                | IntentState::Declined
                | IntentState::Voided,
                refunds,
            ) => refunds == 0 && matches!(charge.phase, ChargePhase::Failed { .. }),
        };
        if !is_right {
            let detail = format!("{id:?} {intent:?}, {charge:?}, {order:?}");
            return Err(Violation::new("money ends as a sale or a full refund, once", detail));
        }
    }
    Ok(())
}

fn is_hand_refund_sound(intent: &Intent, phase: &ChargePhase, is_sale: bool) -> bool {
    let was_by_hand = intent.refunds.iter().all(|refund| refund.0.starts_with("re_hand_"));
    match phase {
        ChargePhase::Completed { .. } => is_sale && was_by_hand,
        ChargePhase::Refunded { .. } => !is_sale || was_by_hand,
        _ => false,
    }
}
