use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::actors::testing::{context, parent};
use crate::store::Refusal;

/// A number that is kept in memory, and a store that answers as it is told to.
#[derive(Default)]
struct Script {
    number: Mutex<u64>,
    loads: AtomicUsize,
    outcomes: Mutex<VecDeque<Result<Committed, MarketError>>>,
    commits: Mutex<Vec<Instant>>,
    acted: Mutex<Vec<u64>>,
}

struct Numbers(Arc<Script>);

#[derive(Debug, Clone)]
enum Ask {
    /// Adds, and acts with the sum.
    Add(u64),
    /// The number as it is.
    Look,
    /// The number once it is ten or more.
    WaitForTen,
    /// Adds for another aggregate, which is told of a conflict as 0.
    Carry(u64),
    /// Nothing of the kind.
    Refuse,
}

impl Aggregate for Numbers {
    type Id = u8;
    type State = u64;
    type Command = Ask;
    type Answer = u64;
    type Effect = u64;
    type Carrier = Infallible;

    async fn load(&self, _id: u8, known: Option<u64>, _ask: &Ask) -> Result<u64, MarketError> {
        Ok(known.unwrap_or_else(|| {
            self.0.loads.fetch_add(1, Ordering::Relaxed);
            *self.0.number.lock().unwrap()
        }))
    }

    fn decide(
        &self,
        number: &u64,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError> {
        let add = |more| {
            let sum = number + more;
            Change::new(Commit::at(now), Some(sum)).answered(sum).then([sum])
        };
        Ok(match ask {
            Ask::Add(more) | Ask::Carry(more) => add(more),
            Ask::Look => Decision::unchanged(*number),
            Ask::WaitForTen => Decision { answer: When::Late, ..Decision::unchanged(0) },
            Ask::Refuse => return Err(MarketError::NotFound),
        })
    }

    async fn commit(
        &self,
        _context: &Context,
        _commit: Commit,
        _carrier: Option<Infallible>,
    ) -> Result<Committed, MarketError> {
        self.0.commits.lock().unwrap().push(Instant::now());
        let outcome = self.0.outcomes.lock().unwrap().pop_front();
        outcome.unwrap_or(Ok(Committed::Durable))
    }

    fn act(&self, effect: u64) {
        self.0.acted.lock().unwrap().push(effect);
    }

    fn late_answer(&self, number: &u64) -> Option<u64> {
        (*number >= 10).then_some(*number)
    }

    fn carried_conflict(&self, ask: &Ask) -> Option<u64> {
        matches!(ask, Ask::Carry(_)).then_some(0)
    }
}

struct World {
    script: Arc<Script>,
    actors: Arc<Actors<Numbers>>,
}

impl World {
    async fn new() -> Self {
        let script = Arc::new(Script::default());
        let context = context(Duration::from_secs(2));
        let actors = Actors::new(Numbers(script.clone()), context, parent().await);
        Self { script, actors }
    }

    async fn ask(&self, ask: Ask) -> Result<u64, MarketError> {
        self.actors.ask(1, ask).await
    }

    fn store_answers(&self, outcomes: impl IntoIterator<Item = Result<Committed, MarketError>>) {
        self.script.outcomes.lock().unwrap().extend(outcomes);
    }

    fn loads(&self) -> usize {
        self.script.loads.load(Ordering::Relaxed)
    }

    fn acted(&self) -> Vec<u64> {
        self.script.acted.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_decided_is_committed_adopted_answered_and_acted_on() {
    let world = World::new().await;
    assert_eq!(world.ask(Ask::Add(3)).await, Ok(3));
    assert_eq!(world.ask(Ask::Add(4)).await, Ok(7));
    assert_eq!(world.ask(Ask::Look).await, Ok(7));
    assert_eq!((world.loads(), world.acted()), (1, vec![3, 7]));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_decided_again_on_what_is_stored_then() {
    let world = World::new().await;
    assert_eq!(world.ask(Ask::Look).await, Ok(0));
    *world.script.number.lock().unwrap() = 50;
    world.store_answers([Ok(Committed::Conflict), Ok(Committed::Conflict)]);
    assert_eq!(world.ask(Ask::Add(3)).await, Ok(53));
    assert_eq!((world.loads(), world.acted()), (3, vec![53]));
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_conflicts_grow_until_the_requests_deadline() {
    let world = World::new().await;
    world.store_answers((0..1000).map(|_| Ok(Committed::Conflict)));
    let began = Instant::now();
    assert_eq!(world.ask(Ask::Add(3)).await, Err(MarketError::Overloaded));
    let commits = world.script.commits.lock().unwrap().clone();
    let pauses: Vec<u128> =
        commits.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(pauses[..8], [2, 4, 8, 16, 32, 64, 128, 128]);
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(world.acted(), Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_or_not_taken_changes_nothing() {
    let world = World::new().await;
    world.ask(Ask::Add(3)).await.unwrap();
    let full = MarketError::Refused(Refusal::TooManyOpenOrders);
    world.store_answers([Err(full.clone()), Err(MarketError::Overloaded)]);
    assert_eq!(world.ask(Ask::Add(3)).await, Err(full));
    assert_eq!(world.ask(Ask::Add(3)).await, Err(MarketError::Overloaded));
    assert_eq!(world.ask(Ask::Refuse).await, Err(MarketError::NotFound));
    assert_eq!(world.ask(Ask::Look).await, Ok(3));
    assert_eq!((world.loads(), world.acted()), (1, vec![3]));
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_unknown_outcome_has_the_state_read_again() {
    let world = World::new().await;
    world.ask(Ask::Add(3)).await.unwrap();
    *world.script.number.lock().unwrap() = 6;
    world.store_answers([Err(MarketError::Unavailable)]);
    assert_eq!(world.ask(Ask::Add(3)).await, Err(MarketError::Unavailable));
    assert_eq!(world.ask(Ask::Look).await, Ok(6));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_of_a_carried_commit_is_for_its_owner_to_resolve() {
    let world = World::new().await;
    world.store_answers([Ok(Committed::Conflict)]);
    assert_eq!(world.ask(Ask::Carry(3)).await, Ok(0));
    assert_eq!(world.acted(), Vec::<u64>::new());
    assert_eq!(world.ask(Ask::Carry(3)).await, Ok(3));
    assert_eq!(world.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_answered_by_the_change_they_wait_for() {
    let world = World::new().await;
    let (first, second, ()) =
        tokio::join!(world.ask(Ask::WaitForTen), world.ask(Ask::WaitForTen), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(world.ask(Ask::Add(9)).await, Ok(9));
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(world.ask(Ask::Add(2)).await, Ok(11));
        });
    assert_eq!((first, second), (Ok(11), Ok(11)));
}
