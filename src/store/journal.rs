//! The journal: commits that are durable, but not yet in the durable state of the database.
//!
//! Making a change of the database durable means to write every page that it touched, and the
//! map of all pages besides. So a batch of commits is written here first, in one piece, and
//! counts from then on; the database takes it in without making it durable, and writes no more of
//! it than it has no memory for. When the journal is full, a batch goes to the database alone,
//! which then makes everything durable that it has taken in: a checkpoint. The journal begins at
//! its start again.
//!
//! Every batch has a number, one more than the one before, which the database keeps along with
//! what the batch changed (see [`super::tables::BATCH_KEY`]). So whatever a crash leaves, what is
//! in the journal and not in the database are the records that carry the numbers which follow
//! the database's. Anything else there is left from before a checkpoint, or was torn.
//!
//! What was accepted once is accepted again, so a record has no version of its own: whoever changes
//! what a commit is made of, or makes the rules stricter that a commit is held to, changes the
//! format of the store, and a store that was not stopped cleanly is left to the release that wrote
//! it.
//!
//! A record starts at a page of its own, so that writing it does not touch one that counts:
//!
//! | bytes | |
//! |---|---|
//! | 8 | the batch's number |
//! | 4 | how many bytes the commits take |
//! | 4 | CRC-32 of all else |
//! | … | the commits, in postcard |

use std::io;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::codec;
use super::volume::{Latch, PAGE};
use crate::domain::Commit;

const HEADER: usize = 16;
/// Where in it the length is.
const LEN: Range<usize> = 8..12;
/// How much of it the checksum is of, and where that is.
const SUMMED: usize = 12;

/// The journal of a volume.
#[derive(Debug)]
pub struct Journal {
    storage: Arc<Latch>,
    area: Range<u64>,
    /// Where the next record goes.
    position: u64,
    /// Reused for every record.
    buffer: Vec<u8>,
}

impl Journal {
    /// The journal in that area of a storage.
    pub fn new(storage: Arc<Latch>, area: Range<u64>) -> Self {
        Self { storage, position: area.start, area, buffer: Vec::new() }
    }

    /// Makes a batch durable. `false` if there is no room: then only a checkpoint can.
    pub fn append(&mut self, number: u64, commits: &[&Commit]) -> io::Result<bool> {
        let mut record = std::mem::take(&mut self.buffer);
        record.clear();
        record.extend(number.to_le_bytes());
        record.resize(HEADER, 0);
        let mut record = codec::append(record, &commits).map_err(io::Error::other)?;
        let Ok(len) = u32::try_from(record.len() - HEADER) else { return Ok(false) };
        record[LEN].copy_from_slice(&len.to_le_bytes());
        let sum = checksum(&record[..SUMMED], &record[HEADER..]);
        record[SUMMED..HEADER].copy_from_slice(&sum.to_le_bytes());
        let next = self.position.saturating_add(record.len() as u64).next_multiple_of(PAGE);
        let has_room = next <= self.area.end;
        if has_room {
            self.storage.write(self.position, &record)?;
            self.storage.sync_data()?;
            self.position = next;
        }
        self.buffer = record;
        Ok(has_room)
    }

    /// Whether there is a batch that follows that number.
    pub fn holds_after(&self, number: u64) -> io::Result<bool> {
        Ok(self.find_after(number)?.is_some())
    }

