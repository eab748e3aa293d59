//! Tickets by the words of their titles.
//!
//! A word of a search stands for every word that begins with it. The tickets with any of these
//! are merged, newest first; the words of the search are then brought to agree by leaps: each
//! in turn goes to the newest ticket that is not newer than where the others are.
//!
//! A beginning of very many words is not merged but tested on the tickets that the others
//! lead to. If there are no others, all its entries are read, in no useful order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use redb::{Range, ReadOnlyTable};

use super::lists::{ENTRY_COST, LOOKUP_COST};
use super::reads::Snapshot;
use super::sources::{Source, Step, id_before};
use super::{ReadError, TicketPosition, TicketSort, storage_error};

/// The most words that one word of a search is merged from.
const EXPANSIONS_MAX: usize = 256;
/// How many entries a leap tries one by one before it looks the place up.
const SHORT_LEAP: usize = 8;

type WordsTable = ReadOnlyTable<(&'static str, u128), ()>;
type WordsRange = Range<'static, (&'static str, u128), ()>;

/// Tickets whose titles have all words of a search.
pub struct Postings<'s> {
    table: &'s WordsTable,
    state: State,
}

enum State {
    /// Learning which words the words of the search stand for.
    Expanding { todo: Vec<String>, term: Term, done: Vec<Term>, broad: Vec<String>, last: u128 },
    /// Leaping through the terms in turn. `agreeing` of them are at `bound`.
    Leaping { terms: Vec<Term>, turn: usize, agreeing: usize, bound: u128, all_tested: bool },
    /// Reading all entries of one beginning.
    Reading { prefix: String, entries: WordsRange },
    /// There are no more.
    Ended,
}

impl<'s> Postings<'s> {
    /// The tickets older than `after`.
    pub fn new(
        snapshot: &'s Snapshot,
        words: &[String],
        after: Option<TicketPosition>,
    ) -> Result<Self, ReadError> {
        let mut todo = words.to_vec();
        let state = match (todo.pop(), id_before(after)) {
            (Some(first), Some(last)) => {
                let term = Term::new(first);
                State::Expanding { todo, term, done: Vec::new(), broad: Vec::new(), last }
            }
            (None, _) | (_, None) => State::Ended,
        };
        Ok(Self { table: snapshot.words()?, state })
    }
}

impl Source for Postings<'_> {
    fn step(&mut self, spent: &mut usize) -> Result<Step, ReadError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Expanding { todo, term, done, broad, last } => {
                self.expand(spent, todo, term, done, broad, last)
            }
            State::Leaping { terms, turn, agreeing, bound, all_tested } => {
                self.leap(spent, terms, turn, agreeing, bound, all_tested)
            }
            State::Reading { prefix, entries } => self.read(spent, prefix, entries),
            State::Ended => Ok(Step::End),
        }
    }

    fn order(&self) -> Option<TicketSort> {
        match self.state {
            State::Reading { .. } => None,
            State::Expanding { .. } | State::Leaping { .. } | State::Ended => {
                Some(TicketSort::Newest)
            }
        }
    }

    fn has_tested_words(&self) -> bool {
        matches!(self.state, State::Leaping { all_tested: true, .. })
    }
}

impl<'s> Postings<'s> {
    /// Finds one more word that a word of the search stands for.
    fn expand(
        &mut self,
        spent: &mut usize,
        mut todo: Vec<String>,
        mut term: Term,
        mut done: Vec<Term>,
        mut broad: Vec<String>,
        last: u128,
    ) -> Result<Step, ReadError> {
        *spent += 2 * LOOKUP_COST;
        let is_complete = !term.expand(self.table, last)?;
        if is_complete || term.postings.len() > EXPANSIONS_MAX {
            let next = todo.pop().map(Term::new);
            let expanded = match next {
                Some(next) => std::mem::replace(&mut term, next),
                None => {
                    self.start(term, is_complete, done, broad, last)?;
                    return Ok(Step::Searching);
                }
            };
            if is_complete { done.push(expanded) } else { broad.push(expanded.prefix) }
        }
        self.state = State::Expanding { todo, term, done, broad, last };
        Ok(Step::Searching)
    }

    fn start(
        &mut self,
        term: Term,
        is_complete: bool,
        mut terms: Vec<Term>,
        mut broad: Vec<String>,
        last: u128,
    ) -> Result<(), ReadError> {
        if is_complete {
            terms.push(term)
        } else {
            broad.push(term.prefix)
        }
        let longest = broad.iter().max_by_key(|prefix| prefix.len()).cloned();
        self.state = match longest {
            Some(prefix) if terms.is_empty() => {
                let entries = self.table.range((prefix.as_str(), 0)..).map_err(storage_error)?;
                State::Reading { prefix, entries }
            }
            longest => {
                let all_tested = longest.is_none();
                State::Leaping { terms, turn: 0, agreeing: 0, bound: last, all_tested }
            }
        };
        Ok(())
    }

