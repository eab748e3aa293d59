//! Tickets by one word of a search.
//!
//! A word of a search stands for every word that begins with it. The postings of all these are
//! merged, newest first. Those whose signature shows that another word of the search begins no
//! word of the title are skipped, which costs a small part of what testing the title does; see
//! [`crate::store::search::signature`].
//!
//! A beginning of very many words is not merged: all its blocks are read, in no useful order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Bound;

use redb::{AccessGuard, Range, ReadOnlyTable};

use crate::store::redb::reads::Snapshot;
use crate::store::search::blocks::{self, Posting, id_of, signature_of};
use crate::store::search::signature::signature;
use crate::store::search::sources::{ENTRY_COST, LOOKUP_COST};
use crate::store::search::sources::{Source, Step, id_before};
use crate::store::{ReadError, TicketPosition, TicketSort, storage_error};

/// The most words that one word of a search is merged from.
const EXPANSIONS_MAX: usize = 256;
/// How many postings are looked at for what following an index by one entry costs.
const POSTINGS_PER_ENTRY: usize = 32;

type WordsTable = ReadOnlyTable<(&'static str, u128), &'static [u8]>;
type WordsRange = Range<'static, (&'static str, u128), &'static [u8]>;
type Block = (AccessGuard<'static, (&'static str, u128)>, AccessGuard<'static, &'static [u8]>);

/// Tickets whose titles have one word of a search, and perhaps the others.
pub struct Postings<'s> {
    table: &'s WordsTable,
    prefix: &'s str,
    filter: Filter,
    has_tested_words: bool,
    state: State,
}

enum State {
    /// Learning which words the word stands for. There is a run for each so far.
    Expanding { runs: Runs, last_word: Option<String> },
    /// Merging the runs. `last` was found last.
    Merging { runs: Runs, last: Option<u128> },
    /// Reading all blocks of the beginning.
    Reading { blocks: Box<WordsRange>, block: Option<Unread> },
}

/// The one at the newest ticket is on top. They are boxed because they are large and change places
/// often.
type Runs = BinaryHeap<Box<Run>>;

impl<'s> Postings<'s> {
    /// The tickets older than `after` that have a word which begins with `prefix`, one of the
    /// words of `search`.
    pub fn new(
        snapshot: &'s Snapshot,
        prefix: &'s str,
        search: &[String],
        after: Option<TicketPosition>,
    ) -> Result<Self, ReadError> {
        let last = id_before(after);
        let state = match last {
            Some(_) => State::Expanding { runs: Runs::new(), last_word: None },
            None => State::Merging { runs: Runs::new(), last: None },
        };
        let filter = Filter { signature: signature(search), last: last.unwrap_or_default() };
        let has_tested_words = search.len() == 1;
        Ok(Self { table: snapshot.words()?, prefix, filter, has_tested_words, state })
    }

    /// Finds one more word that begins so.
    fn expand(
        &mut self,
        mut runs: Runs,
        last_word: Option<&str>,
        spent: &mut usize,
    ) -> Result<State, ReadError> {
        *spent += 2 * LOOKUP_COST;
        let start = match last_word {
            // The least text that is greater than the word.
            Some(word) => format!("{word}\0"),
            None => self.prefix.to_owned(),
        };
        let next = self.table.range((start.as_str(), 0)..).map_err(storage_error)?.next();
        let next = next.transpose().map_err(storage_error)?;
        let word = next.as_ref().map(|(key, _)| key.value().0);
        let Some(word) = word.filter(|word| word.starts_with(self.prefix)) else {
            // If the block beside has changed, there may be one that was not found.
            next.map_or(Ok(()), |next| Unread::new(next).map(drop))?;
            let before = self.table.range(..(self.prefix, 0)).map_err(storage_error)?.next_back();
            let before = before.transpose().map_err(storage_error)?;
            before.map_or(Ok(()), |before| Unread::new(before).map(drop))?;
            return Ok(State::Merging { runs, last: None });
        };
        if runs.len() == EXPANSIONS_MAX {
            let blocks = self.table.range((self.prefix, 0)..).map_err(storage_error)?;
            return Ok(State::Reading { blocks: Box::new(blocks), block: None });
        }
        if self.filter.last != u128::MAX {
            let newer = (Bound::Excluded((word, self.filter.last)), Bound::Unbounded);
            let beside = self.table.range(newer).map_err(storage_error)?.next();
            let beside = beside.transpose().map_err(storage_error)?;
            beside.map_or(Ok(()), |beside| Unread::new(beside).map(drop))?;
        }
        let older = self.table.range(..=(word, self.filter.last)).map_err(storage_error)?;
        runs.push(Box::new(Run::new(word.to_owned(), older)));
        Ok(State::Expanding { runs, last_word: Some(word.to_owned()) })
    }
}

