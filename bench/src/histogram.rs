//! How long things took: hdrhistogram, in the units of this benchmark.

use std::time::Duration;

/// Values are told apart to 1 part in 100, which keeps a distribution in the processor's cache.
const SIGNIFICANT_DIGITS: u8 = 2;

/// No run lasts that long. What would be longer counts as this.
const LONGEST: Duration = Duration::from_secs(3600);

/// A distribution of times.
#[derive(Debug, Clone)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Self {
        let made = hdrhistogram::Histogram::new_with_bounds(1, nanos(LONGEST), SIGNIFICANT_DIGITS);
        Self(made.expect("bounds that are allowed"))
    }
}

impl Histogram {
    /// Adds a time.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(nanos(time));
    }

    /// How many times there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// The time that `share` of all times do not exceed, by at most 1/100 too high; zero if there
    /// are none.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share)).min(self.max())
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_times_that_were_recorded() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile(0.99), Duration::ZERO);
        for millis in 1..=1000 {
            times.record(Duration::from_millis(millis));
        }
        assert_eq!(times.len(), 1000);
        for (share, millis) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = times.quantile(share).as_secs_f64() * 1000.0;
            assert!((millis..=millis * 1.02).contains(&found), "{share}: {found}");
        }
        assert!(times.max().abs_diff(Duration::from_secs(1)) < Duration::from_millis(10));
    }

    #[test]
    fn every_time_counts_however_long() {
        let mut times = Histogram::default();
        for time in [Duration::ZERO, Duration::from_nanos(1), LONGEST, Duration::MAX] {
            times.record(time);
        }
        assert_eq!(times.len(), 4);
        assert!(times.quantile(0.7) >= LONGEST && times.max() >= LONGEST);
    }
}
