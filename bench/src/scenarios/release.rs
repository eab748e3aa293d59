//! How late tickets are free again when 10,000 orders run out in the same second, under load.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};

use super::mix::{Kind, Mix};
use super::requests::{Buyers, latest};
use super::{Bench, GITTIX};
use crate::client::{Connection, Load, drive, http};
use crate::histogram::Histogram;
use crate::report::Outcome;
use crate::world::World;

/// How many orders run out.
const ORDERS: u64 = 10_000;
/// How many tickets are there for the load.
const AVAILABLE: u64 = 50_000;
/// How long before the first deadline the load begins.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long after the last deadline tickets are still waited for.
const WATCHED: Duration = Duration::from_secs(2);

/// When tickets were seen to be free, in milliseconds since the epoch, by their ids.
type Seen = Rc<RefCell<HashMap<String, u64>>>;

/// Measures once.
pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let smoke = bench.options.smoke;
    let (orders, available) = if smoke { (500, 2000) } else { (ORDERS, AVAILABLE) };
    let patience = if smoke { 3 } else { 20 };
    let world = World {
        available,
        open: orders,
        sold: 0,
        open_for_seconds: 60 + patience,
        open_within_ms: 1000,
        ..bench.options.world()
    };
    let store = bench.stores.load_once(&world).await?;
    let server = bench.gittix(&store, &[]).await?;
    let deadlines: HashMap<String, u64> =
        world.open_orders().map(|(ticket, at)| (ticket.to_string(), at)).collect();
    let last = deadlines.values().copied().max().context("an open order")?;
    let first = deadlines.values().copied().min().context("an open order")?;
    ensure!(now_ms() < first, "the store took too long to load: the orders have run out");

    let seen = Seen::default();
    let mut stream = Connection::open(server.address).await?;
    let mut request = Vec::new();
    http::bare(&mut request, "GET", "/api/events", b"");
    ensure!(stream.begin_stream(&request).await? == 200, "the event stream was refused");
    let listener = tokio::task::spawn_local(listen(stream, seen.clone()));

    let buyers = Buyers::of(&world);
    let weights = [(Kind::Get, 8), (Kind::Lock, 2)];
    let mix = Mix::new(&world, &buyers, latest(available, usize::MAX), &weights);
    let load = Load {
        connections: bench.options.connections.min(64),
        warm_up: WARM_UP.min(Duration::from_millis(first.saturating_sub(now_ms()))),
        measured: Duration::from_millis(last - first) + WATCHED,
        ..bench.load()
    };
    let quiet = Duration::from_millis(first.saturating_sub(now_ms())).saturating_sub(load.warm_up);
    tokio::time::sleep(quiet).await;
    let (observation, _) = drive(server.address, load, mix, &server.probe).await?;
    listener.abort();
    let seen = seen.take();
    let mut lateness = Histogram::default();
    for (ticket, deadline) in &deadlines {
        let freed = seen.get(ticket).with_context(|| format!("{ticket} was never released"))?;
        ensure!(freed + 1 >= *deadline, "{ticket} was released before its deadline");
        lateness.record(Duration::from_millis(freed.saturating_sub(*deadline)));
    }
    let mut outcome = Outcome::default();
    outcome.observe(GITTIX, &observation);
    let millis = |share| lateness.quantile(share).as_secs_f64() * 1000.0;
    outcome.ratio("ms from deadline to the event that tells it, p99", millis(0.99), "at most 100");
    outcome.note("p50, ms", millis(0.5));
    outcome.note("latest, ms", lateness.max().as_secs_f64() * 1000.0);
    outcome.note("orders that ran out within a second", lateness.len() as f64);
    Ok(outcome)
}

/// Notes tickets that become available, when they are heard of.
async fn listen(mut stream: Connection, seen: Seen) -> std::io::Result<()> {
    let mut text = Vec::new();
    loop {
        stream.chunks(|chunk| text.extend_from_slice(chunk)).await?;
        let now = now_ms();
        let Some(end) = memchr::memrchr(b'\n', &text) else { continue };
        for line in text[..end].split(|byte| *byte == b'\n') {
            let is_free = memchr::memmem::find(line, br#""status":"Available""#).is_some();
            if let (true, Some(ticket)) = (is_free, http::text_after(line, br#""data":{"id":""#)) {
                seen.borrow_mut().entry(ticket.to_owned()).or_insert(now);
            }
        }
        text.drain(..=end);
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
