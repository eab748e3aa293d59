//! Files of format 2, one stopped and one killed with much in its journal, that a
//! build of then wrote (`scripts/keep-format`). Every later release has to open them.

use std::path::PathBuf;

use crate::store::redb::migrations::tests::{differences, kept_store, told_of};
use crate::store::testing::read;
use crate::store::{RedbStore, Store, StoreSettings, backup_file, restore, verify};

const FORMAT: u64 = 2;

fn put(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    std::fs::write(&path, kept_store(FORMAT, name)).expect("a file");
    (folder, path)
}

#[tokio::test]
async fn stores_that_were_kept_are_opened_and_are_what_they_were() {
    for name in ["clean", "killed"] {
        let (folder, path) = put(name);
        let told = told_of(FORMAT, name);
        let report = verify(&path).expect("a report");
        assert!(report.is_sound(), "{name}: {report}");
        let [copy, back] = ["copy.redb", "back.redb"].map(|name| folder.path().join(name));
        backup_file(&path, &copy).expect("a backup");
        assert_eq!(restore(&copy, &back).expect("a restored store"), report);
        let store = RedbStore::open(&path, StoreSettings::default()).expect("a store");
        assert_eq!(differences(&store, &told).await, Vec::<String>::new(), "{name}");
        assert_eq!(
            told["users"].as_array().map(Vec::len),
            usize::try_from(report.counts.users).ok()
        );
        let events = read(store.events(0, usize::MAX).await);
        assert!(events.iter().map(|event| event.seq).eq(1..=report.counts.events));
    }
}

#[tokio::test]
async fn much_of_the_one_that_was_killed_is_in_its_journal() {
    let (_folder, path) = put("killed");
    let all = verify(&path).expect("a report").counts.events;
    let db = crate::store::testing::database(&path);
    let snapshot = crate::store::redb::reads::Snapshot::of_file(&db).expect("a snapshot");
    let events = snapshot.events(0, usize::MAX).expect("events").len() as u64;
    assert!(events > 0 && events + 200 < all, "{events} of {all} events are in the database");
}
