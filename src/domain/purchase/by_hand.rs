//! What an operator finds out where the gateway can't be asked any more: the key is gone, the
//! provider is another, or a bank keeps sending a refund back.

use super::*;

/// How a charge stands, by an operator's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The money was taken.
    Taken,
    /// No money was taken and none will be.
    NotTaken,
    /// The buyer has the money back, by whatever way.
    PaidBack,
    /// A refund of a sale came to nothing and is not tried again: the sale stands.
    Kept,
}

impl Purchase {
    /// Brings a charge to its end by an operator's word. Only what is open can be settled, and
    /// only in a way that its phase could end by itself.
    pub(super) fn settle(
        &self,
        id: ChargeId,
        finding: Finding,
        max_attempts: u32,
        now: Timestamp,
    ) -> Decided {
        let charge = self.charge.as_ref().filter(|charge| charge.id == id);
        let charge = charge.filter(|charge| charge.is_unsettled());
        let charge = charge.ok_or(PurchaseRejection::NothingToSettle)?;
        let code = FailureCode::settled_by_operator();
        let intent = charge.intent().cloned();
        Ok(match (&charge.phase, finding) {
            (
                ChargePhase::Intent | ChargePhase::Created { .. } | ChargePhase::Confirming { .. },
                Finding::NotTaken,
            ) => {
                let phase = ChargePhase::Failed { intent, code };
                self.fail_attempt(charge, phase, max_attempts, now)
            }
            (ChargePhase::Capturing { .. }, Finding::NotTaken) => {
                self.end_by_gateway(charge, ChargePhase::Failed { intent, code }, now)
            }
            (ChargePhase::Voiding { code, .. }, Finding::NotTaken) => {
                self.move_charge(charge, ChargePhase::Failed { intent, code: code.clone() }, now)
            }
            (
                ChargePhase::Created { .. }
                | ChargePhase::Confirming { .. }
                | ChargePhase::Capturing { .. }
                | ChargePhase::Voiding { .. },
                Finding::Taken,
            ) => {
                let report = IntentReport::new(intent, IntentFact::Captured);
                self.apply_report(id, &report, max_attempts, now)
            }
            (
                ChargePhase::Refunding { intent } | ChargePhase::Completed { intent },
                Finding::PaidBack,
            ) => {
                let refund = Refund { id: None, status: RefundStatus::Succeeded };
                let after = Charge { refund: Some(refund), ..charge.clone() };
                let phase = ChargePhase::Refunded { intent: intent.clone() };
                self.show_charge(&after, phase, |after| told_of_money(charge, after), now)
            }
            (ChargePhase::Completed { .. }, Finding::Kept) => self.close_refund(charge, now),
            (
                ChargePhase::Intent
                | ChargePhase::Created { .. }
                | ChargePhase::Confirming { .. }
                | ChargePhase::Capturing { .. }
                | ChargePhase::Voiding { .. }
                | ChargePhase::Refunding { .. }
                | ChargePhase::Completed { .. }
                | ChargePhase::Refunded { .. }
                | ChargePhase::Failed { .. },
                Finding::Taken | Finding::NotTaken | Finding::PaidBack | Finding::Kept,
            ) => return Err(PurchaseRejection::NothingToSettle),
        })
    }

    /// A refund of a sale comes to nothing for good.
    pub(super) fn close_refund(&self, charge: &Charge, now: Timestamp) -> PurchaseDecision {
        let Some(refund) = &charge.refund else { return PurchaseDecision::Unchanged };
        let refund = Refund { status: RefundStatus::Closed, ..refund.clone() };
        let after = Charge { refund: Some(refund), ..charge.clone() };
        let phase = charge.phase.clone();
        self.show_charge(&after, phase, |after| told_of_money(charge, after), now)
    }
}
