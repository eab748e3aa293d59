//! What all parts of the store in PostgreSQL share: where it is, and how things stand.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::batch::Outcome;
use super::connect::Address;
use crate::store::contract::Index;

/// What all parts of the store share.
#[derive(Debug)]
pub struct Shared {
    /// Where the database is.
    pub address: Address,
    /// This server.
    pub node: [u8; 16],
    alone: bool,
    last: watch::Sender<u64>,
    /// Why the database can't be used just now.
    trouble: watch::Sender<Option<String>>,
    /// Why it can't be used any more.
    failure: watch::Sender<Option<String>>,
    counts: Mutex<BTreeMap<Index, i64>>,
}

impl Shared {
    /// For this server, alone on the database or not, with the indexes that are counted.
    pub fn new(address: Address, node: u128, alone: bool, counted: &[Index]) -> Self {
        Self {
            address,
            node: node.to_be_bytes(),
            alone,
            last: watch::Sender::new(0),
            trouble: watch::Sender::new(None),
            failure: watch::Sender::new(None),
            counts: Mutex::new(counted.iter().map(|index| (*index, 0)).collect()),
        }
    }

    /// Who must hold the lease of the only server when something is written.
    pub fn holder(&self) -> Option<&[u8]> {
        self.alone.then_some(self.node.as_slice())
    }

    /// A batch is written. Without a number, the log's head tells of it in a moment.
    pub fn written(&self, batch: &Outcome, seq: Option<u64>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = |name: &[u8]| name.first().copied().map(Index);
        let added = batch.entries_inserted.iter().map(|(name, _)| (index(name), 1));
        let gone = batch.entries_deleted.iter().map(|name| (index(name), -1));
        for (index, change) in added.chain(gone) {
            if let Some(count) = index.and_then(|index| counts.get_mut(&index)) {
                *count = count.saturating_add(change);
            }
        }
        drop(counts);
        if let Some(seq) = seq {
            self.rises(seq);
        }
    }

    fn rises(&self, seq: u64) {
        self.last.send_if_modified(|last| {
            let rises = *last < seq;
            *last = seq.max(*last);
            rises
        });
    }

    /// The database answered: this is the log's last number.
    pub fn is_there(&self, seq: u64) {
        self.rises(seq);
        if self.trouble.borrow().is_some() {
            tracing::info!(database = self.address.shown(), "the database is there again");
            self.trouble.send_replace(None);
        }
    }

    /// The database can't be used just now.
    pub fn is_gone(&self, why: &str) {
        let is_new = self.trouble.send_if_modified(|trouble| {
            let is_new = trouble.is_none();
            *trouble = Some(why.to_owned());
            is_new
        });
        if is_new {
            tracing::warn!(database = self.address.shown(), %why, "the database is gone");
        }
    }

    /// Why the database can't be used any more.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// The database can't be used any more.
    pub fn fail(&self, why: String) {
        tracing::error!(%why, "the store can't be used any more");
        self.failure.send_replace(Some(why));
    }

    /// The indexes that are counted.
    pub fn counted(&self) -> Vec<Index> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// So many entries were counted.
    pub fn set_count(&self, index: Index, count: i64) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).insert(index, count);
    }

    /// How many entries an index has, as far as is known here.
    pub fn count(&self, index: Index) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&index).copied().map_or(0, |count| u64::try_from(count).unwrap_or(0))
    }

    /// The log's last number; whoever holds it is told of every rise.
    pub fn last_logged(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Why the database can't be used just now.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Returns once the database can't be used any more.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        let told = failure.wait_for(Option::is_some).await;
        let why = told.ok().and_then(|why| why.clone());
        match why {
            Some(why) => why,
            // It ended with the store, which nobody then waits for.
            None => std::future::pending().await,
        }
    }
}
