//! What holds however many write at once.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::domain::OrderId;
use crate::store::conformance::stores;
use crate::store::testing::{World, listed, lock, read};
use crate::store::{CommitError, Refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_buyer_wins_and_the_log_has_no_gaps() {
    for store in stores().await {
        let world = Arc::new(World::new(store.clone()));
        let ana = world.user("ana").await;
        let ticket = world.lists(ana, "Rock", 100).await;
        let seen = world.ticket(ticket).await;
        let mut buyers = Vec::new();
        for number in 0..50 {
            buyers.push(world.user(&format!("buyer{number}")).await);
        }
        let mut tasks = JoinSet::new();
        for buyer in buyers {
            let (world, seen) = (world.clone(), seen.clone());
            tasks.spawn(async move {
                let order = OrderId::from_u128(world.id());
                let (_, commit) = lock(&seen, buyer, order, world.now());
                let locked = world.store.commit(commit).await;
                let other = world.new_ticket(buyer, "Pop", 5);
                let id = other.id;
                assert_eq!(world.store.commit(listed(other.clone())).await, Ok(()));
                assert_eq!(read(world.store.ticket(id).await), Some(other), "its own write");
                locked
            });
        }
        let results = tasks.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let conflicts = results.iter().filter(|result| **result == Err(CommitError::Conflict));
        assert_eq!(conflicts.count(), 49);
        let seqs: Vec<u64> =
            read(store.events(0, 1000).await).iter().map(|event| event.seq).collect();
        // 51 accounts, 51 tickets, and a lock, which is two events.
        assert_eq!(seqs, (1..=104).collect::<Vec<u64>>());
        assert_eq!(store.stats().last_seq, 104);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_open_orders_holds_when_all_come_at_once() {
    for store in stores().await {
        let world = Arc::new(World::new(store.clone()));
        let (ana, bob) = (world.user("ana").await, world.user("bob").await);
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            let ticket = world.lists(ana, "Rock", 100).await;
            let (_, commit) = world.locking(bob, ticket).await;
            let store = store.clone();
            tasks.spawn(async move { store.commit(commit).await });
        }
        let results = tasks.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10);
        let refused = Err(CommitError::Refused(Refusal::TooManyOpenOrders));
        assert_eq!(results.iter().filter(|result| **result == refused).count(), 30);
        assert_eq!(read(store.deadlines(None, 100).await).len(), 10);
    }
}
