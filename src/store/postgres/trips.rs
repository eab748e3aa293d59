//! A batch in SQL: one transaction of two round trips, all statements of a trip sent at once.
//!
//! The first locks what will change, in the order of names, and reads what has to be known. The
//! second writes, takes the log's head last, and asks once more what was not locked: from there to
//! its commit no other batch can be written.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::batch::{Answers, Outcome, Questions, Seen, Verify, Written};
use super::connect::{Kind, kind};
use super::keys::{self, Entries};

/// Names a batch; its row in the table of batches is what its outcome is known by.
pub type BatchId = [u8; 24];

type Parameters<'p> = Vec<&'p (dyn ToSql + Sync)>;

/// A connection that writes.
#[derive(Debug)]
pub struct Writing {
    client: Client,
    sql: Statements,
}

macro_rules! statements {
    ($($name:ident: $sql:expr;)+) => {
        #[derive(Debug)]
        struct Statements { $($name: Statement,)+ }

        impl Statements {
            async fn prepare(client: &Client) -> Result<Self, Error> {
                Ok(Self { $($name: client.prepare($sql).await?,)+ })
            }
        }
    };
}

statements! {
    begin: "begin isolation level read committed";
    rollback: "rollback";
    commit: "commit";
    mark: "insert into gittix_batches (id) values ($1)";
    lock: "select id, version, entries from gittix_rows where id = any($1::bytea[]) \
           order by id for no key update";
    lock_range: "select id, version, entries from gittix_rows where id >= $1 and id < $2 \
           order by id for no key update";
    look: "select id, version from gittix_rows where id = any($1::bytea[])";
    count: "select k.start, (select count(*) from (select 1 from gittix_entries e \
            where e.place >= k.start and e.place < k.stop limit $3) as found) \
            from unnest($1::bytea[], $2::bytea[]) as k(start, stop)";
    delete_rows: "delete from gittix_rows where id = any($1::bytea[])";
    update_rows: "update gittix_rows r set version = k.version, record = k.record, \
            entries = k.entries from unnest($1::bytea[], $2::int8[], $3::bytea[], $4::bytea[]) \
            as k(id, version, record, entries) where r.id = k.id";
    insert_rows: "insert into gittix_rows (id, version, record, entries) select * \
            from unnest($1::bytea[], $2::int8[], $3::bytea[], $4::bytea[])";
    delete_entries: "delete from gittix_entries where place = any($1::bytea[])";
    update_entries: "update gittix_entries e set value = k.value \
            from unnest($1::bytea[], $2::bytea[]) as k(place, value) where e.place = k.place";
    insert_entries: "insert into gittix_entries (place, value) select * \
            from unnest($1::bytea[], $2::bytea[])";
    log: "with head as (update gittix_head set seq = seq + cardinality($1::bytea[]) \
            where one = 1 returning seq), \
            added as (insert into gittix_log (seq, record) \
            select head.seq - cardinality($1::bytea[]) + k.n, k.record \
            from head, unnest($1::bytea[]) with ordinality as k(record, n)) \
            select seq from head";
    // What is not as it was seen makes this batch's row a second time, which fails all of it.
    verify: "insert into gittix_batches (id) select $1 where \
            exists (select 1 from unnest($2::bytea[], $3::int8[]) as k(id, version) \
                left join gittix_rows r on r.id = k.id \
                where r.version is distinct from k.version) \
            or exists (select 1 from unnest($4::bytea[], $5::bytea[], $6::int8[]) \
                as k(start, stop, n) where (select count(*) from (select 1 from gittix_entries e \
                where e.place >= k.start and e.place < k.stop limit $7) as found) <> k.n) \
            or exists (select 1 from unnest($8::bytea[], $9::bytea[], $10::int8[]) \
                as k(start, stop, n) where (select count(*) from gittix_rows r \
                where r.id >= k.start and r.id < k.stop) <> k.n)";
    // Waits for a transaction that still writes this row, and keeps a late one from it. It writes
    // in either case, so that its own commit is as durable as what it tells of.
    fence: "insert into gittix_batches (id, abandoned) values ($1, true) \
            on conflict (id) do update set at = now() returning abandoned";
}

/// Why the first trip led to nothing.
#[derive(Debug)]
pub enum Unasked {
    /// The database said or did something else.
    Database(Error),
    /// What stands beside this row is damaged.
    Damaged(Vec<u8>),
}

