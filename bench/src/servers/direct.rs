//! Locking a ticket with gittix's edge, sessions, decisions and store, but no actors: the handler
//! commits by itself, and who loses a race decides again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use gittix::auth::{SessionCookie, SigningKey, SigningKeys, Tokens};
use gittix::domain::{
    Commit, Event, Order, OrderId, Precondition, Purchase, SessionId, Terms, TicketCommand,
    TicketDecision, TicketId, UserId, Wanted, Write,
};
use gittix::http::Readiness;
use gittix::http::edge::conditional::etag;
use gittix::http::edge::fields::{Field, Id};
use gittix::http::edge::guard::harden;
use gittix::http::edge::json::JsonBody;
use gittix::http::edge::serve::{listen, serve as serve_edge};
use gittix::http::views::OrderJson;
use gittix::seams::{Clock as _, IdMint, SystemClock, SystemEntropy};
use gittix::store::{CommitError, RedbStore, Store as _, StoreSettings};

use super::echo::{edge, limits};
use crate::world::KEY;

/// How long an order holds its ticket.
const HOLD: Duration = Duration::from_secs(900);

struct Marketplace {
    store: RedbStore,
    tokens: Tokens,
    ids: IdMint,
}

/// Serves a data folder.
pub async fn serve(address: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    let settings = StoreSettings {
        queue: 16_384,
        cache_bytes: gittix::memory::cache_bytes(),
        ..StoreSettings::default()
    };
    let market = Arc::new(Marketplace {
        store: RedbStore::open(&folder.join("gittix.redb"), settings)?,
        tokens: Tokens::new(&SigningKeys::only(SigningKey::from_bytes(&KEY).expect("a key")), HOLD),
        ids: IdMint::new(Arc::new(SystemClock), Arc::new(SystemEntropy)),
    });
    let router = Router::new()
        .route("/api/orders", post(create))
        .route("/readyz", get(async || "ok"))
        .with_state(market);
    let router = harden(router, &edge(), Arc::new(SystemEntropy), Readiness::default());
    serve_edge(listen(address)?, router, limits(), std::future::pending()).await;
    Ok(())
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    #[serde(default)]
    ticket_id: Field<Id<TicketId>>,
}

async fn create(
    State(market): State<Arc<Marketplace>>,
    headers: HeaderMap,
    JsonBody(draft): JsonBody<Draft>,
) -> Response {
    let Some(buyer) = market.signed_in(&headers).await else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let Ok(Id(ticket)) = draft.ticket_id.required() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match market.reserve(ticket, buyer).await {
        Ok(purchase) => {
            let view = purchase.view();
            let headers = [
                (header::ETAG, etag(view.order.version.number())),
                (header::CACHE_CONTROL, header::HeaderValue::from_static("no-store")),
            ];
            (StatusCode::CREATED, headers, Json(OrderJson::from(&view))).into_response()
        }
        Err(status) => status.into_response(),
    }
}

const COOKIE: SessionCookie = SessionCookie { max_age: HOLD, secure: false };

impl Marketplace {
    async fn signed_in(&self, headers: &HeaderMap) -> Option<UserId> {
        let now = SystemClock.now();
        let claims = self.tokens.verify(COOKIE.tokens(headers).next()?, now)?;
        let user = claims.user.parse().ok()?;
        let session =
            self.store.session(user, SessionId::from_u128(claims.session)).await.ok()??;
        (session.expires_at > now).then_some(user)
    }

    async fn reserve(&self, ticket: TicketId, buyer: UserId) -> Result<Purchase, StatusCode> {
        let failed = |_| StatusCode::SERVICE_UNAVAILABLE;
        loop {
            let stored = self.store.ticket(ticket).await.map_err(failed)?;
            let stored = stored.ok_or(StatusCode::NOT_FOUND)?;
            let now = SystemClock.now();
            let (order, until) = (OrderId::from_u128(self.ids.mint()), now.plus(HOLD));
            let command = TicketCommand::Reserve {
                by: buyer,
                order,
                until,
                wanted: Wanted::default(),
                terms: Terms::default(),
            };
            let Ok(TicketDecision::Changed(after)) = stored.decide(&command, now) else {
                return Err(StatusCode::CONFLICT);
            };
            let order = Order::new(order, buyer, &stored, until, now);
            let purchase = Purchase { order, charge: None };
            let commit = Commit::at(now)
                .write(Write::Order(purchase.order.clone()))
                .write(Write::Ticket(after.clone()))
                .require(Precondition::OpenOrdersBelow { user: buyer, limit: u32::MAX })
                .event(Event::OrderCreated(purchase.view()))
                .event(Event::TicketUpdated(after));
            match self.store.commit(commit).await {
                Ok(()) => return Ok(purchase),
                Err(CommitError::Conflict) => {}
                Err(_) => return Err(StatusCode::SERVICE_UNAVAILABLE),
            }
        }
    }
}
