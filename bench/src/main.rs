//! Measures gittix beside the fastest that its HTTP stack could be, beside itself without actors,
//! and beside the same service on PostgreSQL. `--help` tells the options.
//!
//! The client ([`client`]) and every server run on the same machine, servers in processes of their
//! own. All servers of a scenario run one after the other within each run, so a quotient of two of
//! them is of one moment's machine; what is printed is the median of the runs.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "no count here comes near 2^53, and figures are shown with a few digits"
)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unreachable,
    reason = "a measurement that goes wrong had better end at once"
)]
#![cfg_attr(test, expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking"))]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]

mod client;
#[path = "../../tests/shared/free_port.rs"]
mod free_port;
mod histogram;
mod measure;
mod options;
mod peer;
mod process;
mod report;
mod scenarios;
mod servers;
mod stores;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::measure::Machine;
use crate::options::{Arguments, Options};
use crate::scenarios::Bench;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A thousand connections are more files than many shells allow. What is granted is what there is.
    let _ = rlimit::increase_nofile_limit(65_536);
    let done = match arguments.serve {
        Some(serve) => serve.run(),
        None => run(arguments.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gittix-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let options = options.settled();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        // Whichever ends first, the other is dropped, and with it every server that was started.
        tokio::select! {
            done = measure(options) => done,
            stopped = stop_signal() => stopped,
        }
    })
}

async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    anyhow::bail!("stopped before everything was measured")
}

async fn measure(options: Options) -> anyhow::Result<()> {
    let bench = Bench::prepare(options).await?;
    let machine = Machine::look();
    let mut disk_times = Vec::new();
    let mut report = describe(&bench, &machine);
    let mut found = Vec::new();
    print!("{report}");
    for scenario in &bench.options.scenarios() {
        let mut runs = Vec::new();
        let mut times = Vec::new();
        for number in 1..=bench.options.runs {
            times.push(measure::fdatasync_time(bench.stores.folder())?);
            eprintln!("{} ({number} of {})", scenario.title(), bench.options.runs);
            runs.push(scenario.run(&bench).await?);
        }
        let mut outcome = report::median_of(&runs);
        outcome.note("fdatasync before a run, median, ms", millis_of_median(&mut times));
        let text = report::show(scenario.title(), &outcome);
        print!("{text}");
        report.push_str(&text);
        found.push(
            serde_json::json!({ "scenario": scenario.title(), "runs": runs, "median": outcome }),
        );
        disk_times.extend(times);
    }
    if let Some(file) = &bench.options.json {
        let all = serde_json::json!({
            "machine": machine,
            "options": format!("{:?}", bench.options),
            "fdatasyncMs": millis_of_median(&mut disk_times),
            "scenarios": found,
        });
        std::fs::write(file, serde_json::to_vec_pretty(&all)?)?;
    }
    Ok(())
}

fn millis_of_median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

fn describe(bench: &Bench, machine: &Machine) -> String {
    let options = &bench.options;
    let peer = match &bench.peer {
        Some(peer) => peer.describe(),
        None if options.no_peer => "left out".to_owned(),
        None => "left out, as initdb and postgres were not found".to_owned(),
    };
    format!(
        "# gittix benchmark\n\n\
         * {} cores, {}, Linux {}; the client runs on the same cores\n\
         * {} tickets available, {} open orders, {} sold; {} connections, {} s, median of {} runs\n\
         * PostgreSQL: {peer}\n",
        machine.cores,
        machine.cpu,
        machine.kernel,
        options.tickets,
        options.open_orders,
        options.sold,
        options.connections,
        options.seconds,
        options.runs,
    )
}
