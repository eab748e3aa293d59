//! People: each does one thing after the other, some of it in vain, all of it checked.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join;
use gittix::domain::{Email, OrderId, SessionId, Split, TicketId, Timestamp, UserId};
use gittix::seams::Clock as _;

use super::answers::{Answered, Asked, Asking, Excuses, Reason, check};
use super::direct::direct;
use super::http::{self, Received, Sent};
use super::life::Life;
use super::model::Span;
use super::plan::Fault;
use super::record::Violation;
use super::rng::Rng;
use super::tell;

/// Nothing may take longer, whatever goes wrong.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Cards, and what they do at the simulated provider.
const CARDS: [&str; 6] = [
    "tok_visa",
    "tok_visa",
    "tok_visa",
    "tok_chargeDeclined",
    "tok_authenticationRequired",
    "tok_unknown",
];

/// An account, and how to use it.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account.
    pub id: UserId,
    /// The token of its session.
    pub token: String,
    /// The session, which direct calls name.
    pub session: SessionId,
}

/// What a client remembers over the lives of the server.
pub struct Client {
    /// Decides what is done.
    pub rng: Rng,
    /// Decides what is done about passes.
    pub pass_rng: Rng,
    /// How many passes it has tried to add.
    pub passes: u64,
    /// Its account, once it has one.
    pub account: Option<Account>,
    /// An order it is about to pay.
    about_to_pay: Option<OrderId>,
    /// Requests that were sent with an idempotency key.
    keyed: Vec<Keyed>,
    serial: u64,
}

/// A request with an idempotency key, and what it led to.
#[derive(Clone)]
struct Keyed {
    asked: Asked,
    sent: Sent,
    at: Timestamp,
    /// The last event that was visible when it was first sent.
    from: u64,
    answer: Option<(u16, Vec<u8>)>,
    ids: BTreeSet<String>,
}

impl Client {
    /// A client without an account.
    pub fn new(seed: u64, number: usize) -> Self {
        Self {
            rng: Rng::new(seed, &format!("client {number}")),
            pass_rng: Rng::new(seed, &format!("passes of client {number}")),
            passes: 0,
            account: None,
            about_to_pay: None,
            keyed: Vec::new(),
            serial: 0,
        }
    }
}

/// A client at work in one life of the server.
pub struct Worker {
    /// The life.
    pub life: Arc<Life>,
    /// Which client it is.
    pub number: usize,
}

