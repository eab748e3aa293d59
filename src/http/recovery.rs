//! `/api/users/verification`, `/verify` and `/password-reset`: what somebody may do who reads the mail of
//! an account.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::ChosenPassword;
use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::docs::Refusals;
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field};
use super::edge::json::JsonBody;
use super::edge::problem::Problem;
use super::edge::request_id::CurrentRequest;
use super::state::{ApiState, BySession, ClientAddress};
use crate::actors::{MarketError, operators};
use crate::auth::{Limit, LinkToken, Standing};
use crate::domain::{Email, LinkPurpose};

/// The routes of verification and of forgotten passwords.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(send_verification))
        .routes(routes!(verify))
        .routes(routes!(forgotten))
        .routes(routes!(reset))
}

/// What a link in a message ends in.
#[derive(Deserialize, ToSchema)]
struct TokenOfLink {
    /// What follows `#token=` in the link.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1)]
    token: Field<String>,
}

/// Who has forgotten their password.
#[derive(Deserialize, ToSchema)]
struct ForgottenPassword {
    /// The account's address; compared without case.
    #[serde(default)]
    #[schema(value_type = String, required, example = "ana@example.com", format = Email, max_length = 254)]
    email: Field<Email>,
}

/// Another password for an account, by a link.
#[derive(Deserialize, ToSchema)]
struct NewPasswordByLink {
    /// What follows `#token=` in the link.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1)]
    token: Field<String>,
    /// The new password.
    #[serde(default)]
    #[schema(value_type = String, required, example = "correct horse battery", min_length = 8, max_length = 128)]
    password: Field<ChosenPassword>,
}

fn nothing(status: StatusCode) -> Response {
    (status, [(header::CACHE_CONTROL, NO_STORE)], Json(serde_json::json!({}))).into_response()
}

/// Sends the message again that verifies the account's address. Its link ends the one before.
#[utoipa::path(
    post, path = "/api/users/verification", operation_id = "sendVerification", tag = "accounts",
    security(("session" = []), ("bearer" = [])),
    responses((status = 202, body = serde_json::Value, description = "It is on its way, unless the address is verified already."), Refusals),
)]
async fn send_verification(
    State(state): State<ApiState>,
    who: BySession,
) -> Result<Response, Problem> {
    state.limits.count(Limit::Verifications, who.user, state.market.now())?;
    let sent = state.market.send_verification(who.user).await;
    sent.map_err(|error| match error {
        MarketError::NotFound => Problem::unauthorized(),
        error => problem(error, state.market.now()),
    })?;
    Ok(nothing(StatusCode::ACCEPTED))
}

/// Verifies an account's address: whoever has the link reads its mail.
#[utoipa::path(
    post, path = "/api/users/verify", operation_id = "verifyAddress", tag = "accounts", request_body = TokenOfLink,
    responses((status = 200, body = serde_json::Value, description = "The address is verified."), Refusals),
)]
async fn verify(
    State(state): State<ApiState>,
    JsonBody(body): JsonBody<TokenOfLink>,
) -> Result<Response, Problem> {
    let token = read(&Faults::alone("token", body.token.required())?, &state)?;
    let hash = |user: &_| token.hash(LinkPurpose::Verification, user);
    let verified = state.market.verify_address(token.user, hash).await;
    verified.map_err(|error| problem(error, state.market.now()))?;
    CurrentRequest::is_by(token.user.as_u128());
    Ok(nothing(StatusCode::OK))
}

/// Sends a link to choose another password to the address, if it has an account. The answer is the same
/// whether or not it has.
#[utoipa::path(
    post, path = "/api/users/password-reset", operation_id = "forgetPassword", tag = "accounts", request_body = ForgottenPassword,
    responses((status = 202, body = serde_json::Value, description = "A message is on its way if the address has an account."), Refusals),
)]
async fn forgotten(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<ForgottenPassword>,
) -> Result<Response, Problem> {
    let email = Faults::alone("email", body.email.required())?;
    let now = state.market.now();
    // In pools of their own, so that whoever asks for letters keeps nobody from signing in. Nothing is
    // given back: each is one that somebody might get.
    let pool = format!("reset {}", email.key().as_str());
    drop(state.throttle.attempt(&pool, address, Standing::Stranger, now)?);
    // Looking for the account is not waited for either: how long it takes would tell of it.
    tokio::spawn(async move {
        if let Err(why) = send_reset(&state, &email).await {
            tracing::warn!(%why, "a link to choose another password was not made");
        }
    });
    Ok(nothing(StatusCode::ACCEPTED))
}

async fn send_reset(state: &ApiState, email: &Email) -> Result<(), MarketError> {
    let Some(user) = operators::account_of(&*state.store, email).await? else { return Ok(()) };
    match state.limits.count(Limit::Resets, user.id, state.market.now()) {
        Ok(()) => state.market.send_reset(user.id).await,
        Err(_) => Ok(()),
    }
}

/// Gives an account another password, by the link of a message. Every session and every API token of it
/// ends; a second factor stays. A password that is refused leaves the link as it was.
#[utoipa::path(
    post, path = "/api/users/password-reset/confirm", operation_id = "resetPassword", tag = "accounts", request_body = NewPasswordByLink,
    responses((status = 200, body = serde_json::Value, description = "The account has the new password."), Refusals),
)]
async fn reset(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<NewPasswordByLink>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let token = faults.note("token", body.token.required());
    let password = faults.note("password", body.password.required());
    let (Some(token), Some(password)) = (token, password) else {
        return Err(faults.into_problem());
    };
    let token = read(&token, &state)?;
    let hash = |user: &_| token.hash(LinkPurpose::Reset, user);
    let checked = state.market.check_link(token.user, LinkPurpose::Reset, hash).await;
    let user = checked.map_err(|error| problem(error, state.market.now()))?;
    CurrentRequest::is_by(user.id.as_u128());
    let Some(password) = faults.note("password", password.check(user.email.as_str())) else {
        return Err(faults.into_problem());
    };
    let password_hash = state.passwords.hash(password.into(), address).await?;
    let reset = state.market.reset_password(user.id, hash, password_hash).await;
    reset.map_err(|error| problem(error, state.market.now()))?;
    Ok(nothing(StatusCode::OK))
}

fn read(token: &str, state: &ApiState) -> Result<LinkToken, Problem> {
    LinkToken::parse(token).ok_or_else(|| problem(MarketError::Link, state.market.now()))
}
