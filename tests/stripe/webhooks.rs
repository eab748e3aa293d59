//! Webhooks: forged, doubled, shuffled, late, and met by a crash.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::support::{Market, SECRET, Sale, Stripe, check_end, eventually, text};

#[expect(clippy::disallowed_methods, reason = "signatures carry the real time")]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after the epoch").as_secs()
}

fn sign(secret: &str, time: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(format!("{time}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={time},v1={hex}")
}

#[test]
#[ignore = "needs localstripe"]
fn what_is_not_signed_by_stripe_just_now_is_refused_without_effect() {
    let Sale { stripe, market, buyer, order, intent, .. } = Sale::made();
    let refunded = stripe.by_hand("/v1/refunds", &format!("payment_intent={intent}"));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    let body = stripe.events().pop().expect("an event");
    let looks = stripe.requests("retrieve");
    let forged = [
        String::new(),
        "t=1,v1=0".to_owned(),
        sign("whsec_foreign", now(), &body),
        sign(SECRET, now() - 301, &body),
        sign(SECRET, now() + 400, &body),
        sign(SECRET, now(), "another body"),
        sign(SECRET, now(), &body).replace("v1=", "v0="),
    ];
    for signature in &forged {
        let answer = market.webhook(signature, &body).expect("an answer");
        assert_eq!(answer.status, 400, "{signature}: {answer:?}");
        assert_eq!(answer.body["code"], "invalid_signature", "{answer:?}");
    }
    assert_eq!(stripe.requests("retrieve"), looks, "nothing was looked up");
    assert_eq!(market.order_of(&buyer, &order)["charge"]["stripeRefundId"], json!(null));
    let genuine = market.webhook(&sign(SECRET, now(), &body), &body).expect("an answer");
    assert_eq!(genuine.status, 200, "{genuine:?}");
    assert!(market.order_of(&buyer, &order)["charge"]["stripeRefundId"].is_string());
}

#[test]
#[ignore = "needs localstripe"]
fn what_is_none_of_ours_is_taken_and_ignored() {
    let Sale { stripe, market, .. } = Sale::made();
    let looks = stripe.requests("retrieve");
    for body in [
        json!({ "id": "evt_1", "type": "customer.created", "data": { "object": { "object": "customer", "id": "cus_1" } } }),
        json!({ "id": "evt_2", "type": "payment_intent.succeeded", "data": { "object": { "object": "payment_intent", "id": "pi_foreign" } } }),
        json!({ "id": "evt_3", "type": "of.tomorrow", "data": { "object": {} } }),
    ] {
        let body = body.to_string();
        let answer = market.webhook(&sign(SECRET, now(), &body), &body).expect("an answer");
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
    }
    assert_eq!(stripe.requests("retrieve"), looks, "nothing was looked up");
}

#[test]
#[ignore = "needs localstripe"]
fn an_endpoint_that_sends_thin_events_is_told_to_send_snapshots() {
    let Sale { market, intent, .. } = Sale::made();
    let body = json!({ "id": "evt_thin", "object": "v2.core.event",
        "type": "v1.payment_intent.succeeded", "created": "2026-11-27T20:00:00.000Z",
        "related_object": { "id": intent, "type": "payment_intent" } });
    let body = body.to_string();
    let answer = market.webhook(&sign(SECRET, now(), &body), &body).expect("an answer");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(text(&answer.body["detail"]).contains("must send snapshot events"), "{answer:?}");
}

#[test]
#[ignore = "needs localstripe"]
fn fifty_duplicates_in_parallel_and_shuffled_have_one_effect() {
    let Sale { stripe, market, seller, buyer, order, ticket, intent } = Sale::made();
    let version = market.order_of(&buyer, &order)["version"].as_u64().expect("a version");
    let refunded = stripe.by_hand("/v1/refunds", &format!("payment_intent={intent}"));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    let events = stripe.events();
    assert!(events.len() >= 4, "created, capturable, succeeded, refunded: {events:?}");
    std::thread::scope(|scope| {
        for copy in 0..50 {
            let (market, events) = (&market, &events);
            scope.spawn(move || {
                // Every copy comes in an order of its own.
                for place in 0..events.len() {
                    let body = &events[(place * 3 + copy) % events.len()];
                    let answer = market.webhook(&sign(SECRET, now(), body), body);
                    assert_eq!(answer.expect("an answer").status, 200);
                }
            });
        }
    });
    let end = market.order_of(&buyer, &order);
    assert_eq!(end["version"], version + 1, "one effect: {end:#}");
    assert_eq!(end["status"], "Completed");
    assert_eq!(end["charge"]["status"], "Completed");
    assert!(end["charge"]["stripeRefundId"].is_string());
    assert_eq!(stripe.intents_of(&order)[0]["refunds"], 1);
    // The ticket stays sold to that order, and its seller sees what became of the money.
    let sale = market.get(&seller, &format!("/api/tickets/{ticket}/sale"));
    assert_eq!((sale.status, &sale.body["refunded"]), (200, &json!(true)), "{sale:?}");
    assert_eq!(market.get(&buyer, &format!("/api/tickets/{ticket}/sale")).status, 404);
    let listing = market.get(&seller, &format!("/api/tickets/{ticket}")).body;
    assert_eq!(listing["status"], "Sold");
}

#[test]
#[ignore = "needs localstripe"]
fn payments_complete_while_webhooks_come_doubled_during_them() {
    let stripe = Stripe::start();
    let market = Market::start(&stripe, &[]);
    stripe.send_webhooks_to(&market, 3);
    let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
    for round in 0..6 {
        let (order, ticket) = market.order(&seller, &buyer, "25.5");
        if round % 2 == 1 {
            stripe.fault("confirm", "hang", 1, 600);
        }
        let answer = market.pay(&buyer, &order, "tok_visa");
        assert!([201, 202].contains(&answer.status), "{answer:?}");
        market.settle();
        let end = check_end(&stripe, &market, &buyer, &order, &ticket);
        assert_eq!(end["status"], "Completed");
    }
}

#[test]
#[ignore = "needs localstripe"]
fn a_webhook_completes_three_d_secure() {
    let stripe = Stripe::start();
    let market = Market::start(&stripe, &[]);
    let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
    let (order, ticket) = market.order(&seller, &buyer, "25.5");
    let pending = market.pay(&buyer, &order, "pm_card_authenticationRequired");
    assert_eq!(pending.status, 202, "{pending:?}");
    let intent = text(&pending.body["stripeId"]);
    let secret = text(&pending.body["clientSecret"]);
    stripe.send_webhooks_to(&market, 2);
    let path = format!("/v1/payment_intents/{intent}/_authenticate");
    stripe.by_hand(&path, &format!("client_secret={secret}&success=true"));
    eventually("it is paid", || {
        (market.order_of(&buyer, &order)["status"] == "Completed").then_some(())
    });
    check_end(&stripe, &market, &buyer, &order, &ticket);
}

#[test]
#[ignore = "needs localstripe"]
fn a_webhook_that_can_not_be_applied_now_is_sent_again_also_over_a_crash() {
    let Sale { stripe, mut market, buyer, order, intent, .. } = Sale::made();
    let refunded = stripe.by_hand("/v1/refunds", &format!("payment_intent={intent}"));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    let body = stripe.events().pop().expect("an event");
    stripe.fault("retrieve", "500_before", 1, 0);
    let failed = market.webhook(&sign(SECRET, now(), &body), &body).expect("an answer");
    assert_eq!(failed.status, 503, "{failed:?}");
    // The server dies between receiving the event and applying it.
    let looks = stripe.requests("retrieve");
    stripe.fault("retrieve", "delay", 1, 1500);
    std::thread::scope(|scope| {
        scope.spawn(|| drop(market.webhook(&sign(SECRET, now(), &body), &body)));
        eventually("it looks", || (stripe.requests("retrieve") > looks).then_some(()));
        market.kill_shared();
    });
    market.restart();
    assert_eq!(market.order_of(&buyer, &order)["charge"]["stripeRefundId"], json!(null));
    let again = market.webhook(&sign(SECRET, now(), &body), &body).expect("an answer");
    assert_eq!(again.status, 200, "{again:?}");
    assert!(market.order_of(&buyer, &order)["charge"]["stripeRefundId"].is_string());
}

#[test]
#[ignore = "needs localstripe"]
fn a_dispute_is_shown_to_both_sides_until_it_is_decided() {
    let Sale { stripe, market, seller, buyer, order, ticket, intent } = Sale::made();
    stripe.send_webhooks_to(&market, 1);
    for (at_stripe, shown) in [("needs_response", "open"), ("lost", "lost")] {
        stripe.dispute(&intent, at_stripe);
        eventually("the buyer sees it", || {
            let charge = &market.order_of(&buyer, &order)["charge"];
            (charge["disputeStatus"] == shown).then_some(())
        });
        let sale = market.get(&seller, &format!("/api/tickets/{ticket}/sale")).body;
        assert_eq!(sale["disputeStatus"], shown);
    }
    check_end(&stripe, &market, &buyer, &order, &ticket);
}
