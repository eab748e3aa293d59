//! Venues and shows: added, found, changed, over.

use axum::http::Method;
use gittix::actors::MarketSettings;
use gittix::actors::operators::{Role, set_role};
use gittix::domain::Email;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World, live};

const VENUES: &str = "/api/venues";
const SHOWS: &str = "/api/shows";

fn venue() -> Value {
    json!({"name": "Waldbühne", "city": "Berlin", "country": "DE", "timeZone": "Europe/Berlin"})
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn adds_venue(who: &Person, more: Value) -> String {
    id(&who.client.post(VENUES, &with(venue(), &more)).await.created())
}

/// The clock of the tests stands at 2026-11-22T03:54.
fn show(venue: &str) -> Value {
    json!({
        "name": "Rigoletto", "category": "theatre", "venueId": venue,
        "startsAt": "2026-12-24T20:00:00+01:00",
    })
}

async fn adds_show(who: &Person, venue: &str, more: Value) -> String {
    id(&who.client.post(SHOWS, &with(show(venue), &more)).await.created())
}

async fn names(world: &World, query: &str) -> Vec<String> {
    let found = world.anyone().get(&format!("{SHOWS}{query}")).await.ok();
    let name = |show: &Value| show["name"].as_str().unwrap().to_owned();
    found.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_venue_and_a_show_look_like_the_contract_says() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let now = world.now().to_string();
    let body = with(
        venue(),
        &json!({
            "region": "Brandenburg", "address": "Glockenturmstraße 1", "sections": ["Block A", "Block B"],
            "id": "x", "version": 9, "createdBy": "y",
        }),
    );
    let answer = ana.client.post(VENUES, &body).await.is(201);
    let hall = answer.value();
    let expected = json!({
        "id": hall["id"], "name": "Waldbühne", "city": "Berlin", "region": "Brandenburg",
        "country": "DE", "timeZone": "Europe/Berlin", "address": "Glockenturmstraße 1",
        "sections": ["Block A", "Block B"], "createdBy": ana.id, "version": 0,
        "createdAt": now, "updatedAt": now,
    });
    assert_eq!(hall, expected);
    assert_eq!(answer.header("location"), format!("{VENUES}/{}", id(&hall)));
    assert_eq!(answer.header("etag"), "\"0\"");
    let body = with(show(&id(&hall)), &json!({"performers": ["Ana", "Ben"], "externalId": "abc"}));
    let answer = ana.client.post(SHOWS, &body).await.is(201);
    let opera = answer.value();
    let expected = json!({
        "id": opera["id"], "name": "Rigoletto", "category": "theatre", "performers": ["Ana", "Ben"],
        "venue": hall, "startsAt": "2026-12-24T19:00:00.000Z", "endsAt": "2026-12-24T23:00:00.000Z",
        "status": "Scheduled", "listings": {"available": 0, "fromTotal": null}, "coverUrl": null,
        "externalId": "abc", "createdBy": ana.id, "version": 0, "createdAt": now, "updatedAt": now,
    });
    assert_eq!(opera, expected);
    assert!(id(&opera).starts_with("show_") && id(&hall).starts_with("venue_"));
    let path = format!("{SHOWS}/{}", id(&opera));
    assert_eq!(answer.header("location"), path);
    assert_eq!(world.anyone().get(&path).await.ok(), opera);
    assert_eq!(world.anyone().get(SHOWS).await.ok(), json!([opera]));
    assert_eq!(world.anyone().get(VENUES).await.ok(), json!([hall]));
    assert_eq!(world.events().await, ["UserCreated", "VenueCreated", "ShowCreated"]);
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_of_a_venue_is_told() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let faults = ana.client.post(VENUES, &json!({})).await.faults();
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["name", "city", "country", "timeZone"]);
    for (more, field) in [
        (json!({"name": "x".repeat(10_000)}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"city": " "}), "city"),
        (json!({"country": "XX"}), "country"),
        (json!({"country": "de"}), "country"),
        (json!({"country": "Germany"}), "country"),
        (json!({"timeZone": "Europe/Atlantis"}), "timeZone"),
        (json!({"timeZone": "+01:00"}), "timeZone"),
        (json!({"timeZone": null}), "timeZone"),
        (json!({"sections": "A"}), "sections"),
        (json!({"sections": ["A", "A"]}), "sections"),
        (json!({"sections": vec!["A"; 501]}), "sections"),
        (json!({"sections": ["A", ""]}), "sections[1]"),
        (json!({"address": "a\nb"}), "address"),
        (json!({"region": ["x"]}), "region"),
    ] {
        let faults = ana.client.post(VENUES, &with(venue(), &more)).await.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].0, field, "{}", faults[0].1);
    }
    world.anyone().post(VENUES, &venue()).await.refused(401, "unauthenticated");
    let sections = |count: u32| -> Vec<String> { (0..count).map(|n| format!("S{n}")).collect() };
    let most = with(venue(), &json!({"sections": sections(500)}));
    ana.client.post(VENUES, &most).await.is(201);
    let too_many = with(venue(), &json!({"sections": sections(501)}));
    let faults = ana.client.post(VENUES, &too_many).await.faults();
    assert_eq!(faults[0].1, "sections must name at most 500 sections");
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_of_a_show_is_told() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let hall = adds_venue(&ana, json!({})).await;
    let faults = ana.client.post(SHOWS, &json!({})).await.faults();
    let fields: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["name", "category", "venueId", "startsAt"]);
    assert_eq!((&*faults[0].1, &*faults[3].1), ("name is required", "startsAt must be given"));
    for (more, field) in [
        (json!({"name": "x".repeat(10_000)}), "name"),
        (json!({"category": "opera"}), "category"),
        (json!({"category": null}), "category"),
        (json!({"performers": vec!["x"; 21]}), "performers"),
        (json!({"performers": ["x", 1]}), "performers[1]"),
        (json!({"venueId": "arena"}), "venueId"),
        (json!({"venueId": "show_01kaj2b3v4e5r6t7y8z9w0x1q2"}), "venueId"),
        (json!({"startsAt": "2026-12-24T20:00:00"}), "startsAt"),
        (json!({"startsAt": "2026-12-24"}), "startsAt"),
        (json!({"startsAt": 1_800_000_000}), "startsAt"),
        (json!({"startsAt": "2026-11-22T03:54:00Z"}), "startsAt"),
        (json!({"endsAt": "2026-12-24T20:00:00+01:00"}), "endsAt"),
        (json!({"endsAt": "2026-12-24T19:00:00+01:00"}), "endsAt"),
        (json!({"endsAt": "2027-02-01T20:00:00+01:00"}), "endsAt"),
        (json!({"endsAt": "tomorrow"}), "endsAt"),
    ] {
        let faults = ana.client.post(SHOWS, &with(show(&hall), &more)).await.faults();
        assert_eq!(faults.len(), 1, "{more}: {faults:?}");
        assert_eq!(faults[0].0, field, "{}", faults[0].1);
    }
    let nowhere = show("venue_01kaj2b3v4e5r6t7y8z9w0x1q2");
    ana.client.post(SHOWS, &nowhere).await.refused(404, "not_found");
    world.anyone().post(SHOWS, &show(&hall)).await.refused(401, "unauthenticated");
    for month in ["2027-01-24T20:00:00+01:00", "2026-12-24T20:00:00.001+01:00"] {
        let longest = with(show(&hall), &json!({"endsAt": month}));
        ana.client.post(SHOWS, &longest).await.is(201);
    }
    let most = with(show(&hall), &json!({"performers": vec!["x"; 20]}));
    ana.client.post(SHOWS, &most).await.is(201);
}

