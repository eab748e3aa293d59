//! What happens at the gateway after a sale, and intents that are not the charge's own.

use super::*;
use crate::domain::{OrderId, Price, Ticket, TicketId, Title, UserId};

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

fn report(purchase: &Purchase, name: &str, fact: IntentFact) -> PurchaseDecision {
    let report = IntentReport { intent: Some(intent(name)), fact };
    let command = PurchaseCommand::Report { charge: CHARGE, report };
    purchase.decide(&command, 1, NOW).expect("reports are never refused")
}

/// The purchase after a report that must change it, and change neither order nor ticket.
fn after(purchase: &Purchase, fact: IntentFact) -> Purchase {
    let PurchaseDecision::Changed(change) = report(purchase, "pi_1", fact) else {
        panic!("nothing changed")
    };
    assert_eq!(change.ticket, None, "the ticket stays where it is");
    assert_eq!(change.after.order.state, purchase.order.state, "the order stands");
    assert_eq!(change.after.order.version, purchase.order.version.next(), "and is told of again");
    change.after
}

fn dispute(purchase: &Purchase) -> Option<DisputeStatus> {
    purchase.view().charge.and_then(|charge| charge.dispute)
}

#[test]
fn a_dispute_is_shown_until_it_is_decided_and_never_opens_again() {
    let open = after(&sold(), IntentFact::Disputed(DisputeStatus::Open));
    assert_eq!(dispute(&open), Some(DisputeStatus::Open));
    for decided in [DisputeStatus::Won, DisputeStatus::Lost] {
        let end = after(&open, IntentFact::Disputed(decided));
        assert_eq!(dispute(&end), Some(decided));
        assert_eq!(end.next_step(), None, "nothing is owed");
        for late in [decided, DisputeStatus::Open] {
            let late = report(&end, "pi_1", IntentFact::Disputed(late));
            assert_eq!(late, PurchaseDecision::Unchanged);
        }
        assert_eq!(report(&end, "pi_1", IntentFact::Captured), PurchaseDecision::Unchanged);
    }
}

#[test]
fn a_refund_from_outside_is_shown_and_the_sale_stands() {
    let disputed = after(&sold(), IntentFact::Disputed(DisputeStatus::Open));
    for before in [sold(), disputed] {
        let end = after(&before, IntentFact::Refunded(RefundId("re_1".to_owned())));
        let charge = end.view().charge.expect("a charge");
        assert_eq!(charge.refund, Some(RefundId("re_1".to_owned())));
        assert_eq!(end.next_step(), None);
    }
}

#[test]
fn what_the_bank_has_paid_back_is_not_paid_back_again() {
    let state = OrderState::Cancelled(CancelReason::Expired);
    let refunding = purchase(state, ChargePhase::Refunding { intent: intent("pi_1") });
    let end = after(&refunding, IntentFact::Disputed(DisputeStatus::Lost));
    assert_eq!(end.next_step(), None);
    for undecided in [DisputeStatus::Open, DisputeStatus::Won] {
        let decision = report(&refunding, "pi_1", IntentFact::Disputed(undecided));
        assert_eq!(decision, PurchaseDecision::Unchanged, "the refund is still owed");
    }
}

#[test]
fn another_intent_of_the_charge_says_nothing_about_its_own() {
    let state = OrderState::Cancelled(CancelReason::Buyer);
    let code = FailureCode::order_cancelled();
    let voiding = purchase(state, ChargePhase::Voiding { intent: intent("pi_1"), code });
    for fact in [IntentFact::Voided, IntentFact::Captured] {
        assert_eq!(report(&voiding, "pi_2", fact), PurchaseDecision::Unchanged);
    }
    for fact in [IntentFact::Open, IntentFact::Authorised] {
        let stray = PurchaseDecision::Tidy(intent("pi_2"));
        assert_eq!(report(&voiding, "pi_2", fact), stray);
    }
}
