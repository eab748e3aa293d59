//! Orders with their charges: cancelled, expired, paid, and brought forward by what the gateway
//! reports.
//!
//! An order never waits for the gateway. Its next call is an effect of a decision and comes back as
//! [`OrderRequest::Report`], which is applied to what is stored by then. A change that releases or
//! sells the ticket is committed by the ticket's actor, so that one commit carries both; tickets
//! never ask orders, so nobody waits in a circle.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::{error, warn};

use super::aggregate::{Actors, Aggregate, Change, Decision, When};
use super::context::{Committed, Context};
use super::effects::charges::{
    ChargeCall, Charges, LONGEST_PAUSE_FOR_BUYER, LONGEST_PAUSE_FOR_REFUND,
};
use super::effects::kind::{Effect, Recipient, Told};
use super::effects::{Effects, LONGEST_PAUSE};
use super::error::MarketError;
use super::idempotency::KeyFor;
use super::relocks::{HoldEnded, Relocks};
use super::ticket::{Carried, TicketRequest, Tickets};
use crate::bugs::{Bug, planted};
use crate::domain::{
    Account, Charge, ChargeId, ChargePhase, ChargeStatus, Commit, ExpectedVersion, FailureCode,
    Finding, GatewayStep, IntentFact, IntentId, IntentReport, Order, OrderId, OrderState,
    PaymentToken, Purchase, PurchaseChange, PurchaseCommand, PurchaseDecision, RefundStatus,
    ShowOrder, TicketDemand, TicketId, Timestamp, UserId, Write,
};
use crate::payments::GatewayError;

/// What an order can be asked. It answers with the order as it is then, and with the charge that
/// was asked about or the latest.
#[derive(Debug, Clone)]
pub enum OrderRequest {
    /// The buyer gives the ticket back.
    Cancel {
        /// Who asks.
        by: UserId,
        /// Which versions of the order are meant.
        expected: ExpectedVersion,
    },
    /// The deadline may have passed.
    Expire,
    /// The show does not take place.
    ShowCancelled,
    /// Another server has changed it, so those who wait for that may have their answer.
    Look,
    /// The buyer pays. Answered once the charge is decided or waits for the buyer.
    Pay(Payment),
    /// The buyer gives an attempt up that is not decided.
    GiveUp {
        /// Who asks.
        by: UserId,
        /// The charge.
        charge: ChargeId,
    },
    /// An operator says how a charge stands that the gateway does not tell of.
    Settle {
        /// The charge.
        charge: ChargeId,
        /// What the operator has found out.
        finding: Finding,
    },
    /// The gateway has told something.
    Report {
        /// The charge it is about.
        charge: ChargeId,
        /// What was asked of the gateway; `None` if nothing was and it spoke first.
        step: Option<GatewayStep>,
        /// What it answered.
        result: Result<IntentReport, GatewayError>,
    },
    /// A charge may need its next gateway call. Answered once that has been started.
    BringForward {
        /// The charge.
        charge: ChargeId,
    },
}

/// An attempt to pay.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Who pays.
    pub by: UserId,
    /// Names the charge to make.
    pub charge: ChargeId,
    /// The card.
    pub token: PaymentToken,
    /// With whom.
    pub account: Account,
    /// The buyer's idempotency key, if one came with the request.
    pub key: Option<KeyFor<ChargeId>>,
}

/// What an order's requests are decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The order with its latest charge. Shared, for it is answered as well, and handed on many times.
    purchase: Arc<Purchase>,
    /// The charge that the request is about, if that is an earlier one.
    earlier: Option<Box<Charge>>,
}

impl Known {
    fn latest(purchase: Arc<Purchase>) -> Self {
        Self { purchase, earlier: None }
    }

    /// The order with the charge that a request is about.
    fn with_charge_asked_about(&self) -> Arc<Purchase> {
        let Some(earlier) = self.earlier.as_deref() else { return self.purchase.clone() };
        Arc::new(Purchase { order: self.purchase.order.clone(), charge: Some(earlier.clone()) })
    }
}

