//! Shows and their venues from a file.
//!
//! The command line reads the file and hands on what its lines say. A running server does the rest, or
//! with none running the command does the same on the file. Each line stands for itself: what is
//! wrong with one keeps no other out. What a line made remembers the line, so the same line
//! changes nothing, whatever was corrected by hand since.

use std::collections::{BTreeMap, btree_map};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::Marketplace;
use super::operators;
use super::operators::account_of;
use crate::actors::error::MarketError;
use crate::actors::show::{added, changed, ending_sales, timer};
use crate::actors::timers::Timers;
use crate::domain::rfc3339;
use crate::domain::show::{BY_DEFAULT, LONGEST, MAX_PERFORMERS};
use crate::domain::venue::MAX_SECTIONS;
use crate::domain::{
    Address, Caller, CatalogRejection, Category, Commit, Country, Email, Event, ExpectedVersion,
    ImportKey, Imported, Label, Line, Locality, Name, Roles, SalesEnd, Show, ShowChanges,
    ShowCommand, ShowDecision, ShowFacts, ShowId, ShowView, Shows, Site, Timestamp, Venue,
    VenueChanges, VenueCommand, VenueDecision, VenueFacts, VenueId, Venues, ZoneName,
};
use crate::seams::IdMint;
use crate::store::{CommitError, Store};

/// How many lines are written at once. The store makes one batch of what waits.
const AT_ONCE: usize = 128;
/// How often a line is looked at again because something changed meanwhile.
const TRIES: usize = 8;

/// What a line says of a show, not yet looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportLine {
    /// What the show is called where the file comes from. By that it is known again.
    pub external_id: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// What kind of show it is.
    pub category: Option<String>,
    /// Who performs.
    pub performers: Vec<String>,
    /// When it starts: RFC 3339, with an offset.
    pub starts_at: Option<String>,
    /// When it ends.
    pub ends_at: Option<String>,
    /// Where it takes place.
    pub venue: ImportVenue,
}

/// What a line says of a venue, not yet looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportVenue {
    /// What it is called where the file comes from. Without that it is known by name, city and country.
    pub external_id: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// The city it is in or near.
    pub city: Option<String>,
    /// The state, province or county.
    pub region: Option<String>,
    /// The country.
    pub country: Option<String>,
    /// The zone whose clock its shows follow.
    pub time_zone: Option<String>,
    /// Where it stands.
    pub address: Option<String>,
    /// The sections that a ticket may be for.
    pub sections: Vec<String>,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// There is a new show.
    Added,
    /// The show is another now.
    Changed,
    /// Everything was there already.
    Unchanged,
    /// Nothing was done, and that is why.
    Refused(String),
}

/// Where an import goes.
pub struct Import<'a> {
    /// Where everything is kept.
    pub store: &'a dyn Store,
    /// New identifiers.
    pub ids: &'a IdMint,
    /// Told of shows that end by themselves, if somebody waits for that.
    pub timers: Option<&'a Timers>,
    /// Who adds the shows: an operator.
    pub by: Caller,
    /// What time it is.
    pub now: Timestamp,
}

/// Whose shows an import adds: the operator's with that address, or those of the first that there is.
///
/// # Errors
///
/// [`MarketError::NotFound`] if there is no such account, [`CatalogRejection::NotOperator`] if it is no
/// operator's.
pub async fn importer(store: &dyn Store, email: Option<&Email>) -> Result<Caller, MarketError> {
    let user = match email {
        Some(email) => account_of(store, email).await?.ok_or(MarketError::NotFound)?,
        None => {
            let first = operators::operators(store).await?.into_iter().next();
            first.ok_or(CatalogRejection::NotOperator)?.1
        }
    };
    if !user.is_operator {
        return Err(CatalogRejection::NotOperator.into());
    }
    Ok(Caller { user: user.id, roles: Roles { operator: true } })
}

impl Marketplace {
    /// Adds and changes what lines say, and tells what became of each.
    ///
    /// # Errors
    ///
    /// [`MarketError`] if the store fails; lines before may have been taken in.
    pub async fn import(
        &self,
        by: Caller,
        lines: &[ImportLine],
    ) -> Result<Vec<Outcome>, MarketError> {
        let context = &self.parts.context;
        let (store, ids, now) = (&*context.store, &context.ids, context.now());
        Import { store, ids, timers: Some(&context.timers), by, now }.take_in(lines).await
    }
}

/// A line that is sound.
struct Sound {
    venue: (Imported, VenueFacts),
    /// The venue's own site is filled in once it is known.
    show: ShowDraft,
}

