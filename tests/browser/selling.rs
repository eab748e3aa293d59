//! Selling, step by step.

use crate::support::{Device, Person, Server};

/// Sets a field that is not typed into.
async fn sets(person: &Person<'_>, name: &str, value: &str) {
    let script = format!(
        "const it = document.querySelector('[name={name}]');
         it.value = '{value}';
         it.dispatchEvent(new Event('input', {{ bubbles: true }}));
         return it.value"
    );
    assert_eq!(person.runs(&script).await, value, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_show_is_added_with_its_venue_and_tickets_are_listed_for_it() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.presses("Sell Tickets").await;
    ana.sees("What is it for?").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.enters("Find the show", "Rigoletto").await;
    ana.sees("We don't know such a show yet.").await;
    ana.presses("Add the show").await;
    ana.presses("Add the show").await;
    ana.sees("Choose a venue, or add it.").await;
    ana.presses("Add the venue").await;
    ana.presses("Save the venue").await;
    ana.sees("This is needed.").await;
    ana.enters("Name of the venue", "Waldbühne").await;
    ana.enters("City", "Berlin").await;
    sets(&ana, "country", "DE").await;
    sets(&ana, "timeZone", "Europe/Berlin").await;
    ana.enters("Sections", "Parkett, Rang").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.is_pictured("sell-add").await;
    ana.presses("Save the venue").await;
    ana.sees("Waldbühne Berlin, Germany").await;
    ana.enters("Who plays", "Verdi, Ensemble").await;
    sets(&ana, "startsAt", "2020-06-01T19:30").await;
    ana.presses("Add the show").await;
    ana.sees("The show has to be in the future.").await;
    sets(&ana, "startsAt", "2031-06-01T19:30").await;
    ana.presses("Add the show").await;
    ana.sees("Where and how many?").await;
    // The clock is the venue's, wherever the seller is.
    ana.sees("Sun, Jun 1, 2031, 7:30 PM · Waldbühne · Berlin").await;
    sets(&ana, "section", "Rang").await;
    ana.enters("Seats", "1-4").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.presses("Continue").await;
    ana.enters("Price", "50").await;
    ana.sees("If all 4 sell, you get $200.").await;
    // What was said stays, there and back.
    ana.presses("Back").await;
    ana.presses("Continue").await;
    ana.sees("If all 4 sell, you get $200.").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    for (name, is_dark, language) in [("light-en", false, "en-US"), ("dark-en", true, "en-US")] {
        ana.set_up(Device { is_dark, is_phone: true, language, ..Device::default() }).await;
        ana.is_pictured(&format!("sell-price-{name}")).await;
    }
    ana.presses("List ticket").await;
    ana.sees("Status - Available").await;
    ana.sees("Rigoletto").await;
    ana.sees("See the show").await;
    ana.is_pictured("own-ticket-of-show").await;
    ana.presses("See the show").await;
    ana.sees("Verdi").await;
    ana.sees("Section Rang · Seats 1–4").await;
    // Whoever comes from the show is past the first step.
    let show =
        "fetch('/api/shows').then((answer) => answer.json()).then(([show]) => done(show.id), done)";
    let show = ana.runs_async(show).await;
    ana.visits(&format!("/shows/{}", show.as_str().expect("an id"))).await;
    ana.presses("Sell tickets for it").await;
    ana.sees("Where and how many?").await;
    ana.sees("Rigoletto").await;
    ana.leaves().await;
}
