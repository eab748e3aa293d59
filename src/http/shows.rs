//! `/api/shows`: what tickets admit to.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::calendar::Entry;
use super::edge::answer::Answer;
use super::edge::body::{Json, to_json};
use super::edge::caching::NO_CACHE;
use super::edge::conditional::{expected_version, is_fresh_as_shown, shown_etag};
use super::edge::docs::{Changes, IfMatchHeader, PageParams, Refusals};
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, FieldValue, Given, Id, Refused};
use super::edge::json::JsonBody;
use super::edge::paging::{Query, page};
use super::edge::path::PathId;
use super::edge::problem::Problem;
use super::edge::times::Time;
use super::on_sale::{OnSale, on_sale};
use super::state::{ApiState, SignedIn};
use super::tickets::asks_for_signs;
use super::views::shows::{ShowJson, ShowListingsJson};
use crate::actors::NewShow;
use crate::auth::Limit;
use crate::domain::show::{BY_DEFAULT, LONGEST, MAX_PERFORMERS};
use crate::domain::{Category, Name, Notes, ShowChanges, ShowId, ShowView, Timestamp, VenueId};
use crate::store::{ReadError, ShowPage};

mod filters;

use filters::{ShowFilters, cursor, read_filters};

const PATH: &str = "/api/shows";

/// The routes of shows.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change, delete))
        .routes(routes!(postpone))
        .routes(routes!(cancel))
        .routes(routes!(calendar_file))
}

/// What is said of a show.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ShowDraft {
    /// What it is called: 1 to 200 visible characters, trimmed.
    #[serde(default)]
    #[schema(value_type = String, required, example = "Rigoletto", min_length = 1)]
    name: Field<Name>,
    /// What kind of show it is: `concert`, `sports`, `theatre`, `comedy`, `festival` or `other`.
    #[serde(default)]
    #[schema(value_type = super::views::shows::CategoryJson, required)]
    category: Field<Category>,
    /// Who performs or plays, at most 20.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 20)]
    performers: Field<Vec<Name>>,
    /// Where it takes place.
    #[serde(default)]
    #[schema(value_type = String, required)]
    venue_id: Field<Id<VenueId>>,
    /// When it starts: in the future, with an offset.
    #[serde(default)]
    #[schema(value_type = String, format = DateTime, required)]
    starts_at: Field<Time>,
    /// When it ends: after the start, at most 31 days later; by default four hours after it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Field<Option<Time>>,
    /// What it is called elsewhere.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    external_id: Field<Option<Name>>,
}

/// What to change of a show.
type ShowEdits = Changes<ShowDraft>;

impl ShowDraft {
    fn complete(self, now: Timestamp) -> Result<NewShow, Problem> {
        let mut faults = Faults::default();
        let name = faults.note("name", self.name.required());
        let category = faults.note("category", self.category.required());
        let performers = faults.note("performers", self.performers.optional().and_then(few));
        let venue = faults.note("venueId", self.venue_id.required());
        let starts_at = self.starts_at.required().and_then(|start| in_future(start, now));
        let starts_at = faults.note("startsAt", starts_at);
        let ends_at = self.ends_at.optional().and_then(|end| ending(end.flatten(), starts_at));
        let ends_at = faults.note("endsAt", ends_at);
        let external_id = faults.note("externalId", self.external_id.optional());
        match (name, category, performers, venue, starts_at, ends_at, external_id) {
            (
                Some(name),
                Some(category),
                Some(performers),
                Some(Id(venue)),
                Some(starts_at),
                Some(ends_at),
                Some(external_id),
            ) => Ok(NewShow {
                name,
                category,
                performers: performers.unwrap_or_default(),
                venue,
                starts_at,
                ends_at,
                external_id: external_id.flatten(),
            }),
            _ => Err(faults.into_problem()),
        }
    }

    fn changes(self, now: Timestamp) -> Result<(ShowChanges, Option<VenueId>), Problem> {
        let mut faults = Faults::default();
        let name = faults.note("name", self.name.optional());
        let category = faults.note("category", self.category.optional());
        let performers = faults.note("performers", self.performers.optional().and_then(few));
        let venue = faults.note("venueId", self.venue_id.optional());
        let starts_at = self.starts_at.optional();
        let starts_at =
            starts_at.and_then(|start| start.map(|start| in_future(start, now)).transpose());
        let starts_at = faults.note("startsAt", starts_at);
        let ends_at = match self.ends_at.optional() {
            Ok(Some(None)) => Err(Refused::named("must be given")),
            Ok(end) => Ok(end.flatten().map(|Time(end)| end)),
            Err(refused) => Err(refused),
        };
        let ends_at = faults.note("endsAt", ends_at);
        let external_id = faults.note("externalId", self.external_id.optional());
        match (name, category, performers, venue, starts_at, ends_at, external_id) {
            (
                Some(name),
                Some(category),
                Some(performers),
                Some(venue),
                Some(starts_at),
                Some(ends_at),
                Some(external_id),
            ) => {
                let site = None;
                let changes = ShowChanges {
                    name,
                    category,
                    performers,
                    site,
                    starts_at,
                    ends_at,
                    external_id,
                    imported: None,
                };
                Ok((changes, venue.map(|Id(venue)| venue)))
            }
            _ => Err(faults.into_problem()),
        }
    }
}

