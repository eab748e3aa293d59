//! Checking that everything in a store fits together.
//!
//! Every page of the database is held to its checksum and every record is decoded; every index is held to what the rows imply, in both directions;
//! tickets, orders and charges are held to each other; and the log is replayed and compared
//! with the rows. An index is checked by finding each entry that a row implies and counting:
//! only if there are more entries than implied are they looked at one by one (`indexes.rs`).
//!
//! Rows are streamed. What has to be remembered of them, about 50 bytes of a row, is bounded
//! by going through the store several times, for [`ROWS_PER_PASS`] rows each time.

mod accounts;
mod charges;
pub mod contents;
mod indexes;
mod log;
mod orders;
mod resources;
#[cfg(test)]
mod tests;
mod tickets;
mod words;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::{Key, ReadOnlyTable, ReadableTable, TableDefinition, Value};

use crate::domain::Currency;
use crate::domain::{Ticket, Timestamp};
use crate::store::records::state::{Batch, names};
use crate::store::records::{self, Record};
use crate::store::redb::engine::fail_stop::FailStop;
use crate::store::redb::engine::pages::{Pages, Which};
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::open::{self, OpenError};
use crate::store::redb::open_orders::Holders;
use crate::store::redb::reads::{self, Snapshot};
use crate::store::redb::recovery::recover;
use crate::store::redb::tables::{FORMAT_KEY, META, STATE};
use crate::store::redb::verify::indexes::Indexes;
use crate::store::search::tombstones::POSTINGS_PER_SALE;
use crate::store::{ReadError, storage_error};

/// How much memory parts of the file are kept in, in bytes.
const CACHE_BYTES: usize = 64 << 20;
/// The most findings that are listed.
const FINDINGS_MAX: usize = 100;
/// How many rows are remembered at a time, about 50 bytes of each.
const ROWS_PER_PASS: u64 = 1_000_000;

/// What a check has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// What is wrong, one sentence each; at most the first 100.
    pub findings: Vec<String>,
    /// How much is wrong, listed or not.
    pub findings_total: u64,
    /// What there is.
    pub counts: Counts,
}

/// What there is in a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub users: u64,
    /// Tickets that anyone may lock.
    pub tickets_available: u64,
    /// Tickets that an order holds.
    pub tickets_locked: u64,
    /// Tickets of which seats were sold and that sell no more.
    pub tickets_sold: u64,
    /// Tickets that sell no more, and of which none was sold.
    pub tickets_closed: u64,
    /// Tickets that were withdrawn.
    pub tickets_withdrawn: u64,
    /// Open orders without a charge.
    pub orders_created: u64,
    /// Open orders with one.
    pub orders_awaiting_payment: u64,
    /// Orders that were paid.
    pub orders_completed: u64,
    /// Orders that ended without a sale.
    pub orders_cancelled: u64,
    /// Attempts to take money.
    pub charges: u64,
    /// Charges that still owe something to or by the gateway.
    pub charges_unsettled: u64,
    /// When the oldest of those was made.
    pub oldest_unsettled: Option<Timestamp>,
    /// Events in the log.
    pub events: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings_total == 0
    }

    fn of(findings: impl Iterator<Item = String>) -> Self {
        let mut report = Self::default();
        findings.for_each(|finding| report.add(finding));
        report
    }

    fn add(&mut self, finding: String) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { users, charges, charges_unsettled, events, .. } = self.counts;
        let Counts { tickets_available, tickets_locked, tickets_sold, .. } = self.counts;
        let Counts { orders_created, orders_awaiting_payment, .. } = self.counts;
        writeln!(f, "users: {users}")?;
        write!(f, "tickets: {tickets_available} available, {tickets_locked} locked, ")?;
        write!(f, "{tickets_sold} sold, {} withdrawn", self.counts.tickets_withdrawn)?;
        match self.counts.tickets_closed {
            0 => writeln!(f)?,
            closed => writeln!(f, ", {closed} closed")?,
        }
        write!(
            f,
            "orders: {orders_created} created, {orders_awaiting_payment} awaiting payment, "
        )?;
        write!(f, "{} completed, ", self.counts.orders_completed)?;
        writeln!(f, "{} cancelled", self.counts.orders_cancelled)?;
        write!(f, "charges: {charges}, of which {charges_unsettled} are not settled")?;
        match self.counts.oldest_unsettled {
            Some(since) => writeln!(f, " since {since} at most")?,
            None => writeln!(f)?,
        }
        writeln!(f, "events: {events}")?;
        for finding in &self.findings {
            writeln!(f, "WRONG: {finding}")?;
        }
        write!(f, "findings: {}", self.findings_total)
    }
}

