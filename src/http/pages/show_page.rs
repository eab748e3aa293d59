//! A show's page and a ticket's, drawn from the store: what a preview of a link says, what search
//! engines read, and what people see until the scripts take over.

use axum::http::HeaderMap;

use super::document::{Html, Page, Preview};
use super::schema;
use super::shared::Pages;
use super::texts::{Language, args, hold};
use crate::domain::{
    Category, Name, Price, ShowBrief, ShowId, ShowState, ShowView, Ticket, TicketId, TicketStatus,
    Timestamp, VenueFacts, ZoneName,
};
use crate::http::views::shows::CoverPath;
use crate::store::ReadError;

/// A show's page, or `None` if there is no such show.
pub async fn show(
    pages: &Pages,
    headers: &HeaderMap,
    id: ShowId,
) -> Result<Option<Page>, ReadError> {
    let Some(view) = pages.store.show(id).await? else { return Ok(None) };
    let language = Language::of(headers);
    let url = pages.url(&format!("/shows/{id}"));
    let image = image(pages, &view);
    let on_sale = pages.on_sale(std::slice::from_ref(&view)).await?;
    let offers = on_sale.first().and_then(|sale| schema::offers(sale, url.as_deref()));
    let name = view.show.facts.name.as_str().to_owned();
    Ok(Some(Page {
        title: language.text_with("page-title", &args([("title", name.clone())])),
        preview: Preview {
            kind: "website",
            title: name,
            description: show_description(language, &view),
            properties: image.iter().map(|image| ("og:image", image.clone())).collect(),
        },
        data: Some(schema::event(&view, offers, url.as_deref(), image.as_deref())),
        url,
        is_public: true,
        main: show_article(language, &view),
        language,
    }))
}

/// Where the picture of a show is, if it has one, and its whole address is known.
fn image(pages: &Pages, view: &ShowView) -> Option<String> {
    let path = CoverPath::of(view.show.id, view.show.cover)?;
    pages.url(&path.to_string())
}

/// What it is, when and where, in a sentence or two.
fn show_description(language: Language, view: &ShowView) -> String {
    let (facts, venue) = (&view.show.facts, &view.venue.facts);
    let values = args([
        ("title", facts.name.as_str().to_owned()),
        ("time", when(language, view)),
        ("venue", venue.name.as_str().to_owned()),
        ("city", venue.city.as_str().to_owned()),
    ]);
    let described = match view.show.state {
        ShowState::Scheduled => "show-description",
        ShowState::Postponed => "show-description-postponed",
        ShowState::Cancelled => "show-description-cancelled",
        ShowState::Over => "show-description-over",
    };
    language.text_with(described, &values)
}

/// A show's page, as `pages/show.js` draws it.
fn show_article(language: Language, view: &ShowView) -> Html {
    let facts = &view.show.facts;
    let performers: Vec<&str> = facts.performers.iter().map(Name::as_str).collect();
    let performers = match performers.as_slice() {
        [] => Html::default(),
        names => Html::classed("p", "performers", &names.join(", ")),
    };
    let VenueFacts { name, address, city, region, .. } = &view.venue.facts;
    let address = address.as_ref().map(|address| address.as_str());
    let region = region.as_ref().map(|region| region.as_str());
    let parts: Vec<&str> = [address, Some(city.as_str()), region].into_iter().flatten().collect();
    let venue = venue(name, &parts.join(", "));
    let told = Html::classed("p", "eyebrow", &language.text(category(facts.category)))
        .and(&Html::new("h1", &[], &Html::text(facts.name.as_str())))
        .and(&performers)
        .and(&Html::classed("p", "when", &when(language, view)))
        .and(&venue);
    // The room that the picture will take.
    let picture = Html::new("span", &[("class", "cover-large drawn")], &Html::default());
    let head = Html::new("div", &[("class", "show-cover")], &picture).and(&Html::new(
        "div",
        &[("class", "show-facts")],
        &told,
    ));
    let head = Html::new("div", &[("class", "show-head")], &head);
    Html::new("article", &[], &head.and(&notice(language, view.show.state)))
}

/// What a venue is called, and where it is.
fn venue(name: &Name, place: &str) -> Html {
    let name = Html::classed("span", "venue-name", name.as_str());
    let place = Html::new("span", &[], &Html::text(place));
    Html::new("p", &[("class", "venue")], &name.and(&place))
}

fn category(category: Category) -> &'static str {
    match category {
        Category::Concert => "category-concert",
        Category::Sports => "category-sports",
        Category::Theatre => "category-theatre",
        Category::Comedy => "category-comedy",
        Category::Festival => "category-festival",
        Category::Other => "category-other",
    }
}

/// What a show that does not simply take place says.
fn notice(language: Language, state: ShowState) -> Html {
    let text = match state {
        ShowState::Scheduled => return Html::default(),
        ShowState::Postponed => "show-postponed-text",
        ShowState::Cancelled => "show-cancelled-text",
        ShowState::Over => "show-over-text",
    };
    Html::classed("p", "notice", &language.text(text))
}

/// When a show starts, by the clock of its venue.
fn when(language: Language, view: &ShowView) -> String {
    let zone = &view.venue.facts.time_zone;
    start(language, view.show.state, zone, view.show.facts.starts_at)
}

