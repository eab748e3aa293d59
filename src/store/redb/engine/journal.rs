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
//! what the batch changed (see [`crate::store::records::state::names::BATCH`]). So whatever a crash
//! leaves, what is in the journal and not in the database are the records that carry the numbers which
//! follow the database's. Anything else there is left from before a checkpoint, or was torn.
//!
//! A record starts at a page of its own, so that writing it does not touch one that counts, and is
//! written in whole sectors, each of which is complete in itself:
//!
//! | bytes | |
//! |---|---|
//! | 4 | CRC-32 of all that follows |
//! | 8 | the batch's number |
//! | 4 | the sector's place in the record, from 0 |
//! | 496 | a part of the record: how many bytes the batch has (4), its CRC-32 (4), then the batch |
//!
//! That tells damage from an end. A disk writes a sector whole or not at all, so what a power cut
//! leaves of the last record, which nobody was told of yet, are sectors of it and sectors that were
//! there before, each of them sound by itself (or never written, which is all zero). A sector that is
//! not sound can only be one that has changed since: then a batch that was acknowledged is damaged,
//! be it the last, and the store does not open as if it had never been. (The checksum of the whole
//! batch is for sectors of two records of one number, both of which were torn.)

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::bugs::{Bug, planted};
use crate::store::redb::engine::fail_stop::FailStop;
use crate::store::redb::engine::write_behind::WriteBehind;

/// The size of the file's header, and what the journal's is a multiple of.
pub const PAGE: u64 = 4096;
/// How large a journal is by default: room for two times some two thousand locks, or five hundred
/// batches of one. Of this half has to be taken in again after a crash at most, and more only if a
/// checkpoint was on its way.
pub const JOURNAL_BYTES: u64 = 4 * 1024 * 1024;
/// What a disk writes whole or not at all. Many do so with more.
const SECTOR: usize = 512;
/// The checksum, the number and the place.
const HEAD: usize = 16;
/// The checksum.
const SUM: usize = 4;
/// How much of a record is in a sector.
const PAYLOAD: usize = SECTOR - HEAD;
/// The length and the checksum of the batch.
const LEN: usize = 8;

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
    storage: Arc<FailStop>,
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
    /// Where records start, by their numbers, when the journal was opened; `None` once it is written
    /// to. There can be several of a number, of which all but one were torn.
    starts: Option<BTreeMap<u64, Vec<u64>>>,
    /// Reused for every record.
    buffer: Vec<u8>,
}

impl Journal {
    /// The journal in that area of a storage.
    pub fn new(storage: Arc<FailStop>, disk: Arc<WriteBehind>, area: Range<u64>) -> Self {
        let pages = area.end.saturating_sub(area.start) / PAGE;
        let middle = area.start.saturating_add(pages / 2 * PAGE);
        let (position, other_is_free_after) = (area.start, Some(0));
        let (starts, buffer) = (None, Vec::new());
        Self { storage, disk, area, middle, position, other_is_free_after, starts, buffer }
    }

    /// Where it is, for what reads it otherwise: journals of earlier formats.
    pub fn raw(&self) -> (&FailStop, Range<u64>) {
        (&self.storage, self.area.clone())
    }

    /// An error if the storage has failed, be it behind everyone's back.
    pub fn must_work(&self) -> io::Result<()> {
        self.storage.must_work()
    }

