//! Doing the steps of a charge at Stripe, and saying how its payment intent stands afterwards.

use async_trait::async_trait;
use miniserde::Deserialize;
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::{IdempotencyKey, RequestStrategy, StripeClient, StripeRequest};
use tracing::info;

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
    Account, Charge, ChargeStatus, ClientSecret, DisputeStatus, FailureCode, GatewayStep,
    IntentFact, IntentId, IntentReport, PaymentToken, Price, Refund as ToldRefund, RefundStatus,
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

/// How often a refund that comes to nothing is made again. After that a person has to find
/// another way.
const MAX_REFUNDS: usize = 3;

type Told = Result<IntentReport, GatewayError>;

impl<C: StripeClient<Err = CallError> + Send + Sync> StripeGateway<C> {
    /// A gateway that sends its requests through `client`.
    pub fn new(client: C, mode: Mode, signatures: Signatures) -> Self {
        Self { client, mode, signatures, doubts: Doubts::default() }
    }

    async fn create(&self, charge: &Charge) -> Told {
        let refused = |code: &str| {
            let refused = IntentFact::Refused(FailureCode::from_gateway(code));
            Ok(IntentReport::new(None, refused))
        };
        let Ok(amount) = to_stripe(charge.amount) else { return refused("amount_not_chargeable") };
        let request = CreateIntent {
            charge: charge.id,
            order: charge.order,
            amount,
            currency: charge.amount.currency(),
        };
        match self.send(GatewayStep::Create, charge, 0, &request).await {
            Ok(made) => Ok(IntentReport::new(Some(IntentId(made.id)), IntentFact::Open)),
            Err(CallError::Refused { code, .. }) => refused(&code),
            Err(error) => Err(unknown(&error)),
        }
    }

    /// Looks at the intent, at its refunds if its money was or is being paid back, and at its
    /// disputes. One that this account does not know was begun with another.
    async fn look(&self, charge: &Charge, intent: &IntentId) -> Result<IntentReport, CallError> {
        let report = |fact| IntentReport::new(Some(intent.clone()), fact);
        let found = match self.get(&RetrieveIntent(intent)).await {
            Err(CallError::Refused { status: 404, .. }) => {
                return Ok(report(IntentFact::OutOfReach));
            }
            found => found?,
        };
        let owner = found.metadata.as_ref().and_then(|metadata| metadata.charge_id.as_deref());
        if owner.is_some_and(|owner| owner != charge.id.to_string()) {
            return Err(CallError::Unknown("the payment intent is another charge's".to_owned()));
        }
        let mut report = report(fact_of(&found)?);
        // A refund that the bank has sent back leaves no trace on the intent.
        if found.has_refunds() || (report.fact == IntentFact::Captured && is_taken(charge)) {
            report.refund = refund_of(charge, &self.refunds(intent).await?);
        }
        if found.is_disputed() {
            let dispute = self.latest_dispute(intent).await?;
            report.dispute = dispute.map(|dispute| dispute_status(&dispute.status));
        }
        Ok(report)
    }

    async fn refunds(&self, intent: &IntentId) -> Result<Vec<Refund>, CallError> {
        Ok(self.get(&ListRefunds(intent)).await?.data)
    }

    /// Newest first, as Stripe lists them.
    async fn latest_dispute(&self, intent: &IntentId) -> Result<Option<Dispute>, CallError> {
        Ok(self.get(&ListDisputes(intent)).await?.data.into_iter().next())
    }

