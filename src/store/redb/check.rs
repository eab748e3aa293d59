//! Whether a commit may be written, decided before any of it is.
//!
//! A refused commit must leave no trace, and it shares a transaction with others that must not
//! be lost with it. So everything that can refuse it is looked at first: the version of each
//! row it writes, the rules that span rows, and whether its records can be encoded. What
//! earlier commits of the same transaction have written counts.

use redb::ReadableTable;

use crate::bugs::{Bug, planted};
use crate::domain::{
    Charge, Commit, Order, OrderId, Precondition, Remembered, Session, SessionId, Ticket, TicketId,
    TicketState, Timestamp, User, UserId, Version, Write,
};
use crate::store::failed::Stop;
use crate::store::records::commit::Written;
use crate::store::records::session::SessionRow;
use crate::store::records::{self, Entry, Record, TicketRow, remembered, session};
use crate::store::redb::absence::no_such_entry;
use crate::store::redb::log::EncodedEvents;
use crate::store::redb::open_orders::{OpenOrders, Openings};
use crate::store::redb::resources::{self, Deletion, Put};
use crate::store::redb::write_tables::WriteTables;
use crate::store::rules;
use crate::store::{CommitError, Refusal};

/// A commit that may be written: each change with what is stored now, so that the indexes
/// can follow.
pub struct Checked<'c> {
    /// The time of the decision.
    pub at: Timestamp,
    /// The changes, in order.
    pub changes: Vec<Change<'c>>,
    /// The events.
    pub events: EncodedEvents,
}

/// A change that may be written. `row` is the new record, encoded.
pub enum Change<'c> {
    /// A new account or its next version.
    User { before: Option<User>, after: &'c User, row: Vec<u8> },
    /// A ticket is locked, which is not written: its order is. `row` would be its row.
    Lock { row: Vec<u8> },
    /// A new ticket or its next version; `before` is its row, and tells nothing of a lock.
    Ticket { before: Option<Ticket>, after: &'c Ticket, row: Vec<u8> },
    /// A ticket's end.
    Withdrawal { before: Ticket, row: Vec<u8> },
    /// A new order or its next version.
    Order { before: Option<Order>, after: &'c Order, row: Vec<u8> },
    /// A new charge or its next version.
    Charge { before: Option<Charge>, after: &'c Charge, row: Vec<u8> },
    /// A session begins.
    OpenSession(&'c Session, Vec<u8>),
    /// A session was used.
    SeeSession { before: Timestamp, after: Session, row: Vec<u8> },
    /// A session ends.
    EndSession { user: UserId, session: SessionId },
    /// All sessions of a user but one end.
    EndOtherSessions { user: UserId, except: SessionId },
    /// An idempotency key is used, after its last use has expired or to complete it.
    Remember { before: Option<Box<Remembered>>, after: &'c Remembered, row: Vec<u8> },
    /// A resource of those that are kept alike, or its next version.
    Put(Put<'c>),
    /// Such a resource ends.
    Delete(Deletion),
}

/// The open orders as the next commit of a batch finds them.
#[derive(Clone, Copy)]
pub struct OpenNow<'b> {
    /// Those before the batch.
    pub published: &'b OpenOrders,
    /// What the batch has done since.
    pub batch: &'b Openings,
}

impl Checked<'_> {
    /// What the journal keeps of the changes.
    pub fn written(&self) -> impl Iterator<Item = Written<'_>> {
        self.changes.iter().map(|change| match change {
            Change::User { row, .. } => Written::User(row),
            Change::Lock { row } | Change::Ticket { row, .. } => Written::Ticket(row),
            Change::Withdrawal { before, .. } => Written::Withdrawn(before.id, before.version),
            Change::Order { row, .. } => Written::Order(row),
            Change::Charge { row, .. } => Written::Charge(row),
            Change::OpenSession(session, _) => Written::OpenSession(session),
            Change::SeeSession { before, after, .. } => {
                Written::SeeSession(after.user, after.id, *before, after.last_seen_at)
            }
            Change::EndSession { user, session } => Written::EndSession(*user, *session),
            Change::EndOtherSessions { user, except } => Written::EndOtherSessions(*user, *except),
            Change::Remember { row, .. } => Written::Remember(row),
            Change::Put(Put { key, row, .. }) => Written::Put(key.table, row),
            Change::Delete(Deletion { key, row, .. }) => Written::Delete(key.table, row),
        })
    }
}

impl OpenNow<'_> {
    fn holder(self, ticket: TicketId) -> Option<OrderId> {
        self.batch.holder(self.published, ticket)
    }
}

const CONFLICT: Stop = Stop::Refused(CommitError::Conflict);

/// Decides about one commit.
///
/// A key that has been used is told first, for it says that the same request was decided
/// before; then stale versions, for a decision on stale state says nothing about rules.
pub fn check<'c>(
    tables: &mut WriteTables<'_>,
    open: OpenNow<'_>,
    commit: &'c Commit,
) -> Result<Checked<'c>, Stop> {
    let mut changes = Vec::with_capacity(commit.writes.len());
    for write in &commit.writes {
        if let Write::Remember(remembered) = write {
            changes.push(check_key(tables, remembered, commit.at)?);
        }
    }
    conflict_unless(!rules::claims_anything_twice(&commit.writes))?;
    for write in &commit.writes {
        changes.extend(check_version(tables, open, write, &commit.writes)?);
    }
    for precondition in &commit.requires {
        match precondition {
            Precondition::OpenOrdersBelow { user, limit } => {
                let limit = limit.saturating_add(u32::from(planted(Bug::LimitOffByOne)));
                if !open.batch.leave_room(open.published, *user, limit) {
                    return Err(Refusal::TooManyOpenOrders.into());
                }
            }
            Precondition::UserAt { user, version } => check_user(tables, *user, *version)?,
            Precondition::TicketAt { ticket, version } => {
                let row = stored_ticket(tables, *ticket)?.ok_or(CONFLICT)?.version;
                let is = open.holder(*ticket).map_or(row, |_| row.next());
                conflict_unless(is == *version)?;
            }
            Precondition::ResourceAt { id, version } => {
                resources::check_at(tables, id, *version)?;
            }
            Precondition::ResourceExists(id) => resources::check_exists(tables, id)?,
            Precondition::Fewer { list, than } => resources::check_room(tables, list, *than)?,
        }
    }
    for change in &changes {
        check_unique(tables, change)?;
    }
    let events = EncodedEvents::new(commit.at, &commit.events)?;
    Ok(Checked { at: commit.at, changes, events })
}

