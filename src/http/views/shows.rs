//! How venues and shows look to clients.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parts::{MajorUnits, Text};
use crate::domain::{
    Category, Country, Line, ShowBrief, ShowId, ShowState, ShowView, Timestamp, UserId, Venue,
    VenueId, Version,
};
use crate::http::on_sale::OnSale;

/// A place where shows take place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Venue)]
pub struct VenueJson<'v> {
    /// Names the venue.
    #[schema(value_type = String, example = "venue_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: Text<VenueId>,
    /// What it is called.
    #[schema(example = "Waldbühne", min_length = 1, max_length = 200)]
    pub name: &'v str,
    /// The city it is in or near.
    #[schema(example = "Berlin", min_length = 1, max_length = 100)]
    pub city: &'v str,
    /// The state, province or county; null if that is not said.
    #[schema(required)]
    pub region: Option<&'v str>,
    /// The country, by its ISO 3166-1 code of two letters.
    #[schema(value_type = String, example = "DE", min_length = 2, max_length = 2)]
    pub country: Text<Country>,
    /// The time zone whose clock its shows follow, by its IANA name.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: &'v str,
    /// Where it stands; null if that is not said.
    #[schema(required)]
    pub address: Option<&'v str>,
    /// The sections that a ticket may be for; with none, any text is accepted.
    pub sections: Vec<&'v str>,
    /// Who added it.
    #[schema(value_type = String)]
    pub created_by: Text<UserId>,
    /// Rises by one with every change.
    #[schema(minimum = 0)]
    pub version: u64,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Text<Timestamp>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Text<Timestamp>,
}

impl<'v> From<&'v Venue> for VenueJson<'v> {
    fn from(venue: &'v Venue) -> Self {
        let facts = &venue.facts;
        Self {
            id: Text(venue.id),
            name: facts.name.as_str(),
            city: facts.city.as_str(),
            region: facts.region.as_ref().map(Line::as_str),
            country: Text(facts.country),
            time_zone: facts.time_zone.as_str(),
            address: facts.address.as_ref().map(Line::as_str),
            sections: facts.sections.iter().map(Line::as_str).collect(),
            created_by: Text(venue.created_by),
            version: venue.version.number(),
            created_at: Text(venue.created_at),
            updated_at: Text(venue.updated_at),
        }
    }
}

/// A kind of show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Category)]
pub enum CategoryJson {
    /// Music.
    Concert,
    /// A match, a race.
    Sports,
    /// A play, an opera, a musical.
    Theatre,
    /// Stand-up and the like.
    Comedy,
    /// Several acts, perhaps over days.
    Festival,
    /// All else.
    Other,
}

impl From<Category> for CategoryJson {
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

/// How a show stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ShowStatus)]
pub enum ShowStatusJson {
    /// It takes place at its time.
    Scheduled,
    /// It takes place at a time that is not known yet.
    Postponed,
    /// It does not take place.
    Cancelled,
    /// It has ended.
    Over,
}

impl From<ShowState> for ShowStatusJson {
    fn from(state: ShowState) -> Self {
        match state {
            ShowState::Scheduled => Self::Scheduled,
            ShowState::Postponed => Self::Postponed,
            ShowState::Cancelled => Self::Cancelled,
            ShowState::Over => Self::Over,
        }
    }
}

/// What is on sale for a show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ShowListings)]
pub struct ShowListingsJson {
    /// How many seats are on sale now.
    pub available: u64,
    /// The lowest price of one of them, fees included, in major units; null if there is none.
    #[schema(value_type = Option<f64>, required)]
    pub from_total: Option<MajorUnits>,
}

impl From<OnSale> for ShowListingsJson {
    fn from(OnSale { seats, from_total }: OnSale) -> Self {
        Self { available: seats, from_total: from_total.map(Into::into) }
    }
}

/// A concert, a match, a play: at one venue, at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Show)]
pub struct ShowJson<'s> {
    /// Names the show.
    #[schema(value_type = String, example = "show_01kaj2b3v4e5r6t7y8z9w0x1q2")]
    pub id: Text<ShowId>,
    /// What it is called.
    #[schema(example = "Rigoletto", min_length = 1, max_length = 200)]
    pub name: &'s str,
    /// What kind of show it is.
    pub category: CategoryJson,
    /// Who performs or plays.
    pub performers: Vec<&'s str>,
    /// Where it takes place.
    pub venue: VenueJson<'s>,
    /// When it starts.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Text<Timestamp>,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Text<Timestamp>,
    /// How it stands.
    pub status: ShowStatusJson,
    /// What is on sale for it.
    pub listings: ShowListingsJson,
    /// Where its picture is; null if there is none.
    #[schema(value_type = Option<String>, required)]
    pub cover_url: Option<Text<CoverPath>>,
    /// What it is called elsewhere; null if that is not said.
    #[schema(required)]
    pub external_id: Option<&'s str>,
    /// Who added it.
    #[schema(value_type = String)]
    pub created_by: Text<UserId>,
    /// Rises by one with every change.
    #[schema(minimum = 0)]
    pub version: u64,
    /// When it was added.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Text<Timestamp>,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Text<Timestamp>,
}

