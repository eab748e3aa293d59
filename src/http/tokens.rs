//! `/api/users/me/tokens`: how programs act for an account.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::credentials::{GivenPassword, prove_password, wrong_password};
use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::docs::{PageParams, Refusals};
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, FieldValue, Given, Refused};
use super::edge::json::JsonBody;
use super::edge::paging::{Cursor, PageRequest, Query, not_a_cursor, page};
use super::edge::path::PathId;
use super::edge::problem::{FieldError, Problem};
use super::state::{ApiState, BySession, ClientAddress};
use super::views::Text;
use crate::actors::MarketError;
use crate::auth::TokenSecret;
use crate::domain::{ApiToken, ApiTokens, Kept as _, Timestamp, TokenId, TokenName};
use crate::store::{Page, Place};

const PATH: &str = "/api/users/me/tokens";

/// The routes of tokens.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(revoke))
}

/// What a new token needs.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenDraft {
    /// What it is for.
    #[serde(default)]
    #[schema(value_type = String, required, example = "box office", min_length = 1, max_length = 100)]
    name: Field<TokenName>,
    /// The password the account has now.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 128)]
    current_password: Field<GivenPassword>,
}

impl FieldValue for TokenName {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        Self::parse(given.text().unwrap_or_default()).map_err(Refused::because)
    }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = NewToken)]
struct NewTokenJson {
    /// Names the token.
    #[schema(value_type = String, pattern = "^token_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    id: Text<TokenId>,
    /// What it is for.
    name: String,
    /// The token itself, to be sent as `Authorization: Bearer …`. It is told this once.
    #[schema(example = "gittix_AZq1…")]
    token: String,
}

/// A token, without what it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Token)]
struct TokenJson {
    /// Names the token.
    #[schema(value_type = String, pattern = "^token_[0-7][0-9a-hjkmnp-tv-z]{25}$")]
    id: Text<TokenId>,
    /// What it is for.
    name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Text<Timestamp>,
    /// When it was last used, to within five minutes; null if it never was.
    #[schema(value_type = Option<String>, required, format = DateTime)]
    last_used_at: Option<Text<Timestamp>>,
}

/// Makes a token with which a program acts for the account. It can't change the account itself.
#[utoipa::path(
    post, path = PATH, operation_id = "createToken", tag = "accounts", request_body = TokenDraft,
    security(("session" = []), ("bearer" = [])),
    responses((status = 201, body = NewTokenJson, description = "The token, told this once."), Refusals),
)]
async fn create(
    State(state): State<ApiState>,
    who: BySession,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<TokenDraft>,
) -> Result<Response, Problem> {
    let user = state.store.user(who.user).await?.ok_or_else(Problem::unauthorized)?;
    let mut faults = Faults::default();
    let name = faults.note("name", body.name.required());
    let current = faults.note("currentPassword", body.current_password.required());
    let (Some(name), Some(current)) = (name, current) else { return Err(faults.into_problem()) };
    prove_password(&state, &user, address, current).await?;
    let secret = TokenSecret::random(&*state.entropy);
    let made = state.market.create_token(&user, name, secret.hash()).await;
    let made = made.map_err(|error| match error {
        MarketError::PasswordChanged => wrong_password(),
        error => problem(error, state.market.now()),
    })?;
    let body = NewTokenJson {
        id: Text(made.id),
        name: made.name.as_str().to_owned(),
        token: secret.text(made.id),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

/// Lists the account's tokens, newest first.
#[utoipa::path(
    get, path = PATH, operation_id = "listTokens", tag = "accounts", params(PageParams),
    security(("session" = []), ("bearer" = [])),
    responses(
        (status = 200, body = Vec<TokenJson>, description = "A page of tokens.", headers(("link" = String, description = "The next page, if there is one."))),
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
    let list = ApiToken::any_list(ApiTokens::Of(who.user));
    // One more than shown tells whether more follow.
    let asked = Page { list, after, descending: true, limit: wanted.limit + 1 };
    let mut found = state.store.page::<ApiToken>(asked).await?;
    let has_more = found.len() > wanted.limit;
    found.truncate(wanted.limit);
    let next = found.last().filter(|_| has_more);
    let next = next.map(|(place, _)| Cursor::new([b"t", place.0.as_slice()].concat()));
    let shown = |(_, token): &(Place, ApiToken)| TokenJson {
        id: Text(token.id),
        name: token.name.as_str().to_owned(),
        created_at: Text(token.created_at),
        last_used_at: token.last_used_at.map(Text),
    };
    let shown: Vec<TokenJson> = found.iter().map(shown).collect();
    Ok(page(PATH, &query, Json(shown), next, NO_STORE))
}

fn position(cursor: &Cursor) -> Result<Place, FieldError> {
    let place = cursor.payload().strip_prefix(b"t").ok_or_else(not_a_cursor)?;
    Ok(Place(place.to_vec()))
}

/// Ends a token.
#[utoipa::path(
    delete, path = "/api/users/me/tokens/{id}", operation_id = "revokeToken", tag = "accounts",
    security(("session" = []), ("bearer" = [])),
    params(("id" = String, Path)),
    responses((status = 204, description = "It is good for nothing any more."), Refusals),
)]
async fn revoke(
    State(state): State<ApiState>,
    who: BySession,
    id: PathId<TokenId>,
) -> Result<StatusCode, Problem> {
    let revoked = state.market.revoke_token(who.user, id.known()?).await;
    revoked.map_err(|error| problem(error, state.market.now()))?;
    Ok(StatusCode::NO_CONTENT)
}
