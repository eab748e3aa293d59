//! Complaints that would otherwise fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often one thing is complained about, at the most.
const INTERVAL: Duration = Duration::from_secs(60);

/// Lets one complaint a minute through.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Unsaid>);

#[derive(Debug, Default)]
struct Unsaid {
    count: u64,
    last: Option<Instant>,
}

impl Seldom {
    /// Whether to complain now, and if so, how many complaints were left out since the last one.
    pub fn allow(&self) -> Option<u64> {
        let mut unsaid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if unsaid.last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            unsaid.count += 1;
            return None;
        }
        unsaid.last = Some(now);
        Some(std::mem::take(&mut unsaid.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_thing_is_complained_about_once_a_minute() {
        let seldom = Seldom::default();
        assert_eq!(seldom.allow(), Some(0));
        assert_eq!(seldom.allow(), None);
        assert_eq!(seldom.allow(), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(seldom.allow(), Some(2), "it tells how many it left out");
        assert_eq!(seldom.allow(), None);
    }
}