/// How a request is made.
enum Way {
    Direct { card: &'static str },
    Http { sent: Sent, repeats: Option<usize> },
}

impl Worker {
    /// Works until there are no steps left.
    pub async fn run(self) {
        while self.life.world.take_step() {
            let pause = {
                let client = &mut *self.life.world.client(self.number);
                let longest = self.life.world.plan.longest_pause.as_millis();
                client.rng.pause_ms(u64::try_from(longest).unwrap_or(0))
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            self.step().await;
        }
    }

    async fn step(&self) {
        let world = &self.life.world;
        let Some(account) = self.account() else { return self.sign_up().await };
        if world.client(self.number).pass_rng.chance(250) {
            self.trade_passes(&account).await;
        }
        let choice = world.client(self.number).rng.below(100);
        if choice < 6 {
            return self.read_pages(&account).await;
        }
        let repeats = choice < 12 || world.client(self.number).rng.chance(80);
        if repeats && self.repeat(&account).await {
            return;
        }
        let (asked, way) = self.choose(choice, &account);
        match self.twin(&asked) {
            Some((twin, pause)) => {
                self.life.world.record.count("operations at once");
                let twin = async {
                    tokio::time::sleep(pause).await;
                    self.act(&account, twin, Way::Direct { card: "tok_visa" }).await;
                };
                join(self.act(&account, asked, way), twin).await;
            }
            None => self.act(&account, asked, way).await,
        }
    }

    /// Whoever is impatient, or has two windows open, asks for the same twice at once, or takes
    /// back what is under way.
    fn twin(&self, asked: &Asked) -> Option<(Asked, Duration)> {
        let client = &mut *self.life.world.client(self.number);
        let is_account = matches!(asked, Asked::ChangeAddress { .. });
        let is_payment = matches!(asked, Asked::Pay { .. });
        if !client.rng.chance(if is_account || is_payment { 400 } else { 60 }) {
            return None;
        }
        let pause = if client.rng.chance(500) { 0 } else { client.rng.pause_ms(1_500) };
        let twin = match asked.clone() {
            // What is new each time says nothing about things that are done twice.
            Asked::List { .. } => None,
            Asked::ChangeAddress { user, .. } => {
                let address = format!("Again{}.{}@Example.com", self.number, client.serial);
                Some(Asked::ChangeAddress { user, address })
            }
            Asked::Pay { order, by, .. } if client.rng.chance(700) => {
                Some(Asked::Cancel { order, by })
            }
            Asked::Pay { order, by, .. } => Some(Asked::Pay { order, by, is_known_token: true }),
            other => Some(other),
        };
        twin.map(|twin| (twin, Duration::from_millis(pause)))
    }

    /// Clients beyond the number of users share an account with another.
    fn account(&self) -> Option<Account> {
        let world = &self.life.world;
        let users = usize::try_from(world.plan.users).unwrap_or(1);
        world.client(self.number % users).account.clone()
    }

    async fn sign_up(&self) {
        let world = &self.life.world;
        let users = usize::try_from(world.plan.users).unwrap_or(1);
        let number = self.number % users;
        let (address, by_http) = {
            let client = &mut *world.client(self.number);
            client.serial += 1;
            let name = if client.rng.chance(100) { 0 } else { self.number };
            let address = format!("client{name}.{}@example.com", client.serial);
            (address, client.rng.chance(world.plan.http_share / 4))
        };
        let asked = Asked::SignUp { address: address.clone() };
        let Ok(email) = Email::parse(&address) else { return };
        let life = self.life.clone();
        let sent = http::request(&asked, "", None);
        let received = std::sync::Mutex::new(None);
        let opened = std::sync::Mutex::new(None);
        let work = async {
            if by_http {
                let answer = http::send(&life.app.router, None, &sent).await?;
                let understood = http::understand(&asked, &answer);
                if let Ok(mut slot) = received.lock() {
                    *slot = answer.token;
                }
                return understood;
            }
            let signed_up = life.app.market.sign_up(email, "$none$".to_owned(), None).await;
            Ok(signed_up.map_or_else(Answered::from, |(user, session)| {
                if let Ok(mut slot) = opened.lock() {
                    *slot = Some(session);
                }
                Answered::Account(user.id)
            }))
        };
        let answered = self.ask(asked.clone(), None, work).await;
        let Answered::Account(id) = answered else { return };
        let session = opened.into_inner().ok().flatten();
        let token = received.into_inner().ok().flatten().or_else(|| {
            let (tokens, now) = (&self.life.app.state.tokens, world.timeline.now());
            tokens.issue(&id.to_string(), session?.as_u128(), now).ok().map(|t| t.token)
        });
        let Some(token) = token else { return };
        // Whoever signs up by HTTP knows its session by the token alone.
        let session = session.unwrap_or(SessionId::from_u128(0));
        world.client(number).account.get_or_insert(Account { id, token, session });
    }

    fn choose(&self, choice: u64, account: &Account) -> (Asked, Way) {
        let world = &self.life.world;
        let (tickets, own_orders, orders) = {
            let model = world.model();
            let tickets: Vec<TicketId> = model.tickets.keys().rev().take(6).copied().collect();
            let own = model.open_now().filter(|view| view.order.buyer == account.id);
            let own: Vec<OrderId> = own.map(|view| view.order.id).collect();
            let orders: Vec<OrderId> = model.orders.keys().rev().take(8).copied().collect();
            (tickets, own, orders)
        };
        let client = &mut *world.client(self.number);
        let by = account.id;
        client.serial += 1;
        // Most look for what there is: some tickets first, and then an order.
        let choice =
            match choice {
                27..=64 if tickets.is_empty() && client.rng.chance(900) => 0,
                65..=87 if own_orders.is_empty() && client.rng.chance(700) => {
                    if tickets.is_empty() { 0 } else { 39 }
                }
                choice => choice,
            };
        let any_ticket = TicketId::from_u128(u128::from(client.rng.next()));
        let ticket = client.rng.pick(&tickets).copied().unwrap_or(any_ticket);
        let any_order = OrderId::from_u128(u128::from(client.rng.next()));
        let mut order = client.rng.pick(&orders).copied().unwrap_or(any_order);
        if let Some(own) = client.rng.pick(&own_orders)
            && client.rng.chance(850)
        {
            order = *own;
        }
        let expected = client.rng.chance(200).then(|| client.rng.below(4));
        let card = client.rng.pick(&CARDS).copied().unwrap_or("tok_visa");
        let pay = |order| Asked::Pay { order, by, is_known_token: card != "tok_unknown" };
        let asked = match (client.about_to_pay.take(), choice) {
            (Some(order), 0..=80) => pay(order),
            (_, 0..=26) => {
                let title = format!("Seat {}.{}", self.number, client.serial);
                let is_single = client.rng.chance(500);
                let quantity = if is_single { 1 } else { client.rng.between(2, 7) };
                let splits = [Split::Any, Split::AvoidOne, Split::AvoidOne];
                let split = client.rng.pick(&splits).copied().unwrap_or_default();
                let quantity = u32::try_from(quantity).unwrap_or(1);
                Asked::List { seller: by, title, quantity, split }
            }
            (_, 27..=34) => {
                let price = client.rng.between(1, 9_999);
                let title = format!("Row {}.{}", self.number, client.serial);
                let title = client.rng.chance(300).then_some(title);
                Asked::Edit { ticket, by, price, title, expected }
            }
            (_, 35..=38) => Asked::Withdraw { ticket, by, expected },
            (_, 39..=64) => {
                let quantity = client.rng.chance(600).then(|| client.rng.between(1, 4));
                let quantity = quantity.and_then(|quantity| u32::try_from(quantity).ok());
                Asked::Reserve { ticket, by, quantity }
            }
            (_, 65..=71) => Asked::Cancel { order, by },
            (_, 72..=87) => pay(order),
            (_, 88..=92) => Asked::ReadTicket { ticket },
            (_, 93..=95) => Asked::ReadOrder { order, by },
            _ => {
                let name = if client.rng.chance(200) { 0 } else { self.number };
                let address = format!("Client{name}.{}@Example.com", client.serial);
                Asked::ChangeAddress { user: by, address }
            }
        };
        let can_http = !matches!(asked, Asked::ChangeAddress { .. });
        if can_http && client.rng.chance(world.plan.http_share) {
            let takes_key =
                matches!(asked, Asked::List { .. } | Asked::Reserve { .. } | Asked::Pay { .. });
            let key = (takes_key && client.rng.chance(700))
                .then(|| format!("key-{}-{}", self.number, client.serial));
            let sent = http::request(&asked, card, key);
            return (asked, Way::Http { sent, repeats: None });
        }
        (asked, Way::Direct { card })
    }

    /// Sends an earlier request again. False if there is none.
    async fn repeat(&self, account: &Account) -> bool {
        let world = &self.life.world;
        let chosen = {
            let client = &mut *world.client(self.number);
            let count = client.keyed.len() as u64;
            let any = client.rng.below(count);
            let chosen = if client.rng.chance(500) { count.saturating_sub(1) } else { any };
            let index = usize::try_from(chosen).unwrap_or(0);
            client.keyed.get(index).map(|keyed| (index, keyed.asked.clone(), keyed.sent.clone()))
        };
        let Some((index, asked, sent)) = chosen else { return false };
        self.act(account, asked, Way::Http { sent, repeats: Some(index) }).await;
        true
    }

    async fn act(&self, account: &Account, asked: Asked, way: Way) {
        let life = self.life.clone();
        match way {
            Way::Direct { card } => {
                let work = direct(life, account.clone(), asked.clone(), card);
                let answered = self.ask(asked.clone(), None, work).await;
                self.follow(&asked, &answered);
            }
            Way::Http { sent, repeats } => {
                life.world.record.count("operations through HTTP");
                let index = self.remember(&asked, &sent, repeats);
                let received = std::sync::Mutex::new(None);
                let work = async {
                    let answer = http::send(&life.app.router, Some(&account.token), &sent).await?;
                    let understood = http::understand(&asked, &answer);
                    if let Ok(mut slot) = received.lock() {
                        *slot = Some(answer);
                    }
                    understood
                };
                let first_sent = repeats.and_then(|index| {
                    let client = &*self.life.world.client(self.number);
                    client.keyed.get(index).map(|keyed| keyed.from)
                });
                let answered = self.ask(asked.clone(), first_sent, work).await;
                self.follow(&asked, &answered);
                if let (Some(index), Some(received)) = (index, received.into_inner().ok().flatten())
                    && answered != Answered::Nothing
                {
                    let record = &life.world.record;
                    let is_final = record.check(self.check_replay(index, received, &answered));
                    if is_final == Some(true) {
                        record.check(self.check_kept(account.id, &sent).await);
                    }
                }
            }
        }
    }

    fn follow(&self, asked: &Asked, answered: &Answered) {
        if let (Asked::Reserve { .. }, Answered::Order { id, .. }) = (asked, answered) {
            let client = &mut *self.life.world.client(self.number);
            client.about_to_pay = client.rng.chance(600).then_some(*id);
        }
    }

    fn remember(&self, asked: &Asked, sent: &Sent, repeats: Option<usize>) -> Option<usize> {
        if repeats.is_some() || sent.key.is_none() {
            return repeats;
        }
        let world = &self.life.world;
        let (at, from) = (world.timeline.now(), self.life.store.stats().last_seq);
        let client = &mut *world.client(self.number);
        let (asked, sent) = (asked.clone(), sent.clone());
        client.keyed.push(Keyed { asked, sent, at, from, answer: None, ids: BTreeSet::new() });
        Some(client.keyed.len() - 1)
    }

    /// Whoever was answered for good is answered alike when the answer was lost on its way.
    async fn check_kept(&self, user: UserId, sent: &Sent) -> Result<(), Violation> {
        let Some(key) = &sent.key else { return Ok(()) };
        let ever = Timestamp::from_millis(0);
        match self.life.store.remembered(user, key, ever).await {
            Ok(None) => {
                let detail = format!("{sent:?} was answered, and nothing is kept for its key");
                Err(Violation::new("an answer is kept for its idempotency key", detail))
            }
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }

    /// A key leads to one thing, and once it was answered to one answer. Says whether it was.
    fn check_replay(
        &self,
        index: usize,
        received: Received,
        answered: &Answered,
    ) -> Result<bool, Violation> {
        let world = &self.life.world;
        let now = world.timeline.now();
        let client = &mut *world.client(self.number);
        let Some(keyed) = client.keyed.get_mut(index) else { return Ok(false) };
        // Keys are remembered for a day of the wall clock, which may have stepped meanwhile.
        if now.since(keyed.at) > Duration::from_secs(18 * 3600) {
            client.keyed.clear();
            return Ok(false);
        }
        let id = match answered {
            Answered::Ticket { id, .. } => Some(id.to_string()),
            Answered::Order { id, .. } => Some(id.to_string()),
            Answered::Charge { id, .. } => Some(id.to_string()),
            _ => None,
        };
        keyed.ids.extend(id);
        if keyed.ids.len() > 1 {
            let detail = format!("{:?} led to {:?}", keyed.sent, keyed.ids);
            return Err(Violation::new("an idempotency key acts once", detail));
        }
        let is_final = received.status < 500
            && received.status != 429
            && *answered != Answered::Refused(Reason::KeyInProgress);
        if !is_final {
            return Ok(false);
        }
        if received.is_replay {
            world.record.count("idempotent replays");
        }
        // A refusal of what changed nothing is only kept in memory, and decided again after that.
        let is_refused = (400..500).contains(&received.status) && received.status != 402;
        if is_refused && keyed.answer.is_none() {
            return Ok(false);
        }
        match &keyed.answer {
            None => keyed.answer = Some((received.status, received.body)),
            Some((status, body)) if *status == received.status && *body == received.body => {}
            Some((status, body)) => {
                let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
                return Err(Violation::new(
                    "an idempotency key has one answer",
                    format!(
                        "{:?}: first {status} {}, then {} {}",
                        keyed.sent,
                        text(body),
                        received.status,
                        text(&received.body)
                    ),
                ));
            }
        }
        Ok(!is_refused)
    }

    /// Asks, waits and checks the answer. What repeats a request may be answered with what was
    /// true when it was first sent, after the event of that number.
    async fn ask(
        &self,
        asked: Asked,
        first_sent: Option<u64>,
        work: impl Future<Output = Result<Answered, String>>,
    ) -> Answered {
        let (life, world) = (&self.life, &self.life.world);
        let record = &world.record;
        let from = first_sent.unwrap_or(life.store.stats().last_seq);
        let (panics, steps) = (record.panics(), world.timeline.steps());
        let (now, number) = (world.timeline.now_ms(), self.number);
        record.say(format!("{now} client {number} asks {}", tell::asked(&asked)));
        record.count(name_of(&asked));
        let patience = {
            let client = &mut *world.client(self.number);
            let gives_up = client.rng.chance(world.plan.rates.of(Fault::GiveUp));
            gives_up.then(|| Duration::from_millis(client.rng.pause_ms(2_000)))
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        let limit = patience.unwrap_or(ANSWER_WITHIN);
        let outcome = tokio::time::timeout(limit, work).await;
        if life.power.is_off() {
            // Nobody hears what a dead process says.
            std::future::pending::<()>().await;
        }
        life.sync().await;
        let answered = match outcome {
            Ok(Ok(Ok(answered))) => answered,
            Ok(Ok(Err(strange))) => {
                record.violate(Violation::new("the API answers as documented", strange));
                Answered::Nothing
            }
            // Only a panic that was made to happen is excused.
            Ok(Err(_)) => Answered::Refused(Reason::Internal),
            Err(_) if patience.is_some() => {
                record.count(Fault::GiveUp.name());
                Answered::Nothing
            }
            Err(_) => {
                record.violate(Violation::new("every request is answered", format!("{asked:?}")));
                Answered::Nothing
            }
        };
        let now = world.timeline.now_ms();
        record.say(format!("{now} client {number} is told {}", tell::answered(&answered)));
        if let Answered::Refused(reason) = &answered {
            record.count(&format!("refusals: {reason:?}"));
        }
        let excuses = Excuses {
            panicked: record.panics() > panics,
            disk_failed: world.disk.has_failed(),
            short_queue: world.plan.store_queue < 64,
            clock_stepped: first_sent.is_some() || world.timeline.steps() > steps,
        };
        let model = world.model();
        let span = Span { from, to: model.last_seq() };
        let asking = Asking { span, answered_at: world.timeline.now(), excuses };
        record.check(check(&model, &asked, &answered, &asking));
        answered
    }
}

fn name_of(asked: &Asked) -> &'static str {
    match asked {
        Asked::SignUp { .. } => "operations: sign up",
        Asked::ChangeAddress { .. } => "operations: change address",
        Asked::List { .. } => "operations: list",
        Asked::Edit { .. } => "operations: edit",
        Asked::Withdraw { .. } => "operations: withdraw",
        Asked::Reserve { .. } => "operations: lock",
        Asked::Cancel { .. } => "operations: cancel",
        Asked::Pay { .. } => "operations: pay",
        Asked::ReadTicket { .. } => "operations: read ticket",
        Asked::ReadOrder { .. } => "operations: read order",
    }
}
