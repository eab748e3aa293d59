//! What other servers on the store have written, told to those here whom it concerns.
//!
//! Rows are read anew where it matters, so nothing that is answered rests on this. It is for those who
//! wait: a buyer whose charge is decided elsewhere, and a charge that was changed elsewhere and has to be
//! taken to the gateway from here.
//!
//! Only what is logged from now on is told. What was there before is found by those who look for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::aggregate::Actors;
use super::context::Context;
use super::effects::Effects;
use super::effects::charges::Charges;
use super::order::{OrderRequest, Orders};
use crate::domain::{ChargeId, Event, OrderId, Subject};
use crate::store::ReadError;

/// How many events are read at a time.
const PAGE: usize = 256;
/// How long after a failure the log is read again.
const PAUSE: Duration = Duration::from_millis(100);

/// Whom to tell.
pub struct News {
    /// Where the log is.
    pub context: Arc<Context>,
    /// Who answers buyers that wait.
    pub orders: Arc<Actors<Orders>>,
    /// Who asks the gateway, if it is this server's to do.
    pub charges: Effects<Charges>,
}

impl News {
    /// Tells of everything that is logged after `seen`. It ends with the store.
    pub async fn tell_after(self, mut seen: u64) {
        let mut latest = self.context.store.latest_event();
        while latest.wait_for(|latest| *latest > seen).await.is_ok() {
            match self.page(seen).await {
                Ok(last) => seen = last,
                Err(error) => {
                    warn!(%error, "what others have written could not be read; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn page(&self, seen: u64) -> Result<u64, ReadError> {
        let events = self.context.store.events(seen, PAGE).await?;
        let mut told = BTreeMap::new();
        for logged in &events {
            if let Some((order, charge)) = concerned(&logged.event) {
                // The latest charge that is named is the one that may have to be brought forward.
                let known = told.entry(order).or_insert(charge);
                *known = charge.or(*known);
            }
        }
        for (order, charge) in told {
            if let Some(charge) = charge.filter(|_| self.context.peers.hold()) {
                self.charges.take_up(charge, order);
            }
            if self.orders.is_awaited(order) {
                let orders = self.orders.clone();
                tokio::spawn(async move { orders.ask(order, OrderRequest::Look).await });
            }
        }
        Ok(events.last().map_or(seen, |last| last.seq))
    }
}

/// The order that an event is about, and the charge that may leave something to do.
fn concerned(event: &Event) -> Option<(OrderId, Option<ChargeId>)> {
    match event.subject() {
        Subject::Order(view) => Some((view.order.id, view.charge.as_ref().map(|charge| charge.id))),
        Subject::Charge(charge) => Some((charge.order, Some(charge.id))),
        _ => None,
    }
}
