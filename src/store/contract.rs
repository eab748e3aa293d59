//! What a store is at its narrowest: rows of bytes, index entries beside them, one log.
//!
//! An implementation of [`Rows`] knows nothing of tickets or orders. It writes a commit whole or
//! not at all, after checks that hold at that very moment; it reads rows and runs of an index, as
//! of one moment; it numbers what is appended to the log without gaps. All that the marketplace
//! asks is made of these by [`super::typed`], once for every implementation, so a resource that
//! is added later needs nothing here.

use std::ops::Bound;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::store::{CommitError, ReadError};

/// A table of rows. What each number stands for is told by [`super::typed::keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub u8);

/// An index. What each number stands for is told by [`super::typed::keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u8);

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The table it is in.
    pub table: Table,
    /// Its place there; rows of a table are ordered by it, byte by byte.
    pub id: Vec<u8>,
}

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// How often it has changed. Rises with every change, not always by one.
    pub version: u64,
    /// The record.
    pub bytes: Vec<u8>,
}

/// A place in an index, with what stands there. It belongs to the row that was written with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The index.
    pub index: Index,
    /// The place; entries are ordered by it, byte by byte. An index holds each place once.
    pub place: Vec<u8>,
    /// What stands there.
    pub value: Vec<u8>,
}

/// What must hold when a commit is written, or nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The row is at this version; `None` if there must be no such row.
    Version {
        /// The row.
        key: Key,
        /// Its version.
        is: Option<u64>,
    },
    /// Fewer entries than that have places which begin so. With a limit of one and a whole place
    /// this is what makes an address unique.
    Fewer {
        /// The index.
        index: Index,
        /// How the places begin that count.
        prefix: Vec<u8>,
        /// The number they must stay below before this commit.
        than: usize,
    },
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row becomes this, and the entries of the row that stood there become these.
    Put {
        /// The row.
        key: Key,
        /// What it becomes.
        row: Row,
        /// All its entries.
        entries: Vec<Entry>,
    },
    /// The row goes, and its entries with it. One that is not there is gone already.
    Delete {
        /// The row.
        key: Key,
    },
    /// Every row of the table whose id begins so goes, but one, whatever there is when the commit
    /// is written.
    DeleteOthers {
        /// The table.
        table: Table,
        /// How their ids begin.
        prefix: Vec<u8>,
        /// The id of the row that stays.
        except: Vec<u8>,
    },
}

/// Changes with what must hold for them, and what is appended to the log along with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowCommit {
    /// What must hold, in the order in which a failure is told.
    pub checks: Vec<Check>,
    /// What changes, in order.
    pub changes: Vec<Change>,
    /// What is appended to the log, in order.
    pub events: Vec<Vec<u8>>,
}

/// Why a commit of rows was not written, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// This check of the commit does not hold. Nothing was written.
    Check(usize),
    /// See [`CommitError::Overloaded`], [`CommitError::Unavailable`] and
    /// [`CommitError::OutcomeUnknown`].
    Store(CommitError),
}

/// A question to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// One row.
    Row(Key),
    /// The rows of a table whose ids begin so, in order.
    Rows {
        /// The table.
        table: Table,
        /// How their ids begin.
        prefix: Vec<u8>,
        /// At most how many.
        limit: usize,
    },
    /// A run of an index.
    Entries(Run),
}

/// A run of an index: entries whose places begin in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The index.
    pub index: Index,
    /// How the places begin.
    pub prefix: Vec<u8>,
    /// Only those that follow this place, which begins so too, in the run's direction.
    pub after: Option<Vec<u8>>,
    /// Whether the run goes from the greatest place to the least.
    pub descending: bool,
    /// At most how many.
    pub limit: usize,
}

impl Run {
    /// Between which places its entries are, in the order of places whatever its direction.
    pub fn bounds(&self) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let (first, last) = (Bound::Included(self.prefix.clone()), end_of(&self.prefix));
        // A place that begins otherwise bounds nothing.
        match (self.after.as_ref().filter(|after| after.starts_with(&self.prefix)), self.descending)
        {
            (None, _) => (first, last),
            (Some(after), false) => (Bound::Excluded(after.clone()), last),
            (Some(after), true) => (first, Bound::Excluded(after.clone())),
        }
    }
}

/// Where bytes end that begin so.
pub fn end_of(prefix: &[u8]) -> Bound<Vec<u8>> {
    after_all(prefix).map_or(Bound::Unbounded, Bound::Excluded)
}

/// The least bytes that are greater than all that begin so; `None` if there are none.
fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    let last = end.last_mut()?;
    *last = last.saturating_add(1);
    Some(end)
}

/// The answer to a [`Read`], of the same kind as the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One row, if it is there.
    Row(Option<Row>),
    /// Rows with their ids.
    Rows(Vec<(Vec<u8>, Row)>),
    /// Entries.
    Entries(Vec<Entry>),
}

/// A store of rows, entries and one log.
#[async_trait]
pub trait Rows: Send + Sync + 'static {
    /// Writes a commit whole or not at all, and returns once it is durable.
    ///
    /// # Errors
    ///
    /// [`Refused::Check`] with the first check that does not hold; [`Refused::Store`] otherwise.
    async fn commit(&self, commit: RowCommit) -> Result<(), Refused>;

    /// Answers questions, in their order, as of one moment that is no earlier than the call.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if one of them can't be answered.
    async fn read(&self, questions: &[Read]) -> Result<Vec<Found>, ReadError>;

    /// What was appended to the log after the entry of that number, at most `limit`. The first
    /// has the number 1, and numbers have no gaps.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the log can't be read.
    async fn log(&self, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReadError>;

    /// The number of the log's last durable entry; whoever holds it is told of every rise.
    fn last_logged(&self) -> watch::Receiver<u64>;

    /// How many entries an index holds, as of lately: for operators, not for decisions.
    fn count(&self, index: Index) -> u64;

    /// Why the store can neither be read nor written just now, if it can't but will again by
    /// itself.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Why the store can no longer write, if it can't and never will again.
    fn failure(&self) -> Option<String>;

    /// Returns once [`Rows::failure`] is set.
    async fn failed(&self) -> String;
}
