//! The process is killed at every point of a purchase and started again on the same data.

use std::time::Duration;

use gittix::domain::GatewayStep;

use crate::support::world::{seconds, wait};
use crate::support::{Fault, Person, Setup, World, live};

/// What stops the first life's payment.
#[derive(Debug, Clone, Copy)]
struct Stop {
    step: GatewayStep,
    fault: Fault,
}

const STOPS: [Stop; 6] = [
    Stop { step: GatewayStep::Create, fault: Fault::Hangs },
    Stop { step: GatewayStep::Create, fault: Fault::HangsOnceDone },
    Stop { step: GatewayStep::Confirm, fault: Fault::Hangs },
    Stop { step: GatewayStep::Confirm, fault: Fault::HangsOnceDone },
    Stop { step: GatewayStep::Capture, fault: Fault::Hangs },
    Stop { step: GatewayStep::Capture, fault: Fault::HangsOnceDone },
];

/// Pays, is killed in the middle of a gateway call, and gives back what remains.
fn killed_while_paying(stop: Stop, token: &str) -> (Setup, String, Person, String) {
    live(async {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        let order = ben.locks(&ticket).await;
        world.gateway.next(stop.step, stop.fault);
        let paying = ben.pays_with(&order, token);
        assert!(tokio::time::timeout(seconds(5), paying).await.is_err(), "{stop:?}");
        (world.killed(), ticket, ben, order)
    })
}

fn later(setup: Setup, span: Duration) -> Setup {
    Setup { at: setup.at.plus(span), ..setup }
}

#[test]
fn a_payment_goes_on_after_a_restart_within_the_deadline() {
    for stop in STOPS {
        let (next, ticket, ben, order) = killed_while_paying(stop, "tok_visa");
        live(async {
            let world = later(next, seconds(30)).start().await;
            let ben = world.again(&ben);
            wait(seconds(5)).await;
            assert_eq!(ben.order(&order).await["status"], "Completed", "{stop:?}");
            assert_eq!(world.status_of(&ticket).await, "Sold");
            assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
            assert_eq!(world.store.stats().unsettled_charges, 0);
            for step in [GatewayStep::Create, GatewayStep::Confirm, GatewayStep::Capture] {
                let mut keys = world.gateway.keys_of(step);
                keys.dedup();
                assert_eq!(keys.len(), 1, "one key for ever: {keys:?}");
            }
        });
    }
}

#[test]
fn after_the_deadline_only_a_sale_that_was_decided_goes_on() {
    for stop in STOPS {
        let (next, ticket, ben, order) = killed_while_paying(stop, "tok_visa");
        live(async {
            let world = later(next, seconds(3600)).start().await;
            let ben = world.again(&ben);
            wait(seconds(1)).await;
            let decided = stop.step == GatewayStep::Capture;
            let (status, reason) =
                if decided { ("Sold", None) } else { ("Available", Some("expired")) };
            assert_eq!(world.status_of(&ticket).await, status, "{stop:?}");
            let shown = ben.order(&order).await;
            assert_eq!(shown["cancelReason"].as_str(), reason);
            wait(seconds(300)).await;
            assert_eq!(world.gateway.kept(), if decided { 4000 } else { 0 }, "{stop:?}");
            assert_eq!(world.gateway.set_aside(), 0, "{stop:?}");
            assert_eq!(world.store.stats().unsettled_charges, 0, "{stop:?}");
        });
    }
}

#[test]
fn a_declined_card_is_still_declined_after_a_restart() {
    for stop in &STOPS[..4] {
        let (next, ticket, ben, order) = killed_while_paying(*stop, "tok_chargeDeclined");
        live(async {
            let world = next.start().await;
            let ben = world.again(&ben);
            wait(seconds(5)).await;
            let shown = ben.order(&order).await;
            assert_eq!(shown["cancelReason"], "payment_failed", "{stop:?}");
            assert_eq!(shown["charge"]["failureCode"], "card_declined");
            assert_eq!(world.status_of(&ticket).await, "Available");
            assert_eq!(world.gateway.kept(), 0);
        });
    }
}

