//! What the timers of shows have in common.

use super::Due;
use crate::domain::{Kept, ShowId, Timestamp};
use crate::store::{ReadError, SharedStore, show_place};

/// How many are read at once: most looks find none that is due.
const READ_AT_ONCE: usize = 16;

/// Members of a list by when they are due, those that follow `after`: a few at a time, and none behind
/// one that is not due `now`, for nobody asks for what comes then.
pub(super) async fn by_time<T: Kept>(
    store: &SharedStore,
    list: T::List,
    after: Option<Due<ShowId>>,
    limit: usize,
    now: Timestamp,
    due: impl Fn(&T) -> Option<Due<ShowId>> + Send + Sync,
) -> Result<Vec<Due<ShowId>>, ReadError>
where
    T::List: Clone,
{
    let mut after = after.map(|due| show_place(due.at, due.id));
    let mut rows: Vec<Due<ShowId>> = Vec::new();
    while rows.len() < limit {
        let asked = READ_AT_ONCE.min(limit - rows.len());
        let found = store.list::<T>(list.clone(), after, asked).await?;
        let is_last = found.len() < asked;
        after = found.last().map(|(place, _)| place.clone());
        rows.extend(found.iter().filter_map(|(_, member)| due(member)));
        if is_last || rows.last().is_some_and(|due| due.at > now) {
            break;
        }
    }
    Ok(rows)
}
