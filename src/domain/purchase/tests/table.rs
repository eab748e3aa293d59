//! The tables: what every command comes to in every state.

use super::*;

/// What a decision comes to, in few words: the order, the charge, what the ticket is asked for.
fn outcome(before: &Purchase, command: &PurchaseCommand, attempts: u32, now: Timestamp) -> String {
    let after = match before.decide(command, attempts, now) {
        Err(rejection) => return format!("no: {rejection:?}"),
        Ok(PurchaseDecision::Unchanged) => return "-".to_owned(),
        Ok(PurchaseDecision::Tidy(intent)) => {
            assert_eq!(intent.0, "pi_1");
            return "tidy".to_owned();
        }
        Ok(PurchaseDecision::Changed(change)) => change,
    };
    let order = match after.after.order.state {
        OrderState::Cancelled(reason) => format!("Cancelled {reason:?}"),
        state => format!("{state:?}"),
    };
    let charge = after.after.charge.as_ref().map_or("none", |charge| charge.phase.name());
    let ticket = after.ticket.map_or(String::new(), |demand| format!(", {demand:?}"));
    format!("{order}, {charge}{ticket}")
}

fn phases() -> [ChargePhase; 10] {
    let intent = intent();
    [
        ChargePhase::Intent,
        ChargePhase::Created { intent: intent.clone() },
        ChargePhase::Confirming { intent: intent.clone(), client_secret: secret() },
        ChargePhase::Capturing { intent: intent.clone() },
        ChargePhase::Voiding { intent: intent.clone(), code: code("order_expired") },
        ChargePhase::Refunding { intent: intent.clone() },
        ChargePhase::Completed { intent: intent.clone() },
        ChargePhase::Refunded { intent: intent.clone(), refund: refund() },
        ChargePhase::Failed { intent: Some(intent.clone()), code: code("card_declined") },
        ChargePhase::Disputed { intent, status: DisputeStatus::Open },
    ]
}

/// The order's state that goes with a phase when the charge is the order's latest.
fn order_with(phase: &ChargePhase) -> OrderState {
    match phase {
        ChargePhase::Intent
        | ChargePhase::Created { .. }
        | ChargePhase::Confirming { .. }
        | ChargePhase::Capturing { .. } => OrderState::AwaitingPayment,
        ChargePhase::Completed { .. } | ChargePhase::Disputed { .. } => OrderState::Completed,
        ChargePhase::Voiding { .. }
        | ChargePhase::Refunding { .. }
        | ChargePhase::Refunded { .. }
        | ChargePhase::Failed { .. } => OrderState::Cancelled(CancelReason::Expired),
    }
}

