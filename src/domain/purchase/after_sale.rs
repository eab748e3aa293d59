//! What happens at the gateway after a sale, and intents that are not the charge's own.

use super::*;
use crate::domain::{OrderId, Price, RefundId, Ticket, TicketId, Title, UserId};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const DEADLINE: Timestamp = Timestamp::from_millis(901_000);
const CHARGE: ChargeId = ChargeId::from_u128(5);

fn intent(name: &str) -> IntentId {
    IntentId(name.to_owned())
}

fn purchase(state: OrderState, phase: ChargePhase) -> Purchase {
    let currency = "usd".parse().expect("a currency");
    let price = Price::from_minor(2550, currency).expect("a price");
    let title = Title::parse("Rock").expect("a title");
    let ticket = Ticket::list(TicketId::from_u128(1), UserId::from_u128(2), title, price, NOW);
    let order = Order::new(OrderId::from_u128(3), UserId::from_u128(4), &ticket, DEADLINE, NOW);
    let order = Order { state, attempts: 1, charge: Some(CHARGE), ..order };
    let token = PaymentToken::parse("tok_visa").expect("a token");
    let charge = Charge { phase, ..Charge::new(CHARGE, &order, token, NOW) };
    Purchase { order, charge: Some(charge) }
}

fn sold() -> Purchase {
    purchase(OrderState::Completed, ChargePhase::Completed { intent: intent("pi_1") })
}

fn taken(refund: Option<(&str, RefundStatus)>, dispute: Option<DisputeStatus>) -> IntentReport {
    let refund = refund.map(|(id, status)| Refund::told(RefundId(id.to_owned()), status));
    let report = IntentReport::new(Some(intent("pi_1")), IntentFact::Captured);
    IntentReport { refund, dispute, ..report }
}

fn refunded(status: RefundStatus) -> IntentReport {
    taken(Some(("re_1", status)), None)
}

fn disputed(status: DisputeStatus) -> IntentReport {
    taken(None, Some(status))
}

fn told(purchase: &Purchase, report: IntentReport) -> PurchaseDecision {
    let command = PurchaseCommand::Report { charge: CHARGE, report };
    purchase.decide(&command, 1, NOW).expect("reports are never refused")
}

/// The purchase after a report that must change it, and change neither order nor ticket.
fn after(purchase: &Purchase, report: IntentReport) -> Purchase {
    let PurchaseDecision::Changed(change) = told(purchase, report) else {
        panic!("nothing changed")
    };
    assert_eq!(change.ticket, None, "the ticket stays where it is");
    assert_eq!(change.after.order.state, purchase.order.state, "the order stands");
    assert_eq!(change.after.order.version, purchase.order.version.next(), "and is told of again");
    change.after
}

fn owing() -> Purchase {
    let state = OrderState::Cancelled(CancelReason::Expired);
    purchase(state, ChargePhase::Refunding { intent: intent("pi_1") })
}

fn shown(purchase: &Purchase) -> (&'static str, Option<RefundStatus>, Option<DisputeStatus>) {
    let charge = purchase.charge.as_ref().expect("a charge");
    let refund = charge.refund.as_ref().map(|refund| refund.status);
    (charge.phase.name(), refund, charge.dispute)
}

#[test]
fn a_dispute_is_shown_until_it_is_decided_and_never_opens_again() {
    let open = after(&sold(), disputed(DisputeStatus::Open));
    assert_eq!(shown(&open), ("Completed", None, Some(DisputeStatus::Open)));
    for decided in [DisputeStatus::Won, DisputeStatus::Lost] {
        let end = after(&open, disputed(decided));
        assert_eq!(shown(&end), ("Completed", None, Some(decided)));
        assert_eq!(end.next_step(), None, "nothing is owed");
        for late in [Some(decided), Some(DisputeStatus::Open), None] {
            assert_eq!(told(&end, taken(None, late)), PurchaseDecision::Unchanged);
        }
    }
}

#[test]
fn a_refund_from_outside_is_shown_and_the_sale_stands() {
    let end = after(&sold(), refunded(RefundStatus::Succeeded));
    assert_eq!(shown(&end), ("Refunded", Some(RefundStatus::Succeeded), None));
    assert_eq!(end.next_step(), None);
}