    /// Makes a batch durable, if there is room.
    pub fn append(&mut self, number: u64, batch: &[u8]) -> io::Result<Place> {
        let mut record = std::mem::take(&mut self.buffer);
        let Ok(len) = u32::try_from(batch.len()) else { return Ok(Place::None) };
        write_record(&mut record, number, len, batch);
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

    /// The batch that follows that number, if there is one. Called again with its number it gives the
    /// next. It is [`io::ErrorKind::InvalidData`] if one that was durable is damaged.
    pub fn read_after(&mut self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        let starts = match self.starts.take() {
            Some(starts) => starts,
            None => self.find_starts()?,
        };
        for start in starts.get(&next).into_iter().flatten() {
            let Some(batch) = self.record_at(*start, next)? else { continue };
            let len = record_len(batch.len()) as u64;
            self.position = start.saturating_add(len).next_multiple_of(PAGE);
            // The other half may have some of what was read as well.
            self.other_is_free_after = None;
            self.starts = Some(starts);
            return Ok(Some(batch));
        }
        // Each record is durable before the next is written.
        if let Some((later, _)) = starts.range(next.saturating_add(1)..).next() {
            let why = format!("its journal has batch {later}, but not those after batch {number}");
            return Err(damaged(why));
        }
        self.must_not_have_been(next)?;
        self.starts = Some(starts);
        Ok(None)
    }

    /// Looks at every place where a record can start.
    fn find_starts(&self) -> io::Result<BTreeMap<u64, Vec<u64>>> {
        let mut starts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut position = self.area.start;
        while position < self.area.end {
            if let Read::Sound(number, 0) = self.sector_at(position)?.read() {
                starts.entry(number).or_default().push(position);
            }
            position = position.saturating_add(PAGE);
        }
        Ok(starts)
    }

    /// Fails if a record of that number has been somewhere: its first sector is neither sound nor
    /// what a power cut leaves.
    fn must_not_have_been(&self, number: u64) -> io::Result<()> {
        let mut position = self.area.start;
        while position < self.area.end {
            let first = self.sector_at(position)?;
            if first.read() == Read::Changed {
                // Either it still tells what it was, or what follows it does.
                let second = self.sector_at(position.saturating_add(SECTOR as u64))?;
                if first.was(number, 0) || second.read() == Read::Sound(number, 1) {
                    return Err(damaged(format!("batch {number} of its journal is damaged")));
                }
            }
            position = position.saturating_add(PAGE);
        }
        Ok(())
    }

    /// The batch of a record that starts there; `None` if it was torn.
    fn record_at(&self, position: u64, number: u64) -> io::Result<Option<Vec<u8>>> {
        let (len, sum) = self.sector_at(position)?.batch();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let record = record_len(len);
        if position.saturating_add(record as u64) > self.area.end {
            return Err(damaged(format!("batch {number} of its journal has no end")));
        }
        let mut batch = Vec::with_capacity(record);
        let mut is_torn = false;
        for place in (0..).take(record / SECTOR) {
            let sector =
                self.sector_at(position.saturating_add(u64::from(place) * SECTOR as u64))?;
            match sector.read() {
                Read::Sound(of, at) if (of, at) == (number, place) => {
                    batch.extend(sector.payload());
                }
                Read::Sound(..) | Read::Unwritten => is_torn = true,
                Read::Changed => {
                    return Err(damaged(format!("batch {number} of its journal is damaged")));
                }
            }
        }
        batch.truncate(LEN.saturating_add(len));
        batch.drain(..LEN.min(batch.len()));
        let is_whole = !is_torn && crc32fast::hash(&batch) == sum;
        Ok(is_whole.then_some(batch))
    }

    fn sector_at(&self, position: u64) -> io::Result<Sector> {
        let mut sector = [0; SECTOR];
        self.storage.read(position, &mut sector)?;
        Ok(Sector(sector))
    }
}

fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// How many bytes the record of a batch takes.
fn record_len(batch: usize) -> usize {
    batch.saturating_add(LEN).div_ceil(PAYLOAD).saturating_mul(SECTOR)
}

/// Puts a record together.
fn write_record(record: &mut Vec<u8>, number: u64, len: u32, batch: &[u8]) {
    record.clear();
    record.reserve(record_len(batch.len()));
    let (mut rest, mut place) = (batch, 0_u32);
    while place == 0 || !rest.is_empty() {
        let start = record.len();
        record.extend([0; SUM]);
        record.extend(number.to_le_bytes());
        record.extend(place.to_le_bytes());
        if place == 0 {
            record.extend(len.to_le_bytes());
            record.extend(crc32fast::hash(batch).to_le_bytes());
        }
        let end = start.saturating_add(SECTOR);
        let (part, others) = rest.split_at(end.saturating_sub(record.len()).min(rest.len()));
        record.extend(part);
        rest = others;
        record.resize(end, 0);
        let sector = record.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut::<SUM>);
        if let Some((sum, summed)) = sector {
            *sum = crc32fast::hash(summed).to_le_bytes();
        }
        place = place.saturating_add(1);
    }
}

