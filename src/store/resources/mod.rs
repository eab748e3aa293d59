//! Resources that are kept alike in every store: as rows with a version, and places in indexes that
//! follow from them.
//!
//! A resource has one file here, with what goes into its row and the places it is found at, and a line
//! in `domain::resource`. No store knows any of them: they write what `registry` makes of a
//! resource, and have it made again of what they read. So whatever is added is committed, journalled,
//! read, listed, backed up and verified with what was there before.
//!
//! ```text
//!   domain::Write::Put ──▶ registry ──▶ table, key, version, row ──▶ put there
//!                             │
//!                             └───────▶ places ──▶ those that are new must be free, then
//!                                                  the indexes follow
//! ```

pub(in crate::store) mod admission;
mod api_token;
mod cover;
mod cursor;
mod imported;
mod link;
mod mail;
mod node;
mod operator;
pub(in crate::store) mod pass;
pub(in crate::store) mod registry;
mod sales_end;
#[cfg(test)]
mod sample;
mod second_factor;
pub(in crate::store) mod show;
pub(in crate::store) mod venue;

pub use self::mail::waiting_at;
use crate::domain::{AnyId, AnyList, AnyResource, Kept};
use crate::store::contract::{Index, Run, Table};
use crate::store::records::Record;
use crate::store::{CommitError, ReadError, Store};

/// How a resource is kept.
///
/// Numbers of tables and indexes are never used for anything else again; a test holds that no two
/// resources share one, nor the tag of `Record::KIND`.
pub trait KeptAs: Record + Kept {
    /// The table of its rows.
    const TABLE: Table;
    /// The indexes it has places in.
    const INDEXES: &'static [Index] = &[];

    /// Its key: what its row is found under. Of fixed length, or ending in a zero byte that it does not
    /// contain otherwise.
    fn key(id: &Self::Id) -> Vec<u8>;

    /// All its places. Two resources can't be at the same one, so where many belong together a place
    /// ends with the key, and where only one may be it does not. No place of an index is the
    /// beginning of another.
    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        Vec::new()
    }

    /// What a commit is refused as if another is at one of its places.
    fn taken(_index: Index) -> CommitError {
        CommitError::Conflict
    }

    /// Where a list is: its index, and how the places of its members begin.
    fn span(list: &Self::List) -> (Index, Vec<u8>);

    /// What a commit is refused as if a list has as many members as it may.
    fn full(_list: &Self::List) -> CommitError {
        CommitError::Conflict
    }
}

/// A question about resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// One of them.
    One(AnyId),
    /// Some of a list.
    Page(Page),
}

/// Some of a list, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The list.
    pub list: AnyList,
    /// Only those that follow this place, in the page's direction.
    pub after: Option<Place>,
    /// Whether the page goes from the greatest place to the least.
    pub descending: bool,
    /// At most how many.
    pub limit: usize,
}

impl Page {
    /// The run of an index that it is.
    pub(in crate::store) fn run(&self) -> Run {
        let (index, prefix) = registry::span(&self.list);
        let after = self.after.as_ref().map(|place| [prefix.as_slice(), &place.0].concat());
        Run { index, prefix, after, descending: self.descending, limit: self.limit }
    }
}

/// A place in a list: what follows the beginning that all its members share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub Vec<u8>);

/// The answer to a [`Question`], of the same kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an answer is taken apart at once, and boxing would cost every read of one"
)]
pub enum Answer {
    /// The resource, if there is one.
    One(Option<AnyResource>),
    /// Members of a list, each with its place.
    Page(Vec<(Place, AnyResource)>),
}

impl dyn Store {
    /// One resource.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it can't be read.
    pub async fn get<T: Kept>(&self, id: T::Id) -> Result<Option<T>, ReadError> {
        match self.resources(&[Question::One(T::any_id(id))]).await?.pop() {
            Some(Answer::One(None)) => Ok(None),
            Some(Answer::One(Some(any))) => T::from_any(any).map(Some).ok_or_else(another_answer),
            _ => Err(another_answer()),
        }
    }

    /// The first members of a list, those that follow a place if one is given.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if they can't be read.
    pub async fn list<T: Kept>(
        &self,
        list: T::List,
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<(Place, T)>, ReadError> {
        let list = T::any_list(list);
        self.page(Page { list, after, descending: false, limit }).await
    }

    /// Members of a list.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if they can't be read.
    pub async fn page<T: Kept>(&self, page: Page) -> Result<Vec<(Place, T)>, ReadError> {
        let Some(Answer::Page(found)) = self.resources(&[Question::Page(page)]).await?.pop() else {
            return Err(another_answer());
        };
        let member = |(place, any)| T::from_any(any).map(|member| (place, member));
        found.into_iter().map(|found| member(found).ok_or_else(another_answer)).collect()
    }
}

/// The error for a store that answers another question than the one it was asked.
fn another_answer() -> ReadError {
    ReadError::Storage("the store answered another question".to_owned())
}
