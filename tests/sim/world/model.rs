//! What may be seen: the event log replayed, one rule after the other.
//!
//! The log is the order in which everything took effect. So every state that a client is told
//! must be one that the log passes through while the client waited: that is what makes the
//! history of each ticket and order linearizable, with the log as its witness.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gittix::domain::{
    Allotment, CancelReason, ChargeId, ChargeStatus, ChargeView, DisputeStatus, Event, FailureCode,
    LoggedEvent, Order, OrderId, OrderState, OrderView, PartState, Refund, RefundStatus, SeatSet,
    Split, Ticket, TicketId, TicketState, UserEvent, UserId, UserView, Version,
};

use super::plan::Plan;
use super::record::Violation;
use super::store::Writes;

/// The states of one thing, each with the number of the event from which on it held.
#[derive(Debug, Clone)]
pub struct Past<T>(Vec<(u64, T)>);

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Past<T> {
    fn push(&mut self, seq: u64, state: T) {
        self.0.push((seq, state));
    }

    /// How it stands now.
    pub fn now(&self) -> Option<&T> {
        self.0.last().map(|(_, state)| state)
    }

    /// How it stood right after that event.
    pub fn at(&self, seq: u64) -> Option<&T> {
        self.0.iter().rev().find(|(since, _)| *since <= seq).map(|(_, state)| state)
    }

    /// Every state it was in from right after event `from` to right after event `to`; `None`
    /// first if it did not exist yet.
    pub fn during(&self, from: u64, to: u64) -> impl Iterator<Item = Option<&T>> {
        let first = self.0.iter().rev().find(|(seq, _)| *seq <= from).map(|(_, state)| state);
        let rest = self.0.iter().filter(move |(seq, _)| from < *seq && *seq <= to);
        std::iter::once(first).chain(rest.map(|(_, state)| Some(state)))
    }
}

/// A span of the log: from what was visible when a request was made to what was visible when it
/// was answered.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The last event before the request.
    pub from: u64,
    /// The last event before the answer.
    pub to: u64,
}

/// The marketplace as the log tells it.
pub struct Model {
    hold_ms: i64,
    max_open: u32,
    max_attempts: u32,
    /// How often a buyer may let go of a ticket before they have to wait for it.
    pub relock_free: u32,
    fee_basis_points: u32,
    log: Vec<LoggedEvent>,
    /// Withdrawn tickets are `None`.
    pub tickets: BTreeMap<TicketId, Past<Option<Ticket>>>,
    /// Orders with their latest charge.
    pub orders: BTreeMap<OrderId, Past<OrderView>>,
    /// Charges.
    pub charges: BTreeMap<ChargeId, Past<ChargeView>>,
    /// Accounts. The log does not tell their addresses, but what was written does; it is not certain
    /// which of several it was if these were decided in the same moment.
    pub users: BTreeMap<UserId, Past<Vec<UserView>>>,
    writes: Arc<Writes>,
    /// How many orders each buyer has open.
    pub open: BTreeMap<UserId, Past<u32>>,
    /// Who has each address, in lower case.
    pub emails: BTreeMap<String, Past<Option<UserId>>>,
    /// What changed since the last look at the whole.
    touched: BTreeSet<TicketId>,
}

type Checked = Result<(), Violation>;

fn rule(holds: bool, rule: &'static str, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation::new(rule, detail())) }
}

