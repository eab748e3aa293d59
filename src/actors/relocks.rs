//! How soon a buyer may lock a ticket again that they have given back, or let run out, before.
//!
//! A lock keeps everyone else away, and ends in nothing as often as its buyer likes. So the first few
//! ends cost nothing, as people change their minds, and after each further one the buyer waits for
//! that ticket, twice as long as the time before, up to the length of one hold. Others may have it
//! meanwhile.
//!
//! This is kept in memory and ends with the process. It is bounded: an end that lies
//! [`FORGOTTEN_AFTER`] holds back is forgotten, and of more than [`MAX_ENTRIES`] the oldest go.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{TicketId, Timestamp, UserId};

/// How many pairs of buyer and ticket are remembered: some 8 MB.
const MAX_ENTRIES: usize = 100_000;
/// After how many holds an end is forgotten.
const FORGOTTEN_AFTER: u32 = 8;
/// The first pause, as a part of a hold.
const FIRST_PAUSE: u32 = 16;

/// A hold that has ended without a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldEnded {
    /// Who held.
    pub buyer: UserId,
    /// What.
    pub ticket: TicketId,
    /// When it ended.
    pub at: Timestamp,
}

/// Who has held what, and let go of it.
#[derive(Debug)]
pub struct Relocks {
    /// How many ends cost nothing.
    free: u32,
    hold: Duration,
    /// Whether there was any end yet: most who lock need not wait for each other to learn of none.
    is_used: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    ends: HashMap<(UserId, TicketId), Ends>,
    /// How many pairs there may be before the forgotten are looked for.
    purge_at: usize,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    count: u32,
    last: Timestamp,
}

impl Relocks {
    /// Nobody has held anything yet.
    pub fn new(free: u32, hold: Duration) -> Self {
        Self { free, hold, is_used: AtomicBool::new(false), table: Mutex::default() }
    }

    /// When the buyer may lock the ticket again; `None` if at any time.
    pub fn not_before(&self, buyer: UserId, ticket: TicketId) -> Option<Timestamp> {
        if !self.is_used.load(Ordering::Relaxed) {
            return None;
        }
        let ends = self.table().ends.get(&(buyer, ticket)).copied()?;
        let over = ends.count.checked_sub(self.free)?.checked_sub(1)?;
        let first = (self.hold / FIRST_PAUSE).max(Duration::from_millis(1));
        let pause = first.saturating_mul(1 << over.min(16)).min(self.hold);
        Some(ends.last.plus(pause))
    }

    /// To be called with every hold that ends without a sale.
    pub fn note(&self, ended: HoldEnded) {
        let HoldEnded { buyer, ticket, at } = ended;
        let kept_for = self.hold.saturating_mul(FORGOTTEN_AFTER);
        self.is_used.store(true, Ordering::Relaxed);
        let mut table = self.table();
        table.make_room(at, kept_for);
        let ends = table.ends.entry((buyer, ticket)).or_insert(Ends { count: 0, last: at });
        let is_forgotten = at.since(ends.last) > kept_for;
        let before = if is_forgotten { 0 } else { ends.count };
        *ends = Ends { count: before.saturating_add(1), last: at };
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Looks for what is forgotten whenever the table has doubled since it last did, and at the bound
    /// lets the older half go.
    fn make_room(&mut self, now: Timestamp, kept_for: Duration) {
        if self.ends.len() < self.purge_at.max(1024) {
            return;
        }
        self.ends.retain(|_, ends| now.since(ends.last) <= kept_for);
        if self.ends.len() >= MAX_ENTRIES {
            let mut times: Vec<Timestamp> = self.ends.values().map(|ends| ends.last).collect();
            let half = times.len() / 2;
            let (_, middle, _) = times.select_nth_unstable(half);
            let middle = *middle;
            self.ends.retain(|_, ends| ends.last > middle);
        }
        self.purge_at = self.ends.len().saturating_mul(2).min(MAX_ENTRIES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUYER: UserId = UserId::from_u128(1);
    const TICKET: TicketId = TicketId::from_u128(2);
    const HOLD: Duration = Duration::from_secs(160);
    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn ended(relocks: &Relocks, at: Timestamp) {
        relocks.note(HoldEnded { buyer: BUYER, ticket: TICKET, at });
    }

    #[test]
    fn the_first_ends_cost_nothing_and_each_further_one_twice_the_one_before() {
        let relocks = Relocks::new(2, HOLD);
        let pauses = (0..8).map(|_| {
            ended(&relocks, START);
            relocks.not_before(BUYER, TICKET).map(|until| until.since(START).as_secs())
        });
        let pauses: Vec<_> = pauses.collect();
        let grown = [10, 20, 40, 80, 160, 160].map(Some);
        assert_eq!(pauses, [&[None, None][..], &grown].concat());
    }

    #[test]
    fn another_buyer_and_another_ticket_are_not_concerned() {
        let relocks = Relocks::new(0, HOLD);
        ended(&relocks, START);
        assert!(relocks.not_before(BUYER, TICKET).is_some());
        assert_eq!(relocks.not_before(UserId::from_u128(9), TICKET), None);
        assert_eq!(relocks.not_before(BUYER, TicketId::from_u128(9)), None);
    }

    #[test]
    fn what_lies_eight_holds_back_is_forgotten() {
        let relocks = Relocks::new(1, HOLD);
        ended(&relocks, START);
        ended(&relocks, after(1));
        ended(&relocks, after(1 + 8 * 160 + 1));
        assert_eq!(relocks.not_before(BUYER, TICKET), None);
    }

    #[test]
    fn of_too_many_the_oldest_go() {
        let relocks = Relocks::new(0, HOLD);
        let ticket = |number: u64| TicketId::from_u128(u128::from(number) + 10);
        for number in 0..150_000 {
            let at = START.plus(Duration::from_millis(number));
            relocks.note(HoldEnded { buyer: BUYER, ticket: ticket(number), at });
            assert!(relocks.table().ends.len() <= MAX_ENTRIES);
        }
        assert_eq!(relocks.not_before(BUYER, ticket(0)), None);
        assert!(relocks.not_before(BUYER, ticket(149_999)).is_some());
    }
}
