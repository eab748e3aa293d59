//! Tickets as JSON, written by hand.
//!
//! Pages of tickets are what a marketplace is asked for most, and what serde takes to write one is
//! as much as finding it. Most of a ticket's JSON is the same in every ticket, and most of the rest
//! needs no escaping; here both are copied as they are, in a quarter of the time. What a ticket
//! looks like is told by [`TicketJson`], which tests hold this to.

use std::sync::Arc;

use serde::Serialize;

use super::views::shows::ShowBriefJson;
use super::views::{ClosedReasonJson, MajorUnits, PassesJson, SplitJson, TicketStatusJson};
use crate::domain::{Line, PassesThere, Terms, Ticket, TicketStatus};

#[cfg(doc)]
use super::views::TicketJson;

/// Enough for most tickets.
const TICKET_BYTES: usize = 600;

/// One ticket.
pub fn ticket(ticket: &Ticket, terms: &Terms) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(TICKET_BYTES);
    append(&mut json, ticket, terms)?;
    Ok(json)
}

/// A list of tickets.
pub fn tickets(tickets: &[Arc<Ticket>], terms: &Terms) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(TICKET_BYTES.saturating_mul(tickets.len().max(1)));
    json.push(b'[');
    for (place, ticket) in tickets.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        append(&mut json, ticket, terms)?;
    }
    json.push(b']');
    Ok(json)
}

