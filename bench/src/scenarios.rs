//! What is measured. Each scenario starts its own servers, one after the other, and drives them.

mod lock;
mod requests;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;

use crate::client::{Load, Pace, drive};
use crate::options::Options;
use crate::peer::Peer;
use crate::process::{self, Running};
use crate::report::Outcome;
use crate::stores::{LoadedStore, Stores};

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
        }
    }

    /// Measures once.
    pub async fn run(self, bench: &Bench) -> anyhow::Result<Outcome> {
        match self {
            Self::LockRecent => lock::run(bench, lock::Choice::Recent).await,
            Self::LockRandom => lock::run(bench, lock::Choice::Random).await,
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
            None => build()?,
        };
        let stores = Stores::open(options.stores.clone(), options.keep_stores)?;
        let peer = if options.no_peer { None } else { Peer::start(&stores).await? };
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
        let mut all: Vec<(&str, String)> =
            self.options.settings.iter().map(|(key, value)| (&**key, value.clone())).collect();
        all.extend_from_slice(settings);
        process::start_gittix(&self.binary, store.copy(&self.stores)?, &all).await
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
    pub async fn measure_ceiling(&self, outcome: &mut Outcome) -> anyhow::Result<()> {
        let server = self.ceiling().await?;
        let echo = requests::Echo::of(gittix::domain::TicketId::from_u128(1 << 100));
        let (seen, _) = drive(server.address, self.closed_loop(), echo, &server.probe).await?;
        outcome.observe(CEILING, &seen);
        Ok(())
    }

    /// The plain routes behind the product's edge.
    pub async fn edge(&self) -> anyhow::Result<Running> {
        process::start_own(&["serve-edge"], None).await
    }

    /// As many connections as asked for, each sending as soon as it can.
    pub fn closed_loop(&self) -> Load {
        Load {
            connections: self.options.connections,
            pace: Pace::Closed,
            warm_up: self.options.warm_up(),
            measured: self.options.measured(),
        }
    }
}

/// Builds the product as its users do, and says where it is.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--package", "gittix", "--bin", "gittix"]);
    command.arg("--message-format=json-render-diagnostics").arg("--manifest-path").arg(manifest);
    let output = command.stderr(std::process::Stdio::inherit()).output().context("cargo build")?;
    ensure!(output.status.success(), "gittix did not build");
    let mut executables = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executables.next_back().context("cargo built no executable")
}
