//! Stores that format 1 left, one stopped and one killed, are brought up to date whole or not at all.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use redb::ReadableTable as _;
use serde_json::Value;

use crate::domain::{OrderId, Ticket, TicketId, TicketState, UserId};
use crate::store::redb::engine::disk::{Disk, Fault};
use crate::store::redb::engine::fail_stop::FailStop;
use crate::store::redb::engine::overlay::{Lock, Overlay};
use crate::store::redb::engine::volume::Volume;
use crate::store::redb::migrations::convert;
use crate::store::redb::open::{builder, open_volume};
use crate::store::testing::{World, read};
use crate::store::{
    CommitError, OpenError, RedbStore, Refusal, Store, StoreSettings, WriterMode, backup_file,
    restore, verify,
};

const CACHE_BYTES: usize = 1 << 20;
const JOURNAL_BYTES: u64 = 1 << 16;
/// The store that was stopped, and the one that was killed.
const NAMES: [&str; 2] = ["clean", "killed"];

fn kept(format: u64, name: &str, ending: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(root.join(format!("tests/format{format}/{name}.{ending}"))).expect("a kept file")
}

/// A file that a release with that format left.
pub(in crate::store) fn kept_store(format: u64, name: &str) -> Vec<u8> {
    let mut store = Vec::new();
    let packed = kept(format, name, "redb.gz");
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut store).expect("a packed file");
    store
}

fn store_of_format_1(name: &str) -> Vec<u8> {
    kept_store(1, name)
}

/// What that release showed of what is in it.
pub(in crate::store) fn told_of(format: u64, name: &str) -> Value {
    serde_json::from_slice(&kept(format, name, "json")).expect("JSON")
}

fn told(name: &str) -> Value {
    told_of(1, name)
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
pub(in crate::store) async fn differences(store: &RedbStore, told: &Value) -> Vec<String> {
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

/// An account as format 1 wrote it.
#[derive(serde::Serialize, serde::Deserialize)]
struct OldUser {
    id: u128,
    email: String,
    password_hash: String,
    version: u64,
    created_at: i64,
}

/// Gives the first accounts of a store of format 1 these addresses, and tells their ids.
fn rename_accounts(path: &Path, addresses: &[&str]) -> Vec<UserId> {
    let users: redb::TableDefinition<'_, u128, &[u8]> = redb::TableDefinition::new("users");
    let db = crate::store::testing::database(path);
    let mut txn = db.begin_write().expect("a transaction");
    txn.set_quick_repair(true);
    let mut table = txn.open_table(users).expect("a table");
    let row = |entry: redb::Result<(redb::AccessGuard<'_, u128>, redb::AccessGuard<'_, &[u8]>)>| {
        postcard::from_bytes::<OldUser>(&entry.expect("a row").1.value()[1..]).expect("an account")
    };
    let old: Vec<OldUser> = table.iter().expect("rows").map(row).take(addresses.len()).collect();
    for (user, address) in old.iter().zip(addresses) {
        let user = OldUser {
            email: (*address).to_owned(),
            password_hash: user.password_hash.clone(),
            ..*user
        };
        let row = [vec![1], postcard::to_stdvec(&user).expect("bytes")].concat();
        table.insert(user.id, row.as_slice()).expect("a row");
    }
    drop(table);
    txn.commit().expect("a commit");
    old.iter().map(|user| UserId::from_u128(user.id)).collect()
}

/// Addresses used to be compared to the letter.
#[tokio::test]
async fn accounts_whose_addresses_have_become_one_are_each_found_by_their_own() {
    let (punycode, composed) = ("x@xn--mller-kva.example", "X@Müller.example");
    let decomposed = "x@mu\u{308}ller.example";
    for addresses in [
        [composed, punycode, decomposed],
        [composed, decomposed, punycode],
        [punycode, decomposed, composed],
        [decomposed, composed, "other@example.com"],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = put(folder.path(), "clean");
        let ids = rename_accounts(&path, &addresses);
        let store = RedbStore::open(&path, StoreSettings::default()).expect("a store");
        let report = store.verify().expect("a report");
        assert!(report.is_sound(), "{addresses:?}: {report}");
        let mut found = Vec::new();
        for address in addresses {
            let email = crate::domain::Email::parse(address).expect("an address");
            // As whoever signs in is looked for.
            let spelled = match email.key_as_spelled() {
                Some(spelled) => read(store.user_by_email(&spelled).await),
                None => None,
            };
            let user = match spelled {
                Some(user) => Some(user),
                None => read(store.user_by_email(&email.key()).await),
            };
            found.push(user.expect("an account").id);
        }
        assert_eq!(found, ids, "{addresses:?}");
    }
}

#[tokio::test]
async fn an_account_that_is_known_by_its_spelling_moves_to_another_address_for_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = put(folder.path(), "clean");
    let (spelled, key) = ("x@müller.example", "x@xn--mller-kva.example");
    let ids = rename_accounts(&path, &[spelled, key]);
    let open = || RedbStore::open(&path, StoreSettings::default()).expect("a store");
    let world = World::later(std::sync::Arc::new(open()), 1 << 40);
    let taken = world.change_email(ids[0], key).await;
    assert_eq!(taken, Err(CommitError::Refused(Refusal::EmailInUse)));
    world.change_email(ids[0], spelled).await.expect("what it has is its own");
    world.change_email(ids[0], "free@example.com").await.expect("a free address");
    let back = world.change_email(ids[0], spelled).await;
    assert_eq!(back, Err(CommitError::Refused(Refusal::EmailInUse)), "it is one address by now");
    drop(world);
    assert!(open().verify().expect("a report").is_sound());
}

/// Damage of a store whose rows have no checksums would be taken for sound.
#[tokio::test]
async fn a_damaged_store_of_format_1_is_not_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = put(folder.path(), "clean");
    let live = crate::store::redb::open::pages_to_look_at(&path).expect("pages").live();
    let before = std::fs::read(&path).expect("a file");
    let (_, row) = live.iter().rfind(|(table, _)| table == "users").expect("accounts");
    let mut damaged = before.clone();
    damaged[usize::try_from(row.end).expect("a small file") - 9] ^= 1;
    std::fs::write(&path, &damaged).expect("a file");
    let refused = RedbStore::open(&path, StoreSettings::default()).expect_err("damaged");
    assert!(refused.to_string().contains("users: the page"), "{refused}");
    let copy = folder.path().join("copy.redb");
    assert!(backup_file(&path, &copy).is_err() && !copy.exists());
    let names: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 1, "nothing is left of the attempt");
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
