//! An order with its latest charge, and every decision about the two.
//!
//! ```text
//!              Pay                     captured
//!   Created ────────▶ AwaitingPayment ──────────▶ Completed
//!      │                │   ▲  │
//!      │                │   └──┘ declined, attempts left
//!      │ Cancel, Expire │
//!      ▼                ▼ Cancel, Expire, declined for the last time
//!         Cancelled (buyer, expired, payment_failed)
//! ```
//!
//! The rules that keep money and ticket together:
//!
//! * A charge enters `Capturing` only while the order is open and before its deadline. From
//!   then on neither the buyer nor the deadline ends the order.
//! * An order that ends before that gives its ticket back in the same commit, and its charge
//!   goes to `Voiding`, from where it ends as `Failed` or, should the gateway have taken the
//!   money all the same, as `Refunded`.
//! * What the gateway reports is a fact about its payment intent, perhaps an old one. It is
//!   applied to the current phase, so it may come late, twice or out of order.

mod by_hand;
mod reports;

use thiserror::Error;

use crate::bugs::{Bug, planted};

pub use self::by_hand::Finding;

use super::{
    Account, CancelReason, Charge, ChargeId, ChargePhase, ClientSecret, DisputeStatus, Event,
    ExpectedVersion, FailureCode, GatewayStep, IntentId, Order, OrderState, OrderView,
    PaymentToken, Refund, RefundStatus, Timestamp, learn_dispute, learn_refund,
};

/// An order and its latest charge: what is decided about together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The order.
    pub order: Order,
    /// Its latest charge.
    pub charge: Option<Charge>,
}

/// What can be asked of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurchaseCommand {
    /// The buyer gives the ticket back.
    Cancel {
        /// Which versions of the order the buyer means to cancel.
        expected: ExpectedVersion,
    },
    /// The deadline may have passed: look at the clock.
    Expire,
    /// The show does not take place.
    ShowCancelled,
    /// The buyer pays.
    Pay {
        /// Names the new charge.
        charge: ChargeId,
        /// The card.
        token: PaymentToken,
        /// With whom.
        account: Account,
    },
    /// The buyer gives an attempt up, to use another card.
    GiveUp {
        /// The charge.
        charge: ChargeId,
    },
    /// The gateway told something of a charge's payment intent.
    Report {
        /// The charge it is about.
        charge: ChargeId,
        /// What it told.
        report: IntentReport,
    },
    /// An operator says how a charge stands that the gateway does not tell of.
    Settle {
        /// The charge it is about.
        charge: ChargeId,
        /// What the operator has found out.
        finding: Finding,
    },
}

/// What the gateway knows of a payment intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentReport {
    /// Its name, if the gateway made one.
    pub intent: Option<IntentId>,
    /// How it stands there.
    pub fact: IntentFact,
    /// How a refund of all of it stands, if there is one.
    pub refund: Option<Refund>,
    /// How the cardholder's dispute stands, if there is one.
    pub dispute: Option<DisputeStatus>,
}

impl IntentReport {
    /// A report that tells of neither refund nor dispute.
    pub fn new(intent: Option<IntentId>, fact: IntentFact) -> Self {
        Self { intent, fact, refund: None, dispute: None }
    }
}

/// How a payment intent stands at the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentFact {
    /// It exists and was never confirmed.
    Open,
    /// The bank wants the buyer.
    NeedsBuyer(ClientSecret),
    /// The bank said no.
    Declined(FailureCode),
    /// The gateway refused for good to make or confirm it.
    Refused(FailureCode),
    /// The money is set aside.
    Authorised,
    /// The money was taken, whatever became of it since.
    Captured,
    /// It was cancelled; nothing is set aside.
    Voided,
    /// It can't be asked about any more: it was begun with another provider, account or mode.
    OutOfReach,
}

/// What becomes of a purchase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PurchaseDecision {
    /// Nothing to write down.
    Unchanged,
    /// Nothing to write down, but a payment intent that nobody needs is to be cancelled.
    /// Losing that call costs nobody anything.
    Tidy(IntentId),
    /// It changes.
    Changed(Box<PurchaseChange>),
}

