//! Venues: changed by whoever added them, as long as nobody else has a show there.

use std::convert::Infallible;
use std::sync::Arc;

use super::aggregate::{Aggregate, Change, Decision};
use super::context::Context;
use super::error::MarketError;
use crate::domain::{
    Caller, Commit, Event, ExpectedVersion, Kept, Precondition, Show, Shows, Timestamp, Venue,
    VenueCommand, VenueDecision, VenueId,
};

/// What a venue can be asked.
#[derive(Debug, Clone)]
pub struct VenueRequest {
    /// What.
    pub command: VenueCommand,
    /// Who asks.
    pub by: Caller,
    /// Which versions are meant.
    pub expected: ExpectedVersion,
}

/// The venues.
pub struct VenueActors {
    /// Where they are.
    pub context: Arc<Context>,
}

impl Aggregate for VenueActors {
    type Id = VenueId;
    type State = Venue;
    type Command = VenueRequest;
    type Answer = Venue;
    type Effect = Infallible;
    type Carrier = Infallible;

    async fn load(
        &self,
        id: VenueId,
        _known: Option<Venue>,
        _request: &VenueRequest,
    ) -> Result<Venue, MarketError> {
        // Imports change venues without their actors, so each is read for each request.
        self.context.store.get::<Venue>(id).await?.ok_or(MarketError::NotFound)
    }

    fn decide(
        &self,
        venue: &Venue,
        request: &VenueRequest,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError> {
        let VenueRequest { command, by, expected } = request;
        Ok(match venue.decide(command, *by, expected, now)? {
            VenueDecision::Unchanged => Decision::unchanged(venue.clone()),
            VenueDecision::Changed(after) => {
                let commit = Commit::at(now)
                    .put(after.clone())
                    .event(Event::VenueUpdated(Box::new(after.clone())));
                Change::new(alone(commit, *by, venue.id), Some(after.clone())).answered(after)
            }
            VenueDecision::Deleted(after) => {
                let commit = Commit::at(now)
                    .delete(venue.clone())
                    .require(none(Shows::At(venue.id)))
                    .event(Event::VenueDeleted(Box::new(after.clone())));
                Change::new(alone(commit, *by, venue.id), None).answered(after)
            }
        })
    }

    fn act(&self, effect: Infallible) {
        match effect {}
    }
}

/// Unless an operator asks, nobody else may have a show there.
fn alone(commit: Commit, by: Caller, venue: VenueId) -> Commit {
    if by.roles.operator { commit } else { commit.require(none(Shows::Guests(venue))) }
}

fn none(list: Shows) -> Precondition {
    Precondition::Fewer { list: Show::any_list(list), than: 1 }
}
