//! `Idempotency-Key`: a request that is repeated is answered again, not done again.
//!
//! What a key led to is written in the same transaction as the change itself, so no crash can
//! part the two. An answer that says how it went on, such as that of a payment, is written right
//! after. A refusal of a request that changed nothing is kept in memory for a while (see
//! [`refusals`]); once it is forgotten, the request is decided again. While the first request is
//! being answered its key is held in memory; should its client go away meanwhile, the request is
//! still brought to its end.

mod refusals;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tracing::warn;

use self::refusals::Refusals;
use super::codes::Code;
use super::errors::problem;
use super::problem::Problem;
use super::request_id::CurrentRequest;
use crate::actors::{IdempotencyKey, MarketError};
use crate::auth::Limit;
use crate::bugs::{Bug, planted};
use crate::domain::{Answer, Timestamp, UserId};
use crate::http::state::{ApiState, SignedIn};
use crate::http::{orders, payments, tickets};
use crate::store::Refusal;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long a key is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The most characters a key has.
const KEY_MAX_LEN: usize = 255;
/// No answer to a POST is nearly as long.
const ANSWER_MAX_BYTES: usize = 256 * 1024;
/// The headers that belong to an answer; all others are made anew for each request.
const REMEMBERED_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::ETAG,
    header::RETRY_AFTER,
    header::CACHE_CONTROL,
];

/// Keys whose first request is being answered, with its fingerprint, and the latest refusals.
#[derive(Debug, Clone, Default)]
pub struct KeysInFlight(Arc<Mutex<Fingerprints>>, Arc<Refusals>);

type Fingerprints = HashMap<(UserId, String), [u8; 16]>;

/// Holds a key while its first request is being answered.
struct InFlight {
    keys: KeysInFlight,
    key: (UserId, String),
}

impl KeysInFlight {
    fn enter(&self, key: &IdempotencyKey) -> Result<InFlight, Problem> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = (key.user, key.key.clone());
        match keys.get(&entry) {
            Some(fingerprint) if *fingerprint != key.fingerprint => Err(reused()),
            Some(_) => Err(Problem::new(
                Code::IdempotencyInProgress,
                "The first request with this idempotency key has not been answered yet.",
            )),
            None => {
                keys.insert(entry.clone(), key.fingerprint);
                Ok(InFlight { keys: self.clone(), key: entry })
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.keys.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

fn reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "This idempotency key was used for another request; use a new key.",
    )
}

/// Answers a request, at most once for its key if it has one.
///
/// `work` is given the key to write down with its change. `request` names method and path.
pub async fn once<W, F>(
    state: &ApiState,
    who: SignedIn,
    request: &str,
    headers: &HeaderMap,
    body: &Bytes,
    work: W,
) -> Result<Response, Problem>
where
    W: FnOnce(ApiState, Option<IdempotencyKey>) -> F + Send + 'static,
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let Some(key) = read_key(state, who, request, headers, body)? else {
        return work(state.clone(), None).await;
    };
    let in_flight = state.keys_in_flight.enter(&key)?;
    if let Some(replay) = replay(state, &key).await? {
        return Ok(replay);
    }
    state.limits.count(Limit::Keys, who.user, state.market.now())?;
    // In a task of its own the request is brought to its end even if its client goes away,
    // and the key is held until then.
    let state = state.clone();
    let answer = async move {
        let _in_flight = in_flight;
        let answer = work(state.clone(), Some(key.clone())).await;
        finish(&state, &key, answer).await
    };
    let answered = match CurrentRequest::get() {
        // What it logs is about this request all the same.
        Some(current) => tokio::spawn(current.scope(answer)),
        None => tokio::spawn(answer),
    };
    answered.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request with an idempotency key failed");
        Err(Problem::internal())
    })
}

fn read_key(
    state: &ApiState,
    who: SignedIn,
    request: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Option<IdempotencyKey>, Problem> {
    let mut sent = headers.get_all(HEADER).iter();
    let Some(value) = sent.next() else { return Ok(None) };
    let is_visible = |byte: &u8| byte.is_ascii_graphic();
    let is_valid = sent.next().is_none()
        && (1..=KEY_MAX_LEN).contains(&value.len())
        && value.as_bytes().iter().all(is_visible);
    let text = value.to_str().ok().filter(|_| is_valid).ok_or_else(|| {
        Problem::bad_request(
            "Idempotency-Key must be one key of 1 to 255 visible ASCII characters.",
        )
    })?;
    Ok(Some(IdempotencyKey {
        user: who.user,
        key: text.to_owned(),
        fingerprint: fingerprint(request, body),
        expires_at: state.market.now().plus(REMEMBERED_FOR),
    }))
}

fn fingerprint(request: &str, body: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] =
        Sha256::new().chain_update(request).chain_update([0]).chain_update(body).finalize().into();
    let (half, _) = digest.split_at(16);
    half.try_into().unwrap_or_default()
}