/// The ticket that carries an order's commit, and what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carrier {
    order: OrderId,
    ticket: TicketId,
    demand: TicketDemand,
}

/// What follows from an order's decision.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderEffect {
    /// Something about a charge's calls.
    Charge(Effect<ChargeCall>),
    /// The order let go of its ticket.
    HoldEnded(HoldEnded),
}

impl From<Effect<ChargeCall>> for OrderEffect {
    fn from(effect: Effect<ChargeCall>) -> Self {
        Self::Charge(effect)
    }
}

/// The orders.
pub struct Orders {
    /// Where they are.
    pub context: Arc<Context>,
    /// Who commits what concerns both.
    pub tickets: Arc<Actors<Tickets>>,
    /// Who asks the gateway.
    pub charges: Effects<Charges>,
    /// Who minds those that lock and let go.
    pub relocks: Arc<Relocks>,
}

impl Aggregate for Orders {
    type Id = OrderId;
    type State = Known;
    type Command = OrderRequest;
    type Answer = Arc<Purchase>;
    type Effect = OrderEffect;
    type Carrier = Carrier;

    async fn load(
        &self,
        id: OrderId,
        known: Option<Known>,
        request: &OrderRequest,
    ) -> Result<Known, MarketError> {
        let store = &self.context.store;
        let purchase = match known {
            Some(known) => known.purchase,
            None => Arc::new(store.purchase(id).await?.ok_or(MarketError::NotFound)?),
        };
        let earlier = match charge_asked_about(request) {
            Some(charge) if purchase.order.charge != Some(charge) => {
                let earlier = store.charge(charge).await?.filter(|charge| charge.order == id);
                Some(Box::new(earlier.ok_or(MarketError::NotFound)?))
            }
            _ => None,
        };
        Ok(Known { purchase, earlier })
    }

