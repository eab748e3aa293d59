//! An exhaustive search of the charge protocol: the pure decisions against a model of the
//! gateway, with crashes, lost answers, late and doubled reports, expiry and cancelling at any
//! moment.
//!
//! A state is what is stored, how the intent stands at the gateway, which call is under way,
//! and which reports are still travelling. Reports are facts that were true once; the network
//! may hold any of them back, deliver it twice or lose it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::*;

/// How the intent stands at the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Standing {
    Unknown,
    Open,
    NeedsBuyer,
    Declined,
    Authorised,
    Captured,
    Voided,
    Refunded,
}

impl Standing {
    fn fact(self) -> Option<IntentFact> {
        Some(match self {
            Self::Unknown => return None,
            Self::Open => IntentFact::Open,
            Self::NeedsBuyer => IntentFact::NeedsBuyer(secret()),
            Self::Declined => IntentFact::Declined(code("card_declined")),
            Self::Authorised => IntentFact::Authorised,
            Self::Captured => IntentFact::Captured,
            Self::Voided => IntentFact::Voided,
            Self::Refunded => IntentFact::Refunded(refund()),
        })
    }

    /// What a step may make of it. Confirming ends as the bank pleases.
    fn after(self, step: GatewayStep) -> Vec<Self> {
        match (step, self) {
            (GatewayStep::Create, Self::Unknown) => vec![Self::Open],
            (GatewayStep::Confirm, Self::Open) => {
                vec![Self::Authorised, Self::Declined, Self::NeedsBuyer]
            }
            (GatewayStep::Capture, Self::Authorised) => vec![Self::Captured],
            (
                GatewayStep::Cancel,
                Self::Open | Self::NeedsBuyer | Self::Declined | Self::Authorised,
            ) => vec![Self::Voided],
            (GatewayStep::Refund, Self::Captured) => vec![Self::Refunded],
            (_, unchanged) => vec![unchanged],
        }
    }
}

/// Everything that matters of one moment. Versions and times of change do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct World {
    order: &'static str,
    phase: Option<(&'static str, bool)>,
    ticket: &'static str,
    is_late: bool,
    at_gateway: Standing,
    call: Option<&'static str>,
    travelling: BTreeSet<Standing>,
    hand: bool,
    buyer_has_secret: bool,
}

/// A world with the domain's own values, from which the next ones are decided.
#[derive(Debug, Clone)]
struct Node {
    purchase: Purchase,
    ticket: Ticket,
    is_late: bool,
    at_gateway: Standing,
    call: Option<GatewayStep>,
    travelling: BTreeSet<Standing>,
    /// Whether somebody may still capture by hand at the gateway.
    hand: bool,
    /// Whether the buyer's browser was given what it needs to confirm the intent itself.
    buyer_has_secret: bool,
}

impl Node {
    fn start(hand: bool) -> Self {
        let until = DEADLINE;
        let reserve =
            TicketCommand::Reserve { by: BUYER, order: ORDER, until, expected_price: None };
        let Ok(TicketDecision::Changed(ticket)) = ticket().decide(&reserve, IN_TIME) else {
            panic!("an available ticket can be locked");
        };
        let (purchase, travelling) = (fresh(), BTreeSet::new());
        let at_gateway = Standing::Unknown;
        Self {
            purchase,
            ticket,
            is_late: false,
            at_gateway,
            call: None,
            travelling,
            hand,
            buyer_has_secret: false,
        }
    }

    fn world(&self) -> World {
        let order = match self.purchase.order.state {
            OrderState::Created => "Created",
            OrderState::AwaitingPayment => "AwaitingPayment",
            OrderState::Completed => "Completed",
            OrderState::Cancelled(CancelReason::Buyer) => "Buyer",
            OrderState::Cancelled(CancelReason::Expired) => "Expired",
            OrderState::Cancelled(CancelReason::PaymentFailed) => "PaymentFailed",
        };
        let ticket = match self.ticket.state {
            TicketState::Available => "Available",
            TicketState::Locked { .. } => "Locked",
            TicketState::Sold { .. } => "Sold",
        };
        let charge = self.purchase.charge.as_ref();
        World {
            order,
            phase: charge.map(|charge| (charge.phase.name(), charge.intent().is_some())),
            ticket,
            is_late: self.is_late,
            at_gateway: self.at_gateway,
            call: self.call.map(GatewayStep::name),
            travelling: self.travelling.clone(),
            hand: self.hand,
            buyer_has_secret: self.buyer_has_secret,
        }
    }

    fn now(&self) -> Timestamp {
        if self.is_late { DEADLINE } else { IN_TIME }
    }

