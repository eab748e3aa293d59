//! `/api/tickets`: listing, browsing, editing and withdrawing.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::answer::Answer;
use super::edge::body::Written;
use super::edge::conditional::{
    etag, expected_version, is_fresh, is_fresh_as_shown, not_modified, shown_etag,
};
use super::edge::docs::{Changes, IdempotencyKeyHeader, IfMatchHeader, PageParams, Refusals};
use super::edge::errors::problem;
use super::edge::idempotency::{Remembered, Repeatable, answered_by};
use super::edge::json::{JsonBody, JsonObject};
use super::edge::paging::{Cursor, PageRequest, Query, not_a_cursor, page};
use super::edge::path::PathId;
use super::edge::problem::{FieldError, Problem};
use super::state::{ApiState, MaybeSignedIn, SignedIn};
use super::ticket_draft::{Said, TicketDraft, listing};
use super::ticket_json;
use super::ticket_passes::{with_passes, with_passes_of};
use super::views::TicketJson;
use crate::actors::{IdempotencyKey, TicketChanges as TicketEdits};
use crate::auth::Limit;
use crate::domain::visible::shows_nothing;
use crate::domain::{
    Currency, Label, Listing, ListingDraft, ListingFault, MAX_SEATS, PassesThere, Price,
    PriceError, ShowBrief, ShowId, Terms, Ticket, TicketId, Title,
};
use crate::store::{
    ReadError, SharedStore, TicketPage, TicketPosition, TicketQuery, TicketScope, TicketSort,
    search_words,
};

const PATH: &str = "/api/tickets";

/// The routes of tickets.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, replace, change, withdraw))
}

/// What to change of a ticket.
type TicketChanges = Changes<TicketDraft>;

/// Lists a ticket for sale.
#[utoipa::path(
    post, path = PATH, operation_id = "createTicket", tag = "tickets", security(("session" = []), ("bearer" = [])),
    params(IdempotencyKeyHeader),
    request_body = TicketDraft,
    responses(
        (status = 201, body = TicketJson, description = "The ticket is for sale.", headers(("location" = String), ("etag" = String))),
        Refusals,
    ),
)]
async fn create(
    State(state): State<ApiState>,
    who: SignedIn,
    request: Repeatable,
) -> Result<Response, Problem> {
    let idempotency = state.idempotency.clone();
    let work = async move |body: JsonObject, key: Option<IdempotencyKey>| {
        let said = body.read::<TicketDraft>()?.complete(&state)?;
        let terms = state.market.settings().terms;
        if state.market.settings().require_show && said.show.flatten().is_none() {
            return Err(FieldError::on("showId", "showId is needed").into());
        }
        let listing = listing(&said.listing, terms.most_seats)?;
        let show = said.show_now(&state).await?;
        let name = |show: &Arc<ShowBrief>| Title::accepted_before(show.name.as_str());
        let title = said.title.or_else(|| show.as_ref().map(name));
        let (Some(title), Some(price)) = (title, said.price) else {
            return Err(Problem::internal());
        };
        let country = show.as_ref().map(|show| show.venue.country);
        let caps = &state.market.settings().price_caps;
        if let Some(fault) = caps.fault(country, price, listing.face_value) {
            return Err(FieldError::on(fault.field(), fault.to_string()).into());
        }
        let listing = Listing { show, ..listing };
        state.limits.count(Limit::Listings, who.user, state.market.now())?;
        let created = move |ticket: &Ticket| created(ticket, &terms);
        let key = key.map(|key| answered_by(key, created));
        let listed = state.market.list_ticket(who.user, title, price, listing, key).await;
        let ticket = listed.map_err(|error| problem(error, state.market.now()))?;
        Ok((Extension(Remembered), created(&ticket)).into_response())
    };
    idempotency.once(who.user, request, work).await
}

/// The answer to a ticket that was just listed.
fn created(ticket: &Ticket, terms: &Terms) -> Answer {
    one(StatusCode::CREATED, ticket, terms).located(format!("{PATH}/{}", ticket.id))
}

fn one(status: StatusCode, ticket: &Ticket, terms: &Terms) -> Answer {
    let (body, tag) = shown(ticket, terms);
    tagged(status, body, tag)
}

/// How a ticket looks, and the etag of that: what is shown of a show changes without the ticket.
fn shown(ticket: &Ticket, terms: &Terms) -> (serde_json::Result<Vec<u8>>, HeaderValue) {
    let (body, version) = (ticket_json::ticket(ticket, terms), ticket.version.number());
    let tag = if shows_more(ticket) {
        shown_etag(version, body.as_deref().unwrap_or_default())
    } else {
        etag(version)
    };
    (body, tag)
}

/// Whether it shows more than its own row.
fn shows_more(ticket: &Ticket) -> bool {
    let has_passes = ticket.passes.is_some_and(|passes| passes != PassesThere::None);
    has_passes || ticket.show().is_some()
}

