//! A commit of the marketplace as a commit of rows.
//!
//! What is stored is read first, which tells how the rows are to change. Each answer that
//! mattered becomes a check of the commit, so if it is no longer true when the rows are written,
//! nothing is. A lock writes no ticket: all of it follows from the order that is made, whose
//! place in the index of holders can be taken once.

use super::reads::session_of;
use super::{TypedStore, keys};
use crate::bugs::{Bug, planted};
use crate::domain::{
    Commit, Precondition, Remembered, Session, Ticket, TicketState, Timestamp, Version, Write,
};
use crate::store::contract::{
    Change, Check, Entry, Index, Key, Refused, Row, RowCommit, Rows, Run,
};
use crate::store::records::event::alone;
use crate::store::records::session::{SessionRow, sound};
use crate::store::records::{self, TicketRow};
use crate::store::resources::registry::{self, new_entries};
use crate::store::rules;
use crate::store::{CommitError, ReadError, Refusal};

/// How many sessions of a user are looked at when another begins, and expired keys when one is
/// used.
const SWEPT_AT_ONCE: usize = 64;

/// A commit of rows in the making, with what each check that fails is told as.
#[derive(Default)]
struct Draft {
    commit: RowCommit,
    failures: Vec<CommitError>,
}

impl Draft {
    fn check(&mut self, check: Check, failure: impl Into<CommitError>) {
        self.commit.checks.push(check);
        self.failures.push(failure.into());
    }

    /// The row must still be at the version it was read at.
    fn still(&mut self, key: &Key, is: Option<u64>) {
        self.check(Check::Version { key: key.clone(), is }, CommitError::Conflict);
    }

    /// Nothing may stand at the place.
    fn free(&mut self, index: Index, place: Vec<u8>, failure: impl Into<CommitError>) {
        self.check(Check::Fewer { index, prefix: place, than: 1 }, failure);
    }

    fn put(&mut self, key: Key, version: u64, bytes: Vec<u8>, entries: Vec<Entry>) {
        self.commit.changes.push(Change::Put { key, row: Row { version, bytes }, entries });
    }
}

fn conflict_unless(holds: bool) -> Result<(), CommitError> {
    if holds { Ok(()) } else { Err(CommitError::Conflict) }
}

/// A row that can't be read stops those who need it, and nobody else.
fn unreadable(error: ReadError) -> CommitError {
    tracing::error!(%error, "a commit could not read what it changes");
    CommitError::Unavailable
}

impl<R: Rows> TypedStore<R> {
    pub(super) async fn write(&self, commit: Commit) -> Result<(), CommitError> {
        let mut draft = Draft::default();
        for write in &commit.writes {
            if let Write::Remember(remembered) = write {
                self.remember(&mut draft, remembered, commit.at).await?;
            }
        }
        conflict_unless(!rules::claims_anything_twice(&commit.writes))?;
        for write in &commit.writes {
            self.add(&mut draft, write, &commit).await?;
        }
        for precondition in &commit.requires {
            self.require(&mut draft, precondition).await?;
        }
        self.be_unique(&mut draft, &commit.writes).await?;
        draft.commit.events = events(&commit).map_err(unreadable)?;
        match self.rows.commit(draft.commit).await {
            Ok(()) => Ok(()),
            Err(Refused::Store(error)) => Err(error),
            Err(Refused::Check(place)) => {
                Err(draft.failures.into_iter().nth(place).unwrap_or(CommitError::Conflict))
            }
        }
    }

