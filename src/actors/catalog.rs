//! The actors of venues and shows, and the timer that ends shows.

use std::sync::Arc;

use ractor::{ActorCell, SpawnErr};

use super::aggregate::Actors;
use super::context::Context;
use super::show::ShowActors;
use super::timers;
use super::timers::show_end::ShowEnd;
use super::venue::VenueActors;

/// The actors of venues and shows.
pub(super) struct Catalog {
    /// Of venues.
    pub venues: Arc<Actors<VenueActors>>,
    /// Of shows.
    pub shows: Arc<Actors<ShowActors>>,
}

impl Catalog {
    /// Starts them, and the timer that ends shows, which waits for its doorbell.
    pub(super) async fn start(
        context: &Arc<Context>,
        parent: &ActorCell,
    ) -> Result<Self, SpawnErr> {
        let venues = VenueActors { context: context.clone() };
        let venues = Actors::new(venues, context.clone(), parent.clone());
        let shows = ShowActors { context: context.clone() };
        let shows = Actors::new(shows, context.clone(), parent.clone());
        let (store, clock) = (context.store.clone(), context.clock.clone());
        let kind = ShowEnd { store, clock: clock.clone(), shows: shows.clone() };
        let doorbell = context.timers.show_end.clone();
        timers::start(kind, clock, doorbell, parent.clone()).await?;
        Ok(Self { venues, shows })
    }
}
