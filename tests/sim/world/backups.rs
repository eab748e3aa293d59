//! An operator who makes a backup now and then, on a disk of its own that may fill up meanwhile. Then
//! nothing has become of the backup, and the server goes on; otherwise the backup is the store as it
//! was at that moment.

use std::sync::Arc;
use std::time::Duration;

use gittix::store::{BackupError, RedbStore, Store as _, StoreSettings, WriterMode};

use super::disk::{DiskScript, SimDisk};
use super::life::Life;
use super::record::Violation;
use super::rng::Rng;
use super::time::Power;

/// How many lives of a thousand have one: it takes as long as a hundred operations.
const CHANCE: u32 = 250;
/// More than a store of the simulator takes.
const MOST_ROOM: u64 = 3_000_000;

/// Makes one, perhaps.
pub async fn back_up(life: Arc<Life>) {
    let Some(file) = life.file.clone() else { return };
    let mut rng = Rng::new(life.world.plan.seed ^ life.world.timeline.now_ms(), "backup");
    if !rng.chance(CHANCE) {
        return;
    }
    tokio::time::sleep(Duration::from_millis(rng.pause_ms(60_000))).await;
    let disk = SimDisk::new(rng.next(), Vec::new());
    let room_bytes = rng.chance(600).then(|| rng.below(MOST_ROOM));
    disk.begin_life(Power::default(), DiskScript { room_bytes, ..DiskScript::default() });
    let (made, last) = (file.backup_onto(disk.clone()), file.stats().last_seq);
    let is_excused = life.power.is_off() || life.world.disk.has_failed();
    let found = match made {
        Ok(_) if disk.has_failed() => Err("it was made on a disk that was full".to_owned()),
        Ok(_) => is_as_the_store(&life, &disk, last).await,
        Err(BackupError::Failed(_)) if disk.has_failed() || is_excused => Ok("without room"),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(how) => life.world.record.count(how),
        Err(detail) => {
            life.world.record.violate(Violation::new("backups are whole or none", detail));
        }
    }
}

async fn is_as_the_store(life: &Life, disk: &SimDisk, last: u64) -> Result<&'static str, String> {
    let settings = StoreSettings { writer: WriterMode::Inline, ..StoreSettings::default() };
    let copy =
        RedbStore::open_backend(disk.clone(), settings).map_err(|error| error.to_string())?;
    let told = copy.events(0, usize::MAX).await.map_err(|error| error.to_string())?;
    match life.store.events(0, told.len()).await {
        Ok(events) if events == told && told.len() as u64 == last => Ok("backups"),
        Ok(_) => Err(format!("it has {} events, and the store had {last}", told.len())),
        Err(_) => Ok("backups"),
    }
}
