//! Bringing what a crash left in the journal into the database.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::redb::apply::Tally;
use crate::store::redb::batch::{Reach, commit, take_in};
use crate::store::redb::check::Failed;
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::open::{OpenError, read_tally};
use crate::store::redb::reads::Snapshot;

/// Takes in every batch that the journal has and the database has not, and learns what the
/// writer knows by heart. Nothing becomes durable by it that was not: the journal goes on behind
/// what was read, so a crash meanwhile changes nothing, and a full disk does not matter. Sales sweep
/// that many postings each, then and later: see [`crate::store::search::lingering`].
pub fn recover(
    volume: &mut Volume,
    postings_per_sale: usize,
) -> Result<(Snapshot, Tally), OpenError> {
    // redb may panic on a file that was changed by others.
    match catch_unwind(AssertUnwindSafe(|| take_in_journal(volume, postings_per_sale))) {
        Ok(recovered) => recovered,
        Err(_) => Err(OpenError::Damaged("reading it panicked".to_owned())),
    }
}

fn take_in_journal(
    volume: &mut Volume,
    postings_per_sale: usize,
) -> Result<(Snapshot, Tally), OpenError> {
    let snapshot = Snapshot::of_file(&volume.db)?;
    let mut tally = read_tally(&snapshot, postings_per_sale)?;
    let failed = |error: Failed| OpenError::Failed(error.0);
    let txn = volume.db.begin_write().map_err(|error| failed(error.into()))?;
    let open_orders = snapshot.open_orders().clone();
    let before = tally.batch;
    while let Some(batch) = volume.journal.read_after(tally.batch).map_err(unreadable)? {
        let (number, mut outcomes) = (tally.batch, Vec::new());
        take_in(&txn, &open_orders, &mut tally, batch.iter(), &mut outcomes).map_err(failed)?;
        if let Some(refusal) = outcomes.into_iter().find_map(Result::err) {
            let why = format!("its journal does not follow batch {number}: {refusal}");
            return Err(OpenError::Damaged(why));
        }
    }
    if let Some(later) = volume.journal.beyond(tally.batch).map_err(unreadable)? {
        let last = tally.batch;
        let why = format!("its journal has batch {later}, but not those after batch {last}");
        return Err(OpenError::Damaged(why));
    }
    if tally.batch == before {
        txn.abort().map_err(|error| failed(error.into()))?;
        return Ok((snapshot, tally));
    }
    let recovered = commit(&volume.db, txn, Reach::Memory, open_orders, &mut tally);
    Ok((recovered.map_err(failed)?, tally))
}

fn unreadable(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::InvalidData => OpenError::Damaged(error.to_string()),
        _ => OpenError::Failed(error.to_string()),
    }
}
