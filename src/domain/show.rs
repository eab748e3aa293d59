//! What a ticket admits to, and every decision about it.
//!
//! ```text
//!      Edit, Postpone to a date
//!               ┌──┐
//!               │  ▼   Postpone without a date
//!            Scheduled ◀────────────────────▶ Postponed
//!             │     │   Postpone to a date       │
//!   its time  │     │ Cancel                     │ Cancel
//!             ▼     ▼                            ▼
//!           Over   Cancelled ◀───────────────────┘
//! ```
//!
//! `Over` and `Cancelled` are final. A show is over from the moment at which it ends, whoever looks
//! first: its timer or somebody who wants to change it.

use std::time::Duration;

use super::cover::Picture;
use super::imported::{ImportKey, Imported};
use super::resource::Resource;
use super::roles::Caller;
use super::text::{Name, Notes};
use super::venue::{CatalogRejection, Venue, authorise};
use super::{ExpectedVersion, ShowId, Timestamp, UserId, VenueId, Version};

/// The most performers a show names.
pub const MAX_PERFORMERS: usize = 20;
/// The longest a show lasts.
pub const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// How long a show lasts that does not say.
pub const BY_DEFAULT: Duration = Duration::from_secs(4 * 60 * 60);

/// A concert, a match, a play: at one venue, at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// Names the show for ever.
    pub id: ShowId,
    /// What is known of it.
    pub facts: ShowFacts,
    /// How it stands.
    pub state: ShowState,
    /// When its date was last taken away or set anew.
    pub moved_at: Option<Timestamp>,
    /// The version of its cover, if it has one.
    pub cover: Option<Version>,
    /// Who added it.
    pub created_by: UserId,
    /// Rises by one with every change.
    pub version: Version,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is known of a show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowFacts {
    /// What it is called.
    pub name: Name,
    /// What kind of show it is.
    pub category: Category,
    /// Who performs or plays, at most [`MAX_PERFORMERS`].
    pub performers: Vec<Name>,
    /// Where.
    pub site: Site,
    /// When it starts.
    pub starts_at: Timestamp,
    /// When it ends: after the start, at most [`LONGEST`] later.
    pub ends_at: Timestamp,
    /// What it is called elsewhere.
    pub external_id: Option<Name>,
    /// The line that an import made it of, if one did.
    pub imported: Option<Box<Imported>>,
}

/// The venue of a show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The venue.
    pub venue: VenueId,
    /// Who added it, which never changes.
    pub added_by: UserId,
}

impl From<&Venue> for Site {
    fn from(venue: &Venue) -> Self {
        Self { venue: venue.id, added_by: venue.created_by }
    }
}

/// How a show stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShowState {
    /// It takes place at its time.
    Scheduled,
    /// It takes place at a time that is not known yet; its times are the old ones.
    Postponed,
    /// It does not take place.
    Cancelled,
    /// It has ended.
    Over,
}

macro_rules! categories {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal;)+) => {
        /// A kind of show.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Category { $($(#[doc = $doc])+ $name,)+ }

        impl Category {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its name in the API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

categories! {
    /// Music.
    Concert "concert";
    /// A match, a race.
    Sports "sports";
    /// A play, an opera, a musical.
    Theatre "theatre";
    /// Stand-up and the like.
    Comedy "comedy";
    /// Several acts, perhaps over days.
    Festival "festival";
    /// All else.
    Other "other";
}

impl Category {
    /// The category of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|category| category.name() == name).copied()
    }
}

/// What can be asked of a show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowCommand {
    /// What is known of it changes.
    Edit(ShowChanges),
    /// It gets a cover, or another one.
    Illustrate(Picture),
    /// It was added by mistake.
    Delete,
    /// It takes place at another time, or nobody knows when.
    Postpone {
        /// The new start. It lasts as long as before.
        to: Option<Timestamp>,
    },
    /// It does not take place.
    Cancel {
        /// Why.
        reason: Notes,
    },
    /// Its end may have come: look at the clock.
    End,
}

/// A list of shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shows {
    /// All of them, by their start.
    ByStart,
    /// All of them, by their id, which is by when they were added.
    ById,
    /// Those of a venue, by their start.
    At(VenueId),
    /// Those of a category, by their start.
    In(Category),
    /// Those with a word in their name or their performers' that begins so.
    Named(String),
    /// Those that end by themselves, by their end.
    Ending,
    /// Those at a venue that somebody else added.
    Guests(VenueId),
    /// The one that an import knows by that, if there is one.
    Imported(ImportKey),
}

