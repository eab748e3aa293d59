//! `/api/users`: signing up, in and out, and changing one's account.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use secrecy::SecretString;
use serde::Deserialize;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::credentials::{GivenPassword, prove_password, wrong_password};
use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::codes::Code;
use super::edge::docs::Refusals;
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field, FieldValue, Given, Refused};
use super::edge::json::JsonBody;
use super::edge::problem::Problem;
use super::edge::request_id::CurrentRequest;
use super::second_factor::{at_sign_in, proof};
use super::state::{Access, ApiState, BySession, ClientAddress, MaybeSignedIn, SignedIn};
use super::views::{CurrentUserJson, UserJson};
use crate::actors::{MarketError, Place, operators};
use crate::auth::{Device, IssuedToken, Limit, NewPassword, Standing};
use crate::domain::{ClientName, Email, FactorRejection, InvalidEmail, SessionId, User, UserView};

/// The routes of accounts.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(sign_in))
        .routes(routes!(sign_out))
        .routes(routes!(current_user))
        .routes(routes!(change))
}

/// Who wants an account.
#[derive(Deserialize, ToSchema)]
struct NewAccount {
    /// An address that could be delivered to; compared without case.
    #[serde(default)]
    #[schema(value_type = String, required, example = "ana@example.com", format = Email, max_length = 254)]
    email: Field<Email>,
    /// Any characters, but none of the most common passwords.
    #[serde(default)]
    #[schema(value_type = String, required, example = "correct horse battery", min_length = 8, max_length = 128)]
    password: Field<ChosenPassword>,
}

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
struct Credentials {
    /// The account's address; compared without case.
    #[serde(default)]
    #[schema(value_type = String, required, example = "ana@example.com", format = Email, max_length = 254)]
    email: Field<Email>,
    /// The account's password.
    #[serde(default)]
    #[schema(value_type = String, required, example = "correct horse battery", min_length = 1, max_length = 128)]
    password: Field<GivenPassword>,
    /// A code of the account's second factor, or a recovery code, if it has one.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "287082")]
    totp: Field<Option<String>>,
}

/// What to change of an account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AccountChanges {
    /// The password the account has now.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 128)]
    current_password: Field<GivenPassword>,
    /// Another address.
    #[serde(default)]
    #[schema(value_type = String, format = Email, max_length = 254)]
    email: Field<Email>,
    /// Another password; it ends every other session.
    #[serde(default)]
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    password: Field<ChosenPassword>,
}

/// Makes an account and signs it in.
#[utoipa::path(
    post, path = "/api/users/signup", operation_id = "signUp", tag = "accounts", request_body = NewAccount,
    responses((status = 201, body = UserJson, description = "The account, signed in.", headers(("set-cookie" = String))), Refusals),
)]
async fn sign_up(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody<NewAccount>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let email = faults.note("email", body.email.required());
    let known = email.as_ref().map_or("", Email::as_str);
    let password = body.password.required().and_then(|password| password.check(known));
    let password = faults.note("password", password);
    let (Some(email), Some(password)) = (email, password) else {
        return Err(faults.into_problem());
    };
    let now = state.market.now();
    let attempt = state.throttle.attempt(email.key().as_str(), address, Standing::Stranger, now)?;
    let taken = account_of(&state, &email).await?.is_some();
    if taken {
        // Asking which addresses have accounts counts as a failed attempt.
        drop(attempt);
        let refusal = MarketError::Refused(crate::store::Refusal::EmailInUse);
        return Err(problem(refusal, now));
    }
    attempt.give_back();
    let hash = state.passwords.hash(password.into(), address).await?;
    let signed_up = state.market.sign_up(email, hash, client_name(&headers)).await;
    let (user, session) = signed_up.map_err(|error| problem(error, state.market.now()))?;
    CurrentRequest::is_by(user.id.as_u128());
    let device = state.devices.read(&headers, now);
    signed_in(&state, StatusCode::CREATED, user.view(), session, &device)
}

async fn account_of(state: &ApiState, email: &Email) -> Result<Option<User>, Problem> {
    let found = operators::account_of(&*state.store, email).await;
    found.map_err(|error| problem(error, state.market.now()))
}

impl FieldValue for Email {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        let email = given.text().map_or(Err(InvalidEmail), Self::parse);
        email.map_err(Refused::because)
    }
}

