//! Many at once.

use futures_util::future::join_all;
use gittix::actors::MarketSettings;
use serde_json::json;

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World};

async fn crowd(world: &World, size: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 0..size {
        people.push(world.buyer(&format!("buyer{number}")).await);
    }
    people
}

#[tokio::test(start_paused = true)]
async fn of_300_buyers_at_once_one_gets_the_ticket() {
    let world = World::new().await;
    let ticket = world.ticket().await;
    let buyers = crowd(&world, 300).await;
    let answers = join_all(buyers.iter().map(|buyer| buyer.tries_to_lock(&ticket))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let refused = answer.clone().refused(409, "ticket_locked");
        assert_eq!(refused.header("retry-after"), "900");
    }
    let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
    assert_eq!(shown["orderId"], won[0].value()["id"]);
    assert_eq!(shown["version"], 1);
    let orders = world.events().await.into_iter().filter(|name| *name == "OrderCreated");
    assert_eq!(orders.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_20_payments_at_once_one_charges() {
    let world = World::new().await;
    let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
    let order = ben.locks(&ticket).await;
    let answers = join_all((0..20).map(|_| ben.pays(&order))).await;
    let paid: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(paid.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let code = answer.value()["code"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 409);
        assert!(["payment_in_progress", "order_completed"].contains(&code.as_str()), "{code}");
    }
    assert_eq!(world.gateway.captures_and_refunds(), (1, 0));
    assert_eq!(world.gateway.kept(), 4000);
    let charges = world.events().await.into_iter().filter(|name| *name == "ChargeCreated");
    assert_eq!(charges.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelling_and_paying_at_once_ends_one_way_or_the_other() {
    for pay_first in [true, false] {
        let world = World::new().await;
        let (ticket, ben) = (world.ticket().await, world.buyer("ben").await);
        let order = ben.locks(&ticket).await;
        let (paid, cancelled) = if pay_first {
            futures_util::future::join(ben.pays(&order), ben.cancels(&order)).await
        } else {
            let (cancelled, paid) =
                futures_util::future::join(ben.cancels(&order), ben.pays(&order)).await;
            (paid, cancelled)
        };
        wait(seconds(60)).await;
        let status = world.status_of(&ticket).await;
        match paid.status.as_u16() {
            201 => {
                assert_eq!(cancelled.status, 409);
                assert_eq!((status.as_str(), world.gateway.kept()), ("Sold", 4000));
            }
            409 => {
                assert_eq!(cancelled.status, 204);
                assert_eq!((status.as_str(), world.gateway.kept()), ("Available", 0));
                assert_eq!(world.gateway.set_aside(), 0);
            }
            other => panic!("{other}: {}", paid.text()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn editing_and_locking_at_once_never_sells_at_another_price_than_it_shows() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    for round in 0..10 {
        let ticket = ana.lists("Rock", 40).await;
        let path = format!("/api/tickets/{ticket}");
        let body = json!({"price": 90});
        let (edited, locked) = if round % 2 == 0 {
            futures_util::future::join(ana.client.patch(&path, &body), ben.tries_to_lock(&ticket))
                .await
        } else {
            let (locked, edited) = futures_util::future::join(
                ben.tries_to_lock(&ticket),
                ana.client.patch(&path, &body),
            )
            .await;
            (edited, locked)
        };
        let order = locked.created();
        let shown = world.anyone().get(&path).await.ok();
        assert_eq!(order["price"], shown["price"], "{} {}", edited.status, shown);
        let price = if edited.status == 200 { 90 } else { 40 };
        assert_eq!(shown["price"], price);
        ben.cancels(&id(&order)).await.is(204);
    }
}

#[tokio::test(start_paused = true)]
async fn actors_that_rest_between_any_two_requests_lose_none() {
    let market =
        MarketSettings { max_live_actors: 1, max_open_per_user: 1000, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ana = world.seller("ana").await;
    let mut tickets = Vec::new();
    for number in 0..4 {
        tickets.push(ana.lists(&format!("Ticket {number}"), 40).await);
    }
    let buyers = crowd(&world, 24).await;
    for round in 0..12 {
        let tries = buyers.iter().enumerate().map(|(number, buyer)| {
            let ticket = &tickets[(number + round) % tickets.len()];
            async move { (buyer, buyer.tries_to_lock(ticket).await) }
        });
        let mut won = Vec::new();
        for (buyer, answer) in join_all(tries).await {
            match answer.status.as_u16() {
                201 => won.push((buyer, id(&answer.value()))),
                409 => {}
                other => panic!("{other}: {}", answer.text()),
            }
        }
        assert_eq!(won.len(), tickets.len(), "round {round}: one winner a ticket");
        // Cancelling and editing at once; every answer arrives and none is a failure.
        let cancels = won.iter().map(|(buyer, order)| buyer.cancels(order));
        let edits = tickets.iter().map(|ticket| {
            let (client, path) = (ana.client.clone(), format!("/api/tickets/{ticket}"));
            async move { client.patch(&path, &json!({"price": 40 + round})).await.status.as_u16() }
        });
        let (cancelled, edited) =
            futures_util::future::join(join_all(cancels), join_all(edits)).await;
        cancelled.into_iter().for_each(|answer| drop(answer.is(204)));
        assert!(edited.iter().all(|status| [200, 409].contains(status)), "{edited:?}");
    }
    wait(seconds(60)).await;
    let stats = world.app.market.stats();
    assert_eq!(stats.failures, 0);
    assert!(stats.live_tickets <= 1 && stats.live_orders <= 1, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn idle_actors_go_to_rest() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    ben.cancels(&order).await.is(204);
    let stats = world.app.market.stats();
    assert_eq!((stats.live_tickets, stats.live_orders), (1, 1));
    wait(seconds(30)).await;
    let stats = world.app.market.stats();
    assert_eq!((stats.live_tickets, stats.live_orders), (0, 0));
}
