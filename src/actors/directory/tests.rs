use std::sync::atomic::AtomicUsize;

use ractor::{Actor, ActorProcessingErr, ActorRuntime};

use super::*;

/// What a [`Counter`] can be asked.
enum Question {
    /// How often it was asked, for the id that it stands for.
    Count(Reply<usize>),
    /// Nothing that it survives.
    Fail(Reply<usize>),
}

struct Counter;

impl Actor for Counter {
    type Msg = Envelope<u8, Question>;
    type State = (Activation<u8, Question>, usize);
    type Arguments = Activation<u8, Question>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        activation: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok((activation, 0))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        (activation, count): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if activation.assume(envelope.to) {
            *count = 0;
        }
        *count += 1;
        match envelope.body {
            Question::Count(reply) => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(*count);
            }
            Question::Fail(reply) => {
                let _unanswered = reply.open();
                return Err("asked to fail".into());
            }
        }
        Ok(())
    }
}

struct Counters {
    directory: Arc<Directory<u8, Question>>,
    /// How many were made.
    made: Arc<AtomicUsize>,
}

impl Counters {
    fn new(max_live: usize) -> Self {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let limits = DirectoryLimits { max_live, max_pending: 100 };
        let directory = Directory::new(limits, move |activation| {
            counter.fetch_add(1, Ordering::Relaxed);
            ActorRuntime::spawn_instant(None, Counter, activation).ok().map(|(actor, _)| actor)
        });
        Self { directory, made }
    }

    async fn count(&self, id: u8) -> usize {
        self.directory.ask(id, Question::Count).await.unwrap()
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// Something that keeps the actor of an id awake.
    fn lease(&self, id: u8) -> Lease<u8> {
        let mut shard = self.directory.shard(id);
        let live = self.directory.find_or_activate(&mut shard, id).unwrap();
        Lease::new(&live.shared, &self.directory.idle)
    }

    /// Until the actors have nothing left to do.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_idle_actor_takes_the_next_id_and_forgets_the_one_before() {
    let counters = Counters::new(0);
    for id in 0..20 {
        assert_eq!(counters.count(id).await, 1, "the first question for {id}");
        Counters::settle().await;
        assert!(!counters.directory.is_awake(id));
    }
    assert_eq!(counters.made(), 1);
    assert_eq!(counters.directory.live(), 0);
}

#[tokio::test]
async fn an_actor_that_comes_back_to_an_id_forgets_it_too() {
    let counters = Counters::new(2);
    let all = (1..=4).map(|id| counters.count(id));
    futures_util::future::join_all(all).await;
    Counters::settle().await;
    // Two are free. Another than the first now has its id for a while.
    assert!(!counters.directory.is_awake(1) && !counters.directory.is_awake(2));
    counters.count(1).await;
    Counters::settle().await;
    assert!(!counters.directory.is_awake(1));
    let (_, count) = futures_util::future::join(counters.count(5), counters.count(1)).await;
    assert_eq!(count, 1);
}

#[tokio::test]
async fn an_actor_keeps_its_id_as_long_as_few_are_awake() {
    let counters = Counters::new(2);
    for round in 1..=3 {
        for id in [1, 2] {
            assert_eq!(counters.count(id).await, round);
            Counters::settle().await;
        }
    }
    assert_eq!((counters.made(), counters.directory.live()), (2, 2));
}

#[tokio::test]
async fn an_actor_with_an_open_matter_keeps_its_id() {
    let counters = Counters::new(0);
    counters.count(1).await;
    let lease = counters.lease(1);
    Counters::settle().await;
    counters.directory.became_idle(&lease.shared);
    let before = counters.count(1).await;
    counters.count(2).await;
    assert_eq!(counters.count(1).await, before + 1);
    drop(lease);
    Counters::settle().await;
    assert!(!counters.directory.is_awake(1));
}

#[tokio::test]
async fn an_actor_that_failed_is_given_no_other_id() {
    let counters = Counters::new(0);
    for id in 0..20 {
        let failed = counters.directory.ask(id, Question::Fail).await;
        assert_eq!(failed, Err(AskError::Failed));
        assert_eq!(counters.count(id).await, 1);
        assert_eq!(counters.count(id + 100).await, 1);
    }
}

#[tokio::test]
async fn a_sweep_ends_no_actor_that_was_needed_or_has_an_open_matter() {
    let counters = Counters::new(10);
    for round in 1..=3 {
        assert_eq!(counters.count(1).await, round);
        Counters::settle().await;
        counters.directory.sweep();
    }
    let lease = counters.lease(1);
    for _ in 0..3 {
        counters.directory.sweep();
        Counters::settle().await;
    }
    assert!(counters.directory.is_awake(1));
    assert_eq!(counters.count(1).await, 4);
    drop(lease);
    Counters::settle().await;
    counters.directory.sweep();
    counters.directory.sweep();
    assert!(!counters.directory.is_awake(1));
    assert_eq!(counters.made(), 1);
}

#[tokio::test]
async fn an_id_is_lost_by_the_actor_alone_that_has_it() {
    let counters = Counters::new(1);
    counters.count(1).await;
    counters.directory.forget(1, &Arc::new(Shared::new()));
    assert_eq!((counters.count(1).await, counters.made()), (2, 1));
}

#[tokio::test]
async fn actors_that_nobody_needed_between_two_sweeps_end() {
    let counters = Counters::new(1);
    let all = (0..10).map(|id| counters.count(id));
    futures_util::future::join_all(all).await;
    Counters::settle().await;
    assert_eq!(counters.directory.free().actors.len(), FREE_AT_LEAST);
    counters.directory.sweep();
    counters.directory.sweep();
    Counters::settle().await;
    assert_eq!(counters.directory.live(), 0);
    assert!(counters.directory.free().actors.is_empty());
    let made = counters.made();
    assert_eq!(counters.count(1).await, 1);
    assert_eq!(counters.made(), made + 1);
}
