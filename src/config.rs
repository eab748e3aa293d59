//! Typed settings: the defaults below, over them `config.toml`, over it `GITTIX_<SECTION>__<KEY>`
//! in the environment, over that the command line.
//!
//! A setting is one field and one line in its section's `read`. A key that nobody reads and a value
//! that does not parse stop the start, all of them in one report. `config.toml` at the root of the
//! repository documents every key; a test holds it to the defaults here.

mod layers;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::payments::stripe::Mode;

use layers::Reader;
pub use layers::{Overrides, Problem, SettingsError, Source};
pub use values::PublicUrl;

/// Everything about the server that its operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The HTTP edge.
    pub http: HttpSettings,
    /// The data file.
    pub store: StoreSettings,
    /// Sessions, passwords and the throttle of sign-ins.
    pub auth: AuthSettings,
    /// How much one user may do.
    pub limits: LimitSettings,
    /// How long and how much buyers may hold.
    pub orders: OrderSettings,
    /// The memory that live actors may take.
    pub actors: ActorSettings,
    /// How money is taken.
    pub payments: PaymentSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// The HTTP edge.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where metrics and backups are served; keep it private.
    pub admin_listen: SocketAddr,
    /// The names, in lower case, that the admin address may be asked for by; addresses and
    /// `localhost` always are.
    pub admin_hosts: Vec<String>,
    /// The address that clients reach the API under.
    pub public_url: PublicUrl,
    /// Whether it was given, and is not merely what follows from `listen`.
    pub public_url_is_given: bool,
    /// The largest request body, in bytes.
    pub body_limit_bytes: usize,
    /// How long one request may take, body included.
    pub request_timeout: Duration,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How many of them one client address may hold, if that is limited.
    pub max_connections_per_address: Option<usize>,
    /// How many connections may listen to events at once.
    pub max_event_streams: usize,
    /// How many of them one client address may hold, if that is limited.
    pub max_event_streams_per_address: Option<usize>,
    /// How many past events one client address is sent per second, if that is limited.
    pub event_replay_per_second: Option<u32>,
    /// How long a client may take to send a request's headers.
    pub header_timeout: Duration,
    /// How long requests that are under way may still take when the server stops.
    pub drain: Duration,
    /// The header, in lower case, in which a proxy in front tells the client's address. Without one
    /// the connection's own address counts, since anyone can send a header.
    pub client_address_header: Option<String>,
}

/// The data file.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The file that holds everything.
    pub path: PathBuf,
    /// How much memory the store may use as its cache, in bytes; without a number it is what
    /// [`cache_bytes`](crate::memory::cache_bytes) says.
    pub cache_bytes: Option<usize>,
    /// How many commits may wait for the writer before requests are answered 503.
    pub queue: usize,
}

/// Sessions, passwords and the throttle of sign-ins.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// The file that holds the key that signs sessions; made at the first start.
    pub secret_file: PathBuf,
    /// How long a session lasts.
    pub session: Duration,
    /// Whether sign-in and sign-up are throttled at all.
    pub throttle: bool,
    /// How many failed attempts one client address may make on one account at once.
    pub throttle_account_burst: u32,
    /// How many of them it gets back per minute.
    pub throttle_account_per_minute: u32,
    /// How many failed attempts one account takes in any hour, from all addresses.
    pub throttle_account_per_hour: u32,
    /// How many attempts one client address may make at once.
    pub throttle_address_burst: u32,
    /// How many attempts one client address gets back per minute.
    pub throttle_address_per_minute: u32,
    /// How many threads hash passwords; each holds 19 MiB.
    pub hash_threads: usize,
    /// How many passwords may wait to be hashed before requests are answered 503.
    pub hash_queue: usize,
}

/// How much one user may do. Off where the throttle is.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// How many tickets a user may list in an hour.
    pub listings_per_hour: u32,
    /// How many edits of listings a user may make in an hour.
    pub edits_per_hour: u32,
    /// How many tickets a user may lock in a minute.
    pub locks_per_minute: u32,
    /// How many idempotency keys a user may use in a day.
    pub keys_per_day: u32,
}

