//! How the peer's rows look as JSON: as gittix's.

use serde::Serialize;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use gittix::domain::{OrderId, TicketId, Timestamp, UserId};

/// A ticket.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    id: TextId<TicketId>,
    title: String,
    price: f64,
    currency: &'static str,
    user_id: TextId<UserId>,
    order_id: Option<TextId<OrderId>>,
    status: &'static str,
    version: i64,
    created_at: String,
    updated_at: String,
}

/// The columns of [`Ticket::from_row`], in order.
pub const TICKET_COLUMNS: &str = "id, seller_id, title, price_minor, status, order_id, version, \
    (extract(epoch FROM created_at) * 1000)::bigint, (extract(epoch FROM updated_at) * 1000)::bigint";

impl Ticket {
    /// Reads a row of [`TICKET_COLUMNS`].
    pub fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: TextId(TicketId::from_u128(id(row, 0)?)),
            user_id: TextId(UserId::from_u128(id(row, 1)?)),
            title: row.try_get(2)?,
            price: major(row.try_get(3)?),
            currency: "usd",
            status: ["Available", "Locked", "Sold"][row.try_get::<i16, _>(4)? as usize],
            order_id: row
                .try_get::<Option<Uuid>, _>(5)?
                .map(|id| TextId(OrderId::from_u128(id.as_u128()))),
            version: row.try_get(6)?,
            created_at: time(row.try_get(7)?),
            updated_at: time(row.try_get(8)?),
        })
    }
}

/// An order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: TextId<OrderId>,
    pub user_id: TextId<UserId>,
    pub status: &'static str,
    pub expires_at: String,
    pub ticket_id: TextId<TicketId>,
    pub ticket: OrderedTicket,
    pub price: f64,
    pub currency: &'static str,
    pub cancel_reason: Option<&'static str>,
    pub charge: Option<()>,
    pub version: i64,
    pub created_at: String,
}

/// What an order is for.
#[derive(Debug, Serialize)]
pub struct OrderedTicket {
    pub id: TextId<TicketId>,
    pub title: String,
    pub price: f64,
}

/// A charge.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Charge {
    pub id: String,
    pub order_id: TextId<OrderId>,
    pub status: &'static str,
    pub amount: i64,
    pub currency: &'static str,
    pub created_at: String,
}

/// An id that is written as its text.
#[derive(Debug, Clone, Copy)]
pub struct TextId<T>(pub T);

impl<T: std::fmt::Display> Serialize for TextId<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Minor units as major ones.
pub fn major(minor: i64) -> f64 {
    minor as f64 / 100.0
}

/// Milliseconds since the epoch as RFC 3339.
pub fn time(millis: i64) -> String {
    Timestamp::from_millis(millis).to_string()
}

fn id(row: &PgRow, column: usize) -> Result<u128, sqlx::Error> {
    Ok(row.try_get::<Uuid, _>(column)?.as_u128())
}