    fn decide(
        &self,
        known: &Known,
        request: &OrderRequest,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError> {
        decide(known, request, self.context.settings.max_attempts, now)
    }

    async fn commit(
        &self,
        context: &Context,
        commit: Commit,
        carrier: Option<Carrier>,
    ) -> Result<Committed, MarketError> {
        self.capture_early(&commit).await;
        let owed = owed_by(&commit);
        let committed = match carrier {
            None => context.commit(commit).await,
            Some(Carrier { order, ticket, demand }) => {
                let carried = Box::new(Carried { order, demand, commit });
                self.tickets.ask(ticket, TicketRequest::Carry(carried)).await?.carried()
            }
        };
        if committed == Ok(Committed::Durable) {
            match owed {
                Some((charge, order, None)) => {
                    warn!(%charge, %order, "money was taken for an order that is over; refunding it");
                }
                Some((charge, order, Some(RefundStatus::Failed))) => {
                    error!(%charge, %order, "a bank sent a refund back; the money is still owed");
                }
                _ => {}
            }
        }
        committed
    }

    fn act(&self, effect: OrderEffect) {
        match effect {
            OrderEffect::Charge(effect) => self.charges.act(effect),
            OrderEffect::HoldEnded(ended) => self.relocks.note(ended),
        }
    }

    /// Who pays waits until the charge is decided or the bank wants the buyer.
    fn late_answer(&self, known: &Known) -> Option<Arc<Purchase>> {
        let has_an_answer = |charge: &Charge| {
            charge.status() != ChargeStatus::Created || charge.client_secret().is_some()
        };
        let is_told = known.purchase.charge.as_ref().is_none_or(has_an_answer);
        is_told.then(|| known.purchase.clone())
    }
}

impl Orders {
    /// A deliberate bug.
    async fn capture_early(&self, commit: &Commit) {
        if !planted(Bug::EarlyCapture) {
            return;
        }
        for write in &commit.writes {
            if let Write::Charge(charge) = write
                && matches!(charge.phase, ChargePhase::Capturing { .. })
            {
                let call = ChargeCall { step: GatewayStep::Capture, charge: charge.clone() };
                let timeout = self.context.settings.gateway_timeout;
                let _ = self.charges.perform_within(&call, timeout).await;
            }
        }
    }
}

/// The charge of a commit that the buyer is owed after it, its order, and how a refund stands.
fn owed_by(commit: &Commit) -> Option<(ChargeId, OrderId, Option<RefundStatus>)> {
    commit.writes.iter().find_map(|write| match write {
        Write::Charge(charge) if charge.is_unsettled() => {
            let status = charge.refund.as_ref().map(|refund| refund.status);
            let is_owed = matches!(charge.phase, ChargePhase::Refunding { .. });
            (is_owed || status.is_some()).then_some((charge.id, charge.order, status))
        }
        _ => None,
    })
}

fn charge_asked_about(request: &OrderRequest) -> Option<ChargeId> {
    match request {
        OrderRequest::Report { charge, .. }
        | OrderRequest::BringForward { charge }
        | OrderRequest::GiveUp { charge, .. }
        | OrderRequest::Settle { charge, .. } => Some(*charge),
        OrderRequest::Cancel { .. }
        | OrderRequest::Expire
        | OrderRequest::ShowCancelled
        | OrderRequest::Look
        | OrderRequest::Pay(_) => None,
    }
}

/// Why a charge waits for a person that was begun with another provider or mode.
const OUT_OF_REACH: &str = "it can't be asked about: it was begun with another provider, account or \
                            mode. Go back to that one, or say how it stands: gittix charges settle";
/// Why a charge waits for a person whose refund the bank has sent back.
const REFUND_CAME_BACK: &str = "the bank sent the refund back, and the money is still owed. Pay it \
                                back in another way, then: gittix charges settle";

type Decided = Result<Decision<Orders>, MarketError>;

/// Decides one request. `max_attempts` is how many charges an order may try.
fn decide(known: &Known, request: &OrderRequest, max_attempts: u32, now: Timestamp) -> Decided {
    match request {
        OrderRequest::Cancel { by, expected } => {
            authorise(known, *by)?;
            let command = PurchaseCommand::Cancel { expected: expected.clone() };
            change(known, &command, max_attempts, now)
        }
        OrderRequest::Expire => change(known, &PurchaseCommand::Expire, max_attempts, now),
        OrderRequest::ShowCancelled => {
            change(known, &PurchaseCommand::ShowCancelled, max_attempts, now)
        }
        OrderRequest::Look => Ok(Decision::unchanged(known.purchase.clone())),
        OrderRequest::Pay(payment) => pay(known, payment, max_attempts, now),
        OrderRequest::GiveUp { by, charge } => {
            authorise(known, *by)?;
            let command = PurchaseCommand::GiveUp { charge: *charge };
            change_of(&known.with_charge_asked_about(), &command, max_attempts, now)
        }
        OrderRequest::Settle { charge, finding } => {
            let command = PurchaseCommand::Settle { charge: *charge, finding: *finding };
            change_of(&known.with_charge_asked_about(), &command, max_attempts, now)
        }
        OrderRequest::Report { charge, step, result } => {
            report(known, *charge, *step, result, max_attempts, now)
        }
        OrderRequest::BringForward { charge } => bring_forward(known, *charge, max_attempts, now),
    }
}

/// To others an order is not there.
fn authorise(known: &Known, by: UserId) -> Result<(), MarketError> {
    if known.purchase.order.buyer == by { Ok(()) } else { Err(MarketError::NotFound) }
}

/// Decides what the gateway did not cause. Where nothing changes no call follows: a charge that is
/// being captured or voided is tried again at the reconciler's pace, however often somebody asks.
fn change(known: &Known, command: &PurchaseCommand, max_attempts: u32, now: Timestamp) -> Decided {
    change_of(&known.purchase, command, max_attempts, now)
}

fn change_of(
    before: &Arc<Purchase>,
    command: &PurchaseCommand,
    max_attempts: u32,
    now: Timestamp,
) -> Decided {
    let now = match command {
        PurchaseCommand::Expire if planted(Bug::BlindTimer) => before.order.expires_at,
        _ => now,
    };
    Ok(match before.decide(command, max_attempts, now)? {
        PurchaseDecision::Unchanged => Decision::unchanged(before.clone()),
        PurchaseDecision::Tidy(intent) => {
            Decision::unchanged(before.clone()).then(tidy(before, intent, now))
        }
        PurchaseDecision::Changed(change) => {
            let next = next_call(change.after.charge.as_ref());
            changed(before, *change, now).then(next)
        }
    })
}

fn pay(known: &Known, payment: &Payment, max_attempts: u32, now: Timestamp) -> Decided {
    authorise(known, payment.by)?;
    let Payment { charge, token, account, key, .. } = payment;
    let command = PurchaseCommand::Pay { charge: *charge, token: token.clone(), account: *account };
    let mut decision = change(known, &command, max_attempts, now)?;
    let key = key.as_ref().filter(|_| !planted(Bug::ForgottenKey));
    if let Some(change) = &mut decision.change {
        let remembered = key.map(|key| key.remember(charge));
        change.commit.writes.splice(0..0, remembered);
    }
    Ok(Decision { answer: When::Late, ..decision })
}

/// Applies what the gateway told, and makes the next call unless the last one led nowhere.
fn report(
    known: &Known,
    charge: ChargeId,
    step: Option<GatewayStep>,
    result: &Result<IntentReport, GatewayError>,
    max_attempts: u32,
    now: Timestamp,
) -> Decided {
    let before = known.with_charge_asked_about();
    let returned = step.map(|_| OrderEffect::from(Effect::Returned(charge)));
    let decision = Decision::unchanged(before.clone()).then(returned.clone());
    let result = match result {
        Err(_) if planted(Bug::UnknownIsDeclined) => {
            let declined = IntentFact::Declined(FailureCode::from_gateway("no_answer"));
            Ok(IntentReport::new(None, declined))
        }
        result => result.clone(),
    };
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            return Ok(decision.then(advance(&before, charge, step, Some(error.to_string()))));
        }
    };
    // What is out of reach and can't be ended without knowing waits for a person.
    let waits_for = (report.fact == IntentFact::OutOfReach).then(|| OUT_OF_REACH.to_owned());
    let command = PurchaseCommand::Report { charge, report };
    Ok(match before.decide(&command, max_attempts, now)? {
        PurchaseDecision::Unchanged => decision.then(advance(&before, charge, step, waits_for)),
        PurchaseDecision::Tidy(intent) => {
            let tidied = decision.then(tidy(&before, intent, now));
            tidied.then(advance(&before, charge, step, None))
        }
        PurchaseDecision::Changed(change) => {
            let next = advance(&change.after, charge, step, None);
            changed(&before, *change, now).then(returned).then(next)
        }
    })
}