impl From<Error> for Unasked {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

/// What became of the second trip.
#[derive(Debug)]
pub enum Ended {
    /// It is written; the log's last number is this.
    Written(u64),
    /// It is not, for this reason.
    NotWritten(Error),
    /// Nobody knows.
    Unknown(Error),
}

impl Writing {
    /// Readies a connection for batches.
    ///
    /// # Errors
    ///
    /// The database doesn't understand, or is gone.
    pub async fn ready(client: Client) -> Result<Self, Error> {
        let sql = Box::pin(Statements::prepare(&client)).await?;
        Ok(Self { client, sql })
    }

    /// Sends all at once, in order.
    async fn send(&self, asked: &[(&Statement, Parameters<'_>)]) -> Vec<Result<Vec<Row>, Error>> {
        join_all(asked.iter().map(|(sql, with)| self.client.query(*sql, with))).await
    }

    /// The first trip: begins, locks and reads.
    ///
    /// # Errors
    ///
    /// Nothing is written; [`Writing::give_up`] ends what was begun.
    pub async fn ask(&self, id: &BatchId, asked: &Questions) -> Result<Answers, Unasked> {
        let sql = &self.sql;
        let id = id.as_slice();
        let looked_at: Vec<&[u8]> = asked.looked_at.iter().map(Vec::as_slice).collect();
        let changing: Vec<&[u8]> = asked.changing.iter().map(Vec::as_slice).collect();
        let counted = Ranges::of(asked.counted.iter().map(|begins| (begins, 0)));
        let count_to = number(asked.count_to);
        let mut statements: Vec<(&Statement, Parameters<'_>)> =
            vec![(&sql.begin, vec![]), (&sql.mark, vec![&id]), (&sql.lock, vec![&changing])];
        for range in &asked.ranges {
            statements.push((&sql.lock_range, vec![&range.from, &range.to]));
        }
        statements.push((&sql.look, vec![&looked_at]));
        statements.push((&sql.count, vec![&counted.from, &counted.to, &count_to]));
        let mut found = Vec::with_capacity(statements.len());
        for answer in self.send(&statements).await {
            found.push(answer?);
        }
        let mut answers = Answers::default();
        for row in found.pop().unwrap_or_default() {
            answers.counts.insert(row.try_get(0)?, size(row.try_get(1)?));
        }
        for row in found.into_iter().flatten() {
            let entries = if row.len() < 3 { Vec::new() } else { entries_of(&row)? };
            let version = row.try_get::<_, i64>(1)?.cast_unsigned();
            answers.rows.insert(row.try_get(0)?, Seen { version, entries });
        }
        Ok(answers)
    }

    /// Ends a transaction that wrote nothing. Whether the connection is still of use.
    pub async fn give_up(&self) -> bool {
        self.client.query(&self.sql.rollback, &[]).await.is_ok()
    }

    /// The second trip: writes, and commits.
    pub async fn write(&self, id: &BatchId, batch: &Outcome) -> Ended {
        let sql = &self.sql;
        let id = id.as_slice();
        let (updated, inserted) = (Columns::of(&batch.updated), Columns::of(&batch.inserted));
        let entries_inserted = columns(&batch.entries_inserted);
        let entries_updated = columns(&batch.entries_updated);
        let verified = Verified::of(&batch.verify);
        let mut statements: Vec<(&Statement, Parameters<'_>)> = Vec::new();
        if !batch.deleted.is_empty() {
            statements.push((&sql.delete_rows, vec![&batch.deleted]));
        }
        if !batch.entries_deleted.is_empty() {
            statements.push((&sql.delete_entries, vec![&batch.entries_deleted]));
        }
        for (statement, rows) in [(&sql.update_rows, &updated), (&sql.insert_rows, &inserted)] {
            if !rows.names.is_empty() {
                statements.push((statement, rows.parameters()));
            }
        }
        let entries =
            [(&sql.update_entries, &entries_updated), (&sql.insert_entries, &entries_inserted)];
        for (statement, (names, values)) in entries {
            if !names.is_empty() {
                statements.push((statement, vec![names, values]));
            }
        }
        let log = statements.len();
        statements.push((&sql.log, vec![&batch.events]));
        if !verified.is_empty() {
            statements.push((&sql.verify, verified.parameters(&id)));
        }
        statements.push((&sql.commit, vec![]));
        ended(self.send(&statements).await, log)
    }

    /// Whether a batch was written; if not, it never will be.
    ///
    /// # Errors
    ///
    /// It could not be asked.
    pub async fn was_written(&self, id: &BatchId) -> Result<bool, Error> {
        let row = self.client.query_one(&self.sql.fence, &[&id.as_slice()]).await?;
        Ok(!row.try_get::<_, bool>(0)?)
    }
}

/// What the answers to the statements of a second trip mean; the last is that to `commit`.
fn ended(mut answers: Vec<Result<Vec<Row>, Error>>, log: usize) -> Ended {
    let commit = answers.pop();
    let mut seq = 0;
    for (at, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(rows) if at == log => {
                let head = rows.first().map(|row| row.try_get::<_, i64>(0));
                seq = head.and_then(Result::ok).unwrap_or_default();
            }
            Ok(_) => {}
            // It said why, so what followed was not done. Without a word from it, that is open.
            Err(error) if error.code().is_some() => return Ended::NotWritten(error),
            Err(error) => return Ended::Unknown(error),
        }
    }
    match commit {
        Some(Err(error)) if matches!(kind(&error), Kind::Gone | Kind::Lasting) => {
            Ended::Unknown(error)
        }
        Some(Err(error)) => Ended::NotWritten(error),
        _ => Ended::Written(seq.cast_unsigned()),
    }
}

fn entries_of(row: &Row) -> Result<Entries, Unasked> {
    let packed: &[u8] = row.try_get(2)?;
    match keys::unpack(packed) {
        Some(entries) => Ok(entries),
        None => Err(Unasked::Damaged(row.try_get(0)?)),
    }
}

fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// Rows, a column at a time.
struct Columns<'b> {
    names: Vec<&'b [u8]>,
    versions: Vec<i64>,
    records: Vec<&'b [u8]>,
    entries: Vec<Vec<u8>>,
}

impl<'b> Columns<'b> {
    fn of(rows: &'b [Written]) -> Self {
        Self {
            names: rows.iter().map(|row| row.name.as_slice()).collect(),
            versions: rows.iter().map(|row| row.version.cast_signed()).collect(),
            records: rows.iter().map(|row| row.bytes.as_slice()).collect(),
            entries: rows.iter().map(|row| keys::pack(&row.entries)).collect(),
        }
    }

    fn parameters(&self) -> Parameters<'_> {
        vec![&self.names, &self.versions, &self.records, &self.entries]
    }
}

/// Entries, a column at a time.
fn columns(entries: &Entries) -> (Vec<&[u8]>, Vec<&[u8]>) {
    entries.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).unzip()
}

/// Ranges with numbers, a column at a time.
#[derive(Default)]
struct Ranges {
    from: Vec<Vec<u8>>,
    to: Vec<Vec<u8>>,
    numbers: Vec<i64>,
}

impl Ranges {
    fn of<'r>(begins: impl Iterator<Item = (&'r Vec<u8>, usize)>) -> Self {
        let mut ranges = Self::default();
        for (begins, size) in begins {
            let keys::Range { from, to } = keys::beginning(begins.clone());
            ranges.from.push(from);
            ranges.to.push(to);
            ranges.numbers.push(number(size));
        }
        ranges
    }
}

