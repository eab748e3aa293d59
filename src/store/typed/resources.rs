//! Reading resources that are kept alike.

use super::{TypedStore, another_answer};
use crate::domain::AnyResource;
use crate::store::ReadError;
use crate::store::contract::{Entry, Found, Key, Read, Row, Rows};
use crate::store::resources::registry::{self, entries};
use crate::store::resources::{Answer, Place, Question};

/// A question with what is known of its answer before its rows are read.
enum Asked {
    One(Key),
    Page {
        /// The run that was found, and where each of its entries leads to.
        members: Vec<(Entry, Key)>,
        /// How long the beginning is that all their places share.
        skipped: usize,
    },
}

impl<R: Rows> TypedStore<R> {
    /// The resource of a row.
    pub(super) async fn stored_resource(
        &self,
        key: &Key,
    ) -> Result<Option<AnyResource>, ReadError> {
        resource(key, self.row(key.clone()).await?)
    }

    /// Answers questions as of one moment: runs are read, then the rows that they lead to together with
    /// the same runs again, until these are what they were.
    pub(super) async fn read_resources(
        &self,
        questions: &[Question],
    ) -> Result<Vec<Answer>, ReadError> {
        let run = |question: &Question| match question {
            Question::One(_) => None,
            Question::Page(page) => Some(Read::Entries(page.run())),
        };
        let runs: Vec<Read> = questions.iter().filter_map(run).collect();
        let mut seen = match runs.as_slice() {
            [] => Vec::new(),
            runs => self.rows.read(runs).await?,
        };
        loop {
            let mut found = seen.iter();
            let asked = questions.iter().map(|question| Asked::of(question, &mut found));
            let asked: Vec<Asked> = asked.collect::<Result<_, _>>()?;
            let rows = asked.iter().flat_map(Asked::keys).cloned().map(Read::Row);
            let all: Vec<Read> = runs.iter().cloned().chain(rows).collect();
            let mut found = self.rows.read(&all).await?;
            let rows = found.split_off(runs.len().min(found.len()));
            if found == seen {
                let mut rows = rows.into_iter();
                return asked.into_iter().map(|asked| asked.answer(&mut rows)).collect();
            }
            seen = found;
        }
    }
}

impl Asked {
    /// `found` are the runs of those questions that have one.
    fn of<'f>(
        question: &Question,
        found: &mut impl Iterator<Item = &'f Found>,
    ) -> Result<Self, ReadError> {
        let page = match question {
            Question::One(id) => return Ok(Self::One(registry::key(id))),
            Question::Page(page) => page,
        };
        let Some(Found::Entries(entries)) = found.next() else { return Err(another_answer()) };
        let member = |entry: &Entry| match registry::owner(entry.index) {
            Some(table) => Ok((entry.clone(), Key { table, id: entry.value.clone() })),
            None => Err(astray(entry, "there is no such index")),
        };
        let members = entries.iter().map(member).collect::<Result<_, _>>()?;
        Ok(Self::Page { members, skipped: page.run().prefix.len() })
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        let (one, members) = match self {
            Self::One(key) => (Some(key), [].as_slice()),
            Self::Page { members, .. } => (None, members.as_slice()),
        };
        one.into_iter().chain(members.iter().map(|(_, key)| key))
    }

    /// `rows` are those of the keys of all questions.
    fn answer(self, rows: &mut impl Iterator<Item = Found>) -> Result<Answer, ReadError> {
        let mut next = |key: &Key| match rows.next() {
            Some(Found::Row(row)) => resource(key, row),
            _ => Err(another_answer()),
        };
        match self {
            Self::One(key) => Ok(Answer::One(next(&key)?)),
            Self::Page { members, skipped } => {
                let member = |(entry, key): (Entry, Key)| member(&entry, skipped, next(&key)?);
                members.into_iter().map(member).collect::<Result<_, _>>().map(Answer::Page)
            }
        }
    }
}

fn resource(key: &Key, row: Option<Row>) -> Result<Option<AnyResource>, ReadError> {
    row.map(|row| registry::decode(key.table, &key.id, &row.bytes)).transpose()
}

/// The resource that an entry leads to, if it has that entry.
fn member(
    entry: &Entry,
    skipped: usize,
    found: Option<AnyResource>,
) -> Result<(Place, AnyResource), ReadError> {
    let found = found.ok_or_else(|| astray(entry, "what it leads to is missing"))?;
    if !entries(&found).contains(entry) {
        return Err(astray(entry, "what it leads to belongs elsewhere"));
    }
    let rest = entry.place.get(skipped..).unwrap_or_default();
    Ok((Place(rest.to_vec()), found))
}

fn astray(entry: &Entry, why: &str) -> ReadError {
    ReadError::Corrupt(format!("index {} {:?}: {why}", entry.index.0, entry.place))
}
