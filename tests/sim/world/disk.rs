//! A disk that keeps only what it was told to sync, and not even that when it is broken.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Result};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gittix::store::Storage;
use redb::StorageBackend;

use super::rng::Rng;
use super::time::Power;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What happens to the disk in one life of the process. Numbers count from the start of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskScript {
    /// The write that fails; nothing of it is kept.
    pub fail_write: Option<u64>,
    /// The sync that fails; whether what was written before is kept is open.
    pub fail_sync: Option<u64>,
    /// How much can be written before the disk is full. On many it takes room to overwrite, too.
    pub room_bytes: Option<u64>,
    /// The write or sync at which the power goes off; a write is torn.
    pub cut_at: Option<u64>,
}

/// What is left of unsynced writes when a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remains {
    /// The process died and the machine lives on: all of it.
    All,
    /// The power went: none of it.
    Nothing,
    /// The power went: any of its sectors.
    SomeSectors,
}

/// The disk. Clones share it.
#[derive(Clone)]
pub struct SimDisk(Arc<Mutex<State>>);

struct State {
    durable: Vec<u8>,
    current: Vec<u8>,
    dirty: BTreeSet<usize>,
    script: DiskScript,
    power: Power,
    seed: u64,
    writes: u64,
    syncs: u64,
    room_left: Option<usize>,
    has_failed: bool,
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimDisk")
    }
}

impl SimDisk {
    /// A disk with a file on it.
    pub fn new(seed: u64, bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            durable: bytes.clone(),
            current: bytes,
            dirty: BTreeSet::new(),
            script: DiskScript::default(),
            power: Power::default(),
            seed,
            writes: 0,
            syncs: 0,
            room_left: None,
            has_failed: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A life begins.
    pub fn begin_life(&self, power: Power, script: DiskScript) {
        let mut state = self.state();
        state.room_left = script.room_bytes.and_then(|room| usize::try_from(room).ok());
        (state.power, state.script) = (power, script);
        (state.writes, state.syncs, state.has_failed) = (0, 0, false);
    }

    /// A life ended; this is what the next one finds.
    pub fn end_life(&self, remains: Remains, rng: &mut Rng) {
        let mut state = self.state();
        match remains {
            Remains::All => {}
            Remains::Nothing => state.current = state.durable.clone(),
            Remains::SomeSectors => {
                let salt = rng.next();
                state.keep_some_sectors(salt);
                state.current = state.durable.clone();
            }
        }
        state.durable = state.current.clone();
        state.dirty.clear();
        (state.power, state.script) = (Power::default(), DiskScript::default());
        state.room_left = None;
    }

    /// Whether an operation was made to fail in this life.
    pub fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    /// From now on it does not fail any more.
    pub fn heal(&self) {
        let mut state = self.state();
        state.script = DiskScript::default();
        state.room_left = None;
    }

    /// The whole file.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().current.clone()
    }
}

impl State {
    fn check_power(&self) -> Result<()> {
        if self.power.is_off() { Err(Error::other("the power is off")) } else { Ok(()) }
    }

    fn fail(&mut self, kind: ErrorKind) -> Result<()> {
        self.has_failed = true;
        Err(Error::new(kind, "the simulated disk failed"))
    }

    fn take_room(&mut self, bytes: usize) -> Result<()> {
        let Some(room) = self.room_left else { return Ok(()) };
        match room.checked_sub(bytes) {
            Some(left) => self.room_left = Some(left),
            None => return self.fail(ErrorKind::StorageFull),
        }
        Ok(())
    }

    fn is_cut(&self) -> bool {
        self.script.cut_at == Some(self.writes + self.syncs)
    }

    fn put(&mut self, offset: usize, data: &[u8]) {
        self.current[offset..offset + data.len()].copy_from_slice(data);
        self.dirty.extend(offset / SECTOR..=(offset + data.len() - 1) / SECTOR);
    }

    /// What may happen at a sync.
    fn begin_sync(&mut self) -> Result<()> {
        self.check_power()?;
        if self.is_cut() {
            self.power.switch_off();
            return Err(Error::other("the power is off"));
        }
        self.syncs += 1;
        if self.script.fail_sync == Some(self.syncs) {
            let salt = self.syncs;
            self.keep_some_sectors(salt);
            return self.fail(ErrorKind::Other);
        }
        Ok(())
    }

    /// Makes what is not synced of those sectors durable.
    fn keep_sectors(&mut self, sectors: Range<usize>) {
        let synced: Vec<usize> = self.dirty.range(sectors).copied().collect();
        for sector in synced {
            self.dirty.remove(&sector);
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.current.len()).min(self.durable.len());
            if start < end {
                self.durable[start..end].copy_from_slice(&self.current[start..end]);
            }
        }
    }

    /// Makes some of what is not synced durable. Which sectors these are depends on their
    /// place alone, for the order of writes between two syncs says nothing.
    fn keep_some_sectors(&mut self, salt: u64) {
        let grows = self.current.len() > self.durable.len();
        let takes_length = Rng::new(self.seed ^ salt, "length").chance(500);
        if takes_length || grows {
            self.durable.resize(self.current.len(), 0);
        }
        for sector in std::mem::take(&mut self.dirty) {
            let is_kept = Rng::new(self.seed ^ salt ^ sector as u64, "sector").chance(500);
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(self.current.len()).min(self.durable.len());
            if is_kept && start < end {
                self.durable[start..end].copy_from_slice(&self.current[start..end]);
            }
        }
    }
}

impl StorageBackend for SimDisk {
    fn len(&self) -> Result<u64> {
        let state = self.state();
        state.check_power()?;
        Ok(state.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let state = self.state();
        state.check_power()?;
        let offset = usize::try_from(offset).map_err(Error::other)?;
        let found = state.current.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let mut state = self.state();
        state.check_power()?;
        let len = usize::try_from(len).map_err(Error::other)?;
        let growth = len.saturating_sub(state.current.len());
        state.take_room(growth)?;
        state.current.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<()> {
        let mut state = self.state();
        state.begin_sync()?;
        let len = state.current.len();
        state.durable.resize(len, 0);
        state.keep_sectors(0..len.div_ceil(SECTOR));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let mut state = self.state();
        state.check_power()?;
        let offset = usize::try_from(offset).map_err(Error::other)?;
        if data.is_empty() {
            return Ok(());
        }
        if state.is_cut() {
            let whole_sectors = data.len() / SECTOR / 2 * SECTOR;
            if whole_sectors > 0 {
                state.put(offset, &data[..whole_sectors]);
            }
            state.power.switch_off();
            return Err(Error::other("the power is off"));
        }
        state.writes += 1;
        if state.script.fail_write == Some(state.writes) {
            return state.fail(ErrorKind::Other);
        }
        state.take_room(data.len())?;
        state.put(offset, data);
        Ok(())
    }
}

impl Storage for SimDisk {
    /// What else was written may be lost.
    fn write_durably(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.write(offset, data)?;
        let mut state = self.state();
        state.begin_sync()?;
        let offset = usize::try_from(offset).map_err(Error::other)?;
        state.keep_sectors(offset / SECTOR..(offset + data.len()).div_ceil(SECTOR));
        Ok(())
    }
}
