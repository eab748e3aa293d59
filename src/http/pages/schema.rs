//! What is for sale in schema.org's words, for search engines.

use serde_json::{Map, Value, json};

use crate::domain::{
    Category, Name, Price, ShowState, ShowView, Ticket, TicketStatus, Timestamp, Venue, VenueFacts,
};
use crate::http::on_sale::OnSale;

const CONTEXT: &str = "https://schema.org";

/// A ticket that names no show.
pub fn product(ticket: &Ticket, offer: &Value) -> Value {
    json!({
        "@context": CONTEXT,
        "@type": "Product",
        "name": ticket.title.as_str(),
        "offers": offer,
    })
}

/// What a ticket costs in the end.
pub fn offer(ticket: &Ticket, total: Price, url: Option<&str>) -> Value {
    let availability = match ticket.status() {
        TicketStatus::Available => "InStock",
        TicketStatus::Locked => "LimitedAvailability",
        TicketStatus::Sold | TicketStatus::Closed => "SoldOut",
    };
    let mut offer = Map::new();
    say(&mut offer, "@type", "Offer");
    say(&mut offer, "price", total.to_string());
    say(&mut offer, "priceCurrency", total.currency().as_str().to_ascii_uppercase());
    say(&mut offer, "availability", format!("{CONTEXT}/{availability}"));
    if let Some(url) = url {
        say(&mut offer, "url", url);
    }
    offer.into()
}

/// What is on sale for a show, from the lowest price on that a buyer pays. `url` is its page.
pub fn offers(on_sale: &OnSale, url: Option<&str>) -> Option<Value> {
    let OnSale { seats, from_total } = *on_sale;
    let from = from_total.filter(|_| seats > 0)?;
    let mut offers = Map::new();
    say(&mut offers, "@type", "AggregateOffer");
    say(&mut offers, "lowPrice", from.to_string());
    say(&mut offers, "priceCurrency", from.currency().as_str().to_ascii_uppercase());
    say(&mut offers, "offerCount", seats);
    say(&mut offers, "availability", format!("{CONTEXT}/InStock"));
    if let Some(url) = url {
        say(&mut offers, "url", url);
    }
    Some(offers.into())
}

/// A show, and what is offered for it if that is known. `url` is its page, `image` its picture.
pub fn event(
    view: &ShowView,
    offers: Option<Value>,
    url: Option<&str>,
    image: Option<&str>,
) -> Value {
    let facts = &view.show.facts;
    let zone = &view.venue.facts.time_zone;
    // By the clock of the venue, with what it is ahead of UTC.
    let moment = |at: Timestamp| zone.clock_at(at).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let status = match view.show.state {
        ShowState::Scheduled | ShowState::Over => "EventScheduled",
        ShowState::Postponed => "EventPostponed",
        ShowState::Cancelled => "EventCancelled",
    };
    let mut event = Map::new();
    say(&mut event, "@context", CONTEXT);
    say(&mut event, "@type", kind(facts.category));
    say(&mut event, "name", facts.name.as_str());
    say(&mut event, "startDate", moment(facts.starts_at));
    say(&mut event, "endDate", moment(facts.ends_at));
    say(&mut event, "eventStatus", format!("{CONTEXT}/{status}"));
    say(&mut event, "eventAttendanceMode", format!("{CONTEXT}/OfflineEventAttendanceMode"));
    say(&mut event, "location", place(&view.venue));
    if !facts.performers.is_empty() {
        let group = |name: &Name| json!({ "@type": "PerformingGroup", "name": name.as_str() });
        say(&mut event, "performer", facts.performers.iter().map(group).collect::<Vec<_>>());
    }
    for (name, value) in [("url", url), ("image", image)] {
        if let Some(value) = value {
            say(&mut event, name, value);
        }
    }
    if let Some(offers) = offers {
        say(&mut event, "offers", offers);
    }
    event.into()
}

fn say(object: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    object.insert(name.to_owned(), value.into());
}

fn kind(category: Category) -> &'static str {
    match category {
        Category::Concert => "MusicEvent",
        Category::Sports => "SportsEvent",
        Category::Theatre => "TheaterEvent",
        Category::Comedy => "ComedyEvent",
        Category::Festival => "Festival",
        Category::Other => "Event",
    }
}

fn place(venue: &Venue) -> Value {
    let VenueFacts { name, city, region, country, address, .. } = &venue.facts;
    let mut postal = Map::new();
    say(&mut postal, "@type", "PostalAddress");
    if let Some(address) = address {
        say(&mut postal, "streetAddress", address.as_str());
    }
    say(&mut postal, "addressLocality", city.as_str());
    if let Some(region) = region {
        say(&mut postal, "addressRegion", region.as_str());
    }
    say(&mut postal, "addressCountry", country.as_str());
    json!({ "@type": "Place", "name": name.as_str(), "address": postal })
}