fn tagged(status: StatusCode, body: serde_json::Result<Vec<u8>>, tag: HeaderValue) -> Answer {
    Answer::written(status, body)
        .header(header::ETAG, tag)
        // Anyone may see a ticket, but it changes at any moment.
        .header(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

/// A ticket with its show as that is now, which its own row does not follow.
async fn with_show_of_now(store: &SharedStore, ticket: Ticket) -> Result<Ticket, ReadError> {
    let Some(id) = ticket.show().map(|show| show.id) else { return Ok(ticket) };
    let view = store.show(id).await?;
    Ok(view.map_or_else(|| ticket.clone(), |view| ticket.shown_with(Arc::new((&view).into()))))
}

/// The same for a page. Each show is read once.
async fn with_shows_of_now(
    store: &SharedStore,
    tickets: &[Arc<Ticket>],
) -> Result<Vec<Arc<Ticket>>, ReadError> {
    let mut known: BTreeMap<ShowId, Arc<ShowBrief>> = BTreeMap::new();
    let mut shown = Vec::with_capacity(tickets.len());
    for ticket in tickets {
        let Some(brief) = ticket.show() else {
            shown.push(ticket.clone());
            continue;
        };
        if !known.contains_key(&brief.id)
            && let Some(view) = store.show(brief.id).await?
        {
            known.insert(brief.id, Arc::new((&view).into()));
        }
        let now = known.get(&brief.id).filter(|now| ***now != *brief);
        shown.push(now.map_or_else(|| ticket.clone(), |now| ticket.shown_with(now.clone()).into()));
    }
    Ok(shown)
}

/// How a list of tickets may be narrowed and sorted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the query, which is read parameter by parameter")]
struct TicketFilters {
    /// Words that must all begin a word of the title, or of the show's name, a performer, the venue or
    /// the city. Accents and case do not count, nor do signs: a text of signs alone finds nothing.
    q: Option<String>,
    /// The show's id: only its tickets.
    show: Option<String>,
    /// Only tickets in this section. Capitals do not count.
    section: Option<String>,
    /// Only tickets of which so many can be ordered now.
    #[param(minimum = 1, maximum = 50)]
    quantity: Option<u32>,
    /// The lowest price with fees, in major units.
    #[param(minimum = 0)]
    min_price: Option<f64>,
    /// The highest price with fees, in major units.
    #[param(minimum = 0)]
    max_price: Option<f64>,
    /// The cheapest first, the dearest first, or (the default) the newest.
    #[param(inline)]
    sort: Option<SortName>,
    /// The signed-in user's own tickets, in every state.
    #[param(inline)]
    seller: Option<SellerName>,
}

/// The values of `sort`.
#[derive(Deserialize, ToSchema)]
enum SortName {
    #[serde(rename = "newest")]
    Newest,
    #[serde(rename = "price")]
    PriceAscending,
    #[serde(rename = "-price")]
    PriceDescending,
}

/// The values of `seller`.
#[derive(Deserialize, ToSchema)]
enum SellerName {
    #[serde(rename = "me")]
    Me,
}

/// Lists what is for sale, or the signed-in user's own tickets.
#[utoipa::path(
    get, path = PATH, operation_id = "listTickets", tag = "tickets", params(TicketFilters, PageParams),
    security((), ("session" = []), ("bearer" = [])),
    responses(
        (status = 200, body = Vec<TicketJson>, description = "A page of tickets.", headers(("link" = String, description = "The next page, if there is one."))),
        Refusals,
    ),
)]
async fn list(
    State(state): State<ApiState>,
    MaybeSignedIn(who): MaybeSignedIn,
    query: Query,
) -> Result<Response, Problem> {
    let terms = &state.market.settings().terms;
    let filters = by_price(read_filters(&query, state.currency, who)?, terms);
    let is_beyond = filters.scope.quantity.is_some_and(|quantity| quantity > terms.most_seats);
    let found = if is_beyond || asks_for_signs(&query) {
        TicketPage { tickets: Vec::new(), more: false }
    } else {
        state.store.tickets(&filters).await?
    };
    let shown = with_shows_of_now(&state.store, &found.tickets).await?;
    let shown = with_passes_of(&state, shown).await?;
    let tickets = Written(ticket_json::tickets(&shown, terms));
    let next = found.tickets.last().filter(|_| found.more).map(|last| cursor(filters.sort, last));
    let caching = if filters.seller.is_some() { "no-store" } else { "no-cache" };
    Ok(page(PATH, &query, tickets, next, HeaderValue::from_static(caching)))
}

/// Whether the search is for something that no title can be found by: it shows something, but no
/// letter and no digit. Without words it would find everything.
pub(super) fn asks_for_signs(query: &Query) -> bool {
    let text = query.one("q").ok().flatten().unwrap_or_default();
    !shows_nothing(text) && search_words(text).is_empty()
}