/// Checks the store in a file that no server has open. If a crash left it open, what is in its
/// journal is taken in first, in memory: the file is only looked at.
pub fn verify(path: &Path) -> Result<VerifyReport, OpenError> {
    let opened = open::open_to_look(path, &open::builder(CACHE_BYTES));
    let opened = opened.and_then(|volume| {
        open::must_have_format(&volume.db, path)?;
        Ok(volume)
    });
    let (pages, volume) = match opened {
        Ok(volume) => (volume.pages.clone(), Ok(volume)),
        Err(error @ (OpenError::Damaged(_) | OpenError::Failed(_) | OpenError::Io { .. })) => {
            (open::pages_to_look_at(path)?, Err(error))
        }
        Err(error) => return Err(error),
    };
    looked_at(&pages, volume, path)
}

/// Checks what has just been written.
pub(in crate::store) fn verify_storage(storage: FailStop) -> Result<VerifyReport, OpenError> {
    let path = Path::new("(memory)");
    let volume = open::open_volume(storage, &open::builder(CACHE_BYTES), path)?;
    open::must_have_format(&volume.db, path)?;
    looked_at(&volume.pages.clone(), Ok(volume), path)
}

/// What is found in pages, and in the volume that they are of if it opens.
fn looked_at(
    pages: &Pages,
    volume: Result<Volume, OpenError>,
    path: &Path,
) -> Result<VerifyReport, OpenError> {
    let faults = pages.faults(Which::All).map_err(open::io_error(path))?;
    // redb may panic on a file that was changed by others.
    let looked = volume.and_then(|volume| {
        catch_unwind(AssertUnwindSafe(|| verify_volume(volume)))
            .unwrap_or_else(|_| Err(OpenError::Damaged("reading it panicked".to_owned())))
    });
    match looked {
        Err(error) if faults.is_empty() => Err(error),
        Err(error) => Ok(VerifyReport::of(faults.into_iter().chain([error.to_string()]))),
        Ok(report) if faults.is_empty() => Ok(report),
        Ok(report) => {
            let more = report.findings_total - report.findings.len() as u64;
            let mut all = VerifyReport::of(faults.into_iter().chain(report.findings));
            (all.counts, all.findings_total) = (report.counts, all.findings_total + more);
            Ok(all)
        }
    }
}

fn verify_volume(mut volume: Volume) -> Result<VerifyReport, OpenError> {
    match recover(&mut volume, POSTINGS_PER_SALE) {
        Ok((snapshot, _)) => Ok(verify_snapshot(&snapshot)?),
        // What is in the database can be looked at all the same.
        Err(OpenError::Damaged(why)) => {
            let mut report = verify_snapshot(&Snapshot::of_file(&volume.db)?)?;
            report.add(why);
            Ok(report)
        }
        Err(error) => Err(error),
    }
}

/// Checks a store as it was at one moment.
pub(in crate::store) fn verify_snapshot(snapshot: &Snapshot) -> Result<VerifyReport, ReadError> {
    let holders = snapshot.holders();
    let mut inspection = Inspection { snapshot, holders, report: VerifyReport::default() };
    let mut indexes = Indexes::of(&inspection)?;
    accounts::inspect(&mut inspection, &mut indexes)?;
    tickets::inspect(&mut inspection, &mut indexes)?;
    orders::inspect(&mut inspection, &mut indexes)?;
    charges::inspect(&mut inspection, &mut indexes)?;
    resources::inspect(&mut inspection)?;
    indexes.no_more(&mut inspection)?;
    log::inspect(&mut inspection)?;
    file(&mut inspection)?;
    Ok(inspection.report)
}

