//! Which connections are open, where they come from, and which of them could give way.
//!
//! A connection is *busy* from the head of a request until all of its answer is sent, and *idle*
//! in between. When all places are taken, the one that has been idle longest is asked to leave, so
//! that kept-alive connections cost newcomers nothing. What is busy is never cut off. One address
//! may hold so many connections, and an IPv6 /48 twice as many; over it, its own idle ones give way,
//! and if none is idle the newcomer is turned away.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::client_address::Network;

/// How long a new connection has for its first bytes before it counts as idle. What it asks for
/// may be on its way.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(1);
/// How often another connection is asked to leave while somebody waits for a place.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// What [`Standing::idle_since`] is while a request is being answered.
const BUSY: u64 = u64::MAX;

/// The connections of one listener.
#[derive(Debug)]
pub struct Connections {
    slots: Arc<Semaphore>,
    /// The most of one network, if that is limited.
    max_per_network: Option<usize>,
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    standings: HashMap<u64, Arc<Standing>>,
    /// How many of each network there are that have not been asked to leave.
    per_network: HashMap<Network, usize>,
    next_id: u64,
}

/// What is known of one connection.
#[derive(Debug)]
struct Standing {
    network: Network,
    /// In milliseconds since [`Connections::began`].
    idle_since: AtomicU64,
    /// Whether a part of an answer waits for the client to read.
    is_sending: AtomicBool,
    must_leave: AtomicBool,
    told: Notify,
    began: Instant,
}

/// The place of one connection, which it keeps until this is dropped.
#[derive(Debug)]
pub struct Place {
    id: u64,
    standing: Arc<Standing>,
    connections: Arc<Connections>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Connections {
    /// Room for so many connections, and so many of one network.
    pub fn new(max: usize, max_per_network: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            slots: Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS))),
            max_per_network,
            began: Instant::now(),
            open: Mutex::default(),
        })
    }

    /// Counts a connection. `None` if its network has as many as it may, all of them busy.
    pub fn admit(self: &Arc<Self>, network: Network) -> Option<Place> {
        let mut open = self.lock();
        let shares = network.shares(self.max_per_network.unwrap_or(usize::MAX));
        for (holder, max) in shares {
            let held = open.per_network.get(&holder).copied().unwrap_or_default();
            if held < max {
                continue;
            }
            // One that has to leave and was given a request just then stays for its answer, so there
            // may be one too many. That is no way to have more and more of them.
            if !open.ask_longest_idle(Some(holder), self.now()) || held > max {
                return None;
            }
        }
        open.count_one_of(network);
        let id = open.next_id;
        open.next_id += 1;
        let first_bytes_by = self.began.elapsed() + FIRST_BYTES_WITHIN;
        let standing = Arc::new(Standing {
            network,
            idle_since: AtomicU64::new(millis(first_bytes_by)),
            is_sending: AtomicBool::new(false),
            must_leave: AtomicBool::new(false),
            told: Notify::new(),
            began: self.began,
        });
        open.standings.insert(id, Arc::clone(&standing));
        drop(open);
        Some(Place { id, standing, connections: Arc::clone(self), slot: None })
    }

    /// Waits until one of all places is free, and asks idle connections to leave meanwhile.
    pub async fn seat(&self, place: &mut Place) {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                place.slot = Some(slot);
                return;
            }
            self.make_room();
            tokio::select! {
                slot = Arc::clone(&self.slots).acquire_owned() => {
                    // The semaphore is never closed, so the slot is there.
                    place.slot = slot.ok();
                    return;
                }
                () = sleep(ASK_AGAIN_AFTER) => {}
            }
        }
    }

    /// Asks the connection that has been idle longest to leave, if any is idle.
    pub fn make_room(&self) -> bool {
        let now = self.now();
        self.lock().ask_longest_idle(None, now)
    }

    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Looks at all of them, which happens only where there is no room.
    fn ask_longest_idle(&mut self, holder: Option<Network>, now: u64) -> bool {
        let can_leave = |standing: &&Arc<Standing>| {
            holder.is_none_or(|holder| standing.network.holders().any(|own| own == holder))
                && !standing.must_leave.load(Ordering::Relaxed)
                && !standing.is_sending.load(Ordering::Relaxed)
                && standing.idle_since.load(Ordering::Relaxed) <= now
        };
        let idle = self.standings.values().filter(can_leave);
        let longest = idle.min_by_key(|standing| standing.idle_since.load(Ordering::Relaxed));
        let Some(longest) = longest.cloned() else { return false };
        longest.must_leave.store(true, Ordering::Relaxed);
        self.forget_one_of(longest.network);
        longest.told.notify_one();
        true
    }

    fn count_one_of(&mut self, network: Network) {
        for holder in network.holders() {
            *self.per_network.entry(holder).or_default() += 1;
        }
    }

    fn forget_one_of(&mut self, network: Network) {
        for holder in network.holders() {
            if let Some(held) = self.per_network.get_mut(&holder) {
                *held = held.saturating_sub(1);
                if *held == 0 {
                    self.per_network.remove(&holder);
                }
            }
        }
    }
}

