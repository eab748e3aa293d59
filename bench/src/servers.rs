//! Servers that gittix is compared with. Each runs in a process of its own, on a runtime like
//! gittix's.

mod direct;
mod echo;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;

use crate::peer;

/// Which of them to be.
#[derive(Debug, Clone, Subcommand)]
pub enum Serve {
    /// A trivial route on a plain axum server
    #[command(name = "serve-ceiling", hide = true)]
    Ceiling {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// The same route behind gittix's accept loop and guards
    #[command(name = "serve-edge", hide = true)]
    Edge {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
    },
    /// gittix's store behind its edge, without actors
    #[command(name = "serve-direct", hide = true)]
    Direct {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// The folder with the store
        #[arg(long)]
        data_dir: PathBuf,
    },
    /// The service on PostgreSQL
    #[command(name = "serve-peer", hide = true)]
    Peer(peer::ServeArguments),
}

impl Serve {
    /// Serves until the process is killed.
    ///
    /// # Errors
    ///
    /// If it can't start.
    pub fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Ceiling { listen } => echo::serve_plain(listen).await,
                Self::Edge { listen } => echo::serve_behind_edge(listen).await,
                Self::Direct { listen, data_dir } => direct::serve(listen, &data_dir).await,
                Self::Peer(arguments) => peer::serve(arguments).await,
            }
        })
    }
}