    /// Lets the next term leap to where the others are.
    fn leap(
        &mut self,
        spent: &mut usize,
        mut terms: Vec<Term>,
        turn: usize,
        mut agreeing: usize,
        mut bound: u128,
        all_tested: bool,
    ) -> Result<Step, ReadError> {
        let count = terms.len();
        let Some(term) = terms.get_mut(turn) else { return Ok(Step::End) };
        let Some(id) = term.leap(self.table, bound, spent)? else { return Ok(Step::End) };
        agreeing = if id == bound { agreeing + 1 } else { 1 };
        bound = id;
        let turn = (turn + 1) % count;
        if agreeing < count {
            self.state = State::Leaping { terms, turn, agreeing, bound, all_tested };
            return Ok(Step::Searching);
        }
        let next_bound = id.checked_sub(1);
        if let Some(bound) = next_bound {
            self.state = State::Leaping { terms, turn, agreeing: 0, bound, all_tested };
        }
        Ok(Step::Found { id, price: None })
    }

    fn read(
        &mut self,
        spent: &mut usize,
        prefix: String,
        mut entries: WordsRange,
    ) -> Result<Step, ReadError> {
        *spent += ENTRY_COST;
        let Some(entry) = entries.next() else { return Ok(Step::End) };
        let (key, ()) = (entry.map_err(storage_error)?.0, ());
        let (word, id) = key.value();
        if !word.starts_with(&prefix) {
            return Ok(Step::End);
        }
        self.state = State::Reading { prefix, entries };
        Ok(Step::Found { id, price: None })
    }
}

/// The tickets that have a word with a certain beginning, newest first.
struct Term {
    prefix: String,
    /// One for each such word, the one at the newest ticket on top.
    postings: BinaryHeap<Posting>,
    /// The last word that was found to begin so.
    last_word: Option<String>,
}

impl Term {
    fn new(prefix: String) -> Self {
        Self { prefix, postings: BinaryHeap::new(), last_word: None }
    }

    /// Adds the next word that begins so, with its tickets up to `last`. `false` if there is
    /// none.
    fn expand(&mut self, table: &WordsTable, last: u128) -> Result<bool, ReadError> {
        let start = match &self.last_word {
            // The least text that is greater than the word.
            Some(word) => format!("{word}\0"),
            None => self.prefix.clone(),
        };
        let next = table.range((start.as_str(), 0)..).map_err(storage_error)?.next();
        let word = match next {
            Some(entry) => entry.map_err(storage_error)?.0.value().0.to_owned(),
            None => return Ok(false),
        };
        if !word.starts_with(&self.prefix) {
            return Ok(false);
        }
        if let Some(posting) = Posting::at(table, word.clone(), last)? {
            self.postings.push(posting);
        }
        self.last_word = Some(word);
        Ok(true)
    }

    /// The newest ticket that is not newer than `bound`.
    fn leap(
        &mut self,
        table: &WordsTable,
        bound: u128,
        spent: &mut usize,
    ) -> Result<Option<u128>, ReadError> {
        *spent += ENTRY_COST;
        while let Some(posting) = self.postings.peek() {
            if posting.id <= bound {
                return Ok(Some(posting.id));
            }
            let Some(posting) = self.postings.pop() else { return Ok(None) };
            if let Some(posting) = posting.leap(table, bound, spent)? {
                self.postings.push(posting);
            }
        }
        Ok(None)
    }
}

/// The tickets that have one word, from one of them to the older ones.
struct Posting {
    id: u128,
    word: String,
    older: WordsRange,
}

impl Posting {
    /// The newest with the word that is not newer than `bound`.
    fn at(table: &WordsTable, word: String, bound: u128) -> Result<Option<Self>, ReadError> {
        let keys = (word.as_str(), 0)..=(word.as_str(), bound);
        let mut older = table.range(keys).map_err(storage_error)?;
        match older.next_back() {
            Some(entry) => {
                let id = entry.map_err(storage_error)?.0.value().1;
                Ok(Some(Self { id, word, older }))
            }
            None => Ok(None),
        }
    }

    fn leap(
        mut self,
        table: &WordsTable,
        bound: u128,
        spent: &mut usize,
    ) -> Result<Option<Self>, ReadError> {
        for _ in 0..SHORT_LEAP {
            *spent += ENTRY_COST;
            let Some(entry) = self.older.next_back() else { return Ok(None) };
            self.id = entry.map_err(storage_error)?.0.value().1;
            if self.id <= bound {
                return Ok(Some(self));
            }
        }
        *spent += LOOKUP_COST;
        Self::at(table, self.word, bound)
    }
}

impl Ord for Posting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl PartialOrd for Posting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Posting {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Posting {}
