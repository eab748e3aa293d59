//! Tickets: the only place where their availability is decided.

mod passes;

use std::convert::Infallible;
use std::sync::Arc;

use super::aggregate::{Aggregate, Change, Decision};
use super::context::{Committed, Context};
use super::error::MarketError;
use super::idempotency::KeyFor;
use super::passes::{Generation, PassFilter, PassesOf, generation_of};
use super::settings::MarketSettings;
use super::show::sales_timer;
use super::timers::{Due, Timer};
use crate::bugs::{Bug, planted};
use crate::domain::{
    Commit, Event, Kept, ListingFault, Order, OrderId, OrderView, Pass, PassId, PassKind, PassMark,
    Precondition, PriceCaps, Purchase, SalesEnd, Show, ShowId, ShowOrder, ShowOrders, ShowTicket,
    ShowView, Ticket, TicketCommand, TicketDecision, TicketDemand, TicketId, TicketRejection,
    Timestamp, UserId, Wanted, Write,
};
use crate::store::ReadError;

/// What a ticket can be asked.
#[derive(Debug, Clone)]
pub enum TicketRequest {
    /// The seller edits or withdraws the listing.
    Change(TicketCommand),
    /// A buyer locks the ticket.
    Reserve(Reservation),
    /// An order's change takes its ticket along, in one commit.
    Carry(Box<Carried>),
    /// The seller adds a pass.
    AddPass(Box<NewPass>),
    /// The seller takes a pass away.
    RemovePass(Box<Pass>),
}

/// A pass that is to be added. What it holds is kept already.
#[derive(Debug, Clone)]
pub struct NewPass {
    /// Names it.
    pub id: PassId,
    /// The seller.
    pub by: UserId,
    /// The name of its seat.
    pub seat: Option<String>,
    /// What it is.
    pub kind: PassKind,
    /// The mark of its content.
    pub mark: PassMark,
    /// The key of its content, wrapped.
    pub wrapped_key: Vec<u8>,
}

/// An order about to be made.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Names the order.
    pub order: OrderId,
    /// Who buys.
    pub buyer: UserId,
    /// What they want of it.
    pub wanted: Wanted,
    /// From when on the buyer may lock this ticket again, if they have let go of it too often.
    pub not_before: Option<Timestamp>,
    /// The buyer's idempotency key, if one came with the request.
    pub key: Option<KeyFor<OrderView>>,
}

/// An order's change that releases or sells its ticket.
#[derive(Debug, Clone)]
pub struct Carried {
    /// The order.
    pub order: OrderId,
    /// What it asks of the ticket.
    pub demand: TicketDemand,
    /// Its own writes and events, to which the ticket adds its own. The ticket decides as of the
    /// same moment.
    pub commit: Commit,
}

/// What a ticket answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketAnswer {
    /// The ticket as it was edited, or as it was when it was withdrawn.
    Ticket(Ticket),
    /// The order that holds it now.
    Reserved(Arc<Purchase>),
    /// What became of the commit that it carried.
    Carried(Committed),
    /// The pass that was added or taken away.
    Pass(Box<Pass>),
}

impl TicketAnswer {
    /// The answer to [`TicketRequest::Change`].
    pub fn ticket(self) -> Result<Ticket, MarketError> {
        match self {
            Self::Ticket(ticket) => Ok(ticket),
            Self::Reserved(_) | Self::Carried(_) | Self::Pass(_) => Err(misplaced()),
        }
    }

    /// The answer to [`TicketRequest::Reserve`].
    pub fn reserved(self) -> Result<Arc<Purchase>, MarketError> {
        match self {
            Self::Reserved(purchase) => Ok(purchase),
            Self::Ticket(_) | Self::Carried(_) | Self::Pass(_) => Err(misplaced()),
        }
    }

    /// The answer to [`TicketRequest::Carry`].
    pub fn carried(self) -> Result<Committed, MarketError> {
        match self {
            Self::Carried(committed) => Ok(committed),
            Self::Ticket(_) | Self::Reserved(_) | Self::Pass(_) => Err(misplaced()),
        }
    }

