//! Ten thousand buyers for one ticket: one wins, and all are answered.

use anyhow::ensure;

use super::requests::{Buyers, latest, lock};
use super::{Bench, CEILING, GITTIX, STATEMENT, TRANSACTION};
use crate::client::{Answer, Load, Next, Workload, drive};
use crate::peer::Variant;
use crate::process::Running;
use crate::report::Outcome;
use crate::world::World;

/// How many want one ticket. When all of them are on their way, the next ticket's buyers come.
const BUYERS: usize = 10_000;
/// More tickets than are fought for in a run.
const TICKETS: usize = 400;
const CLASS: &str = "lock a hot ticket";

struct Hot {
    world: World,
    buyers: Buyers,
    places: Vec<u32>,
    sent: usize,
    /// The ticket that each connection wants.
    wanted: Vec<usize>,
    winners: Vec<u32>,
}

impl Workload for Hot {
    fn classes(&self) -> &'static [&'static str] {
        &[CLASS]
    }

    fn next(&mut self, connection: usize, request: &mut Vec<u8>) -> Next {
        let ticket = self.sent / BUYERS;
        let Some(place) = self.places.get(ticket) else { return Next::Done };
        self.wanted[connection] = ticket;
        let id = self.world.available_ticket(u64::from(*place));
        lock(request, id, self.buyers.header(self.sent));
        self.sent += 1;
        Next::Send(0)
    }

    fn answered(&mut self, connection: usize, _: usize, answer: Answer<'_>) -> Result<(), String> {
        match answer.status {
            201 => self.winners[self.wanted[connection]] += 1,
            409 => {}
            _ => return Err("who wants a hot ticket gets it or is told that it is gone".to_owned()),
        }
        Ok(())
    }
}

/// Measures once, with so many connections.
pub async fn run(bench: &Bench, connections: usize) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let world = &store.world;
    let buyers = Buyers::of(world);
    let load = Load { connections, ..bench.load() };
    let mut outcome = Outcome::default();
    bench.measure_ceiling(load, &mut outcome).await?;
    let mut fight = async |name, server: Running| {
        let places = latest(world.available, TICKETS);
        let winners = vec![0; places.len()];
        let (world, buyers) = (world.clone(), buyers.clone());
        let wanted = vec![0; connections];
        let hot = Hot { world, buyers, places, sent: 0, wanted, winners };
        let (seen, hot) = drive(server.address, load, hot, &server.probe).await?;
        let fought_for = hot.sent.div_ceil(BUYERS);
        ensure!(
            hot.winners.iter().take(fought_for).all(|winners| *winners == 1),
            "{name}: each ticket must have one winner: {:?}",
            &hot.winners[..fought_for]
        );
        outcome.observe(name, &seen);
        anyhow::Ok(())
    };
    fight(GITTIX, bench.gittix(&store, &[]).await?).await?;
    for (name, variant) in [(STATEMENT, Variant::Statement), (TRANSACTION, Variant::Transaction)] {
        if let Some(server) = bench.peer(world, variant).await? {
            fight(name, server).await?;
        }
    }
    outcome.compare(
        (GITTIX, CLASS),
        "answers/s",
        &[
            ("of the ceiling", (CEILING, "POST /echo"), "at least 0.7"),
            ("times PostgreSQL with one statement", (STATEMENT, CLASS), ""),
        ],
    );
    outcome.compare(
        (GITTIX, CLASS),
        "p99 ms",
        &[("of the statement's p99", (STATEMENT, CLASS), "at most 0.5")],
    );
    Ok(outcome)
}