impl Model {
    /// An empty marketplace.
    pub fn new(plan: &Plan, writes: Arc<Writes>) -> Self {
        Self {
            hold_ms: i64::try_from(plan.hold.as_millis()).unwrap_or(i64::MAX),
            max_open: plan.max_open_per_user,
            max_attempts: plan.max_attempts,
            fee_basis_points: plan.fee_basis_points,
            relock_free: plan.relock_free(),
            log: Vec::new(),
            tickets: BTreeMap::new(),
            orders: BTreeMap::new(),
            charges: BTreeMap::new(),
            users: BTreeMap::new(),
            writes,
            open: BTreeMap::new(),
            emails: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// The number of the last event.
    pub fn last_seq(&self) -> u64 {
        self.log.last().map_or(0, |event| event.seq)
    }

    /// The log.
    pub fn log(&self) -> &[LoggedEvent] {
        &self.log
    }

    /// The events of a span.
    pub fn events(&self, span: Span) -> impl Iterator<Item = &LoggedEvent> {
        self.log.iter().filter(move |event| span.from < event.seq && event.seq <= span.to)
    }

    /// Takes up events that follow the last one, up to the end of a batch of commits.
    pub fn take_up(&mut self, events: Vec<LoggedEvent>) -> Checked {
        for event in events {
            let expected = self.last_seq() + 1;
            rule(event.seq == expected, "event numbers have no gaps", || {
                format!("expected event {expected}, found {event:?}")
            })?;
            self.log.push(event.clone());
            self.apply(&event)?;
        }
        self.check_whole()
    }

    fn apply(&mut self, logged: &LoggedEvent) -> Checked {
        let seq = logged.seq;
        match &logged.event {
            Event::UserCreated(user)
            | Event::UserUpdated(user)
            | Event::UserVerified(user)
            | Event::RoleGranted(user)
            | Event::RoleRevoked(user)
            | Event::TotpEnabled(user)
            | Event::TotpDisabled(user) => self.account(seq, user, logged),
            Event::TokenCreated(_)
            | Event::TokenRevoked(_)
            | Event::PassAdded(_)
            | Event::PassRemoved(_) => Ok(()),
            Event::TicketCreated(ticket) => {
                let is_new = !self.tickets.contains_key(&ticket.id);
                let is_fresh =
                    ticket.version == Version::FIRST && ticket.free() == ticket.listing().all();
                rule(is_new && is_fresh, "a ticket begins available", || format!("{logged:?}"))?;
                self.see_ticket(seq, ticket.id, Some(ticket.clone()));
                Ok(())
            }
            Event::TicketUpdated(ticket) | Event::TicketClosed(ticket) => {
                self.ticket_changes(seq, ticket, logged)
            }
            Event::TicketDeleted(ticket) => {
                let before = self.ticket(ticket.id);
                let may = before.is_some_and(|before| {
                    before.free() == before.listing().all()
                        && before.version.next() == ticket.version
                });
                rule(may, "only an available ticket is withdrawn", || format!("{logged:?}"))?;
                self.see_ticket(seq, ticket.id, None);
                Ok(())
            }
            Event::VenueCreated(_)
            | Event::VenueUpdated(_)
            | Event::VenueDeleted(_)
            | Event::ShowCreated(_)
            | Event::ShowUpdated(_)
            | Event::ShowPostponed(_)
            | Event::ShowCancelled(_)
            | Event::ShowOver(_)
            | Event::ShowDeleted(_) => {
                Err(Violation::new("nobody here adds venues or shows", format!("{logged:?}")))
            }
            Event::OrderCreated(view) => self.order_begins(seq, view, logged),
            Event::OrderAwaitingPayment(view)
            | Event::OrderCompleted(view)
            | Event::OrderCancelled(view)
            | Event::OrderExpired(view) => self.order_changes(seq, view, logged),
            Event::ChargeCreated(charge) => {
                let order = self.order(charge.order);
                let may = !self.charges.contains_key(&charge.id)
                    && charge.status == ChargeStatus::Created
                    && order.is_some_and(|view| view.order.is_open());
                rule(may, "a charge begins while its order is open", || format!("{logged:?}"))?;
                let in_time = order.is_some_and(|view| logged.at < view.order.expires_at);
                rule(in_time, "no payment begins past the deadline", || format!("{logged:?}"))?;
                let is_whole = order.is_some_and(|view| charge.amount == view.order.total());
                rule(is_whole, "a charge is over what its order costs", || format!("{logged:?}"))?;
                self.see_charge(seq, charge);
                Ok(())
            }
            Event::ChargeCompleted(charge)
            | Event::ChargeFailed(charge)
            | Event::ChargeRefunded(charge)
            | Event::ChargeDisputed(charge)
            | Event::ChargeUpdated(charge)
            | Event::RefundRequested(charge) => self.charge_changes(seq, charge, logged),
        }
    }

    fn account(&mut self, seq: u64, user: &UserEvent, logged: &LoggedEvent) -> Checked {
        let written = self.writes.accounts(user, logged.at);
        rule(!written.is_empty(), "what is told was written", || format!("{logged:?}"))?;
        let addresses = |views: &[UserView]| -> BTreeSet<String> {
            views.iter().map(|view| view.email.as_str().to_lowercase()).collect()
        };
        let (before, after) = (self.users.get(&user.id).and_then(Past::now), addresses(&written));
        let holder = |address: &String| {
            let holder = self.emails.get(address).and_then(Past::now).copied().flatten();
            holder.filter(|holder| *holder != user.id)
        };
        let is_free = after.iter().any(|address| holder(address).is_none());
        rule(is_free, "an address belongs to one account", || format!("{written:?}"))?;
        for before in before.map(|views| addresses(views)).unwrap_or_default() {
            self.emails.entry(before).or_default().push(seq, None);
        }
        if let (Some(address), 1) = (after.first(), after.len()) {
            self.emails.entry(address.clone()).or_default().push(seq, Some(user.id));
        }
        self.users.entry(user.id).or_default().push(seq, written);
        Ok(())
    }

    /// Whether an account may have had an address right after an event.
    pub fn had_address(&self, user: UserId, seq: u64, address: &str) -> bool {
        let views = self.users.get(&user).and_then(|past| past.at(seq));
        views.is_some_and(|views| views.iter().any(|view| view.email.as_str() == address))
    }

    /// Whether some account may have had an address at some time in a span: of two changes that are
    /// decided at the same moment, it is not known which of them was written.
    pub fn may_be_in_use(&self, address: &str, span: Span) -> bool {
        let address = address.to_lowercase();
        let has_it = |views: &Vec<UserView>| {
            views.iter().any(|view| view.email.as_str().to_lowercase() == address)
        };
        self.users.values().any(|past| past.during(span.from, span.to).flatten().any(has_it))
    }

    fn ticket_changes(&mut self, seq: u64, after: &Ticket, logged: &LoggedEvent) -> Checked {
        use TicketState::{Available, Locked, Several, Sold};
        let Some(before) = self.ticket(after.id) else {
            return Err(Violation::new("only a listed ticket changes", format!("{logged:?}")));
        };
        let follows = before.version.next() == after.version;
        rule(follows, "versions have no gaps", || format!("{before:?}, then {logged:?}"))?;
        let may = match (&before.state, &after.state) {
            (Available, Available) => before.title != after.title || before.price != after.price,
            (Available, Locked { .. }) => true,
            (Locked { .. }, Available) => true,
            (Locked { order, .. }, Sold { order: buyer }) => order == buyer,
            (Several(before), Several(after)) => seats_move_as_they_may(before, after),
            (Locked { .. }, Locked { .. })
            | (Available, Sold { .. })
            | (Sold { .. }, Available | Locked { .. } | Sold { .. })
            | (Several(_), Available | Locked { .. } | Sold { .. })
            | (Available | Locked { .. } | Sold { .. }, Several(_)) => false,
        };
        rule(may, "a ticket moves as it may", || format!("{before:?}, then {logged:?}"))?;
        let is_edit = match (&before.state, &after.state) {
            (Several(before), Several(after)) => before == after,
            states => matches!(states, (Available, Available)),
        };
        let keeps = is_edit || (before.title == after.title && before.price == after.price);
        rule(keeps, "only an edit changes what a ticket is", || format!("{logged:?}"))?;
        self.see_ticket(seq, after.id, Some(after.clone()));
        Ok(())
    }

    fn order_begins(&mut self, seq: u64, view: &OrderView, logged: &LoggedEvent) -> Checked {
        let order = &view.order;
        let is_fresh = !self.orders.contains_key(&order.id)
            && order.version == Version::FIRST
            && order.state == OrderState::Created
            && view.charge.is_none();
        rule(is_fresh, "an order begins without a charge", || format!("{logged:?}"))?;
        let is_held = order.expires_at.as_millis() - logged.at.as_millis() == self.hold_ms;
        rule(is_held, "an order has the whole hold to be paid", || format!("{logged:?}"))?;
        let ticket = self.ticket(order.ticket);
        let may = ticket.is_some_and(|ticket| {
            ticket.seller != order.buyer
                && ticket.price == order.price
                && ticket.title == order.title
        });
        rule(may, "an order takes a ticket as it is", || format!("{ticket:?}, then {logged:?}"))?;
        let is_split_well = ticket.is_some_and(|ticket| is_split_well(ticket, order.quantity()));
        rule(is_split_well, "an order leaves what the seller wants left", || {
            format!("{ticket:?}, then {logged:?}")
        })?;
        let price = order.price.minor();
        let fee = (price * u64::from(self.fee_basis_points) + 5_000) / 10_000;
        let total = (price + fee) * u64::from(order.quantity());
        rule(order.total().minor() == total, "an order costs price and fee of each seat", || {
            format!("{total} in {logged:?}")
        })?;
        let open = self.open_orders(order.buyer);
        let limit = self.max_open;
        rule(open < limit, "no buyer has too many open orders", || format!("{logged:?}"))?;
        self.open.entry(order.buyer).or_default().push(seq, open + 1);
        self.see_order(seq, view);
        Ok(())
    }

    fn order_changes(&mut self, seq: u64, after: &OrderView, logged: &LoggedEvent) -> Checked {
        let Some(before) = self.order(after.order.id).map(|view| view.order.clone()) else {
            return Err(Violation::new(
                "only an order that was made changes",
                format!("{logged:?}"),
            ));
        };
        let order = &after.order;
        let follows = before.version.next() == order.version;
        rule(follows, "versions have no gaps", || format!("{before:?}, then {logged:?}"))?;
        let was_open = before.is_open();
        let may = match order.state {
            OrderState::Created => false,
            OrderState::AwaitingPayment => was_open,
            OrderState::Completed | OrderState::Cancelled(_) => {
                was_open || before.state == order.state
            }
        };
        rule(may, "an order moves as it may", || format!("{before:?}, then {logged:?}"))?;
        let keeps = (before.ticket, before.buyer, before.price, before.expires_at)
            == (order.ticket, order.buyer, order.price, order.expires_at);
        rule(keeps, "nothing moves an order's price or deadline", || format!("{logged:?}"))?;
        let attempts = order.attempts <= self.max_attempts;
        rule(attempts, "no order has too many attempts", || format!("{logged:?}"))?;
        if was_open && !order.is_open() {
            self.order_ends(seq, after, logged)?;
        }
        self.see_order(seq, after);
        Ok(())
    }

    fn order_ends(&mut self, seq: u64, view: &OrderView, logged: &LoggedEvent) -> Checked {
        let order = &view.order;
        let open = self.open_orders(order.buyer);
        self.open.entry(order.buyer).or_default().push(seq, open.saturating_sub(1));
        let charge = view.charge.as_ref().map(|charge| charge.status);
        let is_over = logged.at >= order.expires_at;
        match order.state {
            OrderState::Created | OrderState::AwaitingPayment => Ok(()),
            OrderState::Completed => {
                let is_paid = charge == Some(ChargeStatus::Completed);
                rule(is_paid, "only what is paid is sold", || format!("{logged:?}"))
            }
            OrderState::Cancelled(reason) => {
                let may = match reason {
                    CancelReason::Expired => is_over,
                    CancelReason::Buyer => !is_over,
                    CancelReason::PaymentFailed => charge.is_some(),
                    // Nobody here has shows.
                    CancelReason::ShowCancelled => false,
                };
                rule(may, "an order ends for a reason", || format!("{logged:?}"))
            }
        }
    }

    fn charge_changes(&mut self, seq: u64, after: &ChargeView, logged: &LoggedEvent) -> Checked {
        let before = self.charges.get(&after.id).and_then(Past::now);
        let may = before.is_some_and(|before| {
            let same = (before.order, before.amount) == (after.order, after.amount);
            let moves = match (before.status, after.status) {
                (ChargeStatus::Created, _) => after.status != ChargeStatus::Created,
                (ChargeStatus::Failed, ChargeStatus::Completed) => true,
                // What was begun with test keys is not paid back with others.
                (ChargeStatus::Completed, ChargeStatus::Failed) => {
                    after.failure_code == Some(FailureCode::provider_changed())
                }
                (ChargeStatus::Completed, ChargeStatus::Completed) => {
                    let is_refunded = before.refund != after.refund;
                    let goes_on = refund_goes_on(before.refund.as_ref(), after.refund.as_ref());
                    let is_disputed = match (before.dispute, after.dispute) {
                        (before, Some(DisputeStatus::Open)) => before.is_none(),
                        (before, Some(_)) => {
                            matches!(before, None | Some(DisputeStatus::Open))
                        }
                        (_, None) => false,
                    };
                    let keeps_dispute = before.dispute == after.dispute || is_disputed;
                    (is_refunded || is_disputed) && goes_on && keeps_dispute
                }
                _ => false,
            };
            same && moves
        });
        rule(may, "a charge moves as it may", || format!("{before:?}, then {logged:?}"))?;
        self.see_charge(seq, after);
        Ok(())
    }

    /// What must fit together between two commits: a ticket and its order.
    fn check_whole(&mut self) -> Checked {
        for id in std::mem::take(&mut self.touched) {
            let Some(ticket) = self.ticket(id) else { continue };
            let live = self.orders.values().filter_map(Past::now).map(|view| &view.order);
            let live: Vec<_> = live
                .filter(|order| order.ticket == id)
                .filter(|order| order.is_open() || order.state == OrderState::Completed)
                .collect();
            let all = ticket.listing().all();
            let held = live.iter().fold(SeatSet::NONE, |held, order| held.with(order.seats()));
            let count: u32 = live.iter().map(|order| order.quantity()).sum();
            let has_its_part = |order: &&Order| ticket.part_of(order.id) == order.part();
            let fits = live.iter().all(has_its_part)
                && held.len() == count
                && ticket.free() == all.without(held);
            rule(fits, "one live order per held or sold seat", || {
                format!("{ticket:?} has {live:?}")
            })?;
        }
        Ok(())
    }

    fn see_ticket(&mut self, seq: u64, id: TicketId, state: Option<Ticket>) {
        self.tickets.entry(id).or_default().push(seq, state);
        self.touched.insert(id);
    }

    fn see_order(&mut self, seq: u64, view: &OrderView) {
        self.orders.entry(view.order.id).or_default().push(seq, view.clone());
        self.touched.insert(view.order.ticket);
    }

    fn see_charge(&mut self, seq: u64, charge: &ChargeView) {
        self.charges.entry(charge.id).or_default().push(seq, charge.clone());
    }

    /// A ticket, unless it was withdrawn.
    pub fn ticket(&self, id: TicketId) -> Option<&Ticket> {
        self.tickets.get(&id).and_then(Past::now).and_then(Option::as_ref)
    }

    /// An order.
    pub fn order(&self, id: OrderId) -> Option<&OrderView> {
        self.orders.get(&id).and_then(Past::now)
    }

    /// How many orders a buyer has open.
    pub fn open_orders(&self, buyer: UserId) -> u32 {
        self.open.get(&buyer).and_then(Past::now).copied().unwrap_or(0)
    }

    /// How many orders one buyer may have open.
    pub fn max_open(&self) -> u32 {
        self.max_open
    }

    /// How often a buyer has held a ticket and not bought it.
    pub fn let_go(&self, buyer: UserId, ticket: TicketId) -> u32 {
        let orders = self.orders.values().filter_map(Past::now).map(|view| &view.order);
        let is_let_go = |order: &&Order| {
            (order.buyer, order.ticket) == (buyer, ticket)
                && matches!(order.state, OrderState::Cancelled(_))
        };
        u32::try_from(orders.filter(is_let_go).count()).unwrap_or(u32::MAX)
    }

    /// All open orders.
    pub fn open_now(&self) -> impl Iterator<Item = &OrderView> {
        self.orders.values().filter_map(Past::now).filter(|view| view.order.is_open())
    }

    /// The states of a ticket during a span; `None` where there was none.
    pub fn ticket_during(&self, id: TicketId, span: Span) -> Vec<Option<&Ticket>> {
        match self.tickets.get(&id) {
            Some(past) => past
                .during(span.from, span.to)
                .map(|state| state.and_then(Option::as_ref))
                .collect(),
            None => vec![None],
        }
    }

    /// The states of an order during a span; `None` where there was none.
    pub fn order_during(&self, id: OrderId, span: Span) -> Vec<Option<&OrderView>> {
        match self.orders.get(&id) {
            Some(past) => past.during(span.from, span.to).collect(),
            None => vec![None],
        }
    }
}

/// A refund is accepted, succeeds and may be sent back after all. Another one may follow.
fn refund_goes_on(before: Option<&Refund>, after: Option<&Refund>) -> bool {
    let rank = |refund: &Refund| match refund.status {
        RefundStatus::Pending => 0,
        RefundStatus::Succeeded => 1,
        RefundStatus::Failed => 2,
        RefundStatus::Closed => 3,
    };
    match (before, after) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(before), Some(after)) => before.id != after.id || rank(before) <= rank(after),
    }
}