    /// The answer to [`TicketRequest::AddPass`].
    pub fn pass(self) -> Result<Pass, MarketError> {
        match self {
            Self::Pass(pass) => Ok(*pass),
            Self::Ticket(_) | Self::Reserved(_) | Self::Carried(_) => Err(misplaced()),
        }
    }
}

fn misplaced() -> MarketError {
    MarketError::Internal("a ticket answered another question".to_owned())
}

/// A ticket with what a request needs to know beside it.
pub struct Known {
    ticket: Ticket,
    /// The show that it admits to, or is to. Most requests need none.
    show: Option<Box<ShowView>>,
    /// Its place among the tickets of its show.
    place: Option<Box<ShowTicket>>,
    /// When the sales end for the show that it is to admit to, if it has tickets already.
    sales_end: Option<SalesEnd>,
    /// Its passes, where the request concerns them and there may be any. On this server nobody else adds or
    /// takes away one, so that what is not there now will not be when it is written.
    passes: Option<Box<PassesOf>>,
    /// Which of its content the pass is that is to be added.
    generation: Option<Generation>,
}

impl Known {
    fn alone(ticket: Ticket) -> Self {
        Self { ticket, show: None, place: None, sales_end: None, passes: None, generation: None }
    }
}

/// The show that a request needs to know, and whether it needs the ticket's place there.
fn shows_asked_about(ticket: &Ticket, request: &TicketRequest) -> (Option<ShowId>, bool) {
    let now = ticket.show().map(|show| show.id);
    match request {
        TicketRequest::Change(TicketCommand::Edit { listing, .. }) => {
            let then = listing.show.as_ref().map(|show| show.as_ref().map(|show| show.id));
            (then.unwrap_or(now), now.is_some())
        }
        TicketRequest::Change(_) => (None, now.is_some()),
        TicketRequest::Reserve(_) => (now, false),
        // What is released when its show has started is closed at once.
        TicketRequest::Carry(carried) if carried.demand == TicketDemand::Release => {
            (now, now.is_some())
        }
        TicketRequest::Carry(_) | TicketRequest::AddPass(_) | TicketRequest::RemovePass(_) => {
            (None, false)
        }
    }
}

/// The tickets.
pub struct Tickets {
    /// Where they are.
    pub context: Arc<Context>,
    /// Which of them may have passes.
    pub with_passes: Arc<PassFilter>,
}

impl Tickets {
    /// Whether a request concerns a ticket's passes, of which there may be some.
    fn concerns_passes(&self, ticket: TicketId, request: &TicketRequest) -> bool {
        match request {
            TicketRequest::Reserve(_) => false,
            TicketRequest::AddPass(_) => true,
            TicketRequest::Change(_) | TicketRequest::Carry(_) | TicketRequest::RemovePass(_) => {
                self.with_passes.may_have(ticket)
            }
        }
    }

    /// The passes of a ticket as a request that concerns them needs them.
    async fn passes_for(
        &self,
        ticket: &Ticket,
        request: &TicketRequest,
    ) -> Result<PassesOf, ReadError> {
        let store = &*self.context.store;
        match request {
            TicketRequest::AddPass(_) => {
                self.with_passes.note(ticket.id);
                PassesOf::with_sales(store, ticket).await
            }
            TicketRequest::RemovePass(_) => PassesOf::alone(store, ticket.id).await,
            TicketRequest::Change(_) | TicketRequest::Carry(_) | TicketRequest::Reserve(_) => {
                PassesOf::with_untaken(store, ticket.id).await
            }
        }
    }
}

impl Aggregate for Tickets {
    type Id = TicketId;
    type State = Known;
    type Command = TicketRequest;
    type Answer = TicketAnswer;
    type Effect = Infallible;
    type Carrier = Infallible;

