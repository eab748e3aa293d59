//! Makes the files that later releases have to open: see `scripts/keep-format`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use crate::support::{Client, Place, Server, id, pause};

/// Where they are kept.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format2")
}

/// A year, so that nothing expires while the file is made.
const HOLD_SECONDS: u64 = 31_536_000;
const TITLES: [&str; 6] = [
    "Rock Night Zürich",
    "東京 Final",
    "Jazz & Opera",
    "Łódź Derby",
    "Comedy, row 7",
    "Rock Final",
];

/// One life of a server in which people trade a bit of everything.
fn trade(
    server: &Server,
    people: &mut Vec<(Client, Value)>,
    tickets: &mut Vec<String>,
    name: &str,
) {
    for number in 0..3 {
        let (email, password) = (format!("{name}{number}@example.com"), "a good password");
        let body = json!({"email": email, "password": password});
        let answer = server.client().post("/api/users/signup", &body).is(201);
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: session="));
        let token = cookie.unwrap().split(';').next().unwrap().to_owned();
        let user = json!({"email": email, "password": password, "id": id(&answer.json())});
        people.push((Client { token: Some(token), ..server.client() }, user));
    }
    let people: Vec<Client> = people.iter().map(|(client, _)| client.at(server)).collect();
    for (number, title) in TITLES.iter().cycle().take(24).enumerate() {
        let (seller, buyer) =
            (&people[number % people.len()], &people[(number + 1) % people.len()]);
        let price = json!({"title": title, "price": 5 + number});
        let ticket = id(&seller.post("/api/tickets", &price).is(201).json());
        tickets.push(ticket.clone());
        match number % 8 {
            0 => {}
            1 => drop(buyer.locks(&ticket)),
            2 => {
                let order = id(&buyer.locks(&ticket));
                buyer.send("DELETE", &format!("/api/orders/{order}"), "").is(204);
            }
            3 => {
                let body = json!({"title": "Another name", "price": 12.5}).to_string();
                seller.send("PUT", &format!("/api/tickets/{ticket}"), &body).is(200);
            }
            4 => {
                seller.send("DELETE", &format!("/api/tickets/{ticket}"), "").is(204);
            }
            5 => {
                let body = json!({"ticketId": ticket}).to_string();
                let key = format!("idempotency-key: key-{name}-{number}\r\n");
                let answer = buyer.try_send_with("POST", "/api/orders", &body, &key);
                answer.expect("an answer").is(201);
            }
            place => {
                let order = id(&buyer.locks(&ticket));
                let token = if place == 6 { "tok_visa" } else { "tok_chargeDeclined" };
                let body = json!({"orderId": order, "token": token});
                let status = buyer.post("/api/payments", &body).status;
                assert!([201, 402].contains(&status), "{status}");
            }
        }
    }
}

/// What the server shows of everything.
fn told(server: &Server, people: &[(Client, Value)], tickets: &[String]) -> Value {
    let shown = |ticket: &String| {
        let answer = server.client().get(&format!("/api/tickets/{ticket}"));
        let body = if answer.status == 200 { answer.json() } else { Value::Null };
        (ticket.clone(), json!([answer.status, body]))
    };
    let tickets: Map<String, Value> = tickets.iter().map(shown).collect();
    let orders: BTreeMap<String, Value> = people
        .iter()
        .map(|(client, user)| {
            let all = client.at(server).get("/api/orders?limit=100").is(200).json();
            (id(user), all)
        })
        .collect();
    let users: Vec<&Value> = people.iter().map(|(_, user)| user).collect();
    json!({"users": users, "tickets": tickets, "orders": orders})
}

/// Makes the files anew, for a format that has changed before it was released.
#[test]
#[ignore = "makes files: scripts/keep-format"]
fn the_files_of_this_format_are_kept() {
    std::fs::create_dir_all(folder()).unwrap();
    for (name, is_killed) in [("clean", false), ("killed", true)] {
        let place = Place::new()
            .with("GITTIX_ORDERS__HOLD_SECONDS", HOLD_SECONDS)
            .with("GITTIX_ORDERS__MAX_OPEN_PER_USER", 1_000)
            .with("GITTIX_PAYMENTS__MAX_ATTEMPTS", 2);
        let (mut people, mut tickets) = (Vec::new(), Vec::new());
        let mut server = place.start();
        trade(&server, &mut people, &mut tickets, name);
        if is_killed {
            server.signal("TERM");
            server.wait(Duration::from_secs(20));
            server = place.start();
            for life in 0..5 {
                trade(&server, &mut people, &mut tickets, &format!("{name}{life}"));
            }
        }
        // What is said to a card is settled by then.
        pause(Duration::from_secs(2));
        let told = told(&server, &people, &tickets);
        server.signal(if is_killed { "KILL" } else { "TERM" });
        server.wait(Duration::from_secs(20));
        let path = folder().join(name);
        std::fs::write(path.with_extension("json"), format!("{told:#}\n")).unwrap();
        let packed = std::fs::File::create(path.with_extension("redb.gz")).unwrap();
        let mut packed = GzEncoder::new(packed, Compression::best());
        packed.write_all(&std::fs::read(place.data()).unwrap()).unwrap();
        packed.finish().unwrap();
    }
}