/// How long and how much buyers may hold.
#[derive(Debug, Clone)]
pub struct OrderSettings {
    /// How long an order holds its ticket.
    pub hold: Duration,
    /// How many unpaid orders one user may have at once.
    pub max_open_per_user: u32,
    /// How many holds of one ticket a user may end without a purchase before they wait for it.
    pub relock_free: u32,
}

/// The memory that live actors may take.
#[derive(Debug, Clone)]
pub struct ActorSettings {
    /// How many actors of one kind may stay live while idle, at about 19 KB each.
    pub max_live: usize,
}

/// How money is taken.
#[derive(Debug, Clone)]
pub struct PaymentSettings {
    /// Who takes the money.
    pub provider: Provider,
    /// The currency of every price: three letters, in lower case.
    pub currency: String,
    /// How many declined payments cancel an order.
    pub max_attempts: u32,
    /// How long a payment may take before it is answered 202 and goes on behind.
    pub answer: Duration,
}

/// Who takes the money.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Nobody: an imitation that needs neither an account nor a network.
    Sandbox,
    /// Stripe.
    Stripe(StripeSettings),
}

/// An account at Stripe.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// The key that charges.
    pub secret_key: SecretString,
    /// The key that a browser may know; the storefront's card form needs it.
    pub publishable_key: Option<String>,
    /// The secrets that webhooks may be signed with: more than one while they are rolled, none if
    /// webhooks are not used.
    pub webhook_secrets: Vec<SecretString>,
    /// Where Stripe's API is, without a trailing slash.
    pub api_base: String,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Which lines are written, in the syntax of `tracing`'s `EnvFilter`.
    pub filter: String,
    /// How a line is written.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl Settings {
    /// Reads all layers. `path` is the file that was asked for: it must exist. Without one,
    /// `config.toml` in the working directory is read if it is there.
    ///
    /// # Errors
    ///
    /// Every unknown key and every bad value, with its source.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: Overrides,
    ) -> Result<Self, SettingsError> {
        Self::load_with_currencies(path, environment, flags, |_| true)
    }

    /// As [`Settings::load`], and `payments.currency` must also be one that `is_currency` knows.
    /// It is asked about three lower-case letters.
    ///
    /// # Errors
    ///
    /// Every unknown key and every bad value, with its source.
    pub fn load_with_currencies(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: Overrides,
        is_currency: impl Fn(&str) -> bool,
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::stack(path, environment, flags);
        let settings = Self::read(&mut reader, &is_currency);
        reader.finish().map(|()| settings)
    }

    /// Every key there is, in the order of `config.toml`.
    pub fn keys() -> Vec<&'static str> {
        let mut reader = Reader::default();
        Self::read(&mut reader, &|_| true);
        reader.known().to_vec()
    }

    fn read(from: &mut Reader, is_currency: &dyn Fn(&str) -> bool) -> Self {
        let settings = Self {
            http: HttpSettings::read(from),
            store: StoreSettings::read(from),
            auth: AuthSettings::read(from),
            limits: LimitSettings::read(from),
            orders: OrderSettings::read(from),
            actors: ActorSettings::read(from),
            payments: PaymentSettings::read(from, is_currency),
            log: LogSettings::read(from),
        };
        settings.check_together(from);
        settings
    }

    fn check_together(&self, from: &mut Reader) {
        if self.payments.answer >= self.http.request_timeout {
            from.refuse(Problem::Conflict {
                key: "payments.answer_seconds",
                conflict: "must be less than http.request_timeout_seconds, \
                           or the request ends before its answer"
                    .to_owned(),
            });
        }
        let (public, admin) = (self.http.listen, self.http.admin_listen);
        if public == admin && public.port() != 0 {
            from.refuse(Problem::Conflict {
                key: "http.admin_listen",
                conflict: format!("must differ from http.listen, both are {public}"),
            });
        }
        if let Provider::Stripe(stripe) = &self.payments.provider {
            stripe.check_together(from);
        }
        if self.store.path == self.auth.secret_file {
            from.refuse(Problem::Conflict {
                key: "auth.secret_file",
                conflict: "must differ from store.path".to_owned(),
            });
        }
    }
}

