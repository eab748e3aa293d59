//! What the journal changes in rows. Its commits were accepted, so nothing is checked again.

use std::collections::BTreeMap;

use crate::store::ReadError;
use crate::store::redb::migrations::format1::Source;
use crate::store::redb::migrations::format1::journal::Reader;
use crate::store::redb::migrations::format1::records::{
    Charge, Commit, Entry, Order, Remembered, TicketRow, TicketState, User, Write,
};

/// Rows that the journal has and the database has not.
#[derive(Default)]
pub struct Rows {
    pub users: BTreeMap<u128, User>,
    /// When a session expires; `None` if it has ended.
    pub sessions: BTreeMap<(u128, u128), Option<i64>>,
    pub tickets: BTreeMap<u128, TicketRow>,
    pub orders: BTreeMap<u128, Order>,
    pub charges: BTreeMap<u128, Charge>,
    pub keys: BTreeMap<(u128, String), Remembered>,
    pub events: Vec<Entry>,
}

impl Rows {
    /// Those of the batches after that one, and the number of the last.
    pub fn of_journal(
        source: &Source,
        mut journal: Reader<'_>,
        mut batch: u64,
    ) -> Result<(Self, u64), ReadError> {
        let mut rows = Self::default();
        while let Some(commits) = journal.read_after(batch)? {
            for commit in commits {
                rows.apply(source, commit)?;
            }
            batch = batch.saturating_add(1);
        }
        Ok((rows, batch))
    }

    fn apply(&mut self, source: &Source, commit: Commit) -> Result<(), ReadError> {
        let at = commit.at;
        for write in commit.writes {
            match write {
                Write::User(user) => drop(self.users.insert(user.id, user)),
                // A lock is its order.
                Write::Ticket(ticket) if matches!(ticket.state, TicketState::Locked { .. }) => {}
                Write::Ticket(ticket) => {
                    self.tickets.insert(ticket.id, TicketRow::Listed(ticket));
                }
                Write::WithdrawTicket { id, last } => {
                    let last = last.saturating_add(1);
                    self.tickets.insert(id, TicketRow::Withdrawn { last });
                }
                Write::Order(order) => drop(self.orders.insert(order.id, order)),
                Write::Charge(charge) => drop(self.charges.insert(charge.id, charge)),
                Write::OpenSession(session) => {
                    self.sessions.insert((session.user, session.id), Some(session.expires_at));
                }
                Write::EndSession { user, session } => {
                    self.sessions.insert((user, session), None);
                }
                Write::EndOtherSessions { user, except } => {
                    let stored = source.sessions_of(user)?.into_iter();
                    for session in stored.filter(|session| *session != except) {
                        self.sessions.entry((user, session)).or_insert(None);
                    }
                    let all = self.sessions.range_mut((user, 0)..=(user, u128::MAX));
                    let others = all.filter(|((_, session), _)| *session != except);
                    others.for_each(|(_, session)| *session = None);
                }
                Write::Remember(key) => {
                    self.keys.insert((key.user, key.key.clone()), *key);
                }
            }
        }
        self.events.extend(commit.events.into_iter().map(|event| Entry { at, event }));
        Ok(())
    }
}
