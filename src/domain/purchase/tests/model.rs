//! An exhaustive search of the charge protocol: the pure decisions against a model of the
//! gateway, with crashes, lost answers, late and doubled reports, expiry, cancelling and giving up
//! at any moment, refunds that a bank sends back, and a server that is away with another provider.
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
    /// The first refund, or the second: a bank sends the first back if any.
    RefundPending(u8),
    Refunded(u8),
    RefundFailed,
}

impl Standing {
    /// What the gateway tells; `None` if it has heard of nothing.
    fn report(self) -> Option<IntentReport> {
        let told = |number: u8, status| Refund::told(RefundId(format!("re_{number}")), status);
        let refund = match self {
            Self::RefundPending(number) => Some(told(number, RefundStatus::Pending)),
            Self::Refunded(number) => Some(told(number, RefundStatus::Succeeded)),
            Self::RefundFailed => Some(told(1, RefundStatus::Failed)),
            _ => None,
        };
        Some(IntentReport { refund, ..IntentReport::new(Some(intent()), self.fact()?) })
    }

    fn fact(self) -> Option<IntentFact> {
        Some(match self {
            Self::Unknown => return None,
            Self::Open => IntentFact::Open,
            Self::NeedsBuyer => IntentFact::NeedsBuyer(secret()),
            Self::Declined => IntentFact::Declined(code("card_declined")),
            Self::Authorised => IntentFact::Authorised,
            Self::Captured => IntentFact::Captured,
            Self::RefundPending(_) | Self::Refunded(_) | Self::RefundFailed => IntentFact::Captured,
            Self::Voided => IntentFact::Voided,
        })
    }

