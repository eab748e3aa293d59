use std::time::Duration;

use super::*;
use crate::domain::{
    CancelReason, ClientSecret, Order, OrderState, Price, PurchaseRejection, Ticket, Title,
};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const DEADLINE: Timestamp = Timestamp::from_millis(60_000);
const SELLER: UserId = UserId::from_u128(1);
const BUYER: UserId = UserId::from_u128(2);
const ORDER: OrderId = OrderId::from_u128(3);
const TICKET: TicketId = TicketId::from_u128(4);
const CHARGE: ChargeId = ChargeId::from_u128(5);

fn made() -> Known {
    let price = Price::from_minor(4_000, "usd".parse().unwrap()).unwrap();
    let ticket = Ticket::list(TICKET, SELLER, Title::parse("Rock").unwrap(), price, NOW);
    let order = Order::new(ORDER, BUYER, &ticket, DEADLINE, NOW);
    Known::latest(Arc::new(Purchase { order, charge: None }))
}

fn payment(by: UserId) -> OrderRequest {
    let token = PaymentToken::parse("tok_visa").unwrap();
    OrderRequest::Pay(Payment { by, charge: CHARGE, token, account: Account::Sandbox, key: None })
}

fn told(step: GatewayStep, fact: IntentFact) -> OrderRequest {
    let intent = Some(IntentId("pi_1".to_owned()));
    OrderRequest::Report {
        charge: CHARGE,
        step: Some(step),
        result: Ok(IntentReport::new(intent, fact)),
    }
}

/// What a request comes to, and what is known then.
struct Decided {
    change: Option<Change<Orders>>,
    answer: When<Arc<Purchase>>,
    /// What follows for charges.
    effects: Vec<Effect<ChargeCall>>,
    /// The hold that ended.
    ended: Option<HoldEnded>,
}

fn ask(known: &Known, request: &OrderRequest, now: Timestamp) -> Decided {
    match decide(known, request, 1, now) {
        Ok(Decision { change, answer, effects }) => {
            let change = change.map(|change| *change);
            let mut decided = Decided { change, answer, effects: Vec::new(), ended: None };
            for effect in effects {
                match effect {
                    OrderEffect::Charge(effect) => decided.effects.push(effect),
                    OrderEffect::HoldEnded(ended) => decided.ended = Some(ended),
                }
            }
            decided
        }
        Err(error) => panic!("{request:?}: {error}"),
    }
}

impl Decided {
    fn after(&self) -> Known {
        self.change.as_ref().and_then(|change| change.after.clone()).unwrap()
    }

    fn carrier(&self) -> Option<TicketDemand> {
        self.change.as_ref().and_then(|change| change.carrier).map(|carrier| carrier.demand)
    }

    /// The steps that are started.
    fn steps(&self) -> Vec<GatewayStep> {
        let step = |effect: &Effect<ChargeCall>| match effect {
            Effect::Start(call) => Some(call.step),
            _ => None,
        };
        self.effects.iter().filter_map(step).collect()
    }
}

/// A purchase whose charge has come that far.
fn paid_until(step: GatewayStep) -> Known {
    let begun = ask(&made(), &payment(BUYER), NOW).after();
    let created = ask(&begun, &told(GatewayStep::Create, IntentFact::Open), NOW).after();
    match step {
        GatewayStep::Create => begun,
        GatewayStep::Confirm => created,
        _ => ask(&created, &told(GatewayStep::Confirm, IntentFact::Authorised), NOW).after(),
    }
}

#[test]
fn a_payment_is_written_down_before_its_first_call_and_answered_late() {
    let decided = ask(&made(), &payment(BUYER), NOW);
    assert_eq!(decided.answer, When::Late);
    let after = decided.after().purchase;
    let change = decided.change.as_ref().unwrap();
    let charge = after.charge.clone().unwrap();
    assert_eq!(
        change.commit.writes,
        [Write::Order(after.order.clone()), Write::Charge(charge.clone())]
    );
    let call = ChargeCall { step: GatewayStep::Create, charge };
    assert_eq!(decided.effects, [Effect::Start(call)]);
}

#[test]
fn the_capture_is_asked_for_once_it_is_decided_and_sells_the_ticket() {
    let created = paid_until(GatewayStep::Confirm);
    let decided = ask(&created, &told(GatewayStep::Confirm, IntentFact::Authorised), NOW);
    assert_eq!(decided.effects[0], Effect::Returned(CHARGE));
    assert_eq!((decided.carrier(), decided.steps()), (None, vec![GatewayStep::Capture]));
    let capturing = decided.after();
    let decided = ask(&capturing, &told(GatewayStep::Capture, IntentFact::Captured), DEADLINE);
    assert_eq!(decided.carrier(), Some(TicketDemand::Sell));
    assert_eq!(decided.effects, [Effect::Returned(CHARGE), Effect::Settled(CHARGE)]);
    assert_eq!(decided.ended, None, "a sale is not held against its buyer");
    assert_eq!(decided.after().purchase.order.state, OrderState::Completed);
}

#[test]
fn an_authorisation_that_comes_after_the_deadline_is_given_back_with_the_ticket() {
    let created = paid_until(GatewayStep::Confirm);
    let decided = ask(&created, &told(GatewayStep::Confirm, IntentFact::Authorised), DEADLINE);
    assert_eq!(decided.carrier(), Some(TicketDemand::Release));
    assert_eq!(decided.steps(), [GatewayStep::Cancel]);
}

