//! Looking at tickets: alone, beside writes, beside a storm of sign-ins, and everything at once.

use super::mix::{Kind, Mix};
use super::requests::{Buyers, latest};
use super::{Bench, CEILING, GITTIX, STATEMENT};
use crate::client::{Load, Pace, drive};
use crate::peer::Variant;
use crate::process::Running;
use crate::report::Outcome;
use crate::world::World;
use crate::world::titles::Searched;

/// More locks than a mix makes in a run.
const LOCKS_MAX: usize = 100_000;
/// How many sign in at once in the storm.
const STORM: usize = 50;
/// How many look at tickets meanwhile, and how often in all a second.
const WATCHERS: usize = 64;
const LOOKS_PER_SECOND: f64 = 1000.0;

type Weights = &'static [(Kind, u64)];

/// A hundred looks for one lock.
const BROWSE: Weights = &[
    (Kind::Get, 45),
    (Kind::Newest, 25),
    (Kind::ByPrice, 20),
    (Kind::Search(None), 10),
    (Kind::Lock, 1),
];
/// What a day brings, with much more writing than usual.
const MIXED: Weights = &[
    (Kind::Get, 450),
    (Kind::Newest, 150),
    (Kind::ByPrice, 100),
    (Kind::Search(None), 50),
    (Kind::Lock, 120),
    (Kind::Pay, 60),
    (Kind::Cancel, 30),
    (Kind::Sell, 39),
    (Kind::SignIn, 1),
];

struct Browsing<'b> {
    bench: &'b Bench,
    world: World,
    buyers: Buyers,
    outcome: Outcome,
}

impl<'b> Browsing<'b> {
    fn new(bench: &'b Bench, world: &World) -> Self {
        let outcome = Outcome::default();
        Self { bench, world: world.clone(), buyers: Buyers::of(world), outcome }
    }

    fn mix(&self, weights: &[(Kind, u64)]) -> Mix {
        Mix::new(&self.world, &self.buyers, latest(self.world.available, LOCKS_MAX), weights)
    }

    async fn measure(
        &mut self,
        name: &'static str,
        server: &Running,
        weights: &[(Kind, u64)],
    ) -> anyhow::Result<f64> {
        let load = self.bench.load();
        let mix = self.mix(weights);
        let (seen, _) = drive(server.address, load, mix, &server.probe).await?;
        Ok(self.outcome.observe(name, &seen))
    }
}

/// One ticket at a time.
pub async fn get(bench: &Bench) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let mut browsing = Browsing::new(bench, &store.world);
    bench.measure_ceiling(bench.load(), &mut browsing.outcome).await?;
    let weights = [(Kind::Get, 1)];
    browsing.measure(GITTIX, &bench.gittix(&store, &[]).await?, &weights).await?;
    if let Some(server) = bench.peer(&store.world, Variant::Statement).await? {
        browsing.measure(STATEMENT, &server, &weights).await?;
    }
    let class = Kind::Get.name();
    let mut outcome = browsing.outcome;
    outcome.compare(
        (GITTIX, class),
        "answers/s",
        &[
            ("of the ceiling", (CEILING, "POST /echo"), "at least 0.7"),
            ("times PostgreSQL", (STATEMENT, class), ""),
        ],
    );
    Ok(outcome)
}

