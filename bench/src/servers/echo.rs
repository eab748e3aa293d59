//! The ceiling: what the HTTP stack alone can do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gittix::domain::{
    Currency, Price, ShowView, Terms, Ticket, TicketId, Timestamp, Title, UserId,
};
use gittix::http::Readiness;
use gittix::http::edge::guard::{EdgeSettings, harden};
use gittix::http::edge::serve::{ServeLimits, listen, serve};
use gittix::http::ticket_json;
use gittix::http::views::shows::ShowJson;
use gittix::seams::SystemEntropy;
use serde::{Deserialize, Serialize};

use crate::world::World;

/// How many things a page shows.
const PAGE: u64 = 50;

/// What the pages show.
struct Shown {
    tickets: Vec<Arc<Ticket>>,
    listings: Vec<Arc<Ticket>>,
    shows: Vec<ShowView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    ticket_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Echo {
    ticket_id: String,
    status: &'static str,
}

async fn echo(Json(question): Json<Question>) -> Json<Echo> {
    Json(Echo { ticket_id: question.ticket_id, status: "ok" })
}

/// A page of 50 tickets as JSON, without looking for them.
async fn page(State(shown): State<Arc<Shown>>) -> Response {
    json_of(&shown.tickets)
}

/// The same of listings of a show.
async fn page_of_listings(State(shown): State<Arc<Shown>>) -> Response {
    json_of(&shown.listings)
}

/// The same of shows.
async fn page_of_shows(State(shown): State<Arc<Shown>>) -> Response {
    Json(shown.shows.iter().map(ShowJson::from).collect::<Vec<_>>()).into_response()
}

fn json_of(tickets: &[Arc<Ticket>]) -> Response {
    let json = ticket_json::tickets(tickets, &Terms::default()).expect("tickets are always JSON");
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

fn router() -> Router {
    let world = World::of_shows(PAGE);
    let currency: Currency = "usd".parse().expect("a currency");
    let view = world.show(0);
    let shown = Shown {
        tickets: (0..u128::from(PAGE)).map(|number| Arc::new(ticket(number))).collect(),
        listings: (0..PAGE).map(|index| world.list_for(index, &view, currency).into()).collect(),
        shows: (0..PAGE).map(|number| world.show(number)).collect(),
    };
    Router::new()
        .route("/echo", post(echo))
        .route("/page", get(page))
        .route("/page-of-listings", get(page_of_listings))
        .route("/page-of-shows", get(page_of_shows))
        .route("/readyz", get(async || "ok"))
        .with_state(Arc::new(shown))
}

fn ticket(number: u128) -> Ticket {
    let currency: Currency = "usd".parse().expect("a currency");
    let price = Price::from_minor(4550, currency).expect("a price");
    let title = Title::parse("Badofe Concert, Amsterdam").expect("a title");
    let id = TicketId::from_u128((0x19a_0000_0000_7000 + number) << 64);
    Ticket::list(id, UserId::from_u128(7), title, price, Timestamp::from_millis(1_790_000_000_000))
}

/// As the documentation of axum starts a server.
pub async fn serve_plain(address: SocketAddr) -> anyhow::Result<()> {
    // A listener with a long backlog, for a thousand clients that come at once.
    axum::serve(listen(address)?, router()).await?;
    Ok(())
}

/// The same routes behind everything that gittix puts around its own.
pub async fn serve_behind_edge(address: SocketAddr) -> anyhow::Result<()> {
    let router = harden(router(), &edge(), Arc::new(SystemEntropy), Readiness::default());
    serve(listen(address)?, router, limits(), std::future::pending()).await;
    Ok(())
}

/// gittix's defaults.
pub fn edge() -> EdgeSettings {
    EdgeSettings {
        public_origin: None,
        https: false,
        body_limit_bytes: 65_536,
        request_timeout: Duration::from_secs(30),
    }
}

/// gittix's defaults, but connections may idle.
pub fn limits() -> ServeLimits {
    ServeLimits { header_timeout: Duration::from_secs(600), ..ServeLimits::default() }
}
