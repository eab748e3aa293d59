//! Sales that end with the start of a show, or because it was cancelled.

use super::{Due, TimerKind, Turn, shows};
use crate::actors::closing::Closing;
use crate::actors::error::MarketError;
use crate::domain::{SalesEnd, SalesEnds, ShowId};
use crate::store::{ReadError, SharedStore};

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
        let due = |end: &SalesEnd| end.due.map(|at| Due { at, id: end.show });
        shows::by_time(&self.store, SalesEnds, after, limit, self.closing.now(), due).await
    }

    fn turn(&self, _: ShowId) -> Turn {
        // It may take long, and who joins in would be in the way.
        Turn::Holder
    }

    /// Returns at once: there may be many tickets and orders, and other shows begin meanwhile.
    async fn fire(&self, id: ShowId) -> Result<(), MarketError> {
        self.closing.begin(id);
        Ok(())
    }
}
