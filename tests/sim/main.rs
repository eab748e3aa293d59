//! Deterministic simulation of the whole marketplace; see `world`.

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

/// Seeds that found a defect, by what it was. Their plans may change with the simulator.
const REGRESSIONS: [(u64, &str); 4] = [
    (4, "a panic ended the timer of deadlines for good"),
    (9, "a payment's first answer was not kept for its idempotency key"),
    (98, "verify took ids for the order of charges after the clock was set back"),
    (278, "verify refused a declined charge that is voided while its order goes on"),
];

#[test]
fn what_was_mended_stays_mended() {
    for (seed, what) in REGRESSIONS {
        let plan = Plan::from_seed(seed);
        let summary = run::run(&plan);
        assert_eq!(summary.violation, None, "{what}\n{}", run::report(&plan, &summary));
    }
}

/// A run of which every line is kept.
fn in_full(plan: &Plan) -> Summary {
    let record = Record::default();
    record.keep_all();
    run::run_recorded(plan, record)
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 42, 1_000] {
        let plan = Plan::from_seed(seed);
        let (first, second) = (in_full(&plan), in_full(&plan));
        println!("seed {seed}: trace {:016x}", first.hash);
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The teeth: the simulator finds every deliberate bug but those that are listed as not yet found.
#[cfg(feature = "deliberate-bugs")]
mod teeth {
    use gittix::bugs::{Bug, plant};

    use super::world::plan::Plan;
    use super::world::run;

    /// Within how many seeds.
    const BOUND: u64 = 1_000;

    #[test]
    fn deliberate_bugs_are_found() {
        let mut unfound = Vec::new();
        for bug in Bug::ALL.iter().filter(|bug| !Bug::NOT_YET_FOUND.contains(bug)) {
            plant(Some(*bug));
            let found = (0..BOUND).find_map(|seed| {
                let violation = run::run(&Plan::from_seed(seed)).violation?;
                Some((seed + 1, violation.rule))
            });
            match found {
                Some((seeds, rule)) => println!("{}: {seeds} seeds, {rule}", bug.name()),
                None => unfound.push(bug.name()),
            }
        }
        plant(None);
        assert_eq!(unfound, Vec::<&str>::new(), "not found within {BOUND} seeds");
    }
}
