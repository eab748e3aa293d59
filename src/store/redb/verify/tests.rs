//! A store that went through everything is sound; damage of each kind is found.

use redb::{ReadableDatabase as _, ReadableTable as _, WriteTransaction};
use tempfile::TempDir;

use crate::domain::sample::Sample;
use crate::domain::{
    Charge, ChargePhase, Order, OrderId, OrderState, Ticket, TicketId, TicketState, User,
};
use crate::store::records::entries::MARKET;
use crate::store::records::state::Round;
use crate::store::records::state::{BLOCK, holding, holding_row, ids_row, names};
use crate::store::records::{self, Record, TicketRow};
use crate::store::redb::tables::{
    CHARGES, CHARGES_BY_INTENT, DEADLINES, EMAILS, ENDED_ORDERS, ENTRIES, EVENTS,
    IDEMPOTENCY_EXPIRY, LISTS, LISTS_BY_PRICE, ORDERS, ROWS, STATE, TICKETS, TOMBSTONES, UNSETTLED,
    USERS, WORDS,
};
use crate::store::redb::verify::{VerifyReport, verify};
use crate::store::search::blocks::{self, BLOCK_MAX, Posting, id_of, posting, signature_of};
use crate::store::testing::{World, database};
use crate::store::{RedbStore, StoreSettings};

/// A store in which a bit of everything has happened.
async fn a_busy_store() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gittix.redb");
    let store = RedbStore::open(&path, StoreSettings::default()).expect("a new store");
    let world = World::new(std::sync::Arc::new(store));
    world.gets_busy().await;
    (folder, path)
}

#[tokio::test]
async fn a_busy_store_is_sound_and_counted() {
    let (_folder, path) = a_busy_store().await;
    let report = verify(&path).expect("a report");
    assert!(report.is_sound(), "{report}");
    let counts = report.counts;
    assert_eq!(counts.users, 2);
    assert_eq!((counts.tickets_available, counts.tickets_locked), (3, 3));
    assert_eq!((counts.tickets_sold, counts.tickets_withdrawn), (2, 1));
    assert_eq!((counts.orders_created, counts.orders_awaiting_payment), (1, 2));
    assert_eq!((counts.orders_completed, counts.orders_cancelled), (2, 2));
    assert_eq!((counts.charges, counts.charges_unsettled), (6, 3));
    assert!(counts.oldest_unsettled.is_some() && counts.events > 30);
}

type Damage = fn(&WriteTransaction) -> Result<(), redb::Error>;

fn damaged(path: &std::path::Path, damage: Damage) -> VerifyReport {
    let db = database(path);
    let txn = db.begin_write().expect("a transaction");
    damage(&txn).expect("a table to damage");
    txn.commit().expect("a commit");
    drop(db);
    let report = verify(path).expect("a report");
    assert_eq!(report.findings_total, report.findings.len() as u64);
    report
}

/// Replaces the first ticket that `change` changes.
fn change_ticket(
    txn: &WriteTransaction,
    change: impl Fn(&mut Ticket) -> bool,
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(TICKETS)?;
    let mut changed = None;
    for entry in table.iter()? {
        let (id, row) = entry?;
        let row: TicketRow = records::decode(id.value(), row.value()).expect("a row");
        if let TicketRow::Listed(mut ticket) = row
            && change(&mut ticket)
        {
            changed = Some((id.value(), records::encode(id.value(), &ticket).expect("bytes")));
            break;
        }
    }
    let (id, row) = changed.expect("a ticket to change");
    table.insert(id, row.as_slice())?;
    Ok(())
}

fn change_order(
    txn: &WriteTransaction,
    change: impl Fn(&mut Order) -> bool,
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(ORDERS)?;
    let mut changed = None;
    for entry in table.iter()? {
        let (id, row) = entry?;
        let mut order: Order = records::decode(id.value(), row.value()).expect("a row");
        if change(&mut order) {
            changed = Some((id.value(), records::encode(id.value(), &order).expect("bytes")));
            break;
        }
    }
    let (id, row) = changed.expect("an order to change");
    table.insert(id, row.as_slice())?;
    Ok(())
}

