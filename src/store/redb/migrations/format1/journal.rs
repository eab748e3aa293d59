//! The journal of format 1. A record starts at a page of its own:
//!
//! | bytes | |
//! |---|---|
//! | 8 | the batch's number |
//! | 4 | how many bytes the commits take |
//! | 4 | CRC-32 of all else |
//! | … | the commits, in postcard |

use std::ops::{Range, RangeInclusive};

use crate::store::redb::engine::fail_stop::FailStop;
use crate::store::redb::migrations::format1::records::Commit;
use crate::store::{ReadError, storage_error};

const PAGE: u64 = 4096;
const HEADER: usize = 16;
const SUMMED: usize = 12;

/// Reads batches in their order.
pub struct Reader<'s> {
    storage: &'s FailStop,
    area: Range<u64>,
    middle: u64,
    position: u64,
}

impl<'s> Reader<'s> {
    /// The journal in that area of a storage.
    pub fn new(storage: &'s FailStop, area: Range<u64>) -> Self {
        let pages = area.end.saturating_sub(area.start) / PAGE;
        let middle = area.start.saturating_add(pages / 2 * PAGE);
        Self { storage, position: area.start, area, middle }
    }

    /// The commits of the batch that follows that number, if there is one.
    pub fn read_after(&mut self, number: u64) -> Result<Option<Vec<Commit>>, ReadError> {
        let Some(next) = number.checked_add(1) else { return Ok(None) };
        for start in [self.position, self.area.start, self.middle] {
            if let Some((commits, end)) = self.follow(start, next)? {
                self.position = end;
                let commits = postcard::from_bytes(&commits);
                return commits.map(Some).map_err(|error| {
                    ReadError::Corrupt(format!("the journal after batch {number}: {error}"))
                });
            }
        }
        // Each is durable before the next is written, so what is between them was damaged.
        match self.beyond(next)? {
            Some(later) => Err(ReadError::Corrupt(format!(
                "its journal has batch {later}, but not those after batch {number}"
            ))),
            None => Ok(None),
        }
    }

    fn beyond(&self, next: u64) -> Result<Option<u64>, ReadError> {
        let mut position = self.area.start;
        while position < self.area.end {
            if let Some((found, _)) = self.record_at(position, &(next..=u64::MAX))? {
                return Ok(Some(found));
            }
            position += PAGE;
        }
        Ok(None)
    }

    /// Goes from a record to the next, each with a number one higher, until that one.
    fn follow(&self, start: u64, wanted: u64) -> Result<Option<(Vec<u8>, u64)>, ReadError> {
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
    ) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        let mut header = [0; HEADER];
        let start = position.saturating_add(HEADER as u64);
        if start > self.area.end {
            return Ok(None);
        }
        self.storage.read(position, &mut header).map_err(storage_error)?;
        let Some((number, len, sum)) = fields(&header) else { return Ok(None) };
        let has_place = start.saturating_add(u64::from(len)) <= self.area.end;
        if !numbers.contains(&number) || len == 0 || !has_place {
            return Ok(None);
        }
        let mut body = vec![0; usize::try_from(len).unwrap_or_default()];
        self.storage.read(start, &mut body).map_err(storage_error)?;
        let mut found = crc32fast::Hasher::new();
        found.update(header.get(..SUMMED).unwrap_or_default());
        found.update(&body);
        Ok((found.finalize() == sum).then_some((number, body)))
    }
}

/// The number, the length and the checksum.
fn fields(header: &[u8; HEADER]) -> Option<(u64, u32, u32)> {
    let (number, rest) = header.split_first_chunk()?;
    let (len, sum) = rest.split_first_chunk()?;
    let sum = sum.first_chunk()?;
    Some((u64::from_le_bytes(*number), u32::from_le_bytes(*len), u32::from_le_bytes(*sum)))
}
