//! What is measured. Each scenario starts its own servers, one after the other, and drives them.

mod browse;
mod hot;
mod lock;
mod mix;
mod release;
mod requests;
mod restart;
mod sale;
mod shows;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;

use crate::client::{Load, Pace, drive};
use crate::options::Options;
use crate::peer::{Peer, Variant};
use crate::process::{self, Running};
use crate::report::Outcome;
use crate::stores::{DataFolder, LoadedStore, Stores};
use crate::world::World;

/// The plain axum server: what every quotient that says 'the ceiling' is of.
pub const CEILING: &str = "ceiling";
/// The ceiling's route behind gittix's accept loop and guards.
pub const EDGE: &str = "edge";
/// The product.
pub const GITTIX: &str = "gittix";
/// The product's store without actors.
pub const DIRECT: &str = "no actors";
/// The service on PostgreSQL with one statement per request.
pub const STATEMENT: &str = "PostgreSQL, statement";
/// The service on PostgreSQL with a transaction of several statements.
pub const TRANSACTION: &str = "PostgreSQL, transaction";

/// Something to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Lock tickets that were listed recently, each once
    LockRecent,
    /// Lock tickets from all over the store, each once
    LockRandom,
    /// 10,000 buyers on one ticket, and on the next
    Hot,
    /// The same on 1,000 connections
    HotThousand,
    /// Lock a ticket and pay it
    Sale,
    /// Lock tickets that nobody pays, again and again
    Churn,
    /// 10,000 orders that run out in one second, under load
    Release,
    /// Look at one ticket
    Get,
    /// Look at pages of 50
    Pages,
    /// Look at pages and tickets, and lock one in a hundred
    Browse,
    /// Look at tickets beside 50 who sign in
    SignIns,
    /// Everything at once
    Mixed,
    /// Look at the listings of a show, and for shows
    Shows,
    /// Kill the server and start it again
    Restart,
}

impl Scenario {
    /// All there are.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::LockRecent => "Lock distinct tickets, recently listed",
            Self::LockRandom => "Lock distinct tickets, from all over the store",
            Self::Hot => "10,000 buyers for one ticket",
            Self::HotThousand => "10,000 buyers for one ticket, 1,000 connections",
            Self::Sale => "Lock, pay, sold",
            Self::Churn => "Lock, expire, lock again",
            Self::Release => "10,000 orders that run out in the same second, under load",
            Self::Get => "Look at one ticket",
            Self::Pages => "Pages of 50 tickets",
            Self::Browse => "Browse: 100 looks for one lock",
            Self::SignIns => "Sign-ins beside looking at tickets, 1,000 a second",
            Self::Mixed => "Everything at once",
            Self::Shows => "Shows: pages of 50 listings by all-in price, and of shows",
            Self::Restart => "Restart after kill -9",
        }
    }

    /// Measures once.
    pub async fn run(self, bench: &Bench) -> anyhow::Result<Outcome> {
        match self {
            Self::LockRecent => lock::run(bench, lock::Choice::Recent).await,
            Self::LockRandom => lock::run(bench, lock::Choice::Random).await,
            Self::Hot => hot::run(bench, bench.options.connections).await,
            Self::HotThousand => hot::run(bench, 1000).await,
            Self::Sale => sale::run(bench).await,
            Self::Churn => sale::run_churn(bench).await,
            Self::Release => release::run(bench).await,
            Self::Get => browse::get(bench).await,
            Self::Pages => browse::pages(bench).await,
            Self::Browse => browse::browse(bench).await,
            Self::SignIns => browse::sign_in_storm(bench).await,
            Self::Mixed => browse::mixed(bench).await,
            Self::Shows => shows::run(bench).await,
            Self::Restart => restart::run(bench).await,
        }
    }
}

/// Everything that scenarios share.
pub struct Bench {
    /// What was asked for.
    pub options: Options,
    /// Filled stores.
    pub stores: Stores,
    /// The product.
    pub binary: PathBuf,
    /// PostgreSQL, if it is to be measured.
    pub peer: Option<Peer>,
}

