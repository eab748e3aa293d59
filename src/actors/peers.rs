//! What this server knows of others that work on the same store.
//!
//! Each writes its row once a second, and reads those of all. Whose row has not changed for a while is
//! gone, or stands still, as far as anyone can tell; so the others take over what it would have done.
//!
//! ```text
//!            every second                            unchanged for TAKEN_AFTER
//!   own row ─────────────▶ version + 1      row of the lease's holder ─────────▶ take the lease,
//!   (if the lease is ours: unless another has                                    if that row still is
//!    taken it)                                                                   as it was seen
//! ```
//!
//! A lease is good for [`LEASE`] after its holder began to write its row, by the holder's own steady clock,
//! and is taken no earlier than [`TAKEN_AFTER`] after that row was read, by the clock of whoever takes it.
//! So the holder has ended before another begins, whatever their wall clocks say. A holder that stood
//! still finds out before it does anything; and what it still writes is refused, for another has
//! changed the rows since, or the number of its lease ([`Peers::still`]).
//!
//! Where nobody else can work on the store, everything is ours, and nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::error::MarketError;
use super::supervisor::outlive;
use crate::bugs::{Bug, planted};
use crate::domain::{Commit, Duty, Kept as _, Lease, Node, NodeId, Nodes, Precondition, Version};
use crate::seams::Clock;
use crate::store::{CommitError, SharedStore};

/// How often a server says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// How long a lease is good for after its holder began to say so.
const LEASE: Duration = Duration::from_secs(3);
/// How long after a server was last seen to live its lease is taken.
const TAKEN_AFTER: Duration = Duration::from_millis(3_500);
/// How long a server has a share of the timers after it was last seen to live.
const SHARES_FOR: Duration = Duration::from_secs(2);
/// How long the row of a server stays that is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// How long a server that ends may take to say so.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How many servers are read; more than anyone has.
const PAGE: usize = 1024;

/// What is known of the other servers. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Peers(Option<Arc<watch::Sender<View>>>);

/// How things stand.
#[derive(Debug, Clone, Copy, Default)]
struct View {
    /// The place of this server among those that live, and how many there are.
    place: u64,
    of: u64,
    /// The lease, and until when it is good; while it is ours.
    held: Option<(Lease, Instant)>,
}

impl View {
    fn holds(&self) -> bool {
        self.held.is_some_and(|(_, until)| Instant::now() < until || planted(Bug::EndlessLease))
    }
}

impl Peers {
    /// Nobody else works on the store.
    pub fn none() -> Self {
        Self(None)
    }

    /// Whether nobody else works on the store.
    pub fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// Whether what has that number is for this server to look after, rather than for another.
    pub fn is_ours(&self, number: u128) -> bool {
        let Some(view) = &self.0 else { return true };
        let View { place, of, .. } = *view.borrow();
        share_of(number, of) == place
    }

    /// Whether this server now does what one does at a time.
    pub fn hold(&self) -> bool {
        self.0.as_ref().is_none_or(|view| view.borrow().holds())
    }

    /// What a commit must require that only the holder of the lease may write.
    pub fn still(&self) -> Option<Precondition> {
        let held = self.0.as_ref()?.borrow().held?;
        Some(held.0.still())
    }

    /// Returns once this server holds the lease.
    pub async fn taken(&self) {
        let Some(view) = &self.0 else { return };
        // It ends with what waits for it.
        let _ = view.subscribe().wait_for(View::holds).await;
    }

