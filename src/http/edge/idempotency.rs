//! `Idempotency-Key`: a request that is repeated is answered again, not done again.
//!
//! What a key led to is written in the same transaction as the change itself, so no crash can
//! part the two. An answer that says how it went on, such as that of a payment, is written right
//! after. A refusal of a request that changed nothing is kept in memory for a while (see
//! `refusals`); once it is forgotten, the request is decided again. While the first request is
//! being answered its key is held in memory; should its client go away meanwhile, the request is
//! still brought to its end.
//!
//! A handler that honours keys takes a [`Repeatable`] in place of its body and does its work
//! within [`Idempotency::once`]. Nothing here knows what is created: the key that is handed to the
//! marketplace carries the handler's own function that writes the answer down.

mod refusals;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tracing::warn;

use self::refusals::Refusals;
use super::answer::{Answer, Kept, kept_answer};
use super::codes::Code;
use super::errors::problem;
use super::json::{JsonObject, StrictJson};
use super::problem::Problem;
use super::request_id::CurrentRequest;
use crate::actors::{IdempotencyKey, KeyFor, MarketError, Marketplace};
use crate::auth::{Limit, Limits};
use crate::bugs::{Bug, planted};
use crate::domain::{Timestamp, UserId};
use crate::store::{Refusal, SharedStore};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// How long a key is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The most characters a key has.
const KEY_MAX_LEN: usize = 255;
/// No answer to a POST is nearly as long.
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// A request with a body that may be repeated under a key. It comes last among a handler's
/// arguments.
#[derive(Debug)]
pub struct Repeatable {
    body: JsonObject,
    key: Option<SentKey>,
}

/// A key as it was sent, with a hash of the request it came with.
#[derive(Debug)]
struct SentKey {
    text: String,
    fingerprint: [u8; 16],
}

impl<S: Send + Sync> FromRequest<S> for Repeatable {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let key = read_key(request.headers());
        let name = format!("{} {}", request.method(), request.uri().path());
        let StrictJson(body) = StrictJson::from_request(request, state).await?;
        let key = key?.map(|text| SentKey { text, fingerprint: fingerprint(&name, body.source()) });
        Ok(Self { body, key })
    }
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
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
    Ok(Some(text.to_owned()))
}

fn fingerprint(request: &str, body: &[u8]) -> [u8; 16] {
    let digest: [u8; 32] =
        Sha256::new().chain_update(request).chain_update([0]).chain_update(body).finalize().into();
    let (half, _) = digest.split_at(16);
    half.try_into().unwrap_or_default()
}

/// Answers each request at most once for its key. Clones share it.
#[derive(Clone)]
pub struct Idempotency {
    market: Marketplace,
    store: SharedStore,
    in_flight: KeysInFlight,
    refusals: Arc<Refusals>,
    limits: Arc<Limits>,
}

/// Keys whose first request is being answered, with its fingerprint.
#[derive(Debug, Clone, Default)]
struct KeysInFlight(Arc<Mutex<Fingerprints>>);

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
            Some(_) => Err(in_progress()),
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

fn in_progress() -> Problem {
    Problem::new(
        Code::IdempotencyInProgress,
        "The first request with this idempotency key has not been answered yet.",
    )
}

/// When the first request with a key came.
fn began_at(remembered: &crate::domain::Remembered) -> Timestamp {
    let lasts = i64::try_from(REMEMBERED_FOR.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(remembered.expires_at.as_millis().saturating_sub(lasts))
}

fn reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "This idempotency key was used for another request; use a new key.",
    )
}

/// Finds the answer to a request that began something of this name, once that has ended or is
/// waited for.
pub type Resume = Box<dyn Fn(String) -> BoxFuture<'static, Answered> + Send + Sync>;

/// What a handler answers: a problem only if nothing was begun.
pub type Answered = Result<Response, Problem>;

/// Marks a response whose change was written together with the answer.
#[derive(Debug, Clone, Copy)]
pub struct Remembered;

