//! Sales that end with the start of a show, or because it was cancelled.

use super::{Due, TimerKind};
use crate::actors::closing::Closing;
use crate::actors::error::MarketError;
use crate::domain::{SalesEnd, SalesEnds, ShowId, Timestamp};
use crate::store::{ReadError, SharedStore, show_place};

/// How many are read at once: most looks find none that is due.
const READ_AT_ONCE: usize = 16;

/// Ends sales whose time has come.
pub struct SalesEnding {
    /// Where they are.
    pub store: SharedStore,
    /// What follows from that.
    pub closing: Closing,
}

impl TimerKind for SalesEnding {
    type Id = ShowId;
    const NAME: &'static str = "end of sales";

    async fn rows(
        &self,
        after: Option<Due<ShowId>>,
        limit: usize,
    ) -> Result<Vec<Due<ShowId>>, ReadError> {
        let mut after = after.map(|due| show_place(due.at, due.id));
        let mut rows: Vec<Due<ShowId>> = Vec::new();
        while rows.len() < limit {
            let asked = READ_AT_ONCE.min(limit - rows.len());
            let found = self.store.list::<SalesEnd>(SalesEnds, after, asked).await?;
            let is_last = found.len() < asked;
            after = found.last().map(|(place, _)| place.clone());
            let due = |end: &SalesEnd| end.due.map(|at| Due { at, id: end.show });
            rows.extend(found.iter().filter_map(|(_, end)| due(end)));
            let is_ahead = rows.last().is_some_and(|due: &Due<ShowId>| due.at > self.now());
            // Nobody asks for what comes after a row that is not due.
            if is_last || is_ahead {
                break;
            }
        }
        Ok(rows)
    }

    /// Returns at once: there may be many tickets and orders, and other shows begin meanwhile.
    async fn fire(&self, id: ShowId) -> Result<(), MarketError> {
        self.closing.begin(id);
        Ok(())
    }
}

impl SalesEnding {
    fn now(&self) -> Timestamp {
        self.closing.now()
    }
}
