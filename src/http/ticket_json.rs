//! Tickets as JSON, written by hand.
//!
//! Pages of tickets are what a marketplace is asked for most, and what serde takes to write one is
//! as much as finding it. Most of a ticket's JSON is the same in every ticket, and most of the rest
//! needs no escaping; here both are copied as they are, in a quarter of the time. What a ticket
//! looks like is told by [`TicketJson`], which tests hold this to.

use std::sync::Arc;

use super::views::{MajorUnits, TicketStatusJson};
use crate::domain::Ticket;

#[cfg(doc)]
use super::views::TicketJson;

/// Enough for most tickets.
const TICKET_BYTES: usize = 400;

/// One ticket.
pub fn ticket(ticket: &Ticket) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(TICKET_BYTES);
    append(&mut json, ticket)?;
    Ok(json)
}

/// A list of tickets.
pub fn tickets(tickets: &[Arc<Ticket>]) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(TICKET_BYTES.saturating_mul(tickets.len().max(1)));
    json.push(b'[');
    for (place, ticket) in tickets.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        append(&mut json, ticket)?;
    }
    json.push(b']');
    Ok(json)
}

fn append(json: &mut Vec<u8>, ticket: &Ticket) -> serde_json::Result<()> {
    put(json, &[r#"{"id":""#, ticket.id.text().as_str(), r#"","title":"#]);
    serde_json::to_writer(&mut *json, ticket.title.as_str())?;
    put(json, &[r#","price":"#]);
    serde_json::to_writer(&mut *json, &MajorUnits(ticket.price))?;
    let (currency, seller) = (ticket.price.currency(), ticket.seller.text());
    put(json, &[r#","currency":""#, currency.as_str(), r#"","userId":""#, seller.as_str()]);
    match ticket.order() {
        Some(order) => put(json, &[r#"","orderId":""#, order.text().as_str(), r#"","status":""#]),
        None => put(json, &[r#"","orderId":null,"status":""#]),
    }
    put(json, &[TicketStatusJson::from(&ticket.state).name(), r#"","version":"#]);
    serde_json::to_writer(&mut *json, &ticket.version.number())?;
    let created_at = ticket.created_at.text();
    // Most tickets have not changed since they were listed.
    let is_new = ticket.updated_at == ticket.created_at;
    let updated_at = if is_new { created_at } else { ticket.updated_at.text() };
    put(json, &[r#","createdAt":""#, created_at.as_str()]);
    put(json, &[r#"","updatedAt":""#, updated_at.as_str(), r#""}"#]);
    Ok(())
}

fn put(json: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| json.extend_from_slice(part.as_bytes()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::views::TicketJson;
    use super::*;
    use crate::domain::{
        Currency, OrderId, Price, TicketId, TicketState, Timestamp, Title, UserId, Version,
    };

    fn a_state() -> impl Strategy<Value = TicketState> {
        let order = any::<u128>().prop_map(OrderId::from_u128);
        prop_oneof![
            Just(TicketState::Available),
            (order.clone(), any::<i64>()).prop_map(|(order, until)| {
                TicketState::Locked { order, until: Timestamp::from_millis(until) }
            }),
            order.prop_map(|order| TicketState::Sold { order }),
        ]
    }

    fn a_title() -> impl Strategy<Value = Title> {
        let text = prop_oneof!["\\PC{1,40}", r#"["\\/a-zß日🎟]{1,40}"#];
        text.prop_filter_map("a title", |text| Title::parse(&text).ok())
    }

    prop_compose! {
        fn a_ticket()(
            (id, seller) in any::<(u128, u128)>(),
            title in a_title(),
            currency in prop::sample::select(vec!["usd", "jpy", "kwd"]),
            minor in 1_u64..=99_999_999_999,
            state in a_state(),
            changes in prop_oneof![Just(0), 1..2000_usize],
            created_at in any::<i64>(),
            changed_at in prop::option::of(any::<i64>()),
        ) -> Ticket {
            let currency: Currency = currency.parse().expect("a currency");
            let minor = minor.min(currency.max_minor());
            Ticket {
                id: TicketId::from_u128(id),
                seller: UserId::from_u128(seller),
                title,
                price: Price::from_minor(minor, currency).expect("a price"),
                state,
                version: (0..changes).fold(Version::FIRST, |version, _| version.next()),
                created_at: Timestamp::from_millis(created_at),
                updated_at: Timestamp::from_millis(changed_at.unwrap_or(created_at)),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_serde_writes(
            listed in prop::collection::vec(a_ticket(), 0..4),
        ) {
            let listed: Vec<Arc<Ticket>> = listed.into_iter().map(Arc::new).collect();
            let shown: Vec<_> = listed.iter().map(|ticket| TicketJson::from(&**ticket)).collect();
            let expected = serde_json::to_string(&shown).expect("JSON");
            prop_assert_eq!(String::from_utf8(tickets(&listed).expect("JSON")), Ok(expected));
            for (one, shown) in listed.iter().zip(&shown) {
                let expected = serde_json::to_string(shown).expect("JSON");
                prop_assert_eq!(String::from_utf8(ticket(one).expect("JSON")), Ok(expected));
            }
        }
    }
}