#[test]
fn neither_refund_nor_dispute_hides_the_other() {
    use {DisputeStatus::Open, RefundStatus::Succeeded};
    let refund_first =
        after(&after(&sold(), refunded(Succeeded)), taken(Some(("re_1", Succeeded)), Some(Open)));
    let dispute_first =
        after(&after(&sold(), disputed(Open)), taken(Some(("re_1", Succeeded)), Some(Open)));
    for both in [refund_first, dispute_first] {
        assert_eq!(shown(&both), ("Refunded", Some(Succeeded), Some(Open)));
        // What one report leaves out is not forgotten.
        assert_eq!(told(&both, refunded(Succeeded)), PurchaseDecision::Unchanged);
        assert_eq!(told(&both, disputed(Open)), PurchaseDecision::Unchanged);
    }
}

#[test]
fn a_pending_refund_is_not_a_refund_and_a_failed_one_is_owed_still() {
    let pending = after(&owing(), refunded(RefundStatus::Pending));
    assert_eq!(shown(&pending), ("Refunding", Some(RefundStatus::Pending), None));
    assert_eq!(pending.next_step(), Some(GatewayStep::Refund));
    let failed = after(&pending, refunded(RefundStatus::Failed));
    assert_eq!(shown(&failed), ("Refunding", Some(RefundStatus::Failed), None));
    assert_eq!(failed.next_step(), Some(GatewayStep::Refund), "it is tried again");
    // Late reports of the one that failed change nothing; another one does.
    for late in [RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed] {
        assert_eq!(told(&failed, refunded(late)), PurchaseDecision::Unchanged);
    }
    let end = after(&failed, taken(Some(("re_2", RefundStatus::Succeeded)), None));
    assert_eq!(shown(&end), ("Refunded", Some(RefundStatus::Succeeded), None));
    assert_eq!(end.next_step(), None);
}

#[test]
fn a_refund_that_the_bank_sends_back_is_owed_again() {
    let done = after(&owing(), refunded(RefundStatus::Succeeded));
    assert_eq!(done.next_step(), None);
    let back = after(&done, refunded(RefundStatus::Failed));
    assert_eq!(shown(&back), ("Refunding", Some(RefundStatus::Failed), None));
    // Of a sale it is nobody's to try again but the operator's, who is told.
    let done = after(&sold(), refunded(RefundStatus::Succeeded));
    let back = after(&done, refunded(RefundStatus::Failed));
    assert_eq!(shown(&back), ("Completed", Some(RefundStatus::Failed), None));
    assert_eq!(
        back.next_step(),
        Some(GatewayStep::Retrieve),
        "it is looked at until it is settled"
    );
}

#[test]
fn what_an_operator_has_said_of_a_refund_outlasts_what_is_still_told_of_it() {
    use RefundStatus::{Failed, Pending, Succeeded};
    for begun in [sold(), owing()] {
        let failed = after(&after(&begun, refunded(Succeeded)), refunded(Failed));
        let command = PurchaseCommand::Settle { charge: CHARGE, finding: Finding::PaidBack };
        let decided = failed.decide(&command, 1, NOW).expect("it is open");
        let PurchaseDecision::Changed(change) = decided else { panic!("it changes: {decided:?}") };
        let end = change.after;
        assert_eq!(shown(&end), ("Refunded", Some(Succeeded), None));
        for late in [Pending, Succeeded, Failed] {
            assert_eq!(told(&end, refunded(late)), PurchaseDecision::Unchanged, "{late:?}");
        }
    }
}

#[test]
fn what_the_bank_has_paid_back_is_not_paid_back_again() {
    let end = after(&owing(), disputed(DisputeStatus::Lost));
    assert_eq!(shown(&end), ("Refunded", None, Some(DisputeStatus::Lost)));
    assert_eq!(end.next_step(), None);
    for undecided in [DisputeStatus::Open, DisputeStatus::Won] {
        let still = after(&owing(), disputed(undecided));
        assert_eq!(still.next_step(), Some(GatewayStep::Refund), "the refund is still owed");
    }
}

