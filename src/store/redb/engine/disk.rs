//! A disk for tests: it can lose power, fail, panic, change bytes, or make its user wait.
//!
//! The simulator has another (`tests/sim/world/disk.rs`): that one is part of a world whose power goes for
//! all at once, it can be full, and it is outside of this crate, where what only tests need is not. This
//! one gives the test of a single store what a world must not have, a gate and a panic at an operation.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::store::redb::engine::fail_stop::Storage;

/// What a disk tears a write into when power is lost.
const SECTOR: usize = 512;

/// What happens at an operation that was chosen beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Power is lost: nothing that was not synced stays.
    LoseAll,
    /// Power is lost: of what was not synced, some sectors stay, chosen by this number.
    LoseSome(u64),
    /// The operation panics.
    Panic,
    /// The operation fails, nothing that was not synced stays, and the disk works on as if nothing
    /// had happened: reads see what a power cut would not leave.
    Forget,
}

/// A handle to a disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    gate: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    seen: Vec<u8>,
    /// What a power cut leaves.
    durable: Vec<u8>,
    /// What was done since the last sync.
    pending: Vec<Operation>,
    /// Writes, changes of length and syncs so far.
    operations: u64,
    fault: Option<(u64, Fault)>,
    is_dead: bool,
    is_closed_gate: bool,
}

#[derive(Debug)]
enum Operation {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Disk {
    /// A disk with that on it.
    pub fn holding(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        let mut state = disk.state();
        state.seen.clone_from(&bytes);
        state.durable = bytes;
        drop(state);
        disk
    }

    /// What a power cut would leave now, or has left.
    pub fn durable(&self) -> Vec<u8> {
        self.state().durable.clone()
    }

    /// Flips bits of a byte, whoever uses the disk.
    pub fn flip(&self, at: usize, bits: u8) {
        let mut state = self.state();
        state.seen[at] ^= bits;
        state.durable[at] ^= bits;
    }

    /// Lets something happen after so many more operations.
    pub fn fault_after(&self, operations: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.operations + operations, fault));
    }

    /// Makes syncs wait until the gate is opened again.
    pub fn close_gate(&self) {
        self.state().is_closed_gate = true;
    }

    pub fn open_gate(&self) {
        self.state().is_closed_gate = false;
        self.0.gate.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_behind_the_gate(&self) -> MutexGuard<'_, State> {
        let open = self.0.gate.wait_while(self.state(), |state| state.is_closed_gate);
        open.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.is_dead { Err(io::Error::other("the disk has no power")) } else { Ok(()) }
    }

    /// Counts an operation, and lets happen what is to happen at it.
    fn operate(&mut self) -> io::Result<()> {
        self.alive()?;
        self.operations += 1;
        match self.fault {
            Some((at, Fault::Panic)) if at == self.operations => panic!("the disk panics"),
            Some((at, Fault::Forget)) if at == self.operations => {
                self.pending.clear();
                Err(io::Error::other("the disk has forgotten what it was given"))
            }
            Some((at, fault)) if at == self.operations => {
                if let Fault::LoseSome(seed) = fault {
                    self.keep_some(seed);
                }
                self.is_dead = true;
                self.alive()
            }
            _ => Ok(()),
        }
    }

    fn keep_some(&mut self, seed: u64) {
        let mut random = seed | 1;
        self.keep(|| {
            // Xorshift: no more is asked of it than to be different every time.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.is_multiple_of(2)
        });
    }

    /// Makes durable what is pending, as far as each sector is kept.
    fn keep(&mut self, mut is_kept: impl FnMut() -> bool) {
        for operation in std::mem::take(&mut self.pending) {
            match operation {
                Operation::SetLen(len) if is_kept() => set_len(&mut self.durable, len),
                Operation::SetLen(_) => {}
                Operation::Write(offset, data) => {
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if is_kept() {
                            write(&mut self.durable, offset + (number * SECTOR) as u64, sector);
                        }
                    }
                }
            }
        }
    }
}

fn set_len(bytes: &mut Vec<u8>, len: u64) {
    bytes.resize(usize::try_from(len).expect("a small disk"), 0);
}

fn write(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = usize::try_from(offset).expect("a small disk");
    let end = start + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let state = self.state();
        state.alive()?;
        Ok(state.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        state.alive()?;
        let start = usize::try_from(offset).expect("a small disk");
        let bytes = state.seen.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        set_len(&mut state.seen, len);
        state.pending.push(Operation::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state_behind_the_gate();
        state.operate()?;
        state.keep(|| true);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        write(&mut state.seen, offset, data);
        state.pending.push(Operation::Write(offset, data.to_vec()));
        Ok(())
    }
}

impl Storage for Disk {
    /// Two operations, as writing and syncing are, but what else is pending stays so.
    fn write_durably(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state_behind_the_gate();
        state.operate()?;
        write(&mut state.seen, offset, data);
        state.pending.push(Operation::Write(offset, data.to_vec()));
        state.operate()?;
        state.pending.pop();
        write(&mut state.durable, offset, data);
        Ok(())
    }
}
