//! What the server draws of the pages with lists, from the store, and the frame of all others.

use axum::http::HeaderMap;
use fluent_bundle::FluentArgs;

use super::document::{Html, Page, Preview};
use super::shared::Pages;
use super::show_page::day;
use super::texts::{Language, args, hold};
use crate::domain::{Price, ShowView, Ticket, Timestamp};
use crate::http::on_sale::OnSale;
use crate::store::{Moment, ReadError, ShowQuery, ShowSort, TicketQuery, TicketScope, TicketSort};

/// As many as the scripts show at first: of all tickets, and of those that were just listed.
const TICKETS: usize = 24;
const JUST_LISTED: usize = 6;
/// As many shows as the scripts show at first.
const SHOWS: usize = 24;

/// The front page. `is_filtered` leaves the lists to the scripts, which know the filters.
pub async fn front(
    pages: &Pages,
    headers: &HeaderMap,
    is_filtered: bool,
) -> Result<Page, ReadError> {
    let language = Language::of(headers);
    let name = language.text("home-title");
    let lead = language.text("home-lead");
    let list = cards(pages, language, "just-listed", JUST_LISTED, is_filtered).await?;
    let heading = Html::new("h2", &[], &Html::text(&language.text("just-listed")));
    let head = Html::new("div", &[("class", "page-head")], &heading);
    let lead_of_list =
        language.text_with("tickets-lead", &args([("time", hold(pages.hold, language))]));
    let block = head.and(&Html::classed("p", "lead", &lead_of_list)).and(&list);
    let shows = shows(pages, language, is_filtered).await?;
    let main = hero(&name, &lead)
        .and(&awaited("filters for-shows awaited"))
        .and(&shows)
        .and(&Html::new("section", &[("class", "block")], &block));
    let title = language.text_with("page-title-home", &args([("title", name.clone())]));
    Ok(overview(pages, language, "/", title, format!("GitTix – {name}"), &main))
}

/// Everything that is on sale. `is_filtered` leaves the list to the scripts, which know the filters.
pub async fn tickets(
    pages: &Pages,
    headers: &HeaderMap,
    is_filtered: bool,
) -> Result<Page, ReadError> {
    let language = Language::of(headers);
    let name = language.text("tickets-title");
    let lead = language.text_with("tickets-lead", &args([("time", hold(pages.hold, language))]));
    let list = cards(pages, language, "tickets", TICKETS, is_filtered).await?;
    let main = hero(&name, &lead).and(&awaited("filters awaited")).and(&list);
    let title = language.text_with("page-title", &args([("title", name.clone())]));
    Ok(overview(pages, language, "/tickets", title, name, &main))
}

fn hero(name: &str, lead: &str) -> Html {
    let hero = Html::new("h1", &[], &Html::text(name)).and(&Html::classed("p", "lead", lead));
    Html::new("div", &[("class", "hero")], &hero)
}

/// The room that the filters will take.
fn awaited(class: &str) -> Html {
    Html::new("div", &[("class", class)], &Html::default())
}

/// What was listed last, as cards.
async fn cards(
    pages: &Pages,
    language: Language,
    label: &str,
    limit: usize,
    is_filtered: bool,
) -> Result<Html, ReadError> {
    let tickets = match is_filtered {
        true => Vec::new(),
        false => pages.store.tickets(&newest(limit)).await?.tickets,
    };
    let cards = tickets.iter().fold(Html::default(), |cards, ticket| {
        cards.and(&card(language, ticket, pages.total(ticket)))
    });
    let label = language.text(label);
    Ok(Html::new("ul", &[("class", "cards"), ("aria-label", &label)], &cards))
}

/// What is on soon, as cards.
async fn shows(pages: &Pages, language: Language, is_filtered: bool) -> Result<Html, ReadError> {
    let shows = match is_filtered {
        true => Vec::new(),
        false => pages.store.shows(&soon((pages.now)())).await?.shows,
    };
    let on_sale = pages.on_sale(&shows).await?;
    let cards = shows
        .iter()
        .zip(&on_sale)
        .fold(Html::default(), |cards, (view, sale)| cards.and(&show_card(language, view, sale)));
    let label = language.text("shows");
    Ok(Html::new("ul", &[("class", "shows"), ("aria-label", &label)], &cards))
}

