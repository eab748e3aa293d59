//! The tables of indexes: entries are put in, taken out and looked for, whatever they are of.

use redb::ReadableTable;

use crate::bugs::{Bug, planted};
use crate::domain::EmailKey;
use crate::store::failed::Failed;
use crate::store::records::state::{holding, holding_row};
use crate::store::records::{Entry, Index};
use crate::store::redb::open_orders::Holding;
use crate::store::redb::reads::Snapshot;
use crate::store::redb::tables::{
    CHARGES_BY_INTENT, DEADLINES, EMAILS, ENDED_ORDERS, IDEMPOTENCY_EXPIRY, LISTS, LISTS_BY_PRICE,
    UNSETTLED,
};
use crate::store::redb::write_tables::WriteTables;
use crate::store::redb::writer_state::WriterState;
use crate::store::{ReadError, storage_error};

/// Brings the indexes from the entries of a record before to those of the one after.
pub fn reindex(
    tables: &mut WriteTables<'_>,
    state: &mut WriterState,
    before: &[Entry<'_>],
    after: &[Entry<'_>],
) -> Result<(), Failed> {
    for old in before.iter().filter(|entry| !after.contains(entry)) {
        state.lost(old);
        let is_replaced = after.iter().any(|new| new.is_in_place_of(old));
        if !is_replaced && !is_forgotten(old, after) {
            remove(tables, old)?;
        }
    }
    for new in after.iter().filter(|entry| !before.contains(entry)) {
        insert(tables, new)?;
        state.gained(new);
    }
    Ok(())
}

fn is_forgotten(old: &Entry<'_>, after: &[Entry<'_>]) -> bool {
    let Entry::Price { list, .. } = old else { return false };
    let same_list = |new: &Entry<'_>| matches!(new, Entry::Price { list: l, .. } if l == list);
    planted(Bug::ForgottenIndex) && after.iter().any(same_list)
}

impl WriterState {
    /// Notes an entry that is there from now on.
    fn gained(&mut self, entry: &Entry<'_>) {
        match *entry {
            Entry::Deadline { order, buyer, ticket, .. } => {
                self.openings.open(&Holding::of(order, buyer, ticket));
            }
            Entry::Unsettled { .. } => self.unsettled += 1,
            _ => {}
        }
    }

    /// Notes an entry that is gone.
    fn lost(&mut self, entry: &Entry<'_>) {
        match *entry {
            Entry::Deadline { order, buyer, ticket, .. } => {
                self.openings.close(&Holding::of(order, buyer, ticket));
            }
            Entry::Unsettled { .. } => self.unsettled = self.unsettled.saturating_sub(1),
            _ => {}
        }
    }
}

/// Puts an entry in.
pub fn insert(tables: &mut WriteTables<'_>, entry: &Entry<'_>) -> Result<(), Failed> {
    match entry {
        Entry::Email { email, user } => {
            tables.emails.open()?.insert(email.as_str(), user)?;
        }
        Entry::List { list, ticket, price } => {
            tables.lists.open()?.insert((*list, *ticket), price)?;
        }
        Entry::Price { list, price, ticket } => {
            tables.lists_by_price.open()?.insert((*list, *price, !ticket), ())?;
        }
        Entry::Deadline { at, order, buyer, ticket } => {
            let row = holding_row((*at, *order), *buyer, *ticket);
            tables.deadlines.open()?.insert((*at, *order), row.as_slice())?;
        }
        Entry::Ended { buyer, status, order } => {
            tables.ended_orders.open()?.insert((*buyer, *status, *order), ())?;
        }
        Entry::Intent { intent, charge } => {
            tables.charges_by_intent.open()?.insert(intent.as_ref(), charge)?;
        }
        Entry::Unsettled { charge } => {
            tables.unsettled.open()?.insert(charge, ())?;
        }
        Entry::KeyExpiry { at, user, key } => {
            tables.idempotency_expiry.open()?.insert((*at, *user, key.as_ref()), ())?;
        }
    }
    Ok(())
}

/// Takes an entry out.
pub fn remove(tables: &mut WriteTables<'_>, entry: &Entry<'_>) -> Result<(), Failed> {
    match entry {
        Entry::Email { email, .. } => {
            tables.emails.open()?.remove(email.as_str())?;
        }
        Entry::List { list, ticket, .. } => {
            tables.lists.open()?.remove((*list, *ticket))?;
        }
        Entry::Price { list, price, ticket } => {
            tables.lists_by_price.open()?.remove((*list, *price, !ticket))?;
        }
        Entry::Deadline { at, order, .. } => {
            tables.deadlines.open()?.remove((*at, *order))?;
        }
        Entry::Ended { buyer, status, order } => {
            tables.ended_orders.open()?.remove((*buyer, *status, *order))?;
        }
        Entry::Intent { intent, .. } => {
            tables.charges_by_intent.open()?.remove(intent.as_ref())?;
        }
        Entry::Unsettled { charge } => {
            tables.unsettled.open()?.remove(charge)?;
        }
        Entry::KeyExpiry { at, user, key } => {
            tables.idempotency_expiry.open()?.remove((*at, *user, key.as_ref()))?;
        }
    }
    Ok(())
}

/// What stands where an entry should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The entry.
    Itself,
    /// Nothing.
    Nothing,
    /// Another one.
    Other(String),
}

