//! Writing what [`crate::store::redb::check`] has let through: rows, and the indexes that follow from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::ReadableTable;

use crate::bugs::{Bug, planted};
use crate::domain::{Charge, Order, Remembered, Session, Ticket, TicketId, Timestamp, User};
use crate::store::TicketPosition;
use crate::store::records::index;
use crate::store::redb::check::{Change, Checked, Failed};
use crate::store::redb::log::Appender;
use crate::store::redb::open_orders::Openings;
use crate::store::redb::row_cache::RowCache;
use crate::store::redb::write_tables::WriteTables;
use crate::store::search::blocks;
use crate::store::search::gaps::Gaps;
use crate::store::search::lingering::Sweep;
use crate::store::search::signature::signature;

/// How many sessions of a user are looked at for expired ones when the user opens another.
const SESSIONS_SWEPT: usize = 64;
/// How many expired idempotency keys a batch removes at least, if there are any. It removes
/// two more for each that it adds, so they can't pile up.
const KEYS_SWEPT_MIN: usize = 8;

/// What the writer knows by heart. It is changed along with the tables; if their transaction
/// fails, the store writes no more and none of this is used again.
#[derive(Debug)]
pub struct Tally {
    /// What the current batch has opened and closed.
    pub openings: Openings,
    /// What was sold and can be found by words all the same.
    pub sweep: Sweep,
    /// What pages keep.
    pub rows: Arc<RowCache>,
    /// The tickets whose rows the current batch changes.
    pub changed: Vec<TicketId>,
    /// Where pages find nothing.
    pub gaps: Arc<Gaps>,
    /// Those that may be available where none was before.
    pub appeared: Vec<TicketPosition>,
    /// Charges that still owe something to or by the gateway.
    pub unsettled: u64,
    /// The number of the last event.
    pub last_seq: u64,
    /// The number of the last batch.
    pub batch: u64,
}

/// Writes one commit, except for its events and what it changes of the index of words, which are
/// collected.
pub fn apply(
    tables: &mut WriteTables<'_>,
    tally: &mut Tally,
    log: &mut Appender,
    words: &mut blocks::Changes,
    checked: Checked<'_>,
) -> Result<(), Failed> {
    let at = checked.at;
    for change in checked.changes {
        match change {
            Change::User { before, after, row } => put_user(tables, before.as_ref(), after, &row)?,
            Change::Ticket { before, after, row } => {
                tally.changed.extend(before.as_ref().map(|before| before.id));
                if index::is_on_market(after) {
                    tally.appeared.push(after.into());
                }
                tables.tickets.open()?.insert(after.id.as_u128(), row.as_slice())?;
                index_ticket(tables, tally, words, before.as_ref(), Some(after))?;
            }
            Change::Withdrawal { before, row } => {
                tally.changed.push(before.id);
                tables.tickets.open()?.insert(before.id.as_u128(), row.as_slice())?;
                index_ticket(tables, tally, words, Some(&before), None)?;
            }
            Change::Order { before, after, row } => {
                tables.orders.open()?.insert(after.id.as_u128(), row.as_slice())?;
                index_order(tables, tally, before.as_ref(), after)?;
            }
            Change::Charge { before, after, row } => {
                tables.charges.open()?.insert(after.id.as_u128(), row.as_slice())?;
                index_charge(tables, tally, before.as_ref(), after)?;
            }
            Change::OpenSession(session) => open_session(tables, session, at)?,
            Change::EndSession { user, session } => {
                tables.sessions.open()?.remove((user.as_u128(), session.0))?;
            }
            Change::EndOtherSessions { user, except } => {
                let user = user.as_u128();
                let sessions = tables.sessions.open()?;
                sessions.retain_in((user, 0)..=(user, u128::MAX), |key, _| key.1 == except.0)?;
            }
            Change::Remember { replaces, after, row } => {
                remember(tables, replaces, after, &row)?;
            }
        }
    }
    log.push(checked.events);
    tally.last_seq = log.last_seq();
    Ok(())
}

fn put_user(
    tables: &mut WriteTables<'_>,
    before: Option<&User>,
    after: &User,
    row: &[u8],
) -> Result<(), Failed> {
    tables.users.open()?.insert(after.id.as_u128(), row)?;
    let (old, new) = (before.map(|before| before.email.key()), after.email.key());
    if old.as_ref() == Some(&new) {
        return Ok(());
    }
    let emails = tables.emails.open()?;
    if let Some(old) = old {
        emails.remove(old.as_str())?;
    }
    emails.insert(new.as_str(), after.id.as_u128())?;
    Ok(())
}

fn index_ticket(
    tables: &mut WriteTables<'_>,
    tally: &mut Tally,
    words: &mut blocks::Changes,
    before: Option<&Ticket>,
    after: Option<&Ticket>,
) -> Result<(), Failed> {
    if let (Some(before), Some(after)) = (before, after)
        && before.price == after.price
        && before.title == after.title
        && index::is_on_market(before) == index::is_on_market(after)
    {
        return Ok(());
    }
    // Without the id, which stays: the list and the price.
    let entries = |ticket: Option<&Ticket>| -> Vec<(u128, u64)> {
        let entry = |ticket: &Ticket, list| (list, ticket.price.minor());
        ticket.into_iter().flat_map(|t| index::lists(t).map(move |list| entry(t, list))).collect()
    };
    let Some(id) = before.or(after).map(|ticket| ticket.id.as_u128()) else { return Ok(()) };
    let (old, new) = (entries(before), entries(after));
    for (list, price) in old.iter().filter(|entry| !new.contains(entry)) {
        if planted(Bug::ForgottenIndex) && new.iter().any(|(kept, _)| kept == list) {
            continue;
        }
        tables.lists_by_price.open()?.remove((*list, *price, !id))?;
        if !new.iter().any(|(kept, _)| kept == list) {
            tables.lists.open()?.remove((*list, id))?;
        }
    }
    for (list, price) in new.iter().filter(|entry| !old.contains(entry)) {
        tables.lists_by_price.open()?.insert((*list, *price, !id), ())?;
        tables.lists.open()?.insert((*list, id), price)?;
    }
    match (before, after) {
        (Some(before), Some(after)) if index::lingers(before, after) => tally.sweep.leave(after.id),
        _ => index_words(words, id, before, after),
    }
    Ok(())
}