/// A change of a purchase, to be committed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurchaseChange {
    /// The purchase afterwards.
    pub after: Purchase,
    /// What the ticket is asked for in the same commit.
    pub ticket: Option<TicketDemand>,
    /// What happened, in order. The ticket adds its own.
    pub events: Vec<Event>,
}

/// What an order asks of its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TicketDemand {
    /// Give it back to the market.
    Release,
    /// Make it the buyer's.
    Sell,
}

/// Why a purchase refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PurchaseRejection {
    /// It has been paid.
    #[error("the order is completed")]
    Completed,
    /// It was cancelled, by the buyer or after a failed payment.
    #[error("the order is cancelled")]
    Cancelled,
    /// Its time has run out.
    #[error("the order has expired")]
    Expired,
    /// A charge is under way.
    #[error("a payment of the order is in progress")]
    PaymentInProgress,
    /// The attempt is decided, so it can't be given up.
    #[error("the payment is decided")]
    Decided,
    /// What the operator says does not fit how the charge stands.
    #[error("nothing about the charge is left open, or not that")]
    NothingToSettle,
    /// The buyer's change was meant for another version.
    #[error("the order has changed since it was read")]
    VersionMismatch,
}

type Decided = Result<PurchaseDecision, PurchaseRejection>;

impl Purchase {
    /// Whether the buyer's money is back, on its way or owed.
    pub fn is_paid_back(&self) -> bool {
        self.charge.as_ref().is_some_and(|charge| {
            charge.is_owed_back || charge.refund.as_ref().is_some_and(Refund::is_under_way)
        })
    }

    /// What the buyer sees.
    pub fn view(&self) -> OrderView {
        OrderView { order: self.order.clone(), charge: self.charge.as_ref().map(Charge::view) }
    }

    /// Decides one command. `max_attempts` is how many charges an order may try.
    pub fn decide(&self, command: &PurchaseCommand, max_attempts: u32, now: Timestamp) -> Decided {
        match command {
            PurchaseCommand::Cancel { expected } => self.cancel(expected, now),
            PurchaseCommand::Expire => Ok(self.expire(now)),
            PurchaseCommand::ShowCancelled => Ok(self.show_cancelled(now)),
            PurchaseCommand::Pay { charge, token, account } => {
                self.pay(*charge, token, *account, now)
            }
            PurchaseCommand::GiveUp { charge } => self.give_up(*charge, now),
            PurchaseCommand::Report { charge, report } => {
                Ok(self.apply_report(*charge, report, max_attempts, now))
            }
            PurchaseCommand::Settle { charge, finding } => {
                self.settle(*charge, *finding, max_attempts, now)
            }
        }
    }

    fn cancel(&self, expected: &ExpectedVersion, now: Timestamp) -> Decided {
        match self.order.state {
            OrderState::Completed => Err(PurchaseRejection::Completed),
            // Asking for a state already reached is a success.
            OrderState::Cancelled(_) => Ok(PurchaseDecision::Unchanged),
            OrderState::Created | OrderState::AwaitingPayment => {
                if self.is_capturing() {
                    return Err(PurchaseRejection::PaymentInProgress);
                }
                if !expected.allows(self.order.version) {
                    return Err(PurchaseRejection::VersionMismatch);
                }
                // Past the deadline it is the deadline that ended it, whoever comes first.
                let reason =
                    if self.is_overdue(now) { CancelReason::Expired } else { CancelReason::Buyer };
                Ok(self.end(reason, now))
            }
        }
    }

    fn expire(&self, now: Timestamp) -> PurchaseDecision {
        match self.order.state {
            OrderState::Completed | OrderState::Cancelled(_) => PurchaseDecision::Unchanged,
            OrderState::Created | OrderState::AwaitingPayment => {
                if self.is_capturing() || !self.is_overdue(now) {
                    return PurchaseDecision::Unchanged;
                }
                self.end(CancelReason::Expired, now)
            }
        }
    }

