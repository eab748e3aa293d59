//! Passes: sellers add them, and everybody tries to open everybody's.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::http::Method;
use futures_util::FutureExt as _;
use gittix::domain::{ChargeStatus, OrderState, OrderView, TicketId, TicketStatus, UserId};
use serde_json::{Value, json};

use super::client::{Account, Worker};
use super::http;
use super::model::{Model, Span};
use super::record::Violation;

/// Nothing may take longer, whatever goes wrong.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A pass that somebody has added and was told of.
#[derive(Debug, Clone)]
pub struct KnownPass {
    id: String,
    ticket: TicketId,
    seller: UserId,
    code: String,
    /// Whether nobody else has added the same code.
    is_only: bool,
}

impl Worker {
    /// Adds a pass, or tries to open one. What for is decided by a chance of its own, so that all else a
    /// seed decides stays as it is.
    pub async fn trade_passes(&self, account: &Account) {
        let adds = {
            let client = &mut *self.life.world.client(self.number);
            client.pass_rng.chance(450)
        };
        if adds { self.add_pass(account).await } else { self.open_pass(account).await }
    }

    async fn add_pass(&self, account: &Account) {
        let world = &self.life.world;
        let tickets: Vec<TicketId> = {
            let model = world.model();
            let tickets = model.tickets.iter().rev().take(8);
            let is_own = |ticket: &&gittix::domain::Ticket| ticket.seller == account.id;
            let own = tickets.filter(|(_, past)| {
                past.now().and_then(Option::as_ref).as_ref().is_some_and(is_own)
            });
            own.map(|(id, _)| *id).collect()
        };
        let (ticket, code, is_only) = {
            let client = &mut *world.client(self.number);
            let Some(ticket) = client.pass_rng.pick(&tickets).copied() else { return };
            client.passes += 1;
            let is_only = client.pass_rng.chance(800);
            let own = format!("CODE-{}-{}", self.number, client.passes);
            let shared = format!("SHARED-{}", client.pass_rng.below(3));
            (ticket, if is_only { own } else { shared }, is_only)
        };
        let path = format!("/api/tickets/{ticket}/passes");
        let body = json!({"code": code, "format": "qr"});
        let Some((status, answer)) = self.calls(account, Method::POST, &path, Some(body)).await
        else {
            return;
        };
        world.record.count("operations: add a pass");
        match status {
            201 => {
                let id = answer["id"].as_str().unwrap_or_default().to_owned();
                let seller = account.id;
                world.passes().push(KnownPass { id, ticket, seller, code, is_only });
            }
            404 | 409 => {}
            500..=599 => {}
            _ => self.is_strange(&path, status, &answer),
        }
    }

    async fn open_pass(&self, account: &Account) {
        let world = &self.life.world;
        let pass = {
            let client = &mut *world.client(self.number);
            let passes = world.passes();
            let recent = passes.len().saturating_sub(6);
            client.pass_rng.pick(&passes[recent..]).cloned()
        };
        let Some(pass) = pass else { return };
        self.life.sync().await;
        let from = world.model().last_seq();
        let path = format!("/api/passes/{}", pass.id);
        let Some((status, answer)) = self.calls(account, Method::GET, &path, None).await else {
            return;
        };
        world.record.count("operations: open a pass");
        let model = world.model();
        let span = Span { from, to: model.last_seq() };
        let mut moments = span.from..=span.to;
        let who = account.id;
        let told = |why: &str| format!("{why}: {who} was answered {status} {answer} for {pass:?}");
        match status {
            200 if answer["code"] != pass.code.as_str() => {
                let why = told("it holds something else");
                world.record.violate(Violation::new("a pass holds what was added", why));
            }
            200 if !moments.any(|seq| may_open(&model, &pass, who, seq)) => {
                let why = told("it is somebody else's");
                let rule = "a pass is opened by its seller, and then by its buyer";
                world.record.violate(Violation::new(rule, why));
            }
            404 if moments.all(|seq| must_open(&model, &pass, who, seq)) => {
                let why = told("it is theirs");
                world.record.violate(Violation::new("whoever has a pass can open it", why));
            }
            200 | 404 | 500..=599 => {}
            _ => self.is_strange(&path, status, &answer),
        }
    }

    fn is_strange(&self, path: &str, status: u16, answer: &Value) {
        let strange = format!("{path} was answered {status} {answer}");
        let violation = Violation::new("the API answers as documented", strange);
        self.life.world.record.violate(violation);
    }

    /// `None` if nobody hears the answer, or a panic that was made to happen has taken its place.
    async fn calls(
        &self,
        account: &Account,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<(u16, Value)> {
        let life = &self.life;
        let call = http::call(&life.app.router, &account.token, method, path, body);
        let outcome = tokio::time::timeout(ANSWER_WITHIN, AssertUnwindSafe(call).catch_unwind());
        let outcome = outcome.await;
        if life.power.is_off() {
            // Nobody hears what a dead process says.
            std::future::pending::<()>().await;
        }
        life.sync().await;
        match outcome {
            Ok(Ok(Ok(answer))) => Some(answer),
            Ok(Ok(Err(strange))) => {
                let violation = Violation::new("the API answers as documented", strange);
                life.world.record.violate(violation);
                None
            }
            Ok(Err(_)) => None,
            Err(_) => {
                let violation = Violation::new("every request is answered", path);
                life.world.record.violate(violation);
                None
            }
        }
    }
}

/// The orders for a ticket that were paid at that moment, with whom they let in.
fn sales(model: &Model, ticket: TicketId, seq: u64) -> impl Iterator<Item = &OrderView> {
    let all = model.orders.values().filter_map(move |past| past.at(seq));
    all.filter(move |view| view.order.ticket == ticket && view.order.state == OrderState::Completed)
}

/// Whether all of a ticket was sold at that moment.
fn is_sold(model: &Model, ticket: TicketId, seq: u64) -> bool {
    let ticket = model.tickets.get(&ticket).and_then(|past| past.at(seq)?.as_ref());
    ticket.is_none_or(|ticket| ticket.status() == TicketStatus::Sold)
}

/// Whether somebody could have been shown a pass at that moment. Of a ticket with several seats any buyer
/// may have it, and its seller until all are sold.
fn may_open(model: &Model, pass: &KnownPass, who: UserId, seq: u64) -> bool {
    if pass.seller == who && !is_sold(model, pass.ticket, seq) {
        return true;
    }
    sales(model, pass.ticket, seq).any(|view| {
        let refund = view.charge.as_ref().and_then(|charge| charge.refund.as_ref());
        let is_paid_back = refund.is_some_and(gittix::domain::Refund::has_succeeded);
        view.order.buyer == who && !is_paid_back
    })
}

/// Whether somebody must have been shown a pass at that moment: a ticket of one seat leaves no doubt, nor
/// does a code that nobody sells on.
fn must_open(model: &Model, pass: &KnownPass, who: UserId, seq: u64) -> bool {
    let ticket = model.tickets.get(&pass.ticket).and_then(|past| past.at(seq)?.as_ref());
    let Some(ticket) = ticket.filter(|ticket| pass.is_only && !ticket.has_several()) else {
        return false;
    };
    if ticket.status() != TicketStatus::Sold {
        return ticket.seller == who;
    }
    sales(model, pass.ticket, seq).any(|view| {
        let is_settled = view.charge.as_ref().is_some_and(|charge| {
            let is_undisputed = charge.refund.is_none() && charge.dispute.is_none();
            charge.status == ChargeStatus::Completed && is_undisputed
        });
        view.order.buyer == who && is_settled
    })
}
