//! One order with its charges: cancels, expires, pays, and follows its gateway calls.
//!
//! The actor never waits for the gateway. A call runs in a task of its own and comes back as a
//! [`OrderRequest::Report`], which is applied to what is stored by then. Until a call has come
//! back no other is started for the same charge.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tracing::{info, warn};

use super::calls::{call_gateway, perform};
use super::context::{Committed, Context, MAX_REDECISIONS};
use super::directory::{Hold, Letter, OpenReply, Presence, Reply};
use super::error::MarketError;
use super::reconciler::{LONGEST_PAUSE, LONGEST_PAUSE_FOR_BUYER};
use super::ticket::{IdempotencyKey, Loaded, Settlement, TicketRequest};
use crate::bugs::{Bug, planted};
use crate::domain::{
    Answer, Charge, ChargeId, ChargePhase, ChargeStatus, Commit, ExpectedVersion, FailureCode,
    GatewayStep, IntentFact, IntentId, IntentReport, OrderId, PaymentToken, Purchase,
    PurchaseChange, PurchaseCommand, PurchaseDecision, Timestamp, UserId, Write,
};
use crate::payments::GatewayError;

/// What an order's actor can be asked.
pub enum OrderRequest {
    /// The buyer gives the ticket back. Answered once that is durable.
    Cancel {
        /// Who asks.
        by: UserId,
        /// Which versions of the order are meant.
        expected: ExpectedVersion,
        /// Where the answer goes.
        reply: Reply<Result<(), MarketError>>,
    },
    /// The deadline may have passed. Answered once what follows is durable.
    Expire {
        /// Where the answer goes.
        reply: Reply<Result<(), MarketError>>,
    },
    /// The buyer pays. Answered once the charge is decided or waits for the buyer.
    Pay {
        /// The payment.
        payment: Payment,
        /// Where the answer goes.
        reply: Reply<Result<Purchase, MarketError>>,
    },
    /// A gateway call came back.
    Report {
        /// The charge it was made for.
        charge: ChargeId,
        /// What was asked of the gateway; `None` if nothing was and it spoke first.
        step: Option<GatewayStep>,
        /// What it answered.
        result: Result<IntentReport, GatewayError>,
        /// Where the answer goes, once the effect is durable.
        reply: Reply<Result<(), MarketError>>,
    },
    /// A charge may need its next gateway call.
    BringForward {
        /// The charge.
        charge: ChargeId,
        /// Where the answer goes, once the call has been started.
        reply: Reply<Result<(), MarketError>>,
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
    /// The buyer's idempotency key, if one came with the request.
    pub key: Option<IdempotencyKey>,
}

/// Handles the requests to one order, one at a time.
pub struct OrderActor {
    context: Arc<Context>,
}

impl OrderActor {
    /// An actor that reads, writes and calls the gateway through the context.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

/// What an order's actor remembers between requests.
pub struct OrderActorState {
    presence: Presence<OrderId, OrderRequest>,
    purchase: Loaded<Purchase>,
    /// Buyers who wait for their payment's outcome.
    waiters: Vec<Waiter>,
    /// Charges for which a gateway call is under way.
    calls: BTreeSet<ChargeId>,
}

struct Waiter {
    reply: OpenReply<Result<Purchase, MarketError>>,
    /// Keeps this actor awake, for the reply port is in its memory.
    _hold: Hold<OrderId>,
}

impl Actor for OrderActor {
    type Msg = Letter<OrderId, OrderRequest>;
    type State = OrderActorState;
    type Arguments = Presence<OrderId, OrderRequest>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        presence: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(OrderActorState {
            presence,
            purchase: Loaded::No,
            waiters: Vec::new(),
            calls: BTreeSet::new(),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if state.presence.turn_to(letter.to) {
            state.purchase = Loaded::No;
            // Both keep the actor with their order, but for a call whose task has panicked.
            state.waiters.clear();
            state.calls.clear();
        }
        let hold = letter.hold;
        match letter.body {
            OrderRequest::Cancel { by, expected, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.cancel(state, by, expected, &hold).await);
            }
            OrderRequest::Expire { reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.expire(state, &hold).await);
            }
            OrderRequest::Pay { payment, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                match self.pay(state, payment).await {
                    Ok(()) => {
                        state.waiters.push(Waiter { reply, _hold: hold.clone() });
                        self.follow_up(state, &hold);
                    }
                    Err(error) => reply.send(Err(error)),
                }
            }
            OrderRequest::Report { charge, step, result, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.report(state, charge, step, result, &hold).await);
            }
            OrderRequest::BringForward { charge, reply } => {
                let Some(reply) = reply.open() else { return Ok(()) };
                reply.send(self.bring_forward(state, charge, &hold).await);
            }
        }
        Ok(())
    }
}