/// Pages of 50, each kind alone, beside the JSON of such a page alone.
pub async fn pages(bench: &Bench) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let mut browsing = Browsing::new(bench, &store.world);
    let ceiling = bench.ceiling().await?;
    browsing.measure(CEILING, &ceiling, &[(Kind::PageJson, 1)]).await?;
    drop(ceiling);
    let kinds = [Kind::Newest, Kind::ByPrice, Kind::Search(None)];
    let searches = Searched::ALL.map(|searched| Kind::Search(Some(searched)));
    let server = bench.gittix(&store, &[]).await?;
    for kind in kinds.into_iter().chain(searches) {
        browsing.measure(GITTIX, &server, &[(kind, 1)]).await?;
    }
    drop(server);
    if let Some(server) = bench.peer(&store.world, Variant::Statement).await? {
        for kind in kinds {
            browsing.measure(STATEMENT, &server, &[(kind, 1)]).await?;
        }
    }
    let mut outcome = browsing.outcome;
    let json = (CEILING, Kind::PageJson.name());
    for (kind, cost, rate, times, target) in [
        (
            Kind::ByPrice,
            "CPU of a filtered, sorted page, of its JSON's",
            "answers/s of it, of its JSON's",
            "times PostgreSQL's filtered, sorted pages",
            "at most 3",
        ),
        (
            Kind::Newest,
            "CPU of the newest page, of its JSON's",
            "answers/s of it, of its JSON's (newest)",
            "times PostgreSQL's newest pages",
            "",
        ),
        (
            Kind::Search(None),
            "CPU of a search, of a page's JSON's",
            "answers/s of it, of a page's JSON's (search)",
            "times PostgreSQL's searches",
            "",
        ),
    ] {
        let ours = (GITTIX, kind.name());
        outcome.compare(ours, "server CPU us/answer", &[(cost, json, target)]);
        outcome.compare(
            ours,
            "answers/s",
            &[(rate, json, ""), (times, (STATEMENT, kind.name()), "")],
        );
    }
    Ok(outcome)
}

/// A hundred looks for one lock.
pub async fn browse(bench: &Bench) -> anyhow::Result<Outcome> {
    together(bench, BROWSE, Some(Variant::Statement)).await
}

/// Everything at once. The peer can't do all of it.
pub async fn mixed(bench: &Bench) -> anyhow::Result<Outcome> {
    together(bench, MIXED, None).await
}

async fn together(
    bench: &Bench,
    weights: Weights,
    beside: Option<Variant>,
) -> anyhow::Result<Outcome> {
    let store = bench.store().await?;
    let mut browsing = Browsing::new(bench, &store.world);
    bench.measure_ceiling(bench.load(), &mut browsing.outcome).await?;
    let ours = browsing.measure(GITTIX, &bench.gittix(&store, &[]).await?, weights).await?;
    let mut theirs = None;
    if let Some(variant) = beside
        && let Some(server) = bench.peer(&store.world, variant).await?
    {
        theirs = Some(browsing.measure(STATEMENT, &server, weights).await?);
    }
    let mut outcome = browsing.outcome;
    let ceiling = outcome.value(CEILING, "POST /echo", "answers/s").unwrap_or(f64::NAN);
    outcome.ratio("of the ceiling, all requests together", ours / ceiling, "");
    if let Some(theirs) = theirs {
        outcome.ratio("times PostgreSQL, all requests together", ours / theirs, "");
    }
    Ok(outcome)
}

/// Looking at tickets at a fixed rate, first alone, then beside people who sign in.
pub async fn sign_in_storm(bench: &Bench) -> anyhow::Result<Outcome> {
    const CALM: &str = "gittix, calm";
    const STORMY: &str = "gittix, 50 signing in";
    let store = bench.store().await?;
    let mut browsing = Browsing::new(bench, &store.world);
    let server = bench.gittix(&store, &[]).await?;
    let (address, probe) = (server.address, &server.probe);
    let looking = Load {
        connections: WATCHERS,
        pace: Pace::Open { per_second: LOOKS_PER_SECOND },
        ..bench.load()
    };
    let look = || browsing.mix(&[(Kind::Get, 3), (Kind::Newest, 1)]);
    let (calm, _) = drive(address, looking, look(), probe).await?;
    let signing_in = Load { connections: STORM, ..bench.load() };
    let sign_in = browsing.mix(&[(Kind::SignIn, 1)]);
    let (stormy, storm) = tokio::join!(
        drive(address, looking, look(), probe),
        drive(address, signing_in, sign_in, probe),
    );
    let outcome = &mut browsing.outcome;
    outcome.observe(CALM, &calm);
    outcome.observe(STORMY, &stormy?.0);
    outcome.observe(STORMY, &storm?.0);
    for (kind, name) in [
        (Kind::Get, "p99 of looking at a ticket, of that without the storm"),
        (Kind::Newest, "p99 of the newest 50, of that without the storm"),
    ] {
        let under = (CALM, kind.name());
        outcome.compare((STORMY, kind.name()), "p99 ms", &[(name, under, "at most 2")]);
    }
    Ok(browsing.outcome)
}