/// Looks for an entry.
pub fn find(tables: &IndexTables, entry: &Entry<'_>) -> Result<Found, ReadError> {
    let told = |other: &Entry<'_>| {
        if other == entry { Found::Itself } else { Found::Other(other.to_string()) }
    };
    let there = |is_there: bool| if is_there { Found::Itself } else { Found::Nothing };
    Ok(match entry {
        Entry::Email { email, .. } => {
            let found = tables.emails.get(email.as_str()).map_err(storage_error)?;
            found.map_or(Found::Nothing, |user| {
                told(&Entry::Email { email: email.clone(), user: user.value() })
            })
        }
        Entry::List { list, ticket, .. } => {
            let found = tables.lists.get((*list, *ticket)).map_err(storage_error)?;
            found.map_or(Found::Nothing, |price| {
                told(&Entry::List { list: *list, ticket: *ticket, price: price.value() })
            })
        }
        Entry::Price { list, price, ticket } => {
            let key = (*list, *price, !ticket);
            there(tables.lists_by_price.get(key).map_err(storage_error)?.is_some())
        }
        Entry::Deadline { at, order, .. } => {
            let found = tables.deadlines.get((*at, *order)).map_err(storage_error)?;
            match found.map(|row| holding((*at, *order), row.value())) {
                None => Found::Nothing,
                Some(Err(ReadError::Corrupt(why))) => Found::Other(why),
                Some(held) => {
                    let (buyer, ticket) = held?;
                    told(&Entry::Deadline { at: *at, order: *order, buyer, ticket })
                }
            }
        }
        Entry::Ended { buyer, status, order } => {
            let key = (*buyer, *status, *order);
            there(tables.ended_orders.get(key).map_err(storage_error)?.is_some())
        }
        Entry::Intent { intent, .. } => {
            let found = tables.charges_by_intent.get(intent.as_ref()).map_err(storage_error)?;
            found.map_or(Found::Nothing, |charge| {
                told(&Entry::Intent { intent: intent.clone(), charge: charge.value() })
            })
        }
        Entry::Unsettled { charge } => {
            there(tables.unsettled.get(charge).map_err(storage_error)?.is_some())
        }
        Entry::KeyExpiry { at, user, key } => {
            let key = (*at, *user, key.as_ref());
            there(tables.idempotency_expiry.get(key).map_err(storage_error)?.is_some())
        }
    })
}

macro_rules! index_tables {
    ($($field:ident: $definition:ident, $key:ty => $value:ty;)+) => {
        /// The tables of all indexes of a snapshot.
        pub struct IndexTables {
            $($field: redb::ReadOnlyTable<$key, $value>,)+
        }

        impl IndexTables {
            /// Those of a snapshot.
            pub fn of(snapshot: &Snapshot) -> Result<Self, ReadError> {
                Ok(Self { $($field: snapshot.table($definition)?,)+ })
            }
        }
    };
}

index_tables! {
    emails: EMAILS, &'static str => u128;
    lists: LISTS, (u128, u128) => u64;
    lists_by_price: LISTS_BY_PRICE, (u128, u64, u128) => ();
    deadlines: DEADLINES, (i64, u128) => &'static [u8];
    ended_orders: ENDED_ORDERS, (u128, u8, u128) => ();
    charges_by_intent: CHARGES_BY_INTENT, &'static str => u128;
    unsettled: UNSETTLED, u128 => ();
    idempotency_expiry: IDEMPOTENCY_EXPIRY, (i64, u128, &'static str) => ();
}

impl IndexTables {
    /// How many entries an index has.
    pub fn len(&self, index: Index) -> Result<u64, ReadError> {
        use redb::ReadableTableMetadata as _;
        let len = match index {
            Index::Emails => self.emails.len(),
            Index::Lists => self.lists.len(),
            Index::Prices => self.lists_by_price.len(),
            Index::Deadlines => self.deadlines.len(),
            Index::Ended => self.ended_orders.len(),
            Index::Intents => self.charges_by_intent.len(),
            Index::Unsettled => self.unsettled.len(),
            Index::KeyExpiry => self.idempotency_expiry.len(),
        };
        len.map_err(storage_error)
    }

    /// Shows every entry of an index, or why it can't be read.
    pub fn each(&self, index: Index, look: &mut Look<'_>) -> Result<(), ReadError> {
        match index {
            Index::Emails => each(&self.emails, |email, user| {
                look(Ok(Entry::Email { email: EmailKey::stored(email), user }))
            }),
            Index::Lists => each(&self.lists, |(list, ticket), price| {
                look(Ok(Entry::List { list, ticket, price }))
            }),
            Index::Prices => each(&self.lists_by_price, |(list, price, complement), ()| {
                look(Ok(Entry::Price { list, price, ticket: !complement }))
            }),
            Index::Deadlines => each(&self.deadlines, |(at, order), row| {
                let held = holding((at, order), row);
                look(held.map(|(buyer, ticket)| Entry::Deadline { at, order, buyer, ticket }))
            }),
            Index::Ended => each(&self.ended_orders, |(buyer, status, order), ()| {
                look(Ok(Entry::Ended { buyer, status, order }))
            }),
            Index::Intents => each(&self.charges_by_intent, |intent, charge| {
                look(Ok(Entry::Intent { intent: intent.into(), charge }))
            }),
            Index::Unsettled => {
                each(&self.unsettled, |charge, ()| look(Ok(Entry::Unsettled { charge })))
            }
            Index::KeyExpiry => each(&self.idempotency_expiry, |(at, user, key), ()| {
                look(Ok(Entry::KeyExpiry { at, user, key: key.into() }))
            }),
        }
    }
}

/// What is shown entries.
type Look<'l> = dyn FnMut(Result<Entry<'_>, ReadError>) -> Result<(), ReadError> + 'l;

fn each<K: redb::Key + 'static, V: redb::Value + 'static>(
    table: &redb::ReadOnlyTable<K, V>,
    mut look: impl FnMut(K::SelfType<'_>, V::SelfType<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    for entry in table.iter().map_err(storage_error)? {
        let (key, value) = entry.map_err(storage_error)?;
        look(key.value(), value.value())?;
    }
    Ok(())
}
