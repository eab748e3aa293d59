//! What every implementation of [`Store`] must do, told as tests on any of them.

use std::sync::Arc;

use super::testing::{World, in_memory, read};
use super::{CommitError, Refusal, Store, TicketQuery, TicketSort};
use crate::domain::{OrderStatus, TicketState};

fn stores() -> impl Iterator<Item = Arc<dyn Store>> {
    [in_memory() as Arc<dyn Store>].into_iter()
}

pub fn everything() -> TicketQuery {
    TicketQuery {
        seller: None,
        words: Vec::new(),
        min_price_minor: None,
        max_price_minor: None,
        sort: TicketSort::Newest,
        after: None,
        limit: 100,
    }
}

#[tokio::test]
async fn a_purchase_can_be_followed_through_all_reads() {
    for store in stores() {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("Ana").await, world.user("bob").await);
        let ticket = world.lists(ana, "Rock Concert", 4000).await;
        let order = world.locks(bob, ticket).await;
        assert!(matches!(world.ticket(ticket).await.state, TicketState::Locked { .. }));
        assert_eq!(read(store.tickets(&everything()).await).tickets, []);
        assert_eq!(read(store.deadlines(None, 10).await).len(), 1);
        assert_eq!(store.stats().open_orders, 1);
        let charge = world.buys(order).await;
        assert_eq!(world.order(order).await.state.status(), OrderStatus::Completed);
        assert_eq!(world.ticket(ticket).await.state, TicketState::Sold { order });
        let charge = read(store.charge(charge).await).expect("a charge");
        let intent = charge.intent().expect("an intent");
        assert_eq!(read(store.charge_by_intent(intent).await), Some(charge.clone()));
        assert_eq!(read(store.deadlines(None, 10).await), []);
        assert_eq!(read(store.unsettled_charges(None, 10).await), []);
        let events = read(store.events(0, 100).await);
        let names: Vec<_> = events.iter().map(|event| event.event.name()).collect();
        assert_eq!(
            names,
            [
                "UserCreated",
                "UserCreated",
                "TicketCreated",
                "OrderCreated",
                "TicketUpdated",
                "OrderAwaitingPayment",
                "ChargeCreated",
                "ChargeCompleted",
                "OrderCompleted",
                "TicketUpdated",
            ]
        );
        assert_eq!(store.stats().last_seq, 10);
    }
}

#[tokio::test]
async fn an_address_belongs_to_one_account() {
    for store in stores() {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("Ana").await, world.user("bob").await);
        let in_use = Err(CommitError::Refused(Refusal::EmailInUse));
        assert_eq!(world.change_email(bob, "ANA@example.com").await, in_use);
        assert_eq!(world.change_email(ana, "aNa@example.com").await, Ok(()), "its own");
        assert_eq!(world.change_email(ana, "zoe@example.com").await, Ok(()));
        assert_eq!(world.change_email(bob, "ana@example.com").await, Ok(()), "it is free now");
    }
}
