//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use crate::scenarios::Scenario;
use crate::servers::Serve;
use crate::world::World;
use crate::world::titles::PERFORMERS_MAX;

/// Measures gittix beside an empty HTTP server, itself without actors, and PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "gittix-bench", version, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,

    #[command(subcommand)]
    pub serve: Option<Serve>,
}

/// What is measured, and how.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// What to measure; everything if not given
    #[arg(long = "scenario", value_name = "NAME", num_args = 1..)]
    pub scenario: Vec<Scenario>,

    /// How long each server is measured in each run
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    pub seconds: f64,

    /// How long each server runs before it is measured; a fifth of SECONDS if not given
    #[arg(long = "warm-up", value_name = "SECONDS", value_parser = seconds)]
    pub warm_up_seconds: Option<f64>,

    /// How many connections the client has
    #[arg(long, default_value_t = 256)]
    pub connections: usize,

    /// Send so many requests a second instead of as many as the server takes (an open loop); times
    /// then count from when each was due
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,

    /// How often everything is measured; medians are shown
    #[arg(long, default_value_t = 5)]
    pub runs: usize,

    /// How many available tickets the stores hold
    #[arg(long, default_value_t = 200_000)]
    pub tickets: u64,

    /// How many open orders the stores hold
    #[arg(long, default_value_t = 0)]
    pub open_orders: u64,

    /// How many sold tickets the stores hold
    #[arg(long, default_value_t = 0)]
    pub sold: u64,

    /// How many performers the titles name, at most 4,096
    #[arg(long, default_value_t = PERFORMERS_MAX, value_parser = clap::value_parser!(u64).range(1..=PERFORMERS_MAX))]
    pub performers: u64,

    /// Everything at tiny sizes, to see that it works
    #[arg(long)]
    pub smoke: bool,

    /// Also write every figure of every run to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Measure this gittix instead of building one
    #[arg(long = "bin", value_name = "FILE")]
    pub binary: Option<PathBuf>,

    /// A setting of gittix, as its environment variable without GITTIX_, such as
    /// STORE__CACHE_BYTES=1000000000
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,

    /// How many shows the tickets are for where shows are looked at
    #[arg(long, default_value_t = 20_000)]
    pub shows: u64,

    /// Leave PostgreSQL out even if it is installed
    #[arg(long)]
    pub no_peer: bool,

    /// How many connections the service on PostgreSQL keeps to it; the best of 8, 16, 32 and 64 if
    /// not given
    #[arg(long)]
    pub pool: Option<u32>,

    /// Where filled stores are kept between runs
    #[arg(long, value_name = "FOLDER", default_value = "target/bench-stores")]
    pub stores: PathBuf,

    /// Use stores that an earlier build has filled
    #[arg(long)]
    pub keep_stores: bool,
}

impl Options {
    /// The options with what others imply.
    pub fn settled(mut self) -> Self {
        if self.smoke {
            self.seconds = 0.2;
            self.connections = 16;
            self.runs = 1;
            self.tickets = 2000;
            self.shows = 40;
            self.open_orders = 100;
            self.sold = 100;
            self.pool = Some(8);
        }
        self
    }

    /// What is measured.
    pub fn scenarios(&self) -> Vec<Scenario> {
        if self.scenario.is_empty() { Scenario::all() } else { self.scenario.clone() }
    }

    /// How long each server is measured.
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// How long each server runs before it is measured.
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up_seconds.unwrap_or(self.seconds / 5.0))
    }

    /// What the stores hold. Open orders run out long after the benchmark.
    pub fn world(&self) -> World {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| now.as_millis());
        World {
            available: self.tickets,
            open: self.open_orders,
            sold: self.sold,
            sellers: 1000,
            buyers: 10_000.min(self.tickets),
            performers: self.performers,
            ends_at_ms: u64::try_from(now_ms).expect("a time of this age") - 60_000,
            open_for_seconds: 365 * 24 * 3600,
            open_within_ms: 900_000,
            shows: 0,
        }
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or("a rate is a number above 0")
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..1e6).contains(seconds));
    seconds.ok_or("seconds are a number from 0 to a million")
}

fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((format!("GITTIX_{}", key.to_ascii_uppercase()), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!(rate("2.5"), Ok(2.5));
        assert!(["0", "-1", "inf", "NaN", "x"].iter().all(|text| rate(text).is_err()));
    }

    #[test]
    fn seconds_are_not_negative() {
        assert_eq!((seconds("0"), seconds("2.5")), (Ok(0.0), Ok(2.5)));
        assert!(["-1", "inf", "NaN", "x"].iter().all(|text| seconds(text).is_err()));
    }

    #[test]
    fn settings_are_named_as_in_the_environment() {
        let found = setting("store__cache_bytes=1=2");
        assert_eq!(found, Ok(("GITTIX_STORE__CACHE_BYTES".to_owned(), "1=2".to_owned())));
        assert!(setting("x").is_err());
    }
}
