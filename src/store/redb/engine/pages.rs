//! The pages of the database, held to the checksums that it keeps of them.
//!
//! redb writes the checksum of a page into the page that leads to it, and that of the first into its
//! header. It looks at them when it repairs a file, not when it reads. Each row has a checksum of its
//! own, so a row that has changed is found when it is decoded. A page that leads to others is another
//! matter: if it has changed, rows can't be found any more, or old ones are found in their place, and
//! nothing that is read tells. So these pages are looked at when a store is opened, beside redb, which
//! can't be asked to do it; and all pages when a store is verified or backed up.
//!
//! What is looked at is the state of the last checkpoint, which is what is on the disk. It stays there
//! until the next: redb writes to pages that nothing leads to. A page that has changed while a
//! checkpoint was made says nothing, and the look begins anew.
//!
//! The layout is that of redb's file format 3, as its documentation has it:
//!
//! | | |
//! |---|---|
//! | header | the sizes of pages and regions; which of two slots counts |
//! | slot | the roots of the tables' tree and of redb's own, and a checksum of the slot |
//! | root | the number of a page, its checksum, a count |
//! | leaf | kind 1, the number of pairs, ends of keys and values unless they have a fixed width, keys, values |
//! | branch | kind 2, the number of keys, checksums of pages, numbers of pages, ends of keys likewise, keys |
//! | table | in a leaf of a tree of tables: its name, and as its value a kind, a count, a root, widths |

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::store::redb::engine::write_behind::WriteBehind;

const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// The only format, and the only size of pages, that is read here.
const VERSION: u8 = 3;
const PAGE: u64 = 4096;
const HEADER: usize = 320;
/// The number of a page within its region has twenty bits.
const REGION_PAGES_MAX: u64 = 1 << 20;
/// Where the first slot is, and how long each is.
const SLOTS: usize = 64;
const SLOT: usize = 128;
/// How much of a slot its checksum is of.
const SLOT_SUMMED: usize = 112;
/// The flag of a header that says so.
const TWO_PHASE: u8 = 4;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
/// The kind of a plain table, the only one there is here.
const TABLE: u8 = 3;
/// How often a look begins anew because the store has changed meanwhile. What was found sound is not
/// looked at again, so each is shorter than the one before.
const ATTEMPTS: usize = 1_000;
/// The most faults that are named.
const FAULTS_MAX: usize = 20;

/// The pages of a database that begins somewhere in a storage.
#[derive(Debug, Clone)]
pub struct Pages {
    disk: Arc<WriteBehind>,
    start: u64,
}

/// Which pages to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'n> {
    /// Those that redb keeps for itself, and the tree of tables.
    Own,
    /// Those that lead to others, all that redb keeps for itself, and all of the tables of these
    /// names. They are a hundredth of a file or so.
    Leading(&'n [&'n str]),
    /// All.
    All,
}

/// What leads to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Link {
    number: u64,
    sum: u128,
}

/// How wide keys and values are; `None` if each tells where it ends.
#[derive(Debug, Clone, Copy, Default)]
struct Widths {
    key: Option<usize>,
    value: Option<usize>,
}

#[derive(Debug)]
struct Table {
    name: String,
    root: Option<Link>,
    widths: Widths,
    /// Whether it is one that redb keeps for itself.
    is_own: bool,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    region_header: u64,
    region_pages: u64,
    transaction: u64,
    /// Whether all that it leads to was durable before it was.
    is_two_phase: bool,
    tables: Option<Link>,
    own_tables: Option<Link>,
}

impl Pages {
    /// Those of the database that begins there.
    pub fn new(disk: Arc<WriteBehind>, start: u64) -> Self {
        Self { disk, start }
    }

    /// How long the whole file is.
    pub fn file_len(&self) -> io::Result<u64> {
        self.disk.whole().len()
    }

    /// What is wrong with the pages, one sentence for each at most; nothing if they are as they were
    /// written.
    pub fn faults(&self, which: Which<'_>) -> io::Result<Vec<String>> {
        let mut sound = HashSet::new();
        for _ in 0..ATTEMPTS {
            let Some(header) = self.header()? else {
                return Ok(vec!["the header of the database has changed".to_owned()]);
            };
            let mut look = Look { pages: self, header, which, sound, faults: Vec::new() };
            look.at_everything()?;
            let is_over = look.faults.is_empty()
                || self.header()?.is_some_and(|now| now.transaction == header.transaction);
            if is_over {
                return Ok(look.faults);
            }
            sound = look.sound;
        }
        Err(io::Error::other("the store changes too fast for a look at its pages"))
    }

    /// What is wrong with what redb relies on when it opens the database, which it panics of at worst.
    /// What it repairs when it opens says nothing yet.
    pub fn faults_before_opening(&self) -> io::Result<Vec<String>> {
        match self.header()? {
            Some(header) if header.is_two_phase => self.faults(Which::Own),
            _ => Ok(Vec::new()),
        }
    }

