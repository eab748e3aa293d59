//! What holds for every route: names, caching, security headers, origins, compression.

use axum::http::Method;
use gittix::http::events::listeners::ListenerLimits;
use serde_json::json;

use crate::support::client::HOST;
use crate::support::{Setup, World};

#[tokio::test(start_paused = true)]
async fn a_request_keeps_a_sane_id_of_its_own_and_gets_one_otherwise() {
    let world = World::new().await;
    let ask = |id: &'static str| {
        let anyone = world.anyone();
        async move {
            let answer = anyone.bare(Method::GET, "/healthz", &[("x-request-id", id)]).await;
            answer.header("x-request-id").to_owned()
        }
    };
    assert_eq!(ask("my.own-id_7").await, "my.own-id_7");
    for bad in ["a b", "", "a;b", "<x>"] {
        let given = ask(bad).await;
        assert_ne!(given, bad);
        assert!(given.len() >= 16, "{given}");
    }
    assert_ne!(ask("").await, ask("").await);
    let refused = world.anyone().bare(Method::GET, "/nothing", &[("x-request-id", "abc")]).await;
    assert_eq!(refused.is(404).header("x-request-id"), "abc");
}

#[tokio::test(start_paused = true)]
async fn every_answer_carries_the_security_headers() {
    let world = World::new().await;
    for path in ["/healthz", "/api/tickets", "/nothing", "/api/orders", "/api/openapi.json"] {
        let answer = world.anyone().get(path).await;
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(!answer.header("referrer-policy").is_empty(), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "only over https");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_a_users_own_is_never_stored_by_a_cache() {
    let world = World::new().await;
    let ben = world.buyer("ben").await;
    let order = ben.locks(&world.ticket().await).await;
    let paid = ben.pays(&order).await;
    let charge = crate::support::client::id(&paid.value());
    for path in [
        "/api/users/currentuser".to_owned(),
        "/api/orders".to_owned(),
        format!("/api/orders/{order}"),
        format!("/api/payments/{charge}"),
        "/api/tickets?seller=me".to_owned(),
        "/api/orders/x".to_owned(),
    ] {
        let answer = ben.client.get(&path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_sites_page_can_not_act_in_the_users_name() {
    let origin = Some("https://tickets.example".to_owned());
    let world = Setup { public_origin: origin, ..Setup::default() }.start().await;
    let ana = world.seller("ana").await;
    let body = json!({"title": "Rock", "price": 1});
    let own_host = format!("http://{HOST}");
    let post = |headers: Vec<(&'static str, String)>| {
        let (client, body) = (ana.client.clone(), body.clone());
        async move {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            client.json(Method::POST, "/api/tickets", &body, &headers).await
        }
    };
    for headers in [
        vec![("origin", "https://evil.example".to_owned())],
        vec![("origin", "null".to_owned())],
        vec![("origin", "https://tickets.example.evil.example".to_owned())],
        vec![("sec-fetch-site", "cross-site".to_owned())],
        vec![("sec-fetch-site", "same-site".to_owned())],
        vec![("origin", own_host.clone()), ("sec-fetch-site", "cross-site".to_owned())],
        // The public address is known, so nothing else is our own, nor is it without TLS.
        vec![("origin", own_host.clone())],
        vec![("origin", "http://tickets.example".to_owned())],
    ] {
        post(headers).await.refused(403, "cross_origin");
    }
    for headers in [
        vec![],
        vec![("origin", "https://tickets.example".to_owned())],
        vec![("sec-fetch-site", "same-origin".to_owned())],
        vec![("sec-fetch-site", "none".to_owned())],
    ] {
        post(headers).await.is(201);
    }
    // Every method that changes something, and whatever the route.
    let foreign = [("origin", "https://evil.example")];
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = ana.client.bare(method, "/api/users/signout", &foreign).await;
        answer.refused(403, "cross_origin");
    }
    // Where the public address is not known, the host that was asked is our own.
    let world = World::new().await;
    let client = world.seller("ben").await.client;
    let headers = [("origin", own_host.as_str())];
    client.json(Method::POST, "/api/tickets", &body, &headers).await.is(201);
    client.json(Method::POST, "/api/tickets", &body, &foreign).await.refused(403, "cross_origin");
    let ana = world.seller("ana").await;
    // Reading is free, and so is who holds no cookie: a browser adds no bearer token by itself.
    ana.client.bare(Method::GET, "/api/orders", &foreign).await.is(200);
    let bearer = format!("Bearer {}", ana.client.token.clone().unwrap());
    let headers = [("origin", "https://evil.example"), ("authorization", bearer.as_str())];
    world.anyone().json(Method::POST, "/api/tickets", &body, &headers).await.is(201);
}

#[tokio::test(start_paused = true)]
async fn long_answers_are_compressed_for_who_takes_it() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    for number in 0..20 {
        ana.lists(&format!("Ticket {number}"), 5).await;
    }
    let ask = |encoding: &'static str| {
        let anyone = world.anyone();
        async move { anyone.bare(Method::GET, "/api/tickets", &[("accept-encoding", encoding)]).await }
    };
    for encoding in ["gzip", "br"] {
        let answer = ask(encoding).await.is(200);
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.header("vary").contains("accept-encoding"));
    }
    assert_eq!(ask("identity").await.header("content-encoding"), "");
}

#[tokio::test(start_paused = true)]
async fn a_host_is_a_host_and_nothing_more() {
    let world = World::new().await;
    let ask = |host: &'static str| {
        let request = axum::http::Request::get("/healthz").header("host", host);
        let anyone = world.anyone();
        async move { anyone.send(request.body(axum::body::Body::empty()).unwrap()).await }
    };
    for host in ["gittix.test", "gittix.test:80", "gittix_1", "127.0.0.1:3000", "[::1]:3000"] {
        ask(host).await.is(200);
    }
    for host in ["a@b", "user:word@gittix.test", "a:65536", "a,b", "a%2eb", "[fe80::1%25eth0]", ""]
    {
        ask(host).await.refused(400, "bad_request");
    }
}

