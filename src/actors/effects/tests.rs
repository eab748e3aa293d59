use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::time::Instant;

use super::kind::Unsettled;
use super::*;
use crate::actors::error::MarketError;
use crate::actors::peers::Membership;
use crate::actors::testing::{MORNING, RuntimeClock, parent};
use crate::domain::{ChargeId, NodeId, OrderId};
use crate::store::typed::TypedStore;
use crate::store::{MemoryRows, ReadError, SharedStore};

/// A call about a charge; the number is its step.
#[derive(Debug, Clone, PartialEq)]
struct Knock(ChargeId, u8);

const CHARGE: ChargeId = ChargeId::from_u128(1);
const OTHER: ChargeId = ChargeId::from_u128(2);
const OWNER: OrderId = OrderId::from_u128(3);

impl Call for Knock {
    type Key = ChargeId;
    type Owner = OrderId;
    type Fact = u8;
    type Unknown = String;

    fn key(&self) -> ChargeId {
        self.0
    }

    fn owner(&self) -> OrderId {
        OWNER
    }

    fn name(&self) -> &'static str {
        "knock"
    }
}

/// A door that takes a second to answer, and an owner that notes what it is told.
#[derive(Default)]
struct Door {
    knocks: Mutex<Vec<Knock>>,
    told: Mutex<Vec<Result<u8, String>>>,
    brought_forward: Mutex<Vec<Instant>>,
    unsettled: Mutex<Vec<ChargeId>>,
    /// What the owner answers; "done" once there is nothing here.
    answers: Mutex<VecDeque<Told>>,
}

struct Doors(Arc<Door>);

impl EffectKind for Doors {
    type Call = Knock;
    const NAME: &'static str = "door";

    async fn perform(&self, call: &Knock) -> Result<u8, String> {
        self.0.knocks.lock().unwrap().push(call.clone());
        tokio::time::sleep(Duration::from_secs(if call.1 == 99 { 1000 } else { 1 })).await;
        assert_ne!(call.1, 13, "a client that panics");
        Ok(call.1)
    }

    fn lost(why: &str) -> String {
        why.to_owned()
    }

    async fn unsettled(
        &self,
        after: Option<ChargeId>,
        _limit: usize,
    ) -> Result<Vec<Unsettled<Knock>>, ReadError> {
        let unsettled = self.0.unsettled.lock().unwrap();
        let after = unsettled.iter().filter(|key| Some(**key) > after);
        Ok(after.map(|key| Unsettled { key: *key, owner: OWNER, changed_at: MORNING }).collect())
    }
}

#[async_trait]
impl Recipient<Knock> for Door {
    async fn returned(&self, _call: &Knock, outcome: Result<u8, String>) -> Told {
        self.told.lock().unwrap().push(outcome);
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Ok(())))
    }

    async fn bring_forward(&self, _owner: OrderId, _key: ChargeId) -> Told {
        self.brought_forward.lock().unwrap().push(Instant::now());
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Ok(())))
    }
}

struct World {
    door: Arc<Door>,
    effects: Effects<Doors>,
    began: Instant,
}

impl World {
    async fn new() -> Self {
        Self::among(Peers::none()).await
    }

    async fn among(peers: Peers) -> Self {
        let door = Arc::new(Door::default());
        let limits = CallLimits { at_once: 2, timeout: Duration::from_secs(10) };
        let effects = Effects::new(Doors(door.clone()), limits, peers);
        let recipient: Weak<dyn Recipient<Knock>> =
            Arc::downgrade(&(door.clone() as Arc<dyn Recipient<Knock>>));
        effects.start(recipient, Arc::new(RuntimeClock::new()), parent().await).await.unwrap();
        Self { door, effects, began: Instant::now() }
    }

    fn knocks(&self) -> Vec<Knock> {
        self.door.knocks.lock().unwrap().clone()
    }

    fn told(&self) -> Vec<Result<u8, String>> {
        self.door.told.lock().unwrap().clone()
    }

    fn owner_answers(&self, answers: impl IntoIterator<Item = Told>) {
        self.door.answers.lock().unwrap().extend(answers);
    }

    fn later(&self, key: ChargeId, within: Duration) {
        let reason = "nobody was at home".to_owned();
        self.effects.act(Effect::Later { key, owner: OWNER, reason, within });
    }

