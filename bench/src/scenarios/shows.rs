//! Looking for shows, and at what is on sale for one.

use super::requests::expect;
use super::{Bench, CEILING, GITTIX};
use crate::client::{Answer, Next, Workload, drive, http};
use crate::process::Running;
use crate::report::Outcome;
use crate::world::{World, hash};

/// A kind of page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// The 50 cheapest listings of a show that has many.
    Listings,
    /// The 50 cheapest of which two seats can be had.
    Pairs,
    /// What is on soon.
    Shows,
    /// What is on soon in a city.
    InCity,
    /// The storefront's first page, as a browser gets it.
    Front,
    /// The JSON of 50 listings, from the plain axum server.
    ListingsJson,
    /// The JSON of 50 shows, from there.
    ShowsJson,
}

const PAGES: [Page; 7] = [
    Page::Listings,
    Page::Pairs,
    Page::Shows,
    Page::InCity,
    Page::Front,
    Page::ListingsJson,
    Page::ShowsJson,
];

const NAMES: [&str; 7] = [
    "50 listings of a show",
    "50 listings for two",
    "50 shows",
    "50 shows in a city",
    "front page",
    "JSON of 50 listings",
    "JSON of 50 shows",
];

impl Page {
    fn name(self) -> &'static str {
        NAMES[self.class()]
    }

    fn class(self) -> usize {
        PAGES.iter().position(|page| *page == self).expect("all pages are there")
    }
}

/// One kind of page, again and again.
struct Looking {
    world: World,
    page: Page,
    sent: u64,
}

impl Workload for Looking {
    fn classes(&self) -> &'static [&'static str] {
        &NAMES
    }

    fn next(&mut self, _: usize, request: &mut Vec<u8>) -> Next {
        self.sent += 1;
        let random = hash(self.sent);
        let show = || self.world.show_id(random % self.world.large_shows());
        let get = |request: &mut Vec<u8>, path: &str| http::bare(request, "GET", path, b"");
        match self.page {
            Page::Listings => get(request, &format!("/api/tickets?show={}&sort=price", show())),
            Page::Pairs => {
                get(request, &format!("/api/tickets?show={}&sort=price&quantity=2", show()));
            }
            Page::Shows => get(request, "/api/shows"),
            Page::InCity => {
                let city = crate::world::titles::city(random);
                get(request, &format!("/api/shows?city={city}"));
            }
            Page::Front => http::bare(request, "GET", "/", b"accept: text/html\r\n"),
            Page::ListingsJson => get(request, "/page-of-listings"),
            Page::ShowsJson => get(request, "/page-of-shows"),
        }
        Next::Send(self.page.class())
    }

    fn answered(&mut self, _: usize, class: usize, answer: Answer<'_>) -> Result<(), String> {
        expect(answer, 200, NAMES.get(class).ok_or("a class that is none")?)
    }
}

async fn measure(
    bench: &Bench,
    world: &World,
    (name, server): (&'static str, &Running),
    page: Page,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let looking = Looking { world: world.clone(), page, sent: 0 };
    let (seen, _) = drive(server.address, bench.load(), looking, &server.probe).await?;
    outcome.observe(name, &seen);
    Ok(())
}

/// Every kind of page alone, beside the JSON of such a page alone.
pub async fn run(bench: &Bench) -> anyhow::Result<Outcome> {
    let options = &bench.options;
    let wanted = World {
        available: options.tickets,
        open: 0,
        sold: 0,
        shows: options.shows.clamp(1, options.tickets.max(1)),
        ..options.world()
    };
    let store = bench.stores.get(&wanted).await?;
    let (world, mut outcome) = (&store.world, Outcome::default());
    let ceiling = bench.ceiling().await?;
    for page in [Page::ListingsJson, Page::ShowsJson] {
        measure(bench, world, (CEILING, &ceiling), page, &mut outcome).await?;
    }
    drop(ceiling);
    let server = bench.gittix(&store, &[]).await?;
    for page in [Page::Listings, Page::Pairs, Page::Shows, Page::InCity, Page::Front] {
        measure(bench, world, (GITTIX, &server), page, &mut outcome).await?;
    }
    for (page, json, cost, target) in [
        (
            Page::Listings,
            Page::ListingsJson,
            "CPU of a show's listings, of their JSON's",
            "at most 2",
        ),
        (Page::Pairs, Page::ListingsJson, "CPU of those for two, of their JSON's", "at most 2"),
        (Page::Shows, Page::ShowsJson, "CPU of a page of shows, of its JSON's", "at most 2"),
        (Page::InCity, Page::ShowsJson, "CPU of the shows in a city, of a page's JSON's", ""),
        (Page::Front, Page::ShowsJson, "CPU of the front page, of the JSON of 50 shows", ""),
    ] {
        let of = (CEILING, json.name());
        outcome.compare((GITTIX, page.name()), "server CPU us/answer", &[(cost, of, target)]);
    }
    Ok(outcome)
}
