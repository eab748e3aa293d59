//! Listing, looking at, editing and withdrawing tickets.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::client::id;
use crate::support::world::{seconds, wait};
use crate::support::{Person, World};

const TICKETS: &str = "/api/tickets";

fn path(ticket: &str) -> String {
    format!("{TICKETS}/{ticket}")
}

#[tokio::test(start_paused = true)]
async fn a_new_ticket_looks_like_the_contract_says() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = json!({
        "title": "  Rock Concert ", "price": 25.5, "id": "x", "userId": "y", "status": "Sold",
        "orderId": "z", "version": 9, "currency": "eur",
    });
    let answer = ana.client.post(TICKETS, &body).await.is(201);
    let ticket = answer.value();
    let now = world.now().to_string();
    let expected = json!({
        "id": ticket["id"], "title": "Rock Concert", "price": 25.5, "currency": "usd",
        "userId": ana.id, "orderId": null, "status": "Available", "version": 0,
        "createdAt": now, "updatedAt": now, "section": null, "row": null, "seats": null,
        "quantity": 1, "available": 1, "split": "avoidOne", "buyable": [1], "faceValue": null,
        "notes": null, "fee": 0, "total": 25.5, "closedReason": null,
        "showId": null, "show": null, "passes": "none",
    });
    assert_eq!(ticket, expected);
    assert!(id(&ticket).starts_with("ticket_"));
    assert_eq!(now.len(), "2026-11-22T03:54:00.768Z".len());
    assert_eq!(answer.header("location"), path(&id(&ticket)));
    assert_eq!(answer.header("etag"), "\"0\"");
    assert_eq!(world.anyone().get(&path(&id(&ticket))).await.ok(), expected);
    assert_eq!(world.events().await, ["UserCreated", "TicketCreated"]);
}

