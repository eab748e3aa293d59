//! Finding shows and venues.
//!
//! A page of shows is a walk along the list that leaves the least to pass over: those of one venue, of
//! the few venues of a city or a country, of a word, of a category, or all. What the list does not
//! say is looked at in each show with its venue. Several lists are walked at once, in the order of
//! their places, which are the same in each: start and id.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::resources::show::{self, place_at};
use super::resources::{Answer, Page, Place, Question, venue};
use super::{ReadError, Store};
use crate::domain::show::{Category, Show, ShowView, Shows};
use crate::domain::venue::Venues;
use crate::domain::{Country, Kept, ShowId, Timestamp, Venue, VenueId};

/// How many members of a list are read at once.
const CHUNK: usize = 200;
/// Above so many venues their lists are not walked one by one.
const VENUES_WALKED: usize = 64;
/// Shorter words are in so many names that looking at every show finds a page sooner.
const WORD_WALKED_CHARS: usize = 3;
/// The farthest that a day somewhere begins before or after the day at Greenwich.
const FARTHEST_ZONE_MILLIS: i64 = 26 * 60 * 60 * 1000;

/// Which shows to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowQuery {
    /// Words that must all begin a word of the name, a performer, the venue or the city.
    pub words: Vec<String>,
    /// The city, as `same_place` compares.
    pub city: Option<String>,
    /// The country.
    pub country: Option<Country>,
    /// The category.
    pub category: Option<Category>,
    /// The venue.
    pub venue: Option<VenueId>,
    /// Only those that start then or later.
    pub from: Option<Moment>,
    /// Only those that start then or earlier; all of a day belongs to it.
    pub to: Option<Moment>,
    /// The order.
    pub sort: ShowSort,
    /// The last show of the page before.
    pub after: Option<ShowPosition>,
    /// At most how many, at least 1.
    pub limit: usize,
}

/// A moment, or a day that begins at another moment in each zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A moment.
    At(Timestamp),
    /// A day in the zone of each venue.
    Day(Date),
}

/// The order of a list of shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowSort {
    /// The first to start first.
    Date,
    /// The last to start first.
    DateDescending,
    /// The latest to be added first.
    Newest,
}

/// A place in a list of shows, in whatever order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShowPosition {
    /// When the show at that place started as it was listed there.
    pub starts_at: Timestamp,
    /// The show.
    pub id: ShowId,
}

/// A page of a list of shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowPage {
    /// The shows with their venues.
    pub shows: Vec<ShowView>,
    /// Whether more follow.
    pub more: bool,
}

/// Which venues to list, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueQuery {
    /// Words that must all begin a word of the name or the city.
    pub words: Vec<String>,
    /// The last venue of the page before.
    pub after: Option<VenueId>,
    /// At most how many, at least 1.
    pub limit: usize,
}

/// A page of a list of venues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenuePage {
    /// The venues.
    pub venues: Vec<Venue>,
    /// Whether more follow.
    pub more: bool,
}

/// Whether two texts name the same place: case, accents and signs do not count.
pub fn same_place(one: &str, other: &str) -> bool {
    let words = |text| super::search::words::words_of(text);
    words(one) == words(other)
}

/// The venues that were looked at.
type Known = BTreeMap<VenueId, Venue>;