fn change_charge(
    txn: &WriteTransaction,
    change: impl Fn(&mut Charge) -> bool,
) -> Result<(), redb::Error> {
    let mut table = txn.open_table(CHARGES)?;
    let mut changed = None;
    for entry in table.iter()? {
        let (id, row) = entry?;
        let mut charge: Charge = records::decode(id.value(), row.value()).expect("a row");
        if change(&mut charge) {
            changed = Some((id.value(), records::encode(id.value(), &charge).expect("bytes")));
            break;
        }
    }
    let (id, row) = changed.expect("a charge to change");
    table.insert(id, row.as_slice())?;
    Ok(())
}

/// The first open order to run out, and the ticket it holds.
fn a_lock(txn: &WriteTransaction) -> Result<(OrderId, TicketId), redb::Error> {
    let deadlines = txn.open_table(DEADLINES)?;
    let (deadline, row) = deadlines.first()?.expect("an open order");
    let (_, ticket) = holding(deadline.value(), row.value()).expect("a row");
    Ok((OrderId::from_u128(deadline.value().1), TicketId::from_u128(ticket)))
}

/// The first block of several postings.
fn a_block(txn: &WriteTransaction) -> Result<((String, u128), Vec<Posting>), redb::Error> {
    for block in txn.open_table(WORDS)?.iter()? {
        let (key, block) = block?;
        let (word, first) = key.value();
        let postings = blocks::postings((word, first), block.value()).expect("postings");
        if postings.len() > 1 {
            return Ok(((word.to_owned(), first), postings.to_vec()));
        }
    }
    panic!("no word that several tickets have");
}

fn change_block(
    txn: &WriteTransaction,
    change: impl Fn(&mut Vec<Posting>),
) -> Result<(), redb::Error> {
    let ((word, first), mut postings) = a_block(txn)?;
    change(&mut postings);
    let block = blocks::block((&word, first), &postings);
    txn.open_table(WORDS)?.insert((word.as_str(), first), block.as_slice())?;
    Ok(())
}

/// The row of a sample.
fn a_sample(id: u64, owner: u32, name: &str) -> (Vec<u8>, Vec<u8>) {
    let key = id.to_be_bytes().to_vec();
    let row = records::encode(key.as_slice(), &Sample::new(id, owner, name)).expect("bytes");
    (key, row)
}