impl FieldValue for Category {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        given.text().and_then(Self::named).ok_or_else(|| {
            Refused::named("must be concert, sports, theatre, comedy, festival or other")
        })
    }
}

fn few(performers: Option<Vec<Name>>) -> Result<Option<Vec<Name>>, Refused> {
    if performers.as_ref().is_some_and(|performers| performers.len() > MAX_PERFORMERS) {
        return Err(Refused::named("must name at most 20"));
    }
    Ok(performers)
}

fn in_future(Time(start): Time, now: Timestamp) -> Result<Timestamp, Refused> {
    if start > now { Ok(start) } else { Err(Refused::named("must be in the future")) }
}

/// The end of a new show whose start is sound.
fn ending(end: Option<Time>, start: Option<Timestamp>) -> Result<Timestamp, Refused> {
    let Some(start) = start else { return Ok(Timestamp::default()) };
    let end = end.map_or_else(|| start.plus(BY_DEFAULT), |Time(end)| end);
    if end <= start {
        return Err(Refused::named("must be after startsAt"));
    }
    if end.since(start) > LONGEST {
        return Err(Refused::named("must be at most 31 days after startsAt"));
    }
    Ok(end)
}

/// Adds a show.
#[utoipa::path(
    post, path = PATH, operation_id = "createShow", tag = "shows", security(("session" = []), ("bearer" = [])),
    request_body = ShowDraft,
    responses(
        (status = 201, body = ShowJson, description = "The show is there.", headers(("location" = String), ("etag" = String))),
        Refusals,
    ),
)]
async fn create(
    State(state): State<ApiState>,
    who: SignedIn,
    JsonBody(draft): JsonBody<ShowDraft>,
) -> Result<Response, Problem> {
    let new = draft.complete(state.market.now())?;
    state.limits.count(Limit::Listings, who.user, state.market.now())?;
    let by = state.caller(who).await?;
    let added = state.market.add_show(by, new).await;
    let view = added.map_err(|error| problem(error, state.market.now()))?;
    let path = format!("{PATH}/{}", view.show.id);
    Ok(one(&state, StatusCode::CREATED, &view).await?.located(path).into_response())
}

/// A show as an answer, with what is on sale for it.
pub async fn one(
    state: &ApiState,
    status: StatusCode,
    view: &ShowView,
) -> Result<Answer, ReadError> {
    let (body, tag) = shown(state, view).await?;
    Ok(tagged(status, body, tag))
}

/// How a show looks, and the etag of that: what is on sale for it changes without the show.
async fn shown(
    state: &ApiState,
    view: &ShowView,
) -> Result<(serde_json::Result<Vec<u8>>, HeaderValue), ReadError> {
    let shows = with_listings(state, std::slice::from_ref(view)).await?;
    let body = shows.first().map_or_else(|| Ok(Vec::new()), to_json);
    let tag = shown_etag(view.show.version.number(), body.as_deref().unwrap_or_default());
    Ok((body, tag))
}

/// Shows with what is on sale for each.
async fn with_listings<'v>(
    state: &ApiState,
    views: &'v [ShowView],
) -> Result<Vec<ShowJson<'v>>, ReadError> {
    let (terms, now) = (&state.market.settings().terms, state.market.now());
    let on_sale = on_sale(&state.store, terms, now, views).await?;
    let shown = |(view, on_sale): (&'v ShowView, OnSale)| {
        ShowJson::from(view).with_listings(ShowListingsJson::from(on_sale))
    };
    Ok(views.iter().zip(on_sale).map(shown).collect())
}

fn tagged(status: StatusCode, body: serde_json::Result<Vec<u8>>, tag: HeaderValue) -> Answer {
    Answer::written(status, body).header(header::ETAG, tag).header(header::CACHE_CONTROL, NO_CACHE)
}

/// Lists shows: those to come, unless `from` says otherwise.
#[utoipa::path(
    get, path = PATH, operation_id = "listShows", tag = "shows", params(ShowFilters, PageParams),
    responses(
        (status = 200, body = Vec<ShowJson>, description = "A page of shows.", headers(("link" = String, description = "The next page, if there is one."))),
        Refusals,
    ),
)]
async fn list(State(state): State<ApiState>, query: Query) -> Result<Response, Problem> {
    let asked = read_filters(&query, state.market.now())?;
    let found = if asks_for_signs(&query) {
        ShowPage { shows: Vec::new(), more: false }
    } else {
        state.store.shows(&asked).await?
    };
    let next = found.shows.last().filter(|_| found.more);
    let next = next.map(|last| cursor(asked.sort, &last.show));
    let shows = with_listings(&state, &found.shows).await?;
    Ok(page(PATH, &query, Json(shows), next, NO_CACHE))
}

