use std::sync::Mutex;

use super::*;
use crate::actors::testing::{context, parent};
use crate::domain::{Email, Event, User, UserId, Write};

/// What a follower was told, and how its next tries end.
#[derive(Default)]
struct Told {
    seqs: Mutex<Vec<u64>>,
    tries: Mutex<Vec<Ends>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Failing,
    Panicking,
    Unwritten,
}

struct Scribe(Arc<Told>);

impl FollowerKind for Scribe {
    const FOLLOWER: Follower = Follower::Mail;
    const RESTS: u32 = 0;

    async fn follow(
        &self,
        events: &[LoggedEvent],
        commit: Commit,
    ) -> Result<Option<Commit>, MarketError> {
        self.0.seqs.lock().unwrap().extend(events.iter().map(|event| event.seq));
        let mut tries = self.0.tries.lock().unwrap();
        let next = (!tries.is_empty()).then(|| tries.remove(0));
        drop(tries);
        match next {
            Some(Ends::Failing) => Err(MarketError::Overloaded),
            Some(Ends::Panicking) => panic!("as planned"),
            Some(Ends::Unwritten) => Ok(None),
            None => Ok(Some(commit)),
        }
    }
}

struct World {
    context: Arc<Context>,
    told: Arc<Told>,
}

impl World {
    fn new() -> Self {
        Self { context: context(Duration::from_secs(1)), told: Arc::default() }
    }

    async fn follows(&self) -> ActorCell {
        let parent = parent().await;
        start(Scribe(self.told.clone()), self.context.clone(), parent.clone()).await.unwrap();
        parent
    }

    async fn happens(&self, number: u128) {
        let email = Email::parse(&format!("u{number}@example.com")).unwrap();
        let user =
            User::new(UserId::from_u128(number), email, "hash".to_owned(), self.context.now());
        let event = Event::UserCreated(user.told());
        let commit = Commit::at(self.context.now()).write(Write::User(user)).event(event);
        self.context.store.commit(commit).await.unwrap();
    }

    fn will(&self, tries: &[Ends]) {
        self.told.tries.lock().unwrap().extend(tries);
    }

    fn seqs(&self) -> Vec<u64> {
        self.told.seqs.lock().unwrap().clone()
    }

    async fn cursor(&self) -> u64 {
        self.context.store.get::<Cursor>(Follower::Mail).await.unwrap().unwrap().seq
    }
}

async fn a_while() {
    tokio::time::sleep(Duration::from_secs(200)).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_told_of_what_happens_after_its_first_start() {
    let world = World::new();
    world.happens(1).await;
    let _parent = world.follows().await;
    assert_eq!(world.cursor().await, 1, "it is written down before anything follows");
    a_while().await;
    assert!(world.seqs().is_empty());
    world.happens(2).await;
    world.happens(3).await;
    a_while().await;
    assert_eq!((world.seqs(), world.cursor().await), (vec![2, 3], 3));
}

#[tokio::test(start_paused = true)]
async fn a_follower_goes_on_where_it_was_after_a_restart() {
    let world = World::new();
    let parent = world.follows().await;
    world.happens(1).await;
    a_while().await;
    parent.stop_children_and_wait(None, None).await;
    world.happens(2).await;
    world.happens(3).await;
    a_while().await;
    assert_eq!(world.seqs(), [1], "nobody follows");
    let _parent = world.follows().await;
    a_while().await;
    assert_eq!((world.seqs(), world.cursor().await), (vec![1, 2, 3], 3));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_in_order_after_growing_pauses() {
    for ends in [Ends::Failing, Ends::Panicking] {
        let world = World::new();
        world.will(&[ends, ends, ends]);
        let _parent = world.follows().await;
        world.happens(1).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!((world.seqs(), world.cursor().await), (vec![1], 0));
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(world.seqs(), [1, 1]);
        world.happens(2).await;
        a_while().await;
        assert_eq!(world.seqs(), [1, 1, 1, 2, 1, 2], "what comes after waits for its turn");
        assert_eq!(world.cursor().await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nothing_follows_from_is_not_written_and_read_again() {
    let world = World::new();
    world.will(&[Ends::Unwritten, Ends::Unwritten]);
    let parent = world.follows().await;
    world.happens(1).await;
    a_while().await;
    world.happens(2).await;
    a_while().await;
    assert_eq!((world.seqs(), world.cursor().await), (vec![1, 2], 0));
    parent.stop_children_and_wait(None, None).await;
    let _parent = world.follows().await;
    a_while().await;
    assert_eq!((world.seqs(), world.cursor().await), (vec![1, 2, 1, 2], 2));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_another_has_moved_is_read_again() {
    let world = World::new();
    let _parent = world.follows().await;
    let cursor = world.context.store.get::<Cursor>(Follower::Mail).await.unwrap().unwrap();
    world.will(&[Ends::Unwritten]);
    world.happens(1).await;
    a_while().await;
    let moved = Commit::at(world.context.now()).put(cursor.moved(1));
    world.context.store.commit(moved).await.unwrap();
    world.happens(2).await;
    a_while().await;
    assert_eq!((world.seqs(), world.cursor().await), (vec![1, 2, 2], 2));
}
