//! Shows as calendar files (RFC 5545).

use std::fmt::Write as _;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::domain::{ShowState, ShowView, Timestamp};

/// The longest line, in bytes, its end not counted.
const LINE_BYTES: usize = 75;

/// What a calendar says of a show.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The show.
    pub view: &'a ShowView,
    /// Names the entry for ever: who takes the file in again gets the entry changed, not another.
    pub name: String,
    /// What else there is to know, line by line.
    pub notes: &'a [String],
    /// Where it is shown, if that is known.
    pub page: Option<String>,
}

impl<'a> Entry<'a> {
    /// A show as anyone sees it.
    pub fn of(view: &'a ShowView, origin: Option<&str>) -> Self {
        let page = origin.map(|origin| format!("{origin}/shows/{}", view.show.id));
        Self { view, name: view.show.id.to_string(), notes: &[], page }
    }

    /// The answer with the file.
    pub fn into_answer(self, caching: HeaderValue) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8")),
            (
                header::CONTENT_DISPOSITION,
                HeaderValue::from_static("attachment; filename=show.ics"),
            ),
            (header::CACHE_CONTROL, caching),
        ];
        (headers, self.calendar()).into_response()
    }

    /// A calendar with this entry.
    fn calendar(&self) -> String {
        let (show, facts, venue) = (&self.view.show, &self.view.show.facts, &self.view.venue.facts);
        let status = match show.state {
            ShowState::Scheduled | ShowState::Over => "CONFIRMED",
            ShowState::Postponed => "TENTATIVE",
            ShowState::Cancelled => "CANCELLED",
        };
        let mut places = vec![venue.name.as_str()];
        places.extend(venue.address.as_ref().map(|address| address.as_str()));
        places.push(venue.city.as_str());
        let mut text = String::with_capacity(600);
        line(&mut text, "BEGIN:VCALENDAR");
        line(&mut text, "VERSION:2.0");
        line(&mut text, "PRODID:-//gittix//shows//EN");
        line(&mut text, "METHOD:PUBLISH");
        line(&mut text, "BEGIN:VEVENT");
        line(&mut text, &format!("UID:{}@gittix", self.name));
        line(&mut text, &format!("DTSTAMP:{}", utc(show.updated_at)));
        line(&mut text, &format!("SEQUENCE:{}", show.version));
        line(&mut text, &format!("DTSTART:{}", utc(facts.starts_at)));
        line(&mut text, &format!("DTEND:{}", utc(facts.ends_at)));
        line(&mut text, &format!("SUMMARY:{}", escaped(facts.name.as_str())));
        line(&mut text, &format!("LOCATION:{}", escaped(&places.join(", "))));
        if !self.notes.is_empty() {
            line(&mut text, &format!("DESCRIPTION:{}", escaped(&self.notes.join("\n"))));
        }
        line(&mut text, &format!("STATUS:{status}"));
        if let Some(page) = &self.page {
            line(&mut text, &format!("URL:{page}"));
        }
        line(&mut text, "END:VEVENT");
        line(&mut text, "END:VCALENDAR");
        text
    }
}

/// `20261122T190000Z`.
fn utc(at: Timestamp) -> String {
    let text = at.text();
    let seconds = text.as_str().split('.').next().unwrap_or_default();
    let mut compact: String = seconds.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let _ = compact.write_char('Z');
    compact
}

/// A text, with what has a meaning of its own escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Adds a line. A long one goes on in the next, which begins with a space; no character is divided.
fn line(text: &mut String, content: &str) {
    let mut length = 0;
    for c in content.chars() {
        if length + c.len_utf8() > LINE_BYTES {
            text.push_str("\r\n ");
            length = 1;
        }
        text.push(c);
        length += c.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_and_without_signs_between() {
        assert_eq!(utc(Timestamp::from_millis(1_795_319_640_768)), "20261122T035400Z");
    }

    #[test]
    fn what_has_a_meaning_of_its_own_is_escaped() {
        assert_eq!(escaped("Row 4\nSeats 1, 2"), r"Row 4\nSeats 1\, 2");
        assert_eq!(escaped(r"AC/DC; live, a\b"), r"AC/DC\; live\, a\\b");
    }

    #[test]
    fn a_long_line_goes_on_and_no_character_is_divided() {
        let mut text = String::new();
        line(&mut text, &"ü".repeat(100));
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES), "{lines:?}");
        assert!(lines[1].starts_with(' ') && text.ends_with("\r\n"));
        assert_eq!(text.replace("\r\n ", "").trim_end(), "ü".repeat(100));
    }

    #[test]
    fn a_line_is_as_long_as_it_may_be() {
        let lines_of = |content: &str| {
            let mut text = String::new();
            line(&mut text, content);
            text.trim_end().split("\r\n").map(str::len).collect::<Vec<_>>()
        };
        assert_eq!(lines_of(&"x".repeat(LINE_BYTES)), [LINE_BYTES]);
        assert_eq!(lines_of(&"x".repeat(LINE_BYTES + 1)), [LINE_BYTES, 2]);
        assert_eq!(lines_of(&"x".repeat(3 * LINE_BYTES)), [LINE_BYTES, LINE_BYTES, LINE_BYTES, 3]);
    }
}
