//! Finding one's way: through long lists and back, and on a slow line.

use serde_json::json;

use crate::support::{Person, Server};

/// Lists many tickets as the signed-in seller.
async fn lists_many(seller: &Person<'_>, count: usize) {
    let script = format!(
        "const list = async () => {{
           for (let i = 1; i <= {count}; i += 1) {{
             await fetch('/api/tickets', {{ method: 'POST', headers: {{ 'content-type': 'application/json' }},
               body: JSON.stringify({{ title: `Show number ${{i}}.`, price: i }}) }});
           }}
         }};
         list().then(done, done)"
    );
    seller.runs_async(&script).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_step_back_leads_to_the_same_place_of_a_long_list() {
    let server = Server::start();
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    lists_many(&ana, 130).await;
    for (person, path, card) in [
        (&ben, "/tickets", "Show number 32. - $32"),
        (&ana, "/tickets/mine", "Show number 32.Available$32"),
    ] {
        person.visits(path).await;
        while !person.text().await.contains("Show number 32.") {
            person.presses("Show more").await;
            let shown = "const more = document.querySelector('.more');
                const look = () => more.getAttribute('aria-busy') ? setTimeout(look, 20) : setTimeout(done, 20);
                look()";
            person.runs_async(shown).await;
        }
        let script = format!(
            "const it = [...document.querySelectorAll('#main li a')].find((it) => it.textContent === '{card}');
             it.scrollIntoView({{ block: 'center' }});
             const {{ top }} = it.getBoundingClientRect();
             it.click();
             return top"
        );
        let top = person.runs(&script).await.as_f64().expect("a number");
        person.sees("Status - Available").await;
        // What comes up meanwhile moves nothing away.
        ana.runs_async(
            "fetch('/api/tickets', { method: 'POST', headers: { 'content-type': 'application/json' },
               body: JSON.stringify({ title: 'The very newest', price: 500 }) }).then(done, done)",
        )
        .await;
        for how in ["back", "back, and loaded anew"] {
            if how == "back" {
                person.goes_back().await;
            } else {
                person.reloads().await;
            }
            person.sees("The very newest").await;
            person.sees("Show number 32.").await;
            let now = format!(
                "return [...document.querySelectorAll('#main li a')]
                   .find((it) => it.textContent === '{card}')?.getBoundingClientRect().top ?? -1"
            );
            let now = person.runs(&now).await.as_f64().expect("a number");
            assert!((now - top).abs() < 3.0, "{path}, {how}: it was at {top}, it is at {now}");
        }
    }
    tokio::join!(ana.leaves(), ben.leaves());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_lowest_price_above_the_highest_is_said_to_be_one() {
    let server = Server::start();
    let ana = Person::signed_up(&server, "ana").await;
    ana.sells("Opera", "30").await;
    ana.visits("/tickets").await;
    ana.sees("Opera").await;
    ana.enters("Lowest price", "50").await;
    ana.enters("Highest price", "20").await;
    ana.sees("The lowest price is above the highest.").await;
    ana.enters("Highest price", "a lot").await;
    ana.sees("Write the amount as a number").await;
    let said = ana.text().await;
    assert!(!said.contains("minPrice") && !said.contains("maxPrice"), "{said}");
    ana.enters("Lowest price", "20,50").await;
    ana.enters("Highest price", "$1,000").await;
    let search = "const look = () => location.search.includes('max') ? done() : setTimeout(look, 20); look()";
    ana.runs_async(search).await;
    ana.reloads().await;
    ana.sees("Opera").await;
    let shown = "return [min.value, max.value, location.search]";
    assert_eq!(ana.runs(shown).await, json!(["20.50", "1000", "?minPrice=20.5&maxPrice=1000"]));
    ana.leaves().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_slow_line_shows_what_is_there_before_the_scripts_come() {
    let server = Server::start();
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    let ticket = ana.sells("Rock & <b>Roll</b>", "1249.99").await;
    ben.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    for (path, shown) in [("/", "$1,249.99"), (&ticket, "Price - $1,249.99")] {
        ben.visits(path).await;
        let page = ben.source().await;
        assert!(page.contains("Rock &amp; &lt;b&gt;Roll&lt;/b&gt;"), "{page}");
        assert!(page.contains(shown), "{page}");
        ben.is_pictured(if path == "/" { "served-home" } else { "served-ticket" }).await;
    }
    ben.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    ben.visits(&ticket).await;
    ben.sees("Sign in to purchase").await;
    tokio::join!(ana.leaves(), ben.leaves());
}
