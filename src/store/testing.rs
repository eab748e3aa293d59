//! What the store's tests share: decisions of the domain turned into commits, as the
//! marketplace does it, with made-up ids and times.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::sample::Sample;
use crate::domain::{
    Account, Charge, ChargeId, ClientName, ClientSecret, Commit, Cursor, Email, Event,
    ExpectedVersion, FailureCode, Follower, IntentFact, IntentId, IntentReport, Line, Order,
    OrderId, OrderView, PaymentToken, Precondition, Price, Purchase, PurchaseCommand,
    PurchaseDecision, Refund, RefundId, RefundStatus, Remembered, Session, SessionId, SessionRules,
    ShowBrief, ShowId, ShowState, Terms, Ticket, TicketCommand, TicketDecision, TicketDemand,
    TicketId, Timestamp, Title, User, UserId, VenueBrief, VenueId, Wanted, Write, ZoneName,
};
use crate::store::redb::open::open_existing;
use crate::store::{
    CommitError, ReadError, RedbStore, Store, StoreSettings, TicketQuery, TicketScope, TicketSort,
};

/// How long an order holds its ticket.
pub const HOLD: Duration = Duration::from_secs(900);
/// The most open orders of one user.
pub const OPEN_MAX: u32 = 10;

/// The database in a store's file.
pub fn database(path: &Path) -> redb::Database {
    open_existing(path, &mut redb::Database::builder()).expect("a store").db
}

/// A new store in memory.
pub fn in_memory() -> Arc<RedbStore> {
    let settings = StoreSettings {
        cache_bytes: 8 << 20,
        journal_bytes: 1 << 16,
        skip_range_min: 2,
        ..StoreSettings::default()
    };
    let store = RedbStore::open_backend(redb::backends::InMemoryBackend::new(), settings);
    Arc::new(store.expect("an empty store opens"))
}

/// The newest tickets of the market.
pub fn market() -> TicketQuery {
    TicketQuery {
        seller: None,
        scope: TicketScope::default(),
        words: Vec::new(),
        min_price_minor: None,
        max_price_minor: None,
        sort: TicketSort::Newest,
        after: None,
        limit: 100,
    }
}

/// A store with a made-up clock and made-up ids.
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    ticks: AtomicU64,
    written: Mutex<Vec<Commit>>,
}

