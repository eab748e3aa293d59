//! Writing what [`crate::store::redb::check`] has let through: rows, and the indexes that follow from them.

use std::collections::BTreeSet;

use redb::ReadableTable;

use crate::domain::{Remembered, Session, Ticket, Timestamp, UserId};
use crate::store::failed::Failed;
use crate::store::records::ticket::{has_texts_of, is_on_market, leaves_tombstone, words};
use crate::store::records::{self, Indexed, remembered, session};
use crate::store::redb::check::{Change, Checked};
use crate::store::redb::indexes::reindex;
use crate::store::redb::log::Appender;
use crate::store::redb::resources;
use crate::store::redb::write_tables::WriteTables;
use crate::store::redb::writer_state::WriterState;
use crate::store::search::blocks;
use crate::store::search::signature::signature;

/// How many sessions of a user are looked at for expired ones when the user opens another.
const SESSIONS_SWEPT: usize = 64;
/// How many expired idempotency keys a batch removes at least, if there are any. It removes
/// two more for each that it adds, so they can't pile up.
const KEYS_SWEPT_MIN: usize = 8;

/// Writes one commit, except for its events and what it changes of the index of words, which are
/// collected.
pub fn apply(
    tables: &mut WriteTables<'_>,
    state: &mut WriterState,
    log: &mut Appender,
    words: &mut blocks::Changes,
    checked: Checked<'_>,
) -> Result<(), Failed> {
    let at = checked.at;
    for change in checked.changes {
        match change {
            Change::User { before, after, row } => {
                tables.users.open()?.insert(after.id.as_u128(), row.as_slice())?;
                follow(tables, state, before.as_ref(), Some(after))?;
            }
            Change::Lock { .. } => {}
            Change::Ticket { before, after, row } => {
                state.changed.extend(before.as_ref().map(|before| before.id));
                if is_on_market(after) {
                    state.appeared.push(after.into());
                }
                tables.tickets.open()?.insert(after.id.as_u128(), row.as_slice())?;
                state.stock.ticket(before.as_ref(), Some(after));
                follow(tables, state, before.as_ref(), Some(after))?;
                index_words(state, words, before.as_ref(), Some(after));
            }
            Change::Withdrawal { before, row } => {
                state.changed.push(before.id);
                tables.tickets.open()?.insert(before.id.as_u128(), row.as_slice())?;
                state.stock.ticket(Some(&before), None);
                follow(tables, state, Some(&before), None)?;
                index_words(state, words, Some(&before), None);
            }
            Change::Order { before, after, row } => {
                tables.orders.open()?.insert(after.id.as_u128(), row.as_slice())?;
                state.stock.order(before.as_ref(), after);
                follow(tables, state, before.as_ref(), Some(after))?;
            }
            Change::Charge { before, after, row } => {
                tables.charges.open()?.insert(after.id.as_u128(), row.as_slice())?;
                follow(tables, state, before.as_ref(), Some(after))?;
            }
            Change::OpenSession(session, row) => open_session(tables, session, &row, at)?,
            Change::SeeSession { after, row, .. } => {
                tables.sessions.open()?.insert(session::key(&after), row.as_slice())?;
            }
            Change::EndSession { user, session } => {
                tables.sessions.open()?.remove((user.as_u128(), session.as_u128()))?;
            }
            Change::EndOtherSessions { user, except } => {
                let user = user.as_u128();
                let sessions = tables.sessions.open()?;
                let except = except.as_u128();
                sessions.retain_in((user, 0)..=(user, u128::MAX), |key, _| key.1 == except)?;
            }
            Change::Remember { before, after, row } => {
                tables.idempotency.open()?.insert(remembered::key(after), row.as_slice())?;
                follow(tables, state, before.as_deref(), Some(after))?;
            }
            Change::Put(put) => resources::put(tables, &put)?,
            Change::Delete(deletion) => resources::delete(tables, &deletion)?,
        }
    }
    log.push(checked.events);
    state.last_seq = log.last_seq();
    Ok(())
}

/// Lets the indexes follow a record.
fn follow<T: Indexed>(
    tables: &mut WriteTables<'_>,
    state: &mut WriterState,
    before: Option<&T>,
    after: Option<&T>,
) -> Result<(), Failed> {
    let old = before.map(T::entries).unwrap_or_default();
    let new = after.map(T::entries).unwrap_or_default();
    reindex(tables, state, &old, &new)
}

/// Collects what a change of a ticket changes in the index of words.
fn index_words(
    state: &mut WriterState,
    changes: &mut blocks::Changes,
    before: Option<&Ticket>,
    after: Option<&Ticket>,
) {
    let Some(id) = before.or(after).map(|ticket| ticket.id) else { return };
    if let (Some(before), Some(after)) = (before, after) {
        if leaves_tombstone(before, after) {
            return state.sweep.leave(id);
        }
        if has_texts_of(before, after) && is_on_market(before) == is_on_market(after) {
            return;
        }
    }
    let words = |ticket: Option<&Ticket>| ticket.map(words).unwrap_or_default();
    let (old, new): (BTreeSet<String>, BTreeSet<String>) = (words(before), words(after));
    if old == new {
        return;
    }
    for word in old.difference(&new) {
        changes.set(word.clone(), id.as_u128(), None);
    }
    // Words that stay as well, for each posting has the signature of all.
    let signature = signature(&new);
    for word in new {
        changes.set(word, id.as_u128(), Some(signature));
    }
}

fn open_session(
    tables: &mut WriteTables<'_>,
    opened: &Session,
    row: &[u8],
    at: Timestamp,
) -> Result<(), Failed> {
    let user = opened.user.as_u128();
    let sessions = tables.sessions.open()?;
    let mut expired = Vec::new();
    for entry in sessions.range((user, 0)..=(user, u128::MAX))?.take(SESSIONS_SWEPT) {
        let (key, row) = entry?;
        match session::session(key.value(), row.value()) {
            Ok(session) if session.expires_at <= at => expired.push(key.value()),
            Ok(_) => {}
            // It is no good to anybody, and verification names it.
            Err(error) => tracing::error!(%error, "a session is damaged and stays as it is"),
        }
    }
    for key in expired {
        sessions.remove(key)?;
    }
    sessions.insert(session::key(opened), row)?;
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
        let key = (*user, key.as_str());
        let row = tables.idempotency.open()?.get(key)?;
        let row = row.map(|row| records::decode::<Remembered>(key, row.value()));
        match row {
            Some(Ok(remembered)) if remembered.expires_at.as_millis() == *expires_at => {
                tables.idempotency.open()?.remove(key)?;
            }
            // What is damaged stays as it is.
            Some(Err(error)) => {
                tracing::error!(%error, "an idempotency key is damaged and stays as it is");
                continue;
            }
            Some(Ok(_)) | None => {
                let user = UserId::from_u128(*user);
                tracing::error!(%user, "idempotency_expiry: an entry belongs to no key");
            }
        }
        tables.idempotency_expiry.open()?.remove((*expires_at, key.0, key.1))?;
    }
    Ok(())
}
