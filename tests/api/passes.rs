//! Passes: added by sellers, opened by whoever paid, and by nobody else.

use axum::http::Method;
use futures_util::future::join_all;
use gittix::blobs::{Blobs, MemoryBlobs};
use gittix::domain::RefundStatus;
use gittix::http::PassSettings;
use serde_json::{Value, json};

use crate::support::client::{Answer, id};
use crate::support::world::{seconds, wait};
use crate::support::{Person, Setup, World, live};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n(let me in)\nendobj\n%%EOF\n";

/// Another document.
fn pdf(text: &str) -> Vec<u8> {
    format!("%PDF-1.7\n1 0 obj\n({text})\nendobj\n%%EOF\n").into_bytes()
}

async fn lists(seller: &Person, more: Value) -> String {
    let mut body = json!({"title": "Rock Concert", "price": 40});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    id(&seller.client.post("/api/tickets", &body).await.created())
}

fn passes_of(ticket: &str) -> String {
    format!("/api/tickets/{ticket}/passes")
}

async fn adds(seller: &Person, path: &str, content: &[u8]) -> Answer {
    let headers = [("content-type", "application/pdf")];
    seller.client.raw(Method::POST, path, content.to_vec(), &headers).await
}

async fn adds_code(seller: &Person, ticket: &str, code: &str) -> Answer {
    let body = json!({"code": code, "format": "qr"});
    seller.client.post(&passes_of(ticket), &body).await
}

async fn opens(who: &Person, pass: &str) -> Answer {
    who.client.get(&format!("/api/passes/{pass}")).await
}

async fn buys(buyer: &Person, ticket: &str, quantity: u32) -> String {
    let body = json!({"ticketId": ticket, "quantity": quantity});
    let order = id(&buyer.client.post("/api/orders", &body).await.created());
    buyer.pays(&order).await.created();
    order
}

/// The buyer of an order gets their money back.
async fn pays_back(world: &World, buyer: &Person, order: &str) {
    let charge = buyer.client.get(&format!("/api/orders/{order}")).await.ok()["charge"].clone();
    let report = world.gateway.pays_back(charge["stripeId"].as_str().unwrap());
    let (order, charge) = (order.parse().unwrap(), id(&charge).parse().unwrap());
    world.app.market.report(order, charge, report).await.unwrap();
}

async fn passes_of_order(buyer: &Person, order: &str) -> Vec<String> {
    let shown = buyer.client.get(&format!("/api/orders/{order}/passes")).await.ok();
    shown.as_array().unwrap().iter().map(id).collect()
}

