//! What only a database can show: servers that meet in it, connections that end, batches of which
//! one commit is wrong.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::testing::{Database, a_database};
use crate::store::CommitError;
use crate::store::contract::{
    Change, Check, Entry, Found, Index, Key, Read, Refused, Row, RowCommit, Rows, Run, Table,
};

const THINGS: Table = Table(200);
const NAMES: Index = Index(200);

fn key(id: u64) -> Key {
    Key { table: THINGS, id: id.to_be_bytes().to_vec() }
}

/// A row with one entry under a name, after the version it must be at.
fn put(id: u64, after: Option<u64>, name: &str) -> RowCommit {
    let version = after.map_or(0, |after| after + 1);
    let entries =
        vec![Entry { index: NAMES, place: name.as_bytes().to_vec(), value: vec![1, 2, 3] }];
    RowCommit {
        checks: vec![Check::Version { key: key(id), is: after }],
        changes: vec![Change::Put {
            key: key(id),
            row: Row { version, bytes: name.as_bytes().to_vec() },
            entries,
        }],
        events: vec![format!("{id} {version}").into_bytes()],
    }
}

fn fewer(prefix: &str, than: usize) -> Check {
    Check::Fewer { index: NAMES, prefix: prefix.as_bytes().to_vec(), than }
}

fn names(prefix: &str) -> Read {
    let prefix = prefix.as_bytes().to_vec();
    Read::Entries(Run { index: NAMES, prefix, after: None, descending: false, limit: 1000 })
}

async fn count(rows: &impl Rows, prefix: &str) -> usize {
    match rows.read(&[names(prefix)]).await.expect("an answer").pop() {
        Some(Found::Entries(entries)) => entries.len(),
        other => panic!("{other:?}"),
    }
}

/// The numbers of the log, which must have no gaps.
async fn is_gapless(rows: &impl Rows, entries: u64) {
    let log = rows.log(0, usize::MAX).await.expect("a log");
    let numbers: Vec<u64> = log.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=entries).collect::<Vec<_>>());
}

