//! The postings of words in blocks: how they are kept in [`WORDS`](crate::store::redb::tables::WORDS).
//!
//! A posting says that a ticket has a word: the ticket's id, and the signature of its title (see
//! [`crate::store::search::signature`]). The postings of one word are in blocks, each as large as a page of the
//! database, so that reading the next posting is a look at the next bytes, and not a step in a
//! B-tree. Within a block ids rise. A block's key is a lower bound of its ids, and the key of the
//! word's next block lies above them, so a block keeps its key whatever comes and goes, until it is
//! united with the one before.
//!
//! Ids are time-ordered, so almost every posting is added behind the last one: blocks are filled
//! before another is begun, and only one that overflows in its middle is split.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table};

use crate::store::failed::Failed;
use crate::store::records::envelope::ENVELOPE_BYTES;
use crate::store::records::state::BLOCK;
use crate::store::records::{open, seal};
use crate::store::{ReadError, storage_error};

/// The most postings of a block. With its key it just fits a page of 4 KB.
pub const BLOCK_MAX: usize = 160;
/// How many bytes an id takes, most significant first.
const ID_BYTES: usize = 16;
/// How many bytes a signature takes, most significant first.
const SIGNATURE_BYTES: usize = 8;

/// The bytes of a posting.
pub type Posting = [u8; ID_BYTES + SIGNATURE_BYTES];

/// Where blocks are kept: by word and a lower bound of the ids.
pub type WordsTable<'t> = Table<'t, (&'static str, u128), &'static [u8]>;

/// The posting of a ticket.
pub fn posting(id: u128, signature: u64) -> Posting {
    let mut posting = [0; ID_BYTES + SIGNATURE_BYTES];
    let (id_bytes, signature_bytes) = posting.split_at_mut(ID_BYTES);
    id_bytes.copy_from_slice(&id.to_be_bytes());
    signature_bytes.copy_from_slice(&signature.to_be_bytes());
    posting
}

/// The ticket of a posting.
pub fn id_of(posting: &Posting) -> u128 {
    // A posting has that many bytes.
    posting.first_chunk().map_or(0, |id| u128::from_be_bytes(*id))
}

/// The signature of a posting.
pub fn signature_of(posting: &Posting) -> u64 {
    // A posting has that many bytes.
    posting.last_chunk().map_or(0, |signature| u64::from_be_bytes(*signature))
}

/// The postings of a block that stands under `key`. Their order is not checked, which would take
/// longer than most readers are at them.
pub fn postings<'b>(key: (&str, u128), block: &'b [u8]) -> Result<&'b [Posting], ReadError> {
    let (_, block) = open(BLOCK, key, block)?;
    match block.as_chunks() {
        (postings, []) if !postings.is_empty() => Ok(postings),
        _ => Err(ReadError::Corrupt(format!("words {key:?}: it has {} bytes", block.len()))),
    }
}

/// The postings of a block that was opened before, by [`postings`].
pub fn opened(block: &[u8]) -> &[Posting] {
    block.get(ENVELOPE_BYTES..).unwrap_or_default().as_chunks().0
}

/// The signature of a ticket among the postings of a word.
pub fn find(
    table: &impl ReadableTable<(&'static str, u128), &'static [u8]>,
    word: &str,
    id: u128,
) -> Result<Option<u64>, ReadError> {
    let mut blocks = table.range((word, 0)..=(word, id)).map_err(storage_error)?;
    let Some(block) = blocks.next_back() else { return Ok(None) };
    let (key, block) = block.map_err(storage_error)?;
    let postings = postings(key.value(), block.value())?;
    let place = postings.binary_search_by_key(&id, id_of);
    Ok(place.ok().and_then(|place| postings.get(place)).map(signature_of))
}

/// What a batch changes in the postings of words. It is collected first, so that a block which
/// many tickets of the batch change is written once.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<String, BTreeMap<u128, Option<u64>>>);

impl Changes {
    /// Gives a ticket a posting of a word with that signature, or none. The last change counts.
    pub fn set(&mut self, word: String, id: u128, signature: Option<u64>) {
        self.0.entry(word).or_default().insert(id, signature);
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the changes. Those of a damaged block are not written: no commit of the batch can be
    /// refused any more, and a store that stops for it would stop again.
    pub fn write(&self, table: &mut WordsTable<'_>) -> Result<(), Failed> {
        self.0.iter().try_for_each(|(word, changes)| change(table, word, changes))
    }
}

/// What a damaged block has left, which is told: nothing.
fn past_damage<T>(read: Result<T, ReadError>) -> Result<Option<T>, Failed> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(ReadError::Corrupt(why)) => {
            tracing::error!(%why, "a block of postings is damaged and stays as it is");
            Ok(None)
        }
        Err(ReadError::Storage(why) | ReadError::Unavailable(why)) => Err(Failed(why)),
    }
}

