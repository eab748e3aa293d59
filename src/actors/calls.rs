//! Calls to the gateway on behalf of orders. Each runs in a task of its own, so that no actor waits
//! for the gateway, and comes back to the order's actor as a message.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::warn;

use super::context::Context;
use super::directory::{AskError, Hold};
use super::error::MarketError;
use super::order::OrderRequest;
use super::reconciler::LONGEST_PAUSE;
use crate::domain::{Charge, GatewayStep, IntentReport, OrderId};
use crate::payments::GatewayError;

/// How long to wait for room in an order's mailbox.
const MAILBOX_PAUSE: Duration = Duration::from_millis(100);

/// Makes one gateway call and hands its result to the order's actor, which `hold` keeps awake.
pub async fn call_gateway(
    context: Arc<Context>,
    step: GatewayStep,
    charge: Charge,
    hold: Hold<OrderId>,
) {
    let result = perform(&context, step, &charge).await;
    if let Err(error) = &result {
        warn!(charge = %charge.id, step = step.name(), %error, "gateway call without an answer");
    }
    let told = deliver(&context, step, &charge, &result).await;
    if !matches!(told, Ok(Ok(()))) {
        // The charge stays on the list of the unsettled, so the call will be made again.
        warn!(charge = %charge.id, step = step.name(), ?told, "a gateway answer was not applied");
        let reason = "the answer was not applied".to_owned();
        context.reconcile_later(charge.id, charge.order, reason, LONGEST_PAUSE);
    }
    drop(hold);
}

/// One call, bounded in time and in how many there are at once.
pub async fn perform(
    context: &Context,
    step: GatewayStep,
    charge: &Charge,
) -> Result<IntentReport, GatewayError> {
    let _permit = context.gateway_calls.acquire().await;
    let call = AssertUnwindSafe(context.gateway.perform(step, charge)).catch_unwind();
    match tokio::time::timeout(context.settings.gateway_timeout, call).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(GatewayError::Unknown("the gateway's client panicked".to_owned())),
        Err(_) => Err(GatewayError::Unknown("no answer in time".to_owned())),
    }
}

/// Hands over what a call led to. Until that is done the order's actor believes the call to be
/// under way and makes no other, so a full mailbox is waited for.
async fn deliver(
    context: &Context,
    step: GatewayStep,
    charge: &Charge,
    result: &Result<IntentReport, GatewayError>,
) -> Result<Result<(), MarketError>, AskError> {
    loop {
        let told = context
            .ask_order(charge.order, |reply| OrderRequest::Report {
                charge: charge.id,
                step: Some(step),
                result: result.clone(),
                reply,
            })
            .await;
        if told != Err(AskError::Overloaded) {
            return told;
        }
        tokio::time::sleep(MAILBOX_PAUSE).await;
    }
}