impl OrderActor {
    async fn cancel(
        &self,
        state: &mut OrderActorState,
        by: UserId,
        expected: ExpectedVersion,
        hold: &Hold<OrderId>,
    ) -> Result<(), MarketError> {
        self.authorise(state, by).await?;
        self.end(state, &PurchaseCommand::Cancel { expected }, hold).await
    }

    async fn expire(
        &self,
        state: &mut OrderActorState,
        hold: &Hold<OrderId>,
    ) -> Result<(), MarketError> {
        self.end(state, &PurchaseCommand::Expire, hold).await
    }

    /// Where nothing changes no call follows: a charge that is being captured or voided is
    /// tried again at the reconciler's pace, however often somebody asks.
    async fn end(
        &self,
        state: &mut OrderActorState,
        command: &PurchaseCommand,
        hold: &Hold<OrderId>,
    ) -> Result<(), MarketError> {
        if self.change(state, None, command, None).await? == Outcome::Changed {
            self.follow_up(state, hold);
        }
        Ok(())
    }

    async fn pay(&self, state: &mut OrderActorState, payment: Payment) -> Result<(), MarketError> {
        self.authorise(state, payment.by).await?;
        let Payment { charge, token, key, .. } = payment;
        let key = key.filter(|_| !planted(Bug::ForgottenKey));
        let remembered = key.map(|key| key.remember(Answer::ChargeBegun(charge)));
        self.change(state, None, &PurchaseCommand::Pay { charge, token }, remembered).await?;
        Ok(())
    }

    async fn report(
        &self,
        state: &mut OrderActorState,
        charge: ChargeId,
        step: Option<GatewayStep>,
        result: Result<IntentReport, GatewayError>,
        hold: &Hold<OrderId>,
    ) -> Result<(), MarketError> {
        if step.is_some() {
            state.calls.remove(&charge);
        }
        let result = match result {
            Err(_) if planted(Bug::UnknownIsDeclined) => Ok(IntentReport {
                intent: None,
                fact: IntentFact::Declined(FailureCode::from_gateway("no_answer")),
            }),
            result => result,
        };
        let reason = match result {
            Ok(report) => {
                let command = PurchaseCommand::Report { charge, report };
                match self.change(state, Some(charge), &command, None).await {
                    Ok(_) => None,
                    Err(error) => {
                        self.try_later(state, charge, error.to_string(), LONGEST_PAUSE);
                        return Err(error);
                    }
                }
            }
            Err(error) => Some(error.to_string()),
        };
        self.advance(state, charge, step, reason, hold).await
    }

    async fn bring_forward(
        &self,
        state: &mut OrderActorState,
        charge: ChargeId,
        hold: &Hold<OrderId>,
    ) -> Result<(), MarketError> {
        // After a start, or a long pause, the order's time may be up: then no card is asked for
        // money any more.
        self.change(state, None, &PurchaseCommand::Expire, None).await?;
        self.answer_waiters(state);
        let purchase = self.load(state, Some(charge)).await?;
        self.start_next(state, &purchase, hold);
        Ok(())
    }

