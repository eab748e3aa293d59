//! Another provider, or another account at one, while payments are open in every phase.

use serde_json::json;

use super::support::{Market, Stripe, User, check_end, eventually};

/// Who took the money before.
#[derive(Clone, Copy)]
enum Before<'a> {
    Sandbox,
    Stripe(&'a Stripe),
}

/// Begins a payment and lets the server die once it is in that phase.
fn dies_in(phase: &str, market: &Market, before: Before<'_>, buyer: &User, order: &str) {
    let reach = if phase == "Voiding" { "Created" } else { phase };
    let token = match (phase, before) {
        ("Confirming", _) => "pm_card_authenticationRequired",
        (_, Before::Sandbox) => "tok_sandbox_slow",
        (_, Before::Stripe(_)) => "tok_visa",
    };
    if let Before::Stripe(stripe) = before {
        match phase {
            "Intent" => stripe.fault("create", "hang", 1, 8_000),
            "Created" | "Voiding" => stripe.fault("confirm", "hang", 1, 8_000),
            "Capturing" => stripe.fault("capture", "hang", 1, 8_000),
            _ => {}
        }
    }
    let body = json!({ "orderId": order, "token": token });
    std::thread::scope(|scope| {
        // This request dies with the server.
        scope.spawn(|| drop(market.try_post(buyer, "/api/payments", &body)));
        eventually(reach, || {
            let open = market.unsettled();
            open.iter().any(|it| it["orderId"] == order && it["phase"] == reach).then_some(())
        });
        if phase == "Voiding" {
            assert_eq!(market.cancel(buyer, order).status, 204);
        }
        market.kill_shared();
    });
}

/// Every phase in which a payment can be when the settings are changed.
const PHASES: [&str; 5] = ["Intent", "Created", "Confirming", "Capturing", "Voiding"];

/// It ended without a sale, the ticket is free, and whoever takes the money now sells it.
fn ends_clearly(phase: &str, market: &Market, buyer: &User, order: &str, ticket: &str) {
    market.settle();
    let end = market.order_of(buyer, order);
    assert_eq!(end["status"], "Cancelled", "{phase}: {end:#}");
    assert_eq!(end["charge"]["status"], "Failed", "{phase}: {end:#}");
    let (reason, code) = match phase {
        "Voiding" => ("buyer", "order_cancelled"),
        _ => ("payment_failed", "provider_changed"),
    };
    assert_eq!(end["cancelReason"], reason, "{phase}: {end:#}");
    assert_eq!(end["charge"]["failureCode"], code, "{phase}: {end:#}");
    let listing = market.get(buyer, &format!("/api/tickets/{ticket}")).body;
    assert_eq!(listing["status"], "Available", "{phase}: {listing:#}");
    let again = market.lock(buyer, ticket);
    let paid = market.pay(buyer, &again, "tok_visa");
    assert_eq!(paid.status, 201, "{phase}: {paid:?}");
}

#[test]
#[ignore = "needs localstripe"]
fn what_was_begun_in_the_sandbox_ends_clearly_at_stripe_whatever_its_phase() {
    let stripe = Stripe::start();
    for phase in PHASES {
        let mut market = Market::start(&stripe, &[]);
        market.set("PAYMENTS__PROVIDER", "sandbox");
        market.restart();
        let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
        let (order, ticket) = market.order(&seller, &buyer, "40");
        let (kept, _) = market.order(&seller, &buyer, "41");
        assert_eq!(market.pay(&buyer, &kept, "tok_visa").status, 201);
        dies_in(phase, &market, Before::Sandbox, &buyer, &order);
        market.set("PAYMENTS__PROVIDER", "stripe");
        market.restart();
        ends_clearly(phase, &market, &buyer, &order, &ticket);
        assert_eq!(stripe.intents_of(&order), Vec::<serde_json::Value>::new());
        assert_eq!(market.order_of(&buyer, &kept)["status"], "Completed", "what was sold is sold");
    }
}

#[test]
#[ignore = "needs localstripe"]
fn what_was_begun_at_one_account_of_stripes_ends_clearly_at_another_whatever_its_phase() {
    for phase in PHASES {
        let (one, other) = (Stripe::start(), Stripe::start());
        let mut market = Market::start(&one, &[]);
        let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
        let (order, ticket) = market.order(&seller, &buyer, "40");
        dies_in(phase, &market, Before::Stripe(&one), &buyer, &order);
        market.set("PAYMENTS__STRIPE__API_BASE", &format!("http://{}", other.address));
        market.restart();
        market.settle();
        // What the first account may not have heard of is begun again at the other.
        if phase == "Intent" {
            check_end(&other, &market, &buyer, &order, &ticket);
        } else {
            ends_clearly(phase, &market, &buyer, &order, &ticket);
        }
    }
}

#[test]
#[ignore = "needs localstripe"]
fn what_was_begun_at_stripe_with_a_test_key_ends_clearly_in_the_sandbox_whatever_its_phase() {
    for phase in PHASES {
        let stripe = Stripe::start();
        let mut market = Market::start(&stripe, &[]);
        let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
        let (order, ticket) = market.order(&seller, &buyer, "40");
        dies_in(phase, &market, Before::Stripe(&stripe), &buyer, &order);
        market.set("PAYMENTS__PROVIDER", "sandbox");
        market.restart();
        ends_clearly(phase, &market, &buyer, &order, &ticket);
    }
}
