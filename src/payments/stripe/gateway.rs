//! Doing the steps of a charge at Stripe, and saying how its payment intent stands afterwards.

use async_trait::async_trait;
use miniserde::Deserialize;
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeClient, StripeRequest};
use tracing::{error, info};

use super::Mode;
use super::amount::{check_listing, to_stripe};
use super::client::{BadSettings, CallError, HttpClient};
use super::doubts::{Doubts, key};
use super::objects::{Dispute, ErrorDetail, Intent, Refund};
use super::requests::{
    CancelIntent, CaptureIntent, ConfirmIntent, CreateIntent, CreateRefund, ListDisputes,
    ListRefunds, RetrieveIntent,
};
use super::signature::Signatures;
use crate::domain::{
    Charge, ClientSecret, DisputeStatus, FailureCode, GatewayStep, IntentFact, IntentId,
    IntentReport, PaymentToken, Price, RefundId,
};
use crate::payments::{Gateway, GatewayError};

/// The gateway of `payments.provider = "stripe"`, over anything that sends Stripe's requests.
pub struct StripeGateway<C = HttpClient> {
    client: C,
    mode: Mode,
    signatures: Signatures,
    doubts: Doubts,
}

impl StripeGateway {
    /// A gateway for one account.
    ///
    /// # Errors
    ///
    /// [`BadSettings`] if Stripe can't be asked with these.
    pub fn connect(
        secret_key: &SecretString,
        webhook_secrets: Vec<SecretString>,
        api_base: &str,
    ) -> Result<Self, BadSettings> {
        let client = HttpClient::new(secret_key, api_base)?;
        let mode = Mode::of_key(secret_key.expose_secret()).ok_or(BadSettings::Foreign)?;
        Ok(Self::new(client, mode, Signatures::new(webhook_secrets)))
    }
}

type Fact = Result<IntentFact, GatewayError>;

impl<C: StripeClient<Err = CallError> + Send + Sync> StripeGateway<C> {
    /// A gateway that sends its requests through `client`.
    pub fn new(client: C, mode: Mode, signatures: Signatures) -> Self {
        Self { client, mode, signatures, doubts: Doubts::default() }
    }

    async fn create(&self, charge: &Charge) -> Result<IntentReport, GatewayError> {
        let refused = |code: &str| {
            Ok(IntentReport {
                intent: None,
                fact: IntentFact::Refused(FailureCode::from_gateway(code)),
            })
        };
        let Ok(amount) = to_stripe(charge.amount) else { return refused("amount_not_chargeable") };
        let request = CreateIntent {
            charge: charge.id,
            order: charge.order,
            amount,
            currency: charge.amount.currency(),
        };
        match self.send(GatewayStep::Create, charge, 0, &request).await {
            Ok(made) => {
                Ok(IntentReport { intent: Some(IntentId(made.id)), fact: IntentFact::Open })
            }
            Err(CallError::Refused { code, .. }) => refused(&code),
            Err(error) => Err(unknown(&error)),
        }
    }

