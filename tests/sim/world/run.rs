//! A whole simulation: life after life, then peace, then the audit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use gittix::bugs::{Bug, planted};
use gittix::domain::Account;

use super::audit::audit;
use super::disk::{DiskScript, Remains};
use super::life::{Ended, Life};
use super::plan::{Fault, Plan};
use super::record::{Record, Summary, Violation};
use super::rng::Rng;
use super::store::SIMULATED_PANIC;
use super::time::Power;
use super::watchdog::Watched;
use super::world::World;

/// The longest that a life may last: everybody is done long before.
const LONGEST_LIFE: Duration = Duration::from_secs(400 * 86_400);
/// What a simulation that does not get on has broken.
const ENDS: &str = "every simulation ends";

/// How a life is going to end, if it lasts that long.
struct Fate {
    fault: Option<Fault>,
    script: DiskScript,
    power: Power,
    ends_at: Option<u64>,
    remains: Remains,
}

/// Runs a plan.
pub fn run(plan: &Plan) -> Summary {
    run_recorded(plan, Record::default())
}

/// Runs a plan and leaves the traces in a record.
pub fn run_recorded(plan: &Plan, record: Record) -> Summary {
    silence_simulated_panics();
    let _watched = Watched::begin(replay(plan));
    let ran = catch_unwind(AssertUnwindSafe(|| live_through(plan, &record)));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let text = text.unwrap_or_else(|| "no message".to_owned());
        record.violate(Violation::new("nothing panics by itself", text));
    }
    record.close()
}

fn live_through(plan: &Plan, record: &Record) {
    let Some(world) = World::new(plan, record.clone()) else {
        record.violate(Violation::new("the simulator works", "no world could be made"));
        return;
    };
    let world = Arc::new(world);
    let mut rng = Rng::new(plan.seed, "lives");
    // The last life is one of peace, and nothing may end it before all is done.
    for number in 0..=plan.lives {
        let fate = match plan.dies_at {
            Some(touch) if number == 0 && plan.lives > 0 => Fate::death_at(touch),
            _ if number < plan.lives => choose_fate(&world, &mut rng),
            _ => Fate::peace(),
        };
        let ended = live_once(&world, &fate, number);
        let failed_disk = world.disk.has_failed();
        match ended {
            Some(Ended::Broken) => return,
            Some(Ended::Done) => return finish(&world),
            _ if record.is_broken() => return,
            _ => {}
        }
        let name = fate.fault.map_or("process-ended", Fault::name);
        let now = world.timeline.now_ms();
        let remains = match (ended, failed_disk) {
            // A process that stops because its disk failed leaves what the disk has kept.
            (Some(Ended::StoreFailed), _) | (_, true) if rng.chance(500) => Remains::SomeSectors,
            _ => fate.remains,
        };
        record.say(format!("{now} life {number} ends: {name}, {ended:?}, {remains:?}"));
        record.count(name);
        record.count("lives ended");
        world.disk.end_life(remains, &mut rng);
        world.blobs.cut_power(|_| remains == Remains::All);
        if fate.power.is_exhausted() {
            record.violate(Violation::new(ENDS, format!("life {number} went round in circles")));
            return;
        }
    }
    let detail = format!("life {} ended although nothing went wrong in it", plan.lives);
    record.violate(Violation::new(ENDS, detail));
}

fn live_once(world: &Arc<World>, fate: &Fate, number: u64) -> Option<Ended> {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_time().start_paused(true).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            world.record.violate(Violation::new("the simulator works", error.to_string()));
            return Some(Ended::Broken);
        }
    };
    let ended = runtime.block_on(async {
        world.timeline.begin_life();
        world.disk.begin_life(fate.power.clone(), fate.script);
        let Ok(ended) =
            tokio::time::timeout(LONGEST_LIFE, start_and_live(world, fate, number)).await
        else {
            let detail = format!("life {number} waits for what never comes");
            world.record.violate(Violation::new(ENDS, detail));
            return Some(Ended::Broken);
        };
        let down = Rng::new(world.plan.seed ^ number, "downtime").pause_ms(3_600_000);
        world.timeline.end_life(down);
        ended
    });
    drop(runtime);
    ended
}

async fn start_and_live(world: &Arc<World>, fate: &Fate, number: u64) -> Option<Ended> {
    // Who dies while starting waits for an answer that nobody gives any more.
    let life = tokio::select! {
        biased;
        life = Life::start(world, fate.power.clone(), number) => life?,
        () = fate.power.gone() => return None,
    };
    let mut ended = life.live(fate.ends_at).await;
    if ended == Ended::Done && life.account != Account::StripeLive {
        // Somebody notices the mistake and starts the server with the right keys.
        ended = Ended::Stopped;
    }
    if ended == Ended::Done {
        life.settle().await;
        if !world.record.is_broken() {
            world.record.check(audit(&life).await);
        }
    }
    let failures = life.app.market.stats().failures;
    let panics = world.record.panics();
    if failures > panics {
        let detail = format!("{failures} actors failed, {panics} were made to");
        world.record.violate(Violation::new("no actor fails by itself", detail));
    }
    if fate.fault == Some(Fault::Restart) && ended == Ended::Stopped {
        life.app.market.stop().await;
    } else {
        fate.power.switch_off();
    }
    Some(ended)
}

