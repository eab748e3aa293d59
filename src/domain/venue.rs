//! Where shows take place, and who may change that.
//!
//! Whoever adds a venue may change it as long as nobody else builds on it; from then on it is the
//! operators' to change, for others have bought what it says.

use thiserror::Error;

use super::imported::{ImportKey, Imported};
use super::resource::Resource;
use super::roles::Caller;
use super::text::{Address, Label, Locality, Name};
use super::{Country, ExpectedVersion, Timestamp, UserId, VenueId, Version, ZoneName};

/// The most sections a venue names.
pub const MAX_SECTIONS: usize = 500;

/// A place where shows take place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venue {
    /// Names the venue for ever.
    pub id: VenueId,
    /// What is known of it.
    pub facts: VenueFacts,
    /// Who added it.
    pub created_by: UserId,
    /// Rises by one with every change.
    pub version: Version,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is known of a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueFacts {
    /// What it is called.
    pub name: Name,
    /// The city it is in or near.
    pub city: Locality,
    /// The state, province or county.
    pub region: Option<Locality>,
    /// The country.
    pub country: Country,
    /// The zone whose clock its shows follow.
    pub time_zone: ZoneName,
    /// Where it stands.
    pub address: Option<Address>,
    /// The sections that a ticket may be for; none if any text is accepted.
    pub sections: Vec<Label>,
    /// The line that an import made it of, if one did.
    pub imported: Option<Box<Imported>>,
}

/// A list of venues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Venues {
    /// All of them, by their id, which is by when they were added.
    ById,
    /// Those of a country, by their id.
    In(Country),
    /// Those with a word in their name or their city's that begins so.
    Named(String),
    /// The one that an import knows by that, if there is one.
    Imported(ImportKey),
}

/// What can be asked of a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VenueCommand {
    /// What is known of it changes.
    Edit(VenueChanges),
    /// It was added by mistake.
    Delete,
}

/// What changes of a venue; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VenueChanges {
    /// What it is called.
    pub name: Option<Name>,
    /// The city it is in or near.
    pub city: Option<Locality>,
    /// The state, province or county; `Some(None)` forgets it.
    pub region: Option<Option<Locality>>,
    /// The country.
    pub country: Option<Country>,
    /// The zone whose clock its shows follow.
    pub time_zone: Option<ZoneName>,
    /// Where it stands; `Some(None)` forgets it.
    pub address: Option<Option<Address>>,
    /// The sections that a ticket may be for.
    pub sections: Option<Vec<Label>>,
    /// The line that an import makes it of.
    pub imported: Option<Box<Imported>>,
}

/// What a venue becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VenueDecision {
    /// It already is what was asked for.
    Unchanged,
    /// It changes to this.
    Changed(Venue),
    /// It is gone; this is what it was, one version on.
    Deleted(Venue),
}

/// Why a venue or a show refuses to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CatalogRejection {
    /// Only operators may do that.
    #[error("only operators may do that")]
    NotOperator,
    /// The show was cancelled.
    #[error("the show was cancelled")]
    Cancelled,
    /// The show is over.
    #[error("the show is over")]
    Over,
    /// The show was postponed, and whoever sets its new date does so by postponing it to that.
    #[error("the show was postponed")]
    Postponed,
    /// The change was meant for another version.
    #[error("it has changed since it was read")]
    VersionMismatch,
    /// What it would become is not possible: a show that ends before it starts.
    #[error("the show would end before it starts, or last too long")]
    BadTimes,
}