    /// The header with the slot that counts; `None` if it is damaged.
    fn header(&self) -> io::Result<Option<Header>> {
        // It may be written at this very moment, but not often.
        for _ in 0..ATTEMPTS {
            let mut bytes = [0; HEADER];
            self.disk.read(self.start, &mut bytes)?;
            if let Some(header) = Header::read(&bytes) {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The bytes of a page, and where in the file it is; `None` if there can't be such a page.
    fn page(&self, header: &Header, number: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
        let order = number >> 59;
        let region = (number >> 20) & 0xf_ffff;
        let index = number & (0xf_ffff >> order);
        let region_len = (header.region_header + header.region_pages) * PAGE;
        let len = PAGE << order;
        let place = PAGE + region * region_len + header.region_header * PAGE + index * len;
        let place = self.start.saturating_add(place);
        let is_there = place.saturating_add(len) <= self.file_len()?;
        let Some(len) = usize::try_from(len).ok().filter(|_| is_there) else { return Ok(None) };
        let mut page = vec![0; len];
        self.disk.read(place, &mut page)?;
        Ok(Some((place, page)))
    }
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let (region_header, region_pages) = (number(bytes, 16, 4)?, number(bytes, 20, 4)?);
        let is_readable = bytes.starts_with(MAGIC)
            && number(bytes, 12, 4)? == PAGE
            && region_header.max(region_pages) <= REGION_PAGES_MAX;
        let flags = *bytes.get(MAGIC.len())?;
        let at = SLOTS + SLOT * usize::from(flags & 1);
        let slot = bytes.get(at..at + SLOT)?;
        let summed = slot.get(..SLOT_SUMMED)?;
        let is_sound = sum(slot, SLOT_SUMMED)? == xxh3_128(summed) && slot.first()? == &VERSION;
        (is_readable && is_sound).then_some(())?;
        Some(Self {
            region_header,
            region_pages,
            transaction: number(slot, 104, 8)?,
            is_two_phase: flags & TWO_PHASE != 0,
            tables: root(slot, *slot.get(1)?, 8)?,
            own_tables: root(slot, *slot.get(2)?, 40)?,
        })
    }
}

/// A look at the pages that a header leads to.
struct Look<'p> {
    pages: &'p Pages,
    header: Header,
    which: Which<'p>,
    /// Branches that were as they were written, with everything below them.
    sound: HashSet<Link>,
    faults: Vec<String>,
}

impl Look<'_> {
    fn at_everything(&mut self) -> io::Result<()> {
        let Header { tables, own_tables, .. } = self.header;
        for (root, is_own) in [(own_tables, true), (tables, false)] {
            for table in self.at_tree_of_tables(root, is_own)? {
                self.at_table(&table)?;
            }
        }
        Ok(())
    }

    /// The tables that a tree of them has.
    fn at_tree_of_tables(&mut self, root: Option<Link>, is_own: bool) -> io::Result<Vec<Table>> {
        let (mut left, mut tables) = (Vec::from_iter(root), Vec::new());
        while let Some(link) = left.pop() {
            let Some((_, page)) = self.pages.page(&self.header, link.number)? else {
                self.wrong("the tree of tables", None);
                continue;
            };
            match links(&page, Widths::default(), link.sum) {
                Some(links) if links.is_empty() => match definitions(&page, is_own) {
                    Some(found) => tables.extend(found),
                    None => self.wrong("the tree of tables", None),
                },
                Some(links) => left.extend(links),
                None => self.wrong("the tree of tables", None),
            }
        }
        Ok(tables)
    }

    fn at_table(&mut self, table: &Table) -> io::Result<()> {
        let Some(root) = table.root else { return Ok(()) };
        let is_whole = match self.which {
            Which::Own if !table.is_own => return Ok(()),
            Which::Own | Which::All => true,
            Which::Leading(whole) => table.is_own || whole.contains(&table.name.as_str()),
        };
        let levels = if is_whole { usize::MAX } else { self.leading_levels(table, root)? };
        self.at_page(table, root, levels).map(drop)
    }

    /// How many levels of a table's tree lead to others. All leaves are equally deep.
    fn leading_levels(&self, table: &Table, root: Link) -> io::Result<usize> {
        let (mut level, mut levels) = (vec![root], 0);
        loop {
            // The first that is as it was written tells what all of them are.
            let (mut next, mut is_leaf) = (None, false);
            for link in &level {
                let Some((_, page)) = self.pages.page(&self.header, link.number)? else { continue };
                next = links(&page, table.widths, link.sum);
                is_leaf |= page.first() == Some(&LEAF);
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some(links) if links.is_empty() => return Ok(levels),
                Some(links) => level = links,
                None => return Ok(levels + usize::from(!is_leaf)),
            }
            levels += 1;
        }
    }

