//! Questions in SQL: those of one kind together, several kinds in one transaction that sees one
//! moment, and all of it in one round trip.

use std::collections::BTreeMap;

use deadpool_postgres::{Object, Pool, PoolError};
use futures_util::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::connect::{Kind, kind, told};
use super::keys::{self, Range};
use crate::store::ReadError;
use crate::store::contract::{Entry, Found, Index, Read, Row as Stored};

const BEGIN: &str = "begin isolation level repeatable read, read only";
const COMMIT: &str = "commit";
const ROWS: &str = "select k.n, r.version, r.record from unnest($1::bytea[]) with ordinality \
                    as k(id, n) join gittix_rows r on r.id = k.id";
const TABLES: &str = "select k.n, f.id, f.version, f.record \
     from unnest($1::bytea[], $2::bytea[]) with ordinality as k(start, stop, n) \
     cross join lateral (select r.id, r.version, r.record from gittix_rows r \
     where r.id >= k.start and r.id < k.stop order by r.id limit $3) as f order by k.n, f.id";
const RUNS: &str = "select k.n, f.place, f.value \
     from unnest($1::bytea[], $2::bytea[]) with ordinality as k(start, stop, n) \
     cross join lateral (select e.place, e.value from gittix_entries e \
     where e.place >= k.start and e.place < k.stop order by e.place limit $3) as f \
     order by k.n, f.place";
const RUNS_BACK: &str = "select k.n, f.place, f.value \
     from unnest($1::bytea[], $2::bytea[]) with ordinality as k(start, stop, n) \
     cross join lateral (select e.place, e.value from gittix_entries e \
     where e.place >= k.start and e.place < k.stop order by e.place desc limit $3) as f \
     order by k.n, f.place desc";
const LOG: &str = "select seq, record from gittix_log where seq > $1 order by seq limit $2";

/// Questions of one kind: where each stands among all, and what it asks.
#[derive(Default)]
struct Ranged {
    asked: Vec<usize>,
    from: Vec<Vec<u8>>,
    to: Vec<Vec<u8>>,
    limits: Vec<usize>,
    /// The most that any of them asks for; what is too much is left out here.
    most: i64,
}

impl Ranged {
    fn push(&mut self, at: usize, range: Range, limit: usize) {
        self.asked.push(at);
        self.from.push(range.from);
        self.to.push(range.to);
        self.limits.push(limit);
        self.most = self.most.max(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        vec![&self.from, &self.to, &self.most]
    }

    /// Where the question of that number stands, and its limit.
    fn asked(&self, number: i64) -> Option<(usize, usize)> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        Some((*self.asked.get(at)?, *self.limits.get(at)?))
    }
}

#[derive(Default)]
struct Sorted {
    rows_asked: Vec<usize>,
    rows: Vec<Vec<u8>>,
    tables: Ranged,
    runs: Ranged,
    runs_back: Ranged,
}

impl Sorted {
    fn of(questions: &[Read]) -> Self {
        let mut sorted = Self::default();
        for (at, question) in questions.iter().enumerate() {
            match question {
                Read::Row(key) => {
                    sorted.rows_asked.push(at);
                    sorted.rows.push(keys::of_row(key));
                }
                Read::Rows { table, prefix, limit } => {
                    sorted.tables.push(at, keys::of_rows(*table, prefix), *limit);
                }
                Read::Entries(run) => {
                    let runs =
                        if run.descending { &mut sorted.runs_back } else { &mut sorted.runs };
                    runs.push(at, keys::of_run(run), run.limit);
                }
            }
        }
        sorted
    }
}

/// Answers questions as of one moment.
///
/// # Errors
///
/// The database can't be asked, or failed.
pub async fn answer(pool: &Pool, questions: &[Read]) -> Result<Vec<Found>, ReadError> {
    let sorted = Sorted::of(questions);
    let found = match answers(pool, &sorted).await {
        // A connection of the pool that had ended since: another, or a new one.
        Err(Failed::Database(error)) if kind(&error) == Kind::Gone => answers(pool, &sorted).await,
        found => found,
    };
    let [rows, tables, runs, runs_back] = found.map_err(ReadError::from)?;
    put_together(
        questions,
        &sorted,
        &rows,
        [(&tables, &sorted.tables)],
        [(&runs, &sorted.runs), (&runs_back, &sorted.runs_back)],
    )
    .map_err(|error| ReadError::Storage(told(&error)))
}

/// What was appended to the log after that number.
///
/// # Errors
///
/// The database can't be asked, or failed.
pub async fn log(pool: &Pool, after: u64, limit: usize) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ask = async || -> Result<_, Failed> {
        let client = pool.get().await?;
        let statement = client.prepare_cached(LOG).await?;
        Ok(client.query(&statement, &[&after, &limit]).await?)
    };
    let found = match ask().await {
        Err(Failed::Database(error)) if kind(&error) == Kind::Gone => ask().await,
        found => found,
    };
    let entry = |row: &Row| Ok((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get(1)?));
    let entries = found.map_err(ReadError::from)?.iter().map(entry).collect::<Result<_, Error>>();
    entries.map_err(|error| ReadError::Storage(told(&error)))
}

