//! Creating, opening, backing up and restoring files.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, TableDefinition};

use crate::domain::sample::{Sample, SampleId};
use crate::domain::{Commit, Label, Listing, Split, Timestamp};
use crate::store::records::entries::MARKET;
use crate::store::redb::reads::Snapshot;
use crate::store::redb::tables::{
    ENTRIES, FORMAT_KEY, LISTS, LISTS_BY_PRICE, META, ROWS, STOCK, TICKETS,
};
use crate::store::testing::{World, a_show, created, database, listed, market, read, usd};
use crate::store::verify;
use crate::store::{
    BackupError, CommitError, OpenError, RedbStore, Refusal, RestoreError, Stock, Store,
    StoreSettings, TicketQuery, TicketScope, backup_file, restore,
};

fn open(path: &Path) -> Result<RedbStore, OpenError> {
    RedbStore::open(path, StoreSettings::default())
}

fn message(path: &Path) -> String {
    open(path).expect_err("a file that is refused").to_string()
}

async fn a_busy_store(path: &Path) -> Arc<RedbStore> {
    let store = Arc::new(open(path).expect("a new store"));
    World::new(store.clone()).gets_busy().await;
    store
}

#[tokio::test]
async fn a_store_is_created_with_its_folder_and_opens_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("some/data/gittix.redb");
    let store = a_busy_store(&path).await;
    let stats = store.stats();
    let events = read(store.events(0, 1000).await);
    drop(store);
    let store = open(&path).expect("a store");
    assert_eq!(store.stats(), stats, "what is counted in memory is learnt again");
    assert_eq!(read(store.events(0, 1000).await), events);
}

#[tokio::test]
async fn a_creation_that_a_crash_ended_is_begun_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    std::fs::write(folder.path().join("gittix.redb.gittix-draft"), b"half a file").expect("a file");
    drop(a_busy_store(&path).await);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["gittix.redb"]);
}

#[tokio::test]
async fn the_limit_of_open_orders_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    let world = World::new(Arc::new(open(&path).expect("a new store")));
    let (ana, bob) = (world.user("ana").await, world.user("bob").await);
    for _ in 0..10 {
        let ticket = world.lists(ana, "Rock", 100).await;
        world.locks(bob, ticket).await;
    }
    let ticket = world.lists(ana, "Rock", 100).await;
    let (_, eleventh) = world.locking(bob, ticket).await;
    drop(world);
    let store = open(&path).expect("a store");
    let refused = Err(CommitError::Refused(Refusal::TooManyOpenOrders));
    assert_eq!(store.commit(eleventh).await, refused);
}

#[tokio::test]
async fn one_process_has_the_file_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    let _store = open(&path).expect("a new store");
    assert!(message(&path).contains("another gittix server"), "{}", message(&path));
    assert!(matches!(verify(&path), Err(OpenError::InUse(_))));
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    for bytes in [&b""[..], b"redb", b"SQLite format 3\0 and more", &[0; 10_000]] {
        std::fs::write(&path, bytes).expect("a file");
        assert!(message(&path).contains("is not a gittix store"), "{}", message(&path));
        assert_eq!(std::fs::read(&path).expect("the file"), bytes, "it is not touched");
    }
    std::fs::remove_file(&path).expect("a file");
    let other: TableDefinition<'_, u64, u64> = TableDefinition::new("other");
    let db = Database::create(&path).expect("a database");
    let txn = db.begin_write().expect("a transaction");
    drop(txn.open_table(other).expect("a table"));
    txn.commit().expect("a commit");
    drop(db);
    assert!(message(&path).contains("is not a gittix store"), "{}", message(&path));
}

#[tokio::test]
async fn a_later_releases_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    drop(open(&path).expect("a new store"));
    set_format(&path, 7);
    let told = message(&path);
    assert!(told.contains("format 7") && told.contains("up to 4"), "{told}");
}

fn set_format(path: &Path, format: u64) {
    let db = database(path);
    let txn = db.begin_write().expect("a transaction");
    txn.open_table(META).expect("a table").insert(FORMAT_KEY, format).expect("a row");
    txn.commit().expect("a commit");
}