impl Source for Postings<'_> {
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError> {
        match &mut self.state {
            State::Expanding { runs, last_word } => {
                let (runs, last_word) = (std::mem::take(runs), last_word.take());
                self.state = self.expand(runs, last_word.as_deref(), spent)?;
                Ok(Step::Searching)
            }
            State::Merging { runs, last } => merge(runs, last, self.filter, spent),
            State::Reading { blocks, block } => {
                read(blocks, block, self.prefix, self.filter, spent)
            }
        }
    }

    fn order(&self) -> Option<TicketSort> {
        match self.state {
            State::Merging { .. } => Some(TicketSort::Newest),
            State::Expanding { .. } | State::Reading { .. } => None,
        }
    }

    fn may_hold_tombstones(&self) -> bool {
        true
    }

    fn has_tested_words(&self) -> bool {
        self.has_tested_words
    }
}

/// Goes on in the run that is at the newest ticket.
fn merge(
    runs: &mut Runs,
    last: &mut Option<u128>,
    filter: Filter,
    spent: &mut usize,
) -> Result<Step, ReadError> {
    let Some(mut run) = runs.peek_mut() else { return Ok(Step::End) };
    let found = run.is_found.then_some(run.bound);
    if !run.advance(filter, spent)? {
        PeekMut::pop(run);
    }
    match found {
        // A title can have several of the words.
        Some(id) if *last != found => {
            *last = found;
            Ok(Step::Found { id, price: None })
        }
        Some(_) | None => Ok(Step::Searching),
    }
}

/// Goes on in a block, or to the next one.
fn read(
    blocks: &mut WordsRange,
    block: &mut Option<Unread>,
    prefix: &str,
    filter: Filter,
    spent: &mut usize,
) -> Result<Step, ReadError> {
    if let Some(id) = block.as_mut().and_then(|block| block.next(filter, spent)) {
        return Ok(Step::Found { id, price: None });
    }
    *spent += LOOKUP_COST;
    let next = blocks.next().transpose().map_err(storage_error)?;
    let Some(next) = next else { return Ok(Step::End) };
    let is_of_prefix = next.0.value().0.starts_with(prefix);
    let (next, _) = Unread::new(next)?;
    if !is_of_prefix {
        return Ok(Step::End);
    }
    *block = Some(next);
    Ok(Step::Searching)
}

/// What a posting must have to be of any use.
#[derive(Clone, Copy)]
struct Filter {
    /// The bits of all words of the search.
    signature: u64,
    /// The newest ticket that may be on the page.
    last: u128,
}

impl Filter {
    fn lets_pass(self, posting: &Posting) -> bool {
        signature_of(posting) & self.signature == self.signature && id_of(posting) <= self.last
    }
}

/// The postings of one word, newest first.
struct Run {
    word: String,
    /// No posting that is left is newer.
    bound: u128,
    /// Whether the bound is itself a posting that has passed the filter.
    is_found: bool,
    block: Option<Unread>,
    /// The blocks that follow, and then those of the words before.
    older: WordsRange,
}

impl Run {
    fn new(word: String, older: WordsRange) -> Self {
        Self { word, bound: u128::MAX, is_found: false, block: None, older }
    }

    /// Goes on to the next posting that passes the filter, or to the next block if there is none
    /// in this one. `false` if there is neither.
    fn advance(&mut self, filter: Filter, spent: &mut usize) -> Result<bool, ReadError> {
        let next = self.block.as_mut().and_then(|block| block.next(filter, spent));
        self.is_found = next.is_some();
        if let Some(id) = next {
            self.bound = id;
            return Ok(true);
        }
        *spent += LOOKUP_COST;
        let Some(block) = self.older.next_back() else { return Ok(false) };
        let block = block.map_err(storage_error)?;
        let is_of_word = block.0.value().0 == self.word;
        // The one at which the word ends is looked at, too: it might have been of the word.
        let (block, newest) = Unread::new(block)?;
        if !is_of_word {
            return Ok(false);
        }
        (self.block, self.bound) = (Some(block), newest);
        Ok(true)
    }
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.cmp(&other.bound)
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.bound == other.bound
    }
}

impl Eq for Run {}

/// What has not been looked at yet of a block.
struct Unread {
    block: AccessGuard<'static, &'static [u8]>,
    /// How many postings: the oldest.
    count: usize,
}

impl Unread {
    /// All of a block, and its newest ticket.
    fn new((key, block): Block) -> Result<(Self, u128), ReadError> {
        let postings = blocks::postings(key.value(), block.value())?;
        let newest = postings.last().map(id_of).unwrap_or_default();
        let count = postings.len();
        Ok((Self { block, count }, newest))
    }

    /// The newest that passes the filter.
    fn next(&mut self, filter: Filter, spent: &mut usize) -> Option<u128> {
        let postings = blocks::opened(self.block.value());
        let unread = postings.get(..self.count)?;
        let found = unread.iter().rposition(|posting| filter.lets_pass(posting));
        let looked_at = unread.len() - found.unwrap_or(0);
        *spent += ENTRY_COST + looked_at / POSTINGS_PER_ENTRY;
        self.count = found.unwrap_or(0);
        found.and_then(|place| unread.get(place)).map(id_of)
    }
}
