//! The disk as the database sees it, which is a little ahead of the disk as it is.
//!
//! A checkpoint writes thousands of pages all over the file and syncs them, and whoever commits
//! meanwhile would wait for it. Nobody has to, for the journal has all that is in those pages. So
//! the database is told at once that its writes and syncs are done, and a thread does them in the
//! order in which they were asked for, one after the other. At every moment the disk holds what it
//! would have held a little earlier, had the database waited: a power cut leaves nothing that it
//! could not have left then. What was written is read from memory until it is on the disk.
//!
//! One thing depends on what the disk really has: the journal may write over what a checkpoint has
//! only when the checkpoint is there. It waits for that by the number of the operation.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use redb::StorageBackend;

use crate::store::failed::panic_message;
use crate::store::redb::engine::fail_stop::FailStop;

/// How much may be on its way to the disk, in bytes: whoever writes more waits. A checkpoint is
/// about 10 MB.
const PENDING_MAX: usize = 32 << 20;

/// How much is pending, in bytes, before the thread is woken for it. It has to wake for a sync
/// anyway; to wake it for each page would cost more than the page.
const WORTH_WAKING: usize = 1 << 20;

/// When what was asked for is done.
#[derive(Debug)]
enum Pace {
    /// At once, but for so many of the latest operations.
    Lag(usize),
    /// When a thread gets round to it.
    Thread(JoinHandle<()>),
}

#[derive(Debug, Clone)]
enum Operation {
    Write(u64, Arc<[u8]>),
    Sync,
}

impl Operation {
    fn bytes(&self) -> usize {
        match self {
            Self::Write(_, data) => data.len(),
            Self::Sync => 0,
        }
    }
}

#[derive(Debug)]
struct State {
    pace: Pace,
    /// In the order in which they were asked for. The first may be under way.
    pending: VecDeque<Operation>,
    /// How much the pending ones write.
    bytes: usize,
    /// How many were asked for since the file was opened.
    asked: u64,
    /// Whether the thread is to do all that is pending.
    is_due: bool,
    /// How many wait for progress.
    waiting: usize,
    is_closing: bool,
}

impl State {
    fn done(&self) -> u64 {
        self.asked.saturating_sub(self.pending.len() as u64)
    }

    fn take_first(&mut self) {
        if let Some(operation) = self.pending.pop_front() {
            self.bytes = self.bytes.saturating_sub(operation.bytes());
        }
    }
}

/// A storage that is written to later, and in order.
#[derive(Debug)]
pub struct WriteBehind {
    storage: Arc<FailStop>,
    state: Mutex<State>,
    /// Told when something is asked for.
    work: Condvar,
    /// Told when something is done, or nothing will be any more.
    progress: Condvar,
}

impl WriteBehind {
    /// A storage that is never behind, until it is told to be.
    pub fn new(storage: Arc<FailStop>) -> Arc<Self> {
        let state = State {
            pace: Pace::Lag(0),
            pending: VecDeque::new(),
            bytes: 0,
            asked: 0,
            is_due: false,
            waiting: 0,
            is_closing: false,
        };
        let (work, progress) = (Condvar::new(), Condvar::new());
        Arc::new(Self { storage, state: Mutex::new(state), work, progress })
    }

    /// From now on a thread does what is asked for. It calls `tell` with the reason if it fails,
    /// for it may be long before anybody asks for something again.
    ///
    /// # Errors
    ///
    /// There can be no more threads.
    pub fn run_on_thread(
        self: &Arc<Self>,
        tell: impl Fn(String) + Send + 'static,
    ) -> io::Result<()> {
        let mut state = self.state();
        let behind = self.clone();
        let builder = thread::Builder::new().name("store-disk".to_owned());
        let work = move || {
            if let Err(error) = behind.work() {
                tell(error.to_string());
            }
        };
        state.pace = Pace::Thread(builder.spawn(work)?);
        Ok(())
    }

    /// From now on so many operations wait for others that push them on. The same calls then
    /// always lead to the same operations at the same time, as simulations need it.
    pub fn lag(&self, operations: usize) {
        self.state().pace = Pace::Lag(operations);
    }

    /// The storage itself, for what does not change it and for its locks.
    pub fn whole(&self) -> &dyn StorageBackend {
        self.storage.whole()
    }

    /// The number of the latest operation.
    pub fn asked(&self) -> u64 {
        self.state().asked
    }

    /// Waits until the operation of that number, and all before it, are done.
    ///
    /// # Errors
    ///
    /// The storage has failed.
    pub fn wait_for(&self, number: u64) -> io::Result<()> {
        self.wait_until(|state| state.done() >= number)
    }