#[tokio::test(start_paused = true)]
async fn the_front_page_leads_to_what_is_on_soon_before_any_script_runs() {
    let world = Setup::default().start().await;
    let ana = world.person("ana").await;
    let venue = adds_venue(&ana, json!({})).await;
    // It is the 25th there, and still the 24th elsewhere.
    let late = json!({"startsAt": "2026-12-25T00:30:00+01:00", "name": "Rigo & <Letto>"});
    let show = adds_show(&ana, &venue, late).await;
    let ticket = json!({"showId": show, "price": 40, "quantity": 2});
    ana.client.post("/api/tickets", &ticket).await.created();
    let page = world.anyone().get("/").await;
    let html = page.text();
    for expected in [
        &format!("href=\"/shows/{show}\""),
        "Rigo &amp; &lt;Letto&gt;",
        "Fri, 25 Dec 2026, 00:30",
        "Waldbühne · Berlin",
        "from <strong class=\"from\">$40</strong></span><span class=\"hint\">2 tickets</span>",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
    let page = world.anyone().get(&format!("/shows/{show}")).await;
    let data = page.text();
    let offers = r#""offers":{"@type":"AggregateOffer","availability":"https://schema.org/InStock","lowPrice":"40","offerCount":2,"priceCurrency":"USD"}"#;
    assert!(data.contains(offers), "{data}");
}

#[tokio::test(start_paused = true)]
async fn where_the_market_says_so_only_operators_add_shows() {
    let market = MarketSettings { shows_open: false, ..MarketSettings::default() };
    let world = Setup { market, ..Setup::default() }.start().await;
    let ana = world.person("ana").await;
    ana.client.post(VENUES, &venue()).await.refused(403, "not_operator");
    ana.client
        .post(SHOWS, &show("venue_01kaj2b3v4e5r6t7y8z9w0x1q2"))
        .await
        .refused(403, "not_operator");
    assert_eq!(world.anyone().get("/api/config").await.ok()["showsOpen"], false);
}

#[tokio::test(start_paused = true)]
async fn a_venue_is_its_creators_to_change_until_others_have_shows_there() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let hall = adds_venue(&ana, json!({"region": "Brandenburg"})).await;
    let path = format!("{VENUES}/{hall}");
    let rename = json!({"name": "Olympiastadion", "region": null});
    ben.client.patch(&path, &rename).await.refused(403, "not_operator");
    adds_show(&ana, &hall, json!({})).await;
    let renamed = ana.client.patch(&path, &rename).await.ok();
    assert_eq!(
        (renamed["name"].clone(), renamed["region"].clone()),
        (json!("Olympiastadion"), Value::Null)
    );
    assert_eq!((renamed["version"].clone(), renamed["city"].clone()), (json!(1), json!("Berlin")));
    assert_eq!(names(&world, "?q=olympia").await, ["Rigoletto"], "shows are found by the new name");
    assert_eq!(names(&world, "?q=waldb").await, [""; 0]);
    let stale = [("if-match", "\"0\"")];
    ana.client
        .json(Method::PATCH, &path, &json!({"city": "Bonn"}), &stale)
        .await
        .refused(412, "precondition_failed");
    let guest = adds_show(&ben, &hall, json!({"name": "Tosca"})).await;
    ana.client.patch(&path, &json!({"city": "Bonn"})).await.refused(403, "not_operator");
    ben.client.delete(&format!("{SHOWS}/{guest}")).await.is(204);
    ana.client.patch(&path, &json!({"city": "Bonn"})).await.is(200);
    assert_eq!(
        ana.client.patch(&path, &json!({"city": "Bonn"})).await.ok()["version"],
        2,
        "nothing changed"
    );
}