    /// Decides and commits, order and ticket together, and holds the commit to its rules.
    fn decide(&self, command: &PurchaseCommand) -> Self {
        let mut next = self.clone();
        let Ok(PurchaseDecision::Changed(change)) = self.purchase.decide(command, 1, self.now())
        else {
            return next;
        };
        if let Some(demand) = change.ticket {
            let command = match demand {
                TicketDemand::Release => TicketCommand::Release { order: ORDER },
                TicketDemand::Sell => TicketCommand::Sell { order: ORDER },
            };
            match self.ticket.decide(&command, self.now()) {
                Ok(TicketDecision::Changed(ticket)) => next.ticket = ticket,
                other => panic!("the ticket does not follow its order: {other:?} in {self:?}"),
            }
        }
        assert_eq!(change.after.order.expires_at, DEADLINE);
        next.purchase = change.after;
        let charge = next.purchase.charge.as_ref();
        next.buyer_has_secret |= charge.is_some_and(|charge| charge.client_secret().is_some());
        next
    }

    fn hears(&self, standing: Standing) -> Self {
        standing.fact().map_or_else(|| self.clone(), |fact| self.decide(&report(fact)))
    }

    /// Everything that can happen next.
    fn next(&self) -> Vec<Self> {
        let mut next = vec![
            self.decide(&CANCEL),
            self.decide(&PurchaseCommand::Expire),
            self.decide(&PurchaseCommand::Pay { charge: CHARGE, token: token() }),
            // Time passes.
            Self { is_late: true, ..self.clone() },
            // The process is killed: the call's answer reaches nobody.
            Self { call: None, ..self.clone() },
        ];
        // A call is started, as the stored phase says.
        if self.call.is_none() {
            next.push(Self { call: self.purchase.next_step(), ..self.clone() });
        }
        if let Some(step) = self.call {
            for at_gateway in self.at_gateway.after(step) {
                // Done, and still on its way back; done and answered; done and lost.
                next.push(Self { at_gateway, ..self.clone() });
                let done = Self { at_gateway, call: None, ..self.clone() };
                next.push(done.hears(at_gateway));
                next.push(done);
            }
        }
        // The buyer convinces the bank, or the bank refuses after all, for now; an authorisation
        // lapses.
        let by_itself: &[Standing] = match self.at_gateway {
            Standing::NeedsBuyer => &[Standing::Authorised, Standing::Declined],
            // A declined intent waits for another attempt of whoever holds its secret.
            Standing::Declined if self.buyer_has_secret => {
                &[Standing::NeedsBuyer, Standing::Authorised]
            }
            Standing::Authorised => &[Standing::Voided],
            _ => &[],
        };
        next.extend(by_itself.iter().map(|to| Self { at_gateway: *to, ..self.clone() }));
        if self.hand && self.at_gateway == Standing::Authorised {
            let at_gateway = Standing::Captured;
            next.push(Self { at_gateway, hand: false, ..self.clone() });
        }
        // The gateway tells how the intent stands, by webhook; it may come at any later time.
        if self.at_gateway != Standing::Unknown && self.travelling.len() < 2 {
            let mut told = self.clone();
            told.travelling.insert(self.at_gateway);
            next.push(told);
        }
        for standing in &self.travelling {
            // It arrives and may arrive again; it arrives for the last time; it is lost.
            let arrived = self.hears(*standing);
            let mut last = arrived.clone();
            last.travelling.remove(standing);
            let mut lost = self.clone();
            lost.travelling.remove(standing);
            next.extend([arrived, last, lost]);
        }
        next
    }

    /// What must hold at every moment.
    fn must_be_sound(&self) {
        let is_open = self.purchase.order.is_open();
        let is_completed = self.purchase.order.state == OrderState::Completed;
        match self.ticket.state {
            TicketState::Locked { .. } => assert!(is_open, "{self:?}"),
            TicketState::Sold { .. } => assert!(is_completed, "{self:?}"),
            TicketState::Available => assert!(!is_open && !is_completed, "{self:?}"),
        }
        let is_settled = !self.purchase.charge.as_ref().is_some_and(Charge::is_unsettled);
        if is_settled && !is_completed && self.call == Some(GatewayStep::Capture) {
            // Should the process die now, nobody would ever look again.
            let nothing_left = [Standing::Voided, Standing::Captured, Standing::Refunded];
            let is_harmless = nothing_left.contains(&self.at_gateway);
            assert!(is_harmless, "a capture is under way that nobody will follow up: {self:?}");
        }
        if is_completed && is_settled {
            let paid = [Standing::Captured, Standing::Refunded].contains(&self.at_gateway);
            assert!(paid, "sold without money: {self:?}");
        }
    }

