//! `/api/venues`: where shows take place.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::answer::Answer;
use super::edge::body::Json;
use super::edge::caching::NO_CACHE;
use super::edge::conditional::{etag, expected_version, is_fresh, not_modified};
use super::edge::docs::{Changes, IfMatchHeader, PageParams, Refusals};
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, FieldValue, Given, Refused};
use super::edge::json::JsonBody;
use super::edge::paging::{Cursor, PageRequest, Query, not_a_cursor, page};
use super::edge::path::PathId;
use super::edge::problem::{FieldError, Problem};
use super::state::{ApiState, SignedIn};
use super::tickets::asks_for_signs;
use super::views::shows::VenueJson;
use crate::auth::Limit;
use crate::domain::venue::MAX_SECTIONS;
use crate::domain::{
    Address, Country, Label, Locality, Name, Venue, VenueChanges, VenueFacts, VenueId, ZoneName,
};
use crate::store::{VenuePage, VenueQuery, search_words};

const PATH: &str = "/api/venues";

/// The routes of venues.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(show, change, delete))
}

/// What is said of a venue.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VenueDraft {
    /// What it is called: 1 to 200 visible characters, trimmed.
    #[serde(default)]
    #[schema(value_type = String, required, example = "Waldbühne", min_length = 1)]
    name: Field<Name>,
    /// The city it is in or near: 1 to 100 characters.
    #[serde(default)]
    #[schema(value_type = String, required, example = "Berlin", min_length = 1)]
    city: Field<Locality>,
    /// The state, province or county.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    region: Field<Option<Locality>>,
    /// The country, by its ISO 3166-1 code of two capital letters.
    #[serde(default)]
    #[schema(value_type = String, required, example = "DE", pattern = "^[A-Z]{2}$")]
    country: Field<Country>,
    /// The time zone, by its IANA name.
    #[serde(default)]
    #[schema(value_type = String, required, example = "Europe/Berlin")]
    time_zone: Field<ZoneName>,
    /// Where it stands: up to 300 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    address: Field<Option<Address>>,
    /// The sections that a ticket may be for, each of 1 to 40 characters; none if any text is accepted.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 500)]
    sections: Field<Vec<Label>>,
}

/// What to change of a venue.
type VenueEdits = Changes<VenueDraft>;

impl VenueDraft {
    fn complete(self) -> Result<VenueFacts, Problem> {
        let mut faults = Faults::default();
        let name = faults.note("name", self.name.required());
        let city = faults.note("city", self.city.required());
        let region = faults.note("region", self.region.optional());
        let country = faults.note("country", self.country.required());
        let time_zone = faults.note("timeZone", self.time_zone.required());
        let address = faults.note("address", self.address.optional());
        let sections = faults.note("sections", self.sections.optional().and_then(sound));
        match (name, city, region, country, time_zone, address, sections) {
            (
                Some(name),
                Some(city),
                Some(region),
                Some(country),
                Some(time_zone),
                Some(address),
                Some(sections),
            ) => Ok(VenueFacts {
                name,
                city,
                region: region.flatten(),
                country,
                time_zone,
                address: address.flatten(),
                sections: sections.unwrap_or_default(),
                imported: None,
            }),
            _ => Err(faults.into_problem()),
        }
    }

    fn changes(self) -> Result<VenueChanges, Problem> {
        let mut faults = Faults::default();
        let name = faults.note("name", self.name.optional());
        let city = faults.note("city", self.city.optional());
        let region = faults.note("region", self.region.optional());
        let country = faults.note("country", self.country.optional());
        let time_zone = faults.note("timeZone", self.time_zone.optional());
        let address = faults.note("address", self.address.optional());
        let sections = faults.note("sections", self.sections.optional().and_then(sound));
        match (name, city, region, country, time_zone, address, sections) {
            (
                Some(name),
                Some(city),
                Some(region),
                Some(country),
                Some(time_zone),
                Some(address),
                Some(sections),
            ) => Ok(VenueChanges {
                name,
                city,
                region,
                country,
                time_zone,
                address,
                sections,
                imported: None,
            }),
            _ => Err(faults.into_problem()),
        }
    }
}

/// Sections, if there are not too many and each is there once.
fn sound(sections: Option<Vec<Label>>) -> Result<Option<Vec<Label>>, Refused> {
    let Some(sections) = sections else { return Ok(None) };
    if sections.len() > MAX_SECTIONS {
        return Err(Refused::named("must name at most 500 sections"));
    }
    if has_repeats(&sections) {
        return Err(Refused::named("must not repeat a name"));
    }
    Ok(Some(sections))
}

/// Whether something is in a list twice.
pub(super) fn has_repeats<T: Ord>(list: &[T]) -> bool {
    let mut sorted: Vec<&T> = list.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

impl FieldValue for Country {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        given.text().unwrap_or_default().parse().map_err(Refused::after_name)
    }
}

impl FieldValue for ZoneName {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        given.text().unwrap_or_default().parse().map_err(Refused::after_name)
    }
}