#[tokio::test(start_paused = true)]
async fn what_something_hangs_on_is_not_deleted() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let hall = adds_venue(&ana, json!({})).await;
    let path = format!("{VENUES}/{hall}");
    let opera = adds_show(&ana, &hall, json!({})).await;
    ana.client.delete(&path).await.refused(409, "in_use");
    ben.client.delete(&format!("{SHOWS}/{opera}")).await.refused(403, "not_operator");
    ana.client.delete(&format!("{SHOWS}/{opera}")).await.is(204);
    world.anyone().get(&format!("{SHOWS}/{opera}")).await.refused(404, "not_found");
    ben.client.delete(&path).await.refused(403, "not_operator");
    ana.client.delete(&path).await.is(204);
    world.anyone().get(&path).await.refused(404, "not_found");
    ana.client.delete(&path).await.refused(404, "not_found");
    assert_eq!(world.anyone().get(SHOWS).await.ok(), json!([]));
    assert!(world.events().await.ends_with(&["ShowDeleted", "VenueDeleted"]));
}

#[tokio::test(start_paused = true)]
async fn a_show_is_changed_by_its_creator_and_moved_by_operators() {
    let world = World::new().await;
    let (ana, ben) = (world.person("ana").await, world.person("ben").await);
    let (hall, field) =
        (adds_venue(&ana, json!({})).await, adds_venue(&ben, json!({"city": "Bonn"})).await);
    let opera = adds_show(&ana, &hall, json!({})).await;
    let path = format!("{SHOWS}/{opera}");
    ben.client.patch(&path, &json!({"name": "Tosca"})).await.refused(403, "not_operator");
    let body = json!({"name": "Tosca", "venueId": field, "startsAt": "2026-12-25T20:00:00+01:00"});
    let changed = ana.client.patch(&path, &body).await.ok();
    assert_eq!((changed["name"].clone(), changed["version"].clone()), (json!("Tosca"), json!(1)));
    assert_eq!(changed["venue"]["city"], "Bonn");
    assert_eq!(changed["endsAt"], "2026-12-25T23:00:00.000Z", "it lasts as long as before");
    let early = ana.client.patch(&path, &json!({"endsAt": "2026-12-25T18:00:00Z"})).await.faults();
    assert_eq!(early[0].0, "endsAt");
    ana.client.patch(&path, &json!({"startsAt": "2026-11-01T20:00:00Z"})).await.faults();
    let gone = json!({"venueId": "venue_01kaj2b3v4e5r6t7y8z9w0x1q2"});
    ana.client.patch(&path, &gone).await.refused(404, "not_found");
    for body in [json!({}), json!({"startsAt": "2027-01-01T20:00:00Z"})] {
        let postpone = format!("{path}/postpone");
        ana.client.post(&postpone, &body).await.refused(403, "not_operator");
    }
    // Ben's venue has a guest now.
    let hers = format!("{VENUES}/{field}");
    ben.client.patch(&hers, &json!({"city": "Köln"})).await.refused(403, "not_operator");
    assert_eq!(names(&world, "?city=bonn").await, ["Tosca"]);
    assert_eq!(names(&world, "?city=berlin").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn operators_change_move_and_delete_what_others_have_added() {
    let world = World::new().await;
    let (ana, ben, olga) =
        (world.person("ana").await, world.person("ben").await, world.person("olga").await);
    let hall = adds_venue(&ana, json!({})).await;
    let soon = json!({"startsAt": "2026-11-22T05:00:00Z", "endsAt": "2026-11-22T06:00:00Z"});
    let opera = adds_show(&ben, &hall, soon).await;
    let path = format!("{SHOWS}/{opera}");
    let postpone = format!("{path}/postpone");
    olga.client.post(&postpone, &json!({})).await.refused(403, "not_operator");
    let email = Email::parse(&olga.email).unwrap();
    let granted = set_role(&*world.store, &email, Role::Operator, world.now()).await;
    assert_eq!(granted, Ok(true));
    olga.client.patch(&format!("{VENUES}/{hall}"), &json!({"city": "Bonn"})).await.is(200);
    olga.client.patch(&path, &json!({"name": "Tosca"})).await.is(200);
    let postponed = olga.client.post(&postpone, &json!({})).await.ok();
    assert_eq!(postponed["status"], "Postponed");
    ben.client
        .patch(&path, &json!({"startsAt": "2027-01-01T20:00:00Z"}))
        .await
        .refused(409, "show_postponed");
    ben.client.patch(&path, &json!({"performers": ["Ana"]})).await.is(200);
    wait(seconds(3 * 3600)).await;
    let shown = world.anyone().get(&path).await.ok();
    assert_eq!(shown["status"], "Postponed", "without a date it never ends");
    let past = olga.client.post(&postpone, &json!({"startsAt": "2026-11-22T06:30:00Z"})).await;
    assert_eq!(past.faults()[0].0, "startsAt");
    let moved =
        olga.client.post(&postpone, &json!({"startsAt": "2026-11-22T08:00:00Z"})).await.ok();
    assert_eq!(
        (moved["status"].clone(), moved["endsAt"].clone()),
        (json!("Scheduled"), json!("2026-11-22T09:00:00.000Z"))
    );
    wait(seconds(3 * 3600)).await;
    assert_eq!(world.anyone().get(&path).await.ok()["status"], "Over");
    olga.client.post(&postpone, &json!({})).await.refused(409, "show_over");
    olga.client.delete(&path).await.is(204);
    let told = world.events().await;
    assert_eq!(told.iter().filter(|name| **name == "ShowPostponed").count(), 2);
    assert!(told.ends_with(&["ShowOver", "ShowDeleted"]));
}

#[tokio::test(start_paused = true)]
async fn a_show_is_over_when_it_ends_by_itself() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let hall = adds_venue(&ana, json!({})).await;
    let soon = json!({"startsAt": "2026-11-22T04:00:00Z", "endsAt": "2026-11-22T05:00:00Z"});
    let (first, second) = (
        adds_show(&ana, &hall, soon).await,
        adds_show(&ana, &hall, json!({"name": "Tosca"})).await,
    );
    let status = |id: &str| {
        let (client, path) = (world.anyone(), format!("{SHOWS}/{id}"));
        async move { client.get(&path).await.ok()["status"].clone() }
    };
    wait(seconds(65 * 60)).await;
    assert_eq!(status(&first).await, "Scheduled");
    wait(seconds(2 * 60)).await;
    assert_eq!((status(&first).await, status(&second).await), (json!("Over"), json!("Scheduled")));
    assert!(world.events().await.ends_with(&["ShowOver"]));
    let path = format!("{SHOWS}/{first}");
    ana.client.patch(&path, &json!({"name": "x"})).await.refused(409, "show_over");
    assert_eq!(names(&world, "").await, ["Tosca"], "only what is to come");
    assert_eq!(names(&world, "?from=2026-11-01").await, ["Rigoletto", "Tosca"]);
}

#[test]
fn a_show_ends_also_when_the_server_was_down_then() {
    let setup = Setup::default();
    let (killed, opera) = live(async {
        let world = setup.start().await;
        let ana = world.person("ana").await;
        let hall = adds_venue(&ana, json!({})).await;
        let soon = json!({"startsAt": "2026-11-22T04:00:00Z"});
        let opera = adds_show(&ana, &hall, soon).await;
        (world.killed(), opera)
    });
    let later = killed.at.plus(seconds(6 * 3600));
    live(async {
        let world = Setup { at: later, ..killed }.start().await;
        wait(seconds(1)).await;
        let shown = world.anyone().get(&format!("{SHOWS}/{opera}")).await.ok();
        assert_eq!(shown["status"], "Over");
    });
}

#[tokio::test(start_paused = true)]
async fn shows_are_found_by_words_place_category_and_date() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let berlin = adds_venue(&ana, json!({})).await;
    let tokyo = adds_venue(
        &ana,
        json!({"name": "Budokan", "city": "Tokyo", "country": "JP", "timeZone": "Asia/Tokyo"}),
    )
    .await;
    let add = |venue: &str, name: &str, category: &str, at: &str, performers: Value| {
        let more =
            json!({"name": name, "category": category, "startsAt": at, "performers": performers});
        let (ana, venue) = (ana.clone(), venue.to_owned());
        async move { adds_show(&ana, &venue, more).await }
    };
    add(&berlin, "Rigoletto", "theatre", "2026-12-24T20:00:00+01:00", json!(["Mirella Müller"]))
        .await;
    add(&berlin, "Hertha - Union", "sports", "2026-12-10T15:30:00+01:00", json!([])).await;
    add(&tokyo, "Rigoletto", "theatre", "2026-12-20T20:00:00+09:00", json!([])).await;
    add(&tokyo, "Rock Night", "concert", "2026-12-20T00:30:00+09:00", json!(["The Müllers"])).await;
    for (query, expected) in [
        ("", vec!["Hertha - Union", "Rock Night", "Rigoletto", "Rigoletto"]),
        ("?sort=-date", vec!["Rigoletto", "Rigoletto", "Rock Night", "Hertha - Union"]),
        ("?sort=newest", vec!["Rock Night", "Rigoletto", "Hertha - Union", "Rigoletto"]),
        ("?q=rigo", vec!["Rigoletto", "Rigoletto"]),
        ("?q=rigoletto%20budokan", vec!["Rigoletto"]),
        ("?q=muller", vec!["Rock Night", "Rigoletto"]),
        ("?q=ROCK", vec!["Rock Night"]),
        ("?q=tokyo", vec!["Rock Night", "Rigoletto"]),
        ("?q=waldbuhne%20hertha", vec!["Hertha - Union"]),
        ("?q=h", vec!["Hertha - Union"]),
        ("?q=nothing", vec![]),
        ("?q=%21%21", vec![]),
        ("?city=Berlin", vec!["Hertha - Union", "Rigoletto"]),
        ("?city=berl", vec![]),
        ("?country=JP", vec!["Rock Night", "Rigoletto"]),
        ("?country=JP&category=concert", vec!["Rock Night"]),
        ("?country=FR", vec![]),
        ("?category=theatre&sort=-date", vec!["Rigoletto", "Rigoletto"]),
        ("?from=2026-12-20&to=2026-12-20", vec!["Rock Night", "Rigoletto"]),
        ("?from=2026-12-19T15:30:00Z&to=2026-12-19T15:30:00Z", vec!["Rock Night"]),
        ("?from=2026-12-21", vec!["Rigoletto"]),
        ("?to=2026-12-10", vec!["Hertha - Union"]),
        ("?to=2026-12-19", vec!["Hertha - Union"]),
    ] {
        assert_eq!(names(&world, query).await, expected, "{query}");
    }
    let at_tokyo = format!("?venue={tokyo}&sort=-date");
    assert_eq!(names(&world, &at_tokyo).await, ["Rigoletto", "Rock Night"]);
    for (query, what) in [
        ("country=de", "capital letters"),
        ("category=opera", "festival"),
        ("venue=x", "a venue's id"),
    ] {
        let faults = world.anyone().get(&format!("{SHOWS}?{query}")).await.faults();
        assert!(faults[0].1.contains(what), "{}", faults[0].1);
    }
    for query in [
        "country=de",
        "category=opera",
        "venue=x",
        "from=yesterday",
        "to=2026-12-24T20:00:00",
        "sort=name",
        "limit=0",
        "after=x",
        "q=a&q=b",
    ] {
        let faults = world.anyone().get(&format!("{SHOWS}?{query}")).await.faults();
        assert_eq!(faults[0].0, query.split('=').next().unwrap(), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_shows_neither_skip_nor_repeat() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let (mut expected, mut halls) = (Vec::new(), Vec::new());
    for number in 0..3 {
        halls.push(adds_venue(&ana, json!({"name": format!("Hall {number}")})).await);
    }
    for number in 0..40 {
        // Two at a time start together.
        let more = json!({"name": format!("Show {number}"), "startsAt": format!("2026-12-{:02}T20:00:00Z", 1 + number / 2)});
        expected.push(adds_show(&ana, &halls[number % 3], more).await);
    }
    for query in [
        "sort=date",
        "sort=date&q=hall",
        "sort=date&city=berlin",
        "sort=date&category=theatre",
        "sort=-date",
        "sort=-date&q=show",
        "sort=-date&country=DE",
        "sort=newest",
    ] {
        let mut seen = Vec::new();
        let mut next = Some(format!("{SHOWS}?{query}&limit=7"));
        while let Some(path) = next {
            let answer = world.anyone().get(&path).await.is(200);
            let page = answer.value();
            seen.extend(page.as_array().unwrap().iter().map(id));
            next = answer.next();
        }
        let mut wanted = expected.clone();
        if !query.starts_with("sort=date") {
            wanted.reverse();
        }
        assert_eq!(seen, wanted, "{query}");
    }
    let foreign = world.anyone().get(&format!("{SHOWS}?limit=7")).await.next().unwrap();
    let foreign = format!("{foreign}&sort=-date");
    assert_eq!(world.anyone().get(&foreign).await.faults()[0].0, "after");
}

#[tokio::test(start_paused = true)]
async fn venues_are_found_by_their_words_newest_first() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    for name in ["Waldbühne", "Waldstadion", "Arena am Wald"] {
        adds_venue(&ana, json!({"name": name})).await;
    }
    let found = |query: &str| {
        let (client, path) = (world.anyone(), format!("{VENUES}{query}"));
        async move {
            let answer = client.get(&path).await.is(200);
            let names: Vec<String> = answer
                .value()
                .as_array()
                .unwrap()
                .iter()
                .map(|venue| venue["name"].as_str().unwrap().to_owned())
                .collect();
            (names, answer.next())
        }
    };
    assert_eq!(found("?q=wald").await.0, ["Arena am Wald", "Waldstadion", "Waldbühne"]);
    assert_eq!(found("?q=berlin%20wald").await.0.len(), 3);
    assert_eq!(found("?q=waldb").await.0, ["Waldbühne"]);
    assert_eq!(found("?q=bonn").await.0, [""; 0]);
    for query in ["?limit=2", "?q=wald&limit=2"] {
        let (first, next) = found(query).await;
        assert_eq!(first, ["Arena am Wald", "Waldstadion"], "{query}");
        let rest = next.unwrap();
        let (rest, end) = found(rest.strip_prefix(VENUES).unwrap()).await;
        assert_eq!((rest, end), (vec!["Waldbühne".to_owned()], None), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_etag_of_a_show_follows_all_that_it_shows_and_if_match_its_version() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let hall = adds_venue(&ana, json!({})).await;
    let opera = adds_show(&ana, &hall, json!({})).await;
    let path = format!("{SHOWS}/{opera}");
    let tag = world.anyone().get(&path).await.is(200).header("etag").to_owned();
    assert!(tag.starts_with("\"0-"), "{tag}");
    let fresh = [("if-none-match", tag.as_str())];
    world.anyone().bare(Method::GET, &path, &fresh).await.is(304);
    ana.client.patch(&format!("{VENUES}/{hall}"), &json!({"name": "Arena"})).await.is(200);
    let changed = world.anyone().bare(Method::GET, &path, &fresh).await.is(200);
    assert_eq!(changed.value()["version"], 0, "the show itself has not changed");
    let rename = json!({"name": "Tosca"});
    let matching = [("if-match", tag.as_str())];
    ana.client.json(Method::PATCH, &path, &rename, &matching).await.is(200);
    ana.client
        .json(Method::PATCH, &path, &json!({"name": "x"}), &matching)
        .await
        .refused(412, "precondition_failed");
    for tag in ["\"1\"", "W/\"1\"", "W/\"1-00000000\""] {
        let matching = [("if-match", tag)];
        ana.client.json(Method::PATCH, &path, &rename, &matching).await.is(200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_show_is_had_as_a_calendar_file() {
    let world = World::new().await;
    let ana = world.person("ana").await;
    let hall = adds_venue(&ana, json!({"address": "Am Glockenturm 1"})).await;
    let opera = adds_show(&ana, &hall, json!({"name": "Verdi; Rigoletto, live"})).await;
    let answer = world.anyone().get(&format!("{SHOWS}/{opera}/calendar.ics")).await.is(200);
    assert_eq!(answer.header("content-type"), "text/calendar; charset=utf-8");
    let text = answer.text().replace("\r\n ", "");
    for line in [
        "BEGIN:VCALENDAR",
        "DTSTART:20261224T190000Z",
        "DTEND:20261224T230000Z",
        r"SUMMARY:Verdi\; Rigoletto\, live",
        r"LOCATION:Waldbühne\, Am Glockenturm 1\, Berlin",
        "STATUS:CONFIRMED",
    ] {
        assert!(text.contains(&format!("{line}\r\n")), "{line} in {text}");
    }
    world.anyone().get(&format!("{SHOWS}/x/calendar.ics")).await.refused(404, "not_found");
}
