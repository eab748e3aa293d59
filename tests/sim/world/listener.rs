//! One who listens to the event stream, loses the connection, and comes back to hear the rest.
//!
//! There is only one, for the order in which several are woken is not the seed's to decide.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt as _;
use gittix::domain::{Audience, UserId};
use tower::ServiceExt as _;

use super::life::Life;
use super::model::Model;
use super::record::Violation;
use super::rng::Rng;

/// The longest that a connection holds.
const LONGEST_CONNECTION_MS: u64 = 120_000;
/// The longest time between two connections, where everything happens in a short time.
const SHORT_REST_MS: u64 = 20_000;
/// The same where it does not.
const LONGEST_REST_MS: u64 = 3_600_000;

/// What a listener remembers over the lives of the server.
pub struct Listener {
    rng: Rng,
    /// Whether it is the first client who listens, and not just anybody.
    is_client: bool,
    /// The number of the last event it knows of.
    position: u64,
}

impl Listener {
    /// One who has heard nothing.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "listener");
        Self { is_client: rng.chance(500), rng, position: 0 }
    }
}

/// Listens, again and again.
pub async fn listen(life: Arc<Life>) {
    let world = &life.world;
    loop {
        let (stays, rests) = {
            let listener = &mut *world.listener();
            let rests = world.plan.longest_pause.as_millis();
            let rests = u64::try_from(rests).unwrap_or(0).clamp(SHORT_REST_MS, LONGEST_REST_MS);
            (listener.rng.between(1, LONGEST_CONNECTION_MS), listener.rng.between(1, rests))
        };
        let stays = if world.is_calm() { LONGEST_CONNECTION_MS } else { stays };
        let connection = connect(&life);
        match tokio::time::timeout(Duration::from_millis(stays), connection).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(violation)) => world.record.violate(violation),
        }
        let rests = if world.is_calm() { 1_000 } else { rests };
        tokio::time::sleep(Duration::from_millis(rests)).await;
    }
}

/// Whether the listener knows of everything that concerns them.
pub fn all_is_heard(life: &Life) -> bool {
    let model = life.world.model();
    let Some(who) = who(life) else { return true };
    let position = life.world.listener().position;
    passed_over(&model, who.as_ref().map(|who| who.0), position, model.last_seq()).is_none()
}

/// Who a listener is, and with which session; `None` if there is no such account yet.
fn who(life: &Life) -> Option<Option<(UserId, String)>> {
    if !life.world.listener().is_client {
        return Some(None);
    }
    let account = life.world.client(0).account.clone()?;
    Some(Some((account.id, account.token)))
}

/// The first event between two others, both excluded at the start and included at the end, that
/// concerns the listener.
fn passed_over(model: &Model, who: Option<UserId>, after: u64, up_to: u64) -> Option<u64> {
    let span = super::model::Span { from: after, to: up_to };
    model
        .events(span)
        .find(|logged| concerns(who, logged.event.audience()))
        .map(|logged| logged.seq)
}

fn concerns(who: Option<UserId>, audience: Audience) -> bool {
    match audience {
        Audience::Public => true,
        Audience::User(owner) => who == Some(owner),
    }
}

/// One connection, from where the last one ended.
async fn connect(life: &Life) -> Result<(), Violation> {
    let world = &life.world;
    let Some(who) = who(life) else { return Ok(()) };
    let position = world.listener().position;
    let mut request = Request::builder()
        .uri("/api/events")
        .header(header::HOST, "gittix.test")
        .header("x-request-id", "simulation")
        .header("last-event-id", position.to_string());
    if let Some((_, token)) = &who {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).map_err(|error| strange(&error))?;
    let response = match life.app.router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    world.record.count("connections of listeners");
    let status = response.status().as_u16();
    if status != 200 {
        let is_excused = world.disk.has_failed() || life.power.is_off();
        let detail = format!("who knows event {position} was answered {status}");
        return if is_excused { Ok(()) } else { Err(Violation::new(RULE, detail)) };
    }
    let mut stream = response.into_body().into_data_stream();
    let mut text = String::new();
    while let Some(bytes) = stream.next().await {
        text.push_str(&String::from_utf8_lossy(&bytes.map_err(|error| strange(&error))?));
        while let Some((frame, rest)) = text.split_once("\n\n") {
            let (frame, rest) = (frame.to_owned(), rest.to_owned());
            if life.power.is_off() {
                // Nobody hears what a dead process says.
                return std::future::pending().await;
            }
            life.sync().await;
            if !hear(life, who.as_ref().map(|who| who.0), &frame)? {
                return Ok(());
            }
            text = rest;
        }
    }
    Ok(())
}

const RULE: &str = "a listener hears each event once, in order";

fn strange(error: &dyn std::fmt::Display) -> Violation {
    Violation::new(RULE, error.to_string())
}

/// Compares what was heard with the log. False if the log can't be read.
fn hear(life: &Life, who: Option<UserId>, frame: &str) -> Result<bool, Violation> {
    let world = &life.world;
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
    let wrong = |what: &str| Err(Violation::new(RULE, format!("{what}: {frame}")));
    let Some(Ok(id)) = field("id: ").map(str::parse::<u64>) else {
        return wrong("there is no number");
    };
    let model = world.model();
    if model.last_seq() < id {
        let is_excused = world.disk.has_failed();
        return if is_excused { Ok(false) } else { wrong("the log knows nothing of it") };
    }
    let listener = &mut *world.listener();
    let name = field("event: ");
    if id < listener.position || (id == listener.position && name.is_some()) {
        return wrong("it was heard before");
    }
    let up_to = if name.is_some() { id - 1 } else { id };
    if let Some(missed) = passed_over(&model, who, listener.position, up_to) {
        return wrong(&format!("event {missed} was passed over"));
    }
    if let Some(name) = name {
        let span = super::model::Span { from: id - 1, to: id };
        let is_told = model
            .events(span)
            .any(|logged| logged.event.name() == name && concerns(who, logged.event.audience()));
        let is_numbered =
            field("data: ").is_some_and(|data| data.starts_with(&format!("{{\"seq\":{id},")));
        if !is_told || !is_numbered {
            return wrong("the log tells something else");
        }
        world.record.note(&format!("the listener hears {id} {name}"));
        world.record.count("events heard");
    }
    listener.position = id;
    Ok(true)
}
