//! The postings of words that tickets are found by, and the blocks they are in.

use redb::{ReadOnlyTable, ReadableTable as _};

use crate::domain::{Ticket, TicketId};
use crate::store::records::ticket::{ticket_words, words};
use crate::store::redb::tables::WORDS;
use crate::store::redb::verify::Inspection;
use crate::store::search::blocks::{self, BLOCK_MAX, Posting, id_of};
use crate::store::search::signature::signature;
use crate::store::{ReadError, storage_error};

/// The index of words, and how many postings it should have.
pub(in crate::store) struct Words {
    table: ReadOnlyTable<(&'static str, u128), &'static [u8]>,
    implied: usize,
}

impl Words {
    pub(in crate::store) fn of(inspection: &Inspection<'_>) -> Result<Self, ReadError> {
        Ok(Self { table: inspection.table(WORDS)?, implied: 0 })
    }

    /// Finds every posting that a ticket implies.
    pub(in crate::store) fn hold(
        &mut self,
        inspection: &mut Inspection<'_>,
        id: u128,
        ticket: &Ticket,
    ) -> Result<(), ReadError> {
        let words = words(ticket);
        let implied = signature(&words);
        self.implied += words.len();
        let id_text = TicketId::from_u128(id);
        for word in words {
            let found = self.signature_at(&word, id)?;
            inspection.expect(found == Some(implied), || match found {
                Some(found) => {
                    format!(
                        "words {id_text}: its signature at {word:?} is {found:x}, not {implied:x}"
                    )
                }
                None => format!("words {id_text}: the ticket is not found by {word:?}"),
            });
        }
        Ok(())
    }

    /// Counts the postings of a sold ticket that nobody has taken out yet.
    pub(in crate::store) fn count_tombstone(
        &mut self,
        id: u128,
        ticket: &Ticket,
    ) -> Result<(), ReadError> {
        for word in ticket_words(ticket) {
            self.implied += usize::from(self.signature_at(&word, id)?.is_some());
        }
        Ok(())
    }

    /// The signature of a posting. That its block is damaged is found when all are looked through.
    fn signature_at(&self, word: &str, id: u128) -> Result<Option<u64>, ReadError> {
        match blocks::find(&self.table, word, id) {
            Err(ReadError::Corrupt(_)) => Ok(None),
            found => found,
        }
    }

    /// Looks through all blocks. If there are more postings than are implied, each is held to
    /// `belongs`, which says whether a ticket has a word.
    pub(in crate::store) fn inspect(
        &self,
        inspection: &mut Inspection<'_>,
        belongs: impl Fn(u128, &str) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut count = 0;
        // The word and the last id of the block before.
        let mut before: Option<(String, u128)> = None;
        for block in self.table.iter().map_err(storage_error)? {
            let (key, block) = block.map_err(storage_error)?;
            let (word, first) = key.value();
            let postings = blocks::postings((word, first), block.value());
            let Some(postings) = inspection.sound(postings)? else { continue };
            count += postings.len();
            let at = || format!("words {word:?}: its block from {first:032x}");
            for fault in faults(first, postings) {
                inspection.wrong(format!("{} {fault}", at()));
            }
            let overlaps = before.is_some_and(|before| before.0 == word && before.1 >= first);
            inspection.expect(!overlaps, || format!("{} begins within the one before", at()));
            before = postings.last().map(|last| (word.to_owned(), id_of(last)));
        }
        if count == self.implied { Ok(()) } else { self.surplus(inspection, belongs) }
    }

    /// Names the postings that no ticket implies.
    fn surplus(
        &self,
        inspection: &mut Inspection<'_>,
        belongs: impl Fn(u128, &str) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        for block in self.table.iter().map_err(storage_error)? {
            let (key, block) = block.map_err(storage_error)?;
            let (word, _) = key.value();
            let Ok(postings) = blocks::postings(key.value(), block.value()) else { continue };
            for id in postings.iter().map(id_of) {
                let is_right = belongs(id, word)?;
                let id = TicketId::from_u128(id);
                inspection
                    .expect(is_right, || format!("words {id}: it must not be found by {word:?}"));
            }
        }
        Ok(())
    }
}

/// What is wrong with a block by itself.
fn faults(first: u128, postings: &[Posting]) -> impl Iterator<Item = &'static str> {
    let is_large = postings.len() > BLOCK_MAX;
    let is_below = postings.iter().any(|posting| id_of(posting) < first);
    let rises = postings.iter().map(id_of).is_sorted_by(|id, next| id < next);
    let faults = [
        (is_large, "has too many postings"),
        (is_below, "has a ticket that is below its bound"),
        (!rises, "is out of order"),
    ];
    faults.into_iter().filter_map(|(is_so, fault)| is_so.then_some(fault))
}
