//! Paying an order, seen from outside.

use gittix::actors::MarketSettings;
use gittix::domain::{GatewayStep, Terms};
use gittix::http::events::EventJson;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Fault, Setup, World};

const PAYMENTS: &str = "/api/payments";

#[tokio::test(start_paused = true)]
async fn a_paid_order_is_completed_and_its_ticket_sold() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 25.5).await;
    let order = ben.locks(&ticket).await;
    let body = json!({"orderId": order, "token": "tok_visa", "amount": 1, "status": "Failed"});
    let answer = ben.client.post(PAYMENTS, &body).await.is(201);
    let charge = answer.value();
    let expected = json!({
        "id": charge["id"], "orderId": order, "status": "Completed", "amount": 2550,
        "currency": "usd", "stripeId": "pi_model_0", "stripeRefundId": null,
        "refundStatus": null, "failureCode": null, "disputeStatus": null, "createdAt": world.now().to_string(),
    });
    assert_eq!(charge, expected);
    assert!(id(&charge).starts_with("charge_"));
    assert_eq!(answer.header("location"), format!("{PAYMENTS}/{}", id(&charge)));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(ben.charge(&id(&charge)).await, expected);
    let shown = ben.order(&order).await;
    assert_eq!((&shown["status"], &shown["charge"]), (&json!("Completed"), &expected));
    assert_eq!(world.status_of(&ticket).await, "Sold");
    assert_eq!(world.gateway.kept(), 2550);
    let expected = [
        "OrderAwaitingPayment",
        "ChargeCreated",
        "ChargeCompleted",
        "OrderCompleted",
        "TicketUpdated",
    ];
    assert_eq!(world.events().await[5..], expected);
}

#[tokio::test(start_paused = true)]
async fn a_payment_needs_an_order_and_a_token() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let fields = |body: Value| {
        let client = ben.client.clone();
        async move {
            let faults = client.post(PAYMENTS, &body).await.faults();
            faults.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
        }
    };
    assert_eq!(fields(json!({})).await, ["orderId", "token"]);
    assert_eq!(fields(json!({"orderId": "x", "token": 5})).await, ["orderId", "token"]);
    for token in ["", "visa", "tok_", "tok_visa ", "card_1", "tok_a-b", "tok_é", "tok_nobody"] {
        assert_eq!(fields(json!({"orderId": order, "token": token})).await, ["token"], "{token:?}");
    }
    let long = format!("tok_{}", "a".repeat(300));
    assert_eq!(fields(json!({"orderId": order, "token": long})).await, ["token"]);
    assert_eq!(ben.order(&order).await["status"], "Created", "nothing was tried");
}

