//! A gateway that keeps books, remembers idempotency keys, and fails as a test wants it to.
//! It outlives the server, as a real one does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use gittix::domain::{
    Account, Charge, ClientSecret, DisputeStatus, FailureCode, GatewayStep, IntentFact, IntentId,
    IntentReport, PaymentToken, Refund, RefundId, RefundStatus,
};
use gittix::payments::{Gateway, GatewayError, Sandbox};

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call never arrives and never comes back.
    Hangs,
    /// The call is done, and its answer never comes back.
    HangsOnceDone,
    /// The call is not done; the caller learns that something went wrong.
    Fails,
    /// The call is done; the caller only learns that something went wrong.
    LosesTheAnswer,
    /// The call is done at once and answered so much later.
    AnswersAfter(Duration),
    /// The gateway's client panics.
    Panics,
}

/// Clones share the books.
#[derive(Clone, Default)]
pub struct ModelGateway(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    intents: BTreeMap<String, Entry>,
    faults: Vec<(GatewayStep, Fault)>,
    calls: Vec<GatewayStep>,
    keys: Vec<String>,
    account: Option<Account>,
}

struct Entry {
    intent: String,
    token: String,
    amount: u64,
    standing: IntentFact,
    captures: u32,
    refunds: u32,
    refund: Option<Refund>,
    dispute: Option<DisputeStatus>,
}

impl ModelGateway {
    /// The next call of this step goes wrong; the ones after it only if it is said again.
    pub fn next(&self, step: GatewayStep, fault: Fault) {
        self.0.lock().unwrap().faults.push((step, fault));
    }

    /// The steps that were asked for, in order.
    pub fn calls(&self) -> Vec<GatewayStep> {
        self.0.lock().unwrap().calls.clone()
    }

    /// The idempotency keys of all calls of a step, in order.
    pub fn keys_of(&self, step: GatewayStep) -> Vec<String> {
        let suffix = format!(":{}", step.name());
        let books = self.0.lock().unwrap();
        books.keys.iter().filter(|key| key.ends_with(&suffix)).cloned().collect()
    }

    /// What has been taken from buyers and not paid back, in minor units.
    pub fn kept(&self) -> u64 {
        let books = self.0.lock().unwrap();
        let kept = |entry: &&Entry| entry.standing == IntentFact::Captured && !entry.is_paid_back();
        books.intents.values().filter(kept).map(|entry| entry.amount).sum()
    }

    /// What is set aside on buyers' cards and neither taken nor given back.
    pub fn set_aside(&self) -> u64 {
        let books = self.0.lock().unwrap();
        let held = |entry: &&Entry| entry.standing == IntentFact::Authorised;
        books.intents.values().filter(held).map(|entry| entry.amount).sum()
    }

    /// How often money was taken and paid back.
    pub fn captures_and_refunds(&self) -> (u32, u32) {
        let books = self.0.lock().unwrap();
        let sum = |count: fn(&Entry) -> u32| books.intents.values().map(count).sum();
        (sum(|entry| entry.captures), sum(|entry| entry.refunds))
    }

    /// The buyer convinces the bank, for every intent that waits for it.
    pub fn buyer_authenticates(&self) {
        for entry in self.0.lock().unwrap().intents.values_mut() {
            if matches!(entry.standing, IntentFact::NeedsBuyer(_)) {
                entry.standing = IntentFact::Authorised;
            }
        }
    }

    /// Somebody takes the money by hand.
    pub fn captured_by_hand(&self) {
        for entry in self.0.lock().unwrap().intents.values_mut() {
            entry.standing = IntentFact::Captured;
            entry.captures += 1;
        }
    }

    /// How the refund of every intent stands from now on, made by hand if there is none.
    pub fn refund_is(&self, status: RefundStatus) {
        for entry in self.0.lock().unwrap().intents.values_mut() {
            let made = || RefundId(format!("re_hand_{}", entry.intent));
            let id = entry.refund.take().and_then(|refund| refund.id).unwrap_or_else(made);
            entry.refund = Some(Refund::told(id, status));
        }
    }

    /// The gateway's own people pay one intent back, and this is how the gateway tells of it.
    pub fn pays_back(&self, intent: &str) -> IntentReport {
        let mut books = self.0.lock().unwrap();
        let entry = books.intents.values_mut().find(|entry| entry.intent == intent);
        let entry = entry.expect("an intent");
        let id = RefundId(format!("re_hand_{intent}"));
        entry.refund = Some(Refund::told(id, RefundStatus::Succeeded));
        entry.report()
    }