fn check_user(tables: &mut WriteTables<'_>, id: UserId, version: Version) -> Result<(), Stop> {
    let key = id.as_u128();
    let stored = match tables.users.open()?.get(key)? {
        Some(row) => Some(records::decode::<User>(key, row.value())?),
        None => None,
    };
    if stored.is_some_and(|user| user.version == version) { Ok(()) } else { Err(CONFLICT) }
}

fn check_key<'c>(
    tables: &mut WriteTables<'_>,
    after: &'c Remembered,
    at: Timestamp,
) -> Result<Change<'c>, Stop> {
    let key = remembered::key(after);
    let before = match tables.idempotency.open()?.get(key)? {
        Some(row) => Some(records::decode::<Remembered>(key, row.value())?),
        None => None,
    };
    let is_taken = |before: &Remembered| before.expires_at > at && !rules::completes(before, after);
    if before.as_ref().is_some_and(is_taken) {
        return Err(Refusal::KeyUsed.into());
    }
    let before = before.map(Box::new);
    Ok(Change::Remember { before, after, row: records::encode(key, after)? })
}

/// `None` for what was checked already.
fn check_version<'c>(
    tables: &mut WriteTables<'_>,
    open: OpenNow<'_>,
    write: &'c Write,
    all: &[Write],
) -> Result<Option<Change<'c>>, Stop> {
    Ok(Some(match write {
        Write::User(after) => {
            let before: Option<User> = stored(tables.users.open()?, after.id.as_u128())?;
            conflict_unless(rules::follows(
                before.as_ref().map(|before| before.version),
                after.version,
            ))?;
            Change::User { before, after, row: records::encode(after.id.as_u128(), after)? }
        }
        Write::Ticket(after) => {
            let before = stored_ticket(tables, after.id)?;
            let holder = open.holder(after.id);
            if let TicketState::Locked { order, .. } = after.state {
                let order = rules::written_order(all, order);
                conflict_unless(rules::locks(before.as_ref(), holder, after, order))?;
                let row = records::encode(after.id.as_u128(), after)?;
                return Ok(Some(Change::Lock { row }));
            }
            let version = before.as_ref().map(|before| before.version);
            conflict_unless(rules::follows(
                version.map(|v| holder.map_or(v, |_| v.next())),
                after.version,
            ))?;
            conflict_unless(rules::ends_holder(holder, all))?;
            conflict_unless(rules::seats_follow_orders(before.as_ref(), Some(after), all))?;
            Change::Ticket { before, after, row: records::encode(after.id.as_u128(), after)? }
        }
        Write::WithdrawTicket { id, last } => {
            conflict_unless(rules::ends_holder(open.holder(*id), all))?;
            let before = stored_ticket(tables, *id)?.filter(|ticket| ticket.version == *last);
            conflict_unless(rules::seats_follow_orders(before.as_ref(), None, all))?;
            let mark = TicketRow::Withdrawn { last: last.next() };
            let row = records::encode(id.as_u128(), &mark)?;
            Change::Withdrawal { before: before.ok_or(CONFLICT)?, row }
        }
        Write::Order(after) => {
            let before: Option<Order> = stored(tables.orders.open()?, after.id.as_u128())?;
            conflict_unless(rules::follows(
                before.as_ref().map(|before| before.version),
                after.version,
            ))?;
            conflict_unless(rules::takes_its_ticket_along(before.as_ref(), after, all))?;
            Change::Order { before, after, row: records::encode(after.id.as_u128(), after)? }
        }
        Write::Charge(after) => {
            let before: Option<Charge> = stored(tables.charges.open()?, after.id.as_u128())?;
            conflict_unless(rules::follows(
                before.as_ref().map(|before| before.version),
                after.version,
            ))?;
            Change::Charge { before, after, row: records::encode(after.id.as_u128(), after)? }
        }
        Write::OpenSession(opened) => {
            let row = records::encode(session::key(opened), &SessionRow::from(opened))?;
            Change::OpenSession(opened, row)
        }
        Write::SeeSession { user, session: id, before, at } => {
            let key = (user.as_u128(), id.as_u128());
            let stored = match tables.sessions.open()?.get(key)? {
                Some(row) => Some(session::session(key, row.value())?),
                None => None,
            };
            let after = rules::seen(stored, *before, *at).ok_or(CONFLICT)?;
            let row = records::encode(key, &SessionRow::from(&after))?;
            Change::SeeSession { before: *before, after, row }
        }
        Write::EndSession { user, session } => {
            Change::EndSession { user: *user, session: *session }
        }
        Write::EndOtherSessions { user, except } => {
            Change::EndOtherSessions { user: *user, except: *except }
        }
        Write::Put(after) => Change::Put(resources::check_put(tables, after)?),
        Write::Delete(last) => Change::Delete(resources::check_delete(tables, last)?),
        Write::Remember(_) => return Ok(None),
    }))
}

