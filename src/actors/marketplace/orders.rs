//! Orders, by their buyers.

use std::sync::Arc;

use super::Marketplace;
use crate::actors::error::MarketError;
use crate::actors::idempotency::KeyFor;
use crate::actors::order::OrderRequest;
use crate::actors::ticket::{Reservation, TicketRequest};
use crate::domain::{
    ExpectedVersion, OrderId, OrderView, Purchase, TicketCommand, TicketId, TicketRejection,
    UserId, Wanted,
};

impl Marketplace {
    /// Locks seats of a ticket for a buyer, who may have been shown what they cost.
    ///
    /// # Errors
    ///
    /// [`crate::domain::TicketRejection`] if the ticket is the buyer's own, locked, sold, closed or at
    /// another price, or does not have so many seats,
    /// [`MarketError::OwnHold`] if it is this buyer who holds it,
    /// [`MarketError::RelockTooSoon`] if they have let go of it too often,
    /// [`crate::store::Refusal`] if they have too many open orders or the key was used.
    pub async fn reserve(
        &self,
        ticket: TicketId,
        buyer: UserId,
        wanted: Wanted,
        key: Option<KeyFor<OrderView>>,
    ) -> Result<Arc<Purchase>, MarketError> {
        let order = OrderId::from_u128(self.parts.context.ids.mint());
        let not_before = self.parts.relocks.not_before(buyer, ticket);
        let reservation = Reservation { order, buyer, wanted, not_before, key };
        match self.try_to_reserve(ticket, reservation).await {
            Err(MarketError::Ticket(TicketRejection::Locked { order, until })) => {
                let holder = self.parts.context.store.order(order).await?;
                let is_own = holder.is_some_and(|order| order.buyer == buyer);
                let refused = TicketRejection::Locked { order, until };
                Err(if is_own { MarketError::OwnHold { order, until } } else { refused.into() })
            }
            other => other,
        }
    }

    async fn try_to_reserve(
        &self,
        ticket: TicketId,
        reservation: Reservation,
    ) -> Result<Arc<Purchase>, MarketError> {
        // Most who race for a ticket lose, and what is stored is reason enough to say so: where
        // others are at it already, only those who could win need wait for the ticket's actor.
        if self.parts.tickets.is_awake(ticket) {
            let context = &self.parts.context;
            let stored = context.store.ticket(ticket).await?.ok_or(MarketError::NotFound)?;
            let now = self.now();
            let Reservation { order, buyer: by, wanted, .. } = reservation;
            let until = now.plus(context.settings.hold);
            let terms = context.settings.terms;
            let reserve = TicketCommand::Reserve { by, order, until, wanted, terms };
            match stored.decide(&reserve, now) {
                // Its show says why.
                Ok(_) | Err(TicketRejection::Closed) => {}
                Err(refused) => return Err(refused.into()),
            }
        }
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
