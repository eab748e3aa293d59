use crate::domain::{
    Category, Commit, Line, Show, ShowBrief, ShowFacts, ShowId, Site, TicketId, UserId, Venue,
    VenueFacts, VenueId, ZoneName,
};
use crate::http::pages::tests::{Shop, data_of};
use crate::store::testing::{World, listed};

/// A show in Berlin, on the fifth of December 2026 at eight in the evening.
async fn announces(world: &World, name: &str) -> ShowId {
    let by = UserId::from_u128(1);
    let facts = VenueFacts {
        name: Line::accepted_before("Waldbühne"),
        city: Line::accepted_before("Berlin"),
        region: None,
        country: "DE".parse().unwrap(),
        time_zone: ZoneName::accepted_before("Europe/Berlin"),
        address: Some(Line::accepted_before("Am Glockenturm 1")),
        sections: Vec::new(),
        imported: None,
    };
    let venue = Venue::add(VenueId::from_u128(world.id()), by, facts, world.now());
    let starts_at = "2026-12-05T19:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let starts_at = crate::domain::Timestamp::from_millis(starts_at);
    let facts = ShowFacts {
        name: Line::accepted_before(name),
        category: Category::Concert,
        performers: vec![Line::accepted_before("Anna & Ben")],
        site: Site::from(&venue),
        starts_at,
        ends_at: starts_at.plus(std::time::Duration::from_secs(7200)),
        external_id: None,
        imported: None,
    };
    let show = Show::add(ShowId::from_u128(world.id()), by, facts, world.now());
    let id = show.id;
    world.commit(Commit::at(world.now()).put(venue).put(show)).await;
    id
}

async fn lists_for(world: &World, show: ShowId, seller: UserId, minor: u64) -> TicketId {
    let view = world.store.show(show).await.unwrap().unwrap();
    let ticket = world.new_ticket(seller, view.show.facts.name.as_str(), minor);
    let ticket = ticket.shown_with(ShowBrief::from(&view).into());
    let id = ticket.id;
    world.commit(listed(ticket)).await;
    id
}

#[tokio::test]
async fn a_link_to_a_show_has_a_preview() {
    let shop = Shop::open();
    let show = announces(&shop.world, "\"Lulu\" </script><script>").await;
    let html = shop.html(&format!("/shows/{show}"), "en").await;
    for expected in [
        "<title>&quot;Lulu&quot; &lt;/script&gt;&lt;script&gt; – GitTix</title>",
        "<meta property=\"og:title\" content=\"&quot;Lulu&quot; &lt;/script&gt;&lt;script&gt;\">",
        "<p class=\"when\">Sat, 5 Dec 2026, 20:00</p>",
        "<p class=\"performers\">Anna &amp; Ben</p>",
        "<span class=\"venue-name\">Waldbühne</span>",
        "in Berlin.",
        &format!("<link rel=\"canonical\" href=\"https://tickets.example.com/shows/{show}\">"),
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
    assert_eq!(html.matches("</script>").count(), 2, "the data and the storefront's own");
    let data = data_of(&html);
    assert_eq!(data["@type"], "MusicEvent");
    assert_eq!(data["name"], "\"Lulu\" </script><script>");
    assert_eq!(data["startDate"], "2026-12-05T20:00:00+01:00");
    assert_eq!(data["location"]["address"]["addressCountry"], "DE");
    assert_eq!(data["performer"][0]["name"], "Anna & Ben");
    assert!(!html.contains("noindex"));
    let html = shop.html(&format!("/shows/{show}"), "de").await;
    assert!(html.contains("<p class=\"when\">5.12.2026, 20:00 Uhr</p>"), "{html}");
    let front = shop.html("/", "de").await;
    assert!(front.contains("<span class=\"show-date\">5.12.2026, 20:00 Uhr</span>"), "{front}");
}

#[tokio::test]
async fn a_ticket_of_a_show_offers_the_show_and_says_what_the_buyer_pays() {
    let shop = Shop::open();
    let ana = shop.world.user("ana").await;
    let show = announces(&shop.world, "Lulu").await;
    let ticket = lists_for(&shop.world, show, ana, 4550).await;
    let html = shop.html(&format!("/tickets/{ticket}"), "en").await;
    let data = data_of(&html);
    assert_eq!(data["@type"], "MusicEvent");
    assert_eq!(data["offers"]["price"], "45.5");
    assert_eq!(data["offers"]["url"], format!("https://tickets.example.com/tickets/{ticket}"));
    assert!(html.contains(&format!("href=\"/shows/{show}\"")), "{html}");
    assert!(html.contains("Waldbühne in Berlin"), "the preview says where: {html}");
}