/// Makes a file what a release left that knew of no resources kept alike.
fn set_format_2(path: &Path) {
    let db = database(path);
    let txn = db.begin_write().expect("a transaction");
    assert!(
        txn.delete_table(ROWS).expect("a table") && txn.delete_table(ENTRIES).expect("another")
    );
    txn.open_table(META).expect("a table").insert(FORMAT_KEY, 2).expect("a row");
    txn.commit().expect("a commit");
}

#[tokio::test]
async fn a_store_of_format_2_grows_into_this_one_stopped_or_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (crashed, store) = a_crashed_store(folder.path()).await;
    let expected = store.verify().expect("a report");
    let events = read(store.events(0, 1000).await);
    set_format_2(&crashed);
    let before = std::fs::read(&crashed).expect("the file");
    assert_eq!(verify(&crashed).expect("a report"), expected);
    let back = folder.path().join("back.redb");
    assert_eq!(restore(&crashed, &back).expect("a restored store"), expected);
    assert!(std::fs::read(&crashed).expect("the file") == before, "it was only looked at");
    for path in [crashed, back] {
        let store = open(&path).expect("a store");
        assert_eq!(read(store.events(0, 1000).await), events);
        store
            .commit(Commit::at(Timestamp::default()).put(Sample::new(9, 9, "nine")))
            .await
            .unwrap();
        drop(store);
        assert!(verify(&path).expect("a report").is_sound());
        let store: Arc<dyn Store> = Arc::new(open(&path).expect("a store"));
        let found = read(store.get::<Sample>(SampleId(9)).await);
        assert_eq!(found, Some(Sample::new(9, 9, "nine")));
    }
}

/// Makes a file what a release left that had no lists of shows.
fn set_format_3(path: &Path, known: &[u128]) {
    let db = database(path);
    let txn = db.begin_write().expect("a transaction");
    let mut lists = txn.open_table(LISTS).expect("a table");
    lists.retain(|(list, _), _| known.contains(&list)).expect("lists");
    let mut by_price = txn.open_table(LISTS_BY_PRICE).expect("a table");
    by_price.retain(|(list, _, _), ()| known.contains(&list)).expect("lists");
    drop((lists, by_price));
    assert!(txn.delete_table(STOCK).expect("it can be taken away"));
    txn.commit().expect("a commit");
    drop(db);
    set_format(path, 3);
}

#[tokio::test]
async fn a_store_of_format_3_gets_its_lists_of_shows() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    let world = World::new(Arc::new(open(&path).expect("a new store")));
    let (ana, bob) = (world.user("ana").await, world.user("bob").await);
    let listing = |quantity| Listing {
        quantity,
        split: Split::Any,
        section: Some(Label::parse("A").expect("a label")),
        show: Some(Arc::new(a_show(0))),
        ..Listing::default()
    };
    for quantity in [1, 1, 4] {
        let ticket = world.new_ticket(ana, "Rock", 100).described(listing(quantity));
        let id = ticket.id;
        world.commit(listed(ticket)).await;
        if world.history().len() > 3 {
            world.locks(bob, id).await;
        }
    }
    world.lists(ana, "Rock", 50).await;
    drop(world);
    let expected = verify(&path).expect("a report");
    assert!(expected.is_sound(), "{expected}");
    set_format_3(&path, &[MARKET, ana.as_u128()]);
    assert_eq!(verify(&path).expect("a report"), expected, "it is made anew in memory");
    let store = open(&path).expect("a store");
    let show = a_show(0).id;
    let stock = Stock { seats: 4, from: Some(usd(100)) };
    assert_eq!(read(store.stock(&[show]).await), [stock], "1 of 2, and 3 of 4");
    let scope = TicketScope { show: Some(show), quantity: Some(3), ..TicketScope::default() };
    assert_eq!(read(store.tickets(&TicketQuery { scope, ..market() }).await).tickets.len(), 1);
    drop(store);
    assert_eq!(verify(&path).expect("a report"), expected);
}

