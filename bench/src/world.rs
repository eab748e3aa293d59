//! What a store holds before a run: sellers, buyers, tickets, and what became of some of them.
//!
//! Everything follows from a [`World`], ids included, so a client knows what is in a store that was
//! loaded by another process. It is made of the domain's own decisions, as the marketplace would
//! have made them over the year before, and so it passes `gittix verify`.

mod history;
pub mod shows;
pub mod titles;

use std::time::Duration;

use gittix::auth::{SigningKey, SigningKeys, Tokens};
use gittix::domain::{Currency, Price, SessionId, Ticket, TicketId, Timestamp, Title, UserId};
use serde::{Deserialize, Serialize};

/// The key that signs sessions in every benchmark.
pub const KEY: [u8; 32] = *b"a key that signs benchmarks only";
/// The password of every account.
pub const PASSWORD: &str = "sells and buys tickets";
/// The time over which tickets were listed, in milliseconds: a year.
const LISTED_OVER_MS: u64 = 365 * 24 * 3600 * 1000;
/// How long accounts take to be made, in milliseconds.
const SIGN_UPS_MS: u64 = 24 * 3600 * 1000;
/// How long every session lasts.
const SESSION: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Tickets that anyone may lock.
    pub available: u64,
    /// Tickets that are locked by an open order.
    pub open: u64,
    /// Tickets that were sold.
    pub sold: u64,
    /// Accounts that sell.
    pub sellers: u64,
    /// Accounts that buy.
    pub buyers: u64,
    /// How many performers the titles name.
    pub performers: u64,
    /// When the last ticket was listed, in milliseconds since the epoch.
    pub ends_at_ms: u64,
    /// How long after that the first open order runs out, in seconds.
    pub open_for_seconds: u64,
    /// How long after the first the others run out at most, in milliseconds.
    pub open_within_ms: u64,
    /// Shows that all tickets are for; with none they have a title only.
    #[serde(default)]
    pub shows: u64,
}

/// An account with its session.
#[derive(Debug, Clone)]
pub struct Person {
    /// Who it is.
    pub id: UserId,
    /// Its session.
    pub session: SessionId,
    /// The account's address.
    pub email: String,
}

impl World {
    /// All tickets.
    pub fn tickets(&self) -> u64 {
        self.available + self.open + self.sold
    }

    /// The id of an available ticket by its place among them, oldest first.
    pub fn available_ticket(&self, place: u64) -> TicketId {
        self.ticket(self.index_of(place))
    }

    /// The index of an available ticket among all.
    fn index_of(&self, place: u64) -> u64 {
        // Those that are not available are spread evenly among them.
        let (all, available) = (u128::from(self.tickets()), u128::from(self.available));
        let index = ((u128::from(place) + 1) * all).div_ceil(available) - 1;
        u64::try_from(index).expect("an index of a ticket")
    }

    /// An available ticket as it was listed, by its place.
    pub fn listing(&self, place: u64) -> Ticket {
        self.list(self.index_of(place), "usd".parse().expect("a currency"))
    }

