//! Shows.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::venue::StoredVenue;
use super::{KeptAs, Place};
use crate::domain::show::{Category, Show, ShowFacts, ShowState, ShowView, Shows, Site};
use crate::domain::{Line, ShowId, Timestamp, UserId, VenueId, Version};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};
use crate::store::resources::imported::{StoredImport, place};
use crate::store::search::words::words_of;
use crate::store::{CommitError, Refusal};

/// By start.
const STARTS: Index = Index(43);
/// By id.
const ALL: Index = Index(44);
/// By venue and start.
const VENUES: Index = Index(45);
/// By category and start.
const CATEGORIES: Index = Index(46);
/// By the words of name and performers.
const WORDS: Index = Index(47);
/// By end, as long as they end by themselves.
const ENDS: Index = Index(48);
/// Those at venues of others, by venue.
const GUESTS: Index = Index(49);
/// By what imports know them by.
const IMPORTED: Index = Index(57);

/// A show as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredShow<'a> {
    #[n(0)]
    id: Id,
    #[b(1)]
    name: &'a str,
    #[n(2)]
    category: StoredCategory,
    #[b(3)]
    performers: Vec<&'a str>,
    #[n(4)]
    venue: Id,
    #[n(5)]
    venue_added_by: Id,
    #[n(6)]
    starts_at: i64,
    #[n(7)]
    ends_at: i64,
    #[b(8)]
    external_id: Option<&'a str>,
    #[n(9)]
    state: StoredState,
    #[n(10)]
    moved_at: Option<i64>,
    #[n(11)]
    created_by: Id,
    #[n(12)]
    version: u64,
    #[n(13)]
    created_at: i64,
    #[n(14)]
    updated_at: i64,
    #[b(15)]
    imported: Option<StoredImport<'a>>,
    #[n(16)]
    cover: Option<u64>,
}

/// A kind of show.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
enum StoredCategory {
    #[n(0)]
    Concert,
    #[n(1)]
    Sports,
    #[n(2)]
    Theatre,
    #[n(3)]
    Comedy,
    #[n(4)]
    Festival,
    #[n(5)]
    Other,
}

/// How a show stands.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(index_only)]
pub enum StoredState {
    #[n(0)]
    Scheduled,
    #[n(1)]
    Postponed,
    #[n(2)]
    Cancelled,
    #[n(3)]
    Over,
}

impl From<Category> for StoredCategory {
    fn from(category: Category) -> Self {
        match category {
            Category::Concert => Self::Concert,
            Category::Sports => Self::Sports,
            Category::Theatre => Self::Theatre,
            Category::Comedy => Self::Comedy,
            Category::Festival => Self::Festival,
            Category::Other => Self::Other,
        }
    }
}

impl From<StoredCategory> for Category {
    fn from(stored: StoredCategory) -> Self {
        match stored {
            StoredCategory::Concert => Self::Concert,
            StoredCategory::Sports => Self::Sports,
            StoredCategory::Theatre => Self::Theatre,
            StoredCategory::Comedy => Self::Comedy,
            StoredCategory::Festival => Self::Festival,
            StoredCategory::Other => Self::Other,
        }
    }
}

impl From<ShowState> for StoredState {
    fn from(state: ShowState) -> Self {
        match state {
            ShowState::Scheduled => Self::Scheduled,
            ShowState::Postponed => Self::Postponed,
            ShowState::Cancelled => Self::Cancelled,
            ShowState::Over => Self::Over,
        }
    }
}

impl From<StoredState> for ShowState {
    fn from(stored: StoredState) -> Self {
        match stored {
            StoredState::Scheduled => Self::Scheduled,
            StoredState::Postponed => Self::Postponed,
            StoredState::Cancelled => Self::Cancelled,
            StoredState::Over => Self::Over,
        }
    }
}

impl<'a> From<&'a Show> for StoredShow<'a> {
    fn from(show: &'a Show) -> Self {
        let ShowFacts {
            name,
            category,
            performers,
            site,
            starts_at,
            ends_at,
            external_id,
            imported,
        } = &show.facts;
        Self {
            id: Id(show.id.as_u128()),
            name: name.as_str(),
            category: (*category).into(),
            performers: performers.iter().map(Line::as_str).collect(),
            venue: Id(site.venue.as_u128()),
            venue_added_by: Id(site.added_by.as_u128()),
            starts_at: millis(*starts_at),
            ends_at: millis(*ends_at),
            external_id: external_id.as_ref().map(Line::as_str),
            state: show.state.into(),
            moved_at: show.moved_at.map(millis),
            created_by: Id(show.created_by.as_u128()),
            version: show.version.number(),
            created_at: millis(show.created_at),
            updated_at: millis(show.updated_at),
            imported: imported.as_deref().map(Into::into),
            cover: show.cover.map(Version::number),
        }
    }
}

