//! Drives a server with many connections on one thread, and keeps count.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::task::JoinSet;

use super::pace::{Pace, Schedule};
use super::{Answer, Connection};
use crate::histogram::Histogram;
use crate::measure::{Probe, Sample};

/// What is sent, and what is expected back.
pub trait Workload {
    /// The kinds of requests there are: what [`Next::Send`] counts from 0.
    fn classes(&self) -> &'static [&'static str];
    /// Writes the next request of a connection, which is empty before.
    fn next(&mut self, connection: usize, request: &mut Vec<u8>) -> Next;
    /// Judges an answer.
    ///
    /// # Errors
    ///
    /// If it is not one that the workload can live with: the run ends.
    fn answered(
        &mut self,
        connection: usize,
        class: usize,
        answer: Answer<'_>,
    ) -> Result<(), String>;
}

/// What a connection does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Send what was written, a request of that class.
    Send(usize),
    /// Ask again after a while.
    Wait(Duration),
    /// Nothing more.
    Done,
}

/// How a server is driven.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many connections there are.
    pub connections: usize,
    /// How requests follow each other.
    pub pace: Pace,
    /// How long nothing is counted.
    pub warm_up: Duration,
    /// How long it is counted then, unless the workload ends before.
    pub measured: Duration,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// For each class of requests.
    pub classes: Vec<ClassTally>,
}

/// What was counted of one class of requests.
#[derive(Debug, Default)]
pub struct ClassTally {
    /// Its name.
    pub name: &'static str,
    /// How long answers took.
    pub times: Histogram,
    /// How many answers had which status.
    pub answers: BTreeMap<u16, u64>,
}

impl Tally {
    /// All answers.
    pub fn answers(&self) -> u64 {
        self.classes.iter().map(|class| class.times.len()).sum()
    }
}

/// A run as it was seen.
#[derive(Debug)]
pub struct Observation {
    /// What was counted.
    pub tally: Tally,
    /// The server when counting began.
    pub before: Sample,
    /// The server when it ended.
    pub after: Sample,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Measured,
    Over,
}

struct Shared<W> {
    workload: RefCell<W>,
    tally: RefCell<Tally>,
    phase: Cell<Phase>,
    schedule: Schedule,
}

/// Drives a server until the time is over or the workload ends. To be called in a `LocalSet`.
///
/// # Errors
///
/// If a connection breaks or an answer is not expected.
pub async fn drive<W: Workload + 'static>(
    target: SocketAddr,
    load: Load,
    workload: W,
    probe: &Probe,
) -> anyhow::Result<(Observation, W)> {
    let mut connections = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        connections.push(Connection::open(target).await.context("connecting")?);
    }
    let classes = workload.classes().iter().map(|name| ClassTally { name, ..Default::default() });
    let shared = Rc::new(Shared {
        tally: RefCell::new(Tally { classes: classes.collect() }),
        workload: RefCell::new(workload),
        phase: Cell::new(Phase::WarmUp),
        schedule: Schedule::start(load.pace),
    });
    let start = Instant::now();
    let mut before = None;
    if load.warm_up.is_zero() {
        before = Some(probe.sample().await?);
        shared.phase.set(Phase::Measured);
    }
    let mut tasks = JoinSet::new();
    for (number, connection) in connections.into_iter().enumerate() {
        tasks.spawn_local(run(shared.clone(), number, connection));
    }
    let warm = start + load.warm_up;
    let end = warm + load.measured;
    loop {
        let until = if before.is_some() { end } else { warm };
        let step = tokio::time::timeout_at(until.into(), tasks.join_next()).await;
        match step {
            Ok(None) => break,
            Ok(Some(ended)) => ended.context("a connection's task")??,
            Err(_) if before.is_none() => {
                before = Some(probe.sample().await?);
                shared.phase.set(Phase::Measured);
            }
            Err(_) => break,
        }
    }
    let after = probe.sample().await?;
    shared.phase.set(Phase::Over);
    shared.schedule.end();
    while let Some(ended) = tasks.join_next().await {
        ended.context("a connection's task")??;
    }
    let Some(before) = before else { bail!("the workload ended while it was warming up") };
    let shared = Rc::into_inner(shared).context("a connection outlived the run")?;
    let observation = Observation { tally: shared.tally.into_inner(), before, after };
    Ok((observation, shared.workload.into_inner()))
}

async fn run<W: Workload>(
    shared: Rc<Shared<W>>,
    number: usize,
    mut connection: Connection,
) -> anyhow::Result<()> {
    let mut request = Vec::with_capacity(1024);
    while shared.phase.get() != Phase::Over {
        let Some(due) = shared.schedule.next().await else { break };
        request.clear();
        let next = shared.workload.borrow_mut().next(number, &mut request);
        let class = match next {
            Next::Send(class) => class,
            Next::Wait(time) => {
                tokio::time::sleep(time).await;
                continue;
            }
            Next::Done => break,
        };
        let answer = connection.exchange(&request).await?;
        if shared.phase.get() == Phase::Measured {
            let tally = &mut shared.tally.borrow_mut().classes[class];
            tally.times.record(due.elapsed());
            *tally.answers.entry(answer.status).or_default() += 1;
        }
        let judged = shared.workload.borrow_mut().answered(number, class, answer);
        if let Err(why) = judged {
            let body = String::from_utf8_lossy(answer.body);
            bail!("{why}: {} {}", answer.status, body.get(..300).unwrap_or(&body));
        }
    }
    Ok(())
}
