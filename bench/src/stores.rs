//! Stores that were filled beforehand, kept so that each run starts with a copy.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gittix::auth::{PasswordSettings, Passwords};
use gittix::seams::SystemEntropy;
use gittix::store::{RedbStore, Store as _, StoreSettings};

use crate::world::{KEY, PASSWORD, World};

/// Tickets of one transaction while loading. Each transaction writes most pages of the lists that
/// are sorted by price or word, so a large store takes larger ones.
const LOAD_BATCH: RangeInclusive<u64> = 100_000..=500_000;
/// How many transactions a large store takes.
const LOAD_BATCHES: u64 = 20;
/// The largest cache while loading, in bytes. It only gets as large as the store.
const LOAD_CACHE_BYTES: usize = 8 << 30;

/// A folder with stores.
#[derive(Debug, Clone)]
pub struct Stores {
    folder: PathBuf,
    /// Whether stores are used that an earlier build has made.
    keep_old: bool,
}

/// A store that is ready to be copied.
#[derive(Debug, Clone)]
pub struct LoadedStore {
    /// What is in it.
    pub world: World,
    /// How large its file is.
    pub file_bytes: u64,
    file: PathBuf,
}

/// A folder for one server, removed when dropped.
#[derive(Debug)]
pub struct DataFolder(PathBuf);

impl Stores {
    /// The stores in a folder, which is made if there is none.
    pub fn open(folder: PathBuf, keep_old: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)?.flatten() {
            // The folder of a run that was broken off.
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix("run-")?.split('-').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(Self { folder: folder.canonicalize()?, keep_old })
    }

    /// Where the stores are, for what has to be on the same disk.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A store with such a world, whose time is another if one was loaded before.
    pub async fn get(&self, wanted: &World) -> anyhow::Result<LoadedStore> {
        let name = format!(
            "{}-available-{}-open-{}-sold-{}-people-{}-performers-{}-live",
            wanted.available,
            wanted.open,
            wanted.sold,
            wanted.sellers + wanted.buyers,
            wanted.performers,
            wanted.open_for_seconds,
        );
        let name = match wanted.shows {
            0 => name,
            shows => format!("{name}-{shows}-shows"),
        };
        let (file, note) =
            (self.folder.join(format!("{name}.redb")), self.folder.join(format!("{name}.json")));
        if let Some(world) = self.find(&file, &note)
            && (World { ends_at_ms: wanted.ends_at_ms, ..world.clone() }) == *wanted
        {
            let file_bytes = fs::metadata(&file)?.len();
            return Ok(LoadedStore { world, file_bytes, file });
        }
        let _ = (fs::remove_file(&note), fs::remove_file(&file));
        let took = load(&file, wanted).await?;
        let file_bytes = fs::metadata(&file)?.len();
        eprintln!(
            "loaded {} tickets in {:.1} s, {:.0} a second, {} MiB",
            wanted.tickets(),
            took.as_secs_f64(),
            wanted.tickets() as f64 / took.as_secs_f64(),
            file_bytes >> 20
        );
        fs::write(&note, serde_json::to_vec(wanted)?)?;
        Ok(LoadedStore { world: wanted.clone(), file_bytes, file })
    }

    /// A store with such a world that is used once: the next takes its place.
    pub async fn load_once(&self, world: &World) -> anyhow::Result<LoadedStore> {
        let file = self.folder.join("once.redb");
        let _ = fs::remove_file(&file);
        load(&file, world).await?;
        Ok(LoadedStore { world: world.clone(), file_bytes: fs::metadata(&file)?.len(), file })
    }

    fn find(&self, file: &Path, note: &Path) -> Option<World> {
        let modified = |path: &Path| fs::metadata(path).ok()?.modified().ok();
        let is_current = modified(&std::env::current_exe().ok()?)? <= modified(note)?;
        let usable = file.exists() && (is_current || self.keep_old);
        serde_json::from_slice(&fs::read(note).ok().filter(|_| usable)?).ok()
    }

    /// A folder for one run, on the disk where the stores are.
    pub fn new_folder(&self) -> anyhow::Result<DataFolder> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = self.folder.join(format!("run-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(DataFolder(path))
    }
}

impl LoadedStore {
    /// A data folder with a copy of the store and the key that signs its sessions.
    pub fn copy(&self, stores: &Stores) -> anyhow::Result<DataFolder> {
        let folder = stores.new_folder()?;
        let target = folder.path().join("gittix.redb");
        let copied =
            Command::new("cp").arg("--reflink=auto").arg(&self.file).arg(&target).status()?;
        ensure!(copied.success(), "copying {} failed", self.file.display());
        // What is not yet on the disk would slow down the run, and so would what is there only: on
        // a machine that has the memory, a server that runs for long finds its file in memory.
        let mut copy = fs::File::open(&target)?;
        copy.sync_all()?;
        io::copy(&mut copy, &mut io::sink())?;
        let mut options = fs::OpenOptions::new();
        let key = options.write(true).create_new(true).mode(0o600);
        io::Write::write_all(&mut key.open(folder.path().join("session.key"))?, &KEY)?;
        Ok(folder)
    }
}

impl DataFolder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes a world's history to a new store, through the store's own writer.
pub async fn load(file: &Path, world: &World) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let batch = (world.tickets() / LOAD_BATCHES).clamp(*LOAD_BATCH.start(), *LOAD_BATCH.end());
    let batch = usize::try_from(batch)?;
    let settings = StoreSettings {
        queue: 2 * batch,
        batch_max: batch,
        cache_bytes: LOAD_CACHE_BYTES,
        ..StoreSettings::default()
    };
    let store = RedbStore::open(file, settings).context("a new store")?;
    let passwords = Passwords::start(PasswordSettings::default(), Arc::new(SystemEntropy))?;
    let password_hash =
        passwords.hash(PASSWORD.into(), std::net::Ipv4Addr::LOCALHOST.into()).await?;
    // The writer is a thread of its own, so the history is made while it writes.
    let written = stream::iter(world.history(&password_hash))
        .map(|commit| store.commit(commit))
        .buffer_unordered(2 * batch)
        .try_for_each(|()| std::future::ready(Ok(())));
    // With tokio's budget most of so many futures would be asked in vain, again and again.
    tokio::task::unconstrained(written).await.context("loading a store")?;
    drop(store);
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    Ok(start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::small_world;

    #[tokio::test]
    async fn a_loaded_store_is_what_the_product_would_have_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("loaded.redb");
        load(&file, &small_world()).await.unwrap();
        let report = gittix::store::verify(&file).unwrap();
        assert_eq!(report.findings, Vec::<String>::new());
        let counts = report.counts;
        assert_eq!(
            (counts.tickets_available, counts.tickets_locked, counts.tickets_sold),
            (1500, 300, 200)
        );
        assert_eq!((counts.users, counts.orders_created, counts.charges), (70, 300, 200));
    }

    #[tokio::test]
    async fn a_loaded_store_of_shows_is_what_the_product_would_have_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("loaded.redb");
        load(&file, &World { available: 500, ..World::of_shows(40) }).await.unwrap();
        let report = gittix::store::verify(&file).unwrap();
        assert_eq!(report.findings, Vec::<String>::new());
        assert_eq!(report.counts.tickets_available, 500);
    }
}
