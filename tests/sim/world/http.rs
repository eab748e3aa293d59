//! The same requests through the router: authentication, idempotency and errors are inside.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use gittix::domain::{CancelReason, ChargeStatus, OrderState, Split};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::answers::{Answered, Asked, Reason};

/// A request to be sent, and perhaps sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    method: Method,
    path: String,
    body: Option<String>,
    if_match: Option<u64>,
    /// The idempotency key.
    pub key: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The HTTP status.
    pub status: u16,
    /// Whether it says that it is an earlier answer.
    pub is_replay: bool,
    /// The body.
    pub body: Vec<u8>,
    /// The session's token, after signing up.
    pub token: Option<String>,
}

/// The request that asks for this; the token is the card's.
pub fn request(asked: &Asked, card: &str, key: Option<String>) -> Sent {
    let (method, path, body, if_match) = match asked {
        Asked::SignUp { address } => {
            let body = json!({"email": address, "password": "a stitch in time"});
            (Method::POST, "/api/users/signup".to_owned(), Some(body), None)
        }
        Asked::ChangeAddress { address, .. } => {
            let body = json!({"email": address, "currentPassword": "a stitch in time"});
            (Method::PATCH, "/api/users/me".to_owned(), Some(body), None)
        }
        Asked::List { title, quantity, split, .. } => {
            let mut body = json!({"title": title, "price": 12.5});
            if *quantity != 1 || *split != Split::AvoidOne {
                body["quantity"] = json!(quantity);
                body["split"] = json!(split.name());
            }
            (Method::POST, "/api/tickets".to_owned(), Some(body), None)
        }
        Asked::Edit { ticket, price, title, expected, .. } => {
            let mut body = json!({"price": format!("{}.{:02}", price / 100, price % 100)});
            if let Some(title) = title {
                body["title"] = json!(title);
            }
            (Method::PATCH, ticket_path(ticket), Some(body), *expected)
        }
        Asked::Withdraw { ticket, expected, .. } => {
            (Method::DELETE, ticket_path(ticket), None, *expected)
        }
        Asked::Reserve { ticket, quantity, .. } => {
            let mut body = json!({"ticketId": ticket.to_string()});
            if let Some(quantity) = quantity {
                body["quantity"] = json!(quantity);
            }
            (Method::POST, "/api/orders".to_owned(), Some(body), None)
        }
        Asked::Cancel { order, .. } => (Method::DELETE, order_path(order), None, None),
        Asked::Pay { order, .. } => {
            let body = json!({"orderId": order.to_string(), "token": card});
            (Method::POST, "/api/payments".to_owned(), Some(body), None)
        }
        Asked::ReadTicket { ticket } => (Method::GET, ticket_path(ticket), None, None),
        Asked::ReadOrder { order, .. } => (Method::GET, order_path(order), None, None),
    };
    Sent { method, path, body: body.map(|body| body.to_string()), if_match, key }
}

fn ticket_path(id: &impl ToString) -> String {
    format!("/api/tickets/{}", id.to_string())
}

fn order_path(id: &impl ToString) -> String {
    format!("/api/orders/{}", id.to_string())
}

/// Sends a request with a session's token.
pub async fn send(router: &Router, token: Option<&str>, sent: &Sent) -> Result<Received, String> {
    let mut request = Request::builder()
        .method(sent.method.clone())
        .uri(&sent.path)
        .header(header::HOST, "gittix.test")
        .header("x-request-id", "simulation");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(key) = &sent.key {
        request = request.header("idempotency-key", key);
    }
    if let Some(version) = sent.if_match {
        request = request.header(header::IF_MATCH, format!("\"{version}\""));
    }
    let body = match &sent.body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.clone())
        }
        None => Body::empty(),
    };
    let request = request.body(body).map_err(|error| error.to_string())?;
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let cookie = response.headers().get(header::SET_COOKIE).and_then(|value| value.to_str().ok());
    let token = cookie
        .and_then(|cookie| cookie.strip_prefix("session="))
        .and_then(|rest| rest.split(';').next())
        .map(str::to_owned);
    let status = response.status().as_u16();
    let is_replay = response.headers().contains_key("idempotency-replayed");
    let body = to_bytes(response.into_body(), usize::MAX).await;
    let body = body.map_err(|error| error.to_string())?.to_vec();
    Ok(Received { status, is_replay, body, token })
}

/// Sends a request with a session's token for what is answered as JSON, and for nothing else.
pub async fn call(
    router: &Router,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<(u16, Value), String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "gittix.test")
        .header("x-request-id", "simulation")
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
        .map_err(|error| error.to_string())?;
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await;
    let body = body.map_err(|error| error.to_string())?;
    let answer = serde_json::from_slice(&body).unwrap_or_default();
    Ok((status, answer))
}

/// A page of a list.
pub struct Page {
    /// Ids and versions.
    pub items: Vec<(String, u64)>,
    /// Where the next page is.
    pub next: Option<String>,
}