    /// See [`StorageBackend::read`].
    ///
    /// Nobody writes what is being read, so what is pending when this begins is all that the disk
    /// may not have yet. If it is done meanwhile, it is read twice.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let newer = self.pending_at(offset, out.len());
        self.storage.read(offset, out)?;
        for (start, data) in newer {
            overlay(offset, out, start, &data);
        }
        Ok(())
    }

    /// See [`StorageBackend::write`].
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.ask(Operation::Write(offset, data.into()))
    }

    /// See [`StorageBackend::sync_data`].
    pub fn sync_data(&self) -> io::Result<()> {
        self.ask(Operation::Sync)
    }

    /// See [`StorageBackend::set_len`]. It is rare, so it simply waits for everything
    /// before it.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.wait_until(|state| state.pending.is_empty())?;
        self.storage.set_len(len)
    }

    /// Does what is pending. Nothing may be asked for after that.
    ///
    /// # Errors
    ///
    /// The storage has failed, now or before.
    pub fn close(&self) -> io::Result<()> {
        let settled = self.wait_until(|state| state.pending.is_empty());
        let mut state = self.state();
        // What could not be done before fails again, and that ends the thread.
        (state.is_closing, state.is_due) = (true, true);
        let pace = mem::replace(&mut state.pace, Pace::Lag(0));
        drop(state);
        self.work.notify_all();
        if let Pace::Thread(thread) = pace {
            // It catches what panics.
            let _ = thread.join();
        }
        settled
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, operation: Operation) -> io::Result<()> {
        self.storage.must_work()?;
        let mut state = self.state();
        let is_sync = matches!(operation, Operation::Sync);
        state.asked = state.asked.saturating_add(1);
        state.bytes = state.bytes.saturating_add(operation.bytes());
        state.pending.push_back(operation);
        let becomes_due = !state.is_due && (is_sync || state.bytes >= WORTH_WAKING);
        state.is_due |= becomes_due;
        let lag = match state.pace {
            Pace::Lag(operations) => operations,
            Pace::Thread(_) => usize::MAX,
        };
        drop(state);
        if becomes_due {
            self.work.notify_one();
        }
        self.wait_until(|state| state.pending.len() <= lag && state.bytes <= PENDING_MAX)
    }

    /// Waits for the thread, or does what is pending itself.
    fn wait_until(&self, is_so: impl Fn(&State) -> bool) -> io::Result<()> {
        let mut state = self.state();
        while !is_so(&state) {
            self.storage.must_work()?;
            match (&state.pace, state.pending.front().cloned()) {
                (Pace::Thread(_), _) => {
                    state.is_due = true;
                    state.waiting += 1;
                    self.work.notify_one();
                    let woken = self.progress.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                    state.waiting -= 1;
                }
                (Pace::Lag(_), Some(operation)) => {
                    self.perform(&operation)?;
                    state.take_first();
                }
                (Pace::Lag(_), None) => return Ok(()),
            }
        }
        Ok(())
    }

    fn perform(&self, operation: &Operation) -> io::Result<()> {
        match operation {
            Operation::Write(offset, data) => self.storage.write(*offset, data),
            Operation::Sync => self.storage.sync_data(),
        }
    }

    /// What the thread does, until the storage is closed or fails.
    fn work(&self) -> io::Result<()> {
        while let Some(operation) = self.next() {
            let performed = catch_unwind(AssertUnwindSafe(|| self.perform(&operation)));
            let performed = performed.unwrap_or_else(|panic| {
                let why = format!("writing to the storage panicked: {}", panic_message(&*panic));
                self.storage.give_up(why.clone());
                Err(io::Error::other(why))
            });
            let mut state = self.state();
            // What failed stays pending, so that it can still be read.
            if performed.is_ok() {
                state.take_first();
            }
            // To tell nobody is a call of the system, too.
            let is_awaited = state.waiting > 0;
            drop(state);
            if is_awaited {
                self.progress.notify_all();
            }
            performed?;
        }
        Ok(())
    }

    fn next(&self) -> Option<Operation> {
        let mut state = self.state();
        loop {
            match state.pending.front() {
                Some(operation) if state.is_due => return Some(operation.clone()),
                None if state.is_closing => return None,
                Some(_) => {}
                None => state.is_due = false,
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is pending there, in order.
    fn pending_at(&self, offset: u64, len: usize) -> Vec<(u64, Arc<[u8]>)> {
        let end = offset.saturating_add(len as u64);
        let state = self.state();
        let here = state.pending.iter().filter_map(|operation| match operation {
            Operation::Write(start, data)
                if *start < end && start.saturating_add(data.len() as u64) > offset =>
            {
                Some((*start, data.clone()))
            }
            Operation::Write(..) | Operation::Sync => None,
        });
        here.collect()
    }
}

/// Puts those bytes of `data` over `out` that are at the same place.
fn overlay(offset: u64, out: &mut [u8], start: u64, data: &[u8]) {
    let distance =
        |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    let (skipped, place) = (distance(start, offset), distance(offset, start));
    let data = data.get(skipped..).unwrap_or_default();
    for (byte, newer) in out.iter_mut().skip(place).zip(data) {
        *byte = *newer;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::redb::engine::disk::{Disk, Fault};

    const LEN: usize = 64;

    fn on(disk: &Disk) -> (Arc<FailStop>, Arc<WriteBehind>) {
        let storage = Arc::new(FailStop::new(Arc::new(disk.clone())));
        let behind = WriteBehind::new(storage.clone());
        behind.set_len(LEN as u64).expect("a disk that works");
        (storage, behind)
    }

    fn read(behind: &WriteBehind) -> Vec<u8> {
        let mut out = vec![0; LEN];
        behind.read(0, &mut out).expect("a disk that works");
        out
    }

    #[test]
    fn what_was_written_is_read_before_it_is_on_the_disk() {
        let disk = Disk::default();
        let (storage, behind) = on(&disk);
        behind.lag(100);
        behind.write(4, &[1; 8]).expect("room");
        behind.sync_data().expect("no failure");
        behind.write(8, &[2; 8]).expect("room");
        let mut expected = vec![0; LEN];
        expected[4..8].fill(1);
        expected[8..16].fill(2);
        assert_eq!(read(&behind), expected);
        let mut found = vec![0xff; LEN];
        storage.read(0, &mut found).expect("a disk that works");
        assert_eq!(found, vec![0; LEN], "nothing is there yet");
        behind.wait_for(1).expect("no failure");
        storage.read(0, &mut found).expect("a disk that works");
        assert_eq!((found[4], found[11], found[12]), (1, 1, 0), "the first, and no more");
        behind.close().expect("no failure");
        assert_eq!(disk.durable()[4..8], [1; 4], "synced in its turn");
        storage.read(0, &mut found).expect("a disk that works");
        assert_eq!(found, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_thread_does_the_same_as_whoever_waits(
            operations in prop::collection::vec(
                (0..LEN, 0..LEN, any::<u8>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1)),
                0..60,
            ),
            lag in prop::option::of(0..20_usize),
        ) {
            let memory = InMemoryBackend::new();
            memory.set_len(LEN as u64).expect("memory");
            let behind = WriteBehind::new(Arc::new(FailStop::new(Arc::new(memory))));
            match lag {
                Some(operations) => behind.lag(operations),
                None => behind.run_on_thread(drop).expect("a thread"),
            }
            let mut expected = vec![0; LEN];
            for (start, end, byte, syncs, waits) in operations {
                let (start, end) = (start.min(end), start.max(end));
                expected[start..end].fill(byte);
                behind.write(start as u64, &expected[start..end]).expect("memory");
                if syncs {
                    behind.sync_data().expect("memory");
                }
                if waits {
                    behind.wait_for(behind.asked()).expect("memory");
                }
                prop_assert_eq!(&read(&behind), &expected);
                let mut part = vec![0; end - start];
                behind.read(start as u64, &mut part).expect("memory");
                prop_assert_eq!(&part[..], &expected[start..end]);
            }
            behind.close().expect("memory");
            prop_assert_eq!(read(&behind), expected);
        }
    }

    #[test]
    fn a_failure_of_the_thread_is_told_at_once_and_to_everyone_after_it() {
        for fault in [Fault::LoseAll, Fault::Panic] {
            let disk = Disk::default();
            let (storage, behind) = on(&disk);
            let (tell, told) = std::sync::mpsc::channel();
            behind.run_on_thread(move |why| tell.send(why).expect("a test")).expect("a thread");
            disk.fault_after(2, fault);
            behind.write(0, &[1]).expect("it is done later");
            behind.sync_data().expect("it is done later");
            let why = told.recv().expect("a reason");
            assert!(why.contains("no power") || why.contains("panicked"), "{why}");
            assert!(behind.wait_for(2).is_err(), "{fault:?}");
            assert!(behind.write(2, &[3]).is_err());
            assert!(behind.sync_data().is_err());
            assert!(behind.set_len(0).is_err());
            assert!(storage.write_durably(0, &[4]).is_err(), "the journal is not written either");
            assert!(behind.close().is_err());
        }
    }

    #[test]
    fn a_failure_of_the_journal_ends_the_thread_as_well() {
        let disk = Disk::default();
        let (storage, behind) = on(&disk);
        behind.run_on_thread(drop).expect("a thread");
        behind.write(0, &[1]).expect("too little to wake the thread for");
        disk.fault_after(1, Fault::LoseAll);
        assert!(storage.write_durably(1, &[2]).is_err());
        assert!(behind.close().is_err(), "and it does not wait for ever");
    }

    #[test]
    fn whoever_is_too_far_ahead_waits() {
        let disk = Disk::default();
        let (_, behind) = on(&disk);
        let page = vec![7; 1 << 20];
        behind.set_len(1 << 20).expect("a disk that works");
        behind.run_on_thread(drop).expect("a thread");
        disk.close_gate();
        behind.sync_data().expect("it waits at the gate");
        for _ in 0..PENDING_MAX / page.len() {
            behind.write(0, &page).expect("there is room");
        }
        let (ahead, is_through) = (behind.clone(), Arc::new(Mutex::new(false)));
        let through = is_through.clone();
        let writer = thread::spawn(move || {
            ahead.write(0, &page).expect("a disk that works");
            *through.lock().expect("no panic") = true;
        });
        while behind.state().waiting == 0 {
            thread::yield_now();
        }
        assert!(!*is_through.lock().expect("no panic"));
        disk.open_gate();
        writer.join().expect("no panic");
        behind.close().expect("a disk that works");
    }
}
