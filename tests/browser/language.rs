//! Everybody reads their own language.

use serde_json::json;

use crate::support::{Device, Person, Server};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_german_browser_is_spoken_to_in_german_and_the_language_can_be_chosen() {
    let server = Server::start();
    let ana = Person::with(&server, Device { language: "de-AT", ..Device::default() }).await;
    ana.visits("/").await;
    ana.sees("Was läuft").await;
    ana.sees("gehört beim Bezahlen 15 Minuten lang nur Ihnen").await;
    assert_eq!(ana.runs("return document.documentElement.lang").await, "de");
    ana.presses("English").await;
    ana.sees("What's on").await;
    ana.sees("alone for 15 minutes while you pay").await;
    ana.visits("/auth/signin").await;
    ana.sees("Welcome back").await;
    ana.presses("Deutsch").await;
    ana.sees("Schön, dass Sie wieder da sind").await;
    ana.leaves().await;
}

/// Marks every text that comes from the catalogue.
const MARKED: &str = "
  const real = window.fetch;
  window.fetch = async (path, options) => {
    const response = await real(path, options);
    if (!String(path).endsWith('.ftl')) return response;
    const mark = (line) => line
      .replace(/^([\\w-]+ = )(?!\\{ \\$\\w+ ->)(.+)$/, '$1⟦$2⟧')
      .replace(/^(\\s+\\*?\\[\\w+\\] )(?!\\{ \\$\\w+ ->)(.+)$/, '$1⟦$2⟧');
    const text = await response.text();
    return new Response(text.split('\\n').map(mark).join('\\n'));
  };";

/// What is shown and does not come from the catalogue.
const UNMARKED: &str = "
  const found = [];
  const known = /GitTix|English|Deutsch|Visa|•|Opera|[\\w.]+@example\\.com|https?:\\S+|[A-Z][a-z]{2} \\d+, \\d{4}, |[AP]M/g;
  const strip = (text) => {
    let depth = 0;
    let rest = '';
    for (const it of text) {
      if (it === '⟦') depth += 1;
      else if (it === '⟧') depth -= 1;
      else if (depth === 0) rest += it;
    }
    return rest.replace(known, '').replace(/[^\\p{L}]/gu, '');
  };
  // One text may be several nodes, where an element stands in it.
  for (const element of document.body.querySelectorAll('p, h1, h2, a, button, label, legend, option, span, title')) {
    const isWhole = !element.closest('noscript, [hidden]') && !element.querySelector('p, h1, h2, a, button, label, legend');
    const isPart = element.parentElement.closest('p, h1, h2, a, button, label, legend') && element.tagName === 'SPAN';
    if (isWhole && !isPart && strip(element.textContent)) found.push(element.outerHTML);
  }
  for (const element of document.body.querySelectorAll('[aria-label], [placeholder], [title]')) {
    for (const name of ['aria-label', 'placeholder', 'title']) {
      const text = element.getAttribute(name);
      if (text && strip(text) && !element.closest('[hidden]')) found.push(`${name}: ${text}`);
    }
  }
  if (strip(document.title)) found.push(document.title);
  return found;";

/// Everything that the page says by itself, not from the catalogue.
async fn left_out(person: &Person<'_>) -> Vec<String> {
    let found = person.runs(UNMARKED).await;
    let found = found.as_array().expect("a list");
    // What the server drew came before the texts were marked.
    let served = ["class=\"skip\"", "aria-label: Account", "aria-label: Language"];
    let texts = found.iter().filter_map(|it| it.as_str());
    texts.filter(|it| !served.iter().any(|served| it.contains(served))).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn no_page_says_anything_that_is_not_in_the_catalogue() {
    let server = Server::with(&[("GITTIX_PAYMENTS__MAX_ATTEMPTS", "2")]);
    let (ana, ben) = tokio::join!(Person::at(&server), Person::at(&server));
    ana.signs_up("ana").await;
    let ticket = ana.sells("Opera", "30").await;
    let other = ana.sells("Opera", "40").await;
    ben.signs_up("ben").await;
    for person in [&ana, &ben] {
        person.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": MARKED })).await;
    }
    let mut found = Vec::new();
    for (path, text) in [
        ("/", "⟦What's on⟧"),
        ("/?q=zzz", "⟦Nothing matches⟧"),
        ("/tickets", "⟦Tickets For Sale⟧"),
        ("/tickets?q=zzz", "⟦Nothing matches⟧"),
        ("/shows/show_1", "⟦We can't find that show⟧"),
        ("/account", "⟦Your account⟧"),
        ("/orders", "⟦No tickets yet⟧"),
        ("/tickets/mine", "⟦You aren't selling anything⟧"),
        ("/nowhere", "⟦We can't find that page⟧"),
        ("/tickets/ticket_1", "⟦We can't find that ticket⟧"),
        (&ticket, "⟦Purchase⟧"),
    ] {
        ben.visits(path).await;
        ben.sees(text).await;
        found.extend(left_out(&ben).await);
    }
    ana.visits("/tickets/new").await;
    ana.presses("⟦Something else⟧").await;
    ana.presses("⟦Continue⟧").await;
    ana.sees("⟦Title is required⟧").await;
    found.extend(left_out(&ana).await);
    ana.enters("⟦Title⟧", "Opera").await;
    ana.presses("⟦Continue⟧").await;
    ana.enters("⟦How many tickets⟧", "4").await;
    ana.sees("⟦Leave nobody alone⟧").await;
    found.extend(left_out(&ana).await);
    ana.presses("⟦Continue⟧").await;
    ana.enters("⟦Price⟧", "20").await;
    ana.sees("⟦If all 4 sell").await;
    found.extend(left_out(&ana).await);
    ana.presses("⟦Change⟧").await;
    ana.presses("⟦Add the show⟧").await;
    ana.presses("⟦Add the venue⟧").await;
    ana.presses("⟦Save the venue⟧").await;
    ana.sees("⟦This is needed.⟧").await;
    let selects = "document.querySelectorAll('select').forEach((it) => it.name === 'country' || it.name === 'timeZone' ? it.remove() : 0)";
    ana.runs(selects).await;
    found.extend(left_out(&ana).await);
    ben.visits(&ticket).await;
    ben.presses("⟦Purchase⟧").await;
    ben.sees("left to order⟧").await;
    ben.presses("⟦Pay⟧").await;
    ben.sees("⟦Choose a test card⟧").await;
    ben.presses("⟦Type a test card⟧⟦Such as 4242 4242 4242 4242⟧").await;
    ben.presses("⟦Pay $30⟧").await;
    ben.sees("mistyped or missing.⟧").await;
    found.extend(left_out(&ben).await);
    ben.presses("Visa •••• 0002⟦Declined⟧").await;
    ben.presses("⟦Pay $30⟧").await;
    ben.sees("⟦The card was declined.⟧").await;
    ben.sees("⟦Pay").await;
    found.extend(left_out(&ben).await);
    ben.presses("⟦Cancel⟧").await;
    ben.sees("⟦Give this ticket up?⟧").await;
    found.extend(left_out(&ben).await);
    ben.presses_in_dialog("⟦Give it up⟧").await;
    ben.sees("⟦Order Cancelled⟧").await;
    found.extend(left_out(&ben).await);
    ben.visits("/orders").await;
    ben.sees("⟦Cancelled⟧").await;
    found.extend(left_out(&ben).await);

    ana.visits(&other).await;
    ana.presses("⟦Edit⟧").await;
    ana.sees("⟦Save⟧").await;
    ana.types("\u{E003}").await;
    found.extend(left_out(&ana).await);
    ana.visits("/tickets/mine").await;
    ana.sees("⟦Available⟧").await;
    found.extend(left_out(&ana).await);
    ana.presses("⟦Sign Out⟧").await;
    ana.sees("⟦Sign Up⟧").await;
    for (path, submit) in [("/auth/signup", "⟦Create account⟧"), ("/auth/signin", "⟦Sign in⟧")]
    {
        ana.visits(path).await;
        ana.presses(submit).await;
        ana.sees("⟦Email must be valid⟧").await;
        found.extend(left_out(&ana).await);
    }
    assert!(found.is_empty(), "{found:#?}");
    tokio::join!(ana.leaves(), ben.leaves());
}
