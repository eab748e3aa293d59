//! Refunds that take time or fail, disputes beside them, and charges of another provider.

use axum::body::Body;
use axum::http::{Request, header};
use gittix::domain::{Account, ChargeId, DisputeStatus, GatewayStep, OrderId, RefundStatus};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::client::id;
use crate::support::world::{Person, seconds, wait};
use crate::support::{Fault, World};

/// What a refund and a dispute look like to the buyer: the refund's name, its status, the dispute.
async fn shown(ben: &Person, charge: &str) -> [Value; 3] {
    let charge = ben.charge(charge).await;
    ["stripeRefundId", "refundStatus", "disputeStatus"].map(|field| charge[field].clone())
}

/// The gateway tells how its only intent stands, as a webhook would make it.
async fn told(world: &World, order: &str, charge: &str) {
    let (order, charge): (OrderId, ChargeId) = (order.parse().unwrap(), charge.parse().unwrap());
    world.app.market.report(order, charge, world.gateway.tells()).await.unwrap();
}

async fn admin(world: &World, request: Request<Body>) -> (u16, Value) {
    let response = world.app.admin_router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn unsettled(world: &World) -> Vec<Value> {
    let request = Request::get("/admin/charges?unsettled").header(header::HOST, "localhost");
    let (status, body) = admin(world, request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200, "{body}");
    body["charges"].as_array().unwrap().clone()
}

async fn settle(world: &World, charge: &str, finding: &str) -> (u16, Value) {
    let body = json!({ "charge": charge, "as": finding }).to_string();
    let request = Request::post("/admin/charges/settle")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json");
    admin(world, request.body(Body::from(body)).unwrap()).await
}

/// A buyer with the order and the charge of a ticket that is paid.
async fn bought(world: &World) -> (Person, String, String) {
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let charge = id(&ben.pays(&order).await.created());
    (ben, order, charge)
}

#[tokio::test(start_paused = true)]
async fn a_refund_is_none_until_the_bank_has_taken_it_and_owed_again_if_it_comes_back() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 25.5).await;
    let order = ben.locks(&ticket).await;
    let charge = id(&ben.pays(&order).await.created());
    let name = json!("re_hand_pi_model_0");
    let sale = format!("/api/tickets/{ticket}/sale");
    for (status, refund_id, told_as, is_open) in [
        (RefundStatus::Pending, &name, "pending", true),
        (RefundStatus::Succeeded, &name, "succeeded", false),
        (RefundStatus::Failed, &Value::Null, "failed", true),
    ] {
        world.gateway.refund_is(status);
        told(&world, &order, &charge).await;
        let expected = [refund_id.clone(), json!(told_as), Value::Null];
        assert_eq!(shown(&ben, &charge).await, expected);
        let in_order = ben.order(&order).await;
        assert_eq!(in_order["charge"]["refundStatus"], told_as);
        assert_eq!(in_order["status"], "Completed");
        let seen = ana.client.get(&sale).await.ok();
        assert_eq!(seen["refunded"], told_as == "succeeded");
        assert_eq!(seen["refundStatus"], told_as);
        assert_eq!(unsettled(&world).await.len(), usize::from(is_open), "{told_as}");
    }
    let listed = unsettled(&world).await;
    assert_eq!((&listed[0]["refundStatus"], &listed[0]["id"]), (&json!("failed"), &json!(charge)));
    wait(seconds(7_200)).await;
    let waits_for = unsettled(&world).await[0]["lastError"].as_str().unwrap().to_owned();
    assert!(waits_for.contains("gittix charges settle"), "{waits_for}");
    let (status, body) = settle(&world, &charge, "not-taken").await;
    assert_eq!((status, &body["code"]), (409, &json!("conflict")));
    assert_eq!(settle(&world, &charge, "paid-back").await.0, 200);
    assert_eq!(shown(&ben, &charge).await, [Value::Null, json!("succeeded"), Value::Null]);
    assert_eq!(unsettled(&world).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_sale_whose_refund_came_to_nothing_stands_by_an_operators_word() {
    let world = World::new().await;
    let (ben, order, charge) = bought(&world).await;
    world.gateway.refund_is(RefundStatus::Failed);
    told(&world, &order, &charge).await;
    assert_eq!(settle(&world, &charge, "kept").await.0, 200);
    assert_eq!(unsettled(&world).await, Vec::<Value>::new());
    assert_eq!(ben.order(&order).await["status"], "Completed");
    assert_eq!(settle(&world, &charge, "kept").await.0, 409, "there is nothing left to settle");
}

#[tokio::test(start_paused = true)]
async fn a_pending_refund_is_followed_without_webhooks() {
    let world = World::new().await;
    let (ben, order, charge) = bought(&world).await;
    world.gateway.refund_is(RefundStatus::Pending);
    told(&world, &order, &charge).await;
    world.gateway.refund_is(RefundStatus::Succeeded);
    wait(seconds(7_200)).await;
    assert_eq!(ben.charge(&charge).await["refundStatus"], "succeeded");
    assert_eq!(unsettled(&world).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn money_that_is_owed_is_paid_back_again_when_a_bank_sends_it_back() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let charge = ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value();
    let charge = id(&charge);
    world.gateway.next(GatewayStep::Cancel, Fault::Fails);
    ben.cancels(&order).await.is(204);
    world.gateway.captured_by_hand();
    wait(seconds(120)).await;
    assert_eq!(ben.charge(&charge).await["refundStatus"], "succeeded");
    world.gateway.refund_is(RefundStatus::Failed);
    told(&world, &order, &charge).await;
    wait(seconds(10)).await;
    let again = [json!("re_2_pi_model_0"), json!("succeeded"), Value::Null];
    assert_eq!(shown(&ben, &charge).await, again, "it was made again, under another name");
    assert_eq!(world.gateway.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn neither_a_refund_nor_a_dispute_hides_the_other() {
    let world = World::new().await;
    let (ben, order, charge) = bought(&world).await;
    world.gateway.refund_is(RefundStatus::Succeeded);
    told(&world, &order, &charge).await;
    for (status, told_as) in
        [(DisputeStatus::Open, "open"), (DisputeStatus::Won, "won"), (DisputeStatus::Open, "won")]
    {
        world.gateway.dispute_is(status);
        told(&world, &order, &charge).await;
        let expected = [json!("re_hand_pi_model_0"), json!("succeeded"), json!(told_as)];
        assert_eq!(shown(&ben, &charge).await, expected);
    }
}

/// Two orders are left open under one account before the server is started with another: one
/// before the bank, one being captured.
async fn left_open(world: &World, ben: &Person) -> [(String, String, String); 2] {
    let mut left = Vec::new();
    for token in ["tok_authenticationRequired", "tok_visa"] {
        let ticket = world.ticket().await;
        let order = ben.locks(&ticket).await;
        if token == "tok_visa" {
            world.gateway.next(GatewayStep::Capture, Fault::HangsOnceDone);
        }
        let charge = id(&ben.pays_with(&order, token).await.is(202).value());
        left.push((ticket, order, charge));
    }
    left.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_in_the_sandbox_ends_when_stripe_takes_over() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let left = left_open(&world, &ben).await;
    world.gateway.is_of(Account::StripeLive);
    let world = world.killed().start().await;
    let ben = world.again(&ben);
    wait(seconds(60)).await;
    for (ticket, order, charge) in left {
        let shown = ben.charge(&charge).await;
        assert_eq!(
            (&shown["status"], &shown["failureCode"]),
            (&json!("Failed"), &json!("provider_changed"))
        );
        assert_eq!(ben.order(&order).await["status"], "Cancelled");
        assert_eq!(world.status_of(&ticket).await, "Available");
    }
    assert_eq!(unsettled(&world).await, Vec::<Value>::new());
    let order = ben.locks(&world.ticket().await).await;
    ben.pays(&order).await.is(201);
}

#[tokio::test(start_paused = true)]
async fn real_money_that_may_be_taken_waits_for_the_old_keys_or_an_operators_word() {
    for finding in ["taken", "not-taken"] {
        let world = World::new().await;
        world.gateway.is_of(Account::StripeLive);
        let ben = world.buyer("ben").await;
        let [before_the_bank, (ticket, order, charge)] = left_open(&world, &ben).await;
        world.gateway.is_of(Account::StripeTest);
        let world = world.killed().start().await;
        let ben = world.again(&ben);
        wait(seconds(1_000)).await;
        assert_eq!(ben.order(&before_the_bank.1).await["status"], "Cancelled");
        assert_eq!(world.status_of(&ticket).await, "Locked", "the money may be taken");
        let listed = unsettled(&world).await;
        assert_eq!(listed.len(), 1, "{listed:?}");
        assert_eq!(
            (&listed[0]["id"], &listed[0]["account"]),
            (&json!(charge), &json!("stripe live"))
        );
        let why = listed[0]["lastError"].as_str().unwrap();
        assert!(why.contains("another provider") && why.contains("gittix charges settle"), "{why}");
        assert_eq!(settle(&world, &charge, finding).await.0, 200);
        let (state, standing) =
            if finding == "taken" { ("Completed", "Sold") } else { ("Cancelled", "Available") };
        assert_eq!(ben.order(&order).await["status"], state);
        assert_eq!(world.status_of(&ticket).await, standing);
        assert_eq!(unsettled(&world).await, Vec::<Value>::new());
        for (charge, finding) in [("charge_1", "taken"), (&charge[..], "lost")] {
            assert_eq!(settle(&world, charge, finding).await.0, 400);
        }
    }
}
