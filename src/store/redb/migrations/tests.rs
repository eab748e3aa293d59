//! Stores that format 1 left, one stopped and one killed, are brought up to date whole or not at all.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::domain::{OrderId, Ticket, TicketId, TicketState};
use crate::store::redb::engine::disk::{Disk, Fault};
use crate::store::redb::engine::fail_stop::FailStop;
use crate::store::redb::engine::overlay::{Lock, Overlay};
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::migrations::convert;
use crate::store::redb::open::{builder, open_volume};
use crate::store::testing::read;
use crate::store::{
    OpenError, RedbStore, Store, StoreSettings, WriterMode, backup_file, restore, verify,
};

const CACHE_BYTES: usize = 1 << 20;
const JOURNAL_BYTES: u64 = 1 << 16;
/// The store that was stopped, and the one that was killed.
const NAMES: [&str; 2] = ["clean", "killed"];

fn kept(name: &str, ending: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join(format!("tests/format1/{name}.{ending}"))).expect("a kept file")
}

fn store_of_format_1(name: &str) -> Vec<u8> {
    let mut store = Vec::new();
    let packed = kept(name, "redb.gz");
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut store).expect("a packed file");
    store
}

fn told(name: &str) -> Value {
    serde_json::from_slice(&kept(name, "json")).expect("JSON")
}

fn put(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join("gittix.redb");
    std::fs::write(&path, store_of_format_1(name)).expect("a file");
    path
}

/// What differs between a ticket and what the release before showed of it.
fn difference(ticket: &Ticket, shown: &Value) -> Option<String> {
    let (status, order) = match ticket.state {
        TicketState::Available => ("Available", None),
        TicketState::Locked { order, .. } => ("Locked", Some(order)),
        TicketState::Sold { order } => ("Sold", Some(order)),
        TicketState::Several(_) => panic!("no ticket of format 1 has several seats"),
    };
    let price: f64 = ticket.price.to_string().parse().expect("a number");
    let found = serde_json::json!({
        "id": ticket.id.to_string(),
        "title": ticket.title.as_str(),
        "price": price,
        "currency": ticket.price.code(),
        "userId": ticket.seller.to_string(),
        "orderId": order.map(|order| order.to_string()),
        "status": status,
        "version": ticket.version.number(),
        "createdAt": ticket.created_at.to_string(),
        "updatedAt": ticket.updated_at.to_string(),
    });
    let is_same = found.as_object()?.iter().all(|(name, value)| {
        value == &shown[name] || value.as_f64().is_some_and(|v| Some(v) == shown[name].as_f64())
    });
    (!is_same).then(|| format!("{found} was {shown}"))
}

/// Everything that differs from what the release before showed.
async fn differences(store: &RedbStore, told: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    for (id, answer) in told["tickets"].as_object().expect("tickets") {
        let id: TicketId = id.parse().expect("an id");
        match read(store.ticket(id).await) {
            Some(ticket) => differences.extend(difference(&ticket, &answer[1])),
            None if answer[0] == 404 => {}
            None => differences.push(format!("{id} is gone")),
        }
    }
    for orders in told["orders"].as_object().expect("orders").values() {
        for shown in orders.as_array().expect("a list") {
            let id: OrderId = shown["id"].as_str().expect("an id").parse().expect("an id");
            let purchase = read(store.purchase(id).await).expect("an order");
            let (order, charge) = (&purchase.order, purchase.charge.as_ref());
            let found = serde_json::json!([
                order.buyer.to_string(),
                order.expires_at.to_string(),
                order.ticket.to_string(),
                order.title.as_str(),
                charge.map(|charge| charge.id.to_string()),
                charge.and_then(|charge| charge.intent()).map(|intent| intent.0.as_str()),
            ]);
            // It was shown once the money was taken.
            let intent = match &shown["charge"]["stripeId"] {
                Value::Null => &found[5],
                shown => shown,
            };
            let was = serde_json::json!([
                shown["userId"],
                shown["expiresAt"],
                shown["ticketId"],
                shown["ticket"]["title"],
                shown["charge"]["id"],
                intent,
            ]);
            if found != was {
                differences.push(format!("{found} was {was}"));
            }
        }
    }
    differences
}