impl World {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, ticks: AtomicU64::new(1), written: Mutex::default() }
    }

    /// One that goes on after so many ids and times.
    pub fn later(store: Arc<dyn Store>, ticks: u64) -> Self {
        Self { ticks: AtomicU64::new(ticks), ..Self::new(store) }
    }

    /// A time after all before it.
    pub fn now(&self) -> Timestamp {
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_millis(1_700_000_000_000 + i64::try_from(tick).expect("few ticks"))
    }

    /// An id that is greater than all before it.
    pub fn id(&self) -> u128 {
        let tick = u128::from(self.ticks.fetch_add(1, Ordering::Relaxed));
        (tick << 64) | (tick.wrapping_mul(0x9E37_79B9_7F4A_7C15) & 0xffff_ffff)
    }

    pub async fn try_commit(&self, commit: Commit) -> Result<(), CommitError> {
        let written = self.store.commit(commit.clone()).await;
        if written.is_ok() {
            self.written.lock().expect("no panic").push(commit);
        }
        written
    }

    pub async fn commit(&self, commit: Commit) {
        self.try_commit(commit).await.expect("a commit that follows what is stored");
    }

    /// Everything that was written, to be written again elsewhere.
    pub fn history(&self) -> Vec<Commit> {
        self.written.lock().expect("no panic").clone()
    }

    pub async fn user(&self, name: &str) -> UserId {
        let email = Email::parse(&format!("{name}@example.com")).expect("an address");
        let user = User::new(UserId::from_u128(self.id()), email, "hash".to_owned(), self.now());
        self.commit(created(&user)).await;
        user.id
    }

    pub async fn change_email(&self, id: UserId, email: &str) -> Result<(), CommitError> {
        let user = read(self.store.user(id).await).expect("an account");
        let user = user.changed(Some(Email::parse(email).expect("an address")), None);
        let event = Event::UserUpdated(user.told());
        self.try_commit(Commit::at(self.now()).write(Write::User(user)).event(event)).await
    }

    pub async fn session(&self, user: UserId, lasts: Duration) -> Session {
        let at = self.now();
        let id = SessionId::from_u128(self.id().rotate_left(29));
        let rules = SessionRules { lasts, ..SessionRules::default() };
        let user = read(self.store.user(user).await).expect("an account");
        let session = rules.begin(&user, id, ClientName::of_user_agent("curl/8.11.0"), at);
        self.commit(Commit::at(at).write(Write::OpenSession(session.clone()))).await;
        session
    }

    pub fn new_ticket(&self, seller: UserId, title: &str, minor: u64) -> Ticket {
        Ticket::list(TicketId::from_u128(self.id()), seller, a_title(title), usd(minor), self.now())
    }

    pub async fn lists(&self, seller: UserId, title: &str, minor: u64) -> TicketId {
        let ticket = self.new_ticket(seller, title, minor);
        let id = ticket.id;
        self.commit(listed(ticket)).await;
        id
    }

    pub async fn ticket(&self, id: TicketId) -> Ticket {
        read(self.store.ticket(id).await).expect("a ticket")
    }

    pub async fn edits(&self, id: TicketId, title: Option<&str>, minor: Option<u64>) {
        let ticket = self.ticket(id).await;
        let command = TicketCommand::Edit {
            by: ticket.seller,
            title: title.map(a_title),
            price: minor.map(usd),
            listing: Box::default(),
            most_seats: 12,
            expected: ExpectedVersion::Any,
        };
        let at = self.now();
        match ticket.decide(&command, at).expect("an available ticket") {
            TicketDecision::Changed(after) => self.commit(ticket_changed(after, at)).await,
            TicketDecision::Unchanged => {}
            TicketDecision::Withdrawn(_) => panic!("an edit withdraws nothing"),
        }
    }

    pub async fn withdraws(&self, id: TicketId) {
        let ticket = self.ticket(id).await;
        let command = TicketCommand::Withdraw { by: ticket.seller, expected: ExpectedVersion::Any };
        let at = self.now();
        match ticket.decide(&command, at) {
            Ok(TicketDecision::Withdrawn(was)) => {
                let write = Write::WithdrawTicket { id, last: ticket.version };
                self.commit(Commit::at(at).write(write).event(Event::TicketDeleted(was))).await;
            }
            other => panic!("the ticket is not available: {other:?}"),
        }
    }

    /// The commit by which a buyer locks a ticket as it is now.
    pub async fn locking(&self, buyer: UserId, id: TicketId) -> (Order, Commit) {
        let (ticket, at) = (self.ticket(id).await, self.now());
        let order = OrderId::from_u128(self.id());
        lock(&ticket, buyer, order, at)
    }

    pub async fn locks(&self, buyer: UserId, ticket: TicketId) -> OrderId {
        let (order, commit) = self.locking(buyer, ticket).await;
        self.commit(commit).await;
        order.id
    }

    pub async fn order(&self, id: OrderId) -> Order {
        read(self.store.order(id).await).expect("an order")
    }

    pub async fn purchase(&self, id: OrderId) -> Purchase {
        read(self.store.purchase(id).await).expect("a purchase")
    }

    /// Decides a command of an order and writes it.
    pub async fn decides(&self, id: OrderId, command: &PurchaseCommand, at: Timestamp) {
        let purchase = self.purchase(id).await;
        let decided = purchase.decide(command, 2, at).expect("a command the order takes");
        let PurchaseDecision::Changed(change) = decided else { return };
        let ticket = match change.ticket {
            Some(demand) => Some((self.ticket(purchase.order.ticket).await, demand)),
            None => None,
        };
        let ticket = ticket.map(|(ticket, demand)| {
            let command = match demand {
                TicketDemand::Release => TicketCommand::Release { order: id },
                TicketDemand::Sell => TicketCommand::Sell { order: id },
            };
            match ticket.decide(&command, at) {
                Ok(TicketDecision::Changed(after)) => after,
                other => panic!("the ticket does not follow its order: {other:?}"),
            }
        });
        let after = change.after;
        let order = (after.order != purchase.order).then_some(Write::Order(after.order));
        let charge = after.charge.filter(|after| purchase.charge.as_ref() != Some(after));
        let commit = Commit::at(at)
            .write_if(order)
            .write_if(charge.map(Write::Charge))
            .events(change.events)
            .events(ticket.clone().map(Event::TicketUpdated))
            .write_if(ticket.map(Write::Ticket));
        self.commit(commit).await;
    }

    pub async fn cancels(&self, order: OrderId) {
        self.decides(
            order,
            &PurchaseCommand::Cancel { expected: ExpectedVersion::Any },
            self.now(),
        )
        .await;
    }

    pub async fn expires(&self, order: OrderId) {
        let at = self.order(order).await.expires_at;
        self.decides(order, &PurchaseCommand::Expire, at).await;
    }

    /// Begins to pay.
    pub async fn pays(&self, order: OrderId) -> ChargeId {
        let charge = ChargeId::from_u128(self.id());
        let token = PaymentToken::parse("tok_visa").expect("a token");
        self.decides(
            order,
            &PurchaseCommand::Pay { charge, token, account: Account::Sandbox },
            self.now(),
        )
        .await;
        charge
    }

    /// The gateway tells something of an order's latest charge.
    pub async fn hears(&self, order: OrderId, fact: IntentFact) {
        let charge = self.purchase(order).await.charge.expect("a charge");
        let report = IntentReport::new(Some(intent_of(&charge)), fact);
        let command = PurchaseCommand::Report { charge: charge.id, report };
        self.decides(order, &command, self.now()).await;
    }

    /// Somebody pays an order's latest charge back at the gateway.
    pub async fn is_paid_back(&self, order: OrderId) {
        let charge = self.purchase(order).await.charge.expect("a charge");
        let refund = Refund::told(RefundId("re_1".to_owned()), RefundStatus::Succeeded);
        let report = IntentReport::new(Some(intent_of(&charge)), IntentFact::Captured);
        let report = IntentReport { refund: Some(refund), ..report };
        let command = PurchaseCommand::Report { charge: charge.id, report };
        self.decides(order, &command, self.now()).await;
    }

    /// Pays and is charged.
    pub async fn buys(&self, order: OrderId) -> ChargeId {
        let charge = self.pays(order).await;
        for fact in [IntentFact::Open, IntentFact::Authorised, IntentFact::Captured] {
            self.hears(order, fact).await;
        }
        charge
    }

    /// Lets a bit of everything happen.
    pub async fn gets_busy(&self) {
        let (ana, bob) = (self.user("ana").await, self.user("bob").await);
        let mut tickets = Vec::new();
        for number in 1..=9 {
            tickets.push(self.lists(ana, &format!("Rock Concert {number}"), 100 * number).await);
        }
        self.edits(tickets[0], Some("Jazz"), Some(5)).await;
        self.withdraws(tickets[1]).await;
        self.locks(bob, tickets[2]).await;
        let order = self.locks(bob, tickets[3]).await;
        self.cancels(order).await;
        let order = self.locks(bob, tickets[4]).await;
        self.buys(order).await;
        // Declined once, then paid, then refunded at the gateway.
        let order = self.locks(bob, tickets[5]).await;
        self.pays(order).await;
        self.hears(order, IntentFact::Open).await;
        let declined = FailureCode::from_gateway("card_declined");
        self.hears(order, IntentFact::Declined(declined)).await;
        self.buys(order).await;
        self.is_paid_back(order).await;
        // Being paid, and being given back after the deadline.
        let order = self.locks(bob, tickets[6]).await;
        self.pays(order).await;
        let order = self.locks(bob, tickets[7]).await;
        self.pays(order).await;
        self.hears(order, IntentFact::Open).await;
        self.expires(order).await;
        // Declined before the bank, with an attempt left: the intent is being voided.
        let order = self.locks(bob, tickets[8]).await;
        self.pays(order).await;
        self.hears(order, IntentFact::Open).await;
        self.hears(order, IntentFact::NeedsBuyer(ClientSecret("secret".to_owned()))).await;
        let declined = FailureCode::from_gateway("card_declined");
        self.hears(order, IntentFact::Declined(declined)).await;
        self.change_email(bob, "rob@example.com").await.expect("a free address");
        self.remembers(bob, "key", self.now()).await.expect("a free key");
        self.session(bob, Duration::from_secs(60)).await;
        self.keeps_samples().await;
    }

    /// Some resources that are kept alike come, change and go.
    async fn keeps_samples(&self) {
        let samples = [1, 2, 3].map(|id| Sample::new(id, 7, &format!("sample {id}")));
        let [one, two, three] = samples.clone();
        let all = samples.into_iter().fold(Commit::at(self.now()), Commit::put);
        self.commit(all).await;
        self.commit(Commit::at(self.now()).put(one.changed(8, "renamed")).delete(two)).await;
        self.commit(Commit::at(self.now()).put(three.changed(7, "sample 3"))).await;
        self.commit(Commit::at(self.now()).put(Sample::new(4, 7, "sample 2"))).await;
        self.commit(Commit::at(self.now()).put(Cursor::after(Follower::Mail, 5))).await;
    }

    pub fn remembered(&self, user: UserId, key: &str, expires_at: Timestamp) -> Remembered {
        Remembered {
            user,
            key: key.to_owned(),
            fingerprint: [7; 16],
            expires_at,
            is_final: true,
            answer: b"answer".to_vec(),
        }
    }

    pub async fn remembers(
        &self,
        user: UserId,
        key: &str,
        at: Timestamp,
    ) -> Result<(), CommitError> {
        let remembered = self.remembered(user, key, at.plus(Duration::from_secs(60)));
        let write = Write::Remember(Box::new(remembered));
        self.try_commit(Commit::at(at).write(write)).await
    }
}