    async fn require(
        &self,
        draft: &mut Draft,
        precondition: &Precondition,
    ) -> Result<(), CommitError> {
        match precondition {
            Precondition::OpenOrdersBelow { user, limit } => {
                let limit = limit.saturating_add(u32::from(planted(Bug::LimitOffByOne)));
                let than = usize::try_from(limit).unwrap_or(usize::MAX);
                let (index, prefix) = (keys::OPEN, keys::bought_by(*user));
                draft.check(Check::Fewer { index, prefix, than }, Refusal::TooManyOpenOrders);
            }
            Precondition::UserAt { user, version } => {
                draft.still(&keys::user(*user), Some(version.number()));
            }
            Precondition::TicketAt { ticket, version } => {
                let holder = self.holder(*ticket).await.map_err(unreadable)?;
                let key = keys::ticket(*ticket);
                let stored = self.stored::<TicketRow>(key.clone()).await.map_err(unreadable)?;
                let row = stored.and_then(|(_, row)| row.listed());
                let row = row.ok_or(CommitError::Conflict)?.version;
                conflict_unless(holder.map_or(row, |_| row.next()) == *version)?;
                // Whoever lets go of it writes it.
                draft.still(&key, Some(row.number()));
                self.still_held_by(draft, *ticket, holder);
            }
            Precondition::ResourceAt { id, version } => {
                draft.still(&registry::key(id), version.map(Version::number));
            }
            Precondition::ResourceExists(id) => {
                let key = registry::key(id);
                let row = self.row(key.clone()).await.map_err(unreadable)?;
                let version = row.ok_or(CommitError::Conflict)?.version;
                draft.still(&key, Some(version));
            }
            Precondition::Fewer { list, than } => {
                let (index, prefix) = registry::span(list);
                let than = usize::try_from(*than).unwrap_or(usize::MAX);
                draft.check(Check::Fewer { index, prefix, than }, registry::full(list));
            }
        }
        Ok(())
    }

    async fn add(
        &self,
        draft: &mut Draft,
        write: &Write,
        commit: &Commit,
    ) -> Result<(), CommitError> {
        let encoded = |bytes: Result<Vec<u8>, ReadError>| bytes.map_err(unreadable);
        match write {
            Write::User(after) => {
                let key = keys::user(after.id);
                let bytes = encoded(records::encode(key.id.as_slice(), after))?;
                draft.still(&key, after.version.previous().map(Version::number));
                draft.put(key, after.version.number(), bytes, keys::of_user(after));
            }
            Write::Ticket(after) => self.add_ticket(draft, after, &commit.writes).await?,
            Write::WithdrawTicket { id, last } => {
                let (key, holder) =
                    (keys::ticket(*id), self.holder(*id).await.map_err(unreadable)?);
                conflict_unless(rules::ends_holder(holder, &commit.writes))?;
                let stored = self.stored::<TicketRow>(key.clone()).await.map_err(unreadable)?;
                let ticket = stored.and_then(|(_, row)| row.listed());
                conflict_unless(ticket.as_ref().is_some_and(|ticket| ticket.version == *last))?;
                conflict_unless(rules::seats_follow_orders(ticket.as_ref(), None, &commit.writes))?;
                draft.still(&key, Some(last.number()));
                self.still_held_by(draft, *id, holder);
                let mark = TicketRow::Withdrawn { last: last.next() };
                let bytes = encoded(records::encode(key.id.as_slice(), &mark))?;
                draft.put(key, last.next().number(), bytes, Vec::new());
            }
            Write::Order(after) => {
                let key = keys::order(after.id);
                let before = self.read_order(after.id).await.map_err(unreadable)?;
                let version = before.as_ref().map(|before| before.version);
                conflict_unless(rules::follows(version, after.version))?;
                let along = rules::takes_its_ticket_along(before.as_ref(), after, &commit.writes);
                conflict_unless(along)?;
                draft.still(&key, version.map(Version::number));
                let bytes = encoded(records::encode(key.id.as_slice(), after))?;
                draft.put(key, after.version.number(), bytes, keys::of_order(after));
            }
            Write::Charge(after) => {
                let key = keys::charge(after.id);
                let bytes = encoded(records::encode(key.id.as_slice(), after))?;
                draft.still(&key, after.version.previous().map(Version::number));
                draft.put(key, after.version.number(), bytes, keys::of_charge(after));
            }
            Write::OpenSession(session) => self.open_session(draft, session, commit.at).await?,
            Write::SeeSession { user, session, before, at } => {
                let key = keys::session(*user, *session);
                let stored = self.stored::<SessionRow>(key.clone()).await.map_err(unreadable)?;
                let (version, row) = stored.ok_or(CommitError::Conflict)?;
                let seen = rules::seen(Some(row.session(*user, *session)), *before, *at);
                let row = SessionRow::from(&seen.ok_or(CommitError::Conflict)?);
                let bytes = encoded(records::encode(key.id.as_slice(), &row))?;
                draft.still(&key, Some(version));
                draft.put(key, version.saturating_add(1), bytes, Vec::new());
            }
            Write::EndSession { user, session } => {
                draft.commit.changes.push(Change::Delete { key: keys::session(*user, *session) });
            }
            Write::EndOtherSessions { user, except } => {
                draft.commit.changes.push(Change::DeleteOthers {
                    table: keys::SESSIONS,
                    prefix: keys::sessions_of(*user),
                    except: keys::session(*user, *except).id,
                });
            }
            Write::Put(after) => {
                let registry::Bytes { key, row } = registry::bytes(after).map_err(unreadable)?;
                draft.still(&key, after.version().previous().map(Version::number));
                draft.put(key, row.version, row.bytes, registry::entries(after));
            }
            Write::Delete(last) => {
                let key = registry::key(&last.id());
                draft.still(&key, Some(last.version().number()));
                draft.commit.changes.push(Change::Delete { key });
            }
            // Done before anything else.
            Write::Remember(_) => {}
        }
        Ok(())
    }