fn finish(world: &World) {
    let ms = world.timeline.now_ms();
    world.record.add("simulated seconds", ms / 1000);
    world.record.say(format!("{ms} the end, {} events", world.model().last_seq()));
    world.record.add("events", world.model().last_seq());
}

impl Fate {
    fn peace() -> Self {
        Self {
            fault: None,
            script: DiskScript::default(),
            power: Power::default(),
            ends_at: None,
            remains: Remains::All,
        }
    }

    fn death_at(touch: u64) -> Self {
        let power = Power::lasting(touch);
        Self { fault: Some(Fault::Kill), power, ..Self::peace() }
    }
}

fn choose_fate(world: &World, rng: &mut Rng) -> Fate {
    const ENDINGS: [Fault; 6] = [
        Fault::Kill,
        Fault::PowerCut,
        Fault::WriteError,
        Fault::SyncError,
        Fault::DiskFull,
        Fault::Restart,
    ];
    let possible: Vec<Fault> =
        ENDINGS.into_iter().filter(|fault| world.plan.rates.of(*fault) > 0).collect();
    let mut fate = Fate::peace();
    fate.fault = rng.pick(&possible).copied();
    let pause = u64::try_from(world.plan.longest_pause.as_millis()).unwrap_or(0);
    let some_time = rng.pause_ms(pause.saturating_mul(10) + 20_000);
    let operation = rng.between(1, 400);
    match fate.fault {
        Some(Fault::Kill) if rng.chance(300) => fate.ends_at = Some(some_time),
        Some(Fault::Kill) => fate.power = Power::lasting(rng.between(1, 500)),
        Some(Fault::PowerCut) => {
            fate.remains = if rng.chance(300) { Remains::Nothing } else { Remains::SomeSectors };
            if rng.chance(300) {
                fate.power = Power::lasting(rng.between(1, 500));
            } else {
                fate.script.cut_at = Some(operation);
            }
        }
        Some(Fault::WriteError) => fate.script.fail_write = Some(operation),
        Some(Fault::SyncError) => fate.script.fail_sync = Some(operation / 6 + 1),
        Some(Fault::DiskFull) => fate.script.room_bytes = Some(rng.below(1_500_000)),
        Some(Fault::Restart) => fate.ends_at = Some(some_time),
        _ => {}
    }
    fate
}

fn silence_simulated_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some(SIMULATED_PANIC) {
                before(panic);
            }
        }));
    });
}

/// Makes a failing plan as small as it gets within some runs: fewer steps, users, lives, faults.
pub fn shrink(plan: &Plan, rule: &str, mut runs: u32) -> Plan {
    let mut best = plan.clone();
    loop {
        let mut smaller = false;
        for candidate in candidates(&best) {
            if runs == 0 {
                return best;
            }
            runs -= 1;
            let found = run(&candidate).violation;
            if found.is_some_and(|violation| violation.rule == rule) {
                best = candidate;
                smaller = true;
                break;
            }
        }
        if !smaller {
            return best;
        }
    }
}

fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    for lives in [0, plan.lives / 2, plan.lives.saturating_sub(1)] {
        all.push(Plan { lives, ..plan.clone() });
    }
    for steps in [plan.steps / 2, plan.steps * 3 / 4, plan.steps.saturating_sub(1)] {
        all.push(Plan { steps, ..plan.clone() });
    }
    for users in [plan.users / 2, plan.users - 1] {
        all.push(Plan { users: users.max(1), ..plan.clone() });
    }
    for fault in plan.rates.active() {
        all.push(Plan { rates: plan.rates.clone().without(fault), ..plan.clone() });
    }
    all.retain(|candidate| candidate != plan);
    all.dedup();
    all
}

/// The command that repeats a plan.
pub fn replay(plan: &Plan) -> String {
    let has_bug = Bug::ALL.iter().any(|bug| planted(*bug));
    let features = if has_bug { "--features deliberate-bugs " } else { "" };
    let options = plan.command_line();
    // The real providers play no part, and take long to build.
    let build = format!("--profile simulate --no-default-features {features}");
    format!("cargo run {build}--example simulate -- {options} --trace")
}

/// What to print about a failing plan.
pub fn report(plan: &Plan, summary: &Summary) -> String {
    let Some(violation) = &summary.violation else { return String::new() };
    let mut text = String::from("the last steps, each with its millisecond:\n");
    for line in &summary.lines {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    let Violation { rule, detail } = violation;
    format!("{text}broken: {rule}\n  {detail}\nreplay with:\n  {}\n", replay(plan))
}