/// Changes the postings of one word, block by block.
fn change(
    table: &mut WordsTable<'_>,
    word: &str,
    changes: &BTreeMap<u128, Option<u64>>,
) -> Result<(), Failed> {
    let mut changes = changes.iter().map(|(id, signature)| (*id, *signature)).peekable();
    while let Some(&(id, _)) = changes.peek() {
        // A single change belongs to the block that was found by it.
        let end = if changes.len() > 1 { next_key(table, word, id)? } else { None };
        let of_block =
            std::iter::from_fn(|| changes.next_if(|(id, _)| end.is_none_or(|e| *id < e)));
        let of_block: Vec<_> = of_block.collect();
        let Some(block) = past_damage(last_block(table, word, id))? else { continue };
        // Ids before all blocks of the word get a block from zero, which has room for more such.
        let (first, mut postings) = block.unwrap_or_default();
        let last_before = postings.last().map(id_of);
        for (id, signature) in of_block {
            set(&mut postings, id, signature);
        }
        store(table, (word, first), last_before, &postings)?;
    }
    Ok(())
}

/// The block of a word that an id belongs to: its lower bound and its postings.
fn last_block(
    table: &WordsTable<'_>,
    word: &str,
    id: u128,
) -> Result<Option<(u128, Vec<Posting>)>, ReadError> {
    let mut blocks = table.range((word, 0)..=(word, id)).map_err(storage_error)?;
    let Some(block) = blocks.next_back() else { return Ok(None) };
    let (key, block) = block.map_err(storage_error)?;
    Ok(Some((key.value().1, postings(key.value(), block.value())?.to_vec())))
}

/// The lower bound of the first block of a word beyond an id.
fn next_key(table: &WordsTable<'_>, word: &str, id: u128) -> Result<Option<u128>, Failed> {
    let Some(beyond) = id.checked_add(1) else { return Ok(None) };
    let next = table.range((word, beyond)..=(word, u128::MAX))?.next().transpose()?;
    Ok(next.map(|(key, _)| key.value().1))
}

fn set(postings: &mut Vec<Posting>, id: u128, signature: Option<u64>) {
    let place = postings.binary_search_by_key(&id, id_of);
    match (place, signature.map(|signature| posting(id, signature))) {
        (Ok(place), Some(posting)) => {
            postings.splice(place..=place, [posting]);
        }
        (Ok(place), None) => {
            postings.remove(place);
        }
        (Err(place), Some(posting)) => postings.insert(place, posting),
        (Err(_), None) => {}
    }
}

/// Writes a block, or several if its postings have become too many for one. `last_before` is the
/// greatest id that it had before.
fn store(
    table: &mut WordsTable<'_>,
    key: (&str, u128),
    last_before: Option<u128>,
    postings: &[Posting],
) -> Result<(), Failed> {
    if postings.is_empty() {
        table.remove(key)?;
        return Ok(());
    }
    let appended_from = postings.partition_point(|posting| Some(id_of(posting)) <= last_before);
    // What overflows at the end leaves full blocks behind; parts of one that overflows elsewhere
    // have room for more.
    let size = if appended_from <= BLOCK_MAX {
        BLOCK_MAX
    } else {
        postings.len().div_ceil(postings.len().div_ceil(BLOCK_MAX))
    };
    let (word, mut first) = key;
    let mut parts = postings.chunks(size).peekable();
    while let Some(part) = parts.next() {
        insert(table, (word, first), part)?;
        first = parts.peek().and_then(|part| part.first()).map_or(first, id_of);
    }
    Ok(())
}

