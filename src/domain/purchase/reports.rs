//! What the gateway reports, decided phase by phase.
//!
//! Each phase answers to every fact, because a report may come late, twice or out of order: what
//! it says was true once, and whether it still matters follows from the phase.

use super::*;

impl Purchase {
    /// Applies what the gateway reports to the current phase of the charge it is about.
    pub(super) fn apply_report(
        &self,
        id: ChargeId,
        report: &IntentReport,
        max_attempts: u32,
        now: Timestamp,
    ) -> PurchaseDecision {
        // For a report on an earlier attempt the caller passes the purchase with that charge.
        // It takes no money any more when the next one starts, so only its own row can change.
        let Some(charge) = self.charge.as_ref().filter(|charge| charge.id == id) else {
            return PurchaseDecision::Unchanged;
        };
        let (known, fact) = (report.intent.as_ref(), &report.fact);
        if let (Some(own), Some(other)) = (charge.intent(), known)
            && own != other
        {
            return report_on_stray(other, fact);
        }
        let heard = &after_hearing(charge, report);
        match &charge.phase {
            ChargePhase::Intent => self.report_on_intent(charge, known, fact, max_attempts, now),
            ChargePhase::Created { intent } | ChargePhase::Confirming { intent, .. } => {
                self.report_on_confirm(heard, intent, fact, max_attempts, now)
            }
            ChargePhase::Capturing { intent } => self.report_on_capture(heard, intent, fact, now),
            ChargePhase::Voiding { intent, code } => {
                self.report_on_void(heard, intent, code, fact, now)
            }
            ChargePhase::Refunding { intent }
            | ChargePhase::Completed { intent }
            | ChargePhase::Refunded { intent } => {
                self.report_on_taken(charge, heard, intent, fact, now)
            }
            ChargePhase::Failed { .. } => self.report_on_failed(heard, known, fact, now),
        }
    }

