//! What the log tells of requests: a line for each that matters to whoever watches over accounts and
//! sales, and at `debug` one for each there is.
//!
//! It is told in one place, from the answer, so that no handler can forget it. What a line needs
//! beside the request and its answer a handler notes with [`CurrentRequest::is_by`] and
//! [`CurrentRequest::changes`]. A line has ids and the client's address, and never an e-mail address,
//! a password or a token.

use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use tracing::field::display;
use tracing::{debug, info, warn};

use super::edge::codes::Code;
use super::edge::request_id::CurrentRequest;
use crate::domain::UserId;

/// Tells of a request that was answered.
pub fn tell(request: &CurrentRequest, took: Option<Duration>, response: &Response) {
    let status = response.status();
    let user = request.user().map(|user| display(UserId::from_u128(user)));
    if let Some(took) = took {
        debug!(
            target: "gittix::access",
            status = status.as_u16(),
            took_ms = took.as_secs_f64() * 1000.0,
            client = %request.client,
            user,
            "answered",
        );
    }
    let code = response.extensions().get::<Code>().copied();
    let Some(event) = event(&request.method, request.path(), status, code) else { return };
    if response.headers().contains_key("idempotency-replayed") {
        return;
    }
    let user = request.user().map(|user| display(UserId::from_u128(user)));
    let (client, code) = (request.client, code.map(Code::name));
    let order = order_in(request.path(), response.headers());
    let changed = request.changed();
    match event {
        Event::Done(what) => {
            info!(target: "gittix::audit", %client, user, order, changed, "{what}");
        }
        Event::Refused(what) => {
            warn!(target: "gittix::audit", %client, user, order, code, "{what}");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Done(&'static str),
    Refused(&'static str),
}

fn event(method: &Method, path: &str, status: StatusCode, code: Option<Code>) -> Option<Event> {
    use Event::{Done, Refused};
    if code == Some(Code::CrossOrigin) {
        return Some(Refused("a request from another origin was refused"));
    }
    let is_order = path.starts_with("/api/orders/");
    Some(match (method.as_str(), path, status.as_u16()) {
        (_, _, 429) => Refused("a request was throttled"),
        ("POST", "/api/users/signup", 201) => Done("signed up"),
        ("POST", "/api/users/signup", 409) => Refused("a sign-up named an address that is taken"),
        ("POST", "/api/users/signin", 200) => Done("signed in"),
        ("POST", "/api/users/signin", 401 | 403) => Refused("a sign-in failed"),
        ("POST", "/api/users/verify", 200) => Done("an address was verified"),
        ("POST", "/api/users/password-reset", 202) => Done("a new password was asked for"),
        ("POST", "/api/users/password-reset/confirm", 200) => Done("a password was reset"),
        ("POST", "/api/users/password-reset/confirm", 400) => {
            Refused("a reset of a password was refused")
        }
        ("PATCH", "/api/users/me", 200) => Done("an account was changed"),
        ("PATCH", "/api/users/me", 403) => Refused("a change of an account was refused"),
        ("DELETE", _, 204) if path.starts_with("/api/users/me/sessions/") => {
            Done("a session was ended")
        }
        ("POST", "/api/users/me/tokens", 201) => Done("an API token was made"),
        ("DELETE", _, 204) if path.starts_with("/api/users/me/tokens/") => {
            Done("an API token was revoked")
        }
        ("POST", "/api/users/me/totp/confirm", 200) => Done("a second factor was turned on"),
        ("POST", "/api/users/me/totp/confirm", 400) => Refused("a code was wrong"),
        ("DELETE", "/api/users/me/totp", 204) => Done("a second factor was turned off"),
        ("POST", "/api/orders", 201) => Done("a ticket was locked"),
        ("DELETE", _, 204) if is_order => Done("an order was cancelled"),
        ("POST", "/api/payments", 201) => Done("an order was paid"),
        ("POST", "/api/payments", 202) => Done("a payment is under way"),
        ("POST", "/api/payments", 402) => Refused("a payment was declined"),
        _ => return None,
    })
}

/// The order that a request made or is about.
fn order_in<'a>(path: &'a str, headers: &'a HeaderMap) -> Option<&'a str> {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let named = |path: &'a str| path.rsplit('/').next().filter(|id| id.starts_with("order_"));
    location.and_then(named).or_else(|| named(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line says of such a request.
    fn said(method: &str, path: &str, status: u16) -> Option<Event> {
        let (method, status) = (method.parse().unwrap(), StatusCode::from_u16(status).unwrap());
        event(&method, path, status, None)
    }

    #[test]
    fn what_is_done_to_an_account_or_for_a_sale_has_a_line() {
        for (method, path, status) in [
            ("POST", "/api/users/signup", 201),
            ("POST", "/api/users/signin", 200),
            ("PATCH", "/api/users/me", 200),
            ("DELETE", "/api/users/me/sessions/session_1", 204),
            ("POST", "/api/users/me/tokens", 201),
            ("DELETE", "/api/users/me/tokens/token_1", 204),
            ("POST", "/api/users/me/totp/confirm", 200),
            ("DELETE", "/api/users/me/totp", 204),
            ("POST", "/api/orders", 201),
            ("DELETE", "/api/orders/order_1", 204),
            ("POST", "/api/payments", 201),
            ("POST", "/api/payments", 202),
        ] {
            let said = said(method, path, status);
            assert!(matches!(said, Some(Event::Done(_))), "{method} {path} {status}: {said:?}");
        }
    }

    #[test]
    fn what_is_refused_for_good_reason_has_a_line() {
        for (method, path, status) in [
            ("GET", "/api/tickets", 429),
            ("POST", "/api/users/signup", 409),
            ("POST", "/api/users/signin", 401),
            ("POST", "/api/users/signin", 403),
            ("PATCH", "/api/users/me", 403),
            ("POST", "/api/users/me/totp/confirm", 400),
            ("POST", "/api/payments", 402),
        ] {
            let said = said(method, path, status);
            assert!(matches!(said, Some(Event::Refused(_))), "{method} {path} {status}: {said:?}");
        }
        let forged = event(&Method::GET, "/", StatusCode::OK, Some(Code::CrossOrigin));
        assert!(matches!(forged, Some(Event::Refused(_))), "{forged:?}");
    }

    #[test]
    fn all_else_has_none() {
        for (method, path, status) in [
            ("GET", "/api/tickets", 200),
            ("GET", "/api/users/me", 200),
            ("DELETE", "/api/tickets/ticket_1", 204),
            ("DELETE", "/api/users/me/sessions/session_1", 404),
            ("POST", "/api/orders", 409),
        ] {
            assert_eq!(said(method, path, status), None, "{method} {path} {status}");
        }
    }
}