async fn three(database: &Database) -> Vec<Arc<impl Rows>> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(Arc::new(database.open().await));
    }
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn of_those_who_change_one_row_at_once_one_does() {
    let database = a_database().await;
    let nodes = three(&database).await;
    for round in 0..20 {
        let after = (round > 0).then(|| round - 1);
        let tries = (0..30_usize).map(|number| {
            let (node, commit) = (nodes[number % 3].clone(), put(1, after, &format!("n{number}")));
            async move { node.commit(commit).await }
        });
        let results = join_all(tries).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let refused = results.iter().filter(|result| **result == Err(Refused::Check(0)));
        assert_eq!(refused.count(), 29);
        assert_eq!(count(&*nodes[0], "").await, 1, "the entry of the row before is gone");
    }
    is_gapless(&*nodes[2], 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn a_limit_of_entries_holds_whoever_adds_them() {
    let database = a_database().await;
    let nodes = three(&database).await;
    let tries = (0..120_u64).map(|number| {
        let mut commit = put(number, None, &format!("a{number:03}"));
        commit.checks.push(fewer("a", 10));
        let node = nodes[usize::try_from(number).expect("small") % 3].clone();
        async move { node.commit(commit).await }
    });
    let results = join_all(tries).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 10, "{results:?}");
    assert_eq!(results.iter().filter(|result| **result == Err(Refused::Check(1))).count(), 110);
    assert_eq!(count(&*nodes[1], "a").await, 10);
    is_gapless(&*nodes[0], 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn what_is_only_looked_at_still_holds_when_a_commit_is_written() {
    let database = a_database().await;
    let nodes = three(&database).await;
    // Some rest on the row's being there, others remove it if nothing rests on it.
    for round in 0..40_u64 {
        assert_eq!(nodes[0].commit(put(round, None, &format!("base{round}"))).await, Ok(()));
        let rests = |number: u64| {
            let mut commit = put(1000 + round * 10 + number, None, &format!("on{round} {number}"));
            commit.checks.push(Check::Version { key: key(round), is: Some(0) });
            commit
        };
        let goes = RowCommit {
            checks: vec![fewer(&format!("on{round} "), 1)],
            changes: vec![Change::Delete { key: key(round) }],
            events: Vec::new(),
        };
        let (first, second, third) = tokio::join!(
            nodes[0].commit(rests(1)),
            nodes[1].commit(goes),
            nodes[2].commit(rests(2)),
        );
        let resting = usize::from(first.is_ok()) + usize::from(third.is_ok());
        assert_eq!(resting > 0, second.is_err(), "{first:?} {second:?} {third:?}");
        assert_eq!(count(&*nodes[0], &format!("on{round} ")).await, resting);
        assert_eq!(count(&*nodes[0], &format!("base{round}")).await, usize::from(resting > 0));
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn all_rows_but_one_go_whatever_is_added_meanwhile() {
    let database = a_database().await;
    let nodes = three(&database).await;
    for round in 0..20_u64 {
        let prefix = round.to_be_bytes().to_vec();
        let id = |number: u8| Key { table: THINGS, id: [prefix.as_slice(), &[number]].concat() };
        let add = |number: u8| RowCommit {
            changes: vec![Change::Put {
                key: id(number),
                row: Row { version: 0, bytes: Vec::new() },
                entries: Vec::new(),
            }],
            ..RowCommit::default()
        };
        for number in 0..4 {
            assert_eq!(nodes[0].commit(add(number)).await, Ok(()));
        }
        let except = id(2).id;
        let others = Change::DeleteOthers { table: THINGS, prefix: prefix.clone(), except };
        let goes = RowCommit { changes: vec![others], ..RowCommit::default() };
        let (gone, added) = tokio::join!(nodes[1].commit(goes), nodes[2].commit(add(9)));
        assert_eq!((gone, added), (Ok(()), Ok(())));
        let question = Read::Rows { table: THINGS, prefix, limit: 100 };
        let left = nodes[0].read(&[question]).await.expect("an answer");
        let Some(Found::Rows(left)) = left.first() else { panic!("{left:?}") };
        let ids: Vec<u8> = left.iter().filter_map(|(id, _)| id.last().copied()).collect();
        assert!(ids == [2] || ids == [2, 9], "{ids:?}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn one_commit_that_the_database_refuses_keeps_no_other_from_being_written() {
    let database = a_database().await;
    let rows = database.open_with(|settings| settings.lanes = 1).await.expect("a store");
    // No index holds a place that long, for it can't be compressed either.
    let mut chance = 7_u64;
    let mut letter = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
        char::from(b'!' + u8::try_from((chance >> 40) % 90).expect("a letter"))
    };
    let long: String = (0..9000).map(|_| letter()).collect();
    let commits = (0..60_u64).map(|number| {
        let name = if number == 17 { long.clone() } else { format!("n{number}") };
        rows.commit(put(number, None, &name))
    });
    let results = join_all(commits).await;
    let failed: Vec<_> = (0..60).filter(|at| results[*at].is_err()).collect();
    assert_eq!(failed, [17]);
    assert_eq!(results[17], Err(Refused::Store(CommitError::Unavailable)));
    is_gapless(&rows, 59).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL"]
async fn nothing_acknowledged_is_lost_when_connections_end_under_load() {
    let database = a_database().await;
    let rows = Arc::new(database.open().await);
    let writers = (0..8_u64).map(|writer| {
        let rows = rows.clone();
        tokio::spawn(async move {
            let (mut written, mut open) = (Vec::new(), Vec::new());
            for number in 0..150_u64 {
                let id = writer * 1000 + number;
                match rows.commit(put(id, None, &format!("n{id}"))).await {
                    Ok(()) => written.push(id),
                    Err(Refused::Store(CommitError::OutcomeUnknown)) => open.push(id),
                    Err(Refused::Store(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Err(refused) => panic!("{refused:?}"),
                }
            }
            (written, open)
        })
    });
    let writers: Vec<_> = writers.collect();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let ends = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where pid <> pg_backend_pid() and application_name = '{}'",
            database.name
        );
        database.run(&ends).await;
    }
    let (mut written, mut open) = (0, 0);
    let is_back = async {
        while rows.trouble().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(20), is_back).await.is_ok(), "it is there again");
    for writer in writers {
        let (acknowledged, unknown) = writer.await.expect("a writer");
        open += unknown.len();
        written += acknowledged.len();
        for id in acknowledged {
            let found = rows.read(&[Read::Row(key(id))]).await;
            assert!(matches!(found.as_deref(), Ok([Found::Row(Some(_))])), "{id}: {found:?}");
        }
    }
    assert!(written > 0);
    let stored = count_rows(&*rows).await;
    assert!((written..=written + open).contains(&stored), "{written} {open} {stored}");
    is_gapless(&*rows, u64::try_from(stored).expect("few")).await;
}

async fn count_rows(rows: &impl Rows) -> usize {
    let question = Read::Rows { table: THINGS, prefix: Vec::new(), limit: usize::MAX };
    match rows.read(&[question]).await.expect("an answer").pop() {
        Some(Found::Rows(rows)) => rows.len(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_rise_of_the_log_is_told_to_other_servers() {
    let database = a_database().await;
    let (one, two) = (database.open().await, database.open().await);
    let mut told = two.last_logged();
    assert_eq!(one.commit(put(1, None, "a")).await, Ok(()));
    assert_eq!(*one.last_logged().borrow(), 1, "its own at once");
    let rise = timeout(Duration::from_secs(10), told.wait_for(|last| *last == 1)).await;
    assert!(rise.is_ok_and(|rise| rise.is_ok()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn tables_of_the_first_format_are_brought_up_to_date() {
    let database = a_database().await;
    let first = database.open().await;
    assert_eq!(first.commit(put(1, None, "a")).await, Ok(()));
    drop(first);
    database
        .run("create table gittix_leases (name text); update gittix_format set format = 1")
        .await;
    let second = database.open().await;
    assert_eq!(second.commit(put(1, Some(0), "b")).await, Ok(()));
    database.run("create table gittix_leases (name text)").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_server_whose_tables_a_newer_release_has_changed_stops() {
    let database = a_database().await;
    let first = database.open().await;
    database.run("update gittix_format set format = 3").await;
    let why = timeout(Duration::from_secs(20), first.failed()).await.expect("it stops");
    assert!(why.contains("a newer release"), "{why}");
    assert!(first.commit(put(1, None, "a")).await.is_err());
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn servers_agree_on_the_time() {
    let database = a_database().await;
    let (one, two) = (database.open().await, database.open().await);
    assert!(one.now_millis().abs_diff(two.now_millis()) < 1_000);
    assert!(one.now_millis() > 1_700_000_000_000);
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn a_database_of_another_format_or_currency_is_refused_in_words() {
    let database = a_database().await;
    drop(database.open().await);
    let other = database.open_with(|settings| settings.currency = "EUR".to_owned()).await;
    let refused = other.expect_err("another currency").to_string();
    assert!(refused.contains("its prices are in USD"), "{refused}");
    database.run("update gittix_format set format = 3").await;
    let refused = database.open_with(|_| {}).await.expect_err("a newer format").to_string();
    assert!(refused.contains("a newer release"), "{refused}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn servers_that_start_at_once_make_the_tables_once() {
    let database = a_database().await;
    let started = join_all((0..6).map(|_| database.open_with(|_| {}))).await;
    for rows in started {
        let rows = rows.expect("a store");
        assert_eq!(*rows.last_logged().borrow(), 0);
    }
}