    async fn load(
        &self,
        id: TicketId,
        known: Option<Known>,
        request: &TicketRequest,
    ) -> Result<Known, MarketError> {
        let store = &self.context.store;
        let ticket = match known {
            Some(known) => known.ticket,
            None => store.ticket(id).await?.ok_or(MarketError::NotFound)?,
        };
        // A show changes without its tickets being told, so it is read for each request that it
        // matters to.
        let (show, has_place) = shows_asked_about(&ticket, request);
        let show = match show {
            Some(show) => Some(Box::new(store.show(show).await?.ok_or(MarketError::NotFound)?)),
            None => None,
        };
        let place = if has_place { store.get::<ShowTicket>(id).await?.map(Box::new) } else { None };
        let sales_end = match (&show, request) {
            (Some(view), TicketRequest::Change(_)) => store.get::<SalesEnd>(view.show.id).await?,
            _ => None,
        };
        // Boxed, for most requests need neither, and the future of each is as large as what it may hold.
        let passes = if self.concerns_passes(ticket.id, request) {
            Some(Box::new(Box::pin(self.passes_for(&ticket, request)).await?))
        } else {
            None
        };
        let generation = match request {
            TicketRequest::AddPass(new) => {
                Some(Box::pin(generation_of(&**store, new.mark, new.by)).await??)
            }
            _ => None,
        };
        Ok(Known { ticket, show, place, sales_end, passes, generation })
    }