/// The key to hand to the marketplace, which writes the answer down together with what it
/// creates.
pub fn answered_by<T: 'static>(
    key: IdempotencyKey,
    answer: impl Fn(&T) -> Answer + Send + Sync + 'static,
) -> KeyFor<T> {
    KeyFor::answered(key, move |created| Kept::from(&answer(created)).encode())
}

/// The same for something that is begun: the answer is found by its name later.
pub fn begun_as<T: ToString>(key: IdempotencyKey) -> KeyFor<T> {
    KeyFor::begun(key, |begun: &T| Kept::Begun { name: begun.to_string() }.encode())
}

impl Idempotency {
    /// No key is in use yet.
    pub fn new(market: Marketplace, store: SharedStore, limits: Arc<Limits>) -> Self {
        let (in_flight, refusals) = (KeysInFlight::default(), Arc::default());
        Self { market, store, in_flight, refusals, limits }
    }

    /// Answers a request, at most once for its key if it has one. `work` is given the body, and
    /// the key to hand on with its change.
    pub async fn once<W, F>(&self, user: UserId, request: Repeatable, work: W) -> Answered
    where
        W: FnOnce(JsonObject, Option<IdempotencyKey>) -> F + Send + 'static,
        F: Future<Output = Answered> + Send + 'static,
    {
        let nothing_begins: Resume = Box::new(|_| Box::pin(async { Err(Problem::internal()) }));
        self.once_begun(user, request, nothing_begins, work).await
    }

