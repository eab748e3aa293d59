//! Lists of tickets: a walk along an index, a batch of rows at a time, past what does not fit.

use std::sync::Arc;

use super::reads::{id_in, record, ticket_of, whole};
use super::{TypedStore, another_answer, keys};
use crate::domain::{Order, OrderId, ShowId, Ticket, TicketId, TicketStatus};
use crate::store::contract::{Found, Read, Rows, Run};
use crate::store::records::entries::MARKET;
use crate::store::records::ticket::matches;
use crate::store::records::ticket_lists::lists_with_all;
use crate::store::{
    ReadError, Stock, TicketPage, TicketPosition, TicketQuery, TicketScope, TicketSort,
};

/// How many tickets are looked at together.
const LOOKED_AT_ONCE: usize = 64;

impl<R: Rows> TypedStore<R> {
    pub(super) async fn page(&self, query: &TicketQuery) -> Result<TicketPage, ReadError> {
        let list = lists_with_all(query).first().copied().unwrap_or(MARKET);
        let mut run = Run {
            index: keys::index_of(query.sort),
            prefix: list.to_be_bytes().to_vec(),
            after: query.after.map(|at| keys::listed(list, query.sort, at.price_minor, at.id)),
            descending: false,
            limit: LOOKED_AT_ONCE,
        };
        let mut tickets = Vec::new();
        while tickets.len() <= query.limit {
            let entries = self.entries(run.clone()).await?;
            let Some(last) = entries.last() else { break };
            run.after = Some(last.place.clone());
            let id = |entry| Ok(TicketId::from_u128(id_in(entry)?));
            let ids: Vec<TicketId> = entries.iter().map(id).collect::<Result<_, ReadError>>()?;
            let found = self.read_tickets(&ids).await?;
            tickets.extend(found.into_iter().flatten().filter(|ticket| fits(ticket, query)));
        }
        let more = tickets.len() > query.limit;
        tickets.truncate(query.limit);
        Ok(TicketPage { tickets: tickets.into_iter().map(Arc::new).collect(), more })
    }

    /// What is on sale for a show: everything in its list is looked at.
    pub(super) async fn stock_of(&self, show: ShowId) -> Result<Stock, ReadError> {
        let query = TicketQuery {
            seller: None,
            scope: TicketScope { show: Some(show), ..TicketScope::default() },
            words: Vec::new(),
            min_price_minor: None,
            max_price_minor: None,
            sort: TicketSort::PriceAscending,
            after: None,
            limit: LOOKED_AT_ONCE,
        };
        let (mut stock, mut after) = (Stock::default(), None);
        loop {
            let page = self.page(&TicketQuery { after, ..query.clone() }).await?;
            for ticket in &page.tickets {
                stock.seats = stock.seats.saturating_add(ticket.free().len().into());
                stock.from = stock.from.or(Some(ticket.price));
            }
            after = page.tickets.last().map(|last| TicketPosition::from(&**last));
            if !page.more {
                return Ok(stock);
            }
        }
    }

    /// Tickets with the orders that hold them, all as of one moment.
    pub(super) async fn read_tickets(
        &self,
        ids: &[TicketId],
    ) -> Result<Vec<Option<Ticket>>, ReadError> {
        let row = |id: &TicketId| Read::Row(keys::ticket(*id));
        let holder = |id: &TicketId| Read::Entries(whole(keys::HELD, keys::held(*id)));
        let questions: Vec<Read> = ids.iter().flat_map(|id| [row(id), holder(id)]).collect();
        let answers = self.rows.read(&questions).await?;
        let mut tickets = Vec::with_capacity(ids.len());
        for (id, answer) in ids.iter().zip(answers.chunks_exact(2)) {
            let [Found::Row(row), Found::Entries(holder)] = answer else {
                return Err(another_answer());
            };
            let key = keys::ticket(*id);
            let listed = row.as_ref().map(|row| ticket_of(&key, row)).transpose()?.flatten();
            tickets.push(match (listed, holder.first()) {
                (Some(ticket), Some(holder)) => {
                    Some(self.held(&ticket, OrderId::from_u128(id_in(holder)?)).await?)
                }
                (listed, _) => listed,
            });
        }
        Ok(tickets)
    }

    async fn held(&self, ticket: &Ticket, holder: OrderId) -> Result<Ticket, ReadError> {
        let key = keys::order(holder);
        let row = self.row(key.clone()).await?;
        let order = row.map(|row| record::<Order>(&key, &row)).transpose()?;
        order.and_then(|order| ticket.locked_by(&order)).ok_or_else(|| {
            ReadError::Corrupt(format!("tickets {}: {holder} can't hold it", ticket.id))
        })
    }
}

fn fits(ticket: &Ticket, query: &TicketQuery) -> bool {
    let price = ticket.price.minor();
    let is_shown = query.seller.is_some() || ticket.status() == TicketStatus::Available;
    is_shown
        && query.min_price_minor.is_none_or(|min| price >= min)
        && query.max_price_minor.is_none_or(|max| price <= max)
        && query.scope.has(ticket)
        && matches(ticket, &query.words)
}