    /// Looks at the intent, at its refunds if its money was paid back, and at its disputes.
    async fn look(&self, charge: &Charge, intent: &IntentId) -> Result<IntentFact, CallError> {
        let found = self.get(&RetrieveIntent(intent)).await?;
        let owner = found.metadata.as_ref().and_then(|metadata| metadata.charge_id.as_deref());
        if owner.is_some_and(|owner| owner != charge.id.to_string()) {
            return Err(CallError::Unknown("the payment intent is another charge's".to_owned()));
        }
        if found.is_refunded() {
            let refunds = self.refunds(intent).await?;
            if let Some(refund) = refunds.iter().find(|refund| !refund.has_failed()) {
                return Ok(IntentFact::Refunded(RefundId(refund.id.clone())));
            }
        }
        if found.is_disputed()
            && let Some(dispute) = self.latest_dispute(intent).await?
        {
            return Ok(IntentFact::Disputed(dispute_status(&dispute.status)));
        }
        fact_of(&found)
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<Refund>, CallError> {
        Ok(self.get(&ListRefunds(intent)).await?.data)
    }

    /// Newest first, as Stripe lists them.
    async fn latest_dispute(&self, intent: &IntentId) -> Result<Option<Dispute>, CallError> {
        Ok(self.get(&ListDisputes(intent)).await?.data.into_iter().next())
    }

    /// Does a step that changes the intent.
    async fn change(&self, step: GatewayStep, charge: &Charge, intent: &IntentId) -> Fact {
        if self.doubts.has(charge.id, step) {
            let fact = self.look(charge, intent).await.map_err(|error| unknown(&error))?;
            if !leaves_to_do(step, &fact) {
                return Ok(fact);
            }
        }
        if step == GatewayStep::Refund {
            return self.refund(charge, intent).await;
        }
        let answer = match step {
            GatewayStep::Capture => self.send(step, charge, 0, &CaptureIntent(intent)).await,
            GatewayStep::Cancel => self.send(step, charge, 0, &CancelIntent(intent)).await,
            GatewayStep::Confirm
            | GatewayStep::Create
            | GatewayStep::Retrieve
            | GatewayStep::Refund => {
                let request = ConfirmIntent { intent, token: &charge.token };
                self.send(step, charge, 0, &request).await
            }
        };
        match answer {
            Ok(intent) => fact_of(&intent).map_err(|error| unknown(&error)),
            // The bank's no is an answer for good.
            Err(CallError::Refused { status: 402, code, decline_code })
                if step == GatewayStep::Confirm =>
            {
                Ok(IntentFact::Declined(failure_code(Some(code), decline_code)))
            }
            Err(error @ CallError::Refused { .. }) => {
                self.explain_refusal(step, charge, intent, &error).await
            }
            Err(error) => Err(unknown(&error)),
        }
    }

    /// Stripe refuses a step for good, most likely because the intent is not where we took it
    /// to be. How it stands is the fact.
    async fn explain_refusal(
        &self,
        step: GatewayStep,
        charge: &Charge,
        intent: &IntentId,
        refusal: &CallError,
    ) -> Fact {
        info!(charge = %charge.id, step = step.name(), %refusal, "a step was refused; looking");
        let refused_for_good = match refusal {
            CallError::Refused { code, .. } if step == GatewayStep::Confirm => {
                Some(IntentFact::Refused(FailureCode::from_gateway(&plain(code))))
            }
            _ => None,
        };
        match (self.look(charge, intent).await, refused_for_good) {
            (Ok(fact), _) if !leaves_to_do(step, &fact) => Ok(fact),
            // The token is not known, or was used before. Nothing was or will be authorised.
            (Ok(_) | Err(CallError::Refused { .. }), Some(refused)) => Ok(refused),
            (Err(error @ (CallError::Failed { .. } | CallError::Unknown(_))), _) => {
                Err(unknown(&error))
            }
            // A refusal is stored with its key, so the next try needs another.
            (Ok(_) | Err(CallError::Refused { .. }), None) => {
                self.doubts.note_error(charge.id, true);
                Err(unknown(refusal))
            }
        }
    }

    /// Pays back what has not been paid back yet. Refunds that exist count, whoever made them.
    async fn refund(&self, charge: &Charge, intent: &IntentId) -> Fact {
        let existing = self.refunds(intent).await.map_err(|error| unknown(&error))?;
        let paid_back: i64 =
            existing.iter().filter(|refund| !refund.has_failed()).map(|r| r.amount).sum();
        let owed = to_stripe(charge.amount).unwrap_or(i64::MAX);
        if let Some(refund) = existing.iter().find(|refund| !refund.has_failed())
            && paid_back >= owed
        {
            return Ok(IntentFact::Refunded(RefundId(refund.id.clone())));
        }
        // A refund that failed, as banks' closed accounts make them, keeps its key: the next
        // needs another. Without an amount Stripe refunds what is left.
        let failed = existing.iter().filter(|refund| refund.has_failed()).count();
        let generation = u32::try_from(failed).unwrap_or(u32::MAX);
        let request = CreateRefund { intent, charge: charge.id };
        match self.send(GatewayStep::Refund, charge, generation, &request).await {
            Ok(refund) if !refund.has_failed() => Ok(IntentFact::Refunded(RefundId(refund.id))),
            Ok(refund) => {
                error!(charge = %charge.id, refund = refund.id, "a refund failed at the bank");
                Err(GatewayError::Unknown("the refund failed at the bank".to_owned()))
            }
            Err(error @ CallError::Refused { .. }) => {
                self.explain_refusal(GatewayStep::Refund, charge, intent, &error).await
            }
            Err(error) => Err(unknown(&error)),
        }
    }

    /// Sends a request that changes something, under its step's key. From before it is sent
    /// until something certain is known, the step is in doubt.
    async fn send<R: StripeRequest<Output: Deserialize>>(
        &self,
        step: GatewayStep,
        charge: &Charge,
        skipped_generations: u32,
        request: &R,
    ) -> Result<R::Output, CallError> {
        let generation = self.doubts.enter(charge.id, step).saturating_add(skipped_generations);
        let key = IdempotencyKey::new(key(step, charge.id, generation))
            .map_err(|error| CallError::Unknown(error.to_string()))?;
        let strategy = RequestStrategy::Idempotent(key);
        let answer = request.customize().request_strategy(strategy).send(&self.client).await;
        if let Err(CallError::Failed { replayed, .. }) = &answer {
            self.doubts.note_error(charge.id, *replayed);
        }
        answer
    }

    async fn get<R: StripeRequest<Output: Deserialize>>(
        &self,
        request: &R,
    ) -> Result<R::Output, CallError> {
        request.customize().request_strategy(RequestStrategy::Once).send(&self.client).await
    }
}

#[async_trait]
impl<C: StripeClient<Err = CallError> + Send + Sync + 'static> Gateway for StripeGateway<C> {
    fn describe(&self) -> String {
        match self.mode {
            Mode::Test => "Stripe, test mode (no money moves)".to_owned(),
            Mode::Live => "Stripe, LIVE mode (real cards are charged)".to_owned(),
        }
    }

