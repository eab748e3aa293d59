//! What a ticket decides about its passes: it alone adds them, takes them away and hands them to whoever
//! paid.

use super::{Decided, Known, NewPass, TicketAnswer, Tickets};
use crate::actors::aggregate::{Change, Decision};
use crate::actors::error::MarketError;
use crate::actors::passes::PassesOf;
use crate::domain::{
    Commit, Event, Kept as _, Order, Pass, PassRejection, Precondition, Ticket, TicketPasses,
    TicketRejection, Timestamp, Version, Write,
};

/// Holds a decision to the passes and the ticket that it was made on. Where another server may add or take away a
/// pass, or sell a seat, whichever comes second is decided again.
pub fn as_they_were_read(known: &Known, mut decision: Decision<Tickets>) -> Decision<Tickets> {
    let (Some(of), Some(change)) = (&known.passes, &mut decision.change) else { return decision };
    let ticket = known.ticket.id;
    let id = TicketPasses::any_id(ticket);
    let writes = &change.commit.writes;
    let writes_passes = writes.iter().any(|write| match write {
        Write::Put(resource) | Write::Delete(resource) => resource.id() == id,
        _ => false,
    });
    let writes_ticket = writes.iter().any(|write| match write {
        Write::Ticket(after) => after.id == ticket,
        Write::WithdrawTicket { id, .. } => *id == ticket,
        _ => false,
    });
    if !writes_passes {
        let version = of.passes.as_ref().map(|passes| passes.version);
        change.commit.requires.push(Precondition::ResourceAt { id, version });
    }
    if !writes_ticket {
        let version = known.ticket.version;
        change.commit.requires.push(Precondition::TicketAt { ticket, version });
    }
    decision
}

/// Adds a pass. If a sale waits for it, that has it in the same commit.
pub fn add(known: &Known, new: &NewPass, now: Timestamp) -> Decided {
    let Known { ticket, passes, generation, .. } = known;
    let not_read = || MarketError::Internal("a ticket's passes were not read".to_owned());
    let (of, generation) =
        (passes.as_ref().ok_or_else(not_read)?, generation.ok_or_else(not_read)?);
    must_be_sellers(ticket, new)?;
    let (before, seat) = (of.passes.as_ref(), new.seat.as_deref());
    let (after, seat) = TicketPasses::with(before, ticket, new.id, seat, &of.sales)?;
    let pass = Pass {
        id: new.id,
        ticket: ticket.id,
        seller: new.by,
        seat,
        kind: new.kind,
        mark: new.mark,
        generation: generation.number,
        wrapped_key: new.wrapped_key.clone(),
        created_at: now,
        version: Version::FIRST,
    };
    let commit = Commit::at(now).put(after).put(pass.clone()).event(Event::PassAdded(pass.told()));
    let commit = generation.must_follow().into_iter().fold(commit, Commit::require);
    Ok(Change::new(commit, Some(Known::alone(ticket.clone())))
        .answered(TicketAnswer::Pass(Box::new(pass))))
}

/// Takes a pass away whose seat is free.
pub fn remove(known: &Known, pass: &Pass, now: Timestamp) -> Decided {
    let Known { ticket, passes, .. } = known;
    let before = passes.as_ref().and_then(|of| of.passes.as_ref());
    let before = before.filter(|before| before.find(pass.id).is_some());
    let after = before.ok_or(MarketError::NotFound)?.without(ticket, pass.id)?;
    let commit = Commit::at(now).put(after).delete(pass.clone());
    let commit = commit.event(Event::PassRemoved(pass.told()));
    Ok(Change::new(commit, Some(Known::alone(ticket.clone())))
        .answered(TicketAnswer::Pass(Box::new(pass.clone()))))
}

fn must_be_sellers(ticket: &Ticket, new: &NewPass) -> Result<(), PassRejection> {
    if ticket.seller == new.by { Ok(()) } else { Err(PassRejection::NotOwner) }
}

/// Passes are for the seats that a ticket has, so those stay while there are any.
pub fn must_be_none(of: Option<&PassesOf>) -> Result<(), TicketRejection> {
    let passes = of.and_then(|of| of.passes.as_ref());
    let has_some = passes.is_some_and(|passes| !passes.seats.is_empty());
    if has_some { Err(TicketRejection::HasPasses) } else { Ok(()) }
}

/// Lets the passes follow a change of the ticket: an order that is paid takes what is there for it, and what
/// nobody took of a ticket that sells no more goes. Whoever holds a seat may still pay, and was shown that
/// there is a pass for it.
pub fn followed(
    commit: Commit,
    of: Option<&PassesOf>,
    bought: Option<&Order>,
    after: &Ticket,
) -> Commit {
    let taken = of.and_then(|of| of.passes.as_ref()).zip(bought);
    let taken = taken.and_then(|(passes, order)| passes.taken_by(order));
    if after.closed().is_some() && after.held().is_empty() {
        return without_untaken(commit, of, taken);
    }
    commit.put_if(taken)
}

/// What nobody took goes. `taken` are the passes after somebody took some just now.
pub fn without_untaken(
    commit: Commit,
    of: Option<&PassesOf>,
    taken: Option<TicketPasses>,
) -> Commit {
    let Some((of, before)) = of.and_then(|of| Some((of, of.passes.as_ref()?))) else {
        return commit;
    };
    let sold = taken.as_ref().unwrap_or(before).sold();
    let left = TicketPasses { version: before.version.next(), ..sold };
    let gone: Vec<&Pass> = of.untaken.iter().filter(|pass| left.find(pass.id).is_none()).collect();
    let commit = if left.seats.is_empty() {
        commit.delete(before.clone())
    } else if left.seats == before.seats {
        commit
    } else {
        commit.put(left)
    };
    let commit = commit.events(gone.iter().map(|pass| Event::PassRemoved(pass.told())));
    gone.into_iter().cloned().fold(commit, Commit::delete)
}
