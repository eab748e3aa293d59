//! Shows: the front page, and a page for each.

use serde_json::{Value, json};

use crate::support::{Device, Person, Server};

/// Adds what a path takes, as whoever is signed in, and returns it.
async fn adds(person: &Person<'_>, path: &str, body: Value) -> Value {
    let script = format!(
        "fetch('{path}', {{ method: 'POST', headers: {{ 'content-type': 'application/json' }}, body: JSON.stringify({body}) }})
           .then((answer) => answer.json()).then(done, done)"
    );
    person.runs_async(&script).await
}

async fn adds_venue(
    person: &Person<'_>,
    name: &str,
    city: &str,
    country: &str,
    zone: &str,
) -> String {
    let body = json!({ "name": name, "city": city, "country": country, "timeZone": zone });
    let venue = adds(person, "/api/venues", body).await;
    venue["id"].as_str().unwrap_or_else(|| panic!("{venue}")).to_owned()
}

async fn adds_show(
    person: &Person<'_>,
    venue: &str,
    name: &str,
    category: &str,
    at: &str,
) -> String {
    let body = json!({
        "name": name, "category": category, "performers": [format!("{name} Ensemble")], "venueId": venue, "startsAt": at,
    });
    let show = adds(person, "/api/shows", body).await;
    show["id"].as_str().unwrap_or_else(|| panic!("{show}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn shows_are_found_by_who_plays_where_and_when() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.visits("/").await;
    ana.sees("No shows are announced yet").await;
    let berlin = adds_venue(&ana, "Waldbühne", "Berlin", "DE", "Europe/Berlin").await;
    let york = adds_venue(&ana, "Garden", "New York", "US", "America/New_York").await;
    adds_show(&ana, &berlin, "Rigoletto", "theatre", "2031-06-01T19:30:00+02:00").await;
    adds_show(&ana, &york, "Cup Final", "sports", "2031-05-01T20:00:00-04:00").await;
    adds_show(&ana, &berlin, "Jazz Night", "concert", "2031-07-01T20:00:00+02:00").await;
    // It was open all the time.
    ana.sees("Jazz Night").await;
    let order = "return [...document.querySelectorAll('.show-name')].map((it) => it.textContent).join(', ')";
    assert_eq!(
        ana.runs(order).await,
        "Cup Final, Rigoletto, Jazz Night",
        "the first to start first"
    );
    ana.sees("Sun, Jun 1, 2031, 7:30 PM").await;
    // A show without a picture has a drawing.
    assert_eq!(ana.runs_async(&draws(".shows", 3)).await, 3);
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.enters("Search", "waldb rig").await;
    ana.sees_no_more("Jazz Night").await;
    ana.sees("Rigoletto").await;
    // The address is the search.
    ana.reloads().await;
    ana.sees("Rigoletto").await;
    ana.sees_no_more("Cup Final").await;
    ana.enters("Search", "nothing of the kind").await;
    ana.sees("Nothing matches").await;
    ana.presses("Clear filters").await;
    ana.sees("Jazz Night").await;
    ana.enters("City", "new york\u{E007}").await;
    ana.sees_no_more("Jazz Night").await;
    ana.sees("Cup Final").await;
    for (from, to, found, not) in [
        ("2031-06-01", "2031-06-30", "Rigoletto", "Jazz Night"),
        ("2031-06-02", "", "Jazz Night", "Rigoletto"),
    ] {
        ana.visits(&format!("/?from={from}&to={to}")).await;
        ana.sees(found).await;
        ana.sees_no_more(not).await;
    }
    ana.visits("/?from=2031-06-02&to=2031-06-01").await;
    ana.sees("The last day is before the first.").await;
    ana.visits("/?category=sports").await;
    ana.sees("Cup Final").await;
    ana.sees_no_more("Rigoletto").await;
    ana.leaves().await;
}

/// A script that waits until so many covers are drawn in a place.
fn draws(place: &str, count: usize) -> String {
    format!(
        "const tell = () => {{
           const drawn = document.querySelectorAll('{place} svg.art').length;
           if (drawn >= {count}) done(drawn); else setTimeout(tell, 50);
         }};
         tell();"
    )
}

/// The drawn cover of the show on the page gives way to a picture, once that is one.
async fn takes_a_cover(person: &Person<'_>) {
    let chooses = |made: &str| {
        format!(
            "const input = document.querySelector('#cover');
             const take = (file) => {{
               const files = new DataTransfer();
               files.items.add(file);
               input.files = files.files;
               input.dispatchEvent(new Event('change'));
               done();
             }};
             {made}"
        )
    };
    let drawn = "return document.querySelectorAll('.show-cover svg.art').length";
    assert_eq!(person.runs_async(&draws(".show-cover", 1)).await, 1);
    let no_picture = "take(new File(['<svg></svg>'], 'x.png', { type: 'image/png' }))";
    person.runs_async(&chooses(no_picture)).await;
    person.sees("Choose a JPEG, PNG or WebP").await;
    assert_eq!(person.runs(drawn).await, 1);
    let picture = "const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [1600, 900];
        canvas.getContext('2d').fillRect(0, 0, 900, 900);
        canvas.toBlob((blob) => take(new File([blob], 'x.png', { type: 'image/png' })));";
    person.runs_async(&chooses(picture)).await;
    let width = "const tell = () => {
          const shown = document.querySelector('.show-cover img')?.naturalWidth;
          if (shown) done(shown); else setTimeout(tell, 50);
        };
        tell();";
    assert_eq!(person.runs_async(width).await, 1280, "made small");
    assert_eq!(person.runs(drawn).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_show_has_a_page_with_its_time_there_and_here() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    let berlin = adds_venue(&ana, "Waldbühne", "Berlin", "DE", "Europe/Berlin").await;
    let show = adds_show(&ana, &berlin, "Rigoletto", "theatre", "2031-06-01T19:30:00+02:00").await;
    let path = format!("/shows/{show}");
    ana.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": "Europe/Berlin" })).await;
    ana.visits(&path).await;
    ana.sees("Sun, Jun 1, 2031, 7:30 PM").await;
    assert!(!ana.text().await.contains("where you are"), "the clocks show the same");
    let zone = json!({ "timezoneId": "America/New_York" });
    ana.devtools("Emulation.setTimezoneOverride", zone).await;
    ana.visits(&path).await;
    ana.sees("Sun, Jun 1, 2031, 7:30 PM in Berlin").await;
    ana.sees("Sun, Jun 1, 2031, 1:30 PM where you are").await;
    ana.sees("Waldbühne").await;
    ana.sees("Berlin, Germany").await;
    ana.sees("Rigoletto Ensemble").await;
    ana.sees("Nothing on sale").await;
    let calendar = "return document.querySelector('a[download]').getAttribute('href')";
    assert_eq!(ana.runs(calendar).await, format!("/api{path}/calendar.ics"));
    takes_a_cover(&ana).await;
    let mut found = Vec::new();
    for (name, is_dark, is_phone, language) in [
        ("desktop-light-en", false, false, "en-US"),
        ("phone-dark-de", true, true, "de-DE"),
        ("desktop-dark-de", true, false, "de-DE"),
        ("phone-light-en", false, true, "en-US"),
    ] {
        ana.set_up(Device { is_dark, is_phone, language, ..Device::default() }).await;
        for (page, path) in [("shows", "/"), ("show", &path)] {
            ana.visits(path).await;
            ana.sees("Rigoletto").await;
            ana.sees(if language == "de-DE" { "Verkaufen" } else { "Sell Tickets" }).await;
            found.extend(ana.violations_on(&format!("{page}-{name}")).await);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    ana.leaves().await;
}
