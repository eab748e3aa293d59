//! Servers in processes of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::client::{Connection, http};
use crate::free_port::free_port;
use crate::measure::Probe;
use crate::stores::DataFolder;

/// How long a server may take to start.
const START_WITHIN: Duration = Duration::from_secs(60);

/// A process that ends when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program that says nothing unless something is wrong.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("starting {:?}", command.get_program()))?))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Asks it to stop, and waits.
    pub fn interrupt(&mut self, within: Duration) {
        let pid = self.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let until = Instant::now() + within;
        while Instant::now() < until && !self.has_ended() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that answers.
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    /// How it is looked at.
    pub probe: Probe,
    /// From the start of its process to its first answer of 200.
    pub started_in: Duration,
    /// Its process; before its folder, which goes after it.
    pub process: Process,
    /// Its data.
    pub folder: Option<DataFolder>,
}

impl Running {
    /// Waits until a process that was just started says that it is ready.
    pub async fn wait(
        mut process: Process,
        started: Instant,
        address: SocketAddr,
        admin: Option<SocketAddr>,
        folder: Option<DataFolder>,
    ) -> anyhow::Result<Self> {
        while !is_ready(address).await {
            if process.has_ended() || started.elapsed() > START_WITHIN {
                bail!("a server did not start");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let started_in = started.elapsed();
        let probe = Probe { processes: vec![process.id()], admin };
        Ok(Self { address, probe, started_in, process, folder })
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut request = Vec::new();
        http::bare(&mut request, "GET", "/readyz", b"");
        Connection::open(address).await?.exchange(&request).await.map(|answer| answer.status)
    };
    matches!(tokio::time::timeout(Duration::from_secs(5), ask).await, Ok(Ok(200)))
}

/// An address of this machine that nobody listens on.
fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// The product's own server on a data folder.
pub async fn start_gittix(
    binary: &Path,
    folder: DataFolder,
    settings: &[(&str, String)],
) -> anyhow::Result<Running> {
    let (address, admin) = (free_address(), free_address());
    let mut command = Command::new(binary);
    command.arg("--listen").arg(address.to_string()).arg("--data-dir").arg(folder.path());
    command.current_dir(folder.path()).env("GITTIX_HTTP__ADMIN_LISTEN", admin.to_string());
    // Many buyers are one client here, and connections may idle between the phases of a run.
    for (key, value) in [
        ("GITTIX_LOG__FILTER", "warn"),
        ("GITTIX_AUTH__THROTTLE", "false"),
        ("GITTIX_ORDERS__MAX_OPEN_PER_USER", "1000000000"),
        ("GITTIX_HTTP__HEADER_TIMEOUT_SECONDS", "600"),
    ] {
        command.env(key, value);
    }
    command.envs(settings.iter().map(|(key, value)| (key, value)));
    let started = Instant::now();
    let process = Process::start(&mut command)?;
    Running::wait(process, started, address, Some(admin), Some(folder)).await
}

/// One of the servers in this program.
pub async fn start_own(arguments: &[&str], folder: Option<DataFolder>) -> anyhow::Result<Running> {
    let address = free_address();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).arg("--listen").arg(address.to_string());
    if let Some(folder) = &folder {
        command.arg("--data-dir").arg(folder.path());
    }
    let started = Instant::now();
    let process = Process::start(&mut command)?;
    Running::wait(process, started, address, None, folder).await
}
