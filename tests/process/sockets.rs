//! Clients that are slow, endless or do not speak HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Client, Place, pause};

/// Reads until the server closes, which it has to do in time.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until the head of an answer is there, or the server closes.
fn read_head(stream: &mut TcpStream) -> String {
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        answer.extend(byte);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or("")
}

#[test]
fn a_client_that_never_ends_its_headers_is_cut_off() {
    let place = Place::new().with("GITTIX_HTTP__HEADER_TIMEOUT_SECONDS", 1);
    let server = place.start();
    let mut stream = server.client().connect().unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").unwrap();
    let began = Instant::now();
    // It keeps on sending a little, and is cut off all the same.
    let mut is_open = true;
    while is_open && began.elapsed() < Duration::from_secs(15) {
        pause(Duration::from_millis(100));
        is_open = stream.write_all(b"x-a: b\r\n").is_ok();
    }
    assert!(!is_open, "the connection lives on");
    server.client().get("/healthz").is(200);
}

#[test]
fn a_body_that_never_ends_is_cut_off() {
    let place = Place::new()
        .with("GITTIX_HTTP__REQUEST_TIMEOUT_SECONDS", 2)
        .with("GITTIX_PAYMENTS__ANSWER_SECONDS", 1);
    let server = place.start();
    let mut stalled = server.client().connect().unwrap();
    let head = server.client().head("POST", "/api/users/signin", 100);
    stalled.write_all(head.as_bytes()).unwrap();
    stalled.write_all(b"{").unwrap();
    assert_eq!(status(&read_to_end(&mut stalled)), "408");

    let mut endless = server.client().connect().unwrap();
    let head = format!(
        "POST /api/users/signin HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n",
        server.api
    );
    endless.write_all(head.as_bytes()).unwrap();
    let chunk = [b"1000\r\n".as_slice(), &[b' '; 4096], b"\r\n"].concat();
    let began = Instant::now();
    let mut is_open = true;
    while is_open && began.elapsed() < Duration::from_secs(15) {
        pause(Duration::from_millis(2));
        is_open = endless.write_all(&chunk).is_ok();
    }
    assert!(!is_open, "it takes whatever comes");
    server.client().get("/healthz").is(200);
}