    /// What is open ends, and what was paid is owed back.
    fn show_cancelled(&self, now: Timestamp) -> PurchaseDecision {
        match self.order.state {
            OrderState::Cancelled(_) => PurchaseDecision::Unchanged,
            OrderState::Completed => self.owe_back(now),
            // Whether it becomes a sale is not known yet.
            OrderState::Created | OrderState::AwaitingPayment if self.is_capturing() => {
                PurchaseDecision::Unchanged
            }
            OrderState::Created | OrderState::AwaitingPayment => {
                self.end(CancelReason::ShowCancelled, now)
            }
        }
    }

    /// The money of a sale is owed to the buyer from now on, unless they have it back.
    fn owe_back(&self, now: Timestamp) -> PurchaseDecision {
        let Some(charge) = self.charge.as_ref().filter(|charge| !charge.is_owed_back) else {
            return PurchaseDecision::Unchanged;
        };
        let ChargePhase::Completed { intent } = &charge.phase else {
            return PurchaseDecision::Unchanged;
        };
        let owing = Charge { is_owed_back: true, ..charge.clone() };
        let phase = reports::owed(&owing, intent.clone());
        let told = |charge: &Charge| vec![Event::RefundRequested(charge.view())];
        self.show_charge(&owing, phase, told, now)
    }

    /// Whether nothing is left to be done about it where its show was cancelled. (A refund is followed to
    /// its end as any other.)
    pub fn is_over_with_its_show(&self) -> bool {
        let is_back = |charge: &Charge| {
            charge.is_owed_back || matches!(charge.phase, ChargePhase::Refunded { .. })
        };
        match self.order.state {
            OrderState::Created | OrderState::AwaitingPayment => false,
            OrderState::Cancelled(_) => true,
            OrderState::Completed => self.charge.as_ref().is_some_and(is_back),
        }
    }

    fn pay(&self, id: ChargeId, token: &PaymentToken, account: Account, now: Timestamp) -> Decided {
        match self.order.state {
            OrderState::Completed => Err(PurchaseRejection::Completed),
            OrderState::Cancelled(CancelReason::Expired) => Err(PurchaseRejection::Expired),
            OrderState::Cancelled(
                CancelReason::Buyer | CancelReason::PaymentFailed | CancelReason::ShowCancelled,
            ) => Err(PurchaseRejection::Cancelled),
            OrderState::Created | OrderState::AwaitingPayment => {
                if self.charge.as_ref().is_some_and(may_still_take_money) {
                    return Err(PurchaseRejection::PaymentInProgress);
                }
                if self.is_overdue(now) && !planted(Bug::PayPastDeadline) {
                    return Err(PurchaseRejection::Expired);
                }
                let charge = Charge::new(id, &self.order, token.clone(), now).begun_with(account);
                let order = Order {
                    attempts: self.order.attempts.saturating_add(1),
                    charge: Some(id),
                    ..self.order.moved(OrderState::AwaitingPayment)
                };
                let after = Self { order, charge: Some(charge.clone()) };
                let events = vec![
                    Event::OrderAwaitingPayment(after.view()),
                    Event::ChargeCreated(charge.view()),
                ];
                Ok(changed(after, None, events))
            }
        }
    }