/// Bounds of what buyers pay as bounds of what sellers ask: one rises with the other.
fn by_price(filters: TicketQuery, terms: &Terms) -> TicketQuery {
    let rate = terms.fees.buyer;
    let (min, max) = (filters.min_price_minor, filters.max_price_minor);
    let min_price_minor = min.map(|least| rate.lowest_price(least));
    let max_price_minor = max.map(|most| rate.highest_price(most));
    TicketQuery { min_price_minor, max_price_minor, ..filters }
}

fn read_filters(
    query: &Query,
    currency: Currency,
    who: Option<SignedIn>,
) -> Result<TicketQuery, Problem> {
    // Who asks comes before what is asked.
    let seller = match query.one("seller") {
        Ok(None) => Ok(None),
        Ok(Some("me")) => Ok(Some(who.ok_or_else(Problem::unauthorized)?.user)),
        Ok(Some(_)) => Err(FieldError::on("seller", "seller must be \"me\"")),
        Err(error) => Err(error),
    };
    let sort = read_sort(query);
    let page = PageRequest::from_query(query);
    let bound = |name| read_bound(query, name, currency);
    let (min_price, max_price) = (bound("minPrice"), bound("maxPrice"));
    let words = query.one("q").map(|text| text.map(search_words).unwrap_or_default());
    let scope = read_scope(query);
    let after = match (&sort, &page) {
        (Ok(sort), Ok(PageRequest { after: Some(cursor), .. })) => {
            position(*sort, cursor).ok_or_else(not_a_cursor).map(Some)
        }
        _ => Ok(None),
    };
    match (seller, sort, page, min_price, max_price, words, after, scope) {
        (Ok(seller), Ok(sort), Ok(page), Ok(min), Ok(max), Ok(words), Ok(after), Ok(scope)) => {
            Ok(TicketQuery {
                seller,
                scope,
                words,
                min_price_minor: min,
                max_price_minor: max,
                sort,
                after,
                limit: page.limit,
            })
        }
        (seller, sort, page, min, max, words, after, scope) => {
            let mut errors: Vec<FieldError> = Vec::new();
            errors.extend(words.err());
            errors.extend(scope.err().unwrap_or_default());
            errors.extend(min.err());
            errors.extend(max.err());
            errors.extend(sort.err());
            errors.extend(seller.err());
            errors.extend(page.err().unwrap_or_default());
            errors.extend(after.err());
            Err(Problem::validation(errors))
        }
    }
}

/// Which tickets are asked for, or all that is wrong with how they are.
fn read_scope(query: &Query) -> Result<TicketScope, Vec<FieldError>> {
    let show = query.one("show").and_then(|text| {
        let id = text.map(str::parse::<ShowId>).transpose();
        id.map_err(|_| FieldError::on("show", "show must be a show's id"))
    });
    let section = query.one("section").and_then(|text| {
        let name = text.map(Label::parse).transpose();
        name.map_err(|error| FieldError::on("section", format!("section {error}")))
    });
    let quantity = query.one("quantity").and_then(|text| {
        let Some(text) = text else { return Ok(None) };
        let quantity = text.parse().ok().filter(|quantity| (1..=MAX_SEATS).contains(quantity));
        let refused = || FieldError::on("quantity", ListingFault::Quantity.to_string());
        quantity.ok_or_else(refused).map(Some)
    });
    match (show, section, quantity) {
        (Ok(show), Ok(section), Ok(quantity)) => Ok(TicketScope { show, section, quantity }),
        (show, section, quantity) => {
            Err([show.err(), section.err(), quantity.err()].into_iter().flatten().collect())
        }
    }
}

fn read_sort(query: &Query) -> Result<TicketSort, FieldError> {
    match query.one("sort")? {
        None | Some("newest") => Ok(TicketSort::Newest),
        Some("price") => Ok(TicketSort::PriceAscending),
        Some("-price") => Ok(TicketSort::PriceDescending),
        Some(_) => Err(FieldError::on("sort", "sort must be newest, price or -price")),
    }
}

/// A bound need not be a price that a ticket could have: it may be zero or above the highest.
fn read_bound(
    query: &Query,
    name: &'static str,
    currency: Currency,
) -> Result<Option<u64>, FieldError> {
    let Some(text) = query.one(name)? else { return Ok(None) };
    match Price::parse(text, currency) {
        Ok(price) => Ok(Some(price.minor())),
        Err(PriceError::NotPositive) if !text.starts_with('-') => Ok(Some(0)),
        Err(PriceError::TooHigh { .. }) => Ok(Some(u64::MAX)),
        Err(PriceError::NotPositive) => {
            Err(FieldError::on(name, format!("{name} must not be negative")))
        }
        Err(PriceError::NotANumber | PriceError::TooPrecise { .. }) => {
            Err(FieldError::on(name, format!("{name} must be an amount of {currency}")))
        }
    }
}

