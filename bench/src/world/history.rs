//! A world's history as the commits that the marketplace would have made.

use std::time::Duration;

use gittix::domain::{
    Account, ChargeId, Commit, Currency, Email, Event, IntentFact, IntentId, IntentReport, Order,
    OrderId, PaymentToken, Precondition, Purchase, PurchaseCommand, PurchaseDecision, Session,
    Terms, Ticket, TicketCommand, TicketDecision, TicketDemand, Timestamp, User, UserId, Wanted,
    Write,
};

use super::{SESSION, World, id, timestamp};

/// The time between two steps of a purchase, in milliseconds.
const STEP_MS: u64 = 1;
/// The hold of an order that is paid.
const HOLD: Duration = Duration::from_secs(900);

impl World {
    /// Everything that happened, in order. `password_hash` is that of [`super::PASSWORD`].
    pub fn history<'w>(&'w self, password_hash: &'w str) -> impl Iterator<Item = Commit> + 'w {
        let people = self.sellers + self.buyers;
        let sign_ups = (0..people).map(|index| self.sign_up(index, password_hash));
        let currency: Currency = "usd".parse().expect("a currency");
        let mut taken = 0;
        let trades = (0..self.tickets()).flat_map(move |index| {
            let place = (!self.is_available(index)).then_some(taken);
            taken += u64::from(place.is_some());
            self.trade(index, place, currency)
        });
        sign_ups.chain(self.shows_added()).chain(trades)
    }

    fn sign_up(&self, index: u64, password_hash: &str) -> Commit {
        let person = self.person(index);
        let at = timestamp(self.ends_at_ms - super::LISTED_OVER_MS - super::SIGN_UPS_MS + index);
        let email = Email::parse(&person.email).expect("an address");
        let user = User::new(person.id, email, password_hash.to_owned(), at);
        let ending = Session::ending(person.id, person.session, at.plus(SESSION));
        // Whoever is signed in has just been seen when what is measured begins.
        let seen = timestamp(self.ends_at_ms);
        let session = Session { created_at: at, last_seen_at: seen, ..ending };
        let event = Event::UserCreated(user.told());
        Commit::at(at).write(Write::User(user)).write(Write::OpenSession(session)).event(event)
    }

    /// A listing, and what became of it if it is the `taken`th that is not available.
    fn trade(&self, index: u64, taken: Option<u64>, currency: Currency) -> Vec<Commit> {
        let listed_at = self.listed_at_ms(index);
        if let Some(show) = self.show_of(index) {
            return vec![self.listed_for(index, &show, currency)];
        }
        let mut story = Story { commits: Vec::new(), ticket: self.list(index, currency) };
        story.list();
        if let Some(taken) = taken {
            let buyer = self.buyer(taken % self.buyers).id;
            let until = self.nth_open(taken).map(|nth| timestamp(self.deadline_ms(nth)));
            story.trade(listed_at, index, buyer, until);
        }
        story.commits
    }
}

/// A ticket's commits so far.
struct Story {
    commits: Vec<Commit>,
    ticket: Ticket,
}

impl Story {
    fn list(&mut self) {
        let commit = Commit::at(self.ticket.created_at).write(Write::Ticket(self.ticket.clone()));
        self.commits.push(commit.event(Event::TicketCreated(self.ticket.clone())));
    }

    /// The ticket is locked, and paid at once if it is not to stay open until a deadline.
    fn trade(
        &mut self,
        listed_at_ms: u64,
        index: u64,
        buyer: UserId,
        open_until: Option<Timestamp>,
    ) {
        let step = |number: u64| timestamp(listed_at_ms + number * STEP_MS);
        let at = step(1);
        let order = OrderId::from_u128(id(listed_at_ms + STEP_MS, 1, index));
        let purchase = self.lock(order, buyer, open_until.unwrap_or(at.plus(HOLD)), at);
        if open_until.is_some() {
            return;
        }
        let charge = ChargeId::from_u128(id(listed_at_ms + 2 * STEP_MS, 2, index));
        let token = PaymentToken::parse("tok_visa").expect("a token");
        let intent = IntentId(format!("pi_sandbox_{:032x}", charge.as_u128()));
        let report = |fact| PurchaseCommand::Report {
            charge,
            report: IntentReport::new(Some(intent.clone()), fact),
        };
        let commands = [
            PurchaseCommand::Pay { charge, token, account: Account::Sandbox },
            report(IntentFact::Open),
            report(IntentFact::Authorised),
            report(IntentFact::Captured),
        ];
        let mut purchase = purchase;
        for (number, command) in (2..).zip(&commands) {
            purchase = self.decide(&purchase, command, step(number));
        }
    }

    fn lock(&mut self, id: OrderId, buyer: UserId, until: Timestamp, at: Timestamp) -> Purchase {
        let order = Order::new(id, buyer, &self.ticket, until, at);
        self.command(
            &TicketCommand::Reserve {
                by: buyer,
                order: id,
                until,
                wanted: Wanted::default(),
                terms: Terms::default(),
            },
            at,
        );
        let purchase = Purchase { order, charge: None };
        let commit = Commit::at(at)
            .write(Write::Order(purchase.order.clone()))
            .write(Write::Ticket(self.ticket.clone()))
            .require(Precondition::OpenOrdersBelow { user: buyer, limit: u32::MAX })
            .event(Event::OrderCreated(purchase.view()))
            .event(Event::TicketUpdated(self.ticket.clone()));
        self.commits.push(commit);
        purchase
    }

    fn decide(&mut self, before: &Purchase, command: &PurchaseCommand, at: Timestamp) -> Purchase {
        let decision = before.decide(command, 1, at).expect("a command that the order takes");
        let PurchaseDecision::Changed(change) = decision else {
            unreachable!("every step of a purchase changes it")
        };
        let order = before.order.id;
        let sold = change.ticket.map(|demand| {
            let command = match demand {
                TicketDemand::Release => TicketCommand::Release { order },
                TicketDemand::Sell => TicketCommand::Sell { order },
            };
            self.command(&command, at);
            self.ticket.clone()
        });
        let after = change.after;
        let order = (after.order != before.order).then(|| Write::Order(after.order.clone()));
        let charge = after.charge.clone().filter(|charge| Some(charge) != before.charge.as_ref());
        let commit = Commit::at(at)
            .write_if(sold.clone().map(Write::Ticket))
            .events(change.events)
            .events(sold.map(Event::TicketUpdated))
            .write_if(order)
            .write_if(charge.map(Write::Charge));
        self.commits.push(commit);
        after
    }

    fn command(&mut self, command: &TicketCommand, at: Timestamp) {
        match self.ticket.decide(command, at).expect("a command that the ticket takes") {
            TicketDecision::Changed(after) => self.ticket = after,
            TicketDecision::Unchanged | TicketDecision::Withdrawn(_) => {
                unreachable!("locking and selling change a ticket")
            }
        }
    }
}