    /// Nothing is confirmed before the intent's name is stored, so all that can be learnt here
    /// is that name, or that there will never be one.
    fn report_on_intent(
        &self,
        charge: &Charge,
        known: Option<&IntentId>,
        fact: &IntentFact,
        max_attempts: u32,
        now: Timestamp,
    ) -> PurchaseDecision {
        match (known, fact) {
            (None, IntentFact::Refused(code) | IntentFact::Declined(code)) => {
                let phase = ChargePhase::Failed { intent: None, code: code.clone() };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            (_, IntentFact::OutOfReach) => {
                let code = FailureCode::provider_changed();
                let phase = ChargePhase::Failed { intent: None, code };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            (
                None,
                IntentFact::Open
                | IntentFact::NeedsBuyer(_)
                | IntentFact::Authorised
                | IntentFact::Captured
                | IntentFact::Voided,
            ) => PurchaseDecision::Unchanged,
            (
                Some(intent),
                IntentFact::Open
                | IntentFact::NeedsBuyer(_)
                | IntentFact::Declined(_)
                | IntentFact::Refused(_)
                | IntentFact::Authorised
                | IntentFact::Captured
                | IntentFact::Voided,
            ) => self.move_charge(charge, ChargePhase::Created { intent: intent.clone() }, now),
        }
    }

    /// The order is open here: had it ended, the charge would be `Voiding`.
    fn report_on_confirm(
        &self,
        charge: &Charge,
        intent: &IntentId,
        fact: &IntentFact,
        max_attempts: u32,
        now: Timestamp,
    ) -> PurchaseDecision {
        let intent = intent.clone();
        match fact {
            IntentFact::Open => PurchaseDecision::Unchanged,
            IntentFact::NeedsBuyer(client_secret) => {
                if charge.client_secret().is_some() {
                    return PurchaseDecision::Unchanged;
                }
                let client_secret = client_secret.clone();
                let phase = ChargePhase::Confirming { intent, client_secret };
                self.show_charge(charge, phase, |_| Vec::new(), now)
            }
            // The buyer's browser could confirm the intent again with its client secret, so it
            // is cancelled before the charge counts as settled.
            IntentFact::Declined(code) if charge.client_secret().is_some() => {
                let phase = ChargePhase::Voiding { intent, code: code.clone() };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            IntentFact::Declined(code) | IntentFact::Refused(code) => {
                let phase = ChargePhase::Failed { intent: Some(intent), code: code.clone() };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            IntentFact::Voided => {
                let code = FailureCode::cancelled_at_gateway();
                let phase = ChargePhase::Failed { intent: Some(intent), code };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            // Nobody is left who could capture it: what may be set aside there lapses by itself.
            IntentFact::OutOfReach => {
                let code = FailureCode::provider_changed();
                let phase = ChargePhase::Failed { intent: Some(intent), code };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            IntentFact::Authorised if self.is_overdue(now) => self.end(CancelReason::Expired, now),
            IntentFact::Authorised => {
                self.move_charge(charge, ChargePhase::Capturing { intent }, now)
            }
            // Somebody captured it by hand while the order still holds its ticket.
            IntentFact::Captured => self.money_taken(charge, intent, now),
        }
    }

    fn report_on_capture(
        &self,
        charge: &Charge,
        intent: &IntentId,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        let intent = intent.clone();
        match fact {
            IntentFact::Captured => self.money_taken(charge, intent, now),
            // Older facts, or a capture that did not come through: it is asked for again.
            // A decline is among them, for a declined intent may be confirmed again: one that was
            // seen before the authorisation can be told after it.
            IntentFact::Open
            | IntentFact::NeedsBuyer(_)
            | IntentFact::Declined(_)
            | IntentFact::Authorised
            | IntentFact::Refused(_) => PurchaseDecision::Unchanged,
            // The authorisation is gone for good: no money, no sale.
            IntentFact::Voided => {
                let code = FailureCode::cancelled_at_gateway();
                self.end_by_gateway(charge, ChargePhase::Failed { intent: Some(intent), code }, now)
            }
            // Whether the money was taken can't be known, so if it is real somebody has to look.
            IntentFact::OutOfReach
                if charge.is_of_real_money() && !planted(Bug::ForgottenCapture) =>
            {
                PurchaseDecision::Unchanged
            }
            IntentFact::OutOfReach => {
                let code = FailureCode::provider_changed();
                self.end_by_gateway(charge, ChargePhase::Failed { intent: Some(intent), code }, now)
            }
        }
    }

    /// Money is seen to be taken while the order holds its ticket: it is sold, unless the money
    /// is on its way back already.
    fn money_taken(&self, charge: &Charge, intent: IntentId, now: Timestamp) -> PurchaseDecision {
        if charge.refund.as_ref().is_some_and(Refund::is_under_way) {
            return self.end_by_gateway(charge, owed(charge, intent), now);
        }
        self.complete(charge, intent, now)
    }

    fn report_on_void(
        &self,
        charge: &Charge,
        intent: &IntentId,
        code: &FailureCode,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        match fact {
            // Buyers were told of the failure when the voiding began. What is out of reach can't
            // be captured by anybody here, and lapses by itself.
            IntentFact::Voided | IntentFact::OutOfReach => {
                let (intent, code) = (Some(intent.clone()), code.clone());
                self.move_charge(charge, ChargePhase::Failed { intent, code }, now)
            }
            IntentFact::Captured => self.pay_back(charge, intent.clone(), now),
            // Not given back yet: the cancelling is asked for again. A declined intent holds
            // nothing but could still be confirmed by whoever has its client secret.
            IntentFact::Open
            | IntentFact::NeedsBuyer(_)
            | IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Authorised => PurchaseDecision::Unchanged,
        }
    }

    /// What becomes of money that was taken. For a sale, operators and cardholders do that, and
    /// the order and the ticket stand: whether a refunded ticket is sold again is for people to
    /// decide. For an order that is over, the money is owed until it is back.
    fn report_on_taken(
        &self,
        charge: &Charge,
        heard: &Charge,
        intent: &IntentId,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        match fact {
            IntentFact::Captured => {
                let intent = intent.clone();
                let stands = self.is_sold_by(charge) && !charge.is_owed_back;
                let phase = if stands { sold(heard, intent) } else { owed(heard, intent) };
                if *heard == *charge && phase == charge.phase {
                    return PurchaseDecision::Unchanged;
                }
                self.show_charge(heard, phase, |after| told_of_money(charge, after), now)
            }
            // Money that was never real need not be paid back; real money is for people to see to.
            IntentFact::OutOfReach if !charge.is_of_real_money() && charge.is_unsettled() => {
                if self.is_sold_by(charge) && !charge.is_owed_back {
                    return self.close_refund(charge, now);
                }
                if self.is_sold_by(charge) {
                    let refund = Refund { id: None, status: RefundStatus::Closed };
                    let after = Charge { refund: Some(refund), ..charge.clone() };
                    let phase = ChargePhase::Completed { intent: intent.clone() };
                    return self.show_charge(&after, phase, |c| told_of_money(charge, c), now);
                }
                let code = FailureCode::provider_changed();
                let phase = ChargePhase::Failed { intent: Some(intent.clone()), code };
                self.show_charge(charge, phase, |c| vec![Event::ChargeFailed(c.view())], now)
            }
            IntentFact::Open
            | IntentFact::NeedsBuyer(_)
            | IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Authorised
            | IntentFact::Voided
            | IntentFact::OutOfReach => PurchaseDecision::Unchanged,
        }
    }

    /// A failed charge may have left an intent behind that a late call made or the buyer's
    /// browser brought back to life.
    fn report_on_failed(
        &self,
        charge: &Charge,
        known: Option<&IntentId>,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        let Some(intent) = known.or(charge.intent()).cloned() else {
            return PurchaseDecision::Unchanged;
        };
        match fact {
            IntentFact::Open | IntentFact::NeedsBuyer(_) | IntentFact::Authorised => {
                PurchaseDecision::Tidy(intent)
            }
            // Whoever took it has paid it back.
            IntentFact::Captured if charge.refund.as_ref().is_some_and(Refund::has_succeeded) => {
                PurchaseDecision::Unchanged
            }
            IntentFact::Captured => self.pay_back(charge, intent, now),
            IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Voided
            | IntentFact::OutOfReach => PurchaseDecision::Unchanged,
        }
    }

    /// Money was taken for an order that is over.
    fn pay_back(&self, charge: &Charge, intent: IntentId, now: Timestamp) -> PurchaseDecision {
        let phase = owed(charge, intent);
        self.show_charge(charge, phase, told_of_taking, now)
    }

    /// Whether the order was paid by that charge.
    fn is_sold_by(&self, charge: &Charge) -> bool {
        self.order.state == OrderState::Completed && self.order.charge == Some(charge.id)
    }
}

/// The charge with what a report tells of refunds and disputes. What is known is not forgotten
/// for a report that is older.
fn after_hearing(charge: &Charge, report: &IntentReport) -> Charge {
    let refund = learn_refund(charge.refund.as_ref(), report.refund.as_ref());
    let dispute = learn_dispute(charge.dispute, report.dispute);
    Charge { refund, dispute, ..charge.clone() }
}

/// How a sale stands whose money may have been paid back by hand.
fn sold(charge: &Charge, intent: IntentId) -> ChargePhase {
    if charge.refund.as_ref().is_some_and(Refund::has_succeeded) {
        ChargePhase::Refunded { intent }
    } else {
        ChargePhase::Completed { intent }
    }
}

/// How money stands that was taken for nothing: it is owed until the buyer has it back, be it by
/// a refund or because the bank has decided so. A pending refund is none yet.
pub(super) fn owed(charge: &Charge, intent: IntentId) -> ChargePhase {
    let is_refunded = charge.refund.as_ref().is_some_and(|refund| {
        refund.has_succeeded() || (planted(Bug::HastyRefund) && refund.is_under_way())
    });
    // A refund of ours on top of that would be a second one.
    if is_refunded || charge.dispute == Some(DisputeStatus::Lost) {
        ChargePhase::Refunded { intent }
    } else if charge.is_owed_back && (charge.is_given_up() || charge.has_open_dispute()) {
        ChargePhase::Completed { intent }
    } else {
        ChargePhase::Refunding { intent }
    }
}

/// An intent that was made for a charge which has another by now, because the gateway forgot a
/// key or its answer came late. It was never confirmed and is not to be; what it says is nothing
/// about the charge.
fn report_on_stray(intent: &IntentId, fact: &IntentFact) -> PurchaseDecision {
    match fact {
        IntentFact::Open | IntentFact::NeedsBuyer(_) | IntentFact::Authorised => {
            PurchaseDecision::Tidy(intent.clone())
        }
        IntentFact::Declined(_)
        | IntentFact::Refused(_)
        | IntentFact::Captured
        | IntentFact::Voided
        | IntentFact::OutOfReach => PurchaseDecision::Unchanged,
    }
}
