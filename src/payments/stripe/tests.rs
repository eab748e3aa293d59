//! The mapping of Stripe's answers to facts, with an in-process Stripe that says what it is told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hyper::body::Bytes;
use secrecy::SecretString;
use stripe_client_core::{CustomizedStripeRequest, RequestStrategy, StripeClient};

use super::Mode;
use super::client::CallError;
use super::gateway::StripeGateway;
use super::signature::Signatures;
use crate::domain::{
    Charge, ChargeId, ChargePhase, Currency, DisputeStatus, FailureCode, GatewayStep, IntentFact,
    IntentId, Order, OrderId, PaymentToken, Price, RefundStatus, Ticket, TicketId, Timestamp,
    Title, UserId,
};
use crate::payments::{Gateway, GatewayError};

const NOW: Timestamp = Timestamp::from_millis(0);

type Said = Result<&'static str, CallError>;

/// Answers what it was told to, in that order, and keeps what it was asked.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Said>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    path: String,
    query: String,
    body: String,
    key: Option<String>,
}

impl StripeClient for &'static Scripted {
    type Err = CallError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, CallError> {
        let (request, settings) = request.into_pieces();
        let key = match settings.request_strategy {
            Some(RequestStrategy::Idempotent(key)) => Some(key.as_str().to_owned()),
            _ => None,
        };
        let (query, body) = (request.query.unwrap_or_default(), request.body.unwrap_or_default());
        let asked = Asked { path: request.path, query, body, key };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        answer.expect("a request more than was expected").map(Bytes::from)
    }
}

/// What the gateway told, without the intent's name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    fact: IntentFact,
    refund: Option<(Option<String>, RefundStatus)>,
    dispute: Option<DisputeStatus>,
}

fn captured(refund: Option<(&str, RefundStatus)>, dispute: Option<DisputeStatus>) -> Heard {
    let refund = refund.map(|(id, status)| (Some(id.to_owned()), status));
    Heard { fact: IntentFact::Captured, refund, dispute }
}

struct World {
    stripe: &'static Scripted,
    gateway: StripeGateway<&'static Scripted>,
}

impl World {
    fn new() -> Self {
        let stripe: &'static Scripted = Box::leak(Box::default());
        let signatures = Signatures::new(vec![SecretString::from("whsec_test")]);
        Self { stripe, gateway: StripeGateway::new(stripe, Mode::Test, signatures) }
    }

    /// Does a step while Stripe gives these answers, and no more are asked for.
    async fn perform(
        &self,
        step: GatewayStep,
        charge: &Charge,
        answers: &[Said],
    ) -> Result<Heard, GatewayError> {
        *self.stripe.answers.lock().expect("nobody panicked") = answers.iter().cloned().collect();
        let report = self.gateway.perform(step, charge).await;
        assert!(self.stripe.answers.lock().expect("nobody panicked").is_empty(), "all were asked");
        report.map(|report| {
            let refund = report.refund.map(|refund| (refund.id.map(|id| id.0), refund.status));
            Heard { fact: report.fact, refund, dispute: report.dispute }
        })
    }

    /// The same, of what is told the fact alone.
    async fn fact(
        &self,
        step: GatewayStep,
        charge: &Charge,
        answers: &[Said],
    ) -> Result<IntentFact, GatewayError> {
        self.perform(step, charge, answers).await.map(|heard| heard.fact)
    }

    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.stripe.asked.lock().expect("nobody panicked"))
    }

    fn keys(&self) -> Vec<String> {
        self.asked().into_iter().filter_map(|asked| asked.key).collect()
    }
}

fn charge(token: &str, minor: u64, currency: &str) -> Charge {
    let currency: Currency = currency.parse().expect("a currency");
    let price = Price::from_minor(minor, currency).expect("a price");
    let title = Title::parse("Rock").expect("a title");
    let ticket = Ticket::list(TicketId::from_u128(1), UserId::from_u128(2), title, price, NOW);
    let order = Order::new(OrderId::from_u128(3), UserId::from_u128(4), &ticket, NOW, NOW);
    let token = PaymentToken::parse(token).expect("a token");
    Charge::new(ChargeId::from_u128(5), &order, token, NOW)
}