    /// The buyer gives an attempt up. The order lives on, however many attempts it has had.
    fn give_up(&self, id: ChargeId, now: Timestamp) -> Decided {
        let Some(charge) = self.charge.as_ref().filter(|charge| charge.id == id) else {
            return Err(PurchaseRejection::Decided);
        };
        let given_up = FailureCode::given_up();
        let phase = match &charge.phase {
            ChargePhase::Intent | ChargePhase::Created { .. } | ChargePhase::Confirming { .. }
                if self.is_overdue(now) =>
            {
                return Ok(self.end(CancelReason::Expired, now));
            }
            ChargePhase::Intent => ChargePhase::Failed { intent: None, code: given_up },
            ChargePhase::Created { intent } | ChargePhase::Confirming { intent, .. } => {
                ChargePhase::Voiding { intent: intent.clone(), code: given_up }
            }
            // Asking for a state already reached is a success.
            ChargePhase::Voiding { code, .. } | ChargePhase::Failed { code, .. }
                if *code == given_up =>
            {
                return Ok(PurchaseDecision::Unchanged);
            }
            ChargePhase::Capturing { .. }
            | ChargePhase::Voiding { .. }
            | ChargePhase::Refunding { .. }
            | ChargePhase::Completed { .. }
            | ChargePhase::Refunded { .. }
            | ChargePhase::Failed { .. } => return Err(PurchaseRejection::Decided),
        };
        let told = |charge: &Charge| vec![Event::ChargeFailed(charge.view())];
        Ok(self.show_charge(charge, phase, told, now))
    }

    /// Ends an open order whose charge, if any, has not reached the point of no return.
    fn end(&self, reason: CancelReason, now: Timestamp) -> PurchaseDecision {
        let charge = self.charge.as_ref().map(|charge| abandon(charge, reason, now));
        let charge_failed = charge.as_ref().filter(|charge| Some(*charge) != self.charge.as_ref());
        let mut events: Vec<Event> =
            charge_failed.map(|charge| Event::ChargeFailed(charge.view())).into_iter().collect();
        let order = self.order.moved(OrderState::Cancelled(reason));
        let after = Self { order, charge };
        events.push(after.told_event());
        changed(after, Some(TicketDemand::Release), events)
    }

    fn is_overdue(&self, now: Timestamp) -> bool {
        self.order.expires_at <= now
    }

    fn is_capturing(&self) -> bool {
        self.charge
            .as_ref()
            .is_some_and(|charge| matches!(charge.phase, ChargePhase::Capturing { .. }))
    }

    /// The event that tells how the order stands. It is told again, with the next version,
    /// whenever what the order shows of its charge changes.
    fn told_event(&self) -> Event {
        match self.order.state {
            OrderState::Created | OrderState::AwaitingPayment => {
                Event::OrderAwaitingPayment(self.view())
            }
            OrderState::Completed => Event::OrderCompleted(self.view()),
            OrderState::Cancelled(CancelReason::Expired) => Event::OrderExpired(self.view()),
            OrderState::Cancelled(
                CancelReason::Buyer | CancelReason::PaymentFailed | CancelReason::ShowCancelled,
            ) => Event::OrderCancelled(self.view()),
        }
    }

    /// Money taken: the sale is done.
    fn complete(&self, charge: &Charge, intent: IntentId, now: Timestamp) -> PurchaseDecision {
        let charge = charge.moved(ChargePhase::Completed { intent }, now);
        let told = Event::ChargeCompleted(charge.view());
        let after = Self { order: self.order.moved(OrderState::Completed), charge: Some(charge) };
        let events = vec![told, Event::OrderCompleted(after.view())];
        changed(after, Some(TicketDemand::Sell), events)
    }

    /// The attempt failed; the order lives on if it has attempts left.
    fn fail_attempt(
        &self,
        charge: &Charge,
        phase: ChargePhase,
        max_attempts: u32,
        now: Timestamp,
    ) -> PurchaseDecision {
        if self.order.attempts >= max_attempts {
            return self.end_by_gateway(charge, phase, now);
        }
        let told = |charge: &Charge| vec![Event::ChargeFailed(charge.view())];
        self.show_charge(charge, phase, told, now)
    }

    /// The charge ended without a sale and takes the order with it.
    fn end_by_gateway(
        &self,
        charge: &Charge,
        phase: ChargePhase,
        now: Timestamp,
    ) -> PurchaseDecision {
        let charge = charge.moved(phase, now);
        let mut events = match &charge.phase {
            ChargePhase::Refunded { .. } | ChargePhase::Refunding { .. } => told_of_taking(&charge),
            _ => vec![Event::ChargeFailed(charge.view())],
        };
        let order = self.order.moved(OrderState::Cancelled(CancelReason::PaymentFailed));
        let after = Self { order, charge: Some(charge) };
        events.push(after.told_event());
        changed(after, Some(TicketDemand::Release), events)
    }