fn index_words(
    changes: &mut blocks::Changes,
    id: u128,
    before: Option<&Ticket>,
    after: Option<&Ticket>,
) {
    let words = |ticket: Option<&Ticket>| ticket.map(index::words).unwrap_or_default();
    let (old, new): (BTreeSet<String>, BTreeSet<String>) = (words(before), words(after));
    if old == new {
        return;
    }
    for word in old.difference(&new) {
        changes.set(word.clone(), id, None);
    }
    // Words that stay as well, for each posting has the signature of all.
    let signature = signature(&new);
    for word in new {
        changes.set(word, id, Some(signature));
    }
}

fn index_order(
    tables: &mut WriteTables<'_>,
    tally: &mut Tally,
    before: Option<&Order>,
    after: &Order,
) -> Result<(), Failed> {
    let (old, new) = (before.and_then(index::ended), index::ended(after));
    if old != new {
        let ended = tables.ended_orders.open()?;
        if let Some(old) = old {
            ended.remove(old)?;
        }
        if let Some(new) = new {
            ended.insert(new, ())?;
        }
    }
    let (old, new) = (before.and_then(index::deadline), index::deadline(after));
    if old == new {
        return Ok(());
    }
    if let (Some(old), Some(before)) = (old, before) {
        tables.deadlines.open()?.remove(old)?;
        tally.openings.close(before);
    }
    if let Some(new) = new {
        tables.deadlines.open()?.insert(new, index::holding(after))?;
        tally.openings.open(after);
    }
    Ok(())
}

fn index_charge(
    tables: &mut WriteTables<'_>,
    tally: &mut Tally,
    before: Option<&Charge>,
    after: &Charge,
) -> Result<(), Failed> {
    let id = after.id.as_u128();
    let (old, new) = (before.and_then(Charge::intent), after.intent());
    if old != new {
        let table = tables.charges_by_intent.open()?;
        if let Some(old) = old {
            table.remove(old.0.as_str())?;
        }
        if let Some(new) = new {
            table.insert(new.0.as_str(), id)?;
        }
    }
    match (before.is_some_and(Charge::is_unsettled), after.is_unsettled()) {
        (false, true) => {
            tables.unsettled.open()?.insert(id, ())?;
            tally.unsettled += 1;
        }
        (true, false) => {
            tables.unsettled.open()?.remove(id)?;
            tally.unsettled = tally.unsettled.saturating_sub(1);
        }
        (true, true) | (false, false) => {}
    }
    Ok(())
}

fn open_session(
    tables: &mut WriteTables<'_>,
    session: Session,
    at: Timestamp,
) -> Result<(), Failed> {
    let user = session.user.as_u128();
    let sessions = tables.sessions.open()?;
    let mut expired = Vec::new();
    for entry in sessions.range((user, 0)..=(user, u128::MAX))?.take(SESSIONS_SWEPT) {
        let (key, expires_at) = entry?;
        if expires_at.value() <= at.as_millis() {
            expired.push(key.value());
        }
    }
    for key in expired {
        sessions.remove(key)?;
    }
    sessions.insert((user, session.id.0), session.expires_at.as_millis())?;
    Ok(())
}

fn remember(
    tables: &mut WriteTables<'_>,
    replaces: Option<Timestamp>,
    after: &Remembered,
    row: &[u8],
) -> Result<(), Failed> {
    let (user, key) = (after.user.as_u128(), after.key.as_str());
    tables.idempotency.open()?.insert((user, key), row)?;
    let expiry = tables.idempotency_expiry.open()?;
    if let Some(replaced) = replaces {
        expiry.remove((replaced.as_millis(), user, key))?;
    }
    expiry.insert((after.expires_at.as_millis(), user, key), ())?;
    Ok(())
}

/// Removes some of the idempotency keys that have expired, after a batch that added `added`.
pub fn sweep_keys(
    tables: &mut WriteTables<'_>,
    now: Timestamp,
    added: usize,
) -> Result<(), Failed> {
    let most = KEYS_SWEPT_MIN.saturating_add(added.saturating_mul(2));
    let mut expired = Vec::new();
    for entry in tables.idempotency_expiry.open()?.iter()?.take(most) {
        let (key, _) = entry?;
        let (expires_at, user, key) = key.value();
        if expires_at > now.as_millis() {
            break;
        }
        expired.push((expires_at, user, key.to_owned()));
    }
    for (expires_at, user, key) in &expired {
        tables.idempotency_expiry.open()?.remove((*expires_at, *user, key.as_str()))?;
        tables.idempotency.open()?.remove((*user, key.as_str()))?;
    }
    Ok(())
}
