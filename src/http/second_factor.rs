//! `/api/users/me/totp`: a second factor, and what signing in takes of it.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::credentials::{GivenPassword, attempt, prove_password, wrong_password};
use super::edge::body::Json;
use super::edge::caching::NO_STORE;
use super::edge::codes::Code;
use super::edge::docs::Refusals;
use super::edge::errors::problem;
use super::edge::fields::{Faults, Field};
use super::edge::json::JsonBody;
use super::edge::problem::{FieldError, Problem};
use super::qr;
use super::state::{ApiState, BySession, ClientAddress};
use crate::actors::MarketError;
use crate::auth::{TotpSecret, recovery_codes, recovery_hash};
use crate::domain::{FactorRejection, FactorState, Proof, SealedSecret, SecondFactor, User};
use crate::store::ReadError;

/// The routes of the second factor.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(begin, end)).routes(routes!(confirm))
}

/// The password once more, for what a stolen session must not do.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PasswordAgain {
    /// The password the account has now.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 128)]
    current_password: Field<GivenPassword>,
}

/// A code that a device shows.
#[derive(Deserialize, ToSchema)]
struct TotpCode {
    /// Six digits.
    #[serde(default)]
    #[schema(value_type = String, required, example = "287082")]
    code: Field<String>,
}

/// A secret for a device that shows codes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpSecret)]
struct TotpSecretJson {
    /// To be typed into the device.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The same with what the device needs to know besides.
    #[schema(
        example = "otpauth://totp/GitTix:ana%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    )]
    uri: String,
    /// That as a QR code, an SVG document.
    qr_svg: String,
}

/// Codes for whoever has lost the device.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryCodes)]
struct RecoveryCodesJson {
    /// Each signs in once in place of a code. They are told this once.
    recovery_codes: Vec<String>,
}

/// Makes a secret for a second factor. It counts once a code of it has been confirmed.
#[utoipa::path(
    post, path = "/api/users/me/totp", operation_id = "beginTotp", tag = "accounts", request_body = PasswordAgain,
    security(("session" = []), ("bearer" = [])),
    responses((status = 201, body = TotpSecretJson, description = "The secret, told this once."), Refusals),
)]
async fn begin(
    State(state): State<ApiState>,
    who: BySession,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<PasswordAgain>,
) -> Result<Response, Problem> {
    let user = prove(&state, who, address, body).await?;
    let secret = TotpSecret::random(&*state.entropy);
    let sealed = SealedSecret(state.sealing.seal(user.id, secret.expose(), &*state.entropy)?);
    let begun = state.market.begin_totp(&user, sealed).await;
    begun.map_err(|error| refusal(error, &state))?;
    let uri = secret.uri(user.email.as_str());
    let qr_svg = qr::svg(&uri).ok_or_else(|| {
        tracing::error!("a secret's address does not fit a QR code");
        Problem::internal()
    })?;
    let body = TotpSecretJson { secret: secret.text(), uri, qr_svg };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

async fn prove(
    state: &ApiState,
    who: BySession,
    address: std::net::IpAddr,
    body: PasswordAgain,
) -> Result<User, Problem> {
    let user = state.store.user(who.user).await?.ok_or_else(Problem::unauthorized)?;
    let current = Faults::alone("currentPassword", body.current_password.required())?;
    prove_password(state, &user, address, current).await?;
    Ok(user)
}

/// Turns the second factor on. From then on signing in takes a code.
#[utoipa::path(
    post, path = "/api/users/me/totp/confirm", operation_id = "confirmTotp", tag = "accounts", request_body = TotpCode,
    security(("session" = []), ("bearer" = [])),
    responses((status = 200, body = RecoveryCodesJson, description = "Codes to keep, told this once."), Refusals),
)]
async fn confirm(
    State(state): State<ApiState>,
    who: BySession,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<TotpCode>,
) -> Result<Response, Problem> {
    let user = state.store.user(who.user).await?.ok_or_else(Problem::unauthorized)?;
    let code = Faults::alone("code", body.code.required())?;
    let factor = state.store.get::<SecondFactor>(user.id).await?;
    let factor = factor.ok_or_else(|| rejected(FactorRejection::NotPending))?;
    if factor.is_on() {
        return Err(rejected(FactorRejection::AlreadyOn));
    }
    let sealed = factor.secret;
    let attempt = attempt(&state, &user, address)?;
    let now = state.market.now();
    let step = opened(&state, &user, &sealed).and_then(|secret| secret.step_of(&code, now, None));
    let step = step.ok_or_else(wrong_code)?;
    attempt.give_back();
    let codes = recovery_codes(&*state.entropy);
    let hashes = codes.iter().filter_map(|code| recovery_hash(user.id, code)).collect();
    let confirmed = state.market.confirm_totp(&user, &sealed, step, hashes).await;
    confirmed.map_err(|error| refusal(error, &state))?;
    let body = RecoveryCodesJson { recovery_codes: codes };
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(body)).into_response())
}

