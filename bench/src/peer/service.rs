//! The peer's handlers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use gittix::auth::{SessionCookie, SigningKey, SigningKeys, Tokens};
use gittix::domain::{OrderId, TicketId, UserId};
use gittix::http::edge::serve::listen;
use gittix::seams::{Clock as _, IdMint, SystemClock, SystemEntropy};
use serde::Deserialize;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::rows::{Charge, Order, OrderedTicket, TICKET_COLUMNS, TextId, Ticket, major, time};
use super::{Variant, database, fill};
use crate::world::KEY;

/// How long an order holds its ticket, in milliseconds.
const HOLD_MS: i64 = 900_000;

/// Where the service listens, and on what.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The folder with PostgreSQL's socket
    #[arg(long)]
    sockets: PathBuf,
    /// How it writes
    #[arg(long)]
    variant: Variant,
    /// How many connections it keeps
    #[arg(long)]
    pool: u32,
}

struct Service {
    pool: PgPool,
    tokens: Tokens,
    ids: IdMint,
    variant: Variant,
    page_sql: [String; 3],
    ticket_sql: String,
}

type Shared = State<Arc<Service>>;

/// Serves until the process is killed.
pub async fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let options = database::options(&arguments.sockets, fill::SERVED);
    let pool = PgPoolOptions::new()
        .min_connections(arguments.pool)
        .max_connections(arguments.pool)
        .acquire_timeout(Duration::from_secs(60))
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    let service = Service {
        pool,
        tokens: Tokens::new(
            &SigningKeys::only(SigningKey::from_bytes(&KEY).expect("a key")),
            Duration::from_secs(60),
        ),
        ids: IdMint::new(Arc::new(SystemClock), Arc::new(SystemEntropy)),
        variant: arguments.variant,
        page_sql: page_statements(),
        ticket_sql: format!("SELECT {TICKET_COLUMNS} FROM tickets WHERE id = $1"),
    };
    let router = Router::new()
        .route("/api/tickets", get(list))
        .route("/api/tickets/{id}", get(show))
        .route("/api/orders", post(lock))
        .route("/api/payments", post(pay))
        .route("/readyz", get(async || "ok"))
        .with_state(Arc::new(service));
    axum::serve(listen(arguments.listen)?, router).await?;
    Ok(())
}

/// What is answered if not what was asked for.
enum Failure {
    Status(StatusCode),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Status(status) => status.into_response(),
            Self::Database(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            }
        }
    }
}