/// Adds a venue.
#[utoipa::path(
    post, path = PATH, operation_id = "createVenue", tag = "shows", security(("session" = []), ("bearer" = [])),
    request_body = VenueDraft,
    responses(
        (status = 201, body = VenueJson, description = "The venue is there.", headers(("location" = String), ("etag" = String))),
        Refusals,
    ),
)]
async fn create(
    State(state): State<ApiState>,
    who: SignedIn,
    JsonBody(draft): JsonBody<VenueDraft>,
) -> Result<Response, Problem> {
    let facts = draft.complete()?;
    state.limits.count(Limit::Listings, who.user, state.market.now())?;
    let by = state.caller(who).await?;
    let added = state.market.add_venue(by, facts).await;
    let venue = added.map_err(|error| problem(error, state.market.now()))?;
    Ok(one(StatusCode::CREATED, &venue).located(format!("{PATH}/{}", venue.id)).into_response())
}

fn one(status: StatusCode, venue: &Venue) -> Answer {
    Answer::json(status, &VenueJson::from(venue))
        .header(header::ETAG, etag(venue.version.number()))
        .header(header::CACHE_CONTROL, NO_CACHE)
}

/// How a list of venues may be narrowed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query, which is read parameter by parameter")]
struct VenueFilters {
    /// Words that must all begin a word of the name or the city. Accents and case do not count.
    q: Option<String>,
}

/// Lists venues, newest first.
#[utoipa::path(
    get, path = PATH, operation_id = "listVenues", tag = "shows", params(VenueFilters, PageParams),
    responses(
        (status = 200, body = Vec<VenueJson>, description = "A page of venues.", headers(("link" = String, description = "The next page, if there is one."))),
        Refusals,
    ),
)]
async fn list(State(state): State<ApiState>, query: Query) -> Result<Response, Problem> {
    let wanted = PageRequest::from_query(&query);
    let words = query.one("q").map(|text| text.map(search_words).unwrap_or_default());
    let after = match &wanted {
        Ok(PageRequest { after: Some(cursor), .. }) => position(cursor).map(Some),
        _ => Ok(None),
    };
    let (Ok(wanted), Ok(words), Ok(after)) = (&wanted, &words, &after) else {
        let mut errors: Vec<FieldError> = words.err().into_iter().collect();
        errors.extend(wanted.err().unwrap_or_default());
        errors.extend(after.err());
        return Err(Problem::validation(errors));
    };
    let found = if asks_for_signs(&query) {
        VenuePage { venues: Vec::new(), more: false }
    } else {
        let asked = VenueQuery { words: words.clone(), after: *after, limit: wanted.limit };
        state.store.venues(&asked).await?
    };
    let next = found.venues.last().filter(|_| found.more).map(|last| cursor(last.id));
    let venues: Vec<VenueJson<'_>> = found.venues.iter().map(VenueJson::from).collect();
    Ok(page(PATH, &query, Json(venues), next, NO_CACHE))
}

fn cursor(last: VenueId) -> Cursor {
    Cursor::new([&b"v"[..], &last.as_u128().to_be_bytes()].concat())
}

fn position(cursor: &Cursor) -> Result<VenueId, FieldError> {
    let bytes = cursor.payload().strip_prefix(b"v").and_then(|id| id.try_into().ok());
    bytes.map(|bytes| VenueId::from_u128(u128::from_be_bytes(bytes))).ok_or_else(not_a_cursor)
}

/// Shows a venue.
#[utoipa::path(
    get, path = "/api/venues/{id}", operation_id = "getVenue", tag = "shows", params(("id" = String, Path)),
    responses(
        (status = 200, body = VenueJson, description = "The venue.", headers(("etag" = String))),
        (status = 304, description = "The client has this version."),
        Refusals,
    ),
)]
async fn show(
    State(state): State<ApiState>,
    id: PathId<VenueId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let venue = state.store.get::<Venue>(id.known()?).await?.ok_or_else(Problem::not_found)?;
    if is_fresh(&headers, venue.version.number()) {
        return Ok(not_modified(venue.version.number()));
    }
    Ok(one(StatusCode::OK, &venue).into_response())
}

/// Changes a venue. Whoever added it may, as long as nobody else has a show there.
#[utoipa::path(
    patch, path = "/api/venues/{id}", operation_id = "changeVenue", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body = VenueEdits,
    responses((status = 200, body = VenueJson, description = "The venue as it is now.", headers(("etag" = String))), Refusals),
)]
async fn change(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<VenueId>,
    headers: HeaderMap,
    JsonBody(draft): JsonBody<VenueDraft>,
) -> Result<Response, Problem> {
    let changes = draft.changes()?;
    let (id, expected) = (id.known()?, expected_version(&headers));
    state.limits.count(Limit::Edits, who.user, state.market.now())?;
    let by = state.caller(who).await?;
    let edited = state.market.edit_venue(id, by, changes, expected).await;
    let venue = edited.map_err(|error| problem(error, state.market.now()))?;
    Ok(one(StatusCode::OK, &venue).into_response())
}

/// Takes away a venue that has no shows.
#[utoipa::path(
    delete, path = "/api/venues/{id}", operation_id = "deleteVenue", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    responses((status = 204, description = "The venue is gone."), Refusals),
)]
async fn delete(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<VenueId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers);
    let by = state.caller(who).await?;
    let deleted = state.market.delete_venue(id.known()?, by, expected).await;
    deleted.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}