fn at_stripe(token: &str) -> Charge {
    charge(token, 2550, "usd").looked_up_as(IntentId("pi_1".to_owned()))
}

fn unknown() -> CallError {
    CallError::Unknown("no answer".to_owned())
}

fn failed() -> CallError {
    CallError::Failed { status: 500, replayed: false }
}

fn refused(status: u16, code: &str) -> CallError {
    CallError::Refused { status, code: code.to_owned(), decline_code: None }
}

const OPEN: Said = Ok(r#"{"id":"pi_1","status":"requires_payment_method"}"#);
const HELD: Said = Ok(r#"{"id":"pi_1","status":"requires_capture"}"#);
const TAKEN: Said = Ok(r#"{"id":"pi_1","status":"succeeded","latest_charge":"ch_1"}"#);
const VOID: Said = Ok(r#"{"id":"pi_1","status":"canceled"}"#);
const NO_REFUNDS: Said = Ok(r#"{"data":[]}"#);

#[tokio::test]
async fn an_intent_is_made_unconfirmed_with_all_that_finds_it_again() {
    let world = World::new();
    let new = charge("tok_visa", 2550, "usd");
    assert_eq!(world.fact(GatewayStep::Create, &new, &[OPEN]).await, Ok(IntentFact::Open));
    let [asked] = &world.asked()[..] else { panic!("one request") };
    assert_eq!(asked.path, "/payment_intents");
    assert_eq!(asked.key, Some(GatewayStep::Create.idempotency_key(new.id)));
    for field in ["amount=2550", "currency=usd", "capture_method=manual", &new.id.to_string()] {
        assert!(asked.body.contains(field), "{field} in {}", asked.body);
    }
    assert!(!asked.body.contains("tok_") && !asked.body.contains("confirm="), "{}", asked.body);
    // The same request again is the same to the letter, or Stripe would refuse its key.
    for _ in 0..8 {
        let _ = world.fact(GatewayStep::Create, &new, &[OPEN]).await;
        assert_eq!(world.asked()[0].body, asked.body);
    }
}

/// A repeated request must be the same to the letter, in the next release too: it may be the one
/// that asks again.
#[tokio::test]
async fn every_request_is_written_as_it_always_was() {
    let world = World::new();
    let new = charge("tok_visa", 2550, "usd");
    let at = at_stripe("pm_card_visa");
    let disputed = Ok(r#"{"id":"pi_1","status":"succeeded","latest_charge":{"disputed":true}}"#);
    let dispute = Ok(r#"{"data":[{"status":"won"}]}"#);
    let refund = Ok(r#"{"id":"re_1","status":"succeeded","amount":2550}"#);
    let _ = world.fact(GatewayStep::Create, &new, &[OPEN]).await;
    let _ = world.fact(GatewayStep::Confirm, &at, &[HELD]).await;
    let _ = world.fact(GatewayStep::Confirm, &at_stripe("tok_visa"), &[HELD]).await;
    let _ = world.fact(GatewayStep::Capture, &at, &[TAKEN]).await;
    let _ = world.fact(GatewayStep::Cancel, &at, &[VOID]).await;
    let _ = world.fact(GatewayStep::Retrieve, &at, &[disputed, dispute]).await;
    let _ = world.fact(GatewayStep::Refund, &at, &[NO_REFUNDS, refund]).await;
    let asked = world.asked();
    let asked: Vec<[&str; 3]> =
        asked.iter().map(|asked| [&asked.path[..], &asked.query, &asked.body]).collect();
    let (charge, order) = (new.id, new.order);
    let create = format!(
        "allowed_payment_method_types[0]=card&amount=2550&capture_method=manual&currency=usd\
         &metadata[charge_id]={charge}&metadata[order_id]={order}"
    );
    let confirm = "payment_method=pm_card_visa&use_stripe_sdk=true";
    let confirm_card = "payment_method_data[card][token]=tok_visa&payment_method_data[type]=card\
                        &use_stripe_sdk=true";
    let refund = format!("metadata[charge_id]={charge}&payment_intent=pi_1");
    let expected = [
        ["/payment_intents", "", &create],
        ["/payment_intents/pi_1/confirm", "", confirm],
        ["/payment_intents/pi_1/confirm", "", confirm_card],
        ["/payment_intents/pi_1/capture", "", ""],
        ["/payment_intents/pi_1/cancel", "", ""],
        ["/payment_intents/pi_1", "expand[0]=latest_charge", ""],
        ["/disputes", "limit=1&payment_intent=pi_1", ""],
        ["/refunds", "limit=100&payment_intent=pi_1", ""],
        ["/refunds", "", &refund],
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_stripe_can_not_charge_to_the_unit_is_refused_before_it_is_asked() {
    let world = World::new();
    let fine = charge("tok_visa", 5124, "kwd");
    let fact = world.fact(GatewayStep::Create, &fine, &[]).await;
    let code = FailureCode::from_gateway("amount_not_chargeable");
    assert_eq!(fact, Ok(IntentFact::Refused(code)));
}

#[tokio::test]
async fn both_kinds_of_token_are_sent_as_what_they_are() {
    let world = World::new();
    let _ = world.fact(GatewayStep::Confirm, &at_stripe("pm_card_visa"), &[HELD]).await;
    let _ = world.fact(GatewayStep::Confirm, &at_stripe("tok_visa"), &[HELD]).await;
    let [method, token] = &world.asked()[..] else { panic!("two requests") };
    assert!(method.body.contains("payment_method=pm_card_visa"), "{}", method.body);
    assert!(token.body.contains("payment_method_data[card][token]=tok_visa"), "{}", token.body);
    assert!(token.body.contains("payment_method_data[type]=card"), "{}", token.body);
}

#[tokio::test]
async fn every_status_of_an_intent_is_a_fact_or_unknown() {
    let declined = FailureCode::from_gateway("lost_card");
    let secret = crate::domain::ClientSecret("s".to_owned());
    let cases: [(Said, Result<IntentFact, ()>); 10] = [
        (OPEN, Ok(IntentFact::Open)),
        (Ok(r#"{"id":"pi_1","status":"requires_confirmation"}"#), Ok(IntentFact::Open)),
        (
            Ok(r#"{"id":"pi_1","status":"requires_payment_method","last_payment_error":
                {"type":"card_error","code":"card_declined","decline_code":"lost_card"}}"#),
            Ok(IntentFact::Declined(declined)),
        ),
        (
            Ok(r#"{"id":"pi_1","status":"requires_action","client_secret":"s"}"#),
            Ok(IntentFact::NeedsBuyer(secret)),
        ),
        (Ok(r#"{"id":"pi_1","status":"requires_action"}"#), Err(())),
        (HELD, Ok(IntentFact::Authorised)),
        (TAKEN, Ok(IntentFact::Captured)),
        (VOID, Ok(IntentFact::Voided)),
        (Ok(r#"{"id":"pi_1","status":"processing"}"#), Err(())),
        (Ok(r#"{"id":"pi_1","status":"of_tomorrow"}"#), Err(())),
    ];
    for (answer, expected) in cases {
        let world = World::new();
        let found = world
            .fact(GatewayStep::Retrieve, &at_stripe("tok_visa"), std::slice::from_ref(&answer))
            .await;
        assert_eq!(found.map_err(|_| ()), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn refunds_and_disputes_from_outside_are_found_and_neither_hides_the_other() {
    use RefundStatus::{Failed, Pending, Succeeded};
    let world = World::new();
    let at = at_stripe("tok_visa");
    let refunded: Said =
        Ok(r#"{"id":"pi_1","status":"succeeded","latest_charge":{"amount_refunded":2550}}"#);
    for (refunds, expected) in [
        (
            r#"[{"id":"re_2","status":"failed","amount":1},
             {"id":"re_1","status":"succeeded","amount":2550}]"#,
            Some(("re_1", Succeeded)),
        ),
        (r#"[{"id":"re_1","status":"pending","amount":2550}]"#, Some(("re_1", Pending))),
        (r#"[{"id":"re_1","status":"requires_action","amount":2550}]"#, Some(("re_1", Pending))),
        (r#"[{"id":"re_1","status":"failed","amount":2550}]"#, Some(("re_1", Failed))),
        (
            r#"[{"id":"re_2","status":"pending","amount":2550},
             {"id":"re_1","status":"failed","amount":2550}]"#,
            Some(("re_2", Pending)),
        ),
        // Two halves are the whole; one of them, or one that was taken back, is not.
        (
            r#"[{"id":"re_2","status":"pending","amount":1000},
             {"id":"re_1","status":"succeeded","amount":1550}]"#,
            Some(("re_2", Pending)),
        ),
        (r#"[{"id":"re_1","status":"succeeded","amount":1000}]"#, None),
        (r#"[{"id":"re_1","status":"canceled","amount":2550}]"#, None),
    ] {
        let list = format!(r#"{{"data":{refunds}}}"#).leak();
        let found = world.perform(GatewayStep::Retrieve, &at, &[refunded.clone(), Ok(list)]).await;
        assert_eq!(found, Ok(captured(expected, None)), "{refunds}");
    }
    let disputed: Said =
        Ok(r#"{"id":"pi_1","status":"succeeded","latest_charge":{"disputed":true}}"#);
    for (status, expected) in [
        (r#"{"data":[{"status":"under_review"}]}"#, DisputeStatus::Open),
        (r#"{"data":[{"status":"won"}]}"#, DisputeStatus::Won),
        (r#"{"data":[{"status":"lost"}]}"#, DisputeStatus::Lost),
    ] {
        let found =
            world.perform(GatewayStep::Retrieve, &at, &[disputed.clone(), Ok(status)]).await;
        assert_eq!(found, Ok(captured(None, Some(expected))));
    }
    let both: Said = Ok(
        r#"{"id":"pi_1","status":"succeeded","latest_charge":{"refunded":true,"disputed":true}}"#,
    );
    let refunds = Ok(r#"{"data":[{"id":"re_1","status":"succeeded","amount":2550}]}"#);
    let dispute = Ok(r#"{"data":[{"status":"needs_response"}]}"#);
    let found = world.perform(GatewayStep::Retrieve, &at, &[both, refunds, dispute]).await;
    assert_eq!(found, Ok(captured(Some(("re_1", Succeeded)), Some(DisputeStatus::Open))));
}

#[tokio::test]
async fn a_refund_that_a_bank_has_sent_back_is_found_although_the_intent_shows_no_trace() {
    let sold = at_stripe("tok_visa");
    let sold = sold.moved(ChargePhase::Completed { intent: IntentId("pi_1".to_owned()) }, NOW);
    let untouched = Ok(
        r#"{"id":"pi_1","status":"succeeded","latest_charge":{"refunded":false,"amount_refunded":0}}"#,
    );
    let refunds = Ok(r#"{"data":[{"id":"re_1","status":"failed","amount":2550}]}"#);
    let found = World::new().perform(GatewayStep::Retrieve, &sold, &[untouched, refunds]).await;
    assert_eq!(found, Ok(captured(Some(("re_1", RefundStatus::Failed)), None)));
}

#[tokio::test]
async fn an_intent_that_this_account_does_not_know_is_out_of_reach() {
    let missing: Said = Err(refused(404, "resource_missing"));
    let at = at_stripe("tok_visa");
    for step in [GatewayStep::Capture, GatewayStep::Cancel] {
        let world = World::new();
        let fact = world.fact(step, &at, &[missing.clone(), missing.clone()]).await;
        assert_eq!(fact, Ok(IntentFact::OutOfReach), "{step:?}");
    }
    let world = World::new();
    let fact = world.fact(GatewayStep::Retrieve, &at, std::slice::from_ref(&missing)).await;
    assert_eq!(fact, Ok(IntentFact::OutOfReach));
    let refunding = at.moved(ChargePhase::Refunding { intent: IntentId("pi_1".to_owned()) }, NOW);
    let empty = [NO_REFUNDS, missing.clone(), missing];
    let fact = world.fact(GatewayStep::Refund, &refunding, &empty).await;
    assert_eq!(fact, Ok(IntentFact::OutOfReach));
}

#[tokio::test]
async fn another_charges_intent_is_not_taken_for_ones_own() {
    let world = World::new();
    let foreign = Ok(r#"{"id":"pi_1","status":"succeeded","metadata":{"charge_id":"charge_x"}}"#);
    let found = world.fact(GatewayStep::Retrieve, &at_stripe("tok_visa"), &[foreign]).await;
    assert!(found.is_err());
}

#[tokio::test]
async fn a_refusal_at_confirmation_is_the_banks_no_or_the_intents_state() {
    let at = at_stripe("pm_card_visa");
    let world = World::new();
    let no = CallError::Refused {
        status: 402,
        code: "card_declined".to_owned(),
        decline_code: Some("insufficient_funds".to_owned()),
    };
    let declined = IntentFact::Declined(FailureCode::from_gateway("insufficient_funds"));
    assert_eq!(world.fact(GatewayStep::Confirm, &at, &[Err(no)]).await, Ok(declined));
    let unexpected = Err(refused(400, "payment_intent_unexpected_state"));
    let fact = world.fact(GatewayStep::Confirm, &at, &[unexpected, HELD]).await;
    assert_eq!(fact, Ok(IntentFact::Authorised), "it was confirmed before");
    let missing = Err(refused(404, "resource_missing"));
    let fact = world.fact(GatewayStep::Confirm, &at, &[missing, OPEN]).await;
    let refused = IntentFact::Refused(FailureCode::from_gateway("resource_missing"));
    assert_eq!(fact, Ok(refused), "there is no such token");
}

#[tokio::test]
async fn a_refusal_of_any_other_step_decides_nothing_and_is_not_asked_for_again() {
    let at = at_stripe("tok_visa");
    for (step, done) in [(GatewayStep::Capture, TAKEN), (GatewayStep::Cancel, VOID)] {
        let world = World::new();
        let no = Err(refused(402, "card_declined"));
        let told = world.fact(step, &at, &[no, HELD]).await;
        assert!(told.is_err(), "{step:?}: {told:?}");
        let own = step.idempotency_key(at.id);
        assert_eq!(world.keys(), std::slice::from_ref(&own));
        assert!(world.fact(step, &at, &[HELD, done]).await.is_ok());
        assert_eq!(world.keys(), [format!("{own}:2")], "a refusal is stored with its key");
    }
}

#[tokio::test]
async fn a_step_in_doubt_begins_with_a_look_and_keeps_its_key() {
    let at = at_stripe("tok_visa");
    for (step, undone, done, fact) in [
        (GatewayStep::Confirm, OPEN, HELD, IntentFact::Authorised),
        (GatewayStep::Capture, HELD, TAKEN, IntentFact::Captured),
        (GatewayStep::Cancel, HELD, VOID, IntentFact::Voided),
    ] {
        let world = World::new();
        assert!(world.fact(step, &at, &[Err(unknown())]).await.is_err());
        assert!(world.fact(step, &at, &[Err(unknown())]).await.is_err(), "can't look");
        assert!(world.fact(step, &at, &[undone.clone(), Err(unknown())]).await.is_err());
        let own = step.idempotency_key(at.id);
        assert_eq!(world.keys(), [own.clone(), own], "the look has none");
        assert_eq!(world.fact(step, &at, &[done]).await, Ok(fact), "done all the same");
        assert_eq!(world.keys(), Vec::<String>::new(), "nothing was sent again");
    }
}

#[tokio::test]
async fn a_stored_error_can_not_wedge_a_charge() {
    let at = at_stripe("tok_visa");
    let world = World::new();
    let own = GatewayStep::Capture.idempotency_key(at.id);
    assert!(world.fact(GatewayStep::Capture, &at, &[Err(failed())]).await.is_err());
    assert!(world.fact(GatewayStep::Capture, &at, &[HELD, Err(failed())]).await.is_err());
    let fact = world.fact(GatewayStep::Capture, &at, &[HELD, TAKEN]).await;
    assert_eq!(fact, Ok(IntentFact::Captured));
    assert_eq!(world.keys(), [own.clone(), own.clone(), format!("{own}:2")]);
    // Where Stripe says that the answer was stored, there is no need to ask twice.
    let stored = Err(CallError::Failed { status: 500, replayed: true });
    assert!(world.fact(GatewayStep::Capture, &at, &[stored]).await.is_err());
    let _ = world.fact(GatewayStep::Capture, &at, &[HELD, TAKEN]).await;
    assert_eq!(world.keys(), [own.clone(), format!("{own}:2")]);
}

#[tokio::test]
async fn what_was_captured_after_all_is_told_instead_of_cancelled() {
    let world = World::new();
    let refusal = Err(refused(400, "payment_intent_unexpected_state"));
    let at = at_stripe("tok_visa");
    let fact = world.fact(GatewayStep::Cancel, &at, &[refusal, TAKEN]).await;
    assert_eq!(fact, Ok(IntentFact::Captured));
}

#[tokio::test]
async fn an_intent_that_can_not_be_captured_any_more_is_cancelled() {
    let world = World::new();
    let refusal = Err(refused(400, "payment_intent_unexpected_state"));
    let lapsed = Ok(
        r#"{"id":"pi_1","status":"requires_payment_method","last_payment_error":{"code":"lapsed"}}"#,
    );
    let at = at_stripe("tok_visa");
    let fact = world.fact(GatewayStep::Capture, &at, &[refusal, lapsed, VOID]).await;
    assert_eq!(fact, Ok(IntentFact::Voided));
}

#[tokio::test]
async fn money_is_paid_back_once_whoever_did_it() {
    use RefundStatus::{Failed, Pending, Succeeded};
    let at = at_stripe("tok_visa");
    let refunding = at.moved(ChargePhase::Refunding { intent: IntentId("pi_1".to_owned()) }, NOW);
    let step = GatewayStep::Refund;
    let made = Ok(r#"{"id":"re_1","status":"succeeded","amount":2550}"#);
    let listed = Ok(r#"{"data":[{"id":"re_1","status":"pending","amount":2550}]}"#);
    let told = |id, status| Ok(captured(Some((id, status)), None));

    let world = World::new();
    let found = world.perform(step, &refunding, &[NO_REFUNDS, made.clone()]).await;
    assert_eq!(found, told("re_1", Succeeded));
    assert_eq!(world.keys(), [step.idempotency_key(at.id)]);
    let found = world.perform(step, &refunding, std::slice::from_ref(&listed)).await;
    assert_eq!(found, told("re_1", Pending), "it is told as it stands");
    assert_eq!(world.keys(), Vec::<String>::new(), "there is one already");

    let lost = [NO_REFUNDS, Err(unknown())];
    assert!(world.perform(step, &refunding, &lost).await.is_err());
    let found = world.perform(step, &refunding, &[TAKEN, listed]).await;
    assert_eq!(found, told("re_1", Pending));
    assert_eq!(world.keys().len(), 1, "the lost answer's, and no other");

    let world = World::new();
    let broken = Ok(r#"{"data":[{"id":"re_0","status":"failed","amount":2550}]}"#);
    let found = world.perform(step, &refunding, &[broken, made]).await;
    assert_eq!(found, told("re_1", Succeeded));
    let second = format!("{}:2", step.idempotency_key(at.id));
    assert_eq!(world.keys(), [second], "a refund that failed keeps its key");

    let at_once = Ok(r#"{"id":"re_1","status":"failed","amount":2550}"#);
    let found = world.perform(step, &refunding, &[NO_REFUNDS, at_once]).await;
    assert_eq!(found, told("re_1", Failed));
}

#[tokio::test]
async fn a_refund_is_tried_again_only_where_that_may_help() {
    let at = at_stripe("tok_visa");
    let refunding = at.moved(ChargePhase::Refunding { intent: IntentId("pi_1".to_owned()) }, NOW);
    for refunds in [
        r#"[{"id":"re_1","status":"failed","amount":2550,"failure_reason":"lost_or_stolen_card"}]"#,
        r#"[{"id":"re_1","status":"failed","amount":2550,"failure_reason":"declined"},
            {"id":"re_2","status":"failed","amount":2550,"failure_reason":"unknown"},
            {"id":"re_3","status":"failed","amount":2550}]"#,
    ] {
        let world = World::new();
        let list = format!(r#"{{"data":{refunds}}}"#).leak();
        let found = world.perform(GatewayStep::Refund, &refunding, &[Ok(list)]).await;
        assert_eq!(found, Ok(captured(Some(("re_1", RefundStatus::Failed)), None)));
        assert_eq!(world.keys(), Vec::<String>::new(), "no other is made");
    }
}
