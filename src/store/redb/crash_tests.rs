//! Power cuts at every write, change of length and sync of a short history: what was
//! acknowledged is there, nothing is there by half, and what was certainly not written is not.
//! And what the store says when its disk fails, panics or is slow.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use redb::{Key, ReadableTable as _, TableDefinition, TableHandle as _, Value};

use crate::domain::Commit;
use crate::store::records::state::names;
use crate::store::redb::engine::disk::{Disk, Fault};
use crate::store::redb::reads::Snapshot;
use crate::store::redb::tables;
use crate::store::testing::{World, in_memory, listed, read};
use crate::store::{
    CommitError, ReadError, RedbStore, Store, StoreSettings, WriterMode, storage_error,
};

/// Closing the store takes fewer operations than this. They are cut too.
const WHILE_CLOSING: u64 = 40;
/// So little that pages are written before they must be.
const CACHE_BYTES: usize = 16 << 10;
/// Room for a few batches, so that many a checkpoint is cut.
const JOURNAL_BYTES: u64 = 5 * 4096;
/// More operations than the database ever waits for: only what must be on the disk is.
const FAR_BEHIND: usize = 100_000;
/// How many commits are written together, in turn.
const BATCHES: [usize; 4] = [1, 3, 1, 5];
/// So few that a round of the sweep takes a few sales.
const POSTINGS_PER_SALE: usize = 12;

fn settings(writer: WriterMode) -> StoreSettings {
    StoreSettings {
        cache_bytes: CACHE_BYTES,
        journal_bytes: JOURNAL_BYTES,
        postings_per_sale: POSTINGS_PER_SALE,
        queue: 8,
        writer,
        ..StoreSettings::default()
    }
}

fn open(disk: &Disk, writer: WriterMode) -> RedbStore {
    open_with(settings(writer), disk)
}

fn open_with(settings: StoreSettings, disk: &Disk) -> RedbStore {
    RedbStore::open_backend(disk.clone(), settings).expect("a store that opens")
}

/// A store whose disk is so many operations of the database behind.
fn open_behind(disk: &Disk, disk_lag: usize) -> RedbStore {
    open_with(StoreSettings { disk_lag, ..settings(WriterMode::Inline) }, disk)
}

/// What is left of sold tickets in these depends on where rounds of the sweep ended, which batches
/// that are taken in together after a crash share; that they fit the rows is verified.
const SWEPT: [&str; 2] = ["words", "lingering"];

/// A hash of everything in a store that does not follow from the rest.
fn image(store: &RedbStore) -> u64 {
    struct Hash<'s>(&'s Snapshot, DefaultHasher);
    impl tables::Visitor for Hash<'_> {
        type Error = ReadError;
        fn visit<K: Key + 'static, V: Value + 'static>(
            &mut self,
            table: TableDefinition<'static, K, V>,
        ) -> Result<(), ReadError> {
            if SWEPT.contains(&table.name()) {
                return Ok(());
            }
            for entry in self.0.table(table)?.iter().map_err(storage_error)? {
                let (key, value) = entry.map_err(storage_error)?;
                if K::as_bytes(&key.value()).as_ref() == names::ROUND.as_bytes() {
                    continue;
                }
                self.1.write(K::as_bytes(&key.value()).as_ref());
                self.1.write(V::as_bytes(&value.value()).as_ref());
            }
            self.1.write_u8(0xff);
            Ok(())
        }
    }
    let snapshot = store.now();
    let mut hash = Hash(&snapshot, DefaultHasher::new());
    tables::visit(&mut hash).expect("a store that can be read");
    hash.1.finish()
}

/// A bit of everything and some sales more, in batches.
async fn history() -> Vec<Vec<Commit>> {
    let world = World::new(in_memory());
    world.gets_busy().await;
    let (cleo, dan) = (world.user("cleo").await, world.user("dan").await);
    for price in 1..=3 {
        let ticket = world.lists(cleo, "Rock Opera", price).await;
        let order = world.locks(dan, ticket).await;
        world.buys(order).await;
    }
    let mut commits = world.history().into_iter();
    let mut sizes = BATCHES.iter().cycle();
    let mut batches = Vec::new();
    loop {
        let batch: Vec<_> = commits.by_ref().take(*sizes.next().unwrap_or(&1)).collect();
        if batch.is_empty() {
            return batches;
        }
        batches.push(batch);
    }
}

async fn write(store: &RedbStore, batch: &[Commit]) -> Vec<Result<(), CommitError>> {
    join_all(batch.iter().cloned().map(|commit| store.commit(commit))).await
}

/// A disk with an empty store on it.
async fn a_new_disk() -> Disk {
    let disk = Disk::default();
    drop(open(&disk, WriterMode::Thread));
    disk
}

