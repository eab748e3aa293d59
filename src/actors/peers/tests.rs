use super::*;
use crate::actors::testing::RuntimeClock;
use crate::store::MemoryRows;
use crate::store::typed::TypedStore;

/// Servers on the same rows.
struct World {
    store: SharedStore,
}

struct Server {
    peers: Peers,
    membership: Membership,
}

impl World {
    fn new() -> Self {
        Self { store: Arc::new(TypedStore::new(Arc::new(MemoryRows::default()))) }
    }

    async fn begins(&self, number: u128) -> Server {
        let me = NodeId::from_u128(number);
        let begun = Membership::begin(me, self.store.clone(), Arc::new(RuntimeClock::new())).await;
        let (membership, peers) = begun.expect("a store in memory");
        Server { peers, membership }
    }

    async fn lease(&self) -> Lease {
        self.store.get::<Lease>(Duty::Outside).await.unwrap().expect("a lease")
    }

    async fn nodes(&self) -> usize {
        self.store.list::<Node>(Nodes::All, None, PAGE).await.unwrap().len()
    }
}

impl Server {
    /// It is gone without a word.
    fn dies(&self) {
        self.membership.left.abort();
    }
}

async fn millis(count: u64) {
    tokio::time::sleep(Duration::from_millis(count)).await;
}

fn shares(servers: &[&Server]) -> Vec<usize> {
    let ours = |server: &&Server| (0..600).filter(|number| server.peers.is_ours(*number)).count();
    servers.iter().map(ours).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_holds_the_lease_and_every_number_is_one_servers() {
    let world = World::new();
    let one = world.begins(1).await;
    assert!(one.peers.hold() && !one.peers.is_alone());
    assert_eq!(shares(&[&one]), [600]);
    let (two, three) = (world.begins(2).await, world.begins(3).await);
    millis(1_500).await;
    assert!(one.peers.hold() && !two.peers.hold() && !three.peers.hold());
    let shares = shares(&[&one, &two, &three]);
    assert_eq!(shares.iter().sum::<usize>(), 600);
    assert!(shares.iter().all(|share| *share > 100), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_taken_over_from_and_forgotten() {
    let world = World::new();
    let (one, two) = (world.begins(1).await, world.begins(2).await);
    millis(5_000).await;
    one.dies();
    // It was last heard of less than a second ago.
    millis(2_400).await;
    assert!(!two.peers.hold());
    millis(2_600).await;
    assert!(two.peers.hold());
    assert_eq!(shares(&[&two]), [600]);
    assert_eq!(world.lease().await.version, Version::FIRST.next());
    millis(60_000).await;
    assert_eq!(world.nodes().await, 1);
    two.membership.end().await;
    assert_eq!(world.nodes().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_not_good_any_more_before_another_takes_it() {
    let world = World::new();
    let (one, two) = (world.begins(1).await, world.begins(2).await);
    let fence = one.peers.still().expect("a lease");
    one.dies();
    tokio::select! {
        () = one.peers.lost() => {}
        () = two.peers.taken() => panic!("both hold it"),
    }
    assert!(!one.peers.hold());
    two.peers.taken().await;
    let late = Commit::at(RuntimeClock::new().now()).require(fence);
    assert_eq!(world.store.commit(late).await, Err(CommitError::Conflict));
    let fence = two.peers.still().expect("a lease");
    let held = Commit::at(RuntimeClock::new().now()).require(fence);
    assert_eq!(world.store.commit(held).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_is_taken_over_from_at_once() {
    let world = World::new();
    let (one, two) = (world.begins(1).await, world.begins(2).await);
    let peers = one.peers.clone();
    one.membership.end().await;
    assert!(!peers.hold());
    millis(1_100).await;
    assert!(two.peers.hold());
}

/// A server that stood still, and whose row others have taken out.
#[tokio::test(start_paused = true)]
async fn a_server_that_was_taken_for_gone_finds_out() {
    let world = World::new();
    let one = world.begins(1).await;
    let node = world.store.get::<Node>(NodeId::from_u128(1)).await.unwrap().expect("its row");
    let lease = Lease::taken(Some(world.lease().await), Duty::Outside, NodeId::from_u128(9));
    let taken = Commit::at(RuntimeClock::new().now()).delete(node).put(lease);
    world.store.commit(taken).await.unwrap();
    millis(1_100).await;
    // There is no row of whoever has taken it, so it comes back, under another number.
    assert_eq!(world.lease().await.version, Version::FIRST.next().next());
    assert!(one.peers.hold());
    assert_eq!(world.nodes().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_without_an_answer_is_held() {
    let world = World::new();
    let lease = Lease::taken(None, Duty::Outside, NodeId::from_u128(1));
    world.store.commit(Commit::at(RuntimeClock::new().now()).put(lease)).await.unwrap();
    let one = world.begins(1).await;
    assert!(one.peers.hold());
    millis(10_000).await;
    assert!(one.peers.hold());
}

#[tokio::test(start_paused = true)]
async fn of_many_that_begin_at_once_one_holds_the_lease() {
    let world = World::new();
    let mut servers = Vec::new();
    for number in 1..=5 {
        servers.push(world.begins(number).await);
    }
    for _ in 0..5 {
        millis(4_700).await;
        let held: Vec<usize> = (0..servers.len()).filter(|at| servers[*at].peers.hold()).collect();
        assert_eq!(held.len(), 1);
        servers.remove(held[0]).dies();
        millis(4_700).await;
        if servers.is_empty() {
            break;
        }
    }
}

#[test]
fn nobody_shares_with_a_server_that_is_alone() {
    let peers = Peers::none();
    assert!(peers.is_alone() && peers.hold() && peers.is_ours(7));
    assert_eq!(peers.still(), None);
}

/// What is held to end before another begins has teeth.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_end_is_held_by_two() {
    let world = World::new();
    let (one, two) = (world.begins(1).await, world.begins(2).await);
    one.dies();
    two.peers.taken().await;
    crate::bugs::plant(Some(Bug::EndlessLease));
    let both = one.peers.hold() && two.peers.hold();
    crate::bugs::plant(None);
    assert!(both);
}