    /// When something was brought forward, in milliseconds since the start.
    fn brought_forward(&self) -> Vec<u128> {
        let times = self.door.brought_forward.lock().unwrap();
        times.iter().map(|time| (*time - self.began).as_millis()).collect()
    }
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_a_call_under_way_gets_no_other_until_it_has_come_back() {
    let world = World::new().await;
    world.effects.act(Effect::Start(Knock(CHARGE, 1)));
    world.effects.act(Effect::Start(Knock(CHARGE, 2)));
    world.effects.act(Effect::Start(Knock(OTHER, 3)));
    seconds(2).await;
    assert_eq!(world.knocks(), [Knock(CHARGE, 1), Knock(OTHER, 3)]);
    assert_eq!(world.told(), [Ok(1), Ok(3)]);
    world.effects.act(Effect::Start(Knock(CHARGE, 4)));
    world.effects.act(Effect::Returned(CHARGE));
    world.effects.act(Effect::Start(Knock(CHARGE, 5)));
    seconds(2).await;
    assert_eq!(world.knocks()[2..], [Knock(CHARGE, 4), Knock(CHARGE, 5)]);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_calls_are_made_at_once() {
    let world = World::new().await;
    for key in 10..15 {
        world.effects.act(Effect::Start(Knock(ChargeId::from_u128(key), 1)));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.knocks().len(), 2);
    seconds(3).await;
    assert_eq!(world.told().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_or_hangs_has_an_unknown_outcome() {
    let world = World::new().await;
    world.effects.act(Effect::Start(Knock(CHARGE, 13)));
    world.effects.act(Effect::Start(Knock(OTHER, 99)));
    seconds(20).await;
    let unknown = |why: &str| Err(why.to_owned());
    assert_eq!(world.told(), [unknown("the client panicked"), unknown("no answer in time")]);
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_is_waited_for() {
    let world = World::new().await;
    world.owner_answers([Err(AskError::Overloaded), Err(AskError::Overloaded)]);
    world.effects.act(Effect::Start(Knock(CHARGE, 1)));
    seconds(5).await;
    assert_eq!(world.told(), [Ok(1), Ok(1), Ok(1)]);
    assert_eq!(world.brought_forward(), []);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_was_not_applied_is_asked_for_again() {
    let world = World::new().await;
    world.owner_answers([Ok(Err(MarketError::Unavailable)), Err(AskError::Failed)]);
    world.effects.act(Effect::Start(Knock(CHARGE, 1)));
    seconds(10).await;
    // After half a second, and a second after that was not answered either.
    assert_eq!(world.brought_forward(), [1_500, 2_500]);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_with_every_call_that_leads_nowhere_and_not_beyond_what_is_asked() {
    let world = World::new().await;
    for _ in 0..3 {
        world.later(CHARGE, LONGEST_PAUSE);
        world.later(OTHER, Duration::from_millis(100));
        seconds(10).await;
    }
    assert_eq!(world.brought_forward(), [100, 500, 10_100, 11_000, 20_100, 22_000]);
    let pending = world.effects.pending().await;
    let tries: Vec<_> = pending.iter().map(|pending| (pending.key, pending.tries)).collect();
    assert_eq!(tries, [(CHARGE, 3), (OTHER, 3)]);
    assert_eq!(pending[0].last_error.as_deref(), Some("nobody was at home"));
    world.effects.act(Effect::Settled(CHARGE));
    assert_eq!(world.effects.pending().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_unsettled_is_taken_up_at_the_start_and_swept_for_later() {
    let world = World::new().await;
    world.door.unsettled.lock().unwrap().push(CHARGE);
    world.effects.sweep();
    seconds(10).await;
    assert_eq!(world.brought_forward(), [0]);
    world.effects.act(Effect::Settled(CHARGE));
    *world.door.unsettled.lock().unwrap() = vec![OTHER];
    seconds(55).await;
    assert_eq!(world.brought_forward(), [0, 60_000]);
}

#[test]
fn every_call_has_a_number_of_its_own() {
    let mut under_way = UnderWay { calls: BTreeMap::new(), next: 0 };
    let first = under_way.begin(1);
    assert!(first.is_some());
    assert_eq!(under_way.begin(1), None, "one is under way");
    under_way.calls.remove(&1);
    assert_ne!(under_way.begin(1), first);
}

/// Two servers, of which the first holds the lease.
async fn two_servers() -> [(Membership, Peers); 2] {
    let store: SharedStore = Arc::new(TypedStore::new(Arc::new(MemoryRows::default())));
    let clock = Arc::new(RuntimeClock::new());
    let join = |number| Membership::begin(NodeId::from_u128(number), store.clone(), clock.clone());
    [join(1).await.unwrap(), join(2).await.unwrap()]
}

async fn knocks_without_the_lease() -> usize {
    let [_one, (_two, peers)] = two_servers().await;
    let world = World::among(peers).await;
    world.effects.act(Effect::Start(Knock(CHARGE, 1)));
    world.later(OTHER, LONGEST_PAUSE);
    seconds(2).await;
    world.knocks().len() + world.brought_forward().len()
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_lease_calls_nobody() {
    assert_eq!(knocks_without_the_lease().await, 0);
}

/// The test above has teeth.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test(start_paused = true)]
async fn a_server_that_calls_without_the_lease_is_noticed() {
    crate::bugs::plant(Some(Bug::TwoCallers));
    let knocks = knocks_without_the_lease().await;
    crate::bugs::plant(None);
    assert!(knocks > 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_unsettled_is_taken_up_by_whoever_takes_the_lease() {
    let [(first, _), (_two, peers)] = two_servers().await;
    let world = World::among(peers).await;
    world.door.unsettled.lock().unwrap().push(CHARGE);
    world.effects.sweep();
    seconds(2).await;
    assert_eq!(world.brought_forward().len(), 0);
    first.end().await;
    seconds(2).await;
    assert_eq!(world.brought_forward().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_given_up_with_the_lease() {
    let [(first, peers), _two] = two_servers().await;
    let world = World::among(peers).await;
    world.effects.act(Effect::Start(Knock(CHARGE, 1)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    first.end().await;
    seconds(2).await;
    assert_eq!((world.knocks().len(), world.told()), (1, Vec::new()));
}