impl HttpSettings {
    fn read(from: &mut Reader) -> Self {
        let (listen, name) = address(from, "http.listen", 3000);
        let own_url = name.map_or_else(
            || PublicUrl::of_listener(listen),
            |name| PublicUrl::of_name(&name, listen.port()),
        );
        let public_url = from.read(
            "http.public_url",
            None,
            "an http or https URL without a path, such as https://tickets.example.com",
            |given| match values::text(given)? {
                "" => Some(None),
                text => PublicUrl::parse(text).map(Some),
            },
        );
        let client_address_header = from.read(
            "http.client_address_header",
            None,
            "the name of a header such as \"x-forwarded-for\", or \"\" for none",
            values::header,
        );
        let max_connections = number(from, "http.max_connections", 10_000, 1..=1_000_000);
        let max_event_streams = number(from, "http.max_event_streams", 5000, 0..=1_000_000);
        // Behind a proxy all connections come from its address.
        let connections_share = match client_address_header {
            None => Some(quarter(max_connections)),
            Some(_) => None,
        };
        Self {
            listen,
            admin_listen: address(from, "http.admin_listen", 3001).0,
            admin_hosts: from.read(
                "http.admin_hosts",
                Vec::new(),
                "host names without a port, in a list or with commas between them",
                values::host_names,
            ),
            public_url_is_given: public_url.is_some(),
            public_url: public_url.unwrap_or(own_url),
            body_limit_bytes: number(from, "http.body_limit_bytes", 65_536, 1024..=16_777_216),
            request_timeout: seconds(from, "http.request_timeout_seconds", 30, 1..=600),
            max_connections,
            max_connections_per_address: limit(
                from,
                "http.max_connections_per_address",
                connections_share,
            ),
            max_event_streams,
            max_event_streams_per_address: limit(
                from,
                "http.max_event_streams_per_address",
                Some(quarter(max_event_streams)),
            ),
            event_replay_per_second: limit(from, "http.event_replay_per_second", Some(20_000)),
            header_timeout: seconds(from, "http.header_timeout_seconds", 10, 1..=600),
            drain: seconds(from, "http.drain_seconds", 20, 0..=600),
            client_address_header,
        }
    }

    /// Makes do with fewer connections: what is a share of them shrinks with them.
    pub fn lower_max_connections(&mut self, max: usize) {
        let before = self.max_connections.max(1);
        if max >= before {
            return;
        }
        let shrink = |limit: usize| limit.saturating_mul(max) / before;
        self.max_connections = max;
        self.max_event_streams = shrink(self.max_event_streams);
        for limit in
            [&mut self.max_connections_per_address, &mut self.max_event_streams_per_address]
        {
            *limit = limit.map(|limit| shrink(limit).max(1));
        }
    }
}

/// What one of many may hold by default.
fn quarter(whole: usize) -> usize {
    (whole / 4).max(1)
}

impl StoreSettings {
    fn read(from: &mut Reader) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            path: path(from, "store.path", "data/gittix.redb"),
            cache_bytes: from.read(
                "store.cache_bytes",
                None,
                "a whole number from 1048576 to 1099511627776, or \"auto\"",
                |given| values::number_or_auto(given, &(MIB..=1024 * 1024 * MIB)),
            ),
            queue: number(from, "store.queue", 16_384, 1..=1_000_000),
        }
    }
}