impl Venue {
    /// A new venue.
    pub fn add(id: VenueId, by: UserId, facts: VenueFacts, now: Timestamp) -> Self {
        Self {
            id,
            facts,
            created_by: by,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }

    /// Decides one command. Whether its creator may still change it depends on what others have
    /// built on it, which is checked when the change is written (see [`Caller`]).
    pub fn decide(
        &self,
        command: &VenueCommand,
        by: Caller,
        expected: &ExpectedVersion,
        now: Timestamp,
    ) -> Result<VenueDecision, CatalogRejection> {
        authorise(by, self.created_by)?;
        if !expected.allows(self.version) {
            return Err(CatalogRejection::VersionMismatch);
        }
        Ok(match command {
            VenueCommand::Edit(changes) => match self.facts.changed(changes) {
                facts if facts == self.facts => VenueDecision::Unchanged,
                facts => VenueDecision::Changed(self.next(facts, now)),
            },
            VenueCommand::Delete => VenueDecision::Deleted(self.next(self.facts.clone(), now)),
        })
    }

    /// Whether a ticket may be for a section of that name.
    pub fn has_section(&self, name: &Label) -> bool {
        self.facts.sections.is_empty() || self.facts.sections.contains(name)
    }

    fn next(&self, facts: VenueFacts, now: Timestamp) -> Self {
        Self { facts, version: self.version.next(), updated_at: now, ..self.clone() }
    }
}

impl VenueFacts {
    fn changed(&self, changes: &VenueChanges) -> Self {
        let VenueChanges { name, city, region, country, time_zone, address, sections, imported } =
            changes.clone();
        Self {
            name: name.unwrap_or_else(|| self.name.clone()),
            city: city.unwrap_or_else(|| self.city.clone()),
            region: region.unwrap_or_else(|| self.region.clone()),
            country: country.unwrap_or(self.country),
            time_zone: time_zone.unwrap_or_else(|| self.time_zone.clone()),
            address: address.unwrap_or_else(|| self.address.clone()),
            sections: sections.unwrap_or_else(|| self.sections.clone()),
            imported: imported.or_else(|| self.imported.clone()),
        }
    }
}

impl Resource for Venue {
    type Id = VenueId;
    type List = Venues;

    fn id(&self) -> VenueId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

/// Operators may do everything, a creator what others do not build on.
pub(super) fn authorise(by: Caller, creator: UserId) -> Result<(), CatalogRejection> {
    if by.roles.operator || by.user == creator {
        Ok(())
    } else {
        Err(CatalogRejection::NotOperator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);
    const LATER: Timestamp = Timestamp::from_millis(2_000);
    const CREATOR: UserId = UserId::from_u128(1);
    const OTHER: UserId = UserId::from_u128(2);

    fn facts(name: &str) -> VenueFacts {
        VenueFacts {
            name: Name::parse(name).expect("a name"),
            city: Locality::parse("Berlin").expect("a city"),
            region: None,
            country: "DE".parse().expect("a country"),
            time_zone: "Europe/Berlin".parse().expect("a zone"),
            address: None,
            sections: vec![Label::parse("Block A").expect("a label")],
            imported: None,
        }
    }

    fn venue() -> Venue {
        Venue::add(VenueId::from_u128(7), CREATOR, facts("Arena"), NOW)
    }

    fn decide(command: &VenueCommand, by: Caller) -> Result<VenueDecision, CatalogRejection> {
        venue().decide(command, by, &ExpectedVersion::Any, LATER)
    }

    fn renamed(name: &str) -> VenueCommand {
        let name = Some(Name::parse(name).expect("a name"));
        VenueCommand::Edit(VenueChanges { name, ..VenueChanges::default() })
    }

    #[test]
    fn its_creator_and_operators_change_and_delete_it_and_nobody_else() {
        for command in [renamed("Hall"), VenueCommand::Delete] {
            let stranger = decide(&command, Caller::user(OTHER));
            assert_eq!(stranger, Err(CatalogRejection::NotOperator), "{command:?}");
            for by in [Caller::user(CREATOR), Caller::operator(OTHER)] {
                match decide(&command, by) {
                    Ok(VenueDecision::Changed(after) | VenueDecision::Deleted(after)) => {
                        assert_eq!(after.version.number(), 1);
                        assert_eq!((after.created_at, after.updated_at), (NOW, LATER));
                        assert_eq!(after.created_by, CREATOR);
                    }
                    other => panic!("expected a change, got {other:?}"),
                }
            }
        }
    }

    #[test]
    fn an_edit_that_changes_nothing_makes_no_new_version() {
        let same = decide(&renamed("Arena"), Caller::user(CREATOR));
        assert_eq!(same, Ok(VenueDecision::Unchanged));
    }

    #[test]
    fn a_change_that_was_meant_for_another_version_is_refused_after_who_asks() {
        let expected = ExpectedVersion::OneOf(vec![4]);
        let at = |by| venue().decide(&VenueCommand::Delete, by, &expected, LATER);
        assert_eq!(at(Caller::user(CREATOR)), Err(CatalogRejection::VersionMismatch));
        assert_eq!(at(Caller::user(OTHER)), Err(CatalogRejection::NotOperator));
    }

    #[test]
    fn a_venue_that_names_sections_has_no_others() {
        let label = |text| Label::parse(text).expect("a label");
        assert!(venue().has_section(&label("Block A")));
        assert!(!venue().has_section(&label("Block B")));
        let open = VenueFacts { sections: Vec::new(), ..facts("Field") };
        assert!(Venue { facts: open, ..venue() }.has_section(&label("Block B")));
    }
}