impl dyn Store {
    /// A page of shows.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if something can't be read.
    pub async fn shows(&self, query: &ShowQuery) -> Result<ShowPage, ReadError> {
        let mut known = Known::new();
        let mut walk = self.plan(query, &mut known).await?;
        let mut shows = Vec::new();
        'walk: while shows.len() <= query.limit {
            let Some(found) = walk.next(self).await? else { break };
            self.know(found.iter().map(|show| show.facts.site.venue), &mut known).await?;
            for show in found {
                if query.is_past(&show) {
                    break 'walk;
                }
                let id = show.facts.site.venue;
                let Some(venue) = known.get(&id) else {
                    let why = format!("shows {}: its venue {id} is missing", show.id);
                    return Err(ReadError::Corrupt(why));
                };
                if query.fits(&show, venue) {
                    shows.push(ShowView { show, venue: venue.clone() });
                }
            }
        }
        let more = shows.len() > query.limit;
        shows.truncate(query.limit);
        Ok(ShowPage { shows, more })
    }

    /// A show with its venue.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if it can't be read.
    pub async fn show(&self, id: ShowId) -> Result<Option<ShowView>, ReadError> {
        let Some(show) = self.get::<Show>(id).await? else { return Ok(None) };
        // A venue that a show hangs on is not deleted, so a show without one is gone by now.
        let venue = self.get::<Venue>(show.facts.site.venue).await?;
        Ok(venue.map(|venue| ShowView { show, venue }))
    }

    /// A page of venues.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if something can't be read.
    pub async fn venues(&self, query: &VenueQuery) -> Result<VenuePage, ReadError> {
        let before = |venue: &Venue| query.after.is_none_or(|after| venue.id < after);
        let fits = |venue: &Venue| begin(&venue::words(&venue.facts), &query.words);
        let mut venues = Vec::new();
        if let Some(word) = longest(&query.words) {
            let found = self.all::<Venue>(Venues::Named(word.to_owned())).await?;
            let found: BTreeMap<VenueId, Venue> =
                found.into_iter().map(|venue| (venue.id, venue)).collect();
            let fitting = found.into_values().rev().filter(|venue| before(venue) && fits(venue));
            venues.extend(fitting.take(query.limit.saturating_add(1)));
        } else {
            let after = query.after.map(|id| Place(id.as_u128().to_be_bytes().to_vec()));
            let list = Venue::any_list(Venues::ById);
            let limit = query.limit.saturating_add(1);
            let page = Page { list, after, descending: true, limit };
            venues.extend(self.page::<Venue>(page).await?.into_iter().map(|(_, venue)| venue));
        }
        let more = venues.len() > query.limit;
        venues.truncate(query.limit);
        Ok(VenuePage { venues, more })
    }

    /// All of a list.
    async fn all<T: Kept>(&self, list: T::List) -> Result<Vec<T>, ReadError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let found = self.list::<T>(list.clone(), after, CHUNK).await?;
            let is_last = found.len() < CHUNK;
            after = found.last().map(|(place, _)| place.clone());
            all.extend(found.into_iter().map(|(_, member)| member));
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Reads the venues that are not known yet.
    async fn know(
        &self,
        venues: impl Iterator<Item = VenueId>,
        known: &mut Known,
    ) -> Result<(), ReadError> {
        let missing: BTreeSet<VenueId> = venues.filter(|id| !known.contains_key(id)).collect();
        let question = |id: &VenueId| Question::One(Venue::any_id(*id));
        let questions: Vec<Question> = missing.iter().map(question).collect();
        if questions.is_empty() {
            return Ok(());
        }
        for answer in self.resources(&questions).await? {
            if let Answer::One(Some(any)) = answer
                && let Some(venue) = Venue::from_any(any)
            {
                known.insert(venue.id, venue);
            }
        }
        Ok(())
    }

    /// The lists that leave the least to pass over.
    async fn plan(&self, query: &ShowQuery, known: &mut Known) -> Result<Walk, ReadError> {
        let descending = query.sort != ShowSort::Date;
        let after = query.start();
        if query.sort == ShowSort::Newest {
            return Ok(Walk::along(vec![Source::List(Shows::ById)], after, descending));
        }
        let lists = match (query.venue, longest(&query.words)) {
            (Some(venue), _) => Some(vec![Source::List(Shows::At(venue))]),
            (None, Some(word)) if word.chars().count() >= WORD_WALKED_CHARS => {
                self.of_word(word, descending, known).await?
            }
            (None, _) if query.city.is_some() || query.country.is_some() => {
                self.of_place(query, known).await?
            }
            (None, _) => None,
        };
        let lists = lists.unwrap_or_else(|| {
            let list = query.category.map_or(Shows::ByStart, Shows::In);
            vec![Source::List(list)]
        });
        Ok(Walk::along(lists, after, descending))
    }

    /// What a word leads to: shows of that name, and those at venues of that name.
    async fn of_word(
        &self,
        word: &str,
        descending: bool,
        known: &mut Known,
    ) -> Result<Option<Vec<Source>>, ReadError> {
        let venues = self.all::<Venue>(Venues::Named(word.to_owned())).await?;
        let ids: BTreeSet<VenueId> = venues.iter().map(|venue| venue.id).collect();
        if ids.len() > VENUES_WALKED {
            return Ok(None);
        }
        known.extend(venues.into_iter().map(|venue| (venue.id, venue)));
        let shows = self.all::<Show>(Shows::Named(word.to_owned())).await?;
        // A show of the name at a venue of the name is found there.
        let apart = shows.into_iter().filter(|show| !ids.contains(&show.facts.site.venue));
        let mut named: BTreeMap<Place, Show> =
            apart.map(|show| (place_at(show.facts.starts_at, show.id), show)).collect();
        let mut read = Vec::with_capacity(named.len());
        while let Some(next) = if descending { named.pop_last() } else { named.pop_first() } {
            read.push(next);
        }
        let at = ids.into_iter().map(|id| Source::List(Shows::At(id)));
        Ok(Some(at.chain([Source::Read(read)]).collect()))
    }

    /// The lists of the venues of a city or a country, if those are few.
    async fn of_place(
        &self,
        query: &ShowQuery,
        known: &mut Known,
    ) -> Result<Option<Vec<Source>>, ReadError> {
        let city_word = query.city.as_deref().map(super::search::words::words_of);
        let city_word = city_word.and_then(|words| words.into_iter().max_by_key(String::len));
        let list = match (city_word, query.country) {
            (Some(word), _) => Venues::Named(word),
            (None, Some(country)) => Venues::In(country),
            (None, None) => return Ok(None),
        };
        let mut venues: BTreeMap<VenueId, Venue> = BTreeMap::new();
        let found = self.all::<Venue>(list).await?.into_iter();
        let fitting = found.filter(|venue| query.is_there(venue));
        venues.extend(fitting.map(|venue| (venue.id, venue)));
        if venues.len() > VENUES_WALKED {
            return Ok(None);
        }
        let lists = venues.keys().map(|id| Source::List(Shows::At(*id))).collect();
        known.append(&mut venues);
        Ok(Some(lists))
    }
}