/// A show with its venue, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowView {
    /// The show.
    pub show: Show,
    /// Where it takes place.
    pub venue: Venue,
}

/// What changes of a show; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShowChanges {
    /// What it is called.
    pub name: Option<Name>,
    /// What kind of show it is.
    pub category: Option<Category>,
    /// Who performs.
    pub performers: Option<Vec<Name>>,
    /// Where.
    pub site: Option<Site>,
    /// When it starts. Without an end, it lasts as long as before.
    pub starts_at: Option<Timestamp>,
    /// When it ends.
    pub ends_at: Option<Timestamp>,
    /// What it is called elsewhere; `Some(None)` forgets that.
    pub external_id: Option<Option<Name>>,
    /// The line that an import makes it of.
    pub imported: Option<Box<Imported>>,
}

/// What a show becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowDecision {
    /// It already is what was asked for.
    Unchanged,
    /// It changes to this, and that is why.
    Changed(Show, ShowChange),
    /// It is gone; this is what it was, one version on.
    Deleted(Show),
}

/// Why a show changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowChange {
    /// What is known of it was corrected.
    Edited,
    /// Its date was taken away or set anew.
    Postponed,
    /// It does not take place.
    Cancelled,
    /// It has ended.
    Ended,
}

impl ShowFacts {
    /// Whether it ends after it starts, and not too long after.
    pub fn has_sound_times(&self) -> bool {
        self.ends_at > self.starts_at && self.ends_at.since(self.starts_at) <= LONGEST
    }
}

type Decided = Result<ShowDecision, CatalogRejection>;