/// The answer that the key's first request got, if it got one.
async fn replay(state: &ApiState, key: &IdempotencyKey) -> Result<Option<Response>, Problem> {
    let now = state.market.now();
    let Some(remembered) = state.store.remembered(key.user, &key.key, now).await? else {
        return replay_refusal(state, key, now);
    };
    if remembered.fingerprint != key.fingerprint {
        return Err(reused());
    }
    let mut response = match remembered.answer {
        Answer::TicketCreated(ticket) => tickets::created(&ticket),
        Answer::OrderCreated(view) => orders::created(&view),
        Answer::ChargeBegun(charge) => {
            // The process died before it could answer. How the charge stands now is the first
            // answer that anyone gets.
            let answer = payments::answer_for(state, charge).await;
            let first = IdempotencyKey { expires_at: remembered.expires_at, ..key.clone() };
            finish(state, &first, answer).await?
        }
        Answer::Verbatim { status, headers, body } => verbatim(status, headers, body),
    };
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Some(response))
}

fn replay_refusal(
    state: &ApiState,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Response>, Problem> {
    let Some(refusal) = state.keys_in_flight.1.of(key.user, &key.key, now) else { return Ok(None) };
    if refusal.fingerprint != key.fingerprint {
        return Err(reused());
    }
    let Answer::Verbatim { status, headers, body } = refusal.answer else { return Ok(None) };
    let mut response = verbatim(status, headers, body);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(Some(response))
}

fn verbatim(status: u16, headers: Vec<(String, String)>, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Remembers an answer that the change itself did not, and gives it back.
async fn finish(
    state: &ApiState,
    key: &IdempotencyKey,
    answer: Result<Response, Problem>,
) -> Result<Response, Problem> {
    let response = match answer {
        Ok(response) => response,
        // Another request with this key was quicker to commit: its answer is the first.
        Err(problem) if problem.code() == Code::IdempotencyInProgress => {
            return replay_after_race(state, key, problem).await;
        }
        Err(problem) if !is_remembered(problem.status()) => return Err(problem),
        Err(problem) => problem.into_response(),
    };
    if !is_remembered(response.status()) || response.extensions().get::<Remembered>().is_some() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_MAX_BYTES).await.map_err(|_| Problem::internal())?;
    let kept = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    let answer = Answer::Verbatim {
        status: parts.status.as_u16(),
        headers: REMEMBERED_HEADERS.iter().filter_map(kept).collect(),
        body: body.to_vec(),
    };
    let changed_nothing = async || -> Result<bool, Problem> {
        let now = state.market.now();
        Ok(state.store.remembered(key.user, &key.key, now).await?.is_none())
    };
    if parts.status.is_client_error() && changed_nothing().await? {
        state.keys_in_flight.1.keep(key, &answer);
        return Ok(Response::from_parts(parts, Body::from(body)));
    }
    match state.market.remember(key, answer).await {
        Ok(()) => Ok(Response::from_parts(parts, Body::from(body))),
        // What is not remembered may be answered otherwise the next time, so it is not told:
        // the client asks again, and the request is decided again, or the charge that it began
        // is looked at.
        Err(MarketError::Refused(Refusal::KeyUsed)) => {
            // A replay of the same request was quicker to find out how its charge ended.
            let code = Code::IdempotencyInProgress;
            let problem = Problem::new(code, "The first request is still being answered.");
            replay_after_race(state, key, problem).await
        }
        Err(error) => {
            warn!(%error, "an answer could not be remembered for its idempotency key");
            if planted(Bug::UnkeptAnswer) {
                return Ok(Response::from_parts(parts, Body::from(body)));
            }
            Err(problem(error, state.market.now()))
        }
    }
}

async fn replay_after_race(
    state: &ApiState,
    key: &IdempotencyKey,
    problem: Problem,
) -> Result<Response, Problem> {
    let now = state.market.now();
    let is_answered = state.store.remembered(key.user, &key.key, now).await?.is_some();
    if !is_answered {
        return Err(problem);
    }
    match Box::pin(replay(state, key)).await? {
        Some(response) => Ok(response),
        None => Err(problem),
    }
}

fn is_remembered(status: StatusCode) -> bool {
    !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS
}

/// Marks a response whose change was written together with the answer.
#[derive(Debug, Clone, Copy)]
pub struct Remembered;
