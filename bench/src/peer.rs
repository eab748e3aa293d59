//! The peer: the same operations as a straightforward, well-made service on PostgreSQL would do
//! them, with axum and sqlx.
//!
//! It does less than gittix: tokens are checked but sessions are not looked up, there are no
//! idempotency keys, no event stream, no guards, and paying is one transaction without a gateway.
//! What it does it does durably: `synchronous_commit` and `fsync` are on.

mod database;
mod fill;
mod rows;
mod service;

use std::path::Path;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::process::{self, Running};
use crate::stores::{DataFolder, Stores};
use crate::world::World;

pub use service::{ServeArguments, serve};

/// How the service writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Variant {
    /// Each operation is one statement.
    Statement,
    /// Each operation is a transaction of several statements, as an ORM would write it.
    Transaction,
}

/// A PostgreSQL server of the benchmark's own.
pub struct Peer {
    server: database::Server,
    filled: tokio::sync::Mutex<Option<World>>,
    /// How many connections the service keeps, once that is known.
    pub pool: tokio::sync::OnceCell<u32>,
}

impl Peer {
    /// Starts PostgreSQL in a new folder beside the stores; `None` if it is not installed. It is
    /// durable unless it is only to be seen working.
    pub async fn start(stores: &Stores, is_durable: bool) -> anyhow::Result<Option<Self>> {
        let Some(programs) = database::find_programs() else { return Ok(None) };
        let folder: DataFolder = stores.new_folder()?;
        let server =
            database::Server::start(&programs, folder, is_durable).await.context("PostgreSQL")?;
        Ok(Some(Self { server, filled: Default::default(), pool: Default::default() }))
    }

    /// Its release and settings.
    pub fn describe(&self) -> String {
        format!("{}; {}", self.server.release, self.server.settings.join(", "))
    }

    /// The service on a database that holds a world, and nothing else.
    pub async fn service(
        &self,
        world: &World,
        variant: Variant,
        pool: u32,
    ) -> anyhow::Result<Running> {
        let mut filled = self.filled.lock().await;
        if filled.as_ref() != Some(world) {
            fill::fill(&self.server, world).await.context("filling PostgreSQL")?;
            *filled = Some(world.clone());
        }
        fill::copy(&self.server).await.context("copying a database")?;
        let variant = variant.to_possible_value().context("a variant has a name")?;
        let pool = pool.to_string();
        let sockets = utf8(self.server.sockets())?;
        let arguments =
            ["serve-peer", "--sockets", sockets, "--variant", variant.get_name(), "--pool", &pool];
        let mut running = process::start_own(&arguments, None).await?;
        running.probe.processes.push(self.server.process_id());
        Ok(running)
    }
}

fn utf8(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is not valid Unicode")
}
