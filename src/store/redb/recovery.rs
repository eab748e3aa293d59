//! Bringing what a crash left in the journal into the database.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::store::failed::Failed;
use crate::store::records::commit::read_batch;
use crate::store::redb::batch::{Reach, commit, take_in};
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::open::{OpenError, read_state};
use crate::store::redb::reads::Snapshot;
use crate::store::redb::writer_state::WriterState;

/// Takes in every batch that the journal has and the database has not, and learns the
/// state of the writer. Nothing becomes durable by it that was not: the journal goes on behind
/// what was read, so a crash meanwhile changes nothing, and a full disk does not matter. Sales sweep
/// that many postings each, then and later: see [`crate::store::search::tombstones`].
pub fn recover(
    volume: &mut Volume,
    postings_per_sale: usize,
) -> Result<(Snapshot, WriterState), OpenError> {
    // redb may panic on a file that was changed by others.
    match catch_unwind(AssertUnwindSafe(|| take_in_journal(volume, postings_per_sale))) {
        Ok(recovered) => recovered,
        Err(_) => Err(OpenError::Damaged("reading it panicked".to_owned())),
    }
}

fn take_in_journal(
    volume: &mut Volume,
    postings_per_sale: usize,
) -> Result<(Snapshot, WriterState), OpenError> {
    let snapshot = Snapshot::of_file(&volume.db)?;
    let mut state = read_state(&snapshot, postings_per_sale)?;
    let failed = |error: Failed| OpenError::Failed(error.0);
    let txn = volume.db.begin_write().map_err(|error| failed(error.into()))?;
    let open_orders = snapshot.open_orders().clone();
    let before = state.batch;
    while let Some(bytes) = volume.journal.read_after(state.batch).map_err(unreadable)? {
        let (number, mut outcomes) = (state.batch, Vec::new());
        let batch = read_batch(&bytes).map_err(|fault| {
            OpenError::Damaged(format!("its journal after batch {number}: {fault}"))
        })?;
        take_in(&txn, &open_orders, &mut state, batch.iter(), None, &mut outcomes)
            .map_err(failed)?;
        if let Some(refusal) = outcomes.into_iter().find_map(Result::err) {
            let why = format!("its journal does not follow batch {number}: {refusal}");
            return Err(OpenError::Damaged(why));
        }
    }
    if state.batch == before {
        txn.abort().map_err(|error| failed(error.into()))?;
        return Ok((snapshot, state));
    }
    let recovered = commit(&volume.db, txn, Reach::Memory, open_orders, &mut state);
    Ok((recovered.map_err(failed)?, state))
}

fn unreadable(error: io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::InvalidData => OpenError::Damaged(error.to_string()),
        _ => OpenError::Failed(error.to_string()),
    }
}