impl AuthSettings {
    fn read(from: &mut Reader) -> Self {
        let rates = 1..=1_000_000;
        Self {
            secret_file: path(from, "auth.secret_file", "data/session.key"),
            session: hours(from, "auth.session_hours", 168, 1..=8760),
            throttle: from.read("auth.throttle", true, "true or false", values::switch),
            throttle_account_burst: number(from, "auth.throttle_account_burst", 10, rates.clone()),
            throttle_account_per_minute: number(
                from,
                "auth.throttle_account_per_minute",
                3,
                rates.clone(),
            ),
            throttle_account_per_hour: number(
                from,
                "auth.throttle_account_per_hour",
                100,
                10..=1_000_000,
            ),
            throttle_address_burst: number(from, "auth.throttle_address_burst", 600, rates.clone()),
            throttle_address_per_minute: number(
                from,
                "auth.throttle_address_per_minute",
                120,
                rates,
            ),
            hash_threads: number(from, "auth.hash_threads", 1, 1..=64),
            hash_queue: number(from, "auth.hash_queue", 256, 1..=100_000),
        }
    }
}

impl LimitSettings {
    fn read(from: &mut Reader) -> Self {
        let mut limit = |key, default| number(from, key, default, 1..=1_000_000_000);
        Self {
            listings_per_hour: limit("limits.listings_per_hour", 200),
            edits_per_hour: limit("limits.edits_per_hour", 600),
            locks_per_minute: limit("limits.locks_per_minute", 60),
            keys_per_day: limit("limits.keys_per_day", 5000),
        }
    }
}

impl OrderSettings {
    fn read(from: &mut Reader) -> Self {
        Self {
            // A card's authorisation lasts days, and the hold must end well before it.
            hold: seconds(from, "orders.hold_seconds", 900, 1..=31_536_000),
            max_open_per_user: number(from, "orders.max_open_per_user", 10, 1..=1_000_000_000),
            relock_free: number(from, "orders.relock_free", 2, 0..=1_000_000_000),
        }
    }
}

impl ActorSettings {
    fn read(from: &mut Reader) -> Self {
        Self { max_live: number(from, "actors.max_live", 512, 1..=10_000_000) }
    }
}

impl PaymentSettings {
    fn read(from: &mut Reader, is_currency: &dyn Fn(&str) -> bool) -> Self {
        let is_stripe =
            from.read("payments.provider", false, "\"sandbox\" or \"stripe\"", |given| {
                match values::text(given)? {
                    "sandbox" => Some(false),
                    "stripe" => Some(true),
                    _ => None,
                }
            });
        Self {
            currency: from.read(
                "payments.currency",
                "usd".to_owned(),
                "the three letters of an ISO 4217 currency, such as \"usd\"",
                |given| {
                    let code = values::text(given)?.to_ascii_lowercase();
                    let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase());
                    (is_code && is_currency(&code)).then_some(code)
                },
            ),
            max_attempts: number(from, "payments.max_attempts", 1, 1..=100),
            answer: seconds(from, "payments.answer_seconds", 10, 1..=300),
            provider: StripeSettings::read(from, is_stripe)
                .filter(|_| is_stripe)
                .map_or(Provider::Sandbox, Provider::Stripe),
        }
    }
}

impl StripeSettings {
    /// The keys are read, and so known and checked, whoever takes the money; what is missing counts
    /// only if it is Stripe.
    fn read(from: &mut Reader, is_needed: bool) -> Option<Self> {
        let secret_key = from.read_secret(
            "payments.stripe.secret_key",
            None,
            "a key of Stripe's: sk_test_…, sk_live_…, rk_test_… or rk_live_…",
            |given| {
                let given = values::secret(given)?;
                let is_key = |key: &SecretString| Mode::of_key(key.expose_secret()).is_some();
                given.as_ref().is_none_or(is_key).then_some(given)
            },
        );
        let publishable_key = from.read(
            "payments.stripe.publishable_key",
            None,
            "a key of Stripe's: pk_test_… or pk_live_…",
            |given| match values::text(given)? {
                "" => Some(None),
                text => Mode::of_publishable_key(text).map(|_| Some(text.to_owned())),
            },
        );
        let webhook_secrets = from.read_secret(
            "payments.stripe.webhook_secret",
            Vec::new(),
            "one secret (whsec_…), or several in a list or with commas between them",
            |given| {
                let given = values::secrets(given)?;
                let is_whole = |secret: &SecretString| {
                    secret
                        .expose_secret()
                        .strip_prefix("whsec_")
                        .is_some_and(|rest| !rest.is_empty())
                };
                given.iter().all(is_whole).then_some(given)
            },
        );
        let api_base = from.read(
            "payments.stripe.api_base",
            "https://api.stripe.com".to_owned(),
            "an http or https URL",
            values::base_url,
        );
        if is_needed && secret_key.is_none() {
            from.refuse(Problem::Missing {
                key: "payments.stripe.secret_key",
                why: "and payments.provider is \"stripe\"",
            });
        }
        Some(Self { secret_key: secret_key?, publishable_key, webhook_secrets, api_base })
    }
}

