//! The way to the provider: calls that are slow, get lost, or come back without an answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gittix::domain::{Account, Charge, ChargePhase, GatewayStep, IntentReport, PaymentToken};
use gittix::payments::{Gateway, GatewayError};

use super::super::plan::Fault;
use super::super::record::Violation;
use super::super::time::{Power, Timeline};
use super::{Appointment, Provider, Request};

/// What the store holds of a charge, as far as it has said so.
pub trait Witness: Send + Sync + 'static {
    /// Whether this version of the charge is known to be durable.
    fn is_durable(&self, charge: &Charge) -> bool;
}

/// The provider as one life of the server reaches it.
pub struct Line {
    /// The provider.
    pub provider: Provider,
    /// With which keys.
    pub account: Account,
    /// The life.
    pub power: Power,
    /// The time.
    pub timeline: Arc<Timeline>,
    /// What is durable.
    pub witness: Arc<dyn Witness>,
}

/// How one call goes.
struct Course {
    arrives: Option<u64>,
    answer_takes: u64,
    has_answer: bool,
    error: bool,
}

impl Line {
    fn plan_call(&self, now: u64) -> Course {
        let mut books = self.provider.books();
        let mut travel = books.rng.between(1, 150);
        let mut answer_takes = books.rng.between(1, 150);
        if books.strikes(Fault::Never) {
            return Course { arrives: None, answer_takes, has_answer: false, error: false };
        }
        if books.strikes(Fault::LateArrival) {
            travel += books.rng.pause_ms(1_800_000);
        }
        if books.strikes(Fault::Late) {
            answer_takes += books.rng.pause_ms(60_000);
        }
        let has_answer = !books.strikes(Fault::LostAnswer);
        let error = books.strikes(Fault::Unknown);
        let arrives = Some(now + travel).filter(|_| !error || books.rng.chance(500));
        Course { arrives, answer_takes, has_answer, error }
    }

    /// Money must not move before the decision to move it is durable.
    fn check_protocol(&self, step: GatewayStep, charge: &Charge) {
        let record = self.provider.books().record.clone();
        let moves_money = matches!(step, GatewayStep::Capture | GatewayStep::Refund);
        if moves_money && !self.witness.is_durable(charge) {
            let detail = format!("{step:?} was asked for {charge:?}, which is not durable");
            record.violate(Violation::new("the decision is durable before money moves", detail));
        }
        if step == GatewayStep::Capture && !matches!(charge.phase, ChargePhase::Capturing { .. }) {
            let detail = format!("capture was asked for {charge:?}");
            record.violate(Violation::new("only what is decided is captured", detail));
        }
    }

    async fn sleep_until(&self, at: u64) {
        let pause = at.saturating_sub(self.timeline.now_ms());
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

#[async_trait]
impl Gateway for Line {
    fn describe(&self) -> String {
        "simulated".to_owned()
    }

    fn account(&self) -> Account {
        self.account
    }

    fn accepts(&self, token: &PaymentToken) -> bool {
        token.expose() != "tok_unknown"
    }

    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
    ) -> Result<IntentReport, GatewayError> {
        self.power.touch_or_die().await;
        self.check_protocol(step, charge);
        let course = self.plan_call(self.timeline.now_ms());
        let key = step.idempotency_key(charge.id);
        let number = {
            let mut books = self.provider.books();
            let number = books.number();
            if let Some(at) = course.arrives {
                let request = Request { step, key, charge: charge.clone() };
                books.appoint(at, Appointment::Arrival(number, Box::new(request)));
            }
            number
        };
        self.provider.1.notify_one();
        let unknown = |why: &str| Err(GatewayError::Unknown(why.to_owned()));
        if course.error {
            tokio::time::sleep(Duration::from_millis(course.answer_takes)).await;
            self.power.touch_or_die().await;
            return unknown("simulated trouble");
        }
        let Some(arrives) = course.arrives else { return std::future::pending().await };
        self.sleep_until(arrives).await;
        self.provider.advance(self.timeline.now_ms());
        self.provider.1.notify_one();
        if !course.has_answer {
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_millis(course.answer_takes)).await;
        self.power.touch_or_die().await;
        match self.provider.books().answers.remove(&number) {
            Some(report) => Ok(report),
            None => unknown("no answer"),
        }
    }
}