impl Bench {
    /// Builds the product and starts PostgreSQL, as far as that is asked for and possible.
    pub async fn prepare(options: Options) -> anyhow::Result<Self> {
        let binary = match &options.binary {
            Some(binary) => binary.canonicalize().context("--bin")?,
            None => build(options.smoke)?,
        };
        let stores = Stores::open(options.stores.clone(), options.keep_stores)?;
        let peer =
            if options.no_peer { None } else { Peer::start(&stores, !options.smoke).await? };
        Ok(Self { options, stores, binary, peer })
    }

    /// The store that the options describe.
    pub async fn store(&self) -> anyhow::Result<LoadedStore> {
        self.stores.get(&self.options.world()).await
    }

    /// The product on a copy of a store, with settings for this run alone.
    pub async fn gittix(
        &self,
        store: &LoadedStore,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Running> {
        self.gittix_in(store.copy(&self.stores)?, settings).await
    }

    /// The product on a folder that it may have been in before.
    pub async fn gittix_in(
        &self,
        folder: DataFolder,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Running> {
        let mut all: Vec<(&str, String)> =
            self.options.settings.iter().map(|(key, value)| (&**key, value.clone())).collect();
        all.extend_from_slice(settings);
        process::start_gittix(&self.binary, folder, &all).await
    }

    /// The service on PostgreSQL with a world, if PostgreSQL is installed.
    pub async fn peer(&self, world: &World, variant: Variant) -> anyhow::Result<Option<Running>> {
        let Some(peer) = &self.peer else { return Ok(None) };
        let pool = match self.options.pool {
            Some(pool) => pool,
            None => *peer.pool.get_or_try_init(|| lock::best_pool(self, peer, world)).await?,
        };
        peer.service(world, variant, pool).await.map(Some)
    }

    /// The product's store without actors.
    pub async fn direct(&self, store: &LoadedStore) -> anyhow::Result<Running> {
        process::start_own(&["serve-direct"], Some(store.copy(&self.stores)?)).await
    }

    /// The plain axum server.
    pub async fn ceiling(&self) -> anyhow::Result<Running> {
        process::start_own(&["serve-ceiling"], None).await
    }

    /// Measures the trivial route of the plain axum server, as all quotients need it.
    pub async fn measure_ceiling(&self, load: Load, outcome: &mut Outcome) -> anyhow::Result<()> {
        let server = self.ceiling().await?;
        let echo = requests::Echo::of(gittix::domain::TicketId::from_u128(1 << 100));
        let (seen, _) = drive(server.address, load, echo, &server.probe).await?;
        outcome.observe(CEILING, &seen);
        Ok(())
    }

    /// The plain routes behind the product's edge.
    pub async fn edge(&self) -> anyhow::Result<Running> {
        process::start_own(&["serve-edge"], None).await
    }

    /// As many connections as asked for, each sending as soon as it can unless a rate was given.
    pub fn load(&self) -> Load {
        let rate = self.options.rate;
        Load {
            connections: self.options.connections,
            pace: rate.map_or(Pace::Closed, |per_second| Pace::Open { per_second }),
            warm_up: self.options.warm_up(),
            measured: self.options.measured(),
        }
    }

    /// The same for a workload that ends: without a warm-up if it may end before, as in a small
    /// store.
    pub fn load_over(&self, requests: usize, enough: usize) -> Load {
        let load = self.load();
        if requests < enough { Load { warm_up: Duration::ZERO, ..load } } else { load }
    }
}

/// Builds the product as it is shipped, or for debugging, and says where it is.
fn build(debug: bool) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "gittix", "--bin", "gittix"]);
    command.args(["--profile", if debug { "dev" } else { "dist" }]);
    command.arg("--message-format=json-render-diagnostics").arg("--manifest-path").arg(manifest);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("cargo build")?;
    ensure!(output.status.success(), "gittix did not build");
    let mut executables = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executables.next_back().context("cargo built no executable")
}