/// Rows of the four kinds of questions.
async fn answers(pool: &Pool, sorted: &Sorted) -> Result<[Vec<Row>; 4], Failed> {
    let client = pool.get().await?;
    let mut statements: Vec<(usize, Statement, Vec<&(dyn ToSql + Sync)>)> = Vec::new();
    if !sorted.rows.is_empty() {
        statements.push((0, client.prepare_cached(ROWS).await?, vec![&sorted.rows]));
    }
    for (kind, sql, ranged) in
        [(1, TABLES, &sorted.tables), (2, RUNS, &sorted.runs), (3, RUNS_BACK, &sorted.runs_back)]
    {
        if !ranged.asked.is_empty() {
            statements.push((kind, client.prepare_cached(sql).await?, ranged.parameters()));
        }
    }
    // A statement sees one moment by itself.
    let (begin, commit) = match statements.len() {
        0 | 1 => (None, None),
        _ => (Some(prepared(&client, BEGIN).await?), Some(prepared(&client, COMMIT).await?)),
    };
    let none: &[&(dyn ToSql + Sync)] = &[];
    let all = begin.iter().map(|begin| (begin, none));
    let all = all.chain(statements.iter().map(|(_, sql, with)| (sql, with.as_slice())));
    let all = all.chain(commit.iter().map(|commit| (commit, none)));
    let answers = join_all(all.map(|(sql, with)| client.query(sql, with))).await;
    let mut found: [Vec<Row>; 4] = Default::default();
    let mut answers = answers.into_iter().skip(usize::from(begin.is_some()));
    for (kind, ..) in &statements {
        if let (Some(rows), Some(answer)) = (found.get_mut(*kind), answers.next()) {
            *rows = answer?;
        }
    }
    Ok(found)
}

async fn prepared(client: &Object, sql: &str) -> Result<Statement, Error> {
    client.prepare_cached(sql).await
}

type Answered<'a> = (&'a Vec<Row>, &'a Ranged);

fn put_together(
    questions: &[Read],
    sorted: &Sorted,
    rows: &[Row],
    tables: [Answered<'_>; 1],
    runs: [Answered<'_>; 2],
) -> Result<Vec<Found>, Error> {
    let mut found: Vec<Found> = questions.iter().map(nothing).collect();
    for row in rows {
        let number = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default();
        let asked = number.checked_sub(1).and_then(|at| sorted.rows_asked.get(at));
        if let Some(place) = asked.and_then(|at| found.get_mut(*at)) {
            *place = Found::Row(Some(stored(row, 1)?));
        }
    }
    for (rows, ranged) in tables {
        for row in rows {
            let asked = ranged.asked(row.try_get(0)?);
            let place = asked.and_then(|(at, limit)| Some((found.get_mut(at)?, limit)));
            if let Some((Found::Rows(all), limit)) = place
                && all.len() < limit
            {
                all.push((keys::within(row.try_get(1)?), stored(row, 2)?));
            }
        }
    }
    let mut entries: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
    for (rows, ranged) in runs {
        for row in rows {
            let Some((at, limit)) = ranged.asked(row.try_get(0)?) else { continue };
            let all = entries.entry(at).or_default();
            if all.len() < limit {
                all.push(entry(row)?);
            }
        }
    }
    for (at, all) in entries {
        if let Some(place) = found.get_mut(at) {
            *place = Found::Entries(all);
        }
    }
    Ok(found)
}

fn nothing(question: &Read) -> Found {
    match question {
        Read::Row(_) => Found::Row(None),
        Read::Rows { .. } => Found::Rows(Vec::new()),
        Read::Entries(_) => Found::Entries(Vec::new()),
    }
}

fn stored(row: &Row, version: usize) -> Result<Stored, Error> {
    let bytes = row.try_get(version.saturating_add(1))?;
    Ok(Stored { version: row.try_get::<_, i64>(version)?.cast_unsigned(), bytes })
}

fn entry(row: &Row) -> Result<Entry, Error> {
    let name: &[u8] = row.try_get(1)?;
    let index = Index(name.first().copied().unwrap_or_default());
    Ok(Entry { index, place: keys::within(name), value: row.try_get(2)? })
}

/// Why a question has no answer.
enum Failed {
    Database(Error),
    Pool(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl From<PoolError> for Failed {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Database(error),
            // All connections were busy for too long, or none could be made in time.
            other => Self::Pool(other.to_string()),
        }
    }
}

impl From<Failed> for ReadError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Pool(why) => Self::Unavailable(why),
            Failed::Database(error) if kind(&error) == Kind::Lasting => Self::Storage(told(&error)),
            Failed::Database(error) => Self::Unavailable(told(&error)),
        }
    }
}
