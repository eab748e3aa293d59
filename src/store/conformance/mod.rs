//! What every implementation of [`Store`] must do, told as tests on any of them: a second one
//! passes when [`stores`] makes it too.

mod concurrency;
mod lists;
mod resources;
mod rules;

use std::sync::Arc;

use crate::domain::{IntentFact, OrderStatus, TicketState};
use crate::store::testing::{World, in_memory, market, read};
use crate::store::typed::TypedStore;
use crate::store::{MemoryRows, Store};

/// A new store of every kind there is; in PostgreSQL only where there is one
/// (`scripts/test-nodes`).
async fn stores() -> Vec<Arc<dyn Store>> {
    let memory = TypedStore::new(Arc::new(MemoryRows::default()));
    #[cfg_attr(not(feature = "postgres"), expect(unused_mut, reason = "there are but two"))]
    let mut stores = vec![in_memory() as Arc<dyn Store>, Arc::new(memory)];
    #[cfg(feature = "postgres")]
    if let Some(database) = crate::store::postgres::testing::new_database().await {
        let rows = Arc::new(database.open().await);
        stores.push(Arc::new(TypedStore::new(rows)));
    }
    stores
}

#[tokio::test]
async fn a_purchase_can_be_followed_through_all_reads() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("Ana").await, world.user("bob").await);
        let ticket = world.lists(ana, "Rock Concert", 4000).await;
        let order = world.locks(bob, ticket).await;
        assert!(matches!(world.ticket(ticket).await.state, TicketState::Locked { .. }));
        assert_eq!(read(store.tickets(&market()).await).tickets, []);
        assert_eq!(read(store.deadlines(None, 10).await).len(), 1);
        assert_eq!(store.stats().open_orders, 1);

        let charge = world.pays(order).await;
        let unsettled = read(store.unsettled_charges(None, 10).await);
        assert_eq!(unsettled.iter().map(|charge| charge.id).collect::<Vec<_>>(), [charge]);
        assert_eq!(read(store.unsettled_charges(Some(charge), 10).await), []);
        for fact in [IntentFact::Open, IntentFact::Authorised] {
            world.hears(order, fact).await;
            assert_eq!(read(store.deadlines(None, 10).await).len(), 1, "it is open");
        }
        world.hears(order, IntentFact::Captured).await;

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
        let stats = store.stats();
        assert_eq!((stats.last_seq, stats.open_orders, stats.unsettled_charges), (10, 0, 0));
    }
}

#[tokio::test]
async fn the_log_is_read_from_anywhere() {
    for store in stores().await {
        let world = World::new(store.clone());
        let ana = world.user("ana").await;
        for number in 0..50 {
            world.lists(ana, &format!("Ticket {number}"), 100).await;
        }
        let all = read(store.events(0, usize::MAX).await);
        assert_eq!(
            all.iter().map(|event| event.seq).collect::<Vec<_>>(),
            (1..=51).collect::<Vec<_>>()
        );
        for after in 0..60 {
            for limit in [0, 1, 7, 100] {
                let expected: Vec<_> =
                    all.iter().filter(|event| event.seq > after).take(limit).cloned().collect();
                assert_eq!(read(store.events(after, limit).await), expected, "{after} {limit}");
            }
        }
        assert_eq!(read(store.events(u64::MAX, 1).await), []);
    }
}

#[tokio::test]
async fn deadlines_are_read_page_by_page() {
    for store in stores().await {
        let world = World::new(store.clone());
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let mut orders = Vec::new();
        for _ in 0..5 {
            let ticket = world.lists(ana, "Rock", 100).await;
            orders.push(world.locks(bob, ticket).await);
        }
        world.cancels(orders.remove(2)).await;
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = read(store.deadlines(after, 3).await);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            seen.extend(page.iter().map(|deadline| deadline.order));
        }
        assert_eq!(seen, orders);
    }
}
