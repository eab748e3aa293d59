//! What every actor needs: the seams, the settings and the way to commit. It knows no actor.

use std::sync::Arc;

use super::error::MarketError;
use super::settings::MarketSettings;
use super::timers::Timers;
use super::told;
use crate::bugs::{Bug, planted};
use crate::domain::{Commit, LinkSecrets, Timestamp};
use crate::seams::{Clock, Entropy, IdMint};
use crate::store::{CommitError, SharedStore};

/// Shared by all actors of one marketplace.
pub struct Context {
    /// Where everything is kept.
    pub store: SharedStore,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Makes the secrets of links in mail.
    pub links: Arc<dyn LinkSecrets>,
    /// New identifiers.
    pub ids: IdMint,
    /// How the marketplace behaves.
    pub settings: MarketSettings,
    /// Told of every timer that is set.
    pub timers: Timers,
}

/// What became of a commit that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is on disk.
    Durable,
    /// Nothing was written, for the state it was decided on is stale: load it again and decide
    /// again.
    Conflict,
}

impl Context {
    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Commits, and reports a refusal in the marketplace's words. A conflict is left to the
    /// caller, who holds the stale state.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, MarketError> {
        if planted(Bug::AnswerBeforeCommit) {
            let store = self.store.clone();
            tokio::spawn(async move { store.commit(commit).await });
            return Ok(Committed::Durable);
        }
        let told = told::of_money(&commit.events);
        match self.store.commit(commit).await {
            Ok(()) => {
                told::tell(&told);
                Ok(Committed::Durable)
            }
            Err(CommitError::Conflict) => Ok(Committed::Conflict),
            Err(error) => Err(error.into()),
        }
    }
}