/// What the process left undone when it died may be there whole or not at all: the events at the
/// end of the log that nobody had seen before must be those of commits that were under way.
pub fn check_tail(tail: &[LoggedEvent], mut under_way: Vec<Vec<Event>>) -> Checked {
    let mut rest = tail;
    while let Some(first) = rest.first() {
        let found = under_way.iter().position(|events| {
            !events.is_empty()
                && events.len() <= rest.len()
                && events.iter().zip(rest).all(|(event, logged)| *event == logged.event)
        });
        let Some(found) = found else {
            let detail = format!("from {first:?} on, with {under_way:?} under way");
            return Err(Violation::new("a commit is there whole or not at all", detail));
        };
        rest = &rest[under_way.remove(found).len()..];
    }
    Ok(())
}

/// One part comes, goes or is paid at a time; what is sold stays so.
fn seats_move_as_they_may(before: &Allotment, after: &Allotment) -> bool {
    let new = after.parts.iter().filter(|part| !before.parts.contains(part));
    let old = before.parts.iter().filter(|part| !after.parts.contains(part));
    match (old.collect::<Vec<_>>().as_slice(), new.collect::<Vec<_>>().as_slice()) {
        ([], []) => true,
        ([], [new]) => matches!(new.state, PartState::Held { .. }) && after.closed.is_none(),
        ([old], []) => matches!(old.state, PartState::Held { .. }),
        ([old], [new]) => {
            old.order == new.order
                && old.seats == new.seats
                && matches!(old.state, PartState::Held { .. })
                && new.state == PartState::Sold
        }
        _ => false,
    }
}

/// Whether that many may be taken from what is free of a ticket whose seats are not numbered, in the
/// words of the rules.
fn is_split_well(before: &Ticket, quantity: u32) -> bool {
    let free = before.free().len();
    let left = free.checked_sub(quantity);
    quantity >= 1
        && match before.listing().split {
            Split::Any => left.is_some(),
            Split::AvoidOne => left.is_some_and(|left| left != 1),
            Split::Pairs => left.is_some() && (quantity.is_multiple_of(2) || free == 1),
            Split::None => left == Some(0),
        }
}