/// A show in the list, as `shows.js` draws it, with its day by the venue's clock.
fn show_card(language: Language, view: &ShowView, on_sale: &OnSale) -> Html {
    let (show, venue) = (&view.show, &view.venue.facts);
    let day = day(language, view);
    let place = format!("{} · {}", venue.name.as_str(), venue.city.as_str());
    let body = Html::classed("span", "show-date", &day)
        .and(&Html::classed("span", "show-name", show.facts.name.as_str()))
        .and(&Html::classed("span", "show-place", &place));
    // The room that the picture will take.
    let picture = Html::new("span", &[("class", "cover drawn")], &Html::default());
    let content = Html::new("span", &[("class", "show-picture")], &picture)
        .and(&Html::new("span", &[("class", "show-body")], &body))
        .and(&Html::new("span", &[("class", "show-sale")], &sale(language, on_sale)));
    let path = format!("/shows/{}", show.id);
    Html::new("li", &[], &Html::new("a", &[("class", "show"), ("href", &path)], &content))
}

/// What is on sale for a show, and from how much.
fn sale(language: Language, on_sale: &OnSale) -> Html {
    /// Where the price will stand.
    const PLACE: &str = "\u{E000}";
    let OnSale { seats, from_total } = *on_sale;
    let Some(from) = from_total.filter(|_| seats > 0) else { return Html::text("\u{A0}") };
    let text = language.text_with("show-from", &args([("price", PLACE.to_owned())]));
    let (before, after) = text.split_once(PLACE).unwrap_or((text.as_str(), ""));
    let price = Html::classed("strong", "from", &language.price(from));
    let from = Html::text(before).and(&price).and(&Html::text(after));
    let mut count = FluentArgs::new();
    count.set("count", seats);
    let seats = language.text_with("tickets-count", &count);
    Html::new("span", &[], &from).and(&Html::classed("span", "hint", &seats))
}

fn soon(now: Timestamp) -> ShowQuery {
    ShowQuery {
        words: Vec::new(),
        city: None,
        country: None,
        category: None,
        venue: None,
        from: Some(Moment::At(now)),
        to: None,
        sort: ShowSort::Date,
        after: None,
        limit: SHOWS,
    }
}

/// A page with a list, for search engines too.
fn overview(
    pages: &Pages,
    language: Language,
    path: &str,
    title: String,
    name: String,
    main: &Html,
) -> Page {
    Page {
        title,
        preview: Preview {
            kind: "website",
            title: name,
            description: language.text("site-description"),
            properties: Vec::new(),
        },
        url: pages.url(path),
        is_public: true,
        data: None,
        main: Html::new("section", &[], main),
        language,
    }
}

/// Any other page: its name, and that it is on its way.
pub fn frame(headers: &HeaderMap, name: &str) -> Page {
    let language = Language::of(headers);
    let name = language.text(name);
    let spinner =
        Html::new("span", &[("class", "spinner"), ("aria-hidden", "true")], &Html::default());
    let loading = spinner.and(&Html::text(&language.text("loading")));
    Page {
        title: language.text_with("page-title", &args([("title", name.clone())])),
        preview: Preview {
            kind: "website",
            title: name,
            description: language.text("site-description"),
            properties: Vec::new(),
        },
        url: None,
        is_public: false,
        data: None,
        main: Html::new("p", &[("class", "loading"), ("role", "status")], &loading),
        language,
    }
}

/// A ticket in the list, as `tickets.js` draws it.
fn card(language: Language, ticket: &Ticket, total: Price) -> Html {
    let price = language.price(total);
    let length = if price.chars().count() > 8 { "long" } else { "short" };
    let amount =
        Html::new("span", &[("class", "card-price"), ("data-length", length)], &Html::text(&price));
    let title = Html::classed("span", "card-title", ticket.title.as_str());
    let content = Html::new("span", &[("class", "card-body")], &title)
        .and(&Html::classed("span", "hidden-text", " - "))
        .and(&Html::new("span", &[("class", "card-stub")], &amount));
    let path = format!("/tickets/{}", ticket.id);
    let link = [("class", "card"), ("href", path.as_str()), ("data-status", "Available")];
    Html::new("li", &[], &Html::new("a", &link, &content))
}

fn newest(limit: usize) -> TicketQuery {
    TicketQuery {
        scope: TicketScope::default(),
        seller: None,
        words: Vec::new(),
        min_price_minor: None,
        max_price_minor: None,
        sort: TicketSort::Newest,
        after: None,
        limit,
    }
}