fn insert(
    table: &mut WordsTable<'_>,
    key: (&str, u128),
    postings: &[Posting],
) -> Result<(), Failed> {
    table.insert(key, block(key, postings).as_slice())?;
    Ok(())
}

/// A block of postings as it stands under its key.
pub fn block(key: (&str, u128), postings: &[Posting]) -> Vec<u8> {
    seal(BLOCK, key, postings.as_flattened())
}

/// What [`sweep`] has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Where to go on; `None` if the end was reached.
    pub next: Option<(String, u128)>,
    /// How many postings were looked at.
    pub looked_at: usize,
}

/// A block that can lose postings, or be united with the one before.
struct Thinned {
    word: String,
    first: u128,
    count_before: usize,
    kept: Vec<Posting>,
}

/// Takes out the postings of tickets that are gone, and unites blocks of a word that fit into
/// one. It begins at the block at or after `from`, and stops after the block with which it has
/// looked at `budget` postings or more.
pub fn sweep(
    table: &mut WordsTable<'_>,
    from: (String, u128),
    budget: usize,
    is_gone: &dyn Fn(u128) -> bool,
) -> Result<Swept, Failed> {
    let (mut looked_at, mut next, mut thinned) = (0, None, Vec::new());
    // How much is kept of the block before.
    let mut before: Option<(String, usize)> = None;
    if let Some(bound) = from.1.checked_sub(1) {
        let block = past_damage(last_block(table, &from.0, bound))?.flatten();
        before = block.map(|(_, postings)| (from.0.clone(), postings.len()));
    }
    for block in table.range((from.0.as_str(), from.1)..)? {
        let (key, block) = block?;
        let (word, first) = key.value();
        if looked_at >= budget.max(1) {
            next = Some((word.to_owned(), first));
            break;
        }
        let Some(postings) = past_damage(postings((word, first), block.value()))? else {
            looked_at += 1;
            continue;
        };
        looked_at += postings.len();
        let kept = postings.iter().filter(|posting| !is_gone(id_of(posting))).copied();
        let (kept, count_before): (Vec<Posting>, _) = (kept.collect(), postings.len());
        let united =
            before.filter(|(before, _)| before == word).map(|(_, of_it)| of_it + kept.len());
        let united = united.filter(|count| *count <= BLOCK_MAX);
        // What follows is united with both.
        before = Some((word.to_owned(), united.unwrap_or(kept.len())));
        if kept.len() < count_before || united.is_some() {
            thinned.push(Thinned { word: word.to_owned(), first, count_before, kept });
        }
    }
    // What is being walked can't be changed at the same time.
    thinned.iter().try_for_each(|block| settle(table, block))?;
    Ok(Swept { next, looked_at })
}

