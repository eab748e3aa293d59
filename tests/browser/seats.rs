//! Tickets of several seats: listing them, and buying some of them.

use crate::support::{Device, Person, Server};

const FEES: [(&str, &str); 3] = [
    ("GITTIX_FEES__BUYER_BASIS_POINTS", "1000"),
    ("GITTIX_FEES__BUYER_FIXED", "1"),
    ("GITTIX_FEES__SELLER_BASIS_POINTS", "500"),
];

/// Lists four seats in a row at 50 each, and stays on their page, whose path is returned.
async fn sells_four(seller: &Person<'_>) -> String {
    seller.presses("Sell Tickets").await;
    seller.names_something_else("Cup Final").await;
    seller.enters("Section", "Block C").await;
    seller.enters("Row", "4").await;
    seller.enters("Seats", "12-15").await;
    seller.presses("Continue").await;
    seller.enters("Price", "50").await;
    seller.enters("Face value", "45").await;
    seller.enters("Notes", "Behind the goal").await;
    seller.sees("A buyer pays $56, fees included. You get $47.50.").await;
    seller.presses("List ticket").await;
    seller.sees("Status - Available").await;
    seller.path().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn some_seats_of_a_listing_are_bought_and_the_whole_price_is_told_first() {
    let server = Server::with(&FEES);
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    let ticket = sells_four(&ana).await;
    ana.sees("4 of 4 still to be had").await;
    ben.visits(&ticket).await;
    // Before they sign in they know what it costs.
    ben.sees("Total $56").await;
    ben.signs_up("ben").await;
    ben.visits(&ticket).await;
    ben.sees("Price - $56 each").await;
    ben.sees("SEATS 12–15").await;
    ben.sees("Behind the goal").await;
    assert_eq!(offered(&ben).await, "1 2 4", "nobody is left alone");
    ben.presses("2").await;
    ben.sees("Total $112 2 × $50 $100 Fees $12").await;
    assert_eq!(ben.violations().await, Vec::<String>::new());
    for (name, is_dark, is_phone) in
        [("desktop-light", false, false), ("phone-dark", true, true), ("phone-light", false, true)]
    {
        ben.set_up(Device { is_dark, is_phone, ..Device::default() }).await;
        ben.is_pictured(&format!("seats-{name}")).await;
    }
    ben.presses("Purchase").await;
    ben.sees("Purchasing Cup Final").await;
    ben.sees("2 tickets").await;
    ben.sees("SEATS 12, 13").await;
    ben.sees("Total $112 2 × $50 $100 Fees $12").await;
    ben.is_pictured("seats-order").await;
    ana.sees("2 of 4 still to be had").await;
    ben.presses("Pay").await;
    ben.presses("Pay $112").await;
    ben.sees("Order Complete").await;
    ben.presses("My Tickets").await;
    ben.sees("2 tickets · Section Block C · Row 4 · Seats 12, 13").await;
    ben.visits(&ticket).await;
    // Two are left, and who takes one would leave the other alone.
    ben.sees("Total $112").await;
    assert_eq!(offered(&ben).await, "");
    ana.presses("Edit").await;
    ana.sees("Face value").await;
    let said = ana.text().await;
    assert!(!said.contains("Leave it empty"), "seats stay as they are: {said}");
    ana.enters("Price", "60").await;
    ana.presses("Save").await;
    ben.sees("Total $134 2 × $60 $120 Fees $14").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

/// The quantities to choose from.
async fn offered(person: &Person<'_>) -> String {
    let script = "return [...document.querySelectorAll('.numbers label')].map((it) => it.textContent).join(' ')";
    person.runs(script).await.as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn who_asks_for_seats_that_are_not_to_be_had_is_told_what_is() {
    let server = Server::with(&[("GITTIX_ORDERS__MAX_SEATS_PER_SHOW", "7")]);
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    ana.visits("/tickets/new").await;
    ana.names_something_else("Cup Final").await;
    ana.enters("How many tickets", "6").await;
    ana.presses("Continue").await;
    ana.enters("Price", "50").await;
    ana.presses("List ticket").await;
    ana.sees("6 of 6 still to be had").await;
    ben.signs_up("ben").await;
    ben.visits(&ana.path().await).await;
    ben.sees("How many?").await;
    for (asked, told) in [
        (8, "One person may have at most 7 tickets of it"),
        (5, "You can still have: 1, 2, 3, 4, or 6."),
    ] {
        // As if the page had not heard yet what others have taken.
        let script = format!(
            "window.real ??= window.fetch;
             window.fetch = (path, options) => window.real(path, options?.body
               ? {{ ...options, body: JSON.stringify({{ ...JSON.parse(options.body), quantity: {asked}, expectedTotal: undefined }}) }}
               : options)"
        );
        ben.runs(&script).await;
        ben.presses("Purchase").await;
        ben.sees(told).await;
    }
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn seats_are_read_as_people_write_them() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.visits("/tickets/new").await;
    ana.names_something_else("Opera").await;
    for (written, count) in [
        ("12-15", "4"),
        ("12–15, 18", "5"),
        ("A1-A4; B1", "5"),
        ("A1-4", "4"),
        ("01-03", "3"),
        ("Box", "1"),
    ] {
        ana.enters("Seats", written).await;
        let counted = "return document.querySelector('[name=quantity]').value";
        assert_eq!(ana.runs(counted).await, count, "{written}");
    }
    for (written, fault) in [
        ("15-12", "The first seat of a row comes first"),
        ("A1-B4", "Write a row of seats like 12-15"),
        ("4, 5, 4", "A seat is there twice."),
        ("1-51", "At most 50 seats"),
    ] {
        ana.enters("Seats", written).await;
        ana.presses("Continue").await;
        ana.sees(fault).await;
    }
    ana.enters("Seats", "1-3").await;
    ana.presses("In pairsTwo, four, six…").await;
    ana.presses("Continue").await;
    ana.enters("Price", "30").await;
    ana.presses("List ticket").await;
    // It is told in the step that it belongs to.
    ana.sees("Pairs need an even number of tickets.").await;
    assert_eq!(ana.violations().await, Vec::<String>::new());
    ana.is_pictured("sell-seats").await;
    ana.presses("All togetherOne buyer takes all of them.").await;
    ana.presses("Continue").await;
    ana.sees("If all 3 sell, you get $90.").await;
    ana.presses("List ticket").await;
    ana.sees("Status - Available").await;
    ana.sees("3 of 3 still to be had").await;
    ana.leaves().await;
}
