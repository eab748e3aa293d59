//! Listings, by their sellers.

use tokio::time::Instant;

use super::Marketplace;
use crate::actors::context::Committed;
use crate::actors::error::MarketError;
use crate::actors::idempotency::KeyFor;
use crate::actors::retry::Retry;
use crate::actors::show::sales_timer;
use crate::actors::ticket::{TicketRequest, as_decided_on};
use crate::domain::{
    Commit, Event, ExpectedVersion, Listing, ListingDraft, Price, SalesEnd, Show, ShowId,
    ShowTicket, Ticket, TicketCommand, TicketId, Title, UserId, Write,
};

/// What a seller changes of a ticket; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketChanges {
    /// The new title.
    pub title: Option<Title>,
    /// The new price of each seat.
    pub price: Option<Price>,
    /// What else changes.
    pub listing: ListingDraft,
}

impl Marketplace {
    /// Lists a ticket for sale. What is said of it breaks no rule.
    ///
    /// # Errors
    ///
    /// [`crate::domain::CatalogRejection`] if its show is over or cancelled,
    /// [`crate::store::Refusal::SeatListed`] if its seller has listed one of its seats already.
    pub async fn list_ticket(
        &self,
        seller: UserId,
        title: Title,
        price: Price,
        listing: Listing,
        key: Option<KeyFor<Ticket>>,
    ) -> Result<Ticket, MarketError> {
        let id = TicketId::from_u128(self.parts.context.ids.mint());
        let now = self.now();
        let ticket = Ticket::list(id, seller, title, price, now).described(listing);
        let remembered = key.map(|key| key.remember(&ticket));
        let commit = Commit::at(now)
            .write(Write::Ticket(ticket.clone()))
            .write_if(remembered)
            .event(Event::TicketCreated(ticket.clone()));
        match ticket.show() {
            Some(show) => self.commit_for_show(commit, &ticket, show.id).await?,
            None => self.commit_new(commit).await?,
        }
        Ok(ticket)
    }

    /// Commits a new ticket with its place among those of its show. That may change meanwhile, so it is
    /// looked at again then.
    async fn commit_for_show(
        &self,
        commit: Commit,
        ticket: &Ticket,
        show: ShowId,
    ) -> Result<(), MarketError> {
        let context = &self.parts.context;
        let mut retry = Retry::until(Instant::now() + context.settings.request_timeout);
        loop {
            let show = context.store.get::<Show>(show).await?.ok_or(MarketError::NotFound)?;
            show.takes_tickets(self.now())?;
            let end = context.store.get::<SalesEnd>(show.id).await?;
            let end = SalesEnd::with_ticket(end.as_ref(), &show);
            let timer = end.as_ref().and_then(sales_timer);
            let commit =
                commit.clone().put(ShowTicket::add(ticket, &show)).require(as_decided_on(&show));
            match context.commit(commit.put_if(end)).await? {
                Committed::Durable => {
                    timer.iter().for_each(|timer| context.timers.set(timer));
                    return Ok(());
                }
                Committed::Conflict => retry.pause(&*context.entropy).await?,
            }
        }
    }

    /// Edits a listing. `None` leaves a field as it is.
    ///
    /// # Errors
    ///
    /// [`crate::domain::TicketRejection`], in this order: not the seller's, locked or sold, another
    /// version.
    pub async fn edit_ticket(
        &self,
        id: TicketId,
        by: UserId,
        changes: TicketChanges,
        expected: ExpectedVersion,
    ) -> Result<Ticket, MarketError> {
        let TicketChanges { title, price, listing } = changes;
        let most_seats = self.settings().terms.most_seats;
        let listing = Box::new(listing);
        let command = TicketCommand::Edit { by, title, price, listing, most_seats, expected };
        self.parts.tickets.ask(id, TicketRequest::Change(command)).await?.ticket()
    }

    /// Takes a listing off the market.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::edit_ticket`].
    pub async fn withdraw_ticket(
        &self,
        id: TicketId,
        by: UserId,
        expected: ExpectedVersion,
    ) -> Result<(), MarketError> {
        let command = TicketCommand::Withdraw { by, expected };
        self.parts.tickets.ask(id, TicketRequest::Change(command)).await.map(|_| ())
    }
}