/// A password that is to be kept. What is none at all is too short.
pub(super) struct ChosenPassword(SecretString);

impl FieldValue for ChosenPassword {
    fn read(given: Given<'_>) -> Result<Self, Refused> {
        Ok(Self(SecretString::from(given.text().unwrap_or_default())))
    }
}

impl ChosenPassword {
    /// Holds it to the rule, of which the account's address is a part.
    pub(super) fn check(self, email: &str) -> Result<NewPassword, Refused> {
        NewPassword::parse(self.0, email).map_err(Refused::because)
    }
}

/// Signs in.
#[utoipa::path(
    post, path = "/api/users/signin", operation_id = "signIn", tag = "accounts", request_body = Credentials,
    responses((status = 200, body = UserJson, description = "The account, signed in.", headers(("set-cookie" = String))), Refusals),
)]
async fn sign_in(
    State(state): State<ApiState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Credentials>,
) -> Result<Response, Problem> {
    let mut faults = Faults::default();
    let email = faults.note("email", body.email.required());
    let password = faults.note("password", body.password.required());
    let totp = faults.note("totp", body.totp.optional()).map(Option::flatten);
    let (Some(email), Some(GivenPassword(password)), Some(totp)) = (email, password, totp) else {
        return Err(faults.into_problem());
    };
    let user = account_of(&state, &email).await?;
    if let Some(user) = &user {
        CurrentRequest::is_by(user.id.as_u128());
    }
    let now = state.market.now();
    let device = state.devices.read(&headers, now);
    let is_known = user.as_ref().is_some_and(|user| device.knows(user.id));
    let standing = if is_known { Standing::Known } else { Standing::Stranger };
    let attempt = state.throttle.attempt(email.key().as_str(), address, standing, now)?;
    // An unknown address costs the same work as a wrong password and is answered the same.
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let verdict = match state.passwords.verify(password.clone(), hash, address).await {
        Ok(verdict) => verdict,
        Err(error) => {
            attempt.give_back();
            return Err(error.into());
        }
    };
    let Some(mut user) = user.filter(|_| verdict.ok) else {
        return Err(invalid_credentials());
    };
    let proof = match proof(&state, &user, totp.as_deref()).await? {
        Ok(proof) => proof,
        // Whoever shows nothing has not guessed.
        Err(rejection) => {
            if rejection == FactorRejection::Required {
                attempt.give_back();
            }
            return Err(at_sign_in(rejection));
        }
    };
    attempt.give_back();
    if verdict.needs_rehash {
        user = upgrade_hash(&state, user, password, address).await;
    }
    let limited = || state.limits.count(Limit::NewDevices, user.id, now).is_err();
    let place = if is_known || limited() { Place::Known } else { Place::New };
    match state.market.open_session(&user, proof, client_name(&headers), place).await {
        Ok(session) => signed_in(&state, StatusCode::OK, user.view(), session, &device),
        // The account was looked up under an address or with a password that it no longer has.
        Err(MarketError::PasswordChanged | MarketError::NotFound) => Err(invalid_credentials()),
        Err(MarketError::SecondFactor(rejection)) => Err(at_sign_in(rejection)),
        Err(error) => Err(problem(error, state.market.now())),
    }
}

/// What signs in, as far as it says.
fn client_name(headers: &HeaderMap) -> Option<ClientName> {
    ClientName::of_user_agent(headers.get(header::USER_AGENT)?.to_str().ok()?)
}

fn invalid_credentials() -> Problem {
    Problem::new(Code::InvalidCredentials, "Invalid credentials")
}