/// After a start, or a long pause, the order's time may be up: then no card is asked for money any
/// more.
fn bring_forward(known: &Known, charge: ChargeId, max_attempts: u32, now: Timestamp) -> Decided {
    let decision = change(known, &PurchaseCommand::Expire, max_attempts, now)?;
    if known.purchase.order.charge == Some(charge) && decision.change.is_some() {
        return Ok(decision);
    }
    let asked_about = known.with_charge_asked_about();
    Ok(decision.then(next_call(asked_about.charge.as_ref())))
}

/// A change of an order, which its ticket carries if that takes part.
fn changed(before: &Purchase, change: PurchaseChange, now: Timestamp) -> Decision<Orders> {
    let PurchaseChange { after, ticket, events } = change;
    let after = Arc::new(after);
    let order = (after.order != before.order).then(|| Write::Order(after.order.clone()));
    let charge = after.charge.as_ref().filter(|_| after.charge != before.charge).cloned();
    let commit = Commit::at(now).write_if(order).write_if(charge.map(Write::Charge)).events(events);
    let is_let_go = before.order.is_open() && matches!(after.order.state, OrderState::Cancelled(_));
    let place = if is_let_go { ShowOrder::ended(&after.order) } else { None };
    let commit = commit.put_if(place);
    let carrier =
        ticket.map(|demand| Carrier { order: after.order.id, ticket: after.order.ticket, demand });
    let ended = is_let_go.then(|| {
        let Order { buyer, ticket, .. } = after.order;
        OrderEffect::HoldEnded(HoldEnded { buyer, ticket, at: now })
    });
    let is_latest = after.order.charge == after.charge.as_ref().map(|charge| charge.id);
    let known = is_latest.then(|| Known::latest(after.clone()));
    Change { carrier, ..Change::new(commit, known) }.answered(after).then(ended)
}

