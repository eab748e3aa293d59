//! What every actor needs: the seams, the settings and the way to commit. It knows no actor.

use std::sync::Arc;

use super::error::MarketError;
use super::peers::Peers;
use super::settings::MarketSettings;
use super::timers::Timers;
use super::told;
use crate::bugs::{Bug, planted};
use crate::domain::{AnyResource, Commit, LinkSecrets, Timestamp, Write};
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
    /// The other servers on the store, if there can be any.
    pub peers: Peers,
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
        let committed = if carries_mail(&commit) {
            self.commit_mail(commit).await
        } else {
            self.store.commit(commit).await
        };
        match committed {
            Ok(()) => {
                told::tell(&told);
                Ok(Committed::Durable)
            }
            Err(CommitError::Conflict) => Ok(Committed::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits in a task of its own, so that messages leave though whoever asked for them has given up
    /// meanwhile. What became of a commit that failed may be unknown, so they are looked for then too.
    async fn commit_mail(&self, commit: Commit) -> Result<(), CommitError> {
        let (store, doorbell) = (self.store.clone(), self.timers.mail.clone());
        let task = tokio::spawn(async move {
            let committed = store.commit(commit).await;
            doorbell.ring();
            committed
        });
        // A panic goes on in whoever asked, as if there were no task.
        task.await.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(CommitError::OutcomeUnknown),
        })
    }
}

fn carries_mail(commit: &Commit) -> bool {
    let is_mail = |write: &Write| match write {
        Write::Put(resource) => matches!(**resource, AnyResource::Mail(_)),
        _ => false,
    };
    commit.writes.iter().any(is_mail)
}
