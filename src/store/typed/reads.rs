//! Reading resources: a row, what holds it, what an index leads to.

use super::{TypedStore, another_answer, keys};
use crate::domain::{
    Charge, ChargeId, EmailKey, IntentId, LoggedEvent, Order, OrderId, Purchase, Remembered,
    Session, SessionId, Ticket, TicketId, User, UserId,
};
use crate::store::contract::{Entry, Found, Index, Key, Read, Row, Rows, Run};
use crate::store::records::event::read_alone;
use crate::store::records::session::{SessionRow, sound};
use crate::store::records::{self, Record, TicketRow};
use crate::store::{Deadline, PurchaseQuery, ReadError};

/// How many rows of a list are read together.
const READ_AT_ONCE: usize = 64;
/// How many sessions of a user are listed at most.
const SESSIONS_MAX: usize = 10_000;

/// The record in a row.
pub(super) fn record<T: Record>(key: &Key, row: &Row) -> Result<T, ReadError> {
    records::decode(key.id.as_slice(), &row.bytes)
}

/// The first whole place of an index.
pub(super) fn whole(index: Index, place: Vec<u8>) -> Run {
    Run { index, prefix: place, after: None, descending: false, limit: 1 }
}

/// The id that stands at a place.
pub(super) fn id_in(entry: &Entry) -> Result<u128, ReadError> {
    let bytes = entry.value.as_slice().try_into().map(u128::from_be_bytes);
    bytes.map_err(|_| ReadError::Corrupt(format!("index {}: an id is damaged", entry.index.0)))
}

impl<R: Rows> TypedStore<R> {
    pub(super) async fn stored<T: Record>(&self, key: Key) -> Result<Option<(u64, T)>, ReadError> {
        let Some(row) = self.row(key.clone()).await? else { return Ok(None) };
        Ok(Some((row.version, record(&key, &row)?)))
    }

    async fn found<T: Record>(&self, key: Key) -> Result<Option<T>, ReadError> {
        Ok(self.stored(key).await?.map(|(_, found)| found))
    }

    async fn at_place(&self, index: Index, place: Vec<u8>) -> Result<Option<u128>, ReadError> {
        let entries = self.entries(whole(index, place)).await?;
        entries.first().map(id_in).transpose()
    }