impl ShowQuery {
    /// The place that a walk begins behind.
    fn start(&self) -> Option<Place> {
        if let Some(ShowPosition { starts_at, id }) = self.after {
            return Some(match self.sort {
                ShowSort::Date | ShowSort::DateDescending => place_at(starts_at, id),
                ShowSort::Newest => Place(id.as_u128().to_be_bytes().to_vec()),
            });
        }
        let bound = |millis: i64, id| place_at(Timestamp::from_millis(millis), id);
        match (self.sort, self.from, self.to) {
            (ShowSort::Date, Some(from), _) => {
                let earliest = from.earliest().saturating_sub(1);
                Some(bound(earliest, ShowId::from_u128(u128::MAX)))
            }
            (ShowSort::DateDescending, _, Some(to)) => {
                Some(bound(to.latest().saturating_add(1), ShowId::from_u128(0)))
            }
            _ => None,
        }
    }

    /// Whether a walk by date has left what is asked for behind.
    fn is_past(&self, show: &Show) -> bool {
        let starts = show.facts.starts_at.as_millis();
        match self.sort {
            ShowSort::Date => self.to.is_some_and(|to| starts > to.latest()),
            ShowSort::DateDescending => self.from.is_some_and(|from| starts < from.earliest()),
            ShowSort::Newest => false,
        }
    }

    fn is_there(&self, venue: &Venue) -> bool {
        self.country.is_none_or(|country| venue.facts.country == country)
            && self.city.as_deref().is_none_or(|city| same_place(city, venue.facts.city.as_str()))
    }

    fn fits(&self, show: &Show, venue: &Venue) -> bool {
        let (facts, zone) = (&show.facts, &venue.facts.time_zone);
        let starts = facts.starts_at;
        let is_late_enough = self.from.is_none_or(|from| match from {
            Moment::At(at) => starts >= at,
            Moment::Day(day) => starts >= zone.start_of(day),
        });
        let is_early_enough = self.to.is_none_or(|to| match to {
            Moment::At(at) => starts <= at,
            Moment::Day(day) => day.tomorrow().map_or(true, |next| starts < zone.start_of(next)),
        });
        is_late_enough
            && is_early_enough
            && self.category.is_none_or(|category| facts.category == category)
            && self.venue.is_none_or(|venue| facts.site.venue == venue)
            && self.is_there(venue)
            && self.is_named(show, venue)
    }