    /// Whether nothing is owed by anybody: money is taken for a sale alone.
    fn is_at_rest(&self) -> bool {
        let is_completed = self.purchase.order.state == OrderState::Completed;
        let is_settled = !self.purchase.charge.as_ref().is_some_and(Charge::is_unsettled);
        let is_square = match self.at_gateway {
            Standing::Captured => is_completed,
            Standing::Authorised => false,
            _ => true,
        };
        !self.purchase.order.is_open() && is_settled && is_square
    }
}

struct Search {
    nodes: Vec<Node>,
    edges: Vec<Vec<usize>>,
}

fn search(start: Node) -> Search {
    let mut found = Search { nodes: vec![start.clone()], edges: vec![Vec::new()] };
    let mut known: HashMap<World, usize> = HashMap::from([(start.world(), 0)]);
    let mut queue = VecDeque::from([0]);
    while let Some(place) = queue.pop_front() {
        for next in found.nodes[place].clone().next() {
            next.must_be_sound();
            let world = next.world();
            let target = *known.entry(world).or_insert_with(|| {
                found.nodes.push(next);
                found.edges.push(Vec::new());
                queue.push_back(found.nodes.len() - 1);
                found.nodes.len() - 1
            });
            found.edges[place].push(target);
        }
    }
    found
}

/// Which nodes can still come to rest.
fn can_rest(search: &Search) -> Vec<bool> {
    let mut back = vec![Vec::new(); search.nodes.len()];
    for (from, targets) in search.edges.iter().enumerate() {
        for to in targets {
            back[*to].push(from);
        }
    }
    let mut can: Vec<bool> = search.nodes.iter().map(Node::is_at_rest).collect();
    let mut queue: VecDeque<usize> = (0..can.len()).filter(|place| can[*place]).collect();
    while let Some(place) = queue.pop_front() {
        for from in &back[place] {
            if !can[*from] {
                can[*from] = true;
                queue.push_back(*from);
            }
        }
    }
    can
}

#[test]
fn from_every_reachable_state_money_and_ticket_still_come_together() {
    for hand in [false, true] {
        let search = search(Node::start(hand));
        println!("{} states visited, captures by hand: {hand}", search.nodes.len());
        assert!(search.nodes.len() > 500, "{}", search.nodes.len());
        for (node, can) in search.nodes.iter().zip(can_rest(&search)) {
            assert!(can, "this can never settle: {node:?}");
        }
        // The search has seen what it is about.
        let seen = |phase: &str| {
            search.nodes.iter().any(|node| {
                node.purchase.charge.as_ref().is_some_and(|charge| charge.phase.name() == phase)
            })
        };
        for phase in
            ["Intent", "Created", "Confirming", "Capturing", "Voiding", "Completed", "Failed"]
        {
            assert!(seen(phase), "{phase}");
        }
        // Without a hand at the gateway nobody is ever charged without getting the ticket.
        assert_eq!(seen("Refunding"), hand);
    }
}

/// The server's own work alone, with a gateway that answers, settles whatever is left over.
#[test]
fn without_more_mishaps_every_state_settles_in_a_few_calls() {
    for hand in [false, true] {
        let search = search(Node::start(hand));
        for node in &search.nodes {
            let is_capture_owed =
                node.purchase.order.is_open() && node.at_gateway == Standing::Voided;
            let mut now = Node { is_late: true, call: None, ..node.clone() };
            for _ in 0..8 {
                now = now.decide(&PurchaseCommand::Expire);
                let Some(step) = now.purchase.next_step() else { break };
                now.at_gateway = now.at_gateway.after(step)[0];
                now = now.hears(now.at_gateway);
            }
            // Reports that were on their way bring to light what a settled charge left behind.
            if !now.is_at_rest() {
                now = now.hears(now.at_gateway);
                while let Some(step) = now.purchase.next_step() {
                    now.at_gateway = now.at_gateway.after(step)[0];
                    now = now.hears(now.at_gateway);
                }
            }
            now.must_be_sound();
            let is_charged_in_vain = now.at_gateway == Standing::Captured
                && now.purchase.order.state != OrderState::Completed;
            assert!(!is_charged_in_vain, "from {node:?} to {now:?}");
            assert!(!now.purchase.order.is_open(), "from {node:?} to {now:?}");
            assert!(!is_capture_owed || now.ticket.state == TicketState::Available, "{node:?}");
        }
    }
}
