//! One actor for every kind of aggregate.
//!
//! ```text
//!            ┌─────────────── a pause with jitter, until the request's deadline ◀──┐
//!            ▼                                                                     │ conflict
//!  ask ──▶ load ──▶ decide ──▶ commit ─────────────────────────────────────────────┤
//!                     │          │  the store writes all of it or nothing,         │ durable
//!      refused, or no │          │  itself or carried by another aggregate         ▼
//!      change: answer ◀──────────┘ refused                              adopt ──▶ answer ──▶ act
//! ```
//!
//! What is decided is a value: what to write, what has to hold when it is written, what happened,
//! which timers that sets, what to answer and what to do then. Deciding is pure, so a test compares
//! the value, and the actor that carries it out exists once.
//!
//! An aggregate's actor deals with one request at a time and knows nothing that is not stored, but
//! for those who still wait for their answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorRuntime};
use tokio::time::Instant;

use super::context::{Committed, Context};
use super::directory::{Activation, AskError, Directory, Envelope, Key, Lease, OpenReply, Reply};
use super::error::MarketError;
use super::retry::Retry;
use super::timers::Timer;
use crate::bugs::{Bug, planted};
use crate::domain::{Commit, Timestamp};

/// A thing that is changed by one actor at a time, such as a ticket.
pub trait Aggregate: Sized + Send + Sync + 'static {
    /// Names one of them.
    type Id: Key;
    /// What is decided on.
    type State: Send;
    /// What can be asked.
    type Command: Send + Sync;
    /// What is answered.
    type Answer: Clone + Send;
    /// What is done once a decision is durable.
    type Effect: Send;
    /// The other aggregate whose actor commits, for a change that both take part in.
    type Carrier: Send;

    /// Reads what a command is decided on, as far as it is not known from the command before.
    fn load(
        &self,
        id: Self::Id,
        known: Option<Self::State>,
        command: &Self::Command,
    ) -> impl Future<Output = Result<Self::State, MarketError>> + Send;

    /// Decides. Pure: the same arguments give the same decision.
    ///
    /// # Errors
    ///
    /// The refusal that is the answer.
    fn decide(
        &self,
        state: &Self::State,
        command: &Self::Command,
        now: Timestamp,
    ) -> Result<Decision<Self>, MarketError>;

    /// Commits what was decided. An aggregate with a carrier has it committed by that.
    fn commit(
        &self,
        context: &Context,
        commit: Commit,
        _carrier: Option<Self::Carrier>,
    ) -> impl Future<Output = Result<Committed, MarketError>> + Send {
        context.commit(commit)
    }

    /// Does one of a decision's effects, or starts to: no actor waits for the outside.
    fn act(&self, effect: Self::Effect);

    /// What to answer those who wait, once the state allows it.
    fn late_answer(&self, _state: &Self::State) -> Option<Self::Answer> {
        None
    }

    /// What to answer if a command that carries another's commit meets a conflict: the other has to
    /// decide again, for its state may be the stale one. `None` for all other commands.
    fn carried_conflict(&self, _command: &Self::Command) -> Option<Self::Answer> {
        None
    }
}

/// What a command comes to.
pub struct Decision<A: Aggregate> {
    /// What changes, if anything does. Boxed, for a decision is handed on many times.
    pub change: Option<Box<Change<A>>>,
    /// What is answered.
    pub answer: When<A::Answer>,
    /// What is done then, in order.
    pub effects: Vec<A::Effect>,
}

/// What is to be written.
pub struct Change<A: Aggregate> {
    /// The aggregate's own writes, conditions and events.
    pub commit: Commit,
    /// Who commits, if not this aggregate's actor.
    pub carrier: Option<A::Carrier>,
    /// The state then; `None` if it has to be read for the next command.
    pub after: Option<A::State>,
    /// The timers that the commit sets.
    pub timers: Vec<Timer>,
}

/// When and what to answer.
#[derive(Debug, PartialEq, Eq)]
pub enum When<T> {
    /// This, as soon as the change is durable.
    Now(T),
    /// What [`Aggregate::late_answer`] says, once it says anything.
    Late,
}

impl<A: Aggregate> Decision<A> {
    /// Nothing to write.
    pub fn unchanged(answer: A::Answer) -> Self {
        Self { change: None, answer: When::Now(answer), effects: Vec::new() }
    }

    /// Adds effects.
    #[must_use]
    pub fn then(mut self, effects: impl IntoIterator<Item = A::Effect>) -> Self {
        self.effects.extend(effects);
        self
    }
}

impl<A: Aggregate> Change<A> {
    /// A change that the aggregate's actor commits, without timers.
    pub fn new(commit: Commit, after: Option<A::State>) -> Self {
        Self { commit, carrier: None, after, timers: Vec::new() }
    }

