//! Every state with every command, and what random and exhaustive walks must never reach.

mod model;
mod table;
mod walks;

use super::*;
use crate::domain::{
    CancelReason, ChargeStatus, Currency, OrderId, Price, RefundId, Terms, Ticket, TicketCommand,
    TicketDecision, TicketId, TicketState, Title, UserId, Wanted,
};

const SELLER: UserId = UserId::from_u128(1);
const BUYER: UserId = UserId::from_u128(2);
const TICKET: TicketId = TicketId::from_u128(3);
const ORDER: OrderId = OrderId::from_u128(4);
const CHARGE: ChargeId = ChargeId::from_u128(5);
const DEADLINE: Timestamp = Timestamp::from_millis(900_000);
const IN_TIME: Timestamp = Timestamp::from_millis(899_999);

/// Cancels whatever version the order has.
const CANCEL: PurchaseCommand = PurchaseCommand::Cancel { expected: ExpectedVersion::Any };

fn price() -> Price {
    let usd: Currency = "usd".parse().expect("a currency");
    Price::from_minor(4000, usd).expect("a price")
}

fn ticket() -> Ticket {
    let title = Title::parse("Rock Concert").expect("a title");
    Ticket::list(TICKET, SELLER, title, price(), Timestamp::from_millis(0))
}

fn token() -> PaymentToken {
    PaymentToken::parse("tok_visa").expect("a token")
}

fn intent() -> IntentId {
    IntentId("pi_1".to_owned())
}

fn code(text: &str) -> FailureCode {
    FailureCode::from_gateway(text)
}

fn secret() -> ClientSecret {
    ClientSecret("secret".to_owned())
}

fn refund(status: RefundStatus) -> Refund {
    Refund::told(RefundId("re_1".to_owned()), status)
}

/// An order that has just been made.
fn fresh() -> Purchase {
    let order = Order::new(ORDER, BUYER, &ticket(), DEADLINE, Timestamp::from_millis(0));
    Purchase { order, charge: None }
}

/// An order in a state, with a charge in a phase.
fn purchase(state: OrderState, phase: Option<ChargePhase>) -> Purchase {
    let mut purchase = fresh();
    purchase.order.state = state;
    if let Some(phase) = phase {
        let charge = Charge::new(CHARGE, &purchase.order, token(), Timestamp::from_millis(1));
        purchase.order.attempts = 1;
        purchase.order.charge = Some(CHARGE);
        let is_paid_back = matches!(phase, ChargePhase::Refunded { .. });
        let refund = is_paid_back.then(|| refund(RefundStatus::Succeeded));
        purchase.charge = Some(Charge { phase, refund, ..charge });
    }
    purchase
}

fn facts() -> Vec<IntentFact> {
    vec![
        IntentFact::Open,
        IntentFact::NeedsBuyer(secret()),
        IntentFact::Declined(code("card_declined")),
        IntentFact::Refused(code("resource_missing")),
        IntentFact::Authorised,
        IntentFact::Captured,
        IntentFact::Voided,
        IntentFact::OutOfReach,
    ]
}

/// Every fact, and all that can become of money that was taken.
fn reports() -> Vec<IntentReport> {
    let told = |fact| IntentReport::new(Some(intent()), fact);
    let refunded =
        |status| IntentReport { refund: Some(refund(status)), ..told(IntentFact::Captured) };
    let disputed = |status| IntentReport { dispute: Some(status), ..told(IntentFact::Captured) };
    let refunds = [RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed];
    let disputes = [DisputeStatus::Open, DisputeStatus::Lost];
    let facts = facts().into_iter().map(told);
    facts.chain(refunds.map(refunded)).chain(disputes.map(disputed)).collect()
}

fn tell(report: IntentReport) -> PurchaseCommand {
    PurchaseCommand::Report { charge: CHARGE, report }
}

fn report(fact: IntentFact) -> PurchaseCommand {
    tell(IntentReport::new(Some(intent()), fact))
}

#[test]
fn a_charge_of_old_is_asked_about_where_its_intent_may_be_known() {
    use crate::domain::Account::{Sandbox, StripeLive, StripeTest};
    let charge = |phase| purchase(OrderState::AwaitingPayment, Some(phase)).charge.expect("one");
    let reach = |charge: &Charge| {
        [Sandbox, StripeTest, StripeLive].map(|account| charge.is_within_reach_of(account))
    };
    assert_eq!(reach(&charge(ChargePhase::Intent)), [true, true, true], "nobody knows it yet");
    assert_eq!(reach(&charge(ChargePhase::Created { intent: intent() })), [false, true, true]);
    let of_sandbox = IntentId("pi_sandbox_1".to_owned());
    assert_eq!(reach(&charge(ChargePhase::Created { intent: of_sandbox })), [true, false, false]);
    let begun = charge(ChargePhase::Intent).begun_with(StripeTest);
    assert_eq!(reach(&begun), [false, true, false], "it says with whom it was begun");
}
