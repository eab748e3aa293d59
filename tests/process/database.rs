//! A server whose store is a database: run by `scripts/test-nodes`, which starts a PostgreSQL anew
//! whenever it is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::nodes::Nodes;
use crate::support::{Answer, Client, Place, Server, id, pause};

/// How long a database that was killed may take to be there again, which is its own matter.
const COMES_BACK_WITHIN: Duration = Duration::from_secs(60);

/// A place whose store is an empty database.
fn place() -> Place {
    Place::new().with("GITTIX_STORE__URL", new_url())
}

/// The URL of an empty database.
pub fn new_url() -> String {
    static NAMES: AtomicU64 = AtomicU64::new(1);
    let base = std::env::var("GITTIX_TEST_POSTGRES").expect("scripts/test-nodes names one");
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    let schema = format!("process_{}_{number}", std::process::id());
    psql(&base, &format!("create schema {schema}"));
    format!("{base}?options=-c%20search_path%3D{schema}")
}

fn psql(url: &str, sql: &str) {
    let program = std::env::var("GITTIX_TEST_PSQL").unwrap_or_else(|_| "psql".to_owned());
    let ran = std::process::Command::new(program).args([url, "-qc", sql]).status();
    assert!(ran.is_ok_and(|status| status.success()), "{sql}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_was_answered_is_in_the_database() {
    let place = place();
    let server = place.start();
    assert!(server.banner.contains("postgres://127.0.0.1"), "{}", server.banner);
    assert!(!place.data().exists(), "there is no file");
    let (ana, bob) = (server.client().person("ana"), server.client().person("bob"));
    let (rock, pop) = (ana.lists("Rock"), ana.lists("Pop"));
    let order = bob.locks(&rock);
    bob.locks(&pop);
    let paid = bob.post("/api/payments", &json!({"orderId": id(&order), "token": "tok_visa"}));
    assert!(matches!(paid.status, 201 | 202), "{paid:?}");
    server.kill();

    let server = place.start();
    let bob = bob.at(&server);
    assert_eq!(bob.status_of(&pop), "Locked");
    let until = Instant::now() + Duration::from_secs(20);
    while bob.status_of(&rock) != "Sold" {
        assert!(Instant::now() < until, "it is never sold");
        pause(Duration::from_millis(20));
    }
    let listed = ana.at(&server).get("/api/tickets?seller=me").is(200).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn commands_on_the_file_say_that_there_is_none() {
    let place = place();
    for command in [&["verify"][..], &["backup", "copy"], &["restore", "copy"]] {
        let (ok, said) = place.run(command);
        assert!(!ok && said.contains("store.url names a database"), "{said}");
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_database_that_can_not_be_reached_or_is_in_use_for_something_else_is_told_of_at_the_start() {
    let nobody = Place::new().with("GITTIX_STORE__URL", "postgres://ann:hunter2@127.0.0.1:1/db");
    let (ok, said) = nobody.run(&["serve"]);
    assert!(!ok && said.contains("store.url: postgres://127.0.0.1:1/db: "), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

/// What one buyer was told of.
#[derive(Default)]
struct Told {
    locked: Vec<(String, String)>,
    refused: usize,
}

/// Locks tickets of others until it is told to stop.
fn buys(at: &Client, tickets: &[String], next: &AtomicU64, is_over: &AtomicBool) -> Told {
    let mut told = Told::default();
    let free = || tickets.get(usize::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap());
    let mut wanted = free();
    while let Some(ticket) = wanted.filter(|_| !is_over.load(Ordering::SeqCst)) {
        match at.tries_to_lock(ticket) {
            Some(Answer { status: 201, body, .. }) => {
                let order: serde_json::Value = serde_json::from_str(&body).unwrap();
                told.locked.push((id(&order), ticket.clone()));
                wanted = free();
            }
            // One that was refused may have been locked all the same, if its outcome was unknown.
            Some(Answer { status: 409, .. }) if told.refused > 0 => wanted = free(),
            Some(answer) => {
                assert_eq!(answer.status, 503, "nothing else: {answer:?}");
                assert!(answer.head.contains("retry-after: "), "{answer:?}");
                told.refused += 1;
                pause(Duration::from_millis(50));
            }
            None => panic!("the server is there all the time"),
        }
    }
    told
}

fn wait_until_ready(server: &Server, is: u16) -> Duration {
    let since = Instant::now();
    while server.client().get("/readyz").status != is {
        assert!(since.elapsed() < COMES_BACK_WITHIN, "never {is}: {}", server.log());
        pause(Duration::from_millis(10));
    }
    since.elapsed()
}

/// Kills the database's first process. Those that serve connections end by themselves.
fn kill_the_database() {
    let file = std::env::var("GITTIX_TEST_POSTGRES_PID").expect("scripts/test-nodes names it");
    let text = std::fs::read_to_string(file).unwrap();
    let process = text.lines().next().unwrap();
    let sent = std::process::Command::new("kill").args(["-KILL", process]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

/// `scripts/test-nodes` runs this alone: there is one database for all.
#[test]
#[ignore = "kills PostgreSQL"]
fn a_database_that_is_killed_under_load_loses_nothing_that_was_answered() {
    let nodes = Nodes::start(&[("GITTIX_ORDERS__MAX_OPEN_PER_USER", "10000")]);
    let [server, ..] = nodes.servers.as_slice() else { panic!("there are three") };
    let ana = server.client().person("ana");
    let tickets: Vec<String> = (0..400).map(|number| ana.lists(&format!("T {number}"))).collect();
    let buyers: Vec<Client> = (0..6)
        .map(|number| nodes.servers[number % 3].client().person(&format!("b{number}")))
        .collect();
    let (tickets, next) = (Arc::new(tickets), Arc::new(AtomicU64::new(0)));
    let is_over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = buyers
        .iter()
        .cloned()
        .map(|at| {
            let (tickets, next, is_over) = (tickets.clone(), next.clone(), is_over.clone());
            thread::spawn(move || buys(&at, &tickets, &next, &is_over))
        })
        .collect();
    for _ in 0..2 {
        pause(Duration::from_millis(500));
        kill_the_database();
        wait_until_ready(server, 503);
        for server in &nodes.servers {
            println!("ready again after {:?}", wait_until_ready(server, 200));
        }
    }
    pause(Duration::from_millis(500));
    is_over.store(true, Ordering::SeqCst);
    let told = workers.into_iter().map(|worker| worker.join());
    let told: Vec<Told> =
        told.map(|told| told.unwrap_or_else(|_| panic!("{}", server.log()))).collect();
    server.client().get("/healthz").is(200);

    let refused: usize = told.iter().map(|told| told.refused).sum();
    let mut locked = 0;
    for (buyer, told) in buyers.iter().zip(&told) {
        for (order, ticket) in &told.locked {
            locked += 1;
            let shown = buyer.get(&format!("/api/orders/{order}")).is(200).json();
            assert_eq!(shown["status"], "Created");
            let ticket = buyer.get(&format!("/api/tickets/{ticket}")).is(200).json();
            assert_eq!(ticket["orderId"], **order);
        }
    }
    println!("{locked} locked, {refused} times 503");
    assert!(locked > 0 && refused > 0, "{locked} {refused}");
    buyers[0].locks(&ana.lists("one more"));
}
