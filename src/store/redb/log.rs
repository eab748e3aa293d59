//! The event log: how events are packed into rows, and read back.
//!
//! A row holds a run of events, one after the other, under the number of the first. Events of
//! one batch share rows of up to [`ROW_BYTES`]: inserting a row costs far more than the bytes
//! in it, and a lock is told by two events.

use redb::{ReadableTable, Table};
use serde::{Deserialize, Serialize};

use crate::domain::{Event, LoggedEvent, Timestamp};
use crate::store::records::codec::{self, is_sound_price};
use crate::store::{ReadError, storage_error};

/// A row is closed before it grows beyond this, unless a single event does. It is chosen so
/// that a row fills one page of 4 KB.
const ROW_BYTES: usize = 3_900;

#[derive(Serialize)]
struct EntryRef<'a> {
    at: Timestamp,
    event: &'a Event,
}

#[derive(Deserialize)]
struct Entry {
    at: Timestamp,
    event: Event,
}

/// The events of a batch of commits, on their way into the log.
#[derive(Debug)]
pub struct Appender {
    /// The number of the next event.
    next_seq: u64,
    rows: Vec<(u64, Vec<u8>)>,
}

/// Room for most events.
const EVENT_BYTES: usize = 384;

/// Events as bytes, ready to be appended. Made before a commit is applied, so that what can't
/// be encoded fails it while nothing is written.
pub struct EncodedEvents(Vec<Vec<u8>>);

impl EncodedEvents {
    /// Encodes the events of one commit.
    pub fn new(at: Timestamp, events: &[Event]) -> Result<Self, ReadError> {
        let encode =
            |event| codec::append(Vec::with_capacity(EVENT_BYTES), &EntryRef { at, event });
        Ok(Self(events.iter().map(encode).collect::<Result<_, _>>()?))
    }
}

impl Appender {
    /// Appends after the event of that number.
    pub fn after(last_seq: u64) -> Self {
        Self { next_seq: last_seq + 1, rows: Vec::new() }
    }

    /// Adds a commit's events.
    pub fn push(&mut self, events: EncodedEvents) {
        for event in events.0 {
            match self.rows.last_mut() {
                Some((_, row)) if row.len() + event.len() <= ROW_BYTES => row.extend(event),
                _ => {
                    let mut row = codec::encode_start();
                    row.extend(event);
                    self.rows.push((self.next_seq, row));
                }
            }
            self.next_seq += 1;
        }
    }

    /// The number of the last event.
    pub fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Writes the rows.
    pub fn write(&self, table: &mut Table<'_, u64, &'static [u8]>) -> redb::Result<()> {
        for (first_seq, row) in &self.rows {
            table.insert(first_seq, row.as_slice())?;
        }
        Ok(())
    }

    /// The rows themselves, each under the number of its first event.
    pub fn into_rows(self) -> Vec<(u64, Vec<u8>)> {
        self.rows
    }

    #[cfg(test)]
    pub fn rows(&self) -> &[(u64, Vec<u8>)] {
        &self.rows
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The events of a row.
pub fn decode_row(first_seq: u64, row: &[u8]) -> Result<Vec<LoggedEvent>, ReadError> {
    let corrupt = |why: String| ReadError::Corrupt(format!("events {first_seq}: {why}"));
    let mut rest = codec::body(row).map_err(corrupt)?;
    let mut events = Vec::new();
    let mut seq = first_seq;
    while !rest.is_empty() {
        let (entry, after) =
            postcard::take_from_bytes::<Entry>(rest).map_err(|error| corrupt(error.to_string()))?;
        if !is_sound(&entry.event) {
            return Err(corrupt(format!("a value in event {seq} is out of bounds")));
        }
        events.push(LoggedEvent { seq, at: entry.at, event: entry.event });
        seq = seq.checked_add(1).ok_or_else(|| corrupt("its number is too high".to_owned()))?;
        rest = after;
    }
    if events.is_empty() {
        return Err(corrupt("it holds no event".to_owned()));
    }
    Ok(events)
}

fn is_sound(event: &Event) -> bool {
    match event {
        Event::UserCreated(_) | Event::UserUpdated(_) => true,
        Event::TicketCreated(ticket)
        | Event::TicketUpdated(ticket)
        | Event::TicketDeleted(ticket) => is_sound_price(ticket.price),
        Event::OrderCreated(view)
        | Event::OrderAwaitingPayment(view)
        | Event::OrderCompleted(view)
        | Event::OrderCancelled(view)
        | Event::OrderExpired(view) => {
            is_sound_price(view.order.price)
                && view.charge.as_ref().is_none_or(|charge| is_sound_price(charge.amount))
        }
        Event::ChargeCreated(charge)
        | Event::ChargeCompleted(charge)
        | Event::ChargeFailed(charge)
        | Event::ChargeRefunded(charge)
        | Event::ChargeDisputed(charge) => is_sound_price(charge.amount),
    }
}

/// The number of the last event; 0 before the first.
pub fn last_seq(table: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, ReadError> {
    match table.last().map_err(storage_error)? {
        Some((first_seq, row)) => {
            let events = decode_row(first_seq.value(), row.value())?;
            Ok(events.last().map_or(0, |event| event.seq))
        }
        None => Ok(0),
    }
}

/// At most `limit` events whose numbers are greater than `after`.
pub fn read(
    table: &impl ReadableTable<u64, &'static [u8]>,
    after: u64,
    limit: usize,
) -> Result<Vec<LoggedEvent>, ReadError> {
    let Some(wanted) = after.checked_add(1) else { return Ok(Vec::new()) };
    // The row with the wanted event is the last that starts at or before it.
    let start = table.range(..=wanted).map_err(storage_error)?.next_back();
    let start = match start {
        Some(entry) => entry.map_err(storage_error)?.0.value(),
        None => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for entry in table.range(start..).map_err(storage_error)? {
        if found.len() >= limit {
            break;
        }
        let (first_seq, row) = entry.map_err(storage_error)?;
        let events = decode_row(first_seq.value(), row.value())?;
        let room = limit - found.len();
        found.extend(events.into_iter().filter(|event| event.seq > after).take(room));
    }
    Ok(found)
}