    /// Returns once it does not.
    pub async fn lost(&self) {
        let Some(view) = &self.0 else { return std::future::pending().await };
        let mut view = view.subscribe();
        loop {
            let now = *view.borrow_and_update();
            let Some((_, until)) = now.held.filter(|_| now.holds()) else { return };
            tokio::select! {
                biased;
                _ = view.changed() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

/// Which of so many has a share in that number.
fn share_of(number: u128, of: u64) -> u64 {
    // Numbers are random at their end; whichever bits are, all of them count.
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) >> 64;
    let share = mixed.checked_rem(u128::from(of)).unwrap_or_default();
    u64::try_from(share).unwrap_or_default()
}

/// That this server is one of several, until it leaves.
pub struct Membership {
    leave: oneshot::Sender<()>,
    left: JoinHandle<()>,
}

impl Membership {
    /// Joins the others. When this returns they can see this server, and it has seen them.
    ///
    /// # Errors
    ///
    /// The store can't be read or written.
    pub async fn begin(
        me: NodeId,
        store: SharedStore,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Peers), MarketError> {
        let view = Arc::new(watch::Sender::new(View { place: 0, of: 1, held: None }));
        let peers = Peers(Some(view.clone()));
        let (node, lease, seen) = (None, None, BTreeMap::new());
        let mut member = Member { me, store, clock, view, node, lease, seen };
        member.round().await?;
        let (leave, told) = oneshot::channel();
        let left = tokio::spawn(member.until(told));
        Ok((Self { leave, left }, peers))
    }

    /// Leaves the others, who take over at once. What one does at a time must have ended.
    pub async fn end(self) {
        let _ = self.leave.send(());
        let _ = tokio::time::timeout(LEAVE_WITHIN, self.left).await;
    }
}

/// What this server remembers of itself and the others.
struct Member {
    me: NodeId,
    store: SharedStore,
    clock: Arc<dyn Clock>,
    view: Arc<watch::Sender<View>>,
    /// This server's row as it was last written, as far as is known.
    node: Option<Node>,
    /// The lease, if it was this server's when last heard of.
    lease: Option<Lease>,
    /// The versions of all rows, and since when they were seen so.
    seen: BTreeMap<NodeId, (Version, Instant)>,
}

impl Member {
    async fn until(mut self, told: oneshot::Receiver<()>) {
        let mut told = told;
        loop {
            tokio::select! {
                biased;
                _ = &mut told => break,
                () = tokio::time::sleep(BEAT) => {}
            }
            outlive("a look at the other servers", "node", self.round()).await;
        }
        self.view.send_modify(|view| view.held = None);
        if let Some(node) = self.node {
            let gone = self.store.commit(Commit::at(self.clock.now()).delete(node)).await;
            if let Err(error) = gone {
                info!(%error, "the others will miss this server a little later");
            }
        }
    }

    async fn round(&mut self) -> Result<(), MarketError> {
        let began = Instant::now();
        // Once more if it was not as it was thought to be, which it then is known to be.
        if !self.beat(began).await? && !self.beat(began).await? {
            return Ok(());
        }
        let nodes = self.store.list::<Node>(Nodes::All, None, PAGE).await?;
        let lease = self.store.get::<Lease>(Duty::Outside).await?;
        self.see(nodes.iter().map(|(_, node)| *node));
        self.take(lease, began).await?;
        self.forget().await
    }

    /// Says that this server lives. Whether it could.
    async fn beat(&mut self, began: Instant) -> Result<bool, MarketError> {
        let node = self.node.map_or_else(|| Node::new(self.me), Node::beats);
        let commit = Commit::at(self.clock.now()).put(node);
        let commit = self.lease.iter().fold(commit, |commit, lease| commit.require(lease.still()));
        match self.store.commit(commit).await {
            Ok(()) => {
                self.node = Some(node);
                self.holds_until(began);
                Ok(true)
            }
            Err(CommitError::Conflict) => {
                self.node = self.store.get::<Node>(self.me).await?;
                let lease = self.store.get::<Lease>(Duty::Outside).await?;
                let was_held = self.lease.take().is_some();
                self.lease = lease.filter(|lease| lease.holder == self.me);
                if was_held && self.lease.is_none() && !planted(Bug::EndlessLease) {
                    warn!("another server has taken over, for this one was not heard of");
                    self.view.send_modify(|view| view.held = None);
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn holds_until(&self, began: Instant) {
        if let Some(lease) = self.lease {
            self.view.send_modify(|view| view.held = Some((lease, began + LEASE)));
        }
    }

    /// Takes note of all rows, and of this server's place among those that live.
    fn see(&mut self, nodes: impl Iterator<Item = Node>) {
        let now = Instant::now();
        let mut seen = BTreeMap::new();
        for node in nodes {
            let before = self.seen.get(&node.id).filter(|(version, _)| *version == node.version);
            seen.insert(node.id, before.copied().unwrap_or((node.version, now)));
        }
        self.seen = seen;
        let lives = |(id, (_, since)): &(&NodeId, &(Version, Instant))| {
            **id == self.me || now.duration_since(*since) < SHARES_FOR
        };
        let live: Vec<NodeId> = self.seen.iter().filter(lives).map(|(id, _)| *id).collect();
        let place = live.iter().position(|id| *id == self.me).unwrap_or_default();
        let number = |count: usize| u64::try_from(count).unwrap_or_default();
        let (place, of) = (number(place), number(live.len()).max(1));
        self.view.send_if_modified(|view| {
            let is_new = (view.place, view.of) != (place, of);
            (view.place, view.of) = (place, of);
            is_new
        });
    }

    /// Takes the lease if nobody has it, or its holder has not been heard of for long enough.
    async fn take(&mut self, found: Option<Lease>, began: Instant) -> Result<(), MarketError> {
        let mut requires = Vec::new();
        if let Some(Lease { holder, .. }) = found {
            if holder == self.me {
                // It was not known whether it was written.
                if self.lease.is_none() {
                    self.lease = found;
                    self.holds_until(began);
                }
                return Ok(());
            }
            let seen = self.seen.get(&holder);
            if seen.is_some_and(|(_, since)| since.elapsed() < TAKEN_AFTER) {
                return Ok(());
            }
            let version = seen.map(|(version, _)| *version);
            requires.push(Precondition::ResourceAt { id: Node::any_id(holder), version });
        }
        let lease = Lease::taken(found, Duty::Outside, self.me);
        let mut commit = Commit::at(self.clock.now()).put(lease);
        commit.requires = requires;
        match self.store.commit(commit).await {
            Ok(()) => {
                info!(number = lease.version.number(), "this server asks the gateway from now on");
                self.lease = Some(lease);
                self.holds_until(began);
                Ok(())
            }
            // Another was faster, or the holder has been heard of.
            Err(CommitError::Conflict) => Ok(()),
            // If it was written, the next look finds that.
            Err(error) => Err(error.into()),
        }
    }

    /// Takes out the rows of servers that are gone.
    async fn forget(&mut self) -> Result<(), MarketError> {
        let gone: Vec<Node> = self
            .seen
            .iter()
            .filter(|(id, (_, since))| **id != self.me && since.elapsed() >= FORGOTTEN_AFTER)
            .map(|(id, (version, _))| Node { id: *id, version: *version })
            .collect();
        for node in gone {
            match self.store.commit(Commit::at(self.clock.now()).delete(node)).await {
                // Another was faster, or it is there again.
                Ok(()) | Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
