//! Bytes of a file are flipped, one at a time. What has changed is never answered as sound, it is not in
//! a backup that says it is good, and `verify` names it.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::domain::sample::{Sample, Samples};
use crate::domain::{
    ChargeId, Commit, EmailKey, IntentId, Kept as _, OrderId, OrderStatus, SessionId, Ticket,
    TicketId, Timestamp, UserId, Write,
};
use crate::store;
use crate::store::records;
use crate::store::redb::engine::disk::Disk;
use crate::store::redb::open::pages_to_look_at;
use crate::store::testing::{World, market, ticket_changed};
use crate::store::{
    BackupError, CommitError, Deadline, OpenError, PurchaseQuery, ReadError, RedbStore, Store,
    StoreSettings, TicketPosition, TicketQuery, TicketSort, WriterMode, backup_file, search_words,
    verify,
};

fn settings() -> StoreSettings {
    StoreSettings {
        cache_bytes: 4 << 20,
        journal_bytes: 1 << 17,
        writer: WriterMode::Inline,
        ..StoreSettings::default()
    }
}

/// Something to ask a store.
#[derive(Debug, Clone)]
enum Question {
    User(UserId),
    Email(EmailKey),
    Session(UserId, SessionId),
    Ticket(TicketId),
    Tickets(TicketQuery),
    Order(OrderId),
    Purchase(OrderId),
    Purchases(PurchaseQuery),
    Charge(ChargeId),
    Intent(IntentId),
    Remembered(UserId, String),
    Deadlines(Option<Deadline>),
    Unsettled(Option<ChargeId>),
    Resources(store::Question),
    Events(u64),
}

/// How often people trade a bit of everything.
const ROUNDS: u64 = 18;
/// How many rows are asked for at once.
const PAGE: usize = 9;
/// Before everything that is stored.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// What a store says.
#[derive(Debug, Clone)]
struct Answer {
    text: String,
    /// Its rows, if it is a list that may lack damaged ones.
    rows: Vec<String>,
    /// Whether more follow.
    more: bool,
}

impl Question {
    async fn ask(&self, store: &RedbStore) -> Result<Answer, ReadError> {
        let row = |row: &dyn std::fmt::Debug| format!("{row:?}");
        match self {
            Self::Tickets(query) if query.seller.is_none() => {
                let page = store.tickets(query).await?;
                let rows = page.tickets.iter().map(|ticket| row(ticket)).collect();
                Ok(Answer { text: row(&page), rows, more: page.more })
            }
            Self::Unsettled(after) => {
                let charges = store.unsettled_charges(*after, PAGE).await?;
                let rows = charges.iter().map(|charge| row(charge)).collect();
                Ok(Answer { text: row(&charges), rows, more: false })
            }
            question => {
                let text = question.text(store).await?;
                Ok(Answer { text, rows: Vec::new(), more: false })
            }
        }
    }

    async fn text(&self, store: &RedbStore) -> Result<String, ReadError> {
        let told = |told: &dyn std::fmt::Debug| format!("{told:?}");
        Ok(match self {
            Self::User(id) => {
                let user = store.user(*id).await?;
                told(&user.map(|user| (user.id, user.email, user.password_hash, user.version)))
            }
            Self::Email(email) => told(&store.user_by_email(email).await?.map(|user| user.id)),
            Self::Session(user, id) => told(&store.session(*user, *id).await?),
            Self::Ticket(id) => told(&store.ticket(*id).await?),
            Self::Tickets(query) => told(&store.tickets(query).await?),
            Self::Order(id) => told(&store.order(*id).await?),
            Self::Purchase(id) => told(&store.purchase(*id).await?),
            Self::Purchases(query) => told(&store.purchases(query).await?),
            Self::Charge(id) => told(&store.charge(*id).await?),
            Self::Intent(intent) => told(&store.charge_by_intent(intent).await?),
            Self::Remembered(user, key) => told(&store.remembered(*user, key, LONG_AGO).await?),
            Self::Deadlines(after) => told(&store.deadlines(*after, PAGE).await?),
            Self::Unsettled(after) => told(&store.unsettled_charges(*after, PAGE).await?),
            Self::Resources(question) => {
                told(&store.resources(std::slice::from_ref(question)).await?)
            }
            Self::Events(after) => told(&store.events(*after, PAGE).await?),
        })
    }
}