    /// The tickets that open orders hold, and when these run out, in milliseconds since the epoch.
    pub fn open_orders(&self) -> impl Iterator<Item = (TicketId, u64)> + '_ {
        let taken = (0..self.tickets()).filter(|index| !self.is_available(*index));
        let open =
            (0..).zip(taken).filter_map(|(taken, index)| Some((index, self.nth_open(taken)?)));
        open.map(|(index, nth)| (self.ticket(index), self.deadline_ms(nth)))
    }

    /// Which of the open orders holds the `taken`th ticket that is not available, if it is not sold:
    /// sold tickets are spread evenly among them.
    fn nth_open(&self, taken: u64) -> Option<u64> {
        let before = |taken: u64| taken * self.open / (self.open + self.sold);
        (before(taken + 1) > before(taken)).then(|| before(taken))
    }

    fn deadline_ms(&self, nth_open: u64) -> u64 {
        let spread = nth_open * self.open_within_ms / self.open.max(1);
        self.ends_at_ms + self.open_for_seconds * 1000 + spread
    }

    /// Every account.
    pub fn people(&self) -> impl Iterator<Item = Person> + '_ {
        (0..self.sellers + self.buyers).map(|index| self.person(index))
    }

    /// A seller by number.
    pub fn seller(&self, number: u64) -> Person {
        self.person(number)
    }

    /// A buyer by number.
    pub fn buyer(&self, number: u64) -> Person {
        self.person(self.sellers + number)
    }

    /// The session tokens of all buyers.
    pub fn buyer_tokens(&self) -> Vec<String> {
        let key = SigningKey::from_bytes(&KEY).expect("a key of 32 bytes");
        let tokens = Tokens::new(&SigningKeys::only(key), SESSION);
        let issue = |number| {
            let buyer = self.buyer(number);
            let issued =
                tokens.issue(&buyer.id.to_string(), buyer.session.as_u128(), self.begins_at());
            issued.expect("a token can be signed").token
        };
        (0..self.buyers).map(issue).collect()
    }

    fn person(&self, index: u64) -> Person {
        let created = self.ends_at_ms - LISTED_OVER_MS - SIGN_UPS_MS + index;
        Person {
            id: UserId::from_u128(id(created, 0, index)),
            session: SessionId::from_u128(u128::from(hash(index)) << 64 | u128::from(hash(!index))),
            email: format!("person-{index}@example.com"),
        }
    }

    fn ticket(&self, index: u64) -> TicketId {
        TicketId::from_u128(id(self.listed_at_ms(index), 0, index))
    }

    /// A ticket as it was listed.
    fn list(&self, index: u64, currency: Currency) -> Ticket {
        let seller = self.seller(hash(index) % self.sellers).id;
        let title = Title::parse(&titles::title(index, self.performers)).expect("a title");
        let price = Price::from_minor(titles::price_minor(index), currency).expect("a price");
        Ticket::list(self.ticket(index), seller, title, price, timestamp(self.listed_at_ms(index)))
    }

    fn listed_at_ms(&self, index: u64) -> u64 {
        let share = u128::from(LISTED_OVER_MS) * u128::from(index) / u128::from(self.tickets());
        self.ends_at_ms - LISTED_OVER_MS + u64::try_from(share).expect("less than a year")
    }

    fn begins_at(&self) -> Timestamp {
        timestamp(self.ends_at_ms - LISTED_OVER_MS - SIGN_UPS_MS)
    }

    fn is_available(&self, index: u64) -> bool {
        let before = |index: u64| {
            u128::from(index) * u128::from(self.available) / u128::from(self.tickets())
        };
        before(index + 1) > before(index)
    }
}

/// An id as the product makes them: time, version 7, a counter, and 62 bits that only look random.
fn id(millis: u64, counter: u64, number: u64) -> u128 {
    let low = (hash(number) >> 2) | (0b10 << 62);
    (u128::from(millis) << 80) | (0x7 << 76) | (u128::from(counter) << 64) | u128::from(low)
}

/// Splitmix64: spreads numbers so that they look random.
pub fn hash(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn timestamp(millis: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(millis).expect("a time of this age"))
}

#[cfg(test)]
pub fn small_world() -> World {
    World {
        available: 1500,
        open: 300,
        sold: 200,
        sellers: 20,
        buyers: 50,
        performers: 100,
        ends_at_ms: 1_790_000_000_000,
        open_for_seconds: 3600,
        open_within_ms: 900_000,
        shows: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_orders_run_out_one_after_the_other() {
        let world = small_world();
        let open: Vec<_> = world.open_orders().collect();
        assert_eq!(open.len(), 300);
        assert!(open.windows(2).all(|pair| pair[0].1 < pair[1].1));
        let first = world.ends_at_ms + 3_600_000;
        assert_eq!(open[0].1, first);
        assert!(open[299].1 < first + 900_000);
    }

    #[test]
    fn available_tickets_are_found_by_their_place() {
        let world = small_world();
        let indexes = (0..world.tickets()).filter(|index| world.is_available(*index));
        let expected: Vec<TicketId> = indexes.map(|index| world.ticket(index)).collect();
        let found: Vec<TicketId> =
            (0..world.available).map(|p| world.available_ticket(p)).collect();
        assert_eq!(found.len(), 1500);
        assert_eq!(found, expected);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