#[test]
fn what_is_not_http_is_refused_and_hurts_nobody() {
    let place = Place::new();
    let server = place.start();
    let client = server.client();
    let host = format!("host: {}\r\n", server.api);
    let (long, longer) = ("a".repeat(70_000), "a".repeat(200_000));
    let many: String = (0..200).map(|number| format!("x-{number}: v\r\n")).collect();
    let refused: Vec<(String, &[&str])> = vec![
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n".to_owned(), &["400", ""]),
        ("nonsense\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), &["400", "505"]),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), &["400"]),
        (format!("GET /healthz HTTP/1.1\r\n{host}{host}\r\n"), &["400"]),
        (format!("GET /{long} HTTP/1.1\r\n{host}\r\n"), &["414", "431"]),
        (format!("GET /healthz HTTP/1.1\r\n{host}x: {longer}\r\n\r\n"), &["431"]),
        (format!("GET /healthz HTTP/1.1\r\n{host}{many}\r\n"), &["431"]),
        (
            format!(
                "POST /api/users/signin HTTP/1.1\r\n{host}content-type: application/json\r\n\
            content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"
            ),
            &["400"],
        ),
        (
            format!(
                "POST /api/users/signin HTTP/1.1\r\n{host}content-type: application/json\r\n\
            content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
            ),
            &["400"],
        ),
        (
            format!(
                "POST /api/users/signin HTTP/1.1\r\n{host}content-type: application/json\r\n\
            transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"
            ),
            &["400"],
        ),
        (format!("POST /api/users/signin HTTP/1.1\r\n{host}content-length: -1\r\n\r\n"), &["400"]),
        (format!("GET /healthz HTTP/1.1\r\n{host}x\u{0}y: z\r\n\r\n"), &["400"]),
        (format!("GET /healthz HTTP/1.1\r\n{host} folded: x\r\n\r\n"), &["400"]),
    ];
    for (request, expected) in refused {
        let mut stream = client.connect().unwrap();
        let _ = stream.write_all(request.as_bytes());
        let answer = read_head(&mut stream);
        let shown: String = request.chars().take(80).collect();
        assert!(expected.contains(&status(&answer)), "{shown:?}: {answer}");
    }
    // Bytes at random.
    let mut state = 1_u64;
    for _ in 0..50 {
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let mut stream = client.connect().unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        read_to_end(&mut stream);
    }
    client.get("/healthz").is(200);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn many_at_once_over_real_connections_have_one_winner() {
    let place = Place::new();
    let server = place.start();
    let ticket = server.client().person("ana").lists("Rock");
    let buyers: Vec<Client> =
        (0..8).map(|number| server.client().person(&format!("buyer{number}"))).collect();
    let threads: Vec<_> = (0..64)
        .map(|number| {
            let (buyer, ticket) = (buyers[number % buyers.len()].clone(), ticket.clone());
            std::thread::spawn(move || buyer.tries_to_lock(&ticket).expect("an answer").status)
        })
        .collect();
    let mut answers: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    answers.sort_unstable();
    assert_eq!(answers[0], 201);
    assert!(answers[1..].iter().all(|status| *status == 409), "{answers:?}");
}

/// Asks on a connection that stays open, and reads one answer with a body.
fn ask(stream: &mut TcpStream, host: &str) -> String {
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).unwrap();
    let head = read_head(stream);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    head
}

/// Connects from one of this machine's own addresses.
fn connect_from(source: &str, server: &str) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        socket.connect(server.parse().unwrap()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn the_connection_that_is_idle_longest_gives_way_to_a_new_one() {
    let place = Place::new()
        .with("GITTIX_HTTP__MAX_CONNECTIONS", 4)
        .with("GITTIX_HTTP__MAX_CONNECTIONS_PER_ADDRESS", 0)
        .with("GITTIX_HTTP__HEADER_TIMEOUT_SECONDS", 600);
    let server = place.start();
    let mut idle: Vec<TcpStream> = (0..3).map(|_| server.client().connect().unwrap()).collect();
    for stream in &mut idle {
        assert_eq!(status(&ask(stream, &server.api)), "200");
        pause(Duration::from_millis(20));
    }
    let mut listening = server.client().connect().unwrap();
    let head = format!("GET /api/events HTTP/1.1\r\nhost: {}\r\n\r\n", server.api);
    listening.write_all(head.as_bytes()).unwrap();
    assert_eq!(status(&read_head(&mut listening)), "200");
    server.client().get("/healthz").is(200);
    assert_eq!(read_to_end(&mut idle[0]), "", "it was closed, in silence");
    assert_eq!(status(&ask(&mut idle[2], &server.api)), "200", "the others were left alone");
    // What answers is never cut off, however many come: the stream tells of what happens.
    let ana = server.client().person("ana");
    ana.lists("Rock Concert");
    let mut heard = String::new();
    while !heard.contains("TicketCreated") {
        let mut bytes = [0; 4096];
        let count = listening.read(&mut bytes).unwrap();
        assert!(count > 0, "the stream was cut off: {heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
}

#[test]
fn one_address_can_not_take_all_connections() {
    let place = Place::new()
        .with("GITTIX_HTTP__MAX_CONNECTIONS", 40)
        .with("GITTIX_HTTP__MAX_CONNECTIONS_PER_ADDRESS", 3);
    let server = place.start();
    let listen = || {
        let mut stream = server.client().connect().unwrap();
        let head = format!("GET /api/events HTTP/1.1\r\nhost: {}\r\n\r\n", server.api);
        let _ = stream.write_all(head.as_bytes());
        stream
    };
    let mut streams: Vec<TcpStream> = (0..3).map(|_| listen()).collect();
    for stream in &mut streams {
        assert_eq!(status(&read_head(stream)), "200");
    }
    assert_eq!(read_to_end(&mut listen()), "", "a fourth is closed");
    let mut elsewhere = connect_from("127.0.0.2", &server.api);
    assert_eq!(status(&ask(&mut elsewhere, &server.api)), "200");
    drop(streams);
    // Its own idle ones give way instead, once there are any.
    let until = Instant::now() + Duration::from_secs(20);
    while server.client().try_send("GET", "/healthz", "").is_none() {
        assert!(Instant::now() < until, "the address stays shut out");
        pause(Duration::from_millis(20));
    }
    let mut idle: Vec<TcpStream> = (0..6).map(|_| server.client().connect().unwrap()).collect();
    assert_eq!(status(&ask(&mut idle[0], &server.api)), "200");
    let told = server.log().matches("http.max_connections_per_address").count();
    assert_eq!(told, 1, "{}", server.log());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let place = Place::new();
    let server = place.start();
    let expect = |length: usize| {
        let mut stream = server.client().connect().unwrap();
        let head = server.client().head("POST", "/api/users/signin", length);
        let head = head.strip_suffix("\r\n").unwrap();
        stream.write_all(format!("{head}expect: 100-continue\r\n\r\n").as_bytes()).unwrap();
        read_head(&mut stream)
    };
    assert_eq!(status(&expect(20)), "100");
    assert_eq!(status(&expect(65_536)), "100");
    assert_eq!(status(&expect(65_537)), "413");
    assert_eq!(status(&expect(100_000_000)), "413");
    server.client().get("/healthz").is(200);
}

#[cfg(target_os = "linux")]
#[test]
fn with_few_files_it_takes_fewer_connections_and_goes_on() {
    let place = Place::new().with("GITTIX_HTTP__MAX_CONNECTIONS_PER_ADDRESS", 0);
    let server = place.start_limited("ulimit -n 100");
    assert!(server.log().contains("max_connections=36"), "{}", server.log());
    let held: Vec<TcpStream> = (0..120).map(|_| server.client().connect().unwrap()).collect();
    server.client().person("ana").lists("Rock Concert");
    assert!(!server.log().contains("cannot accept"), "{}", server.log());
    drop(held);
    server.client().get("/healthz").is(200);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_runs_out_of_files_says_so_once_and_goes_on() {
    let place = Place::new();
    let server = place.start();
    let limit = |files: u32| {
        let limited = std::process::Command::new("prlimit")
            .args([format!("--pid={}", server.id()), format!("--nofile={files}:10064")])
            .status();
        assert!(limited.unwrap().success());
    };
    limit(1);
    let mut waiting = server.client().connect().unwrap();
    waiting.write_all(server.client().head("GET", "/healthz", 0).as_bytes()).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while !server.log().contains("cannot accept connections") {
        assert!(Instant::now() < until, "{}", server.log());
        pause(Duration::from_millis(20));
    }
    pause(Duration::from_millis(500));
    limit(10_000);
    assert_eq!(status(&read_to_end(&mut waiting)), "200");
    let told = server.log().matches("cannot accept connections").count();
    assert_eq!(told, 1, "{}", server.log());
}