/// Sign-in goes on if this fails: the next one tries again.
async fn upgrade_hash(state: &ApiState, user: User, password: SecretString, from: IpAddr) -> User {
    let upgraded = match state.passwords.hash(password, from).await {
        Ok(hash) => state.market.upgrade_hash(&user, hash).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    upgraded.unwrap_or_else(|error| {
        warn!(user = %user.id, %error, "an outdated password hash was not replaced");
        user
    })
}

fn signed_in(
    state: &ApiState,
    status: StatusCode,
    user: UserView,
    session: SessionId,
    device: &Device,
) -> Result<Response, Problem> {
    let now = state.market.now();
    let issued = state.tokens.issue(&user.id.to_string(), session.as_u128(), now);
    let IssuedToken { token, .. } = issued.map_err(|error| {
        tracing::error!(%error, "a session token could not be made");
        Problem::internal()
    })?;
    let known = state.devices.remember(device, user.id, now);
    let cookies = [Some(state.cookie.set(&token)), Some(known), state.cookie.clear_plain()];
    Ok(with_cookies(status, cookies, Json(UserJson::from(user))))
}

fn with_cookies(
    status: StatusCode,
    cookies: impl IntoIterator<Item = Option<String>>,
    body: impl IntoResponse,
) -> Response {
    // They are made of characters that every header may hold.
    let cookies = cookies.into_iter().flatten().filter_map(|cookie| cookie.try_into().ok());
    let cookies: Vec<(_, HeaderValue)> =
        cookies.map(|cookie| (header::SET_COOKIE, cookie)).collect();
    (status, [(header::CACHE_CONTROL, NO_STORE)], AppendHeaders(cookies), body).into_response()
}

/// Signs out: the session ends, here and for whoever else has its token.
#[utoipa::path(
    post, path = "/api/users/signout", operation_id = "signOut", tag = "accounts",
    security((), ("session" = []), ("bearer" = [])),
    responses((status = 200, body = serde_json::Value, description = "Nobody is signed in any more.", headers(("set-cookie" = String))), Refusals),
)]
async fn sign_out(
    State(state): State<ApiState>,
    MaybeSignedIn(who): MaybeSignedIn,
) -> Result<Response, Problem> {
    // A program's token is no session, and stays.
    if let Some(SignedIn { user, by: Access::Session(session) }) = who {
        let ended = state.market.end_session(user, session).await;
        ended.map_err(|error| problem(error, state.market.now()))?;
    }
    let cookies = [Some(state.cookie.clear()), state.cookie.clear_plain()];
    Ok(with_cookies(StatusCode::OK, cookies, Json(serde_json::json!({}))))
}

/// Says who is signed in.
#[utoipa::path(
    get, path = "/api/users/currentuser", operation_id = "getCurrentUser", tag = "accounts",
    security((), ("session" = []), ("bearer" = [])),
    responses((status = 200, body = CurrentUserJson, description = "Who is signed in, if anyone is."), Refusals),
)]
async fn current_user(
    State(state): State<ApiState>,
    MaybeSignedIn(who): MaybeSignedIn,
    _headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = match who {
        Some(who) => state.store.user(who.user).await?,
        None => None,
    };
    let body = CurrentUserJson { current_user: user.as_ref().map(Into::into) };
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

/// Changes the signed-in user's address, password or both.
#[utoipa::path(
    patch, path = "/api/users/me", operation_id = "changeAccount", tag = "accounts", request_body = AccountChanges,
    security(("session" = []), ("bearer" = [])),
    responses((status = 200, body = UserJson, description = "The account as it is now."), Refusals),
)]
async fn change(
    State(state): State<ApiState>,
    who: BySession,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<AccountChanges>,
) -> Result<Response, Problem> {
    let user = state.store.user(who.user).await?.ok_or_else(Problem::unauthorized)?;
    let mut faults = Faults::default();
    let current = faults.note("currentPassword", body.current_password.required());
    let email = faults.note("email", body.email.optional());
    let address_then = email.as_ref().and_then(Option::as_ref).unwrap_or(&user.email).as_str();
    let password = body
        .password
        .optional()
        .and_then(|password| password.map(|password| password.check(address_then)).transpose());
    let password = faults.note("password", password);
    let (Some(current), Some(email), Some(password)) = (current, email, password) else {
        return Err(faults.into_problem());
    };
    CurrentRequest::changes(match (&email, &password) {
        (None, None) => "nothing",
        (Some(_), None) => "email",
        (None, Some(_)) => "password",
        (Some(_), Some(_)) => "email and password",
    });
    prove_password(&state, &user, address, current).await?;
    let hash = match password {
        Some(password) => Some(state.passwords.hash(password.into(), address).await?),
        None => None,
    };
    let changed = state.market.change_account(&user, who.session, email, hash).await;
    let view = changed.map_err(|error| match error {
        MarketError::PasswordChanged => wrong_password(),
        error => problem(error, state.market.now()),
    })?;
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(UserJson::from(view))).into_response())
}
