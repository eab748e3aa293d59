//! How many of a ticket's seats have a pass: that is in a row beside the ticket's own, which is only looked
//! for where there may be one.

use std::sync::Arc;

use super::state::ApiState;
use crate::domain::{Kept as _, PassesThere, Ticket, TicketPasses};
use crate::store::ReadError;
use crate::store::resources::{Answer, Question};

/// A ticket with how many of its seats have a pass.
pub async fn with_passes(state: &ApiState, ticket: Ticket) -> Result<Ticket, ReadError> {
    if !state.market.may_have_passes(ticket.id) {
        return Ok(ticket);
    }
    let passes = state.store.get::<TicketPasses>(ticket.id).await?;
    let there = passes.map_or(PassesThere::None, |passes| passes.there(&ticket));
    Ok(Ticket { passes: Some(there), ..ticket })
}

/// The same for a page.
pub async fn with_passes_of(
    state: &ApiState,
    mut tickets: Vec<Arc<Ticket>>,
) -> Result<Vec<Arc<Ticket>>, ReadError> {
    let may_have = tickets.iter_mut().filter(|ticket| state.market.may_have_passes(ticket.id));
    let may_have: Vec<&mut Arc<Ticket>> = may_have.collect();
    if may_have.is_empty() {
        return Ok(tickets);
    }
    let question = |ticket: &&mut Arc<Ticket>| Question::One(TicketPasses::any_id(ticket.id));
    let questions: Vec<_> = may_have.iter().map(question).collect();
    let answers = state.store.resources(&questions).await?;
    for (ticket, answer) in may_have.into_iter().zip(answers) {
        let Answer::One(Some(any)) = answer else { continue };
        if let Some(passes) = TicketPasses::from_any(any) {
            let there = passes.there(ticket);
            *ticket = Arc::new(Ticket { passes: Some(there), ..(**ticket).clone() });
        }
    }
    Ok(tickets)
}