impl From<StoredShow<'_>> for Show {
    fn from(stored: StoredShow<'_>) -> Self {
        let site = Site {
            venue: VenueId::from_u128(stored.venue.0),
            added_by: UserId::from_u128(stored.venue_added_by.0),
        };
        Self {
            id: ShowId::from_u128(stored.id.0),
            facts: ShowFacts {
                name: Line::accepted_before(stored.name),
                category: stored.category.into(),
                performers: stored.performers.into_iter().map(Line::accepted_before).collect(),
                site,
                starts_at: time(stored.starts_at),
                ends_at: time(stored.ends_at),
                external_id: stored.external_id.map(Line::accepted_before),
                imported: stored.imported.map(|imported| Box::new(imported.into())),
            },
            state: stored.state.into(),
            moved_at: stored.moved_at.map(time),
            cover: stored.cover.map(Version::from_number),
            created_by: UserId::from_u128(stored.created_by.0),
            version: Version::from_number(stored.version),
            created_at: time(stored.created_at),
            updated_at: time(stored.updated_at),
        }
    }
}

impl Record for Show {
    const KIND: Kind = Kind { table: "shows", tag: 21, version: 1 };
    type Stored<'a> = StoredShow<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        Ok(body::<StoredShow<'_>>(bytes)?.into())
    }
}

/// A show with its venue, in events.
#[derive(Debug, Encode, Decode)]
pub struct StoredShowView<'a> {
    #[b(0)]
    show: StoredShow<'a>,
    #[b(1)]
    venue: StoredVenue<'a>,
}

impl<'a> From<&'a ShowView> for StoredShowView<'a> {
    fn from(view: &'a ShowView) -> Self {
        Self { show: (&view.show).into(), venue: (&view.venue).into() }
    }
}

impl TryFrom<StoredShowView<'_>> for ShowView {
    type Error = Fault;

    fn try_from(stored: StoredShowView<'_>) -> Result<Self, Fault> {
        Ok(Self { show: stored.show.into(), venue: stored.venue.try_into()? })
    }
}

impl KeptAs for Show {
    const TABLE: Table = Table(21);
    const INDEXES: &'static [Index] =
        &[STARTS, ALL, VENUES, CATEGORIES, WORDS, ENDS, GUESTS, IMPORTED];

    fn key(id: &ShowId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let ShowFacts { site, category, .. } = &self.facts;
        let key = Self::key(&self.id);
        let Place(start) = place_at(self.facts.starts_at, self.id);
        let mut places = vec![
            (STARTS, start.clone()),
            (ALL, key.clone()),
            (VENUES, [at(site.venue).as_slice(), &start].concat()),
            (CATEGORIES, [category.name().as_bytes(), &[0], &start].concat()),
        ];
        if let Some(end) = self.ends_by_itself_at() {
            places.push((ENDS, place_at(end, self.id).0));
        }
        if self.is_guest() {
            places.push((GUESTS, [at(site.venue).as_slice(), &key].concat()));
        }
        let imported = self.facts.imported.iter();
        places.extend(imported.map(|imported| (IMPORTED, place(&imported.key))));
        let words = words(&self.facts).into_iter();
        places.extend(words.map(|word| (WORDS, [word.as_bytes(), &[0], &key].concat())));
        places
    }

    fn span(list: &Shows) -> (Index, Vec<u8>) {
        match list {
            Shows::ByStart => (STARTS, Vec::new()),
            Shows::ById => (ALL, Vec::new()),
            Shows::At(venue) => (VENUES, at(*venue)),
            Shows::In(category) => (CATEGORIES, [category.name().as_bytes(), &[0]].concat()),
            Shows::Named(beginning) => (WORDS, beginning.as_bytes().to_vec()),
            Shows::Ending => (ENDS, Vec::new()),
            Shows::Guests(venue) => (GUESTS, at(*venue)),
            Shows::Imported(key) => (IMPORTED, place(key)),
        }
    }

    fn full(list: &Shows) -> CommitError {
        match list {
            Shows::At(_) => Refusal::InUse.into(),
            Shows::Guests(_) => Refusal::OthersDepend.into(),
            Shows::ByStart
            | Shows::ById
            | Shows::In(_)
            | Shows::Named(_)
            | Shows::Ending
            | Shows::Imported(_) => CommitError::Conflict,
        }
    }
}

fn at(venue: VenueId) -> Vec<u8> {
    venue.as_u128().to_be_bytes().to_vec()
}

/// The place of a show in every list that is ordered by a time.
pub fn place_at(at: Timestamp, id: ShowId) -> Place {
    // Turning the sign bit over puts what is negative before what is not.
    let time = (at.as_millis() ^ i64::MIN).to_be_bytes();
    Place([&time[..], &id.as_u128().to_be_bytes()].concat())
}

/// The words a show can be found by, beside those of its venue.
pub fn words(facts: &ShowFacts) -> BTreeSet<String> {
    let mut words = words_of(facts.name.as_str());
    for performer in &facts.performers {
        words.append(&mut words_of(performer.as_str()));
    }
    words
}
