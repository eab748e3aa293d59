//! The journal: commits that are durable, but not yet in the durable state of the database.
//!
//! Making a change of the database durable means to write every page that it touched, and the
//! map of all pages besides. So a batch of commits is written here first, in one piece, and
//! counts from then on; the database takes it in without making it durable, and writes no more of
//! it than it has no memory for.
//!
//! There are two halves. When one is full, the next batch goes to the start of the other, and with
//! it the database makes everything durable that it has taken in: a checkpoint. That reaches the
//! disk by and by (see [`crate::store::redb::engine::write_behind`]), and until it has, nothing is written over the
//! half that was full. A batch for which there is no room at all, or none that is free, goes to
//! the database alone, which then waits for its disk.
//!
//! Every batch has a number, one more than the one before, which the database keeps along with
//! what the batch changed (see [`crate::store::redb::tables::BATCH_KEY`]). So whatever a crash leaves, what is
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

use crate::bugs::{Bug, planted};
use crate::domain::Commit;
use crate::store::records::codec;
use crate::store::redb::engine::latch::Latch;
use crate::store::redb::engine::volume::PAGE;
use crate::store::redb::engine::write_behind::WriteBehind;

const HEADER: usize = 16;
/// Where in it the length is.
const LEN: Range<usize> = 8..12;
/// How much of it the checksum is of, and where that is.
const SUMMED: usize = 12;

/// Where a batch was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind the one before.
    Next,
    /// At the start of the other half. A checkpoint is due, and then
    /// [`Journal::follow_checkpoint`].
    OtherHalf,
    /// Nowhere. A checkpoint is due, and then [`Journal::wait_for_checkpoint`].
    None,
}

/// The journal of a volume.
#[derive(Debug)]
pub struct Journal {
    storage: Arc<Latch>,
    /// What checkpoints go through.
    disk: Arc<WriteBehind>,
    area: Range<u64>,
    /// Where the second half starts.
    middle: u64,
    /// Where the next record goes.
    position: u64,
    /// After which operation of `disk` the half that is not being written to may be: then all it
    /// has is in the database. `None` before there is a checkpoint that follows it.
    other_is_free_after: Option<u64>,
    /// Reused for every record.
    buffer: Vec<u8>,
}

impl Journal {
    /// The journal in that area of a storage.
    pub fn new(storage: Arc<Latch>, disk: Arc<WriteBehind>, area: Range<u64>) -> Self {
        let pages = area.end.saturating_sub(area.start) / PAGE;
        let middle = area.start.saturating_add(pages / 2 * PAGE);
        let (position, other_is_free_after) = (area.start, Some(0));
        Self { storage, disk, area, middle, position, other_is_free_after, buffer: Vec::new() }
    }

    /// An error if the storage has failed, be it behind everyone's back.
    pub fn must_work(&self) -> io::Result<()> {
        self.storage.must_work()
    }

    /// Makes a batch durable, if there is room.
    #[expect(clippy::indexing_slicing, reason = "every record begins with a whole header")]
    pub fn append(&mut self, number: u64, commits: &[&Commit]) -> io::Result<Place> {
        let mut record = std::mem::take(&mut self.buffer);
        record.clear();
        record.extend(number.to_le_bytes());
        record.resize(HEADER, 0);
        let mut record = codec::append(record, &commits).map_err(io::Error::other)?;
        let Ok(len) = u32::try_from(record.len() - HEADER) else { return Ok(Place::None) };
        record[LEN].copy_from_slice(&len.to_le_bytes());
        let sum = checksum(&record[..SUMMED], &record[HEADER..]);
        record[SUMMED..HEADER].copy_from_slice(&sum.to_le_bytes());
        let place = self.make_room(record.len() as u64)?;
        if place != Place::None {
            self.storage.write_durably(self.position, &record)?;
            self.position =
                self.position.saturating_add(record.len() as u64).next_multiple_of(PAGE);
        }
        self.buffer = record;
        Ok(place)
    }

