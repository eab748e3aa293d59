//! Indexes: every entry that a record implies is there, and there are no others.

use std::collections::HashMap;

use crate::domain::{Charge, Order, Remembered, User};
use crate::store::records::entries::Owner;
use crate::store::records::{self, Entry, Index, Indexed, TicketRow};
use crate::store::redb::indexes::{Found, IndexTables, find};
use crate::store::redb::tables::{CHARGES, IDEMPOTENCY, ORDERS, TICKETS, USERS};
use crate::store::redb::verify::{Inspection, Rows, lookup};
use crate::store::{ReadError, storage_error};

/// The indexes, and how many entries they should have.
pub(in crate::store) struct Indexes {
    tables: IndexTables,
    implied: HashMap<Index, u64>,
}

impl Indexes {
    pub(in crate::store) fn of(inspection: &Inspection<'_>) -> Result<Self, ReadError> {
        let tables = IndexTables::of(inspection.snapshot)?;
        Ok(Self { tables, implied: HashMap::new() })
    }

    /// Finds everything that a record implies.
    pub(in crate::store) fn hold(
        &mut self,
        inspection: &mut Inspection<'_>,
        record: &impl Indexed,
    ) -> Result<(), ReadError> {
        for entry in record.entries() {
            *self.implied.entry(entry.index()).or_default() += 1;
            match find(&self.tables, &entry)? {
                Found::Itself => {}
                Found::Nothing => inspection.wrong(format!("{entry}: the entry is missing")),
                Found::Other(other) => {
                    inspection.wrong(format!("{entry}: there is another entry, {other}"));
                }
            }
        }
        Ok(())
    }

    /// Names the entries that no record implies, once all have been held to their indexes. An
    /// index that has no more entries than are implied has no others.
    pub(in crate::store) fn no_more(
        &self,
        inspection: &mut Inspection<'_>,
    ) -> Result<(), ReadError> {
        let owners = Owners::of(inspection)?;
        for index in Index::ALL {
            let implied = self.implied.get(index).copied().unwrap_or_default();
            if self.tables.len(*index)? == implied {
                continue;
            }
            self.tables.each(*index, &mut |entry| {
                if let Some(entry) = inspection.sound(entry)?
                    && !owners.imply(&entry)?
                {
                    inspection.wrong(format!("{entry}: no record has this entry"));
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The tables of the records that have entries.
struct Owners {
    users: Rows,
    tickets: Rows,
    orders: Rows,
    charges: Rows,
    keys: redb::ReadOnlyTable<(u128, &'static str), &'static [u8]>,
}

impl Owners {
    fn of(inspection: &Inspection<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            users: inspection.table(USERS)?,
            tickets: inspection.table(TICKETS)?,
            orders: inspection.table(ORDERS)?,
            charges: inspection.table(CHARGES)?,
            keys: inspection.table(IDEMPOTENCY)?,
        })
    }

    /// Whether the record of an entry has it.
    fn imply(&self, entry: &Entry<'_>) -> Result<bool, ReadError> {
        Ok(match entry.owner() {
            Owner::User(id) => has(lookup::<User>(&self.users, id)?, entry),
            Owner::Ticket(id) => has(lookup::<TicketRow>(&self.tickets, id)?, entry),
            Owner::Order(id) => has(lookup::<Order>(&self.orders, id)?, entry),
            Owner::Charge(id) => has(lookup::<Charge>(&self.charges, id)?, entry),
            Owner::Key(user, key) => {
                let row = self.keys.get((user, key)).map_err(storage_error)?;
                let row = row.map(|row| records::decode::<Remembered>((user, key), row.value()));
                has(row.and_then(Result::ok), entry)
            }
        })
    }
}

fn has(record: Option<impl Indexed>, entry: &Entry<'_>) -> bool {
    record.is_some_and(|record| record.entries().contains(entry))
}
