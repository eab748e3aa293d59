//! What the server counts and measures, in Prometheus' format.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::actors::MarketStats;
use crate::store::StoreStats;

/// All metrics of one server. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram>,
    batch_commits: Histogram,
    commit_seconds: Histogram,
    queued_commits: Gauge,
    open_orders: Gauge,
    unsettled_charges: Gauge,
    oldest_unsettled_seconds: Gauge,
    last_event: Gauge,
    event_streams: Gauge,
    live_actors: Family<ActorLabels, Gauge>,
    failed_actors: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActorLabels {
    kind: &'static str,
}

/// The methods we know by their names; a client must not be able to make up labels.
fn known_method(method: &axum::http::Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method == *known).unwrap_or("other")
}

fn seconds_histogram() -> Histogram {
    // From 0.1 ms to 26 s, each bucket twice the one before.
    Histogram::new(exponential_buckets(0.0001, 2.0, 19))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("gittix"),
            requests: Family::default(),
            latency: Family::new_with_constructor(seconds_histogram),
            batch_commits: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            commit_seconds: seconds_histogram(),
            queued_commits: Gauge::default(),
            open_orders: Gauge::default(),
            unsettled_charges: Gauge::default(),
            oldest_unsettled_seconds: Gauge::default(),
            last_event: Gauge::default(),
            event_streams: Gauge::default(),
            live_actors: Family::default(),
            failed_actors: Gauge::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register(
            "store_batch_commits",
            "Commits written in one transaction",
            self.batch_commits.clone(),
        );
        registry.register_with_unit(
            "store_commit_duration",
            "Time to apply and sync one transaction",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register(
            "store_queued_commits",
            "Commits waiting to be written",
            self.queued_commits.clone(),
        );
        registry.register(
            "pending_timers",
            "Open orders, each of which has a deadline",
            self.open_orders.clone(),
        );
        registry.register(
            "open_orders",
            "Orders that hold a ticket and wait for money",
            self.open_orders.clone(),
        );
        registry.register(
            "unsettled_charges",
            "Charges that still owe something to or by the gateway",
            self.unsettled_charges.clone(),
        );
        registry.register_with_unit(
            "oldest_unsettled_charge_age",
            "Age of the oldest unsettled charge; 0 if there is none",
            Unit::Seconds,
            self.oldest_unsettled_seconds.clone(),
        );
        registry.register("last_event", "Number of the latest event", self.last_event.clone());
        registry.register(
            "event_streams",
            "Connections that listen to events",
            self.event_streams.clone(),
        );
        registry.register("live_actors", "Actors that are awake", self.live_actors.clone());
        registry.register(
            "failed_actors",
            "Actors that have failed since the start",
            self.failed_actors.clone(),
        );
    }
}

/// Everything that is read off the server when its metrics are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// The store's.
    pub store: StoreStats,
    /// The actors'.
    pub market: MarketStats,
    /// How many listen to events.
    pub event_streams: usize,
    /// How old the oldest unsettled charge is.
    pub oldest_unsettled: Option<Duration>,
}

impl Metrics {
    /// Notes a transaction of the store.
    pub fn observe_batch(&self, commits: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a batch has a few thousand commits")]
        self.0.batch_commits.observe(commits as f64);
        self.0.commit_seconds.observe(took.as_secs_f64());
    }

    /// All metrics as Prometheus reads them.
    pub fn render(&self, readings: &Readings) -> String {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let large = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let inner = &self.0;
        inner.queued_commits.set(gauge(readings.store.queued_commits));
        inner.open_orders.set(large(readings.store.open_orders));
        inner.unsettled_charges.set(large(readings.store.unsettled_charges));
        let age = readings.oldest_unsettled.map_or(0, |age| age.as_secs());
        inner.oldest_unsettled_seconds.set(large(age));
        inner.last_event.set(large(readings.store.last_seq));
        inner.event_streams.set(gauge(readings.event_streams));
        let live = |kind| inner.live_actors.get_or_create_owned(&ActorLabels { kind });
        live("ticket").set(gauge(readings.market.live_tickets));
        live("order").set(gauge(readings.market.live_orders));
        inner.failed_actors.set(large(readings.market.failures));
        let mut text = String::new();
        if encode(&mut text, &inner.registry).is_err() {
            // Writing to a string cannot fail; an empty answer would hide it if it did.
            let _ = writeln!(text, "# the metrics could not be written");
        }
        text
    }

    /// Begins to measure a request. What is not counted in the end was given up by its client.
    pub fn begin(&self, request: &Request) -> Measurement {
        let route = request.extensions().get::<MatchedPath>();
        Measurement {
            method: known_method(request.method()),
            route: route.map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned()),
            began: Instant::now(),
        }
    }

    /// Counts an answer under the route that gave it.
    pub fn count(&self, Measurement { method, route, began }: Measurement, status: StatusCode) {
        let labels = RequestLabels { method, route, status: status.as_u16() };
        self.0.requests.get_or_create(&labels).inc();
        let labels = RouteLabels { method, route: labels.route };
        self.0.latency.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Measurement {
    method: &'static str,
    route: String,
    began: Instant,
}