    /// Finds a place for a record of that length.
    fn make_room(&mut self, len: u64) -> io::Result<Place> {
        // The end of the first half is not the start of the second: who is there has filled the
        // one, and may not write to the other yet.
        let is_first = self.position <= self.middle;
        let (this, other) = if is_first {
            (self.middle, self.middle..self.area.end)
        } else {
            (self.area.end, self.area.start..self.middle)
        };
        if self.position.saturating_add(len) <= this {
            return Ok(Place::Next);
        }
        let Some(checkpoint) = self.other_is_free_after else { return Ok(Place::None) };
        if other.start.saturating_add(len) > other.end {
            return Ok(Place::None);
        }
        if !planted(Bug::HastyJournal) {
            self.disk.wait_for(checkpoint)?;
        }
        self.position = other.start;
        self.other_is_free_after = None;
        Ok(Place::OtherHalf)
    }

    /// Says that the database has just been asked for a checkpoint of everything up to the batch
    /// that went to the other half.
    pub fn follow_checkpoint(&mut self) {
        self.other_is_free_after = Some(self.disk.asked());
    }

    /// Waits until the checkpoint that the database has just been asked for is on the disk, and
    /// begins at the start: everything is in it.
    pub fn wait_for_checkpoint(&mut self) -> io::Result<()> {
        let checkpoint = self.disk.asked();
        self.disk.wait_for(checkpoint)?;
        self.position = self.area.start;
        self.other_is_free_after = Some(checkpoint);
        Ok(())
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
        let mut position = self.area.start;
        while position < self.area.end {
            if let Some((found, _)) = self.record_at(position, &later)? {
                return Ok(Some(found));
            }
            position += PAGE;
        }
        Ok(None)
    }

    /// The commits of the batch that follows that number, if there is one. Called again with its
    /// number it gives the next.
    pub fn read_after(&mut self, number: u64) -> io::Result<Option<Vec<Commit>>> {
        let Some((commits, end)) = self.find_after(number)? else { return Ok(None) };
        self.position = end;
        // The other half may have some of what was read as well.
        self.other_is_free_after = None;
        postcard::from_bytes(&commits).map(Some).map_err(|error| {
            let why = format!("the journal after batch {number}: {error}");
            io::Error::new(io::ErrorKind::InvalidData, why)
        })
    }

