//! `GET /api/events`: the event log as server-sent events, for whoever listens.
//!
//! ```text
//!   commit ──▶ durable log ──▶ feed (the latest few, rendered once for all) ──▶ listeners
//!                    └──────── pages, for listeners who are further behind ───────┘
//! ```
//!
//! Nothing is queued for a listener. Each knows how far it has read, is told that there is
//! more, and takes the next page when its connection has room for it. A slow one therefore
//! holds one page, and nobody waits for it.

pub mod feed;
mod history;
pub mod listeners;
mod rendered;
pub mod wire;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::edge::client_address::Network;
use super::edge::codes::Code;
use super::edge::docs::Refusals;
use super::edge::paging::Query;
use super::edge::problem::{FieldError, Problem};
use super::state::{ApiState, ClientAddress, MaybeSignedIn, SignedIn, is_still_signed_in};
use feed::Page;
use listeners::{ListenerPlace, NoPlace};
pub use wire::EventJson;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How often a connection on which nothing happens shows that it is alive. It is also how
/// often the session of a listener who gets nothing private is looked at.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// When a client that found no room should come back.
const FULL_RETRY_SECONDS: u64 = 10;

/// The routes of the event stream.
pub fn router() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(listen))
}

/// Where to begin.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query, which is read parameter by parameter")]
struct Start {
    /// The number of the last event that the client knows, if it can't send `last-event-id`,
    /// which counts for more.
    after: Option<u64>,
}

/// Where to begin, as browsers tell it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header, which is read by itself")]
struct LastEventId {
    /// The number of the last event that the client knows.
    #[param(rename = "last-event-id")]
    id: Option<u64>,
}

/// An event as it is sent.
#[derive(Deserialize, ToSchema)]
#[schema(as = ServerSentEvent)]
#[expect(dead_code, reason = "describes the lines of an event, which are written as text")]
struct SentEvent {
    /// Its `seq`.
    #[schema(pattern = "^[0-9]+$")]
    id: String,
    /// Its type.
    event: String,
    /// An `Event` as JSON, on one line.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Streams events: those of tickets to anyone, those of orders, charges and accounts to the
/// user they belong to.
///
/// Each event has its `seq` as its id and its type as its name. A client that comes back with
/// the last id it has seen misses nothing and gets nothing twice; without one it gets what
/// happens from now on. Ids without an event say that there was nothing for this client up to
/// there. A comment every 15 s keeps the connection alive. The stream ends when the session
/// does.
#[utoipa::path(
    get, path = "/api/events", operation_id = "listenToEvents", tag = "events",
    security((), ("session" = []), ("bearer" = [])),
    params(Start, LastEventId),
    responses((status = 200, body = SentEvent, description = "Events, one after the other, until the connection ends.", content_type = "text/event-stream"), Refusals),
)]
async fn listen(
    State(state): State<ApiState>,
    MaybeSignedIn(who): MaybeSignedIn,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let latest = state.feed.latest();
    let position = known_event(&headers, &query, latest)?.unwrap_or(latest);
    if state.readiness.is_stopping() {
        return Err(Problem::unavailable(1));
    }
    let listeners = state.feed.listeners();
    let place = listeners.take_place(Network::of(address)).map_err(no_place)?;
    let listener = Listener {
        told: state.feed.watch(),
        stopping: state.readiness.watch(),
        greeting: Some(wire::greeting(position, listeners.free())),
        state,
        who,
        position,
        heartbeat: Instant::now() + HEARTBEAT,
        place,
    };
    let body = Body::from_stream(stream::unfold(listener, Listener::next));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would collect events before it passes them on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

fn no_place(why: NoPlace) -> Problem {
    match why {
        NoPlace::Full => Problem::unavailable(FULL_RETRY_SECONDS),
        NoPlace::AddressFull => {
            Problem::too_many_requests(Code::TooManyRequests, FULL_RETRY_SECONDS)
        }
    }
}

/// The number of the last event that the client knows. The header counts for more, but what is
/// wrong with either is told.
fn known_event(headers: &HeaderMap, query: &Query, latest: u64) -> Result<Option<u64>, Problem> {
    let read = |name: &'static str, text: Option<&str>| {
        let garbage = || FieldError::on(name, format!("{name} must be the number of an event"));
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
        let seq = text.filter(is_number).and_then(|text| text.parse::<u64>().ok());
        match seq.ok_or_else(garbage)? {
            seq if seq > latest => {
                let unknown = "There is no such event yet; begin anew without an id.";
                Err(FieldError::on(name, unknown))
            }
            seq => Ok(seq),
        }
    };
    let asked = query.one("after")?.map(|text| read("after", Some(text))).transpose()?;
    let mut sent = headers.get_all(LAST_EVENT_ID).iter();
    match (sent.next(), sent.next()) {
        (None, _) => Ok(asked),
        (Some(id), None) => Ok(Some(read("last-event-id", id.to_str().ok())?)),
        (Some(_), Some(_)) => {
            Err(FieldError::on("last-event-id", "last-event-id must be given once").into())
        }
    }
}

