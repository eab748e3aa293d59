//! Open orders, by their deadlines.

use std::sync::Arc;

use super::{Due, TimerKind, Turn};
use crate::actors::aggregate::Actors;
use crate::actors::error::MarketError;
use crate::actors::order::{OrderRequest, Orders};
use crate::domain::OrderId;
use crate::store::{Deadline, ReadError, SharedStore};

/// Ends orders whose time is up. One that is being captured stays in the index until that is
/// done.
pub struct OrderExpiry {
    /// Where the deadlines are.
    pub store: SharedStore,
    /// Who ends them.
    pub orders: Arc<Actors<Orders>>,
}

impl TimerKind for OrderExpiry {
    type Id = OrderId;
    const NAME: &'static str = "order expiry";

    async fn rows(
        &self,
        after: Option<Due<OrderId>>,
        limit: usize,
    ) -> Result<Vec<Due<OrderId>>, ReadError> {
        let after = after.map(|due| Deadline { at: due.at, order: due.id });
        let deadlines = self.store.deadlines(after, limit).await?;
        let due = |deadline: Deadline| Due { at: deadline.at, id: deadline.order };
        Ok(deadlines.into_iter().map(due).collect())
    }

    fn turn(&self, id: OrderId) -> Turn {
        Turn::Shared(id.as_u128())
    }

    async fn fire(&self, id: OrderId) -> Result<(), MarketError> {
        self.orders.ask(id, OrderRequest::Expire).await.map(|_| ())
    }
}