#[test]
fn another_intent_of_the_charge_says_nothing_about_its_own() {
    let state = OrderState::Cancelled(CancelReason::Buyer);
    let code = FailureCode::order_cancelled();
    let voiding = purchase(state, ChargePhase::Voiding { intent: intent("pi_1"), code });
    let stray = |fact| IntentReport::new(Some(intent("pi_2")), fact);
    for fact in [IntentFact::Voided, IntentFact::Captured] {
        assert_eq!(told(&voiding, stray(fact)), PurchaseDecision::Unchanged);
    }
    for fact in [IntentFact::Open, IntentFact::Authorised] {
        let tidied = PurchaseDecision::Tidy(intent("pi_2"));
        assert_eq!(told(&voiding, stray(fact)), tidied);
    }
}

/// The purchase after its show was cancelled, which must change it.
fn without_show(purchase: &Purchase) -> (Purchase, Vec<&'static str>) {
    let decided = purchase.decide(&PurchaseCommand::ShowCancelled, 1, NOW);
    let Ok(PurchaseDecision::Changed(change)) = decided else { panic!("nothing changed") };
    (change.after, change.events.iter().map(Event::name).collect())
}

fn is_left_alone(purchase: &Purchase) -> bool {
    purchase.decide(&PurchaseCommand::ShowCancelled, 1, NOW) == Ok(PurchaseDecision::Unchanged)
}

#[test]
fn a_sale_whose_show_is_cancelled_is_owed_until_it_is_paid_back_once() {
    let (owed, events) = without_show(&sold());
    assert_eq!(events, ["RefundRequested", "OrderCompleted"]);
    assert_eq!(owed.order.state, OrderState::Completed, "the order stands");
    assert_eq!((shown(&owed).0, owed.next_step()), ("Refunding", Some(GatewayStep::Refund)));
    assert!(owed.is_over_with_its_show() && is_left_alone(&owed), "once is enough");
    assert_eq!(told(&owed, taken(None, None)), PurchaseDecision::Unchanged, "it is owed still");
    let pending = after(&owed, refunded(RefundStatus::Pending));
    assert_eq!(shown(&pending).0, "Refunding");
    let failed = after(&pending, refunded(RefundStatus::Failed));
    assert_eq!(shown(&failed), ("Refunding", Some(RefundStatus::Failed), None));
    let back = after(&pending, refunded(RefundStatus::Succeeded));
    assert_eq!((shown(&back).0, back.next_step()), ("Refunded", None));
    assert!(is_left_alone(&back));
    let by_hand = after(&sold(), refunded(RefundStatus::Succeeded));
    assert!(by_hand.is_over_with_its_show() && is_left_alone(&by_hand));
}

#[test]
fn a_disputed_sale_is_paid_back_when_the_dispute_ends_for_us() {
    let disputed_one = after(&sold(), disputed(DisputeStatus::Open));
    let (waits, _) = without_show(&disputed_one);
    assert_eq!(waits.next_step(), Some(GatewayStep::Retrieve), "the bank has the money");
    assert_eq!(shown(&waits).0, "Completed");
    let won = after(&waits, disputed(DisputeStatus::Won));
    assert_eq!((shown(&won).0, won.next_step()), ("Refunding", Some(GatewayStep::Refund)));
    let lost = after(&waits, disputed(DisputeStatus::Lost));
    assert_eq!((shown(&lost).0, lost.next_step()), ("Refunded", None), "the buyer has it");
}

#[test]
fn what_is_open_ends_with_its_show_unless_it_is_being_captured() {
    let open =
        purchase(OrderState::AwaitingPayment, ChargePhase::Created { intent: intent("pi_1") });
    let (over, events) = without_show(&open);
    assert_eq!(over.order.state, OrderState::Cancelled(CancelReason::ShowCancelled));
    assert_eq!((shown(&over).0, events), ("Voiding", vec!["ChargeFailed", "OrderCancelled"]));
    assert!(over.is_over_with_its_show() && is_left_alone(&over));
    let capturing =
        purchase(OrderState::AwaitingPayment, ChargePhase::Capturing { intent: intent("pi_1") });
    assert!(is_left_alone(&capturing) && !capturing.is_over_with_its_show());
}
