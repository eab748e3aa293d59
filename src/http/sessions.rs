//! `/api/users/me/sessions`: where an account is signed in, and signing out from afar.

use std::cmp::Reverse;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::docs::{PageParams, Refusals};
use super::edge::errors::problem;
use super::edge::paging::{Cursor, PageRequest, Query, not_a_cursor, page};
use super::edge::path::PathId;
use super::edge::problem::{FieldError, Problem};
use super::state::{ApiState, BySession};
use super::views::Text;
use crate::domain::{Session, SessionId, Timestamp};

const PATH: &str = "/api/users/me/sessions";

/// The routes of sessions.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(end))
}

/// A sign-in that still counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
struct SessionJson {
    /// Names the session.
    #[schema(value_type = String, pattern = "^session_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    id: Text<SessionId>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    created_at: Text<Timestamp>,
    /// When it was last used, to within an hour.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Text<Timestamp>,
    /// What signed in, as far as it said; null if it did not say.
    #[schema(required, example = "Firefox (Linux)")]
    client: Option<String>,
    /// Whether it is the session that asks.
    current: bool,
}

/// Where a session stands in the list, which begins with the newest.
type Place = Reverse<(Timestamp, SessionId)>;

fn place(session: &Session) -> Place {
    Reverse((session.created_at, session.id))
}

/// Lists where the account is signed in, newest first.
#[utoipa::path(
    get, path = PATH, operation_id = "listSessions", tag = "accounts", params(PageParams),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, body = Vec<SessionJson>, description = "A page of sessions.", headers(("link" = String, description = "The next page, if there is one."))),
        Refusals,
    ),
)]
async fn list(
    State(state): State<ApiState>,
    who: BySession,
    query: Query,
) -> Result<Response, Problem> {
    let wanted = PageRequest::from_query(&query).map_err(Problem::validation)?;
    let after = wanted.after.as_ref().map(position).transpose()?;
    let (rules, now) = (state.market.settings().sessions, state.market.now());
    let mut sessions = state.store.sessions(who.user).await?;
    sessions.retain(|session| {
        !rules.is_over(session, now) && after.is_none_or(|after| place(session) > after)
    });
    sessions.sort_unstable_by_key(place);
    let has_more = sessions.len() > wanted.limit;
    sessions.truncate(wanted.limit);
    let next = sessions.last().filter(|_| has_more).map(cursor);
    let shown = |session: &Session| SessionJson {
        id: Text(session.id),
        // One of which only the end is known could seem to begin in the future.
        created_at: Text(session.created_at.min(now)),
        last_seen_at: Text(session.last_seen_at.min(now)),
        client: session.client.as_ref().map(|name| name.as_str().to_owned()),
        current: session.id == who.session,
    };
    let shown: Vec<SessionJson> = sessions.iter().map(shown).collect();
    Ok(page(PATH, &query, Json(shown), next, NO_STORE))
}

fn cursor(last: &Session) -> Cursor {
    let (at, id) = (last.created_at.as_millis().to_be_bytes(), last.id.as_u128().to_be_bytes());
    Cursor::new([&b"s"[..], &at, &id].concat())
}

fn position(cursor: &Cursor) -> Result<Place, FieldError> {
    let parts = || {
        let (at, id) = cursor.payload().strip_prefix(b"s")?.split_first_chunk::<8>()?;
        let at = Timestamp::from_millis(i64::from_be_bytes(*at));
        Some((at, SessionId::from_u128(u128::from_be_bytes(id.try_into().ok()?))))
    };
    parts().map(Reverse).ok_or_else(not_a_cursor)
}

/// Ends one of the account's sessions.
#[utoipa::path(
    delete, path = "/api/users/me/sessions/{id}", operation_id = "endSession", tag = "accounts",
    security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses((status = 204, description = "It has ended."), Refusals),
)]
async fn end(
    State(state): State<ApiState>,
    who: BySession,
    id: PathId<SessionId>,
) -> Result<StatusCode, Problem> {
    let id = id.known()?;
    let (rules, now) = (state.market.settings().sessions, state.market.now());
    let session = state.store.session(who.user, id).await?;
    if session.is_none_or(|session| rules.is_over(&session, now)) {
        return Err(Problem::not_found());
    }
    let ended = state.market.end_session(who.user, id).await;
    ended.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}