/// A cursor names the sort it belongs to, the price and the id of the last ticket shown.
fn cursor(sort: TicketSort, last: &Ticket) -> Cursor {
    let mut payload = vec![sort_tag(sort)];
    payload.extend(last.price.minor().to_be_bytes());
    payload.extend(last.id.as_u128().to_be_bytes());
    Cursor::new(payload)
}

fn position(sort: TicketSort, cursor: &Cursor) -> Option<TicketPosition> {
    let (tag, rest) = cursor.payload().split_first()?;
    let (price, id) = rest.split_at_checked(8)?;
    let price_minor = u64::from_be_bytes(price.try_into().ok()?);
    let id = TicketId::from_u128(u128::from_be_bytes(id.try_into().ok()?));
    (*tag == sort_tag(sort)).then_some(TicketPosition { price_minor, id })
}

fn sort_tag(sort: TicketSort) -> u8 {
    match sort {
        TicketSort::Newest => b'n',
        TicketSort::PriceAscending => b'p',
        TicketSort::PriceDescending => b'd',
    }
}

/// Shows a ticket.
#[utoipa::path(
    get, path = "/api/tickets/{id}", operation_id = "getTicket", tag = "tickets", params(("id" = String, Path)),
    responses(
        (status = 200, body = TicketJson, description = "The ticket.", headers(("etag" = String))),
        (status = 304, description = "The client has this version."),
        Refusals,
    ),
)]
async fn show(
    State(state): State<ApiState>,
    id: PathId<TicketId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ticket = state.store.ticket(id.known()?).await?.ok_or_else(Problem::not_found)?;
    let ticket = with_passes(&state, ticket).await?;
    // What shows its own row alone is known by its version, before anything is written.
    if !shows_more(&ticket) && is_fresh(&headers, ticket.version.number()) {
        return Ok(not_modified(ticket.version.number()));
    }
    let ticket = with_show_of_now(&state.store, ticket).await?;
    let (body, tag) = shown(&ticket, &state.market.settings().terms);
    if shows_more(&ticket) && is_fresh_as_shown(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    Ok(tagged(StatusCode::OK, body, tag).into_response())
}

/// Changes a listing: title and price, and whatever else is given.
#[utoipa::path(
    put, path = "/api/tickets/{id}", operation_id = "replaceTicket", tag = "tickets", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body = TicketDraft,
    responses((status = 200, body = TicketJson, description = "The ticket as it is now.", headers(("etag" = String))), Refusals),
)]
async fn replace(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<TicketId>,
    headers: HeaderMap,
    JsonBody(draft): JsonBody<TicketDraft>,
) -> Result<Response, Problem> {
    edit(&state, who, id, &headers, draft.complete(&state)?).await
}

/// Changes a listing: whatever is given.
#[utoipa::path(
    patch, path = "/api/tickets/{id}", operation_id = "changeTicket", tag = "tickets", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body = TicketChanges,
    responses((status = 200, body = TicketJson, description = "The ticket as it is now.", headers(("etag" = String))), Refusals),
)]
async fn change(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<TicketId>,
    headers: HeaderMap,
    JsonBody(draft): JsonBody<TicketDraft>,
) -> Result<Response, Problem> {
    edit(&state, who, id, &headers, draft.changes(&state)?).await
}

async fn edit(
    state: &ApiState,
    who: SignedIn,
    id: PathId<TicketId>,
    headers: &HeaderMap,
    said: Said,
) -> Result<Response, Problem> {
    let expected = expected_version(headers);
    let id = id.known()?;
    state.limits.count(Limit::Edits, who.user, state.market.now())?;
    let show = said.show_now(state).await?;
    let Said { title, price, listing, .. } = said;
    let listing = ListingDraft { show: said.show.map(|_| show), ..listing };
    let edits = TicketEdits { title, price, listing };
    let edited = state.market.edit_ticket(id, who.user, edits, expected).await;
    let ticket = edited.map_err(|error| problem(error, state.market.now()))?;
    let ticket = with_show_of_now(&state.store, ticket).await?;
    let ticket = with_passes(state, ticket).await?;
    Ok(one(StatusCode::OK, &ticket, &state.market.settings().terms).into_response())
}

/// Takes a listing off the market.
#[utoipa::path(
    delete, path = "/api/tickets/{id}", operation_id = "withdrawTicket", tag = "tickets", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    responses((status = 204, description = "The ticket is not for sale any more."), Refusals),
)]
async fn withdraw(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<TicketId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = expected_version(&headers);
    let withdrawn = state.market.withdraw_ticket(id.known()?, who.user, expected).await;
    withdrawn.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}
