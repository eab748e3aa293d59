//! Deterministic simulation of the whole marketplace; see `world`.

#![expect(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking, and tells how")]
#![cfg_attr(
    feature = "deliberate-bugs",
    expect(clippy::expect_used, reason = "a test fails by panicking")
)]

mod world;

use world::plan::Plan;
use world::record::{Record, Summary};
use world::run;

/// How many seeds a plain test run tries.
const SEEDS: u64 = 150;

#[test]
fn seeds_find_nothing() {
    for seed in 0..SEEDS {
        let plan = Plan::from_seed(seed);
        let summary = run::run(&plan);
        if let Some(violation) = &summary.violation {
            let smaller = run::shrink(&plan, violation.rule, 60);
            let summary = run::run(&smaller);
            panic!("seed {seed}\n{}", run::report(&smaller, &summary));
        }
    }
}

/// The store in memory is what every other is held to, so the same worlds must be sound on it.
#[test]
fn seeds_find_nothing_in_memory() {
    for seed in 0..SEEDS {
        let plan = Plan { in_memory: true, ..Plan::from_seed(seed) };
        let summary = run::run(&plan);
        assert_eq!(summary.violation, None, "{}", run::report(&plan, &summary));
    }
}

/// Seeds that found a defect, by what it was. Their plans may change with the simulator.
const REGRESSIONS: [(u64, &str); 7] = [
    (4, "a panic ended the timer of deadlines for good"),
    (9, "a payment's first answer was not kept for its idempotency key"),
    (98, "verify took ids for the order of charges after the clock was set back"),
    (278, "verify refused a declined charge that is voided while its order goes on"),
    (816, "an answer was given that could not be kept for its idempotency key"),
    (1577, "the simulator lost a death during the start of a life, and waited for ever"),
    (2320, "the slowest of those who changed one account at once was told of a defect"),
];

#[test]
fn what_was_mended_stays_mended() {
    for (seed, what) in REGRESSIONS {
        let plan = Plan::from_seed(seed);
        let summary = run::run(&plan);
        assert_eq!(summary.violation, None, "{what}\n{}", run::report(&plan, &summary));
    }
}

/// The process may die before it has even started, which the simulator once lost sight of.
#[test]
fn a_death_at_any_moment_is_survived() {
    let plan = Plan { lives: 1, steps: 20, ..Plan::from_seed(1_577) };
    for touch in 1.. {
        let plan = Plan { dies_at: Some(touch), ..plan.clone() };
        let summary = run::run(&plan);
        assert_eq!(summary.violation, None, "{}", run::report(&plan, &summary));
        if !summary.counts.contains_key("process-killed") {
            assert!(touch > 40, "everything is done after {touch} touches");
            break;
        }
    }
}

/// A run of which every line is kept.
fn in_full(plan: &Plan) -> Summary {
    let record = Record::default();
    record.keep_all();
    record.keep_notes();
    run::run_recorded(plan, record)
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 42, 1_000] {
        let plan = Plan::from_seed(seed);
        let (first, second) = (in_full(&plan), in_full(&plan));
        println!("seed {seed}: trace {:016x}", first.hash);
        let differs = first.lines.iter().zip(&second.lines).find(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed}");
        assert!(first == second, "seed {seed}");
    }
}

/// The teeth: the simulator finds every deliberate bug.
#[cfg(feature = "deliberate-bugs")]
mod teeth {
    use std::num::NonZero;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gittix::bugs::{Bug, plant};

    use super::world::plan::Plan;
    use super::world::run;

    /// Within how many seeds.
    const BOUND: u64 = 1_000;

    #[test]
    fn deliberate_bugs_are_found() {
        let next = AtomicUsize::new(0);
        let unfound = Mutex::new(Vec::new());
        // Each bug is planted on one thread, and found on it.
        let search = || {
            let bugs: Vec<_> = Bug::ALL.iter().filter(|bug| bug.is_for_the_simulator()).collect();
            while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                match find(**bug) {
                    Some((seeds, rule)) => println!("{}: {seeds} seeds, {rule}", bug.name()),
                    None => unfound.lock().expect("no panic").push(bug.name()),
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(search);
            }
        });
        let unfound = unfound.into_inner().expect("no panic");
        assert_eq!(unfound, Vec::<&str>::new(), "not found within {BOUND} seeds");
    }

    /// How many seeds a bug needs to be found, and the rule that it breaks.
    fn find(bug: Bug) -> Option<(u64, &'static str)> {
        plant(Some(bug));
        let found = (0..BOUND).find_map(|seed| {
            let violation = run::run(&Plan::from_seed(seed)).violation?;
            Some((seed + 1, violation.rule))
        });
        plant(None);
        found
    }
}