fn start(language: Language, state: ShowState, zone: &ZoneName, at: Timestamp) -> String {
    match state {
        ShowState::Postponed => language.text("show-no-date"),
        ShowState::Scheduled | ShowState::Cancelled | ShowState::Over => {
            language.moment(&zone.clock_at(at))
        }
    }
}

/// The same in a list, where nothing is said of a date that is not known.
pub fn day(language: Language, view: &ShowView) -> String {
    match view.show.state {
        ShowState::Postponed => String::new(),
        ShowState::Scheduled | ShowState::Cancelled | ShowState::Over => when(language, view),
    }
}

/// A ticket's page, or `None` if there is no such ticket.
pub async fn ticket(
    pages: &Pages,
    headers: &HeaderMap,
    id: TicketId,
) -> Result<Option<Page>, ReadError> {
    let Some(ticket) = pages.store.ticket(id).await? else { return Ok(None) };
    // A ticket's row has its show as it was when the ticket was written.
    let show = match ticket.show() {
        Some(show) => pages.store.show(show.id).await?,
        None => None,
    };
    let ticket = match &show {
        Some(view) => ticket.shown_with(ShowBrief::from(view).into()),
        None => ticket,
    };
    let language = Language::of(headers);
    let title = ticket.title.as_str().to_owned();
    let total = pages.total(&ticket);
    let availability = if is_available(&ticket) { "in stock" } else { "oos" };
    let url = pages.url(&format!("/tickets/{id}"));
    let offer = schema::offer(&ticket, total, url.as_deref());
    let image = show.as_ref().and_then(|view| image(pages, view));
    let properties = [
        ("product:price:amount", total.to_string()),
        ("product:price:currency", total.currency().as_str().to_ascii_uppercase()),
        ("product:availability", availability.to_owned()),
    ];
    let pictured = image.iter().map(|image| ("og:image", image.clone()));
    Ok(Some(Page {
        title: language.text_with("page-title", &args([("title", title.clone())])),
        preview: Preview {
            kind: "product",
            title,
            description: ticket_description(pages, language, &ticket),
            properties: properties.into_iter().chain(pictured).collect(),
        },
        data: Some(match &show {
            Some(view) => schema::event(view, Some(offer), url.as_deref(), image.as_deref()),
            None => schema::product(&ticket, &offer),
        }),
        url,
        is_public: true,
        main: stub(language, &ticket, total),
        language,
    }))
}

fn is_available(ticket: &Ticket) -> bool {
    ticket.status() == TicketStatus::Available
}

fn ticket_description(pages: &Pages, language: Language, ticket: &Ticket) -> String {
    let title = ticket.title.as_str().to_owned();
    let price = language.price(pages.total(ticket));
    let time = hold(pages.hold, language);
    match ticket.show() {
        Some(show) if is_available(ticket) => {
            let values = args([
                ("title", title),
                ("price", price),
                ("time", brief_when(language, show)),
                ("venue", show.venue.name.as_str().to_owned()),
                ("city", show.venue.city.as_str().to_owned()),
            ]);
            language.text_with("ticket-description-show", &values)
        }
        _ => {
            let id =
                if is_available(ticket) { "ticket-description" } else { "ticket-description-gone" };
            let values = args([("title", title), ("price", price), ("time", time)]);
            language.text_with(id, &values)
        }
    }
}

fn brief_when(language: Language, show: &ShowBrief) -> String {
    start(language, show.state, &show.venue.time_zone, show.starts_at)
}

/// A ticket's page, as `pages/ticket.js` draws it.
fn stub(language: Language, ticket: &Ticket, total: Price) -> Html {
    let status = match ticket.status() {
        TicketStatus::Available => "status-available",
        TicketStatus::Locked => "status-locked",
        TicketStatus::Sold => "status-sold",
        TicketStatus::Closed => "status-closed",
    };
    let price = if ticket.listing().quantity == 1 { "price-is" } else { "price-each-is" };
    let price = language.text_with(price, &args([("price", language.price(total))]));
    let status = language.text_with("status-is", &args([("status", language.text(status))]));
    let facts = Html::classed("p", "fact", &price).and(&Html::classed("p", "fact", &status));
    let admits = ticket.show().map_or_else(Html::default, |show| admits(language, show));
    let main = Html::classed("p", "eyebrow", &language.text("ticket"))
        .and(&Html::new("h1", &[], &Html::text(ticket.title.as_str())))
        .and(&admits)
        .and(&Html::new("div", &[("class", "facts")], &facts));
    let main = Html::new("div", &[("class", "stub-main")], &main);
    let side = Html::new("div", &[("class", "stub-side")], &Html::default());
    Html::new("article", &[("class", "stub")], &main.and(&side))
}

/// What a ticket says of the show it admits to.
fn admits(language: Language, show: &ShowBrief) -> Html {
    let path = format!("/shows/{}", show.id);
    let see = Html::new("a", &[("href", &path)], &Html::text(&language.text("show-see")));
    let told = Html::classed("p", "when", &brief_when(language, show))
        .and(&venue(&show.venue.name, show.venue.city.as_str()))
        .and(&Html::new("p", &[], &see));
    Html::new("div", &[("class", "admits")], &told)
}

#[cfg(test)]
mod tests;