    /// Answers who waits and makes the next call, unless the last one led nowhere.
    async fn advance(
        &self,
        state: &mut OrderActorState,
        charge: ChargeId,
        done: Option<GatewayStep>,
        reason: Option<String>,
        hold: &Hold<OrderId>,
    ) -> Result<(), MarketError> {
        self.answer_waiters(state);
        let purchase = self.load(state, Some(charge)).await?;
        match purchase.next_step() {
            None => self.context.settled(charge),
            // Looking again at once would find the buyer still before their bank.
            Some(next)
                if reason.is_some() || Some(next) == done || next == GatewayStep::Retrieve =>
            {
                let waits_for_buyer = reason.is_none() && next == GatewayStep::Retrieve;
                let within = if waits_for_buyer { LONGEST_PAUSE_FOR_BUYER } else { LONGEST_PAUSE };
                let reason = reason.unwrap_or_else(|| "the gateway has not decided yet".to_owned());
                self.try_later(state, charge, reason, within);
            }
            Some(_) => self.start_next(state, &purchase, hold),
        }
        Ok(())
    }

    fn try_later(
        &self,
        state: &OrderActorState,
        charge: ChargeId,
        reason: String,
        within: Duration,
    ) {
        self.context.reconcile_later(charge, state.presence.id(), reason, within);
    }

    /// After a change that the gateway did not cause: answers who waits and makes the next call.
    fn follow_up(&self, state: &mut OrderActorState, hold: &Hold<OrderId>) {
        self.answer_waiters(state);
        if let Loaded::Yes(purchase) = &state.purchase {
            let purchase = purchase.clone();
            self.start_next(state, &purchase, hold);
        }
    }

    fn answer_waiters(&self, state: &mut OrderActorState) {
        if let Loaded::Yes(purchase) = &state.purchase
            && purchase.charge.as_ref().is_none_or(has_an_answer)
        {
            for waiter in state.waiters.drain(..) {
                waiter.reply.send(Ok(purchase.clone()));
            }
        }
    }

    /// Starts the charge's next gateway call, unless one is under way.
    fn start_next(&self, state: &mut OrderActorState, purchase: &Purchase, hold: &Hold<OrderId>) {
        let Some(charge) = &purchase.charge else { return };
        let Some(step) = charge.next_step() else {
            self.context.settled(charge.id);
            return;
        };
        if planted(Bug::LostRefund) && step == GatewayStep::Refund {
            return;
        }
        if state.calls.insert(charge.id) {
            let (context, charge) = (self.context.clone(), charge.clone());
            tokio::spawn(call_gateway(context, step, charge, hold.clone()));
        }
    }

    async fn authorise(&self, state: &mut OrderActorState, by: UserId) -> Result<(), MarketError> {
        let purchase = self.load(state, None).await?;
        if purchase.order.buyer == by { Ok(()) } else { Err(MarketError::NotFound) }
    }

    /// Decides, commits and adopts. `about` names the charge that the command is about, if it
    /// may be another than the latest.
    async fn change(
        &self,
        state: &mut OrderActorState,
        about: Option<ChargeId>,
        command: &PurchaseCommand,
        extra: Option<Write>,
    ) -> Result<Outcome, MarketError> {
        for _ in 0..MAX_REDECISIONS {
            let before = self.load(state, about).await?;
            let now = match command {
                PurchaseCommand::Expire if planted(Bug::BlindTimer) => before.order.expires_at,
                _ => self.context.now(),
            };
            let max_attempts = self.context.settings.max_attempts;
            let change = match before.decide(command, max_attempts, now)? {
                PurchaseDecision::Unchanged => return Ok(Outcome::Unchanged),
                PurchaseDecision::Tidy(intent) => {
                    self.tidy(&before, intent, now);
                    return Ok(Outcome::Unchanged);
                }
                PurchaseDecision::Changed(change) => *change,
            };
            if planted(Bug::EarlyCapture)
                && let Some(charge) = &change.after.charge
                && matches!(charge.phase, ChargePhase::Capturing { .. })
            {
                let _ = self.context.gateway.perform(GatewayStep::Capture, charge).await;
            }
            // Until the commit is certain, the row and not this memory is the truth.
            state.purchase = Loaded::No;
            let after = change.after.clone();
            match self.commit(&before, change, extra.clone(), now).await? {
                Committed::Durable => {
                    self.log_outcome(&after);
                    if after.order.charge == after.charge.as_ref().map(|charge| charge.id) {
                        state.purchase = Loaded::Yes(after);
                    }
                    return Ok(Outcome::Changed);
                }
                Committed::Stale => {}
            }
        }
        Err(MarketError::Internal("the order kept changing under its only actor".to_owned()))
    }

