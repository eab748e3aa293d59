//! Which steps are in doubt, and under which generation of their key they are tried next.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::{ChargeId, GatewayStep};

/// How many errors of Stripe's own a generation of a key may meet before the next is used.
const ERRORS_PER_KEY: u32 = 2;
/// The most charges that are remembered. Beyond it doubts are forgotten, which costs a repeated
/// call its GET and its generation, but is as safe as a restart.
const MAX_DOUBTS: usize = 100_000;

/// A step that was begun and whose end is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    step: GatewayStep,
    generation: u32,
    errors: u32,
}

/// The steps in doubt, one a charge at most: a charge does one step at a time.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<HashMap<ChargeId, Doubt>>);

impl Doubts {
    /// Notes that a step is about to be tried, before it is: the call may never come back.
    /// Returns the generation of the key to try it with.
    pub fn enter(&self, charge: ChargeId, step: GatewayStep) -> u32 {
        self.with(|doubts| {
            if doubts.len() >= MAX_DOUBTS {
                doubts.clear();
            }
            let fresh = Doubt { step, generation: 0, errors: 0 };
            let doubt = doubts.entry(charge).or_insert(fresh);
            if doubt.step != step {
                *doubt = fresh;
            }
            if doubt.errors >= ERRORS_PER_KEY {
                *doubt = Doubt { step, generation: doubt.generation.saturating_add(1), errors: 0 };
            }
            doubt.generation
        })
    }

    /// Whether the step was tried before and its end is not known.
    pub fn has(&self, charge: ChargeId, step: GatewayStep) -> bool {
        self.with(|doubts| doubts.get(&charge).is_some_and(|doubt| doubt.step == step))
    }

    /// Notes that Stripe answered with an error of its own, perhaps a stored one.
    pub fn note_error(&self, charge: ChargeId, is_stored: bool) {
        self.with(|doubts| {
            if let Some(doubt) = doubts.get_mut(&charge) {
                doubt.errors = if is_stored { ERRORS_PER_KEY } else { doubt.errors + 1 };
            }
        });
    }

    /// Notes that something certain is known.
    pub fn end(&self, charge: ChargeId) {
        self.with(|doubts| doubts.remove(&charge));
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<ChargeId, Doubt>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The key of a step in that generation; the first is the step's own.
pub fn key(step: GatewayStep, charge: ChargeId, generation: u32) -> String {
    let key = step.idempotency_key(charge);
    match generation {
        0 => key,
        later => format!("{key}:{}", u64::from(later) + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHARGE: ChargeId = ChargeId::from_u128(1);

    #[test]
    fn a_lost_answer_keeps_the_key_and_two_errors_change_it() {
        let doubts = Doubts::default();
        assert!(!doubts.has(CHARGE, GatewayStep::Capture));
        for _ in 0..5 {
            assert_eq!(doubts.enter(CHARGE, GatewayStep::Capture), 0);
        }
        assert!(doubts.has(CHARGE, GatewayStep::Capture));
        doubts.note_error(CHARGE, false);
        assert_eq!(doubts.enter(CHARGE, GatewayStep::Capture), 0);
        doubts.note_error(CHARGE, false);
        assert_eq!(doubts.enter(CHARGE, GatewayStep::Capture), 1);
        doubts.note_error(CHARGE, true);
        assert_eq!(doubts.enter(CHARGE, GatewayStep::Capture), 2);
        assert_eq!(doubts.enter(CHARGE, GatewayStep::Cancel), 0, "another step starts afresh");
        doubts.end(CHARGE);
        assert!(!doubts.has(CHARGE, GatewayStep::Cancel));
    }

    #[test]
    fn the_first_key_is_the_steps_own() {
        let own = GatewayStep::Refund.idempotency_key(CHARGE);
        assert_eq!(key(GatewayStep::Refund, CHARGE, 0), own);
        assert_eq!(key(GatewayStep::Refund, CHARGE, 1), format!("{own}:2"));
    }
}
