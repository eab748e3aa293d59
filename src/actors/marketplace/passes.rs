//! Passes, by sellers. What they hold is put where contents lie before its row is committed, so no row
//! names what is not there.

use tracing::error;

use super::Marketplace;
use crate::actors::error::MarketError;
use crate::actors::passes::{PassesOf, generation_of, may_open};
use crate::actors::ticket::{NewPass, TicketRequest};
use crate::blobs::{BlobName, Shelf};
use crate::domain::{
    OrderId, OrderState, Pass, PassId, PassRejection, Ticket, TicketId, TicketPasses, UserId,
};
use crate::store::Store;

impl Marketplace {
    /// A number for a pass that is about to be added, which its content is sealed for.
    pub fn mint_pass(&self) -> PassId {
        PassId::from_u128(self.parts.context.ids.mint())
    }

    /// Whether a ticket may have passes. Where this is false it has none.
    pub fn may_have_passes(&self, ticket: TicketId) -> bool {
        self.parts.with_passes.may_have(ticket)
    }

    /// Whether a seller can add a pass for that seat: so that what can't be added need not be read.
    ///
    /// # Errors
    ///
    /// As [`Marketplace::add_pass`], but for what follows from the content.
    pub async fn takes_pass(
        &self,
        by: UserId,
        ticket: TicketId,
        seat: Option<&str>,
    ) -> Result<(), MarketError> {
        let store = &*self.parts.context.store;
        let ticket = store.ticket(ticket).await?.ok_or(MarketError::NotFound)?;
        must_be_sellers(&ticket, by)?;
        let of = PassesOf::with_sales(store, &ticket).await?;
        TicketPasses::with(of.passes.as_ref(), &ticket, PassId::from_u128(0), seat, &of.sales)?;
        Ok(())
    }

    /// Adds a pass with its sealed content.
    ///
    /// # Errors
    ///
    /// [`PassRejection`] if the ticket is not the seller's, has no such seat or a pass for it, or the same
    /// content is with a ticket that is for sale or sold.
    pub async fn add_pass(
        &self,
        ticket: TicketId,
        new: NewPass,
        sealed: Vec<u8>,
    ) -> Result<Pass, MarketError> {
        // A content that can't be added is not kept. Whether the seat still takes one is for the ticket to say.
        generation_of(&*self.parts.context.store, new.mark, new.by).await??;
        let name = BlobName { shelf: Shelf::Passes, id: new.id.as_u128() };
        self.parts.blobs.put(name, sealed).await.map_err(|error| {
            error!(%error, "a pass could not be kept");
            MarketError::Unavailable
        })?;
        let request = TicketRequest::AddPass(Box::new(new));
        self.parts.tickets.ask(ticket, request).await?.pass()
    }

    /// Takes a pass away whose seat is free.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] if the seller has no such pass, [`PassRejection::SeatTaken`] if its seat is
    /// held or sold.
    pub async fn remove_pass(&self, id: PassId, by: UserId) -> Result<(), MarketError> {
        let pass = self.parts.context.store.get::<Pass>(id).await?;
        let pass = pass.filter(|pass| pass.seller == by).ok_or(MarketError::NotFound)?;
        let ticket = pass.ticket;
        let request = TicketRequest::RemovePass(Box::new(pass));
        self.parts.tickets.ask(ticket, request).await.map(|_| ())
    }

    /// A pass with its sealed content, for whoever may see it: its seller until its seat is paid, and
    /// then its buyer, until they have their money back or have sold it on.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] for everyone else.
    pub async fn open_pass(&self, id: PassId, by: UserId) -> Result<(Pass, Vec<u8>), MarketError> {
        let store = &*self.parts.context.store;
        let pass = store.get::<Pass>(id).await?.ok_or(MarketError::NotFound)?;
        if !may_open(store, &pass, by).await? {
            return Err(MarketError::NotFound);
        }
        let name = BlobName { shelf: Shelf::Passes, id: id.as_u128() };
        match self.parts.blobs.get(name).await {
            Ok(Some(content)) => Ok((pass, content)),
            Ok(None) => Err(MarketError::Internal(format!("the content of {id} is missing"))),
            Err(error) => Err(MarketError::Internal(error.to_string())),
        }
    }

    /// The passes of a ticket, for its seller.
    ///
    /// # Errors
    ///
    /// [`PassRejection::NotOwner`] for everyone else.
    pub async fn passes_of_ticket(
        &self,
        ticket: TicketId,
        by: UserId,
    ) -> Result<Vec<Pass>, MarketError> {
        let store = &*self.parts.context.store;
        let ticket = store.ticket(ticket).await?.ok_or(MarketError::NotFound)?;
        must_be_sellers(&ticket, by)?;
        let Some(passes) = store.get::<TicketPasses>(ticket.id).await? else {
            return Ok(Vec::new());
        };
        all_of(store, passes.seats.iter().map(|seat| seat.pass)).await
    }

    /// The passes of an order that is paid, for its buyer. After a refund there are none.
    ///
    /// # Errors
    ///
    /// [`MarketError::NotFound`] for everyone else, and before it is paid.
    pub async fn passes_of_order(
        &self,
        order: OrderId,
        by: UserId,
    ) -> Result<Vec<Pass>, MarketError> {
        let store = &*self.parts.context.store;
        let purchase = store.purchase(order).await?.ok_or(MarketError::NotFound)?;
        let is_paid = purchase.order.state == OrderState::Completed;
        if purchase.order.buyer != by || !is_paid {
            return Err(MarketError::NotFound);
        }
        if purchase.is_paid_back() {
            return Ok(Vec::new());
        }
        let Some(passes) = store.get::<TicketPasses>(purchase.order.ticket).await? else {
            return Ok(Vec::new());
        };
        all_of(store, passes.of(order)).await
    }
}

fn must_be_sellers(ticket: &Ticket, by: UserId) -> Result<(), PassRejection> {
    if ticket.seller == by { Ok(()) } else { Err(PassRejection::NotOwner) }
}

async fn all_of(
    store: &dyn Store,
    ids: impl Iterator<Item = PassId>,
) -> Result<Vec<Pass>, MarketError> {
    let mut passes = Vec::new();
    for id in ids {
        passes.extend(store.get::<Pass>(id).await?);
    }
    Ok(passes)
}
