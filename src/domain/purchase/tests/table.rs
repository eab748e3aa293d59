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

fn phases() -> [ChargePhase; 9] {
    let intent = intent();
    [
        ChargePhase::Intent,
        ChargePhase::Created { intent: intent.clone() },
        ChargePhase::Confirming { intent: intent.clone(), client_secret: secret() },
        ChargePhase::Capturing { intent: intent.clone() },
        ChargePhase::Voiding { intent: intent.clone(), code: code("order_expired") },
        ChargePhase::Refunding { intent: intent.clone() },
        ChargePhase::Completed { intent: intent.clone() },
        ChargePhase::Refunded { intent: intent.clone() },
        ChargePhase::Failed { intent: Some(intent), code: code("card_declined") },
    ]
}

/// The order's state that goes with a phase when the charge is the order's latest.
fn order_with(phase: &ChargePhase) -> OrderState {
    match phase {
        ChargePhase::Intent
        | ChargePhase::Created { .. }
        | ChargePhase::Confirming { .. }
        | ChargePhase::Capturing { .. } => OrderState::AwaitingPayment,
        ChargePhase::Completed { .. } => OrderState::Completed,
        ChargePhase::Voiding { .. }
        | ChargePhase::Refunding { .. }
        | ChargePhase::Refunded { .. }
        | ChargePhase::Failed { .. } => OrderState::Cancelled(CancelReason::Expired),
    }
}

