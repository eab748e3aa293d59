//! The command line: reads the settings, then does what was asked.

use std::process::ExitCode;

use gittix::cli::{Command, Invocation};
use gittix::commands;
use gittix::config::{HttpSettings, Settings};
use gittix::domain::Currency;
use gittix::http::edge::guard::log_panics;
use gittix::logging;
use gittix::server::{self, Ended};
use mimalloc::MiMalloc;

/// Requests, futures and actors are many short-lived allocations on several threads, which the
/// system's allocator is slow at: docs/performance.md has what this gives.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[expect(clippy::print_stderr, reason = "the log may not be open yet")]
fn main() -> ExitCode {
    let invocation = match Invocation::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        // Prints the help or what is wrong, and ends the process as it should.
        Err(error) => error.exit(),
    };
    match act(invocation) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gittix: {}", commands::told(&error));
            ExitCode::FAILURE
        }
    }
}

fn act(invocation: Invocation) -> anyhow::Result<ExitCode> {
    // What is wrong with the settings must not keep anyone from looking at right ones.
    if invocation.command == Command::Config {
        return commands::print_config();
    }
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::load_with_currencies(
        invocation.config.as_deref(),
        environment,
        invocation.overrides,
        |code| code.parse::<Currency>().is_ok(),
    )?;
    match invocation.command {
        Command::Serve { demo } => serve(settings, demo),
        Command::Verify { file } => commands::verify(&settings, file.as_deref()),
        Command::Backup { file } => runtime()?.block_on(commands::back_up(&settings, &file)),
        Command::UnsettledCharges => runtime()?.block_on(commands::unsettled_charges(&settings)),
        Command::RotateKey { key } => runtime()?.block_on(commands::rotate_key(&settings, key)),
        Command::SettleCharge { charge, finding } => {
            runtime()?.block_on(commands::settle_charge(&settings, &charge, finding))
        }
        Command::SetRole { email, role } => {
            runtime()?.block_on(commands::set_role(&settings, &email, role))
        }
        Command::ImportShows { file, how } => {
            runtime()?.block_on(commands::import_shows(&settings, &file, &how))
        }
        Command::Operators => runtime()?.block_on(commands::operators(&settings)),
        Command::Restore { file } => runtime()?.block_on(commands::restore(&settings, &file)),
        Command::Config => commands::print_config(),
    }
}

fn serve(mut settings: Settings, demo: bool) -> anyhow::Result<ExitCode> {
    logging::to_standard_error(&settings.log)?;
    log_panics();
    allow_connections(&mut settings.http);
    let runtime = runtime()?;
    let ended = runtime.block_on(server::run(settings, demo, server::stop_signal()));
    runtime.shutdown_timeout(server::ABANDON_TASKS_AFTER);
    Ok(match ended? {
        Ended::Stopped => ExitCode::SUCCESS,
        Ended::StoreFailed => ExitCode::FAILURE,
    })
}

/// Each connection is an open file, and the usual limit of a shell is far below what one server
/// has to hold. Whatever the system grants is what there is: more connections than that would only
/// be accepted to fail, and take what the data file needs.
fn allow_connections(http: &mut HttpSettings) {
    /// The data file, the log, the listeners and the runtime need a few as well.
    const OTHERS: u64 = 64;
    let wanted = u64::try_from(http.max_connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let granted = rlimit::increase_nofile_limit(wanted).unwrap_or_default();
    if granted < wanted {
        let room = usize::try_from(granted.saturating_sub(OTHERS)).unwrap_or(usize::MAX).max(1);
        http.lower_max_connections(room);
        tracing::warn!(
            granted,
            wanted,
            max_connections = http.max_connections,
            "fewer files may be open than http.max_connections needs, so it is lowered: raise the \
             limit (ulimit -n)"
        );
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
