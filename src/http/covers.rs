//! `/api/shows/{id}/cover`: the pictures of shows.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::caching::NO_CACHE;
use super::edge::codes::Code;
use super::edge::conditional::{etag, expected_version, is_fresh, not_modified};
use super::edge::docs::{IfMatchHeader, Refusals};
use super::edge::errors::problem;
use super::edge::json::read_body;
use super::edge::paging::Query;
use super::edge::path::PathId;
use super::edge::problem::Problem;
use super::shows::one;
use super::state::{ApiState, SignedIn};
use super::views::shows::ShowJson;
use crate::auth::Limit;
use crate::domain::{Caller, Cover, ExpectedVersion, Picture, ShowCommand, ShowId};
use crate::pictures::{self, PictureError};

/// The largest picture that is read, in bytes.
const MAX_BYTES: usize = 10 << 20;
/// A picture at its own address never changes.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Decoding a picture may take 200 MB, so one is decoded after the other.
static DECODING: Semaphore = Semaphore::const_new(1);

/// The routes of covers.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(show, put)).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Shows the picture of a show, as a JPEG.
#[utoipa::path(
    get, path = "/api/shows/{id}/cover", operation_id = "getShowCover", tag = "shows",
    params(("id" = String, Path), ("v" = Option<u64>, Query, description = "Which picture, as `coverUrl` says; only the latest is kept.")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "image/jpeg", description = "The picture.", headers(("etag" = String))),
        (status = 304, description = "The client has this picture."),
        Refusals,
    ),
)]
async fn show(
    State(state): State<ApiState>,
    id: PathId<ShowId>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cover = state.store.get::<Cover>(id.known()?).await?.ok_or_else(Problem::not_found)?;
    let version = cover.version.number();
    let is_its_own = query.one("v")?.is_some_and(|asked| asked == version.to_string());
    let caching = [(header::CACHE_CONTROL, if is_its_own { FOREVER } else { NO_CACHE })];
    if is_fresh(&headers, version) {
        return Ok((caching, not_modified(version)).into_response());
    }
    let told = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (header::ETAG, etag(version)),
    ];
    Ok((caching, told, Bytes::from_owner(cover.picture.0)).into_response())
}

/// Gives a show a cover: a JPEG, PNG or WebP of at most 10 MiB and 20 million pixels, told by its bytes,
/// which is encoded anew. Operators may, and its creator as long as nobody else lists for it and nothing
/// of it was ever ordered.
#[utoipa::path(
    put, path = "/api/shows/{id}/cover", operation_id = "putShowCover", tag = "shows", security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path), IfMatchHeader),
    request_body(content(
        (Vec<u8> = "image/jpeg"),
        (Vec<u8> = "image/png"),
        (Vec<u8> = "image/webp"),
    )),
    responses((status = 200, body = ShowJson, description = "The show as it is now.", headers(("etag" = String))), Refusals),
)]
async fn put(
    State(state): State<ApiState>,
    who: SignedIn,
    id: PathId<ShowId>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let (id, expected) = (id.known()?, expected_version(&headers));
    let by = state.caller(who).await?;
    state.limits.count(Limit::Edits, who.user, state.market.now())?;
    may(&state, id, by, &expected).await?;
    let bytes = read_body(request).await?;
    let picture = decoded(bytes.into()).await?;
    let illustrated = state.market.illustrate_show(id, by, picture, expected).await;
    let view = illustrated.map_err(|error| problem(error, state.market.now()))?;
    Ok(one(&state, StatusCode::OK, &view).await?.into_response())
}

/// Nobody makes the server decode what it would not take from them.
async fn may(
    state: &ApiState,
    id: ShowId,
    by: Caller,
    expected: &ExpectedVersion,
) -> Result<(), Problem> {
    let view = state.store.show(id).await?.ok_or_else(Problem::not_found)?;
    let asked = ShowCommand::Illustrate(Picture(Arc::new([])));
    let now = state.market.now();
    let decided = view.show.decide(&asked, Some(by), expected, now);
    decided.map(|_| ()).map_err(|rejection| problem(rejection.into(), now))
}

async fn decoded(bytes: Vec<u8>) -> Result<Picture, Problem> {
    // It is never closed.
    let _turn = DECODING.acquire().await.map_err(|_| Problem::internal())?;
    let made = tokio::task::spawn_blocking(move || pictures::for_pages(&bytes)).await;
    let made = made.map_err(|error| {
        tracing::error!(%error, "a picture could not be decoded");
        Problem::internal()
    })?;
    made.map(|bytes| Picture(bytes.into())).map_err(refusal)
}

fn refusal(error: PictureError) -> Problem {
    let detail = format!("The picture {error}.");
    match error {
        PictureError::TooLarge => Problem::new(Code::PayloadTooLarge, detail),
        PictureError::Unknown | PictureError::Broken => Problem::unsupported_media_type(detail),
    }
}