impl StripeSettings {
    /// Whether the secret key moves real money. One that does not say is none of Stripe's and was
    /// refused; whatever protects live keys would protect it too.
    pub fn mode(&self) -> Mode {
        Mode::of_key(self.secret_key.expose_secret()).unwrap_or(Mode::Live)
    }

    fn check_together(&self, from: &mut Reader) {
        let is_plain = !self.api_base.to_ascii_lowercase().starts_with("https://");
        if self.mode() == Mode::Live && is_plain {
            from.refuse(Problem::Conflict {
                key: "payments.stripe.api_base",
                conflict: "must be https: only a test key (sk_test_…, rk_test_…) may travel \
                           unencrypted"
                    .to_owned(),
            });
        }
        let published = self.publishable_key.as_deref().and_then(Mode::of_publishable_key);
        if published.is_some_and(|mode| mode != self.mode()) {
            from.refuse(Problem::Conflict {
                key: "payments.stripe.publishable_key",
                conflict:
                    "and payments.stripe.secret_key must both be of test or both of live mode"
                        .to_owned(),
            });
        }
    }
}

impl LogSettings {
    fn read(from: &mut Reader) -> Self {
        Self {
            filter: from.read(
                "log.filter",
                "info".to_owned(),
                "a level, or targets with levels, such as \"info,gittix=debug\"",
                |given| {
                    let text = values::text(given)?;
                    let is_filter = tracing_subscriber::EnvFilter::try_new(text).is_ok();
                    (is_filter && !text.is_empty()).then(|| text.to_owned())
                },
            ),
            format: from.read("log.format", LogFormat::Text, "\"text\" or \"json\"", |given| {
                match values::text(given)? {
                    "text" => Some(LogFormat::Text),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                }
            }),
        }
    }
}

fn number<T: TryFrom<u64>>(
    from: &mut Reader,
    key: &'static str,
    default: T,
    range: RangeInclusive<u64>,
) -> T {
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    from.read(key, default, &expected, |given| values::number(given, &range))
}

/// A whole number, of which zero is none.
fn limit<T: TryFrom<u64>>(from: &mut Reader, key: &'static str, default: Option<T>) -> Option<T> {
    let expected = "a whole number from 1 to 1000000, or 0 for no limit";
    from.read(key, default, expected, |given| match values::number(given, &(0..=1_000_000))? {
        0_u64 => Some(None),
        number => T::try_from(number).ok().map(Some),
    })
}

fn seconds(
    from: &mut Reader,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
) -> Duration {
    Duration::from_secs(number(from, key, default, range))
}

fn hours(
    from: &mut Reader,
    key: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
) -> Duration {
    Duration::from_secs(number(from, key, default, range) * 3600)
}

fn address(
    from: &mut Reader,
    key: &'static str,
    default_port: u16,
) -> (SocketAddr, Option<String>) {
    let default = (SocketAddr::from((Ipv4Addr::LOCALHOST, default_port)), None);
    let expected = "an address, or a name that can be found, with a port, such as 127.0.0.1:3000";
    from.read(key, default, expected, values::address)
}

fn path(from: &mut Reader, key: &'static str, default: &str) -> PathBuf {
    from.read(key, PathBuf::from(default), "the path of a file", values::path)
}

#[cfg(test)]
mod tests;