    async fn commit(
        &self,
        before: &Purchase,
        change: PurchaseChange,
        extra: Option<Write>,
        now: Timestamp,
    ) -> Result<Committed, MarketError> {
        let mut writes: Vec<Write> = extra.into_iter().collect();
        if change.after.order != before.order {
            writes.push(Write::Order(change.after.order.clone()));
        }
        if change.after.charge != before.charge {
            writes.extend(change.after.charge.clone().map(Write::Charge));
        }
        let Some(demand) = change.ticket else {
            let commit = Commit { writes, ..Commit::at(now).events(change.events) };
            return self.context.commit(commit).await;
        };
        let ticket = change.after.order.ticket;
        let settlement = Box::new(Settlement { change, demand, at: now, writes });
        let settle = |reply| TicketRequest::Settle { settlement: settlement.clone(), reply };
        self.context.ask_ticket(ticket, settle).await?
    }

    async fn load(
        &self,
        state: &mut OrderActorState,
        about: Option<ChargeId>,
    ) -> Result<Purchase, MarketError> {
        let id = state.presence.id();
        let purchase = match &state.purchase {
            Loaded::Yes(purchase) => purchase.clone(),
            Loaded::No => {
                let read = self.context.store.purchase(id).await?;
                let purchase = read.ok_or(MarketError::NotFound)?;
                state.purchase = Loaded::Yes(purchase.clone());
                purchase
            }
        };
        match about {
            Some(charge) if purchase.order.charge != Some(charge) => {
                let earlier = self.context.store.charge(charge).await?;
                let earlier = earlier.filter(|charge| charge.order == id);
                let charge = Some(earlier.ok_or(MarketError::NotFound)?);
                Ok(Purchase { order: purchase.order, charge })
            }
            _ => Ok(purchase),
        }
    }

    /// Cancels a payment intent that nobody needs. Losing this call costs nobody anything, so
    /// it is made once and not written down.
    fn tidy(&self, purchase: &Purchase, intent: IntentId, now: Timestamp) {
        let Some(charge) = &purchase.charge else { return };
        let code = FailureCode::order_cancelled();
        let charge = charge.moved(ChargePhase::Voiding { intent, code }, now);
        let context = self.context.clone();
        tokio::spawn(async move {
            if let Err(error) = perform(&context, GatewayStep::Cancel, &charge).await {
                info!(charge = %charge.id, %error, "a stray payment intent was not cancelled");
            }
        });
    }

    fn log_outcome(&self, after: &Purchase) {
        let Some(charge) = &after.charge else { return };
        if matches!(charge.phase, ChargePhase::Refunding { .. }) {
            warn!(
                charge = %charge.id,
                order = %after.order.id,
                "money was taken for an order that is over; refunding it"
            );
        }
    }
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Changed,
    Unchanged,
}

/// Whether a buyer who waits for the charge can be told something.
fn has_an_answer(charge: &Charge) -> bool {
    charge.status() != ChargeStatus::Created || charge.client_secret().is_some()
}