/// Each kind of damage, with words that its findings must contain.
const DAMAGE: &[(&str, &str, Damage)] = &[
    ("the row of a ticket tells of a lock", "the state of a row can't be", |txn| {
        let (order, held) = a_lock(txn)?;
        change_ticket(txn, |ticket| {
            let until = ticket.created_at;
            ticket.state = TicketState::Locked { order, until };
            ticket.id == held
        })
    }),
    ("two orders hold a ticket", "orders order_", |txn| {
        let (_, held) = a_lock(txn)?;
        change_order(txn, |order| {
            let is_other = order.is_open() && order.ticket != held;
            order.ticket = held;
            is_other
        })
    }),
    ("an order holds another ticket than its deadline says", "there is another entry", |txn| {
        let mut deadlines = txn.open_table(DEADLINES)?;
        let (deadline, (buyer, ticket)) = {
            let (deadline, row) = deadlines.first()?.expect("an open order");
            (deadline.value(), holding(deadline.value(), row.value()).expect("a row"))
        };
        deadlines.insert(deadline, holding_row(deadline, buyer, ticket + 1).as_slice())?;
        Ok(())
    }),
    ("a ticket was sold to another than who holds it", "orders order_", |txn| {
        let (_, held) = a_lock(txn)?;
        change_ticket(txn, |ticket| {
            ticket.state = TicketState::Sold { order: OrderId::from_u128(9) };
            ticket.id == held
        })
    }),
    ("a title changed without its words", "is not found by", |txn| {
        change_ticket(txn, |ticket| {
            ticket.title = crate::store::testing::a_title("Opera");
            true
        })
    }),
    ("a price changed without its lists", "there is another entry", |txn| {
        change_ticket(txn, |ticket| {
            ticket.price = crate::store::testing::usd(77);
            true
        })
    }),
    ("a ticket is gone", "is missing", |txn| {
        let mut table = txn.open_table(TICKETS)?;
        table.pop_last()?;
        Ok(())
    }),
    ("a ticket is unreadable", "tickets", |txn| {
        let mut table = txn.open_table(TICKETS)?;
        let id = table.first()?.expect("a ticket").0.value();
        table.insert(id, [1, 0, 0xff].as_slice())?;
        Ok(())
    }),
    ("a record is of a later release", "reads up to", |txn| {
        let mut table = txn.open_table(USERS)?;
        let id = table.first()?.expect("an account").0.value();
        let later = records::envelope::Kind { version: 9, ..<User as Record>::KIND };
        table.insert(id, records::seal(later, id, &[9]).as_slice())?;
        Ok(())
    }),
    ("a market entry is missing", "the entry is missing", |txn| {
        let mut table = txn.open_table(LISTS)?;
        let key = table.first()?.expect("an entry").0.value();
        table.remove(key)?;
        Ok(())
    }),
    ("a market entry is too many", "lists market ticket_", |txn| {
        txn.open_table(LISTS)?.insert((MARKET, 5), 7)?;
        Ok(())
    }),
    ("a price entry is too many", "no record has this entry", |txn| {
        txn.open_table(LISTS_BY_PRICE)?.insert((MARKET, 7, 5), ())?;
        Ok(())
    }),
    ("a word is too many", "must not be found by", |txn| {
        txn.open_table(WORDS)?
            .insert(("surplus", 5), blocks::block(("surplus", 5), &[posting(5, 0)]).as_slice())?;
        Ok(())
    }),
    ("a note of a sold ticket is missing", "must not be found by", |txn| {
        txn.open_table(TOMBSTONES)?.retain(|_, _| false)?;
        Ok(())
    }),
    ("a note is of a ticket that is not sold", "it is not sold", |txn| {
        let (_, ticket) = a_lock(txn)?;
        let note = ids_row(1_u64, &[ticket.as_u128()]);
        txn.open_table(TOMBSTONES)?.insert(1, note.as_slice())?;
        Ok(())
    }),
    ("a note is cut off", "it has 3 bytes", |txn| {
        txn.open_table(TOMBSTONES)?.insert(1, [1, 2, 3].as_slice())?;
        Ok(())
    }),
    ("a round of the sweep is of later batches", "it can't have come to", |txn| {
        let round = Round { through: u64::MAX, ..Round::default() };
        let row = records::encode(names::ROUND, &round).expect("bytes");
        txn.open_table(STATE)?.insert(names::ROUND, row.as_slice())?;
        Ok(())
    }),
    ("a signature is wrong", "its signature at", |txn| {
        change_block(txn, |postings| {
            let first = &mut postings[0];
            *first = posting(id_of(first), !signature_of(first));
        })
    }),
    ("a block is out of order", "is out of order", |txn| {
        change_block(txn, |postings| postings.reverse())
    }),
    ("a block names a ticket twice", "is out of order", |txn| {
        change_block(txn, |postings| postings.push(postings[1]))
    }),
    ("a block is empty", "it has 0 bytes", |txn| change_block(txn, Vec::clear)),
    ("a block is too large", "has too many postings", |txn| {
        change_block(txn, |postings| {
            postings.extend([postings[1]; BLOCK_MAX]);
        })
    }),
    ("a part of a posting is missing", "bytes", |txn| {
        let ((word, first), block) = a_block(txn)?;
        let cut = block.as_flattened().split_last().expect("bytes").1;
        let row = records::seal(BLOCK, (word.as_str(), first), cut);
        txn.open_table(WORDS)?.insert((word.as_str(), first), row.as_slice())?;
        Ok(())
    }),
    ("a block's bound is too high", "below its bound", |txn| {
        let ((word, first), block) = a_block(txn)?;
        let mut table = txn.open_table(WORDS)?;
        table.remove((word.as_str(), first))?;
        let key = (word.as_str(), id_of(&block[0]) + 1);
        table.insert(key, blocks::block(key, &block).as_slice())?;
        Ok(())
    }),
    ("a block lies within another", "begins within the one before", |txn| {
        let ((word, _), block) = a_block(txn)?;
        let (last, mut table) = (&block[1], txn.open_table(WORDS)?);
        let key = (word.as_str(), id_of(last));
        table.insert(key, blocks::block(key, &[*last]).as_slice())?;
        Ok(())
    }),
    ("a resource is unreadable", "samples", |txn| {
        txn.open_table(ROWS)?.insert((255, &1_u64.to_be_bytes()[..]), [1, 0, 0xff].as_slice())?;
        Ok(())
    }),
    ("a resource has changed without its entries", "entries 254", |txn| {
        let (key, row) = a_sample(1, 9, "renamed");
        txn.open_table(ROWS)?.insert((255, key.as_slice()), row.as_slice())?;
        Ok(())
    }),
    ("a resource is gone", "no row has it", |txn| {
        txn.open_table(ROWS)?.remove((255, &1_u64.to_be_bytes()[..]))?;
        Ok(())
    }),
    ("a resource says it is another", "it says it is another", |txn| {
        let (other, key) = (Sample::new(9, 9, "nine"), 10_u64.to_be_bytes());
        let row = records::encode(&key[..], &other).expect("bytes");
        txn.open_table(ROWS)?.insert((255, &key[..]), row.as_slice())?;
        Ok(())
    }),
    ("a resource is of no kind", "knows no table", |txn| {
        txn.open_table(ROWS)?.insert((77, &[1][..]), [1].as_slice())?;
        Ok(())
    }),
    ("an entry of a resource is missing", "it is missing", |txn| {
        txn.open_table(ENTRIES)?.pop_first()?;
        Ok(())
    }),
    ("an entry of a resource leads to another", "it is another's", |txn| {
        let other = 3_u64.to_be_bytes();
        txn.open_table(ENTRIES)?.insert((255, &b"renamed\0"[..]), &other[..])?;
        Ok(())
    }),
    ("an entry of a resource is too many", "no row has it", |txn| {
        let key = 3_u64.to_be_bytes();
        txn.open_table(ENTRIES)?.insert((255, &b"surplus\0"[..]), &key[..])?;
        Ok(())
    }),
    ("an entry is of no index", "no row has it", |txn| {
        txn.open_table(ENTRIES)?.insert((77, &[1][..]), &[1][..])?;
        Ok(())
    }),
    ("an open order is cancelled", "no record has this entry", |txn| {
        change_order(txn, |order| {
            let is = order.state == OrderState::Created;
            order.state = OrderState::Cancelled(crate::domain::CancelReason::Buyer);
            is
        })
    }),
    ("an order is sold for less", "it costs", |txn| {
        change_order(txn, |order| {
            order.price = crate::store::testing::usd(1);
            order.is_open()
        })
    }),
    ("an order's attempts are wrong", "it counts", |txn| {
        change_order(txn, |order| {
            order.attempts += 1;
            true
        })
    }),
    ("an order names another charge", "its latest charge is", |txn| {
        change_order(txn, |order| order.charge.take().is_some())
    }),
    ("a deadline is missing", "the entry is missing", |txn| {
        txn.open_table(DEADLINES)?.pop_first()?;
        Ok(())
    }),
    ("a deadline is too many", "no record has this entry", |txn| {
        txn.open_table(DEADLINES)?.insert((5, 6), holding_row((5, 6), 7, 8).as_slice())?;
        Ok(())
    }),
    ("an order has another status in its buyer's list", "the entry is missing", |txn| {
        let mut table = txn.open_table(ENDED_ORDERS)?;
        let (buyer, status, order) = table.pop_first()?.expect("an order").0.value();
        table.insert((buyer, status + 9, order), ())?;
        Ok(())
    }),
    ("a buyer's list has an order too many", "no record has this entry", |txn| {
        txn.open_table(ENDED_ORDERS)?.insert((1, 2, 3), ())?;
        Ok(())
    }),
    ("a charge is over another amount", "it is over", |txn| {
        change_charge(txn, |charge| {
            charge.amount = crate::store::testing::usd(3);
            true
        })
    }),
    ("a completed order's charge failed", "which is Completed", |txn| {
        change_charge(txn, |charge| match &charge.phase {
            ChargePhase::Completed { intent } => {
                let code = crate::domain::FailureCode::order_expired();
                charge.phase = ChargePhase::Failed { intent: Some(intent.clone()), code };
                true
            }
            _ => false,
        })
    }),
    ("an ended order's charge is being captured", "which is Cancelled", |txn| {
        change_charge(txn, |charge| match &charge.phase {
            ChargePhase::Voiding { intent, .. } => {
                charge.phase = ChargePhase::Capturing { intent: intent.clone() };
                true
            }
            _ => false,
        })
    }),
    ("an intent is not listed", "the entry is missing", |txn| {
        txn.open_table(CHARGES_BY_INTENT)?.pop_first()?;
        Ok(())
    }),
    ("an unsettled charge is not listed", "the entry is missing", |txn| {
        txn.open_table(UNSETTLED)?.pop_first()?;
        Ok(())
    }),
    ("a settled charge is listed", "no record has this entry", |txn| {
        txn.open_table(UNSETTLED)?.insert(5, ())?;
        Ok(())
    }),
    ("an address is another's", "there is another entry", |txn| {
        txn.open_table(EMAILS)?.insert("ana@example.com", 5)?;
        Ok(())
    }),
    ("an address is too many", "no record has this entry", |txn| {
        txn.open_table(EMAILS)?.insert("eve@example.com", 5)?;
        Ok(())
    }),
    ("a key never expires", "the entry is missing", |txn| {
        txn.open_table(IDEMPOTENCY_EXPIRY)?.pop_first()?;
        Ok(())
    }),
    ("a key that is gone expires", "no record has this entry", |txn| {
        txn.open_table(IDEMPOTENCY_EXPIRY)?.insert((5, 6, "gone"), ())?;
        Ok(())
    }),
    ("an address is not listed", "the entry is missing", |txn| {
        txn.open_table(EMAILS)?.pop_first()?;
        Ok(())
    }),
    ("a charge is another buyer's", "pays the order of", |txn| {
        change_charge(txn, |charge| {
            charge.buyer = crate::domain::UserId::from_u128(9);
            true
        })
    }),
    ("a charge's order is gone", "charges charge_", |txn| {
        change_charge(txn, |charge| {
            charge.order = crate::domain::OrderId::from_u128(9);
            true
        })
    }),
    ("a ticket is sold by an open order", "it was sold by", |txn| {
        let (order, held) = a_lock(txn)?;
        change_ticket(txn, |ticket| {
            ticket.state = TicketState::Sold { order };
            ticket.id == held
        })
    }),
    ("events are missing", "should follow", |txn| {
        txn.open_table(EVENTS)?.remove(20)?;
        Ok(())
    }),
    ("the last events are missing", "it is not what its latest event tells", |txn| {
        txn.open_table(EVENTS)?.pop_last()?;
        Ok(())
    }),
    ("an event is unreadable", "events", |txn| {
        txn.open_table(EVENTS)?.insert(20, [1, 0xff, 0xff].as_slice())?;
        Ok(())
    }),
];