/// What must be true still, a column at a time.
struct Verified<'b> {
    names: Vec<&'b [u8]>,
    versions: Vec<Option<i64>>,
    entries: Ranges,
    /// More than any of the ranges of entries should have.
    enough: i64,
    rows: Ranges,
}

impl<'b> Verified<'b> {
    fn of(verify: &'b Verify) -> Self {
        let most = verify.entries.values().copied().max().unwrap_or_default();
        let numbered = |map: &'b BTreeMap<Vec<u8>, usize>| map.iter().map(|(k, n)| (k, *n));
        let rows = verify.ranges.iter();
        Self {
            names: verify.rows.keys().map(Vec::as_slice).collect(),
            versions: verify.rows.values().map(|is| is.map(u64::cast_signed)).collect(),
            entries: Ranges::of(numbered(&verify.entries)),
            enough: number(most.saturating_add(1)),
            rows: Ranges {
                from: rows.clone().map(|(range, _)| range.from.clone()).collect(),
                to: rows.clone().map(|(range, _)| range.to.clone()).collect(),
                numbers: rows.map(|(_, size)| number(*size)).collect(),
            },
        }
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.entries.from.is_empty() && self.rows.from.is_empty()
    }

    fn parameters<'p>(&'p self, id: &'p &[u8]) -> Parameters<'p> {
        let Ranges { from, to, numbers } = &self.entries;
        let rows = &self.rows;
        vec![
            id,
            &self.names,
            &self.versions,
            from,
            to,
            numbers,
            &self.enough,
            &rows.from,
            &rows.to,
            &rows.numbers,
        ]
    }
}
