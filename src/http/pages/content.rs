//! What the server draws of each page, from the store: the front page and a ticket's in full, and
//! of all others the frame.

use axum::http::HeaderMap;
use fluent_bundle::FluentArgs;
use serde_json::{Value, json};

use super::document::{Html, Page, Preview};
use super::shared::Pages;
use super::texts::Language;
use crate::domain::{Price, ShowState, ShowView, Ticket, TicketId, TicketStatus, Timestamp};
use crate::store::{Moment, ReadError, ShowQuery, ShowSort, TicketQuery, TicketSort};

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
    let lead_of_list = language.text_with("tickets-lead", &args([("time", hold(pages, language))]));
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
    let lead = language.text_with("tickets-lead", &args([("time", hold(pages, language))]));
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
    let cards = shows.iter().fold(Html::default(), |cards, view| cards.and(&show_card(view)));
    let label = language.text("shows");
    Ok(Html::new("ul", &[("class", "shows"), ("aria-label", &label)], &cards))
}

/// A show in the list, as `shows.js` draws it, with its day by the venue's clock.
fn show_card(view: &ShowView) -> Html {
    let (show, venue) = (&view.show, &view.venue.facts);
    let day = match show.state {
        ShowState::Postponed => String::new(),
        _ => venue.time_zone.day_at(show.facts.starts_at).to_string(),
    };
    let place = format!("{} · {}", venue.name.as_str(), venue.city.as_str());
    let body = Html::classed("span", "show-date", &day)
        .and(&Html::classed("span", "show-name", show.facts.name.as_str()))
        .and(&Html::classed("span", "show-place", &place));
    // The room that the picture will take.
    let picture = Html::new("span", &[("class", "cover drawn")], &Html::default());
    let content = Html::new("span", &[("class", "show-picture")], &picture)
        .and(&Html::new("span", &[("class", "show-body")], &body))
        .and(&Html::classed("span", "show-sale", "\u{A0}"));
    let path = format!("/shows/{}", show.id);
    Html::new("li", &[], &Html::new("a", &[("class", "show"), ("href", &path)], &content))
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

/// A ticket's page, or `None` if there is no such ticket.
pub async fn ticket(
    pages: &Pages,
    headers: &HeaderMap,
    id: TicketId,
) -> Result<Option<Page>, ReadError> {
    let Some(ticket) = pages.store.ticket(id).await? else { return Ok(None) };
    let language = Language::of(headers);
    let title = ticket.title.as_str().to_owned();
    let total = pages.total(&ticket);
    let price = language.price(total);
    let is_available = ticket.status() == TicketStatus::Available;
    let described = if is_available { "ticket-description" } else { "ticket-description-gone" };
    let values =
        args([("title", title.clone()), ("price", price.clone()), ("time", hold(pages, language))]);
    let url = pages.url(&format!("/tickets/{id}"));
    Ok(Some(Page {
        title: language.text_with("page-title", &args([("title", title.clone())])),
        preview: Preview {
            kind: "product",
            title: title.clone(),
            description: language.text_with(described, &values),
            properties: vec![
                ("product:price:amount", total.to_string()),
                ("product:price:currency", total.currency().as_str().to_ascii_uppercase()),
                ("product:availability", if is_available { "in stock" } else { "oos" }.to_owned()),
            ],
        },
        data: Some(offer(&ticket, total, url.as_deref())),
        url,
        is_public: true,
        main: stub(language, &title, &price, ticket.status()),
        language,
    }))
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

/// A ticket's page, as `pages/ticket.js` draws it.
fn stub(language: Language, title: &str, price: &str, status: TicketStatus) -> Html {
    let status = match status {
        TicketStatus::Available => "status-available",
        TicketStatus::Locked => "status-locked",
        TicketStatus::Sold => "status-sold",
        TicketStatus::Closed => "status-closed",
    };
    let price = language.text_with("price-is", &args([("price", price.to_owned())]));
    let status = language.text_with("status-is", &args([("status", language.text(status))]));
    let facts = Html::classed("p", "fact", &price).and(&Html::classed("p", "fact", &status));
    let main = Html::classed("p", "eyebrow", &language.text("ticket"))
        .and(&Html::new("h1", &[], &Html::text(title)))
        .and(&Html::new("div", &[("class", "facts")], &facts));
    let main = Html::new("div", &[("class", "stub-main")], &main);
    let side = Html::new("div", &[("class", "stub-side")], &Html::default());
    Html::new("article", &[("class", "stub")], &main.and(&side))
}

/// A ticket in schema.org's words.
fn offer(ticket: &Ticket, total: Price, url: Option<&str>) -> Value {
    let availability = match ticket.status() {
        TicketStatus::Available => "InStock",
        TicketStatus::Locked => "LimitedAvailability",
        TicketStatus::Sold | TicketStatus::Closed => "SoldOut",
    };
    let mut offer = json!({
        "@type": "Offer",
        "price": total.to_string(),
        "priceCurrency": total.currency().as_str().to_ascii_uppercase(),
        "availability": format!("https://schema.org/{availability}"),
    });
    if let (Some(url), Some(offer)) = (url, offer.as_object_mut()) {
        offer.insert("url".to_owned(), url.into());
    }
    json!({
        "@context": "https://schema.org",
        "@type": "Product",
        "name": ticket.title.as_str(),
        "offers": offer,
    })
}

fn newest(limit: usize) -> TicketQuery {
    TicketQuery {
        seller: None,
        words: Vec::new(),
        min_price_minor: None,
        max_price_minor: None,
        sort: TicketSort::Newest,
        after: None,
        limit,
    }
}

/// How long an order holds its ticket, in words.
fn hold(pages: &Pages, language: Language) -> String {
    let seconds = pages.hold.as_secs();
    let (id, count) = match seconds {
        60.. => ("duration-minutes", seconds.saturating_add(30) / 60),
        _ => ("duration-seconds", seconds),
    };
    let mut values = FluentArgs::new();
    values.set("count", count);
    language.text_with(id, &values)
}

fn args<const COUNT: usize>(values: [(&'static str, String); COUNT]) -> FluentArgs<'static> {
    values.into_iter().collect()
}
