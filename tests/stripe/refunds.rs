//! Refunds that the bank takes its time for, and those that it sends back.

use serde_json::{Value, json};

use super::support::{Market, Sale, Stripe, eventually, text};

fn sold() -> Sale {
    let stripe = Stripe::start();
    let market = Market::start(&stripe, &[]);
    stripe.send_webhooks_to(&market, 2);
    Sale::at(stripe, market)
}

impl Sale {
    fn charge(&self) -> Value {
        self.market.order_of(&self.buyer, &self.order)["charge"].clone()
    }

    fn refund_reads(&self, status: &str) {
        eventually(status, || (self.charge()["refundStatus"] == status).then_some(()));
    }

    /// What both sides are shown of a refund that stands like this.
    fn shows(&self, status: &str, is_back: bool) {
        let charge = self.charge();
        assert_eq!(charge["refundStatus"], status, "{charge:#}");
        assert_eq!(charge["stripeRefundId"].is_string(), status != "failed", "{charge:#}");
        assert_eq!(charge["status"], "Completed", "{charge:#}");
        let sale = self.market.get(&self.seller, &format!("/api/tickets/{}/sale", self.ticket));
        assert_eq!(sale.body["refunded"], json!(is_back), "{sale:?}");
        assert_eq!(sale.body["refundStatus"], status, "{sale:?}");
    }
}

#[test]
#[ignore = "needs localstripe"]
fn a_refund_that_comes_back_from_the_bank_is_not_shown_as_refunded_also_after_a_restart() {
    let mut sold = sold();
    let refunded = sold.stripe.by_hand("/v1/refunds", &format!("payment_intent={}", sold.intent));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    sold.refund_reads("succeeded");
    sold.shows("succeeded", true);
    assert_eq!(sold.market.unsettled(), Vec::<Value>::new());

    sold.stripe.refund_becomes(&sold.intent, "failed", "lost_or_stolen_card");
    sold.refund_reads("failed");
    sold.shows("failed", false);
    for _ in 0..2 {
        let listed = sold.market.unsettled();
        assert_eq!(listed.len(), 1, "operators are told: {listed:?}");
        assert_eq!(listed[0]["refundStatus"], "failed", "{listed:?}");
        sold.market.restart();
        sold.shows("failed", false);
    }

    // The buyer is paid in another way, and an operator says so.
    let charge = text(&sold.charge()["id"]);
    let settled = sold.market.settles(&charge, "paid-back");
    assert_eq!(settled.status, 200, "{settled:?}");
    assert_eq!(sold.market.unsettled(), Vec::<Value>::new());
    assert_eq!(sold.charge()["refundStatus"], "succeeded");
}

#[test]
#[ignore = "needs localstripe"]
fn a_refund_that_is_pending_is_none_until_the_bank_has_it() {
    let sold = sold();
    sold.stripe.refunds_begin_as("pending");
    let refunded = sold.stripe.by_hand("/v1/refunds", &format!("payment_intent={}", sold.intent));
    assert_eq!(refunded.status, 200, "{refunded:?}");
    sold.refund_reads("pending");
    sold.shows("pending", false);
    sold.stripe.refund_becomes(&sold.intent, "succeeded", "");
    sold.refund_reads("succeeded");
    sold.shows("succeeded", true);
    assert_eq!(sold.market.unsettled(), Vec::<Value>::new());
}

#[test]
#[ignore = "needs localstripe"]
fn a_refund_of_the_servers_own_that_fails_is_made_again_where_that_makes_sense() {
    for (reason, refunds, end) in
        [("unknown", 2, "succeeded"), ("lost_or_stolen_card", 1, "failed")]
    {
        let stripe = Stripe::start();
        let market = Market::start(&stripe, &[]);
        stripe.send_webhooks_to(&market, 1);
        let (seller, buyer) = (market.sign_up("seller"), market.sign_up("buyer"));
        let (order, _) = market.order(&seller, &buyer, "25.5");
        stripe.refunds_begin_as("pending");
        super::faults::drive(&stripe, &market, &buyer, &order, "refund");
        let intent = eventually("the money is on its way back", || {
            let intents = stripe.intents_of(&order);
            intents.into_iter().find(|intent| intent["attempts"] == 1)
        });
        let reads = |status: &str| {
            eventually(status, || {
                let charge = market.order_of(&buyer, &order)["charge"].clone();
                (charge["refundStatus"] == status).then_some(())
            });
        };
        reads("pending");
        stripe.refunds_begin_as("succeeded");
        stripe.refund_becomes(&text(&intent["id"]), "failed", reason);
        reads(end);
        let intent = &stripe.intents_of(&order)[0];
        assert_eq!(intent["attempts"], refunds, "{reason}: {intent:#}");
        assert_eq!(market.unsettled().is_empty(), end == "succeeded", "{reason}");
    }
}
