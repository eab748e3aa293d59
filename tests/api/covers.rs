//! The pictures of shows.

use std::io::Cursor;

use axum::http::Method;
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::{Answer, Client, Person, World};

const SHOWS: &str = "/api/shows";

async fn adds_show(who: &Person) -> String {
    let venue =
        json!({"name": "Arena", "city": "Berlin", "country": "DE", "timeZone": "Europe/Berlin"});
    let venue = id(&who.client.post("/api/venues", &venue).await.created());
    let show = json!({
        "name": "Rigoletto", "category": "theatre", "venueId": venue,
        "startsAt": "2026-12-24T20:00:00+01:00",
    });
    id(&who.client.post(SHOWS, &show).await.created())
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(1600, 900).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

async fn puts(client: &Client, show: &str, bytes: &[u8]) -> Answer {
    let path = format!("{SHOWS}/{show}/cover");
    client.raw(Method::PUT, &path, bytes.to_vec(), &[("content-type", "image/jpeg")]).await
}

async fn cover_url(world: &World, show: &str) -> Value {
    world.anyone().get(&format!("{SHOWS}/{show}")).await.ok()["coverUrl"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_picture_becomes_the_cover_of_a_show_and_of_its_tickets() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let show = adds_show(&ana).await;
    assert_eq!(cover_url(&world, &show).await, Value::Null);
    world.anyone().get(&format!("{SHOWS}/{show}/cover")).await.refused(404, "not_found");
    for (number, format) in
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP].into_iter().enumerate()
    {
        let shown = puts(&ana.client, &show, &picture(format)).await.ok();
        let url = format!("{SHOWS}/{show}/cover?v={number}");
        assert_eq!(shown["coverUrl"], url);
        assert_eq!(shown["version"], number + 1);
        assert_eq!(cover_url(&world, &show).await, url);
        let answer = world.anyone().get(&url).await.is(200);
        assert_eq!(answer.header("content-type"), "image/jpeg");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(answer.header("cache-control").contains("immutable"));
        let seen = [("if-none-match", answer.header("etag"))];
        world.anyone().bare(Method::GET, &url, &seen).await.is(304);
        let made = image::load_from_memory_with_format(&answer.body, ImageFormat::Jpeg).unwrap();
        assert_eq!((made.width(), made.height()), (1280, 720), "made small");
    }
    let latest = world.anyone().get(&format!("{SHOWS}/{show}/cover")).await.is(200);
    assert_eq!(latest.header("cache-control"), "no-cache");
    let ticket = json!({"showId": show, "price": 40});
    let ticket = ana.client.post("/api/tickets", &ticket).await.created();
    assert_eq!(ticket["show"]["coverUrl"], format!("{SHOWS}/{show}/cover?v=2"));
    let page = world.anyone().get(&format!("/shows/{show}")).await;
    assert!(page.text().contains("<h1>Rigoletto</h1>"));
    let events = world.events().await;
    assert_eq!(events.iter().filter(|event| **event == "ShowUpdated").count(), 3);
    world.verifies();
}

#[tokio::test(start_paused = true)]
async fn who_may_change_a_show_may_change_its_cover_and_nobody_else() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.seller("ben").await);
    let show = adds_show(&ana).await;
    let png = picture(ImageFormat::Png);
    puts(&world.anyone(), &show, &png).await.refused(401, "unauthenticated");
    puts(&ben.client, &show, &png).await.refused(403, "not_operator");
    puts(&ben.client, "show_01kaj2b3v4e5r6t7y8z9w0x1q2", &png).await.refused(404, "not_found");
    let path = format!("{SHOWS}/{show}/cover");
    let stale = [("content-type", "image/png"), ("if-match", "\"7\"")];
    let answer = ana.client.raw(Method::PUT, &path, png.clone(), &stale).await;
    answer.refused(412, "precondition_failed");
    ben.client.post("/api/tickets", &json!({"showId": show, "price": 40})).await.created();
    puts(&ana.client, &show, &png).await.refused(403, "not_operator");
    assert_eq!(cover_url(&world, &show).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_picture_or_too_large_a_one_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let show = adds_show(&ana).await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let half = &picture(ImageFormat::Png)[..60];
    for none in [&svg[..], b"", b"GIF89a\x01\0\x01\0\0\0\0;", half] {
        puts(&ana.client, &show, none).await.refused(415, "unsupported_media_type");
    }
    // A hundred thousand pixels each way, in a header of thirty bytes.
    let mut bomb =
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\x86\xa0\0\x01\x86\xa0\x08\x06\0\0\0".to_vec();
    let checksum = crc32fast::hash(&bomb[12..]);
    bomb.extend(checksum.to_be_bytes());
    puts(&ana.client, &show, &bomb).await.refused(413, "payload_too_large");
    let heavy = vec![0; (10 << 20) + 1];
    puts(&ana.client, &show, &heavy).await.refused(413, "payload_too_large");
    let shown = world.anyone().get(&format!("{SHOWS}/{show}")).await.ok();
    assert_eq!((&shown["coverUrl"], &shown["version"]), (&Value::Null, &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn the_cover_goes_with_its_show() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let show = adds_show(&ana).await;
    puts(&ana.client, &show, &picture(ImageFormat::Png)).await.is(200);
    ana.client.delete(&format!("{SHOWS}/{show}")).await.is(204);
    world.anyone().get(&format!("{SHOWS}/{show}/cover")).await.refused(404, "not_found");
    world.verifies();
}
