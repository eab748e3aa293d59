//! Requests that several scenarios send.

use std::rc::Rc;

use gittix::domain::{OrderId, TicketId};

use crate::client::{Answer, Next, Workload, http};
use crate::world::{World, hash};

/// The `authorization` headers of all buyers.
#[derive(Clone)]
pub struct Buyers(Rc<Vec<Vec<u8>>>);

impl Buyers {
    /// All buyers of a world.
    pub fn of(world: &World) -> Self {
        let header = |token: String| format!("authorization: Bearer {token}\r\n").into_bytes();
        Self(Rc::new(world.buyer_tokens().into_iter().map(header).collect()))
    }

    /// The header of a buyer; numbers beyond the last begin again.
    pub fn header(&self, number: usize) -> &[u8] {
        &self.0[number % self.0.len()]
    }
}

/// `POST /api/orders`
pub fn lock(request: &mut Vec<u8>, ticket: TicketId, buyer: &[u8]) {
    http::post(request, "/api/orders", buyer, format!(r#"{{"ticketId":"{ticket}"}}"#).as_bytes());
}

/// `POST /api/payments` with a card that works.
pub fn pay(request: &mut Vec<u8>, order: OrderId, buyer: &[u8]) {
    let body = format!(r#"{{"orderId":"{order}","token":"tok_visa"}}"#);
    http::post(request, "/api/payments", buyer, body.as_bytes());
}

/// The id of the order that an answer shows.
pub fn order_in(answer: Answer<'_>) -> Result<OrderId, String> {
    let id = http::text_after(answer.body, br#""id":""#).and_then(|id| id.parse().ok());
    id.ok_or_else(|| "an order without an id".to_owned())
}

/// An answer with another status than expected is an error.
pub fn expect(answer: Answer<'_>, status: u16, what: &str) -> Result<(), String> {
    if answer.status == status { Ok(()) } else { Err(format!("{what} was not answered {status}")) }
}

/// The trivial request to the ceiling: the body of a lock, and no token.
pub struct Echo {
    request: Vec<u8>,
}

impl Echo {
    /// One that sends a ticket's id.
    pub fn of(ticket: TicketId) -> Self {
        let mut request = Vec::new();
        let body = format!(r#"{{"ticketId":"{ticket}"}}"#);
        http::post(&mut request, "/echo", b"", body.as_bytes());
        Self { request }
    }
}

impl Workload for Echo {
    fn classes(&self) -> &'static [&'static str] {
        &["POST /echo"]
    }

    fn next(&mut self, _: usize, request: &mut Vec<u8>) -> Next {
        request.extend_from_slice(&self.request);
        Next::Send(0)
    }

    fn answered(&mut self, _: usize, _: usize, answer: Answer<'_>) -> Result<(), String> {
        expect(answer, 200, "the trivial request")
    }
}

/// Places below `end` in random order, the first `count` of them.
pub fn shuffled(end: u64, count: usize) -> Vec<u32> {
    let mut places: Vec<u32> = (0..u32::try_from(end).expect("fewer tickets")).collect();
    let count = count.min(places.len());
    for index in 0..count {
        let left = (places.len() - index) as u64;
        let other = index + usize::try_from(hash(index as u64) % left).expect("an index");
        places.swap(index, other);
    }
    places.truncate(count);
    places
}

/// The latest `count` places below `end`, oldest first, but in random order within each thousand:
/// what is on offer at one time is not bought in the order of its listing.
pub fn latest(end: u64, count: usize) -> Vec<u32> {
    let end = u32::try_from(end).expect("fewer tickets");
    let start = end.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    let mut places: Vec<u32> = (start..end).collect();
    for window in places.chunks_mut(1000) {
        let order = shuffled(window.len() as u64, window.len());
        let before = window.to_vec();
        for (place, from) in window.iter_mut().zip(order) {
            *place = before[from as usize];
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_visited_once() {
        let mut all = shuffled(5000, 5000);
        assert!(all.windows(2).any(|pair| pair[0] > pair[1]));
        all.sort_unstable();
        assert_eq!(all, (0..5000).collect::<Vec<u32>>());
        assert_eq!(shuffled(5000, 10).len(), 10);

        let mut recent = latest(5000, 2500);
        assert!(recent[0] >= 2500 && recent[0] < 3500 && recent[0] != 2500);
        recent.sort_unstable();
        assert_eq!(recent, (2500..5000).collect::<Vec<u32>>());
        assert_eq!(latest(10, 100).len(), 10);
    }
}
