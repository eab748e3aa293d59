//! A PostgreSQL server in a temporary folder, reached by a socket in it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Row as _};

use crate::process::Process;
use crate::stores::DataFolder;

/// Who owns the server, in the database.
const USER: &str = "bench";
/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// The settings that matter; the others are PostgreSQL's own.
const SETTINGS: [&str; 5] = [
    "synchronous_commit=on",
    "max_wal_size=8GB",
    "wal_compression=off",
    "max_connections=200",
    "listen_addresses=",
];

/// Where `initdb` and `postgres` are.
pub struct Programs(PathBuf);

/// Looks for them in the search path and where Debian puts them, the newest release first.
pub fn find_programs() -> Option<Programs> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(releases) = fs::read_dir("/usr/lib/postgresql") {
        let mut found: Vec<PathBuf> = releases.flatten().map(|entry| entry.path()).collect();
        let release = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
        found.sort_by_key(|path| std::cmp::Reverse(release(path)));
        folders.extend(found.into_iter().map(|path| path.join("bin")));
    }
    let has_both =
        |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(has_both).map(Programs)
}

/// A server that stops when this is dropped.
pub struct Server {
    /// What it says it is.
    pub release: String,
    /// How it is set.
    pub settings: Vec<String>,
    process: Process,
    folder: DataFolder,
}

impl Server {
    /// Makes a new one. It is durable unless it is only to be seen working.
    pub async fn start(
        programs: &Programs,
        folder: DataFolder,
        is_durable: bool,
    ) -> anyhow::Result<Self> {
        let account = unprivileged()?;
        if let Some((uid, gid)) = account {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let data = folder.path().join("data");
        let mut init = as_account(Command::new(programs.0.join("initdb")), account);
        init.arg("--pgdata").arg(&data).args(["--username", USER, "--auth", "trust"]);
        init.args(["--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        let made = init.current_dir("/").output().context("initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = as_account(Command::new(programs.0.join("postgres")), account);
        command.arg("-D").arg(&data).arg("-k").arg(folder.path()).current_dir("/");
        let settings = settings(is_durable);
        command.args(settings.iter().flat_map(|setting| ["-c", setting])).stderr(Stdio::from(log));
        let process = Process::start(&mut command)?;
        let mut server = Self { release: String::new(), settings, process, folder };
        server.release = server.wait().await?;
        Ok(server)
    }

    /// The folder with its socket.
    pub fn sockets(&self) -> &Path {
        self.folder.path()
    }

    /// The parent of all its processes.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A connection to one of its databases.
    pub async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&options(self.sockets(), database)).await
    }

    async fn wait(&mut self) -> anyhow::Result<String> {
        let started = Instant::now();
        loop {
            match self.connect("postgres").await {
                Ok(mut connection) => {
                    let version = sqlx::query("SHOW server_version").fetch_one(&mut connection);
                    return Ok(format!("PostgreSQL {}", version.await?.get::<String, _>(0)));
                }
                Err(error) if self.process.has_ended() || started.elapsed() > PATIENCE => {
                    let log = fs::read_to_string(self.sockets().join("log")).unwrap_or_default();
                    bail!("it did not start: {error}; {log}");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.interrupt(PATIENCE);
    }
}

fn settings(is_durable: bool) -> Vec<String> {
    let mut settings: Vec<String> = SETTINGS.map(str::to_owned).to_vec();
    settings.push(format!("fsync={}", if is_durable { "on" } else { "off" }));
    // As much as gittix takes, and as PostgreSQL's manual recommends: a quarter of the memory.
    settings.push(format!("shared_buffers={}MB", gittix::memory::cache_bytes() >> 20));
    settings
}

/// How a database is reached.
pub fn options(sockets: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new().socket(sockets).username(USER).database(database)
}

/// PostgreSQL refuses to run as root: then the account `postgres`, or else `nobody`, is used.
fn unprivileged() -> anyhow::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    let account = find("postgres").or_else(|| find("nobody"));
    account.map(Some).context("an account to run PostgreSQL as")
}

fn as_account(mut command: Command, account: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command
}
