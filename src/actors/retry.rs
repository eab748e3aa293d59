//! The pause before a decision is made again because another was faster.
//!
//! A conflict is ordinary where several decide about one row. Those who meet would meet again if
//! they all came back at once, so each waits for a random part of a span that doubles from try
//! to try, until the request's deadline.

use std::time::Duration;

use tokio::time::Instant;

use super::error::MarketError;
use crate::seams::Entropy;

/// The longest first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_millis(128);

/// Counts the conflicts of one request.
#[derive(Debug)]
pub struct Retry {
    deadline: Instant,
    longest: Duration,
}

impl Retry {
    /// For a request that is to be answered by then.
    pub fn until(deadline: Instant) -> Self {
        Self { deadline, longest: FIRST_PAUSE }
    }

    /// Waits before the next try.
    ///
    /// # Errors
    ///
    /// [`MarketError::Overloaded`] once the deadline leaves no time for one.
    pub async fn pause(&mut self, entropy: &dyn Entropy) -> Result<(), MarketError> {
        let pause = part_of(self.longest, entropy);
        self.longest = self.longest.saturating_mul(2).min(LONGEST_PAUSE);
        if Instant::now() + pause >= self.deadline {
            return Err(MarketError::Overloaded);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// A random part of a span.
fn part_of(span: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0_u8; 4];
    entropy.fill(&mut random);
    span.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}