/// Each row that was ever written, and an id beside it that nothing has.
fn questions_about(write: &Write) -> Vec<Question> {
    match write {
        Write::User(user) => vec![
            Question::User(user.id),
            Question::User(UserId::from_u128(user.id.as_u128() + 1)),
            Question::Email(user.email.key()),
            Question::Email(EmailKey::stored(&format!("{}a", user.email.key().as_str()))),
        ],
        Write::Ticket(ticket) => vec![
            Question::Ticket(ticket.id),
            Question::Ticket(TicketId::from_u128(ticket.id.as_u128() - 1)),
        ],
        Write::WithdrawTicket { id, .. } => vec![Question::Ticket(*id)],
        Write::Order(order) => vec![
            Question::Order(order.id),
            Question::Purchase(order.id),
            Question::Order(OrderId::from_u128(order.id.as_u128() + 1)),
        ],
        Write::Charge(charge) => {
            let intent = charge.intent().cloned().map(Question::Intent);
            let beside = ChargeId::from_u128(charge.id.as_u128() + 1);
            let rows = [Question::Charge(charge.id), Question::Charge(beside)];
            rows.into_iter().chain(intent).collect()
        }
        Write::OpenSession(session) => vec![
            Question::Session(session.user, session.id),
            Question::Session(session.user, SessionId::from_u128(session.id.as_u128() ^ 1)),
        ],
        Write::Remember(remembered) => vec![
            Question::Remembered(remembered.user, remembered.key.clone()),
            Question::Remembered(remembered.user, format!("{}a", remembered.key)),
        ],
        Write::Put(resource) => vec![Question::Resources(store::Question::One(resource.id()))],
        Write::Delete(resource) => vec![Question::Resources(store::Question::One(resource.id()))],
        Write::SeeSession { .. } | Write::EndSession { .. } | Write::EndOtherSessions { .. } => {
            Vec::new()
        }
    }
}

/// Every list, page by page.
async fn questions_of_lists(store: &RedbStore, users: &[UserId]) -> Vec<Question> {
    let mut questions = Vec::new();
    let sorts = [TicketSort::Newest, TicketSort::PriceAscending, TicketSort::PriceDescending];
    for sort in sorts {
        let all = TicketQuery { sort, limit: PAGE, ..market() };
        let priced =
            TicketQuery { min_price_minor: Some(200), max_price_minor: Some(700), ..all.clone() };
        let worded = |words| TicketQuery { words: search_words(words), ..all.clone() };
        let mut queries =
            vec![priced, worded("rock"), worded("concert 7"), worded("jazz"), all.clone()];
        queries.extend(
            users.iter().take(3).map(|user| TicketQuery { seller: Some(*user), ..all.clone() }),
        );
        for mut query in queries {
            loop {
                questions.push(Question::Tickets(query.clone()));
                let page = store.tickets(&query).await.expect("a page");
                query.after = page.tickets.last().map(|last| TicketPosition::from(&**last));
                if !page.more {
                    break;
                }
            }
        }
    }
    let statuses = [None, Some(OrderStatus::Completed), Some(OrderStatus::Cancelled)];
    for (user, status) in users.iter().flat_map(|user| statuses.map(|status| (*user, status))) {
        let mut query = PurchaseQuery { buyer: user, status, after: None, limit: PAGE };
        loop {
            questions.push(Question::Purchases(query));
            let page = store.purchases(&query).await.expect("a page");
            let Some(last) = page.last() else { break };
            query.after = Some(last.order.id);
        }
    }
    let mut after = None;
    loop {
        questions.push(Question::Deadlines(after));
        let page = store.deadlines(after, PAGE).await.expect("deadlines");
        let Some(last) = page.last() else { break };
        after = Some(*last);
    }
    let mut after = None;
    loop {
        questions.push(Question::Unsettled(after));
        let page = store.unsettled_charges(after, PAGE).await.expect("charges");
        let Some(last) = page.last() else { break };
        after = Some(last.id);
    }
    let lists = (0..ROUNDS + 1).flat_map(|round| {
        let owner = u32::try_from(round).expect("small");
        let named = [format!("sample {round} 3"), format!("sample {round}")].map(Samples::Named);
        [Samples::Of(owner)].into_iter().chain(named)
    });
    for (list, descending) in lists.flat_map(|list| [(list.clone(), false), (list, true)]) {
        let (list, after, limit) = (Sample::any_list(list), None, PAGE);
        let page = store::Page { list, after, descending, limit };
        questions.push(Question::Resources(store::Question::Page(page)));
    }
    let last = store.stats().last_seq;
    questions.extend((0..=last).step_by(PAGE).map(Question::Events));
    questions
}

