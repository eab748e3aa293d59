//! Random walks of a ticket with its orders and charges, against a small model.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// What somebody does next. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Deed {
    Reserve,
    Edit(u64),
    Cancel(usize),
    Expire(usize),
    Pay(usize),
    GiveUp(usize),
    Hear(usize, usize),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Reserve),
        1 => (1_u64..10_000).prop_map(Deed::Edit),
        1 => (0_usize..4).prop_map(Deed::Cancel),
        2 => (0_usize..4).prop_map(Deed::Expire),
        4 => (0_usize..4).prop_map(Deed::Pay),
        1 => (0_usize..4).prop_map(Deed::GiveUp),
        9 => (0_usize..4, 0_usize..13).prop_map(|(order, fact)| Deed::Hear(order, fact)),
        2 => (1_u64..600).prop_map(Deed::Wait),
    ]
}

/// The rows of one ticket and everything that ever happened to it.
struct Rows {
    ticket: Ticket,
    purchases: Vec<Purchase>,
    now: Timestamp,
    ids: u128,
    max_attempts: u32,
    /// What each charge has brought in, as its own events tell it.
    taken: BTreeMap<ChargeId, u64>,
    paid_back: BTreeMap<ChargeId, u64>,
}

impl Rows {
    fn new(max_attempts: u32) -> Self {
        Self {
            ticket: ticket(),
            purchases: Vec::new(),
            now: Timestamp::from_millis(0),
            ids: 100,
            max_attempts,
            taken: BTreeMap::new(),
            paid_back: BTreeMap::new(),
        }
    }

    fn id(&mut self) -> u128 {
        self.ids += 1;
        self.ids
    }

    fn does(&mut self, deed: &Deed) {
        match *deed {
            Deed::Reserve => self.reserve(),
            Deed::Edit(minor) => {
                let usd: Currency = "usd".parse().expect("a currency");
                let price = Some(Price::from_minor(minor, usd).expect("a price"));
                let expected = ExpectedVersion::Any;
                let edit = TicketCommand::Edit {
                    by: SELLER,
                    title: None,
                    price,
                    listing: Box::default(),
                    most_seats: 12,
                    expected,
                };
                if let Ok(TicketDecision::Changed(after)) = self.ticket.decide(&edit, self.now) {
                    self.adopt_ticket(after);
                }
            }
            Deed::Wait(seconds) => self.now = self.now.plus(Duration::from_secs(seconds)),
            Deed::Cancel(order) => self.command(order, &CANCEL),
            Deed::Expire(order) => self.command(order, &PurchaseCommand::Expire),
            Deed::Pay(order) => {
                let charge = ChargeId::from_u128(self.id());
                let account = Account::StripeLive;
                self.command(order, &PurchaseCommand::Pay { charge, token: token(), account });
            }
            Deed::GiveUp(order) => {
                let Some(place) = self.pick(order) else { return };
                let Some(charge) = self.purchases[place].order.charge else { return };
                self.command(order, &PurchaseCommand::GiveUp { charge });
            }
            Deed::Hear(order, fact) => self.hear(order, fact),
        }
        self.must_be_sound();
    }

    fn reserve(&mut self) {
        let order = OrderId::from_u128(self.id());
        let until = self.now.plus(Duration::from_secs(900));
        let (wanted, terms) = (Wanted::default(), Terms::default());
        let reserve = TicketCommand::Reserve { by: BUYER, order, until, wanted, terms };
        if let Ok(TicketDecision::Changed(after)) = self.ticket.decide(&reserve, self.now) {
            let order = Order::new(order, BUYER, &self.ticket, until, self.now);
            self.purchases.push(Purchase { order, charge: None });
            self.adopt_ticket(after);
        }
    }

    /// The gateway tells something of an order's latest charge that could be true of it.
    fn hear(&mut self, order: usize, fact: usize) {
        let Some(purchase) = self.pick(order) else { return };
        let Some(charge) = self.purchases[purchase].charge.clone() else { return };
        let intent = IntentId(format!("pi_{}", charge.id));
        let report = IntentReport { intent: Some(intent), ..reports()[fact].clone() };
        let report = PurchaseCommand::Report { charge: charge.id, report };
        self.command(order, &report);
    }

    fn pick(&self, order: usize) -> Option<usize> {
        let count = self.purchases.len();
        // The latest ones are where things happen.
        (count > 0).then(|| count - 1 - order.min(count - 1))
    }

