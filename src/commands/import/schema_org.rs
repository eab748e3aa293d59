//! JSON lines: in our own words, or in schema.org's.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::actors::imports::{ImportLine, ImportVenue};

/// What tells the two apart.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "@type", default)]
    kind: Option<Value>,
}

/// What a line of JSON says.
///
/// # Errors
///
/// Why that can't be told.
pub fn read(text: &str) -> Result<ImportLine, String> {
    if !text.starts_with('{') {
        return Err("the line is not a JSON object".to_owned());
    }
    let unreadable = |error: serde_json::Error| format!("the line is not readable: {error}");
    match serde_json::from_str::<Probe>(text).map_err(unreadable)?.kind {
        None => serde_json::from_str(text).map_err(unreadable),
        Some(kind) => match serde_json::from_str(text).map_err(unreadable)? {
            Value::Object(event) => of_event(&kind, &event),
            _ => Err("the line is not a JSON object".to_owned()),
        },
    }
}

/// A schema.org `Event`, or one of its more particular kinds.
fn of_event(kind: &Value, event: &Map<String, Value>) -> Result<ImportLine, String> {
    let kind = each(Some(kind)).find_map(|kind| kind.as_str().and_then(category));
    let category = kind.ok_or("@type is no kind of event")?;
    let status = event.get("eventStatus").and_then(last_part).unwrap_or("EventScheduled");
    if !matches!(status, "EventScheduled" | "EventRescheduled" | "EventMovedOnline") {
        return Err(format!(
            "eventStatus is {status}: operators cancel and postpone shows, an import does not"
        ));
    }
    let id = ["identifier", "@id", "url"].into_iter().find_map(|field| text(event.get(field)));
    let people = ["performer", "homeTeam", "awayTeam", "competitor"];
    let people = people.into_iter().flat_map(|field| each(event.get(field)));
    let mut performers: Vec<String> = Vec::new();
    for name in people.filter_map(name_of) {
        if !performers.contains(&name) {
            performers.push(name);
        }
    }
    let mut venue = each(event.get("location")).next().map(place).unwrap_or_default();
    let schedule = event.get("eventSchedule").and_then(|schedule| schedule.get("scheduleTimezone"));
    venue.time_zone = venue.time_zone.or_else(|| text(schedule));
    Ok(ImportLine {
        external_id: id,
        name: text(event.get("name")),
        category: Some(category.to_owned()),
        performers,
        starts_at: text(event.get("startDate")),
        ends_at: text(event.get("endDate")),
        venue,
    })
}

fn category(kind: &str) -> Option<&'static str> {
    match kind.rsplit(['/', ':', '#']).next().unwrap_or(kind) {
        "MusicEvent" => Some("concert"),
        "SportsEvent" => Some("sports"),
        "TheaterEvent" | "DanceEvent" | "ScreeningEvent" => Some("theatre"),
        "ComedyEvent" => Some("comedy"),
        "Festival" => Some("festival"),
        kind if kind.ends_with("Event") => Some("other"),
        _ => None,
    }
}

/// A `Place` with its `PostalAddress`.
fn place(place: &Value) -> ImportVenue {
    let address = place.get("address").and_then(|address| each(Some(address)).next());
    let part = |field: &str| text(address.and_then(|address| address.get(field)));
    let street = match address {
        Some(Value::String(line)) => Some(line.clone()),
        _ => {
            let parts = [part("streetAddress"), part("postalCode")];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            Some(parts.join(", ")).filter(|line| !line.is_empty())
        }
    };
    ImportVenue {
        external_id: text(place.get("identifier")).or_else(|| text(place.get("@id"))),
        name: name_of(place),
        city: part("addressLocality"),
        region: part("addressRegion"),
        country: part("addressCountry"),
        time_zone: text(place.get("timeZone")),
        address: street,
        sections: Vec::new(),
    }
}

/// The members of a list, or the one thing that stands where a list might.
fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
    .iter()
}

fn name_of(thing: &Value) -> Option<String> {
    match thing {
        Value::String(name) => Some(name.clone()),
        thing => text(thing.get("name")),
    }
}

/// A text, or the one that stands for a thing: the value of a `PropertyValue`, a name, an id.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) => text(list.first()),
        Value::Object(thing) => {
            ["@value", "value", "name", "@id"].into_iter().find_map(|field| text(thing.get(field)))
        }
        Value::Null | Value::Bool(_) => None,
    }
}

/// `EventScheduled` of `https://schema.org/EventScheduled`.
fn last_part(value: &Value) -> Option<&str> {
    value.as_str().and_then(|text| text.rsplit(['/', ':']).next())
}