    async fn add_ticket(
        &self,
        draft: &mut Draft,
        after: &Ticket,
        all: &[Write],
    ) -> Result<(), CommitError> {
        let key = keys::ticket(after.id);
        let holder = self.holder(after.id).await.map_err(unreadable)?;
        let before = match self.stored::<TicketRow>(key.clone()).await.map_err(unreadable)? {
            Some((_, TicketRow::Listed(ticket))) => Some(ticket),
            Some((_, TicketRow::Withdrawn { .. })) => return Err(CommitError::Conflict),
            None => None,
        };
        draft.still(&key, before.as_ref().map(|before| before.version.number()));
        if let TicketState::Locked { order, .. } = after.state {
            let order = rules::written_order(all, order);
            conflict_unless(rules::locks(before.as_ref(), holder, after, order))?;
            if !planted(Bug::DroppedVersionCheck) {
                draft.free(keys::HELD, keys::held(after.id), CommitError::Conflict);
            }
            return Ok(());
        }
        let version = before.as_ref().map(|before| before.version);
        let version = version.map(|version| holder.map_or(version, |_| version.next()));
        conflict_unless(rules::follows(version, after.version))?;
        conflict_unless(rules::ends_holder(holder, all))?;
        conflict_unless(rules::seats_follow_orders(before.as_ref(), Some(after), all))?;
        self.still_held_by(draft, after.id, holder);
        let bytes = records::encode(key.id.as_slice(), after).map_err(unreadable)?;
        draft.put(key, after.version.number(), bytes, keys::of_ticket(after));
        Ok(())
    }

    /// What holds the ticket must be what was read: an order that ends in this commit, which its
    /// own version shows, or nothing.
    fn still_held_by(
        &self,
        draft: &mut Draft,
        ticket: crate::domain::TicketId,
        holder: Option<crate::domain::OrderId>,
    ) {
        if holder.is_none() {
            draft.free(keys::HELD, keys::held(ticket), CommitError::Conflict);
        }
    }

