//! What the operating system and the server itself tell: processor time, memory, commits, the disk.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::Serialize;

use crate::client::{Connection, http};

/// How many of the clock ticks that /proc counts processor time in make a second, on every Linux
/// that Rust runs on.
const TICKS_PER_SECOND: u64 = 100;

/// Which processes belong to what is measured.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// The processes, each with its children.
    pub processes: Vec<u32>,
    /// Where the server tells its metrics, if it does.
    pub admin: Option<SocketAddr>,
}

/// What was seen at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The processor time of the server so far.
    pub server_cpu: Duration,
    /// The processor time of the client so far.
    pub client_cpu: Duration,
    /// The server's resident memory, in bytes; 0 if its processes share some.
    pub rss_bytes: u64,
    /// What the store has written so far.
    pub store: StoreCounters,
}

/// What a store has written.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StoreCounters {
    /// Transactions.
    pub batches: f64,
    /// Commits in them.
    pub commits: f64,
    /// The time they took, in seconds.
    pub seconds: f64,
}

impl Probe {
    /// Looks.
    ///
    /// # Errors
    ///
    /// If the server is gone.
    pub async fn sample(&self) -> anyhow::Result<Sample> {
        let store = match self.admin {
            Some(admin) => store_counters(admin).await?,
            None => StoreCounters::default(),
        };
        let processes = processes_of(&self.processes)?;
        let ticks = processes.iter().map(|process| process.cpu_ticks).sum();
        let rss_bytes = match processes.as_slice() {
            [only] => only.rss_bytes,
            _ => 0,
        };
        Ok(Sample {
            at: Instant::now(),
            server_cpu: from_ticks(ticks),
            client_cpu: from_ticks(stat(std::process::id())?.cpu_ticks),
            rss_bytes,
            store,
        })
    }
}

struct ProcessStat {
    parent: u32,
    cpu_ticks: u64,
    rss_bytes: u64,
}

/// Those processes and their children.
fn processes_of(parents: &[u32]) -> anyhow::Result<Vec<ProcessStat>> {
    let mut found = Vec::new();
    for pid in parents {
        found.push(stat(*pid).context("the server has ended")?);
    }
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ends meanwhile is gone.
        if let Ok(process) = stat(pid)
            && parents.contains(&process.parent)
        {
            found.push(process);
        }
    }
    Ok(found)
}

fn stat(pid: u32) -> anyhow::Result<ProcessStat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?).context("/proc/PID/stat")
}

/// Reads `/proc/PID/stat`; the name in it may hold anything.
fn parse_stat(text: &str) -> Option<ProcessStat> {
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(ProcessStat {
        parent: u32::try_from(number(1)?).ok()?,
        cpu_ticks: number(11)? + number(12)?,
        rss_bytes: number(21)? * 4096,
    })
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

async fn store_counters(admin: SocketAddr) -> anyhow::Result<StoreCounters> {
    let mut request = Vec::new();
    http::bare(&mut request, "GET", "/metrics", b"");
    let mut connection = Connection::open(admin).await?;
    let answer = connection.exchange(&request).await?;
    let text = std::str::from_utf8(answer.body)?;
    let read = |name: &str| metric(text, name).with_context(|| format!("no metric {name}"));
    Ok(StoreCounters {
        batches: read("gittix_store_batch_commits_count")?,
        commits: read("gittix_store_batch_commits_sum")?,
        seconds: read("gittix_store_commit_duration_seconds_sum")?,
    })
}

/// A metric without labels, as Prometheus is told it.
fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
    line.split(' ').nth(1)?.parse().ok()
}

/// The median time that a small write and its fdatasync take in a folder.
///
/// # Errors
///
/// If nothing can be written there.
pub fn fdatasync_time(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("fdatasync.probe");
    let mut file = File::create(&path)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let mut times = Vec::new();
    for round in 0..200_u64 {
        let start = Instant::now();
        std::os::unix::fs::FileExt::write_all_at(&file, &[round as u8; 512], (round % 8) * 512)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// What the measurements were made on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of its threads there are.
    pub cores: usize,
    /// The operating system's release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn look() -> Self {
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model.map_or("unknown", |(_, name)| name).trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        let line = "7 (a) b) S 3 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 1 0 9 1000 12 18446 1";
        let found = parse_stat(line).unwrap();
        assert_eq!((found.parent, found.cpu_ticks, found.rss_bytes), (3, 300, 12 * 4096));
        assert!(parse_stat("7 (a) S 3").is_none());
        assert!(stat(std::process::id()).unwrap().rss_bytes > 0);
    }

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let text = "# TYPE a counter\na_total{x=\"y\"} 1\na_sum 2.5\na_sum_more 3\n";
        assert_eq!(metric(text, "a_sum"), Some(2.5));
        assert_eq!(metric(text, "a"), None);
    }
}