    fn decide(
        &self,
        known: &Known,
        request: &TicketRequest,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError> {
        let decision = match request {
            TicketRequest::Change(command) => {
                change(known, command, &self.context.settings.price_caps, now)
            }
            TicketRequest::Reserve(reservation) => {
                reserve(known, reservation, &self.context.settings, now)
            }
            TicketRequest::Carry(carried) => carry(known, carried),
            TicketRequest::AddPass(new) => passes::add(known, new, now),
            TicketRequest::RemovePass(pass) => passes::remove(known, pass, now),
        }?;
        let is_alone = self.context.peers.is_alone();
        Ok(if is_alone { decision } else { passes::as_they_were_read(known, decision) })
    }

    fn act(&self, effect: Infallible) {
        match effect {}
    }

    fn carried_conflict(&self, request: &TicketRequest) -> Option<TicketAnswer> {
        match request {
            TicketRequest::Carry(_) => Some(TicketAnswer::Carried(Committed::Conflict)),
            TicketRequest::Change(_)
            | TicketRequest::Reserve(_)
            | TicketRequest::AddPass(_)
            | TicketRequest::RemovePass(_) => None,
        }
    }
}

type Decided = Result<Decision<Tickets>, MarketError>;

/// Edits or withdraws.
fn change(known: &Known, command: &TicketCommand, caps: &PriceCaps, now: Timestamp) -> Decided {
    let Known { ticket, place, passes, .. } = known;
    Ok(match ticket.decide(command, now)? {
        TicketDecision::Unchanged => Decision::unchanged(TicketAnswer::Ticket(ticket.clone())),
        TicketDecision::Changed(after) => {
            let is_closed = after.closed() != ticket.closed();
            let told = if is_closed { Event::TicketClosed } else { Event::TicketUpdated };
            let commit =
                Commit::at(now).write(Write::Ticket(after.clone())).event(told(after.clone()));
            let commit = if is_closed {
                without_free_seats(commit, &after, place.as_deref())
            } else {
                keep_to_cap(known, &after, caps)?;
                placed(commit, known, &after, now)?
            };
            if !after.listing().has_seats_of(ticket.listing()) {
                passes::must_be_none(passes.as_deref())?;
            }
            let commit = passes::followed(commit, passes.as_deref(), None, &after);
            let timers = new_sales_end(known, &after).as_ref().and_then(sales_timer);
            let timers = timers.into_iter().collect();
            let known = Known::alone(after.clone());
            let change = Change { timers, ..Change::new(commit, Some(known)) };
            change.answered(TicketAnswer::Ticket(after))
        }
        TicketDecision::Withdrawn(after) => {
            let commit = Commit::at(now)
                .write(Write::WithdrawTicket { id: ticket.id, last: ticket.version })
                .event(Event::TicketDeleted(after.clone()));
            let commit = commit.delete_if(place.as_deref().cloned());
            let commit = passes::without_untaken(commit, passes.as_deref(), None);
            Change::new(commit, None).answered(TicketAnswer::Ticket(after))
        }
    })
}

/// What is free of a ticket that is closed can be listed again.
fn without_free_seats(commit: Commit, after: &Ticket, place: Option<&ShowTicket>) -> Commit {
    let taken = after.listing().all().without(after.free());
    let seats = after.listing().names(taken).unwrap_or_default();
    match place {
        Some(place) if place.seats != seats => commit.put(place.with_seats(seats)),
        Some(_) | None => commit,
    }
}

/// Whether a price is as low as it must be. What was listed before there was a cap stays, until its price,
/// its face value or its show changes.
fn keep_to_cap(known: &Known, after: &Ticket, caps: &PriceCaps) -> Result<(), TicketRejection> {
    let what_counts = |ticket: &Ticket| {
        (ticket.price, ticket.listing().face_value, ticket.show().map(|show| show.id))
    };
    if what_counts(&known.ticket) == what_counts(after) {
        return Ok(());
    }
    let country = known.show.as_ref().map(|view| view.venue.facts.country);
    match caps.fault(country, after.price, after.listing().face_value) {
        Some(fault) => Err(TicketRejection::BadListing(fault)),
        None => Ok(()),
    }
}

/// Adds to a ticket's edit what it changes of its place among the tickets of its show.
fn placed(
    commit: Commit,
    known: &Known,
    after: &Ticket,
    now: Timestamp,
) -> Result<Commit, MarketError> {
    let Known { ticket: before, show, place, .. } = known;
    let (show, place) = (show.as_deref(), place.as_deref());
    let Some(view) = show else {
        return Ok(commit.delete_if(place.cloned()));
    };
    if !view.has_section(after.listing().section.as_ref()) {
        return Err(TicketRejection::BadListing(ListingFault::Section).into());
    }
    let place = match place {
        Some(place) => place.changed(after, &view.show),
        None => Some(ShowTicket::add(after, &view.show)),
    };
    let commit = commit.put_if(place);
    let is_same = before.show().is_some_and(|show| show.id == view.show.id);
    if is_same {
        return Ok(commit);
    }
    view.show.takes_tickets(now)?;
    Ok(commit.require(as_decided_on(&view.show)).put_if(new_sales_end(known, after)))
}

/// What becomes of the end of the sales for the show that a ticket comes to admit to.
fn new_sales_end(known: &Known, after: &Ticket) -> Option<SalesEnd> {
    let Known { ticket: before, show, sales_end, .. } = known;
    let show = &show.as_ref()?.show;
    let is_of = |ticket: &Ticket| ticket.show().is_some_and(|of| of.id == show.id);
    let is_new = is_of(after) && !is_of(before);
    if is_new { SalesEnd::with_ticket(sales_end.as_ref(), show) } else { None }
}

/// The show is still what was decided on.
pub fn as_decided_on(show: &Show) -> Precondition {
    Precondition::ResourceAt { id: Show::any_id(show.id), version: Some(show.version) }
}

/// Locks the ticket for a new order.
fn reserve(
    known: &Known,
    reservation: &Reservation,
    settings: &MarketSettings,
    now: Timestamp,
) -> Decided {
    let Known { ticket, show, .. } = known;
    let Reservation { order, buyer, wanted, not_before, ref key } = *reservation;
    let key = key.as_ref().filter(|_| !planted(Bug::ForgottenKey));
    let terms = settings.terms;
    let until = deadline(ticket, show.as_deref(), buyer, settings, now)?;
    let command = TicketCommand::Reserve { by: buyer, order, until, wanted, terms };
    let after = changed(ticket.decide(&command, now)?)?;
    if let Some(not_before) = not_before.filter(|not_before| *not_before > now) {
        return Err(MarketError::RelockTooSoon { not_before });
    }
    let made = Order::new(order, buyer, &after, until, now).at_fees(ticket.fees(&terms));
    let made = match show.as_deref() {
        Some(view) => made.for_show(view.into()),
        None => made,
    };
    let purchase = Arc::new(Purchase { order: made, charge: None });
    let limit = settings.max_open_per_user;
    let remembered = key.map(|key| key.remember(&purchase.view()));
    let commit = Commit::at(now)
        .write(Write::Order(purchase.order.clone()))
        .write(Write::Ticket(after.clone()))
        .write_if(remembered)
        .require(Precondition::OpenOrdersBelow { user: buyer, limit })
        .event(Event::OrderCreated(purchase.view()))
        .event(Event::TicketUpdated(after.clone()));
    let commit = match (show, ShowOrder::of(&purchase.order)) {
        (Some(view), Some(place)) => {
            let list = ShowOrder::any_list(ShowOrders::Seats { buyer, show: place.show });
            let than = terms.most_seats.saturating_add(1).saturating_sub(place.seats);
            let fewer = Precondition::Fewer { list, than };
            commit.require(as_decided_on(&view.show)).require(fewer).put(place)
        }
        _ => commit,
    };
    let timers = vec![Timer::OrderExpiry(Due { at: until, id: order })];
    let change = Change { timers, ..Change::new(commit, Some(Known::alone(after))) };
    Ok(change.answered(TicketAnswer::Reserved(purchase)))
}

/// When a new order's time is up: no hold outlives the start of its show.
fn deadline(
    ticket: &Ticket,
    show: Option<&ShowView>,
    buyer: UserId,
    settings: &MarketSettings,
    now: Timestamp,
) -> Result<Timestamp, MarketError> {
    let until = now.plus(settings.hold);
    let Some(view) = show else { return Ok(until) };
    // Whose ticket it is comes before whether it can be bought.
    if ticket.seller != buyer {
        view.show.sells(now)?;
    }
    Ok(until.min(view.show.facts.starts_at))
}

/// Adds to an order's commit what the order asks of this ticket.
fn carry(known: &Known, carried: &Carried) -> Decided {
    let Known { ticket, show, place, passes, .. } = known;
    let Carried { order, demand, ref commit } = *carried;
    let command = match demand {
        TicketDemand::Release => TicketCommand::Release { order },
        TicketDemand::Sell => TicketCommand::Sell { order },
    };
    let after = changed(ticket.decide(&command, commit.at)?)?;
    let is_release = demand == TicketDemand::Release;
    let closes = show.as_ref().filter(|_| is_release && after.closed().is_none());
    let closes = closes.and_then(|view| view.show.closes_tickets(commit.at));
    let after = closes.map_or_else(|| after.clone(), |reason| after.clone().closed_with(reason));
    let mut commit = commit.clone();
    if closes.is_some() {
        commit = without_free_seats(commit, &after, place.as_deref());
    }
    if is_release && planted(Bug::ReleaseWithoutOrder) {
        commit.writes.clear();
    }
    let bought = (demand == TicketDemand::Sell).then(|| written_order(&commit)).flatten();
    commit = passes::followed(commit, passes.as_deref(), bought.as_ref(), &after);
    commit.writes.insert(0, Write::Ticket(after.clone()));
    if !(is_release && planted(Bug::UntoldRelease)) {
        let told = if closes.is_some() { Event::TicketClosed } else { Event::TicketUpdated };
        commit = commit.event(told(after.clone()));
    }
    let answer = TicketAnswer::Carried(Committed::Durable);
    Ok(Change::new(commit, Some(Known::alone(after))).answered(answer))
}

/// The order whose commit this is, as it is then.
fn written_order(commit: &Commit) -> Option<Order> {
    commit.writes.iter().find_map(|write| match write {
        Write::Order(order) => Some(order.clone()),
        _ => None,
    })
}

fn changed(decision: TicketDecision) -> Result<Ticket, MarketError> {
    match decision {
        TicketDecision::Changed(after) => Ok(after),
        TicketDecision::Unchanged | TicketDecision::Withdrawn(_) => {
            Err(MarketError::Internal("a lock, release or sale changed nothing".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
