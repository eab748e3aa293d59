//! Killed under load, again and again, at moments that nobody chose: what was answered is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use crate::shoppers::{Books, Market, Person};
use crate::support::{Client, Place, Server, pause};

/// How often the server is killed in an ordinary test run.
const ROUNDS: u64 = 5;
/// The same by `scripts/test-crash`, unless it is told otherwise.
const MANY_ROUNDS: u64 = 60;
const BUYERS: u64 = 6;
const SELLERS: u64 = 2;
/// The longest that a server is left alone under load.
const LONGEST_LIFE: Duration = Duration::from_millis(400);
/// How soon after its start a server answers: half of the times, and always. The machine that
/// runs this may be busy with something else.
const STARTS_WITHIN: Duration = Duration::from_secs(1);
const STARTS_AT_LAST: Duration = Duration::from_secs(10);

#[test]
fn what_was_answered_survives_kills_at_any_moment() {
    kill_again_and_again(from_environment("GITTIX_CRASH_SEED", 1), ROUNDS);
}

/// `scripts/test-crash` runs this; it says how often and with which seed.
#[test]
#[ignore = "needs several minutes"]
fn what_was_answered_survives_dozens_of_kills() {
    let rounds = from_environment("GITTIX_CRASH_ROUNDS", MANY_ROUNDS);
    kill_again_and_again(from_environment("GITTIX_CRASH_SEED", 2), rounds);
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn kill_again_and_again(seed: u64, rounds: u64) {
    println!("seed {seed}, {rounds} rounds");
    let place = Place::new().with("GITTIX_ORDERS__MAX_OPEN_PER_USER", 10_000);
    let (mut server, _) = start(&place);
    let people: Vec<Arc<Person>> = (0..SELLERS + BUYERS)
        .map(|number| Arc::new(Person::new(&server.client(), seed, number, number < SELLERS)))
        .collect();
    let books = Arc::new(Books::default());
    let mut starts = Vec::new();
    for round in 0..rounds {
        let lived = live(&server, &people, &books, seed ^ round);
        server.kill();
        let (next, took) = start(&place);
        server = next;
        starts.push(took);
        let anyone = server.client();
        books.repeat_what_got_no_answer(&anyone, &people);
        books.must_be_true(&anyone, &people);
        println!("round {round}: killed after {lived:?}, ready again after {took:?}");
    }
    server.kill();
    let (is_sound, said) = place.run(&["verify"]);
    assert!(is_sound, "{said}");
    starts.sort();
    let (middle, longest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    println!("{books}\nready after {middle:?} mostly, {longest:?} at worst\n{said}");
    assert!(books.orders() >= rounds, "there was load: {books}");
    assert!(middle < STARTS_WITHIN && longest < STARTS_AT_LAST, "{starts:?}");
}

/// Starts the server and waits until it says that it is ready.
fn start(place: &Place) -> (Server, Duration) {
    let since = Instant::now();
    let server = place.start();
    while server.client().get("/readyz").status != 200 {
        assert!(since.elapsed() < STARTS_AT_LAST, "it does not get ready: {}", server.log());
        pause(Duration::from_millis(5));
    }
    (server, since.elapsed())
}

/// Lets everybody work for a while that the seed decides. The server is there when it ends, and
/// so are requests that it has not answered.
fn live(server: &Server, people: &[Arc<Person>], books: &Arc<Books>, seed: u64) -> Duration {
    let is_over = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let market = Arc::new(Market::default());
    let workers: Vec<_> = people
        .iter()
        .map(|person| {
            let (person, books, market) = (person.clone(), books.clone(), market.clone());
            let (is_over, answers) = (is_over.clone(), answers.clone());
            let at: Client = person.client.at(server);
            thread::spawn(move || {
                let mut step = 0;
                while !is_over.load(Ordering::SeqCst) {
                    step += 1;
                    let answered = person.acts(&at, &market, &books, seed, step);
                    // The server is gone.
                    let Some(count) = answered else { return };
                    answers.fetch_add(count, Ordering::SeqCst);
                }
            })
        })
        .collect();
    // Counted in answers, a moment is as early on a slow machine as on a fast one.
    let since = Instant::now();
    let wanted = crate::shoppers::chance(seed, "moment", 0) % 400;
    while answers.load(Ordering::SeqCst) < wanted && since.elapsed() < LONGEST_LIFE * 10 {
        pause(Duration::from_millis(1));
    }
    let within_a_request = crate::shoppers::chance(seed, "moment", 1) % 4_000;
    pause(Duration::from_micros(within_a_request));
    let lived = since.elapsed();
    server.signal("KILL");
    is_over.store(true, Ordering::SeqCst);
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    lived
}