    /// The decision for it, answered at once.
    pub fn answered(self, answer: A::Answer) -> Decision<A> {
        Decision { change: Some(Box::new(self)), answer: When::Now(answer), effects: Vec::new() }
    }
}

/// A request to an aggregate.
pub struct Request<A: Aggregate> {
    /// Shared with who asks, who asks again should the actor end before it looks.
    command: Arc<A::Command>,
    reply: Reply<Result<A::Answer, MarketError>>,
    /// Until when it is worth deciding again.
    deadline: Instant,
}

/// The live actors of one kind of aggregate.
pub struct Actors<A: Aggregate> {
    directory: Arc<Directory<A::Id, Request<A>>>,
    request_timeout: Duration,
    awaited: Awaited<A::Id>,
}

impl<A: Aggregate> Actors<A> {
    /// Actors that are made when they are needed, as children of `parent`.
    pub fn new(aggregate: A, context: Arc<Context>, parent: ActorCell) -> Arc<Self> {
        let limits = context.settings.directory_limits();
        let request_timeout = context.settings.request_timeout;
        let aggregate = Arc::new(aggregate);
        let awaited = Awaited::default();
        let waits = awaited.clone();
        let directory = Directory::new(limits, move |activation| {
            let (aggregate, context) = (aggregate.clone(), context.clone());
            let actor = AggregateActor { aggregate, context, awaited: waits.clone() };
            // Only a name that is taken makes this fail, and these actors have none.
            let spawned =
                ActorRuntime::spawn_linked_instant(None, actor, activation, parent.clone());
            spawned.ok().map(|(actor, _)| actor)
        });
        Arc::new(Self { directory, request_timeout, awaited })
    }

    /// Asks one of them. The answer comes once its effect is durable.
    pub async fn ask(&self, id: A::Id, command: A::Command) -> Result<A::Answer, MarketError> {
        self.tell(id, command).await?
    }

    /// The same for those who want to know whether it was asked at all.
    pub async fn tell(
        &self,
        id: A::Id,
        command: A::Command,
    ) -> Result<Result<A::Answer, MarketError>, AskError> {
        let deadline = Instant::now() + self.request_timeout;
        let command = Arc::new(command);
        self.directory.ask(id, |reply| Request { command: command.clone(), reply, deadline }).await
    }

    /// Whether there is an actor of `id`.
    pub fn is_awake(&self, id: A::Id) -> bool {
        self.directory.is_awake(id)
    }

    /// Whether somebody waits here for the outside to tell of `id`. It is known where there are other
    /// servers.
    pub fn is_awaited(&self, id: A::Id) -> bool {
        self.awaited.has(id)
    }

    /// How many stand for an id.
    pub fn live(&self) -> usize {
        self.directory.live()
    }

    /// Ends those that were idle since the sweep before.
    pub fn sweep(&self) {
        self.directory.sweep();
    }
}

/// What a request led to: when and what to answer, and what to do then.
type Done<A> = Result<(When<<A as Aggregate>::Answer>, Vec<<A as Aggregate>::Effect>), MarketError>;

/// The ids of those for whose late answer somebody waits, each as often as that.
#[derive(Clone)]
struct Awaited<I>(Arc<Mutex<BTreeMap<I, usize>>>);

impl<I> Default for Awaited<I> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<I: Key> Awaited<I> {
    fn all(&self) -> MutexGuard<'_, BTreeMap<I, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, id: I) -> bool {
        self.all().contains_key(&id)
    }

    /// Counts one more, until what is returned is dropped.
    fn note(&self, id: I) -> Wait<I> {
        *self.all().entry(id).or_default() += 1;
        Wait { awaited: self.clone(), id }
    }
}

/// That somebody waits.
struct Wait<I: Key> {
    awaited: Awaited<I>,
    id: I,
}

impl<I: Key> Drop for Wait<I> {
    fn drop(&mut self) {
        let mut all = self.awaited.all();
        if let Some(count) = all.get_mut(&self.id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.id);
            }
        }
    }
}

/// The actor of any aggregate.
struct AggregateActor<A: Aggregate> {
    aggregate: Arc<A>,
    context: Arc<Context>,
    awaited: Awaited<A::Id>,
}

/// What the actor remembers between requests.
struct Memory<A: Aggregate> {
    activation: Activation<A::Id, Request<A>>,
    /// The state as this actor read or committed it, unless that is in doubt.
    known: Option<A::State>,
    /// Those who wait for an answer that depends on the outside.
    waiting: Vec<Waiting<A>>,
}

struct Waiting<A: Aggregate> {
    reply: OpenReply<Result<A::Answer, MarketError>>,
    /// Keeps the actor with its id, for the reply is in its memory.
    _lease: Lease<A::Id>,
    /// Where there are other servers.
    _wait: Option<Wait<A::Id>>,
}

