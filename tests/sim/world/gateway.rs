//! A payment provider that lives in memory, outlives the server's crashes, and errs as real ones
//! do. Its books are what the money is audited by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gittix::domain::{
    Account, Charge, ChargeId, ClientSecret, DisputeStatus, FailureCode, GatewayStep, IntentFact,
    IntentId, IntentReport, OrderId, PaymentToken, Refund, RefundId, RefundStatus,
};
use tokio::sync::Notify;

use super::plan::{Fault, Plan, Rates};
use super::record::Record;
use super::rng::Rng;
use super::tell;
use super::time::Timeline;

mod line;

pub use line::{Line, Witness};

/// How long a buyer takes at most before their bank.
const BUYER_TAKES_MS: u64 = 120_000;
/// How long a bank takes at most to decide about a refund.
const LONGEST_REFUND_MS: u64 = 1_800_000;
/// How often a bank sends refunds of one intent back at most.
const MOST_FAILED_REFUNDS: usize = 2;
/// How long a bank takes at most to decide a dispute.
const LONGEST_DISPUTE_MS: u64 = 3_600_000;

/// A payment intent in the provider's books.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Our charge and order, which the provider keeps as metadata.
    pub charge: ChargeId,
    /// Our order.
    pub order: OrderId,
    /// With which keys it was made.
    pub account: Account,
    /// What it is for, in minor units.
    pub amount: u64,
    /// How it stands.
    pub state: IntentState,
    /// Refunds that were made, each of the whole amount.
    pub refunds: Vec<Booked>,
    /// Whether somebody at the provider's dashboard took, gave back or refunded it.
    pub by_hand: bool,
    /// How the cardholder's dispute of it stands.
    pub dispute: Option<DisputeStatus>,
}

/// A refund in the provider's books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// Its name.
    pub id: RefundId,
    /// How it stands.
    pub status: RefundStatus,
}

impl Intent {
    /// The refunds that have not come to nothing.
    pub fn live_refunds(&self) -> impl Iterator<Item = &Booked> {
        self.refunds.iter().filter(|refund| refund.status != RefundStatus::Failed)
    }

    fn latest_refund(&self) -> Option<&Booked> {
        self.live_refunds().last().or(self.refunds.last())
    }

    fn may_be_refunded(&self) -> bool {
        self.latest_refund().is_none_or(|refund| refund.status == RefundStatus::Failed)
    }
}

/// How a payment intent stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntentState {
    /// Never confirmed.
    Open,
    /// The bank wants the buyer.
    NeedsBuyer,
    /// The bank said no.
    Declined,
    /// The money is set aside.
    Authorised,
    /// The money was taken.
    Captured,
    /// Nothing is set aside and nothing will be.
    Voided,
}

/// A request on its way to the provider.
#[derive(Debug, Clone)]
struct Request {
    step: GatewayStep,
    key: String,
    charge: Charge,
}

/// What the provider will do by itself at some time.
#[derive(Debug, Clone)]
enum Appointment {
    /// A request arrives. The number is the one its sender waits by.
    Arrival(u64, Box<Request>),
    /// The buyer answers their bank.
    BuyerAnswers(IntentId),
    /// Somebody at the dashboard takes, gives back or refunds the money.
    ByHand(IntentId, Fault),
    /// The bank decides a dispute.
    BankDecides(IntentId),
    /// The bank takes a refund, or sends it back.
    BankRefunds(IntentId, RefundId, RefundStatus),
}

/// Something the provider tells by itself.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Our order.
    pub order: OrderId,
    /// Our charge.
    pub charge: ChargeId,
    /// With which keys it was made, and whose secret signs this.
    pub account: Account,
    /// What is told.
    pub report: IntentReport,
}

/// The provider. Clones share its books.
#[derive(Clone)]
pub struct Provider(Arc<Mutex<Books>>, Arc<Notify>);

struct Books {
    rng: Rng,
    rates: Rates,
    latest_webhook_ms: u64,
    record: Record,
    intents: BTreeMap<String, Intent>,
    by_key: BTreeMap<String, IntentReport>,
    agenda: BTreeMap<(u64, u64), Appointment>,
    outbox: BTreeMap<(u64, u64), Webhook>,
    answers: BTreeMap<u64, IntentReport>,
    serial: u64,
    is_calm: bool,
}