#[tokio::test(start_paused = true)]
async fn the_version_counts_though_a_proxy_made_the_tag_weak() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let ticket = format!("/api/tickets/{}", ana.lists("Rock", 5).await);
    let edit = |tag: &'static str, price: u32| {
        let (client, ticket) = (ana.client.clone(), ticket.clone());
        let body = json!({"title": "Rock", "price": price});
        async move { client.json(Method::PUT, &ticket, &body, &[("if-match", tag)]).await }
    };
    edit("W/\"1\"", 6).await.refused(412, "precondition_failed");
    edit("W/\"0\"", 6).await.is(200);
    edit("\"1\"", 7).await.is(200);
    let known = [("if-none-match", "W/\"2\"")];
    world.anyone().bare(Method::GET, &ticket, &known).await.is(304);
    ana.client.bare(Method::DELETE, &ticket, &[("if-match", "W/\"2\"")]).await.is(204);
}

#[tokio::test(start_paused = true)]
async fn operators_may_ask_by_the_names_that_are_listed() {
    let world = World::new().await;
    let ask = |host: &'static str| {
        let request = axum::http::Request::get("/metrics").header("host", host);
        let router = world.app.admin_router.clone();
        async move {
            let request = request.body(axum::body::Body::empty()).unwrap();
            tower::ServiceExt::oneshot(router, request).await.unwrap().status().as_u16()
        }
    };
    for host in ["127.0.0.1:3001", "localhost", "gittix.monitoring", "GITTIX.Monitoring:3001"] {
        assert_eq!(ask(host).await, 200, "{host}");
    }
    for host in ["evil.example", "gittix.monitoring.evil.example", "monitoring", "x.localhost"] {
        assert_eq!(ask(host).await, 403, "{host}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_can_not_take_all_event_streams() {
    let header = Some("x-forwarded-for".to_owned());
    let listeners = ListenerLimits { max_per_address: Some(2), ..ListenerLimits::of(100) };
    let setup = Setup { client_address_header: header, listeners, ..Setup::default() };
    let world = setup.start().await;
    let listen = |address: &'static str| {
        let request = world.anyone().request(Method::GET, "/api/events");
        let request = request.header("x-forwarded-for", address);
        let router = world.anyone().router;
        async move {
            let request = request.body(axum::body::Body::empty()).unwrap();
            tower::ServiceExt::oneshot(router, request).await.unwrap()
        }
    };
    let first = listen("198.51.100.1:1000").await;
    let second = listen("198.51.100.1:2000").await;
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (200, 200));
    let refused = listen("198.51.100.1:3000").await;
    assert_eq!(refused.status().as_u16(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(listen("198.51.100.2").await.status().as_u16(), 200);
    // All of an IPv6 network is one.
    let networks = [listen("[2001:db8::1]:1").await, listen("2001:db8::2").await];
    assert_eq!(listen("\"[2001:db8::3]:3\"").await.status().as_u16(), 429);
    assert_eq!(listen("2001:db8:0:1::1").await.status().as_u16(), 200);
    drop(networks);
    drop(first);
    assert_eq!(listen("198.51.100.1").await.status().as_u16(), 200);
    drop(second);
}
