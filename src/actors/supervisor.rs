//! Watches over the marketplace's actors: whatever fails is logged and counted.
//!
//! A failed ticket or order actor needs nothing else: its state dies with it, and the
//! directory makes a fresh one, which reads what is stored, for the next message. The timer
//! and the reconciler, of which there is one each, catch their own panics and go on.

use std::sync::Arc;

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