#[test]
fn every_order_state_decides_every_command() {
    use CancelReason::{Buyer, Expired, PaymentFailed};
    let [open_intent, created, confirming, capturing, voiding, _, completed, _, failed] = phases();
    let waiting = |phase: &ChargePhase| purchase(OrderState::AwaitingPayment, Some(phase.clone()));
    let over = |reason| purchase(OrderState::Cancelled(reason), None);
    let pay = pay();
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

fn pay() -> PurchaseCommand {
    let account = Account::StripeLive;
    PurchaseCommand::Pay { charge: ChargeId::from_u128(6), token: token(), account }
}

#[test]
fn every_charge_phase_decides_every_report() {
    // In the order of `reports`: open, needs buyer, declined, refused, authorised, captured,
    // voided, out of reach; then captured with a refund pending, succeeded, failed, and with a
    // dispute open, lost. In time, with no attempt left, and with real money.
    const FAIL: &str = "Cancelled PaymentFailed, Failed, Release";
    const BACK: &str = "Cancelled PaymentFailed, Refunded, Release";
    const GOING_BACK: &str = "Cancelled PaymentFailed, Refunding, Release";
    const KNOWN: &str = "AwaitingPayment, Created";
    const CAPTURE: &str = "AwaitingPayment, Capturing";
    const SOLD: &str = "Completed, Completed, Sell";
    const OWED: &str = "Cancelled Expired, Refunding";
    const PAID_BACK: &str = "Cancelled Expired, Refunded";
    const GONE: &str = "Cancelled Expired, Failed";
    const VOID: &str = "Cancelled PaymentFailed, Voiding, Release";
    const SHOWN: &str = "Completed, Completed";
    let confirm = |waits, declined| {
        let taken = [GOING_BACK, BACK, SOLD, SOLD, SOLD];
        let untaken = ["-", waits, declined, FAIL, CAPTURE, SOLD, FAIL, FAIL];
        [&untaken[..], &taken[..]].concat()
    };
    let late = |captured, voided, out_of_reach, taken: [&'static str; 5]| {
        [&["-", "-", "-", "-", "-", captured, voided, out_of_reach][..], &taken[..]].concat()
    };
    let mut intent = vec![KNOWN; 13];
    intent[7] = FAIL;
    let mut failed = late(OWED, "-", "-", [OWED, "-", OWED, OWED, PAID_BACK]);
    for stray in [0, 1, 4] {
        failed[stray] = "tidy";
    }
    let expected = [
        intent,
        confirm("AwaitingPayment, Confirming", FAIL),
        // The buyer's browser could confirm it again.
        confirm("-", VOID),
        // A decline may be older than the authorisation, and what is out of reach may be taken.
        late(SOLD, FAIL, "-", [GOING_BACK, BACK, SOLD, SOLD, SOLD]),
        late(OWED, GONE, GONE, [OWED, PAID_BACK, OWED, OWED, PAID_BACK]),
        late("-", "-", "-", [OWED, PAID_BACK, OWED, OWED, PAID_BACK]),
        late("-", "-", "-", [SHOWN, "Completed, Refunded", SHOWN, SHOWN, SHOWN]),
        late("-", "-", "-", ["-", "-", OWED, PAID_BACK, PAID_BACK]),
        failed,
    ];
    for (phase, expected) in phases().into_iter().zip(expected) {
        let before = purchase(order_with(&phase), Some(phase.clone()));
        let found: Vec<String> = reports()
            .into_iter()
            .map(|report| outcome(&before, &tell(report), 1, IN_TIME))
            .collect();
        assert_eq!(found, expected, "{}", phase.name());
    }
}

#[test]
fn what_was_begun_with_another_provider_ends_and_only_real_money_waits_for_a_person() {
    let expected = [
        ["Cancelled PaymentFailed, Failed, Release"; 2],
        ["Cancelled PaymentFailed, Failed, Release"; 2],
        ["Cancelled PaymentFailed, Failed, Release"; 2],
        ["Cancelled PaymentFailed, Failed, Release", "-"],
        ["Cancelled Expired, Failed"; 2],
        ["Cancelled Expired, Failed", "-"],
        ["-", "-"],
        ["-", "-"],
        ["-", "-"],
    ];
    for (phase, expected) in phases().into_iter().zip(expected) {
        let before = purchase(order_with(&phase), Some(phase.clone()));
        let found = [Account::Sandbox, Account::StripeLive].map(|account| {
            let charge = before.charge.clone().map(|charge| charge.begun_with(account));
            let before = Purchase { charge, ..before.clone() };
            let found = outcome(&before, &report(IntentFact::OutOfReach), 1, IN_TIME);
            let PurchaseDecision::Changed(change) =
                before.decide(&report(IntentFact::OutOfReach), 1, IN_TIME).expect("never refused")
            else {
                return found;
            };
            assert_eq!(change.after.next_step(), None, "{}", phase.name());
            found
        });
        assert_eq!(found, expected, "{}", phase.name());
    }
}

#[test]
fn an_undecided_attempt_can_be_given_up_and_the_next_begins_at_once() {
    let expected = [
        "AwaitingPayment, Failed",
        "AwaitingPayment, Voiding",
        "AwaitingPayment, Voiding",
        "no: Decided",
        "no: Decided",
        "no: Decided",
        "no: Decided",
        "no: Decided",
        "no: Decided",
    ];
    let give_up = PurchaseCommand::GiveUp { charge: CHARGE };
    for (phase, expected) in phases().into_iter().zip(expected) {
        let before = purchase(order_with(&phase), Some(phase.clone()));
        assert_eq!(outcome(&before, &give_up, 1, IN_TIME), expected, "{}", phase.name());
        let Ok(PurchaseDecision::Changed(change)) = before.decide(&give_up, 1, IN_TIME) else {
            continue;
        };
        let after = change.after;
        assert_eq!(outcome(&after, &give_up, 1, IN_TIME), "-", "it is given up");
        assert_eq!(outcome(&after, &pay(), 1, IN_TIME), "AwaitingPayment, Intent");
        let late = outcome(&before, &give_up, 1, DEADLINE);
        assert!(late.starts_with("Cancelled Expired, "), "{late}");
    }
    let other = PurchaseCommand::GiveUp { charge: ChargeId::from_u128(99) };
    let before = purchase(OrderState::AwaitingPayment, Some(phases()[2].clone()));
    assert_eq!(outcome(&before, &other, 1, IN_TIME), "no: Decided");
}

#[test]
fn an_operator_settles_what_is_open_and_nothing_else() {
    const NO: &str = "no: NothingToSettle";
    const FAIL: &str = "Cancelled PaymentFailed, Failed, Release";
    const SOLD: &str = "Completed, Completed, Sell";
    // Taken, not taken, paid back, kept.
    let expected = [
        [NO, FAIL, NO, NO],
        [SOLD, FAIL, NO, NO],
        [SOLD, FAIL, NO, NO],
        [SOLD, FAIL, NO, NO],
        ["Cancelled Expired, Refunding", "Cancelled Expired, Failed", NO, NO],
        [NO, NO, "Cancelled Expired, Refunded", NO],
        [NO; 4],
        [NO; 4],
        [NO; 4],
    ];
    let findings = [Finding::Taken, Finding::NotTaken, Finding::PaidBack, Finding::Kept];
    let settle = |finding| PurchaseCommand::Settle { charge: CHARGE, finding };
    for (phase, expected) in phases().into_iter().zip(expected) {
        let before = purchase(order_with(&phase), Some(phase.clone()));
        let found = findings.map(|finding| outcome(&before, &settle(finding), 1, IN_TIME));
        assert_eq!(found, expected, "{}", phase.name());
    }
    // A refund of a sale that came to nothing.
    let mut before = purchase(OrderState::Completed, Some(phases()[6].clone()));
    if let Some(charge) = &mut before.charge {
        charge.refund = Some(refund(RefundStatus::Failed));
    }
    let found = findings.map(|finding| outcome(&before, &settle(finding), 1, IN_TIME));
    assert_eq!(found, [NO, NO, "Completed, Refunded", "Completed, Completed"]);
    for finding in [Finding::PaidBack, Finding::Kept] {
        let Ok(PurchaseDecision::Changed(change)) = before.decide(&settle(finding), 1, IN_TIME)
        else {
            panic!("it is settled");
        };
        assert_eq!(change.after.next_step(), None);
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
            IntentFact::Declined(_) | IntentFact::Refused(_) | IntentFact::OutOfReach => {
                "Cancelled PaymentFailed, Failed, Release"
            }
            _ => "-",
        };
        let command = tell(IntentReport::new(None, fact));
        assert_eq!(outcome(&before, &command, 1, IN_TIME), expected, "{command:?}");
    }
}

#[test]
fn a_report_about_another_charge_changes_nothing() {
    for phase in phases() {
        let before = purchase(order_with(&phase), Some(phase));
        for report in reports() {
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
    let expected =
        [Created, Created, Created, Created, Failed, Completed, Completed, Completed, Failed];
    assert_eq!(shown, expected.map(Some));
}