#[test]
fn a_call_without_an_answer_changes_nothing_and_is_made_again_later() {
    let begun = paid_until(GatewayStep::Create);
    let lost = GatewayError::Unknown("no answer in time".to_owned());
    let reason = lost.to_string();
    let step = Some(GatewayStep::Create);
    let report = OrderRequest::Report { charge: CHARGE, step, result: Err(lost) };
    let decided = ask(&begun, &report, NOW);
    assert!(decided.change.is_none());
    let later = Effect::Later { key: CHARGE, owner: ORDER, reason, within: LONGEST_PAUSE };
    assert_eq!(decided.effects, [Effect::Returned(CHARGE), later]);
}

#[test]
fn a_buyer_before_their_bank_is_asked_about_every_few_seconds() {
    let created = paid_until(GatewayStep::Confirm);
    let secret = ClientSecret("pi_1_secret".to_owned());
    let decided = ask(&created, &told(GatewayStep::Confirm, IntentFact::NeedsBuyer(secret)), NOW);
    let is_soon = |effect: &Effect<ChargeCall>| matches!(effect, Effect::Later { within, .. } if *within == Duration::from_secs(5));
    assert!(decided.effects.iter().any(is_soon), "{:?}", decided.effects);
}

#[test]
fn what_the_gateway_tells_unasked_ends_no_call() {
    let begun = paid_until(GatewayStep::Create);
    let intent = Some(IntentId("pi_1".to_owned()));
    let result = Ok(IntentReport::new(intent, IntentFact::Open));
    let report = OrderRequest::Report { charge: CHARGE, step: None, result };
    assert!(!ask(&begun, &report, NOW).effects.contains(&Effect::Returned(CHARGE)));
}

#[test]
fn ending_an_order_releases_its_ticket_and_ending_it_again_does_nothing() {
    let cancel = OrderRequest::Cancel { by: BUYER, expected: ExpectedVersion::Any };
    for (request, now) in [(cancel, NOW), (OrderRequest::Expire, DEADLINE)] {
        let decided = ask(&paid_until(GatewayStep::Confirm), &request, now);
        assert_eq!(decided.carrier(), Some(TicketDemand::Release));
        assert_eq!(decided.steps(), [GatewayStep::Cancel]);
        assert_eq!(decided.ended, Some(HoldEnded { buyer: BUYER, ticket: TICKET, at: now }));
        let again = ask(&decided.after(), &request, now);
        assert_eq!(again.ended, None);
        assert!(again.change.is_none());
        // The charge is voided at the reconciler's pace.
        assert_eq!(again.effects, []);
    }
}

#[test]
fn a_charge_that_is_brought_forward_past_the_deadline_ends_with_its_order() {
    let request = OrderRequest::BringForward { charge: CHARGE };
    let decided = ask(&paid_until(GatewayStep::Confirm), &request, DEADLINE);
    let state = decided.after().purchase.order.state;
    assert_eq!(state, OrderState::Cancelled(CancelReason::Expired));
    assert_eq!(decided.steps(), [GatewayStep::Cancel]);
    let before = ask(&paid_until(GatewayStep::Confirm), &request, NOW);
    assert!(before.change.is_none());
    assert_eq!(before.steps(), [GatewayStep::Confirm]);
}

#[test]
fn an_order_is_its_buyers_alone() {
    let cancel = OrderRequest::Cancel { by: SELLER, expected: ExpectedVersion::Any };
    for request in [cancel, payment(SELLER)] {
        assert_eq!(decide(&made(), &request, 1, NOW).err(), Some(MarketError::NotFound));
    }
}

#[test]
fn an_order_is_paid_once() {
    let refused = decide(&paid_until(GatewayStep::Capture), &payment(BUYER), 1, NOW).err();
    assert_eq!(refused, Some(PurchaseRejection::PaymentInProgress.into()));
}

#[test]
fn what_is_told_of_an_earlier_charge_leaves_the_latest_to_be_read_again() {
    let declined = IntentFact::Declined(FailureCode::from_gateway("card_declined"));
    let first = paid_until(GatewayStep::Confirm);
    let Ok(decision) = decide(&first, &told(GatewayStep::Confirm, declined), 2, NOW) else {
        panic!("a decline")
    };
    let failed = decision.change.unwrap().after.unwrap();
    let second = ChargeId::from_u128(6);
    let token = PaymentToken::parse("tok_visa").unwrap();
    let again = OrderRequest::Pay(Payment {
        by: BUYER,
        charge: second,
        token,
        account: Account::Sandbox,
        key: None,
    });
    let Ok(decision) = decide(&failed, &again, 2, NOW) else { panic!("a second attempt") };
    let known = decision.change.unwrap().after.unwrap();
    let known = Known { earlier: failed.purchase.charge.clone().map(Box::new), ..known };
    let captured = told(GatewayStep::Capture, IntentFact::Captured);
    let Ok(decision) = decide(&known, &captured, 2, NOW) else { panic!("a late fact") };
    let change = decision.change.unwrap();
    assert_eq!(change.after, None);
    assert!(change.commit.writes.iter().all(|write| matches!(write, Write::Charge(_))));
}