/// What was read.
pub fn read<T>(found: Result<T, ReadError>) -> T {
    found.expect("a store that can be read")
}

pub fn usd(minor: u64) -> Price {
    Price::from_minor(minor, "usd".parse().expect("a currency")).expect("a price")
}

/// Names of shows, each with who performs.
const SHOWS: [(&str, &str); 2] = [("Jazz Night", "Rocket"), ("Opera", "Ana & Bob")];

/// One of two shows.
pub fn a_show(number: usize) -> ShowBrief {
    let (name, performer) = SHOWS[number];
    ShowBrief {
        id: ShowId::from_u128(0x7000 + number as u128),
        name: Line::accepted_before(name),
        performers: vec![Line::accepted_before(performer)],
        starts_at: Timestamp::from_millis(0),
        state: ShowState::Scheduled,
        cover: None,
        venue: VenueBrief {
            id: VenueId::from_u128(1),
            name: Line::accepted_before("Café Row"),
            city: Line::accepted_before("Łódź"),
            country: "PL".parse().expect("a country"),
            time_zone: ZoneName::accepted_before("Europe/Warsaw"),
        },
    }
}

pub fn a_title(text: &str) -> Title {
    Title::parse(text).expect("a title")
}

pub fn intent_of(charge: &Charge) -> IntentId {
    charge.intent().cloned().unwrap_or_else(|| IntentId(format!("pi_{}", charge.id)))
}