async fn there(world: &World, ticket: &str) -> Value {
    world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok()["passes"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_pass_is_its_sellers_until_its_seat_is_paid_and_then_its_buyers() {
    let world = World::new().await;
    let (ana, ben, eve) =
        (world.seller("ana").await, world.buyer("ben").await, world.buyer("eve").await);
    let ticket = lists(&ana, json!({})).await;
    assert_eq!(there(&world, &ticket).await, "none");
    let added = adds(&ana, &passes_of(&ticket), PDF).await.is(201);
    let pass = id(&added.value());
    assert_eq!(added.header("location"), format!("/api/passes/{pass}"));
    let shown = added.value();
    assert_eq!(shown["ticketId"], ticket.as_str());
    assert_eq!((&shown["seat"], &shown["kind"]), (&Value::Null, &json!("pdf")));
    assert_eq!(shown.as_object().unwrap().len(), 5, "{shown}");
    assert_eq!(there(&world, &ticket).await, "all");
    assert_eq!(ana.client.get(&passes_of(&ticket)).await.ok(), json!([shown]));
    ben.client.get(&passes_of(&ticket)).await.refused(403, "not_owner");

    let opened = opens(&ana, &pass).await.is(200);
    assert_eq!(opened.body, PDF);
    assert_eq!(opened.header("content-type"), "application/pdf");
    assert_eq!(opened.header("cache-control"), "no-store");
    let attached = format!("attachment; filename=\"{pass}.pdf\"");
    assert_eq!(opened.header("content-disposition"), attached);
    assert!(opened.header("etag").is_empty() && opened.header("accept-ranges").is_empty());

    let order = ben.locks(&ticket).await;
    let of_order = format!("/api/orders/{order}/passes");
    ben.client.get(&of_order).await.refused(404, "not_found");
    opens(&ben, &pass).await.refused(404, "not_found");
    ana.client.delete(&format!("/api/passes/{pass}")).await.refused(409, "seat_taken");
    ben.pays(&order).await.created();
    assert_eq!(ben.client.get(&of_order).await.ok(), json!([shown]));
    assert_eq!(opens(&ben, &pass).await.is(200).body, PDF);
    opens(&ana, &pass).await.refused(404, "not_found");
    ana.client.delete(&format!("/api/passes/{pass}")).await.refused(409, "seat_taken");

    eve.client.get(&of_order).await.refused(404, "not_found");
    world.anyone().get(&format!("/api/passes/{pass}")).await.refused(401, "unauthenticated");
    let path = format!("/api/passes/{pass}");
    for headers in [
        [("range", "bytes=0-3")],
        [("if-none-match", "*")],
        [("if-none-match", "\"0\"")],
        [("accept", "application/json")],
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = eve.client.request(method.clone(), &path);
            let answer = answer.header(headers[0].0, headers[0].1).body("".into()).unwrap();
            assert_eq!(status_of(&eve, answer).await, 404, "{method} {headers:?}");
        }
        let whole = ben.client.bare(Method::GET, &path, &headers).await.is(200);
        assert_eq!(whole.body, PDF, "{headers:?}");
    }
    let events = world.events().await;
    assert!(events.contains(&"PassAdded"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_lets_uploads_stall_keeps_nobody_else_from_theirs() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.seller("ben").await);
    let path = passes_of(&lists(&ana, json!({})).await);
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let never = futures_util::stream::pending::<std::io::Result<Vec<u8>>>();
        let request = ana.client.request(Method::POST, &path);
        let request = request.header("content-type", "application/pdf");
        let request = request.body(axum::body::Body::from_stream(never)).unwrap();
        let router = ana.client.router.clone();
        stalled.push(tokio::spawn(async move {
            use tower::ServiceExt as _;
            router.oneshot(request).await
        }));
    }
    wait(seconds(1)).await;
    let of_ben = passes_of(&lists(&ben, json!({})).await);
    adds(&ben, &of_ben, PDF).await.created();
    stalled.iter().for_each(tokio::task::JoinHandle::abort);
    wait(seconds(1)).await;
    adds(&ana, &path, &pdf("at last")).await.created();
}

/// The status of an answer that may have no body.
async fn status_of(who: &Person, request: axum::http::Request<axum::body::Body>) -> u16 {
    use tower::ServiceExt as _;
    who.client.router.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn after_a_refund_nobody_opens_a_pass() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({})).await;
    let pass = id(&adds(&ana, &passes_of(&ticket), PDF).await.created());
    let order = ben.locks(&ticket).await;
    let charge = id(&ben.pays(&order).await.created());
    assert_eq!(opens(&ben, &pass).await.is(200).body, PDF);
    world.gateway.refund_is(RefundStatus::Pending);
    let (bought, charge) = (order.parse().unwrap(), charge.parse().unwrap());
    world.app.market.report(bought, charge, world.gateway.tells()).await.unwrap();
    for who in [&ana, &ben] {
        opens(who, &pass).await.refused(404, "not_found");
    }
    assert_eq!(passes_of_order(&ben, &order).await, Vec::<String>::new());
    // Its seller may sell it anew.
    let again = lists(&ana, json!({})).await;
    adds(&ana, &passes_of(&again), PDF).await.created();
}

