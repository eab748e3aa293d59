//! How a list of shows is narrowed and sorted.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::edge::paging::{Cursor, PageRequest, Query, not_a_cursor};
use super::super::edge::problem::{FieldError, Problem};
use super::super::edge::times::{day, time};
use super::super::views::shows::CategoryJson;
use crate::domain::visible::shows_nothing;
use crate::domain::{Category, Country, Show, ShowId, Timestamp, VenueId};
use crate::store::{Moment, ShowPosition, ShowQuery, ShowSort, search_words};

/// How a list of shows may be narrowed and sorted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query, which is read parameter by parameter")]
pub(super) struct ShowFilters {
    /// Words that must all begin a word of the name, a performer, the venue or the city. Accents and
    /// case do not count.
    q: Option<String>,
    /// The city. Accents and case do not count.
    city: Option<String>,
    /// The country, by its ISO 3166-1 code of two capital letters.
    country: Option<String>,
    /// The kind of show.
    #[param(inline)]
    category: Option<CategoryJson>,
    /// The venue's id.
    venue: Option<String>,
    /// Only shows that start then or later: a time, or a day in the zone of each venue. By default
    /// now.
    from: Option<String>,
    /// Only shows that start then or earlier: a time, or a day, all of it, in the zone of each venue.
    to: Option<String>,
    /// The first to start first (the default), the last first, or the newest.
    #[param(inline)]
    sort: Option<ShowSortName>,
}

/// The values of `sort`.
#[derive(Deserialize, ToSchema)]
enum ShowSortName {
    #[serde(rename = "date")]
    Date,
    #[serde(rename = "-date")]
    DateDescending,
    #[serde(rename = "newest")]
    Newest,
}

/// Reads a query.
pub(super) fn read_filters(query: &Query, now: Timestamp) -> Result<ShowQuery, Problem> {
    let mut errors = Vec::new();
    let wanted = PageRequest::from_query(query);
    let sort = noted(&mut errors, read_sort(query));
    let words = noted(&mut errors, query.one("q")).flatten().map(search_words);
    let city = noted(&mut errors, query.one("city")).flatten();
    let country = noted(&mut errors, read(query, "country", |text| text.parse::<Country>().ok()));
    let category = noted(&mut errors, read(query, "category", Category::named));
    let venue = noted(&mut errors, read(query, "venue", |text| text.parse::<VenueId>().ok()));
    let from = noted(&mut errors, read(query, "from", moment));
    let to = noted(&mut errors, read(query, "to", moment));
    let after = match (&sort, &wanted) {
        (Some(sort), Ok(PageRequest { after: Some(cursor), .. })) => {
            noted(&mut errors, position(*sort, cursor).ok_or_else(not_a_cursor))
        }
        _ => None,
    };
    let limit = match wanted {
        Ok(wanted) => wanted.limit,
        Err(faults) => {
            errors.extend(faults);
            0
        }
    };
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    Ok(ShowQuery {
        words: words.unwrap_or_default(),
        city: city.filter(|city| !shows_nothing(city)).map(str::to_owned),
        country: country.flatten(),
        category: category.flatten(),
        venue: venue.flatten(),
        from: Some(from.flatten().unwrap_or(Moment::At(now))),
        to: to.flatten(),
        sort: sort.unwrap_or(ShowSort::Date),
        after,
        limit,
    })
}

fn noted<T>(errors: &mut Vec<FieldError>, read: Result<T, FieldError>) -> Option<T> {
    read.map_err(|error| errors.push(error)).ok()
}

/// A parameter that must be one of something, if it is there.
fn read<'q, T>(
    query: &'q Query,
    name: &'static str,
    parse: impl Fn(&'q str) -> Option<T>,
) -> Result<Option<T>, FieldError> {
    let Some(text) = query.one(name)? else { return Ok(None) };
    let must_be = match name {
        "country" => "a country's ISO 3166-1 code of two capital letters",
        "category" => "concert, sports, theatre, comedy, festival or other",
        "venue" => "a venue's id",
        _ => "a time with its offset, such as 2026-11-22T20:00:00+01:00, or a day, 2026-11-22",
    };
    parse(text).map(Some).ok_or_else(|| FieldError::on(name, format!("{name} must be {must_be}")))
}

fn moment(text: &str) -> Option<Moment> {
    time(text).map(Moment::At).or_else(|| day(text).map(Moment::Day))
}

fn read_sort(query: &Query) -> Result<ShowSort, FieldError> {
    match query.one("sort")? {
        None | Some("date") => Ok(ShowSort::Date),
        Some("-date") => Ok(ShowSort::DateDescending),
        Some("newest") => Ok(ShowSort::Newest),
        Some(_) => Err(FieldError::on("sort", "sort must be date, -date or newest")),
    }
}

/// A cursor names the sort it belongs to, the start and the id of the last show.
pub(super) fn cursor(sort: ShowSort, last: &Show) -> Cursor {
    let mut payload = vec![tag(sort)];
    payload.extend(last.facts.starts_at.as_millis().to_be_bytes());
    payload.extend(last.id.as_u128().to_be_bytes());
    Cursor::new(payload)
}

fn position(sort: ShowSort, cursor: &Cursor) -> Option<ShowPosition> {
    let (kind, rest) = cursor.payload().split_first()?;
    let (start, id) = rest.split_at_checked(8)?;
    let starts_at = Timestamp::from_millis(i64::from_be_bytes(start.try_into().ok()?));
    let id = ShowId::from_u128(u128::from_be_bytes(id.try_into().ok()?));
    (*kind == tag(sort)).then_some(ShowPosition { starts_at, id })
}

fn tag(sort: ShowSort) -> u8 {
    match sort {
        ShowSort::Date => b's',
        ShowSort::DateDescending => b'e',
        ShowSort::Newest => b'w',
    }
}