/// What concerns the whole file can be read, and there is nothing else. (What the round of sold
/// tickets can be is looked at with tickets.)
fn file(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    for entry in inspection.table(STATE)?.iter().map_err(storage_error)? {
        let (name, row) = entry.map_err(storage_error)?;
        match name.value() {
            name @ names::BATCH => {
                inspection.sound(records::decode::<Batch>(name, row.value()))?;
            }
            name @ names::CURRENCY => {
                inspection.sound(records::decode::<Currency>(name, row.value()))?;
            }
            names::ROUND => {}
            other => inspection.wrong(format!("state {other:?}: there is no such value")),
        }
    }
    for entry in inspection.table(META)?.iter().map_err(storage_error)? {
        let (name, _) = entry.map_err(storage_error)?;
        let name = name.value();
        inspection.expect(name == FORMAT_KEY, || format!("meta {name:?}: there is no such value"));
    }
    Ok(())
}

type Rows = ReadOnlyTable<u128, &'static [u8]>;
type RowsDefinition = TableDefinition<'static, u128, &'static [u8]>;

/// A check under way.
struct Inspection<'s> {
    snapshot: &'s Snapshot,
    /// The tickets that open orders hold, about 40 bytes for each.
    holders: Holders,
    report: VerifyReport,
}

impl Inspection<'_> {
    fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, ReadError> {
        self.snapshot.table(definition)
    }

    fn wrong(&mut self, finding: impl Into<String>) {
        self.report.add(finding.into());
    }

    /// A finding unless `is_right`.
    fn expect(&mut self, is_right: bool, finding: impl FnOnce() -> String) {
        if !is_right {
            self.wrong(finding());
        }
    }

    /// What was decoded; damage is a finding and `None`.
    fn sound<T>(&mut self, decoded: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
        match decoded {
            Ok(value) => Ok(Some(value)),
            Err(ReadError::Corrupt(why)) => {
                self.wrong(why);
                Ok(None)
            }
            Err(error @ (ReadError::Storage(_) | ReadError::Unavailable(_))) => Err(error),
        }
    }

    /// The ticket of a row, locked if an open order holds it. That none can is found with orders.
    fn as_it_is(&self, row: Ticket) -> Ticket {
        let holder = self.holders.get(&row.id);
        holder.and_then(|holder| self.snapshot.locked(&row, *holder).ok()).unwrap_or(row)
    }

    /// Shows every record of a table that can be read.
    fn each<T: Record>(
        &mut self,
        definition: RowsDefinition,
        damage: Damage,
        mut look: impl FnMut(&mut Self, u128, T) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        for entry in self.table(definition)?.iter().map_err(storage_error)? {
            let (id, row) = entry.map_err(storage_error)?;
            let id = id.value();
            match (records::decode::<T>(id, row.value()), damage) {
                (Ok(record), _) => look(self, id, record)?,
                (Err(ReadError::Corrupt(_)), Damage::Known) => {}
                (Err(error), _) => drop(self.sound::<T>(Err(error))?),
            }
        }
        Ok(())
    }
}

/// What damaged records of a table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Findings.
    Told,
    /// Findings already.
    Known,
}

/// A record that another one names; `None` if it is missing or damaged, which is found when
/// its own table is looked through.
fn lookup<T: Record>(table: &Rows, id: u128) -> Result<Option<T>, ReadError> {
    match reads::record(table, id) {
        Err(ReadError::Corrupt(_)) => Ok(None),
        found => found,
    }
}

/// One of several passes over the store, each for its share of the ids.
#[derive(Clone, Copy)]
struct Pass {
    number: u128,
    of: u128,
}

impl Pass {
    /// As many passes as that number of rows needs.
    fn all(rows: u64) -> impl Iterator<Item = Self> {
        let of = u128::from(rows / ROWS_PER_PASS + 1);
        (0..of).map(move |number| Self { number, of })
    }

    fn is_first(self) -> bool {
        self.number == 0
    }

    fn takes(self, id: u128) -> bool {
        id % self.of == self.number
    }
}