fn append(json: &mut Vec<u8>, ticket: &Ticket, terms: &Terms) -> serde_json::Result<()> {
    put(json, &[r#"{"id":""#, ticket.id.text().as_str(), r#"","title":"#]);
    serde_json::to_writer(&mut *json, ticket.title.as_str())?;
    put(json, &[r#","price":"#]);
    serde_json::to_writer(&mut *json, &MajorUnits::from(ticket.price))?;
    let (currency, seller) = (ticket.price.currency(), ticket.seller.text());
    put(json, &[r#","currency":""#, currency.as_str(), r#"","userId":""#, seller.as_str()]);
    match ticket.order() {
        Some(order) => put(json, &[r#"","orderId":""#, order.text().as_str(), r#"","status":""#]),
        None => put(json, &[r#"","orderId":null,"status":""#]),
    }
    put(json, &[TicketStatusJson::from(ticket.status()).name(), r#"","version":"#]);
    serde_json::to_writer(&mut *json, &ticket.version.number())?;
    let created_at = ticket.created_at.text();
    // Most tickets have not changed since they were listed.
    let is_new = ticket.updated_at == ticket.created_at;
    let updated_at = if is_new { created_at } else { ticket.updated_at.text() };
    put(json, &[r#","createdAt":""#, created_at.as_str()]);
    put(json, &[r#"","updatedAt":""#, updated_at.as_str(), r#"","section":"#]);
    append_listing(json, ticket, terms)?;
    let fee = ticket.fees(terms).buyer_minor;
    put(json, &[r#","fee":"#]);
    serde_json::to_writer(&mut *json, &MajorUnits::of(fee, currency))?;
    put(json, &[r#","total":"#]);
    serde_json::to_writer(&mut *json, &MajorUnits::from(ticket.price.total(fee, 1)))?;
    put(json, &[r#","closedReason":"#]);
    serde_json::to_writer(&mut *json, &ticket.closed().map(ClosedReasonJson::from))?;
    match ticket.show() {
        Some(show) => {
            put(json, &[r#","showId":""#, show.id.text().as_str(), r#"","show":"#]);
            serde_json::to_writer(&mut *json, &ShowBriefJson::from(show))?;
        }
        None => put(json, &[r#","showId":null,"show":null"#]),
    }
    // Where nobody looked, no ticket has passes.
    let passes = ticket.passes.unwrap_or(PassesThere::None);
    put(json, &[r#","passes":""#, PassesJson::from(passes).name(), r#""}"#]);
    Ok(())
}

/// What is said of a ticket beside title and price, and what can be ordered of it.
fn append_listing(json: &mut Vec<u8>, ticket: &Ticket, terms: &Terms) -> serde_json::Result<()> {
    let Some(listing) = ticket.listing.as_deref() else {
        let is_available = ticket.status() == TicketStatus::Available;
        let (available, buyable) = if is_available { ("1", "1") } else { ("0", "") };
        let one = r#"null,"row":null,"seats":null,"quantity":1,"available":"#;
        put(json, &[one, available, r#","split":"avoidOne","buyable":["#, buyable]);
        put(json, &[r#"],"faceValue":null,"notes":null"#]);
        return Ok(());
    };
    let names = listing.seats.as_ref();
    let names: Option<Vec<&str>> = names.map(|names| names.iter().map(Line::as_str).collect());
    write(json, "", &listing.section.as_ref().map(Line::as_str))?;
    write(json, r#","row":"#, &listing.row.as_ref().map(Line::as_str))?;
    write(json, r#","seats":"#, &names)?;
    write(json, r#","quantity":"#, &listing.quantity)?;
    write(json, r#","available":"#, &ticket.free().len())?;
    write(json, r#","split":"#, &SplitJson::from(listing.split))?;
    write(json, r#","buyable":"#, &ticket.offer(terms.most_seats).buyable())?;
    write(json, r#","faceValue":"#, &listing.face_value.map(MajorUnits::from))?;
    write(json, r#","notes":"#, &listing.notes.as_ref().map(Line::as_str))
}

fn write(json: &mut Vec<u8>, name: &str, value: &impl Serialize) -> serde_json::Result<()> {
    put(json, &[name]);
    serde_json::to_writer(json, value)
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
        Allotment, ClosedReason, Currency, FeeRate, FeeRates, Label, Listing, Notes, OrderId, Part,
        PartState, Price, SeatSet, ShowBrief, ShowId, ShowState, Split, TicketId, TicketState,
        Timestamp, Title, UserId, VenueBrief, VenueId, Version, ZoneName,
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

    fn a_text() -> impl Strategy<Value = String> {
        prop_oneof!["\\PC{1,40}", r#"["\\/a-zß日🎟]{1,40}"#]
    }

    fn a_title() -> impl Strategy<Value = Title> {
        a_text().prop_filter_map("a title", |text| Title::parse(&text).ok())
    }

    fn a_label() -> impl Strategy<Value = Label> {
        a_text().prop_filter_map("a label", |text| Label::parse(&text).ok())
    }

    fn a_currency() -> impl Strategy<Value = Currency> {
        prop::sample::select(vec!["usd", "jpy", "kwd"])
            .prop_map(|code| code.parse().expect("a currency"))
    }

    prop_compose! {
        fn a_show()(
            (id, venue) in any::<(u128, u128)>(),
            (name, city) in (a_text(), a_text()),
            starts_at in any::<i64>(),
            state in prop::sample::select(vec![ShowState::Scheduled, ShowState::Over]),
        ) -> ShowBrief {
            ShowBrief {
                id: ShowId::from_u128(id),
                name: Line::accepted_before(&name),
                performers: Vec::new(),
                starts_at: Timestamp::from_millis(starts_at),
                state,
                cover: None,
                venue: VenueBrief {
                    id: VenueId::from_u128(venue),
                    name: Line::accepted_before(&name),
                    city: Line::accepted_before(&city),
                    country: "DE".parse().expect("a country"),
                    time_zone: ZoneName::accepted_before("Europe/Berlin"),
                },
            }
        }
    }

    prop_compose! {
        fn a_listing(currency: Currency)(
            section in prop::option::of(a_label()),
            row in prop::option::of(a_label()),
            names in prop::option::of(prop::collection::vec(a_label(), 1..5)),
            quantity in 1_u32..=8,
            split in prop::sample::select(vec![Split::Any, Split::AvoidOne, Split::Pairs, Split::None]),
            face_value in prop::option::of(1_u64..1_000_000),
            notes in prop::option::of(a_text()),
            show in prop::option::of(a_show()),
        ) -> Listing {
            Listing {
                section,
                row,
                quantity: names.as_ref().map_or(quantity, |names| u32::try_from(names.len()).expect("few")),
                seats: names,
                split,
                face_value: face_value.map(|minor| Price::from_minor(minor, currency).expect("a price")),
                notes: notes.and_then(|text| Notes::parse(&text).ok()),
                show: show.map(Arc::new),
            }
        }
    }

    prop_compose! {
        fn a_ticket()(currency in a_currency())(
            (id, seller) in any::<(u128, u128)>(),
            title in a_title(),
            minor in 1_u64..=99_999_999_999,
            listing in prop::option::of(a_listing(currency)),
            state in a_state(),
            taken in any::<(u64, bool, bool)>(),
            changes in prop_oneof![Just(0), 1..2000_usize],
            created_at in any::<i64>(),
            changed_at in prop::option::of(any::<i64>()),
            passes in prop::sample::select(vec![PassesThere::None, PassesThere::Some, PassesThere::All]),
            currency in Just(currency),
        ) -> Ticket {
            let at = Timestamp::from_millis;
            let price = Price::from_minor(minor, currency).expect("a price");
            let seller = UserId::from_u128(seller);
            let listed = Ticket::list(TicketId::from_u128(id), seller, title, price, at(created_at));
            let listed = listed.described(listing.unwrap_or_default());
            let (bits, is_sold, is_closed) = taken;
            let seats = SeatSet::from_bits(bits & listed.listing().all().bits()).expect("seats");
            let part = PartState::Held { until: at(0) };
            let part = if is_sold { PartState::Sold } else { part };
            let part = Part { order: OrderId::from_u128(1), seats, state: part };
            let state = match listed.state {
                TicketState::Several(_) => TicketState::Several(Allotment {
                    parts: Some(part).filter(|part| !part.seats.is_empty()).into_iter().collect(),
                    closed: is_closed.then_some(ClosedReason::Withdrawn),
                }),
                _ => state,
            };
            Ticket {
                state,
                passes: Some(passes),
                version: (0..changes).fold(Version::FIRST, |version, _| version.next()),
                updated_at: at(changed_at.unwrap_or(created_at)),
                ..listed
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_by_hand_is_what_serde_writes(
            listed in prop::collection::vec(a_ticket(), 0..4),
            basis_points in 0..3_000_u32,
            most_seats in 1..20_u32,
        ) {
            let buyer = FeeRate { basis_points, fixed_minor: 0 };
            let fees = FeeRates { buyer, seller: FeeRate::default() };
            let terms = &Terms { fees, most_seats };
            let listed: Vec<Arc<Ticket>> = listed.into_iter().map(Arc::new).collect();
            let shown: Vec<_> = listed.iter().map(|ticket| TicketJson::new(ticket, terms)).collect();
            let expected = serde_json::to_string(&shown).expect("JSON");
            prop_assert_eq!(String::from_utf8(tickets(&listed, terms).expect("JSON")), Ok(expected));
            for (one, shown) in listed.iter().zip(&shown) {
                let expected = serde_json::to_string(shown).expect("JSON");
                prop_assert_eq!(String::from_utf8(ticket(one, terms).expect("JSON")), Ok(expected));
            }
        }
    }
}
