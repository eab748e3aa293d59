//! Orders, by their buyers.

use super::Marketplace;
use crate::actors::error::MarketError;
use crate::actors::idempotency::IdempotencyKey;
use crate::actors::order::OrderRequest;
use crate::actors::ticket::{Reservation, TicketRequest};
use crate::domain::{ExpectedVersion, OrderId, Purchase, TicketCommand, TicketId, UserId};

impl Marketplace {
    /// Locks a ticket for a buyer.
    ///
    /// # Errors
    ///
    /// [`crate::domain::TicketRejection`] if the ticket is the buyer's own, locked or sold,
    /// [`crate::store::Refusal`] if the buyer has too many open orders or the key was used.
    pub async fn reserve(
        &self,
        ticket: TicketId,
        buyer: UserId,
        key: Option<IdempotencyKey>,
    ) -> Result<Purchase, MarketError> {
        let context = &self.parts.context;
        let order = OrderId::from_u128(context.ids.mint());
        // Most who race for a ticket lose, and what is stored is reason enough to say so: where
        // others are at it already, only those who could win need wait for the ticket's actor.
        if self.parts.tickets.is_awake(ticket) {
            let stored = context.store.ticket(ticket).await?.ok_or(MarketError::NotFound)?;
            let now = self.now();
            let until = now.plus(context.settings.hold);
            stored.decide(&TicketCommand::Reserve { by: buyer, order, until }, now)?;
        }
        let reservation = Reservation { order, buyer, key };
        self.parts.tickets.ask(ticket, TicketRequest::Reserve(reservation)).await?.reserved()
    }

    /// Gives a buyer's ticket back. The ticket is available when this returns.
    ///
    /// # Errors
    ///
    /// [`crate::domain::PurchaseRejection`] if it is paid or about to be.
    pub async fn cancel(
        &self,
        order: OrderId,
        by: UserId,
        expected: ExpectedVersion,
    ) -> Result<(), MarketError> {
        let cancel = OrderRequest::Cancel { by, expected };
        self.parts.orders.ask(order, cancel).await.map(|_| ())
    }
}