    /// Does a step that changes the intent.
    async fn change(&self, step: GatewayStep, charge: &Charge, intent: &IntentId) -> Told {
        if self.doubts.has(charge.id, step) {
            let report = self.look(charge, intent).await.map_err(|error| unknown(&error))?;
            if !leaves_to_do(step, &report) {
                return Ok(report);
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
            Ok(changed) => {
                let fact = fact_of(&changed).map_err(|error| unknown(&error))?;
                Ok(IntentReport::new(Some(intent.clone()), fact))
            }
            // The bank's no is an answer for good.
            Err(CallError::Refused { status: 402, code, decline_code })
                if step == GatewayStep::Confirm =>
            {
                let declined = IntentFact::Declined(failure_code(Some(code), decline_code));
                Ok(IntentReport::new(Some(intent.clone()), declined))
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
    ) -> Told {
        info!(charge = %charge.id, step = step.name(), %refusal, "a step was refused; looking");
        let refused_for_good = match refusal {
            CallError::Refused { code, .. } if step == GatewayStep::Confirm => {
                let refused = IntentFact::Refused(FailureCode::from_gateway(&plain(code)));
                Some(IntentReport::new(Some(intent.clone()), refused))
            }
            _ => None,
        };
        match (self.look(charge, intent).await, refused_for_good) {
            (Ok(report), _) if !leaves_to_do(step, &report) => Ok(report),
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
    async fn refund(&self, charge: &Charge, intent: &IntentId) -> Told {
        let captured = |refund| {
            let report = IntentReport::new(Some(intent.clone()), IntentFact::Captured);
            Ok(IntentReport { refund, ..report })
        };
        let existing = match self.refunds(intent).await {
            Ok(existing) => existing,
            // This account has no such intent, most likely.
            Err(error @ CallError::Refused { .. }) => {
                return self.explain_refusal(GatewayStep::Refund, charge, intent, &error).await;
            }
            Err(error) => return Err(unknown(&error)),
        };
        let known = refund_of(charge, &existing);
        let is_hopeless = existing.iter().any(Refund::is_hopeless);
        // A refund that failed, as banks' closed accounts make them, keeps its key: the next
        // needs another.
        let failed = existing.iter().filter(|refund| refund.has_failed()).count();
        if known.as_ref().is_some_and(is_under_way) || is_hopeless || failed >= MAX_REFUNDS {
            return captured(known);
        }
        let generation = u32::try_from(failed).unwrap_or(u32::MAX);
        let request = CreateRefund { intent, charge: charge.id };
        match self.send(GatewayStep::Refund, charge, generation, &request).await {
            Ok(refund) => captured(Some(refund.told())),
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

    fn account(&self) -> Account {
        match self.mode {
            Mode::Test => Account::StripeTest,
            Mode::Live => Account::StripeLive,
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
                // Looking from outside, as a webhook makes us do, says nothing about a step
                // that is under way.
                return self.look(charge, intent).await.map_err(|error| unknown(&error));
            }
            (
                GatewayStep::Confirm
                | GatewayStep::Capture
                | GatewayStep::Cancel
                | GatewayStep::Refund,
                Some(intent),
            ) => {
                let report = self.change(step, charge, intent).await?;
                match (step, &report.fact) {
                    // The authorisation is gone, and nothing may bring the intent back to life.
                    (GatewayStep::Capture, IntentFact::Declined(_)) => {
                        self.change(GatewayStep::Cancel, charge, intent).await?
                    }
                    _ => report,
                }
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
fn leaves_to_do(step: GatewayStep, report: &IntentReport) -> bool {
    let fact = &report.fact;
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
        GatewayStep::Refund => {
            matches!(fact, IntentFact::Captured)
                && report.dispute != Some(DisputeStatus::Lost)
                && !report.refund.as_ref().is_some_and(is_under_way)
        }
    }
}

/// Whether the charge's money was taken before this look.
fn is_taken(charge: &Charge) -> bool {
    charge.status() == ChargeStatus::Completed
}

fn is_under_way(refund: &ToldRefund) -> bool {
    refund.is_under_way()
}

/// How a refund of all of the charge stands, by its refunds, the newest first. Those that add up
/// to it count as one; a part of it is the operator's affair with the buyer.
fn refund_of(charge: &Charge, refunds: &[Refund]) -> Option<ToldRefund> {
    let owed = to_stripe(charge.amount).unwrap_or(i64::MAX);
    let told = |refund: &Refund| refund.told();
    // What succeeded alone, with what is pending, with what came to nothing.
    for worst in [RefundStatus::Succeeded, RefundStatus::Pending, RefundStatus::Failed] {
        let counted = |refund: &&Refund| match refund.status() {
            Some(RefundStatus::Succeeded) => true,
            Some(status) => worst == RefundStatus::Failed || status == worst,
            None => false,
        };
        let sum: i64 = refunds.iter().filter(counted).map(|refund| refund.amount).sum();
        if sum >= owed {
            return refunds.iter().find(|refund| refund.status() == Some(worst)).map(told);
        }
    }
    None
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