#[tokio::test]
async fn each_kind_of_damage_is_found() {
    let (folder, sound) = a_busy_store().await;
    let path = folder.path().join("damaged.redb");
    for (name, words, damage) in DAMAGE {
        std::fs::copy(&sound, &path).expect("a copy");
        let report = damaged(&path, *damage);
        assert!(!report.is_sound(), "not found: {name}");
        let is_told = report.findings.iter().any(|finding| finding.contains(words));
        assert!(is_told, "{name}: nothing says {words:?} in\n{report}");
    }
}

#[tokio::test]
async fn findings_are_capped() {
    let (_folder, path) = a_busy_store().await;
    let db = database(&path);
    let txn = db.begin_write().expect("a transaction");
    {
        let mut table = txn.open_table(WORDS).expect("a table");
        for first in (0..1000_u128).step_by(100) {
            let block: Vec<Posting> = (first..first + 100).map(|id| posting(id, 0)).collect();
            let row = blocks::block(("surplus", first), &block);
            table.insert(("surplus", first), row.as_slice()).expect("a block");
        }
    }
    txn.commit().expect("a commit");
    assert!(db.begin_read().is_ok());
    drop(db);
    let report = verify(&path).expect("a report");
    assert_eq!((report.findings.len(), report.findings_total), (100, 1000));
}
