//! Payments, by buyers and by the gateway.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, warn};

use super::Marketplace;
use crate::actors::effects::Pending;
use crate::actors::effects::charges::ChargeCall;
use crate::actors::error::MarketError;
use crate::actors::idempotency::KeyFor;
use crate::actors::order::{OrderRequest, Payment};
use crate::domain::{
    Charge, ChargeId, Finding, GatewayStep, IntentId, IntentReport, OrderId, PaymentToken, Price,
    Purchase, UserId,
};

/// A charge that is being brought to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCharge {
    /// The charge.
    pub charge: ChargeId,
    /// Its order.
    pub order: OrderId,
    /// How many calls led nowhere in a row.
    pub tries: u32,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// How long until the next.
    pub next_try_in: Duration,
}

impl From<Pending<ChargeCall>> for PendingCharge {
    fn from(pending: Pending<ChargeCall>) -> Self {
        let Pending { key: charge, owner: order, tries, last_error, next_try_in } = pending;
        Self { charge, order, tries, last_error, next_try_in }
    }
}

impl Marketplace {
    /// Pays an order, and waits a while for the gateway: the purchase that is returned has a
    /// charge that is completed, failed, waits for the buyer, or is not decided yet.
    ///
    /// # Errors
    ///
    /// [`crate::domain::PurchaseRejection`] if the order is over or being paid,
    /// [`MarketError::UnknownToken`] if the gateway can't know the token.
    pub async fn pay(
        &self,
        order: OrderId,
        by: UserId,
        token: PaymentToken,
        key: Option<KeyFor<ChargeId>>,
    ) -> Result<Arc<Purchase>, MarketError> {
        let context = &self.parts.context;
        // A token that can't be one is refused before it matters what it was meant to pay.
        if !self.parts.gateway.accepts(&token) {
            return Err(MarketError::UnknownToken);
        }
        let charge = ChargeId::from_u128(context.ids.mint());
        let account = self.parts.gateway.account();
        let payment = OrderRequest::Pay(Payment { by, charge, token, account, key });
        let answer = self.parts.orders.ask(order, payment);
        match tokio::time::timeout(context.settings.answer_within, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                debug!(%order, "the gateway has not decided while the buyer waited");
                let order = context.store.order(order).await?.ok_or(MarketError::NotFound)?;
                // The order's latest charge may be an earlier one: this one counts only once it
                // is written down, and until then nobody knows whether it will be.
                let charge = context.store.charge(charge).await?;
                let charge = Some(charge.ok_or(MarketError::Unavailable)?);
                Ok(Arc::new(Purchase { order, charge }))
            }
        }
    }

    /// Gives up an attempt to pay that is not decided. Another card may be tried at once.
    ///
    /// # Errors
    ///
    /// [`crate::domain::PurchaseRejection::Decided`] if it is,
    /// [`MarketError::NotFound`] if the order is not that buyer's.
    pub async fn give_up(&self, charge: &Charge, by: UserId) -> Result<(), MarketError> {
        let request = OrderRequest::GiveUp { by, charge: charge.id };
        self.parts.orders.ask(charge.order, request).await.map(|_| ())
    }

    /// Brings a charge to its end by an operator's word. Returns the charge as it is then.
    ///
    /// # Errors
    ///
    /// [`crate::domain::PurchaseRejection::NothingToSettle`] if it leaves nothing open, or not
    /// that.
    pub async fn settle(&self, id: ChargeId, finding: Finding) -> Result<Charge, MarketError> {
        let store = &self.parts.context.store;
        let charge = store.charge(id).await?.ok_or(MarketError::NotFound)?;
        let request = OrderRequest::Settle { charge: id, finding };
        let after = self.parts.orders.ask(charge.order, request).await?;
        let after = after.charge.clone().filter(|after| after.id == id);
        let after = after.ok_or(MarketError::NotFound)?;
        warn!(charge = %id, ?finding, phase = after.phase.name(), "settled by an operator");
        Ok(after)
    }

    /// Applies what the gateway tells of a charge without having been asked.
    pub async fn report(
        &self,
        order: OrderId,
        charge: ChargeId,
        report: IntentReport,
    ) -> Result<(), MarketError> {
        let report = OrderRequest::Report { charge, step: None, result: Ok(report) };
        self.parts.orders.ask(order, report).await.map(|_| ())
    }

    /// Looks a payment intent of a charge up at the gateway and applies what it finds. Returns
    /// once that is durable.
    ///
    /// # Errors
    ///
    /// [`MarketError::Unavailable`] if the gateway does not say how the intent stands; the
    /// charge is as it was.
    pub async fn look_up(&self, charge: &Charge, intent: IntentId) -> Result<(), MarketError> {
        let asked = ChargeCall { step: GatewayStep::Retrieve, charge: charge.looked_up_as(intent) };
        let within = self.parts.context.settings.answer_within;
        match self.parts.charges.perform_within(&asked, within).await {
            Ok(report) => self.report(charge.order, charge.id, report).await,
            Err(error) => {
                warn!(charge = %charge.id, %error, "a payment intent could not be looked up");
                Err(MarketError::Unavailable)
            }
        }
    }

    /// Why a price can't be charged; `None` if it can.
    pub fn refuse_price(&self, price: Price) -> Option<String> {
        self.parts.gateway.refuse_price(price)
    }

    /// The unsettled charges that are waiting for their next try.
    pub async fn pending_charges(&self) -> Vec<PendingCharge> {
        let pending = self.parts.charges.pending().await;
        pending.into_iter().map(PendingCharge::from).collect()
    }
}