/// Shows a show.
#[utoipa::path(
    get, path = "/api/shows/{id}", operation_id = "getShow", tag = "shows", params(("id" = String, Path)),
    responses(
        (status = 200, body = ShowJson, description = "The show.", headers(("etag" = String))),
        (status = 304, description = "The client has this version."),
        Refusals,
    ),
)]
async fn show(
    State(state): State<ApiState>,
    id: PathId<ShowId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = state.store.show(id.known()?).await?.ok_or_else(Problem::not_found)?;
    let (body, tag) = shown(&state, &view).await?;
    if is_fresh_as_shown(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(tagged(StatusCode::OK, body, tag).into_response())
}

/// Changes a show. Whoever added it may; its date once it was postponed only operators.
#[utoipa::path(
    patch, path = "/api/shows/{id}", operation_id = "changeShow", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body = ShowEdits,
    responses((status = 200, body = ShowJson, description = "The show as it is now.", headers(("etag" = String))), Refusals),
)]
async fn change(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ShowId>,
    headers: HeaderMap,
    JsonBody(draft): JsonBody<ShowDraft>,
) -> Result<Response, Problem> {
    let (changes, venue) = draft.changes(state.market.now())?;
    let (id, expected) = (id.known()?, expected_version(&headers));
    state.limits.count(Limit::Edits, who.user, state.market.now())?;
    let by = state.caller(who).await?;
    let edited = state.market.edit_show(id, by, changes, venue, expected).await;
    let view = edited.map_err(|error| problem(error, state.market.now()))?;
    Ok(one(&state, StatusCode::OK, &view).await?.into_response())
}

/// Takes away a show that nothing hangs on.
#[utoipa::path(
    delete, path = "/api/shows/{id}", operation_id = "deleteShow", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    responses((status = 204, description = "The show is gone."), Refusals),
)]
async fn delete(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ShowId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers);
    let by = state.caller(who).await?;
    let deleted = state.market.delete_show(id.known()?, by, expected).await;
    deleted.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// When a show takes place instead.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Postponement {
    /// The new start, in the future; without one nobody knows yet.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Field<Option<Time>>,
}

/// Moves a show to another time, or to one that is not known yet. Only operators may.
#[utoipa::path(
    post, path = "/api/shows/{id}/postpone", operation_id = "postponeShow", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body = Postponement,
    responses((status = 200, body = ShowJson, description = "The show as it is now.", headers(("etag" = String))), Refusals),
)]
async fn postpone(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ShowId>,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<Postponement>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let start = asked.starts_at.optional().and_then(|start| {
        start.flatten().map(|start| in_future(start, state.market.now())).transpose()
    });
    let start = faults.note("startsAt", start).ok_or_else(|| faults.into_problem())?;
    let (id, expected) = (id.known()?, expected_version(&headers));
    let by = state.caller(who).await?;
    let moved = state.market.postpone_show(id, by, start, expected).await;
    let view = moved.map_err(|error| problem(error, state.market.now()))?;
    Ok(one(&state, StatusCode::OK, &view).await?.into_response())
}

/// Why a show does not take place.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ShowCancellation {
    /// Why: 1 to 500 visible characters, trimmed.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 500)]
    reason: Field<Notes>,
}

/// Cancels a show, for good. Nothing of it can be ordered any more; its open orders end and every paid one
/// is paid back in full, which goes on behind. Only operators may.
#[utoipa::path(
    post, path = "/api/shows/{id}/cancel", operation_id = "cancelShow", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body = ShowCancellation,
    responses((status = 200, body = ShowJson, description = "The show as it is now.", headers(("etag" = String))), Refusals),
)]
async fn cancel(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ShowId>,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<ShowCancellation>,
) -> Result<Response, Problem> {
    let reason = Faults::alone("reason", asked.reason.required())?;
    let (id, expected) = (id.known()?, expected_version(&headers));
    let by = state.caller(who).await?;
    let cancelled = state.market.cancel_show(id, by, reason, expected).await;
    let view = cancelled.map_err(|error| problem(error, state.market.now()))?;
    Ok(one(&state, StatusCode::OK, &view).await?.into_response())
}

/// A show as a calendar file.
#[utoipa::path(
    get, path = "/api/shows/{id}/calendar.ics", operation_id = "getShowCalendar", tag = "shows", params(("id" = String, Path)),
    responses(
        (status = 200, body = String, content_type = "text/calendar", description = "The show as a calendar file."),
        Refusals,
    ),
)]
async fn calendar_file(
    State(state): State<ApiState>,
    id: PathId<ShowId>,
) -> Result<Response, Problem> {
    let view = state.store.show(id.known()?).await?.ok_or_else(Problem::not_found)?;
    let origin = state.storefront.public_origin.as_deref();
    Ok(Entry::of(&view, origin).into_answer(NO_CACHE))
}
