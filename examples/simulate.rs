//! Runs as many simulations as wanted, on as many cores, and says what they covered.
//!
//! ```text
//! cargo run --profile simulate --no-default-features --example simulate -- --seeds 10000
//! cargo run --profile simulate --no-default-features --example simulate -- --seed 42 --trace
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]

#[path = "../tests/sim/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use world::plan::{Fault, Plan};
use world::record::{Record, Summary, Violation};
use world::run;

/// How many runs are spent on making a failing one smaller.
const SHRINK_RUNS: u32 = 400;

/// Simulates the whole marketplace, with everything that can go wrong, from seeds.
#[derive(Parser, Clone)]
struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many at a time; every core if it is not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// How many people trade, instead of what the seed decides.
    #[arg(long)]
    users: Option<u64>,
    /// How many operations they begin.
    #[arg(long)]
    steps: Option<u64>,
    /// How often the process may end.
    #[arg(long)]
    lives: Option<u64>,
    /// At which touch of the outside world the first life of the process ends.
    #[arg(long)]
    dies_at: Option<u64>,
    /// Keep rows in memory, in the store that is every other's oracle, and not on the disk.
    #[arg(long)]
    in_memory: bool,
    /// Faults to leave out, by name.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Print everything that happens, and the server's log to standard error.
    #[arg(long)]
    trace: bool,
    /// Trace in full what else the hash is made of, to find out where two runs differ.
    #[arg(long, requires = "trace")]
    notes: bool,
    /// Print the hash of every run's trace, to be compared with another build or machine.
    #[arg(long)]
    hash: bool,
    /// Do not make a failing run smaller.
    #[arg(long)]
    no_shrink: bool,
    /// Plant a deliberate bug, by name; `list` names them.
    #[cfg(feature = "deliberate-bugs")]
    #[arg(long)]
    bug: Option<String>,
}

impl Options {
    fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::from_seed(seed);
        plan.users = self.users.unwrap_or(plan.users);
        plan.steps = self.steps.unwrap_or(plan.steps);
        plan.lives = self.lives.unwrap_or(plan.lives);
        plan.dies_at = self.dies_at;
        plan.in_memory = self.in_memory;
        for fault in Fault::ALL {
            if self.without.iter().any(|name| name == fault.name()) {
                plan.rates = plan.rates.without(*fault);
            }
        }
        plan
    }

    #[cfg(feature = "deliberate-bugs")]
    fn plant(&self) -> Result<(), String> {
        use gittix::bugs::{Bug, plant};
        let Some(name) = &self.bug else { return Ok(()) };
        let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
        let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        plant(Some(*bug.ok_or_else(|| format!("the bugs are {}", names.join(", ")))?));
        Ok(())
    }

    #[cfg(not(feature = "deliberate-bugs"))]
    #[expect(clippy::unnecessary_wraps, reason = "the same as with the feature")]
    fn plant(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What all threads share.
#[derive(Default)]
struct Progress {
    next: AtomicU64,
    done: AtomicU64,
    stop: AtomicBool,
    counts: Mutex<BTreeMap<String, u64>>,
    failure: Mutex<Option<String>>,
    /// All traces together, whatever the order in which they were made.
    trace: AtomicU64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.trace {
        // The server's own log goes where it always goes, to standard error.
        tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().init();
    }
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = options.jobs.unwrap_or(cores).max(1);
    let progress = Progress::default();
    #[expect(clippy::disallowed_methods, reason = "this measures the simulator itself")]
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| work(&options, &progress));
        }
        scope.spawn(|| tell(&options, &progress, started));
    });
    let seconds = started.elapsed().as_secs_f64();
    let done = progress.done.load(Ordering::Relaxed);
    for (what, count) in progress.counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("{count:>12}  {what}");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = done as f64 / seconds;
    println!("{done:>12}  seeds in {seconds:.1} s, {rate:.1} a second on {jobs} threads");
    println!("trace {:016x}", progress.trace.load(Ordering::Relaxed));
    match progress.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn work(options: &Options, progress: &Progress) {
    if let Err(names) = options.plant() {
        progress.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(names);
        progress.stop.store(true, Ordering::Relaxed);
    }
    while !progress.stop.load(Ordering::Relaxed) {
        let number = progress.next.fetch_add(1, Ordering::Relaxed);
        if number >= options.seeds {
            break;
        }
        let plan = options.plan(options.seed + number);
        let record = Record::default();
        if options.trace {
            record.keep_all();
        }
        if options.notes {
            record.keep_notes();
        }
        let summary = run::run_recorded(&plan, record);
        progress.trace.fetch_add(summary.hash, Ordering::Relaxed);
        if options.hash {
            println!("seed {} trace {:016x}", plan.seed, summary.hash);
        }
        progress.done.fetch_add(1, Ordering::Relaxed);
        if options.trace {
            println!("seed {}\n{}", plan.seed, summary.lines.join("\n"));
        }
        {
            let mut counts = progress.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (what, count) in &summary.counts {
                *counts.entry(what.clone()).or_default() += count;
            }
        }
        if let Some(violation) = &summary.violation {
            progress.stop.store(true, Ordering::Relaxed);
            let failure = tell_failure(options, &plan, &summary, violation);
            progress.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    }
}

/// What to print about a run that failed. What was traced is not made smaller, for that was asked
/// for to be seen as it is.
fn tell_failure(options: &Options, plan: &Plan, summary: &Summary, broken: &Violation) -> String {
    let seed = plan.seed;
    if options.trace {
        let Violation { rule, detail } = broken;
        return format!("seed {seed} fails\nbroken: {rule}\n  {detail}\n");
    }
    if options.no_shrink {
        return format!("seed {seed} fails\n{}", run::report(plan, summary));
    }
    eprintln!("seed {seed} fails: {}; making it smaller", broken.rule);
    let smaller = run::shrink(plan, broken.rule, SHRINK_RUNS);
    let summary = run::run(&smaller);
    let whole = run::replay(plan);
    let report = run::report(&smaller, &summary);
    format!("seed {seed} fails\n{report}or in full with:\n  {whole}\n")
}

/// Says now and then how far it has come.
fn tell(options: &Options, progress: &Progress, started: Instant) {
    let mut told = 0;
    loop {
        #[expect(clippy::disallowed_methods, reason = "this waits in real time")]
        std::thread::sleep(Duration::from_millis(100));
        let done = progress.done.load(Ordering::Relaxed);
        if done >= options.seeds || progress.stop.load(Ordering::Relaxed) {
            return;
        }
        let seconds = started.elapsed().as_secs();
        if seconds >= told + 10 {
            told = seconds;
            eprintln!("{done} of {} seeds after {seconds} s", options.seeds);
        }
    }
}
