//! What a kind of effect is made of, and the words in which a decision asks for one.

use std::fmt::{Debug, Display};
use std::time::Duration;

use async_trait::async_trait;

use crate::actors::directory::AskError;
use crate::actors::error::MarketError;
use crate::domain::Timestamp;
use crate::store::ReadError;

/// A call to the outside as a value. Made twice, it has one effect: it carries its idempotency key.
pub trait Call: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Names what the call brings forward, such as a charge. It has one call under way at a time.
    type Key: Copy + Ord + Debug + Display + PartialEq + Send + Sync + 'static;
    /// The aggregate that decides what a call's outcome means.
    type Owner: Copy + Debug + Display + PartialEq + Send + Sync + 'static;
    /// What the outside answers.
    type Fact: Clone + Send + Sync + 'static;
    /// That nobody knows what became of the call.
    type Unknown: Clone + Display + Send + Sync + 'static;

    /// What it brings forward.
    fn key(&self) -> Self::Key;
    /// Whom to tell how it went.
    fn owner(&self) -> Self::Owner;
    /// The call's name in the log.
    fn name(&self) -> &'static str;
}

/// A kind of effect: who is called, and what is not settled yet.
pub trait EffectKind: Send + Sync + 'static {
    /// Its calls.
    type Call: Call;
    /// The kind's name in the log.
    const NAME: &'static str;

    /// Makes a call.
    fn perform(&self, call: &Self::Call) -> impl Future<Output = Outcome<Self::Call>> + Send;

    /// The outcome of a call that was given up, and why.
    fn lost(why: &str) -> <Self::Call as Call>::Unknown;

    /// What is not settled by the store's index, oldest first: that which follows `after`.
    fn unsettled(
        &self,
        after: Option<<Self::Call as Call>::Key>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unsettled<Self::Call>>, ReadError>> + Send;
}

/// What came of a call.
pub type Outcome<C> = Result<<C as Call>::Fact, <C as Call>::Unknown>;

/// Something that owes or is owed a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsettled<C: Call> {
    /// What it is.
    pub key: C::Key,
    /// Who decides about it.
    pub owner: C::Owner,
    /// When it last changed.
    pub changed_at: Timestamp,
}

/// What a decision asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect<C: Call> {
    /// The call that was under way has come back: another may be made.
    Returned(C::Key),
    /// Make a call and tell the owner what came of it, unless one is under way.
    Start(C),
    /// The last call led nowhere: ask the owner again after a pause.
    Later {
        /// What is to be brought forward.
        key: C::Key,
        /// Who decides about it.
        owner: C::Owner,
        /// Why the last call led nowhere.
        reason: String,
        /// The longest pause.
        within: Duration,
    },
    /// Nothing is owed any more.
    Settled(C::Key),
    /// Make a call that costs nobody anything if it is lost, and tell nobody.
    Once(C),
}

/// Whether the owner was told, and what it said.
pub type Told = Result<Result<(), MarketError>, AskError>;

/// The aggregates that own the calls of a kind.
#[async_trait]
pub trait Recipient<C: Call>: Send + Sync + 'static {
    /// Tells what came of a call. Returns once what follows from it is durable.
    async fn returned(&self, call: &C, outcome: Outcome<C>) -> Told;
    /// Has the owner look whether a call has to be made. Returns once that was started.
    async fn bring_forward(&self, owner: C::Owner, key: C::Key) -> Told;
}
