//! Shows and their venues, and the tickets that are for them.
//!
//! Every other ticket, and the first of each show, is for one show after the other; the rest are for one
//! in a hundred shows, so that these have many more listings than a page shows.

use std::sync::Arc;

use gittix::domain::{
    Category, Commit, Currency, Event, Line, Listing, ListingDraft, SalesEnd, Show, ShowFacts,
    ShowId, ShowTicket, ShowView, Site, Ticket, Venue, VenueFacts, VenueId, Write, ZoneName,
};

use super::{World, hash, id, timestamp, titles};

/// How many shows a venue has at most.
const SHOWS_OF_A_VENUE: u64 = 50;
/// The time between the end of the world's history and the first show, and between one show and the next.
const FIRST_AFTER_MS: u64 = 24 * 3600 * 1000;
const APART_MS: u64 = 15 * 60 * 1000;

impl World {
    /// So many shows with a ticket each, and nothing else.
    pub fn of_shows(shows: u64) -> Self {
        Self {
            available: shows,
            open: 0,
            sold: 0,
            sellers: 10,
            buyers: 10,
            performers: 100,
            ends_at_ms: 1_790_000_000_000,
            open_for_seconds: 0,
            open_within_ms: 0,
            shows,
        }
    }

    /// How many shows have many listings: those with the lowest numbers.
    pub fn large_shows(&self) -> u64 {
        (self.shows / 100).max(1)
    }

    /// The id of a show by its number.
    pub fn show_id(&self, number: u64) -> ShowId {
        ShowId::from_u128(id(self.added_at_ms(), 3, number))
    }

    /// A show with its venue, by its number.
    pub fn show(&self, number: u64) -> ShowView {
        let venue = self.venue(number / SHOWS_OF_A_VENUE);
        // Those with many listings are spread over the months like all others.
        let place = hash(number) % self.shows;
        let starts_at = timestamp(self.ends_at_ms + FIRST_AFTER_MS + place * APART_MS);
        let categories = Category::ALL;
        let facts = ShowFacts {
            name: line(&titles::title(number, self.performers)),
            category: categories[usize::try_from(number).expect("a number") % categories.len()],
            performers: Vec::new(),
            site: Site::from(&venue),
            starts_at,
            ends_at: starts_at.plus(gittix::domain::show::BY_DEFAULT),
            external_id: None,
            imported: None,
        };
        let at = timestamp(self.added_at_ms());
        let show = Show::add(self.show_id(number), self.seller(0).id, facts, at);
        ShowView { show, venue }
    }

    /// The show of the ticket with that index, if tickets are for shows.
    pub(super) fn show_of(&self, index: u64) -> Option<ShowView> {
        if self.shows == 0 {
            return None;
        }
        let is_spread = index < self.shows || index.is_multiple_of(2);
        let number = if is_spread { index % self.shows } else { hash(index) % self.large_shows() };
        Some(self.show(number))
    }

    /// Every venue and show, as they were added.
    pub(super) fn shows_added(&self) -> impl Iterator<Item = Commit> + '_ {
        let at = timestamp(self.added_at_ms());
        let venues = (0..self.shows.div_ceil(SHOWS_OF_A_VENUE)).map(move |number| {
            let venue = self.venue(number);
            Commit::at(at).put(venue.clone()).event(Event::VenueCreated(Box::new(venue)))
        });
        let shows = (0..self.shows).map(move |number| {
            let view = self.show(number);
            Commit::at(at).put(view.show.clone()).event(Event::ShowCreated(Box::new(view)))
        });
        venues.chain(shows)
    }

    /// The ticket with that index as it is listed for a show.
    pub(super) fn listed_for(&self, index: u64, view: &ShowView, currency: Currency) -> Commit {
        let ticket = self.list_for(index, view, currency);
        let is_first = index < self.shows;
        let sales_end = is_first.then(|| SalesEnd::with_ticket(None, &view.show)).flatten();
        Commit::at(ticket.created_at)
            .write(Write::Ticket(ticket.clone()))
            .event(Event::TicketCreated(ticket.clone()))
            .put(ShowTicket::add(&ticket, &view.show))
            .put_if(sales_end)
    }

    /// The same as a ticket: one to six seats in a section and a row.
    pub fn list_for(&self, index: u64, view: &ShowView, currency: Currency) -> Ticket {
        let draft = ListingDraft {
            section: Some(Some(line(&format!("Block {}", hash(index) % 8 + 1)))),
            row: Some(Some(line(&(hash(index) % 40 + 1).to_string()))),
            quantity: Some(u32::try_from(hash(index ^ 0x7365_6174) % 6 + 1).expect("a few")),
            ..ListingDraft::default()
        };
        let listing = Listing { show: Some(Arc::new(view.into())), ..Listing::default() };
        self.list(index, currency).described(listing.with(&draft))
    }

    fn venue(&self, number: u64) -> Venue {
        let place = titles::city(number);
        let facts = VenueFacts {
            name: line(&format!("{place} Arena {number}")),
            city: line(place),
            region: None,
            country: "DE".parse().expect("a country"),
            time_zone: "Europe/Berlin".parse::<ZoneName>().expect("a zone"),
            address: None,
            sections: Vec::new(),
            imported: None,
        };
        let venue = VenueId::from_u128(id(self.added_at_ms(), 2, number));
        Venue::add(venue, self.seller(0).id, facts, timestamp(self.added_at_ms()))
    }

    fn added_at_ms(&self) -> u64 {
        self.ends_at_ms - super::LISTED_OVER_MS - 1
    }
}

fn line<const MAX: usize>(text: &str) -> Line<MAX> {
    Line::parse(text).expect("a line")
}
