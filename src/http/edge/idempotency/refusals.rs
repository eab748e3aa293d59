//! Refusals, for those who repeat a refused request.
//!
//! A refusal changes nothing, so nothing is lost with it: whoever repeats the request after it was
//! forgotten has it decided again. So refusals are kept in memory alone, the latest of each user, and
//! nobody can fill the disk with them. An answer to something that was done is kept in the store.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::actors::IdempotencyKey;
use crate::domain::{Timestamp, UserId};
use crate::http::edge::answer::Kept as KeptAnswer;

/// How many refusals are kept of one user.
const MAX_PER_USER: usize = 100;
/// And of all users: some 10 MB.
const MAX: usize = 10_000;
/// Longer ones are not kept.
const MAX_BYTES: usize = 4096;

/// The latest refusals of each user.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Each user's, the oldest first.
    by_user: HashMap<UserId, VecDeque<Refusal>>,
    /// Whose refusal makes room next: a place for each that is kept.
    order: VecDeque<UserId>,
}

/// What a request was refused with.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    key: String,
    /// Which request it was.
    pub(super) fingerprint: [u8; 16],
    expires_at: Timestamp,
    /// The answer to the letter.
    pub(super) kept: KeptAnswer,
}

impl Refusals {
    /// The refusal of a key's first request, if it is still known.
    pub(super) fn of(&self, user: UserId, key: &str, now: Timestamp) -> Option<Refusal> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.by_user.get(&user)?.iter().find(|refusal| refusal.key == key)?;
        (found.expires_at > now).then(|| found.clone())
    }

    /// Keeps a refusal, unless it is too long.
    pub(super) fn keep(&self, key: &IdempotencyKey, kept: KeptAnswer) {
        if !matches!(&kept, KeptAnswer::Answered { body, .. } if body.len() <= MAX_BYTES) {
            return;
        }
        let refusal = Refusal {
            key: key.key.clone(),
            fingerprint: key.fingerprint,
            expires_at: key.expires_at,
            kept,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(key.user, refusal);
    }
}

impl Kept {
    fn push(&mut self, user: UserId, refusal: Refusal) {
        let own = self.by_user.entry(user).or_default();
        let places = own.len();
        own.retain(|older| older.key != refusal.key);
        own.push_back(refusal);
        if own.len() > MAX_PER_USER {
            own.pop_front();
        }
        if own.len() > places {
            self.order.push_back(user);
        }
        if self.order.len() > MAX {
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        let Some(user) = self.order.pop_front() else { return };
        if let Some(own) = self.by_user.get_mut(&user) {
            own.pop_front();
            if own.is_empty() {
                self.by_user.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_319_640_768);
    const LATER: Timestamp = Timestamp::from_millis(1_795_319_640_769);

    fn key(user: u128, key: usize) -> IdempotencyKey {
        IdempotencyKey {
            user: UserId::from_u128(user),
            key: key.to_string(),
            fingerprint: [7; 16],
            expires_at: LATER,
        }
    }

    fn answer(length: usize) -> KeptAnswer {
        KeptAnswer::Answered { status: 409, headers: Vec::new(), body: vec![b'x'; length] }
    }

    fn is_known(refusals: &Refusals, user: u128, key: usize) -> bool {
        refusals.of(UserId::from_u128(user), &key.to_string(), NOW).is_some()
    }

    #[test]
    fn a_refusal_is_known_until_its_key_is_free_again() {
        let refusals = Refusals::default();
        refusals.keep(&key(1, 1), answer(10));
        let found = refusals.of(UserId::from_u128(1), "1", NOW).unwrap();
        assert_eq!((found.fingerprint, found.kept), ([7; 16], answer(10)));
        assert!(refusals.of(UserId::from_u128(1), "1", LATER).is_none());
        assert!(!is_known(&refusals, 2, 1) && !is_known(&refusals, 1, 2));
        refusals.keep(&key(1, 2), answer(MAX_BYTES + 1));
        assert!(!is_known(&refusals, 1, 2));
    }

    #[test]
    fn of_each_user_the_latest_are_known() {
        let refusals = Refusals::default();
        refusals.keep(&key(2, 0), answer(1));
        for n in 0..6000 {
            refusals.keep(&key(1, n), answer(1));
        }
        assert!(is_known(&refusals, 1, 5999) && is_known(&refusals, 1, 5900));
        assert!(!is_known(&refusals, 1, 5899));
        assert!(is_known(&refusals, 2, 0), "another user's are not driven out");
        let kept = refusals.0.lock().unwrap();
        assert_eq!(kept.order.len(), MAX_PER_USER + 1);
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        for user in 0..300 {
            for n in 0..60 {
                refusals.keep(&key(user, n), answer(1));
                refusals.keep(&key(user, n), answer(1));
            }
        }
        let kept = refusals.0.lock().unwrap();
        let count: usize = kept.by_user.values().map(VecDeque::len).sum();
        assert_eq!((count, kept.order.len()), (MAX, MAX));
    }
}