/// Writes what is kept of a block: with the block before it, if it fits there.
fn settle(table: &mut WordsTable<'_>, block: &Thinned) -> Result<(), Failed> {
    let Thinned { word, first, count_before, kept } = block;
    let key = (word.as_str(), *first);
    let before = match first.checked_sub(1) {
        Some(before) if kept.len() < BLOCK_MAX => past_damage(last_block(table, word, before))?,
        Some(_) | None => None,
    };
    if let Some(Some((first, mut united))) = before
        && united.len() + kept.len() <= BLOCK_MAX
    {
        table.remove(key)?;
        if !kept.is_empty() {
            united.extend(kept);
            insert(table, (word.as_str(), first), &united)?;
        }
        return Ok(());
    }
    if kept.len() < *count_before { store(table, key, None, kept) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::{Database, WriteTransaction};

    use super::*;
    use crate::store::redb::tables::WORDS;

    /// Postings by word and ticket, with their signatures.
    type Model = BTreeMap<(String, u128), u64>;

    fn a_transaction() -> WriteTransaction {
        let backend = redb::backends::InMemoryBackend::new();
        let db = Database::builder().create_with_backend(backend).expect("a database");
        db.begin_write().expect("a transaction")
    }

    /// Every block: its word, its bound and its postings.
    fn blocks_of(table: &WordsTable<'_>) -> Vec<(String, u128, Vec<Posting>)> {
        let block = |entry: redb::Result<_>| {
            let (key, block): (redb::AccessGuard<'_, (&str, u128)>, redb::AccessGuard<'_, &[u8]>) =
                entry.expect("a block");
            let (word, first) = key.value();
            let postings = postings((word, first), block.value()).expect("postings");
            (word.to_owned(), first, postings.to_vec())
        };
        table.iter().expect("blocks").map(block).collect()
    }

    /// What stands in blocks, which are as they should be.
    fn content(table: &WordsTable<'_>) -> Model {
        let blocks = blocks_of(table);
        for (_, first, postings) in &blocks {
            assert!(postings.len() <= BLOCK_MAX);
            assert!(*first <= id_of(&postings[0]));
            assert!(postings.is_sorted_by(|one, next| id_of(one) < id_of(next)));
        }
        for pair in blocks.windows(2) {
            let ((word, _, postings), (next_word, next_first, _)) = (&pair[0], &pair[1]);
            assert!(word < next_word || postings.last().map(id_of) < Some(*next_first));
        }
        let ids = |(word, _, postings): (String, u128, Vec<Posting>)| {
            let entry = move |p| ((word.clone(), id_of(&p)), signature_of(&p));
            postings.into_iter().map(entry)
        };
        blocks.into_iter().flat_map(ids).collect()
    }

    fn lengths(table: &WordsTable<'_>) -> Vec<usize> {
        blocks_of(table).iter().map(|(_, _, postings)| postings.len()).collect()
    }

    fn add(table: &mut WordsTable<'_>, ids: impl IntoIterator<Item = u128>) {
        let mut changes = Changes::default();
        ids.into_iter().for_each(|id| changes.set("rock".to_owned(), id, Some(1)));
        changes.write(table).expect("postings to write");
    }

    fn a_word() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["rock", "rocket", "日本"]).prop_map(str::to_owned)
    }

    /// Postings that a batch sets, or takes out: at every so many ids from one on.
    fn changes() -> impl Strategy<Value = Vec<(String, u128, Option<u64>)>> {
        let run = (a_word(), 0..600_u128, 1..7_usize, 1..300_u128, prop::option::of(any::<u64>()));
        prop::collection::vec(run, 1..4).prop_map(|runs| {
            let ids = |(word, first, step, count, signature): (String, u128, usize, u128, _)| {
                let ids = (first..first + count).step_by(step);
                ids.map(move |id| (word.clone(), id, signature)).collect::<Vec<_>>()
            };
            runs.into_iter().flat_map(ids).collect()
        })
    }

    fn write(
        table: &mut WordsTable<'_>,
        model: &mut Model,
        batch: Vec<(String, u128, Option<u64>)>,
    ) {
        let mut changes = Changes::default();
        for (word, id, signature) in batch {
            changes.set(word.clone(), id, signature);
            match signature {
                Some(signature) => model.insert((word, id), signature),
                None => model.remove(&(word, id)),
            };
        }
        changes.write(table).expect("postings to write");
    }

    #[test]
    fn postings_keep_their_bytes() {
        let bytes = posting(0x0102, 0xa0b0);
        let mut golden = [0; 24];
        (golden[14], golden[15], golden[22], golden[23]) = (1, 2, 0xa0, 0xb0);
        assert_eq!(bytes, golden);
        assert_eq!((id_of(&bytes), signature_of(&bytes)), (0x0102, 0xa0b0));
    }

    #[test]
    fn a_block_is_some_postings_and_nothing_else() {
        let two = [posting(1, 0), posting(2, 0)];
        let key = ("rock", 0);
        assert_eq!(postings(key, &block(key, &two)), Ok(two.as_slice()));
        assert_eq!(opened(&block(key, &two)), two);
        for damaged in [&two.as_flattened()[1..], &[]] {
            let damaged = &seal(BLOCK, key, damaged);
            let found = postings(("rock", 0), damaged);
            assert!(matches!(found, Err(ReadError::Corrupt(_))), "{found:?}");
        }
    }

    #[test]
    fn a_damaged_block_stays_as_it_is_and_stops_nobody() {
        let txn = a_transaction();
        let mut table = txn.open_table(WORDS).expect("a table");
        add(&mut table, [1]);
        table.insert(("jazz", 0), [7].as_slice()).expect("an entry");
        let mut changes = Changes::default();
        for word in ["jazz", "rock"] {
            changes.set(word.to_owned(), 2, Some(1));
        }
        changes.write(&mut table).expect("the others are written");
        let swept = sweep(&mut table, Default::default(), 100, &|id| id == 1)
            .expect("the others are swept");
        assert_eq!(swept.next, None);
        assert_eq!(find(&table, "rock", 1), Ok(None));
        assert_eq!(find(&table, "rock", 2), Ok(Some(1)));
        assert!(matches!(find(&table, "jazz", 2), Err(ReadError::Corrupt(_))));
    }

    #[test]
    fn postings_in_the_order_of_time_fill_their_blocks() {
        let txn = a_transaction();
        let mut table = txn.open_table(WORDS).expect("a table");
        for id in 1..=200 {
            add(&mut table, [id]);
        }
        add(&mut table, 201..=500);
        assert_eq!(lengths(&table), [160, 160, 160, 20]);
    }

    #[test]
    fn a_block_that_overflows_in_its_middle_is_split_in_halves() {
        let txn = a_transaction();
        let mut table = txn.open_table(WORDS).expect("a table");
        add(&mut table, (0..160).map(|number| number * 2));
        add(&mut table, [101]);
        assert_eq!(lengths(&table), [81, 80]);
    }

    #[test]
    fn a_slice_of_a_sweep_knows_the_block_before_it() {
        let txn = a_transaction();
        let mut table = txn.open_table(WORDS).expect("a table");
        let mut first = 0;
        for count in [100, 50, 60, 80] {
            let block: Vec<Posting> = (first..first + count).map(|id| posting(id, 1)).collect();
            insert(&mut table, ("rock", first), &block).expect("a block");
            first += count;
        }
        sweep(&mut table, ("rock".to_owned(), 100), 1000, &|_| false).expect("blocks");
        assert_eq!(lengths(&table), [150, 140]);
    }

    #[test]
    fn postings_from_newest_to_oldest_share_blocks() {
        let txn = a_transaction();
        let mut table = txn.open_table(WORDS).expect("a table");
        for id in (1..=320).rev() {
            add(&mut table, [id]);
        }
        assert!(lengths(&table).len() <= 4, "{:?}", lengths(&table));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn blocks_hold_what_was_set_last(
            batches in prop::collection::vec(changes(), 1..8),
        ) {
            let txn = a_transaction();
            let mut table = txn.open_table(WORDS).expect("a table");
            let mut model = Model::new();
            for batch in batches {
                write(&mut table, &mut model, batch);
                prop_assert_eq!(&content(&table), &model);
            }
            for id in 0..900 {
                let found = find(&table, "rocket", id).expect("a block");
                prop_assert_eq!(found, model.get(&("rocket".to_owned(), id)).copied());
            }
        }

        #[test]
        fn sweeping_takes_out_what_is_gone_and_unites_what_fits(
            batches in prop::collection::vec(changes(), 1..6),
            gone in prop::collection::btree_set(0..900_u128, 0..900),
            budget in prop::sample::select(vec![0, 1, 100, 161, 1000, usize::MAX]),
        ) {
            let txn = a_transaction();
            let mut table = txn.open_table(WORDS).expect("a table");
            let mut model = Model::new();
            for batch in batches {
                write(&mut table, &mut model, batch);
            }
            let (mut looked_at, mut next) = (0, Some(Default::default()));
            while let Some(from) = next {
                let is_gone = |id| gone.contains(&id);
                let swept = sweep(&mut table, from, budget, &is_gone).expect("blocks");
                looked_at += swept.looked_at;
                prop_assert!(swept.next.is_none() || swept.looked_at >= budget);
                prop_assert!(swept.looked_at < budget.saturating_add(BLOCK_MAX).max(161));
                next = swept.next;
            }
            prop_assert_eq!(looked_at, model.len(), "every posting once");
            model.retain(|(_, id), _| !gone.contains(id));
            prop_assert_eq!(content(&table), model);
            for pair in blocks_of(&table).windows(2) {
                let ((word, _, one), (next_word, _, next)) = (&pair[0], &pair[1]);
                prop_assert!(word != next_word || one.len() + next.len() > BLOCK_MAX);
            }
        }
    }
}
