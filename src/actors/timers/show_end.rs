//! Shows that end by themselves, by their end.

use std::sync::Arc;

use super::{Due, TimerKind, Turn, shows};
use crate::actors::aggregate::Actors;
use crate::actors::error::MarketError;
use crate::actors::show::{ShowActors, ShowRequest};
use crate::domain::{Show, ShowId, Shows};
use crate::seams::Clock;
use crate::store::{ReadError, SharedStore};

/// Ends shows whose time is over.
pub struct ShowEnd {
    /// Where the shows are.
    pub store: SharedStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who ends them.
    pub shows: Arc<Actors<ShowActors>>,
}

impl TimerKind for ShowEnd {
    type Id = ShowId;
    const NAME: &'static str = "show end";

    async fn rows(
        &self,
        after: Option<Due<ShowId>>,
        limit: usize,
    ) -> Result<Vec<Due<ShowId>>, ReadError> {
        let due = |show: &Show| Some(Due { at: show.facts.ends_at, id: show.id });
        shows::by_time(&self.store, Shows::Ending, after, limit, self.clock.now(), due).await
    }

    fn turn(&self, id: ShowId) -> Turn {
        Turn::Shared(id.as_u128())
    }

    async fn fire(&self, id: ShowId) -> Result<(), MarketError> {
        match self.shows.ask(id, ShowRequest::end()).await {
            // It was deleted meanwhile.
            Ok(_) | Err(MarketError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
