//! `gittix serve --demo`: what a visitor expects to see in a marketplace.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Span;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use self::market::{ACTS, Act, Offer, PLACES, Place};
use crate::actors::NewShow;
use crate::banner;
use crate::config::LogFormat;
use crate::domain::{
    Caller, Email, Label, Line, Listing, Price, ShowBrief, ShowView, Timestamp, Title, UserId,
    Venue, VenueFacts, ZoneName,
};
use crate::http::ApiState;

mod market;

/// Two people who sell to each other.
const USERS: [&str; 2] = ["ana@example.com", "ben@example.com"];

/// Who sells what that belongs to no show, at what price in hundredths of a major unit.
const TICKETS: [(usize, &str, u64); 4] = [
    (0, "Science Museum Late Opening", 1_200),
    (1, "Wine tasting in the old town", 3_900),
    (0, "Guided tour of the opera's workshops", 1_800),
    (1, "Evening boat trip with music", 2_750),
];

/// Fills an empty store with two users, whose passwords are printed once, the shows of `market`,
/// and what they sell.
///
/// # Errors
///
/// If the store can't be written.
pub async fn fill(state: &ApiState, format: LogFormat) -> anyhow::Result<()> {
    if state.store.stats().last_seq > 0 {
        let said = "The store is not empty, so --demo added nothing.";
        banner::print(format, said, said, &json!({}));
        return Ok(());
    }
    let mut sellers = Vec::new();
    for email in USERS {
        let password = password(state);
        sellers.push(sign_up(state, email, &password).await?);
        let password = password.expose_secret();
        let text = format!("demo user {email}  password {password}");
        banner::print(format, &text, "demo user", &json!({"email": email, "password": password}));
    }
    for (seller, title, hundredths) in TICKETS {
        let Some(seller) = sellers.get(seller) else { continue };
        sell(state, *seller, title, hundredths, Listing::default()).await?;
    }
    fill_shows(state, &sellers).await
}

/// Adds the places and shows with what is on sale for them, which the sellers share.
async fn fill_shows(state: &ApiState, sellers: &[UserId]) -> anyhow::Result<()> {
    let mut turns = sellers.iter().copied().cycle();
    let Some(first) = turns.next() else { return Ok(()) };
    let organiser = Caller::operator(first);
    let mut venues = Vec::with_capacity(PLACES.len());
    for place in &PLACES {
        venues.push(state.market.add_venue(organiser, facts_of(place)?).await?);
    }
    // Those listed last are shown first.
    for act in ACTS.iter().rev() {
        let Some(venue) = venues.get(act.place) else { continue };
        let new = show_of(act, venue, state.market.now())?;
        let show = state.market.add_show(organiser, new).await?;
        for offer in act.offers {
            let Some(seller) = turns.next() else { continue };
            let listing = listing_of(offer, &show, state)?;
            sell(state, seller, act.name, offer.price, listing).await?;
        }
    }
    Ok(())
}

async fn sell(
    state: &ApiState,
    seller: UserId,
    title: &str,
    hundredths: u64,
    listing: Listing,
) -> anyhow::Result<()> {
    let (title, price) = (Title::parse(title)?, price_of(hundredths, state)?);
    state.market.list_ticket(seller, title, price, listing, None).await?;
    Ok(())
}

fn price_of(hundredths: u64, state: &ApiState) -> anyhow::Result<Price> {
    let minor = hundredths * state.currency.minor_per_major() / 100;
    Ok(Price::from_minor(minor, state.currency)?)
}

fn facts_of(place: &Place) -> anyhow::Result<VenueFacts> {
    let sections: Result<Vec<Label>, _> =
        place.sections.iter().map(|name| Line::parse(name)).collect();
    Ok(VenueFacts {
        name: Line::parse(place.name)?,
        city: Line::parse(place.city)?,
        region: None,
        country: place.country.parse()?,
        time_zone: place.zone.parse()?,
        address: Some(Line::parse(place.address)?),
        sections: sections?,
        imported: None,
    })
}

fn show_of(act: &Act, venue: &Venue, now: Timestamp) -> anyhow::Result<NewShow> {
    let performers: Result<Vec<_>, _> =
        act.performers.iter().map(|name| Line::parse(name)).collect();
    let starts_at = start_of(act, &venue.facts.time_zone, now)?;
    Ok(NewShow {
        name: Line::parse(act.name)?,
        category: act.category,
        performers: performers?,
        venue: venue.id,
        starts_at,
        ends_at: starts_at.plus(Duration::from_secs(act.minutes * 60)),
        external_id: None,
    })
}

/// So many days ahead, at its hour by the clock of the place.
fn start_of(act: &Act, zone: &ZoneName, now: Timestamp) -> anyhow::Result<Timestamp> {
    let day = zone.day_at(now).checked_add(Span::new().days(act.days))?;
    let (hour, minute) = act.at;
    let start = day.at(hour, minute, 0, 0).to_zoned_datetime(TimeZone::get(zone.as_str())?)?;
    Ok(Timestamp::from_millis(start.timestamp().as_millisecond()))
}

fn listing_of(offer: &Offer, show: &ShowView, state: &ApiState) -> anyhow::Result<Listing> {
    let (mut row, mut seats) = (None, None);
    if let Some((name, first)) = offer.at {
        let numbers = first..first.saturating_add(offer.seats);
        let names: Result<Vec<Label>, _> =
            numbers.map(|number| Line::parse(&number.to_string())).collect();
        row = Some(Line::parse(name)?);
        seats = Some(names?);
    }
    Ok(Listing {
        section: Some(Line::parse(offer.section)?),
        row,
        seats,
        quantity: offer.seats,
        split: offer.split,
        face_value: Some(price_of(offer.face, state)?),
        notes: None,
        show: Some(ShowBrief::from(show).into()),
    })
}

async fn sign_up(state: &ApiState, email: &str, password: &SecretString) -> anyhow::Result<UserId> {
    let hash = state.passwords.hash(password.clone(), Ipv4Addr::LOCALHOST.into()).await?;
    let (user, session) = state.market.sign_up(Email::parse(email)?, hash, None).await?;
    // Nobody gets the token of this session.
    state.market.end_session(user.id, session).await?;
    Ok(user.id)
}

/// 80 random bits, easy to type.
#[expect(clippy::indexing_slicing, reason = "a remainder of 32 names one of 32 letters")]
fn password(state: &ApiState) -> SecretString {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0_u8; 16];
    state.entropy.fill(&mut random);
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte % 32)]);
    SecretString::from(random.iter().map(letter).collect::<String>())
}