#[tokio::test(start_paused = true)]
async fn prices_are_read_and_shown_exactly() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    for (given, shown) in [
        ("19.99", "19.99"),
        ("20", "20"),
        ("20.00", "20"),
        ("0.01", "0.01"),
        ("999999999.99", "999999999.99"),
        ("2.5e1", "25"),
        ("0.1", "0.1"),
        ("\"12.34\"", "12.34"),
        ("8.29", "8.29"),
        ("1.1", "1.1"),
    ] {
        let body = format!(r#"{{"title":"Rock","price":{given}}}"#);
        let answer = ana.client.raw(Method::POST, TICKETS, body, &[]).await.is(201);
        assert!(answer.text().contains(&format!("\"price\":{shown},")), "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn every_broken_rule_of_a_ticket_is_told() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let ticket = ana.lists("Rock", 40).await;
    for body in
        [json!({}), json!({"title": null, "price": null}), json!({"title": " ", "price": 0})]
    {
        for (method, path) in [(Method::POST, TICKETS.to_owned()), (Method::PUT, path(&ticket))] {
            let faults = ana.client.json(method, &path, &body, &[]).await.faults();
            let expected = [
                ("title".to_owned(), "Title is required".to_owned()),
                ("price".to_owned(), "Price must be greater than 0".to_owned()),
            ];
            assert_eq!(faults, expected, "{body}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_does_not_exist_is_404() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let body = json!({"title": "Rock", "price": 1});
    for unknown in [
        "ticket_00000000000000000000000000",
        "order_00000000000000000000000000",
        "ticket_x",
        "x",
        "ticket_00000000000000000000000000%00",
        "%E2%82%AC",
        "1",
    ] {
        let path = path(unknown);
        world.anyone().get(&path).await.refused(404, "not_found");
        ana.client.put(&path, &body).await.refused(404, "not_found");
        ana.client.patch(&path, &body).await.refused(404, "not_found");
        ana.client.delete(&path).await.refused(404, "not_found");
    }
}

#[tokio::test(start_paused = true)]
async fn only_its_seller_edits_or_withdraws_a_ticket() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let body = json!({"title": "Mine", "price": 1});
    ben.client.put(&path(&ticket), &body).await.refused(403, "not_owner");
    ben.client.patch(&path(&ticket), &body).await.refused(403, "not_owner");
    ben.client.delete(&path(&ticket)).await.refused(403, "not_owner");
}

#[tokio::test(start_paused = true)]
async fn an_edit_raises_the_version_by_one_and_a_patch_leaves_the_rest() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let ticket = ana.lists("Rock", 40).await;
    wait(seconds(5)).await;
    let body = json!({"title": "Jazz", "price": "19.99", "status": "Sold"});
    let answer = ana.client.put(&path(&ticket), &body).await.is(200);
    assert_eq!(answer.header("etag"), "\"1\"");
    let edited = answer.value();
    assert_eq!((&edited["title"], &edited["version"]), (&json!("Jazz"), &json!(1)));
    assert_eq!((&edited["price"], &edited["status"]), (&json!(19.99), &json!("Available")));
    assert_eq!(edited["updatedAt"], world.now().to_string());
    assert_ne!(edited["updatedAt"], edited["createdAt"]);

    let patched = ana.client.patch(&path(&ticket), &json!({"price": 5})).await.ok();
    assert_eq!((&patched["title"], &patched["price"]), (&json!("Jazz"), &json!(5)));
    let patched = ana.client.patch(&path(&ticket), &json!({"title": "Opera"})).await.ok();
    assert_eq!((&patched["title"], &patched["price"]), (&json!("Opera"), &json!(5)));
    assert_eq!(patched["version"], 3);
    let faults = ana.client.patch(&path(&ticket), &json!({"price": null})).await.faults();
    assert_eq!(faults[0].0, "price");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_ticket_is_gone_for_everyone() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let answer = ana.client.delete(&path(&ticket)).await.is(204);
    assert!(answer.body.is_empty());
    world.anyone().get(&path(&ticket)).await.refused(404, "not_found");
    ana.client.delete(&path(&ticket)).await.refused(404, "not_found");
    ben.tries_to_lock(&ticket).await.refused(404, "not_found");
    let listed = ana.client.get("/api/tickets?seller=me").await.ok();
    assert_eq!(listed, json!([]));
    assert_eq!(world.events().await.last(), Some(&"TicketDeleted"));
}

#[tokio::test(start_paused = true)]
async fn a_locked_ticket_refuses_edits_and_a_sold_one_for_ever() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let order = ben.locks(&ticket).await;
    let body = json!({"title": "Jazz", "price": 1});
    let shown = world.anyone().get(&path(&ticket)).await.ok();
    assert_eq!((&shown["status"], &shown["orderId"]), (&json!("Locked"), &json!(order)));
    ana.client.put(&path(&ticket), &body).await.refused(409, "ticket_locked");
    ana.client.patch(&path(&ticket), &body).await.refused(409, "ticket_locked");
    ana.client.delete(&path(&ticket)).await.refused(409, "ticket_locked");

    ben.pays(&order).await.is(201);
    let shown = world.anyone().get(&path(&ticket)).await.ok();
    assert_eq!((&shown["status"], &shown["orderId"]), (&json!("Sold"), &json!(order)));
    ana.client.put(&path(&ticket), &body).await.refused(409, "ticket_sold");
    ana.client.patch(&path(&ticket), &body).await.refused(409, "ticket_sold");
    ana.client.delete(&path(&ticket)).await.refused(409, "ticket_sold");
}

#[tokio::test(start_paused = true)]
async fn an_edit_is_checked_in_the_documented_order() {
    let world = World::new().await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let ticket = ana.lists("Rock", 40).await;
    let (good, bad) = (json!({"title": "Jazz", "price": 1}), json!({"title": "", "price": 1}));
    let stale = [("if-match", "\"7\"")];
    let put = |who: Option<&Person>, path: String, body: &Value| {
        let client = who.map_or_else(|| world.anyone(), |person| person.client.clone());
        let body = body.clone();
        async move { client.json(Method::PUT, &path, &body, &stale).await }
    };
    let unknown = path("ticket_00000000000000000000000000");
    put(None, unknown.clone(), &bad).await.refused(401, "unauthenticated");
    put(Some(&ben), unknown.clone(), &bad).await.refused(400, "validation_failed");
    put(Some(&ben), unknown, &good).await.refused(404, "not_found");
    put(Some(&ben), path(&ticket), &good).await.refused(403, "not_owner");
    let order = ben.locks(&ticket).await;
    put(Some(&ben), path(&ticket), &good).await.refused(403, "not_owner");
    put(Some(&ana), path(&ticket), &good).await.refused(409, "ticket_locked");
    ben.cancels(&order).await.is(204);
    put(Some(&ana), path(&ticket), &good).await.refused(412, "precondition_failed");
}

#[tokio::test(start_paused = true)]
async fn conditional_requests_hold_a_client_to_the_version_it_knows() {
    let world = World::new().await;
    let ana = world.seller("ana").await;
    let ticket = path(&ana.lists("Rock", 40).await);
    let fresh = |tag: &'static str| {
        let anyone = world.anyone();
        let ticket = ticket.clone();
        async move { anyone.bare(Method::GET, &ticket, &[("if-none-match", tag)]).await }
    };
    let same = fresh("\"0\"").await.is(304);
    assert!(same.body.is_empty());
    assert_eq!(same.header("etag"), "\"0\"");
    for tag in ["*", "W/\"0\"", "\"5\", \"0\""] {
        fresh(tag).await.is(304);
    }
    for tag in ["\"1\"", "0", "garbage", "\"00\""] {
        fresh(tag).await.is(200);
    }
    let change = |price: u32, tag: &'static str| {
        let (client, ticket) = (ana.client.clone(), ticket.clone());
        async move {
            let body = json!({"price": price});
            client.json(Method::PATCH, &ticket, &body, &[("if-match", tag)]).await
        }
    };
    for tag in ["\"1\"", "W/\"1\"", "garbage", "0"] {
        change(41, tag).await.refused(412, "precondition_failed");
    }
    change(41, "\"0\"").await.is(200);
    change(42, "\"0\"").await.refused(412, "precondition_failed");
    change(42, "\"0\", \"1\"").await.is(200);
    change(43, "*").await.is(200);
    let delete = |tag: &'static str| {
        let (client, ticket) = (ana.client.clone(), ticket.clone());
        async move { client.bare(Method::DELETE, &ticket, &[("if-match", tag)]).await }
    };
    delete("\"0\"").await.refused(412, "precondition_failed");
    delete("\"3\"").await.is(204);
}