/// A sector of the journal.
struct Sector([u8; SECTOR]);

/// What a sector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Of the record with that number, at that place.
    Sound(u64, u32),
    /// Never written.
    Unwritten,
    /// Not as it was written.
    Changed,
}

impl Sector {
    fn read(&self) -> Read {
        let (sum, summed) = self.sum();
        if sum == crc32fast::hash(summed) {
            let (number, place) = self.identity();
            return Read::Sound(number, place);
        }
        if self.0.iter().all(|byte| *byte == 0) { Read::Unwritten } else { Read::Changed }
    }

    fn sum(&self) -> (u32, &[u8]) {
        let parts = self.0.split_first_chunk::<SUM>();
        parts.map_or((0, &[]), |(sum, summed)| (u32::from_le_bytes(*sum), summed))
    }

    /// The number and the place.
    fn identity(&self) -> (u64, u32) {
        let [_, _, _, _, n0, n1, n2, n3, n4, n5, n6, n7, p0, p1, p2, p3, ..] = self.0;
        let number = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        (number, u32::from_le_bytes([p0, p1, p2, p3]))
    }

    /// Whether a sector that has changed was that one: it says so, or is sound if it does.
    fn was(&self, number: u64, place: u32) -> bool {
        let mut mended = self.0;
        let [_, _, _, _, n0, n1, n2, n3, n4, n5, n6, n7, p0, p1, p2, p3, ..] = &mut mended;
        [*n0, *n1, *n2, *n3, *n4, *n5, *n6, *n7] = number.to_le_bytes();
        [*p0, *p1, *p2, *p3] = place.to_le_bytes();
        self.identity() == (number, place) || Self(mended).read() == Read::Sound(number, place)
    }

    /// The length and the checksum of the batch, in the first sector of a record.
    fn batch(&self) -> (u32, u32) {
        let [l0, l1, l2, l3, s0, s1, s2, s3] =
            self.payload().first_chunk().copied().unwrap_or_default();
        (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([s0, s1, s2, s3]))
    }

    fn payload(&self) -> &[u8] {
        self.0.get(HEAD..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use redb::StorageBackend as _;
    use redb::backends::InMemoryBackend;

    use super::*;

    const PAGES: u64 = 6;

    fn storage() -> Arc<FailStop> {
        let storage = InMemoryBackend::new();
        storage.set_len((PAGES + 1) * PAGE).expect("memory");
        Arc::new(FailStop::new(Arc::new(storage)))
    }

    fn journal(storage: &Arc<FailStop>) -> Journal {
        behind(storage, &WriteBehind::new(storage.clone()))
    }

    /// A journal whose checkpoints go through that disk.
    fn behind(storage: &Arc<FailStop>, disk: &Arc<WriteBehind>) -> Journal {
        Journal::new(storage.clone(), disk.clone(), PAGE..(PAGES + 1) * PAGE)
    }

    /// A batch of about that many commits.
    fn batch(number: u64, commits: u64) -> Vec<u8> {
        (0..commits * 150)
            .flat_map(|byte| (byte * number).to_le_bytes().into_iter().take(1))
            .map(|byte| byte | 1)
            .collect()
    }

    fn append(journal: &mut Journal, number: u64, commits: u64) -> Place {
        journal.append(number, &batch(number, commits)).expect("memory")
    }

    fn read(journal: &mut Journal, after: u64) -> Vec<Vec<u8>> {
        try_read(journal, after).expect("a record")
    }

    fn try_read(journal: &mut Journal, mut after: u64) -> io::Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        while let Some(batch) = journal.read_after(after)? {
            found.push(batch);
            after += 1;
        }
        Ok(found)
    }

    #[test]
    fn batches_are_read_again_in_order_from_where_they_are_missing() {
        let storage = storage();
        let mut written = journal(&storage);
        for number in 5..8 {
            assert_eq!(append(&mut written, number, number), Place::Next);
        }
        assert_eq!(read(&mut journal(&storage), 4), [batch(5, 5), batch(6, 6), batch(7, 7)]);
        assert_eq!(read(&mut journal(&storage), 6), [batch(7, 7)], "the database has the others");
        for all in [7, 9, u64::MAX] {
            assert_eq!(read(&mut journal(&storage), all), Vec::<Vec<u8>>::new());
        }
        for lost in [0, 3] {
            let error = try_read(&mut journal(&storage), lost).expect_err("batches are missing");
            assert!(error.to_string().contains("has batch"), "{error}");
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
        assert_eq!(read(&mut journal(&storage), 3), Vec::<Vec<u8>>::new());
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
        assert_eq!(read(&mut opened, 6), Vec::<Vec<u8>>::new());
        assert_eq!(append(&mut opened, 7, 1), Place::Next, "all of it is in the database");
    }

    fn bytes(storage: &FailStop, range: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).expect("small")];
        storage.read(range.start, &mut bytes).expect("memory");
        bytes
    }