    /// How the cardholder's dispute of every intent stands from now on.
    pub fn dispute_is(&self, status: DisputeStatus) {
        for entry in self.0.lock().unwrap().intents.values_mut() {
            entry.dispute = Some(status);
        }
    }

    /// With whom charges are begun from now on.
    pub fn is_of(&self, account: Account) {
        self.0.lock().unwrap().account = Some(account);
    }

    /// The only intent and how it stands, as a webhook would tell it.
    pub fn tells(&self) -> IntentReport {
        let books = self.0.lock().unwrap();
        let entry = books.intents.values().next().expect("an intent");
        entry.report()
    }

    fn plan(&self, step: GatewayStep, charge: &Charge) -> Option<Fault> {
        let mut books = self.0.lock().unwrap();
        books.calls.push(step);
        books.keys.push(step.idempotency_key(charge.id));
        let place = books.faults.iter().position(|(at, _)| *at == step)?;
        Some(books.faults.remove(place).1)
    }

    fn act(&self, step: GatewayStep, charge: &Charge) -> IntentReport {
        let mut books = self.0.lock().unwrap();
        let count = books.intents.len();
        let entry = books.intents.entry(charge.id.to_string()).or_insert_with(|| Entry {
            intent: format!("pi_model_{count}"),
            token: charge.token.expose().to_owned(),
            amount: charge.amount.minor(),
            standing: IntentFact::Open,
            captures: 0,
            refunds: 0,
            refund: None,
            dispute: None,
        });
        entry.act(step);
        entry.report()
    }
}

impl Entry {
    fn report(&self) -> IntentReport {
        let intent = Some(IntentId(self.intent.clone()));
        let (refund, dispute) = (self.refund.clone(), self.dispute);
        IntentReport { refund, dispute, ..IntentReport::new(intent, self.standing.clone()) }
    }

    fn is_paid_back(&self) -> bool {
        self.refund.as_ref().is_some_and(Refund::is_under_way)
    }

    fn act(&mut self, step: GatewayStep) {
        match (step, &self.standing) {
            (GatewayStep::Confirm, IntentFact::Open) => self.standing = self.bank_says(),
            (GatewayStep::Capture, IntentFact::Authorised) => {
                self.captures += 1;
                self.standing = IntentFact::Captured;
            }
            (
                GatewayStep::Cancel,
                IntentFact::Open
                | IntentFact::NeedsBuyer(_)
                | IntentFact::Declined(_)
                | IntentFact::Authorised,
            ) => self.standing = IntentFact::Voided,
            (GatewayStep::Refund, IntentFact::Captured) if !self.is_paid_back() => {
                self.refunds += 1;
                let id = RefundId(format!("re_{}_{}", self.refunds, self.intent));
                self.refund = Some(Refund::told(id, RefundStatus::Succeeded));
            }
            _ => {}
        }
    }

    fn bank_says(&self) -> IntentFact {
        let declined = |code| IntentFact::Declined(FailureCode::from_gateway(code));
        match self.token.as_str() {
            token if token.contains("InsufficientFunds") => declined("insufficient_funds"),
            token if token.contains("chargeDeclined") => declined("card_declined"),
            token if token.contains("authenticationRequired") => {
                IntentFact::NeedsBuyer(ClientSecret(format!("{}_secret", self.intent)))
            }
            _ => IntentFact::Authorised,
        }
    }
}

#[async_trait]
impl Gateway for ModelGateway {
    fn describe(&self) -> String {
        "a model".to_owned()
    }

    fn account(&self) -> Account {
        self.0.lock().unwrap().account.unwrap_or(Account::Sandbox)
    }

    fn accepts(&self, token: &PaymentToken) -> bool {
        Sandbox::default().accepts(token)
    }

    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
    ) -> Result<IntentReport, GatewayError> {
        let unknown = || Err(GatewayError::Unknown("as planned".to_owned()));
        match self.plan(step, charge) {
            None => Ok(self.act(step, charge)),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::HangsOnceDone) => {
                self.act(step, charge);
                std::future::pending().await
            }
            Some(Fault::Fails) => unknown(),
            Some(Fault::LosesTheAnswer) => {
                self.act(step, charge);
                unknown()
            }
            Some(Fault::AnswersAfter(pause)) => {
                let report = self.act(step, charge);
                tokio::time::sleep(pause).await;
                Ok(report)
            }
            Some(Fault::Panics) => panic!("as planned"),
        }
    }
}