#[tokio::test(start_paused = true)]
async fn a_payment_is_checked_in_the_documented_order() {
    let world = World::new().await;
    let (ben, cleo) = (world.buyer("ben").await, world.buyer("cleo").await);
    let order = ben.locks(&world.ticket().await).await;
    let bad = json!({"orderId": order, "token": "x"});
    world.anyone().post(PAYMENTS, &bad).await.refused(401, "unauthenticated");
    cleo.pays_with(&order, "x").await.refused(400, "validation_failed");
    cleo.pays_with(&order, "tok_nobody").await.refused(400, "validation_failed");
    cleo.pays(&order).await.refused(404, "not_found");
    ben.pays("order_00000000000000000000000000").await.refused(404, "not_found");
    ben.pays(&order).await.is(201);
    ben.pays_with(&order, "tok_nobody").await.refused(400, "validation_failed");
    ben.pays(&order).await.refused(409, "order_completed");
    cleo.pays(&order).await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_over_can_not_be_paid() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let cancelled = ben.locks(&world.ticket().await).await;
    ben.cancels(&cancelled).await.is(204);
    ben.pays(&cancelled).await.refused(409, "order_cancelled");
    let expired = ben.locks(&world.ticket().await).await;
    wait(seconds(902)).await;
    ben.pays(&expired).await.refused(409, "order_expired");
    let declined = ben.locks(&world.ticket().await).await;
    ben.pays_with(&declined, "tok_chargeDeclined").await.is(402);
    ben.pays(&declined).await.refused(409, "order_cancelled");
    assert_eq!(world.gateway.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_declined_card_ends_the_order_and_says_why() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    for (token, code) in [
        ("pm_card_chargeDeclined", "card_declined"),
        ("tok_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_visa_chargeDeclined", "card_declined"),
    ] {
        let ticket = world.ticket().await;
        let order = ben.locks(&ticket).await;
        let answer = ben.pays_with(&order, token).await.refused(402, "payment_failed");
        let problem = answer.value();
        assert_eq!(problem["declineCode"], code);
        assert_eq!(problem["charge"]["status"], "Failed");
        assert_eq!(problem["charge"]["failureCode"], code);
        let charge = ben.charge(problem["charge"]["id"].as_str().unwrap()).await;
        assert_eq!(charge, problem["charge"]);
        let shown = ben.order(&order).await;
        assert_eq!(shown["status"], "Cancelled");
        assert_eq!(shown["cancelReason"], "payment_failed");
        assert_eq!(world.status_of(&ticket).await, "Available");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sandbox_answers_every_documented_test_token() {
    let world = Setup { sandbox: true, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    for (token, status, code) in [
        ("tok_visa", 201, None),
        ("pm_card_visa", 201, None),
        ("pm_card_chargeDeclined", 402, Some("card_declined")),
        ("tok_chargeDeclined", 402, Some("card_declined")),
        ("pm_card_chargeDeclinedInsufficientFunds", 402, Some("insufficient_funds")),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", 402, Some("insufficient_funds")),
        ("tok_chargeDeclinedExpiredCard", 402, Some("expired_card")),
        ("tok_visa_chargeDeclinedExpiredCard", 402, Some("expired_card")),
        ("pm_card_authenticationRequired", 202, None),
        ("tok_authenticationRequired", 202, None),
        ("tok_unheard_of", 400, None),
    ] {
        let order = ben.locks(&ana.lists(token, 5).await).await;
        let answer = ben.pays_with(&order, token).await.is(status);
        if let Some(code) = code {
            assert_eq!(answer.value()["declineCode"], code, "{token}");
        }
        assert_eq!(answer.text().contains("clientSecret"), status == 202, "{token}");
        ben.cancels(&order).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_has_as_many_attempts_as_are_allowed() {
    let market = MarketSettings { max_attempts: 3, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ben = world.buyer("ben").await;
    let ticket = world.ticket().await;
    let order = ben.locks(&ticket).await;
    for attempt in 1..=2 {
        ben.pays_with(&order, "tok_chargeDeclined").await.refused(402, "payment_failed");
        let shown = ben.order(&order).await;
        assert_eq!(shown["status"], "AwaitingPayment", "attempt {attempt}");
        assert_eq!(shown["charge"]["status"], "Failed");
        assert_eq!(world.status_of(&ticket).await, "Locked");
    }
    ben.pays(&order).await.is(201);
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));

    let ticket = world.ticket().await;
    let order = ben.locks(&ticket).await;
    for _ in 0..3 {
        ben.pays_with(&order, "tok_chargeDeclined").await.refused(402, "payment_failed");
    }
    ben.pays(&order).await.refused(409, "order_cancelled");
    assert_eq!(world.status_of(&ticket).await, "Available");
}

#[tokio::test(start_paused = true)]
async fn a_bank_that_wants_the_buyer_is_202_and_completes_once_it_is_content() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let answer = ben.pays_with(&order, "pm_card_authenticationRequired").await.is(202);
    let charge = answer.value();
    assert_eq!(charge["status"], "Created");
    assert_eq!(charge["clientSecret"], "pi_model_0_secret");
    assert_eq!(answer.header("location"), format!("{PAYMENTS}/{}", id(&charge)));
    // The buyer may ask for the secret again while it is needed, and it is nowhere else.
    assert_eq!(ben.charge(&id(&charge)).await["clientSecret"], "pi_model_0_secret");
    assert!(ben.order(&order).await["charge"].get("clientSecret").is_none());
    let log = world.store.events(0, 100).await.unwrap();
    let told: Vec<_> = log.iter().map(|event| EventJson::new(event, &Terms::default())).collect();
    let told = serde_json::to_string(&told).unwrap();
    assert!(!told.contains("_secret"), "{told}");
    ben.pays(&order).await.refused(409, "payment_in_progress");

    world.gateway.buyer_authenticates();
    wait(seconds(120)).await;
    assert_eq!(ben.order(&order).await["status"], "Completed");
    assert_eq!(world.status_of(&ticket).await, "Sold");
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    assert!(ben.charge(&id(&charge)).await.get("clientSecret").is_none(), "nobody needs it");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_waits_for_the_bank_can_be_given_up_for_another_card() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let charge = id(&ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value());
    let path = format!("{PAYMENTS}/{charge}");
    let cleo = world.buyer("cleo").await;
    cleo.client.delete(&path).await.refused(404, "not_found");
    world.anyone().delete(&path).await.refused(401, "unauthenticated");
    // The gateway has not got round to it when the next card is tried.
    for _ in 0..5 {
        world.gateway.next(GatewayStep::Cancel, Fault::Fails);
    }
    ben.client.delete(&path).await.is(204);
    ben.client.delete(&path).await.is(204);
    let shown = ben.charge(&charge).await;
    assert_eq!(
        (&shown["status"], &shown["failureCode"]),
        (&json!("Failed"), &json!("payment_given_up"))
    );
    assert!(shown.get("clientSecret").is_none());
    assert_eq!(
        ben.order(&order).await["status"],
        "AwaitingPayment",
        "also with one attempt allowed"
    );
    let paid = id(&ben.pays(&order).await.created());
    ben.client.delete(&format!("{PAYMENTS}/{paid}")).await.refused(409, "payment_decided");
    ben.client.delete(&path).await.is(204);
    wait(seconds(120)).await;
    assert_eq!(world.status_of(&ticket).await, "Sold");
    assert_eq!((world.gateway.captures_and_refunds(), world.gateway.set_aside()), ((1, 0), 0));
    assert_eq!(world.store.stats().unsettled_charges, 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_whose_buyer_never_faces_the_bank_expires_on_time() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let charge = ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value();
    wait(seconds(901)).await;
    let shown = ben.order(&order).await;
    assert_eq!(
        (&shown["status"], &shown["cancelReason"]),
        (&json!("Cancelled"), &json!("expired"))
    );
    assert_eq!(world.status_of(&ticket).await, "Available");
    let charge = ben.charge(&id(&charge)).await;
    assert_eq!(
        (&charge["status"], &charge["failureCode"]),
        (&json!("Failed"), &json!("order_expired"))
    );
    // Even if the bank would now be content.
    world.gateway.buyer_authenticates();
    wait(seconds(300)).await;
    assert_eq!((world.gateway.kept(), world.gateway.set_aside()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_buyer_waiting_for_the_bank_may_still_cancel() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let charge = ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value();
    ben.cancels(&order).await.is(204);
    assert_eq!(world.status_of(&ticket).await, "Available");
    let charge = ben.charge(&id(&charge)).await;
    assert_eq!(charge["failureCode"], "order_cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_charge_is_its_buyers_alone() {
    let world = World::new().await;
    let (ben, cleo) = (world.buyer("ben").await, world.buyer("cleo").await);
    let order = ben.locks(&world.ticket().await).await;
    let charge = id(&ben.pays(&order).await.created());
    cleo.client.get(&format!("{PAYMENTS}/{charge}")).await.refused(404, "not_found");
    for unknown in ["charge_00000000000000000000000000", "x", order.as_str()] {
        ben.client.get(&format!("{PAYMENTS}/{unknown}")).await.refused(404, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_nobody_knows_yet_is_202_and_settles_by_itself() {
    for fault in [Fault::Hangs, Fault::HangsOnceDone] {
        for step in [GatewayStep::Create, GatewayStep::Confirm, GatewayStep::Capture] {
            let world = World::new().await;
            let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
            let order = ben.locks(&ticket).await;
            world.gateway.next(step, fault);
            let charge = ben.pays(&order).await.is(202).value();
            assert_eq!(charge["status"], "Created", "{step:?} {fault:?}");
            assert!(charge.get("clientSecret").is_none());
            ben.pays(&order).await.refused(409, "payment_in_progress");
            wait(seconds(60)).await;
            assert_eq!(ben.charge(&id(&charge)).await["status"], "Completed", "{step:?} {fault:?}");
            assert_eq!(ben.order(&order).await["status"], "Completed");
            assert_eq!(world.status_of(&ticket).await, "Sold");
            assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
        }
    }
}