/// Reads a page of a list.
pub async fn page(router: &Router, token: &str, path: &str) -> Result<Page, String> {
    let request = Request::builder()
        .uri(path)
        .header(header::HOST, "gittix.test")
        .header("x-request-id", "simulation")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let response = match router.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let link = response.headers().get(header::LINK).and_then(|link| link.to_str().ok());
    let next = link.and_then(|link| link.strip_prefix('<')?.split('>').next()).map(str::to_owned);
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await;
    let body = body.map_err(|error| error.to_string())?;
    let strange = || format!("{path} was answered {status} {}", String::from_utf8_lossy(&body));
    let items: Vec<Value> = serde_json::from_slice(&body).map_err(|_| strange())?;
    let item = |item: &Value| {
        let id = item.get("id").and_then(Value::as_str)?;
        Some((id.to_owned(), item.get("version").and_then(Value::as_u64)?))
    };
    let items = items.iter().map(item).collect::<Option<_>>().ok_or_else(strange)?;
    Ok(Page { items, next })
}

/// What an answer says; `Err` if the API has no such answer to that request.
pub fn understand(asked: &Asked, received: &Received) -> Result<Answered, String> {
    let body: Value = serde_json::from_slice(&received.body).unwrap_or(Value::Null);
    let strange = || {
        let text = String::from_utf8_lossy(&received.body);
        format!("{asked:?} was answered {} {text}", received.status)
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let id = || text("id").ok_or_else(strange);
    let version = || body.get("version").and_then(Value::as_u64).ok_or_else(strange);
    let answered = match (asked, received.status) {
        (Asked::SignUp { .. }, 201) | (Asked::ChangeAddress { .. }, 200) => {
            Answered::Account(id()?.parse().map_err(|_| strange())?)
        }
        (Asked::List { .. }, 201) | (Asked::Edit { .. } | Asked::ReadTicket { .. }, 200) => {
            let id = id()?.parse().map_err(|_| strange())?;
            Answered::Ticket { id, version: version()?, whole: None }
        }
        (Asked::Reserve { .. }, 201) | (Asked::ReadOrder { .. }, 200) => {
            let id = id()?.parse().map_err(|_| strange())?;
            let state = match (text("status"), text("cancelReason")) {
                (Some("Created"), None) => OrderState::Created,
                (Some("AwaitingPayment"), None) => OrderState::AwaitingPayment,
                (Some("Completed"), None) => OrderState::Completed,
                (Some("Cancelled"), Some("buyer")) => OrderState::Cancelled(CancelReason::Buyer),
                (Some("Cancelled"), Some("expired")) => {
                    OrderState::Cancelled(CancelReason::Expired)
                }
                (Some("Cancelled"), Some("payment_failed")) => {
                    OrderState::Cancelled(CancelReason::PaymentFailed)
                }
                _ => return Err(strange()),
            };
            Answered::Order { id, version: version()?, state }
        }
        (Asked::Pay { .. }, 201 | 202) => {
            let status = match (received.status, text("status")) {
                (201, Some("Completed")) => ChargeStatus::Completed,
                (202, Some("Created")) => ChargeStatus::Created,
                _ => return Err(strange()),
            };
            Answered::Charge { id: id()?.parse().map_err(|_| strange())?, status }
        }
        (Asked::Pay { .. }, 402) => {
            let charge = body.get("charge").and_then(|charge| charge.get("id"));
            let id = charge.and_then(Value::as_str).ok_or_else(strange)?;
            let id = id.parse().map_err(|_| strange())?;
            Answered::Charge { id, status: ChargeStatus::Failed }
        }
        (Asked::Withdraw { .. } | Asked::Cancel { .. }, 204) => Answered::Done,
        _ => Answered::Refused(reason(text("code").unwrap_or_default()).ok_or_else(strange)?),
    };
    Ok(answered)
}

fn reason(code: &str) -> Option<Reason> {
    Some(match code {
        "not_found" => Reason::NotFound,
        "not_owner" => Reason::NotOwner,
        "own_ticket" => Reason::OwnTicket,
        "ticket_locked" => Reason::Locked,
        "ticket_sold" => Reason::Sold,
        "ticket_closed" => Reason::Closed,
        "quantity_unavailable" => Reason::QuantityUnavailable,
        "precondition_failed" => Reason::OtherVersion,
        "too_many_holds" => Reason::TooManyHolds,
        "email_in_use" => Reason::EmailInUse,
        "order_completed" => Reason::Completed,
        "order_cancelled" => Reason::Cancelled,
        "order_expired" => Reason::Expired,
        "payment_in_progress" => Reason::PaymentInProgress,
        "payment_failed" => Reason::PaymentFailed,
        "validation_failed" => Reason::UnknownToken,
        "unavailable" => Reason::Unavailable,
        "internal" => Reason::Internal,
        "idempotency_in_progress" => Reason::KeyInProgress,
        _ => return None,
    })
}
