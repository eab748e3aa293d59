//! From an available ticket to a sold one, and back to available if nobody pays.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gittix::domain::OrderId;

use super::requests::{Buyers, expect, latest, lock, order_in, pay};
use super::{Bench, CEILING, GITTIX, STATEMENT};
use crate::client::{Answer, Next, Workload, drive};
use crate::peer::Variant;
use crate::process::Running;
use crate::report::Outcome;
use crate::world::World;

/// More sales a second than any server here makes.
const SALES_PER_SECOND_MAX: f64 = 20_000.0;
/// How many tickets are locked again and again.
const CHURNED: usize = 60_000;
/// How long an order lives that nobody pays.
const HOLD: Duration = Duration::from_secs(1);
/// How long after that its ticket is tried again.
const GRACE: Duration = Duration::from_millis(100);

struct Sales {
    world: World,
    buyers: Buyers,
    places: std::vec::IntoIter<u32>,
    begun: usize,
    /// The buyer of each connection, and the order that is to be paid.
    under_way: Vec<(usize, Option<OrderId>)>,
}

impl Workload for Sales {
    fn classes(&self) -> &'static [&'static str] {
        &["lock", "pay"]
    }

    fn next(&mut self, connection: usize, request: &mut Vec<u8>) -> Next {
        if let (buyer, Some(order)) = self.under_way[connection] {
            pay(request, order, self.buyers.header(buyer));
            return Next::Send(1);
        }
        let Some(place) = self.places.next() else { return Next::Done };
        self.under_way[connection].0 = self.begun;
        let ticket = self.world.available_ticket(u64::from(place));
        lock(request, ticket, self.buyers.header(self.begun));
        self.begun += 1;
        Next::Send(0)
    }

    fn answered(
        &mut self,
        connection: usize,
        class: usize,
        answer: Answer<'_>,
    ) -> Result<(), String> {
        expect(answer, 201, if class == 0 { "locking" } else { "paying" })?;
        let order = &mut self.under_way[connection].1;
        *order = if class == 0 { Some(order_in(answer)?) } else { None };
        Ok(())
    }
}

/// Measures lock, pay, sold.
pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let world = &store.world;
    let buyers = Buyers::of(world);
    let seconds = (bench.options.measured() + bench.options.warm_up()).as_secs_f64();
    let count = (seconds * SALES_PER_SECOND_MAX) as usize;
    let mut outcome = Outcome::default();
    bench.measure_ceiling(bench.load(), &mut outcome).await?;
    let mut sell = async |name, server: Running| {
        let places = latest(world.available, count);
        let load = bench.load_over(places.len(), count);
        let sales = Sales {
            world: world.clone(),
            buyers: buyers.clone(),
            places: places.into_iter(),
            begun: 0,
            under_way: vec![(0, None); load.connections],
        };
        let (seen, _) = drive(server.address, load, sales, &server.probe).await?;
        outcome.observe(name, &seen);
        anyhow::Ok(())
    };
    sell(GITTIX, bench.gittix(&store, &[]).await?).await?;
    if let Some(server) = bench.peer(world, Variant::Statement).await? {
        sell(STATEMENT, server).await?;
    }
    outcome.compare(
        (GITTIX, "pay"),
        "answers/s",
        &[
            ("sales for each answer of the ceiling", (CEILING, "POST /echo"), "at least 0.1"),
            ("times PostgreSQL's sales, which ask no gateway", (STATEMENT, "pay"), ""),
        ],
    );
    Ok(outcome)
}

/// Locks tickets that nobody pays, each again once it is free.
struct Churn {
    world: World,
    buyers: Buyers,
    sent: usize,
    /// Tickets and when they may be free again, earliest first.
    ring: VecDeque<(u32, Instant)>,
    locking: Vec<u32>,
    too_early: u64,
    again: u64,
    fresh_left: usize,
}

impl Workload for Churn {
    fn classes(&self) -> &'static [&'static str] {
        &["lock, unpaid"]
    }

    fn next(&mut self, connection: usize, request: &mut Vec<u8>) -> Next {
        let Some((place, free_at)) = self.ring.front().copied() else {
            return Next::Wait(Duration::from_millis(1));
        };
        if free_at > Instant::now() {
            return Next::Wait(Duration::from_millis(1));
        }
        self.ring.pop_front();
        self.locking[connection] = place;
        let ticket = self.world.available_ticket(u64::from(place));
        lock(request, ticket, self.buyers.header(self.sent));
        self.sent += 1;
        if self.fresh_left > 0 {
            self.fresh_left -= 1;
        } else {
            self.again += 1;
        }
        Next::Send(0)
    }

    fn answered(&mut self, connection: usize, _: usize, answer: Answer<'_>) -> Result<(), String> {
        let again_in = match answer.status {
            201 => HOLD + GRACE,
            409 => {
                self.too_early += 1;
                GRACE
            }
            _ => return Err("a ticket is locked or still locked".to_owned()),
        };
        self.ring.push_back((self.locking[connection], Instant::now() + again_in));
        Ok(())
    }
}

/// Measures lock, expire, lock again.
pub async fn run_churn(bench: &Bench) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let world = &store.world;
    let mut outcome = Outcome::default();
    bench.measure_ceiling(bench.load(), &mut outcome).await?;
    let hold = ("GITTIX_ORDERS__HOLD_SECONDS", HOLD.as_secs().to_string());
    let server = bench.gittix(&store, &[hold]).await?;
    let mut load = bench.load();
    // In the time that comes before, the first orders are still alive.
    load.warm_up += HOLD * 2;
    load.measured = load.measured.max(HOLD);
    let places = latest(world.available, CHURNED);
    let now = Instant::now();
    let churn = Churn {
        world: world.clone(),
        buyers: Buyers::of(world),
        sent: 0,
        fresh_left: places.len(),
        ring: places.into_iter().map(|place| (place, now)).collect(),
        locking: vec![0; load.connections],
        too_early: 0,
        again: 0,
    };
    let (seen, churn) = drive(server.address, load, churn, &server.probe).await?;
    outcome.observe(GITTIX, &seen);
    outcome.compare(
        (GITTIX, "lock, unpaid"),
        "answers/s",
        &[(
            "locks, each of which expires, for each answer of the ceiling",
            (CEILING, "POST /echo"),
            "",
        )],
    );
    outcome.note("tickets locked again after they expired", churn.again as f64);
    outcome.note(
        format!("of them still locked {} ms after their deadline", GRACE.as_millis()),
        churn.too_early as f64,
    );
    Ok(outcome)
}