    /// Moves the charge in a way that clients do not see: no new version of the order.
    fn move_charge(&self, charge: &Charge, phase: ChargePhase, now: Timestamp) -> PurchaseDecision {
        let charge = charge.moved(phase, now);
        let after = Self { order: self.order.clone(), charge: Some(charge) };
        changed(after, None, Vec::new())
    }

    /// Moves the charge in a way that the order shows: the order gets a new version and is
    /// told of again.
    fn show_charge(
        &self,
        charge: &Charge,
        phase: ChargePhase,
        told: impl FnOnce(&Charge) -> Vec<Event>,
        now: Timestamp,
    ) -> PurchaseDecision {
        let charge = charge.moved(phase, now);
        let mut events = told(&charge);
        let is_latest = self.order.charge == Some(charge.id);
        let order = if is_latest { self.order.moved(self.order.state) } else { self.order.clone() };
        let after = Self { order, charge: Some(charge) };
        if is_latest {
            events.push(after.told_event());
        }
        changed(after, None, events)
    }

    /// The call that brings the purchase forward.
    pub fn next_step(&self) -> Option<GatewayStep> {
        self.charge.as_ref().and_then(Charge::next_step)
    }
}

fn changed(after: Purchase, ticket: Option<TicketDemand>, events: Vec<Event>) -> PurchaseDecision {
    PurchaseDecision::Changed(Box::new(PurchaseChange { after, ticket, events }))
}

/// What becomes of a charge when its order ends before the point of no return.
fn abandon(charge: &Charge, reason: CancelReason, now: Timestamp) -> Charge {
    let code = match reason {
        CancelReason::Buyer | CancelReason::ShowCancelled => FailureCode::order_cancelled(),
        CancelReason::Expired | CancelReason::PaymentFailed => FailureCode::order_expired(),
    };
    match &charge.phase {
        // Nothing is confirmed before the intent's name is stored, so nothing is to be voided.
        ChargePhase::Intent => charge.moved(ChargePhase::Failed { intent: None, code }, now),
        ChargePhase::Created { intent } | ChargePhase::Confirming { intent, .. } => {
            charge.moved(ChargePhase::Voiding { intent: intent.clone(), code }, now)
        }
        ChargePhase::Capturing { .. }
        | ChargePhase::Voiding { .. }
        | ChargePhase::Refunding { .. }
        | ChargePhase::Completed { .. }
        | ChargePhase::Refunded { .. }
        | ChargePhase::Failed { .. } => charge.clone(),
    }
}

/// Whether another attempt beside this one could charge the buyer twice. What is being voided is
/// never captured, so the next need not wait until the gateway has got round to it.
fn may_still_take_money(charge: &Charge) -> bool {
    charge.is_unsettled() && !matches!(charge.phase, ChargePhase::Voiding { .. })
}

/// What is told of money that is seen to be taken without a sale. One event tells all that the
/// charge shows.
fn told_of_taking(is: &Charge) -> Vec<Event> {
    let is_back = is.refund.as_ref().is_some_and(Refund::has_succeeded);
    let told = if is_back { Event::ChargeRefunded } else { Event::ChargeCompleted };
    vec![told(is.view())]
}

/// What is told of refunds and disputes of a charge that stands otherwise now.
fn told_of_money(was: &Charge, is: &Charge) -> Vec<Event> {
    let is_back = is.refund.as_ref().is_some_and(Refund::has_succeeded);
    let told = if is.refund != was.refund && is_back {
        Event::ChargeRefunded
    } else if is.dispute != was.dispute {
        Event::ChargeDisputed
    } else {
        Event::ChargeUpdated
    };
    vec![told(is.view())]
}

#[cfg(test)]
mod after_sale;
#[cfg(test)]
mod tests;
