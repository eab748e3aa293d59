//! Charges: what has to be asked of the card gateway, step by step.

use std::time::Duration;

use super::kind::{Call, EffectKind, Unsettled};
use crate::domain::{Charge, ChargeId, GatewayStep, IntentFact, IntentReport, OrderId};
use crate::payments::{GatewayError, SharedGateway};
use crate::store::{ReadError, SharedStore};

/// The longest pause while the buyer is before their bank: the lock runs out meanwhile.
pub const LONGEST_PAUSE_FOR_BUYER: Duration = Duration::from_secs(5);

/// The longest pause while a bank has a refund before it, which takes days.
pub const LONGEST_PAUSE_FOR_REFUND: Duration = Duration::from_secs(60 * 60);

/// One step of a charge at the gateway. Its idempotency key follows from both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeCall {
    /// What is asked.
    pub step: GatewayStep,
    /// The charge as it was stored before.
    pub charge: Charge,
}

impl Call for ChargeCall {
    type Key = ChargeId;
    type Owner = OrderId;
    type Fact = IntentReport;
    type Unknown = GatewayError;

    fn key(&self) -> ChargeId {
        self.charge.id
    }

    fn owner(&self) -> OrderId {
        self.charge.order
    }

    fn name(&self) -> &'static str {
        self.step.name()
    }
}

/// The card gateway, and the store's index of charges that owe it something or are owed.
pub struct Charges {
    /// Who takes the money.
    pub gateway: SharedGateway,
    /// Where the charges are.
    pub store: SharedStore,
}

impl EffectKind for Charges {
    type Call = ChargeCall;
    const NAME: &'static str = "charge";

    async fn perform(&self, call: &ChargeCall) -> Result<IntentReport, GatewayError> {
        let ChargeCall { step, charge } = call;
        if !charge.is_within_reach_of(self.gateway.account()) {
            return Ok(IntentReport::new(charge.intent().cloned(), IntentFact::OutOfReach));
        }
        self.gateway.perform(*step, charge).await
    }

    fn lost(why: &str) -> GatewayError {
        GatewayError::Unknown(why.to_owned())
    }

    async fn unsettled(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Unsettled<ChargeCall>>, ReadError> {
        let charges = self.store.unsettled_charges(after, limit).await?;
        let unsettled = |charge: Charge| Unsettled {
            key: charge.id,
            owner: charge.order,
            changed_at: charge.updated_at,
        };
        Ok(charges.into_iter().map(unsettled).collect())
    }
}