/// A history, what the store looks like after each of its batches, and how far behind its disk is.
struct History<'h> {
    new: &'h Disk,
    batches: &'h [Vec<Commit>],
    images: &'h [u64],
    lag: usize,
}

/// Cuts the power after so many operations; `false` if the history ended before.
async fn cut(history: &History<'_>, at: u64, fault: Fault) -> bool {
    let History { new, batches, images, lag } = *history;
    let disk = Disk::holding(new.durable());
    let store = open_behind(&disk, lag);
    disk.fault_after(at, fault);
    let mut acknowledged = 0;
    let mut failure = None;
    for batch in batches {
        let results = write(&store, batch).await;
        if let Some(Err(error)) = results.iter().find(|result| result.is_err()) {
            assert!(results.iter().all(Result::is_err), "none is durable alone: {results:?}");
            failure = Some(error.clone());
            break;
        }
        acknowledged += 1;
    }
    if let Some(error) = &failure {
        assert!(matches!(error, CommitError::OutcomeUnknown | CommitError::Unavailable));
        assert!(store.failure().is_some());
        let next = batches[0][0].clone();
        assert_eq!(store.commit(next).await, Err(CommitError::Unavailable));
    }
    drop(store);
    // Lets the writer's task end and the disk be closed.
    tokio::task::yield_now().await;

    let disk = Disk::holding(disk.durable());
    let store = open(&disk, WriterMode::Inline);
    let found = image(&store);
    let is_acknowledged = found == images[acknowledged];
    let may_be_next = failure == Some(CommitError::OutcomeUnknown);
    let is_next = may_be_next && images.get(acknowledged + 1) == Some(&found);
    assert!(
        is_acknowledged || is_next,
        "cut at {at}, {lag} behind: {acknowledged} batches, {failure:?}"
    );
    let report = store.verify().expect("a store that can be read");
    assert!(report.is_sound(), "cut at {at}, {lag} behind: {report}");
    failure.is_some()
}

/// Cuts the power at every `step`th operation of a history, in every way.
async fn cut_everywhere(lag: usize, step: usize) {
    let batches = history().await;
    let new = a_new_disk().await;
    let store = open(&Disk::holding(new.durable()), WriterMode::Inline);
    let mut images = vec![image(&store)];
    for batch in &batches {
        assert!(write(&store, batch).await.iter().all(Result::is_ok));
        images.push(image(&store));
    }
    let history = History { new: &new, batches: &batches, images: &images, lag };
    let mut cuts = 0;
    for at in (1..).step_by(step) {
        let lose_all = cut(&history, at, Fault::LoseAll).await;
        cut(&history, at, Fault::Forget).await;
        for seed in [at, at.wrapping_mul(0x9E37_79B9_7F4A_7C15)] {
            cut(&history, at, Fault::LoseSome(seed)).await;
        }
        if lose_all {
            cuts = at;
        } else if at > cuts + WHILE_CLOSING {
            break;
        }
    }
    assert!(cuts > 100, "{cuts} cuts");
}

/// How many operations lie between the cuts of a plain test run; a prime, so that it falls in with
/// no rhythm of the store's.
const SAMPLED: usize = 29;

#[tokio::test]
async fn no_power_cut_loses_or_halves_anything() {
    cut_everywhere(0, SAMPLED).await;
}

#[tokio::test]
async fn no_power_cut_does_so_while_the_disk_is_a_little_behind() {
    cut_everywhere(9, SAMPLED).await;
}

#[tokio::test]
async fn no_power_cut_does_so_while_the_disk_is_as_far_behind_as_it_may_be() {
    cut_everywhere(FAR_BEHIND, SAMPLED).await;
}

#[tokio::test]
#[ignore = "takes minutes: scripts/test-power-cuts"]
async fn no_power_cut_at_any_operation_loses_or_halves_anything() {
    cut_everywhere(0, 1).await;
}

#[tokio::test]
#[ignore = "takes minutes: scripts/test-power-cuts"]
async fn no_power_cut_at_any_operation_does_so_while_the_disk_is_a_little_behind() {
    cut_everywhere(9, 1).await;
}

#[tokio::test]
#[ignore = "takes minutes: scripts/test-power-cuts"]
async fn no_power_cut_at_any_operation_does_so_while_the_disk_is_as_far_behind_as_it_may_be() {
    cut_everywhere(FAR_BEHIND, 1).await;
}

#[tokio::test]
async fn a_power_cut_while_recovering_loses_nothing_either() {
    let batches = history().await;
    let new = a_new_disk().await;
    let store = open_behind(&new, FAR_BEHIND);
    for batch in &batches {
        write(&store, batch).await;
    }
    let (expected, crashed) = (image(&store), new.durable());
    for at in 1..20 {
        for fault in [Fault::LoseAll, Fault::LoseSome(at)] {
            let disk = Disk::holding(crashed.clone());
            disk.fault_after(at, fault);
            let settings = StoreSettings { writer: WriterMode::Inline, ..Default::default() };
            drop(RedbStore::open_backend(disk.clone(), settings));
            tokio::task::yield_now().await;
            let again = open(&Disk::holding(disk.durable()), WriterMode::Inline);
            assert_eq!(image(&again), expected, "cut at {at}");
        }
    }
}

