//! Taking the commits of a batch into a transaction of the database, when they are made and when
//! they are read from the journal.

use std::sync::Arc;

use redb::{Database, Durability, WriteTransaction};

use crate::domain::{Commit, Write};
use crate::store::CommitError;
use crate::store::failed::{Failed, Stop};
use crate::store::records;
use crate::store::records::commit::BatchBytes;
use crate::store::records::state::{Batch, names};
use crate::store::redb::apply::{apply, sweep_keys};
use crate::store::redb::check::{OpenNow, check};
use crate::store::redb::log::Appender;
use crate::store::redb::open_orders::OpenOrders;
use crate::store::redb::reads::{Kept, Snapshot};
use crate::store::redb::write_tables::WriteTables;
use crate::store::redb::writer_state::WriterState;
use crate::store::search::blocks;

/// Writes what may be written of a batch, and says how each commit fares if that succeeds.
/// `false` if there is nothing to write. What is written is kept for the journal, too, if it is
/// to be.
pub fn take_in<'c>(
    txn: &WriteTransaction,
    open_orders: &OpenOrders,
    state: &mut WriterState,
    commits: impl Iterator<Item = &'c Commit>,
    mut journal: Option<&mut BatchBytes>,
    outcomes: &mut Vec<Result<(), CommitError>>,
) -> Result<bool, Failed> {
    let mut tables = WriteTables::new(txn);
    let mut log = Appender::after(state.last_seq);
    let mut words = blocks::Changes::default();
    let mut newest = None;
    let mut keys_added = 0;
    for commit in commits {
        let open = OpenNow { published: open_orders, batch: &state.openings };
        match check(&mut tables, open, commit) {
            Ok(checked) => {
                if let Some(journal) = &mut journal {
                    let kept = journal.push(checked.at, checked.written(), checked.events.iter());
                    kept.map_err(|error| Failed(error.to_string()))?;
                }
                apply(&mut tables, state, &mut log, &mut words, checked)?;
                newest = newest.max(Some(commit.at));
                keys_added += remembered(commit);
                outcomes.push(Ok(()));
            }
            Err(Stop::Refused(refused)) => outcomes.push(Err(refused)),
            Err(Stop::Failed(failed)) => return Err(failed),
        }
    }
    let Some(now) = newest else { return Ok(false) };
    sweep_keys(&mut tables, now, keys_added)?;
    if !words.is_empty() {
        words.write(tables.words.open()?)?;
    }
    std::mem::take(&mut state.stock).write(&mut tables)?;
    if !log.is_empty() {
        log.write(tables.events.open()?)?;
    }
    let next = state.batch.checked_add(1);
    state.batch = next.ok_or_else(|| Failed("the number of its last batch is wrong".to_owned()))?;
    let row = records::encode(names::BATCH, &Batch(state.batch));
    let row = row.map_err(|error| Failed(error.to_string()))?;
    tables.state.open()?.insert(names::BATCH, row.as_slice())?;
    state.sweep.write(&mut tables, state.batch)?;
    Ok(true)
}

fn remembered(commit: &Commit) -> usize {
    commit.writes.iter().filter(|write| matches!(write, Write::Remember(_))).count()
}

/// What the commit of a transaction is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Show the changes to readers. The journal has them.
    Memory,
    /// Make all changes durable, in a way that opening after a crash takes the same time
    /// whatever the size of the file.
    Checkpoint,
}

/// Commits what was taken in, and returns the store as it is then.
pub fn commit(
    db: &Database,
    mut txn: WriteTransaction,
    reach: Reach,
    open_orders: Arc<OpenOrders>,
    state: &mut WriterState,
) -> Result<Snapshot, Failed> {
    let durability = match reach {
        Reach::Memory => Durability::None,
        Reach::Checkpoint => Durability::Immediate,
    };
    txn.set_durability(durability)?;
    txn.set_quick_repair(reach == Reach::Checkpoint);
    txn.commit()?;
    // Before there is a snapshot: it can undo what is new to it, but not miss what is old.
    state.sweep.publish();
    state.openings.publish(&open_orders);
    let kept = state.keep();
    let snapshot = Snapshot::of(db, open_orders, state.sweep.tombstones().clone());
    let snapshot = snapshot.map_err(|error| Failed(error.to_string()))?;
    Ok(snapshot.keeping(kept))
}

impl WriterState {
    /// What readers may keep from now on: nothing that the batch has changed. Its snapshot must not
    /// be known to anyone yet.
    pub fn keep(&mut self) -> Kept {
        self.rows.forget(self.changed.drain(..), self.batch);
        let appeared = self.skip_ranges.appear(self.appeared.drain(..));
        let (rows, skip_ranges) = (self.rows.clone(), self.skip_ranges.clone());
        Kept { rows, batch: self.batch, skip_ranges, appeared }
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::store::redb::open::{open_backend, read_state};
    use crate::store::redb::verify::verify_snapshot;
    use crate::store::testing::{World, in_memory};

    #[tokio::test]
    async fn commits_lead_to_the_same_store_however_they_are_batched() {
        let world = World::new(in_memory());
        world.gets_busy().await;
        let cleo = world.user("cleo").await;
        let (edited, gone) =
            (world.lists(cleo, "Rock Jazz", 7).await, world.lists(cleo, "Rock", 7).await);
        world.edits(edited, Some("Rock Opera"), None).await;
        world.edits(edited, Some("Jazz Opera"), None).await;
        world.edits(gone, Some("Jazz"), None).await;
        world.withdraws(gone).await;
        let commits = world.history();
        for size in [1, 3, commits.len()] {
            let volume = open_backend(Arc::new(InMemoryBackend::new()), 1 << 20, 1 << 16);
            let db = volume.expect("an empty store opens").db;
            let empty = Snapshot::of_file(&db).expect("a snapshot");
            let (open_orders, state) = (empty.open_orders().clone(), read_state(&empty, 1));
            let mut state = state.expect("an empty store");
            for batch in commits.chunks(size) {
                let (txn, mut outcomes) = (db.begin_write().expect("a transaction"), Vec::new());
                let batch = batch.iter();
                let taken = take_in(&txn, &open_orders, &mut state, batch, None, &mut outcomes);
                assert!(matches!(taken, Ok(true)) && outcomes.iter().all(Result::is_ok));
                let committed =
                    commit(&db, txn, Reach::Memory, open_orders.clone(), &mut state).is_ok();
                assert!(committed);
            }
            let report = verify_snapshot(&Snapshot::of_file(&db).expect("a snapshot"));
            let report = report.expect("a store that can be read");
            assert!(report.is_sound(), "{size} at once: {report}");
            assert_eq!(report.counts.tickets_available, 4);
        }
    }
}
