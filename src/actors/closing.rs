//! What follows when the sales for a show end: its tickets are closed, and where it was cancelled its
//! open orders end and those that were paid are paid back.
//!
//! A show may have any number of tickets and orders. They are gone through one after the other, each
//! decided by its own actor in a commit of its own, so whatever is done is done for good, and what a
//! death leaves undone is found again: everything is looked at anew as long as the
//! [end of sales](SalesEnd) is due, and it is due until nothing is left. The work pauses longer than it
//! works, so that others are served meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::aggregate::Actors;
use super::context::{Committed, Context};
use super::error::MarketError;
use super::order::{OrderRequest, Orders};
use super::ticket::{TicketRequest, Tickets};
use crate::domain::{
    ClosedReason, Commit, OrderId, SalesEnd, Show, ShowId, ShowOrder, ShowOrders, ShowTicket,
    ShowTickets, TicketCommand, TicketId, TicketRejection, TicketStatus, Timestamp,
};

/// How many shows are worked at at a time.
const SHOWS_AT_ONCE: usize = 16;
/// How many of a show's tickets or orders are read together.
const PAGE: usize = 64;
/// How many of them change at a time: what is asked for together is made durable together.
const AT_ONCE: usize = 8;
/// How much longer than the work on a page the pause after it is.
const PAUSE_FACTOR: u32 = 2;
/// The shortest pause.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The work on shows whose sales end. It is given up when this is dropped.
pub struct Closing {
    work: Arc<Work>,
    tasks: Mutex<JoinSet<()>>,
}

struct Work {
    context: Arc<Context>,
    tickets: Arc<Actors<Tickets>>,
    orders: Arc<Actors<Orders>>,
    permits: Semaphore,
    under_way: Mutex<BTreeSet<ShowId>>,
}

/// That a show is worked at, until this is dropped.
struct Mark {
    work: Arc<Work>,
    show: ShowId,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let under_way = self.work.under_way.lock();
        under_way.unwrap_or_else(PoisonError::into_inner).remove(&self.show);
    }
}

impl Closing {
    /// No work yet.
    pub fn new(
        context: Arc<Context>,
        tickets: Arc<Actors<Tickets>>,
        orders: Arc<Actors<Orders>>,
    ) -> Self {
        let permits = Semaphore::new(SHOWS_AT_ONCE);
        let under_way = Mutex::default();
        let work = Work { context, tickets, orders, permits, under_way };
        Self { work: Arc::new(work), tasks: Mutex::default() }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.work.context.now()
    }

    /// Works at a show in a task of its own, unless somebody does.
    pub fn begin(&self, show: ShowId) {
        let under_way = self.work.under_way.lock();
        if !under_way.unwrap_or_else(PoisonError::into_inner).insert(show) {
            return;
        }
        let mark = Mark { work: self.work.clone(), show };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _permit = mark.work.permits.acquire().await;
            if let Err(error) = mark.work.close(show).await {
                warn!(%show, %error, "the sales for a show were not ended; trying again");
            }
        });
    }
}

impl Work {
    async fn close(&self, id: ShowId) -> Result<(), MarketError> {
        let store = &self.context.store;
        let Some(end) = store.get::<SalesEnd>(id).await?.filter(|end| end.due.is_some()) else {
            return Ok(());
        };
        let Some(show) = store.get::<Show>(id).await? else { return Ok(()) };
        // It was moved meanwhile, and is due another time.
        let Some(reason) = show.closes_tickets(self.context.now()) else { return Ok(()) };
        let are_orders_done = reason != ClosedReason::ShowCancelled || self.end_orders(id).await?;
        let are_tickets_done = self.close_tickets(id, reason).await?;
        if !are_orders_done || !are_tickets_done {
            return Ok(());
        }
        let commit = Commit::at(self.context.now()).put(end.done());
        if self.context.commit(commit).await? == Committed::Durable {
            info!(show = %id, "the sales for a show have ended");
        }
        Ok(())
    }

    /// Closes whatever is on sale. Says whether nothing is left that may come on sale again.
    async fn close_tickets(&self, show: ShowId, reason: ClosedReason) -> Result<bool, MarketError> {
        let (mut after, mut are_done) = (None, true);
        loop {
            let list = ShowTickets::Of(show);
            let page = self.context.store.list::<ShowTicket>(list, after, PAGE).await?;
            let began = self.context.now();
            let tickets: Vec<TicketId> = page.iter().map(|(_, place)| place.ticket).collect();
            let closed = tickets.into_iter().map(|id| self.close_ticket(id, reason));
            are_done &= all(closed.collect()).await?;
            after = page.last().map(|(place, _)| place.clone());
            if page.len() < PAGE {
                return Ok(are_done);
            }
            self.pause_after(began).await;
        }
    }

    async fn close_ticket(&self, id: TicketId, reason: ClosedReason) -> Result<bool, MarketError> {
        let Some(ticket) = self.context.store.ticket(id).await? else { return Ok(true) };
        match ticket.status() {
            TicketStatus::Sold | TicketStatus::Closed => return Ok(true),
            TicketStatus::Available | TicketStatus::Locked => {}
        }
        let close = TicketRequest::Change(TicketCommand::Close { reason });
        match self.tickets.ask(id, close).await {
            Ok(_) | Err(MarketError::NotFound) => Ok(true),
            // When its order lets go of it, it is closed by that.
            Err(MarketError::Ticket(TicketRejection::Locked { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends every open order of a cancelled show, and has every paid one paid back. Says whether all of
    /// them are done with.
    async fn end_orders(&self, show: ShowId) -> Result<bool, MarketError> {
        let (mut after, mut are_done) = (None, true);
        loop {
            let list = ShowOrders::Of(show);
            let page = self.context.store.list::<ShowOrder>(list, after, PAGE).await?;
            let began = self.context.now();
            // What has ended has no seats any more.
            let live = page.iter().filter(|(_, place)| place.seats > 0);
            let orders: Vec<OrderId> = live.map(|(_, place)| place.order).collect();
            let ended = orders.into_iter().map(|id| self.end_order(id));
            are_done &= all(ended.collect()).await?;
            after = page.last().map(|(place, _)| place.clone());
            if page.len() < PAGE {
                return Ok(are_done);
            }
            self.pause_after(began).await;
        }
    }

    async fn end_order(&self, id: OrderId) -> Result<bool, MarketError> {
        let Some(purchase) = self.context.store.purchase(id).await? else { return Ok(true) };
        if purchase.is_over_with_its_show() {
            return Ok(true);
        }
        match self.orders.ask(id, OrderRequest::ShowCancelled).await {
            Ok(after) => Ok(after.is_over_with_its_show()),
            Err(MarketError::NotFound) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn pause_after(&self, began: Timestamp) {
        let worked = self.context.now().since(began);
        tokio::time::sleep((worked * PAUSE_FACTOR).clamp(PAUSE_MIN, PAUSE_MAX)).await;
    }
}

/// Does some things, a few at a time. Says whether all of them say yes.
async fn all(
    work: Vec<impl Future<Output = Result<bool, MarketError>>>,
) -> Result<bool, MarketError> {
    let mut done = stream::iter(work).buffer_unordered(AT_ONCE);
    let mut are_all = true;
    while let Some(is_done) = done.next().await {
        are_all &= is_done?;
    }
    Ok(are_all)
}
