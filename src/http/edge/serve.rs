//! The accept loop: from a listening socket to the router, with a limit on
//! everything a client can make the server wait for or hold.
//!
//! ```text
//! accept ──> [place] ──> read head ──> answer ──> read head ──> … ──> linger ──> closed
//!   │           │           │             │
//!   │           │           │             └─ a write that makes no progress: cut off
//!   │           │           └─ head too slow or connection idle: cut off; too long: 431
//!   │           ├─ none free: the longest idle connection gives way; if none is, it waits, and
//!   │           │  those behind it wait in the system's backlog
//!   │           └─ too many of its address, all busy: closed
//!   └─ fails for want of file descriptors: the longest idle connection gives way, go on
//! ```
//!
//! How long an answer may take is not decided here: see the request timeout in
//! [`super::guard`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, Response, header};
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service;

use super::client_address::Network;
use super::connections::{self, AnswerBody, Connections, Place};
use super::framing::{BodyLength, HeadTap};
use super::seldom::Seldom;
use super::socket::Socket;

/// How many connections the system may complete before they are accepted. A
/// thousand buyers who come at once must not see refused or delayed connections.
const BACKLOG: u32 = 4096;

/// How long to wait when accepting fails for want of a resource. Trying again
/// at once would spin, and giving up would end the server.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client may make the server wait for or hold.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections open at once. Over it, the longest idle one gives way to a
    /// new one; where none is idle, new ones wait in the backlog, unanswered,
    /// until one closes: at least 1.
    pub max_connections: usize,
    /// Connections of one address, or one IPv6 network, if that is limited.
    pub max_per_address: Option<usize>,
    /// How long the head of a request may take to arrive. It counts from the
    /// end of the previous answer, so it is also how long a connection may idle.
    pub header_timeout: Duration,
    /// How many bytes a head may have: at least 8192. More than 100 header
    /// lines are refused whatever their size.
    pub max_head_bytes: usize,
    /// How long a write may wait for the client to read. This limits a stall,
    /// not the length of an answer, so event streams may go on.
    pub write_stall_timeout: Duration,
    /// How long a closing connection takes in what the client still sends, so
    /// that the client gets to read why it was refused.
    pub linger: Duration,
    /// How long requests in flight may go on after shutdown began.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_per_address: None,
            header_timeout: Duration::from_secs(30),
            max_head_bytes: 64 * 1024,
            write_stall_timeout: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(20),
        }
    }
}

/// Opens a listening socket with a long backlog. The address may be one that
/// an earlier process has just left.
///
/// # Errors
///
/// What the system says, for example that the address is in use.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Answers connections until `shutdown` completes; then accepts no more, closes
/// those that are idle, lets requests in flight finish for up to
/// [`ServeLimits::drain`], and drops the rest.
///
/// Every request carries [`ConnectInfo`] and [`super::framing::DeclaredFraming`]
/// in its extensions. Event streams should end themselves on shutdown, or they
/// use up the whole of the drain time.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ServeLimits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Connections::new(limits.max_connections, limits.max_per_address);
    let (drain, draining) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let complaints = Complaints::default();
    loop {
        let (place, stream, peer) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places, &complaints) => accepted,
        };
        // A connection that panicked is simply over, like any other.
        while connections.try_join_next().is_some() {}
        connections.spawn(answer(stream, peer, place, app.clone(), limits, draining.clone()));
    }
    drop(listener);
    drain.send_replace(true);
    let all_finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, all_finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "dropping requests that outlast shutdown");
        connections.shutdown().await;
    }
}

/// What goes wrong while accepting, each told once a minute at the most.
#[derive(Default)]
struct Complaints {
    failing: Seldom,
    crowded: Seldom,
}

/// The next connection that there is a place for.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Connections>,
    complaints: &Complaints,
) -> (Place, TcpStream, SocketAddr) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_connection(&error) => continue,
            Err(error) => {
                if let Some(unsaid) = complaints.failing.allow() {
                    tracing::error!(%error, unsaid, "cannot accept connections");
                }
                // Whoever is idle holds what is wanting.
                places.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(mut place) = places.admit(Network::from(peer)) else {
            if let Some(unsaid) = complaints.crowded.allow() {
                tracing::warn!(
                    %peer,
                    unsaid,
                    "an address has as many connections as http.max_connections_per_address \
                     allows; more are closed"
                );
            }
            continue;
        };
        places.seat(&mut place).await;
        return (place, stream, peer);
    }
}

/// Whether only the connection that was about to be accepted is lost.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Answers the requests of one connection.
async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    app: Router,
    limits: ServeLimits,
    mut draining: watch::Receiver<bool>,
) {
    // Without it a small answer could wait for the client's acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
    }
    let tap = Arc::new(Mutex::new(HeadTap::default()));
    let socket = Socket::new(
        stream,
        limits.write_stall_timeout,
        limits.linger,
        draining.clone(),
        Arc::clone(&tap),
        place.traffic(),
    );
    let traffic = place.traffic();
    let service =
        service_fn(move |request| route(app.clone(), peer, &tap, traffic.begin(), request));
    // hyper's own limit of 100 headers answers 431 and, unlike one that is
    // set here, needs no allocation.
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.max_head_bytes.max(8192))
            .serve_connection(TokioIo::new(socket), service)
    );
    // The watch is held until the end of the server, so waiting does not fail.
    let drain_begins = async { draining.wait_for(|&is_draining| is_draining).await.is_ok() };
    let outcome = tokio::select! {
        biased;
        outcome = connection.as_mut() => outcome,
        _ = drain_begins => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = place.must_leave() => {
            connection.as_mut().graceful_shutdown();
            leave(connection, &place).await
        }
    };
    if let Err(error) = outcome {
        // Clients break off all the time; that is no fault of the server.
        tracing::debug!(%error, %peer, "a connection broke");
    }
}

/// Ends a connection that has to make room, at once unless a request came just before it was told.
async fn leave(
    mut connection: Pin<&mut impl Future<Output = hyper::Result<()>>>,
    place: &Place,
) -> hyper::Result<()> {
    loop {
        // One look sees such a request and says goodbye otherwise. Lingering after that would keep
        // the one waiting that it makes room for.
        match connection.as_mut().now_or_never() {
            Some(outcome) => return outcome,
            None if !place.is_busy() => return Ok(()),
            None => place.stays(),
        }
        tokio::select! {
            biased;
            outcome = connection.as_mut() => return outcome,
            () = place.must_leave() => {}
        }
    }
}

/// Hands one request to the router, with what only the connection knows.
fn route(
    mut app: Router,
    peer: SocketAddr,
    tap: &Mutex<HeadTap>,
    traffic: connections::Request,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
    let body = match request.body().size_hint().exact() {
        Some(bytes) => BodyLength::Bytes(bytes),
        None => BodyLength::Chunked,
    };
    let declared = tap.lock().unwrap_or_else(PoisonError::into_inner).take_head(body);
    request.extensions_mut().insert(declared);
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = app.call(request.map(Body::new));
    async move {
        let mut response = answer.await?;
        if body == BodyLength::Chunked {
            // The tap cannot follow chunks, so nothing may come after them.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        Ok(response.map(|body| AnswerBody::new(body, traffic)))
    }
}

#[cfg(test)]
mod tests;
