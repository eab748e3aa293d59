//! When the sales for a show end, and that somebody sees to it.
//!
//! A show that tickets were listed for has one of these beside it, written in the commits that change
//! when it starts or whether it takes place. It is due at the start, or at once where the show was
//! cancelled, until everything that follows from that is done: see `actors/closing.rs`.

use super::resource::Resource;
use super::show::{Show, ShowState};
use super::text::Notes;
use super::ticket::ClosedReason;
use super::{ShowId, Timestamp, UserId, Version};

/// When the sales for a show end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesEnd {
    /// The show.
    pub show: ShowId,
    /// When something is to be done; `None` if all is done, or nobody knows when the show starts.
    pub due: Option<Timestamp>,
    /// Why the show was cancelled, if it was.
    pub cancellation: Option<Cancellation>,
    /// Rises by one with every change.
    pub version: Version,
}

/// Why a show does not take place, by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The operator.
    pub by: UserId,
    /// Why.
    pub reason: Notes,
    /// When.
    pub at: Timestamp,
}

/// Those that are due some time, by when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SalesEnds;

impl SalesEnd {
    /// What becomes of it when a ticket is listed for the show: it begins with the first one, and is due
    /// again if all was done already, for the clock may have been set back since. `None` if it stays.
    pub fn with_ticket(before: Option<&Self>, show: &Show) -> Option<Self> {
        let due = start_of(show);
        match before {
            None => Some(Self { show: show.id, due, cancellation: None, version: Version::FIRST }),
            Some(before) => (before.due != due).then(|| Self { due, ..before.next() }),
        }
    }

    /// Its next version, when the show has become another; `None` if it starts as before.
    pub fn following(&self, before: &Show, after: &Show) -> Option<Self> {
        let due = start_of(after);
        (due != start_of(before)).then(|| Self { due, ..self.next() })
    }

    /// That of a show which is cancelled, whether or not there was one before.
    pub fn cancelled(before: Option<&Self>, show: ShowId, cancellation: Cancellation) -> Self {
        let version = before.map_or(Version::FIRST, |before| before.version.next());
        let due = Some(cancellation.at);
        Self { show, due, cancellation: Some(cancellation), version }
    }

    /// Its next version, when everything is done.
    #[must_use]
    pub fn done(&self) -> Self {
        Self { due: None, ..self.next() }
    }

    fn next(&self) -> Self {
        Self { version: self.version.next(), ..self.clone() }
    }
}

/// When a show starts, as far as that is known and it takes place.
fn start_of(show: &Show) -> Option<Timestamp> {
    match show.state {
        ShowState::Scheduled => Some(show.facts.starts_at),
        ShowState::Postponed | ShowState::Cancelled | ShowState::Over => None,
    }
}

impl Show {
    /// Why its tickets sell no more, if they do not.
    pub fn closes_tickets(&self, now: Timestamp) -> Option<ClosedReason> {
        match self.state {
            ShowState::Cancelled => Some(ClosedReason::ShowCancelled),
            ShowState::Over => Some(ClosedReason::ShowOver),
            ShowState::Scheduled => (self.facts.starts_at <= now).then_some(ClosedReason::ShowOver),
            ShowState::Postponed => None,
        }
    }
}

impl Resource for SalesEnd {
    type Id = ShowId;
    type List = SalesEnds;

    fn id(&self) -> ShowId {
        self.show
    }

    fn version(&self) -> Version {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::show::{Category, ShowFacts, Site};
    use crate::domain::{Line, VenueId};

    fn show(state: ShowState) -> Show {
        let by = UserId::from_u128(1);
        let facts = ShowFacts {
            name: Line::accepted_before("Rigoletto"),
            category: Category::Theatre,
            performers: Vec::new(),
            site: Site { venue: VenueId::from_u128(7), added_by: by },
            starts_at: Timestamp::from_millis(5_000),
            ends_at: Timestamp::from_millis(9_000),
            external_id: None,
            imported: None,
        };
        let added = Show::add(ShowId::from_u128(9), by, facts, Timestamp::from_millis(0));
        Show { state, ..added }
    }

    #[test]
    fn a_ticket_that_is_listed_when_all_was_closed_already_is_closed_again() {
        let scheduled = show(ShowState::Scheduled);
        let first = SalesEnd::with_ticket(None, &scheduled).expect("the first");
        assert_eq!(first.due, Some(scheduled.facts.starts_at));
        assert_eq!(SalesEnd::with_ticket(Some(&first), &scheduled), None, "it is due already");
        let again = SalesEnd::with_ticket(Some(&first.done()), &scheduled).expect("once more");
        assert_eq!((again.due, again.version.number()), (first.due, 2));
        let postponed =
            SalesEnd::with_ticket(None, &show(ShowState::Postponed)).expect("the first");
        assert_eq!(postponed.due, None, "nobody knows when");
    }
}
