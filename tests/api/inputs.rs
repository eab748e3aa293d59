//! Bad input gets its documented 4xx, never a 5xx.

use axum::http::{Method, Request};
use serde_json::json;

use crate::support::World;
use crate::support::client::HOST;

const TICKETS: &str = "/api/tickets";

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_one_sound_json_object_is_400() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let deep =
        format!(r#"{{"title":"Rock","price":1,"x":{}{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    let open = format!(r#"{{"x":{}"#, "[".repeat(60_000));
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "null",
        "true",
        "1",
        "\"x\"",
        "[]",
        r#"["Rock",1]"#,
        "{",
        r#"{"title":"Rock""#,
        r#"{"title":"Rock","price":1} x"#,
        r#"{"title":"Rock","price":1}{}"#,
        r#"{"title":"Rock","title":"Jazz","price":1}"#,
        r#"{"title":"Rock","price":1,"price":2}"#,
        r#"{"title":"Rock","price":1,"x":{"a":1,"a":2}}"#,
        r#"{"title":"Rock","price":NaN}"#,
        r#"{"title":"Rock","price":Infinity}"#,
        r#"{"title":"Rock","price":1,}"#,
        r#"{"title":"Rock","price":01}"#,
        r#"{"title":"Rock","price":.5}"#,
        r#"{'title':'Rock'}"#,
        r#"{"title":"\ud800","price":1}"#,
        r#"{"title":"\udc00\ud800","price":1}"#,
        "{\"title\":\"a\nb\",\"price\":1}",
        "\u{feff}{\"title\":\"Rock\",\"price\":1}",
        "title=Rock&price=1",
        deep.as_str(),
        open.as_str(),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        b"{\"title\":\"\xff\",\"price\":1}".to_vec(),
        b"{\"title\":\"\xed\xa0\x80\",\"price\":1}".to_vec(),
        "{\"title\":\"Rock\",\"price\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "\u{feff}{}".encode_utf16().flat_map(u16::to_be_bytes).collect(),
        vec![0; 10],
    ])
    .collect();
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        for (method, path) in [
            (Method::POST, TICKETS),
            (Method::POST, "/api/orders"),
            (Method::POST, "/api/payments"),
            (Method::POST, "/api/users/signup"),
            (Method::POST, "/api/users/signin"),
            (Method::PATCH, "/api/users/me"),
            (Method::PUT, "/api/tickets/ticket_00000000000000000000000000"),
        ] {
            let answer = ana.client.raw(method, path, body.clone(), &[]).await;
            assert_eq!(answer.status, 400, "{path} {shown}: {}", answer.text());
            assert_eq!(answer.value()["code"], "invalid_json", "{path} {shown}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_title_can_break_the_line_it_is_shown_in() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let too_long = "é".repeat(201);
    for title in [
        "",
        "   ",
        "\t\n",
        "\u{a0}",
        "\u{200b}",
        "\u{feff}\u{200d}",
        "a\u{0}b",
        "a\nb",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{202e}b",
        "a\u{2066}b",
        "a\u{2028}b",
        "\u{202e}",
        too_long.as_str(),
    ] {
        let faults = ana.client.post(TICKETS, &json!({"title": title, "price": 1})).await.faults();
        assert_eq!(faults[0].0, "title", "{title:?}");
    }
    for title in [json!(5), json!(true), json!(["Rock"]), json!({"a": "b"}), json!(null)] {
        let faults = ana.client.post(TICKETS, &json!({"title": title, "price": 1})).await.faults();
        assert_eq!(faults[0].0, "title", "{title}");
    }
    for title in ["é".repeat(200).as_str(), "日本 🎫", "a", "<script>alert(1)</script>", "'; --"]
    {
        let answer = ana.client.post(TICKETS, &json!({"title": title, "price": 1})).await;
        assert_eq!(answer.created()["title"], title);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_price_is_400_and_names_the_field() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    for price in [
        "0",
        "-1",
        "-0",
        "0.001",
        "1.999",
        "1e30",
        "1e400",
        "-1e400",
        "1e-400",
        "1000000000",
        "999999999.991",
        "18446744073709551616",
        "9007199254740993",
        "null",
        "true",
        "\"abc\"",
        "\"\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\" 5\"",
        "\"5 \"",
        "\"1,5\"",
        "\"0x10\"",
        "\"+5\"",
        "[5]",
        "{}",
        "\"١٢\"",
        "1e99999999999999999999",
        "0.0",
        "\"-1\"",
        "\"1e400\"",
    ] {
        let body = format!(r#"{{"title":"Rock","price":{price}}}"#);
        let faults = ana.client.raw(Method::POST, TICKETS, body, &[]).await.faults();
        assert_eq!(faults.len(), 1, "{price}");
        assert_eq!(faults[0].0, "price", "{price}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_must_say_that_it_is_json_and_be_plain() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = r#"{"title":"Rock","price":1}"#;
    let post = |headers: &'static [(&'static str, &'static str)]| {
        let client = ana.client.clone();
        async move { client.raw(Method::POST, TICKETS, body, headers).await }
    };
    for content_type in [
        &[("content-type", "")],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "multipart/form-data; boundary=x")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/xml")],
        &[("content-type", "json")],
    ] {
        post(content_type).await.refused(415, "unsupported_media_type");
    }
    post(&[("content-type", "application/json"), ("content-encoding", "gzip")])
        .await
        .refused(415, "unsupported_media_type");
    for content_type in [
        &[("content-type", "application/json; charset=utf-8")],
        &[("content-type", "APPLICATION/JSON;charset=\"UTF-8\"")],
        &[("content-type", "application/merge-patch+json")],
    ] {
        post(content_type).await.is(201);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_limit_is_413() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = |size: usize| {
        let frame = r#"{"title":"Rock","price":1,"x":""}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(size - frame.len())))
    };
    ana.client.raw(Method::POST, TICKETS, body(65_536), &[]).await.is(201);
    let answer = ana.client.raw(Method::POST, TICKETS, body(65_537), &[]).await;
    answer.refused(413, "payload_too_large");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_path_is_404_and_a_wrong_method_405_with_those_allowed() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    for path in [
        "/nothing",
        "/api",
        "/api/",
        "/api/nothing",
        "/api/tickets/",
        "/api/orders/a/b",
        "/API/tickets",
        "/api/tickets/a/b",
        "//api/tickets",
        "/api/users",
        "/%ff",
        "/api/tickets/%ff",
        "/%",
        "/metrics",
        "/admin/backup",
        "/api/tickets/%2e%2e/%2e%2e/etc/passwd",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = ana.client.bare(method.clone(), path, &[]).await;
            assert!(
                answer.status == 404 || (answer.status == 405 && path.contains("tickets")),
                "{method} {path}: {}",
                answer.status
            );
        }
    }
    for (path, allowed) in [
        ("/api/tickets", "GET,HEAD,POST"),
        ("/api/tickets/x", "GET,HEAD,PUT,PATCH,DELETE"),
        ("/api/orders", "GET,HEAD,POST"),
        ("/api/orders/x", "GET,HEAD,DELETE"),
        ("/api/payments", "POST"),
        ("/api/payments/x", "GET,HEAD,DELETE"),
        ("/api/users/signup", "POST"),
        ("/api/users/signin", "POST"),
        ("/api/users/signout", "POST"),
        ("/api/users/currentuser", "GET,HEAD"),
        ("/api/users/me", "PATCH"),
        ("/healthz", "GET,HEAD"),
        ("/readyz", "GET,HEAD"),
    ] {
        let sorted = |list: &str| {
            let mut names: Vec<_> = list.split(',').map(|name| name.trim().to_owned()).collect();
            names.sort();
            names
        };
        for method in ["TRACE", "PUT", "GET", "POST", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            if allowed.split(',').any(|known| known == method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = ana.client.bare(method.clone(), path, &[]).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(sorted(answer.header("allow")), sorted(allowed), "{method} {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let world = World::new().await;
    let send = |build: fn(axum::http::request::Builder) -> axum::http::request::Builder| {
        let client = world.anyone();
        async move {
            let request = build(Request::get("/api/tickets"));
            client.send(request.body(axum::body::Body::empty()).unwrap()).await
        }
    };
    send(|request| request.header("host", HOST)).await.is(200);
    send(|request| request).await.refused(400, "bad_request");
    send(|request| request.header("host", "")).await.refused(400, "bad_request");
    send(|request| request.header("host", HOST).header("host", "x"))
        .await
        .refused(400, "bad_request");
    send(|request| {
        request.header("host", HOST).header("content-length", "1").header("content-length", "1")
    })
    .await
    .refused(400, "bad_request");
    send(|request| {
        request
            .header("host", HOST)
            .header("content-length", "0")
            .header("transfer-encoding", "chunked")
    })
    .await
    .refused(400, "bad_request");
}

#[tokio::test(start_paused = true)]
async fn long_paths_queries_and_many_headers_do_no_harm() {
    let world = World::new().await;
    let long = "a".repeat(60_000);
    world.anyone().get(&format!("/api/tickets/{long}")).await.refused(404, "not_found");
    world.anyone().get(&format!("/api/tickets?q={long}")).await.is(200);
    world.anyone().get(&format!("/api/tickets?after={long}")).await.faults();
    let words = "a+".repeat(20_000);
    world.anyone().get(&format!("/api/tickets?q={words}")).await.is(200);
    let mut request = world.anyone().request(Method::GET, "/api/tickets");
    for number in 0..200 {
        request = request.header(format!("x-header-{number}"), "v");
    }
    world.anyone().send(request.body(axum::body::Body::empty()).unwrap()).await.is(200);
}