/// What a sound line says of its show.
struct ShowDraft {
    imported: Imported,
    external_id: Name,
    name: Name,
    category: Category,
    performers: Vec<Name>,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

type Refused = String;

impl Import<'_> {
    /// Adds and changes what lines say, and tells what became of each.
    ///
    /// # Errors
    ///
    /// [`MarketError`] if the store fails; lines before may have been taken in.
    pub async fn take_in(&self, lines: &[ImportLine]) -> Result<Vec<Outcome>, MarketError> {
        let sound: Vec<_> = lines.iter().map(read).collect();
        let mut drafts: BTreeMap<ImportKey, (Imported, VenueFacts)> = BTreeMap::new();
        for (imported, facts) in sound.iter().flatten().map(|line| &line.venue) {
            if let btree_map::Entry::Vacant(free) = drafts.entry(imported.key.clone()) {
                free.insert((imported.clone(), facts.clone()));
            }
        }
        let venues = stream::iter(drafts.into_values())
            .map(|(imported, facts)| async move {
                let venue = self.venue(&imported, &facts).await;
                (imported.key, imported.line, venue)
            })
            .buffered(AT_ONCE);
        let venues: Vec<_> = venues.collect().await;
        let mut known = BTreeMap::new();
        for (key, line, venue) in venues {
            known.insert(key, (line, venue?));
        }
        let known = &known;
        let shows = stream::iter(sound)
            .map(|line| async move {
                let line = match line {
                    Ok(line) => line,
                    Err(refused) => return Ok(Outcome::Refused(refused)),
                };
                match known.get(&line.venue.0.key) {
                    Some((said, _)) if *said != line.venue.0.line => {
                        Ok(Outcome::Refused(VENUE_DIFFERS.to_owned()))
                    }
                    Some((_, Ok(venue))) => self.show(&line.show, venue).await,
                    Some((_, Err(refused))) => Ok(Outcome::Refused(refused.clone())),
                    None => Err(MarketError::NotFound),
                }
            })
            .buffered(AT_ONCE);
        let outcomes: Vec<Result<Outcome, MarketError>> = shows.collect().await;
        outcomes.into_iter().collect()
    }