impl Place {
    /// Returns once this connection should make room for another.
    pub async fn must_leave(&self) {
        self.standing.told.notified().await;
    }

    /// It has to leave and was given a request just before, so it stays until that is answered: it
    /// counts again, and may be asked again.
    pub fn stays(&self) {
        let mut open = self.connections.lock();
        if self.standing.must_leave.swap(false, Ordering::Relaxed) {
            open.count_one_of(self.standing.network);
        }
    }

    /// Whether a request is being answered.
    pub fn is_busy(&self) -> bool {
        self.standing.is_sending.load(Ordering::Relaxed)
            || self.standing.idle_since.load(Ordering::Relaxed) == BUSY
    }

    /// What requests on this connection are told by.
    pub fn traffic(&self) -> Traffic {
        Traffic(Arc::clone(&self.standing))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.standings.remove(&self.id);
        if !self.standing.must_leave.load(Ordering::Relaxed) {
            open.forget_one_of(self.standing.network);
        }
    }
}

/// Tells when a connection is busy.
#[derive(Debug)]
pub struct Traffic(Arc<Standing>);

impl Traffic {
    /// A request has begun. It ends when this is dropped.
    pub fn begin(&self) -> Request {
        self.0.idle_since.store(BUSY, Ordering::Relaxed);
        Request(Arc::clone(&self.0))
    }