#[test]
fn every_order_state_decides_every_command() {
    use CancelReason::{Buyer, Expired, PaymentFailed};
    let [open_intent, created, confirming, capturing, voiding, _, completed, _, failed, _] =
        phases();
    let waiting = |phase: &ChargePhase| purchase(OrderState::AwaitingPayment, Some(phase.clone()));
    let over = |reason| purchase(OrderState::Cancelled(reason), None);
    let pay = PurchaseCommand::Pay { charge: ChargeId::from_u128(6), token: token() };
    // Cancel in time and late, expire in time and late, pay in time and late.
    let rows: Vec<(&str, Purchase, [&str; 6])> = vec![
        (
            "created",
            fresh(),
            [
                "Cancelled Buyer, none, Release",
                "Cancelled Expired, none, Release",
                "-",
                "Cancelled Expired, none, Release",
                "AwaitingPayment, Intent",
                "no: Expired",
            ],
        ),
        (
            "intent",
            waiting(&open_intent),
            [
                "Cancelled Buyer, Failed, Release",
                "Cancelled Expired, Failed, Release",
                "-",
                "Cancelled Expired, Failed, Release",
                "no: PaymentInProgress",
                "no: PaymentInProgress",
            ],
        ),
        (
            "created intent",
            waiting(&created),
            [
                "Cancelled Buyer, Voiding, Release",
                "Cancelled Expired, Voiding, Release",
                "-",
                "Cancelled Expired, Voiding, Release",
                "no: PaymentInProgress",
                "no: PaymentInProgress",
            ],
        ),
        (
            "confirming",
            waiting(&confirming),
            [
                "Cancelled Buyer, Voiding, Release",
                "Cancelled Expired, Voiding, Release",
                "-",
                "Cancelled Expired, Voiding, Release",
                "no: PaymentInProgress",
                "no: PaymentInProgress",
            ],
        ),
        (
            "capturing",
            waiting(&capturing),
            [
                "no: PaymentInProgress",
                "no: PaymentInProgress",
                "-",
                "-",
                "no: PaymentInProgress",
                "no: PaymentInProgress",
            ],
        ),
        (
            "declined, attempts left",
            waiting(&failed),
            [
                "Cancelled Buyer, Failed, Release",
                "Cancelled Expired, Failed, Release",
                "-",
                "Cancelled Expired, Failed, Release",
                "AwaitingPayment, Intent",
                "no: Expired",
            ],
        ),
        (
            "completed",
            purchase(OrderState::Completed, Some(completed)),
            ["no: Completed", "no: Completed", "-", "-", "no: Completed", "no: Completed"],
        ),
        ("cancelled", over(Buyer), ["-", "-", "-", "-", "no: Cancelled", "no: Cancelled"]),
        ("failed", over(PaymentFailed), ["-", "-", "-", "-", "no: Cancelled", "no: Cancelled"]),
        ("expired", over(Expired), ["-", "-", "-", "-", "no: Expired", "no: Expired"]),
        (
            "expired, voiding",
            purchase(OrderState::Cancelled(Expired), Some(voiding)),
            ["-", "-", "-", "-", "no: Expired", "no: Expired"],
        ),
    ];
    for (name, before, expected) in rows {
        let commands = [&CANCEL, &PurchaseCommand::Expire, &pay];
        let found: Vec<String> = commands
            .iter()
            .flat_map(|command| [IN_TIME, DEADLINE].map(|now| outcome(&before, command, 3, now)))
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_charge_phase_decides_every_fact() {
    // In the order of `facts`: open, needs buyer, declined, refused, authorised, captured,
    // voided, refunded, disputed. In time and with no attempt left.
    const FAIL: &str = "Cancelled PaymentFailed, Failed, Release";
    const BACK: &str = "Cancelled PaymentFailed, Refunded, Release";
    const KNOWN: &str = "AwaitingPayment, Created";
    const SOLD: &str = "Completed, Completed, Sell";
    const OWED: &str = "Cancelled Expired, Refunding";
    const PAID_BACK: &str = "Cancelled Expired, Refunded";
    const VOID: &str = "Cancelled PaymentFailed, Voiding, Release";
    let confirm = |waits, declined| {
        ["-", waits, declined, FAIL, "AwaitingPayment, Capturing", SOLD, FAIL, BACK, SOLD]
    };
    let expected = [
        [KNOWN; 9],
        confirm("AwaitingPayment, Confirming", FAIL),
        // The buyer's browser could confirm it again.
        confirm("-", VOID),
        // A decline may be older than the authorisation.
        ["-", "-", "-", "-", "-", SOLD, FAIL, BACK, SOLD],
        ["-", "-", "-", "-", "-", OWED, "Cancelled Expired, Failed", PAID_BACK, OWED],
        ["-", "-", "-", "-", "-", "-", "-", PAID_BACK, "-"],
        ["-", "-", "-", "-", "-", "-", "-", "Completed, Refunded", "Completed, Disputed"],
        ["-"; 9],
        ["tidy", "tidy", "-", "-", "tidy", OWED, "-", "-", OWED],
        ["-", "-", "-", "-", "-", "-", "-", "Completed, Refunded", "-"],
    ];
    for (phase, expected) in phases().into_iter().zip(expected) {
        let before = purchase(order_with(&phase), Some(phase.clone()));
        let found: Vec<String> =
            facts().into_iter().map(|fact| outcome(&before, &report(fact), 1, IN_TIME)).collect();
        assert_eq!(found, expected, "{}", phase.name());
    }
}

#[test]
fn past_the_deadline_no_fact_begins_a_capture() {
    let [_, created, confirming, capturing, ..] = phases();
    for phase in [created, confirming] {
        let before = purchase(OrderState::AwaitingPayment, Some(phase));
        for now in [DEADLINE, DEADLINE.plus(std::time::Duration::from_secs(1))] {
            let found = outcome(&before, &report(IntentFact::Authorised), 1, now);
            assert_eq!(found, "Cancelled Expired, Voiding, Release");
        }
    }
    // A sale that was decided before stands.
    let before = purchase(OrderState::AwaitingPayment, Some(capturing));
    let found = outcome(&before, &report(IntentFact::Captured), 1, DEADLINE);
    assert_eq!(found, "Completed, Completed, Sell");
}

#[test]
fn a_failed_attempt_leaves_the_order_open_while_it_has_another() {
    for fact in
        [IntentFact::Declined(code("x")), IntentFact::Refused(code("x")), IntentFact::Voided]
    {
        let before = purchase(OrderState::AwaitingPayment, Some(phases()[1].clone()));
        assert_eq!(outcome(&before, &report(fact.clone()), 2, IN_TIME), "AwaitingPayment, Failed");
        let last = "Cancelled PaymentFailed, Failed, Release";
        assert_eq!(outcome(&before, &report(fact), 1, IN_TIME), last);
    }
}

#[test]
fn a_report_without_an_intent_can_only_refuse_a_charge_that_has_none() {
    let before = purchase(OrderState::AwaitingPayment, Some(ChargePhase::Intent));
    for fact in facts() {
        let expected = match fact {
            IntentFact::Declined(_) | IntentFact::Refused(_) => {
                "Cancelled PaymentFailed, Failed, Release"
            }
            _ => "-",
        };
        let command =
            PurchaseCommand::Report { charge: CHARGE, report: IntentReport { intent: None, fact } };
        assert_eq!(outcome(&before, &command, 1, IN_TIME), expected, "{command:?}");
    }
}

#[test]
fn a_report_about_another_charge_changes_nothing() {
    for phase in phases() {
        let before = purchase(order_with(&phase), Some(phase));
        for fact in facts() {
            let report = IntentReport { intent: Some(intent()), fact };
            let charge = ChargeId::from_u128(99);
            let command = PurchaseCommand::Report { charge, report };
            assert_eq!(outcome(&before, &command, 1, IN_TIME), "-");
        }
    }
}

#[test]
fn a_report_on_an_earlier_charge_changes_that_charge_alone() {
    // The order has gone on to another charge; this one had failed.
    let mut before = purchase(OrderState::Completed, Some(phases()[8].clone()));
    before.order.charge = Some(ChargeId::from_u128(6));
    let decided = before.decide(&report(IntentFact::Captured), 3, DEADLINE);
    let Ok(PurchaseDecision::Changed(change)) = decided else { panic!("{decided:?}") };
    assert_eq!(change.after.order, before.order, "not even a version");
    assert_eq!(change.after.charge.map(|charge| charge.phase.name()), Some("Refunding"));
    assert_eq!(change.ticket, None);
}

#[test]
fn the_next_gateway_step_follows_from_the_phase_alone() {
    let steps = phases().map(|phase| purchase(order_with(&phase), Some(phase)).next_step());
    let expected = [
        Some(GatewayStep::Create),
        Some(GatewayStep::Confirm),
        Some(GatewayStep::Retrieve),
        Some(GatewayStep::Capture),
        Some(GatewayStep::Cancel),
        Some(GatewayStep::Refund),
        None,
        None,
        None,
        None,
    ];
    assert_eq!(steps, expected);
    assert_eq!(fresh().next_step(), None);
}

#[test]
fn clients_see_three_statuses() {
    use ChargeStatus::{Completed, Created, Failed};
    let shown = phases().map(|phase| {
        let purchase = purchase(order_with(&phase), Some(phase));
        purchase.charge.map(|charge| charge.status())
    });
    let expected = [
        Created, Created, Created, Created, Failed, Completed, Completed, Completed, Failed,
        Completed,
    ];
    assert_eq!(shown, expected.map(Some));
}
