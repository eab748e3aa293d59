//! How long things took: times in buckets of which none is wider than 1/64 of its value.

use std::time::Duration;

/// Each power of two is divided into 2 to the power of this.
const SUB_BITS: u32 = 6;
const SUB: u64 = 1 << SUB_BITS;

/// A distribution of times.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Histogram {
    /// Adds a time.
    pub fn record(&mut self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(ns);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// How many times there are.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// The time that `share` of all times do not exceed, by at most 1/64 too high; zero if there
    /// are none.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count is a count"
        )]
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_bound_of(bucket).min(self.max_ns));
            }
        }
        Duration::ZERO
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns)
    }
}

fn bucket_of(ns: u64) -> usize {
    let index = if ns < SUB {
        ns
    } else {
        let shift = u64::from(63 - ns.leading_zeros() - SUB_BITS);
        ((shift + 1) << SUB_BITS) + ((ns >> shift) & (SUB - 1))
    };
    usize::try_from(index).expect("fewer than 4,000 buckets")
}

/// The largest time of a bucket, in nanoseconds.
fn upper_bound_of(bucket: usize) -> u64 {
    let index = bucket as u64;
    if index < SUB {
        return index;
    }
    let shift = (index >> SUB_BITS) - 1;
    let low = (SUB + (index & (SUB - 1))) << shift;
    low + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_a_bucket_that_is_hardly_wider_than_it() {
        for ns in (0..5000).chain((0..50).map(|i| 1_u64 << i)).chain((1..50).map(|i| (1 << i) - 1))
        {
            let upper = upper_bound_of(bucket_of(ns));
            assert!(upper >= ns && upper - ns <= ns / SUB, "{ns}: {upper}");
        }
    }

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
        assert_eq!(times.max(), Duration::from_secs(1));
    }
}
