//! Amounts and cards, as people type them.

use crate::support::{Device, Person, Server};

/// What is typed, and what the page says that a buyer pays; nothing if it can't be told.
const ENGLISH: [(&str, &str); 12] = [
    ("12.50", "$12.50"),
    ("12,50", "$12.50"),
    ("$25", "$25"),
    ("25 usd", "$25"),
    ("1,000", "$1,000"),
    ("1,000.50", "$1,000.50"),
    ("1.000,50", "$1,000.50"),
    ("1 000 000", "$1,000,000"),
    (".5", "$0.50"),
    ("1.005,50.1", ""),
    ("12.345.6", ""),
    ("twelve", ""),
];
const GERMAN: [(&str, &str); 7] = [
    ("12,50", "12,50 $"),
    ("12.50", "12,50 $"),
    ("25 $", "25 $"),
    ("1.000", "1.000 $"),
    ("1,000", "1.000 $"),
    ("1.000,50", "1.000,50 $"),
    ("1.000.000", "1.000.000 $"),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn prices_are_taken_as_people_write_them() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.visits("/tickets/new").await;
    ana.names_something_else("Opera").await;
    ana.presses("Continue").await;
    for (typed, understood) in ENGLISH {
        ana.enters("Price", typed).await;
        let says = if understood.is_empty() {
            "What a buyer pays.".to_owned()
        } else {
            format!("A buyer pays {understood}.")
        };
        ana.sees(&says).await;
    }
    ana.presses("List ticket").await;
    ana.sees("Write the amount as a number").await;
    ana.enters("Price", "12.345").await;
    ana.sees("A buyer pays $12,345.").await;
    ana.enters("Price", "0.999").await;
    ana.presses("List ticket").await;
    ana.sees("The currency doesn't have that many decimals").await;
    ana.enters("Price", "$1,249.99").await;
    ana.presses("List ticket").await;
    ana.sees("Price - $1,249.99").await;

    ana.set_up(Device { language: "de-DE", ..Device::default() }).await;
    ana.visits("/tickets/new").await;
    ana.presses("Etwas anderes").await;
    ana.enters("Titel", "Ballett").await;
    ana.presses("Weiter").await;
    ana.sees("Bei freier Platzwahl").await;
    ana.presses("Weiter").await;
    for (typed, understood) in GERMAN {
        ana.enters("Preis", typed).await;
        ana.sees(&format!("Wer es kauft, zahlt {understood}.")).await;
    }
    ana.enters("Preis", "18,50 $").await;
    ana.presses("Anbieten").await;
    ana.sees("Preis: 18,50 $").await;
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_price_never_breaks_inside_its_number() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.sells("Opera", "249999.99").await;
    let narrow = Device { is_phone: true, ..Device::default() };
    for device in [narrow, Device { language: "de-DE", ..narrow }] {
        ana.set_up(device).await;
        let metrics = serde_json::json!({
            "width": 320, "height": 700, "deviceScaleFactor": 1, "mobile": true,
        });
        ana.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        for path in ["/", "/tickets/mine"] {
            ana.visits(path).await;
            ana.sees("Opera").await;
            let lines = "const it = document.querySelector('#main .card-price, #main .row-price');
                const range = document.createRange();
                range.selectNodeContents(it);
                const rows = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top)));
                return [rows.size, document.documentElement.scrollWidth <= innerWidth]";
            assert_eq!(ana.runs(lines).await, serde_json::json!([1, true]), "{path}");
        }
    }
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_the_form_can_tell_of_a_card_costs_no_attempt() {
    let server = Server::start();
    let (ana, ben) = Person::seller_and_buyer(&server, "Opera", "129").await;
    ben.presses("Purchase").await;
    ben.sees("If your card is declined, this order ends").await;
    ben.presses("Pay").await;
    ben.presses("Type a test cardSuch as 4242 4242 4242 4242").await;
    ben.enters("Card number", "4242 4242 4242 4241").await;
    ben.enters("Expires", "13/34").await;
    ben.enters("Security code", "12").await;
    ben.presses("Pay $129").await;
    ben.sees("A digit of this number is mistyped or missing").await;
    ben.sees("Write the month and the year").await;
    ben.sees("the three or four digits").await;
    ben.is_pictured("typed-card-refused").await;
    assert_eq!(ben.violations().await, Vec::<String>::new());
    ben.enters("Card number", "5555 5555 5555 4444").await;
    ben.enters("Expires", "01/20").await;
    ben.enters("Security code", "123").await;
    ben.presses("Pay $129").await;
    ben.sees("only takes its own test cards").await;
    ben.sees("This date is past").await;
    let asked = "return performance.getEntriesByType('resource')
        .filter((it) => it.name.endsWith('/api/payments')).length";
    assert_eq!(ben.runs(asked).await, 0, "nobody was asked about such a card");
    ben.enters("Card number", "4242424242424242").await;
    ben.enters("Expires", "12/34").await;
    ben.presses("Pay $129").await;
    ben.sees("Order Complete").await;
    let title = ben.runs("return document.title").await;
    assert_eq!(title, "Opera – GitTix", "the tab no longer says that it is being bought");
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_a_decline_does_is_said_before_paying() {
    let server = Server::with(&[("GITTIX_PAYMENTS__MAX_ATTEMPTS", "3")]);
    let (ana, ben) = Person::seller_and_buyer(&server, "Opera", "129").await;
    ben.presses("Purchase").await;
    ben.sees("you can try another one. After 3 declined payments this order ends").await;
    tokio::join!(ana.leaves(), ben.leaves());
}

/// A stream of events from which nothing ever comes.
const DEAF: &str = "
  window.EventSource = class extends EventTarget {
    static CLOSED = 2;
    readyState = 1;
    close() {}
  };";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_price_that_changed_meanwhile_is_shown_before_anything_is_held() {
    let server = Server::start();
    let (ana, ben) = Person::seller_and_buyer(&server, "Opera", "129").await;
    // A page that nothing is told, as on a line that is slow or gone for a moment.
    let deaf = serde_json::json!({ "source": DEAF });
    ben.devtools("Page.addScriptToEvaluateOnNewDocument", deaf).await;
    ben.reloads().await;
    ben.sees("Purchase").await;
    ana.presses("Edit").await;
    ana.enters("Price", "139.5").await;
    ana.presses("Save").await;
    ana.sees("Price - $139.50").await;
    ben.sees("Price - $129").await;
    ben.presses("Purchase").await;
    ben.sees("it is $139.50 now. Press Purchase again").await;
    ana.sees("Status - Available").await;
    ben.presses("Purchase").await;
    ben.sees("left to order").await;
    tokio::join!(ana.leaves(), ben.leaves());
}