    async fn open_session(
        &self,
        draft: &mut Draft,
        session: &Session,
        at: Timestamp,
    ) -> Result<(), CommitError> {
        let rows = self.session_rows(session.user, SWEPT_AT_ONCE).await.map_err(unreadable)?;
        for (id, row) in rows {
            let key = Key { table: keys::SESSIONS, id };
            let stored = sound(session_of(session.user, &key, &row));
            if stored.is_some_and(|stored| stored.expires_at <= at) {
                draft.commit.changes.push(Change::Delete { key });
            }
        }
        let key = keys::session(session.user, session.id);
        let row = SessionRow::from(session);
        let bytes = records::encode(key.id.as_slice(), &row).map_err(unreadable)?;
        draft.put(key, 0, bytes, Vec::new());
        Ok(())
    }

    async fn remember(
        &self,
        draft: &mut Draft,
        after: &Remembered,
        at: Timestamp,
    ) -> Result<(), CommitError> {
        let key = keys::remembered(after.user, &after.key);
        let stored = self.read_remembered(after.user, &after.key).await.map_err(unreadable)?;
        let is_taken =
            |before: &Remembered| before.expires_at > at && !rules::completes(before, after);
        if stored.as_ref().is_some_and(|(_, before)| is_taken(before)) {
            return Err(Refusal::KeyUsed.into());
        }
        let version = stored.map(|(version, _)| version);
        // Whoever was faster has used it.
        draft.check(Check::Version { key: key.clone(), is: version }, Refusal::KeyUsed);
        let bytes = records::encode(key.id.as_slice(), after).map_err(unreadable)?;
        let next = version.map_or(0, |version| version.saturating_add(1));
        self.sweep_keys(draft, &key, at).await.map_err(unreadable)?;
        draft.put(key, next, bytes, keys::of_remembered(after));
        Ok(())
    }

    async fn sweep_keys(
        &self,
        draft: &mut Draft,
        used: &Key,
        now: Timestamp,
    ) -> Result<(), ReadError> {
        let (index, prefix) = (keys::KEY_EXPIRY, Vec::new());
        let run = Run { index, prefix, after: None, descending: false, limit: SWEPT_AT_ONCE };
        for entry in self.entries(run).await? {
            let expired = entry.place.first_chunk().copied().map(keys::to_time) <= Some(now);
            if !expired {
                break;
            }
            let key = Key { table: keys::REMEMBERED, id: entry.value };
            if key != *used {
                draft.commit.changes.push(Change::Delete { key });
            }
        }
        Ok(())
    }

    /// What may be there only once: an address, a payment intent of the gateway, a place of a resource.
    async fn be_unique(&self, draft: &mut Draft, writes: &[Write]) -> Result<(), CommitError> {
        for write in writes {
            match write {
                Write::User(after) if !planted(Bug::SharedAddress) => {
                    let email = after.email_key();
                    let before = match after.version.previous() {
                        Some(_) => self.read_user(after.id).await.map_err(unreadable)?,
                        None => None,
                    };
                    if before.is_none_or(|before| before.email_key() != email) {
                        draft.free(keys::EMAILS, keys::email(&email), Refusal::EmailInUse);
                    }
                }
                Write::Charge(after) => {
                    let before = match after.version.previous() {
                        Some(_) => self.read_charge(after.id).await.map_err(unreadable)?,
                        None => None,
                    };
                    let before = before.as_ref().and_then(|before| before.intent());
                    if let Some(new) = after.intent().filter(|intent| Some(*intent) != before) {
                        draft.free(keys::INTENTS, keys::intent(new), CommitError::Conflict);
                    }
                }
                Write::Put(after) => {
                    let before = self.stored_resource(&registry::key(&after.id())).await;
                    let before = before.map_err(unreadable)?;
                    let old = before.as_ref().map(registry::entries).unwrap_or_default();
                    for entry in new_entries(&old, &registry::entries(after)) {
                        let failure = registry::taken(after, entry.index);
                        draft.free(entry.index, entry.place.clone(), failure);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The events of a commit as the log holds them, each under its own number.
fn events(commit: &Commit) -> Result<Vec<Vec<u8>>, ReadError> {
    commit.events.iter().map(|event| alone(commit.at, event)).collect()
}