    /// Looks at a page and at those below it, so many levels in all, and says whether they are sound.
    fn at_page(&mut self, table: &Table, link: Link, levels: usize) -> io::Result<bool> {
        if levels == 0 || self.sound.contains(&link) {
            return Ok(true);
        }
        let found = self.pages.page(&self.header, link.number)?;
        let place = found.as_ref().map(|(place, _)| *place);
        let links = found.and_then(|(_, page)| links(&page, table.widths, link.sum));
        let Some(links) = links else {
            self.wrong(&table.name, place);
            return Ok(false);
        };
        let (mut is_sound, is_branch) = (true, !links.is_empty());
        for link in links {
            is_sound &= self.at_page(table, link, levels.saturating_sub(1))?;
        }
        if is_sound && is_branch {
            self.sound.insert(link);
        }
        Ok(is_sound)
    }

    fn wrong(&mut self, what: &str, place: Option<u64>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(match place {
                Some(place) => format!("{what}: the page at byte {place} of the file has changed"),
                None => format!("{what}: a page of it has changed"),
            });
        }
    }
}

/// The pages that a page leads to, none if it is a leaf; `None` if it is not what it was when its
/// checksum was made.
fn links(page: &[u8], widths: Widths, expected: u128) -> Option<Vec<Link>> {
    if xxh3_128(page.get(..end_of(page, widths)?)?) != expected {
        return None;
    }
    let children = if page.first()? == &BRANCH { count(page)? + 1 } else { 0 };
    let numbers = 8 + 16 * children;
    let link = |place| {
        let number = number(page, numbers + 8 * place, 8)?;
        Some(Link { number, sum: sum(page, 8 + 16 * place)? })
    };
    (0..children).map(link).collect()
}

/// How many keys a page has.
fn count(page: &[u8]) -> Option<usize> {
    usize::try_from(number(page, 2, 2)?).ok()
}

/// Where what a page's checksum is of ends.
fn end_of(page: &[u8], widths: Widths) -> Option<usize> {
    match *page.first()? {
        LEAF => end_of_leaf(page, widths, count(page)?),
        BRANCH => end_of_branch(page, widths, count(page)?),
        _ => None,
    }
}

/// Where what is in a branch ends.
fn end_of_branch(page: &[u8], widths: Widths, keys: usize) -> Option<usize> {
    let ends = 8 + 24 * (keys + 1);
    match widths.key {
        Some(width) => Some(ends + width * keys),
        None => usize::try_from(number(page, ends + 4 * keys.checked_sub(1)?, 4)?).ok(),
    }
}

/// Where what is in a leaf ends.
fn end_of_leaf(page: &[u8], widths: Widths, pairs: usize) -> Option<usize> {
    let last = 4 * pairs.checked_sub(1)?;
    let end = |at| usize::try_from(number(page, at, 4)?).ok();
    let ends = |width: Option<usize>| if width.is_none() { 4 * pairs } else { 0 };
    let Some(value) = widths.value else { return end(4 + ends(widths.key) + last) };
    let keys = match widths.key {
        Some(key) => 4 + ends(widths.value) + key * pairs,
        None => end(4 + last)?,
    };
    Some(keys + value * pairs)
}

/// The tables in a leaf of a tree of them.
fn definitions(page: &[u8], is_own: bool) -> Option<Vec<Table>> {
    let count = count(page)?;
    let end = |at: usize| usize::try_from(number(page, 4 + 4 * at, 4)?).ok();
    let start = |at: usize, first: usize| if at == 0 { Some(first) } else { end(at - 1) };
    let keys_end = end(count.checked_sub(1)?)?;
    let table = |at: usize| {
        let name = page.get(start(at, 4 + 8 * count)?..end(at)?)?;
        let value_start = if at == 0 { keys_end } else { end(count + at - 1)? };
        let value = page.get(value_start..end(count + at)?)?;
        (value.first()? == &TABLE).then_some(())?;
        let width = |at: usize| match value.get(at)? {
            0 => Some(None),
            _ => usize::try_from(number(value, at + 1, 4)?).ok().map(Some),
        };
        Some(Table {
            name: std::str::from_utf8(name).ok()?.to_owned(),
            root: root(value, *value.get(9)?, 10)?,
            widths: Widths { key: width(42)?, value: width(47)? },
            is_own,
        })
    };
    (0..count).map(table).collect()
}

/// A root, if there is one.
fn root(bytes: &[u8], is_there: u8, at: usize) -> Option<Option<Link>> {
    let link = Link { number: number(bytes, at, 8)?, sum: sum(bytes, at + 8)? };
    Some((is_there != 0).then_some(link))
}

fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

fn sum(bytes: &[u8], at: usize) -> Option<u128> {
    bytes.get(at..)?.first_chunk().map(|sum| u128::from_le_bytes(*sum))
}

#[cfg(test)]
mod live;
