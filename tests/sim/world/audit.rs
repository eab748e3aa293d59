//! The books at the end: rows against the log, money against orders.

use std::sync::Arc;

use gittix::domain::{
    Account, ChargeId, ChargePhase, ChargeView, DisputeStatus, Event, Order, OrderId, OrderState,
    RefundStatus, Subject, Ticket, TicketId, UserId, UserView,
};
use gittix::store::{ReadError, RedbStore};

use super::gateway::{Booked, Intent, IntentState};
use super::life::Life;
use super::model::Model;
use super::plan::Fault;
use super::post;
use super::record::Violation;

/// Checks everything there is, once the world has settled.
pub async fn audit(life: &Arc<Life>) -> Result<(), Violation> {
    life.sync().await;
    if let Some(file) = &life.file {
        fits_together(file)?;
    }
    check_rows(life).await?;
    check_money(life).await?;
    post::audit(life).await
}

/// The indexes of a file are what follows from its rows.
pub fn fits_together(file: &RedbStore) -> Result<(), Violation> {
    match file.verify() {
        Ok(report) if report.is_sound() => Ok(()),
        Ok(report) => Err(Violation::new("the store fits together", report.to_string())),
        Err(error) => Err(unreadable(&error)),
    }
}

fn unreadable(error: &ReadError) -> Violation {
    Violation::new("the store can be read", error.to_string())
}

/// What the log tells of everything there ever was, as it stands now.
struct Told {
    tickets: Vec<(TicketId, Option<Ticket>)>,
    orders: Vec<(OrderId, Option<Order>)>,
    charges: Vec<(ChargeId, Option<ChargeView>)>,
    /// With how often the log tells of each account.
    users: Vec<(UserId, Option<Vec<UserView>>, u64)>,
}

impl Told {
    fn by(model: &Model) -> Self {
        let times = |id: UserId| {
            let tells =
                |event: &Event| matches!(event.subject(), Subject::User(user) if user.id == id);
            model.log().iter().filter(|logged| tells(&logged.event)).count() as u64
        };
        let tickets = model.tickets.iter();
        let orders = model.orders.iter();
        let charges = model.charges.iter();
        let users = model.users.iter();
        Self {
            tickets: tickets.map(|(id, past)| (*id, past.now().cloned().flatten())).collect(),
            orders: orders
                .map(|(id, past)| (*id, past.now().map(|view| view.order.clone())))
                .collect(),
            charges: charges.map(|(id, past)| (*id, past.now().cloned())).collect(),
            users: users.map(|(id, past)| (*id, past.now().cloned(), times(*id))).collect(),
        }
    }
}

/// The rows are what the log tells.
async fn check_rows(life: &Life) -> Result<(), Violation> {
    let told = Told::by(&life.world.model());
    let differs = |what: String| Err(Violation::new("the rows are the log replayed", what));
    for (id, told) in told.tickets {
        let row = life.store.ticket(id).await.map_err(|error| unreadable(&error))?;
        if row != told {
            return differs(format!("{row:?}, told: {told:?}"));
        }
    }
    for (id, told) in told.orders {
        let row = life.store.purchase(id).await.map_err(|error| unreadable(&error))?;
        if row.as_ref().map(|purchase| &purchase.order) != told.as_ref() {
            return differs(format!("{row:?}, told: {told:?}"));
        }
    }
    for (id, told) in told.charges {
        let row = life.store.charge(id).await.map_err(|error| unreadable(&error))?;
        let row = row.map(|charge| charge.view());
        let same = row.as_ref().zip(told.as_ref()).is_some_and(|(row, told)| {
            (row.status, &row.refund, row.dispute, &row.failure_code, row.amount)
                == (told.status, &told.refund, told.dispute, &told.failure_code, told.amount)
        });
        if !same {
            return differs(format!("{row:?}, told: {told:?}"));
        }
    }
    for (id, told, times) in told.users {
        let row = life.store.user(id).await.map_err(|error| unreadable(&error))?;
        let same = row.as_ref().is_some_and(|row| {
            let is_told = told.as_ref().is_some_and(|views| views.contains(&row.view()));
            is_told && row.version.number() + 1 == times
        });
        if !same {
            return differs(format!("{row:?}, told {times} times: {told:?}"));
        }
    }
    Ok(())
}

