//! Locking tickets, each by one buyer: `POST /api/orders`.

use super::requests::{Buyers, Echo, expect, latest, lock, shuffled};
use super::{Bench, CEILING, DIRECT, EDGE, GITTIX, STATEMENT, TRANSACTION};
use std::time::Duration;

use crate::client::{Answer, Load, Next, Workload, drive};
use crate::peer::{Peer, Variant};
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
    bench.measure_ceiling(bench.load(), &mut outcome).await?;
    let edge = bench.edge().await?;
    let echo = Echo::of(world.available_ticket(0));
    let (seen, _) = drive(edge.address, bench.load(), echo, &edge.probe).await?;
    outcome.observe(EDGE, &seen);
    drop(edge);
    let mut lock_all = async |name, server: Running| {
        let locks = Locks::new(world, places.clone(), &buyers);
        let load = bench.load_over(places.len(), count);
        let (seen, _) = drive(server.address, load, locks, &server.probe).await?;
        outcome.observe(name, &seen);
        anyhow::Ok(())
    };
    lock_all(GITTIX, bench.gittix(&store, &[]).await?).await?;
    lock_all(DIRECT, bench.direct(&store).await?).await?;
    for (name, variant) in [(STATEMENT, Variant::Statement), (TRANSACTION, Variant::Transaction)] {
        if let Some(server) = bench.peer(world, variant).await? {
            lock_all(name, server).await?;
        }
    }
    compare(&mut outcome, choice);
    Ok(outcome)
}

fn compare(outcome: &mut Outcome, choice: Choice) {
    let pick = |recent, random| if choice == Choice::Recent { recent } else { random };
    let (ours, echo) = ((GITTIX, CLASS), "POST /echo");
    let rates = [
        ("of the ceiling", (CEILING, echo), pick("at least 0.45", "at least 0.35")),
        ("of the trivial route behind gittix's edge", (EDGE, echo), ""),
        ("of the same path without actors", (DIRECT, CLASS), "at least 0.8"),
        (
            "times PostgreSQL with one statement",
            (STATEMENT, CLASS),
            pick("at least 3.5", "at least 2.5"),
        ),
        (
            "times PostgreSQL with a transaction",
            (TRANSACTION, CLASS),
            pick("at least 6", "at least 4"),
        ),
    ];
    outcome.compare(ours, "answers/s", &rates);
    let of_statement = ("of the statement's p99", (STATEMENT, CLASS), "at most 0.5");
    outcome.compare(ours, "p99 ms", &[of_statement]);
    let of_ceiling = ("times the ceiling's server CPU", (CEILING, echo), "");
    outcome.compare(ours, "server CPU us/answer", &[of_ceiling]);
}

/// How many connections to PostgreSQL give the most locks a second.
pub async fn best_pool(bench: &Bench, peer: &Peer, world: &World) -> anyhow::Result<u32> {
    let mut best = (0.0, 0);
    for pool in [8, 16, 32, 64] {
        let server = peer.service(world, Variant::Statement, pool).await?;
        let places = latest(world.available, usize::MAX);
        let locks = Locks::new(world, places, &Buyers::of(world));
        let second = Duration::from_secs(1);
        let load = Load { warm_up: second / 2, measured: second, ..bench.load() };
        let (seen, _) = drive(server.address, load, locks, &server.probe).await?;
        let rate = Outcome::default().observe(STATEMENT, &seen);
        eprintln!("PostgreSQL with {pool} connections: {rate:.0} locks/s");
        if rate > best.0 {
            best = (rate, pool);
        }
    }
    println!("* PostgreSQL is used with {} connections", best.1);
    Ok(best.1)
}
