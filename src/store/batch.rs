//! Taking the commits of a batch into a transaction of the database, when they are made and when
//! they are read from the journal.

use std::sync::Arc;

use redb::{Database, Durability, WriteTransaction};

use super::CommitError;
use super::apply::{Tally, apply, sweep_keys};
use super::check::{Failed, OpenNow, Stop, check};
use super::log::Appender;
use super::open_orders::OpenOrders;
use super::reads::Snapshot;
use super::tables::BATCH_KEY;
use super::write_tables::WriteTables;
use crate::domain::{Commit, Write};

/// Writes what may be written of a batch, and says how each commit fares if that succeeds.
/// `false` if there is nothing to write.
pub fn take_in<'c>(
    txn: &WriteTransaction,
    open_orders: &OpenOrders,
    tally: &mut Tally,
    commits: impl Iterator<Item = &'c Commit>,
    outcomes: &mut Vec<Result<(), CommitError>>,
) -> Result<bool, Failed> {
    let mut tables = WriteTables::new(txn);
    let mut log = Appender::after(tally.last_seq);
    let mut newest = None;
    let mut keys_added = 0;
    for commit in commits {
        let open = OpenNow { published: open_orders, batch: &tally.openings };
        match check(&mut tables, open, commit) {
            Ok(checked) => {
                apply(&mut tables, tally, &mut log, checked)?;
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
    if !log.is_empty() {
        log.write(tables.events.open()?)?;
    }
    let next = tally.batch.checked_add(1);
    tally.batch = next.ok_or_else(|| Failed("the number of its last batch is wrong".to_owned()))?;
    tables.meta.open()?.insert(BATCH_KEY, tally.batch)?;
    tally.sweep.write(&mut tables, tally.batch)?;
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
    tally: &mut Tally,
) -> Result<Snapshot, Failed> {
    let durability = match reach {
        Reach::Memory => Durability::None,
        Reach::Checkpoint => Durability::Immediate,
    };
    txn.set_durability(durability)?;
    txn.set_quick_repair(reach == Reach::Checkpoint);
    txn.commit()?;
    // Before there is a snapshot: it can undo what is new to it, but not miss what is old.
    tally.sweep.publish();
    tally.openings.publish(&open_orders);
    let lingering = tally.sweep.lingering().clone();
    Snapshot::of(db, open_orders, lingering).map_err(|error| Failed(error.to_string()))
}