/// What follows from how the charge stands now that the gateway has spoken.
fn advance(
    purchase: &Purchase,
    charge: ChargeId,
    done: Option<GatewayStep>,
    reason: Option<String>,
) -> Option<OrderEffect> {
    let Some(next) = purchase.next_step() else { return Some(Effect::Settled(charge).into()) };
    // Looking again at once would find the buyer still before their bank.
    if reason.is_some() || Some(next) == done || next == GatewayStep::Retrieve {
        let (within, why) = pace(purchase.charge.as_ref(), reason.is_some());
        let reason = reason.unwrap_or_else(|| why.to_owned());
        let owner = purchase.order.id;
        return Some(Effect::Later { key: charge, owner, reason, within }.into());
    }
    next_call(purchase.charge.as_ref())
}

/// The longest pause before the next look at a charge, and what it waits for.
fn pace(charge: Option<&Charge>, has_failed: bool) -> (Duration, &'static str) {
    const UNDECIDED: &str = "the gateway has not decided yet";
    let Some(charge) = charge else { return (LONGEST_PAUSE, UNDECIDED) };
    if charge.waits_for_a_refund() {
        let has_come_back =
            charge.refund.as_ref().is_some_and(|refund| refund.status == RefundStatus::Failed);
        let why = if has_come_back { REFUND_CAME_BACK } else { "a bank has the refund before it" };
        return (LONGEST_PAUSE_FOR_REFUND, why);
    }
    if charge.is_owed_back {
        return (LONGEST_PAUSE_FOR_REFUND, "a dispute is open, and its money is to be paid back");
    }
    let is_before_the_bank = charge.client_secret().is_some() && !has_failed;
    (if is_before_the_bank { LONGEST_PAUSE_FOR_BUYER } else { LONGEST_PAUSE }, UNDECIDED)
}

/// The call that brings a charge forward; that it needs none any more is worth telling too.
fn next_call(charge: Option<&Charge>) -> Option<OrderEffect> {
    let charge = charge?;
    match charge.next_step() {
        None => Some(Effect::Settled(charge.id).into()),
        Some(GatewayStep::Refund) if planted(Bug::LostRefund) => None,
        Some(step) => Some(Effect::Start(ChargeCall { step, charge: charge.clone() }).into()),
    }
}

/// Cancels a payment intent that nobody needs. Losing this call costs nobody anything, so it is
/// made once and not written down.
fn tidy(purchase: &Purchase, intent: IntentId, now: Timestamp) -> Option<OrderEffect> {
    let charge = purchase.charge.as_ref()?;
    let code = FailureCode::order_cancelled();
    let charge = charge.moved(ChargePhase::Voiding { intent, code }, now);
    Some(Effect::Once(ChargeCall { step: GatewayStep::Cancel, charge }).into())
}

#[async_trait]
impl Recipient<ChargeCall> for Actors<Orders> {
    async fn returned(
        &self,
        call: &ChargeCall,
        outcome: Result<IntentReport, GatewayError>,
    ) -> Told {
        let ChargeCall { step, charge } = call;
        let report = OrderRequest::Report { charge: charge.id, step: Some(*step), result: outcome };
        Ok(self.tell(charge.order, report).await?.map(|_| ()))
    }

    async fn bring_forward(&self, order: OrderId, charge: ChargeId) -> Told {
        Ok(self.tell(order, OrderRequest::BringForward { charge }).await?.map(|_| ()))
    }
}

#[cfg(test)]
mod tests;
