//! The server about itself.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{Setup, World};

#[tokio::test(start_paused = true)]
async fn the_server_is_healthy_and_ready_until_it_stops() {
    let world = World::new().await;
    assert_eq!(world.anyone().get("/healthz").await.ok(), json!({"status": "ok"}));
    assert_eq!(world.anyone().get("/readyz").await.ok(), json!({"status": "ok"}));
    world.app.readiness.begin_stopping();
    let answer = world.anyone().get("/readyz").await.refused(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    world.anyone().get("/healthz").await.is(200);
}

#[tokio::test(start_paused = true)]
async fn every_code_is_explained_where_its_type_leads() {
    let world = World::new().await;
    let all = world.anyone().get("/errors").await.ok();
    let all = all.as_array().unwrap();
    assert!(all.len() > 20);
    for code in all {
        let page = world.anyone().get(code["type"].as_str().unwrap()).await.ok();
        assert_eq!(&page, code);
        assert!(!page["meaning"].as_str().unwrap().is_empty());
    }
    world.anyone().get("/errors/no-such-code").await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn the_description_names_every_route_and_is_sound() {
    let world = World::new().await;
    let description = world.anyone().get("/api/openapi.json").await.ok();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut routes = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            routes.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    for expected in [
        "POST /api/users/signup",
        "POST /api/users/signin",
        "POST /api/users/signout",
        "GET /api/users/currentuser",
        "PATCH /api/users/me",
        "POST /api/tickets",
        "GET /api/tickets",
        "GET /api/tickets/{id}",
        "PUT /api/tickets/{id}",
        "PATCH /api/tickets/{id}",
        "DELETE /api/tickets/{id}",
        "POST /api/orders",
        "GET /api/orders",
        "GET /api/orders/{id}",
        "DELETE /api/orders/{id}",
        "POST /api/payments",
        "GET /api/payments/{id}",
        "DELETE /api/payments/{id}",
        "GET /healthz",
        "GET /readyz",
    ] {
        assert!(routes.contains(expected), "{expected} is missing of {routes:?}");
    }
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Two operations with one id are one to whoever reads the description: client generators, and
/// `/api/docs`, which would send the request of one when the other is asked for.
#[tokio::test(start_paused = true)]
async fn every_operation_has_an_id_of_its_own_and_every_response_is_described() {
    let world = World::new().await;
    let description = world.anyone().get("/api/openapi.json").await.ok();
    let mut ids = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            let is_camel_case = id.starts_with(|first: char| first.is_ascii_lowercase())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            assert!(is_camel_case && id.len() > 5, "{method} {path}: {id:?}");
            assert!(ids.insert(id.to_owned()), "{method} {path}: {id} is there twice");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let told = response["description"].as_str().unwrap_or_default();
                assert!(!told.is_empty(), "{method} {path}: {status} is not described");
            }
        }
    }
}

/// `docs/openapi.json` is what client generators are pointed at, and what a change of the API
/// shows in. `scripts/update-openapi` writes it anew.
#[tokio::test(start_paused = true)]
async fn the_committed_description_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let world = Setup { sandbox: true, ..Setup::default() }.start().await;
    let served = world.anyone().get("/api/openapi.json").await.ok();
    if std::env::var_os("GITTIX_UPDATE_OPENAPI").is_some() {
        let text = serde_json::to_string_pretty(&served).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(committed == served, "docs/openapi.json is outdated: run scripts/update-openapi");
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                references.push(reference.clone());
            }
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_documentation_page_needs_no_other_server() {
    let world = World::new().await;
    let answer = world.anyone().get("/api/docs/").await.is(200);
    let page = answer.text();
    assert!(page.contains("swagger"), "{page}");
    for foreign in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!page.contains(foreign), "{page}");
    }
    assert!(answer.header("content-security-policy").contains("script-src 'self'"));
}

#[tokio::test(start_paused = true)]
async fn the_metrics_tell_what_operators_ask() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    ben.locks(&world.ticket().await).await;
    world.anyone().get("/api/tickets/x").await.is(404);
    let request = Request::get("/metrics").header("host", "127.0.0.1:3001");
    let request = request.body(Body::empty()).unwrap();
    let response = world.app.admin_router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    for line in [
        "gittix_open_orders 1",
        "gittix_pending_timers 1",
        "gittix_unsettled_charges 0",
        "gittix_last_event 5",
        "gittix_live_actors{kind=\"ticket\"} 1",
        "gittix_http_requests_total{method=\"POST\",route=\"/api/orders\",status=\"201\"} 1",
        "gittix_http_requests_total{method=\"GET\",route=\"/api/tickets/{id}\",status=\"404\"} 1",
        "gittix_store_queued_commits 0",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    // Only under a name that leads to this machine for certain.
    let request = Request::get("/metrics").header("host", "rebound.example");
    let request = request.body(Body::empty()).unwrap();
    let response = world.app.admin_router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
}

#[tokio::test(start_paused = true)]
async fn a_storefront_is_told_which_languages_there_are() {
    let world = Setup::default().start().await;
    let config = world.anyone().get("/api/config").await.ok();
    assert_eq!(config["languages"], json!(["en", "de"]));
}