/// One connection that listens.
struct Listener {
    state: ApiState,
    who: Option<SignedIn>,
    /// The number of the last event that was sent or passed over.
    position: u64,
    /// The first words, until they are said.
    greeting: Option<Bytes>,
    /// The number of the latest event, with a little pause between rises.
    told: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    heartbeat: Instant,
    place: ListenerPlace,
}

impl Listener {
    /// Whatever is to be sent next; `None` ends the stream. It is asked for only when the
    /// connection has room.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(greeting) = self.greeting.take() {
            return Some((Ok(greeting), self));
        }
        let bytes = self.wait().await?;
        self.heartbeat = Instant::now() + HEARTBEAT;
        Some((Ok(bytes), self))
    }

    async fn wait(&mut self) -> Option<Bytes> {
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            if Instant::now() >= self.heartbeat {
                let is_live = self.is_session_live().await;
                return is_live.then(|| wire::heartbeat(self.position));
            }
            if *self.told.borrow_and_update() <= self.position {
                self.sleep().await?;
                continue;
            }
            let Some(page) = self.read().await? else { continue };
            // Asking on every page that shows something private means that nothing private
            // is shown after a sign-out, however long the connection has been open.
            if page.is_private && !self.is_session_live().await {
                return None;
            }
            self.position = page.last_seq;
            if !page.bytes.is_empty() {
                return Some(page.bytes);
            }
            // There may be much to pass over, and others want to run too.
            tokio::task::yield_now().await;
        }
    }

    /// Until something may have happened. `None` if nothing ever will.
    async fn sleep(&mut self) -> Option<()> {
        tokio::select! {
            told = self.told.changed() => told.ok(),
            stopping = self.stopping.changed() => stopping.ok(),
            () = sleep_until(self.heartbeat) => Some(()),
        }
    }

    /// The next page; none if this address has been sent so much of the past that it has to wait,
    /// which is then done. `None` ends the stream.
    async fn read(&mut self) -> Option<Option<Page>> {
        let user = self.who.map(|who| who.user);
        if let Some(page) = self.state.feed.read_latest(self.position, user) {
            return Some(Some(page));
        }
        if let Some(resumes_at) = self.place.replay_resumes_at() {
            tokio::select! {
                stopping = self.stopping.changed() => stopping.ok()?,
                () = sleep_until(self.heartbeat.min(resumes_at)) => {}
            }
            return Some(None);
        }
        let page = self.state.feed.read_past(self.position, user, &*self.state.store).await;
        let failed =
            |error| tracing::error!(%error, "an event stream ended: the log is unreadable");
        let page = page.map_err(failed).ok()?;
        self.place.note_replayed(page.events);
        Some(Some(page))
    }

    async fn is_session_live(&self) -> bool {
        match self.who {
            Some(who) => is_still_signed_in(who, &self.state).await.unwrap_or(false),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests;