/// An id, or what is answered to text that is none.
fn named<T: FromStr>(text: &str, otherwise: StatusCode) -> Result<T, Failure> {
    text.parse().map_err(|_| Failure::Status(otherwise))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewOrder {
    ticket_id: String,
}

async fn lock(
    State(service): Shared,
    headers: HeaderMap,
    Json(body): Json<NewOrder>,
) -> Result<Response, Failure> {
    let buyer = service.signed_in(&headers)?;
    let ticket: TicketId = named(&body.ticket_id, StatusCode::BAD_REQUEST)?;
    let order = OrderId::from_u128(service.ids.mint());
    let now = SystemClock.now().as_millis();
    let locked = match service.variant {
        Variant::Statement => service.lock_by_statement(ticket, order, buyer, now).await?,
        Variant::Transaction => service.lock_by_transaction(ticket, order, buyer, now).await?,
    };
    let Some((title, price_minor)) = locked else {
        return Err(Failure::Status(StatusCode::CONFLICT));
    };
    let order = Order {
        id: TextId(order),
        user_id: TextId(buyer),
        status: "Created",
        expires_at: time(now + HOLD_MS),
        ticket_id: TextId(ticket),
        ticket: OrderedTicket { id: TextId(ticket), title, price: major(price_minor) },
        price: major(price_minor),
        currency: "usd",
        cancel_reason: None,
        charge: None,
        version: 0,
        created_at: time(now),
    };
    Ok((StatusCode::CREATED, Json(order)).into_response())
}

/// Locks the ticket if it is available, makes the order, and tells of both.
const LOCK: &str = "
    WITH locked AS (
        UPDATE tickets
        SET status = 1, order_id = $2, version = version + 1, updated_at = to_timestamp($4 / 1000.0)
        WHERE id = $1 AND status = 0 AND seller_id <> $3
        RETURNING id, title, price_minor, version
    ), made AS (
        INSERT INTO orders
            (id, buyer_id, ticket_id, title, price_minor, status, expires_at, version, created_at)
        SELECT $2, $3, id, title, price_minor, 0, to_timestamp($5 / 1000.0), 0,
            to_timestamp($4 / 1000.0)
        FROM locked
    ), told AS (
        INSERT INTO events (type, at, data)
        SELECT 'OrderCreated', to_timestamp($4 / 1000.0),
            jsonb_build_object('order', $2, 'ticket', id, 'title', title, 'price', price_minor,
                'version', version)
        FROM locked
    )
    SELECT title, price_minor FROM locked";

/// Completes an open order in time, sells its ticket, notes the charge, and tells of it.
const PAY: &str = "
    WITH paid AS (
        UPDATE orders SET status = 1, version = version + 1
        WHERE id = $1 AND buyer_id = $2 AND status = 0 AND expires_at > to_timestamp($4 / 1000.0)
        RETURNING id, ticket_id, price_minor
    ), sold AS (
        UPDATE tickets
        SET status = 2, version = tickets.version + 1, updated_at = to_timestamp($4 / 1000.0)
        FROM paid WHERE tickets.id = paid.ticket_id
    ), charged AS (
        INSERT INTO charges (id, order_id, amount_minor, created_at)
        SELECT $3, id, price_minor, to_timestamp($4 / 1000.0) FROM paid
    ), told AS (
        INSERT INTO events (type, at, data)
        SELECT 'OrderCompleted', to_timestamp($4 / 1000.0),
            jsonb_build_object('order', id, 'ticket', ticket_id, 'charge', $3)
        FROM paid
    )
    SELECT price_minor FROM paid";

const COOKIE: SessionCookie = SessionCookie { max_age: Duration::from_secs(60), secure: false };

impl Service {
    fn signed_in(&self, headers: &HeaderMap) -> Result<UserId, Failure> {
        let token = COOKIE.tokens(headers).next();
        let claims = token.and_then(|token| self.tokens.verify(token, SystemClock.now()));
        let user = claims.and_then(|claims| claims.user.parse().ok());
        user.ok_or(Failure::Status(StatusCode::UNAUTHORIZED))
    }

    async fn lock_by_statement(
        &self,
        ticket: TicketId,
        order: OrderId,
        buyer: UserId,
        now: i64,
    ) -> Result<Option<(String, i64)>, sqlx::Error> {
        let row = sqlx::query(LOCK)
            .bind(Uuid::from_u128(ticket.as_u128()))
            .bind(Uuid::from_u128(order.as_u128()))
            .bind(Uuid::from_u128(buyer.as_u128()))
            .bind(now)
            .bind(now + HOLD_MS)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    async fn lock_by_transaction(
        &self,
        ticket: TicketId,
        order: OrderId,
        buyer: UserId,
        now: i64,
    ) -> Result<Option<(String, i64)>, sqlx::Error> {
        let ids = [ticket.as_u128(), order.as_u128(), buyer.as_u128()];
        let [ticket, order, buyer] = ids.map(Uuid::from_u128);
        let mut txn = self.pool.begin().await?;
        let found = sqlx::query(
            "SELECT title, price_minor, version FROM tickets \
             WHERE id = $1 AND status = 0 AND seller_id <> $2 FOR UPDATE",
        );
        let Some(found) = found.bind(ticket).bind(buyer).fetch_optional(&mut *txn).await? else {
            return Ok(None);
        };
        let (title, price): (String, i64) = (found.try_get(0)?, found.try_get(1)?);
        let version: i64 = found.try_get(2)?;
        sqlx::query(
            "UPDATE tickets SET status = 1, order_id = $2, version = $3, \
             updated_at = to_timestamp($4 / 1000.0) WHERE id = $1",
        )
        .bind(ticket)
        .bind(order)
        .bind(version + 1)
        .bind(now)
        .execute(&mut *txn)
        .await?;
        sqlx::query(
            "INSERT INTO orders (id, buyer_id, ticket_id, title, price_minor, status, expires_at, \
             version, created_at) VALUES \
             ($1, $2, $3, $4, $5, 0, to_timestamp($6 / 1000.0), 0, to_timestamp($7 / 1000.0))",
        )
        .bind(order)
        .bind(buyer)
        .bind(ticket)
        .bind(&title)
        .bind(price)
        .bind(now + HOLD_MS)
        .bind(now)
        .execute(&mut *txn)
        .await?;
        sqlx::query(
            "INSERT INTO events (type, at, data) VALUES ('OrderCreated', \
             to_timestamp($1 / 1000.0), jsonb_build_object('order', $2, 'ticket', $3, 'title', $4::text, \
             'price', $5::bigint, 'version', $6::bigint))",
        )
        .bind(now)
        .bind(order)
        .bind(ticket)
        .bind(&title)
        .bind(price)
        .bind(version + 1)
        .execute(&mut *txn)
        .await?;
        txn.commit().await?;
        Ok(Some((title, price)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    order_id: String,
}

async fn pay(
    State(service): Shared,
    headers: HeaderMap,
    Json(body): Json<Payment>,
) -> Result<Response, Failure> {
    let buyer = service.signed_in(&headers)?;
    let order: OrderId = named(&body.order_id, StatusCode::BAD_REQUEST)?;
    let charge = Uuid::from_u128(service.ids.mint());
    let now = SystemClock.now().as_millis();
    let row = sqlx::query(PAY)
        .bind(Uuid::from_u128(order.as_u128()))
        .bind(Uuid::from_u128(buyer.as_u128()))
        .bind(charge)
        .bind(now)
        .fetch_optional(&service.pool)
        .await?;
    let Some(row) = row else { return Err(Failure::Status(StatusCode::CONFLICT)) };
    let charge = Charge {
        id: charge.to_string(),
        order_id: TextId(order),
        status: "Completed",
        amount: row.try_get(0)?,
        currency: "usd",
        created_at: time(now),
    };
    Ok((StatusCode::CREATED, Json(charge)).into_response())
}

async fn show(State(service): Shared, Path(id): Path<String>) -> Result<Response, Failure> {
    let id: TicketId = named(&id, StatusCode::NOT_FOUND)?;
    let row = sqlx::query(AssertSqlSafe(service.ticket_sql.as_str()))
        .bind(Uuid::from_u128(id.as_u128()))
        .fetch_optional(&service.pool)
        .await?;
    let ticket = Ticket::from_row(&row.ok_or(Failure::Status(StatusCode::NOT_FOUND))?)?;
    Ok(Json(ticket).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    q: Option<String>,
    min_price: Option<f64>,
    max_price: Option<f64>,
    sort: Option<String>,
}

fn page_statements() -> [String; 3] {
    let page = |filter: &str, order: &str| {
        format!("SELECT {TICKET_COLUMNS} FROM tickets WHERE {filter} ORDER BY {order} LIMIT 50")
    };
    [
        page("status = 0 AND $1::bigint <= $2::bigint AND $3::text IS NOT NULL", "id DESC"),
        page(
            "status = 0 AND price_minor BETWEEN $1 AND $2 AND $3::text IS NOT NULL",
            "price_minor, id DESC",
        ),
        page(
            "status = 0 AND price_minor BETWEEN $1 AND $2 \
             AND to_tsvector('simple', title) @@ plainto_tsquery('simple', $3)",
            "id DESC",
        ),
    ]
}

async fn list(
    State(service): Shared,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<Ticket>>, Failure> {
    let minor = |major: f64| (major * 100.0).round() as i64;
    let (low, high) = (filter.min_price.map_or(0, minor), filter.max_price.map_or(i64::MAX, minor));
    let [newest, by_price, by_words] = &service.page_sql;
    let sql = match (&filter.q, filter.sort.as_deref()) {
        (Some(_), _) => by_words,
        (None, Some("price")) => by_price,
        (None, _) => newest,
    };
    let rows = sqlx::query(AssertSqlSafe(sql.as_str()))
        .bind(low)
        .bind(high)
        .bind(filter.q.unwrap_or_default())
        .fetch_all(&service.pool)
        .await?;
    Ok(Json(rows.iter().map(Ticket::from_row).collect::<Result<_, _>>()?))
}