    pub(super) async fn read_user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.found(keys::user(id)).await
    }

    pub(super) async fn read_user_by_email(
        &self,
        email: &EmailKey,
    ) -> Result<Option<User>, ReadError> {
        let Some(id) = self.at_place(keys::EMAILS, keys::email(email)).await? else {
            return Ok(None);
        };
        // An account that has moved to another address meanwhile is not the one asked for.
        let user = self.read_user(UserId::from_u128(id)).await?;
        Ok(user.filter(|user| user.email_key() == *email))
    }

    pub(super) async fn read_session(
        &self,
        user: UserId,
        id: SessionId,
    ) -> Result<Option<Session>, ReadError> {
        let key = keys::session(user, id);
        let row: Option<SessionRow> = self.found(key).await?;
        Ok(row.map(|row| row.session(user, id)))
    }

    pub(super) async fn read_sessions(&self, user: UserId) -> Result<Vec<Session>, ReadError> {
        let rows = self.session_rows(user, SESSIONS_MAX).await?;
        let session = |(id, row): &(Vec<u8>, Row)| {
            let key = Key { table: keys::SESSIONS, id: id.clone() };
            sound(session_of(user, &key, row))
        };
        Ok(rows.iter().filter_map(session).collect())
    }

    /// Some sessions of a user.
    pub(super) async fn session_rows(
        &self,
        user: UserId,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Row)>, ReadError> {
        let prefix = keys::sessions_of(user);
        let question = Read::Rows { table: keys::SESSIONS, prefix, limit };
        match self.rows.read(&[question]).await?.pop() {
            Some(Found::Rows(rows)) => Ok(rows),
            _ => Err(another_answer()),
        }
    }

    /// A ticket as it is while an order holds it, if one does. What follows from the order never
    /// changes while it holds the ticket, so only the row and its holder must be of one moment.
    pub(super) async fn read_ticket(&self, id: TicketId) -> Result<Option<Ticket>, ReadError> {
        Ok(self.read_tickets(&[id]).await?.pop().flatten())
    }

    pub(super) async fn holder(&self, ticket: TicketId) -> Result<Option<OrderId>, ReadError> {
        let holder = self.at_place(keys::HELD, keys::held(ticket)).await?;
        Ok(holder.map(OrderId::from_u128))
    }

    pub(super) async fn read_order(&self, id: OrderId) -> Result<Option<Order>, ReadError> {
        self.found(keys::order(id)).await
    }

    /// An order with its latest charge, as of one moment: read again until the order has not
    /// changed while its charge was read.
    pub(super) async fn read_purchase(&self, id: OrderId) -> Result<Option<Purchase>, ReadError> {
        let key = keys::order(id);
        let Some((mut version, mut order)) = self.stored::<Order>(key.clone()).await? else {
            return Ok(None);
        };
        loop {
            let Some(charge) = order.charge else {
                return Ok(Some(Purchase { order, charge: None }));
            };
            let questions = [key.clone(), keys::charge(charge)];
            let found = self.rows_of(questions.into_iter()).await?;
            let [Some(now), Some(charge_row)] = found.as_slice() else {
                let why = format!("orders {id}: its charge {charge} is missing");
                return Err(ReadError::Corrupt(why));
            };
            if now.version == version {
                let charge = record(&keys::charge(charge), charge_row)?;
                return Ok(Some(Purchase { order, charge: Some(charge) }));
            }
            (version, order) = (now.version, record(&key, now)?);
        }
    }

    pub(super) async fn read_purchases(
        &self,
        query: &PurchaseQuery,
    ) -> Result<Vec<Purchase>, ReadError> {
        let mut run = Run {
            index: keys::BOUGHT,
            prefix: keys::bought_by(query.buyer),
            after: query.after.map(|id| keys::bought(query.buyer, id)),
            descending: true,
            limit: READ_AT_ONCE,
        };
        let mut found = Vec::new();
        loop {
            let entries = self.entries(run.clone()).await?;
            let Some(last) = entries.last() else { return Ok(found) };
            run.after = Some(last.place.clone());
            for entry in &entries {
                let id = OrderId::from_u128(id_in(entry)?);
                let purchase = self.read_purchase(id).await?.ok_or_else(|| {
                    ReadError::Corrupt(format!("orders {id}: it is listed, but missing"))
                })?;
                let status = purchase.order.state.status();
                if query.status.is_none_or(|wanted| wanted == status) {
                    found.push(purchase);
                }
                if found.len() >= query.limit {
                    return Ok(found);
                }
            }
        }
    }

    pub(super) async fn read_charge(&self, id: ChargeId) -> Result<Option<Charge>, ReadError> {
        self.found(keys::charge(id)).await
    }

    pub(super) async fn read_charge_by_intent(
        &self,
        intent: &IntentId,
    ) -> Result<Option<Charge>, ReadError> {
        match self.at_place(keys::INTENTS, keys::intent(intent)).await? {
            Some(id) => self.read_charge(ChargeId::from_u128(id)).await,
            None => Ok(None),
        }
    }

    /// What a key led to, expired or not, with its row's version.
    pub(super) async fn read_remembered(
        &self,
        user: UserId,
        key: &str,
    ) -> Result<Option<(u64, Remembered)>, ReadError> {
        self.stored(keys::remembered(user, key)).await
    }

    pub(super) async fn read_deadlines(
        &self,
        after: Option<Deadline>,
        limit: usize,
    ) -> Result<Vec<Deadline>, ReadError> {
        let entries = self.entries(Run {
            index: keys::DEADLINES,
            prefix: Vec::new(),
            after: after.map(|after| keys::deadline(after.at, after.order)),
            descending: false,
            limit,
        });
        let deadline = |entry: &Entry| {
            let at = entry.place.first_chunk().copied().map(keys::to_time);
            let at = at.ok_or_else(|| ReadError::Corrupt("a deadline is damaged".to_owned()))?;
            Ok(Deadline { at, order: OrderId::from_u128(id_in(entry)?) })
        };
        entries.await?.iter().map(deadline).collect()
    }

    pub(super) async fn read_unsettled(
        &self,
        after: Option<ChargeId>,
        limit: usize,
    ) -> Result<Vec<Charge>, ReadError> {
        let entries = self.entries(Run {
            index: keys::UNSETTLED,
            prefix: Vec::new(),
            after: after.map(keys::unsettled),
            descending: false,
            limit,
        });
        let key = |entry| Ok(keys::charge(ChargeId::from_u128(id_in(entry)?)));
        let keys: Vec<Key> = entries.await?.iter().map(key).collect::<Result<_, ReadError>>()?;
        let rows = self.rows_of(keys.iter().cloned()).await?;
        let found = keys.iter().zip(&rows).filter_map(|(key, row)| Some((key, row.as_ref()?)));
        found.map(|(key, row)| record(key, row)).collect()
    }

    pub(super) async fn read_events(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<LoggedEvent>, ReadError> {
        let entries = self.rows.log(after, limit).await?;
        entries.iter().map(|(seq, bytes)| read_alone(*seq, bytes)).collect()
    }
}

/// The session of a row.
pub(super) fn session_of(user: UserId, key: &Key, row: &Row) -> Result<Session, ReadError> {
    let found: SessionRow = record(key, row)?;
    let id = key.id.last_chunk().map(|id| SessionId::from_u128(u128::from_be_bytes(*id)));
    let id = id.ok_or_else(|| ReadError::Corrupt("the key of a session is damaged".to_owned()))?;
    Ok(found.session(user, id))
}

/// The ticket of a row, unless it was withdrawn.
pub(super) fn ticket_of(key: &Key, row: &Row) -> Result<Option<Ticket>, ReadError> {
    Ok(record::<TicketRow>(key, row)?.listed())
}