#[tokio::test(start_paused = true)]
async fn named_seats_have_a_pass_each_and_each_buyer_gets_those_of_their_seats() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cyd = world.buyer("cyd").await;
    let ticket = lists(&ana, json!({"seats": ["1", "2", "3"], "split": "any"})).await;
    let path = passes_of(&ticket);
    let at = |seat: &str| format!("{path}?seat={seat}");
    let faults = adds(&ana, &path, PDF).await.faults();
    assert_eq!(faults[0].0, "seat");
    for unknown in ["4", "%0D%0Ax", "", "1&seat=2"] {
        let faults = adds(&ana, &at(unknown), PDF).await.faults();
        assert_eq!(faults[0].0, "seat", "{unknown}");
    }
    let second = id(&adds(&ana, &at("2"), &pdf("two")).await.created());
    adds(&ana, &at("2"), &pdf("two again")).await.refused(409, "seat_has_pass");
    assert_eq!(there(&world, &ticket).await, "some");
    let of_ben = buys(&ben, &ticket, 1).await;
    assert_eq!(passes_of_order(&ben, &of_ben).await, Vec::<String>::new(), "that is seat 1");
    let of_cyd = buys(&cyd, &ticket, 2).await;
    assert_eq!(passes_of_order(&cyd, &of_cyd).await, [second.as_str()]);
    // Those that come later go to whoever has the seat.
    let first = id(&adds(&ana, &at("1"), &pdf("one")).await.created());
    assert_eq!(passes_of_order(&ben, &of_ben).await, [first.as_str()]);
    assert_eq!(opens(&ben, &first).await.is(200).body, pdf("one"));
    opens(&ben, &second).await.refused(404, "not_found");
    opens(&cyd, &first).await.refused(404, "not_found");
    opens(&ana, &first).await.refused(404, "not_found");
    let third = id(&adds(&ana, &at("3"), &pdf("three")).await.created());
    assert_eq!(passes_of_order(&cyd, &of_cyd).await, [second, third]);
    assert_eq!(there(&world, &ticket).await, "all");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn passes_without_seats_go_to_whoever_paid_first() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cyd = world.buyer("cyd").await;
    let ticket = lists(&ana, json!({"quantity": 3, "split": "any"})).await;
    let path = passes_of(&ticket);
    let first = id(&adds(&ana, &path, &pdf("1")).await.created());
    let body = json!({"ticketId": ticket, "quantity": 1});
    let of_ben = id(&ben.client.post("/api/orders", &body).await.created());
    // Who locked later and paid first has it.
    let of_cyd = buys(&cyd, &ticket, 1).await;
    ben.pays(&of_ben).await.created();
    assert_eq!(passes_of_order(&cyd, &of_cyd).await, [first.as_str()]);
    assert_eq!(passes_of_order(&ben, &of_ben).await, Vec::<String>::new());
    let second = id(&adds(&ana, &path, &pdf("2")).await.created());
    assert_eq!(passes_of_order(&ben, &of_ben).await, [second.as_str()]);
    let third = id(&adds(&ana, &path, &pdf("3")).await.created());
    adds(&ana, &path, &pdf("4")).await.refused(409, "seat_has_pass");
    adds(&ana, &format!("{path}?seat=1"), &pdf("4")).await.faults();
    ana.client.delete(&format!("/api/passes/{third}")).await.is(204);
    ana.client.delete(&format!("/api/passes/{third}")).await.refused(404, "not_found");
    ana.client.delete(&format!("/api/passes/{second}")).await.refused(409, "seat_taken");
    ben.client.delete(&format!("/api/passes/{second}")).await.refused(404, "not_found");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn eight_who_add_a_pass_for_one_seat_at_once_add_one() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let ticket = lists(&ana, json!({})).await;
    let path = passes_of(&ticket);
    let contents: Vec<_> = (0..8).map(|number| pdf(&number.to_string())).collect();
    let answers = join_all(contents.iter().map(|content| adds(&ana, &path, content))).await;
    let added = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(added, 1);
    for lost in answers.into_iter().filter(|answer| answer.status != 201) {
        lost.refused(409, "seat_has_pass");
    }
    assert_eq!(ana.client.get(&path).await.ok().as_array().unwrap().len(), 1);
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn the_same_pass_in_many_listings_at_once_is_in_one() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.seller("ben").await);
    let mut tickets = Vec::new();
    for number in 0..8 {
        let seller = if number % 2 == 0 { &ana } else { &ben };
        tickets.push((seller, passes_of(&lists(seller, json!({})).await)));
    }
    let all = tickets.iter().map(|(seller, path)| adds(seller, path, PDF));
    let answers = join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for lost in answers.into_iter().filter(|answer| answer.status != 201) {
        lost.refused(409, "pass_listed");
    }
    // Nor twice in one listing, nor as a code.
    let two = lists(&ana, json!({"quantity": 2})).await;
    adds_code(&ana, &two, " M4X1-99 ").await.created();
    adds_code(&ana, &two, "M4X1-99").await.refused(409, "pass_listed");
    adds_code(&ana, &two, "M4X1-98").await.created();
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_ends_lets_go_of_its_passes() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({})).await;
    let pass = id(&adds(&ana, &passes_of(&ticket), PDF).await.created());
    ana.client.delete(&format!("/api/tickets/{ticket}")).await.is(204);
    opens(&ana, &pass).await.refused(404, "not_found");

    let two = lists(&ana, json!({"quantity": 2, "split": "any"})).await;
    let sold = id(&adds(&ana, &passes_of(&two), PDF).await.created());
    let left = id(&adds(&ana, &passes_of(&two), &pdf("left")).await.created());
    let changed = json!({"quantity": 3});
    ana.client.patch(&format!("/api/tickets/{two}"), &changed).await.refused(409, "seat_has_pass");
    ana.client.patch(&format!("/api/tickets/{two}"), &json!({"price": 50})).await.is(200);
    let order = buys(&ben, &two, 1).await;
    ana.client.delete(&format!("/api/tickets/{two}")).await.is(204);
    assert_eq!(passes_of_order(&ben, &order).await, [sold.as_str()]);
    opens(&ben, &sold).await.is(200);
    opens(&ana, &left).await.refused(404, "not_found");
    let again = lists(&ana, json!({})).await;
    adds(&ana, &passes_of(&again), &pdf("left")).await.created();
    adds(&ana, &passes_of(&again), PDF).await.refused(409, "seat_has_pass");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn whoever_bought_a_pass_may_sell_it_on_and_has_it_until_that_is_paid() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let (cyd, eve) = (world.buyer("cyd").await, world.buyer("eve").await);
    let first = lists(&ana, json!({})).await;
    let of_ana = id(&adds(&ana, &passes_of(&first), PDF).await.created());
    buys(&ben, &first, 1).await;

    let again = lists(&ana, json!({})).await;
    adds(&ana, &passes_of(&again), PDF).await.refused(409, "pass_listed");
    let of_eve = lists(&eve, json!({})).await;
    adds(&eve, &passes_of(&of_eve), PDF).await.refused(409, "pass_listed");
    let second = lists(&ben, json!({})).await;
    let of_ben = id(&adds(&ben, &passes_of(&second), PDF).await.created());
    let third = lists(&ben, json!({})).await;
    adds(&ben, &passes_of(&third), PDF).await.refused(409, "pass_listed");
    // It may be taken back.
    ben.client.delete(&format!("/api/passes/{of_ben}")).await.is(204);
    let of_ben = id(&adds(&ben, &passes_of(&second), PDF).await.created());
    opens(&ben, &of_ana).await.is(200);
    buys(&cyd, &second, 1).await;
    assert_eq!(opens(&cyd, &of_ben).await.is(200).body, PDF);
    for who in [&ana, &ben] {
        opens(who, &of_ana).await.refused(404, "not_found");
        opens(who, &of_ben).await.refused(404, "not_found");
    }
    let fourth = lists(&cyd, json!({})).await;
    adds(&cyd, &passes_of(&fourth), PDF).await.created();
    opens(&ben, &of_ana).await.refused(404, "not_found");
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn after_the_refund_of_a_resale_the_sale_before_it_counts_again() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cyd = world.buyer("cyd").await;
    let first = lists(&ana, json!({})).await;
    let of_ana = id(&adds(&ana, &passes_of(&first), PDF).await.created());
    buys(&ben, &first, 1).await;
    let second = lists(&ben, json!({})).await;
    let of_ben = id(&adds(&ben, &passes_of(&second), PDF).await.created());
    let order = buys(&cyd, &second, 1).await;
    opens(&ben, &of_ana).await.refused(404, "not_found");
    pays_back(&world, &cyd, &order).await;
    for who in [&ana, &cyd] {
        for pass in [&of_ana, &of_ben] {
            opens(who, pass).await.refused(404, "not_found");
        }
        let again = lists(who, json!({})).await;
        adds(who, &passes_of(&again), PDF).await.refused(409, "pass_listed");
    }
    assert_eq!(opens(&ben, &of_ana).await.is(200).body, PDF);
    let third = lists(&ben, json!({})).await;
    adds(&ben, &passes_of(&third), PDF).await.created();
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_seat_whose_buyer_has_the_money_back_gets_no_pass() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let named = lists(&ana, json!({"seats": ["1", "2"], "split": "any"})).await;
    let plain = lists(&ana, json!({"quantity": 2, "split": "any"})).await;
    for ticket in [&named, &plain] {
        let order = buys(&ben, ticket, 1).await;
        pays_back(&world, &ben, &order).await;
    }
    let first = format!("{}?seat=1", passes_of(&named));
    adds(&ana, &first, &pdf("1")).await.refused(409, "seat_taken");
    adds(&ana, &format!("{}?seat=2", passes_of(&named)), &pdf("2")).await.created();
    adds(&ana, &passes_of(&plain), &pdf("3")).await.created();
    adds(&ana, &passes_of(&plain), &pdf("4")).await.refused(409, "seat_has_pass");
    let one = lists(&ana, json!({})).await;
    let order = buys(&ben, &one, 1).await;
    pays_back(&world, &ben, &order).await;
    adds(&ana, &passes_of(&one), &pdf("5")).await.refused(409, "seat_taken");
    // It is free for another listing.
    let another = lists(&ana, json!({})).await;
    adds(&ana, &passes_of(&another), &pdf("5")).await.created();
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn what_closes_lets_go_of_the_passes_that_nobody_bought() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let cyd = world.buyer("cyd").await;
    let venue = json!({
        "name": "Waldbühne", "city": "Berlin", "country": "DE", "timeZone": "Europe/Berlin",
    });
    let venue = id(&ana.client.post("/api/venues", &venue).await.created());
    let show = json!({
        "name": "Rigoletto", "category": "theatre", "venueId": venue,
        "startsAt": "2026-11-22T04:06:00Z",
    });
    let show = id(&ana.client.post("/api/shows", &show).await.created());
    let seats = json!({"showId": show, "seats": ["1", "2", "3"], "split": "any"});
    let three = lists(&ana, seats).await;
    for seat in ["1", "2", "3"] {
        let path = format!("{}?seat={seat}", passes_of(&three));
        adds(&ana, &path, &pdf(seat)).await.created();
    }
    let bought = buys(&ben, &three, 1).await;
    let body = json!({"ticketId": three, "quantity": 1});
    cyd.client.post("/api/orders", &body).await.created();
    let another = lists(&ana, json!({"quantity": 3})).await;
    adds(&ana, &passes_of(&another), &pdf("2")).await.refused(409, "pass_listed");
    // The show starts: the hold lapses, and what is left closes.
    wait(seconds(13 * 60)).await;
    for seat in ["2", "3"] {
        adds(&ana, &passes_of(&another), &pdf(seat)).await.created();
    }
    adds(&ana, &passes_of(&another), &pdf("1")).await.refused(409, "pass_listed");
    assert_eq!(there(&world, &three).await, "some");
    let left = ana.client.get(&passes_of(&three)).await.ok();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(passes_of_order(&ben, &bought).await.len(), 1);
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn a_code_is_a_picture_or_what_it_is() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = lists(&ana, json!({})).await;
    for (body, field) in [
        (json!({"format": "qr"}), "code"),
        (json!({"code": "", "format": "qr"}), "code"),
        (json!({"code": "a\r\nb", "format": "qr"}), "code"),
        (json!({"code": "x".repeat(501), "format": "qr"}), "code"),
        (json!({"code": 7, "format": "qr"}), "code"),
        (json!({"code": "M4"}), "format"),
        (json!({"code": "M4", "format": "aztec"}), "format"),
    ] {
        let faults = ana.client.post(&passes_of(&ticket), &body).await.faults();
        assert_eq!(faults[0].0, field, "{body}");
    }
    let added = adds_code(&ana, &ticket, "<M4&X1>").await.created();
    assert_eq!(added["kind"], "code");
    let pass = id(&added);
    buys(&ben, &ticket, 1).await;
    let drawn = opens(&ben, &pass).await.is(200);
    assert_eq!(drawn.header("content-type"), "image/svg+xml");
    assert!(drawn.text().starts_with("<svg") && !drawn.text().contains("X1"));
    let path = format!("/api/passes/{pass}");
    let told = ben.client.bare(Method::GET, &path, &[("accept", "application/json")]).await;
    assert_eq!(told.header("cache-control"), "no-store");
    assert_eq!(told.ok(), json!({"code": "<M4&X1>", "format": "qr"}));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_pass_is_refused_and_says_so() {
    let passes = PassSettings { max_bytes: 100_000, ..PassSettings::default() };
    let world = Setup { passes, ..Setup::default() }.start().await;
    let ana = world.seller("ana").await;
    let path = passes_of(&lists(&ana, json!({})).await);
    let sends = async |content: &[u8], kind: &str| {
        let headers = [("content-type", kind)];
        ana.client.raw(Method::POST, &path, content.to_vec(), &headers).await
    };
    for (content, kind) in [
        (PDF, "image/png"),
        (PDF, "text/html"),
        (PDF, ""),
        (b"<html></html>".as_slice(), "application/pdf"),
        (b"GIF89a", "image/gif"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"%PDF-1.7", "application/pdf"),
        (b"", "application/pdf"),
        (b"%PDF-1.7\n%%EOF\n<script>", "application/pdf"),
        (b"PK\x03\x04", "application/vnd.apple.pkpass"),
    ] {
        sends(content, kind).await.refused(415, "unsupported_media_type");
    }
    let large = [b"%PDF-1.7\n", vec![b' '; 100_000].as_slice(), b"\n%%EOF"].concat();
    sends(&large, "application/pdf").await.refused(413, "payload_too_large");
    let headers = [("content-type", "application/pdf"), ("content-encoding", "gzip")];
    let packed = ana.client.raw(Method::POST, &path, PDF.to_vec(), &headers).await;
    packed.refused(415, "unsupported_media_type");
    assert!(world.contents().is_empty(), "nothing of them is kept");
    let nearly = [b"%PDF-1.7\n", vec![b'x'; 99_000].as_slice(), b"\n%%EOF"].concat();
    let pass = id(&sends(&nearly, "application/octet-stream").await.created());
    assert_eq!(opens(&ana, &pass).await.is(200).body, nearly);
    let body = json!({"code": "M4", "format": "qr"});
    world.anyone().post(&path, &body).await.refused(401, "unauthenticated");
    world.buyer("ben").await.client.post(&path, &body).await.refused(403, "not_owner");
    let nowhere = "/api/tickets/ticket_01h2xcejqtf2nbrexx3vqjhp41/passes";
    ana.client.post(nowhere, &body).await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn what_a_pass_holds_is_nowhere_in_clear() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let two = lists(&ana, json!({"quantity": 2})).await;
    adds(&ana, &passes_of(&two), PDF).await.created();
    adds_code(&ana, &two, "SECRET-CODE-4711").await.created();
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    let contents = world.contents();
    assert_eq!(contents.len(), 2);
    let disk = world.disk.bytes();
    for text in [b"let me in".as_slice(), b"SECRET-CODE-4711"] {
        assert!(!has(&disk, text));
        assert!(contents.iter().all(|content| !has(content, text)));
    }
}