/// A file, and what a store in it answers.
struct Sound {
    folder: TempDir,
    bytes: Vec<u8>,
    questions: Vec<Question>,
    answers: Vec<Answer>,
    /// Every row of a list that may lack some.
    rows: HashSet<String>,
}

/// Chance that is the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % limit
    }
}

/// So much that most tables have several pages.
async fn trade(world: &World) {
    world.gets_busy().await;
    for round in 0..ROUNDS {
        let owner = u32::try_from(round).expect("small");
        for number in 0..5 {
            let name = format!("sample {round} {number}");
            let sample = Sample::new(1_000 + round * 10 + number, owner, &name);
            world.commit(Commit::at(world.now()).put(sample)).await;
        }
        let seller = world.user(&format!("seller{round}{}", world.id())).await;
        let buyer = world.user(&format!("buyer{round}{}", world.id())).await;
        world.session(buyer, Duration::from_secs(60)).await;
        world.remembers(buyer, &format!("key{round}"), world.now()).await.expect("a free key");
        for number in 0..9 {
            let title = format!("Rock Concert {number} of {round}");
            let ticket = world.lists(seller, &title, 100 * (number + 1)).await;
            if number < 4 {
                let order = world.locks(buyer, ticket).await;
                match number {
                    0 => drop(world.buys(order).await),
                    1 => world.cancels(order).await,
                    2 => drop(world.pays(order).await),
                    _ => {}
                }
            }
        }
    }
}

impl Sound {
    /// Of a store that was stopped, or one that was killed and has a part of it in its journal.
    async fn store(is_killed: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gittix.redb");
        let open = || Arc::new(RedbStore::open(&path, settings()).expect("a store"));
        let store = open();
        let world = World::new(store.clone());
        trade(&world).await;
        let mut history = world.history();
        drop((store, world));
        tokio::task::yield_now().await;
        if is_killed {
            let store = open();
            let world = World::later(store, 1 << 40);
            let (cleo, dan) = (world.user("cleo").await, world.user("dan").await);
            for price in 1..9 {
                let ticket = world.lists(cleo, "Jazz Opera", price).await;
                let order = world.locks(dan, ticket).await;
                world.buys(order).await;
            }
            history.extend(world.history());
            let killed = folder.path().join("killed.redb");
            std::fs::copy(&path, &killed).expect("a copy");
            drop(world);
            tokio::task::yield_now().await;
            std::fs::rename(&killed, &path).expect("a file");
        }
        let bytes = std::fs::read(&path).expect("a file");
        Self::of(folder, bytes, &history).await
    }

    async fn of(folder: TempDir, bytes: Vec<u8>, history: &[Commit]) -> Self {
        let store = open_bytes(bytes.clone()).expect("a store");
        let users: Vec<UserId> = history
            .iter()
            .flat_map(|commit| &commit.writes)
            .filter_map(|write| match write {
                Write::User(user) if user.version == crate::domain::Version::FIRST => Some(user.id),
                _ => None,
            })
            .collect();
        let mut questions = questions_of_lists(&store, &users).await;
        let writes = history.iter().flat_map(|commit| &commit.writes);
        questions.extend(writes.flat_map(questions_about));
        let mut answers = Vec::new();
        for question in &questions {
            answers.push(question.ask(&store).await.expect("an answer"));
        }
        let rows = answers.iter().flat_map(|answer| answer.rows.clone()).collect();
        Self { folder, bytes, questions, answers, rows }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("gittix.redb")
    }

    /// Whether a list has the rows of another but for some, and in their places others that are sound.
    /// Or it has them all, and says that none follow where only one did.
    fn may_stand_for(&self, found: &Answer, place: usize) -> bool {
        let Some(of) = self.answers.get(place) else { return false };
        let mut all = of.rows.iter();
        let known = found.rows.iter().filter(|row| of.rows.contains(row));
        let is_ordered = known.clone().all(|row| all.any(|other| other == row));
        let are_sound = found.rows.iter().all(|row| self.rows.contains(row));
        let lacks_some = known.count() < of.rows.len() || self.lacks_the_last(found, place);
        is_ordered && are_sound && lacks_some && found.rows.len() <= PAGE
    }

    /// Whether the page is as it was, and the only row behind it is gone. Each page of a list is
    /// asked for right after the one before.
    fn lacks_the_last(&self, found: &Answer, place: usize) -> bool {
        let (page, next) = (self.answers.get(place), self.answers.get(place + 1));
        page.zip(next).is_some_and(|(page, next)| {
            found.rows == page.rows
                && (page.more && !found.more)
                && (next.rows.len() == 1 && !next.more)
        })
    }

