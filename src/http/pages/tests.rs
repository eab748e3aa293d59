use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::site::{Encoding, FILES, FOREVER, HTML, LATER};
use super::*;
use crate::domain::{Terms, Timestamp};
use crate::store::testing::{World, in_memory};

fn storefront() -> Storefront {
    Storefront {
        terms: Terms::default(),
        card_form: CardForm::Sandbox,
        hold: Duration::from_secs(900),
        max_attempts: 1,
        public_origin: Some("https://tickets.example.com".to_owned()),
    }
}

/// A storefront over a store that can be filled.
pub struct Shop {
    pub world: World,
    router: Router,
}

impl Shop {
    pub fn open() -> Self {
        let store = in_memory();
        let now = Box::new(|| Timestamp::from_millis(0));
        Self { router: router(&storefront(), store.clone(), now), world: World::new(store) }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn html(&self, path: &str, language: &str) -> String {
        let response = self.get(path, &[("accept-language", language)]).await;
        String::from_utf8(body(response).await).unwrap()
    }
}

async fn get_with(path: &str, headers: &[(&str, &str)]) -> Response {
    Shop::open().get(path, headers).await
}

async fn body(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

fn files_in(folder: &FilePath, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("web");
            found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn every_file_of_the_storefront_is_embedded() {
    let mut on_disk = BTreeSet::new();
    files_in(&FilePath::new(env!("CARGO_MANIFEST_DIR")).join("web"), &mut on_disk);
    let embedded = FILES.iter().map(|(name, _)| (*name).to_owned());
    let served_otherwise =
        ["index.html", "README.md", "vendor/fluent/README.md"].map(str::to_owned);
    assert_eq!(on_disk, embedded.chain(served_otherwise).collect());
}

#[tokio::test]
async fn every_page_is_the_document_with_a_strict_policy() {
    for path in ["/", "/account", "/auth/signin", "/tickets/new", "/orders/order_1"] {
        let response = get_with(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy =
            response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let html = String::from_utf8(body(response).await).unwrap();
        assert!(html.contains("GitTix</title>") || path == "/", "{html}");
        assert!(html.contains("<h1") || html.contains("Loading"), "a first paint: {html}");
        assert!(!html.contains("{{"), "{html}");
        assert!(!html.contains("<style") && !html.contains("style="), "nothing is inline");
        let scripts = html.matches("<script").count();
        assert_eq!(html.matches("<script type=\"module\" src=").count(), scripts);
    }
}

#[tokio::test]
async fn what_the_document_asks_for_is_there_and_kept_for_good() {
    let html = String::from_utf8(body(get_with("/", &[]).await).await).unwrap();
    let paths: Vec<&str> = html.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(paths.len() > 10);
    for path in paths {
        let response = get_with(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], FOREVER);
        let tag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
        let known = get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
}

/// The modules that a module imports: at once, and when it needs them.
fn imports_of(name: &str) -> (Vec<String>, Vec<String>) {
    let (_, bytes) = FILES.iter().find(|(file, _)| *file == name).unwrap();
    let text = std::str::from_utf8(bytes).unwrap();
    let folder = FilePath::new(name).parent().unwrap();
    let path = |target: &str| match target.strip_prefix("../") {
        Some(above) => above.to_owned(),
        None => folder.join(target.trim_start_matches("./")).to_str().unwrap().to_owned(),
    };
    let quoted = |text: &str| path(text.split('"').nth(1).unwrap());
    let lines = text.lines();
    let at_once = lines.filter(|line| line.starts_with("import ") || line.starts_with("export {"));
    let at_once = at_once.filter(|line| line.contains(" from \"")).map(quoted).collect();
    let later = text.match_indices("import(\"").map(|(at, _)| quoted(&text[at..])).collect();
    (at_once, later)
}

#[tokio::test]
async fn imports_lead_to_files_that_are_there() {
    for (name, _) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
        let (at_once, later) = imports_of(name);
        for path in at_once.iter().chain(&later) {
            assert!(FILES.iter().any(|(name, _)| name == path), "{name} imports {path}");
        }
    }
}

#[test]
fn the_first_page_fetches_what_it_needs_and_nothing_else() {
    let mut needed = BTreeSet::new();
    let mut waiting = vec!["app.js".to_owned()];
    while let Some(name) = waiting.pop() {
        if needed.insert(name.clone()) {
            waiting.extend(imports_of(&name).0);
        }
    }
    let modules = FILES.iter().map(|(name, _)| (*name).to_owned());
    let modules = modules.filter(|name| name.ends_with(".js"));
    let preloaded = modules.filter(|name| !LATER.contains(&name.as_str())).collect();
    assert_eq!(needed, preloaded);
}

#[tokio::test]
async fn an_outdated_address_of_a_file_is_not_found() {
    for path in ["/assets/0000000000000000/app.js", "/assets/x/../app.js"] {
        assert_eq!(get_with(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let path = format!("{}/no.js", SITE.assets);
    assert_eq!(get_with(&path, &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_lost_person_gets_a_page_and_a_lost_program_a_problem() {
    let person = [("accept", "text/html,application/xhtml+xml")];
    let page = get_with("/no/such/page", &person).await;
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert_eq!(page.headers()[header::CONTENT_TYPE], HTML);
    for (path, headers) in [("/no/such/page", &[][..]), ("/api/nothing", &person)] {
        let problem = get_with(path, headers).await;
        assert_eq!(problem.status(), StatusCode::NOT_FOUND);
        assert_eq!(problem.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}

#[tokio::test]
async fn the_best_encoding_that_the_client_takes_is_chosen() {
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip", Some("gzip")),
        ("br;q=0, gzip;q=0.5", Some("gzip")),
        ("identity", None),
    ] {
        let response = get_with("/", &[("accept-encoding", accepted)]).await;
        let used = response.headers().get(header::CONTENT_ENCODING);
        assert_eq!(used.map(|value| value.to_str().unwrap()), encoding, "{accepted}");
    }
}

#[tokio::test]
async fn the_first_load_is_small() {
    let mut total = 0;
    let hash = SITE.assets.trim_start_matches("/assets/");
    for (name, _) in FILES {
        // One language is loaded, what comes later comes later, and the license is read by nobody.
        let is_first = !name.ends_with("de.ftl") && !LATER.contains(name);
        if is_first && !name.ends_with("LICENSE") {
            total += SITE.file(hash, name).unwrap().bytes(Encoding::Brotli).await.len();
        }
    }
    assert!(total < 60_000, "the first load takes {total} bytes");
}

#[tokio::test]
async fn the_front_page_shows_what_is_for_sale_before_any_script_runs() {
    let shop = Shop::open();
    let ana = shop.world.user("ana").await;
    let ticket = shop.world.lists(ana, "Rock & <Roll>", 124_999).await;
    for (path, heading) in
        [("/", "<h1>What&#39;s on</h1>"), ("/tickets", "<h1>Tickets For Sale</h1>")]
    {
        let html = shop.html(path, "en-US").await;
        assert!(html.contains("<html lang=\"en\">") && html.contains(heading), "{html}");
        assert!(html.contains(&format!("href=\"/tickets/{ticket}\"")), "{html}");
        assert!(html.contains("Rock &amp; &lt;Roll&gt;") && html.contains("$1,249.99"), "{html}");
        let html = shop.html(path, "de").await;
        assert!(html.contains("<html lang=\"de\">") && html.contains("15 Minuten"), "{html}");
        assert!(html.contains("1.249,99\u{A0}$"), "{html}");
        let filtered = shop.html(&format!("{path}?q=nothing"), "en").await;
        assert!(!filtered.contains("Roll"), "what is not asked for is not shown");
    }
}

#[tokio::test]
async fn a_link_to_a_ticket_has_a_preview() {
    let shop = Shop::open();
    let ana = shop.world.user("ana").await;
    let ticket = shop.world.lists(ana, "\"Hamlet\" </script>", 2550).await;
    let html = shop.html(&format!("/tickets/{ticket}"), "en").await;
    for expected in [
        "<title>&quot;Hamlet&quot; &lt;/script&gt; – GitTix</title>",
        "<meta property=\"og:title\" content=\"&quot;Hamlet&quot; &lt;/script&gt;\">",
        "<meta property=\"og:type\" content=\"product\">",
        "<meta property=\"product:price:amount\" content=\"25.5\">",
        "<meta property=\"product:price:currency\" content=\"USD\">",
        &format!("content=\"https://tickets.example.com/tickets/{ticket}\""),
        "<p class=\"fact\">Price - $25.50</p>",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }
    let data = data_of(&html);
    assert_eq!(data["name"], "\"Hamlet\" </script>");
    assert_eq!(data["offers"]["price"], "25.5");
    assert_eq!(data["offers"]["availability"], "https://schema.org/InStock");
    assert!(!html.contains("noindex"));
}

/// What search engines read of a page.
pub fn data_of(html: &str) -> serde_json::Value {
    let data = html.split_once("<script type=\"application/ld+json\">").unwrap().1;
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

#[tokio::test]
async fn a_document_that_did_not_change_is_not_sent_again() {
    let shop = Shop::open();
    let ana = shop.world.user("ana").await;
    let ticket = shop.world.lists(ana, "Jazz", 2000).await;
    let path = format!("/tickets/{ticket}");
    let first = shop.get(&path, &[]).await;
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let again = shop.get(&path, &[("if-none-match", &tag)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[header::VARY], "accept-encoding, accept-language, cookie");
    shop.world.edits(ticket, Some("Jazz Night"), None).await;
    assert_eq!(shop.get(&path, &[("if-none-match", &tag)]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_is_no_page_for_search_engines() {
    for path in [
        "/tickets/ticket_1",
        "/tickets/ticket_01kaj2b3v4e5r6t7y8z9w0x1q2",
        "/shows/show_1",
        "/shows/show_01kaj2b3v4e5r6t7y8z9w0x1q2",
    ] {
        let response = get_with(path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let html = String::from_utf8(body(response).await).unwrap();
        assert!(html.contains("content=\"noindex\"") && html.contains("/app.js"), "{html}");
    }
}

#[test]
fn an_address_of_this_machine_alone_is_not_linked_to() {
    for (origin, is_linked) in [
        ("https://tickets.example.com", true),
        ("http://127.0.0.1:3000", false),
        ("http://localhost:3000", false),
        ("http://[::1]:3000", false),
    ] {
        assert_eq!(is_shared(origin), is_linked, "{origin}");
    }
}

/// The texts of a catalogue: for each id the values it takes.
fn catalogue(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (_, bytes) = FILES.iter().find(|(name, _)| *name == file).unwrap();
    let text = std::str::from_utf8(bytes).unwrap();
    let resource = fluent_bundle::FluentResource::try_new(text.to_owned());
    assert!(resource.is_ok(), "{file}: {:?}", resource.err().map(|(_, errors)| errors));
    let mut texts = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((id, _)) = line.split_once(" = ").filter(|_| !line.starts_with([' ', '}'])) {
            id.clone_into(&mut current);
            assert!(texts.insert(id.to_owned(), BTreeSet::new()).is_none(), "{id} is there twice");
        }
        for value in line.split('$').skip(1) {
            let name: String = value.chars().take_while(char::is_ascii_alphanumeric).collect();
            texts.get_mut(&current).unwrap().insert(name);
        }
    }
    texts
}

#[test]
fn no_text_is_left_out_of_a_language() {
    let english = catalogue("locales/en.ftl");
    assert!(english.len() > 150);
    assert_eq!(english, catalogue("locales/de.ftl"));
}

#[test]
fn every_text_is_used_and_every_text_that_is_used_is_there() {
    let texts = catalogue("locales/en.ftl");
    let sources = FILES.iter().filter(|(name, _)| name.ends_with(".js"));
    let sources = sources.filter(|(name, _)| !name.starts_with("vendor/"));
    let mut all: String = sources.map(|(_, bytes)| std::str::from_utf8(bytes).unwrap()).collect();
    // A call of `t` or `parts`, which is no part of a longer name.
    let calls = all.match_indices("t(\"").chain(all.match_indices("parts(\""));
    for (at, call) in calls.filter(|(at, _)| !all[..*at].ends_with(char::is_alphanumeric)) {
        let id = all[at + call.len()..].split('"').next().unwrap();
        assert!(texts.contains_key(id), "{id} has no text");
    }
    for source in
        [include_str!("content.rs"), include_str!("show_page.rs"), include_str!("texts.rs")]
    {
        all.push_str(source);
    }
    all.push_str(include_str!("../pages.rs"));
    let shell = site::SHELL.replace("{{text:", "\"").replace("}}", "\"");
    all.push_str(&shell);
    let unused: Vec<&String> =
        texts.keys().filter(|id| !all.contains(&format!("\"{id}\""))).collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

#[test]
fn no_script_brings_a_text_of_its_own() {
    for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
        let is_ours = !name.starts_with("vendor/");
        let text = std::str::from_utf8(bytes).unwrap();
        for line in
            text.lines().filter(|line| is_ours && !line.trim_start().starts_with(['/', '*']))
        {
            for quoted in line.split('"').skip(1).step_by(2) {
                let words = quoted.split(' ').filter(|it| it.chars().any(char::is_alphabetic));
                let is_prose = words.count() > 1 && quoted.starts_with(char::is_uppercase);
                assert!(!is_prose, "{name} says {quoted:?}");
            }
        }
    }
}
