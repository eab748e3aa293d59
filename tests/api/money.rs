//! Authorise, decide, capture: whatever the gateway does, money and ticket end up together.

use std::time::Duration;

use gittix::domain::{ChargeId, GatewayStep, OrderId};
use serde_json::json;

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Fault, World};

#[tokio::test(start_paused = true)]
async fn a_step_that_goes_wrong_is_made_again_under_the_same_key() {
    for fault in [Fault::Fails, Fault::LosesTheAnswer, Fault::Panics] {
        for step in [GatewayStep::Create, GatewayStep::Confirm, GatewayStep::Capture] {
            let world = World::new().await;
            let ben = world.buyer("ben").await;
            let order = ben.locks(&world.ticket().await).await;
            for _ in 0..3 {
                world.gateway.next(step, fault);
            }
            ben.pays(&order).await.is(201);
            let keys = world.gateway.keys_of(step);
            assert_eq!(keys.len(), 4, "{step:?} {fault:?}");
            assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
            assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn once_capture_is_decided_the_sale_stands_past_the_deadline() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let cleo = world.buyer("cleo").await;
    let order = ben.locks(&ticket).await;
    wait(seconds(890)).await;
    for _ in 0..8 {
        world.gateway.next(GatewayStep::Capture, Fault::Fails);
    }
    ben.pays(&order).await.is(202);
    ben.cancels(&order).await.refused(409, "payment_in_progress");
    ben.pays(&order).await.refused(409, "payment_in_progress");
    wait(seconds(20)).await;
    assert_eq!(ben.order(&order).await["status"], "AwaitingPayment", "past the deadline");
    let refused = cleo.tries_to_lock(&ticket).await.refused(409, "ticket_locked");
    assert_eq!(refused.header("retry-after"), "1");
    ben.cancels(&order).await.refused(409, "payment_in_progress");
    wait(seconds(300)).await;
    assert_eq!(ben.order(&order).await["status"], "Completed");
    assert_eq!(world.status_of(&ticket).await, "Sold");
    assert_eq!(world.gateway.kept(), 4000);
}

#[tokio::test(start_paused = true)]
async fn an_authorisation_that_comes_after_the_deadline_is_given_back() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    wait(seconds(895)).await;
    world.gateway.next(GatewayStep::Confirm, Fault::AnswersAfter(seconds(8)));
    ben.pays(&order).await.refused(409, "order_expired");
    wait(seconds(10)).await;
    assert_eq!(world.status_of(&ticket).await, "Available");
    let shown = ben.order(&order).await;
    assert_eq!(shown["cancelReason"], "expired");
    assert_eq!(shown["charge"]["status"], "Failed");
    assert_eq!((world.gateway.kept(), world.gateway.set_aside()), (0, 0));
    assert_eq!(world.gateway.keys_of(GatewayStep::Capture).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_cancelled_while_it_is_paid_charges_nobody() {
    for step in [GatewayStep::Create, GatewayStep::Confirm] {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        let order = ben.locks(&ticket).await;
        world.gateway.next(step, Fault::AnswersAfter(seconds(5)));
        let paying = {
            let (ben, order) = (ben.clone(), order.clone());
            tokio::spawn(async move { ben.pays(&order).await })
        };
        wait(seconds(1)).await;
        ben.cancels(&order).await.is(204);
        assert_eq!(world.status_of(&ticket).await, "Available", "at once");
        paying.await.unwrap().refused(409, "order_cancelled");
        wait(seconds(60)).await;
        assert_eq!((world.gateway.kept(), world.gateway.set_aside()), (0, 0), "{step:?}");
        assert_eq!(world.store.stats().unsettled_charges, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn money_taken_for_an_order_that_is_over_is_paid_back_once() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let charge = ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value();
    // The cancelling at the gateway does not come through, and meanwhile somebody captures.
    world.gateway.next(GatewayStep::Cancel, Fault::Fails);
    ben.cancels(&order).await.is(204);
    world.gateway.captured_by_hand();
    world.gateway.next(GatewayStep::Refund, Fault::LosesTheAnswer);
    wait(seconds(120)).await;
    let charge = ben.charge(&id(&charge)).await;
    assert_eq!(charge["status"], "Completed");
    assert_eq!(charge["stripeRefundId"], "re_1_pi_model_0");
    assert_eq!(ben.order(&order).await["status"], "Cancelled");
    assert_eq!(world.status_of(&ticket).await, "Available");
    assert_eq!(world.gateway.captures_and_refunds(), (1, 1));
    let events = world.events().await;
    let refunds = events.iter().filter(|name| **name == "ChargeRefunded").count();
    assert_eq!(refunds, 1, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_gateway_tells_by_itself_counts_once_however_often_it_comes() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let charge = ben.pays_with(&order, "tok_authenticationRequired").await.is(202).value();
    let (order_id, charge_id): (OrderId, ChargeId) =
        (order.parse().unwrap(), id(&charge).parse().unwrap());
    let before = world.gateway.tells();
    world.gateway.buyer_authenticates();
    let authorised = world.gateway.tells();
    for _ in 0..3 {
        world.app.market.report(order_id, charge_id, authorised.clone()).await.unwrap();
    }
    wait(Duration::from_millis(10)).await;
    let captured = world.gateway.tells();
    for report in [&captured, &before, &authorised, &captured] {
        world.app.market.report(order_id, charge_id, report.clone()).await.unwrap();
    }
    assert_eq!(ben.order(&order).await["status"], "Completed");
    assert_eq!(world.status_of(&ticket).await, "Sold");
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    let completed = world.events().await.into_iter().filter(|name| *name == "OrderCompleted");
    assert_eq!(completed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_payment_whose_first_commit_stalls_is_never_told_as_another_outcome() {
    use crate::support::faults::{Mishap, Target};
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    world.mishaps.next(Target::Charge, Mishap::Stalls(seconds(20)));
    ben.pays(&order).await.refused(503, "unavailable");
    wait(seconds(60)).await;
    assert_eq!(ben.order(&order).await["status"], "Completed", "it was under way all the same");
    assert_eq!(world.gateway.kept(), 4000);
}

#[tokio::test(start_paused = true)]
async fn a_declined_attempt_is_not_shown_in_the_place_of_one_that_stalls() {
    use crate::support::Setup;
    use crate::support::faults::{Mishap, Target};
    let market = gittix::actors::MarketSettings { max_attempts: 3, ..Default::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    ben.pays_with(&order, "tok_chargeDeclined").await.is(402);
    world.mishaps.next(Target::Charge, Mishap::Stalls(seconds(20)));
    ben.pays(&order).await.refused(503, "unavailable");
    wait(seconds(60)).await;
    assert_eq!(ben.order(&order).await["status"], json!("Completed"));
}
