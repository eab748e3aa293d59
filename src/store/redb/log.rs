//! The event log: how events are packed into rows, and read back.
//!
//! A row holds a run of events, one after the other, under the number of the first. Events of
//! one batch share rows of up to [`ROW_BYTES`]: inserting a row costs far more than the bytes
//! in it, and a lock is told by two events.

use redb::{ReadableTable, Table};

use crate::domain::{Event, LoggedEvent, Timestamp};
use crate::store::records::envelope::{close, start};
use crate::store::records::event::{RUN, append_event, read_run};
use crate::store::{ReadError, storage_error};

/// A row is closed before it grows beyond this, unless a single event does. It is chosen so
/// that a row fills one page of 4 KB.
const ROW_BYTES: usize = 3_900;

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
        let encode = |event| {
            let mut bytes = Vec::with_capacity(EVENT_BYTES);
            append_event(&mut bytes, at, event).map(|()| bytes)
        };
        Ok(Self(events.iter().map(encode).collect::<Result<_, _>>()?))
    }

    /// Each of them as it goes into a row.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(Vec::as_slice)
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
                    let mut row = start(RUN);
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
    pub fn write(&mut self, table: &mut Table<'_, u64, &'static [u8]>) -> redb::Result<()> {
        for (first_seq, row) in &mut self.rows {
            close(RUN, *first_seq, row);
            table.insert(*first_seq, row.as_slice())?;
        }
        Ok(())
    }

    /// How many rows there are to write.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The number of the last event; 0 before the first.
pub fn last_seq(table: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, ReadError> {
    match table.last().map_err(storage_error)? {
        Some((first_seq, row)) => {
            let events = read_run(first_seq.value(), row.value())?;
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
        let mut next = found.last().map_or(wanted, |last: &LoggedEvent| last.seq.saturating_add(1));
        for event in read_run(first_seq.value(), row.value())? {
            if found.len() >= limit {
                break;
            }
            if event.seq > next {
                return Err(ReadError::Corrupt(format!("events {next}: it is missing")));
            }
            if event.seq == next {
                next = next.saturating_add(1);
                found.push(event);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Ticket, TicketId, UserId};
    use crate::store::testing::{a_title, usd};

    #[test]
    fn rows_of_events_stay_small_and_lose_none() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let (id, seller) = (TicketId::from_u128(2), UserId::from_u128(1));
        let ticket = Ticket::list(id, seller, a_title("Café"), usd(1999), at);
        let mut log = Appender::after(0);
        for _ in 0..100 {
            let event = Event::TicketCreated(ticket.clone());
            log.push(EncodedEvents::new(at, &[event.clone(), event]).expect("bytes"));
        }
        assert_eq!(log.last_seq(), 200);
        let mut next = 1;
        for (first_seq, row) in &mut log.rows {
            close(RUN, *first_seq, row);
            assert!(row.len() <= 4096, "{}", row.len());
            assert_eq!(*first_seq, next);
            next += read_run(*first_seq, row).expect("events").len() as u64;
        }
        assert_eq!(next, 201);
        assert!(log.rows() < 10, "{}", log.rows());
    }
}
