use std::sync::Mutex;

use super::*;
use crate::actors::peers::Membership;
use crate::actors::testing::{MORNING, RuntimeClock, parent};
use crate::domain::NodeId;
use crate::store::typed::TypedStore;
use crate::store::{MemoryRows, SharedStore};

/// Rows by their time, and what was fired when.
#[derive(Default)]
struct Index {
    rows: Mutex<Vec<Due<u8>>>,
    fired: Mutex<Vec<(u8, u64)>>,
    /// Rows that stay in the index however often they are fired.
    stubborn: Vec<u8>,
    /// Rows whose owner is not to be reached.
    unreachable: Vec<u8>,
}

struct Alarms(Arc<Index>, Arc<RuntimeClock>);

impl TimerKind for Alarms {
    type Id = u8;
    const NAME: &'static str = "alarm";

    async fn rows(&self, after: Option<Due<u8>>, limit: usize) -> Result<Vec<Due<u8>>, ReadError> {
        let rows = self.0.rows.lock().unwrap();
        Ok(rows.iter().filter(|row| Some(**row) > after).take(limit).copied().collect())
    }

    fn turn(&self, id: u8) -> Turn {
        Turn::Shared(u128::from(id))
    }

    async fn fire(&self, id: u8) -> Result<(), MarketError> {
        let elapsed = self.1.now().since(MORNING);
        self.0.fired.lock().unwrap().push((id, u64::try_from(elapsed.as_millis()).unwrap()));
        if self.0.unreachable.contains(&id) {
            return Err(MarketError::Overloaded);
        }
        if !self.0.stubborn.contains(&id) {
            self.0.rows.lock().unwrap().retain(|row| row.id != id);
        }
        Ok(())
    }
}

struct World {
    index: Arc<Index>,
    doorbell: Arc<Doorbell>,
}

impl World {
    async fn new(index: Index) -> Self {
        let (index, clock) = (Arc::new(index), Arc::new(RuntimeClock::new()));
        let doorbell = Arc::new(Doorbell::default());
        let kind = Alarms(index.clone(), clock.clone());
        start(kind, clock, doorbell.clone(), Peers::none(), parent().await).await.unwrap();
        Self { index, doorbell }
    }

    /// Writes a row and rings, as a commit does.
    fn set(&self, id: u8, millis: u64) {
        let at = MORNING.plus(Duration::from_millis(millis));
        let mut rows = self.index.rows.lock().unwrap();
        rows.push(Due { at, id });
        rows.sort();
        drop(rows);
        self.doorbell.ring();
    }

    fn fired(&self) -> Vec<(u8, u64)> {
        self.index.fired.lock().unwrap().clone()
    }
}

async fn millis(count: u64) {
    tokio::time::sleep(Duration::from_millis(count)).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_due_while_nobody_looked_is_fired_at_the_first_look() {
    let world = World::new(Index::default()).await;
    world.set(2, 20);
    world.set(1, 10);
    millis(500).await;
    assert_eq!(world.fired(), []);
    world.doorbell.look();
    millis(1).await;
    assert_eq!(world.fired(), [(1, 500), (2, 500)]);
}

#[tokio::test(start_paused = true)]
async fn rows_are_fired_when_they_are_due_and_not_before() {
    let world = World::new(Index::default()).await;
    world.set(1, 300);
    world.set(2, 5_250);
    world.doorbell.look();
    millis(10_000).await;
    assert_eq!(world.fired(), [(1, 300), (2, 5_250)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_row_after_a_long_sleep_rings_the_doorbell() {
    let world = World::new(Index::default()).await;
    world.doorbell.look();
    millis(100_000).await;
    world.set(1, 100_300);
    millis(1_000).await;
    assert_eq!(world.fired(), [(1, 100_300)]);
}

/// When a row is fired that stays in the index.
async fn stays() -> Vec<(u8, u64)> {
    let world = World::new(Index { stubborn: vec![1], ..Index::default() }).await;
    world.set(1, 100);
    world.doorbell.look();
    millis(9_000).await;
    world.fired()
}

#[tokio::test(start_paused = true)]
async fn a_row_that_stays_is_claimed_for_a_while() {
    assert_eq!(stays().await, [(1, 100), (1, 5_100)]);
}

/// The test above has teeth.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test(start_paused = true)]
async fn a_claim_that_a_timer_does_not_make_is_missed() {
    crate::bugs::plant(Some(Bug::UnclaimedTimer));
    let fired = stays().await;
    crate::bugs::plant(None);
    assert!(fired.len() > 2, "{fired:?}");
}

#[tokio::test(start_paused = true)]
async fn a_row_whose_owner_is_not_to_be_reached_is_fired_again_soon() {
    let world = World::new(Index { unreachable: vec![1], ..Index::default() }).await;
    world.set(1, 100);
    world.doorbell.look();
    millis(350).await;
    assert_eq!(world.fired(), [(1, 100), (1, 200), (1, 300)]);
}

/// When rows are fired by the one of two servers that looks at them.
async fn fired_by_one_of_two() -> Vec<(u8, u64)> {
    let store: SharedStore = Arc::new(TypedStore::new(Arc::new(MemoryRows::default())));
    let clock = Arc::new(RuntimeClock::new());
    let join = |number| Membership::begin(NodeId::from_u128(number), store.clone(), clock.clone());
    let (_one, peers) = join(1).await.unwrap();
    let (_two, _) = join(2).await.unwrap();
    millis(1_500).await;
    let (index, doorbell) = (Arc::new(Index::default()), Arc::new(Doorbell::default()));
    let kind = Alarms(index.clone(), clock.clone());
    start(kind, clock, doorbell.clone(), peers, parent().await).await.unwrap();
    let world = World { index, doorbell };
    for id in 0..16 {
        world.set(id, 3_000);
    }
    world.doorbell.look();
    millis(3_000).await;
    world.fired()
}

#[tokio::test(start_paused = true)]
async fn what_another_server_does_not_fire_is_taken_over_a_little_later() {
    let fired = fired_by_one_of_two().await;
    let (own, others): (Vec<_>, Vec<_>) = fired.iter().partition(|(_, at)| *at == 3_000);
    assert_eq!(own.len() + others.len(), 16, "{fired:?}");
    assert!(!own.is_empty() && !others.is_empty(), "{fired:?}");
    assert!(others.iter().all(|(_, at)| (3_400..3_600).contains(at)), "{fired:?}");
}

/// The test above has teeth.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test(start_paused = true)]
async fn a_row_that_is_left_to_a_server_which_does_nothing_is_missed() {
    crate::bugs::plant(Some(Bug::LonelyTimer));
    let fired = fired_by_one_of_two().await;
    crate::bugs::plant(None);
    assert!(fired.len() < 16, "{fired:?}");
}