/// Whatever the provider took is a sale, or was paid back once and in full.
async fn check_money(life: &Life) -> Result<(), Violation> {
    let intents = life.world.provider.intents();
    let mut sold = std::collections::BTreeSet::new();
    for (id, intent) in &intents {
        let live: Vec<&Booked> = intent.live_refunds().collect();
        life.world.record.count(match (&intent.state, live.is_empty()) {
            (IntentState::Captured, true) => "money: taken for a sale",
            (IntentState::Captured, false) if live.iter().any(|refund| is_ours(refund)) => {
                "money: refunded by the marketplace"
            }
            (IntentState::Captured, false) => "money: refunded by hand",
            _ => "money: not taken",
        });
        let charge = life.store.charge(intent.charge).await.map_err(|error| unreadable(&error))?;
        let order = life.store.order(intent.order).await.map_err(|error| unreadable(&error))?;
        let (Some(charge), Some(order)) = (&charge, &order) else {
            let detail = format!("{id:?} {intent:?} belongs to nothing");
            return Err(Violation::new("money belongs to a charge", detail));
        };
        let is_sale = order.state == OrderState::Completed && order.charge == Some(charge.id);
        let is_right = match (&intent.state, live.as_slice()) {
            // Nothing of what was begun with test keys is real, so that it has ended is enough.
            _ if intent.account != Account::StripeLive => !charge.is_unsettled() && live.len() < 2,
            // The bank gave back what was to be refunded.
            (IntentState::Captured, [])
                if intent.dispute == Some(DisputeStatus::Lost) && !is_sale =>
            {
                matches!(charge.phase, ChargePhase::Refunded { .. })
                    && charge.dispute == Some(DisputeStatus::Lost)
            }
            (IntentState::Captured, []) => {
                is_sale
                    && matches!(charge.phase, ChargePhase::Completed { .. })
                    && (charge.dispute.is_none() || intent.dispute.is_some())
                    && intent.amount == order.total().minor()
                    && sold.insert(intent.order)
            }
            // What somebody pays back by hand takes no ticket away, and the provider may
            // never tell of it.
            (IntentState::Captured, [_]) if intent.by_hand => {
                is_hand_refund_sound(intent, &charge.phase, is_sale)
            }
            (IntentState::Captured, [paid_back]) => {
                let known = charge.refund.as_ref().and_then(|refund| refund.id.as_ref());
                !is_sale
                    && matches!(charge.phase, ChargePhase::Refunded { .. })
                    && paid_back.status == RefundStatus::Succeeded
                    && (known == Some(&paid_back.id) || charge.dispute == Some(DisputeStatus::Lost))
            }
            (IntentState::Captured, _) => false,
            // What is left behind when the keys change lapses by itself.
            (IntentState::Authorised, _) => {
                life.world.plan.rates.of(Fault::ProviderChanges) > 0
                    && matches!(charge.phase, ChargePhase::Failed { .. })
            }
            (
                IntentState::Open
                | IntentState::NeedsBuyer
                | IntentState::Declined
                | IntentState::Voided,
                refunds,
            ) => refunds.is_empty() && matches!(charge.phase, ChargePhase::Failed { .. }),
        };
        if !is_right {
            let detail = format!("{id:?} {intent:?}, {charge:?}, {order:?}");
            return Err(Violation::new("money ends as a sale or a full refund, once", detail));
        }
    }
    Ok(())
}

fn is_ours(refund: &Booked) -> bool {
    !refund.id.0.starts_with("re_hand_")
}

fn is_hand_refund_sound(intent: &Intent, phase: &ChargePhase, is_sale: bool) -> bool {
    let was_by_hand = !intent.live_refunds().any(is_ours);
    match phase {
        ChargePhase::Completed { .. } => is_sale && was_by_hand,
        ChargePhase::Refunded { .. } => !is_sale || was_by_hand,
        _ => false,
    }
}