/// Turns the second factor off.
#[utoipa::path(
    delete, path = "/api/users/me/totp", operation_id = "endTotp", tag = "accounts", request_body = PasswordAgain,
    security(("session" = []), ("bearer" = [])),
    responses((status = 204, description = "Signing in takes the password alone."), Refusals),
)]
async fn end(
    State(state): State<ApiState>,
    who: BySession,
    ClientAddress(address): ClientAddress,
    JsonBody(body): JsonBody<PasswordAgain>,
) -> Result<StatusCode, Problem> {
    let user = prove(&state, who, address, body).await?;
    let ended = state.market.end_totp(&user).await;
    ended.map_err(|error| refusal(error, &state))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The secret of an account; nothing if the key that it was sealed with is gone.
fn opened(state: &ApiState, user: &User, sealed: &SealedSecret) -> Option<TotpSecret> {
    let opened = state.sealing.open(user.id, &sealed.0);
    if opened.is_none() {
        tracing::error!(user = %user.id, "a second factor can't be checked: its key is gone");
    }
    opened.map(TotpSecret::from_bytes)
}

/// What a sign-in shows beside the password, if it is good; nothing if the account wants nothing.
pub async fn proof(
    state: &ApiState,
    user: &User,
    given: Option<&str>,
) -> Result<Result<Option<Proof>, FactorRejection>, ReadError> {
    if !user.totp {
        return Ok(Ok(None));
    }
    let Some(code) = given else { return Ok(Err(FactorRejection::Required)) };
    let factor = state.store.get::<SecondFactor>(user.id).await?;
    let shown = factor.as_ref().and_then(|factor| shown(state, user, factor, code));
    // It is used up when the session is opened. Until then it need not be good any more.
    let is_good = factor.zip(shown).filter(|(factor, shown)| factor.proven(shown).is_ok());
    Ok(is_good.map(|(_, shown)| Some(shown)).ok_or(FactorRejection::Invalid))
}

fn shown(state: &ApiState, user: &User, factor: &SecondFactor, code: &str) -> Option<Proof> {
    if let Some(hash) = recovery_hash(user.id, code) {
        return Some(Proof::Recovery(hash));
    }
    let FactorState::On { last_used, .. } = factor.state else { return None };
    let secret = opened(state, user, &factor.secret)?;
    secret.step_of(code, state.market.now(), Some(last_used)).map(Proof::Code)
}

/// What a sign-in is answered whose second factor is not satisfied.
pub fn at_sign_in(rejection: FactorRejection) -> Problem {
    rejected(rejection).with_status(StatusCode::UNAUTHORIZED)
}

fn wrong_code() -> Problem {
    rejected(FactorRejection::Invalid)
        .errors(vec![FieldError::on("code", "The code is wrong or was used already.")])
}

fn rejected(rejection: FactorRejection) -> Problem {
    match rejection {
        FactorRejection::Required => {
            Problem::new(Code::TotpRequired, "This account asks for a code as well.")
        }
        FactorRejection::Invalid => {
            Problem::new(Code::TotpInvalid, "The code is wrong or was used already.")
        }
        FactorRejection::AlreadyOn => {
            Problem::new(Code::Conflict, "There is a second factor already; turn it off first.")
        }
        FactorRejection::NotPending => {
            Problem::new(Code::Conflict, "Ask for a secret before a code of it is confirmed.")
        }
    }
}

fn refusal(error: MarketError, state: &ApiState) -> Problem {
    match error {
        MarketError::PasswordChanged => wrong_password(),
        MarketError::SecondFactor(rejection) => rejected(rejection),
        error => problem(error, state.market.now()),
    }
}
