//! How soon a killed server answers again, and how much memory it takes when nothing happens.

use std::time::Duration;

use anyhow::Context as _;

use super::lock::Locks;
use super::requests::{Buyers, latest};
use super::{Bench, GITTIX};
use crate::client::{Load, drive};
use crate::process::Running;
use crate::report::Outcome;
use crate::stores::LoadedStore;
use crate::world::World;

/// How long a server is left alone before its memory is looked at.
const IDLE: Duration = Duration::from_secs(1);

/// Measures once.
pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let world = &store.world;
    let mut outcome = Outcome::default();
    let (mut server, idle_bytes) = start(bench, &store).await?;
    outcome.note("first start on this store, ms", server.started_in.as_secs_f64() * 1000.0);

    // Killed while it writes.
    let load = Load { warm_up: Duration::ZERO, ..bench.load() };
    let places = latest(world.available, (load.measured.as_secs_f64() * 40_000.0) as usize);
    let locks = Locks::new(world, places, &Buyers::of(world));
    let (seen, _) = drive(server.address, load, locks, &server.probe).await?;
    outcome.observe(GITTIX, &seen);
    server.process.kill();
    let folder = server.folder.take().context("a server of ours has a folder")?;
    drop(server);
    let again = bench.gittix_in(folder, &[]).await?;
    let millis = again.started_in.as_secs_f64() * 1000.0;
    let target = match world.tickets() {
        0..=1_200_000 => "at most 150",
        _ => "at most 1000",
    };
    outcome.ratio("ms from start to the first 200 after kill -9", millis, target);
    drop(again);

    let mib = |bytes: u64| bytes as f64 / 1048576.0;
    outcome
        .note("memory of the idle server, MiB (target: under 200 and the cache)", mib(idle_bytes));
    outcome.note("file, MiB", mib(store.file_bytes));
    outcome.note("file, bytes for each ticket", store.file_bytes as f64 / world.tickets() as f64);
    if world.open > 0 {
        let without = World { open: 0, ..bench.options.world() };
        let without = bench.stores.get(&without).await?;
        let (_, bytes) = start(bench, &without).await?;
        let each = (idle_bytes as f64 - bytes as f64) / world.open as f64;
        outcome.note("memory of an open order, bytes (target: under 128)", each);
    }
    Ok(outcome)
}

async fn start(bench: &Bench, store: &LoadedStore) -> anyhow::Result<(Running, u64)> {
    let server = bench.gittix(store, &[]).await?;
    tokio::time::sleep(IDLE).await;
    let bytes = server.probe.sample().await?.rss_bytes;
    Ok((server, bytes))
}
