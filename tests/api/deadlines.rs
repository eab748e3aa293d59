//! The hold on a ticket, lived through in simulated time.

use std::time::Duration;

use gittix::actors::MarketSettings;
use gittix::domain::GatewayStep;
use serde_json::json;

use crate::support::faults::{Mishap, Target};
use crate::support::world::{seconds, wait};
use crate::support::{Fault, Setup, World, live};

const MILLISECOND: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_lock_ends_not_before_its_time_and_within_a_second_after() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let before = ben.order(&order).await;
    wait(seconds(900) - MILLISECOND).await;
    assert_eq!(world.status_of(&ticket).await, "Locked");
    assert_eq!(ben.order(&order).await, before);
    wait(seconds(1)).await;
    assert_eq!(world.status_of(&ticket).await, "Available");
    let after = ben.order(&order).await;
    assert_eq!(
        (&after["status"], &after["cancelReason"]),
        (&json!("Cancelled"), &json!("expired"))
    );
    assert_eq!(after["expiresAt"], before["expiresAt"]);
    assert_eq!(after["version"], 1);
    assert_eq!(world.events().await[5..], ["OrderExpired", "TicketUpdated"]);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_even_before_its_timer_has_run() {
    let market = MarketSettings { hold: Duration::from_millis(1), ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    // Of all that is due at this instant the payment comes first.
    tokio::time::advance(MILLISECOND).await;
    ben.pays(&order).await.refused(409, "order_expired");
    assert!(world.gateway.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn paying_and_expiring_at_the_same_instant_never_both_happen() {
    // The buyer asks for the last moment, in some lives before the timer and in some after it.
    for offset in -2_i64..=2 {
        for yields in [0, 1, 2, 5, 20] {
            let world = World::new().await;
            let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
            let order = ben.locks(&ticket).await;
            let moment = u64::try_from(900_000 + offset).unwrap();
            wait(Duration::from_millis(moment)).await;
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            let answer = ben.pays(&order).await;
            wait(seconds(2)).await;
            let (status, sold) = (ben.order(&order).await, world.status_of(&ticket).await);
            if offset < 0 {
                answer.is(201);
                assert_eq!((status["status"].as_str(), sold.as_str()), (Some("Completed"), "Sold"));
                assert_eq!(world.gateway.kept(), 4000);
            } else {
                answer.refused(409, "order_expired");
                assert_eq!(status["cancelReason"], "expired");
                assert_eq!(sold, "Available");
                assert_eq!((world.gateway.kept(), world.gateway.set_aside()), (0, 0));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_authorisation_at_the_very_deadline_is_too_late_and_just_before_is_not() {
    for (late, sold) in [(0, false), (1, true)] {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        let order = ben.locks(&ticket).await;
        wait(seconds(895) - Duration::from_millis(late)).await;
        world.gateway.next(GatewayStep::Confirm, Fault::AnswersAfter(seconds(5)));
        let answer = ben.pays(&order).await;
        wait(seconds(5)).await;
        if sold {
            answer.is(201);
            assert_eq!(world.status_of(&ticket).await, "Sold");
        } else {
            answer.refused(409, "order_expired");
            assert_eq!(world.status_of(&ticket).await, "Available");
        }
        assert_eq!(world.gateway.kept(), if sold { 4000 } else { 0 });
        assert_eq!(world.gateway.set_aside(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_orders_deadline_never_frees_the_next_buyers_lock() {
    let world = World::new().await;
    let ticket = world.ticket().await;
    let (ben, cleo) = (world.buyer("ben").await, world.buyer("cleo").await);
    let first = ben.locks(&ticket).await;
    wait(seconds(600)).await;
    ben.cancels(&first).await.is(204);
    let second = cleo.locks(&ticket).await;
    wait(seconds(310)).await;
    assert_eq!(world.status_of(&ticket).await, "Locked", "past the first order's deadline");
    assert_eq!(cleo.order(&second).await["status"], "Created");
    wait(seconds(589)).await;
    assert_eq!(world.status_of(&ticket).await, "Locked");
    wait(seconds(2)).await;
    assert_eq!(world.status_of(&ticket).await, "Available");
}

#[tokio::test(start_paused = true)]
async fn an_idle_marketplace_still_notices_the_next_deadline() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    for _ in 0..3 {
        wait(seconds(3600)).await;
        ben.locks(&ticket).await;
        wait(seconds(901)).await;
        assert_eq!(world.status_of(&ticket).await, "Available");
    }
}

#[tokio::test(start_paused = true)]
async fn many_orders_due_at_once_all_end_within_a_second() {
    let market = MarketSettings { max_open_per_user: 2000, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    for number in 0..1100 {
        ben.locks(&ana.lists(&format!("Ticket {number}"), 40).await).await;
    }
    assert_eq!(world.store.stats().open_orders, 1100);
    wait(seconds(901)).await;
    assert_eq!(world.store.stats().open_orders, 0);
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_the_store_refuses_for_a_moment_is_not_a_second_late() {
    for mishap in [Mishap::IsFull, Mishap::Panics] {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        ben.locks(&ticket).await;
        wait(seconds(899)).await;
        world.mishaps.next(Target::EndedOrder, mishap);
        wait(seconds(2)).await;
        assert_eq!(world.status_of(&ticket).await, "Available", "{mishap:?}");
    }
}

#[test]
fn a_lock_ends_in_time_whatever_happens_to_the_process_meanwhile() {
    // Killed long before, just before, at and after the deadline; back before and after it.
    for killed_after in [0, 1, 500_000, 899_999, 900_000] {
        for down_for in [0, 1, 100_000, 900_000, 86_400_000] {
            let (next, ticket, ben, expires) = live(async {
                let world = World::new().await;
                let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
                ben.locks(&ticket).await;
                let expires = world.now().plus(seconds(900));
                // Killed in the middle of whatever goes on at that instant.
                tokio::time::advance(Duration::from_millis(killed_after)).await;
                (world.killed(), ticket, ben, expires)
            });
            let at = next.at.plus(Duration::from_millis(down_for));
            live(async {
                let world = Setup { at, ..next }.start().await;
                let left = expires.since(at);
                if !left.is_zero() {
                    wait(left - MILLISECOND).await;
                    assert_eq!(world.status_of(&ticket).await, "Locked");
                }
                wait(seconds(1)).await;
                assert_eq!(world.status_of(&ticket).await, "Available");
                world.again(&ben).locks(&ticket).await;
            });
        }
    }
}
