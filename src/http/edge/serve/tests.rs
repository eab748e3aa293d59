//! The accept loop over real sockets and in real time, with short limits.

use axum::extract::State;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::super::framing::DeclaredFraming;
use super::super::guard::{EdgeSettings, harden};
use super::super::json::StrictJson;
use super::*;
use crate::http::edge::readiness::Readiness;
use crate::seams::SystemEntropy;

/// Far longer than anything here takes, so that a hang fails and load does not.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

fn limits() -> ServeLimits {
    ServeLimits { linger: PATIENCE, drain: PATIENCE, ..ServeLimits::default() }
}

/// A running server on a free port.
struct Server {
    addr: SocketAddr,
    /// Told when a request to `/slow` is being answered.
    answering: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    fn start(limits: ServeLimits) -> Self {
        let app =
            Router::new()
                .route(
                    "/",
                    get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                        peer.ip().to_string()
                    }),
                )
                .route(
                    "/slow",
                    get(|State(answering): State<Arc<Notify>>| async move {
                        answering.notify_one();
                        tokio::time::sleep(SHORT).await;
                        "slow"
                    }),
                )
                .route("/never", get(std::future::pending::<()>))
                .route(
                    "/panic",
                    get(|| async {
                        if true {
                            panic!("on purpose")
                        }
                    }),
                )
                .route(
                    "/endless",
                    get(|| async {
                        let chunk = Ok::<_, Infallible>("x".repeat(64 * 1024));
                        Body::from_stream(futures_util::stream::repeat(chunk))
                    }),
                )
                .route("/echo", post(|body: String| async { body }))
                .route("/refuse", post(|| async { "refused" }))
                .route(
                    "/framing",
                    post(|request: axum::extract::Request| async move {
                        let declared = request.extensions().get::<DeclaredFraming>().copied();
                        let declared = declared.unwrap_or_default();
                        format!("{}+{}", declared.content_lengths, declared.transfer_encodings)
                    }),
                );
        let answering = Arc::new(Notify::new());
        let server = Self::start_with(app.with_state(Arc::clone(&answering)), limits);
        Self { answering, ..server }
    }

    /// Serves a router with the whole edge around it.
    fn start_hardened() -> Self {
        let app = Router::new().route("/", post(|StrictJson(_): StrictJson| async { "taken" }));
        let settings = EdgeSettings {
            public_origin: None,
            https: false,
            body_limit_bytes: 64 * 1024,
            request_timeout: SHORT * 5,
        };
        Self::start_with(
            harden(app, &settings, Arc::new(SystemEntropy), Readiness::default()),
            limits(),
        )
    }

    fn start_with(app: Router, limits: ServeLimits) -> Self {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(serve(listener, app, limits, async {
            let _ = stopped.await;
        }));
        Self { addr, answering: Arc::default(), stop: Some(stop), task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads all that comes back.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        read_all(stream).await
    }

    fn begin_shutdown(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    async fn stopped(self) {
        timeout(PATIENCE, self.task).await.expect("the server must stop").unwrap();
    }
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("a close").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_handler_sees_the_address_of_the_client() {
    let server = Server::start(limits());
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_stalled_head_is_cut_off() {
    let server = Server::start(ServeLimits { header_timeout: SHORT, ..limits() });
    let began = Instant::now();
    assert_eq!(server.exchange("GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await, "");
    assert_eq!(server.exchange("").await, "", "and so is a connection that says nothing");
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start(limits());
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on\r\n\r\n";
    let answer = server.exchange(client_hello).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    let answer = server.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn too_large_a_head_is_refused_and_the_refusal_arrives() {
    let server = Server::start(limits());
    let lines = "x-line: 1\r\n".repeat(200);
    let answer = server.exchange(format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let path = "a".repeat(70_000);
    let answer = server.exchange(format!("GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let value = "a".repeat(2_000_000);
    let answer = server.exchange(format!("GET / HTTP/1.1\r\nx-line: {value}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn an_answer_to_a_body_that_nobody_reads_arrives() {
    let server = Server::start(limits());
    let body = "a".repeat(4_000_000);
    let answer = server
        .exchange(format!(
            "POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n{body}"
        ))
        .await;
    assert!(answer.ends_with("refused"), "{answer}");
}

#[tokio::test]
async fn contradictions_about_the_length_reach_the_router() {
    let server = Server::start(limits());
    let framing =
        |lines: &str| format!("POST /framing HTTP/1.1\r\nhost: x\r\n{lines}\r\n0\r\n\r\n");
    for (lines, declared) in [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", "1+1"),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "1+1"),
        ("content-length: 5\r\ncontent-length: 5\r\nconnection: close\r\n", "2+0"),
        ("transfer-encoding: chunked\r\n", "0+1"),
    ] {
        let answer = server.exchange(framing(lines)).await;
        assert!(answer.ends_with(declared), "{lines:?}: {answer}");
    }
    let pipelined = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc\
        POST /framing HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 0\r\n\
        connection: close\r\n\r\n";
    let answer = server.exchange(pipelined).await;
    assert!(answer.contains("abc") && answer.ends_with("2+0"), "{answer}");
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let server = Server::start(limits());
    assert_eq!(server.exchange("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_free_slot() {
    let server = Server::start(ServeLimits { max_connections: 1, ..limits() });
    let mut first = server.connect().await;
    first.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.read_u8().await.unwrap();
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(timeout(SHORT, second.read_u8()).await.is_err(), "the only slot is taken");
    drop(first);
    assert!(read_all(second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_idle_connection_makes_room_at_once() {
    let server = Server::start(ServeLimits { max_connections: 1, ..limits() });
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.read_u8().await.unwrap();
    let second = server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(second.starts_with("HTTP/1.1 200"), "{second}");
    // It was closed once its answer was out, and not reset.
    assert!(read_all(first).await.starts_with("TTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_connection() {
    let limits = ServeLimits { write_stall_timeout: SHORT, max_connections: 1, ..limits() };
    let server = Server::start(limits);
    let mut greedy = server.connect().await;
    greedy.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The only slot is free again once the stalled connection has been cut.
    let answer = server.exchange("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let mut server = Server::start(limits());
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    timeout(PATIENCE, server.answering.notified()).await.unwrap();
    server.begin_shutdown();
    assert!(read_all(busy).await.ends_with("slow"));
    read_all(idle).await;
    assert!(TcpStream::connect(server.addr).await.is_err(), "nobody listens any more");
    server.stopped().await;
}

#[tokio::test]
async fn shutdown_drops_what_takes_too_long() {
    let mut server = Server::start(ServeLimits { drain: SHORT, ..limits() });
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(SHORT / 4).await;
    server.begin_shutdown();
    server.stopped().await;
    let mut rest = Vec::new();
    // Whether the connection is closed or reset is up to the system.
    let _ = timeout(PATIENCE, stuck.read_to_end(&mut rest)).await.expect("a close");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_request_that_is_broken_on_the_wire_gets_its_problem() {
    let server = Server::start_hardened();
    let host = "host: x\r\n";
    let json = "content-type: application/json\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    let long = "x".repeat(3_000_000);
    for (rest, status) in [
        (format!("{host}{json}{chunked}connection: close\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"), 200),
        (format!("{host}{json}{chunked}content-length: 2\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"), 400),
        (format!("{host}{json}content-length: 2\r\n{chunked}\r\n2\r\n{{}}\r\n0\r\n\r\n"), 400),
        (format!("{host}{json}content-length: 2\r\ncontent-length: 2\r\n\r\n{{}}"), 400),
        (format!("{json}content-length: 2\r\nconnection: close\r\n\r\n{{}}"), 400),
        (format!("{host}{host}{json}content-length: 2\r\nconnection: close\r\n\r\n{{}}"), 400),
        (format!("{host}{json}{chunked}\r\nzz\r\n{{}}\r\n0\r\n\r\n"), 400),
        (format!("{host}{json}content-length: 10\r\n\r\n{{}}"), 408),
        (format!("{host}{json}content-length: 3000000\r\n\r\n{long}"), 413),
    ] {
        let answer = server.exchange(format!("POST / HTTP/1.1\r\n{rest}")).await;
        let shown = rest.get(..120).unwrap_or(&rest);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
        assert_eq!(status == 200, !answer.contains("application/problem+json"), "{answer}");
    }
}

#[test]
fn a_connection_that_broke_before_it_was_accepted_is_no_trouble_of_the_server() {
    use std::io::ErrorKind;
    for kind in [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionRefused,
        ErrorKind::ConnectionReset,
        ErrorKind::Interrupted,
    ] {
        assert!(concerns_one_connection(&kind.into()), "{kind}");
    }
    // No more files may be open: accepting again at once would spin.
    for kind in [ErrorKind::Other, ErrorKind::OutOfMemory] {
        assert!(!concerns_one_connection(&kind.into()), "{kind}");
    }
}