    /// The same for work that begins something whose end may take longer than this process lives:
    /// `resume` finds out how it ended.
    pub async fn once_begun<W, F>(
        &self,
        user: UserId,
        request: Repeatable,
        resume: Resume,
        work: W,
    ) -> Answered
    where
        W: FnOnce(JsonObject, Option<IdempotencyKey>) -> F + Send + 'static,
        F: Future<Output = Answered> + Send + 'static,
    {
        let Repeatable { body, key } = request;
        let Some(SentKey { text, fingerprint }) = key else { return work(body, None).await };
        let expires_at = self.market.now().plus(REMEMBERED_FOR);
        let key = IdempotencyKey { user, key: text, fingerprint, expires_at };
        let in_flight = self.in_flight.enter(&key)?;
        let first = First { idempotency: self.clone(), key, resume };
        if let Some(replay) = first.replay().await? {
            return Ok(replay);
        }
        self.limits.count(Limit::Keys, user, self.market.now())?;
        // In a task of its own the request is brought to its end even if its client goes away,
        // and the key is held until then.
        let answer = async move {
            let _in_flight = in_flight;
            let answer = work(body, Some(first.key.clone())).await;
            first.finish(answer).await
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
}

/// A request that may be the first with its key.
struct First {
    idempotency: Idempotency,
    key: IdempotencyKey,
    resume: Resume,
}

impl First {
    /// The answer that the key's first request got, if it got one.
    async fn replay(&self) -> Result<Option<Response>, Problem> {
        let Idempotency { market, store, .. } = &self.idempotency;
        let (key, now) = (&self.key, market.now());
        let Some(remembered) = store.remembered(key.user, &key.key, now).await? else {
            return self.replay_refusal(now);
        };
        if remembered.fingerprint != key.fingerprint {
            return Err(reused());
        }
        let mut response = match Kept::decode(&remembered.answer) {
            Some(Kept::Answered { status, headers, body }) => {
                kept_answer(status, headers, body).into_response()
            }
            Some(Kept::Begun { .. }) if market.may_still_answer(began_at(&remembered)) => {
                return Err(in_progress());
            }
            Some(Kept::Begun { name }) => {
                // The process died before it could answer. How it stands now is the first answer
                // that anyone gets.
                let answer = (self.resume)(name).await;
                let answer = match answer {
                    Err(problem) if is_remembered(problem.status()) => Ok(problem.into_response()),
                    answer => answer,
                };
                self.finish_until(answer, remembered.expires_at).await?
            }
            None => {
                tracing::error!("what was kept for an idempotency key can't be read");
                return Err(Problem::internal());
            }
        };
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    fn replay_refusal(&self, now: Timestamp) -> Result<Option<Response>, Problem> {
        let key = &self.key;
        let known = self.idempotency.refusals.of(key.user, &key.key, now);
        let Some(refusal) = known else { return Ok(None) };
        if refusal.fingerprint != key.fingerprint {
            return Err(reused());
        }
        let Kept::Answered { status, headers, body } = refusal.kept else { return Ok(None) };
        let mut response = kept_answer(status, headers, body).into_response();
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(response))
    }

    /// Whether another server has begun something under the key that has no answer yet.
    async fn is_begun(&self) -> Result<bool, Problem> {
        let Idempotency { market, store, .. } = &self.idempotency;
        if !market.has_peers() {
            return Ok(false);
        }
        let stored = store.remembered(self.key.user, &self.key.key, market.now()).await?;
        Ok(stored.is_some_and(|stored| !stored.is_final))
    }

    /// Whether nothing was written down for the key.
    async fn changed_nothing(&self) -> Result<bool, Problem> {
        let Idempotency { market, store, .. } = &self.idempotency;
        Ok(store.remembered(self.key.user, &self.key.key, market.now()).await?.is_none())
    }

    /// Remembers an answer that the change itself did not, and gives it back.
    async fn finish(&self, answer: Answered) -> Answered {
        self.finish_until(answer, self.key.expires_at).await
    }

    async fn finish_until(&self, answer: Answered, expires_at: Timestamp) -> Answered {
        let response = match answer {
            Ok(response) => response,
            // Another request with this key was quicker to commit: its answer is the first.
            Err(problem) if problem.code() == Code::IdempotencyInProgress => {
                return self.replay_after_race(problem).await;
            }
            Err(problem) if !is_remembered(problem.status()) => return Err(problem),
            // What was refused before it began anything is no answer to what another server has begun.
            Err(_) if self.is_begun().await? => return self.replay_after_race(in_progress()).await,
            Err(problem) => problem.into_response(),
        };
        let is_kept = response.extensions().get::<Remembered>().is_some();
        if is_kept || !is_remembered(response.status()) {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_MAX_BYTES).await.map_err(|_| Problem::internal())?;
        let kept = Kept::from(&Answer::of(parts.status, parts.headers.clone(), &body));
        let first = IdempotencyKey { expires_at, ..self.key.clone() };
        if parts.status.is_client_error() && self.changed_nothing().await? {
            self.idempotency.refusals.keep(&first, kept);
            return Ok(Response::from_parts(parts, body.into()));
        }
        if planted(Bug::UnkeptAnswer) {
            return Ok(Response::from_parts(parts, body.into()));
        }
        let market = &self.idempotency.market;
        match market.remember(&first, kept.encode()).await {
            Ok(()) => Ok(Response::from_parts(parts, body.into())),
            // What is not remembered may be answered otherwise the next time, so it is not told:
            // the client asks again, and the request is decided again, or what it began is looked
            // at.
            Err(MarketError::Refused(Refusal::KeyUsed)) => {
                // A replay of the same request was quicker to find out how it ended.
                let code = Code::IdempotencyInProgress;
                let problem = Problem::new(code, "The first request is still being answered.");
                self.replay_after_race(problem).await
            }
            Err(error) => {
                warn!(%error, "an answer could not be remembered for its idempotency key");
                Err(problem(error, market.now()))
            }
        }
    }

    async fn replay_after_race(&self, problem: Problem) -> Answered {
        let Idempotency { market, store, .. } = &self.idempotency;
        let remembered = store.remembered(self.key.user, &self.key.key, market.now()).await?;
        if remembered.is_none() {
            return Err(problem);
        }
        Box::pin(self.replay()).await?.ok_or(problem)
    }
}

fn is_remembered(status: StatusCode) -> bool {
    !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS
}