    /// Whether what is written waits for the client to read.
    pub fn note_sending(&self, is_sending: bool) {
        self.0.is_sending.store(is_sending, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Request(Arc<Standing>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.idle_since.store(millis(self.0.began.elapsed()), Ordering::Relaxed);
    }
}

/// The body of an answer, whose end is the end of the request.
pub struct AnswerBody {
    body: Body,
    _request: Request,
}

impl AnswerBody {
    /// A body that keeps the connection busy.
    pub fn new(body: Body, request: Request) -> Self {
        Self { body, _request: request }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn millis(span: Duration) -> u64 {
    // Some 600 million years; `BUSY` is later.
    u64::try_from(span.as_millis()).unwrap_or(BUSY - 1)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::time::{advance, timeout};

    use super::*;

    fn network(last: u8) -> Network {
        Network::of(IpAddr::from([10, 0, 0, last]))
    }

    async fn is_asked_to_leave(place: &Place) -> bool {
        timeout(Duration::ZERO, place.must_leave()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_is_idle_longest_gives_way() {
        let connections = Connections::new(3, None);
        let [first, second, third] = [1, 2, 3].map(|n| connections.admit(network(n)).unwrap());
        for place in [&third, &first, &second] {
            drop(place.traffic().begin());
            advance(Duration::from_secs(1)).await;
        }
        assert!(connections.make_room());
        assert!(is_asked_to_leave(&third).await);
        assert!(connections.make_room());
        assert!(is_asked_to_leave(&first).await, "nobody is asked twice");
        assert!(!is_asked_to_leave(&second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_busy_or_has_just_come_never_gives_way() {
        let connections = Connections::new(2, None);
        let (busy, fresh) =
            (connections.admit(network(1)).unwrap(), connections.admit(network(2)).unwrap());
        let request = busy.traffic().begin();
        assert!(!connections.make_room());
        advance(FIRST_BYTES_WITHIN).await;
        assert!(connections.make_room(), "silence is idleness after a while");
        assert!(is_asked_to_leave(&fresh).await);
        advance(Duration::from_secs(1000)).await;
        assert!(!connections.make_room());
        drop(request);
        busy.traffic().note_sending(true);
        assert!(!connections.make_room(), "the end of the answer is on its way");
        busy.traffic().note_sending(false);
        assert!(connections.make_room());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_place_gets_that_of_an_idle_connection() {
        let connections = Connections::new(1, None);
        let mut first = connections.admit(network(1)).unwrap();
        connections.seat(&mut first).await;
        let request = first.traffic().begin();
        let mut second = connections.admit(network(2)).unwrap();
        let wait = Duration::from_secs(60);
        assert!(timeout(wait, connections.seat(&mut second)).await.is_err(), "the first is busy");
        drop(request);
        let leaves = async {
            first.must_leave().await;
            drop(first);
        };
        let seats = timeout(wait, connections.seat(&mut second));
        assert!(tokio::join!(leaves, seats).1.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_holds_so_many_and_its_own_idle_ones_give_way() {
        let connections = Connections::new(100, Some(2));
        let first = connections.admit(network(1)).unwrap();
        let second = connections.admit(network(1)).unwrap();
        let _requests = (first.traffic().begin(), second.traffic().begin());
        assert!(connections.admit(network(1)).is_none(), "all of its own are busy");
        assert!(connections.admit(network(2)).is_some(), "which hinders nobody else");
        drop(second);
        let third = connections.admit(network(1)).expect("one has ended");
        advance(FIRST_BYTES_WITHIN).await;
        let fourth = connections.admit(network(1)).expect("the third gives way");
        assert!(is_asked_to_leave(&third).await);
        assert!(connections.admit(network(1)).is_none(), "the fourth has just come");
        drop((third, fourth));
        assert!(connections.admit(network(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_given_a_request_when_they_have_to_leave_counts_until_it_is_answered() {
        let connections = Connections::new(100, Some(2));
        let mut places: Vec<_> = (0..2).map(|_| connections.admit(network(1)).unwrap()).collect();
        let mut requests = Vec::new();
        let mut turned_away = 0;
        for _ in 0..50 {
            advance(FIRST_BYTES_WITHIN).await;
            match connections.admit(network(1)) {
                Some(place) => places.push(place),
                None => turned_away += 1,
            }
            // All who have to leave have a request at hand.
            for place in &places {
                if is_asked_to_leave(place).await {
                    requests.push(place.traffic().begin());
                    place.stays();
                }
            }
        }
        assert_eq!((places.len(), turned_away), (3, 49), "one too many and no more");
        assert!(connections.admit(network(2)).is_some());
        drop((requests, places));
        assert!(connections.lock().per_network.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_customer_with_many_networks_holds_twice_what_one_holds() {
        let connections = Connections::new(100, Some(2));
        let of = |subnet: u8| {
            let address = format!("2001:db8:1:{subnet}::1").parse::<IpAddr>().unwrap();
            connections.admit(Network::of(address))
        };
        let places: Vec<_> = (0..4).map(|subnet| of(subnet).unwrap()).collect();
        let requests: Vec<_> = places.iter().map(|place| place.traffic().begin()).collect();
        assert!(of(5).is_none(), "all of the customer's are busy");
        assert!(connections.admit(network(1)).is_some(), "which hinders nobody else");
        drop(requests);
        advance(FIRST_BYTES_WITHIN).await;
        let more = of(5).expect("one of them gives way");
        drop((places, more));
        assert!(connections.lock().per_network.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_connections_that_have_ended() {
        let connections = Connections::new(10, Some(5));
        for n in 0..5 {
            drop(connections.admit(network(n)).unwrap());
        }
        let leaver = connections.admit(network(1)).unwrap();
        advance(FIRST_BYTES_WITHIN).await;
        assert!(connections.make_room());
        drop(leaver);
        let open = connections.lock();
        assert!(open.standings.is_empty() && open.per_network.is_empty());
    }
}