#[tokio::test]
async fn a_store_of_format_1_is_brought_up_to_date_and_kept() {
    for name in NAMES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = put(folder.path(), name);
        assert!(matches!(verify(&path), Err(OpenError::TooOld { found: 1, .. })));
        let store = RedbStore::open(&path, StoreSettings::default()).expect("a store");
        let (counts, told) = (store.verify().expect("a report").counts, told(name));
        assert_eq!(differences(&store, &told).await, Vec::<String>::new(), "{name}");
        assert_eq!(told["users"].as_array().map(Vec::len), usize::try_from(counts.users).ok());
        let events = read(store.events(0, usize::MAX).await);
        assert!(events.iter().map(|event| event.seq).eq(1..=counts.events));
        drop(store);
        let report = verify(&path).expect("a report");
        assert!(report.is_sound(), "{name}: {report}");
        // What was there is kept, and nothing else is left.
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["gittix.redb", "gittix.redb.format-1"]);
        // It can be put back in place, and begun with again.
        std::fs::rename(folder.path().join("gittix.redb.format-1"), &path).expect("a file");
        let again = RedbStore::open(&path, StoreSettings::default()).expect("a store");
        assert_eq!(again.verify().expect("a report").counts, counts);
    }
}

#[tokio::test]
async fn a_backup_of_format_1_is_restored_and_backed_up() {
    for name in NAMES {
        let folder = tempfile::tempdir().expect("a folder");
        let path = put(folder.path(), name);
        let before = std::fs::read(&path).expect("a file");
        let [back, copy] = ["back.redb", "copy.redb"].map(|name| folder.path().join(name));
        let restored = restore(&path, &back).expect("a restored store");
        backup_file(&path, &copy).expect("a backup");
        assert_eq!(verify(&back).expect("a report"), restored);
        assert_eq!(verify(&copy).expect("a report"), restored);
        assert!(std::fs::read(&path).expect("a file") == before, "it is as it was");
    }
}

fn old(name: &str) -> Volume {
    let disk = Overlay::new(Disk::holding(store_of_format_1(name)), Lock::Exclusive);
    let storage = FailStop::new(std::sync::Arc::new(disk.expect("memory")));
    open_volume(storage, &builder(CACHE_BYTES), Path::new("old")).expect("a store")
}

/// The old store is only looked at, so what a cut leaves is the new one. It counts only when it is
/// said to be there, and then it is, whole.
#[tokio::test]
async fn a_migration_that_is_cut_short_has_made_nothing_that_counts() {
    let old = old("killed");
    let whole = Disk::default();
    let made = |disk: &Disk| {
        convert(&old, 1, std::sync::Arc::new(disk.clone()), CACHE_BYTES, JOURNAL_BYTES)
    };
    made(&whole).expect("a store");
    let settings = || StoreSettings { writer: WriterMode::Inline, ..StoreSettings::default() };
    let open = |disk: &Disk| RedbStore::open_backend(Disk::holding(disk.durable()), settings());
    let expected = open(&whole).expect("a store").verify().expect("a report");
    assert!(expected.is_sound(), "{expected}");
    let mut cuts = 0;
    for at in 1.. {
        let mut is_done = true;
        for fault in [Fault::LoseAll, Fault::LoseSome(at), Fault::Forget] {
            let disk = Disk::default();
            disk.fault_after(at, fault);
            match made(&disk) {
                Ok(()) => {
                    let store = open(&disk).expect("a store");
                    assert_eq!(store.verify().expect("a report"), expected, "cut at {at}");
                }
                Err(_) => is_done = false,
            }
        }
        if is_done {
            break;
        }
        cuts = at;
    }
    assert!(cuts > 20, "{cuts} cuts");
}

/// A draft that a crash left is begun again, and whoever finds another in its place is told.
#[tokio::test]
async fn a_migration_that_was_cut_short_is_begun_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = put(folder.path(), "clean");
    let draft = folder.path().join("gittix.redb.gittix-draft");
    std::fs::create_dir(&draft).expect("a folder");
    let refused = RedbStore::open(&path, StoreSettings::default()).expect_err("in the way");
    assert!(refused.to_string().contains("is in the way"), "{refused}");
    std::fs::remove_dir(&draft).expect("a folder");
    std::fs::write(&draft, b"half a store").expect("a file");
    std::fs::write(folder.path().join("gittix.redb.format-1"), b"of long ago").expect("a file");
    let store = RedbStore::open(&path, StoreSettings::default()).expect("a store");
    assert_eq!(differences(&store, &told("clean")).await, Vec::<String>::new());
    assert!(!draft.exists());
    let kept = std::fs::read(folder.path().join("gittix.redb.format-1")).expect("a file");
    assert!(kept.len() > 1 << 20);
}

/// The tests have teeth: a field that a migration drops is missed.
#[cfg(feature = "deliberate-bugs")]
#[tokio::test]
async fn a_field_that_a_migration_drops_is_missed() {
    use crate::bugs::{Bug, plant};
    let folder = tempfile::tempdir().expect("a folder");
    let path = put(folder.path(), "clean");
    plant(Some(Bug::DroppedField));
    let store = RedbStore::open(&path, StoreSettings::default()).expect("a store");
    plant(None);
    assert_ne!(differences(&store, &told("clean")).await, Vec::<String>::new());
}