pub fn created(user: &User) -> Commit {
    let event = Event::UserCreated(user.told());
    Commit::at(user.created_at).write(Write::User(user.clone())).event(event)
}

pub fn listed(ticket: Ticket) -> Commit {
    let event = Event::TicketCreated(ticket.clone());
    Commit::at(ticket.created_at).write(Write::Ticket(ticket)).event(event)
}

pub fn ticket_changed(after: Ticket, at: Timestamp) -> Commit {
    let event = Event::TicketUpdated(after.clone());
    Commit::at(at).write(Write::Ticket(after)).event(event)
}

pub fn lock(ticket: &Ticket, buyer: UserId, order: OrderId, at: Timestamp) -> (Order, Commit) {
    let until = at.plus(HOLD);
    let command = TicketCommand::Reserve {
        by: buyer,
        order,
        until,
        wanted: Wanted::default(),
        terms: Terms::default(),
    };
    let locked = match ticket.decide(&command, at) {
        Ok(TicketDecision::Changed(locked)) => locked,
        other => panic!("the ticket can't be locked: {other:?}"),
    };
    let order = Order::new(order, buyer, &locked, until, at);
    let view = OrderView { order: order.clone(), charge: None };
    let commit = Commit::at(at)
        .require(Precondition::OpenOrdersBelow { user: buyer, limit: OPEN_MAX })
        .write(Write::Ticket(locked.clone()))
        .write(Write::Order(order.clone()))
        .event(Event::OrderCreated(view))
        .event(Event::TicketUpdated(locked));
    (order, commit)
}