#[tokio::test]
async fn damage_is_told_and_panics_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    drop(a_busy_store(&path).await);
    let bytes = std::fs::read(&path).expect("the file");
    let start_of_database = bytes.windows(4).position(|bytes| bytes == b"redb").expect("its name");
    let database = [0, 9, 64, 300, 4096, 8192].map(|offset| start_of_database + offset);
    let middle = (start_of_database + bytes.len()) / 2;
    for start in [0, 9, 20, 300, 4096, 8192, middle].into_iter().chain(database) {
        let mut damaged = bytes.clone();
        let end = (start + 200).min(damaged.len());
        damaged[start..end].fill(0xa5);
        std::fs::write(&path, damaged).expect("a file");
        match verify(&path) {
            Ok(report) => drop(report.to_string()),
            Err(error) => drop(error.to_string()),
        }
    }
}

/// A copy of a store as a crash would leave it: part of it is in the journal alone.
async fn a_crashed_store(folder: &Path) -> (std::path::PathBuf, Arc<RedbStore>) {
    let store = a_busy_store(&folder.join("gittix.redb")).await;
    let crashed = folder.join("crashed.redb");
    std::fs::copy(folder.join("gittix.redb"), &crashed).expect("a copy");
    (crashed, store)
}

#[tokio::test]
async fn what_a_crash_leaves_is_complete_for_whoever_opens_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (crashed, store) = a_crashed_store(folder.path()).await;
    let db = database(&crashed);
    let batch = Snapshot::of_file(&db).and_then(|snapshot| snapshot.batch());
    assert_eq!(batch, Ok(0), "the database alone knows of nothing");
    drop(db);
    let expected = store.verify().expect("a report");
    let [for_server, copy, back] =
        ["server.redb", "copy.redb", "back.redb"].map(|name| folder.path().join(name));
    std::fs::copy(&crashed, &for_server).expect("a copy");
    backup_file(&crashed, &copy).expect("a backup");
    assert_eq!(restore(&copy, &back).expect("a restored store"), expected);
    assert_eq!(verify(&back).expect("a report"), expected);
    let opened = open(&for_server).expect("a store");
    assert_eq!(opened.stats(), store.stats());
    assert_eq!(read(opened.events(0, 1000).await), read(store.events(0, 1000).await));
}

#[tokio::test]
async fn a_backup_is_made_in_use_and_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, copy, back, other] =
        ["gittix.redb", "copy.redb", "new/back.redb", "other.redb"].map(|n| folder.path().join(n));
    let store = a_busy_store(&path).await;
    let events = read(store.events(0, 1000).await);
    store.backup(&copy).await.expect("a backup");
    assert!(matches!(store.backup(&copy).await, Err(BackupError::Exists(_))));
    assert!(backup_file(&path, &other).is_err(), "a server has it open");
    let counts = store.verify().expect("a report").counts;
    drop(store);

    assert_eq!(restore(&copy, &back).expect("a restored store").counts, counts);
    let store = open(&back).expect("the restored store");
    assert_eq!(read(store.events(0, 1000).await), events);
    drop(store);
    assert!(matches!(restore(&copy, &back), Err(RestoreError::Exists(_))));
    backup_file(&path, &other).expect("nobody has it open");
    assert_eq!(verify(&other).expect("a report").counts, counts);
    let drafts = std::fs::read_dir(folder.path()).expect("a folder").filter(|entry| {
        entry
            .as_ref()
            .is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "gittix-draft"))
    });
    assert_eq!(drafts.count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_a_store_or_its_backup() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let [path, copy] = ["gittix.redb", "copy.redb"].map(|name| folder.path().join(name));
    a_busy_store(&path).await.backup(&copy).await.expect("a backup");
    for file in [path, copy] {
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let [copy, back] = ["copy.redb", "back.redb"].map(|name| folder.path().join(name));
    drop(a_busy_store(&copy).await);
    let db = database(&copy);
    let txn = db.begin_write().expect("a transaction");
    txn.open_table(TICKETS).expect("a table").pop_first().expect("a ticket");
    txn.commit().expect("a commit");
    drop(db);
    assert!(matches!(restore(&copy, &back), Err(RestoreError::Damaged(_))));
    std::fs::write(&copy, b"no store").expect("a file");
    assert!(matches!(restore(&copy, &back), Err(RestoreError::Unreadable(_))));
    assert!(!back.exists());
}

fn selling_in(path: &Path, currency: &str) -> Result<RedbStore, OpenError> {
    let currency = Some(currency.parse().expect("a currency"));
    RedbStore::open(path, StoreSettings { currency, ..StoreSettings::default() })
}

#[tokio::test]
async fn a_store_keeps_its_currency_and_refuses_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    drop(selling_in(&path, "usd").expect("a new store"));
    let refused = selling_in(&path, "jpy").expect_err("another currency").to_string();
    assert!(refused.contains("payments.currency is \"jpy\"") && refused.contains("\"usd\""));
    drop(selling_in(&path, "usd").expect("the same"));
    assert!(verify(&path).expect("a report").is_sound());
    drop(a_busy_store(&path).await);
    let copy = folder.path().join("copy.redb");
    backup_file(&path, &copy).expect("a backup");
    assert!(selling_in(&copy, "jpy").is_err(), "a backup keeps it, too");
}