    /// The first answer that is wrong, and how many there are none of.
    async fn look_at(&self, store: &RedbStore) -> (Option<String>, usize) {
        let mut refused = 0;
        for (place, (question, answer)) in self.questions.iter().zip(&self.answers).enumerate() {
            match question.ask(store).await {
                Ok(found) if found.text == answer.text => {}
                // What is damaged is told in the log and left out.
                Ok(found) if !answer.rows.is_empty() && self.may_stand_for(&found, place) => {
                    refused += 1;
                }
                Ok(found) => {
                    let (found, answer) = (found.text, &answer.text);
                    return (Some(format!("{question:?}: {found}, not {answer}")), refused);
                }
                Err(_) => refused += 1,
            }
        }
        (None, refused)
    }

    /// Flips bits of a byte, and holds the store to what it must do then. Says what it does wrong.
    async fn flip(&self, at: u64, bits: u8) -> Result<Outcome, String> {
        let byte = self.bytes[usize::try_from(at).expect("a small file")];
        let file = File::options().write(true).open(self.path()).expect("a file");
        file.write_all_at(&[byte ^ bits], at).expect("a file");
        let outcome = self.hold(at, bits).await;
        file.write_all_at(&[byte], at).expect("a file");
        outcome
    }

    async fn hold(&self, at: u64, bits: u8) -> Result<Outcome, String> {
        let findings = match verify(&self.path()) {
            Ok(report) => report.findings,
            Err(error) => vec![error.to_string()],
        };
        let is_found = !findings.is_empty();
        let mut bytes = self.bytes.clone();
        bytes[usize::try_from(at).expect("a small file")] ^= bits;
        match open_bytes(bytes) {
            Ok(store) => {
                let (wrong, refused) = self.look_at(&store).await;
                drop(store);
                tokio::task::yield_now().await;
                if let Some(wrong) = wrong {
                    return Err(format!("answered as sound: {wrong}; verify: {findings:?}"));
                }
                if refused > 0 && !is_found {
                    return Err(format!("{refused} answers refused that verify says nothing of"));
                }
            }
            Err(error) if !is_found => return Err(format!("{error}, and verify says nothing")),
            Err(_) => {}
        }
        let copy = self.folder.path().join("copy.redb");
        let made = backup_file(&self.path(), &copy);
        let is_good = made.is_ok();
        match made {
            Ok(()) | Err(BackupError::DamagedStore { .. }) => {
                let bytes = std::fs::read(&copy).expect("a backup");
                std::fs::remove_file(&copy).expect("a backup");
                let store = open_bytes(bytes).map_err(|error| error.to_string())?;
                let (wrong, refused) = self.look_at(&store).await;
                drop(store);
                tokio::task::yield_now().await;
                if wrong.is_some() || refused > 0 {
                    return Err(format!("a backup that is wrong: {wrong:?}, {refused} refused"));
                }
            }
            Err(_) if copy.exists() => return Err("something is left of a backup".to_owned()),
            Err(_) => {}
        }
        if is_good && is_found {
            return Err(format!("a backup says nothing of {findings:?}"));
        }
        Ok(Outcome { findings })
    }
}

struct Outcome {
    findings: Vec<String>,
}

fn open_bytes(bytes: Vec<u8>) -> Result<RedbStore, OpenError> {
    RedbStore::open_backend(Disk::holding(bytes), settings())
}

