//! Shows that end by themselves, by their end.

use std::sync::Arc;

use super::{Due, TimerKind};
use crate::actors::aggregate::Actors;
use crate::actors::error::MarketError;
use crate::actors::show::{ShowActors, ShowRequest};
use crate::domain::{Show, ShowId, Shows};
use crate::seams::Clock;
use crate::store::{ReadError, SharedStore, show_place};

/// How many shows are read at once: most looks find none that is over.
const READ_AT_ONCE: usize = 16;

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
        let mut after = after.map(|due| show_place(due.at, due.id));
        let mut rows: Vec<Due<ShowId>> = Vec::new();
        while rows.len() < limit {
            let asked = READ_AT_ONCE.min(limit - rows.len());
            let found = self.store.list::<Show>(Shows::Ending, after, asked).await?;
            let is_last = found.len() < asked;
            after = found.last().map(|(place, _)| place.clone());
            rows.extend(found.iter().map(|(_, show)| Due { at: show.facts.ends_at, id: show.id }));
            let is_ahead = rows.last().is_some_and(|due| due.at > self.clock.now());
            // Nobody asks for what comes after a row that is not due.
            if is_last || is_ahead {
                break;
            }
        }
        Ok(rows)
    }

    async fn fire(&self, id: ShowId) -> Result<(), MarketError> {
        match self.shows.ask(id, ShowRequest::end()).await {
            // It was deleted meanwhile.
            Ok(_) | Err(MarketError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
