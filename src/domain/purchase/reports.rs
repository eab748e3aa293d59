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
        // It was settled before the next could start, so only its own row can change.
        let Some(charge) = self.charge.as_ref().filter(|charge| charge.id == id) else {
            return PurchaseDecision::Unchanged;
        };
        let (known, fact) = (report.intent.as_ref(), &report.fact);
        if let (Some(own), Some(other)) = (charge.intent(), known)
            && own != other
        {
            return report_on_stray(other, fact);
        }
        match &charge.phase {
            ChargePhase::Intent => self.report_on_intent(charge, known, fact, max_attempts, now),
            ChargePhase::Created { intent } => {
                self.report_on_confirm(charge, intent, fact, max_attempts, now)
            }
            ChargePhase::Confirming { intent, .. } => {
                self.report_on_confirm(charge, intent, fact, max_attempts, now)
            }
            ChargePhase::Capturing { intent } => self.report_on_capture(charge, intent, fact, now),
            ChargePhase::Voiding { intent, code } => {
                self.report_on_void(charge, intent, code, fact, now)
            }
            ChargePhase::Refunding { intent } => self.report_on_refund(charge, intent, fact, now),
            ChargePhase::Completed { intent } => self.report_on_sale(charge, intent, fact, now),
            ChargePhase::Disputed { intent, .. } => self.report_on_sale(charge, intent, fact, now),
            ChargePhase::Refunded { .. } => PurchaseDecision::Unchanged,
            ChargePhase::Failed { .. } => self.report_on_failed(charge, known, fact, now),
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
            (
                None,
                IntentFact::Open
                | IntentFact::NeedsBuyer(_)
                | IntentFact::Authorised
                | IntentFact::Captured
                | IntentFact::Voided
                | IntentFact::Refunded(_)
                | IntentFact::Disputed(_),
            ) => PurchaseDecision::Unchanged,
            (
                Some(intent),
                IntentFact::Open
                | IntentFact::NeedsBuyer(_)
                | IntentFact::Declined(_)
                | IntentFact::Refused(_)
                | IntentFact::Authorised
                | IntentFact::Captured
                | IntentFact::Voided
                | IntentFact::Refunded(_)
                | IntentFact::Disputed(_),
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
                self.show_charge(charge, phase, |_| None, now)
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
            IntentFact::Authorised if self.is_overdue(now) => self.end(CancelReason::Expired, now),
            IntentFact::Authorised => {
                self.move_charge(charge, ChargePhase::Capturing { intent }, now)
            }
            // Somebody captured it by hand while the order still holds its ticket. A dispute is
            // seen when the gateway is looked at next.
            IntentFact::Captured | IntentFact::Disputed(_) => self.complete(charge, intent, now),
            IntentFact::Refunded(refund) => self.end_refunded(charge, intent, refund, now),
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
            IntentFact::Captured | IntentFact::Disputed(_) => self.complete(charge, intent, now),
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
            IntentFact::Refunded(refund) => self.end_refunded(charge, intent, refund, now),
        }
    }

    fn report_on_void(
        &self,
        charge: &Charge,
        intent: &IntentId,
        code: &FailureCode,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        let intent = intent.clone();
        match fact {
            // Buyers were told of the failure when the voiding began.
            IntentFact::Voided => {
                let phase = ChargePhase::Failed { intent: Some(intent), code: code.clone() };
                self.move_charge(charge, phase, now)
            }
            IntentFact::Captured | IntentFact::Disputed(_) => self.pay_back(charge, intent, now),
            IntentFact::Refunded(refund) => self.refunded(charge, intent, refund, now),
            // Not given back yet: the cancelling is asked for again. A declined intent holds
            // nothing but could still be confirmed by whoever has its client secret.
            IntentFact::Open
            | IntentFact::NeedsBuyer(_)
            | IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Authorised => PurchaseDecision::Unchanged,
        }
    }

    fn report_on_refund(
        &self,
        charge: &Charge,
        intent: &IntentId,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        match fact {
            IntentFact::Refunded(refund) => self.refunded(charge, intent.clone(), refund, now),
            // The bank has paid the buyer back: a refund of ours would be a second one.
            IntentFact::Disputed(status @ DisputeStatus::Lost) => {
                self.disputed(charge, intent.clone(), *status, now)
            }
            IntentFact::Open
            | IntentFact::NeedsBuyer(_)
            | IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Authorised
            | IntentFact::Captured
            | IntentFact::Disputed(DisputeStatus::Open | DisputeStatus::Won)
            | IntentFact::Voided => PurchaseDecision::Unchanged,
        }
    }

    /// What operators and cardholders do after a sale. The order and the ticket stand: whether
    /// a refunded ticket is sold again is for people to decide.
    fn report_on_sale(
        &self,
        charge: &Charge,
        intent: &IntentId,
        fact: &IntentFact,
        now: Timestamp,
    ) -> PurchaseDecision {
        match fact {
            IntentFact::Refunded(refund) => self.refunded(charge, intent.clone(), refund, now),
            IntentFact::Disputed(status) => match &charge.phase {
                // A late report must not open again what was decided.
                ChargePhase::Disputed { status: known, .. }
                    if known == status
                        || (*status == DisputeStatus::Open && !planted(Bug::ReopenedDispute)) =>
                {
                    PurchaseDecision::Unchanged
                }
                _ => self.disputed(charge, intent.clone(), *status, now),
            },
            IntentFact::Open
            | IntentFact::NeedsBuyer(_)
            | IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Authorised
            | IntentFact::Captured
            | IntentFact::Voided => PurchaseDecision::Unchanged,
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
            IntentFact::Captured | IntentFact::Disputed(_) => self.pay_back(charge, intent, now),
            IntentFact::Declined(_)
            | IntentFact::Refused(_)
            | IntentFact::Voided
            | IntentFact::Refunded(_) => PurchaseDecision::Unchanged,
        }
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
        | IntentFact::Refunded(_)
        | IntentFact::Disputed(_) => PurchaseDecision::Unchanged,
    }
}