    fn accepts(&self, _token: &PaymentToken) -> bool {
        true
    }

    fn refuse_price(&self, price: Price) -> Option<String> {
        check_listing(price).err().map(|refusal| refusal.to_string())
    }

    fn webhook_signatures(&self) -> Option<&Signatures> {
        Some(&self.signatures)
    }

    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
    ) -> Result<IntentReport, GatewayError> {
        let report = match (step, charge.intent()) {
            (GatewayStep::Create, _) => self.create(charge).await?,
            (_, None) => return Err(GatewayError::Unknown("no payment intent yet".to_owned())),
            (GatewayStep::Retrieve, Some(intent)) => {
                let fact = self.look(charge, intent).await.map_err(|error| unknown(&error))?;
                // Looking from outside, as a webhook makes us do, says nothing about a step
                // that is under way.
                return Ok(IntentReport { intent: Some(intent.clone()), fact });
            }
            (
                GatewayStep::Confirm
                | GatewayStep::Capture
                | GatewayStep::Cancel
                | GatewayStep::Refund,
                Some(intent),
            ) => {
                let fact = match (step, self.change(step, charge, intent).await?) {
                    // The authorisation is gone, and nothing may bring the intent back to life.
                    (GatewayStep::Capture, IntentFact::Declined(_)) => {
                        self.change(GatewayStep::Cancel, charge, intent).await?
                    }
                    (_, fact) => fact,
                };
                IntentReport { intent: Some(intent.clone()), fact }
            }
        };
        self.doubts.end(charge.id);
        Ok(report)
    }
}

/// How an intent stands.
fn fact_of(intent: &Intent) -> Result<IntentFact, CallError> {
    match intent.status.as_str() {
        // Without an error it was never confirmed, with one the bank or the buyer said no.
        "requires_payment_method" => Ok(match &intent.last_payment_error {
            Some(ErrorDetail { code, decline_code, .. }) => {
                IntentFact::Declined(failure_code(code.clone(), decline_code.clone()))
            }
            None => IntentFact::Open,
        }),
        "requires_confirmation" => Ok(IntentFact::Open),
        "requires_action" => match &intent.client_secret {
            Some(secret) => Ok(IntentFact::NeedsBuyer(ClientSecret(secret.clone()))),
            None => Err(CallError::Unknown("an intent came without its client secret".to_owned())),
        },
        "requires_capture" => Ok(IntentFact::Authorised),
        "succeeded" => Ok(IntentFact::Captured),
        "canceled" => Ok(IntentFact::Voided),
        other => Err(CallError::Unknown(format!("the intent is {}", plain(other)))),
    }
}

fn dispute_status(status: &str) -> DisputeStatus {
    match status {
        "won" | "warning_closed" | "prevented" => DisputeStatus::Won,
        "lost" => DisputeStatus::Lost,
        _ => DisputeStatus::Open,
    }
}

/// Whether a step still has something to do, or could, given how the intent stands.
fn leaves_to_do(step: GatewayStep, fact: &IntentFact) -> bool {
    match step {
        GatewayStep::Create | GatewayStep::Retrieve => false,
        GatewayStep::Confirm => matches!(fact, IntentFact::Open),
        GatewayStep::Capture => matches!(fact, IntentFact::Authorised),
        GatewayStep::Cancel => matches!(
            fact,
            IntentFact::Open
                | IntentFact::NeedsBuyer(_)
                | IntentFact::Declined(_)
                | IntentFact::Authorised
        ),
        GatewayStep::Refund => matches!(
            fact,
            IntentFact::Captured | IntentFact::Disputed(DisputeStatus::Open | DisputeStatus::Won)
        ),
    }
}

/// The bank's reason if it gave one, or else Stripe's.
fn failure_code(code: Option<String>, decline_code: Option<String>) -> FailureCode {
    let reason = decline_code.filter(|reason| reason != "generic_decline").or(code);
    FailureCode::from_gateway(&plain(reason.as_deref().unwrap_or("card_declined")))
}

/// A code of Stripe's, cut down to what codes are made of.
fn plain(code: &str) -> String {
    const LONGEST: usize = 64;
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    code.chars().filter(is_plain).take(LONGEST).collect()
}

fn unknown(error: &CallError) -> GatewayError {
    GatewayError::Unknown(error.to_string())
}