#[test]
fn passes_outlast_a_crash_and_what_nobody_names_is_swept() {
    let blobs = MemoryBlobs::default();
    let setup = Setup { blobs: blobs.clone(), ..Setup::default() };
    let (killed, ana, pass) = live(async {
        let world = setup.start().await;
        let ana = world.seller("ana").await;
        let ticket = lists(&ana, json!({})).await;
        let pass = id(&adds(&ana, &passes_of(&ticket), PDF).await.created());
        let gone = id(&adds(&ana, &passes_of(&lists(&ana, json!({})).await), &pdf("gone"))
            .await
            .created());
        ana.client.delete(&format!("/api/passes/{gone}")).await.is(204);
        assert_eq!(world.contents().len(), 2, "it waits for the sweep");
        (world.killed(), ana, pass)
    });
    live(async {
        let world = killed.start().await;
        let ana = world.again(&ana);
        assert_eq!(opens(&ana, &pass).await.is(200).body, PDF);
        wait(seconds(2 * 3600 + 60)).await;
        assert_eq!(world.contents().len(), 1);
        assert_eq!(opens(&ana, &pass).await.is(200).body, PDF);
        // A disk that is full keeps nothing and says so.
        blobs.fill_up(true);
        let ticket = lists(&ana, json!({})).await;
        adds(&ana, &passes_of(&ticket), &pdf("more")).await.refused(503, "unavailable");
        blobs.fill_up(false);
        adds(&ana, &passes_of(&ticket), &pdf("more")).await.created();
        assert!(blobs.list(gittix::blobs::Shelf::Passes, None, 9).await.unwrap().len() == 2);
    });
}
