//! The sandbox's tokens that misbehave, and 3-D Secure without a bank.

use serde_json::json;

use super::support::{Market, eventually, text};

#[test]
fn three_d_secure_is_completed_over_http() {
    let market = Market::sandbox();
    let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
    for (approve, status) in [(true, "Completed"), (false, "Cancelled")] {
        let (order, _) = market.order(&seller, &buyer, "40");
        let pending = market.pay(&buyer, &order, "tok_sandbox_authenticate");
        assert_eq!(pending.status, 202, "{pending:?}");
        let secret = text(&pending.body["clientSecret"]);
        let body = json!({ "clientSecret": secret, "approve": approve });
        let foreign = market.post(&seller, "/api/sandbox/authenticate", &body);
        assert_eq!(foreign.status, 404, "only the buyer is asked by the bank: {foreign:?}");
        let answer = market.post(&buyer, "/api/sandbox/authenticate", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        eventually("the order ends", || {
            (market.order_of(&buyer, &order)["status"] == status).then_some(())
        });
        market.settle();
        let again = market.post(&buyer, "/api/sandbox/authenticate", &body);
        assert_eq!(again.status, 409, "{again:?}");
    }
    let odd = json!({ "clientSecret": "pi_1_secret_2", "approve": "yes" });
    assert_eq!(market.post(&buyer, "/api/sandbox/authenticate", &odd).status, 400);
}

#[test]
fn lost_answers_and_slow_ones_still_sell_the_ticket() {
    let market = Market::sandbox();
    let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
    for token in ["tok_sandbox_lost", "pm_sandbox_slow"] {
        let (order, _) = market.order(&seller, &buyer, "40");
        let answer = market.pay(&buyer, &order, token);
        assert!([201, 202].contains(&answer.status), "{token}: {answer:?}");
        eventually("it is paid", || {
            (market.order_of(&buyer, &order)["status"] == "Completed").then_some(())
        });
    }
    market.settle();
}

#[test]
fn the_routes_of_one_provider_are_not_those_of_another() {
    let market = Market::sandbox();
    let answer = market.webhook("t=1,v1=0", "{}").expect("an answer");
    assert_eq!(answer.status, 404, "{answer:?}");
}
