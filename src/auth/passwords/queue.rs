//! The queue before the threads that hash: bounded, and fair to whoever waits in it.
//!
//! Jobs wait in a tree of lanes, by provider, site and client (see [`Reach`]). The next job is that
//! of the provider whose turn it is, of the site whose turn it is there, and so on: whoever sends
//! thousands waits behind their own, and somebody else waits for one job of each other network at
//! most. When the queue is full, the longest lane gives its last job up, so newcomers always find
//! room unless they are the ones who fill it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::auth::networks::{Network, Reach};

/// The lanes from the widest to the narrowest.
const LEVELS: [Reach; 3] = [Reach::Provider, Reach::Site, Reach::Client];

/// Shared by those who ask and those who work.
pub(super) struct FairQueue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
    capacity: usize,
}

struct State<J> {
    lanes: Lane<J>,
    is_closed: bool,
}

/// What waits for one network: lanes of the networks within it, or jobs.
struct Lane<J> {
    network: Option<Network>,
    waiting: usize,
    /// The first is the next to have its turn.
    within: VecDeque<Lane<J>>,
    jobs: VecDeque<J>,
}

/// Nothing is taken in any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl<J> FairQueue<J> {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State { lanes: Lane::new(None), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), capacity: capacity.max(1) }
    }

    /// Takes a job in. Gives one back that has no room: this one, or one of a longer lane.
    pub(super) fn push(&self, job: J, from: IpAddr) -> Result<Option<J>, Closed> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Closed);
        }
        let path = LEVELS.map(|reach| Network::of(from, reach));
        state.lanes.push(&path, job);
        let is_over = state.lanes.waiting > self.capacity;
        let removed = if is_over { state.lanes.pop_longest() } else { None };
        drop(state);
        self.changed.notify_one();
        Ok(removed)
    }

    /// The next job, once there is one; nothing when the queue is closed and empty.
    pub(super) fn pop(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.lanes.pop() {
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Lane<J> {
    fn new(network: Option<Network>) -> Self {
        Self { network, waiting: 0, within: VecDeque::new(), jobs: VecDeque::new() }
    }

    fn push(&mut self, path: &[Network], job: J) {
        self.waiting += 1;
        let Some((first, rest)) = path.split_first() else {
            return self.jobs.push_back(job);
        };
        match self.within.iter_mut().find(|lane| lane.network == Some(*first)) {
            Some(lane) => lane.push(rest, job),
            None => {
                let mut lane = Self::new(Some(*first));
                lane.push(rest, job);
                self.within.push_back(lane);
            }
        }
    }

    /// The next job, whose lane then waits for its next turn.
    fn pop(&mut self) -> Option<J> {
        let job = match self.within.pop_front() {
            None => self.jobs.pop_front()?,
            Some(mut lane) => {
                let job = lane.pop();
                if lane.waiting > 0 {
                    self.within.push_back(lane);
                }
                job?
            }
        };
        self.waiting -= 1;
        Some(job)
    }

    /// The last job of the longest lane.
    fn pop_longest(&mut self) -> Option<J> {
        let longest = (0..self.within.len())
            .max_by_key(|place| self.within.get(*place).map(|lane| lane.waiting));
        let job = match longest.and_then(|place| self.within.get_mut(place)) {
            None => self.jobs.pop_back()?,
            Some(lane) => lane.pop_longest()?,
        };
        self.within.retain(|lane| lane.waiting > 0);
        self.waiting -= 1;
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn drain(queue: &FairQueue<u32>) -> Vec<u32> {
        queue.close();
        std::iter::from_fn(|| queue.pop()).collect()
    }

    fn v4(text: &str) -> IpAddr {
        IpAddr::V4(text.parse::<Ipv4Addr>().unwrap())
    }

    #[test]
    fn one_address_waits_behind_its_own() {
        let queue = FairQueue::new(256);
        for n in 0..100 {
            queue.push(n, v4("198.51.100.1")).unwrap();
        }
        queue.push(1000, v4("203.0.113.1")).unwrap();
        queue.push(1001, v4("198.51.100.2")).unwrap();
        let served = drain(&queue);
        let place = |job| served.iter().position(|served| *served == job).unwrap();
        assert_eq!(place(1000), 1);
        assert!(place(1001) <= 3, "a neighbour waits for a turn of its site");
        assert_eq!(served.len(), 102);
    }

    #[test]
    fn a_customer_with_65536_networks_has_one_turn_like_everyone() {
        let queue = FairQueue::new(256);
        for n in 0..1000_u32 {
            let address = 0x2001_0db8_0001_0000_0000_0000_0000_0001 | u128::from(n) << 64;
            queue.push(n, Ipv6Addr::from_bits(address).into()).unwrap();
        }
        for (n, address) in ["2001:db8:2::1", "2a00:1::1", "198.51.100.1"].iter().enumerate() {
            let job = 5000 + u32::try_from(n).unwrap();
            let removed = queue.push(job, address.parse().unwrap()).unwrap();
            assert!(removed.unwrap() < 1000, "it takes the room of one of the many");
        }
        let served = drain(&queue);
        assert_eq!(served.len(), 256);
        for job in 5000..5003 {
            assert!(served.iter().position(|served| *served == job).unwrap() < 6);
        }
    }

    #[test]
    fn whoever_fills_the_queue_is_refused() {
        let queue = FairQueue::new(2);
        let push = |job, address| queue.push(job, v4(address)).unwrap();
        assert_eq!(push(1, "198.51.100.1"), None);
        assert_eq!(push(2, "198.51.100.1"), None);
        assert_eq!(push(3, "198.51.100.1"), Some(3), "it is its own newest that has no room");
        assert_eq!(push(4, "203.0.113.1"), Some(2));
        assert_eq!(drain(&queue), [1, 4]);
    }

    #[test]
    fn a_closed_queue_takes_nothing_in() {
        let queue = FairQueue::new(2);
        queue.close();
        assert_eq!(queue.push(1, v4("198.51.100.1")), Err(Closed));
        assert_eq!(queue.pop(), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nobody_overtakes_themselves(
            sent in prop::collection::vec(0_u8..6, 1..60),
            capacity in 1_usize..40,
        ) {
            let queue = FairQueue::new(capacity);
            let mut removed = Vec::new();
            for (n, sender) in sent.iter().enumerate() {
                let address = Ipv4Addr::new(10, sender % 2, sender % 3, *sender).into();
                removed.extend(queue.push((*sender, n), address).unwrap());
            }
            queue.close();
            let served: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
            prop_assert_eq!(served.len(), sent.len().min(capacity));
            prop_assert_eq!(served.len() + removed.len(), sent.len());
            for sender in 0..6 {
                let own: Vec<_> = served.iter().filter(|(by, _)| *by == sender).collect();
                prop_assert!(own.is_sorted());
            }
        }
    }
}
