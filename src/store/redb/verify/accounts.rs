//! Accounts, sessions, and idempotency keys.

use redb::ReadableTable;

use crate::domain::{Remembered, User, UserId};
use crate::store::records::{self, session};
use crate::store::redb::tables::{IDEMPOTENCY, SESSIONS, USERS};
use crate::store::redb::verify::indexes::Indexes;
use crate::store::redb::verify::{Damage, Inspection};
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(
    inspection: &mut Inspection<'_>,
    indexes: &mut Indexes,
) -> Result<(), ReadError> {
    inspection.each::<User>(USERS, Damage::Told, |inspection, id, user| {
        inspection.report.counts.users += 1;
        let id = UserId::from_u128(id);
        inspection.expect(user.id == id, || format!("users {id}: it says it is {}", user.id));
        indexes.hold(inspection, &user)
    })?;
    for entry in inspection.table(SESSIONS)?.iter().map_err(storage_error)? {
        let (key, row) = entry.map_err(storage_error)?;
        inspection.sound(session::session(key.value(), row.value()))?;
    }
    keys(inspection, indexes)
}

fn keys(inspection: &mut Inspection<'_>, indexes: &mut Indexes) -> Result<(), ReadError> {
    for entry in inspection.table(IDEMPOTENCY)?.iter().map_err(storage_error)? {
        let (stored, row) = entry.map_err(storage_error)?;
        let (user, key) = stored.value();
        let decoded = records::decode::<Remembered>((user, key), row.value());
        let Some(remembered) = inspection.sound(decoded)? else { continue };
        let id = UserId::from_u128(user);
        let is_same = remembered.user == id && remembered.key == key;
        inspection.expect(is_same, || format!("idempotency {id} {key:?}: it is another's"));
        indexes.hold(inspection, &remembered)?;
    }
    Ok(())
}
