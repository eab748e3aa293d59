//! Watches over the marketplace's actors: whatever fails is logged and counted.
//!
//! A failed ticket or order actor needs nothing else: its state dies with it, and the
//! directory makes a fresh one, which reads what is stored, for the next message. Timers, followers and
//! reconcilers, of which there is one for each kind, do their work in [`outlive`] and go on.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use tracing::error;

/// Told how many actors have failed so far.
pub type FailureCounter = Arc<std::sync::atomic::AtomicU64>;

/// The parent of every actor of one marketplace.
pub struct Supervisor {
    /// Counts actors that failed, for the metrics.
    pub failures: FailureCounter,
}

/// The supervisor takes no messages but the ends of its children.
pub enum SupervisorMessage {}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = ();
    type Arguments = ();

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        (): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        (): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(actor, reason) = event {
            self.failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            error!(actor = %actor.get_id(), %reason, "an actor failed");
        }
        Ok(())
    }
}

/// Work of an actor that nothing would replace, so that neither an error nor a panic ends it.
/// Without a result it has to be done again. `what` is the work's name in the log, `kind` that of
/// the actor's kind.
pub async fn outlive<T, E: Display>(
    what: &str,
    kind: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => error!(kind, %error, "{what} failed; trying again"),
        Err(_) => error!(kind, "{what} panicked; trying again"),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn neither_an_error_nor_a_panic_gets_past_it() {
        assert_eq!(outlive("work", "test", async { Ok::<_, String>(7) }).await, Some(7));
        assert_eq!(outlive("work", "test", async { Err::<(), _>("no") }).await, None);
        let panics = async { panic!("planted") };
        assert_eq!(outlive::<(), String>("work", "test", panics).await, None);
    }
}
