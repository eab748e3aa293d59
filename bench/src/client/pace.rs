//! When requests are sent: each as soon as its connection is free, or on a fixed schedule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};

/// The shortest sleep: waking up costs the processor that is being measured.
const SLEEP_MIN: Duration = Duration::from_micros(200);

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Every connection sends its next request when it has the answer to the last (closed loop).
    Closed,
    /// So many requests a second are sent, whatever becomes of those before (open loop), as long as
    /// a connection is free. Latency counts from when a request should have been sent.
    Open {
        /// Requests a second.
        per_second: f64,
    },
}

/// When the request of that number is due, counted from the first.
pub fn due_after(number: u64, per_second: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "no run sends 2^53 requests")]
    Duration::from_secs_f64(number as f64 / per_second)
}

/// Hands out the moments at which requests are due.
pub struct Schedule {
    due: Option<Mutex<mpsc::UnboundedReceiver<Instant>>>,
    is_over: Arc<AtomicBool>,
    pacer: Option<JoinHandle<()>>,
}

impl Schedule {
    /// Starts now.
    pub fn start(pace: Pace) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let Pace::Open { per_second } = pace else {
            return Self { due: None, is_over, pacer: None };
        };
        let (send, receive) = mpsc::unbounded_channel();
        let over = is_over.clone();
        // A thread of its own, because the runtime's timer counts in milliseconds.
        let pacer = std::thread::spawn(move || {
            let start = Instant::now();
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                let due = start + due_after(number, per_second);
                let wait = due.saturating_duration_since(Instant::now());
                if !wait.is_zero() {
                    std::thread::sleep(wait.max(SLEEP_MIN));
                }
                if send.send(due).is_err() {
                    return;
                }
                number += 1;
            }
        });
        Self { due: Some(Mutex::new(receive)), is_over, pacer: Some(pacer) }
    }

    /// Waits until a request is due, and says since when; `None` once the schedule is over.
    pub async fn next(&self) -> Option<Instant> {
        match &self.due {
            None => Some(Instant::now()),
            Some(due) => due.lock().await.recv().await,
        }
    }

    /// Nothing is due any more.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.end();
        if let Some(pacer) = self.pacer.take() {
            let _ = pacer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_equal_distances_without_drift() {
        assert_eq!(due_after(0, 1000.0), Duration::ZERO);
        assert_eq!(due_after(1, 1000.0), Duration::from_millis(1));
        assert_eq!(due_after(3_000_000, 1000.0), Duration::from_secs(3000));
        assert_eq!(due_after(7, 3.5), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn an_open_loop_counts_from_the_schedule_however_late_anyone_comes() {
        let schedule = Schedule::start(Pace::Open { per_second: 100.0 });
        let first = schedule.next().await.unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let second = schedule.next().await.unwrap();
        assert_eq!(second - first, Duration::from_millis(10));
        schedule.end();
        while schedule.next().await.is_some() {}
    }

    #[tokio::test]
    async fn a_closed_loop_never_waits() {
        let schedule = Schedule::start(Pace::Closed);
        let before = Instant::now();
        assert!(schedule.next().await.unwrap() >= before);
    }
}
