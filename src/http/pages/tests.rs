use std::collections::BTreeSet;
use std::path::Path as FilePath;

use axum::body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn get_with(path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router(&CardForm::Sandbox).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
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
    let served_otherwise = ["index.html", "README.md"].map(str::to_owned);
    assert_eq!(on_disk, embedded.chain(served_otherwise).collect());
}

#[tokio::test]
async fn every_page_is_the_document_with_a_strict_policy() {
    for path in ["/", "/auth/signin", "/tickets/new", "/tickets/ticket_1", "/orders/order_1"] {
        let response = get_with(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let policy =
            response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let html = String::from_utf8(body(response).await).unwrap();
        assert!(html.contains("<title>GitTix</title>") && !html.contains("{{"), "{html}");
        assert!(!html.contains("<style") && !html.contains("style="), "nothing is inline");
        assert!(!html.replace("src=", "").contains("<script>"), "nothing is inline");
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

#[tokio::test]
async fn imports_lead_to_files_that_are_there() {
    for (name, bytes) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
        let text = std::str::from_utf8(bytes).unwrap();
        let folder = FilePath::new(name).parent().unwrap();
        for import in text.lines().filter(|line| line.starts_with("import ")) {
            let target = import.split('"').nth(1).unwrap();
            let path = match target.strip_prefix("../") {
                Some(above) => above.to_owned(),
                None => folder.join(target.trim_start_matches("./")).to_str().unwrap().to_owned(),
            };
            assert!(FILES.iter().any(|(name, _)| *name == path), "{name} imports {target}");
        }
    }
}

#[tokio::test]
async fn an_outdated_address_of_a_file_is_not_found() {
    for path in ["/assets/0000000000000000/app.js", "/assets/x/../app.js"] {
        assert_eq!(get_with(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let path = format!("/assets/{}/no.js", SITE.hash);
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
    let mut total = SITE.shell.bytes(Encoding::Brotli).await.len();
    for (_, asset) in ASSETS.iter() {
        total += asset.bytes(Encoding::Brotli).await.len();
    }
    assert!(total < 60_000, "the whole storefront takes {total} bytes");
}
