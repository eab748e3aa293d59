//! The event log: without gaps, and the rows are what it tells.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use redb::{ReadableTable, ReadableTableMetadata, TableHandle as _};

use crate::domain::{Charge, ChargeView, Event, LoggedEvent, Order, Subject, Ticket, User};
use crate::store::records::charge::StoredChargeView;
use crate::store::records::envelope::append;
use crate::store::records::event::read_run;
use crate::store::records::order::StoredOrder;
use crate::store::records::ticket::StoredTicket;
use crate::store::records::{Record, TicketRow};
use crate::store::redb::tables::{CHARGES, EVENTS, ORDERS, TICKETS, USERS};
use crate::store::redb::verify::{Damage, Inspection, Pass, RowsDefinition};
use crate::store::{ReadError, storage_error};

pub(in crate::store) fn inspect(inspection: &mut Inspection<'_>) -> Result<(), ReadError> {
    let mut rows = 0;
    for definition in [USERS, TICKETS, ORDERS, CHARGES] {
        rows += inspection.table(definition)?.len().map_err(storage_error)?;
    }
    for pass in Pass::all(rows) {
        let mut replay = Replay::default();
        read_log(inspection, pass, &mut replay)?;
        compare(inspection, pass, &mut replay)?;
        for (kind, id) in replay.last.into_keys() {
            let named = name(kind, id);
            inspection.wrong(format!("events: they tell of {named}, which is missing or damaged"));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    User,
    Ticket,
    Order,
    Charge,
}

fn name(kind: Kind, id: u128) -> String {
    use crate::domain::{ChargeId, OrderId, TicketId, UserId};
    match kind {
        Kind::User => UserId::from_u128(id).to_string(),
        Kind::Ticket => TicketId::from_u128(id).to_string(),
        Kind::Order => OrderId::from_u128(id).to_string(),
        Kind::Charge => ChargeId::from_u128(id).to_string(),
    }
}

/// How the log left each resource.
#[derive(Default)]
struct Replay {
    last: HashMap<(Kind, u128), Told>,
}

/// What the latest event of a resource told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// The resource's version, if its events tell it.
    version: Option<u64>,
    /// A hash of what it was.
    digest: u64,
}

/// What a withdrawn ticket's digest is.
const GONE: u64 = 0;
/// What every account's digest is: the log tells nothing of it but its version.
const ACCOUNT: u64 = 1;

fn digest_of_ticket(ticket: &Ticket) -> u64 {
    digest(&StoredTicket::from(ticket))
}

fn digest_of_order(order: &Order) -> u64 {
    digest(&StoredOrder::from(order))
}

fn digest(value: &impl minicbor::Encode<()>) -> u64 {
    let (mut hasher, mut bytes) = (DefaultHasher::new(), Vec::new());
    // What can't be encoded was never stored.
    let _ = append(&mut bytes, value);
    hasher.write(&bytes);
    hasher.finish().max(GONE + 1)
}

/// What the log tells of a charge: neither its secrets nor how far it has come.
fn digest_of_charge(view: &ChargeView) -> u64 {
    let shown = ChargeView { intent: None, failure_code: None, dispute: None, ..view.clone() };
    digest(&StoredChargeView::from(&shown))
}

fn read_log(
    inspection: &mut Inspection<'_>,
    pass: Pass,
    replay: &mut Replay,
) -> Result<(), ReadError> {
    let mut expected = 1;
    for entry in inspection.table(EVENTS)?.iter().map_err(storage_error)? {
        let (first_seq, row) = entry.map_err(storage_error)?;
        let first_seq = first_seq.value();
        if pass.is_first() {
            inspection.expect(first_seq == expected, || {
                format!("events: {expected} should follow and {first_seq} does")
            });
        }
        let events = match read_run(first_seq, row.value()) {
            Ok(events) => events,
            Err(error) => {
                if pass.is_first() {
                    inspection.sound::<()>(Err(error))?;
                }
                // How many events it held is not known, so the next row is taken at its word.
                expected = next_row(inspection, first_seq)?;
                continue;
            }
        };
        if pass.is_first() {
            inspection.report.counts.events += events.len() as u64;
        }
        for event in events {
            expected = event.seq.saturating_add(1);
            follow(inspection, pass, replay, &event);
        }
    }
    Ok(())
}

fn next_row(inspection: &Inspection<'_>, after: u64) -> Result<u64, ReadError> {
    let table = inspection.table(EVENTS)?;
    let next = table.range(after.saturating_add(1)..).map_err(storage_error)?.next();
    match next {
        Some(entry) => Ok(entry.map_err(storage_error)?.0.value()),
        None => Ok(after.saturating_add(1)),
    }
}

/// Holds an event to the one before of the same resource.
fn follow(inspection: &mut Inspection<'_>, pass: Pass, replay: &mut Replay, logged: &LoggedEvent) {
    let (kind, id, version, digest) = match logged.event.subject() {
        Subject::User(user) => {
            (Kind::User, user.id.as_u128(), Some(user.version.number()), ACCOUNT)
        }
        // Rows that are kept alike are looked at by themselves.
        Subject::Token(_) | Subject::Pass(_) | Subject::Venue(_) | Subject::Show(_) => return,
        Subject::Ticket(ticket) => {
            let is_gone = matches!(logged.event, Event::TicketDeleted(_));
            let digest = if is_gone { GONE } else { digest_of_ticket(ticket) };
            (Kind::Ticket, ticket.id.as_u128(), Some(ticket.version.number()), digest)
        }
        Subject::Order(view) => {
            let version = Some(view.order.version.number());
            (Kind::Order, view.order.id.as_u128(), version, digest_of_order(&view.order))
        }
        Subject::Charge(view) => (Kind::Charge, view.id.as_u128(), None, digest_of_charge(view)),
    };
    if !pass.takes(id) {
        return;
    }
    let is_first = matches!(
        logged.event,
        Event::UserCreated(_)
            | Event::TicketCreated(_)
            | Event::OrderCreated(_)
            | Event::ChargeCreated(_)
    );
    let before = replay.last.insert((kind, id), Told { version, digest });
    let follows = match before {
        None => is_first && version.is_none_or(|version| version == 0),
        Some(Told { digest: GONE, .. }) => false,
        Some(before) => {
            !is_first && version == before.version.map(|before| before.saturating_add(1))
        }
    };
    let (seq, event) = (logged.seq, logged.event.name());
    inspection.expect(follows, || {
        let named = name(kind, id);
        format!("events {seq}: {event} of {named} does not follow what was told before")
    });
}

/// Holds every row to what the log told last.
fn compare(
    inspection: &mut Inspection<'_>,
    pass: Pass,
    replay: &mut Replay,
) -> Result<(), ReadError> {
    each(inspection, pass, replay, Kind::User, USERS, |_, user: User| Told {
        version: Some(user.version.number()),
        digest: ACCOUNT,
    })?;
    each(
        inspection,
        pass,
        replay,
        Kind::Ticket,
        TICKETS,
        |inspection, row: TicketRow| match row {
            TicketRow::Listed(ticket) => {
                let ticket = inspection.as_it_is(ticket);
                Told { version: Some(ticket.version.number()), digest: digest_of_ticket(&ticket) }
            }
            TicketRow::Withdrawn { last } => Told { version: Some(last.number()), digest: GONE },
        },
    )?;
    each(inspection, pass, replay, Kind::Order, ORDERS, |_, order: Order| Told {
        version: Some(order.version.number()),
        digest: digest_of_order(&order),
    })?;
    each(inspection, pass, replay, Kind::Charge, CHARGES, |_, charge: Charge| Told {
        version: None,
        digest: digest_of_charge(&charge.view()),
    })
}

fn each<T: Record>(
    inspection: &mut Inspection<'_>,
    pass: Pass,
    replay: &mut Replay,
    kind: Kind,
    definition: RowsDefinition,
    told: impl Fn(&Inspection<'_>, T) -> Told,
) -> Result<(), ReadError> {
    inspection.each::<T>(definition, Damage::Known, |inspection, id, record| {
        if !pass.takes(id) {
            return Ok(());
        }
        let is_same = replay.last.remove(&(kind, id)) == Some(told(inspection, record));
        inspection.expect(is_same, || {
            let (table, named) = (definition.name(), name(kind, id));
            format!("{table} {named}: it is not what its latest event tells")
        });
        Ok(())
    })
}