#[test]
fn a_buyer_who_faces_the_bank_while_the_server_is_down_gets_the_ticket() {
    let (next, ticket, ben, order) = live(async {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        let order = ben.locks(&ticket).await;
        ben.pays_with(&order, "tok_authenticationRequired").await.is(202);
        (world.killed(), ticket, ben, order)
    });
    next.gateway.buyer_authenticates();
    live(async {
        let world = later(next, seconds(60)).start().await;
        wait(seconds(5)).await;
        assert_eq!(world.again(&ben).order(&order).await["status"], "Completed");
        assert_eq!(world.status_of(&ticket).await, "Sold");
        assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    });
}

#[test]
fn giving_back_goes_on_after_a_restart() {
    for (step, fault) in
        [(GatewayStep::Cancel, Fault::Hangs), (GatewayStep::Cancel, Fault::HangsOnceDone)]
    {
        let (next, ticket, ben) = live(async {
            let world = World::new().await;
            let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
            let order = ben.locks(&ticket).await;
            ben.pays_with(&order, "tok_authenticationRequired").await.is(202);
            world.gateway.next(step, fault);
            ben.cancels(&order).await.is(204);
            wait(seconds(1)).await;
            (world.killed(), ticket, ben)
        });
        next.gateway.buyer_authenticates();
        live(async {
            let world = next.start().await;
            assert_eq!(world.status_of(&ticket).await, "Available");
            world.again(&ben).locks(&ticket).await;
            wait(seconds(60)).await;
            assert_eq!((world.gateway.kept(), world.gateway.set_aside()), (0, 0));
            assert_eq!(world.store.stats().unsettled_charges, 0);
        });
    }
}

#[test]
fn paying_back_goes_on_after_a_restart_and_happens_once() {
    for fault in [Fault::Hangs, Fault::HangsOnceDone] {
        let (next, ben, order) = live(async {
            let world = World::new().await;
            let ben = world.buyer("ben").await;
            let order = ben.locks(&world.ticket().await).await;
            ben.pays_with(&order, "tok_authenticationRequired").await.is(202);
            world.gateway.next(GatewayStep::Cancel, Fault::Fails);
            ben.cancels(&order).await.is(204);
            world.gateway.captured_by_hand();
            world.gateway.next(GatewayStep::Refund, fault);
            wait(seconds(5)).await;
            (world.killed(), ben, order)
        });
        live(async {
            let world = next.start().await;
            wait(seconds(5)).await;
            let shown = world.again(&ben).order(&order).await;
            assert_eq!(shown["charge"]["status"], "Completed", "{fault:?}");
            assert!(shown["charge"]["stripeRefundId"].is_string(), "{fault:?}");
            assert_eq!(world.gateway.captures_and_refunds(), (1, 1));
        });
    }
}

#[test]
fn killed_again_and_again_a_payment_is_still_charged_once() {
    let (mut next, ticket, ben, order) = killed_while_paying(STOPS[1], "tok_visa");
    for stop in &STOPS[2..] {
        next = live(async {
            let world = next.start().await;
            world.gateway.next(stop.step, stop.fault);
            wait(seconds(5)).await;
            assert_ne!(world.status_of(&ticket).await, "Sold", "{stop:?}");
            world.killed()
        });
    }
    live(async {
        let world = next.start().await;
        wait(seconds(5)).await;
        assert_eq!(world.again(&ben).order(&order).await["status"], "Completed");
        assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    });
}

#[test]
fn what_was_answered_is_there_after_the_process_is_killed() {
    let (next, ana, ticket, shown) = live(async {
        let world = World::new().await;
        let ana = world.seller("ana").await;
        let ticket = ana.lists("Rock", 40).await;
        let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
        (world.killed(), ana, ticket, shown)
    });
    live(async {
        let world = later(next, seconds(1)).start().await;
        let path = format!("/api/tickets/{ticket}");
        assert_eq!(world.anyone().get(&path).await.ok(), shown);
        let ana = world.again(&ana);
        let own = ana.client.get("/api/tickets?seller=me").await.ok();
        assert_eq!(own, serde_json::json!([shown]));
        // What is made now sorts after it.
        let newer = ana.lists("Newer", 40).await;
        let list = world.anyone().get("/api/tickets").await.ok();
        assert_eq!(list[0]["id"], newer);
    });
}