#[tokio::test]
async fn a_failure_is_final_and_told() {
    let disk = a_new_disk().await;
    let store = Arc::new(open(&disk, WriterMode::Thread));
    let world = World::new(store.clone());
    let ana = world.user("ana").await;
    assert_eq!(store.failed().now_or_never(), None);
    disk.fault_after(1, Fault::LoseAll);
    let ticket = world.new_ticket(ana, "Rock", 100);
    let lost = store.commit(listed(ticket)).await;
    assert!(matches!(lost, Err(CommitError::OutcomeUnknown | CommitError::Unavailable)));
    assert!(store.failed().await.contains("no power"));
    let ticket = world.new_ticket(ana, "Jazz", 100);
    assert_eq!(store.commit(listed(ticket)).await, Err(CommitError::Unavailable));
}

#[tokio::test]
async fn a_panic_of_the_writer_is_a_failure() {
    let disk = a_new_disk().await;
    let store = Arc::new(open_with(
        StoreSettings { cache_bytes: 4 << 20, ..settings(WriterMode::Inline) },
        &disk,
    ));
    let world = World::new(store.clone());
    let ana = world.user("ana").await;
    // Until the file has room for the next batch, so that the first thing written is the batch. With
    // a thread for the disk it may be what is left of a checkpoint.
    for _ in 0..20 {
        store.commit(listed(world.new_ticket(ana, "Soul", 100))).await.unwrap();
    }
    disk.fault_after(1, Fault::Panic);
    let lost = store.commit(listed(world.new_ticket(ana, "Rock", 100))).await;
    assert_eq!(lost, Err(CommitError::OutcomeUnknown));
    assert!(store.failed().await.contains("the disk panics"));
    let ticket = world.new_ticket(ana, "Jazz", 100);
    assert_eq!(store.commit(listed(ticket)).await, Err(CommitError::Unavailable));
}

/// Waits until the writer has taken everything from the queue.
async fn taken(store: &RedbStore) {
    while store.stats().queued_commits > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let disk = a_new_disk().await;
    let store = Arc::new(open(&disk, WriterMode::Thread));
    let world = World::new(store.clone());
    let ana = world.user("ana").await;
    disk.close_gate();
    let commit = || store.commit(listed(world.new_ticket(ana, "Rock", 100)));
    let mut waiting = vec![Box::pin(commit())];
    assert!(waiting[0].as_mut().now_or_never().is_none());
    taken(&store).await;
    for _ in 0..8 {
        let mut next = Box::pin(commit());
        assert!(next.as_mut().now_or_never().is_none());
        waiting.push(next);
    }
    assert_eq!(store.stats().queued_commits, 8);
    assert_eq!(commit().await, Err(CommitError::Overloaded));
    disk.open_gate();
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    assert_eq!(commit().await, Ok(()), "there is room again");
    assert_eq!(read(store.events(0, 100).await).len(), 11);
}

#[tokio::test]
async fn what_is_queued_is_written_before_the_store_is_gone() {
    let disk = a_new_disk().await;
    let store = Arc::new(open(&disk, WriterMode::Thread));
    let world = World::new(store.clone());
    let ana = world.user("ana").await;
    disk.close_gate();
    for _ in 0..5 {
        let commit = store.commit(listed(world.new_ticket(ana, "Rock", 100)));
        assert!(commit.now_or_never().is_none(), "nobody waits for it any more");
    }
    let gate = disk.clone();
    let opener = tokio::task::spawn_blocking(move || gate.open_gate());
    drop(world);
    drop(store);
    opener.await.expect("no panic");
    let store = open(&Disk::holding(disk.durable()), WriterMode::Inline);
    assert_eq!(read(store.events(0, 100).await).len(), 6);
}

#[tokio::test]
async fn the_observer_is_told_of_every_batch() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let observer = {
        let seen = seen.clone();
        Arc::new(move |commits: usize, _: Duration| seen.lock().expect("no panic").push(commits))
    };
    let settings = StoreSettings {
        writer: WriterMode::Inline,
        observer: Some(observer),
        ..StoreSettings::default()
    };
    let store = RedbStore::open_backend(Disk::default(), settings).expect("a new store");
    let batches = history().await;
    for batch in &batches {
        write(&store, batch).await;
    }
    let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
    assert_eq!(*seen.lock().expect("no panic"), sizes, "the same calls make the same batches");
}
