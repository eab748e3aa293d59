//! Two servers of one marketplace on the same rows.
//!
//! No store that can be chosen lets two servers work on it yet. What is decided is checked against
//! the rows when it is written, and this is what follows from that alone: nothing is sold, paid or
//! held twice. A refusal is not written, so one that follows from what a server remembers may be late.

use futures_util::future::join_all;

use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World};

/// The same person, served by another node.
fn at(world: &World, person: &Person) -> Person {
    world.again(person)
}

#[tokio::test(start_paused = true)]
async fn whichever_is_asked_one_buyer_gets_the_ticket() {
    let (one, two) = Setup::default().start_two().await;
    let ticket = one.ticket().await;
    let mut buyers = Vec::new();
    for number in 0..60 {
        let buyer = one.buyer(&format!("buyer{number}")).await;
        buyers.push(if number % 2 == 0 { buyer } else { at(&two, &buyer) });
    }
    let answers = join_all(buyers.iter().map(|buyer| buyer.tries_to_lock(&ticket))).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(won.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.clone().refused(409, "ticket_locked");
    }
    for world in [&one, &two] {
        let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
        assert_eq!(shown["orderId"], won[0].value()["id"]);
    }
    let orders = one.events().await.into_iter().filter(|name| *name == "OrderCreated");
    assert_eq!(orders.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn whichever_is_asked_an_order_is_paid_once() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let order = ben.locks(&one.ticket().await).await;
    let there = at(&two, &ben);
    let asked = (0..20).map(|number| if number % 2 == 0 { &ben } else { &there });
    let answers = join_all(asked.map(|ben| ben.pays(&order))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    wait(seconds(120)).await;
    assert_eq!(one.gateway.captures_and_refunds(), (1, 0));
    assert_eq!(ben.order(&order).await["status"], "Completed");
    assert_eq!(there.order(&order).await["status"], "Completed");
}

#[tokio::test(start_paused = true)]
async fn whichever_is_asked_a_limit_of_open_orders_holds() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let there = at(&two, &ben);
    let mut tickets = Vec::new();
    for _ in 0..24 {
        tickets.push(one.ticket().await);
    }
    let asked = tickets.iter().enumerate().map(|(number, ticket)| {
        if number % 2 == 0 { ben.tries_to_lock(ticket) } else { there.tries_to_lock(ticket) }
    });
    let answers = join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
}

#[tokio::test(start_paused = true)]
async fn an_order_expires_whichever_has_made_it() {
    let (one, two) = Setup::default().start_two().await;
    let ben = one.buyer("ben").await;
    let (here, there) = (one.ticket().await, one.ticket().await);
    ben.locks(&here).await;
    at(&two, &ben).locks(&there).await;
    wait(seconds(901)).await;
    for world in [&one, &two] {
        assert_eq!(world.status_of(&here).await, "Available");
        assert_eq!(world.status_of(&there).await, "Available");
    }
    let expired = one.events().await.into_iter().filter(|name| *name == "OrderExpired");
    assert_eq!(expired.count(), 2);
}
