//! Shows: they end at their time, and are moved and cancelled by operators.

use std::convert::Infallible;
use std::sync::Arc;

use super::aggregate::{Aggregate, Change, Decision};
use super::context::Context;
use super::error::MarketError;
use super::timers::{Due, Timer};
use crate::domain::{
    Caller, Cancellation, Commit, Cover, Event, ExpectedVersion, Kept, Precondition, SalesEnd,
    Show, ShowChange, ShowCommand, ShowDecision, ShowId, ShowOrder, ShowOrders, ShowTicket,
    ShowTickets, ShowView, Timestamp, Venue, VenueId,
};

/// What a show can be asked.
#[derive(Debug, Clone)]
pub struct ShowRequest {
    /// What.
    pub command: ShowCommand,
    /// Who asks; nobody for what time brings.
    pub by: Option<Caller>,
    /// Which versions are meant.
    pub expected: ExpectedVersion,
}

impl ShowRequest {
    /// The show's end may have come.
    pub fn end() -> Self {
        Self { command: ShowCommand::End, by: None, expected: ExpectedVersion::Any }
    }
}

/// The shows.
pub struct ShowActors {
    /// Where they are.
    pub context: Arc<Context>,
}

/// A show with the venue that it is to be at after the request.
pub struct Known {
    show: Show,
    venue: Venue,
    /// When its sales end, if tickets were ever listed for it.
    sales_end: Option<SalesEnd>,
    /// Its cover, where that goes with it.
    cover: Option<Cover>,
}

impl Aggregate for ShowActors {
    type Id = ShowId;
    type State = Known;
    type Command = ShowRequest;
    type Answer = ShowView;
    type Effect = Infallible;
    type Carrier = Infallible;

    async fn load(
        &self,
        id: ShowId,
        _known: Option<Known>,
        request: &ShowRequest,
    ) -> Result<Known, MarketError> {
        let store = &self.context.store;
        // A venue changes without its shows being told, and imports change shows without their actors,
        // so both are read for each request.
        let show = store.get::<Show>(id).await?.ok_or(MarketError::NotFound)?;
        let venue = asked_for(&request.command).unwrap_or(show.facts.site.venue);
        let venue = store.get::<Venue>(venue).await?.ok_or(MarketError::NotFound)?;
        let sales_end = store.get::<SalesEnd>(id).await?;
        let cover = match request.command {
            ShowCommand::Delete => store.get::<Cover>(id).await?,
            _ => None,
        };
        Ok(Known { show, venue, sales_end, cover })
    }