impl Provider {
    /// A provider without customers.
    pub fn new(plan: &Plan, record: Record) -> Self {
        Self(
            Arc::new(Mutex::new(Books {
                rng: Rng::new(plan.seed, "gateway"),
                rates: plan.rates.clone(),
                latest_webhook_ms: u64::try_from(plan.latest_webhook.as_millis()).unwrap_or(0),
                record,
                intents: BTreeMap::new(),
                by_key: BTreeMap::new(),
                agenda: BTreeMap::new(),
                outbox: BTreeMap::new(),
                answers: BTreeMap::new(),
                serial: 0,
                is_calm: false,
            })),
            Arc::default(),
        )
    }

    /// Returns once there may be something to do.
    pub async fn something_due(&self, timeline: &Timeline) {
        let pause = self.next_due().map(|at| at.saturating_sub(timeline.now_ms()));
        let pause = pause.map_or(u64::from(u32::MAX), |pause| pause.max(1));
        tokio::select! {
            biased;
            () = self.1.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing goes wrong any more, and what is late comes soon.
    pub fn calm_down(&self, now: u64) {
        let mut books = self.books();
        books.is_calm = true;
        let soon = now + 60_000;
        let late: Vec<_> = books.outbox.keys().copied().filter(|(at, _)| *at > soon).collect();
        for key in late {
            if let Some(webhook) = books.outbox.remove(&key) {
                let at = soon + key.0 % 60_000;
                books.outbox.insert((at, key.1), webhook);
            }
        }
        drop(books);
        self.1.notify_one();
    }

    /// Does what is due.
    pub fn advance(&self, now: u64) {
        let mut books = self.books();
        while let Some((at, _)) = books.agenda.keys().next().copied()
            && at <= now
        {
            if let Some((_, appointment)) = books.agenda.pop_first() {
                books.keep(appointment, now);
            }
        }
    }

    /// When something is due next.
    fn next_due(&self) -> Option<u64> {
        let books = self.books();
        let agenda = books.agenda.keys().next().map(|(at, _)| *at);
        let outbox = books.outbox.keys().next().map(|(at, _)| *at);
        agenda.into_iter().chain(outbox).min()
    }

    /// Takes a webhook that is due.
    pub fn take_webhook(&self, now: u64) -> Option<Webhook> {
        let mut books = self.books();
        let (at, _) = books.outbox.keys().next().copied()?;
        (at <= now).then(|| books.outbox.pop_first().map(|(_, webhook)| webhook)).flatten()
    }

    /// A webhook was not accepted: it is sent again later.
    pub fn send_again(&self, webhook: Webhook, now: u64) {
        let mut books = self.books();
        let pause = books.rng.between(1_000, 300_000);
        books.post(webhook, now + pause);
        self.1.notify_one();
    }

    /// Whether nothing is on its way in either direction.
    pub fn is_quiet(&self) -> bool {
        let books = self.books();
        books.agenda.is_empty() && books.outbox.is_empty()
    }

    /// The books, for the audit.
    pub fn intents(&self) -> BTreeMap<String, Intent> {
        self.books().intents.clone()
    }
}

impl Books {
    fn number(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = !self.is_calm && self.rng.chance(self.rates.of(fault));
        if strikes {
            self.record.count(fault.name());
        }
        strikes
    }

    fn keep(&mut self, appointment: Appointment, now: u64) {
        match appointment {
            Appointment::Arrival(number, request) => {
                let report = self.serve(&request, now);
                self.answers.insert(number, report);
            }
            Appointment::BuyerAnswers(id) => {
                let agrees = self.rng.chance(700);
                if let Some(intent) = self.intents.get_mut(&id.0)
                    && intent.state == IntentState::NeedsBuyer
                {
                    let answered =
                        if agrees { IntentState::Authorised } else { IntentState::Declined };
                    self.becomes(&id, answered, now);
                }
            }
            Appointment::ByHand(id, fault) => self.by_hand(&id, fault, now),
            Appointment::BankDecides(id) => self.bank_decides(&id, now),
            Appointment::BankRefunds(id, refund, status) => {
                self.bank_refunds(&id, &refund, status, now);
            }
        }
    }

    /// Books a refund. Some are accepted and decided later; some of those are sent back.
    fn book_refund(&mut self, id: &IntentId, refund: RefundId, now: u64) {
        let failed = self.intents.get(&id.0).map_or(0, |intent| {
            intent.refunds.iter().filter(|r| r.status == RefundStatus::Failed).count()
        });
        let is_pending = self.strikes(Fault::RefundPending);
        let fails = failed < MOST_FAILED_REFUNDS && self.strikes(Fault::RefundFails);
        // What the bank sends back once it had succeeded is learnt from a webhook alone.
        let fails = fails && (is_pending || self.rates.of(Fault::WebhookLost) == 0);
        let status = if is_pending { RefundStatus::Pending } else { RefundStatus::Succeeded };
        if let Some(intent) = self.intents.get_mut(&id.0) {
            intent.refunds.push(Booked { id: refund.clone(), status });
        }
        if is_pending || fails {
            let end = if fails { RefundStatus::Failed } else { RefundStatus::Succeeded };
            let at = now + self.rng.pause_ms(LONGEST_REFUND_MS);
            self.appoint(at, Appointment::BankRefunds(id.clone(), refund, end));
        }
    }

    fn bank_refunds(&mut self, id: &IntentId, refund: &RefundId, status: RefundStatus, now: u64) {
        let Some(intent) = self.intents.get_mut(&id.0) else { return };
        let Some(booked) = intent.refunds.iter_mut().find(|booked| booked.id == *refund) else {
            return;
        };
        booked.status = status;
        let is_by_hand = refund.0.starts_with("re_hand_");
        if status == RefundStatus::Failed {
            self.record.count("gateway: refunds sent back");
            if is_by_hand {
                // Whoever made it makes another.
                let at = now + self.rng.pause_ms(LONGEST_REFUND_MS);
                self.appoint(at, Appointment::ByHand(id.clone(), Fault::HandRefund));
            }
        }
        self.becomes(id, IntentState::Captured, now);
    }

    fn by_hand(&mut self, id: &IntentId, fault: Fault, now: u64) {
        let Some(intent) = self.intents.get_mut(&id.0) else { return };
        let becomes = match (fault, &intent.state) {
            (Fault::HandCapture, IntentState::Authorised) => IntentState::Captured,
            (Fault::HandCancel, IntentState::Authorised | IntentState::NeedsBuyer) => {
                IntentState::Voided
            }
            (Fault::Dispute, IntentState::Captured)
                if intent.refunds.is_empty() && intent.dispute.is_none() =>
            {
                intent.dispute = Some(DisputeStatus::Open);
                self.record.count(fault.name());
                let at = now + self.rng.pause_ms(LONGEST_DISPUTE_MS);
                self.appoint(at, Appointment::BankDecides(id.clone()));
                return self.becomes(id, IntentState::Captured, now);
            }
            (Fault::HandRefund, IntentState::Captured)
                if intent.may_be_refunded()
                    && intent.refunds.iter().all(|made| made.id.0.starts_with("re_hand_"))
                    && !matches!(
                        intent.dispute,
                        Some(DisputeStatus::Open | DisputeStatus::Lost)
                    ) =>
            {
                let refund = RefundId(format!("re_hand_{}_{}", intent.refunds.len(), id.0));
                self.book_refund(id, refund, now);
                IntentState::Captured
            }
            // The bank has the money by now, so there is nothing to pay back again.
            _ => return,
        };
        if let Some(intent) = self.intents.get_mut(&id.0) {
            intent.by_hand = true;
        }
        self.record.count(fault.name());
        self.becomes(id, becomes, now);
    }

    fn bank_decides(&mut self, id: &IntentId, now: u64) {
        let is_won = self.rng.chance(500);
        if let Some(intent) = self.intents.get_mut(&id.0) {
            let decided = if is_won { DisputeStatus::Won } else { DisputeStatus::Lost };
            intent.dispute = Some(decided);
            self.becomes(id, IntentState::Captured, now);
        }
    }

    /// A request has arrived: it is done, unless one with its key was done before.
    fn serve(&mut self, request: &Request, now: u64) -> IntentReport {
        let step = request.step;
        // A refund that was sent back keeps its key, and the next has another.
        let intent = request.charge.intent().and_then(|id| self.intents.get(&id.0));
        let is_next_refund = step == GatewayStep::Refund
            && intent.is_some_and(|intent| !intent.refunds.is_empty() && intent.may_be_refunded());
        if let Some(before) = self.by_key.get(&request.key).cloned()
            && !is_next_refund
        {
            if self.strikes(Fault::StaleReplay) {
                return before;
            }
            return match before.intent {
                Some(intent) => self.report(&intent),
                None => before,
            };
        }
        let report = self.act(step, &request.charge, now);
        self.record.count(match step {
            GatewayStep::Create => "gateway: intents created",
            GatewayStep::Confirm => "gateway: intents confirmed",
            GatewayStep::Capture => "gateway: captures",
            GatewayStep::Cancel => "gateway: cancellations",
            GatewayStep::Refund => "gateway: refunds",
            GatewayStep::Retrieve => "gateway: intents retrieved",
        });
        // A provider forgets after a day that it refused to refund what was disputed then.
        let is_refused = step == GatewayStep::Refund && report.refund.is_none();
        if step != GatewayStep::Retrieve && !is_refused {
            self.by_key.insert(request.key.clone(), report.clone());
        }
        report
    }

    fn act(&mut self, step: GatewayStep, charge: &Charge, now: u64) -> IntentReport {
        if step == GatewayStep::Create {
            let id = IntentId(format!("pi_{:06}", self.number()));
            let (order, amount) = (charge.order, charge.amount.minor());
            let (state, refunds) = (IntentState::Open, Vec::new());
            let account = charge.account.unwrap_or(Account::StripeLive);
            let charge = charge.id;
            let (by_hand, dispute) = (false, None);
            let intent =
                Intent { charge, order, account, amount, state, refunds, by_hand, dispute };
            self.intents.insert(id.0.clone(), intent);
            return self.report(&id);
        }
        let Some(id) = charge.intent().cloned() else {
            let code = FailureCode::from_gateway("resource_missing");
            return IntentReport::new(None, IntentFact::Refused(code));
        };
        let Some(state) = self.intents.get(&id.0).map(|intent| intent.state.clone()) else {
            let code = FailureCode::from_gateway("resource_missing");
            return IntentReport::new(None, IntentFact::Refused(code));
        };
        match (step, state) {
            (GatewayStep::Confirm, IntentState::Open) => self.confirm(&id, &charge.token, now),
            (GatewayStep::Capture, IntentState::Authorised) => {
                // A provider takes an authorisation back that it can't capture.
                if self.strikes(Fault::CaptureFails) {
                    self.becomes(&id, IntentState::Voided, now);
                } else {
                    self.becomes(&id, IntentState::Captured, now);
                }
            }
            // Somebody at the dashboard was faster and took the money.
            (GatewayStep::Cancel, IntentState::Authorised)
                if self.has_hands_for(Fault::HandCapture) && self.strikes(Fault::HandCapture) =>
            {
                if let Some(intent) = self.intents.get_mut(&id.0) {
                    intent.by_hand = true;
                }
                self.becomes(&id, IntentState::Captured, now);
            }
            (
                GatewayStep::Cancel,
                IntentState::Open
                | IntentState::NeedsBuyer
                | IntentState::Declined
                | IntentState::Authorised,
            ) => self.becomes(&id, IntentState::Voided, now),
            (GatewayStep::Refund, IntentState::Captured) => {
                let refund = RefundId(format!("re_{:06}", self.number()));
                let Some(intent) = self.intents.get_mut(&id.0) else { return self.report(&id) };
                // A provider refuses a second refund. One of ours is booked here, so that the
                // audit finds who asked for it. While the bank has the money there is nothing
                // to pay back.
                let is_by_hand =
                    intent.live_refunds().any(|made| made.id.0.starts_with("re_hand_"));
                let is_with_bank =
                    matches!(intent.dispute, Some(DisputeStatus::Open | DisputeStatus::Lost));
                if !is_by_hand && !is_with_bank {
                    self.book_refund(&id, refund, now);
                    self.becomes(&id, IntentState::Captured, now);
                }
            }
            _ => {}
        }
        self.report(&id)
    }

    fn confirm(&mut self, id: &IntentId, token: &PaymentToken, now: u64) {
        if token.expose() == "tok_authenticationRequired" {
            self.becomes(id, IntentState::NeedsBuyer, now);
            if self.rng.chance(800) {
                let at = now + self.rng.below(BUYER_TAKES_MS);
                self.appoint(at, Appointment::BuyerAnswers(id.clone()));
            }
        } else if token.expose() == "tok_chargeDeclined" || self.strikes(Fault::Decline) {
            self.becomes(id, IntentState::Declined, now);
        } else {
            self.becomes(id, IntentState::Authorised, now);
        }
    }

    fn appoint(&mut self, at: u64, appointment: Appointment) {
        let number = self.number();
        self.agenda.insert((at, number), appointment);
    }

    /// An intent stands like this now, which the provider tells by webhook.
    fn becomes(&mut self, id: &IntentId, state: IntentState, now: u64) {
        let Some(intent) = self.intents.get_mut(&id.0) else { return };
        intent.state = state;
        let (order, charge, account) = (intent.order, intent.charge, intent.account);
        let refunds =
            intent.refunds.iter().map(|refund| format!(", {} {:?}", refund.id.0, refund.status));
        let refunds: String = refunds.collect();
        let dispute = intent.dispute.map(|dispute| format!(", dispute {dispute:?}"));
        let (dispute, charge_told) = (dispute.unwrap_or_default(), tell::id(&charge));
        self.record.say(format!(
            "{now} gateway: {} of {charge_told} {:?}{refunds}{dispute}",
            id.0, intent.state
        ));
        for fault in [Fault::HandCapture, Fault::HandCancel, Fault::HandRefund, Fault::Dispute] {
            if !self.is_calm && self.rng.chance(self.rates.of(fault)) && self.has_hands_for(fault) {
                let at = now + self.rng.pause_ms(60_000);
                self.appoint(at, Appointment::ByHand(id.clone(), fault));
            }
        }
        if self.strikes(Fault::WebhookLost) {
            return;
        }
        let webhook = Webhook { order, charge, account, report: self.report(id) };
        let copies = if self.strikes(Fault::WebhookTwice) { 2 } else { 1 };
        for _ in 0..copies {
            let mut at = now + self.rng.below(2_000);
            if self.strikes(Fault::WebhookLate) {
                at += self.rng.pause_ms(self.latest_webhook_ms);
            }
            self.post(webhook.clone(), at);
        }
    }

    /// An authorisation that is left behind with another provider's keys lapses by itself, unless
    /// somebody at the dashboard takes the money for nothing; nobody can see to that.
    fn has_hands_for(&self, fault: Fault) -> bool {
        fault != Fault::HandCapture || self.rates.of(Fault::ProviderChanges) == 0
    }

    fn post(&mut self, webhook: Webhook, at: u64) {
        let number = self.number();
        self.outbox.insert((at, number), webhook);
    }

    fn report(&self, id: &IntentId) -> IntentReport {
        let Some(intent) = self.intents.get(&id.0) else {
            return IntentReport::new(Some(id.clone()), IntentFact::Voided);
        };
        let fact = match &intent.state {
            IntentState::Open => IntentFact::Open,
            IntentState::NeedsBuyer => {
                IntentFact::NeedsBuyer(ClientSecret(format!("{}_secret", id.0)))
            }
            IntentState::Declined => {
                IntentFact::Declined(FailureCode::from_gateway("card_declined"))
            }
            IntentState::Authorised => IntentFact::Authorised,
            IntentState::Captured => IntentFact::Captured,
            IntentState::Voided => IntentFact::Voided,
        };
        let refund = intent.latest_refund();
        let refund = refund.map(|refund| Refund::told(refund.id.clone(), refund.status));
        let report = IntentReport::new(Some(id.clone()), fact);
        IntentReport { refund, dispute: intent.dispute, ..report }
    }
}