    /// The venue that a line names, as it says.
    async fn venue(
        &self,
        imported: &Imported,
        facts: &VenueFacts,
    ) -> Result<Result<Venue, Refused>, MarketError> {
        for _ in 0..TRIES {
            let list = Venues::Imported(imported.key.clone());
            let known = self.store.list::<Venue>(list, None, 1).await?.pop();
            let (commit, after) = match known {
                None => {
                    let id = VenueId::from_u128(self.ids.mint());
                    let venue = Venue::add(id, self.by.user, facts.clone(), self.now);
                    let told = Event::VenueCreated(Box::new(venue.clone()));
                    (Commit::at(self.now).put(venue.clone()).event(told), venue)
                }
                Some((_, venue)) if is_made_of(venue.facts.imported.as_deref(), imported) => {
                    return Ok(Ok(venue));
                }
                Some((_, venue)) => {
                    let edit = VenueCommand::Edit(all_of_venue(facts.clone()));
                    match venue.decide(&edit, self.by, &ExpectedVersion::Any, self.now) {
                        Ok(VenueDecision::Changed(after)) => {
                            let told = Event::VenueUpdated(Box::new(after.clone()));
                            (Commit::at(self.now).put(after.clone()).event(told), after)
                        }
                        Ok(VenueDecision::Unchanged | VenueDecision::Deleted(_)) => {
                            return Ok(Ok(venue));
                        }
                        Err(refused) => return Ok(Err(format!("venue: {refused}"))),
                    }
                }
            };
            match self.store.commit(commit).await {
                Ok(()) => return Ok(Ok(after)),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MarketError::Overloaded)
    }

    /// Adds a show, or makes it what its line says.
    async fn show(&self, draft: &ShowDraft, venue: &Venue) -> Result<Outcome, MarketError> {
        for _ in 0..TRIES {
            let list = Shows::Imported(draft.imported.key.clone());
            let known = self.store.list::<Show>(list, None, 1).await?.pop();
            let (commit, after, outcome) = match known {
                None if draft.starts_at <= self.now => {
                    return Ok(Outcome::Refused("startsAt must be in the future".to_owned()));
                }
                None => {
                    let id = ShowId::from_u128(self.ids.mint());
                    let show = Show::add(id, self.by.user, draft.facts(venue), self.now);
                    let view = ShowView { show: show.clone(), venue: venue.clone() };
                    (added(&view, self.now), show, Outcome::Added)
                }
                Some((_, show)) if is_made_of(show.facts.imported.as_deref(), &draft.imported) => {
                    return Ok(Outcome::Unchanged);
                }
                Some((_, show)) => match self.edit(&show, draft, venue).await? {
                    Ok(Some((commit, after))) => (commit, after, Outcome::Changed),
                    Ok(None) => return Ok(Outcome::Unchanged),
                    Err(refused) => return Ok(Outcome::Refused(refused)),
                },
            };
            match self.store.commit(commit).await {
                Ok(()) => {
                    if let (Some(timers), Some(timer)) = (self.timers, timer(&after)) {
                        timers.set(&timer);
                    }
                    return Ok(outcome);
                }
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(MarketError::Overloaded)
    }

    async fn edit(
        &self,
        show: &Show,
        draft: &ShowDraft,
        venue: &Venue,
    ) -> Result<Result<Option<(Commit, Show)>, Refused>, MarketError> {
        let end = self.store.get::<SalesEnd>(show.id).await?;
        Ok(self.decide_edit(show, end.as_ref(), draft, venue))
    }

    fn decide_edit(
        &self,
        show: &Show,
        end: Option<&SalesEnd>,
        draft: &ShowDraft,
        venue: &Venue,
    ) -> Result<Option<(Commit, Show)>, Refused> {
        let (before, wanted) = (&show.facts, draft.facts(venue));
        if wanted.starts_at != before.starts_at && wanted.starts_at <= self.now {
            return Err("startsAt must be in the future".to_owned());
        }
        let moves = (wanted.starts_at, wanted.ends_at) != (before.starts_at, before.ends_at);
        let changes = ShowChanges {
            name: Some(wanted.name),
            category: Some(wanted.category),
            performers: Some(wanted.performers),
            site: Some(wanted.site),
            starts_at: moves.then_some(wanted.starts_at),
            ends_at: moves.then_some(wanted.ends_at),
            external_id: Some(wanted.external_id),
            imported: wanted.imported,
        };
        let edit = ShowCommand::Edit(changes);
        let decided = show.decide(&edit, Some(self.by), &ExpectedVersion::Any, self.now);
        match decided.map_err(|refused| refused.to_string())? {
            ShowDecision::Changed(after, why) => {
                let view = ShowView { show: after.clone(), venue: venue.clone() };
                let commit = changed(show, &view, why, self.now);
                let then = end.and_then(|end| end.following(show, &after));
                Ok(Some((ending_sales(commit, show.id, end, then), after)))
            }
            ShowDecision::Unchanged | ShowDecision::Deleted(_) => Ok(None),
        }
    }
}

const VENUE_DIFFERS: &str = "venue is described otherwise by an earlier line";

fn is_made_of(known: Option<&Imported>, line: &Imported) -> bool {
    known.is_some_and(|known| known.line == line.line)
}

impl ShowDraft {
    fn facts(&self, venue: &Venue) -> ShowFacts {
        ShowFacts {
            name: self.name.clone(),
            category: self.category,
            performers: self.performers.clone(),
            site: Site::from(venue),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            external_id: Some(self.external_id.clone()),
            imported: Some(Box::new(self.imported.clone())),
        }
    }
}

fn all_of_venue(facts: VenueFacts) -> VenueChanges {
    VenueChanges {
        name: Some(facts.name),
        city: Some(facts.city),
        region: Some(facts.region),
        country: Some(facts.country),
        time_zone: Some(facts.time_zone),
        address: Some(facts.address),
        sections: Some(facts.sections),
        imported: facts.imported,
    }
}

/// What is wrong with a line, all of it.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note<T>(&mut self, field: &str, read: Result<T, impl ToString>) -> Option<T> {
        read.map_err(|why| self.0.push(format!("{field} {}", why.to_string()))).ok()
    }

    fn line<const MAX: usize>(&mut self, field: &str, text: Option<&str>) -> Option<Line<MAX>> {
        self.note(field, Line::parse(text.unwrap_or_default()))
    }

    /// What may be left out; an empty text is left out.
    fn line_if<const MAX: usize>(
        &mut self,
        field: &str,
        text: Option<&str>,
    ) -> Option<Option<Line<MAX>>> {
        match text.map(str::trim).filter(|text| !text.is_empty()) {
            None => Some(None),
            Some(text) => self.note(field, Line::parse(text)).map(Some),
        }
    }

    fn lines<const MAX: usize>(
        &mut self,
        field: &str,
        texts: &[String],
        most: usize,
    ) -> Option<Vec<Line<MAX>>> {
        if texts.len() > most {
            self.0.push(format!("{field} must name at most {most}"));
            return None;
        }
        let read = |(place, text): (usize, &String)| {
            self.line(&format!("{field}[{place}]"), Some(text.as_str()))
        };
        texts.iter().enumerate().map(read).collect()
    }

    fn text(&mut self, field: &str, text: Option<&str>) -> Option<String> {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        self.note(field, text.map(str::to_owned).ok_or("is required"))
    }
}

/// Looks at what a line says.
fn read(line: &ImportLine) -> Result<Sound, Refused> {
    let mut faults = Faults::default();
    let venue = read_venue(&line.venue, &mut faults);
    let show = read_show(line, &mut faults);
    match (venue, show) {
        (Some(venue), Some(mut show)) if faults.0.is_empty() => {
            // A show's line says its venue, too.
            show.imported.line ^= venue.0.line;
            Ok(Sound { venue, show })
        }
        _ => Err(faults.0.join("; ")),
    }
}

fn read_show(line: &ImportLine, faults: &mut Faults) -> Option<ShowDraft> {
    let external_id: Option<Name> = faults.line("externalId", line.external_id.as_deref());
    let name: Option<Name> = faults.line("name", line.name.as_deref());
    let category = faults.text("category", line.category.as_deref()).and_then(|text| {
        let known = Category::named(&text.to_ascii_lowercase());
        faults.note(
            "category",
            known.ok_or("must be concert, sports, theatre, comedy, festival or other"),
        )
    });
    let performers: Option<Vec<Name>> =
        faults.lines("performers", &line.performers, MAX_PERFORMERS);
    let starts_at = faults.text("startsAt", line.starts_at.as_deref());
    let starts_at = starts_at.and_then(|text| faults.note("startsAt", time(&text)));
    let ends_at = line.ends_at.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let ends_at = match (ends_at, starts_at) {
        (None, start) => start.map(|start| start.plus(BY_DEFAULT)),
        (Some(text), start) => faults
            .note("endsAt", time(text))
            .and_then(|end| faults.note("endsAt", sound_end(end, start?))),
    };
    let (external_id, name, performers) = (external_id?, name?, performers?);
    let (category, starts_at, ends_at) = (category?, starts_at?, ends_at?);
    let key = ImportKey::accepted_before(&format!("id:{}", external_id.as_str()));
    let said: Vec<&str> = performers.iter().map(Line::as_str).collect();
    let line =
        hash(&(name.as_str(), category.name(), said, starts_at.as_millis(), ends_at.as_millis()));
    let imported = Imported { key, line };
    Some(ShowDraft { imported, external_id, name, category, performers, starts_at, ends_at })
}

fn read_venue(venue: &ImportVenue, faults: &mut Faults) -> Option<(Imported, VenueFacts)> {
    let external_id: Option<Option<Name>> =
        faults.line_if("venue.externalId", venue.external_id.as_deref());
    let name: Option<Name> = faults.line("venue.name", venue.name.as_deref());
    let city: Option<Locality> = faults.line("venue.city", venue.city.as_deref());
    let region: Option<Option<Locality>> = faults.line_if("venue.region", venue.region.as_deref());
    let country = faults.text("venue.country", venue.country.as_deref());
    let country = country.and_then(|text| faults.note("venue.country", text.parse::<Country>()));
    let zone = faults.text("venue.timeZone", venue.time_zone.as_deref());
    let zone = zone.and_then(|text| faults.note("venue.timeZone", text.parse::<ZoneName>()));
    let address: Option<Option<Address>> =
        faults.line_if("venue.address", venue.address.as_deref());
    let sections: Option<Vec<Label>> =
        faults.lines("venue.sections", &venue.sections, MAX_SECTIONS);
    let (external_id, name, city, region) = (external_id?, name?, city?, region?);
    let (country, time_zone, address, sections) = (country?, zone?, address?, sections?);
    let key = match &external_id {
        Some(id) => format!("id:{}", id.as_str()),
        None => {
            let place = [name.as_str(), city.as_str(), country.as_str()].join("\n");
            format!("at:{:032x}", xxh3_128(place.to_lowercase().as_bytes()))
        }
    };
    let said: Vec<&str> = sections.iter().map(Label::as_str).collect();
    let line = hash(&(
        name.as_str(),
        city.as_str(),
        region.as_ref().map(Line::as_str),
        country.as_str(),
        time_zone.as_str(),
        address.as_ref().map(Line::as_str),
        said,
    ));
    let imported = Imported { key: ImportKey::accepted_before(&key), line };
    let facts = VenueFacts {
        name,
        city,
        region,
        country,
        time_zone,
        address,
        sections,
        imported: Some(Box::new(imported.clone())),
    };
    Some((imported, facts))
}

/// A hash that every release computes alike.
fn hash(said: &impl Serialize) -> u64 {
    xxh3_64(&serde_json::to_vec(said).unwrap_or_default())
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    rfc3339::time(text).ok_or(rfc3339::EXPECTED)
}

fn sound_end(end: Timestamp, start: Timestamp) -> Result<Timestamp, &'static str> {
    if end <= start {
        Err("must be after startsAt")
    } else if end.since(start) > LONGEST {
        Err("must be at most 31 days after startsAt")
    } else {
        Ok(end)
    }
}