    fn decide(
        &self,
        known: &Known,
        request: &ShowRequest,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError> {
        let Known { show, venue, sales_end, cover } = known;
        let ShowRequest { command, by, expected } = request;
        let view = |show: &Show| ShowView { show: show.clone(), venue: venue.clone() };
        Ok(match show.decide(command, *by, expected, now)? {
            ShowDecision::Unchanged => Decision::unchanged(view(show)),
            ShowDecision::Changed(after, why) => {
                let cancels = cancellation(command, *by, now);
                let end = match cancels {
                    Some(said) => Some(SalesEnd::cancelled(sales_end.as_ref(), show.id, said)),
                    None => sales_end.as_ref().and_then(|end| end.following(show, &after)),
                };
                let commit = changed(show, &view(&after), why, now);
                let commit = illustrated(commit, &after, command);
                let commit = ending_sales(commit, show.id, sales_end.as_ref(), end.clone());
                let commit = if has_power(*by) { commit } else { alone(commit, show.id) };
                let timers = timer(&after).into_iter().chain(end.as_ref().and_then(sales_timer));
                let timers = timers.collect();
                let (answer, venue) = (view(&after), venue.clone());
                let sales_end = end.or_else(|| sales_end.clone());
                let known = Known { show: after, venue, sales_end, cover: None };
                let change = Change::new(commit, Some(known));
                Change { timers, ..change }.answered(answer)
            }
            ShowDecision::Deleted(after) => {
                let after = view(&after);
                let commit = Commit::at(now)
                    .delete(show.clone())
                    .event(Event::ShowDeleted(Box::new(after.clone())));
                let commit = unused(commit, show.id);
                let commit = commit.delete_if(sales_end.clone()).delete_if(cover.clone());
                Change::new(commit, None).answered(after)
            }
        })
    }

    fn act(&self, effect: Infallible) {
        match effect {}
    }
}

/// Whether whoever asks may change what others build on. Time asks for itself.
fn has_power(by: Option<Caller>) -> bool {
    by.is_none_or(|by| by.roles.operator)
}

/// Nobody else lists for the show, and nothing of it was ever ordered.
fn alone(commit: Commit, show: ShowId) -> Commit {
    let guests = ShowTicket::any_list(ShowTickets::Guests(show));
    let orders = ShowOrder::any_list(ShowOrders::Ever(show));
    let none = |list| Precondition::Fewer { list, than: 1 };
    commit.require(none(guests)).require(none(orders))
}

/// With the picture that the show gets, if it gets one.
fn illustrated(commit: Commit, after: &Show, command: &ShowCommand) -> Commit {
    match (command, after.cover) {
        (ShowCommand::Illustrate(picture), Some(version)) => {
            commit.put(Cover { show: after.id, picture: picture.clone(), version })
        }
        _ => commit,
    }
}

/// Neither tickets nor orders hang on the show.
fn unused(commit: Commit, show: ShowId) -> Commit {
    let tickets = ShowTicket::any_list(ShowTickets::Of(show));
    let orders = ShowOrder::any_list(ShowOrders::Of(show));
    let none = |list| Precondition::Fewer { list, than: 1 };
    commit.require(none(tickets)).require(none(orders))
}

/// The venue that a request moves a show to.
fn asked_for(command: &ShowCommand) -> Option<VenueId> {
    match command {
        ShowCommand::Edit(changes) => changes.site.map(|site| site.venue),
        ShowCommand::Illustrate(_)
        | ShowCommand::Delete
        | ShowCommand::Postpone { .. }
        | ShowCommand::Cancel { .. }
        | ShowCommand::End => None,
    }
}

/// What is kept of why a show is cancelled.
fn cancellation(command: &ShowCommand, by: Option<Caller>, now: Timestamp) -> Option<Cancellation> {
    match (command, by) {
        (ShowCommand::Cancel { reason }, Some(by)) => {
            Some(Cancellation { by: by.user, reason: reason.clone(), at: now })
        }
        _ => None,
    }
}

/// Adds to a change of a show when its sales end from then on. It must be known whether it has any:
/// its first ticket may be listed at the same time.
pub fn ending_sales(
    commit: Commit,
    show: ShowId,
    before: Option<&SalesEnd>,
    after: Option<SalesEnd>,
) -> Commit {
    match (before, after) {
        (_, Some(after)) => commit.put(after),
        (Some(_), None) => commit,
        (None, None) => {
            let id = SalesEnd::any_id(show);
            commit.require(Precondition::ResourceAt { id, version: None })
        }
    }
}

/// The timer of an end of sales.
pub fn sales_timer(end: &SalesEnd) -> Option<Timer> {
    end.due.map(|at| Timer::SalesEnd(Due { at, id: end.show }))
}

/// The commit that adds a show.
pub fn added(view: &ShowView, now: Timestamp) -> Commit {
    Commit::at(now)
        .require(Precondition::ResourceExists(Venue::any_id(view.venue.id)))
        .put(view.show.clone())
        .event(Event::ShowCreated(Box::new(view.clone())))
}

/// The commit that makes a show another.
pub fn changed(before: &Show, after: &ShowView, why: ShowChange, now: Timestamp) -> Commit {
    let commit = Commit::at(now).put(after.show.clone()).event(told(why, after.clone()));
    if after.show.facts.site == before.facts.site {
        return commit;
    }
    commit.require(Precondition::ResourceExists(Venue::any_id(after.show.facts.site.venue)))
}

/// The timer of a show that ends by itself.
pub fn timer(show: &Show) -> Option<Timer> {
    show.ends_by_itself_at().map(|at| Timer::ShowEnd(Due { at, id: show.id }))
}

fn told(why: ShowChange, view: ShowView) -> Event {
    let view = Box::new(view);
    match why {
        ShowChange::Edited => Event::ShowUpdated(view),
        ShowChange::Postponed => Event::ShowPostponed(view),
        ShowChange::Cancelled => Event::ShowCancelled(view),
        ShowChange::Ended => Event::ShowOver(view),
    }
}
