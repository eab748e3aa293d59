//! Listings, by their sellers.

use super::Marketplace;
use crate::actors::error::MarketError;
use crate::actors::idempotency::KeyFor;
use crate::actors::ticket::TicketRequest;
use crate::domain::{
    Commit, Event, ExpectedVersion, Price, Ticket, TicketCommand, TicketId, Title, UserId, Write,
};

impl Marketplace {
    /// Lists a ticket for sale.
    pub async fn list_ticket(
        &self,
        seller: UserId,
        title: Title,
        price: Price,
        key: Option<KeyFor<Ticket>>,
    ) -> Result<Ticket, MarketError> {
        let now = self.now();
        let id = TicketId::from_u128(self.parts.context.ids.mint());
        let ticket = Ticket::list(id, seller, title, price, now);
        let remembered = key.map(|key| key.remember(&ticket));
        let commit = Commit::at(now)
            .write(Write::Ticket(ticket.clone()))
            .write_if(remembered)
            .event(Event::TicketCreated(ticket.clone()));
        self.commit_new(commit).await?;
        Ok(ticket)
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
        title: Option<Title>,
        price: Option<Price>,
        expected: ExpectedVersion,
    ) -> Result<Ticket, MarketError> {
        let command = TicketCommand::Edit { by, title, price, expected };
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