    /// A later batch behind the end, if there is one. Each is durable before the next is
    /// written, so then what is between them was damaged, and was more than an end.
    pub fn beyond(&self, number: u64) -> io::Result<Option<u64>> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        let later = next..=u64::MAX;
        let mut position = self.position;
        while position < self.area.end {
            if let Some((found, _)) = self.record_at(position, &later)? {
                return Ok(Some(found));
            }
            position += PAGE;
        }
        Ok(None)
    }

    /// Begins at the start: everything is in the durable state of the database.
    pub fn rewind(&mut self) {
        self.position = self.area.start;
    }

    /// The commits of the batch that follows that number, if there is one. Called again with its
    /// number it gives the next.
    pub fn read_after(&mut self, number: u64) -> io::Result<Option<Vec<Commit>>> {
        let Some((commits, end)) = self.find_after(number)? else { return Ok(None) };
        self.position = end;
        postcard::from_bytes(&commits).map(Some).map_err(|error| {
            let why = format!("the journal after batch {number}: {error}");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    /// The commits of that batch as they are written, and where the next record starts.
    fn find_after(&self, number: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        let Some((_, body)) = self.record_at(self.position, &(next..=next))? else {
            return Ok(None);
        };
        let end = self.position.saturating_add((HEADER + body.len()) as u64);
        Ok(Some((body, end.next_multiple_of(PAGE))))
    }

    /// The number and the body of a record that is whole and has one of those numbers.
    fn record_at(
        &self,
        position: u64,
        numbers: &RangeInclusive<u64>,
    ) -> io::Result<Option<(u64, Vec<u8>)>> {
        let mut header = [0; HEADER];
        let start = position.saturating_add(HEADER as u64);
        if start > self.area.end {
            return Ok(None);
        }
        self.storage.read(position, &mut header)?;
        let Some((number, len, sum)) = fields(&header) else { return Ok(None) };
        let has_place = start.saturating_add(u64::from(len)) <= self.area.end;
        if !numbers.contains(&number) || len == 0 || !has_place {
            return Ok(None);
        }
        let mut body = vec![0; usize::try_from(len).unwrap_or_default()];
        self.storage.read(start, &mut body)?;
        Ok((checksum(&header[..SUMMED], &body) == sum).then_some((number, body)))
    }
}

/// The number, the length and the checksum.
fn fields(header: &[u8; HEADER]) -> Option<(u64, u32, u32)> {
    let (number, rest) = header.split_first_chunk()?;
    let (len, sum) = rest.split_first_chunk()?;
    let sum = sum.first_chunk()?;
    Some((u64::from_le_bytes(*number), u32::from_le_bytes(*len), u32::from_le_bytes(*sum)))
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(body);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use redb::StorageBackend as _;
    use redb::backends::InMemoryBackend;

    use super::super::testing::{a_title, listed, usd};
    use super::*;
    use crate::domain::{Ticket, TicketId, Timestamp, UserId};

    const PAGES: u64 = 6;

    fn storage() -> Arc<Latch> {
        let storage = InMemoryBackend::new();
        storage.set_len((PAGES + 1) * PAGE).expect("memory");
        Latch::new(Arc::new(storage))
    }

    fn journal(storage: &Arc<Latch>) -> Journal {
        Journal::new(storage.clone(), PAGE..(PAGES + 1) * PAGE)
    }

    /// A batch of that many listings.
    fn batch(number: u64, commits: u64) -> Vec<Commit> {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let listing = |index| {
            let id = TicketId::from_u128(u128::from(number) << 64 | u128::from(index));
            listed(Ticket::list(id, UserId::from_u128(1), a_title("Rock"), usd(100), at))
        };
        (0..commits).map(listing).collect()
    }

    fn append(journal: &mut Journal, number: u64, commits: u64) -> bool {
        let batch = batch(number, commits);
        journal.append(number, &Vec::from_iter(&batch)).expect("memory")
    }

    fn read(journal: &mut Journal, mut after: u64) -> Vec<Vec<Commit>> {
        let mut found = Vec::new();
        while let Some(batch) = journal.read_after(after).expect("a record") {
            found.push(batch);
            after += 1;
        }
        found
    }

    #[test]
    fn batches_are_read_again_in_order_from_where_they_are_missing() {
        let storage = storage();
        let mut written = journal(&storage);
        for number in 5..8 {
            assert!(append(&mut written, number, number));
        }
        assert_eq!(read(&mut journal(&storage), 4), [batch(5, 5), batch(6, 6), batch(7, 7)]);
        assert!(journal(&storage).holds_after(4).expect("memory"));
        for elsewhere in [0, 3, 5, 7, u64::MAX] {
            assert_eq!(read(&mut journal(&storage), elsewhere), Vec::<Vec<Commit>>::new());
            assert!(!journal(&storage).holds_after(elsewhere).expect("memory"));
        }
    }

    #[test]
    fn what_has_no_room_is_not_written_and_what_is_old_does_not_count() {
        let storage = storage();
        let mut written = journal(&storage);
        assert!(!append(&mut written, 1, 500), "more than there is room for at all");
        for number in 1..=PAGES {
            assert!(append(&mut written, number, 1));
        }
        assert!(!append(&mut written, PAGES + 1, 1));
        assert_eq!(read(&mut journal(&storage), 0).len() as u64, PAGES);
        // The batch that had no room was a checkpoint.
        written.rewind();
        assert!(append(&mut written, PAGES + 2, 2));
        assert_eq!(read(&mut journal(&storage), PAGES + 1), [batch(PAGES + 2, 2)]);
    }

    #[test]
    fn a_record_counts_whole_or_not_at_all() {
        let storage = storage();
        let mut written = journal(&storage);
        assert!(append(&mut written, 1, 1) && append(&mut written, 2, 3));
        let len = 16 + postcard::to_allocvec(&batch(2, 3)).expect("bytes").len() as u64;
        for at in (0..len).map(|offset| 2 * PAGE + offset) {
            let mut byte = [0];
            storage.read(at, &mut byte).expect("memory");
            storage.write(at, &[byte[0] ^ 0x10]).expect("memory");
            assert_eq!(read(&mut journal(&storage), 0), [batch(1, 1)], "byte {at}");
            storage.write(at, &byte).expect("memory");
        }
        assert_eq!(read(&mut journal(&storage), 0).len(), 2);
    }

    #[test]
    fn a_record_that_was_damaged_is_not_taken_for_the_end() {
        let storage = storage();
        let mut written = journal(&storage);
        for number in 1..=4 {
            assert!(append(&mut written, number, 1));
        }
        let mut opened = journal(&storage);
        assert_eq!(read(&mut opened, 0).len(), 4);
        assert_eq!(opened.beyond(4).expect("memory"), None);
        storage.write(2 * PAGE + 40, &[0xff; 4]).expect("memory");
        let mut opened = journal(&storage);
        assert_eq!(read(&mut opened, 0), [batch(1, 1)]);
        assert_eq!(opened.beyond(1).expect("memory"), Some(3));
        // What is left from before a checkpoint has lower numbers.
        assert_eq!(opened.beyond(9).expect("memory"), None);
    }
}
