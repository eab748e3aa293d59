//! Deterministic simulation of the whole marketplace; see `world`.

mod world;

use world::plan::Plan;
use world::run;

/// How many seeds a plain test run tries.
const SEEDS: u64 = 300;

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

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 7, 42, 1_000] {
        let plan = Plan::from_seed(seed);
        let (first, second) = (run::run(&plan), run::run(&plan));
        println!("seed {seed}: trace {:016x}", first.hash);
        assert_eq!(first, second, "seed {seed}");
    }
}
