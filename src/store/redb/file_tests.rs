//! Creating, opening, backing up and restoring files.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, TableDefinition};

use crate::store::redb::reads::Snapshot;
use crate::store::redb::tables::{FORMAT_KEY, META, TICKETS};
use crate::store::testing::{World, database, read};
use crate::store::verify;
use crate::store::{
    BackupError, CommitError, OpenError, RedbStore, Refusal, RestoreError, Store, StoreSettings,
    backup_file, restore,
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
    assert!(told.contains("format 7") && told.contains("up to 2"), "{told}");
}

fn set_format(path: &Path, format: u64) {
    let db = database(path);
    let txn = db.begin_write().expect("a transaction");
    txn.open_table(META).expect("a table").insert(FORMAT_KEY, format).expect("a row");
    txn.commit().expect("a commit");
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
