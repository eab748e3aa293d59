//! Typed settings: the defaults below, over them `config.toml`, over it `GITTIX_<SECTION>__<KEY>`
//! in the environment, over that the command line.
//!
//! A setting is one field and one line in its section's `read`. A key that nobody reads and a value
//! that does not parse stop the start, all of them in one report. `config.toml` at the root of the
//! repository documents every key; a test holds it to the defaults here.

mod auth;
mod http;
mod keys;
mod layers;
mod mail;
mod market;
mod passes;
mod payments;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use keys::{number, path, seconds};
use layers::Reader;
use secrecy::SecretString;

pub use auth::{AuthSettings, LimitSettings, OperatorSettings};
pub use http::HttpSettings;
pub use layers::{Overrides, Problem, SettingsError, Source};
pub use mail::{MailProvider, MailSettings};
pub use market::PriceCapSettings;
pub use passes::PassSettings;
pub use payments::{PaymentSettings, Provider, StripeSettings};
pub use values::PublicUrl;

/// Everything about the server that its operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The HTTP edge.
    pub http: HttpSettings,
    /// Where everything is kept.
    pub store: StoreSettings,
    /// Sessions, passwords and the throttle of sign-ins.
    pub auth: AuthSettings,
    /// How much one user may do.
    pub limits: LimitSettings,
    /// Those who look after the market.
    pub operators: OperatorSettings,
    /// How long and how much buyers may hold.
    pub orders: OrderSettings,
    /// What the market takes of each seat.
    pub fees: FeeSettings,
    /// How much sellers may ask.
    pub price_caps: PriceCapSettings,
    /// Who may add shows.
    pub shows: ShowSettings,
    /// What tickets must have.
    pub tickets: TicketSettings,
    /// How passes are taken and kept.
    pub passes: PassSettings,
    /// The memory that live actors may take.
    pub actors: ActorSettings,
    /// How money is taken.
    pub payments: PaymentSettings,
    /// How people are written to.
    pub mail: MailSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// Where everything is kept.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The file that holds everything, unless a database does.
    pub path: PathBuf,
    /// The URL of the database that holds everything in place of the file. It may hold a password.
    pub url: Option<SecretString>,
    /// How many connections to that database may read at once.
    pub connections: usize,
    /// How much memory the store may use as its cache, in bytes; without a number it is what
    /// [`cache_bytes`](crate::memory::cache_bytes) says.
    pub cache_bytes: Option<usize>,
    /// How many commits may wait for the writer before requests are answered 503.
    pub queue: usize,
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
    /// How many seats one buyer may have.
    pub max_seats_per_show: u32,
}

/// What tickets must have.
#[derive(Debug, Clone)]
pub struct TicketSettings {
    /// Whether a ticket needs a show.
    pub require_show: bool,
}

/// Who may add shows.
#[derive(Debug, Clone)]
pub struct ShowSettings {
    /// Whether anyone who is signed in may.
    pub open: bool,
}

/// What the market takes of each seat.
#[derive(Debug, Clone)]
pub struct FeeSettings {
    /// The share of the price that the buyer pays on top, in hundredths of a percent.
    pub buyer_basis_points: u32,
    /// What the buyer pays on top of that, in major units.
    pub buyer_fixed: String,
    /// The share of the price that is kept from the seller, in hundredths of a percent.
    pub seller_basis_points: u32,
    /// What is kept from the seller on top of that, in major units.
    pub seller_fixed: String,
}

/// The memory that live actors may take.
#[derive(Debug, Clone)]
pub struct ActorSettings {
    /// How many actors of one kind may stay live while idle, at about 19 KB each.
    pub max_live: usize,
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
            operators: OperatorSettings::read(from),
            orders: OrderSettings::read(from),
            fees: FeeSettings::read(from),
            price_caps: PriceCapSettings::read(from),
            shows: ShowSettings::read(from),
            tickets: TicketSettings::read(from),
            passes: PassSettings::read(from),
            actors: ActorSettings::read(from),
            payments: PaymentSettings::read(from, is_currency),
            mail: MailSettings::read(from),
            log: LogSettings::read(from),
        };
        settings.check_together(from);
        settings
    }

    /// The file of the keys that passes are sealed with.
    pub fn pass_key_file(&self) -> PathBuf {
        let beside = || self.auth.secret_file.with_file_name("pass.key");
        self.passes.key_file.clone().unwrap_or_else(beside)
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
        let pass_keys = self.pass_key_file();
        if pass_keys == self.store.path || pass_keys == self.auth.secret_file {
            from.refuse(Problem::Conflict {
                key: "passes.key_file",
                conflict: "must differ from store.path and auth.secret_file".to_owned(),
            });
        }
        if self.store.path == self.auth.secret_file {
            from.refuse(Problem::Conflict {
                key: "auth.secret_file",
                conflict: "must differ from store.path".to_owned(),
            });
        }
    }
}

impl StoreSettings {
    fn read(from: &mut Reader) -> Self {
        const MIB: u64 = 1024 * 1024;
        let has_path = from.is_set("store.path");
        let path = path(from, "store.path", "data/gittix.redb");
        let expected = "postgres://user:password@host:port/database";
        let url = from.read_secret("store.url", None, expected, values::database);
        if has_path && url.is_some() {
            from.refuse(Problem::Conflict {
                key: "store.url",
                conflict: "takes the place of store.path; only one of them may be given".to_owned(),
            });
        }
        Self {
            path,
            url,
            connections: number(from, "store.connections", 16, 1..=1000),
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

impl OrderSettings {
    fn read(from: &mut Reader) -> Self {
        Self {
            // A card's authorisation lasts days, and the hold must end well before it.
            hold: seconds(from, "orders.hold_seconds", 900, 1..=31_536_000),
            max_open_per_user: number(from, "orders.max_open_per_user", 10, 1..=1_000_000_000),
            relock_free: number(from, "orders.relock_free", 2, 0..=1_000_000_000),
            max_seats_per_show: number(from, "orders.max_seats_per_show", 12, 1..=1_000_000_000),
        }
    }
}

impl TicketSettings {
    fn read(from: &mut Reader) -> Self {
        let require_show =
            from.read("tickets.require_show", false, "true or false", values::switch);
        Self { require_show }
    }
}

impl ShowSettings {
    fn read(from: &mut Reader) -> Self {
        Self { open: from.read("shows.open", true, "true or false", values::switch) }
    }
}

impl FeeSettings {
    fn read(from: &mut Reader) -> Self {
        Self {
            buyer_basis_points: number(from, "fees.buyer_basis_points", 0, 0..=10_000),
            buyer_fixed: amount(from, "fees.buyer_fixed"),
            seller_basis_points: number(from, "fees.seller_basis_points", 0, 0..=10_000),
            seller_fixed: amount(from, "fees.seller_fixed"),
        }
    }
}

/// An amount in major units, of whatever currency prices have.
fn amount(from: &mut Reader, key: &'static str) -> String {
    let expected =
        "an amount in major units with no more decimals than the currency has, such as 0.99";
    from.read(key, "0".to_owned(), expected, values::amount)
}

impl ActorSettings {
    fn read(from: &mut Reader) -> Self {
        Self { max_live: number(from, "actors.max_live", 512, 1..=10_000_000) }
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

#[cfg(test)]
mod tests;