    fn command(&mut self, order: usize, command: &PurchaseCommand) {
        let Some(place) = self.pick(order) else { return };
        let before = self.purchases[place].clone();
        let decided = before.decide(command, self.max_attempts, self.now);
        let Ok(PurchaseDecision::Changed(change)) = decided else { return };
        let after = change.after;
        if let Some(demand) = change.ticket {
            let order = before.order.id;
            let command = match demand {
                TicketDemand::Release => TicketCommand::Release { order },
                TicketDemand::Sell => TicketCommand::Sell { order },
            };
            match self.ticket.decide(&command, self.now) {
                Ok(TicketDecision::Changed(ticket)) => self.adopt_ticket(ticket),
                other => panic!("the ticket does not follow its order: {other:?}"),
            }
        }
        must_follow(&before, &after);
        for event in &change.events {
            match event {
                Event::ChargeCompleted(charge) => {
                    *self.taken.entry(charge.id).or_default() += charge.amount.minor();
                }
                Event::ChargeRefunded(charge) => {
                    // A gateway that tells of the refund alone has taken the money before.
                    self.taken.entry(charge.id).or_insert(charge.amount.minor());
                    *self.paid_back.entry(charge.id).or_default() += charge.amount.minor();
                }
                // The bank has sent it back.
                Event::ChargeUpdated(charge)
                    if charge.refund.as_ref().is_some_and(|r| r.status == RefundStatus::Failed) =>
                {
                    self.paid_back.remove(&charge.id);
                }
                _ => {}
            }
        }
        self.purchases[place] = after;
    }

    fn adopt_ticket(&mut self, after: Ticket) {
        assert_eq!(after.version, self.ticket.version.next(), "versions rise by one");
        self.ticket = after;
    }

    fn must_be_sound(&self) {
        let holds = |purchase: &&Purchase| {
            purchase.order.is_open() || purchase.order.state == OrderState::Completed
        };
        let holders: Vec<OrderId> =
            self.purchases.iter().filter(holds).map(|purchase| purchase.order.id).collect();
        let holder: Vec<OrderId> = self.ticket.order().into_iter().collect();
        assert_eq!(holders, holder, "a ticket is held exactly when one live order holds it");
        if let TicketState::Locked { until, .. } = self.ticket.state {
            let order =
                self.purchases.iter().find(|purchase| Some(&purchase.order.id) == holders.first());
            assert_eq!(order.map(|purchase| purchase.order.expires_at), Some(until));
        }
        for purchase in &self.purchases {
            self.must_add_up(purchase);
        }
        assert!(self.taken.values().all(|amount| *amount <= 10_000), "taken once each");
    }

    /// What was taken and not paid back is the price of a completed order, or on its way back.
    fn must_add_up(&self, purchase: &Purchase) {
        let Some(charge) = &purchase.charge else { return };
        let sum = |of: &BTreeMap<ChargeId, u64>| of.get(&charge.id).copied().unwrap_or(0);
        let (taken, paid_back) = (sum(&self.taken), sum(&self.paid_back));
        let price = purchase.order.price.minor();
        let expected = match charge.phase {
            ChargePhase::Completed { .. } => (price, 0),
            ChargePhase::Refunding { .. } => (price, 0),
            ChargePhase::Refunded { .. }
                if charge.refund.as_ref().is_some_and(Refund::has_succeeded) =>
            {
                (price, price)
            }
            // The bank has decided for the buyer.
            ChargePhase::Refunded { .. } => (price, 0),
            _ => (0, 0),
        };
        assert_eq!((taken, paid_back), expected, "{purchase:?}");
        let is_completed = purchase.order.state == OrderState::Completed;
        let is_kept = matches!(charge.phase, ChargePhase::Completed { .. });
        assert!(!is_kept || is_completed, "money is kept for a sale alone");
    }
}

/// One change of one purchase.
fn must_follow(before: &Purchase, after: &Purchase) {
    let (was, is) = (&before.order, &after.order);
    assert_eq!(was.expires_at, is.expires_at, "nothing ever moves the deadline");
    assert_eq!((was.price, &was.title, was.buyer), (is.price, &is.title, is.buyer));
    if !was.is_open() {
        assert_eq!(was.state, is.state, "an order never leaves Completed or Cancelled");
    }
    if was != is {
        assert_eq!(is.version, was.version.next(), "versions rise by one");
    }
    match (&before.charge, &after.charge) {
        (Some(was), Some(is)) if was.id == is.id && was != is => {
            assert_eq!(is.version, was.version.next(), "versions rise by one");
            assert_eq!((was.amount, &was.token), (is.amount, &is.token));
        }
        (Some(was), Some(is)) if was.id != is.id => {
            assert!(!may_still_take_money(was), "one charge at a time");
        }
        (Some(_), None) => panic!("a charge is never forgotten"),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_whatever_order_the_rules_hold(
        deeds in prop::collection::vec(deed(), 1..80),
        max_attempts in 1_u32..4,
    ) {
        let mut rows = Rows::new(max_attempts);
        for deed in &deeds {
            rows.does(deed);
        }
    }
}
