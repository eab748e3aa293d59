//! Who listens, how many of one address may, and how fast one address is sent what is past.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::http::edge::client_address::Network;

/// What listeners may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// How many may listen at once.
    pub max: usize,
    /// How many of them may be of one address, or one IPv6 network, if that is limited. An IPv6 /48
    /// may have twice as many.
    pub max_per_address: Option<usize>,
    /// How many past events one address is sent per second, if that is limited.
    pub replay_per_second: Option<u32>,
}

impl ListenerLimits {
    /// So many listeners, wherever they come from and however far they are behind.
    pub fn of(max: usize) -> Self {
        Self { max, max_per_address: None, replay_per_second: None }
    }
}

/// Everybody who listens. Clones share it.
#[derive(Clone)]
pub struct Listeners(Arc<Shared>);

struct Shared {
    limits: ListenerLimits,
    places: Arc<Semaphore>,
    addresses: Mutex<HashMap<Network, Address>>,
}

/// What is known of one address, or of all of an IPv6 /48.
struct Address {
    listening: usize,
    /// When what it has been sent is paid for, by the rate.
    paid_at: Instant,
}

/// The right to listen, which lasts until this is dropped.
pub struct ListenerPlace {
    listeners: Listeners,
    network: Network,
    _permit: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPlace {
    /// As many listen as may at all.
    Full,
    /// As many of this address listen as may.
    AddressFull,
}

impl Listeners {
    /// Nobody yet.
    pub fn new(limits: ListenerLimits) -> Self {
        let max = limits.max.min(Semaphore::MAX_PERMITS);
        let limits = ListenerLimits { max, ..limits };
        let places = Arc::new(Semaphore::new(max));
        Self(Arc::new(Shared { limits, places, addresses: Mutex::default() }))
    }

    /// The right to listen, if not too many do already.
    pub fn take_place(&self, network: Network) -> Result<ListenerPlace, NoPlace> {
        let mut addresses = self.lock();
        for (holder, max) in network.shares(self.0.limits.max_per_address.unwrap_or(usize::MAX)) {
            let listening = addresses.get(&holder).map_or(0, |address| address.listening);
            if listening >= max {
                return Err(NoPlace::AddressFull);
            }
        }
        let permit = self.0.places.clone().try_acquire_owned().map_err(|_| NoPlace::Full)?;
        let now = Instant::now();
        // Those who have gone are remembered only while they still owe.
        addresses.retain(|_, address| address.listening > 0 || address.paid_at > now);
        for holder in network.holders() {
            let address = addresses.entry(holder).or_insert(Address { listening: 0, paid_at: now });
            address.listening += 1;
        }
        drop(addresses);
        Ok(ListenerPlace { listeners: self.clone(), network, _permit: permit })
    }

    /// How many listen.
    pub fn count(&self) -> usize {
        self.0.limits.max - self.free()
    }

    /// How many more could listen.
    pub fn free(&self) -> usize {
        self.0.places.available_permits()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Network, Address>> {
        self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListenerPlace {
    /// When this address may be sent more of the past; `None` if it may now.
    pub fn replay_resumes_at(&self) -> Option<Instant> {
        self.listeners.0.limits.replay_per_second?;
        let addresses = self.listeners.lock();
        addresses
            .get(&self.network)
            .map(|address| address.paid_at)
            .filter(|at| *at > Instant::now())
    }

    /// Notes that so many past events were looked through for it.
    pub fn note_replayed(&self, events: usize) {
        let Some(per_second) = self.listeners.0.limits.replay_per_second else { return };
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let price = Duration::from_secs(1) * events / per_second.max(1);
        if let Some(address) = self.listeners.lock().get_mut(&self.network) {
            address.paid_at = address.paid_at.max(Instant::now()) + price;
        }
    }
}

impl Drop for ListenerPlace {
    fn drop(&mut self) {
        let mut addresses = self.listeners.lock();
        for holder in self.network.holders() {
            if let Some(address) = addresses.get_mut(&holder) {
                address.listening = address.listening.saturating_sub(1);
                if address.listening == 0 && address.paid_at <= Instant::now() {
                    addresses.remove(&holder);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::time::advance;

    use super::*;

    fn network(last: u8) -> Network {
        Network::of(IpAddr::from([10, 0, 0, last]))
    }

    fn listeners(max: usize, max_per_address: usize, per_second: u32) -> Listeners {
        Listeners::new(ListenerLimits {
            max,
            max_per_address: Some(max_per_address),
            replay_per_second: Some(per_second),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_holds_its_share_and_leaves_the_rest() {
        let listeners = listeners(3, 2, 100);
        let first = listeners.take_place(network(1)).unwrap();
        let _second = listeners.take_place(network(1)).unwrap();
        assert_eq!(listeners.take_place(network(1)).err(), Some(NoPlace::AddressFull));
        let _other = listeners.take_place(network(2)).unwrap();
        assert_eq!(listeners.take_place(network(3)).err(), Some(NoPlace::Full));
        assert_eq!((listeners.count(), listeners.free()), (3, 0));
        drop(first);
        assert!(listeners.take_place(network(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_customer_with_many_networks_holds_twice_what_one_holds() {
        let listeners = listeners(10, 2, 100);
        let of = |subnet: u8| {
            let address = format!("2001:db8:1:{subnet}::1").parse::<IpAddr>().unwrap();
            listeners.take_place(Network::of(address))
        };
        let places: Vec<_> = (0..4).map(|subnet| of(subnet).unwrap()).collect();
        assert_eq!(of(5).err(), Some(NoPlace::AddressFull));
        let _other = listeners.take_place(network(1)).unwrap();
        drop(places);
        assert_eq!(listeners.lock().len(), 1, "only the other is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_past_is_sent_at_a_rate_per_address() {
        let listeners = listeners(10, 10, 100);
        let one = listeners.take_place(network(1)).unwrap();
        let other = listeners.take_place(network(1)).unwrap();
        let stranger = listeners.take_place(network(2)).unwrap();
        assert_eq!(one.replay_resumes_at(), None);
        one.note_replayed(50);
        let resumes = Instant::now() + Duration::from_millis(500);
        assert_eq!(one.replay_resumes_at(), Some(resumes));
        assert_eq!(other.replay_resumes_at(), Some(resumes), "they share an address");
        assert_eq!(stranger.replay_resumes_at(), None);
        advance(Duration::from_millis(500)).await;
        assert_eq!(one.replay_resumes_at(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn coming_back_does_not_pay_and_what_is_paid_is_forgotten() {
        let listeners = listeners(10, 10, 100);
        let one = listeners.take_place(network(1)).unwrap();
        one.note_replayed(100);
        drop(one);
        let again = listeners.take_place(network(1)).unwrap();
        assert!(again.replay_resumes_at().is_some());
        drop(again);
        advance(Duration::from_secs(1)).await;
        drop(listeners.take_place(network(2)).unwrap());
        assert!(listeners.lock().is_empty());
    }
}