    /// Whether the money was taken, whatever became of it.
    fn is_taken(self) -> bool {
        self.fact() == Some(IntentFact::Captured)
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
            (GatewayStep::Refund, Self::Captured) => {
                vec![Self::Refunded(1), Self::RefundPending(1)]
            }
            (GatewayStep::Refund, Self::RefundFailed) => {
                vec![Self::Refunded(2), Self::RefundPending(2)]
            }
            (_, unchanged) => vec![unchanged],
        }
    }

    /// What a bank may make of a refund, the likeliest first.
    fn after_the_bank(self) -> Vec<Self> {
        match self {
            Self::RefundPending(1) => vec![Self::Refunded(1), Self::RefundFailed],
            Self::RefundPending(number) => vec![Self::Refunded(number)],
            Self::Refunded(1) => vec![Self::RefundFailed],
            _ => Vec::new(),
        }
    }

    /// What somebody at the gateway's dashboard may make of it.
    fn after_a_hand(self) -> Option<Self> {
        match self {
            Self::Authorised => Some(Self::Captured),
            Self::Captured => Some(Self::RefundPending(1)),
            Self::RefundFailed => Some(Self::RefundPending(2)),
            _ => None,
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
    hands: bool,
    buyer_has_secret: bool,
    refund: Option<(Option<String>, &'static str)>,
    may_go_away: bool,
    is_away: bool,
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
    /// Whether somebody captures and refunds by hand at the gateway.
    hands: bool,
    /// Whether the buyer's browser was given what it needs to confirm the intent itself.
    buyer_has_secret: bool,
    /// Whether the server may be started with another provider, and back.
    may_go_away: bool,
    /// Whether it has another provider now.
    is_away: bool,
}

/// Which troubles a search is about. All of them together would take too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Hands,
    Away,
}

impl Node {
    fn start(trouble: Trouble) -> Self {
        let until = DEADLINE;
        let reserve = TicketCommand::Reserve {
            by: BUYER,
            order: ORDER,
            until,
            wanted: Wanted::default(),
            terms: Terms::default(),
        };
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
            hands: trouble == Trouble::Hands,
            buyer_has_secret: false,
            may_go_away: trouble == Trouble::Away,
            is_away: false,
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
            OrderState::Cancelled(CancelReason::ShowCancelled) => "ShowCancelled",
        };
        let ticket = match self.ticket.state {
            TicketState::Available => "Available",
            TicketState::Locked { .. } => "Locked",
            TicketState::Sold { .. } => "Sold",
            TicketState::Several(_) => "Several",
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
            hands: self.hands,
            buyer_has_secret: self.buyer_has_secret,
            refund: charge.and_then(|charge| charge.refund.as_ref()).map(|refund| {
                let status = match refund.status {
                    RefundStatus::Pending => "pending",
                    RefundStatus::Succeeded => "succeeded",
                    RefundStatus::Failed => "failed",
                    RefundStatus::Closed => "closed",
                };
                (refund.id.as_ref().map(|id| id.0.clone()), status)
            }),
            may_go_away: self.may_go_away,
            is_away: self.is_away,
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

    fn pays(&self) -> Self {
        // A second charge of the order is not followed here.
        if self.purchase.charge.is_some() {
            return self.clone();
        }
        let account = Account::StripeLive;
        self.decide(&PurchaseCommand::Pay { charge: CHARGE, token: token(), account })
    }

    /// The server does what is left to do, with a gateway and banks that do their best. A refund
    /// of a sale that a bank has sent back is made again by whoever made it.
    fn works_off(&mut self, calls: usize) {
        for _ in 0..calls {
            *self = self.decide(&PurchaseCommand::Expire);
            let Some(step) = self.purchase.next_step() else { return };
            if let Some(decided) = self.at_gateway.after_the_bank().first()
                && matches!(self.at_gateway, Standing::RefundPending(_))
            {
                self.at_gateway = *decided;
            }
            if step == GatewayStep::Retrieve && self.at_gateway == Standing::RefundFailed {
                self.at_gateway = Standing::Refunded(2);
            }
            self.at_gateway = self.at_gateway.after(step)[0];
            *self = self.hears(self.at_gateway);
        }
    }

    fn hears(&self, standing: Standing) -> Self {
        standing.report().map_or_else(|| self.clone(), |report| self.decide(&tell(report)))
    }

    /// Everything that can happen next.
    fn next(&self) -> Vec<Self> {
        let mut next = vec![
            self.decide(&CANCEL),
            self.decide(&PurchaseCommand::Expire),
            self.pays(),
            self.decide(&PurchaseCommand::GiveUp { charge: CHARGE }),
            // Time passes.
            Self { is_late: true, ..self.clone() },
            // The process is killed: the call's answer reaches nobody.
            Self { call: None, ..self.clone() },
        ];
        // A call is started, as the stored phase says.
        if self.call.is_none() {
            next.push(Self { call: self.purchase.next_step(), ..self.clone() });
        }
        if let Some(step) = self.call
            && !self.is_away
        {
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
        let banks = self.at_gateway.after_the_bank();
        let hand = self.at_gateway.after_a_hand().filter(|_| self.hands);
        let by_itself = by_itself.iter().copied().chain(banks).chain(hand);
        next.extend(by_itself.map(|at_gateway| Self { at_gateway, ..self.clone() }));
        if self.may_go_away {
            // The process is started with other keys, and may come back to the old ones.
            next.push(Self { is_away: !self.is_away, call: None, ..self.clone() });
        }
        if self.is_away && self.call.is_some() {
            next.push(Self { call: None, ..self.clone() }.decide(&report(IntentFact::OutOfReach)));
        }
        // The gateway tells how the intent stands, by webhook; it may come at any later time.
        if self.at_gateway != Standing::Unknown && self.travelling.len() < 2 {
            let mut told = self.clone();
            told.travelling.insert(self.at_gateway);
            next.push(told);
        }
        // With other keys the server knows no webhook of the old ones.
        for standing in self.travelling.iter().filter(|_| !self.is_away) {
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
            TicketState::Several(_) => panic!("it has one seat"),
        }
        let is_settled = !self.purchase.charge.as_ref().is_some_and(Charge::is_unsettled);
        if is_settled && !is_completed && self.call == Some(GatewayStep::Capture) {
            // Should the process die now, nobody would ever look again.
            let is_harmless = self.at_gateway == Standing::Voided || self.at_gateway.is_taken();
            assert!(is_harmless, "a capture is under way that nobody will follow up: {self:?}");
        }
        if is_completed && is_settled {
            assert!(self.at_gateway.is_taken(), "sold without money: {self:?}");
        }
        if is_settled && !is_completed && !self.hands {
            assert!(
                self.at_gateway != Standing::Captured,
                "money was taken for nothing and nobody will look again: {self:?}"
            );
        }
        let is_paid_back = self
            .purchase
            .charge
            .as_ref()
            .is_some_and(|charge| matches!(charge.phase, ChargePhase::Refunded { .. }));
        let is_pending = self.at_gateway == Standing::RefundPending(1);
        assert!(!(is_paid_back && is_pending), "a pending refund is no refund: {self:?}");
    }

    /// Whether nothing is owed by anybody: money is taken for a sale alone.
    fn is_at_rest(&self) -> bool {
        let is_completed = self.purchase.order.state == OrderState::Completed;
        let is_settled = !self.purchase.charge.as_ref().is_some_and(Charge::is_unsettled);
        let is_square = match self.at_gateway {
            Standing::Captured | Standing::RefundFailed => is_completed,
            Standing::Authorised | Standing::RefundPending(_) => false,
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
    for trouble in [Trouble::None, Trouble::Hands, Trouble::Away] {
        let search = search(Node::start(trouble));
        println!("{} states visited with {trouble:?}", search.nodes.len());
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
        assert_eq!(seen("Refunding"), trouble == Trouble::Hands);
    }
}

/// The server's own work alone, with a gateway that answers, settles whatever is left over.
#[test]
fn without_more_mishaps_every_state_settles_in_a_few_calls() {
    for trouble in [Trouble::None, Trouble::Hands, Trouble::Away] {
        let search = search(Node::start(trouble));
        for node in &search.nodes {
            let is_capture_owed =
                node.purchase.order.is_open() && node.at_gateway == Standing::Voided;
            let mut now = Node { is_late: true, call: None, is_away: false, ..node.clone() };
            now.works_off(8);
            // Reports that were on their way bring to light what a settled charge left behind.
            if !now.is_at_rest() {
                now = now.hears(now.at_gateway);
                now.works_off(8);
            }
            assert_eq!(now.purchase.next_step(), None, "from {node:?} to {now:?}");
            now.must_be_sound();
            let with_us = [Standing::Captured, Standing::RefundFailed].contains(&now.at_gateway);
            let is_charged_in_vain = with_us && now.purchase.order.state != OrderState::Completed;
            assert!(!is_charged_in_vain, "from {node:?} to {now:?}");
            assert!(!now.purchase.order.is_open(), "from {node:?} to {now:?}");
            assert!(!is_capture_owed || now.ticket.state == TicketState::Available, "{node:?}");
        }
    }
}

/// A server that is started with another provider for good ends what was begun in a sandbox or
/// with test keys, and keeps of real money only what somebody has to look into.
#[test]
fn with_another_provider_everything_settles_but_real_money_that_may_be_taken() {
    let search = search(Node::start(Trouble::None));
    for node in &search.nodes {
        for account in [Account::Sandbox, Account::StripeTest, Account::StripeLive] {
            let mut away = Node { is_late: true, call: None, is_away: true, ..node.clone() };
            away.purchase.charge =
                away.purchase.charge.clone().map(|charge| charge.begun_with(account));
            for _ in 0..4 {
                away = away.decide(&PurchaseCommand::Expire);
                if away.purchase.next_step().is_some() {
                    away = away.decide(&report(IntentFact::OutOfReach));
                }
            }
            let waits = away.purchase.next_step();
            let is_real = account == Account::StripeLive;
            let may = is_real && matches!(waits, Some(GatewayStep::Capture | GatewayStep::Refund));
            assert!(waits.is_none() || may, "from {node:?} to {away:?}");
            assert!(waits.is_some() || !away.purchase.order.is_open(), "{away:?}");
            // An operator's word ends that too.
            if let Some(step) = waits {
                let finding = match step {
                    GatewayStep::Refund => Finding::PaidBack,
                    _ => Finding::NotTaken,
                };
                let settle = PurchaseCommand::Settle { charge: CHARGE, finding };
                let settled = away.decide(&settle);
                assert_eq!(settled.purchase.next_step(), None, "{settled:?}");
                assert!(!settled.purchase.order.is_open(), "{settled:?}");
            }
        }
    }
}
