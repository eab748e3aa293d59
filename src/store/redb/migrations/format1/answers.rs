//! What format 1 kept for idempotency keys, as the answers that were given then.
//!
//! Format 1 kept the ticket or order that was made, and its answer was written anew for each
//! repeat. Now answers are kept as they were given, in bytes that only the edge reads. These are
//! the same answers in the same bytes.

use minicbor::Encode;
use serde::{Serialize, Serializer};

use crate::domain::{ChargeId, OrderView, Price, Ticket};

/// What is kept, as the edge wrote it when format 1 ended.
#[derive(Encode)]
enum Kept<'a> {
    #[n(0)]
    Answered {
        #[n(0)]
        status: u16,
        #[n(1)]
        headers: Vec<(&'a str, &'a str)>,
        #[cbor(n(2), with = "minicbor::bytes")]
        body: &'a [u8],
    },
    #[n(1)]
    Begun {
        #[n(0)]
        name: String,
    },
}

impl Kept<'_> {
    fn encode(&self) -> Vec<u8> {
        // Writing to memory does not fail.
        minicbor::to_vec(self).unwrap_or_default()
    }
}

/// A ticket that was listed. It was at its first version and nobody held it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedTicket<'t> {
    id: String,
    title: &'t str,
    price: MajorUnits,
    currency: String,
    user_id: String,
    order_id: (),
    status: &'static str,
    version: u64,
    created_at: String,
    updated_at: String,
}

/// An order that was made. It was at its first version and nothing was paid.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreatedOrder<'o> {
    id: String,
    user_id: String,
    status: &'static str,
    expires_at: String,
    ticket_id: String,
    ticket: OrderedTicket<'o>,
    price: MajorUnits,
    currency: String,
    cancel_reason: (),
    charge: (),
    version: u64,
    created_at: String,
}

#[derive(Serialize)]
struct OrderedTicket<'o> {
    id: String,
    title: &'o str,
    price: MajorUnits,
}

struct MajorUnits(Price);

impl Serialize for MajorUnits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let per_major = self.0.currency().minor_per_major();
        if self.0.minor().is_multiple_of(per_major) {
            return serializer.serialize_u64(self.0.minor() / per_major);
        }
        #[expect(clippy::cast_precision_loss, reason = "prices are far below 2^53 minor units")]
        let major = self.0.minor() as f64 / per_major as f64;
        serializer.serialize_f64(major)
    }
}

/// The answer to a ticket that was listed.
pub fn ticket_created(ticket: &Ticket) -> Vec<u8> {
    let body = CreatedTicket {
        id: ticket.id.to_string(),
        title: ticket.title.as_str(),
        price: MajorUnits(ticket.price),
        currency: ticket.price.currency().to_string(),
        user_id: ticket.seller.to_string(),
        order_id: (),
        status: "Available",
        version: 0,
        created_at: ticket.created_at.to_string(),
        updated_at: ticket.updated_at.to_string(),
    };
    created(&format!("/api/tickets/{}", ticket.id), "no-cache", &body)
}

/// The answer to an order that was made.
pub fn order_created(view: &OrderView) -> Vec<u8> {
    let order = &view.order;
    let body = CreatedOrder {
        id: order.id.to_string(),
        user_id: order.buyer.to_string(),
        status: "Created",
        expires_at: order.expires_at.to_string(),
        ticket_id: order.ticket.to_string(),
        ticket: OrderedTicket {
            id: order.ticket.to_string(),
            title: order.title.as_str(),
            price: MajorUnits(order.price),
        },
        price: MajorUnits(order.price),
        currency: order.price.currency().to_string(),
        cancel_reason: (),
        charge: (),
        version: 0,
        created_at: order.created_at.to_string(),
    };
    created(&format!("/api/orders/{}", order.id), "no-store", &body)
}

fn created(location: &str, caching: &str, body: &impl Serialize) -> Vec<u8> {
    let headers = vec![
        ("content-type", "application/json"),
        ("location", location),
        ("etag", "\"0\""),
        ("cache-control", caching),
    ];
    // Numbers and strings always serialise.
    let body = serde_json::to_vec(body).unwrap_or_default();
    Kept::Answered { status: 201, headers, body: &body }.encode()
}

/// The note that a charge was begun.
pub fn charge_begun(charge: ChargeId) -> Vec<u8> {
    Kept::Begun { name: charge.to_string() }.encode()
}

/// An answer that was kept as it was given.
pub fn verbatim(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Kept::Answered { status, headers, body }.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Order, OrderId, TicketId, Timestamp, UserId};
    use crate::store::testing::{a_title, usd};

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// What was kept, in what the reader of all releases makes of it.
    fn read(kept: &[u8]) -> (u16, Vec<(String, String)>, String) {
        let mut decoder = minicbor::Decoder::new(kept);
        assert_eq!(decoder.array().expect("an array"), Some(2));
        assert_eq!(decoder.u8().expect("a tag"), 0);
        assert_eq!(decoder.array().expect("an array"), Some(3));
        let (status, headers) = (decoder.u16().expect("a status"), decoder.decode());
        let body = decoder.bytes().expect("a body");
        let body = String::from_utf8(body.to_vec()).expect("text");
        (status, headers.expect("headers"), body)
    }

    fn ticket() -> Ticket {
        let (id, seller) = (TicketId::from_u128(2), UserId::from_u128(1));
        Ticket::list(id, seller, a_title("\"Caf\u{e9}\""), usd(2550), AT)
    }

    #[test]
    fn a_ticket_is_answered_as_it_was_when_it_was_listed() {
        let (status, headers, body) = read(&ticket_created(&ticket()));
        assert_eq!(status, 201);
        let named = |name: &str| headers.iter().find(|(known, _)| known == name).map(|h| &h.1[..]);
        assert_eq!(named("location"), Some("/api/tickets/ticket_00000000000000000000000002"));
        assert_eq!((named("etag"), named("cache-control")), (Some("\"0\""), Some("no-cache")));
        let expected = r#"{"id":"ticket_00000000000000000000000002","title":"\"Café\"","price":25.5,"currency":"usd","userId":"user_00000000000000000000000001","orderId":null,"status":"Available","version":0,"createdAt":"2023-11-14T22:13:20.000Z","updatedAt":"2023-11-14T22:13:20.000Z"}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn an_order_is_answered_as_it_was_when_it_was_made() {
        let (id, buyer) = (OrderId::from_u128(3), UserId::from_u128(4));
        let order =
            Order::new(id, buyer, &ticket(), AT.plus(std::time::Duration::from_secs(900)), AT);
        let (status, _, body) = read(&order_created(&OrderView { order, charge: None }));
        assert_eq!(status, 201);
        let expected = r#"{"id":"order_00000000000000000000000003","userId":"user_00000000000000000000000004","status":"Created","expiresAt":"2023-11-14T22:28:20.000Z","ticketId":"ticket_00000000000000000000000002","ticket":{"id":"ticket_00000000000000000000000002","title":"\"Café\"","price":25.5},"price":25.5,"currency":"usd","cancelReason":null,"charge":null,"version":0,"createdAt":"2023-11-14T22:13:20.000Z"}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn other_answers_keep_what_they_were() {
        let headers = [("etag".to_owned(), "\"0\"".to_owned())];
        let kept = verbatim(402, &headers, b"{}");
        assert_eq!(read(&kept), (402, headers.to_vec(), "{}".to_owned()));
        let begun = charge_begun(ChargeId::from_u128(5));
        assert_eq!(begun, b"\x82\x01\x81\x78\x21charge_00000000000000000000000005");
    }
}
