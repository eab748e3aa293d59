//! One currency per server, with as many decimals as it has.

use serde_json::json;

use crate::support::{Setup, World};

async fn world(currency: &'static str) -> World {
    Setup { currency, ..Setup::default() }.start().await
}

#[tokio::test(start_paused = true)]
async fn yen_have_no_decimals() {
    let world = world("jpy").await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    for bad in [json!(0.5), json!(1.5), json!(100_000_000_000_u64)] {
        let faults = ana.client.post("/api/tickets", &json!({"title": "R", "price": bad})).await;
        assert_eq!(faults.faults()[0].0, "price");
    }
    let ticket = ana.lists("Rock", 500).await;
    let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
    assert_eq!((&shown["price"], &shown["currency"]), (&json!(500), &json!("jpy")));
    let charge = ben.pays(&ben.locks(&ticket).await).await.created();
    assert_eq!((&charge["amount"], &charge["currency"]), (&json!(500), &json!("jpy")));
    let dearest = ana.lists("Dear", 999_999).await;
    let found = world.anyone().get("/api/tickets?minPrice=999999").await.ok();
    assert_eq!(found[0]["id"], dearest);
}

#[tokio::test(start_paused = true)]
async fn dinars_have_three_decimals() {
    let world = world("kwd").await;
    let (ana, ben) = (world.seller("ana").await, world.buyer("ben").await);
    let faults = ana.client.post("/api/tickets", &json!({"title": "R", "price": 1.2345})).await;
    assert_eq!(faults.faults()[0].0, "price");
    let ticket = ana.lists("Rock", 1.234).await;
    let shown = world.anyone().get(&format!("/api/tickets/{ticket}")).await.ok();
    assert_eq!((&shown["price"], &shown["currency"]), (&json!(1.234), &json!("kwd")));
    let charge = ben.pays(&ben.locks(&ticket).await).await.created();
    assert_eq!(charge["amount"], 1234);
    ana.lists("Dear", 999_999.99).await;
}