    /// The commits of that batch as they are written, and where the next record starts.
    fn find_after(&self, number: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        for start in [self.position, self.area.start, self.middle] {
            if let Some(found) = self.follow(start, next)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Goes from a record to the next, each with a number one higher, until that one. What is left
    /// from before a checkpoint has lower numbers.
    fn follow(&self, start: u64, wanted: u64) -> io::Result<Option<(Vec<u8>, u64)>> {
        let (mut position, mut numbers) = (start, 0..=wanted);
        while let Some((number, body)) = self.record_at(position, &numbers)? {
            let end = position.saturating_add((HEADER + body.len()) as u64);
            if number == wanted {
                return Ok(Some((body, end.next_multiple_of(PAGE))));
            }
            let next = number.saturating_add(1);
            (position, numbers) = (end.next_multiple_of(PAGE), next..=next);
        }
        Ok(None)
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

    use super::*;
    use crate::domain::{Ticket, TicketId, Timestamp, UserId};
    use crate::store::testing::{a_title, listed, usd};

    const PAGES: u64 = 6;

    fn storage() -> Arc<Latch> {
        let storage = InMemoryBackend::new();
        storage.set_len((PAGES + 1) * PAGE).expect("memory");
        Arc::new(Latch::new(Arc::new(storage)))
    }

    fn journal(storage: &Arc<Latch>) -> Journal {
        behind(storage, &WriteBehind::new(storage.clone()))
    }

    /// A journal whose checkpoints go through that disk.
    fn behind(storage: &Arc<Latch>, disk: &Arc<WriteBehind>) -> Journal {
        Journal::new(storage.clone(), disk.clone(), PAGE..(PAGES + 1) * PAGE)
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

    fn append(journal: &mut Journal, number: u64, commits: u64) -> Place {
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
            assert_eq!(append(&mut written, number, number), Place::Next);
        }
        assert_eq!(read(&mut journal(&storage), 4), [batch(5, 5), batch(6, 6), batch(7, 7)]);
        assert!(journal(&storage).holds_after(4).expect("memory"));
        assert_eq!(read(&mut journal(&storage), 6), [batch(7, 7)], "the database has the others");
        for elsewhere in [0, 3, 7, u64::MAX] {
            assert_eq!(read(&mut journal(&storage), elsewhere), Vec::<Vec<Commit>>::new());
            assert!(!journal(&storage).holds_after(elsewhere).expect("memory"));
        }
    }

    #[test]
    fn what_has_no_room_is_not_written_and_what_is_old_does_not_count() {
        let storage = storage();
        let mut written = journal(&storage);
        assert_eq!(append(&mut written, 1, 500), Place::None, "there is never so much room");
        assert_eq!(append(&mut written, 1, 1), Place::Next);
        assert_eq!(append(&mut written, 2, 500), Place::None);
        written.wait_for_checkpoint().expect("memory");
        assert_eq!(append(&mut written, 3, 2), Place::Next);
        assert_eq!(read(&mut journal(&storage), 2), [batch(3, 2)]);
        assert_eq!(read(&mut journal(&storage), 0), Vec::<Vec<Commit>>::new());
    }

    #[test]
    fn a_half_is_written_over_only_when_its_checkpoint_is_on_the_disk() {
        let storage = storage();
        let disk = WriteBehind::new(storage.clone());
        disk.lag(100);
        let mut written = behind(&storage, &disk);
        let mark = |offset| {
            let mut byte = [0];
            storage.read(offset, &mut byte).expect("memory");
            byte[0]
        };
        for number in 1..=3 {
            assert_eq!(append(&mut written, number, 1), Place::Next);
        }
        assert_eq!(append(&mut written, 4, 1), Place::OtherHalf);
        disk.write(0, &[4]).expect("memory");
        written.follow_checkpoint();
        disk.write(1, &[5]).expect("memory");
        for number in 5..=6 {
            assert_eq!(append(&mut written, number, 1), Place::Next);
        }
        assert_eq!(mark(0), 0, "nobody has waited for it yet");
        assert_eq!(append(&mut written, 7, 1), Place::OtherHalf);
        assert_eq!((mark(0), mark(1)), (4, 0), "what comes after it was not waited for");
        let wanted: Vec<_> = (4..=7).map(|number| batch(number, 1)).collect();
        for database in 3..7 {
            let missing = &wanted[usize::try_from(database - 3).expect("small")..];
            assert_eq!(read(&mut journal(&storage), database), missing);
        }
    }

    #[test]
    fn without_a_checkpoint_or_after_a_crash_neither_half_is_free() {
        let storage = storage();
        let mut written = journal(&storage);
        for (number, place) in [
            (1, Place::Next),
            (2, Place::Next),
            (3, Place::Next),
            (4, Place::OtherHalf),
            (5, Place::Next),
            (6, Place::Next),
            (7, Place::None),
        ] {
            assert_eq!(append(&mut written, number, 1), place, "{number}");
        }
        for database in 0..6 {
            let mut opened = journal(&storage);
            assert_eq!(read(&mut opened, database).len() as u64, 6 - database);
            assert_eq!(append(&mut opened, 7, 1), Place::None);
        }
        let mut opened = journal(&storage);
        assert_eq!(read(&mut opened, 6), Vec::<Vec<Commit>>::new());
        assert_eq!(append(&mut opened, 7, 1), Place::Next, "all of it is in the database");
    }

    #[test]
    fn a_record_counts_whole_or_not_at_all() {
        let storage = storage();
        let mut written = journal(&storage);
        append(&mut written, 1, 1);
        append(&mut written, 2, 3);
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
            append(&mut written, number, 1);
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
