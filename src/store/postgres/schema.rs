//! The tables, made and brought up to date by whichever server comes first.

use std::fmt::Display;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::connect::told;

/// The format of the tables that this release reads and writes.
const FORMAT: i32 = 2;
/// The oldest PostgreSQL that is known to do.
const OLDEST: i32 = 150_000;
/// How often making the first table is tried while others do the same.
const TRIES: usize = 20;

const FIRST: &str = "\
create table if not exists gittix_format (
    one int primary key check (one = 1),
    format int not null,
    currency text not null
)";

/// What makes the tables. Names of rows and entries begin with the number of their table or index.
/// Rows change in place where their page has room; the log's head changes with every batch.
const MAKE: &str = "\
create table gittix_rows (
    id bytea primary key,
    version int8 not null,
    record bytea not null,
    entries bytea not null
) with (fillfactor = 80);
create table gittix_entries (place bytea primary key, value bytea not null);
create table gittix_log (seq int8 primary key, record bytea not null);
create table gittix_head (one int primary key check (one = 1), seq int8 not null)
    with (fillfactor = 10);
insert into gittix_head (one, seq) values (1, 0);
create table gittix_batches (
    id bytea primary key,
    at timestamptz not null default now(),
    abandoned bool not null default false
);
update gittix_format set format = 2";

/// Format 1 was one server's at a time, which looked at its lease with every batch. Without that table one
/// that still runs writes nothing more.
const FROM_1: &str = "\
drop table gittix_leases;
update gittix_format set format = 2";

/// Checks what the database is, and makes its tables unless they are there.
///
/// # Errors
///
/// Why it can't be used.
pub async fn prepare(client: &mut Client, currency: &str) -> Result<(), String> {
    is_new_enough(client).await?;
    warn_of_loss(client).await?;
    first_table(client).await?;
    let failed = |error| format!("its tables can't be made: {}", told(&error));
    let transaction = client.transaction().await.map_err(failed)?;
    // Whoever has this row is alone in making or changing tables.
    let ours = "insert into gittix_format (one, format, currency) values (1, 0, $1) \
                on conflict do nothing";
    transaction.execute(ours, &[&currency]).await.map_err(failed)?;
    let locked = "select format, currency from gittix_format where one = 1 for update";
    let found = transaction.query_one(locked, &[]).await.map_err(failed)?;
    let (format, known) = (found.get::<_, i32>(0), found.get::<_, String>(1));
    if known != currency {
        return Err(format!("its prices are in {known}, but payments.currency is {currency}"));
    }
    let Some(sql) = to_be_done(format)? else { return Ok(()) };
    transaction.batch_execute(sql).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

/// What makes the tables what they must be, if they are not; those of a format that is not known are
/// refused.
///
/// # Errors
///
/// Why it can't be used.
pub fn to_be_done(format: i32) -> Result<Option<&'static str>, String> {
    match format {
        0 => Ok(Some(MAKE)),
        1 => Ok(Some(FROM_1)),
        FORMAT => Ok(None),
        newer if newer > FORMAT => Err(format!(
            "its tables have format {newer}, which a newer release made; this one knows {FORMAT}"
        )),
        other => Err(format!("its tables have format {other}, which no release made")),
    }
}

/// Two servers that make one table at once meet where no statement can keep them apart.
async fn first_table(client: &Client) -> Result<(), String> {
    let mut tries = 0;
    loop {
        let Err(error) = client.batch_execute(FIRST).await else { return Ok(()) };
        let meets = [SqlState::UNIQUE_VIOLATION, SqlState::DUPLICATE_TABLE];
        if tries == TRIES || !error.code().is_some_and(|code| meets.contains(code)) {
            return Err(format!("its tables can't be made: {}", told(&error)));
        }
        tries += 1;
    }
}

/// Databases that speak PostgreSQL's protocol give numbers of their own.
async fn is_new_enough(client: &Client) -> Result<(), String> {
    let version = shown(client, "select version()").await?;
    let number = shown(client, "show server_version_num").await.unwrap_or_default();
    let is_too_old = number.parse::<i32>().is_ok_and(|number| number < OLDEST);
    if version.starts_with("PostgreSQL") && !version.contains("-YB-") && is_too_old {
        return Err(format!("it is {version}; gittix needs PostgreSQL 15 or newer"));
    }
    Ok(())
}

/// What is acknowledged must be on disk, which is for the database's keeper to say.
async fn warn_of_loss(client: &Client) -> Result<(), String> {
    for (name, loss) in [
        ("synchronous_commit", "a crash of the database loses the last commits"),
        ("fsync", "a power cut may damage the whole database"),
    ] {
        let value = shown(client, &format!("show {name}")).await.unwrap_or_default();
        if value == "off" {
            tracing::warn!("the database has {name} = off: {loss}, acknowledged ones as well");
        }
    }
    Ok(())
}

async fn shown(client: &Client, question: &str) -> Result<String, String> {
    let failed = |error: &dyn Display| format!("it does not answer: {error}");
    let row = client.query_one(question, &[]).await.map_err(|error| failed(&told(&error)))?;
    row.try_get(0).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_another_format_are_refused_in_words() {
        assert_eq!(to_be_done(0), Ok(Some(MAKE)));
        assert_eq!(to_be_done(FORMAT), Ok(None));
        let newer = to_be_done(FORMAT + 1).expect_err("a newer one");
        assert!(newer.contains("newer release"), "{newer}");
        assert!(to_be_done(-1).is_err());
    }
}