impl Show {
    /// A new show.
    pub fn add(id: ShowId, by: UserId, facts: ShowFacts, now: Timestamp) -> Self {
        Self {
            id,
            facts,
            state: ShowState::Scheduled,
            moved_at: None,
            cover: None,
            created_by: by,
            version: Version::FIRST,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether it takes place at somebody else's venue, who may not change that alone any more.
    pub fn is_guest(&self) -> bool {
        self.facts.site.added_by != self.created_by
    }

    /// When it ends by itself, if it does.
    pub fn ends_by_itself_at(&self) -> Option<Timestamp> {
        match self.state {
            ShowState::Scheduled => Some(self.facts.ends_at),
            ShowState::Postponed | ShowState::Cancelled | ShowState::Over => None,
        }
    }

    /// How it stands at that moment, whether or not its timer has seen to it yet.
    pub fn state_at(&self, now: Timestamp) -> ShowState {
        match self.ends_by_itself_at() {
            Some(end) if end <= now => ShowState::Over,
            Some(_) | None => self.state,
        }
    }

    /// Decides one command. Whether its creator may still change it depends on what others have
    /// built on it, which is checked when the change is written.
    pub fn decide(
        &self,
        command: &ShowCommand,
        by: Option<Caller>,
        expected: &ExpectedVersion,
        now: Timestamp,
    ) -> Decided {
        self.authorise(command, by)?;
        let decision = self.react(command, now)?;
        // Whether it can be done at all comes before which version was meant.
        if expected.allows(self.version) {
            Ok(decision)
        } else {
            Err(CatalogRejection::VersionMismatch)
        }
    }

    fn react(&self, command: &ShowCommand, now: Timestamp) -> Decided {
        use self::ShowCommand::{Cancel, Delete, Edit, End, Illustrate, Postpone};
        use self::ShowState::{Cancelled, Over, Postponed, Scheduled};

        match (self.state_at(now), command) {
            // A show that nothing hangs on can go, however it stands.
            (Scheduled | Postponed | Cancelled | Over, Delete) => {
                Ok(ShowDecision::Deleted(self.next(self.state, now)))
            }

            (Scheduled, Edit(changes)) => self.edit(changes, now),
            (Postponed, Edit(changes)) if changes.starts_at.or(changes.ends_at).is_some() => {
                Err(CatalogRejection::Postponed)
            }
            (Postponed, Edit(changes)) => self.edit(changes, now),

            (Scheduled | Postponed, Illustrate(_)) => {
                let cover = Some(self.cover.map_or(Version::FIRST, Version::next));
                let after = Self { cover, ..self.next(self.state, now) };
                Ok(ShowDecision::Changed(after, ShowChange::Edited))
            }

            (Scheduled | Postponed, Postpone { to: Some(start) }) => Ok(self.moved(*start, now)),
            (Scheduled, Postpone { to: None }) => {
                let after = Self { moved_at: Some(now), ..self.next(Postponed, now) };
                Ok(ShowDecision::Changed(after, ShowChange::Postponed))
            }
            // Asking for a state already reached is a success.
            (Postponed, Postpone { to: None }) | (Cancelled, Cancel { .. }) => {
                Ok(ShowDecision::Unchanged)
            }

            (Scheduled | Postponed, Cancel { .. }) => {
                Ok(ShowDecision::Changed(self.next(Cancelled, now), ShowChange::Cancelled))
            }

            (Over, End) if self.state == Scheduled => {
                Ok(ShowDecision::Changed(self.next(Over, now), ShowChange::Ended))
            }
            (Scheduled | Postponed | Cancelled | Over, End) => Ok(ShowDecision::Unchanged),

            (Cancelled, Edit(_) | Illustrate(_) | Postpone { .. }) => {
                Err(CatalogRejection::Cancelled)
            }
            (Over, Edit(_) | Illustrate(_) | Postpone { .. } | Cancel { .. }) => {
                Err(CatalogRejection::Over)
            }
        }
    }

    /// Nobody asks for the end of a show but its timer.
    fn authorise(&self, command: &ShowCommand, by: Option<Caller>) -> Result<(), CatalogRejection> {
        match (command, by) {
            (ShowCommand::End, _) => Ok(()),
            (ShowCommand::Edit(_) | ShowCommand::Illustrate(_) | ShowCommand::Delete, Some(by)) => {
                authorise(by, self.created_by)
            }
            (ShowCommand::Postpone { .. } | ShowCommand::Cancel { .. }, Some(by))
                if by.roles.operator =>
            {
                Ok(())
            }
            (
                ShowCommand::Edit(_)
                | ShowCommand::Illustrate(_)
                | ShowCommand::Delete
                | ShowCommand::Postpone { .. }
                | ShowCommand::Cancel { .. },
                _,
            ) => Err(CatalogRejection::NotOperator),
        }
    }

    fn edit(&self, changes: &ShowChanges, now: Timestamp) -> Decided {
        let facts = self.facts.changed(changes);
        if facts == self.facts {
            return Ok(ShowDecision::Unchanged);
        }
        if !facts.has_sound_times() {
            return Err(CatalogRejection::BadTimes);
        }
        let has_moved = facts.starts_at != self.facts.starts_at;
        let moved_at = if has_moved { Some(now) } else { self.moved_at };
        let after = Self { facts, moved_at, ..self.next(self.state, now) };
        Ok(ShowDecision::Changed(after, ShowChange::Edited))
    }

    fn moved(&self, start: Timestamp, now: Timestamp) -> ShowDecision {
        let is_there = self.state == ShowState::Scheduled && self.facts.starts_at == start;
        if is_there {
            return ShowDecision::Unchanged;
        }
        let changes = ShowChanges { starts_at: Some(start), ..ShowChanges::default() };
        let facts = self.facts.changed(&changes);
        let after = Self { facts, moved_at: Some(now), ..self.next(ShowState::Scheduled, now) };
        ShowDecision::Changed(after, ShowChange::Postponed)
    }

    fn next(&self, state: ShowState, now: Timestamp) -> Self {
        Self { state, version: self.version.next(), updated_at: now, ..self.clone() }
    }
}

impl ShowFacts {
    fn changed(&self, changes: &ShowChanges) -> Self {
        let ShowChanges {
            name,
            category,
            performers,
            site,
            starts_at,
            ends_at,
            external_id,
            imported,
        } = changes.clone();
        let starts_at = starts_at.unwrap_or(self.starts_at);
        let lasts = self.ends_at.since(self.starts_at);
        let moved_end =
            if starts_at == self.starts_at { self.ends_at } else { starts_at.plus(lasts) };
        Self {
            name: name.unwrap_or_else(|| self.name.clone()),
            category: category.unwrap_or(self.category),
            performers: performers.unwrap_or_else(|| self.performers.clone()),
            site: site.unwrap_or(self.site),
            starts_at,
            ends_at: ends_at.unwrap_or(moved_end),
            external_id: external_id.unwrap_or_else(|| self.external_id.clone()),
            imported: imported.or_else(|| self.imported.clone()),
        }
    }
}

impl Resource for Show {
    type Id = ShowId;
    type List = Shows;

    fn id(&self) -> ShowId {
        self.id
    }

    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests;