/// Flips a byte of every `step`th place of what counts in a file, and some elsewhere.
async fn flip_everywhere(sound: &Sound, step: usize, seed: u64) {
    let live = pages_to_look_at(&sound.path()).expect("pages").live();
    let mut chance = Chance(seed);
    let mut wrong = Vec::new();
    let mut places: Vec<(Option<&str>, u64)> = Vec::new();
    for (name, range) in &live {
        places.extend(range.clone().map(|at| (Some(name.as_str()), at)));
    }
    let mut tried = 0;
    let mut at = usize::try_from(chance.below(step as u64)).expect("small");
    while let Some((name, place)) = places.get(at) {
        let bits = u8::try_from(chance.below(255) + 1).expect("a byte");
        match sound.flip(*place, bits).await {
            Ok(outcome) => {
                let is_named =
                    outcome.findings.iter().any(|told| told.contains(name.unwrap_or("")));
                let is_row = !matches!(*name, Some("header" | "tables") | None);
                if is_row && !is_named {
                    wrong
                        .push(format!("{name:?} {place} ^ {bits:#x}: only {:?}", outcome.findings));
                }
            }
            Err(error) => wrong.push(format!("{name:?} {place} ^ {bits:#x}: {error}")),
        }
        tried += 1;
        at += usize::try_from(chance.below(2 * step as u64 - 1) + 1).expect("small");
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where the row of a ticket is in a file, as far as it counts.
fn places_of(ticket: &Ticket, sound: &Sound) -> Vec<usize> {
    let row = records::encode(ticket.id.as_u128(), ticket).expect("bytes");
    let live = pages_to_look_at(&sound.path()).expect("pages").live();
    let tickets = live.iter().filter(|(name, _)| name == "tickets").map(|(_, range)| range);
    let pages = tickets.map(|range| {
        usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small")
    });
    let mut places = pages.flat_map(|page| page.filter(|at| sound.bytes[*at..].starts_with(&row)));
    let place = places.next().expect("a row");
    (place..place + row.len()).collect()
}

/// Rows change on the disk while a store is in use that keeps next to nothing in memory.
#[tokio::test]
async fn damage_while_a_store_is_in_use_stops_those_who_need_it_and_nobody_else() {
    let sound = Sound::store(false).await;
    let mut chance = Chance(5);
    for (round, seed) in (1_u64..=4).zip(70..) {
        let disk = Disk::holding(sound.bytes.clone());
        let settings = StoreSettings { cache_bytes: 64 << 10, ..settings() };
        let store = Arc::new(RedbStore::open_backend(disk.clone(), settings).expect("a store"));
        let market = store.tickets(&TicketQuery { limit: 100, ..market() }).await.expect("a page");
        let chosen = usize::try_from(chance.below(market.tickets.len() as u64 - 1)).expect("small");
        let (damaged, other) = (&market.tickets[chosen], &market.tickets[chosen + 1]);
        let places = places_of(damaged, &sound);
        let at = places[usize::try_from(chance.below(places.len() as u64)).expect("small")];
        disk.flip(at, u8::try_from(chance.below(255) + 1).expect("a byte"));
        let (wrong, _) = sound.look_at(&store).await;
        assert_eq!(wrong, None, "answered as sound: round {round}");
        let found = store.ticket(damaged.id).await;
        assert!(matches!(found, Err(ReadError::Corrupt(_))), "round {round}: {found:?}");
        let world = World::later(store.clone(), seed << 36);
        let edited = Ticket { version: damaged.version.next(), ..Ticket::clone(damaged) };
        let refused = store.commit(ticket_changed(edited, world.now())).await;
        assert_eq!(refused, Err(CommitError::Unavailable), "it is not written over");
        // The others go on.
        world.edits(other.id, Some("Another title"), Some(77)).await;
        let (seller, buyer) = (world.user("seller").await, world.user("buyer").await);
        let ticket = world.lists(seller, "Listed since", 5).await;
        let order = world.locks(buyer, ticket).await;
        world.buys(order).await;
        assert_eq!(store.failure(), None);
        let copy = sound.folder.path().join("copy.redb");
        assert!(store.backup(&copy).await.is_err() && !copy.exists(), "round {round}");
        let report = store.verify().expect("a report");
        let is_named = report.findings.iter().any(|finding| finding.contains("tickets"));
        assert!(is_named, "round {round}: {report}");
    }
}

/// How many bytes lie between those that a plain test run flips, on average. A prime.
const SAMPLED: usize = 6_007;
/// The same by `scripts/test-damage`.
const OFTEN: usize = 211;

#[tokio::test]
async fn a_byte_that_has_changed_is_never_answered_or_copied_and_always_named() {
    flip_everywhere(&Sound::store(false).await, SAMPLED, 1).await;
}

#[tokio::test]
async fn so_is_one_of_a_store_that_was_killed() {
    flip_everywhere(&Sound::store(true).await, SAMPLED, 2).await;
}

#[tokio::test]
#[ignore = "takes minutes: scripts/test-damage"]
async fn so_are_a_great_many_bytes() {
    let seed = std::env::var("GITTIX_DAMAGE_SEED").ok().and_then(|seed| seed.parse().ok());
    for is_killed in [false, true] {
        flip_everywhere(&Sound::store(is_killed).await, OFTEN, seed.unwrap_or(3)).await;
    }
}