#[tokio::test]
async fn a_store_that_is_moved_away_is_written_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, moved] = ["gittix.redb", "moved.redb"].map(|name| folder.path().join(name));
    let world = World::new(Arc::new(open(&path).expect("a new store")));
    std::fs::rename(&path, &moved).expect("a file");
    let email = crate::domain::Email::parse("ana@example.com").expect("an address");
    let id = crate::domain::UserId::from_u128(1);
    let ana = crate::domain::User::new(id, email, "hash".to_owned(), world.now());
    let refused = world.store.commit(created(&ana)).await;
    assert_eq!(refused, Err(CommitError::Unavailable));
    assert!(world.store.failed().await.contains("was moved away"));
}

/// Flips every byte of some rows, wherever they are in the file.
#[tokio::test]
async fn a_row_that_has_changed_is_named_and_neither_answered_nor_copied() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, damaged, copy] =
        ["gittix.redb", "damaged.redb", "copy.redb"].map(|name| folder.path().join(name));
    let world = World::new(Arc::new(open(&path).expect("a new store")));
    let ana = world.user("ana").await;
    let ticket = world.lists(ana, "Unmistakable Title", 4_200).await;
    drop(world);
    let bytes = std::fs::read(&path).expect("the file");
    let places: Vec<usize> =
        (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"Unmistakable Title")).collect();
    assert!(!places.is_empty());
    let mut bytes_damaged = bytes.clone();
    for at in places {
        bytes_damaged[at] ^= 0x20;
    }
    std::fs::write(&damaged, bytes_damaged).expect("a file");
    let report = verify(&damaged);
    let is_named = match &report {
        Ok(report) => report.findings.iter().any(|finding| finding.contains("checksum")),
        Err(error) => matches!(error, OpenError::Damaged(_)),
    };
    assert!(is_named, "{report:?}");
    assert!(backup_file(&damaged, &copy).is_err() && !copy.exists());
    if let Ok(store) = open(&damaged) {
        let found = store.ticket(ticket).await;
        assert!(matches!(found, Err(crate::store::ReadError::Corrupt(_))), "{found:?}");
        assert!(store.backup(&copy).await.is_err() && !copy.exists());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_only_looks_at_a_store_writes_nothing_to_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let (crashed, store) = a_crashed_store(folder.path()).await;
    let before = std::fs::read(&crashed).expect("the file");
    let mode = std::fs::Permissions::from_mode(0o400);
    std::fs::set_permissions(&crashed, mode).expect("a file");
    assert_eq!(verify(&crashed).expect("a report"), store.verify().expect("a report"));
    restore(&crashed, &folder.path().join("back.redb")).expect("a restored store");
    assert!(std::fs::read(&crashed).expect("the file") == before);
}

#[cfg(unix)]
#[tokio::test]
async fn a_strangers_files_are_neither_removed_nor_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, copy] = ["gittix.redb", "copy.redb"].map(|name| folder.path().join(name));
    let store = a_busy_store(&path).await;
    let strangers = folder.path().join("copy.redb.new");
    std::fs::write(&strangers, b"a stranger's").expect("a file");
    store.backup(&copy).await.expect("a backup");
    assert_eq!(std::fs::read(&strangers).expect("the file"), b"a stranger's");
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    assert!(matches!(verify(&pipe), Err(OpenError::NotAStore(_))));
    assert!(restore(&pipe, &folder.path().join("back.redb")).is_err());
}
