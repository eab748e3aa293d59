//! Venues.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::KeptAs;
use crate::domain::venue::Venues;
use crate::domain::{Line, UserId, Venue, VenueFacts, VenueId, Version, ZoneName};
use crate::store::contract::{Index, Table};
use crate::store::records::Record;
use crate::store::records::envelope::{Fault, Kind, body};
use crate::store::records::parts::{Id, millis, time};
use crate::store::resources::imported::{StoredImport, place};
use crate::store::search::words::words_of;

/// By country.
const COUNTRIES: Index = Index(40);
/// By the words of its name and its city.
const WORDS: Index = Index(41);
/// All of them.
const ALL: Index = Index(42);
/// By what imports know them by.
const IMPORTED: Index = Index(56);

/// A venue as it is stored.
#[derive(Debug, Encode, Decode)]
pub struct StoredVenue<'a> {
    #[n(0)]
    id: Id,
    #[b(1)]
    name: &'a str,
    #[b(2)]
    city: &'a str,
    #[b(3)]
    region: Option<&'a str>,
    #[b(4)]
    country: &'a str,
    #[b(5)]
    time_zone: &'a str,
    #[b(6)]
    address: Option<&'a str>,
    #[b(7)]
    sections: Vec<&'a str>,
    #[n(8)]
    created_by: Id,
    #[n(9)]
    version: u64,
    #[n(10)]
    created_at: i64,
    #[n(11)]
    updated_at: i64,
    #[b(12)]
    imported: Option<StoredImport<'a>>,
}

impl<'a> From<&'a Venue> for StoredVenue<'a> {
    fn from(venue: &'a Venue) -> Self {
        let VenueFacts { name, city, region, country, time_zone, address, sections, imported } =
            &venue.facts;
        Self {
            id: Id(venue.id.as_u128()),
            name: name.as_str(),
            city: city.as_str(),
            region: region.as_ref().map(Line::as_str),
            country: country.as_str(),
            time_zone: time_zone.as_str(),
            address: address.as_ref().map(Line::as_str),
            sections: sections.iter().map(Line::as_str).collect(),
            created_by: Id(venue.created_by.as_u128()),
            version: venue.version.number(),
            created_at: millis(venue.created_at),
            updated_at: millis(venue.updated_at),
            imported: imported.as_deref().map(Into::into),
        }
    }
}

impl TryFrom<StoredVenue<'_>> for Venue {
    type Error = Fault;

    fn try_from(stored: StoredVenue<'_>) -> Result<Self, Fault> {
        let country = stored.country.parse();
        Ok(Self {
            id: VenueId::from_u128(stored.id.0),
            facts: VenueFacts {
                name: Line::accepted_before(stored.name),
                city: Line::accepted_before(stored.city),
                region: stored.region.map(Line::accepted_before),
                country: country.map_err(|_| Fault::value("the country", stored.country))?,
                time_zone: ZoneName::accepted_before(stored.time_zone),
                address: stored.address.map(Line::accepted_before),
                sections: stored.sections.into_iter().map(Line::accepted_before).collect(),
                imported: stored.imported.map(|imported| Box::new(imported.into())),
            },
            created_by: UserId::from_u128(stored.created_by.0),
            version: Version::from_number(stored.version),
            created_at: time(stored.created_at),
            updated_at: time(stored.updated_at),
        })
    }
}

impl Record for Venue {
    const KIND: Kind = Kind { table: "venues", tag: 20, version: 1 };
    type Stored<'a> = StoredVenue<'a>;

    fn read(_: u8, bytes: &[u8]) -> Result<Self, Fault> {
        body::<StoredVenue<'_>>(bytes)?.try_into()
    }
}

impl KeptAs for Venue {
    const TABLE: Table = Table(20);
    const INDEXES: &'static [Index] = &[COUNTRIES, WORDS, ALL, IMPORTED];

    fn key(id: &VenueId) -> Vec<u8> {
        id.as_u128().to_be_bytes().to_vec()
    }

    fn places(&self) -> Vec<(Index, Vec<u8>)> {
        let key = Self::key(&self.id);
        let country = [self.facts.country.as_str().as_bytes(), &key].concat();
        let words = words(&self.facts).into_iter();
        let words = words.map(|word| (WORDS, [word.as_bytes(), &[0], &key].concat()));
        let imported = self.facts.imported.iter().map(|imported| (IMPORTED, place(&imported.key)));
        let own = [(COUNTRIES, country), (ALL, key.clone())];
        own.into_iter().chain(words).chain(imported).collect()
    }

    fn span(list: &Venues) -> (Index, Vec<u8>) {
        match list {
            Venues::ById => (ALL, Vec::new()),
            Venues::In(country) => (COUNTRIES, country.as_str().as_bytes().to_vec()),
            Venues::Named(beginning) => (WORDS, beginning.as_bytes().to_vec()),
            Venues::Imported(key) => (IMPORTED, place(key)),
        }
    }
}

/// The words a venue can be found by.
pub fn words(facts: &VenueFacts) -> BTreeSet<String> {
    let mut words = words_of(facts.name.as_str());
    words.append(&mut words_of(facts.city.as_str()));
    words
}