impl<'s> ShowJson<'s> {
    /// A show with what is on sale for it.
    #[must_use]
    pub fn with_listings(self, listings: ShowListingsJson) -> Self {
        Self { listings, ..self }
    }
}

/// A show alone: an event does not tell what is on sale.
impl<'s> From<&'s ShowView> for ShowJson<'s> {
    fn from(view: &'s ShowView) -> Self {
        let (show, facts) = (&view.show, &view.show.facts);
        Self {
            id: Text(show.id),
            name: facts.name.as_str(),
            category: facts.category.into(),
            performers: facts.performers.iter().map(Line::as_str).collect(),
            venue: (&view.venue).into(),
            starts_at: Text(facts.starts_at),
            ends_at: Text(facts.ends_at),
            status: show.state.into(),
            listings: ShowListingsJson::default(),
            cover_url: CoverPath::of(show.id, show.cover).map(Text),
            external_id: facts.external_id.as_ref().map(Line::as_str),
            created_by: Text(show.created_by),
            version: show.version.number(),
            created_at: Text(show.created_at),
            updated_at: Text(show.updated_at),
        }
    }
}

/// Where the picture of a show is. Another picture is at another address, so that this one may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverPath {
    show: ShowId,
    version: Version,
}

impl CoverPath {
    /// Where the cover of that version is, if there is one.
    pub fn of(show: ShowId, version: Option<Version>) -> Option<Self> {
        version.map(|version| Self { show, version })
    }
}

impl fmt::Display for CoverPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/api/shows/{}/cover?v={}", self.show, self.version.number())
    }
}

/// A show as its tickets and orders tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketShow)]
pub struct ShowBriefJson<'s> {
    /// Names the show.
    #[schema(value_type = String)]
    pub id: Text<ShowId>,
    /// What it is called.
    pub name: &'s str,
    /// When it starts.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Text<Timestamp>,
    /// How it stands.
    pub status: ShowStatusJson,
    /// Where its picture is; null if there is none.
    #[schema(value_type = Option<String>, required)]
    pub cover_url: Option<Text<CoverPath>>,
    /// Where it takes place.
    pub venue: VenueBriefJson<'s>,
}

/// A venue as the tickets and orders of its shows tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TicketVenue)]
pub struct VenueBriefJson<'s> {
    /// Names the venue.
    #[schema(value_type = String)]
    pub id: Text<VenueId>,
    /// What it is called.
    pub name: &'s str,
    /// The city it is in or near.
    pub city: &'s str,
    /// The country, by its ISO 3166-1 code of two letters.
    #[schema(value_type = String, example = "DE")]
    pub country: Text<Country>,
    /// The time zone whose clock the show follows.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: &'s str,
}

impl<'s> From<&'s ShowBrief> for ShowBriefJson<'s> {
    fn from(show: &'s ShowBrief) -> Self {
        let venue = &show.venue;
        Self {
            id: Text(show.id),
            name: show.name.as_str(),
            starts_at: Text(show.starts_at),
            status: show.state.into(),
            cover_url: CoverPath::of(show.id, show.cover).map(Text),
            venue: VenueBriefJson {
                id: Text(venue.id),
                name: venue.name.as_str(),
                city: venue.city.as_str(),
                country: Text(venue.country),
                time_zone: venue.time_zone.as_str(),
            },
        }
    }
}
