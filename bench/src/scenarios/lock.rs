//! Locking tickets, each by one buyer: `POST /api/orders`.

use super::requests::{Buyers, Echo, expect, latest, lock, shuffled};
use super::{Bench, CEILING, DIRECT, EDGE, GITTIX, STATEMENT, TRANSACTION};
use crate::client::{Answer, Next, Workload, drive};
use crate::peer::Variant;
use crate::process::Running;
use crate::report::Outcome;
use crate::world::World;

/// More locks a second than any server here answers.
const LOCKS_PER_SECOND_MAX: f64 = 40_000.0;
const CLASS: &str = "lock";

/// Which tickets are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Those listed last.
    Recent,
    /// Any.
    Random,
}

/// Locks tickets, one after the other.
pub struct Locks {
    world: World,
    places: std::vec::IntoIter<u32>,
    buyers: Buyers,
    sent: usize,
}

impl Locks {
    /// Locks the tickets at these places.
    pub fn new(world: &World, places: Vec<u32>, buyers: &Buyers) -> Self {
        Self { world: world.clone(), places: places.into_iter(), buyers: buyers.clone(), sent: 0 }
    }
}

impl Workload for Locks {
    fn classes(&self) -> &'static [&'static str] {
        &[CLASS]
    }

    fn next(&mut self, _: usize, request: &mut Vec<u8>) -> Next {
        let Some(place) = self.places.next() else { return Next::Done };
        let ticket = self.world.available_ticket(u64::from(place));
        lock(request, ticket, self.buyers.header(self.sent));
        self.sent += 1;
        Next::Send(0)
    }

    fn answered(&mut self, _: usize, _: usize, answer: Answer<'_>) -> Result<(), String> {
        expect(answer, 201, "locking an available ticket")
    }
}

/// Measures once.
pub async fn run(bench: &Bench, choice: Choice) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let world = &store.world;
    let buyers = Buyers::of(world);
    let seconds = bench.options.measured() + bench.options.warm_up();
    let count = (seconds.as_secs_f64() * LOCKS_PER_SECOND_MAX) as usize;
    let places = match choice {
        Choice::Recent => latest(world.available, count),
        Choice::Random => shuffled(world.available, count),
    };
    let mut outcome = Outcome::default();
    bench.measure_ceiling(&mut outcome).await?;
    let edge = bench.edge().await?;
    let echo = Echo::of(world.available_ticket(0));
    let (seen, _) = drive(edge.address, bench.closed_loop(), echo, &edge.probe).await?;
    outcome.observe(EDGE, &seen);
    drop(edge);
    let mut lock_all = async |name, server: Running| {
        let locks = Locks::new(world, places.clone(), &buyers);
        // A small store is locked empty before any warm-up is over.
        let mut load = bench.closed_loop();
        if places.len() < count {
            load.warm_up = std::time::Duration::ZERO;
        }
        let (seen, _) = drive(server.address, load, locks, &server.probe).await?;
        outcome.observe(name, &seen);
        anyhow::Ok(())
    };
    lock_all(GITTIX, bench.gittix(&store, &[]).await?).await?;
    lock_all(DIRECT, bench.direct(&store).await?).await?;
    if let Some(peer) = &bench.peer {
        let pool = bench.options.pool;
        lock_all(STATEMENT, peer.service(world, Variant::Statement, pool).await?).await?;
        lock_all(TRANSACTION, peer.service(world, Variant::Transaction, pool).await?).await?;
    }
    compare(&mut outcome, choice);
    Ok(outcome)
}

fn compare(outcome: &mut Outcome, choice: Choice) {
    let is_recent = choice == Choice::Recent;
    let pick = |recent, random| if is_recent { recent } else { random };
    let ours = (GITTIX, CLASS);
    let mut add = |name: &str, under, value, target| {
        if let Some(quotient) = outcome.quotient(ours, under, value) {
            outcome.ratio(name, quotient, target);
        }
    };
    let rate = "answers/s";
    add("of the ceiling", (CEILING, "POST /echo"), rate, pick("at least 0.45", "at least 0.35"));
    add("of the trivial route behind gittix's edge", (EDGE, "POST /echo"), rate, "");
    add("of the same path without actors", (DIRECT, CLASS), rate, "at least 0.8");
    add(
        "times PostgreSQL with one statement",
        (STATEMENT, CLASS),
        rate,
        pick("at least 3.5", "at least 2.5"),
    );
    add(
        "times PostgreSQL with a transaction",
        (TRANSACTION, CLASS),
        rate,
        pick("at least 6", "at least 4"),
    );
    add("of the statement's p99", (STATEMENT, CLASS), "p99 ms", "at most 0.5");
    add("times the ceiling's server CPU", (CEILING, "POST /echo"), "server CPU us/answer", "");
}