impl<A: Aggregate> Actor for AggregateActor<A> {
    type Msg = Envelope<A::Id, Request<A>>;
    type State = Memory<A>;
    type Arguments = Activation<A::Id, Request<A>>;

    async fn pre_start(
        &self,
        _myself: ActorRef<Self::Msg>,
        activation: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        // The state is read with the first request, so that a missing row is an answer and not a
        // failed start.
        Ok(Memory { activation, known: None, waiting: Vec::new() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        memory: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if memory.activation.assume(envelope.to) {
            memory.known = None;
            // Whoever waits keeps the actor with its id, so this is empty.
            memory.waiting.clear();
        }
        let Request { command, reply, deadline } = envelope.body;
        let Some(reply) = reply.open() else { return Ok(()) };
        // Boxed, for ractor moves a handler's future about as a value, several times for each message,
        // and this one holds what reading, deciding and writing need.
        match Box::pin(self.run(memory, &command, deadline)).await {
            Ok((answer, effects)) => {
                match answer {
                    When::Now(answer) => reply.send(Ok(answer)),
                    When::Late => {
                        let lease = envelope.lease.clone();
                        // Only what other servers write has to find who waits.
                        let is_alone = self.context.peers.is_alone();
                        let wait = (!is_alone).then(|| self.awaited.note(envelope.to));
                        memory.waiting.push(Waiting { reply, _lease: lease, _wait: wait });
                    }
                }
                self.answer_waiting(memory);
                effects.into_iter().for_each(|effect| self.aggregate.act(effect));
            }
            Err(error) => reply.send(Err(error)),
        }
        Ok(())
    }
}

impl<A: Aggregate> AggregateActor<A> {
    /// Loads, decides, commits and adopts, until the decision stands.
    async fn run(
        &self,
        memory: &mut Memory<A>,
        command: &A::Command,
        deadline: Instant,
    ) -> Done<A> {
        let mut retry = Retry::until(deadline);
        let is_alone = self.context.peers.is_alone() || planted(Bug::RememberedRefusal);
        loop {
            let id = memory.activation.id();
            // A commit shows whether another server has changed what is remembered. What leads to no
            // commit has to be decided on what was just read.
            let is_certain = is_alone || memory.known.is_none();
            let state = self.aggregate.load(id, memory.known.take(), command).await?;
            let decision = match self.aggregate.decide(&state, command, self.context.now()) {
                Ok(decision) => decision,
                Err(_) if !is_certain => continue,
                Err(refusal) => return self.refuse(memory, command, state, refusal),
            };
            let Some(change) = decision.change else {
                if !is_certain {
                    continue;
                }
                memory.known = Some(state);
                return Ok((decision.answer, decision.effects));
            };
            match self.commit(memory, state, change).await? {
                Committed::Durable => return Ok((decision.answer, decision.effects)),
                Committed::Conflict => {
                    if let Some(answer) = self.aggregate.carried_conflict(command) {
                        return Ok((When::Now(answer), Vec::new()));
                    }
                    retry.pause(&*self.context.entropy).await?;
                }
            }
        }
    }

    fn refuse(
        &self,
        memory: &mut Memory<A>,
        command: &A::Command,
        state: A::State,
        refusal: MarketError,
    ) -> Done<A> {
        let conflict = self.aggregate.carried_conflict(command);
        // An aggregate that carries another's commit and can't has been told nonsense, or knows
        // nonsense.
        memory.known = Some(state).filter(|_| conflict.is_none());
        match conflict {
            // The other has not heard of what a third server did.
            Some(answer) if !self.context.peers.is_alone() => Ok((When::Now(answer), Vec::new())),
            _ => Err(refusal),
        }
    }

    /// Commits and adopts. Whenever the commit did not certainly succeed or certainly fail, the
    /// state is read again before the next decision.
    async fn commit(
        &self,
        memory: &mut Memory<A>,
        before: A::State,
        change: Box<Change<A>>,
    ) -> Result<Committed, MarketError> {
        let Change { commit, carrier, after, timers } = *change;
        let committed = self.aggregate.commit(&self.context, commit, carrier).await;
        match &committed {
            Ok(Committed::Durable) => {
                memory.known = after;
                timers.iter().for_each(|timer| self.context.timers.set(timer));
            }
            Err(MarketError::Refused(_) | MarketError::Overloaded) => {
                memory.known = if planted(Bug::AdoptedRefusal) { after } else { Some(before) };
            }
            Ok(Committed::Conflict) | Err(_) => {}
        }
        committed
    }

    fn answer_waiting(&self, memory: &mut Memory<A>) {
        if memory.waiting.is_empty() {
            return;
        }
        let answer = memory.known.as_ref().and_then(|state| self.aggregate.late_answer(state));
        if let Some(answer) = answer {
            for waiting in memory.waiting.drain(..) {
                waiting.reply.send(Ok(answer.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
