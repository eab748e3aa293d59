//! The actors of venues and shows, and the timers that end shows and their sales.

use std::sync::Arc;

use ractor::{ActorCell, SpawnErr};

use super::aggregate::Actors;
use super::closing::Closing;
use super::context::Context;
use super::show::ShowActors;
use super::timers;
use super::timers::sales_end::SalesEnding;
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
    /// Starts them, and the timers that end shows and their sales, which wait for their doorbells.
    pub(super) async fn start(
        context: &Arc<Context>,
        closing: Closing,
        parent: &ActorCell,
    ) -> Result<Self, SpawnErr> {
        let venues = VenueActors { context: context.clone() };
        let venues = Actors::new(venues, context.clone(), parent.clone());
        let shows = ShowActors { context: context.clone() };
        let shows = Actors::new(shows, context.clone(), parent.clone());
        let (store, clock) = (context.store.clone(), context.clock.clone());
        let kind = ShowEnd { store, clock: clock.clone(), shows: shows.clone() };
        let doorbell = context.timers.show_end.clone();
        timers::start(kind, clock, doorbell, context.peers.clone(), parent.clone()).await?;
        let kind = SalesEnding { store: context.store.clone(), closing };
        let (clock, doorbell) = (context.clock.clone(), context.timers.sales_end.clone());
        timers::start(kind, clock, doorbell, context.peers.clone(), parent.clone()).await?;
        Ok(Self { venues, shows })
    }
}