/// What must hold, or the decision was made on stale state.
fn conflict_unless(holds: bool) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(CONFLICT) }
}

fn stored<T: Record>(
    table: &impl ReadableTable<u128, &'static [u8]>,
    id: u128,
) -> Result<Option<T>, Stop> {
    match table.get(id)? {
        Some(row) => Ok(Some(records::decode(id, row.value())?)),
        None => Ok(None),
    }
}

/// The ticket, if there is one yet; one that was withdrawn is in conflict with everything.
fn stored_ticket(tables: &mut WriteTables<'_>, id: TicketId) -> Result<Option<Ticket>, Stop> {
    match stored(tables.tickets.open()?, id.as_u128())? {
        Some(TicketRow::Listed(ticket)) => Ok(Some(ticket)),
        Some(TicketRow::Withdrawn { .. }) => Err(CONFLICT),
        None => Ok(None),
    }
}

/// What may be there only once: an address, and a payment intent of the gateway.
fn check_unique(tables: &mut WriteTables<'_>, change: &Change<'_>) -> Result<(), Stop> {
    match change {
        Change::User { before, after, .. } => {
            let key = after.email_key();
            let is_own = before.as_ref().is_some_and(|before| before.email_key() == key);
            if is_own || planted(Bug::SharedAddress) {
                return Ok(());
            }
            let (emails, users) = (tables.emails.open()?, tables.users.open()?);
            if emails.get(key.as_str())?.is_some() {
                return Err(Refusal::EmailInUse.into());
            }
            no_such_entry::<User>(emails, users, key.as_str(), |email, user| {
                Entry::email(email, user)
            })?;
        }
        Change::Charge { before, after, .. } => {
            let before = before.as_ref().and_then(Charge::intent);
            if let Some(intent) = after.intent().filter(|intent| Some(*intent) != before)
                && tables.charges_by_intent.open()?.get(intent.0.as_str())?.is_some()
            {
                // Two charges of one intent would take one payment for two. No gateway gives
                // out an intent twice, so this is told as the defect it is.
                tracing::error!(intent = intent.0, charge = %after.id, "an intent has a charge");
                return Err(CONFLICT);
            }
        }
        Change::Put(put) => resources::check_free(tables, put)?,
        Change::Delete(_)
        | Change::Ticket { .. }
        | Change::Withdrawal { .. }
        | Change::Order { .. }
        | Change::Lock { .. }
        | Change::OpenSession(..)
        | Change::SeeSession { .. }
        | Change::EndSession { .. }
        | Change::EndOtherSessions { .. }
        | Change::Remember { .. } => {}
    }
    Ok(())
}