    fn is_named(&self, show: &Show, venue: &Venue) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mut words = show::words(&show.facts);
        words.append(&mut venue::words(&venue.facts));
        begin(&words, &self.words)
    }
}

impl Moment {
    /// The earliest moment that may be meant, in milliseconds.
    fn earliest(self) -> i64 {
        match self {
            Self::At(at) => at.as_millis(),
            Self::Day(day) => greenwich(day).saturating_sub(FARTHEST_ZONE_MILLIS),
        }
    }

    /// The latest moment that may be meant, in milliseconds.
    fn latest(self) -> i64 {
        const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
        match self {
            Self::At(at) => at.as_millis(),
            Self::Day(day) => {
                greenwich(day).saturating_add(DAY_MILLIS).saturating_add(FARTHEST_ZONE_MILLIS)
            }
        }
    }
}

fn greenwich(day: Date) -> i64 {
    let start = day.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    start.map_or(0, |start| start.timestamp().as_millisecond())
}

/// Whether each word of a search begins one of these.
fn begin(words: &BTreeSet<String>, search: &[String]) -> bool {
    search.iter().all(|beginning| {
        let next = words.range(beginning.clone()..).next();
        next.is_some_and(|word| word.starts_with(beginning.as_str()))
    })
}

/// The word that fewest have, most likely.
fn longest(words: &[String]) -> Option<&str> {
    words.iter().map(String::as_str).max_by_key(|word| word.chars().count())
}

/// Where shows come from.
enum Source {
    /// A list of the store.
    List(Shows),
    /// Shows that are read already, in the order of the walk.
    Read(Vec<(Place, Show)>),
}

/// A walk along several lists at once.
struct Walk {
    sources: Vec<Source>,
    after: Option<Place>,
    descending: bool,
    is_done: bool,
}

impl Walk {
    fn along(sources: Vec<Source>, after: Option<Place>, descending: bool) -> Self {
        Self { sources, after, descending, is_done: false }
    }

    /// The next shows in the order of their places; `None` once there are no more.
    async fn next(
        &mut self,
        store: &(dyn Store + 'static),
    ) -> Result<Option<Vec<Show>>, ReadError> {
        if self.is_done {
            return Ok(None);
        }
        let chunk = (CHUNK / self.sources.len().max(1)).max(8);
        let mut found: Vec<(Place, Show)> = Vec::new();
        // How far every list has been read: behind that, one may have more that comes first.
        let mut common: Option<Place> = None;
        for source in &self.sources {
            let read = self.read(store, source, chunk).await?;
            if let Some((last, _)) = read.last().filter(|_| read.len() == chunk) {
                let is_nearer = common.as_ref().is_none_or(|common| self.is_before(last, common));
                common = if is_nearer { Some(last.clone()) } else { common };
            }
            found.extend(read);
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        if self.descending {
            found.reverse();
        }
        if let Some(common) = &common {
            found.retain(|(place, _)| place == common || self.is_before(place, common));
        }
        self.is_done = common.is_none();
        self.after = common;
        Ok(Some(found.into_iter().map(|(_, show)| show).collect()))
    }

    async fn read(
        &self,
        store: &(dyn Store + 'static),
        source: &Source,
        limit: usize,
    ) -> Result<Vec<(Place, Show)>, ReadError> {
        let after = self.after.clone();
        match source {
            Source::List(list) => {
                let list = Show::any_list(list.clone());
                store.page(Page { list, after, descending: self.descending, limit }).await
            }
            Source::Read(shows) => {
                let is_ahead =
                    |place: &Place| after.as_ref().is_none_or(|after| self.is_before(after, place));
                let ahead = shows.iter().filter(|(place, _)| is_ahead(place));
                Ok(ahead.take(limit).cloned().collect())
            }
        }
    }

    fn is_before(&self, one: &Place, other: &Place) -> bool {
        if self.descending { one > other } else { one < other }
    }
}
