//! Accounts, their addresses, and idempotency keys.

use redb::ReadableTable;

use crate::domain::{Remembered, User, UserId};
use crate::store::records::codec;
use crate::store::redb::tables::{EMAILS, IDEMPOTENCY, IDEMPOTENCY_EXPIRY, USERS};
use crate::store::redb::verify::{Inspection, lookup, value};
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    users(inspection)?;
    keys(inspection)
}

fn users(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let emails = inspection.table(EMAILS)?;
    let mut users = 0;
    inspection.each::<User>(USERS, |inspection, id, user| {
        users += 1;
        let id = UserId::from_u128(id);
        inspection.expect(user.id == id, || format!("users {id}: it says it is {}", user.id));
        let key = user.email.key();
        let owner = value(&emails, key.as_str(), UserId::from_u128)?;
        inspection.expect(owner == Some(user.id), || match owner {
            Some(owner) => format!("users {id}: its address is the one of {owner} as well"),
            None => format!("users {id}: its address is not in the index of addresses"),
        });
        Ok(())
    })?;
    inspection.report.counts.users = users;
    let table = inspection.table(USERS)?;
    inspection.no_more(EMAILS, users, |inspection, email, id| {
        let user: Option<User> = lookup(&table, USERS, id)?;
        let is_right = user.is_some_and(|user| user.email.key().as_str() == email);
        let id = UserId::from_u128(id);
        inspection.expect(is_right, || format!("emails: {id} is listed and has no such address"));
        Ok(())
    })
}

fn keys(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let expiry = inspection.table(IDEMPOTENCY_EXPIRY)?;
    let keys = inspection.table(IDEMPOTENCY)?;
    let mut count = 0;
    for entry in keys.iter().map_err(storage_error)? {
        let (stored, row) = entry.map_err(storage_error)?;
        let (user, key) = stored.value();
        let decoded = codec::decode::<Remembered>("idempotency", (user, key), row.value());
        let Some(remembered) = inspection.sound(decoded)? else { continue };
        count += 1;
        let id = UserId::from_u128(user);
        let is_same = remembered.user == id && remembered.key == key;
        inspection.expect(is_same, || format!("idempotency {id} {key:?}: it is another's"));
        let at = (remembered.expires_at.as_millis(), user, key);
        let is_listed = value(&expiry, at, |()| ())?.is_some();
        inspection.expect(is_listed, || format!("idempotency {id} {key:?}: it never expires"));
    }
    inspection.no_more(IDEMPOTENCY_EXPIRY, count, |inspection, (at, user, key), ()| {
        let found = value(&keys, (user, key), |row| {
            codec::decode::<Remembered>("idempotency", (user, key), row)
        })?;
        let is_right = matches!(found, Some(Ok(found)) if found.expires_at.as_millis() == at);
        let id = UserId::from_u128(user);
        inspection.expect(is_right, || format!("idempotency_expiry {id} {key:?}: no such key"));
        Ok(())
    })
}