    /// Every way to tear the record that was written last, of four sectors, over what was there.
    #[test]
    fn a_torn_record_is_none() {
        for before in [0, 2] {
            let storage = storage();
            let mut written = journal(&storage);
            append(&mut written, 1, 1);
            if before > 0 {
                // Another of that number, which was torn itself.
                written.append(2, &[7; 1200]).expect("memory");
                storage.write(2 * PAGE + 512, &[0; 512]).expect("memory");
                written = journal(&storage);
                assert_eq!(read(&mut written, 0), [batch(1, 1)]);
            }
            let area = 2 * PAGE..3 * PAGE;
            let old = bytes(&storage, area.clone());
            append(&mut written, 2, 12);
            let new = bytes(&storage, area.clone());
            for kept in 0..16_u32 {
                for sector in 0..4 {
                    let from = if kept & (1 << sector) == 0 { &old } else { &new };
                    let at = sector * SECTOR;
                    let bytes = &from[at..at + SECTOR];
                    storage.write(area.start + at as u64, bytes).expect("memory");
                }
                let found = read(&mut journal(&storage), 0).len();
                assert_eq!(found, if kept == 15 { 2 } else { 1 }, "{kept:04b}");
            }
        }
    }

    #[test]
    fn a_record_that_has_changed_is_damage_be_it_the_last() {
        for last in [2, 3] {
            let storage = storage();
            let mut written = journal(&storage);
            append(&mut written, 1, 1);
            for number in 2..=last {
                append(&mut written, number, 8);
            }
            for at in (0..3 * SECTOR as u64).map(|offset| 2 * PAGE + offset) {
                let byte = bytes(&storage, at..at + 1)[0];
                storage.write(at, &[byte ^ 0x10]).expect("memory");
                assert!(try_read(&mut journal(&storage), 0).is_err(), "byte {at}");
                assert_eq!(read(&mut journal(&storage), last), Vec::<Vec<u8>>::new());
                storage.write(at, &[byte]).expect("memory");
            }
            assert_eq!(read(&mut journal(&storage), 0).len() as u64, last);
        }
    }

    #[test]
    fn a_first_sector_that_is_all_wrong_is_damage_if_others_follow() {
        let storage = storage();
        let mut written = journal(&storage);
        append(&mut written, 1, 1);
        append(&mut written, 2, 8);
        storage.write(2 * PAGE, &[0x5a; SECTOR]).expect("memory");
        let error = try_read(&mut journal(&storage), 0).expect_err("damage");
        assert!(error.to_string().contains("batch 2"), "{error}");
    }
}
